"""Prices as the sandbox keeps them: exact decimal text, and whether a number can be a price.

What each platform calls a wrong price belongs to that platform.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

_ZERO = frozenset("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split())
_THREE = frozenset("BHD IQD JOD KWD LYD OMR TND".split())

_STEPS = {0: Decimal(1), 2: Decimal("0.01"), 3: Decimal("0.001")}

LARGEST = Decimal(10) ** 15


def as_price(value: Any) -> Decimal | None:
    """The exact number that `value` is, or None if no shop could mean it.

    Only JSON numbers count, never texts or booleans.
    """
    if type(value) is int:
        value = Decimal(value) if -(10**15) < value < 10**15 else None
    elif type(value) is not Decimal:
        return None
    return value if value is not None and -LARGEST < value < LARGEST else None


def exact_text(price: Decimal, currency: str = "") -> str:
    """`60.00` for 60: at least the decimals of the currency (2 if not given), never fewer digits
    than were sent."""
    places = 0 if currency in _ZERO else 3 if currency in _THREE else 2
    rounded = price.quantize(_STEPS[places])
    if rounded == price:
        return str(rounded)
    return f"{price.normalize():f}"
