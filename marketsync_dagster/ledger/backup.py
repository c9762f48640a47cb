"""Backups of the ledger: one consistent snapshot in a file, while runs go on.

The file's form is `ledger.backup_file`; bringing it back is `ledger.restore`.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import text

from marketsync_dagster import __version__
from marketsync_dagster.ledger import backup_file, upkeep
from marketsync_dagster.ledger.backup_file import Manifest, Said
from marketsync_dagster.ledger.engine import VERSION_TABLE
from marketsync_dagster.values.errors import LedgerError
from marketsync_dagster.values.times import to_iso, utcnow

if TYPE_CHECKING:
    from marketsync_dagster.config.settings import Settings
    from marketsync_dagster.ledger.engine import Ledger

_NAME = re.compile(r"ledger-\d{8}-\d{6}-\d{3}\.zip")


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was made and read again; the keys of `ledger backup --json`."""

    path: str
    at: str
    revision: str
    engine: str
    bytes: int
    sha256: str
    """Of the whole file."""
    rows: int
    tables: dict[str, int]
    """Table -> rows."""
    seconds: float


def backup_folder(settings: Settings) -> Path:
    """Where backups go that nobody names a file for."""
    return settings.home / "backups"


def new_name() -> str:
    """`ledger-20261121-063000-123.zip`: sorts by time."""
    return f"ledger-{utcnow():%Y%m%d-%H%M%S-%f}"[:-3] + ".zip"


def backup(ledger: Ledger, path: Path, *, by: str, tell: Said = lambda *_: None) -> Backup:
    """Write the ledger as it is at this moment to `path`, and read it again.

    The file appears whole or not at all, readable for its owner only. Of a ledger that an older
    MarketSync made, its own tables are written. LedgerError where the file exists already or the
    disk does not take it.
    """
    began = time.monotonic()
    path = path.absolute()
    if path.exists():
        raise LedgerError(f"{path} exists already", "name another file, or remove it first")
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        manifest = _write(ledger, part, tell)
        with backup_file.opened(part) as written:
            written.verify()
            if written.manifest != manifest:
                raise LedgerError(f"{path} did not reach the disk as it was written", "check it")
        with part.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = part.stat().st_size
        part.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise LedgerError(
            f"the backup {path} cannot be written: {(error.strerror or str(error)).lower()}",
            "make room, or name a file in another folder",
        ) from None
    finally:
        part.unlink(missing_ok=True)
    made = Backup(
        path=str(path),
        at=manifest.at,
        revision=manifest.revision,
        engine=manifest.engine,
        bytes=size,
        sha256=digest,
        rows=manifest.rows,
        tables={name: entry.rows for name, entry in manifest.tables.items()},
        seconds=round(time.monotonic() - began, 3),
    )
    upkeep.note_if_possible(ledger, upkeep.BACKUP, by, asdict(made))
    return made


def _write(ledger: Ledger, part: Path, tell: Said) -> Manifest:
    handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w+b") as file:
        with ledger.read() as connection:
            query = text(f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608 - a constant
            revision = str(connection.execute(query).scalar_one())
            said = Manifest(to_iso(utcnow()), __version__, revision, ledger.dialect, {})
            manifest = backup_file.write(file, connection, said, tell)
        file.flush()
        os.fsync(file.fileno())
    return manifest


def _sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power failure."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def backups_in(folder: Path) -> list[Path]:
    """The backups of a folder that `backup` has named by itself, oldest first."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))


def superfluous(folder: Path, keep: int) -> list[Path]:
    """The backups of a folder that are not among the newest `keep`; others are left alone."""
    return backups_in(folder)[: -max(keep, 1)]
