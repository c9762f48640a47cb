"""How an exact price is written for a platform: its digits as they are, never through a float."""

from __future__ import annotations

from decimal import Decimal

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
