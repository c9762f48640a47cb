"""How an exact price is written for a platform: its digits as they are, never through a float."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import repeat

from marketsync_dagster.values.money import exponent, to_decimal, to_minor


def exact_text(price: Decimal, currency: str) -> str:
    """`price` with all decimals of its currency, `60.00`; ValueError where digits would be lost.

    Also the JSON number of it: no exponent, no sign but minus, no spaces.
    """
    decimals = exponent(currency)
    text = str(price)
    point = len(text) - decimals - 1
    if decimals and point > 0 and text[point] == "." and text[point + 1 :].isdigit():
        return text  # the usual case: it is written already
    return format(to_decimal(to_minor(price, currency), currency), "f")


def exact_texts(minor: Sequence[int], currency: Sequence[str]) -> list[str]:
    """The same for many prices, in minor units."""
    if len(set(currency)) != 1 or min(minor) < 0:
        return [str(to_decimal(*each)) for each in zip(minor, currency, strict=True)]
    decimals = exponent(currency[0])
    if not decimals:
        return list(map(str, minor))
    # the usual case: one currency, and no decimal is made
    written = f"%d.%0{decimals}d".__mod__
    return list(map(written, map(divmod, minor, repeat(10**decimals))))
