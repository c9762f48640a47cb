"""WooCommerce: translated headers, sales with their dates, variations and their parents."""

from __future__ import annotations

import pytest

from marketsync_dagster.pos.presets import recognise
from marketsync_dagster.values.errors import ExtractError
from marketsync_dagster_tests.pos.presets.exports import (
    EXAMPLES,
    counts,
    read,
    rejected,
    shown,
    written,
)

Row = dict[str, str]
LANGUAGES: dict[str, Row] = {
    "English": {
        "type": "Type", "sku": "SKU", "name": "Name", "published": "Published",
        "from": "Date sale price starts", "to": "Date sale price ends", "in": "In stock?",
        "stock": "Stock", "sale": "Sale price", "price": "Regular price", "parent": "Parent",
        "gtin": "GTIN, UPC, EAN, or ISBN",
    },
    "Spanish": {
        "type": "Tipo", "sku": "SKU", "name": "Nombre", "published": "Publicado",
        "from": "Día en que empieza el precio rebajado",
        "to": "Día en que termina el precio rebajado", "in": "¿Existencias?",
        "stock": "Inventario", "sale": "Precio rebajado", "price": "Precio normal",
        "parent": "Superior", "gtin": "GTIN, UPC, EAN o ISBN",
    },
    "French": {
        "type": "Type", "sku": "UGS", "name": "Nom", "published": "Publié",
        "from": "Date de début de promo", "to": "Date de fin de promo", "in": "En stock\u00a0?",
        "stock": "Stock", "sale": "Tarif promo", "price": "Tarif régulier", "parent": "Parent",
        "gtin": "GTIN, UPC, EAN ou ISBN",
    },
    "German": {
        "type": "Typ", "sku": "Artikelnummer", "name": "Name", "published": "Veröffentlicht",
        "from": "Datum, an dem Angebotspreis beginnt", "to": "Datum, an dem Angebotspreis endet",
        "in": "Vorrätig?", "stock": "Bestand", "sale": "Angebotspreis", "price": "Regulärer Preis",
        "parent": "Übergeordnetes Produkt", "gtin": "GTIN, UPC, EAN oder ISBN",
    },
    "Turkish": {
        "type": "Tür", "sku": "Stok kodu (SKU)", "name": "İsim", "published": "Yayımlanmış",
        "from": "İndirimli fiyatın başladığı tarih", "to": "İndirimli fiyatın bittiği tarih",
        "in": "Stokta?", "stock": "Stok", "sale": "İndirimli satış fiyatı", "price": "Normal fiyat",
        "parent": "Ebeveyn", "gtin": "GTIN, UPC, EAN veya ISBN",
    },
}  # fmt: skip
HEADERS = LANGUAGES["English"]


def product(sku: str, price: str = "10", **said: str) -> Row:
    """A row in our own short names, published, with the dates of no sale."""
    plain = {"type": "simple", "published": "1", "from": "", "to": ""}
    return {**plain, "sku": sku, "price": price, **said}


def export(*rows: Row, language: str = "English") -> bytes:
    headers = LANGUAGES[language]
    return written([{headers.get(name, name): cell for name, cell in row.items()} for row in rows])


def test_the_example_is_read_with_sales_variations_and_escapes() -> None:
    extract = read("woocommerce", EXAMPLES / "woocommerce" / "products.csv")
    assert counts(extract) == (7, 6, 1, 0, 3)
    assert shown(extract, "sku", "price_minor", "promo_price_minor", "quantity", "active") == [
        ("BB-001", 85000, None, 24, True),
        ("BB-002", 64050, 59000, 0, True),
        ("GC-1", 150000, None, None, True),
        ("-A1", 30000, None, 0, False),
        ("TS-10-S", 120000, None, 7, True),
        ("TS-10-M", 120000, 99000, 4, True),
    ]
    assert rejected(extract) == [(11, "Regular price", "", "missing_price")]
    assert shown(extract, "promo_from", "promo_to")[1] == (
        "2026-11-20T00:00:00.000Z", "2026-12-01T00:00:00.000Z",
    )  # fmt: skip
    assert any("sold by other shops" in words for words in extract.warnings)


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_export_in_any_language_says_the_same(language: str) -> None:
    rows = [
        product("P", "", type="variable", name="Shirt", stock="3", gtin="", sale="", parent=""),
        product("V", "12,50", type="variation", parent="P", stock="parent", gtin="4006381333931",
                sale="9,90", to="2026-11-30", **{"from": "2026-11-20", "in": "1"}),
        product("D", published="-1"),
    ]  # fmt: skip
    file = export(*rows, language=language)
    extract = read("woocommerce", file)
    assert counts(extract) == (2, 2, 0, 0, 1)
    assert shown(extract, "sku", "name", "barcode", "price_minor", "promo_price_minor", "quantity",
                 "stock_status", "active") == [
        ("V", "Shirt", "4006381333931", 1250, 990, 3, "in_stock", True),
        ("D", None, None, 1000, None, None, None, False),
    ]  # fmt: skip
    assert shown(extract, "promo_from", "promo_to")[0] == (
        "2026-11-20T00:00:00.000Z", "2026-12-01T00:00:00.000Z",
    )  # fmt: skip
    headers = file.decode().split("\n", 1)[0].replace('"', "").split(",")
    assert len(headers) > 10
    assert recognise("wc-product-export.csv", list(LANGUAGES[language].values())).name == (
        "woocommerce"
    )


def test_arabic_and_hebrew_exports_are_read_but_for_sales_whose_dates_are_not_known() -> None:
    for kind, sku, price, sale in (
        ("النوع", "رمز المنتج", "السعر الافتراضي", "سعر التخفيض"),
        ("סוג", 'מק"ט', "מחיר רגיל", "מחיר מבצע"),
    ):
        lines = [
            {kind: "simple", sku: "1", price: "10", sale: ""},
            {kind: "simple", sku: "2", price: "10", sale: "8"},
        ]
        extract = read("woocommerce", written(lines))
        assert shown(extract, "sku", "price_minor") == [("1", 1000)]
        assert rejected(extract) == [(3, sale, "8", "bad_promo_window")]


@pytest.mark.parametrize("lacking", [("from",), ("to",), ("from", "to")])
def test_a_sale_is_not_read_without_both_its_dates_columns(lacking: tuple[str, ...]) -> None:
    rows = [product("1", sale=""), product("2", sale="8")]
    file = export(*({k: v for k, v in row.items() if k not in lacking} for row in rows))
    extract = read("woocommerce", file)
    assert shown(extract, "sku", "price_minor", "promo_price_minor") == [("1", 1000, None)]
    assert rejected(extract) == [(3, "Sale price", "8", "bad_promo_window")]
    assert "export it with them" in extract.rejects["next_step"].iloc[0]


def test_a_sale_with_unreadable_dates_is_rejected() -> None:
    extract = read("woocommerce", export(product("1"), product("2", sale="8", to="next week")))
    assert rejected(extract) == [(3, HEADERS["to"], "next week", "bad_promo_window")]


@pytest.mark.parametrize(
    ("row", "state"),
    [
        (product("1", published="0"), (False, None, None)),
        (product("1", published="-1"), (False, None, None)),
        (product("1", published="'-1"), (False, None, None)),
        (product("1", published="2"), (False, None, None)),
        (product("1", published=""), (True, None, None)),
        (product("1", stock="", **{"in": "1"}), (True, None, "in_stock")),
        (product("1", stock="", **{"in": "0"}), (True, None, "out_of_stock")),
        (product("1", stock="9", **{"in": "0"}), (True, 0, "out_of_stock")),
        (product("1", stock="0", **{"in": "backorder"}), (True, 0, "out_of_stock")),
        (product("1", stock="'-3"), (True, -3, None)),
        (product("1", stock="parent", type="variation", parent="X"), (True, None, None)),
        (product("1", type="Simple, downloadable, virtual"), (True, None, None)),
    ],
)  # fmt: skip
def test_what_a_row_says_of_stock_and_sale(row: Row, state: tuple[object, ...]) -> None:
    extract = read("woocommerce", export(product("0"), {"stock": "", "in": "", **row}))
    assert shown(extract, "active", "quantity", "stock_status")[1] == state


def test_a_variation_finds_its_parent_by_sku_or_id() -> None:
    rows = [
        product("", "", type="variable", ID="77", name="Cap", stock="5", published="-1"),
        product("P", "", type="variable", ID="78", name="Hat", stock="", published="1"),
        product("A", type="variation", parent="id:77", stock="parent"),
        product("B", type="variation", parent="P", stock="parent", name="Hat - red"),
        product("C", type="variation", parent="id:99", stock="parent"),
    ]
    extract = read("woocommerce", export(*rows))
    assert counts(extract)[4] == 2
    assert shown(extract, "sku", "name", "quantity", "active") == [
        ("A", "Cap", 5, False), ("B", "Hat - red", None, True), ("C", None, None, True),
    ]  # fmt: skip


def test_parents_and_groups_without_their_products_are_rejected_not_dropped() -> None:
    rows = [
        product("1"),
        product("P", "", type="variable"),
        product("G", "", type="grouped", **{"Grouped products": "8, 9"}),
        product("H", "", type="grouped", **{"Grouped products": "9, 1"}),
    ]
    extract = read("woocommerce", export(*rows))
    assert counts(extract) == (3, 1, 2, 0, 1)
    assert [why for *_, why in rejected(extract)] == ["missing_price", "missing_price"]


def test_an_apostrophe_is_an_escape_only_before_a_sign_that_needs_one() -> None:
    extract = read("woocommerce", export(product("'=1"), product("'@x"), product("'7")))
    assert shown(extract, "sku") == [("@x",)]
    assert [(value, why) for _, _, value, why in rejected(extract)] == [
        ("=1", "formula"), ("'7", "damaged_sku"),
    ]  # fmt: skip


def test_another_export_is_refused_by_name() -> None:
    with pytest.raises(ExtractError) as caught:
        read("woocommerce", written([{"post_title": "Tea", "sku": "1", "regular_price": "10"}]))
    assert caught.value.code == "unknown_layout"
    assert "WooCommerce" in caught.value.message
    without = {"Type": "simple", "Published": "1", "Regular price": "10", "Name": "Tea"}
    with pytest.raises(ExtractError) as caught:
        read("woocommerce", written([without]))
    assert caught.value.code == "no_sku_column"
