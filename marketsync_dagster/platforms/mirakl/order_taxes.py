"""Taxes of parts: what a refund or a cancellation of some of a line takes of the line's taxes.

Mirakl wants them with every refund of an order that has any (OR28, OR30). What is left of each line
travels with the order, in `PulledOrder.details`, to the command.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson

from marketsync_dagster.values.money import round_to_minor, to_decimal

LINE_TAXES = "line_taxes"
"""The detail: JSON, line -> [price left, [[code, amount left], ...], shipping left, [...]]."""
PARTS = (("price", "amount", "taxes"), ("shipping_price", "shipping_amount", "shipping_taxes"))
"""Of a line: its amount, what of a refund goes against it, and the taxes of both."""

Taxes = list[tuple[str, Decimal]]


def taxes_left(order: Mapping[str, Any]) -> str:
    """The detail of an order as OR11 tells it, read before; empty where it has no taxes."""
    found: dict[str, list[Any]] = {}
    for line in order["order_lines"]:
        if not (line.get("taxes") or line.get("shipping_taxes")):
            continue
        left: list[Any] = []
        for price, amount, taxes in PARTS:
            taken = [*(line.get("refunds") or ()), *(line.get("cancelations") or ())]
            rest = _number(line.get(price)) - sum((_number(t.get(amount)) for t in taken), _ZERO)
            codes = {str(tax.get("code")): _number(tax["amount"]) for tax in line.get(taxes) or ()}
            for tax in (tax for one in taken for tax in one.get(taxes) or ()):
                code = str(tax.get("code"))
                codes[code] = codes.get(code, _ZERO) - _number(tax["amount"])
            left += [str(rest), [[code, str(tax)] for code, tax in codes.items()]]
        if left[1] or left[3]:
            found[str(line["order_line_id"])] = left
    return orjson.dumps(found).decode() if found else ""


def taxes_of(
    details: Mapping[str, str], line_id: str, amounts: tuple[Decimal, Decimal], currency: str
) -> tuple[Taxes, Taxes]:
    """The taxes of an amount of a line, and of its shipping: of all that is left all of them, of
    less their share."""
    left = orjson.loads(details.get(LINE_TAXES) or "{}").get(line_id)
    if left is None:
        return [], []
    price, goods, shipping_price, shipping = left
    return (
        _share(amounts[0], Decimal(price), goods, currency),
        _share(amounts[1], Decimal(shipping_price), shipping, currency),
    )


def _share(amount: Decimal, whole: Decimal, taxes: list[list[str]], currency: str) -> Taxes:
    if amount >= whole:
        return [(code, Decimal(tax)) for code, tax in taxes] if amount else _none(taxes)
    return [
        (code, to_decimal(round_to_minor(Decimal(tax) * amount / whole, currency), currency))
        for code, tax in taxes
    ]


def _none(taxes: list[list[str]]) -> Taxes:
    return [(code, _ZERO) for code, _ in taxes]


_ZERO = Decimal(0)


def _number(value: Any) -> Decimal:
    return _ZERO if value is None else Decimal(value)
