"""What an order in a shop's file says."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from marketsync_dagster.platforms.own_shop.reading import Given, id_of, order_of
from marketsync_dagster.platforms.strict_json import Wrong, elements
from marketsync_dagster.values.order_states import OrderState

GIVEN = Given(
    currencies={"westlands": "KES", "tokyo": "JPY"},
    zones={"westlands": "Africa/Nairobi", "tokyo": "Asia/Tokyo"},
)
AT = "2026-11-21T06:00:00.000Z"
PERSONAL = ("Jane", "Doe", "jane@", "Kenyatta", "0722")


def document(**changes: Any) -> dict[str, Any]:
    """An order that is right, with some parts changed; None takes one away."""
    order = {
        "customer_email": "jane@example.com",
        "customer_name": "Jane Doe",
        "outlet": "westlands",
        "shipping_address": {
            "street": "12 Kenyatta Avenue",
            "zip": "00100",
            "city": "Nairobi",
            "country": "Kenya",
            "phone": "0722 000000",
        },
        "items": [
            {"sku": "007", "quantity": 2, "price": 19.9},
            {"sku": "A/1", "quantity": "1", "price": "0.10"},
        ],
        **changes,
    }
    return {name: value for name, value in order.items() if value is not None}


def read(order: Any) -> Any:
    """As it is read out of a file."""
    (element,) = elements(json.dumps(order).encode())
    return order_of(element.value, "", "X1", AT, GIVEN)


def test_an_order_is_read_exactly() -> None:
    order = read(document(shipping="150.00", tags=["gift"], created_at="2026-11-20T09:30:00"))
    assert [(line.line_id, line.offer_sku, line.quantity, line.unit_price, line.total)
            for line in order.lines] == [
        ("007", "007", 2, Decimal("19.90"), Decimal("39.80")),
        ("A/1", "A/1", 1, Decimal("0.10"), Decimal("0.10")),
    ]  # fmt: skip
    assert (order.total, order.shipping, order.currency) == (
        Decimal("189.90"),
        Decimal("150.00"),
        "KES",
    )
    assert order.created_at == "2026-11-20T06:30:00.000Z"  # in the outlet's zone
    assert order.updated_at == AT
    assert (order.outlet, order.tags, order.number) == ("westlands", ("gift",), "")
    assert order.state is OrderState.NEW
    to = order.persons["shipping"]
    assert (to.name, to.zip, to.country, to.email) == (
        "Jane Doe",
        "00100",
        "KE",
        "jane@example.com",
    )
    assert order.details == {}
    assert "Jane" not in repr(order)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("12 Kenyatta Avenue, 00100 Nairobi, KE", ("12 Kenyatta Avenue", "Nairobi", "00100", "KE")),
        ("Jane Doe\n12 Kenyatta Ave\nNairobi 00100\nKenya",
         ("12 Kenyatta Ave", "Nairobi", "00100", "KE")),
        ("jane doe, Hauptstr. 5, 10115 Berlin, germany", ("Hauptstr. 5", "Berlin", "10115", "DE")),
    ],
)  # fmt: skip
def test_one_text_is_taken_apart_where_it_is_certain(text: str, parts: tuple[str, ...]) -> None:
    order = read(document(shipping_address=text))
    to = order.persons["shipping"]
    assert (to.street_1, to.city, to.zip, to.country) == parts
    assert to.name == "Jane Doe"
    assert order.details == {}


@pytest.mark.parametrize(
    "text",
    [
        "12 Kenyatta Avenue",
        "12 Kenyatta Avenue, Nairobi, KE",
        "12 Kenyatta Avenue, 00100 Nairobi",
        "Uncle Bob, 12 Kenyatta Avenue, 00100 Nairobi, KE",
        "12 Kenyatta Avenue, Flat 3, 00100 Nairobi, KE",
        "00100 Nairobi, 00200 Mombasa, KE",
        "Kenyatta Avenue, 00100 Nairobi, KE",
        "12 Kenyatta Avenue, 00100 Nairobi, Atlantis",
        "12 Kenyatta Avenue, 00100 Nairobi 2, KE",
    ],
)
def test_any_other_text_is_kept_whole_for_a_person(text: str) -> None:
    order = read(document(shipping_address=text))
    to = order.persons["shipping"]
    assert (to.street_1, to.city, to.zip, to.country) == (text, "", "", "")
    assert order.details == {"shipping_address": "unparsed"}


@pytest.mark.parametrize(
    ("order", "place", "words"),
    [
        ([[]], "", "expected an object, got a list"),
        ("Jane Doe", "", "expected an object, got text"),
        (document(items=None), "items", "at least one item"),
        (document(items=[]), "items", "at least one item"),
        (document(items={"Jane": 1}), "items", "expected a list"),
        (document(items=["Jane Doe"]), "items[0]", "expected an object"),
        (document(items=[{"sku": "a", "quantity": 1}]), "items[0].price", "the price"),
        (document(items=[{"sku": 7, "quantity": 1, "price": 1}]), "items[0].sku", "got a number"),
        (document(items=[{"quantity": 1, "price": 1}]), "items[0].sku", "expected a SKU"),
        (document(items=[{"sku": "a", "quantity": 0, "price": 1}]), "items[0].quantity", "more"),
        (document(items=[{"sku": "a", "quantity": 1.5, "price": 1}]), "items[0].quantity", "whole"),
        (document(items=[{"sku": "a", "quantity": 1, "price": 0.001}]), "items[0].price", "more"),
        (document(items=[{"sku": "a", "quantity": 1, "price": -1}]), "items[0].price", "from 0"),
        (document(items=[{"sku": "a", "quantity": 3, "price": 1, "total": 4}]), "items[0].total",
         "price by quantity makes KES 3.00, not KES 4.00"),
        (document(items=[{"sku": "a", "quantity": 1, "price": 1, "discount": 2}]),
         "items[0].discount", "more than"),
        (document(items=[{"sku": "a", "quantity": 1, "price": 1}] * 1001), "items", "at most 1000"),
        (document(total=40), "total", "make KES 39.90, not KES 40.00"),
        (document(tax=5), "total", "has to say its total"),
        (document(outlet="tokyo"), "items[0].price", "more decimals than JPY has"),
        (document(outlet=None), "currency", "ISO 4217"),
        (document(currency="KSH"), "currency", "ISO 4217"),
        (document(customer_email="Jane Doe"), "customer_email", "no mail address"),
        (document(customer_email=["jane@x"]), "customer_email", "expected text"),
        (document(shipping_address=["Jane Doe"]), "shipping_address", "an object or a text"),
        (document(shipping_address={"zip": 100}), "shipping_address.zip", "got a number"),
        (document(shipping_address={"city": {"Jane": 1}}), "shipping_address.city", "an object"),
        (document(shipping_address="Jane Doe" * 200), "shipping_address", "at most 1000"),
        (document(created_at="yesterday"), "created_at", "ISO time"),
        (document(created_at="2026-11-20T09:30:00", outlet=None, currency="KES"), "created_at",
         "no zone"),
        (document(tags="gift"), "tags", "expected a list"),
        (document(tags=[1]), "tags[0]", "expected text"),
        (document(id=1.5), "id", "expected text"),
        (document(id="Jane\u0000"), "id", "cannot be printed"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_by_its_place_and_without_a_value(
    order: Any, place: str, words: str
) -> None:
    with pytest.raises(Wrong) as caught:
        read(order)
    assert caught.value.place == place
    assert words in caught.value.words
    assert not any(personal in str(caught.value) for personal in PERSONAL)


@pytest.mark.parametrize(
    ("total", "tax", "discount"),
    [(39.9, None, None), (39.9, 5, None), (44.9, 5, None), (30, 0, 9.9)],
)
def test_totals_add_up_with_tax_in_them_or_beside(total: Any, tax: Any, discount: Any) -> None:
    assert read(document(total=total, tax=tax, discount=discount)).total == Decimal(str(total))


def test_names_that_stand_twice_make_no_order() -> None:
    (element,) = elements(b'{"items": [{"sku": "a", "sku": "b", "quantity": 1, "price": 1}]}')
    with pytest.raises(Wrong, match="twice"):
        order_of(element.value, "[3]", "X1", AT, GIVEN)
    assert id_of(elements(b'{"id": "a", "id": "b"}')[0].value) == ""


def test_lines_of_one_sku_are_told_apart() -> None:
    item = {"sku": "a", "quantity": 1, "price": 1}
    lines = read(document(items=[item, item, {**item, "id": 7}])).lines
    assert [line.line_id for line in lines] == ["a", "a#2", "7"]


@pytest.mark.parametrize(
    ("word", "state"),
    [(None, OrderState.NEW), ("Cancelled", OrderState.CANCELLED), ("lost in space", None)],
)
def test_a_shops_word_is_kept_and_an_unknown_one_says_nothing(word: str, state: Any) -> None:
    order = read(document(status=word))
    assert order.state is state
    assert order.lines[0].state is state
    assert order.raw_state == (word or "").lower()
