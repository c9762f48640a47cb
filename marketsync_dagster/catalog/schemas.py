"""Validation of frames before they are stored and again before they are pushed, by pandera.

The schemas are built from `catalog.columns`, where the columns themselves belong. Checks are
vectorised and all failures are reported at once; a failure names column, SKU and line. Types are
compared here rather than by pandera, which lets object columns pass as text and looks at each
text of a `str` column for it (more than half of its time). A frame that is plainly valid
(`catalog.plainly_valid`) is not shown to pandera at all.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaErrors

from marketsync_dagster.catalog import columns as _columns
from marketsync_dagster.catalog.columns import Column, FrameColumns, table_schema
from marketsync_dagster.catalog.plainly_valid import plainly_valid
from marketsync_dagster.values.errors import ExtractError, MarketSyncError

__all__ = [
    "CATALOG", "EXTRACT", "FEED", "PLATFORM_CATALOG", "SKU_MAPPING", "conform", "empty",
    "table_schema", "validate",
]  # fmt: skip

MAX_SHOWN = 5
"""Failures that one message spells out; the others are counted."""


def _matches(pattern: str) -> pa.Check:
    def check(texts: pd.Series) -> pd.Series:
        return texts.str.fullmatch(pattern)

    return pa.Check(check, name=f"matches {pattern}", error=f"does not match {pattern}")


def _column(column: Column) -> pa.Column:
    checks: list[pa.Check] = []
    if column.minimum is not None:
        checks.append(pa.Check.ge(column.minimum, error=f"below {column.minimum}"))
    if column.one_of:
        words = ", ".join(column.one_of)
        checks.append(pa.Check.isin(column.one_of, error=f"not one of {words}"))
    if column.pattern:
        checks.append(_matches(column.pattern))
    return pa.Column(
        None,
        checks,
        nullable=column.nullable,
        unique=column.unique and not column.nullable,
        required=column.required,
        description=column.description,
    )


def _has_a_price(frame: pd.DataFrame) -> pd.Series:
    return frame["price_minor"].notna() | frame["promo_price_minor"].notna()


def _mapped_or_explained(frame: pd.DataFrame) -> pd.Series:
    mapped = frame["platform_id"].notna()
    return (mapped == frame["matched_by"].notna()) & (mapped == frame["reason"].isna())


def _ids_are_unique(frame: pd.DataFrame) -> pd.Series:
    ids = frame["platform_id"]
    return ~(ids.duplicated(keep=False) & ids.notna())


_FRAME_CHECKS = {
    "extract": [pa.Check(_has_a_price, error="has neither a price nor a promotion price")],
    "sku_mapping": [
        pa.Check(_mapped_or_explained, error="is neither mapped nor explained"),
        pa.Check(_ids_are_unique, error="platform_id of two SKUs"),
    ],
}


def _schema(frame: FrameColumns) -> pa.DataFrameSchema:
    return pa.DataFrameSchema(
        {column.name: _column(column) for column in frame.columns},
        checks=_FRAME_CHECKS.get(frame.name, []),
        strict=True,
        name=frame.name,
    )


EXTRACT = _schema(_columns.EXTRACT)
CATALOG = _schema(_columns.CATALOG)
SKU_MAPPING = _schema(_columns.SKU_MAPPING)
FEED = _schema(_columns.FEED)
PLATFORM_CATALOG = _schema(_columns.PLATFORM_CATALOG)

_COLUMNS = {frame.name: frame for frame in _columns.FRAMES}


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
    problems = "; ".join(_structure_problems(expected, frame))
    if not problems and not plainly_valid(expected, frame):
        try:
            schema.validate(frame, lazy=True)
        except SchemaErrors as errors:
            problems = _describe(errors.failure_cases, frame)
    if not problems:
        return frame
    message = f"{what} is not valid: {problems}"
    raise ExtractError("schema", message) if schema is EXTRACT else MarketSyncError(message)


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
    said = {"not_nullable": "has no value", "field_uniqueness": f"{value!r} is there twice"}
    return f"column {column}: {said.get(check, f'{value!r} {check}')}{place}"


def _place(frame: pd.DataFrame, index: Any) -> str:
    row = frame.loc[[index]].iloc[0]
    words = [f"{name} {row[name]}" for name in ("sku", "line") if name in frame]
    return f" ({', '.join(words)})" if words else f" (row {index})"
