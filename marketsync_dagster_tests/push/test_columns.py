"""Columns that batches are cut from."""

from __future__ import annotations

from decimal import Decimal

import pandas as pd

from marketsync_dagster.platforms.base import ItemResult
from marketsync_dagster.push.columns import Columns, count_outcomes
from marketsync_dagster.values.outcomes import Outcome, StockStatus


def test_items_and_rows_keep_what_was_planned() -> None:
    frame = pd.DataFrame(
        {
            "sku": ["001", "002"],
            "platform_id": ["a", "b"],
            "price_minor": [6000, 7],
            "currency": ["KES", "JPY"],
            "stock_status": ["in_stock", "out_of_stock"],
            "quantity": pd.array([3, None], dtype="Int64"),
            "line": [2, 3],
        }
    )
    columns = Columns.of(frame)
    first, second = columns.items([0, 1])
    assert (str(first.price), first.stock_status, first.quantity) == (
        "60.00",
        StockStatus.IN_STOCK,
        3,
    )
    assert (second.price, second.stock_status, second.quantity) == (
        Decimal(7),
        StockStatus.OUT_OF_STOCK,
        None,
    )
    results = {0: ItemResult(Outcome.APPLIED), 1: ItemResult(Outcome.REFUSED, "no")}
    assert columns.rows(results) == [
        ("001", "a", 6000, "KES", "in_stock", 3, "applied", "", 2),
        ("002", "b", 7, "JPY", "out_of_stock", None, "refused", "no", 3),
    ]
    assert count_outcomes(results) == {"applied": 1, "refused": 1}
