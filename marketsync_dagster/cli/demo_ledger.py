"""The ledger of a demo: it begins with an empty one, and touches nobody else's.

In the project's own folder the demo removes its files. In a PostgreSQL database it takes tables
that are empty or that an earlier demo of the same project has filled.
"""

from __future__ import annotations

from sqlalchemy import Connection, func, select, text

from marketsync_dagster.config.settings import Settings
from marketsync_dagster.ledger.cursors import set_cursor
from marketsync_dagster.ledger.engine import ledger_url, open_ledger
from marketsync_dagster.ledger.sql import lock_key
from marketsync_dagster.ledger.tables import credential, cursor, listing, metadata, plan, push
from marketsync_dagster.ledger.urls import VARIABLE, describe
from marketsync_dagster.values.errors import ConfigError

_MARK = "demo"
_EMPTIED = [table for table in metadata.tables.values() if table is not credential]


def begin_in_postgres(settings: Settings) -> None:
    """Leave an empty ledger in the database; ConfigError if it holds what is not the demo's.

    Stored secrets stay.
    """
    ledger = open_ledger(ledger_url(settings))
    try:
        with ledger.begin() as conn:
            lock_key(conn, _MARK)
            if not _is_empty(conn) and not _is_of_a_demo(conn, settings):
                raise ConfigError(
                    f"{describe(ledger.location)} holds a ledger that is not the demo's, which "
                    "begins with an empty one",
                    f"point {VARIABLE} at an empty database, or: env -u {VARIABLE} marketsync demo",
                )
            names = ", ".join(f'"{table.name}"' for table in _EMPTIED)
            conn.execute(text(f"TRUNCATE {names}"))
            set_cursor(conn, _MARK, str(settings.file))
    finally:
        ledger.close()


def _is_empty(conn: Connection) -> bool:
    return not any(
        conn.execute(select(func.count()).select_from(table)).scalar_one() for table in _EMPTIED
    )


def _is_of_a_demo(conn: Connection, settings: Settings) -> bool:
    """Whether a demo of this project has begun it, and only the demo's accounts are in it."""
    marked = conn.execute(select(cursor.c.value).where(cursor.c.name == _MARK)).scalar()
    used = {
        account
        for table in (listing, plan, push)
        for account in conn.execute(select(table.c.account).distinct()).scalars()
    }
    return marked == str(settings.file) and used <= settings.accounts.keys()
