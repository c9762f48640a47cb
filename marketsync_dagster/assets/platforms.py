"""One platform's side of the lineage, up to what it should show: products, mapping, price feed.

Telling the platform is `assets.listings`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from marketsync_dagster.assets.columns import PRODUCTS, table_schema
from marketsync_dagster.assets.pos import CATALOG
from marketsync_dagster.assets.running import Event, finish, open_run, say
from marketsync_dagster.assets.specs import spec, title
from marketsync_dagster.assets.tables import table
from marketsync_dagster.catalog import columns as frames
from marketsync_dagster.resources.boundary import guarded
from marketsync_dagster.resources.options import Mode, RunOptions
from marketsync_dagster.resources.project import ProjectResource

if TYPE_CHECKING:
    from marketsync_dagster.platforms.base import Capabilities
    from marketsync_dagster.stages.project import Project

ONCE = dg.BackfillPolicy.single_run


def platform_assets(
    platform: str, can: "Capabilities", partitions: dg.StaticPartitionsDefinition
) -> list[dg.AssetsDefinition]:
    """The assets of one platform that lead to its price feed."""
    assets = [_sku_mapping(platform, can, partitions), _price_feed(platform, can, partitions)]
    if can.offer_details:
        assets.append(_offers(platform, partitions))
    elif can.push_products:
        assets.append(_products(platform, partitions))
    if can.read_catalog:
        assets.append(_platform_catalog(platform, can))
    return assets


def _products(platform: str, partitions: dg.StaticPartitionsDefinition) -> dg.AssetsDefinition:
    stage = f"{platform}_products"
    key = dg.AssetKey([platform, "products"])

    @dg.multi_asset(
        name=stage,
        specs=[
            spec(
                platform,
                "products",
                f"New and changed products, offered to {title(platform)}'s catalogue; its answers "
                "feed the SKU mapping.",
                PRODUCTS,
                kinds={platform},
                deps=[CATALOG],
                partitions=partitions,
            )
        ],
        backfill_policy=ONCE(),
    )
    @guarded
    def products(
        context: dg.AssetExecutionContext, project: ProjectResource, options: RunOptions
    ) -> Iterator[Event]:
        from marketsync_dagster.stages.products import push_products

        run = open_run(context, project, options)
        outlets = list(context.partition_keys)
        wanted = options.plan_options(context.run.tags)
        results = push_products(run, platform, outlets, wanted)
        yield from finish(context, run, stage, [key], results)

    return products


def _offers(platform: str, partitions: dg.StaticPartitionsDefinition) -> dg.AssetsDefinition:
    stage = f"{platform}_products"
    key = dg.AssetKey([platform, "products"])

    @dg.multi_asset(
        name=stage,
        specs=[
            spec(
                platform,
                "products",
                f"Which products can be offered on {title(platform)}, and what their offers say "
                "besides price and stock; the others with the reason. The offers themselves go "
                "out whole, with price and stock, in listings.",
                frames.OFFERS,
                kinds={platform, "pandas", "parquet"},
                deps=[CATALOG],
                partitions=partitions,
            )
        ],
        backfill_policy=ONCE(),
    )
    @guarded
    def products(
        context: dg.AssetExecutionContext, project: ProjectResource, options: RunOptions
    ) -> Iterator[Event]:
        from marketsync_dagster.stages.offers import offer_products, rejected_rows

        run = open_run(context, project, options)
        outlets = list(context.partition_keys)
        results = offer_products(run, platform, outlets)
        yield from finish(
            context,
            run,
            stage,
            [key],
            results,
            extra=lambda _, outlet: _some("not_offered", rejected_rows(run, platform, outlet)),
        )

    return products


def _some(name: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, dg.TableMetadataValue]:
    """Rows as a table of metadata; nothing if there are none."""
    return {name: table(rows)} if rows else {}


def _sku_mapping(
    platform: str, can: "Capabilities", partitions: dg.StaticPartitionsDefinition
) -> dg.AssetsDefinition:
    stage = f"{platform}_sku_mapping"
    key = dg.AssetKey([platform, "sku_mapping"])
    deps = [CATALOG]
    if can.push_products or can.offer_details:
        deps.append(dg.AssetKey([platform, "products"]))
    if can.read_catalog:
        deps.append(dg.AssetKey([platform, "platform_catalog"]))

    @dg.multi_asset(
        name=stage,
        specs=[
            spec(
                platform,
                "sku_mapping",
                f"Which product of {title(platform)} each SKU is, and how that is known; unmapped "
                "rows say why and name the command that maps them.",
                frames.SKU_MAPPING,
                kinds={platform, "pandas", "parquet"},
                deps=deps,
                partitions=partitions,
            )
        ],
        backfill_policy=ONCE(),
    )
    @guarded
    def sku_mapping(
        context: dg.AssetExecutionContext, project: ProjectResource, options: RunOptions
    ) -> Iterator[Event]:
        from marketsync_dagster.stages.mapping import map_outlets

        run = open_run(context, project, options)
        outlets = list(context.partition_keys)
        results = map_outlets(run, platform, outlets)
        unmapped = {r.outlet for r in results if r.numbers.get("unmapped")}
        yield from finish(
            context,
            run,
            stage,
            [key],
            results,
            extra=lambda _, outlet: (
                {"map_the_rest": commands(run, platform, outlet)} if outlet in unmapped else {}
            ),
        )

    return sku_mapping


def commands(project: "Project", platform: str, outlet: str) -> dg.MetadataValue:
    """How the unmapped rows of an outlet are mapped."""
    channel = project.settings.channels_of(platform)[outlet]
    return dg.MetadataValue.md(
        f"`marketsync mapping list --account {channel.account}` shows the unmapped rows; "
        f"`marketsync mapping set SKU ID --account {channel.account}` maps one."
    )


def _price_feed(
    platform: str, can: "Capabilities", partitions: dg.StaticPartitionsDefinition
) -> dg.AssetsDefinition:
    stage = f"{platform}_price_feed"
    deps = [CATALOG, dg.AssetKey([platform, "sku_mapping"])]
    if can.offer_details:
        deps.append(dg.AssetKey([platform, "products"]))
    key = dg.AssetKey([platform, "price_feed"])

    @dg.multi_asset(
        name=stage,
        specs=[
            spec(
                platform,
                "price_feed",
                f"What {title(platform)} should show: price, stock status and quantity of each "
                "mapped SKU, after the channel's pricing rules.",
                frames.FEED,
                kinds={platform, "pandas", "parquet"},
                deps=deps,
                partitions=partitions,
            )
        ],
        backfill_policy=ONCE(),
    )
    @guarded
    def price_feed(
        context: dg.AssetExecutionContext, project: ProjectResource, options: RunOptions
    ) -> Iterator[Event]:
        from marketsync_dagster.stages.feed import build_feeds

        run = open_run(context, project, options)
        outlets = list(context.partition_keys)
        results = build_feeds(run, platform, outlets)
        yield from finish(context, run, stage, [key], results)

    return price_feed


def _platform_catalog(platform: str, can: "Capabilities") -> dg.AssetsDefinition:
    stage = f"{platform}_platform_catalog"
    key = dg.AssetKey([platform, "platform_catalog"])
    what = f"What {title(platform)} lists, page by page"
    if can.catalog_by_barcode:
        what = f"What {title(platform)} lists by our barcodes, and our own listings by name"

    @dg.multi_asset(
        name=stage,
        specs=[
            spec(
                platform,
                "platform_catalog",
                f"{what}: where the SKU mapping looks for equal SKUs and barcodes. One for all "
                "outlets.",
                frames.PLATFORM_CATALOG,
                kinds={platform, "pandas", "parquet"},
                deps=[dg.AssetKey([platform, "products"])] if can.catalog_by_barcode else (),
            ).replace_attributes(metadata=_unmanaged(frames.PLATFORM_CATALOG))
        ],
    )
    @guarded
    def platform_catalog(
        context: dg.AssetExecutionContext, project: ProjectResource, options: RunOptions
    ) -> Iterator[dg.MaterializeResult[Any]]:
        from marketsync_dagster.stages.platform_catalog import refresh_platform_catalog

        run = open_run(context, project, options)
        # what is not new waits for a run that reads everything
        only_new = can.catalog_by_barcode and options.mode is Mode.partial
        result = refresh_platform_catalog(run, platform, only_new=only_new)
        say(stage, "", int(result.ok), 1)
        if not result.ok:
            raise dg.Failure(
                result.reason,
                metadata={"next_step": result.next_step},
                allow_retries=False,
            )
        rows = result.numbers.get("rows")
        yield dg.MaterializeResult(
            asset_key=key,
            metadata={
                "state": result.state,
                **result.numbers,
                **({"dagster/row_count": int(rows)} if rows is not None else {}),
            },
        )

    return platform_catalog


def _unmanaged(frame: frames.FrameColumns) -> dict[str, object]:
    """Stored by the stage itself and recorded without a partition: no IO manager has a part."""
    return {"dagster/column_schema": table_schema(frame)}
