"""The jobs: which assets run together, and with what options when nothing else is said.

Every job runs in one process: starting a process costs more than the work of many outlets.
"""

from __future__ import annotations

from typing import Any

import dagster as dg

from marketsync_dagster.assets.pos import CATALOG, EXTRACT, REJECTS
from marketsync_dagster.assets.specs import title
from marketsync_dagster.resources.options import run_config

POS = [EXTRACT, REJECTS, CATALOG]


def asset_jobs(assets: list[dg.AssetsDefinition], platforms: list[str]) -> list[Any]:
    """Jobs over assets; a job whose assets nobody has is left out."""
    keys = [spec.key for definition in assets for spec in definition.specs]

    def of(*names: str) -> list[dg.AssetKey]:
        return [key for key in keys if key.path[-1] in names and key.path[0] in platforms]

    def job(name: str, selection: list[dg.AssetKey], description: str, **options: object):
        return dg.define_asset_job(
            name,
            selection=dg.AssetSelection.assets(*selection),
            description=description,
            executor_def=dg.in_process_executor,
            config=run_config(**options),
            tags={"marketsync/job": name},
        )

    to_listings = of("sku_mapping", "price_feed", "listings")
    jobs = [
        job(
            "full_sync",
            [*POS, *of("products"), *to_listings],
            "From the extract to the listings of all platforms: every row is sent.",
            mode="full",
        ),
        job(
            "partial_sync",
            [*POS, *to_listings],
            "From the extract to the listings of all platforms: only what a platform does not "
            "know yet is sent.",
            mode="partial",
        ),
        job(
            "stock_sync",
            [*POS, *to_listings],
            "As partial_sync, but only the stock is sent.",
            mode="partial",
            fields=["stock"],
        ),
    ]
    jobs += [
        job(
            f"push_{platform}",
            [dg.AssetKey([platform, "listings"])],
            f"Plans and pushes from the stored price feeds to {title(platform)}; also sends "
            "approved plans and what must go again.",
            mode="partial",
        )
        for platform in platforms
    ]
    if of("products"):
        jobs.append(
            job(
                "product_sync",
                [*POS, *of("products"), *_mapping_of(of("products"))],
                "Offers new and changed products to the platforms that take them, then maps.",
                mode="partial",
            )
        )
    if of("sku_mapping"):
        jobs.append(
            job(
                "refresh_mappings",
                of("platform_catalog", "sku_mapping"),
                "Reads what the platforms list, once for all outlets, and maps again.",
            )
        )
    return jobs


def _mapping_of(products: list[dg.AssetKey]) -> list[dg.AssetKey]:
    return [dg.AssetKey([key.path[0], "sku_mapping"]) for key in products]
