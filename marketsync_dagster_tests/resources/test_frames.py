"""The IO manager: only what was stored is recorded, and frames are read one at a time.

`_asset_partitions_subset` is private to Dagster: the first test notices if an upgrade changes it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest

from marketsync_dagster.automation.partitions import range_tags
from marketsync_dagster.ledger.states import record_failure
from marketsync_dagster.resources.frames import FramesIOManager, StoredFrames
from marketsync_dagster.resources.project import ProjectResource
from marketsync_dagster.stages.project import Project, open_project
from marketsync_dagster_tests.assets.fakes import OUTLETS, settings_of, write_config

PARTITIONS = dg.StaticPartitionsDefinition(list(OUTLETS))
KEY = dg.AssetKey(["tracker_ke", "price_feed"])


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    monkeypatch.setenv("MARKETSYNC_HOME", str(tmp_path / ".marketsync"))
    monkeypatch.delenv("MARKETSYNC_DATABASE_URL", raising=False)
    opened = open_project(settings=settings_of(write_config(tmp_path)))
    for outlet in OUTLETS:
        frame = pd.DataFrame({"sku": [outlet]})
        opened.frames.write(tuple(KEY.path), outlet, frame, inputs="", numbers={})
    yield opened
    opened.ledger.close()


def materialize(
    project: Project,
    good: list[str],
    seen: dict[str, Any] | None = None,
    *,
    bad: str = "",
) -> dg.ExecuteInProcessResult:
    """Run an asset that says `good`, and one after it that takes it as its input."""

    @dg.asset(
        key=KEY,
        partitions_def=PARTITIONS,
        io_manager_key="frames",
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def feed(context: dg.AssetExecutionContext) -> list[str]:
        if bad:
            record_failure(project.ledger, context.run.run_id, "pos_extract", bad, "damaged", "")
        return good

    @dg.asset(
        ins={"feed": dg.AssetIn(KEY)},
        partitions_def=PARTITIONS,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def after(feed: Any) -> None:
        if seen is not None:
            seen.update(feed)
            assert isinstance(feed, StoredFrames)
            with pytest.raises(KeyError):
                feed["nairobi"]

    resource = ProjectResource(config=str(project.settings.file))
    return dg.materialize(
        [feed, after],
        resources={"frames": FramesIOManager(project=resource)},
        tags=range_tags(OUTLETS[0], OUTLETS[-1]),
        raise_on_error=False,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )


def test_exactly_the_good_outlets_are_recorded_as_materialized(project: Project) -> None:
    run = materialize(project, ["kisumu", "westlands"])
    events = [e for e in run.get_asset_materialization_events() if e.asset_key == KEY]
    assert sorted(str(event.partition) for event in events) == ["kisumu", "westlands"]


def test_without_a_good_outlet_the_step_fails_and_nothing_is_recorded(project: Project) -> None:
    run = materialize(project, [])
    assert not run.success
    (failed,) = [event for event in run.all_events if event.is_step_failure]
    error = failed.step_failure_data.error
    assert error is not None
    assert "no outlet succeeded at tracker_ke/price_feed" in error.to_string()
    assert list(run.get_asset_materialization_events()) == []


def test_the_next_step_reads_frames_one_by_one_but_not_of_outlets_that_failed(
    project: Project,
) -> None:
    seen: dict[str, Any] = {}
    run = materialize(project, ["garden_city", "kisumu"], seen, bad="mombasa")
    assert run.success
    assert set(seen) == {"garden_city", "kisumu", "westlands"}
    assert seen["kisumu"]["sku"].tolist() == ["kisumu"]


def test_a_platforms_catalogue_is_read_by_its_scope(project: Project) -> None:
    frame = pd.DataFrame({"platform_id": ["p1"]})
    key = ("tracker_ke", "platform_catalog")
    project.frames.write(key, "tracker_ke", frame, inputs="", numbers={})
    resource = ProjectResource(config=str(project.settings.file))
    manager = FramesIOManager(project=resource)
    context = dg.build_input_context(
        upstream_output=dg.build_output_context(asset_key=dg.AssetKey(list(key))),
        asset_key=dg.AssetKey(list(key)),
    )
    loaded = manager.load_input(context)
    assert list(loaded) == ["tracker_ke"]
    assert loaded["tracker_ke"]["platform_id"].tolist() == ["p1"]
    resource.teardown_after_execution(dg.build_init_resource_context())
