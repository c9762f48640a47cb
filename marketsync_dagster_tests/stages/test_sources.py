"""From the configuration to a source that can be looked at."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from marketsync_dagster.config.settings import Settings
from marketsync_dagster.pos.files import archived
from marketsync_dagster.pos.sources.api import register
from marketsync_dagster.stages.extract import EXTRACT_KEY, extract_outlets
from marketsync_dagster.stages.project import open_project
from marketsync_dagster.stages.sources import shown_source, source_key, source_of
from marketsync_dagster.values.errors import ConfigError
from marketsync_dagster.values.redact import scrub
from marketsync_dagster_tests.config.texts import load
from marketsync_dagster_tests.ledgers import copy_tables

CONFIG = """\
version: 1
sources:
  chain: {kind: directory, path: drop, pattern: "*/*.csv", outlet: {from: directory}}
  box: {kind: directory, url: "memory://feeds", options: {password: {env: BOX_PASSWORD}}}
  till_db:
    kind: sql
    url: sqlite:///pos.db
    query: select sku from product
  till: {kind: api, adapter: tested_till, options: {base: [x], auth: {key: {env: TILL_KEY}}}}
  wrong: {kind: sql, url: {env: WRONG_URL}, query: select sku from product}
outlets:
  a: {name: A, extract: {source: chain, keys: a}}
  b: {name: B, extract: {source: chain, keys: b}}
  c: {name: C, extract: {source: chain, keys: c, pattern: "*/*.xml"}}
  d: {name: D, extract: {source: box}}
  e: {name: E, extract: {source: till_db}}
  f: {name: F, extract: {source: till}}
  g: {name: G, extract: {path: extracts/g}}
  h: {name: H, extract: {source: wrong}}
"""

ONE_QUERY = """\
version: 1
sources:
  till_db:
    kind: sql
    url: sqlite:///pos.db
    query: select poslovnica, sku, price from product
    outlet: {from: column, column: poslovnica}
outlets:
  a: {name: A, extract: {source: till_db, keys: "028"}}
  b: {name: B, extract: {source: till_db, keys: ["031", "31"]}}
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(tmp_path, CONFIG)


def test_outlets_of_one_source_are_looked_at_once(settings: Settings) -> None:
    keys = {outlet: source_key(settings, outlet) for outlet in settings.outlets}
    assert keys["a"] == keys["b"]
    assert len(set(keys.values())) == len(keys) - 1
    shown = {outlet: shown_source(settings, outlet) for outlet in "adeg"}
    assert shown == {"a": "drop", "d": "box", "e": "till_db", "g": "extracts/g"}


def test_a_directory_starts_from_the_folder_of_the_configuration(
    settings: Settings, tmp_path: Path
) -> None:
    for name in ("drop/a/1.csv", "drop/a/1.xml", "extracts/g/2.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("sku\n")
    found = {outlet: [one.name for one in source_of(settings, outlet).look()] for outlet in "acg"}
    assert found == {"a": ["a/1.csv"], "c": ["a/1.xml"], "g": ["2.csv"]}


def test_so_does_a_file_of_sqlite(settings: Settings, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "pos.db")) as database, database:
        database.execute("create table product (sku text)")
        database.execute("insert into product values ('00123')")
    source = source_of(settings, "e")
    sha256 = source.fetch(source.look()[0], tmp_path / "archive")
    assert archived(tmp_path / "archive", sha256).read_text() == '{"sku": "00123"}\n'


def test_an_adapter_gets_its_options_with_the_secrets(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Mapping[str, Any]] = []

    class Till:
        def __init__(self, options: Mapping[str, Any]) -> None:
            given.append(options)

        def pages(self) -> Iterator[list[dict[str, Any]]]:
            yield []

    register("tested_till", Till)
    monkeypatch.setenv("TILL_KEY", "till-Key-123456")
    assert not source_of(settings, "f").watched
    assert given == [{"base": ["x"], "auth": {"key": "till-Key-123456"}}]
    assert scrub("till-Key-123456") == "***"


@pytest.mark.parametrize(
    ("outlet", "variable", "value", "words"),
    [
        ("d", "BOX_PASSWORD", "", "environment variable BOX_PASSWORD is not set"),
        ("h", "WRONG_URL", "", "environment variable WRONG_URL is not set"),
        ("h", "WRONG_URL", "no-address-at-all", "no address of a database"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_source(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    outlet: str,
    variable: str,
    value: str,
    words: str,
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError) as caught:
        source_of(settings, outlet)
    name = settings.outlets[outlet].extract.source
    assert caught.value.message.startswith(f"sources.{name}: ")
    assert words in caught.value.message


def test_the_password_of_an_address_is_masked_on_its_own(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WRONG_URL", "postgresql://till:db-Pass-8866@127.0.0.1/pos")
    source_of(settings, "h")
    assert "db-Pass-8866" not in scrub("login failed with db-Pass-8866")


def test_the_rows_of_one_query_go_to_their_outlets_and_the_same_rows_do_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_tables(monkeypatch)
    rows = [("028", "0012", "19.90"), ("028", "0013", "5"), ("31", "0012", "21.5"), ("77", "1", 1)]
    with closing(sqlite3.connect(tmp_path / "pos.db")) as database, database:
        database.execute("create table product (poslovnica text, sku text, price numeric)")
        database.executemany("insert into product values (?, ?, ?)", rows)
    load(tmp_path, ONE_QUERY)
    project = open_project(tmp_path / "marketsync.yaml")
    try:
        assert [one.state for one in extract_outlets(project, ["a", "b"])] == ["done", "done"]
        prices = {
            outlet: dict(zip(frame["sku"], frame["price_minor"], strict=True))
            for outlet in "ab"
            for frame in [project.frames.read(EXTRACT_KEY, outlet)]
        }
        assert prices == {"a": {"0012": 1990, "0013": 500}, "b": {"0012": 2150}}
        again = extract_outlets(project, ["a", "b"])
        assert [one.state for one in again] == ["unchanged", "unchanged"]
        assert len([one for one in project.archive.rglob("*") if one.is_file()]) == 1
    finally:
        project.ledger.close()
