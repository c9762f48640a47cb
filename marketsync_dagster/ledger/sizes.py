"""How much room everything that grows takes: tables, files, folders; integers, fit for plots."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Text, func, inspect, select, text

from marketsync_dagster.config.load import dagster_home_of
from marketsync_dagster.ledger import tables as t
from marketsync_dagster.ledger.backup import backup_folder

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table

    from marketsync_dagster.config.settings import Settings
    from marketsync_dagster.ledger.engine import Ledger

AGE = {
    "alert": "at",
    "api_call": "at",
    "extract": "read_at",
    "extract_file": "seen_at",
    "listing_event": "at",
    "outlet_failure": "at",
    "plan": "created_at",
    "push": "started_at",
    "push_batch": "intended_at",
    "push_import": "created_at",
    "upkeep": "at",
}
"""Tables that grow -> when a row of theirs was made."""


def sizes(ledger: Ledger, settings: Settings) -> dict[str, int]:
    """`rows_<table>`, `bytes_<table>`, `bytes_ledger`, `free_ledger` (room inside of it that is
    used again), and files and bytes of archive, frames, backups and Dagster's home."""
    found = table_sizes(ledger)
    for name, folder in folders(settings).items():
        files, size = folder_size(folder)
        found |= {f"files_{name}": files, f"bytes_{name}": size}
    return found


def folders(settings: Settings) -> dict[str, Path]:
    """Name -> each folder that grows."""
    return {
        "archive": settings.home / "archive",
        "frames": settings.home / "frames",
        "backups": backup_folder(settings),
        "dagster": dagster_home_of(settings),
    }


def table_sizes(ledger: Ledger) -> dict[str, int]:
    """Rows and bytes of each table (bytes with its indexes, where the database can tell)."""
    found: dict[str, int] = {}
    with ledger.read() as connection:
        present = set(inspect(connection).get_table_names())
        ours = [table for name, table in sorted(t.metadata.tables.items()) if name in present]
        for table in ours:
            rows = connection.execute(select(func.count()).select_from(table)).scalar_one()
            found[f"rows_{table.name}"] = int(rows)
        sized = _postgres_bytes if connection.dialect.name == "postgresql" else _sqlite_bytes
        found |= sized(connection, ours)
    return found


def _postgres_bytes(connection: Connection, tables: list[Table]) -> dict[str, int]:
    query = text("SELECT pg_total_relation_size(to_regclass(:name))")
    each = {
        f"bytes_{table.name}": int(connection.execute(query, {"name": table.name}).scalar() or 0)
        for table in tables
    }
    return each | {"bytes_ledger": sum(each.values()), "free_ledger": 0}


def _sqlite_bytes(connection: Connection, tables: list[Table]) -> dict[str, int]:
    def pragma(name: str) -> int:
        return int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())

    page = pragma("page_size")
    total = {
        "bytes_ledger": pragma("page_count") * page,
        "free_ledger": pragma("freelist_count") * page,
    }
    compiled = {row[0] for row in connection.exec_driver_sql("PRAGMA compile_options")}
    if "ENABLE_DBSTAT_VTAB" not in compiled:
        return total  # this SQLite cannot tell its tables apart
    rows = connection.exec_driver_sql(
        "SELECT m.tbl_name, sum(s.pgsize) FROM dbstat s JOIN sqlite_master m ON m.name = s.name "
        "WHERE s.aggregate = 1 GROUP BY m.tbl_name"
    )
    by_table = {row[0]: int(row[1]) for row in rows}
    return {f"bytes_{table.name}": by_table.get(table.name, 0) for table in tables} | total


def oldest(ledger: Ledger) -> dict[str, str]:
    """Table -> the time of its oldest row; tables without rows are left out."""
    found: dict[str, str] = {}
    with ledger.read() as connection:
        present = set(inspect(connection).get_table_names())
        for name, column in AGE.items():
            if name not in present:
                continue
            at = t.metadata.tables[name].c[column]
            assert isinstance(at.type, Text)
            moment = connection.execute(select(func.min(at))).scalar()
            if moment:
                found[name] = str(moment)
    return found


def folder_size(folder: Path) -> tuple[int, int]:
    """Files and bytes below a folder; what vanishes while it is counted does not count."""
    files = size = 0
    for where, _, names in os.walk(folder):
        for name in names:
            try:
                size += Path(where, name).lstat().st_size
            except FileNotFoundError:
                continue
            files += 1
    return files, size
