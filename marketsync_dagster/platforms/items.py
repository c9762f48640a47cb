"""The items of a batch as columns: how a plan has them, and how bodies are written in bulk.

An item is made only where somebody looks at it: hundreds of thousands of them, and as many
decimals, cost more than writing the bodies does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import overload

from marketsync_dagster.platforms.amounts import exact_texts
from marketsync_dagster.platforms.base import PriceItem
from marketsync_dagster.values.money import to_decimal, to_minor
from marketsync_dagster.values.outcomes import StockStatus

_STOCK = {status.value: status for status in StockStatus}


class PriceItems(Sequence[PriceItem]):
    """Items of one call; column by column, or one by one like any sequence of them. `platform_sku`
    and `details` None: of none of them."""

    __slots__ = (
        "_made",
        "currency",
        "details",
        "platform_id",
        "platform_sku",
        "price_minor",
        "quantity",
        "sku",
        "stock_status",
    )

    def __init__(
        self,
        sku: Sequence[str],
        platform_id: Sequence[str],
        price_minor: Sequence[int],
        currency: Sequence[str],
        stock_status: Sequence[str],
        quantity: Sequence[int | None],
        platform_sku: Sequence[str] | None = None,
        details: Sequence[str] | None = None,
    ) -> None:
        self.sku = sku
        self.platform_id = platform_id
        self.price_minor = price_minor
        self.currency = currency
        self.stock_status = stock_status
        self.quantity = quantity
        self.platform_sku = platform_sku
        self.details = details
        self._made: Sequence[PriceItem] | None = None

    @classmethod
    def of(cls, items: Sequence[PriceItem]) -> PriceItems:
        """`items` as columns; ValueError where a price has more decimals than its currency."""
        if isinstance(items, PriceItems):
            return items
        columns = cls(
            [item.sku for item in items],
            [item.platform_id for item in items],
            [to_minor(item.price, item.currency) for item in items],
            [item.currency for item in items],
            [item.stock_status.value for item in items],
            [item.quantity for item in items],
            [item.platform_sku for item in items],
            [item.details for item in items],
        )
        columns._made = items
        return columns

    def price_texts(self) -> list[str]:
        """Each price as it is written, `60.00`."""
        return exact_texts(self.price_minor, self.currency)

    def __len__(self) -> int:
        return len(self.sku)

    def __iter__(self) -> Iterator[PriceItem]:
        return iter(self._items())

    @overload
    def __getitem__(self, at: int) -> PriceItem: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[PriceItem]: ...
    def __getitem__(self, at: int | slice) -> PriceItem | Sequence[PriceItem]:
        return self._items()[at]

    def _items(self) -> Sequence[PriceItem]:
        if self._made is None:
            values = zip(
                self.sku,
                self.platform_id,
                map(to_decimal, self.price_minor, self.currency),
                self.currency,
                [_STOCK[word] for word in self.stock_status],
                self.quantity,
                repeat(False),
                repeat("") if self.platform_sku is None else self.platform_sku,
                repeat("") if self.details is None else self.details,
                strict=False,
            )
            # without a call for each: that takes half as long
            self._made = list(map(PriceItem._make, values))
        return self._made
