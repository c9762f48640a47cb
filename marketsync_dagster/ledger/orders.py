"""Orders and their lines as the book has them: read whole, written whole.

What changes them, and whether it may, belongs to `orders`. Finding orders for people is
`ledger.order_search`.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from operator import attrgetter
from typing import Any

import orjson
from sqlalchemy import Connection, select

from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.order_tables import order_line, orders
from marketsync_dagster.ledger.sql import is_one_of, lock_key, put
from marketsync_dagster.values.errors import UsageError
from marketsync_dagster.values.order_states import OrderFlag, OrderState


@dataclass(frozen=True, slots=True)
class BookLine:
    """One line; the columns of `order_line`. Money in minor units of the order's currency."""

    order_id: str
    line_id: str
    position: int
    offer_sku: str
    outlet: str
    """Empty: not known."""
    sku: str
    """Ours; empty: not mapped, `unmapped` says why."""
    unmapped: str
    title: str
    quantity: int
    unit_minor: int
    total_minor: int
    shipping_minor: int
    tax_minor: int
    refunded_minor: int
    cancelled: int
    """Pieces that are not to be sent."""
    shipped: int
    """Pieces that have left, by our book."""
    state: OrderState
    raw_state: str
    remote_state: OrderState | None
    """What its source said last, in our words; None: a word that nobody knows, and never another
    before."""
    vanished_at: str | None = None

    @property
    def open(self) -> int:
        """Pieces that are still to be sent; none of a line that its source does not tell of."""
        if self.vanished_at is not None:
            return 0
        return max(self.quantity - self.cancelled - self.shipped, 0)


@dataclass(frozen=True, slots=True)
class BookOrder:
    """One order with its lines in their order; the columns of `orders`."""

    id: str
    platform: str
    account: str
    external_id: str
    number: str
    outlet: str
    """Of all its lines; empty: none, or several."""
    state: OrderState
    raw_state: str
    remote_state: OrderState | None
    flags: frozenset[OrderFlag]
    currency: str
    total_minor: int
    shipping_minor: int
    created_at: str
    updated_at: str
    accept_by: str
    ship_by: str
    can_cancel: bool | None
    decision: str
    """Empty, accept, refuse, cancel."""
    decided_by: str
    decided_at: str
    decided_reason: str
    estimated_delivery: str
    tags: tuple[str, ...]
    details: Mapping[str, str]
    raw_sha256: str
    first_seen_at: str
    changed_at: str
    version: int
    ended_at: str | None = None
    forgotten_at: str | None = None
    lines: tuple[BookLine, ...] = field(default=())

    def line(self, line_id: str) -> BookLine:
        """The line of that id; UsageError naming those that there are."""
        for line in self.lines:
            if line.line_id == line_id:
                return line
        known = ", ".join(line.line_id for line in self.lines)
        raise UsageError(f"order {self.number} has no line {line_id}", f"its lines: {known}")

    @property
    def outlets(self) -> frozenset[str]:
        """The outlets of its lines; an unknown one is the empty text."""
        return frozenset(line.outlet for line in self.lines)


_MADE = ("state", "remote_state", "flags", "tags", "details")
"""Columns of orders that are no plain values."""
_PLAIN = tuple(one.name for one in fields(BookOrder) if one.name not in (*_MADE, "lines"))
_ORDER_COLUMNS = (*_MADE, *_PLAIN)
_order_values = attrgetter(*_PLAIN)
_PLAIN_OF_LINES = tuple(one.name for one in fields(BookLine) if one.name not in _MADE)
_LINE_COLUMNS = ("state", "remote_state", *_PLAIN_OF_LINES)
_line_values = attrgetter(*_PLAIN_OF_LINES)


@functools.lru_cache(maxsize=4096)
def order_id_of(platform: str, account: str, external_id: str) -> str:
    """Our id of an order: the same for everybody who meets it. 12 of 0-9 a-f."""
    text = f"{platform}\0{account}\0{external_id}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def load_orders(conn: Connection, ids: Sequence[str]) -> dict[str, BookOrder]:
    """Id -> order with its lines, of those that there are."""
    if not ids:
        return {}
    dialect = conn.dialect.name
    found = conn.execute(select(orders).where(is_one_of(dialect, orders.c.id, ids))).all()
    if not found:
        return {}
    lines: dict[str, list[BookLine]] = {}
    there = order_line.c.order_id
    query = select(order_line).where(is_one_of(dialect, there, [row.id for row in found]))
    for row in conn.execute(query.order_by(there, order_line.c.position, order_line.c.line_id)):
        lines.setdefault(row.order_id, []).append(_line(row._asdict()))
    return {row.id: _order(row._asdict(), tuple(lines.get(row.id, ()))) for row in found}


def sources_in(conn: Connection, platform: str = "") -> frozenset[str]:
    """The sources that orders of a platform, or of all, came from."""
    query = select(orders.c.account).distinct()
    if platform:
        query = query.where(orders.c.platform == platform)
    return frozenset(conn.execute(query).scalars())


def documents_of(conn: Connection, ids: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Id -> (SHA-256, time of change) of the document that an order was last made of."""
    query = select(orders.c.id, orders.c.raw_sha256, orders.c.updated_at)
    there = conn.execute(query.where(is_one_of(conn.dialect.name, orders.c.id, ids)))
    return {row.id: (row.raw_sha256, row.updated_at) for row in there}


def orders_to_change(conn: Connection, source: str, ids: Sequence[str]) -> dict[str, BookOrder]:
    """`load_orders` for those who change them: until the transaction ends nobody else changes an
    order of this account or shop. Write what comes of it with `save_orders` in the same one."""
    lock_key(conn, f"orders {source}")
    return load_orders(conn, ids)


def get_order(ledger: Ledger, order_id: str) -> BookOrder | None:
    """One order by our id."""
    with ledger.read() as conn:
        return load_orders(conn, [order_id]).get(order_id)


def save_orders(conn: Connection, changed: Sequence[BookOrder]) -> None:
    """Write orders and all their lines as they are given; lines are never removed.

    They were read by `orders_to_change` in this transaction, or are new.
    """
    last = {one.id: one for one in changed}.values()
    put(conn, orders, _ORDER_COLUMNS, [_order_row(one) for one in last], replace=True)
    lines = [_line_row(line) for one in last for line in one.lines]
    put(conn, order_line, _LINE_COLUMNS, lines, replace=True)


def touched(order: BookOrder, at: str, **changes: Any) -> BookOrder:
    """The order with these changes, and as one that has changed."""
    return replace(order, changed_at=at, version=order.version + 1, **changes)


def _order(row: dict[str, Any], lines: tuple[BookLine, ...]) -> BookOrder:
    row["state"] = OrderState(row["state"])
    row["remote_state"] = OrderState(row["remote_state"]) if row["remote_state"] else None
    row["flags"] = frozenset(map(OrderFlag, orjson.loads(row["flags"])))
    row["tags"] = tuple(orjson.loads(row["tags"]))
    row["details"] = orjson.loads(row["details"])
    return BookOrder(**row, lines=lines)


def _line(row: dict[str, Any]) -> BookLine:
    row["state"] = OrderState(row["state"])
    row["remote_state"] = OrderState(row["remote_state"]) if row["remote_state"] else None
    return BookLine(**row)


def _order_row(order: BookOrder) -> tuple[Any, ...]:
    """The values of `_ORDER_COLUMNS`."""
    return (
        order.state.value,
        order.remote_state.value if order.remote_state else "",
        orjson.dumps(sorted(order.flags)).decode(),
        orjson.dumps(order.tags).decode(),
        orjson.dumps(dict(order.details), option=orjson.OPT_SORT_KEYS).decode(),
        *_order_values(order),
    )


def _line_row(line: BookLine) -> tuple[Any, ...]:
    """The values of `_LINE_COLUMNS`."""
    remote = line.remote_state.value if line.remote_state else ""
    return (line.state.value, remote, *_line_values(line))


def ids_of(platform: str, account: str, external_ids: Collection[str]) -> dict[str, str]:
    """External id -> our id."""
    return {one: order_id_of(platform, account, one) for one in external_ids}
