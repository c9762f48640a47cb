"""The guard: what stops a row, or a whole plan, before the first byte is sent (DESIGN section 6).

Row rules hold the row and let the rest go; plan rules hold everything. Both compare with what the
platform has acknowledged, so a disaster in the POS, in a file or in the configuration is seen
alike; and with what it showed before the window (`push.window`), so that the same disaster in
small steps is seen too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from marketsync_dagster.values.money import format_minor
from marketsync_dagster.values.outcomes import Outcome, StockStatus
from marketsync_dagster.values.words import counted, percent_over

if TYPE_CHECKING:
    from marketsync_dagster.config.settings import GuardSettings
    from marketsync_dagster.push.plan import Plan
    from marketsync_dagster.push.window import Window

SHIFT_TOLERANCE = 0.02
"""How near to x100 or /100 a price must be to look like a shifted decimal point."""
SAMPLE = 20
"""How many SKUs a finding names."""
OUT = StockStatus.OUT_OF_STOCK.value
MOVES = ("price", "stock", "price and stock")
"""`change` of rows that the platform shows, and will show otherwise."""
_NOT_SHOWN = (Outcome.REFUSED.value, Outcome.UNSUPPORTED.value)
_VALUES = ["price_minor", "currency", "stock_status"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule of the guard that spoke, in words for people."""

    rule: str
    message: str
    holds_plan: bool
    skus: tuple[str, ...] = ()
    window_hours: float | None = None
    """Over so many hours; None: by this plan alone."""


def row_findings(
    rows: pd.DataFrame, guard: GuardSettings, window: Window | None = None
) -> np.ndarray:
    """For each row of a plan why it is held, empty if it may go."""
    new = rows["price_minor"].to_numpy(dtype="float64")
    old = rows["old_price_minor"].to_numpy(dtype="float64", na_value=np.nan)
    currency = rows["currency"].to_numpy(dtype=object)
    old_currency = rows["old_currency"].to_numpy(dtype=object)
    other = (rows["old_currency"].notna() & (rows["old_currency"] != rows["currency"])).to_numpy()
    rules = [
        ("zero or negative price", new <= 0, old),
        ("another currency", other, old),
        *((name, broken, old) for name, broken in _ratio_rules(new, old, guard)),
    ]
    by_window = []
    if window is not None:
        before = window.anchors.reindex(rows["sku"])
        same = before["currency"].to_numpy(dtype=object) == currency
        # only a price that moves now: what stands was let out, and a new listing moves nothing
        moves = (new != old) & ~np.isnan(old) & same
        anchor = np.where(moves, before["price_minor"].to_numpy(dtype="float64"), np.nan)
        within = f" within {window.hours:g} hours"
        by_window = [(n + within, b, anchor) for n, b in _ratio_rules(new, anchor, guard)]
        rules += by_window
    reasons = np.full(len(rows), "", dtype=object)
    olds = np.full(len(rows), np.nan)
    for name, broken, before in reversed(rules):  # the first that speaks is the one that is named
        reasons[broken] = name
        olds[broken] = before[broken]
    for at in np.flatnonzero(~np.isnan(olds)):
        was = format_minor(int(olds[at]), str(old_currency[at]))
        reasons[at] = f"{reasons[at]} ({was} -> {format_minor(int(new[at]), str(currency[at]))})"
    if window is not None:
        # what the window has held does not go out because the window has moved on
        kept = window.held.reindex(rows["sku"])
        words = kept["reason"].fillna("").astype("str")
        still = words.str.partition(" (")[0].isin([name for name, _, _ in by_window])
        waits = (reasons == "") & still.to_numpy() & (kept["price_minor"].to_numpy() == new)
        reasons[waits] = words.to_numpy(dtype=object)[waits]
    return reasons


def _ratio_rules(
    new: np.ndarray, old: np.ndarray, guard: GuardSettings
) -> Iterator[tuple[str, np.ndarray]]:
    """What a price may not do, seen from an old one (NaN: there is none)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = new / old
    fall, rise = guard.max_price_fall, guard.max_price_rise
    yield "price x100: a shifted decimal point?", np.abs(ratio / 100 - 1) < SHIFT_TOLERANCE
    yield "price /100: a shifted decimal point?", np.abs(ratio * 100 - 1) < SHIFT_TOLERANCE
    yield f"price falls by more than {fall:.0%}", ratio < 1 - fall
    yield f"price rises by more than {rise:.0%}", ratio > 1 + rise


def plan_findings(
    plan: Plan, known: pd.DataFrame, guard: GuardSettings, window: Window | None = None
) -> list[Finding]:
    """The rules that speak over a whole plan; `known` is the feed's listings, aligned with it."""
    findings: list[Finding] = []
    held, to_send = plan.held_rows, plan.to_send
    # rows that are only tried again have passed the guard, or a person, before
    fresh = to_send[to_send["change"] != "sent again"]
    if len(held):
        findings.append(
            Finding(
                "row rules",
                f"{counted(len(held), 'row')} held: {held['reason'].iloc[0]}"
                + (" and others" if held["reason"].nunique() > 1 else ""),
                holds_plan=len(held) > guard.max_held_rows,
                skus=_sample(held),
            )
        )
    findings += _first_push(plan, fresh, guard)
    if plan.kind == "initial":
        return findings
    findings += _share_findings(plan, guard)
    findings += _shrink_findings(plan, guard)
    if window is not None:
        spoken = {finding.rule for finding in findings if finding.holds_plan}
        found = _window_findings(plan, known, guard, window)
        findings += [finding for finding in found if finding.rule not in spoken]
    return findings


def _first_push(plan: Plan, fresh: pd.DataFrame, guard: GuardSettings) -> Iterator[Finding]:
    """A person has seen what a channel sends at first. That holds for the rest of it too, where a
    part went out before: as long as more is new than was ever acknowledged."""
    new = fresh if plan.kind == "initial" else fresh[fresh["change"] == "new"]
    if guard.initial == "auto" or len(new) <= plan.acknowledged:
        return
    before = f", after {plan.acknowledged:,} that went before" if plan.acknowledged else ""
    waits = "waits" if len(new) == 1 else "wait"
    message = f"first push of this channel{before}: {counted(len(new), 'row')} {waits} for approval"
    yield Finding("initial", message, holds_plan=True, skus=_sample(new))


def _share_findings(plan: Plan, guard: GuardSettings) -> Iterator[Finding]:
    """Rules on shares: they need a channel that already shows something."""
    rows = plan.rows
    listed = plan.acknowledged
    # What a person named, or limited, is a share of nothing: only the absolute rules hold then.
    if not listed or listed < guard.min_rows:
        return
    # of what was only ever refused nothing is listed that could change
    changed = rows["change"].isin(MOVES) & rows["old_price_minor"].notna()
    leaving = _turns_out_of_stock(rows)
    for rule, what, found, limit in (
        ("max_changed_share", "change", changed, guard.max_changed_share),
        ("max_out_of_stock_share", "go out of stock", leaving, guard.max_out_of_stock_share),
    ):
        count = int(found.sum())
        share = count / listed
        if share > limit:
            message = f"{_of(count, listed)} {what} ({percent_over(share, limit)})"
            yield Finding(rule, message, holds_plan=True, skus=_sample(rows[found]))


def _shrink_findings(plan: Plan, guard: GuardSettings) -> Iterator[Finding]:
    before, now = plan.base.pushed_rows, plan.base.accepted_rows
    if plan.base.coverage != "full" or before is None or before < guard.min_rows:
        return
    shrink = (before - now) / before if before else 0.0
    if shrink > guard.max_shrink:
        yield Finding(
            "max_shrink",
            f"the extract has {counted(now, 'row')}, the last one that was pushed had {before:,} "
            f"({_fewer(shrink, guard.max_shrink)})",
            holds_plan=True,
        )


def _window_findings(
    plan: Plan, known: pd.DataFrame, guard: GuardSettings, window: Window
) -> Iterator[Finding]:
    """The same rules over the window. A plan is held only for what it adds: one that puts things
    right goes out, however much has changed before."""
    within = f"within {window.hours:g} hours"
    held = plan.held_rows
    newly = held[~held["sku"].isin(window.held.index)]
    every = {*window.held.index, *held["sku"]}
    if len(newly) and len(held) <= guard.max_held_rows < len(every):
        yield Finding(
            "max_held_rows",
            f"{within} {counted(len(every), 'row')} held (allowed {guard.max_held_rows:,}), "
            f"{len(newly):,} of them first in this plan: {newly['reason'].iloc[0]}",
            holds_plan=True,
            skus=_sample(newly),
            window_hours=window.hours,
        )
    before, now = window.most_rows, plan.base.accepted_rows
    if plan.base.coverage == "full" and before and before >= guard.min_rows:
        shrink = (before - now) / before
        if shrink > guard.max_shrink:
            yield Finding(
                "max_shrink",
                f"the extract has {counted(now, 'row')}, {within} one with {before:,} was pushed "
                f"({_fewer(shrink, guard.max_shrink)})",
                holds_plan=True,
                window_hours=window.hours,
            )
    listed = plan.acknowledged
    if not listed or listed < guard.min_rows:
        return
    rows = _moved(plan, known, window)
    gone = rows[(rows["stock_status"] == OUT) & (rows["was"] != OUT)]
    for rule, what, found, limit in (
        ("max_changed_share", "change", rows, guard.max_changed_share),
        ("max_out_of_stock_share", "go out of stock", gone, guard.max_out_of_stock_share),
    ):
        share, here = len(found) / listed, found[found["here"]]
        if share > limit and len(here):
            yield Finding(
                rule,
                f"{within} {_of(len(found), listed)} {what} ({percent_over(share, limit)}), "
                f"{len(here):,} of them in this plan",
                holds_plan=True,
                skus=tuple(here.index[:SAMPLE]),
                window_hours=window.hours,
            )


def _moved(plan: Plan, known: pd.DataFrame, window: Window) -> pd.DataFrame:
    """The listed SKUs that show something else after this plan than before the window: their
    stock status, what it was, and whether it is `here` in this plan that they move; index: SKU."""
    moving = plan.to_send[plan.to_send["change"].isin(MOVES)].set_index("sku")
    own = moving[[f"old_{name}" for name in _VALUES]].set_axis(_VALUES, axis=1)
    own = own.astype({"price_minor": "float64"})
    new_to_it = window.anchors.index.get_indexer(own.index) < 0
    anchors = pd.concat([window.anchors, own[new_to_it]])
    known = known[known["known"].to_numpy(dtype=bool)]
    at = pd.Index(known["sku"]).get_indexer(anchors.index)
    # of what is not in the feed any more nothing is said
    anchors, listed = anchors[at >= 0], known.take(at[at >= 0]).set_index("sku")
    # what the platform said no to is not shown; what it did not answer may be
    told = ~listed["outcome"].isin(_NOT_SHOWN)
    place = moving.index.get_indexer(listed.index)
    here = place >= 0
    after = moving.take(place[here])
    differs = np.zeros(len(listed), bool)
    status = np.empty(0, dtype=object)
    for name in _VALUES:
        now = listed[name].where(told, listed[f"ack_{name}"]).to_numpy(dtype=object)
        now[here] = after[name].to_numpy(dtype=object)
        was = anchors[name]
        differs |= was.notna().to_numpy() & (was.to_numpy(dtype=object) != now)
        status = now
    moved = pd.DataFrame(
        {"stock_status": status, "was": anchors["stock_status"].to_numpy(), "here": here},
        index=listed.index,
    )
    return moved[differs]


def _of(rows: int, listed: int) -> str:
    return f"{rows:,} of {listed:,} listed rows"


def _fewer(shrink: float, limit: float) -> str:
    return percent_over(shrink, limit).replace(",", " fewer,", 1)


def _sample(rows: pd.DataFrame) -> tuple[str, ...]:
    return tuple(rows["sku"].head(SAMPLE))


def _turns_out_of_stock(rows: pd.DataFrame) -> pd.Series:
    """Rows that the platform shows as sellable and that the plan takes off sale."""
    return (
        (rows["stock_status"] == OUT)
        & (rows["change"] != "sent again")
        & rows["old_stock_status"].notna()
        & (rows["old_stock_status"] != OUT)
    )
