"""Which promotions hold at a moment, and what that makes of a catalog's prices.

A catalog keeps a promotion's price and window beside the regular price, so that it can be judged
again as time goes on, without the extract that it was made from.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa

from marketsync_dagster.catalog.arrow import join, pc, series, text
from marketsync_dagster.values.times import to_iso

WINDOW = ("promo_from", "promo_to")
PROMOTION_COLUMNS = ("promo_price_minor", *WINDOW, "price_note")
"""Columns of the catalog that catalogs stored by older versions do not have."""


def with_promotions(catalog: pd.DataFrame) -> pd.DataFrame:
    """A CATALOG frame with PROMOTION_COLUMNS; one that was stored without them knows of none."""
    absent = [name for name in PROMOTION_COLUMNS if name not in catalog]
    types = {"promo_price_minor": "Int64"}
    return catalog.assign(
        **{
            name: pd.Series([None] * len(catalog), catalog.index, types.get(name, "str"))
            for name in absent
        }
    )


def judged(catalog: pd.DataFrame, now: datetime) -> pd.DataFrame:
    """The catalog with the prices of the moment `now`.

    `price_minor` is the promotion's price while it holds, else the regular one. A row without a
    regular price whose promotion does not hold has no price: it keeps the promotion's, says so in
    `price_note`, and is out of stock in every feed.
    """
    if not set(WINDOW) <= set(catalog.columns) or not _windowed(catalog).any():
        return catalog
    promo = catalog["promo_price_minor"]
    begun, over = _begun_and_over(catalog, now)
    holds = promo.notna().to_numpy() & begun & ~over
    regular = catalog["regular_price_minor"]
    priced = regular.notna().to_numpy()
    changed = _windowed(catalog)
    price = catalog["price_minor"].to_numpy(dtype="int64").copy()
    price[changed & priced] = regular.to_numpy(dtype="int64", na_value=0)[changed & priced]
    price[changed & holds] = promo.to_numpy(dtype="int64", na_value=0)[changed & holds]
    return catalog.assign(
        price_minor=pd.Series(price, index=catalog.index),
        price_note=_notes(catalog, changed & ~holds & ~priced, over).set_axis(catalog.index),
    )


def unpriced(catalog: pd.DataFrame) -> np.ndarray:
    """Which rows have no price now."""
    if "price_note" not in catalog:
        return np.zeros(len(catalog), bool)
    return catalog["price_note"].notna().to_numpy()


@dataclass(frozen=True)
class Span:
    """From when to when the same promotions hold; blank: for ever."""

    since: str = ""
    until: str = ""

    def has(self, now: datetime) -> bool:
        """Whether `now` is in it."""
        moment = to_iso(now)
        return self.since <= moment and (not self.until or moment < self.until)


def span_of(catalog: pd.DataFrame, now: datetime) -> Span:
    """The span around `now` in which no promotion of the catalog begins or ends."""
    if not set(WINDOW) <= set(catalog.columns):
        return Span()
    moment = to_iso(now)
    edges = pa.chunked_array([text(catalog[name]).drop_null() for name in WINDOW]).unique()
    behind = edges.filter(pc.less_equal(edges, moment))
    ahead = edges.filter(pc.greater(edges, moment))
    return Span(pc.max(behind).as_py() or "", pc.min(ahead).as_py() or "")


def marked(inputs: str, span: Span) -> str:
    """What a catalog is made from, with the span that its prices are of, for a frame's stamp."""
    return inputs if span == Span() else f"{inputs} {span.since}..{span.until}"


def unmarked(inputs: str) -> tuple[str, Span]:
    """What `marked` put together."""
    made_from, _, span = inputs.partition(" ")
    return made_from, Span(*span.split("..")) if span else Span()


def _windowed(catalog: pd.DataFrame) -> np.ndarray:
    return (catalog["promo_from"].notna() | catalog["promo_to"].notna()).to_numpy()


def _begun_and_over(catalog: pd.DataFrame, now: datetime) -> tuple[np.ndarray, np.ndarray]:
    moment = to_iso(now)
    starts, ends = (text(catalog[name]) for name in WINDOW)
    begun = pc.fill_null(pc.less_equal(starts, moment), True)
    over = pc.fill_null(pc.less_equal(ends, moment), False)
    return begun.to_numpy(zero_copy_only=False), over.to_numpy(zero_copy_only=False)


def _notes(catalog: pd.DataFrame, rows: np.ndarray, over: np.ndarray) -> pd.Series:
    starts, ends = (text(catalog[name]) for name in WINDOW)
    words = pc.if_else(
        pa.array(over),
        join("its promotion ended at ", ends),
        join("its promotion begins at ", starts),
    )
    none = pa.scalar(None, pa.large_string())
    said = join("no price now: ", words, ", and there is no regular price")
    return series(pc.if_else(pa.array(rows), said, none))
