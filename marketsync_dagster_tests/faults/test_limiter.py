"""The short form of the limiter's proof in `make chaos`: four processes, one account."""

from __future__ import annotations

from pathlib import Path

import pytest

from marketsync_dagster_tests.faults.limiter import calls_of, most_within
from marketsync_dagster_tests.ledgers import ENGINES, Engine
from marketsync_dagster_tests.projects import make_project, some_rows
from marketsync_dagster_tests.sandbox_process import SandboxProcess

WINDOW_S, PER_WINDOW, EACH = 1.5, 6, 4


@pytest.mark.parametrize("engine", ENGINES)
def test_four_processes_never_call_more_often_than_the_quota_as_the_platform_counts(
    engine: Engine, tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    bed = make_project(
        tmp_path, fresh_sandbox, rows=some_rows(5), platforms=["pasons"], engine=engine
    )
    times = calls_of(bed, EACH, PER_WINDOW, window_ms=int(WINDOW_S * 1000))
    assert len(times) == 4 * EACH
    assert most_within(times, WINDOW_S) <= PER_WINDOW
    # and the quota is used: sixteen calls need no more than two waits
    assert times[-1] - times[0] < 15
