"""Reading back: is what a platform shows what it has acknowledged; and taking over what it shows.

For platforms that can be asked (`Capabilities.read_prices`). Each price is a call, through the
account's limiter and counted like any other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from marketsync_dagster.config.settings import Channel
from marketsync_dagster.ledger import leases, listings
from marketsync_dagster.ledger.identity import told_by_others
from marketsync_dagster.ledger.listings import ItemRow, Source
from marketsync_dagster.ledger.reconciliation import Said
from marketsync_dagster.platforms.base import PlatformError, ShownPrice
from marketsync_dagster.platforms.registry import capabilities_of, target_of_channel
from marketsync_dagster.push.drift import Rules, reason_of, shown_minor, words, words_shown
from marketsync_dagster.push.recovery import LEASE_S, recover
from marketsync_dagster.stages import catalog, extract, feed, mapping, offers
from marketsync_dagster.stages.channel_run import lease_name
from marketsync_dagster.stages.project import Project, StageResult
from marketsync_dagster.stages.shown import CHUNK, name_of, open_reader, rules_of
from marketsync_dagster.values.errors import MarketSyncError, UsageError
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster.values.times import to_iso, utcnow

HOLD_S = LEASE_S * 10
"""How long the channel is held without a word: a chunk may wait for its quota for minutes."""
READ_BACK = "read back"
"""`message` of a listing that was taken over from what the platform shows."""


@dataclass(frozen=True, slots=True)
class Verified:
    """One acknowledged price, and what the platform shows for it now."""

    sku: str
    expected: str
    """`KES 107.50, in_stock`."""
    shown: str
    """The same of what the platform shows; empty: it shows nothing."""
    ok: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What `rebuild` came to; the keys of `ledger rebuild --json`."""

    outlet: str
    platform: str
    known: int
    """Listings that the ledger knew already."""
    taken_over: int
    not_shown: int
    """Products for which the platform shows nothing to compare with: the next run sends them."""
    unmapped: int
    calls: int


def verify_prices(project: Project, platform: str, outlet: str, count: int) -> list[Verified]:
    """Ask the platform for the `count` prices that it acknowledged last, newest first.

    PlatformError where it cannot be asked (`unsupported`), or does not answer; UsageError where
    the outlet has no channel there.
    """
    channel = _channel(project, outlet, platform)
    target = target_of_channel(project.settings, channel)
    newest = listings.newest_acknowledged(project.ledger, outlet, platform, target, count)
    names = [name_of(project.settings, channel, r["sku"], r["platform_id"]) for r in newest]
    shown: list[ShownPrice] = []
    asyncio.run(_read(project, channel, names, shown.extend))
    rules = rules_of(project.settings.accounts[channel.account])
    return [_verified(row, entry, rules) for row, entry in zip(newest, shown, strict=True)]


def _verified(row: dict[str, Any], shown: ShownPrice, rules: Rules) -> Verified:
    names = "ack_price_minor ack_currency ack_stock_status ack_quantity".split()
    told = Said(*(row[name] for name in names))
    reason = reason_of(told, shown, rules)
    return Verified(row["sku"], words(told, rules), words_shown(shown, told), not reason, reason)


def rebuild(
    project: Project,
    outlet: str,
    platform: str,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> Rebuilt:
    """Fill the listings of a channel that the ledger does not know from what the platform shows.

    What is known stays; what is `unknown` is known again. The outlet's frames are made first, as
    a run makes them. Nothing is sent. What was read before a failure is kept. Raises what
    `verify_prices` raises, Busy while a push is under way, MarketSyncError where there is no feed.
    """
    channel = _channel(project, outlet, platform)
    target = target_of_channel(project.settings, channel)
    source = Source(outlet, platform, channel.account, target, "", "", "")
    for results in (
        extract.extract_outlets(project, [outlet]),
        catalog.build_catalogs(project, [outlet]),
        offers.offer_products(project, platform, [outlet]),
        mapping.map_outlets(project, platform, [outlet]),
        feed.build_feeds(project, platform, [outlet]),
    ):
        _raise_what_failed(results)
    frame = project.frames.read(feed.feed_key(platform), outlet)
    stamp = project.frames.stamp(feed.feed_key(platform), outlet)
    unmapped = int(stamp.numbers["unmapped"]) if stamp else 0
    holder = f"run {project.run_id} of {project.user}"
    name = lease_name(outlet, platform)
    lease = leases.take_lease(project.ledger, name, holder, HOLD_S)
    try:
        recover(project.ledger, outlet, platform, source.target)
        known = listings.certain(project.ledger, outlet, platform, source.target)
        others = told_by_others(project.ledger, outlet, platform, channel.account)
        rows = [
            row
            for row in frame.to_dict(orient="records")
            if known.get(row["sku"]) != row["platform_id"] or row["sku"] in others
        ]
        counts = {"taken": 0, "not": 0, "calls": 0}

        def keep(shown: Sequence[ShownPrice]) -> None:
            done = counts["taken"] + counts["not"]
            some = rows[done : done + len(shown)]
            items = [_item(row, entry) for row, entry in zip(some, shown, strict=True)]
            taken = [item for item in items if item is not None]
            leases.renew(project.ledger, lease, HOLD_S)  # Busy if somebody took it over
            with project.ledger.begin() as connection:
                listings.acknowledge(connection, source, 0, taken, to_iso(utcnow()))
            counts["taken"] += len(taken)
            counts["not"] += len(items) - len(taken)
            counts["calls"] += sum(len(entry.calls) for entry in shown)
            tell(done + len(items), len(rows))

        names = [name_of(project.settings, channel, r["sku"], r["platform_id"]) for r in rows]
        asyncio.run(_read(project, channel, names, keep))
    finally:
        leases.release(project.ledger, lease)
    return Rebuilt(
        outlet=outlet,
        platform=platform,
        known=len(frame) - len(rows),
        taken_over=counts["taken"],
        not_shown=counts["not"],
        unmapped=unmapped,
        calls=counts["calls"],
    )


def _item(row: Mapping[Any, Any], shown: ShownPrice) -> ItemRow | None:
    """What the ledger keeps of a shown price; None: nothing that can be compared with."""
    currency = shown.currency or str(row["currency"])
    minor = shown_minor(shown, currency)
    if minor is None or shown.stock_status is None:
        return None
    status = shown.stock_status.value
    return (
        *(row["sku"], row["platform_id"], minor, currency, status, shown.quantity),
        *(Outcome.APPLIED.value, READ_BACK, 0),
    )


def _raise_what_failed(results: Sequence[StageResult]) -> None:
    for result in results:
        if not result.ok:
            raise MarketSyncError(result.reason, result.next_step)


def _channel(project: Project, outlet: str, platform: str) -> Channel:
    channel = project.settings.channel(outlet, platform)
    if channel is None:
        raise UsageError(f"{outlet} has no channel on {platform}")
    account = project.settings.accounts[channel.account]
    if not capabilities_of(account).read_prices:
        raise PlatformError(
            f"{platform} does not tell which prices it shows",
            f"marketsync run full_sync --outlet {outlet} sends every row",
            outcome=Outcome.UNSUPPORTED,
        )
    return channel


async def _read(
    project: Project,
    channel: Channel,
    names: Sequence[str],
    keep: Callable[[Sequence[ShownPrice]], Any],
) -> None:
    """Read prices chunk by chunk; `keep` is called with each, in their order."""
    async with open_reader(project, channel) as reader:
        for start in range(0, len(names), CHUNK):
            shown = await reader.named(names[start : start + CHUNK])
            await asyncio.to_thread(keep, shown)
