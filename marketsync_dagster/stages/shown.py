"""Reading what platforms show: through the account's limiter, every call counted in the ledger.

Nothing is compared or kept here; that belongs to `stages.verify` and `stages.reconciliation`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from marketsync_dagster.catalog.offers import offer_name
from marketsync_dagster.config.settings import Account, Channel, MiraklAccount, Settings
from marketsync_dagster.ledger.calls import record_calls
from marketsync_dagster.platforms.base import Adapter, Call, PlatformError, ShownPage, ShownPrice
from marketsync_dagster.platforms.registry import capabilities_of, open_adapter
from marketsync_dagster.push.calls import call_row
from marketsync_dagster.push.drift import Rules
from marketsync_dagster.push.pacing import Pacer, Stop
from marketsync_dagster.stages.project import Project

CHUNK = 20
"""Listings that are asked for by name before anything of them is kept."""


@dataclass(slots=True)
class Reader:
    """One account, open for reading."""

    project: Project
    account: str
    adapter: Adapter
    pacer: Pacer
    calls: int = 0

    async def named(self, names: Sequence[str]) -> list[ShownPrice]:
        """What is shown under these names (`name_of`), in their order; PlatformError."""
        try:
            shown = await self.adapter.read_prices(names, pace=self.pacer)
        except PlatformError as error:
            await self._count(error.calls)
            raise
        await self._count([call for entry in shown for call in entry.calls])
        return shown

    async def pages(self) -> AsyncIterator[ShownPage]:
        """All that the platform lists of ours, page by page; PlatformError."""
        try:
            async for page in self.adapter.list_shown(pace=self.pacer):
                await self._count(page.calls)
                yield page
        except PlatformError as error:
            await self._count(error.calls)
            raise

    async def _count(self, calls: Sequence[Call]) -> None:
        self.calls += len(calls)
        rows = [call_row(self.account, call) for call in calls]

        def write() -> None:
            with self.project.ledger.begin() as connection:
                record_calls(connection, rows)

        await asyncio.to_thread(write)


@contextlib.asynccontextmanager
async def open_reader(project: Project, channel: Channel) -> AsyncIterator[Reader]:
    """The account of a channel, open for reading."""
    name = channel.account
    account = project.settings.accounts[name]
    patience_s = account.retry.budget_s
    pacer = Pacer(project.ledger, name, account.quota, Stop(), patience_s=patience_s)
    await pacer.open()
    # in a thread: stored secrets are read from the ledger
    adapter = await asyncio.to_thread(
        open_adapter, project.settings, name, channel=channel, secrets=project.secrets
    )
    async with adapter:
        yield Reader(project, name, adapter, pacer)


def name_of(settings: Settings, channel: Channel, sku: str, platform_id: str) -> str:
    """Under which name a platform is asked for a listing: its own name, else the product's id."""
    around = offer_name(settings.accounts[channel.account], channel)
    return platform_id if around is None else f"{around[0]}{sku}{around[1]}"


def sku_named(settings: Settings, channel: Channel, name: str) -> str | None:
    """The SKU that a channel's listing has by its name at the platform; None: it is not one of
    this channel's."""
    around = offer_name(settings.accounts[channel.account], channel)
    if around is None or not (name.startswith(around[0]) and name.endswith(around[1])):
        return None
    return name[len(around[0]) : len(name) - len(around[1])] or None


def has_own_names(account: Account) -> bool:
    """Whether listings of an account have names of their own at the platform."""
    return isinstance(account, MiraklAccount)


def rules_of(account: Account) -> Rules:
    """How what an account shows is compared."""
    by_quantity = capabilities_of(account).push_quantity
    if isinstance(account, MiraklAccount):
        return Rules(by_quantity, account.unknown_quantity)
    return Rules(by_quantity)
