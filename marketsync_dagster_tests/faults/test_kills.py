"""A run is SIGKILLed at each durable point, and run again: nothing is lost, nothing stale stays."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from marketsync_dagster_tests.faults import kills
from marketsync_dagster_tests.ledgers import Engine
from marketsync_dagster_tests.projects import (
    FULL,
    PLATFORMS,
    TestBed,
    make_project,
    repriced,
    some_rows,
)
from marketsync_dagster_tests.sandbox_process import SandboxProcess

OLD = some_rows(40)
NEW = [*repriced(OLD[:36], lambda price: price + 7), *OLD[36:]]
POINTS = kills.all_points()
TOUCHED = [
    (point, occurrence)
    for point, occurrence in POINTS
    if point in (*kills.REPEATED, "push_opened", "push_closing", kills.IN_FLIGHT, kills.HALF_SENT)
]
"""Points at which the platform may, or does, show something that the ledger has no word of."""


def test_at_least_twelve_points_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert len({point for point, _ in POINTS}) >= 12
    with capsys.disabled():
        names = [f"{point}#{n}" if n > 1 else point for point, n in POINTS]
        print(f"\n{len(names)} kill points: {', '.join(names)}")


def bed_with_a_good_push(
    tmp_path: Path, sandbox: SandboxProcess, platform: str, engine: Engine = "sqlite"
) -> TestBed:
    """Everything shown at the old prices; a new extract is there."""
    bed = make_project(
        tmp_path,
        sandbox,
        rows=OLD,
        platforms=[platform],
        guard={"max_changed_share": 1.0},
        engine=engine,
    )
    assert bed.sync(platform, FULL).one.ok
    assert not bed.differences(platform)
    bed.write_extract(NEW)
    return bed


def kill(bed: TestBed, platform: str, point: str, occurrence: int) -> None:
    """Run until the named point; where the platform shall not answer, it is told so."""
    fault = {kills.IN_FLIGHT: "apply_then_hang", kills.HALF_SENT: "hang"}.get(point)
    if fault:
        nth = {"nth": occurrence}
        bed.sandbox.scenario(fault, channel=platform, match=nth, times=None, seconds=5)
    run = kills.run_killed
    run(bed.place, platform, bed.outlets, point, occurrence)
    bed.sandbox.clear_scenarios()


def assert_nothing_is_lost(bed: TestBed, platform: str) -> None:
    """The platform shows the feed, every push is accounted for, and there is nothing to say."""
    assert bed.differences(platform) == {}
    assert bed.unaccounted() == []
    numbers = bed.sandbox.last_request()
    again = bed.sync(platform)
    assert (again.one.ok, again.one.state) == (True, "unchanged")
    assert bed.writes(numbers) == []
    # the last thing that each item was told is what the feed says
    last = {}
    for write in bed.sandbox.history(channel=platform):
        last[write["item"]] = Decimal(write["price"])
    assert last == {item: price for item, (price, _) in bed.wanted(platform).items()}


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize(("point", "occurrence"), POINTS)
def test_after_a_kill_the_next_run_loses_nothing(
    point: str, occurrence: int, platform: str, tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    bed = bed_with_a_good_push(tmp_path, fresh_sandbox, platform)
    kill(bed, platform, point, occurrence)

    result = bed.sync(platform).one

    assert result.ok, result
    assert_nothing_is_lost(bed, platform)


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize(("point", "unknown"), [(kills.IN_FLIGHT, 10), ("push_opened", 0)])
def test_only_what_may_have_been_sent_counts_as_unknown(
    point: str, unknown: int, platform: str, tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    bed = bed_with_a_good_push(tmp_path, fresh_sandbox, platform)
    kill(bed, platform, point, 1)

    bed.sync(platform)

    dead = bed.pushes()[1]
    assert dead["state"] == "interrupted"
    assert (dead["applied"], dead["unknown"], dead["retryable"]) == (0, unknown, 36 - unknown)


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize(("point", "occurrence"), TOUCHED)
def test_a_price_that_went_back_before_the_next_run_is_not_left_at_the_platform(
    point: str, occurrence: int, platform: str, tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    bed = bed_with_a_good_push(tmp_path, fresh_sandbox, platform)
    kill(bed, platform, point, occurrence)
    bed.write_extract(OLD)

    result = bed.sync(platform).one

    assert result.ok, result
    assert_nothing_is_lost(bed, platform)


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize(
    ("point", "occurrence"),
    [
        ("push_opened", 1),
        ("intent_written", 3),
        ("answered", 3),
        ("ack_written", 1),
        ("settled", 1),
    ],
)
def test_on_postgresql_nothing_is_lost_either(
    point: str, occurrence: int, platform: str, tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    bed = bed_with_a_good_push(tmp_path, fresh_sandbox, platform, "postgresql")
    kill(bed, platform, point, occurrence)
    bed.write_extract(OLD)

    result = bed.sync(platform).one

    assert result.ok, result
    assert_nothing_is_lost(bed, platform)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_run_that_is_killed_again_and_again_ends_well(
    platform: str, tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    """Also while it clears up after the one before."""
    bed = bed_with_a_good_push(tmp_path, fresh_sandbox, platform)
    for point in ("answered", "recovered", "lease_taken", "ack_written", "before_send"):
        kill(bed, platform, point, 1)

    assert bed.sync(platform).one.ok
    assert_nothing_is_lost(bed, platform)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_kill_while_unreached_rows_are_noted_loses_nothing(
    platform: str, tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    bed = bed_with_a_good_push(tmp_path, fresh_sandbox, platform)
    fresh_sandbox.scenario("reset", channel=platform, times=None)
    kills.run_killed(bed.place, platform, bed.outlets, "unreached_written")
    fresh_sandbox.clear_scenarios()

    assert bed.sync(platform).one.ok
    assert_nothing_is_lost(bed, platform)


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("point", ["push_opened", "answered", "ack_committed"])
def test_an_approved_first_push_that_is_killed_needs_no_second_approval(
    point: str, platform: str, tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    from marketsync_dagster.push import decisions

    guard = {"initial": "approve"}
    bed = make_project(tmp_path, fresh_sandbox, platforms=[platform], guard=guard)
    held = bed.sync(platform, FULL)
    assert held.one.state == "held"
    with bed.run() as project:
        plan = held.planned[0].plan_id
        extract = bed.table("extract", "read_at")[-1]["id"]
        decisions.approve(project.ledger, plan, "amina", "first prices are right", extract)
    kill(bed, platform, point, 1)

    result = bed.sync(platform).one

    assert result.ok, result
    assert_nothing_is_lost(bed, platform)
