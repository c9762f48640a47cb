"""Rows as Dagster shows them in metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

TABLE_ROWS = 50
"""Rows of a table in metadata; more would only swell the event log."""


def table(rows: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue:
    """Rows as a table of text and whole numbers, cut to what an event can carry.

    A row that lacks what others have is empty there: Dagster takes only rows with the same fields.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    records = [
        dg.TableRecord({name: _cell(row.get(name)) for name in names}) for row in rows[:TABLE_ROWS]
    ]
    return dg.MetadataValue.table(records=records, schema=None if records else dg.TableSchema([]))


def _cell(value: Any) -> str | int | float | bool:
    return value if isinstance(value, (str, int, float, bool)) else str(value or "")
