"""The plan: how the feed of a channel differs from what its platform has acknowledged.

A pure function from frames to a plan; the guard (`push.guard`) judges it, `ledger.plans` keeps
it, `push.sender` applies it. Every catalog row ends in one disposition, and the first law of the
channel is asserted here: catalog rows = unmapped + held + unchanged + deselected + to send.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa

from marketsync_dagster.catalog.arrow import among, pc
from marketsync_dagster.catalog.frames import ROW_GROUP, rows_of
from marketsync_dagster.push import guard as rules
from marketsync_dagster.push.differences import MAY_BE_SHOWN, differences, known_rows, places
from marketsync_dagster.push.guard import Finding
from marketsync_dagster.push.kinds import (
    OFFER_COLUMNS,
    Asked,
    Imports,
    counts_of,
    details_differ,
    in_order,
    kinds_of,
)
from marketsync_dagster.push.window import UNMOVED, Window
from marketsync_dagster.values.outcomes import ACKNOWLEDGED, PENDING, Disposition, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from marketsync_dagster.config.settings import GuardSettings
    from marketsync_dagster.ledger.pauses import Pause

Mode = Literal["full", "partial"]

ROW_COLUMNS = (
    "sku platform_id name price_minor currency stock_status quantity disposition reason change "
    "old_price_minor old_stock_status old_quantity pos_price_minor rule matched_by line "
    "extract_id"
).split()
"""The columns of `Plan.rows`: rows to send first, in the feed's order, then the held ones. Where
the platform takes imports, `kinds.OFFER_COLUMNS` too, and rows of one kind together."""

SENT_AGAIN = "sent again"
"""`change` of a row that was sent with this very value and has had no clear answer."""
_PENDING = [outcome.value for outcome in PENDING]
_ACKNOWLEDGED = [outcome.value for outcome in ACKNOWLEDGED]


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """What one run asks of its plans."""

    mode: Mode = "full"
    skus: tuple[str, ...] = ()
    """Only these SKUs; a SKU named here goes again even if it was refused. Empty: all."""
    limit: int | None = None
    fields: tuple[Asked, ...] = ()
    """Only rows whose price, or stock, differs, or that are new or say something else of the offer
    itself (`offer`: these go out whole); empty: any."""
    automatic: bool = False
    """Started by a schedule or a sensor: channels without `auto_push` only make a plan."""
    schedule: str = ""
    """The key of the schedule that started it (partial, products, ...); empty: none did."""
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
    acknowledged: int
    """Rows of the feed of which the platform shows something, or may: what it took and has not
    answered yet counts as well."""
    refused_before: int
    """Those of the unchanged rows that the platform refused: only a person can mend them."""
    deselected: dict[str, int]
    """Reason -> rows: limit, selection, fields, older extract, push disabled."""
    base_hash: str = ""
    content_hash: str = ""
    findings: list[Finding] = field(default_factory=list)
    pause: Pause | None = None
    """Why none of it is sent, whatever the guard says (`set_aside`)."""
    in_flight: int = 0
    """Those of the unchanged rows that the platform took and has not answered yet."""
    lost_ids: int = 0
    """Unmapped rows of which the platform shows something: they had a platform id (a look ahead
    counts them, `stages.preview`)."""
    rejected: dict[str, int] = field(default_factory=dict)
    """Reason -> rows of the extract that are in no catalog (a look ahead counts them)."""
    notes: list[str] = field(default_factory=list)
    """What a run would say of the extract (a look ahead says it)."""
    not_sent: list[tuple[str, str]] = field(default_factory=list)
    """Why SKUs that were named are not in the feed, and what to do (a look ahead says it)."""
    approved: str = ""
    """The plan that waits for the next push, approved, instead of this one (a look ahead)."""
    vanished: list[str] = field(default_factory=list)
    """SKUs that are on sale there and no longer in the extract (a look ahead)."""
    not_asked: int = 0
    """Unmapped rows that the platform was never asked for (a look ahead counts them)."""

    @property
    def held(self) -> bool:
        """Nothing of it may be sent without a person's word."""
        return any(finding.holds_plan for finding in self.findings)

    @property
    def to_send(self) -> pd.DataFrame:
        """The rows that go out once the plan is let go: all of them carry `sent`."""
        return self._rows_that_are(Disposition.SENT)

    @property
    def held_rows(self) -> pd.DataFrame:
        return self._rows_that_are(Disposition.HELD)

    def _rows_that_are(self, disposition: Disposition) -> pd.DataFrame:
        chosen = (self.rows["disposition"] == disposition.value).to_numpy()
        if chosen.all():
            return self.rows
        return self.rows[chosen] if chosen.any() else self.rows.head(0)

    @property
    def complete(self) -> bool:
        """Once it is sent the platform shows the whole feed: nothing held, nothing left out.

        Where only the price (the stock) was asked for, the other may still differ.
        """
        left_out = self.deselected or self.held or len(self.held_rows) or self.refused_before
        return not (left_out or self.in_flight or self.options.fields or self.options.skus)

    @property
    def imports(self) -> dict[str, int]:
        """`ImportKind` -> rows to send; empty where the platform takes no imports."""
        return counts_of(self.to_send)

    def set_aside(self, pause: Pause) -> None:
        """The channel is paused: every row that would go out, or be held, is deselected."""
        self.pause, self.findings = pause, []
        if len(self.rows):
            self.deselected[pause.words] = len(self.rows)
            aside = {"disposition": Disposition.DESELECTED.value, "reason": pause.words}
            self.rows = self.rows.assign(**aside)

    def counts(self) -> dict[str, int]:
        """Disposition -> rows; their sum is `catalog_rows`."""
        dispositions = self.rows["disposition"].value_counts()
        send, held = (
            int(dispositions.get(word.value, 0)) for word in (Disposition.SENT, Disposition.HELD)
        )
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
    settled: int = 0,
    compare_quantity: bool = False,
    allow_older: bool = False,
    imports: Imports | None = None,
    window: Callable[[], Window | None] = lambda: None,
    judge: Callable[[Plan], list[Finding]] = lambda _: [],
    told_last: Callable[[], Mapping[str, str]] = dict,
    doubtful: Callable[[], Collection[str]] = list,
    sold: Collection[str] = (),
) -> Plan:
    """Compare a channel's FEED with its listings (`ledger.listings.load_listings`).

    `catalog_rows` counts the outlet's catalog; what of it is not in the feed is unmapped.
    `settled` rows more are in the feed, and known to be acknowledged as they are: a partial plan
    can do without them.
    `imports`: the platform takes imports, and each row says as which kind it goes.
    `window` is asked for what earlier plans have done, if this one has something new to say;
    `judge` for findings that only some platforms need (`push.replacing`), `told_last` for whose
    platform ids are that had several SKUs (`ledger.identity`), `doubtful` for the SKUs whose
    acknowledged value may not be what is shown (`ledger.listings`).
    `sold`: SKUs of which the platform itself has taken pieces off what it was told.
    """
    at = places(feed, listings)
    known = known_rows(feed, listings, at, base.target, told_last)
    differs_price, differs_stock, refused = differences(feed, known, compare_quantity, doubtful)
    there = known["known"].to_numpy(dtype=bool)
    if sold:
        differs_stock = differs_stock | (there & among(feed["sku"], sold))
    new, pending = ~there, there & known["outcome"].isin(_PENDING).to_numpy()
    # what another SKU was shown under goes out under its own name, the same value or not
    taken_over = known["taken_over"].to_numpy()
    offer = there & details_differ(feed, imports.offered) if imports else ~there & there
    changed = new | differs_price | differs_stock | offer | pending | taken_over

    named = feed["sku"].isin(options.skus).to_numpy() if options.skus else np.zeros(len(feed), bool)
    selected = named if options.skus else np.ones(len(feed), bool)
    wanted = changed | named if options.mode == "partial" else np.ones(len(feed), bool)
    in_fields = np.ones(len(feed), bool)
    if options.mode == "partial" and options.fields and not options.skus:
        in_fields = new | pending | taken_over
        for name, differs in (("offer", offer), ("price", differs_price), ("stock", differs_stock)):
            in_fields |= differs & (name in options.fields)
    older = (
        np.zeros(len(feed), bool)
        if allow_older
        else there & (known["extract_time"] > base.extract_time).to_numpy(dtype=bool)
    )

    candidate = selected & wanted & in_fields & ~older
    deselected = {
        "selection": int((~selected & wanted).sum()),
        "fields": int((selected & wanted & ~in_fields).sum()),
        "older extract": int((selected & wanted & in_fields & older).sum()),
    }
    unchanged = int((~wanted).sum()) + settled
    refused_before = int((~wanted & refused).sum())

    rows = _rows(
        feed,
        known,
        candidate,
        new,
        differs_price,
        differs_stock,
        pending,
        offer,
        base.extract_id,
    )
    in_flight = 0
    if imports is not None:
        _say_kinds(rows, feed, known, candidate, differs_price, differs_stock, options, imports)
        waits = there & known["outcome"].eq(Outcome.ACCEPTED_ASYNC.value).to_numpy(dtype=bool)
        in_flight = int((~wanted & waits).sum())
    if options.fields and "offer" not in options.fields and not new.all():
        _keep_other_field(rows, known[candidate].reset_index(drop=True), options.fields)
    acknowledged = int(known["ack_price_minor"].notna().sum()) + settled
    # of a channel that was told something nothing may be in the feed now: it is no new one
    initial = not acknowledged and (len(rows) > 0 or not _shows(listings, base.target))
    fresh = not initial and not rows["change"].isin(UNMOVED).all()
    recent = window() if fresh else None
    reasons = rules.row_findings(rows, guard, recent)
    # what was let out once and got no answer goes again: nothing about it is new
    reasons[rows["change"] == SENT_AGAIN] = ""
    rows["reason"] = reasons
    rows["disposition"] = np.where(reasons == "", Disposition.SENT.value, Disposition.HELD.value)
    if options.limit is not None:
        sent = (rows["disposition"] == Disposition.SENT.value).to_numpy()
        over = sent & (np.cumsum(sent) > options.limit)
        deselected["limit"] = int(over.sum())
        rows = rows[~over]
    if imports is not None or (reasons != "").any():
        rows = in_order(rows)
    rows = rows.reset_index(drop=True)

    plan = Plan(
        base=base,
        options=options,
        kind="initial" if initial else "ordinary",
        rows=rows,
        catalog_rows=catalog_rows,
        unmapped=catalog_rows - len(feed) - settled,
        acknowledged=acknowledged,
        unchanged=unchanged,
        refused_before=refused_before,
        in_flight=in_flight,
        deselected={reason: count for reason, count in deselected.items() if count},
    )
    plan.findings = rules.plan_findings(plan, known, guard, recent) + judge(plan)
    listed = candidate & (at >= 0)
    versions = listings["version"].to_numpy(dtype=np.int64)[at[listed]].tolist()
    version_of = dict(zip(feed["sku"][listed], versions, strict=True))
    plan.base_hash = base_hash(base.extract_id, rows["sku"], version_of, base.target)
    plan.content_hash = _content_hash(plan)
    plan.counts()
    return plan


def _shows(listings: pd.DataFrame, target: str) -> bool:
    """Whether anything was acknowledged, or taken, at this place, in the feed or not."""
    shown = listings["ack_price_minor"].notna() | listings["outcome"].isin(MAY_BE_SHOWN)
    told = (listings["target"] == target) & shown
    return bool(told.any())


def _rows(
    feed: pd.DataFrame,
    known: pd.DataFrame,
    candidate: np.ndarray,
    new: np.ndarray,
    price: np.ndarray,
    stock: np.ndarray,
    pending: np.ndarray,
    offer: np.ndarray,
    extract_id: str,
) -> pd.DataFrame:
    """The candidates with what they change, in the feed's order; disposition still open."""
    at = np.flatnonzero(candidate)
    change = np.select(
        [new[at], (price & stock)[at], price[at], stock[at], pending[at], offer[at]],
        ["new", "price and stock", "price", "stock", SENT_AGAIN, "offer"],
        default="unchanged",
    )
    none = pd.array([""] * len(at), dtype="str")
    named = "extract_id" in feed
    rows: dict[str, Any] = {
        "extract_id": None if named else pd.array([extract_id] * len(at), dtype="str"),
        "disposition": none,
        "reason": none.copy(),
        "change": pd.array(change, dtype="str"),
        **{
            f"old_{name}": known[f"ack_{name}"].array.take(at)
            for name in ("price_minor", "stock_status", "quantity", "currency")
        },
    }
    columns = [*ROW_COLUMNS, "old_currency"]
    own = {name: feed[name].array.take(at) for name in columns if rows.get(name) is None}
    return pd.DataFrame({**rows, **own}, columns=columns, copy=False)


def _say_kinds(
    rows: pd.DataFrame,
    feed: pd.DataFrame,
    known: pd.DataFrame,
    candidate: np.ndarray,
    price: np.ndarray,
    stock: np.ndarray,
    options: PlanOptions,
    imports: Imports,
) -> None:
    """Give the candidates what only imports need: OFFER_COLUMNS, as far as the feed has them."""
    there = known["known"].to_numpy(dtype=bool) & ~known["taken_over"].to_numpy(dtype=bool)
    last = known["outcome"].isin(_ACKNOWLEDGED) & (known["ack_currency"] == feed["currency"])
    kinds = kinds_of(
        acknowledged=(there & last.to_numpy(dtype=bool, na_value=False))[candidate],
        price=price[candidate],
        stock=stock[candidate],
        details=details_differ(feed, imports.offered)[candidate],
        mode=options.mode,
        fields=options.fields,
        imports=imports,
    )
    at = np.flatnonzero(candidate)
    for name in OFFER_COLUMNS:
        if name in feed:
            rows[name] = feed[name].array.take(at)
    rows["import_kind"] = pd.array(kinds, dtype="str")


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


def base_hash(
    extract_id: str, skus: pd.Series, versions: Mapping[str, int], target: str = ""
) -> str:
    """What a plan stands on: its extract, the ledger's version of each of its SKUs, and the place
    that it was made for, which is not hashed (`planned_target`)."""
    digest = hashlib.sha256(extract_id.encode())
    lines = (f"{sku}\x1f{versions.get(sku, 0)}" for sku in sorted(skus))
    digest.update("\x1e".join(lines).encode())
    return f"{digest.hexdigest()} {target}".rstrip()


def planned_target(base: str) -> str:
    """The place that a plan was made for, from its base; empty if it does not say."""
    return base.partition(" ")[2]


def _content_hash(plan: Plan) -> str:
    """What the plan holds, else what it would send: the same twice is reported once."""
    rows = plan.rows if plan.held or not len(plan.held_rows) else plan.held_rows
    columns = ["sku", "platform_id", "price_minor", "currency", "stock_status"]
    columns += [name for name in ("details", "import_kind") if name in rows]
    table = pa.table({name: pa.array(rows[name], from_pandas=True) for name in columns})
    table = table.take(pc.sort_indices(table["sku"])).combine_chunks()
    stream = pa.BufferOutputStream()
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    return hashlib.sha256(stream.getvalue()).hexdigest()


def rows_to_parquet(rows: pd.DataFrame) -> bytes:
    """`Plan.rows` as the ledger keeps them."""
    buffer = io.BytesIO()
    rows.to_parquet(buffer, index=False, compression="zstd", row_group_size=ROW_GROUP)
    return buffer.getvalue()


def rows_from_parquet(data: bytes, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """`Plan.rows` as they were planned; only `columns` if given, and OFFER_COLUMNS of them only
    where the rows have them. No rows where they are not kept any more (`ledger.retention`)."""
    import pyarrow.parquet as pq

    if not data:
        return pd.DataFrame({name: [] for name in columns or ROW_COLUMNS})
    if columns and not set(OFFER_COLUMNS).isdisjoint(columns):
        there = set(pq.read_schema(io.BytesIO(data)).names)
        columns = [name for name in columns if name in there or name not in OFFER_COLUMNS]
    table = pq.read_table(io.BytesIO(data), columns=list(columns) if columns else None)
    frame = table.to_pandas()
    texts = [c for c in frame.columns if pd.api.types.is_object_dtype(frame[c].dtype)]
    return frame.astype(dict.fromkeys(texts, "str"))


def rows_of_sku(data: bytes, sku: str) -> list[dict[str, Any]]:
    """The rows of one SKU among what `rows_from_parquet` reads, as Python values."""
    import pyarrow.parquet as pq

    return rows_of(pq.ParquetFile(pa.BufferReader(data)), sku) if data else []
