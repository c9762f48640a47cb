"""Loyverse: a group of columns for each store, variants, composite items, goods by weight."""

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

EXAMPLE = EXAMPLES / "loyverse" / "items.csv"
SEEN = ("sku", "name", "price_minor", "quantity", "active")


def item(sku: str, price: str = "60.00", **cells: str) -> dict[str, str]:
    row = {"Handle": sku, "SKU": sku, "Name": f"Item {sku}", "Sold by weight": "N",
           "Track stock": "Y", "Available for sale [Lake]": "Y", "Price [Lake]": price,
           "In stock [Lake]": "4"}  # fmt: skip
    return {**row, **{name.replace("_", " "): cell for name, cell in cells.items()}}


def test_the_example_is_read_for_one_of_its_stores() -> None:
    extract = read("loyverse", EXAMPLE, keys="Lake Road")
    assert shown(extract, *SEEN) == [
        ("10001", "Ginger soda 300 ml", 6000, 48, True),
        ("10002", "House tea - Small / Cow", 8000, None, True),
        ("10003", "House tea - Large / Oat", 11000, None, True),
        ("10006", "Picnic box", 45000, None, True),
        ("10007", "Oat bar 40 g", 5500, -3, True),
        ("10008", "Mug, old pattern", 30000, 4, False),
    ]
    assert shown(extract, "barcode")[0] == ("6160000010011",)
    assert rejected(extract) == [
        (5, "Price [Lake Road]", "variable", "variable_price"),
        (6, "Sold by weight", "Y", "sold_by_weight"),
    ]
    assert counts(extract) == (8, 6, 2, 0, 2)


def test_the_headers_may_be_spanish() -> None:
    header = (
        "Handle,REF,Nombre,Vendido por peso,Opción 1 valor,Coste,REF del componente,"
        "Seguir el Inventario,Disponibles para la venta [Puerto],Precio [Puerto],"
        "En inventario [Puerto]\n"
    )
    rows = "a,1,Agua,N,,0.20,,Y,Y,1.50,7\nb,2,Jamón,Y,,0,,N,Y,20.00,\nc,3,Pan,N,,0,,N,N,2.00,\n"
    extract = read("auto", (header + rows).encode(), keys="Puerto")
    assert shown(extract, *SEEN) == [
        ("1", "Agua", 150, 7, True),
        ("3", "Pan", 200, None, False),
    ]
    assert rejected(extract) == [(3, "Vendido por peso", "Y", "sold_by_weight")]


def test_another_store_has_prices_stock_and_goods_of_its_own() -> None:
    extract = read("loyverse", EXAMPLE, keys="hill_street", weighed="accept")
    assert shown(extract, *SEEN) == [
        ("10001", "Ginger soda 300 ml", 6500, 12, True),
        ("10002", "House tea - Small / Cow", 9000, None, False),
        ("10003", "House tea - Large / Oat", 12000, None, True),
        ("10004", "Basket repair", 25000, None, True),
        ("10005", "Oranges, loose", 15000, 8, True),
        ("10006", "Picnic box", 47000, None, True),
        ("10007", "Oat bar 40 g", 5500, 140, True),
        ("10008", "Mug, old pattern", 30000, 0, False),
    ]
    assert shown(extract, "unit")[4] == ("kg",)
    assert counts(extract) == (8, 8, 0, 0, 2)


@pytest.mark.parametrize(("keys", "code"), [((), "many_outlets"), (("Market",), "not_in_file")])
def test_no_store_is_guessed(keys: tuple[str, ...], code: str) -> None:
    with pytest.raises(ExtractError, match="'Lake Road', 'Hill Street'") as refused:
        read("loyverse", EXAMPLE, keys=keys)
    assert refused.value.code == code


def test_a_default_price_never_stands_in_for_a_stores_own() -> None:
    rows = [{**item("1", ""), "Default price": "50.00"}, item("2")]
    extract = read("loyverse", written(rows), keys="Lake")
    assert rejected(extract) == [(2, "Price [Lake]", "", "missing_price")]
    alone = {"Handle": "1", "SKU": "1", "Name": "Tea", "Default price": "50.00"}
    with pytest.raises(ExtractError) as refused:
        read("loyverse", written([alone]))
    assert refused.value.code == "no_price_column"


def test_a_file_of_one_store_may_do_without_its_name() -> None:
    row = {"Handle": "tea", "SKU": "1", "Name": "Tea", "Price": "50.00", "In stock": "3"}
    assert shown(read("loyverse", written([row])), *SEEN) == [("1", "Tea", 5000, 3, True)]


@pytest.mark.parametrize("said", ["Y", "yes", "TRUE"])
def test_variants_are_sold_by_weight_as_their_first_row_says(said: str) -> None:
    rows = [
        item("1", Handle="figs", Sold_by_weight=said),
        item("2", Handle="figs", Sold_by_weight="", Name=""),
        item("3"),
    ]
    extract = read("loyverse", written(rows), keys="Lake")
    assert [reason for *_, reason in rejected(extract)] == ["sold_by_weight"] * 2
    assert shown(extract, "sku") == [("3",)]


def test_a_word_that_is_neither_yes_nor_no_rejects_its_row() -> None:
    rows = [item("1", Sold_by_weight="kg?"), item("2", Track_stock="at times"), item("3")]
    extract = read("loyverse", written(rows), keys="Lake")
    assert rejected(extract) == [
        (2, "Sold by weight", "kg?", "bad_flag"),
        (3, "Track stock", "at times", "bad_flag"),
    ]


def test_only_rows_of_components_belong_to_a_composite_item() -> None:
    component = {"SKU of included item": "9", "Quantity of included item": "2"}
    rows = [
        {**item("1"), **component},
        {"Handle": "1", **component},
        {"Handle": "1", "SKU": "1", **component},
        {"Handle": "1", "SKU": "5", **component},
        {"Handle": "1", "Price [Lake]": "7.00", **component},
    ]
    extract = read("loyverse", written(rows), keys="Lake")
    assert shown(extract, "sku", "price_minor") == [("1", 6000)]
    assert rejected(extract) == [
        (5, "Price [Lake]", "", "missing_price"),
        (6, "SKU", "", "missing_sku"),
    ]
    assert counts(extract) == (3, 1, 2, 0, 2)


@pytest.mark.parametrize("lacking", ["Handle", "SKU", "Name"])
def test_another_export_is_refused_by_name(lacking: str) -> None:
    row = item("1")
    row.pop(lacking)
    with pytest.raises(ExtractError, match=lacking) as refused:
        read("loyverse", written([row]), keys="Lake")
    assert refused.value.code == "unknown_layout"


def test_columns_may_come_in_any_order_and_in_greater_number() -> None:
    row = {'Tax - "VAT" (16%)': "Y", "Price [Lake] old": "1.00", **item("1")}
    turned = dict(reversed(row.items()))
    extract = read("loyverse", written([turned], "Loyalty [Lake]"), keys="Lake")
    assert shown(extract, *SEEN) == [("1", "Item 1", 6000, 4, True)]
