"""OR11: the list of orders, its filters and its pages.

A page is made of what each order looked like when it was shown last, so that it is quick.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from marketsync_dagster.sandbox.mirakl_orders_documents import order_json
from marketsync_dagster.sandbox.mirakl_orders_state import STATES, TAX_MODES, WORKFLOWS, Order
from marketsync_dagster.sandbox.mirakl_pages import (
    DEFAULT,
    INT64,
    MOST,
    BadParameter,
    Query,
    link_header,
)
from marketsync_dagster.sandbox.mirakl_prices import BadLine, moment
from marketsync_dagster.sandbox.mirakl_requests import Call
from marketsync_dagster.sandbox.wire import Answer, json_answer

NOT_HELD = ("channel_codes", "order_references_for_customer", "order_references_for_seller")
"""Filters by what no order here has: nothing fits."""


def list_orders(call: Call) -> Answer:
    """OR11: by creation; `start_update_date` is taken earlier than it says, as the shop says."""
    query, state = call.query, call.world.mirakl
    size = query.whole("max", DEFAULT, MOST, 1)
    offset = query.whole("offset", 0, INT64)
    query.choice("sort", ("dateCreated",), None)
    falling = query.choice("order", ("asc", "desc"), "asc") == "desc"
    wanted = _selected(call)
    if falling:
        wanted = wanted[::-1]
    first = max(0, offset - size) if call.tampering.repeat_page else offset
    page = wanted[first : first + size]
    now, late = call.world.now(), _is_late(call)
    rows: list[orjson.Fragment] = []
    for order in page:
        content = order.json
        if late and order.versions:
            shown = _version(order, now)
            content = content if shown is order or shown is None else shown.json
        if content is None:
            content = order.json = order_json(state, order)
        rows.append(orjson.Fragment(content))
    document = {"orders": rows, "total_count": len(wanted)}
    answer = json_answer(200, document, 0, len(page))
    links = link_header(call.request, query, offset, size, len(wanted))
    if links is not None:
        answer.headers.append((b"link", links))
    return answer


def _is_late(call: Call) -> bool:
    return call.world.mirakl.orders.late.get(call.shop.shop_id, 0.0) > call.world.now()


def _version(order: Order, now: float) -> Any:
    """What the list shows of an order now: the order, what it was, or None for nothing."""
    for until, version in order.versions:
        if until > now:
            return version
    order.versions.clear()
    return order


def _moment(query: Query, name: str) -> float | None:
    text = query.one(name)
    try:
        return None if text is None else moment(text)
    except BadLine as fault:
        raise BadParameter(f"{name}: a date and time were expected") from fault


def _flag(query: Query, name: str) -> bool | None:
    word = query.choice(name, ("true", "false"), None)
    return None if word is None else word == "true"


def _listed(query: Query, name: str) -> set[str] | None:
    """A comma-separated list; None where it is not given."""
    given = query.all(name)
    return {part for text in given for part in text.split(",") if part} if given else None


def _selected(call: Call) -> list[Order]:
    """The orders that are asked for; kept for the next page while nothing changes."""
    query, book, shop_id = call.query, call.world.mirakl.orders, call.shop.shop_id
    asked = tuple(pair for pair in query.pairs if pair[0] not in ("max", "offset", "order"))
    late, lag = _is_late(call), call.tampering.lag_s
    made_of = (asked, book.changes[shop_id], call.shop.update_delta_s)
    kept = book.selected.get(shop_id)
    if kept is not None and kept[0] == made_of and not late and lag is None:
        return kept[1]
    found = _select(call, late, lag)
    if not late and lag is None:
        book.selected[shop_id] = (made_of, found)
    return found


def _select(call: Call, late: bool, lag: float | None) -> list[Order]:
    query, book, now = call.query, call.world.mirakl.orders, call.world.now()
    states = _listed(query, "order_state_codes")
    unknown = sorted((states or set()) - set(STATES))
    if unknown:
        raise BadParameter(f"order_state_codes: must be of {', '.join(STATES)}")
    start, end = _moment(query, "start_update_date"), _moment(query, "end_update_date")
    if start is not None:
        start -= call.shop.update_delta_s
    else:
        start = float("-inf")
    end = float("inf") if end is None else end
    ids, fits = _listed(query, "order_ids"), _others(query)
    if any(query.one(name) is not None for name in NOT_HELD):
        return []
    result: list[Order] = []
    for order in book.by_shop.get(call.shop.shop_id, ()):
        if ids is not None and order.order_id not in ids:
            continue
        state, updated = order.state, order.updated
        if late and order.versions:
            shown = _version(order, now)
            if shown is None:
                continue
            state, updated = shown.state, shown.updated
        if lag is not None and updated > now - lag:
            continue
        # dates are shown in whole seconds, and compared as they are shown
        if (
            start <= int(updated) <= end
            and (states is None or state in states)
            and all(fit(order) for fit in fits)
        ):
            result.append(order)
    return result


def _others(query: Query) -> list[Callable[[Order], bool]]:
    """The filters that are seldom asked for."""
    fits: list[Callable[[Order], bool]] = []
    first, last = _moment(query, "start_date"), _moment(query, "end_date")
    if first is not None:
        fits.append(lambda order: order.created >= first)
    if last is not None:
        fits.append(lambda order: int(order.created) <= last)
    debited, incident = _flag(query, "customer_debited"), _flag(query, "has_incident")
    if debited is not None:
        fits.append(lambda order: (order.debited is not None) == debited)
    if incident is not None:
        fits.append(lambda o: any(e.state == "INCIDENT_OPEN" for e in o.lines) == incident)
    workflow = query.choice("payment_workflow", WORKFLOWS, None)
    if workflow is not None:
        fits.append(lambda order: order.workflow == workflow)
    mode = query.choice("order_tax_mode", TAX_MODES, None)
    if mode is not None:
        fits.append(lambda order: order.tax_mode == mode)
    centers = query.all("fulfillment_center_code")
    if centers and "DEFAULT" not in centers:
        fits.append(lambda _: False)
    return fits
