"""Reads a whole seed, before any of it is taken. What each entry may say is in `accounts`.

Mirakl's section is read by `mirakl_kept`, Qikink's by `qikink_part`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from marketsync_dagster.sandbox.accounts import (
    Product,
    SeedError,
    TrackerAccount,
    account_from,
    product_from,
)
from marketsync_dagster.sandbox.parts import CHANNELS
from marketsync_dagster.sandbox.pasons_store import PasonsStore, store_from
from marketsync_dagster.sandbox.prices import as_price
from marketsync_dagster.sandbox.shown import MIRAKL, PASONS, TRACKER, Shown
from marketsync_dagster.sandbox.wire import exact_number

Seed = tuple[
    list[TrackerAccount],
    list[tuple[Product, dict[str, Shown]]],
    list[tuple[PasonsStore, dict[str, Shown]]],
]


def read_seed(
    document: Any,
    accounts: dict[str, TrackerAccount],
    stores: dict[str, PasonsStore],
    now: float,
) -> Seed:
    """Accounts, products and stores of a seed, merged with those that are known already.

    Products and stores come with the prices that they are to show, since `now`.
    """
    sections = _section(document, "", CHANNELS)
    mirakl = sections.get(MIRAKL, {})
    _section(mirakl, MIRAKL, ("shops", "products", "offers", "orders"))
    tracker = _section(sections.get(TRACKER, {}), TRACKER, ("accounts", "products"))
    pasons = _section(sections.get(PASONS, {}), PASONS, ("stores",))
    new_accounts: list[TrackerAccount] = []
    for place, entry in _entries(tracker, "accounts", "tracker_ke.accounts"):
        known = accounts.get(_key(entry, "api_key"))
        new_accounts.append(account_from(_merged(known, entry), place))
    products: list[tuple[Product, dict[str, Shown]]] = []
    for place, entry in _entries(tracker, "products", "tracker_ke.products"):
        product, prices = product_from(entry, place)
        shown = {k: _seeded(v, "KES", "in_stock", now, place) for k, v in prices.items()}
        products.append((product, shown))
    new_stores: list[tuple[PasonsStore, dict[str, Shown]]] = []
    for place, entry in _entries(pasons, "stores", "pasons.stores"):
        known = stores.get(_key(entry, "store_id"))
        store, listings = store_from(_merged(known, entry), place)
        store.document.pop("shown", None)
        shown = {k: _seeded(v, store.currency, 1, now, place) for k, v in listings.items()}
        new_stores.append((store, shown))
    return new_accounts, products, new_stores


def _seeded(value: Any, currency: str, stock: Any, now: float, place: str) -> Shown:
    entry = value if isinstance(value, dict) else {"price": value}
    try:
        price = as_price(exact_number(str(entry.get("price"))))
    except ArithmeticError:
        price = None
    if price is None:
        raise SeedError(f"{place}: {str(entry.get('price'))[:40]!r} is no price to show")
    return Shown(
        price,
        str(entry.get("currency") or currency),
        str(entry.get("location") or ""),
        entry.get("stock_status", stock),
        now,
        0,
    )


def _section(document: Any, place: str, names: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise SeedError(f"{place or 'the seed'}: an object was expected")
    unknown = sorted(str(name) for name in set(document) - set(names))
    if unknown:
        raise SeedError(f"{place or 'the seed'}: unknown key {unknown[0]!r}")
    return document


def _entries(section: dict[str, Any], name: str, place: str) -> Iterator[tuple[str, Any]]:
    entries = section.get(name, [])
    if not isinstance(entries, list):
        raise SeedError(f"{place}: a list was expected")
    for index, entry in enumerate(entries):
        yield f"{place}[{index}]", entry


def _key(entry: Any, name: str) -> str:
    return str(entry.get(name)) if isinstance(entry, dict) else ""


def _merged(known: TrackerAccount | PasonsStore | None, entry: Any) -> Any:
    if known is None or not isinstance(entry, dict):
        return entry
    return {**known.document, **entry}
