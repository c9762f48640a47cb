"""The stage `<platform>/products` where listings say more than price and stock (Mirakl): which
products can be offered, and what their offers say besides.

Nothing is sent here: an offer goes out whole, with its price and its quantity, by
`<platform>/listings`. Products that are not offered are counted by reason, and stay unmapped for
it. Rows that never came into the catalog, for want of a price or of a SKU and a model, are counted
beside them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from marketsync_dagster.catalog.arrow import among, text
from marketsync_dagster.catalog.categories import read_categories
from marketsync_dagster.catalog.frames import FrameStamp
from marketsync_dagster.catalog.offers import build_offers, figures, offer_name, offer_names
from marketsync_dagster.catalog.schemas import OFFERS, validate
from marketsync_dagster.config.settings import Channel, MiraklAccount
from marketsync_dagster.ledger import listings
from marketsync_dagster.platforms.registry import capabilities_of, target_of_channel
from marketsync_dagster.stages.catalog import CATALOG_KEY
from marketsync_dagster.stages.extract import REJECTS_KEY
from marketsync_dagster.stages.platform_catalog import stored_platform_catalog
from marketsync_dagster.stages.project import (
    Numbers,
    Project,
    StageResult,
    each_outlet,
    fingerprint,
)
from marketsync_dagster.values.outcomes import Outcome

NO_CHANNEL = "no channel"
SHOWN = 20
_MAY_BE_SHOWN = [Outcome.ACCEPTED_ASYNC.value, Outcome.UNKNOWN.value]
NO_PRICE = frozenset("missing_price zero_price free_price not_priced variable_price".split())
NO_SKU = frozenset(("no_sku", "missing_sku"))
"""Reasons for which an extract rejects rows that would otherwise be products without a price, and
without a SKU and a model."""


def stage_name(platform: str) -> str:
    return f"{platform}_products"


def offers_key(platform: str) -> tuple[str, str]:
    return (platform, "products")


def offer_products(project: Project, platform: str, outlets: Sequence[str]) -> list[StageResult]:
    """Make each outlet's OFFERS frame; nothing where the platform has none."""
    channels = project.settings.channels_of(platform)
    accounts = [project.settings.accounts[channel.account] for channel in channels.values()]
    if not any(capabilities_of(account).offer_details for account in accounts):
        return []

    def work(outlet: str) -> StageResult:
        channel = channels.get(outlet)
        if channel is None:
            return StageResult(outlet, True, NO_CHANNEL)
        return _offer(project, platform, outlet, channel)

    return each_outlet(project, stage_name(platform), outlets, work)


def offers_stamp(
    project: Project, platform: str, outlet: str, channel: Channel
) -> FrameStamp | None:
    """What is known of an outlet's OFFERS; None where the platform has none. MarketSyncError where
    they were not made yet."""
    if not capabilities_of(project.settings.accounts[channel.account]).offer_details:
        return None
    stamp = project.frames.stamp(offers_key(platform), outlet)
    if stamp is None:
        project.frames.read(offers_key(platform), outlet)  # says what to run
    return stamp


def _offer(project: Project, platform: str, outlet: str, channel: Channel) -> StageResult:
    account = project.settings.accounts[channel.account]
    if not isinstance(account, MiraklAccount):
        return StageResult(outlet, True, "unsupported", f"{platform} takes no offers")
    stamp = project.frames.stamp(offers_key(platform), outlet)
    made_from = [project.frames.stamp(key, outlet) for key in (CATALOG_KEY, REJECTS_KEY)]
    path = categories_path(project, account)
    inputs = fingerprint(
        *(one.fingerprint if one else "" for one in made_from),
        account.offer.model_dump(mode="json"),
        hashlib.sha256(path.read_bytes()).hexdigest() if path and path.is_file() else str(path),
        offer_name(account, channel),
    )
    if stamp is not None and stamp.inputs != inputs:
        stamp = None
    if stamp and not stamp.numbers["rejected"] and not stamp.numbers["kept"]:
        return StageResult(outlet, True, "unchanged", numbers=dict(stamp.numbers))
    catalog = project.frames.read(CATALOG_KEY, outlet)
    offers = offers_of(project, platform, outlet, channel, catalog)
    assert offers is not None
    if stamp and project.frames.read(offers_key(platform), outlet).equals(offers):
        # nothing that is in question has been shown meanwhile, or is not shown any more
        return StageResult(outlet, True, "unchanged", numbers=dict(stamp.numbers))
    categories = read_categories(path) if path else None
    numbers: Numbers = {**figures(offers, catalog, categories), **_not_read(project, outlet)}
    project.frames.write(offers_key(platform), outlet, offers, inputs=inputs, numbers=numbers)
    return StageResult(outlet, True, "done", numbers=numbers)


def offers_of(
    project: Project, platform: str, outlet: str, channel: Channel, catalog: pd.DataFrame
) -> pd.DataFrame | None:
    """The OFFERS of a catalog; None where the platform has none.

    Raises MappingError where the file of categories cannot be used.
    """
    account = project.settings.accounts[channel.account]
    if not isinstance(account, MiraklAccount):
        return None
    path = categories_path(project, account)
    offers = build_offers(
        catalog,
        account.offer,
        read_categories(path) if path else None,
        lambda skus: shown_already(project, platform, outlet, channel, skus),
        lambda: _details_before(project, platform, outlet),
    )
    return validate(OFFERS, offers, what=f"the {platform} offers of {outlet}")


def shown_already(
    project: Project, platform: str, outlet: str, channel: Channel, skus: list[str]
) -> set[str]:
    """Those of some SKUs that the platform shows, or may show: by the ledger, or by their names
    among what the platform listed."""
    known = listings.load_listings(project.ledger, outlet, platform, skus=skus)
    here = known["target"] == target_of_channel(project.settings, channel)
    told = known["ack_price_minor"].notna() | known["outcome"].isin(_MAY_BE_SHOWN)
    found = set(known["sku"][here & told])
    name = offer_name(project.settings.accounts[channel.account], channel)
    listed = stored_platform_catalog(project, channel.account)
    if name is not None and listed is not None:
        names = pd.Series(offer_names(name, text(skus)).to_pandas(), dtype="str")
        ours = among(names, listed["platform_sku"].dropna())
        found |= {sku for sku, there in zip(skus, ours, strict=True) if there}
    return found


def _details_before(project: Project, platform: str, outlet: str) -> dict[str, str]:
    """SKU -> the details of its offer, as they were stored last."""
    if project.frames.stamp(offers_key(platform), outlet) is None:
        return {}
    rows = project.frames.read(offers_key(platform), outlet)
    rows = rows[rows["details"].notna()]
    return dict(zip(rows["sku"], rows["details"], strict=True))


def categories_path(project: Project, account: MiraklAccount) -> Path | None:
    """The maintained file of an account's categories; None: it has none."""
    return project.settings.root / account.categories if account.categories else None


def _not_read(project: Project, outlet: str) -> Numbers:
    """How many records of the newest extract are no products for want of a price, or a SKU."""
    if project.frames.stamp(REJECTS_KEY, outlet) is None:
        return {}
    reasons = project.frames.columns_of(REJECTS_KEY, outlet, ("reason",))["reason"]
    codes = reasons.str.split(":").str[0]
    return {
        "records_without_price": int(codes.isin(NO_PRICE).sum()),
        "records_without_sku": int(codes.isin(NO_SKU).sum()),
    }


def rejected_rows(project: Project, platform: str, outlet: str) -> list[dict[str, Any]]:
    """The first SHOWN products that are not offered: sku, name, line, reason, next_step; then
    records of the extract that came into no catalog for the same reasons."""
    if project.frames.stamp(offers_key(platform), outlet) is None:
        return []
    names = ["sku", "name", "line", "reason", "next_step"]
    offers = project.frames.columns_of(offers_key(platform), outlet, names)
    found = offers[offers["reason"].notna()].head(SHOWN)
    if len(found) < SHOWN and project.frames.stamp(REJECTS_KEY, outlet) is not None:
        rejects = project.frames.read(REJECTS_KEY, outlet)
        codes = rejects["reason"].str.split(":").str[0]
        more = rejects[codes.isin(NO_PRICE | NO_SKU)].head(SHOWN - len(found))
        found = pd.concat([found, more.assign(name=None)[names]], ignore_index=True)
    values = found.astype(object).where(found.notna(), None)
    return [dict(zip(names, row, strict=True)) for row in values.itertuples(index=False)]
