"""The check: each thing that can be wrong with a ledger is found, and a good one has no finding."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, delete, insert, text, update

from marketsync_dagster.config.settings import Settings
from marketsync_dagster.ledger import leases
from marketsync_dagster.ledger import tables as t
from marketsync_dagster.ledger.care import Report, check, quick_check
from marketsync_dagster.ledger.engine import VERSION_TABLE, Ledger
from marketsync_dagster.ledger.listings import ItemRow, Source, acknowledge
from marketsync_dagster.ledger.upgrade import migrate
from marketsync_dagster.ledger.urls import parse_url
from marketsync_dagster_tests.ledgers import new_ledger_url

AT = "2026-11-21T06:30:00.000Z"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    found = Settings.model_validate({"version": 1, "outlets": {"west": {"name": "West",
        "extract": {"path": "extracts"}}}})  # fmt: skip
    found._home = tmp_path / "home"
    return found


def story(connection: Connection, number: int = 1, at: str = AT, rows: int = 5) -> None:
    """An extract, a plan, a push in two batches and what became of its rows, all in order."""
    extract = {"id": f"x{number}", "outlet": "west", "sha256": f"{number:064x}", "file": "f.csv"}
    extract |= {"coverage": "full", "extract_time": at, "time_source": "name", "read_at": at}
    extract |= {"state": "accepted", "reason": "", "records": 9, "accepted": 9, "rejected": 0}
    connection.execute(insert(t.extract), extract | {"duplicates": 0, "details": "{}"})
    plan = {"id": f"plan{number}", "outlet": "west", "platform": "pasons", "account": "a"}
    plan |= {"created_at": at, "created_by": "anna", "run_id": "r", "mode": "full", "base": ""}
    plan |= {"kind": "ordinary", "state": "pushed", "extract_id": f"x{number}", "content": ""}
    plan |= {"extract_time": at, "catalog_rows": 12, "unmapped": 1, "held": 2, "unchanged": 3}
    plan |= {"deselected": 6 - rows, "to_send": rows, "calls": 2, "verdict": "[]", "rows": b"x"}
    plan["deselected"] = 12 - 1 - 2 - 3 - rows
    connection.execute(insert(t.plan), plan)
    push = {"id": f"push{number}", "plan_id": f"plan{number}", "outlet": "west", "account": "a"}
    push |= {"platform": "pasons", "run_id": "r", "push_type": "full", "created_by": "anna"}
    push |= {"started_at": at, "ended_at": at, "state": "done", "item_count": rows}
    connection.execute(insert(t.push), push | {"applied": rows - 1, "refused": 1})
    source = Source("west", "pasons", "a", "pasons|host|", f"x{number}", at, f"push{number}")
    for batch, first, last in ((1, 0, 3), (2, 3, rows)):
        items: list[ItemRow] = [
            (f"s{n}", f"p{n}", 100 + n, "KES", "in_stock", None, outcome, "", n)
            for n in range(first, last)
            for outcome in ["refused" if n == rows - 1 else "applied"]
        ]
        outcomes: dict[str, int] = {}
        for item in items:
            outcomes[item[6]] = outcomes.get(item[6], 0) + 1
        row = {"push_id": f"push{number}", "number": batch, "first": first, "last": last}
        row |= {"state": "answered", "intended_at": at, "outcomes": json.dumps(outcomes)}
        connection.execute(insert(t.push_batch), row)
        acknowledge(connection, source, batch, items, at)
    split = {"push_id": f"push{number}", "number": 3, "first": 0, "last": rows, "state": "split"}
    connection.execute(insert(t.push_batch), split | {"intended_at": at})


@pytest.fixture
def good(ledger: Ledger, settings: Settings) -> Ledger:
    with ledger.begin() as connection:
        story(connection)
    kept = settings.home / "archive" / "00" / f"{1:064x}"
    kept.parent.mkdir(parents=True)
    kept.touch()
    return ledger


def looked(ledger: Ledger, settings: Settings) -> Report:
    return check(settings, ledger.url)


def test_a_good_ledger_has_no_finding_and_its_sizes_are_told(
    good: Ledger, settings: Settings
) -> None:
    report = looked(good, settings)
    assert report.findings == []
    assert report.ok
    assert report.sizes["rows_listing"] == report.sizes["rows_listing_event"] == 5
    assert report.sizes["bytes_listing_event"] > 0
    assert report.sizes["bytes_ledger"] >= report.sizes["bytes_listing_event"]
    assert (report.sizes["files_archive"], report.sizes["files_frames"]) == (1, 0)
    assert all(type(size) is int for size in report.sizes.values())
    assert report.oldest == dict.fromkeys(
        ["extract", "listing_event", "plan", "push", "push_batch"], AT
    )
    assert quick_check(good) == []


def _change(table: Any, **values: Any) -> Callable[[Connection], Any]:
    return lambda connection: connection.execute(update(table).values(**values))


def _drop(table: Any, **where: Any) -> Callable[[Connection], Any]:
    conditions = [table.c[name] == value for name, value in where.items()]
    return lambda connection: connection.execute(delete(table).where(*conditions))


def _run(statement: str) -> Callable[[Connection], Any]:
    return lambda connection: connection.execute(text(statement))


BROKEN: list[tuple[str, Callable[[Connection], Any], str, str]] = [
    ("a plan's rows", _change(t.plan, unchanged=4), "plan", "1 plans whose rows do not add up"),
    ("a push's outcomes", _change(t.push, applied=3), "push", "outcomes are not as many"),
    ("a push's outcomes", _change(t.push, applied=3), "push_batch", "'applied': 3"),
    ("a push and its plan", _change(t.plan, to_send=4, held=3), "push", "of other rows"),
    ("a push without its plan", _drop(t.plan), "push", "a plan that is not there: push1 plan1"),
    ("a lost batch", _drop(t.push_batch, number=1), "push_batch", "in no batch, or in two, at 0"),
    ("lost batches", _drop(t.push_batch), "push_batch", "has 5 rows, its batches 0"),
    ("a last batch lost", _drop(t.push_batch, number=2), "push_batch", "its batches 3"),
    (
        "rows in two batches",
        lambda c: c.execute(update(t.push_batch).where(t.push_batch.c.number == 2).values(first=2)),
        *("push_batch", "in two, at 2"),
    ),
    (
        "an unanswered batch",
        lambda c: c.execute(
            update(t.push_batch).where(t.push_batch.c.number == 2).values(state="intended")
        ),
        *("push_batch", "has ended, its rows 3 to 5 have not"),
    ),
    ("listings without push", _drop(t.push), "listing", "5 listings of no push"),
    ("events without push", _drop(t.push), "listing_event", "1 pushes that are not there: push1"),
    ("listings without extract", _drop(t.extract), "listing", "5 listings of no extract"),
    ("listings without events", _drop(t.listing_event, sku="s1"), "listing", "west pasons s1"),
    (
        "a listing that nobody wrote",
        lambda c: c.execute(
            update(t.listing).where(t.listing.c.sku == "s2").values(price_minor=1)
        ),
        *("listing", "1 listings say other than their newest event: west pasons s2"),
    ),
    (
        "a listing whose outcome nobody wrote",
        lambda c: c.execute(
            update(t.listing).where(t.listing.c.sku == "s2").values(outcome="unknown")
        ),
        *("listing", "1 listings say other"),
    ),
    ("a lost table", _run("DROP TABLE alert"), "alert", "the table alert is missing"),
    (
        "a lost index",
        _run("DROP INDEX ix_api_call_push_id"),
        *("api_call", "lacks the index ix_api_call_push_id, ('push_id',)"),
    ),
    (
        "another column",
        _run("ALTER TABLE cursor ADD COLUMN note TEXT"),
        *("cursor", "has the column note"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("damage", "subject", "words"), [case[1:] for case in BROKEN],
                         ids=[case[0] for case in BROKEN])  # fmt: skip
def test_what_is_broken_is_found_with_a_next_step(
    damage: Callable[[Connection], Any],
    subject: str,
    words: str,
    good: Ledger,
    settings: Settings,
) -> None:
    with good.begin() as connection:
        damage(connection)
    report = looked(good, settings)
    assert not report.ok
    told = [f.message for f in report.findings if f.subject == subject and f.broken]
    assert any(words in message for message in told), report.findings
    assert all(finding.next_step for finding in report.findings)


def test_a_lost_unique_key_is_found(good: Ledger, settings: Settings) -> None:
    if good.dialect == "sqlite":
        pytest.skip("SQLite keeps the key within the table")
    with good.begin() as connection:
        connection.execute(
            text("ALTER TABLE sku_mapping DROP CONSTRAINT uq_sku_mapping_scope_platform_id")
        )
    assert "lacks the key platform_id, scope" in looked(good, settings).findings[0].message


def test_an_open_push_whose_process_died_is_named_and_one_under_way_is_not(
    good: Ledger, settings: Settings
) -> None:
    with good.begin() as connection:
        connection.execute(update(t.push).values(state="open", ended_at=None))
    (finding,) = looked(good, settings).findings
    assert finding.message.startswith("push1 of west on pasons did not end")
    assert "marketsync run push_pasons --outlet west" in finding.next_step
    assert not finding.broken
    leases.take_lease(good, leases.channel_lease("west", "pasons"), "run 1", 60)
    assert looked(good, settings).findings == []


def test_files_that_nothing_speaks_of_and_lost_originals_are_named(
    good: Ledger, settings: Settings
) -> None:
    archive, frames = settings.home / "archive", settings.home / "frames"
    (archive / "00" / f"{1:064x}").rename(archive / "00" / f"{2:064x}")
    for name in ("pos/catalog/west", "pos/catalog/closed", "talabat/price_feed/west"):
        path = frames / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    report = looked(good, settings)
    assert report.ok
    assert [(f.subject, f.broken) for f in report.findings] == [
        ("archive", False),
        ("archive", False),
        ("frames", False),
    ]
    orphan, lost, odd = [finding.message for finding in report.findings]
    assert orphan.startswith("1 archived files of no extract")
    assert lost.endswith(": x1")
    assert "2 frames" in odd
    assert "pos/catalog/closed.parquet, talabat/price_feed/west.parquet" in odd


@pytest.mark.parametrize("revision", ["0001", "9999"])
def test_a_ledger_of_another_revision_is_refused_with_the_command_that_helps(
    revision: str, ledger: Ledger, settings: Settings
) -> None:
    with ledger.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '{revision}'"))
    (finding,) = looked(ledger, settings).findings
    assert finding.broken
    helps = {"0001": "marketsync ledger upgrade", "9999": "install that MarketSync"}
    assert helps[revision] in finding.next_step


def test_a_check_makes_no_ledger(empty_url: str, settings: Settings) -> None:
    report = check(settings, empty_url)
    assert not report.ok
    assert "does not exist, or has no tables" in report.findings[0].message
    assert "marketsync ledger restore" in report.findings[0].next_step
    if empty_url.startswith("sqlite"):
        assert not Path(empty_url.removeprefix("sqlite:///")).exists()


@pytest.mark.parametrize("quick", [False, True])
def test_a_damaged_file_is_a_finding(quick: bool, tmp_path: Path, settings: Settings) -> None:
    url = new_ledger_url("sqlite", tmp_path)
    made = Ledger(parse_url(url))
    with made.begin() as connection:
        migrate(connection)
        story(connection)
    made.close()
    path = Path(url.removeprefix("sqlite:///"))
    data = bytearray(path.read_bytes())
    data[4096 * 3 : 4096 * 6] = b"\xa5" * 4096 * 3
    path.write_bytes(data)
    report = check(settings, url, quick=quick)
    assert not report.ok
    assert report.findings[0].subject == "database"
    assert "marketsync ledger restore" in report.findings[0].next_step
