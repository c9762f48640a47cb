"""The calls that an account may make, counted over all processes that share the ledger.

A sliding window: at no moment were more than `per_minute` slots taken within the last minute.
Waiting, and what a Retry-After means, belong to the sender.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, or_, select, update

from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.sql import clock_ms, lock_key, upsert
from marketsync_dagster.ledger.tables import rate_closed, rate_slot
from marketsync_dagster.values.redact import scrub

WINDOW_MS = 60_000
MARGIN_MS = 300
"""The platform counts a call when it arrives, later than we do and not always equally late."""


LONGEST_WINDOW_MS = 86_400_000
"""A family of calls (`push.pacing.family_key`) may have to rest for so long."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What `ask` came to: the right to make one call, or how long to wait."""

    wait_ms: int = 0
    slot: int | None = None
    """For `answered`; None where there is no limit to count for."""
    closed: bool = False
    """The wait is what is left of a closure, and no turn that comes by itself."""


@dataclass(frozen=True, slots=True)
class Closure:
    """What a platform has asked for, as long as that is in force."""

    left_ms: int
    reason: str


def ask(
    ledger: Ledger,
    account: str,
    per_minute: int | None,
    now_ms: int | Callable[[], int] | None = None,
    *,
    window_ms: int = WINDOW_MS,
    margin_ms: int = MARGIN_MS,
) -> Asked:
    """Take the right to make one call now, or learn how long to wait before asking again.

    `per_minute` None: no limit, only closures count. Leave `now_ms` out where it is not a test:
    the shared clock is read after the wait for the ledger, a number handed in is older by then.
    """
    with ledger.begin() as conn:
        lock_key(conn, f"quota {account}")
        now = now_ms() if callable(now_ms) else now_ms
        if now is None:
            now = clock_ms(conn)
        closed = _closed_for(conn, account, now)
        if closed or per_minute is None:
            return Asked(closed, closed=closed > 0)
        mine = rate_slot.c.account == account
        span = window_ms + margin_ms
        conn.execute(delete(rate_slot).where(mine, rate_slot.c.at_ms <= now - span))
        # A clock that was set back leaves slots in a far future: they count as taken now.
        conn.execute(
            update(rate_slot).where(mine, rate_slot.c.at_ms > now + span).values(at_ms=now)
        )
        taken = conn.execute(select(func.count()).where(mine)).scalar_one()
        if taken < per_minute:
            taking = insert(rate_slot).values(account=account, at_ms=now).returning(rate_slot.c.id)
            return Asked(slot=int(conn.execute(taking).scalar_one()))
        leaves = conn.execute(
            select(rate_slot.c.at_ms)
            .where(mine)
            .order_by(rate_slot.c.at_ms)
            .offset(taken - per_minute)
            .limit(1)
        ).scalar_one()
        return Asked(max(1, int(leaves) + span - now))


def answered(ledger: Ledger, slot: int, now_ms: int | None = None) -> None:
    """The call of `slot` has been answered: by now at the latest the platform has counted it.

    A call may arrive long after its slot was taken (a busy machine, a new connection); the minute
    that counts for the platform begins when it arrives.
    """
    with ledger.begin() as conn:
        now = clock_ms(conn) if now_ms is None else now_ms
        later = (rate_slot.c.id == slot) & (rate_slot.c.at_ms < now)
        conn.execute(update(rate_slot).where(later).values(at_ms=now))


def close_account(
    ledger: Ledger, account: str, for_ms: int, reason: str, now_ms: int | None = None
) -> None:
    """Make no call of `account` for so long: its platform said so. Never shortens."""
    with ledger.begin() as conn:
        lock_key(conn, f"quota {account}")
        now = clock_ms(conn) if now_ms is None else now_ms
        if for_ms <= _closed_for(conn, account, now):
            return
        row = {"account": account, "until_ms": now + for_ms, "reason": scrub(reason), "at_ms": now}
        upsert(conn, rate_closed, [row])


def closed_for(ledger: Ledger, account: str, now_ms: int | None = None) -> int:
    """The milliseconds for which `account` must not call yet; 0 if it may."""
    with ledger.read() as conn:
        now = clock_ms(conn) if now_ms is None else now_ms
        found = _closure(conn, account)
    return 0 if found is None else _left(*found, now)


def _closure(conn: Connection, account: str) -> tuple[int, int | None] | None:
    """Until when an account is closed, and when that was said."""
    row = conn.execute(
        select(rate_closed.c.until_ms, rate_closed.c.at_ms).where(rate_closed.c.account == account)
    ).first()
    return None if row is None else (row.until_ms, row.at_ms)


def _left(until_ms: int, at_ms: int | None, now: int) -> int:
    """What is left of a closure; never more than it was when it was said."""
    most = until_ms - now if at_ms is None else until_ms - at_ms
    return max(0, min(until_ms - now, most))


def _closed_for(conn: Connection, account: str, now: int) -> int:
    """`closed_for` within a writer's transaction.

    A clock that was set back since must not make a closure longer: it begins again, now.
    """
    found = _closure(conn, account)
    if found is None:
        return 0
    left = _left(*found, now)
    if found[0] - now > left:
        again = {"until_ms": now + left, "at_ms": now}
        conn.execute(update(rate_closed).where(rate_closed.c.account == account).values(again))
    return left


def closures(ledger: Ledger, now_ms: int | None = None) -> dict[str, Closure]:
    """Every closure in force: account, or family of its calls (`push.pacing.family_key`)."""
    c = rate_closed.c
    with ledger.read() as conn:
        rows = conn.execute(select(c.account, c.until_ms, c.at_ms, c.reason)).all()
        now = clock_ms(conn) if now_ms is None and rows else now_ms or 0
    left = {row.account: Closure(_left(row.until_ms, row.at_ms, now), row.reason) for row in rows}
    return {account: one for account, one in left.items() if one.left_ms}


def closed_reason(ledger: Ledger, account: str) -> str:
    """Why `account` was last closed; empty if it never was."""
    query = select(rate_closed.c.reason).where(rate_closed.c.account == account)
    with ledger.read() as conn:
        return str(conn.execute(query).scalar() or "")


def forget_old_slots(ledger: Ledger, now_ms: int | None = None) -> int:
    """Delete what no window counts any more, of all accounts; returns how many slots."""
    with ledger.begin() as conn:
        now = clock_ms(conn) if now_ms is None else now_ms
        conn.execute(delete(rate_closed).where(rate_closed.c.until_ms <= now))
        return conn.execute(delete(rate_slot).where(forgotten(now))).rowcount


def forgotten(now_ms: int) -> ColumnElement[bool]:
    """Slots that no window counts any more; families' windows may be longer than a minute."""
    at, family = rate_slot.c.at_ms, rate_slot.c.account.contains("/")
    return or_(
        and_(~family, at <= now_ms - WINDOW_MS - MARGIN_MS),
        at <= now_ms - LONGEST_WINDOW_MS - MARGIN_MS,
    )
