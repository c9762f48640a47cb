"""`config check` looks into the folders that several outlets share."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from marketsync_dagster.cli import check_shared
from marketsync_dagster_tests.cli.conftest import Run

COLUMN = "{kind: directory, path: drop, outlet: {from: column, column: Branch}}"
NAME = '{kind: directory, path: drop, outlet: {from: name, pattern: "_(?P<outlet>[0-9]+)_"}}'
TABLE = "Branch,SKU,Price\n028,A1,10.00\n029,A1,11.00\n"


@pytest.fixture
def drop(empty: Path) -> Path:
    folder = empty / "drop"
    folder.mkdir()
    return folder


def check(run: Run, folder: Path, source: str) -> tuple[int, dict[str, Any]]:
    """Exit code, and every finding of the source and of its outlets: kind, path -> message."""
    (folder.parent / "marketsync.yaml").write_text(
        f"version: 1\nsources:\n  chain: {source}\noutlets:\n"
        '  a: {name: A, extract: {source: chain, keys: ["028"]}}\n'
        '  b: {name: B, extract: {source: chain, keys: ["029", "29"]}}\n'
    )
    result = run("config", "check", "--json")
    report = json.loads(result.out)
    found = {
        f"{kind} {one['path']}": one["message"]
        for kind in ("errors", "warnings")
        for one in report[kind]
        if not one["message"].startswith("no channel")
    }
    assert all(one["line"] > 1 for one in (*report["errors"], *report["warnings"]))
    return result.code, found


def test_a_folder_that_is_as_configured_has_no_findings(drop: Path, run: Run) -> None:
    (drop / "all.csv").write_text(TABLE)
    assert check(run, drop, COLUMN) == (0, {})
    (drop / "all.csv").unlink()
    for key in ("028", "029"):
        (drop / f"x_{key}_.csv").write_text("SKU,Price\nA1,10.00\n")
    assert check(run, drop, NAME) == (0, {})


@pytest.mark.parametrize("packed", [False, True])
def test_a_column_of_outlets_that_is_not_there_is_an_error(
    drop: Path, run: Run, packed: bool
) -> None:
    raw = TABLE.encode()
    (drop / "all.csv").write_bytes(gzip.compress(raw) if packed else raw)
    code, found = check(run, drop, COLUMN.replace("Branch", "Filiale"))
    assert (code, list(found)) == (1, ["errors sources.chain.outlet"])
    words = found["errors sources.chain.outlet"]
    assert words.startswith("drop/all.csv: no column called 'Filiale' says which outlet")
    assert "'Branch', 'SKU', 'Price'" in words


def test_columns_that_are_not_there_are_errors(drop: Path, run: Run) -> None:
    (drop / "all.csv").write_text(TABLE)
    code, found = check(
        run, drop, COLUMN.replace("path", "columns: {sku: SKU, price: Preis}, path")
    )
    assert code == 1
    assert "no column 'Preis' for price" in found["errors sources.chain.columns"]
    (drop / "all.csv").write_text(TABLE.replace("Price", "Colour"))
    code, found = check(run, drop, COLUMN)
    assert "no column holds the price" in found["errors sources.chain.columns"]


def test_a_preset_that_does_not_fit_is_an_error_and_one_that_would_is_said(
    drop: Path, run: Run
) -> None:
    (drop / "all.csv").write_text(TABLE)
    code, found = check(run, drop, COLUMN.replace("path", "preset: square, path"))
    assert code == 1
    assert "drop/all.csv" in found["errors sources.chain.preset"]
    items = Path(__file__).parents[2] / "examples" / "presets" / "loyverse" / "items.csv"
    (drop / "all.csv").write_bytes(items.read_bytes())
    code, found = check(run, drop, "{kind: directory, path: drop, outlet: {from: column}}")
    assert "say `preset: loyverse`" in found["warnings sources.chain.preset"]


def test_keys_that_the_newest_file_does_not_have_are_warnings(drop: Path, run: Run) -> None:
    (drop / "all.csv").write_text(TABLE.replace("029", "0029"))
    code, found = check(run, drop, COLUMN)
    assert code == 0
    assert found == {
        "warnings outlets.b.extract.keys": (
            "nothing in the newest file of drop is of '029' or '29', only of '028', '0029'"
        ),
        "warnings sources.chain.outlet": (
            "there are files or rows of an outlet that no `keys` name: '0029'"
        ),
    }
    (drop / "all.csv").write_text("SKU,Price\nA1,10.00\n")
    code, found = check(run, drop, "{kind: directory, path: drop, outlet: {from: column}}")
    assert "no column says which outlet a row" in found["errors sources.chain.outlet"]
    (drop / "all.csv").write_text(TABLE.replace("029", "0029"))
    # of changes nobody expects that every outlet has some
    code, found = check(run, drop, COLUMN.replace("path", "coverage: delta, path"))
    assert "warnings outlets.b.extract.keys" not in found


def test_files_that_are_of_no_outlet_are_named_some_of_them(drop: Path, run: Run) -> None:
    for name in ("x_028_.csv", *(f"y_1{n}_.csv" for n in range(9)), "Store 028.csv", "z.csv"):
        (drop / name).write_text("SKU,Price\nA1,10.00\n")
    code, found = check(run, drop, NAME)
    assert code == 0
    assert (
        "nothing in drop is of '029' or '29', only of '028', '10', '11' and 7 more"
        in (found["warnings outlets.b.extract.keys"])
    )
    assert found["warnings sources.chain.outlet"] == (
        "there are files or rows of 9 outlets that no `keys` name: '10', '11', '12' and 6 more"
    )
    (drop / "y_10_.csv").unlink()
    for number in range(1, 9):
        (drop / f"y_1{number}_.csv").unlink()
    code, found = check(run, drop, NAME)
    assert found["warnings sources.chain.outlet"] == (
        "2 files do not say by name which outlet they are of, and nobody reads them: "
        "Store 028.csv, z.csv"
    )


def test_of_a_large_table_the_first_lines_are_looked_at(
    drop: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_shared, "CHEAP", 1000)
    monkeypatch.setattr(check_shared, "_HEAD", 500)
    rows = "".join(f"028,A{number},10.00\n" for number in range(200))
    (drop / "all.csv").write_text("Branch,SKU,Price\n" + rows)
    # that 029 is not among the first says nothing
    assert check(run, drop, COLUMN) == (0, {})
    code, found = check(run, drop, COLUMN.replace("Branch", "Filiale"))
    assert (code, list(found)) == (1, ["errors sources.chain.outlet"])
    lines = "".join(f'{{"Branch": "028", "SKU": "{n}", "Price": 1}}\n' for n in range(200))
    (drop / "all.csv").write_text(lines)
    assert check(run, drop, COLUMN.replace("Branch", "Filiale")) == (0, {})


def test_outlets_that_are_read_in_ways_of_their_own_are_looked_at_in_these(
    drop: Path, run: Run
) -> None:
    (drop / "all.csv").write_text(TABLE)
    assert check(run, drop, COLUMN) == (0, {})
    config = drop.parent / "marketsync.yaml"
    text = config.read_text().replace('"29"]', '"29"], columns: {sku: Kode, price: Price}')
    config.write_text(text)
    errors = json.loads(run("config", "check", "--json").out)["errors"]
    words = {one["path"]: one["message"] for one in errors if "drop" in one["message"]}
    assert list(words) == ["outlets.b.extract.columns"]
    assert "no column 'Kode' for sku" in words["outlets.b.extract.columns"]


def test_an_archive_may_hold_the_files_of_any_outlet(drop: Path, run: Run) -> None:
    (drop / "x_028_.csv").write_text("SKU,Price\nA1,10.00\n")
    (drop / "all.zip").write_bytes(b"")
    source = NAME.replace("path: drop", 'path: drop, pattern: "*"')
    assert check(run, drop, source) == (0, {})


@pytest.mark.parametrize("raw", [b"", b"\0\1\2" * 50, b"PK\3\4broken", b"\x1f\x8b\x08nothing"])
def test_what_is_wrong_with_a_file_itself_is_no_mistake_of_the_configuration(
    drop: Path, run: Run, raw: bytes
) -> None:
    (drop / "all.csv").write_bytes(raw)
    assert check(run, drop, COLUMN) == (0, {})
