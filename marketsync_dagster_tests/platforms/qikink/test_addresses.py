"""Addresses as Qikink takes them, and the words by which it says how an order stands."""

from __future__ import annotations

from dataclasses import replace

import pytest

from marketsync_dagster.platforms.ordering import Person
from marketsync_dagster.platforms.qikink.addresses import (
    ADDRESS1,
    cut,
    one_text,
    one_text_problem,
    private_texts,
    receiver,
    structured,
)
from marketsync_dagster.platforms.qikink.statuses import state_of
from marketsync_dagster.values.order_states import OrderState
from marketsync_dagster_tests.platforms.qikink.desk import ASHA

LONG = (
    "Flat 1203 Tower Seven Prestige Lakeside Habitat Whitefield Varthur Road near Gunjur Palya East"
)


def test_a_long_street_is_cut_between_words_and_nothing_of_it_is_lost() -> None:
    sent = structured(replace(ASHA, street_1=LONG, street_2="Block C", company="Rao & Co"))
    assert len(sent["address1"]) <= ADDRESS1
    assert f"{sent['address1']} {sent['address2']}" == f"{LONG}, Block C, Rao & Co"


@pytest.mark.parametrize(
    "street", ["a" * 90, "a" * 91, "a" * 300, "b " * 44 + "bb", "b " * 45 + "b", f"x {'a' * 95}"]
)
def test_no_first_line_is_longer_than_it_may_be(street: str) -> None:
    first, rest = cut(street)
    assert 0 < len(first) <= ADDRESS1
    assert (first + rest).replace(" ", "") == street.replace(" ", "")
    assert (rest == "") == (len(street) <= ADDRESS1)


def test_phone_and_mail_come_from_whoever_has_them_and_the_country_from_the_account() -> None:
    to = receiver(
        {
            "billing": Person(phone="2", email="b@x.invalid"),
            "customer": Person(email="c@x.invalid"),
            "shipping": replace(ASHA, phone=" ", email="", country=""),
        },
        "IN",
    )
    assert (to.phone, to.email, to.country, to.city) == ("2", "c@x.invalid", "IN", "Chennai")
    assert structured(replace(to, first_name="", last_name="Rao"))["first_name"] == "Rao"
    assert structured(replace(to, country="in"))["country_code"] == "IN"


def test_an_address_in_one_text_has_all_of_it() -> None:
    assert one_text(replace(ASHA, street_2="Block  C")) == (
        "Asha Rao, 12 Lake View, Block C, Chennai, Tamil Nadu 600001, IN, 9840012345"
    )
    assert one_text_problem(ASHA) == ""
    assert one_text_problem(Person()) == (
        "the shipping address has no name, no street, no city, no email"
    )


def test_short_texts_and_countries_are_not_masked_anywhere() -> None:
    assert private_texts([Person(first_name="Al", country="India", city="Ulm")]) == (
        "ULM",
        "Ulm",
        "ulm",
    )


@pytest.mark.parametrize(
    ("words", "state"),
    [
        ("created|Order Created", OrderState.NEW),
        ("synced|Sent", OrderState.ACCEPTED),
        ("processing|On Hold|To be Printed", OrderState.IN_PREPARATION),
        ("ready_to_ship|READY TO SHIP", OrderState.READY_TO_SHIP),
        (
            "shipped|in_transit|Picked Up|In-Transit|Delivery Rescheduled|Misrouted|ODA",
            OrderState.SHIPPED,
        ),
        (
            "Self Collect|Exception",
            OrderState.SHIPPED,
        ),
        ("out_for_delivery|Out For Delivery", OrderState.OUT_FOR_DELIVERY),
        (
            "Not Attempted|Consignee Unavailable|Residence / Office Closed|OTP Not Shared",
            OrderState.DELIVERY_FAILED,
        ),
        (
            "OTP Verification Cancelled|Incorrect/Incomplete Address|Maximum Attempts Reached",
            OrderState.DELIVERY_FAILED,
        ),
        (
            "Refused To Accept|Open Delivery Refused",
            OrderState.DELIVERY_FAILED,
        ),
        ("delivered|DELIVERED", OrderState.DELIVERED),
        ("RTO Initiated|RTO In Transit|Reverse Pickup Initiated", OrderState.RETURNING),
        ("Returned|RTO Delivered", OrderState.RETURNED),
        ("Partially Returned", OrderState.DELIVERED),
        ("Lost", OrderState.LOST),
        ("Cancelled", OrderState.CANCELLED),
        ("Archived", OrderState.CLOSED),
    ],
)
@pytest.mark.parametrize("has_awb", [False, True])
def test_every_known_word_has_its_state(words: str, state: OrderState, has_awb: bool) -> None:
    assert {state_of(word, has_awb=has_awb) for word in words.split("|")} == {state}


def test_a_word_that_is_not_known_says_something_only_with_a_waybill() -> None:
    assert state_of("Moonwalk", has_awb=True) is OrderState.READY_TO_SHIP
    assert state_of("Moonwalk", has_awb=False) is None
