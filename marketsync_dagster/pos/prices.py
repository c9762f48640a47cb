"""Columns of written prices, to minor units.

Plain figures are converted by whole columns, every other distinct text once, by `money`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from marketsync_dagster.pos.currencies import SIGNS
from marketsync_dagster.pos.kernels import as_bool, matches, pc
from marketsync_dagster.pos.money import Evidence, Fault, Separator, evidence_of, read_price
from marketsync_dagster.values.money import exponent

MANY = 100
"""From how many odd texts on whole columns are worth their while."""
_BLANK = r"[\s\x{00A0}\x{2009}\x{202F}]"


@dataclass(frozen=True)
class Prices:
    """A column of prices: `minor` where `known`; texts that are no price in `faults`."""

    minor: np.ndarray
    known: np.ndarray
    blank: np.ndarray
    faults: dict[int, str]
    """Row -> reason."""


@dataclass(frozen=True)
class Written:
    """A column of written prices, sorted by how they can be read."""

    texts: pa.Array
    blank: np.ndarray
    point: np.ndarray
    """Rows such as 12 and 12.5, that only digits, or a point, can explain."""
    comma: np.ndarray
    """Rows such as 12,5."""
    odd: np.ndarray
    """All other rows that are not blank."""


def sort_written(texts: pa.Array, currency: str) -> Written:
    """Find the plain figures of a trimmed column."""
    decimals = exponent(currency)
    # three decimals look like thousands: not plain
    few = min(decimals, 2)
    tail = f"[0-9]{{1,{few}}}" if few else "[0-9]{9}"
    blank = as_bool(pc.equal(texts, ""))
    point = matches(texts, rf"^[0-9]{{1,9}}(?:\.{tail})?$" if few else "^[0-9]{1,9}$")
    rest = ~(point | blank)
    comma = np.zeros(len(texts), bool)
    if few and rest.any():
        comma = matches(texts, rf"^[0-9]{{1,9}},{tail}$")
    written = Written(texts, blank, point, comma, rest & ~comma)
    return _decorated(written, currency, tail) if few and rest.sum() > MANY else written


def _decorated(column: Written, currency: str, tail: str) -> Written:
    """Make `KES 1,600.00` plain where it is the rule of the column rather than the exception.

    Only the outlet's own currency signs and grouping beside a decimal separator are taken off:
    what is left can be read in one way, and `money` would read it so.
    """
    own = [re.escape(sign) for sign, codes in SIGNS.items() if currency in codes]
    marks = "|".join([*sorted(own, key=len, reverse=True), currency])
    odd = pa.array(column.odd)
    bare = column.texts.filter(odd)
    bare = pc.replace_substring_regex(bare, rf"(?i)^(?:{marks})\.?{_BLANK}*", "")
    bare = pc.replace_substring_regex(bare, rf"(?i){_BLANK}*(?:{marks})$", "")
    for group, sign in ((",", "."), (".", ",")):
        grouped = rf"^[0-9]{{1,3}}(?:[{group}][0-9]{{3}}){{1,2}}[{sign}]{tail}$"
        clean = pc.replace_substring(bare, group, "")
        bare = pc.if_else(pa.array(matches(bare, grouped)), clean, bare)
    is_point = matches(bare, rf"^[0-9]{{1,9}}(?:\.{tail})?$")
    is_comma = matches(bare, rf"^[0-9]{{1,9}},{tail}$")
    point, comma, still = column.point.copy(), column.comma.copy(), column.odd.copy()
    point[column.odd], comma[column.odd] = is_point, is_comma
    still[column.odd] = ~(is_point | is_comma)
    # texts that stay odd keep what was written
    kept = pc.if_else(pa.array(is_point | is_comma), bare, column.texts.filter(odd))
    texts = pc.replace_with_mask(column.texts, odd, kept)
    return Written(texts, column.blank, point, comma, still)


def evidence(written: Sequence[Written], currency: str) -> Evidence:
    """What all money columns of a file prove together."""
    found = Evidence()
    for column in written:
        if not found.point:
            plain = _where(column.texts, column.point)
            found = found | Evidence(point=bool(pc.any(pc.match_substring(plain, ".")).as_py()))
        found = found | Evidence(comma=bool(column.comma.any()))
        if column.odd.any():
            found = found | evidence_of(_distinct(column.texts, column.odd), currency)
    return found


def convert(column: Written, currency: str, declared: Separator | None, found: Evidence) -> Prices:
    """Minor units of a column. `declared` is the configured separator, `found` the evidence."""
    decimals = exponent(currency)
    count = len(column.texts)
    minor = np.zeros(count, np.int64)
    known = np.zeros(count, bool)
    by_hand = column.odd.copy()
    for mask, sign in ((column.point, "."), (column.comma, ",")):
        if declared is not None and declared != sign:
            # 12.5 in a file that is declared to have decimal commas
            signed = mask & as_bool(pc.match_substring(column.texts, sign))
            by_hand |= signed
            mask = mask & ~signed
        if mask.any():
            minor[mask] = _plain_minor(_where(column.texts, mask), sign, decimals)
            known |= mask
    faults: dict[int, str] = {}
    zero = known & (minor == 0)
    for row in np.flatnonzero(zero).tolist():
        faults[row] = "zero_price"
    known &= ~zero
    if by_hand.any():
        memory: dict[str, int | Fault] = {}
        rows = np.flatnonzero(by_hand)
        texts = column.texts.take(pa.array(rows)).to_pylist()
        for row, text in zip(rows.tolist(), texts, strict=True):
            value = memory.get(text)
            if value is None:
                value = memory[text] = _odd_price(text, currency, declared, found.separator)
            if isinstance(value, Fault):
                faults[row] = value.reason
            else:
                minor[row] = value
                known[row] = True
    return Prices(minor, known, column.blank, faults)


def read_numbers(texts: pa.Array, which: np.ndarray, currency: str) -> Prices:
    """Minor units of the cells `which` of a column: numbers, in which a point is a decimal point.

    They prove nothing of how the texts of the same file are written.
    """
    column = sort_written(pc.if_else(pa.array(which), texts, ""), currency)
    return convert(column, currency, ".", Evidence())


def merged(first: Prices, second: Prices) -> Prices:
    """One column of two, of which each is blank where the other one is not."""
    return Prices(
        np.where(second.known, second.minor, first.minor),
        first.known | second.known,
        first.blank & second.blank,
        {**first.faults, **second.faults},
    )


def _odd_price(
    text: str, currency: str, declared: Separator | None, separator: Separator | None
) -> int | Fault:
    """Evidence decides only what is ambiguous; a declaration binds every cell."""
    if declared is not None:
        return read_price(text, currency, declared)
    alone = read_price(text, currency, None)
    if isinstance(alone, Fault) and alone.reason == "ambiguous_price" and separator is not None:
        return read_price(text, currency, separator)
    return alone


def _plain_minor(texts: pa.Array, sign: str, decimals: int) -> np.ndarray:
    """Digits with at most one `sign`, as exact int64 minor units."""
    plain = texts if sign == "." else pc.replace_substring(texts, ",", ".")
    exact = pc.cast(plain, pa.decimal128(18, decimals))
    # a decimal128 is 16 bytes, little endian; 18 digits fit the lower eight
    words = np.frombuffer(exact.buffers()[1], np.int64)
    return words[exact.offset * 2 : (exact.offset + len(exact)) * 2 : 2]


def _where(texts: pa.Array, mask: np.ndarray) -> pa.Array:
    return texts if mask.all() else texts.filter(pa.array(mask))


def _distinct(texts: pa.Array, mask: np.ndarray) -> list[str]:
    return pc.unique(texts.filter(pa.array(mask))).to_pylist()
