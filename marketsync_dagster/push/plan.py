"""The plan: how the feed of a channel differs from what its platform has acknowledged.

A pure function from frames to a plan; the guard (`push.guard`) judges it, `ledger.plans` keeps
it, `push.sender` applies it. Every catalog row ends in one disposition, and the first law of the
channel is asserted here: catalog rows = unmapped + held + unchanged + deselected + to send.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from marketsync_dagster.push import guard as rules
from marketsync_dagster.push.guard import Finding
from marketsync_dagster.values.outcomes import PENDING, Disposition, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from marketsync_dagster.config.settings import GuardSettings

Mode = Literal["full", "partial"]

ROW_COLUMNS = (
    "sku platform_id name price_minor currency stock_status quantity disposition reason change "
    "old_price_minor old_stock_status pos_price_minor rule matched_by line extract_id"
).split()
"""The columns of `Plan.rows`: rows to send first, in the feed's order, then the held ones."""

_REPEATS_ONLY_WHEN_CHANGED = [Outcome.REFUSED.value, Outcome.UNSUPPORTED.value]
SENT_AGAIN = "sent again"
"""`change` of a row that was sent with this very value and has had no clear answer."""
_PENDING = [outcome.value for outcome in PENDING]


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """What one run asks of its plans."""

    mode: Mode = "full"
    skus: tuple[str, ...] = ()
    """Only these SKUs; a SKU named here goes again even if it was refused. Empty: all."""
    limit: int | None = None
    fields: tuple[Literal["price", "stock"], ...] = ()
    """Only rows whose price, or stock, differs; empty: either."""
    automatic: bool = False
    """Started by a schedule or a sensor: channels without `auto_push` only make a plan."""
    schedule: str = ""
    """The key of the schedule that started it (partial, full, stock); empty: none did."""
    account: str = ""
    """Only channels of this account are pushed; empty: all."""


@dataclass(frozen=True, slots=True)
class Base:
    """What a plan stands on."""

    outlet: str
    platform: str
    account: str
    target: str
    extract_id: str
    extract_time: str
    accepted_rows: int
    """Rows that the extract brought."""
    pushed_rows: int | None
    """Rows that the extract of the last push brought; None: never pushed."""
    coverage: Literal["full", "delta"] = "full"


@dataclass(slots=True, kw_only=True)
class Plan:
    """What would be sent to one channel, and what would not, with the reasons."""

    base: Base
    options: PlanOptions
    kind: Literal["initial", "ordinary"]
    rows: pd.DataFrame
    catalog_rows: int
    unmapped: int
    unchanged: int
    refused_before: int
    """Those of the unchanged rows that the platform refused: only a person can mend them."""
    deselected: dict[str, int]
    """Reason -> rows: limit, selection, fields, older extract, push disabled."""
    base_hash: str = ""
    content_hash: str = ""
    findings: list[Finding] = field(default_factory=list)

    @property
    def held(self) -> bool:
        """Nothing of it may be sent without a person's word."""
        return any(finding.holds_plan for finding in self.findings)

    @property
    def to_send(self) -> pd.DataFrame:
        """The rows that go out once the plan is let go: all of them carry `sent`."""
        return self.rows[self.rows["disposition"] == Disposition.SENT.value]

    @property
    def held_rows(self) -> pd.DataFrame:
        return self.rows[self.rows["disposition"] == Disposition.HELD.value]

    @property
    def complete(self) -> bool:
        """Once it is sent the platform shows the whole feed: nothing held, nothing left out."""
        left_out = self.deselected or self.held or len(self.held_rows) or self.refused_before
        return not left_out

    def counts(self) -> dict[str, int]:
        """Disposition -> rows; their sum is `catalog_rows`."""
        send, held = len(self.to_send), len(self.held_rows)
        counts = {
            Disposition.UNMAPPED.value: self.unmapped,
            Disposition.HELD.value: held + (send if self.held else 0),
            Disposition.UNCHANGED.value: self.unchanged,
            Disposition.DESELECTED.value: sum(self.deselected.values()),
            Disposition.SENT.value: 0 if self.held else send,
        }
        if sum(counts.values()) != self.catalog_rows:
            raise AssertionError(f"channel law broken: {counts} is not {self.catalog_rows}")
        return counts


def make_plan(
    feed: pd.DataFrame,
    listings: pd.DataFrame,
    *,
    base: Base,
    options: PlanOptions,
    guard: GuardSettings,
    catalog_rows: int,
    compare_quantity: bool = False,
    allow_older: bool = False,
) -> Plan:
    """Compare a channel's FEED with its listings (`ledger.listings.load_listings`).

    `catalog_rows` counts the outlet's catalog; what of it is not in the feed is unmapped.
    """
    known = _known(feed, listings, base.target)
    differs_price, differs_stock = _differences(feed, known, compare_quantity)
    outcome = known["outcome"]
    pending = known["known"] & outcome.isin(_PENDING).to_numpy()
    new = ~known["known"].to_numpy()
    changed = new | differs_price | differs_stock | pending.to_numpy()

    named = feed["sku"].isin(options.skus).to_numpy() if options.skus else np.zeros(len(feed), bool)
    selected = named if options.skus else np.ones(len(feed), bool)
    wanted = changed | named if options.mode == "partial" else np.ones(len(feed), bool)
    price_only, stock_only = options.fields == ("price",), options.fields == ("stock",)
    in_fields = np.ones(len(feed), bool)
    if options.mode == "partial" and (price_only or stock_only) and not options.skus:
        in_fields = new | pending.to_numpy() | (differs_price if price_only else differs_stock)
    older = (
        np.zeros(len(feed), bool)
        if allow_older
        else (known["known"] & (known["extract_time"] > base.extract_time)).to_numpy(dtype=bool)
    )

    candidate = selected & wanted & in_fields & ~older
    deselected = {
        "selection": int((~selected).sum()),
        "fields": int((selected & wanted & ~in_fields).sum()),
        "older extract": int((selected & wanted & in_fields & older).sum()),
    }
    unchanged = int((selected & ~wanted).sum())
    refused = outcome.isin(_REPEATS_ONLY_WHEN_CHANGED).to_numpy()
    shown = ~np.logical_or(*_unequal(feed, known, "ack_", compare_quantity))
    refused_before = int((selected & ~wanted & refused & ~shown).sum())

    rows = _rows(
        feed,
        known,
        candidate,
        new,
        differs_price,
        differs_stock,
        pending.to_numpy(),
        base.extract_id,
    )
    if options.fields and not new.all():
        _keep_other_field(rows, known[candidate].reset_index(drop=True), options.fields)
    reasons = rules.row_findings(rows, guard, base)
    # what was let out once and got no answer goes again: nothing about it is new
    reasons[rows["change"] == SENT_AGAIN] = ""
    rows["reason"] = reasons
    rows["disposition"] = np.where(reasons == "", Disposition.SENT.value, Disposition.HELD.value)
    if options.limit is not None:
        sent = (rows["disposition"] == Disposition.SENT.value).to_numpy()
        over = sent & (np.cumsum(sent) > options.limit)
        deselected["limit"] = int(over.sum())
        rows = rows[~over]
    rows = rows.sort_values(
        "disposition", ascending=False, kind="stable", ignore_index=True
    )  # "sent" before "held"

    plan = Plan(
        base=base,
        options=options,
        kind="ordinary" if known["ack_price_minor"].notna().any() else "initial",
        rows=rows,
        catalog_rows=catalog_rows,
        unmapped=catalog_rows - len(feed),
        unchanged=unchanged,
        refused_before=refused_before,
        deselected={reason: count for reason, count in deselected.items() if count},
    )
    plan.findings = rules.plan_findings(plan, known, guard)
    versions = dict(zip(listings["sku"], listings["version"], strict=True))
    plan.base_hash = base_hash(base.extract_id, rows["sku"], versions)
    plan.content_hash = _content_hash(plan)
    plan.counts()
    return plan


def _known(feed: pd.DataFrame, listings: pd.DataFrame, target: str) -> pd.DataFrame:
    """The listing of each feed row, aligned with the feed; `known` is False where there is none.

    A listing that was told to another host, or under another platform id, is not this one.
    """
    at = pd.Index(listings["sku"]).get_indexer(pd.Index(feed["sku"]))
    known = listings.take(np.where(at < 0, 0, at)) if len(listings) else None
    if known is None:
        known = pd.DataFrame(index=range(len(feed)), columns=listings.columns).astype(
            listings.dtypes.to_dict()
        )
        known["known"] = False
        return known
    known = known.reset_index(drop=True)
    same = (
        (at >= 0)
        & (known["target"] == target).to_numpy(dtype=bool)
        & (known["platform_id"].to_numpy() == feed["platform_id"].to_numpy())
    )
    known = known.where(pd.Series(same))
    known["known"] = same
    return known


def _differences(
    feed: pd.DataFrame, known: pd.DataFrame, compare_quantity: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Whether price, and stock, differ from what was last acknowledged or refused."""
    price, stock = _unequal(feed, known, "", compare_quantity)
    refused = known["outcome"].isin(_REPEATS_ONLY_WHEN_CHANGED).to_numpy()
    if refused.any():  # back to what the platform has acknowledged: there is nothing to mend
        ack_price, ack_stock = _unequal(feed, known, "ack_", compare_quantity)
        settled = refused & ~ack_price & ~ack_stock
        price, stock = price & ~settled, stock & ~settled
    return price, stock


def _unequal(
    feed: pd.DataFrame, known: pd.DataFrame, prefix: str, compare_quantity: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Whether price, and stock, differ from those columns of the listings."""
    by_price = (known[f"{prefix}price_minor"] != feed["price_minor"]).fillna(True) | (
        known[f"{prefix}currency"] != feed["currency"]
    ).fillna(True)
    by_stock = (known[f"{prefix}stock_status"] != feed["stock_status"]).fillna(True)
    if compare_quantity:
        quantity = known[f"{prefix}quantity"]
        same = (quantity == feed["quantity"]).fillna(False) | (
            quantity.isna() & feed["quantity"].isna()
        )
        by_stock = by_stock | ~same
    return by_price.to_numpy(dtype=bool), by_stock.to_numpy(dtype=bool)


def _rows(
    feed: pd.DataFrame,
    known: pd.DataFrame,
    candidate: np.ndarray,
    new: np.ndarray,
    price: np.ndarray,
    stock: np.ndarray,
    pending: np.ndarray,
    extract_id: str,
) -> pd.DataFrame:
    """The candidates with what they change, in the feed's order; disposition still open."""
    change = np.select(
        [new, price & stock, price, stock, pending],
        ["new", "price and stock", "price", "stock", SENT_AGAIN],
        default="unchanged",
    )
    columns = (
        "sku platform_id name price_minor currency stock_status quantity pos_price_minor rule "
        "matched_by line"
    ).split()
    rows = feed.loc[candidate, columns].reset_index(drop=True)
    own = feed["extract_id"] if "extract_id" in feed else pd.Series(extract_id, feed.index)
    rows["extract_id"] = own[candidate].reset_index(drop=True).astype("str")
    rows["change"] = pd.Series(change[candidate], dtype="str")
    rows["old_price_minor"] = known.loc[candidate, "ack_price_minor"].to_numpy()
    rows["old_price_minor"] = rows["old_price_minor"].astype("Int64")
    rows["old_currency"] = known.loc[candidate, "ack_currency"].to_numpy()
    rows["old_stock_status"] = known.loc[candidate, "ack_stock_status"].to_numpy()
    rows["disposition"] = ""
    rows["reason"] = ""
    return rows[[*ROW_COLUMNS, "old_currency"]]


def _keep_other_field(rows: pd.DataFrame, known: pd.DataFrame, fields: tuple[str, ...]) -> None:
    """With only the price (or only the stock) asked for, the other stays as acknowledged."""
    if "price" not in fields:
        keep = known["ack_price_minor"].notna()
        rows["price_minor"] = (
            known["ack_price_minor"].where(keep, rows["price_minor"]).astype("int64")
        )
        rows["currency"] = known["ack_currency"].where(keep, rows["currency"])
    if "stock" not in fields:
        keep = known["ack_stock_status"].notna()
        rows["stock_status"] = known["ack_stock_status"].where(keep, rows["stock_status"])
        rows["quantity"] = known["ack_quantity"].where(keep, rows["quantity"])


def base_hash(extract_id: str, skus: pd.Series, versions: Mapping[str, int]) -> str:
    """What a plan stands on: its extract, and the ledger's version of each of its SKUs."""
    digest = hashlib.sha256(extract_id.encode())
    lines = (f"{sku}\x1f{versions.get(sku, 0)}" for sku in sorted(skus))
    digest.update("\x1e".join(lines).encode())
    return digest.hexdigest()


def _content_hash(plan: Plan) -> str:
    """What the plan holds, else what it would send: the same twice is reported once."""
    rows = plan.rows if plan.held or not len(plan.held_rows) else plan.held_rows
    columns = ["sku", "platform_id", "price_minor", "currency", "stock_status"]
    table = rows.sort_values("sku")[columns].to_csv(index=False)
    return hashlib.sha256(table.encode()).hexdigest()


def rows_to_parquet(rows: pd.DataFrame) -> bytes:
    """`Plan.rows` as the ledger keeps them."""
    buffer = io.BytesIO()
    rows.to_parquet(buffer, index=False, compression="zstd")
    return buffer.getvalue()


def rows_from_parquet(data: bytes, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """`Plan.rows` as they were planned; only `columns` if given."""
    import pyarrow.parquet as pq

    table = pq.read_table(io.BytesIO(data), columns=list(columns) if columns else None)
    frame = table.to_pandas()
    texts = [c for c in frame.columns if pd.api.types.is_object_dtype(frame[c].dtype)]
    return frame.astype(dict.fromkeys(texts, "str"))
