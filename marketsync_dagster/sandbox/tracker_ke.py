"""Tracker KE's API: who may call, how often, and the two price endpoints.

Contract sections 2.1 to 2.6. Its catalogue endpoints are in `tracker_products`. Where the
platform's document and its server differ, this is the server, with the limits of the document's
plans; every trap of section 2.6 is kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from marketsync_dagster.sandbox.accounts import TrackerAccount
from marketsync_dagster.sandbox.prices import as_price
from marketsync_dagster.sandbox.shown import TRACKER, Shown, iso
from marketsync_dagster.sandbox.signing import check_canonical_v1, check_tracker_doc
from marketsync_dagster.sandbox.tampering import Tampering
from marketsync_dagster.sandbox.wire import (
    Answer,
    Caller,
    Malformed,
    Request,
    html_answer,
    json_answer,
    read_json,
)
from marketsync_dagster.sandbox.world import World

MOUNT, CHANNEL = "/tracker_ke", TRACKER
BASE = f"{MOUNT}/api/v1"
MAX_BODY_BYTES = 100 * 1024
"""What Express takes as JSON when nobody configures it."""


@dataclass(slots=True)
class Call:
    """One request of Tracker KE on its way through the server."""

    world: World
    request: Request
    path: str
    """Relative to the base URL, `/prices/batch`."""
    account: TrackerAccount
    tampering: Tampering
    writes: list[tuple[str, Shown]] = field(default_factory=list)
    """What is stored at the end of the call."""


def error(status: int, code: str, message: str, **more: Any) -> Answer:
    """An error in the platform's form (contract 2.5)."""
    return json_answer(
        status, {"success": False, "error": {"code": code, "message": message, **more}}
    )


def caller_of(world: World, request: Request) -> Caller:
    """The account whose key a request carries, if there is one."""
    authorization = request.header("authorization")
    account = world.accounts.get(authorization[7:]) if authorization[:7] == "Bearer " else None
    return Caller() if account is None else Caller(account, account.api_key, account.supermarket_id)


def handle(world: World, request: Request, caller: Caller, tampering: Tampering) -> Answer:
    """Answer one request under `/tracker_ke`."""
    account: TrackerAccount | None = caller.account
    if len(request.body) > MAX_BODY_BYTES:
        return html_answer(413, "Error", "PayloadTooLargeError: request entity too large")
    path = request.path.removeprefix(BASE)
    if not request.path.startswith(f"{BASE}/"):
        return error(404, "NOT_FOUND", "No such endpoint")
    if request.method == "GET" and path == "/health":
        now = iso(world.now())
        return json_answer(200, {"status": "healthy", "version": "1.0.0", "timestamp": now})
    endpoint, scope = _endpoint(request.method, path)
    if endpoint is None:
        return error(404, "NOT_FOUND", "No such endpoint")
    complaint = _unauthorized(world, request, account)
    if account is None or complaint:
        return error(401, "UNAUTHORIZED", complaint)
    answer = _over_quota(world, account)
    if answer is None:
        call = Call(world, request, path, account, tampering)
        if scope not in account.scopes:
            answer = error(403, "FORBIDDEN", f"Missing required permission: {scope}")
        else:
            answer = endpoint(call)
    if account.rate_headers:
        _add_rate_headers(world, account, answer)
    return answer


def _endpoint(method: str, path: str) -> tuple[Any, str]:
    # late, because the catalogue's module builds on this one
    from marketsync_dagster.sandbox import tracker_products

    if method == "POST":
        if path == "/prices/batch":
            return batch, "prices:write"
        if path == "/prices/single":
            return single, "prices:write"
        if path == "/products/sync":
            return tracker_products.sync, "products:write"
    elif method == "GET":
        if path == "/products":
            return tracker_products.page, "products:read"
        if path.startswith("/products/") and path.count("/") == 2 and len(path) > 10:
            return tracker_products.one, "products:read"
    return None, ""


def _unauthorized(world: World, request: Request, account: TrackerAccount | None) -> str:
    """Why a request is not let in, empty if it is."""
    if account is None:
        if not request.header("authorization").startswith("Bearer "):
            return "Missing or invalid Authorization header"
        return "Invalid API key"
    if world.is_refused(TRACKER, account.api_key):
        return "API key has been revoked"
    given_secret = request.header("x-api-secret")
    if given_secret and given_secret not in account.secrets:
        return "Invalid API secret"
    if account.signing == "tracker_doc":
        path = request.raw_path.removeprefix(BASE)
        return check_tracker_doc(request, path, account.secrets, world.now())
    if account.signing == "canonical_v1":
        return check_canonical_v1(
            request, MOUNT, account.api_key, account.secrets, world.now(), world.nonces
        )
    return ""


def _over_quota(world: World, account: TrackerAccount) -> Answer | None:
    if not world.settings.quota:
        return None
    window = world.window(TRACKER, account.api_key)
    wait = window.admit(world.now(), account.per_minute, account.per_hour)
    if wait is None:
        return None
    return too_many(math.ceil(wait), world.settings.retry_after or account.retry_after)


def too_many(seconds: int, where: str) -> Answer:
    """A 429 that says when to come back in the body, in a header, in both or nowhere."""
    more = {"retry_after": seconds} if where in ("body", "both") else {}
    answer = error(429, "RATE_LIMIT_EXCEEDED", "Too many requests. Please retry later.", **more)
    if where in ("header", "both"):
        answer.headers.append((b"retry-after", str(seconds).encode()))
    return answer


def _add_rate_headers(world: World, account: TrackerAccount, answer: Answer) -> None:
    if account.per_minute is None:
        return
    now = world.now()
    used = world.window(TRACKER, account.api_key).in_last_minute(now)
    for name, value in (
        (b"x-ratelimit-limit", account.per_minute),
        (b"x-ratelimit-remaining", max(0, account.per_minute - used)),
        (b"x-ratelimit-reset", int(now) + 60),
    ):
        answer.headers.append((name, str(value).encode()))


def document_of(call: Call) -> dict[str, Any] | Answer:
    """The JSON object of a request's body, or the 400 it gets."""
    try:
        document = read_json(call.request.body)
    except Malformed:
        return error(400, "INVALID_REQUEST", "Request body is not valid JSON")
    if not isinstance(document, dict):
        return error(400, "INVALID_REQUEST", "Request body must be an object")
    return document


def batch(call: Call) -> Answer:
    """POST /prices/batch: 200 with a result per position, whatever became of the items."""
    document = document_of(call)
    if isinstance(document, Answer):
        return document
    prices = document.get("prices")
    if not isinstance(prices, list) or not prices:
        return error(400, "INVALID_REQUEST", "prices must be a non-empty array")
    most = call.account.max_items
    if len(prices) > most:
        return error(400, "INVALID_REQUEST", f"Maximum {most} prices per batch")
    moment = call.world.now()
    results: list[dict[str, Any]] = []
    applied = failed = 0
    for position, item in enumerate(prices):
        result, written = _apply(call, item, moment, position)
        results.append(result)
        applied += written
        failed += result["status"] == "failed"
    call.world.show_all(TRACKER, call.account.supermarket_id, call.writes)
    data = {
        "processed": len(prices),
        "successful": len(prices) - failed,
        "failed": failed,
        "results": results,
    }
    return json_answer(200, {"success": True, "data": data}, applied, len(prices))


def _failed(product_id: Any, message: str) -> tuple[dict[str, Any], int]:
    return {"product_id": product_id, "status": "failed", "error": message}, 0


def _apply(call: Call, item: Any, moment: float, position: int) -> tuple[dict[str, Any], int]:
    """One item of a batch: its result, and 1 if it was written."""
    if item is None:
        return _failed("unknown", "Internal error")
    fields: dict[str, Any] = item if isinstance(item, dict) else {}
    product_id, price = fields.get("product_id"), fields.get("price")
    # the server tests for a falsy price, so 0 is "missing"
    if not product_id or not price:
        return _failed(product_id or "unknown", "Missing product_id or price")
    number = as_price(price)
    if number is None or number < 0:
        return _failed(product_id, "Invalid price")
    if not isinstance(product_id, str) or product_id not in call.world.catalog:
        return _failed(product_id, "Product not found")
    tampering = call.tampering
    injected = tampering.error_for(position, product_id)
    if injected is not None:
        return _failed(product_id, str(injected))
    result = {"product_id": product_id, "status": "updated", "price": number}
    if tampering.drops(product_id):
        return result, 0
    write(call, product_id, number, fields, moment)
    return result, 1


def write(
    call: Call, product_id: str, price: Decimal, fields: dict[str, Any], moment: float
) -> None:
    """Note a price to store. There is one per supermarket and product: the last branch wins."""
    location, currency = fields.get("location"), fields.get("currency")
    stock_status = fields.get("stock_status", "in_stock")
    if call.tampering.damage is not None:
        price = call.tampering.damaged(price)
    shown = Shown(
        price,
        currency if isinstance(currency, str) else "KES",
        location if isinstance(location, str) else "",
        stock_status if isinstance(stock_status, str) else "in_stock",
        moment,
        call.request.number,
    )
    call.writes.append((product_id, shown))


def single(call: Call) -> Answer:
    """POST /prices/single: one item, whose faults are HTTP errors."""
    fields = document_of(call)
    if isinstance(fields, Answer):
        return fields
    product_id, price = fields.get("product_id"), fields.get("price")
    if not product_id or not price:
        return error(400, "INVALID_REQUEST", "product_id and price are required")
    number = as_price(price)
    if number is None or number < 0:
        message = "Price must be a positive number"
        return error(400, "INVALID_REQUEST", message, field="price")
    world = call.world
    if not isinstance(product_id, str) or product_id not in world.catalog:
        return error(404, "NOT_FOUND", "Product not found")
    injected = call.tampering.error_for(0, product_id)
    if injected is not None:
        return error(400, "INVALID_REQUEST", str(injected))
    shown = world.shown.get((TRACKER, call.account.supermarket_id), {}).get(product_id)
    previous = None if shown is None else shown.price
    moment = world.now()
    applied = 0
    if not call.tampering.drops(product_id):
        write(call, product_id, number, fields, moment)
        world.show_all(TRACKER, call.account.supermarket_id, call.writes)
        applied = 1
    change = float((number - previous) / previous * 100) if previous else 0.0
    data = {
        "product_id": product_id,
        "price": number,
        "previous_price": previous,
        "updated_at": iso(moment),
        "price_change_percentage": round(change, 2),
    }
    return json_answer(200, {"success": True, "data": data}, applied, 1)
