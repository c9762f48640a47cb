"""How many random days are lived, on which platform and engine: always the same ones in the tests,
others each time in `make chaos`. What a day is made of is `machine`.
"""

from __future__ import annotations

from typing import Any, cast

import hypothesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from marketsync_dagster_tests.ledgers import ENGINES, Engine
from marketsync_dagster_tests.projects import PLATFORMS
from marketsync_dagster_tests.proof.machine import Channel, steps

STEPS_PER_DAY = 25


def channel_on(platform: str, engine: Engine) -> type[Channel]:
    """The machine of one platform and engine."""
    return type(f"{platform} on {engine}", (Channel,), {"platform": platform, "engine": engine})


def run_days(platform: str, days: int, seed: int | None = None, engine: Engine = "sqlite") -> None:
    """`days` days of STEPS_PER_DAY steps at most; always the same ones unless `seed` is given."""
    machine = channel_on(platform, engine)

    def day() -> Channel:
        return machine()

    factory = cast("Any", day if seed is None else hypothesis.seed(seed)(day))
    run_state_machine_as_test(
        factory,
        settings=settings(
            max_examples=days,
            stateful_step_count=STEPS_PER_DAY,
            derandomize=seed is None,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )


def live(wanted: int, seed: int) -> list[str]:
    """At least `wanted` steps over platforms and engines; what broke, in words."""
    faults = []
    share = -(-wanted // (len(PLATFORMS) * len(ENGINES)))
    for platform in PLATFORMS:
        for engine in ENGINES:
            steps.clear()
            round_ = 0
            while steps["steps"] < share and not faults:
                days = -(-(share - steps["steps"]) // STEPS_PER_DAY)
                try:
                    run_days(platform, days, seed + round_, engine)
                except AssertionError as error:
                    notes = "\n".join([str(error), *getattr(error, "__notes__", [])])
                    faults.append(f"{platform}, {engine}, seed {seed + round_}: {notes}")
                round_ += 1
            print(f"{platform:11} {engine:11} {dict(steps)}, {len(faults)} faults", flush=True)
    return faults
