"""A run is SIGKILLed at each durable point, and run again: nothing is lost, nothing stale stays.

The short form: each point once per platform, half of them on PostgreSQL, and the prices go back to
what they were in half of the cases where the platform may know something that the ledger does
not. `make chaos` runs every combination.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from marketsync_dagster_tests.faults import kills, scenes
from marketsync_dagster_tests.faults.points import (
    IMPORT_POINTS,
    IN_FLIGHT,
    LATER,
    POINTS,
    Point,
    cases,
)
from marketsync_dagster_tests.faults.scenes import judge, kill, kill_and_mend, shown_bed
from marketsync_dagster_tests.ledgers import ENGINES, Engine
from marketsync_dagster_tests.projects import FULL, MIRAKL, PLATFORMS, make_project
from marketsync_dagster_tests.sandbox_process import SandboxProcess

BY_NAME = {point.name: point for point in POINTS}


IN_SHORT = (
    "import_intent_committed",
    IN_FLIGHT,
    "import_answered#3",
    "import_started_written",
    "import_started",
    "push_closed",
    "report_read",
    "import_end_written",
    "import_ended",
    "import_split",
)
"""Of the points of imports, each of which takes the pushes of two outlets."""


def short_form() -> list[tuple[Point, str, Engine, bool]]:
    """Point, platform, engine, and whether the prices go back: alternating, so that each pair of
    them occurs."""
    chosen = []
    for number, (point, platform) in enumerate(cases((*POINTS, *LATER))):
        turn = number // 2 + number % 2
        back = point.told and turn % 2 == 1
        chosen.append((point, platform, ENGINES[(number // 4 + number) % 2], back))
    for number, point in enumerate(p for p in IMPORT_POINTS if str(p) in IN_SHORT):
        chosen.append((point, MIRAKL, ENGINES[number % 3 == 0], number % 2 == 1))
    return chosen


def test_at_least_twenty_points_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    names = [point.name for point in POINTS]
    assert len(names) == len(set(names)) >= 20
    with capsys.disabled():
        print(f"\n{len(names)} kill points: {', '.join(names)}")
        print(f"killed at a later batch too: {', '.join(map(str, LATER))}")
        print(f"of imports: {', '.join(map(str, IMPORT_POINTS))}")


def test_the_short_form_has_every_point_on_every_platform_and_both_engines_often() -> None:
    chosen = short_form()
    ordinary = {(point, where) for point, where, _, _ in chosen if where != MIRAKL}
    assert ordinary == set(cases((*POINTS, *LATER)))
    assert [str(p) for p, where, _, _ in chosen if where == MIRAKL] == list(IN_SHORT)
    for platform in PLATFORMS:
        mine = [(engine, back) for _, where, engine, back in chosen if where == platform]
        assert min(mine.count(pair) for pair in set(mine)) >= 5
        assert len(set(mine)) == 4


@pytest.mark.parametrize(
    ("point", "platform", "engine", "back"),
    short_form(),
    ids=lambda value: (
        {True: "back", False: "on"}.get(value) if isinstance(value, bool) else str(value)
    ),
)
def test_after_a_kill_the_next_run_loses_nothing(
    point: Point,
    platform: str,
    engine: Engine,
    back: bool,
    tmp_path: Path,
    fresh_sandbox: SandboxProcess,
) -> None:
    mended = kill_and_mend(point, tmp_path, fresh_sandbox, platform, engine, back=back)

    assert mended.clean, mended


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize(("name", "unknown"), [(IN_FLIGHT, 10), ("push_opened", 0)])
def test_only_what_may_have_been_sent_counts_as_unknown(
    name: str, unknown: int, platform: str, tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    bed = shown_bed(tmp_path, fresh_sandbox, platform)
    kill(bed, platform, BY_NAME[name])

    bed.sync(platform)

    dead = bed.pushes()[1]
    assert dead["state"] == "interrupted"
    assert (dead["applied"], dead["unknown"], dead["retryable"]) == (0, unknown, 36 - unknown)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_run_that_is_killed_again_and_again_ends_well(
    platform: str, tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    """Also while it clears up after the one before."""
    bed = shown_bed(tmp_path, fresh_sandbox, platform)
    for point in ("answered", "recovered", "lease_taken", "ack_written", "before_send"):
        kills.run_killed(bed.place, platform, bed.outlets, point)

    assert bed.sync(platform).one.ok
    assert judge(bed, platform).clean


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("name", ["push_opened", "answered", "ack_committed"])
def test_an_approved_first_push_that_is_killed_needs_no_second_approval(
    name: str, platform: str, tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    bed = make_project(tmp_path, fresh_sandbox, platforms=[platform], guard={"initial": "approve"})
    assert bed.sync(platform, FULL).one.state == "held"
    with bed.run() as project:
        assert scenes.approve_held(project, platform, bed.outlets)
    kill(bed, platform, BY_NAME[name])

    result = bed.sync(platform).one

    assert result.ok, result
    assert judge(bed, platform).clean
