"""`check-extract` on files with several outlets, on archives and with every option."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from marketsync_dagster_tests.cli.conftest import EXTRACT, Run

BRANCHES = "sku,name,branch,price\n1,Tea,North,5\n1,Tea,South,6\n2,Rice,South,x\n"


def test_the_outlets_of_a_file_are_listed_and_one_is_told(empty: Path, run: Run) -> None:
    (empty / "x.csv").write_text(BRANCHES)
    refused = run("check-extract", "x.csv")
    assert (refused.code, refused.out) == (1, "")
    assert "outlets in x.csv:\n  North\n  South\n" in refused.err
    assert "error: x.csv has 2 outlets: 'North', 'South'" in refused.err
    assert "--outlet" in refused.err
    north = run("check-extract", "x.csv", "--outlet", "North", "--json")
    assert (north.code, json.loads(north.out)["rows"]) == (0, 1)
    both = run("check-extract", "x.csv", "--outlet", "south")
    assert both.code == 4
    assert "2 rows = 1 accepted + 1 rejected + 0 duplicates" in both.out
    none = run("check-extract", "x.csv", "--outlet", "West")
    assert none.code == 1
    assert "nothing of 'West'" in none.err


def test_every_document_of_an_archive_is_told_with_its_numbers(empty: Path, run: Run) -> None:
    with zipfile.ZipFile(empty / "x.zip", "w") as archive:
        archive.writestr("one.csv", EXTRACT)
        archive.writestr("two.csv", "nothing,here\n1,2\n")
    told = run("check-extract", "x.zip")
    assert told.code == 4
    lines = told.out.splitlines()
    assert lines[0] == "x.zip/one.csv"
    assert "  3 rows = 3 accepted + 0 rejected + 0 duplicates" in lines
    assert any(line.startswith("  refused: x.zip/two.csv, line 1: no column") for line in lines)
    assert lines[-1] == "3 rows = 3 accepted + 0 rejected + 0 duplicates"
    with zipfile.ZipFile(empty / "x.zip", "w") as archive:
        archive.writestr("one.csv", "")
        archive.writestr("two.csv", "nothing,here\n1,2\n")
        archive.writestr("three.csv", "nothing,here\n1,2\n")
    refused = run("check-extract", "x.zip")
    assert (refused.code, refused.out) == (1, "")
    assert "2 documents in x.zip are refused; the first:" in refused.err


def test_the_reasons_are_counted_with_what_to_do_and_some_rows_are_shown(
    empty: Path, run: Run
) -> None:
    bad = "".join(f"A{number},x,{number}\n" for number in range(100))
    (empty / "x.csv").write_text(f"sku,price,stock\n{bad}B,-1,2\nC,5,2\n")
    told = run("check-extract", "x.csv")
    assert told.code == 4
    words = [line.split() for line in told.out.splitlines()]
    assert ["bad_price", "100", "2"] in words
    assert ["negative_price", "1", "102"] in words
    assert ["102", "price", "-1", "negative_price"] in words
    assert "negative_price: A price is above zero: correct it in the POS." in told.out
    assert len(words) < 60
    assert "rejected rows shown; --json has all of them" in told.err
    assert len(json.loads(run("check-extract", "x.csv", "--json").out)["rejects"]) == 101


@pytest.mark.parametrize(
    ("text", "options", "accepted"),
    [
        ("sku;price\n1;1,234\n", ["--decimal", "."], 1),
        ("sku;price\n1;1,234\n", [], 0),
        ("sku\tprice\n1\t2\n", ["--delimiter", "tab"], 1),
        ("sku||price\n1||2\n", ["--delimiter", "||"], 1),
        ("sku,price\n1,2\n1,3\n", ["--duplicates", "last"], 1),
        ("sku,price\n1,2\n1,3\n", [], 0),
        ('{"a": {"x": [{"sku": "1", "price": 2}]}, "b": [{"sku": "2", "price": 3}]}',
         ["--records", "b"], 1),
        ("sku,price\n1,2\n", ["--preset", "auto", "--coverage", "delta"], 1),
        ("sku,price\n1,2\n", ["--encoding", "windows-1250", "--currency", "EUR"], 1),
    ],
)  # fmt: skip
def test_what_is_said_of_a_file_is_used(
    text: str, options: list[str], accepted: int, empty: Path, run: Run
) -> None:
    (empty / "x.csv").write_text(text)
    result = run("check-extract", "x.csv", *options, "--json")
    assert json.loads(result.out)["accepted"] == accepted, result


def test_two_files_with_several_extracts_are_not_compared(empty: Path, run: Run) -> None:
    with zipfile.ZipFile(empty / "x.zip", "w") as archive:
        archive.writestr("one.csv", EXTRACT)
        archive.writestr("two.csv", EXTRACT)
    result = run("check-extract", "x.zip", "--against", "x.zip")
    assert (result.code, result.out) == (64, "")
    assert "say which with --outlet" in result.err


@pytest.mark.parametrize(
    ("name", "options", "code", "outlets"),
    [
        ("x.csv", [], "many_outlets", ["North", "South"]),
        ("x.csv", ["--outlet", "West"], "not_in_file", None),
        ("none.csv", [], "missing", None),
        (".", [], "unreadable", None),
        ("good.csv", ["--against", "x.csv"], "many_outlets", ["North", "South"]),
    ],
)
def test_a_refused_file_is_told_as_json_too(
    name: str, options: list[str], code: str, outlets: list[str] | None, empty: Path, run: Run
) -> None:
    (empty / "x.csv").write_text(BRANCHES)
    (empty / "good.csv").write_text(EXTRACT)
    refused = run("check-extract", name, *options, "--json")
    assert refused.code == 1
    said = json.loads(refused.out)
    assert set(said) == ({"refused", "outlets"} if outlets else {"refused"})
    assert said.get("outlets") == outlets
    assert said["refused"]["code"] == code
    assert set(said["refused"]) == {"code", "message", "next_step"}
    assert f"error: {said['refused']['message']}\n" in refused.err


def test_rows_that_are_passed_over_and_options_without_effect_are_told(
    empty: Path, run: Run
) -> None:
    (empty / "x.csv").write_text(BRANCHES + "3,Salt,,4\n")
    told = run("check-extract", "x.csv", "--outlet", "North", "--sheet", "X")
    lines = told.out.splitlines()
    assert "passed over: 1 row that names no outlet, the first on line 5" in lines
    assert "passed over: 2 rows of 1 other outlet ('South'), the first on line 3" in lines
    assert "--sheet has no effect: it is not for CSV" in lines


@pytest.mark.parametrize(
    ("given", "meant"),
    [("KSH", "KES"), ("Tsh", "TZS"), ("USH", "UGX"), ("TL", "TRY"), ("nis", "ILS"), ("kes", "KES"),
     ("Rs", "INR or PKR")],
)  # fmt: skip
def test_a_currency_by_its_local_name_is_told_its_code(
    given: str, meant: str, empty: Path, run: Run
) -> None:
    (empty / "x.csv").write_text(EXTRACT)
    refused = run("check-extract", "x.csv", "--currency", given)
    assert refused.code == 64
    assert f"unknown currency {given!r} (did you mean {meant}" in refused.err
