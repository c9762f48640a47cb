"""Qikink's API as the integration document has it, profile `spec`: OAuth, products, orders.

Contract 5.3 and 5.4. An order that is posted twice is made twice, unless the account's options
say otherwise: it is the one platform on which nothing but the caller's own memory prevents that.
"""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from marketsync_dagster.sandbox.qikink_access import FORM, form_of, is_type, knows_secret, wait_of
from marketsync_dagster.sandbox.qikink_accounts import SPEC, QikinkAccount
from marketsync_dagster.sandbox.qikink_fields import as_number
from marketsync_dagster.sandbox.qikink_part import memory
from marketsync_dagster.sandbox.qikink_state import QikinkOrder
from marketsync_dagster.sandbox.shown import QIKINK, Shown, iso
from marketsync_dagster.sandbox.signing import check_canonical_v1
from marketsync_dagster.sandbox.tampering import Tampering
from marketsync_dagster.sandbox.wire import (
    Answer,
    Caller,
    Malformed,
    Request,
    json_answer,
    read_json,
    sha256_hex,
)
from marketsync_dagster.sandbox.world import World

MOUNT, CHANNEL = "/qikink_spec", QIKINK
TOKEN, PRODUCTS, ORDERS = "/oauth/token", "/api/v1/products/sync", "/api/v1/orders"
FULFILLMENT = re.compile(r"/api/v1/orders/([^/]+)/fulfillment")
EVENTS = {
    "created": "order_received",
    "synced": "order_synced",
    "processing": "order_processing",
}
DAYS = 5
"""From an order to its delivery, as it is estimated."""


class Refused(ValueError):
    """A request that is not served: message, status and code."""

    def __init__(self, message: str, status: int = 400, code: str = "INVALID_REQUEST") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def error(status: int, code: str, message: str, **more: Any) -> Answer:
    """An error of the whole request."""
    words = {"code": code, "message": message, **more}
    return json_answer(status, {"status": "error", "error": words})


def _oauth_error(status: int, name: str, words: str) -> Answer:
    return json_answer(status, {"error": name, "error_description": words})


def caller_of(world: World, request: Request) -> Caller:
    """The client that a request names, in its header or where it asks for a token."""
    if request.path.removeprefix(MOUNT) == TOKEN:
        named = _credentials(request)[0]
    else:
        named = request.header("x-client-id")
    account = memory(world).accounts.get(named)
    if account is None or account.profile != SPEC:
        return Caller()
    return Caller(account, account.client_id, account.client_id)


def handle(world: World, request: Request, caller: Caller, tampering: Tampering) -> Answer:
    """Answer one request under `/qikink_spec`."""
    account: QikinkAccount | None = caller.account
    if account is not None and account.down:
        return error(503, "SERVICE_UNAVAILABLE", "Service temporarily unavailable")
    path = request.path.removeprefix(MOUNT)
    found = FULFILLMENT.fullmatch(path)
    allowed = "GET" if found else "POST" if path in (TOKEN, PRODUCTS, ORDERS) else None
    if allowed is None:
        return error(404, "NOT_FOUND", "No such resource")
    if request.method != allowed:
        answer = error(405, "METHOD_NOT_ALLOWED", "This method is not supported here")
        answer.headers.append((b"allow", allowed.encode()))
        return answer
    if path == TOKEN:
        return _mint(world, request, account)
    try:
        client = _let_in(world, request, account)
        if found is not None:
            return _fulfillment(world, client, found[1])
        document = _document(request)
        if path == PRODUCTS:
            return _sync(world, request, client, document, tampering)
        return _create(world, request, client, document, tampering)
    except Refused as fault:
        if path == ORDERS and fault.status == 400 and account is not None:
            memory(world).count(account.client_id, "refused")
        return error(fault.status, fault.code, str(fault))
    except _TooMany as fault:
        return too_many(fault.seconds, world.settings.retry_after or fault.where)


# --- who may call


class _TooMany(Exception):
    def __init__(self, seconds: int, where: str) -> None:
        super().__init__(seconds)
        self.seconds = seconds
        self.where = where


def too_many(seconds: int, where: str) -> Answer:
    """A 429 that says when to come back, in the header if nobody wants it otherwise."""
    more = {"retry_after": seconds} if where in ("body", "both") else {}
    answer = error(429, "RATE_LIMIT_EXCEEDED", "Too many requests", **more)
    if where in ("header", "both"):
        answer.headers.append((b"retry-after", str(seconds).encode()))
    return answer


def _credentials(request: Request) -> tuple[str, str]:
    """Client id and secret, from the form or from Basic authentication."""
    form = form_of(request)
    if "client_id" in form:
        return form["client_id"], form.get("client_secret", "")
    scheme, _, packed = request.header("authorization").partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        name, _, secret = base64.b64decode(packed, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return "", ""
    return name, secret


def _mint(world: World, request: Request, account: QikinkAccount | None) -> Answer:
    if not is_type(request, FORM):
        return _oauth_error(400, "invalid_request", "A form was expected")
    if form_of(request).get("grant_type") != "client_credentials":
        return _oauth_error(400, "unsupported_grant_type", "client_credentials was expected")
    known = account is not None and knows_secret(account, _credentials(request)[1])
    if account is None or not known or world.is_refused(CHANNEL, account.client_id):
        return _oauth_error(401, "invalid_client", "Client authentication failed")
    wait = wait_of(world, account)
    if wait is not None:
        return too_many(wait, world.settings.retry_after or account.retry_after)
    token = memory(world).mint(account, world.now())
    world.changes += 1
    document = {"access_token": token, "token_type": "Bearer", "expires_in": account.expires_in}
    return json_answer(200, document, 1, 1)


def _let_in(world: World, request: Request, account: QikinkAccount | None) -> QikinkAccount:
    if account is None or world.is_refused(CHANNEL, account.client_id):
        raise Refused("Unknown client", 401, "UNAUTHORIZED")
    scheme, _, token = request.header("authorization").partition(" ")
    state, now = memory(world), world.now()
    if scheme.lower() != "bearer" or not state.lives(account.client_id, token, now):
        state.count(account.client_id, "tokens_refused")
        raise Refused("Invalid or expired token", 401, "UNAUTHORIZED")
    if account.signing == "canonical_v1":
        complaint = check_canonical_v1(
            request, MOUNT, account.client_id, account.secrets, now, world.nonces
        )
        if complaint:
            raise Refused(complaint, 401, "INVALID_SIGNATURE")
    wait = wait_of(world, account)
    if wait is not None:
        raise _TooMany(wait, account.retry_after)
    return account


def _document(request: Request) -> dict[str, Any]:
    if not is_type(request, "application/json"):
        raise Refused("application/json was expected", 415, "UNSUPPORTED_MEDIA_TYPE")
    try:
        document = read_json(request.body)
    except Malformed as fault:
        raise Refused("Invalid JSON") from fault
    if not isinstance(document, dict):
        raise Refused("An object was expected")
    return document


# --- products


def _sync(
    world: World,
    request: Request,
    account: QikinkAccount,
    document: dict[str, Any],
    tampering: Tampering,
) -> Answer:
    products = document.get("products")
    if not isinstance(products, list):
        raise Refused("products is missing")
    if len(products) > account.max_items:
        raise Refused(f"At most {account.max_items} products", 413, "TOO_MANY_PRODUCTS")
    kept = memory(world).products.setdefault(account.client_id, {})
    failed: list[dict[str, Any]] = []
    writes: list[tuple[str, Shown]] = []
    for position, product in enumerate(products):
        sku: Any = product.get("sku") if isinstance(product, dict) else None
        wrong = tampering.error_for(position, str(sku)) or _wrong(product)
        if wrong:
            failed.append({"sku": sku, "error": wrong})
        elif not tampering.drops(str(sku)):
            price = tampering.damaged(as_number(product["price"]) or Decimal(0))
            stock, now = product.get("stock_quantity"), world.now()
            kept[sku] = {**product, "synced_at": now, "request": request.number}
            writes.append((sku, Shown(price, "INR", "", stock, now, request.number)))
    world.show_all(CHANNEL, account.client_id, writes)
    answer = {
        "products_synced": len(products) - len(failed),
        "failed": failed,
        "sync_timestamp": iso(world.now()),
    }
    return json_answer(200, answer, len(writes), len(products))


def _wrong(product: Any) -> str:
    """What is wrong with a product, empty if nothing is."""
    if not isinstance(product, dict):
        return "Invalid product"
    for name in ("sku", "name", "price", "manufacturer", "origin"):
        value = product.get(name)
        if value is None or (isinstance(value, str) and not value.strip()):
            return f"Missing field: {name}"
    if not isinstance(product["sku"], str):
        return "Invalid field: sku"
    if as_number(product["price"]) is None:
        return "Invalid field: price"
    stock = as_number(product.get("stock_quantity", 0))
    if stock is None or stock != int(stock):
        return "Invalid field: stock_quantity"
    return ""


# --- orders


def _create(
    world: World,
    request: Request,
    account: QikinkAccount,
    document: dict[str, Any],
    tampering: Tampering,
) -> Answer:
    state, client = memory(world), account.client_id
    world.changes += 1
    state.count(client, "creates")
    state.count_asked(client, document.get("order_id"))
    number = _check_order(document, account)
    injected = tampering.error_for(0, number)
    if injected is not None:
        raise Refused(str(injected))
    key = request.header("idempotency-key") if account.idempotency == "key" else ""
    digest = sha256_hex(request.body)
    before = state.keys.get(client, {}).get(key) if key else None
    if before is not None:
        if before[0] != digest:
            raise Refused("The key was used for another order", 422, "IDEMPOTENCY_KEY_REUSED")
        state.count(client, "repeated")
        return json_answer(200, before[1], 0, 1)
    asked = state.asked_for(client, number)
    if account.duplicates == "refuse" and state.by_number.get((client, number)):
        asked.duplicates_refused += 1
        state.count(client, "duplicates_refused")
        raise Refused("duplicate order", 409, "DUPLICATE_ORDER")
    if tampering.drops(number):
        return json_answer(200, _created(state.new_id()), 0, 1)
    order = state.create(account, number, document, world.now(), request.number)
    asked.created += 1
    answer = _created(order.order_id)
    if key:
        state.keys.setdefault(client, {})[key] = [digest, answer]
    return json_answer(200, answer, 1, 1)


def _check_order(document: dict[str, Any], account: QikinkAccount) -> str:
    """Our number of an order that can be taken; messages name fields, never values."""
    if not isinstance(document.get("order_id", ""), (str, int)):
        raise Refused("Invalid field: order_id")
    for name in ("order_id", "customer_email", "shipping_address", "items", "total_amount"):
        value = document.get(name)
        if value is None or value == [] or (isinstance(value, str) and not value.strip()):
            raise Refused(f"Missing field: {name}")
    if not isinstance(document["shipping_address"], str):
        raise Refused("Invalid field: shipping_address")
    if as_number(document["total_amount"]) is None:
        raise Refused("Invalid field: total_amount")
    if not isinstance(document["items"], list):
        raise Refused("Invalid field: items")
    for item in document["items"]:
        sku = item.get("sku") if isinstance(item, dict) else None
        if not isinstance(sku, str) or not sku:
            raise Refused("Missing field: sku")
        quantity = as_number(item.get("quantity"))
        if quantity is None or quantity < 1 or quantity != int(quantity):
            raise Refused("Invalid field: quantity")
        if account.skus is not None and sku not in account.skus:
            raise Refused("Unknown SKU")
    return str(document["order_id"])


def _created(order_id: int) -> dict[str, Any]:
    return {
        "status": "success",
        "qikink_shipment_id": f"QK-SHIP-{order_id}",
        "qikink_order_id": f"QK-{order_id}",
        "tracking_id": f"TRK-{order_id}",
    }


def _fulfillment(world: World, account: QikinkAccount, number: str) -> Answer:
    """Of an order that was made twice, the last one is told."""
    state = memory(world)
    state.count(account.client_id, "looked_up")
    orders = state.by_number.get((account.client_id, number))
    if not orders:
        raise Refused("No such order", 404, "ORDER_NOT_FOUND")
    order = orders[-1]
    order.looked_up += 1
    order.settle(account, world.now())
    return json_answer(200, _told(order), 0, 1)


def _told(order: QikinkOrder) -> dict[str, Any]:
    day = datetime.fromtimestamp(order.created_at, UTC) + timedelta(days=DAYS)
    return {
        "order_id": order.number,
        "qikink_shipment_id": f"QK-SHIP-{order.order_id}",
        "status": order.status,
        "tracking_number": order.awb or None,
        "estimated_delivery": order.estimated_delivery or day.date().isoformat(),
        "last_update": iso(order.moved_at),
        "events": [
            {"event": EVENTS.get(status, status), "timestamp": iso(moment), "location": place}
            for status, moment, place in order.events
        ],
    }
