"""Runs that send only some of what there is to send: a limit, one field, chosen SKUs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from marketsync_dagster.push.plan import PlanOptions
from marketsync_dagster.stages.products import push_products
from marketsync_dagster_tests.projects import (
    EXTRACT_COLUMNS,
    PARTIAL,
    TestBed,
    make_project,
    repriced,
    some_rows,
)
from marketsync_dagster_tests.sandbox_process import SandboxProcess

PLATFORM = "tracker_ke"
ROWS = some_rows(30)
SOME: list[tuple[PlanOptions, int]] = [
    # what is asked for, and the rows that go out
    (PlanOptions("partial", limit=5), 5),
    (PlanOptions("partial", fields=("price",)), 8),
    (PlanOptions("partial", fields=("stock",)), 6),
    (PlanOptions("partial", fields=("stock",), limit=5), 5),
    (PlanOptions("partial", fields=("price",), skus=("00006",)), 1),
    (PlanOptions("full", limit=5), 5),
    (PlanOptions("full", fields=("price",)), 30),
    (PlanOptions("full", fields=("stock",)), 30),
    (PlanOptions("full", skus=("00003", "00030")), 2),
]


def changed(bed: TestBed, by: int) -> None:
    """An extract with other prices, `by` more, in its first eight rows, and in six from the fifth
    on those that were there are sold out, or the other way round: four rows have both."""
    rows = repriced(ROWS[:8], lambda price: price + by) + ROWS[8:]
    stock = "0" if by % 2 else "7"
    bed.write_extract([*rows[:4], *(replace(row, stock=stock) for row in rows[4:10]), *rows[10:]])


def test_some_go_out_and_the_next_partial_run_sends_exactly_the_rest(
    tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    bed = make_project(
        tmp_path, fresh_sandbox, rows=ROWS, platforms=[PLATFORM], guard={"min_rows": 1_000}
    )
    bed.sync(PLATFORM)
    for by, (options, sent) in enumerate(SOME, start=1):
        changed(bed, by)
        some = bed.sync(PLATFORM, options).one.numbers
        left = bed.differences(PLATFORM)
        assert (some["sent"], some["applied"], bool(left)) == (sent, sent, True), options
        # what was not sent is not taken for settled
        rest = bed.sync(PLATFORM, PARTIAL).one
        assert (rest.state, rest.numbers["sent"]) == ("pushed", len(left)), options
        assert bed.differences(PLATFORM) == {}, options
    assert bed.sync(PLATFORM, PARTIAL).one.state == "unchanged"


def ean(number: int) -> str:
    """A barcode with its check digit."""
    digits = f"590{number:09}"
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    return f"{digits}{-total % 10}"


def test_products_are_offered_as_far_as_the_run_goes(
    tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    columns = {name: header for name, header in EXTRACT_COLUMNS.items() if name != "cost"}
    bed = make_project(
        tmp_path,
        fresh_sandbox,
        rows=[replace(row, cost=ean(number)) for number, row in enumerate(ROWS)],
        platforms=[PLATFORM],
        extract={"columns": columns | {"barcode": "Cost"}},
    )
    bed.sync(PLATFORM)
    for options, offered, left in (
        (PlanOptions(limit=5), 5, 25),
        (PlanOptions(skus=("00020",)), 1, 24),
        (PlanOptions(fields=("price",)), 0, None),
        (PlanOptions(fields=("stock",), limit=5), 0, None),
        (PlanOptions(fields=("offer",), limit=4), 4, 20),
        (PlanOptions(), 20, 0),
        (PlanOptions(limit=5), 0, 0),
    ):
        number = fresh_sandbox.last_request()
        with bed.run() as project:
            (result,) = push_products(project, PLATFORM, bed.outlets, options)
        figures = (result.numbers.get("offered", 0), result.numbers.get("deselected"))
        assert (result.ok, *figures) == (True, offered, left), options
        calls = fresh_sandbox.requests(number, bodies=True)
        assert len(calls) == bool(offered), options


@pytest.mark.parametrize("limit", [1, 20])
def test_a_limit_is_of_each_channel(
    limit: int, tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    bed = make_project(
        tmp_path, fresh_sandbox, outlets=["a", "b"], rows=ROWS[:10], platforms=[PLATFORM]
    )
    synced = bed.sync(PLATFORM, PlanOptions(limit=limit))
    sent = [synced.listing(outlet).numbers["sent"] for outlet in bed.outlets]
    assert sent == [min(limit, 10)] * 2
