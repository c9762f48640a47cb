"""`marketsync ledger ...`: backups, restores, checks, reading back, and keeping it small."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import pytest

from marketsync_dagster_tests.cli.conftest import Run
from marketsync_dagster_tests.projects import FULL, TestBed, make_project, some_rows
from marketsync_dagster_tests.sandbox_process import SandboxProcess

HOME = Path(".marketsync")


def ledger_files() -> list[Path]:
    return list(HOME.glob("ledger.db*"))


def test_a_backup_goes_to_the_projects_folder_and_is_counted_there(planned: str, run: Run) -> None:
    first = json.loads(run("ledger", "backup", "--json").out)
    assert Path(first["path"]).parent == (HOME / "backups").absolute()
    assert re.fullmatch(r"ledger-\d{8}-\d{6}-\d{3}\.zip", Path(first["path"]).name)
    assert first["tables"]["plan"] == 1
    assert first["removed"] == []
    for _ in range(2):
        assert run("ledger", "backup").code == 0
    last = run("ledger", "backup", "--keep", "2", "--json")
    made = json.loads(last.out)
    assert len(made["removed"]) == 2
    assert first["path"] in made["removed"]
    assert len(list((HOME / "backups").iterdir())) == 2


def test_a_backup_is_named_or_put_into_a_folder(planned: str, run: Run, tmp_path: Path) -> None:
    done = run("ledger", "backup", "mine.zip")
    assert done.code == 0
    assert re.search(r"\S*/mine\.zip: [\d,]+ rows, [\d.]+ KiB, written and read again", done.out)
    assert zipfile.is_zipfile("mine.zip")
    assert run("ledger", "backup", "mine.zip").code == 1
    assert run("ledger", "backup", "other.zip", "--keep", "3").code == 64
    (tmp_path / "elsewhere").mkdir()
    put = json.loads(run("ledger", "backup", str(tmp_path / "elsewhere"), "--json").out)
    assert Path(put["path"]).parent == tmp_path / "elsewhere"


@pytest.mark.parametrize("words", [("backup",), ("check",)])
def test_what_only_looks_makes_no_ledger(project: Path, run: Run, words: tuple[str, ...]) -> None:
    result = run("ledger", *words)
    assert result.code == 1
    assert "does not exist, or has no tables" in result.out + result.err
    assert "marketsync ledger restore FILE" in result.out + result.err
    assert ledger_files() == []


def test_a_restore_says_what_is_not_known_and_what_to_do_next(planned: str, run: Run) -> None:
    assert run("ledger", "backup", "b.zip").code == 0
    refused = run("ledger", "restore", "b.zip")
    assert refused.code == 1
    assert "--replace" in refused.err
    done = run("ledger", "restore", "b.zip", "--replace")
    assert done.code == 0
    assert "what was pushed after the backup is not known: 0 listings are sent" in done.out
    assert "what was there before is in " in done.out
    assert "next: marketsync plan\nnext: marketsync run partial_sync --all" in done.out
    assert json.loads(run("plans", "list", "--json").out)[0]["state"] == "stale"
    moved = json.loads(run("ledger", "restore", "b.zip", "--replace", "--moved", "--json").out)
    assert (moved["moved"], moved["unknown"]) == (True, 0)
    assert moved["next_steps"][-1] == "marketsync run partial_sync --all"
    assert json.loads(run("plans", "list", "--json").out)[0]["state"] == "held"


def test_a_damaged_ledger_is_found_and_replaced(planned: str, run: Run) -> None:
    assert run("ledger", "backup", "b.zip").code == 0
    file = HOME / "ledger.db"
    for other in ledger_files():
        if other != file:
            other.unlink()
    data = bytearray(file.read_bytes())
    data[8192:20480] = b"\xa5" * 12288
    file.write_bytes(data)
    checked = run("ledger", "check")
    assert checked.code == 1
    assert "broken: database: the file is damaged" in checked.out
    assert "next: marketsync ledger restore FILE --replace" in checked.out
    done = run("ledger", "restore", "b.zip", "--replace", "--json")
    assert done.code == 0, done.err
    assert Path(json.loads(done.out)["kept"]).read_bytes() == data
    assert run("ledger", "check").code == 0


def test_a_check_shows_sizes_and_says_that_all_is_well(planned: str, run: Run) -> None:
    result = run("ledger", "check")
    assert result.code == 0
    assert "every law holds" in result.out
    assert re.search(r"plan +1 +[\d.]+ KiB +\d{4}-", result.out)
    assert re.search(r"archive \(files\) +1 +\d+ bytes", result.out)
    said = json.loads(run("ledger", "check", "--quick", "--json").out)
    assert (said["ok"], said["findings"]) == (True, [])
    assert said["sizes"]["rows_plan"] == 1
    assert said["oldest"]["plan"].endswith("Z")


def test_what_is_too_old_is_counted_and_then_removed(
    planned: str, run: Run, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(project / ".dagster"))
    for _ in range(15):
        run("ledger", "backup")
    dry = json.loads(run("ledger", "prune", "--dry-run", "--json").out)
    assert (dry["dry_run"], dry["removed"]["backups"], dry["removed"]["runs"]) == (True, 1, 0)
    assert "would be removed" in run("ledger", "prune", "--dry-run").out
    assert run("ledger", "prune", "--dry-run", "--vacuum").code == 64
    done = run("ledger", "prune", "--vacuum")
    assert done.code == 0
    assert re.search(r"backups +1", done.out)
    assert "given back to the disk" in done.err
    assert "nothing is older" in run("ledger", "prune").out


def bed_of(tmp_path: Path, sandbox: SandboxProcess) -> TestBed:
    """As the command line finds it: the ledger in the project's home."""
    bed = make_project(tmp_path, sandbox, rows=some_rows(12), platforms=["tracker_ke"])
    bed.sync("tracker_ke", FULL)
    return bed


def test_what_a_platform_shows_is_taken_over(
    empty: Path, tmp_path: Path, fresh_sandbox: SandboxProcess, run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    bed = bed_of(tmp_path, fresh_sandbox)
    monkeypatch.chdir(bed.root)
    words = ("ledger", "rebuild", "--outlet", "westlands", "--platform", "tracker_ke")
    done = run(*words)
    assert done.code == 0, done.err
    assert "12 listings taken over, 0 known before, 0 not shown there (12 calls)" in done.out
    assert "next: marketsync run partial_sync --outlet westlands" in done.out
    again = json.loads(run(*words, "--json").out)
    assert (again["known"], again["taken_over"], again["calls"]) == (12, 0, 0)
    assert run("ledger", "rebuild", "--outlet", "westlands", "--platform", "pasons").code == 64
