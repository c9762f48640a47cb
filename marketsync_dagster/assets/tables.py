"""Rows as Dagster shows them in metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

TABLE_ROWS = 50
"""Rows of a table in metadata; more would only swell the event log."""


def table(rows: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue:
    """Rows as a table of text and whole numbers, cut to what an event can carry."""
    records = [
        dg.TableRecord(
            {
                name: value if isinstance(value, (str, int, float, bool)) else str(value or "")
                for name, value in row.items()
            }
        )
        for row in rows[:TABLE_ROWS]
    ]
    return dg.MetadataValue.table(records=records, schema=None if records else dg.TableSchema([]))
