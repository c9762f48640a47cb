"""Rejected rows in any number: each has its line and its reason, and memory stays small."""

from __future__ import annotations

import numpy as np
import pytest

from marketsync_dagster.pos import quarantine
from marketsync_dagster.pos.model import REJECT_COLUMNS
from marketsync_dagster.pos.quarantine import Quarantine, Rejects
from marketsync_dagster.pos.reasons import ROW_REASONS
from marketsync_dagster.pos.texts import Fault

LINES = np.arange(2, 12)


def test_of_a_reason_that_fills_the_file_every_row_is_kept_and_the_first_with_their_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(quarantine, "VALUES_KEPT", 3)
    monkeypatch.setattr(quarantine, "_WAITING", 4)
    rejects = Rejects(["x.csv"])
    found = Quarantine(rejects, {"price": "Price"}, LINES)
    found.sku = lambda row: f"S{row}"
    rejects.fault(Fault(20, None, "A,B", "too_few_columns"), {})
    found.rows(range(9), "price", lambda row: f"x{row}", "bad_price")
    found.row(9, "sku", "S9", "contradicting_duplicate", "Also on line 3.")
    frame = rejects.frame()
    assert list(frame.columns) == list(REJECT_COLUMNS)
    assert len(frame) == len(rejects) == 11
    assert rejects.counts == {"bad_price": 9, "too_few_columns": 1, "contradicting_duplicate": 1}
    assert frame["line"].tolist() == [*LINES, 20]
    assert frame["value"].fillna("-").tolist() == ["x0", "x1", "x2", *["-"] * 6, "S9", "A,B"]
    assert frame["reason"].tolist()[7:9] == ["bad_price"] * 2
    assert frame["sku"].fillna("-").tolist() == [*(f"S{row}" for row in range(10)), "-"]
    assert frame["next_step"].tolist()[8:10] == [
        ROW_REASONS["bad_price"],
        f"Also on line 3. {ROW_REASONS['contradicting_duplicate']}",
    ]
    assert set(frame["file"]) == {"x.csv"}


def test_a_row_is_rejected_once() -> None:
    rejects = Rejects(["x.csv"])
    found = Quarantine(rejects, {}, LINES)
    found.row(1, "sku", "", "missing_sku")
    found.row(1, "price", "x", "bad_price")
    assert rejects.frame()[["line", "reason"]].to_numpy().tolist() == [[3, "missing_sku"]]


def test_nothing_rejected_is_a_frame_with_the_same_columns() -> None:
    empty, full = Rejects(["x.csv"]).frame(), Rejects(["x.csv"])
    Quarantine(full, {}, LINES).row(1, "sku", "", "missing_sku")
    assert empty.dtypes.to_dict() == full.frame().dtypes.to_dict()
    assert len(empty) == 0
