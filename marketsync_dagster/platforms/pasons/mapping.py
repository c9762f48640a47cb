"""Items to Pasons' JSON rows, as the account's `request` says (contract sections 3.1 and 3.2).

Pure. What an answer says is `results`; how a request travels is `adapter`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import orjson

from marketsync_dagster.config.pasons import Constant, PasonsRequest
from marketsync_dagster.platforms.base import PriceItem
from marketsync_dagster.platforms.batching import LONGEST_ESCAPE
from marketsync_dagster.platforms.items import PriceItems
from marketsync_dagster.values.outcomes import StockStatus

_PRICE = 40
"""Bytes of the longest price, and of a currency."""


Prices = Callable[[PriceItems], Iterable[Any]]
_PRICES: dict[str, Prices] = {
    "number": lambda items: map(orjson.Fragment, items.price_texts()),
    "string": lambda items: items.price_texts(),
    "minor_units": lambda items: items.price_minor,
}


def _stock_words(request: PasonsRequest) -> dict[str, Any]:
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


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """`{"price.amount": 1, "price.currency": "AED"}` as the objects that its dots mean."""
    document: dict[str, Any] = {}
    for name, value in flat.items():
        *outer, last = name.split(".")
        inner = document
        for part in outer:
            inner = inner.setdefault(part, {})
        inner[last] = value
    return document


@dataclass(frozen=True, slots=True)
class RowWriter:
    """Writes rows for one account, with everything looked up once."""

    sku: str
    selling_price: str
    stock_status: str
    prices: Prices
    stock: dict[str, Any]
    currency: str | None = None
    """The currency's name; None: rows do not carry it."""
    in_rows: dict[str, Constant] = field(default_factory=dict)
    """Goes into every row: constants, the store's id."""
    beside: dict[str, Constant] = field(default_factory=dict)
    """Goes beside the envelope."""
    envelope: str | None = None
    flat: bool = True
    """No name of a row has a dot."""

    def row(self, item: PriceItem) -> dict[str, Any]:
        """One item, `{"sku": ..., "selling_price": ..., "stock_status": ...}` as configured."""
        return self.rows([item])[0]

    def rows(self, items: Sequence[PriceItem]) -> list[dict[str, Any]]:
        """`row` for each item."""
        columns, stock, more = PriceItems.of(items), self.stock, self.in_rows
        rows = [
            {
                self.sku: platform_id,
                self.selling_price: price,
                self.stock_status: stock[status],
                **more,
            }
            for platform_id, price, status in zip(
                columns.platform_id, self.prices(columns), columns.stock_status, strict=True
            )
        ]
        if self.currency is not None:
            for row, currency in zip(rows, columns.currency, strict=True):
                row[self.currency] = currency
        return rows if self.flat else [nested(row) for row in rows]

    def body(self, items: Sequence[PriceItem]) -> bytes:
        """The request's bytes: a bare array, or an object with the envelope's name."""
        rows = self.rows(items)
        if self.envelope is None:
            return orjson.dumps(rows)
        return orjson.dumps(nested({**self.beside, self.envelope: rows}))

    def frame(self) -> int:
        """Bytes of a body without items."""
        return len(self.body([]))

    def sizes(self, items: Sequence[PriceItem]) -> list[int]:
        """Bytes of each item in a body, its comma included."""
        return [len(orjson.dumps(self.row(item))) + 1 for item in items]

    def longest(self, items: Sequence[PriceItem]) -> int:
        """A bound for the bytes of any item, found without writing them all."""
        smallest = [PriceItem("", "", Decimal(0), "KES", status) for status in StockStatus]
        longest_id = max(map(len, PriceItems.of(items).platform_id), default=0)
        return max(self.sizes(smallest)) + _PRICE + LONGEST_ESCAPE * longest_id


def row_writer(
    request: PasonsRequest, store_id: str | None, *, more: Mapping[str, Constant] | None = None
) -> RowWriter:
    """The writer for an account's `request`; the store's id goes in where the body carries it.

    `more` are constants that go beside the envelope, in place of the usual ones of that name.
    """
    names = request.field_names()
    store: dict[str, Constant] = {}
    if store_id is not None and request.store.in_ in ("body", "row"):
        store = {request.store.name: store_id}
    in_rows = {**request.row_constants, **(store if request.store_in_rows() else {})}
    beside = {} if request.store_in_rows() else store
    return RowWriter(
        sku=names["sku"],
        selling_price=names["selling_price"],
        stock_status=names["stock_status"],
        prices=_PRICES[request.types.get("selling_price", "number")],
        stock=_stock_words(request),
        currency=names.get("currency"),
        in_rows=in_rows,
        beside={**beside, **request.constants, **(more or {})},
        envelope=request.envelope,
        flat=not any("." in name for name in (*names.values(), *in_rows)),
    )
