"""Lines that add up others, told from products by what they mean rather than by one word.

A text is looked at alone here (`kind_of`); whether its row lacks what the others have, or holds
their sum, is looked at by `find`, over the whole file. Nothing is dropped: what is a total is
rejected as `total_row`, so that a product that was taken for one can be seen.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache

import numpy as np
import pyarrow as pa

from marketsync_dagster.pos.currencies import CODES, SIGNS
from marketsync_dagster.pos.kernels import as_bool, is_digits, matches, pc

_TOTAL = """
total, totals, tot, subtotal, subtotals, sum, totales, suma, subtotales, totaux, somme, soustotal,
soustotaux, summe, gesamt, gesamtsumme, gesamtbetrag, zwischensumme, endsumme, insgesamt, toplam,
yekun, المجموع, مجموع, الاجمالي, اجمالي, סהכ, סך, סיכום, ukupno, sveukupno, zbroj, zbir, međuzbroj,
общо, всичко, сума, сбор, итого, всего, укупно, свега
"""
_BEFORE = """
grand, sub, report, general, overall, net, page, sous, genel, ara, file, store, shop, section,
category, department, dept, running
"""
_COUNTED = """
of, all, the, in, and, for, number, no, nr, count, item, items, product, products, article,
articles, record, records, row, rows, line, lines, entry, entries, sku, skus, price, prices,
amount, value, qty, quantity, quantities, stock, unit, units, pcs, pieces, report, page, general,
incl, excl, inc, ex, vat, tax, sale, sales, cost, retail, grand, overall, de, del, des, du, la,
los, las, les, el, en, articulo, articulos, producto, productos, precio, cantidad, importe,
produit, produits, prix, montant, ht, ttc, artikel, produkte, positionen, anzahl, preis, menge,
betrag, bestand, stk, urun, kalem, adet, tutar, fiyat, miktar, منتج, منتجات, اصناف, صنف, الكل,
السعر, الكمية, הכל, כללי, פריטים, מוצרים, כמות, מחיר, artikala, proizvoda, stavki, kom, cijena,
артикула, продукта, броя, цена, الكلي, العام,
النهائي, товаров, позиций, кг, kg
"""
_TOKEN = re.compile(r"[^\W_]+")
_CODE = re.compile(r"[^\W\d_]+[-_/#.]*[0-9]+")
_LAST = 3
"""How many rows at the end may hold the sum of the others."""
_MANY = 10
_USUAL = 0.9


class Kind(Enum):
    """What a text that begins with a word for a total goes on with."""

    WORDS = "words"
    """Words about totals and nothing else: `Grand total:`."""
    FIGURES = "figures"
    """Such words and figures: `Total: 1,200 items`."""
    CODE = "code"
    """Written like a code: `SUM-100`."""
    OTHER = "other"
    """Anything: `Total 0% Yoghurt`."""


@cache
def _set(table: str) -> frozenset[str]:
    return frozenset(_plain(word.strip()) for word in table.split(","))


@cache
def _money() -> frozenset[str]:
    return frozenset(_plain(word) for word in (*CODES, *SIGNS))


def _plain(text: str) -> str:
    """Without case, accents and the quotes that Hebrew writes into abbreviations."""
    decomposed = unicodedata.normalize("NFKD", text.casefold()).replace("ı", "i")
    return "".join(
        sign for sign in decomposed if unicodedata.category(sign) != "Mn" and sign not in "ـ\"'״׳’"
    )


def kind_of(text: str) -> Kind | None:
    """How a text names a total; None where it does not begin with a word for one."""
    plain = _plain(text[:200])
    tokens = _TOKEN.findall(plain)
    if not tokens:
        return None
    at = 0
    while at < min(2, len(tokens) - 1) and tokens[at] in _set(_BEFORE):
        at += 1
    if tokens[at] not in _set(_TOTAL):
        glued = at + 1 < len(tokens) and tokens[at] + tokens[at + 1] in _set(_TOTAL)
        if not glued:
            return Kind.CODE if _CODE.fullmatch(plain) and _begins_total(tokens[at]) else None
    known = _set(_TOTAL) | _set(_COUNTED) | _set(_BEFORE) | _money()
    others = [token for token in tokens[at:] if token not in known]
    if not others:
        return Kind.WORDS
    if all(token.isdecimal() for token in others) and "%" not in plain:
        return Kind.CODE if _CODE.fullmatch(plain) else Kind.FIGURES
    return Kind.OTHER


def _begins_total(token: str) -> bool:
    return token.rstrip("0123456789") in _set(_TOTAL)


@cache
def _suspect() -> str:
    words = "|".join(sorted(_set(_TOTAL) | _set(_BEFORE)))
    return rf"(?i)^[^\p{{L}}\p{{N}}]*(?:{words})(?:\P{{L}}|$)"


def suspects(texts: pa.Array) -> np.ndarray:
    """Which texts `kind_of` has to look at: for all others it is None."""
    if not pc.all(pc.string_is_ascii(texts), min_count=0).as_py():
        texts = pc.utf8_normalize(texts, "NFKD")
        texts = pc.replace_substring(texts, "ı", "i")
        texts = pc.replace_substring_regex(texts, "[\\p{Mn}ـ״׳’]+", "")
    if pc.any(pc.match_substring_regex(texts, "[\"']"), min_count=0).as_py():
        texts = pc.replace_substring_regex(texts, "[\"']+", "")
    return matches(texts, _suspect())


def is_total_line(cells: list[str]) -> bool:
    """Whether a line that does not fit the table adds up the others."""
    filled = [cell.strip() for cell in cells if cell.strip()]
    kind = kind_of(filled[0]) if filled else None
    return kind in (Kind.WORDS, Kind.FIGURES)


@dataclass(frozen=True)
class Row:
    """A row that is a total, and the column that says so."""

    row: int
    column: str


@dataclass(frozen=True)
class Before:
    """What stands before the rows that are looked at: prices, and their sum in minor units."""

    prices: int = 0
    total: int = 0


def find(
    texts: Mapping[str, pa.Array],
    skus: pa.Array,
    minor: np.ndarray,
    known: np.ndarray,
    before: Before | None = None,
    *,
    last: bool = True,
) -> list[Row]:
    """The rows that are totals; `last`: the file ends with these rows.

    `texts` are the trimmed descriptive columns (name, barcode, ..) in the order of the file,
    `skus` is as long; `minor` is the price of each row where it is `known`.
    """
    count = len(skus)
    suspected = as_bool(pc.equal(skus, "")) | _may_begin(skus)
    candidates = np.flatnonzero(suspected)
    suspected[-1:] = True
    usual = {
        name: filled
        for name, column in texts.items()
        if not suspected.all()
        and (filled := as_bool(pc.not_equal(column, "")))[~suspected].mean() >= _USUAL
    }
    before = before or Before()
    ends = range(max(count - _LAST, 0 if before.prices else 1), count) if last else range(0)
    totals: dict[int, str] = {}
    for row in sorted({*candidates.tolist(), *ends}):
        sku = skus[row].as_py()
        lacks = (
            None if not usual else sum(not filled[row] for filled in usual.values()) / len(usual)
        )
        label, said = _label(row, texts)
        named = label if said else None
        final = last and row == count - 1
        column = _judge(sku, lacks, final=final) if sku else named
        if column is None and sku and row in ends:
            # `TOTAL,3,,21`: the words are in the name, and a count in the column of the SKU
            plain = said in (Kind.WORDS, Kind.FIGURES)
            column = label if plain and lacks else None
            summed = column is None and _is_sum(row, minor, known, totals, before)
            chance = summed and _is_chance(row, minor, known, lacks, before)
            if summed and (plain or kind_of(sku) or not chance):
                column = "price"
        if column is not None:
            totals[row] = column
    return [Row(row, column) for row, column in totals.items()]


def _label(row: int, texts: Mapping[str, pa.Array]) -> tuple[str | None, Kind | None]:
    """The first filled one of the descriptive columns, and what it says about totals."""
    name = next((name for name, column in texts.items() if column[row].as_py()), None)
    return name, kind_of(texts[name][row].as_py()) if name else None


def _judge(sku: str, lacks: float | None, *, final: bool) -> str | None:
    """`sku` where its words make the row a total.

    `lacks` is the share of the columns filled in nearly all rows that are not in this one; None
    where there are no such columns.
    """
    kind = kind_of(sku)
    if kind is Kind.WORDS:
        return "sku"
    if kind is Kind.FIGURES and (lacks != 0 or ":" in sku or "=" in sku):
        return "sku"
    if kind is Kind.OTHER and (lacks == 1 or (":" in sku and lacks != 0)):
        return "sku"
    return "sku" if kind is Kind.CODE and lacks == 1 and final else None


def _is_sum(
    row: int, minor: np.ndarray, known: np.ndarray, totals: Mapping[int, str], before: Before
) -> bool:
    """Whether the price of a row is that of all rows before together."""
    counted = known[:row].copy()
    counted[[other for other in totals if other < row]] = False
    prices = minor[:row][counted]
    several = len(prices) + before.prices > 1
    return bool(known[row]) and several and int(prices.sum()) + before.total == int(minor[row])


def _is_chance(
    row: int, minor: np.ndarray, known: np.ndarray, lacks: float | None, before: Before
) -> bool:
    """Whether a product, of which nothing says that it is a total, may cost as much as all others.

    Not if it lacks all that they have; nor in a file of codes and prices alone, if they are many.
    """
    prices = minor[:row][known[:row]]
    if lacks is not None:
        return lacks < 1 or len(prices) + before.prices <= _LAST
    if before.prices >= _MANY:
        return False
    return len(prices) < _MANY or len(np.unique(prices)) < _MANY // 2


def _may_begin(skus: pa.Array) -> np.ndarray:
    """Which SKUs may name a total: cheap, for few do."""
    found = ~is_digits(skus)
    if found.any():
        others = skus if found.all() else skus.filter(pa.array(found))
        found[found] = suspects(others)
    return found
