"""Test runs from the command line: every job that sends something can send some of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from marketsync_dagster_tests.cli.conftest import Run
from marketsync_dagster_tests.projects import TestBed, make_project, repriced, some_rows
from marketsync_dagster_tests.sandbox_process import SandboxProcess

ROWS = some_rows(20)


@pytest.fixture
def bed(
    tmp_path: Path, fresh_sandbox: SandboxProcess, empty: Path, monkeypatch: pytest.MonkeyPatch
) -> TestBed:
    made = make_project(
        tmp_path, fresh_sandbox, rows=ROWS, platforms=["tracker_ke"], guard={"min_rows": 100}
    )
    monkeypatch.setenv("MARKETSYNC_CONFIG", str(made.root / "marketsync.yaml"))
    monkeypatch.setenv("MARKETSYNC_DATABASE_URL", made.place.ledger_url)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    for name, value in made.place.variables.items():
        monkeypatch.setenv(name, value)
    return made


def test_every_job_sends_what_is_asked_for_and_says_what_it_left_out(
    bed: TestBed, run: Run
) -> None:
    def sent(*words: str) -> tuple[float, float | None, Any]:
        """Rows sent, rows left out, and what is said of these, of one run."""
        result = run("run", *words, "--json")
        assert result.code == 0, result
        said = json.loads(result.out)
        (listings,) = (r for r in said["results"] if r["stage"] == "tracker_ke_listings")
        left = said["left_out"]
        return listings["numbers"]["sent"], left and left["rows"], left and left["next_step"]

    first = run("plan", "--limit", "5", "--mode", "full")
    assert "to send: 5 rows, 1 call, less than a minute" in first.out
    assert "next: marketsync run full_sync --limit 5\n" in first.err
    result = run("run", "full_sync", "--limit", "5")
    assert (
        "not sent this time (--limit 5): 15 rows\n  next: marketsync run full_sync\n" in result.out
    )
    assert len(bed.shown("tracker_ke")) == 5
    assert sent("full_sync", "--mode", "partial") == (15, None, None)

    rows = repriced(ROWS[:8], lambda price: price + 1) + ROWS[8:]
    bed.write_extract([*rows[:4], *(replace(row, stock="0") for row in rows[4:10]), *rows[10:]])
    rest = "marketsync run partial_sync"
    assert sent("partial_sync", "--sku", "00001") == (1, 9, rest)
    before = bed.shown("tracker_ke")
    # the stock alone: of six rows, four with another price too; three have nothing but that
    assert sent("stock_sync", "--limit", "2") == (2, 4 + 3, "marketsync run stock_sync")
    assert sent("stock_sync") == (4, None, None)
    now = bed.shown("tracker_ke")
    assert [now[item][0] for item in before] == [price for price, _ in before.values()]
    push = ("push_tracker_ke", "--outlet", "westlands")
    planned = run("plan", "--platform", "tracker_ke", "--field", "price", "--limit", "3")
    assert "next: marketsync run push_tracker_ke --limit 3 --field price\n" in planned.err
    left = "marketsync run push_tracker_ke --outlet westlands"
    assert sent(*push, "--field", "price", "--limit", "3") == (3, 4, left)
    assert sent(*push, "--field", "price") == (4, 0, left)
    assert bed.differences("tracker_ke") == {}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("retention", "--limit", "5"), "retention pushes nothing: --limit 5 has no meaning"),
        (("refresh_mappings", "--sku", "1001"), "refresh_mappings pushes nothing: --sku has no"),
        (("test_connections", "--field", "price"), "pushes nothing: --field price has no meaning"),
        (("stock_sync", "--field", "price"), "stock_sync is about the stock alone"),
        (("full_sync", "--field", "colour"), "'colour'"),
    ],
)
def test_what_a_job_cannot_do_is_wrong_usage(
    words: tuple[str, ...], message: str, project: Path, run: Run
) -> None:
    result = run("run", *words)
    assert (result.code, message in result.err) == (64, True), result.err
