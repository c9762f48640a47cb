"""Error reports of imports: which items were refused, in the platform's words (contract 6.4).

Pure. OF03 has the input's columns, then line and message; PRI03 and STO03 have line and reason
first. Lines count from 1, and the header is the first one, also where the input was JSON.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from marketsync_dagster.platforms.mirakl.payloads import HEADER_LINES

Clean = Callable[[str], str]
_SKU = ("offer-sku", "shop-sku", "sku")
_LINE = ("error-line", "line-number", "line")
_MESSAGE = ("error-message", "error-reason", "error", "reason", "message")
_UNSAID = "the report gives no reason"


class Unreadable(ValueError):
    """A report that is no table of errors; the message says what it is."""


@dataclass(slots=True)
class Report:
    """What a report says."""

    errors: dict[int, str] = field(default_factory=dict)
    """Item, from 0 in the order sent -> the platform's words."""
    strays: list[str] = field(default_factory=list)
    """Words about lines that are none of the items sent."""


def read_report(body: bytes, names: Sequence[str], clean: Clean) -> Report:
    """What a report says of the offers `names`, in the order in which they were sent.

    Unreadable where any line of it cannot be read: half a report is none.
    """
    rows = _rows(body)
    columns = _Columns.of(rows)
    report, places = Report(), {name: place for place, name in enumerate(names)}
    for row in rows[columns.first :]:
        if len(row) != len(rows[0]):
            raise Unreadable("an error report with a line that is cut off")
        words = clean(row[columns.message]) or _UNSAID
        place = columns.place_of(row, names, places)
        if place is None:
            name = row[columns.sku] if columns.sku is not None else row[columns.line or 0]
            report.strays.append(clean(f"{name}: {words}"))
        elif words not in report.errors.setdefault(place, words):
            report.errors[place] = clean(f"{report.errors[place]}; {words}")
    if not report.errors and not report.strays:
        raise Unreadable("an error report without errors")
    return report


def _rows(body: bytes) -> list[list[str]]:
    text = _text(body)
    head = text.lstrip()[:1]
    if not head:
        raise Unreadable("an empty error report")
    if head in ("<", "{", "["):
        raise Unreadable("no table but HTML, XML or JSON in place of an error report")
    first = text.partition("\n")[0]
    delimiter = max(";,\t", key=first.count)
    try:
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        return [row for row in lines if row]
    except csv.Error as fault:
        raise Unreadable(f"an error report that cannot be read as CSV ({fault})") from fault


def _text(body: bytes) -> str:
    if body.startswith(b"PK\x03\x04"):
        raise Unreadable("an XLSX workbook in place of a CSV error report")
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):
        return body.decode("utf-16", "replace")
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return body.decode("cp1252", "replace")


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where in a row the offer, its line and the reason stand."""

    message: int
    line: int | None
    sku: int | None
    first: int
    """The first row below the header."""

    @classmethod
    def of(cls, rows: Sequence[Sequence[str]]) -> _Columns:
        header = [cell.strip().lower().replace("_", "-").replace(" ", "-") for cell in rows[0]]

        def at(names: Sequence[str]) -> int | None:
            return next((header.index(name) for name in names if name in header), None)

        message, line, sku = at(_MESSAGE), at(_LINE), at(_SKU)
        if message is not None and (line is not None or sku is not None):
            return cls(message, line, sku, 1)
        # line and reason come first, whatever they are called
        for first in (0, 1):
            body = rows[first:]
            if body and all(len(row) > 1 and _number(row[0]) is not None for row in body):
                return cls(1, 0, sku, first)
        raise Unreadable("a table without the columns of an error report")

    def place_of(
        self, row: Sequence[str], names: Sequence[str], places: dict[str, int]
    ) -> int | None:
        """Which item a row is about: by its line where the name is like the offer's there, else by
        the name; where the report has no names, by the line."""
        by_line = None
        number = None if self.line is None else _number(row[self.line])
        if number is not None and 0 <= number - 1 - HEADER_LINES < len(names):
            by_line = number - 1 - HEADER_LINES
        if self.sku is None:
            return by_line
        name = row[self.sku]
        # a spreadsheet has been at it: 0012.50 has become 12.50, which may be another's name
        alike = by_line is not None and _folded(name) == _folded(names[by_line])
        return by_line if alike else places.get(name)


def _number(cell: str) -> int | None:
    text = cell.strip()
    return int(text) if text.isdecimal() and len(text) < 10 else None


def _folded(name: str) -> str:
    return name.strip().replace(",", ".").lstrip("0").casefold()
