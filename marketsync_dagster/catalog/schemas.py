"""Validation of frames before they are stored and again before they are pushed, by pandera.

The schemas are built from `catalog.columns`, where the columns themselves belong, and from the
rules in `catalog.rules`. Each frame is first shown to a schema with one check, that all rules hold:
that is most often so, and told in a tenth of the time. Where it is not, the schema of its columns
finds all failures, and each names column, SKU and line. Types are compared here rather than by
pandera, which lets object columns pass as text and looks at each text of a `str` column for it.
"""

from __future__ import annotations

import functools
from typing import Any

import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaError, SchemaErrors

from marketsync_dagster.catalog import columns as _columns
from marketsync_dagster.catalog import rules
from marketsync_dagster.catalog.columns import Column, FrameColumns, table_schema
from marketsync_dagster.catalog.rules import FrameRule, Rule
from marketsync_dagster.values.errors import ExtractError, MarketSyncError

__all__ = [
    "CATALOG", "EXTRACT", "FEED", "OFFERS", "PLATFORM_CATALOG", "SKU_MAPPING", "conform", "empty",
    "table_schema", "validate",
]  # fmt: skip

MAX_SHOWN = 5
"""Failures that one message spells out; the others are counted."""


def _column(column: Column) -> pa.Column:
    checks = [_check(column, rule) for rule in rules.rules_of(column)]
    if column.unique:
        checks.append(pa.Check(_unique, error="is there twice"))
    return pa.Column(
        None,
        checks,
        nullable=column.nullable,
        required=column.required,
        description=column.description,
    )


def _unique(values: pd.Series) -> pd.Series:
    return ~values.duplicated(keep=False)


def _check(column: Column, rule: Rule) -> pa.Check:
    def kept(values: pd.Series) -> pd.Series:
        found = rule.kept(rules.arrow(column, values))
        return pd.Series(found.to_numpy(zero_copy_only=False), index=values.index)

    return pa.Check(kept, error=rule.words)


def _frame_check(columns: FrameColumns, rule: FrameRule) -> pa.Check:
    def kept(frame: pd.DataFrame) -> pd.Series:
        found = rule.kept(rules.arrow_columns(columns, frame))
        return pd.Series(found.to_numpy(zero_copy_only=False), index=frame.index)

    return pa.Check(kept, error=rule.words)


def _schema(columns: FrameColumns) -> pa.DataFrameSchema:
    return pa.DataFrameSchema(
        {column.name: _column(column) for column in columns.columns},
        checks=[_frame_check(columns, rule) for rule in rules.FRAME_RULES.get(columns.name, ())],
        strict=True,
        name=columns.name,
    )


def _whole(columns: FrameColumns) -> pa.DataFrameSchema:
    check = pa.Check(functools.partial(rules.keeps_all, columns), error="keeps all rules")
    return pa.DataFrameSchema(checks=check, name=columns.name)


EXTRACT = _schema(_columns.EXTRACT)
CATALOG = _schema(_columns.CATALOG)
OFFERS = _schema(_columns.OFFERS)
SKU_MAPPING = _schema(_columns.SKU_MAPPING)
FEED = _schema(_columns.FEED)
PLATFORM_CATALOG = _schema(_columns.PLATFORM_CATALOG)

_COLUMNS = {frame.name: frame for frame in _columns.FRAMES}
_WHOLE = {frame.name: _whole(frame) for frame in _columns.FRAMES}


def columns_of(schema: pa.DataFrameSchema) -> FrameColumns:
    """The column table that `schema` was built from."""
    return _COLUMNS[str(schema.name)]


def conform(schema: pa.DataFrameSchema, frame: pd.DataFrame) -> pd.DataFrame:
    """`frame` with the columns of `schema` in their order and types, absent nullable ones null.

    For frames made from rows of Python values, such as a platform's pages. Values are not
    checked: `validate` does that. A column that is absent and not nullable is a KeyError.
    """
    parts: dict[str, Any] = {}
    for column in columns_of(schema).columns:
        if column.name in frame:
            parts[column.name] = frame[column.name].astype(column.type)
        elif not column.required:
            continue
        elif not column.nullable:
            raise KeyError(column.name)
        else:
            parts[column.name] = pd.Series(
                [None] * len(frame), index=frame.index, dtype=column.type
            )
    return pd.DataFrame(parts)


def empty(schema: pa.DataFrameSchema) -> pd.DataFrame:
    """A frame of no rows with the columns and types of `schema`."""
    return pd.DataFrame(
        {column.name: pd.Series([], dtype=column.type) for column in columns_of(schema).columns}
    )


def validate(schema: pa.DataFrameSchema, frame: pd.DataFrame, *, what: str) -> pd.DataFrame:
    """`frame` itself if it is valid.

    `what` names the frame for people (`westlands: pos/catalog`). All failures are looked for;
    ExtractError (code `schema`) for an extract and MarketSyncError for the others name the first
    few with column, value, SKU and line, and count the rest. Values are looked at only where
    columns and types are as they should be.
    """
    expected = columns_of(schema)
    problems = "; ".join(_structure_problems(expected, frame)) or _value_problems(schema, frame)
    if not problems:
        return frame
    message = f"{what} is not valid: {problems}"
    raise ExtractError("schema", message) if schema is EXTRACT else MarketSyncError(message)


def _value_problems(schema: pa.DataFrameSchema, frame: pd.DataFrame) -> str:
    try:
        _WHOLE[str(schema.name)].validate(frame)
    except SchemaError:
        try:
            schema.validate(frame, lazy=True)
        except SchemaErrors as errors:
            return _describe(errors.failure_cases, frame)
        return "a rule is broken, but by no row of it alone"
    return ""


def _structure_problems(expected: FrameColumns, frame: pd.DataFrame) -> list[str]:
    got = {str(name): str(dtype) for name, dtype in frame.dtypes.items()}
    required = [column.name for column in expected.columns if column.required]
    problems = [f"column {name} is missing" for name in required if name not in got]
    problems += [f"column {name} is not expected" for name in got if name not in expected.names]
    return problems + [
        f"column {column.name}: expected type {column.type}, got {got[column.name]}"
        for column in expected.columns
        if got.get(column.name, column.type) != column.type
    ]


def _describe(failures: pd.DataFrame, frame: pd.DataFrame) -> str:
    # a frame-wide check fails once per column of each bad row: one line per row is enough
    frame_wide = failures["schema_context"] == "DataFrameSchema"
    keys = ["column", "check", "index"]
    shown = failures.assign(column=failures["column"].where(~frame_wide | failures["index"].isna()))
    shown = shown.drop_duplicates(keys)
    lines = [_one(failure, frame) for failure in shown.head(MAX_SHOWN).to_dict("records")]
    more = len(shown) - len(lines)
    return "; ".join(lines) + (f"; and {more} more" if more else "")


def _one(failure: dict[Any, Any], frame: pd.DataFrame) -> str:
    column, check, value = failure["column"], str(failure["check"]), failure["failure_case"]
    place = _place(frame, failure["index"])
    if pd.isna(column):
        return f"row {check}{place}"
    said = "has no value" if check == "not_nullable" else f"{value!r} {check}"
    return f"column {column}: {said}{place}"


def _place(frame: pd.DataFrame, index: Any) -> str:
    row = frame.loc[[index]].iloc[0]
    words = [f"{name} {row[name]}" for name in ("sku", "line") if name in frame]
    return f" ({', '.join(words)})" if words else f" (row {index})"
