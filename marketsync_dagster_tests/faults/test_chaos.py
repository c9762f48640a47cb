"""The short form of `make chaos`: random-time kills lose nothing."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from marketsync_dagster_tests.chaos import prepare, torment
from marketsync_dagster_tests.projects import PLATFORMS
from marketsync_dagster_tests.sandbox_process import SandboxProcess


@pytest.mark.parametrize("platform", PLATFORMS)
def test_eight_kills_at_random_times_lose_nothing(
    platform: str, tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    seed = random.SystemRandom().randrange(10**6)
    bed = prepare(tmp_path, fresh_sandbox, platform)

    chaos = torment(bed, platform, 8, random.Random(seed))

    assert chaos.lost == [], f"seed {seed}"
    assert chaos.killed > 0
