"""Making the ledger's tables, and bringing those of an older MarketSync forward.

The only module that loads Alembic; `open_ledger` comes here for an empty database alone.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, inspect

from marketsync_dagster.ledger.engine import (
    REVISIONS,
    VERSION_TABLE,
    Ledger,
    current_revision,
)
from marketsync_dagster.ledger.sql import lock_key
from marketsync_dagster.ledger.tables import metadata
from marketsync_dagster.ledger.urls import VARIABLE, describe, parse_url
from marketsync_dagster.values.errors import LedgerError

MIGRATIONS = Path(__file__).parent / "migrations"


def create_tables(ledger: Ledger) -> None:
    """Make every table in a database that has none of them; does nothing if another process won.

    LedgerError if the database holds tables that are not ours.
    """
    with ledger.begin() as conn:
        lock_key(conn, "marketsync schema")
        present = set(inspect(conn).get_table_names())
        if VERSION_TABLE in present:
            return
        foreign = present if ledger.dialect == "sqlite" else present & set(metadata.tables)
        if foreign:
            names = ", ".join(sorted(foreign)[:3])
            raise LedgerError(
                f"{describe(ledger.location)} holds other tables ({names})",
                f"point {VARIABLE} at an empty database",
            )
        migrate(conn)


def upgrade_ledger(url: str) -> tuple[str | None, str]:
    """Bring the ledger at `url` to the newest revision: `marketsync ledger upgrade`.

    Returns the revision before (None: there were no tables) and after. All or nothing: a failure
    leaves the ledger as it was. LedgerError for a ledger of a newer MarketSync.
    """
    ledger = Ledger(parse_url(url))
    try:
        before = current_revision(ledger)
        if before is None:
            create_tables(ledger)
        elif before not in REVISIONS:
            raise LedgerError(
                f"{describe(ledger.location)} was made by a newer MarketSync (revision {before})",
                "install that MarketSync here",
            )
        else:
            with ledger.begin() as conn:
                lock_key(conn, "marketsync schema")
                migrate(conn)
        return before, REVISIONS[-1]
    finally:
        ledger.close()


def alembic_config(conn: Connection | None = None) -> Config:
    """Alembic's configuration without an alembic.ini; `conn` is the transaction to work in."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = conn
    return config


def migrate(conn: Connection, revision: str | None = None) -> None:
    """Bring the tables to `revision` (default: the newest) in the caller's transaction."""
    try:
        command.upgrade(alembic_config(conn), revision or REVISIONS[-1])
    except CommandError as error:
        raise LedgerError(f"the ledger's tables cannot be brought forward: {error}") from error
