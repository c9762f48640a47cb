"""Which header means what: the table of synonyms, and the choice of columns for one file.

Canonical names are those that a column mapping in marketsync.yaml can use. To teach MarketSync
another word, add it to SYNONYMS; words are compared without case, accents, spaces and signs.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from marketsync_dagster.pos.reasons import refuse

SYNONYMS: dict[str, str] = {
    "sku": "sku, product id, productid, product code, item code, item id, item no, item number, "
    "article, article no, article number, article code, plu, plu code, stock code, part number, "
    "internal reference, code, product sku, item sku, variant sku, pos sku, id, product number",
    "parent_sku": "parent sku, parent, parent id, parent code",
    "name": "name, product, product name, item, item name, title, product title, article name, "
    "item description, product description",
    "brand": "brand, brand name",
    "category": "category, product category, item category, department, group, product group, "
    "product type",
    "size": "size, pack size, package size, net content",
    "unit": "unit, uom, unit of measure, sales unit",
    "barcode": "barcode, bar code, ean, ean13, ean code, gtin, upc, upc code, variant barcode",
    "price": "price, selling price, sale price, retail price, sell price, regular price, rrp, "
    "price incl vat, price inc vat, unit selling price, variant price, current price, srp",
    "promo_price": "promo price, special price, promotion price, promotional price, offer price, "
    "discount price, discounted price, promo",
    "cost": "cost, cost price, purchase price, buying price, unit cost, cost per item",
    "currency": "currency, currency code, curr",
    "stock": "stock, qty, quantity, quantity on hand, qty on hand, on hand, stock qty, "
    "stock quantity, stock level, available quantity, available qty, inventory, soh, balance, "
    "stock on hand, closing stock, variant inventory qty, units",
    "stock_status": "stock status, availability, in stock, available, status of stock",
    "tax_rate": "tax rate, vat, vat rate, tax, vat percent",
    "description": "description, long description, details, body html",
    "image_url": "image url, image, picture, photo, image src, image link",
    "option1_name": "option1 name",
    "option1_value": "option1 value",
    "option2_name": "option2 name",
    "option2_value": "option2 value",
    "option3_name": "option3 name",
    "option3_value": "option3 value",
    "active": "active, is active, enabled, published, status",
    "model": "model, model number",
    "msrp": "msrp",
    "tags": "tags, tag",
    "manufacturer": "manufacturer, maker, producer",
    "origin": "origin, country of origin",
    "warehouse": "warehouse, store room",
    "updated_at": "updated at, updated, last updated, modified, modified at, last modified, "
    "changed at",
    "outlet": "outlet, branch, store, location, shop",
}
"""Canonical name -> its words, comma separated."""

CANONICAL = tuple(SYNONYMS)


@dataclass(frozen=True)
class Columns:
    """The columns that are read: canonical name -> position and header."""

    position: dict[str, int]
    header: dict[str, str]
    ignored: list[str]


def plain(header: str) -> str:
    """A header without case, accents, spaces and signs: `Prod. Code` -> `prodcode`."""
    decomposed = unicodedata.normalize("NFKD", header.casefold())
    return "".join(sign for sign in decomposed if sign.isalnum())


@cache
def _words() -> dict[str, str]:
    return {
        plain(word): canonical
        for canonical, words in SYNONYMS.items()
        for word in (canonical, *words.split(","))
    }


def meaning(header: str) -> str | None:
    """The canonical name that a header is a synonym of."""
    return _words().get(plain(header))


def recognised(cells: Sequence[str], configured: Mapping[str, str]) -> int:
    """How many cells of a line look like headers that are asked for."""
    wanted = {header.strip().casefold() for header in configured.values()}
    if wanted:
        return len(wanted & {cell.strip().casefold() for cell in cells})
    return len({found for cell in cells if (found := meaning(cell))})


def choose(headers: Sequence[str], configured: Mapping[str, str], file: str, line: int) -> Columns:
    """The column of each canonical name.

    Raises ExtractError: unknown_column, column_missing, duplicate_header, ambiguous_columns,
    no_sku_column, no_price_column.
    """
    names = [header.strip() for header in headers]
    where = f"{file}, line {line}"
    position = _configured(names, configured, where) if configured else _by_synonyms(names, where)
    listed = ", ".join(repr(name) for name in names[:40] if name)
    if "sku" not in position:
        raise refuse("no_sku_column", f"{where}: no column holds the SKU; there are {listed}")
    if "price" not in position and "promo_price" not in position:
        raise refuse("no_price_column", f"{where}: no column holds the price; there are {listed}")
    used = set(position.values())
    return Columns(
        position=position,
        header={canonical: names[index] for canonical, index in position.items()},
        ignored=[name for index, name in enumerate(names) if name and index not in used],
    )


def _configured(names: list[str], configured: Mapping[str, str], where: str) -> dict[str, int]:
    position: dict[str, int] = {}
    counts = Counter(names)
    for canonical, asked in configured.items():
        if canonical not in SYNONYMS:
            close = difflib.get_close_matches(canonical, CANONICAL, 1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise refuse("unknown_column", f"{canonical!r} is no column name of MarketSync{hint}")
        header = _find(names, asked.strip())
        if header is None:
            listed = ", ".join(repr(name) for name in names[:40] if name)
            close = difflib.get_close_matches(asked, names, 1, 0.5)
            hint = f"; the closest is {close[0]!r}" if close else ""
            raise refuse(
                "column_missing",
                f"{where}: no column {asked!r} for {canonical}; there are {listed}{hint}",
            )
        if counts[header] > 1:
            positions = [str(i + 1) for i, name in enumerate(names) if name == header]
            raise refuse(
                "duplicate_header",
                f"{where}: the header {header!r} occurs in columns {' and '.join(positions)}",
            )
        position[canonical] = names.index(header)
    return position


def _find(names: list[str], asked: str) -> str | None:
    """The header as asked for; without regard to case where only one fits."""
    if asked in names:
        return asked
    alike = {name for name in names if name.casefold() == asked.casefold()}
    return alike.pop() if asked and len(alike) == 1 else None


def _by_synonyms(names: list[str], where: str) -> dict[str, int]:
    position: dict[str, int] = {}
    for index, name in enumerate(names):
        canonical = meaning(name) if name else None
        if canonical is None:
            continue
        if canonical in position:
            first = position[canonical]
            if names[first] == name:
                raise refuse(
                    "duplicate_header",
                    f"{where}: the header {name!r} occurs in columns {first + 1} and {index + 1}",
                )
            raise refuse(
                "ambiguous_columns",
                f"{where}: {names[first]!r} and {name!r} may both be {canonical}",
            )
        position[canonical] = index
    return position
