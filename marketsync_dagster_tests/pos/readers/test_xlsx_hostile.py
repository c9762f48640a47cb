"""XLSX: damaged and hostile workbooks are refused by name, in bounded memory and time."""

from __future__ import annotations

import errno
import io
import os
import resource
import struct
import time
import tracemalloc
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from marketsync_dagster.pos.readers.xlsx import read_xlsx
from marketsync_dagster.pos.reasons import FILE_REASONS
from marketsync_dagster.pos.tables import Limits
from marketsync_dagster.values.errors import ExtractError
from marketsync_dagster_tests.pos.readers.workbooks import (
    formats_xml,
    raw_xlsx,
    read_all,
    sheet_xml,
)

LONG = "1" * 1_100_000
LAUGHS = (
    '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>'
)
OUTSIDE = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


def of_rows(xml: str, **parts: Any) -> bytes:
    return raw_xlsx(sheet_xml(xml), **parts)


def cell(ref: str, content: str = "<v>1</v>", **attributes: str) -> str:
    said = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return f'<c r="{ref}"{said}>{content}</c>'


def packed(parts: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as package:
        for name, content in parts.items():
            package.writestr(name, content)
    return target.getvalue()


def with_flag(data: bytes) -> bytes:
    """Every member marked as encrypted."""
    changed = bytearray(data)
    place = -1
    while (place := changed.find(b"PK\1\2", place + 1)) >= 0:
        changed[place + 8] |= 1
    return bytes(changed)


GOOD = of_rows(f'<row r="2">{cell("A2")}{cell("B2")}</row>')
REFUSED = [
    ("nothing", b"", "empty", ""),
    ("text", b"sku,price\n1,2\n", "damaged_sheet", "no XLSX"),
    ("an archive of something else", packed({"a.txt": b"a"}), "damaged_sheet", "no workbook"),
    ("no workbook part", packed({"_rels/.rels": b"<Relationships/>"}), "damaged_sheet", "no workb"),
    ("packed by LZMA", packed({"xl/workbook.xml": b"<a/>"}, zipfile.ZIP_LZMA),
     "unknown_compression", "method 14"),
    ("packed by bzip2", packed({"xl/workbook.xml": b"<a/>"}, zipfile.ZIP_BZIP2),
     "unknown_compression", "method 12"),
    ("a binary workbook", packed({"xl/workbook.bin": b""}), "damaged_sheet", "XLSB"),
    ("protected by a password", with_flag(GOOD), "encrypted", "password"),
    ("a member twice", raw_xlsx(sheet_xml(""), more={"XL/Workbook.xml": b"<a/>"}), "damaged_sheet",
     "there twice"),
    ("a sheet that is missing", raw_xlsx(sheet_xml("")).replace(b"sheet1.xml", b"sheet7.xml"),
     "damaged_sheet", "is missing"),
    ("no rows", raw_xlsx("<worksheet><sheetData/></worksheet>"), "empty", "Sheet1"),
    ("broken XML", raw_xlsx(sheet_xml("<row>")), "damaged_sheet", "mismatched tag"),
    ("XML that ends", raw_xlsx(sheet_xml("")[:-30]), "damaged_sheet", "no element found"),
    ("not XML", raw_xlsx(b"\0\1\2"), "damaged_sheet", "XML line 1"),
    ("another encoding than it says", raw_xlsx(sheet_xml("").encode() + b"<!--\xff-->"),
     "damaged_sheet", "invalid token"),
    ("entities in the sheet", raw_xlsx(sheet_xml("", before=LAUGHS)), "doctype", "sheet1.xml"),
    ("an outside entity", raw_xlsx(sheet_xml("", before=OUTSIDE)), "doctype", "sheet1.xml"),
    ("deep nesting", of_rows(f'<row r="2">{"<c>" * 9}'), "damaged_sheet", "outside its place"),
    ("deep nesting after the rows", raw_xlsx(sheet_xml("", after="<a>" * 40)), "too_deep", "32"),
    ("rows that go backwards", of_rows('<row r="5"/><row r="4"/>'), "damaged_sheet",
     "after row 5 comes row 4"),
    ("a row twice", of_rows('<row r="5"/><row r="5"/>'), "damaged_sheet", "after row 5"),
    ("a row beyond the sheet", of_rows('<row r="1048577"/>'), "damaged_sheet", "1048577"),
    ("a row that is no number", of_rows('<row r="x"/>'), "damaged_sheet", "row x"),
    ("a row of no end", of_rows(f'<row r="{"9" * 5000}"/>'), "damaged_sheet", "after row 1"),
    ("a row inside a row", of_rows('<row r="2"><row r="3"/></row>'), "damaged_sheet", "inside row"),
    ("a cell outside a row", of_rows(cell("A2")), "damaged_sheet", "outside its place"),
    ("a cell of another row", of_rows(f'<row r="2">{cell("A3")}</row>'), "damaged_sheet", "A3"),
    ("cells that go backwards", of_rows(f'<row r="2">{cell("B2")}{cell("A2")}</row>'),
     "damaged_sheet", "A2 is not in its place"),
    ("a cell twice", of_rows(f'<row r="2">{cell("B2")}{cell("B2")}</row>'), "damaged_sheet", "B2"),
    ("a cell beyond the grid", of_rows(f'<row r="2">{cell("XFE2")}</row>'), "damaged_sheet",
     "no cell XFE2"),
    ("a cell far beyond the grid", of_rows(f'<row r="2">{cell("A" * 900 + "2")}</row>'),
     "damaged_sheet", "no cell AAAA"),
    ("a small letter", of_rows(f'<row r="2">{cell("a2")}</row>'), "damaged_sheet", "a2"),
    ("a cell with no letter", of_rows(f'<row r="2">{cell("2")}</row>'), "damaged_sheet", "cell 2"),
    ("a value in the last column", of_rows(f'<row r="2">{cell("XFD2")}</row>'), "too_wide",
     "row 2: a value beyond column 2000"),
    ("a shared string that is not there", of_rows(f'<row r="2">{cell("A2", t="s")}</row>',
     strings="<si><t>a</t></si>"), "damaged_sheet", "row 2, column 1: no shared string 1"),
    ("a string before the first", of_rows(f'<row r="2">{cell("A2", "<v>-1</v>", t="s")}</row>',
     strings="<si><t>a</t></si>"), "damaged_sheet", "no shared string -1"),
    ("shared strings that are not there", of_rows(f'<row r="2">{cell("A2", t="s")}</row>'),
     "damaged_sheet", "no shared string 1"),
    ("a style that is not there", of_rows(f'<row r="2">{cell("A2", s="9")}</row>',
     styles=formats_xml("0")), "damaged_sheet", "no style 9"),
    ("a date that is none", of_rows(f'<row r="2">{cell("A2", "<v>May</v>", t="d")}</row>'),
     "damaged_sheet", "'May' is no date"),
    ("a value of 1 MB and more", of_rows(f'<row r="2">{cell("A2", f"<v>{LONG}</v>")}</row>'),
     "archive_bomb", "200 times"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "data", "code", "says"), REFUSED, ids=[case[0] for case in REFUSED]
)
def test_a_damaged_workbook_is_refused_by_name(
    name: str, data: bytes, code: str, says: str
) -> None:
    with pytest.raises(ExtractError) as caught:
        read_all(read_xlsx(data, file="bad.xlsx"))
    assert (caught.value.code, caught.value.next_step) == (code, FILE_REASONS[code])
    assert "bad.xlsx" in caught.value.message
    assert says in caught.value.message
    assert len(caught.value.message) < 400


def test_sheets_are_named_where_it_is_not_clear_which_to_read() -> None:
    xml = sheet_xml(f'<row r="2">{cell("A2")}{cell("B2")}</row>')
    data = raw_xlsx(xml, workbook='<a><sheet name="Other" r:id="r1"/></a>')
    with pytest.raises(ExtractError, match="'Other' and 'Sheet1' may all") as caught:
        read_xlsx(data, file="x.xlsx")
    assert caught.value.code == "ambiguous_sheet"
    with pytest.raises(
        ExtractError, match="no sheet 'Items'; there are 'Other', 'Sheet1'"
    ) as caught:
        read_xlsx(data, file="x.xlsx", sheet="Items")
    assert caught.value.code == "unknown_sheet"
    assert read_all(read_xlsx(data, file="x.xlsx", sheet="Other"))["sku"] == ["1"]


@pytest.mark.parametrize("part", ["xl/sharedStrings.xml", "xl/styles.xml", "xl/workbook.xml"])
@pytest.mark.parametrize("doctype", [LAUGHS, OUTSIDE])
def test_entities_are_refused_in_every_part(part: str, doctype: str) -> None:
    data = of_rows(f'<row r="2">{cell("A2", "<v>0</v>", t="s")}</row>',
                   strings="<si><t>&amp;b;</t></si>", styles=formats_xml("0"))  # fmt: skip
    source = zipfile.ZipFile(io.BytesIO(data))
    parts = {name: source.read(name) for name in source.namelist()}
    parts[part] = doctype.encode() + parts[part].replace(b"&amp;b;", b"&b;")
    with pytest.raises(ExtractError) as caught:
        read_all(read_xlsx(packed(parts), file="x.xlsx"))
    assert caught.value.code == "doctype"


def test_a_workbook_that_was_cut_off_is_never_read_in_part() -> None:
    lines = "".join(f'<row r="{i}">{cell(f"A{i}")}{cell(f"B{i}")}</row>' for i in range(2, 300))
    data = of_rows(lines)
    assert len(read_all(read_xlsx(data, file="x.xlsx"))["sku"]) == 298
    for length in range(1, len(data), 41):
        with pytest.raises(ExtractError) as caught:
            read_all(read_xlsx(data[:length], file="x.xlsx"))
        assert caught.value.code in ("truncated", "damaged_sheet", "damaged_archive")


def test_a_changed_byte_is_named_or_changes_nothing() -> None:
    data = of_rows(f'<row r="2">{cell("A2")}{cell("B2")}</row>')
    whole = read_all(read_xlsx(data, file="x.xlsx"))
    for place in range(0, len(data), 3):
        changed = bytearray(data)
        changed[place] ^= 0x15
        try:
            found = read_all(read_xlsx(bytes(changed), file="x.xlsx"))
        except ExtractError:
            continue
        assert found == whole


class _Bomb:
    """A member of an archive that unpacks to far more than it is."""

    def __init__(self, start: bytes, middle: bytes, times: int, end: bytes) -> None:
        self.crc, self.size = 0, 0
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        parts = []
        for piece in self._pieces(start, middle, times, end):
            self.crc = zlib.crc32(piece, self.crc)
            self.size += len(piece)
            parts.append(packer.compress(piece))
        self.data = b"".join([*parts, packer.flush()])

    @staticmethod
    def _pieces(start: bytes, middle: bytes, times: int, end: bytes) -> Iterator[bytes]:
        yield start
        many = middle * max(2**20 // len(middle), 1)
        count = times // (len(many) // len(middle))
        for _ in range(count):
            yield many
        yield end


def with_bomb(data: bytes, part: str, bomb: _Bomb, declared: int | None = None) -> bytes:
    """The workbook with one part replaced; `declared` is the size that it claims to have."""
    source = zipfile.ZipFile(io.BytesIO(data))
    size = bomb.size if declared is None else declared
    out, entries = bytearray(), bytearray()
    for name in source.namelist():
        content = source.read(name)
        method, crc, packed_data, length = 0, zlib.crc32(content), content, len(content)
        if name == part:
            method, crc, packed_data, length = 8, bomb.crc, bomb.data, size
        fields = struct.pack("<HHHHHIII", 20, 0, method, 0, 33, crc, len(packed_data), length)
        encoded = name.encode()
        entries += b"PK\1\2" + struct.pack("<H", 20) + fields
        entries += struct.pack("<HHHHHII", len(encoded), 0, 0, 0, 0, 0, len(out)) + encoded
        out += b"PK\3\4" + fields + struct.pack("<HH", len(encoded), 0) + encoded + packed_data
    count = len(source.namelist())
    end = struct.pack("<HHHHIIH", 0, 0, count, count, len(entries), len(out), 0)
    return bytes(out + entries + b"PK\5\6" + end)


SHEET = "xl/worksheets/sheet1.xml"
STRINGS = "xl/sharedStrings.xml"
BOMBS = [
    ("blanks in a sheet", SHEET, b"<worksheet>", b" ", b"</worksheet>", "archive_bomb"),
    ("empty rows", SHEET, b"<worksheet><sheetData>", b"<row/>", b"", "archive_bomb"),
    ("empty cells", SHEET, b"<worksheet><sheetData><row>", b"<c/>", b"", "damaged_sheet"),
    ("empty strings", STRINGS, b"<sst>", b"<si/>", b"</sst>", "archive_bomb"),
    ("one string", STRINGS, b"<sst><si><t>", b"a", b"</t></si></sst>", "value_too_long"),
    ("other elements", SHEET, b"<worksheet>", b"<a/>", b"</worksheet>", "archive_bomb"),
]


@pytest.mark.parametrize("declares", ["the truth", "little"])
@pytest.mark.parametrize(
    ("name", "part", "start", "middle", "end", "code"), BOMBS, ids=[case[0] for case in BOMBS]
)
def test_what_unpacks_to_far_more_than_it_is_is_refused_early(
    name: str, part: str, start: bytes, middle: bytes, end: bytes, code: str, declares: str
) -> None:
    bomb = _Bomb(start, middle, 7 * 2**20 // len(middle), end)
    data = of_rows(f'<row r="2">{cell("A2", "<v>0</v>", t="s")}</row>', strings="<si><t>a</t></si>")
    data = with_bomb(data, part, bomb, 1000 if declares == "little" else None)
    assert len(data) < 70_000
    tracemalloc.start()
    begun = time.process_time()
    with pytest.raises(ExtractError) as caught:
        read_all(read_xlsx(data, file="x.xlsx"))
    took, (_, peak) = time.process_time() - begun, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # a declared size that is too small ends the member there: then it is damaged
    assert caught.value.code in (code, "damaged_sheet" if declares == "little" else code)
    assert peak < 60 * 2**20
    assert took < 10


LIMITED = [
    ("cells", {"cells": 5}, "too_large", "more than 5 cells"),
    ("members", {"members": 3}, "too_many_members", "more than 3"),
    ("columns", {"columns": 1}, "too_wide", "beyond column 1"),
    ("file", {"file_bytes": 100}, "too_large", "x.xlsx has more than"),
    ("unpacked", {"unpacked_bytes": 100}, "too_large", "unpacks to more than"),
    ("values", {"token_bytes": 1}, "value_too_long", "a value is longer"),
    ("depth", {"depth": 3}, "too_deep", "deeper than 3"),
]


@pytest.mark.parametrize(("name", "limits", "code", "says"), LIMITED, ids=[c[0] for c in LIMITED])
def test_each_limit_is_named(name: str, limits: dict[str, int], code: str, says: str) -> None:
    lines = "".join(f'<row r="{i}">{cell(f"A{i}")}{cell(f"B{i}")}</row>' for i in range(2, 5))
    with pytest.raises(ExtractError, match=says) as caught:
        read_all(read_xlsx(of_rows(lines), file="x.xlsx", limits=Limits(**limits)))
    assert caught.value.code == code


def test_cells_without_a_value_are_counted_too() -> None:
    data = of_rows(f'<row r="2">{cell("A2")}{cell("B2")}{"<c/>" * 40}</row>')
    assert read_all(read_xlsx(data, file="x.xlsx", limits=Limits(cells=50)))["sku"] == ["1"]
    with pytest.raises(ExtractError, match="more than 40 cells") as caught:
        read_all(read_xlsx(data, file="x.xlsx", limits=Limits(cells=40)))
    assert caught.value.code == "too_large"


def test_few_cells_far_apart_cost_little() -> None:
    """Two values at the ends of a sheet, as many rows as a sheet has between them."""
    data = of_rows(f'<row r="1048576">{cell("A1048576")}</row>')
    tracemalloc.start()
    found = read_all(read_xlsx(data, file="x.xlsx"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found["#"] == [1_048_576]
    assert peak < 5 * 2**20


def test_a_wide_header_over_many_rows_counts_as_the_cells_that_it_spans() -> None:
    names = "".join(f'<c t="str"><v>c{i}</v></c>' for i in range(1000))
    lines = "".join(f'<row r="{i}">{cell(f"A{i}")}</row>' for i in range(3, 1500))
    header = f'<row r="1"><c t="str"><v>sku</v></c><c t="str"><v>price</v></c>{names}</row>'
    xml = f"<worksheet><sheetData>{header}{lines}</sheetData></worksheet>"
    with pytest.raises(ExtractError, match="more than 1000000 cells"):
        read_all(read_xlsx(raw_xlsx(xml), file="x.xlsx", limits=Limits(cells=1_000_000)))


@pytest.mark.parametrize("kind", ["an attribute", "a comment", "a tag"])
def test_a_token_without_end_is_not_parsed_again_and_again(kind: str) -> None:
    noise = os.urandom(6 * 2**20).hex()
    token = {"an attribute": f'<a b="{noise}"/>', "a comment": f"<!--{noise}-->",
             "a tag": f"<a{noise}/>"}[kind]  # fmt: skip
    data = raw_xlsx(sheet_xml("", after=token))
    begun = time.process_time()
    with pytest.raises(ExtractError) as caught:
        read_all(read_xlsx(data, file="x.xlsx"))
    assert caught.value.code == "value_too_long"
    assert time.process_time() - begun < 3


def test_a_value_longer_than_a_megabyte_is_refused() -> None:
    long = os.urandom(700_000).hex()
    for content, type_ in ((f"<v>{long}</v>", "str"), (f"<is><t>{long}</t></is>", "inlineStr")):
        with pytest.raises(ExtractError) as caught:
            read_all(
                read_xlsx(of_rows(f'<row r="2">{cell("A2", content, t=type_)}</row>'), file="x")
            )
        assert caught.value.code == "value_too_long"
    strings = f"<si><t>{long}</t></si>"
    data = of_rows(f'<row r="2">{cell("A2", "<v>0</v>", t="s")}</row>', strings=strings)
    with pytest.raises(ExtractError) as caught:
        read_all(read_xlsx(data, file="x"))
    assert caught.value.code == "value_too_long"


def test_a_file_is_closed_when_it_was_refused_and_when_it_was_read(tmp_path: Path) -> None:
    opened = Path("/proc/self/fd")
    if not opened.exists():
        pytest.skip("needs /proc")
    good, bad = tmp_path / "good.xlsx", tmp_path / "bad.xlsx"
    good.write_bytes(GOOD)
    bad.write_bytes(of_rows('<row r="5"/><row r="4"/>'))
    before = len(list(opened.iterdir()))
    read_all(read_xlsx(good, file="good.xlsx"))
    with pytest.raises(ExtractError):
        read_all(read_xlsx(bad, file="bad.xlsx"))
    blocks = iter(read_xlsx(good, file="good.xlsx").blocks)
    next(blocks)
    blocks.close()  # pyright: ignore
    assert len(list(opened.iterdir())) == before
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > before


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    for path, code in ((tmp_path / "none.xlsx", "missing"), (tmp_path, "unreadable")):
        with pytest.raises(ExtractError) as caught:
            read_xlsx(path, file="x.xlsx")
        assert caught.value.code == code


@pytest.mark.parametrize(
    ("number", "code"), [(errno.EIO, "unreadable"), (errno.EINVAL, "damaged_sheet")]
)
def test_a_disk_that_fails_is_not_called_a_damaged_file(
    monkeypatch: pytest.MonkeyPatch, number: int, code: str
) -> None:
    def fail(*_: object) -> bytes:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(zipfile.ZipExtFile, "read", fail)
    with pytest.raises(ExtractError) as caught:
        read_all(read_xlsx(GOOD, file="good.xlsx"))
    assert caught.value.code == code
