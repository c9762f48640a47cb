"""What a table says of its prices that makes them something else than the price of one piece.

Sold by weight, typed in at the till, without tax, a promotion for some days only: presets know
where their systems say so, here are the columns of any table that are known by their words. Row by
row; what no column says is not looked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

import numpy as np
import pyarrow as pa

from marketsync_dagster.pos import stock
from marketsync_dagster.pos.headers.folding import fold
from marketsync_dagster.pos.headers.known import pieces, units
from marketsync_dagster.pos.kernels import matches, pc
from marketsync_dagster.pos.model import ExtractSpec
from marketsync_dagster.pos.reasons import refuse
from marketsync_dagster.pos.texts import Texts

COLUMNS = ("weighed", "price_type", "tax_included", "promo_window", "inactive")
"""Columns that are read for this alone."""

_MORE_MEASURES = frozenset(
    fold(word)
    for word in "kilogram, kilograms, kilo, kilos, pound, pounds, ounce, ounces, ton, tons, litro, "
    "litros, kilogramo, kilogramos, kilogramm, kilogramme, kilogrammes, metre, metro, metros, "
    'meter, كجم, كغ, كيلوجرام, ק"ג, קילו, per kg, per lb, per pound, per kilo, weight, by weight, '
    "bulk, a granel, granel, peso, por peso, au poids, vrac, nach gewicht, gewicht, gramo, gramos, "
    "gramme, grammes, gramm".split(", ")
)
_ONE_OF = r"^\s*(?:/|(?:100|1)\s*(?:x\s*)?)\s*"
_BARE_SIZE = r"^[0-9]+(?:[.,][0-9]+)?$"
_PRICE_TYPES: Mapping[str, str] = {
    **dict.fromkeys(map(fold, ("variable", "variable pricing", "open", "open price")),
                    "variable_price"),
    **dict.fromkeys(map(fold, ("per unit", "by weight", "per weight", "weight")), "sold_by_weight"),
}  # fmt: skip
_IN_CENTS = (frozenset(map(fold, ("priceType", "defaultTaxRates"))),)
"""Headers of interfaces that write whole cents, and say so nowhere."""
_CENTS = re.compile(
    r"(?:[_ ./(-](?:cents?|centavos|centimes|pence|minor|minor[_ ]units?)\)?|"
    r"money[./]amount|unit[_.]amount)$",
    re.IGNORECASE,
)
"""Ends of headers that say so."""


def as_sold(texts: Texts, spec: ExtractSpec) -> Texts:
    """Without the rows whose price is not that of one piece, rejected; promotions with both ends
    of their time."""
    texts = _by_type(texts, spec)
    texts = _by_weight(texts, spec)
    if "tax_included" in texts.columns:
        without = _found(texts.columns["tax_included"], _flags()) == 0
        texts = texts.reject(without, "tax_included", "net_price")
    if "inactive" in texts.columns:
        gone = _found(texts.columns["inactive"], _flags()) == 1
        active = pc.if_else(pa.array(gone), "no", texts.column("active"))
        texts = texts.put("active", active, texts.headers.get("active", texts.headers["inactive"]))
    return _windows(texts).without(*COLUMNS)


def refuse_cents(headers: Sequence[str], prices: Iterable[str], file: str) -> None:
    """Raises ExtractError minor_units where the headers of all columns, or one of those that are
    read for prices, are those of an interface that writes cents."""
    there = {fold(header) for header in headers}
    if any(known <= there for known in _IN_CENTS):
        raise refuse("minor_units", f"{file} is of an interface whose prices are whole cents")
    for header in prices:
        if _CENTS.search(header):
            raise refuse("minor_units", f"{file}: the prices in {header!r} are whole cents")


def measured(texts: Texts) -> np.ndarray:
    """Which rows have a price per kilogram, litre or another measure, by the column `unit`."""
    # prices are said of one kilogram or of a hundred grams; `500 g` is a pack
    bare = pc.replace_substring_regex(texts.column("unit"), _ONE_OF, "")
    return _found(bare, dict.fromkeys(_measures(), 1)) == 1


def _by_type(texts: Texts, spec: ExtractSpec) -> Texts:
    """`Price Type` with `Variable` and `Per Unit` in it."""
    if "price_type" not in texts.columns:
        return texts
    for reason in ("variable_price", "sold_by_weight"):
        words = {word: 1 for word, meant in _PRICE_TYPES.items() if meant == reason}
        which = _found(texts.columns["price_type"], words) == 1
        if reason == "sold_by_weight" and spec.weighed == "accept":
            continue
        texts = texts.reject(which, "price_type", reason)
    return texts


def _by_weight(texts: Texts, spec: ExtractSpec) -> Texts:
    if "weighed" in texts.columns:
        said = _found(texts.columns["weighed"], {**_kinds_of_sale(), **_flags()})
        unknown = (said < 0) & texts.filled("weighed")
        texts, said = texts.reject(unknown, "weighed", "bad_flag"), said[~unknown]
        if spec.weighed == "reject":
            texts = texts.reject(said == 1, "weighed", "sold_by_weight")
    if "unit" in texts.columns and spec.weighed == "reject":
        # `500` and `g` in two columns are a size
        of_size = matches(texts.column("size"), _BARE_SIZE)
        texts = texts.reject(measured(texts) & ~of_size, "unit", "sold_by_weight")
    return texts


def _windows(texts: Texts) -> Texts:
    """`2026-11-20T00:00+03:00/2026-11-27T00:00+03:00` as two columns."""
    if "promo_window" not in texts.columns or {"promo_from", "promo_to"} & texts.columns.keys():
        return texts
    window = texts.columns["promo_window"]
    header = texts.headers.get("promo_window")
    pair = matches(window, r"^[^/]+/[^/]+$")
    for name, sign in (("promo_from", r"\s*/.*$"), ("promo_to", r"^.*/\s*")):
        part = pc.replace_substring_regex(window, sign, "")
        texts = texts.put(name, pc.if_else(pa.array(pair), part, window), header)
    return texts


def _found(column: pa.Array, words: Mapping[str, int]) -> np.ndarray:
    """int8: what each cell says by a table of `stock.word_key`s, -1 where it is not in it."""
    if not len(column):
        return np.zeros(0, np.int8)
    encoded = pc.dictionary_encode(column)
    said = [
        words.get(stock.word_key(word), -1) if len(word) < 60 else -1
        for word in encoded.dictionary.to_pylist()
    ]
    return np.array(said, np.int8)[encoded.indices.to_numpy(zero_copy_only=False)]


@cache
def _measures() -> frozenset[str]:
    return units() | _MORE_MEASURES


@cache
def _flags() -> Mapping[str, int]:
    """Yes and no; a -1 may be either."""
    return {word: int(flag) for word, flag in stock.ACTIVE.items() if word != "-1"}


@cache
def _kinds_of_sale() -> Mapping[str, int]:
    return {**dict.fromkeys(pieces(), 0), **dict.fromkeys(_measures(), 1)}
