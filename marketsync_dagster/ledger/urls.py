"""Where the ledger lies: reading, checking and naming its URL without showing its password.

Connecting is `ledger.engine`; what a database says when it fails is `ledger.faults`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from marketsync_dagster.values.errors import LedgerError
from marketsync_dagster.values.redact import register_secret

if TYPE_CHECKING:
    from marketsync_dagster.config.settings import Settings

VARIABLE = "MARKETSYNC_DATABASE_URL"
FORMS = "sqlite:////folder/ledger.db or postgresql://user:password@host:5432/database"

_DRIVERS = {
    "sqlite": "sqlite",
    "sqlite+pysqlite": "sqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}


def ledger_url(settings: Settings) -> str:
    """The URL of the project's ledger: MARKETSYNC_DATABASE_URL, else `ledger.db` in its home.

    A relative path of a SQLite file starts at the folder of marketsync.yaml, so that a daemon and
    a command line that run in different folders mean the same file.
    """
    given = os.environ.get(VARIABLE, "").strip()
    if given:
        url = _parsed(given)
        path = url.database if url is not None and url.get_backend_name() == "sqlite" else None
        if not path or path == ":memory:" or path.startswith("file:") or Path(path).is_absolute():
            return given
        database = str(settings.root.absolute() / path)
    else:
        database = str(settings.home.absolute() / "ledger.db")
    return URL.create("sqlite", database=database).render_as_string(hide_password=False)


def is_postgres() -> bool:
    """Whether MARKETSYNC_DATABASE_URL names a PostgreSQL database, well formed or not."""
    return os.environ.get(VARIABLE, "").strip().lower().startswith("postgres")


def parse_url(text: str) -> URL:
    """A URL that `create_engine` takes, with the driver made plain and its secrets registered.

    LedgerError for anything else; no part of the text is repeated, it may hold a password.
    """
    text = text.strip()
    url = _parsed(text)
    if url is None:
        raise LedgerError("the database URL cannot be read", f"set {VARIABLE} to {FORMS}")
    if url.password:
        register_secret(str(url.password))
    for name in ("password", "sslpassword"):
        for value in _query(url, name):
            register_secret(value)
    if re.split(r"[?]", text, maxsplit=1)[0].count("@") > 1 and url.drivername != "sqlite":
        raise LedgerError(
            "the database URL has more than one @",
            "write @ : / ? # % in a user or password as %40 %3A %2F %3F %23 %25",
        )
    driver = _DRIVERS.get(url.drivername)
    if driver is None:
        kind = url.drivername if re.fullmatch(r"[a-z0-9+_]{1,30}", url.drivername) else "this"
        raise LedgerError(
            f"the ledger cannot be kept in a {kind} database", f"set {VARIABLE} to {FORMS}"
        )
    if driver == "sqlite" and url.database in (None, "", ":memory:"):
        raise LedgerError(
            "the ledger needs a file, a database in memory would forget everything",
            f"set {VARIABLE} to sqlite:////folder/ledger.db",
        )
    if driver == "sqlite" and str(url.database).startswith("file:"):
        raise LedgerError(
            "the ledger takes a path, not a SQLite file: URI",
            f"set {VARIABLE} to sqlite:////folder/ledger.db",
        )
    return url.set(drivername=driver)


def _parsed(text: str) -> URL | None:
    try:
        return make_url(text)
    except (ArgumentError, ValueError):
        return None


def _query(url: URL, name: str) -> tuple[str, ...]:
    value = url.query.get(name, ())
    return (value,) if isinstance(value, str) else tuple(value)


def describe(url: URL) -> str:
    """The database as people may see it: no user, no password, no options."""
    if url.get_backend_name() == "sqlite":
        return f"the ledger {url.database}"
    host = url.host or ", ".join(_query(url, "host")) or "this machine"
    port = f":{url.port}" if url.port else ""
    return f"the PostgreSQL database {url.database or '(default)'} at {host}{port}"
