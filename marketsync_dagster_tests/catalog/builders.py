"""Small frames for the tests of the catalog."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from marketsync_dagster.catalog import schemas

Row = dict[str, Any]


def catalog(rows: Sequence[Row]) -> pd.DataFrame:
    """CATALOG of `rows`; what a row does not say is plain: 100 minor units of KES, active."""
    plain = {
        "name": None, "barcode": None, "price_minor": 100, "currency": "KES", "quantity": None,
        "stock_status": None, "active": True,
    }  # fmt: skip
    filled = []
    for number, row in enumerate(rows):
        whole = plain | {"line": number + 2} | row
        whole.setdefault("regular_price_minor", whole["price_minor"])
        filled.append(whole)
    more = sorted({name for row in filled for name in row} - {"sku", "line", *plain})
    columns = ["sku", *plain, "line", *(more or ["regular_price_minor"])]
    return schemas.conform(schemas.CATALOG, pd.DataFrame(filled, columns=columns))


def listed(*rows: tuple[str, str | None, str | None]) -> pd.DataFrame:
    """PLATFORM_CATALOG of (platform_id, platform_sku, barcode)."""
    frame = pd.DataFrame(list(rows), columns=["platform_id", "platform_sku", "barcode"])
    return schemas.conform(schemas.PLATFORM_CATALOG, frame)
