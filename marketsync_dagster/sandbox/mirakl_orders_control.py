"""What the control API shows of orders on Mirakl, and what it does to them."""

from __future__ import annotations

from collections import Counter
from typing import Any

from starlette.requests import Request

from marketsync_dagster.sandbox import mirakl_orders_book as orders_book
from marketsync_dagster.sandbox.accounts import SeedError
from marketsync_dagster.sandbox.mirakl_orders_documents import taken_document
from marketsync_dagster.sandbox.mirakl_orders_state import CALLS, Order, OrderLine
from marketsync_dagster.sandbox.prices import exact_text
from marketsync_dagster.sandbox.shown import iso
from marketsync_dagster.sandbox.world import World


def _counts(order: Order) -> dict[str, Any]:
    return {name: {"asked": order.asked[name], "effect": order.effects[name]} for name in CALLS}


def _line(order: Order, line: OrderLine) -> dict[str, Any]:
    return {
        "order_line_id": line.line_id,
        "offer_sku": line.offer_sku,
        "state": line.state,
        "quantity": line.quantity,
        "to_send": line.to_send,
        "price": exact_text(line.unit_price, order.currency),
        "shipping": exact_text(line.shipping, order.currency),
        "refunds": [
            {**taken_document(line, taken, order.currency, refund=True), "state": taken.state}
            for taken in line.refunds
        ],
        "cancelations": [
            taken_document(line, taken, order.currency, refund=False) for taken in line.cancelations
        ],
    }


def _brief(order: Order) -> dict[str, Any]:
    return {"state": order.state, "shop_id": order.shop_id, "counts": _counts(order)}


def _whole(world: World, order: Order) -> dict[str, Any]:
    book = world.mirakl.orders
    return {
        **_brief(order),
        "commercial_id": order.commercial_id,
        "created": iso(order.created),
        "updated": iso(order.updated),
        "accept_until": iso(order.accept_until),
        "payment_workflow": order.workflow,
        "customer": order.customer,
        "email": order.email,
        "shipping_address": order.shipping_address,
        "billing_address": order.billing_address,
        "lines": [_line(order, line) for line in order.lines],
        "tracking": order.tracking,
        "parcels": [
            {
                "id": parcel.shipment_id,
                "status": parcel.status,
                "lines": parcel.lines,
                "invoice_reference": parcel.invoice,
                "tracking": parcel.tracking,
                "times_shipped": parcel.times_shipped,
            }
            for parcel in book.parcels.get(order.order_id, ())
        ],
        "history": [{"at": iso(at), "by": by, "state": state} for at, by, state in order.history],
    }


async def orders(world: World, request: Request) -> Any:
    """Order id -> the order; filters: shop_id, order_id (several), state, and `brief=1` for state
    and counts alone. With `totals` of all that are shown: orders by state, and of each call how
    often it was asked for, how often it took effect, and the most effects on one order."""
    asked = request.query_params
    ids = set(asked.getlist("order_id"))
    found = [
        order
        for order in world.mirakl.orders.orders.values()
        if (not ids or order.order_id in ids)
        and asked.get("shop_id") in (None, str(order.shop_id))
        and asked.get("state") in (None, order.state)
    ]
    brief = asked.get("brief") in ("1", "true")
    return {
        "orders": {o.order_id: _brief(o) if brief else _whole(world, o) for o in found},
        "totals": {
            "orders": len(found),
            "states": Counter(order.state for order in found),
            "calls": {
                name: {
                    "asked": sum(order.asked[name] for order in found),
                    "effect": sum(order.effects[name] for order in found),
                    "most": max((order.effects[name] for order in found), default=0),
                }
                for name in CALLS
            },
        },
    }


def add(world: World, document: Any) -> dict[str, Any]:
    """New orders, now: one document, or `{orders: [...]}`."""
    entries = document.get("orders") if isinstance(document, dict) else None
    drafts = orders_book.drafts_of(world, [document] if entries is None else entries, "orders")
    return {"order_ids": [o.order_id for o in orders_book.create(world, drafts, "control")]}


def generate(world: World, document: Any) -> dict[str, Any]:
    """Many orders."""
    made = orders_book.generate(world, document)
    return {"generated": len(made), "first": made[0].order_id, "last": made[-1].order_id}


def change(world: World, order_id: str, document: Any) -> dict[str, Any]:
    """One order, changed as its customer or the operator would."""
    order = world.mirakl.orders.orders.get(order_id)
    if order is None:
        raise SeedError(f"there is no order {order_id[:60]!r}")
    orders_book.change(world, order, document)
    return _whole(world, order)
