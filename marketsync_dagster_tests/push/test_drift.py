"""Whether what is shown is what was told: to the last digit, as far as the platform tells."""

from __future__ import annotations

from decimal import Decimal

import pytest

from marketsync_dagster.ledger.reconciliation import Said
from marketsync_dagster.platforms.base import ShownPrice
from marketsync_dagster.push.drift import (
    BY_STATUS,
    Rules,
    as_said,
    reason_of,
    sold_since,
    verdict_of,
    words,
    words_shown,
)
from marketsync_dagster.values.outcomes import StockStatus

IN, LIMITED, OUT = StockStatus.IN_STOCK, StockStatus.LIMITED_STOCK, StockStatus.OUT_OF_STOCK
COUNTED = Rules(by_quantity=True, unknown_quantity=3)
TOLD = Said(10750, "KES", "in_stock", 12)
BEFORE = Said(9900, "KES", "limited_stock", 2)


def shown(price: str | None, currency: str = "KES", stock: StockStatus | None = IN,
          quantity: int | None = None, message: str = "") -> ShownPrice:  # fmt: skip
    number = None if price is None else Decimal(price)
    return ShownPrice("p", number, currency, stock, message=message, quantity=quantity)


@pytest.mark.parametrize(
    ("told", "there", "rules", "verdict", "reason"),
    [
        (TOLD, shown("107.5"), BY_STATUS, "verified", ""),
        (TOLD, shown("107.50", ""), BY_STATUS, "verified", ""),
        (TOLD, shown("107.500", stock=None), BY_STATUS, "verified", ""),
        (TOLD, shown("107.501"), BY_STATUS, "overwritten", "another price"),
        (TOLD, shown("107.50", "USD"), BY_STATUS, "overwritten", "another price"),
        (TOLD, shown("107.50", stock=LIMITED), BY_STATUS, "overwritten", "another stock status"),
        (TOLD, shown("1", stock=OUT), BY_STATUS, "overwritten",
         "another price and another stock status"),
        (TOLD, shown("99.00", stock=LIMITED), BY_STATUS, "not_applied",
         "another price and another stock status"),
        (TOLD, shown("99.00"), BY_STATUS, "overwritten", "another price"),
        (TOLD, shown(None, message="no such product"), BY_STATUS, "not_applied", "no such product"),
        (Said(1075, "BHD", "in_stock"), shown("1.075", "BHD"), BY_STATUS, "verified", ""),
        (Said(107, "JPY", "in_stock"), shown("107", "JPY"), BY_STATUS, "verified", ""),
        (Said(107, "JPY", "in_stock"), shown("107.4", "JPY"), BY_STATUS, "overwritten",
         "another price"),
        # where quantities are told
        (TOLD, shown("107.50", quantity=12), COUNTED, "verified", ""),
        (TOLD, shown("107.50", quantity=11), COUNTED, "overwritten", "another quantity"),
        (TOLD, shown("99.00", quantity=2), COUNTED, "not_applied",
         "another price and another quantity"),
        (TOLD, shown("107.50", stock=OUT, quantity=0), COUNTED, "overwritten", "another quantity"),
        (TOLD, shown("107.50", stock=OUT, quantity=12, message="inactive: SHOP_CLOSED"), COUNTED,
         "overwritten", "something that cannot be bought (inactive: SHOP_CLOSED)"),
        (TOLD, shown("107.50", stock=None), COUNTED, "verified", ""),
        (TOLD, shown("107.50", stock=OUT), COUNTED,
         "overwritten", "something that cannot be bought"),
        (Said(10750, "KES", "limited_stock", 2), shown("107.50", quantity=2), COUNTED,
         "verified", ""),
        (Said(10750, "KES", "in_stock"), shown("107.50", quantity=3), COUNTED, "verified", ""),
        (Said(10750, "KES", "in_stock"), shown("107.50", quantity=0, stock=OUT), COUNTED,
         "overwritten", "another quantity"),
        # out of stock is 0, however many there are, and an offer of 0 may well be inactive
        (Said(10750, "KES", "out_of_stock", 12),
         shown("107.50", stock=OUT, quantity=0, message="inactive: ZERO_QUANTITY"), COUNTED,
         "verified", ""),
        (Said(10750, "KES", "out_of_stock", 12), shown("107.50", quantity=12), COUNTED,
         "overwritten", "another quantity"),
        (Said(10750, "KES", "out_of_stock"), shown("107.50"), COUNTED, "overwritten",
         "goods on sale"),
    ],
)  # fmt: skip
def test_verdicts(told: Said, there: ShownPrice, rules: Rules, verdict: str, reason: str) -> None:
    assert verdict_of(told, BEFORE, there, rules) == verdict
    whole = reason if there.price is None or not reason else f"the platform shows {reason}"
    assert reason_of(told, there, rules) == whole


def test_without_a_value_before_another_one_is_somebody_elses() -> None:
    assert verdict_of(TOLD, None, shown("99.00", stock=LIMITED), BY_STATUS) == "overwritten"


@pytest.mark.parametrize(
    ("there", "kept", "said"),
    [
        (shown("95"), Said(9500, "KES", "in_stock", 2), "KES 95.00, in_stock"),
        (shown("95", stock=OUT, quantity=0), Said(9500, "KES", "out_of_stock", 0),
         "KES 95.00, out_of_stock, 0"),
        (shown("95", quantity=1), Said(9500, "KES", "limited_stock", 1), "KES 95.00, in_stock, 1"),
        (shown("95", "", None), Said(9500, "KES", "limited_stock", 2), "KES 95.00"),
        (shown("0.125", "USD"), Said(None, None, "in_stock", 2), "USD 0.125, in_stock"),
        (shown(None), Said(None, None, None, None), ""),
    ],
)  # fmt: skip
def test_what_is_shown_is_kept_as_far_as_the_platform_tells(
    there: ShownPrice, kept: Said, said: str
) -> None:
    told = Said(10750, "KES", "limited_stock", 2)
    assert as_said(there, told) == kept
    assert words_shown(there, told) == said


def test_words_say_the_quantity_that_was_told() -> None:
    assert words(TOLD) == "KES 107.50, in_stock"
    assert words(TOLD, COUNTED) == "KES 107.50, in_stock, 12"
    assert words(Said(10750, "KES", "out_of_stock", 12), COUNTED) == "KES 107.50, out_of_stock, 0"
    assert words(Said(10750, "KES", "in_stock"), COUNTED) == "KES 107.50, in_stock, 3"
    assert words(Said(None, None, None)) == ""


@pytest.mark.parametrize(
    ("there", "sold", "fewer"),
    [
        (shown("107.50", quantity=9), {3}, 3),
        (shown("107.50", quantity=9), {2, 3, 5}, 3),
        (shown("107.50", quantity=9), {2}, 0),
        (shown("107.50", quantity=9), set(), 0),
        (shown("107.50", quantity=15), {3}, 0),
        (shown("107.50", quantity=12), {3}, 0),
        (shown("107.51", quantity=9), {3}, 0),
        (shown("107.50", "USD", quantity=9), {3}, 0),
        (shown("107.50", stock=OUT, quantity=0), {12}, 12),
        (shown("107.50", stock=OUT, quantity=9), {3}, 0),
        (shown("107.50"), {3}, 0),
        (shown(None, quantity=9), {3}, 0),
    ],
)
def test_fewer_pieces_are_explained_by_what_was_sold_and_by_nothing_else(
    there: ShownPrice, sold: set[int], fewer: int
) -> None:
    assert sold_since(TOLD, there, COUNTED, sold) == fewer
    assert sold_since(TOLD, there, BY_STATUS, sold) == 0
