"""The job `retention`: Dagster's own history by the same rules, and the sizes in its metadata."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.remote_origin import (
    GrpcServerCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    SensorInstigatorData,
    TickData,
    TickStatus,
)

from marketsync_dagster.automation.retention import prune_runs, prune_ticks
from marketsync_dagster.config.settings import Retention
from marketsync_dagster.resources.event_log import KeptSqliteEventLogStorage
from marketsync_dagster.values.times import utcnow
from marketsync_dagster_tests.assets.conftest import Shop
from marketsync_dagster_tests.assets.fakes import OUTLETS

NOW = utcnow()
LATER = timedelta(hours=1)


@dg.op
def speak() -> str:
    print("said")
    return "a value that is handed on"


@dg.op
def listen(words: str) -> None:
    print(words)


@dg.job(executor_def=dg.in_process_executor)
def talk() -> None:
    listen(speak())


@dg.asset(partitions_def=dg.StaticPartitionsDefinition(["east", "west"]))
def shown() -> None:
    """Something of each outlet."""


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """As the project has it: event log of its own, compute logs in files."""
    log = {"module": "marketsync_dagster.resources.event_log", "class": "KeptSqliteEventLogStorage"}
    overrides = {"event_log_storage": log | {"config": {"base_dir": str(tmp_path / "runs")}}}
    with dg.instance_for_test(temp_dir=str(tmp_path), overrides=overrides) as made:
        assert isinstance(made.event_log_storage, KeptSqliteEventLogStorage)
        yield made


def files_of(folder: Path, run_id: str) -> list[str]:
    return sorted(path.name for path in folder.rglob(f"*{run_id}*"))


def test_a_run_that_is_old_enough_goes_with_its_events_files_and_logs(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    old, young = (talk.execute_in_process(instance=instance).run_id for _ in range(2))
    assert files_of(tmp_path, old)
    middle = instance.get_run_records(dg.RunsFilter(run_ids=[young]))[0].create_timestamp
    assert prune_runs(instance, middle, dry_run=True) == 1
    assert instance.has_run(old)

    assert prune_runs(instance, middle) == 1

    assert not instance.has_run(old)
    assert files_of(tmp_path, old) == []
    assert instance.has_run(young)
    assert files_of(tmp_path, young) != []
    assert instance.all_logs(young)
    assert prune_runs(instance, middle) == 0


def test_a_run_that_has_not_ended_stays(instance: dg.DagsterInstance) -> None:
    for status in ("STARTED", "NOT_STARTED", "CANCELING"):
        instance.create_run_for_job(talk, status=dg.DagsterRunStatus(status))
    ended = instance.create_run_for_job(talk, status=dg.DagsterRunStatus.CANCELED)
    assert prune_runs(instance, utcnow() + LATER) == 1
    assert not instance.has_run(ended.run_id)
    assert len(instance.get_run_ids()) == 3


def test_the_last_materialization_of_every_outlet_stays(instance: dg.DagsterInstance) -> None:
    runs = [
        dg.materialize([shown], instance=instance, partition_key=outlet).run_id
        for outlet in ("east", "west", "west")
    ]
    assert prune_runs(instance, utcnow() + LATER) == 1
    assert [instance.has_run(run) for run in runs] == [True, False, True]
    key = dg.AssetKey("shown")
    assert set(instance.get_materialized_partitions(key)) == {"east", "west"}


def test_old_ticks_go_and_younger_ones_stay(instance: dg.DagsterInstance) -> None:
    location = GrpcServerCodeLocationOrigin(host="127.0.0.1", port=1, location_name="here")
    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "__repository__"), "sensor")
    state = InstigatorState(
        origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING, SensorInstigatorData()
    )
    instance.add_instigator_state(state)
    for days in (40, 31, 29, 1):
        instance.create_tick(
            TickData(
                *(state.instigator_origin_id, "sensor", InstigatorType.SENSOR, TickStatus.SKIPPED),
                timestamp=(NOW - timedelta(days=days)).timestamp(),
                selector_id=state.selector_id,
            )
        )
    prune_ticks(instance, NOW - timedelta(days=30))
    ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id)
    ages = [round((NOW.timestamp() - tick.timestamp) / 86_400) for tick in ticks]
    assert sorted(ages) == [1, 29]


def test_dagster_keeps_no_tick_longer_than_the_configuration_says() -> None:
    days = Retention().ticks_days
    root = Path(__file__).parents[2]
    templates = root / "marketsync_dagster" / "cli" / "templates" / "dagster.yaml"
    for file in (root / "dagster.yaml", root / "deploy" / "dagster.yaml", templates):
        said = yaml.safe_load(file.read_text())["retention"]
        for kind in ("schedule", "sensor"):
            assert max(said[kind]["purge_after_days"].values()) <= days, file


def test_the_job_says_what_it_removed_and_how_much_room_is_taken(shop: Shop) -> None:
    first = shop.run("partial_sync")
    assert first.success
    run = shop.run("retention")
    assert run.success
    (event,) = [e for e in run.all_events if e.event_type_value == "STEP_OUTPUT"]
    metadata: dict[str, Any] = {
        name: value.value for name, value in event.step_output_data.metadata.items()
    }
    assert metadata["removed_runs"] == metadata["removed_events"] == 0
    assert metadata["bytes_ledger"] > 0
    assert metadata["before_rows_listing"] == metadata["rows_listing"] == 0
    assert {type(value) for value in metadata.values()} == {int}
    assert shop.instance.has_run(first.run_id)
    assert shop.status("pos/extract")[0] == set(OUTLETS)
