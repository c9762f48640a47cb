"""Tracker KE's catalogue: paging, search, demo keys, current prices, sync."""

from __future__ import annotations

from typing import Any

import pytest

from marketsync_dagster_tests.sandbox.calls import (
    DEMO_KEY,
    KEY,
    batch,
    price,
    seed_tracker,
    tracker,
)
from marketsync_dagster_tests.sandbox_process import SandboxProcess

DEMO = {"Authorization": f"Bearer {DEMO_KEY}"}


def seed_many(sandbox: SandboxProcess, count: int) -> None:
    products = [{"id": f"p{i:04}", "name": f"Soap {i}", "category": "Home"} for i in range(count)]
    account = {"api_key": KEY, "supermarket_id": "mart", "plan": "unlimited"}
    sandbox.seed({"tracker_ke": {"accounts": [account], "products": products}})


@pytest.mark.parametrize(
    ("query", "limit", "offset", "count"),
    [
        ("", 50, 0, 50),
        ("?limit=20&offset=100", 20, 100, 20),
        ("?limit=100&offset=60", 100, 60, 65),
        ("?limit=1000", 100, 0, 100),
        ("?limit=0", 50, 0, 50),
        ("?limit=abc&offset=xyz", 50, 0, 50),
        ("?limit=-5&offset=-7", 1, 0, 1),
        ("?offset=125", 50, 125, 0),
        ("?offset=999999999999999999", 50, 999999999999, 0),
    ],
)
def test_pages_are_cut_as_the_server_cuts_them(
    fresh_sandbox: SandboxProcess, query: str, limit: int, offset: int, count: int
) -> None:
    seed_many(fresh_sandbox, 125)
    data = tracker(fresh_sandbox, "GET", f"/products{query}").data
    assert len(data["products"]) == count
    assert data["pagination"] == {
        "total": 125,
        "limit": limit,
        "offset": offset,
        "has_more": offset + limit < 125,
    }


def test_all_pages_together_are_the_catalogue(fresh_sandbox: SandboxProcess) -> None:
    seed_many(fresh_sandbox, 125)
    seen: list[str] = []
    while True:
        page = tracker(fresh_sandbox, "GET", f"/products?limit=50&offset={len(seen)}").data
        seen += [product["id"] for product in page["products"]]
        if not page["pagination"]["has_more"]:
            break
    assert seen == [f"p{i:04}" for i in range(125)]


def test_a_product_is_listed_with_all_its_fields(fresh_sandbox: SandboxProcess) -> None:
    product: dict[str, Any] = {
        "id": "prod_9",
        "name": "Coca Cola 500ml",
        "category": "Beverages",
        "brand": "Coca Cola",
        "barcode": "5449000000996",
        "unit_size": "500ml",
        "image": "https://example.invalid/coke.jpg",
        "attributes": {"pack_size": 1},
    }
    seed_tracker(fresh_sandbox)
    fresh_sandbox.seed({"tracker_ke": {"products": [product]}})
    found = tracker(fresh_sandbox, "GET", "/products?search=5449000000996").data["products"]
    assert found == [product]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("search=FLOUR%202", ["prod_2"]),
        ("search=6160000000003", ["prod_3"]),
        ("search=nothing", []),
        ("category=Flour", ["prod_1", "prod_2", "prod_3"]),
        ("category=flour", []),
        ("category=Flour&search=1%20kg", ["prod_1"]),
    ],
)
def test_products_are_found_by_name_barcode_and_category(
    fresh_sandbox: SandboxProcess, query: str, ids: list[str]
) -> None:
    seed_tracker(fresh_sandbox)
    data = tracker(fresh_sandbox, "GET", f"/products?{query}").data
    assert [product["id"] for product in data["products"]] == ids


def test_a_demo_key_sees_demo_products_only_but_may_price_any(
    fresh_sandbox: SandboxProcess,
) -> None:
    seed_tracker(fresh_sandbox)
    demo = {"api_key": DEMO_KEY, "supermarket_id": "demo_mart", "demo": True}
    product = {"id": "prod_demo", "name": "Demo", "demo": True}
    fresh_sandbox.seed({"tracker_ke": {"accounts": [demo], "products": [product]}})
    listed = tracker(fresh_sandbox, "GET", "/products", headers=DEMO).data["products"]
    assert [entry["id"] for entry in listed] == ["prod_demo"]
    assert tracker(fresh_sandbox, "GET", "/products/prod_1", headers=DEMO).status == 404
    assert tracker(fresh_sandbox, "GET", "/products/prod_demo").status == 404
    assert batch(fresh_sandbox, price("prod_1"), headers=DEMO).data["failed"] == 0


def test_one_product_shows_the_price_of_every_supermarket(fresh_sandbox: SandboxProcess) -> None:
    seed_tracker(fresh_sandbox)
    other = {"api_key": "pk_live_other", "supermarket_id": "other_mart"}
    fresh_sandbox.seed({"tracker_ke": {"accounts": [other]}})
    batch(fresh_sandbox, price(amount=60, location="Westlands"))
    batch(fresh_sandbox, price(amount=70), headers={"Authorization": "Bearer pk_live_other"})
    data = tracker(fresh_sandbox, "GET", "/products/prod_1").data
    assert data["current_prices"]["mart"]["price"] == 60
    assert data["current_prices"]["mart"]["location"] == "Westlands"
    assert data["current_prices"]["other_mart"]["price"] == 70
    assert data["price_range"] == {"min": 60, "max": 70, "average": 65}
    assert tracker(fresh_sandbox, "GET", "/products/prod_2").data["current_prices"] == {}


def test_an_unknown_product_is_not_found(fresh_sandbox: SandboxProcess) -> None:
    seed_tracker(fresh_sandbox)
    for path in ("/products/nothing", "/products/prod_1%2F", "/products/%00"):
        assert tracker(fresh_sandbox, "GET", path).code == "NOT_FOUND"


def sync(sandbox: SandboxProcess, *products: Any) -> Any:
    return tracker(sandbox, "POST", "/products/sync", {"products": list(products)}).data


def test_sync_matches_by_barcode_and_creates_the_rest(fresh_sandbox: SandboxProcess) -> None:
    seed_tracker(fresh_sandbox)
    known = {"external_id": "A", "name": "Flour", "category": "F", "barcode": "6160000000001"}
    fresh = {"external_id": "B", "name": "Rice", "category": "F", "barcode": "6160000000099"}
    data = sync(fresh_sandbox, known, fresh)
    assert (data["created"], data["updated"], data["skipped"]) == (1, 1, 0)
    first, second = data["mappings"]
    assert first == {"external_id": "A", "tracker_id": "prod_1", "action": "updated"}
    assert (second["external_id"], second["action"]) == ("B", "created")
    again = sync(fresh_sandbox, fresh)
    assert again["mappings"][0]["tracker_id"] == second["tracker_id"]
    assert tracker(fresh_sandbox, "GET", "/products/prod_1").data["name"] == "Flour"


def test_sync_without_a_barcode_creates_the_product_again_each_time(
    fresh_sandbox: SandboxProcess,
) -> None:
    seed_tracker(fresh_sandbox)
    loose = {"external_id": "C", "name": "Loose tea", "category": "Tea"}
    ids = {sync(fresh_sandbox, loose)["mappings"][0]["tracker_id"] for _ in range(3)}
    assert len(ids) == 3
    assert tracker(fresh_sandbox, "GET", "/products?search=loose").data["pagination"]["total"] == 3


def test_sync_counts_what_lacks_a_name_or_category_and_maps_nothing_for_it(
    fresh_sandbox: SandboxProcess,
) -> None:
    seed_tracker(fresh_sandbox)
    data = sync(
        fresh_sandbox,
        {"external_id": "A", "name": "No category"},
        {"external_id": "B", "category": "No name"},
        "nonsense",
    )
    assert data == {"created": 0, "updated": 0, "skipped": 3, "mappings": []}


def test_sync_has_no_item_limit_below_100_kb(fresh_sandbox: SandboxProcess) -> None:
    seed_tracker(fresh_sandbox, plan="demo")
    products = [{"external_id": str(i), "name": "N", "category": "C"} for i in range(1_000)]
    assert sync(fresh_sandbox, *products)["created"] == 1_000
