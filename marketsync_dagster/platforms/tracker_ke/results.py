"""What Tracker KE's answers say about each item that was sent (contract sections 2.3 to 2.6).

Pure: documents in, results out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from marketsync_dagster.platforms.base import ItemResult, PriceItem, ProductItem
from marketsync_dagster.platforms.bodies import lookup
from marketsync_dagster.values.outcomes import Outcome

Clean = Callable[[str], str]

_DONE = frozenset({"updated", "created", "unchanged", "success"})
_PASSING = frozenset({"internal error"})
"""The only item error that may go away by itself."""
_APPLIED = ItemResult(Outcome.APPLIED)
_MISSING = ItemResult(Outcome.UNKNOWN, "the answer has no result for this item")


def failed_whole(document: Any) -> Outcome | None:
    """What a 2xx means that says `success: false`; None if it does not say so."""
    if not isinstance(document, dict):
        return Outcome.UNKNOWN
    if document.get("success") is not False:
        return None
    return {
        "UNAUTHORIZED": Outcome.AUTH_FAILED,
        "RATE_LIMIT_EXCEEDED": Outcome.RETRYABLE,
        "SERVER_ERROR": Outcome.RETRYABLE,
        "SERVICE_UNAVAILABLE": Outcome.RETRYABLE,
    }.get(str(lookup(document, "error.code")), Outcome.REFUSED)


def price_results(document: Any, items: Sequence[PriceItem], clean: Clean) -> list[ItemResult]:
    """One result per item: found by position, then checked by its id.

    An item whose place is empty, or holds another item's id, is unknown.
    """
    entries = lookup(document, "data.results")
    if not isinstance(entries, list):
        return [_MISSING] * len(items)
    whole = len(entries) == len(items)
    found = [
        _price_result(entry, item, whole, clean)
        for entry, item in zip(entries, items, strict=False)
    ]
    return found + [_MISSING] * (len(items) - len(found))


def single_result(document: Any, item: PriceItem, clean: Clean) -> ItemResult:
    """What POST /prices/single says about its item."""
    data = lookup(document, "data")
    if not isinstance(data, dict):
        return _MISSING
    return _price_result({"status": "updated", **data}, item, False, clean)


def _price_result(entry: Any, item: PriceItem, whole: bool, clean: Clean) -> ItemResult:
    if not isinstance(entry, dict):
        return ItemResult(Outcome.UNKNOWN, "the result of this item cannot be read")
    status, product_id = entry.get("status"), entry.get("product_id")
    # the platform writes "unknown" where it found no id: then only the position tells
    anonymous = status == "failed" and product_id in ("unknown", None) and whole
    if product_id != item.platform_id and not anonymous:
        return ItemResult(
            Outcome.UNKNOWN, clean(f"the answer has the result of {product_id} in this place")
        )
    if status == "failed":
        words = entry.get("error")
        message = clean(words if isinstance(words, str) else str(words or "failed"))
        passing = message.strip().lower() in _PASSING
        return ItemResult(Outcome.RETRYABLE if passing else Outcome.REFUSED, message)
    if status not in _DONE:
        return ItemResult(Outcome.UNKNOWN, clean(f"the platform answered {status!r}"))
    return _APPLIED if _same_price(entry.get("price"), item.price) else _other_price(entry, item)


def _same_price(echoed: Any, price: Decimal) -> bool:
    """Whether the price in an answer is the one that was sent; an answer need not have one."""
    if isinstance(echoed, bool) or not isinstance(echoed, (int, Decimal)):
        return True
    return echoed == price


def _other_price(entry: dict[str, Any], item: PriceItem) -> ItemResult:
    return ItemResult(
        Outcome.REFUSED,
        f"the platform took {entry['price']} where {item.price} was sent",
        code="PRICE_DIFFERS",
    )


def product_results(document: Any, items: Sequence[ProductItem], clean: Clean) -> list[ItemResult]:
    """One result per product, with the platform's id, found by our SKU in `mappings`.

    The platform leaves skipped products out. Those are refused where its counts explain every
    absence; where they do not, nobody knows.
    """
    entries = lookup(document, "data.mappings")
    by_sku: dict[str, ItemResult] = {}
    for entry in entries if isinstance(entries, list) else ():
        sku, platform_id = lookup(entry, "external_id"), lookup(entry, "tracker_id")
        if isinstance(sku, str) and isinstance(platform_id, str) and platform_id:
            action = entry.get("action")
            by_sku[sku] = ItemResult(
                Outcome.APPLIED,
                clean(action) if isinstance(action, str) else "",
                platform_id=platform_id,
            )
    absent = sum(item.sku not in by_sku for item in items)
    if absent and lookup(document, "data.skipped") == absent:
        rest = ItemResult(
            Outcome.REFUSED,
            "skipped by the platform: name or category missing, or a write error",
            code="SKIPPED",
        )
    else:
        rest = _MISSING
    return [by_sku.get(item.sku, rest) for item in items]


def catalog_row(product: Any) -> dict[str, str | None] | None:
    """One product of a page as PLATFORM_CATALOG has it; None for what has no id or no name."""
    if not isinstance(product, dict):
        return None
    texts = {name: _text(product.get(name)) for name in ("id", "name", "barcode")}
    if texts["id"] is None or texts["name"] is None:
        return None
    return {
        "platform_id": texts["id"],
        "platform_sku": None,
        "name": texts["name"],
        "barcode": texts["barcode"],
        "brand": _text(product.get("brand")),
        "category": _text(product.get("category")),
    }


def _text(value: Any) -> str | None:
    """Text that a database takes; ids and barcodes may come as numbers."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        return None
    return value.replace("\0", "").strip() or None
