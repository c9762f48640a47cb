"""Magento: store views, products with choices, four decimals, stock by source and tier prices."""

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
MAGENTO = EXAMPLES / "magento"
FILES = {
    name: MAGENTO / f"{name}.csv" for name in ("catalog_product", "stock_sources",
                                               "advanced_pricing")
}  # fmt: skip


def product(sku: str, price: str = "10.0000", **said: str) -> Row:
    plain = {"store_view_code": "", "product_type": "simple", "name": f"Product {sku}"}
    return {"sku": sku, "price": price, **plain, **said}


def view(sku: str, code: str, **said: str) -> Row:
    """What a store view says of a product."""
    return {"sku": sku, "store_view_code": code, **said}


def tier(sku: str, price: str = "8.0000", **said: str) -> Row:
    plain = {
        "sku": sku, "tier_price_website": "All Websites [KES]",
        "tier_price_customer_group": "ALL GROUPS", "tier_price_qty": "1.0000",
        "tier_price": price, "tier_price_value_type": "Fixed",
    }  # fmt: skip
    return plain | said


def exported(*rows: Row, **spec: Any) -> Extract:
    return read("magento", written(rows), **spec)


def tiered(*tiers: Row, products: list[Row] | None = None, **spec: Any) -> Extract:
    products = products or [product("A"), product("B")]
    files = zipped(products=written(products), tiers=written(tiers))
    return read("magento", files, "magento.zip", **spec)


def test_the_example_is_read_with_its_choices_and_attributes() -> None:
    extract = read("magento", FILES["catalog_product"])
    assert counts(extract) == (6, 5, 1, 0, 4)
    assert shown(extract, "sku", "price_minor", "promo_price_minor", "quantity", "active") == [
        ("MUG-1", 45000, 39900, 18, True),
        ("SCARF-R", 110050, None, 7, True),
        ("SCARF-G", 110050, None, 0, True),
        ("LAMP-2", 230000, None, 5, False),
        ("PRINT", 80000, None, None, True),
    ]
    assert shown(extract, "brand", "barcode", "promo_from", "promo_to")[0] == (
        "Clay & Sons, potters", "2000000000046", "2026-11-15T00:00:00.000Z",
        "2026-12-01T00:00:00.000Z",
    )  # fmt: skip
    assert rejected(extract) == [(9, "price", "3500.0000", "price_range")]


def test_a_store_view_the_sources_and_tier_prices_of_the_example_are_the_outlets() -> None:
    extract = read("magento", zipped(**FILES), "magento.zip", keys="coast")
    columns = ("sku", "name", "price_minor", "promo_price_minor", "quantity")
    assert shown(extract, *columns)[:3] == [
        ("MUG-1", "Stoneware mug (coast)", 48000, 39900, 11),
        ("SCARF-R", "Wool scarf, red", 110050, 99000, 2),
        ("SCARF-G", "Wool scarf, green", 110050, None, 0),
    ]
    assert sum("tier prices" in words for words in extract.warnings) == 3


VIEWS = [
    product("A", special_price="9.0000", product_online="1"),
    view("A", "coast", price="12.0000"),
    view("A", "hills", price="15.0000", name="A of the hills"),
    product("B"),
    view("B", "coast", product_online="2"),
]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ((), [("A", "Product A", 1000, 900, True), ("B", "Product B", 1000, None, True)]),
        (("coast",), [("A", "Product A", 1200, 900, True), ("B", "Product B", 1000, None, False)]),
        (("Hills",), [("A", "A of the hills", 1500, 900, True),
                      ("B", "Product B", 1000, None, True)]),
        (("elsewhere",), [("A", "Product A", 1000, 900, True),
                          ("B", "Product B", 1000, None, True)]),
    ],
)  # fmt: skip
def test_a_store_view_counts_where_it_is_the_outlet(
    keys: tuple[str, ...], expected: list[tuple[object, ...]]
) -> None:
    extract = exported(*VIEWS, keys=keys)
    assert counts(extract) == (2, 2, 0, 0, 3)
    columns = ("sku", "name", "price_minor", "promo_price_minor", "active")
    assert shown(extract, *columns) == expected


def test_two_views_of_one_outlet_that_differ_reject_the_product() -> None:
    extract = exported(*VIEWS, keys=("coast", "hills"))
    assert shown(extract, "sku", "active") == [("B", False)]
    assert rejected(extract) == [(2, "sku", "A", "contradicting_duplicate")]
    same = [product("A"), view("A", "coast", price="7"), view("A", "hills", price="7")]
    assert shown(exported(*same, keys=("coast", "hills")), "price_minor") == [(700,)]


def test_the_row_of_another_view_alone_is_no_product() -> None:
    extract = exported(product("A"), view("Z", "hills", price="5"))
    assert counts(extract) == (1, 1, 0, 0, 1)
    assert any("without a row of its product" in words for words in extract.warnings)


@pytest.mark.parametrize(
    ("cell", "minor"),
    [("5.0000", 500), ("5.1000", 510), ("5.2500", 525), ("1200.0000", 120000), ("5", 500),
     ("0.5000", 50), ("1,234.5000", 123450)],
)  # fmt: skip
def test_four_decimals_are_read_exactly(cell: str, minor: int) -> None:
    assert shown(exported(product("A", cell)), "price_minor") == [(minor,)]


def test_more_decimals_than_the_currency_has_are_not_rounded() -> None:
    extract = exported(product("A"), product("B", "5.1250"))
    assert [why for *_, why in rejected(extract)] == ["too_many_decimals"]
    assert shown(exported(product("A", "5.1250"), currency="KWD"), "price_minor") == [(5125,)]


@pytest.mark.parametrize(
    "said",
    [
        {"product_type": "configurable", "configurable_variations": "sku=A,size=S|sku=Y,size=M"},
        {"product_type": "Bundle", "bundle_values": "name=x,type=select,sku=A,price=1|name=y"},
        {"product_type": "grouped", "associated_skus": "Y=1.0000, A=2.0000"},
    ],
)
def test_a_product_with_choices_goes_on_as_what_it_is_made_of(said: Row) -> None:
    extract = exported(product("A"), product("P", "99.0000", **said))
    assert counts(extract) == (1, 1, 0, 0, 1)
    emptied = {name: cell.replace("A", "X") if "_" in name else cell for name, cell in said.items()}
    emptied["product_type"] = said["product_type"]
    extract = exported(product("A"), product("P", "99.0000", **emptied))
    assert rejected(extract) == [(3, "price", "99.0000", "price_range")]


@pytest.mark.parametrize(
    ("cell", "brand", "barcode"),
    [
        ("brand=Loom,ean=2000000000015", "Loom", "2000000000015"),
        ("colour=Red,manufacturer=Loom & Sons, weavers,gtin=2000000000015,x=1",
         "Loom & Sons, weavers", "2000000000015"),
        ('"brand"="Loom","ean"="2000000000015"', "Loom", "2000000000015"),
        ("my_brand=No,has_ean=Yes", None, None),
        ("", None, None),
    ],
)  # fmt: skip
def test_brand_and_barcode_are_found_among_the_attributes(
    cell: str, brand: str | None, barcode: str | None
) -> None:
    extract = exported(product("A", additional_attributes=cell))
    assert shown(extract, "brand", "barcode") == [(brand, barcode)]


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ({"qty": "7.0000", "is_in_stock": "1"}, (7, "in_stock")),
        ({"qty": "7.0000", "is_in_stock": "0"}, (0, "out_of_stock")),
        ({"qty": "0.0000", "is_in_stock": "1"}, (0, "in_stock")),
        ({"qty": "0.0000", "is_in_stock": "1", "manage_stock": "0"}, (None, "in_stock")),
        ({"qty": "0.0000", "is_in_stock": "1", "manage_stock": "0", "use_config_manage_stock": "1"},
         (0, "in_stock")),
        ({"qty": "-2.0000", "is_in_stock": "1", "allow_backorders": "1",
          "use_config_backorders": "0"}, (None, "in_stock")),
        ({"qty": "-2.0000", "is_in_stock": "1", "allow_backorders": "1",
          "use_config_backorders": "1"}, (-2, "in_stock")),
    ],
)  # fmt: skip
def test_what_is_said_of_stock(said: Row, state: tuple[object, ...]) -> None:
    assert shown(exported(product("A", **said)), "quantity", "stock_status") == [state]


def test_a_special_price_holds_to_the_end_of_its_last_day() -> None:
    for end in ("2026-11-30", "2026-11-30 00:00:00", "2026-11-30T00:00"):
        row = product("A", special_price="8.0000", special_price_to_date=end)
        assert shown(exported(row), "promo_to") == [("2026-12-01T00:00:00.000Z",)]


def test_dates_that_may_be_of_two_months_reject_the_row() -> None:
    sale = {"special_price": "8.0000", "special_price_from_date": "3/4/26"}
    extract = exported(product("A"), product("B", **sale))
    assert rejected(extract) == [(3, "special_price_from_date", "3/4/26", "bad_promo_window")]
    shown_by = product("C", special_price="8.0000", special_price_from_date="3/14/26")
    extract = exported(product("B", **sale), shown_by)
    assert shown(extract, "promo_from")[0] == ("2026-03-04T00:00:00.000Z",)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"tier_price_qty": "2.0000"}, "several pieces"),
        ({"tier_price_qty": "10"}, "several pieces"),
        ({"tier_price_customer_group": "Wholesale"}, "some customers"),
        ({"tier_price_value_type": "Discount"}, "percent"),
        ({"tier_price_website": "All Websites [EUR]"}, "other websites"),
        ({"tier_price_website": "hills"}, "other websites"),
    ],
)
def test_a_tier_price_that_not_everybody_pays_for_one_piece_is_left_out(
    said: Row, words: str
) -> None:
    extract = tiered(tier("A", **said), tier("B"), keys="coast")
    assert shown(extract, "sku", "promo_price_minor") == [("A", None), ("B", 800)]
    assert any(words in one and "line 2" in one for one in extract.warnings)


def test_a_tier_price_of_the_outlets_own_website_is_read() -> None:
    extract = tiered(tier("A", tier_price_website="coast"), keys="coast")
    assert shown(extract, "sku", "promo_price_minor") == [("A", 800), ("B", None)]


def test_two_promotions_that_differ_reject_the_product_and_windows_are_never_mixed() -> None:
    products = [
        product("A", special_price="9.0000", special_price_to_date="2026-11-30"),
        product("B", special_price="", special_price_to_date="2026-11-30"),
        product("C", special_price="8.0000"),
        product("D", special_price="9.0000", special_price_to_date="2026-11-30"),
    ]
    extract = tiered(tier("A"), tier("B"), tier("C"), products=products)
    assert rejected(extract) == [(2, "tier_price", "9", "two_promotions")]
    assert shown(extract, "sku", "promo_price_minor", "promo_to") == [
        ("B", 800, None), ("C", 800, None), ("D", 900, "2026-12-01T00:00:00.000Z"),
    ]  # fmt: skip


def test_a_tier_price_that_is_a_date_rejects_its_product() -> None:
    row: dict[str, str | builders.Raw] = {**tier("A"), "tier_price": builders.number("45000", 1)}
    sheet = builders.book(tuple(row), tuple(row.values()), formats=("dd/mm/yyyy",))
    files = {"products.csv": written([product("A"), product("B")]), "tiers.xlsx": sheet}
    extract = read("magento", builders.zipped(files), "magento.zip")
    assert shown(extract, "sku", "price_minor") == [("B", 1000)]
    assert rejected(extract) == [(2, "sku", "A", "bad_addition")]
    assert any("tiers.xlsx: 1 record cannot be used" in words for words in extract.warnings)


def test_the_stock_of_a_source_goes_before_the_stock_of_the_product() -> None:
    stock = [
        {"source_code": "coast", "sku": "A", "status": "1", "quantity": "3.0000"},
        {"source_code": "hills", "sku": "A", "status": "1", "quantity": "5.0000"},
        {"source_code": "coast", "sku": "B", "status": "0", "quantity": "4.0000"},
    ]
    products = [product("A", qty="8.0000"), product("B", qty="4.0000")]
    files = zipped(products=written(products), stock=written(stock))
    for keys, expected in (("coast", [3, 0]), ("hills", [5, 4])):
        extract = read("magento", files, "magento.zip", keys=keys)
        assert [quantity for (quantity,) in shown(extract, "quantity")] == expected


@pytest.mark.parametrize("lacking", ["sku", "price", "product_type"])
def test_another_export_is_refused_by_name(lacking: str) -> None:
    row = product("A")
    row.pop(lacking)
    with pytest.raises(ExtractError) as caught:
        exported(row)
    assert caught.value.code == "unknown_layout"
    assert repr(lacking) in caught.value.message
