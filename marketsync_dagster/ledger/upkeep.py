"""What was done to the ledger itself: backups, restores, retention; who did it and when."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, inspect, select

from marketsync_dagster.ledger import tables as t
from marketsync_dagster.values.redact import scrub
from marketsync_dagster.values.times import to_iso, utcnow

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from marketsync_dagster.ledger.engine import Ledger

BACKUP, RESTORE, RETENTION = "backup", "restore", "retention"


@dataclass(frozen=True, slots=True)
class Upkeep:
    """One row of the table `upkeep`."""

    at: str
    kind: str
    by: str
    ok: bool
    details: dict[str, Any]
    """Of a backup: path, bytes, sha256, rows, tables, revision, seconds."""


def note(
    connection: Connection,
    kind: str,
    by: str,
    details: Mapping[str, Any],
    *,
    ok: bool = True,
    at: str = "",
) -> None:
    """Note what was done, in the caller's transaction; `at` is when, if not now."""
    text = scrub(json.dumps(dict(details), ensure_ascii=False))
    row = {"at": at or to_iso(utcnow()), "kind": kind, "by": by, "ok": ok, "details": text}
    connection.execute(insert(t.upkeep), row)


def note_if_possible(
    ledger: Ledger, kind: str, by: str, details: Mapping[str, Any], *, ok: bool = True
) -> None:
    """The same in a transaction of its own; a ledger of an older MarketSync has no such table."""
    with ledger.begin() as connection:
        if inspect(connection).has_table(t.upkeep.name):
            note(connection, kind, by, details, ok=ok)


def last(ledger: Ledger, kind: str) -> Upkeep | None:
    """The newest row of a kind that went well; None: it was never done."""
    query = (
        select(t.upkeep)
        .where(t.upkeep.c.kind == kind, t.upkeep.c.ok.is_(True))
        .order_by(t.upkeep.c.at.desc(), t.upkeep.c.id.desc())
        .limit(1)
    )
    with ledger.read() as connection:
        row = connection.execute(query).mappings().first()
    if row is None:
        return None
    return Upkeep(row["at"], row["kind"], row["by"], row["ok"], json.loads(row["details"]))
