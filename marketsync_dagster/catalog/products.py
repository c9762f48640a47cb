"""From an accepted extract to the catalog: one valid row per product of the outlet.

Only what holds for every platform belongs here; mapping, matching and pricing rules are other
modules' subjects.
"""

from __future__ import annotations

import pandas as pd

from marketsync_dagster.catalog.arrow import text

CATALOG_COLUMNS = (
    "sku",
    "name",
    "barcode",
    "barcode_note",
    "brand",
    "category",
    "size",
    "unit",
    "price_minor",
    "regular_price_minor",
    "currency",
    "quantity",
    "stock_status",
    "active",
    "line",
)
"""Columns of the catalog, in order."""


def build_catalog(extract_frame: pd.DataFrame) -> pd.DataFrame:
    """The CATALOG frame of an EXTRACT frame, row for row and in the same order.

    `price_minor` (int64, minor units) is what a customer pays at the till: the promo price where
    there is one, else the price. `regular_price_minor` (Int64) is the price without promotion.
    Raises ValueError where the extract is not what `pos` accepts: a SKU twice or missing, or a
    row without any price.
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
    columns = {
        name: prices[name] if name in prices else extract_frame[name].array
        for name in CATALOG_COLUMNS
    }
    return pd.DataFrame(columns)
