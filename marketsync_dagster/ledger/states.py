"""How each outlet stands at each stage, and which outlets failed in which run.

Steps read the failures of their own run to skip outlets; the `every_outlet` checks read the states.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import delete, select

from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.sql import upsert
from marketsync_dagster.ledger.tables import outlet_failure, outlet_state
from marketsync_dagster.values.redact import scrub
from marketsync_dagster.values.times import to_iso, utcnow


@dataclass(frozen=True, slots=True)
class OutletState:
    """The present state of one outlet at one stage.

    `at` and `last_ok_at` are filled when it is recorded; `numbers` are what plots over time.
    """

    stage: str
    outlet: str
    ok: bool
    state: str
    reason: str = ""
    next_step: str = ""
    numbers: Mapping[str, int | float] = field(default_factory=dict)
    run_id: str = ""
    at: str = ""
    last_ok_at: str | None = None


def record_failure(
    ledger: Ledger, run_id: str, stage: str, outlet: str, reason: str, next_step: str
) -> None:
    """Note that `outlet` failed at `stage` of this run: its later steps skip it."""
    row = {
        "run_id": run_id,
        "stage": stage,
        "outlet": outlet,
        "reason": scrub(reason),
        "next_step": scrub(next_step),
        "at": to_iso(utcnow()),
    }
    with ledger.begin() as conn:
        upsert(conn, outlet_failure, [row])


def clear_failures(ledger: Ledger, run_id: str) -> None:
    """Forget the failures of a run id that is used again, such as the command line's."""
    with ledger.begin() as conn:
        conn.execute(delete(outlet_failure).where(outlet_failure.c.run_id == run_id))


def failed_outlets(
    ledger: Ledger, run_id: str, stages: Collection[str] | None = None
) -> dict[str, tuple[str, str]]:
    """Outlet -> (stage, reason) of its first failure in this run, at one of `stages` if given."""
    table = outlet_failure
    query = select(table).where(table.c.run_id == run_id).order_by(table.c.at, table.c.stage)
    if stages is not None:
        query = query.where(table.c.stage.in_(list(stages)))
    failed: dict[str, tuple[str, str]] = {}
    with ledger.read() as conn:
        for row in conn.execute(query):
            failed.setdefault(row.outlet, (row.stage, row.reason))
    return failed


def failures_at(ledger: Ledger, run_id: str, stage: str) -> dict[str, tuple[str, str]]:
    """Outlet -> (reason, next step) of what failed at `stage` of this run."""
    table = outlet_failure
    query = (
        select(table)
        .where(table.c.run_id == run_id, table.c.stage == stage)
        .order_by(table.c.outlet)
    )
    with ledger.read() as conn:
        return {row.outlet: (row.reason, row.next_step) for row in conn.execute(query)}


def record_state(
    ledger: Ledger,
    stage: str,
    outlet: str,
    *,
    ok: bool,
    state: str,
    reason: str = "",
    next_step: str = "",
    numbers: Mapping[str, int | float] | None = None,
    run_id: str = "",
) -> None:
    """Record how `outlet` stands at `stage` now; see `record_states`."""
    one = OutletState(stage, outlet, ok, state, reason, next_step, dict(numbers or {}), run_id)
    record_states(ledger, [one])


def record_states(ledger: Ledger, states: Sequence[OutletState]) -> None:
    """Record the present states of many outlets in one transaction.

    The last time an outlet was well is kept while it is not. An outlet that is well at a stage
    has no failure at this stage of this run any more: a retried step starts clean.
    """
    now = to_iso(utcnow())
    rows = [
        {
            "stage": one.stage,
            "outlet": one.outlet,
            "ok": one.ok,
            "state": one.state,
            "reason": scrub(one.reason),
            "next_step": scrub(one.next_step),
            "numbers": json.dumps(dict(one.numbers), allow_nan=False),
            "run_id": one.run_id,
            "at": one.at or now,
            "last_ok_at": (one.at or now) if one.ok else None,
        }
        for one in states
    ]
    if not rows:
        return
    well: dict[tuple[str, str], list[str]] = {}
    for one in states:
        if one.ok:
            well.setdefault((one.run_id, one.stage), []).append(one.outlet)
    table = outlet_failure
    with ledger.begin() as conn:
        upsert(conn, outlet_state, rows, keep_if_null=["last_ok_at"])
        for (run_id, stage), outlets in well.items():
            for start in range(0, len(outlets), 500):
                conn.execute(
                    delete(table).where(
                        table.c.run_id == run_id,
                        table.c.stage == stage,
                        table.c.outlet.in_(outlets[start : start + 500]),
                    )
                )


def states_at(ledger: Ledger, stage: str) -> dict[str, OutletState]:
    """Outlet -> its present state at `stage`, in the order of their names."""
    query = (
        select(outlet_state).where(outlet_state.c.stage == stage).order_by(outlet_state.c.outlet)
    )
    with ledger.read() as conn:
        rows = conn.execute(query).mappings().all()
    return {
        row["outlet"]: OutletState(**{**row, "numbers": json.loads(row["numbers"])}) for row in rows
    }
