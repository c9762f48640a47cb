"""From an accepted extract to the catalog: one valid row per product of the outlet.

Only what holds for every platform belongs here; mapping, matching and pricing rules are other
modules' subjects.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pandas as pd

from marketsync_dagster.catalog.arrow import text
from marketsync_dagster.catalog.brands import add_brands
from marketsync_dagster.catalog.promotions import PROMOTION_COLUMNS, judged, with_promotions
from marketsync_dagster.catalog.sizes import SIZE_COLUMNS, add_sizes
from marketsync_dagster.values.times import utcnow

CATALOG_COLUMNS = (
    "sku",
    "name",
    "barcode",
    "barcode_note",
    "internal_code",
    "brand",
    "category",
    "size",
    "unit",
    "tags",
    "manufacturer",
    "origin",
    "price_minor",
    "regular_price_minor",
    *PROMOTION_COLUMNS,
    "currency",
    "quantity",
    "stock_status",
    "active",
    "line",
    *SIZE_COLUMNS,
)
"""Columns of the catalog, in order."""

_LATER = frozenset({"internal_code", "tags", "manufacturer", "origin"})
"""Columns that extracts stored by older versions do not have."""


def build_catalog(
    extract_frame: pd.DataFrame, brands: Sequence[str] = (), now: datetime | None = None
) -> pd.DataFrame:
    """The CATALOG frame of an EXTRACT frame, row for row and in the same order.

    `price_minor` (int64, minor units) is what a customer pays at the till `now` (default: at
    present): the promo price while the promotion holds, else the price (`catalog.promotions`).
    `regular_price_minor` (Int64) is the price without promotion.
    SIZE_COLUMNS are what size, unit and name say of the pack; a blank brand is the one of `brands`
    that the name begins with. Raises ValueError where the extract is not what `pos` accepts: a SKU
    twice or missing, or a row without any price.
    """
    sku = text(extract_frame["sku"])
    if sku.null_count or len(sku.unique()) != len(sku):
        raise ValueError("an extract has every SKU exactly once")
    regular, promo = extract_frame["price_minor"], extract_frame["promo_price_minor"]
    effective = (promo.fillna(regular) if promo.notna().any() else regular).array
    if effective.isna().any() or (effective <= 0).any():
        raise ValueError("every row of an extract has a price above zero")
    prices = {
        "price_minor": effective.to_numpy(dtype="int64"),
        "regular_price_minor": regular.array,
    }
    known = with_promotions(extract_frame)
    columns = {
        name: prices[name] if name in prices else known[name].array
        for name in CATALOG_COLUMNS
        if name not in SIZE_COLUMNS and (name in prices or name in known or name not in _LATER)
    }
    catalog = judged(pd.DataFrame(columns), now or utcnow())
    return add_sizes(add_brands(catalog, brands))
