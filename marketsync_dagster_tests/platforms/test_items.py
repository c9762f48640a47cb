"""Items as columns are the same items."""

from __future__ import annotations

from decimal import Decimal

import pytest

from marketsync_dagster.platforms.base import PriceItem
from marketsync_dagster.platforms.items import PriceItems
from marketsync_dagster.values.outcomes import StockStatus

COLUMNS = PriceItems(
    ["001", "002", "003"],
    ["a", "b", "c"],
    [6000, 7, 0],
    ["KES", "JPY", "KWD"],
    ["in_stock", "out_of_stock", "limited_stock"],
    [3, None, 0],
)
ITEMS = [
    PriceItem("001", "a", Decimal("60.00"), "KES", StockStatus.IN_STOCK, 3),
    PriceItem("002", "b", Decimal(7), "JPY", StockStatus.OUT_OF_STOCK),
    PriceItem("003", "c", Decimal("0.000"), "KWD", StockStatus.LIMITED_STOCK, 0),
]


def test_columns_are_read_item_by_item_like_a_list_of_them() -> None:
    assert (list(COLUMNS), len(COLUMNS), bool(COLUMNS)) == (ITEMS, 3, True)
    assert (COLUMNS[-1], COLUMNS[1:], ITEMS[1] in COLUMNS) == (ITEMS[2], ITEMS[1:], True)
    assert str(COLUMNS[0].price) == "60.00"
    assert type(COLUMNS[0].stock_status) is StockStatus


def test_items_become_the_columns_that_they_would_have_come_from() -> None:
    columns = PriceItems.of(ITEMS)
    for name in ("sku", "platform_id", "price_minor", "currency", "stock_status", "quantity"):
        assert getattr(columns, name) == getattr(COLUMNS, name)
    assert columns.price_texts() == ["60.00", "7", "0.000"]
    assert PriceItems.of(columns) is columns
    promoted = [ITEMS[0]._replace(promotion=True)]
    assert list(PriceItems.of(promoted)) == promoted


def test_an_item_whose_price_would_lose_digits_is_not_made_a_column() -> None:
    with pytest.raises(ValueError, match="more decimals"):
        PriceItems.of([ITEMS[0]._replace(price=Decimal("60.005"))])
