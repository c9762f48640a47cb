"""Mirakl's part of a seed, of a state file and of a reset, and offers changed behind one's back."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from marketsync_dagster.sandbox.accounts import SeedError
from marketsync_dagster.sandbox.mirakl_fields import FIELDS, BadField, Offer, read_fields
from marketsync_dagster.sandbox.mirakl_prices import BadLine, price_of
from marketsync_dagster.sandbox.mirakl_shops import (
    MarketProduct,
    Shop,
    check_offer,
    market_product_from,
    offer_from,
    shop_from,
)
from marketsync_dagster.sandbox.mirakl_state import Import, Line, MiraklState
from marketsync_dagster.sandbox.tampering import Fate
from marketsync_dagster.sandbox.wire import exact_number

Seed = tuple[list[Shop], list[MarketProduct], list[tuple[int, Offer, dict[str, Any]]]]
KEPT = ("shops", "products", "offers")
CHEAP = Decimal("0.01")


def read_section(section: dict[str, Any], state: MiraklState) -> Seed:
    """The `mirakl` section of a seed, with what is known already; SeedError names the place."""
    shops: dict[int, Shop] = {}
    for place, entry in _entries(section, "shops"):
        known = state.shops.get(entry.get("shop_id", 0)) if isinstance(entry, dict) else None
        shop = shop_from(entry if known is None else {**known.document, **entry}, place)
        shops[shop.shop_id] = shop
    products = [market_product_from(entry, place) for place, entry in _entries(section, "products")]
    skus = {product.sku for product in products}
    offers: list[tuple[int, Offer, dict[str, Any]]] = []
    for place, entry in _entries(section, "offers"):
        shop_id, offer = offer_from(entry, place)
        if shop_id not in shops and shop_id not in state.shops:
            raise SeedError(f"{place}.shop_id: no such shop")
        if offer.product_sku not in skus and offer.product_sku not in state.products:
            raise SeedError(f"{place}.product_sku: no such product")
        try:
            check_offer(shops.get(shop_id) or state.shops[shop_id], offer)
        except BadLine as fault:
            raise SeedError(f"{place}: {fault}") from fault
        offers.append((shop_id, offer, entry))
    return list(shops.values()), products, offers


def _entries(section: dict[str, Any], name: str) -> Iterator[tuple[str, Any]]:
    entries = section.get(name, [])
    if not isinstance(entries, list):
        raise SeedError(f"mirakl.{name}: a list was expected")
    for index, entry in enumerate(entries):
        yield f"mirakl.{name}[{index}]", entry


def take(state: MiraklState, seed: Seed, now: float) -> list[tuple[int, Offer]]:
    """Put a seed into the marketplace; returns the offers that are shown from now on."""
    shops, products, offers = seed
    for shop in shops:
        state.put_shop(shop)
    for product in products:
        state.put_product(product)
    for shop_id, offer, document in offers:
        offer.updated_at = now
        state.put_offer(shop_id, offer)
        state.seeded[(shop_id, offer.shop_sku)] = document
    return [(shop_id, offer) for shop_id, offer, _ in offers]


def seed_document(state: MiraklState) -> dict[str, Any]:
    """The seed that this marketplace began with, merged."""
    return {
        "shops": [shop.document for shop in state.shops.values()],
        "products": [product.document for product in state.products.values()],
        "offers": list(state.seeded.values()),
    }


# --- offers changed by somebody else


def change(state: MiraklState, document: Any, now: float) -> tuple[int, str, Offer | None]:
    """Change or delete (`delete: true`) one offer as the operator or another program would, or make
    one where there is none and a `product_sku` says of what. Returns shop, SKU and the offer, None
    where it is gone. SeedError for what cannot be meant."""
    if not isinstance(document, dict):
        raise SeedError("a change is an object")
    known_names = {"shop_id", "shop_sku", "product_sku", "price", "delete", *FIELDS}
    unknown = sorted(set(document) - known_names)
    if unknown:
        raise SeedError(f"unknown key {unknown[0]!r}")
    shop_id, sku = document.get("shop_id"), document.get("shop_sku")
    if not isinstance(shop_id, int) or shop_id not in state.shops or not isinstance(sku, str):
        raise SeedError("shop_id and shop_sku of a shop were expected")
    known = state.offers[shop_id].get(sku)
    product = document.get("product_sku", known.product_sku if known is not None else None)
    if product is None or product not in state.products:
        raise SeedError(f"there is no offer {sku[:60]!r} of shop {shop_id}")
    if document.get("delete") is True:
        state.drop_offer(shop_id, sku)
        return shop_id, sku, None
    try:
        price = known.price if known is not None else None
        price = price_of(document["price"]) if "price" in document else price
        said = read_fields(document, "change")
        if price is None:
            raise SeedError("a new offer needs a price")
        state_code = {"state_code": known.value("state_code")} if known is not None else {}
        probe = Offer(sku, product, price, {**state_code, **said})
        check_offer(state.shops[shop_id], probe)
        fields = {**(known.fields if known is not None else {}), **probe.fields}
    except (BadField, BadLine) as fault:
        raise SeedError(f"{fault}") from fault
    kept = known.warehouses if known is not None and "quantity" not in document else {}
    offer = Offer(sku, product, price, fields, dict(kept), updated_at=now)
    state.put_offer(shop_id, offer)
    return shop_id, sku, offer


def drift(state: MiraklState, shop_id: int, insert: int, remove: int, now: float) -> None:
    """Let the `remove` cheapest offers vanish, and `insert` cheaper ones come: pages by offset
    move."""
    if shop_id not in state.shops or not state.products:
        return
    cheapest = sorted(state.offers[shop_id].values(), key=lambda offer: offer.price)
    for offer in cheapest[:remove]:
        state.drop_offer(shop_id, offer.shop_sku)
    product = next(iter(state.products))
    for _ in range(min(insert, 10_000)):
        sku = f"DRIFT-{state.last_offer + 1}"
        state.put_offer(shop_id, Offer(sku, product, CHEAP, updated_at=now))


# --- the state file


def dump(state: MiraklState) -> dict[str, Any]:
    """The marketplace for a state file. Calls and their limits are of one life only."""
    return {
        **seed_document(state),
        "now": [
            [shop_id, _offer_document(offer)]
            for shop_id, offers in state.offers.items()
            for offer in offers.values()
        ],
        "imports": [import_document(found, whole=True) for found in state.imports],
        "free": list(state.free.items()),
        "last_import": state.last_import,
        "last_offer": state.last_offer,
    }


def _offer_document(offer: Offer) -> dict[str, Any]:
    # not `asdict`: the file is made between two requests, and this is most of it
    return {
        "shop_sku": offer.shop_sku,
        "product_sku": offer.product_sku,
        "price": str(offer.price),
        "fields": offer.fields,
        "warehouses": offer.warehouses,
        "offer_id": offer.offer_id,
        "updated_at": offer.updated_at,
        "request": offer.request,
    }


def import_document(found: Import, whole: bool) -> dict[str, Any]:
    """An import as the control API shows it; `whole`, with all that a state file needs."""
    document: dict[str, Any] = {
        "number": found.number,
        "import_id": found.import_id,
        "kind": found.kind,
        "shop_id": found.shop_id,
        "created": found.created,
        "ended": found.ended,
        "request": found.request,
        "sha256": found.sha256,
        "status": found.status,
        "reason": found.reason,
        "lines": found.lines,
        "lines_in_success": found.lines_in_success,
        "lines_in_error": found.lines_in_error,
        "offers_in_error": found.offers_in_error,
        "inserted": found.inserted,
        "updated": found.updated,
        "deleted": found.deleted,
        "received": found.received,
        "in_effect": found.in_effect,
    }
    if not whole:
        return {
            **document,
            "errors": [
                {"line": line.number, "sku": line.sku, "message": line.message}
                for line in found.errors
            ],
        }
    content = found.content
    return {
        **document,
        "content": None if content is None else base64.b64encode(content).decode(),
        "fate": {**asdict(found.fate), "stuck_s": _finite(found.fate.stuck_s)},
        "columns": found.columns,
        "errors": [asdict(line) for line in found.errors],
        "report_from": found.report_from,
    }


def _finite(seconds: float | None) -> float | None:
    """For ever as a number that JSON has."""
    return None if seconds is None else min(seconds, 1e12)


def load(state: MiraklState, document: dict[str, Any]) -> None:
    """Put what `dump` gave into an empty marketplace; KeyError, TypeError or ValueError if it was
    not that."""
    take(state, read_section({name: document[name] for name in KEPT}, state), 0.0)
    for offers in state.offers.values():
        offers.clear()
    for shop_id, entry in document["now"]:
        offer = Offer(**{**entry, "price": exact_number(entry["price"])})
        offer.fields = read_fields(offer.fields, "offers")
        offer.updated_at = float(offer.updated_at)
        state.offers[int(shop_id)][offer.shop_sku] = offer
    for entry in document["imports"]:
        rest = {name: value for name, value in entry.items() if name not in ("fate", "errors")}
        content = rest["content"]
        rest["content"] = None if content is None else base64.b64decode(content)
        for name in ("created", "ended", "report_from"):
            rest[name] = None if rest[name] is None else float(rest[name])
        fate = entry["fate"]
        for name in ("stuck_s", "report_s"):
            fate[name] = None if fate[name] is None else float(fate[name])
        errors = [Line(**line) for line in entry["errors"]]
        state.keep(Import(**rest, fate=Fate(**fate), errors=errors))
    state.free = {int(shop_id): float(at) for shop_id, at in document["free"]}
    state.last_import = int(document["last_import"])
    state.last_offer = int(document["last_offer"])
