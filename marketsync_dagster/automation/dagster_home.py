"""DAGSTER_HOME: the folder that Dagster keeps its history in, and the dagster.yaml that it reads.

Dagster reads only the dagster.yaml in its own folder. Where its history lies follows the ledger:
PostgreSQL while MARKETSYNC_DATABASE_URL names one, SQLite in the folder otherwise; each command
looks anew, so a variable that is set or removed later counts from the next command on. Loads no
Dagster.
"""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from marketsync_dagster.config.load import dagster_home_of, project_of
from marketsync_dagster.config.settings import Settings
from marketsync_dagster.ledger.urls import VARIABLE, is_postgres
from marketsync_dagster.values.errors import ConfigError

NAME = "dagster.yaml"
_STORAGES = ("storage", "run_storage", "event_log_storage", "schedule_storage")
_SAYS_WHERE = ("storage", "run_storage")
"""Sections by which a file of the user's own says where the history is to be."""
STORAGE = {
    "custom": {
        "module": "marketsync_dagster.resources.postgres",
        "class": "LedgerPostgresStorage",
        "config": {},
    }
}
_MADE = "# Made by marketsync from {source}, for PostgreSQL: change that file, not this one.\n"


def prepare_dagster_home(settings: Settings) -> Path:
    """Make the folder and its dagster.yaml, and set DAGSTER_HOME; returns the folder.

    The project's own files are linked: `dagster.yaml`, or `deploy/dagster.yaml` for PostgreSQL. A
    project without the first gets a copy of what `marketsync init` writes; one without the second
    gets its own dagster.yaml with another storage. A file that somebody else put there stays;
    ConfigError if it would keep the history in SQLite beside a ledger in PostgreSQL.
    """
    home = dagster_home_of(settings)
    home.mkdir(parents=True, exist_ok=True)
    os.environ["DAGSTER_HOME"] = str(home)
    project, file = project_of(settings.file), home / NAME
    ours, deployed = project / NAME, project / "deploy" / NAME
    if not _may_replace(file, ours, deployed):
        if is_postgres() and not _says_where(file):
            raise ConfigError(
                f"{file} keeps Dagster's history in SQLite, and {VARIABLE} names PostgreSQL",
                f"remove {file}, or say in it where the history is to be (storage: ...)",
            )
        return home
    source = ours.read_text("utf-8") if ours.exists() else _packaged()
    if not is_postgres() or _document(source).keys() & set(_SAYS_WHERE):
        wanted: Path | str = ours if ours.exists() else source
    elif deployed.exists():
        wanted = deployed
    else:
        wanted = on_postgres(source, ours if ours.exists() else None)
    _put(file, wanted)
    return home


def on_postgres(text: str, source: Path | None = None) -> str:
    """A dagster.yaml that says what `text` says, but for the storage, which is the ledger's."""
    kept = {key: value for key, value in _document(text).items() if key not in _STORAGES}
    head = _MADE.format(source=source or "the packaged one")
    return head + yaml.safe_dump({**kept, "storage": STORAGE}, sort_keys=False)


def _may_replace(file: Path, *linked: Path) -> bool:
    """Whether `file` is missing, a link of ours or to nowhere, or one that we have written."""
    if file.is_symlink():
        return not file.exists() or file.resolve() in [path.resolve() for path in linked]
    if not file.exists():
        return True
    text = file.read_text("utf-8")
    return text == _packaged() or text.startswith(_MADE.partition("{")[0])


def _says_where(file: Path) -> bool:
    return bool(_document(file.read_text("utf-8")).keys() & set(_SAYS_WHERE))


def _document(text: str) -> dict[str, Any]:
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError:
        return {}  # Dagster says what is wrong with it
    return found if isinstance(found, dict) else {}


def _packaged() -> str:
    file = resources.files("marketsync_dagster.cli") / "templates" / NAME
    return file.read_text("utf-8")


def _put(file: Path, wanted: Path | str) -> None:
    """Make `file` a link to a path, or a file with a text; whoever reads it finds a whole one."""
    if isinstance(wanted, str):
        if not file.is_symlink() and file.exists() and file.read_text("utf-8") == wanted:
            return
    elif file.is_symlink() and file.readlink() == _way_to(wanted, file):
        return
    new = file.with_name(f".{NAME}.{os.getpid()}")
    new.unlink(missing_ok=True)
    if isinstance(wanted, str):
        new.write_text(wanted, encoding="utf-8")
    else:
        new.symlink_to(_way_to(wanted, file))
    new.replace(file)


def _way_to(wanted: Path, file: Path) -> Path:
    return Path(os.path.relpath(wanted, file.parent))
