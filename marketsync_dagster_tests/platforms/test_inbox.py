"""Files that somebody else puts into a folder: whole ones are read, none is lost."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from pathlib import Path

import pytest

from marketsync_dagster.platforms.inbox import Inbox, Unread
from marketsync_dagster_tests.platforms.filesteps import killed_everywhere

NOW = time.time() + 3600
"""Every file of these tests has settled by then."""


def inbox(folder: Path, settle_s: float = 2, most: int = 1000) -> Inbox:
    """The JSON files of a folder that is there."""
    folder.mkdir(exist_ok=True)
    return Inbox(folder, ["*.json"], settle_s, most)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_what_is_still_being_written_is_waited_for(tmp_path: Path) -> None:
    box = inbox(tmp_path)
    file = tmp_path / "a.json"
    file.write_bytes(b"half")
    assert box.arrived(time.time()) == []
    (arrived,) = box.arrived(NOW)
    file.write_bytes(b"half and the rest")
    with pytest.raises(Unread, match="still being written") as caught:
        box.read(arrived)
    assert caught.value.waits


def test_a_clock_that_is_ahead_does_not_hide_files_for_long(tmp_path: Path) -> None:
    box = inbox(tmp_path)
    (tmp_path / "a.json").write_bytes(b"1")
    os.utime(tmp_path / "a.json", (2**32, 2**32))
    assert [one.name for one in box.arrived(time.time())] == ["a.json"]


def test_only_plain_files_of_bounded_size_are_read(tmp_path: Path) -> None:
    box = inbox(tmp_path / "in")
    secret = tmp_path / "secret.json"
    secret.write_bytes(b"secret")
    (box.folder / "link.json").symlink_to(secret)
    (box.folder / "folder.json").mkdir()
    os.mkfifo(box.folder / "pipe.json")
    (box.folder / "large.json").write_bytes(b" " * 1001)
    (box.folder / ".hidden.json").write_bytes(b"{}")
    (box.folder / "notes.txt").write_bytes(b"{}")
    found = {one.name: one for one in box.arrived(NOW)}
    assert sorted(found) == ["large.json", "link.json", "pipe.json"]
    for name, words in (("link", "a link"),  ("pipe", "a link"),
                        ("large", "larger than")):  # fmt: skip
        with pytest.raises(Unread, match=words) as caught:
            box.read(found[f"{name}.json"])
        assert not caught.value.waits


def test_a_file_that_became_a_link_is_not_followed(tmp_path: Path) -> None:
    box = inbox(tmp_path / "in")
    file = box.folder / "a.json"
    file.write_bytes(b"123456")
    (arrived,) = box.arrived(NOW)
    (tmp_path / "secret.json").write_bytes(b"secret")
    file.unlink()
    file.symlink_to(tmp_path / "secret.json")
    with pytest.raises(Unread, match="cannot be opened"):
        box.read(arrived)


def test_a_file_replaced_while_it_is_put_away_is_read_next(tmp_path: Path) -> None:
    box = inbox(tmp_path)
    file = tmp_path / "a.json"
    file.write_bytes(b"first")
    (arrived,) = box.arrived(NOW)
    file.write_bytes(b"other")
    assert not box.put_away(arrived, sha256(b"first"))
    (again,) = box.arrived(NOW)
    assert (again.name, box.read(again)) == ("a.json", b"other")
    assert box.put_away(again, sha256(b"other"))
    assert box.arrived(NOW) == []
    assert box.was_put_away(arrived, sha256(b"other"))
    assert not box.was_put_away(arrived, sha256(b"first"))


def test_a_file_whose_putting_away_was_killed_is_done_or_comes_again(tmp_path: Path) -> None:
    def fresh() -> Inbox:
        shutil.rmtree(tmp_path / "in", ignore_errors=True)
        box = inbox(tmp_path / "in")
        (box.folder / "a.json").write_bytes(b"first")
        return box

    box = fresh()
    ends = set()
    for _ in killed_everywhere(lambda: box.put_away(box.arrived(NOW)[0], sha256(b"first"))):
        left = box.arrived(NOW)
        done = list(box.folder.glob("done/*"))
        ends.add(len(done))
        assert len(left) + len(done) == 1
        for one in left:
            assert box.read(one) == b"first"
            assert box.put_away(one, sha256(b"first"))
        assert len(list(box.folder.glob("done/*"))) == 1
        fresh()
    assert ends == {0, 1}


def test_names_are_shown_without_what_cannot_be_printed(tmp_path: Path) -> None:
    box = inbox(tmp_path)
    (tmp_path / "a\nb\x1b[31m.json").write_bytes(b"{}")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.json")).write_bytes(b"{}")
    shown = [one.shown for one in box.arrived(NOW)]
    assert sorted(shown) == ["a?b?[31m.json", "\ufffd.json"]
    for one in box.arrived(NOW):
        assert box.put_away(one, sha256(b"{}"))
