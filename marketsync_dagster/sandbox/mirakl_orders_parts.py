"""OR28 and OR30: parts of order lines are refunded or canceled.

A call takes all that it lists, or nothing.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from marketsync_dagster.sandbox import mirakl_orders_life as life
from marketsync_dagster.sandbox.mirakl_fields import BadField, read_number
from marketsync_dagster.sandbox.mirakl_orders_documents import taken_document
from marketsync_dagster.sandbox.mirakl_orders_requests import body_of, list_in, wrong_state
from marketsync_dagster.sandbox.mirakl_orders_state import (
    CAN_REFUND,
    CANCELABLE,
    ENDED,
    REFUNDED,
    TAX_MODES,
    WAITING_REFUND,
    Order,
    OrderLine,
    Taken,
)
from marketsync_dagster.sandbox.mirakl_reads import REASONS
from marketsync_dagster.sandbox.mirakl_requests import Call, Refused
from marketsync_dagster.sandbox.wire import Answer, json_answer

SHOWN_TO = {
    kind: {code for code, _, known, right in REASONS if known == kind and right}
    for kind in ("REFUND", "CANCELATION")
}


def refund(call: Call) -> Answer:
    """OR28."""
    document = body_of(call)
    entries = list_in(document, "refunds")
    taken = _all_taken(call, entries, "refunds", CAN_REFUND, "REFUND")
    delay, now = call.shop.debit_delay_s, call.world.now()
    for _, _, entry in taken:
        if delay > 0:
            entry.state, entry.ends = WAITING_REFUND, now + delay
        else:
            entry.state = REFUNDED
    groups: dict[str, str] = {}
    for order, _, entry in taken:
        entry.group_id = groups.setdefault(
            order.order_id, call.world.mirakl.orders.group_of(entry.taken_id)
        )
    _put(call, taken, "refund")
    return _taken_answer(call, document, taken, "refunds")


def cancel_lines(call: Call) -> Answer:
    """OR30."""
    document = body_of(call)
    entries = list_in(document, "cancelations")
    taken = _all_taken(call, entries, "cancelations", CANCELABLE, "CANCELATION")
    _put(call, taken, "cancel")
    return _taken_answer(call, document, taken, "cancelations")


Parts = list[tuple[Order, OrderLine, Taken]]


def _all_taken(
    call: Call, entries: list[dict[str, Any]], name: str, states: tuple[str, ...], kind: str
) -> Parts:
    """What a request takes from which line; Refused unless all of it can be."""
    book, word = call.world.mirakl.orders, "refund" if kind == "REFUND" else "cancel"
    result: Parts = []
    left: dict[tuple[str, str], Decimal] = {}
    pieces: dict[str, int] = {}
    seen: set[str] = set()
    for index, entry in enumerate(entries):
        place, line_id = f"{name}[{index}]", entry.get("order_line_id")
        order = book.by_line.get(line_id) if isinstance(line_id, str) else None
        line = order.line(line_id) if order is not None and isinstance(line_id, str) else None
        if order is None or line is None or order.shop_id != call.shop.shop_id:
            words = f"Order line {str(line_id)[:60]} not found"
            raise Refused(404, "ORDER_LINE_NOT_FOUND", words)
        if order.order_id not in seen:
            seen.add(order.order_id)
            order.asked[word] += 1
            order.kept = None
            call.world.changes += 1
        if order.state not in states or line.state in ENDED:
            raise wrong_state(order, f"{word}ed" if word == "refund" else "canceled")
        part = _part(call, entry, place, kind)
        for what in ("amount", "shipping"):
            key = (line.line_id, what)
            left[key] = left.get(key, line.left(what)) - getattr(part, what)
            if left[key] < 0:
                words = f"{place}: the {what} is more than what is left of {line.line_id}"
                raise Refused(400, "VALIDATION_ERROR", words)
        pieces[line.line_id] = pieces.get(line.line_id, _pieces(line, kind)) - part.quantity
        packed = book.packed(order, line.line_id) if kind == "CANCELATION" else 0
        if pieces[line.line_id] < packed:
            words = f"{place}.quantity: is more than what is left of {line.line_id}"
            raise Refused(400, "VALIDATION_ERROR", words)
        result.append((order, line, part))
    return result


def _pieces(line: OrderLine, kind: str) -> int:
    if kind == "REFUND":
        return line.quantity - sum(t.quantity for t in line.refunds)
    return line.to_send


def _part(call: Call, entry: dict[str, Any], place: str, kind: str) -> Taken:
    code = entry.get("reason_code")
    if code not in SHOWN_TO[kind]:
        words = f"{place}.reason_code: there is no reason {str(code)[:40]!r} for it"
        raise Refused(400, "VALIDATION_ERROR", words)
    quantity = entry.get("quantity", 0 if kind == "REFUND" else None)
    quantity = 0 if quantity is None and kind == "REFUND" else quantity
    if isinstance(quantity, bool) or not isinstance(quantity, int) or quantity < 0:
        raise Refused(400, "VALIDATION_ERROR", f"{place}.quantity: a whole number was expected")
    currency = entry.get("currency_iso_code")
    if currency not in (None, call.shop.currency):
        words = f"{place}.currency_iso_code: must be {call.shop.currency}"
        raise Refused(400, "VALIDATION_ERROR", words)
    try:
        amount = _money(entry, "amount", place)
        shipping = _money(entry, "shipping_amount", place)
        taxes = _taxes(entry, "taxes", place)
        shipping_taxes = _taxes(entry, "shipping_taxes", place)
    except BadField as fault:
        raise Refused(400, "VALIDATION_ERROR", str(fault)) from fault
    return Taken(
        call.world.mirakl.orders.new_taken(),
        "",
        amount,
        shipping,
        quantity,
        str(code),
        call.world.now(),
        taxes,
        shipping_taxes,
        excluded=entry.get("excluded_from_shipment") is True,
    )


def _money(entry: dict[str, Any], name: str, place: str) -> Decimal:
    found = read_number(entry.get(name), f"{place}.{name}")
    if found < 0 or found != found.quantize(Decimal("0.01")):
        raise BadField(f"{place}.{name}: an amount of two decimals was expected")
    return found


def _taxes(entry: dict[str, Any], name: str, place: str) -> list[dict[str, Any]]:
    given = entry.get(name) or []
    if not isinstance(given, list) or not all(isinstance(tax, dict) for tax in given):
        raise BadField(f"{place}.{name}: a list of taxes was expected")
    return [
        {"amount": float(_money(tax, "amount", f"{place}.{name}")), "code": str(tax.get("code"))}
        for tax in given
    ]


def _put(call: Call, taken: Parts, what: str) -> None:
    world, now = call.world, call.world.now()
    begun: set[str] = set()
    for order, line, part in taken:
        if call.tampering.drops(order.order_id):
            continue
        if order.order_id not in begun:
            begun.add(order.order_id)
            life.before(world, order, call.tampering.lag_s)
        (line.refunds if what == "refund" else line.cancelations).append(part)
        line.updated = now
        order.effects[what] += 1
        life.settle_refunds(line)
    for order_id in begun:
        order = world.mirakl.orders.orders[order_id]
        life.settle(world, order, now)
        life.touch(world, order, now, call.code)


def _taken_answer(call: Call, document: dict[str, Any], taken: Parts, name: str) -> Answer:
    mode = document.get("order_tax_mode")
    rows = [
        taken_document(line, part, order.currency, refund=name == "refunds")
        for order, line, part in taken
    ]
    shown = {"order_tax_mode": mode if mode in TAX_MODES else taken[0][0].tax_mode, name: rows}
    return json_answer(200, shown, len(rows), len(rows))
