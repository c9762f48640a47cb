"""Shopify: both generations of headers, variants, compare-at prices, markets, and stock."""

from __future__ import annotations

import io
import zipfile

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

EXAMPLE = EXAMPLES / "shopify" / "products_export.csv"
INVENTORY = EXAMPLES / "shopify" / "inventory_export.csv"
SEEN = ("sku", "name", "price_minor", "promo_price_minor", "quantity", "stock_status", "active")
OLD = {
    "URL handle": "Handle",
    "SKU": "Variant SKU",
    "Barcode": "Variant Barcode",
    "Price": "Variant Price",
    "Compare-at price": "Variant Compare At Price",
    "Inventory quantity": "Variant Inventory Qty",
    "Inventory tracker": "Variant Inventory Tracker",
    "Continue selling when out of stock": "Variant Inventory Policy",
    "Published on online store": "Published",
    "Product image URL": "Image Src",
    "Gift card": "Gift Card",
    "Compare-at price / International": "Compare At Price / International",
}
MORE = ("Price / International", "Compare-at price / International", "Inventory quantity")


def product(sku: str, price: str = "60.00", **cells: str) -> dict[str, str]:
    row = {"URL handle": f"h{sku}", "Title": f"Item {sku}", "SKU": sku, "Price": price,
           "Compare-at price": "", "Inventory tracker": "shopify", "Inventory quantity": "4",
           "Continue selling when out of stock": "FALSE", "Status": "active",
           "Option1 value": "Default Title"}  # fmt: skip
    return {**row, **cells}


def both(rows: list[dict[str, str]]) -> list[bytes]:
    """A file under the new headers and one under the old."""
    policy = {"FALSE": "deny", "TRUE": "continue"}
    old = [{OLD.get(name, name): cell for name, cell in row.items()} for row in rows]
    for row in old:
        said = row.get("Variant Inventory Policy", "")
        row["Variant Inventory Policy"] = policy.get(said, said)
    return [written(rows), written(old)]


def together(*files: tuple[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in files:
            archive.writestr(name, data)
    return stream.getvalue()


def test_the_example_is_read() -> None:
    extract = read("shopify", EXAMPLE)
    assert shown(extract, *SEEN) == [
        ("00301", "Clay mug", 35000, None, 18, None, True),
        ("BSK-S", "Reed basket - Small", 90000, 72000, 7, None, True),
        ("BSK-L", "Reed basket - Large", 125000, None, 0, None, True),
        ("STL-1", "Stool, made to order", 420000, None, None, "in_stock", True),
        ("SVC-1", "Engraving", 20000, None, None, None, True),
        ("LMP-2", "Lamp, new model", 260000, None, 3, None, False),
        ("LMP-1", "Lamp, old model", 240000, None, 1, None, False),
    ]
    assert shown(extract, "barcode", "brand", "category")[0] == (
        "6160000030019",
        "Reedcraft",
        "Kitchen",
    )
    assert shown(extract, "brand", "category")[2] == (
        "Reedcraft",
        "Home & Garden > Decor > Baskets",
    )
    assert rejected(extract) == [(14, "SKU", "", "missing_sku")]
    assert counts(extract) == (8, 7, 1, 0, 5)
    assert extract.warnings == ["left out, being gift cards, which are no goods: 2 rows"]


def test_the_prices_of_a_market_are_read_for_the_outlet_that_is_one() -> None:
    extract = read("shopify", EXAMPLE, keys="International", currency="USD")
    assert shown(extract, "sku", "price_minor", "promo_price_minor") == [
        ("00301", 450, None),
        ("BSK-S", 1200, 900),
        ("BSK-L", 1550, None),
        ("STL-1", 5200, None),
        ("LMP-2", 3300, None),
        ("LMP-1", 3000, None),
    ]
    assert rejected(extract)[0] == (9, "Price / International", "", "missing_price")
    assert extract.rejects["next_step"][0].startswith("Shopify works out what it costs")


def test_the_stock_of_a_location_comes_from_the_inventory_export() -> None:
    files = [(path.name, path.read_bytes()) for path in (EXAMPLE, INVENTORY)]
    seen = ("sku", "quantity", "active")
    extract = read("shopify", together(*files), "shopify.zip", keys="Lake Road")
    assert shown(extract, *seen)[:3] == [
        ("00301", 12, True),
        ("BSK-S", 7, True),
        ("BSK-L", 0, True),
    ]
    extract = read("shopify", together(*reversed(files)), "shopify.zip", keys="hill street")
    assert shown(extract, *seen)[:3] == [
        ("00301", 6, True),
        ("BSK-S", 7, False),
        ("BSK-L", 2, True),
    ]
    with pytest.raises(ExtractError) as refused:
        read("shopify", together(*files), "shopify.zip", keys="Market")
    assert refused.value.code == "not_in_file"


def test_the_origin_is_in_the_inventory_export_and_two_of_one_product_refuse_nothing() -> None:
    stock = [
        {"SKU": "A", "Location": "Lake Road", "Available": "3", "COO": "KE"},
        {"SKU": "A", "Location": "Lake Road", "Available": "3", "COO": "UG"},
        {"SKU": "B", "Location": "Lake Road", "Available": "2", "COO": ""},
    ]
    files = ("products.csv", written([product("A"), product("B")])), ("stock.csv", written(stock))
    extract = read("shopify", together(*files), "shopify.zip", keys="Lake Road")
    assert shown(extract, "sku", "quantity", "origin") == [("A", 3, "KE"), ("B", 2, None)]


@pytest.mark.parametrize("header", ["Available", "Available (not editable)"])
def test_what_can_be_sold_is_available_and_not_all_that_is_on_hand(header: str) -> None:
    stock = {"Handle": "h1", "SKU": "1", "Location": "Quay", header: "3", "On hand (current)": "9",
             "On hand (new)": "77", "On hand": "9"}  # fmt: skip
    files = ("products.csv", written([product("1")])), ("inventory.csv", written([stock]))
    extract = read("shopify", together(*files), "both.zip", keys="Quay")
    assert shown(extract, "quantity") == [(3,)]
    stock.pop(header)
    files = files[0], ("inventory.csv", written([stock]))
    with pytest.raises(ExtractError) as refused:
        read("shopify", together(*files), "both.zip", keys="Quay")
    assert refused.value.code == "unknown_layout"


@pytest.mark.parametrize(
    ("price", "compare", "regular", "promotion"),
    [
        ("60.00", "80.00", 8000, 6000),
        ("60.00", "60.00", 6000, None),
        ("60.00", "50.00", 6000, None),
        ("60.00", "", 6000, None),
        ("60.00", "0.00", 6000, None),
        ("60", "60.01", 6001, 6000),
        ("9.00", "10.00", 1000, 900),
    ],
)
def test_a_price_below_its_compare_at_price_is_a_promotion(
    price: str, compare: str, regular: int, promotion: int | None
) -> None:
    for data in both([product("1", price, **{"Compare-at price": compare})]):
        extract = read("shopify", data)
        assert shown(extract, "price_minor", "promo_price_minor") == [(regular, promotion)]
        assert extract.warnings == []


@pytest.mark.parametrize(
    ("cells", "column", "reason"),
    [
        ({"Compare-at price": "03-May"}, "Compare-at price", "date_as_price"),
        ({"Compare-at price": "-80.00"}, "Compare-at price", "negative_price"),
        ({"Price": ""}, "Price", "missing_price"),
        ({"Price": "", "Compare-at price": "80.00"}, "Price", "missing_price"),
        ({"Price": "0.00", "Compare-at price": "80.00"}, "Price", "zero_price"),
        ({"SKU": ""}, "SKU", "missing_sku"),
        ({"SKU": "''"}, "SKU", "damaged_sku"),
        ({"SKU": "'1.2E+11"}, "SKU", "damaged_sku"),
        ({"Continue selling when out of stock": "sometimes"}, None, "bad_flag"),
        ({"Status": "asleep"}, "Status", "bad_active"),
    ],
)
def test_what_is_not_certain_is_rejected(
    cells: dict[str, str], column: str | None, reason: str
) -> None:
    for data in both([product("1", **cells), product("2")]):
        extract = read("shopify", data)
        assert shown(extract, "sku") == [("2",)]
        ((line, header, _, found),) = rejected(extract)
        assert (line, found) == (2, reason)
        assert column is None or header in (column, OLD.get(column))


@pytest.mark.parametrize(
    ("cells", "quantity", "status"),
    [
        ({"Inventory quantity": "4"}, 4, None),
        ({"Inventory quantity": "0"}, 0, None),
        ({"Inventory tracker": "", "Inventory quantity": "0"}, None, None),
        ({"Continue selling when out of stock": "TRUE", "Inventory quantity": "0"}, None,
         "in_stock"),
    ],
)  # fmt: skip
def test_stock_that_is_not_counted_is_unknown_and_not_zero(
    cells: dict[str, str], quantity: int | None, status: str | None
) -> None:
    for data in both([product("1", **cells)]):
        assert shown(read("shopify", data), "quantity", "stock_status") == [(quantity, status)]


def test_variants_say_what_their_first_row_says_and_pictures_are_no_products() -> None:
    first = {"Vendor": "Reedcraft", "Type": "Home", "Status": "draft", "Option1 value": "Small"}
    rows = [
        product("1", **first, **{"URL handle": "mug"}),
        {"URL handle": "mug", "SKU": "2", "Price": "65.00", "Option1 value": "Large"},
        {"URL handle": "mug", "Product image URL": "https://shop.example/2.jpg"},
        {"URL handle": "cup", "Product image URL": "https://shop.example/3.jpg"},
        {"URL handle": "mug", "Option1 value": "Huge"},
        {"URL handle": "mug", "Price": "70.00"},
    ]
    for data in both(rows):
        extract = read("shopify", data)
        assert shown(extract, "sku", "name", "brand", "category", "active") == [
            ("1", "Item 1 - Small", "Reedcraft", "Home", False),
            ("2", "Item 1 - Large", "Reedcraft", "Home", False),
        ]
        assert [(line, reason) for line, _, _, reason in rejected(extract)] == [
            (5, "missing_sku"),
            (6, "missing_sku"),
            (7, "missing_sku"),
        ]
        assert counts(extract) == (5, 2, 3, 0, 1)


@pytest.mark.parametrize(
    ("cells", "active"),
    [
        ({"Status": "active", "Published on online store": "FALSE"}, True),
        ({"Status": "archived", "Published on online store": "TRUE"}, False),
        ({"Status": "draft"}, False),
        ({"Status": "unlisted"}, False),
        ({"Status": "", "Published on online store": "FALSE"}, True),
    ],
)
def test_the_status_says_what_is_sold(cells: dict[str, str], active: bool) -> None:
    for data in both([product("1", **cells)]):
        assert shown(read("shopify", data), "active") == [(active,)]


@pytest.mark.parametrize(("published", "active"), [("TRUE", True), ("FALSE", False)])
def test_files_without_a_status_say_whether_they_are_published(
    published: str, active: bool
) -> None:
    row = product("1", **{"Published on online store": published})
    row.pop("Status")
    for data in both([row]):
        assert shown(read("shopify", data), "active") == [(active,)]


def test_a_market_without_a_compare_at_price_has_no_promotion_of_the_shops() -> None:
    cells = {"Compare-at price": "80.00", "Price / Nordics": "9.00", "Included / Nordics": "TRUE"}
    rows = [product("1", **cells), product("2", **{**cells, "Included / Nordics": "FALSE"})]
    for data in both(rows):
        extract = read("shopify", data, keys="nordics")
        assert shown(extract, "price_minor", "promo_price_minor", "active") == [
            (900, None, True),
            (900, None, False),
        ]
        home = read("shopify", data, keys="Lake Road")
        assert shown(home, "price_minor", "promo_price_minor") == [(8000, 6000)] * 2


def test_a_price_column_that_is_asked_for_is_the_price() -> None:
    row = product("1", **{"Compare-at price": "80.00", "Price / Nordics": "9.00"})
    for header, minor in (("Price / Nordics", 900), ("Price", 6000)):
        extract = read("shopify", written([row]), keys="Nordics", columns={"price": header})
        assert shown(extract, "price_minor", "promo_price_minor") == [(minor, None)]


@pytest.mark.parametrize("lacking", ["SKU", "Price", "URL handle"])
def test_another_export_is_refused_by_name(lacking: str) -> None:
    row = product("1")
    row.pop(lacking)
    for data, header in zip(both([row]), (lacking, OLD[lacking]), strict=True):
        with pytest.raises(ExtractError) as refused:
            read("shopify", data)
        assert refused.value.code == "unknown_layout"
        assert repr(header) in str(refused.value)
