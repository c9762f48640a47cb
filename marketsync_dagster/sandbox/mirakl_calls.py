"""The calls of Mirakl's API that are about offers: what each takes, what it shows, the routes.

Named by Mirakl's own codes; what is told of imports is in `mirakl_asked`. Orders are none of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from marketsync_dagster.sandbox import mirakl_asked, mirakl_files, mirakl_imports, mirakl_reads
from marketsync_dagster.sandbox.mirakl_asked import report_of
from marketsync_dagster.sandbox.mirakl_fields import BadField, Offer, read_fields, read_number
from marketsync_dagster.sandbox.mirakl_pages import DEFAULT, INT64, MOST, link_header, own_url
from marketsync_dagster.sandbox.mirakl_prices import prices_of
from marketsync_dagster.sandbox.mirakl_requests import MOUNT, Call, Refused
from marketsync_dagster.sandbox.wire import Answer, Malformed, json_answer, read_json

UPDATE_DELETE = ("", "update", "delete")
REQUIRED = ("shop_sku", "product_id", "product_id_type", "price", "state_code", "update_delete")
OWN_REFERENCES = ("SKU", "SHOP_SKU")
"""Kinds of reference that P31 does not take."""

MAX_PRODUCTS = 100


# --- imports come in


def take_offers(call: Call) -> Answer:
    """OF24: offers as JSON, each to be replaced whole."""
    kind = call.request.header("content-type").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refused(415, "UNSUPPORTED_MEDIA_TYPE", "Content-Type must be application/json")
    try:
        document = read_json(call.request.body)
    except Malformed as fault:
        raise Refused(400, "BAD_REQUEST", f"The JSON cannot be read: {fault}") from fault
    offers = document.get("offers") if isinstance(document, dict) else None
    if not isinstance(offers, list) or not offers:
        raise Refused(400, "VALIDATION_ERROR", "offers: must not be empty")
    most = call.shop.max_offers
    if most is not None and len(offers) > most:
        raise Refused(400, "VALIDATION_ERROR", f"offers: size must be between 1 and {most}")
    try:
        for index, offer in enumerate(offers):
            _check_form(offer, f"offers[{index}]")
    except BadField as fault:
        raise Refused(400, "VALIDATION_ERROR", str(fault)) from fault
    return _received(call, call.request.body, len(offers), "/offers/imports/{}")


def _check_form(offer: Any, place: str) -> None:
    if not isinstance(offer, dict):
        raise BadField(f"{place}: an object was expected")
    for name in REQUIRED:
        value = offer.get(name)
        if value is None or (value == "" and name != "update_delete"):
            raise BadField(f"{place}.{name}: must not be null")
        if name != "price" and not isinstance(value, str):
            raise BadField(f"{place}.{name}: a text was expected")
    if offer["update_delete"] not in UPDATE_DELETE:
        raise BadField(f"{place}.update_delete: must be empty, update or delete")
    read_number(offer["price"], f"{place}.price")
    read_fields(offer, place)


def take_prices(call: Call) -> Answer:
    """PRI01: a file of prices; all that an offer costs is replaced."""
    if not call.shop.price_import:
        raise Refused(call.shop.off_status, "FORBIDDEN", "Price imports are not enabled")
    return _received(call, _file(call), 0, "/offers/pricing/imports?import_id={}")


def take_stock(call: Call) -> Answer:
    """STO01: a file of quantities."""
    if not call.shop.stock_import:
        raise Refused(call.shop.off_status, "FORBIDDEN", "Stock imports are not enabled")
    return _received(call, _file(call), 0, "/offers/stock/imports/{}/status")


def _file(call: Call) -> bytes:
    try:
        return mirakl_files.file_of(call.request.header("content-type"), call.request.body)
    except mirakl_files.NoFile as fault:
        raise Refused(400, "BAD_REQUEST", str(fault)) from fault


def _received(call: Call, content: bytes, items: int, where: str) -> Answer:
    found = mirakl_imports.receive(
        call.world, call.shop, call.code, content, call.request.number, call.tampering
    )
    if not items:
        items = max(0, len(content.splitlines()) - 1)
    shown: Any = int(found.import_id) if call.code == "OF24" else found.import_id
    answer = json_answer(201, {"import_id": shown}, 0, items)
    location = own_url(call.request, MOUNT + where.format(found.import_id))
    answer.headers.append((b"location", location.encode("latin-1")))
    return answer


# --- what is there


def list_offers(call: Call) -> Answer:
    """OF21: sorted by what they cost now, unless told otherwise; by offset."""
    query, shop, state = call.query, call.shop, call.world.mirakl
    size = query.whole("max", DEFAULT, MOST, 1)
    offset = query.whole("offset", 0, INT64)
    sort = query.choice("sort", ("totalPrice", "price", "productTitle"), "totalPrice")
    falling = query.choice("order", ("asc", "desc"), "asc") == "desc"
    favorite = query.choice("favorite", ("true", "false"), "false") == "true"
    sku, product, now = query.one("sku"), query.one("product_id"), call.world.now()
    codes = [code for text in query.all("offer_state_codes") for code in text.split(",")]
    if sku is not None:
        known = state.offers[shop.shop_id].get(sku)
        wanted = [known] if known is not None else []
    else:
        wanted = _sorted(call, str(sort), falling, now)
    if product is not None:
        wanted = [offer for offer in wanted if offer.product_sku == product]
    if codes or favorite:
        wanted = [o for o in wanted if o.value("state_code") in codes and not favorite]
    first = max(0, offset - size) if call.tampering.repeat_page else offset
    page = wanted[first : first + size]
    document = {
        "offers": [mirakl_reads.offer_document(state, shop, offer, now) for offer in page],
        "total_count": len(wanted),
    }
    answer = json_answer(200, document, 0, len(page))
    links = link_header(call.request, query, offset, size, len(wanted))
    if links is not None:
        answer.headers.append((b"link", links))
    return answer


def _sorted(call: Call, sort: str, falling: bool, now: float) -> list[Offer]:
    """All offers of a shop in order; kept for the next page while nothing changes."""
    state, shop_id = call.world.mirakl, call.shop.shop_id
    # discounts begin and end without a change
    made_of = (sort, falling, state.changes[shop_id], int(now))
    kept = state.sorted.get(shop_id)
    if kept is not None and kept[0] == made_of:
        return kept[1]

    def place(offer: Offer) -> tuple[Any, ...]:
        price = prices_of(offer, now).now
        if sort == "productTitle":
            product = state.products.get(offer.product_sku)
            return (product.title if product is not None else "", price, offer.offer_id)
        return (price, offer.offer_id)

    ordered = sorted(state.offers[shop_id].values(), key=place, reverse=falling)
    state.sorted[shop_id] = (made_of, ordered)
    return ordered


def list_products(call: Call) -> Answer:
    """P31: one row for each reference that is known; no more than 100 products, told by nothing."""
    text, state = call.query.one("product_references"), call.world.mirakl
    if text is None:
        raise Refused(400, "VALIDATION_ERROR", "product_references: must not be null")
    rows: set[tuple[str, str, str]] = set()
    for part in filter(None, text.split(",")):
        kind, bar, value = part.partition("|")
        if not bar or not kind or not value or kind in OWN_REFERENCES:
            raise Refused(400, "BAD_REQUEST", f"product_references: {part[:60]} is not valid")
        sku = state.by_reference.get((kind, value))
        if sku is not None:
            rows.add((sku, kind, value))
    some = set(sorted({sku for sku, _, _ in rows})[:MAX_PRODUCTS])
    found = [
        {
            "category_code": state.products[sku].category_code,
            "category_label": state.products[sku].category_label,
            "product_id": value,
            "product_id_type": kind,
            "product_sku": sku,
            "product_title": state.products[sku].title,
        }
        for sku, kind, value in sorted(rows)
        if sku in some
    ]
    return json_answer(200, {"products": found, "total_count": len(found)}, 0, len(found))


def account(call: Call) -> Answer:
    """A01."""
    document = mirakl_reads.account_document(call.world.mirakl, call.shop, call.world.now())
    return json_answer(200, document)


def version(_: Call) -> Answer:
    """V01: only the status counts."""
    return json_answer(200, {"version": "3.0"})


def states(call: Call) -> Answer:
    """OF61; every condition that the sandbox has is active."""
    if call.query.choice("active", ("true", "false"), "true") == "false":
        return json_answer(200, {"offer_states": [], "total_count": 0})
    return json_answer(200, mirakl_reads.states_document(call.shop))


def reasons(_: Call) -> Answer:
    """RE01."""
    return json_answer(200, mirakl_reads.reasons_document())


def carriers(_: Call) -> Answer:
    """SH21."""
    return json_answer(200, mirakl_reads.carriers_document())


_ID = "(?P<import>[^/]+)"
ROUTES: tuple[tuple[str, str, str, Callable[[Call], Answer]], ...] = (
    ("GET", "/version", "V01", version),
    ("GET", "/account", "A01", account),
    ("GET", "/products", "P31", list_products),
    ("GET", "/offers", "OF21", list_offers),
    ("POST", "/offers", "OF24", take_offers),
    ("GET", "/offers/states", "OF61", states),
    ("GET", "/offers/imports", "OF04", mirakl_asked.offer_imports),
    ("GET", f"/offers/imports/{_ID}", "OF02", mirakl_asked.offer_import),
    ("GET", f"/offers/imports/{_ID}/error_report", "OF03", report_of("OF24")),
    ("POST", "/offers/pricing/imports", "PRI01", take_prices),
    ("GET", "/offers/pricing/imports", "PRI02", mirakl_asked.price_imports),
    ("GET", f"/offers/pricing/imports/{_ID}/error_report", "PRI03", report_of("PRI01")),
    ("POST", "/offers/stock/imports", "STO01", take_stock),
    ("GET", f"/offers/stock/imports/{_ID}/status", "STO02", mirakl_asked.stock_import),
    ("GET", f"/offers/stock/imports/{_ID}/error_report", "STO03", report_of("STO01")),
    ("GET", "/reasons", "RE01", reasons),
    ("GET", "/shipping/carriers", "SH21", carriers),
)
"""Method, path below the base URL, Mirakl's code for the call, and what answers it."""
