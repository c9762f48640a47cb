"""Retention: what is old goes, what is needed stays, and the laws still hold afterwards."""

from __future__ import annotations

import io
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import Table, insert, select, text, update

from marketsync_dagster.config.settings import Retention, Settings
from marketsync_dagster.ledger import leases, retention
from marketsync_dagster.ledger import tables as t
from marketsync_dagster.ledger.calls import CallRow, record_calls
from marketsync_dagster.ledger.care import check
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.plans import WAITS
from marketsync_dagster.ledger.retention import Limits, Removed, give_back, prune
from marketsync_dagster.values.errors import Busy
from marketsync_dagster.values.times import to_iso
from marketsync_dagster_tests.ledger.test_care import story

NOW = datetime(2026, 11, 21, 4, 30, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    outlet = {"name": "West", "extract": {"path": "extracts"}}
    found = Settings.model_validate({"version": 1, "outlets": {"west": outlet}})
    found._home = tmp_path / "home"
    return found


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "STEP", 3)
    monkeypatch.setattr(retention, "FEW", 2)


def ago(days: float) -> str:
    return to_iso(NOW - timedelta(days=days))


def ids(ledger: Ledger, table: Table, column: str = "id") -> list[Any]:
    with ledger.read() as connection:
        return list(connection.execute(select(table.c[column]).order_by(table.c[column])).scalars())


def pruned(ledger: Ledger, settings: Settings, **more: Any) -> Removed:
    """A dry run says exactly what the real one then does."""
    limits = Limits.of(settings, NOW)
    said = prune(ledger, limits, holder="anna", dry_run=True, **more)
    done = prune(ledger, limits, holder="anna", **more)
    assert said == done
    assert leases.holder_of(ledger, retention.LEASE) is None
    again = prune(ledger, limits, holder="anna", dry_run=True, **more)
    assert set(again.counts.values()) == {0}
    return done


def laws(ledger: Ledger, settings: Settings) -> list[str]:
    """What the check finds broken."""
    return [finding.message for finding in check(settings, ledger.url).findings if finding.broken]


def test_what_the_guard_looks_back_over_is_kept_however_short_retention_is(
    settings: Settings,
) -> None:
    short = Settings.model_validate(
        settings.model_dump() | {"retention": {"plans_days": 1, "events_days": 1}}
    )
    limits = Limits.of(short, NOW)
    # a held plan keeps the window open for days, which begins two days before it
    assert limits.plans == limits.shown == to_iso(NOW - WAITS - timedelta(hours=48))
    assert limits.events == ago(2)


def test_calls_that_are_old_enough_go_and_younger_ones_stay(
    ledger: Ledger, settings: Settings
) -> None:
    moments = [ago(days) for days in (99, 60, 40, 31, 30.1, 29.9, 5, 0)]
    with ledger.begin() as connection:
        rows = [CallRow(at, "a", "GET", f"/{n}", 200, 1) for n, at in enumerate(moments)]
        record_calls(connection, rows)
    assert pruned(ledger, settings).counts["api_calls"] == 5
    assert ids(ledger, t.api_call, "path") == ["/5", "/6", "/7"]


def test_of_old_events_the_newest_of_each_sku_stays_and_the_laws_hold(
    ledger: Ledger, settings: Settings
) -> None:
    with ledger.begin() as connection:
        story(connection, 1, ago(500), rows=6)  # s0 to s5
        story(connection, 2, ago(450), rows=4)  # s0 to s3
        story(connection, 3, ago(430), rows=4)
        story(connection, 4, ago(10), rows=4)
        connection.execute(update(t.plan).values(rows=parquet("x1")))
    assert laws(ledger, settings) == []
    before = list_of(ledger, t.listing)

    done = pruned(ledger, settings)

    assert done.counts["events"] == 6 + 4 + 4 - 2
    assert done.counts["pushes"] == 2
    assert ids(ledger, t.push) == ["push1", "push4"]
    assert set(ids(ledger, t.push_batch, "push_id")) == {"push1", "push4"}
    assert ids(ledger, t.plan) == ["plan1", "plan4"]
    with ledger.read() as connection:
        events = connection.execute(select(t.listing_event.c.push_id, t.listing_event.c.sku))
        kept = sorted(tuple(row) for row in events)
    assert kept == [
        *(("push1", "s4"), ("push1", "s5")),
        *(("push4", f"s{n}") for n in range(4)),
    ]
    assert list_of(ledger, t.listing) == before
    assert laws(ledger, settings) == []


def list_of(ledger: Ledger, table: Table) -> list[tuple[Any, ...]]:
    with ledger.read() as connection:
        rows = connection.execute(select(table).order_by(*table.primary_key))
        return [tuple(row) for row in rows]


def test_an_old_push_that_did_not_end_and_the_newest_of_a_channel_stay(
    ledger: Ledger, settings: Settings
) -> None:
    with ledger.begin() as connection:
        story(connection, 1, ago(500))
        story(connection, 2, ago(450))
        values = {"state": "open", "ended_at": None}
        connection.execute(update(t.push).where(t.push.c.id == "push1").values(values))
        connection.execute(t.listing.delete())
        connection.execute(t.listing_event.delete())
    pruned(ledger, settings)
    assert ids(ledger, t.push) == ["push1", "push2"]


def add_plan(ledger: Ledger, plan_id: str, state: str, at: str, **more: Any) -> None:
    row = {"id": plan_id, "outlet": "west", "platform": "pasons", "account": "a", "state": state}
    row |= {"created_at": at, "created_by": "anna", "run_id": "r", "mode": "full", "base": ""}
    row |= {"kind": "ordinary", "extract_id": "", "content": "", "extract_time": at, "calls": 2}
    row |= {"catalog_rows": 0, "unmapped": 0, "held": 0, "unchanged": 0, "deselected": 0}
    row |= {"to_send": 0, "verdict": "[]", "rows": b"rows"}
    with ledger.begin() as connection:
        connection.execute(insert(t.plan), row | more)


def rows_kept(ledger: Ledger) -> dict[str, bool]:
    with ledger.read() as connection:
        query = select(t.plan.c.id, t.plan.c.rows).order_by(t.plan.c.id)
        return {row.id: bool(row.rows) for row in connection.execute(query)}


def test_plans_that_were_never_sent_go_but_open_ones_and_the_newest_of_each_kind_stay(
    ledger: Ledger, settings: Settings
) -> None:
    for number, (state, days) in enumerate(
        [
            *[("held", 400), ("approved", 300), ("pushing", 299)],
            *[("rejected", 200), ("rejected", 150)],
            *[("superseded", 140), ("superseded", 120), ("superseded", 10), ("superseded", 8)],
            *[("stale", 110), ("dry", 100), ("planned", 95), ("planned", 91)],
        ]
    ):
        add_plan(ledger, f"{number:02} {state}", state, ago(days))
    done = pruned(ledger, settings)
    assert done.counts["plans"] == 4
    assert rows_kept(ledger) == {
        "00 held": True,
        "01 approved": True,
        "02 pushing": True,
        "04 rejected": True,
        "07 superseded": False,
        "08 superseded": True,
        "09 stale": False,
        "10 dry": False,
        "12 planned": True,
    }


def test_the_rows_of_an_old_push_go_unless_a_listing_or_the_guard_needs_them(
    ledger: Ledger, settings: Settings
) -> None:
    with ledger.begin() as connection:
        story(connection, 1, ago(200), rows=6)  # s4 and s5 still stand on it
        story(connection, 2, ago(150), rows=4)
        story(connection, 3, ago(100), rows=4)
        connection.execute(update(t.plan).values(rows=parquet("x1")))
    done = pruned(ledger, settings)
    assert done.counts["plan_rows"] == 1
    assert rows_kept(ledger) == {"plan1": True, "plan2": False, "plan3": True}
    assert laws(ledger, settings) == []


def test_the_rows_of_the_newest_push_stay_though_no_listing_stands_on_it(
    ledger: Ledger, settings: Settings
) -> None:
    with ledger.begin() as connection:
        story(connection, 1, ago(200))
        story(connection, 2, ago(150))
        connection.execute(t.listing.delete())
    pruned(ledger, settings)
    assert rows_kept(ledger) == {"plan1": False, "plan2": True}


def test_what_the_guard_looks_back_over_stays_whatever_retention_says(
    ledger: Ledger, settings: Settings
) -> None:
    names = ("runs_days", "api_calls_days", "extracts_days", "events_days", "plans_days")
    short = settings.model_copy(
        update={"retention": Retention.model_validate(dict.fromkeys(names, 1))}
    )
    with ledger.begin() as connection:
        for number, days in enumerate((9.5, 8.9, 1.5), 1):
            story(connection, number, ago(days))
        connection.execute(update(t.plan).values(rows=parquet("x1")))
    pruned(ledger, short)
    assert rows_kept(ledger) == {"plan2": True, "plan3": True}
    assert ids(ledger, t.push) == ["push3"]


def parquet(*extracts: str) -> bytes:
    """The rows of a plan, as far as they matter here."""
    buffer = io.BytesIO()
    pd.DataFrame({"extract_id": list(extracts)}).to_parquet(buffer)
    return buffer.getvalue()


def add_extract(ledger: Ledger, name: str, days: float, **more: Any) -> None:
    row = {"id": name, "outlet": "west", "sha256": f"sha of {name}", "file": "f.csv"}
    row |= {"coverage": "full", "extract_time": ago(days), "time_source": "name"}
    row |= {"state": "accepted", "reason": "", "records": 9, "accepted": 9, "rejected": 0}
    row |= {"duplicates": 0, "details": "{}", "read_at": ago(days)}
    with ledger.begin() as connection:
        connection.execute(insert(t.extract), row | more)


def test_old_extracts_go_but_none_that_a_price_or_a_plan_is_told_from(
    ledger: Ledger, settings: Settings
) -> None:
    with ledger.begin() as connection:
        story(connection, 1, ago(200))
        story(connection, 2, ago(190))  # every listing stands on it, its rows on older ones
        where = t.plan.c.id == "plan2"
        connection.execute(update(t.plan).where(where).values(rows=parquet("delta", "x2")))
    add_extract(ledger, "delta", 300)
    add_extract(ledger, "of a catalog", 290)
    add_extract(ledger, "old", 280)
    add_extract(ledger, "refused", 270, state="refused")
    add_extract(ledger, "same file", 260, sha256="sha of young", outlet="east")
    add_extract(ledger, "newest of east", 250, outlet="east")
    add_extract(ledger, "as new as that", 250, outlet="east")
    add_extract(ledger, "young", 20)

    done = pruned(ledger, settings, keep_extracts={"of a catalog"})

    assert ids(ledger, t.extract) == [
        *("as new as that", "delta", "newest of east", "of a catalog"),
        *("x1", "x2", "young"),
    ]
    # x1 is of a plan whose figures stay; nobody looks at the file itself any more
    assert done.originals == sorted(["sha of old", "sha of refused", f"{1:064x}"])
    assert laws(ledger, settings) == []


def test_small_tables_keep_what_is_open_and_the_newest_of_each_kind(
    ledger: Ledger, settings: Settings
) -> None:
    with ledger.begin() as connection:
        failure = {"stage": "s", "reason": "", "next_step": "", "outlet": "west"}
        for run, days in (("r1", 91), ("r2", 89)):
            row = failure | {"run_id": run, "at": ago(days)}
            connection.execute(insert(t.outlet_failure), row)
        alert = {"kind": "test", "run_id": "", "title": "", "message": "", "next_step": ""}
        alert |= {"delivery": "delivered", "error": "", "at": ago(200)}
        for key, state, over in (("a", "over", 91), ("b", "over", 89), ("c", "open", None)):
            at = None if over is None else ago(over)
            row = alert | {"key": key, "state": state, "over_at": at}
            connection.execute(insert(t.alert), row)
        untold = {"key": "d", "state": "over", "over_at": ago(91), "delivery": "pending"}
        connection.execute(insert(t.alert), alert | untold)
        pause = {"at": ago(500), "by": "anna", "reason": ""}
        for name, ended in (("p1", 401), ("p2", 399), ("p3", None)):
            at = None if ended is None else ago(ended)
            connection.execute(insert(t.pause), pause | {"id": name, "ended_at": at})
        for kind, days in (("backup", 600), ("backup", 500), ("retention", 500), ("retention", 1)):
            row = {"at": ago(days), "kind": kind, "by": "", "ok": True, "details": "{}"}
            connection.execute(insert(t.upkeep), row)
    counts = pruned(ledger, settings).counts
    assert ids(ledger, t.outlet_failure, "run_id") == ["r2"]
    assert ids(ledger, t.alert, "key") == ["b", "c", "d"]
    assert ids(ledger, t.pause) == ["p2", "p3"]
    assert ids(ledger, t.upkeep) == [2, 4]
    small = ("outlet_failures", "alerts", "pauses", "upkeep")
    assert [counts[name] for name in small] == [1, 1, 1, 2]


def test_two_do_not_prune_at_once(ledger: Ledger, settings: Settings) -> None:
    held = leases.take_lease(ledger, retention.LEASE, "run 1", 60)
    with pytest.raises(Busy, match="retention is held by run 1"):
        prune(ledger, Limits.of(settings, NOW), holder="anna")
    leases.release(ledger, held)


def test_others_write_between_two_steps(ledger: Ledger, settings: Settings) -> None:
    """No step holds the ledger for long: between any two of them somebody else gets a turn."""
    with ledger.begin() as connection:
        record_calls(connection, [CallRow(ago(99), "a", "GET", "/old", 200, 1)] * 30)
    written: list[str] = []

    def write(name: str, done: int) -> None:
        def work() -> None:
            with ledger.begin() as connection:
                record_calls(connection, [CallRow(ago(0), "a", "GET", "/new", 200, 1)])
            written.append(name)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join(10)

    done = prune(ledger, Limits.of(settings, NOW), holder="anna", tell=write)
    assert done.counts["api_calls"] == 30
    assert len(written) >= 10
    assert set(ids(ledger, t.api_call, "path")) == {"/new"}


def test_room_is_given_back_unless_somebody_works(ledger: Ledger, settings: Settings) -> None:
    from marketsync_dagster.ledger.sizes import table_sizes

    with ledger.begin() as connection:
        if ledger.dialect == "postgresql":  # or the server itself might be quicker than we are
            connection.execute(text("ALTER TABLE api_call SET (autovacuum_enabled = false)"))
        row = CallRow(ago(99), "a", "GET", "/" + "x" * 500, 200, 1)
        record_calls(connection, [row] * 2_000)
        connection.execute(t.api_call.delete())
    full = table_sizes(ledger)
    if ledger.dialect == "sqlite":
        assert full["free_ledger"] > 500_000
    held = leases.take_lease(ledger, "channel west/pasons", "run 1", 60)
    with pytest.raises(Busy, match="channel west/pasons"):
        give_back(ledger)
    leases.release(ledger, held)
    assert give_back(ledger) > 500_000
    assert table_sizes(ledger)["bytes_ledger"] < full["bytes_ledger"] - 500_000
