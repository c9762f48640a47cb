"""What the control API shows of the marketplace on Mirakl, and offers changed through it."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from marketsync_dagster.sandbox import mirakl_kept
from marketsync_dagster.sandbox.accounts import SeedError
from marketsync_dagster.sandbox.mirakl_fields import FIELDS, Offer
from marketsync_dagster.sandbox.prices import exact_text
from marketsync_dagster.sandbox.shown import MIRAKL, iso
from marketsync_dagster.sandbox.world import World


def _asked(world: World, request: Request) -> list[int]:
    """The shops that a control request is about: all, or the one that it names."""
    text = request.query_params.get("shop_id")
    if text is None:
        return list(world.mirakl.shops)
    return [shop_id for shop_id in world.mirakl.shops if str(shop_id) == text]


async def shops(world: World, request: Request) -> Any:
    """Name, settings and counters of each shop, without its keys."""
    state = world.mirakl
    return {
        "shops": {
            str(shop_id): {
                "name": state.shops[shop_id].name,
                "currency": state.shops[shop_id].currency,
                "price_import": state.shops[shop_id].price_import,
                "stock_import": state.shops[shop_id].stock_import,
                "offers": len(state.offers[shop_id]),
                "open_imports": len(state.open.get(shop_id, [])),
                "keys": len(state.shops[shop_id].keys),
            }
            for shop_id in _asked(world, request)
        }
    }


def _offer(offer: Offer, currency: str) -> dict[str, Any]:
    """Every field that OF24 has, and what else is known of an offer."""
    return {
        "offer_id": offer.offer_id,
        "product_sku": offer.product_sku,
        "price": exact_text(offer.price, currency),
        **{name: offer.value(name) for name in FIELDS},
        "warehouses": offer.warehouses,
        "updated_at": iso(offer.updated_at),
        "request": offer.request,
    }


async def offers(world: World, request: Request) -> Any:
    """Shop -> SKU -> the offer."""
    state = world.mirakl
    return {
        "offers": {
            str(shop_id): {
                sku: _offer(offer, state.shops[shop_id].currency)
                for sku, offer in state.offers[shop_id].items()
            }
            for shop_id in _asked(world, request)
        }
    }


async def imports(world: World, request: Request) -> Any:
    """Imports in the order in which they came; filters: shop_id, kind (OF24, PRI01, STO01)."""
    asked, kind = set(_asked(world, request)), request.query_params.get("kind")
    return {
        "imports": [
            mirakl_kept.import_document(found, whole=False)
            for found in world.mirakl.imports
            if found.shop_id in asked and kind in (None, found.kind)
        ]
    }


async def calls(world: World, request: Request) -> Any:
    """Shop -> call -> how often it was served; what was refused, under call and status."""
    counted = world.mirakl.calls
    return {"calls": {str(shop_id): counted.get(shop_id, {}) for shop_id in _asked(world, request)}}


def change_offers(world: World, changes: list[Any]) -> int:
    """Change offers as somebody else would; all that come before a wrong one are changed."""
    for index, document in enumerate(changes):
        try:
            shop_id, sku, offer = mirakl_kept.change(world.mirakl, document, world.now())
        except SeedError as fault:
            raise SeedError(f"changes[{index}]: {fault}") from fault
        if offer is None:
            world.forget(MIRAKL, str(shop_id), [sku])
        else:
            world.show_offer(shop_id, offer)
    return len(changes)
