"""Which dagster.yaml Dagster reads: it follows the variable that says where the ledger is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from marketsync_dagster.automation.dagster_home import on_postgres, prepare_dagster_home
from marketsync_dagster.config.load import load_settings
from marketsync_dagster.values.errors import ConfigError

ROOT = Path(__file__).parents[2]
VARIABLE = "MARKETSYNC_DATABASE_URL"
POSTGRES = "postgresql://ada:pg_example_password@db.example/marketsync"
OUTLETS = "version: 1\noutlets: {main: {name: Main, extract: {path: extracts}}}\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout as far as it matters here; nothing says where the ledger is."""
    for name in (VARIABLE, "DAGSTER_HOME", "MARKETSYNC_HOME"):
        monkeypatch.setenv(name, "")  # undone at the end
    (tmp_path / "marketsync.yaml").write_text(OUTLETS)
    (tmp_path / "deploy").mkdir()
    for name in ("dagster.yaml", "deploy/dagster.yaml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    return tmp_path


def prepared(project: Path) -> Path:
    """The dagster.yaml that Dagster reads from now on."""
    home = prepare_dagster_home(load_settings(project / "marketsync.yaml"))
    assert home == project / ".dagster"
    return home / "dagster.yaml"


def test_the_two_files_differ_in_the_storage_alone() -> None:
    sqlite, postgres = (
        yaml.safe_load((ROOT / name).read_text())
        for name in ("dagster.yaml", "deploy/dagster.yaml")
    )
    assert sqlite.pop("event_log_storage")["class"] == "KeptSqliteEventLogStorage"
    assert postgres.pop("storage")["custom"]["class"] == "LedgerPostgresStorage"
    assert sqlite == postgres
    assert len(sqlite) >= 8


def test_what_is_made_for_postgres_is_what_deploy_has() -> None:
    made = yaml.safe_load(on_postgres((ROOT / "dagster.yaml").read_text()))
    assert made == yaml.safe_load((ROOT / "deploy" / "dagster.yaml").read_text())


def test_the_link_follows_the_variable_back_and_forth(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for url, name in [
        ("", "dagster.yaml"),
        (POSTGRES, "deploy/dagster.yaml"),
        (POSTGRES, "deploy/dagster.yaml"),
        ("sqlite:////data/ledger.db", "dagster.yaml"),
        (" postgres://ada@db.example/marketsync", "deploy/dagster.yaml"),
        ("", "dagster.yaml"),
    ]:
        monkeypatch.setenv(VARIABLE, url)
        link = prepared(project)
        assert link.is_symlink()
        assert link.resolve() == (project / name).resolve(), url


def test_a_link_that_is_right_is_not_made_again(project: Path) -> None:
    made = prepared(project).lstat().st_ino
    assert prepared(project).lstat().st_ino == made


def test_a_project_without_a_file_for_postgres_gets_its_own_with_another_storage(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "deploy" / "dagster.yaml").unlink()
    own = {"concurrency": {"runs": {"max_concurrent_runs": 9}}, "run_storage": {"module": "m"}}
    own.pop("run_storage")
    (project / "dagster.yaml").write_text(yaml.safe_dump(own))
    monkeypatch.setenv(VARIABLE, POSTGRES)
    made = prepared(project)
    assert not made.is_symlink()
    storage = yaml.safe_load((ROOT / "deploy" / "dagster.yaml").read_text())["storage"]
    assert yaml.safe_load(made.read_text()) == own | {"storage": storage}
    assert "pg_example_password" not in made.read_text()
    # what is changed in the project's file arrives
    own["concurrency"]["runs"]["max_concurrent_runs"] = 2
    (project / "dagster.yaml").write_text(yaml.safe_dump(own))
    assert yaml.safe_load(prepared(project).read_text()) == own | {"storage": storage}
    # and without the variable it is the link again
    monkeypatch.setenv(VARIABLE, "")
    assert prepared(project).resolve() == project / "dagster.yaml"


def test_a_project_without_any_file_follows_the_variable_too(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("dagster.yaml", "deploy/dagster.yaml"):
        (project / name).unlink()
    plain = prepared(project).read_text()
    monkeypatch.setenv(VARIABLE, POSTGRES)
    assert "LedgerPostgresStorage" in prepared(project).read_text()
    monkeypatch.setenv(VARIABLE, "")
    assert prepared(project).read_text() == plain


def test_a_project_that_says_itself_where_the_history_is_is_believed(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "storage: {postgres: {postgres_url: {env: OTHER}}}\n"
    (project / "dagster.yaml").write_text(said)
    monkeypatch.setenv(VARIABLE, POSTGRES)
    assert prepared(project).read_text() == said


def test_a_file_of_somebody_else_stays_and_is_refused_if_it_means_sqlite(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = project / ".dagster" / "dagster.yaml"
    file.parent.mkdir()
    file.write_text("telemetry: {enabled: false}\n")
    assert prepared(project).read_text() == "telemetry: {enabled: false}\n"
    monkeypatch.setenv(VARIABLE, POSTGRES)
    with pytest.raises(ConfigError, match="history in SQLite") as caught:
        prepared(project)
    assert str(file) in caught.value.next_step
    assert "pg_example_password" not in str(caught.value)
    assert file.read_text() == "telemetry: {enabled: false}\n"
    own = "storage: {sqlite: {base_dir: /somewhere}}\n"
    file.write_text(own)
    assert prepared(project).read_text() == own


def test_preparing_loads_no_dagster() -> None:
    code = (
        "import sys; import marketsync_dagster.automation.dagster_home; "
        "sys.exit('dagster' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
