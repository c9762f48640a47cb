"""The calls that an account may make, counted over all processes that share the ledger.

A sliding window: at no moment were more than `per_minute` slots taken within the last minute.
Waiting, and what a Retry-After means, belong to the sender.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import case, delete, func, insert, select, update

from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.sql import clock_ms, insert_into, lock_key
from marketsync_dagster.ledger.tables import rate_closed, rate_slot
from marketsync_dagster.values.redact import scrub

WINDOW_MS = 60_000
MARGIN_MS = 300
"""The platform counts a call when it arrives, later than we do and not always equally late."""


def take_slot(
    ledger: Ledger,
    account: str,
    per_minute: int | None,
    now_ms: int | Callable[[], int] | None = None,
    *,
    window_ms: int = WINDOW_MS,
    margin_ms: int = MARGIN_MS,
) -> int:
    """Take the right to make one call now. Returns 0, or the milliseconds to wait and ask again.

    `per_minute` None: no limit, only closures count. Leave `now_ms` out where it is not a test:
    the shared clock is read after the wait for the ledger, a number handed in is older by then.
    """
    with ledger.begin() as conn:
        lock_key(conn, f"quota {account}")
        now = now_ms() if callable(now_ms) else now_ms
        if now is None:
            now = clock_ms(conn)
        until = conn.execute(
            select(rate_closed.c.until_ms).where(rate_closed.c.account == account)
        ).scalar()
        if until is not None and until > now:
            return int(until - now)
        if per_minute is None:
            return 0
        mine = rate_slot.c.account == account
        span = window_ms + margin_ms
        conn.execute(delete(rate_slot).where(mine, rate_slot.c.at_ms <= now - span))
        # A clock that was set back leaves slots in a far future: they count as taken now.
        conn.execute(
            update(rate_slot).where(mine, rate_slot.c.at_ms > now + span).values(at_ms=now)
        )
        taken = conn.execute(select(func.count()).where(mine)).scalar_one()
        if taken < per_minute:
            conn.execute(insert(rate_slot).values(account=account, at_ms=now))
            return 0
        leaves = conn.execute(
            select(rate_slot.c.at_ms)
            .where(mine)
            .order_by(rate_slot.c.at_ms)
            .offset(taken - per_minute)
            .limit(1)
        ).scalar_one()
        return max(1, int(leaves) + span - now)


def close_account(ledger: Ledger, account: str, until_ms: int, reason: str) -> None:
    """Make no call of `account` before `until_ms`: its platform said so. Never shortens."""
    with ledger.begin() as conn:
        statement = insert_into(conn, rate_closed)
        new = statement.excluded
        later = new.until_ms > rate_closed.c.until_ms
        conn.execute(
            statement.on_conflict_do_update(
                index_elements=["account"],
                set_={
                    "until_ms": case((later, new.until_ms), else_=rate_closed.c.until_ms),
                    "reason": case((later, new.reason), else_=rate_closed.c.reason),
                },
            ),
            {"account": account, "until_ms": until_ms, "reason": scrub(reason)},
        )


def closed_until(ledger: Ledger, account: str) -> int:
    """The moment in ms since 1970 from which `account` may call again; 0 if never closed."""
    query = select(rate_closed.c.until_ms).where(rate_closed.c.account == account)
    with ledger.read() as conn:
        return int(conn.execute(query).scalar() or 0)


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
        old = rate_slot.c.at_ms <= now - WINDOW_MS - MARGIN_MS
        return conn.execute(delete(rate_slot).where(old)).rowcount
