"""ST01, ST11, ST23 and ST24: parcels of orders, several of one order where the shop may.

What is wrong with one shipment does not stop the others; its error names the order alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from marketsync_dagster.sandbox import mirakl_orders_life as life
from marketsync_dagster.sandbox.mirakl_orders_documents import (
    BadTracking,
    shipment_document,
    tracking_of,
)
from marketsync_dagster.sandbox.mirakl_orders_requests import body_of, list_in
from marketsync_dagster.sandbox.mirakl_orders_state import CANCELED, SHIPPING, Order, Shipment
from marketsync_dagster.sandbox.mirakl_pages import (
    DEFAULT,
    MOST,
    BadParameter,
    from_token,
    token_of,
)
from marketsync_dagster.sandbox.mirakl_prices import BadLine, moment
from marketsync_dagster.sandbox.mirakl_requests import Call, Refused
from marketsync_dagster.sandbox.wire import Answer, json_answer

MOST_SHIPMENTS = 1_000


class BadShipment(ValueError):
    """One shipment that is not taken; the message says why."""


def _check_shop(call: Call) -> None:
    if not call.shop.multi_shipment:
        words = "Multi-shipment is not enabled for this shop"
        raise Refused(call.shop.off_status, "FORBIDDEN", words)


def create(call: Call) -> Answer:
    """ST01."""
    _check_shop(call)
    done: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    entries = list_in(body_of(call), "shipments", MOST_SHIPMENTS)
    for index, entry in enumerate(entries):
        order_id = entry.get("order_id")
        if not isinstance(order_id, str) or not isinstance(entry.get("shipment_lines"), list):
            words = f"shipments[{index}]: order_id and shipment_lines must not be null"
            raise Refused(400, "VALIDATION_ERROR", words)
    for index, entry in enumerate(entries):
        try:
            done.append(_create_one(call, index, entry))
        except BadShipment as fault:
            failed.append({"order_id": entry["order_id"], "message": str(fault)})
    document = {"shipment_success": done, "shipment_errors": failed}
    return json_answer(201, document, len(done), len(entries))


def _create_one(call: Call, index: int, entry: dict[str, Any]) -> dict[str, Any]:
    world, now = call.world, call.world.now()
    order = world.mirakl.orders.orders.get(entry["order_id"])
    if order is None or order.shop_id != call.shop.shop_id:
        raise BadShipment(f"No order with id '{entry['order_id'][:60]}'.")
    order.asked["parcel"] += 1
    order.kept = None
    world.changes += 1
    refused = call.tampering.error_for(index, order.order_id)
    if refused is not None:
        raise BadShipment(str(refused))
    if order.state != SHIPPING:
        raise BadShipment(f"The order status must be 'SHIPPING' but it is '{order.state}'.")
    lines = _lines(call, order, entry["shipment_lines"])
    tracking, invoice = entry.get("tracking"), entry.get("invoice_reference")
    try:
        kept = tracking_of(tracking, "tracking_url") if tracking else None
    except BadTracking as fault:
        raise BadShipment(f"{fault}.") from fault
    if invoice is not None and (not isinstance(invoice, str) or len(invoice) > 255):
        raise BadShipment("The invoice reference is not valid.")
    if call.tampering.drops(order.order_id):
        ghost = Shipment("0" * 32, 0, order.order_id, order.shop_id, now, now, SHIPPING, lines)
        return shipment_document(order, ghost)
    life.before(world, order, call.tampering.lag_s)
    parcel = world.mirakl.orders.add_shipment(
        order, now, lines=lines, invoice=invoice, tracking=kept
    )
    order.effects["parcel"] += 1
    if entry.get("shipped") is True:
        order.asked["parcel_ship"] += 1
        life.ship_parcel(parcel, now)
        order.effects["parcel_ship"] += 1
        life.settle(world, order, now)
    life.touch(world, order, now, call.code)
    return shipment_document(order, parcel)


def _lines(call: Call, order: Order, entries: list[Any]) -> list[dict[str, Any]]:
    """The lines of a parcel, which may have a line several times; BadShipment unless so many
    pieces are left."""
    book, result = call.world.mirakl.orders, []
    left: dict[str, int] = {}
    for entry in entries:
        if not isinstance(entry, dict):
            raise BadShipment("The shipment lines are not valid.")
        line_id, sku, quantity = (
            entry.get(name) for name in ("order_line_id", "offer_sku", "quantity")
        )
        fit = [
            e for e in order.lines if line_id in (None, e.line_id) and sku in (None, e.offer_sku)
        ]
        if (line_id is None and sku is None) or len(fit) != 1:
            raise BadShipment(f"No order line '{str(line_id or sku)[:60]}' in the order.")
        line = fit[0]
        known = left.get(line.line_id, line.to_send - book.packed(order, line.line_id))
        if isinstance(quantity, bool) or not isinstance(quantity, int):
            raise BadShipment("Shipment quantity is invalid.")
        left[line.line_id] = known - quantity
        if quantity < 1 or left[line.line_id] < 0:
            raise BadShipment("Shipment quantity is invalid.")
        shown = {
            "offer_sku": line.offer_sku,
            "order_line_id": line.line_id,
            "quantity": quantity,
        }
        package = entry.get("package_reference")
        result.append({**shown, "package_reference": str(package)} if package else shown)
    if not result:
        raise BadShipment("Shipment lines must not be empty.")
    return result


# --- what becomes of parcels


def _each(
    call: Call, what: str, effect: Callable[[Order, Shipment, dict[str, Any]], bool]
) -> Answer:
    """Let a call take effect on every parcel that it names."""
    _check_shop(call)
    book, world = call.world.mirakl.orders, call.world
    done: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    entries = list_in(body_of(call), "shipments", MOST_SHIPMENTS)
    for index, entry in enumerate(entries):
        shipment_id = entry.get("id")
        if not isinstance(shipment_id, str):
            raise Refused(400, "VALIDATION_ERROR", f"shipments[{index}].id: must not be null")
        parcel = book.shipments.get(shipment_id)
        try:
            if parcel is None or parcel.shop_id != call.shop.shop_id:
                raise BadShipment(f"No shipment with id '{shipment_id[:60]}'.")
            order = book.orders[parcel.order_id]
            order.asked[what] += 1
            order.kept = None
            world.changes += 1
            refused = call.tampering.error_for(index, shipment_id)
            if refused is not None:
                raise BadShipment(str(refused))
            if not call.tampering.drops(shipment_id):
                life.before(world, order, call.tampering.lag_s)
                if effect(order, parcel, entry):
                    order.effects[what] += 1
                    life.settle(world, order, world.now())
                    life.touch(world, order, world.now(), call.code)
            done.append({"id": shipment_id})
        except BadShipment as fault:
            failed.append({"id": shipment_id, "message": str(fault)})
    document = {"shipment_success": done, "shipment_errors": failed}
    return json_answer(200, document, len(done), len(entries))


def ship(call: Call) -> Answer:
    """ST24."""

    def effect(_: Order, parcel: Shipment, __: dict[str, Any]) -> bool:
        if parcel.status != SHIPPING:
            words = f"The shipment status must be 'SHIPPING' but it is '{parcel.status}'."
            raise BadShipment(words)
        life.ship_parcel(parcel, call.world.now())
        return True

    return _each(call, "parcel_ship", effect)


def track(call: Call) -> Answer:
    """ST23; the same again changes nothing."""

    def effect(_: Order, parcel: Shipment, entry: dict[str, Any]) -> bool:
        if parcel.status == CANCELED:
            raise BadShipment("The shipment is canceled.")
        try:
            tracking = tracking_of(entry.get("tracking"), "tracking_url")
        except BadTracking as fault:
            raise BadShipment(f"{fault}.") from fault
        if parcel.tracking == tracking:
            return False
        parcel.tracking, parcel.updated = tracking, call.world.now()
        return True

    return _each(call, "tracking", effect)


def listed(call: Call) -> Answer:
    """ST11: a page by token."""
    query, beyond, forward, token = call.query, None, True, call.query.one("page_token")
    if token is not None:
        query, beyond, forward = from_token(token)
    limit = query.whole("limit", DEFAULT, MOST, 1)
    query.choice("sort", ("dateCreated",), None)
    oldest_first = query.choice("order", ("asc", "desc"), "asc") == "asc"
    book = call.world.mirakl.orders
    ids, states = query.all("order_id"), query.all("shipment_state_code")
    debits = query.all("shipment_customer_debit_state_code")
    try:
        first, last = (
            None if (text := query.one(name)) is None else moment(text)
            for name in ("last_updated_from", "last_updated_to")
        )
    except BadLine as fault:
        raise BadParameter("last_updated: a date and time were expected") from fault
    if ids:
        known = [p for order_id in dict.fromkeys(ids) for p in book.parcels.get(order_id, ())]
        known.sort(key=lambda parcel: parcel.number)
    else:
        known = list(book.shipments.values())
    rows: list[tuple[int, dict[str, Any]]] = []
    for parcel in known if oldest_first else known[::-1]:
        if parcel.shop_id != call.shop.shop_id or (states and parcel.status not in states):
            continue
        if first is not None and int(parcel.updated) < first:
            continue
        if last is not None and int(parcel.updated) > last:
            continue
        shown = shipment_document(book.orders[parcel.order_id], parcel)
        if not debits or shown["status_customer_debit"] in debits:
            rows.append((parcel.number, shown))
    begin = 0
    if beyond is not None:
        passed = sum((n < beyond) if oldest_first else (n > beyond) for n, _ in rows)
        begin = passed + any(n == beyond for n, _ in rows) if forward else max(0, passed - limit)
    if call.tampering.repeat_page:
        begin = max(0, begin - limit)
    page = rows[begin : begin + limit]
    answer: dict[str, Any] = {"data": [shown for _, shown in page]}
    if page and begin + limit < len(rows):
        answer["next_page_token"] = token_of(query, page[-1][0], forward=True)
    if page and begin > 0:
        answer["previous_page_token"] = token_of(query, page[0][0], forward=False)
    return json_answer(200, answer, 0, len(page))


ROUTES: tuple[tuple[str, str, str, Callable[[Call], Answer]], ...] = (
    ("POST", "/shipments", "ST01", create),
    ("GET", "/shipments", "ST11", listed),
    ("POST", "/shipments/tracking", "ST23", track),
    ("PUT", "/shipments/ship", "ST24", ship),
)
