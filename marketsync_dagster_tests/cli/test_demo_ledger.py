"""A demo on PostgreSQL: it begins with an empty ledger, and touches nobody else's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select

from marketsync_dagster.cli.demo_ledger import begin_in_postgres
from marketsync_dagster.config.load import load_settings
from marketsync_dagster.config.settings import Settings
from marketsync_dagster.ledger import tables as t
from marketsync_dagster.ledger.cursors import get_cursor, set_cursor
from marketsync_dagster.ledger.engine import Ledger, open_ledger
from marketsync_dagster.ledger.listings import Source, acknowledge
from marketsync_dagster.values.errors import ConfigError
from marketsync_dagster_tests.ledgers import new_ledger_url

AT = "2026-11-21T06:00:00.000Z"


@pytest.fixture
def settings(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("MARKETSYNC_DATABASE_URL", new_ledger_url("postgresql", tmp_path))
    return load_settings(project / "marketsync.yaml")


@pytest.fixture
def ledger(settings: Settings) -> Iterator[Ledger]:
    """The ledger after a first demo has begun in an empty database."""
    begin_in_postgres(settings)
    opened = open_ledger(os.environ["MARKETSYNC_DATABASE_URL"])
    yield opened
    opened.close()


def show(ledger: Ledger, account: str) -> None:
    """One listing that an account has acknowledged."""
    with ledger.begin() as conn:
        item = ("1", "p-1", 100, "KES", "in_stock", 1, "applied", "", 2)
        source = Source("main", "pasons", account, "here", "x", AT, "push-1")
        acknowledge(conn, source, 1, [item], AT)


def listings(ledger: Ledger) -> int:
    with ledger.read() as conn:
        return conn.execute(select(func.count()).select_from(t.listing)).scalar_one()


def test_a_demo_empties_what_an_earlier_demo_left_but_for_secrets(
    ledger: Ledger, settings: Settings
) -> None:
    show(ledger, "pasons_main")
    secret = dict.fromkeys(("name", "key_id", "created_at", "created_by", "encrypted_at"), "x")
    with ledger.begin() as conn:
        conn.execute(insert(t.credential).values(**secret, version=1, token=b"x"))
    begin_in_postgres(settings)
    assert listings(ledger) == 0
    assert get_cursor(ledger, "demo") == str(settings.file)
    with ledger.read() as conn:
        assert conn.execute(select(t.credential.c.name)).scalars().all() == ["x"]


@pytest.mark.parametrize("whose", ["an account of its own", "another project", "nobody's demo"])
def test_a_ledger_that_is_not_the_demos_stays_as_it_is(
    whose: str, ledger: Ledger, settings: Settings
) -> None:
    show(ledger, "real_account" if whose == "an account of its own" else "pasons_main")
    with ledger.begin() as conn:
        if whose == "another project":
            set_cursor(conn, "demo", "/elsewhere/marketsync.yaml")
        if whose == "nobody's demo":
            conn.execute(t.cursor.delete())
    with pytest.raises(ConfigError, match="not the demo's") as caught:
        begin_in_postgres(settings)
    assert "MARKETSYNC_DATABASE_URL" in caught.value.next_step
    assert listings(ledger) == 1
