"""Where tests keep what they write, and how long."""

from __future__ import annotations

import tempfile
from pathlib import Path

import psycopg
import pytest

from marketsync_dagster_tests import temporary
from marketsync_dagster_tests.ledgers import new_ledger_url, postgres_uri, ready_ledger_url


def place(monkeypatch: pytest.MonkeyPatch, wanted: int, given: str = "") -> str:
    """Where temporary files go if so many bytes are wanted."""
    monkeypatch.setattr(temporary, "WANTED", wanted)
    monkeypatch.setattr(temporary, "MEMORY", Path.cwd())
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("TMPDIR", given)  # as it was before is remembered
    if not given:
        monkeypatch.delenv("TMPDIR")
    temporary.keep_in_memory()
    return tempfile.gettempdir()


@pytest.mark.parametrize(
    ("wanted", "available_kb", "kept"),
    [(1, "8", True), (2**60, "9" * 18, False), (4096, "7", False), (1, "", False)],
    ids=["plenty", "no room in the folder", "less than twice as much memory", "memory unknown"],
)
def test_files_are_kept_in_memory_only_where_there_is_plenty(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    wanted: int,
    available_kb: str,
    kept: bool,
) -> None:
    monkeypatch.chdir(tmp_path)
    told = tmp_path / "meminfo"
    told.write_text(f"MemTotal: 16 kB\nMemAvailable:   {available_kb} kB\n")
    monkeypatch.setattr(temporary, "MEMINFO", told)
    assert (place(monkeypatch, wanted) == str(tmp_path)) is kept


def test_where_nothing_tells_of_memory_none_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(temporary, "MEMINFO", tmp_path / "nowhere")
    monkeypatch.setattr(temporary, "WANTED", 1)
    assert not temporary.has_room(tmp_path)


def test_who_says_where_they_go_is_heeded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = tmp_path / "given"
    given.mkdir()
    assert place(monkeypatch, wanted=1, given=str(given)) == str(given)


def test_a_machine_without_such_a_folder_has_no_room_there(tmp_path: Path) -> None:
    assert not temporary.has_room(tmp_path / "nowhere")


def test_a_database_lasts_as_long_as_the_folder_of_its_test(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    gone = new_ledger_url("postgresql", tmp_path / "one")
    kept = new_ledger_url("postgresql", tmp_path)
    (tmp_path / "one").rmdir()
    ready_ledger_url("postgresql", tmp_path)
    with psycopg.connect(postgres_uri()) as connection:
        rows = connection.execute("SELECT datname FROM pg_database").fetchall()
    names = {name for (name,) in rows}
    assert [url.split("/")[3].split("?")[0] in names for url in (gone, kept)] == [False, True]
