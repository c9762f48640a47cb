"""Full pushes that replace what Pasons shows: all of it in one request, or none of it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from marketsync_dagster.ledger import extracts
from marketsync_dagster.push import decisions
from marketsync_dagster.push.plan import PlanOptions
from marketsync_dagster_tests.ledgers import Engine
from marketsync_dagster_tests.projects import (
    FULL,
    PARTIAL,
    TestBed,
    make_project,
    repriced,
    some_rows,
    store_of,
)
from marketsync_dagster_tests.sandbox_process import SandboxProcess

ROWS = some_rows(40)
STORE = store_of("pasons", "westlands")
PUT_FULL = {"method": "PUT", "path": "/v1/inventory/full"}
Make = Callable[..., TestBed]


@pytest.fixture
def make(tmp_path: Path, fresh_sandbox: SandboxProcess) -> Make:
    """A project on an account that replaces; a foreign item is on sale there."""

    def made(*, marked: bool = False, engine: Engine = "sqlite", **request: Any) -> TestBed:
        request = {"batch": 100, **request}
        store: dict[str, Any] = {"store_id": STORE, "full_push": "replace"}
        if marked:
            request["full"] = PUT_FULL
            store["full"] = {**PUT_FULL, "path": f"/{STORE}/v1/inventory/full"}
        account = {"full_push": "replace", "request": request}
        bed = make_project(
            tmp_path,
            fresh_sandbox,
            rows=ROWS,
            platforms=["pasons"],
            engine=engine,
            account=account,
        )
        fresh_sandbox.seed({"pasons": {"stores": [{**store, "shown": {"foreign": "5.00"}}]}})
        return bed

    return made


def dearer(bed: TestBed, count: int) -> None:
    bed.write_extract([*repriced(ROWS[:count], lambda price: price + 1), *ROWS[count:]])


def map_only(bed: TestBed, skus: list[str]) -> None:
    """From now on only these SKUs are mapped, each to itself."""
    bed.channel("pasons")["mapping"] = {"file": "mappings/pasons.csv"}
    bed.configure(lambda _: None)
    lines = ["sku,platform_id,platform_sku,name", *(f"{sku},{sku},," for sku in skus)]
    (bed.root / "mappings" / "pasons.csv").write_text("\n".join(lines) + "\n")


def items_of(bed: TestBed, since: int) -> list[tuple[str, str, int]]:
    """Method, end of the path and items of each request that wrote."""
    return [(r["method"], r["path"].rpartition("/")[2], r["items"]) for r in bed.writes(since)]


# --- every request replaces


def test_where_every_request_replaces_a_change_sends_everything_in_one(make: Make) -> None:
    bed = make()
    assert bed.sync("pasons", FULL).one.numbers["applied"] == 40
    assert "foreign" not in bed.shown("pasons")
    dearer(bed, 1)
    number = bed.sandbox.last_request()

    result = bed.sync("pasons").one

    assert (result.state, result.numbers["applied"]) == ("pushed", 40)
    assert items_of(bed, number) == [("POST", "inventory", 40)]
    assert bed.differences("pasons") == {}
    number = bed.sandbox.last_request()
    assert bed.sync("pasons").one.state == "unchanged"
    assert bed.sandbox.requests(number) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (PlanOptions(mode="full", limit=5), "35 by limit"),
        (PlanOptions(mode="partial", skus=("00001",)), "39 by selection"),
    ],
)
def test_a_push_that_leaves_out_rows_is_never_sent_as_one_that_replaces(
    make: Make, options: PlanOptions, words: str
) -> None:
    bed = make()
    bed.sync("pasons", FULL)
    dearer(bed, 1)
    before, number = bed.shown("pasons"), bed.sandbox.last_request()

    result = bed.sync("pasons", options).one

    assert not result.ok
    assert words in result.reason
    assert "taken off sale" in result.reason
    assert "--sku" in result.next_step
    assert bed.sandbox.requests(number) == []
    assert bed.shown("pasons") == before


def test_one_held_row_holds_the_whole_push_until_somebody_decides(make: Make) -> None:
    bed = make()
    bed.sync("pasons", FULL)
    bed.write_extract([*repriced(ROWS[:1], lambda price: price * 3), *ROWS[1:]])
    number = bed.sandbox.last_request()

    run = bed.sync("pasons")

    assert (run.one.state, run.one.numbers["held"]) == ("held", 40)
    assert "without the 1 held row " in run.one.reason
    assert bed.sandbox.requests(number) == []
    with bed.run() as project:
        newest = extracts.latest_accepted(project.ledger, "westlands")
        assert newest is not None
        plan = run.planned[0].plan_id
        decisions.approve(project.ledger, plan, "me", "it is so", newest.id)
    assert bed.sync("pasons").one.numbers["applied"] == 40
    assert items_of(bed, number) == [("POST", "inventory", 40)]
    assert bed.differences("pasons") == {}


def test_what_does_not_fit_one_request_is_not_sent_in_several(make: Make) -> None:
    bed = make(batch=39)
    number = bed.sandbox.last_request()
    result = bed.sync("pasons", FULL).one
    assert not result.ok
    assert "40 rows do not fit one of 39" in result.reason
    assert "request.batch" in result.next_step
    assert "request.full" in result.next_step

    account = bed.document["accounts"]["pasons_westlands"]
    account["request"] = {"batch": 100, "max_bytes": 1_000}
    bed.configure(lambda _: None)
    result = bed.sync("pasons", FULL).one
    assert not result.ok
    assert "need 3 requests" in result.reason
    assert bed.sandbox.requests(number) == []
    assert bed.pushes() == []
    assert bed.shown("pasons") == {"foreign": (Decimal("5.00"), True)}


def test_what_the_platform_finds_too_large_is_not_cut_in_two(make: Make) -> None:
    bed = make()
    bed.sandbox.seed({"pasons": {"stores": [{"store_id": STORE, "max_items": 20}]}})
    number = bed.sandbox.last_request()
    result = bed.sync("pasons", FULL).one
    assert result.numbers["refused"] == 40
    assert "it replaces: no parts" in result.reason
    assert len(bed.sandbox.requests(number)) == 1
    assert list(bed.shown("pasons")) == ["foreign"]
    assert bed.unaccounted() == []


def test_an_item_that_is_to_be_tried_again_waits_for_a_push_of_everything(make: Make) -> None:
    bed = make()
    bed.sandbox.seed({"pasons": {"stores": [{"store_id": STORE, "busy": ["00007"]}]}})
    number = bed.sandbox.last_request()

    result = bed.sync("pasons", FULL).one

    assert (result.numbers["applied"], result.numbers["retryable"]) == (39, 1)
    assert items_of(bed, number) == [("POST", "inventory", 40)]
    bed.sandbox.seed({"pasons": {"stores": [{"store_id": STORE, "busy": []}]}})
    assert bed.sync("pasons").one.numbers["applied"] == 40
    assert items_of(bed, number) == [("POST", "inventory", 40)] * 2
    assert bed.differences("pasons") == {}


# --- only full pushes replace, and say so


def test_where_full_pushes_are_marked_others_leave_alone_what_they_do_not_name(
    make: Make,
) -> None:
    bed = make(marked=True)
    number = bed.sandbox.last_request()
    assert bed.sync("pasons").one.numbers["applied"] == 40
    assert "foreign" in bed.shown("pasons")
    dearer(bed, 2)
    assert bed.sync("pasons").one.numbers["applied"] == 2
    assert "foreign" in bed.shown("pasons")

    result = bed.sync("pasons", FULL).one

    assert items_of(bed, number) == [
        ("POST", "inventory", 40),
        ("POST", "inventory", 2),
        ("PUT", "full", 40),
    ]
    assert result.numbers["applied"] == 40
    assert bed.differences("pasons") == {}


@pytest.mark.parametrize(
    ("request_", "options", "words", "calls"),
    [
        ({}, PlanOptions(mode="full", limit=30), "the push leaves out 10 rows", 1),
        ({"batch": 25}, FULL, "40 rows need 2 requests", 2),
    ],
)
def test_a_full_push_that_cannot_be_whole_goes_as_updates_and_says_so(
    make: Make, request_: dict[str, Any], options: PlanOptions, words: str, calls: int
) -> None:
    bed = make(marked=True, **request_)
    number = bed.sandbox.last_request()
    result = bed.sync("pasons", options).one
    assert result.ok
    assert f"sent as updates, nothing is taken off sale: {words}" in result.reason
    assert {(method, path) for method, path, _ in items_of(bed, number)} == {("POST", "inventory")}
    assert len(items_of(bed, number)) == calls
    assert "foreign" in bed.shown("pasons")


def test_a_marked_push_that_is_too_large_or_in_part_busy_goes_on_as_updates(make: Make) -> None:
    bed = make(marked=True)
    bed.sandbox.scenario("status", status=413, channel="pasons")
    number = bed.sandbox.last_request()
    assert bed.sync("pasons", FULL).one.numbers["applied"] == 40
    assert [(method, path) for method, path, _ in items_of(bed, number)] == [
        ("PUT", "full"),
        ("POST", "inventory"),
        ("POST", "inventory"),
    ]
    assert "foreign" in bed.shown("pasons")
    bed.sandbox.scenario("item_error", channel="pasons", position=3)
    number = bed.sandbox.last_request()
    assert bed.sync("pasons", FULL).one.numbers["applied"] == 40
    assert items_of(bed, number) == [("PUT", "full", 40), ("POST", "inventory", 1)]
    assert bed.differences("pasons") == {}


@pytest.mark.parametrize("marked", [False, True])
def test_a_push_that_would_take_much_off_sale_is_held(make: Make, marked: bool) -> None:
    bed = make(marked=marked)
    bed.sync("pasons", FULL)
    map_only(bed, [row.sku for row in ROWS[:30]])
    dearer(bed, 1)
    number = bed.sandbox.last_request()

    result = bed.sync("pasons", FULL).one

    assert result.state == "held"
    assert "10 of 40 rows on sale are not in this push" in result.reason
    assert bed.sandbox.requests(number) == []
    assert len(bed.shown("pasons")) == 40


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_what_was_left_out_is_known_to_be_off_sale_and_comes_back(
    make: Make, engine: Engine
) -> None:
    bed = make(marked=True, engine=engine)
    bed.sync("pasons", FULL)
    map_only(bed, [row.sku for row in ROWS if row.sku != "00009"])
    assert bed.sync("pasons", FULL).one.numbers["applied"] == 39
    assert "00009" not in bed.shown("pasons")
    (row,) = [r for r in bed.table("listing", "sku") if r["sku"] == "00009"]
    assert (row["ack_stock_status"], row["version"]) == ("out_of_stock", 2)
    events = [e for e in bed.table("listing_event", "id") if e["sku"] == "00009"]
    assert [e["message"] for e in events][1:] == [
        "left out of a push that replaces: taken off sale"
    ]
    assert bed.sync("pasons", FULL).one.ok  # it is noted once
    assert len([e for e in bed.table("listing_event", "id") if e["sku"] == "00009"]) == 2

    map_only(bed, [row.sku for row in ROWS])

    assert bed.sync("pasons", PARTIAL).one.numbers["applied"] == 1
    assert bed.differences("pasons") == {}


# --- what holds on any account


def test_a_full_push_of_far_fewer_rows_than_the_last_is_held(
    tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    bed = make_project(tmp_path, fresh_sandbox, rows=ROWS, platforms=["pasons"])
    bed.sync("pasons", FULL)
    bed.write_extract(repriced(ROWS[:31], lambda price: price + 1))
    number = bed.sandbox.last_request()
    result = bed.sync("pasons", FULL).one
    assert result.state == "held"
    assert "the extract has 31 rows" in result.reason
    assert bed.sandbox.requests(number) == []
