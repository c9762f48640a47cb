"""Extracts that cannot be trusted change nothing, say why, and leave the other outlets alone."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from marketsync_dagster.catalog.frames import FrameStore
from marketsync_dagster.ledger.states import failures_at, states_at
from marketsync_dagster.stages.explain import explain
from marketsync_dagster.stages.extract import EXTRACT_KEY, Force
from marketsync_dagster_tests.faults import kills
from marketsync_dagster_tests.projects import (
    FULL,
    Row,
    TestBed,
    make_project,
    repriced,
    some_rows,
)
from marketsync_dagster_tests.sandbox_process import SandboxProcess

ROWS = some_rows(40)
DEARER = repriced(ROWS[:8], lambda price: price + 1) + ROWS[8:]
HEADER = "ProductId,Product,Price,Cost,Currency,Qty\n"
BAD, GOOD = "kisumu", "westlands"


@pytest.fixture
def bed(tmp_path: Path, fresh_sandbox: SandboxProcess) -> TestBed:
    """Two outlets, everything shown and right."""
    bed = make_project(
        tmp_path, fresh_sandbox, rows=ROWS, platforms=["pasons"], outlets=[BAD, GOOD]
    )
    run = bed.sync("pasons", FULL)
    assert run.listing(BAD).ok
    assert run.listing(GOOD).ok
    return bed


def missing_file(bed: TestBed) -> None:
    bed.forget_extracts(BAD)


def missing_folder(bed: TestBed) -> None:
    shutil.rmtree(bed.folder(BAD))


def cut_off(bed: TestBed) -> None:
    whole = HEADER + "".join(f"{row.line()}\n" for row in DEARER)
    bed.write_extract([], BAD, text=whole[: len(whole) // 2].rpartition(",")[0])


BAD_EXTRACTS: dict[str, tuple[Callable[[TestBed], object], str]] = {
    "older": (lambda bed: bed.write_extract(DEARER, BAD, minutes=-90), "unchanged"),
    "empty": (lambda bed: bed.write_extract([], BAD, text=""), "empty"),
    "header only": (lambda bed: bed.write_extract([], BAD), "no "),
    "truncated": (cut_off, "last line"),
    "missing file": (missing_file, "no extract of kisumu"),
    "missing folder": (missing_folder, "extracts/kisumu"),
    "only rejects": (
        lambda bed: bed.write_extract([Row(r.sku, "free") for r in ROWS], BAD),
        "none of 40 records",
    ),
    "no price column": (
        lambda bed: bed.write_extract([], BAD, text="ProductId,Product\n1,Milk\n2,Bread\n"),
        "rice",
    ),
}


@pytest.mark.parametrize("name", [name for name in BAD_EXTRACTS if name != "older"])
def test_an_extract_that_cannot_be_trusted_changes_nothing_and_says_why(
    name: str, bed: TestBed
) -> None:
    plant, words = BAD_EXTRACTS[name]
    frames = FrameStore(bed.root / ".marketsync")
    before = frames.stamp(EXTRACT_KEY, BAD)
    plant(bed)
    bed.write_extract(DEARER, GOOD)
    shown, number = bed.shown("pasons", BAD), bed.sandbox.last_request()

    run = bed.sync("pasons", run_id="run-bad")

    assert {request["account"] for request in bed.writes(number)} == {"store-westlands"}
    assert bed.shown("pasons", BAD) == shown
    assert frames.stamp(EXTRACT_KEY, BAD) == before
    assert BAD not in run.stages["pasons_listings"]
    assert run.listing(GOOD).numbers["applied"] == 8
    with bed.run() as project:
        reason, next_step = failures_at(project.ledger, "run-bad", "pos_extract")[BAD]
        state = states_at(project.ledger, "pos_extract")[BAD]
    assert words in reason
    assert (state.ok, state.state, state.reason) == (False, "failed", reason)
    assert next_step

    bed.write_extract(DEARER, BAD)
    assert bed.sync("pasons").listing(BAD).ok
    assert bed.differences("pasons", BAD) == {}


def test_an_older_file_beside_the_newer_one_is_not_read(bed: TestBed) -> None:
    bed.write_extract(DEARER, BAD, minutes=-90)
    number = bed.sandbox.last_request()

    run = bed.sync("pasons")

    assert run.stages["pos_extract"][BAD].state == "unchanged"
    assert bed.writes(number) == []


def older_in_place_of_newer(bed: TestBed) -> None:
    bed.forget_extracts(BAD)
    bed.write_extract(DEARER, BAD, minutes=-90)


def test_an_older_extract_after_a_newer_one_is_refused(bed: TestBed) -> None:
    older_in_place_of_newer(bed)
    shown, number = bed.shown("pasons", BAD), bed.sandbox.last_request()

    run = bed.sync("pasons")

    result = run.stages["pos_extract"][BAD]
    assert not result.ok
    assert "is older" in result.reason
    assert "--force-older" in result.next_step
    assert bed.writes(number) == []
    assert bed.shown("pasons", BAD) == shown
    assert run.listing(GOOD).ok


def test_an_older_extract_that_a_person_forces_is_sent(bed: TestBed) -> None:
    older_in_place_of_newer(bed)

    run = bed.sync("pasons", outlets=[BAD], force=Force("amina", "the newer one was a test"))

    assert run.one.numbers["applied"] == 8, run.one
    assert bed.differences("pasons", BAD) == {}
    record = bed.table("extract", "read_at")[-1]
    assert (record["time_source"], record["forced_by"]) == ("forced", "amina")
    assert record["forced_reason"] == "the newer one was a test"
    assert bed.sync("pasons", outlets=[BAD]).one.state == "unchanged"


def test_the_same_bytes_again_are_not_read_again(bed: TestBed) -> None:
    bed.write_extract(ROWS, BAD)
    frames = FrameStore(bed.root / ".marketsync")
    before, number = frames.stamp(EXTRACT_KEY, BAD), bed.sandbox.last_request()

    run = bed.sync("pasons")

    assert run.stages["pos_extract"][BAD].state == "unchanged"
    assert frames.stamp(EXTRACT_KEY, BAD) == before
    assert bed.writes(number) == []


def test_an_extract_that_comes_back_after_another_counts_as_new(bed: TestBed) -> None:
    bed.write_extract(DEARER, BAD)
    bed.sync("pasons")
    bed.write_extract(ROWS, BAD)

    assert bed.sync("pasons").listing(BAD).numbers["applied"] == 8
    assert bed.differences("pasons", BAD) == {}


# --- deltas


@pytest.fixture
def delta_bed(tmp_path: Path, fresh_sandbox: SandboxProcess) -> TestBed:
    bed = make_project(
        tmp_path, fresh_sandbox, rows=ROWS, platforms=["pasons"], extract={"coverage": "delta"}
    )
    assert bed.sync("pasons", FULL).one.ok
    return bed


def dearer(first: int, count: int = 2) -> list[Row]:
    return repriced(ROWS[first : first + count], lambda price: price + 1)


def assert_shown(bed: TestBed, changed: list[Row]) -> None:
    assert bed.differences("pasons") == {}
    shown = bed.shown("pasons")
    assert len(shown) == 40
    for row in changed:
        assert f"{shown[row.sku][0]:.2f}" == row.price


def test_a_delta_changes_its_rows_and_leaves_the_rest(delta_bed: TestBed) -> None:
    delta_bed.write_extract(dearer(0))
    number = delta_bed.sandbox.last_request()

    assert delta_bed.sync("pasons").one.numbers["applied"] == 2

    assert [request["items"] for request in delta_bed.writes(number)] == [2]
    assert_shown(delta_bed, dearer(0))


def test_deltas_that_came_together_are_taken_in_their_order(delta_bed: TestBed) -> None:
    delta_bed.write_extract(repriced(ROWS[:2], lambda price: price + 9))
    delta_bed.write_extract(dearer(0))
    delta_bed.write_extract(dearer(4))

    assert delta_bed.sync("pasons").one.numbers["applied"] == 4

    assert_shown(delta_bed, dearer(0) + dearer(4))


def test_a_price_is_traced_to_its_own_file_when_deltas_came_together(delta_bed: TestBed) -> None:
    first = delta_bed.write_extract(dearer(0))
    second = delta_bed.write_extract(dearer(4))
    assert delta_bed.sync("pasons").one.numbers["applied"] == 4
    for path, rows in ((first, dearer(0)), (second, dearer(4))):
        with delta_bed.run() as project:
            story = explain(project, delta_bed.outlet, "pasons", rows[0].sku)
        assert story["source"]["file"].endswith(path.name)
        assert rows[0].sku in path.read_text().splitlines()[story["source"]["line"] - 1]


def test_a_delta_stays_known_when_a_later_one_of_the_same_run_is_bad(delta_bed: TestBed) -> None:
    delta_bed.write_extract(dearer(0))
    bad = delta_bed.write_extract([], text="")
    run = delta_bed.sync("pasons")
    assert not run.stages["pos_extract"][delta_bed.outlet].ok
    bad.unlink()

    assert delta_bed.sync("pasons").one.ok

    assert_shown(delta_bed, dearer(0))


@pytest.mark.parametrize(
    "point",
    ["extract_archived", "extract_frame_written", "extract_recorded", "catalog_frame_written"],
)
def test_a_delta_is_not_lost_by_a_kill_before_it_is_in_the_catalog(
    point: str, delta_bed: TestBed
) -> None:
    delta_bed.write_extract(dearer(0))
    kills.run_killed(delta_bed.place, "pasons", delta_bed.outlets, point)
    delta_bed.write_extract(dearer(4))

    assert delta_bed.sync("pasons").one.ok

    assert_shown(delta_bed, dearer(0) + dearer(4))


# --- what vanishes from full extracts


@pytest.fixture
def shrinking(tmp_path: Path, fresh_sandbox: SandboxProcess) -> TestBed:
    bed = make_project(
        tmp_path, fresh_sandbox, rows=ROWS, platforms=["pasons"], extract={"gone_after": 2}
    )
    assert bed.sync("pasons", FULL).one.ok
    return bed


def with_a_change(rows: list[Row], step: int) -> list[Row]:
    """The rows, one of them changed, so that no two extracts have the same bytes."""
    return [*repriced(rows[:1], lambda price: price + step), *rows[1:]]


def test_a_sku_that_is_gone_for_long_enough_is_sent_as_out_of_stock(shrinking: TestBed) -> None:
    seen = []
    for step in (1, 2, 3):
        shrinking.write_extract(with_a_change(ROWS[:-1], step))
        assert shrinking.sync("pasons").one.ok
        seen.append(shrinking.shown("pasons")["00040"])

    price = shrinking.shown("pasons")["00040"][0]
    assert [in_stock for _, in_stock in seen] == [True, False, False]
    assert {price for price, _ in seen} == {price}
    assert shrinking.differences("pasons") == {}


def test_a_sku_that_comes_back_starts_anew(shrinking: TestBed) -> None:
    for step, rows in enumerate([ROWS[:-1], ROWS, ROWS[:-1]]):
        shrinking.write_extract(with_a_change(rows, step + 1))
        assert shrinking.sync("pasons").one.ok

    assert shrinking.shown("pasons")["00040"][1]


@pytest.mark.parametrize("point", ["catalog_frame_written", "feed_made"])
def test_a_sku_that_vanished_in_a_killed_run_is_not_forgotten(
    point: str, shrinking: TestBed
) -> None:
    shrinking.write_extract(with_a_change(ROWS[:-1], 1))
    kills.run_killed(shrinking.place, "pasons", shrinking.outlets, point)
    for step in (2, 3):
        shrinking.write_extract(with_a_change(ROWS[:-1], step))
        assert shrinking.sync("pasons").one.ok

    assert not shrinking.shown("pasons")["00040"][1]
