"""The catalog is the extract with the price that a customer pays."""

from __future__ import annotations

import pandas as pd
import pytest

from marketsync_dagster.catalog.products import CATALOG_COLUMNS, build_catalog
from marketsync_dagster.pos.model import ExtractSpec
from marketsync_dagster.pos.read import read_extract

FILE = b"""sku,name,barcode,price,promo,qty
007,Tea,5901234123457,2.00,1.50,3
008,Rice,123,,0.99,
009,Oil,,4.00,,0
"""


@pytest.fixture
def extract_frame() -> pd.DataFrame:
    """An accepted extract."""
    return read_extract(FILE, ExtractSpec(), file="till.csv").frame


def test_the_promo_price_is_the_effective_one_where_there_is_one(
    extract_frame: pd.DataFrame,
) -> None:
    catalog = build_catalog(extract_frame)
    assert tuple(catalog.columns) == CATALOG_COLUMNS
    assert catalog["price_minor"].tolist() == [150, 99, 400]
    assert catalog["price_minor"].dtype == "int64"
    assert catalog["regular_price_minor"].astype(object).tolist() == [200, pd.NA, 400]
    assert catalog["sku"].tolist() == ["007", "008", "009"]
    assert catalog["line"].tolist() == [2, 3, 4]
    assert catalog["barcode_note"].tolist()[1] == "not a GTIN: 3 digits"
    assert str(catalog["regular_price_minor"].dtype) == str(catalog["quantity"].dtype) == "Int64"


def test_the_extract_is_left_as_it_was(extract_frame: pd.DataFrame) -> None:
    before = extract_frame.copy()
    build_catalog(extract_frame)
    pd.testing.assert_frame_equal(extract_frame, before)


def test_a_sku_twice_or_missing_is_a_bug_that_is_noticed(extract_frame: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="exactly once"):
        build_catalog(pd.concat([extract_frame, extract_frame]))
    with pytest.raises(ValueError, match="exactly once"):
        build_catalog(extract_frame.assign(sku=None))


def test_a_row_without_a_price_is_a_bug_that_is_noticed(extract_frame: pd.DataFrame) -> None:
    nothing = pd.array([None] * len(extract_frame), "Int64")
    with pytest.raises(ValueError, match="above zero"):
        build_catalog(extract_frame.assign(price_minor=nothing, promo_price_minor=nothing))
