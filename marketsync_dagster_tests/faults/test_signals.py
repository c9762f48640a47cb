"""SIGTERM and SIGINT in the middle of a push: what is in flight ends, the rest goes next time."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from marketsync_dagster_tests.faults import kills
from marketsync_dagster_tests.projects import FULL, PLATFORMS, make_project, some_rows
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
