"""What a channel's feed says otherwise than its platform is known to show, by whole columns.

Pure comparisons of a feed with the ledger's listings, row by row of the feed. Which of the
differences are sent, and whether they may be, belongs to `push.plan` and `push.guard`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

from marketsync_dagster.catalog.arrow import among, pc, text
from marketsync_dagster.values.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

REPEATS_ONLY_WHEN_CHANGED = [Outcome.REFUSED.value, Outcome.UNSUPPORTED.value]
"""Outcomes after which the same value would only be refused again."""
MAY_BE_SHOWN = [Outcome.ACCEPTED_ASYNC.value, Outcome.UNKNOWN.value]
"""Outcomes after which the platform may show what was sent, or is about to."""
_SENT = "price_minor currency stock_status quantity".split()
_KNOWN = (
    "sku price_minor currency stock_status quantity outcome ack_price_minor ack_currency "
    "ack_stock_status ack_quantity extract_time"
).split()


def places(feed: pd.DataFrame, listings: pd.DataFrame) -> np.ndarray:
    """For each row of the feed the row of its SKU in the listings; -1: there is none."""
    at = pc.index_in(text(feed["sku"]), text(listings["sku"]))
    return pc.fill_null(at, -1).to_numpy().astype(np.int64)


def known_rows(
    feed: pd.DataFrame,
    listings: pd.DataFrame,
    at: np.ndarray,
    target: str,
    told_last: Callable[[], Mapping[str, str]] = dict,
) -> pd.DataFrame:
    """The listing of each feed row, aligned with the feed; `known` is False where there is none.

    `at` are the `places`. A listing that was told to another host, or under another platform id,
    is not this one. Where the platform id was told last under another SKU, that SKU's listing is
    what is shown: `taken_over` is True there. `told_last` (`ledger.identity`) is asked only if some
    id of the feed had another SKU once. Where nothing was acknowledged yet and what was sent may be
    shown all the same, that is what counts (`ack_*`): the guard needs something to compare with.
    """
    there = at >= 0
    same = there.copy()
    if there.any():
        rows = pa.array(at, mask=~there)
        told = pc.equal(text(listings["target"]), target).take(rows)
        ids = pc.equal(text(listings["platform_id"]).take(rows), text(feed["platform_id"]))
        same = pc.fill_null(pc.and_(told, ids), False).to_numpy(zero_copy_only=False)
    at, taken_over = _told_last(feed, listings, np.where(same, at, -1), target, told_last)
    known = pd.DataFrame(
        {name: listings[name].array.take(at, allow_fill=True) for name in _KNOWN}, copy=False
    )
    open_first = known["ack_price_minor"].isna() & known["outcome"].isin(MAY_BE_SHOWN)
    if open_first.any():
        for name in _SENT:
            known[f"ack_{name}"] = known[f"ack_{name}"].mask(open_first, known[name])
    known["known"] = at >= 0
    known["taken_over"] = taken_over
    if taken_over.any():
        known["sku"] = known["sku"].mask(taken_over, feed["sku"].array)
    return known


def _told_last(
    feed: pd.DataFrame,
    listings: pd.DataFrame,
    at: np.ndarray,
    target: str,
    told_last: Callable[[], Mapping[str, str]],
) -> tuple[np.ndarray, np.ndarray]:
    """The place of what each platform id of the feed was told last, and where that was under
    another SKU. `at`: the places of the rows' own listings."""
    taken_over = np.zeros(len(feed), bool)
    here = pc.equal(text(listings["target"]), target).to_numpy(zero_copy_only=False)
    here[at[at >= 0]] = False
    strays = np.flatnonzero(here)
    if not len(strays):
        return at, taken_over
    ids = text(listings["platform_id"]).take(pa.array(strays))
    found = pc.fill_null(pc.index_in(text(feed["platform_id"]), ids), -1).to_numpy()
    if not (found >= 0).any():
        return at, taken_over
    last = told_last()
    place_of = dict(zip(listings["sku"], range(len(listings)), strict=True)) if last else {}
    at = at.copy()
    rows = np.flatnonzero(found >= 0)
    for row, platform_id in zip(rows, feed["platform_id"].iloc[rows], strict=True):
        holder = last.get(str(platform_id))
        # one that was not loaded was told just now: nothing is known of what is shown
        place = strays[found[row]] if holder is None else place_of.get(holder, -1)
        taken_over[row] = place != at[row] and place >= 0
        at[row] = place
    return at, taken_over


def differences(
    feed: pd.DataFrame,
    known: pd.DataFrame,
    compare_quantity: bool,
    doubtful: Callable[[], Collection[str]] = list,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Whether price, and stock, differ from what was last acknowledged or refused; and which rows
    the platform refused and does not show. `doubtful` (`ledger.listings`) is asked only if some
    row is back at what was acknowledged before the platform refused another value."""
    price, stock = _unequal(feed, known, "", compare_quantity)
    refused = known["outcome"].isin(REPEATS_ONLY_WHEN_CHANGED).to_numpy()
    if refused.any():  # back to what the platform has acknowledged: there is nothing to mend
        ack_price, ack_stock = _unequal(feed, known, "ack_", compare_quantity)
        settled = refused & ~ack_price & ~ack_stock
        if settled.any():  # unless something that was sent between the two may be shown
            settled &= ~among(known["sku"], doubtful())
        price, stock, refused = price & ~settled, stock & ~settled, refused & ~settled
    return price, stock, refused


def _unequal(
    feed: pd.DataFrame, known: pd.DataFrame, prefix: str, compare_quantity: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Whether price, and stock, differ from those columns of the listings."""
    by_price = (known[f"{prefix}price_minor"] != feed["price_minor"]).fillna(True) | (
        known[f"{prefix}currency"] != feed["currency"]
    ).fillna(True)
    by_stock = (known[f"{prefix}stock_status"] != feed["stock_status"]).fillna(True)
    if compare_quantity:
        quantity = known[f"{prefix}quantity"]
        same = (quantity == feed["quantity"]).fillna(False) | (
            quantity.isna() & feed["quantity"].isna()
        )
        by_stock = by_stock | ~same
    return by_price.to_numpy(dtype=bool), by_stock.to_numpy(dtype=bool)
