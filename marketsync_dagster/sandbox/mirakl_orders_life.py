"""How orders of Mirakl move: by a call, by the clock, or by hand (contract 10.1).

Every change goes through `touch`, so that the date of the last update moves and nothing old is
shown. Only PAY_ON_ACCEPTANCE is debited before it is sent; what the contract does not say of the
other workflows is our choice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketsync_dagster.sandbox.mirakl_orders_documents import order_json
from marketsync_dagster.sandbox.mirakl_orders_state import (
    CANCELABLE,
    CANCELED,
    CLOSED,
    DEBITED,
    ENDED,
    RECEIVED,
    REFUNDED,
    REFUSED,
    SHIPPED,
    SHIPPING,
    STAGING,
    STATES,
    WAITING_ACCEPTANCE,
    WAITING_DEBIT,
    WAITING_DEBIT_PAYMENT,
    Order,
    OrderLine,
    Shipment,
    Version,
)
from marketsync_dagster.sandbox.mirakl_shops import DAY, Shop

if TYPE_CHECKING:
    from marketsync_dagster.sandbox.world import World

KEEP_HISTORY = 50


def before(world: World, order: Order, lag_s: float | None = None) -> None:
    """Call it before an order changes: a list that is late goes on to show what was."""
    shop = world.mirakl.shops[order.shop_id]
    lag = shop.index_lag_s if lag_s is None else lag_s
    if lag <= 0:
        return
    now = world.now()
    if order.json is None:
        order.json = order_json(world.mirakl, order)
    until = now + lag
    order.versions.append((until, Version(order.state, order.updated, order.json)))
    _late(world, order, until)


def hide(world: World, order: Order, lag_s: float | None = None) -> None:
    """Let a new order be missing from the list for a while."""
    shop = world.mirakl.shops[order.shop_id]
    lag = shop.index_lag_s if lag_s is None else lag_s
    if lag > 0:
        until = world.now() + lag
        order.versions.append((until, None))
        _late(world, order, until)


def _late(world: World, order: Order, until: float) -> None:
    late = world.mirakl.orders.late
    late[order.shop_id] = max(until, late.get(order.shop_id, until))


def touch(world: World, order: Order, at: float, by: str, *, quiet: bool = False) -> None:
    """Note that an order has changed at `at`; `quiet`: its date of update stays."""
    book = world.mirakl.orders
    if not quiet:
        order.updated = max(at, order.updated)
    order.history.append((at, by, order.state))
    del order.history[:-KEEP_HISTORY]
    order.json = order.kept = None
    book.changes[order.shop_id] += 1
    world.changes += 1
    order.due = next_due(world.mirakl.shops[order.shop_id], order)
    book.watch(order)


def settings_changed(world: World, shop: Shop) -> None:
    """After a shop was seeded again: its orders go on as it says now."""
    book = world.mirakl.orders
    for order in book.by_shop.get(shop.shop_id, ()):
        order.due = next_due(shop, order)
        book.watch(order)


def advance(world: World) -> None:
    """Let every order go on that the clock allows to."""
    book, now = world.mirakl.orders, world.now()
    while (order := book.take_due(now)) is not None:
        assert order.due is not None
        at = order.due
        before(world, order)
        _step(world, order, at)
        touch(world, order, at, "clock")


def next_due(shop: Shop, order: Order) -> float | None:
    """When the clock moves an order next; None: never."""
    moments = [t.ends for line in order.lines for t in line.refunds if t.ends is not None]
    own = _own_due(shop, order)
    return min(moments if own is None else [*moments, own], default=None)


def _own_due(shop: Shop, order: Order) -> float | None:
    """When an order leaves its state by the clock, whatever becomes of its refunds."""
    begun, seconds = {
        STAGING: (order.created, shop.staging_s),
        WAITING_ACCEPTANCE: (order.accept_until, 0.0),
        WAITING_DEBIT: (order.accepted, shop.debit_delay_s / 2),
        WAITING_DEBIT_PAYMENT: (order.accepted, shop.debit_delay_s),
        SHIPPED: (order.shipped, shop.received_s),
        RECEIVED: (order.received, shop.closed_s),
    }.get(order.state, (None, None))
    return None if begun is None or seconds is None else begun + seconds


def _step(world: World, order: Order, at: float) -> None:
    """What the clock does to an order at `at`: every due moment is used up, or moves on."""
    for line in order.lines:
        for refund in line.refunds:
            if refund.ends is not None and refund.ends <= at:
                refund.ends, refund.state = None, REFUNDED
                line.updated = at
        settle_refunds(line)
    shop = world.mirakl.shops[order.shop_id]
    own = _own_due(shop, order)
    if own is not None and own <= at:
        at_once = order.state == WAITING_DEBIT and shop.debit_delay_s == 0
        enter(world, order, SHIPPING if at_once else _NEXT[order.state], at)


_NEXT = {
    STAGING: WAITING_ACCEPTANCE,
    WAITING_ACCEPTANCE: REFUSED,
    WAITING_DEBIT: WAITING_DEBIT_PAYMENT,
    WAITING_DEBIT_PAYMENT: SHIPPING,
    SHIPPED: RECEIVED,
    RECEIVED: CLOSED,
}
"""Where the clock leads from a state."""


def enter(world: World, order: Order, state: str, at: float) -> None:
    """Put an order and its living lines into a state, with all that belongs to it. A word that is
    no state is taken as it is, of the order alone. Call `touch` after it."""
    order.state = state
    if state not in STATES:
        return
    shop = world.mirakl.shops[order.shop_id]
    reached = STATES.index(state) if state not in (REFUSED, CANCELED) else -1
    living = [line for line in order.lines if line.state not in ENDED]
    if reached >= STATES.index(WAITING_DEBIT) and order.accepted is None:
        order.accepted = order.decided = at
    if reached >= STATES.index(SHIPPING):
        if order.debited is None and order.workflow in DEBITED:
            order.debited = at
            for line in living:
                line.debited = at
        if order.ship_until is None:
            order.ship_until = at + DAY * shop.leadtime_to_ship
    if reached >= STATES.index(SHIPPED) and order.shipped is None:
        order.shipped = at
    if reached >= STATES.index(RECEIVED) and order.received is None:
        order.received = at
    for line in living:
        line.state, line.updated = state, at
        if reached >= STATES.index(SHIPPED) and line.shipped is None:
            line.shipped = at
        if reached >= STATES.index(RECEIVED) and line.received is None:
            line.received = at


def decide(world: World, order: Order, accepted: dict[str, bool], at: float) -> None:
    """Accept or refuse every line, and let the order go on."""
    for line in order.lines:
        if not accepted[line.line_id]:
            line.state, line.updated = REFUSED, at
    order.decided = at
    if not any(accepted.values()):
        order.state = REFUSED
        return
    order.accepted = at
    debited = order.workflow in DEBITED
    enter(world, order, WAITING_DEBIT if debited else SHIPPING, at)


def can_cancel(world: World, order: Order) -> bool:
    """Whether an order can be canceled whole."""
    parcels = world.mirakl.orders.parcels_of(order)
    return order.state in CANCELABLE and not any(p.status != SHIPPING for p in parcels)


def cancel(world: World, order: Order, at: float, reason: str | None = None) -> None:
    """Cancel an order whole, and the parcels that have not left."""
    for parcel in world.mirakl.orders.parcels_of(order):
        if parcel.status == SHIPPING:
            parcel.status, parcel.updated = CANCELED, at
    for line in order.lines:
        if line.state not in ENDED:
            line.reason = reason
    order.reason = reason
    enter(world, order, CANCELED, at)


def ship_whole(world: World, order: Order, at: float) -> None:
    """Everything that is to be sent is sent."""
    for parcel in world.mirakl.orders.parcels_of(order):
        if parcel.status == SHIPPING:
            ship_parcel(parcel, at)
    enter(world, order, SHIPPED, at)


def ship_parcel(parcel: Shipment, at: float) -> None:
    """One parcel is on its way."""
    parcel.status, parcel.shipped, parcel.updated = SHIPPED, at, at
    parcel.times_shipped += 1


def settle(world: World, order: Order, at: float) -> None:
    """After parcels were sent or parts canceled: lines and order that are complete move on."""
    book = world.mirakl.orders
    for line in order.lines:
        if line.state in ENDED:
            continue
        sent = book.packed(order, line.line_id, shipped_only=True)
        nothing = line.to_send == 0 or line.left("amount") <= 0
        if line.cancelations and nothing and sent == 0:
            line.state, line.updated = CANCELED, at
        elif order.state == SHIPPING and sent and sent >= line.to_send:
            line.shipped = line.shipped or at
            if line.state != SHIPPED:
                line.state, line.updated = SHIPPED, at
    states = {line.state for line in order.lines}
    if states <= {CANCELED, REFUSED}:
        order.state = CANCELED
    elif order.state == SHIPPING and SHIPPED in states and states <= {SHIPPED, *ENDED}:
        enter(world, order, SHIPPED, at)


def settle_refunds(line: OrderLine) -> None:
    """A line that was paid back whole is REFUNDED."""
    done = [refund for refund in line.refunds if refund.state == REFUNDED]
    if done and line.state not in ENDED and line.left("amount") <= 0:
        paid = sum(refund.amount for refund in done)
        canceled = sum(entry.amount for entry in line.cancelations)
        if paid + canceled >= line.price:
            line.state = REFUNDED
