"""Opening the ledger, transactions, and several threads and processes on one ledger."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.pool import QueuePool

from marketsync_dagster.ledger.cursors import get_cursor, set_cursor
from marketsync_dagster.ledger.engine import (
    REVISIONS,
    Ledger,
    ledger_url,
    open_ledger,
    use_wal,
)
from marketsync_dagster.ledger.tables import cursor
from marketsync_dagster.values.errors import LedgerError
from marketsync_dagster_tests.ledger import children
from marketsync_dagster_tests.ledgers import Engine, postgres_uri, ready_ledger_url

OPEN = """
    import sys
    from marketsync_dagster.ledger.engine import open_ledger
    from marketsync_dagster.ledger.cursors import get_cursor, set_cursor
    from sqlalchemy import text
"""
INCREMENT = "UPDATE cursor SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT) WHERE name = 'n'"


def test_an_empty_database_is_made_ready_and_stays_as_it_is(empty_url: str) -> None:
    first = open_ledger(empty_url)
    with first.begin() as conn:
        set_cursor(conn, "n", "7")
    first.close()
    again = open_ledger(empty_url)
    assert get_cursor(again, "n") == "7"
    again.close()


def test_a_database_file_in_a_folder_that_is_not_there_is_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b c%20?#" / "ledger.db"
    settings: Any = SimpleNamespace(home=path.parent)
    open_ledger(ledger_url(settings)).close()
    assert path.is_file()


def test_the_environment_decides_where_the_ledger_lies(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings: Any = SimpleNamespace(home=tmp_path)
    monkeypatch.setenv("MARKETSYNC_DATABASE_URL", " ")
    assert ledger_url(settings) == f"sqlite:///{tmp_path / 'ledger.db'}"
    monkeypatch.setenv("MARKETSYNC_DATABASE_URL", "postgresql://host/database")
    assert ledger_url(settings) == "postgresql://host/database"


def test_a_relative_path_starts_at_the_configuration_wherever_the_process_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings: Any = SimpleNamespace(root=tmp_path)
    monkeypatch.setenv("MARKETSYNC_DATABASE_URL", "sqlite:///data/l.db")
    assert ledger_url(settings) == f"sqlite:///{tmp_path / 'data' / 'l.db'}"
    monkeypatch.setenv("MARKETSYNC_DATABASE_URL", "sqlite:////data/l.db")
    assert ledger_url(settings) == "sqlite:////data/l.db"


def test_loading_the_engine_and_opening_a_ready_ledger_loads_no_heavy_library(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path / 'l.db'}"
    open_ledger(url).close()
    code = (
        "import sys; from marketsync_dagster.ledger.engine import open_ledger;"
        "open_ledger(sys.argv[1]).close();"
        "print([m for m in ('alembic','mako','pandas','pyarrow','pydantic','dagster','psycopg')"
        " if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, url],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(children.ROOT)},
    )
    assert done.stdout.strip() == "[]"


def test_four_processes_that_open_a_new_database_at_once_all_succeed(empty_url: str) -> None:
    work = """
        ledger = open_ledger(sys.argv[1])
        with ledger.begin() as conn:
            set_cursor(conn, sys.argv[2], "here")
        print("opened")
    """
    results = children.race(4, OPEN, work, empty_url)
    assert children.values(results) == ["opened"] * 4
    ledger = open_ledger(empty_url)
    assert [get_cursor(ledger, str(number)) for number in range(4)] == ["here"] * 4
    ledger.close()


def test_a_ledger_of_another_version_is_refused_naming_the_command(ledger: Ledger) -> None:
    with ledger.begin() as conn:
        conn.execute(text("UPDATE marketsync_version SET version_num = '9999'"))
    with pytest.raises(LedgerError, match="newer MarketSync") as newer:
        open_ledger(ledger.url)
    assert "marketsync ledger upgrade" in newer.value.next_step


def test_an_older_ledger_is_refused_naming_the_command(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("marketsync_dagster.ledger.engine.REVISIONS", (*REVISIONS, "next"))
    with pytest.raises(LedgerError, match="older MarketSync") as older:
        open_ledger(ledger.url)
    assert "marketsync ledger upgrade" in older.value.next_step


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file:x.db?uri=true",
        "mysql://user:hunter2hunter2@host/db",
        "postgresql+psycopg2://user:hunter2hunter2@host/db",
        "postgresql://user:hunter2@hunter2@host/db",
        "postgresql://user:hunter2hunter2@host:port/db",
        "postgresql://user:hunter2hunter2@127.0.0.1:1/db",
        "postgres://user:hunter2hunter2@127.0.0.1:1/db",
        "postgresql+psycopg://127.0.0.1:1/db?password=hunter2hunter2",
        "postgresql://user:hunter2hunter2@nowhere.invalid/db",
        "postgresql://user:hunter2hunter2@127.0.0.1:1/db?wrong_option=1",
        "sqlite:////dev/null/ledger.db",
        "sqlite:////tmp",
    ],
)
def test_a_wrong_url_is_one_message_with_a_next_step_and_without_the_password(url: str) -> None:
    with pytest.raises(LedgerError) as caught:
        open_ledger(url)
    error = caught.value
    assert error.message
    assert error.next_step
    said = f"{error}"
    assert "hunter2" not in said
    assert "SELECT" not in said
    assert error.__cause__ is None
    assert error.__context__ is None


def test_a_database_that_does_not_exist_is_named_with_what_to_do() -> None:
    uri = postgres_uri().replace("/postgres?", "/no_such_database?")
    with pytest.raises(LedgerError, match=r"no_such_database.*does not exist") as caught:
        open_ledger(uri)
    assert "create the database" in caught.value.next_step


def test_a_file_that_is_not_a_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text("sku,price\n" * 200)
    with pytest.raises(LedgerError, match="not a SQLite database"):
        open_ledger(f"sqlite:///{path}")
    assert path.read_text() == "sku,price\n" * 200


def test_a_database_of_something_else_is_refused(engine: Engine, empty_url: str) -> None:
    if engine == "sqlite":
        with sqlite3.connect(empty_url.removeprefix("sqlite:///")) as conn:
            conn.execute("CREATE TABLE recipes (id INTEGER)")
    else:
        other = Ledger(make_url(empty_url).set(drivername="postgresql+psycopg"))
        with other.begin() as conn:
            conn.execute(text("CREATE TABLE push (id INTEGER)"))
        other.close()
    with pytest.raises(LedgerError, match="holds other tables"):
        open_ledger(empty_url)


def test_sqlite_is_set_up_to_lose_nothing_and_to_wait(tmp_path: Path) -> None:
    ledger = open_ledger(f"sqlite:///{tmp_path / 'l.db'}")
    with ledger.read() as conn:
        said = [
            conn.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "busy_timeout", "foreign_keys")
        ]
    ledger.close()
    assert said == ["wal", 2, 30_000, 1]


def test_switching_to_write_ahead_logging_waits_for_other_processes(tmp_path: Path) -> None:
    path = tmp_path / "l.db"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("CREATE TABLE t (x)")
    other.execute("BEGIN IMMEDIATE")
    ledger = Ledger(make_url(f"sqlite:///{path}"))
    threading.Timer(0.1, other.execute, ["COMMIT"]).start()
    use_wal(ledger)
    with ledger.read() as conn:
        assert conn.execute(text("PRAGMA journal_mode")).scalar() == "wal"
    ledger.close()
    other.close()


def test_a_write_transaction_holds_the_lock_before_its_first_statement(tmp_path: Path) -> None:
    path = tmp_path / "l.db"
    ledger = open_ledger(f"sqlite:///{path}")
    other = sqlite3.connect(path, timeout=0, isolation_level=None)
    with ledger.begin(), pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("BEGIN IMMEDIATE")
    other.execute("BEGIN IMMEDIATE")
    other.close()
    ledger.close()


def test_an_error_rolls_the_whole_transaction_back(ledger: Ledger) -> None:
    def fail() -> None:
        with ledger.begin() as conn:
            set_cursor(conn, "a", "1")
            set_cursor(conn, "b", str(1 // 0))

    with pytest.raises(ZeroDivisionError):
        fail()
    assert get_cursor(ledger, "a") is None
    with ledger.begin() as conn:
        set_cursor(conn, "a", "2")
    assert get_cursor(ledger, "a") == "2"


def test_a_broken_unique_key_is_an_integrity_error_and_rolls_back(ledger: Ledger) -> None:
    row = {"name": "a", "value": "the value", "at": ""}

    def write_twice() -> None:
        with ledger.begin() as conn:
            set_cursor(conn, "b", "1")
            conn.execute(insert(cursor), [row, row])

    with pytest.raises(IntegrityError) as caught:
        write_twice()
    assert "the value" not in str(caught.value)
    assert get_cursor(ledger, "b") is None


def test_a_write_while_reading_is_refused(ledger: Ledger) -> None:
    with pytest.raises((DBAPIError, LedgerError)), ledger.read() as conn:
        set_cursor(conn, "a", "1")
    assert get_cursor(ledger, "a") is None
    with ledger.begin() as conn:  # the same connection writes again
        set_cursor(conn, "a", "1")
    assert get_cursor(ledger, "a") == "1"


def test_reading_sees_one_moment_while_others_write(ledger: Ledger) -> None:
    with ledger.read() as conn:
        before = conn.execute(select(cursor.c.value)).all()
        with ledger.begin() as writer:
            set_cursor(writer, "a", "1")
        assert conn.execute(select(cursor.c.value)).all() == before == []
    assert get_cursor(ledger, "a") == "1"


def test_a_transaction_inside_a_transaction_is_a_mistake_that_shows_at_once(
    ledger: Ledger,
) -> None:
    with pytest.raises(RuntimeError, match="inside"), ledger.begin(), ledger.begin():
        pass
    with ledger.begin() as conn:
        set_cursor(conn, "a", "1")


def test_a_mistake_in_our_own_sql_is_not_dressed_up_as_the_users(ledger: Ledger) -> None:
    with pytest.raises(DBAPIError) as caught, ledger.begin() as conn:
        conn.execute(text("SELECT nothing FROM nowhere"))
    assert not isinstance(caught.value, LedgerError)


def test_threads_share_a_ledger_without_losing_a_write(ledger: Ledger) -> None:
    with ledger.begin() as conn:
        set_cursor(conn, "n", "0")

    def work() -> None:
        for _ in range(25):
            with ledger.begin() as conn:
                conn.execute(text(INCREMENT))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert get_cursor(ledger, "n") == "200"


def test_four_processes_write_two_hundred_times_each_and_none_is_locked_out(
    ledger: Ledger,
) -> None:
    with ledger.begin() as conn:
        set_cursor(conn, "n", "0")
    setup = OPEN + "    ledger = open_ledger(sys.argv[1])\n"
    work = f'''
        for _ in range(200):
            with ledger.begin() as conn:
                conn.execute(text("{INCREMENT}"))
        print("done")
    '''
    assert children.values(children.race(4, setup, work, ledger.url)) == ["done"] * 4
    assert get_cursor(ledger, "n") == "800"


def test_a_process_killed_in_mid_transaction_leaves_nothing_behind(ledger: Ledger) -> None:
    work = """
        with ledger.begin() as conn:
            set_cursor(conn, "a", "half")
            print("written", flush=True)
            sys.stdin.readline()
    """
    setup = OPEN + "    ledger = open_ledger(sys.argv[1])\n"
    child = children.start(setup, work, ledger.url)
    child.wait_ready()
    child.go()
    assert child.stdout.readline() == "written\n"
    os.kill(child.pid, signal.SIGKILL)
    child.ended()
    with ledger.begin() as conn:
        set_cursor(conn, "b", "after")
    assert (get_cursor(ledger, "a"), get_cursor(ledger, "b")) == (None, "after")


def test_a_forked_child_opens_its_own_connections(ledger: Ledger) -> None:
    with ledger.begin() as conn:
        set_cursor(conn, "a", "parent")
    pool = cast("QueuePool", ledger.engine.pool)
    assert pool.checkedin() > 0
    child = os.fork()
    if child == 0:
        code = 1
        try:
            inherited = cast("QueuePool", ledger.engine.pool).checkedin()
            with ledger.begin() as conn:
                set_cursor(conn, "a", "child")
            code = 2 if inherited else 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert get_cursor(ledger, "a") == "child"
    with ledger.begin() as conn:
        set_cursor(conn, "a", "parent again")
    assert get_cursor(ledger, "a") == "parent again"


def test_a_full_disk_is_one_message_and_the_transaction_is_rolled_back(tmp_path: Path) -> None:
    ledger = open_ledger(f"sqlite:///{tmp_path / 'l.db'}")

    def fill() -> None:
        with ledger.begin() as conn:
            pages = conn.execute(text("PRAGMA page_count")).scalar()
            conn.execute(text(f"PRAGMA max_page_count={pages}"))
            for number in range(200):
                set_cursor(conn, str(number), "x" * 2000)

    with pytest.raises(LedgerError, match="disk is full") as caught:
        fill()
    assert "free some space" in caught.value.next_step
    ledger.close()
    assert get_cursor(ledger, "0") is None


def test_a_locked_ledger_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("marketsync_dagster.ledger.engine.LOCK_WAIT_S", 0.05)
    path = tmp_path / "l.db"
    ledger = open_ledger(f"sqlite:///{path}")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerError, match="another process"), ledger.begin():
        pytest.fail("two writers at once")
    other.close()
    with ledger.begin() as conn:
        set_cursor(conn, "a", "1")
    ledger.close()


def test_a_server_that_drops_the_connection_is_one_message_and_the_next_try_works(
    tmp_path: Path,
) -> None:
    ledger = open_ledger(ready_ledger_url("postgresql", tmp_path))

    def write_while_the_server_hangs_up() -> None:
        with ledger.begin() as conn:
            pid = conn.execute(text("SELECT pg_backend_pid()")).scalar()
            with ledger.read() as other:
                other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
            set_cursor(conn, "a", "1")

    with pytest.raises(LedgerError, match="shut down in mid-work") as caught:
        write_while_the_server_hangs_up()
    assert caught.value.next_step
    with ledger.begin() as conn:
        set_cursor(conn, "a", "2")
    assert get_cursor(ledger, "a") == "2"
    ledger.close()


def test_a_ledger_shown_in_a_log_shows_no_password() -> None:
    ledger = Ledger(make_url("postgresql+psycopg://user:hunter2hunter2@127.0.0.1:1/shop"))
    assert repr(ledger) == "<Ledger: the PostgreSQL database shop at 127.0.0.1:1>"
