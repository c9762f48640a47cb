"""Absence is not deletion: what vanishes is left alone, then out of stock."""

from __future__ import annotations

import pandas as pd

from marketsync_dagster.catalog import schemas
from marketsync_dagster.catalog.absence import gone_rows
from marketsync_dagster_tests.catalog.builders import catalog

BEFORE = catalog(
    [{"sku": "A", "quantity": 5}, {"sku": "B", "price_minor": 777, "quantity": 3}, {"sku": "C"}]
)


def test_a_sku_that_vanished_is_left_alone_until_it_is_gone_long_enough() -> None:
    now = catalog([{"sku": "A"}])
    absences: dict[str, int] = {}
    previous = BEFORE
    states = []
    gone = gone_rows(previous, previous, absences, gone_after=3)
    for _ in range(4):
        gone = gone_rows(previous, now, absences, gone_after=3)
        schemas.validate(schemas.CATALOG, gone.kept, what="kept")
        schemas.validate(schemas.CATALOG, gone.remembered, what="remembered")
        absences = gone.times
        previous = pd.concat([now, gone.kept, gone.remembered], ignore_index=True)
        states.append((gone.times["B"], gone.kept["sku"].tolist()))
    assert states == [(1, []), (2, []), (3, ["B", "C"]), (4, ["B", "C"])]
    assert gone.kept["price_minor"].tolist() == [777, 100]
    assert gone.remembered["quantity"].iloc[0] == 3


def test_a_kept_row_is_out_of_stock_and_on_no_line() -> None:
    gone = gone_rows(BEFORE, catalog([{"sku": "A"}]), {}, gone_after=1)
    assert gone.kept["sku"].tolist() == ["B", "C"]
    assert gone.kept["stock_status"].tolist() == ["out_of_stock"] * 2
    assert gone.kept["quantity"].tolist() == [0, 0]
    assert gone.kept["active"].tolist() == [False, False]
    assert gone.kept["line"].tolist() == [0, 0]


def test_a_sku_that_is_back_is_said_to_be_back_and_not_added_twice() -> None:
    gone = gone_rows(BEFORE, catalog([{"sku": "A"}, {"sku": "B"}]), {"B": 7, "C": 1}, gone_after=2)
    assert gone.present_again == ["B"]
    assert gone.times == {"C": 2}
    assert gone.kept["sku"].tolist() == ["C"]


def test_a_counted_sku_whose_row_is_unknown_is_counted_on() -> None:
    gone = gone_rows(BEFORE, BEFORE, {"OLD": 4}, gone_after=1)
    assert gone.times == {"OLD": 5}
    assert len(gone.kept) == 0


def test_without_a_limit_nothing_is_kept() -> None:
    gone = gone_rows(BEFORE, catalog([{"sku": "A"}]), {}, gone_after=None)
    assert gone.times == {"B": 1, "C": 1}
    assert len(gone.kept) == 0
    schemas.validate(schemas.CATALOG, gone.kept, what="kept")


def test_the_first_extract_has_nothing_that_vanished() -> None:
    gone = gone_rows(schemas.empty(schemas.CATALOG), BEFORE, {}, gone_after=1)
    assert (gone.times, gone.present_again, len(gone.kept)) == ({}, [], 0)
    schemas.validate(schemas.CATALOG, gone.kept, what="kept")
