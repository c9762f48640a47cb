"""What is told at once about a frame is what its columns' schema says about it."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pandera.pandas as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandera.errors import SchemaErrors

from marketsync_dagster.catalog import schemas
from marketsync_dagster.catalog.columns import DECIMAL, NOT_BLANK, TIME, Column, FrameColumns
from marketsync_dagster.catalog.rules import keeps_all

SCHEMAS = {
    str(schema.name): schema
    for schema in (
        schemas.EXTRACT, schemas.CATALOG, schemas.SKU_MAPPING, schemas.FEED,
        schemas.PLATFORM_CATALOG,
    )
}  # fmt: skip
TIMES = ["2026-11-20T21:00:00.000Z", "2026-11-21T21:00:00.000Z", "2027-01-01T00:00:00.000Z"]
TEXTS = {
    NOT_BLANK: ["A", "B", "C", "a b", "é", "\u00a0", "A\u00a0", " A", "A ", "", "\n", "A\nB", "~"],
    DECIMAL: ["330", "0.5", "12", ".5", "5.", "1e3", "-1", "1,5", "", "5\n"],
    TIME: [*TIMES, "2026-11-20", "2026-11-20T21:00:00Z", "", f"{TIMES[0]}\n"],
    "[A-Z]{3}": ["KES", "KES", "KES", "kes", "KE", "KESS", "KÉS", "KES\n"],
}
USUAL = 3
"""So many of the values of a pool are good, and they are drawn more often."""


def columns_take(schema: pa.DataFrameSchema, frame: pd.DataFrame) -> bool:
    try:
        schema.validate(frame, lazy=True)
    except SchemaErrors:
        return False
    return True


def pool(column: Column) -> list[Any]:
    """Good values first, then odd and bad ones."""
    if column.type == "bool":
        return [True, False, True]
    if column.type in ("int64", "Int64"):
        least = column.minimum if column.minimum is not None else -5
        return [least, least + 1, 7_000, least - 1, 2**62]
    if column.one_of:
        return [*column.one_of[:USUAL], "guess", ""]
    return TEXTS.get(column.pattern, ["word", "other", "", "\x07", " "])


@st.composite
def frames(draw: st.DrawFn, columns: FrameColumns) -> pd.DataFrame:
    rows = draw(st.integers(0, 3))
    odd = draw(st.sampled_from([None, None, *columns.names]))
    parts: dict[str, pd.Series] = {}
    for column in columns.columns:
        if not column.required and draw(st.booleans()):
            continue
        values = pool(column)
        if column.name != odd:
            values = values[:USUAL]
        if column.unique and column.name != odd:
            drawn = draw(st.permutations(values))[:rows]
        else:
            drawn = draw(st.lists(st.sampled_from(values), min_size=rows, max_size=rows))
        if column.type != "int64" and column.type != "bool":
            empty = column.nullable or column.name == odd
            drawn = [None if empty and draw(st.integers(0, 4)) == 0 else v for v in drawn]
        parts[column.name] = pd.Series(drawn, dtype=column.type)
    frame = pd.DataFrame(parts)
    if columns.name == "sku_mapping" and odd is None:
        # mapped or explained, as a mapping is
        mapped = frame["platform_id"].notna()
        frame["reason"] = frame["reason"].fillna("no").mask(mapped)
        frame["matched_by"] = frame["matched_by"].fillna("sku").where(mapped)
    return frame


@pytest.mark.parametrize("name", SCHEMAS)
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_all_rules_at_once_say_what_the_columns_say(name: str, data: st.DataObject) -> None:
    schema = SCHEMAS[name]
    frame = data.draw(frames(schemas.columns_of(schema)))
    assert keeps_all(schemas.columns_of(schema), frame) is columns_take(schema, frame)


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_rule_of_every_column_is_looked_at(name: str) -> None:
    """One rule broken at a time: neither of the two lets it through."""
    columns = schemas.columns_of(SCHEMAS[name])
    good = {column.name: [*pool(column)[:2]] for column in columns.columns}
    if name == "sku_mapping":
        good["reason"] = [None, None]
    whole = pd.DataFrame(
        {column.name: pd.Series(good[column.name], dtype=column.type) for column in columns.columns}
    )
    assert keeps_all(columns, whole)
    for column in columns.columns:
        broken: list[Any] = [value for value in pool(column)[USUAL:] if not _is_good(column, value)]
        if column.unique:
            broken.append(good[column.name][0])
        if not column.nullable and column.type == "str":
            broken.append(None)
        for value in broken:
            values = pd.Series([good[column.name][0], value], dtype=column.type)
            frame = whole.assign(**{column.name: values})
            assert not columns_take(SCHEMAS[name], frame), (column.name, value)
            assert not keeps_all(columns, frame), (column.name, value)


def _is_good(column: Column, value: Any) -> bool:
    if column.type in ("int64", "Int64"):
        return column.minimum is None or value >= column.minimum
    if column.one_of:
        return value in column.one_of
    return not column.pattern or value in (
        "A",
        "B",
        "C",
        "a b",
        "é",
        "~",
        "KES",
        "330",
        "0.5",
        "12",
        *TIMES,
    )
