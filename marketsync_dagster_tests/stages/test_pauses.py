"""A paused channel: nothing is sent, nothing is red, every row is accounted for, and all of it
goes out afterwards."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from marketsync_dagster.assets import findings
from marketsync_dagster.ledger import pauses
from marketsync_dagster.ledger.plans import get_plan
from marketsync_dagster.ledger.states import states_at
from marketsync_dagster.push import decisions
from marketsync_dagster.push.plan import PlanOptions
from marketsync_dagster.stages import holding
from marketsync_dagster.stages.explain import explain
from marketsync_dagster.stages.preview import preview
from marketsync_dagster.stages.products import push_products
from marketsync_dagster.values.times import utcnow
from marketsync_dagster_tests.projects import (
    EXTRACT_COLUMNS,
    FULL,
    PARTIAL,
    PLATFORMS,
    TestBed,
    make_project,
    repriced,
    some_rows,
)
from marketsync_dagster_tests.sandbox_process import SandboxProcess

ROWS = some_rows(40)
DEARER = [*repriced(ROWS[:3], lambda price: price + 1), *ROWS[3:]]
TOLD = "paused until resumed by amina (stocktaking)"


@pytest.fixture
def platform(request: pytest.FixtureRequest) -> str:
    return getattr(request, "param", "pasons")


ON_EACH = pytest.mark.parametrize("platform", PLATFORMS, indirect=True)


@pytest.fixture
def bed(platform: str, tmp_path: Path, fresh_sandbox: SandboxProcess) -> TestBed:
    bed = make_project(tmp_path, fresh_sandbox, rows=ROWS, platforms=[platform])
    assert bed.sync(platform, FULL).one.ok
    return bed


def pause(bed: TestBed, outlet: str | None = "westlands", **said: Any) -> None:
    said = {"platform": None, "by": "amina", "reason": "stocktaking", **said}
    with bed.run() as project:
        pauses.pause(project.ledger, outlet=outlet, **said)


def resume(bed: TestBed) -> None:
    with bed.run() as project:
        assert pauses.resume(project.ledger, outlet=None, platform=None, by="amina")


CHOICES = [PARTIAL, FULL, PlanOptions("partial", skus=("00001",)), PlanOptions(fields=("stock",))]


@ON_EACH
@pytest.mark.parametrize("options", CHOICES, ids=["partial", "full", "by name", "stock"])
def test_nothing_is_sent_while_a_channel_is_paused_and_what_differs_afterwards(
    options: PlanOptions, platform: str, bed: TestBed
) -> None:
    bed.write_extract(DEARER)
    pause(bed)
    plans, number = bed.table("plan", "created_at"), bed.sandbox.last_request()

    result = bed.sync(platform, options).one

    assert bed.sandbox.requests(number) == []
    assert (result.ok, result.state, result.reason) == (True, "paused", TOLD)
    assert result.next_step == "marketsync resume --outlet westlands"
    numbers = result.numbers
    left = ("unmapped", "held", "unchanged", "deselected", "sent")
    assert sum(numbers[name] for name in left) == numbers["catalog_rows"] == 40
    assert (numbers["deselected"] >= 3, numbers["sent"], numbers["held"]) == (True, 0, 0)
    assert bed.table("plan", "created_at") == plans
    with bed.run() as project:
        shown = preview(project, "westlands", platform, options)
        assert shown.counts()["sent"] == 0
        assert shown.deselected[TOLD] == len(shown.rows)
        assert explain(project, "westlands", platform, "00001")["paused"] == TOLD

    resume(bed)

    assert bed.sync(platform).one.numbers["applied"] == 3
    assert bed.differences(platform) == {}


def test_a_channel_with_nothing_to_say_is_paused_too_and_settled_afterwards(
    platform: str, bed: TestBed
) -> None:
    assert bed.sync(platform).one.state == "unchanged"
    pause(bed)
    result = bed.sync(platform).one
    assert (result.ok, result.state, result.numbers["unchanged"]) == (True, "paused", 40)
    resume(bed)
    assert bed.sync(platform).one.state == "unchanged"


@pytest.mark.parametrize(
    ("outlet", "of", "paused"),
    [(None, None, True), (None, "this", True), (None, "other", False), ("kisumu", None, False)],
)
def test_a_pause_is_for_what_it_names(
    outlet: str | None, of: str | None, paused: bool, platform: str, bed: TestBed
) -> None:
    other = next(name for name in PLATFORMS if name != platform)
    pause(bed, outlet, platform={"this": platform, "other": other, None: None}[of])
    bed.write_extract(DEARER)
    assert (bed.sync(platform).one.state == "paused") == paused


def test_a_pause_ends_by_itself(platform: str, bed: TestBed) -> None:
    bed.write_extract(DEARER)
    pause(bed, until=utcnow() + timedelta(seconds=1.5))
    assert bed.sync(platform).one.state == "paused"
    time.sleep(1.6)
    assert bed.sync(platform).one.state == "pushed"
    assert bed.differences(platform) == {}


def test_what_the_guard_would_hold_is_judged_after_the_pause(platform: str, bed: TestBed) -> None:
    bed.write_extract(repriced(ROWS, lambda price: price * 100))
    pause(bed)
    result = bed.sync(platform).one
    assert (result.ok, result.state, result.numbers["held"]) == (True, "paused", 0)
    resume(bed)
    assert (bed.sync(platform).one.ok, bed.sync(platform).one.state) == (False, "held again")


def approved_plan(bed: TestBed, platform: str) -> str:
    bed.write_extract(repriced(ROWS, lambda price: price + 1))
    plan_id = bed.sync(platform).planned[0].plan_id
    extract = max(bed.table("extract", "extract_time"), key=lambda r: r["extract_time"])["id"]
    with bed.run() as project:
        decisions.approve(project.ledger, plan_id, "otieno", "price list", extract)
    return plan_id


def test_an_approved_plan_waits_for_the_end_of_the_pause(platform: str, bed: TestBed) -> None:
    plan_id = approved_plan(bed, platform)
    pause(bed)
    number = bed.sandbox.last_request()

    run = bed.sync(platform)

    result = run.one
    assert bed.sandbox.requests(number) == []
    assert (result.ok, result.state, run.planned[0].state) == (True, "paused", "paused")
    assert f"plan {plan_id}, approved by otieno: price list, waits" in result.reason
    resume(bed)
    assert bed.sync(platform).one.state == "pushed"
    assert bed.differences(platform) == {}


def test_an_approved_plan_whose_base_moves_during_the_pause_is_stale(
    platform: str, bed: TestBed
) -> None:
    plan_id = approved_plan(bed, platform)
    pause(bed)
    bed.sync(platform)
    bed.write_extract(DEARER)
    assert bed.sync(platform).one.state == "paused"
    resume(bed)
    assert bed.sync(platform).one.numbers["applied"] == 3
    with bed.run() as project:
        assert get_plan(project.ledger, plan_id).state == "stale"


def test_a_pause_between_plan_and_push_stops_the_push(platform: str, bed: TestBed) -> None:
    bed.write_extract(DEARER)
    number = bed.sandbox.last_request()

    def at(point: str) -> None:
        if point == "lease_taken":
            pause(bed)

    result = bed.sync(platform, observe=at).one

    assert bed.writes(number) == []
    assert (result.ok, result.state, result.numbers["deselected"]) == (True, "paused", 3)


@ON_EACH
def test_a_pause_stops_a_push_that_is_running_before_its_next_batches(
    platform: str, tmp_path: Path, fresh_sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding, "PAUSE_POLL_S", 0.05)
    bed = make_project(tmp_path, fresh_sandbox, rows=some_rows(120), platforms=[platform], batch=5)
    fresh_sandbox.settings(delay_ms=150)
    answered: list[str] = []

    def at(point: str) -> None:
        answered.extend([point] * (point == "answered"))
        if point == "answered" and len(answered) == 3:
            # in a thread of its own: the event loop goes on
            threading.Thread(target=pause, args=(bed,)).start()

    result = bed.sync(platform, FULL, observe=at).one

    fresh_sandbox.settings(delay_ms=0)
    assert (result.ok, result.state) == (True, "paused"), result
    assert TOLD in result.reason
    numbers = result.numbers
    went, waits = numbers["applied"], 120 - numbers["applied"]
    assert 15 <= went < 100
    assert (numbers["sent"], numbers["deselected"], numbers["retryable"]) == (went, waits, 0)
    assert f"{went} went out, {waits} wait for the end of the pause: {TOLD}" in result.reason
    (push,) = bed.pushes()
    assert (push["state"], push["status"]) == ("done", "partial")
    assert push["response_message"] == f"{went} of 120 rows went out; stopped: {TOLD}"
    assert bed.unaccounted() == []
    assert bed.sync(platform).one.state == "paused"

    resume(bed)

    assert bed.sync(platform).one.numbers["applied"] == waits
    assert bed.differences(platform) == {}


def test_no_products_are_offered_while_a_channel_is_paused(
    tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    rows = [replace(ROWS[0], cost="4006381333931"), *ROWS[1:]]
    columns = {**EXTRACT_COLUMNS, "barcode": "Cost"}
    columns.pop("cost")
    bed = make_project(
        tmp_path, fresh_sandbox, rows=rows, platforms=["tracker_ke"], extract={"columns": columns}
    )
    bed.sync("tracker_ke", FULL)
    pause(bed)
    number = fresh_sandbox.last_request()
    with bed.run() as project:
        (result,) = push_products(project, "tracker_ke", bed.outlets)
    assert fresh_sandbox.requests(number) == []
    assert (result.ok, result.state, result.reason) == (True, "paused", TOLD)
    resume(bed)
    with bed.run() as project:
        (result,) = push_products(project, "tracker_ke", bed.outlets)
    assert result.numbers["applied"] == 1
    assert fresh_sandbox.requests(number)


def test_the_check_of_every_outlet_tells_of_the_pause_and_is_no_fault(
    platform: str, bed: TestBed
) -> None:
    pause(bed)
    bed.sync(platform)
    stage = f"{platform}_listings"
    with bed.run() as project:
        found = findings.every_outlet(project, stage, bed.outlets)
        assert states_at(project.ledger, stage)["westlands"].state == "paused"
    assert found.passed
    assert found.sentence == f"0 of 1 outlets need attention; 1 paused: westlands ({TOLD})"
    assert [row["state"] for row in found.rows] == ["paused"]
    assert found.numbers == {"bad_outlets": 0, "outlets": 1, "paused": 1, "not_run_yet": 0}
