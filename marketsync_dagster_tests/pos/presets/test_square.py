"""Square: a group of columns for each location, variations, prices typed in at the till."""

from __future__ import annotations

import csv
import io

import pytest
import xlsxwriter

from marketsync_dagster.values.errors import ExtractError
from marketsync_dagster_tests.pos.presets.exports import (
    EXAMPLES,
    counts,
    read,
    rejected,
    shown,
    written,
)

EXAMPLE = EXAMPLES / "square" / "items.csv"
SEEN = ("sku", "name", "price_minor", "quantity", "active")
MAIN_STREET = [
    ("MUG-1", "Clay mug", 35000, 18, True),
    ("BSK-S", "Reed basket - Small", 90000, 7, True),
    ("BSK-L", "Reed basket - Large", 125000, 0, True),
    ("VAS-0", "Old vase", 200000, 1, False),
    ("WRP-R", "Gift wrap paper - Roll", 12000, 40, False),
    ("LEM-G", "Lemonade - Glass", 9000, None, True),
]


def item(sku: str, price: str = "60.00", **cells: str) -> dict[str, str]:
    row = {"Token": f"T{sku}", "Item Name": f"Item {sku}", "Variation Name": "Regular",
           "SKU": sku, "Price": price, "Archived": "N", "Sellable": "Y", "Stockable": "Y",
           "Enabled Quay": "Y", "Current Quantity Quay": "4", "New Quantity Quay": "99",
           "Price Quay": ""}  # fmt: skip
    return {**row, **{name.replace("_", " "): cell for name, cell in cells.items()}}


def test_the_example_is_read_for_one_of_its_locations() -> None:
    extract = read("square", EXAMPLE, keys="Main Street")
    assert shown(extract, *SEEN) == MAIN_STREET
    assert rejected(extract) == [
        (5, "Price Main Street", "", "variable_price"),
        (6, "Unit and Precision", "per kg (.00)", "sold_by_weight"),
        (10, "SKU", "", "missing_sku"),
    ]
    assert counts(extract) == (9, 6, 3, 0, 0)
    assert extract.frame["promo_price_minor"].isna().all()


def test_another_location_has_prices_stock_and_goods_of_its_own() -> None:
    extract = read("square", EXAMPLE, keys="harbour (kiosk)", weighed="accept")
    assert shown(extract, *SEEN) == [
        ("MUG-1", "Clay mug", 38000, 3, True),
        ("BSK-S", "Reed basket - Small", 90000, None, False),
        ("BSK-L", "Reed basket - Large", 130000, 2, True),
        ("DLV-1", "Delivery", 15000, None, True),
        ("NUT-1", "Cashew nuts", 160000, None, True),
        ("VAS-0", "Old vase", 200000, None, False),
        ("WRP-R", "Gift wrap paper - Roll", 12000, 11, False),
        ("LEM-G", "Lemonade - Glass", 9000, None, True),
    ]
    assert shown(extract, "unit")[4] == ("per kg (.00)",)
    assert shown(extract, "unit")[0] == (None,)


@pytest.mark.parametrize("sheet", ["Items", "Sheet1"])
def test_a_workbook_is_read_as_the_csv_is(sheet: str) -> None:
    stream = io.BytesIO()
    book = xlsxwriter.Workbook(stream, {"in_memory": True})
    if sheet == "Items":
        book.add_worksheet("Component Inventory").write_row(0, 0, ["SKU", "Item Name", "Price"])
    page = book.add_worksheet(sheet)
    for row, cells in enumerate(csv.reader(EXAMPLE.read_text(encoding="utf-8").splitlines())):
        for column, cell in enumerate(cells):
            page.write_string(row, column, cell)
    book.close()
    extract = read("square", stream.getvalue(), "catalog.xlsx", keys="Main Street")
    assert shown(extract, *SEEN) == MAIN_STREET
    assert counts(extract) == (9, 6, 3, 0, 0)


def test_the_only_location_of_a_file_need_not_be_named() -> None:
    row = item("1", Price_Quay="70.00", Enabled_Quay="N")
    extract = read("square", written([row]))
    assert shown(extract, "price_minor", "quantity", "active") == [(7000, 4, False)]


def test_what_square_is_told_to_set_is_never_the_stock() -> None:
    row = item("1")
    row.pop("Current Quantity Quay")
    assert shown(read("square", written([row]), keys="Quay"), "quantity") == [(None,)]


def test_a_price_of_the_web_shop_alone_is_not_read() -> None:
    row = item("1", Online_Sale_Price="20.00")
    extract = read("square", written([row]), keys="Quay")
    assert shown(extract, "price_minor", "promo_price_minor") == [(6000, None)]


@pytest.mark.parametrize(
    ("cells", "active"),
    [
        ({}, True),
        ({"Archived": "Y"}, False),
        ({"Sellable": "N"}, False),
        ({"Enabled_Quay": "N"}, False),
        ({"Enabled_Quay": ""}, True),
        ({"Archived": "Y", "Sellable": "Y", "Enabled_Quay": "Y"}, False),
    ],
)
def test_what_is_archived_or_not_sold_here_is_inactive(cells: dict[str, str], active: bool) -> None:
    extract = read("square", written([item("1", **cells)]), keys="Quay")
    assert shown(extract, "active") == [(active,)]


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"Price": ""}, "variable_price"),
        ({"Price": "variable"}, "variable_price"),
        ({"Price": "", "Price_Quay": "Variable"}, "variable_price"),
        ({"Price": "", "Sellable": "N"}, "missing_price"),
        ({"Sellable": "perhaps"}, "bad_flag"),
        ({"Unit_and_Precision": "Hour"}, "sold_by_weight"),
        ({"SKU": ""}, "missing_sku"),
    ],
)
def test_no_price_is_made_up(cells: dict[str, str], reason: str) -> None:
    extract = read("square", written([item("1", **cells)]), keys="Quay")
    assert [found for *_, found in rejected(extract)] == [reason]


@pytest.mark.parametrize("unit", ["", "per item", "Per Item (.0)", "each", "pcs"])
def test_pieces_are_no_measure(unit: str) -> None:
    row = item("1", Unit_and_Precision=unit)
    assert counts(read("square", written([row]), keys="Quay"))[1] == 1


def test_squares_own_number_is_the_sku_only_if_asked_for() -> None:
    rows = [item("", Token="T9"), item("1")]
    assert shown(read("square", written(rows), keys="Quay"), "sku") == [("1",)]
    extract = read("square", written(rows), keys="Quay", columns={"sku": "Token"})
    assert shown(extract, "sku", "price_minor") == [("T9", 6000), ("T1", 6000)]


@pytest.mark.parametrize("lacking", ["Item Name", "Variation Name", "SKU"])
def test_another_export_is_refused_by_name(lacking: str) -> None:
    row = item("1")
    row.pop(lacking)
    with pytest.raises(ExtractError, match=lacking) as refused:
        read("square", written([row]), keys="Quay")
    assert refused.value.code == "unknown_layout"
