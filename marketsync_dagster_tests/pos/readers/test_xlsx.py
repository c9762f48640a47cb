"""XLSX: odd but valid workbooks are read exactly as they are."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from marketsync_dagster.pos.readers import shared_strings
from marketsync_dagster.pos.readers.xlsx import read_xlsx
from marketsync_dagster.pos.tables import Kind, Limits, Table
from marketsync_dagster.values.errors import ExtractError
from marketsync_dagster_tests.pos.readers.workbooks import (
    formats_xml,
    kinds_of,
    raw_xlsx,
    read_all,
    sheet_xml,
)

Fill = Callable[[xlsxwriter.Workbook], Any]


def made(fill: Fill) -> bytes:
    """A workbook as a library writes it."""
    target = io.BytesIO()
    with xlsxwriter.Workbook(target, {"in_memory": True}) as book:
        fill(book)
    return target.getvalue()


def rows(sheet: Any, *lines: list[Any], start: int = 0) -> None:
    for number, line in enumerate(lines, start):
        for column, value in enumerate(line):
            if value is not None:
                sheet.write(number, column, value)


def read(data: bytes, **options: Any) -> Table:
    return read_xlsx(data, file="x.xlsx", **options)


def one(cells: str, **parts: Any) -> tuple[str | None, Kind]:
    """Text and kind of the cell B2."""
    data = raw_xlsx(sheet_xml(f'<row r="2"><c r="A2"><v>1</v></c>{cells}</row>'), **parts)
    text = read_all(read(data))["price"]
    (kind,) = kinds_of(read(data), "price")
    assert len(text) == 1
    return text[0], kind


CELLS = [
    ("as written", "<v>5.00</v>", {}, "5.00", Kind.NUMBER),
    ("17 figures", "<v>19.989999999999998</v>", {}, "19.99", Kind.NUMBER),
    ("blanks around", "<v> 5 </v>", {}, "5", Kind.NUMBER),
    ("an exponent", "<v>6.291041500213E+12</v>", {}, "6291041500213", Kind.NUMBER),
    ("no number", "<v>NaN</v>", {}, "NaN", Kind.ERROR),
    ("a formula", "<f>A2*2</f><v>2.5</v>", {}, "2.5", Kind.FORMULA),
    ("a formula never worked out", "<f>A2*2</f>", {}, "=A2*2", Kind.FORMULA),
    ("a shared formula never worked out", '<f t="shared" si="0"/><v></v>', {}, "=", Kind.FORMULA),
    ("a comment in a value", "<v>1<!-- 9 -->2</v>", {}, "12", Kind.NUMBER),
    ("CDATA", "<v><![CDATA[12]]></v>", {}, "12", Kind.NUMBER),
]
TYPED = [
    ("shared", 's"><v>1</v>', {"strings": "<si><t>a</t></si><si><t>b</t></si>"}, "b", Kind.TEXT),
    ("rich text", 's"><v>0</v>',
     {"strings": "<si><r><rPr><b/></rPr><t>Gre</t></r><r><t xml:space='preserve'>en </t></r>"
                 "<rPh sb='0' eb='1'><t>NO</t></rPh></si>"}, "Green ", Kind.TEXT),
    ("inline", 'inlineStr"><is><t>00123</t></is>', {}, "00123", Kind.TEXT),
    ("inline rich text", 'inlineStr"><is><r><t>0</t></r><r><t>1</t></r></is>', {}, "01", Kind.TEXT),
    ("an escaped character", 'inlineStr"><is><t>a_x000D_b_x005F_x0041_</t></is>', {},
     "a\rb_x0041_", Kind.TEXT),
    ("true", 'b"><v>1</v>', {}, "TRUE", Kind.BOOLEAN),
    ("false", 'b"><v>0</v>', {}, "FALSE", Kind.BOOLEAN),
    ("an error", 'e"><v>#REF!</v>', {}, "#REF!", Kind.ERROR),
    ("a formula that failed", 'e"><f>1/0</f><v>#DIV/0!</v>', {}, "#DIV/0!", Kind.ERROR),
    ("a formula with text", 'str"><f>B1</f><v>x</v>', {}, "x", Kind.FORMULA),
    ("an ISO date", 'd"><v>2026-05-03T10:15:00</v>', {}, "2026-05-03T10:15:00", Kind.DATE),
    ("an explicit number", 'n"><v>7</v>', {}, "7", Kind.NUMBER),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "cell", "parts", "text", "kind"),
    [(name, f'<c r="B2">{cell}</c>', *rest) for name, cell, *rest in CELLS]
    + [(name, f'<c r="B2" t="{cell}</c>', *rest) for name, cell, *rest in TYPED],
    ids=[case[0] for case in [*CELLS, *TYPED]],
)
def test_a_cell_is_read_as_it_is_written(
    name: str, cell: str, parts: dict[str, Any], text: str, kind: Kind
) -> None:
    assert one(cell, **parts) == (text, kind)


@pytest.mark.parametrize(
    ("code", "number", "text", "kind"),
    [
        ("00000", "123", "00123", Kind.NUMBER),
        ("dd.mm.yyyy", "46145", "2026-05-03", Kind.DATE),
        ('0.00" €"', "5.5", "5.5 €", Kind.NUMBER),
        ("0%", "0.07", "7%", Kind.NUMBER),
    ],
)
def test_a_format_belongs_to_the_value(code: str, number: str, text: str, kind: Kind) -> None:
    cell = f'<c r="B2" s="1"><v>{number}</v></c>'
    assert one(cell, styles=formats_xml(code)) == (text, kind)
    if kind == Kind.NUMBER:
        cell = f'<c r="B2" s="1"><f>X</f><v>{number}</v></c>'
        assert one(cell, styles=formats_xml(code)) == (text, Kind.FORMULA)


def test_a_format_of_another_place_is_not_taken_for_a_cells() -> None:
    styles = (
        '<numFmts><numFmt numFmtId="164" formatCode="0"/></numFmts>'
        '<cellStyleXfs><xf numFmtId="14"/><xf numFmtId="14"/></cellStyleXfs>'
        '<cellXfs><xf numFmtId="0"/><xf numFmtId="164"/></cellXfs>'
        '<dxfs><dxf><numFmt numFmtId="164" formatCode="yyyy"/>'
        "</dxf></dxfs>"
    )
    assert one('<c r="B2" s="1"><v>5</v></c>', styles=styles) == ("5", Kind.NUMBER)


def test_days_are_counted_from_1904_where_the_workbook_says_so() -> None:
    cell = '<c r="B2" s="1"><v>44683</v></c>'
    parts = {"styles": formats_xml("yyyy-mm-dd"), "workbook": '<workbookPr date1904="1"/>'}
    assert one(cell, **parts) == ("2026-05-03", Kind.DATE)


def test_lines_are_the_rows_of_the_sheet() -> None:
    def fill(book: xlsxwriter.Workbook) -> None:
        sheet = book.add_worksheet()
        rows(sheet, ["Price list"], ["Store:", "028"], ["Items: 3"])
        rows(sheet, ["SKU", "Name", "Price"], ["001", "Tea", 1.5], start=4)
        rows(sheet, ["002", "Rice", 2.99], start=9)
        rows(sheet, ["003", None, 3], start=1_048_000)

    table = read(made(fill))
    assert (table.header_line, table.headers) == (5, ["SKU", "Name", "Price"])
    assert table.declared == 3
    assert table.facts == {
        "sheet": "Sheet1", "title": "Price list", "Store": "028", "Items": "3"
    }  # fmt: skip
    assert read_all(table) == {
        "#": [6, 10, 1_048_001],
        "SKU": ["001", "002", "003"],
        "Name": ["Tea", "Rice", None],
        "Price": ["1.5", "2.99", "3"],
    }


def test_rows_and_cells_without_a_reference_follow_each_other() -> None:
    data = raw_xlsx(sheet_xml("<row><c><v>1</v></c><c><v>2</v></c></row><row/><row r='9'>"
                              "<c><v>3</v></c><c r='B9'><v>4</v></c></row>"))  # fmt: skip
    assert read_all(read(data)) == {"#": [2, 9], "sku": ["1", "3"], "price": ["2", "4"]}


@pytest.mark.parametrize("prefix", ["", "x:"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_prefixes_and_encodings_of_the_xml_do_not_matter(prefix: str, encoding: str) -> None:
    xml = sheet_xml('<row r="2"><c r="A2" t="str"><v>é</v></c><c r="B2"><v>4</v></c></row>')
    if prefix:
        for name in ("worksheet", "sheetData", "row", "c", "v", "is", "t"):
            xml = xml.replace(f"<{name}>", f"<x:{name}>").replace(f"<{name} ", f"<x:{name} ")
            xml = xml.replace(f"</{name}>", f"</x:{name}>")
        xml = xml.replace("xmlns=", "xmlns:x=")
    assert read_all(read(raw_xlsx(xml.encode(encoding))))["sku"] == ["é"]


def test_what_is_only_formatted_is_no_cell_and_no_row() -> None:
    styled = "".join(f'<c r="{column}2" s="0"/>' for column in ("A", "B", "XFD"))
    known = '<row r="3"><c r="A3" t="str"><f>IF(1,"")</f><v></v></c></row>'
    data = raw_xlsx(
        sheet_xml(f'<row r="2">{styled}</row>{known}<row r="4"><c r="A4"><v>1</v></c></row>')
    )
    assert read_all(read(data)) == {"#": [4], "sku": ["1"], "price": [None]}


def test_a_value_beyond_the_header_makes_its_row_odd() -> None:
    data = raw_xlsx(sheet_xml('<row r="2"><c r="A2"><v>1</v></c><c r="D2"><v>9</v></c></row>'
                              '<row r="3"><c r="A3"><v>2</v></c></row>'))  # fmt: skip
    (block,) = read(data).blocks
    assert block.lines.tolist() == [3]
    (odd,) = block.odd
    assert (odd.line, odd.cells, odd.reason) == (2, ["1", "", "", "9"], "too_many_columns")


def test_the_end_of_a_list_is_no_product_and_its_count_is_checked() -> None:
    def fill(count: int) -> Fill:
        def filled(book: xlsxwriter.Workbook) -> None:
            sheet = book.add_worksheet()
            rows(sheet, ["SKU", "Price"], ["1", 2], ["Items: 7"], ["2", 3], [f"Records: {count}"])

        return filled

    assert read_all(read(made(fill(3))))["SKU"] == ["1", "Items: 7", "2"]
    with pytest.raises(ExtractError, match="declares 4 records and has 3") as caught:
        read_all(read(made(fill(4))))
    assert caught.value.code == "truncated"


def test_merged_headers_name_every_column() -> None:
    def fill(book: xlsxwriter.Workbook) -> None:
        sheet = book.add_worksheet()
        sheet.merge_range("A1:F1", "Cjenik 2026")
        sheet.merge_range("A3:B3", "naziv + šifra")
        rows(sheet, [None, None, "price", "brand"], ["Mlijeko", "0012", 1.5, "X"], start=2)

    table = read(made(fill))
    assert table.headers == ["naziv + šifra", "naziv + šifra (2)", "price", "brand"]
    assert read_all(table)["naziv + šifra (2)"] == ["0012"]


def test_a_header_of_two_rows_is_joined_where_cells_are_merged() -> None:
    def fill(book: xlsxwriter.Workbook) -> None:
        sheet = book.add_worksheet()
        sheet.merge_range("A2:A3", "SKU")
        sheet.merge_range("B2:B3", "Name")
        sheet.merge_range("C2:D2", "Prices")
        rows(sheet, ["Price list"])
        rows(sheet, [None, None, "Regular", "Special"], ["1", "Tea", 5, 4], start=2)

    table = read(made(fill))
    assert table.headers == ["SKU", "Name", "Prices Regular", "Prices Special"]
    assert read_all(table) == {
        "#": [4], "SKU": ["1"], "Name": ["Tea"], "Prices Regular": ["5"], "Prices Special": ["4"],
    }  # fmt: skip


def test_groups_need_not_be_merged() -> None:
    groups = [None, None, "Prices", None, "Stock"]
    names = ["SKU", "Name", "Regular", "Special", "Main"]

    def above(book: xlsxwriter.Workbook) -> None:
        rows(book.add_worksheet(), groups, names, ["1", "Tea", 5, 4, 3])

    def below(book: xlsxwriter.Workbook) -> None:
        upper, lower = [*names[:2], *groups[2:]], [None, None, *names[2:]]
        rows(book.add_worksheet(), ["Price list"], upper, lower, ["1", "Tea", 5, 4, 3])

    for fill, line in ((above, 3), (below, 4)):
        table = read(made(fill))
        assert table.headers == ["SKU", "Name", "Prices Regular", "Prices Special", "Stock Main"]
        assert read_all(table)["#"] == [line]


def test_a_group_above_the_names_goes_before_them() -> None:
    def fill(book: xlsxwriter.Workbook) -> None:
        sheet = book.add_worksheet()
        sheet.merge_range("C1:D1", "Price")
        rows(sheet, [None, None, None, None], ["SKU", "Name", "Shop A", "Shop B"], ["1", "T", 5, 4])

    assert read(made(fill)).headers == ["SKU", "Name", "Price Shop A", "Price Shop B"]


def test_a_merged_title_is_no_group() -> None:
    def fill(book: xlsxwriter.Workbook) -> None:
        sheet = book.add_worksheet()
        sheet.merge_range("A1:C1", "Price list")
        rows(sheet, [None], ["SKU", "Name", "Price"], ["1", "T", 5])

    assert read(made(fill)).headers == ["SKU", "Name", "Price"]


def test_a_line_break_in_a_header_is_a_blank() -> None:
    def fill(book: xlsxwriter.Workbook) -> None:
        rows(book.add_worksheet(), ["SKU", "Selling\nprice "], ["1", 5])

    assert read(made(fill)).headers == ["SKU", "Selling price"]


def test_of_two_columns_with_one_name_both_are_in_the_header() -> None:
    def fill(book: xlsxwriter.Workbook) -> None:
        rows(book.add_worksheet(), ["SKU", "Price", "Price"], ["1", 5, 6])

    table = read(made(fill))
    assert table.headers == ["SKU", "Price", "Price"]
    assert read_all(table)["Price"] == ["5"]


def test_the_only_sheet_with_a_header_is_read() -> None:
    def fill(book: xlsxwriter.Workbook) -> None:
        rows(book.add_worksheet("Read me"), ["How to fill in this file"], ["Ask Ann"])
        book.add_worksheet("Empty")
        book.add_chartsheet("Chart")
        rows(book.add_worksheet("Codes"), ["SKU", "Name"], ["1", "Tea"])
        rows(book.add_worksheet("Items"), ["SKU", "Price"], ["1", 5])
        hidden = book.add_worksheet("Old")
        rows(hidden, ["SKU", "Price"], ["1", 4])
        hidden.hide()

    data = made(fill)
    table = read(data)
    assert table.facts["sheet"] == "Items"
    assert table.warnings == ["hidden sheets are not read: Old"]
    assert read_all(table)["Price"] == ["5"]
    assert read(data, sheet="codes").headers == ["SKU", "Name"]
    old = read(data, sheet="Old")
    assert read_all(old)["Price"] == ["4"]
    assert old.warnings == ["the sheet 'Old' is hidden"]
    table = read(data, columns={"sku": "How to fill in this file"})
    assert table.facts["sheet"] == "Read me"


def test_hidden_rows_are_read_and_said() -> None:
    def fill(book: xlsxwriter.Workbook) -> None:
        sheet = book.add_worksheet()
        rows(sheet, ["SKU", "Price"], ["1", 5], ["2", 6])
        sheet.set_row(1, options={"hidden": True})

    table = read(made(fill))
    assert read_all(table)["SKU"] == ["1", "2"]
    assert table.warnings == ["1 row is hidden in the sheet, and was read"]


def test_many_texts_go_to_a_file_and_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_strings, "_IN_MEMORY", 100)

    def fill(book: xlsxwriter.Workbook) -> None:
        rows(book.add_worksheet(), ["SKU", "Price"], *([f"ключ {i}", i] for i in range(500)))

    path = tmp_path / "x.xlsx"
    path.write_bytes(made(fill))
    assert read_all(read_xlsx(path, file="x.xlsx"))["SKU"] == [f"ключ {i}" for i in range(500)]


def test_a_large_sheet_comes_in_blocks() -> None:
    def fill(book: xlsxwriter.Workbook) -> None:
        rows(book.add_worksheet(), ["SKU", "Price"], *([str(i), i] for i in range(3000)))

    data = made(fill)
    blocks = list(read(data, limits=Limits(block_bytes=4096)).blocks)
    assert len(blocks) > 4
    assert [line for block in blocks for line in block.lines.tolist()] == list(range(2, 3002))


_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(
    lambda text: bool(text.strip())
)
_VALUES = st.one_of(
    _TEXTS,
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.none(),
    st.datetimes(*map(datetime.fromisoformat, ("1901-01-01", "2999-01-01"))).map(
        lambda moment: moment.replace(microsecond=0)
    ),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(_TEXTS, _VALUES), min_size=1, max_size=8))
def test_whatever_a_library_writes_is_read_back_exactly(table: list[tuple[str, Any]]) -> None:
    def fill(book: xlsxwriter.Workbook) -> None:
        sheet = book.add_worksheet()
        moment = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        rows(sheet, ["sku", "price"])
        for number, (key, value) in enumerate(table, 1):
            sheet.write_string(number, 0, f"k{key}")
            if isinstance(value, str):
                sheet.write_string(number, 1, value)
            elif isinstance(value, datetime):
                sheet.write_datetime(number, 1, value, moment)
            elif value is not None:
                sheet.write(number, 1, value)

    found = read_all(read(made(fill)))
    assert found["sku"] == [f"k{key}" for key, _ in table]
    for (_, value), text in zip(table, found["price"], strict=True):
        if isinstance(value, bool):
            assert text == str(value).upper()
        elif isinstance(value, float):
            # the writer itself keeps 16 figures
            assert text is not None
            assert float(text) == float(f"{value:.16G}")
        elif isinstance(value, datetime):
            assert text is not None
            assert datetime.fromisoformat(text) == value
        else:
            assert text == value
