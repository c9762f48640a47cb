"""The order book: the one way in which orders are written.

`apply` takes in what sources tell, `move` what we and our destinations do, `hold_order` and
`release_order` why an order waits. All of them work in the caller's transaction, on orders that
were read in it by `orders_to_change` (`apply` and `remap` read them themselves).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection, select

from marketsync_dagster.ledger.order_events import OrderEvent, record_events
from marketsync_dagster.ledger.order_holds import Hold, HoldKind, hold, holds_of, release
from marketsync_dagster.ledger.order_tables import order_hold, orders
from marketsync_dagster.ledger.order_tasks import answer_of_order
from marketsync_dagster.ledger.orders import (
    BookLine,
    BookOrder,
    orders_to_change,
    save_orders,
    touched,
)
from marketsync_dagster.orders.applying import Applied, apply, forwarded_lines
from marketsync_dagster.orders.lines import mapped, with_pieces
from marketsync_dagster.orders.merge import (
    MAPPED,
    NOTHING_LEFT,
    SAID_OUTLET,
    hold_unmapped,
    pointless,
    standing,
    waits_for_mapping,
)
from marketsync_dagster.orders.notes import Notes
from marketsync_dagster.orders.resolve import Resolve
from marketsync_dagster.orders.states import WrongState, all_over, may_follow
from marketsync_dagster.values.order_states import OrderFlag, OrderState

__all__ = [
    "Applied",
    "WrongState",
    "apply",
    "forwarded_lines",
    "hold_order",
    "move",
    "release_order",
    "remap",
    "unmapped_orders",
]


def move(
    conn: Connection,
    order: BookOrder,
    states: Mapping[str, OrderState],
    *,
    by: str,
    reason: str,
    at: str,
    remote_at: str = "",
    shipped: Mapping[str, int] | None = None,
) -> BookOrder:
    """Put lines (id -> state) where they are now by what we, or a destination, did; the order as
    it is then, which is written.

    `shipped`: line -> pieces that have left **in all**; never fewer than before. A line that is
    shipped whole needs none. WrongState, and nothing is written, where a line may not go there.
    """
    notes = Notes(order.id, order.number, at, by, remote_at)
    for line_id in {**states, **(shipped or {})}:
        order.line(line_id)
    lines = tuple(
        _moved(
            order, line, states.get(line.line_id), (shipped or {}).get(line.line_id), reason, notes
        )
        for line in order.lines
    )
    if lines == order.lines:
        return order
    now = replace(order, lines=lines)
    held = OrderFlag.ON_HOLD in order.flags
    if held:
        there: set[HoldKind] = {one.kind for one in holds_of(conn, [order.id])}
        lost = frozenset(there) if all_over(lines) else pointless(lines, there)
        for gone in release(conn, order.id, lost) if lost else ():
            notes.event("released", "", gone.kind, "", NOTHING_LEFT)
        if "destination" in lost:  # nothing is left that a new attempt could send
            answer_of_order(conn, order.id, "forward_refused", NOTHING_LEFT, by, at)
        held = bool(there - lost)
    now = standing(now, at, held=held)
    if now.state is not order.state:
        notes.event("state", "", order.state.value, now.state.value, reason)
    now = touched(now, at)
    save_orders(conn, [now])
    record_events(conn, notes.events)
    return now


def _moved(
    order: BookOrder,
    line: BookLine,
    state: OrderState | None,
    shipped: int | None,
    reason: str,
    notes: Notes,
) -> BookLine:
    state = state or line.state
    if not may_follow(line.state, state):
        raise WrongState(
            f"line {line.line_id} of order {order.number} is {line.state.value}: it cannot become "
            f"{state.value}",
            f"marketsync orders show {order.id} tells how it came there",
        )
    left = max(line.shipped, shipped or 0)
    if left > line.quantity:
        raise WrongState(
            f"line {line.line_id} of order {order.number} has {line.quantity} pieces: {left} "
            "cannot have left",
            f"marketsync orders show {order.id} tells what has left",
        )
    if left != line.shipped:
        notes.event("changed", line.line_id, str(line.shipped), str(left), "shipped")
    if state is not line.state:
        notes.event("state", line.line_id, line.state.value, state.value, reason)
    now = replace(line, state=state, shipped=left)
    return now if state is line.state else with_pieces(now)


def hold_order(
    conn: Connection,
    order: BookOrder,
    kind: HoldKind,
    reason: str,
    next_step: str,
    by: str,
    at: str,
) -> BookOrder:
    """Let an order wait; one that waits for this kind of reason already stays as it is."""
    if not hold(conn, [Hold(order.id, kind, at, by, reason, next_step)]):
        return order
    record_events(conn, [OrderEvent(order.id, at, "held", "", "", kind, by, reason)])
    now = touched(order, at, flags=order.flags | {OrderFlag.ON_HOLD})
    save_orders(conn, [now])
    return now


def release_order(
    conn: Connection,
    order: BookOrder,
    kinds: Collection[HoldKind] | None = None,
    *,
    by: str,
    reason: str,
    at: str,
) -> BookOrder:
    """Take reasons to wait away, of some kinds or all; it goes on once there is none left."""
    gone = release(conn, order.id, kinds)
    if not gone:
        return order
    record_events(
        conn, [OrderEvent(order.id, at, "released", "", one.kind, "", by, reason) for one in gone]
    )
    left = holds_of(conn, [order.id])
    flags = order.flags if left else order.flags - {OrderFlag.ON_HOLD}
    now = touched(order, at, flags=flags)
    save_orders(conn, [now])
    return now


def unmapped_orders(conn: Connection, source: str) -> list[str]:
    """Orders of a source that wait for a line to be mapped."""
    query = (
        select(orders.c.id)
        .join(order_hold, order_hold.c.order_id == orders.c.id)
        .where(orders.c.account == source, order_hold.c.kind == "unmapped")
        .order_by(orders.c.id)
    )
    return list(conn.execute(query).scalars())


def remap(
    conn: Connection,
    source: str,
    order_ids: Sequence[str],
    resolve: Resolve,
    *,
    at: str,
    by: str = "marketsync",
) -> tuple[str, ...]:
    """Look again for the products of lines that were not mapped; the orders that changed. An order
    all of whose lines are mapped now does not wait for that any more."""
    changed: list[BookOrder] = []
    events: list[OrderEvent] = []
    for order in orders_to_change(conn, source, order_ids).values():
        notes = Notes(order.id, order.number, at, by, "")
        lines = tuple(
            line if line.sku else mapped(line, source, resolve, _outlet_said(order), notes)
            for line in order.lines
        )
        held = {one.kind for one in holds_of(conn, [order.id])}
        waits = any(waits_for_mapping(line) for line in lines)
        if not waits and "unmapped" in held:
            release(conn, order.id, ["unmapped"])
            held -= {"unmapped"}
            notes.event("released", "", "unmapped", "", MAPPED)
        elif waits and "unmapped" not in held:
            hold_unmapped(lines, notes)
            hold(conn, list(notes.holds.values()))
            held |= {"unmapped"}
            notes.event("held", "", "", "unmapped", notes.holds["unmapped"].reason)
        if lines != order.lines or notes.events:
            changed.append(touched(standing(replace(order, lines=lines), at, held=bool(held)), at))
            events += notes.events
    save_orders(conn, changed)
    record_events(conn, events)
    return tuple(one.id for one in changed)


def _outlet_said(order: BookOrder) -> str:
    """The outlet that an order's source named, as its lines have it."""
    return order.details.get(SAID_OUTLET, "")
