"""What a channel has nothing left to say about: a feed that its platform has acknowledged whole.

As long as nobody has pushed since, that feed says what the ledger's listings say. So the next
partial plan looks at the rows that differ from it, and asks the ledger for those few listings.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from marketsync_dagster.catalog.arrow import pc, text
from marketsync_dagster.ledger import cursors, extracts, listings, pushes, reconciliation
from marketsync_dagster.platforms.registry import target_of_channel
from marketsync_dagster.stages import project as driver
from marketsync_dagster.stages.feed import feed_key
from marketsync_dagster.values.errors import MarketSyncError

if TYPE_CHECKING:
    import pandas as pd

    from marketsync_dagster.config.settings import Channel
    from marketsync_dagster.push.plan import PlanOptions
    from marketsync_dagster.stages.project import Project

log = logging.getLogger(__name__)

_SAID = ("price_minor", "currency", "stock_status")
_OF_OFFERS = ("platform_sku", "details")
"""What is said besides, where listings say more than price and stock."""


def settled_cursor(outlet: str, platform: str) -> str:
    """The cursor of what a channel last had nothing left to say about: mark and newest push."""
    return f"settled:{outlet}/{platform}"


def settled_feed_cursor(outlet: str, platform: str) -> str:
    """The cursor of the feed of that moment: its fingerprint, whom it was told, newest push."""
    return f"settled:{outlet}/{platform}/feed"


def settled_feed_key(platform: str) -> tuple[str, str]:
    """The frame that keeps that feed; no asset of its own."""
    return (platform, "settled_feed")


def mark_of(project: Project, channel: Channel, platform: str) -> str:
    """What must be as it was for a channel to have nothing to say; empty without a feed."""
    return _mark(project, channel, platform, _told_to(project, channel, platform))


def _mark(project: Project, channel: Channel, platform: str, told_to: tuple[str, ...]) -> str:
    stamp = project.frames.stamp(feed_key(platform), channel.outlet)
    extract = extracts.latest_accepted(project.ledger, channel.outlet)
    if stamp is None or extract is None:
        return ""
    return driver.fingerprint(
        stamp.fingerprint,
        extract.id,
        *told_to,
        channel.guard.model_dump(mode="json"),
    )


def _told_to(project: Project, channel: Channel, platform: str) -> tuple[str, str, str]:
    """By whom, and to which place, a channel's feed is told; and when reading back last found that
    something else is shown."""
    cursor = reconciliation.read_back_cursor(channel.outlet, platform)
    read_back = cursors.get_cursor(project.ledger, cursor) or ""
    return channel.account, target_of_channel(project.settings, channel), read_back


def note_settled(project: Project, outlet: str, platform: str, mark: str, newest: str) -> None:
    """Remember that a channel has nothing left to say, as of the push `newest`: what it showed
    then has this mark. Its feed is kept, if it is still the stored one."""
    channel = project.settings.channel(outlet, platform)
    feed = ""
    # asked once: what is read back from here on makes what is noted void
    told_to = () if channel is None else _told_to(project, channel, platform)
    if channel is not None and _mark(project, channel, platform, told_to) == mark:
        kept = project.frames.keep(feed_key(platform), settled_feed_key(platform), outlet)
        feed = " ".join([kept, *told_to, newest])
    with project.ledger.begin() as connection:
        cursors.set_cursor(connection, settled_cursor(outlet, platform), f"{mark} {newest}")
        cursors.set_cursor(connection, settled_feed_cursor(outlet, platform), feed)


def is_settled(
    project: Project, platform: str, outlet: str, options: PlanOptions, mark: str, newest: str
) -> bool:
    """Whether this very feed went out whole, nobody pushed since, and nothing is pending: two
    lookups, no comparison."""
    if options.mode == "full" or options.skus:
        return False
    settled = cursors.get_cursor(project.ledger, settled_cursor(outlet, platform))
    if settled != f"{mark} {newest}":
        return False
    return listings.count_pending(project.ledger, outlet, platform) == 0


def unsettled_rows(
    project: Project, channel: Channel, platform: str, feed: pd.DataFrame, *, by_quantity: bool
) -> np.ndarray | None:
    """Which rows of `feed` the platform may not show: those that differ from the settled feed.

    The ledger's listings of all others say what the feed says, acknowledged. None: that is not
    known, or rows have come, or have got another platform id; all listings must be compared.
    """
    outlet = channel.outlet
    stamp = project.frames.stamp(settled_feed_key(platform), outlet)
    if stamp is None:
        return None
    newest = pushes.last_push(project.ledger, outlet, platform)
    noted = cursors.get_cursor(project.ledger, settled_feed_cursor(outlet, platform))
    told_to = _told_to(project, channel, platform)
    if noted != " ".join([stamp.fingerprint, *told_to, newest]):
        return None
    compared = (*_SAID, "quantity") if by_quantity else _SAID
    compared += tuple(name for name in _OF_OFFERS if "details" in feed)
    key, names = settled_feed_key(platform), ("sku", "platform_id", *compared)
    try:
        settled = project.frames.columns_of(key, outlet, names)
    except MarketSyncError as error:
        log.warning("%s; all listings are compared instead", error.message)
        return None
    if not set(names).issubset(settled.columns):
        return None
    at = pc.index_in(text(feed["sku"]), text(settled["sku"]))
    if at.null_count or not _arrow(settled["platform_id"]).take(at).equals(
        _arrow(feed["platform_id"])
    ):
        return None
    differs = pa.array(np.zeros(len(feed), bool))
    for name in compared:
        differs = pc.or_(differs, _unlike(_arrow(settled[name]).take(at), _arrow(feed[name])))
    return differs.to_numpy(zero_copy_only=False)


def _arrow(values: pd.Series) -> pa.Array:
    array = pa.array(values, from_pandas=True)
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _unlike(then: pa.Array, now: pa.Array) -> pa.Array:
    """Which values differ; two nulls are the same."""
    both_null = pc.and_(then.is_null(), now.is_null())
    return pc.and_not(pc.fill_null(pc.not_equal(then, now), True), both_null)
