"""Pushes that replace: the platform takes off sale whatever they leave out.

Such a push is never cut. It carries every row of the feed in one request, or it does not go out
as one: where requests can be marked (`request.full`) it goes out as ordinary updates, which leave
alone what they do not name; where every request replaces, it is refused with words. Several
requests cannot do it together: the second would take off sale what the first has put there.

Pure. Who calls when: `judge` while a plan is made, `whole_push` right before it is sent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from marketsync_dagster.catalog.arrow import among
from marketsync_dagster.push.guard import SAMPLE, Finding
from marketsync_dagster.values.errors import PlanError
from marketsync_dagster.values.outcomes import StockStatus
from marketsync_dagster.values.words import counted, percent_over

if TYPE_CHECKING:
    import pandas as pd

    from marketsync_dagster.config.settings import GuardSettings
    from marketsync_dagster.ledger.plans import PlanRecord
    from marketsync_dagster.platforms.base import Capabilities
    from marketsync_dagster.push.plan import Plan, PlanOptions

_EVERY = "every request to this account replaces all that the platform shows"
_INSTEAD = (
    "raise request.batch and request.max_bytes if the platform takes more at once; or say in "
    "request.full how a full push is marked; or set full_push: upsert if others are left alone"
)


def widen(
    draw: Callable[[PlanOptions], Plan], options: PlanOptions, capabilities: Capabilities
) -> Plan:
    """The plan of a channel; where every request replaces, anything to say means to say it all."""
    plan = draw(options)
    if not capabilities.always_replaces or options.mode == "full" or not len(plan.rows):
        return plan
    return draw(replace(options, mode="full"))


def judge(
    plan: Plan, listings: pd.DataFrame, capabilities: Capabilities, guard: GuardSettings
) -> list[Finding]:
    """What the guard has to say of a plan whose push replaces. PlanError where it can never go.

    `listings` are all of the channel's, not only those of the feed.
    """
    if not capabilities.full_replaces or plan.options.mode != "full" or not len(plan.rows):
        return []
    if not capabilities.always_replaces:
        cut = plan.deselected or len(plan.held_rows) or len(plan.rows) > capabilities.batch_items
        return [] if cut else _left_out(plan, listings, guard)
    if plan.deselected:
        reasons = ", ".join(f"{count} by {reason}" for reason, count in plan.deselected.items())
        raise PlanError(
            f"{_EVERY}, and this push leaves out rows: {reasons}; they would be taken off sale",
            "run it without --sku, --limit and --field, on the newest extract",
        )
    if len(plan.rows) > capabilities.batch_items:
        raise PlanError(
            f"{_EVERY}, and {counted(len(plan.rows), 'row')} do not fit one of "
            f"{capabilities.batch_items}",
            _INSTEAD,
        )
    findings = _left_out(plan, listings, guard)
    held = plan.held_rows
    if len(held):
        findings.append(
            Finding(
                "full_push",
                f"{_EVERY}: without the {counted(len(held), 'held row')} it would take off sale "
                "what is on sale now",
                holds_plan=True,
                skus=tuple(held["sku"].head(SAMPLE)),
            )
        )
    return findings


def _left_out(plan: Plan, listings: pd.DataFrame, guard: GuardSettings) -> list[Finding]:
    """Whether too much of what the platform shows is not in the plan."""
    shown = listings[
        (listings["target"] == plan.base.target)
        & listings["ack_price_minor"].notna()
        & (listings["ack_stock_status"] != StockStatus.OUT_OF_STOCK.value)
    ]
    gone = shown[~among(shown["platform_id"], plan.rows["platform_id"])]
    share = len(gone) / len(shown) if len(shown) else 0.0
    if len(shown) < guard.min_rows or share <= guard.max_shrink:
        return []
    return [
        Finding(
            "max_shrink",
            f"{len(gone):,} of {counted(len(shown), 'row')} on sale are not in this push, which "
            f"replaces them all ({percent_over(share, guard.max_shrink)})",
            holds_plan=True,
            skus=tuple(gone["sku"].head(SAMPLE)),
        )
    ]


def whole_push(
    plan: PlanRecord, rows: int, requests: int, capabilities: Capabilities
) -> tuple[bool, str]:
    """Whether the `rows` of a plan go out as a push that replaces, and if not, why, in words.

    `requests` is how many requests they need. PlanError where they cannot go out at all.
    """
    if not capabilities.full_replaces:
        return False, ""
    cut = plan.catalog_rows - plan.unmapped - rows
    if capabilities.always_replaces:
        if cut:
            raise PlanError(
                f"{_EVERY}, and plan {plan.id} leaves out {counted(cut, 'row')} of the feed: "
                "that would be taken off sale",
                "mend or approve what is held back; the next run makes a whole plan",
            )
        if requests > 1:
            raise PlanError(
                f"{_EVERY}, and the {counted(rows, 'row')} of plan {plan.id} need "
                f"{requests} requests",
                _INSTEAD,
            )
        return True, ""
    if plan.mode != "full":
        return False, ""
    if cut:
        return False, (
            f"sent as updates, nothing is taken off sale: the push leaves out {counted(cut, 'row')}"
        )
    if requests > 1:
        return False, (
            f"sent as updates, nothing is taken off sale: {counted(rows, 'row')} need {requests} "
            "requests"
        )
    return True, ""
