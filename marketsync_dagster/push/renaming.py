"""Offers that a channel leaves behind when it comes to name them otherwise.

On platforms that know an offer by our name for it, another template of names makes other offers:
those under the names of before stay on sale as they are, and nothing of ours changes them again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketsync_dagster.catalog.arrow import among
from marketsync_dagster.push.differences import MAY_BE_SHOWN
from marketsync_dagster.push.guard import SAMPLE, Finding
from marketsync_dagster.values.outcomes import StockStatus
from marketsync_dagster.values.words import counted

if TYPE_CHECKING:
    import pandas as pd

    from marketsync_dagster.platforms.base import Capabilities
    from marketsync_dagster.push.plan import Plan

RULE = "renamed"
"""The `Finding.rule` of what is said here."""


def judge(plan: Plan, listings: pd.DataFrame, capabilities: Capabilities) -> list[Finding]:
    """How many offers under names of before the plan leaves on sale; it holds nothing.

    Said once: a SKU that went out under its new name is no more listed under the one before.
    """
    if not capabilities.offer_details or not len(plan.rows):
        return []
    place, _, name = plan.base.target.rpartition("|")
    of_shop = listings["target"].str.startswith(f"{place}|") & (
        listings["target"] != plan.base.target
    )
    shown = listings["ack_price_minor"].notna() | listings["outcome"].isin(MAY_BE_SHOWN)
    status = listings["ack_stock_status"].fillna(listings["stock_status"])
    sells = shown & (status != StockStatus.OUT_OF_STOCK.value)
    left = listings[of_shop & sells & among(listings["sku"], plan.rows["sku"])]
    if not len(left):
        return []
    before = left["target"].iloc[0].rpartition("|")[2]
    return [
        Finding(
            RULE,
            f"{counted(len(left), 'offer')} under the names of before ({before}, now {name}): on "
            "sale as told last, and no run changes that again; take them off sale in the "
            "platform's back office, or set offer_sku back before the new names go out",
            holds_plan=False,
            skus=tuple(left["sku"].head(SAMPLE)),
        )
    ]
