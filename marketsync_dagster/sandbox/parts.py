"""The parts of the world that platforms bring themselves, a line each, and all channels."""

from __future__ import annotations

from marketsync_dagster.sandbox.mirakl_part import MiraklPart
from marketsync_dagster.sandbox.part import Part
from marketsync_dagster.sandbox.qikink_part import QikinkPart
from marketsync_dagster.sandbox.shown import PASONS, TRACKER

PARTS: dict[str, type[Part]] = {
    "mirakl": MiraklPart,
    "qikink": QikinkPart,
}
CHANNELS: tuple[str, ...] = (TRACKER, PASONS, *PARTS)
