"""Dagster's own storage in the database of the ledger, by the same variable.

MARKETSYNC_DATABASE_URL is the only place where the address and the password are said: nothing of
them is in dagster.yaml, in the arguments of a process or in what Dagster keeps. What is stored is
Dagster's own; its tables and the ledger's do not share a name.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Self

from dagster._core.storage.base_storage import DagsterStorage
from dagster._core.storage.event_log import EventLogStorage
from dagster._core.storage.runs import RunStorage
from dagster._core.storage.schedules import ScheduleStorage
from dagster._serdes import ConfigurableClass, ConfigurableClassData
from dagster_postgres import (
    PostgresEventLogStorage,
    PostgresRunStorage,
    PostgresScheduleStorage,
)
from sqlalchemy import create_engine
from sqlalchemy.engine import URL

from marketsync_dagster.ledger.urls import FORMS, VARIABLE, parse_url
from marketsync_dagster.values.errors import LedgerError

DRIVER = "postgresql+psycopg2"
"""The driver that dagster-postgres brings; plain `postgresql` would be the ledger's, psycopg 3."""
EVENTS_AT_ONCE = "500"
"""Materializations of many outlets are stored together, as far as Dagster offers them together."""
RECYCLE_S = 3600


class LedgerPostgresStorage(DagsterStorage, ConfigurableClass):
    """Runs, events and schedules in PostgreSQL, over connections that are kept.

    Dagster makes a new connection for every event, which costs more than the event. `_engine` is
    its private place for them; a test notices if an upgrade moves it.
    """

    def __init__(self, url: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._inst_data = inst_data
        self._runs = PostgresRunStorage(url)
        self._events = _EventLog(url)
        self._schedules = PostgresScheduleStorage(url)
        engine = create_engine(
            url,
            isolation_level="AUTOCOMMIT",
            pool_size=2,
            max_overflow=20,
            pool_pre_ping=True,
            pool_recycle=RECYCLE_S,
        )
        for storage in (self._runs, self._events, self._schedules):
            storage._engine.dispose()
            storage._engine = engine
        super().__init__()

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        return self._inst_data

    @classmethod
    def config_type(cls) -> Any:
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> Self:
        os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", EVENTS_AT_ONCE)
        return cls(storage_url().render_as_string(hide_password=False), inst_data)

    @property
    def run_storage(self) -> RunStorage:
        return self._runs

    @property
    def event_log_storage(self) -> EventLogStorage:
        return self._events

    @property
    def schedule_storage(self) -> ScheduleStorage:
        return self._schedules


class _EventLog(PostgresEventLogStorage):
    """Closes the connections of all three storages with the instance: it asks this one to."""

    def dispose(self) -> None:
        super().dispose()
        self._engine.dispose()


def storage_url() -> URL:
    """Where Dagster's storage is: the ledger's database, by Dagster's driver.

    LedgerError if MARKETSYNC_DATABASE_URL does not name a PostgreSQL database.
    """
    said = os.environ.get(VARIABLE, "").strip()
    if not said:
        raise LedgerError(
            "this dagster.yaml keeps Dagster's history in PostgreSQL, and nothing says where",
            f"set {VARIABLE} to {FORMS.partition(' or ')[2]}, or use the dagster.yaml for SQLite",
        )
    url = parse_url(said)
    if url.get_backend_name() != "postgresql":
        raise LedgerError(
            "this dagster.yaml keeps Dagster's history in PostgreSQL, "
            f"and {VARIABLE} names another kind of database",
            f"set it to {FORMS.partition(' or ')[2]}, or use the dagster.yaml for SQLite",
        )
    missing = {"application_name": "marketsync-dagster", "connect_timeout": "10"}
    added = {name: value for name, value in missing.items() if name not in url.query}
    return url.set(drivername=DRIVER).update_query_dict(added)
