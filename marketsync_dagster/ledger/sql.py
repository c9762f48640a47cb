"""The few statements that SQLite and PostgreSQL write differently.

Upserts, locks that last until the transaction ends, and the clock that all writers share.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, Table, func, text
from sqlalchemy.dialects import postgresql, sqlite


def insert_into(conn: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that knows `on_conflict_do_update` and `on_conflict_do_nothing`."""
    return sqlite.insert(table) if conn.dialect.name == "sqlite" else postgresql.insert(table)


def upsert(
    conn: Connection,
    table: Table,
    rows: Sequence[dict[str, Any]],
    *,
    keep_if_null: Collection[str] = (),
) -> None:
    """Insert `rows`; where the primary key exists already, overwrite the other columns.

    Every row has the same columns. Columns in `keep_if_null` keep their old value where the new
    one is null. Rows are written in the order of their keys, so that two writers on PostgreSQL
    cannot wait for each other.
    """
    if not rows:
        return
    keys = [column.name for column in table.primary_key.columns]
    statement = insert_into(conn, table)
    new = statement.excluded
    changes = {
        name: func.coalesce(new[name], table.c[name]) if name in keep_if_null else new[name]
        for name in rows[0]
        if name not in keys
    }
    statement = statement.on_conflict_do_update(index_elements=keys, set_=changes)
    conn.execute(statement, sorted(rows, key=lambda row: tuple(row[key] for key in keys)))


def lock_key(conn: Connection, key: str) -> None:
    """Until this transaction ends, nobody else passes this line with the same `key`.

    On SQLite `Ledger.begin()` is that lock already.
    """
    if conn.dialect.name == "postgresql":
        conn.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": key})


def clock_ms(conn: Connection) -> int:
    """Milliseconds since 1970 by one clock for all writers: the server's, or this machine's."""
    if conn.dialect.name == "postgresql":
        seconds = text("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")
        return int(conn.execute(seconds).scalar_one())
    return time.time_ns() // 1_000_000
