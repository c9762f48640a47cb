"""What the calls about orders share: the order that is named, the body, an effect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from marketsync_dagster.sandbox import mirakl_orders_life as life
from marketsync_dagster.sandbox.mirakl_orders_state import Order
from marketsync_dagster.sandbox.mirakl_requests import Call, Refused
from marketsync_dagster.sandbox.wire import Answer, Malformed, read_json


def order_of(call: Call, what: str) -> Order:
    """The order that the path names; what was asked of it is counted."""
    order = call.world.mirakl.orders.orders.get(call.named["order"])
    if order is None or order.shop_id != call.shop.shop_id:
        words = f"Order with identifier {call.named['order'][:60]} not found"
        raise Refused(404, "ORDER_NOT_FOUND", words)
    order.asked[what] += 1
    order.kept = None
    call.world.changes += 1
    return order


def body_of(call: Call) -> dict[str, Any]:
    """The JSON object of a request."""
    kind = call.request.header("content-type").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refused(415, "UNSUPPORTED_MEDIA_TYPE", "Content-Type must be application/json")
    try:
        document = read_json(call.request.body)
    except Malformed as fault:
        raise Refused(400, "BAD_REQUEST", f"The JSON cannot be read: {fault}") from fault
    if not isinstance(document, dict):
        raise Refused(400, "VALIDATION_ERROR", "an object was expected")
    return document


def list_in(document: dict[str, Any], name: str, most: int | None = None) -> list[dict[str, Any]]:
    """A list of objects in a request's body, not empty."""
    entries = document.get(name)
    if not isinstance(entries, list) or not entries:
        raise Refused(400, "VALIDATION_ERROR", f"{name}: must not be empty")
    if most is not None and len(entries) > most:
        raise Refused(400, "VALIDATION_ERROR", f"{name}: size must be between 1 and {most}")
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise Refused(400, "VALIDATION_ERROR", f"{name}[{index}]: an object was expected")
    return entries


def wrong_state(order: Order, wanted: str) -> Refused:
    """An order that is not where it would have to be."""
    words = f"Order {order.order_id} cannot be {wanted}. Current status is {order.state}"
    return Refused(400, "ORDER_INVALID_STATE", words)


def done(call: Call, order: Order, what: str, effect: Callable[[], None]) -> Answer:
    """Let a call take effect, and answer it without a body."""
    if not call.tampering.drops(order.order_id):
        life.before(call.world, order, call.tampering.lag_s)
        effect()
        order.effects[what] += 1
        life.touch(call.world, order, call.world.now(), call.code)
    return Answer(204, applied=1, items=1)
