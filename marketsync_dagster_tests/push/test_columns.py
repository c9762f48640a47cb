"""Columns that batches are cut from."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pandas as pd
import pytest

from marketsync_dagster.platforms.base import ItemResult
from marketsync_dagster.push.columns import Columns, Same, by_index, count_outcomes, distinct
from marketsync_dagster.values.outcomes import Outcome, StockStatus

FRAME = pd.DataFrame(
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


def test_items_and_rows_keep_what_was_planned() -> None:
    columns = Columns.of(FRAME)
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


@pytest.mark.parametrize("indices", [range(2), [0, 1], [1], []])
def test_one_result_for_all_is_the_same_as_one_for_each(indices: Sequence[int]) -> None:
    columns, result = Columns.of(FRAME), ItemResult(Outcome.REFUSED, "no")
    same, each = Same(indices, result), dict.fromkeys(indices, result)
    assert (dict(same), len(same)) == (each, len(each))
    assert columns.rows(same) == columns.rows(each)
    assert dict(count_outcomes(same)) == dict(count_outcomes(each))
    assert distinct(same) == distinct(each) or not each
    with pytest.raises(KeyError):
        same[7]


def test_results_go_to_the_items_in_whose_place_they_stand() -> None:
    good, bad = ItemResult(Outcome.APPLIED), ItemResult(Outcome.REFUSED, "no")
    assert dict(by_index(range(3, 5), [good, bad])) == {3: good, 4: bad}
    assert dict(by_index([3, 7], [good, good])) == {3: good, 7: good}
    for results in ([], [good], [good] * 3, [good, bad, bad]):
        with pytest.raises(ValueError):
            by_index(range(2), results)
