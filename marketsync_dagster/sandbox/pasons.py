"""Pasons' inventory endpoint, one per store, with every variant that its contract leaves open.

Contract section 3.3 for the default, 3.1 and 3.2 for what a store's seed can change
(`pasons_store`). What a push must look like is `pasons_requests`; how an answer tells what became
of each item is `pasons_answers`.
"""

from __future__ import annotations

import base64
import hmac
import math
from decimal import Decimal
from typing import Any

from marketsync_dagster.sandbox.pasons_answers import Refusal, told
from marketsync_dagster.sandbox.pasons_requests import (
    Item,
    TooMany,
    check_head,
    is_full,
    items_in,
    names_store,
    read_items,
)
from marketsync_dagster.sandbox.pasons_store import ENDPOINT, MOUNT, PasonsStore
from marketsync_dagster.sandbox.prices import exact_text
from marketsync_dagster.sandbox.shown import PASONS, Shown
from marketsync_dagster.sandbox.tampering import UNTOUCHED, Tampering
from marketsync_dagster.sandbox.wire import (
    Answer,
    Caller,
    Malformed,
    Request,
    json_answer,
    read_json,
)
from marketsync_dagster.sandbox.world import World

CHANNEL = PASONS


def error(status: int, code: str, message: str, **more: Any) -> Answer:
    """An error of the whole request."""
    return json_answer(status, {"error": {"code": code, "message": message, **more}})


def store_id_of(path: str) -> str | None:
    """The store that a usual path is about, known or not; None for any other path."""
    if not path.startswith(f"{MOUNT}/") or not path.endswith(ENDPOINT):
        return None
    store_id = path[len(MOUNT) + 1 : -len(ENDPOINT)]
    return store_id if store_id and "/" not in store_id else None


def caller_of(world: World, request: Request) -> Caller:
    """The store that a request is for, whether or not it has its key."""
    store = _store_of(world, request)
    if store is None:
        return Caller()
    secrets = (store.header.encode(), store.secret_header.encode())
    return Caller(store, store.store_id, store.store_id, secrets)


def _store_of(world: World, request: Request) -> PasonsStore | None:
    """The store that a request is for; None where there is none.

    Stores may share an address: then what the request says of the store decides.
    """
    path = request.path[len(MOUNT) :]
    usual = world.stores.get(store_id_of(request.path) or "")
    if usual is not None and usual.path == path:
        return usual
    there = [store for store in world.stores.values() if path in store.paths()]
    if len(there) < 2:
        return there[0] if there else None
    return next(
        (store for store in there if path == store.ping or names_store(request, store)), None
    )


def handle(world: World, request: Request, caller: Caller, tampering: Tampering) -> Answer:
    """Answer one request under `/pasons`."""
    store: PasonsStore | None = caller.account
    if store is None:
        if store_id_of(request.path) is None:
            return error(404, "NOT_FOUND", "No such endpoint")
        return error(404, "STORE_NOT_FOUND", "No such store")
    if not _authorized(request, store) or world.is_refused(PASONS, store.store_id):
        return error(401, "UNAUTHORIZED", "Invalid credentials")
    answer = _over_quota(world, store)
    if answer is not None:
        return answer
    path = request.path[len(MOUNT) :]
    if path == store.ping:
        return json_answer(200, {"status": "pong"})
    if request.method in _methods_at(store, path):
        return _push(world, request, store, tampering)
    if request.method == "GET" and store.readable:
        return _read(world, request, store)
    answer = error(405, "METHOD_NOT_ALLOWED", f"{request.method[:20]} is not allowed here")
    allowed = [*(["GET"] if store.readable else []), *_methods_at(store, path)]
    answer.headers.append((b"allow", ", ".join(allowed).encode()))
    return answer


def _methods_at(store: PasonsStore, path: str) -> list[str]:
    """By which methods something can be pushed there."""
    found = [store.method] if path == store.path else []
    if store.full is not None and path == store.full.path and store.full.method not in found:
        found.append(store.full.method)
    return found


def _authorized(request: Request, store: PasonsStore) -> bool:
    if store.api_secret and not _same(request.header(store.secret_header), store.api_secret):
        return False
    if store.scheme == "none":
        return True
    if store.scheme == "bearer":
        given, wanted = request.header("authorization"), f"Bearer {store.api_key}"
    elif store.scheme == "basic":
        pair = f"{store.username}:{store.api_key}".encode()
        given = request.header("authorization")
        wanted = f"Basic {base64.b64encode(pair).decode()}"
    else:
        given, wanted = request.header(store.header), store.prefix + store.api_key
    return _same(given, wanted)


def _same(given: str, wanted: str) -> bool:
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
        check_head(request, store)
        document = read_json(request.body)
        full = is_full(request, document, store)
        rows = items_in(document, store, full)
        parsed = read_items(rows, store)
    except Malformed as fault:
        return error(400, "MALFORMED", str(fault))
    except TooMany:
        return error(413, "PAYLOAD_TOO_LARGE", f"At most {store.max_items} items")
    if store.closed is not None:
        words = {"code": "STORE_CLOSED", "message": "The store is closed"}
        return json_answer(store.closed, {"success": False, "error": words}, 0, len(parsed))
    if not parsed and store.empty_status is not None:
        return error(store.empty_status, "EMPTY", "Nothing was sent")
    refused, applied = _store(world, request, store, parsed, tampering)
    if store.full_push == "replace" and (full or store.full is None):
        kept = {sku for sku, _, _ in parsed}
        shown = world.shown.get((PASONS, store.store_id), {})
        world.forget(PASONS, store.store_id, [sku for sku in shown if sku not in kept])
    return told(store, [sku for sku, _, _ in parsed], refused, applied)


def _refusal(store: PasonsStore, index: int, item: Item, tampering: Tampering) -> Refusal | None:
    """Why one item is not taken, None if it is."""
    sku, price, _ = item
    if tampering is not UNTOUCHED:
        injected = tampering.error_for(index, sku)
        if injected is not None:
            if isinstance(injected, dict):
                return Refusal(injected)
            return Refusal({"code": str(injected), "message": str(injected)})
    if store.skus is not None and sku not in store.skus:
        return Refusal({"code": "UNKNOWN_SKU", "message": "This SKU is not listed at the store"})
    if price <= 0:
        return Refusal({"code": "INVALID_PRICE", "message": "The price must be above zero"})
    if sku in store.busy:
        words = {"code": "TEMPORARILY_UNAVAILABLE", "message": "This SKU is locked for now"}
        return Refusal(words, passing=True)
    return None


def _store(
    world: World,
    request: Request,
    store: PasonsStore,
    parsed: list[Item],
    tampering: Tampering,
) -> tuple[dict[int, Refusal], int]:
    """Apply what can be applied: the refused items by index, and how many were written."""
    moment, number, currency = world.now(), request.number, store.currency
    refused: dict[int, Refusal] = {}
    writes: list[tuple[str, Shown]] = []
    known, touched = store.skus, tampering is not UNTOUCHED or bool(store.busy)
    for index, item in enumerate(parsed):
        sku, price, stock = item
        if not touched and price > 0 and (known is None or sku in known):
            writes.append((sku, Shown(price, currency, "", stock, moment, number)))
            continue
        refusal = _refusal(store, index, item, tampering)
        if refusal is not None:
            refused[index] = refusal
        elif not tampering.drops(sku):
            price = tampering.damaged(price)
            writes.append((sku, Shown(price, currency, "", stock, moment, number)))
    if refused and store.answer.atomic is not None:
        return refused, 0
    world.show_all(PASONS, store.store_id, writes)
    return refused, len(writes)


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
        return exact_text(price, store.currency)
    if store.price_type == "minor_units":
        return int(price.scaleb(store.decimals))
    return price


def _written_stock(stock: Any, store: PasonsStore) -> Any:
    if store.stock_type == "bool":
        return bool(stock)
    if store.stock_type == "enum":
        return next((word for word, value in store.stock_words.items() if value == stock), None)
    return stock
