"""Lightspeed Retail: stock by outlet, composites, variants, and numbers that are no SKUs."""

from __future__ import annotations

import pytest

from marketsync_dagster.values.errors import ExtractError
from marketsync_dagster_tests.pos.presets.exports import (
    EXAMPLES,
    counts,
    read,
    rejected,
    shown,
    written,
)

EXAMPLE = EXAMPLES / "lightspeed" / "products.csv"
SEEN = ("sku", "name", "price_minor", "quantity", "active")


def product(sku: str, **cells: str) -> dict[str, str]:
    row = {"id": f"0a6f2c1e-5b7d-4e3a-9c11-{sku:0>12}", "handle": f"h{sku}", "sku": sku,
           "name": f"Item {sku}", "retail_price": "350", "active": "1", "track_inventory": "1",
           "inventory_Main_Outlet": "4"}  # fmt: skip
    return {**row, **cells}


@pytest.mark.parametrize("key", ["Main Outlet", "Main_Outlet", "main outlet"])
def test_the_example_is_read_for_one_of_its_outlets(key: str) -> None:
    extract = read("lightspeed", EXAMPLE, keys=key)
    assert shown(extract, *SEEN) == [
        ("20001", "Clay mug", 35000, 18, True),
        ("20002", "Cotton scarf - Indigo / Long", 78000, 5, True),
        ("20003", "Cotton scarf - Ochre / Long", 78000, 2, True),
        ("20004", "Tea set", 145000, None, True),
        ("20005", "Tray", 62050, 9, True),
        ("20006", "Engraving", 20000, None, True),
        ("20007", "Lamp, old model", 240000, 1, False),
    ]
    assert shown(extract, "brand", "category")[2] == ("Reedcraft", "Home")
    assert rejected(extract) == [(11, "retail_price", "0", "zero_price")]
    assert counts(extract) == (8, 7, 1, 0, 2)


def test_another_outlet_has_stock_of_its_own() -> None:
    extract = read("lightspeed", EXAMPLE, keys="airport shop")
    assert [stock for (stock,) in shown(extract, "quantity")] == [4, 0, 1, None, 9, None, None]


@pytest.mark.parametrize(("keys", "code"), [((), "many_outlets"), (("Depot",), "not_in_file")])
def test_no_outlet_is_guessed(keys: tuple[str, ...], code: str) -> None:
    with pytest.raises(ExtractError) as refused:
        read("lightspeed", EXAMPLE, keys=keys)
    assert refused.value.code == code


def test_a_number_of_lightspeeds_own_is_never_the_sku() -> None:
    extract = read("lightspeed", written([{**product("1"), "sku": ""}, product("2")]))
    assert rejected(extract) == [(2, "sku", "", "missing_sku")]
    row = product("1")
    row.pop("sku")
    with pytest.raises(ExtractError, match="sku") as refused:
        read("lightspeed", written([row]))
    assert refused.value.code == "unknown_layout"


def test_only_rows_of_components_belong_to_a_composite() -> None:
    part = {"composite_name": "Mug", "composite_sku": "9", "composite_quantity": "2"}
    rows = [product("1"), {"sku": "1", **part}, {"sku": "2", **part}, product("9")]
    extract = read("lightspeed", written(rows))
    assert shown(extract, "sku") == [("1",), ("9",)]
    assert rejected(extract) == [(4, "retail_price", "", "missing_price")]
    assert counts(extract) == (3, 2, 1, 0, 1)


def test_what_is_not_counted_has_no_stock() -> None:
    rows = [product("1", track_inventory="0", inventory_Main_Outlet="7"), product("2")]
    rows.append(product("3", track_inventory="maybe"))
    extract = read("lightspeed", written(rows), keys="Main Outlet")
    assert shown(extract, "sku", "quantity") == [("1", None), ("2", 4)]
    assert rejected(extract) == [(4, "track_inventory", "maybe", "bad_flag")]


@pytest.mark.parametrize(("tax", "warned"), [("VAT", True), ("", False)])
def test_prices_that_may_be_without_tax_are_warned_of(tax: str, warned: bool) -> None:
    extract = read("lightspeed", written([product("1", outlet_tax_Main_Outlet=tax)]))
    assert any("with tax or without" in words for words in extract.warnings) is warned


def test_older_files_call_the_category_type() -> None:
    assert shown(read("lightspeed", written([product("1", type="Home")])), "category") == [
        ("Home",)
    ]
