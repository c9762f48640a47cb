"""What pieces of an order cost, and what of it can still be given back: pure, in minor units.

`refunded_minor` of a line is what was paid back for pieces that were sent; the money of cancelled
pieces is their share of the line.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal

from marketsync_dagster.ledger.order_commands import UNSETTLED, CommandRow
from marketsync_dagster.ledger.orders import BookLine, BookOrder
from marketsync_dagster.orders.wanting import HAD
from marketsync_dagster.values.money import to_minor
from marketsync_dagster.values.order_states import CommandKind, OrderState

K = CommandKind

TAX_BESIDE = ("order_tax_mode", "TAX_EXCLUDED")
"""What the details of an order say whose amounts come without their taxes."""


def cost(order: BookOrder, line: BookLine, pieces: int, before: int = 0) -> int:
    """What the customer pays for pieces of a line, without shipping, with the line's share of the
    order's discount. `before`: so many came first; shares of all pieces make the whole line."""
    if line.quantity <= 0:
        return 0
    paid = line.total_minor
    goods = sum(one.total_minor for one in _paid_for(order))
    discount = goods + order.shipping_minor - order.total_minor
    if discount > 0 and goods > 0:
        paid = paid * max(goods - discount, 0) // goods
    return _share(paid, line, before + pieces) - _share(paid, line, before)


def paid(order: BookOrder) -> int | None:
    """What the customer paid for all that was not cancelled, by the order's total: less than its
    lines come to where there is a discount; None: no total is known."""
    if order.total_minor <= 0:
        return None
    return order.total_minor - sum(cost(order, one, one.cancelled) for one in _paid_for(order))


def still_refundable(
    order: BookOrder,
    line_id: str,
    commands: Iterable[CommandRow],
    *,
    goods_only: bool = False,
    besides: int = 0,
) -> int:
    """What of a line can still be given back, at most: what its pieces that were not cancelled
    cost, their shipping, and their tax where that lies beside, less what was given back and what
    is on its way to be, and never more than is left of the order. `besides`: given back with it of
    other lines."""
    there = list(commands)
    line = order.line(line_id)
    cancelled = _cancelled(line, there)
    kept = max(line.quantity - cancelled, 0)
    worth = cost(order, line, kept, cancelled)
    if kept and not goods_only:
        worth += line.shipping_minor
        if _beside(order):
            worth += _share(line.tax_minor, line, kept)
    given = {one.line_id: _given(order, one, there) for one in order.lines}
    left = order.total_minor - sum(given.values()) - besides
    left -= sum(cost(order, one, _cancelled(one, there)) for one in _paid_for(order))
    return max(min(worth - given[line_id], left), 0)


def asked(command: CommandRow, line_id: str, currency: str) -> int:
    """What a command gives back of a line, goods and shipping."""
    parts: list[Mapping[str, str]] = [
        command.payload.get(name, {}) for name in ("amounts", "shipping_amounts")
    ]
    return sum(to_minor(Decimal(part.get(line_id, "0")), currency) for part in parts)


def _given(order: BookOrder, line: BookLine, commands: Collection[CommandRow]) -> int:
    """Paid back of a line, and on its way."""
    waiting = 0
    for one in commands:
        if one.kind is K.REFUND and one.state in UNSETTLED:
            more = asked(one, line.line_id, order.currency)
            waiting += _not_counted(one, line.line_id, more, line.refunded_minor)
    return line.refunded_minor + waiting


def _cancelled(line: BookLine, commands: Collection[CommandRow]) -> int:
    """Pieces that are cancelled, or on their way to be."""
    waiting = 0
    for one in commands:
        if one.kind is K.CANCEL_LINES and one.state in UNSETTLED:
            more = one.payload.get("lines", {}).get(line.line_id, 0)
            waiting += _not_counted(one, line.line_id, more, line.cancelled)
    return line.cancelled + waiting


def _not_counted(command: CommandRow, line_id: str, more: int, now: int) -> int:
    """What of a command's effect the book has not counted: a pull may be quicker than its
    answer."""
    if command.state == "waiting":
        return more
    had = command.payload.get(HAD, {}).get(line_id, now)
    return max(had + more - now, 0)


def _paid_for(order: BookOrder) -> list[BookLine]:
    """The lines that an order's total is made of."""
    return [
        line
        for line in order.lines
        if line.vanished_at is None and line.state is not OrderState.REFUSED
    ]


def _beside(order: BookOrder) -> bool:
    name, said = TAX_BESIDE
    there = [line for line in order.lines if line.vanished_at is None]
    goods = sum(line.total_minor for line in there) + order.shipping_minor
    return order.details.get(name) == said or order.total_minor > goods


def _share(minor: int, line: BookLine, pieces: int) -> int:
    """What so many pieces have of an amount of a line."""
    return minor * min(pieces, line.quantity) // line.quantity if line.quantity > 0 else 0
