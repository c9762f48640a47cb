"""What a run was asked to do, and by whom."""

from __future__ import annotations

from datetime import timedelta

import pytest

from marketsync_dagster.push.plan import PlanOptions
from marketsync_dagster.resources.options import (
    Mode,
    OrderOptions,
    PullOptions,
    RunOptions,
    What,
    orders_config,
    run_config,
)
from marketsync_dagster.values.errors import UsageError
from marketsync_dagster.values.times import from_iso, utcnow


def test_a_run_without_configuration_means_make_it_right() -> None:
    assert RunOptions().plan_options({}) == PlanOptions(mode="full")
    assert RunOptions().force() is None


def test_every_option_reaches_the_plan() -> None:
    options = RunOptions(mode=Mode.partial, skus=["007"], limit=3, fields=[What.stock])
    assert options.plan_options({}) == PlanOptions(
        mode="partial", skus=("007",), limit=3, fields=("stock",)
    )


@pytest.mark.parametrize("limit", [0, -5])
def test_a_limit_that_lets_nothing_go_is_no_limit(limit: int) -> None:
    with pytest.raises(UsageError, match="nothing would be sent"):
        RunOptions(limit=limit).plan_options({})


@pytest.mark.parametrize(
    ("trigger", "automatic"),
    [
        ("schedule", True),
        ("new_extract", True),
        ("pending_retries", False),
        ("command line", False),
        (None, False),
    ],
)
def test_schedules_and_new_files_send_only_where_auto_push_is_on(
    trigger: str | None, automatic: bool
) -> None:
    tags = {"marketsync/trigger": trigger} if trigger else {}
    assert RunOptions().plan_options(tags).automatic is automatic


@pytest.mark.parametrize(
    ("tags", "author"),
    [
        ({}, "Dagster"),
        ({"dagster/schedule_name": "full_sync_schedule"}, "schedule full_sync_schedule"),
        ({"dagster/sensor_name": "new_extract"}, "sensor new_extract"),
        ({"dagster/backfill": "abc"}, "backfill abc"),
        ({"marketsync/trigger": "command line", "user": "ada"}, "ada"),
    ],
)
def test_the_history_names_who_asked(tags: dict[str, str], author: str) -> None:
    assert RunOptions().author(tags) == OrderOptions().author(tags) == author
    assert RunOptions(created_by="grace").author(tags) == "grace"


@pytest.mark.parametrize(("by", "reason"), [("", ""), ("ada", ""), (" ", "clock was wrong")])
def test_forcing_an_older_extract_needs_a_name_and_a_reason(by: str, reason: str) -> None:
    with pytest.raises(UsageError, match="a name and a reason"):
        RunOptions(force_older=True, by=by, reason=reason).force()


def test_a_forced_run_carries_who_and_why() -> None:
    force = RunOptions(force_older=True, by="ada", reason="the clock was wrong").force()
    assert force is not None
    assert (force.by, force.reason) == ("ada", "the clock was wrong")


def test_the_run_configuration_says_only_what_was_asked() -> None:
    assert run_config(mode="partial", skus=[], limit=None) == {
        "resources": {"options": {"config": {"mode": "partial"}}}
    }


def test_runs_over_orders_are_limited_by_orders_and_0_is_all() -> None:
    assert OrderOptions().most() is None
    assert OrderOptions(limit=5).most() == 5
    with pytest.raises(UsageError, match="nothing would be sent"):
        OrderOptions(limit=-1).most()
    assert orders_config() == {"resources": {}}
    assert orders_config(limit=5, since="3d", order_states=["new"]) == {
        "resources": {
            "order_options": {"config": {"limit": 5}},
            "pull_options": {"config": {"since": "3d", "order_states": ["new"]}},
        }
    }


def test_pulls_begin_where_people_say_by_their_own_clock() -> None:
    def since(text: str) -> str:
        return PullOptions(since=text).pull_since("Africa/Nairobi")

    assert since("") == ""
    assert since("2026-01-20") == "2026-01-19T21:00:00.000Z"
    assert since("2026-01-20T10:00:00") == "2026-01-20T07:00:00.000Z"
    assert since("2026-01-20T10:00:00Z") == since(since("2026-01-20T10:00:00Z"))
    ago = utcnow() - from_iso(since("3d")) - timedelta(days=3)
    assert abs(ago) < timedelta(minutes=5)
    for wrong in ("yesterday", "2026-02-30", "2999-01-01"):
        with pytest.raises(UsageError, match="since"):
            since(wrong)
