"""Whether a platform shows what it was told: one listing beside one reading, and a verdict.

Pure. Prices are compared to the last digit. What is read when, and what comes of a verdict,
belongs to `stages.reconciliation`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from marketsync_dagster.ledger.reconciliation import NOT_APPLIED, OVERWRITTEN, VERIFIED, Said
from marketsync_dagster.platforms.base import ShownPrice
from marketsync_dagster.values.money import format_minor, to_minor
from marketsync_dagster.values.outcomes import StockStatus

OUT = StockStatus.OUT_OF_STOCK.value


@dataclass(frozen=True, slots=True)
class Rules:
    """How stock is compared."""

    by_quantity: bool = False
    """The platform is told quantities, and tells them."""
    unknown_quantity: int = 1
    """What it is told where nobody knows how many there are."""


BY_STATUS = Rules()


def shown_minor(shown: ShownPrice, currency: str) -> int | None:
    """The shown price in minor units; None where it has digits that the currency has not."""
    try:
        return None if shown.price is None else to_minor(shown.price, currency)
    except ValueError:
        return None


def as_said(shown: ShownPrice, told: Said) -> Said:
    """What is shown, as the ledger keeps it; what the platform does not tell stays as it was
    told, unless it shows nothing at all."""
    if shown.price is None:
        return Said(None, None, None, None)
    currency = shown.currency or told.currency or ""
    minor = shown_minor(shown, currency)
    status = told.stock_status if shown.stock_status is None else shown.stock_status.value
    if status == StockStatus.IN_STOCK.value and told.stock_status not in (None, OUT):
        # who tells quantities knows no "limited"
        status = told.stock_status if shown.quantity is not None else status
    quantity = told.quantity if shown.quantity is None else shown.quantity
    return Said(minor, currency if minor is not None else None, status, quantity)


def quantity_told(said: Said, rules: Rules) -> int:
    """The quantity that a platform was told."""
    if said.stock_status == OUT:
        return 0
    return rules.unknown_quantity if said.quantity is None else said.quantity


def words(said: Said, rules: Rules = BY_STATUS) -> str:
    """`KES 107.50, in_stock`, or `KES 107.50, in_stock, 12`; empty without a price."""
    if said.price_minor is None or said.currency is None:
        return ""
    text = f"{format_minor(said.price_minor, said.currency)}, {said.stock_status}"
    return f"{text}, {quantity_told(said, rules)}" if rules.by_quantity else text


def words_shown(shown: ShownPrice, told: Said) -> str:
    """The same of what the platform shows, in its own digits; empty: it shows nothing."""
    if shown.price is None:
        return ""
    currency = shown.currency or told.currency or ""
    minor = shown_minor(shown, currency)
    parts = [f"{currency} {shown.price}" if minor is None else format_minor(minor, currency)]
    if shown.stock_status is not None:
        parts.append(shown.stock_status.value)
    if shown.quantity is not None:
        parts.append(str(shown.quantity))
    return ", ".join(parts)


def what_differs(told: Said, shown: ShownPrice, rules: Rules = BY_STATUS) -> list[str]:
    """What a shown price has otherwise than it was told; empty: nothing."""
    currency = shown.currency or told.currency or ""
    wrong = []
    if shown_minor(shown, currency) != told.price_minor or currency != told.currency:
        wrong.append("another price")
    status = None if shown.stock_status is None else shown.stock_status.value
    if not rules.by_quantity:
        if status is not None and status != told.stock_status:
            wrong.append("another stock status")
        return wrong
    quantity = quantity_told(told, rules)
    if shown.quantity is not None and shown.quantity != quantity:
        wrong.append("another quantity")
    elif status is not None and (status == OUT) != (quantity == 0):
        wrong.append("something that cannot be bought" if status == OUT else "goods on sale")
    return wrong


def sold_since(told: Said, shown: ShownPrice, rules: Rules, sold: Collection[int]) -> int:
    """How many pieces fewer a platform shows than it was told, where that is what it has `sold`
    since (each number of pieces that may be meant) and nothing else differs; 0: it is not so."""
    if not rules.by_quantity or shown.quantity is None:
        return 0
    quantity = quantity_told(told, rules)
    fewer = quantity - shown.quantity
    if fewer <= 0 or fewer not in sold:
        return 0
    out = StockStatus.OUT_OF_STOCK
    if shown.stock_status is not None and (shown.stock_status is out) != (shown.quantity == 0):
        return 0
    before = shown._replace(quantity=quantity, stock_status=None)
    return 0 if what_differs(told, before, rules) else fewer


def reason_of(told: Said, shown: ShownPrice, rules: Rules = BY_STATUS) -> str:
    """Why what is shown is not what was told; empty: it is."""
    if shown.price is None:
        return shown.message or "the platform shows nothing"
    wrong = what_differs(told, shown, rules)
    if not wrong:
        return ""
    said = f" ({shown.message})" if shown.message else ""
    return f"the platform shows {' and '.join(wrong)}{said}"


def verdict_of(told: Said, before: Said | None, shown: ShownPrice, rules: Rules) -> str:
    """Whether a value that was told is shown; and if not, whether ever.

    `before` is what was acknowledged before it: a platform that still shows that, or nothing, has
    not applied what it acknowledged. Anything else is somebody else's.
    """
    if shown.price is not None and not what_differs(told, shown, rules):
        return VERIFIED
    if shown.price is None or (before is not None and not what_differs(before, shown, rules)):
        return NOT_APPLIED
    return OVERWRITTEN
