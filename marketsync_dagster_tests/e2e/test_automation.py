"""The schedule and the sensor `new_extract`, switched on as a user does."""

from __future__ import annotations

from decimal import Decimal

import pytest

from marketsync_dagster_tests.e2e.conftest import FirstTick
from marketsync_dagster_tests.e2e.deployment import OUTLETS, Deployment
from marketsync_dagster_tests.e2e.graphql import wait_for
from marketsync_dagster_tests.e2e.till import SlowCopy

pytestmark = pytest.mark.xdist_group("deployment")

RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


def test_one_tick_of_a_schedule_carries_all_outlets_in_one_run(
    deployment: Deployment, first_tick: FirstTick
) -> None:
    assert len(first_tick.runs) == 1
    assert first_tick.run["jobName"] == "full_sync"
    assert [first_tick.run["tags"][tag] for tag in RANGE] == [OUTLETS[0], OUTLETS[-1]]
    materialized = deployment.dagster.materialized(first_tick.run["runId"])
    for asset in ("pos/extract", "pos/catalog", "tracker_ke/listings", "pasons/listings"):
        assert materialized[asset] == sorted(OUTLETS), asset
    for platform in ("tracker_ke", "pasons"):
        for outlet in OUTLETS:
            shown = deployment.shown(outlet, platform)
            automatic = (outlet, platform) != ("mombasa", "pasons")
            assert shown.equal == (shown.expected if automatic else 0), shown
            assert shown.expected > 900


def test_a_tick_is_skipped_with_its_reason_while_a_run_is_at_work(first_tick: FirstTick) -> None:
    assert first_tick.meanwhile["error"] is None
    assert not first_tick.meanwhile["runRequests"]
    words = f"full_sync is still at work: run {first_tick.run['runId'][:8]} is "
    assert first_tick.meanwhile["skipReason"].startswith(words)


def test_a_new_file_is_pushed_for_its_outlet_alone_once_it_is_whole(synced: Deployment) -> None:
    dagster, before = synced.dagster, synced.sandbox.last_request()
    kisumu, mombasa = synced.tills["kisumu"], synced.tills["mombasa"]
    half = synced.mapped("kisumu", "11.00", "30.00")[0]
    renamed = synced.mapped("mombasa", "11.00", "30.00")[0]
    kisumu.set_price(half, "20.00")
    mombasa.set_price(renamed, "20.00")
    growing = SlowCopy(kisumu.next_path(), kisumu.content())
    words = f"kisumu: {growing.path.name} is still being written"
    sensor = dagster.start_sensor("new_extract")
    try:
        wait_for(
            "a tick that says that the file is not whole",
            lambda: words in _reasons(synced),
        )
        mombasa.put()
        first = wait_for("a run for mombasa", lambda: _triggered(synced) or None)
        assert [_range(run) for run in first] == [("mombasa", "mombasa")]
        growing.finish()
        both = wait_for(
            "a run for kisumu", lambda: found if len(found := _triggered(synced)) > 1 else None
        )
        for run in both:
            dagster.succeeded(run["runId"])
    finally:
        growing.finish()
        dagster.stop_sensor(sensor)
    assert [_range(run) for run in both] == [("kisumu", "kisumu"), ("mombasa", "mombasa")]
    # 7.5 % more, up to the next half; mombasa takes the till's price as it is
    assert synced.price("kisumu", half) == Decimal("21.50")
    assert synced.price("mombasa", renamed) == Decimal("20.00")
    assert set(synced.writes(before)) == {"tracker_kisumu", "018", "tracker_mombasa"}
    (plan,) = synced.answer(
        "plans", "list", "--outlet", "mombasa", "--platform", "pasons", "--state", "planned"
    )
    assert plan["to_send"] > 900


def _reasons(deployment: Deployment) -> str:
    ticks = deployment.dagster.ticks("new_extract")
    assert not [tick["error"] for tick in ticks if tick["error"]]
    return "\n".join(tick["skipReason"] or "" for tick in ticks)


def _triggered(deployment: Deployment) -> list[dict]:
    return deployment.dagster.runs(marketsync__trigger="new_extract")


def _range(run: dict) -> tuple[str, str]:
    return run["tags"][RANGE[0]], run["tags"][RANGE[1]]
