"""`check-extract --against`: what differs between two files, as words and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

from marketsync_dagster_tests.cli.conftest import EXTRACT, Run


def test_two_files_are_compared_and_nothing_is_refused_for_it(empty: Path, run: Run) -> None:
    (empty / "old.csv").write_text(EXTRACT)
    (empty / "new.csv").write_text(EXTRACT.replace("Stock", "Qty").replace(",", ";"))
    result = run("check-extract", "new.csv", "--against", "old.csv", "--json")
    report = json.loads(result.out)
    assert result.code == 0
    assert list(report)[-1] == "drift"
    assert report["drift"] == [
        {
            "change": "column_renamed",
            "column": "Qty",
            "words": "stock is read from 'Qty', it was read from 'Stock'",
        },
        {
            "change": "delimiter_changed",
            "column": "",
            "words": "the delimiter is ';', it was ','",
        },
    ]
    said = run("check-extract", "new.csv", "--against", "old.csv").out
    assert "2 differences from old.csv:\n  stock is read from 'Qty'" in said


def test_a_file_that_differs_in_nothing_says_so(empty: Path, run: Run) -> None:
    (empty / "old.csv").write_text(EXTRACT)
    result = run("check-extract", "old.csv", "--against", "old.csv")
    assert "nothing differs from old.csv but its rows" in result.out
    assert json.loads(run("check-extract", "old.csv", "--json").out).get("drift") is None


def test_the_other_file_is_named_if_it_cannot_be_read(empty: Path, run: Run) -> None:
    (empty / "new.csv").write_text(EXTRACT)
    (empty / "old.csv").write_text("nothing,here\n1,2\n")
    result = run("check-extract", "new.csv", "--against", "old.csv")
    assert (result.code, result.out) == (1, "")
    assert "old.csv" in result.err
