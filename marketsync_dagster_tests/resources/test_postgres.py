"""Dagster's storage in the ledger's database: Dagster's own tables, by one variable."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._serdes import serialize_value
from dagster_postgres import (
    DagsterPostgresStorage,
    PostgresEventLogStorage,
    PostgresRunStorage,
    PostgresScheduleStorage,
)
from sqlalchemy import event
from sqlalchemy.engine import make_url

from marketsync_dagster.automation.partitions import range_tags
from marketsync_dagster.ledger.engine import open_ledger
from marketsync_dagster.resources.postgres import storage_url
from marketsync_dagster.values.errors import LedgerError
from marketsync_dagster_tests.ledgers import new_ledger_url

ROOT = Path(__file__).parents[2]
VARIABLE = "MARKETSYNC_DATABASE_URL"
PASSWORD = "pg_example_password"
OUTLETS = [f"outlet_{n}" for n in range(5)]


@dg.asset(
    partitions_def=dg.StaticPartitionsDefinition(OUTLETS),
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def till() -> None:
    """Nothing to do; only its events matter."""


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database that the ledger has its tables in, named with a password."""
    plain = make_url(new_ledger_url("postgresql", tmp_path))
    said = plain.set(password=PASSWORD).render_as_string(hide_password=False)
    monkeypatch.setenv(VARIABLE, said)
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "0")  # undone at the end
    monkeypatch.delenv("DAGSTER_EVENT_BATCH_SIZE")
    open_ledger(said).close()
    return said


@pytest.fixture
def instance(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    text = (ROOT / "deploy" / "dagster.yaml").read_bytes()
    (tmp_path / "home" / "dagster.yaml").write_bytes(text)
    with dg.DagsterInstance.get() as opened:
        yield opened


def run(instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    job = dg.Definitions(assets=[till]).resolve_implicit_global_asset_job_def()
    return job.execute_in_process(instance=instance, tags=range_tags(OUTLETS[0], OUTLETS[-1]))


def test_runs_and_events_are_where_dagsters_own_storage_looks_for_them(
    instance: dg.DagsterInstance, url: str, tmp_path: Path
) -> None:
    done = run(instance)
    plain = DagsterPostgresStorage(storage_url().render_as_string(hide_password=False))
    assert plain.run_storage.has_run(done.run_id)
    events = plain.event_log_storage.get_logs_for_run(done.run_id)
    assert len(events) == len(instance.event_log_storage.get_logs_for_run(done.run_id)) > 10
    made = instance.get_materialized_partitions(dg.AssetKey("till"))
    assert made == set(OUTLETS)
    assert not [path for path in tmp_path.rglob("*") if path.suffix in (".db", ".db-wal")]
    open_ledger(url).close()  # Dagster's tables beside the ledger's trouble neither


def test_the_address_and_the_password_are_in_nothing_that_dagster_passes_on(
    instance: dg.DagsterInstance,
) -> None:
    """The reference to the instance is an argument of every process that Dagster starts."""
    said = serialize_value(instance.get_ref())
    assert "LedgerPostgresStorage" in said
    for secret in (PASSWORD, "postgresql"):
        assert secret not in said.replace("marketsync_dagster.resources.postgres", "")
    assert PASSWORD not in str(instance.info_dict())


def test_connections_are_kept_over_a_run_and_closed_with_the_instance(
    instance: dg.DagsterInstance,
) -> None:
    storages = [instance.event_log_storage, instance.run_storage, instance.schedule_storage]
    (engine,) = {storage._engine for storage in storages}  # pyright: ignore
    made: list[object] = []
    event.listen(engine, "connect", lambda *given: made.append(given))
    run(instance)
    run(instance)
    assert len(made) <= 2
    assert engine.pool.checkedin() > 0
    instance.dispose()
    assert engine.pool.checkedin() == 0


def test_events_of_many_outlets_are_stored_together(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored: list[int] = []
    together = PostgresEventLogStorage.store_event_batch
    monkeypatch.setattr(
        PostgresEventLogStorage,
        "store_event_batch",
        lambda self, events: stored.append(len(events)) or together(self, events),
    )
    run(instance)
    assert len(OUTLETS) in stored
    assert os.environ["DAGSTER_EVENT_BATCH_SIZE"] == "500"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("", "nothing says where"),
        ("sqlite:////data/ledger.db", "another kind of database"),
        (f"mysql://ada:{PASSWORD}@db.example/x", "mysql database"),
    ],
)
def test_a_variable_that_names_no_postgres_is_an_error_with_a_next_step(
    said: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, said)
    with pytest.raises(LedgerError, match=words) as caught:
        storage_url()
    assert VARIABLE in caught.value.next_step + caught.value.message
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_one_variable_serves_both_drivers(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, f"{scheme}://ada:p%40ss@db.example:5433/shop?sslmode=require")
    url = storage_url()
    assert url.drivername == "postgresql+psycopg2"
    assert (url.password, url.host, url.port, url.database) == ("p@ss", "db.example", 5433, "shop")
    assert url.query["sslmode"] == "require"


def test_dagster_still_keeps_its_engine_where_we_put_ours() -> None:
    for storage in (PostgresRunStorage, PostgresEventLogStorage, PostgresScheduleStorage):
        assert "self._engine = " in inspect.getsource(storage.__init__), storage
        assert "create_pg_connection(self._engine)" in inspect.getsource(storage), storage
