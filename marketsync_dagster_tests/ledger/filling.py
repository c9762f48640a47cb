"""Rows for every table of a ledger, whatever its revision: each column with a value of its type."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, MetaData, Table, inspect, select
from sqlalchemy.types import Boolean, Float, Integer, LargeBinary, Numeric

from marketsync_dagster.ledger.engine import VERSION_TABLE


def tables_of(connection: Connection) -> list[Table]:
    """The ledger's tables as they are in the database."""
    names = set(inspect(connection).get_table_names()) - {VERSION_TABLE}
    found = MetaData()
    found.reflect(connection, only=sorted(names))
    return [found.tables[name] for name in sorted(names)]


def fill(connection: Connection, rows: int = 3) -> dict[str, int]:
    """Put `rows` rows into every table; returns table -> rows."""
    tables = tables_of(connection)
    for table in tables:
        connection.execute(table.insert(), [_row(table, number) for number in range(1, rows + 1)])
    return dict.fromkeys((table.name for table in tables), rows)


def _row(table: Table, number: int) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for column in table.columns:
        kind = column.type
        if isinstance(kind, Boolean):
            row[column.name] = number % 2 == 0
        elif isinstance(kind, Integer):
            row[column.name] = number * 1_000 if column.primary_key else 2**31 - number
        elif isinstance(kind, Float | Numeric):
            row[column.name] = number + 0.25
        elif isinstance(kind, LargeBinary) or type(kind).__name__ in ("BLOB", "BYTEA"):
            row[column.name] = bytes(range(256)) * number
        elif column.nullable and number % 2:
            row[column.name] = None
        else:
            row[column.name] = f'{column.name} {number}: ü€𝄞 "quoted", \\N\ttab\nline'
    return row


def as_before(after: dict[str, list[Any]], before: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Of `after` what `before` has, too: a later revision adds tables, and columns at the end."""
    return {
        name: [row[: len(rows[0])] for row in after[name]] if rows else after[name]
        for name, rows in before.items()
    }


def content(connection: Connection, without: tuple[str, ...] = ()) -> dict[str, list[Any]]:
    """Table -> its rows, in the order of their keys."""
    return {
        table.name: [
            tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))
        ]
        for table in tables_of(connection)
        if table.name not in without
    }
