"""What the control API shows of Qikink, and what tests do there in a person's place."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from marketsync_dagster.sandbox.accounts import Reader, SeedError
from marketsync_dagster.sandbox.qikink_accounts import SPEC, QikinkAccount
from marketsync_dagster.sandbox.qikink_part import memory
from marketsync_dagster.sandbox.qikink_state import Asked, QikinkOrder
from marketsync_dagster.sandbox.shown import iso
from marketsync_dagster.sandbox.world import World

MOST = 100_000
COUNTED = (
    "tokens_minted",
    "tokens_refused",
    "creates",
    "refused",
    "duplicates_refused",
    "repeated",
    "listed",
    "looked_up",
)
"""What is counted of an account; `repeated` are answers given again to an Idempotency-Key."""
_DETAILS = ("status", "awb", "courier", "tracking_link", "estimated_delivery", "location")


async def orders(world: World, request: Request) -> Any:
    """Every order in the order in which they came, and what each account was asked for."""
    state, wanted = memory(world), request.query_params.get("client_id")
    clients = [client for client in state.accounts if wanted in (None, client)]
    return {
        "orders": [
            _shown(world, order) for order in state.orders.values() if order.client_id in clients
        ],
        "accounts": {
            client: {
                "profile": state.accounts[client].profile,
                **dict.fromkeys(COUNTED, 0),
                "tokens_live": sum(
                    until > world.now() for until in state.tokens.get(client, {}).values()
                ),
                **state.counts.get(client, {}),
                "numbers": {
                    number: {
                        "asked": asked.asked,
                        "created": asked.created,
                        "duplicates_refused": asked.duplicates_refused,
                    }
                    for (owner, number), asked in state.asked.items()
                    if owner == client
                },
            }
            for client in clients
        },
    }


def _shown(world: World, order: QikinkOrder) -> dict[str, Any]:
    state = memory(world)
    account = state.accounts[order.client_id]
    order.settle(account, world.now())
    sent, asked = order.document, state.asked.get((order.client_id, order.number), Asked())
    spec = account.profile == SPEC
    address = sent.get("shipping_address")
    return {
        "order_id": order.order_id,
        "client_id": order.client_id,
        "profile": account.profile,
        "order_number": order.number,
        "number": order.number if spec else f"{account.prefix}_{order.number}",
        "qikink_shipment_id": f"QK-SHIP-{order.order_id}" if spec else None,
        "items": sent.get("items" if spec else "line_items", []),
        "gateway": sent.get("gateway"),
        "total": sent.get("total_amount" if spec else "total_order_value"),
        "address": bool(address),
        "address_fields": _fields(address),
        "status": order.status,
        "statuses": [status for status, _, _ in order.events],
        "awb": order.awb or None,
        "courier": order.courier or None,
        "tracking_link": order.tracking_link or None,
        "asked": asked.asked,
        "created": len(state.by_number[(order.client_id, order.number)]),
        "duplicates_refused": asked.duplicates_refused,
        "looked_up": order.looked_up,
        "created_at": iso(order.created_at),
        "updated_at": iso(order.moved_at),
        "request": order.request,
    }


def _fields(address: Any) -> list[str]:
    """Which parts an address has."""
    if not isinstance(address, dict):
        return []
    return sorted(name for name, value in address.items() if value)


def _account(world: World, reader: Reader) -> QikinkAccount:
    client = reader.text("client_id")
    account = memory(world).accounts.get(client)
    if account is None:
        raise SeedError("client_id: no such account")
    return account


def _clients(world: World, reader: Reader) -> list[str]:
    client = reader.optional("client_id")
    if client is not None and client not in memory(world).accounts:
        raise SeedError("client_id: no such account")
    return list(memory(world).accounts) if client is None else [client]


def add_orders(world: World, document: Any) -> Any:
    """`{client_id, count}`: orders that somebody else made, the newest of the list."""
    reader = Reader(document, "orders")
    account, count = _account(world, reader), reader.number("count", 1) or 0
    reader.finish()
    if count > MOST:
        raise SeedError(f"count: at most {MOST} was expected")
    world.changes += 1
    return {"created": memory(world).strangers(account, count, world.now())}


def _found(world: World, name: str) -> QikinkOrder:
    """An order by its id, or the last one with our number."""
    state = memory(world)
    order = state.orders.get(int(name)) if name.isdecimal() and len(name) < 16 else None
    if order is None:
        order = next((o for o in reversed(state.orders.values()) if o.number == name), None)
    if order is None:
        raise SeedError("no such order")
    return order


def change_order(world: World, name: str, document: Any) -> Any:
    """`{status, awb, courier, tracking_link, estimated_delivery, location}`, all optional: what a
    person at Qikink, or a courier, would do. A status may be any word."""
    reader = Reader(document, "the order")
    status, awb, courier, link, day, place = (reader.optional(part) for part in _DETAILS)
    reader.finish()
    order = _found(world, name)
    account = memory(world).accounts[order.client_id]
    order.settle(account, world.now())
    if awb is not None or courier is not None or link is not None:
        order.send_off(awb or "", courier or "", link or "", account.profile)
    if day is not None:
        order.estimated_delivery = day
    if status is not None:
        order.put(account, status, world.now(), place)
    world.changes += 1
    return {"order": _shown(world, order)}


def advance(world: World, document: Any) -> Any:
    """`{client_id?, steps?}`: every order, or a client's, one step on (or several)."""
    reader = Reader(document, "advance")
    clients, steps = _clients(world, reader), reader.number("steps", 1) or 0
    reader.finish()
    state, moved = memory(world), 0
    for client in clients:
        account = state.accounts[client]
        for order in state.by_client.get(client, []):
            order.settle(account, world.now())
            went = [order.move(account, world.now()) for _ in range(min(steps, 20))]
            moved += any(went)
    world.changes += 1
    return {"moved": moved}


def kill_tokens(world: World, document: Any) -> Any:
    """`{client_id?}`: tokens die at once, as if somebody else had minted one."""
    reader = Reader(document, "tokens")
    clients = _clients(world, reader)
    reader.finish()
    world.changes += 1
    return {"killed": sum(memory(world).kill_tokens(client) for client in clients)}


async def products(world: World, request: Request) -> Any:
    """Client id -> SKU -> the product as it was synced last."""
    state, wanted = memory(world), request.query_params.get("client_id")
    return {
        "products": {
            client: state.products.get(client, {})
            for client in state.accounts
            if wanted in (None, client)
        }
    }
