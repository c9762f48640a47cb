"""Backups: one snapshot, read again, brought back whole into either engine or not at all."""

from __future__ import annotations

import json
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, inspect, select, text

from marketsync_dagster.ledger import backup_file, leases, upkeep
from marketsync_dagster.ledger import tables as t
from marketsync_dagster.ledger.backup import Backup, backup, backups_in, new_name, superfluous
from marketsync_dagster.ledger.calls import CallRow, record_calls
from marketsync_dagster.ledger.cursors import get_cursor, set_cursor
from marketsync_dagster.ledger.engine import (
    REVISIONS,
    VERSION_TABLE,
    Ledger,
    current_revision,
    existing_ledger,
    open_ledger,
)
from marketsync_dagster.ledger.restore import Restored, restore
from marketsync_dagster.ledger.sql import lock_key
from marketsync_dagster.ledger.upgrade import migrate
from marketsync_dagster.ledger.urls import parse_url
from marketsync_dagster.values.errors import Busy, LedgerError
from marketsync_dagster_tests.ledger.filling import as_before, content, fill
from marketsync_dagster_tests.ledgers import ENGINES, Engine, new_ledger_url, ready_ledger_url

NOT_TAKEN_OVER = ("lease", "rate_slot", "upkeep")


@pytest.fixture
def saved(ledger: Ledger, tmp_path: Path) -> Backup:
    """A backup of a ledger with rows in every table; nobody works with the ledger."""
    with ledger.begin() as connection:
        fill(connection)
    made = backup(ledger, tmp_path / "saved.zip", by="anna")
    with ledger.begin() as connection:
        connection.execute(t.lease.delete())
    return made


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Backup:
    """A backup of a full ledger on SQLite, for tests that only look at the file."""
    folder = tmp_path_factory.mktemp("written")
    made = open_ledger(ready_ledger_url("sqlite", folder))
    with made.begin() as connection:
        fill(connection)
    done = backup(made, folder / "saved.zip", by="anna")
    made.close()
    return done


def bring_back(url: str, saved: Backup, tmp_path: Path, **options: Any) -> Restored:
    return restore(url, Path(saved.path), by="ben", backups=tmp_path / "backups", **options)


def all_of(ledger: Ledger) -> dict[str, list[Any]]:
    with ledger.read() as connection:
        return content(connection, without=NOT_TAKEN_OVER)


@pytest.mark.parametrize("into", ENGINES)
def test_a_backup_brings_every_row_back_into_either_engine(
    ledger: Ledger, saved: Backup, into: Engine, tmp_path: Path
) -> None:
    url = new_ledger_url(into, tmp_path)
    done = bring_back(url, saved, tmp_path, moved=True)
    restored = open_ledger(url)
    try:
        assert all_of(restored) == all_of(ledger)
        with restored.read() as connection:
            assert connection.execute(select(t.lease)).all() == []
            assert connection.execute(select(t.rate_slot)).all() == []
            kinds = connection.execute(select(t.upkeep.c.kind).order_by(t.upkeep.c.id)).scalars()
            assert list(kinds)[-1] == "restore"
        noted = upkeep.last(restored, upkeep.BACKUP)
        assert noted is not None, "the ledger knows of the backup that it came from"
        assert (noted.at, noted.details["path"]) == (saved.at, saved.path)
        assert done.rows == saved.rows == 3 * (len(t.metadata.tables) - 2)
        assert (done.unknown, done.kept) == (0, "")
    finally:
        restored.close()


@pytest.mark.parametrize("into", ENGINES)
def test_what_is_numbered_goes_on_after_the_last_restored_number(
    written: Backup, into: Engine, tmp_path: Path
) -> None:
    url = new_ledger_url(into, tmp_path)
    bring_back(url, written, tmp_path)
    restored = open_ledger(url)
    try:
        for _ in range(2):
            with restored.begin() as connection:
                record_calls(connection, [CallRow("2026-11-21", "a", "GET", "/", 200, 1)])
        with restored.read() as connection:
            ids = list(
                connection.execute(select(t.api_call.c.id).order_by(t.api_call.c.id)).scalars()
            )
        assert ids == [1_000, 2_000, 3_000, 3_001, 3_002]
    finally:
        restored.close()


def test_a_backup_is_one_moment_while_others_write(ledger: Ledger, tmp_path: Path) -> None:
    """Each transaction writes a cursor and a call: a snapshot has as many of both."""

    def write(_table: str, _rows: int) -> None:
        with ledger.begin() as connection:
            number = connection.execute(select(t.cursor)).all()
            set_cursor(connection, f"cursor {len(number)}", "1")
            record_calls(connection, [CallRow("2026-11-21", "a", "GET", "/", 200, 1)])

    write("", 0)
    made = backup(ledger, tmp_path / "b.zip", by="anna", tell=write)
    assert made.tables["cursor"] == made.tables["api_call"] == 1
    with ledger.read() as connection:
        assert len(connection.execute(select(t.cursor)).all()) == 3


def test_a_backup_can_be_read_by_its_owner_only_and_is_noted(ledger: Ledger, saved: Backup) -> None:
    path = Path(saved.path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in path.parent.iterdir() if p.name.endswith(".part")] == []
    noted = upkeep.last(ledger, upkeep.BACKUP)
    assert noted is not None
    assert (noted.by, noted.ok) == ("anna", True)
    assert noted.details["path"] == saved.path
    assert noted.details["bytes"] == path.stat().st_size
    assert noted.details["sha256"] == saved.sha256
    with zipfile.ZipFile(path) as archive:
        manifest = json.loads(archive.read("manifest.json"))
    assert manifest["format"] == "marketsync-ledger"
    assert (manifest["revision"], manifest["engine"]) == (REVISIONS[-1], ledger.dialect)
    assert set(manifest["tables"]) == set(t.metadata.tables) - backup_file.LEFT_OUT


def test_many_rows_are_taken_in_chunks(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup_file, "CHUNK", 100)
    row = {"at": "", "account": "a", "method": "GET", "path": "/", "milliseconds": 1, "attempt": 1}
    with ledger.begin() as connection:
        connection.execute(insert(t.api_call), [row | {"request_id": "", "error": ""}] * 950)
    told: list[tuple[str, int]] = []
    made = backup(ledger, tmp_path / "b.zip", by="", tell=lambda *said: told.append(said))
    assert [rows for table, rows in told if table == "api_call"] == [*range(100, 1000, 100), 950]
    url = new_ledger_url("sqlite", tmp_path)
    bring_back(url, made, tmp_path)
    opened = open_ledger(url)
    assert len(all_of(opened)["api_call"]) == 950
    opened.close()


def test_a_backup_never_overwrites_a_file(ledger: Ledger, saved: Backup) -> None:
    with pytest.raises(LedgerError, match="exists already"):
        backup(ledger, Path(saved.path), by="anna")


def test_what_stops_a_backup_leaves_no_file_behind(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "here"
    monkeypatch.setattr(backup_file.BackupFile, "verify", _no_room)
    with pytest.raises(LedgerError, match="cannot be written: no space left"):
        backup(ledger, folder / "b.zip", by="anna")
    assert list(folder.iterdir()) == []
    assert upkeep.last(ledger, upkeep.BACKUP) is None


def _no_room(_: object) -> None:
    raise OSError(28, "No space left on device")


def test_only_backups_that_were_named_here_are_removed_and_the_newest_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"ledger-20261121-0630{n:02}-000.zip" for n in range(5)]
    for name in [*names, "ledger-of-may.zip", "notes.txt", new_name() + ".part"]:
        (tmp_path / name).touch()
    assert [path.name for path in backups_in(tmp_path)] == names
    assert [path.name for path in superfluous(tmp_path, 2)] == names[:3]
    assert superfluous(tmp_path / "nowhere", 2) == []


# --- what is refused


def test_a_ledger_that_is_not_empty_is_replaced_only_if_told_and_is_backed_up_first(
    ledger: Ledger, saved: Backup, tmp_path: Path
) -> None:
    with ledger.begin() as connection:
        set_cursor(connection, "since", "1")
    before = all_of(ledger)
    with pytest.raises(LedgerError, match="not empty"):
        bring_back(ledger.url, saved, tmp_path)
    assert all_of(ledger) == before

    done = bring_back(ledger.url, saved, tmp_path, replace=True, moved=True)

    assert get_cursor(ledger, "since") is None
    assert Path(done.kept).parent == tmp_path / "backups"
    restore(ledger.url, Path(done.kept), by="ben", backups=tmp_path, replace=True, moved=True)
    assert get_cursor(ledger, "since") == "1"


def test_nothing_is_replaced_while_somebody_works(
    ledger: Ledger, saved: Backup, tmp_path: Path
) -> None:
    held = leases.take_lease(ledger, "channel west/pasons", "run 1", 60)
    before = all_of(ledger)
    with pytest.raises(Busy, match="channel west/pasons is held by run 1"):
        bring_back(ledger.url, saved, tmp_path, replace=True)
    assert all_of(ledger) == before
    assert backups_in(tmp_path / "backups") == []
    leases.release(ledger, held)
    bring_back(ledger.url, saved, tmp_path, replace=True)


def test_a_lease_that_is_taken_during_the_backup_stops_the_replacement(
    ledger: Ledger, saved: Backup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from marketsync_dagster.ledger import restore as module

    original = module.backup

    def slow(*args: Any, **said: Any) -> Backup:
        made = original(*args, **said)
        leases.take_lease(ledger, "channel west/pasons", "run 1", 60)
        return made

    monkeypatch.setattr(module, "backup", slow)
    before = all_of(ledger)
    with pytest.raises(Busy):
        bring_back(ledger.url, saved, tmp_path, replace=True)
    assert all_of(ledger) == before


def test_a_restore_that_fails_half_way_leaves_the_ledger_as_it_was(
    ledger: Ledger, saved: Backup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from marketsync_dagster.ledger import restore as module

    def fail(*_: object) -> None:
        raise RuntimeError("half way")

    with ledger.begin() as connection:
        set_cursor(connection, "since", "1")
    before = all_of(ledger)
    monkeypatch.setattr(module, "_set_counters", fail)
    with pytest.raises(RuntimeError, match="half way"):
        bring_back(ledger.url, saved, tmp_path, replace=True)
    assert all_of(ledger) == before
    assert current_revision(ledger) == REVISIONS[-1]


def _remove(name: str) -> Callable[[dict[str, bytes]], None]:
    return lambda members: members.__delitem__(name)


def _change(name: str, change: Callable[[bytes], bytes]) -> Callable[[dict[str, bytes]], None]:
    def work(members: dict[str, bytes]) -> None:
        members[name] = change(members[name])

    return work


def _flip(data: bytes) -> bytes:
    return data[:50] + bytes([data[50] ^ 1]) + data[51:]


def _say(**more: Any) -> Callable[[dict[str, bytes]], None]:
    return _change("manifest.json", lambda data: json.dumps(json.loads(data) | more).encode())


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_remove("push.parquet"), "push.parquet is missing"),
        (_remove("manifest.json"), "manifest.json is missing"),
        (_change("push.parquet", _flip), "push.parquet is not what was written"),
        (_change("push.parquet", lambda data: data[:-9]), "push.parquet is not what was written"),
        (lambda members: members.update({"notes.txt": b""}), "notes.txt is no part"),
        (_change("manifest.json", lambda _: b"{"), "manifest.json is not that of a backup"),
        (_change("manifest.json", lambda _: b"[]"), "manifest.json is not that of a backup"),
        (_say(format="holiday pictures"), "manifest.json is not that of a backup"),
        (_say(version=2), "manifest.json is of another format"),
        (_say(tables={}), "absence.parquet is no part"),
        (_say(revision="9999", marketsync="7.0"), "newer MarketSync .7.0, revision 9999"),
    ],
)
def test_a_damaged_or_foreign_file_is_refused_by_name(
    written: Backup, damage: Callable[[dict[str, bytes]], None], words: str, tmp_path: Path
) -> None:
    with zipfile.ZipFile(written.path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    damage(members)
    path = tmp_path / "damaged.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    url = new_ledger_url("sqlite", tmp_path)
    with pytest.raises(LedgerError, match=words) as refused:
        restore(url, path, by="ben", backups=tmp_path)
    assert refused.value.next_step
    with pytest.raises(LedgerError, match="does not exist"):
        existing_ledger(url)


@pytest.mark.parametrize("content", [b"", b"not a zip", None])
def test_what_is_no_zip_is_refused(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "b.zip"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LedgerError, match=r"b\.zip"):
        restore(new_ledger_url("sqlite", tmp_path), path, by="ben", backups=tmp_path)


def test_a_file_that_was_cut_off_is_refused(written: Backup, tmp_path: Path) -> None:
    data = Path(written.path).read_bytes()
    path = tmp_path / "cut.zip"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(LedgerError, match="cut off"):
        restore(new_ledger_url("sqlite", tmp_path), path, by="ben", backups=tmp_path)


def test_a_database_with_other_tables_is_left_alone(written: Backup, tmp_path: Path) -> None:
    url = new_ledger_url("sqlite", tmp_path)
    other = Ledger(parse_url(url))
    with other.begin() as connection:
        connection.execute(text("CREATE TABLE customers (id INTEGER)"))
    with pytest.raises(LedgerError, match=r"other tables \(customers"):
        bring_back(url, written, tmp_path, replace=True)
    assert inspect(other.engine).get_table_names() == ["customers"]
    other.close()


def test_a_newer_ledger_is_not_thrown_away(ledger: Ledger, saved: Backup, tmp_path: Path) -> None:
    with ledger.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(LedgerError, match="newer MarketSync"):
        bring_back(ledger.url, saved, tmp_path, replace=True)
    assert current_revision(ledger) == "9999"


# --- other revisions, damaged ledgers


@pytest.mark.parametrize("into", ENGINES)
def test_a_backup_of_an_older_revision_is_brought_forward(
    empty_url: str, into: Engine, tmp_path: Path
) -> None:
    older = Ledger(parse_url(empty_url))
    with older.begin() as connection:
        lock_key(connection, "marketsync schema")
        migrate(connection, "0001")
        fill(connection)
    made = backup(older, tmp_path / "older.zip", by="anna")
    before = all_of(older)
    older.close()
    assert made.revision == "0001"
    url = new_ledger_url(into, tmp_path)
    done = bring_back(url, made, tmp_path, moved=True)
    assert (done.revision_before, done.revision) == ("0001", REVISIONS[-1])
    restored = open_ledger(url)
    after = all_of(restored)
    assert as_before(after, before) == before
    assert all(rows == [] for name, rows in after.items() if name not in before)
    restored.close()


@pytest.mark.parametrize("damage", ["nonsense in the middle", "no database at all", "cut off"])
def test_a_damaged_file_is_moved_aside_and_replaced(
    damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = new_ledger_url("sqlite", tmp_path)
    made = open_ledger(url)
    with made.begin() as connection:
        fill(connection, 200)
    saved = backup(made, tmp_path / "saved.zip", by="anna")
    before = all_of(made)
    made.close()
    path = Path(url.removeprefix("sqlite:///"))
    for beside in ("-wal", "-shm"):
        path.with_name(path.name + beside).unlink(missing_ok=True)
    data = bytearray(path.read_bytes())
    if damage == "nonsense in the middle":
        data[8192:-4096] = b"\xa5" * len(data[8192:-4096])
    elif damage == "cut off":
        del data[len(data) // 2 :]
    else:
        data[:] = b"this is no database" * 1_000
    path.write_bytes(data)
    with pytest.raises(LedgerError, match="is damaged, or is none"):
        bring_back(url, saved, tmp_path)
    assert path.read_bytes() == data

    done = bring_back(url, saved, tmp_path, replace=True, moved=True)

    assert Path(done.kept).read_bytes() == data
    restored = open_ledger(url)
    assert all_of(restored) == before
    restored.close()
    left = {p.name for p in tmp_path.glob("ledger*") if ".new-" in p.name}
    assert left == set()


def test_text_that_postgresql_does_not_take_is_replaced_when_a_ledger_moves(
    tmp_path: Path,
) -> None:
    url = new_ledger_url("sqlite", tmp_path)
    made = open_ledger(url)
    with made.begin() as connection:
        set_cursor(connection, "a", "x\0y")
    saved = backup(made, tmp_path / "saved.zip", by="anna")
    made.close()
    moved = new_ledger_url("postgresql", tmp_path)
    bring_back(moved, saved, tmp_path, moved=True)
    restored = open_ledger(moved)
    assert get_cursor(restored, "a") == "x\N{REPLACEMENT CHARACTER}y"
    restored.close()


# --- what is not known afterwards


def test_listings_become_unknown_and_keep_what_was_acknowledged(
    ledger: Ledger, saved: Backup, tmp_path: Path
) -> None:
    with ledger.begin() as connection:
        states = ["planned", "held", "approved"]
        for number, state in enumerate(states, 1):
            plan = connection.execute(select(t.plan.c.id).order_by(t.plan.c.id)).scalars().all()
            where = t.plan.c.id == plan[number - 1]
            connection.execute(t.plan.update().where(where).values(state=state))
        set_cursor(connection, "settled:west/pasons", "x")
    second = backup(ledger, tmp_path / "second.zip", by="anna")
    before = all_of(ledger)["listing"]
    names = [column.name for column in t.listing.columns]
    url = new_ledger_url("sqlite", tmp_path)

    done = bring_back(url, second, tmp_path)

    assert done.unknown == 3
    restored = open_ledger(url)
    after = all_of(restored)
    changed = {"outcome", "message", "version", "updated_at"}
    for old, new in zip(before, after["listing"], strict=True):
        was, now = dict(zip(names, old, strict=True)), dict(zip(names, new, strict=True))
        assert {name for name in names if was[name] != now[name]} == changed
        assert now["outcome"] == "unknown"
        assert second.at in now["message"]
        assert now["version"] == was["version"] + 1
    assert len(after["listing_event"]) == 6
    assert {row[9] for row in after["plan"]} == {"stale"}
    assert get_cursor(restored, "settled:west/pasons") is None
    restored.close()
