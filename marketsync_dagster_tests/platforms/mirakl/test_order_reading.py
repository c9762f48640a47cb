"""What a document of OR11 says in words of ours, and that its errors name places and no values."""

from __future__ import annotations

from copy import deepcopy
from decimal import Decimal
from typing import Any

import orjson
import pytest

from marketsync_dagster.platforms.mirakl.order_reading import load, read_order
from marketsync_dagster.platforms.ordering import Person, UnreadableOrder
from marketsync_dagster.values.countries import two_letters
from marketsync_dagster.values.order_states import OrderFlag, OrderState
from marketsync_dagster_tests.platforms.mirakl.orders import (
    ADDRESS,
    ORDER,
    order,
    pulled,
    reading,
    refund,
)

S, F = OrderState, OrderFlag
LEFT = {"shipped_date": "2026-11-21T06:00:00Z"}
ARRIVED = {**LEFT, "received_date": "2026-11-22T06:00:00Z"}


def test_an_order_is_read_with_its_lines_its_money_and_its_people() -> None:
    found = pulled()
    (line,) = found.lines
    assert (found.external_id, found.currency, found.state) == ("A-1", "KES", S.IN_PREPARATION)
    assert found.created_at == "2026-11-20T06:00:00.000Z"
    assert found.updated_at == "2026-11-21T06:30:05.000Z"
    assert (found.ship_by, found.accept_by) == ("2026-11-23T20:59:59.000Z", "")
    assert (found.total, found.shipping, found.can_cancel) == (
        Decimal("26.25"),
        Decimal("1.25"),
        True,
    )
    assert (line.line_id, line.offer_sku, line.quantity) == ("A-1-1", "S1", 2)
    assert (line.unit_price, line.total, line.shipping, line.tax) == tuple(
        map(Decimal, ("12.5", "25", "1.25", "4.2"))
    )
    assert (line.title, line.product_id, line.raw_state) == ("Maize flour", "P1", "SHIPPING")
    assert (found.tags, found.flags, found.refunds) == (("KE", "STD"), frozenset(), ())
    assert found.details["order_tax_mode"] == "TAX_INCLUDED"
    assert found.persons["customer"].email == "w.kamau@customer.example"
    shipping = found.persons["shipping"]
    assert (shipping.name, shipping.country, shipping.zip) == ("Wanjiru Kamau", "KE", "00100")
    assert (shipping.company, shipping.street_2) == ("Soko, Level 2", "Gate B")


@pytest.mark.parametrize(
    ("whole", "line", "expected"),
    [
        ("STAGING", {"order_line_state": "STAGING"}, (S.NEW, S.NEW)),
        ("WAITING_ACCEPTANCE", {"order_line_state": "WAITING_ACCEPTANCE"}, (S.NEW, S.NEW)),
        ("WAITING_DEBIT", {"order_line_state": "WAITING_DEBIT"}, (S.AWAITING_PAYMENT,) * 2),
        (
            "WAITING_DEBIT_PAYMENT",
            {"order_line_state": "WAITING_DEBIT_PAYMENT"},
            (S.AWAITING_PAYMENT,) * 2,
        ),
        ("SHIPPED", {"order_line_state": "SHIPPED"}, (S.SHIPPED, S.SHIPPED)),
        ("TO_COLLECT", {"order_line_state": "TO_COLLECT"}, (S.DELIVERED, S.DELIVERED)),
        ("RECEIVED", {"order_line_state": "RECEIVED"}, (S.DELIVERED, S.DELIVERED)),
        ("CLOSED", {"order_line_state": "CLOSED"}, (S.CLOSED, S.CLOSED)),
        ("REFUSED", {"order_line_state": "REFUSED"}, (S.REFUSED, S.REFUSED)),
        ("CANCELED", {"order_line_state": "CANCELED"}, (S.CANCELLED, S.CANCELLED)),
        # what is quarrelled about is where its goods are
        ("SHIPPING", {"order_line_state": "INCIDENT_OPEN"}, (S.IN_PREPARATION, S.IN_PREPARATION)),
        ("SHIPPED", {"order_line_state": "INCIDENT_OPEN", **LEFT}, (S.SHIPPED, S.SHIPPED)),
        ("RECEIVED", {"order_line_state": "INCIDENT_OPEN", **ARRIVED}, (S.DELIVERED, S.DELIVERED)),
        # money goes back: the goods may never leave, or have left, or come back
        ("SHIPPED", {"order_line_state": "WAITING_REFUND", **LEFT}, (S.SHIPPED, S.SHIPPED)),
        (
            "SHIPPING",
            {"order_line_state": "WAITING_REFUND_PAYMENT", "refunds": [refund(amount=25)]},
            (S.IN_PREPARATION, S.CANCELLED),
        ),
        (
            "SHIPPING",
            {"order_line_state": "WAITING_REFUND", "refunds": [refund()]},
            (S.IN_PREPARATION, S.IN_PREPARATION),
        ),
        ("WAITING_REFUND", {"order_line_state": "WAITING_REFUND", **LEFT}, (S.SHIPPED, S.SHIPPED)),
        (
            "WAITING_REFUND",
            {"order_line_state": "WAITING_REFUND", **ARRIVED},
            (S.DELIVERED, S.DELIVERED),
        ),
        (
            "WAITING_REFUND_PAYMENT",
            {"order_line_state": "WAITING_REFUND"},
            (S.IN_PREPARATION, S.IN_PREPARATION),
        ),
        ("CLOSED", {"order_line_state": "REFUNDED", **ARRIVED}, (S.CLOSED, S.RETURNED)),
        ("CLOSED", {"order_line_state": "REFUNDED"}, (S.CLOSED, S.CANCELLED)),
        # words that nobody knows yet are kept, and mean nothing
        ("ON_THE_MOON", {"order_line_state": "ON_MARS"}, (None, None)),
        ("SHIPPED", {"order_line_state": "ON_MARS"}, (S.SHIPPED, None)),
        ("SHIPPED", {"order_line_state": None}, (S.SHIPPED, S.SHIPPED)),
        ("ON_THE_MOON", {"order_line_state": None}, (None, None)),
    ],
)
def test_every_word_for_a_state_has_its_meaning(
    whole: str, line: dict[str, Any], expected: tuple[Any, Any]
) -> None:
    found = pulled(line, order_state=whole)
    assert (found.state, found.lines[0].state) == expected
    assert found.raw_state == whole
    assert found.lines[0].raw_state == (line["order_line_state"] or "")


def test_what_is_true_beside_the_state_is_flagged() -> None:
    def flags(line: dict[str, Any], **said: Any) -> set[OrderFlag]:
        return set(pulled(line, **said).flags)

    assert flags({}) == set()
    assert flags({}, has_incident=True) == {F.INCIDENT}
    assert flags({"order_line_state": "INCIDENT_OPEN"}) == {F.INCIDENT}
    assert flags({"refunds": [refund()]}) == {F.PARTIALLY_REFUNDED}
    assert flags({"refunds": [refund()]}, fully_refunded=True) == {F.REFUNDED}
    assert flags({"order_line_state": "REFUNDED"}) == {F.REFUNDED}
    assert flags({"cancelations": [refund()]}) == set()
    document = order({"order_line_state": "SHIPPED"})
    document["order_lines"].append({**document["order_lines"][0], "order_line_id": "A-1-2"})
    assert reading(document).flags == frozenset()
    document["order_lines"][1]["order_line_state"] = "CANCELED"
    assert reading(document).flags == frozenset()
    document["order_lines"][1]["order_line_state"] = "SHIPPING"
    assert reading(document).flags == {F.PARTIALLY_SHIPPED}


def test_refunds_and_cancelations_are_told_with_all_the_money_that_goes_back() -> None:
    taken = refund(shipping_amount=0.5, shipping_taxes=[{"code": "VAT", "amount": 0.1}])
    line = {"quantity": 3, "refunds": [taken], "cancelations": [{**taken, "id": 7, "quantity": 2}]}
    for mode, amount, total in (
        ("TAX_INCLUDED", "13", "26.25"),
        ("TAX_EXCLUDED", "15.1", "30.45"),
    ):
        found = pulled(line, order_tax_mode=mode)
        assert [(r.id, r.line_id, r.kind, r.quantity, r.reason) for r in found.refunds] == [
            ("R1", "A-1-1", "refund", 1, "15"),
            ("7", "A-1-1", "cancel", 2, "15"),
        ]
        assert {r.amount for r in found.refunds} == {Decimal(amount)}
        assert found.total == Decimal(total)
        assert found.lines[0].cancelled == 2
    # how many is told for information alone
    assert pulled({"cancelations": [refund(quantity=None)]}).lines[0].cancelled == 0
    assert pulled({"cancelations": [refund(quantity=9)]}).lines[0].cancelled == 2
    assert pulled({"order_line_state": "CANCELED"}).lines[0].cancelled == 2


@pytest.mark.parametrize("text", ["0.1", "12.50", "9007199254740993.07", "1E+2"])
def test_amounts_keep_their_digits(text: str) -> None:
    document = orjson.dumps(order()).replace(b'"price_unit":12.5', f'"price_unit":{text}'.encode())
    assert read_order(load(document)).lines[0].unit_price == Decimal(text)


def test_people_are_those_that_are_told_of_and_an_address_may_be_absent() -> None:
    customer = ORDER["customer"]
    for absent in (None, {}, dict.fromkeys(ADDRESS)):
        found = pulled(customer={**customer, "shipping_address": absent, "billing_address": absent})
        assert set(found.persons) == {"customer"}
    none = {"customer": {"shipping_address": None}, "customer_notification_email": None}
    assert pulled(**none).persons == {}
    assert pulled(customer=None, customer_notification_email="").persons == {}
    home = pulled(customer={"shipping_address": {"lastname": "Otieno", "country": "Kenya"}})
    assert home.persons["shipping"] == Person(last_name="Otieno", country="Kenya")


def test_countries_have_two_letters_where_they_are_known() -> None:
    assert [two_letters(code) for code in ("KEN", "usa", "IND", "CAN", "XKX", "KE")] == [
        "KE", "US", "IN", "CA", "XKX", "KE",
    ]  # fmt: skip


def test_a_deadline_that_the_api_does_not_tell_is_that_of_the_account() -> None:
    new = order({"order_line_state": "WAITING_ACCEPTANCE"}, order_state="WAITING_ACCEPTANCE")
    assert reading(new, 48).accept_by == "2026-11-22T06:00:00.000Z"
    assert reading(new, None).accept_by == ""
    assert reading(order(), 48).accept_by == ""
    assert pulled(shipping_deadline=None).ship_by == ""


SECRET = "Wanjiru"


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"order_id": None}, "order_id: is missing"),
        ({"order_id": [SECRET]}, "order_id: a text was expected"),
        ({"currency_iso_code": ""}, "currency_iso_code: is missing"),
        ({"order_state": {"a": SECRET}}, "order_state: a text was expected"),
        ({"created_date": SECRET}, "created_date: a date and time with a zone were expected"),
        ({"last_updated_date": "2026-11-21T06:30:05"}, "last_updated_date: a date"),
        ({"shipping_deadline": SECRET}, "shipping_deadline: a date"),
        ({"total_price": SECRET}, "total_price: an amount was expected"),
        ({"total_price": 26.255}, "total_price: more decimals than KES has"),
        ({"order_lines": []}, "order_lines: there are none"),
        ({"order_lines": {"a": SECRET}}, "order_lines: a list was expected"),
        ({"order_lines": [SECRET]}, "order_lines[0]: an object was expected"),
        ({"customer": SECRET}, "customer: an object was expected"),
        ({"customer": {"shipping_address": [SECRET]}}, "customer.shipping_address: an object"),
        ({"line": {"price_unit": True}}, "order_lines[0].price_unit: an amount was expected"),
        ({"line": {"price": None}}, "order_lines[0].price: is missing"),
        ({"line": {"quantity": 1.5}}, "order_lines[0].quantity: a whole number was expected"),
        ({"line": {"quantity": -1}}, "order_lines[0].quantity: a whole number was expected"),
        ({"line": {"offer_sku": ""}}, "order_lines[0].offer_sku: is missing"),
        ({"line": {"taxes": [{"amount": SECRET}]}}, "order_lines[0].taxes[0].amount: an amount"),
        ({"line": {"refunds": [{}]}}, "order_lines[0].refunds[0].id: is missing"),
        ({"line": {"refunds": SECRET}}, "order_lines[0].refunds: a list was expected"),
    ],
)
def test_what_cannot_be_read_names_its_place_and_no_value(
    change: dict[str, Any], place: str
) -> None:
    change = deepcopy(change)
    document = order(change.pop("line", {}), **change)
    with pytest.raises(UnreadableOrder) as caught:
        reading(document)
    assert caught.value.message.startswith(place)
    assert SECRET not in str(caught.value)
    assert (caught.value.__cause__, caught.value.__suppress_context__) in (
        (None, True),
        (None, False),
    )


def test_a_line_that_is_there_twice_is_no_order() -> None:
    document = order()
    document["order_lines"] *= 2
    with pytest.raises(UnreadableOrder, match=r"order_lines\[1\].order_line_id: is there twice"):
        reading(document)


def test_no_repr_shows_a_person() -> None:
    found = pulled()
    assert not any(word in repr(found) for word in ("Wanjiru", "Kamau", "Moi Avenue", "254700"))
