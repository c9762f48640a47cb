"""Mirakl shops for the sandbox, as the accounts of the configuration expect them, and the products
that the marketplace knows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from marketsync_dagster.config.settings import MiraklAccount, Settings

SHOP_ID = 2041
"""Of an account that does not say which shop it is."""
PROCESSING_S = 0.3
"""How long the sandbox works on an import: much less than Mirakl does."""
CALLS = {
    "OF24": "offers",
    "OF02": "offers_status",
    "OF04": "offers_status",
    "OF03": "offers_report",
    "PRI01": "prices",
    "PRI02": "prices_status",
    "PRI03": "prices_report",
    "STO01": "stock",
    "STO02": "stock_status",
    "STO03": "stock_report",
    "OR11": "orders",
}
"""Mirakl's name of a call -> the family in `calls` that paces it."""


def mirakl_shop(
    name: str, account: MiraklAccount, settings: Settings, fakes: Mapping[str, str]
) -> dict[str, Any]:
    """The seed of an account's shop: as fast, and as strict, as the account says it is."""
    outlets = [channel.outlet for channel in settings.channels if channel.account == name]
    outlet = outlets[0] if outlets else next(iter(settings.outlets))
    intervals = account.calls.intervals()
    return {
        "api_key": fakes[str(account.api_key)],
        "shop_id": account.shop_id or SHOP_ID,
        "name": name,
        "currency": settings.currency_of(outlet),
        "processing_s": PROCESSING_S,
        "intervals": {call: intervals[family] or None for call, family in CALLS.items()},
        "price_import": account.price_import,
        "stock_import": account.stock_import,
        "max_offers": account.batch,
        "debit_delay_s": 0,
        "partial_acceptance": account.partial_acceptance,
        "multi_shipment": account.several_parcels,
    }


def mirakl_products(
    settings: Settings,
    rows: Callable[[str], Iterable[tuple[Any, ...]]],
    is_new: Callable[[str], bool],
) -> list[dict[str, Any]]:
    """What the marketplace knows: the products of the outlets' extracts, by barcode.

    `rows` gives (sku, name, barcode, brand, category, size) of an outlet; those that are new to
    the platform (`is_new` of the barcode) it does not know.
    """
    found: dict[str, dict[str, Any]] = {}
    for outlet, channel in settings.channels_of("mirakl").items():
        codes = _codes(settings, channel.account)
        for _, name, barcode, brand, category, _ in rows(outlet):
            if barcode in found or is_new(barcode):
                continue
            found[barcode] = ({"brand": brand} if brand else {}) | {
                "sku": f"BB{barcode[-10:]}",
                "title": name or barcode,
                "category_code": codes(category) or category or "OTHER",
                "category_label": category or "Other",
                "references": [{"type": "EAN", "value": barcode}],
            }
    return list(found.values())


def _codes(settings: Settings, account: str) -> Callable[[str | None], str | None]:
    """Our category -> the marketplace's code for it, by the account's file."""
    from marketsync_dagster.catalog.categories import read_categories

    said = settings.accounts[account]
    file = said.categories if isinstance(said, MiraklAccount) else None
    if file is None or not (settings.root / file).exists():
        return lambda _: None
    known = read_categories(settings.root / file)

    def code(category: str | None) -> str | None:
        row = known.of(category)
        return None if row is None else row.code

    return code
