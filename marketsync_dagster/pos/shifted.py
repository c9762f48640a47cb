"""Rows whose values stand one column beside their own: a price read from them is another number.

A blank that was put in or lost moves everything behind it. What cannot be a price is rejected as
such; here are the rows in which a cost, a quantity or a barcode has become the price. The evidence
is what the same columns hold in nearly all other rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa

from marketsync_dagster.pos.kernels import as_bool, as_int, is_digits, matches, pc
from marketsync_dagster.pos.money import Fault, read_price
from marketsync_dagster.pos.unpriced import is_nothing
from marketsync_dagster.values import gtin

FEW = 5
"""So many other rows must agree at least."""
_USUAL = 0.95
_NUMBER = r"^[0-9][0-9., ]*$"
_LETTER = r"\p{L}"
_DESCRIBED = ("name", "brand", "category", "size", "unit")


def shifted_rows(
    columns: Mapping[str, pa.Array], order: Sequence[str], barcodes: np.ndarray, currency: str
) -> list[tuple[int, str]]:
    """Row and column of the first value that stands where it does not belong.

    `columns` are trimmed texts by our names, `order` their names in the order of the file, and
    `barcodes` says in which rows the barcode is one.
    """
    found: dict[int, str] = {}
    for row, name in (
        *_stray_barcodes(columns, order, barcodes),
        *_stray_words(columns, order, currency),
        *_moved_left(columns, order),
    ):
        found.setdefault(row, name)
    return sorted(found.items())


def is_header_shifted(headers: Sequence[str], names: pa.Array, place: int) -> bool:
    """Whether a header without a name has pushed the others to the right: the names of nearly all
    products are numbers then. `place` is where the column of the names is among `headers`."""
    if all(header.strip() for header in headers[:place]) or not len(names):
        return False
    return bool(matches(names, _NUMBER).mean() >= _USUAL)


def _blank(column: pa.Array) -> np.ndarray:
    return as_bool(pc.equal(column, ""))


def _usual(which: np.ndarray, beside: np.ndarray) -> bool:
    """Whether nearly all rows other than those in doubt, and enough of them, are so."""
    others = which[~beside]
    return len(others) >= FEW and bool(others.mean() >= _USUAL)


def _gtins(column: pa.Array) -> np.ndarray:
    """Which cells are barcodes of 12 to 14 digits: of shorter numbers one in ten is by chance."""
    lengths = as_int(pc.binary_length(column))
    found = (lengths >= 12) & (lengths <= 14)
    if found.any():
        found[found] = is_digits(column.filter(pa.array(found)))
    if found.any():
        found[found] = gtin.check_digits_fit(column.filter(pa.array(found)))
    return found


def _stray_barcodes(
    columns: Mapping[str, pa.Array], order: Sequence[str], barcodes: np.ndarray
) -> Iterator[tuple[int, str]]:
    """A barcode in another column, and none in its own."""
    wrong = np.flatnonzero(~barcodes)
    if "barcode" not in columns or not len(wrong) or barcodes.sum() < FEW:
        return
    for name in order:
        if name in (*_DESCRIBED, "cost"):
            stray = wrong[_gtins(columns[name].take(pa.array(wrong)))]
            if len(stray) and not _gtins(columns[name].filter(pa.array(barcodes))).any():
                yield from ((row, name) for row in stray.tolist())


def _stray_words(
    columns: Mapping[str, pa.Array], order: Sequence[str], currency: str
) -> Iterator[tuple[int, str]]:
    """A word where other rows have their cost, and nothing in a column before it that others
    fill."""
    if "cost" not in columns:
        return
    column = columns["cost"]
    words = ~_blank(column) & matches(column, _LETTER)
    if not words.any():
        return
    left = [name for name in order[: order.index("cost")] if name in columns]
    usual = [blank for name in left if _usual(~(blank := _blank(columns[name])), words)]
    rows = np.flatnonzero(words & np.any(usual, axis=0)) if usual else []
    for row in rows:
        text = column[row].as_py()
        fault = read_price(text, currency, None)
        if isinstance(fault, Fault) and fault.reason == "bad_price" and not is_nothing(text):
            yield int(row), "cost"


def _moved_left(columns: Mapping[str, pa.Array], order: Sequence[str]) -> Iterator[tuple[int, str]]:
    """A number for a name, and nothing in the last column that others fill."""
    if "name" not in columns:
        return
    names = columns["name"]
    numbers = matches(names, _NUMBER)
    if not numbers.any() or not _usual(matches(names, _LETTER) | _blank(names), numbers):
        return
    behind = list(order[order.index("name") + 1 :])
    blanks = [_blank(columns[name]) for name in reversed(behind)]
    last = next((blank for blank in blanks if _usual(~blank, numbers)), None)
    if last is not None:
        yield from ((row, "name") for row in np.flatnonzero(numbers & last).tolist())
