"""Dropped files: each is seen once, whatever is killed and however quickly it is taken away."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from marketsync_dagster.platforms.drop_box import DropBox, NoFolder
from marketsync_dagster_tests.platforms.filesteps import killed_everywhere

FILES = {"ms1.json": b"{}", "ms1.csv": b"a,b\n"}


class Taker:
    """Who takes the files away, and keeps what was in them."""

    def __init__(self, folder: Path, kept: Path) -> None:
        self.folder, self.kept = folder, kept
        kept.mkdir()

    def look(self) -> None:
        """Take everything that lies there now."""
        for path in self.folder.glob("[!.]*"):
            with suppress(FileNotFoundError):  # another one was quicker
                path.rename(self.kept / f"{path.name}~{secrets.token_hex(8)}")

    @property
    def seen(self) -> list[tuple[str, bytes]]:
        """Name and content of all that was taken, sorted."""
        return sorted((p.name.split("~")[0], p.read_bytes()) for p in self.kept.iterdir())


def fresh(tmp_path: Path) -> tuple[DropBox, Taker]:
    """A new folder, and who takes files from it."""
    for name in ("drop", "kept"):
        shutil.rmtree(tmp_path / name, ignore_errors=True)
    box = DropBox(tmp_path / "drop")
    box.prepare(make=True)
    return box, Taker(box.folder, tmp_path / "kept")


@pytest.mark.parametrize("at_once", [True, False])
def test_a_drop_killed_at_any_step_is_neither_lost_nor_doubled(
    tmp_path: Path, at_once: bool
) -> None:
    box, taker = fresh(tmp_path)
    stands: list[str] = []
    meanwhile = taker.look if at_once else lambda: None
    for _ in killed_everywhere(lambda: box.put("ms1", FILES), meanwhile):
        before = len(taker.seen) + len(list(box.folder.glob("[!.]*")))
        there = box.standing("ms1")
        stands.append(there)
        # what is said to be unseen was seen by nobody
        assert (there == "dropped") == (before > 0)
        taker.look()
        assert box.put("ms1", FILES) == ("before" if there == "dropped" else "dropped")
        taker.look()
        assert taker.seen == sorted(FILES.items())
        fresh(tmp_path)
    assert set(stands) == {"absent", "staged", "dropped"}
    assert stands == sorted(stands, key=["absent", "staged", "dropped"].index)


def test_a_withdrawal_killed_at_any_step_ends_in_one_of_two_ways(tmp_path: Path) -> None:
    box, taker = fresh(tmp_path)
    box.put("ms1", FILES)
    for _ in killed_everywhere(lambda: box.withdraw("ms1", from_folder=True)):
        taken = sorted(path.name for path in box.folder.glob("*.csv"))
        taker.look()  # the till comes in between: it has all, or what is left
        if box.withdraw("ms1", from_folder=True):
            assert not taker.seen
            assert not taken
            assert box.standing("ms1") == "withdrawn"
            assert box.put("ms1", FILES) == "other"
        else:
            taker.look()
            assert taker.seen == sorted(FILES.items())
            assert box.standing("ms1") == "dropped"
        fresh(tmp_path)
        box.put("ms1", FILES)


def test_what_may_have_been_seen_is_not_withdrawn(tmp_path: Path) -> None:
    box, taker = fresh(tmp_path)
    assert box.withdraw("never", from_folder=False)
    assert box.put("never", {"never.json": b"1"}) == "other"
    box.put("ms1", FILES)
    assert not box.withdraw("ms1", from_folder=False)
    (box.folder / "ms1.json").rename(taker.kept / "ms1.json~0")  # one of the two is gone
    assert not box.withdraw("ms1", from_folder=True)
    taker.look()
    assert taker.seen == sorted(FILES.items())
    assert box.standing("ms1") == "dropped"


def test_many_processes_drop_the_same_once(tmp_path: Path) -> None:
    box, taker = fresh(tmp_path)
    ready = threading.Barrier(8)
    said: list[str] = []

    def drop() -> None:
        ready.wait()
        for number in range(20):
            said.append(box.put(f"k{number}", {f"k{number}.json": b"{}"}))
            taker.look()

    threads = [threading.Thread(target=drop) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said.count("dropped") == 20
    assert len(taker.seen) == 20
    assert not list((box.folder / ".staging").iterdir())


def test_what_was_not_dropped_yet_may_change_and_what_was_may_not(tmp_path: Path) -> None:
    box, taker = fresh(tmp_path)
    for _ in killed_everywhere(lambda: box.put("ms1", {"ms1.json": b"old"})):
        if box.standing("ms1") == "staged":
            assert box.put("ms1", {"ms1.json": b"new"}) == "dropped"
            taker.look()
            assert taker.seen == [("ms1.json", b"new")]
            break
        fresh(tmp_path)
    assert box.put("ms1", {"ms1.json": b"newer"}) == "other"
    assert taker.seen == [("ms1.json", b"new")]


@pytest.mark.parametrize("key", ["../up", "a/b", "", ".hidden", "a\nb"])
def test_keys_with_path_parts_are_refused(tmp_path: Path, key: str) -> None:
    box, _ = fresh(tmp_path)
    with pytest.raises(ValueError, match="no path"):
        box.put(key, {"a.json": b""})
    with pytest.raises(ValueError, match="no path"):
        box.put("a", {f"{key}/a.json": b""})


@pytest.mark.parametrize(("group_reads", "mode"), [(False, 0o600), (True, 0o640)])
def test_nobody_else_reads_what_is_dropped_unless_it_is_said(
    tmp_path: Path, group_reads: bool, mode: int
) -> None:
    before = os.umask(0)
    try:
        box = DropBox(tmp_path / "drop", group_reads)
        box.prepare(make=True)
        box.put("ms1", FILES)
    finally:
        os.umask(before)
    modes = {stat.S_IMODE((box.folder / name).stat().st_mode) for name in FILES}
    assert modes == {mode}
    for hidden in (".staging", ".sent", ".sent/ms1"):
        assert stat.S_IMODE((box.folder / hidden).stat().st_mode) == 0o700
    folder = stat.S_IMODE(box.folder.stat().st_mode)
    assert folder == (0o770 if group_reads else 0o700)


def test_a_missing_folder_is_told_and_not_made(tmp_path: Path) -> None:
    box = DropBox(tmp_path / "share" / "till")
    with pytest.raises(NoFolder, match="is the share mounted"):
        box.prepare(make=False)
    assert not box.folder.exists()


@pytest.mark.parametrize("file", ["tills", "tills/a", "tills/a/.staging"])
def test_a_file_in_the_place_of_a_folder_is_told(tmp_path: Path, file: str) -> None:
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text("")
    words = f"there is a file where a folder should be: {tmp_path}/{file} \\(move it away"
    with pytest.raises(NoFolder, match=words):
        DropBox(tmp_path / "tills" / "a").prepare(make=True)


def test_old_leftovers_go_and_a_young_mark_stays(tmp_path: Path) -> None:
    box, taker = fresh(tmp_path)
    box.put("ms1", FILES)
    taker.look()
    for _ in killed_everywhere(lambda: box.put("ms2", {"ms2.json": b"Jane"})):
        if list((box.folder / ".staging").glob("ms2.*/ms2.json")):
            break
    assert box.tidy(0) == 0
    assert box.standing("ms1") == "dropped"
    assert box.tidy(2**40) >= 2
    assert b"Jane" not in b"".join(p.read_bytes() for p in box.folder.rglob("*") if p.is_file())


def test_erasing_leaves_nothing_but_that_it_was_dropped(tmp_path: Path) -> None:
    box, _ = fresh(tmp_path)
    box.put("ms1", FILES)
    box.erase("ms1")
    assert not list(box.folder.glob("[!.]*"))
    assert box.standing("ms1") == "dropped"
    assert box.put("ms1", FILES) == "before"
