"""Israeli price files: every chain's elements, sizes, goods by weight, stores, names of files."""

from __future__ import annotations

import gzip
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import pyarrow as pa
import pytest

from marketsync_dagster.pos import presets
from marketsync_dagster.pos.detect import Format
from marketsync_dagster.pos.documents import Document, documents_of
from marketsync_dagster.pos.model import ExtractSpec
from marketsync_dagster.pos.presets.il_prices import PRESET
from marketsync_dagster.pos.presets.il_stores import stores_of
from marketsync_dagster.pos.texts import Texts
from marketsync_dagster.values.errors import ExtractError
from marketsync_dagster_tests.pos.presets.exports import EXAMPLES, counts, read, rejected, shown
from marketsync_dagster_tests.pos.presets.lists import moment, naming_of

FILES = EXAMPLES / "il_prices"
CHAIN = "7299999999993"
FULL = f"PriceFull{CHAIN}-001-202611200300"
EAN = "7299999000013"
SEEN = ("sku", "name", "brand", "price_minor")


def element(name: str, inside: str) -> str:
    return f"<{name}>{inside}</{name}>"


def item(name: str = "Item", **cells: str) -> str:
    return element(name, "".join(element(one, escape(text)) for one, text in cells.items()))


def document(*items: str, root: str = "Root", holder: str = "Items", store: str = "001") -> bytes:
    head = element("ChainId", CHAIN) + element("SubChainId", "003") + element("StoreId", store)
    return element(root, head + element(holder, "\n".join(items))).encode()


def one(**cells: str) -> str:
    return item(**{"ItemCode": "77", "ItemName": "חלב", "ItemPrice": "5.90", **cells})


def il(source: bytes | Path, file: str = FULL, **spec: object):
    return read("il_prices", source, file, currency="ILS", **spec)


ROWS = [("0077", "חלב", "הגבעה", 590), (EAN, "לחם", None, 1290)]
TWO = (
    ("ItemCode", "ItemName", "ManufacturerName", "ItemPrice"),
    ("0077", "חלב", "הגבעה", "5.90"),
    (EAN, "לחם", "לא ידוע", "12.90"),
)


def spelled(names: tuple[str, ...], root: str, holder: str, record: str) -> bytes:
    records = [item(record, **dict(zip(names, row, strict=True))) for row in TWO[1:]]
    return document(*records, root=root, holder=holder)


SHAPES = {
    "usual": spelled(TWO[0], "Root", "Items", "Item"),
    "small root": spelled(TWO[0], "root", "Items", "Item"),
    "products": spelled(
        ("ItemCode", "ItemNm", "ManufactureName", "ItemPrice"), "Prices", "Products", "Product"
    ),
    "lines": element(
        "OrderXml",
        element(
            "Envelope",
            element("ChainId", CHAIN)
            + element("StoreId", "1")
            + element(
                "Header",
                spelled(
                    ("ItemCode", "ItemName", "ManuName", "ItemPrice"), "X", "Details", "Line"
                ).decode(),
            ),
        ),
    ).encode(),
    "capitals": spelled(
        ("ITEMCODE", "ITEMNAME", "MANUFACTURERNAME", "ITEMPRICE"), "ROOT", "ITEMS", "ITEM"
    ),
    "namespaces": spelled(TWO[0], "a:Root", "a:Items", "a:Item").replace(
        b"<a:Root>", b'<a:Root xmlns:a="urn:x">'
    ),
    "attributes": document(
        *(
            "<Item " + " ".join(f'{n}="{v}"' for n, v in zip(TWO[0], row, strict=True)) + "/>"
            for row in TWO[1:]
        )
    ),
    "utf-16": spelled(TWO[0], "Root", "Items", "Item").decode().encode("utf-16"),
    "utf-16 without a mark": b"".join([
        '<?xml version="1.0" encoding="utf-16"?>'.encode("utf-16-le"),
        spelled(TWO[0], "Root", "Items", "Item").decode().encode("utf-16-le"),
    ]),
    "windows-1255": b'<?xml version="1.0" encoding="windows-1255"?>'
    + spelled(TWO[0], "Root", "Items", "Item").decode().encode("cp1255"),
    "iso-8859-8": b'<?xml version="1.0" encoding="iso-8859-8"?>'
    + spelled(TWO[0], "Root", "Items", "Item").decode().encode("iso-8859-8"),
    "declared as what it is not": b'<?xml version="1.0" encoding="windows-1255"?>'
    + spelled(TWO[0], "Root", "Items", "Item"),
    "packed": gzip.compress(spelled(TWO[0], "Root", "Items", "Item")),
}  # fmt: skip


@pytest.mark.parametrize("data", SHAPES.values(), ids=SHAPES)
def test_every_chain_s_elements_are_read(data: bytes) -> None:
    extract = il(data, f"{FULL}.gz")
    assert shown(extract, *SEEN) == ROWS
    assert shown(extract, "barcode") == [(None,), (EAN,)]


def test_the_examples_are_read_exactly() -> None:
    extract = il(FILES / f"{FULL}.gz", f"{FULL}.gz", keys=("1",))
    assert shown(extract, *SEEN, "size") == [
        (EAN, "חלב הגבעה 3% 1 ליטר", "מחלבת הגבעה", 710, "1 ליטר"),
        ("7299999000020", "פסטה פנה השדה 500 גרם", None, 1290, "500 גרם"),
        ("0044410", "חלה מתוקה", "מאפיית הבוקר", 990, "1 יחידות"),
        ("7299999000037", "מגבונים ענן 72 יח'", "ענן רך", 1190, "72 יחידות"),
        ("7299999000044", "קפה נמס הרים 200 גרם", "קפה הרים", 2490, "200 גרם"),
    ]
    assert rejected(extract) == [
        (60, "bIsWeighted", "1", "sold_by_weight"),
        (111, "ItemPrice", "0.00", "zero_price"),
    ]
    assert counts(extract) == (7, 5, 2, 0, 0)
    assert shown(extract, "quantity") == [(None,)] * 5


def test_a_name_that_says_gzip_and_sub_chains_do_not_matter() -> None:
    name = f"PriceFull{CHAIN}-001-002-20261120-030000.gz"
    for keys in (("002",), ("001-002",), ("1-2", "2")):
        extract = il(FILES / name, name, keys=keys)
        assert extract.encoding == "utf-16"
        assert shown(extract, *SEEN) == [
            (EAN, "חלב הגבעה 3% 1 ליטר", "מחלבת הגבעה", 690),
            ("7299999000068", 'שמן זית הגליל 750 מ"ל', None, 3490),
        ]
        assert rejected(extract) == [(39, "blsWeighted", "1", "sold_by_weight")]


def test_a_file_of_changes_has_only_what_changed() -> None:
    name = f"Price{CHAIN}-001-202611200900.xml"
    extract = il(FILES / name, name, keys=("001",), coverage="delta")
    assert shown(extract, "sku", "price_minor") == [("7299999000020", 1190)]


@pytest.mark.parametrize(
    ("keys", "refused"),
    [
        (("2",), True),
        (("12",), True),
        (("1",), False),
        (("001",), False),
        (("003-001",), False),
        (("002-001",), True),
        (("2", "01"), False),
        (("herzl",), False),
        ((), False),
    ],
)
def test_a_file_of_another_store_is_refused(keys: tuple[str, ...], refused: bool) -> None:
    if refused:
        with pytest.raises(ExtractError) as caught:
            il(document(one()), keys=keys)
        assert caught.value.code == "other_outlet"
    else:
        assert il(document(one()), keys=keys).accepted == 1


@pytest.mark.parametrize(
    ("cells", "name"),
    [
        ({"ItemName": "חלב", "ItemNm": "''"}, "חלב"),
        ({"ItemName": "''", "ItemNm": "לחם"}, "לחם"),
        ({"ItemName": "", "ItemNm": "לחם"}, "לחם"),
        ({"ItemName": "", "ManufacturerItemDescription": "גבינה"}, "גבינה"),
        ({"ItemName": "''"}, None),
    ],
)
def test_the_first_name_that_is_filled_is_taken(cells: dict[str, str], name: str | None) -> None:
    other = one(ItemCode="78", ItemNm="''", ManufacturerItemDescription="")
    extract = il(document(one(**cells), other))
    assert shown(extract, "name")[0] == (name,)


@pytest.mark.parametrize(
    ("quantity", "unit", "size"),
    [
        ("500.00", "גרם", "500 גרם"),
        ("1.50", "ליטרים", "1.5 ליטר"),
        ("0.75", "ליטר", "0.75 ליטר"),
        ("100", "מ''ל", '100 מ"ל'),
        ("0.00", "גרם", None),
        ("12", "לא ידוע", None),
        ("12", "", None),
        ("", "גרם", None),
        ("abc", "גרם", None),
    ],
)
def test_a_quantity_is_a_size_and_never_a_stock(quantity: str, unit: str, size: str | None) -> None:
    extract = il(document(one(Quantity=quantity, UnitQty=unit)))
    assert shown(extract, "size", "quantity", "unit") == [(size, None, None)]


@pytest.mark.parametrize("name", ["bIsWeighted", "BisWeighted", "blsWeighted", "IsWeighted"])
@pytest.mark.parametrize(
    ("said", "by_weight"),
    [("0", False), ("1", True), ("", False), ("false", False), ("true", True), ("2", True)],
)
def test_goods_by_weight_are_rejected_however_it_is_said(
    name: str, said: str, by_weight: bool
) -> None:
    extract = il(document(one(ItemCode="1"), one(**{name: said})))
    assert [why for *_, why in rejected(extract)] == ["sold_by_weight"] * by_weight
    taken = il(document(one(ItemCode="1"), one(**{name: said})), weighed="accept")
    assert shown(taken, "unit") == [(None,), ("kg" if by_weight else None,)]


def test_the_size_of_goods_by_weight_is_no_size() -> None:
    data = document(one(bIsWeighted="1", Quantity="100", UnitQty="גרם"))
    assert shown(il(data, weighed="accept"), "size", "unit") == [(None, "kg")]


def test_a_file_without_a_word_on_weight_is_told() -> None:
    assert any("by weight" in words for words in il(document(one())).warnings)
    assert not il(document(one(bIsWeighted="0"))).warnings


def test_a_price_per_measure_is_never_the_price() -> None:
    data = document(one(ItemPrice="", UnitOfMeasurePrice="0.59"), one(ItemCode="78"))
    assert [why for *_, why in rejected(il(data))] == ["missing_price"]
    assert shown(il(data), "sku") == [("78",)]
    without = document(item(ItemCode="1", UnitOfMeasurePrice="2.00"))
    with pytest.raises(ExtractError) as caught:
        il(without)
    assert caught.value.code == "unknown_layout"


@pytest.mark.parametrize(
    ("code", "kind", "is_barcode"),
    [
        (EAN, "1", True),
        (EAN, "0", True),
        (EAN, "", True),
        ("0" + EAN, "1", True),
        ("7299999000014", "1", False),
        ("2000451000007", "1", False),
        ("02000451000007", "1", False),
        ("0200000000004", "1", False),
        ("96385074", "1", True),
        ("96385074", "0", False),
        ("96385074", "", False),
        ("44410", "1", False),
    ],
)
def test_only_a_code_that_must_be_one_is_a_barcode(code: str, kind: str, is_barcode: bool) -> None:
    extract = il(document(one(ItemCode=code, ItemType=kind)))
    assert shown(extract, "sku") == [(code,)]
    assert (shown(extract, "barcode") != [(None,)]) is is_barcode


def test_a_wrong_check_digit_is_kept_and_marked() -> None:
    extract = il(document(one(ItemCode="7299999000014"), one(ItemCode="2000451000007")))
    assert shown(extract, "internal_code", "barcode_note") == [
        ("7299999000014", "not a GTIN: check digit"),
        (None, None),
    ]


def test_a_count_that_is_not_reached_refuses_the_file() -> None:
    data = document(one(), one(ItemCode="2")).replace(b"<Items>", b'<Items Count="3">')
    with pytest.raises(ExtractError) as caught:
        il(data)
    assert caught.value.code == "truncated"


def test_a_full_file_without_items_is_no_empty_shop() -> None:
    with pytest.raises(ExtractError) as caught:
        il(document())
    assert caught.value.code == "header_only"


def nothing(**facts: str) -> Texts:
    return Texts({"sku": pa.array([], pa.string())}, np.zeros(0, np.int64), {}, facts=facts)


@pytest.mark.parametrize("layout", PRESET.layouts, ids=lambda layout: layout.name)
def test_nothing_has_changed_only_where_the_file_says_whose_it_is(layout) -> None:
    spec = ExtractSpec(currency="ILS", keys=("1",))
    assert len(layout.shape(nothing(StoreID="001"), spec)) == 0
    for facts, code in (({}, "no_records"), ({"StoreId": "2"}, "other_outlet")):
        with pytest.raises(ExtractError) as caught:
            layout.shape(nothing(**facts), spec)
        assert caught.value.code == code


NAMES = [
    (f"PriceFull{CHAIN}-001-202610060300.gz", "001", "full", "2026-10-06 03:00:00"),
    (f"pricefull{CHAIN}-001-202610060300", "001", "full", "2026-10-06 03:00:00"),
    (f"PromoFull{CHAIN}-12-202610060300.xml.gz", "12", "full", "2026-10-06 03:00:00"),
    (f"Price{CHAIN}-001-202610060315.xml", "001", "delta", "2026-10-06 03:15:00"),
    (f"PromoNull{CHAIN}-001-202610060315.xml", "001", "delta", "2026-10-06 03:15:00"),
    (f"PriceFullnull{CHAIN}-001-202610060315", "001", "full", "2026-10-06 03:15:00"),
    (f"PriceFull{CHAIN}-001-255-20260902-001501.xml", "001-255", "full", "2026-09-02 00:15:01"),
    (f"Promo{CHAIN}-001-255-20260902-0015.gz", "001-255", "delta", "2026-09-02 00:15:00"),
    (f"PriceFull{CHAIN}-255-20260902.xml", "255", "full", "2026-09-02 00:00:00"),
]


@pytest.mark.parametrize(("name", "outlet", "coverage", "time"), NAMES)
def test_names_say_store_time_and_coverage(
    name: str, outlet: str, coverage: str, time: str
) -> None:
    found = naming_of(PRESET, name)
    assert found is not None
    rule, said = found
    assert (said["outlet"], rule.coverage, moment(said)) == (outlet, coverage, time)


@pytest.mark.parametrize("name", [f"{FULL}.gz", f"Promo{CHAIN}-001-202611200300.xml"])
def test_files_are_known_by_their_names(name: str) -> None:
    assert presets.recognise(name, []) is PRESET


@pytest.mark.parametrize(
    "name",
    [f"Stores{CHAIN}-000-202610060300.xml", "prices.xml", "PriceFull-001-202610060300.gz",
     f"PriceFull{CHAIN}-001.xml", "price_2026-11-20.csv", "promo_001_20261120.csv"],
)  # fmt: skip
def test_nothing_is_guessed_from_other_names(name: str) -> None:
    assert naming_of(PRESET, name) is None


def stores(data: bytes | Path, tmp_path: Path) -> list[tuple[str, str, str, str]]:
    (found,) = documents_of(data, file="Stores.xml", spool=tmp_path)
    return [(one.code, one.name, one.city, one.sub_chain) for one in stores_of(found)]


def test_the_stores_of_a_chain_are_listed(tmp_path: Path) -> None:
    path = FILES / f"Stores{CHAIN}-000-202611200200.xml"
    assert stores(path, tmp_path) == [
        ("001", "הגבעה מרכז", "חיפה", "001"),
        ("002", "הגבעה צפון", "נהריה", "001"),
    ]
    (found,) = documents_of(path, file=path.name, spool=tmp_path)
    first = stores_of(found)[0]
    assert (first.chain, first.sub_chain_name, first.address, first.line) == (
        CHAIN, "הגבעה בעיר", "הרצל 1", 11,
    )  # fmt: skip


def test_stores_are_found_in_capitals_and_by_other_names(tmp_path: Path) -> None:
    capitals = (
        '<a:abap xmlns:a="x"><a:values><CHAINID>729</CHAINID><STORES>'
        "<STORE><SUBCHAINID>1</SUBCHAINID><STOREID>001</STOREID><STORENAME>א</STORENAME>"
        "<CITY>לא ידוע</CITY></STORE>"
        "<STORE><SUBCHAINID>2</SUBCHAINID><STOREID>1</STOREID><STORENAME>ב</STORENAME>"
        "<CITY>3000</CITY></STORE></STORES></a:values></a:abap>"
    )
    assert stores(capitals.encode(), tmp_path) == [("001", "א", "", "1"), ("1", "ב", "3000", "2")]
    branches = (
        "<Store><Branches><Branch><StoreID>5</StoreID><StoreName>ג</StoreName></Branch>"
        "</Branches></Store>"
    )
    assert stores(branches.encode(), tmp_path) == [("5", "ג", "", "")]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"<Root><Stores></Stores></Root>", "header_only"),
        (document(one(), one(ItemCode="2")), "no_records"),
        (b"<!DOCTYPE r><Root><Stores/></Root>", "doctype"),
    ],
)
def test_what_is_no_list_of_stores_is_refused(data: bytes, code: str, tmp_path: Path) -> None:
    with pytest.raises(ExtractError) as caught:
        stores(data, tmp_path)
    assert caught.value.code == code


def test_a_table_is_no_list_of_stores() -> None:
    table = Document("Stores.csv", b"StoreId,StoreName\n1,A\n", "", 22, Format.CSV)
    with pytest.raises(ExtractError) as caught:
        stores_of(table)
    assert caught.value.code == "unknown_format"
