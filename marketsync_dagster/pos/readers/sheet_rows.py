"""The rows of one sheet of an XLSX workbook, taken from its XML while it is parsed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from marketsync_dagster.pos.readers import formats
from marketsync_dagster.pos.readers.grid import Cell, Row, Sheet
from marketsync_dagster.pos.readers.package import Handlers, Package, damaged
from marketsync_dagster.pos.readers.shared_strings import Strings, Texts, unescaped
from marketsync_dagster.pos.reasons import refuse
from marketsync_dagster.pos.tables import Kind
from marketsync_dagster.values.words import counted

LAST_ROW = 1_048_576
LAST_COLUMN = 16_384
REF = re.compile(r"([A-Z]{1,3})([1-9][0-9]{0,6})")


def whole(text: str) -> int:
    """The number in an attribute; -1 where there is none."""
    return int(text) if text.isdecimal() and len(text) < 10 else -1


def column_of(letters: str) -> int:
    """`A` -> 0, `XFD` -> 16383."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1


@dataclass(frozen=True)
class Context:
    """What the cells of a sheet refer to."""

    package: Package
    strings: Strings
    styles: Sequence[formats.Format]
    from_1904: bool


class SheetRows:
    """The rows of one sheet while its XML is parsed."""

    def __init__(self, context: Context, sheet: Sheet, part: str) -> None:
        self.context = context
        self.sheet = sheet
        self.part = part
        self.limits = context.package.limits
        self.where = f"{context.package.file}, sheet {sheet.name!r}"
        self.ready: list[Row] = []
        self.row = self.column = 0
        self.cells: dict[int, Cell] | None = None
        self.seen = self.hidden = 0
        self.letters: dict[str, int] = {}
        self.in_data = False
        self.in_value = False
        self.in_cell = False
        self.type = self.style = ""
        self.formula = self.in_formula = self.in_inline = False
        self.value = Texts(self.limits.token_bytes, self.where)
        self.inline = Texts(self.limits.token_bytes, self.where)
        self.formula_text = Texts(self.limits.token_bytes, self.where)

    def rows(self) -> Iterator[Row]:
        handlers = Handlers(self._start, self._end, self._text)
        for _ in self.context.package.parse(self.part, handlers):
            if self.ready:
                yield from self.ready
                self.ready = []
        if self.hidden:
            are, were = ("is", "was") if self.hidden == 1 else ("are", "were")
            words = f"{counted(self.hidden, 'row')} {are} hidden in the sheet, and {were} read"
            if words not in self.sheet.warnings:
                self.sheet.warnings.append(words)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if not self.in_data:
            self.in_data = name == "sheetData"
        elif name == "c":
            self._start_cell(attributes)
        elif name == "row":
            self._start_row(attributes)
        elif self.in_cell:
            if name == "v":
                self.in_value = True
            elif name == "f":
                self.formula = self.in_formula = True
            elif name == "is":
                self.in_inline = True
            elif self.in_inline:
                self.inline.start(name)

    def _end(self, name: str) -> None:
        if name == "v":
            self.in_value = False
        elif name == "f":
            self.in_formula = False
        elif name == "c":
            if self.in_cell:
                self._end_cell()
        elif name == "row":
            if self.cells is not None:
                if self.cells:
                    self.ready.append((self.row, self.cells))
                self.cells = None
        elif name == "sheetData":
            self.in_data = False
        elif name == "is":
            self.in_inline = False
        elif self.in_inline:
            self.inline.end(name)

    def _text(self, text: str) -> None:
        if self.in_value:
            self.value.add(text)
        elif self.in_inline:
            self.inline.text(text)
        elif self.in_formula:
            self.formula_text.add(text)

    def _start_row(self, attributes: dict[str, str]) -> None:
        if self.cells is not None:
            raise damaged(self.where, f"a row inside row {self.row}")
        text = attributes.get("r")
        number = self.row + 1 if text is None else whole(text)
        if not self.row < number <= LAST_ROW:
            raise damaged(
                self.where, f"after row {self.row} comes row {(text or str(number))[:20]}"
            )
        self.row, self.column = number, -1
        self.cells = {}
        if attributes.get("hidden") in ("1", "true"):
            self.hidden += 1

    def _start_cell(self, attributes: dict[str, str]) -> None:
        if self.cells is None or self.in_cell:
            raise damaged(self.where, f"a cell outside its place in row {self.row}")
        self.seen += 1
        if self.seen > self.limits.cells:
            raise refuse("too_large", f"{self.where}: more than {self.limits.cells} cells")
        ref = attributes.get("r")
        column = self.column + 1 if ref is None else self._column(ref)
        if not self.column < column < LAST_COLUMN:
            raise damaged(self.where, f"row {self.row}: a cell {ref} is not in its place")
        self.column = column
        self.in_cell = True
        self.type = attributes.get("t", "n")
        self.style = attributes.get("s", "")
        self.formula = False
        if self.value.parts:
            self.value.clear()
        if self.inline.parts:
            self.inline.clear()
        if self.formula_text.parts:
            self.formula_text.clear()

    def _column(self, ref: str) -> int:
        letters = ref.rstrip("0123456789")
        if ref[len(letters) :] != str(self.row):
            raise damaged(self.where, f"row {self.row} has a cell {ref[:40]}")
        column = self.letters.get(letters)
        if column is None:
            column = column_of(letters) if REF.fullmatch(ref) else LAST_COLUMN
            if column >= LAST_COLUMN:
                raise damaged(self.where, f"there is no cell {ref[:40]} in a sheet")
            self.letters[letters] = column
        return column

    def _end_cell(self) -> None:
        self.in_cell = self.in_value = self.in_inline = self.in_formula = False
        text, kind = self._content()
        if self.formula and kind != Kind.ERROR:
            kind = Kind.FORMULA
            if not text and self.type != "str":
                # never worked out: its value is missing, which is not the same as blank
                text = "=" + self.formula_text.joined()
        if not text:
            return
        if self.column >= self.limits.columns:
            raise refuse(
                "too_wide",
                f"{self.where}, row {self.row}: a value beyond column {self.limits.columns}",
            )
        assert self.cells is not None
        self.cells[self.column] = (text, kind)

    def _content(self) -> Cell:
        if self.type == "inlineStr":
            return self.inline.joined(), Kind.TEXT
        raw = "".join(self.value.parts)
        if self.type == "s":
            return self._shared(raw.strip()) if raw.strip() else "", Kind.TEXT
        if self.type == "str":
            return unescaped(raw), Kind.TEXT
        raw = raw.strip()
        if self.type == "b":
            return {"1": "TRUE", "0": "FALSE"}.get(raw, raw), Kind.BOOLEAN
        if self.type == "e":
            return raw, Kind.ERROR
        if self.type == "d":
            return self._iso(raw), Kind.DATE
        if not raw:
            return "", Kind.NUMBER
        number = formats.shortest(raw)
        if number is None:
            return raw, Kind.ERROR
        style = self._style()
        return formats.shown(number, style, self.context.from_1904)

    def _shared(self, raw: str) -> str:
        text = self.context.strings[whole(raw)]
        if text is None:
            raise damaged(
                self.where, f"row {self.row}, column {self.column + 1}: no shared string {raw[:20]}"
            )
        return text

    def _iso(self, raw: str) -> str:
        try:
            datetime.fromisoformat(raw)
        except ValueError:
            raise damaged(self.where, f"row {self.row}: {raw[:40]!r} is no date") from None
        return raw

    def _style(self) -> formats.Format:
        styles = self.context.styles
        if not self.style or self.style == "0":
            return styles[0] if styles else formats.GENERAL
        index = whole(self.style)
        if not 0 <= index < len(styles):
            raise damaged(self.where, f"row {self.row}: there is no style {self.style[:20]}")
        return styles[index]
