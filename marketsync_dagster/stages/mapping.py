"""The stage `<platform>/sku_mapping`: whose product is whose.

What the platform lists is read by `stages.platform_catalog`; the mapping of an outlet uses the
copy that was stored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from marketsync_dagster.catalog.arrow import pc, text
from marketsync_dagster.catalog.mapping import ASK, coverage, map_skus, not_asked, unused_rows
from marketsync_dagster.catalog.mapping_file import MappingRow, read_mapping_file
from marketsync_dagster.catalog.offers import offer_name
from marketsync_dagster.catalog.schemas import PLATFORM_CATALOG, SKU_MAPPING, conform, validate
from marketsync_dagster.config.settings import Channel
from marketsync_dagster.ledger import mappings
from marketsync_dagster.platforms.registry import capabilities_of
from marketsync_dagster.stages.catalog import CATALOG_KEY, IDENTITY
from marketsync_dagster.stages.offers import offers_key, offers_stamp
from marketsync_dagster.stages.platform_catalog import (
    asked_key,
    platform_catalog_key,
    stored_platform_catalog,
    unasked,
)
from marketsync_dagster.stages.project import Project, StageResult, each_outlet, fingerprint

NO_CHANNEL = "no channel"
EXAMPLES = 3


def stage_name(platform: str) -> str:
    return f"{platform}_sku_mapping"


def mapping_key(platform: str) -> tuple[str, str]:
    return (platform, "sku_mapping")


def map_outlets(project: Project, platform: str, outlets: Sequence[str]) -> list[StageResult]:
    """Make each outlet's SKU_MAPPING frame."""
    channels = project.settings.channels_of(platform)

    def work(outlet: str) -> StageResult:
        channel = channels.get(outlet)
        if channel is None:
            return StageResult(outlet, True, NO_CHANNEL)
        return _map(project, platform, outlet, channel)

    return each_outlet(project, stage_name(platform), outlets, work)


def _map(project: Project, platform: str, outlet: str, channel: Channel) -> StageResult:
    scope = project.settings.scope_of(channel.account)
    catalog_stamp = project.frames.stamp(CATALOG_KEY, outlet)
    listed_stamp = project.frames.stamp(platform_catalog_key(platform), scope)
    asked_stamp = project.frames.stamp(asked_key(platform), scope)
    stamp = project.frames.stamp(mapping_key(platform), outlet)
    synced = mappings.synced_ids(project.ledger, scope)
    path = mapping_path(project, channel)
    account = project.settings.accounts[channel.account]
    offered = offers_stamp(project, platform, outlet, channel)
    inputs = fingerprint(
        catalog_stamp.parts.get(IDENTITY, catalog_stamp.fingerprint) if catalog_stamp else "",
        listed_stamp.fingerprint if listed_stamp else "",
        hashlib.sha256(path.read_bytes()).hexdigest() if path and path.is_file() else str(path),
        synced,
        channel.mapping.model_dump(mode="json"),
        *((offer_name(account, channel), offered.fingerprint) if offered else ()),
        *((asked_stamp.fingerprint,) if asked_stamp else ()),
    )
    if stamp and stamp.inputs == inputs:
        words = _words(project, platform, channel, offered=offered is not None)
        return StageResult(outlet, True, "unchanged", words, numbers=dict(stamp.numbers))
    catalog = project.frames.read(CATALOG_KEY, outlet)
    offers = project.frames.read(offers_key(platform), outlet) if offered else None
    mapping, unused = mapping_of(project, platform, outlet, channel, catalog, offers)
    numbers = coverage(mapping, unused=unused)
    if waits := int((mapping["reason"] == not_asked(platform)).sum()):
        numbers["not_asked"] = waits
    if offers is not None:
        listed = stored_platform_catalog(project, channel.account)
        numbers["other_category"] = len(other_categories(mapping, offers, listed))
    project.frames.write(mapping_key(platform), outlet, mapping, inputs=inputs, numbers=numbers)
    words = _words(project, platform, channel, offered=offered is not None)
    return StageResult(outlet, True, "done", words, numbers=numbers)


def _words(project: Project, platform: str, channel: Channel, *, offered: bool) -> str:
    """What is said of a mapping that was made."""
    said = _other_category(project, platform, channel) if offered else ""
    stamp = project.frames.stamp(mapping_key(platform), channel.outlet)
    if stamp is not None and (rows := int(stamp.numbers.get("not_asked", 0))):
        have = "row has" if rows == 1 else "rows have"
        asks = f"{rows:,} {have} no platform id: {platform} was not asked yet; {ASK} asks it"
        said = "; ".join(filter(None, [asks, said]))
    return said


def _other_category(project: Project, platform: str, channel: Channel) -> str:
    """What is said of products that the platform has in another category than the file says."""
    key, outlet = mapping_key(platform), channel.outlet
    stamp = project.frames.stamp(key, outlet)
    if stamp is None or not (count := int(stamp.numbers.get("other_category", 0))):
        return ""
    found = other_categories(
        project.frames.read(key, outlet),
        project.frames.read(offers_key(platform), outlet),
        stored_platform_catalog(project, channel.account),
    )
    some = [
        f"{row.sku} ({row.shown!r}, not {row.category_code!r})"
        for row in found.head(EXAMPLES).itertuples(index=False)
    ]
    are = "product is" if count == 1 else "products are"
    return f"{count} {are} in another category there than the file says: {', '.join(some)}"


def mapping_of(
    project: Project,
    platform: str,
    outlet: str,
    channel: Channel,
    catalog: pd.DataFrame,
    offers: pd.DataFrame | None = None,
) -> tuple[pd.DataFrame, int]:
    """The SKU_MAPPING of a catalog, and how many rows of the maintained file it does not use.

    `offers`: the OFFERS of the same catalog, on platforms that have them."""
    account = project.settings.accounts[channel.account]
    path = mapping_path(project, channel)
    file_rows: list[MappingRow] = read_mapping_file(path) if path else []
    listed = stored_platform_catalog(project, channel.account)
    if listed is None and capabilities_of(account).read_catalog:
        listed = conform(PLATFORM_CATALOG, pd.DataFrame(columns=list(PLATFORM_CATALOG.columns)))
    mapping = map_skus(
        catalog,
        file_rows=file_rows,
        synced=mappings.synced_ids(project.ledger, project.settings.scope_of(channel.account)),
        platform_catalog=listed,
        settings=channel.mapping,
        platform=platform,
        outlet=outlet,
        account=channel.account,
        offer_name=offer_name(account, channel),
        offers=offers,
        unasked=unasked(project, channel.account, catalog),
    )
    validate(SKU_MAPPING, mapping, what=f"the {platform} SKU mapping of {outlet}")
    return mapping, unused_rows(catalog, file_rows)


def mapping_path(project: Project, channel: Channel) -> Path | None:
    """The maintained mapping file of a channel; None: it has none."""
    return project.settings.root / channel.mapping.file if channel.mapping.file else None


def other_categories(
    mapping: pd.DataFrame, offers: pd.DataFrame, listed: pd.DataFrame | None
) -> pd.DataFrame:
    """Products that the platform has in another category than the maintained file says: sku, line,
    category, category_code (the file's), shown (the platform's)."""
    columns = ["sku", "line", "category", "category_code"]
    if listed is None:
        return offers.head(0)[columns].assign(shown=offers.head(0)["category_code"])
    told = listed[listed["category"].notna()]
    at = pc.index_in(text(mapping["platform_id"]), text(told["platform_id"]), skip_nulls=True)
    shown = pd.Series(text(told["category"]).take(at).to_pandas(), dtype="str")
    found = offers[columns].assign(shown=shown.to_numpy())
    both = found["shown"].notna() & found["category_code"].notna()
    return found[both & (found["shown"] != found["category_code"])].reset_index(drop=True)
