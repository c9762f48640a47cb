"""Which requests a scenario is about, how often it fires, and what it reports."""

from __future__ import annotations

from typing import Any

import pytest

from marketsync_dagster_tests.sandbox.calls import (
    KEY,
    batch,
    item,
    price,
    push,
    seed_store,
    seed_tracker,
    tracker,
)
from marketsync_dagster_tests.sandbox_process import SandboxError, SandboxProcess


@pytest.fixture
def seeded(fresh_sandbox: SandboxProcess) -> SandboxProcess:
    seed_tracker(fresh_sandbox, plan="unlimited")
    seed_store(fresh_sandbox)
    seed_store(fresh_sandbox, store_id="018")
    return fresh_sandbox


def fail(sandbox: SandboxProcess, **how: Any) -> int:
    return sandbox.scenario("status", status=503, **how)


def statuses(sandbox: SandboxProcess, count: int) -> list[int]:
    return [batch(sandbox, price()).status for _ in range(count)]


def test_a_scenario_fires_once_if_not_told_otherwise(seeded: SandboxProcess) -> None:
    fail(seeded)
    assert statuses(seeded, 3) == [503, 200, 200]


def test_a_scenario_fires_so_many_times(seeded: SandboxProcess) -> None:
    fail(seeded, times=2)
    assert statuses(seeded, 3) == [503, 503, 200]


def test_a_scenario_fires_for_ever_until_it_is_removed(seeded: SandboxProcess) -> None:
    number = fail(seeded, times=None)
    assert statuses(seeded, 3) == [503, 503, 503]
    assert seeded.control("DELETE", f"/scenarios/{number}") == {"removed": True}
    assert seeded.control("DELETE", f"/scenarios/{number}") == {"removed": False}
    assert statuses(seeded, 1) == [200]


def test_a_scenario_waits_for_the_nth_matching_request(seeded: SandboxProcess) -> None:
    fail(seeded, match={"nth": 3, "path": "/prices/batch"})
    tracker(seeded, "GET", "/products")
    assert statuses(seeded, 4) == [200, 200, 503, 200]


def test_a_scenario_fires_at_every_nth_request(seeded: SandboxProcess) -> None:
    fail(seeded, match={"every": 2}, times=None)
    assert statuses(seeded, 5) == [200, 503, 200, 503, 200]


def test_chance_repeats_itself_after_a_reset(seeded: SandboxProcess) -> None:
    runs: list[list[int]] = []
    for _ in range(2):
        seeded.reset(keep_seed=True)
        seeded.settings(quota=False)
        fail(seeded, match={"probability": 0.5}, times=None)
        runs.append(statuses(seeded, 20))
    assert runs[0] == runs[1]
    assert {200, 503} == set(runs[0])
    seeded.settings(seed=7)
    assert statuses(seeded, 20) != runs[0]


@pytest.mark.parametrize(
    "how",
    [
        {"channel": "pasons"},
        {"account": "018"},
        {"channel": "pasons", "account": "018"},
        {"match": {"path": "/018/v1/inventory"}},
        {"match": {"path": "*/018/*"}},
        {"match": {"path": "/018/v1/inventory", "method": "post"}},
    ],
)
def test_a_scenario_leaves_other_requests_alone(
    seeded: SandboxProcess, how: dict[str, Any]
) -> None:
    fail(seeded, **how)
    assert batch(seeded, price()).status == 200
    assert push(seeded, [item()], "018").status == 503
    assert push(seeded, [item()], "018").status == 200


@pytest.mark.parametrize("account", [KEY, "mart"])
def test_a_tracker_account_is_named_by_key_or_supermarket(
    seeded: SandboxProcess, account: str
) -> None:
    seed_tracker(seeded, api_key="pk_live_other", supermarket_id="other")
    fail(seeded, account=account)
    assert batch(seeded, price(), headers={"Authorization": "Bearer pk_live_other"}).status == 200
    assert statuses(seeded, 1) == [503]


def test_a_scenario_may_ask_for_a_header(seeded: SandboxProcess) -> None:
    fail(seeded, match={"header": {"X-Run": "second*"}})
    headers = {"Authorization": f"Bearer {KEY}"}
    assert batch(seeded, price(), headers={**headers, "X-Run": "first"}).status == 200
    assert batch(seeded, price(), headers={**headers, "X-Run": "second run"}).status == 503


def test_scenarios_report_what_they_saw_and_did(seeded: SandboxProcess) -> None:
    number = fail(seeded, match={"nth": 2}, times=1)
    statuses(seeded, 3)
    (report,) = seeded.scenarios()
    assert (report["id"], report["seen"], report["fired"]) == (number, 3, 1)
    assert [entry["scenario"] for entry in seeded.requests()] == [None, number, None]


def test_the_first_of_two_scenarios_wins_and_the_other_waits(seeded: SandboxProcess) -> None:
    fail(seeded)
    seeded.scenario("status", status=502)
    assert statuses(seeded, 3) == [503, 502, 200]


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"action": "reset"},
        {"action": {"kind": "reset"}, "when": "now"},
        {"action": {"kind": "reset"}, "channel": "talabat"},
        {"action": {"kind": "reset"}, "account": 17},
        {"action": {"kind": "reset"}, "times": 0},
        {"action": {"kind": "reset"}, "times": True},
        {"action": {"kind": "reset"}, "match": []},
        {"action": {"kind": "reset"}, "match": {"nth": 0}},
        {"action": {"kind": "reset"}, "match": {"paths": "/x"}},
        {"action": {"kind": "reset"}, "match": {"path": 1}},
        {"action": {"kind": "reset"}, "match": {"probability": 2}},
        {"action": {"kind": "reset"}, "match": {"header": {"X": 1}}},
    ],
)
def test_a_scenario_that_makes_no_sense_is_refused(
    fresh_sandbox: SandboxProcess, document: Any
) -> None:
    with pytest.raises(SandboxError):
        fresh_sandbox.control("POST", "/scenarios", document)
    assert fresh_sandbox.scenarios() == []
