"""What is nobody's, or comes too early, or is asked of a till that has no files: said in words."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from marketsync_dagster.ledger.states import states_at
from marketsync_dagster.stages.passed_over import FILES, TOO_EARLY, readings_of, strays
from marketsync_dagster.stages.preview import _catalog_now
from marketsync_dagster.stages.troubles import of_states
from marketsync_dagster_tests.stages.chains import KEYS, Chain, made, table, zipped

NAME = {"outlet": {"from": "name", "pattern": "store_(?P<outlet>[0-9]+)_"}}
FOLDER = {"pattern": "*/*.csv", "outlet": {"from": "directory"}}
MILK = table("A1,Milk,1.00,5")
Make = Callable[..., Chain]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    with made(tmp_path, monkeypatch) as make:
        yield make


def names_of_stores(chain: Chain, *more: str) -> None:
    for key in ("001", "002", "003"):
        chain.put(f"store_{key}_20260105.csv", MILK)
    for name in more:
        chain.put(name, MILK)


def test_files_of_no_outlet_are_said_once_per_run_and_counted(make: Make) -> None:
    chain = make(**NAME)
    names_of_stores(chain, "store_101_20260105.csv", "store_101_20260106.csv", "Store 1 0105.csv")
    for _ in ("new", "unchanged"):
        results = chain.good()
        said = [one.reason for one in results.values() if "passed over" in one.reason]
        (words,) = said
        assert words.split("; ") == [
            "feed: 2 files of '101' that is no outlet of marketsync.yaml were passed over",
            "feed: 1 file whose name tells no outlet was passed over: 'Store 1 0105.csv'",
        ]
        assert {one.numbers[FILES] for one in results.values()} == {3}
    for name in ("store_101_20260105.csv", "store_101_20260106.csv", "Store 1 0105.csv"):
        chain.remove(name)
    assert all(FILES not in one.numbers for one in chain.good().values())


def test_so_are_folders_that_nobody_keys(make: Make) -> None:
    chain = make(**FOLDER)
    for folder in ("001", "002", "3", "Nakuru"):
        chain.put(f"{folder}/prices.csv", MILK)
    (first, *_) = chain.good().values()
    assert first.reason == (
        "feed: 1 file of 'Nakuru' that is no outlet of marketsync.yaml was passed over"
    )


def test_so_is_what_an_archive_holds(make: Make) -> None:
    chain = make(pattern="*.zip", **NAME)
    members = {f"store_{key}_.csv": MILK for key in ("001", "002", "003", "101")}
    chain.put("all.zip", zipped(members))
    (first, *_) = chain.good().values()
    assert "1 file of '101' that is no outlet" in first.reason


def test_many_files_of_no_outlet_are_named_in_part(make: Make) -> None:
    chain = make(**NAME)
    names_of_stores(chain)
    readings = readings_of(chain.project().settings, "chain")
    found = strays([f"store_{n}_x.csv" for n in range(100, 200)] + ["store_1_x.csv"], readings)
    assert len(found) == 101  # `1` is another outlet than `001`
    names_of_stores(chain, *(f"store_{n}_x.csv" for n in range(100, 110)))
    assert "'100', '101', '102', '103', '104' and 5 more" in chain.good()["lipa"].reason


def test_a_look_ahead_says_it_too(make: Make) -> None:
    chain = make(**NAME)
    names_of_stores(chain, "store_101_20260105.csv")
    chain.put("store_001_20260106.csv", table("A1,Milk,1.00,5", "A2,Jam,x,5"))
    for _ in ("before", "after"):
        now = _catalog_now(chain.project(), "lipa")
        assert any("1 file of '101'" in note for note in now.notes)
        assert now.rejected == {"bad_price": 1}
        chain.good()


def test_an_outlet_without_a_file_is_told_which_outlets_have_one(make: Make) -> None:
    chain = make(**NAME)
    names_of_stores(chain)
    chain.remove("store_002_20260105.csv")
    results = chain.read_all()
    assert "is of '002'; there is '001', '003'" in results["brijest"].reason


def test_an_outlet_that_is_in_no_archive_is_told_which_are(make: Make) -> None:
    chain = make(pattern="*.zip", **NAME)
    chain.put("all.zip", zipped({f"store_{key}_.csv": MILK for key in ("001", "003")}))
    assert "is of '002'; there is '001', '003'" in chain.read_all()["brijest"].reason


def test_rejected_rows_are_said_with_their_reasons(make: Make) -> None:
    chain = make(keys={"lipa": ["001"]})
    chain.put("a.csv", table("A1,Milk,1.00,5", "A2,Jam,x,5", "A3,Tea,,5", "A4,Salt,y,5"))
    for _ in ("new", "unchanged"):
        reason = chain.good()["lipa"].reason
        assert reason == "3 rows of the extract rejected: 2 bad_price, 1 missing_price"


def test_an_extract_of_a_time_to_come_is_said_until_the_time_has_come(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = make(keys={"lipa": ["001"]})
    day = datetime.now(UTC) + timedelta(days=3)
    chain.put(f"a_{day:%Y%m%d}.csv", MILK)
    for _ in ("new", "unchanged"):
        result = chain.good()["lipa"]
        assert result.numbers[TOO_EARLY] == 1
        assert f"is of {day:%Y-%m-%d}T00:00:00.000Z by its name, which is still to come" in (
            result.reason
        )
        assert "--outlet lipa --force-older" in result.reason
        state = states_at(chain.opened[-1].ledger, "pos_extract")["lipa"]
        (trouble,) = of_states([state], {})
        assert (trouble.kind, trouble.key) == ("extract_changed", "extract_ahead lipa")
        assert "still to come" in trouble.title
    assert any("still to come" in note for note in _catalog_now(chain.project(), "lipa").notes)
    later = "marketsync_dagster.stages.passed_over.utcnow"
    monkeypatch.setattr(later, lambda: day + timedelta(days=2))
    result = chain.good()["lipa"]
    assert (TOO_EARLY in result.numbers, "to come" in result.reason) == (False, False)


# --- a till that is asked


def asked(folder: Path, rows: list[tuple[Any, ...]]) -> None:
    with closing(sqlite3.connect(folder / "pos.db")) as database, database:
        database.execute("drop table if exists product")
        database.execute("create table product (branch text, sku text, price numeric)")
        database.executemany("insert into product values (?, ?, ?)", rows)


def query(make: Make) -> Chain:
    chain = make()
    chain.document["sources"]["chain"] = {
        "kind": "sql",
        "url": "sqlite:///pos.db",
        "query": "select branch, sku, price from product",
        "outlet": {"from": "column", "column": "branch"},
    }
    return chain


def test_a_query_is_no_file_that_could_be_exported_again(make: Make, tmp_path: Path) -> None:
    chain = query(make)
    asked(tmp_path, [("001", "A1", "1"), ("002", "A1", "2")])
    result = chain.read_all()["hrast"]
    assert result.reason.startswith("chain has nothing of '003' or '3'; its outlets are ")
    assert result.next_step == "correct `keys`, or see why the query has no row of the outlet"
    asked(tmp_path, [])
    for result in chain.read_all().values():
        assert result.reason == "chain: the query gave no rows; nothing was changed"
        assert "export" not in result.next_step
    for row in chain.rows("extract", "id"):
        assert "jsonl" not in row["file"] + row["reason"]


def test_a_query_is_of_the_time_when_it_was_read(make: Make, tmp_path: Path) -> None:
    chain = query(make)
    asked(tmp_path, [(key, "A1", "1") for (key, *_) in KEYS.values()])
    chain.good()
    records = chain.rows("extract", "outlet")
    assert {(row["time_source"], row["file"]) for row in records} == {("read", "chain")}
    assert json.loads(records[0]["details"])["preset"] == "generic"
    assert {one.state for one in chain.good().values()} == {"unchanged"}
