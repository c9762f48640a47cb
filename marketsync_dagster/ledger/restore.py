"""Bringing a ledger back from a backup, into either engine, whole or not at all.

What was pushed after the backup was taken is not in it. So every listing becomes `unknown`, with
what was acknowledged kept as the guard's base, unless the caller knows that nothing ran since. What
was sent of orders is looked up (`ledger.restored`).
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow import compute
from sqlalchemy import func, inspect, select, text, update
from sqlalchemy.engine import URL

from marketsync_dagster.ledger import backup_file, leases, upkeep
from marketsync_dagster.ledger import tables as t
from marketsync_dagster.ledger.backup import backup, new_name
from marketsync_dagster.ledger.backup_file import LEFT_OUT, BackupFile, Said, rows_of
from marketsync_dagster.ledger.engine import (
    REVISIONS,
    VERSION_TABLE,
    Ledger,
    current_revision,
    run_by_itself,
    use_wal,
)
from marketsync_dagster.ledger.plans import OPEN_STATES
from marketsync_dagster.ledger.restored import doubt_orders, keep_numbers, numbers_given
from marketsync_dagster.ledger.sql import lock_key
from marketsync_dagster.ledger.upgrade import migrate
from marketsync_dagster.ledger.urls import VARIABLE, describe, parse_url
from marketsync_dagster.values.errors import Busy, LedgerError
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster.values.times import to_iso, utcnow

if TYPE_CHECKING:
    from sqlalchemy import Connection

WHOLE = "PRAGMA wal_checkpoint(TRUNCATE)"
"""Writes everything from the log into the file, which is whole by itself afterwards."""
BESIDE = ("-wal", "-shm", "-journal")
"""Files that belong to a SQLite database."""
_NOTHING_TO_LOSE = {*LEFT_OUT, t.upkeep.name}
_WORDS = "restored from the backup of {at}: what was pushed since is not known"
_EVENT = """
INSERT INTO listing_event (at, outlet, platform, sku, platform_id, price_minor, currency,
    stock_status, quantity, outcome, message, extract_id, line, push_id, batch)
SELECT :now, outlet, platform, sku, platform_id, price_minor, currency, stock_status, quantity,
    outcome, message, extract_id, line, '', 0
FROM listing
"""


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore came to; the keys of `ledger restore --json`."""

    backup: str
    at: str
    """The moment of the backup."""
    into: str
    revision_before: str
    revision: str
    rows: int
    tables: dict[str, int]
    unknown: int
    """Listings that are sent again because nobody knows what became of them."""
    looked_up: int
    """What of orders is looked up before it goes, for the same reason."""
    kept: str
    """Where the old ledger is, if there was one."""
    seconds: float


def restore(
    url: str,
    file: Path,
    *,
    by: str,
    backups: Path,
    replace: bool = False,
    moved: bool = False,
    tell: Said = lambda *_: None,
) -> Restored:
    """Bring `file` back into the database at `url`.

    The database must be empty, unless `replace`: then what it holds is backed up to `backups`
    first (a SQLite file that is damaged is moved aside instead), and Busy while somebody works
    with it. `moved`: nothing ran since the backup, every acknowledgement still holds. LedgerError
    where the backup is damaged or of a newer MarketSync; the database is then as it was.
    """
    began = time.monotonic()
    location = parse_url(url)
    with backup_file.opened(file) as source:
        _check_revision(source)
        source.verify()

        def into(ledger: Ledger, kept: str) -> Restored:
            place = describe(location)  # not that of the file beside it that is put in its place
            return _load(ledger, source, place, by, moved, kept, began, tell)

        if location.get_backend_name() == "sqlite":
            path = Path(str(location.database))
            _make_folder(path.parent)
            if path.exists() and not _is_sound(path):
                return _instead_of(location, path, replace, into)
        ledger = Ledger(location)
        try:
            if ledger.dialect == "sqlite":
                use_wal(ledger)
            kept = _make_way(ledger, replace, backups, by)
            done = into(ledger, kept)
            if ledger.dialect == "sqlite":
                run_by_itself(ledger, WHOLE)
            return done
        finally:
            ledger.close()


def _check_revision(source: BackupFile) -> None:
    said = source.manifest
    if said.revision not in REVISIONS:
        raise LedgerError(
            f"{source.path} was made by a newer MarketSync ({said.marketsync}, revision "
            f"{said.revision}; this one works with {REVISIONS[-1]})",
            f"install MarketSync {said.marketsync} or a later one here",
        )


def _make_folder(folder: Path) -> None:
    reason = ""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
    if reason:
        raise LedgerError(f"the folder {folder} of the ledger cannot be made: {reason}")


def _is_sound(path: Path) -> bool:
    """False if the SQLite file is certainly damaged; what cannot be told is left to the rest."""
    with closing(sqlite3.connect(path, timeout=30)) as connection:
        try:
            return connection.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",)
        except sqlite3.OperationalError as error:
            return "disk i/o" not in str(error).lower()
        except sqlite3.DatabaseError:
            return False


def _make_way(ledger: Ledger, replace: bool, backups: Path, by: str) -> str:
    """See that there is nothing to lose; returns where the old ledger is kept."""
    it = describe(ledger.location)
    revision = current_revision(ledger)
    with ledger.read() as connection:
        present = set(inspect(connection).get_table_names())
        ours = sorted(present & set(t.metadata.tables))
        if revision is None:
            foreign = sorted(present) if ledger.dialect == "sqlite" else ours
            if foreign:
                raise LedgerError(
                    f"{it} holds other tables ({', '.join(foreign[:3])})",
                    f"point {VARIABLE} at an empty database",
                )
            return ""
        worth = [t.metadata.tables[name] for name in ours if name not in _NOTHING_TO_LOSE]
        one = [select(text("1")).select_from(table).limit(1) for table in worth]
        filled = any(connection.execute(query).first() for query in one)
        busy = leases.alive(connection) if t.lease.name in ours else []
    if not filled:
        return ""
    if not replace:
        raise LedgerError(
            f"{it} is not empty", "add --replace: it is backed up first, then replaced"
        )
    _refuse_if_busy(it, busy)
    if revision not in REVISIONS:
        raise LedgerError(
            f"{it} was made by a newer MarketSync (revision {revision}): this one cannot back it "
            "up, and does not throw it away",
            f"move it away, or point {VARIABLE} at an empty database",
        )
    return backup(ledger, backups / new_name(), by=by).path


def _refuse_if_busy(it: str, busy: Sequence[leases.Lease]) -> None:
    if busy:
        one = busy[0]
        raise Busy(
            f"somebody works with {it}: {one.name} is held by {one.holder} until {one.expires_at}",
            "end the daemon and running commands first",
        )


def _instead_of(
    location: URL, path: Path, replace: bool, into: Callable[[Ledger, str], Restored]
) -> Restored:
    """Build the ledger beside a damaged file, then let the two change places."""
    if not replace:
        raise LedgerError(
            f"{describe(location)} is damaged, or is none",
            "add --replace: it is moved aside first, then replaced",
        )
    stamp = f"{utcnow():%Y%m%d-%H%M%S}"
    fresh, kept = (path.with_name(f"{path.name}.{word}-{stamp}") for word in ("new", "damaged"))
    ledger = Ledger(location.set(database=str(fresh)))
    try:
        try:
            use_wal(ledger)
            done = into(ledger, str(kept))
            run_by_itself(ledger, WHOLE)
        finally:
            ledger.close()
        for beside in ("", *BESIDE):
            old = path.with_name(path.name + beside)
            if old.exists():
                old.replace(kept.with_name(kept.name + beside))
        fresh.replace(path)
    finally:
        for beside in ("", *BESIDE):
            fresh.with_name(fresh.name + beside).unlink(missing_ok=True)
    return done


def _load(
    ledger: Ledger,
    source: BackupFile,
    place: str,
    by: str,
    moved: bool,
    kept: str,
    began: float,
    tell: Said,
) -> Restored:
    """Replace all tables by those of the backup, in one transaction."""
    said = source.manifest
    with ledger.begin() as connection:
        lock_key(connection, "marketsync schema")
        present = set(inspect(connection).get_table_names())
        if t.lease.name in present:
            _refuse_if_busy(place, leases.alive(connection))
        given = numbers_given(connection) if t.cursor.name in present else {}
        for name in (*sorted(present & set(t.metadata.tables)), VERSION_TABLE):
            connection.execute(text(f'DROP TABLE IF EXISTS "{name}"'))
        migrate(connection, said.revision)
        _check_tables(source, set(inspect(connection).get_table_names()))
        for name in said.tables:
            _fill(connection, source, name, tell)
        migrate(connection)
        _set_counters(connection)
        unknown = 0 if moved else _forget_what_is_not_known(connection, said.at)
        doubted = 0 if moved else doubt_orders(connection, said.at, to_iso(utcnow()))
        keep_numbers(connection, given)
        done = Restored(
            backup=str(source.path.absolute()),
            at=said.at,
            into=place,
            revision_before=said.revision,
            revision=REVISIONS[-1],
            rows=said.rows,
            tables={name: entry.rows for name, entry in said.tables.items()},
            unknown=unknown,
            looked_up=doubted,
            kept=kept,
            seconds=round(time.monotonic() - began, 3),
        )
        # a backup does not know of itself, and this one was made
        made = {"path": done.backup, "at": said.at, "rows": said.rows, "tables": done.tables}
        upkeep.note(connection, upkeep.BACKUP, by, made, at=said.at)
        upkeep.note(connection, upkeep.RESTORE, by, asdict(done) | {"moved": moved})
    return done


def _check_tables(source: BackupFile, present: set[str]) -> None:
    expected = present & set(t.metadata.tables) - LEFT_OUT
    if odd := sorted(expected ^ set(source.manifest.tables)):
        raise LedgerError(
            f"{source.path} has not the tables of revision {source.manifest.revision}: "
            f"{', '.join(odd)}",
            "take another backup",
        )


def _fill(connection: Connection, source: BackupFile, name: str, tell: Said) -> None:
    columns = {c["name"] for c in inspect(connection).get_columns(name)}
    there = source.columns(name)
    if columns != set(there):
        odd = ", ".join(sorted(columns ^ set(there)))
        raise LedgerError(
            f"{source.path}: {name}.parquet has other columns than revision "
            f"{source.manifest.revision} ({odd})",
            "take another backup",
        )
    done = 0
    for chunk in source.chunks(name):
        _insert(connection, name, there, chunk)
        done += len(chunk)
        tell(name, done)


def _insert(connection: Connection, name: str, columns: Sequence[str], chunk: pa.Table) -> None:
    named = ", ".join(f'"{column}"' for column in columns)
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" for _ in columns)
        rows = rows_of(chunk, columns)
        connection.exec_driver_sql(f'INSERT INTO "{name}" ({named}) VALUES ({marks})', rows)  # noqa: S608
        return
    rows = rows_of(_without_nul(chunk), columns)
    raw: Any = connection.connection.driver_connection
    with raw.cursor() as cursor, cursor.copy(f'COPY "{name}" ({named}) FROM STDIN') as copy:
        for row in rows:
            copy.write_row(row)


def _without_nul(chunk: pa.Table) -> pa.Table:
    """PostgreSQL takes no NUL in a text, SQLite does."""
    replace: Any = getattr(compute, "replace_substring")  # noqa: B009 - made at run time
    for at, field in enumerate(chunk.schema):
        if pa.types.is_string(field.type):
            column = replace(chunk.column(at), "\0", "\N{REPLACEMENT CHARACTER}")
            chunk = chunk.set_column(at, field, column)
    return chunk


def _set_counters(connection: Connection) -> None:
    """The next id of each numbered table comes after those that were restored."""
    if connection.dialect.name != "postgresql":
        return  # SQLite takes the next one by itself
    for table in t.metadata.tables.values():
        column = table.autoincrement_column
        if column is None:
            continue
        sequence = func.pg_get_serial_sequence(table.name, column.name)
        newest = select(func.coalesce(func.max(column), 0) + 1).scalar_subquery()
        connection.execute(select(func.setval(sequence, newest, False)))


def _forget_what_is_not_known(connection: Connection, at: str) -> int:
    """Every listing `unknown`, every decision that was still open `stale`; returns the listings.

    What was acknowledged stays: the guard compares with it.
    """
    now = to_iso(utcnow())
    changed = connection.execute(
        update(t.listing).values(
            outcome=Outcome.UNKNOWN.value,
            message=_WORDS.format(at=at),
            version=t.listing.c.version + 1,
            updated_at=now,
        )
    ).rowcount
    connection.execute(text(_EVENT), {"now": now})
    connection.execute(update(t.plan).where(t.plan.c.state.in_(OPEN_STATES)).values(state="stale"))
    settled = t.cursor.c.name.startswith("settled:", autoescape=True)
    connection.execute(t.cursor.delete().where(settled))
    return int(changed)
