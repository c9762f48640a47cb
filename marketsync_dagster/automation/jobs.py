"""The jobs: which assets run together, and with what options when nothing else is said.

Every job runs in one process: starting a process costs more than the work of many outlets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg

from marketsync_dagster.assets.orders import ORDER_BOOK, PRODUCTS
from marketsync_dagster.assets.pos import CATALOG, EXTRACT, REJECTS
from marketsync_dagster.assets.specs import title
from marketsync_dagster.resources.options import run_config

if TYPE_CHECKING:
    from marketsync_dagster.platforms.base import Capabilities

POS = [EXTRACT, REJECTS, CATALOG]


def asset_jobs(
    assets: list[dg.AssetsDefinition], platforms: list[str], can: Mapping[str, Capabilities]
) -> list[Any]:
    """Jobs over assets; a job whose assets nobody has is left out. `can`: of each platform."""
    # where listings say more than price and stock, no feed is made without their offers
    offering = [platform for platform in platforms if can[platform].offer_details]
    by_barcode = [platform for platform in platforms if can[platform].catalog_by_barcode]
    keys = [spec.key for definition in assets for spec in definition.specs]

    def of(*names: str) -> list[dg.AssetKey]:
        return [key for key in keys if key.path[-1] in names and key.path[0] in platforms]

    def job(name: str, selection: list[dg.AssetKey], description: str, **options: object):
        return dg.define_asset_job(
            name,
            selection=dg.AssetSelection.assets(*dict.fromkeys(selection)),
            description=description,
            executor_def=dg.in_process_executor,
            config=run_config(**options) if options else None,
            tags={"marketsync/job": name},
        )

    def theirs(some: list[str], *names: str) -> list[dg.AssetKey]:
        return [key for key in of(*names) if key.path[0] in some]

    offers = theirs(offering, "products")
    to_listings = [*offers, *of("sku_mapping", "price_feed", "listings")]
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
    fulfillers = [key for key in keys if key == PRODUCTS]
    if of("products") or fulfillers:
        jobs.append(
            job(
                "product_sync",
                [
                    *POS,
                    *of("products"),
                    *fulfillers,
                    *theirs(by_barcode, "platform_catalog"),
                    *_mapping_of(of("products")),
                    *theirs(offering, "price_feed", "listings"),
                ],
                "Makes new and changed products known to the platforms that take them, then maps. "
                "On platforms whose offers carry price and stock (Mirakl), new and changed offers "
                "are sent as well, through plan and guard like every push.",
                mode="partial",
                fields=["offer"],
            )
        )
    if of("sku_mapping"):
        jobs.append(
            job(
                "refresh_mappings",
                [*offers, *of("platform_catalog", "sku_mapping")],
                "Reads what the platforms list, once for all outlets, and maps again.",
            )
        )
    if of("reconciliation"):
        jobs.append(
            job(
                "reconcile",
                of("reconciliation"),
                "Reads what the platforms show, where they tell it, and compares it with what they "
                "acknowledged; what has drifted goes again with the next partial push.",
            )
        )
    if ORDER_BOOK in keys:
        pulls = [key for key in keys if key.path[0] == "orders" and _is_pulled(key)]
        jobs += [
            job(
                "pull_orders",
                [*pulls, ORDER_BOOK],
                "Pulls new and changed orders from every account and shop that brings any, and "
                "decides by rule. `limit` makes it a test.",
            ),
            job(
                "fulfil_orders",
                [key for key in keys if key.path[0] == "orders" and not _is_pulled(key)],
                "Decides what is open, forwards what is accepted to Qikink and the tills, follows "
                "it, and tells the sources what became of it.",
            ),
        ]
    return jobs


def _is_pulled(key: dg.AssetKey) -> bool:
    return key.path[-1].endswith("_orders")


def _mapping_of(products: list[dg.AssetKey]) -> list[dg.AssetKey]:
    return [dg.AssetKey([key.path[0], "sku_mapping"]) for key in products]
