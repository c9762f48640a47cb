"""The one assembly of assets, checks, jobs, schedules and sensors, for one configuration.

`definitions` builds it for the configuration that is found; `automation.launch` for the one that a
command was given.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg

from marketsync_dagster.assets.checks import outlet_ok_check
from marketsync_dagster.assets.listings import listings_asset
from marketsync_dagster.assets.order_checks import order_checks, products_checks
from marketsync_dagster.assets.orders import fulfiller_products, order_assets
from marketsync_dagster.assets.platforms import platform_assets
from marketsync_dagster.assets.pos import EXTRACT, pos_assets
from marketsync_dagster.assets.reconciliation import reconciliation_asset
from marketsync_dagster.assets.summaries import (
    platform_checks,
    pos_checks,
    reconciliation_checks,
)
from marketsync_dagster.automation.jobs import asset_jobs
from marketsync_dagster.automation.op_jobs import connections_job, plan_job
from marketsync_dagster.automation.partitions import outlet_partitions
from marketsync_dagster.automation.retention import retention_job
from marketsync_dagster.automation.schedules import schedules
from marketsync_dagster.automation.sensors import sensors
from marketsync_dagster.resources.frames import FramesIOManager
from marketsync_dagster.resources.options import OrderOptions, PullOptions, RunOptions
from marketsync_dagster.resources.project import ProjectResource

if TYPE_CHECKING:
    from marketsync_dagster.config.settings import Settings
    from marketsync_dagster.platforms.base import Capabilities


def build_definitions(
    settings: Settings | None = None, overrides: Mapping[str, Any] | None = None
) -> dg.Definitions:
    """Everything Dagster shows, for one configuration.

    `settings`: as loaded; None: the configuration is found and loaded, and a mistake in it is
    raised as ConfigError with file, line and what was expected. `overrides`: resources to use
    instead of the product's, by name (`project`, `options`, `frames`, ...).
    """
    if settings is None:
        from marketsync_dagster.config.load import load_settings

        settings = load_settings()
    partitions = outlet_partitions(settings)
    platforms = settings.platforms()
    assets = pos_assets(settings, partitions)
    checks = [outlet_ok_check(EXTRACT, "pos_extract", partitions), pos_checks()]
    capabilities = {platform: _capabilities(settings, platform) for platform in platforms}
    for platform, can in capabilities.items():
        assets += platform_assets(platform, can, partitions)
        assets.append(listings_asset(platform, settings, partitions))
        listings = dg.AssetKey([platform, "listings"])
        checks += [
            outlet_ok_check(listings, f"{platform}_listings", partitions),
            platform_checks(platform),
        ]
        if can.list_shown or can.read_prices:
            assets.append(reconciliation_asset(platform, partitions))
            checks.append(reconciliation_checks(platform))
    of_orders = order_assets(settings, partitions)
    assets += of_orders
    checks += order_checks(settings, of_orders, partitions)
    of_fulfillers = fulfiller_products(settings, partitions)
    if of_fulfillers:
        assets += of_fulfillers
        checks.append(products_checks())
    jobs = [*asset_jobs(assets, platforms, capabilities), plan_job, connections_job, retention_job]
    resources: dict[str, Any] = {
        "project": ProjectResource(config=str(settings.file)),
        "options": RunOptions(),
        "order_options": OrderOptions(),
        "pull_options": PullOptions(),
    } | dict(overrides or {})
    resources.setdefault("frames", FramesIOManager(project=resources["project"]))
    by_name = {job.name: job for job in jobs}
    return dg.Definitions(
        assets=assets,
        asset_checks=checks,
        jobs=jobs,
        schedules=schedules(settings, by_name),
        sensors=sensors(settings, by_name),
        resources=resources,
        executor=dg.in_process_executor,
    )


def _capabilities(settings: Settings, platform: str) -> Capabilities:
    """What the platform can do, as the accounts in use declare it."""
    from marketsync_dagster.platforms.registry import capabilities_of

    channel = next(iter(settings.channels_of(platform).values()))
    return capabilities_of(settings.accounts[channel.account])
