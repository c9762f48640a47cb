"""Items become exactly the JSON that the account's configuration describes."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketsync_dagster.config.accounts import PasonsRequest
from marketsync_dagster.platforms.base import PriceItem
from marketsync_dagster.platforms.pasons.mapping import row_writer
from marketsync_dagster.values.money import exponent, to_decimal
from marketsync_dagster.values.outcomes import StockStatus
from marketsync_dagster_tests.platforms.support import price

IN, LIMITED, OUT = StockStatus.IN_STOCK, StockStatus.LIMITED_STOCK, StockStatus.OUT_OF_STOCK
FIRST = price("9340957005965", "13.99", currency="AED")
SECOND = price("9340957005966", "8.5", currency="AED", stock_status=OUT)
RENAMED = {"sku": "product_id", "selling_price": "price", "stock_status": "is_available"}
WORDS = {"in_stock": "IN_STOCK", "limited_stock": "LOW", "out_of_stock": "OUT_OF_STOCK"}


def body(request: dict[str, Any], items: list[PriceItem], store_id: str | None = None) -> str:
    return row_writer(PasonsRequest.model_validate(request), store_id).body(items).decode()


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (
            {},
            (
                '[{"sku":"9340957005965","selling_price":13.99,"stock_status":1},'
                '{"sku":"9340957005966","selling_price":8.50,"stock_status":0}]'
            ),
        ),
        (
            {"fields": RENAMED, "types": {"stock_status": "bool"}},
            (
                '[{"product_id":"9340957005965","price":13.99,"is_available":true},'
                '{"product_id":"9340957005966","price":8.50,"is_available":false}]'
            ),
        ),
        (
            {"types": {"selling_price": "string", "stock_status": "enum"}, "enum": WORDS},
            (
                '[{"sku":"9340957005965","selling_price":"13.99","stock_status":"IN_STOCK"},'
                '{"sku":"9340957005966","selling_price":"8.50","stock_status":"OUT_OF_STOCK"}]'
            ),
        ),
        (
            {"types": {"selling_price": "minor_units"}, "envelope": "items"},
            (
                '{"items":[{"sku":"9340957005965","selling_price":1399,"stock_status":1},'
                '{"sku":"9340957005966","selling_price":850,"stock_status":0}]}'
            ),
        ),
        (
            {"store": {"in": "body"}, "envelope": "items"},
            (
                '{"store_id":"017","items":['
                '{"sku":"9340957005965","selling_price":13.99,"stock_status":1},'
                '{"sku":"9340957005966","selling_price":8.50,"stock_status":0}]}'
            ),
        ),
        (
            {"store": {"in": "row", "name": "to.branch"}, "envelope": "items"},
            (
                '{"items":['
                '{"sku":"9340957005965","selling_price":13.99,"stock_status":1,'
                '"to":{"branch":"017"}},'
                '{"sku":"9340957005966","selling_price":8.50,"stock_status":0,'
                '"to":{"branch":"017"}}]}'
            ),
        ),
        (
            {
                "envelope": "data.items",
                "constants": {"data.kind": "prices", "version": 2, "test": False},
                "store": {"in": "body", "name": "data.store"},
            },
            (
                '{"data":{"store":"017","kind":"prices","items":['
                '{"sku":"9340957005965","selling_price":13.99,"stock_status":1},'
                '{"sku":"9340957005966","selling_price":8.50,"stock_status":0}]},'
                '"version":2,"test":false}'
            ),
        ),
        (
            {
                "fields": {
                    "sku": "product.id",
                    "selling_price": "price.amount",
                    "currency": "price.currency",
                },
                "row_constants": {"unit": None, "weight": 1.5},
            },
            (
                '[{"product":{"id":"9340957005965"},"price":{"amount":13.99,"currency":"AED"},'
                '"stock_status":1,"unit":null,"weight":1.5},'
                '{"product":{"id":"9340957005966"},"price":{"amount":8.50,"currency":"AED"},'
                '"stock_status":0,"unit":null,"weight":1.5}]'
            ),
        ),
        (
            {
                "types": {"stock_status": "enum"},
                "enum": {"in_stock": 1, "limited_stock": 2, "out_of_stock": 0},
            },
            (
                '[{"sku":"9340957005965","selling_price":13.99,"stock_status":1},'
                '{"sku":"9340957005966","selling_price":8.50,"stock_status":0}]'
            ),
        ),
        (
            {"store": {"in": "body", "name": "branch"}},
            (
                '[{"sku":"9340957005965","selling_price":13.99,"stock_status":1,"branch":"017"},'
                '{"sku":"9340957005966","selling_price":8.50,"stock_status":0,"branch":"017"}]'
            ),
        ),
    ],
)
def test_rows_are_written_as_configured(request_: dict[str, Any], text: str) -> None:
    assert body(request_, [FIRST, SECOND], "017") == text


@pytest.mark.parametrize(
    ("kind", "written"),
    [
        ("int01", ["1", "1", "0"]),
        ("bool", ["true", "true", "false"]),
        ("enum", ['"IN_STOCK"', '"LOW"', '"OUT_OF_STOCK"']),
    ],
)
def test_limited_stock_can_be_bought(kind: str, written: list[str]) -> None:
    request = {"types": {"stock_status": kind}, "enum": WORDS if kind == "enum" else {}}
    items = [price("1", stock_status=status) for status in (IN, LIMITED, OUT)]
    rows = body(request, items)[1:-1].split("},{")
    assert [row.rstrip("}").rpartition(":")[2] for row in rows] == written


@pytest.mark.parametrize(
    ("currency", "amount", "number", "minor"),
    [
        ("JPY", "1300", "1300", "1300"),
        ("KWD", "1.25", "1.250", "1250"),
        ("AED", "2", "2.00", "200"),
    ],
)
def test_prices_have_the_decimals_of_their_currency(
    currency: str, amount: str, number: str, minor: str
) -> None:
    item = price("1", amount, currency=currency)
    assert f'"selling_price":{number},' in body({}, [item])
    assert f'"selling_price":"{number}",' in body({"types": {"selling_price": "string"}}, [item])
    units = body({"types": {"selling_price": "minor_units"}}, [item])
    assert f'"selling_price":{minor},' in units


def test_ids_are_text_whatever_they_hold() -> None:
    ids = ["00123", "1E5", 'a"b\\c', "a/b c%", "Käse \u2603 \U0001f9c0", "\u0001"]
    assert [row["sku"] for row in json.loads(body({}, [price(i) for i in ids]))] == ids


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"store": {"in": "body"}},
        {"envelope": "items"},
        {"fields": {"sku": "a.b", "currency": "a.c"}, "row_constants": {"note": "n" * 500}},
        {"types": {"stock_status": "enum"}, "enum": WORDS},
    ],
)
def test_the_bound_is_never_below_the_true_size(request_: dict[str, Any]) -> None:
    writer = row_writer(PasonsRequest.model_validate(request_), "ü/ \u0001")
    items = [price("\u0001" * 20), price("\U0001f9c0" * 20), price("1", "999999999.99")]
    assert max(writer.sizes(items)) <= writer.longest(items)
    assert len(writer.body(items)) == writer.frame() + sum(writer.sizes(items)) - 1


AMOUNTS = st.integers(1, 10**15)


@settings(max_examples=300, deadline=None)
@given(minor=AMOUNTS, currency=st.sampled_from(["JPY", "KES", "AED", "KWD", "BHD"]))
def test_money_arrives_to_the_last_digit_in_every_form(minor: int, currency: str) -> None:
    amount = to_decimal(minor, currency)
    item = price("1", str(amount), currency=currency)

    def sent(kind: str) -> Any:
        (row,) = json.loads(body({"types": {"selling_price": kind}}, [item]), parse_float=Decimal)
        return row["selling_price"]

    assert Decimal(sent("number")) == amount
    assert Decimal(sent("string")) == amount
    assert len(sent("string").partition(".")[2]) == exponent(currency)
    assert sent("minor_units") == minor


def test_a_price_with_more_digits_than_its_currency_is_never_rounded() -> None:
    for kind in ("number", "string", "minor_units"):
        with pytest.raises(ValueError, match="more decimals than JPY has"):
            body({"types": {"selling_price": kind}}, [price("1", "13.5", currency="JPY")])


def test_a_full_push_may_say_something_else_beside_its_rows() -> None:
    request = PasonsRequest.model_validate({"envelope": "items", "constants": {"full": False}})
    usual = row_writer(request, None).body([])
    whole = row_writer(request, None, more={"full": True, "mode": "all"}).body([])
    assert usual == b'{"full":false,"items":[]}'
    assert whole == b'{"full":true,"mode":"all","items":[]}'
