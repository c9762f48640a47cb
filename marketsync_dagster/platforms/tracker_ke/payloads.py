"""What is written to Tracker KE: the bytes of prices and products (contract section 2.3).

Pure. What comes back is `results`; how it travels is `adapter`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from marketsync_dagster.platforms.amounts import exact_text
from marketsync_dagster.platforms.base import PriceItem, ProductItem
from marketsync_dagster.platforms.batching import LONGEST_ESCAPE

BATCH_FRAME = len(b'{"products":[]}')
_ROW_FRAME = 160
"""More than all names, signs and fixed words of a row without its texts and its price."""
_PRICE = 32


def price_row(item: PriceItem, location: str | None) -> dict[str, Any]:
    """One item as the platform takes it; the price keeps its digits, `60.00`."""
    row: dict[str, Any] = {
        "product_id": item.platform_id,
        "price": orjson.Fragment(exact_text(item.price, item.currency)),
        "currency": item.currency,
    }
    if location:
        row["location"] = location
    row["stock_status"] = item.stock_status.value
    if item.promotion:
        row["metadata"] = {"promotion": True}
    return row


def single_body(item: PriceItem, location: str | None) -> bytes:
    """The body of POST /prices/single."""
    return orjson.dumps(price_row(item, location))


def batch_body(items: Sequence[PriceItem], location: str | None) -> bytes:
    """The body of POST /prices/batch, in the order given."""
    return orjson.dumps({"prices": [price_row(item, location) for item in items]})


def price_sizes(items: Sequence[PriceItem], location: str | None) -> list[int]:
    """Bytes of each item in a batch, its comma included."""
    return [len(single_body(item, location)) + 1 for item in items]


def longest_price(items: Sequence[PriceItem], location: str | None) -> int:
    """A bound for the bytes of any item, found without writing it."""
    longest_id = max([len(item.platform_id) for item in items], default=0)
    return _ROW_FRAME + _PRICE + LONGEST_ESCAPE * (longest_id + len(location or ""))


def product_row(item: ProductItem) -> dict[str, Any]:
    """One product as the platform takes it, without what we do not know."""
    row: dict[str, Any] = {
        "external_id": item.sku,
        "name": item.name,
        "category": item.category,
        "barcode": item.barcode,
    }
    if item.brand:
        row["brand"] = item.brand
    if item.size:
        row["unit_size"] = item.size
    return row


def products_body(items: Sequence[ProductItem]) -> bytes:
    """The body of POST /products/sync."""
    return orjson.dumps({"products": [product_row(item) for item in items]})


def product_sizes(items: Sequence[ProductItem]) -> list[int]:
    """Bytes of each product, its comma included."""
    return [len(orjson.dumps(product_row(item))) + 1 for item in items]
