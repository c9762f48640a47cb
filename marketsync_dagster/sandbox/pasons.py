"""Pasons' inventory endpoint, one per store, with every variant that its contract leaves open.

Contract section 3.3 for the default, 3.1 and 3.2 for what a store's seed can change.
"""

from __future__ import annotations

import base64
import hmac
import math
from decimal import Decimal
from typing import Any

from marketsync_dagster.sandbox.accounts import PasonsStore
from marketsync_dagster.sandbox.prices import LARGEST, as_price, exact_text
from marketsync_dagster.sandbox.shown import PASONS, Shown
from marketsync_dagster.sandbox.tampering import UNTOUCHED, Tampering
from marketsync_dagster.sandbox.wire import (
    Answer,
    Malformed,
    Request,
    exact_number,
    json_answer,
    read_json,
)
from marketsync_dagster.sandbox.world import World

MOUNT = "/pasons"
ENDPOINT = "/v1/inventory"


def error(status: int, code: str, message: str, **more: Any) -> Answer:
    """An error of the whole request."""
    return json_answer(status, {"error": {"code": code, "message": message, **more}})


def store_id_of(path: str) -> str | None:
    """The store that a path is about, known or not; None for a path that is no store's."""
    if not path.startswith(f"{MOUNT}/") or not path.endswith(ENDPOINT):
        return None
    store_id = path[len(MOUNT) + 1 : -len(ENDPOINT)]
    return store_id if store_id and "/" not in store_id else None


def handle(
    world: World, request: Request, store: PasonsStore | None, tampering: Tampering
) -> Answer:
    """Answer one request under `/pasons`."""
    if store_id_of(request.path) is None:
        return error(404, "NOT_FOUND", "No such endpoint")
    if store is None:
        return error(404, "STORE_NOT_FOUND", "No such store")
    if not _authorized(request, store) or world.is_refused(PASONS, store.store_id):
        return error(401, "UNAUTHORIZED", "Invalid credentials")
    answer = _over_quota(world, store)
    if answer is not None:
        return answer
    if request.method == "POST":
        return _push(world, request, store, tampering)
    if request.method == "GET" and store.readable:
        return _read(world, request, store)
    answer = error(405, "METHOD_NOT_ALLOWED", f"{request.method[:20]} is not allowed here")
    answer.headers.append((b"allow", b"GET, POST" if store.readable else b"POST"))
    return answer


def _authorized(request: Request, store: PasonsStore) -> bool:
    if store.scheme == "none":
        return True
    if store.scheme == "bearer":
        given, wanted = request.header("authorization"), f"Bearer {store.api_key}"
    elif store.scheme == "basic":
        pair = f"{store.username}:{store.api_key}".encode()
        given = request.header("authorization")
        wanted = f"Basic {base64.b64encode(pair).decode()}"
    else:
        given, wanted = request.header(store.header), store.api_key
    return hmac.compare_digest(given.encode("latin-1"), wanted.encode())


def _over_quota(world: World, store: PasonsStore) -> Answer | None:
    if not world.settings.quota or store.per_minute is None:
        return None
    wait = world.window(PASONS, store.store_id).admit(world.now(), store.per_minute, None)
    if wait is None:
        return None
    return too_many(math.ceil(wait), world.settings.retry_after or store.retry_after)


def too_many(seconds: int, where: str) -> Answer:
    """A 429 that says when to come back in the header, in the body, in both or nowhere."""
    more = {"retry_after": seconds} if where in ("body", "both") else {}
    answer = error(429, "RATE_LIMITED", "Too many requests", **more)
    if where in ("header", "both"):
        answer.headers.append((b"retry-after", str(seconds).encode()))
    return answer


def _push(world: World, request: Request, store: PasonsStore, tampering: Tampering) -> Answer:
    if len(request.body) > store.max_bytes:
        return error(413, "PAYLOAD_TOO_LARGE", f"At most {store.max_bytes} bytes")
    try:
        parsed = _read_items(_items(read_json(request.body), store), store)
    except Malformed as fault:
        return error(400, "MALFORMED", str(fault))
    except _TooMany:
        return error(413, "PAYLOAD_TOO_LARGE", f"At most {store.max_items} items")
    rejected, applied = _store(world, request, store, parsed, tampering)
    return _answer(store, parsed, rejected, applied)


class _TooMany(Exception):
    """More items than a store takes at once."""


def _items(document: Any, store: PasonsStore) -> list[Any]:
    if store.envelope is not None:
        document = document.get(store.envelope) if isinstance(document, dict) else None
    if not isinstance(document, list):
        raise Malformed("an array of items was expected")
    if len(document) > store.max_items:
        raise _TooMany
    return document


Item = tuple[str, Decimal, int]
"""SKU, price and stock (1 or 0)."""


def _read_items(items: list[Any], store: PasonsStore) -> list[Item]:
    """The items of a push; Malformed refuses the whole batch, and names the first culprit."""
    names = store.fields
    sku_name, price_name, stock_name = (names[n] for n in ("sku", "selling_price", "stock_status"))
    price_type = store.price_type
    plain_price, plain_stock = price_type == "number", store.stock_type == "int01"
    parsed: list[Item] = []
    for index, item in enumerate(items):
        if not isinstance(item, dict):
            raise Malformed(f"item {index}: an object was expected")
        sku = item.get(sku_name)
        if not isinstance(sku, str) or not sku:
            raise Malformed(f"item {index}: {sku_name} must be a text")
        price = item.get(price_name)
        # the usual case first: half a million of these are read in a benchmark
        if not (plain_price and type(price) is Decimal and -LARGEST < price < LARGEST):
            price = _read_price(price, price_type)
        if price is None:
            raise Malformed(f"item {index}: {price_name} must be a {price_type}")
        stock = item.get(stock_name)
        if not (plain_stock and type(stock) is int and 0 <= stock <= 1):
            stock = _read_stock(stock, store)
        if stock is None:
            raise Malformed(f"item {index}: {stock_name} must be {store.stock_type}")
        parsed.append((sku, price, stock))
    return parsed


def _read_price(value: Any, price_type: str) -> Decimal | None:
    if price_type == "number":
        return as_price(value)
    if price_type == "minor_units":
        price = as_price(value) if type(value) is int else None
        return None if price is None else price.scaleb(-2)
    # digits and at most one point: Decimal alone would take "1e5", " 7 " and "NaN"
    if not isinstance(value, str) or len(value) > 30 or not value.isascii():
        return None
    if not value.removeprefix("-").replace(".", "", 1).isdigit():
        return None
    try:
        return as_price(exact_number(value))
    except ArithmeticError:
        return None


def _read_stock(value: Any, store: PasonsStore) -> int | None:
    if store.stock_type == "bool":
        return int(value) if isinstance(value, bool) else None
    if store.stock_type == "enum":
        return store.stock_words.get(value) if isinstance(value, str) else None
    return value if type(value) is int and value in (0, 1) else None


def _refusal(store: PasonsStore, index: int, item: Item, tampering: Tampering) -> Any:
    """Why one item is not taken, None if it is."""
    sku, price, _ = item
    if tampering is not UNTOUCHED:
        injected = tampering.error_for(index, sku)
        if injected is not None:
            if isinstance(injected, dict):
                return injected
            return {"code": str(injected), "message": str(injected)}
    if store.skus is not None and sku not in store.skus:
        return {"code": "UNKNOWN_SKU", "message": "This SKU is not listed at the store"}
    if price <= 0:
        return {"code": "INVALID_PRICE", "message": "The price must be above zero"}
    return None


def _store(
    world: World,
    request: Request,
    store: PasonsStore,
    parsed: list[Item],
    tampering: Tampering,
) -> tuple[dict[int, dict[str, Any]], int]:
    """Apply what can be applied: the rejected rows by index, and how many were written."""
    moment, number = world.now(), request.number
    rejected: dict[int, dict[str, Any]] = {}
    writes: list[tuple[str, Shown]] = []
    known, touched = store.skus, tampering is not UNTOUCHED
    for index, item in enumerate(parsed):
        sku, price, stock = item
        if not touched and price > 0 and (known is None or sku in known):
            writes.append((sku, Shown(price, "", "", stock, moment, number)))
            continue
        refusal = _refusal(store, index, item, tampering)
        if refusal is not None:
            row = {"index": index, "sku": sku, "status": "rejected", "error": refusal}
            rejected[index] = row
        elif not tampering.drops(sku):
            price = tampering.damaged(price)
            writes.append((sku, Shown(price, "", "", stock, moment, number)))
    world.show_all(PASONS, store.store_id, writes)
    return rejected, len(writes)


def _answer(
    store: PasonsStore, parsed: list[Item], rejected: dict[int, dict[str, Any]], applied: int
) -> Answer:
    received = len(parsed)
    if store.variant == "204":
        return Answer(204, applied=applied, items=received)
    if store.variant == "drop_silently":
        return json_answer(200, {}, applied, received)
    rows = list(rejected.values())
    if store.results == "all":
        rows = [
            rejected.get(index) or {"index": index, "sku": sku, "status": "accepted"}
            for index, (sku, _, _) in enumerate(parsed)
        ]
    data = {
        "received": received,
        "accepted": received - len(rejected),
        "rejected": len(rejected),
        "results": rows,
    }
    status = 207 if store.variant == "207" and rejected else 200
    return json_answer(status, data, applied, received)


def _read(world: World, request: Request, store: PasonsStore) -> Answer:
    """GET: what the store shows, in its own field names; `?sku=` picks one."""
    shown = world.shown.get((PASONS, store.store_id), {})
    wanted = request.parameters().get("sku")
    picked = shown.items() if wanted is None else [(s, v) for s, v in shown.items() if s == wanted]
    items = [
        {
            store.fields["sku"]: sku,
            store.fields["selling_price"]: _written_price(value.price, store),
            store.fields["stock_status"]: _written_stock(value.stock_status, store),
        }
        for sku, value in picked
    ]
    document = {"store_id": store.store_id, "total": len(items), "items": items}
    return json_answer(200, document, 0, len(items))


def _written_price(price: Decimal, store: PasonsStore) -> Any:
    if store.price_type == "string":
        return exact_text(price)
    if store.price_type == "minor_units":
        return int(price.scaleb(2))
    return price


def _written_stock(stock: Any, store: PasonsStore) -> Any:
    if store.stock_type == "bool":
        return bool(stock)
    if store.stock_type == "enum":
        return next((word for word, value in store.stock_words.items() if value == stock), None)
    return stock
