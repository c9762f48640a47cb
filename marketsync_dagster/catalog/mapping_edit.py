"""Edits of the maintained mapping file: set, unset, import. All or nothing, each atomic.

Comments, blank lines, order and every line that is not concerned stay byte for byte. The form of
the file belongs to `catalog.mapping_file`.
"""

from __future__ import annotations

import csv
import difflib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from marketsync_dagster.catalog.files import write_atomically
from marketsync_dagster.catalog.mapping_file import (
    COLUMNS,
    MappingRow,
    MappingText,
    Record,
    contradiction,
    fail_with,
    parse,
    read_bytes,
    read_mapping_file,
    row_problem,
)
from marketsync_dagster.values.errors import MappingError

_NEW = (",".join(COLUMNS) + "\n").encode()


@dataclass(frozen=True, slots=True)
class MappingChange:
    """What an edit did: the row as it is now (None: removed) and as it was (None: new)."""

    action: Literal["added", "changed", "unchanged", "removed"]
    row: MappingRow | None
    before: MappingRow | None


@dataclass(frozen=True, slots=True)
class ImportReport:
    """Rows that an import added, and rows that were there already."""

    added: int
    unchanged: int


def set_mapping(
    path: Path,
    sku: str,
    platform_id: str,
    *,
    platform_sku: str | None = None,
    name: str | None = None,
) -> MappingChange:
    """Map `sku` to `platform_id` in the file, which is made if it does not exist.

    A row that the SKU has is changed in its place, and further rows of it are removed; what is
    not given (None) keeps its value, but a new id drops the old id's platform_sku. MappingError,
    with the line, where the id belongs to another SKU.
    """
    text, data = _open(path)
    given = MappingRow(
        sku.strip(), platform_id.strip(), (platform_sku or "").strip(), (name or "").strip(), 0
    )
    if (wrong := row_problem(given)) is not None:
        raise MappingError(f"{path}: {wrong}")
    own: list[tuple[Record, MappingRow]] = []
    for record in text.records:
        row = text.row(record)
        if row.sku == given.sku:
            own.append((record, row))
        elif row.platform_id == given.platform_id:
            raise MappingError(
                f"{path}:{row.line}: platform_id {row.platform_id!r} belongs to SKU {row.sku!r}",
                "unset that SKU first, or choose another id",
            )
    if not own:
        _write(path, data, _appended(text, [given]))
        return MappingChange("added", given, None)
    record, before = own[0]
    same_id = before.platform_id == given.platform_id
    row = MappingRow(
        given.sku,
        given.platform_id,
        given.platform_sku if platform_sku is not None else before.platform_sku * same_id,
        given.name if name is not None else before.name,
        before.line,
    )
    if row == before and len(own) == 1:
        return MappingChange("unchanged", row, before)
    lines = list(text.lines)
    for extra, _ in own:
        lines[extra.first : extra.last] = [""] * (extra.last - extra.first)
    lines[record.first] = _as_line(text, row, record)
    _write(path, data, lines)
    return MappingChange("changed", row, before)


def unset_mapping(path: Path, sku: str) -> MappingChange:
    """Remove the rows of `sku`; MappingError where it has none, with the closest SKUs.

    Works on a file whose rows contradict each other too: it is how that is mended.
    """
    text, data = _open(path, must_exist=True)
    own = [(record, text.row(record)) for record in text.records]
    skus = [row.sku for _, row in own]
    own = [(record, row) for record, row in own if row.sku == sku.strip()]
    if not own:
        close = difflib.get_close_matches(sku, skus, n=3)
        raise MappingError(
            f"{path}: SKU {sku!r} is not in the file",
            f"did you mean {' or '.join(close)}?" if close else "",
        )
    lines = list(text.lines)
    for record, _ in own:
        lines[record.first : record.last] = [""] * (record.last - record.first)
    _write(path, data, lines)
    return MappingChange("removed", None, own[0][1])


def import_mappings(path: Path, other: Path) -> ImportReport:
    """Add the rows of `other` to `path`, all of them or none.

    MappingError lists each row of `other` that contradicts a row of `path`, with both lines;
    either file alone must be free of contradictions.
    """
    rows = read_mapping_file(other)
    text, data = _open(path)
    existing = read_mapping_file(path) if data is not None else []
    by_sku = {row.sku: row for row in existing}
    by_id = {row.platform_id: row for row in existing}
    added: list[MappingRow] = []
    problems: list[str] = []
    for row in rows:
        earlier = [by_sku.get(row.sku), by_id.get(row.platform_id)]
        clashes = [
            f"{other}:{row.line}: {clash}, {path}:{one.line}"
            for one in earlier
            if one is not None and (clash := contradiction(one, row))
        ]
        problems += dict.fromkeys(clashes)
        if earlier == [None, None]:
            added.append(row)
    fail_with(problems, "nothing was imported: correct either file, then import again")
    if added or data is None:
        _write(path, data, _appended(text, added))
    return ImportReport(len(added), len(rows) - len(added))


def _open(path: Path, *, must_exist: bool = False) -> tuple[MappingText, bytes | None]:
    if not must_exist and not path.exists():
        return parse(path, _NEW), None
    data = read_bytes(path)
    if not must_exist and not data.removeprefix(b"\xef\xbb\xbf").strip():
        return parse(path, _NEW), data
    return parse(path, data), data


def _appended(text: MappingText, rows: list[MappingRow]) -> list[str]:
    lines = list(text.lines)
    if lines and not lines[-1].endswith(("\n", "\r")):
        lines[-1] += _line_end(text)
    return lines + [_as_line(text, row, None) for row in rows]


def _as_line(text: MappingText, row: MappingRow, record: Record | None) -> str:
    """The row in the file's own column order; values of further columns are kept."""
    fields = list(record.fields) if record else []
    fields += [""] * (len(text.columns) - len(fields))
    for name in COLUMNS:
        value = str(getattr(row, name))
        if name in text.columns:
            fields[text.columns.index(name)] = value
        elif value and name == "platform_sku":
            raise MappingError(
                f"{text.path}:{text.header.first + 1}: the file has no column {name}",
                f"add it: {','.join(COLUMNS)}",
            )
    line = _csv(fields)
    if line.startswith("#"):  # it would be read as a comment
        line = '"' + fields[0].replace('"', '""') + '"' + _csv(["", *fields[1:]])
    return line + _line_end(text)


def _csv(fields: list[str]) -> str:
    # with any other line end the writer would leave CR and LF in a field without quotes
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\r\n").writerow(fields)
    return out.getvalue().removesuffix("\r\n")


def _line_end(text: MappingText) -> str:
    header = text.lines[text.header.last - 1]
    ending = header[len(header.rstrip("\r\n")) :]
    return ending or "\n"


def _write(path: Path, before: bytes | None, lines: list[str]) -> None:
    """Write unless somebody else did since it was read: an edit must not undo another one."""
    try:
        now = path.read_bytes() if path.exists() else None
        if now != before:
            raise MappingError(f"{path} was changed while it was edited", "run the command again")
        write_atomically(path, "".join(lines).encode())
    except OSError as error:
        raise MappingError(f"{path}: cannot be written: {error.strerror or error}") from error
