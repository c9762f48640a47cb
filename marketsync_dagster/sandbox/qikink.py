"""Qikink's API as public clients use it, profile `real`: a token, orders, and nothing else.

Contract 5.2; what it leaves open is an option of the account (`qikink_accounts`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from itertools import islice
from typing import Any

from marketsync_dagster.sandbox.qikink_access import FORM, form_of, is_type, knows_secret, wait_of
from marketsync_dagster.sandbox.qikink_accounts import REAL, QikinkAccount
from marketsync_dagster.sandbox.qikink_fields import Refused, check_order
from marketsync_dagster.sandbox.qikink_part import memory
from marketsync_dagster.sandbox.qikink_state import QikinkOrder
from marketsync_dagster.sandbox.shown import QIKINK
from marketsync_dagster.sandbox.tampering import Tampering
from marketsync_dagster.sandbox.wire import (
    Answer,
    Caller,
    Malformed,
    Request,
    json_answer,
    read_json,
)
from marketsync_dagster.sandbox.world import World

MOUNT, CHANNEL = "/qikink", QIKINK
TOKEN, CREATE, ORDERS = "/api/token", "/api/order/create", "/api/order"
MOST_PAGES = 1_000_000
METHODS = {TOKEN: "POST", CREATE: "POST", ORDERS: "GET"}


def error(status: int, code: str, message: str, **more: Any) -> Answer:
    """An error as the API words it."""
    return json_answer(status, {"error": message, "status_code": str(status), **more})


def refusal(account: QikinkAccount, status: int, message: str) -> Answer:
    """A refusal in the account's form: an HTTP status, or 200 with a body that decides."""
    if account.errors == "http":
        return error(status, "", message)
    return json_answer(
        200,
        {
            "error": {"error": message, "status_code": str(status)},
            "success": {"success": False, "message": message},
            "status_code": {"message": message, "status_code": _told(account, status, str)},
        }[account.errors],
    )


def _told(account: QikinkAccount, number: int, usual: Callable[[int], Any]) -> Any:
    """A number as the account's answers write numbers."""
    return {"string": str, "number": int}.get(account.numbers, usual)(number)


def caller_of(world: World, request: Request) -> Caller:
    """The client that a request names, in its header or in the form for a token."""
    asks = request.path.removeprefix(MOUNT) == TOKEN
    named = form_of(request).get("ClientId", "") if asks else request.header("clientid")
    account = memory(world).accounts.get(named)
    if account is None or account.profile != REAL:
        return Caller(secrets=(b"accesstoken",))
    return Caller(account, account.client_id, account.client_id, (b"accesstoken",))


def handle(world: World, request: Request, caller: Caller, tampering: Tampering) -> Answer:
    """Answer one request under `/qikink`."""
    account: QikinkAccount | None = caller.account
    if account is not None and account.down:
        return error(503, "", "Service temporarily unavailable")
    path = request.path.removeprefix(MOUNT)
    allowed = METHODS.get(path)
    if allowed is None:
        return error(404, "", "Not Found")
    if request.method != allowed:
        answer = error(405, "", "Method Not Allowed")
        answer.headers.append((b"allow", allowed.encode()))
        return answer
    if account is None or world.is_refused(CHANNEL, account.client_id):
        return error(401, "", "Invalid client credentials")
    wait = wait_of(world, account)
    if wait is not None:
        return too_many(wait, world.settings.retry_after or account.retry_after)
    if path == TOKEN:
        return _mint(world, request, account)
    token = request.header("accesstoken")
    if not memory(world).lives(account.client_id, token, world.now()):
        memory(world).count(account.client_id, "tokens_refused")
        return _unauthorized(account, "Invalid or expired access token")
    if path == CREATE:
        return _create(world, request, account, tampering)
    return _orders(world, request, account, tampering)


def too_many(seconds: int, where: str) -> Answer:
    """A 429; nothing is known of when to come back, unless the account says otherwise."""
    more = {"retry_after": seconds} if where in ("body", "both") else {}
    answer = error(429, "", "Too many requests", **more)
    if where in ("header", "both"):
        answer.headers.append((b"retry-after", str(seconds).encode()))
    return answer


def _unauthorized(account: QikinkAccount, message: str) -> Answer:
    answer = error(401, "", message)
    return json_answer(200, answer.data) if account.refused_by == "body" else answer


def _mint(world: World, request: Request, account: QikinkAccount) -> Answer:
    if not is_type(request, FORM):
        return error(400, "", "A form was expected")
    if not knows_secret(account, form_of(request).get("client_secret", "")):
        return _unauthorized(account, "Invalid client credentials")
    token = memory(world).mint(account, world.now())
    world.changes += 1
    lifetime = _told(account, account.expires_in, int)
    document = {"ClientId": account.client_id, "Accesstoken": token, "expires_in": lifetime}
    return json_answer(200, document, 1, 1)


# --- orders


def _create(world: World, request: Request, account: QikinkAccount, tampering: Tampering) -> Answer:
    state, client = memory(world), account.client_id
    world.changes += 1
    state.count(client, "creates")
    try:
        if not is_type(request, "application/json"):
            raise Refused("Content-Type must be application/json")
        document = read_json(request.body)
        if isinstance(document, dict):
            state.count_asked(client, document.get("order_number"))
        number = check_order(document, account)
        injected = tampering.error_for(0, number)
        if injected is not None:
            raise Refused(str(injected))
    except Malformed:
        return refusal(account, 400, "Invalid JSON")
    except Refused as fault:
        state.count(client, "refused")
        return refusal(account, 400, str(fault))
    asked = state.asked_for(client, number)
    if account.duplicates == "refuse" and state.by_number.get((client, number)):
        asked.duplicates_refused += 1
        state.count(client, "duplicates_refused")
        return refusal(account, 400, "duplicate order")
    if tampering.drops(number):
        return _created(account, state.new_id(), 0)
    order = state.create(account, number, document, world.now(), request.number)
    asked.created += 1
    return _created(account, order.order_id, 1)


def _created(account: QikinkAccount, order_id: int, applied: int) -> Answer:
    document = {
        "message": "Order created successfully",
        "order_id": _told(account, order_id, int),
        "status_code": _told(account, 200, str),
    }
    return json_answer(200, document, applied, 1)


def _orders(world: World, request: Request, account: QikinkAccount, tampering: Tampering) -> Answer:
    asked = request.parameters()
    if "id" in asked:
        return _single(world, account, asked["id"])
    memory(world).count(account.client_id, "listed")
    try:
        page = int(asked.get("page_no") or 1)
        first, last = _day(asked.get("from_date")), _day(asked.get("to_date"))
    except ValueError:
        return refusal(account, 400, "Invalid page_no, from_date or to_date")
    if not 1 <= page <= MOST_PAGES:
        return refusal(account, 400, "Invalid page_no, from_date or to_date")
    if tampering.repeat_page:
        page = max(1, page - 1)
    newest, shift = world.now() - account.list_lag_s, account.utc_offset_min * 60

    def listed(order: QikinkOrder) -> bool:
        if order.created_at > newest:
            return False
        if first is None and last is None:
            return True
        day = datetime.fromtimestamp(order.created_at + shift, UTC).date()
        return (first is None or first <= day) and (last is None or day <= last)

    found = filter(listed, reversed(memory(world).by_client.get(account.client_id, [])))
    rows = list(islice(found, (page - 1) * account.page_size, page * account.page_size))
    now = world.now()
    return json_answer(200, [_row(order, account, now) for order in rows], 0, len(rows))


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text.strip()[:10]) if text else None


def _single(world: World, account: QikinkAccount, given: str) -> Answer:
    state = memory(world)
    state.count(account.client_id, "looked_up")
    order = state.orders.get(int(given)) if given.isdecimal() and len(given) < 16 else None
    if order is None or order.client_id != account.client_id:
        if account.missing == "error":
            return refusal(account, 404, "Order not found")
        return json_answer(200, [] if account.single == "array" else {})
    order.looked_up += 1
    row = _row(order, account, world.now())
    return json_answer(200, [row] if account.single == "array" else row, 0, 1)


def _row(order: QikinkOrder, account: QikinkAccount, now: float) -> dict[str, Any]:
    """An order as it is shown."""
    order.settle(account, now)
    row: dict[str, Any] = {
        "order_id": _told(account, order.order_id, int),
        "number": f"{account.prefix}_{order.number}",
        "status": order.status,
    }
    shipping = {
        "awb": order.awb,
        "courier_provider_name": order.courier,
        "tracking_link": order.tracking_link,
    }
    if order.awb or account.no_awb == "empty":
        row["shipping"] = shipping
    elif account.no_awb == "null":
        row["shipping"] = dict.fromkeys(shipping)
    return row
