"""Disasters in small steps, each step an ordinary plan: stopped where one plan would be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import pytest

from marketsync_dagster.push import decisions
from marketsync_dagster_tests.ledgers import ENGINES, Engine
from marketsync_dagster_tests.projects import (
    FULL,
    PLATFORMS,
    Row,
    Synced,
    TestBed,
    make_project,
    repriced,
    some_rows,
)
from marketsync_dagster_tests.sandbox_process import SandboxProcess

ROWS = some_rows(40)
Step = Callable[[list[Row], int], list[Row]]


def each_in_turn(change: Callable[[list[Row]], list[Row]], rows: list[Row], step: int) -> list[Row]:
    """Two rows, a twentieth, with each step."""
    at = 2 * step
    return [*rows[:at], *change(rows[at : at + 2]), *rows[at + 2 :]]


def dearer(rows: list[Row], step: int) -> list[Row]:
    return each_in_turn(lambda some: repriced(some, lambda p: p + 1), rows, step)


def sold_out(rows: list[Row], step: int) -> list[Row]:
    return each_in_turn(lambda some: [replace(r, stock="0") for r in some], rows, step)


def towards_a_hundredfold(rows: list[Row], step: int) -> list[Row]:
    return [*repriced(rows[:10], lambda p: p * Decimal("1.5")), *rows[10:]]


def shrinking(rows: list[Row], step: int) -> list[Row]:
    return [*repriced(rows[:1], lambda p: p + 1), *rows[1:-2]]


@dataclass(frozen=True)
class Disaster:
    name: str
    step: Step
    passes: int
    """How many steps go out."""
    words: str


SLOW = [
    Disaster("everything dearer", dearer, 8, "within 24 hours 18 of 40 listed rows change (45%"),
    Disaster("everything sold out", sold_out, 4, "10 of 40 listed rows go out of stock"),
    Disaster(
        "x100 by halves",
        towards_a_hundredfold,
        1,
        "price rises by more than 100% within 24 hours",
    ),
    Disaster("the extract shrinks", shrinking, 4, "within 24 hours one with 40 was pushed"),
]


def run_until_held(
    bed: TestBed, platform: str, disaster: Disaster
) -> tuple[int, Synced, list[Row]]:
    """How many steps went out, the run that did not, and what the till says by then."""
    rows = list(ROWS)
    for step in range(20):
        rows = disaster.step(rows, step)
        bed.write_extract(rows)
        number = bed.sandbox.last_request()
        run = bed.sync(platform)
        if not run.one.ok:
            assert bed.writes(number) == []
            return step, run, rows
        assert bed.writes(number)
    raise AssertionError("nothing was held")


CASES = [(disaster, PLATFORMS[at % 2], "sqlite") for at, disaster in enumerate(SLOW)]
CASES += [(SLOW[0], "pasons", engine) for engine in ENGINES if engine != "sqlite"]


@pytest.mark.parametrize(
    ("disaster", "platform", "engine"), CASES, ids=lambda p: getattr(p, "name", p)
)
def test_a_slow_disaster_is_stopped_and_nothing_more_is_sent(
    disaster: Disaster, platform: str, engine: Engine, tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    bed = make_project(tmp_path, fresh_sandbox, rows=ROWS, platforms=[platform], engine=engine)
    assert bed.sync(platform, FULL).one.ok

    passed, run, rows = run_until_held(bed, platform, disaster)

    assert passed == disaster.passes
    assert disaster.words in run.one.reason
    number = bed.sandbox.last_request()
    bed.write_extract(disaster.step(rows, passed + 1))
    assert bed.sync(platform).one.numbers["sent"] == 0
    assert bed.writes(number) == []


def test_what_the_window_held_goes_out_once_approved_and_holds_nothing_afterwards(
    tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    bed = make_project(tmp_path, fresh_sandbox, rows=ROWS, platforms=["pasons"])
    assert bed.sync("pasons", FULL).one.ok
    passed, run, rows = run_until_held(bed, "pasons", SLOW[0])
    newest = max(bed.table("extract", "extract_time"), key=lambda r: r["extract_time"])["id"]
    with bed.run() as project:
        plan_id = run.planned[0].plan_id
        decisions.approve(project.ledger, plan_id, "amina", "spring prices", newest)
    assert bed.sync("pasons").one.numbers["applied"] == 2
    for step in range(passed + 1, passed + 8):
        rows = dearer(rows, step)
        bed.write_extract(rows)
        assert bed.sync("pasons").one.state == "pushed"
    assert bed.differences("pasons") == {}
