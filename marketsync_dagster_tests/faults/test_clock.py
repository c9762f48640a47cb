"""A clock that is a day off, ahead or behind, on this machine or on a till: nothing stands still.

On SQLite leases and limits go by this machine's clock, on PostgreSQL by the server's; the tests
move this machine's.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from marketsync_dagster.automation.cores import Tried, Waiting, pending_retries
from marketsync_dagster.ledger.leases import take_lease
from marketsync_dagster.pos.files import Sight, is_settled
from marketsync_dagster.stages.channel_run import lease_name
from marketsync_dagster.stages.extract import Force
from marketsync_dagster.values import times
from marketsync_dagster_tests.faults import kills
from marketsync_dagster_tests.ledgers import ENGINES, Engine
from marketsync_dagster_tests.projects import (
    FIRST_EXTRACT,
    FULL,
    Row,
    TestBed,
    make_project,
    repriced,
    some_rows,
)
from marketsync_dagster_tests.sandbox_process import SandboxProcess

DAY_S = 86_400
ROWS = some_rows(30)
DEARER = repriced(ROWS, lambda price: price + 1)
DEARER_STILL = repriced(ROWS, lambda price: price + 2)

Moved = Callable[[float], None]


@pytest.fixture
def move() -> Iterator[Moved]:
    """Move this process's clock by so many seconds against the real one."""
    with pytest.MonkeyPatch.context() as patch:
        seconds, nanoseconds, now = time.time, time.time_ns, times.utcnow
        by = 0.0

        def to(offset: float) -> None:
            nonlocal by
            by = offset

        def moved_now() -> datetime:
            return now() + timedelta(seconds=by)

        patch.setattr(time, "time", lambda: seconds() + by)
        patch.setattr(time, "time_ns", lambda: nanoseconds() + int(by * 1e9))
        for name, module in list(sys.modules.items()):
            if name.startswith("marketsync_dagster.") and getattr(module, "utcnow", None) is now:
                patch.setattr(module, "utcnow", moved_now)
        yield to


@pytest.fixture(params=ENGINES)
def bed(request: pytest.FixtureRequest, tmp_path: Path, fresh_sandbox: SandboxProcess) -> TestBed:
    return _bed(tmp_path, fresh_sandbox, request.param)


def _bed(tmp_path: Path, sandbox: SandboxProcess, engine: Engine) -> TestBed:
    return make_project(
        tmp_path,
        sandbox,
        rows=ROWS,
        platforms=["pasons"],
        engine=engine,
        guard={"max_changed_share": 1.0},
        account={"quota": {"per_minute": 60, "concurrency": 2}},
    )


@contextmanager
def within(seconds: float) -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < seconds


def converges(bed: TestBed) -> None:
    result = bed.sync("pasons").one
    assert result.ok, result
    assert bed.differences("pasons") == {}
    assert bed.unaccounted() == []


@pytest.mark.parametrize("first", [DAY_S, -DAY_S])
def test_pushes_go_on_while_the_clock_jumps_there_and_back(
    first: float, bed: TestBed, move: Moved
) -> None:
    """Each time with a lease, slots, an open push and a closure of the other time in the ledger."""
    assert bed.sync("pasons", FULL).one.ok
    for offset, rows in [(first, DEARER), (0.0, DEARER_STILL)]:
        bed.write_extract(rows)
        kills.run_killed(bed.place, "pasons", bed.outlets, "answered", 2)
        bed.sandbox.scenario("retry_after", channel="pasons", form="seconds", value=1)
        move(offset)
        with within(20):
            converges(bed)


def test_a_lease_of_another_machine_does_not_last_a_day_longer(
    tmp_path: Path, fresh_sandbox: SandboxProcess, move: Moved
) -> None:
    """On SQLite, where this machine's clock counts."""
    bed = _bed(tmp_path, fresh_sandbox, "sqlite")
    assert bed.sync("pasons", FULL).one.ok
    name = lease_name("westlands", "pasons")
    with bed.run() as project:
        move(DAY_S)
        take_lease(project.ledger, name, "a run elsewhere", 60)
        with project.ledger.begin() as connection:
            connection.exec_driver_sql("UPDATE lease SET host = 'elsewhere'")
    bed.write_extract(DEARER)
    move(0)
    assert bed.sync("pasons").one.state == "busy"
    move(61)
    converges(bed)


# --- a till whose clock is wrong


def _arrives(bed: TestBed, rows: list[Row], moment: datetime) -> Path:
    """An extract whose name says `moment`."""
    return bed.write_extract(rows, minutes=_minutes(bed, moment))


def _minutes(bed: TestBed, moment: datetime) -> int:
    last = bed.moments.get(bed.outlet, FIRST_EXTRACT)
    return round((moment - last).total_seconds() / 60)


def test_a_till_that_was_ahead_does_not_hide_the_right_files_in_silence(
    tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    bed = _bed(tmp_path, fresh_sandbox, "sqlite")
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    assert bed.sync("pasons", FULL).one.ok
    wrong = _arrives(bed, DEARER, now + timedelta(days=1))
    converges(bed)  # a file of tomorrow is taken as long as nothing speaks against it

    time.sleep(0.02)  # another ctime
    right = _arrives(bed, DEARER_STILL, now)
    run = bed.sync("pasons")
    extract = run.stages["pos_extract"]["westlands"]
    assert not extract.ok
    assert f"{right.name} arrived after it" in extract.reason
    assert "still to come" in extract.reason
    assert "clock" in extract.next_step

    wrong.unlink()
    extract = bed.sync("pasons").stages["pos_extract"]["westlands"]
    assert not extract.ok
    assert "still to come: a clock was wrong then" in extract.reason
    assert "--force-older" in extract.next_step

    forced = bed.sync("pasons", force=Force("ada", "the till was a day ahead"))
    assert forced.one.ok, forced.one
    assert bed.differences("pasons") == {}
    names = {row["file"]: row["time_source"] for row in bed.table("extract", "extract_time")}
    assert names[f"extracts/westlands/{right.name}"] == "forced"
    assert names[f"extracts/westlands/{wrong.name}"] == "overruled"
    last = max(bed.table("push", "started_at"), key=lambda push: push["started_at"])
    plan = next(plan for plan in bed.table("plan", "id") if plan["id"] == last["plan_id"])
    forced_id = next(row["id"] for row in bed.table("extract", "id") if row["forced_by"] == "ada")
    assert plan["extract_id"] == forced_id
    # from now on all is as ever
    time.sleep(0.02)
    _arrives(bed, ROWS, datetime.now(UTC) + timedelta(minutes=2))
    later = bed.sync("pasons")
    assert later.stages["pos_extract"]["westlands"].ok, later
    assert bed.differences("pasons") == {}


def test_this_machine_a_day_behind_is_told_and_not_taken_for_a_till_ahead_of_it(
    bed: TestBed, move: Moved
) -> None:
    """By their names the files come in the right order: they are taken, whatever the time is."""
    assert bed.sync("pasons", FULL).one.ok
    move(-40 * DAY_S)
    bed.write_extract(DEARER)
    converges(bed)


@pytest.mark.parametrize("ahead", [DAY_S, -DAY_S])
def test_a_file_is_whole_after_two_equal_looks_whatever_the_clocks_say(ahead: float) -> None:
    seen = Sight(size=100, mtime=1_000_000.0 + ahead, inode=1, ends_with_newline=True, ctime=0.0)
    assert is_settled(seen, 1_000_000.0, seen, 5.0)


def test_a_retry_is_not_put_off_for_a_day_by_an_attempt_in_the_future() -> None:
    waiting = [Waiting("westlands", "pasons", rows=3)]
    memory = {"pasons/westlands": Tried(attempt=2, at=1_000_000.0 + DAY_S, rows=3)}
    decision = pending_retries(waiting, memory, 1_000_000.0)
    assert [launch.outlet for launch in decision.launches] == ["westlands"]
    again = pending_retries(waiting, decision.memory, 1_000_001.0)
    assert again.launches == []
