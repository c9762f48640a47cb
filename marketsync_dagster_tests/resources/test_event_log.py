"""The event log that keeps its connections: the same log, and a note when Dagster changes."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.event_log import SqliteEventLogStorage

from marketsync_dagster.resources import event_log
from marketsync_dagster.resources.event_log import KeptSqliteEventLogStorage


@dg.asset
def till() -> None:
    """Nothing to do; only its events matter."""


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text(
        "telemetry: {enabled: false}\nevent_log_storage:\n"
        "  module: marketsync_dagster.resources.event_log\n"
        "  class: KeptSqliteEventLogStorage\n  config: {}\n"
    )
    with dg.DagsterInstance.get() as opened:
        yield opened


def test_what_a_run_says_is_where_dagster_looks_for_it(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    assert isinstance(instance.event_log_storage, KeptSqliteEventLogStorage)
    run = dg.materialize([till], instance=instance)
    assert instance.get_latest_materialization_event(dg.AssetKey("till")) is not None
    plain = SqliteEventLogStorage(str(tmp_path / "history" / "runs"))
    plain.register_instance(instance)
    assert len(plain.get_logs_for_run(run.run_id)) == len(
        instance.event_log_storage.get_logs_for_run(run.run_id)
    )
    assert plain.get_logs_for_run(run.run_id)


def test_a_connection_is_made_once_for_a_run_and_not_for_each_event(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    engine = event_log._engine
    monkeypatch.setattr(event_log, "_engine", lambda url: made.append(url) or engine(url))
    dg.materialize([till], instance=instance)
    assert 1 <= len(made) <= 2  # the run's file, and the index


def test_only_a_few_files_are_kept_open(instance: dg.DagsterInstance) -> None:
    storage = instance.event_log_storage
    assert isinstance(storage, KeptSqliteEventLogStorage)
    for _ in range(event_log.RUNS + 3):
        dg.materialize([till], instance=instance)
    assert len(storage._engines) <= event_log.RUNS


def test_dagster_still_makes_its_connections_where_we_keep_them() -> None:
    parameters = list(inspect.signature(SqliteEventLogStorage._connect).parameters)
    assert parameters == ["self", "shard"]
    source = inspect.getsource(SqliteEventLogStorage._connect)
    assert "create_engine" in source
    assert "_initialized_dbs" in source
