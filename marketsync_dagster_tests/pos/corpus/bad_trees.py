"""XML, JSON and JSON lines that are refused, or have records that are rejected."""

from __future__ import annotations

from typing import Any

from marketsync_dagster_tests.pos.corpus.builders import items, lines, objects
from marketsync_dagster_tests.pos.corpus.cases import Refused, Rejected

GOOD = ("G1", "Good", "5.00")
BAD = ("B1", "Bad", "oops")
ONE = {"sku": "G1", "name": "Good", "price": 5}
LAUGHS = (
    b'<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
    b'<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><l><i><sku>A</sku><price>&c;</price></i></l>'
)
OUTSIDE = (
    b'<!DOCTYPE l [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
    b"<l><i><sku>A</sku><name>&a;</name><price>1</price></i></l>"
)
DTD = b'<!DOCTYPE l SYSTEM "http://127.0.0.1/l.dtd"><l><i><sku>A</sku><price>1</price></i></l>'
TWO_KINDS = (
    b"<S><A><P><sku>A</sku><price>1</price></P><P><sku>B</sku><price>2</price></P></A>"
    b"<B><Q><sku>A</sku><price>3</price></Q><Q><sku>B</sku><price>4</price></Q></B></S>"
)


def xml(name: str, data: bytes, code: str, says: str = "", **spec: Any) -> Refused:
    """XML that is refused."""
    return Refused(f"XML: {name}", data, code, says, spec, file="prices.xml")


def json(name: str, data: bytes, code: str, says: str = "", **spec: Any) -> Refused:
    """JSON that is refused."""
    return Refused(f"JSON: {name}", data, code, says, spec, file="prices.json")


def record(name: str, text: str, column: str | None, value: str, reason: str) -> Rejected:
    """A JSON array with one record, on line 3, that is rejected."""
    rejects = [(3, column, value, reason)]
    return Rejected(f"JSON: {name}", objects(ONE, text), rejects, file="prices.json")


def price(written: str, value: str, reason: str) -> Rejected:
    """A JSON array with one price that is rejected."""
    text = f'{{"sku": "B1", "name": "Bad", "price": {written}}}'
    return record(f"price {written}", text, "price", value, reason)


def sku(written: str, value: str, reason: str) -> Rejected:
    """A JSON array with one SKU that is rejected."""
    text = f'{{"sku": {written}, "name": "Bad", "price": 1}}'
    return record(f"SKU {written}", text, "sku", value, reason)


def element(name: str, line: str, column: str, value: str, reason: str) -> Rejected:
    """XML with one record, on line 3, that is rejected."""
    good = "<i><sku>G1</sku><price>5</price></i>"
    data = f"<l>\n{good}\n{line}\n</l>".encode()
    return Rejected(f"XML: {name}", data, [(3, column, value, reason)], file="prices.xml")


REFUSED = [
    xml("a billion laughs", LAUGHS, "doctype", "line 1"),
    xml("an outside entity", OUTSIDE, "doctype", "line 1"),
    xml("an outside DTD", DTD, "doctype", "line 1"),
    xml("an entity that is not defined", b"<l><i><sku>&a;</sku></i></l>", "bad_xml", "line 1"),
    xml("cut off", items(GOOD, GOOD)[:-30], "truncated", "line 3"),
    xml("cut off in the last element", items(GOOD)[:-2], "truncated"),
    xml("elements that overlap", b"<l>\n<i><sku>A</i></sku></l>", "bad_xml", "line 2"),
    xml("two documents in one", items(GOOD) + items(GOOD), "bad_xml"),
    xml("the same attribute twice", b'<l>\n<i sku="A" sku="B" price="1"/></l>', "bad_xml",
        "line 2"),
    xml("a NUL", b"<l><i><sku>A\0</sku><price>1</price></i></l>", "nul_bytes"),
    xml("a control character", b"<l>\n<i><sku>A\x01</sku><price>1</price></i></l>", "bad_xml",
        "line 2"),
    xml("broken UTF-8", items(("A", "Čaj žuti š", "1")) + b"<!-- \xff -->", "undecodable",
        "line 3"),
    xml("not the declared encoding", items(("A", "a", "1")).replace(b"A", b"\xe9"), "undecodable",
        "line 2", encoding="utf-8"),
    xml("deep nesting", b"<l>" + b"<a>" * 50 + b"</a>" * 50 + b"</l>", "too_deep", "32"),
    xml("a value of 1 MB", b"<l><i><sku>A</sku><name>" + b"x" * 1_100_000 + b"</name></i></l>",
        "value_too_long", "line 1"),
    xml("2,100 names", b"<l><i>" + b"".join(b"<n%d/>" % i for i in range(2100)) + b"</i></l>",
        "too_wide"),
    xml("fewer records than it declares", items(GOOD, count=2), "truncated", "declares 2"),
    xml("nothing but a root", b"<l/>", "header_only"),
    xml("an empty list", items(), "header_only", records=("Items/Item",)),
    xml("records that are not there", items(GOOD, GOOD), "no_records", "`Shop/Items/Item`",
        records=("Products/Product",)),
    xml("two kinds of records", TWO_KINDS, "ambiguous_records", "Q"),
    xml("no SKU", items(("a", "1"), names=("colour", "price")), "no_sku_column", "'colour'"),
    xml("no price", items(("a", "1"), names=("sku", "colour")), "no_price_column", "'colour'"),
    xml("an attribute and an element of one name", b'<l>\n<i sku="A"><sku>B</sku><price>1</price>'
        b"</i></l>", "ambiguous_columns", "'sku'"),
    json("cut off", objects(ONE, ONE)[:-10], "truncated", "line 3"),
    json("cut off between records", objects(ONE, ONE)[:-1], "truncated"),
    json("a comma too many", b'[{"sku": "A", "price": 1},]', "bad_json", "line 1"),
    json("a comma too few", objects(ONE) [:-1] + b'{"sku": "B"}]', "bad_json", "line 3"),
    json("more behind it", objects(ONE) + b"\n[]", "bad_json"),
    json("single quotes", b"[{'sku': 'A'}]", "bad_json", "line 1"),
    json("a comment", b'[\n{"sku": "A", /* x */ "price": 1}]', "bad_json", "line 2"),
    json("a NUL", b'[{"sku": "A\0"}]', "nul_bytes"),
    json("broken UTF-8", objects({"sku": "Čaj žuti š"}, ONE).replace(b"Good", b"\xff"),
         "undecodable", "line 3"),
    json("deep nesting", b'[{"sku":' + b"[" * 5000 + b"]" * 5000 + b"}]", "too_deep", "32"),
    json("deep objects", b'[{"sku": 1, "a":' + b'{"a":' * 60 + b"1" + b"}" * 61 + b"]", "too_deep"),
    json("a value of 3 MB", b'[{"sku": "' + b"x" * 3_000_000 + b'"}]', "value_too_long", "line 1"),
    json("2,100 names", objects({f"n{i}": 1 for i in range(2100)}), "too_wide"),
    json("an empty array", b"[]", "header_only"),
    json("no array", b'{\n"sku": "A"\n}\n', "no_records"),
    json("numbers only", b"[1, 2, 3]", "no_records"),
    json("records that are not there", objects(ONE), "no_records", "`data.items`",
         records=("data.items",)),
    json("two arrays", b'{"a": [{"sku": "A", "price": 1}], "b": [{"sku": "A", "price": 2}]}',
         "ambiguous_records"),
    json("fewer records than it declares",
         b'{"count": 3, "items": [{"sku": "A", "price": 1}]}', "truncated", "declares 3"),
    json("two columns for one name", objects({"sku": "A", "on hand": 1, "stock": 2, "price": 3}),
         "ambiguous_columns", "'on hand'"),
    Refused("JSON lines: half a line", lines(ONE, ONE)[:-9], "truncated", "line 2",
            file="prices.jsonl"),
    Refused("JSON lines: the first is none", b'{"sku": "A"} x\n{"sku": "B"}\n', "bad_json",
            file="prices.jsonl"),
    Refused("JSON lines: deep nesting", lines(ONE) + b'{"a":' * 50 + b"1" + b"}" * 50 + b"\n",
            "too_deep", "line 2", file="prices.jsonl"),
]  # fmt: skip

REJECTED = [
    Rejected("XML: a bad price", items(GOOD, BAD), [(3, "price", "oops", "bad_price")],
             file="prices.xml"),
    Rejected("XML: lines are those of the file", b"\n\n<l>\n<i>\n<sku>G1</sku><price>5</price></i>"
             b"\r\n\r\n<i\n><sku>B1</sku><price>x</price></i></l>",
             [(7, "price", "x", "bad_price")], file="prices.xml"),
    element("two prices", "<i><sku>B1</sku><price>5</price><price>6</price></i>", "price", "5|6",
            "bad_price"),
    element("two SKUs", "<i><sku>B1</sku><sku>B2</sku><price>5</price></i>", "sku", "B1|B2",
            "repeated_name"),
    element("a product without price", "<i><sku>B1</sku></i>", "price", "", "missing_price"),
    element("a date for a price", "<i><sku>B1</sku><price>2026-11-20</price></i>", "price",
            "2026-11-20", "date_as_price"),
    element("a SKU of a spreadsheet", "<i><sku>5.9E+12</sku><price>1</price></i>", "sku",
            "5.9E+12", "damaged_sku"),
    price('"oops"', "oops", "bad_price"),
    price("null", "", "missing_price"),
    price("true", "true", "bad_price"),
    price("-1", "-1", "negative_price"),
    price("0", "0", "zero_price"),
    price("0.0", "0.0", "zero_price"),
    price("1.999", "1.999", "too_many_decimals"),
    price("1e2", "1e2", "bad_price"),
    price("NaN", "NaN", "not_a_number"),
    price("-Infinity", "-Infinity", "not_a_number"),
    price("[1, 2]", "1|2", "bad_price"),
    price("99999999999999999999", "99999999999999999999", "absurd_price"),
    price('"1,234"', "1,234", "ambiguous_price"),
    sku("null", "", "missing_sku"),
    sku('""', "", "missing_sku"),
    sku("4011.0", "4011.0", "damaged_sku"),
    sku("1e3", "1e3", "damaged_sku"),
    sku("12345678901234567890", "12345678901234567890", "damaged_sku"),
    sku("true", "true", "damaged_sku"),
    sku(r'"A\u0007B"', r"A\x07B", "control_character"),
    sku('"Grand total"', "Grand total", "total_row"),
    record("a name twice", '{"sku": "B1", "price": 1, "price": 2}', None,
           '{"sku": "B1", "price": 1, "price": 2}', "repeated_name"),
    record("no object", "[1]", None, "[1]", "bad_record"),
    record("half a character", r'{"sku": "B\ud800", "price": 1}', None,
           r'{"sku": "B\ud800", "price": 1}', "bad_record"),
    record("an empty object", "{}", "sku", "", "missing_sku"),
    record("an object for a price", '{"sku": "B1", "price": {"amount": 1}}', "price", "",
           "missing_price"),
    Rejected("JSON: contradicting duplicates", objects(ONE, {**ONE, "price": 6}, {**ONE, "sku": 7}),
             [(2, "sku", "G1", "contradicting_duplicate"),
              (3, "sku", "G1", "contradicting_duplicate")], ["7"], file="prices.json"),
    Rejected("JSON lines: a line that is none", lines(ONE, '{"sku": "B1", "price": }'),
             [(2, None, '{"sku": "B1", "price": }', "bad_record")], file="prices.jsonl"),
    Rejected("JSON lines: a name twice", lines(ONE, '{"sku": "B1", "sku": "B2", "price": 2}'),
             [(2, None, '{"sku": "B1", "sku": "B2", "price": 2}', "repeated_name")],
             file="prices.jsonl"),
]  # fmt: skip
