"""How far something was read, by name: kept with the rows that it stands for."""

from __future__ import annotations

from sqlalchemy import Connection, select

from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.sql import put
from marketsync_dagster.ledger.tables import cursor
from marketsync_dagster.values.times import to_iso, utcnow


def get_cursor(ledger: Ledger, name: str) -> str | None:
    """The value last set; None before the first."""
    with ledger.read() as conn:
        return conn.execute(select(cursor.c.value).where(cursor.c.name == name)).scalar()


def set_cursor(conn: Connection, name: str, value: str) -> None:
    """Set the cursor in the transaction that writes the rows it stands for."""
    row = (name, value, to_iso(utcnow()))
    put(conn, cursor, ("name", "value", "at"), [row], replace=True)
