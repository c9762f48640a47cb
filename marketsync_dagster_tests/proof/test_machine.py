"""Random days of a channel, always the same ones: `make chaos` lives through many more."""

from __future__ import annotations

import pytest

from marketsync_dagster_tests.projects import PLATFORMS
from marketsync_dagster_tests.proof.days import run_days
from marketsync_dagster_tests.proof.machine import steps

DAYS = 13
STEPS = 250
"""At least so many on each platform: not every day is a full one."""


@pytest.mark.parametrize("platform", PLATFORMS)
def test_at_the_end_of_every_day_the_platform_shows_the_feed(
    platform: str, capsys: pytest.CaptureFixture[str]
) -> None:
    steps.clear()

    run_days(platform, DAYS)

    assert steps["days"] >= DAYS
    assert steps["steps"] >= STEPS
    assert steps["killed"] > 0
    with capsys.disabled():
        print(f"\n{platform}: {dict(steps)}")
