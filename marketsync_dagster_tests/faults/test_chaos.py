"""The short form of `make chaos`: random-time kills lose nothing."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from marketsync_dagster_tests.chaos import prepare, torment
from marketsync_dagster_tests.ledgers import Engine
from marketsync_dagster_tests.sandbox_process import SandboxProcess


@pytest.mark.parametrize(
    ("platform", "engine"), [("tracker_ke", "postgresql"), ("pasons", "sqlite")]
)
def test_eight_kills_at_random_times_lose_nothing(
    platform: str, engine: Engine, tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    seed = random.SystemRandom().randrange(10**6)
    bed = prepare(tmp_path, fresh_sandbox, platform, engine)

    chaos = torment(bed, platform, 8, random.Random(seed))

    assert chaos.lost == [], f"seed {seed}"
    assert chaos.killed >= 8
