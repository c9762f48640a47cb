"""Opening the ledger, and the two ways to use it: `begin()` to write, `read()` to look.

Everything that the two engines do differently is here and in `ledger.sql`: locking, pragmas,
time. Loading this module loads SQLAlchemy and nothing heavier; Alembic comes only when tables have
to be made.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.exc import DBAPIError

from marketsync_dagster.ledger.faults import fault_of, translated
from marketsync_dagster.ledger.urls import describe, ledger_url, parse_url
from marketsync_dagster.values.errors import LedgerError

__all__ = ["Ledger", "ledger_url", "open_ledger"]

VERSION_TABLE = "marketsync_version"
"""Not Alembic's own name: a PostgreSQL database may be shared with Dagster, which uses that."""
REVISIONS = ("0001", "0002", "0003", "0004", "0005")
"""Every revision of the schema, oldest first; the last is the one this code works with."""
UPGRADE = "marketsync ledger upgrade"
LOCK_WAIT_S = 30


PRAGMAS = (
    "foreign_keys=ON",
    "synchronous=FULL",
    "journal_size_limit=67108864",
    # a push touches every page of a channel's listings, in any order: keep them, and write them
    # back in few large steps instead of many small ones
    "cache_size=-65536",
    "wal_autocheckpoint=4000",
    "temp_store=MEMORY",
    # what is deleted or changed is written over where that costs no page more: orders have
    # personal data, see ledger.erasing
    "secure_delete=FAST",
)


class Ledger:
    """An open ledger, for any number of threads; a process opens its own.

    `url` holds the password, if there is one: it is for opening, not for showing.
    """

    def __init__(self, url: URL) -> None:
        self.location = url
        self.url = url.render_as_string(hide_password=False)
        self.dialect = url.get_backend_name()
        self.engine = _sqlite_engine(url) if self.dialect == "sqlite" else _postgres_engine(url)
        if self.dialect == "sqlite":
            self._reader = self.engine.execution_options(ledger_mode="read")
        else:
            self._reader = self.engine.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        self._writer = self.engine.execution_options(ledger_mode="write")
        self._gate = threading.Lock()
        self._thread = threading.local()
        self._file: tuple[int, int] | None = None
        _forget_in_children(self)

    def __repr__(self) -> str:
        return f"<Ledger: {describe(self.location)}>"

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A write transaction: committed at the end, rolled back by any exception.

        On SQLite the write lock is taken at once (BEGIN IMMEDIATE), so what is read inside stays
        true. On PostgreSQL writers run side by side: use `sql.lock_key` where a decision rests
        on what was read. Not to be nested in one thread (RuntimeError). LedgerError where the
        database is gone, full or locked for 30 s, or another file lies in its place.
        """
        if getattr(self._thread, "writing", False):
            raise RuntimeError("Ledger.begin() inside Ledger.begin(): pass the connection on")
        self._check_file()
        with translated(self.location), self._turn(), self._writer.begin() as conn:
            self._thread.writing = True
            try:
                yield conn
            finally:
                self._thread.writing = False
        self._check_file()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent snapshot to read from; a write inside it is refused by the database."""
        with translated(self.location), self._reader.connect() as conn:
            yield conn

    def close(self) -> None:
        """Close every idle connection. The ledger may be used again; it then opens new ones."""
        self.engine.dispose()
        self._file = None

    def _check_file(self) -> None:
        """What is written to a file that was removed or replaced is lost, without any error."""
        if self.dialect != "sqlite":
            return
        try:
            status = os.stat(str(self.location.database))  # noqa: PTH116 - for every transaction
            there = (status.st_dev, status.st_ino)
        except FileNotFoundError:
            there = None
        if self._file is None:
            self._file = there
        elif there != self._file:
            what = "removed" if there is None else "replaced by another file"
            raise LedgerError(
                f"{describe(self.location)} was {what} while it was in use: what this run wrote "
                "last is lost",
                "put the right file in its place if there is one (marketsync ledger restore FILE), "
                "then run again",
            )

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Threads of one process queue here for SQLite's one write lock instead of polling it."""
        if self.dialect != "sqlite":
            yield
            return
        gate = self._gate
        if not gate.acquire(timeout=LOCK_WAIT_S):
            raise sqlite3.OperationalError("database is locked")
        try:
            yield
        finally:
            gate.release()

    def _after_fork(self) -> None:
        self.engine.dispose(close=False)  # the parent still uses those connections
        self._gate = threading.Lock()
        self._thread = threading.local()


def open_ledger(url: str) -> Ledger:
    """Open the ledger at `url` and make an empty database ready; costs one SELECT otherwise.

    LedgerError with a next step if the URL, the server, the folder or the file is not usable, or
    if the tables are of an older or newer MarketSync.
    """
    location = parse_url(url)
    if location.get_backend_name() == "sqlite":
        _make_folder(location)
    ledger = Ledger(location)
    try:
        revision = current_revision(ledger)
        if revision is None:
            from marketsync_dagster.ledger.upgrade import create_tables

            create_tables(ledger)
        else:
            _check_revision(revision, location)
        if ledger.dialect == "sqlite":
            use_wal(ledger)
    except BaseException:
        ledger.close()
        raise
    return ledger


def existing_ledger(url: str) -> Ledger:
    """The ledger at `url` as it is, of whatever revision; nothing is made.

    LedgerError where there is none.
    """
    location = parse_url(url)
    there = location.get_backend_name() != "sqlite" or Path(str(location.database)).exists()
    ledger = Ledger(location)
    try:
        if there and current_revision(ledger) is not None:
            return ledger
    except BaseException:
        ledger.close()
        raise
    ledger.close()
    raise LedgerError(
        f"{describe(location)} does not exist, or has no tables",
        "marketsync ledger restore FILE, or: marketsync run full_sync --all",
    )


def current_revision(ledger: Ledger) -> str | None:
    """The revision of the ledger's tables; None in a database without them."""
    try:
        with ledger.engine.connect() as conn:
            return conn.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608
    except DBAPIError as error:
        if _is_missing_table(error.orig):
            return None
        fault = fault_of(error, ledger.location) or LedgerError(
            f"{describe(ledger.location)} cannot be opened: {type(error.orig).__name__}",
            "check the database",
        )
    raise fault  # out here, so that the driver's exception is not kept as its context


def use_wal(ledger: Ledger) -> None:
    """Write-ahead logging: readers and one writer do not wait for each other. Kept in the file.

    SQLite does not wait for others when the mode changes: two processes that open a new file
    together need this loop.
    """
    with translated(ledger.location):
        raw = ledger.engine.raw_connection()
        try:
            deadline = time.monotonic() + LOCK_WAIT_S
            while True:
                try:
                    raw.cursor().execute("PRAGMA journal_mode=WAL").fetchone()
                    return
                except sqlite3.OperationalError as error:
                    if "locked" not in str(error) or time.monotonic() > deadline:
                        raise
                time.sleep(0.01)
        finally:
            raw.close()


def run_by_itself(ledger: Ledger, *statements: str) -> None:
    """Run SQLite statements that go in no transaction, such as VACUUM."""
    with translated(ledger.location):
        raw = ledger.engine.raw_connection()
        try:
            for statement in ("PRAGMA query_only=0", *statements):
                raw.cursor().execute(statement)
        finally:
            raw.close()


def _check_revision(revision: str, location: URL) -> None:
    if revision == REVISIONS[-1]:
        return
    if revision in REVISIONS:
        raise LedgerError(
            f"{describe(location)} was made by an older MarketSync (revision {revision}, this one "
            f"works with {REVISIONS[-1]})",
            f"run `marketsync ledger backup`, then `{UPGRADE}`",
        )
    raise LedgerError(
        f"{describe(location)} was made by a newer MarketSync (revision {revision}, this one "
        f"works with {REVISIONS[-1]})",
        f"install that MarketSync here; `{UPGRADE}` cannot go back",
    )


def _is_missing_table(original: object) -> bool:
    if isinstance(original, sqlite3.OperationalError):
        return "no such table" in str(original)
    return getattr(original, "sqlstate", None) == "42P01"


def _make_folder(location: URL) -> None:
    folder = Path(str(location.database)).absolute().parent
    reason = ""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
    if reason:
        raise LedgerError(
            f"the folder {folder} of the ledger cannot be made: {reason}",
            "set MARKETSYNC_HOME or MARKETSYNC_DATABASE_URL to a place where you may write",
        )


def _sqlite_engine(url: URL) -> Engine:
    engine = create_engine(
        url,
        hide_parameters=True,
        pool_size=8,
        max_overflow=-1,
        connect_args={"timeout": LOCK_WAIT_S, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
        # The driver would begin transactions by itself, too late and never IMMEDIATE.
        connection.isolation_level = None
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(conn: Connection) -> None:
        mode = conn.get_execution_options().get("ledger_mode")
        conn.exec_driver_sql(f"PRAGMA query_only={int(mode == 'read')}")
        conn.exec_driver_sql("BEGIN IMMEDIATE" if mode == "write" else "BEGIN")

    return engine


def _postgres_engine(url: URL) -> Engine:
    arguments: dict[str, Any] = {"application_name": "marketsync"}
    if "connect_timeout" not in url.query:
        arguments["connect_timeout"] = 10
    if "options" not in url.query:
        arguments["options"] = f"-c lock_timeout={LOCK_WAIT_S}s"
    return create_engine(
        url,
        hide_parameters=True,
        pool_size=4,
        max_overflow=12,
        pool_pre_ping=True,
        connect_args=arguments,
    )


def _forget_in_children(ledger: Ledger) -> None:
    """A forked child must not talk through its parent's connections."""
    if not hasattr(os, "register_at_fork"):
        return
    reference = weakref.ref(ledger)

    def forget() -> None:
        alive = reference()
        if alive is not None:
            alive._after_fork()

    os.register_at_fork(after_in_child=forget)
