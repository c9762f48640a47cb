"""One configured project, open for work; and the loop that every stage over outlets shares."""

from __future__ import annotations

import errno
import getpass
import hashlib
import json
import logging
import os
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from marketsync_dagster.catalog.frames import FrameStore
from marketsync_dagster.config.load import load_settings
from marketsync_dagster.config.secrets import Secrets
from marketsync_dagster.config.settings import Settings
from marketsync_dagster.ledger.credentials import open_secrets
from marketsync_dagster.ledger.engine import Ledger, open_ledger
from marketsync_dagster.ledger.states import (
    OutletState,
    failed_outlets,
    record_failure,
    record_states,
)
from marketsync_dagster.ledger.urls import ledger_url
from marketsync_dagster.values.errors import MarketSyncError
from marketsync_dagster.values.redact import scrub, traceback_of

log = logging.getLogger(__name__)

Numbers = dict[str, int | float]


@dataclass(frozen=True, slots=True)
class Project:
    """The settings, ledger and frames of one configuration, for one run."""

    settings: Settings
    ledger: Ledger
    frames: FrameStore
    run_id: str
    user: str

    @property
    def archive(self) -> Path:
        """Where original extracts are kept under their hash."""
        return self.settings.home / "archive"

    @property
    def secrets(self) -> Secrets:
        """What the configuration's references stand for now; nothing is read before it is used."""
        return open_secrets(self.settings, self.ledger)


@dataclass(frozen=True, slots=True)
class StageResult:
    """What one stage came to for one outlet."""

    outlet: str
    ok: bool
    state: str
    """done, unchanged, waiting, held, disabled, no channel, failed, ..."""
    reason: str = ""
    next_step: str = ""
    numbers: Numbers = field(default_factory=dict)


def open_project(
    config: Path | None = None,
    *,
    settings: Settings | None = None,
    run_id: str | None = None,
    user: str | None = None,
) -> Project:
    """Open the project of `config` (default: as `config.load.find_config` finds it).

    Raises ConfigError or LedgerError. `user` defaults to the operating system's.
    """
    settings = settings or load_settings(config)
    return Project(
        settings,
        open_ledger(ledger_url(settings)),
        FrameStore(settings.home),
        run_id or f"command-{secrets.token_hex(4)}",
        user or user_name(),
    )


def user_name() -> str:
    """Who runs this, as the operating system says: a record, not a login."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no such user id in the system's list
        return f"uid {os.getuid()}"


def fingerprint(*parts: Any) -> str:
    """One hash over texts and JSON-able values: what a frame was made from."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(json.dumps(part, sort_keys=True, default=str).encode())
        digest.update(b"\0")
    return digest.hexdigest()


_POS_STAGES = ("pos_extract", "pos_catalog")
_PLATFORM_STAGES = ("products", "sku_mapping", "price_feed", "listings", "reconciliation")


def stages_before(stage: str) -> tuple[str, ...]:
    """The stages that `stage` stands on: an outlet's failure on one platform is no other's."""
    if stage in _POS_STAGES:
        return _POS_STAGES[: _POS_STAGES.index(stage)]
    for place, part in enumerate(_PLATFORM_STAGES):
        if stage.endswith(f"_{part}"):
            platform = stage.removesuffix(f"_{part}")
            return (
                *_POS_STAGES,
                *(f"{platform}_{earlier}" for earlier in _PLATFORM_STAGES[:place]),
            )
    return _POS_STAGES


def failed_before(project: Project, stage: str) -> dict[str, tuple[str, str]]:
    """Outlet -> (stage, reason) of what failed in this run before `stage`, on its own line."""
    return failed_outlets(project.ledger, project.run_id, stages_before(stage))


def each_outlet(
    project: Project,
    stage: str,
    outlets: Sequence[str],
    work: Callable[[str], StageResult],
) -> list[StageResult]:
    """Run `work` for each outlet that has not failed earlier in this run.

    One bad outlet stops only itself: what it raises becomes its result, in the ledger too.
    """
    failed = failed_before(project, stage)
    results = [_attempt(stage, outlet, work) for outlet in outlets if outlet not in failed]
    record(project, stage, results)
    return results


def _attempt(stage: str, outlet: str, work: Callable[[str], StageResult]) -> StageResult:
    try:
        return work(outlet)
    except Exception as error:  # noqa: BLE001 - one bad outlet must not stop the others
        return failure(stage, outlet, error)


_NO_ROOM = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota of the disk is used up",
    errno.EFBIG: "it is as large as a file may be here",
}


def failure(stage: str, outlet: str, error: BaseException) -> StageResult:
    """The result of an outlet whose work raised `error`."""
    if isinstance(error, MarketSyncError):
        return StageResult(outlet, False, "failed", scrub(error.message), scrub(error.next_step))
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        where = f": {error.filename}" if error.filename else ""
        reason = scrub(f"a file cannot be written, {_NO_ROOM[error.errno]}{where}")
        return StageResult(outlet, False, "failed", reason, "free some space and run again")
    log.error("%s of %s failed unexpectedly:\n%s", stage, outlet, traceback_of(error))
    reason = scrub(f"unexpected {type(error).__name__}: {error}")
    return StageResult(
        outlet, False, "failed", reason, "see the run's log; this is a defect of MarketSync"
    )


def record(project: Project, stage: str, results: Sequence[StageResult]) -> None:
    """Keep the results in the ledger: states for all, failures for the bad ones."""
    for result in results:
        if not result.ok:
            record_failure(
                project.ledger,
                project.run_id,
                stage,
                result.outlet,
                result.reason,
                result.next_step,
            )
    states = [
        OutletState(
            stage=stage,
            outlet=result.outlet,
            ok=result.ok,
            state=result.state,
            reason=result.reason,
            next_step=result.next_step,
            numbers=result.numbers,
            run_id=project.run_id,
        )
        for result in results
    ]
    record_states(project.ledger, states)
