"""What a database says when it fails, in words that a user can act on.

Only conditions that a user can cause or mend are translated; a mistake in our own SQL stays the
exception that it is. No statement, parameter or URL gets into a message.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from marketsync_dagster.ledger.urls import VARIABLE, describe
from marketsync_dagster.values.errors import LedgerError
from marketsync_dagster.values.redact import scrub

# part of SQLite's message -> (what happened to {it}, next step)
_SQLITE = {
    "file is not a database": (
        "{it} is not a SQLite database",
        f"move the file away, or point {VARIABLE} elsewhere",
    ),
    "unable to open database": (
        "{it} cannot be opened or created",
        "check that its folder exists and that you may write in it",
    ),
    "readonly database": ("{it} cannot be written", "check who owns the file and its folder"),
    "is locked": (
        "{it} is being written by another process and stayed locked for 30 s",
        "wait for that process to end, or stop it",
    ),
    "disk is full": ("{it} cannot grow, the disk is full", "free some space and run again"),
    "malformed": (
        "{it} is damaged",
        "marketsync ledger restore FILE --replace, with the newest backup",
    ),
    "disk i/o error": ("{it} cannot be read or written, the disk fails", "check the disk"),
}

# start of PostgreSQL's SQLSTATE -> (what happened to {it}, next step)
_POSTGRES = {
    "08": ("the connection to {it} broke", "check the server and run again"),
    "25006": ("{it} takes no writes now", "check whether the server is a standby"),
    "28": ("{it} does not take these credentials", f"correct {VARIABLE}"),
    "3D000": ("{it} does not exist", f"create the database, or correct {VARIABLE}"),
    "42501": (
        "{it} does not permit this",
        "grant the user the right to create and change tables in its schema",
    ),
    "40P01": ("{it} found two writers waiting for each other", "run again"),
    "53100": ("{it} cannot grow, the disk is full", "free some space and run again"),
    "53": ("{it} has no connection or memory left", "raise the server's limits"),
    "55P03": (
        "{it} is being written by another process and stayed locked for 30 s",
        "wait for that process to end, or stop it",
    ),
    "57P": ("{it} was shut down in mid-work", "start the server and run again"),
}


@contextmanager
def translated(url: URL) -> Iterator[None]:
    """Raise what a user can act on as LedgerError, everything else as it came."""
    fault: LedgerError | None = None
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        fault = fault_of(error, url)
        if fault is None:
            raise
    if fault is not None:  # out here, so that the driver's exception is not kept as its context
        raise fault


def fault_of(error: Exception, url: URL) -> LedgerError | None:
    """The LedgerError that stands for `error`; None if it is not of a kind that users can mend."""
    it = describe(url)
    if isinstance(error, PoolTimeout):
        return LedgerError(
            f"{it}: every connection of this process was busy for 30 s",
            "lower the concurrency of the accounts",
        )
    original = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(original, sqlite3.Error):
        text = str(original).lower()
        for part, (what, step) in _SQLITE.items():
            if part in text:
                return LedgerError(scrub(what.format(it=it)), step)
        return None
    if url.get_backend_name() != "postgresql" or not isinstance(error, DBAPIError):
        return None
    state = getattr(original, "sqlstate", None)
    if state is None:
        return _unreachable(str(original), it) if _is_operational(original) else None
    for start, (what, step) in _POSTGRES.items():
        if state.startswith(start):
            return LedgerError(scrub(what.format(it=it)), step)
    return None


def _is_operational(original: object) -> bool:
    return any(kind.__name__ == "OperationalError" for kind in type(original).__mro__)


def _unreachable(text: str, it: str) -> LedgerError:
    """psycopg gives no SQLSTATE when a connection is not made or breaks: only words."""
    reason = next(iter(text.rsplit(" failed: ", 1)[-1].strip().splitlines()), "")
    reason = reason.removeprefix("FATAL:").strip()
    step = f"start the server, or correct {VARIABLE}"
    if "password" in reason or "authentication" in reason or "role " in reason:
        step = f"correct the user and password in {VARIABLE}"
    elif "does not exist" in reason:
        step = f"create the database, or correct {VARIABLE}"
    return LedgerError(scrub(f"{it} cannot be reached: {reason}"), step)
