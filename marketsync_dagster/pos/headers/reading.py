"""One header: what it may mean, and the currency that it names.

`Price (EUR)`, `Preis in €`, `MPC (KM)` and `מחיר בש"ח` are prices in a currency; `Price (kg)` is a
price per measure, `Quantity (kg)` a size. What is not known as a whole is not known: a header that
merely contains `price` may be anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache

from marketsync_dagster.pos.currencies import CODES, SIGNS
from marketsync_dagster.pos.headers.folding import fold
from marketsync_dagster.pos.headers.known import (
    MONEY,
    Meaning,
    beginnings,
    meanings,
    pieces,
    units,
)

WEAK_STOCK = 3
"""The rank from which on a word for stock, such as `Quantity`, may mean the size as well."""

_BY_OUTLET = frozenset({"price", "promo_price", "stock", "stock_status", "active"})
"""What outlets have columns of their own for."""

_REMARKS = frozenset(
    "old was previous before cost net gross wholesale trade dealer member members vip staff online "
    "web unit each piece case pack box carton average last new min max recommended "
    "reference".split()
)
"""What brackets say of a price, and is no outlet."""

_LETTER = r"[^\W\d_]"
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_REMARK = re.compile(
    r"[(\[{]\s*(?:required|optional|mandatory|obligatorio|opcional|obligatoire|facultatif|"
    r"pflichtfeld|zorunlu|obavezno|מלא|חובה|إلزامي|اختياري|"
    r"0\s*/\s*1|1\s*/\s*0|y\s*/\s*n|yes\s*/\s*no|true\s*/\s*false|0\s*=\s*no,?\s*1\s*=\s*yes|"
    r"x\s*,\s*y\s*,\s*z[.… ]*|yyyy[-/.]mm[-/.]dd)\s*\*?\s*[)\]}]",
    re.IGNORECASE,
)
_IN_BRACKETS = re.compile(r"^(.+?)\s*[(\[{]\s*([^()\[\]{}]+?)\s*[)\]}]\s*$", re.DOTALL)
_PREPOSITIONS = "in|en|em|u|à|в|у"
_WORDS = {"EURO": "EUR", "EUROS": "EUR", "EVRO": "EUR", "ЕВРО": "EUR", "يورو": "EUR",
          "LIRA": "TRY", "LİRA": "TRY", "שקל": "ILS", "שקלים": "ILS", "ШЕКЕЛ": "ILS",
          "דולר": "USD", "دولار": "USD", "שח": "ILS", 'ש"ח': "ILS", "NIS": "ILS",
          "KUNA": "HRK", "ЛЕВА": "BGN", "ЛЕВ": "BGN", "LEVA": "BGN", "ДИН": "RSD",
          "DİN": "RSD"}  # fmt: skip
_ENGLISH_WORDS = frozenset({"ALL", "TOP"})
"""Codes that are words as well: only in brackets."""


@dataclass(frozen=True)
class Reading:
    """What a header may mean (nothing where it is unknown); `currency` as `pos.money.is_currency`
    takes it: a code, or a sign that several currencies share."""

    meanings: tuple[Meaning, ...] = ()
    currency: str | None = None


@lru_cache(maxsize=8192)
def read_header(header: str) -> Reading:
    """What one header may mean."""
    header = _REMARK.sub(" ", header).strip()
    word = fold(header)
    if not word:
        return Reading()
    # before the word as a whole: a sign such as € is folded away
    for rest, currency in _currencies(header):
        money = tuple(m for m in meanings().get(fold(rest), ()) if m.canonical in MONEY)
        if money:
            return Reading(money, currency)
    known = meanings().get(word)
    if known:
        return Reading(known)
    measured = _with_unit(header)
    if measured:
        return Reading(measured)
    for beginning, meaning in beginnings():
        if word.startswith(beginning):
            return Reading((meaning,))
    return Reading()


def bracketed_currency(header: str) -> str | None:
    """The currency that stands alone in brackets at the end, whatever is before it."""
    match = _IN_BRACKETS.match(header)
    inner = match.group(2).strip(" .").upper() if match else ""
    return _named(inner) if inner in SIGNS or inner in CODES or inner in _WORDS else None


def of_one_outlet(header: str) -> tuple[str, str] | None:
    """The word and the outlet of a header such as `Price [Shop A]`; None: it is of all outlets.

    What stands in brackets may be something else, `Price (old)`: `is_surely_an_outlet`."""
    match = _IN_BRACKETS.match(header.strip())
    if match is None or read_header(header).meanings or bracketed_currency(header):
        return None
    known = read_header(match.group(1)).meanings
    own = any(one.canonical in _BY_OUTLET and one.rank < WEAK_STOCK for one in known)
    return (match.group(1), match.group(2)) if own else None


def is_surely_an_outlet(header: str) -> bool:
    """Whether one header alone is enough: `Price [Shop A]`, not `Price (Shop A)`, since
    `Price (old)` and `Price (case of 6)` are written so as well."""
    match = _IN_BRACKETS.match(header.strip())
    return match is not None and header.strip()[-1] == "]" and fold(match.group(2)) not in _REMARKS


def _currencies(header: str) -> Iterator[tuple[str, str]]:
    """Each currency in a header: the header without it, and what it is."""
    header = _CAMEL.sub(" ", header)
    for match in _marks().finditer(header):
        mark = (match["word"] or match["sign"]).upper()
        before, after = header[: match.start()], header[match.end() :]
        alone = re.search(r"[(\[{]\s*$", before) and re.match(r"\.?\s*[)\]}]", after)
        if mark in _ENGLISH_WORDS and not alone:
            continue
        # `Le prix` is not in Egyptian pounds, nor `R` at a beginning in rands
        if len(mark) <= 2 and mark.isalpha() and any(sign.isalpha() for sign in after):
            continue
        yield f"{before} {after}", _named(mark)


@cache
def _marks() -> re.Pattern[str]:
    marks = sorted({*SIGNS, *CODES, *_WORDS}, key=len, reverse=True)
    ends = [re.escape(mark) + (rf"(?!{_LETTER})" if mark[-1].isalpha() else "") for mark in marks]
    written = list(zip(marks, ends, strict=True))
    letters = "|".join(end for mark, end in written if mark[0].isalpha())
    signs = "|".join(end for mark, end in written if not mark[0].isalpha())
    # Hebrew and Arabic write `in` as a part of the word
    return re.compile(
        rf"(?<!{_LETTER})(?:(?:{_PREPOSITIONS})\s+|ב|بال|ب)?(?P<word>{letters})|"
        rf"(?:(?<!{_LETTER})(?:{_PREPOSITIONS})\s+)?(?P<sign>{signs})",
        re.IGNORECASE,
    )


def _named(mark: str) -> str:
    """The code of a mark, or the sign where it stands for several currencies."""
    mark = _WORDS.get(mark, mark)
    codes = SIGNS.get(mark, frozenset())
    return next(iter(codes)) if len(codes) == 1 else mark


def _with_unit(header: str) -> tuple[Meaning, ...]:
    """`Neto količina (KG)` is a size, `Stock (pcs)` a stock, `Price (kg)` a price per measure."""
    match = _IN_BRACKETS.match(header)
    if match is None:
        return ()
    unit = fold(match.group(2))
    known = meanings().get(fold(match.group(1)), ())
    if unit in pieces():
        return tuple(m for m in known if m.canonical == "stock")
    if unit not in units():
        return ()
    if any(m.canonical in ("price", "promo_price") for m in known):
        return (Meaning("unit_price", 1),)
    weak = any(m.canonical == "stock" and m.rank >= WEAK_STOCK for m in known)
    return tuple(m for m in known if m.canonical == "size") or (
        (Meaning("size", 1),) if weak else ()
    )
