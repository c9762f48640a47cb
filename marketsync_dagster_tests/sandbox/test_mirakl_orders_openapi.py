"""What the sandbox answers about orders, against Mirakl's official document where it is at hand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from marketsync_dagster_tests.sandbox import openapi
from marketsync_dagster_tests.sandbox.calls import Reply
from marketsync_dagster_tests.sandbox.mirakl import later, mirakl, seed_market
from marketsync_dagster_tests.sandbox.mirakl_orders import (
    DHL,
    accept,
    cancel_lines,
    order,
    parcel,
    part,
    put,
    refund,
    seed_orders,
    send_parcels,
)
from marketsync_dagster_tests.sandbox_process import SandboxProcess

pytestmark = openapi.needs_document

TAXED = {"offer_sku": "S1", "quantity": 3, "shipping": "2.50", "taxes": "1.40"}
STATES = (
    "STAGING WAITING_ACCEPTANCE WAITING_DEBIT WAITING_DEBIT_PAYMENT SHIPPING SHIPPED TO_COLLECT "
    "RECEIVED CLOSED REFUSED CANCELED"
).split()


def check(code: str, reply: Reply, status: int = 200) -> Any:
    """The reply's document, if it conforms."""
    openapi.check_response(code, reply.status, reply.headers, reply.body)
    assert reply.status == status, reply.body
    return reply.json if reply.body else None


@pytest.fixture
def market(fresh_sandbox: SandboxProcess) -> SandboxProcess:
    seed_market(fresh_sandbox)
    fresh_sandbox.settings(keep_bodies=True)
    return fresh_sandbox


def test_orders_in_every_state_conform(market: SandboxProcess) -> None:
    seed_orders(market, *(order(f"O{i:02}", TAXED, state=s) for i, s in enumerate(STATES)))
    seed_orders(market, order("P", TAXED, shipping_address=None))
    page = check("OR11", mirakl(market, "GET", "/orders?max=100"))
    assert [shown["order_state"] for shown in page["orders"][:-1]] == STATES
    asked = "order_state_codes=SHIPPING,SHIPPED&start_update_date=2026-01-01T00:00:00Z&max=1"
    assert check("OR11", mirakl(market, "GET", f"/orders?{asked}&offset=1"))["total_count"] == 2
    assert {openapi.check_logged(e) for e in market.requests(bodies=True)} == {"OR11"}


def test_the_whole_life_of_an_order_conforms(market: SandboxProcess) -> None:
    seed_orders(market, order("A", TAXED, {"offer_sku": "S2", "quantity": 2}), order("B"))
    check("OR21", accept(market), 204)
    check("OR24", put(market, "ship"), 400)
    check("OR29", put(market, "cancel", order_id="B"), 204)
    later(market, 61)
    check("OR23", put(market, "tracking", DHL), 204)
    check("OR30", cancel_lines(market, part("A-1", 10, quantity=1, taxes=[tax()])))
    half = {**parcel(A_1=1, A_2=1, shipped=False), "invoice_reference": "R1"}
    tracked = {**parcel(A_1=1), "tracking": {**DHL, "carrier_name": "DHL"}}
    done = check("ST01", send_parcels(market, half, tracked, parcel("B", B_1=1)), 201)
    assert [len(done[name]) for name in ("shipment_success", "shipment_errors")] == [2, 1]
    named = {"id": done["shipment_success"][0]["id"]}
    path, document = "/shipments/tracking", {"shipments": [{**named, "tracking": DHL}, {"id": "x"}]}
    document["shipments"][1]["tracking"] = DHL
    check("ST23", mirakl(market, "POST", path, document))
    check("ST24", mirakl(market, "PUT", "/shipments/ship", {"shipments": [named, {"id": "x"}]}))
    assert (
        len(check("ST11", mirakl(market, "GET", "/shipments?order_id=A&order_id=B"))["data"]) == 2
    )
    first = check("ST11", mirakl(market, "GET", "/shipments?limit=1"))
    check("ST11", mirakl(market, "GET", f"/shipments?page_token={first['next_page_token']}"))
    check("OR24", put(market, "ship"), 204)
    check("OR28", refund(market, part("A-1", 4.5, quantity=0, reason_code="15")))
    page = check("OR11", mirakl(market, "GET", "/orders"))
    assert page["orders"][0]["order_lines"][0]["refunds"][0]["state"] == "WAITING_REFUND"
    later(market, 200)
    line = check("OR11", mirakl(market, "GET", "/orders"))["orders"][0]["order_lines"][0]
    assert (line["refunds"][0]["state"], line["cancelations"][0]["quantity"]) == ("REFUNDED", 1)
    for code, path in (("RE01", "/reasons"), ("SH21", "/shipping/carriers")):
        check(code, mirakl(market, "GET", path))
    asked = {openapi.check_logged(entry) for entry in market.requests(bodies=True)}
    assert asked == {
        *("OR11", "OR21", "OR23", "OR24", "OR28", "OR29", "OR30"),
        *("ST01", "ST11", "ST23", "ST24", "RE01", "SH21"),
    }


def tax() -> dict[str, Any]:
    return {"amount": 0.20, "code": "VAT"}


def test_requests_that_the_document_does_not_know_are_told() -> None:
    headers = {"Authorization": "k", "Content-Type": "application/json"}
    good = {"order_lines": [{"id": "A-1", "accepted": True}]}
    for method, path, query, document in (
        ("PUT", "/api/orders/A/accept", "", {"order_lines": [{"id": "A-1"}]}),
        ("PUT", "/api/orders/A/accept", "", {**good, "by": "me"}),
        ("POST", "/api/orders/A/accept", "", good),
        ("PUT", "/api/orders/A/ship", "", {}),
        ("PUT", "/api/orders/cancel", "", {"cancelations": [part("A-1", 1)]}),
        ("POST", "/api/shipments", "", {"shipments": [{"order_id": "A"}]}),
        ("GET", "/api/orders", "order_state_codes=SHIPPING,GONE", None),
        ("GET", "/api/orders", "paginate=false", None),
        ("GET", "/api/orders", "start_update_date=yesterday", None),
        ("GET", "/api/shipments", "offset=1", None),
    ):
        body = b"" if document is None else json.dumps(document).encode()
        with pytest.raises(openapi.NotConforming):
            openapi.check_request(method, path, query, headers, body)
