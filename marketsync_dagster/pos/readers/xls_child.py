"""The process that `xls` starts: one XLS file becomes a file of cells per sheet, and ends.

    python -m marketsync_dagster.pos.readers.xls_child WORKBOOK LIMITS

Beside the workbook it writes `sheets.json` (name, hidden, merges, warnings) and `0.arrow`,
`1.arrow` and so on with the columns row, column, text, kind. Exit code 3: refused, the last line
of standard error is `{"code", "message"}`.
"""

from __future__ import annotations

import json
import mmap
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

REFUSED = 3
_BATCH = 65_536
_MERGES = 10_000
_FORMULAS = (0x0006, 0x0206, 0x0406)
_END = 0x000A
_BOF = (0x0009, 0x0209, 0x0409, 0x0809)


class _Refused(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def main(arguments: list[str]) -> int:
    path, limits = Path(arguments[0]), json.loads(arguments[1])
    _limit(limits)
    try:
        _convert(path, limits)
    except _Refused as refused:
        return _say(refused.code, str(refused))
    except MemoryError:
        return _say("unreadable_sheet", "reading it takes too much memory")
    return 0


def _say(code: str, message: str) -> int:
    print(json.dumps({"code": code, "message": message}), file=sys.stderr)
    return REFUSED


def _limit(limits: dict[str, int]) -> None:
    """Before anything of the file is looked at."""
    try:
        import resource
    except ImportError:  # no such limits on this system; the parent's clock remains
        return
    for what, most in (
        (resource.RLIMIT_AS, limits["memory"]),
        (resource.RLIMIT_CPU, limits["processor_s"]),
        (resource.RLIMIT_FSIZE, limits["written"]),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(what)
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (allowed, allowed))


def _convert(path: Path, limits: dict[str, int]) -> None:
    import xlrd

    try:
        with open(os.devnull, "w", encoding="utf-8") as silence:  # noqa: PTH123
            # it prints what it finds odd
            book = xlrd.open_workbook(
                str(path), logfile=silence, formatting_info=True, on_demand=True, ragged_rows=True
            )
            listed = [
                _sheet(book, index, path.with_name(f"{index}.arrow"), limits)
                for index in range(book.nsheets)
            ]
    except (_Refused, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever a parser makes of a damaged file
        if "encrypted" in str(error).lower() or _is_locked(path):
            raise _Refused("encrypted", "it is protected by a password") from None
        words = f"{type(error).__name__}: {str(error)[:200]}"
        raise _Refused("unreadable_sheet", f"it cannot be read: {words}") from None
    path.with_name("sheets.json").write_text(json.dumps(listed), "utf-8")


def _is_locked(path: Path) -> bool:
    """Whether it is a newer workbook, inside a container that is protected by a password."""
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return data.find("EncryptedPackage".encode("utf-16-le")) >= 0


def _sheet(book: Any, index: int, path: Path, limits: dict[str, int]) -> dict[str, Any]:
    import pyarrow as pa

    sheet = book.sheet_by_index(index)
    hidden_rows = sum(1 for info in sheet.rowinfo_map.values() if info.hidden)
    formulas = _formulas(book, index)
    schema = pa.schema(
        [("row", pa.int32()), ("column", pa.int32()), ("text", pa.string()), ("kind", pa.uint8())]
    )
    batch: list[list[Any]] = [[], [], [], []]
    count = 0
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        for cell in _cells(book, sheet, formulas):
            count += 1
            if cell[1] >= limits["columns"]:
                where = f"sheet {sheet.name!r}, row {cell[0]}"
                raise _Refused("too_wide", f"{where}: a value beyond column {limits['columns']}")
            if count > limits["cells"]:
                raise _Refused("too_large", f"sheet {sheet.name!r}: too many cells")
            for values, value in zip(batch, cell, strict=True):
                values.append(value)
            if len(batch[0]) >= _BATCH:
                writer.write_batch(pa.record_batch(batch, schema=schema))
                batch = [[], [], [], []]
        writer.write_batch(pa.record_batch(batch, schema=schema))
    # upper ends are not included there
    merges = [
        (top + 1, left, bottom, right - 1)
        for top, bottom, left, right in sheet.merged_cells[:_MERGES]
    ]
    said = f"{hidden_rows:,} rows are hidden in the sheet, and were read"
    if hidden_rows == 1:
        said = "1 row is hidden in the sheet, and was read"
    book.unload_sheet(index)
    return {
        "name": sheet.name,
        "hidden": sheet.visibility != 0,
        "merges": merges,
        "warnings": [said] if hidden_rows else [],
    }


def _cells(
    book: Any, sheet: Any, formulas: set[tuple[int, int]]
) -> Iterator[tuple[int, int, str, int]]:
    from xlrd.formatting import std_format_strings

    from marketsync_dagster.pos.readers import formats
    from marketsync_dagster.pos.tables import Kind

    styles: dict[int, formats.Format] = {}

    def style(index: int) -> formats.Format:
        if index not in styles:
            key = book.xf_list[index].format_key
            known = book.format_map.get(key)
            code = known.format_str if known else None
            # the parser fills in its own dollars where the file leaves a format to the program
            own = code is None or std_format_strings.get(key) == code
            styles[index] = formats.format_of(key, None if own else code)
        return styles[index]

    for row in range(sheet.nrows):
        for column in range(sheet.row_len(row)):
            value, ctype = sheet.cell_value(row, column), sheet.cell_type(row, column)
            if ctype == 1:
                text, kind = value, Kind.TEXT
            elif ctype in (2, 3):
                number = formats.plain(value)
                text, kind = formats.shown(
                    number, style(sheet.cell_xf_index(row, column)), book.datemode == 1
                )
            elif ctype == 4:
                text, kind = ("TRUE" if value else "FALSE"), Kind.BOOLEAN
            elif ctype == 5:
                text, kind = _error(value), Kind.ERROR
            else:
                continue
            if not text:
                continue
            if kind != Kind.ERROR and (row, column) in formulas:
                kind = Kind.FORMULA
            yield row + 1, column, text, int(kind)


def _error(code: int) -> str:
    import xlrd

    return xlrd.error_text_from_code.get(code, "#ERROR")


def _formulas(book: Any, index: int) -> set[tuple[int, int]]:
    """Row and column of every formula of a sheet; xlrd tells no formula from a value."""
    data, position = book.mem, book._sh_abs_posn[index]
    found: set[tuple[int, int]] = set()
    depth = 0
    while position + 4 <= len(data):
        code = int.from_bytes(data[position : position + 2], "little")
        length = int.from_bytes(data[position + 2 : position + 4], "little")
        if code in _BOF:
            # charts inside a sheet have a beginning and an end of their own
            depth += 1
        elif code == _END:
            depth -= 1
            if depth <= 0:
                break
        elif code in _FORMULAS and depth == 1:
            row = int.from_bytes(data[position + 4 : position + 6], "little")
            column = int.from_bytes(data[position + 6 : position + 8], "little")
            found.add((row, column))
        position += 4 + length
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
