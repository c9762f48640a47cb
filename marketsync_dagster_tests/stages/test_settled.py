"""A partial plan of a settled channel is the plan that comparing everything makes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from marketsync_dagster.ledger import listings
from marketsync_dagster.push.plan import Plan, PlanOptions
from marketsync_dagster.stages import catalog, extract, feed, mapping, planning
from marketsync_dagster.stages.project import Project
from marketsync_dagster_tests.projects import (
    FULL,
    PARTIAL,
    Row,
    TestBed,
    make_project,
    repriced,
    some_rows,
)
from marketsync_dagster_tests.sandbox_process import SandboxProcess

PLATFORM = "pasons"
ROWS = some_rows(60)
Reads = list[Sequence[str] | None]


@pytest.fixture
def bed(tmp_path: Path, fresh_sandbox: SandboxProcess) -> TestBed:
    return settled_bed(tmp_path, fresh_sandbox)


def settled_bed(folder: Path, sandbox: SandboxProcess) -> TestBed:
    bed = make_project(folder, sandbox, rows=ROWS, platforms=[PLATFORM])
    bed.configure(lambda said: guarded(bed))
    assert bed.sync(PLATFORM, FULL).one.ok
    # a window that knows of a move
    bed.write_extract(cheaper(ROWS, slice(50, 53)))
    assert bed.sync(PLATFORM).one.numbers["applied"] == 3
    return bed


@pytest.fixture(scope="module")
def planned_only(tmp_path_factory: pytest.TempPathFactory, sandbox: SandboxProcess) -> TestBed:
    """A settled channel whose plans are only drawn: it stays settled."""
    sandbox.reset()
    return settled_bed(tmp_path_factory.mktemp("settled"), sandbox)


def guarded(bed: TestBed) -> None:
    bed.channel(PLATFORM)["guard"] |= {
        "min_rows": 5, "max_changed_share": 0.5, "max_out_of_stock_share": 0.2,
        "max_price_fall": 0.5, "max_price_rise": 0.5,
    }  # fmt: skip


def cheaper(rows: list[Row], which: slice, share: str = "0.9") -> list[Row]:
    lower = repriced(rows[which], lambda price: price * Decimal(share))
    return [*rows[: which.start], *lower, *rows[which.stop :]]


def up_to_feed(project: Project, bed: TestBed) -> None:
    extract.extract_outlets(project, bed.outlets)
    catalog.build_catalogs(project, bed.outlets)
    mapping.map_outlets(project, PLATFORM, bed.outlets)
    feed.build_feeds(project, PLATFORM, bed.outlets)


def plans(
    bed: TestBed, options: PlanOptions, monkeypatch: pytest.MonkeyPatch
) -> tuple[Plan, Plan, Reads]:
    """The plan as it is made, the plan that compares everything, and the listings the first one
    asked for (None: all)."""
    asked: Reads = []
    load = listings.load_listings

    def noted(*args: Any, skus: Sequence[str] | None = None) -> pd.DataFrame:
        asked.append(skus)
        return load(*args, skus=skus)

    with bed.run() as project:
        up_to_feed(project, bed)
        channel = project.settings.channel(bed.outlet, PLATFORM)
        assert channel is not None

        def draw() -> Plan:
            return planning.draw_plan(project, channel, PLATFORM, bed.outlet, options)

        with monkeypatch.context() as patched:
            patched.setattr(planning.listings, "load_listings", noted)
            made = draw()
        with monkeypatch.context() as patched:
            patched.setattr(planning, "unsettled_rows", lambda *_, **__: None)
            whole = draw()
    return made, whole, asked


def same(made: Plan, whole: Plan) -> None:
    pd.testing.assert_frame_equal(made.rows, whole.rows)
    for field in dataclasses.fields(Plan):
        if field.name != "rows":
            assert getattr(made, field.name) == getattr(whole, field.name), field.name
    assert made.counts() == whole.counts()


CHANGES: dict[str, Callable[[list[Row]], list[Row]]] = {
    "nothing": list,
    "a price": lambda rows: cheaper(rows, slice(7, 8)),
    "prices and stock": lambda rows: [
        *cheaper(rows, slice(3, 9))[:20],
        *(dataclasses.replace(row, stock="0") for row in rows[20:24]),
        *rows[24:],
    ],
    "back to an earlier price": lambda _: list(ROWS),
    "a price that is held": lambda rows: cheaper(rows, slice(7, 9), "0.2"),
    "more than the guard allows": lambda rows: cheaper(rows, slice(0, 40)),
    "too much out of stock": lambda rows: [
        *(dataclasses.replace(row, stock="0") for row in rows[:20]), *rows[20:]
    ],
    "another order": lambda rows: cheaper(list(reversed(rows)), slice(2, 4)),
    "rows that are gone": lambda rows: cheaper(rows, slice(1, 3))[:55],
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize(
    "options",
    [
        PARTIAL,
        PlanOptions(mode="partial", limit=2),
        PlanOptions(mode="partial", fields=("price",)),
        PlanOptions(mode="partial", fields=("stock",)),
    ],
    ids=["all", "limit", "price", "stock"],
)
def test_what_is_not_compared_makes_no_difference(
    planned_only: TestBed,
    options: PlanOptions,
    change: Callable[[list[Row]], list[Row]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(planning, "FEW", 1.0)
    planned_only.write_extract(change(cheaper(ROWS, slice(50, 53))))
    made, whole, asked = plans(planned_only, options, monkeypatch)
    assert asked != [None]
    same(made, whole)


def new_row(bed: TestBed) -> None:
    bed.write_extract([*cheaper(ROWS, slice(50, 53)), Row("99999", "5.00")])


def another_id(bed: TestBed) -> None:
    lines = "sku,platform_id\n00007,renumbered\n"
    (bed.root / "mine.csv").write_text(lines)
    bed.configure(lambda said: bed.channel(PLATFORM)["mapping"].update(file="mine.csv"))


def pushed_since(bed: TestBed) -> None:
    bed.sync(PLATFORM, PlanOptions(mode="partial", skus=("00003",)))
    bed.write_extract(cheaper(ROWS, slice(4, 6)))


def damaged(bed: TestBed) -> None:
    path = bed.root / ".marketsync" / "frames" / PLATFORM / "settled_feed" / "westlands.parquet"
    data = path.read_bytes()
    path.write_bytes(data[:200] + bytes(byte ^ 0xFF for byte in data[200:260]) + data[260:])
    bed.write_extract(cheaper(ROWS, slice(4, 6)))


@pytest.mark.parametrize("trouble", [new_row, another_id, pushed_since, damaged])
def test_where_the_settled_feed_does_not_tell_everything_is_compared(
    bed: TestBed, trouble: Callable[[TestBed], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    trouble(bed)
    made, whole, asked = plans(bed, PARTIAL, monkeypatch)
    assert asked == [None]
    same(made, whole)


@pytest.mark.parametrize(
    "options", [FULL, PlanOptions(mode="partial", skus=("00003",))], ids=["full", "named"]
)
def test_what_sends_unchanged_rows_compares_everything(
    bed: TestBed, options: PlanOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, whole, asked = plans(bed, options, monkeypatch)
    assert asked == [None]
    same(made, whole)


def test_many_differences_are_read_at_once(bed: TestBed, monkeypatch: pytest.MonkeyPatch) -> None:
    bed.write_extract(cheaper(ROWS, slice(0, 16)))
    made, whole, asked = plans(bed, PARTIAL, monkeypatch)
    assert asked == [None]
    same(made, whole)
