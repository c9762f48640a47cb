"""OR11: which orders are listed, in which order, how often, and while they move."""

from __future__ import annotations

import http.client
import json
from typing import Any

import pytest

from marketsync_dagster_tests.sandbox.mirakl import (
    NO_LIMITS,
    SHOP,
    form,
    later,
    mirakl,
    seed_market,
)
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

GONE = (http.client.HTTPException, ConnectionError, TimeoutError)


@pytest.fixture
def market(fresh_sandbox: SandboxProcess) -> SandboxProcess:
    seed_market(fresh_sandbox)
    return fresh_sandbox


def at(minute: int) -> str:
    return f"2026-03-01T12:{minute:02}:00Z"


# --- what is listed


def test_orders_come_in_pages_by_their_creation(market: SandboxProcess) -> None:
    ages = {"C": 30, "A": 50, "B": 50, "D": 10}
    seed_orders(market, *(order(name, age_s=age) for name, age in ages.items()))
    reply = mirakl(market, "GET", "/orders?max=2&offset=1&sort=dateCreated")
    assert [o["order_id"] for o in reply.json["orders"]] == ["B", "C"]
    assert reply.json["total_count"] == 4
    links = reply.headers["link"]
    assert "max=2&offset=0" in links
    assert "offset=3" in links
    assert ids(market, "order=desc") == ["D", "C", "B", "A"]
    assert ids(market, "offset=9") == []
    seed_orders(market, *(order(f"E{n}", {"offer_sku": "S1"}) for n in range(10)))
    assert len(ids(market, "")) == 10


def test_orders_are_found_by_what_is_asked_for(market: SandboxProcess) -> None:
    seed_market(market, acceptance_s=10**9)
    seed_orders(
        market,
        order("A", created=at(0), tax_mode="TAX_EXCLUDED"),
        order("B", created=at(10), state="SHIPPING"),
        order("C", created=at(20), state="SHIPPED", payment_workflow="PAY_ON_DELIVERY"),
    )
    for query, found in (
        ("order_ids=C,A,X", ["A", "C"]),
        ("order_ids=X", []),
        ("order_state_codes=SHIPPING,SHIPPED", ["B", "C"]),
        (f"start_date={at(10)}", ["B", "C"]),
        (f"end_date={at(10)}", ["A", "B"]),
        (f"start_update_date={at(11)}", ["B", "C"]),  # less than a minute is subtracted
        (f"start_update_date={at(12)}", ["C"]),
        (f"end_update_date={at(10)}", ["A", "B"]),
        ("customer_debited=true", ["B"]),
        ("payment_workflow=PAY_ON_DELIVERY", ["C"]),
        ("order_tax_mode=TAX_EXCLUDED", ["A"]),
        ("has_incident=true", []),
        ("channel_codes=US", []),
        ("fulfillment_center_code=DEFAULT&has_incident=false", ["A", "B", "C"]),
        ("fulfillment_center_code=OTHER", []),
    ):
        assert ids(market, query) == found, query
    for query in ("order_state_codes=GONE", "start_update_date=today", "max=101", "sort=price"):
        assert mirakl(market, "GET", f"/orders?{query}").status == 400, query


def test_every_change_moves_the_date_of_the_update(market: SandboxProcess) -> None:
    seed_orders(market, order("A", age_s=600), order("B", age_s=600))
    seen = [shown(market)["last_updated_date"]]

    def moved() -> bool:
        seen.append(shown(market)["last_updated_date"])
        assert ids(market, f"start_update_date={seen[-1]}") == ["A"]
        return seen[-1] > seen[-2]

    later(market, 2)
    for change in (
        lambda: accept(market),
        lambda: later(market, 60),
        lambda: put(market, "tracking", DHL),
        lambda: cancel_lines(market, part("A-1", 1, quantity=0)),
        lambda: send_parcels(market, parcel(A_1=1)),
        lambda: put(market, "ship"),
        lambda: refund(market, part()),
        lambda: market.change_order("A", email="new@example.com"),
    ):
        change()
        assert moved()
        later(market, 61)
    market.change_order("A", email="newer@example.com", quiet=True)
    assert not moved()
    assert shown(market)["customer_notification_email"] == "newer@example.com"


# --- how often


def test_a_pull_counts_once_however_many_pages_it_has(market: SandboxProcess) -> None:
    seed_market(market, intervals={})
    seed_orders(market, *(order(name) for name in "ABC"))
    statuses = [
        mirakl(market, "GET", f"/orders?max=1{more}").status
        for more in ("", "&offset=1", "&offset=2", "&order_ids=A", "", "&offset=0", "&order_ids=")
    ]
    assert statuses == [200] * 4 + [429] * 3
    later(market, 60)
    assert mirakl(market, "GET", "/orders").status == 200
    seed_market(market, intervals={"OR11": 5})
    later(market, 5)
    assert mirakl(market, "GET", "/orders").status == 200
    assert market.mirakl("calls")[str(SHOP)] == {"OR11": 6, "OR11 429": 3}


# --- lists that move, or are late


def test_a_list_moves_between_two_pages(market: SandboxProcess) -> None:
    seed_orders(market, *(order(name, {"offer_sku": "S1"}, age_s=90) for name in "ABCDEF"))
    market.scenario("orders_move", match={"path": "/orders", "method": "GET", "nth": 2}, early=1)
    pages = [ids(market, f"max=2&offset={offset}") for offset in (0, 2, 4)]
    assert pages == [["A", "B"], ["C", "D"], ["D", "E"]]
    market.scenario("orders_move", match={"path": "/orders"}, cancel=2)
    states = "order_state_codes=WAITING_ACCEPTANCE&max=2"
    assert ids(market, states)[1] == "A"
    assert ids(market, f"{states}&offset=2") == ["D", "E"]
    market.scenario("orders_move", match={"path": "/orders"}, insert=2)
    before = mirakl(market, "GET", "/orders").json["total_count"]
    assert mirakl(market, "GET", "/orders").json["total_count"] == before + 2
    updated = shown(market, "F")["last_updated_date"]
    later(market, 100)
    market.scenario("orders_move", match={"path": "/orders"}, change=7)
    assert [shown(market, "F")["last_updated_date"] > updated for _ in range(2)] == [False, True]
    market.scenario("page_drift", match={"path": "/orders"}, insert=1, remove=1)
    assert ids(market, "max=1")[0].startswith("EARLY")


def test_rows_are_repeated_lost_or_wrong(market: SandboxProcess) -> None:
    seed_orders(market, *(order(name, age_s=90) for name in "ABCD"))
    faults: tuple[tuple[str, dict[str, Any], str, list[str]], ...] = (
        ("repeat_rows", {"rows": 2}, "max=3", ["A", "B", "C", "A", "B"]),
        ("duplicate_page", {}, "max=2&offset=2", ["A", "B"]),
        ("short_results", {"drop": 3}, "", ["A"]),
        ("reversed_results", {}, "", ["D", "C", "B", "A"]),
        ("wrong_ids", {}, "max=1", ["wrong_0"]),
        ("more_results", {}, "max=1", ["A", "stranger", "A"]),
    )
    for kind, more, query, found in faults:
        market.scenario(kind, match={"path": "/orders"}, **more)
        assert ids(market, query) == found, kind
        assert len(ids(market, "")) == 4
    market.scenario("wrong_total", match={"path": "/orders"}, value=7)
    assert mirakl(market, "GET", "/orders").json["total_count"] == 7
    with pytest.raises(SandboxError, match="negative"):
        market.scenario("repeat_rows", rows=-1)


def test_a_late_list_shows_what_was(market: SandboxProcess) -> None:
    seed_market(market, index_lag_s=30, debit_delay_s=1000)
    old = order("A", age_s=900)
    seed_orders(market, old)
    assert ids(market) == []
    later(market, 31)
    before = shown(market)
    accept(market)
    assert shown(market) == before
    assert ids(market, "order_state_codes=WAITING_DEBIT") == []
    assert put(market, "ship").json["message"].endswith("WAITING_DEBIT")
    later(market, 20)
    market.change_order("A", email="new@example.com")
    later(market, 11)
    found = shown(market)
    assert found["order_state"] == "WAITING_DEBIT"
    assert found["customer_notification_email"] == before["customer_notification_email"]
    later(market, 20)
    assert shown(market)["customer_notification_email"] == "new@example.com"
    assert ids(market, "order_state_codes=WAITING_DEBIT") == ["A"]


def test_one_change_may_be_late_and_one_list(market: SandboxProcess) -> None:
    seed_orders(market, order("A", age_s=900), order("B", age_s=900))
    market.scenario("index_lag", match={"path": "/accept"}, seconds=10)
    accept(market)
    assert shown(market)["order_state"] == "WAITING_ACCEPTANCE"
    accept(market, "B")
    assert shown(market, "B")["order_state"] == "WAITING_DEBIT"
    later(market, 11)
    assert shown(market)["order_state"] == "WAITING_DEBIT"
    put(market, "cancel")
    market.scenario("index_lag", match={"path": "/orders"}, seconds=5)
    assert ids(market) == ["B"]
    assert ids(market) == ["A", "B"]


# --- what can befall any call


WRITES: list[tuple[str, str, Any]] = [
    ("accept", "/orders/W/accept", {"order_lines": [{"id": "W-1", "accepted": True}]}),
    ("ship", "/orders/S/ship", None),
    ("tracking", "/orders/S/tracking", DHL),
    ("cancel", "/orders/W/cancel", None),
    ("parcel", "/shipments", {"shipments": [parcel("S", S_1=1)]}),
    ("refund", "/orders/refund", {"refunds": [part("S-1", 1)]}),
    ("cancel", "/orders/cancel", {"cancelations": [part("W-1", 1, quantity=1)]}),
]


def write(sandbox: SandboxProcess, path: str, document: Any, timeout: float = 5) -> Any:
    method = "POST" if path == "/shipments" else "PUT"
    return mirakl(sandbox, method, path, document, timeout=timeout)


@pytest.mark.parametrize(("what", "path", "document"), WRITES, ids=[path for _, path, _ in WRITES])
def test_faults_of_calls_that_change_something(
    market: SandboxProcess, what: str, path: str, document: Any
) -> None:
    line = {"offer_sku": "S1", "quantity": 2}

    seed_orders(market, order("W", line), order("S", line, state="SHIPPING"))
    name = "W" if "W" in f"{path}{json.dumps(document)}" else "S"
    faults: tuple[tuple[str, dict[str, Any], int, int], ...] = (
        ("apply_then_hang", {"seconds": 30}, 1, 1),
        ("apply_then_reset", {}, 1, 1),
        ("reset", {}, 0, 0),
        ("status", {"status": 500}, 0, 0),
        ("status", {"status": 502, "applied": True}, 1, 1),
        ("html_200", {}, 0, 0),
        ("drop_silently", {}, 1, 0),
        ("retry_after", {"value": 3}, 0, 0),
    )
    for kind, more, asked, effect in faults:
        market.reset(keep_seed=True)
        market.scenario(kind, channel="mirakl", match={"path": path}, **more)
        broken = kind in ("apply_then_hang", "apply_then_reset", "reset")
        if broken:
            with pytest.raises(GONE):
                write(market, path, document, timeout=0.05 if "seconds" in more else 5)
        else:
            status = write(market, path, document).status
            assert status == {"html_200": 200, "retry_after": 429}.get(
                kind, more.get("status", status)
            )
            assert (status < 300) == (kind in ("html_200", "drop_silently"))
        expected = {what: (asked, effect)} if asked else {}
        found = effects(market, name)
        found.pop("parcel_ship", None)
        assert found == expected, kind


def test_one_shipment_of_many_may_fail(market: SandboxProcess) -> None:
    seed_orders(market, *(order(name, state="SHIPPING") for name in "ABC"))
    market.scenario("item_error", match={"path": "/shipments"}, position=0, error="Locked")
    market.scenario("item_error", match={"path": "/shipments"}, sku="B", error="Odd")
    given = [parcel("A", A_1=1), parcel("B", B_1=1)]
    seen = [send_parcels(market, *given).json["shipment_errors"] for _ in range(3)]
    assert seen == [
        [{"order_id": "A", "message": "Locked"}],
        [{"order_id": "B", "message": "Odd"}],
        [],
    ]


@pytest.mark.parametrize(
    ("method", "path"),
    [("PUT", "/orders/A/accept"), ("POST", "/shipments"), ("PUT", "/orders/refund")],
)
def test_bodies_that_are_no_json_objects_are_told(
    market: SandboxProcess, method: str, path: str
) -> None:
    seed_orders(market, order())
    json_type = {"Content-Type": "application/json"}
    for body, headers, status in (
        (b"{", json_type, 400),
        (b"[]", json_type, 400),
        (b'{"order_lines": {}, "shipments": [1], "refunds": "x"}', json_type, 400),
        (*form("x"), 415),
    ):
        assert mirakl(market, method, path, body, headers=headers).status == status
    assert effects(market).get("accept", (0, 0))[1] == 0


def test_a_shop_without_orders_lists_none(market: SandboxProcess) -> None:
    assert NO_LIMITS["OR11"] is None
    assert listed(market) == []
    assert mirakl(market, "GET", "/account").json["orders_count"] == 0
