"""Orders, forwards and parcels as the ledger keeps them, for tests that write them by hand."""

from __future__ import annotations

from typing import Any

from marketsync_dagster.ledger.forwards import Forward
from marketsync_dagster.ledger.orders import BookLine, BookOrder
from marketsync_dagster.ledger.shipments import Shipment
from marketsync_dagster.values.order_states import OrderState

AT = "2026-11-21T06:30:00.000Z"
S = OrderState


def line(order_id: str, line_id: str = "1", **more: Any) -> BookLine:
    said: dict[str, Any] = {
        "position": 0, "offer_sku": "SOAP", "outlet": "kisumu", "sku": "SOAP", "unmapped": "",
        "title": "Soap", "quantity": 3, "unit_minor": 100, "total_minor": 300, "shipping_minor": 0,
        "tax_minor": 0, "refunded_minor": 0, "cancelled": 0, "shipped": 0,
        "state": S.IN_PREPARATION, "raw_state": "SHIPPING", "remote_state": S.IN_PREPARATION,
    }  # fmt: skip
    return BookLine(order_id=order_id, line_id=line_id, **{**said, **more})


def order(order_id: str, *lines: BookLine, **more: Any) -> BookOrder:
    said: dict[str, Any] = {
        "platform": "mirakl", "account": "bestbuy", "external_id": f"X-{order_id}",
        "number": f"N-{order_id}", "outlet": "kisumu", "state": S.IN_PREPARATION,
        "raw_state": "SHIPPING", "remote_state": S.IN_PREPARATION, "flags": frozenset(),
        "currency": "KES", "total_minor": 300, "shipping_minor": 0, "created_at": AT,
        "updated_at": AT, "accept_by": "", "ship_by": "", "can_cancel": None,
        "decision": "accept", "decided_by": "rule", "decided_at": AT, "decided_reason": "",
        "estimated_delivery": "", "tags": (), "details": {}, "raw_sha256": "s", "first_seen_at": AT,
        "changed_at": AT, "version": 1,
    }  # fmt: skip
    return BookOrder(id=order_id, lines=lines or (line(order_id),), **{**said, **more})


def forward(number: str, order_id: str = "a", state: str = "sent", **more: Any) -> Forward:
    said: dict[str, Any] = {
        "destination": "printer", "outlet": "kisumu", "attempt": 1, "state": state,
        "created_at": AT, "changed_at": AT, "lines": {"1": 3},
    }  # fmt: skip
    return Forward(id=number, order_id=order_id, number=number, **{**said, **more})


def parcel(order_id: str, key: str, forward_id: str, pieces: int) -> Shipment:
    said = ("DHL", "T", "", {"1": pieces}, "", AT, "ada", AT)
    return Shipment(f"{order_id}{key}", order_id, key, forward_id, *said)
