"""The feed shows each mapped row with its price and the stock that the channel's rules make."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from marketsync_dagster.catalog import schemas
from marketsync_dagster.catalog.feed import build_feed
from marketsync_dagster.catalog.feed_csv import safe_cell, write_feed_csv
from marketsync_dagster.catalog.mapping import map_skus
from marketsync_dagster.catalog.mapping_file import MappingRow
from marketsync_dagster.config.channels import Channel, MappingSettings
from marketsync_dagster.values.errors import MarketSyncError
from marketsync_dagster_tests.catalog.builders import Row, catalog


def mapping_of(frame: pd.DataFrame, skip: set[str] = frozenset()) -> pd.DataFrame:  # pyright: ignore[reportArgumentType]
    rows = [
        MappingRow(sku, f"id-{sku}", "", "", 2) for sku in frame["sku"].tolist() if sku not in skip
    ]
    return map_skus(
        frame, file_rows=rows, synced={}, platform_catalog=None, settings=MappingSettings(),
        platform="tracker_ke", outlet="westlands", account="demo",
    )  # fmt: skip


def feed(rows: list[Row], **sections: Any) -> pd.DataFrame:
    frame = catalog(rows)
    channel = Channel.model_validate({"outlet": "westlands", "account": "demo"} | sections)
    return schemas.validate(
        schemas.FEED, build_feed(frame, mapping_of(frame), channel), what="feed"
    )


STOCK = [
    # quantity, status of the extract, active -> status, quantity with limited_below 5, buffer 2
    (None, None, True, "in_stock", None),
    (None, "limited_stock", True, "limited_stock", None),
    (None, "out_of_stock", True, "out_of_stock", None),
    (None, "in_stock", False, "out_of_stock", None),
    (7, None, True, "in_stock", 5),
    (6, "out_of_stock", True, "limited_stock", 4),
    (3, "in_stock", True, "limited_stock", 1),
    (2, "in_stock", True, "out_of_stock", 0),
    (0, None, True, "out_of_stock", 0),
    (-4, "in_stock", True, "out_of_stock", 0),
    (50, "in_stock", False, "out_of_stock", 0),
]


@pytest.mark.parametrize(("quantity", "said", "active", "status", "left"), STOCK)
def test_stock_follows_the_channels_thresholds(quantity, said, active, status, left) -> None:
    sections = {"stock": {"limited_below": 5, "buffer": 2}}
    row = {"sku": "A", "quantity": quantity, "stock_status": said, "active": active}
    # beside rows of every other kind, the answer is the same
    others = [{"sku": "B", "quantity": 5}, {"sku": "C", "active": False}, {"sku": "D"}]
    result = feed([row, *others], **sections).iloc[0]
    assert result["stock_status"] == status
    assert (None if pd.isna(result["quantity"]) else result["quantity"]) == left


def test_the_channel_says_what_nothing_means() -> None:
    assert feed([{"sku": "A"}], stock={"missing": "out_of_stock"})["stock_status"].tolist() == [
        "out_of_stock"
    ]


def test_out_of_stock_still_carries_the_price() -> None:
    result = feed([{"sku": "A", "quantity": 0, "price_minor": 12_345}]).iloc[0]
    assert (result["stock_status"], result["price_minor"]) == ("out_of_stock", 12_345)


def test_a_row_traces_back_to_the_till_and_to_its_rule() -> None:
    row = {
        "sku": "007", "name": "Milk", "barcode": "96385074", "price_minor": 90,
        "regular_price_minor": 100, "line": 17,
    }  # fmt: skip
    result = feed([row], pricing={"markup_percent": 10, "use_promo": False}).iloc[0].to_dict()
    assert {name: value for name, value in result.items() if not pd.isna(value)} == {
        "sku": "007", "platform_id": "id-007", "name": "Milk", "barcode": "96385074",
        "pos_price_minor": 100, "price_minor": 110, "currency": "KES", "stock_status": "in_stock",
        "rule": "regular price; markup 10 %", "matched_by": "file", "line": 17,
    }  # fmt: skip


def test_unmapped_rows_are_not_in_the_feed_and_the_order_is_kept() -> None:
    frame = catalog([{"sku": "C"}, {"sku": "A"}, {"sku": "B"}])
    channel = Channel(outlet="westlands", account="demo")
    result = build_feed(frame, mapping_of(frame, skip={"A"}), channel)
    assert result["sku"].tolist() == ["C", "B"]
    assert result.index.tolist() == [0, 1]


def test_nothing_mapped_is_an_empty_valid_feed() -> None:
    assert len(feed([])) == 0


def test_each_currency_has_its_own_decimals() -> None:
    rows = [{"sku": "K", "price_minor": 149}, {"sku": "J", "price_minor": 149, "currency": "JPY"}]
    result = feed(rows, pricing={"round_to": "1"})
    assert result["price_minor"].tolist() == [100, 149]


def test_a_mapping_of_another_catalog_is_refused() -> None:
    frame = catalog([{"sku": "A"}, {"sku": "B"}])
    channel = Channel(outlet="westlands", account="demo")
    for other in (catalog([{"sku": "A"}]), catalog([{"sku": "B"}, {"sku": "A"}])):
        with pytest.raises(MarketSyncError, match="westlands: the SKU mapping was made from"):
            build_feed(frame, mapping_of(other), channel)


def test_the_csv_is_the_one_that_is_uploaded_by_hand(tmp_path: Path) -> None:
    rows = [
        {"sku": "007", "price_minor": 6000},
        {"sku": "B", "price_minor": 5, "currency": "JPY", "quantity": 0},
        {"sku": "C", "price_minor": 1, "currency": "KWD"},
        {"sku": "D", "price_minor": 1},
    ]
    frame = feed(rows).assign(platform_sku=pd.Series([None, None, None, "their D"], dtype="str"))
    path = tmp_path / "exports" / "westlands.csv"
    assert write_feed_csv(frame, path) == 4
    assert path.read_bytes().decode() == (
        "sku,selling_price,stock_status\n007,60.00,in_stock\nB,5,out_of_stock\n"
        "C,0.001,in_stock\ntheir D,0.01,in_stock\n"
    )


DANGEROUS = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "-", "+1x"]
HARMLESS = ["007", "-12", "+254700", "-1.50", "1,5", "A=1", "", "ü"]


@pytest.mark.parametrize("cell", DANGEROUS)
def test_no_cell_runs_as_a_formula(cell: str, tmp_path: Path) -> None:
    assert safe_cell(cell) == "'" + cell
    frame = feed([{"sku": "A"}]).assign(platform_sku=pd.Series([cell], dtype="str"))
    write_feed_csv(frame, tmp_path / "f.csv")
    with (tmp_path / "f.csv").open(newline="") as file:
        assert list(csv.reader(file))[1][0] == "'" + cell


@pytest.mark.parametrize("cell", HARMLESS)
def test_numbers_and_plain_texts_are_left_alone(cell: str) -> None:
    assert safe_cell(cell) == cell


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MarketSyncError, match="cannot write"):
        write_feed_csv(feed([{"sku": "A"}]), tmp_path / "file" / "f.csv")


def test_where_listings_say_more_the_feed_says_it_too(tmp_path: Path) -> None:
    frame = catalog([{"sku": "A"}, {"sku": "B"}, {"sku": "C"}])
    offers = frame[["sku"]].assign(details=pd.Series(['{"a":1}', None, '{"c":"=x,"}'], dtype="str"))
    channel = Channel(outlet="westlands", account="demo")
    found = build_feed(frame, mapping_of(frame, skip={"B"}), channel, offers)
    schemas.validate(schemas.FEED, found, what="feed")
    assert found["details"].tolist() == ['{"a":1}', '{"c":"=x,"}']
    write_feed_csv(found, tmp_path / "feed.csv")
    with (tmp_path / "feed.csv").open(encoding="utf-8") as file:
        assert [row["details"] for row in csv.DictReader(file)] == found["details"].tolist()
    with pytest.raises(MarketSyncError, match="offers were made from another catalog"):
        build_feed(frame, mapping_of(frame), channel, offers.iloc[::-1])
