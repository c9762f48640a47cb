"""Imports are asked for until they end, and no call is made whose answer cannot matter."""

from __future__ import annotations

import time
from typing import Any

import pytest

from marketsync_dagster.ledger import imports as journalled
from marketsync_dagster.ledger import quota
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.imports import open_imports
from marketsync_dagster.push import imports
from marketsync_dagster.push.imports import POINTS
from marketsync_dagster.push.pacing import Stop, family_key
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster.values.times import to_iso, utcnow
from marketsync_dagster_tests.ledger.started import (
    ACCOUNT,
    Start,
    start,
)
from marketsync_dagster_tests.push.followed import (
    DONE,
    ERRORS,
    RUNS,
    TWO,
    Platform,
    ago,
    broken,
    followed,
    status,
)


@pytest.fixture
def ledger(emptied: Ledger) -> Ledger:
    """An open ledger without rows."""
    return emptied


def test_one_call_tells_of_all_imports_of_a_kind_where_the_platform_does(ledger: Ledger) -> None:
    for number in range(3):
        start(ledger, Start({"west": [f"s{number}"]}, import_id=str(number), at=ago(90 - number)))
        stock = Start({"west": [f"t{number}"]}, import_id=f"s{number}", kind="stock", at=ago(60))
        start(ledger, stock)
    ends = {str(n): [status("running", str(n)), status("complete", str(n))] for n in range(3)}
    ends |= {f"s{n}": [status("complete", f"s{n}")] for n in range(3)}
    platform = Platform([], by_id=ends)
    result = followed(ledger, platform)
    assert sorted(platform.calls) == [
        *[("status", "offers", ("0", "1", "2"))] * 2,
        ("status", "stock", ("s0", "s1", "s2")),
    ]
    assert len(result.ended) == 6
    assert followed(ledger, platform).calls == 0


def test_where_a_call_tells_of_one_import_the_oldest_is_asked_for_until_it_ends(
    ledger: Ledger,
) -> None:
    for number in range(2):
        rows = {"west": [f"s{number}"]}
        start(ledger, Start(rows, import_id=str(number), at=ago(90 - number), kind="stock"))
    ends = {"0": [status("waiting", "0"), status("complete", "0")], "1": [status("complete", "1")]}
    platform = Platform([], by_id=ends, one_at_a_time=True)
    followed(ledger, platform)
    assert [ids[0] for _, _, ids in platform.calls] == ["0", "0", "1"]


def test_an_import_that_is_stuck_does_not_keep_the_next_from_being_asked_for(
    ledger: Ledger,
) -> None:
    for number in range(2):
        rows = {"west": [f"s{number}"]}
        start(ledger, Start(rows, import_id=str(number), at=ago(90 - number), kind="stock"))
    ends = {"0": [status("waiting", "0")], "1": [status("complete", "1")]}
    platform = Platform([], by_id=ends, one_at_a_time=True)
    stop = Stop()

    def enough(_: str) -> None:
        if len(platform.calls) > 5:
            stop.set("enough")

    result = followed(ledger, platform, stop=stop, observe=enough)
    assert list(result.ended) == ["import-1"]
    assert [ids[0] for _, _, ids in platform.calls][:5] == ["0", "0", "0", "0", "1"]


def test_runs_with_time_for_one_call_come_round_to_every_import(ledger: Ledger) -> None:
    for number in range(3):
        rows = {"west": [f"s{number}"]}
        start(ledger, Start(rows, import_id=str(number), at=ago(90 - number), kind="stock"))
    ends = {number: [status("waiting", number)] for number in "01"} | {"2": [DONE]}
    platform = Platform([], by_id=ends, one_at_a_time=True)
    for _ in range(9):
        stop = Stop()
        followed(ledger, platform, stop=stop, observe=lambda _, stop=stop: stop.set("over"))
    assert [ids[0] for _, _, ids in platform.calls] == [*"0000", *"1111", "2"]


def test_two_imports_of_the_same_name_are_one_question_and_both_end(ledger: Ledger) -> None:
    for _ in range(2):
        start(ledger, Start(TWO, at=ago(60)))
    platform = Platform([DONE])
    result = followed(ledger, platform)
    assert platform.calls == [("status", "offers", ("2044",))]
    assert result.ended == {"import-2044": "complete", "import-2044-again": "complete"}


QUIET: dict[str, tuple[dict[str, Any], float, float, int]] = {
    # name: capabilities, age, wait, calls
    "too young for a first look": ({"first_look_s": 100.0}, 1, 5, 0),
    "old enough within the wait": ({"first_look_s": 0.3}, 0.2, 5, 1),
    "asked for by another run just now": ({"intervals": {"offers_status": 60.0}}, 1, 5, 0),
}


@pytest.mark.parametrize("case", QUIET)
def test_nothing_is_asked_before_an_answer_can_matter(ledger: Ledger, case: str) -> None:
    said, age, wait_s, calls = QUIET[case]
    key = start(ledger, Start(TWO, at=ago(age)))
    if "another" in case:
        with ledger.begin() as connection:
            journalled.look_at_imports(connection, [key], to_iso(utcnow()))
    platform = Platform([DONE], said=said)
    began = time.monotonic()
    result = followed(ledger, platform, wait_s)
    assert len(platform.calls) == calls
    assert time.monotonic() - began < 2  # nor is a turn waited for that comes too late
    assert len(result.waiting) == 1 - calls


def test_who_looks_in_asks_once(ledger: Ledger) -> None:
    start(ledger, Start(TWO, at=ago(60)))
    platform = Platform([RUNS])
    followed(ledger, platform, 0)
    assert len(platform.calls) == 1


def test_a_turn_that_comes_when_the_time_is_over_is_not_waited_for(ledger: Ledger) -> None:
    start(ledger, Start(TWO, at=ago(60)))
    family = family_key(ACCOUNT, "offers_status")
    taken = quota.ask(ledger, family, 1, window_ms=3_000)  # by another process, just now
    assert taken.slot is not None
    platform = Platform([DONE], said={"intervals": {"offers_status": 3.0}})
    began = time.monotonic()
    followed(ledger, platform, 0.2)
    assert platform.calls == []
    assert time.monotonic() - began < 2


def test_looks_keep_the_interval_of_their_family(ledger: Ledger) -> None:
    start(ledger, Start(TWO, at=ago(60)))
    platform = Platform([RUNS, RUNS, DONE], said={"intervals": {"offers_status": 0.2}})
    followed(ledger, platform)
    gaps = [after - before for before, after in zip(platform.at, platform.at[1:], strict=False)]
    assert len(gaps) == 2
    assert min(gaps) >= 0.2


def test_a_429_closes_the_family_for_every_process_and_nothing_else(ledger: Ledger) -> None:
    start(ledger, Start(TWO, at=ago(60)))
    slow = broken(429, Outcome.RETRYABLE, "slow down", retry_after_s=30.0)
    platform = Platform([slow, DONE], said={"intervals": {"offers_status": 0.01}})
    result = followed(ledger, platform, 0.2)
    assert len(platform.calls) == 1
    assert len(result.waiting) == 1
    assert quota.closed_for(ledger, family_key(ACCOUNT, "offers_status")) > 20_000
    assert quota.closed_for(ledger, ACCOUNT) == 0


@pytest.mark.parametrize("family", ["", "offers_status", "offers_report"])
def test_nothing_is_asked_for_within_a_silence_that_lasts_longer_than_the_wait(
    ledger: Ledger, family: str
) -> None:
    start(ledger, Start(TWO, at=ago(60)))
    quota.close_account(ledger, family_key(ACCOUNT, family), 1_800_000, "HTTP 429")
    said = {"intervals": {"offers_status": 0.001, "offers_report": 0.001}}
    platform = Platform([ERRORS], said=said)
    began = time.monotonic()
    result = followed(ledger, platform, 10)
    assert time.monotonic() - began < 2
    assert [call[0] for call in platform.calls] == (["status"] if "report" in family else [])
    assert len(result.waiting) == 1
    assert "asked us to stay away" in result.closed


def test_a_platform_that_refuses_to_tell_is_left_alone_until_the_next_run(ledger: Ledger) -> None:
    start(ledger, Start(TWO, at=ago(60)))
    platform = Platform([broken(403, Outcome.REFUSED, "not yours")])
    result = followed(ledger, platform)
    assert len(platform.calls) == imports.REFUSED_AT_MOST
    assert len(result.waiting) == 1


def test_a_run_that_is_stopped_leaves_imports_to_the_next(ledger: Ledger) -> None:
    key = start(ledger, Start(TWO, at=ago(60)))
    stop = Stop()
    platform = Platform([RUNS], said={"intervals": {"offers_status": 30.0}})

    def interrupt(point: str) -> None:
        stop.set("interrupted by SIGTERM")

    began = time.monotonic()
    result = followed(ledger, platform, 60, stop=stop, observe=interrupt)
    assert time.monotonic() - began < 2
    assert result.stopped == "interrupted by SIGTERM"
    assert [one.key for one in result.waiting] == [key]
    (left,) = open_imports(ledger, ACCOUNT)
    assert left.looks == 1


def test_the_points_of_an_end_are_told_in_order(ledger: Ledger) -> None:
    start(ledger, Start(TWO, at=ago(60)))
    told: list[str] = []
    followed(ledger, Platform([ERRORS]), observe=told.append)
    assert tuple(told) == POINTS
