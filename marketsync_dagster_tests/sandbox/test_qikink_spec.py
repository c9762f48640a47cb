"""Qikink's API of the integration document: OAuth, signatures, products, orders, fulfilment."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import pytest

from marketsync_dagster_tests.sandbox.calls import Reply, call
from marketsync_dagster_tests.sandbox.qikink import (
    FORM,
    PERSON,
    SECRET,
    SPEC,
    seed_real,
    seed_spec,
    spec,
    spec_entered,
    spec_order,
    spec_token,
)
from marketsync_dagster_tests.sandbox_process import SandboxProcess

NUMBER = "BHRT-1733304000"
PRODUCT = {
    "sku": "TEE-M",
    "name": "T-shirt M",
    "description": "Cotton",
    "price": 649.5,
    "stock_quantity": 7,
    "category": "Shirts",
    "manufacturer": "Hut",
    "origin": "IN",
}


@pytest.fixture
def host(fresh_sandbox: SandboxProcess) -> SandboxProcess:
    seed_spec(fresh_sandbox)
    return fresh_sandbox


def post(sandbox: SandboxProcess, headers: dict[str, str], document: Any = None) -> Reply:
    given = spec_order() if document is None else document
    return spec(sandbox, headers, "POST", "/orders", given)


def told(sandbox: SandboxProcess, headers: dict[str, str], number: str = NUMBER) -> Reply:
    return spec(sandbox, headers, "GET", f"/orders/{number}/fulfillment")


# --- who may call


def test_a_token_is_given_for_client_credentials_alone(host: SandboxProcess) -> None:
    seed_real(host)
    reply = spec_token(host)
    assert reply.status == 200
    assert {k: v for k, v in reply.json.items() if k != "access_token"} == {
        "token_type": "Bearer",
        "expires_in": 3_600,
    }
    for form, status, name in (
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": "nobody"}, 401, "invalid_client"),
        ({"client_id": "qk_real"}, 401, "invalid_client"),
    ):
        reply = spec_token(host, **form)
        assert (reply.status, reply.json["error"]) == (status, name)
    pair = base64.b64encode(f"{SPEC}:{SECRET}".encode()).decode()
    headers = {**FORM, "Authorization": f"Basic {pair}"}
    body = b"grant_type=client_credentials"
    assert call(host, "POST", "/qikink_spec/oauth/token", body, headers).status == 200
    assert call(host, "POST", "/qikink_spec/oauth/token", body, {}).status == 400


def test_a_call_needs_a_live_token_and_the_client_id(host: SandboxProcess) -> None:
    headers = spec_entered(host)
    second = spec_entered(host)
    assert [told(host, given).status for given in (headers, second)] == [404, 404]
    for wrong in (
        {"X-Client-ID": ""},
        {"X-Client-ID": "nobody"},
        {"Authorization": headers["Authorization"].removeprefix("Bearer ")},
        {"Authorization": headers["Authorization"].replace("Bearer", "Basic")},
        {"Authorization": "Bearer nothing"},
    ):
        reply = told(host, {**headers, **wrong})
        assert (reply.status, reply.code) == (401, "UNAUTHORIZED")
    seed_spec(host, tokens="one")
    third = spec_entered(host)
    assert [told(host, given).status for given in (headers, second, third)] == [401, 401, 404]
    host.clock(3_601)
    assert told(host, third).status == 401


def signed(sandbox: SandboxProcess, headers: dict[str, str], secret: str, **more: str) -> Reply:
    body, now, nonce = json.dumps(spec_order()), str(int(time.time())), "nonce-1234567890"
    digest = hashlib.sha256(body.encode()).hexdigest()
    text = f"TRK1-HMAC-SHA256\nPOST\n/api/v1/orders\n\n{now}\n{nonce}\n{digest}"
    signature = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    given = {
        "X-Timestamp": now,
        "X-Nonce": nonce,
        "X-Content-SHA256": digest,
        "X-Signature": f"v1={signature}",
    }
    return post(sandbox, {**headers, **given, **more}, body.encode())


def test_a_signature_is_asked_for_where_the_account_says(host: SandboxProcess) -> None:
    seed_spec(host, signing="canonical_v1", previous_secret="old_obviously_fake")
    headers = spec_entered(host)
    for reply in (
        post(host, headers),
        signed(host, headers, "wrong"),
        signed(host, headers, SECRET, **{"X-Content-SHA256": "0" * 64}),
        told(host, headers),
    ):
        assert (reply.status, reply.code) == (401, "INVALID_SIGNATURE")
    assert signed(host, headers, SECRET).status == 200
    reply = signed(host, headers, SECRET)
    assert "X-Nonce" in reply.json["error"]["message"]
    assert len(host.qikink("orders")) == 1


# --- products


def test_products_are_taken_one_by_one(host: SandboxProcess) -> None:
    headers = spec_entered(host)
    wrong = [
        {name: value for name, value in PRODUCT.items() if name != gone}
        for gone in ("manufacturer", "origin", "name", "price", "sku")
    ]
    odd = [{**PRODUCT, "price": "dear"}, {**PRODUCT, "stock_quantity": 1.5}, {**PRODUCT, "sku": 5}]
    host.scenario("item_error", sku="BUSY", error="Try again later", match={"path": "/sync"})
    products = [PRODUCT, *wrong, *odd, "none", {**PRODUCT, "sku": "BUSY"}, {**PRODUCT, "sku": "B"}]
    reply = spec(host, headers, "POST", "/products/sync", {"products": products})
    assert reply.status == 200
    assert reply.json["products_synced"] == 2
    assert reply.json["sync_timestamp"].endswith("Z")
    assert [row["error"] for row in reply.json["failed"]] == [
        *(f"Missing field: {name}" for name in ("manufacturer", "origin", "name", "price", "sku")),
        *(f"Invalid field: {name}" for name in ("price", "stock_quantity", "sku")),
        "Invalid product",
        "Try again later",
    ]
    assert reply.json["failed"][0]["sku"] == "TEE-M"
    assert set(host.qikink("products")[SPEC]) == {"TEE-M", "B"}
    shown = host.state("qikink", SPEC)["TEE-M"]
    assert (shown["price"], shown["currency"], shown["stock_status"]) == ("649.50", "INR", 7)
    seed_spec(host, max_items=1)
    for document, status in (
        ({"products": [PRODUCT] * 2}, 413),
        ({"products": {}}, 400),
        ([], 400),
        (b"{", 400),
    ):
        assert spec(host, headers, "POST", "/products/sync", document).status == status


# --- orders


def test_an_order_posted_twice_is_made_twice(host: SandboxProcess) -> None:
    headers = spec_entered(host)
    first, second = post(host, headers).json, post(host, headers).json
    assert first == {
        "status": "success",
        "qikink_shipment_id": "QK-SHIP-13254",
        "qikink_order_id": "QK-13254",
        "tracking_id": "TRK-13254",
    }
    assert second["qikink_shipment_id"] == "QK-SHIP-13255"
    assert told(host, headers).json["qikink_shipment_id"] == "QK-SHIP-13255"
    made = host.qikink("orders", client_id=SPEC)
    assert [(kept["asked"], kept["created"], kept["looked_up"]) for kept in made] == [
        (2, 2, 0),
        (2, 2, 1),
    ]
    assert all(kept["address"] for kept in made)
    assert not any(value in str(made) for value in PERSON)


def test_a_repeated_order_is_recognised_where_the_account_says(host: SandboxProcess) -> None:
    seed_spec(host, idempotency="key")
    headers = spec_entered(host)
    keyed = {**headers, "Idempotency-Key": "one"}
    answers = [post(host, keyed).json for _ in range(3)]
    assert answers == answers[:1] * 3
    reply = post(host, keyed, spec_order(total_amount=1))
    assert (reply.status, reply.code) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert len(host.qikink("orders")) == 1
    assert post(host, {**headers, "Idempotency-Key": "two"}).status == 200
    assert host.qikink("accounts")[SPEC]["repeated"] == 2
    seed_spec(host, idempotency="none", duplicates="refuse")
    reply = post(host, keyed)
    assert (reply.status, reply.code) == (409, "DUPLICATE_ORDER")
    assert len(host.qikink("orders")) == 2


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        *(
            ({name: None}, f"Missing field: {name}")
            for name in ("order_id", "customer_email", "shipping_address", "items", "total_amount")
        ),
        ({"shipping_address": {"city": "Chennai"}}, "shipping_address"),
        ({"order_id": ["a"]}, "order_id"),
        ({"items": []}, "Missing field: items"),
        ({"items": {"sku": "TEE-M"}}, "items"),
        ({"items": [{"quantity": 1}]}, "Missing field: sku"),
        ({"items": [{"sku": "TEE-M", "quantity": 0}]}, "quantity"),
        ({"items": [{"sku": "OTHER", "quantity": 1}]}, "Unknown SKU"),
        ({"total_amount": "much"}, "total_amount"),
    ],
)
def test_a_wrong_order_is_refused_by_the_name_of_the_field(
    fresh_sandbox: SandboxProcess, wrong: dict[str, Any], words: str
) -> None:
    seed_spec(fresh_sandbox, skus=["TEE-M"])
    reply = post(fresh_sandbox, spec_entered(fresh_sandbox), spec_order(**wrong))
    assert (reply.status, reply.code) == (400, "INVALID_REQUEST")
    assert words in reply.json["error"]["message"]
    assert not any(value in reply.body.decode() for value in PERSON)
    assert fresh_sandbox.qikink("orders") == []
    assert fresh_sandbox.qikink("accounts")[SPEC]["refused"] == 1


def test_fulfilment_is_told_with_every_event(fresh_sandbox: SandboxProcess) -> None:
    seed_spec(fresh_sandbox, step_s=100)
    headers = spec_entered(fresh_sandbox)
    post(fresh_sandbox, headers)
    document = told(fresh_sandbox, headers).json
    day = document["estimated_delivery"]
    assert (document["status"], document["tracking_number"]) == ("created", None)
    assert [event["event"] for event in document["events"]] == ["order_received"]
    fresh_sandbox.clock(350)
    document = told(fresh_sandbox, headers).json
    assert (document["status"], document["tracking_number"]) == ("ready_to_ship", "TRK-13254")
    fresh_sandbox.change_qikink(NUMBER, estimated_delivery="2027-01-01", location="Erode")
    fresh_sandbox.clock(1_000)
    document = told(fresh_sandbox, headers).json
    assert (document["order_id"], document["status"]) == (NUMBER, "delivered")
    assert document["estimated_delivery"] == "2027-01-01" != day
    assert [event["event"] for event in document["events"]] == [
        "order_received",
        "order_synced",
        "order_processing",
        "ready_to_ship",
        "shipped",
        "out_for_delivery",
        "delivered",
    ]
    times = [event["timestamp"] for event in document["events"]]
    assert times == sorted(times)
    assert document["last_update"] == times[-1]
    assert told(fresh_sandbox, headers, "nobody").code == "ORDER_NOT_FOUND"


def test_what_was_made_and_what_was_not_when_an_answer_is_lost(host: SandboxProcess) -> None:
    headers, where = spec_entered(host), {"path": "/api/v1/orders"}
    lost: dict[str, dict[str, Any]] = {
        "apply_then_hang": {"seconds": 30},
        "apply_then_reset": {"reset": True},
        "reset": {},
    }
    for kind, more in lost.items():
        host.scenario(kind, match=where, **more)
        with pytest.raises((TimeoutError, ConnectionResetError)):
            spec(host, headers, "POST", "/orders", spec_order(kind), timeout=0.1)
    not_made: dict[str, dict[str, Any]] = {
        "status": {"status": 503},
        "html_200": {},
        "drop_silently": {},
    }
    for kind, more in not_made.items():
        host.scenario(kind, match=where, **more)
        post(host, headers, spec_order(kind))
    host.scenario("retry_after", form="body", value=9, match=where)
    assert post(host, headers).json["error"]["retry_after"] == 9
    made = [kept["order_number"] for kept in host.qikink("orders")]
    assert made == ["apply_then_hang", "apply_then_reset"]
    seed_spec(host, down=True)
    assert [post(host, headers).status, spec_token(host).status] == [503, 503]


def test_unknown_paths_methods_and_limits_are_told(host: SandboxProcess) -> None:
    headers = spec_entered(host)
    assert spec(host, headers, "GET", "/shipments/1/status").status == 404
    reply = spec(host, headers, "GET", "/orders")
    assert (reply.status, reply.headers["allow"]) == (405, "POST")
    assert post(host, {**headers, "Content-Type": "text/plain"}).status == 415
    seed_spec(host, per_minute=2)
    statuses = [told(host, headers).status for _ in range(3)]
    assert statuses == [404, 404, 429]
    assert int(told(host, headers).headers["retry-after"]) > 50
