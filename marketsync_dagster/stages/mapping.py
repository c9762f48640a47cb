"""The stages `<platform>/platform_catalog` and `<platform>/sku_mapping`: whose product is whose.

The platform's catalogue belongs to an account's catalog scope and is read once for all outlets
that share it, by `refresh_mappings`; the mapping of an outlet uses the copy that was stored.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from marketsync_dagster.catalog.mapping import coverage, map_skus, unused_rows
from marketsync_dagster.catalog.mapping_file import MappingRow, read_mapping_file
from marketsync_dagster.catalog.schemas import PLATFORM_CATALOG, SKU_MAPPING, conform, validate
from marketsync_dagster.config.settings import Channel
from marketsync_dagster.ledger import mappings
from marketsync_dagster.ledger.calls import record_calls
from marketsync_dagster.platforms.base import Call, PlatformError
from marketsync_dagster.platforms.registry import capabilities_of, open_adapter
from marketsync_dagster.push.calls import call_row
from marketsync_dagster.push.pacing import Pacer, Stop
from marketsync_dagster.stages import project as driver
from marketsync_dagster.stages.catalog import CATALOG_KEY, IDENTITY
from marketsync_dagster.stages.project import Project, StageResult, each_outlet, fingerprint

NO_CHANNEL = "no channel"


def stage_name(platform: str) -> str:
    return f"{platform}_sku_mapping"


def mapping_key(platform: str) -> tuple[str, str]:
    return (platform, "sku_mapping")


def platform_catalog_key(platform: str) -> tuple[str, str]:
    """One frame per catalog scope; the scope stands where other frames have the outlet."""
    return (platform, "platform_catalog")


def refresh_platform_catalog(project: Project, platform: str) -> StageResult:
    """Read what the platform lists, once for each catalog scope, and store it.

    The result has outlet "" and the figures of all scopes; a scope that cannot be read keeps its
    last good copy and makes the result bad.
    """
    settings = project.settings
    scopes: dict[str, str] = {}
    for channel in settings.channels_of(platform).values():
        if capabilities_of(settings.accounts[channel.account]).read_catalog:
            scopes.setdefault(settings.scope_of(channel.account), channel.account)
    numbers, problems, next_step = {"rows": 0, "calls": 0, "scopes": len(scopes)}, [], ""
    for scope, account in scopes.items():
        try:
            rows = asyncio.run(_read_catalog(project, account, numbers))
        except Exception as error:  # noqa: BLE001 - one bad scope must not stop the others
            bad = driver.failure(f"{platform}_platform_catalog", scope, error)
            problems.append(f"{scope}: {bad.reason}")
            next_step = bad.next_step
            if isinstance(error, PlatformError):
                numbers["calls"] += len(error.calls)
                _log_calls(project, account, error.calls)
            continue
        frame = conform(PLATFORM_CATALOG, rows.drop_duplicates("platform_id", ignore_index=True))
        validate(PLATFORM_CATALOG, frame, what=f"the catalogue of {platform} ({scope})")
        numbers["rows"] += len(frame)
        project.frames.write(
            platform_catalog_key(platform), scope, frame, inputs="", numbers={"rows": len(frame)}
        )
    state = "failed" if problems else "done"
    return StageResult("", not problems, state, "; ".join(problems), next_step, dict(numbers))


async def _read_catalog(project: Project, account: str, numbers: dict[str, int]) -> pd.DataFrame:
    """All products that the platform lists for an account; `numbers["calls"]` counts the calls."""
    pacer = Pacer(project.ledger, account, project.settings.accounts[account].quota, Stop())
    await pacer.open()
    rows: list[dict[str, str | None]] = []
    adapter = open_adapter(project.settings, account, channel=None, secrets=project.secrets)
    async with adapter:
        async for page in adapter.read_catalog(pace=pacer.slot):
            rows += page.rows
            numbers["calls"] += len(page.calls)
            await asyncio.to_thread(_log_calls, project, account, page.calls)
    columns = list(PLATFORM_CATALOG.columns)
    return pd.DataFrame(rows, columns=columns)


def _log_calls(project: Project, account: str, calls: Sequence[Call]) -> None:
    rows = [call_row(account, call) for call in calls]
    with project.ledger.begin() as connection:
        record_calls(connection, rows)


def stored_platform_catalog(project: Project, account: str) -> pd.DataFrame | None:
    """What the platform listed when it was last read; None: never, or it cannot be read."""
    platform = project.settings.accounts[account].platform
    key, scope = platform_catalog_key(platform), project.settings.scope_of(account)
    if project.frames.stamp(key, scope) is None:
        return None
    return project.frames.read(key, scope)


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
    stamp = project.frames.stamp(mapping_key(platform), outlet)
    synced = mappings.synced_ids(project.ledger, scope)
    path = mapping_path(project, channel)
    inputs = fingerprint(
        catalog_stamp.parts.get(IDENTITY, catalog_stamp.fingerprint) if catalog_stamp else "",
        listed_stamp.fingerprint if listed_stamp else "",
        hashlib.sha256(path.read_bytes()).hexdigest() if path and path.is_file() else str(path),
        synced,
        channel.mapping.model_dump(mode="json"),
    )
    if stamp and stamp.inputs == inputs:
        return StageResult(outlet, True, "unchanged", numbers=dict(stamp.numbers))
    catalog = project.frames.read(CATALOG_KEY, outlet)
    mapping, unused = mapping_of(project, platform, outlet, channel, catalog)
    numbers = coverage(mapping, unused=unused)
    project.frames.write(mapping_key(platform), outlet, mapping, inputs=inputs, numbers=numbers)
    return StageResult(outlet, True, "done", numbers=numbers)


def mapping_of(
    project: Project, platform: str, outlet: str, channel: Channel, catalog: pd.DataFrame
) -> tuple[pd.DataFrame, int]:
    """The SKU_MAPPING of a catalog, and how many rows of the maintained file it does not use."""
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
    )
    validate(SKU_MAPPING, mapping, what=f"the {platform} SKU mapping of {outlet}")
    return mapping, unused_rows(catalog, file_rows)


def mapping_path(project: Project, channel: Channel) -> Path | None:
    """The maintained mapping file of a channel; None: it has none."""
    return project.settings.root / channel.mapping.file if channel.mapping.file else None
