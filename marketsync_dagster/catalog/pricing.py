"""From the POS price to a channel's price: markup, then rounding, then the minimum.

Exact integer arithmetic over whole frames, and a text per row that says what was done to it.
Whether a price may be sent is the guard's to decide (`push`).
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import gcd

import numpy as np
import pandas as pd

from marketsync_dagster.catalog.arrow import pick
from marketsync_dagster.config.channels import PricingSettings
from marketsync_dagster.values.errors import ConfigError, MarketSyncError
from marketsync_dagster.values.money import to_decimal, to_minor

_LIMIT = 2**63 - 1


def apply_pricing(
    frame: pd.DataFrame, settings: PricingSettings, currency: str
) -> tuple[pd.Series, pd.Series]:
    """The channel's price (int64, minor units of `currency`) and the rule (str) of each row.

    `frame` has `price_minor` (the effective POS price) and `regular_price_minor` (null: there is
    only a promotion price). Each row's result depends on that row alone. Nothing is rounded
    before the one rounding, to `round_to` or, without it, to the minor unit. ConfigError for a
    step or minimum finer than the currency has decimals; MarketSyncError naming the SKU for a
    price beyond 64 bits.
    """
    base, promo, kept_regular = _base(frame, settings.use_promo)
    price, rounded = _marked_up_and_rounded(frame, base, settings, currency)
    raised = np.zeros(len(frame), dtype=bool)
    if settings.minimum is not None:
        minimum = _minor("minimum", settings.minimum, currency)
        raised = price < minimum
        price = np.maximum(price, minimum)
    rule = _rules(settings, currency, promo, kept_regular, rounded, raised)
    return pd.Series(price, index=frame.index), rule.set_axis(frame.index)


def base_prices(frame: pd.DataFrame, settings: PricingSettings) -> pd.Series:
    """The POS price (int64, minor units) that the rules start from."""
    return pd.Series(_base(frame, settings.use_promo)[0], index=frame.index)


def _base(frame: pd.DataFrame, use_promo: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Start price; rows that start from a promotion; rows whose promotion is not used."""
    effective = frame["price_minor"].to_numpy(dtype="int64")
    regular_given = frame["regular_price_minor"].notna().to_numpy()
    regular = frame["regular_price_minor"].fillna(0).to_numpy(dtype="int64")
    differs = regular_given & (regular != effective)
    if use_promo:
        return effective, ~regular_given | differs, np.zeros(len(frame), dtype=bool)
    return np.where(regular_given, regular, effective), ~regular_given, differs


def _marked_up_and_rounded(
    frame: pd.DataFrame, base: np.ndarray, settings: PricingSettings, currency: str
) -> tuple[np.ndarray, np.ndarray]:
    """Prices after markup and rounding, and which of them the rounding moved."""
    step = 1 if settings.round_to is None else _minor("round_to", settings.round_to, currency)
    factor = 1 + Fraction(settings.markup_percent) / 100
    # price = round(base * up / down) * step, with up / down = factor / step
    up, down = factor.numerator, factor.denominator * step
    common = gcd(up, down)
    up, down = up // common, down // common
    # the largest number that occurs on the way to any row's price
    safe = (_LIMIT - down) // (2 * up * max(step, 1))
    if down <= safe and (len(base) == 0 or int(base.max()) <= safe):
        steps, left = np.divmod(base * up, down)
        return (steps + _away(steps, left, down, settings.rounding)) * step, left != 0
    return _in_python(frame, base, up, down, step, settings.rounding)


def _away(steps: np.ndarray, left: np.ndarray, down: int, rounding: str) -> np.ndarray:
    """1 where the rounding goes up; prices are above zero."""
    if rounding == "down":
        return np.zeros_like(steps)
    if rounding == "up":
        return (left > 0).astype("int64")
    return (2 * left >= down).astype("int64")


def _in_python(
    frame: pd.DataFrame, base: np.ndarray, up: int, down: int, step: int, rounding: str
) -> tuple[np.ndarray, np.ndarray]:
    """The same in Python's unlimited integers, for figures that might overflow 64 bits."""
    prices: list[int] = []
    moved: list[bool] = []
    for row, start in enumerate(base.tolist()):
        steps, left = divmod(start * up, down)
        away = {"down": False, "up": left > 0, "half_up": 2 * left >= down}[rounding]
        price = (steps + away) * step
        if price > _LIMIT:
            raise MarketSyncError(
                f"the price of SKU {frame['sku'].iloc[row]} is too large: {price} minor units",
                "look at the price in the extract and at the channel's pricing",
            )
        prices.append(price)
        moved.append(left != 0)
    return np.array(prices, dtype="int64"), np.array(moved, dtype=bool)


def _minor(name: str, amount: Decimal, currency: str) -> int:
    try:
        minor = to_minor(amount, currency)
    except ValueError as error:
        raise ConfigError(f"pricing.{name}: {error}") from None
    if minor > _LIMIT:
        raise ConfigError(f"pricing.{name}: {amount} is too large")
    return minor


def _rules(
    settings: PricingSettings,
    currency: str,
    promo: np.ndarray,
    kept_regular: np.ndarray,
    rounded: np.ndarray,
    raised: np.ndarray,
) -> pd.Series:
    """One text per combination of what was done, then looked up per row."""
    step = settings.round_to if settings.round_to is not None else to_decimal(1, currency)
    way = {"half_up": "rounded", "up": "rounded up", "down": "rounded down"}[settings.rounding]
    markup = f"markup {settings.markup_percent.normalize():f} %" if settings.markup_percent else ""
    minimum = "" if settings.minimum is None else _money(settings.minimum, currency)
    texts: list[str] = []
    for done in range(16):
        parts = [
            "promo price" if done & 1 else "",
            "regular price" if done & 2 else "",
            markup,
            f"{way} to {_money(step, currency)}" if done & 4 else "",
            f"raised to the minimum {minimum}" if done & 8 else "",
        ]
        texts.append("; ".join(filter(None, parts)) or "POS price")
    return pick(texts, promo * 1 + kept_regular * 2 + rounded * 4 + raised * 8)


def _money(amount: Decimal, currency: str) -> str:
    return f"{to_decimal(to_minor(amount, currency), currency):f}"
