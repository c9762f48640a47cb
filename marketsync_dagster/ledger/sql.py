"""The few statements that SQLite and PostgreSQL write differently.

Upserts, rows in bulk, locks that last until the transaction ends, and the clock that all writers
share.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from itertools import chain
from operator import itemgetter
from typing import Any

import orjson
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Table,
    Text,
    any_,
    func,
    literal,
    or_,
    select,
    table,
    text,
)
from sqlalchemy import column as column_of
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError

from marketsync_dagster.values.times import PUT_OFF_MOST, to_iso

ROWS_AT_ONCE = 500
"""So many rows at most are the parameters of one statement."""
MANY = 1000
"""From so many rows on, PostgreSQL is given them by COPY."""


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
    names = list(rows[0])
    statement = insert_into(conn, table)
    new = statement.excluded
    changes = {
        name: func.coalesce(new[name], table.c[name]) if name in keep_if_null else new[name]
        for name in names
        if name not in keys
    }
    rows = sorted(rows, key=lambda row: tuple(row[key] for key in keys))
    if conn.dialect.name == "postgresql" and len(rows) >= MANY:
        statement = statement.from_select(names, select(*_incoming(conn, table, names, rows)))
        rows = []
    conn.execute(statement.on_conflict_do_update(index_elements=keys, set_=changes), rows or None)


def _incoming(
    conn: Connection, target: Table, names: Sequence[str], rows: Sequence[dict[str, Any]]
) -> list[Any]:
    """Give PostgreSQL the rows in a temporary table; returns its columns."""
    # of its own for each call: the next one may have other columns
    name = f"incoming_{target.name}"
    listed = ", ".join(f'"{each}"' for each in names)
    conn.exec_driver_sql(f'DROP TABLE IF EXISTS pg_temp."{name}"')
    conn.exec_driver_sql(  # composed of our own names
        f'CREATE TEMP TABLE "{name}" ON COMMIT DROP AS '  # noqa: S608
        f'SELECT {listed} FROM "{target.name}" WITH NO DATA'
    )
    copy_into(conn, name, (tuple(row.values()) for row in rows))
    return list(table(name, *(column_of(each) for each in names)).c)


def is_one_of(
    dialect: str, texts: ColumnElement[str], values: Sequence[str]
) -> ColumnElement[bool]:
    """`texts IN values`, however many there are: they are one parameter."""
    if dialect == "postgresql":
        return texts == any_(literal(list(values), ARRAY(Text)))
    each = func.json_each(orjson.dumps(list(values)).decode()).table_valued("value")
    return texts.in_(select(each.c.value))


def append(
    conn: Connection, name: str, names: Sequence[str], rows: Sequence[Sequence[Any]]
) -> None:
    """Insert `rows` into a table, their values in the order of the columns `names`.

    Many rows are one statement: for each, a driver gives the interpreter lock away and waits to
    have it again, which costs the journal's thread more than the row does.
    """
    for first in range(0, len(rows), ROWS_AT_ONCE):
        part = rows[first : first + ROWS_AT_ONCE]
        columns = ", ".join(f'"{each}"' for each in names)
        conn.exec_driver_sql(  # composed of our own names
            f'INSERT INTO "{name}" ({columns}) {value_rows(conn, len(part), len(names))}',
            tuple(chain.from_iterable(part)),
        )


def put(
    conn: Connection,
    table: Table,
    names: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    replace: bool = False,
    returning: Sequence[str] = (),
) -> list[Any]:
    """Insert `rows`, their values in the order of the columns `names`, in few statements that cost
    little: for those who write thousands in small transactions. The columns `returning` of the
    rows that were written, in any order.

    One that breaks a unique key is left out; with `replace` it overwrites the columns `names` of
    the row with its primary key. A row stands there once at most. Bytes are taken, no floats.
    """
    found: list[Any] = []
    if not rows:
        return found
    keys = [column.name for column in table.primary_key.columns]
    columns = ", ".join(f'"{name}"' for name in names)
    end = "ON CONFLICT DO NOTHING"
    if replace:
        rows = sorted(rows, key=itemgetter(*(names.index(key) for key in keys)))
        changed = ", ".join(f'"{n}" = excluded."{n}"' for n in names if n not in keys)
        end = f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {changed}"
    if returning:
        end += f" RETURNING {', '.join(returning)}"
    head = f'INSERT INTO "{table.name}" ({columns})'
    if conn.dialect.name == "postgresql":
        # one parameter, taken apart by the server: thousands of them cost the client more
        documents = [dict(zip(names, row, strict=True)) for row in rows]
        said = orjson.dumps(documents, default=_hex).decode()
        source = f'SELECT {columns} FROM json_populate_recordset(NULL::"{table.name}", %s)'  # noqa: S608
        written = conn.exec_driver_sql(f"{head} {source} {end}", (said,))
        return [*written] if returning else found
    for first in range(0, len(rows), ROWS_AT_ONCE):
        part = rows[first : first + ROWS_AT_ONCE]
        values = value_rows(conn, len(part), len(names))
        statement = f"{head} {values} {end}"
        written = conn.exec_driver_sql(statement, tuple(chain.from_iterable(part)))
        if returning:
            found += written
    return found


def _hex(value: Any) -> str:
    """Bytes as PostgreSQL reads them."""
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    raise TypeError(type(value).__name__)


def value_rows(conn: Connection, rows: int, columns: int) -> str:
    """`VALUES (?, ?), (?, ?)` as the engine's driver wants it."""
    return _values("?" if conn.dialect.name == "sqlite" else "%s", rows, columns)


@functools.lru_cache(maxsize=64)
def _values(mark: str, rows: int, columns: int) -> str:
    row = f"({', '.join([mark] * columns)})"
    return f"VALUES {', '.join([row] * rows)}"


def copy_into(conn: Connection, name: str, rows: Iterable[Sequence[Any]]) -> None:
    """Append `rows` to a table of PostgreSQL by COPY, in the order of its columns.

    A text must not hold NUL, which PostgreSQL does not take. What the driver raises comes as
    SQLAlchemy would raise it.
    """
    import psycopg

    statement = f'COPY "{name}" FROM STDIN'
    try:
        raw: Any = conn.connection.driver_connection
        with raw.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)
    except psycopg.Error as error:
        raise DBAPIError.instance(
            statement, None, error, psycopg.Error, hide_parameters=True, dialect=conn.dialect
        ) from None


def put_off_is_over(columns: Any, now: datetime) -> ColumnElement[bool]:
    """`values.times.is_due` of a table's `not_before`."""
    c = columns.not_before
    return or_(c <= to_iso(now), c > to_iso(now + PUT_OFF_MOST))


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
