"""Databases of tills: exact values, stable bytes, nothing written. SQLite and PostgreSQL."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from marketsync_dagster.pos.files import archived
from marketsync_dagster.pos.sources.sql import SqlSource
from marketsync_dagster.values.errors import ConfigError, ExtractError
from marketsync_dagster_tests.ledgers import ENGINES, Engine, new_ledger_url

QUERY = "select branch, sku, name, price, cost, active, seen from product"


def fill(url: str, *rows: tuple[object, ...], fresh: bool = True) -> None:
    """A table of products with these rows, in their order."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as db, db:
            if fresh:
                db.execute("drop table if exists product")
                db.execute(
                    "create table product (branch text, sku text, name text, price numeric, "
                    "cost real, active boolean, seen date)"
                )
            db.executemany("insert into product values (?, ?, ?, ?, ?, ?, ?)", rows)
        return
    with psycopg.connect(url) as db, db.cursor() as cursor:
        if fresh:
            cursor.execute("drop table if exists product")
            cursor.execute(
                "create table product (branch text, sku text, name text, price numeric(20, 4), "
                "cost float8, active boolean, seen timestamptz)"
            )
        cursor.executemany("insert into product values (%s, %s, %s, %s, %s, %s, %s)", rows)


def source(url: str, query: str = QUERY, timeout_s: float = 30) -> SqlSource:
    return SqlSource(url, query, shown="till_db", timeout_s=timeout_s)


def fetch(url: str, archive: Path, query: str = QUERY) -> bytes:
    here = source(url, query)
    (seen,) = here.look()
    assert here.is_settled(seen, None, 0.0)
    return archived(archive, here.fetch(seen, archive)).read_bytes()


def refused(url: str, archive: Path, query: str, timeout_s: float = 30) -> ExtractError:
    here = source(url, query, timeout_s)
    with pytest.raises(ExtractError) as caught:
        here.fetch(here.look()[0], archive)
    assert [path for path in archive.rglob("*") if path.is_file()] == []
    assert "till_db" in caught.value.message
    return caught.value


ROWS = [
    ("028", "00123", 'Milk "fresh"\n1l', "19.9900", 12.1, True, None),
    ("028", "00124", "חלב", "5", 0.1, False, None),
    ("31", "00123", None, None, None, None, None),
]


def typed(url: str) -> list[tuple[object, ...]]:
    number = Decimal if url.startswith("postgres") else float
    return [(*row[:3], None if row[3] is None else number(str(row[3])), *row[4:]) for row in ROWS]


@pytest.mark.parametrize("engine", ENGINES)
def test_values_go_out_as_the_database_has_them(engine: Engine, tmp_path: Path) -> None:
    url = new_ledger_url(engine, tmp_path)
    fill(url, *typed(url))
    lines = fetch(url, tmp_path / "archive").decode().splitlines()
    price, active = (
        ('"price": 19.9900', "true") if engine == "postgresql" else ('"price": 19.99', "1")
    )
    assert len(lines) == 3
    assert lines[0] == (
        '{"branch": "028", "sku": "00123", "name": "Milk \\"fresh\\"\\n1l", '
        f'{price}, "cost": 12.1, "active": {active}, "seen": null}}'
    )
    assert json.loads(lines[1])["name"] == "חלב"
    assert '"name": null, "price": null, "cost": null' in lines[2]


@pytest.mark.parametrize("engine", ENGINES)
def test_the_same_rows_are_the_same_bytes_in_whatever_order(engine: Engine, tmp_path: Path) -> None:
    url = new_ledger_url(engine, tmp_path)
    rows = typed(url)
    fill(url, *rows)
    first = fetch(url, tmp_path / "archive")
    fill(url, *reversed(rows))
    assert fetch(url, tmp_path / "archive") == first
    assert len([p for p in (tmp_path / "archive").rglob("*") if p.is_file()]) == 1
    fill(url, rows[0], fresh=False)
    assert fetch(url, tmp_path / "archive") != first


def test_postgres_values_keep_every_digit(tmp_path: Path) -> None:
    url = new_ledger_url("postgresql", tmp_path)
    with psycopg.connect(url) as db:
        name = sql.Identifier(db.info.dbname)
        tokyo = sql.SQL("alter database {} set timezone = 'Asia/Tokyo'")
        db.execute(tokyo.format(name))
    query = (
        "select 123456789012345678.1234::numeric as a, 1.10::numeric as b, 1e20::float8 as c, "
        "'NaN'::numeric as d, 'infinity'::float8 as e, date '2026-11-20' as f, "
        "timestamptz '2026-11-20 18:00+03' as g, 9007199254740993::bigint as h, "
        "'50%' as i, 'a:b' as j, 0.1::float4 as k, interval '90 minutes' as l, "
        "'6f4b4c9e-0000-4000-8000-000000000001'::uuid as m where 'x' like '%x%'"
    )
    assert fetch(url, tmp_path / "archive", query).decode() == (
        '{"a": 123456789012345678.1234, "b": 1.10, "c": 1e+20, "d": "NaN", "e": "inf", '
        '"f": "2026-11-20", "g": "2026-11-20T15:00:00+00:00", "h": 9007199254740993, "i": "50%", '
        '"j": "a:b", "k": 0.1, "l": "1:30:00", "m": "6f4b4c9e-0000-4000-8000-000000000001"}\n'
    )


def test_a_look_is_always_new_and_dated_by_this_machine(tmp_path: Path) -> None:
    here = source(new_ledger_url("sqlite", tmp_path))
    (one,), (other,) = here.look(), here.look()
    assert one.mark != other.mark
    assert one.modified is None
    assert one.arrived == pytest.approx(time.time(), abs=60)
    assert not here.watched


@pytest.mark.parametrize(
    "query",
    [
        "update product set price = 0 returning sku",
        "select 1; delete from product",
        "select 1 as a; select 2 as a",
        "select * into other from product",
        "with gone as (delete from product returning sku) select * from gone",
        "delete from product",
        "/* select */ drop table product",
        "explain select 1",
        "",
    ],
)
def test_a_query_that_is_not_one_select_is_refused_before_anything_is_asked(query: str) -> None:
    with pytest.raises(ConfigError) as caught:
        source("sqlite:///nowhere.db", query)
    assert "till_db" in caught.value.message


@pytest.mark.parametrize(
    "query",
    [
        "select 'delete; drop' as a",
        'select 1 as "update"',
        "-- the till's products; all of them\nselect 1 as a /* insert */ ;\n",
        "with p as (select 1 as last_update) select * from p",
    ],
)
def test_words_in_texts_names_and_comments_do_nothing(query: str, tmp_path: Path) -> None:
    assert fetch(_empty(tmp_path), tmp_path / "archive", query)


def _empty(tmp_path: Path) -> str:
    url = new_ledger_url("sqlite", tmp_path)
    fill(url)
    return url


@pytest.mark.parametrize("engine", ENGINES)
def test_the_transaction_can_only_read(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = new_ledger_url(engine, tmp_path)
    fill(url, *typed(url))
    monkeypatch.setattr("marketsync_dagster.pos.sources.sql.one_select", lambda query, _: query)
    query = "delete from product returning sku"
    assert refused(url, tmp_path / "archive", query).code == "bad_query"
    assert len(fetch(url, tmp_path / "archive2").splitlines()) == len(ROWS)


def test_a_function_that_writes_is_refused_by_the_database(tmp_path: Path) -> None:
    url = new_ledger_url("postgresql", tmp_path)
    with psycopg.connect(url) as db:
        db.execute("create sequence numbers")
    error = refused(url, tmp_path / "archive", "select nextval('numbers') as a")
    assert "read-only" in error.message


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("select sku from nowhere", "bad_query"),
        ("select sku, sku from product", "duplicate_header"),
        ("select x'ff' as data", "unreadable"),
    ],
)
def test_what_cannot_be_an_extract_is_refused(tmp_path: Path, query: str, code: str) -> None:
    assert refused(_empty(tmp_path), tmp_path / "archive", query).code == code


def test_lists_are_refused(tmp_path: Path) -> None:
    url = new_ledger_url("postgresql", tmp_path)
    for query in ("select array[1, 2] as a", """select '{"a": 1.10}'::jsonb as a"""):
        assert refused(url, tmp_path / "archive", query).code == "nested_column"


def test_no_rows_are_an_empty_original_which_is_no_empty_shop(tmp_path: Path) -> None:
    assert fetch(_empty(tmp_path), tmp_path / "archive") == b""


_FOREVER = (
    "with recursive n(i) as (select 1 union all select i + 1 from n) "
    "select i as sku from n where i < 0"
)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_query_that_takes_too_long_is_ended(engine: Engine, tmp_path: Path) -> None:
    url = new_ledger_url(engine, tmp_path)
    fill(url)
    began = time.monotonic()
    error = refused(url, tmp_path / "archive", _FOREVER, timeout_s=0.3)
    assert error.code == "unavailable"
    assert time.monotonic() - began < 10


def test_a_database_that_is_locked_or_gone_is_unavailable(tmp_path: Path) -> None:
    absent = f"sqlite:///{tmp_path / 'absent.db'}"
    assert refused(absent, tmp_path / "archive", QUERY).code == "unavailable"
    assert not (tmp_path / "absent.db").exists()
    nobody = "postgresql://till:till-Pass-55@127.0.0.1:9/pos"
    error = refused(nobody, tmp_path / "archive", QUERY)
    assert error.code == "unavailable"
    assert "till-Pass-55" not in str(error)


def test_a_file_that_is_no_database_is_not_blamed_on_the_query(tmp_path: Path) -> None:
    (tmp_path / "till.db").write_text("sku,name,price\n" * 500)
    error = refused(f"sqlite:///{tmp_path / 'till.db'}", tmp_path / "archive", QUERY)
    assert error.code == "unreadable"
    assert "the file in its `url` is damaged, or no database of SQLite" in error.message
    assert "Correct `url`" in error.next_step


def test_what_is_written_meanwhile_is_not_half_seen(tmp_path: Path) -> None:
    url = new_ledger_url("postgresql", tmp_path)
    fill(
        url, *[("1", f"{number:05}", "x", Decimal(1), 1.0, True, None) for number in range(20_000)]
    )
    here = source(
        url,
        "select sku, price, pg_sleep(case when sku = '00100' then 0.5 end)::text as w from product",
    )

    def halve() -> None:
        time.sleep(0.2)
        with psycopg.connect(url) as db:
            db.execute("update product set price = 2")
            db.execute("delete from product where sku > '15000'")

    writer = threading.Thread(target=halve)
    writer.start()
    lines = archived(tmp_path, here.fetch(here.look()[0], tmp_path)).read_bytes().splitlines()
    writer.join()
    assert len(lines) == 20_000
    assert all(b'"price": 1.0000' in line for line in lines)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense", "no address"),
        ("mysql+pymysql://u@h/d", "needs the package PyMySQL"),
        ("mysql://u@h/d", "needs the package mysqlclient"),
        ("martian://h/d", "martian"),
    ],
)
def test_an_address_that_cannot_be_used_says_why(url: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        source(url)
    assert words in caught.value.message
    assert "till_db" in caught.value.message
