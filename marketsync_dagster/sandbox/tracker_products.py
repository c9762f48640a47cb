"""Tracker KE's catalogue: pages, one product with what every supermarket shows, and sync.

Contract sections 2.3 and 2.6, items 3 to 5. Who may call belongs to `tracker_ke`.
"""

from __future__ import annotations

from typing import Any

from marketsync_dagster.sandbox.accounts import Product, TrackerAccount
from marketsync_dagster.sandbox.shown import TRACKER, iso
from marketsync_dagster.sandbox.tracker_ke import Call, document_of, error
from marketsync_dagster.sandbox.wire import Answer, json_answer
from marketsync_dagster.sandbox.world import World

DEFAULT_LIMIT = 50
MAX_LIMIT = 100


def product_document(product: Product) -> dict[str, Any]:
    """A product as a page lists it."""
    return {
        "id": product.id,
        "name": product.name,
        "category": product.category,
        "brand": product.brand,
        "barcode": product.barcode,
        "unit_size": product.unit_size,
        "image": product.image,
        "attributes": product.attributes,
    }


def _integer(text: str | None, default: int) -> int:
    """What parseInt with a default makes of a parameter: nonsense is the default."""
    digits = (text or "").strip()[:12]
    sign, digits = (-1, digits[1:]) if digits.startswith("-") else (1, digits)
    length = 0
    while length < len(digits) and digits[length] in "0123456789":
        length += 1
    return sign * int(digits[:length]) if length else default


def _visible(product: Product, account: TrackerAccount) -> bool:
    # a demo key sees demo products only, and a live key the others
    return product.demo == account.demo


def _found(product: Product, words: str) -> bool:
    texts = (product.name, product.category, product.brand, product.barcode)
    return any(words in text.lower() for text in texts if text)


def page(call: Call) -> Answer:
    """GET /products: filtered and cut in memory, in no order but the catalogue's own."""
    parameters = call.request.parameters()
    limit = max(
        1, min(_integer(parameters.get("limit"), DEFAULT_LIMIT) or DEFAULT_LIMIT, MAX_LIMIT)
    )
    offset = max(0, _integer(parameters.get("offset"), 0))
    category, search = parameters.get("category"), parameters.get("search", "").lower()
    products = [p for p in call.world.catalog.values() if _visible(p, call.account)]
    if category:
        products = [p for p in products if p.category == category]
    if search:
        products = [p for p in products if _found(p, search)]
    first = max(0, offset - limit) if call.tampering.repeat_page else offset
    listed = [product_document(product) for product in products[first : first + limit]]
    pagination = {
        "total": len(products),
        "limit": limit,
        "offset": offset,
        "has_more": offset + limit < len(products),
    }
    data = {"products": listed, "pagination": pagination}
    return json_answer(200, {"success": True, "data": data}, 0, len(listed))


def _current_prices(world: World, product_id: str) -> dict[str, dict[str, Any]]:
    prices: dict[str, dict[str, Any]] = {}
    for (channel, supermarket), items in world.shown.items():
        shown = items.get(product_id) if channel == TRACKER else None
        if shown is not None:
            prices[supermarket] = {
                "price": shown.price,
                "currency": shown.currency,
                "location": shown.location,
                "stock_status": shown.stock_status,
                "updated_at": iso(shown.updated_at),
            }
    return prices


def one(call: Call) -> Answer:
    """GET /products/{id}, with the price that each supermarket shows."""
    product = call.world.catalog.get(call.path.removeprefix("/products/"))
    if product is None or not _visible(product, call.account):
        return error(404, "NOT_FOUND", "Product not found")
    prices = _current_prices(call.world, product.id)
    values = [entry["price"] for entry in prices.values() if entry["price"] > 0]
    price_range = None
    if values:
        price_range = {
            "min": min(values),
            "max": max(values),
            "average": sum(values) / len(values),
        }
    data = {
        "id": product.id,
        "name": product.name,
        "category": product.category,
        "brand": product.brand,
        "barcode": product.barcode,
        "current_prices": prices,
        "price_range": price_range,
    }
    return json_answer(200, {"success": True, "data": data}, 0, 1)


def sync(call: Call) -> Answer:
    """POST /products/sync: matched by barcode only.

    A product without a barcode is created again each time; one without a name or a category is
    counted as skipped and leaves no mapping. There is no limit of items.
    """
    document = document_of(call)
    if isinstance(document, Answer):
        return document
    products = document.get("products")
    if not isinstance(products, list) or not products:
        return error(400, "INVALID_REQUEST", "products must be a non-empty array")
    counts = {"created": 0, "updated": 0, "skipped": 0}
    mappings: list[dict[str, Any]] = []
    for position, item in enumerate(products):
        fields: dict[str, Any] = item if isinstance(item, dict) else {}
        action, product_id = _sync_one(call, position, fields)
        counts[action] += 1
        if product_id is not None:
            mapping = {"external_id": fields.get("external_id"), "tracker_id": product_id}
            mappings.append({**mapping, "action": action})
    applied = counts["created"] + counts["updated"]
    data = {**counts, "mappings": mappings}
    return json_answer(200, {"success": True, "data": data}, applied, len(products))


def _text(fields: dict[str, Any], name: str) -> str | None:
    value = fields.get(name)
    return value if isinstance(value, str) and value else None


def _sync_one(call: Call, position: int, fields: dict[str, Any]) -> tuple[str, str | None]:
    world = call.world
    name, category, barcode = (_text(fields, key) for key in ("name", "category", "barcode"))
    external_id = str(fields.get("external_id"))
    if not name or not category or call.tampering.error_for(position, external_id) is not None:
        return "skipped", None
    known = world.by_barcode.get(barcode) if barcode else None
    product_id = known or world.new_product_id()
    if not call.tampering.drops(external_id):
        attributes = fields.get("attributes")
        old = world.catalog.get(product_id)
        product = Product(
            id=product_id,
            name=name,
            category=category,
            brand=_text(fields, "brand"),
            barcode=barcode,
            unit_size=_text(fields, "unit_size"),
            image=_text(fields, "image_url"),
            attributes=attributes if isinstance(attributes, dict) else {},
            demo=old.demo if old is not None else call.account.demo,
        )
        world.put_product(product)
    return ("updated" if known else "created"), product_id
