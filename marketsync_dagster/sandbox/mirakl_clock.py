"""What the clock alone does on Mirakl: imports end, orders are debited, refused or paid back."""

from __future__ import annotations

from marketsync_dagster.sandbox import mirakl_imports, mirakl_orders_life
from marketsync_dagster.sandbox.world import World


def advance(world: World) -> None:
    """Let everything go on that the clock allows to."""
    mirakl_imports.advance(world)
    mirakl_orders_life.advance(world)
