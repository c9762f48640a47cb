"""What a push to a Pasons store must look like: head, envelope, rows.

Whatever is not as the store wants it is `Malformed`, which names it. Who may push, and what becomes
of the items, is `pasons`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from marketsync_dagster.sandbox.pasons_store import MOUNT, PasonsStore
from marketsync_dagster.sandbox.prices import LARGEST, as_price
from marketsync_dagster.sandbox.wire import Malformed, Request, exact_number, read_json


def check_head(request: Request, store: PasonsStore) -> None:
    """Malformed unless headers, query and the store's id are as the store wants them."""
    sent = request.parameters()
    for name, value in store.headers.items():
        if request.header(name) != value:
            raise Malformed(f"the header {name} must be {value}")
    for name, value in store.query.items():
        if sent.get(name) != value:
            raise Malformed(f"the parameter {name} must be {value}")
    if store.store_in in ("header", "query") and not names_store(request, store):
        raise Malformed(f"the {store.store_in} must carry the store's id as {store.store_name}")
    if not store.strict:
        return
    kind = request.header("content-type").partition(";")[0].strip().lower()
    if "content-type" not in store.headers and kind != "application/json":
        raise Malformed("the content type must be application/json")
    known = {*store.query, *(store.full.query if store.full is not None else ())}
    if store.store_in == "query":
        known.add(store.store_name)
    unknown = sorted(set(sent) - known)
    if unknown:
        raise Malformed(f"the parameter {unknown[0]} is not known")


def names_store(request: Request, store: PasonsStore) -> bool:
    """Whether a request carries the id of this store, in its place."""
    if store.store_in == "header":
        return request.header(store.store_name.lower()) == store.store_id
    if store.store_in == "query":
        return request.parameters().get(store.store_name) == store.store_id
    if store.store_in == "path":
        return True
    try:
        document = read_json(request.body)
    except Malformed:
        return False
    if store.store_in == "row":
        rows = _at(document, store.envelope) if store.envelope else document
        document = rows[0] if isinstance(rows, list) and rows else None
    return _at(document, store.store_name) == store.store_id


def is_full(request: Request, document: Any, store: PasonsStore) -> bool:
    """Whether a request carries every mark of a full push; Malformed for some of them."""
    marks = store.full
    if marks is None:
        return False
    sent = request.parameters()
    found = [
        (request.method, request.path[len(MOUNT) :]) == (marks.method, marks.path),
        *(request.header(name) == value for name, value in marks.headers.items()),
        *(sent.get(name) == value for name, value in marks.query.items()),
        *(_at(document, name) == value for name, value in marks.constants.items()),
    ]
    if any(found[1:]) and not all(found):
        raise Malformed("some of the marks of a full push are missing")
    return all(found)


def _at(document: Any, place: str) -> Any:
    for name in place.split("."):
        document = document.get(name) if isinstance(document, dict) else None
    return document


def _flat(document: dict[str, Any], before: str = "") -> dict[str, Any]:
    """The leaves of nested objects, by their names joined by dots."""
    leaves: dict[str, Any] = {}
    for name, value in document.items():
        if isinstance(value, dict):
            leaves |= _flat(value, f"{before}{name}.")
        else:
            leaves[before + name] = value
    return leaves


class TooMany(Exception):
    """More items than a store takes at once."""


def items_in(document: Any, store: PasonsStore, full: bool) -> list[Any]:
    """The rows of a push, not looked at yet; Malformed, or TooMany."""
    if store.envelope is not None:
        _check_beside(document, store, full)
        document = _at(document, store.envelope)
    if not isinstance(document, list):
        raise Malformed("an array of items was expected")
    if len(document) > store.max_items:
        raise TooMany
    return document


def _check_beside(document: Any, store: PasonsStore, full: bool) -> None:
    """Malformed unless what stands beside the envelope is as the store wants it."""
    leaves = _flat(document) if isinstance(document, dict) else {}
    marks = store.full.constants if full and store.full is not None else {}
    wanted = {**store.constants, **marks}
    if store.store_in == "body":
        wanted[store.store_name] = store.store_id
    for name, value in wanted.items():
        if name not in leaves or leaves[name] != value:
            raise Malformed(f"{name} must be {value!r}")
    unknown = sorted(set(leaves) - {*wanted, store.envelope})
    if store.strict and unknown:
        raise Malformed(f"{unknown[0]} is not known")


Item = tuple[str, Decimal, int]
"""SKU, price and stock (2 limited, 1 in, 0 out)."""


def read_items(items: list[Any], store: PasonsStore) -> list[Item]:
    """The items of a push; Malformed refuses the whole batch, and names the first culprit."""
    names = store.fields
    sku_name, price_name, stock_name = (names[n] for n in ("sku", "selling_price", "stock_status"))
    price_type = store.price_type
    strict = store.strict
    plain_price, plain_stock = price_type == "number" and not strict, store.stock_type == "int01"
    more = _more_in_rows(store)
    parsed: list[Item] = []
    for index, item in enumerate(items):
        if not isinstance(item, dict):
            raise Malformed(f"item {index}: an object was expected")
        if store.nested:
            item = _flat(item)
        sku = item.get(sku_name)
        if not isinstance(sku, str) or not sku:
            raise Malformed(f"item {index}: {sku_name} must be a text")
        price = item.get(price_name)
        # the usual case first: half a million of these are read in a benchmark
        if not (plain_price and type(price) is Decimal and -LARGEST < price < LARGEST):
            price = _read_price(price, store)
        if price is None:
            raise Malformed(f"item {index}: {price_name} must be a {price_type}")
        stock = item.get(stock_name)
        if not (plain_stock and type(stock) is int and 0 <= stock <= 1):
            stock = _read_stock(stock, store)
        if stock is None:
            raise Malformed(f"item {index}: {stock_name} must be {store.stock_type}")
        for name, value in more.items():
            if name not in item or item[name] != value:
                raise Malformed(f"item {index}: {name} must be {value!r}")
        if strict and len(item) != 3 + len(more):
            unknown = sorted(set(item) - {sku_name, price_name, stock_name, *more})
            raise Malformed(f"item {index}: {unknown[0]} is not known")
        parsed.append((sku, price, stock))
    return parsed


def _more_in_rows(store: PasonsStore) -> dict[str, Any]:
    """What else every row must carry."""
    more = dict(store.row_constants)
    if store.store_in == "row":
        more[store.store_name] = store.store_id
    if "currency" in store.fields:
        more[store.fields["currency"]] = store.currency
    return more


def _read_price(value: Any, store: PasonsStore) -> Decimal | None:
    price_type, decimals = store.price_type, store.decimals
    if price_type == "minor_units":
        price = as_price(value) if type(value) is int else None
        return None if price is None else price.scaleb(-decimals)
    if price_type == "number":
        price = as_price(value)
        if price is not None and store.strict and price != round(price, decimals):
            raise Malformed(f"{price} has more than {decimals} decimals")
        return price
    # digits and at most one point: Decimal alone would take "1e5", " 7 " and "NaN"
    if not isinstance(value, str) or len(value) > 30 or not value.isascii():
        return None
    if not value.removeprefix("-").replace(".", "", 1).isdigit():
        return None
    places = len(value.partition(".")[2])
    if store.strict and places != decimals:
        raise Malformed(f"{value} must have {decimals} decimals")
    try:
        return as_price(exact_number(value))
    except ArithmeticError:
        return None


def _read_stock(value: Any, store: PasonsStore) -> int | None:
    if store.stock_type == "bool":
        return int(value) if isinstance(value, bool) else None
    if store.stock_type == "enum":
        if type(value) is not (int if store.enum_numbers else str):
            return None
        return store.stock_words.get(str(value))
    return value if type(value) is int and value in (0, 1) else None
