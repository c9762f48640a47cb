"""Whether a frame keeps every rule of its columns, told at once, without saying what is wrong.

Most frames are valid, and pandera takes longer to find that than reading the file did. What is
answered with yes here pandera would take too (a test holds the two together); for all else
`catalog.schemas` asks pandera, which finds and words each failure. The rules are the same table:
`catalog.columns`.
"""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pyarrow as pa

from marketsync_dagster.catalog.arrow import pc, text
from marketsync_dagster.catalog.columns import NOT_BLANK, Column, FrameColumns


def plainly_valid(expected: FrameColumns, frame: pd.DataFrame) -> bool:
    """True only where every rule holds; False: one is broken, or pandera has to tell.

    `frame` has the columns and types that `expected` asks for.
    """
    if not frame.columns.is_unique:
        return False
    columns = {
        column.name: _arrow(column, frame[column.name])
        for column in expected.columns
        if column.name in frame
    }
    rules = _FRAME_RULES.get(expected.name, ())
    return all(
        _keeps(column, columns[column.name])
        for column in expected.columns
        if column.name in columns
    ) and all(rule(columns) for rule in rules)


def _arrow(column: Column, values: pd.Series) -> pa.Array:
    return text(values) if column.type == "str" else pa.array(values, from_pandas=True)


def _keeps(column: Column, values: pa.Array) -> bool:
    if values.null_count:
        if not column.nullable:
            return False
        values = values.drop_null()
    if not len(values):
        return True
    if column.minimum is not None and pc.min(values).as_py() < column.minimum:
        return False
    if not (column.one_of or column.pattern or column.unique):
        return True
    distinct = values.unique()
    if column.unique and len(distinct) != len(values):
        return False
    if column.one_of and not set(distinct.to_pylist()) <= set(column.one_of):
        return False
    return not column.pattern or _all_match(column.pattern, distinct)


def _all_match(pattern: str, distinct: pa.Array) -> bool:
    if pattern == NOT_BLANK and _plainly_not_blank(distinct):
        return True
    return all(re.fullmatch(pattern, value) for value in distinct.to_pylist())


def _plainly_not_blank(texts: pa.Array) -> bool:
    """Printable ASCII that neither begins nor ends with a blank, and is not empty."""
    _, offsets, data = texts.buffers()
    places = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    signs = np.frombuffer(data or b"", np.uint8)[places[0] : places[-1]]
    if not len(signs) or signs.min() < ord(" ") or signs.max() > ord("~"):
        return False
    starts, ends = places[:-1] - places[0], places[1:] - places[0]
    if (starts == ends).any():
        return False
    return bool((signs[starts] > ord(" ")).all() and (signs[ends - 1] > ord(" ")).all())


def _has_a_price(columns: dict[str, pa.Array]) -> bool:
    regular, promo = columns["price_minor"], columns["promo_price_minor"]
    priced = pc.or_(regular.is_valid(), promo.is_valid())
    return not regular.null_count or pc.all(priced).as_py()


def _mapped_or_explained(columns: dict[str, pa.Array]) -> bool:
    mapped = columns["platform_id"].is_valid()
    matched, unexplained = columns["matched_by"].is_valid(), columns["reason"].is_null()
    return matched.equals(mapped) and unexplained.equals(mapped)


_FRAME_RULES = {
    "extract": (_has_a_price,),
    "sku_mapping": (_mapped_or_explained,),
}
"""Rules over several columns; `schemas` has the same ones for pandera."""
