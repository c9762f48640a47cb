"""CSV in any dialect, encoding and size: read exactly, or refused by name."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from marketsync_dagster.pos import opening
from marketsync_dagster.pos.readers import csv
from marketsync_dagster.pos.readers.csv import keys, read_csv
from marketsync_dagster.pos.reasons import FILE_REASONS, ROW_REASONS
from marketsync_dagster.pos.tables import Limits, Table
from marketsync_dagster.values.errors import ExtractError

CALM = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
Rows = list[tuple[int, list[str]]]
"""Line and cells of each record."""


def everything(table: Table) -> tuple[Rows, list[tuple[int, list[str], str]]]:
    """The records and the odd ones, both by line."""
    rows: Rows = []
    odd: list[tuple[int, list[str], str]] = []
    for block in table.blocks:
        columns = [column.to_pylist() for column in block.columns.values()]
        assert all(len(column) == len(block.lines) for column in columns)
        rows += zip(block.lines.tolist(), map(list, zip(*columns, strict=True)), strict=False)
        odd += [(one.line, one.cells, one.reason) for one in block.odd]
    return rows, sorted(odd)


def outcome(data: bytes, **said: Any) -> Any:
    """What becomes of a file, in words that can be compared."""
    try:
        table = read_csv(data, file="f.csv", **said)
        rows, odd = everything(table)
    except ExtractError as error:
        return error.code, error.message, FILE_REASONS[error.code]
    return rows, odd, table.headers, table.declared, table.delimiter, table.warnings


@dataclass(frozen=True)
class Way:
    """How a table is written."""

    delimiter: str
    end: str
    quote: str
    escape: bool
    all_quoted: bool

    def cell(self, text: str) -> str:
        special = (self.quote, "\r", "\n", *self.delimiter, "\\")
        if not self.all_quoted and text.strip() == text and not any(s in text for s in special):
            return text
        if self.escape:
            text = text.replace("\\", "\\\\").replace(self.quote, "\\" + self.quote)
        else:
            text = text.replace(self.quote, self.quote * 2)
        return self.quote + text + self.quote

    def record(self, cells: list[str]) -> str:
        return self.delimiter.join(map(self.cell, cells)) + self.end


WAYS = st.builds(
    Way,
    st.sampled_from([",", ";", "\t", "|", "^", "~", "\x1f", ":", "||", "::", "~|~", "¦"]),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(['"', "'"]),
    st.booleans(),
    st.booleans(),
)
ENCODINGS = {
    "utf-8": "é€漢", "utf-8-sig": "é漢", "utf-16": "é漢", "utf-16-be": "é漢", "utf-32": "é漢",
    "cp1252": "é€", "cp1256": "حليب", "cp1255": "חלב", "cp1251": "мол", "koi8-r": "мол",
    "cp866": "мол", "cp850": "éü", "iso8859-2": "łž", "mac-roman": "éü", "gb18030": "牛奶",
    "shift_jis": "牛ソ", "cp437": "é",
}  # fmt: skip
"""Codec -> signs that it has; the second byte of ソ is a backslash."""


@CALM
@given(st.data(), WAYS, st.sampled_from(sorted(ENCODINGS)), st.integers(1, 6))
def test_any_table_in_any_dialect_and_encoding_is_read_back_exactly_or_refused_by_name(
    data: st.DataObject, way: Way, encoding: str, sizes: int
) -> None:
    signs = "ab1,.;:|^~\"'\n\r\\ -" + ENCODINGS[encoding]
    if way.delimiter == "¦" and encoding not in ("utf-8", "cp1252", "cp850"):
        way = Way(",", way.end, way.quote, way.escape, way.all_quoted)
    cells = st.text(alphabet=signs, max_size=6)
    rows = data.draw(st.lists(st.lists(cells, min_size=3, max_size=3), min_size=1, max_size=12))
    # an unusual way of quoting can be told only where there is something to be quoted
    proof = [["1", f'say "it\'s" {way.delimiter} \\ done', "2"]] * 6
    rows = [*proof, *rows] if way.quote == "'" or way.escape else rows
    text = way.record(["sku", "name", "price"])
    expected: Rows = []
    for row in rows:
        line = 1 + len(re.findall(r"\r\n|\n|\r", text))
        if any(cell.strip() for cell in row):
            expected.append((line, row))
        text += way.record(row)
    said: dict[str, Any] = {"encoding": encoding, "limits": Limits(block_bytes=2**sizes * 8)}
    if len(way.delimiter) > 1 or way.delimiter in "¦^~\x1f:":
        said["delimiter"] = way.delimiter
    try:
        table = read_csv(text.encode(encoding), file="f.csv", **said)
        found, odd = everything(table)
    except ExtractError:
        return
    named = {line for line, _, reason in odd if reason in ROW_REASONS}
    read = dict(found)
    assert len(read) == len(found)
    for line, row in expected:
        assert line in named or read[line] == row
    assert set(read) | named <= {line for line, _ in expected}


NASTY = st.text(alphabet="ab1,;\"\n\r\\'é€ ", max_size=80)


@CALM
@given(
    NASTY, st.sampled_from(["utf-8", "utf-16", "utf-8-sig"]), st.integers(1, 9), st.integers(1, 60)
)
@example('1,"a\r\nb",2\r\n3,4,5\r\n', "utf-8", 1, 8)
@example('1,"a""b",2\n1,TV 32" LED,5\n3,4,5\n', "utf-8", 3, 5)
@example('1,"a""\n\n"b\n', "utf-8", 1, 1)
def test_where_a_file_is_cut_into_pieces_and_blocks_makes_no_difference(
    monkeypatch: pytest.MonkeyPatch, text: str, encoding: str, chunk: int, block: int
) -> None:
    data = ("sku,name,price\n" + text).encode(encoding)
    at_once = outcome(data)
    with monkeypatch.context() as patch:
        patch.setattr(opening, "CHUNK", chunk)
        # an empty line end of its own is what the header was found by: not in pieces
        in_pieces = outcome(data, limits=Limits(block_bytes=block))
    assert in_pieces == at_once


@pytest.mark.parametrize(
    "text",
    [
        "1,a,2\r\n3,b,4\r\n\r\n5,c,6\r\n",
        "1,a,2\r3,b,4\r\r5,c,6\r",
        '1,"a\r\nb",2\r\n3,"c""d",4\r\n5,e,6\r\n',
        '1,32" tv,1\r\n2,"a\r\nb",2\r\n3,"c""d",3\r\n4,e,4\r\n',
        '1,32" tv,1\r2,"a\rb",2\r3,"c""d" ,3\r4,é,4\r',
        '1,"a"b,1\n2,"c,\n,d\n",2\n3,e,3\n4,"é\nf",4',
    ],
)
def test_a_block_may_end_at_any_byte(text: str) -> None:
    data = ("sku,name,price\n" + text).encode()
    at_once = outcome(data)
    assert len(at_once[0]) >= 2
    for block in range(1, len(data)):
        assert outcome(data, limits=Limits(block_bytes=block)) == at_once, block


def test_a_piece_may_end_within_a_delimiter_an_escape_or_a_character(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = '1||"a\\"||é"||2\r\n3||b\\\\||4\r\n5||c||6\r\n'
    data = ("sku||name||price\r\n" + rows).encode()
    at_once = outcome(data, delimiter="||")
    assert at_once[0][0] == (2, ["1", 'a"||é', "2"])
    for chunk in range(1, len(data)):
        monkeypatch.setattr(opening, "CHUNK", chunk)
        assert outcome(data, delimiter="||") == at_once, chunk


@dataclass(frozen=True)
class Case:
    """A file, its names and records; `also` are fields of the table."""

    name: str
    data: str
    headers: list[str]
    rows: Rows
    said: dict[str, Any] = field(default_factory=dict)
    also: dict[str, Any] = field(default_factory=dict)


NAMES = ["sku", "name", "price"]
CASES = [
    Case("single quotes around everything", "'sku','name','price'\n'1','Tea, ''green''','1.50'\n",
         NAMES, [(2, ["1", "Tea, 'green'", "1.50"])],
         also={"warnings": ["read with values in single quotes"]}),
    Case("single quotes where needed", "sku,name,price\n1,'Tea, green',1.50\n2,6\" nail,1\n",
         NAMES, [(2, ["1", "Tea, green", "1.50"]), (3, ["2", '6" nail', "1"])]),
    Case("apostrophes are no quotes", "sku,name,price\n1,'Tis tea,1\n2,Men's,2\n3,a,3\n", NAMES,
         [(2, ["1", "'Tis tea", "1"]), (3, ["2", "Men's", "2"]), (4, ["3", "a", "3"])],
         also={"warnings": []}),
    Case("backslashes before quotes", 'sku,name,price\n1,"5\\" nail, \\\\ steel",1\n2,"a",2\n',
         NAMES, [(2, ["1", '5" nail, \\ steel', "1"]), (3, ["2", "a", "2"])],
         also={"warnings": ["read with backslashes before quotes"]}),
    Case("a backslash before a delimiter", 'sku,name,price\n1,a\\,b,1\n2,"c\\"",2\n', NAMES,
         [(2, ["1", "a,b", "1"]), (3, ["2", 'c"', "2"])]),
    Case("a path is no escape", 'sku,name,price\n1,"C:\\dir\\",1\n2,"b",2\n', NAMES,
         [(2, ["1", "C:\\dir\\", "1"]), (3, ["2", "b", "2"])], also={"warnings": []}),
    Case("carets", "sku^name^price\n1^Tea, green^1,50\n", NAMES,
         [(2, ["1", "Tea, green", "1,50"])], also={"delimiter": "^"}),
    Case("tildes", "sku~name~price\n1~Tea~1\n", NAMES, [(2, ["1", "Tea", "1"])],
         also={"delimiter": "~"}),
    Case("unit separators", "sku\x1fname\x1fprice\n1\x1fTea\x1f1\n", NAMES,
         [(2, ["1", "Tea", "1"])], also={"delimiter": "\x1f"}),
    Case("colons", "sku:name:price\n1:Tea:1\n", NAMES, [(2, ["1", "Tea", "1"])],
         also={"delimiter": ":"}),
    Case("two characters, declared", 'sku||name||price\n1||a|b||1\n2||"c||d"||2\n', NAMES,
         [(2, ["1", "a|b", "1"]), (3, ["2", "c||d", "2"])], {"delimiter": "||"},
         {"delimiter": "||"}),
    Case("two characters in a sep= line", "sep=::\nsku::name::price\n1::a:b::1\n", NAMES,
         [(3, ["1", "a:b", "1"])], also={"delimiter": "::", "header_line": 2}),
    Case("a sign beyond ASCII, declared", "sku¦name¦price\n1¦a¦1\n", NAMES, [(2, ["1", "a", "1"])],
         {"delimiter": "¦"}),
    Case("groups above the names", ",,Prices,,Stock\nSKU,Name,Regular,Special,Main\n1,a,2,1,9\n",
         ["SKU", "Name", "Prices Regular", "Prices Special", "Stock Main"],
         [(3, ["1", "a", "2", "1", "9"])], also={"header_line": 2}),
    Case("groups whose names are below",
         "SKU,Name,Prices,,Stock\n,,Regular,Special,Main\n1,a,2,1,9\n",
         ["SKU", "Name", "Prices Regular", "Prices Special", "Stock Main"],
         [(3, ["1", "a", "2", "1", "9"])], also={"header_line": 1}),
    Case("the same names in several groups", ",,Purchase,Sales\nSKU,Name,Price,Price\n1,a,2,3\n",
         ["SKU", "Name", "Purchase Price", "Sales Price"], [(3, ["1", "a", "2", "3"])]),
    Case("one group makes another thing of a name", ",,Purchase,\nSKU,Name,Price,Qty\n1,a,2,3\n",
         ["SKU", "Name", "Purchase Price", "Purchase Qty"], [(3, ["1", "a", "2", "3"])]),
    Case("a name that is asked for stays", ",,Outlet,\nSKU,Name,Price,Qty\n1,a,2,3\n",
         ["SKU", "Name", "Price", "Outlet Qty"], [(3, ["1", "a", "2", "3"])],
         {"configured": {"sku": "SKU", "price": "Price"}}),
    Case("a title is no group", "Price list of May,,,Westlands\nSKU,Name,Price,Qty\n1,a,2,3\n",
         ["SKU", "Name", "Price", "Qty"], [(3, ["1", "a", "2", "3"])]),
    Case("a title in the middle is no group",
         ",,Our great price list,,\nSKU,Name,Brand,Price,Qty\n1,a,b,2,3\n",
         ["SKU", "Name", "Brand", "Price", "Qty"], [(3, ["1", "a", "b", "2", "3"])]),
    Case("a title beside groups", "General,,Prices,\nSKU,Name,Regular,Special\n1,a,2,1\n",
         ["SKU", "Name", "Prices Regular", "Prices Special"], [(3, ["1", "a", "2", "1"])]),
    Case("colons in values are no delimiters", "A,B\n1:2:3,4:5:6\n", ["A", "B"],
         [(2, ["1:2:3", "4:5:6"])]),
    Case("values are no second row of names", "SKU,Name,Price,\nX,a,2,note\n",
         ["SKU", "Name", "Price"], []),
    Case("preamble and trailer", "Westlands\nRows: 1\n\nsku;name;price\n1;a;2\n\nRecords: 1\nEnd\n",
         NAMES, [(5, ["1", "a", "2"])], also={"declared": 1, "header_line": 4}),
    Case("one name twice", "sku,note,price,note\n1,a,2,b\n", ["sku", "note", "price", "note"],
         [(2, ["1", "a", "2", "b"])]),
    Case("delimiters at the end", "sku,name,price,,\n1,a,2,,\n2,b,3\n", NAMES,
         [(2, ["1", "a", "2"]), (3, ["2", "b", "3"])]),
    Case("one column", "sku\n1\n2\n", ["sku"], [(2, ["1"]), (3, ["2"])]),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_unusual_dialect_is_read_exactly(case: Case) -> None:
    table = read_csv(case.data.encode(), file="f.csv", **case.said)
    rows, odd = everything(table)
    assert table.headers == case.headers
    assert rows == case.rows
    assert {name: getattr(table, name) for name in case.also} == case.also
    assert odd == [] or not case.rows


def test_a_table_in_blocks_names_each_column_once() -> None:
    assert keys(["a", "b", "a", "", "a (2)", "a", ""]) == [
        "a", "b", "a (3)", "", "a (2)", "a (4)", " (2)",
    ]  # fmt: skip


def lines(count: int) -> bytes:
    """A file of so many records, with values of two lines and characters beyond ASCII."""
    rows = (f'{row},"Čaj\r\nNo {row}",{row}.50\r\n' for row in range(count))
    return ("sku,name,price\r\n" + "".join(rows)).encode()


def test_a_file_that_is_not_kept_is_read_in_blocks_with_the_same_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = lines(40_000)
    path = tmp_path / "f.csv"
    path.write_bytes(data)
    monkeypatch.setattr(opening, "KEEP", 0)
    table = read_csv(path, file="f.csv", limits=Limits(block_bytes=2**17))
    blocks = list(table.blocks)
    assert len(blocks) > 5
    assert all(column.nbytes <= 2**18 for block in blocks for column in block.columns.values())
    numbers = [line for block in blocks for line in block.lines.tolist()]
    assert numbers == list(range(2, 80_002, 2))
    whole = everything(read_csv(data, file="f.csv"))[0]
    names = pa.concat_arrays([block.columns["name"] for block in blocks]).to_pylist()
    assert names == [cells[1] for _, cells in whole]


Change = Callable[[bytes], bytes]


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        (lambda data: data + b"x,\xff\xfe,1\r\n", "undecodable", "line 80002: byte 0xFF"),
        (lambda data: data + b"x,\0,1\r\n", "nul_bytes", "line 80002"),
        (lambda data: data + b"x," + b"y" * 2**21, "line_too_long", "line 80002"),
        (lambda data: data + b'x,"y,1\r\nz,a,2\r\n', "unbalanced_quote", "line 80002"),
        (lambda data: data + b"x,y", "truncated", "line 80002"),
        (lambda data: data + b"Records: 40001\r\n", "truncated", "declares 40001"),
    ],
    ids=["bad byte", "NUL", "long line", "open quote", "cut record", "declared count"],
)
def test_damage_at_the_very_end_refuses_the_whole_file(
    change: Change, code: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "f.csv"
    path.write_bytes(change(lines(40_000)))
    monkeypatch.setattr(opening, "KEEP", 0)
    with pytest.raises(ExtractError) as caught:
        list(read_csv(path, file="f.csv", limits=Limits(block_bytes=2**17)).blocks)
    assert caught.value.code == code
    assert says in caught.value.message


@pytest.mark.parametrize("tail", [b"x,\xff\xfe,1\r\n", b"x,\0,1\r\n"])
def test_what_cannot_be_text_is_refused_before_the_first_block(
    tail: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "f.csv"
    path.write_bytes(lines(40_000) + tail)
    monkeypatch.setattr(opening, "KEEP", 0)
    with pytest.raises(ExtractError):
        read_csv(path, file="f.csv")


def test_a_file_that_changes_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "f.csv"
    path.write_bytes(b"sku,name,price\n1,a,2\n")
    monkeypatch.setattr(opening, "KEEP", 0)
    monkeypatch.setattr(opening, "CHUNK", 8)
    table = read_csv(path, file="f.csv")
    path.write_bytes(b"sku,name,price\n1,a,3\n")
    with pytest.raises(ExtractError) as caught:
        list(table.blocks)
    assert caught.value.code == "changing"


@pytest.mark.parametrize("first", [b"x", b"\xe9"])
def test_a_gigabyte_without_a_line_end_is_refused_after_a_few_megabytes(
    first: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "f.csv"
    with path.open("wb") as file:
        file.write(b"sku,price\n" + first + b"y" * 3 * 2**20)
        file.truncate(2**30)
    read = 0
    raw = opening._raw  # pyright: ignore[reportPrivateUsage]

    def counted(*given: Any) -> Any:
        nonlocal read
        for chunk in raw(*given):
            read += len(chunk)
            yield chunk

    monkeypatch.setattr(opening, "_raw", counted)
    with pytest.raises(ExtractError) as caught:
        read_csv(path, file="f.csv")
    assert caught.value.code == "line_too_long"
    assert read < 10 * 2**20


def test_a_quote_that_is_never_closed_does_not_take_in_the_rest_of_a_large_file() -> None:
    data = lines(10) + b'x,"y,1\r\n' + b"z,a,2\r\n" * 900_000
    with pytest.raises(ExtractError) as caught:
        list(read_csv(data, file="f.csv").blocks)
    assert caught.value.code == "unbalanced_quote"
    assert "line 22: a quote is opened and not closed within 2 MB" in caught.value.message


@pytest.mark.parametrize(
    ("limits", "data", "code"),
    [
        (Limits(columns=3), b"sku,a,b,price\n1,2,3,4\n", "too_wide"),
        (Limits(file_bytes=20), b"sku,price\n1,2\n2,3\n3,4\n", "too_large"),
    ],
)
def test_what_is_beyond_the_limits_is_refused(limits: Limits, data: bytes, code: str) -> None:
    with pytest.raises(ExtractError) as caught:
        list(read_csv(data, file="f.csv", limits=limits).blocks)
    assert caught.value.code == code


def test_a_record_of_a_megabyte_of_values_is_shown_in_brief() -> None:
    data = b"sku,price\n" + b"1,2\n" * 3 + b"," * 900_000 + b"x\n"
    [(line, cells, reason)] = everything(read_csv(data, file="f.csv"))[1]
    assert (line, reason) == (5, "too_many_columns")
    assert len(cells) <= 1_000


def test_a_long_file_with_one_odd_quote_is_read_to_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(csv, "BLOCK", 2**16)
    data = b'sku,name,price\n1,TV 32" LED,1\n' + b"2,a,2\n" * 400_000
    blocks = list(read_csv(data, file="f.csv").blocks)
    assert sum(len(block.lines) for block in blocks) == 400_001
    assert blocks[-1].lines[-1] == 400_002


def test_what_the_lines_before_the_header_say_is_told() -> None:
    data = b"Price list of November\nStore: 028\nRun;7\nZone: A\nZone: B\nsku;price\n1;2\n"
    table = read_csv(data, file="f.csv")
    assert table.facts == {"title": "Price list of November", "Store": "028", "Run": "7"}
    assert [one for one in table.warnings if "`Zone` has several values" in one]


@pytest.mark.parametrize("data", [b"%PDF-1.7\n", b"PK\x05\x06" + bytes(18), b"[{}]", b"<r></r>"])
def test_what_is_no_csv_is_refused_by_the_name_of_what_it_is(data: bytes) -> None:
    with pytest.raises(ExtractError, match=r"f.csv is .*, not CSV") as caught:
        read_csv(data, file="f.csv")
    assert caught.value.code == "not_csv"
