"""`<platform>/reconciliation`: does the platform show what it acknowledged?

An account is read once for all its outlets: by pages where the platform lists what it shows of
ours, by name where it does not. What is absent from pages, or different in them, is asked for by
name before it is called drift: pages move while they are read. No lease is held meanwhile. What
comes of a reading belongs to `stages.verdicts`.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from marketsync_dagster.config.settings import Channel
from marketsync_dagster.ledger import reconciliation
from marketsync_dagster.ledger.reconciliation import UNKNOWN_TO_US, Said, Told, Verdict
from marketsync_dagster.platforms.base import ShownPrice
from marketsync_dagster.platforms.registry import capabilities_of
from marketsync_dagster.push.drift import words_shown
from marketsync_dagster.stages import project as driver
from marketsync_dagster.stages.feed import NO_CHANNEL
from marketsync_dagster.stages.project import Project, StageResult
from marketsync_dagster.stages.shown import CHUNK, Reader, name_of, open_reader, sku_named
from marketsync_dagster.stages.verdicts import ChannelReading, feed_skus
from marketsync_dagster.values.times import to_iso, utcnow

ACCOUNTS_AT_ONCE = 16
"""Reading is mostly waiting for the account's quota."""
ROWS_AT_ONCE = 5_000
"""Verdicts from pages that are kept in one transaction."""

Tell = Callable[[str, int, int], None]
"""Told (outlet, listings looked at, of how many)."""
Seen = dict[str, list[ShownPrice]]
"""Name of a listing -> what the pages say of it: more than one entry where they overlap."""
T = TypeVar("T")


def stage_name(platform: str) -> str:
    """The stage under which results and failures are recorded."""
    return f"{platform}_reconciliation"


def reconcile_outlets(
    project: Project,
    platform: str,
    outlets: Sequence[str],
    *,
    skus: Sequence[str] = (),
    limit: int | None = None,
    tell: Tell = lambda _outlet, _done, _all: None,
) -> list[StageResult]:
    """Compare what each outlet's channel has acknowledged with what the platform shows now.

    `skus`: only these listings, by name; `limit`: so many are asked for by name at most, whatever
    the account's `reconcile` says. What was found before a failure is kept, and so are earlier
    verdicts.
    """
    stage = stage_name(platform)
    failed = driver.failed_before(project, stage)
    channels = project.settings.channels_of(platform)
    wanted = [outlet for outlet in outlets if outlet not in failed]
    by_account: dict[str, list[Channel]] = {}
    for outlet in wanted:
        channel = channels.get(outlet)
        if channel is not None and _can_be_read(project, channel):
            by_account.setdefault(channel.account, []).append(channel)
    works = [_Account(project, platform, some, skus, limit, tell) for some in by_account.values()]
    found = asyncio.run(_run(works))
    results = [found.get(outlet) or StageResult(outlet, True, NO_CHANNEL) for outlet in wanted]
    driver.record(project, stage, results)
    return results


def _can_be_read(project: Project, channel: Channel) -> bool:
    can = capabilities_of(project.settings.accounts[channel.account])
    return can.list_shown or can.read_prices


async def _run(works: Sequence[_Account]) -> dict[str, StageResult]:
    gate = asyncio.Semaphore(ACCOUNTS_AT_ONCE)

    async def one(work: _Account) -> None:
        async with gate:
            await work.run()

    await asyncio.gather(*(one(work) for work in works))
    return {outlet: result for work in works for outlet, result in work.results.items()}


@dataclass(slots=True)
class _Account:
    """The channels of one account that a run looks at."""

    project: Project
    platform: str
    channels: Sequence[Channel]
    skus: Sequence[str]
    limit: int | None
    tell: Tell
    results: dict[str, StageResult] = field(default_factory=dict)

    @property
    def account(self) -> str:
        return self.channels[0].account

    @property
    def most(self) -> int | None:
        """So many listings may be asked for by name."""
        return self.limit or self.project.settings.accounts[self.account].reconcile.most

    async def run(self) -> None:
        """Read the account and judge its channels; what goes wrong is in `results`."""
        can = capabilities_of(self.project.settings.accounts[self.account])
        try:
            begun = await asyncio.to_thread(lambda: [self._begin(one) for one in self.channels])
            if not can.list_shown:
                for one in begun:
                    async with open_reader(self.project, one.channel) as reader:
                        await self._guarded(one, reader, None)
                return
            async with open_reader(self.project, self.channels[0]) as reader:
                seen = None if self.skus else await _pages(reader)
                for one in begun:
                    await self._guarded(one, reader, seen)
                if seen is not None:
                    await self._strangers(reader, seen)
        except Exception as error:  # noqa: BLE001 - one bad account must not stop the others
            for channel in self.channels:
                self._failed(channel.outlet, error)

    def _begin(self, channel: Channel) -> ChannelReading:
        one = ChannelReading(self.project, self.platform, channel)
        one.begin(self.skus)
        return one

    async def _guarded(self, one: ChannelReading, reader: Reader, seen: Seen | None) -> None:
        # pages are read for all: they are counted for the first outlet
        before = reader.calls if self.results else 0
        try:
            await self._channel(one, reader, seen)
            self.results[one.outlet] = one.result(reader.calls - before)
        except Exception as error:  # noqa: BLE001 - one bad outlet must not stop the others
            self._failed(one.outlet, error)

    def _failed(self, outlet: str, error: BaseException) -> None:
        while isinstance(error, BaseExceptionGroup) and error.exceptions:
            error = error.exceptions[0]
        bad = driver.failure(stage_name(self.platform), outlet, error)
        step = bad.next_step or f"marketsync connections test --account {self.account}"
        reason = f"what the platform shows was not read to the end: {bad.reason}"
        self.results[outlet] = dataclasses.replace(bad, reason=reason, next_step=step)

    async def _channel(self, one: ChannelReading, reader: Reader, seen: Seen | None) -> None:
        """Judge what the pages agree with, then ask for the rest by name, and judge that."""
        agreed: list[tuple[Told, ShownPrice]] = []
        suspects: list[Told] = []
        for listing in one.candidates:
            entries = seen.get(one.name(listing), []) if seen is not None else []
            if one.agrees(listing, entries):
                agreed.append((listing, entries[-1]))
            else:
                suspects.append(listing)
        done = 0
        for some in _chunks(agreed, ROWS_AT_ONCE):
            await asyncio.to_thread(one.judge, some)
            done += len(some)
            self.tell(one.outlet, done, len(one.candidates))
        suspects = await asyncio.to_thread(one.longest_unread, suspects, self.most)
        for some in _chunks(suspects, CHUNK):
            still = await asyncio.to_thread(one.unmoved, some)
            shown = await reader.named([one.name(listing) for listing in still])
            await asyncio.to_thread(one.judge, list(zip(still, shown, strict=True)))
            done += len(some)
            self.tell(one.outlet, done, len(one.candidates))
        if not self.skus:
            await asyncio.to_thread(one.forget)

    # --- what nobody here has told

    async def _strangers(self, reader: Reader, seen: Seen) -> None:
        """Offers of the account that are in no listing and no feed of any of its channels.

        One that was unknown before and is absent from the pages now is asked for by name.
        """
        ledger, settings = self.project.ledger, self.project.settings
        mine = [channel for channel in settings.channels if channel.account == self.account]
        known = await asyncio.to_thread(
            lambda: {name for channel in mine for name in self._names(channel)}
        )
        found = {name: entries[-1] for name, entries in seen.items() if name not in known}
        before = await asyncio.to_thread(
            reconciliation.strangers, ledger, self.platform, self.account
        )
        gone = sorted(before - seen.keys() - known)
        asked = gone[: self.most]
        for some in _chunks(asked, CHUNK):
            shown = await reader.named(some)
            there = zip(some, shown, strict=True)
            found |= {name: entry for name, entry in there if entry.price is not None}
        at = to_iso(utcnow())
        verdicts = [self._stranger(mine, name, entry, at) for name, entry in found.items()]
        stay = {*found, *gone[len(asked) :]}

        def keep() -> None:
            with ledger.begin() as connection:
                reconciliation.forget_strangers(connection, self.platform, self.account, stay)
                reconciliation.record_verdicts(connection, verdicts)

        await asyncio.to_thread(keep)
        for outlet, count in Counter(one.outlet for one in verdicts).items():
            result = self.results.get(outlet)
            if result is not None and result.numbers:
                numbers = {**result.numbers, UNKNOWN_TO_US: count}
                self.results[outlet] = dataclasses.replace(result, numbers=numbers)

    def _names(self, channel: Channel) -> Iterator[str]:
        """What the channel's listings are called, of all that it has or would have."""
        skus = reconciliation.listed_skus(self.project.ledger, channel.outlet, self.platform)
        for sku in skus | (feed_skus(self.project, self.platform, channel.outlet) or frozenset()):
            yield name_of(self.project.settings, channel, sku, "")

    def _stranger(self, mine: Sequence[Channel], name: str, shown: ShownPrice, at: str) -> Verdict:
        """The verdict on an offer that is unknown to us. Its name tells whose it would be, the
        closest fit first; else it goes to the account's first outlet."""
        settings = self.project.settings
        fits = [
            (len(sku), channel.outlet)
            for channel in mine
            if (sku := sku_named(settings, channel, name)) is not None
        ]
        return Verdict(
            outlet=min(fits)[1] if fits else mine[0].outlet,
            platform=self.platform,
            sku="",
            platform_sku=name,
            account=self.account,
            verdict=UNKNOWN_TO_US,
            expected="",
            shown=words_shown(shown, _NOTHING),
            reason="no listing and no feed of ours has it",
            at=at,
        )


_NOTHING = Said(None, None, None)


async def _pages(reader: Reader) -> Seen:
    seen: Seen = {}
    async for page in reader.pages():
        for row in page.rows:
            seen.setdefault(row.platform_sku or row.platform_id, []).append(row)
    return seen


def _chunks(rows: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for first in range(0, len(rows), size):
        yield rows[first : first + size]
