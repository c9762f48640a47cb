"""Orders and products by Qikink's documented interface."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from marketsync_dagster.platforms.base import ProductItem
from marketsync_dagster.platforms.fulfilling import Handed
from marketsync_dagster.platforms.registry import capabilities_of, fulfil_capabilities_of
from marketsync_dagster.values.order_states import OrderState
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster_tests.platforms.qikink.desk import (
    ASHA,
    SPEC,
    calls,
    order,
    seed,
    settings,
    work,
)
from marketsync_dagster_tests.platforms.support import run
from marketsync_dagster_tests.sandbox_process import SandboxProcess

SIGNED = {"signing": "canonical_v1"}


def create(url: str, number: str = "ms0001", account: Any = None, **more: Any) -> Handed:
    given = settings(url, "spec", **(account or {}))
    return work(given, lambda qikink: qikink.create(order(number, **more)))


@pytest.mark.parametrize("signing", ["none", "canonical_v1"])
def test_an_order_arrives_signed_where_that_is_asked_for(
    qikink: SandboxProcess, signing: str
) -> None:
    seed(qikink, "spec", signing=signing)
    handed = create(qikink.url, account={"signing": signing})
    assert handed.outcome is Outcome.APPLIED
    (held,) = qikink.qikink("orders", client_id=SPEC)
    assert held["qikink_shipment_id"] == handed.external_id
    assert held["items"] == [{"sku": "TEE-M", "quantity": 2, "price": 649.5}]
    assert Decimal(str(held["total"])) == Decimal(1299)
    if signing != "none":
        unsigned = create(qikink.url, "ms0002")
        assert unsigned.outcome is Outcome.AUTH_FAILED
        assert len(qikink.qikink("orders", client_id=SPEC)) == 1


def test_what_it_would_refuse_is_not_sent(qikink: SandboxProcess) -> None:
    handed = create(qikink.url, persons={"shipping": replace(ASHA, email="", zip="")})
    assert (handed.outcome, handed.message) == (
        Outcome.REFUSED,
        "the shipping address has no email",
    )
    assert calls(qikink) == []


@pytest.mark.parametrize(
    ("said", "account", "second", "made"),
    [
        ({}, {}, Outcome.APPLIED, 2),
        ({"duplicates": "refuse"}, {}, Outcome.REFUSED, 1),
        ({"idempotency": "key"}, {"idempotency_key": True}, Outcome.APPLIED, 1),
    ],
)
def test_the_same_number_makes_one_order_only_where_the_platform_sees_to_it(
    qikink: SandboxProcess, said: Any, account: Any, second: Outcome, made: int
) -> None:
    seed(qikink, "spec", **said)
    create(qikink.url, account=account)
    handed = create(qikink.url, account=account)
    assert (handed.outcome, handed.duplicate) == (second, second is Outcome.REFUSED)
    assert len(qikink.qikink("orders", client_id=SPEC)) == made
    able = fulfil_capabilities_of(settings(qikink.url, "spec", **account), "pod")
    assert able.idempotent == bool(account)


def test_a_key_that_was_used_for_another_body_means_that_the_order_is_there(
    qikink: SandboxProcess,
) -> None:
    seed(qikink, "spec", idempotency="key")
    account = {"idempotency_key": True}
    create(qikink.url, account=account)
    other = create(qikink.url, account=account, total=Decimal(1))
    assert (other.outcome, other.duplicate) == (Outcome.REFUSED, True)


@pytest.mark.parametrize(
    ("kind", "action", "outcome"),
    [
        ("apply_then_hang", {"seconds": 5}, Outcome.UNKNOWN),
        ("apply_then_reset", {"reset": True}, Outcome.UNKNOWN),
        ("status", {"status": 503}, Outcome.RETRYABLE),
        ("drop_silently", {}, Outcome.APPLIED),
    ],
)
def test_what_became_of_an_order_is_found_by_its_number(
    qikink: SandboxProcess, kind: str, action: dict[str, Any], outcome: Outcome
) -> None:
    qikink.scenario(kind, match={"path": "/api/v1/orders"}, **action)
    assert create(qikink.url).outcome is outcome
    held = [one["qikink_shipment_id"] for one in qikink.qikink("orders", client_id=SPEC)]
    found = work(settings(qikink.url, "spec"), lambda one: one.find(["ms0001", "ms2"], ""))
    assert found.outcome is None
    assert [one.external_id for one in found.standings] == held


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 404, "body": {"status": "error", "error": {"code": "NOT_FOUND"}}},
        {"status": 200, "body": {"order_id": "another", "status": "delivered"}},
        {"status": 503},
    ],
)
def test_an_order_is_gone_only_where_that_is_said_of_it(
    qikink: SandboxProcess, answer: dict[str, Any]
) -> None:
    create(qikink.url)
    qikink.scenario("status", match={"path": "/fulfillment"}, times=None, **answer)
    qikink.scenario("status", match={"path": "/orders/ms0001/fulfillment"}, times=None, **answer)
    found = work(settings(qikink.url, "spec"), lambda one: one.find(["ms0001"], ""))
    assert found.outcome is not None
    assert found.standings == ()


def test_an_order_stands_with_its_events_and_its_expected_day(qikink: SandboxProcess) -> None:
    create(qikink.url)
    for _ in range(4):
        qikink.control("POST", "/qikink/advance", {"client_id": SPEC})
    found = work(settings(qikink.url, "spec"), lambda one: one.standings([("ms0001", "")]))
    (standing,) = found.standings
    assert (standing.raw_status, standing.state) == ("shipped", OrderState.SHIPPED)
    (parcel,) = standing.parcels
    assert parcel.tracking.number
    assert parcel.estimated_delivery == standing.estimated_delivery
    assert len(standing.estimated_delivery) == len("2026-11-26")
    words = [word for _, word in standing.events]
    assert words[:3] == ["order_received", "order_synced", "order_processing"]
    assert all(at.endswith("Z") for at, _ in standing.events)


# --- products


def item(sku: str, **more: Any) -> ProductItem:
    fields: dict[str, Any] = {
        "price": Decimal("649.50"),
        "currency": "INR",
        "quantity": -2,
        "manufacturer": "Rao Mills",
        "origin": "IN",
    }
    return ProductItem(sku, f"Tee {sku}", "Shirts", "", **{**fields, **more})


def test_products_are_told_with_manufacturer_and_origin_and_each_failure_has_its_reason(
    qikink: SandboxProcess,
) -> None:
    items = [item("A"), item("B", origin=""), item("C")]
    given = settings(qikink.url, "spec", **SIGNED)
    seed(qikink, "spec", signing="canonical_v1")
    answer = run(given, "pod", lambda adapter: adapter.send_products(items))
    assert [(one.outcome, one.message) for one in answer.results] == [
        (Outcome.APPLIED, ""),
        (Outcome.REFUSED, "Missing field: origin"),
        (Outcome.APPLIED, ""),
    ]
    held = qikink.qikink("products")[SPEC]
    assert sorted(held) == ["A", "C"]
    assert (held["A"]["manufacturer"], held["A"]["origin"]) == ("Rao Mills", "IN")
    assert (held["A"]["price"], held["A"]["stock_quantity"]) == (649.5, 0)


def test_products_that_the_answer_does_not_account_for_are_unknown(qikink: SandboxProcess) -> None:
    body = {"products_synced": 1, "failed": [{"sku": "B", "error": "no"}]}
    qikink.scenario("status", status=200, body=body, match={"path": "/products/sync"})
    items = [item("A"), item("B"), item("C")]
    given = settings(qikink.url, "spec")
    answer = run(given, "pod", lambda adapter: adapter.send_products(items))
    assert [one.outcome for one in answer.results] == [
        Outcome.UNKNOWN,
        Outcome.REFUSED,
        Outcome.UNKNOWN,
    ]


def test_the_real_interface_takes_no_products_and_neither_takes_prices(
    qikink: SandboxProcess,
) -> None:
    given = settings(qikink.url)
    answer = run(given, "pod", lambda adapter: adapter.send_products([item("A")]))
    assert answer.outcome is Outcome.UNSUPPORTED
    assert "profile real" in answer.message
    for profile in ("real", "spec"):
        able = capabilities_of(settings(qikink.url, profile).accounts["pod"])
        assert (able.push_price, able.push_stock) == (False, False)
        assert able.push_products == (profile == "spec")
    answer = run(given, "pod", lambda adapter: adapter.send([]))
    assert answer.outcome is Outcome.UNSUPPORTED
    assert calls(qikink) == []
