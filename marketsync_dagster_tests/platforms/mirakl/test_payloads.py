"""What is written to Mirakl, to the byte."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from typing import Any

import pytest

from marketsync_dagster.platforms.batching import ranges
from marketsync_dagster.platforms.items import PriceItems
from marketsync_dagster.platforms.mirakl import payloads
from marketsync_dagster.platforms.mirakl.payloads import Filling
from marketsync_dagster.values.outcomes import StockStatus
from marketsync_dagster_tests.platforms.mirakl.shop import OFFERS, PRICES, STOCK, item

OUT, LIMITED = StockStatus.OUT_OF_STOCK, StockStatus.LIMITED_STOCK
ODD = ['a;b"c', "line\nend", " blank ", "ünï☃", "0012.50", "1E5", "'", "x,y"]


@pytest.mark.parametrize(
    ("fields", "quantity"),
    [
        ({"quantity": 7}, 7),
        ({"quantity": 0}, 0),
        ({"quantity": -3}, 0),
        ({"quantity": None}, 4),
        ({"quantity": None, "stock_status": LIMITED}, 4),
        ({"quantity": None, "stock_status": OUT}, 0),
        ({"quantity": 9, "stock_status": OUT}, 0),
    ],
)
def test_the_quantity_is_what_can_be_bought(fields: dict[str, Any], quantity: int) -> None:
    filling = Filling(unknown_quantity=4)
    row = payloads.offer_row(item(**fields), filling)
    assert row["quantity"] == quantity
    stock = payloads.file_of(STOCK, [item(**fields)], filling).decode()
    assert stock.splitlines()[1] == f"S1;{quantity};;update"


def test_an_offer_has_every_field_that_is_known_of_it() -> None:
    details = {"description": "ünï", "leadtime_to_ship": 2, "state_code": "10", "price": 1}
    sent = item("westlands-0012", "60.00", details=json.dumps(details))
    body = payloads.offers_body([sent, item(details="", platform_sku="")], Filling())
    assert b'"price":60.00' in body  # its digits, no float
    first, second = json.loads(body, parse_float=Decimal)["offers"]
    assert first == {
        "shop_sku": "westlands-0012",
        "product_id": "P1",
        "product_id_type": "SKU",
        "price": Decimal("60.00"),
        "quantity": 7,
        "state_code": "10",
        "update_delete": "update",
        "description": "ünï",
        "leadtime_to_ship": 2,
    }
    assert (second["shop_sku"], second["state_code"]) == ("till-S1", "11")


@pytest.mark.parametrize(
    ("currency", "amount", "written"),
    [
        ("KES", "0.07", "0.07"),
        ("KES", "100000.10", "100000.10"),
        ("JPY", "1399", "1399"),
        ("KWD", "13.995", "13.995"),
    ],
)
def test_a_price_keeps_its_digits(currency: str, amount: str, written: str) -> None:
    one = item(amount=amount, currency=currency)
    assert f'"price":{written},'.encode() in payloads.offers_body([one], Filling())
    assert (
        payloads.file_of(PRICES, [one], Filling())
        == (
            "offer-sku;price;discount-price;discount-start-date;discount-end-date\n"
            f"S1;{written};;;\n"
        ).encode()
    )


@pytest.mark.parametrize("kind", [PRICES, STOCK])
def test_a_file_is_read_back_as_it_was_meant(kind: Any) -> None:
    filling = Filling(warehouse="N;1")
    content = payloads.file_of(kind, [item(name) for name in ODD], filling)
    header, *rows = csv.reader(io.StringIO(content.decode(), newline=""), delimiter=";")
    assert [row[0] for row in rows] == ODD
    assert {len(row) for row in rows} == {len(header)}
    if kind is STOCK:
        assert header == ["offer-sku", "quantity", "warehouse-code", "update-delete"]
        assert {row[2] for row in rows} == {"N;1"}


def test_equal_items_are_equal_bytes_and_others_are_not() -> None:
    items = [item("S1"), item("S2", product="P2")]
    columns = PriceItems.of(items)
    assert payloads.offers_body(items, Filling()) == payloads.offers_body(columns, Filling())
    content = payloads.file_of(PRICES, items, Filling())
    assert payloads.form_of(PRICES, content) == payloads.form_of(PRICES, content)
    body, content_type = payloads.form_of(PRICES, content)
    mark = content_type.partition("boundary=")[2].encode()
    assert body.count(mark) == 2
    assert mark not in content
    assert payloads.form_of(PRICES, content + b"S3;1;;;\n")[1] != content_type


@pytest.mark.parametrize("most", [300, 1_000, 5_000])
def test_no_body_is_larger_than_the_account_allows(most: int) -> None:
    items = [
        item(f"{n}-{'☃' * (n % 7)}", details=json.dumps({"description": "ü" * (n % 40)}))
        for n in range(60)
    ]
    filling = Filling()
    found = ranges(
        items,
        most_items=50,
        most_bytes=most - payloads.FRAME,
        longest=payloads.longest_offer(items, filling),
        sizes=lambda some: payloads.offer_sizes(some, filling),
    )
    assert [n for first, last in found for n in range(first, last)] == list(range(60))
    for first, last in found:
        body = payloads.offers_body(items[first:last], filling)
        assert len(body) <= most or last - first == 1
    longest = payloads.longest_offer(items, filling)
    assert max(payloads.offer_sizes(items, filling)) <= longest
    assert OFFERS.value == "offers"
