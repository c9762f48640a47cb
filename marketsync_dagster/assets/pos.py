"""The POS side of the lineage: `pos/extract`, `pos/rejects` and `pos/catalog`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import dagster as dg

from marketsync_dagster.assets.columns import REJECTS as REJECTS_COLUMNS
from marketsync_dagster.assets.running import Event, finish, open_run
from marketsync_dagster.assets.specs import freshness, spec
from marketsync_dagster.assets.tables import table
from marketsync_dagster.catalog import columns as frames
from marketsync_dagster.config.settings import Settings
from marketsync_dagster.resources.boundary import guarded
from marketsync_dagster.resources.options import RunOptions
from marketsync_dagster.resources.project import ProjectResource

if TYPE_CHECKING:
    from marketsync_dagster.stages.project import Project

EXTRACT = dg.AssetKey(["pos", "extract"])
REJECTS = dg.AssetKey(["pos", "rejects"])
CATALOG = dg.AssetKey(["pos", "catalog"])


def pos_assets(
    settings: Settings, partitions: dg.StaticPartitionsDefinition
) -> list[dg.AssetsDefinition]:
    """The assets that every platform starts from."""

    @dg.multi_asset(
        name="pos_extract",
        specs=[
            spec(
                "pos",
                "extract",
                "What the tills say about one outlet: the newest extract, read and checked. An "
                "extract that cannot be trusted leaves the last good one in place.",
                frames.EXTRACT,
                kinds={"csv", "pandas", "parquet"},
                partitions=partitions,
                freshness=freshness(settings),
            ),
            spec(
                "pos",
                "rejects",
                "Rows of the extract that were not taken: file, line, column, value, reason, and "
                "what to do.",
                REJECTS_COLUMNS,
                kinds={"csv", "pandas", "parquet"},
                partitions=partitions,
            ),
        ],
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    @guarded
    def pos_extract(
        context: dg.AssetExecutionContext, project: ProjectResource, options: RunOptions
    ) -> Iterator[Event]:
        from marketsync_dagster.stages.extract import extract_outlets

        run = open_run(context, project, options)
        results = extract_outlets(run, list(context.partition_keys), force=options.force())
        yield from finish(
            context,
            run,
            "pos_extract",
            [EXTRACT, REJECTS],
            results,
            guarded=True,
            extra=lambda key, outlet: top_reasons(run, outlet) if key == REJECTS else {},
        )

    @dg.multi_asset(
        name="pos_catalog",
        specs=[
            spec(
                "pos",
                "catalog",
                "The outlet's products: one row per SKU, prices in minor units, barcodes checked.",
                frames.CATALOG,
                kinds={"pandas", "parquet"},
                deps=[EXTRACT],
                partitions=partitions,
            )
        ],
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    @guarded
    def pos_catalog(
        context: dg.AssetExecutionContext, project: ProjectResource, options: RunOptions
    ) -> Iterator[Event]:
        from marketsync_dagster.stages.catalog import build_catalogs

        run = open_run(context, project, options)
        results = build_catalogs(run, list(context.partition_keys))
        yield from finish(context, run, "pos_catalog", [CATALOG], results)

    return [pos_extract, pos_catalog]


def top_reasons(project: "Project", outlet: str) -> dict[str, Any]:
    """The commonest reasons for rejects, each with an example and what to do."""
    key = ("pos", "rejects")
    stamp = project.frames.stamp(key, outlet)
    if stamp is None or stamp.rows == 0:
        return {}
    frame = project.frames.read(key, outlet)
    rows = []
    for reason, count in frame["reason"].value_counts().head(10).items():
        first = frame[frame["reason"] == reason].iloc[0]
        rows.append(
            {
                "reason": str(reason),
                "rows": int(count),
                "example": f"{first['file']}:{first['line']}: {first['column']}: {first['value']}",
                "next_step": str(first["next_step"]),
            }
        )
    return {"top_reasons": table(rows)}
