"""Random days of orders, always the same ones: `make chaos` lives through many more."""

from __future__ import annotations

import pytest

from marketsync_dagster_tests.ledgers import ENGINES, Engine
from marketsync_dagster_tests.proof.order_machine import run_order_days, steps

DAYS = 1
"""On each engine."""


@pytest.mark.parametrize("engine", ENGINES)
def test_at_the_end_of_every_day_everybody_agrees_on_the_orders(
    engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    steps.clear()

    run_order_days(DAYS, engine, seed=7)

    assert steps["days"] >= DAYS
    assert steps["killed"] >= DAYS
    with capsys.disabled():
        print(f"\n{engine}: {dict(steps)}")
