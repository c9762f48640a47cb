"""Reading Mirakl back: the catalogue by barcode, what the shop shows, while it moves."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from marketsync_dagster.platforms.base import Adapter, CatalogPage, PlatformError, ShownPrice
from marketsync_dagster.platforms.mirakl.offers import references_of, shown
from marketsync_dagster.values.outcomes import Outcome, StockStatus
from marketsync_dagster_tests.platforms.mirakl.shop import sent, work
from marketsync_dagster_tests.sandbox.mirakl import SHOP, seed_market
from marketsync_dagster_tests.sandbox_process import SandboxProcess

IN, OUT = StockStatus.IN_STOCK, StockStatus.OUT_OF_STOCK
EAN1, EAN2, UPC3 = "6160000000001", "6160000000002", "060000000003"


@pytest.fixture
def shop(fresh_sandbox: SandboxProcess) -> SandboxProcess:
    seed_market(fresh_sandbox)
    return fresh_sandbox


def many(sandbox: SandboxProcess, count: int) -> None:
    """So many offers more, of one product, each under a name of its own."""
    offer = {"shop_id": SHOP, "product_sku": "P1", "quantity": 1}
    offers = [{**offer, "shop_sku": f"N{n:04}", "price": f"{n + 1}.00"} for n in range(count)]
    sandbox.seed({"mirakl": {"offers": offers}})


async def pages(adapter: Adapter, *args: Any, **more: Any) -> list[CatalogPage]:
    return [page async for page in adapter.read_catalog(*args, **more)]


async def listed(adapter: Adapter) -> list[ShownPrice]:
    return [row async for page in adapter.list_shown() for row in page.rows]


def calls(sandbox: SandboxProcess, path: str) -> int:
    return sum(call["path"] == f"/mirakl/api{path}" for call in sent(sandbox))


@pytest.mark.parametrize(
    ("barcode", "kinds", "asked"),
    [
        (EAN1, ["EAN", "UPC"], [("EAN", EAN1)]),
        (UPC3, ["EAN", "UPC"], [("EAN", f"0{UPC3}"), ("UPC", UPC3)]),
        (f"0{UPC3}", ["EAN", "UPC"], [("EAN", f"0{UPC3}"), ("UPC", UPC3)]),
        (f"00{UPC3}", ["UPC"], [("UPC", UPC3)]),
        (f"0{UPC3}", ["EAN"], [("EAN", f"0{UPC3}")]),
        (EAN1, ["UPC"], [("UPC", EAN1)]),
        ("96385074", ["EAN", "UPC"], [("EAN", "96385074")]),
        ("16160000000008", ["EAN", "UPC"], [("EAN", "16160000000008")]),
        ("616|0", ["EAN"], []),
        ("616,000000001", ["EAN"], []),
        ("٦١٦٠٠٠٠٠٠٠٠٠١", ["EAN"], []),
        ("123", ["EAN", "UPC"], []),
        ("", ["EAN", "UPC"], []),
    ],
)
def test_a_barcode_is_asked_for_as_what_it_can_be(
    barcode: str, kinds: list[str], asked: list[tuple[str, str]]
) -> None:
    assert references_of(barcode, kinds) == asked


def test_products_are_found_by_barcode_and_offers_under_their_own_names(
    shop: SandboxProcess,
) -> None:
    barcodes = [EAN1, UPC3, "4006381333931", "no barcode", EAN1]
    read = work(shop, lambda a: pages(a, barcodes=barcodes))
    rows = [row for page in read for row in page.rows]
    products = [(r["platform_id"], r["barcode"]) for r in rows if r["platform_sku"] is None]
    assert products == [("P1", EAN1), ("P3", UPC3)]
    offers = {r["platform_sku"]: r for r in rows if r["platform_sku"] is not None}
    assert offers.keys() == {"S1", "S2", "S3"}
    assert offers["S2"] == {
        "platform_id": "P2",
        "platform_sku": "S2",
        "name": "Maize flour 2 kg",
        "barcode": EAN2,
        "brand": "Soko",
        "category": "FLOUR",
    }
    assert [len(page.calls) for page in read] == [1, 1]


def test_a_hundred_references_go_in_one_call(shop: SandboxProcess) -> None:
    numbers = [f"{n:013}" for n in range(6_160_000_000_000, 6_160_000_000_101)]
    found = work(shop, lambda a: pages(a, barcodes=numbers))
    assert calls(shop, "/products") == 2
    assert sum(row["platform_sku"] is None for page in found for row in page.rows) == 3
    work(shop, lambda a: pages(a))  # without barcodes there is nothing to ask
    assert calls(shop, "/products") == 2


@pytest.mark.parametrize(
    ("search", "found", "products"),
    [("S2", ["P2"], 0), (EAN2, ["P2"], 1), (UPC3, ["P3"], 1), ("nothing", [], 0)],
)
def test_a_search_is_for_a_name_or_a_barcode(
    shop: SandboxProcess, search: str, found: list[str], products: int
) -> None:
    read = work(shop, lambda a: pages(a, search))
    assert [row["platform_id"] for page in read for row in page.rows] == found
    assert (calls(shop, "/products"), calls(shop, "/offers")) == (products, 1)


@pytest.mark.parametrize(("count", "asked"), [(96, 1), (97, 2), (98, 2), (198, 3)])
def test_every_page_is_read_to_the_end(shop: SandboxProcess, count: int, asked: int) -> None:
    many(shop, count)
    rows = work(shop, listed)
    assert len({row.platform_sku for row in rows}) == len(rows) == count + 3
    assert calls(shop, "/offers") == asked
    assert {"max=100", "sort=productTitle"} <= set(sent(shop)[0]["query"].split("&"))


def test_a_total_that_says_too_much_or_nothing_ends_with_an_empty_page(
    shop: SandboxProcess,
) -> None:
    for total in (250, None, "3"):
        offers = [{"shop_sku": f"A{n}", "product_sku": "P"} for n in range(3)]
        body: dict[str, Any] = {"offers": offers, "total_count": total}
        shop.scenario("status", status=200, body=body)
        rows = work(shop, listed)
        assert len({row.platform_sku for row in rows}) == 3


def test_a_catalogue_that_moves_is_read_once_more(shop: SandboxProcess) -> None:
    many(shop, 120)
    shop.scenario("duplicate_page", match={"path": "/mirakl/api/offers", "nth": 2})
    rows = [row for page in work(shop, pages) for row in page.rows]
    names = [row["platform_sku"] for row in rows]
    assert len(names) == len(set(names)) == 123
    assert calls(shop, "/offers") > 2


def test_what_the_shop_shows_is_read_with_price_quantity_and_name(shop: SandboxProcess) -> None:
    shop.change_offers({"shop_id": SHOP, "shop_sku": "S2", "quantity": 0, "price": "19.99"})
    asked = ["S2", "a/b&c=d", "S1"]
    second, missing, first = work(shop, lambda a: a.read_prices(asked))
    assert first._replace(calls=()) == ShownPrice(
        "P1", Decimal("10.00"), "KES", IN, platform_sku="S1", quantity=5
    )
    assert (second.price, second.quantity, second.stock_status) == (Decimal("19.99"), 0, OUT)
    assert second.message == "inactive: ZERO_QUANTITY"
    assert (missing.price, missing.platform_sku) == (None, "a/b&c=d")
    assert missing.message == "the shop has no such offer"
    assert [len(one.calls) for one in (first, second, missing)] == [1, 1, 1]
    assert {row.platform_sku: row.price for row in work(shop, listed)} == {
        "S1": Decimal("10.00"),
        "S2": Decimal("19.99"),
        "S3": Decimal("30.00"),
    }


def test_a_name_that_only_resembles_ours_is_not_ours(shop: SandboxProcess) -> None:
    body = {"offers": [{"shop_sku": "s1", "product_sku": "P1", "price": 1}], "total_count": 1}
    shop.scenario("status", status=200, body=body)
    (one,) = work(shop, lambda a: a.read_prices(["S1"]))
    assert one.price is None


@pytest.mark.parametrize(
    ("offer", "expected"),
    [
        (
            {"price": Decimal("12.5"), "quantity": 3, "active": True},
            (Decimal("12.5"), IN, 3, ""),
        ),
        ({"price": 12, "quantity": 0, "active": True}, (Decimal(12), OUT, 0, "")),
        (
            {"price": 12, "quantity": 3, "active": False, "inactivity_reasons": ["SHOP_CLOSED"]},
            (Decimal(12), OUT, 3, "inactive: SHOP_CLOSED"),
        ),
        ({"price": 12}, (Decimal(12), None, None, "")),
        (
            {"price": "12.5", "quantity": True},
            (None, None, None, "the platform shows a price that is no number"),
        ),
        (
            {"all_prices": [{"channel_code": "KE", "price": 9}, {"price": Decimal("7.10")}]},
            (Decimal("7.10"), None, None, ""),
        ),
        (
            {"all_prices": {"price": 1}},
            (None, None, None, "the platform shows a price that is no number"),
        ),
    ],
)
def test_an_offer_is_shown_as_it_is(offer: dict[str, Any], expected: tuple[Any, ...]) -> None:
    one = shown({"shop_sku": "S1", "product_sku": "P1", **offer})
    assert one is not None
    assert (one.price, one.stock_status, one.quantity, one.message) == expected
    assert shown({"product_sku": "P1", **offer}) is None
    assert shown(["S1"]) is None


READS = {
    "catalogue": lambda a: pages(a, barcodes=[EAN1]),
    "list": listed,
    "prices": lambda a: a.read_prices(["S1"]),
}


@pytest.mark.parametrize("what", READS)
@pytest.mark.parametrize(
    ("fault", "times", "outcome"),
    [
        ({"status": 503}, 2, None),
        ({"status": 200, "body": "<html>"}, 2, None),
        ({"status": 429, "headers": {"retry-after": "0"}}, 2, None),
        ({"status": 503}, 3, Outcome.RETRYABLE),
        ({"status": 401}, 1, Outcome.AUTH_FAILED),
        ({"status": 403}, 1, Outcome.REFUSED),
        ({"status": 200, "body": {"hello": 1}}, 1, Outcome.REFUSED),
    ],
)
def test_a_read_is_tried_again_where_that_can_help(
    shop: SandboxProcess, what: str, fault: dict[str, Any], times: int, outcome: Outcome | None
) -> None:
    shop.scenario("status", **fault, times=times)
    if outcome is None:
        assert work(shop, READS[what])
        return
    with pytest.raises(PlatformError) as caught:
        work(shop, READS[what])
    assert caught.value.outcome is outcome
    assert len(caught.value.calls) == times
