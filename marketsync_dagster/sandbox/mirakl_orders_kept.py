"""Orders in a seed and in a state file."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson

from marketsync_dagster.sandbox import mirakl_orders_book as orders_book
from marketsync_dagster.sandbox.accounts import SeedError
from marketsync_dagster.sandbox.mirakl_kept import Seed
from marketsync_dagster.sandbox.mirakl_orders_seed import Draft, draft_from
from marketsync_dagster.sandbox.mirakl_orders_state import (
    Order,
    OrderBook,
    OrderLine,
    Shipment,
    Taken,
)
from marketsync_dagster.sandbox.mirakl_state import MiraklState
from marketsync_dagster.sandbox.wire import exact_number, write_json

if TYPE_CHECKING:
    from marketsync_dagster.sandbox.world import World

Drafts = list[tuple[Draft, dict[str, Any]]]
NOT_KEPT = ("json", "kept", "versions", "lines")


def read_orders(section: dict[str, Any], state: MiraklState, seed: Seed) -> Drafts:
    """The orders of a seed, with its own shops and offers; SeedError names the place."""
    entries = section.get("orders", [])
    if not isinstance(entries, list):
        raise SeedError("mirakl.orders: a list was expected")
    shops = {**state.shops, **{shop.shop_id: shop for shop in seed[0]}}
    fresh = {(shop_id, offer.shop_sku): offer for shop_id, offer, _ in seed[2]}

    def find(shop_id: int, sku: str) -> Any:
        return fresh.get((shop_id, sku)) or state.offers.get(shop_id, {}).get(sku)

    result: Drafts = []
    seen: set[str] = set()
    for index, entry in enumerate(entries):
        draft = draft_from(entry, f"mirakl.orders[{index}]", shops, find)
        order_id = draft.said["order_id"]
        if order_id is not None:
            if order_id in seen or order_id in state.orders.orders:
                raise SeedError(f"mirakl.orders[{index}]: there is an order {order_id!r} already")
            seen.add(order_id)
        result.append((draft, entry))
    return result


def take_orders(world: World, drafts: Drafts) -> None:
    """Put the orders of a seed into the marketplace."""
    orders = orders_book.create(world, [draft for draft, _ in drafts], "seeded")
    for order, (_, document) in zip(orders, drafts, strict=True):
        world.mirakl.orders.seeded[order.order_id] = document


# --- the state file


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal) else value


def _document(entry: Any, without: tuple[str, ...] = ()) -> dict[str, Any]:
    names = _NAMES[type(entry)]
    return {name: _plain(getattr(entry, name)) for name in names if name not in without}


_NAMES = {kind: tuple(f.name for f in fields(kind)) for kind in (Order, OrderLine, Taken, Shipment)}


def _line(line: OrderLine) -> dict[str, Any]:
    document = _document(line, ("refunds", "cancelations"))
    for name in ("refunds", "cancelations"):
        document[name] = [_document(taken) for taken in getattr(line, name)]
    return document


def _kept(order: Order) -> bytes:
    """An order for a state file; made anew only after it has changed."""
    if order.kept is None:
        lines = [_line(line) for line in order.lines]
        order.kept = write_json({**_document(order, NOT_KEPT), "lines": lines})
    return order.kept


def dump(book: OrderBook) -> dict[str, Any]:
    """All orders for a state file. What a list that is late still shows is of one life only."""
    return {
        "seeded": list(book.seeded.values()),
        "now": [orjson.Fragment(_kept(order)) for order in book.orders.values()],
        "shipments": [_document(parcel) for parcel in book.shipments.values()],
        "last_order": book.last_order,
        "last_shipment": book.last_shipment,
        "last_taken": book.last_taken,
    }


def load(book: OrderBook, document: dict[str, Any]) -> None:
    """Put what `dump` gave into an empty book; KeyError, TypeError or ValueError if it was not
    that."""
    orders = [_loaded_order(entry) for entry in document["now"]]
    book.add(orders)
    for index, entry in enumerate(document["seeded"]):
        book.seeded[entry.get("order_id") or f"seed {index}"] = entry
    for entry in document["shipments"]:
        book.keep_shipment(Shipment(**_times(entry, ("created", "updated", "shipped"))))
    book.last_order = int(document["last_order"])
    book.last_shipment = int(document["last_shipment"])
    book.last_taken = int(document["last_taken"])


def _times(entry: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {
        **entry,
        **{name: None if entry[name] is None else float(entry[name]) for name in names},
    }


_ORDER_TIMES = (
    "created updated accept_until decided accepted debited ship_until shipped received due"
).split()


def _loaded_order(entry: dict[str, Any]) -> Order:
    order = Order(
        **{
            **_times(entry, tuple(_ORDER_TIMES)),
            "lines": [_loaded_line(line) for line in entry["lines"]],
        }
    )
    order.asked, order.effects = Counter(order.asked), Counter(order.effects)
    order.history = [(float(at), by, state) for at, by, state in order.history]
    return order


def _loaded_line(entry: dict[str, Any]) -> OrderLine:
    line = OrderLine(
        **{
            **_times(entry, ("created", "updated", "debited", "shipped", "received")),
            "unit_price": exact_number(entry["unit_price"]),
            "shipping": exact_number(entry["shipping"]),
            "category": tuple(entry["category"]),
            "taxes": _taxes(entry["taxes"]),
            "shipping_taxes": _taxes(entry["shipping_taxes"]),
        }
    )
    line.refunds = [_loaded_taken(taken) for taken in entry["refunds"]]
    line.cancelations = [_loaded_taken(taken) for taken in entry["cancelations"]]
    return line


def _loaded_taken(entry: dict[str, Any]) -> Taken:
    return Taken(
        **{
            **_times(entry, ("created", "ends")),
            "amount": exact_number(entry["amount"]),
            "shipping": exact_number(entry["shipping"]),
            "taxes": _taxes(entry["taxes"]),
            "shipping_taxes": _taxes(entry["shipping_taxes"]),
        }
    )


def _taxes(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {name: float(v) if isinstance(v, (int, Decimal)) else v for name, v in tax.items()}
        for tax in entries
    ]
