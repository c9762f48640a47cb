"""One push per channel at a time: the second waits and says for whom; the dead are followed."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import update

from marketsync_dagster.ledger import leases, listings, pushes
from marketsync_dagster.ledger import tables as t
from marketsync_dagster.push.recovery import recover
from marketsync_dagster.stages import holding
from marketsync_dagster.stages.channel_run import lease_name
from marketsync_dagster_tests.faults import kills
from marketsync_dagster_tests.projects import (
    FULL,
    PLATFORMS,
    TestBed,
    make_project,
    repriced,
    some_rows,
)
from marketsync_dagster_tests.sandbox_process import SandboxProcess

ROWS = some_rows(40)
TARGET = "pasons|127.0.0.1/pasons/store-westlands|"


@pytest.fixture
def bed(tmp_path: Path, fresh_sandbox: SandboxProcess) -> TestBed:
    return make_project(
        tmp_path,
        fresh_sandbox,
        rows=ROWS,
        platforms=["pasons"],
        guard={"max_changed_share": 1.0},
    )


def until(what: str, condition: object) -> None:
    """Wait until `condition()` is true, at most 10 s."""
    assert callable(condition)
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.02)


def test_a_busy_channel_is_skipped_and_the_holder_named(bed: TestBed) -> None:
    bed.sandbox.settings(delay_ms=500)
    before = bed.sandbox.last_request()
    child = kills.start(bed.place, "pasons", bed.outlets, options=FULL)
    until("the child sends", lambda: bed.sandbox.last_request() > before)

    run = bed.sync("pasons", FULL)

    assert (run.one.ok, run.one.state) == (False, "busy")
    assert f"process {child.pid}" in run.one.reason
    assert "channel westlands/pasons is held by run run-" in run.one.reason
    assert run.one.numbers["sent"] == run.one.numbers["calls"] == 0
    assert kills.ended(child) == 0
    bed.sandbox.settings(delay_ms=0)
    assert len(bed.writes(0)) == 4
    assert bed.differences("pasons") == {}


def test_a_second_run_waits_and_sends_only_what_is_left_to_say(bed: TestBed) -> None:
    bed.configure(lambda document: document.update(lease_wait_s=20))
    # slow enough for the second run to plan all rows once more
    bed.sandbox.settings(delay_ms=800)
    before = bed.sandbox.last_request()
    child = kills.start(bed.place, "pasons", bed.outlets, options=FULL)
    until("the child sends", lambda: bed.sandbox.last_request() > before)

    run = bed.sync("pasons")
    result = run.one

    assert run.planned[0].counts["sent"] > 0, "it planned too late: nothing is tested"
    assert kills.ended(child) == 0
    assert (result.ok, result.state) == (True, "unchanged")
    assert len(bed.writes(0)) == 4
    assert bed.differences("pasons") == {}


def test_a_run_with_nothing_to_say_waits_for_a_run_that_may_change_that(bed: TestBed) -> None:
    """Its price is the platform's already; the other run is just about to change it."""
    bed.configure(lambda document: document.update(lease_wait_s=20))
    # one batch, so that nothing is acknowledged while the second run plans
    bed.configure(lambda d: d["accounts"]["pasons_westlands"].update(request={"batch": 100}))
    assert bed.sync("pasons", FULL).one.ok
    bed.write_extract(repriced(ROWS, lambda price: price + 1))
    bed.sandbox.settings(delay_ms=900)
    before = bed.sandbox.last_request()
    child = kills.start(bed.place, "pasons", bed.outlets)
    until("the child sends", lambda: bed.sandbox.last_request() > before)
    bed.write_extract(ROWS)

    result = bed.sync("pasons").one

    assert kills.ended(child) == 0
    assert (result.ok, result.state) == (True, "pushed"), result
    assert bed.differences("pasons") == {}


def test_the_lease_of_a_killed_run_is_taken_over_at_once(bed: TestBed) -> None:
    kills.run_killed(bed.place, "pasons", bed.outlets, "answered", 2, FULL)
    with bed.run() as project:
        assert bed.table("lease", "name"), "the dead run left no lease: nothing is tested"
        started = time.monotonic()
        assert leases.holder_of(project.ledger, lease_name("westlands", "pasons")) is None

    assert bed.sync("pasons").one.ok
    assert time.monotonic() - started < 5
    assert bed.differences("pasons") == {}
    assert bed.unaccounted() == []


def test_a_push_that_lost_its_lease_stops_sending(
    bed: TestBed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding, "LEASE_S", 0.6)  # renewed three times as often: not by luck
    bed.sandbox.settings(delay_ms=250)
    seen = 0

    def steal(point: str) -> None:
        nonlocal seen
        seen += point == "answered"
        if point == "answered" and seen == 1:
            with bed.run() as project, project.ledger.begin() as connection:
                connection.execute(update(t.lease).values(token="another", holder="run other"))

    result = bed.sync("pasons", FULL, observe=steal).one

    assert not result.ok
    assert "run other took it over" in result.reason
    assert len(bed.writes(0)) < 4
    assert result.numbers["retryable"] > 0


def test_a_push_whose_lease_cannot_be_renewed_stops_in_time(
    bed: TestBed, monkeypatch: pytest.MonkeyPatch
) -> None:
    from marketsync_dagster.values.errors import LedgerError

    def no_ledger(*_: object) -> None:
        raise LedgerError("the ledger is away")

    monkeypatch.setattr(holding, "LEASE_S", 0.15)
    monkeypatch.setattr(holding.leases, "renew", no_ledger)
    bed.sandbox.settings(delay_ms=70)

    result = bed.sync("pasons", FULL).one

    assert not result.ok
    assert "ran out before it could be renewed" in result.reason
    assert 0 < len(bed.writes(0)) < 4


def test_one_channel_that_loses_its_lease_does_not_stop_the_others(
    tmp_path: Path, fresh_sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    bed = make_project(
        tmp_path, fresh_sandbox, rows=ROWS, platforms=["pasons"], outlets=["kisumu", "westlands"]
    )
    monkeypatch.setattr(holding, "LEASE_S", 0.15)
    fresh_sandbox.settings(delay_ms=60)
    done = threading.Event()

    def steal(point: str) -> None:
        if point == "answered" and not done.is_set():
            done.set()
            with bed.run() as project, project.ledger.begin() as connection:
                mine = t.lease.c.name == lease_name("kisumu", "pasons")
                connection.execute(
                    update(t.lease).where(mine).values(token="another", holder="run other")
                )

    run = bed.sync("pasons", FULL, observe=steal)

    assert not run.listing("kisumu").ok
    assert run.listing("westlands").ok, run.listing("westlands")
    assert bed.differences("pasons", "westlands") == {}


def test_a_stalled_run_that_was_followed_writes_nothing_over_its_successor(
    bed: TestBed,
) -> None:
    """Its push was ended by another run: no new batch, and a late answer counts as unknown."""
    seen = 0

    def follow(point: str) -> None:
        nonlocal seen
        seen += point == "answered"
        if point == "answered" and seen == 1:
            with bed.run() as project:
                assert recover(project.ledger, "westlands", "pasons", TARGET)

    result = bed.sync("pasons", FULL, observe=follow).one

    assert (result.ok, result.state) == (False, "busy")
    assert "took the channel over" in result.reason
    (push,) = bed.pushes()
    assert push["state"] == "interrupted"
    with bed.run() as project:
        assert listings.count_pending(project.ledger, "westlands", "pasons") == 40
        assert pushes.open_pushes(project.ledger, "westlands", "pasons") == []
    assert bed.sync("pasons").one.ok
    assert bed.differences("pasons") == {}
    assert bed.unaccounted() == []


def test_a_plan_that_another_run_superseded_is_made_again_under_the_lease(bed: TestBed) -> None:
    from marketsync_dagster.stages import catalog, extract, feed, mapping
    from marketsync_dagster.stages import listings as stage

    with bed.run() as project:
        extract.extract_outlets(project, bed.outlets)
        catalog.build_catalogs(project, bed.outlets)
        mapping.map_outlets(project, "pasons", bed.outlets)
        feed.build_feeds(project, "pasons", bed.outlets)
        mine = stage.plan_outlets(project, "pasons", bed.outlets, FULL)
        with bed.run() as other:
            stage.plan_outlets(other, "pasons", bed.outlets, FULL)
        pushed = stage.push_plans(project, "pasons", mine, FULL)
        (result,) = stage.record_outlets(project, "pasons", pushed)

    assert (result.ok, result.state) == (True, "pushed"), result
    assert bed.differences("pasons") == {}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_two_runs_at_once_end_with_the_feed_shown(
    platform: str, tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    bed = make_project(tmp_path, fresh_sandbox, rows=ROWS, platforms=[platform], lease_wait_s=20)
    bed.sync(platform, FULL)
    bed.write_extract(repriced(ROWS[:10], lambda price: price + 1) + ROWS[10:])

    children = [kills.start(bed.place, platform, bed.outlets) for _ in range(2)]

    assert [kills.ended(child) for child in children] == [0, 0]
    assert bed.differences(platform) == {}
    assert bed.unaccounted() == []
