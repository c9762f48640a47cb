"""Workbooks made by hand, for what no library would write: XLSX part by part, XLS record by
record."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Sequence
from typing import Any

from marketsync_dagster.pos.tables import Block, Kind, Table

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
HEADER = (
    '<row r="1"><c r="A1" t="inlineStr"><is><t>sku</t></is></c>'
    '<c r="B1" t="inlineStr"><is><t>price</t></is></c></row>'
)


def sheet_xml(rows: str, after: str = "", before: str = "") -> str:
    data = f"<sheetData>{HEADER}{rows}</sheetData>"
    return f'{before}<worksheet xmlns="{MAIN}">{data}{after}</worksheet>'


def raw_xlsx(
    sheet: str | bytes,
    *,
    strings: str | None = None,
    styles: str | None = None,
    workbook: str = "",
    more: dict[str, bytes] | None = None,
) -> bytes:
    """A workbook with one sheet, `Sheet1`, whose parts are given as XML."""
    parts: dict[str, str | bytes] = {
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}"><Relationship Id="r1" '
        f'Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{_OFFICE}">{workbook}<sheets>'
        '<sheet name="Sheet1" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/worksheets/sheet1.xml": sheet,
    }
    relations = f'<Relationship Id="r1" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>'
    if strings is not None:
        parts["xl/sharedStrings.xml"] = f'<sst xmlns="{MAIN}">{strings}</sst>'
        relations += (
            f'<Relationship Id="r2" Type="{_OFFICE}/sharedStrings" Target="sharedStrings.xml"/>'
        )
    if styles is not None:
        parts["xl/styles.xml"] = f'<styleSheet xmlns="{MAIN}">{styles}</styleSheet>'
        relations += f'<Relationship Id="r3" Type="{_OFFICE}/styles" Target="/xl/styles.xml"/>'
    parts["xl/_rels/workbook.xml.rels"] = (
        f'<Relationships xmlns="{_PACKAGE}">{relations}</Relationships>'
    )
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in {**parts, **(more or {})}.items():
            package.writestr(name, content)
    return target.getvalue()


def formats_xml(*codes: str) -> str:
    """Styles 1, 2 and so on have these format codes; style 0 has none."""
    formats = "".join(
        f'<numFmt numFmtId="{164 + i}" formatCode="{code.replace(chr(34), "&quot;")}"/>'
        for i, code in enumerate(codes)
    )
    styles = "".join(f'<xf numFmtId="{164 + i}"/>' for i in range(len(codes)))
    return f'<numFmts>{formats}</numFmts><cellXfs><xf numFmtId="0"/>{styles}</cellXfs>'


def read_all(table: Table | list[Block]) -> dict[str, list[str | None]]:
    """All columns of a table as lists; with the lines as `#`."""
    found: dict[str, list[Any]] = {"#": []}
    for block in table.blocks if isinstance(table, Table) else table:
        assert set(block.kinds) <= set(block.columns)
        found["#"] += block.lines.tolist()
        for name, column in block.columns.items():
            assert len(column) == len(block.lines)
            found.setdefault(name, []).extend(column.to_pylist())
    return found


def kinds_of(table: Table | list[Block], name: str) -> list[Kind]:
    """The kinds of a column's cells."""
    kinds: list[Kind] = []
    for block in table.blocks if isinstance(table, Table) else table:
        column = block.kinds.get(name)
        kinds += [Kind.TEXT] * len(block.lines) if column is None else map(Kind, column.tolist())
    return kinds


def _record(code: int, data: bytes) -> bytes:
    return struct.pack("<HH", code, len(data)) + data


def _text(text: str) -> bytes:
    return struct.pack("<HB", len(text), 1) + text.encode("utf-16-le")


Cells = dict[tuple[int, int], Any]


def _cell(row: int, column: int, value: Any) -> bytes:
    style = 0
    if isinstance(value, tuple) and value[0] == "style":
        _, style, value = value
    place = struct.pack("<HHH", row, column, style)
    if isinstance(value, bool):
        return _record(0x0205, place + bytes([value, 0]))
    if isinstance(value, float | int):
        return _record(0x0203, place + struct.pack("<d", value))
    if isinstance(value, str):
        return _record(0x0204, place + _text(value))
    what, inner = value
    if what == "error":
        return _record(0x0205, place + bytes([inner, 1]))
    assert what == "formula"
    return _record(0x0006, place + struct.pack("<dHIH", inner, 0, 0, 0))


def xls_stream(
    sheets: Sequence[tuple[str, Cells]],
    *,
    formats: Sequence[str] = (),
    styles: Sequence[int] = (),
    hidden: Sequence[str] = (),
    merges: Sequence[tuple[int, int, int, int]] = (),
    from_1904: bool = False,
    before: bytes = b"",
) -> bytes:
    """The records of a BIFF8 workbook; cells by row and column from 0.

    Style 1 has the first of `formats`; after them come `styles`, each with the id of a format.
    `before` are records of the workbook before all others.
    """
    start = _record(0x0809, struct.pack("<HHHHII", 0x0600, 5, 0, 0, 0, 6)) + before
    start += _record(0x0022, struct.pack("<H", from_1904))
    for index, code in enumerate(formats):
        start += _record(0x041E, struct.pack("<H", 164 + index) + _text(code))
    for number in (0, *range(164, 164 + len(formats)), *styles):
        start += _record(0x00E0, struct.pack("<HH", 0, number) + bytes(16))
    bodies = []
    for _, cells in sheets:
        body = _record(0x0809, struct.pack("<HHHHII", 0x0600, 0x10, 0, 0, 0, 6))
        body += b"".join(_cell(*place, value) for place, value in sorted(cells.items()))
        if merges:
            ranges = b"".join(struct.pack("<HHHH", *merge) for merge in merges)
            body += _record(0x00E5, struct.pack("<H", len(merges)) + ranges)
        bodies.append(body + _record(0x000A, b""))
    names = [struct.pack("<BBBB", name in hidden, 0, len(name), 1) + name.encode("utf-16-le")
             for name, _ in sheets]  # fmt: skip
    place = len(start) + sum(8 + len(name) for name in names) + 4
    for name, body in zip(names, bodies, strict=True):
        start += _record(0x0085, struct.pack("<I", place) + name)
        place += len(body)
    return start + _record(0x000A, b"") + b"".join(bodies)


def compound(stream: bytes, name: str = "Workbook") -> bytes:
    """An OLE2 compound file with one stream."""
    stream = stream.ljust(4096, b"\0")
    count = -(-len(stream) // 512)
    end, free = 0xFFFFFFFE, 0xFFFFFFFF
    fat = [0xFFFFFFFD, end, *range(3, count + 2), end]
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    header += struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(10)
    header += struct.pack("<IIIIIIII", 1, 1, 0, 4096, end, 0, end, 0)
    header += struct.pack("<109I", 0, *[free] * 108)

    def entry(title: str, kind: int, child: int, first: int, size: int) -> bytes:
        encoded = title.encode("utf-16-le") + b"\0\0"
        data = encoded.ljust(64, b"\0") + struct.pack("<HBB", len(encoded), kind, 1)
        data += struct.pack("<III", free, free, child) + bytes(36)
        return data + struct.pack("<III", first, size, 0)

    directory = entry("Root Entry", 5, 1, end, 0) + entry(name, 2, free, 2, len(stream))
    assert len(fat) <= 128
    return (
        header
        + struct.pack("<128I", *fat, *[free] * (128 - len(fat)))
        + directory.ljust(512, b"\0")
        + stream.ljust(count * 512, b"\0")
    )


def xls(sheets: Sequence[tuple[str, Cells]], **options: Any) -> bytes:
    """An XLS file; see `xls_stream`."""
    return compound(xls_stream(sheets, **options))
