"""The catalog is the extract with the price that a customer pays."""

from __future__ import annotations

import pandas as pd
import pytest

from marketsync_dagster.catalog.products import CATALOG_COLUMNS, build_catalog
from marketsync_dagster.catalog.schemas import CATALOG, EXTRACT, validate
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


CARRIED = ["tags", "manufacturer", "origin"]


def test_tags_maker_and_origin_are_taken_along() -> None:
    file = FILE.replace(b"qty", b"qty,tags,maker,origin").replace(b",3\n", b",3,gift,Rao,IN\n")
    file = file.replace(b"0.99,\n", b"0.99,,,,\n").replace(b",0\n", b",0,,,\n")
    catalog = build_catalog(read_extract(file, ExtractSpec(), file="till.csv").frame)
    assert catalog[CARRIED].iloc[0].tolist() == ["gift", "Rao", "IN"]
    assert catalog[CARRIED].iloc[1:].isna().all(axis=None)


def test_frames_of_older_versions_lack_them_and_go_on(extract_frame: pd.DataFrame) -> None:
    old = extract_frame.drop(columns=CARRIED)
    validate(EXTRACT, old, what="an extract of an older version")
    older = build_catalog(old)
    assert not set(CARRIED) & set(older.columns)
    newer = build_catalog(extract_frame.assign(tags="gift"))
    for parts in ([older, newer], [newer, older]):  # changes to it, and what vanished from it
        both = pd.concat(parts, ignore_index=True).drop_duplicates("sku", ignore_index=True)
        validate(CATALOG, both, what="a catalog of both")


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
