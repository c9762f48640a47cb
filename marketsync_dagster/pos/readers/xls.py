"""XLS, the binary workbooks of Excel 97 to 2003 and before, read by xlrd in a process of its own.

The format is a file system with records that point at each other; a damaged or hostile file may
keep a parser busy for ever or make it ask for all memory. So the parser (`xls_child`) runs with
limits on memory, processor time and what it writes, without this process's environment, and
leaves each sheet as a file of cells. However it ends, the worst is a refused file.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from marketsync_dagster.pos.readers.grid import Cell, Merge, Row, Sheet, table_of
from marketsync_dagster.pos.reasons import refuse
from marketsync_dagster.pos.streams import open_source
from marketsync_dagster.pos.tables import Kind, Limits, Table

MEMORY = 2**30
"""Address space of the child, in bytes."""
PROCESSOR_S = 60
WALL_S = 120
_REFUSED = 3
_KEPT_VARIABLES = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR")
_SIGNATURES = (
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    b"\x09\x00",
    b"\x09\x02",
    b"\x09\x04",
    b"\x09\x08",
)


def read_xls(
    source: Path | bytes,
    *,
    sheet: str | None = None,
    columns: Mapping[str, str] | None = None,
    file: str,
    limits: Limits | None = None,
    child: Sequence[str] = ("-m", "marketsync_dagster.pos.readers.xls_child"),
) -> Table:
    """The table of one sheet; `columns` are the configured ones, canonical name -> header.

    `child` are the arguments of Python that start the parser. Raises ExtractError: missing,
    unreadable, empty, too_large, encrypted, unreadable_sheet, unknown_sheet, ambiguous_sheet; so
    do the blocks.
    """
    limits = limits or Limits()
    with tempfile.TemporaryDirectory(prefix="marketsync-xls-") as folder:
        path = Path(folder) / "workbook.xls"
        with open_source(source, file, limits) as stream, path.open("wb") as copy:
            if not stream.read(8).startswith(_SIGNATURES):
                raise refuse("unreadable_sheet", f"{file} is no XLS file")
            stream.seek(0)
            shutil.copyfileobj(stream, copy)
        _run(path, file, limits, child)
        sheets = _sheets(Path(folder), file)
        # the sheets are mapped into memory, and stay readable without their directory
        return table_of(sheets, sheet, columns or {}, file, limits)


def _run(path: Path, file: str, limits: Limits, child: Sequence[str]) -> None:
    asked = {"memory": MEMORY, "processor_s": PROCESSOR_S, "written": limits.unpacked_bytes,
             "cells": limits.cells, "columns": limits.columns}  # fmt: skip
    # -P: nothing is imported from the directory of the file
    command = [sys.executable, "-P", *child, str(path), json.dumps(asked)]
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=_environment(),
            cwd=path.parent,
            timeout=WALL_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise refuse(
            "unreadable_sheet", f"{file}: reading it took longer than {WALL_S} seconds"
        ) from None
    if done.returncode == 0:
        return
    if done.returncode == _REFUSED:
        said = _said(done.stderr)
        raise refuse(said["code"], f"{file}: {said['message']}")
    if done.returncode < 0:
        how = f"was ended by {signal.Signals(-done.returncode).name}"
    else:
        how = f"ended with code {done.returncode}"
    raise refuse("unreadable_sheet", f"{file}: the process that read it {how}")


def _environment() -> dict[str, str]:
    """What Python needs to start, and none of the secrets."""
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    paths = [str(Path(__file__).parents[3]), kept.get("PYTHONPATH", "")]
    return {**kept, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}


def _said(output: bytes) -> dict[str, str]:
    try:
        return json.loads(output.decode("utf-8", "replace").splitlines()[-1])
    except (ValueError, IndexError):
        return {"code": "unreadable_sheet", "message": "the process that read it did not say why"}


def _sheets(folder: Path, file: str) -> list[Sheet]:
    try:
        listed: list[dict[str, Any]] = json.loads((folder / "sheets.json").read_bytes())
    except (OSError, ValueError):
        raise refuse("unreadable_sheet", f"{file}: its sheets could not be listed") from None
    return [_sheet(folder / f"{index}.arrow", said) for index, said in enumerate(listed)]


def _sheet(path: Path, said: dict[str, Any]) -> Sheet:
    cells = pa.memory_map(str(path))
    merges = [Merge(*merge) for merge in said["merges"]]
    return Sheet(
        said["name"], said["hidden"], lambda: _rows(cells), lambda: merges, said["warnings"]
    )


def _rows(cells: pa.MemoryMappedFile) -> Iterator[Row]:
    """Rows of a file with one line per cell, in the order of rows."""
    current, row = 0, dict[int, Cell]()
    reader = pa.ipc.open_file(cells)
    for index in range(reader.num_record_batches):
        batch = reader.get_batch(index)
        listed = (batch.column(name).to_pylist() for name in ("row", "column", "text", "kind"))
        for number, column, text, kind in zip(*listed, strict=True):
            if number != current:
                if row:
                    yield current, row
                current, row = number, {}
            row[column] = (text, Kind(kind))
    if row:
        yield current, row
