"""Odoo: labels of several languages, lines under a product, groups, measures and price lists."""

from __future__ import annotations

from typing import Any

import pytest

from marketsync_dagster.pos.model import Extract
from marketsync_dagster.values.errors import ExtractError
from marketsync_dagster_tests.pos.corpus import builders
from marketsync_dagster_tests.pos.presets.exports import (
    EXAMPLES,
    counts,
    read,
    rejected,
    shown,
    written,
    zipped,
)

Row = dict[str, str]
ODOO = EXAMPLES / "odoo"


def product(sku: str, price: str = "10.0", **said: str) -> Row:
    return {"Internal Reference": sku, "Name": f"Product {sku}", "Sales Price": price, **said}


def rule(product: str, price: str = "8.0", **said: str) -> Row:
    """A rule of the price list City shop."""
    plain = {
        "Pricelist": "City shop", "Product": product, "Min. Quantity": "0.0",
        "Compute Price": "Fixed Price", "Fixed Price": price, "Start Date": "", "End Date": "",
    }  # fmt: skip
    return plain | said


def listed(*rules: Row, **spec: Any) -> Extract:
    """Products A and B at 10.00 with the rules of the price list."""
    products = written([product("A"), product("B")])
    files = zipped(products=products, rules=written(list(rules)))
    return read("odoo", files, "odoo.zip", **{"keys": "City shop", **spec})


def test_the_example_is_read_with_variants_services_and_archived_products() -> None:
    extract = read("odoo", ODOO / "product_variants.csv")
    assert counts(extract) == (10, 7, 3, 0, 1)
    assert shown(extract, "sku", "name", "price_minor", "quantity", "active") == [
        ("TEA-01", "Green tea 50 bags", 38000, 40, True),
        ("OIL-1L", "Olive oil 1 l", 125000, 0, True),
        ("CAP-R", "Running cap - Colour: Red", 150000, 6, True),
        ("CAP-B", "Running cap - Colour: Blue", 150000, 3, True),
        ("SRV-1", "Gift wrapping", 15000, None, True),
        ("OLD-9", "Last year's calendar", 9000, 2, False),
        ("RAW-3", "Paper bags, for the till", 500, 500, False),
    ]
    assert rejected(extract) == [
        (7, "Unit of Measure", "kg", "sold_by_weight"),
        (11, "Internal Reference", "DUP-1", "contradicting_duplicate"),
        (12, "Internal Reference", "DUP-1", "contradicting_duplicate"),
    ]


def test_the_price_list_of_the_example_gives_prices_and_promotions() -> None:
    files = zipped(products=ODOO / "product_variants.csv", rules=ODOO / "pricelist_items.csv")
    extract = read("odoo", files, "odoo.zip", keys="City shop", weighed="accept")
    columns = ("sku", "price_minor", "promo_price_minor", "promo_from", "promo_to")
    told = {row[0]: row[1:] for row in shown(extract, *columns)}
    assert told["TEA-01"] == (
        36000, 32000, "2026-11-20T06:00:00.000Z", "2026-11-30T20:00:00.000Z",
    )  # fmt: skip
    assert told["CAP-R"] == (
        150000, 135000, "2026-12-01T00:00:00.000Z", "2026-12-25T00:00:00.000Z",
    )  # fmt: skip
    assert told["OIL-1L"] == (125000, None, None, None)  # the price of another list
    assert told["CHS-KG"][0] == 210000
    assert "unit" in extract.columns
    assert any("several pieces" in words for words in extract.warnings)
    assert any("categories" in words for words in extract.warnings)


LABELS = {
    "technical": ("default_code", "name", "list_price", "qty_available", "uom_id", "sale_ok"),
    "Spanish": ("Referencia interna", "Nombre", "Precio de venta", "Cantidad a mano",
                "Unidad de medida", "Puede ser vendido"),
    "French": ("Référence interne", "Nom", "Prix de vente", "Quantité en stock",
               "Unité de mesure", "Peut être vendu"),
    "German": ("Interne Referenz", "Name", "Verkaufspreis", "Bestandsmenge", "Mengeneinheit",
               "Kann verkauft werden"),
    "Turkish": ("Dahili Referans", "Adı", "Satış Fiyatı", "Eldeki Miktar", "Ölçü Birimi",
                "Satılabilir"),
    "Arabic": ("المرجع الداخلي", "الاسم", "سعر البيع", "الكمية في اليد", "وحدة القياس",
               "يمكن بيعه"),
    "Hebrew": ("מזהה פנימי", "שם", "מחיר מכירה", "כמות במלאי", "יחידת מידה", "ניתן למכירה"),
}  # fmt: skip


@pytest.mark.parametrize("language", LABELS)
def test_an_export_in_any_language_says_the_same(language: str) -> None:
    rows = [
        ("1", "Tea", "12.5", "3.0", "Units", "True"),
        ("2", "Cheese", "20", "1", "kg", "True"),
        ("3", "Bag", "1", "9", "", "False"),
    ]
    file = written([dict(zip(LABELS[language], row, strict=True)) for row in rows])
    extract = read("odoo", file)
    assert shown(extract, "sku", "name", "price_minor", "quantity", "active") == [
        ("1", "Tea", 1250, 3, True), ("3", "Bag", 100, 9, False),
    ]  # fmt: skip
    assert [(value, why) for *_, value, why in rejected(extract)] == [("kg", "sold_by_weight")]


def test_the_price_of_a_variant_goes_before_the_one_of_its_template() -> None:
    row = {"default_code": "1", "name": "Tea", "list_price": "10", "lst_price": "12"}
    assert shown(read("odoo", written([row])), "price_minor") == [(1200,)]


@pytest.mark.parametrize("unit", ["kg", "KG", "g", "lb", "L", "Litros", "oz", "كجم", "m"])
def test_what_is_sold_by_a_measure_is_rejected_unless_it_is_accepted(unit: str) -> None:
    row = product("1", **{"Unit of Measure": unit})
    extract = read("odoo", written([product("0"), row]))
    assert rejected(extract) == [(3, "Unit of Measure", unit, "sold_by_weight")]
    taken = read("odoo", written([product("0"), row]), weighed="accept")
    assert shown(taken, "sku", "unit")[1] == ("1", unit)


@pytest.mark.parametrize("unit", ["Units", "", "Unidades", "Dozens", "Pack of 6"])
def test_pieces_and_packs_are_no_measures(unit: str) -> None:
    assert not rejected(read("odoo", written([product("1", **{"Unit of Measure": unit})])))


@pytest.mark.parametrize(
    ("said", "quantity"),
    [
        ({"Product Type": "Storable Product"}, 0),
        ({"Product Type": "Service"}, None),
        ({"Product Type": "Consumable"}, None),
        ({"Product Type": "Goods", "Track Inventory": "False"}, None),
        ({"Product Type": "consu", "Track Inventory": "True"}, 0),
    ],
)
def test_what_is_not_counted_has_no_quantity(said: Row, quantity: int | None) -> None:
    row = product("1", **{"Quantity On Hand": "0.0", "Forecasted Quantity": "5.0", **said})
    assert shown(read("odoo", written([row])), "quantity") == [(quantity,)]


def test_lines_under_a_product_continue_it_and_headings_of_groups_are_no_products() -> None:
    rows = [
        product("All / Drinks (2)", "700.0", Name=""),
        product("1"),
        {"Vendor": "Second supplier"},
        product("2"),
    ]
    extract = read("odoo", written(rows))
    assert counts(extract) == (2, 2, 0, 0, 2)
    assert shown(extract, "sku") == [("1",), ("2",)]


def test_a_rule_whose_price_is_a_date_rejects_its_product() -> None:
    row = {**rule("[A] Product A"), "Fixed Price": builders.number("45000", 1)}
    sheet = builders.book(tuple(row), tuple(row.values()), formats=("dd/mm/yyyy",))
    products = written([product("A"), product("B")])
    files = builders.zipped({"products.csv": products, "rules.xlsx": sheet})
    extract = read("odoo", files, "odoo.zip", keys="City shop")
    assert shown(extract, "sku", "price_minor") == [("B", 1000)]
    assert rejected(extract) == [(2, "Internal Reference", "A", "bad_addition")]


def test_a_heading_that_nothing_tells_from_a_product_is_rejected() -> None:
    rows = [{"Internal Reference": "Drinks (2)", "Sales Price": "700.0"},
            {"Internal Reference": "1", "Sales Price": "7.0"}]  # fmt: skip
    extract = read("odoo", written(rows))
    assert shown(extract, "sku") == [("1",)]
    assert [why for *_, why in rejected(extract)] == ["total_row"]


def test_the_first_line_continues_nothing() -> None:
    extract = read("odoo", written([{"Vendor": "A supplier"}, product("1")], "Vendor"))
    assert counts(extract) == (2, 1, 1, 0, 0)
    assert [why for *_, why in rejected(extract)] == ["missing_sku"]


def test_variants_under_their_template_take_over_its_name_but_not_its_price() -> None:
    headers = ("Name", "Sales Price", "Products/Internal Reference", "Products/Sales Price",
               "Products/Variant Values")  # fmt: skip
    rows = [
        ("Cap", "10", "C-R", "12", "Red"), ("", "", "C-B", "", "Blue"), ("", "", "C-G", "14", ""),
        ("Hat", "20", "H", "20", ""),
    ]  # fmt: skip
    extract = read("odoo", written([dict(zip(headers, row, strict=True)) for row in rows]))
    assert shown(extract, "sku", "name", "price_minor") == [
        ("C-R", "Cap - Red", 1200), ("C-G", "Cap", 1400), ("H", "Hat", 2000),
    ]  # fmt: skip
    assert [why for *_, why in rejected(extract)] == ["missing_price"]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"Min. Quantity": "2.0"}, "several pieces"),
        ({"Min. Quantity": "12"}, "several pieces"),
        ({"Compute Price": "Discount", "Fixed Price": "0.0"}, "percentages"),
        ({"Compute Price": "Formula", "Fixed Price": "3.0"}, "percentages"),
        ({"Fixed Price": "0.0"}, "without a price"),
        ({"Product": ""}, "categories"),
        ({"Product": "Product A"}, "without an internal reference"),
    ],
)
def test_a_rule_that_is_no_price_of_one_piece_is_left_out_and_named(said: Row, words: str) -> None:
    extract = listed(rule("[B] Product B"), rule("[A] Product A", **said))
    assert shown(extract, "sku", "price_minor", "promo_price_minor") == [
        ("A", 1000, None), ("B", 800, None),
    ]  # fmt: skip
    assert any(words in one and "line 3" in one for one in extract.warnings)


@pytest.mark.parametrize("least", ["", "0", "0.0", "1", "1.00", "1,0"])
def test_a_rule_for_one_piece_is_the_price(least: str) -> None:
    extract = listed(rule("[A] Product A", **{"Min. Quantity": least}))
    assert shown(extract, "sku", "price_minor") == [("A", 800), ("B", 1000)]


def test_rules_that_contradict_each_other_reject_their_product() -> None:
    extract = listed(rule("[A] x", "8.0"), rule("[A] x", "7.0"))
    assert shown(extract, "sku") == [("B",)]
    assert [why for *_, why in rejected(extract)] == ["contradicting_duplicate"]
    dated = listed(
        rule("[A] x", "8.0", **{"End Date": "2026-11-30"}),
        rule("[A] x", "7.0", **{"End Date": "2026-12-30"}),
    )
    assert shown(dated, "sku") == [("B",)]


def test_a_rule_with_unreadable_dates_rejects_its_product() -> None:
    extract = listed(rule("[A] x", **{"End Date": "soon"}))
    assert shown(extract, "sku") == [("B",)]
    assert [why for *_, why in rejected(extract)] == ["bad_promo_window"]


def test_several_price_lists_are_never_mixed() -> None:
    other = {"Pricelist": "Wholesale"}
    extract = listed(rule("[A] x"), rule("[B] x", "5.0", **other))
    assert shown(extract, "sku", "price_minor") == [("A", 800), ("B", 1000)]
    with pytest.raises(ExtractError) as caught:
        listed(rule("[A] x"), rule("[B] x", "5.0", **other), keys=())
    assert caught.value.code == "many_outlets"


def test_another_export_is_refused_by_name() -> None:
    with pytest.raises(ExtractError) as caught:
        read("odoo", written([{"Internal Reference": "1", "Cost": "10"}]))
    assert caught.value.code == "unknown_layout"
    assert "Odoo" in caught.value.message
