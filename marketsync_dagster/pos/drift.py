"""What differs between an extract and the one before it, in words.

A column that appeared, vanished or means something else now. It informs: nothing is held back or
rejected for it, that is the guard's task. Profiles are made by `pos.profile`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

from marketsync_dagster.pos.profile import SKETCH, ColumnProfile, Profile

MAX_CHANGES = 40
MAX_NAMED = 20
"""Columns that one side may have appeared or vanished by name; more are counted."""
_ENOUGH = 20
"""Rows below which shares and medians say nothing."""
_PRICES = frozenset({"price", "promo_price", "cost", "msrp"})
_CODES = frozenset({"sku", "barcode"})


@dataclass(frozen=True)
class Change:
    """One difference."""

    change: str
    """`column_vanished`, `columns_exchanged` and so on."""
    column: str
    """Its header in the file; empty: the file as a whole."""
    words: str


def drift(before: Profile, now: Profile) -> list[Change]:
    """What differs, weightiest first; [] where nothing does. At most MAX_CHANGES."""
    changes = [*_exchanged(before, now)]
    exchanged = {name for change in changes for name in change.column.split(" / ")}
    for name, column in now.columns.items():
        known = before.columns.get(name)
        if known is None or column.header in exchanged:
            continue
        changes += _contents(name, known, column, before.rows, now.rows)
    changes += [*_products(before, now), *_headers(before, now), *_file(before, now)]
    left = len(changes) - MAX_CHANGES
    if left > 0:
        more = Change("more", "", f"and {left + 1} more differences")
        changes = [*changes[: MAX_CHANGES - 1], more]
    return changes


def _file(before: Profile, now: Profile) -> Iterator[Change]:
    if before.encoding != now.encoding:
        words = f"the encoding is {now.encoding}, it was {before.encoding}"
        yield Change("encoding_changed", "", words)
    if before.delimiter != now.delimiter:
        words = f"the delimiter is {now.delimiter!r}, it was {before.delimiter!r}"
        yield Change("delimiter_changed", "", words)


def _headers(before: Profile, now: Profile) -> Iterator[Change]:
    """Columns that are there no more, that are new, and that have another name."""
    gone = [header for header in before.headers if header and header not in now.headers]
    new = [header for header in now.headers if header and header not in before.headers]
    was = {column.header: name for name, column in before.columns.items()}
    for name, column in now.columns.items():
        known = before.columns.get(name)
        if known is not None and known.header != column.header:
            words = f"{name} is read from {column.header!r}, it was read from {known.header!r}"
            yield Change("column_renamed", column.header, words)
            gone = [header for header in gone if header != known.header]
            new = [header for header in new if header != column.header]
    for header in gone[:MAX_NAMED]:
        note = f": {was[header]} was read from it" if header in was else ""
        yield Change("column_vanished", header, f"the column {header!r} has vanished{note}")
    meant = {column.header: name for name, column in now.columns.items()}
    for header in new[:MAX_NAMED]:
        note = f": {meant[header]} is read from it" if header in meant else ""
        yield Change("column_appeared", header, f"the column {header!r} is new{note}")
    for more, word in ((len(gone), "have vanished"), (len(new), "are new")):
        if more > MAX_NAMED:
            yield Change("more_columns", "", f"{more - MAX_NAMED} more columns {word}")


def _exchanged(before: Profile, now: Profile) -> Iterator[Change]:
    """Pairs of columns of which each looks like the other one did."""
    if min(before.rows, now.rows) < _ENOUGH:
        return
    both = [name for name in now.columns if name in before.columns]
    for one, other in combinations(both, 2):
        old_one, old_other = before.columns[one], before.columns[other]
        new_one, new_other = now.columns[one], now.columns[other]
        stayed = (_distance(new_one, old_one), _distance(new_other, old_other))
        crossed = _distance(new_one, old_other) + _distance(new_other, old_one)
        if min(stayed) > 0.15 and crossed < 0.4 * sum(stayed):
            note = ""
            if new_one.median and new_other.median:
                note = (
                    f": the medians are {new_one.median} and {new_other.median}, they were "
                    f"{old_one.median} and {old_other.median}"
                )
            headers = f"{new_one.header!r} and {new_other.header!r}"
            words = f"{headers} look exchanged ({one} and {other}){note}"
            yield Change("columns_exchanged", f"{new_one.header} / {new_other.header}", words)


def _distance(one: ColumnProfile, other: ColumnProfile) -> float:
    """How unlike two columns are; 0: alike."""
    kinds = {*one.kinds, *other.kinds}
    unlike = sum(abs(one.kinds.get(k, 0.0) - other.kinds.get(k, 0.0)) for k in kinds) / 2
    unlike += abs(one.fill - other.fill) + abs(one.distinct - other.distinct)
    unlike += abs(math.log((one.length + 1) / (other.length + 1))) / 2
    unlike += abs(one.barcodes - other.barcodes)
    ratio = _ratio(one, other)
    return unlike + (min(abs(math.log(ratio)), 3.0) if ratio else 0.0)


def _ratio(one: ColumnProfile, other: ColumnProfile) -> float | None:
    """The median of `one` by that of `other`, where both are above zero."""
    above, below = float(one.median or 0), float(other.median or 0)
    return above / below if above > 0 and below > 0 else None


def _contents(
    name: str, was: ColumnProfile, now: ColumnProfile, rows_before: int, rows: int
) -> Iterator[Change]:
    """What is in one column that is read in both."""
    if rows * now.fill >= _ENOUGH <= rows_before * was.fill:
        yield from _meaning(name, was, now)
        if name in _CODES:
            yield from _codes(name, was, now, rows_before)
    if min(rows, rows_before) >= _ENOUGH and abs(was.fill - now.fill) > 0.3:
        words = f"{now.header!r} is filled in {now.fill:.0%} of the rows, it was in {was.fill:.0%}"
        yield Change("fill_changed", now.header, words)


def _meaning(name: str, was: ColumnProfile, now: ColumnProfile) -> Iterator[Change]:
    header = now.header
    if was.figures >= 0.8 and now.figures <= 0.2:
        yield Change("became_text", header, f"{header!r} held figures, it holds words now")
    elif was.figures <= 0.2 and now.figures >= 0.8 and name not in _CODES:
        yield Change("became_figures", header, f"{header!r} held words, it holds figures now")
    for sign, other, word in (("point", "comma", "commas"), ("comma", "point", "points")):
        if was.kinds.get(sign, 0) > 0.05 > 10 * was.kinds.get(other, 0) and (
            now.kinds.get(other, 0) > 0.05 > 10 * now.kinds.get(sign, 0)
        ):
            words = f"{header!r} is written with decimal {word}, it was with decimal {sign}s"
            yield Change("decimals_changed", header, words)
    if was.values >= 10 and now.values == 1:
        words = f"{header!r} has the same value in all rows; it had {was.values} different ones"
        yield Change("became_constant", header, words)
    ratio = _ratio(now, was)
    limit = 2.0 if name in _PRICES else 10.0
    if ratio and not 1 / limit < ratio < limit:
        times = f"x{ratio:.4g}" if ratio > 1 else f"/{1 / ratio:.4g}"
        words = f"the median of {header!r} is {now.median}, it was {was.median} ({times})"
        yield Change("median_moved", header, words)


def _codes(name: str, was: ColumnProfile, now: ColumnProfile, rows: int) -> Iterator[Change]:
    header = now.header
    if was.zeros >= 0.01 and was.zeros * was.fill * rows >= 3 and not now.zeros:
        words = (
            f"no value of {header!r} begins with a zero any more, {was.zeros:.0%} did (saving "
            "it in a spreadsheet takes them away)"
        )
        yield Change("zeros_lost", header, words)
    if was.shortest == was.longest != 0 and now.shortest != now.longest:
        words = (
            f"values of {header!r} are {now.shortest} to {now.longest} characters long, all were "
            f"{was.longest}"
        )
        yield Change("length_changed", header, words)
    if name == "barcode" and was.barcodes >= 0.5 and now.barcodes <= 0.1:
        words = (
            f"{now.barcodes:.0%} of {header!r} are barcodes with a right check digit, "
            f"{was.barcodes:.0%} were"
        )
        yield Change("barcodes_lost", header, words)


def _products(before: Profile, now: Profile) -> Iterator[Change]:
    """Whether they are the same products at all; by their smallest hashes, as far as both go."""
    if "delta" in (before.coverage, now.coverage) or min(before.rows, now.rows) < SKETCH:
        return
    old, new = set(before.sketch), set(now.sketch)
    smallest = sorted(old | new)[:SKETCH]
    shared = sum(one in old and one in new for one in smallest)
    if shared < SKETCH / 4:
        header = now.columns["sku"].header
        words = (
            f"about {shared / SKETCH:.0%} of all SKUs are in both extracts: another outlet, or "
            f"{header!r} is another code now"
        )
        yield Change("other_products", header, words)
