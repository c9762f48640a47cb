"""Leases: one of many wins, a dead holder's successor takes over, a lost lease shows."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from marketsync_dagster.ledger import tables
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.leases import holder_of, release, renew, take_lease
from marketsync_dagster.values.errors import Busy
from marketsync_dagster_tests.ledger import children

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
OPEN = """
    import sys
    from marketsync_dagster.ledger.engine import open_ledger
    from marketsync_dagster.ledger.leases import take_lease, release
    from marketsync_dagster.values.errors import Busy
    ledger = open_ledger(sys.argv[1])
"""


def later(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def held_elsewhere(ledger: Ledger, **values: object) -> None:
    """Make the only lease one of another host or process."""
    with ledger.begin() as conn:
        conn.execute(update(tables.lease).values(**values))


def test_a_busy_lease_names_its_holder_since_when_and_until_when(ledger: Ledger) -> None:
    take_lease(ledger, "channel a/x", "run 1 of anna", 60, NOON)
    with pytest.raises(Busy) as caught:
        take_lease(ledger, "channel a/x", "run 2", 60, later(1))
    for part in (
        "channel a/x",
        "run 1 of anna",
        str(os.getpid()),
        "2026-11-21T12:00:00.000Z",
        "2026-11-21T12:01:00.000Z",
    ):
        assert part in caught.value.message
    take_lease(ledger, "channel b/x", "run 2", 60, later(1))


def test_a_released_lease_is_free_at_once(ledger: Ledger) -> None:
    release(ledger, take_lease(ledger, "a", "one", 60, NOON))
    assert holder_of(ledger, "a", NOON) is None
    assert take_lease(ledger, "a", "two", 60, NOON).holder == "two"


def test_an_expired_lease_is_taken_over_and_its_old_holder_cannot_renew_it(
    ledger: Ledger,
) -> None:
    old = take_lease(ledger, "a", "one", 60, NOON)
    with pytest.raises(Busy):
        take_lease(ledger, "a", "two", 60, later(59.9))
    new = take_lease(ledger, "a", "two", 60, later(60))
    with pytest.raises(Busy, match=r"one no longer holds a: two took it over at 2026"):
        renew(ledger, old, 60, later(61))
    release(ledger, old)
    assert holder_of(ledger, "a", later(61)) == new


def test_a_renewed_lease_holds_longer(ledger: Ledger) -> None:
    held = take_lease(ledger, "a", "one", 60, NOON)
    longer = renew(ledger, held, 60, later(50))
    assert longer == replace(held, expires_at="2026-11-21T12:01:50.000Z")
    with pytest.raises(Busy):
        take_lease(ledger, "a", "two", 60, later(100))
    take_lease(ledger, "a", "two", 60, later(110))


def test_a_released_lease_cannot_be_renewed(ledger: Ledger) -> None:
    held = take_lease(ledger, "a", "one", 60)
    release(ledger, held)
    with pytest.raises(Busy, match="it was released"):
        renew(ledger, held, 60)


def test_without_a_clock_of_its_own_a_lease_lasts_as_long_as_asked(ledger: Ledger) -> None:
    held = take_lease(ledger, "a", "one", 60)
    assert abs(datetime.fromisoformat(held.acquired_at) - datetime.now(UTC)).total_seconds() < 5
    assert holder_of(ledger, "a") == held
    take_lease(ledger, "b", "one", 0)
    take_lease(ledger, "b", "two", 0)


def test_a_lease_of_another_host_is_taken_over_only_when_it_has_expired(ledger: Ledger) -> None:
    take_lease(ledger, "a", "one", 60, NOON)
    held_elsewhere(ledger, host="elsewhere#12345678", pid=1, process_start="1")
    with pytest.raises(Busy, match="on elsewhere\\)"):
        take_lease(ledger, "a", "two", 60, later(59))
    take_lease(ledger, "a", "two", 60, later(60))


def test_a_clock_that_is_set_back_by_a_day_does_not_hold_a_lease_for_a_day(
    ledger: Ledger,
) -> None:
    take_lease(ledger, "a", "one", 60, later(86_400))
    held_elsewhere(ledger, host="elsewhere")
    with pytest.raises(Busy, match=r"until 2026-11-21T12:01:00\.000Z at the latest"):
        take_lease(ledger, "a", "two", 60, NOON)
    with pytest.raises(Busy):
        take_lease(ledger, "a", "two", 60, later(59))
    assert take_lease(ledger, "a", "two", 60, later(61)).holder == "two"


def test_a_holder_that_is_alive_keeps_its_lease_over_a_clock_that_is_set_back(
    ledger: Ledger,
) -> None:
    held = take_lease(ledger, "a", "one", 60, later(86_400))
    with pytest.raises(Busy):
        take_lease(ledger, "a", "two", 60, NOON)
    renew(ledger, held, 60, later(20))
    with pytest.raises(Busy):
        take_lease(ledger, "a", "two", 60, later(61))


def test_a_longer_lease_is_not_cut_short_by_who_would_take_a_shorter_one(ledger: Ledger) -> None:
    take_lease(ledger, "a", "one", 3_600, NOON)
    held_elsewhere(ledger, host="elsewhere")
    for seconds in (1, 3_500):
        with pytest.raises(Busy):
            take_lease(ledger, "a", "two", 60, later(seconds))


def test_a_pid_that_is_used_again_is_not_taken_for_the_holder(ledger: Ledger) -> None:
    take_lease(ledger, "a", "one", 60, NOON)
    held_elsewhere(ledger, process_start="another start")
    assert take_lease(ledger, "a", "two", 60, later(1)).holder == "two"


def test_of_many_processes_that_race_for_a_lease_exactly_one_wins(ledger: Ledger) -> None:
    work = """
        try:
            take_lease(ledger, "a", "child " + sys.argv[2], 60)
            print("won", flush=True)
        except Busy:
            print("busy", flush=True)
        sys.stdin.readline()  # stay alive until all have tried
    """
    racers = [children.start(OPEN, work, ledger.url, str(number)) for number in range(6)]
    for racer in racers:
        racer.wait_ready()
    for racer in racers:
        racer.go()
    said = [racer.stdout.readline().strip() for racer in racers]
    for racer in racers:
        racer.ended()
    assert sorted(said) == ["busy"] * 5 + ["won"]


def test_two_holders_are_never_in_the_same_place(ledger: Ledger, tmp_path: Path) -> None:
    """The holder counts up without protection of its own: a second one in there would show."""
    setup = OPEN + "    import time\n    from pathlib import Path\n"
    work = """
        place = Path(sys.argv[2])
        done = 0
        while done < 15:
            try:
                held = take_lease(ledger, "a", "child", 60)
            except Busy:
                time.sleep(0.001)
                continue
            number = int(place.read_text())
            time.sleep(0.0005)
            place.write_text(str(number + 1))
            release(ledger, held)
            done += 1
    """
    counter = tmp_path / "count"
    counter.write_text("0")
    children.values(children.race(3, setup, work, ledger.url, str(counter)))
    assert counter.read_text() == "45"


def test_a_killed_holders_successor_takes_over_at_once(ledger: Ledger) -> None:
    work = """
        take_lease(ledger, "a", "doomed", 3600)
        print("held", flush=True)
        sys.stdin.readline()
    """
    child = children.start_alone(OPEN, work, ledger.url)
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    child.stdin.write("go\n")
    child.stdin.flush()
    assert child.stdout.readline() == "held\n"
    with pytest.raises(Busy, match="doomed"):
        take_lease(ledger, "a", "successor", 60)
    os.kill(child.pid, signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    # not yet waited for: a zombie still has its pid
    assert holder_of(ledger, "a") is None
    assert take_lease(ledger, "a", "successor", 60).holder == "successor"
    child.communicate()
