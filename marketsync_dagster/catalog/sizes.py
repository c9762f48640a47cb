"""Size, unit and pack of a product: `6x330ML` is six times 330 ml.

Read from the file's own size column where it says so, else from the name; kept beside both, never
instead of them, and never used for a price. What can be read in two ways is not read at all: the
words are those of `catalog.size_words`, the rules are here. Brands: `catalog.brands`.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Container, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from marketsync_dagster.catalog.arrow import pc, series, text
from marketsync_dagster.catalog.size_words import (
    CONTAINERS,
    DEVICES,
    MEASURES,
    NOT_A_SIZE_AFTER,
    PIECE_WORDS,
    PIECES,
    POUND_WORDS,
)

SIZE_COLUMNS = ("pack_count", "pack_size", "pack_unit")
MAX_NAME = 300
"""Characters of a name that are looked at."""
_MOST = 10_000
"""Packs, or pieces in a pack; a larger number is something else."""


@dataclass(frozen=True)
class Size:
    """`count` times `size` of `unit`: the content is their product."""

    count: int | None
    """None: the name has a number of pieces too, and does not say whether `size` is of each."""
    size: str
    """An exact decimal without trailing zeros: `330`, `0.5`."""
    unit: str
    """g, ml or pcs."""


def _any_of(words: str | Iterable[str]) -> str:
    listed = words.split() if isinstance(words, str) else words
    return "|".join(sorted(map(re.escape, listed), key=lambda word: (-len(word), word)))


_NUMBER = r"(?:[0-9]+ )?[0-9]/[0-9](?![0-9])|[0-9]+(?:[.,][0-9]+)*|(?<!\S)[.,][0-9]+"
_TIMES = r"\s*[x×*х]\s*"
_WORD = r"[^\W\d_]+(?:[\"״'׳’]{1,2}[^\W\d_]*)?"
_ALONE = r"(?<![\w.,:/])"
_NO_MORE = rf"(?![\w.,/]|\s*(?:cm|mm|m|in|inch|{_any_of(MEASURES)})(?!\w))"
# two letters may stand right before a number (`COKE500ML`); one is a code (`T150G`)
_START = rf"(?:{_ALONE}|(?<=[^\W\d_]{{2}})|(?<=[x×*х]))"
_MEASURE = re.compile(
    rf"(?:{_ALONE}(?P<triple>[0-9]+{_TIMES})?(?P<count>[0-9]+)\s*(?:{_any_of(CONTAINERS)})?{_TIMES})?"
    rf"{_START}(?P<number>{_NUMBER})[ -]?\s*(?P<unit>{_WORD})(?!\w)\.?"
    rf"(?:\s*\(?{_TIMES}(?P<after>[0-9]+)(?:\s*(?:{_any_of(PIECE_WORDS)})(?!\w))?{_NO_MORE}\)?)?"
)
_PIECES = re.compile(
    rf"(?:{_ALONE}(?P<count>[0-9]+){_TIMES})?(?:{_ALONE}|(?<=[x×*х]))"
    r"(?P<number>[0-9]+(?:[.,][0-9]+)?)(?:\s?(?P<s>['’`´]\s?s)(?!\w)|['’]?l[iıuü](?!\w)"
    rf"|er(?:[ -]pack)?(?!\w)|/1{_NO_MORE}|[ -]?\s*(?P<unit>{_WORD})(?!\w))"
    rf"|(?<!\w)(?:pack|pk|box|case|tray|carton|set) of (?P<of>[0-9]+){_NO_MORE}"
)
_DOSE = re.compile(
    r"[0-9][0-9.,]*\s*(?:mg|mcg|µg|iu|мг|ملغ|מ\"ג)\s*/\s*(?:[0-9][0-9.,]*\s*)?(?:ml|l|g|мл|مل)\b"
)
_TROUSERS = re.compile(r"(?<!\w)(?:w\s?[0-9]{2}|[0-9]{2}\s?w)[ /x-]*[0-9]{2}\s?l(?!\w)")
_OFFER = re.compile(r"[0-9]\+[0-9]|[0-9] \+ [0-9]")
_RATIO = re.compile(r"\s*(?:/\s*[0-9]|\+\s*[0-9])")
_CONTAINED = re.compile(rf"\s*/\s*(?:{_any_of(CONTAINERS)})(?!\w)")
_BEHIND = frozenset(NOT_A_SIZE_AFTER.split())
_RANGE_BEFORE = re.compile(r"[0-9]\s{0,2}[^\W\d_]{0,2}\s{0,2}[-–—]$")
_RANGE_AFTER = re.compile(r"\s*[-–—]\s*[0-9]")
_GROUP = re.compile(r"(?:.*[^\w./#-])?[1-9] ", re.DOTALL)
_DEVICE = re.compile(rf"(?<!\w)(?:{_any_of(DEVICES)})(?!\w)")
_QUOTES = "\"״'׳’"
_MOST_LITRES = 100
"""A name with more of a bare L means sheets (`320L`), or what a thing holds."""
_YEARS = range(1900, 2100)
_GENERATIONS = frozenset("2 3 4 5 6 2.4 5.8".split())
"""What a bare G behind it may make a radio of."""
_FRACTIONS = {"½": " 1/2", "¼": " 1/4", "¾": " 3/4", "⅛": " 1/8", "ℓ": "l", "㎖": "ml", "㎏": "kg"}
_SEPARATORS = {"٫": ".", "٬": ",", "\u00a0": " ", "\u202f": " ", "\u2009": " ", "ـ": ""}
_SIGNS = str.maketrans(_FRACTIONS | _SEPARATORS)


@functools.lru_cache(maxsize=32_768)  # outlets sell the same things
def read_size(name: str, *, is_size: bool = False) -> Size | None:
    """What a name says of its pack; None where it says nothing, or not for certain.

    `is_size`: the text is of a column of sizes, in which `5 G` is no radio and `No.` no name.
    """
    words = _folded(name)
    if "+" in words and _OFFER.search(words):
        return None
    if "/" in words:
        words = _DOSE.sub(" ", words)
    if not is_size and "w" in words:
        words = _TROUSERS.sub(" ", words)
    measures: list[Size] = []
    pounds: list[Size] = []
    for match in _MEASURE.finditer(words):
        unit = _known(match["unit"], MEASURES)
        if unit is not None:
            found = _measure(words, match, unit, is_size)
            if found is None:
                return None
            (pounds if unit in POUND_WORDS else measures).extend(found)
    pieces = _pieces(words)
    told = measures or pounds
    if pieces is None or len({(one.unit, _content(one)) for one in told}) > 1:
        return None
    if told:
        size = max(told, key=lambda one: one.count or 0)
        others = {_content(one) for one in pieces} - {1, size.count}
        return Size(None, size.size, size.unit) if others else size
    return pieces[0] if len(set(pieces)) == 1 else None


def _known(word: str, words: Container[str]) -> str | None:
    """A word of a table, with or without the quotes that it ends in."""
    if word in words:
        return word
    bare = word.rstrip(_QUOTES)
    return bare if bare in words else None


def _content(size: Size) -> Decimal:
    return (size.count or 1) * Decimal(size.size)


def _pieces(words: str) -> list[Size] | None:
    """What a name says in pieces; None where nothing is certain."""
    found: list[Size] = []
    for match in _PIECES.finditer(words):
        if match["unit"] and _known(match["unit"], PIECE_WORDS) is None:
            continue
        number = _value(match["number"] or match["of"])
        count = int(match["count"] or 1)
        if number is None or number != int(number) or count > _MOST or number > _MOST:
            return None
        year = number in _YEARS and match["s"]
        if number and count and not year and not _belongs_before(words[: match.start()]):
            found.append(Size(count, plain(number), PIECES))
    return found


def _belongs_before(before: str) -> bool:
    """Whether the number behind `before` is a name, a limit, or the end of a range."""
    before = before.rstrip()
    if before.endswith(("-", "–", "—")):
        return _RANGE_BEFORE.search(before[-8:]) is not None
    last = before[-12:].rsplit(None, 1)[-1].rstrip(".:") if before else ""
    return last in _BEHIND or before[-1:] in _BEHIND


def _folded(name: str) -> str:
    """Lower case, ASCII digits, one kind of blank; without invisible signs."""
    words = name[:MAX_NAME].translate(_SIGNS)
    if not words.isascii():
        words = "".join(
            str(unicodedata.decimal(sign)) if sign.isdecimal() else sign
            for sign in words
            if unicodedata.category(sign) != "Cf"
        )
    return words.casefold()


def _measure(words: str, match: re.Match[str], unit: str, is_size: bool) -> list[Size] | None:
    """The size of one weight or volume; [] where it is none, None where nothing is certain."""
    before, after = words[: match.start()], words[match.end() :]
    number, counts = match["number"], [int(n) for n in match.group("count", "after") if n]
    value = _value(number)
    if value is None or match["triple"] or _RATIO.match(after):
        return None
    if not value or (after.lstrip().startswith("/") and not _CONTAINED.match(after)):
        return []  # 0 g; 80 g/m²
    if not counts:
        if not is_size and (_belongs_before(before) or _RANGE_AFTER.match(after)):
            return []
        if not is_size and unit == "g" and (number in _GENERATIONS or _DEVICE.search(words)):
            return []
        if not is_size and unit == "l" and value > _MOST_LITRES:
            return []
        if len(number) == 3 and number.isdecimal() and _GROUP.fullmatch(before):
            return None  # 1 250 g
    if len(counts) > 1 or any(not 0 < count <= _MOST for count in counts):
        return None
    canonical, factor = MEASURES[unit]
    return [Size(counts[0] if counts else 1, plain(value * factor), canonical)]


def _value(number: str) -> Decimal | None:
    """A written number; None where it can be read in two ways, or in none."""
    whole, _, fraction = number.rpartition(" ")
    if "/" in fraction:
        over, _, under = fraction.partition("/")
        if under not in "248" or not 0 < int(over) < int(under) or len(whole) > 3:
            return None
        return Decimal(whole or 0) + Decimal(over) / Decimal(under)
    digits, *decimals = re.split("[.,]", number)
    if len(decimals) > 1 or len(digits) > 6 or (len(digits) > 1 and digits[0] == "0"):
        return None
    tail = decimals[0] if decimals else ""
    if len(tail) > 4 or (len(tail) == 3 and digits not in ("", "0")):
        return None  # 1,000: thousands, or three decimals
    return Decimal(f"{digits or 0}.{tail or 0}")


def plain(value: Decimal) -> str:
    """An exact decimal without exponent and trailing zeros."""
    written = f"{value:f}"
    return written.rstrip("0").rstrip(".") if "." in written else written


def add_sizes(frame: pd.DataFrame) -> pd.DataFrame:
    """`frame` (name, size, unit) with SIZE_COLUMNS, which are replaced where it has them.

    A size cell with a figure in it decides, together with the unit cell where it is a number
    alone; where there is none, the name does.
    """
    names, sizes, units = (text(frame[name]) for name in ("name", "size", "unit"))
    found = _Found.none(len(frame))
    cells = np.zeros(len(frame), bool)
    if sizes.null_count < len(sizes):
        cells = _true(pc.match_substring_regex(sizes, "[1-9١-٩۱-۹½¼¾⅛]"))
        found.put(cells, *_by_cells(sizes.filter(pa.array(cells)), units.filter(pa.array(cells))))
    open_rows = ~cells & _true(pc.match_substring_regex(names, r"\pN"))
    if open_rows.any():
        found.put(open_rows, *_by_names(names.filter(pa.array(open_rows))))
    return frame.assign(**found.columns())


def with_sizes(catalog: pd.DataFrame) -> pd.DataFrame:
    """A CATALOG frame with SIZE_COLUMNS; one that was stored without them gets them now."""
    return catalog if set(SIZE_COLUMNS) <= set(catalog.columns) else add_sizes(catalog)


class _Found:
    """What is known of each row: a position in `sizes`, or -1."""

    def __init__(self, at: np.ndarray) -> None:
        self.at = at
        self.sizes: list[Size] = []

    @classmethod
    def none(cls, count: int) -> _Found:
        return cls(np.full(count, -1, np.int64))

    def put(self, rows: np.ndarray, sizes: list[Size | None], at: np.ndarray) -> None:
        """`sizes[at]` for the rows of a mask; -1 in `at`: nothing."""
        known = [-1] * (len(sizes) + 1)  # the last one is for -1
        for number, size in enumerate(sizes):
            if size is not None:
                known[number] = len(self.sizes)
                self.sizes.append(size)
        self.at[rows] = np.array(known, np.int64)[at]

    def columns(self) -> dict[str, Any]:
        places = pa.array(self.at, mask=self.at < 0)
        counts = pa.array([size.count for size in self.sizes], pa.int64()).take(places)
        return {
            "pack_count": pd.Int64Dtype().__from_arrow__(counts),  # pyright: ignore
            "pack_size": series(text([size.size for size in self.sizes]).take(places)).array,
            "pack_unit": series(text([size.unit for size in self.sizes]).take(places)).array,
        }


def _by_cells(sizes: pa.Array, units: pa.Array) -> tuple[list[Size | None], np.ndarray]:
    """Cells of a size column, each distinct pair with its unit once."""
    bare = _true(pc.match_substring_regex(sizes, r"^\s*[0-9.,]+\s*$"))
    weights = pc.is_in(pc.utf8_lower(pc.utf8_trim_whitespace(units)), text(MEASURES))
    joined = pc.binary_join_element_wise(sizes, units, pa.scalar(" ", pa.large_string()))
    whole = pc.if_else(pc.and_(pa.array(bare), pc.fill_null(weights, False)), joined, sizes)
    return _distinct(whole, is_size=True)


def _by_names(names: pa.Array) -> tuple[list[Size | None], np.ndarray]:
    """Names with a figure in them. Of a plain one only the measure itself is looked at: names are
    many, and their measures are few."""
    cut = pc.extract_regex(names, _PLAIN)
    before, alone = (pc.struct_field(cut, [place]) for place in (0, 1))
    odd = alone.is_null().to_numpy(zero_copy_only=False)
    figures = _true(pc.match_substring_regex(before, r"\pN"))
    if figures.any():
        figures[figures] = _true(
            pc.match_substring_regex(before.filter(pa.array(figures)), _TRICKY)
        )
        odd |= figures
    odd |= _true(pc.match_substring_regex(names, _SPOILT))
    odd |= _true(pc.greater(pc.utf8_length(names), MAX_NAME))
    # a name that is odd may have no measure at all
    odd[odd] = _true(pc.match_substring_regex(names.filter(pa.array(odd)), _MAY_SAY))
    nothing = alone.is_null().to_numpy(zero_copy_only=False) & ~odd
    looked_at = pc.if_else(pa.array(odd), names, alone)
    return _distinct(pc.if_else(pa.array(nothing), "", looked_at), is_size=False)


_SPACE = r"[\s\pZ]"
_PLAIN = (
    r"(?i)^(?P<before>(?:.*(?:[\s(]|\pL\pL))?)"
    r"(?P<m>(?:[1-9][0-9]{0,4}|0[.,][0-9]{1,3}|[1-9][0-9]{0,3}[.,][0-9]{1,2}) ?"
    r"(?:kg|kgs|gm|gms|gr|ml|cl|l|lt|ltr|ltrs|g))\.?"
    r"(?:[\s),][^\pN/]*)?$"
)
"""One measure, and no figure behind it; what else may matter is in `_SPOILT` and `_TRICKY`."""
_SPOILT = (
    rf"(?i)\p{{Cf}}|ـ|[<>≤≥~#№º°]{_SPACE}*[0-9]|(?:^|[^\pL\pN_])"
    rf"(?:(?:{_any_of(NOT_A_SIZE_AFTER)})[.:]*{_SPACE}*[0-9]|(?:{_any_of(DEVICES)}))"
)
_ANY_UNIT = rf"(?:{_any_of({*MEASURES, *PIECE_WORDS})}|l[iıuü]|er|ℓ|㎖|㎏)(?:[^\pL]|$)"
_TRICKY = (
    rf"(?i)\pN{_SPACE}*(?:-?{_SPACE}*{_ANY_UNIT}|[^\pL\pN%.,\s\pZ]|[.,](?:\PN|$)|w|x|х|$)|"
    rf"of{_SPACE}*\pN|[x×*хX–—-]{_SPACE}*$"
)
"""Before a measure, a figure that may belong to it or be one itself: a sign or nothing but blanks
behind it, or a word of the tables."""
_MAY_SAY = rf"(?i)\pN{_SPACE}*(?:-?{_SPACE}*{_ANY_UNIT}|['’´/\x60])|of{_SPACE}*\pN|\p{{Cf}}|ـ"
"""What every name has of which `read_size` makes anything."""


def _distinct(texts: pa.Array, *, is_size: bool) -> tuple[list[Size | None], np.ndarray]:
    """The size of each distinct text, and which one each text has."""
    coded = pc.dictionary_encode(texts)
    sizes = [read_size(one, is_size=is_size) for one in coded.dictionary.to_pylist()]
    return sizes, coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)


def _true(mask: pa.Array) -> np.ndarray:
    return pc.fill_null(mask, False).to_numpy(zero_copy_only=False)
