"""What a ledger that was brought back from a backup cannot know of orders: what was sent and told
after the backup. It is looked up before anything goes.

So what had not ended is `unknown`, and so is what is made anew of orders that were there then:
their numbers and references are the same as before (`orders.forward_steps`, `orders.wanting`).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from sqlalchemy import Connection, select, text, update

from marketsync_dagster.ledger.cursors import set_cursor
from marketsync_dagster.ledger.order_tables import forward, order_command, orders
from marketsync_dagster.ledger.tables import cursor
from marketsync_dagster.values.times import from_iso, to_iso

RESTORED = "restored"
"""The cursor that says when."""
NUMBERS = "order numbers"
"""How the cursors of the numbers of own shops begin."""
GAP = 1_000
"""So many numbers of an own shop are passed over: they may have been given since the backup."""
LATE = timedelta(days=1)
"""So far ahead of ours may the clock of a source be."""
_WORDS = "restored from the backup of {at}: what was sent since is not known"
_FORWARDS = ("pending", "intended", "sync_pending", "unknown")
_COMMANDS = ("waiting", "intended", "unknown")
_EVENTS = """
INSERT INTO order_event (order_id, line_id, at, kind, before, after, by, reason, remote_at)
SELECT order_id, '', :now, :kind, {before}, {after}, 'restore', {reason}, '' FROM {table}
WHERE state IN ({states})
"""


def doubt_orders(conn: Connection, at: str, now: str) -> int:
    """Let nothing of the backup of `at` go before it was looked up; how many forwards and commands
    that is. Both are ISO times."""
    words = _WORDS.format(at=at)
    found = 0
    for table, states, kind, before, after, reason in (
        (forward, _FORWARDS, "forwarded", "state", "'unknown'", "'number ' || number || :words"),
        (order_command, _COMMANDS, "answered", "''", "key || ': unknown'", ":reason"),
    ):
        named = ", ".join(f"'{state}'" for state in states)
        query = _EVENTS.format(
            table=table.name, states=named, before=before, after=after, reason=reason
        )
        said = {"now": now, "kind": kind}
        said |= {"words": f": {words}"} if ":words" in reason else {"reason": words}
        conn.execute(text(query), said)
        doubted = {"state": "unknown", "intended_at": now, "not_before": "", "message": words}
        found += conn.execute(
            update(table).where(table.c.state.in_(states)).values(**doubted)
        ).rowcount
    for name, last in numbers_given(conn).items():
        set_cursor(conn, name, str(last + GAP))
    set_cursor(conn, RESTORED, now)
    return found


def numbers_given(conn: Connection) -> dict[str, int]:
    """Cursor -> the last number that orders of own shops with a prefix were given."""
    named = cursor.c.name.startswith(NUMBERS, autoescape=True)
    query = select(cursor.c.name, cursor.c.value).where(named)
    return {row.name: int(row.value) for row in conn.execute(query)}


def keep_numbers(conn: Connection, given: dict[str, int]) -> None:
    """Go on after the numbers that the ledger before the restore had given."""
    here = numbers_given(conn)
    for name, last in given.items():
        if last > here.get(name, 0):
            set_cursor(conn, name, str(last))


def restored_at(conn: Connection) -> str:
    """When the ledger was brought back from a backup; empty: never."""
    query = select(cursor.c.value).where(cursor.c.name == RESTORED)
    return conn.execute(query).scalar() or ""


def in_doubt(conn: Connection, order_id: str) -> str:
    """When the ledger was brought back, of an order that may have been there before: what was done
    for it may not be in the ledger. Empty: all of it is."""
    at = restored_at(conn)
    if not at:
        return ""
    made = conn.execute(select(orders.c.created_at).where(orders.c.id == order_id)).scalar()
    later = to_iso(from_iso(at) + LATE)
    return at if made is None or made <= later else ""


def read_since(conn: Connection, source: str, at: str) -> bool:
    """Whether a source was pulled after a time (ISO)."""
    query = select(cursor.c.at).where(cursor.c.name == f"orders {source}")
    return (conn.execute(query).scalar() or "") > at


def first_made(conn: Connection, order_ids: Collection[str]) -> str:
    """When the oldest of some orders was made at its source (ISO)."""
    query = select(orders.c.created_at).where(orders.c.id.in_(sorted(order_ids)))
    return min(conn.execute(query).scalars(), default="")
