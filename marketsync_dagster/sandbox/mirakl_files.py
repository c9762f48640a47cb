"""Mirakl's files: a form with a file in it, CSV in and out.

A file that cannot be read as a whole is Unreadable, with its line; what is wrong in a line that can
be read belongs to `mirakl_work`.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

from marketsync_dagster.sandbox.mirakl_state import Import, Line


class NoFile(ValueError):
    """A form that is none, or has no file; the message says why."""


class Unreadable(ValueError):
    """A file that cannot be parsed, from line `line` on."""

    def __init__(self, line: int) -> None:
        super().__init__(f"A parsing error has occurred at line {line}")
        self.line = line


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a file, where it begins, and its cells by column."""

    number: int
    cells: dict[str, str]


def _boundary(content_type: str) -> bytes:
    kind, _, rest = content_type.partition(";")
    if kind.strip().lower() != "multipart/form-data":
        raise NoFile("Content-Type must be multipart/form-data")
    for part in rest.split(";"):
        name, _, value = part.strip().partition("=")
        if name.lower() == "boundary" and value.strip('"'):
            return value.strip('"').encode("latin-1")
    raise NoFile("The form has no boundary")


def file_of(content_type: str, body: bytes) -> bytes:
    """The content of the part `file` of a form; NoFile where there is none."""
    mark = b"--" + _boundary(content_type)
    parts = (b"\r\n" + body).split(b"\r\n" + mark)
    if len(parts) < 3 or not parts[-1].startswith(b"--"):
        raise NoFile("The form does not end")
    for part in parts[1:-1]:
        head, gap, content = part.partition(b"\r\n\r\n")
        for line in head.split(b"\r\n"):
            name, _, value = line.decode("latin-1").partition(":")
            words = [word.strip() for word in value.split(";")]
            if name.strip().lower() == "content-disposition" and gap and 'name="file"' in words:
                return content
    raise NoFile("Required part 'file' is not present")


def _text_of(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise Unreadable(content.count(b"\n", 0, fault.start) + 1) from fault


def read_rows(content: bytes, needed: tuple[str, ...], known: tuple[str, ...]) -> list[Row]:
    """The lines of a CSV file with `;`, below a header that names the `needed` columns and no
    others than `known`. Unreadable where a line cannot be told apart into its columns."""
    reader = csv.reader(io.StringIO(_text_of(content), newline=""), delimiter=";", strict=True)
    rows: list[Row] = []
    header: list[str] | None = None
    begins = 1
    try:
        for cells in reader:
            number, begins = begins, reader.line_num + 1
            if header is None:
                header = [cell.strip().lower() for cell in cells]
                if not set(needed) <= set(header) <= set(known) or len(header) != len(set(header)):
                    raise Unreadable(number)
            elif cells:
                if len(cells) != len(header):
                    raise Unreadable(number)
                stripped = (cell.strip() for cell in cells)
                rows.append(Row(number, dict(zip(header, stripped, strict=True))))
    except csv.Error as fault:
        raise Unreadable(begins) from fault
    if header is None:
        raise Unreadable(1)
    return rows


def _quoted(cells: list[str], end: str) -> str:
    return ";".join('"' + cell.replace('"', '""') + '"' for cell in cells) + end


def _as_a_spreadsheet(cell: str) -> str:
    """What saving from a spreadsheet makes of a cell: 12.50 becomes 12,50."""
    whole, dot, rest = cell.partition(".")
    if dot and rest.isdecimal() and whole.removeprefix("-").isdecimal():
        return f"{whole},{rest}"
    return cell


def _cells(line: Line, last: bool, excel: bool) -> list[str]:
    cells, message = line.cells, line.message
    if excel:
        cells = [_as_a_spreadsheet(cell) for cell in cells]
        message = message.replace(" ", "\n", 1)
    told = [str(line.number), message]
    return [*cells, *told] if last else [*told, *cells]


def report(found: Import, style: str) -> bytes:
    """The error report of an import: line and reason are the last two columns for OF24, the first
    two for the others. Style `excel` has a byte order mark, line ends in cells, decimal commas."""
    last, excel = found.kind == "OF24", style == "excel"
    end = "\r\n" if excel else "\n"
    told = ["error-line", "error-message"]
    header = [*found.columns, *told] if last else [*told, *found.columns]
    lines = [_quoted(header, end)]
    lines += [_quoted(_cells(line, last, excel), end) for line in found.errors]
    return (b"\xef\xbb\xbf" if excel else b"") + "".join(lines).encode()
