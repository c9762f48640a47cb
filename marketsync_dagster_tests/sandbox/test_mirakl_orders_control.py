"""Orders of Mirakl as seeds and the control API know them, and a sandbox that goes on later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from marketsync_dagster.sandbox import mirakl_clock, mirakl_orders_control, persistence
from marketsync_dagster.sandbox.world import World
from marketsync_dagster_tests.sandbox.mirakl import KEY, SHOP, held, later, mirakl, seed_market
from marketsync_dagster_tests.sandbox.mirakl_orders import (
    DHL,
    accept,
    cancel_lines,
    effects,
    ids,
    listed,
    order,
    parcel,
    part,
    put,
    refund,
    seed_orders,
    send_parcels,
    shown,
)
from marketsync_dagster_tests.sandbox_process import SandboxError, SandboxProcess


@pytest.fixture
def market(fresh_sandbox: SandboxProcess) -> SandboxProcess:
    seed_market(fresh_sandbox)
    return fresh_sandbox


def test_a_seed_says_what_an_order_is(market: SandboxProcess) -> None:
    line = {
        "offer_sku": "S1",
        "quantity": 3,
        "price": "0.10",
        "title": "Tea",
        "shipping": "0.20",
        "taxes": [{"code": "GST", "amount": 0.3, "rate": 5}],
    }
    address = {"lastname": "L", "street_1": "1 Road", "city": "N", "country_iso_code": "KEN"}
    said: dict[str, Any] = {"email": "e@example.com", "customer": {"firstname": "F"}}
    said |= {"commercial_id": "X", "state": "SHIPPING", "created": "2026-03-01T12:00:00+03:00"}
    seed_orders(market, order("A", line, shipping_address=address, billing_address=None, **said))
    found = shown(market)
    (first,) = found["order_lines"]
    assert (first["price"], first["total_price"], first["offer_id"]) == (0.3, 0.5, 2001)
    assert (first["product_title"], first["order_line_id"]) == ("Tea", "A-1")
    assert first["taxes"][0]["rate"] == 5
    assert (found["commercial_id"], found["created_date"]) == ("X", "2026-03-01T09:00:00Z")
    assert found["customer"]["shipping_address"]["street_1"] == "1 Road"
    assert found["customer"]["billing_address"] is None
    assert found["customer"]["firstname"] == "F"
    assert found["customer_notification_email"] == "e@example.com"


@pytest.mark.parametrize(
    "wrong",
    [
        order("B", {"offer_sku": "unknown"}),
        order("B", {"offer_sku": "S1", "quantity": 0}),
        order("B", {"offer_sku": "S1", "prise": 1}),
        order("B", {"offer_sku": "S1", "price": "1.001"}),
        order("B", {"offer_sku": "S1", "taxes": [{"amount": -1}]}),
        order("B", shop_id=1),
        order("B", lines=[]),
        order("B", colour="red"),
        order("B", created="today"),
        order("B", payment_workflow="BARTER"),
        order("B", shipping_address={"city": "N"}),
        order("A"),
    ],
)
def test_nothing_is_taken_of_a_seed_that_cannot_be_meant(
    market: SandboxProcess, wrong: dict[str, Any]
) -> None:
    seed_orders(market, order("A"))
    for send in (seed_orders, SandboxProcess.add_orders):
        with pytest.raises(SandboxError):
            send(market, order("C"), wrong)
        with pytest.raises(SandboxError, match="already"):
            send(market, order("C"), order("C"))
    assert ids(market) == ["A"]


def test_a_reset_that_keeps_the_seed_brings_its_orders_back(market: SandboxProcess) -> None:
    seed_orders(market, order("A"))
    put(market, "cancel")
    market.add_orders(order("B"))
    market.reset(keep_seed=True)
    assert [(o["order_id"], o["order_state"]) for o in listed(market)] == [
        ("A", "WAITING_ACCEPTANCE")
    ]
    assert held(market)["quantity"] == 3
    assert effects(market) == {}


def test_orders_come_by_the_thousand(market: SandboxProcess) -> None:
    made = market.generate_orders(
        SHOP,
        3_000,
        lines=[1, 3],
        quantity=[1, 4],
        step_s=0.001,
        prefix="G",
        state="SHIPPING",
        seed=4,
    )
    assert made == {"generated": 3_000, "first": "G0000001-A", "last": "G0003000-A"}
    page = mirakl(market, "GET", "/orders?max=100&offset=2900").json
    assert (page["total_count"], page["orders"][-1]["order_id"]) == (3_000, "G0003000-A")
    assert {len(o["order_lines"]) for o in page["orders"]} == {1, 2, 3}
    assert {o["order_state"] for o in page["orders"]} == {"SHIPPING"}
    assert market.mirakl_order_totals()["states"] == {"SHIPPING": 3_000}
    for wrong in ({"count": 0}, {"lines": 0}, {"skus": [1]}, {"shop_id": 1}, {"size": 1}):
        with pytest.raises(SandboxError, match="generate"):
            market.control(
                "POST", "/mirakl/orders/generate", {"shop_id": SHOP, "count": 1, **wrong}
            )


def test_others_change_an_order(market: SandboxProcess) -> None:
    seed_orders(market, order("A", shipping_address=None), order("B"), order("C", state="SHIPPED"))
    address = {"lastname": "L", "street_1": "1 Road", "city": "N", "country_iso_code": "KEN"}
    market.change_order("A", shipping_address=address, show_address=True)
    assert shown(market)["customer"]["shipping_address"]["city"] == "N"
    line = {"order_line_id": "A-1", "quantity": 5, "price": "1.10", "offer_sku": "S3"}
    market.change_order("A", lines=[line], remove_lines=["A-2"])
    (found,) = shown(market)["order_lines"]
    assert (found["quantity"], found["price"], found["offer_sku"]) == (5, 5.5, "S3")
    market.change_order("A", state="ON_THE_MOON")
    assert shown(market)["order_state"] == "ON_THE_MOON"
    assert accept(market).json["message"].endswith("ON_THE_MOON")
    market.change_order("B", cancel=True)
    canceled = shown(market, "B")
    assert (canceled["order_state"], canceled["order_state_reason_code"]) == ("CANCELED", "34")
    assert {o["order_line_state"] for o in canceled["order_lines"]} == {"CANCELED"}
    market.change_order("C", refund={"order_line_id": "C-2", "amount": "20.00"})
    assert shown(market, "C")["order_lines"][1]["order_line_state"] == "REFUNDED"
    market.change_order("C", state="WAITING_ACCEPTANCE")
    back = shown(market, "C")
    assert (back["order_state"], back["customer_debited_date"]) == ("WAITING_ACCEPTANCE", None)
    market.change_order("C", state="SHIPPING", lines=[{"order_line_id": "C-1", "state": "ODD"}])
    history = market.mirakl_orders(order_id="C")["C"]["history"]
    assert [entry["by"] for entry in history] == ["seeded", "control", "control", "control"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"colour": "red"},
        {"lines": [{"order_line_id": "A-9"}]},
        {"remove_lines": ["A-9"]},
        {"refund": {"order_line_id": "A-9"}},
        {"shipping_address": {"city": "N"}},
        {"email": "new@example.com", "lines": [{"order_line_id": "A-1", "price": -1}]},
    ],
)
def test_a_change_that_cannot_be_meant_changes_nothing(
    market: SandboxProcess, wrong: dict[str, Any]
) -> None:
    seed_orders(market, order("A"))
    before = market.mirakl_orders()
    with pytest.raises(SandboxError):
        market.change_order("A", **wrong)
    with pytest.raises(SandboxError, match="no order"):
        market.change_order("X", cancel=True)
    assert market.mirakl_orders() == before


def test_what_is_told_of_orders_is_counted_whole(market: SandboxProcess) -> None:
    seed_orders(market, order("A"), order("B"), order("C", state="SHIPPED"))
    for order_id in ("A", "A", "B"):
        accept(market, order_id)
    totals = market.mirakl_order_totals(order_id=["A", "B"])
    assert totals["states"] == {"WAITING_DEBIT": 2}
    assert totals["calls"]["accept"] == {"asked": 3, "effect": 2, "most": 1}
    assert set(market.mirakl_orders(state="SHIPPED")) == {"C"}
    assert market.mirakl_orders(shop_id=1) == {}
    brief = market.control("GET", "/mirakl/orders?brief=1&order_id=A")["orders"]["A"]
    assert set(brief) == {"state", "shop_id", "counts"}


def test_orders_are_there_after_a_restart(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    with SandboxProcess("--state", str(state)) as first:
        seed_market(first, debit_delay_s=1_000_000)
        seed_orders(first, order("A", {"offer_sku": "S1", "quantity": 2, "taxes": "0.10"}))
        seed_orders(first, order("B", state="SHIPPING"), order("C"))
        first.generate_orders(SHOP, 20, prefix="G")
        accept(first, A_1=True)
        put(first, "tracking", DHL, "B")
        send_parcels(first, parcel("B", B_1=1))
        cancel_lines(first, part("B-2", 20, quantity=1))
        refund(first, part("B-1", 2.5))
        before, pages = first.mirakl_orders(), listed(first)
        parcels = mirakl(first, "GET", "/shipments").json
    with SandboxProcess("--state", str(state)) as second:
        assert second.mirakl_orders() == before
        assert listed(second) == pages
        assert mirakl(second, "GET", "/shipments").json == parcels
        assert second.add_orders({"shop_id": SHOP, "lines": [{"offer_sku": "S1"}]}) == [
            "MK0000024-A"
        ]
        assert send_parcels(second, parcel("B", B_1=1)).json["shipment_errors"] == []
        assert refund(second, part("B-1", 1)).json["refunds"][0]["refund_id"] == "1003"
        known = mirakl(second, "GET", "/shipments?order_id=B").json["data"]
        assert len({found["id"] for found in known}) == 2
        later(second, 1_000_001)
        assert second.mirakl_order_totals(order_id=["A", "C"])["states"] == {
            "SHIPPING": 1,
            "REFUSED": 1,
        }
        second.reset(keep_seed=True)
        assert ids(second) == ["A", "B", "C"]
        assert mirakl(second, "GET", "/version", headers={"Authorization": KEY}).status == 200


def test_a_state_file_has_every_change_since_the_one_before(tmp_path: Path) -> None:
    world, path = World(), tmp_path / "state.json"
    shop = {"api_key": KEY, "shop_id": SHOP}
    offers = [
        {"shop_id": SHOP, "shop_sku": f"S{n}", "product_sku": "P", "price": 1} for n in (1, 2)
    ]
    section = {"shops": [shop], "products": [{"sku": "P"}], "offers": offers}
    world.seed({"mirakl": {**section, "orders": [order("A"), order("B")]}})
    persistence.dump(world)
    mirakl_orders_control.change(world, "A", {"state": "SHIPPED", "email": "new@example.com"})
    world.set_clock(1_000_000)
    mirakl_clock.advance(world)
    path.write_bytes(persistence.dump(world))
    again = World()
    persistence.load(again, path)
    found = again.mirakl.orders.orders
    assert [found[name].state for name in "AB"] == ["SHIPPED", "REFUSED"]
    assert found["A"].email == "new@example.com"
    assert "example" not in repr(found["A"])
