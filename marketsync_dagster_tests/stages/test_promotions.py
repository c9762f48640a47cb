"""Promotions begin and end by the clock: catalog and platform follow without a new file."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from marketsync_dagster.catalog.promotions import PROMOTION_COLUMNS
from marketsync_dagster.push.plan import PlanOptions
from marketsync_dagster.stages import catalog as stage
from marketsync_dagster.stages.catalog import CATALOG_KEY
from marketsync_dagster.stages.explain import explain
from marketsync_dagster.stages.extract import is_taken_up
from marketsync_dagster.stages.preview import preview
from marketsync_dagster.stages.project import StageResult
from marketsync_dagster.values.times import from_iso
from marketsync_dagster_tests.projects import FULL, TestBed, make_project, some_rows
from marketsync_dagster_tests.sandbox_process import SandboxProcess

PLATFORM = "tracker_ke"
BEGIN = from_iso("2030-05-09T21:00:00Z")
END = from_iso("2030-05-11T21:00:00Z")
"""What the two days of the file are in Nairobi."""
LITTLE = timedelta(milliseconds=1)
COLUMNS = {
    "sku": "Code", "price": "Price", "promo_price": "Promo", "promo_from": "From", "promo_to": "To",
    "stock": "Qty",
}  # fmt: skip
HEADER = ",".join(COLUMNS.values())
Tell = Callable[[datetime], None]


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Tell:
    """Sets the clock by which promotions are judged."""

    def tell(moment: datetime) -> None:
        monkeypatch.setattr(stage, "utcnow", lambda: moment)

    return tell


def shop(tmp_path: Path, sandbox: SandboxProcess, **extract: Any) -> TestBed:
    """Thirty products at 10.00, in Nairobi."""
    rows = some_rows(30)
    said = {"columns": COLUMNS, **extract}
    bed = make_project(tmp_path, sandbox, rows=rows, platforms=[PLATFORM], extract=said)
    bed.configure(lambda document: document["defaults"].update(timezone="Africa/Nairobi"))
    bed.forget_extracts()
    return bed


def till(bed: TestBed, **special: str) -> None:
    """A new extract; `special`: what the lines of some SKUs say from the price on."""
    skus = [row.sku for row in some_rows(30)]
    lines = [f"{sku},{special.get(f'p{number}', '10.00,,,,5')}" for number, sku in enumerate(skus)]
    bed.write_extract([], text="\n".join([HEADER, *lines, ""]))


SALE = "10.00,8.00,2030-05-10,2030-05-11,5"


def first(bed: TestBed) -> tuple[Decimal, bool]:
    """Price of the first product on the platform, and whether it can be bought."""
    return bed.shown(PLATFORM)[f"prod_{some_rows(1)[0].sku}"]


def synced(bed: TestBed) -> tuple[StageResult, dict[str, Any]]:
    """What became of the catalog and of the plan in a partial run."""
    done = bed.sync(PLATFORM)
    assert done.one.ok, done.one.reason
    return done.stages["pos_catalog"][bed.outlet], dict(done.one.numbers)


def test_a_promotion_begins_and_ends_on_the_platform_without_a_new_file(
    tmp_path: Path, fresh_sandbox: SandboxProcess, at: Tell
) -> None:
    bed = shop(tmp_path, fresh_sandbox)
    till(bed, p0=SALE)
    at(BEGIN - timedelta(days=1))
    bed.sync(PLATFORM, FULL)
    assert first(bed) == (Decimal(10), True)
    expected = [
        (BEGIN - LITTLE, "unchanged", 0, 10),
        (BEGIN, "done", 1, 8),
        (BEGIN + timedelta(hours=1), "unchanged", 0, 8),
        (END - LITTLE, "unchanged", 0, 8),
        (END, "done", 1, 10),
        (END + timedelta(days=9), "unchanged", 0, 10),
        # a clock that is set back
        (BEGIN, "done", 1, 8),
    ]
    for moment, state, sent, price in expected:
        at(moment)
        result, numbers = synced(bed)
        assert (result.state, numbers.get("applied", 0)) == (state, sent), moment
        assert first(bed) == (Decimal(price), True), moment
        assert bed.differences(PLATFORM) == {}
        with bed.run() as project:
            assert is_taken_up(project, bed.outlet)


def test_a_product_with_a_promotion_price_alone_goes_out_of_stock_when_it_ends_and_says_why(
    tmp_path: Path, fresh_sandbox: SandboxProcess, at: Tell
) -> None:
    bed = shop(tmp_path, fresh_sandbox)
    till(bed, p0=",8.00,2030-05-10,2030-05-11,5")
    sku = some_rows(1)[0].sku
    at(BEGIN)
    bed.sync(PLATFORM, FULL)
    assert first(bed) == (Decimal(8), True)
    at(END)
    for state in ("done", "unchanged"):
        result, _ = synced(bed)
        assert result.ok
        assert result.state == state
        assert "1 products have a promotion price alone" in result.reason
        assert sku in result.reason
        assert "regular price" in result.next_step
        assert result.numbers["without_price"] == 1
    assert first(bed) == (Decimal(8), False)
    with bed.run() as project:
        told = explain(project, bed.outlet, PLATFORM, sku)
    assert "its promotion ended at 2030-05-11" in told["pricing"]["rule"]
    at(BEGIN)
    result, _ = synced(bed)
    assert result.reason == ""
    assert "without_price" not in result.numbers
    assert first(bed) == (Decimal(8), True)


def test_after_a_delta_the_promotions_of_older_files_still_begin_and_end(
    tmp_path: Path, fresh_sandbox: SandboxProcess, at: Tell
) -> None:
    bed = shop(tmp_path, fresh_sandbox, coverage="delta")
    till(bed, p0=SALE)
    at(BEGIN)
    bed.sync(PLATFORM, FULL)
    assert first(bed) == (Decimal(8), True)
    other = some_rows(2)[1].sku
    bed.write_extract([], text=f"{HEADER}\n{other},9.00,,,,5\n")
    at(END)
    _, numbers = synced(bed)
    assert numbers["applied"] == 2
    assert first(bed) == (Decimal(10), True)
    at(BEGIN)
    _, numbers = synced(bed)
    assert numbers["applied"] == 1
    assert first(bed) == (Decimal(8), True)
    assert bed.differences(PLATFORM) == {}


def test_a_plan_that_is_only_looked_at_has_the_prices_of_now(
    tmp_path: Path, fresh_sandbox: SandboxProcess, at: Tell
) -> None:
    bed = shop(tmp_path, fresh_sandbox)
    till(bed, p0=SALE)
    at(BEGIN - LITTLE)
    bed.sync(PLATFORM, FULL)
    at(BEGIN)
    with bed.run() as project:
        plan = preview(project, bed.outlet, PLATFORM, PlanOptions(mode="partial"))
    assert plan.rows["price_minor"].tolist() == [800]


def test_a_clock_that_passes_an_edge_counts_no_absence_again(
    tmp_path: Path, fresh_sandbox: SandboxProcess, at: Tell
) -> None:
    bed = shop(tmp_path, fresh_sandbox, gone_after=2)
    till(bed, p0=SALE)
    at(BEGIN - LITTLE)
    bed.sync(PLATFORM, FULL)
    skus = [row.sku for row in some_rows(30)][:-1]
    lines = [f"{skus[0]},{SALE}", *(f"{sku},10.00,,,,5" for sku in skus[1:])]
    bed.write_extract([], text="\n".join([HEADER, *lines, ""]))
    synced(bed)
    for moment in (BEGIN, END):
        at(moment)
        result, _ = synced(bed)
        assert result.state == "done"
        assert result.numbers["rows"] == 29
        assert result.numbers["inactive"] == 0


def test_a_catalog_that_an_older_version_stored_is_taken_as_it_is(
    tmp_path: Path, fresh_sandbox: SandboxProcess, at: Tell
) -> None:
    bed = shop(tmp_path, fresh_sandbox, coverage="delta")
    till(bed, p0=SALE)
    at(BEGIN)
    bed.sync(PLATFORM, FULL)
    with bed.run() as project:
        frames, outlet = project.frames, bed.outlet
        stamp = frames.stamp(CATALOG_KEY, outlet)
        assert stamp is not None
        old = frames.read(CATALOG_KEY, outlet).drop(columns=list(PROMOTION_COLUMNS))
        made_from = stamp.inputs.split(" ")[0]
        frames.write(CATALOG_KEY, outlet, old, inputs=made_from, numbers=stamp.numbers)
    at(END)
    result, numbers = synced(bed)
    assert (result.state, numbers.get("applied", 0)) == ("unchanged", 0)
    bed.write_extract([], text=f"{HEADER}\n{some_rows(2)[1].sku},9.00,,,,5\n")
    _, numbers = synced(bed)
    assert numbers["applied"] == 1
    assert first(bed) == (Decimal(8), True)
