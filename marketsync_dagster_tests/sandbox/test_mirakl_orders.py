"""Orders of Mirakl: how they move, by calls and by the clock, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from marketsync_dagster.platforms.urls import segment
from marketsync_dagster_tests.sandbox.mirakl import SHOP, held, later, mirakl, seed_market
from marketsync_dagster_tests.sandbox.mirakl_orders import (
    DHL,
    accept,
    cancel_lines,
    effects,
    order,
    parcel,
    part,
    put,
    refund,
    seed_orders,
    send_parcels,
    shown,
)
from marketsync_dagster_tests.sandbox_process import SandboxProcess

WAITING = "WAITING_ACCEPTANCE"


@pytest.fixture
def market(fresh_sandbox: SandboxProcess) -> SandboxProcess:
    """Order A of two S1 at 10.00 and one S2 at 20.00."""
    seed_market(fresh_sandbox)
    seed_orders(fresh_sandbox, order())
    return fresh_sandbox


def states(sandbox: SandboxProcess, order_id: str = "A") -> tuple[str, list[str]]:
    """Of an order and its lines."""
    found = shown(sandbox, order_id)
    return found["order_state"], [line["order_line_state"] for line in found["order_lines"]]


def in_shipping(sandbox: SandboxProcess) -> None:
    assert accept(sandbox).status == 204
    later(sandbox, 60)
    assert states(sandbox)[0] == "SHIPPING"


# --- the life of an order


def test_an_order_waits_for_its_debit_before_it_can_be_sent(market: SandboxProcess) -> None:
    seen = [states(market)[0]]
    assert accept(market).status == 204
    for seconds in (0, 29, 2, 28, 2):
        later(market, seconds)
        seen.append(states(market)[0])
        early = put(market, "ship") if seen[-1] != "SHIPPING" else None
        if early is not None:
            assert (early.status, early.json["code"]) == (400, "ORDER_INVALID_STATE")
            assert early.json["message"].endswith(f"Current status is {seen[-1]}")
    assert seen == [WAITING, *["WAITING_DEBIT"] * 2, *["WAITING_DEBIT_PAYMENT"] * 2, "SHIPPING"]
    assert put(market, "ship").status == 204
    assert states(market) == ("SHIPPED", ["SHIPPED", "SHIPPED"])
    again = put(market, "ship")
    assert (again.status, again.json["code"]) == (400, "ORDER_INVALID_STATE")
    assert "Current status is SHIPPED" in again.json["message"]
    assert effects(market) == {"accept": (1, 1), "ship": (6, 1)}


@pytest.mark.parametrize(
    ("workflow", "seconds", "state"),
    [
        ("PAY_ON_ACCEPTANCE", 60, "WAITING_DEBIT"),
        ("PAY_ON_ACCEPTANCE", 0, "SHIPPING"),
        ("PAY_ON_DELIVERY", 60, "SHIPPING"),
        ("NO_CUSTOMER_PAYMENT_CONFIRMATION", 60, "SHIPPING"),
    ],
)
def test_how_it_is_paid_decides_what_comes_after_the_acceptance(
    market: SandboxProcess, workflow: str, seconds: int, state: str
) -> None:
    seed_market(market, debit_delay_s=seconds)
    seed_orders(market, order("B", payment_workflow=workflow))
    accept(market, "B")
    assert states(market, "B")[0] == state
    debited = shown(market, "B")["customer_debited_date"] is not None
    assert debited == (state == "SHIPPING" and workflow == "PAY_ON_ACCEPTANCE")


def test_the_clock_refuses_receives_and_closes(market: SandboxProcess) -> None:
    seed_market(market, staging_s=30, acceptance_s=600, received_s=100, closed_s=50)
    seed_orders(market, order("N", state="STAGING"), order("S", state="SHIPPED"))
    seen: list[list[str]] = []
    for seconds in (0, 31, 70, 50, 450):
        later(market, seconds)
        seen.append([states(market, name)[0] for name in ("N", "S")])
    assert seen == [
        ["STAGING", "SHIPPED"],
        [WAITING, "SHIPPED"],
        [WAITING, "RECEIVED"],
        [WAITING, "CLOSED"],
        ["REFUSED", "CLOSED"],
    ]
    refused = shown(market, "N")
    assert refused["acceptance_decision_date"] is None
    assert accept(market, "N").json["code"] == "ORDER_INVALID_STATE"


def test_orders_go_on_as_their_shop_says_now(market: SandboxProcess) -> None:
    accept(market)
    seed_market(market, debit_delay_s=0)
    assert states(market)[0] == "SHIPPING"
    seed_orders(market, order("B", {"offer_sku": "S1"}, state="SHIPPING"))
    seed_market(market, debit_delay_s=50)
    refund(market, part("B-1", 1))
    later(market, 20)
    market.change_order("B", state="WAITING_ACCEPTANCE")
    assert accept(market, "B", B_1=True).status == 204
    later(market, 31)  # its refund is paid, and its debit is not
    assert shown(market, "B")["order_lines"][0]["refunds"][0]["state"] == "REFUNDED"
    assert states(market, "B")[0] == "WAITING_DEBIT_PAYMENT"
    later(market, 20)
    assert states(market, "B")[0] == "SHIPPING"


def test_addresses_are_told_when_it_is_to_be_sent(market: SandboxProcess) -> None:
    def addresses(order_id: str = "A") -> list[bool]:
        customer = shown(market, order_id)["customer"]
        return [customer[f"{kind}_address"] is not None for kind in ("shipping", "billing")]

    assert addresses() == [False, False]
    in_shipping(market)
    assert addresses() == [True, True]
    put(market, "cancel")
    assert addresses() == [True, True]
    seed_market(market, address_from="always")
    seed_orders(market, order("B"), order("C", shipping_address=None))
    assert (addresses("B"), addresses("C")) == ([True, True], [False, False])


def test_an_order_takes_its_pieces_from_the_offer(market: SandboxProcess) -> None:
    assert [held(market, sku)["quantity"] for sku in ("S1", "S2", "S3")] == [3, 4, 5]
    market.add_orders(
        order("B", {"offer_sku": "S1", "quantity": 9}, {"offer_sku": "gone", "price": 1})
    )
    put(market, "cancel", order_id="B")
    assert held(market)["quantity"] == 0
    seed_market(market, orders_lower_stock=False)
    market.add_orders(order("C"))
    market.generate_orders(SHOP, 5)
    assert [held(market, sku)["quantity"] for sku in ("S1", "S2", "S3")] == [5, 5, 5]
    assert market.state("mirakl", str(SHOP))["S1"]["stock_status"] == 5


# --- OR21


@pytest.mark.parametrize(
    ("lines", "status", "code"),
    [
        ([("A-1", True)], 400, "ORDER_LINE_ACCEPTANCE_DECISION_MISSING"),
        ([("A-1", True), ("A-1", True)], 400, "ORDER_LINE_DUPLICATE_ID"),
        ([("A-1", True), ("A-2", True), ("A-3", True)], 404, "ORDER_LINE_NOT_FOUND"),
        ([("A-1", True), ("A-2", "yes")], 400, "VALIDATION_ERROR"),
        ([("A-1", True), ("A-2", None)], 400, "VALIDATION_ERROR"),
        ([], 400, "VALIDATION_ERROR"),
        ([("A-1", True), ("A-2", False)], 400, "ORDER_PARTIAL_ACCEPTANCE_DISABLED"),
    ],
)
def test_a_decision_that_is_not_whole_is_refused(
    market: SandboxProcess, lines: list[tuple[str, Any]], status: int, code: str
) -> None:
    seed_market(market, partial_acceptance=False)
    document = {"order_lines": [{"id": name, "accepted": yes} for name, yes in lines]}
    reply = mirakl(market, "PUT", "/orders/A/accept", document)
    assert (reply.status, reply.json["code"]) == (status, code)
    assert states(market) == (WAITING, [WAITING, WAITING])
    assert effects(market) == {"accept": (1, 0)}


def test_lines_are_accepted_or_refused(market: SandboxProcess) -> None:
    seed_orders(market, order("B"))
    assert accept(market, A_1=True, A_2=False).status == 204
    assert states(market) == ("WAITING_DEBIT", ["WAITING_DEBIT", "REFUSED"])
    assert accept(market, "B", B_1=False, B_2=False).status == 204
    assert states(market, "B") == ("REFUSED", ["REFUSED", "REFUSED"])
    assert shown(market, "B")["acceptance_decision_date"] is not None
    for order_id, status, code in (
        ("A", 400, "ORDER_INVALID_STATE"),
        ("B", 400, "ORDER_INVALID_STATE"),
        ("X", 404, "ORDER_NOT_FOUND"),
    ):
        reply = accept(market, order_id)
        assert (reply.status, reply.json["code"]) == (status, code)
    assert effects(market) == {"accept": (2, 1)}
    later(market, 60)
    put(market, "ship")
    assert states(market) == ("SHIPPED", ["SHIPPED", "REFUSED"])


def test_a_shop_sees_and_moves_its_own_orders_alone(market: SandboxProcess) -> None:
    other = {"Authorization": "other_key_obviously_fake"}
    market.seed({"mirakl": {"shops": [{"api_key": other["Authorization"], "shop_id": 3001}]}})
    assert mirakl(market, "GET", "/orders", headers=other).json["orders"] == []
    lines = {"order_lines": [{"id": "A-1", "accepted": True}, {"id": "A-2", "accepted": True}]}
    assert mirakl(market, "PUT", "/orders/A/accept", lines, headers=other).status == 404
    assert effects(market) == {}


# --- tracking and shipping


def test_tracking_is_of_a_known_carrier_or_a_named_one(market: SandboxProcess) -> None:
    assert put(market, "tracking", DHL).json["code"] == "ORDER_INVALID_STATE"
    in_shipping(market)
    for bad in ({}, {"carrier_code": "DHL"}, {"carrier_code": "UPS", "tracking_number": "1"}):
        assert put(market, "tracking", bad).json["code"] == "VALIDATION_ERROR"
    assert put(market, "tracking", DHL).status == 204
    found = shown(market)
    names = (
        "shipping_carrier_code",
        "shipping_company",
        "shipping_tracking",
        "shipping_tracking_url",
    )
    url = "http://www.dhl.example/tracking?AWB=1Z"
    assert [found[name] for name in names] == ["DHL", "DHL", "1Z", url]
    own = {"carrier_name": "Bike", "carrier_url": "https://bike.example", "tracking_number": "7"}
    later(market, 5)
    assert [put(market, "tracking", own).status for _ in range(2)] == [204, 204]
    changed = shown(market)
    assert [changed[name] for name in names] == [None, "Bike", "7", "https://bike.example"]
    assert changed["last_updated_date"] > found["last_updated_date"]
    assert effects(market)["tracking"] == (7, 2)


def test_parcels_ship_an_order_bit_by_bit(market: SandboxProcess) -> None:
    in_shipping(market)
    first = send_parcels(market, parcel(A_1=1)).json["shipment_success"][0]
    assert states(market) == ("SHIPPING", ["SHIPPING", "SHIPPING"])
    assert shown(market)["can_cancel"] is False
    split = {**parcel(A_1=1), "shipment_lines": []}
    split["shipment_lines"] = [{"offer_sku": "S1", "quantity": 1, "package_reference": "b"}]
    assert send_parcels(market, split).status == 201
    assert states(market) == ("SHIPPING", ["SHIPPED", "SHIPPING"])
    last = send_parcels(market, parcel(A_2=1, shipped=False)).json["shipment_success"][0]
    assert (first["status"], last["status"]) == ("SHIPPED", "SHIPPING")
    for times in range(2):
        document = {"shipments": [{"id": last["id"]}, {"id": "nobody"}]}
        done = mirakl(market, "PUT", "/shipments/ship", document).json
        assert [len(done[n]) for n in ("shipment_success", "shipment_errors")] == [
            1 - times,
            1 + times,
        ]
    assert states(market) == ("SHIPPED", ["SHIPPED", "SHIPPED"])
    found = market.mirakl_orders(order_id="A")["A"]["parcels"]
    assert [(p["status"], p["times_shipped"]) for p in found] == [("SHIPPED", 1)] * 3
    assert effects(market)["parcel"] == (3, 3)
    assert effects(market)["parcel_ship"] == (4, 3)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (parcel(A_1=3), "Shipment quantity is invalid."),
        (parcel(A_1=0), "Shipment quantity is invalid."),
        (parcel(A_9=1), "No order line"),
        (parcel(), "Shipment lines must not be empty."),
        (parcel("X", X_1=1), "No order with id 'X'."),
        (parcel("B", B_1=1), f"The order status must be 'SHIPPING' but it is '{WAITING}'."),
        ({**parcel(A_1=1), "tracking": {"carrier_code": "UPS"}}, "carrier_code"),
    ],
)
def test_a_parcel_that_cannot_be_stops_no_other(
    market: SandboxProcess, given: dict[str, Any], words: str
) -> None:
    seed_orders(market, order("B"))
    in_shipping(market)
    reply = send_parcels(market, given, parcel(A_2=1))
    assert (reply.status, len(reply.json["shipment_success"])) == (201, 1)
    (error,) = reply.json["shipment_errors"]
    assert error["order_id"] == given["order_id"]
    assert words in error["message"]
    assert len(mirakl(market, "GET", "/shipments").json["data"]) == 1


def test_parcels_need_a_shop_that_may_have_them(market: SandboxProcess) -> None:
    in_shipping(market)
    seed_market(market, multi_shipment=False)
    reply = send_parcels(market, parcel(A_1=1))
    assert (reply.status, reply.json["code"]) == (403, "FORBIDDEN")
    assert send_parcels(market).status == 403
    seed_market(market, multi_shipment=True)
    assert send_parcels(market).json["code"] == "VALIDATION_ERROR"
    assert send_parcels(market, *[parcel(A_1=1)] * 1_001).json["code"] == "VALIDATION_ERROR"
    assert mirakl(market, "GET", "/shipments").json["data"] == []


def test_what_was_created_can_be_looked_up(market: SandboxProcess) -> None:
    in_shipping(market)
    made = [
        send_parcels(market, {**parcel(A_1=1), "invoice_reference": f"R{n}"}).json for n in (1, 2)
    ]
    ids = [document["shipment_success"][0]["id"] for document in made]
    (error,) = send_parcels(market, parcel(A_1=1)).json["shipment_errors"]
    assert error["message"] == "Shipment quantity is invalid."

    def found(query: str) -> list[str]:
        return [p["id"] for p in mirakl(market, "GET", f"/shipments?{query}").json["data"]]

    assert found("order_id=A&order_id=B") == ids
    assert found("order=desc") == ids[::-1]
    assert found("order_id=B") == found("shipment_state_code=SHIPPING") == []
    assert found("shipment_state_code=SHIPPED&last_updated_from=2020-01-01T00:00:00Z") == ids
    page = mirakl(market, "GET", "/shipments?limit=1").json
    token = page["next_page_token"]
    second = mirakl(market, "GET", f"/shipments?page_token={token}").json
    assert [page["data"][0]["id"], second["data"][0]["id"]] == ids
    assert "next_page_token" not in second
    assert second["data"][0]["invoice_reference"] == "R2"
    later(market, 10)
    tracked = {"shipments": [{"id": ids[0], "tracking": DHL}]}
    for _ in range(2):
        assert mirakl(market, "POST", "/shipments/tracking", tracked).status == 200
    assert mirakl(market, "GET", "/shipments").json["data"][0]["tracking"]["carrier_name"] == "DHL"
    assert effects(market)["tracking"] == (2, 1)


# --- cancelations and refunds


def test_an_order_can_be_canceled_until_something_was_sent(market: SandboxProcess) -> None:
    for order_id, state in (("A", WAITING), ("B", "WAITING_DEBIT"), ("C", "SHIPPING")):
        if order_id != "A":
            seed_orders(market, order(order_id, state=state))
        assert shown(market, order_id)["can_cancel"] is True
        assert put(market, "cancel", order_id=order_id).status == 204
        assert states(market, order_id) == ("CANCELED", ["CANCELED", "CANCELED"])
        assert put(market, "cancel", order_id=order_id).json["code"] == "ORDER_INVALID_STATE"
        assert effects(market, order_id) == {"cancel": (2, 1)}
    seed_orders(market, order("D", state="SHIPPING"))
    send_parcels(market, parcel("D", D_1=1, shipped=False))
    assert put(market, "cancel", order_id="D").status == 204
    assert mirakl(market, "GET", "/shipments").json["data"][0]["status"] == "CANCELED"
    seed_orders(market, order("E", state="SHIPPING"))
    send_parcels(market, parcel("E", E_1=1))
    assert put(market, "cancel", order_id="E").status == 400


def test_pieces_that_were_canceled_are_not_sent(market: SandboxProcess) -> None:
    in_shipping(market)
    reply = cancel_lines(market, part("A-1", 10, quantity=1), part("A-2", 20, quantity=1))
    assert [e["cancelation_id"] for e in reply.json["cancelations"]] == ["1001", "1002"]
    assert states(market) == ("SHIPPING", ["SHIPPING", "CANCELED"])
    line = shown(market)["order_lines"][0]
    assert (line["quantity"], line["cancelations"][0]["quantity"]) == (2, 1)
    assert send_parcels(market, parcel(A_1=2)).json["shipment_errors"] != []
    assert send_parcels(market, parcel(A_1=1)).json["shipment_errors"] == []
    assert states(market) == ("SHIPPED", ["SHIPPED", "CANCELED"])
    seed_orders(market, order("C", state="SHIPPING"))
    send_parcels(market, parcel("C", C_1=1, shipped=False))
    assert cancel_lines(market, part("C-1", 20, quantity=2)).status == 400
    refund(market, part("C-1", 10, quantity=1, excluded_from_shipment=True, reason_code="15"))
    assert send_parcels(market, parcel("C", C_1=1)).json["shipment_success"] == []
    seed_orders(market, order("B"))
    cancel_lines(market, part("B-1", 20, quantity=2), part("B-2", 20, quantity=1))
    assert states(market, "B") == ("CANCELED", ["CANCELED", "CANCELED"])


def test_more_than_there_is_cannot_be_taken_away(market: SandboxProcess) -> None:
    for parts, status, code in (
        ([part("A-1", 21, quantity=1)], 400, "VALIDATION_ERROR"),
        ([part("A-1", 11, quantity=1)] * 2, 400, "VALIDATION_ERROR"),
        ([part("A-1", 10, quantity=3)], 400, "VALIDATION_ERROR"),
        ([part("A-1", 10, quantity=1, reason_code="15")], 400, "VALIDATION_ERROR"),
        ([part("A-1", "ten", quantity=1)], 400, "VALIDATION_ERROR"),
        ([part("A-1", 10, quantity=1, currency_iso_code="USD")], 400, "VALIDATION_ERROR"),
        ([part("A-1", 10, quantity=1), part("A-9", 1, quantity=1)], 404, "ORDER_LINE_NOT_FOUND"),
    ):
        reply = cancel_lines(market, *parts)
        assert (reply.status, reply.json["code"]) == (status, code), parts
    assert refund(market, part()).json["code"] == "ORDER_INVALID_STATE"
    assert shown(market)["order_lines"][0]["cancelations"] == []
    in_shipping(market)
    assert refund(market, part("A-1", 15), part("A-1", 6)).json["code"] == "VALIDATION_ERROR"
    assert effects(market)["refund"] == (2, 0)


def test_a_refund_is_paid_by_the_clock(market: SandboxProcess) -> None:
    in_shipping(market)
    put(market, "ship")
    reply = refund(market, part("A-1", 12.5), part("A-2", 20)).json
    first, second = reply["refunds"]
    assert first["order_refund_id"] == second["order_refund_id"]
    assert first["refund_id"] != second["refund_id"]

    def refunds() -> list[tuple[str, list[str]]]:
        lines = shown(market)["order_lines"]
        return [(e["order_line_state"], [r["refund_state"] for r in e["refunds"]]) for e in lines]

    assert refunds() == [("SHIPPED", ["WAITING_REFUND"])] * 2
    later(market, 61)
    assert refunds() == [("SHIPPED", ["REFUNDED"]), ("REFUNDED", ["REFUNDED"])]
    assert shown(market)["fully_refunded"] is False
    assert refund(market, part("A-1", 7.5)).status == 200
    assert shown(market)["fully_refunded"] is True
    assert refund(market, part("A-1", 0.01)).status == 400
    assert effects(market)["refund"] == (3, 3)


@pytest.mark.parametrize("order_id", ["a/b", "a%2Fb", "a b", "\u00e9\u6f22"])
def test_an_id_is_one_part_of_a_path_whatever_is_in_it(
    market: SandboxProcess, order_id: str
) -> None:
    seed_orders(market, order(order_id, {"offer_sku": "S1"}))
    lines = [{"id": f"{order_id}-1", "accepted": True}]
    path = f"/orders/{segment(order_id)}/accept"
    assert mirakl(market, "PUT", path, {"order_lines": lines}).status == 204
