"""XLS: odd but valid workbooks are read exactly, and whatever becomes of the child is named."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from marketsync_dagster.pos.readers import xls as xls_module
from marketsync_dagster.pos.readers.xls import read_xls
from marketsync_dagster.pos.reasons import FILE_REASONS
from marketsync_dagster.pos.tables import Kind, Limits, Table
from marketsync_dagster.values.errors import ExtractError
from marketsync_dagster_tests.pos.readers.workbooks import (
    Cells,
    compound,
    kinds_of,
    read_all,
    xls,
    xls_stream,
)

ODD: Cells = {
    (0, 0): "Price list",
    (2, 0): "SKU", (2, 1): "Name", (2, 2): "Price", (2, 3): "Stock",
    (3, 0): "001", (3, 1): "čaj", (3, 2): 19.99, (3, 3): 5,
    (4, 0): ("style", 1, 123), (4, 1): True, (4, 2): ("formula", 2.5), (4, 3): -3,
    (9, 0): 6291041500213, (9, 1): ("error", 42), (9, 2): ("style", 2, 46145),
    (11, 0): "Records: 3",
}  # fmt: skip

FORMATS = ("00000", "dd/mm/yyyy")
GOOD = xls([("S", ODD)], formats=FORMATS)


def read(data: bytes, **options: Any) -> Table:
    return read_xls(data, file="x.xls", **options)


def refused(data: bytes, **options: Any) -> ExtractError:
    with pytest.raises(ExtractError) as caught:
        read_all(read(data, **options))
    error = caught.value
    assert error.next_step == FILE_REASONS[error.code]
    assert error.message.startswith("x.xls")
    return error


def test_every_kind_of_cell_is_read_as_it_is() -> None:
    sheets = [("Notes", {(0, 0): "Hello"}), ("Items", ODD), ("Old", ODD)]
    data = xls(sheets, formats=FORMATS, hidden=["Old"])
    table = read(data)
    assert (table.header_line, table.declared, table.facts["title"]) == (3, None, "Price list")
    assert table.warnings == ["hidden sheets are not read: Old"]
    blocks = list(table.blocks)
    assert read_all(blocks) == {
        "#": [4, 5, 10],
        "SKU": ["001", "00123", "6291041500213"],
        "Name": ["čaj", "TRUE", "#N/A"],
        "Price": ["19.99", "2.5", "2026-05-03"],
        "Stock": ["5", "-3", None],
    }
    assert kinds_of(blocks, "SKU") == [Kind.TEXT, Kind.NUMBER, Kind.NUMBER]
    assert kinds_of(blocks, "Name") == [Kind.TEXT, Kind.BOOLEAN, Kind.ERROR]
    assert kinds_of(blocks, "Price") == [Kind.NUMBER, Kind.FORMULA, Kind.DATE]
    assert read_all(read(data, sheet="Old"))["SKU"][0] == "001"


def test_merged_headers_and_the_days_of_1904() -> None:
    cells: Cells = {
        (0, 0): "SKU", (0, 1): "Price", (1, 1): "Regular", (1, 2): "Special",
        (2, 0): "1", (2, 1): 5, (2, 2): ("style", 1, 44683),
    }  # fmt: skip
    data = xls([("S", cells)], merges=[(0, 1, 0, 0), (0, 0, 1, 2)], from_1904=True,
               formats=["yyyy-mm-dd"])  # fmt: skip
    assert read_all(read(data)) == {
        "#": [3], "SKU": ["1"], "Price Regular": ["5"], "Price Special": ["2026-05-03"],
    }  # fmt: skip


def test_a_currency_that_the_file_does_not_name_is_not_made_up() -> None:
    cells: Cells = {(0, 0): "SKU", (0, 1): "Price", (1, 0): "1", (1, 1): ("style", 1, 5),
                    (2, 0): "2", (2, 1): ("style", 2, 6)}  # fmt: skip
    euros = '0.00" €"'
    data = xls([("S", cells)], formats=[euros], styles=[7])
    assert read_all(read(data))["Price"] == ["5 €", "6"]


def test_a_workbook_without_a_container_is_read_too() -> None:
    data = xls_stream([("S", {(0, 0): "SKU", (0, 1): "Price", (1, 0): "1", (1, 1): 2})])
    assert read_all(read(data))["Price"] == ["2"]


def test_what_is_no_workbook_is_named(tmp_path: Path) -> None:
    assert refused(b"").code == "empty"
    error = refused(b"<html><table>")
    assert (error.code, error.message) == ("unreadable_sheet", "x.xls is no XLS file")
    assert refused(compound(b"x", "Workbook")).code == "unreadable_sheet"
    assert refused(compound(b"x", "EncryptedPackage")).code == "encrypted"
    locked = b"\x2f\0\6\0" + bytes([1, 0, 1, 0, 1, 0])
    assert refused(xls([("S", {(0, 0): "a"})], before=locked)).code == "encrypted"
    assert refused(xls([("S", {})])).code == "empty"
    error = refused(GOOD, limits=Limits(cells=5))
    assert (error.code, error.message) == ("too_large", "x.xls: sheet 'S': too many cells")
    assert refused(GOOD, limits=Limits(columns=2)).code == "too_wide"
    with pytest.raises(ExtractError) as caught:
        read_xls(tmp_path / "none.xls", file="x.xls")
    assert caught.value.code == "missing"


def test_a_cut_or_changed_workbook_is_named_or_read_whole() -> None:
    """A few places: each costs a process."""
    data = xls([("Items", ODD)], formats=FORMATS)
    whole = read_all(read(data))
    for length in (100, 600, 1700):
        assert refused(data[:length]).code == "unreadable_sheet"
    for place in (76, 1090, 1540, 1900):
        changed = bytearray(data)
        changed[place] ^= 0x41
        try:
            found = read_all(read(bytes(changed)))
        except ExtractError:
            continue
        assert found["#"] == whole["#"]


AS_CHILD = (
    "import sys; from marketsync_dagster.pos.readers import xls_child as c; "
    "c._convert = lambda path, _: {}; sys.exit(c.main(sys.argv[1:]))"
)
PARSERS = [
    ("crashes", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
    ("gives up", "import os; os.abort()", "SIGABRT"),
    ("fails", "raise SystemExit(7)", "code 7"),
    ("has a fault", "raise KeyError(1)", "code 1"),
    ("takes all memory", AS_CHILD.format("bytearray(2**32)"), "too much memory"),
    ("writes without end", AS_CHILD.format("path.with_name('a').write_bytes(bytes(5000))"), "ende"),
    ("works without end", AS_CHILD.format("[None for _ in iter(int, 1)]"), "SIG"),
    ("never ends", "import time; time.sleep(60)", "longer than 1 seconds"),
    ("leaves nothing", "pass", "could not be listed"),
    ("refuses without a word", "raise SystemExit(3)", "did not say why"),
]


@pytest.mark.parametrize(("name", "code", "says"), PARSERS, ids=[case[0] for case in PARSERS])
def test_however_the_parser_ends_the_file_is_refused_by_name(
    name: str, code: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xls_module, "PROCESSOR_S", 1)
    monkeypatch.setattr(xls_module, "WALL_S", 1 if name == "never ends" else 30)
    limits = Limits(unpacked_bytes=1000) if "writes" in name else None
    error = refused(GOOD, child=("-c", code), limits=limits)
    assert error.code == "unreadable_sheet"
    assert says in error.message


def test_the_parser_has_none_of_our_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKETSYNC_MASTER_KEY", "top-secret")
    code = "import os, sys; sys.exit(9 if 'MARKETSYNC_MASTER_KEY' in os.environ else 8)"
    assert "code 8" in refused(GOOD, child=("-c", code)).message


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    read_all(read(GOOD))
    refused(GOOD, child=("-c", "raise SystemExit(7)"))
    assert not list(tmp_path.iterdir())


def test_the_child_needs_nothing_but_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.xls"
    path.write_bytes(GOOD)
    limits = (
        '{"memory": 1073741824, "processor_s": 20, "written": 1000000, "cells": 99, "columns": 9}'
    )
    command = [sys.executable, "-m", "marketsync_dagster.pos.readers.xls_child", str(path), limits]
    done = subprocess.run(command, env=dict(os.environ), capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, b"")
    assert sorted(found.name for found in tmp_path.iterdir()) == ["0.arrow", "a.xls", "sheets.json"]
