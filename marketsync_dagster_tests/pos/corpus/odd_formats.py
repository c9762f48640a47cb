"""Odd and valid files that are not CSV, and what must be read from them."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa

from marketsync_dagster_tests.pos.corpus.builders import (
    HEAD,
    Raw,
    book,
    cells,
    formula,
    grid,
    items,
    lines,
    number,
    objects,
    packed,
    parquet,
    zipped,
)
from marketsync_dagster_tests.pos.corpus.cases import Odd
from marketsync_dagster_tests.pos.corpus.odd_csv import ROWS, TWO
from marketsync_dagster_tests.pos.readers.workbooks import raw_xlsx, xls

XLSX, XLS, XML, JSON, PARQUET = (
    "till.xlsx", "till.xls", "prices.xml", "prices.json", "till.parquet"
)  # fmt: skip
TEA, RICE = ("001", "Tea", "1.50"), ("002", "Rice", "2.99")
TEA_OBJECT = '{"sku": "001", "name": "Tea", "price": 1.50}'
RICE_OBJECT = '{"sku": "002", "name": "Rice", "price": 2.99}'
TWO_XML = items(TEA, RICE)


def shared() -> bytes:
    """Texts in the table of shared strings, in runs of several fonts."""
    strings = "".join(
        f"<si>{text}</si>"
        for text in ("<t>sku</t>", "<t>price</t>", "<r><t>00</t></r><r><rPr/><t>1</t></r>",
                     "<t>002</t><rPh><t>zwei</t></rPh>")
    )  # fmt: skip
    rows = [[Raw(f"<v>{place}</v>", "s") for place in (0, 1)]]
    rows += [[Raw(f"<v>{place}</v>", "s"), number("1.5")] for place in (2, 3)]
    return raw_xlsx(grid(rows), strings=strings)


def far() -> bytes:
    """Three cells in rows that are a million apart."""
    last = "".join(f'<c r="{c}1048576" t="str"><v>{v}</v></c>' for c, v in (("A", "002"), ("C", 2)))
    xml = grid([HEAD, ("001", None, "1")]).replace(
        "</sheetData>", f'<row r="1048576">{last}</row></sheetData>'
    )
    return raw_xlsx(xml)


def decimals(*texts: str, scale: int) -> pa.Array:
    """Decimals of one scale."""
    return pa.array([Decimal(text) for text in texts], pa.decimal128(18, scale))


CASES = [
    Odd("gzip", packed(ROWS.encode()), TWO, file="till.csv.gz"),
    Odd("gzip of two parts", packed(ROWS[:20].encode()) + packed(ROWS[20:].encode()), TWO,
        file="till.csv.gz"),
    Odd("gzip with zeros behind it", packed(ROWS.encode()) + bytes(512), TWO, file="till.csv.gz"),
    Odd("gzip of XML", packed(TWO_XML), TWO, file="prices.xml.gz"),
    Odd("ZIP under the name of gzip", zipped({"prices.xml": TWO_XML}), TWO, file="prices.gz"),
    Odd("XML under the name of gzip", TWO_XML, TWO, file="prices.gz"),
    Odd("ZIP with what file managers add", zipped({"__MACOSX/._till.csv": b"\0\5", "a/": b"",
        "a/till.csv": ROWS.encode()}), TWO, file="till.zip"),
    Odd("ZIP of a workbook", zipped({"a/till.xlsx": book(HEAD, TEA, RICE)}), TWO, file="till.zip"),
    Odd("ZIP that is not packed", zipped({"till.csv": ROWS.encode()}, 0), TWO, file="till.zip"),
    Odd("XLSX", book(HEAD, TEA, RICE), {**TWO, "line": [2, 3]}, file=XLSX),
    Odd("XLSX of numbers", book(HEAD, ("001", "Tea", number("1.5")), ("002", "Rice",
        number("2.9900000000000002"))), TWO, file=XLSX),
    Odd("XLSX: numbers beside texts with decimal commas", book(HEAD, ("001", "a", "1.234,50"),
        ("002", "b", number("12.5")), ("003", "c", number("1.5E2")), ("004", "d", "1.299")),
        {"price_minor": [123450, 1250, 15000, 129900]}, file=XLSX),
    Odd("XLSX: numbers where decimal commas are declared", book(HEAD, ("001", "a", number("12.5")),
        ("002", "b", "3,5")), {"price_minor": [1250, 350]}, {"decimal": ","}, file=XLSX),
    Odd("XLSX: dinars", book(HEAD, ("001", "a", number("1.25")), ("002", "b", number("0.125"))),
        {"price_minor": [1250, 125]}, {"currency": "KWD"}, file=XLSX),
    Odd("XLSX: stock in numbers", book(("sku", "price", "qty"), ("1", number("1"), number("1.234")),
        ("2", number("1"), number("-3")), ("3", number("1"), None), ("4", "1,5", "1.234")),
        {"quantity": [1, -3, None, 1234]}, file=XLSX),
    Odd("XLSX: formulas with their values", book(HEAD, ("001", "Tea", formula("A1*2", "1.5")),
        ("002", "Rice", formula("A2", "2.99"))), TWO, file=XLSX),
    Odd("XLSX: SKUs that are shown with their zeros", book(HEAD, (number("1", 1), "Tea",
        number("1.5")), (number("2", 1), "Rice", number("2.99"))  , formats=("000",)), TWO,
        {"numeric_identifiers": "accept"}, file=XLSX),
    Odd("XLSX: barcodes in numbers", book(("sku", "price", "ean"), ("1", "2", number(
        "5.901234123457E+12"))), {"barcode": ["5901234123457"]}, file=XLSX),
    Odd("XLSX: currency by the format", book(HEAD, ("001", "Tea", number("1.5", 1)), ("002", "Rice",
        number("2.99", 1)), formats=('"KES" #,##0.00',)), TWO, file=XLSX),
    Odd("XLSX: titles, blank rows and a count", book(("Main Street Shop",), ("Rows", number("2")),
        (), HEAD, TEA, (), RICE, ("End of report",)), {**TWO, "line": [5, 7]},
        also={"header_line": 4}, file=XLSX),
    Odd("XLSX: shared strings", shared(), {"sku": ["001", "002"]}, file=XLSX),
    Odd("XLSX: the first row and the last", far(), {"sku": ["001", "002"], "line": [2, 1048576]},
        file=XLSX),
    Odd("XLSX: hidden sheets", raw_xlsx(grid([HEAD, TEA, RICE]), workbook=
        '<a><sheet name="Lists" state="hidden" r:id="r1"/></a>'), TWO,
        also={"warnings": ["hidden sheets are not read: Lists"]}, file=XLSX),
    Odd("XLSX under the name of CSV", book(HEAD, TEA, RICE), TWO),
    Odd("XLSX: escaped characters", book(HEAD, ("001", "Tea &amp; _x0041_<b>", "1.5")),
        {"name": ["Tea &amp; A<b>"]}, file=XLSX),
    Odd("XLS", lambda: xls([("S", cells(HEAD, ("001", "Tea", 1.5), ("002", "Rice", 2.99)))]),
        {**TWO, "line": [2, 3]}, file=XLS),
    Odd("XML", TWO_XML, {**TWO, "line": [2, 3]}, file=XML),
    Odd("XML in UTF-16", ('<?xml version="1.0" encoding="utf-16"?>' + TWO_XML.decode()).encode(
        "utf-16"), TWO, file=XML),
    Odd("XML in Windows-1250", '<?xml version="1.0" encoding="windows-1250"?><l><i><sku>1</sku>'
        '<name>Šećer žuti</name><price>1</price></i></l>'.encode("cp1250"),
        {"name": ["Šećer žuti"]}, file=XML),
    Odd("XML: attributes", b'<l><i sku="001" name="Tea" price="1.50"/>\n<i sku="002" name="Rice" '
        b'price="2.99"/></l>', {**TWO, "line": [1, 2]}, file=XML),
    Odd("XML: namespaces and upper case", b'<a:L xmlns:a="urn:x"><a:I><a:SKU>001</a:SKU><a:NAME>'
        b"Tea</a:NAME><a:PRICE>1.50</a:PRICE></a:I><a:I><a:SKU>002</a:SKU><a:NAME>Rice</a:NAME>"
        b"<a:PRICE>2.99</a:PRICE></a:I></a:L>", TWO, file=XML),
    Odd("XML: CDATA, entities and comments", b"<l><i><sku>00&#49;</sku><name><![CDATA[A <b> & c]]>"
        b"</name><price>1<!-- x -->.5</price></i></l>", {"sku": ["001"], "name": ["A <b> & c"],
        "price_minor": [150]}, file=XML),
    Odd("XML: a count that is reached", items(TEA, RICE, count=2), TWO, file=XML),
    Odd("XML: records by their path", b"<S><B><sku>9</sku></B><P><sku>001</sku><price>1</price></P>"
        b"</S>", {"sku": ["001"]}, {"records": ("P",)}, file=XML),
    Odd("JSON", objects(TEA_OBJECT, RICE_OBJECT), {**TWO, "line": [2, 3]}, file=JSON),
    Odd("JSON: one line", b"[" + TEA_OBJECT.encode() + b"," + RICE_OBJECT.encode() + b"]",
        {**TWO, "line": [1, 1]}, file=JSON),
    Odd("JSON: in an envelope", b'{"count": 2, "shop": {"id": "7"}, "data": {"items": ['
        + TEA_OBJECT.encode() + b",\n" + RICE_OBJECT.encode() + b"]}}", {**TWO, "line": [1, 2]},
        file=JSON),
    Odd("JSON: UTF-8 with byte order mark", b"\xef\xbb\xbf" + objects(TEA_OBJECT, RICE_OBJECT), TWO,
        file=JSON),
    Odd("JSON: escapes", objects(r'{"sku": "\u0030\u0030\u0031", "name": "\u0160e\u0107er \ud83c'
        r'\udf75", "price": 1}'), {"sku": ["001"], "name": ["Šećer 🍵"]}, file=JSON),
    Odd("JSON: numbers beside texts with decimal commas", objects('{"sku": 1, "price": "1,50"}',
        '{"sku": 2, "price": 1.5}', '{"sku": 3, "price": 20}', '{"sku": 4, "price": 12.500}'),
        {"sku": ["1", "2", "3", "4"], "price_minor": [150, 150, 2000, 1250]}, file=JSON),
    Odd("JSON: dinars", objects('{"sku": 1, "price": 1.250}', '{"sku": 2, "price": 0.125}'),
        {"price_minor": [1250, 125]}, {"currency": "KWD"}, file=JSON),
    Odd("JSON: records that lack names", objects({"sku": "1", "price": 1}, {"price": 2, "sku": "2",
        "stock": 0, "active": False}), {"quantity": [None, 0], "active": [True, False]}, file=JSON),
    Odd("JSON: nested prices", objects({"sku": "1", "prices": {"regular": 5, "sale": 4}}),
        {"price_minor": [500]}, {"columns": {"sku": "sku", "price": "prices.regular"}}, file=JSON),
    Odd("JSON lines", lines(TEA_OBJECT, RICE_OBJECT), {**TWO, "line": [1, 2]}, file="till.jsonl"),
    Odd("JSON lines: blank lines and none at the end", b"\n" + TEA_OBJECT.encode() + b"\r\n\r\n"
        + RICE_OBJECT.encode(), {**TWO, "line": [2, 4]}, file="till.jsonl"),
    Odd("Parquet", parquet(HEAD, ["001", "002"], ["Tea", "Rice"], [1.5, 2.99]), {**TWO,
        "line": [1, 2]}, file=PARQUET),
    Odd("Parquet: decimals of three places", parquet(HEAD, ["001", "002"], ["Tea", "Rice"],
        decimals("1.500", "2.990", scale=3)), TWO, file=PARQUET),
    Odd("Parquet: whole numbers and categories", parquet(("sku", "name", "price", "stock"),
        pa.array([1, 2]), pa.array(["a", "a"]).dictionary_encode(), pa.array([5, 1234]),
        pa.array([3, None])), {"sku": ["1", "2"], "name": ["a", "a"], "price_minor": [500, 123400],
        "quantity": [3, None]}, file=PARQUET),
    Odd("Parquet: floats of 32 bits", parquet(HEAD, ["001", "002"], ["Tea", "Rice"],
        pa.array([1.5, 2.99], pa.float32())), TWO, file=PARQUET),
    Odd("Parquet: two columns of one name that nothing is read from", parquet(("sku", "price",
        "note", "note"), ["1"], [1.5], ["a"], ["b"]), {"price_minor": [150]}, file=PARQUET),
]  # fmt: skip
