"""The price feed: what a platform should show for every mapped row of an outlet's catalog.

Stock rules and the putting together belong here; prices come from `catalog.pricing`. What is
sent of it is `push.plan`'s to decide.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from marketsync_dagster.catalog.arrow import pc, pick, text
from marketsync_dagster.catalog.columns import STOCK_STATUSES
from marketsync_dagster.catalog.mapping import same_rows
from marketsync_dagster.catalog.pricing import apply_pricing, base_prices
from marketsync_dagster.catalog.promotions import unpriced
from marketsync_dagster.config.channels import Channel, PricingSettings, StockSettings


def build_feed(
    catalog: pd.DataFrame,
    mapping: pd.DataFrame,
    channel: Channel,
    offers: pd.DataFrame | None = None,
    reserved: Mapping[str, int] | None = None,
) -> pd.DataFrame:
    """FEED: one row per mapped row of `catalog` (CATALOG), in its order.

    `mapping` (SKU_MAPPING) must be of the same catalog, and `offers` (OFFERS), whose `details` the
    feed then has: MarketSyncError otherwise. The other errors are those of `apply_pricing`.
    `reserved` (SKU -> pieces) is what open orders have sold: as if it were not there.
    """
    same_rows(catalog, mapping, channel.outlet, "SKU mapping was")
    if offers is not None:
        same_rows(catalog, offers, channel.outlet, "offers were")
    mapped = mapping["platform_id"].notna().to_numpy()
    rows, ids = catalog.reset_index(drop=True), mapping.reset_index(drop=True)
    if not mapped.all():
        rows, ids = (frame[mapped].reset_index(drop=True) for frame in (rows, ids))
    if reserved:
        rows = less(rows, reserved)
    price, rule = _prices(rows, channel.pricing)
    if (lacking := unpriced(rows)).any():
        rule = rule.where(~lacking, rows["price_note"])
    columns = {
        "sku": rows["sku"],
        "platform_id": ids["platform_id"],
        "platform_sku": ids["platform_sku"],
        "name": rows["name"],
        "barcode": rows["barcode"],
        "pos_price_minor": base_prices(rows, channel.pricing),
        "price_minor": price,
        "currency": rows["currency"],
        "stock_status": stock_status(rows, channel.stock),
        "quantity": quantity_to_sell(rows, channel.stock),
        "rule": rule,
        "matched_by": ids["matched_by"],
    }
    if offers is not None:
        columns["details"] = offers["details"].reset_index(drop=True)[mapped]
    columns["line"] = rows["line"]
    if "extract_id" in rows:
        columns["extract_id"] = rows["extract_id"]
    # all of them have the same index: pandas need not compare them
    return pd.DataFrame({name: column.array for name, column in columns.items()})


def less(rows: pd.DataFrame, reserved: Mapping[str, int]) -> pd.DataFrame:
    """CATALOG rows with fewer pieces; what nobody has counted stays unknown."""
    taken = rows["sku"].map(reserved).fillna(0).astype("int64")
    left = rows["quantity"] - taken
    return rows.assign(quantity=left.where(left.isna() | (left > 0), 0).astype("Int64"))


def stock_status(rows: pd.DataFrame, settings: StockSettings) -> pd.Series:
    """in_stock, limited_stock or out_of_stock per row of a CATALOG frame.

    The quantity less the buffer decides; without a quantity the extract's stock status; without
    either `settings.missing`. An inactive row, or one that has no price now, is out of stock
    whatever it says.
    """
    counted = rows["quantity"].notna().to_numpy()
    left = rows["quantity"].to_numpy(dtype="int64", na_value=0) - settings.buffer
    said = pc.index_in(text(rows["stock_status"].fillna(settings.missing)), text(STOCK_STATUSES))
    status = np.select(
        [
            ~_is_sold(rows) | (counted & (left <= 0)),
            counted & (left < settings.limited_below),
            counted,
        ],
        [STOCK_STATUSES.index(word) for word in ("out_of_stock", "limited_stock", "in_stock")],
        default=pc.fill_null(said, -1).to_numpy(),
    )
    return pick(list(STOCK_STATUSES), status).set_axis(rows.index)


def quantity_to_sell(rows: pd.DataFrame, settings: StockSettings) -> pd.Series:
    """Units to offer (Int64): less the buffer, at least 0; null where the extract has none.

    A row that is not sold has 0: a platform that goes by the quantity takes it off sale too.
    """
    left = rows["quantity"].to_numpy(dtype="int64", na_value=0) - settings.buffer
    left = np.where(_is_sold(rows), np.maximum(left, 0), 0)
    unknown = rows["quantity"].isna().to_numpy()
    return pd.Series(pd.arrays.IntegerArray(left, unknown), index=rows.index)


def _is_sold(rows: pd.DataFrame) -> np.ndarray:
    return rows["active"].to_numpy(dtype=bool) & ~unpriced(rows)


def _prices(rows: pd.DataFrame, settings: PricingSettings) -> tuple[pd.Series, pd.Series]:
    currencies = rows["currency"].unique()
    if len(currencies) == 1:
        return apply_pricing(rows, settings, str(currencies[0]))
    price = pd.Series(0, index=rows.index, dtype="int64")
    rule = pd.Series("", index=rows.index, dtype="str")
    for currency in currencies:
        own = rows["currency"] == currency
        price[own], rule[own] = apply_pricing(rows[own], settings, str(currency))
    return price, rule
