"""The schedules: off until turned on, one run over all outlets, true to the clock on the wall."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from marketsync_dagster.automation.assembly import build_definitions
from marketsync_dagster.automation.partitions import RANGE_END, RANGE_START
from marketsync_dagster.resources.options import Mode, RunOptions
from marketsync_dagster.stages.planning import switched_off
from marketsync_dagster_tests.assets.conftest import Shop
from marketsync_dagster_tests.assets.fakes import OUTLETS, settings_of, write_config


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as made:
        yield made


def schedule(definitions: dg.Definitions, name: str) -> dg.ScheduleDefinition:
    found = definitions.resolve_schedule_def(name)
    assert isinstance(found, dg.ScheduleDefinition)
    return found


def tick(shop: Shop, name: str) -> dg._core.definitions.schedule_definition.ScheduleExecutionData:
    context = dg.build_schedule_context(
        instance=shop.instance, scheduled_execution_time=datetime(2026, 11, 20, 2, tzinfo=UTC)
    )
    return schedule(shop.definitions, name).evaluate_tick(context)


def ticks_of(of: dg.ScheduleDefinition, first: datetime) -> Iterator[datetime]:
    """The ticks as the daemon works them out."""
    from dagster._utils.schedules import schedule_execution_time_iterator

    return schedule_execution_time_iterator(
        first.timestamp(), of.cron_schedule, of.execution_timezone
    )


def test_every_schedule_is_off_until_somebody_turns_it_on(shop: Shop) -> None:
    schedules = [
        s for s in shop.definitions.schedules or [] if isinstance(s, dg.ScheduleDefinition)
    ]
    assert {s.name for s in schedules} == {
        "partial_sync_schedule",
        "full_sync_schedule",
        "stock_sync_schedule",
        "product_sync_schedule",
        "refresh_mappings_schedule",
        "reconcile_schedule",
        "test_connections_schedule",
        "retention_schedule",
    }
    assert {s.default_status for s in schedules} == {dg.DefaultScheduleStatus.STOPPED}
    assert {s.execution_timezone for s in schedules} == {"Africa/Nairobi"}


def test_one_tick_is_one_run_over_all_outlets(shop: Shop) -> None:
    (request,) = tick(shop, "partial_sync_schedule").run_requests
    assert request.tags[RANGE_START] == OUTLETS[0]
    assert request.tags[RANGE_END] == OUTLETS[-1]
    assert request.tags["marketsync/trigger"] == "schedule"
    assert request.run_config == {"resources": {"options": {"config": {"mode": "partial"}}}}
    assert request.run_key is None
    (stock,) = tick(shop, "stock_sync_schedule").run_requests
    assert stock.run_config["resources"]["options"]["config"]["fields"] == ["stock"]


def test_what_a_schedule_asks_for_can_be_run(shop: Shop) -> None:
    (request,) = tick(shop, "stock_sync_schedule").run_requests
    run = shop.definitions.resolve_job_def("stock_sync").execute_in_process(
        instance=shop.instance, tags=request.tags, run_config=request.run_config
    )
    assert run.success
    (options, _) = shop.stages.options
    assert (options.mode, options.fields, options.automatic) == ("partial", ("stock",), True)


@pytest.mark.parametrize("status", ["NOT_STARTED", "STARTING", "STARTED", "CANCELING"])
def test_a_tick_is_skipped_while_a_run_of_the_same_job_is_at_work(shop: Shop, status: str) -> None:
    job = shop.definitions.resolve_job_def("partial_sync")
    run = shop.instance.create_run_for_job(job, status=dg.DagsterRunStatus(status))
    skipped = tick(shop, "partial_sync_schedule")
    assert skipped.run_requests == []
    word = status.lower().replace("_", " ")
    assert skipped.skip_message == f"partial_sync is still at work: run {run.run_id[:8]} is {word}"
    assert tick(shop, "full_sync_schedule").run_requests != []


def test_a_schedule_of_null_does_not_exist(tmp_path: Path) -> None:
    file = write_config(tmp_path, tail="schedules: {stock: null, partial: '*/10 * * * *'}\n")
    definitions = build_definitions(settings_of(file))
    names = [getattr(s, "name", "") for s in definitions.schedules or []]
    assert "stock_sync_schedule" not in names
    assert schedule(definitions, "partial_sync_schedule").cron_schedule == "*/10 * * * *"


def test_an_account_with_a_schedule_of_its_own_goes_by_that_one_only(tmp_path: Path) -> None:
    file = write_config(tmp_path)
    name = f"tracker_{OUTLETS[1]}"
    own = file.read_text().replace(
        f"FAKE_{name.upper()}}}", f"FAKE_{name.upper()}}}, schedules: {{partial: '*/7 * * * *'}}"
    )
    file.write_text(own)
    settings = settings_of(file)
    definitions = build_definitions(settings)
    theirs = schedule(definitions, f"partial_sync_{name}_schedule")
    assert theirs.cron_schedule == "*/7 * * * *"
    assert theirs.default_status is dg.DefaultScheduleStatus.STOPPED
    with dg.instance_for_test() as instance:
        context = dg.build_schedule_context(
            instance, scheduled_execution_time=datetime(2026, 11, 20, 2, tzinfo=UTC)
        )
        (request,) = theirs.evaluate_tick(context).run_requests or []
    assert (request.tags[RANGE_START], request.tags[RANGE_END]) == (OUTLETS[1], OUTLETS[1])
    asked = RunOptions(mode=Mode.partial).plan_options(request.tags)
    account, channel = settings.accounts[name], settings.channels_of("tracker_ke")[OUTLETS[1]]
    assert switched_off(account, channel, asked) == ""
    common = replace(asked, account="")
    assert "has a partial schedule of its own" in switched_off(account, channel, common)
    other = settings.channels_of("tracker_ke")[OUTLETS[0]]
    assert "for the account" in switched_off(settings.accounts[other.account], other, asked)
    assert switched_off(settings.accounts[other.account], other, common) == ""


def test_the_clock_change_neither_loses_nor_doubles_a_night(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    """Berlin: 2 o'clock does not exist on 29 March 2026, and comes twice on 25 October."""
    berlin = ZoneInfo("Europe/Berlin")
    definitions = build_definitions(settings_of(write_config(tmp_path, timezone="Europe/Berlin")))
    full = schedule(definitions, "full_sync_schedule")
    assert full.cron_schedule == "0 2 * * *"
    for first in (datetime(2026, 3, 28, tzinfo=berlin), datetime(2026, 10, 24, tzinfo=berlin)):
        ticks = ticks_of(full, first)
        nights = [next(ticks).astimezone(berlin) for _ in range(4)]
        assert [night.date() - first.date() for night in nights] == [
            timedelta(days=n) for n in range(4)
        ], nights
        for night in nights:
            context = dg.build_schedule_context(instance, scheduled_execution_time=night)
            assert len(full.evaluate_tick(context).run_requests or []) == 1
    # the half-hourly one goes on through the hour that comes twice: 50 ticks in 25 hours
    partial = schedule(definitions, "partial_sync_schedule")
    day = datetime(2026, 10, 25, tzinfo=berlin)
    ticks = ticks_of(partial, day)
    of_the_day = 0
    while next(ticks).astimezone(berlin).date() == day.date():
        of_the_day += 1
    assert of_the_day == 50
