"""Small bad files: each is refused or quarantined exactly as the table says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from marketsync_dagster.pos.extract import read_csv_extract
from marketsync_dagster.pos.model import Extract, ExtractSpec, NothingAccepted
from marketsync_dagster.pos.reasons import FILE_REASONS, ROW_REASONS
from marketsync_dagster.values.errors import ExtractError

HEAD = b"sku,name,price\n"
GOOD = b"G1,Good,5.00\n"


@dataclass(frozen=True)
class Refused:
    """A file that is refused: the code and words of the message."""

    name: str
    data: bytes
    code: str
    says: str = ""
    spec: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Rejected:
    """A file with rejects: line, column, value, reason of each; `good` are the other SKUs."""

    name: str
    data: bytes
    rejects: list[tuple[int, str | None, str, str]]
    good: list[str] = field(default_factory=lambda: ["G1"])
    spec: dict[str, Any] = field(default_factory=dict)


REFUSED = [
    Refused("empty", b"", "empty"),
    Refused("only a byte order mark", b"\xef\xbb\xbf", "empty"),
    Refused("only blank lines", b"\n\r\n  \n", "empty"),
    Refused("only delimiters", b",,,\n,,,\n", "empty"),
    Refused("header only", HEAD, "header_only"),
    Refused("header without line end", b"sku,price", "header_only"),
    Refused("header and blank lines", HEAD + b"\n,,\n", "header_only"),
    Refused("NUL bytes", HEAD + b"A,\0B,1\n", "nul_bytes", "line 2"),
    Refused("NUL in a quoted value of two lines", HEAD + b'A,"x\ny\0",1\n', "nul_bytes", "line 3"),
    Refused("a spreadsheet", b"PK\x03\x04" + b"x" * 40, "not_csv", "XLSX"),
    Refused("a gzip archive", b"\x1f\x8b\x08aaaa", "not_csv", "gzip"),
    Refused("a web page", b"<!DOCTYPE html><html>", "not_csv", "web page"),
    Refused("XML", b'<?xml version="1.0"?><a/>', "not_csv", "XML"),
    Refused("JSON", b'[{"sku": 1}]', "not_csv", "JSON"),
    Refused("PDF", b"%PDF-1.7 aaa", "not_csv", "PDF"),
    Refused("a line above 1 MB", HEAD + b"A," + b"x" * (2**20 + 1) + b",1\n", "line_too_long", "2"),
    Refused("1.5 MB without a line end", b"x" * (3 * 2**19), "line_too_long", "line 1"),
    Refused("broken UTF-8", HEAD + "A,Čaj žuti,1\nB,\u0160".encode() + b"\xff,2\n", "undecodable",
            "line 3"),
    Refused("not the declared encoding", HEAD + b"A,caf\xe9,1\n", "undecodable", "line 2",
            {"encoding": "utf-8"}),
    Refused("an unknown encoding", HEAD + GOOD, "unknown_encoding", "klingon",
            {"encoding": "klingon"}),
    Refused("a codec that is no encoding", HEAD + GOOD, "unknown_encoding", "rot13",
            {"encoding": "rot13"}),
    Refused("half a character of UTF-16", b"\xff\xfe" + "sku,price\nA,1\n".encode("utf-16-le")[:-1],
            "undecodable", "line 2"),
    Refused("a quote that swallows the file", HEAD + b'A,"Tea,1\nB,Rice,2\nC,Oil,3\n',
            "unbalanced_quote", "line 2"),
    Refused("a quote that ends at the next quoted value",
            HEAD + GOOD + b'A,"Tea,1\nB,"Rice",2\n', "unbalanced_quote", "line 3"),
    Refused("ends inside a quote", HEAD + GOOD + b'A,"Tea', "truncated", "line 3"),
    Refused("last line lacks columns", HEAD + GOOD + b"A,Tea", "truncated", "line 3"),
    Refused("last price is cut", HEAD + b"A,a,1.00\nB,b,2.00\nC,c,3.00\nD,d,12.9", "truncated",
            "line 5"),
    Refused("last value is missing", HEAD + b"A,a,1\nB,b,2\nC,c,3\nD,d,", "truncated", "line 5"),
    Refused("fewer records than a trailer declares", HEAD + GOOD + b"Records: 3\n", "truncated",
            "declares 3"),
    Refused("fewer records than a title declares", b"# rows: 1,200\n" + HEAD + GOOD, "truncated",
            "declares 1200 records and has 1"),
    Refused("no SKU column", b"name,price\nTea,1\n", "no_sku_column", "'name', 'price'"),
    Refused("no price column", b"sku,name\nA,Tea\n", "no_price_column", "'sku', 'name'"),
    Refused("no header", b"A1,Tea,1.00\nA2,Rice,2.00\n", "no_sku_column", "line 1"),
    Refused("one column", b"sku\nA\nB\n", "no_price_column"),
    Refused("the same header twice", b"sku,price,price\nA,1,2\n", "duplicate_header",
            "columns 2 and 3"),
    Refused("a mapped header twice", b"sku,p,p\nA,1,2\n", "duplicate_header", "columns 2 and 3",
            {"columns": {"sku": "sku", "price": "p"}}),
    Refused("two columns for one name", b"sku,qty,stock,price\nA,1,2,3\n", "ambiguous_columns",
            "'qty' and 'stock'"),
    Refused("a mapped header is missing", b"code,Prise\nA,1\n", "column_missing",
            "the closest is 'Prise'", {"columns": {"sku": "code", "price": "Price"}}),
    Refused("no mapped header is there", b"a,b\nA,1\n", "column_missing", "'a', 'b'",
            {"columns": {"sku": "X", "price": "Y"}}),
    Refused("an unknown canonical name", HEAD + GOOD, "unknown_column", "did you mean 'price'",
            {"columns": {"sku": "sku", "prize": "price"}}),
    Refused("a delimiter of two characters", HEAD + GOOD, "bad_delimiter", "'||'",
            {"delimiter": "||"}),
    Refused("nothing can be used", HEAD + b"A,a,x\nB,b,-1\n", "nothing_accepted", "none of 2"),
]  # fmt: skip


def price(text: str, reason: str, **spec: Any) -> Rejected:
    """A file with one price that is rejected."""
    quoted = '"' + text.replace('"', '""') + '"'
    data = HEAD + GOOD + f"B1,Bad,{quoted}\n".encode()
    return Rejected(f"price {text}", data, [(3, "price", text, reason)], spec=spec)


def sku(text: str, reason: str, value: str | None = None) -> Rejected:
    """A file with one SKU that is rejected."""
    data = HEAD + GOOD + f"{text},Bad,1.00\n".encode()
    return Rejected(f"SKU {text!r}", data, [(3, "sku", text if value is None else value, reason)])


def stock(text: str) -> Rejected:
    """A file with one quantity that is rejected."""
    data = f'sku,price,qty\nG1,5,1\nB1,1,"{text}"\n'.encode()
    return Rejected(f"quantity {text}", data, [(3, "qty", text, "bad_quantity")])


REJECTED = [
    price("abc", "bad_price"),
    price("n/a", "bad_price"),
    price("-", "bad_price"),
    price("12.50.1", "bad_price"),
    price("1,23,4", "bad_price"),
    price("1.2E+3", "bad_price"),
    price("12.5%", "bad_price"),
    price("01-Feb", "bad_price"),
    price("99.", "bad_price"),
    price("1 23", "bad_price"),
    price("NaN", "bad_price"),
    price("inf", "bad_price"),
    price("-Infinity", "bad_price"),
    price("XYZ 5", "bad_price"),
    price("5 for 10", "bad_price"),
    price("=A1*2", "formula"),
    price("-5.00", "negative_price"),
    price("(5.00)", "negative_price"),
    price("5.00-", "negative_price"),
    price("\u22125.00", "negative_price"),
    price("KES -5.00", "negative_price"),
    price("0", "zero_price"),
    price("0.00", "zero_price"),
    price("KES 0", "zero_price"),
    price("12.345", "too_many_decimals"),
    price("0.001", "too_many_decimals"),
    price("12.5", "too_many_decimals", currency="JPY"),
    price("1.2345", "too_many_decimals", currency="KWD"),
    price("1000000001", "absurd_price"),
    price("9" * 30, "absurd_price"),
    price("12.50/kg", "unit_price"),
    price("12.50 per kg", "unit_price"),
    price("12.50 / 100g", "unit_price"),
    price("$ 5.00", "other_currency"),
    price("3,15 €", "other_currency"),
    price("USD 5.00", "other_currency"),
    price("1,600/=", "other_currency", currency="EUR"),
    price("", "missing_price"),
    Rejected("ambiguous without evidence", b'sku,price\nG1,5\nB1,"1,234"\nB2,1.234\n',
             [(3, "price", "1,234", "ambiguous_price"), (4, "price", "1.234", "ambiguous_price")]),
    Rejected("ambiguous with contradicting evidence",
             b'sku;price\nG1;1,50\nG2;1.50\nB1;1,234\n',
             [(4, "price", "1,234", "ambiguous_price")], ["G1", "G2"]),
    Rejected("a decimal point where commas are declared",
             b"sku;price\nG1;5,00\nB1;12.50\nB2;1,299.90\n",
             [(3, "price", "12.50", "bad_price"), (4, "price", "1,299.90", "bad_price")],
             spec={"decimal": ","}),
    Rejected("too many decimals by evidence", b"sku;price\nG1;1.50\nB1;1.234\n",
             [(3, "price", "1.234", "too_many_decimals")]),
    Rejected("bad promo price", b"sku,price,promo price\nG1,5,4\nB1,5,cheap\n",
             [(3, "promo price", "cheap", "bad_price")]),
    Rejected("promo price alone is zero", b"sku,price,promo price\nG1,5,4\nB1,,0.00\n",
             [(3, "promo price", "0.00", "zero_price")]),
    Rejected("another currency in its column", b"sku,price,currency\nG1,5,KES\nB1,5,USD\n",
             [(3, "currency", "USD", "other_currency")]),
    sku("9.34096E+12", "damaged_sku"),
    sku('"9,34096E+12"', "damaged_sku", "9,34096E+12"),
    sku("1E+05", "damaged_sku"),
    sku("4011.0", "damaged_sku"),
    sku("'00123", "damaged_sku"),
    sku("#N/A", "damaged_sku"),
    sku("#REF!", "damaged_sku"),
    sku("#####", "damaged_sku"),
    sku("=A1", "formula"),
    sku("", "missing_sku"),
    sku("   ", "missing_sku", ""),
    sku("NULL", "missing_sku"),
    sku("nan", "missing_sku"),
    sku("A\x07B", "control_character", r"A\x07B"),
    sku("A\u200bB", "control_character", r"A\u200bB"),
    sku("\ufeffA1", "control_character", r"\ufeffA1"),
    sku('"A\nB"', "control_character", r"A\x0aB"),
    sku("x" * 201, "sku_too_long", "x" * 200),
    sku("TOTAL", "total_row"),
    Rejected("a header in the middle", HEAD + GOOD + HEAD + b"A2,a,1\n",
             [(3, "sku", "sku", "repeated_header")], ["G1", "A2"]),
    stock("n/a"),
    stock("12 pcs"),
    stock("1,234"),
    stock("1e3"),
    Rejected("unknown stock status", b"sku,price,availability\nG1,5,Yes\nB1,5,perhaps\n",
             [(3, "availability", "perhaps", "bad_stock_status")]),
    Rejected("unknown active word", b"sku,price,active\nG1,5,\nB1,5,maybe\n",
             [(3, "active", "maybe", "bad_active")]),
    Rejected("too few values", HEAD + b"B1,Bad\n" + GOOD,
             [(2, None, "B1,Bad", "too_few_columns")]),
    Rejected("too many values", HEAD + GOOD + b"B1,Bad,1,600\n",
             [(3, None, "B1,Bad,1,600", "too_many_columns")]),
    Rejected("an inch mark in a quoted value", HEAD + b'B1,"TV 32" LED",1\n' + GOOD,
             [(2, None, 'B1,"TV 32" LED",1', "bad_quotes")]),
    Rejected("a quote that takes in one row", HEAD + b'B1,"a,1\nB2,b",2\n' + GOOD,
             [(2, None, "B1,a,1\\x0aB2,b,2", "swallowed_lines")]),
    Rejected("bad row below a value of three lines",
             HEAD + b'A1,"x\r\ny\nz",1\nB1,Bad,oops\n' + GOOD,
             [(5, "price", "oops", "bad_price")], ["A1", "G1"]),
    Rejected("bad row after lone CR", b"sku,price\rG1,1\rB1,x\r", [(3, "price", "x", "bad_price")]),
    Rejected("bad row after mixed line ends", b"sku,price\r\nG1,1\n\rG2,2\r\r\nB1,x\n",
             [(6, "price", "x", "bad_price")], ["G1", "G2"]),
    Rejected("bad row below a title", b"Price list\n\n" + HEAD + GOOD + b"B1,b,x\n",
             [(5, "price", "x", "bad_price")]),
    Rejected("contradicting duplicates", HEAD + b"B1,a,1\n" + GOOD + b"B1,a,2\nB1,a,1\n",
             [(2, "sku", "B1", "contradicting_duplicate"),
              (4, "sku", "B1", "contradicting_duplicate"),
              (5, "sku", "B1", "contradicting_duplicate")]),
    Rejected("duplicates that differ in stock", b"sku,price,qty\nB1,1,5\nB1,1,6\nG1,1,1\n",
             [(2, "sku", "B1", "contradicting_duplicate"),
              (3, "sku", "B1", "contradicting_duplicate")]),
    Rejected("a long value", HEAD + GOOD + b"B1,b," + b"y" * 500 + b"\n",
             [(3, "price", "y" * 200, "bad_price")]),
]  # fmt: skip


def read(data: bytes, spec: dict[str, Any]) -> Extract:
    """Read a file of the corpus."""
    return read_csv_extract(data, ExtractSpec(**{"currency": "KES", **spec}), file="till.csv")


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_a_file_that_cannot_be_trusted_is_refused(case: Refused) -> None:
    with pytest.raises(ExtractError) as caught:
        read(case.data, case.spec)
    assert caught.value.code == case.code
    assert case.says in caught.value.message
    assert caught.value.next_step == FILE_REASONS[case.code]


@pytest.mark.parametrize("case", REJECTED, ids=lambda case: case.name)
def test_a_bad_row_is_rejected_with_line_column_value_and_reason(case: Rejected) -> None:
    extract = read(case.data, case.spec)
    found = extract.rejects
    column = [None if value != value else value for value in found["column"].tolist()]
    rows = list(zip(found["line"], column, found["value"], found["reason"], strict=True))
    assert rows == case.rejects
    assert extract.frame["sku"].tolist() == case.good
    assert set(found["file"]) == {"till.csv"}
    for reason, step in zip(found["reason"], found["next_step"], strict=True):
        assert step.endswith(ROW_REASONS[reason])
    assert extract.records == extract.accepted + extract.rejected + extract.duplicates


def test_the_corpus_of_bad_files_is_large() -> None:
    assert len(REFUSED) + len(REJECTED) >= 60


def test_every_reason_of_a_row_occurs_in_the_corpus() -> None:
    seen = {reject[3] for case in REJECTED for reject in case.rejects}
    assert seen == set(ROW_REASONS)


def test_contradicting_duplicates_name_the_other_lines() -> None:
    extract = read(HEAD + b"B1,a,1\n" + GOOD + b"B1,a,2\nB1,a,1\n", {})
    steps = extract.rejects["next_step"].tolist()
    assert [step.split(" The")[0] for step in steps] == [
        "Also on line 4, 5.",
        "Also on line 2, 5.",
        "Also on line 2, 4.",
    ]


def test_when_nothing_can_be_used_the_rejects_can_still_be_shown() -> None:
    with pytest.raises(NothingAccepted) as caught:
        read(HEAD + b"A,a,x\nB,b,-1\n", {})
    assert caught.value.extract.rejects["line"].tolist() == [2, 3]
    assert caught.value.extract.accepted == 0
