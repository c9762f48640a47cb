"""Plans as they are kept: saved, found, decided upon. What a plan means is `push.plan`."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import case, func, insert, select, update

from marketsync_dagster.ledger import tables as t
from marketsync_dagster.values.errors import PlanError
from marketsync_dagster.values.times import to_iso, utcnow

if TYPE_CHECKING:
    from sqlalchemy import Connection, Select

    from marketsync_dagster.ledger.engine import Ledger

OPEN_STATES = ("planned", "held", "approved")
"""States that a newer plan of the same channel supersedes."""
WAITS = timedelta(days=7)
"""For so long a held plan that nobody decides on keeps the guard's window from moving on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRecord:
    """One row of the table `plan`; `rows` is parquet, `verdict` JSON."""

    id: str
    outlet: str
    platform: str
    account: str
    created_at: str
    created_by: str
    run_id: str
    mode: str
    kind: str
    state: str
    extract_id: str
    extract_time: str
    base: str
    content: str
    catalog_rows: int
    unmapped: int
    held: int
    unchanged: int
    deselected: int
    to_send: int
    calls: int
    verdict: str
    rows: bytes
    decided_by: str | None = None
    decided_reason: str | None = None
    decided_at: str | None = None


@dataclass(frozen=True, slots=True)
class RecentPlan:
    """What the guard's window has to know of a plan; its rows are apart (`rows_of`)."""

    id: str
    kind: str
    state: str
    held: int
    verdict: str
    accepted_rows: int | None
    """Rows that its extract brought, if that was a full one."""


_ALL = [t.plan.c[name] for name in PlanRecord.__dataclass_fields__]


def new_plan_id() -> str:
    """`plan-20261121-063000-3f9a1c`: sorts by time, and its beginning can be typed."""
    return f"plan-{utcnow():%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"


def save_plan(ledger: Ledger, record: PlanRecord, *, decides: str = "") -> list[str]:
    """Keep a new plan; earlier open plans of its channel become superseded, and are returned.

    `decides`: the pushed plan whose held rows this one lets go, by the same person and for the same
    reason. PlanError, with nothing kept, if somebody decided on it before.
    """
    with ledger.begin() as connection:
        if decides:
            _decide_once(connection, decides, record)
        earlier = (
            t.plan.c.outlet == record.outlet,
            t.plan.c.platform == record.platform,
            t.plan.c.state.in_(OPEN_STATES),
        )
        superseded = list(connection.execute(select(t.plan.c.id).where(*earlier)).scalars())
        if superseded:
            connection.execute(update(t.plan).where(*earlier).values(state="superseded"))
        connection.execute(insert(t.plan).values(asdict(record)))
    return superseded


def supersede_held(ledger: Ledger, outlet: str, platform: str) -> None:
    """Nothing is left to say: what a plan of the channel holds back is not wanted any more."""
    held = (
        t.plan.c.outlet == outlet,
        t.plan.c.platform == platform,
        t.plan.c.state == "held",
    )
    with ledger.read() as connection:
        if connection.execute(select(t.plan.c.id).where(*held).limit(1)).scalar() is None:
            return
    with ledger.begin() as connection:
        connection.execute(update(t.plan).where(*held).values(state="superseded"))


def _decide_once(connection: Connection, plan_id: str, record: PlanRecord) -> None:
    done = connection.execute(
        update(t.plan)
        .where(t.plan.c.id == plan_id, t.plan.c.decided_by.is_(None))
        .values(
            decided_by=record.decided_by,
            decided_reason=f"{record.decided_reason} (as {record.id})",
            decided_at=record.decided_at,
        )
    )
    if done.rowcount != 1:
        raise PlanError(
            f"plan {plan_id} was decided by somebody else just now",
            "`marketsync plans list` shows what became of it",
        )


def get_plan(ledger: Ledger, plan_id: str) -> PlanRecord:
    """The plan with this id, or the only one that starts with it; PlanError otherwise."""
    rows = []
    if plan_id:
        with ledger.read() as connection:
            # a beginning is looked for in every plan there ever was, a whole id is found at once
            for condition in (
                t.plan.c.id == plan_id,
                t.plan.c.id.startswith(plan_id, autoescape=True),
            ):
                rows = connection.execute(select(*_ALL).where(condition).limit(2)).fetchall()
                if rows:
                    break
    if len(rows) == 1:
        return PlanRecord(**rows[0]._mapping)
    what = "is not a plan" if not rows else "is the beginning of several plans"
    raise PlanError(f"{plan_id!r} {what}", "`marketsync plans list` shows them")


def latest_plan(
    ledger: Ledger, outlet: str, platform: str, states: tuple[str, ...]
) -> PlanRecord | None:
    """The newest plan of a channel in one of `states`."""
    query = (
        select(*_ALL)
        .where(t.plan.c.outlet == outlet, t.plan.c.platform == platform, t.plan.c.state.in_(states))
        .order_by(t.plan.c.created_at.desc(), t.plan.c.id.desc())
        .limit(1)
    )
    with ledger.read() as connection:
        row = connection.execute(query).fetchone()
    return None if row is None else PlanRecord(**row._mapping)


def plans(
    ledger: Ledger,
    *,
    states: tuple[str, ...] = (),
    outlet: str | None = None,
    platform: str | None = None,
    limit: int = 20,
) -> list[PlanRecord]:
    """The newest plans first, without their rows (`rows` is empty)."""
    columns = [c for c in _ALL if c.name != "rows"]
    query = select(*columns).order_by(t.plan.c.created_at.desc(), t.plan.c.id.desc()).limit(limit)
    if states:
        query = query.where(t.plan.c.state.in_(states))
    if outlet:
        query = query.where(t.plan.c.outlet == outlet)
    if platform:
        query = query.where(t.plan.c.platform == platform)
    with ledger.read() as connection:
        return [PlanRecord(**row._mapping, rows=b"") for row in connection.execute(query)]


def recent_plans(
    ledger: Ledger, outlet: str, platform: str, account: str, since: str
) -> list[RecentPlan]:
    """The plans of a channel that were made since (ISO time) and sent, or held; oldest first."""
    with ledger.read() as connection:
        query = _recent(outlet, platform, account).where(t.plan.c.created_at >= since)
        query = query.order_by(t.plan.c.created_at, t.plan.c.id)
        return [RecentPlan(*row) for row in connection.execute(query)]


def last_with_held_rows(
    ledger: Ledger, outlet: str, platform: str, account: str
) -> RecentPlan | None:
    """The newest plan of a channel that was sent, or held, if some of its rows are held."""
    query = _recent(outlet, platform, account)
    query = query.order_by(t.plan.c.created_at.desc(), t.plan.c.id.desc()).limit(1)
    with ledger.read() as connection:
        row = connection.execute(query).fetchone()
    return RecentPlan(*row) if row and row.held else None


def _recent(outlet: str, platform: str, account: str) -> Select[*tuple[Any, ...]]:
    p, e = t.plan.c, t.extract.c
    return (
        select(
            *(p.id, p.kind, p.state, p.held, p.verdict),
            case((e.coverage == "full", e.accepted)),
        )
        .select_from(t.plan.outerjoin(t.extract, e.id == p.extract_id))
        .where(
            p.outlet == outlet,
            p.platform == platform,
            p.account == account,
            p.state.in_(("pushing", "pushed")) | (p.held > 0),
        )
    )


def undecided(
    ledger: Ledger, outlet: str, platform: str, account: str, since: str
) -> list[tuple[str, str]]:
    """(made at, verdict) of the plans since (ISO time) that were held and never sent, oldest
    first; of those only that nothing has settled: no later plan of the whole feed was sent."""
    p = t.plan.c
    of_channel = (
        *(p.outlet == outlet, p.platform == platform, p.account == account),
        p.created_at >= since,
    )
    whole = (*of_channel, p.state.in_(("pushing", "pushed")), p.deselected == 0)
    with ledger.read() as connection:
        settled = connection.execute(select(func.max(p.created_at)).where(*whole)).scalar()
        query = (
            select(p.created_at, p.verdict)
            .where(
                *of_channel,
                p.created_at > (settled or ""),
                p.state.in_(("held", "superseded", "rejected", "stale")),
                p.held > 0,
            )
            .order_by(p.created_at)
        )
        return [(row[0], row[1]) for row in connection.execute(query)]


def rows_of(ledger: Ledger, plan_ids: Sequence[str]) -> dict[str, bytes]:
    """Plan id -> its rows; those whose rows are not kept any more are left out."""
    found: dict[str, bytes] = {}
    with ledger.read() as connection:
        for start in range(0, len(plan_ids), 500):
            some = plan_ids[start : start + 500]
            query = select(t.plan.c.id, t.plan.c.rows).where(t.plan.c.id.in_(some))
            found |= {row.id: bytes(row.rows) for row in connection.execute(query) if row.rows}
    return found


def approved_channels(ledger: Ledger) -> list[tuple[str, str, str]]:
    """(outlet, platform, plan id) of every plan that was approved and not yet pushed."""
    query = select(t.plan.c.outlet, t.plan.c.platform, t.plan.c.id).where(
        t.plan.c.state == "approved"
    )
    with ledger.read() as connection:
        return [(row[0], row[1], row[2]) for row in connection.execute(query)]


def count_held(ledger: Ledger) -> int:
    """How many plans wait for a decision."""
    query = select(func.count()).select_from(t.plan).where(t.plan.c.state == "held")
    with ledger.read() as connection:
        return int(connection.execute(query).scalar_one())


def set_state(connection: Connection, plan_id: str, expected: tuple[str, ...], state: str) -> bool:
    """Move a plan from one of `expected` to `state`; False if it was in none of them."""
    done = connection.execute(
        update(t.plan)
        .where(t.plan.c.id == plan_id, t.plan.c.state.in_(expected))
        .values(state=state)
    )
    return done.rowcount == 1


def decide(
    ledger: Ledger, plan_id: str, expected: tuple[str, ...], state: str, by: str, reason: str
) -> bool:
    """Record a person's decision; False if somebody else was first."""
    with ledger.begin() as connection:
        done = connection.execute(
            update(t.plan)
            .where(t.plan.c.id == plan_id, t.plan.c.state.in_(expected))
            .values(state=state, decided_by=by, decided_reason=reason, decided_at=to_iso(utcnow()))
        )
        return done.rowcount == 1


def approve(
    ledger: Ledger, plan_id: str, by: str, reason: str, rows: bytes, *, to_send: int, held: int
) -> bool:
    """Record that a held plan may go after all; False if somebody else was first."""
    with ledger.begin() as connection:
        done = connection.execute(
            update(t.plan)
            .where(t.plan.c.id == plan_id, t.plan.c.state.in_(("held", "rejected")))
            .values(
                state="approved",
                rows=rows,
                to_send=to_send,
                held=held,
                decided_by=by,
                decided_reason=reason,
                decided_at=to_iso(utcnow()),
            )
        )
        return done.rowcount == 1
