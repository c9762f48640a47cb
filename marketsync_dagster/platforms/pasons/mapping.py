"""Items to Pasons' JSON rows, as the account's `request` says (contract sections 3.1 and 3.2).

Pure. What an answer says is `results`; how a request travels is `adapter`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from marketsync_dagster.config.accounts import PasonsRequest
from marketsync_dagster.platforms.amounts import exact_text
from marketsync_dagster.platforms.base import PriceItem
from marketsync_dagster.platforms.batching import LONGEST_ESCAPE
from marketsync_dagster.values.money import to_minor
from marketsync_dagster.values.outcomes import StockStatus

_SIGNS = 32
_PRICE = 32


def _price_number(item: PriceItem) -> Any:
    return orjson.Fragment(exact_text(item.price, item.currency))


def _price_string(item: PriceItem) -> Any:
    return exact_text(item.price, item.currency)


def _price_minor(item: PriceItem) -> Any:
    return to_minor(item.price, item.currency)


_PRICES: dict[str, Callable[[PriceItem], Any]] = {
    "number": _price_number,
    "string": _price_string,
    "minor_units": _price_minor,
}


def _stock_words(request: PasonsRequest) -> dict[StockStatus, Any]:
    """What is written for each stock status; limited stock can be bought, so it counts as in."""
    kind = request.types.get("stock_status", "int01")
    if kind == "enum":
        return {
            StockStatus.IN_STOCK: request.enum["in_stock"],
            StockStatus.LIMITED_STOCK: request.enum["limited_stock"],
            StockStatus.OUT_OF_STOCK: request.enum["out_of_stock"],
        }
    available = {status: status is not StockStatus.OUT_OF_STOCK for status in StockStatus}
    return {s: (yes if kind == "bool" else int(yes)) for s, yes in available.items()}


@dataclass(frozen=True, slots=True)
class RowWriter:
    """Writes rows for one account, with everything looked up once."""

    sku: str
    selling_price: str
    stock_status: str
    price: Callable[[PriceItem], Any]
    stock: dict[StockStatus, Any]
    extra: dict[str, str] = field(default_factory=dict)
    """Goes into every row, or beside the envelope: the store's id, where the body carries it."""
    envelope: str | None = None

    def row(self, item: PriceItem) -> dict[str, Any]:
        """One item, `{"sku": ..., "selling_price": ..., "stock_status": ...}` as configured."""
        return self.rows([item])[0]

    def rows(self, items: Sequence[PriceItem]) -> list[dict[str, Any]]:
        """`row` for each item."""
        price, stock = self.price, self.stock
        extra = self.extra if self.envelope is None else {}
        return [
            {
                self.sku: item.platform_id,
                self.selling_price: price(item),
                self.stock_status: stock[item.stock_status],
                **extra,
            }
            for item in items
        ]

    def body(self, items: Sequence[PriceItem]) -> bytes:
        """The request's bytes: a bare array, or an object with the envelope's name."""
        rows = self.rows(items)
        if self.envelope is None:
            return orjson.dumps(rows)
        return orjson.dumps({**self.extra, self.envelope: rows})

    def frame(self) -> int:
        """Bytes of a body without items."""
        return len(self.body([]))

    def sizes(self, items: Sequence[PriceItem]) -> list[int]:
        """Bytes of each item in a body, its comma included."""
        return [len(orjson.dumps(self.row(item))) + 1 for item in items]

    def longest(self, items: Sequence[PriceItem]) -> int:
        """A bound for the bytes of any item, found without writing it."""
        fixed = (self.sku, self.selling_price, self.stock_status, *self.extra, *self.extra.values())
        words = max(len(str(word)) for word in self.stock.values())
        longest_id = max([len(item.platform_id) for item in items], default=0)
        texts = sum(map(len, fixed)) + words + longest_id
        return _SIGNS + _PRICE + 6 * len(self.extra) + LONGEST_ESCAPE * texts


def row_writer(request: PasonsRequest, store_id: str | None) -> RowWriter:
    """The writer for an account's `request`; the store's id goes in where the body carries it."""
    carried = request.store.in_ == "body" and store_id is not None
    return RowWriter(
        sku=request.fields.get("sku", "sku"),
        selling_price=request.fields.get("selling_price", "selling_price"),
        stock_status=request.fields.get("stock_status", "stock_status"),
        price=_PRICES[request.types.get("selling_price", "number")],
        stock=_stock_words(request),
        extra={request.store.name: store_id} if carried and store_id is not None else {},
        envelope=request.envelope,
    )
