"""The rules for values that `catalog.columns` and its frames set, over whole columns at once.

`catalog.schemas` gives them to pandera: all of a frame's rules as one check, which tells whether a
frame is valid in a tenth of the time, and each by itself, which tells where it is not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from marketsync_dagster.catalog.arrow import pc, text
from marketsync_dagster.catalog.columns import NOT_BLANK, Column, FrameColumns

Columns = Mapping[str, pa.Array]


@dataclass(frozen=True)
class Rule:
    """One rule for the values of a column, nulls left out."""

    words: str
    """What is said of a value that breaks it."""
    kept: Callable[[pa.Array], pa.Array]
    """For each value whether it keeps the rule."""


@dataclass(frozen=True)
class FrameRule:
    """One rule over several columns."""

    words: str
    kept: Callable[[Columns], pa.Array]
    """For each row whether it keeps the rule."""


def rules_of(column: Column) -> list[Rule]:
    """The rules for the values of a column; whether it may be null or repeat itself is not here."""
    rules: list[Rule] = []
    least, words, pattern = column.minimum, column.one_of, column.pattern
    if least is not None:
        rules.append(Rule(f"below {least}", lambda values: pc.greater_equal(values, least)))
    if words:
        said = f"not one of {', '.join(words)}"
        rules.append(Rule(said, lambda values: pc.is_in(values, text(words))))
    if pattern:
        rules.append(Rule(f"does not match {pattern}", lambda values: _match(pattern, values)))
    return rules


def _has_a_price(columns: Columns) -> pa.Array:
    return pc.or_(columns["price_minor"].is_valid(), columns["promo_price_minor"].is_valid())


def _mapped_or_explained(columns: Columns) -> pa.Array:
    mapped = columns["platform_id"].is_valid()
    matched, unexplained = columns["matched_by"].is_valid(), columns["reason"].is_null()
    return pc.and_(pc.equal(mapped, matched), pc.equal(mapped, unexplained))


def _offered_or_explained(columns: Columns) -> pa.Array:
    return pc.xor(columns["details"].is_valid(), columns["reason"].is_valid())


FRAME_RULES = {
    "extract": (FrameRule("has neither a price nor a promotion price", _has_a_price),),
    "offers": (FrameRule("is neither offered nor explained", _offered_or_explained),),
    "sku_mapping": (FrameRule("is neither mapped nor explained", _mapped_or_explained),),
}


class _ArrowColumns(Mapping[str, pa.Array]):
    """The columns of a frame, each made when it is asked for and not kept: all text of a million
    rows twice is too much."""

    def __init__(self, expected: FrameColumns, frame: pd.DataFrame) -> None:
        self._columns = {one.name: one for one in expected.columns if one.name in frame}
        self._frame = frame

    def __getitem__(self, name: str) -> pa.Array:
        return arrow(self._columns[name], self._frame[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)


def arrow_columns(expected: FrameColumns, frame: pd.DataFrame) -> Columns:
    """The columns of `frame`, which has the names and types that `expected` asks for."""
    return _ArrowColumns(expected, frame)


def keeps_all(expected: FrameColumns, frame: pd.DataFrame) -> bool:
    """Whether every rule of every column, and of the frame, holds."""
    columns = arrow_columns(expected, frame)
    return all(
        _keeps(column, columns[column.name])
        for column in expected.columns
        if column.name in columns
    ) and all(_all(rule.kept(columns)) for rule in FRAME_RULES.get(expected.name, ()))


def arrow(column: Column, values: pd.Series) -> pa.Array:
    """The values of a column, in one piece."""
    return text(values) if column.type == "str" else pa.array(values, from_pandas=True)


def _keeps(column: Column, values: pa.Array) -> bool:
    if values.null_count:
        if not column.nullable:
            return False
        values = values.drop_null()
    rules = rules_of(column)
    if column.unique or (column.type == "str" and rules):
        distinct = values.unique()  # each value is looked at once
        if column.unique and len(distinct) != len(values):
            return False
        values = distinct
    return all(_all(rule.kept(values)) for rule in rules)


def _all(kept: pa.Array) -> bool:
    return pc.all(kept, min_count=0).as_py()


def _match(pattern: str, values: pa.Array) -> pa.Array:
    if pattern == NOT_BLANK and _plainly_not_blank(values):
        return pa.array(np.ones(len(values), bool))
    found = (re.fullmatch(pattern, value) is not None for value in values.to_pylist())
    return pa.array(found, pa.bool_())


def _plainly_not_blank(texts: pa.Array) -> bool:
    """Printable ASCII that neither begins nor ends with a blank, and is not empty."""
    if not len(texts):
        return True
    _, offsets, data = texts.buffers()
    places = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    signs = np.frombuffer(data or b"", np.uint8)[places[0] : places[-1]]
    if not len(signs) or signs.min() < ord(" ") or signs.max() > ord("~"):
        return False
    starts, ends = places[:-1] - places[0], places[1:] - places[0]
    if (starts == ends).any():
        return False
    return bool((signs[starts] > ord(" ")).all() and (signs[ends - 1] > ord(" ")).all())
