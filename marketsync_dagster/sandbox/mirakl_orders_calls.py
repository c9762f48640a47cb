"""What a seller does to a whole order on Mirakl, and the routes of all calls about orders.

Named by Mirakl's own codes. The list is `mirakl_orders_list`, parts of lines `mirakl_orders_parts`,
parcels `mirakl_orders_shipments`.
"""

from __future__ import annotations

from collections.abc import Callable

from marketsync_dagster.sandbox import mirakl_orders_life as life
from marketsync_dagster.sandbox import mirakl_orders_list as lists
from marketsync_dagster.sandbox import mirakl_orders_parts as parts
from marketsync_dagster.sandbox import mirakl_orders_shipments as parcels
from marketsync_dagster.sandbox.mirakl_orders_documents import BadTracking, tracking_of
from marketsync_dagster.sandbox.mirakl_orders_requests import (
    body_of,
    done,
    list_in,
    order_of,
    wrong_state,
)
from marketsync_dagster.sandbox.mirakl_orders_state import (
    RECEIVED,
    SHIPPED,
    SHIPPING,
    TO_COLLECT,
    WAITING_ACCEPTANCE,
)
from marketsync_dagster.sandbox.mirakl_requests import Call, Refused
from marketsync_dagster.sandbox.wire import Answer

CAN_TRACK = (SHIPPING, SHIPPED, TO_COLLECT, RECEIVED)


def accept(call: Call) -> Answer:
    """OR21."""
    order = order_of(call, "accept")
    decisions: dict[str, bool] = {}
    for index, entry in enumerate(list_in(body_of(call), "order_lines")):
        line_id, accepted = entry.get("id"), entry.get("accepted")
        if not isinstance(line_id, str) or not isinstance(accepted, bool):
            words = f"order_lines[{index}]: id and accepted must not be null"
            raise Refused(400, "VALIDATION_ERROR", words)
        if line_id in decisions:
            words = f"order_lines: {line_id[:60]} is there more than once"
            raise Refused(400, "ORDER_LINE_DUPLICATE_ID", words)
        decisions[line_id] = accepted
    if order.state != WAITING_ACCEPTANCE:
        raise wrong_state(order, "accepted or refused")
    for line_id in decisions:
        if order.line(line_id) is None:
            words = f"Order line {line_id[:60]} not found in order {order.order_id}"
            raise Refused(404, "ORDER_LINE_NOT_FOUND", words)
    missing = [line.line_id for line in order.lines if line.line_id not in decisions]
    if missing:
        words = f"No decision on order line {missing[0]}"
        raise Refused(400, "ORDER_LINE_ACCEPTANCE_DECISION_MISSING", words)
    if len(set(decisions.values())) > 1 and not call.shop.partial_acceptance:
        words = "Partial acceptance is disabled for this shop"
        raise Refused(400, "ORDER_PARTIAL_ACCEPTANCE_DISABLED", words)
    now = call.world.now()
    return done(call, order, "accept", lambda: life.decide(call.world, order, decisions, now))


def track(call: Call) -> Answer:
    """OR23; the same again changes nothing."""
    order = order_of(call, "tracking")
    try:
        tracking = tracking_of(body_of(call), "carrier_url")
    except BadTracking as fault:
        raise Refused(400, "VALIDATION_ERROR", str(fault)) from fault
    if order.state not in CAN_TRACK:
        raise wrong_state(order, "tracked")
    if order.tracking == tracking:
        return Answer(204, applied=0, items=1)
    return done(call, order, "tracking", lambda: setattr(order, "tracking", tracking))


def ship(call: Call) -> Answer:
    """OR24."""
    order = order_of(call, "ship")
    if order.state != SHIPPING:
        raise wrong_state(order, "shipped")
    now = call.world.now()
    return done(call, order, "ship", lambda: life.ship_whole(call.world, order, now))


def cancel(call: Call) -> Answer:
    """OR29."""
    order = order_of(call, "cancel")
    if not life.can_cancel(call.world, order):
        raise wrong_state(order, "canceled")
    now = call.world.now()
    return done(call, order, "cancel", lambda: life.cancel(call.world, order, now))


_ID = "(?P<order>[^/]+)"
ROUTES: tuple[tuple[str, str, str, Callable[[Call], Answer]], ...] = (
    ("GET", "/orders", "OR11", lists.list_orders),
    ("PUT", "/orders/refund", "OR28", parts.refund),
    ("PUT", "/orders/cancel", "OR30", parts.cancel_lines),
    ("PUT", f"/orders/{_ID}/accept", "OR21", accept),
    ("PUT", f"/orders/{_ID}/tracking", "OR23", track),
    ("PUT", f"/orders/{_ID}/ship", "OR24", ship),
    ("PUT", f"/orders/{_ID}/cancel", "OR29", cancel),
    *parcels.ROUTES,
)
"""Method, path below the base URL, Mirakl's code for the call, and what answers it."""
