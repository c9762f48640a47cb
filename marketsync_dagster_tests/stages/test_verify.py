"""Reading back: shown prices are compared with what was acknowledged, and can be taken over."""

from __future__ import annotations

import http.client
import json
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from marketsync_dagster.ledger import leases
from marketsync_dagster.ledger import tables as t
from marketsync_dagster.ledger.calls import call_counts
from marketsync_dagster.platforms.base import PlatformError
from marketsync_dagster.stages import verify
from marketsync_dagster.stages.explain import explain
from marketsync_dagster.stages.verify import Rebuilt, Verified, rebuild, verify_prices
from marketsync_dagster.values.errors import Busy
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster_tests.ledgers import ENGINES, Engine
from marketsync_dagster_tests.projects import (
    FULL,
    TestBed,
    make_project,
    repriced,
    some_rows,
)
from marketsync_dagster_tests.sandbox_process import SandboxProcess

ROWS = some_rows(30)
KEY = "pk_demo_example_westlands"


@pytest.fixture
def bed(tmp_path: Path, fresh_sandbox: SandboxProcess) -> TestBed:
    bed = make_project(tmp_path, fresh_sandbox, rows=ROWS, platforms=["tracker_ke"])
    assert bed.sync("tracker_ke", FULL).one.ok
    return bed


def verified(bed: TestBed, count: int = 10) -> list[Verified]:
    with bed.run() as project:
        return verify_prices(project, "tracker_ke", "westlands", count)


def edit(bed: TestBed, product_id: str, amount: float, stock_status: str) -> None:
    """A price that somebody else sets with our key."""
    parts = urlsplit(bed.sandbox.url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=10)
    item = {"product_id": product_id, "price": amount, "stock_status": stock_status}
    item |= {"currency": "KES", "location": "Westlands Branch"}
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    connection.request("POST", "/tracker_ke/api/v1/prices/single", json.dumps(item), headers)
    assert connection.getresponse().status == 200
    connection.close()


def rebuilt(bed: TestBed) -> Rebuilt:
    with bed.run() as project:
        return rebuild(project, "westlands", "tracker_ke")


def lose_the_ledger(bed: TestBed) -> None:
    for file in bed.root.glob("ledger*.db*"):
        file.unlink()


def test_acknowledged_prices_are_verified_newest_first_and_every_call_is_counted(
    bed: TestBed,
) -> None:
    bed.write_extract([*repriced(ROWS[:2], lambda price: price + 1), *ROWS[2:]])
    bed.sync("tracker_ke")
    number = bed.sandbox.last_request()
    with bed.run() as project:
        before = call_counts(project.ledger).calls
        found = verify_prices(project, "tracker_ke", "westlands", 5)
        assert call_counts(project.ledger).calls == before + 5
    assert [one.sku for one in found[:2]] == ["00001", "00002"]
    assert found[0] == Verified("00001", *["KES 102.50, in_stock"] * 2, ok=True, reason="")
    assert all(one.ok for one in found)
    assert [request["method"] for request in bed.sandbox.requests(number)] == ["GET"] * 5


def test_a_foreign_edit_is_found(bed: TestBed) -> None:
    edit(bed, "prod_00003", 1.5, "limited_stock")
    found = {one.sku: one for one in verified(bed, 30)}
    assert len(found) == 30
    assert {sku for sku, one in found.items() if not one.ok} == {"00003"}
    assert found["00003"].expected == "KES 103.50, in_stock"
    assert found["00003"].shown == "KES 1.50, limited_stock"
    assert found["00003"].reason == "the platform shows another price and another stock status"


def test_what_was_not_acknowledged_is_not_verified(bed: TestBed) -> None:
    bed.sandbox.scenario(
        "item_error", channel="tracker_ke", product_id="prod_00001", error="no", times=None
    )
    bed.write_extract([*repriced(ROWS[:2], lambda price: price + 1), *ROWS[2:]])
    bed.sync("tracker_ke")
    assert "00001" not in [one.sku for one in verified(bed, 40)]


def test_a_platform_that_cannot_be_asked_is_unsupported(
    tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    bed = make_project(tmp_path, fresh_sandbox, platforms=["pasons"])
    for work in (
        lambda project: verify_prices(project, "pasons", "westlands", 3),
        lambda project: rebuild(project, "westlands", "pasons"),
    ):
        with bed.run() as project, pytest.raises(PlatformError) as refused:
            work(project)
        assert refused.value.outcome is Outcome.UNSUPPORTED
        assert refused.value.next_step


@pytest.mark.parametrize("engine", ENGINES)
def test_a_lost_ledger_learns_what_the_platform_shows_and_the_next_run_is_a_partial_one(
    engine: Engine, tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    bed = make_project(tmp_path, fresh_sandbox, rows=ROWS, platforms=["tracker_ke"], engine=engine)
    bed.sync("tracker_ke", FULL)
    fresh = make_project(
        tmp_path, fresh_sandbox, rows=ROWS, platforms=["tracker_ke"], engine=engine,
        guard={"initial": "approve"},
    )  # fmt: skip
    fresh.write_extract([*repriced(ROWS[:3], lambda price: price + 1), *ROWS[3:]], minutes=60)

    done = rebuilt(fresh)

    assert (done.known, done.taken_over, done.not_shown, done.calls) == (0, 30, 0, 30)
    assert {row["message"] for row in fresh.table("listing", "sku")} == {"read back"}
    assert {row["message"] for row in fresh.table("listing_event", "id")} == {"read back"}
    number = fresh.sandbox.last_request()
    result = fresh.sync("tracker_ke").one
    assert result.numbers["applied"] == 3
    assert len(fresh.writes(number)) == 1
    assert fresh.differences("tracker_ke") == {}
    assert rebuilt(fresh) == replace(done, known=30, taken_over=0, calls=0)


def test_what_the_platform_does_not_show_is_left_for_the_next_run(
    tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    bed = make_project(tmp_path, fresh_sandbox, rows=ROWS, platforms=["tracker_ke"])
    bed.sync("tracker_ke", replace(FULL, limit=29))
    lose_the_ledger(bed)
    done = rebuilt(bed)
    assert (done.taken_over, done.not_shown) == (29, 1)
    assert bed.sync("tracker_ke").one.numbers["applied"] == 1
    assert bed.differences("tracker_ke") == {}


def test_what_a_dead_push_left_open_is_read_back_too(bed: TestBed) -> None:
    with bed.run() as project, project.ledger.begin() as connection:
        first = t.push_batch.c.number == 1
        connection.execute(t.push.update().values(state="open", ended_at=None))
        values = {"state": "intended", "outcomes": "{}"}
        connection.execute(t.push_batch.update().where(first).values(values))
        connection.execute(t.listing_event.delete().where(t.listing_event.c.batch == 1))
    done = rebuilt(bed)
    assert (done.known, done.taken_over) == (20, 10)
    assert bed.unaccounted() == []
    assert {row["outcome"] for row in bed.table("listing", "sku")} == {"applied"}


def test_what_was_read_before_a_failure_is_kept(
    bed: TestBed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "CHUNK", 10)
    lose_the_ledger(bed)
    match = {"path": "/products/prod_00015"}
    bed.sandbox.scenario("status", channel="tracker_ke", status=503, times=None, match=match)
    with pytest.raises(PlatformError, match="prod_00015"):
        rebuilt(bed)
    assert len(bed.table("listing", "sku")) == 10
    bed.sandbox.clear_scenarios()
    assert rebuilt(bed).taken_over == 20
    with bed.run() as project:
        assert leases.holder_of(project.ledger, "channel westlands/tracker_ke") is None


def test_nothing_is_taken_over_while_a_push_is_under_way(bed: TestBed) -> None:
    with bed.run() as project:
        leases.take_lease(project.ledger, "channel westlands/tracker_ke", "run 1", 60)
        with pytest.raises(Busy):
            rebuild(project, "westlands", "tracker_ke")


def test_a_price_that_was_taken_over_is_explained_without_a_line(bed: TestBed) -> None:
    lose_the_ledger(bed)
    rebuilt(bed)
    with bed.run() as project:
        story = explain(project, "westlands", "tracker_ke", "00007")
    assert story["live"]["price"] == "KES 107.50"
    assert story["last_sent"]["message"] == "read back"
    assert (story["push"], story["plan"]) == (None, None)
    assert story["source"] is None
    assert story["feed_now"]["line"] == 8
