"""The stages: what has not changed costs nothing, what has is planned, each price has a story."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from marketsync_dagster.catalog.frames import FrameStore
from marketsync_dagster.ledger.plans import count_held, get_plan
from marketsync_dagster.ledger.states import states_at
from marketsync_dagster.push import decisions
from marketsync_dagster.push.plan import PlanOptions
from marketsync_dagster.stages import listings, push_work
from marketsync_dagster.stages.explain import explain
from marketsync_dagster.stages.preview import preview
from marketsync_dagster.values.errors import ExtractError, UsageError
from marketsync_dagster_tests.projects import (
    FULL,
    PARTIAL,
    PLATFORMS,
    TestBed,
    make_project,
    repriced,
    some_rows,
)
from marketsync_dagster_tests.sandbox_process import SandboxProcess

ROWS = some_rows(40)


@pytest.fixture(params=PLATFORMS)
def platform(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def bed(platform: str, tmp_path: Path, fresh_sandbox: SandboxProcess) -> TestBed:
    bed = make_project(tmp_path, fresh_sandbox, rows=ROWS, platforms=[platform])
    assert bed.sync(platform, FULL).one.ok
    return bed


def files_of(bed: TestBed) -> dict[str, tuple[int, int]]:
    """Every frame and when it was written."""
    frames = bed.root / ".marketsync" / "frames"
    return {
        str(path.relative_to(frames)): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in frames.rglob("*.parquet")
    }


def test_what_has_not_changed_costs_no_call_and_no_frame(platform: str, bed: TestBed) -> None:
    before, number = files_of(bed), bed.sandbox.last_request()

    run = bed.sync(platform)

    assert files_of(bed) == before
    assert bed.sandbox.requests(number) == []
    states = [result.state for stage in run.stages.values() for result in stage.values()]
    assert states == ["unchanged"] * 4 + ["unchanged"]


def test_a_full_run_sends_everything_again(platform: str, bed: TestBed) -> None:
    number = bed.sandbox.last_request()
    assert bed.sync(platform, FULL).one.numbers["applied"] == 40
    assert len(bed.writes(number)) == 4


def test_write_calls_are_what_the_batch_size_makes_of_the_changes(
    platform: str, bed: TestBed
) -> None:
    bed.write_extract(repriced(ROWS[:11], lambda price: price + 1) + ROWS[11:])
    number = bed.sandbox.last_request()
    assert bed.sync(platform).one.numbers["calls"] == 2
    assert sorted(request["items"] for request in bed.writes(number)) == [1, 10]


def test_a_pricing_rule_that_changes_plans_every_price_anew(platform: str, bed: TestBed) -> None:
    channel = bed.channel(platform)
    bed.configure(
        lambda _: channel.update(
            pricing={"markup_percent": 10, "round_to": "0.50"}, guard={"max_changed_share": 1.0}
        )
    )

    run = bed.sync(platform)

    assert run.stages["pos_catalog"]["westlands"].state == "unchanged"
    assert run.one.numbers["applied"] == 40
    assert bed.differences(platform) == {}


def test_a_stock_rule_that_changes_sends_what_it_changes(platform: str, bed: TestBed) -> None:
    channel = bed.channel(platform)
    # quantities are 10 to 14: eight of them are 10, and are now kept for the shop floor
    bed.configure(lambda _: channel.update(stock={"buffer": 10}))

    assert bed.sync(platform).one.numbers["applied"] == 8
    assert bed.differences(platform) == {}


def test_a_guard_that_changes_is_asked_again(platform: str, bed: TestBed) -> None:
    bed.write_extract(repriced(ROWS, lambda price: price + 1))
    assert bed.sync(platform).one.state == "held"
    channel = bed.channel(platform)
    bed.configure(lambda _: channel.update(guard={"max_changed_share": 1.0}))
    assert bed.sync(platform).one.state == "pushed"


def test_a_held_plan_does_not_wait_when_nothing_is_left_to_say(platform: str, bed: TestBed) -> None:
    bed.write_extract(repriced(ROWS, lambda price: price + 1))
    assert bed.sync(platform).one.state == "held"
    with bed.ledger() as ledger:
        assert count_held(ledger) == 1
    bed.write_extract(ROWS)
    assert bed.sync(platform).one.state == "unchanged"
    with bed.ledger() as ledger:
        assert count_held(ledger) == 0


def test_an_approved_plan_waits_for_a_run_over_all_rows(platform: str, bed: TestBed) -> None:
    bed.write_extract(repriced(ROWS, lambda price: price + 1))
    held = bed.sync(platform).planned[0].plan_id
    with bed.run() as project:
        extract = get_plan(project.ledger, held).extract_id
        decisions.approve(project.ledger, held, "amina", "a new price list", extract)
    some = [{"limit": 2}, {"skus": ("00001",)}, {"fields": ("price",)}]
    for options in (replace(PARTIAL, **asked) for asked in some):
        result = bed.sync(platform, options).one
        assert (result.state, result.numbers["sent"]) == ("disabled", 0)
        assert held in result.reason
    assert bed.sync(platform).one.numbers["applied"] == 40


def test_a_channel_that_is_switched_off_only_makes_a_plan(platform: str, bed: TestBed) -> None:
    bed.write_extract([*repriced(ROWS[:3], lambda price: price + 1), *ROWS[3:]])
    channel = bed.channel(platform)
    bed.configure(lambda _: channel.update(push_enabled=False))
    number = bed.sandbox.last_request()

    result = bed.sync(platform).one

    assert (result.ok, result.state, result.numbers["deselected"]) == (True, "disabled", 3)
    assert bed.writes(number) == []
    bed.configure(lambda _: channel.update(push_enabled=True, auto_push=False))
    assert bed.sync(platform, replace(PARTIAL, automatic=True)).one.state == "disabled"
    assert bed.sync(platform).one.numbers["applied"] == 3


def test_an_id_that_changes_in_the_mapping_file_is_sent_to_its_new_place(
    tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    bed = make_project(tmp_path, fresh_sandbox, rows=ROWS, platforms=["tracker_ke"])
    bed.sync("tracker_ke", FULL)
    product = {"id": "prod_other", "name": "Other", "demo": True}
    fresh_sandbox.seed({"tracker_ke": {"products": [product]}})
    bed.write_mapping([row.sku for row in ROWS], {"00001": "prod_other"})

    run = bed.sync("tracker_ke")

    assert run.stages["pos_catalog"]["westlands"].state == "unchanged"
    assert run.one.numbers["applied"] == 1
    assert bed.shown("tracker_ke")["prod_other"] == bed.wanted("tracker_ke")["prod_other"]


def test_a_row_that_leaves_the_mapping_file_is_unmapped_and_says_what_to_do(
    tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    bed = make_project(tmp_path, fresh_sandbox, rows=ROWS, platforms=["tracker_ke"])
    bed.write_mapping([row.sku for row in ROWS[1:]])

    result = bed.sync("tracker_ke", FULL).one

    assert (result.numbers["unmapped"], result.numbers["applied"]) == (1, 39)
    with bed.run() as project:
        story = explain(project, "westlands", "tracker_ke", "00001")
    assert story["live"] is None
    assert story["mapping"]["platform_id"] is None
    assert "was not asked yet" in story["mapping"]["reason"]
    assert story["next_step"] == "marketsync run refresh_mappings"


def test_selection_limit_and_fields_choose_the_rows(platform: str, bed: TestBed) -> None:
    rows = repriced(ROWS[:6], lambda price: price + 1) + ROWS[6:]
    rows[6] = replace(rows[6], stock="0")
    bed.write_extract(rows)

    def applied(**options: Any) -> int | float:
        return bed.sync(platform, PlanOptions(mode="partial", **options)).one.numbers["applied"]

    assert applied(skus=("00002",)) == 1
    assert applied(limit=2) == 2
    assert applied(fields=("stock",)) == 1
    assert applied() == 3
    assert bed.differences(platform) == {}


def test_the_law_holds_in_the_ledger_after_each_run(platform: str, bed: TestBed) -> None:
    bed.write_extract([*repriced(ROWS[:3], lambda price: price / 10), *ROWS[3:-1]])
    bed.sync(platform)
    with bed.run() as project:
        numbers = states_at(project.ledger, f"{platform}_listings")["westlands"].numbers
    rows = [numbers[n] for n in ("unmapped", "held", "unchanged", "deselected", "sent")]
    assert sum(rows) == numbers["catalog_rows"]
    assert numbers["held"] == 3


# --- preview


@pytest.mark.parametrize("options", [PARTIAL, FULL, PlanOptions("partial", limit=2)])
def test_a_preview_says_what_the_run_then_does_and_keeps_nothing(
    options: PlanOptions, platform: str, bed: TestBed
) -> None:
    rows = repriced(ROWS[:4], lambda price: price + 1) + ROWS[4:-1]
    rows[5] = replace(rows[5], price="5.00")
    bed.write_extract(rows)
    frames, number = files_of(bed), bed.sandbox.last_request()
    plans = bed.table("plan", "created_at")
    with bed.run() as project:
        shown = preview(project, "westlands", platform, options)
    assert files_of(bed) == frames
    assert bed.sandbox.requests(number) == []
    assert bed.table("plan", "created_at") == plans

    run = bed.sync(platform, options)

    counts = {name: run.one.numbers[name] for name in shown.counts()}
    assert counts == shown.counts()
    with bed.run() as project:
        kept = get_plan(project.ledger, run.planned[0].plan_id)
    assert kept.content == shown.content_hash
    assert kept.base == shown.base_hash


def test_a_preview_reads_the_file_anew_where_a_run_would(platform: str, bed: TestBed) -> None:
    extract = bed.document["outlets"]["westlands"]["extract"]
    right = dict(extract["columns"])

    bed.configure(lambda _: extract["columns"].update(price="Prise"))
    with (
        bed.run() as project,
        pytest.raises(ExtractError, match="the closest is 'Price'"),
    ):
        preview(project, "westlands", platform, PARTIAL)

    other = {name: header for name, header in right.items() if name != "stock"}
    bed.configure(lambda _: extract.update(columns=other | {"price": right["stock"]}))
    with bed.run() as project:
        shown = preview(project, "westlands", platform, PARTIAL)
    assert shown.counts()["unchanged"] < 40
    run = bed.sync(platform)
    assert {name: run.one.numbers[name] for name in shown.counts()} == shown.counts()


def test_a_preview_takes_up_every_change_file_that_the_run_would(
    platform: str, tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    bed = make_project(
        tmp_path, fresh_sandbox, rows=ROWS, platforms=[platform], extract={"coverage": "delta"}
    )
    assert bed.sync(platform, FULL).one.ok
    bed.write_extract(repriced(ROWS[:2], lambda price: price + 1))
    bed.write_extract(repriced(ROWS[1:4], lambda price: price + 2))
    with bed.run() as project:
        shown = preview(project, "westlands", platform, PARTIAL)
    assert shown.counts()["unchanged"] == 36

    run = bed.sync(platform)

    assert run.one.numbers["applied"] == 4
    with bed.run() as project:
        kept = get_plan(project.ledger, run.planned[0].plan_id)
        again = preview(project, "westlands", platform, PARTIAL)
    assert kept.content == shown.content_hash
    assert again.counts()["unchanged"] == 40


def test_a_preview_needs_a_channel(platform: str, bed: TestBed) -> None:
    other = next(name for name in PLATFORMS if name != platform)
    with bed.run() as project, pytest.raises(UsageError, match="has no channel"):
        preview(project, "westlands", other, PARTIAL)


# --- explain


def story_of(bed: TestBed, platform: str, sku: str) -> dict[str, Any]:
    with bed.run() as project:
        return explain(project, "westlands", platform, sku)


def test_a_shown_price_is_explained_back_to_the_line_of_its_file(
    platform: str, bed: TestBed
) -> None:
    story = story_of(bed, platform, "00007")
    assert story["live"]["price"] == "KES 107.50"
    assert story["last_sent"]["outcome"] == "applied"
    assert story["push"]["push_id"] == bed.pushes()[0]["id"]
    assert story["batch"]["outcomes"] == {"applied": 10}
    assert story["plan"]["change"] == "new"
    assert story["pricing"]["pos_price"] == "KES 107.50"
    line, file = story["source"]["line"], bed.root / story["source"]["file"]
    assert file.read_text().splitlines()[line - 1].startswith("00007,")
    kept = bed.root / ".marketsync" / story["source"]["archived"]
    assert kept.read_bytes() == file.read_bytes()
    assert story["next_step"] == ""


def test_a_refused_price_is_explained_with_the_platforms_words(platform: str, bed: TestBed) -> None:
    named: dict[str, Any] = {"sku": "00007"}
    if platform == "tracker_ke":
        named = {"product_id": "prod_00007"}
    error = "Price is above the allowed maximum" if platform == "tracker_ke" else "INVALID_PRICE"
    bed.sandbox.scenario("item_error", channel=platform, error=error, times=None, **named)
    rows = [*ROWS[:6], *repriced(ROWS[6:7], lambda price: price + 1), *ROWS[7:]]
    bed.write_extract(rows)
    bed.sync(platform)

    story = story_of(bed, platform, "00007")

    assert story["live"]["price"] == "KES 107.50"
    assert story["last_sent"]["price"] == "KES 108.50"
    assert story["last_sent"]["outcome"] == "refused"
    assert error.split()[0].upper() in story["last_sent"]["message"].upper()
    assert [event["outcome"] for event in story["history"]] == ["refused", "applied"]


def test_a_value_without_an_answer_is_taken_back_although_the_next_one_was_refused(
    tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    rows = some_rows(3)
    bed = make_project(tmp_path, fresh_sandbox, rows=rows, platforms=["tracker_ke"])
    assert bed.sync("tracker_ke", FULL).one.ok
    for rise, fault in ((10, "apply_then_reset"), (20, "item_error")):
        named = {"product_id": "prod_00001"} if fault == "item_error" else {}
        fresh_sandbox.scenario(fault, match={"method": "POST"}, times=None, **named)
        bed.write_extract([*repriced(rows[:1], lambda price, more=rise: price + more), *rows[1:]])
        bed.sync("tracker_ke")
        fresh_sandbox.clear_scenarios()
    assert bed.table("listing", "sku")[0]["outcome"] == "refused"
    assert bed.differences("tracker_ke") != {}

    bed.write_extract(rows)
    assert bed.sync("tracker_ke").one.numbers["applied"] == 1
    assert bed.differences("tracker_ke") == {}


def test_a_rejected_row_is_explained_with_its_line_and_what_to_do(
    platform: str, bed: TestBed
) -> None:
    bed.write_extract([replace(ROWS[0], price="about ten"), *ROWS[1:]])
    bed.sync(platform)

    story = story_of(bed, platform, "00001")

    assert [reject["line"] for reject in story["rejects"]] == [2]
    assert story["rejects"][0]["value"] == "about ten"
    assert story["live"]["price"] == "KES 101.50"
    assert story["next_step"]


def test_a_sku_that_nobody_knows_is_wrong_usage(platform: str, bed: TestBed) -> None:
    with pytest.raises(UsageError, match="has ever brought"):
        story_of(bed, platform, "unchanged")


# --- several outlets


def test_a_defect_in_one_outlet_leaves_the_others_and_is_named(
    platform: str,
    tmp_path: Path,
    fresh_sandbox: SandboxProcess,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bed = make_project(
        tmp_path, fresh_sandbox, platforms=[platform], outlets=["kisumu", "westlands"]
    )
    original = FrameStore.write

    def write(self: FrameStore, key: Any, outlet: str | None, *more: Any, **said: Any) -> Any:
        if outlet == "kisumu" and key[-1] == "price_feed":
            raise RuntimeError("a defect")
        return original(self, key, outlet, *more, **said)

    monkeypatch.setattr(FrameStore, "write", write)

    run = bed.sync(platform, FULL)

    bad = run.stages[f"{platform}_price_feed"]["kisumu"]
    assert not bad.ok
    assert "unexpected RuntimeError: a defect" in bad.reason
    assert run.listing("westlands").ok
    assert "kisumu" not in run.stages[f"{platform}_listings"]


def test_an_outlet_without_a_channel_is_left_out(
    tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    bed = make_project(tmp_path, fresh_sandbox, platforms=["pasons"])
    run = bed.sync("tracker_ke", FULL)
    assert (run.one.ok, run.one.state) == (True, "no channel")


def test_a_run_that_records_late_does_not_settle_what_another_run_changed_since(
    platform: str, bed: TestBed
) -> None:
    """It pushed the old prices whole; another run pushed new ones before the first recorded."""
    with bed.run() as project:
        planned = listings.plan_outlets(project, platform, bed.outlets, FULL)
        pushed = listings.push_plans(project, platform, planned, FULL)
        bed.write_extract([*repriced(ROWS[:3], lambda price: price + 1), *ROWS[3:]])
        assert bed.sync(platform).one.numbers["applied"] == 3
        assert listings.record_outlets(project, platform, pushed)[0].ok
    bed.write_extract(ROWS)  # the very bytes of the first extract

    assert bed.sync(platform).one.numbers["applied"] == 3
    assert bed.differences(platform) == {}


def test_a_plan_that_is_superseded_before_it_opens_is_made_again(
    platform: str, bed: TestBed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another run plans while this one holds the lease, and then waits for it."""
    opened, others = push_work.open_adapter, iter(range(2))

    def open_adapter(*args: Any, **more: Any) -> Any:
        for _ in others:
            with bed.run("another") as project:
                listings.plan_outlets(project, platform, bed.outlets, FULL)
            break
        return opened(*args, **more)

    monkeypatch.setattr(push_work, "open_adapter", open_adapter)
    result = bed.sync(platform, FULL).one
    assert (result.ok, result.state) == (True, "pushed")
    assert next(others, None) == 1
    assert bed.differences(platform) == {}
    assert bed.unaccounted() == []
