"""When promotions begin and end is read where it can be understood in one way only."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from marketsync_dagster.pos.model import Extract, ExtractSpec, NothingAccepted
from marketsync_dagster.pos.promotions import Order, order_of, read_moment, read_windows
from marketsync_dagster.pos.read import read_extract

NAIROBI = "Africa/Nairobi"
BEGINS = {
    "2026-11-20": "2026-11-19T21:00",
    "2026-11-20 18:00": "2026-11-20T15:00",
    "2026-11-20T18:00:30": "2026-11-20T15:00:30",
    "2026-11-20T18:00:00Z": "2026-11-20T18:00",
    "2026-11-20T18:00:00.000+01:00": "2026-11-20T17:00",
    "2026-11-20T18:00:00-0500": "2026-11-20T23:00",
    "2026/11/20 18:00": "2026-11-20T15:00",
    "20261120": "2026-11-19T21:00",
    "20.11.2026": "2026-11-19T21:00",
    "20.11.26 08:00": "2026-11-20T05:00",
    "5. 1. 2026.": "2026-01-04T21:00",
    "20/11/2026": "2026-11-19T21:00",
    "11/20/26, 6:00 PM": "2026-11-20T15:00",
    "11/20/26, 6:00\u202fPM": "2026-11-20T15:00",
    "11/20/2026 12:30 a.m.": "2026-11-19T21:30",
    "٢٠٢٦-١١-٢٠": "2026-11-19T21:00",
    "\u200f20/11/2026": "2026-11-19T21:00",
    "7/7/2026": "2026-07-06T21:00",
    "1900-01-01": None,
    "0000-00-00 00:00:00": None,
    "NULL": None,
    "": None,
}
ENDS = {
    "2026-11-20": "2026-11-20T21:00",
    "2026-11-20 18:00": "2026-11-20T15:00",
    "2026-11-20 00:00:00": "2026-11-19T21:00",
    "2026-11-20 23:59": "2026-11-20T21:00",
    "2026-11-20 23:59:59": "2026-11-20T21:00",
    "2026-11-20T23:59:59.999Z": "2026-11-21T00:00",
    "2026-12-31": "2026-12-31T21:00",
    "9999-12-31": None,
    "n/a": None,
}


def moment(cell: str, order: Order | None = None, *, end: bool = False) -> str | None:
    return read_moment(cell, ZoneInfo(NAIROBI), order, end=end)


def whole(short: str | None) -> str | None:
    """`2026-11-20T18:00` as it is stored."""
    return short and f"{short if short.count(':') == 2 else short + ':00'}.000Z"


@pytest.mark.parametrize("cell", BEGINS)
def test_a_beginning_is_read_by_the_clock_of_the_outlet(cell: str) -> None:
    assert moment(cell) == whole(BEGINS[cell])


@pytest.mark.parametrize("cell", ENDS)
def test_an_end_includes_the_day_or_minute_that_it_names(cell: str) -> None:
    assert moment(cell, end=True) == whole(ENDS[cell])


@pytest.mark.parametrize(
    "cell",
    [
        "03/04/2026", "3-4-26", "2026-02-30", "31/31/2026", "31.04.2026", "tomorrow", "45981",
        "2026-11-20 25:00", "2026-11-20 13:00 PM", "2026-11", "2026-11-20 18:00+19:00", "1.5",
        "1763600000", "Nov 2026", "2026-11-20 to 2026-11-30", "2026-11-20;", "2" * 100,
        "2500-01-01",
    ],
)  # fmt: skip
def test_what_may_mean_two_things_or_nothing_is_no_beginning(cell: str) -> None:
    with pytest.raises(ValueError, match=r"\.$"):
        moment(cell)


def test_a_year_long_ago_is_no_end() -> None:
    with pytest.raises(ValueError, match="1900"):
        moment("1900-01-01", end=True)
    assert moment("1999-12-31", end=True) is not None


def test_the_order_of_day_and_month_is_proven_by_another_cell_of_the_file() -> None:
    assert order_of(["03/04/2026", "13/04/2026"]) == "day"
    assert order_of(["03/04/2026", "04/13/2026"]) == "month"
    assert order_of(["03/04/2026", "2026-04-13", ""]) is None
    assert order_of(["13/04/2026", "04/13/2026"]) is None
    assert moment("03/04/2026", "day") == whole("2026-04-02T21:00")
    assert moment("03/04/2026", "month") == whole("2026-03-03T21:00")


def test_a_day_has_as_many_hours_as_the_clock_on_the_wall_says() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert read_moment("2026-03-29", berlin, None, end=False) == whole("2026-03-28T23:00")
    assert read_moment("2026-03-29", berlin, None, end=True) == whole("2026-03-29T22:00")
    assert read_moment("2026-10-25", berlin, None, end=True) == whole("2026-10-25T23:00")


def column(*cells: str) -> pa.Array:
    return pa.array(cells, pa.string())


def test_only_the_windows_of_promotions_are_looked_at() -> None:
    found = read_windows(
        column("soon", "2026-11-20", ""), None, np.array([False, True, True]), "UTC"
    )
    assert found.starts.to_pylist() == [None, whole("2026-11-20T00:00"), None]
    assert found.ends.to_pylist() == [None, None, None]
    assert not found.faults


def test_each_row_is_faulted_once_with_its_column() -> None:
    promoted = np.ones(3, bool)
    starts, ends = column("soon", "", "2026-11-20"), column("later", "later", "2026-11-19")
    found = read_windows(starts, ends, promoted, "UTC")
    assert {row: fault[:2] for row, fault in found.faults.items()} == {
        0: ("promo_from", "soon"), 1: ("promo_to", "later"), 2: ("promo_to", "2026-11-19"),
    }  # fmt: skip
    assert "before it begins" in found.faults[2][2]


FILE = """sku,name,price,promo_price,promo_from,promo_to
1,Tea,2.00,1.50,2026-11-20,2026-11-22
2,Rice,3.00,,whenever,2026-11-22
3,Oil,3.00,2.50,,
4,Salt,3.00,2.50,soon,2026-11-22
5,Flour,3.00,2.50,2026-11-20,2026-11-19
6,Milk,3.00,2.50,,03/04/2026
"""


def read(file: str, **said: Any) -> Extract:
    return read_extract(file.encode(), ExtractSpec(timezone=NAIROBI, **said), file="till.csv")


def test_a_window_that_cannot_be_read_rejects_the_row_at_either_price() -> None:
    extract = read(FILE)
    assert extract.frame["sku"].tolist() == ["1", "2", "3"]
    assert extract.frame["promo_from"].astype(object).tolist()[0] == whole("2026-11-19T21:00")
    assert extract.frame["promo_to"].astype(object).tolist()[0] == whole("2026-11-22T21:00")
    assert extract.frame[["promo_from", "promo_to"]].iloc[1:].isna().all(axis=None)
    told = extract.rejects[["line", "column", "value", "reason", "sku"]].to_numpy().tolist()
    assert told == [
        [5, "promo_from", "soon", "bad_promo_window", "4"],
        [6, "promo_to", "2026-11-19", "bad_promo_window", "5"],
        [7, "promo_to", "03/04/2026", "bad_promo_window", "6"],
    ]
    assert "day or the month" in extract.rejects["next_step"].iloc[2]


def test_the_headers_of_a_window_are_known_by_their_words() -> None:
    for start, end in [
        ("Special Price From Date", "Special Price To Date"),
        ("Sale start date", "Sale end date"),
        ("promo_start", "promo_end"),
    ]:
        extract = read(FILE.replace("promo_from", start).replace("promo_to", end))
        assert extract.columns["promo_from"] == start
        assert extract.columns["promo_to"] == end


def test_two_copies_with_different_windows_contradict_each_other() -> None:
    lines = ["sku,price,promo_price,promo_to", "1,2.00,1.00,2026-11-20", "1,2.00,1.00,2026-11-21"]
    with pytest.raises(NothingAccepted) as caught:
        read("\n".join([*lines, ""]))
    assert set(caught.value.extract.rejects["reason"]) == {"contradicting_duplicate"}


def test_dates_of_other_formats_are_read_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "till.parquet"
    moments = pa.array([datetime(2026, 11, 20, 8, tzinfo=UTC), None])
    days = pa.array([date(2026, 11, 22), None])
    text = {"sku": ["1", "2"], "price": ["3", "3"], "promo_price": ["2", "2"]}
    pq.write_table(pa.table({**text, "promo_from": moments, "promo_to": days}), path)
    record = {**{name: cells[0] for name, cells in text.items()}, "promo_from": None}
    json_file = json.dumps([{**record, "promo_to": "2026-11-22"}]).encode()
    for source, file, starts in (
        (path, path.name, "2026-11-20T08:00"),
        (json_file, "t.json", None),
    ):
        extract = read_extract(source, ExtractSpec(timezone=NAIROBI), file=file)
        first = extract.frame.astype(object).iloc[0]
        assert (None if starts is None else first["promo_from"]) == whole(starts)
        assert first["promo_to"] == whole("2026-11-22T21:00")
        assert not len(extract.rejects)
