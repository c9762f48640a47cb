"""What all assets have in common: key, group, owners, kinds, and how fresh they should be."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import dagster as dg

from marketsync_dagster.assets.columns import table_schema
from marketsync_dagster.catalog.columns import FrameColumns
from marketsync_dagster.config.settings import Settings

OWNERS = ["team:retail-data"]
TITLES = {
    "tracker_ke": "Tracker KE",
    "pasons": "Pasons",
    "mirakl": "Best Buy (Mirakl)",
    "own_shop": "the retailer's own shops",
    "qikink": "Qikink",
}


def title(platform: str) -> str:
    """The platform's name, for people."""
    return TITLES.get(platform, platform.replace("_", " ").title())


def spec(
    prefix: str,
    name: str,
    description: str,
    columns: FrameColumns,
    *,
    kinds: set[str],
    deps: Iterable[dg.AssetKey] = (),
    partitions: dg.PartitionsDefinition | None = None,
    freshness: dg.FreshnessPolicy | None = None,
) -> dg.AssetSpec:
    """The asset `prefix/name`: its prefix is its group."""
    return dg.AssetSpec(
        key=dg.AssetKey([prefix, name]),
        deps=list(deps),
        description=description,
        group_name=prefix,
        owners=OWNERS,
        kinds=kinds,
        tags={"marketsync/stage": name},
        metadata={"dagster/column_schema": table_schema(columns)},
        partitions_def=partitions,
        freshness_policy=freshness,
    ).with_io_manager_key("frames")


def freshness(settings: Settings) -> dg.FreshnessPolicy:
    """Late when nothing succeeded for as long as the alerts wait."""
    return dg.FreshnessPolicy.time_window(
        fail_window=timedelta(hours=settings.alerts.no_success_hours)
    )
