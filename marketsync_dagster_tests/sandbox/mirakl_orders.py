"""How these tests call Mirakl about orders."""

from __future__ import annotations

from typing import Any

from marketsync_dagster_tests.sandbox.calls import Reply
from marketsync_dagster_tests.sandbox.mirakl import SHOP, mirakl
from marketsync_dagster_tests.sandbox_process import SandboxProcess

DHL = {"carrier_code": "DHL", "tracking_number": "1Z"}


def order(order_id: str = "A", *lines: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An order of shop 2001: two S1 and one S2, unless `lines` are given."""
    entries = lines or ({"offer_sku": "S1", "quantity": 2}, {"offer_sku": "S2"})
    return {"shop_id": SHOP, "order_id": order_id, "lines": list(entries), **more}


def seed_orders(sandbox: SandboxProcess, *orders: dict[str, Any]) -> None:
    """Orders that are there already."""
    sandbox.seed({"mirakl": {"orders": list(orders)}})


def listed(sandbox: SandboxProcess, query: str = "max=100") -> list[dict[str, Any]]:
    """The orders of one page of OR11."""
    reply = mirakl(sandbox, "GET", f"/orders?{query}")
    assert reply.status == 200, reply.body
    return reply.json["orders"]


def ids(sandbox: SandboxProcess, query: str = "max=100") -> list[str]:
    """Their ids."""
    return [shown["order_id"] for shown in listed(sandbox, query)]


def shown(sandbox: SandboxProcess, order_id: str = "A") -> dict[str, Any]:
    """One order by name."""
    return listed(sandbox, f"order_ids={order_id}")[0]


def accept(sandbox: SandboxProcess, order_id: str = "A", **decisions: bool) -> Reply:
    """OR21 of both lines, accepted unless `decisions` (`A_1=False`) say otherwise."""
    given = decisions or {f"{order_id}_1": True, f"{order_id}_2": True}
    lines = [{"id": name.replace("_", "-"), "accepted": yes} for name, yes in given.items()]
    return mirakl(sandbox, "PUT", f"/orders/{order_id}/accept", {"order_lines": lines})


def put(sandbox: SandboxProcess, what: str, document: Any = None, order_id: str = "A") -> Reply:
    """OR23, OR24 or OR29: `tracking`, `ship` or `cancel`."""
    return mirakl(sandbox, "PUT", f"/orders/{order_id}/{what}", document)


def parcel(order_id: str = "A", shipped: bool = True, **pieces: int) -> dict[str, Any]:
    """One shipment of ST01; `pieces`: `A_1=2`."""
    lines = [{"order_line_id": n.replace("_", "-"), "quantity": q} for n, q in pieces.items()]
    return {"order_id": order_id, "shipped": shipped, "shipment_lines": lines}


def send_parcels(sandbox: SandboxProcess, *parcels: dict[str, Any], **more: Any) -> Reply:
    """ST01."""
    return mirakl(sandbox, "POST", "/shipments", {"shipments": list(parcels)}, **more)


def part(line_id: str = "A-1", amount: Any = 5, **more: Any) -> dict[str, Any]:
    """One entry of OR28 (reason 15) or, with a quantity, of OR30 (reason 34)."""
    reason = "34" if "quantity" in more else "15"
    given = {"order_line_id": line_id, "amount": amount, "shipping_amount": 0}
    return {**given, "reason_code": reason, **more}


def refund(sandbox: SandboxProcess, *parts: dict[str, Any]) -> Reply:
    """OR28."""
    return mirakl(sandbox, "PUT", "/orders/refund", {"refunds": list(parts)})


def cancel_lines(sandbox: SandboxProcess, *parts: dict[str, Any]) -> Reply:
    """OR30."""
    return mirakl(sandbox, "PUT", "/orders/cancel", {"cancelations": list(parts)})


def effects(sandbox: SandboxProcess, order_id: str = "A") -> dict[str, tuple[int, int]]:
    """Of each call that was made: how often it was asked for, and how often it took effect."""
    counts = sandbox.mirakl_orders(order_id=order_id)[order_id]["counts"]
    pairs = {name: (count["asked"], count["effect"]) for name, count in counts.items()}
    return {name: pair for name, pair in pairs.items() if pair != (0, 0)}
