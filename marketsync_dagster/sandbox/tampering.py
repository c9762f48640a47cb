"""What a fault changes inside a platform while it works: refused items, lost items, wrong prices.

Platforms ask it item by item; which request is tampered with belongs to `scenarios`.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any


@dataclass(frozen=True, slots=True)
class ItemError:
    """One item that is refused; found by its id or by its position, from 0."""

    item: str | None
    position: int | None
    error: Any


@dataclass(frozen=True, slots=True)
class Fate:
    """What a scenario has in store for an import of a platform that has imports."""

    older: bool = False
    """It is answered with the id of the import before it, and never comes to be."""
    stuck_s: float | None = None
    """It stays WAITING for so long; infinite: for ever."""
    blocks: bool = False
    """Those behind it wait too."""
    reason: str | None = None
    """It ends FAILED with this reason."""
    errors: int = 0
    """So many good lines end in error."""
    message: str = "An unexpected error has occurred"
    report_s: float | None = None
    """Its report is missing for so long after the end; None: as the shop says."""


@dataclass(frozen=True, slots=True)
class Tampering:
    """The changes of one request."""

    errors: tuple[ItemError, ...] = ()
    drop_all: bool = False
    drop_items: frozenset[str] = frozenset()
    damage: str | None = None
    repeat_page: bool = False
    lag_s: float | None = None
    """What is changed is missing from lists for so long, where a platform has such a list."""
    fate: Fate | None = None
    """What becomes of the import that the request brings, where a platform has imports."""

    def error_for(self, position: int, item: str) -> Any:
        """The error that an item is to get, None for none."""
        for rule in self.errors:
            if rule.position == position or (rule.item is not None and rule.item == item):
                return rule.error
        return None

    def drops(self, item: str) -> bool:
        """Whether an item is answered as if it had been taken, and is not."""
        return self.drop_all or item in self.drop_items

    def damaged(self, price: Decimal) -> Decimal:
        """The price that is stored instead."""
        if self.damage == "x100":
            return price * 100
        if self.damage == "round":
            return price.quantize(Decimal(1), rounding=ROUND_HALF_UP)
        if self.damage == "float":
            # what int(price * 100) in binary does: 19.99 becomes 19.98
            return Decimal(int(float(price) * 100)) / 100
        return price


UNTOUCHED = Tampering()
