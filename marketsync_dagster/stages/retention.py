"""Removing what is older than `retention` in marketsync.yaml says: ledger, archive, backups.

Dagster's own history is removed by `automation.retention`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from marketsync_dagster.ledger import retention, upkeep
from marketsync_dagster.ledger.backup import backup_folder, superfluous
from marketsync_dagster.ledger.care import orphaned_archive, orphaned_frames
from marketsync_dagster.ledger.sizes import sizes
from marketsync_dagster.orders.forgetting import forget_old
from marketsync_dagster.pos.files import archived
from marketsync_dagster.stages.extract import CATALOG_KEY
from marketsync_dagster.stages.project import Project
from marketsync_dagster.values.times import from_iso, utcnow

LEFTOVER_S = 86_400.0
"""After so long a file that was never finished belongs to a process that died."""
_LEFTOVERS = ("archive/.incoming-*", "frames/**/.*.tmp", "backups/.*.part")


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was removed (or would be), and how much room everything took; integers, for plots."""

    dry_run: bool
    removed: dict[str, int]
    before: dict[str, int]
    after: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0


def prune(
    project: Project,
    *,
    dry_run: bool = False,
    now: datetime | None = None,
    more: Callable[[Project, bool], dict[str, int]] = lambda project, dry_run: {},
    tell: Callable[[str, int], None] = lambda name, done: None,
) -> Pruned:
    """Remove what is too old, and note it. Busy while somebody else does.

    `more` removes what is not known here, and says how many of what. `now` is for tests.
    """
    began = time.monotonic()
    settings, ledger = project.settings, project.ledger
    limits = retention.Limits.of(settings, now or utcnow())
    before = sizes(ledger, settings)
    done = retention.prune(
        ledger,
        limits,
        holder=f"run {project.run_id} of {project.user}",
        keep_extracts=_in_catalogs(project),
        dry_run=dry_run,
        tell=tell,
    )
    forgotten = forget_old(
        ledger, settings, limits.personal, by=f"run {project.run_id}", now=now, dry_run=dry_run
    )
    with ledger.read() as connection:
        orphans = orphaned_archive(connection, project.archive)
    old = from_iso(limits.extracts).timestamp()
    named = [archived(project.archive, sha256) for sha256 in done.originals]
    originals = {path for path in named if path.exists()} | set(_older(orphans, old))
    backups = superfluous(backup_folder(settings), settings.retention.backups)
    removed = done.counts | {
        "orders_forgotten": forgotten.orders,
        "order_documents": forgotten.documents,
        "order_files": forgotten.files,
        "originals": _remove(originals, dry_run),
        "frames": _remove(_older(orphaned_frames(settings), old), dry_run),
        "backups": _remove(backups, dry_run),
        "leftovers": _remove(_leftovers(settings.home), dry_run),
        **more(project, dry_run),
    }
    seconds = round(time.monotonic() - began, 3)
    if dry_run:
        return Pruned(True, removed, before, seconds=seconds)
    after = sizes(ledger, settings)
    pruned = Pruned(False, removed, before, after, seconds)
    details = {"removed": removed, "before": before, "after": after, "seconds": seconds}
    upkeep.note_if_possible(ledger, upkeep.RETENTION, project.user, details)
    return pruned


def _in_catalogs(project: Project) -> set[str]:
    """Extracts that rows of the present catalogs are of: a delta changes few of them."""
    found: set[str] = set()
    for outlet in project.settings.outlets:
        if project.frames.stamp(CATALOG_KEY, outlet) is None:
            continue
        catalog = project.frames.read(CATALOG_KEY, outlet)
        if "extract_id" in catalog:
            found |= set(catalog["extract_id"].dropna().unique())
    return found


def _older(paths: Iterable[Path], moment: float) -> list[Path]:
    """Files that were last written before `moment`; what vanished meanwhile is left out."""
    found = []
    for path in paths:
        try:
            if path.lstat().st_mtime < moment:
                found.append(path)
        except FileNotFoundError:
            continue
    return found


def _leftovers(home: Path) -> list[Path]:
    """What processes that died have left half written."""
    return _older(
        (path for pattern in _LEFTOVERS for path in home.glob(pattern)), time.time() - LEFTOVER_S
    )


def _remove(paths: Iterable[Path], dry_run: bool) -> int:
    count = 0
    for path in paths:
        if not dry_run:
            path.unlink(missing_ok=True)
        count += 1
    return count
