"""A run of orders is SIGKILLed in the middle of what it does, and run again: no order is lost, and
nothing is there, or was done, twice.

The short form; `make chaos` has every named point on both engines.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from marketsync_dagster.orders.points import POINTS
from marketsync_dagster_tests.faults.order_points import ORDER_POINTS, SHORT, OrderPoint
from marketsync_dagster_tests.faults.order_scenes import kill_orders_and_mend
from marketsync_dagster_tests.ledgers import ENGINES, Engine
from marketsync_dagster_tests.sandbox_process import SandboxProcess


def test_every_moment_that_orders_name_is_killed_at() -> None:
    assert set(POINTS) <= {point.name for point in ORDER_POINTS}
    assert set(SHORT) <= set(ORDER_POINTS)


@pytest.mark.parametrize(
    ("point", "engine"),
    [(point, ENGINES[number % 2]) for number, point in enumerate(SHORT)],
    ids=lambda value: f"{value.scene} {value}" if isinstance(value, OrderPoint) else None,
)
def test_orders_survive_a_kill(
    point: OrderPoint, engine: Engine, tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    judged = kill_orders_and_mend(point, tmp_path, fresh_sandbox, engine)
    assert judged.clean, judged
    assert judged.runs <= 3
