"""Migrations: what they make equals the tables, and they are made whole or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from marketsync_dagster.ledger import engine as engine_module
from marketsync_dagster.ledger import upgrade
from marketsync_dagster.ledger.cursors import get_cursor, set_cursor
from marketsync_dagster.ledger.engine import REVISIONS, VERSION_TABLE, Ledger, open_ledger
from marketsync_dagster.ledger.tables import metadata
from marketsync_dagster.ledger.urls import parse_url
from marketsync_dagster.values.errors import LedgerError
from marketsync_dagster_tests.ledger.filling import as_before, content, fill

NEWEST = REVISIONS[-1]

BROKEN = '''"""A revision that fails half-way."""

import sqlalchemy as sa
from alembic import op

revision = "next"
down_revision = "{newest}"


def upgrade() -> None:
    op.create_table("novelty", sa.Column("id", sa.Integer(), primary_key=True))
    op.add_column("cursor", sa.Column("note", sa.Text()))
    {last}
'''


def test_the_migrated_schema_is_that_of_the_tables(ledger: Ledger) -> None:
    with ledger.engine.connect() as conn:
        context = MigrationContext.configure(
            conn,
            opts={
                "version_table": VERSION_TABLE,
                "compare_type": True,
                "compare_server_default": True,
            },
        )
        assert compare_metadata(context, metadata) == []
        names = set(inspect(conn).get_table_names())
    assert names == {*metadata.tables, VERSION_TABLE}


def test_a_column_that_no_migration_makes_would_be_noticed(ledger: Ledger) -> None:
    with ledger.begin() as conn:
        conn.execute(text("ALTER TABLE cursor ADD COLUMN note TEXT"))
    with ledger.engine.connect() as conn:
        context = MigrationContext.configure(conn, opts={"version_table": VERSION_TABLE})
        assert len(compare_metadata(context, metadata)) == 1


def test_options_and_keys_that_the_comparison_does_not_see_are_the_same(ledger: Ledger) -> None:
    inspector = inspect(ledger.engine)
    for name, table in metadata.tables.items():
        primary = inspector.get_pk_constraint(name)["constrained_columns"]
        assert primary == [column.name for column in table.primary_key.columns], name
    if ledger.dialect == "sqlite":
        with ledger.read() as conn:
            made = conn.execute(text("SELECT sql FROM sqlite_master WHERE name = 'listing'"))
            assert "WITHOUT ROWID" in made.scalar_one()


def test_the_code_works_with_the_newest_revision_that_is_packaged() -> None:
    scripts = ScriptDirectory.from_config(upgrade.alembic_config())
    packaged = [script.revision for script in scripts.walk_revisions()]
    assert tuple(reversed(packaged)) == REVISIONS
    assert scripts.get_current_head() == REVISIONS[-1]


def test_every_folder_of_the_migrations_is_a_package_that_an_installation_gets() -> None:
    for folder in (upgrade.MIGRATIONS, upgrade.MIGRATIONS / "versions"):
        assert (folder / "__init__.py").is_file()


def test_upgrading_makes_an_empty_database_ready_and_leaves_a_ready_one(empty_url: str) -> None:
    assert upgrade.upgrade_ledger(empty_url) == (None, REVISIONS[-1])
    assert upgrade.upgrade_ledger(empty_url) == (REVISIONS[-1], REVISIONS[-1])
    open_ledger(empty_url).close()


def test_a_newer_ledger_is_not_touched_by_an_upgrade(ledger: Ledger) -> None:
    with ledger.begin() as conn:
        conn.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(LedgerError, match="newer"):
        upgrade.upgrade_ledger(ledger.url)
    assert engine_module.current_revision(ledger) == "9999"


@pytest.fixture
def next_revision(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A copy of the migrations, in a folder with an odd name, to which a test adds one."""
    folder = tmp_path / "100 % odd" / "migrations"
    shutil.copytree(upgrade.MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(upgrade, "MIGRATIONS", folder)
    for module in (upgrade, engine_module):
        monkeypatch.setattr(module, "REVISIONS", (*REVISIONS, "next"))
    return folder / "versions" / "next_novelty.py"


def test_an_older_ledger_is_brought_forward_with_its_rows(
    ledger: Ledger, next_revision: Path
) -> None:
    next_revision.write_text(BROKEN.format(newest=NEWEST, last=""))
    with ledger.begin() as conn:
        set_cursor(conn, "a", "1")
    with pytest.raises(LedgerError, match="older"):
        open_ledger(ledger.url)
    assert upgrade.upgrade_ledger(ledger.url) == (NEWEST, "next")
    assert get_cursor(ledger, "a") == "1"
    open_ledger(ledger.url).close()


def test_a_ledger_of_the_first_revision_is_brought_forward_without_losing_a_row(
    empty_url: str,
) -> None:
    first = Ledger(parse_url(empty_url))
    with first.begin() as conn:
        upgrade.migrate(conn, REVISIONS[0])
        filled = fill(conn, rows=5)
        before = content(conn)
    assert {"listing", "listing_event", "plan", "push", "sku_mapping"} <= set(filled)
    with pytest.raises(LedgerError, match="older"):
        open_ledger(empty_url)

    assert upgrade.upgrade_ledger(empty_url) == (REVISIONS[0], NEWEST)

    opened = open_ledger(empty_url)
    with opened.read() as conn:
        after = content(conn)
        context = MigrationContext.configure(conn, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, metadata) == []
    assert as_before(after, before) == before
    assert all(len(rows) == 5 for rows in before.values())
    opened.close()
    first.close()


def test_an_upgrade_that_fails_half_way_leaves_the_ledger_as_it_was(
    ledger: Ledger, next_revision: Path
) -> None:
    next_revision.write_text(
        BROKEN.format(newest=NEWEST, last='op.execute("SELECT * FROM nowhere")')
    )
    with ledger.begin() as conn:
        set_cursor(conn, "a", "1")
    with pytest.raises(Exception, match="nowhere"):
        upgrade.upgrade_ledger(ledger.url)
    assert engine_module.current_revision(ledger) == NEWEST
    assert "novelty" not in inspect(ledger.engine).get_table_names()
    assert "note" not in {column["name"] for column in inspect(ledger.engine).get_columns("cursor")}
    assert get_cursor(ledger, "a") == "1"
