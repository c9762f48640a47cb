"""Directories of this machine: what is found, what is whole, what is kept."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from marketsync_dagster.pos.files import archived
from marketsync_dagster.pos.sources.base import Arrival, fits
from marketsync_dagster.pos.sources.directory import DirectorySource
from marketsync_dagster.values.errors import ExtractError

CSV = b"sku,price\nA,1\n"


def put(path: Path, data: bytes = CSV, age: float = 100.0) -> Path:
    """Write a file that was last written `age` seconds ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    moment = time.time() - age
    os.utime(path, (moment, moment))
    return path


def source(root: Path, *patterns: str) -> DirectorySource:
    return DirectorySource(root, patterns or ("*.csv",), shown="drop", quiet_s=10)


def names(found: list[Arrival]) -> list[str]:
    return [one.name for one in found]


@pytest.mark.parametrize(
    ("name", "patterns", "taken"),
    [
        ("a.csv", ["*.csv"], True),
        ("A.CSV", ["*.csv"], True),
        ("a/b.csv", ["*.csv"], False),
        ("a/b.csv", ["*/*.csv"], True),
        ("b.csv", ["*/*.csv"], False),
        ("a/b/c.csv", ["*/*.csv"], False),
        ("stock_1.csv", ["items_*.csv", "stock_*.csv"], True),
    ],
)
def test_a_pattern_stays_within_its_folders(name: str, patterns: list[str], taken: bool) -> None:
    assert fits(name, patterns) is taken


def test_files_come_oldest_first_with_their_folders(tmp_path: Path) -> None:
    put(tmp_path / "028" / "b.csv", age=300)
    put(tmp_path / "031" / "a.csv", age=200)
    put(tmp_path / "top.csv")
    put(tmp_path / "031" / "deep" / "x.csv")
    put(tmp_path / "031" / "a.csv.part")
    put(tmp_path / ".hidden" / "a.csv")
    found = source(tmp_path, "*/*.csv").look()
    assert names(found) == ["028/b.csv", "031/a.csv"]
    assert found[0].last_name == "b.csv"
    assert found[0].size == len(CSV)


def test_there_and_empty_is_not_the_same_as_not_there(tmp_path: Path) -> None:
    assert source(tmp_path).look() == []
    with pytest.raises(ExtractError) as caught:
        source(tmp_path / "absent").look()
    assert caught.value.code == "unlistable"
    with pytest.raises(ExtractError) as caught:
        source(put(tmp_path / "a.csv")).look()
    assert caught.value.code == "unlistable"


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_link_that_leads_out_is_refused(tmp_path: Path, kind: str) -> None:
    target = put(tmp_path / "other" / "a.csv")
    root = tmp_path / "drop"
    root.mkdir()
    (root / "028").symlink_to(target.parent) if kind == "folder" else (root / "b.csv").symlink_to(
        target
    )
    with pytest.raises(ExtractError) as caught:
        source(root, "*.csv", "*/*.csv").look()
    assert caught.value.code == "outside"


def test_a_link_within_the_directory_is_followed_and_a_dead_one_passed_over(tmp_path: Path) -> None:
    put(tmp_path / "2026.dat")
    (tmp_path / "latest.csv").symlink_to("2026.dat")
    (tmp_path / "gone.csv").symlink_to("nowhere.dat")
    assert names(source(tmp_path).look()) == ["latest.csv"]


def test_what_became_a_link_out_after_the_look_is_not_read(tmp_path: Path) -> None:
    secret = put(tmp_path / "secret.txt")
    root = tmp_path / "drop"
    file = put(root / "a.csv")
    (seen,) = source(root).look()
    file.unlink()
    file.symlink_to(secret)
    with pytest.raises(ExtractError) as caught:
        source(root).fetch(seen, tmp_path / "archive")
    assert caught.value.code == "outside"
    assert kept(tmp_path / "archive") == []


def kept(archive: Path) -> list[Path]:
    return [path for path in archive.rglob("*") if path.is_file()]


def test_what_is_fetched_is_kept_under_its_hash_once(tmp_path: Path) -> None:
    root, archive = tmp_path / "drop", tmp_path / "archive"
    put(root / "a.csv")
    put(root / "b.csv")
    hashes = {source(root).fetch(one, archive) for one in source(root).look()}
    assert hashes == {hashlib.sha256(CSV).hexdigest()}
    (path,) = kept(archive)
    assert path == archived(archive, hashes.pop())
    assert path.read_bytes() == CSV


def _grows(file: Path) -> None:
    file.write_bytes(CSV + CSV)


def _same_size_and_mtime(file: Path) -> None:
    status = file.stat()
    file.write_bytes(CSV.replace(b"1", b"2"))
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def _replaced(file: Path) -> None:
    put(file.with_suffix(".new")).replace(file)


def _pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (_grows, "changing"),
        (_same_size_and_mtime, "changing"),
        (_replaced, "changing"),
        (Path.unlink, "missing"),
        (_pipe, "unreadable"),
    ],
)
def test_only_what_was_seen_is_kept(tmp_path: Path, change: object, code: str) -> None:
    root = tmp_path / "drop"
    file = put(root / "a.csv")
    (seen,) = source(root).look()
    assert callable(change)
    change(file)
    with pytest.raises(ExtractError) as caught:
        source(root).fetch(seen, tmp_path / "archive")
    assert caught.value.code == code
    assert "drop/a.csv" in caught.value.message
    assert kept(tmp_path / "archive") == []


@pytest.mark.parametrize("change", [_grows, _same_size_and_mtime, _replaced])
def test_a_mark_changes_whenever_the_content_may_have(tmp_path: Path, change: object) -> None:
    file = put(tmp_path / "a.csv")
    (before,) = source(tmp_path).look()
    assert source(tmp_path).look() == [before]
    assert callable(change)
    change(file)
    (after,) = source(tmp_path).look()
    assert after.mark != before.mark


def test_a_file_that_changes_while_it_is_read_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "drop"
    file = put(root / "a.csv", b"x" * 3_000_000)
    here = source(root)
    (seen,) = here.look()
    chunks = here._chunks(seen)
    next(chunks)
    with file.open("ab") as stream:
        stream.write(b"more")
    with pytest.raises(ExtractError) as caught:
        list(chunks)
    assert caught.value.code == "changing"


@pytest.mark.parametrize(
    ("name", "data", "waits"),
    [
        ("a.csv", b"sku,price\nA,1", True),
        ("a.csv", CSV, False),
        ("a.csv", "sku\n".encode("utf-16"), False),
        ("a.xlsx", b"PK\x03\x04 and no line end", False),
        ("a.xml", b'\xef\xbb\xbf<?xml version="1.0"?><root/>', False),
        ("a.xml", "<root/>".encode("utf-16"), False),
        ("a.json", b' [{"sku": "A"}]', False),
        ("a.gz", b"\x1f\x8b\x08", False),
        ("a.csv", b"", True),
    ],
)
def test_a_young_file_seen_twice_alike_is_whole_if_its_kind_may_end_so(
    tmp_path: Path, name: str, data: bytes, waits: bool
) -> None:
    put(tmp_path / name, data, age=3)
    here = source(tmp_path, "*")
    (seen,) = here.look()
    now = time.time()
    assert here.is_settled(seen, seen, now) is not waits
    assert here.is_settled(seen, None, now + 60)


def test_a_file_that_changed_since_the_look_is_waited_for(tmp_path: Path) -> None:
    file = put(tmp_path / "a.csv", age=100)
    here = source(tmp_path)
    (seen,) = here.look()
    assert here.is_settled(seen, None, time.time())
    file.write_bytes(CSV + b"B,")
    assert not here.is_settled(seen, None, time.time())
    file.unlink()
    assert not here.is_settled(seen, None, time.time())


def test_a_young_file_that_grew_since_the_last_look_is_waited_for(tmp_path: Path) -> None:
    file = put(tmp_path / "a.json", b"[1,", age=0)
    here = source(tmp_path, "*.json")
    (before,) = here.look()
    file.write_bytes(b"[1,2,")
    (seen,) = here.look()
    assert not here.is_settled(seen, before, time.time())
    (again,) = here.look()
    assert here.is_settled(again, seen, time.time())
