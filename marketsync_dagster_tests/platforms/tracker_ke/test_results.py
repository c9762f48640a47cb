"""Tracker KE's answers are read item by item, and never believed beyond what they say."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from marketsync_dagster.platforms.tracker_ke.payloads import batch_body, price_row, product_row
from marketsync_dagster.platforms.tracker_ke.results import (
    catalog_row,
    failed_whole,
    price_results,
    product_results,
    single_result,
)
from marketsync_dagster.values.outcomes import Outcome, StockStatus
from marketsync_dagster_tests.platforms.support import price, product

ITEMS = [price("p1"), price("p2"), price("p3")]
A, R, T, U = Outcome.APPLIED, Outcome.REFUSED, Outcome.RETRYABLE, Outcome.UNKNOWN


def same(text: str) -> str:
    return text


def updated(product_id: Any, amount: Any = Decimal("60.0")) -> dict[str, Any]:
    return {"product_id": product_id, "status": "updated", "price": amount}


def failed(product_id: Any, error: Any) -> dict[str, Any]:
    return {"product_id": product_id, "status": "failed", "error": error}


P1, P2, P3 = updated("p1"), updated("p2"), updated("p3")


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ([P1, P2, P3], [A, A, A]),
        ([P1, failed("p2", "Product not found"), P3], [A, R, A]),
        ([P1, failed("p2", "Invalid price"), P3], [A, R, A]),
        ([P1, failed("p2", "Internal error"), P3], [A, T, A]),
        ([P1, failed("unknown", "Missing product_id or price"), P3], [A, R, A]),
        ([P1, failed("unknown", "Internal error"), P3], [A, T, A]),
        ([P1, failed("unknown", "Internal error")], [A, U, U]),
        ([P1, P2], [A, A, U]),
        ([P1, P3], [A, U, U]),
        ([P3, P2, P1], [U, A, U]),
        ([P1, P2, P3, P3], [A, A, A]),
        ([P1, updated("unknown"), P3], [A, U, A]),
        ([P1, updated(None), P3], [A, U, A]),
        ([P1, {"product_id": "p2", "status": "queued"}, P3], [A, U, A]),
        ([P1, {"product_id": "p2"}, P3], [A, U, A]),
        ([P1, "ok", P3], [A, U, A]),
        ([P1, failed("p2", {"code": 1}), P3], [A, R, A]),
        ([], [U, U, U]),
        (None, [U, U, U]),
        ({"p1": "updated"}, [U, U, U]),
        ([P1, updated("p2", Decimal("6000.00")), P3], [A, R, A]),
        ([P1, updated("p2", 60), P3], [A, A, A]),
        ([P1, updated("p2", None), P3], [A, A, A]),
    ],
)
def test_results_are_placed_by_position_and_believed_by_id(
    results: Any, expected: list[Outcome]
) -> None:
    document = {"success": True, "data": {"results": results}}
    found = price_results(document, ITEMS, same)
    assert [result.outcome for result in found] == expected
    assert all(result.message for result in found if result.outcome is not A)


def test_a_price_that_the_platform_changed_is_not_taken_for_applied() -> None:
    document = {"data": {"results": [updated("p1", Decimal(6000))]}}
    (result,) = price_results(document, ITEMS[:1], same)
    assert result.code == "PRICE_DIFFERS"
    assert result.message == "the platform took 6000 where 60.00 was sent"


@pytest.mark.parametrize("document", [{}, {"data": None}, {"data": []}, [], None, "ok"])
def test_an_answer_without_results_leaves_every_item_unknown(document: Any) -> None:
    assert [r.outcome for r in price_results(document, ITEMS, same)] == [U, U, U]


@pytest.mark.parametrize(
    ("document", "outcome"),
    [
        ({"success": True, "data": {}}, None),
        ({"data": {}}, None),
        ({"success": False, "error": {"code": "INVALID_REQUEST"}}, R),
        ({"success": False, "error": {"code": "UNAUTHORIZED"}}, Outcome.AUTH_FAILED),
        ({"success": False, "error": {"code": "RATE_LIMIT_EXCEEDED"}}, T),
        ({"success": False, "error": {"code": "SERVER_ERROR"}}, T),
        ({"success": False, "error": {"code": "SERVICE_UNAVAILABLE"}}, T),
        ({"success": False}, R),
        ([], U),
        (None, U),
    ],
)
def test_a_success_that_says_failure_is_a_failure(document: Any, outcome: Outcome | None) -> None:
    assert failed_whole(document) is outcome


@pytest.mark.parametrize(
    ("data", "outcome"),
    [
        ({"product_id": "p1", "price": Decimal(60)}, A),
        ({"product_id": "p1"}, A),
        ({"product_id": "p2", "price": 60}, U),
        ({"price": 60}, U),
        ({"product_id": "p1", "status": "failed", "error": "Invalid price"}, R),
        ({"product_id": "p1", "price": Decimal("60.01")}, R),
        (None, U),
    ],
)
def test_a_single_answer_is_checked_by_id_and_price(data: Any, outcome: Outcome) -> None:
    assert single_result({"success": True, "data": data}, ITEMS[0], same).outcome is outcome


def mapping(sku: Any, tracker_id: Any) -> dict[str, Any]:
    return {"external_id": sku, "tracker_id": tracker_id, "action": "created"}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"skipped": 0, "mappings": [mapping("a", "t1"), mapping("b", "t2")]}, [A, A]),
        ({"skipped": 0, "mappings": [mapping("b", "t2"), mapping("a", "t1")]}, [A, A]),
        ({"skipped": 1, "mappings": [mapping("a", "t1")]}, [A, R]),
        ({"skipped": 0, "mappings": [mapping("a", "t1")]}, [A, U]),
        ({"mappings": [mapping("a", "t1")]}, [A, U]),
        ({"skipped": 2, "mappings": []}, [R, R]),
        ({"skipped": 1, "mappings": [mapping("a", "t1"), mapping("b", None)]}, [A, R]),
        ({"skipped": 0, "mappings": [mapping("a", ""), mapping("wrong", "t2"), 7]}, [U, U]),
        ({"skipped": 0, "mappings": None}, [U, U]),
        (None, [U, U]),
    ],
)
def test_products_are_mapped_by_our_sku_and_the_skipped_are_refused(
    data: Any, expected: list[Outcome]
) -> None:
    items = [product("a", "5449000000996"), product("b", "5449000000997")]
    found = product_results({"success": True, "data": data}, items, same)
    assert [result.outcome for result in found] == expected
    assert [result.platform_id for result in found if result.outcome is A] == ["t1", "t2"][
        : expected.count(A)
    ]


@pytest.mark.parametrize(
    ("listed", "row"),
    [
        ({"id": "p1", "name": " Cola ", "barcode": "005"}, ("p1", "Cola", "005")),
        ({"id": 7, "name": "Cola", "barcode": 5449000000996}, ("7", "Cola", "5449000000996")),
        ({"id": "p1", "name": "Co\0la", "barcode": ""}, ("p1", "Cola", None)),
        ({"id": "", "name": "Cola"}, None),
        ({"id": "p1"}, None),
        ({"id": True, "name": "Cola"}, None),
        ("p1", None),
    ],
)
def test_a_listed_product_becomes_a_row_of_text(
    listed: Any, row: tuple[str, str, str | None] | None
) -> None:
    found = catalog_row(listed)
    picked = found and (found["platform_id"], found["name"], found["barcode"])
    assert picked == row


def test_an_item_is_written_as_the_contract_shows_it() -> None:
    item = price("prod_123456", "60")
    assert batch_body([item], "Westlands Branch") == (
        b'{"prices":[{"product_id":"prod_123456","price":60.00,"currency":"KES",'
        b'"location":"Westlands Branch","stock_status":"in_stock"}]}'
    )


def test_promotion_is_only_mentioned_when_there_is_one_and_out_of_stock_keeps_its_price() -> None:
    plain = price_row(price("p"), None)
    assert set(plain) == {"product_id", "price", "currency", "stock_status"}
    promoted = price_row(price("p", promotion=True), None)
    assert promoted["metadata"] == {"promotion": True}
    gone = batch_body([price("p", stock_status=StockStatus.OUT_OF_STOCK)], None)
    assert b'"price":60.00' in gone
    assert b'"out_of_stock"' in gone


def test_a_product_is_written_without_what_is_not_known() -> None:
    assert set(product_row(product("a", "1"))) == {"external_id", "name", "category", "barcode"}
    full = product_row(product("a", "1", brand="Coca Cola", size="500ml"))
    assert (full["brand"], full["unit_size"]) == ("Coca Cola", "500ml")
