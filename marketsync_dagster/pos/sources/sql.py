"""A till's database: one SELECT that reads, kept as JSON lines.

The transaction is read-only where the database knows such, is always rolled back, and ends after a
time. Values go out as the database has them: numeric to its last digit, nothing rounded.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.pool import NullPool

from marketsync_dagster.pos.files import keep
from marketsync_dagster.pos.reasons import refuse
from marketsync_dagster.pos.sources.base import Arrival, pulled, words_of
from marketsync_dagster.pos.sources.lines import line_of, sorted_lines
from marketsync_dagster.values.errors import ConfigError, ExtractError
from marketsync_dagster.values.redact import register_secret

_PACKAGES = {"MySQLdb": "mysqlclient", "pymysql": "PyMySQL"}
"""Modules whose packages are called otherwise."""
_NO_DATABASE = ("file is not a database", "disk image is malformed")
_ROWS = 5_000
_CONNECT_S = 10
_CHECK_EVERY = 100_000
"""Steps of SQLite's machine between two looks at the clock."""
_NO_CODE = re.compile(
    r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`|\[[^\]]*\]|\$(\w*)\$.*?\$\1\$|--[^\n]*|/\*.*?\*/",
    re.DOTALL,
)
"""Texts, quoted names and comments: words in them do nothing."""
_WRITES = re.compile(
    r"\b(?:insert|update|delete|merge|into|drop|alter|create|truncate\s+table|grant|revoke|exec|execute"
    r"|call|attach|pragma|copy|vacuum|lock)\b",
    re.IGNORECASE,
)


class SqlSource:
    """The rows of one query, as JSON lines."""

    watched = False

    def __init__(self, url: str, query: str, *, shown: str, timeout_s: float) -> None:
        """ConfigError for a URL that is none, a driver that is not installed, or a query that is
        not one SELECT; nothing is connected before it is fetched."""
        self.shown = shown
        self.timeout_s = timeout_s
        self.query = one_select(query, shown)
        self._engine = _engine_of(url, shown, timeout_s)

    def look(self) -> list[Arrival]:
        """One arrival, always new: what the query gives is not known before it is asked."""
        return [pulled()]

    def is_settled(self, arrival: Arrival, before: Arrival | None, now: float) -> bool:
        """Always: what one transaction sees is whole."""
        return True

    def fetch(self, arrival: Arrival, archive: Path) -> str:
        """Ask the query and keep its rows under their hash.

        Raises ExtractError: unavailable (cannot be reached, took too long), bad_query,
        duplicate_header, nested_column, unreadable, undecodable, too_large.
        """
        return keep(sorted_lines(self._lines(), self.shown), archive)

    def _lines(self) -> Iterator[bytes]:
        deadline = time.monotonic() + self.timeout_s
        with self._reading(deadline) as connection:
            try:
                rows = connection.exec_driver_sql(self.query)
                names = list(rows.keys())
                self._check_names(names)
                for part in rows.partitions(_ROWS):
                    for row in part:
                        yield line_of(dict(zip(names, row, strict=True)), self.shown)
                    self._check_time(deadline)
            except exc.SQLAlchemyError as error:
                self._check_time(deadline)
                raise self._refused(error) from None

    @contextmanager
    def _reading(self, deadline: float) -> Iterator[sa.Connection]:
        """A connection in a transaction that can only read, and that is rolled back."""
        try:
            connection = self._engine.connect()
        except exc.SQLAlchemyError as error:
            message = f"{self.shown} cannot be reached: {_words(error)}"
            raise refuse("unavailable", message) from None
        with closing(connection):
            try:
                _read_only(connection, deadline, self.timeout_s)
            except exc.SQLAlchemyError as error:
                raise self._refused(error) from None
            try:
                yield connection.execution_options(
                    stream_results=True, max_row_buffer=_ROWS, no_parameters=True
                )
            finally:
                connection.rollback()

    def _check_names(self, names: list[str]) -> None:
        for index, name in enumerate(names):
            if not name.strip():
                raise refuse("bad_query", f"{self.shown}: column {index + 1} has no name")
            if name in names[:index]:
                message = f"{self.shown}: two columns of the query are called {name}"
                raise refuse("duplicate_header", message)

    def _check_time(self, deadline: float) -> None:
        if time.monotonic() > deadline:
            message = f"{self.shown}: the query took more than {self.timeout_s:g} s"
            raise refuse("unavailable", message)

    def _refused(self, error: exc.SQLAlchemyError) -> ExtractError:
        words = _words(error)
        if any(one in words for one in _NO_DATABASE):
            message = f"{self.shown}: the file in its `url` is damaged, or no database of SQLite"
            step = "Correct `url`, or copy the till's database again while nobody writes to it."
            return ExtractError("unreadable", message, step)
        late = "timeout" in words or "canceling statement" in words
        lost = isinstance(error, exc.DBAPIError) and error.connection_invalidated
        code = "unavailable" if late or lost else "bad_query"
        return refuse(code, f"{self.shown}: the query failed: {words}")


def _words(error: exc.SQLAlchemyError) -> str:
    return words_of(getattr(error, "orig", None) or error)


def one_select(query: str, shown: str) -> str:
    """The query without a semicolon at its end; ConfigError unless it is one that reads."""
    query = query.strip().rstrip(";").rstrip()
    code = _NO_CODE.sub(" ", query)
    step = "one SELECT, such as: select code as sku, price from products"
    if not re.match(r"\s*(?:select|with)\b", code, re.IGNORECASE):
        raise ConfigError(f"the query of {shown} is no SELECT", step)
    if ";" in code:
        raise ConfigError(f"the query of {shown} is more than one statement", step)
    if found := _WRITES.search(code):
        raise ConfigError(f"the query of {shown} says {found[0].upper()}: it may only read", step)
    return query


def _engine_of(url: str, shown: str, timeout_s: float) -> sa.Engine:
    try:
        address = sa.make_url(url)
    except (exc.ArgumentError, ValueError):
        raise ConfigError(
            f"the url of {shown} is no address of a database", "postgresql://user@host/name"
        ) from None
    if address.password:
        register_secret(str(address.password))
    name = address.get_backend_name()
    options: dict[str, Any] = {"poolclass": NullPool}
    if name == "postgresql" and address.drivername == "postgresql":
        address = address.set(drivername="postgresql+psycopg")
    if name == "postgresql":
        options["connect_args"] = {"connect_timeout": _CONNECT_S}
    if name == "sqlite":
        options["creator"] = _sqlite(address.database or "", timeout_s)
    try:
        return sa.create_engine(address, **options)
    except ModuleNotFoundError as error:
        package = _PACKAGES.get(error.name or "", error.name)
        step = f"where MarketSync runs: pip install {package}"
        if package == "mysqlclient":
            step += ", or pip install PyMySQL and begin the address with mysql+pymysql://"
        raise ConfigError(
            f"{shown} needs the package {package}, which is not installed", step
        ) from None
    except exc.ArgumentError as error:
        raise ConfigError(
            f"{shown}: {words_of(error)}",
            "name a database and a driver that is installed, such as postgresql://user@host/name",
        ) from None


def _sqlite(file: str, timeout_s: float) -> Any:
    def connect() -> sqlite3.Connection:
        # never made by looking, never written to
        address = f"{Path(file).absolute().as_uri()}?mode=ro"
        found = sqlite3.connect(address, uri=True, timeout=min(timeout_s, _CONNECT_S))
        found.isolation_level = None
        return found

    return connect


def _read_only(connection: sa.Connection, deadline: float, timeout_s: float) -> None:
    name = connection.dialect.name
    if name == "sqlite":
        raw = connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        raw.set_progress_handler(lambda: int(time.monotonic() > deadline), _CHECK_EVERY)
        connection.exec_driver_sql("PRAGMA query_only = on")
        connection.exec_driver_sql("BEGIN")
    elif name == "postgresql":
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        milliseconds = max(1, int(timeout_s * 1000))
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {milliseconds}")
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {milliseconds}")
        # the same moment is the same text, whatever the role's zone is
        connection.exec_driver_sql("SET LOCAL timezone = 'UTC'")
    elif name in ("mysql", "mariadb"):
        connection.exec_driver_sql("START TRANSACTION READ ONLY")
