"""Dagster's event log on SQLite, with connections that are kept.

Dagster 1.13 makes a new engine for every event: a file opened, all SQL compiled anew, a sync to
the disk. A run over many outlets spends more time there than in its work. What is stored, and
where, is Dagster's own.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from dagster import Field, StringSource
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, create_engine, event

BUSY_S = 60
RUNS = 8
"""Runs whose files are kept open; the daemon and the UI look at many."""


class KeptSqliteEventLogStorage(SqliteEventLogStorage):
    """One engine per file for as long as the process lives.

    `_connect` is Dagster's private place for this; a test notices if an upgrade moves it.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: dict[str, Engine] = {}
        super().__init__(base_dir, inst_data)

    @classmethod
    def config_type(cls) -> Any:
        return {"base_dir": Field(StringSource, is_required=False)}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> Self:
        default = Path(os.environ["DAGSTER_HOME"], "history", "runs")  # as without this class
        return cls(str(config_value.get("base_dir", default)), inst_data)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            engine = self._engines.pop(shard, None) or _engine(self.conn_string_for_shard(shard))
            self._engines[shard] = engine  # the one used last stands last
            if len(self._engines) > RUNS:
                self._engines.pop(next(iter(self._engines))).dispose()
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.connect() as connection, connection.begin():
                yield connection

    def delete_events(self, run_id: str) -> None:
        """Forget a run; Dagster itself leaves its file, empty, where it is."""
        super().delete_events(run_id)
        with self._db_lock:
            engine = self._engines.pop(run_id, None)
            if engine is not None:
                engine.dispose()
            self._initialized_dbs.discard(run_id)
        file = Path(self.path_for_shard(run_id))
        for beside in ("", "-wal", "-shm"):
            file.with_name(file.name + beside).unlink(missing_ok=True)

    def dispose(self) -> None:
        for engine in self._engines.values():
            engine.dispose()
        self._engines.clear()
        super().dispose()


def _engine(url: str) -> Engine:
    engine = create_engine(url, connect_args={"timeout": BUSY_S, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
        # with WAL a crash loses nothing, a power failure the last events; the ledger loses none
        connection.execute("PRAGMA synchronous=NORMAL")

    return engine
