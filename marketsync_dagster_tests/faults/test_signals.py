"""SIGTERM and SIGINT in the middle of a push: what is in flight ends, the rest goes next time."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from marketsync_dagster_tests.faults import kills
from marketsync_dagster_tests.projects import FULL, MIRAKL, PLATFORMS, make_project, some_rows
from marketsync_dagster_tests.sandbox_process import SandboxProcess


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_push_soon_and_in_order(
    number: signal.Signals, platform: str, tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    bed = make_project(tmp_path, fresh_sandbox, rows=some_rows(120), platforms=[platform], batch=5)
    fresh_sandbox.settings(delay_ms=200)
    before = fresh_sandbox.last_request()
    child = kills.start(bed.place, platform, bed.outlets, options=FULL)
    deadline = time.monotonic() + 10
    while fresh_sandbox.last_request() < before + 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    asked = time.monotonic()
    assert child.pid
    os.kill(child.pid, number)

    code = kills.ended(child)

    assert time.monotonic() - asked < 2
    assert code in (-number, 1)  # as if nobody had caught it
    answered = [request for request in bed.writes(0) if request["status"] == 200]
    assert len(answered) < 24
    (push,) = bed.pushes()
    assert push["state"] == "interrupted"
    assert f"interrupted by {number.name}" in push["response_message"]
    assert push["applied"] == 5 * len(answered)
    assert push["retryable"] == 120 - push["applied"]
    assert bed.unaccounted() == []

    fresh_sandbox.settings(delay_ms=0)
    result = bed.sync(platform).one

    assert result.ok, result
    assert result.numbers["applied"] == push["retryable"]
    assert bed.differences(platform) == {}


def test_a_signal_ends_the_wait_for_an_imports_turn_and_leaves_what_was_handed_over(
    tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    """The second import would go out a minute later, and the first has not ended."""
    shop, rows = {"processing_s": 30}, some_rows(20)
    outlets = ["kisumu", "westlands"]
    bed = make_project(
        tmp_path, fresh_sandbox, rows=rows, outlets=outlets, platforms=[MIRAKL], batch=20, shop=shop
    )
    bed.configure(lambda said: said["accounts"][MIRAKL]["calls"].update(offers_s=60))
    child = kills.start(bed.place, MIRAKL, outlets, options=FULL)
    deadline = time.monotonic() + 20
    while not fresh_sandbox.mirakl("imports"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    asked = time.monotonic()
    assert child.pid
    os.kill(child.pid, signal.SIGTERM)

    code = kills.ended(child)

    assert time.monotonic() - asked < 3
    assert code in (-signal.SIGTERM, 1)
    ended = {(p["outlet"], p["state"], p["accepted_async"], p["retryable"]) for p in bed.pushes()}
    assert ended == {("kisumu", "interrupted", 20, 0), ("westlands", "interrupted", 0, 20)}
    assert bed.unaccounted() == []

    account = bed.document["accounts"][MIRAKL]
    account["calls"]["offers_s"] = account["imports"]["wait_s"] = 0
    bed.configure(lambda _: None)
    fresh_sandbox.clock(60)
    found = bed.sync(MIRAKL).stages["mirakl_listings"]

    assert all(result.ok for result in found.values()), found
    assert found["kisumu"].state == "unchanged"
    fresh_sandbox.clock(120)
    bed.sync(MIRAKL)
    assert all(bed.differences(MIRAKL, outlet) == {} for outlet in outlets)
    assert len(fresh_sandbox.mirakl("imports", kind="OF24")) == 2
