"""Tracker KE's price endpoints: results by position, exact prices, traps of the contract."""

from __future__ import annotations

from typing import Any

import pytest

from marketsync_dagster_tests.sandbox.calls import (
    KEY,
    batch,
    call,
    price,
    seed_tracker,
    tracker,
)
from marketsync_dagster_tests.sandbox_process import SandboxProcess


def test_health_needs_no_key(fresh_sandbox: SandboxProcess) -> None:
    reply = tracker(fresh_sandbox, "GET", "/health", headers={})
    assert reply.status == 200
    assert reply.json["status"] == "healthy"
    assert reply.json["version"] == "1.0.0"
    assert reply.json["timestamp"].endswith("Z")


def test_a_batch_answers_by_position_and_stores_what_it_took(fresh_sandbox: SandboxProcess) -> None:
    seed_tracker(fresh_sandbox)
    reply = batch(
        fresh_sandbox,
        price("prod_1", 60, location="Westlands Branch", stock_status="limited_stock"),
        price("prod_none", 5),
        price("prod_2", 120.25),
    )
    assert reply.status == 200
    assert reply.data == {
        "processed": 3,
        "successful": 2,
        "failed": 1,
        "results": [
            {"product_id": "prod_1", "status": "updated", "price": 60},
            {"product_id": "prod_none", "status": "failed", "error": "Product not found"},
            {"product_id": "prod_2", "status": "updated", "price": 120.25},
        ],
    }
    shown = fresh_sandbox.state("tracker_ke", "mart")
    assert {item: row["price"] for item, row in shown.items()} == {
        "prod_1": "60.00",
        "prod_2": "120.25",
    }
    assert shown["prod_1"]["location"] == "Westlands Branch"
    assert shown["prod_1"]["stock_status"] == "limited_stock"
    assert shown["prod_2"]["stock_status"] == "in_stock"


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (price(amount=0), ("prod_1", "Missing product_id or price")),
        (price(amount=None), ("prod_1", "Missing product_id or price")),
        (price(amount=""), ("prod_1", "Missing product_id or price")),
        ({"price": 5}, ("unknown", "Missing product_id or price")),
        ({"product_id": "", "price": 5}, ("unknown", "Missing product_id or price")),
        (price(amount="60.50"), ("prod_1", "Invalid price")),
        (price(amount=-1), ("prod_1", "Invalid price")),
        (price(amount=True), ("prod_1", "Invalid price")),
        (price(amount=[1]), ("prod_1", "Invalid price")),
        (price(amount=10**30), ("prod_1", "Invalid price")),
        (price("prod_x"), ("prod_x", "Product not found")),
        ("text", ("unknown", "Missing product_id or price")),
        (None, ("unknown", "Internal error")),
    ],
)
def test_a_bad_item_gets_the_servers_words_and_leaves_the_others_alone(
    fresh_sandbox: SandboxProcess, item: Any, expected: tuple[str, str]
) -> None:
    seed_tracker(fresh_sandbox)
    reply = batch(fresh_sandbox, item, price("prod_2", 7))
    first, second = reply.data["results"]
    assert (first["product_id"], first["error"]) == expected
    assert second["status"] == "updated"
    assert list(fresh_sandbox.state("tracker_ke", "mart")) == ["prod_2"]


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (b"60.00", "60.00"),
        (b"60", "60.00"),
        (b"60.005", "60.005"),
        (b"0.30000000000000004", "0.30000000000000004"),
        (b"1.5e3", "1500.00"),
        (b"99999999999999.99", "99999999999999.99"),
    ],
)
def test_a_price_is_kept_exactly_as_written(
    fresh_sandbox: SandboxProcess, written: bytes, shown: str
) -> None:
    seed_tracker(fresh_sandbox)
    body = b'{"prices":[{"product_id":"prod_1","currency":"KES","price":' + written + b"}]}"
    assert tracker(fresh_sandbox, "POST", "/prices/batch", body).data["failed"] == 0
    assert fresh_sandbox.state("tracker_ke", "mart")["prod_1"]["price"] == shown


@pytest.mark.parametrize(("currency", "shown"), [("JPY", "60"), ("KWD", "60.000")])
def test_a_price_shows_the_decimals_of_its_currency(
    fresh_sandbox: SandboxProcess, currency: str, shown: str
) -> None:
    seed_tracker(fresh_sandbox)
    batch(fresh_sandbox, {"product_id": "prod_1", "price": 60, "currency": currency})
    assert fresh_sandbox.state("tracker_ke", "mart")["prod_1"]["price"] == shown


def test_the_last_branch_of_a_supermarket_wins(fresh_sandbox: SandboxProcess) -> None:
    seed_tracker(fresh_sandbox)
    batch(fresh_sandbox, price(amount=60, location="Westlands"))
    batch(fresh_sandbox, price(amount=65, location="Kilimani"))
    shown = fresh_sandbox.state("tracker_ke", "mart")["prod_1"]
    assert (shown["price"], shown["location"]) == ("65.00", "Kilimani")
    locations = [write["location"] for write in fresh_sandbox.history(item="prod_1")]
    assert locations == ["Westlands", "Kilimani"]


def test_two_keys_of_one_supermarket_write_the_same_price(fresh_sandbox: SandboxProcess) -> None:
    seed_tracker(fresh_sandbox)
    seed_tracker(fresh_sandbox, api_key="pk_live_other")
    batch(fresh_sandbox, price(amount=60))
    batch(fresh_sandbox, price(amount=61), headers={"Authorization": "Bearer pk_live_other"})
    assert fresh_sandbox.state("tracker_ke", "mart")["prod_1"]["price"] == "61.00"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'{"prices":{}}', b'{"prices":[]}', b'{"prices":[NaN]}']
)
def test_a_malformed_batch_is_refused_as_a_whole(
    fresh_sandbox: SandboxProcess, body: bytes
) -> None:
    seed_tracker(fresh_sandbox)
    reply = tracker(fresh_sandbox, "POST", "/prices/batch", body)
    assert (reply.status, reply.code) == (400, "INVALID_REQUEST")
    assert fresh_sandbox.history() == []


@pytest.mark.parametrize(("plan", "most"), [("demo", 10), ("standard", 100), ("premium", 500)])
def test_a_plan_limits_the_items_of_a_batch(
    fresh_sandbox: SandboxProcess, plan: str, most: int
) -> None:
    seed_tracker(fresh_sandbox, plan=plan)
    short = {"product_id": "prod_1", "price": 5}
    assert batch(fresh_sandbox, *[short] * most).status == 200
    reply = batch(fresh_sandbox, *[short] * (most + 1))
    assert reply.status == 400
    assert reply.json["error"]["message"] == f"Maximum {most} prices per batch"


def test_a_body_over_100_kb_is_answered_with_a_web_page(fresh_sandbox: SandboxProcess) -> None:
    seed_tracker(fresh_sandbox)
    filler = {"metadata": {"text": "x" * 102_400}}
    reply = batch(fresh_sandbox, price(), {**price("prod_2"), **filler})
    assert reply.status == 413
    assert reply.headers["content-type"].startswith("text/html")
    assert b"<html" in reply.body
    assert fresh_sandbox.history() == []


def test_a_single_price_tells_the_previous_one_and_the_change(
    fresh_sandbox: SandboxProcess,
) -> None:
    seed_tracker(fresh_sandbox)
    first = tracker(fresh_sandbox, "POST", "/prices/single", price(amount=55)).data
    assert (first["previous_price"], first["price_change_percentage"]) == (None, 0)
    second = tracker(fresh_sandbox, "POST", "/prices/single", price(amount=60)).data
    assert second["product_id"] == "prod_1"
    assert (second["price"], second["previous_price"]) == (60, 55)
    assert second["price_change_percentage"] == 9.09
    assert second["updated_at"].endswith("Z")


@pytest.mark.parametrize(
    ("item", "status", "code"),
    [
        (price(amount=0), 400, "INVALID_REQUEST"),
        ({"price": 1}, 400, "INVALID_REQUEST"),
        (price(amount="60"), 400, "INVALID_REQUEST"),
        (price("prod_x"), 404, "NOT_FOUND"),
        ([price()], 400, "INVALID_REQUEST"),
    ],
)
def test_a_bad_single_price_is_an_http_error(
    fresh_sandbox: SandboxProcess, item: Any, status: int, code: str
) -> None:
    seed_tracker(fresh_sandbox)
    reply = tracker(fresh_sandbox, "POST", "/prices/single", item)
    assert (reply.status, reply.code, reply.json["success"]) == (status, code, False)
    assert fresh_sandbox.history() == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer pk_live_unknown"},
        {"Authorization": KEY},
        {"Authorization": f"Basic {KEY}"},
        {"Authorization": f"Bearer {KEY[:-1]}"},
    ],
)
def test_without_a_known_key_nothing_is_done(
    fresh_sandbox: SandboxProcess, headers: dict[str, str]
) -> None:
    seed_tracker(fresh_sandbox)
    for method, path in (("GET", "/products"), ("POST", "/prices/batch")):
        reply = tracker(fresh_sandbox, method, path, headers=headers)
        assert (reply.status, reply.code) == (401, "UNAUTHORIZED")


def test_a_key_does_only_what_its_scopes_say(fresh_sandbox: SandboxProcess) -> None:
    seed_tracker(fresh_sandbox, scopes=["products:read"])
    assert tracker(fresh_sandbox, "GET", "/products").status == 200
    reply = batch(fresh_sandbox, price())
    assert (reply.status, reply.code) == (403, "FORBIDDEN")
    assert "prices:write" in reply.json["error"]["message"]
    assert tracker(fresh_sandbox, "POST", "/products/sync", {}).status == 403


def test_unknown_paths_are_a_json_404(fresh_sandbox: SandboxProcess) -> None:
    seed_tracker(fresh_sandbox)
    for path in ("/tracker_ke/api/v1/nothing", "/tracker_ke/v1/products", "/", "/elsewhere"):
        reply = call(fresh_sandbox, "GET", path)
        assert (reply.status, reply.code) == (404, "NOT_FOUND")
    assert tracker(fresh_sandbox, "GET", "/prices/batch").status == 404
