"""The rows of a push as plain lists, and what batches are made of: items to send, rows to keep.

Called for every item of every batch while requests are in flight, so it is written for speed.
What is sent when, and what an answer means, belongs to `push.sender`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, repeat
from typing import Any, TypeVar

import pandas as pd

from marketsync_dagster.ledger.listings import ItemRow
from marketsync_dagster.platforms.base import ImportKind, ItemResult
from marketsync_dagster.platforms.items import PriceItems

NAMES = ("sku", "platform_id", "price_minor", "currency", "stock_status", "quantity", "line")
"""The columns of a plan's rows that are needed here."""
IMPORT_NAMES = (*NAMES, "platform_sku", "details", "import_kind")
"""Those of a platform that takes imports."""
T = TypeVar("T")


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
    platform_sku: list[str] | None = None
    details: list[str] | None = None
    import_kind: list[str] | None = None
    """Where the platform takes imports; rows of one kind stand together."""

    @classmethod
    def of(cls, rows: pd.DataFrame) -> Columns:
        """From `Plan.to_send`, in its order."""
        lists = {name: rows[name].tolist() for name in IMPORT_NAMES if name in rows}
        lists["quantity"] = [None if value is pd.NA else value for value in lists["quantity"]]
        return cls(**lists)

    def items(self, indices: Sequence[int]) -> PriceItems:
        """What is sent for these rows, in their order."""
        items = PriceItems(*self._said(indices))
        if self.platform_sku is not None:
            items.platform_sku = _taken(self.platform_sku, indices)
        if self.details is not None:
            items.details = _taken(self.details, indices)
        return items

    def stretches(self) -> list[tuple[ImportKind, int, int]]:
        """The half-open range of rows of each kind of import, in the order of the rows."""
        found, at = [], 0
        for kind, rows in groupby(self.import_kind or ()):
            last = at + len(list(rows))
            found.append((ImportKind(kind), at, last))
            at = last
        return found

    def rows(self, results: Mapping[int, ItemResult]) -> list[ItemRow]:
        """What the ledger keeps of these results, by index."""
        if isinstance(results, Same):
            indices, one = results.indices, results.result
            outcomes: Iterable[str] = repeat(one.outcome.value)
            messages: Iterable[str] = repeat(one.message)
        else:
            indices = list(results)
            said = {id(r): (r.outcome.value, r.message) for r in distinct(results)}
            outcomes = [said[id(result)][0] for result in results.values()]
            messages = [said[id(result)][1] for result in results.values()]
        return list(
            zip(
                *self._said(indices),
                outcomes,
                messages,
                _taken(self.line, indices),
                strict=False,
            )
        )

    def _said(
        self, indices: Sequence[int]
    ) -> tuple[list[str], list[str], list[int], list[str], list[str], list[int | None]]:
        """What is sent for these rows, and kept of them: SKU to quantity."""
        return (
            _taken(self.sku, indices),
            _taken(self.platform_id, indices),
            _taken(self.price_minor, indices),
            _taken(self.currency, indices),
            _taken(self.stock_status, indices),
            _taken(self.quantity, indices),
        )


class Same(Mapping[int, ItemResult]):
    """One result for all of some items: what most answers come to, without an entry for each."""

    __slots__ = ("indices", "result")

    def __init__(self, indices: Sequence[int], result: ItemResult) -> None:
        self.indices = indices
        self.result = result

    def __getitem__(self, index: int) -> ItemResult:
        if index not in self.indices:
            raise KeyError(index)
        return self.result

    def __iter__(self) -> Iterator[int]:
        return iter(self.indices)

    def __len__(self) -> int:
        return len(self.indices)


def by_index(indices: Sequence[int], results: Sequence[ItemResult]) -> Mapping[int, ItemResult]:
    """The result of each item, by its index; both in the same order."""
    if len(set(map(id, results))) == 1 and len(indices) == len(results):
        return Same(indices, results[0])
    return dict(zip(indices, results, strict=True))


def _taken(column: list[T], indices: Sequence[int]) -> list[T]:
    if isinstance(indices, range) and indices.step == 1:
        return column[indices.start : indices.stop]
    return [column[i] for i in indices]


def distinct(results: Mapping[int, ItemResult]) -> list[ItemResult]:
    """The result objects without repetition: most items of an answer share one."""
    if isinstance(results, Same):
        return [results.result]
    return list({id(result): result for result in results.values()}.values())


def count_outcomes(results: Mapping[int, ItemResult]) -> Counter[str]:
    """Outcome -> rows."""
    if isinstance(results, Same):
        return +Counter({results.result.outcome.value: len(results)})
    times = Counter(map(id, results.values()))
    total: Counter[str] = Counter()
    for result in distinct(results):
        total[result.outcome.value] += times[id(result)]
    return total


def joined(parts: Sequence[PriceItems]) -> PriceItems:
    """The items of several pushes as one sequence, in their order."""

    def column(name: str) -> list[Any]:
        return [value for part in parts for value in getattr(part, name)]

    said = "sku platform_id price_minor currency stock_status quantity platform_sku details"
    return PriceItems(*map(column, said.split()))
