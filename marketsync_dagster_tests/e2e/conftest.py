"""Fixtures of the tests over a real deployment: it is started once, by the worker that needs it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from marketsync_dagster_tests.e2e.deployment import Deployment
from marketsync_dagster_tests.e2e.graphql import wait_for

SCHEDULE = "full_sync_schedule"


@dataclass(frozen=True, slots=True)
class FirstTick:
    """The first tick of the schedule, and what a tick would have done while its run went on."""

    run: dict[str, Any]
    runs: list[dict[str, Any]]
    meanwhile: dict[str, Any]


@dataclass(slots=True)
class Started:
    """A deployment whose schedule is switched on; `state` switches it off."""

    deployment: Deployment
    state: str


@pytest.fixture(scope="session")
def _started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    with Deployment(tmp_path_factory.mktemp("deployment")) as deployment:
        # a tick may be a minute away: tests that need no run go first, and shorten the wait
        yield Started(deployment, deployment.dagster.start_schedule(SCHEDULE))


@pytest.fixture(scope="session")
def deployment(_started: Started) -> Deployment:
    """The deployment, perhaps before its first run."""
    return _started.deployment


@pytest.fixture(scope="session")
def first_tick(_started: Started) -> FirstTick:
    """The schedule has run once, and is switched off again."""
    dagster = _started.deployment.dagster
    wait_for("the first tick", lambda: dagster.runs(dagster__schedule_name=SCHEDULE) or None)
    meanwhile = dagster.tick_now(SCHEDULE)
    dagster.stop_schedule(SCHEDULE, _started.state)
    runs = dagster.runs(dagster__schedule_name=SCHEDULE)
    run = dagster.succeeded(runs[-1]["runId"])
    return FirstTick(run, runs, meanwhile)


@pytest.fixture
def synced(deployment: Deployment, first_tick: FirstTick) -> Deployment:
    """The deployment after its first run: all platforms show their feeds."""
    assert first_tick.run["status"] == "SUCCESS"
    return deployment
