"""The maintained mapping file: CSV `sku,platform_id,platform_sku,name`, UTF-8, kept in Git.

Reading it, with every contradiction named by its physical lines. Editing it belongs to
`catalog.mapping_edit`; what a mapping does with the rows belongs to `catalog.mapping`. Lines that
begin with `#` are comments; empty lines are skipped; further columns are kept and ignored.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from marketsync_dagster.values.errors import MappingError

COLUMNS = ("sku", "platform_id", "platform_sku", "name")
REQUIRED = ("sku", "platform_id")
KEPT = 4
"""Files that are kept as they were read: all outlets of a run mostly share one."""
MAX_SHOWN = 20
"""Problems that one message spells out; the others are counted."""

_DAMAGED = re.compile(r"\d+(?:[.,]\d+)?[Ee]\+\d+|\d+\.0+|'.*", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class MappingRow:
    """One row as it stands in the file; `line` is the physical line that it begins on."""

    sku: str
    platform_id: str
    platform_sku: str
    name: str
    line: int


@dataclass(frozen=True, slots=True)
class Record:
    """One record of the file: its half-open range of `MappingText.lines`, and its fields."""

    first: int
    last: int
    fields: list[str]


@dataclass(frozen=True)
class MappingText:
    """A mapping file taken apart: `lines` keep their ends, joined they are the file again."""

    path: Path
    lines: list[str]
    header: Record
    records: list[Record]

    @cached_property
    def columns(self) -> list[str]:
        return [field.strip().lower() for field in self.header.fields]

    @cached_property
    def _places(self) -> list[int | None]:
        return [self.columns.index(c) if c in self.columns else None for c in COLUMNS]

    def row(self, record: Record) -> MappingRow:
        """The record by column; optional fields that it lacks are empty."""
        fields = record.fields
        sku, platform_id, platform_sku, name = (
            "" if place is None or place >= len(fields) else fields[place].strip()
            for place in self._places
        )
        return MappingRow(sku, platform_id, platform_sku, name, record.first + 1)


def read_mapping_file(path: Path) -> list[MappingRow]:
    """The rows of `path`, exact repeats once (the first).

    MappingError lists all that is wrong, each with file and line: a missing column, an identifier
    that a spreadsheet has damaged, one SKU with two ids, one id with two SKUs.
    """
    return list(_rows_of(path, read_bytes(path)))


@lru_cache(maxsize=KEPT)
def _rows_of(path: Path, data: bytes) -> tuple[MappingRow, ...]:
    text = parse(path, data)
    rows: list[MappingRow] = []
    problems: list[str] = []
    by_sku: dict[str, MappingRow] = {}
    by_id: dict[str, MappingRow] = {}
    for record in text.records:
        row = text.row(record)
        wrong = field_count_problem(text, record) or row_problem(row)
        if wrong:
            problems.append(f"{path}:{row.line}: {wrong}")
            continue
        clashes = [
            f"{path}:{row.line}: {clash}, line {earlier.line}"
            for earlier in (by_sku.get(row.sku), by_id.get(row.platform_id))
            if earlier is not None and (clash := contradiction(earlier, row))
        ]
        problems += dict.fromkeys(clashes)
        if row.sku not in by_sku and row.platform_id not in by_id:
            by_sku[row.sku] = by_id[row.platform_id] = row
            rows.append(row)
    fail_with(problems, "keep one of the lines that contradict each other, correct the others")
    return tuple(rows)


def contradiction(earlier: MappingRow, row: MappingRow) -> str | None:
    """How `row` contradicts `earlier`, which has its SKU or its id; None for an exact repeat.

    Names are for people and do not count. The text ends so that `, line 7` can follow it.
    """
    if row.sku != earlier.sku:
        return (
            f"platform_id {row.platform_id!r} is given to SKU {row.sku!r}, "
            f"but to SKU {earlier.sku!r} already"
        )
    if row.platform_id != earlier.platform_id:
        return (
            f"SKU {row.sku!r} is given platform_id {row.platform_id!r}, "
            f"but {earlier.platform_id!r} already"
        )
    if row.platform_sku != earlier.platform_sku:
        return (
            f"SKU {row.sku!r} is given platform_sku {row.platform_sku!r}, "
            f"but {earlier.platform_sku!r} already"
        )
    return None


def row_problem(row: MappingRow) -> str | None:
    """Why the identifiers of `row` cannot be taken, or None."""
    for name in ("sku", "platform_id", "platform_sku"):
        value = getattr(row, name)
        if not value:
            if name in REQUIRED:
                return f"{name} is empty"
        elif _DAMAGED.fullmatch(value):
            return f"{name} {value!r} was damaged by a spreadsheet: enter it as text"
        elif _CONTROL.search(value):
            return f"{name} {value!r} contains control characters"
    return None


def field_count_problem(text: MappingText, record: Record) -> str | None:
    """Too many fields mean a comma without quotes, and then nothing can be told for certain."""
    got, expected = len(record.fields), len(text.columns)
    if got > expected:
        return f"expected {expected} fields, got {got}: quote a text that contains a comma"
    return None


def fail_with(problems: list[str], next_step: str) -> None:
    """MappingError with `problems`, one per line, if there are any."""
    if problems:
        more = len(problems) - MAX_SHOWN
        tail = [f"and {more} more"] if more > 0 else []
        raise MappingError("\n".join(problems[:MAX_SHOWN] + tail), next_step)


def read_bytes(path: Path) -> bytes:
    """The bytes of `path`; MappingError where it does not exist or cannot be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise MappingError(
            f"{path}: the mapping file does not exist",
            f"create it with the line {','.join(COLUMNS)}, or map a first SKU: "
            "marketsync mapping set SKU PLATFORM_ID --account ACCOUNT",
        ) from None
    except OSError as error:
        raise MappingError(f"{path}: cannot be read: {error.strerror or error}") from error


def parse(
    path: Path,
    data: bytes,
    columns: Sequence[str] = COLUMNS,
    required: Sequence[str] = REQUIRED,
) -> MappingText:
    """Take the file apart; MappingError where it is no CSV with such columns (`path` is for the
    message)."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise MappingError(
            f"{path}:{line}: byte 0x{data[error.start]:02x} is not UTF-8", "save it as UTF-8"
        ) from None
    lines = list(io.StringIO(text, newline=""))
    records = _records(path, lines)
    if not records:
        raise MappingError(f"{path}: the file has no header", f"expected {','.join(columns)}")
    parsed = MappingText(path, lines, records[0], records[1:])
    _check_header(parsed, columns, required)
    return parsed


def _records(path: Path, lines: list[str]) -> list[Record]:
    records: list[Record] = []
    first = 0
    while first < len(lines):
        line = lines[first].removeprefix("\ufeff") if first == 0 else lines[first]
        if line.startswith("#") or not line.strip():
            first += 1
            continue
        last = first + 1
        if '"' not in line:
            records.append(Record(first, last, line.rstrip("\r\n").split(",")))
        else:
            # an odd count of quotes means that a quoted field goes on in the next line
            while line.count('"') % 2 and last < len(lines):
                line += lines[last]
                last += 1
            try:
                fields = next(csv.reader(io.StringIO(line, newline=""), strict=True))
            except csv.Error as error:
                raise MappingError(f"{path}:{first + 1}: not CSV: {error}") from None
            records.append(Record(first, last, fields))
        first = last
    return records


def _check_header(text: MappingText, columns: Sequence[str], required: Sequence[str]) -> None:
    place = f"{text.path}:{text.header.first + 1}"
    missing = [name for name in required if name not in text.columns]
    if missing:
        raise MappingError(
            f"{place}: missing column {' and '.join(missing)}; "
            f"the header is {','.join(text.header.fields)!r}",
            f"expected {','.join(columns)}, separated by commas",
        )
    twice = [name for name in columns if text.columns.count(name) > 1]
    if twice:
        raise MappingError(f"{place}: column {twice[0]} is there twice", "remove one of them")
