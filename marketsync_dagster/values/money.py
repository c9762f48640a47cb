"""Money: integers of minor units and an ISO 4217 currency, never a float on the way in.

How people *write* prices belongs to `pos.prices`; how each platform wants them belongs to its
adapter. Source of the exponents: contract section 1.5 (ISO 4217).
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal, Inexact, InvalidOperation, Overflow

ZERO_DECIMALS = frozenset(
    "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split()
)
THREE_DECIMALS = frozenset("BHD IQD JOD KWD LYD OMR TND".split())


LARGEST = 2**62
"""Amounts beyond it, in minor units, are nobody's."""
_DIGITS = 28
_EXACT = Context(prec=_DIGITS, traps=[Inexact, InvalidOperation, Overflow])
"""What would round raises."""


def exponent(currency: str) -> int:
    """How many decimals `currency` has: 0, 2 or 3."""
    if currency in ZERO_DECIMALS:
        return 0
    return 3 if currency in THREE_DECIMALS else 2


def is_huge(amount: Decimal) -> bool:
    """Whether it is beyond all that anybody counts in, whatever the currency."""
    return amount.adjusted() > _DIGITS - 4


def to_minor(amount: Decimal, currency: str) -> int:
    """Minor units of an exact `amount`; ValueError where digits would be lost."""
    if is_huge(amount):
        raise ValueError(f"{amount} is too large")
    try:
        scaled = amount.scaleb(exponent(currency), _EXACT)
    except ArithmeticError:
        scaled = None
    if scaled is None or scaled != scaled.to_integral_value():
        raise ValueError(f"{amount} has more decimals than {currency} has")
    return int(scaled)


def round_to_minor(amount: Decimal, currency: str) -> int:
    """Minor units of `amount`, half up: for computed prices, not for what was read."""
    scaled = amount.scaleb(exponent(currency))
    return int(scaled.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def to_decimal(minor: int, currency: str) -> Decimal:
    """The exact amount of `minor` units, with the decimals of the currency."""
    return Decimal(minor).scaleb(-exponent(currency))


def format_minor(minor: int, currency: str) -> str:
    """`KES 1600.00`, for people."""
    return f"{currency} {to_decimal(minor, currency)}"
