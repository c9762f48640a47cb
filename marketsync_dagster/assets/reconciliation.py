"""What a platform shows, compared with what it has acknowledged.

How it is read and judged belongs to `stages.reconciliation`.
"""

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import dagster as dg

from marketsync_dagster.assets.columns import RECONCILIATION
from marketsync_dagster.assets.running import Event, finish, open_run, say
from marketsync_dagster.assets.specs import spec, title
from marketsync_dagster.assets.tables import table
from marketsync_dagster.resources.boundary import guarded
from marketsync_dagster.resources.options import RunOptions
from marketsync_dagster.resources.project import ProjectResource

if TYPE_CHECKING:
    from marketsync_dagster.stages.project import Project

DRIFTS = 20
"""Drifts that are shown beside an outlet."""


def reconciliation_asset(
    platform: str, partitions: dg.StaticPartitionsDefinition
) -> dg.AssetsDefinition:
    """`<platform>/reconciliation`, for platforms that tell what they show."""
    stage = f"{platform}_reconciliation"
    key = dg.AssetKey([platform, "reconciliation"])

    @dg.multi_asset(
        name=stage,
        specs=[
            spec(
                platform,
                "reconciliation",
                f"Whether {title(platform)} shows what it has acknowledged, listing by listing: "
                "verified, not applied, overwritten by someone else, or unknown to us. What has "
                "drifted goes again with the next partial push.",
                RECONCILIATION,
                kinds={platform},
                deps=[dg.AssetKey([platform, "listings"])],
                partitions=partitions,
            )
        ],
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    @guarded
    def reconciliation(
        context: dg.AssetExecutionContext, project: ProjectResource, options: RunOptions
    ) -> Iterator[Event]:
        from marketsync_dagster.stages.reconciliation import reconcile_outlets

        run = open_run(context, project, options)
        wanted = options.plan_options(context.run.tags)
        results = reconcile_outlets(
            run,
            platform,
            list(context.partition_keys),
            skus=wanted.skus,
            limit=wanted.limit,
            tell=partial(say, stage),
        )
        yield from finish(
            context,
            run,
            stage,
            [key],
            results,
            extra=lambda _, outlet: _drifts(run, platform, outlet),
        )

    return reconciliation


def _drifts(project: "Project", platform: str, outlet: str) -> dict[str, Any]:
    """What stands wrong at the outlet, the longest first."""
    from marketsync_dagster.ledger.reconciliation import found_wrong

    names = "sku platform_sku verdict expected shown since sent_again".split()
    rows = [
        {name: row[name] or "" for name in names}
        for row in found_wrong(project.ledger, platform, [outlet], DRIFTS)
    ]
    return {"drifts": table(rows)} if rows else {}
