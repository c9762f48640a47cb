"""Invalid frames are refused with column, SKU and line; the column table and pandera agree."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from marketsync_dagster.catalog import columns, schemas
from marketsync_dagster.values.errors import ExtractError, MarketSyncError
from marketsync_dagster_tests.catalog.builders import catalog


def good() -> pd.DataFrame:
    return catalog([{"sku": "A", "quantity": 3}, {"sku": "B", "stock_status": "in_stock"}])


def text(*values: str | None) -> pd.Series:
    return pd.Series(list(values), dtype="str")


def test_a_valid_frame_is_returned_itself() -> None:
    frame = good()
    assert schemas.validate(schemas.CATALOG, frame, what="x") is frame


def test_an_empty_frame_of_each_kind_is_valid() -> None:
    kinds = [
        schemas.EXTRACT, schemas.CATALOG, schemas.SKU_MAPPING, schemas.FEED,
        schemas.PLATFORM_CATALOG,
    ]  # fmt: skip
    for schema in kinds:
        schemas.validate(schema, schemas.empty(schema), what=str(schema.name))


BAD = {
    "price zero": ({"price_minor": np.array([100, 0])}, "column price_minor: 0 below 1 (sku B, line 3)"),  # noqa: E501
    "sku twice": ({"sku": text("A", "A")}, "column sku: 'A' is there twice (sku A, line 2)"),
    "sku missing": ({"sku": text("A", None)}, "column sku: has no value (sku nan, line 3)"),
    "sku blank": ({"sku": text("A", " ")}, "column sku: ' ' does not match"),
    "currency": ({"currency": text("KES", "Sh")}, "column currency: 'Sh' does not match [A-Z]{3}"),
    "stock word": ({"stock_status": text("some", None)}, "column stock_status: 'some' not one of"),
    "line negative": ({"line": np.array([2, -1])}, "column line: -1 below 0"),
    "float price": ({"price_minor": np.array([1.0, 2.5])}, "column price_minor: expected type"),
    "object text": ({"name": pd.Series(["a", "b"], dtype=object)}, "column name: expected type"),
    "float quantity": ({"quantity": np.array([1.0, np.nan])}, "column quantity: expected type"),
    "text for bool": ({"active": text("yes", "no")}, "column active: expected type"),
    "extra column": ({"colour": text("red", "red")}, "column colour is not expected"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "said"), BAD.values(), ids=BAD.keys())
def test_a_bad_value_is_named_with_its_place(change: dict[str, pd.Series], said: str) -> None:
    with pytest.raises(MarketSyncError) as caught:
        schemas.validate(schemas.CATALOG, good().assign(**change), what="westlands: pos/catalog")
    assert caught.value.message.startswith("westlands: pos/catalog is not valid: ")
    assert said in caught.value.message


def test_a_missing_column_is_named() -> None:
    with pytest.raises(MarketSyncError, match="column barcode is missing"):
        schemas.validate(schemas.CATALOG, good().drop(columns="barcode"), what="x")


def test_all_failures_are_reported_at_once_and_the_many_are_counted() -> None:
    frame = catalog([{"sku": f"S{n}"} for n in range(20)])
    frame["price_minor"] = 0
    with pytest.raises(MarketSyncError, match="and 15 more"):
        schemas.validate(schemas.CATALOG, frame, what="x")


def test_an_extract_row_needs_a_price_or_a_promotion() -> None:
    frame = good().rename(columns={"regular_price_minor": "promo_price_minor"})
    frame = frame.drop(columns="extract_id", errors="ignore")
    frame["price_minor"] = pd.array([None, 5], dtype="Int64")
    frame["promo_price_minor"] = pd.array([None, 5], dtype="Int64")
    with pytest.raises(ExtractError) as caught:
        schemas.validate(schemas.EXTRACT, frame, what="westlands: pos/extract")
    assert caught.value.code == "schema"
    assert "has neither a price nor a promotion price (sku A, line 2)" in caught.value.message
    assert "sku B" not in caught.value.message


def mapped(**change: pd.Series) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "sku": text("A", "B"),
            "platform_id": text("1", None),
            "platform_sku": text(None, None),
            "name": text(None, None),
            "matched_by": text("file", None),
            "reason": text(None, "no"),
            "next_step": text(None, "x"),
            "line": np.array([2, 3]),
        }
    )
    return frame.assign(**change)


def test_a_mapping_with_several_unmapped_rows_is_valid() -> None:
    frame = mapped(platform_id=text(None, None), matched_by=text(None, None), reason=text("n", "n"))
    schemas.validate(schemas.SKU_MAPPING, frame, what="x")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"reason": text(None, None)}, "row is neither mapped nor explained (sku B, line 3)"),
        ({"matched_by": text(None, None)}, "row is neither mapped nor explained (sku A, line 2)"),
        (
            {"platform_id": text("1", "1"), "matched_by": text("file", "sku"),
             "reason": text(None, None)},
            "column platform_id: '1' is there twice (sku B, line 3)",
        ),
        ({"matched_by": text("guess", None)}, "column matched_by: 'guess' not one of"),
    ],
)  # fmt: skip
def test_a_mapping_that_contradicts_itself_is_refused(
    change: dict[str, pd.Series], said: str
) -> None:
    with pytest.raises(MarketSyncError) as caught:
        schemas.validate(schemas.SKU_MAPPING, mapped(**change), what="x")
    assert said in caught.value.message


def test_conform_orders_types_and_fills() -> None:
    rows = pd.DataFrame([{"name": "Milk", "platform_id": "1"}, {"platform_id": "2"}])
    frame = schemas.conform(schemas.PLATFORM_CATALOG, rows)
    schemas.validate(schemas.PLATFORM_CATALOG, frame, what="x")
    assert list(frame.columns) == columns.PLATFORM_CATALOG.names
    with pytest.raises(KeyError, match="platform_id"):
        schemas.conform(schemas.PLATFORM_CATALOG, rows[["name"]])


def test_every_column_says_what_it_means_and_what_holds() -> None:
    for frame in columns.FRAMES:
        for name, kind, description, constraints in columns.table_schema(frame):
            assert name
            assert kind in {"str", "int64", "Int64", "bool"}
            assert len(description) > 4
            assert all(constraints)


def test_the_column_table_loads_neither_pandas_nor_pandera() -> None:
    code = (
        "import sys, marketsync_dagster.catalog.columns\n"
        "assert not {'pandas', 'pandera', 'pyarrow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
