"""Tags, manufacturer and origin: taken along where a file has them, and nothing is refused for
them."""

from __future__ import annotations

import json

import pytest

from marketsync_dagster_tests.pos.presets.exports import counts, read, shown, written

CARRIED = ("tags", "manufacturer", "origin")
NOTHING = (None, None, None)


def row(sku: str = "A", **cells: str) -> dict[str, str]:
    return {"sku": sku, "name": f"Goods {sku}", "price": "10.00", **cells}


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        ({}, NOTHING),
        ({"Tags": "", "Manufacturer": "", "Origin": ""}, NOTHING),
        ({"Tags": "gift", "Maker": "Rao\nMills", "Country of origin": "IN"},
         ("gift", "Rao Mills", "IN")),
        ({"Etiquetas": "regalo", "Fabricante": "Rao", "País de origen": "India"},
         ("regalo", "Rao", "India")),
        ({"Tags": " gift ,pod;  summer sale| new،sale, "},
         ("gift, pod, summer sale, new, sale", None, None)),
        ({"Tags": ",; |"}, NOTHING),
        # who supplies it need not have made it
        ({"Supplier": "Any Traders"}, NOTHING),
        ({"Vendor": "Any Traders", "Manufacturer": "Rao"}, (None, "Rao", None)),
        # nobody says which of both it is
        ({"Tags": "gift", "Labels": "pod"}, NOTHING),
    ],
)  # fmt: skip
def test_what_a_file_says_of_a_product_goes_along(
    cells: dict[str, str], found: tuple[str | None, ...]
) -> None:
    extract = read("generic", written([row(**cells), row("B")]))
    assert shown(extract, *CARRIED) == [found, NOTHING]


def test_a_list_of_tags_in_json_is_one() -> None:
    products = [{"sku": "A", "price": "10.00", "tags": ["gift", "pod"]}]
    extract = read("generic", json.dumps(products).encode(), "till.json")
    assert shown(extract, "tags") == [("gift, pod",)]


def test_a_column_that_is_configured_is_read_whatever_it_is_called() -> None:
    columns = {"sku": "sku", "price": "price", "tags": "Shelf", "manufacturer": "Supplier"}
    source = written([row(Shelf="gift", Supplier="Rao")])
    assert shown(read("generic", source, columns=columns), *CARRIED) == [("gift", "Rao", None)]


def test_rows_that_differ_in_nothing_else_are_copies() -> None:
    source = written([row(Tags="gift", Origin="IN"), row(Tags="pod"), row("B")])
    for policy, kept in (("reject", ("gift", None, "IN")), ("last", ("pod", None, None))):
        extract = read("generic", source, duplicates=policy)
        assert counts(extract) == (3, 2, 0, 1, 0)
        assert shown(extract, *CARRIED)[0] == kept


def test_no_row_is_taken_for_a_sum_or_a_shifted_one() -> None:
    rows = [row(str(number), name=f"Goods {number}", Tags="x") for number in range(1, 30)]
    odd = [row("X", name="4711", Tags=""), row("Y", Tags="Total")]
    extract = read("generic", written([*rows, *odd]))
    assert counts(extract) == (31, 31, 0, 0, 0)


EXPORTS = {
    "Shopify": (
        "shopify",
        [{"URL handle": "tee", "Title": "Tee", "Tags": "gift, pod", "SKU": "A", "Price": "10"},
         {"URL handle": "tee", "SKU": "B", "Price": "10"}],
        [("gift, pod", None, None)] * 2,
    ),
    "Shopify, old headers": (
        "shopify",
        [{"Handle": "t", "Title": "T", "Tags": "gift", "Variant SKU": "A", "Variant Price": "10"}],
        [("gift", None, None)],
    ),
    "WooCommerce": (
        "woocommerce",
        [{"Type": "variable", "Published": "1", "SKU": "P", "Name": "Tee", "Tags": "gift, pod"},
         {"Type": "variation", "Published": "1", "SKU": "V", "Parent": "P",
          "Regular price": "10"},
         {"Type": "simple", "Published": "1", "SKU": "S", "Tags": "x", "Regular price": "10"}],
        [("gift, pod", None, None), ("x", None, None)],
    ),
    "WooCommerce, German": (
        "woocommerce",
        [{"Typ": "simple", "Veröffentlicht": "1", "Artikelnummer": "S", "Schlagwörter": "neu",
          "Regulärer Preis": "10"}],
        [("neu", None, None)],
    ),
    "Magento": (
        "magento",
        [{"sku": "A", "product_type": "simple", "price": "10", "manufacturer": "Rao",
          "country_of_manufacture": "IN"},
         {"sku": "B", "product_type": "simple", "price": "10",
          "additional_attributes": "brand=Loom,manufacturer=Weavers,country_of_manufacture=KE"}],
        [(None, "Rao", "IN"), (None, "Weavers", "KE")],
    ),
    "Lightspeed": (
        "lightspeed",
        [{"handle": "t", "sku": "A", "name": "T", "retail_price": "10", "tags": "gift,pod",
          "supplier_name": "Any Traders"},
         {"handle": "t", "sku": "B", "retail_price": "10"}],
        [("gift, pod", None, None)] * 2,
    ),
    "Odoo": (
        "odoo",
        [{"Internal Reference": "A", "Name": "T", "Sales Price": "10", "Tags": "gift,pod",
          "Manufacturer": "Rao", "Origin of Goods": "India", "Vendors/Vendor": "Any Traders"}],
        [("gift, pod", "Rao", "India")],
    ),
    "Odoo, a header that is there twice": (
        "odoo", b"Internal Reference,Name,Sales Price,Tags,Tags\nA,T,10,gift,pod\n", [NOTHING],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("preset", "rows", "found"), EXPORTS.values(), ids=EXPORTS)
def test_presets_know_the_columns_of_their_systems(
    preset: str, rows: list[dict[str, str]] | bytes, found: list[tuple[str | None, ...]]
) -> None:
    source = rows if isinstance(rows, bytes) else written(rows)
    assert shown(read(preset, source), *CARRIED) == found
