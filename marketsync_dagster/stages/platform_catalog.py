"""The stage `<platform>/platform_catalog`: what a platform lists, for the SKU mapping to look in.

It belongs to an account's catalog scope and is read once for all outlets that share it. Where a
platform finds only the products whose barcodes it is given, the barcodes of all these outlets are
handed over, and those that were asked for are remembered: new ones can be asked for between two
readings of everything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pandas as pd

from marketsync_dagster.catalog.arrow import among
from marketsync_dagster.catalog.schemas import PLATFORM_CATALOG, conform, validate
from marketsync_dagster.ledger.calls import record_calls
from marketsync_dagster.platforms.base import Call, PlatformError
from marketsync_dagster.platforms.registry import capabilities_of, open_adapter
from marketsync_dagster.push.calls import call_row
from marketsync_dagster.push.pacing import Pacer, Stop
from marketsync_dagster.stages import project as driver
from marketsync_dagster.stages.catalog import CATALOG_KEY
from marketsync_dagster.stages.project import Project, StageResult

_ONCE = ("platform_id", "platform_sku", "barcode")
"""What tells two rows apart where listings of ours are listed too, several for one product."""


def platform_catalog_key(platform: str) -> tuple[str, str]:
    """One frame per catalog scope; the scope stands where other frames have the outlet."""
    return (platform, "platform_catalog")


def asked_key(platform: str) -> tuple[str, str]:
    """The barcodes that were asked for, one frame per catalog scope; no asset of its own."""
    return (platform, "asked_barcodes")


def refresh_platform_catalog(
    project: Project, platform: str, *, only_new: bool = False
) -> StageResult:
    """Read what the platform lists, once for each catalog scope, and store it.

    `only_new`: of platforms that are asked by barcode, only for barcodes that were never asked for;
    without any, nothing is called. The result has outlet "" and the figures of all scopes; a scope
    that cannot be read keeps its last good copy and makes the result bad.
    """
    numbers, problems, next_step = {"rows": 0, "calls": 0}, [], ""
    scopes = _scopes(project, platform)
    for scope, account in scopes.items():
        try:
            _refresh(project, platform, scope, account, numbers, only_new=only_new)
        except Exception as error:  # noqa: BLE001 - one bad scope must not stop the others
            bad = driver.failure(f"{platform}_platform_catalog", scope, error)
            problems.append(f"{scope}: {bad.reason}")
            next_step = bad.next_step
            if isinstance(error, PlatformError):
                numbers["calls"] += len(error.calls)
                _log_calls(project, account, error.calls)
    state = "failed" if problems else "done" if numbers["calls"] else "unchanged"
    numbers["scopes"] = len(scopes)
    return StageResult("", not problems, state, "; ".join(problems), next_step, dict(numbers))


def _scopes(project: Project, platform: str) -> dict[str, str]:
    """Catalog scope -> an account that reads it."""
    settings = project.settings
    scopes: dict[str, str] = {}
    for channel in settings.channels_of(platform).values():
        if capabilities_of(settings.accounts[channel.account]).read_catalog:
            scopes.setdefault(settings.scope_of(channel.account), channel.account)
    return scopes


def _refresh(
    project: Project,
    platform: str,
    scope: str,
    account: str,
    numbers: dict[str, int],
    *,
    only_new: bool,
) -> None:
    can = capabilities_of(project.settings.accounts[account])
    key = platform_catalog_key(platform)
    known = None
    barcodes = pd.Series([], dtype="str")
    wanted = barcodes
    if can.catalog_by_barcode:
        wanted = barcodes = _barcodes(project, platform, scope)
        if only_new and (stamp := project.frames.stamp(key, scope)) is not None:
            asked = _asked(project, platform, scope)
            wanted = barcodes[~among(barcodes, asked)]
            if not len(wanted):
                numbers["rows"] += stamp.rows
                return
            known = project.frames.read(key, scope)
            barcodes = pd.concat([asked, wanted], ignore_index=True)
    rows = asyncio.run(_read_catalog(project, account, wanted.tolist(), numbers))
    if known is not None:
        rows = pd.concat([rows, known], ignore_index=True)  # what was read now comes first
    once = list(_ONCE) if can.catalog_by_barcode else "platform_id"
    frame = conform(PLATFORM_CATALOG, rows.drop_duplicates(once, ignore_index=True))
    validate(PLATFORM_CATALOG, frame, what=f"the catalogue of {platform} ({scope})")
    numbers["rows"] += len(frame)
    project.frames.write(key, scope, frame, inputs="", numbers={"rows": len(frame)})
    if can.catalog_by_barcode:
        # after the catalogue: a crash in between asks once more
        numbers["barcodes"] = numbers.get("barcodes", 0) + len(wanted)
        asked_now = pd.DataFrame({"barcode": barcodes})
        project.frames.write(asked_key(platform), scope, asked_now, inputs="")


def _barcodes(project: Project, platform: str, scope: str) -> pd.Series:
    """The barcodes of all products that can be offered by channels of a scope, each once."""
    settings = project.settings
    found = []
    for outlet, channel in settings.channels_of(platform).items():
        if settings.scope_of(channel.account) != scope:
            continue
        offers = (platform, "products")
        if project.frames.stamp(offers, outlet) is not None:
            rows = project.frames.columns_of(offers, outlet, ("barcode", "reason"))
            found.append(rows["barcode"][rows["reason"].isna()])
        elif project.frames.stamp(CATALOG_KEY, outlet) is not None:
            found.append(project.frames.columns_of(CATALOG_KEY, outlet, ("barcode",))["barcode"])
    if not found:
        return pd.Series([], dtype="str")
    return pd.concat(found).dropna().drop_duplicates().reset_index(drop=True).astype("str")


def _asked(project: Project, platform: str, scope: str) -> pd.Series:
    key = asked_key(platform)
    if project.frames.stamp(key, scope) is None:
        return pd.Series([], dtype="str")
    return project.frames.read(key, scope)["barcode"].astype("str")


async def _read_catalog(
    project: Project, account: str, barcodes: Sequence[str], numbers: dict[str, int]
) -> pd.DataFrame:
    """All products that the platform lists for an account; `numbers["calls"]` counts the calls."""
    said = project.settings.accounts[account]
    patience_s = said.retry.budget_s
    pacer = Pacer(project.ledger, account, said.quota, Stop(), patience_s=patience_s)
    await pacer.open()
    rows: list[dict[str, str | None]] = []
    adapter = open_adapter(project.settings, account, channel=None, secrets=project.secrets)
    async with adapter:
        async for page in adapter.read_catalog(pace=pacer, barcodes=barcodes):
            rows += page.rows
            numbers["calls"] += len(page.calls)
            await asyncio.to_thread(_log_calls, project, account, page.calls)
    columns = list(PLATFORM_CATALOG.columns)
    return pd.DataFrame(rows, columns=columns)


def _log_calls(project: Project, account: str, calls: Sequence[Call]) -> None:
    rows = [call_row(account, call) for call in calls]
    with project.ledger.begin() as connection:
        record_calls(connection, rows)


def unasked(project: Project, account: str, catalog: pd.DataFrame) -> np.ndarray | None:
    """The rows of a catalog that the platform was never asked for; None: it cannot be asked."""
    settings = project.settings
    can = capabilities_of(settings.accounts[account])
    if not can.read_catalog:
        return None
    platform, scope = settings.accounts[account].platform, settings.scope_of(account)
    if project.frames.stamp(platform_catalog_key(platform), scope) is None:
        return np.ones(len(catalog), dtype=bool)
    if not can.catalog_by_barcode or project.frames.stamp(asked_key(platform), scope) is None:
        return np.zeros(len(catalog), dtype=bool)
    with_barcode = catalog["barcode"].notna().to_numpy(dtype=bool)
    return with_barcode & ~among(catalog["barcode"], _asked(project, platform, scope))


def stored_platform_catalog(project: Project, account: str) -> pd.DataFrame | None:
    """What the platform listed when it was last read; None: never, or it cannot be read."""
    platform = project.settings.accounts[account].platform
    key, scope = platform_catalog_key(platform), project.settings.scope_of(account)
    if project.frames.stamp(key, scope) is None:
        return None
    return project.frames.read(key, scope)
