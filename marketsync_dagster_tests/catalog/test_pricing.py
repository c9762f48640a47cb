"""Prices are exact: compared with plain Decimal arithmetic for every currency and rule."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsync_dagster.catalog.pricing import apply_pricing, base_prices
from marketsync_dagster.config.channels import PricingSettings
from marketsync_dagster.values.errors import ConfigError, MarketSyncError
from marketsync_dagster.values.money import exponent, to_decimal
from marketsync_dagster_tests.catalog.builders import Row, catalog

MODES = {"half_up": ROUND_HALF_UP, "up": ROUND_CEILING, "down": ROUND_FLOOR}


def reference(row: Row, settings: PricingSettings, currency: str) -> int:
    """The channel's price by the book, one row at a time, in Decimal."""
    with localcontext() as context:
        context.prec = 120
        regular = row["regular_price_minor"]
        minor = row["price_minor"] if settings.use_promo or regular is None else regular
        price = to_decimal(minor, currency) * (1 + settings.markup_percent / 100)
        step = settings.round_to or Decimal(1).scaleb(-exponent(currency))
        price = (price / step).quantize(Decimal(1), rounding=MODES[settings.rounding]) * step
        if settings.minimum is not None:
            price = max(price, settings.minimum)
        return int(price.scaleb(exponent(currency)))


def price(row: Row, settings: PricingSettings, currency: str = "KES") -> tuple[int, str]:
    prices, rules = apply_pricing(catalog([{"sku": "A"} | row]), settings, currency)
    return int(prices.iloc[0]), str(rules.iloc[0])


currencies = st.sampled_from(["KES", "JPY", "KWD"])
minors = st.one_of(st.integers(1, 100_000), st.integers(1, 10**13))
rows = st.fixed_dictionaries({"price_minor": minors, "regular_price_minor": st.none() | minors})


@st.composite
def settings_for(draw: st.DrawFn, currency: str) -> PricingSettings:
    amount = st.integers(1, 10**6).map(lambda minor: to_decimal(minor, currency))
    return PricingSettings(
        markup_percent=draw(st.decimals("-99.99", "900", places=draw(st.integers(0, 4)))),
        round_to=draw(st.none() | amount),
        rounding=draw(st.sampled_from(["half_up", "up", "down"])),
        minimum=draw(st.none() | amount),
        use_promo=draw(st.booleans()),
    )


@given(st.data(), currencies, st.lists(rows, min_size=1, max_size=8))
def test_prices_are_those_of_decimal_arithmetic(data, currency: str, given_rows: list[Row]) -> None:
    settings = data.draw(settings_for(currency))
    frame = catalog([{"sku": f"S{n}"} | row for n, row in enumerate(given_rows)])
    prices, rules = apply_pricing(frame, settings, currency)
    assert str(prices.dtype) == "int64"
    assert str(rules.dtype) == "str"
    assert prices.tolist() == [reference(row, settings, currency) for row in given_rows]


@given(st.data(), currencies, rows, st.lists(rows, max_size=5))
def test_a_sku_has_the_same_price_whatever_else_is_in_the_frame(
    data, currency: str, row: Row, others: list[Row]
) -> None:
    settings = data.draw(settings_for(currency))
    # one huge price sends the whole frame the slow way
    crowd = [*others, {"price_minor": 9 * 10**14, "regular_price_minor": None}]
    frame = catalog([{"sku": "A"} | row] + [{"sku": f"S{n}"} | o for n, o in enumerate(crowd)])
    prices, rules = apply_pricing(frame, settings, currency)
    assert (int(prices.iloc[0]), str(rules.iloc[0])) == price(row, settings, currency)


@given(st.data(), currencies, minors, minors)
def test_a_higher_pos_price_never_gives_a_lower_price(
    data, currency: str, one: int, other: int
) -> None:
    settings = data.draw(settings_for(currency))
    low, high = sorted([one, other])
    assert (
        price({"price_minor": low}, settings, currency)[0]
        <= (price({"price_minor": high}, settings, currency)[0])
    )


def test_every_cent_to_a_thousand_is_exact_without_rules() -> None:
    frame = catalog([{"sku": str(n), "price_minor": n} for n in range(1, 100_001, 7)])
    prices, rules = apply_pricing(frame, PricingSettings(), "KES")
    assert prices.equals(frame["price_minor"])
    assert set(rules) == {"POS price"}


@pytest.mark.parametrize(
    ("row", "rules", "expected"),
    [
        ({"price_minor": 100}, {}, (100, "POS price")),
        ({"price_minor": 90, "regular_price_minor": 100}, {}, (90, "promo price")),
        ({"price_minor": 90, "regular_price_minor": None}, {}, (90, "promo price")),
        (
            {"price_minor": 90, "regular_price_minor": 100},
            {"use_promo": False},
            (100, "regular price"),
        ),
        (
            {"price_minor": 90, "regular_price_minor": None},
            {"use_promo": False},
            (90, "promo price"),
        ),
        ({"price_minor": 10_000}, {"markup_percent": "12.5"}, (11_250, "markup 12.5 %")),
        ({"price_minor": 10_000}, {"markup_percent": "-5.0"}, (9_500, "markup -5 %")),
        ({"price_minor": 10_050}, {"round_to": "1.00"}, (10_100, "rounded to 1.00")),
        ({"price_minor": 10_000}, {"round_to": "1"}, (10_000, "POS price")),
        (
            {"price_minor": 10_001},
            {"round_to": "5", "rounding": "up"},
            (10_500, "rounded up to 5.00"),
        ),
        (
            {"price_minor": 10_499},
            {"round_to": "5", "rounding": "down"},
            (10_000, "rounded down to 5.00"),
        ),
        ({"price_minor": 99}, {"markup_percent": "1"}, (100, "markup 1 %; rounded to 0.01")),
        (
            {"price_minor": 41, "regular_price_minor": 60},
            {"markup_percent": 5, "round_to": "1.00", "minimum": "1.00"},
            (100, "promo price; markup 5 %; rounded to 1.00; raised to the minimum 1.00"),
        ),
    ],
)
def test_the_rule_says_what_was_done(row: Row, rules: Row, expected: tuple[int, str]) -> None:
    assert price(row, PricingSettings.model_validate(rules)) == expected


def test_one_rounding_not_two() -> None:
    """104.496 is 104.50 to the cent and 105 from there, but 104 to the unit."""
    settings = PricingSettings(markup_percent=Decimal("4.496"), round_to=Decimal(1))
    assert price({"price_minor": 10_000}, settings)[0] == 10_400


def test_the_start_price_is_the_one_that_the_rules_use() -> None:
    frame = catalog([{"sku": "A", "price_minor": 90, "regular_price_minor": 100}])
    assert base_prices(frame, PricingSettings()).tolist() == [90]
    assert base_prices(frame, PricingSettings(use_promo=False)).tolist() == [100]


@pytest.mark.parametrize(
    ("rules", "currency", "said"),
    [
        ({"round_to": "0.005"}, "KES", "pricing.round_to: 0.005 has more decimals than KES"),
        ({"minimum": "0.5"}, "JPY", "pricing.minimum: 0.5 has more decimals than JPY"),
        ({"minimum": "1e30"}, "KES", "pricing.minimum: 1E[+]30 is too large"),
    ],
)
def test_a_step_finer_than_the_currency_is_refused(rules: Row, currency: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        price({"price_minor": 100}, PricingSettings.model_validate(rules), currency)


def test_a_price_beyond_64_bits_names_the_sku() -> None:
    settings = PricingSettings(markup_percent=Decimal(900))
    with pytest.raises(MarketSyncError, match="price of SKU A is too large"):
        price({"price_minor": 10**18}, settings)


def test_an_empty_frame_has_no_prices() -> None:
    prices, rules = apply_pricing(catalog([]), PricingSettings(markup_percent=Decimal(5)), "KES")
    assert (len(prices), len(rules), str(prices.dtype), str(rules.dtype)) == (0, 0, "int64", "str")
