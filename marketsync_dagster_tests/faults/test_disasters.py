"""Disasters of the till or of the configuration, after a good push: nothing of them is sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import pytest

from marketsync_dagster.ledger.plans import get_plan
from marketsync_dagster.push import decisions
from marketsync_dagster.push.plan import PlanOptions
from marketsync_dagster.values.errors import PlanError
from marketsync_dagster_tests.projects import (
    FULL,
    PARTIAL,
    PLATFORMS,
    Row,
    Synced,
    TestBed,
    make_project,
    repriced,
    some_rows,
)
from marketsync_dagster_tests.sandbox_process import SandboxProcess

ROWS = some_rows(80)
Change = Callable[[list[Row]], list[Row]]


def swapped_columns(rows: list[Row]) -> list[Row]:
    return [replace(row, price=row.cost, cost=row.price) for row in rows]


def without_stock(rows: list[Row]) -> list[Row]:
    return [replace(row, stock="0") for row in rows]


def in_dollars(rows: list[Row]) -> list[Row]:
    return [replace(row, currency="USD") for row in rows]


@dataclass(frozen=True)
class Disaster:
    """One planted mistake, what the run says of it, and in which words."""

    name: str
    change: Change
    state: str
    words: str


WHOLE = [
    Disaster("prices x100", lambda r: repriced(r, lambda p: p * 100), "held", "x100"),
    Disaster("prices /100", lambda r: repriced(r, lambda p: p / 100), "held", "/100"),
    Disaster("price and cost swapped", swapped_columns, "held", "rows change (100%"),
    Disaster("all stock zero", without_stock, "held", "go out of stock (100%"),
    Disaster("+5 % on all", lambda r: repriced(r, lambda p: p * 21 / 20), "held", "(100%"),
    Disaster(
        "half the catalogue, the rest dearer",
        lambda r: [*repriced(r[:10], lambda p: p + 1), *r[10:40]],
        "held",
        "50% fewer",
    ),
]


@pytest.fixture(params=PLATFORMS)
def platform(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def bed(platform: str, tmp_path: Path, fresh_sandbox: SandboxProcess) -> TestBed:
    """Everything is shown, and right."""
    bed = make_project(tmp_path, fresh_sandbox, rows=ROWS, platforms=[platform])
    assert bed.sync(platform, FULL).one.ok
    assert not bed.differences(platform)
    return bed


def plan_of(run: Synced) -> str:
    return run.planned[0].plan_id


def latest_extract(bed: TestBed) -> str:
    return max(bed.table("extract", "extract_time"), key=lambda r: r["extract_time"])["id"]


@pytest.mark.parametrize("options", [PARTIAL, FULL], ids=["partial", "full"])
@pytest.mark.parametrize("disaster", WHOLE, ids=lambda d: d.name)
def test_a_disaster_is_held_and_no_write_is_sent(
    disaster: Disaster, options: PlanOptions, platform: str, bed: TestBed
) -> None:
    bed.write_extract(disaster.change(ROWS))
    shown, number = bed.shown(platform), bed.sandbox.last_request()

    run = bed.sync(platform, options)

    assert bed.writes(number) == []
    assert bed.shown(platform) == shown
    assert (run.one.ok, run.one.state) == (False, disaster.state)
    assert disaster.words in run.one.reason
    assert f"marketsync approve {plan_of(run)}" in run.one.next_step
    assert f"marketsync reject {plan_of(run)}" in run.one.next_step
    assert run.one.numbers["held"] > 0
    assert run.one.numbers["sent"] == 0

    again = bed.sync(platform, options)

    assert bed.writes(number) == []
    assert (again.one.ok, again.one.state) == (True, "held again")
    assert plan_of(again) == plan_of(run)


def test_another_currency_in_the_file_is_refused_before_the_catalog(
    platform: str, bed: TestBed
) -> None:
    bed.write_extract(in_dollars(ROWS))
    number = bed.sandbox.last_request()

    run = bed.sync(platform)

    assert bed.writes(number) == []
    assert not run.stages["pos_extract"][bed.outlet].ok
    assert bed.differences(platform) == {}


def test_another_currency_by_configuration_is_held(platform: str, bed: TestBed) -> None:
    bed.configure(lambda document: document["defaults"].update(currency="USD"))
    bed.write_extract(in_dollars(ROWS))
    shown, number = bed.shown(platform), bed.sandbox.last_request()

    run = bed.sync(platform)

    assert bed.writes(number) == []
    assert bed.shown(platform) == shown
    assert (run.one.ok, run.one.state) == (False, "held")
    assert "another currency" in run.one.reason
    assert bed.sync(platform).one.state == "held again"


def test_prices_of_zero_are_never_sent(platform: str, bed: TestBed) -> None:
    bed.write_extract([replace(row, price="0.00") for row in ROWS])
    shown, number = bed.shown(platform), bed.sandbox.last_request()

    run = bed.sync(platform)

    assert bed.writes(number) == []
    assert bed.shown(platform) == shown
    stages = [stage[bed.outlet] for stage in run.stages.values() if bed.outlet in stage]
    assert [result.reason for result in stages if not result.ok], "nobody was told"


def test_a_catalogue_that_only_lost_its_half_says_so_and_takes_nothing_off_sale(
    platform: str, bed: TestBed
) -> None:
    bed.write_extract(ROWS[:40])
    number = bed.sandbox.last_request()

    result = bed.sync(platform).one

    assert bed.writes(number) == []
    assert result.state == "unchanged"
    assert "50% fewer" in result.reason


def test_half_a_catalogue_does_not_take_the_other_half_off_sale_after_gone_after_either(
    platform: str, bed: TestBed
) -> None:
    bed.configure(lambda d: d["outlets"]["westlands"]["extract"].update(gone_after=1))
    bed.write_extract(ROWS[:40])
    number = bed.sandbox.last_request()

    result = bed.sync(platform).one

    assert bed.writes(number) == []
    assert (result.ok, result.state) == (False, "held")
    assert "go out of stock (50%" in result.reason


def test_one_price_that_falls_by_nine_tenths_is_held_and_the_rest_goes(
    platform: str, bed: TestBed
) -> None:
    rows = repriced(ROWS[:5], lambda price: price + 1) + ROWS[5:]
    rows[2] = replace(rows[2], price="10.00")
    bed.write_extract(rows)
    number = bed.sandbox.last_request()

    run = bed.sync(platform)

    assert (run.one.ok, run.one.state) == (False, "rows held")
    assert (run.one.numbers["held"], run.one.numbers["applied"]) == (1, 4)
    assert "falls by more than 50%" in run.one.reason
    assert [write["items"] for write in bed.writes(number)] == [4]
    item = "prod_00003" if platform == "tracker_ke" else "00003"
    assert list(bed.differences(platform)) == [item]

    again = bed.sync(platform)

    assert (again.one.ok, again.one.state) == (True, "held again")
    assert bed.writes(number)[1:] == []


def test_what_is_held_is_reported_once_also_while_other_rows_go_on(
    platform: str, bed: TestBed
) -> None:
    rows = [replace(ROWS[0], price="5.00"), *ROWS[1:]]
    bed.write_extract(rows)
    assert not bed.sync(platform).one.ok
    rows[1] = replace(rows[1], price="103.00")
    bed.write_extract(rows)

    result = bed.sync(platform).one

    assert (result.ok, result.state) == (True, "rows held")
    assert result.numbers["applied"] == 1


def test_an_approved_plan_goes_out_whole(platform: str, bed: TestBed) -> None:
    bed.write_extract(repriced(ROWS, lambda price: price * 100))
    held = bed.sync(platform)
    with bed.run() as project:
        decisions.approve(
            project.ledger, plan_of(held), "amina", "new currency unit", latest_extract(bed)
        )
    number = bed.sandbox.last_request()

    run = bed.sync(platform)

    assert (run.one.ok, run.one.state) == (True, "pushed"), run.one
    assert "approved by amina: new currency unit" in run.one.reason
    assert len(bed.writes(number)) == 8
    assert bed.differences(platform) == {}
    assert bed.pushes()[-1]["created_by"] == "amina"
    assert bed.sync(platform).one.state == "unchanged"


def test_the_rows_that_were_held_back_go_out_once_they_are_approved(
    platform: str, bed: TestBed
) -> None:
    rows = [replace(ROWS[0], price="5.00"), *repriced(ROWS[1:4], lambda p: p + 1), *ROWS[4:]]
    bed.write_extract(rows)
    run = bed.sync(platform)
    assert list(bed.differences(platform)) != []
    with bed.run() as project:
        decisions.approve(project.ledger, plan_of(run), "amina", "clearance", latest_extract(bed))
    number = bed.sandbox.last_request()

    assert bed.sync(platform).one.ok
    assert [write["items"] for write in bed.writes(number)] == [1]
    assert bed.differences(platform) == {}


def test_a_rejected_plan_stays_where_it_is(platform: str, bed: TestBed) -> None:
    bed.write_extract(repriced(ROWS, lambda price: price * 100))
    held = bed.sync(platform)
    with bed.run() as project:
        decisions.reject(project.ledger, plan_of(held), "amina", "a typing error")
    number = bed.sandbox.last_request()

    run = bed.sync(platform)

    assert bed.writes(number) == []
    assert (run.one.ok, run.one.state) == (True, "held again")
    assert "rejected by amina: a typing error" in run.one.reason


def test_a_plan_cannot_be_approved_after_its_base_has_moved(platform: str, bed: TestBed) -> None:
    bed.write_extract(repriced(ROWS, lambda price: price * 100))
    held = bed.sync(platform)
    # the till brings something new before anybody decides
    rows = [replace(ROWS[0], price="102.00"), *ROWS[1:]]
    bed.write_extract(rows)
    with bed.run() as project:
        from marketsync_dagster.stages.extract import extract_outlets

        extract_outlets(project, bed.outlets)
        with pytest.raises(PlanError, match="newer extract"):
            decisions.approve(project.ledger, plan_of(held), "amina", "go", latest_extract(bed))
        assert get_plan(project.ledger, plan_of(held)).state == "stale"
    number = bed.sandbox.last_request()

    assert bed.sync(platform).one.ok
    assert [write["items"] for write in bed.writes(number)] == [1]
    assert bed.differences(platform) == {}


def test_an_approved_plan_is_refused_as_stale_if_its_base_moved_before_it_went_out(
    platform: str, bed: TestBed
) -> None:
    bed.write_extract(repriced(ROWS, lambda price: price * 100))
    held = bed.sync(platform)
    with bed.run() as project:
        decisions.approve(project.ledger, plan_of(held), "amina", "go", latest_extract(bed))
    bed.write_extract([replace(ROWS[0], price="102.00"), *ROWS[1:]])
    number = bed.sandbox.last_request()

    run = bed.sync(platform)

    assert "refused as stale" in run.one.reason
    assert [write["items"] for write in bed.writes(number)] == [1]
    assert bed.differences(platform) == {}
    with bed.run() as project:
        assert get_plan(project.ledger, plan_of(held)).state == "stale"


def test_a_new_plan_supersedes_the_one_that_waits(platform: str, bed: TestBed) -> None:
    bed.write_extract(repriced(ROWS, lambda price: price * 100))
    first = bed.sync(platform)
    bed.write_extract(repriced(ROWS, lambda price: price / 100))

    second = bed.sync(platform)

    assert (second.one.ok, second.one.state) == (False, "held")
    with bed.run() as project:
        assert get_plan(project.ledger, plan_of(first)).state == "superseded"
        with pytest.raises(PlanError, match="superseded"):
            decisions.approve(project.ledger, plan_of(first), "amina", "go", latest_extract(bed))


def test_a_disaster_that_the_till_takes_back_needs_nobody(platform: str, bed: TestBed) -> None:
    bed.write_extract(repriced(ROWS, lambda price: price * 100))
    bed.sync(platform)
    bed.write_extract([replace(ROWS[0], price="102.00"), *ROWS[1:]])

    assert bed.sync(platform).one.ok
    assert bed.differences(platform) == {}
    assert bed.shown(platform)["prod_00001" if platform == "tracker_ke" else "00001"][0] == Decimal(
        "102.00"
    )


def test_an_approved_disaster_that_is_cut_off_is_finished_without_a_second_approval(
    platform: str, bed: TestBed
) -> None:
    bed.write_extract(without_stock(ROWS))
    held = bed.sync(platform)
    with bed.run() as project:
        decisions.approve(project.ledger, plan_of(held), "amina", "moving", latest_extract(bed))
    bed.sandbox.scenario("status", channel=platform, status=503, match={"nth": 3}, times=None)
    assert not bed.sync(platform).one.ok
    bed.sandbox.clear_scenarios()

    result = bed.sync(platform).one

    assert result.ok, result
    assert bed.differences(platform) == {}


@pytest.mark.parametrize("day", range(3))
def test_an_ordinary_day_is_not_held(day: int, platform: str, bed: TestBed) -> None:
    """A tenth of the prices moves a little, some sell out, some arrive, one leaves the range."""
    rows = list(ROWS)
    for at in range(day, 80, 10):
        percent = 115 if at % 20 else 85
        rows[at : at + 1] = repriced(rows[at : at + 1], lambda p, q=percent: p * q / 100)
    for at in range(day + 1, 80, 12):
        rows[at] = replace(rows[at], stock="0")
    del rows[50 + day]
    bed.write_extract(rows)

    result = bed.sync(platform).one

    assert (result.ok, result.state) == (True, "pushed"), result
    assert result.numbers["held"] == 0
    left = f"{51 + day:05}"
    assert {item.removeprefix("prod_") for item in bed.differences(platform)} == {left}
