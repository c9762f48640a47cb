"""A catalog has the prices of its moment: a promotion counts while it holds, and not else."""

from __future__ import annotations

from datetime import datetime, timedelta

import pandas as pd
import pytest

from marketsync_dagster.catalog import schemas
from marketsync_dagster.catalog.feed import quantity_to_sell, stock_status
from marketsync_dagster.catalog.products import build_catalog
from marketsync_dagster.catalog.promotions import (
    PROMOTION_COLUMNS,
    Span,
    judged,
    marked,
    span_of,
    unmarked,
    unpriced,
    with_promotions,
)
from marketsync_dagster.config.channels import StockSettings
from marketsync_dagster.pos.model import ExtractSpec
from marketsync_dagster.pos.read import read_extract
from marketsync_dagster.values.times import from_iso

FILE = b"""sku,name,price,promo_price,promo_from,promo_to,qty
1,Tea,2.00,1.50,2026-11-20,2026-11-22,5
2,Rice,3.00,2.50,,2026-11-22,5
3,Oil,3.00,2.50,2026-11-20,,5
4,Salt,3.00,2.50,,,5
5,Flour,,2.50,2026-11-20,2026-11-22,5
6,Milk,3.00,,,,5
"""
BEGIN, END = from_iso("2026-11-20T00:00:00Z"), from_iso("2026-11-23T00:00:00Z")
LITTLE = timedelta(milliseconds=1)
BEFORE = [200, 250, 300, 250, 250, 300]
DURING = [150, 250, 250, 250, 250, 300]
AFTER = [200, 300, 250, 250, 250, 300]


@pytest.fixture(scope="module")
def extract_frame() -> pd.DataFrame:
    return read_extract(FILE, ExtractSpec(), file="till.csv").frame


def prices(catalog: pd.DataFrame) -> list[int]:
    return catalog["price_minor"].tolist()


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (BEGIN - LITTLE, BEFORE), (BEGIN, DURING), (END - LITTLE, DURING), (END, AFTER),
        (END + timedelta(days=365), AFTER),
    ],
)  # fmt: skip
def test_a_promotion_counts_from_its_first_moment_and_no_longer_at_its_end(
    extract_frame: pd.DataFrame, now: datetime, expected: list[int]
) -> None:
    catalog = build_catalog(extract_frame, now=now)
    schemas.validate(schemas.CATALOG, catalog, what="the catalog")
    assert prices(catalog) == expected
    assert prices(judged(build_catalog(extract_frame, now=BEGIN), now)) == expected
    assert catalog["regular_price_minor"].fillna(0).tolist() == [200, 300, 300, 300, 0, 300]


def test_without_regular_price_and_promotion_a_row_says_so_and_is_out_of_stock(
    extract_frame: pd.DataFrame,
) -> None:
    for now, words in ((BEGIN - LITTLE, "begins at 2026-11-20"), (END, "ended at 2026-11-23")):
        catalog = build_catalog(extract_frame, now=now)
        assert unpriced(catalog).tolist() == [False, False, False, False, True, False]
        assert words in catalog["price_note"].iloc[4]
        status = stock_status(catalog, StockSettings())
        assert status.tolist() == ["in_stock"] * 4 + ["out_of_stock", "in_stock"]
        assert quantity_to_sell(catalog, StockSettings()).tolist() == [5, 5, 5, 5, 0, 5]
    again = judged(catalog, BEGIN)
    assert not unpriced(again).any()
    assert stock_status(again, StockSettings()).tolist() == ["in_stock"] * 6


def test_the_span_around_a_moment_ends_where_a_promotion_begins_or_ends(
    extract_frame: pd.DataFrame,
) -> None:
    first, last = "2026-11-20T00:00:00.000Z", "2026-11-23T00:00:00.000Z"
    catalog = build_catalog(extract_frame, now=BEGIN)
    assert span_of(catalog, BEGIN - LITTLE) == Span("", first)
    assert span_of(catalog, BEGIN) == span_of(catalog, END - LITTLE) == Span(first, last)
    assert span_of(catalog, END) == Span(last, "")
    assert Span(first, last).has(BEGIN)
    assert not Span(first, last).has(BEGIN - LITTLE)
    assert not Span(first, last).has(END)
    plain = build_catalog(extract_frame.assign(promo_from=None, promo_to=None))
    assert span_of(plain, BEGIN) == Span()


def test_a_span_is_marked_on_what_a_catalog_is_made_from() -> None:
    for span in (Span(), Span("a", "b"), Span("", "b"), Span("a", "")):
        assert unmarked(marked("f00", span)) == ("f00", span)
    assert marked("f00", Span()) == "f00"


def test_a_catalog_of_an_older_version_keeps_its_prices(extract_frame: pd.DataFrame) -> None:
    old = build_catalog(extract_frame, now=BEGIN).drop(columns=list(PROMOTION_COLUMNS))
    schemas.validate(schemas.CATALOG, old, what="the catalog")
    assert prices(judged(old, END)) == DURING
    assert span_of(old, END) == Span()
    assert not unpriced(old).any()
    whole = with_promotions(old)
    schemas.validate(schemas.CATALOG, whole, what="the catalog")
    assert prices(judged(whole, END)) == DURING
