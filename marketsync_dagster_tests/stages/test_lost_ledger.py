"""A ledger that is lost or taken back from a backup: in the end the platform shows the feed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from marketsync_dagster.ledger import plans
from marketsync_dagster.ledger.backup import Backup, backup
from marketsync_dagster.ledger.care import check
from marketsync_dagster.ledger.extracts import latest_accepted
from marketsync_dagster.ledger.restore import restore
from marketsync_dagster.push import decisions
from marketsync_dagster.stages.project import Project
from marketsync_dagster_tests.ledgers import Engine, new_ledger_url
from marketsync_dagster_tests.projects import (
    FULL,
    PARTIAL,
    Place,
    TestBed,
    make_project,
    repriced,
    run_sync,
    some_rows,
)
from marketsync_dagster_tests.sandbox_process import SandboxProcess

ROWS = some_rows(40)
BOTH: list[tuple[str, Engine]] = [("tracker_ke", "sqlite"), ("pasons", "postgresql")]
"""Each platform and each engine once."""


@pytest.fixture(params=BOTH, ids=[f"{platform} on {engine}" for platform, engine in BOTH])
def at(request: pytest.FixtureRequest) -> tuple[str, Engine]:
    return request.param


def project_of(
    tmp_path: Path, sandbox: SandboxProcess, at: tuple[str, Engine], **more: Any
) -> TestBed:
    return make_project(tmp_path, sandbox, rows=ROWS, platforms=[at[0]], engine=at[1], **more)


def lose_the_ledger(bed: TestBed, engine: Engine) -> None:
    """The database is gone; what stands beside it stays."""
    bed.place = Place(bed.root, new_ledger_url(engine, bed.root), bed.place.variables)


def moved_prices(count: int) -> Any:
    return [*repriced(ROWS[:count], lambda price: price + 1), *ROWS[count:]]


def whole(project: Project) -> bool:
    """Every law holds in the ledger."""
    report = check(project.settings, project.ledger.url)
    return [f for f in report.findings if f.subject not in ("archive", "frames")] == []


@pytest.mark.parametrize("kept", ["the data folder", "nothing but the configuration"])
def test_a_lost_ledger_is_rebuilt_by_a_full_run_through_the_guard(
    kept: str, at: tuple[str, Engine], tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    platform, engine = at
    bed = project_of(tmp_path, fresh_sandbox, at, guard={"initial": "approve"})
    bed.configure(lambda _: bed.channel(platform).update(guard={"initial": "auto"}))
    assert bed.sync(platform, FULL).one.ok
    bed.configure(lambda _: bed.channel(platform).update(guard={"initial": "approve"}))
    bed.write_extract(moved_prices(30))  # nobody knows what was shown: no share rule can speak
    lose_the_ledger(bed, engine)
    if kept != "the data folder":
        shutil.rmtree(bed.root / ".marketsync")
    number = bed.sandbox.last_request()

    held = bed.sync(platform, FULL)

    assert (held.one.ok, held.one.state) == (False, "held")
    assert bed.writes(number) == []
    with bed.run() as project:
        record = plans.get_plan(project.ledger, held.planned[0].plan_id)
        assert (record.kind, record.held) == ("initial", 40)
        extract = latest_accepted(project.ledger, "westlands")
        assert extract is not None
        decisions.approve(project.ledger, record.id, "anna", "compared", extract.id)
    sent = bed.sync(platform, PARTIAL).one
    assert (sent.ok, sent.numbers["applied"]) == (True, 40)
    assert bed.differences(platform) == {}
    number = bed.sandbox.last_request()
    assert bed.sync(platform, PARTIAL).one.state == "unchanged"
    assert bed.writes(number) == []
    with bed.run() as project:
        assert whole(project)


def test_where_the_channel_says_so_a_lost_ledger_is_rebuilt_without_a_person(
    at: tuple[str, Engine], tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    platform, engine = at
    bed = project_of(tmp_path, fresh_sandbox, at)
    bed.sync(platform, FULL)
    lose_the_ledger(bed, engine)
    result = bed.sync(platform, FULL).one
    assert (result.ok, result.numbers["applied"]) == (True, 40)
    assert bed.differences(platform) == {}


def test_changes_that_a_lost_ledger_has_taken_are_taken_again(
    tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    """Files of changes only: the catalog is in the frames, or in the files that are still there."""
    at: tuple[str, Engine] = ("pasons", "sqlite")
    bed = project_of(tmp_path, fresh_sandbox, at, extract={"coverage": "delta"})
    bed.sync("pasons", FULL)
    bed.write_extract(repriced(ROWS[:3], lambda price: price + 1))
    bed.sync("pasons", PARTIAL)
    for lost in ("ledger", "frames", "both"):
        if lost != "frames":
            lose_the_ledger(bed, "sqlite")
        if lost != "ledger":
            shutil.rmtree(bed.root / ".marketsync" / "frames")
        result = bed.sync("pasons", FULL).one
        assert (result.ok, result.numbers["applied"]) == (True, 40), lost
        assert bed.differences("pasons") == {}
        assert bed.wanted("pasons")["00001"] == bed.shown("pasons")["00001"]
        assert str(bed.shown("pasons")["00001"][0]) == "102.50"


# --- taken back from a backup


def back_up(bed: TestBed, name: str = "b.zip") -> Backup:
    with bed.run() as project:
        return backup(project.ledger, bed.root / name, by="anna")


def take_back(bed: TestBed, made: Backup, engine: Engine, **options: Any) -> None:
    """Into the ledger that is there, or, given `moved`, into a new one on the engine."""
    if options.get("moved"):
        lose_the_ledger(bed, engine)
    url = bed.place.ledger_url
    restore(url, Path(made.path), by="anna", backups=bed.root / "backups", **options)


def test_after_a_restore_every_row_goes_once_more_through_the_guard(
    at: tuple[str, Engine], tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    platform, engine = at
    bed = project_of(tmp_path, fresh_sandbox, at)
    bed.sync(platform, FULL)
    made = back_up(bed)
    bed.write_extract(moved_prices(4))
    bed.sync(platform, PARTIAL)  # not in the backup
    take_back(bed, made, engine, replace=True)
    ack = {row["sku"]: row["ack_price_minor"] for row in bed.table("listing", "sku")}
    assert ack["00001"] == 10150
    number = bed.sandbox.last_request()

    again = bed.sync(platform, PARTIAL).one

    assert (again.ok, again.numbers["applied"]) == (True, 40)
    assert len(bed.writes(number)) == 4
    assert bed.differences(platform) == {}
    assert bed.sync(platform, PARTIAL).one.state == "unchanged"
    with bed.run() as project:
        assert whole(project)


def test_after_a_restore_the_guard_still_compares_with_what_was_acknowledged(
    tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    at: tuple[str, Engine] = ("pasons", "sqlite")
    bed = project_of(tmp_path, fresh_sandbox, at)
    bed.sync("pasons", FULL)
    made = back_up(bed)
    take_back(bed, made, "sqlite", replace=True)
    bed.write_extract([*repriced(ROWS[:3], lambda price: price / 100), *ROWS[3:]])
    result = bed.sync("pasons", PARTIAL).one
    assert (result.numbers["held"], result.numbers["applied"]) == (3, 37)


@pytest.mark.parametrize(("start", "end"), [("sqlite", "postgresql"), ("postgresql", "sqlite")])
def test_a_ledger_moves_to_the_other_engine_and_sends_nothing_again(
    start: Engine, end: Engine, tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    bed = project_of(tmp_path, fresh_sandbox, ("pasons", start))
    bed.sync("pasons", FULL)
    made = back_up(bed)
    take_back(bed, made, end, moved=True)
    number = bed.sandbox.last_request()
    assert bed.sync("pasons", PARTIAL).one.state == "unchanged"
    assert bed.writes(number) == []
    bed.write_extract(moved_prices(4))
    assert bed.sync("pasons", PARTIAL).one.numbers["applied"] == 4
    assert bed.differences("pasons") == {}
    with bed.run() as project:
        assert whole(project)


@pytest.mark.parametrize("point", ["intent_committed", "ack_committed"])
def test_a_backup_of_the_middle_of_a_push_is_mended_by_the_next_run(
    point: str, at: tuple[str, Engine], tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    platform, engine = at
    bed = project_of(tmp_path, fresh_sandbox, at)
    bed.sync(platform, FULL)
    bed.write_extract(repriced(ROWS, lambda price: price + 1))
    bed.configure(lambda _: bed.channel(platform).update(guard={"max_changed_share": 1.0}))
    made: list[Backup] = []

    def observe(seen: str) -> None:
        if seen == point and not made:
            made.append(back_up(bed))

    with bed.run() as project:
        assert run_sync(project, platform, ["westlands"], PARTIAL, observe=observe).one.ok
    assert made
    take_back(bed, made[0], engine, replace=True)
    assert "open" in {push["state"] for push in bed.pushes()}

    assert bed.sync(platform, PARTIAL).one.ok

    assert bed.unaccounted() == []
    assert bed.differences(platform) == {}
    assert {row["outcome"] for row in bed.table("listing", "sku")} == {"applied"}
    with bed.run() as project:
        assert whole(project)
