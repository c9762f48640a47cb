"""Extract files: found, dated, waited for, kept."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from marketsync_dagster.pos import files
from marketsync_dagster.pos.files import Sight, extract_time, is_settled
from marketsync_dagster.pos.sources.directory import DirectorySource
from marketsync_dagster.values.errors import ExtractError

NAIROBI = ZoneInfo("Africa/Nairobi")


def put(path: Path, text: str = "sku,price\nA,1\n", mtime: float | None = None) -> Path:
    """Write a file, with an mtime."""
    path.write_text(text)
    if mtime is not None:
        os.utime(path, (mtime, mtime))
    return path


def sight(
    size: int = 100,
    mtime: float = 1000.0,
    inode: int = 1,
    whole: bool = True,
    ctime: float | None = None,
) -> Sight:
    """What is seen of a file; a write moves mtime and ctime alike."""
    return Sight(size, mtime, inode, whole, mtime if ctime is None else ctime)


@pytest.mark.parametrize(
    ("now", "moment", "before", "settled"),
    [
        pytest.param(sight(), 1100, None, True, id="renamed into place with an old mtime"),
        pytest.param(sight(whole=False), 1100, None, True, id="old, without line end"),
        pytest.param(sight(), 1002, None, False, id="young, seen once"),
        pytest.param(sight(), 1002, sight(), True, id="young, seen twice alike"),
        pytest.param(sight(ctime=1000.5), 1002, None, True, id="young, renamed after the write"),
        pytest.param(
            sight(ctime=1000.5, whole=False), 1002, None, False, id="renamed, half a line"
        ),
        pytest.param(sight(120, 1001), 1002, sight(), False, id="young and growing"),
        pytest.param(sight(whole=False), 1005, sight(whole=False), False, id="young, half a line"),
        pytest.param(sight(0), 1005, sight(0), False, id="young and empty"),
        pytest.param(sight(200), 1100, sight(100), False, id="grows with an old mtime"),
        pytest.param(sight(200, inode=2), 1100, sight(100), True, id="replaced by a rename"),
        pytest.param(sight(mtime=9999), 1000, None, False, id="mtime in the future, seen once"),
        pytest.param(sight(mtime=9999), 1000, sight(mtime=9999), True, id="in the future, twice"),
    ],
)
def test_a_half_written_file_is_waited_for_and_a_renamed_one_is_not(
    now: Sight, moment: float, before: Sight | None, settled: bool
) -> None:
    assert is_settled(now, moment, before) is settled


def test_a_file_that_was_just_renamed_into_place_is_whole_at_the_first_look(
    tmp_path: Path,
) -> None:
    source = DirectorySource(tmp_path, ["*"])

    def is_whole() -> bool:
        (seen,) = source.look()
        assert seen.modified is not None
        return source.is_settled(seen, None, seen.modified + 1)

    written = put(tmp_path / "prices", "a,b\n1,2\n")
    assert not is_whole()
    time.sleep(0.1)  # a till closes its file before it renames it
    placed = written.rename(tmp_path / "prices.csv")
    assert is_whole()
    with placed.open("a") as stream:
        stream.write("3,4\n")
    assert not is_whole()


def test_a_declared_time_comes_before_name_and_mtime(tmp_path: Path) -> None:
    path = put(tmp_path / "w_2026-11-20.csv", mtime=0)
    moment, source = extract_time(path, declared="2026-11-21T08:00:00", zone=NAIROBI)
    assert (moment, source) == (datetime(2026, 11, 21, 5, tzinfo=UTC), "declared")
    moment, _ = extract_time(path, declared="2026-11-21T08:00:00+01:00", zone=NAIROBI)
    assert moment == datetime(2026, 11, 21, 7, tzinfo=UTC)
    aware = datetime(2026, 11, 21, tzinfo=timezone(timedelta(hours=2)))
    assert extract_time(path, declared=aware)[0] == aware


@pytest.mark.parametrize(
    ("name", "pattern", "expected"),
    [
        ("w_2026-11-20.csv", "w_%Y-%m-%d.csv", datetime(2026, 11, 19, 21, tzinfo=UTC)),
        (
            "W_20.11.2026_1830.csv",
            "*_%d.%m.%Y_%H%M.csv",
            datetime(2026, 11, 20, 15, 30, tzinfo=UTC),
        ),
        ("w_2026-11-20.csv", None, datetime(2026, 11, 19, 21, tzinfo=UTC)),
        ("20261120T183005-w.csv", None, datetime(2026, 11, 20, 15, 30, 5, tzinfo=UTC)),
        ("w_20261120_1830.csv", None, datetime(2026, 11, 20, 15, 30, tzinfo=UTC)),
    ],
)
def test_the_time_is_taken_from_the_name_in_the_outlets_zone(
    name: str, pattern: str | None, expected: datetime
) -> None:
    assert extract_time(Path(name), pattern=pattern, zone=NAIROBI) == (expected, "name")


@pytest.mark.parametrize("name", ["prices.csv", "w_2026-13-40.csv", "2026-01-01_2026-02-01.csv"])
def test_without_one_clear_date_in_the_name_the_mtime_counts(tmp_path: Path, name: str) -> None:
    path = put(tmp_path / name, mtime=86400)
    assert extract_time(path) == (datetime(1970, 1, 2, tzinfo=UTC), "mtime")


def test_a_name_that_does_not_fit_its_pattern_is_refused() -> None:
    for name in ("prices.csv", "w_2026-02-31.csv"):
        with pytest.raises(ExtractError) as caught:
            extract_time(Path(name), pattern="w_%Y-%m-%d.csv")
        assert caught.value.code == "no_time"


def test_a_declared_time_that_is_none_is_refused() -> None:
    with pytest.raises(ExtractError) as caught:
        extract_time(Path("a.csv"), declared="yesterday")
    assert caught.value.code == "bad_time"


def test_time_of_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExtractError) as caught:
        extract_time(tmp_path / "absent.csv")
    assert caught.value.code == "missing"


def test_the_original_is_kept_once_under_its_hash(tmp_path: Path) -> None:
    kept = tmp_path / "archive"
    kept.mkdir()
    first = files.keep([b"sku,price\n", b"A,1\n"], kept)
    assert first == hashlib.sha256(b"sku,price\nA,1\n").hexdigest()
    assert files.keep([b"sku,price\nA,1\n"], kept) == first
    assert [p for p in kept.rglob("*") if p.is_file()] == [files.archived(kept, first)]
    assert files.archived(kept, first).read_bytes() == b"sku,price\nA,1\n"


def test_what_breaks_off_leaves_nothing_behind(tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"sku,price\n"
        raise ExtractError("changing", "it changed", "wait")

    with pytest.raises(ExtractError):
        files.keep(broken(), tmp_path)
    assert list(tmp_path.iterdir()) == []
