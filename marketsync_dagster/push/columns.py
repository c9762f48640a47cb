"""The rows of a push as plain lists, and what batches are made of: items to send, rows to keep.

Called for every item of every batch while requests are in flight, so it is written for speed.
What is sent when, and what an answer means, belongs to `push.sender`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import repeat
from typing import TypeVar

import pandas as pd

from marketsync_dagster.ledger.listings import ItemRow
from marketsync_dagster.platforms.base import ItemResult, PriceItem
from marketsync_dagster.values.money import exponent
from marketsync_dagster.values.outcomes import StockStatus

NAMES = ("sku", "platform_id", "price_minor", "currency", "stock_status", "quantity", "line")
"""The columns of a plan's rows that are needed here."""
T = TypeVar("T")
_STOCK = {status.value: status for status in StockStatus}


@dataclass(slots=True)
class Columns:
    """The rows to send as plain lists: what batches are cut from."""

    sku: list[str]
    platform_id: list[str]
    price_minor: list[int]
    currency: list[str]
    stock_status: list[str]
    quantity: list[int | None]
    line: list[int]

    @classmethod
    def of(cls, rows: pd.DataFrame) -> Columns:
        """From `Plan.to_send`, in its order."""
        lists = {name: rows[name].tolist() for name in NAMES}
        lists["quantity"] = [None if value is pd.NA else value for value in lists["quantity"]]
        return cls(**lists)

    def items(self, indices: Sequence[int]) -> list[PriceItem]:
        """What is sent for these rows, in their order."""
        currency = _taken(self.currency, indices)
        exponents = {word: -exponent(word) for word in set(currency)}
        minor = zip(_taken(self.price_minor, indices), currency, strict=True)
        values = zip(
            _taken(self.sku, indices),
            _taken(self.platform_id, indices),
            [Decimal(units).scaleb(exponents[word]) for units, word in minor],
            currency,
            [_STOCK[word] for word in _taken(self.stock_status, indices)],
            _taken(self.quantity, indices),
            repeat(False),
            strict=False,
        )
        # without a call for each: that takes half as long
        return list(map(PriceItem._make, values))

    def rows(self, results: Mapping[int, ItemResult]) -> list[ItemRow]:
        """What the ledger keeps of these results, by index."""
        sku, platform_id, price_minor = self.sku, self.platform_id, self.price_minor
        currency, stock_status, quantity = self.currency, self.stock_status, self.quantity
        line = self.line
        said = {id(r): (r.outcome.value, r.message) for r in distinct(results)}
        return [
            (
                sku[i],
                platform_id[i],
                price_minor[i],
                currency[i],
                stock_status[i],
                quantity[i],
                *said[id(result)],
                line[i],
            )
            for i, result in results.items()
        ]


def _taken(column: list[T], indices: Sequence[int]) -> list[T]:
    if isinstance(indices, range) and indices.step == 1:
        return column[indices.start : indices.stop]
    return [column[i] for i in indices]


def distinct(results: Mapping[int, ItemResult]) -> list[ItemResult]:
    """The result objects without repetition: most items of an answer share one."""
    return list({id(result): result for result in results.values()}.values())


def count_outcomes(results: Mapping[int, ItemResult]) -> Counter[str]:
    """Outcome -> rows."""
    times = Counter(map(id, results.values()))
    total: Counter[str] = Counter()
    for result in distinct(results):
        total[result.outcome.value] += times[id(result)]
    return total
