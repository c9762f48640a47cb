"""Rows as Dagster shows them in metadata."""

from __future__ import annotations

import pytest

from marketsync_dagster.assets.tables import TABLE_ROWS, table


def test_a_row_that_lacks_what_others_have_is_empty_there() -> None:
    rows = [
        {"outlet": "kisumu", "verdict": "no feed"},
        {"outlet": "mombasa", "to_send": 3, "verdict": "goes out"},
    ]
    assert [record.data for record in table(rows).records] == [
        {"outlet": "kisumu", "verdict": "no feed", "to_send": ""},
        {"outlet": "mombasa", "verdict": "goes out", "to_send": 3},
    ]


@pytest.mark.parametrize("count", [0, 1, TABLE_ROWS, TABLE_ROWS + 1])
def test_a_table_is_cut_to_what_an_event_can_carry(count: int) -> None:
    assert len(table([{"line": line} for line in range(count)]).records) == min(count, TABLE_ROWS)


def test_values_are_text_numbers_or_nothing() -> None:
    (record,) = table([{"a": None, "b": 1.5, "c": True, "d": ["x"]}]).records
    assert record.data == {"a": "", "b": 1.5, "c": True, "d": "['x']"}
