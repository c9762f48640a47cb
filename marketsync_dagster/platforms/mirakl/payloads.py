"""What is written to Mirakl: offers as JSON (OF24), prices and stock as files (PRI01, STO01).

Pure. Equal items give equal bytes, so that Mirakl finds a request that is sent again to be the same
import. What comes back is `imports` and `reports`; how it travels is `adapter`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import orjson

from marketsync_dagster.platforms.amounts import exact_text
from marketsync_dagster.platforms.base import ImportKind, PriceItem
from marketsync_dagster.platforms.batching import LONGEST_ESCAPE
from marketsync_dagster.values.outcomes import StockStatus

FRAME = len(b'{"offers":[]}')
_ROW_FRAME = 192
"""More than all names, signs and fixed words of an offer without its texts and its price."""
_PRICE = 32
PRICE_COLUMNS = (
    "offer-sku",
    "price",
    "discount-price",
    "discount-start-date",
    "discount-end-date",
)
STOCK_COLUMNS = ("offer-sku", "quantity", "warehouse-code", "update-delete")
HEADER_LINES = 1
_NEEDS_QUOTES = frozenset(';"\r\n')


@dataclass(frozen=True, slots=True)
class Filling:
    """What an account says for items that leave it open."""

    unknown_quantity: int = 1
    warehouse: str = ""
    details: Mapping[str, Any] = field(default_factory=lambda: {"state_code": "11"})
    """Of an item without `details`."""


def name_of(item: PriceItem) -> str:
    """What Mirakl calls the offer: its `shop_sku`."""
    return item.platform_sku or item.sku


def quantity_of(item: PriceItem, filling: Filling) -> int:
    """How many can be bought: none of what is out of stock, whatever the till counts."""
    if item.stock_status is StockStatus.OUT_OF_STOCK:
        return 0
    return filling.unknown_quantity if item.quantity is None else max(0, item.quantity)


def offer_row(item: PriceItem, filling: Filling) -> dict[str, Any]:
    """One whole offer as OF24 takes it; the price keeps its digits, `60.00`."""
    return {
        **(_details(item.details) if item.details else filling.details),
        "shop_sku": name_of(item),
        "product_id": item.platform_id,
        "product_id_type": "SKU",
        "price": orjson.Fragment(exact_text(item.price, item.currency)),
        "quantity": quantity_of(item, filling),
        "update_delete": "update",
    }


@lru_cache(maxsize=4096)
def _details(text: str) -> dict[str, Any]:
    return orjson.loads(text)


def offers_body(items: Sequence[PriceItem], filling: Filling) -> bytes:
    """The body of OF24, in the order given."""
    return orjson.dumps({"offers": [offer_row(item, filling) for item in items]})


def offer_sizes(items: Sequence[PriceItem], filling: Filling) -> list[int]:
    """Bytes of each offer in a body, its comma included."""
    return [len(orjson.dumps(offer_row(item, filling))) + 1 for item in items]


def longest_offer(items: Sequence[PriceItem], filling: Filling) -> int:
    """A bound for the bytes of any offer, found without writing it."""
    texts = max([len(item.platform_id) + len(name_of(item)) for item in items], default=0)
    details = max([len(item.details) for item in items], default=0)
    usual = len(orjson.dumps(dict(filling.details)))
    return _ROW_FRAME + _PRICE + LONGEST_ESCAPE * (texts + details) + usual


def file_of(kind: ImportKind, items: Sequence[PriceItem], filling: Filling) -> bytes:
    """The CSV file of PRI01 or STO01: one line below the header for each item, in their order."""
    if kind is ImportKind.PRICES:
        lines = [";".join(PRICE_COLUMNS)]
        lines += [f"{_cell(name_of(i))};{exact_text(i.price, i.currency)};;;" for i in items]
    else:
        warehouse = _cell(filling.warehouse)
        lines = [";".join(STOCK_COLUMNS)]
        lines += [
            f"{_cell(name_of(i))};{quantity_of(i, filling)};{warehouse};update" for i in items
        ]
    return ("\n".join(lines) + "\n").encode()


def _cell(text: str) -> str:
    if text.strip() == text and _NEEDS_QUOTES.isdisjoint(text):
        return text
    return '"' + text.replace('"', '""') + '"'


def form_of(kind: ImportKind, content: bytes) -> tuple[bytes, str]:
    """A form with the file in it, and its content type. The boundary is made of the content."""
    mark = f"marketsync-{hashlib.sha256(content).hexdigest()[:40]}"
    head = (
        f"--{mark}\r\n"
        f'Content-Disposition: form-data; name="file"; filename="{kind.value}.csv"\r\n'
        "Content-Type: text/csv; charset=UTF-8\r\n\r\n"
    )
    body = head.encode() + content + f"\r\n--{mark}--\r\n".encode()
    return body, f"multipart/form-data; boundary={mark}"
