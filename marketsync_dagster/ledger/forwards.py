"""Forwards: orders, or some of their lines, on their way to the places that fulfil them.

Whoever adds or changes one holds the order's source (`ledger.orders.orders_to_change`) in the same
transaction. What a forward's states lead to belongs to `orders.forwarding` and `orders.fulfilment`.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Select, delete, func, or_, select, update

from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.order_tables import forward, forward_line
from marketsync_dagster.ledger.sql import is_one_of, put_off_is_over

ForwardState = Literal[
    "pending",  # made, and never sent
    "intended",  # a call is under way, or its process died
    "sync_pending",  # the destination does not have it: it was down, or busy
    "unknown",  # it may have it: looked up before anything is sent again
    "sent",  # it has it
    "acknowledged",  # and has said so by itself
    "done",  # everything of it has left
    "refused",
    "cancelling",  # it is to be taken back
    "cancelled",
    "failed",  # it ended there without being fulfilled
]

LIVE: frozenset[ForwardState] = frozenset(
    {"pending", "intended", "sync_pending", "unknown", "sent", "acknowledged", "cancelling"}
)
"""A line is in at most one of these."""
HERE: frozenset[ForwardState] = frozenset({"pending", "sync_pending"})
"""The destination does not have it, for certain."""
HANDED: frozenset[ForwardState] = frozenset({"sent", "acknowledged", "cancelling", "done"})
"""The destination has it."""
OVER: frozenset[ForwardState] = frozenset({"refused", "cancelled", "failed"})
"""Ended without success, for ever."""


@dataclass(frozen=True, slots=True)
class Forward:
    """One forward; the columns of `forward`."""

    id: str
    order_id: str
    destination: str
    """An account that fulfils, or `pos`: the till of `outlet`."""
    outlet: str
    attempt: int
    """1, or more after one that ended without success."""
    number: str
    """Ours at the destination."""
    state: ForwardState
    created_at: str
    changed_at: str
    external_id: str = ""
    raw_status: str = ""
    intended_at: str | None = None
    sent_at: str | None = None
    acknowledged_at: str | None = None
    asked_at: str | None = None
    """When its status was asked for last."""
    again_at: str | None = None
    """It ended without success, and a person has let its lines go once more."""
    not_before: str = ""
    attempts: int = 0
    """Calls that tried to hand it over, or to take it back, since it came into its state."""
    estimated_delivery: str = ""
    message: str = ""
    lines: Mapping[str, int] = field(default_factory=dict)
    """Line -> pieces: all that the destination has, or is to get."""
    skus: Mapping[str, str] = field(default_factory=dict)
    """Line -> SKU that it was when it was routed."""

    @property
    def live(self) -> bool:
        """Whether its lines can be in no other."""
        return self.state in LIVE

    @property
    def there(self) -> str:
        """Where it goes, for people."""
        return f"pos/{self.outlet}" if self.destination == "pos" else self.destination


_COLUMNS = tuple(one.name for one in fields(Forward) if one.name not in ("lines", "skus"))


def new_forward_id(moment: datetime) -> str:
    """The id of a forward made now; ids sort by time."""
    return f"forward-{moment:%Y%m%d-%H%M%S%f}-{secrets.token_hex(8)}"


def forwards_of(conn: Connection, order_ids: Collection[str]) -> dict[str, list[Forward]]:
    """Order -> its forwards, oldest first."""
    if not order_ids:
        return {}
    query = select(forward).where(is_one_of(conn.dialect.name, forward.c.order_id, [*order_ids]))
    found: dict[str, list[Forward]] = {}
    for one in _read(conn, query):
        found.setdefault(one.order_id, []).append(one)
    return found


def forwards_at(
    conn: Connection,
    destination: str,
    states: Collection[ForwardState],
    *,
    outlets: Collection[str] | None = None,
) -> list[Forward]:
    """Forwards of a destination in some states, of some outlets or all, oldest first."""
    query = select(forward).where(
        forward.c.destination == destination, forward.c.state.in_(sorted(states))
    )
    if outlets is not None:
        query = query.where(is_one_of(conn.dialect.name, forward.c.outlet, [*outlets]))
    return _read(conn, query)


def get_forward(conn: Connection, forward_id: str) -> Forward | None:
    """One forward by its id."""
    return next(iter(_read(conn, select(forward).where(forward.c.id == forward_id))), None)


def by_number(conn: Connection, destination: str, number: str) -> Forward | None:
    """One forward by its number at a destination."""
    query = select(forward).where(forward.c.destination == destination, forward.c.number == number)
    return next(iter(_read(conn, query)), None)


def live_lines(conn: Connection, order_ids: Collection[str]) -> dict[str, dict[str, Forward]]:
    """Order -> line -> the live forward that it is in."""
    return {
        order_id: {line: one for one in there if one.live for line in one.lines}
        for order_id, there in forwards_of(conn, order_ids).items()
    }


def add_forwards(conn: Connection, new: Sequence[Forward]) -> None:
    """Write new forwards; ValueError for a line that is in a live one already."""
    live = live_lines(conn, {one.order_id for one in new})
    taken = {(order_id, line) for order_id, there in live.items() for line in there}
    for one in new:
        wanted = {(one.order_id, line) for line in one.lines}
        if not wanted or wanted & taken:
            raise ValueError(f"order {one.order_id} has no line that could go to {one.there}")
        taken |= wanted
    conn.execute(forward.insert(), [{name: getattr(one, name) for name in _COLUMNS} for one in new])
    conn.execute(forward_line.insert(), [row for one in new for row in _line_rows(one)])


def change(conn: Connection, one: Forward, at: str, **changes: Any) -> Forward:
    """Change columns of a forward, or its `lines`, and return it as it is now.

    RuntimeError if it is not in the state that it was read in.
    """
    changed = replace(one, changed_at=at, **changes)
    values = {name: getattr(changed, name) for name in changes if name != "lines"}
    done = conn.execute(
        update(forward)
        .where(forward.c.id == one.id, forward.c.state == one.state)
        .values(changed_at=at, **values)
    )
    if done.rowcount != 1:
        raise RuntimeError(f"{one.id} is no longer {one.state}")
    if "lines" in changes:
        conn.execute(delete(forward_line).where(forward_line.c.forward_id == one.id))
        conn.execute(forward_line.insert(), _line_rows(changed))
    return changed


def due(ledger: Ledger, now: datetime) -> dict[str, int]:
    """Destination -> forwards that the next turn does something for, besides asking how those
    stand that it has."""
    waits = forward.c.state.in_(["pending", "sync_pending", "unknown", "cancelling"])
    query = (
        select(forward.c.destination, func.count())
        .where(or_(forward.c.state == "intended", waits & put_off_is_over(forward.c, now)))
        .group_by(forward.c.destination)
    )
    with ledger.read() as conn:
        return {row[0]: row[1] for row in conn.execute(query)}


def counts(
    ledger: Ledger, outlets: Collection[str] | None = None
) -> dict[tuple[str, ForwardState], int]:
    """(destination, state) -> forwards, of some outlets or all."""
    query = select(forward.c.destination, forward.c.state, func.count()).group_by(
        forward.c.destination, forward.c.state
    )
    with ledger.read() as conn:
        if outlets is not None:
            query = query.where(is_one_of(conn.dialect.name, forward.c.outlet, [*outlets]))
        return {(row[0], row[1]): row[2] for row in conn.execute(query)}


def _line_rows(one: Forward) -> list[dict[str, Any]]:
    return [
        {"forward_id": one.id, "line_id": line, "sku": one.skus.get(line, ""), "quantity": pieces}
        for line, pieces in sorted(one.lines.items())
    ]


def _read(conn: Connection, query: Select[Any]) -> list[Forward]:
    rows = (
        conn.execute(query.order_by(forward.c.created_at, forward.c.attempt, forward.c.id))
        .mappings()
        .all()
    )
    if not rows:
        return []
    ids = [row["id"] for row in rows]
    lines: dict[str, dict[str, int]] = {}
    skus: dict[str, dict[str, str]] = {}
    found = select(forward_line).where(is_one_of(conn.dialect.name, forward_line.c.forward_id, ids))
    for row in conn.execute(found.order_by(forward_line.c.line_id)):
        lines.setdefault(row.forward_id, {})[row.line_id] = row.quantity
        skus.setdefault(row.forward_id, {})[row.line_id] = row.sku
    return [
        Forward(**row, lines=lines.get(row["id"], {}), skus=skus.get(row["id"], {})) for row in rows
    ]
