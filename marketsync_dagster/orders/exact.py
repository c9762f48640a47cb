"""What an adapter read, as the book can keep it: exact minor units, whole numbers that fit, texts
that both engines take. What cannot be kept exactly makes a document unreadable; nothing is rounded.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from decimal import Decimal

from marketsync_dagster.platforms.ordering import PulledLine, PulledOrder, UnreadableOrder
from marketsync_dagster.values.money import LARGEST, exponent, is_huge, to_minor

MOST = 2**31 - 1
"""Pieces of a line."""
_NEXT = "look at the document; a MarketSync that reads it takes it up by itself"
_to_minor = functools.lru_cache(maxsize=4096)(to_minor)  # the same amounts come all the time


def minor(amount: Decimal, currency: str, place: str) -> int:
    """Minor units of an amount; UnreadableOrder naming its place where it is not one."""
    if not amount.is_finite():
        raise UnreadableOrder(f"{place}: not an amount", _NEXT)
    if is_huge(amount):
        raise UnreadableOrder(f"{place}: too large an amount", _NEXT)
    try:
        found = _to_minor(amount, currency)
    except ValueError:
        raise UnreadableOrder(
            f"{place}: more decimals than the {exponent(currency)} that {currency} has", _NEXT
        ) from None
    if abs(found) > LARGEST:
        raise UnreadableOrder(f"{place}: too large an amount", _NEXT)
    return found


def clean(text: str) -> str:
    """A text without what PostgreSQL or UTF-8 do not take."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def check(pulled: PulledOrder, lines_before: int) -> None:
    """UnreadableOrder where an order contradicts itself; `lines_before`: of the order in the
    book."""
    if not pulled.external_id or clean(pulled.external_id) != pulled.external_id:
        raise UnreadableOrder("the order has no id that can be kept", _NEXT)
    if len(pulled.currency) != 3 or not pulled.currency.isascii():
        raise UnreadableOrder("currency: not an ISO 4217 code", _NEXT)
    if not pulled.lines and not lines_before:
        raise UnreadableOrder("the order has no lines", _NEXT)
    _check_lines(pulled.lines)


def _check_lines(lines: Sequence[PulledLine]) -> None:
    places: dict[str, int] = {}
    for index, line in enumerate(lines):
        place = f"lines[{index}]"
        if not line.line_id:
            raise UnreadableOrder(f"{place}: it has no id", _NEXT)
        if line.line_id in places:
            raise UnreadableOrder(f"{place}: it has the id of lines[{places[line.line_id]}]", _NEXT)
        places[line.line_id] = index
        for name, number in (
            ("quantity", line.quantity),
            ("cancelled", line.cancelled),
            ("shipped", line.shipped or 0),
        ):
            if not 0 <= number <= MOST:
                raise UnreadableOrder(f"{place}.{name}: not a number of pieces", _NEXT)
