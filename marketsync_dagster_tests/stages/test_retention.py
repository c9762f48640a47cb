"""Retention over a project that has worked: every price is still explained, the guard still
knows what it compares with, and what nobody needs is gone."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from marketsync_dagster.ledger import tables as t
from marketsync_dagster.ledger import upkeep
from marketsync_dagster.ledger.backup import backups_in
from marketsync_dagster.ledger.care import check
from marketsync_dagster.stages.explain import explain
from marketsync_dagster.stages.retention import Pruned, prune
from marketsync_dagster.values.times import utcnow
from marketsync_dagster_tests.ledgers import ENGINES, Engine
from marketsync_dagster_tests.projects import (
    FULL,
    PARTIAL,
    TestBed,
    make_project,
    repriced,
    some_rows,
)
from marketsync_dagster_tests.sandbox_process import SandboxProcess

ROWS = some_rows(30)
YEARS = timedelta(days=800)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))


def stories(bed: TestBed) -> dict[str, dict[str, Any]]:
    """What is told of every SKU, but for the history of changes."""
    with bed.run() as project:
        told = {row.sku: explain(project, "westlands", "tracker_ke", row.sku) for row in ROWS}
    for story in told.values():
        del story["history"][1:]
    return told


def pruned(bed: TestBed, later: timedelta, *, dry_run: bool = False) -> Pruned:
    with bed.run() as project:
        return prune(project, now=utcnow() + later, dry_run=dry_run)


def originals(bed: TestBed) -> int:
    return len(list((bed.root / ".marketsync" / "archive").glob("??/*")))


@pytest.mark.parametrize("engine", ENGINES)
def test_years_later_every_present_price_is_still_explained_and_guarded(
    engine: Engine, tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    bed = make_project(
        tmp_path, fresh_sandbox, rows=ROWS, platforms=["tracker_ke"], engine=engine,
        extract={"coverage": "delta"},
    )  # fmt: skip
    bed.sync("tracker_ke", FULL)
    for more, first in enumerate((0, 3, 6, 0, 3), 1):  # what changes twice needs its first no more
        bed.write_extract([replace(row, price=f"{100 + more}.00") for row in ROWS[first:][:3]])
        assert bed.sync("tracker_ke", PARTIAL).one.ok
    bed.write_extract(repriced(ROWS[9:11], lambda price: price * 100))
    assert bed.sync("tracker_ke", PARTIAL).one.numbers["held"] == 2
    before, files = stories(bed), originals(bed)

    said = pruned(bed, YEARS, dry_run=True)
    assert originals(bed) == files
    done = pruned(bed, YEARS)

    assert done.removed == said.removed
    assert stories(bed) == before
    for name in ("api_calls", "events", "pushes", "plans", "originals"):
        assert done.removed[name] > 0, name
    assert originals(bed) == files - done.removed["originals"]
    with bed.run() as project:
        report = check(project.settings, project.ledger.url)
        assert report.findings == []
        with project.ledger.read() as connection:
            rows = connection.execute(select(t.listing.c.ack_price_minor)).scalars()
            assert all(rows)
    # the guard: what it held it holds again, and a shifted point is still seen
    assert bed.sync("tracker_ke", PARTIAL).one.numbers["held"] == 2
    bed.write_extract(repriced(ROWS[12:13], lambda price: price / 100))
    assert bed.sync("tracker_ke", PARTIAL).one.numbers["held"] == 3


def test_files_that_nothing_speaks_of_go_once_they_are_old_enough(
    tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    bed = make_project(tmp_path, fresh_sandbox, rows=ROWS, platforms=["tracker_ke"])
    bed.sync("tracker_ke", FULL)
    home = bed.root / ".marketsync"
    long_ago = time.time() - 86_400 * 100
    odd = {
        "archive/aa/" + "a" * 64: True,
        "archive/bb/" + "b" * 64: False,
        "frames/pos/catalog/closed.parquet": True,
        "frames/pos/catalog/closing.parquet": False,
        "frames/pos/.catalog.parquet.1.tmp": True,
        "archive/.incoming-1": True,
        "backups/.ledger.zip.1.part": True,
        "backups/notes.zip": False,
    }
    for number in range(16):
        odd[f"backups/ledger-20261101-0000{number:02}-000.zip"] = number < 2
    for name, goes in odd.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        if goes or name.startswith("backups"):
            os.utime(path, (long_ago, long_ago))
    kept = {path for path in home.rglob("*") if path.is_file()}

    done = pruned(bed, timedelta())

    gone = kept - {path for path in home.rglob("*") if path.is_file()}
    assert gone == {home / name for name, goes in odd.items() if goes}
    names = ("originals", "frames", "backups", "leftovers")
    assert [done.removed[name] for name in names] == [1, 1, 2, 3]
    assert len(backups_in(home / "backups")) == 14
    assert bed.sync("tracker_ke", PARTIAL).one.state == "unchanged"


def test_what_was_removed_and_all_sizes_are_noted(
    tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    bed = make_project(tmp_path, fresh_sandbox, rows=ROWS, platforms=["tracker_ke"])
    bed.sync("tracker_ke", FULL)
    done = pruned(bed, YEARS)
    with bed.run() as project:
        noted = upkeep.last(project.ledger, upkeep.RETENTION)
    assert noted is not None
    assert noted.details["removed"] == done.removed
    assert (noted.details["before"], noted.details["after"]) == (done.before, done.after)
    assert done.before["rows_api_call"] == done.removed["api_calls"] == 3
    assert done.after["rows_api_call"] == 0
    for sizes in (done.removed, done.before, done.after):
        assert all(type(size) is int for size in sizes.values())
    pruned(bed, YEARS, dry_run=True)
    with bed.run() as project:
        assert upkeep.last(project.ledger, upkeep.RETENTION) == noted
