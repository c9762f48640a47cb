"""What people decide about held plans: approve, reject; and the plans as they are shown.

The name and the reason are a record, not a login: whoever can run the command can decide.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson
import pandas as pd

from marketsync_dagster.ledger import listings, plans
from marketsync_dagster.push.kinds import counts_of, in_order
from marketsync_dagster.push.plan import (
    base_hash,
    planned_target,
    rows_from_parquet,
    rows_to_parquet,
)
from marketsync_dagster.values.errors import PlanError
from marketsync_dagster.values.outcomes import Disposition
from marketsync_dagster.values.times import to_iso, utcnow

if TYPE_CHECKING:
    from marketsync_dagster.ledger.engine import Ledger
    from marketsync_dagster.ledger.plans import PlanRecord


def has_moved(ledger: Ledger, plan: PlanRecord, latest_extract_id: str) -> str:
    """Why a plan no longer stands on what it was made from; empty if it does."""
    if plan.extract_id != latest_extract_id:
        return f"the outlet has a newer extract ({latest_extract_id}, planned on {plan.extract_id})"
    rows = rows_from_parquet(plan.rows)
    versions = listings.versions(ledger, plan.outlet, plan.platform)
    if base_hash(plan.extract_id, rows["sku"], versions, planned_target(plan.base)) != plan.base:
        return "some of its SKUs have been pushed since it was made"
    return ""


def approve(
    ledger: Ledger,
    plan_id: str,
    by: str,
    reason: str,
    latest_extract_id: str,
    *,
    changed: Callable[[PlanRecord], str] = lambda _: "",
) -> PlanRecord:
    """Let a held plan go: the next push of its channel sends every row of it.

    A plan that was pushed without the rows that the guard held gives a new plan of those rows.
    `latest_extract_id` is the outlet's newest accepted extract; `changed` says why the
    configuration speaks against the plan, if it does (`stages.standing`). Raises PlanError.
    """
    plan = plans.get_plan(ledger, plan_id)
    _named(by, reason)
    open_ = plan.state in ("held", "rejected") or (plan.state == "pushed" and not plan.decided_by)
    if not open_ or not plan.held:
        raise PlanError(
            f"plan {plan.id} is {plan.state}, with {plan.held} rows held: there is nothing to "
            "approve",
            "`marketsync plans list` shows what waits for a decision",
        )
    if not plan.rows:
        raise PlanError(
            f"the rows of plan {plan.id} are not kept any more",
            f"`marketsync run push_{plan.platform} --outlet {plan.outlet}` makes a new one",
        )
    rows = rows_from_parquet(plan.rows)
    if plan.state == "pushed":
        return _approve_rest(ledger, plan, rows, by, reason, latest_extract_id, changed)
    if moved := changed(plan) or has_moved(ledger, plan, latest_extract_id):
        with ledger.begin() as connection:
            plans.set_state(connection, plan.id, ("held", "rejected"), "stale")
        raise PlanError(
            f"plan {plan.id} is stale: {moved}",
            f"`marketsync run push_{plan.platform} --outlet {plan.outlet}` makes a new one",
        )
    rows = _let_go(rows)
    held = int((rows["disposition"] == Disposition.HELD.value).sum())
    approved = plans.approve(
        ledger, plan.id, by, reason, rows_to_parquet(rows), to_send=len(rows) - held, held=held
    )
    if not approved:
        raise PlanError(
            f"plan {plan.id} was decided by somebody else, or superseded, just now",
            "`marketsync plans list` shows what became of it",
        )
    return plans.get_plan(ledger, plan.id)


def _let_go(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with those that may go marked so, first; nobody can approve a price of nothing."""
    priced = rows["price_minor"] > 0
    if not priced.any():
        raise PlanError(
            "every row of this plan has a zero or negative price: that cannot be approved",
            "mend the prices, or set pricing.minimum for the channel",
        )
    words = {True: Disposition.SENT.value, False: Disposition.HELD.value}
    rows["disposition"] = priced.map(words).astype("str")
    return in_order(rows)


def _approve_rest(
    ledger: Ledger,
    plan: PlanRecord,
    rows: pd.DataFrame,
    by: str,
    reason: str,
    extract_id: str,
    changed: Callable[[PlanRecord], str],
) -> PlanRecord:
    """A new, approved plan of the rows that the guard held back from a plan that was pushed."""
    held = rows[rows["disposition"] == Disposition.HELD.value].reset_index(drop=True)
    moved = changed(replace(plan, rows=rows_to_parquet(held)))
    if extract_id != plan.extract_id:
        moved = f"the outlet has a newer extract ({extract_id})"
    if moved:
        raise PlanError(
            f"plan {plan.id} is stale: {moved}",
            f"`marketsync run push_{plan.platform} --outlet {plan.outlet}` makes a new one",
        )
    held = _let_go(held)
    held = held[held["disposition"] == Disposition.SENT.value].reset_index(drop=True)
    versions = listings.versions(ledger, plan.outlet, plan.platform)
    now = to_iso(utcnow())
    fields = {name: getattr(plan, name) for name in plan.__dataclass_fields__}
    record = plans.PlanRecord(
        **fields
        | {
            "id": plans.new_plan_id(),
            "created_at": now,
            "state": "approved",
            "base": base_hash(plan.extract_id, held["sku"], versions, planned_target(plan.base)),
            "held": 0,
            "deselected": plan.catalog_rows - plan.unmapped - len(held),
            "unchanged": 0,
            "to_send": len(held),
            "calls": -(-len(held) * plan.calls // max(plan.to_send, 1)),
            "rows": rows_to_parquet(held),
            "decided_by": by,
            "decided_reason": reason,
            "decided_at": now,
        }
    )
    plans.save_plan(ledger, record, decides=plan.id)
    return record


def reject(ledger: Ledger, plan_id: str, by: str, reason: str) -> PlanRecord:
    """Refuse a held or approved plan: it is never sent; the next run makes a new one."""
    plan = plans.get_plan(ledger, plan_id)
    _named(by, reason)
    if not plans.decide(ledger, plan.id, ("held", "approved"), "rejected", by, reason):
        raise PlanError(
            f"plan {plan.id} is {plan.state}: only a held or approved plan can be rejected",
            "`marketsync plans list` shows what waits for a decision",
        )
    return plans.get_plan(ledger, plan.id)


def _named(by: str, reason: str) -> None:
    if not by.strip() or not reason.strip():
        raise PlanError("a decision needs a name and a reason", "give --by NAME --reason TEXT")


def summary(plan: PlanRecord) -> dict[str, Any]:
    """A plan in one line: the keys of `plans list --json`."""
    return {
        "plan_id": plan.id,
        "outlet": plan.outlet,
        "platform": plan.platform,
        "account": plan.account,
        "state": plan.state,
        "kind": plan.kind,
        "mode": plan.mode,
        "created_at": plan.created_at,
        "created_by": plan.created_by,
        "extract_id": plan.extract_id,
        "catalog_rows": plan.catalog_rows,
        "unmapped": plan.unmapped,
        "held": plan.held,
        "unchanged": plan.unchanged,
        "deselected": plan.deselected,
        "to_send": plan.to_send,
        "calls": plan.calls,
        "findings": orjson.loads(plan.verdict),
        "decided_by": plan.decided_by,
        "decided_reason": plan.decided_reason,
        "decided_at": plan.decided_at,
    }


def details(plan: PlanRecord) -> dict[str, Any]:
    """A plan with its rows: the keys of `plans show --json`. `imports`: how many of its rows go,
    or would, as which kind of import."""
    rows = rows_from_parquet(plan.rows)
    imports = counts_of(rows[rows["disposition"] == Disposition.SENT.value])
    records = rows.astype("object").where(rows.notna(), None).to_dict(orient="records")
    return summary(plan) | {"imports": imports, "rows": records}
