"""Many outlets of one source: each gets what is its own, and nobody's trouble is another's."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from marketsync_dagster.catalog.frames import FrameStore
from marketsync_dagster.ledger import extract_files, extracts
from marketsync_dagster.ledger import tables as t
from marketsync_dagster.ledger.care import orphaned_archive
from marketsync_dagster.pos.sources import directory
from marketsync_dagster.stages import arrivals
from marketsync_dagster.stages.arrivals import opened
from marketsync_dagster.stages.choosing import choose
from marketsync_dagster.stages.explain import _source
from marketsync_dagster_tests.stages.chains import (
    BY_ROW,
    KEYS,
    Chain,
    counting,
    made,
    table,
    zipped,
)

COLUMN = {"outlet": {"from": "column"}}
THREE = ("001,A1,Milk,1.00,5", "002,A1,Milk,2.00,5", "003,A1,Milk,3.00,5")


Make = Callable[..., Chain]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    with made(tmp_path, monkeypatch) as make:
        yield make


def by_row(*rows: str) -> bytes:
    return table(*rows, header=BY_ROW)


def test_each_outlet_of_a_file_gets_its_own_rows_and_the_file_is_read_once(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = make(**COLUMN)
    chain.put("all.csv", by_row(*THREE, "3,A2,Bread,4.00,5"))
    reads = counting(monkeypatch, arrivals, "read_document")
    looks = counting(monkeypatch, directory.DirectorySource, "look")

    results = chain.good()

    assert [chain.prices(name) for name in KEYS] == [
        {"A1": 100}, {"A1": 200}, {"A1": 300, "A2": 400},
    ]  # fmt: skip
    assert {name: result.numbers["records"] for name, result in results.items()} == {
        "lipa": 1, "brijest": 1, "hrast": 2,
    }  # fmt: skip
    assert (len(reads), len(looks)) == (1, 1)
    records = chain.rows("extract", "outlet")
    assert len({row["sha256"] for row in records}) == 1
    assert [row["outlet"] for row in records] == sorted(KEYS)
    assert len(chain.archived()) == 1


def test_an_original_whose_mark_is_known_is_not_fetched_again(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = make(**COLUMN)
    chain.put("all.csv", by_row(*THREE))
    chain.good()
    fetches = counting(monkeypatch, arrivals, "keep_original")

    assert {result.state for result in chain.good().values()} == {"unchanged"}

    assert fetches == []
    chain.put("all.csv", by_row(*THREE[:2], "003,A1,Milk,9.00,5"))
    chain.good()
    assert len(fetches) == 1
    assert chain.prices("hrast") == {"A1": 900}


def test_rows_of_no_outlet_of_the_configuration_are_counted_and_named(make: Make) -> None:
    chain = make(**COLUMN)
    chain.put("all.csv", by_row(*THREE, "777,A1,Milk,7.00,5", ",A1,Milk,8.00,5", "777,A2,X,1,5"))

    results = chain.good()

    (document,) = chain.rows("extract_file", "id")
    assert (document["records"], document["unassigned"], document["state"]) == (6, 3, "read")
    assert json.loads(document["details"])["unassigned"] == [
        {"outlet": "777", "rows": 2, "line": 5},
        {"outlet": "", "rows": 1, "line": 6},
    ]
    accepted = sum(result.numbers["records"] for result in results.values())
    assert accepted + document["unassigned"] == document["records"]
    assert {result.numbers["file_unassigned"] for result in results.values()} == {3}
    said = [result.reason for result in results.values() if "passed over" in result.reason]
    assert len(said) == 1
    assert "3 rows of '777', no outlet" in said[0]


def test_an_outlet_that_vanishes_from_the_file_is_named_and_nothing_changes_there(
    make: Make,
) -> None:
    chain = make(**COLUMN, gone_after=1)
    chain.put("monday_2026-01-05.csv", by_row(*THREE))
    chain.good()
    before = chain.stamps("brijest")
    chain.put("tuesday_2026-01-06.csv", by_row("001,A1,Milk,1.50,5", "003,A2,Jam,3.00,5"))

    results = chain.read_all()

    assert {name: result.ok for name, result in results.items()} == {
        "lipa": True, "brijest": False, "hrast": True,
    }  # fmt: skip
    assert "has nothing of '002'" in results["brijest"].reason
    assert chain.stamps("brijest") == before
    assert [row["outlet"] for row in chain.rows("absence", "outlet")] == ["hrast"]
    assert chain.states("brijest")["tuesday_2026-01-06.csv"] == "refused"
    assert chain.prices("lipa") == {"A1": 150}


def test_one_outlet_of_a_file_that_is_refused_keeps_its_own_frames_alone(make: Make) -> None:
    chain = make(**COLUMN)
    chain.put("a_2026-01-05.csv", by_row(*THREE))
    chain.good()
    before = chain.stamps("brijest")
    chain.put("a_2026-01-06.csv", by_row("001,A1,Milk,5.00,5", "002,A1,Milk,free,5", THREE[2]))

    results = chain.read_all()

    assert not results["brijest"].ok
    assert "none of 1 records" in results["brijest"].reason
    now = chain.stamps("brijest")
    assert (now[0], now[2]) == (before[0], before[2])
    assert chain.prices("lipa") == {"A1": 500}


@pytest.mark.parametrize(
    ("source", "names"),
    [
        (
            {"pattern": "*/*.csv", "outlet": {"from": "directory"}},
            ("001/x_2026-01-05.csv", "002/x_2026-01-05.csv", "3/x_2026-01-05.csv"),
        ),
        (
            {"outlet": {"from": "name", "pattern": "_(?P<outlet>[0-9]+)_"}},
            ("p_001_2026-01-05.csv", "p_002_2026-01-05.csv", "p_003_2026-01-05.csv"),
        ),
    ],
)
def test_the_outlet_of_a_file_is_known_by_its_name_or_folder(
    source: dict[str, Any], names: tuple[str, ...], make: Make
) -> None:
    chain = make(**source)
    for price, name in enumerate(names, 1):
        chain.put(name, table(f"A1,Milk,{price}.00,5"))
    chain.put(names[0].replace("001", "555"), table("A1,Milk,99.00,5"))

    chain.good()

    assert [chain.prices(name)["A1"] for name in KEYS] == [100, 200, 300]
    chain.remove(names[1])
    results = chain.read_all()
    assert "is of '002'" in results["brijest"].reason
    assert results["lipa"].state == results["hrast"].state == "unchanged"


def test_an_archive_holds_a_file_for_each_outlet_and_each_line_is_traced_to_its_member(
    make: Make,
) -> None:
    chain = make(pattern="*.zip", outlet={"from": "name", "pattern": "^(?P<outlet>[0-9]{3})[.]"})
    members = {f"{n:03}.csv": table(f"A1,Milk,{n}.00,5") for n in (1, 2, 3, 4)}
    chain.put("all_2026-01-05.zip", zipped(members))

    chain.good()

    assert [chain.prices(name)["A1"] for name in KEYS] == [100, 200, 300]
    parts = chain.rows("extract_part", "extract_id")
    assert {part["member"] for part in parts} == {"001.csv", "002.csv", "003.csv"}
    assert {part["original"] for part in parts} == set(chain.archived())
    assert "feed/all_2026-01-05.zip/001.csv" in {part["file"] for part in parts}
    assert {result.state for result in chain.good().values()} == {"unchanged"}


def test_several_members_of_an_archive_make_one_extract_of_an_outlet(make: Make) -> None:
    chain = make(pattern="*.zip", outlet={"from": "name", "pattern": "^(?P<outlet>[0-9]{3})_"})
    chain.put(
        "all_2026-01-05.zip",
        zipped({"001_food.csv": table("A1,Milk,1.00,5"), "001_other.csv": table("B1,Soap,2.00,5")}),
    )

    result = chain.good("lipa")["lipa"]

    assert chain.prices() == {"A1": 100, "B1": 200}
    assert result.numbers["records"] == 2
    (record,) = chain.rows("extract", "id")
    assert len(chain.rows("extract_part", "place")) == 2
    assert record["file"].count(".csv") == 2


def test_a_look_ahead_keeps_and_remembers_nothing(make: Make) -> None:
    chain = make(**COLUMN)
    chain.put("all.csv", by_row(*THREE))
    project = chain.project()

    with opened(project, keep=False) as looked:
        reading = looked.reading("lipa")
        chosen = choose(looked, reading, "", "")
        assert chosen.base is not None
        assert looked.content(reading, chosen.base.pieces[0].record).records == 3

    assert chain.rows("extract_file", "id") == []
    assert chain.archived() == []
    assert not list((chain.folder / ".marketsync").glob(".spool-*"))


def test_a_damaged_archive_is_refused_with_its_own_reason_and_recorded(make: Make) -> None:
    chain = make(pattern="*.zip", outlet={"from": "name", "pattern": "^(?P<outlet>[0-9]{3})[.]"})
    whole = zipped({f"{n:03}.csv": table(f"A1,Milk,{n}.00,5") for n in (1, 2)})
    chain.put("a_2026-01-05.zip", whole)
    chain.put("a_2026-01-06.zip", whole[: len(whole) // 2])

    results = chain.read_all()

    assert not any(result.ok for result in results.values())
    (document,) = chain.rows("extract_file", "id")
    assert document["state"] == "refused"
    assert chain.states() == {"a_2026-01-06.zip": "refused"}


def test_a_file_of_all_outlets_that_does_not_say_whose_a_row_is_is_nobodys(make: Make) -> None:
    chain = make(**COLUMN)
    chain.put("all.csv", table("A1,Milk,1.00,5", "A2,Bread,2.00,5"))

    results = chain.read_all()

    assert {result.ok for result in results.values()} == {False}
    assert "no column says which outlet" in results["lipa"].reason
    assert "outlet: {from: column" in results["lipa"].next_step
    assert chain.stamps("lipa") == [None, None, None]


def test_the_column_of_the_outlet_may_be_named(make: Make) -> None:
    columns = {"sku": "Code", "name": "Item", "price": "Price", "stock": "Qty"}
    chain = make(outlet={"from": "column", "column": "Kiosk"}, columns=columns)
    chain.put("all.csv", table(*THREE, header="Kiosk,Code,Item,Price,Qty"))

    chain.good()

    assert [chain.prices(name)["A1"] for name in KEYS] == [100, 200, 300]


class Stopped(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("occurrence", [1, 2, 3])
@pytest.mark.parametrize(
    "where", ["keep_original", "record_files", "note_file", "write", "record_extract"]
)
def test_a_run_that_was_stopped_anywhere_is_made_good_by_the_next(
    where: str, occurrence: int, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = make(**COLUMN)
    chain.put("a_2026-01-05.csv", by_row(*THREE))
    chain.good()
    chain.put("a_2026-01-06.csv", by_row("001,A1,Milk,4.00,5", "002,A1,Milk,5.00,5", THREE[2]))
    owner: Any = {
        "keep_original": arrivals,
        "record_files": extract_files,
        "note_file": extract_files,
        "write": FrameStore,
        "record_extract": extracts,
    }[where]
    original, calls = getattr(owner, where), [0]

    def stopping(*args: Any, **kwargs: Any) -> Any:
        found = original(*args, **kwargs)
        calls[0] += 1
        if calls[0] == occurrence:
            raise Stopped
        return found

    with monkeypatch.context() as patch:
        patch.setattr(owner, where, stopping)
        with contextlib.suppress(Stopped):
            chain.good()

    chain.good()

    assert [chain.prices(name)["A1"] for name in KEYS] == [400, 500, 300]
    assert len(chain.archived()) == 2
    assert not list((chain.folder / ".marketsync").glob(".spool-*"))
    assert {result.state for result in chain.good().values()} == {"unchanged"}
    found = [row for row in chain.rows("extract_file", "name") if "06" in row["name"]]
    assert [(row["state"], row["records"]) for row in found] == [("read", 3)]


def test_extracts_that_an_older_version_has_recorded_stay_in_force(make: Make) -> None:
    """Without documents of their own, as they are after an upgrade."""
    chain = make(**COLUMN)
    chain.put("a_2026-01-05.csv", by_row(*THREE))
    chain.good()
    before = [chain.stamps(name) for name in KEYS]
    with chain.opened[-1].ledger.begin() as connection:
        for name in ("extract_part", "extract_file"):
            connection.execute(t.metadata.tables[name].delete())

    assert {result.state for result in chain.good().values()} == {"unchanged"}

    assert [chain.stamps(name) for name in KEYS] == before
    with chain.opened[-1].ledger.read() as connection:
        assert orphaned_archive(connection, chain.opened[-1].archive) == []
    chain.put("a_2026-01-06.csv", by_row("001,A1,Milk,4.00,5", "002,A1,Milk,5.00,5", THREE[2]))
    chain.good()
    assert chain.prices() == {"A1": 400}


def test_a_file_that_was_changed_behind_its_time_is_noticed(make: Make) -> None:
    chain = make(**COLUMN)
    path = chain.put("all.csv", by_row(*THREE))
    chain.good()
    status = path.stat()
    time.sleep(0.02)
    path.write_bytes(by_row("001,A1,Milk,9.00,5", *THREE[1:]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_size == status.st_size

    chain.good()

    assert chain.prices() == {"A1": 900}


def test_a_file_that_grows_all_the_while_is_read_when_it_is_whole(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = make(**COLUMN, settle_s=0.5)
    path = chain.put("all.csv", by_row(*THREE))
    os.utime(path)
    sleep = time.sleep

    def grown(_: float) -> None:
        sleep(0.01)
        with path.open("ab") as stream:
            stream.write(b"001,A2,Bread,4.00,5\n")

    with monkeypatch.context() as patch:
        patch.setattr("time.sleep", grown)
        results = chain.read_all()

    assert {result.ok for result in results.values()} == {False}
    assert "all.csv is still being written" in results["lipa"].reason
    assert (chain.archived(), chain.stamps("lipa")) == ([], [None, None, None])
    sleep(0.5)
    chain.good()
    assert chain.prices() == {"A1": 100, "A2": 400}


def test_a_price_from_an_archive_is_explained_and_its_original_is_kept(make: Make) -> None:
    chain = make(pattern="*.zip", outlet={"from": "name", "pattern": "^(?P<outlet>[0-9]{3})[.]"})
    chain.put("a_2026-01-05.zip", zipped({"001.csv": table("A1,Milk,1.00,5")}))
    chain.good("lipa")
    project = chain.opened[-1]
    record = extracts.latest_accepted(project.ledger, "lipa")
    assert record is not None

    source = _source(project, record.id, 2)

    assert source is not None
    (original,) = chain.archived()
    assert (source["member"], source["original"]) == ("001.csv", original)
    assert source["file"] == "feed/a_2026-01-05.zip/001.csv"
    assert source["archived"].endswith(original)
    assert record.sha256 != original
    with project.ledger.begin() as connection:
        connection.execute(t.extract_file.delete())
        assert orphaned_archive(connection, project.archive) == []
        assert extracts.originals_of(connection) == {record.id: {original}}


def test_what_a_killed_run_has_unpacked_is_removed_when_it_is_old(make: Make) -> None:
    chain = make(**COLUMN)
    chain.put("all.csv", by_row(*THREE))
    left, recent = (chain.folder / ".marketsync" / f".spool-{name}" for name in ("old", "new"))
    for folder in (left, recent):
        (folder / "members").mkdir(parents=True)
    long_ago = time.time() - 100_000
    os.utime(left, (long_ago, long_ago))

    chain.good()

    assert (left.exists(), recent.exists()) == (False, True)


def test_a_database_is_one_source_of_all_outlets_and_the_same_rows_have_one_effect(
    make: Make,
) -> None:
    chain = make(**COLUMN)
    place = chain.folder / "till.db"
    with contextlib.closing(sqlite3.connect(place)) as till:
        till.execute("create table goods (branch text, sku text, name text, price text, qty int)")
        rows = [("001", "A1", "Milk", "1.00", 5), ("002", "A1", "Milk", "2.00", 5)]
        till.executemany(
            "insert into goods values (?,?,?,?,?)", [*rows, ("003", "A1", "M", "3", 1)]
        )
        till.commit()
    chain.document["sources"]["chain"] = {
        "kind": "sql",
        "url": "sqlite:///till.db",
        "query": "select branch, sku, name, price, qty from goods order by branch, sku",
        **COLUMN,
    }

    chain.good()

    assert [chain.prices(name)["A1"] for name in KEYS] == [100, 200, 300]
    assert {result.state for result in chain.good().values()} == {"unchanged"}
    assert len(chain.archived()) == 1
    with contextlib.closing(sqlite3.connect(place)) as till:
        till.execute("update goods set price = '1.50' where branch = '001'")
        till.commit()
    chain.good()
    assert chain.prices() == {"A1": 150}


def test_a_source_that_cannot_be_looked_at_is_asked_once(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = make(**COLUMN)
    (chain.folder / "feed").rmdir()
    looks = counting(monkeypatch, directory.DirectorySource, "look")

    results = chain.read_all()

    assert len(looks) == 1
    assert all("cannot be listed" in result.reason for result in results.values())
