"""The stage `<platform>/price_feed`: what the platform should show for each outlet."""

from __future__ import annotations

from collections.abc import Sequence

from marketsync_dagster.catalog.feed import build_feed
from marketsync_dagster.catalog.schemas import FEED, validate
from marketsync_dagster.config.settings import Channel
from marketsync_dagster.stages.catalog import CATALOG_KEY
from marketsync_dagster.stages.mapping import mapping_key
from marketsync_dagster.stages.offers import offers_key, offers_stamp
from marketsync_dagster.stages.project import (
    Numbers,
    Project,
    StageResult,
    each_outlet,
    fingerprint,
)
from marketsync_dagster.stages.reserved import reserved_of
from marketsync_dagster.values.outcomes import StockStatus

NO_CHANNEL = "no channel"


def stage_name(platform: str) -> str:
    return f"{platform}_price_feed"


def feed_key(platform: str) -> tuple[str, str]:
    return (platform, "price_feed")


def build_feeds(project: Project, platform: str, outlets: Sequence[str]) -> list[StageResult]:
    """Make each outlet's FEED frame: mapped rows with the channel's price and stock status."""
    channels = project.settings.channels_of(platform)

    def work(outlet: str) -> StageResult:
        channel = channels.get(outlet)
        if channel is None:
            return StageResult(outlet, True, NO_CHANNEL)
        return _build(project, platform, outlet, channel)

    return each_outlet(project, stage_name(platform), outlets, work)


def _build(project: Project, platform: str, outlet: str, channel: Channel) -> StageResult:
    catalog_stamp = project.frames.stamp(CATALOG_KEY, outlet)
    mapping_stamp = project.frames.stamp(mapping_key(platform), outlet)
    stamp = project.frames.stamp(feed_key(platform), outlet)
    offered = offers_stamp(project, platform, outlet, channel)
    reserved = reserved_of(project, outlet)
    inputs = fingerprint(
        catalog_stamp.fingerprint if catalog_stamp else "",
        mapping_stamp.fingerprint if mapping_stamp else "",
        channel.pricing.model_dump(mode="json"),
        channel.stock.model_dump(mode="json"),
        *((offered.fingerprint,) if offered else ()),
        *((sorted(reserved.items()),) if reserved else ()),
    )
    if stamp and stamp.inputs == inputs:
        return StageResult(outlet, True, "unchanged", numbers=dict(stamp.numbers))
    catalog = project.frames.read(CATALOG_KEY, outlet)
    mapping = project.frames.read(mapping_key(platform), outlet)
    offers = project.frames.read(offers_key(platform), outlet) if offered else None
    feed = build_feed(catalog, mapping, channel, offers, reserved)
    validate(FEED, feed, what=f"the {platform} price feed of {outlet}")
    statuses = feed["stock_status"].value_counts()
    numbers: Numbers = {
        "rows": len(feed),
        "catalog_rows": len(catalog),
        "unmapped": len(catalog) - len(feed),
    }
    if project.settings.order_sources():
        numbers["reserved"] = sum(reserved.values())
    numbers |= {status.value: int(statuses.get(status.value, 0)) for status in StockStatus}
    project.frames.write(feed_key(platform), outlet, feed, inputs=inputs, numbers=numbers)
    return StageResult(outlet, True, "done", numbers=numbers)
