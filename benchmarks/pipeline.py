"""The product's stages one after the other, as every run has them, without Dagster."""

from __future__ import annotations

from collections.abc import Sequence

from marketsync_dagster.push.plan import PlanOptions
from marketsync_dagster.stages.catalog import build_catalogs
from marketsync_dagster.stages.channel_run import ChannelRun
from marketsync_dagster.stages.extract import extract_outlets
from marketsync_dagster.stages.feed import build_feeds
from marketsync_dagster.stages.listings import plan_outlets, push_plans, record_outlets
from marketsync_dagster.stages.mapping import map_outlets
from marketsync_dagster.stages.offers import offer_products
from marketsync_dagster.stages.project import Project, StageResult


class StageFailedError(RuntimeError):
    """A benchmark that does not do the work measures nothing."""


def good(results: Sequence[StageResult], count: int) -> None:
    """All outlets came through."""
    bad = [f"{result.outlet}: {result.state}: {result.reason}" for result in results
           if not result.ok]  # fmt: skip
    if bad or len(results) != count:
        raise StageFailedError(f"{len(results)} of {count} outlets; {'; '.join(bad[:3])}")


def up_to_feed(project: Project, outlets: Sequence[str], platforms: Sequence[str]) -> None:
    """Extract, catalog, and each platform's mapping and feed."""
    good(extract_outlets(project, outlets), len(outlets))
    good(build_catalogs(project, outlets), len(outlets))
    for platform in platforms:
        offer_products(project, platform, outlets)
        good(map_outlets(project, platform, outlets), len(outlets))
        good(build_feeds(project, platform, outlets), len(outlets))


def to_listings(
    project: Project, outlets: Sequence[str], platform: str, options: PlanOptions
) -> list[ChannelRun]:
    """Plan, push and record."""
    planned = plan_outlets(project, platform, outlets, options)
    pushed = push_plans(project, platform, planned, options)
    good(record_outlets(project, platform, pushed), len(outlets))
    return pushed
