"""What the sensors decide, from what was seen and remembered."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from marketsync_dagster.automation.cores import (
    MAX_ATTEMPTS,
    Asked,
    Decision,
    Sighting,
    Tried,
    Waiting,
    in_few_runs,
    new_extracts,
    pause_after,
    pending_retries,
)

NEW = Sighting(name="w.csv", mark="m1", settled=True, sha256="aa")


def look(seen: Sighting, memory: dict[str, Asked], now: float = 100.0) -> Decision:
    return new_extracts({"westlands": seen}, memory, now)


def test_a_new_file_asks_for_a_run_of_its_outlet_once() -> None:
    first = look(NEW, {})
    (launch,) = first.launches
    assert launch.outlet == "westlands"
    assert launch.run_key.startswith("new_extract:westlands:")
    assert launch.run_key.endswith(":1")
    assert look(replace(NEW, sha256="", run="active"), first.memory).launches == []


def test_a_changed_file_asks_again_under_another_key() -> None:
    first = look(NEW, {})
    second = look(replace(NEW, mark="m2", sha256="bb"), first.memory)
    assert second.launches[0].run_key != first.launches[0].run_key


def test_an_old_content_that_comes_back_is_news_again() -> None:
    """Friday's file on Monday: Dagster would never start the same key twice."""
    first = look(NEW, {})
    second = look(replace(NEW, mark="m2", sha256="bb"), first.memory)
    third = look(replace(NEW, mark="m3", accepted="bb"), second.memory)
    assert third.launches[0].run_key != first.launches[0].run_key


def test_a_file_whose_content_is_in_force_asks_for_nothing() -> None:
    decision = look(replace(NEW, accepted="aa"), {})
    assert decision.launches == []
    assert look(replace(NEW, sha256=""), decision.memory).launches == []


def test_a_file_that_is_still_written_is_waited_for_and_then_taken() -> None:
    waiting = look(replace(NEW, settled=False, sha256=""), {})
    assert waiting.launches == []
    assert waiting.reasons == ["westlands: w.csv is still being written"]
    assert len(look(NEW, waiting.memory).launches) == 1


def test_a_directory_that_cannot_be_listed_is_a_reason_and_not_no_files() -> None:
    decision = look(Sighting(problem="extracts/w cannot be listed: no such directory"), {})
    assert decision.launches == []
    assert decision.reasons == ["westlands: extracts/w cannot be listed: no such directory"]


def test_one_outlets_trouble_is_not_anothers() -> None:
    decision = new_extracts({"a": Sighting(problem="gone"), "b": NEW}, {}, 0.0)
    assert [launch.outlet for launch in decision.launches] == ["b"]


def test_a_run_that_ended_without_a_verdict_is_asked_for_again_after_a_pause() -> None:
    first = look(NEW, {}, now=100.0)
    lost = replace(NEW, sha256="", run="lost")
    soon = look(lost, first.memory, now=110.0)
    assert soon.launches == []
    assert soon.reasons == ["westlands: tried again in 20 s"]
    later = look(lost, first.memory, now=131.0)
    assert later.launches[0].run_key == first.launches[0].run_key[:-1] + "2"


def test_a_run_that_keeps_ending_early_is_given_up_and_said() -> None:
    memory: dict[str, Any] = {}
    decision = look(NEW, memory, now=0.0)
    now, launches = 0.0, 1
    for _ in range(20):
        now += 10_000
        decision = look(replace(NEW, sha256="", run="lost"), decision.memory, now)
        launches += len(decision.launches)
        if decision.reasons:
            break
    assert launches == MAX_ATTEMPTS
    assert decision.reasons == ["westlands: 5 runs for w.csv ended early; not tried again"]
    # a new file starts afresh
    assert look(replace(NEW, mark="m9", sha256="cc"), decision.memory, now).launches


def test_a_run_that_went_through_is_not_repeated_even_if_the_file_was_bad() -> None:
    first = look(NEW, {})
    judged = look(replace(NEW, sha256="", run="judged"), first.memory)
    assert judged.launches == []
    assert look(replace(NEW, sha256="", run="lost"), judged.memory, 1e9).launches == []


def test_the_pauses_double_up_to_an_hour() -> None:
    assert [pause_after(n) for n in (1, 2, 3)] == [30, 60, 120]
    assert pause_after(50) == 3600


ROWS = Waiting("kisumu", "pasons", rows=3, last_push="p1")


def test_rows_that_must_go_again_are_pushed_with_growing_pauses() -> None:
    first = pending_retries([ROWS], {}, 0.0)
    assert first.launches[0].run_key == "pending_retries:pasons:kisumu:after-p1:1"
    assert first.launches[0].platform == "pasons"
    assert pending_retries([ROWS], first.memory, 29.0).launches == []
    second = pending_retries([replace(ROWS, last_push="p2")], first.memory, 31.0)
    assert second.launches[0].run_key == "pending_retries:pasons:kisumu:after-p2:2"
    assert pending_retries([ROWS], second.memory, 31.0 + 59).launches == []
    assert len(pending_retries([ROWS], second.memory, 31.0 + 61).launches) == 1


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"rows": 0, "imports": 1}, "1 import to be asked for"),
        ({"imports": 1}, "3 rows must go again"),
        ({"imports": 1, "plan": "pl-7"}, "approved plan pl-7"),
    ],
)
def test_a_run_says_what_it_is_for(change: dict[str, Any], why: str) -> None:
    (launch,) = pending_retries([replace(ROWS, **change)], {}, 0.0).launches
    assert launch.why == why


def test_a_channel_with_nothing_left_is_forgotten() -> None:
    first = pending_retries([ROWS], {}, 0.0)
    assert pending_retries([], first.memory, 1.0).memory == {}


def test_an_approved_plan_goes_at_once_even_without_auto_push() -> None:
    tried = {"pasons/kisumu": Tried(attempt=4, at=99.0, rows=3)}
    plan = replace(ROWS, plan="pl-7", automatic=False)
    decision = pending_retries([plan], tried, 100.0)
    assert decision.launches[0].run_key == "pending_retries:pasons:kisumu:plan-pl-7:1"
    again = pending_retries([plan], decision.memory, 131.0)
    assert again.launches[0].run_key.endswith(":2")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"automatic": False}, "3 rows wait for a person: auto_push is off"),
        ({"automatic": False, "rows": 1}, "1 row waits for a person: auto_push is off"),
        ({"paused": "paused until resumed by amina (x)"}, "paused until resumed by amina (x)"),
        ({"paused": "paused by amina", "plan": "plan-1"}, "paused by amina"),
        ({"closed_for": 60.0}, "the platform asked us to stay away until 1970-01-01T00:01:00Z"),
        ({"busy": "run 1a2b is queued"}, "run 1a2b is queued"),
        ({"busy": "run 1a2b is queued", "plan": "pl-7"}, "run 1a2b is queued"),
        (
            {"automatic": False, "rows": 0, "imports": 2},
            "2 imports to be asked for by a person: auto_push is off",
        ),
    ],
)
def test_what_is_not_pushed_says_why(change: dict[str, Any], reason: str) -> None:
    decision = pending_retries([replace(ROWS, **change)], {}, 0.0)
    assert decision.launches == []
    assert decision.reasons == [f"pasons/kisumu: {reason}"]


def sights(*outlets: str, source: str = "chain", name: str = "all.csv") -> dict[str, Sighting]:
    seen = Sighting(name=name, mark="m1", settled=True, source=source)
    return dict.fromkeys(outlets, seen)


def test_a_file_of_two_hundred_outlets_asks_for_one_run() -> None:
    every = [f"o{number:03}" for number in range(200)]
    decision = new_extracts(sights(*every), {}, 100.0)
    (run,) = in_few_runs(decision, sights(*every), every)
    assert run[:2] == ("o000", "o199")
    assert run[2].why == "new file all.csv"
    assert {asked.run_key for asked in decision.memory.values()} == {run[2].run_key}
    lost = {name: replace(seen, run="lost") for name, seen in sights(*every).items()}
    again = new_extracts(lost, decision.memory, 1e6)
    (second,) = in_few_runs(again, lost, every)
    assert second[2].run_key != run[2].run_key


def test_outlets_with_directories_of_their_own_get_runs_of_their_own() -> None:
    every = ["a", "b", "c", "d", "e"]
    seen = sights("a", "b", source="") | sights("c", "d", "e")
    decision = new_extracts(seen, {"d": Asked(mark="m1")}, 100.0)
    runs = in_few_runs(decision, seen, every)
    # d needs nothing, and stands between two of its own source
    assert [run[:2] for run in runs] == [("a", "a"), ("b", "b"), ("c", "e")]


def test_a_run_does_not_reach_over_outlets_of_another_source() -> None:
    every = ["a", "b", "c"]
    seen = sights("a", "c") | sights("b", source="other")
    decision = new_extracts(seen, {"b": Asked(mark="m1")}, 100.0)
    assert [run[:2] for run in in_few_runs(decision, seen, every)] == [("a", "a"), ("c", "c")]


def test_what_is_wrong_with_a_source_is_said_once() -> None:
    seen = dict.fromkeys("abc", Sighting(problem="cannot be listed", source="chain"))
    assert new_extracts(seen, {}, 0.0).reasons == ["chain: cannot be listed"]
    young = dict.fromkeys("abc", Sighting(name="x.csv", mark="m", source="chain"))
    assert new_extracts(young, {}, 0.0).reasons == ["chain: x.csv is still being written"]


def test_a_file_that_was_not_hashed_is_not_taken_for_the_one_in_force() -> None:
    assert len(look(replace(NEW, sha256=""), {}).launches) == 1
