"""The guard: what stops a row, or a whole plan, before the first byte is sent (DESIGN section 6).

Row rules hold the row and let the rest go; plan rules hold everything. Both compare with what the
platform has acknowledged, so a disaster in the POS, in a file or in the configuration is seen
alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from marketsync_dagster.values.money import format_minor
from marketsync_dagster.values.outcomes import StockStatus

if TYPE_CHECKING:
    from marketsync_dagster.config.settings import GuardSettings
    from marketsync_dagster.push.plan import Base, Plan

SHIFT_TOLERANCE = 0.02
"""How near to x100 or /100 a price must be to look like a shifted decimal point."""
SAMPLE = 20
"""How many SKUs a finding names."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule of the guard that spoke, in words for people."""

    rule: str
    message: str
    holds_plan: bool
    skus: tuple[str, ...] = ()


def row_findings(rows: pd.DataFrame, guard: GuardSettings, base: Base) -> np.ndarray:
    """For each row of a plan why it is held, empty if it may go. `base` names the channel."""
    new = rows["price_minor"].to_numpy(dtype="float64")
    old = rows["old_price_minor"].to_numpy(dtype="float64", na_value=np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = new / old
    rules = [
        ("zero or negative price", new <= 0),
        (
            "another currency",
            (rows["old_currency"].notna() & (rows["old_currency"] != rows["currency"])).to_numpy(),
        ),
        ("price x100: a shifted decimal point?", np.abs(ratio / 100 - 1) < SHIFT_TOLERANCE),
        ("price /100: a shifted decimal point?", np.abs(ratio * 100 - 1) < SHIFT_TOLERANCE),
        (f"price falls by more than {guard.max_price_fall:.0%}", ratio < 1 - guard.max_price_fall),
        (f"price rises by more than {guard.max_price_rise:.0%}", ratio > 1 + guard.max_price_rise),
    ]
    reasons = np.full(len(rows), "", dtype=object)
    for name, broken in reversed(rules):  # the first rule that speaks is the one that is named
        reasons[broken] = name
    for at in np.flatnonzero(reasons != ""):
        if not np.isnan(old[at]):
            before = format_minor(int(old[at]), str(rows["old_currency"].iloc[at]))
            after = format_minor(int(new[at]), str(rows["currency"].iloc[at]))
            reasons[at] = f"{reasons[at]} ({before} -> {after})"
    return reasons


def plan_findings(plan: Plan, known: pd.DataFrame, guard: GuardSettings) -> list[Finding]:
    """The rules that speak over a whole plan; `known` is the feed's listings, aligned with it."""
    findings: list[Finding] = []
    held, to_send = plan.held_rows, plan.to_send
    # rows that are only tried again have passed the guard, or a person, before
    fresh = to_send[to_send["change"] != "sent again"]
    if len(held):
        findings.append(
            Finding(
                "row rules",
                f"{len(held)} rows held: {held['reason'].iloc[0]}"
                + (" and others" if held["reason"].nunique() > 1 else ""),
                holds_plan=len(held) > guard.max_held_rows,
                skus=_sample(held),
            )
        )
    if plan.kind == "initial":
        if guard.initial != "auto" and len(fresh):
            findings.append(
                Finding(
                    "initial",
                    f"first push of this channel: {len(fresh)} rows wait for approval",
                    holds_plan=True,
                    skus=_sample(fresh),
                )
            )
        return findings
    findings += _share_findings(plan, known, guard)
    return findings


def _share_findings(plan: Plan, known: pd.DataFrame, guard: GuardSettings) -> list[Finding]:
    """Rules on shares: they need a channel that already shows something."""
    findings: list[Finding] = []
    rows = plan.rows
    listed = int(known["ack_price_minor"].notna().sum())
    # What a person named, or limited, is a share of nothing: only the absolute rules hold then.
    shares = listed >= guard.min_rows
    changed = rows[rows["change"].isin(["price", "stock", "price and stock"])]
    share = len(changed) / listed if listed else 0.0
    if shares and share > guard.max_changed_share:
        findings.append(
            Finding(
                "max_changed_share",
                f"{len(changed)} of {listed} listed rows change ({share:.0%}, "
                f"allowed {guard.max_changed_share:.0%})",
                holds_plan=True,
                skus=_sample(changed),
            )
        )
    leaving = rows[_turns_out_of_stock(rows)]
    share = len(leaving) / listed if listed else 0.0
    if shares and share > guard.max_out_of_stock_share:
        findings.append(
            Finding(
                "max_out_of_stock_share",
                f"{len(leaving)} of {listed} listed rows go out of stock ({share:.0%}, "
                f"allowed {guard.max_out_of_stock_share:.0%})",
                holds_plan=True,
                skus=_sample(leaving),
            )
        )
    before, now = plan.base.pushed_rows, plan.base.accepted_rows
    if plan.base.coverage == "full" and before is not None and before >= guard.min_rows:
        shrink = (before - now) / before
        if shrink > guard.max_shrink:
            findings.append(
                Finding(
                    "max_shrink",
                    f"the extract has {now} rows, the last one that was pushed had {before} "
                    f"({shrink:.0%} fewer, allowed {guard.max_shrink:.0%})",
                    holds_plan=True,
                )
            )
    return findings


def _sample(rows: pd.DataFrame) -> tuple[str, ...]:
    return tuple(rows["sku"].head(SAMPLE))


def _turns_out_of_stock(rows: pd.DataFrame) -> pd.Series:
    """Rows that the platform shows as sellable and that the plan takes off sale."""
    out = StockStatus.OUT_OF_STOCK.value
    return (
        (rows["stock_status"] == out)
        & (rows["change"] != "sent again")
        & rows["old_stock_status"].notna()
        & (rows["old_stock_status"] != out)
    )
