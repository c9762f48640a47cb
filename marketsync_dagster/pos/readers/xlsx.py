"""XLSX: the rows of a sheet, one by one, from the XML as it is in the file.

Numbers are taken from the text in the file, never through a float that would be rounded; row
numbers are the sheet's own. Only what is in the sheet costs memory: a value in the last column of
the last row is one value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from marketsync_dagster.pos.readers import formats
from marketsync_dagster.pos.readers.grid import Merge, Sheet, table_of
from marketsync_dagster.pos.readers.package import Handlers, Package, damaged, target
from marketsync_dagster.pos.readers.shared_strings import Strings
from marketsync_dagster.pos.readers.sheet_rows import REF, Context, SheetRows, column_of, whole
from marketsync_dagster.pos.reasons import refuse
from marketsync_dagster.pos.tables import Block, Limits, Table

_MERGES = 10_000
_STYLES = 100_000
_SHEETS = 1_000
_END_OF_DATA = re.compile(rb"</(?:[A-Za-z0-9]{1,20}:)?sheetData\s*>")
_MERGED = re.compile(rb"<(?:[A-Za-z0-9]{1,20}:)?mergeCell\s[^<>]{0,200}?ref=[\"']([A-Z0-9:]+)[\"']")
_TAIL = 4 * 2**20


def read_xlsx(
    source: Path | bytes,
    *,
    sheet: str | None = None,
    columns: Mapping[str, str] | None = None,
    file: str,
    limits: Limits | None = None,
) -> Table:
    """The table of one sheet; `columns` are the configured ones, canonical name -> header.

    Raises ExtractError: missing, unreadable, empty, too_large, truncated, encrypted, doctype,
    damaged_sheet, unknown_sheet, ambiguous_sheet, value_too_long; so do the blocks. The file is
    closed when the blocks have ended or are closed.
    """
    limits = limits or Limits()
    package = Package(source, file, limits)
    try:
        workbook = _Workbook(package)
        table = table_of(workbook.sheets, sheet, columns or {}, file, limits)
    except BaseException:
        package.close()
        raise
    table.encoding = "utf-8"
    table.blocks = _closing(table.blocks, workbook)
    return table


def _closing(blocks: Iterator[Block], workbook: _Workbook) -> Iterator[Block]:
    try:
        yield from blocks
    finally:
        workbook.close()


class _Workbook:
    """What is common to the sheets: their names, the shared strings, the styles."""

    def __init__(self, package: Package) -> None:
        self.package = package
        self.from_1904 = False
        self.strings = Strings(package)
        self.styles: list[formats.Format] = []
        self.sheets: list[Sheet] = []
        if package.has("xl/workbook.bin"):
            raise damaged(package.file, "it is a binary workbook (XLSB)")
        part = self._main_part()
        self._read(part)

    def close(self) -> None:
        self.strings.close()
        self.package.close()

    def _main_part(self) -> str:
        if not self.package.has("_rels/.rels"):
            raise damaged(self.package.file, "it is an archive, but no workbook")
        for kind, where in self._relations("_rels/.rels", "").values():
            if kind.endswith("/officeDocument"):
                return where
        raise damaged(self.package.file, "it is an archive, but no workbook")

    def _relations(self, part: str, base: str) -> dict[str, tuple[str, str]]:
        """Id -> type and part, of what is inside the package."""
        found: dict[str, tuple[str, str]] = {}

        def start(name: str, attributes: dict[str, str]) -> None:
            if name == "Relationship" and attributes.get("TargetMode") != "External":
                where = target(base, attributes.get("Target", ""))
                found[attributes.get("Id", "")] = (attributes.get("Type", ""), where)

        if self.package.has(part):
            self.package.parse_whole(part, Handlers(start, _nothing, _nothing))
        return found

    def _read(self, part: str) -> None:
        folder, _, name = part.rpartition("/")
        relations = self._relations(f"{folder}/_rels/{name}.rels".lstrip("/"), part)
        listed: list[tuple[str, bool, str]] = []

        def start(name: str, attributes: dict[str, str]) -> None:
            if name == "workbookPr":
                self.from_1904 = attributes.get("date1904") in ("1", "true")
            elif name == "sheet":
                identity = next((v for k, v in attributes.items() if k.endswith(":id")), "")
                hidden = attributes.get("state", "visible") != "visible"
                listed.append((attributes.get("name", ""), hidden, identity))

        self.package.parse_whole(part, Handlers(start, _nothing, _nothing))
        if len(listed) > _SHEETS:
            raise refuse("too_large", f"{self.package.file} has more than {_SHEETS} sheets")
        for kind, where in relations.values():
            if kind.endswith("/sharedStrings"):
                self.strings.part = where
            elif kind.endswith("/styles"):
                self.styles = _styles(self.package, where)
        for title, hidden, identity in listed:
            kind, where = relations.get(identity, ("", ""))
            # charts and dialogs are listed among the sheets
            if kind.endswith("/worksheet"):
                self.sheets.append(self._sheet(title, hidden, where))

    def _sheet(self, title: str, hidden: bool, part: str) -> Sheet:
        sheet = Sheet(title, hidden, lambda: iter(()), lambda: _merges(self.package, part))
        context = Context(self.package, self.strings, self.styles, self.from_1904)
        sheet.rows = lambda: SheetRows(context, sheet, part).rows()
        return sheet


def _nothing(*_: object) -> None:
    pass


def _styles(package: Package, part: str) -> list[formats.Format]:
    """The number format of each cell style, by its place."""
    codes: dict[int, str] = {}
    ids: list[int] = []
    inside: list[str] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        inside.append(name)
        if name == "numFmt" and len(codes) < _STYLES and "dxf" not in inside:
            codes[whole(attributes.get("numFmtId", "0"))] = attributes.get("formatCode", "")
        elif name == "xf" and "cellXfs" in inside:
            ids.append(whole(attributes.get("numFmtId", "0")))
            if len(ids) > _STYLES:
                raise refuse("too_large", f"{package.file} has more than {_STYLES} cell styles")

    def end(_: str) -> None:
        inside.pop()

    package.parse_whole(part, Handlers(start, end, _nothing))
    return [formats.format_of(number, codes.get(number)) for number in ids]


def _merges(package: Package, part: str) -> list[Merge]:
    """Merged cells stand behind all rows: found by their bytes, without parsing the rows."""
    tail = bytearray()
    found = False
    for piece in package.pieces(part):
        tail += piece
        if not found:
            match = _END_OF_DATA.search(tail)
            found = match is not None
            del tail[: match.end() if match else max(len(tail) - 64, 0)]
        if len(tail) > _TAIL:
            break
    merges: list[Merge] = []
    for match in _MERGED.finditer(tail):
        first, _, second = match.group(1).decode().partition(":")
        one, two = REF.fullmatch(first), REF.fullmatch(second)
        if one and two and len(merges) < _MERGES:
            merges.append(Merge(int(one[2]), column_of(one[1]), int(two[2]), column_of(two[1])))
    return merges
