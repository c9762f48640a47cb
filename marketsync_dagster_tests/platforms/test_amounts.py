"""Prices are written digit by digit."""

from __future__ import annotations

from decimal import Decimal

import pytest

from marketsync_dagster.platforms.amounts import exact_text, exact_texts
from marketsync_dagster.values.money import to_decimal


@pytest.mark.parametrize(
    ("price", "currency", "text"),
    [
        ("60", "KES", "60.00"),
        ("60.5", "KES", "60.50"),
        ("60.500", "KES", "60.50"),
        ("6E+1", "KES", "60.00"),
        ("0.07", "KES", "0.07"),
        ("1E+3", "JPY", "1000"),
        ("1.5", "KWD", "1.500"),
        ("12345678901234567890.12", "KES", "12345678901234567890.12"),
    ],
)
def test_a_price_has_the_decimals_of_its_currency(price: str, currency: str, text: str) -> None:
    assert exact_text(Decimal(price), currency) == text


def test_digits_are_never_lost_in_silence() -> None:
    with pytest.raises(ValueError, match="more decimals"):
        exact_text(Decimal("60.005"), "KES")


@pytest.mark.parametrize("currency", ["KES", "JPY", "KWD"])
@pytest.mark.parametrize("minor", [[0, 7, 60, 1000, 123_456_789_012_345_678], [-7, 5], []])
def test_many_prices_are_written_as_each_of_them_is(minor: list[int], currency: str) -> None:
    one_by_one = [exact_text(to_decimal(units, currency), currency) for units in minor]
    assert exact_texts(minor, [currency] * len(minor)) == one_by_one


def test_every_price_has_the_decimals_of_its_own_currency() -> None:
    assert exact_texts([7, 7, 7], ["KES", "JPY", "KWD"]) == ["0.07", "7", "0.007"]
