"""The stage `pos/extract` (and `pos/rejects`): the newest file of each outlet, read and kept.

Nothing changes for an outlet whose extract is missing, empty, truncated, older than what was
accepted, or still being written: the last good frames stay, and the reason is recorded.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pandas as pd

from marketsync_dagster.catalog.schemas import EXTRACT, validate
from marketsync_dagster.ledger import extracts as records
from marketsync_dagster.ledger.extracts import ExtractRecord
from marketsync_dagster.pos.extract import read_csv_extract
from marketsync_dagster.pos.files import (
    AHEAD,
    Found,
    archive,
    archived,
    find_extracts,
    in_order,
    look,
)
from marketsync_dagster.pos.model import Extract, ExtractSpec, NothingAccepted
from marketsync_dagster.stages.project import (
    Numbers,
    Project,
    StageResult,
    each_outlet,
    fingerprint,
)
from marketsync_dagster.values.errors import ExtractError
from marketsync_dagster.values.times import to_iso, utcnow

if TYPE_CHECKING:
    from datetime import datetime

    from marketsync_dagster.config.settings import Settings

STAGE = "pos_extract"
EXTRACT_KEY = ("pos", "extract")
REJECTS_KEY = ("pos", "rejects")
CATALOG_KEY = ("pos", "catalog")


@dataclass(frozen=True, slots=True)
class Force:
    """A person's word that an older extract is the right one."""

    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that may be an outlet's next extract."""

    path: Path
    sha256: str
    moment: datetime
    time_source: str


def extract_outlets(
    project: Project, outlets: Sequence[str], *, force: Force | None = None
) -> list[StageResult]:
    """Read the newest extract of each outlet into its EXTRACT and REJECTS frames."""
    return each_outlet(project, STAGE, outlets, lambda outlet: _extract(project, outlet, force))


def spec_of(settings: Settings, outlet: str) -> ExtractSpec:
    """How the outlet's configuration says that its extracts are to be read."""
    said = settings.outlets[outlet].extract
    return ExtractSpec(
        columns=said.columns,
        currency=settings.currency_of(outlet),
        coverage=said.coverage,
        delimiter=said.delimiter,
        encoding=said.encoding,
        decimal=said.decimal,
        duplicates=said.duplicates,
    )


def _extract(project: Project, outlet: str, force: Force | None) -> StageResult:
    said = project.settings.outlets[outlet].extract
    known = records.latest_accepted(project.ledger, outlet)
    found = find_candidates(project.settings, outlet)
    spec = spec_of(project.settings, outlet)
    if said.coverage == "delta":
        return _extract_deltas(project, outlet, found, known, spec, force)
    newest = found[-1]
    inputs = fingerprint(newest.sha256, dataclasses.asdict(spec))
    stamp = project.frames.stamp(EXTRACT_KEY, outlet)
    if known and known.sha256 == newest.sha256 and stamp and stamp.inputs == inputs:
        return StageResult(outlet, True, "unchanged", numbers=dict(stamp.numbers))
    _check_age(project, outlet, newest, known, force)
    extract = _read(project, outlet, newest, spec)
    numbers = _numbers(extract)
    _store(project, outlet, extract.frame, extract.rejects, inputs, numbers)
    _remember(project, outlet, newest, extract, "", force)
    return StageResult(outlet, True, "done", _summary(extract), numbers=numbers)


def _extract_deltas(
    project: Project,
    outlet: str,
    found: Sequence[Candidate],
    known: ExtractRecord | None,
    spec: ExtractSpec,
    force: Force | None,
) -> StageResult:
    """Every change file since the last accepted one, in the order of their times, as one frame.

    What the catalog has not taken up yet stays in the frame: no change is lost because a run
    ended between the two.
    """
    fresh = fresh_changes(project, outlet, found, known)
    if not fresh:
        if known is None or known.sha256 != found[-1].sha256:
            _check_age(project, outlet, found[-1], known, force)
        stamp = project.frames.stamp(EXTRACT_KEY, outlet)
        return StageResult(outlet, True, "unchanged", numbers=dict(stamp.numbers) if stamp else {})
    extracts = [_read(project, outlet, candidate, spec) for candidate in fresh]
    waiting = _not_taken_up(project, outlet)
    named = [
        extract.frame.assign(extract_id=records.extract_id(outlet, candidate.sha256))
        for candidate, extract in zip(fresh, extracts, strict=True)
    ]
    frame = pd.concat([*waiting, *named], ignore_index=True).astype({"extract_id": "str"})
    frame = frame.drop_duplicates("sku", keep="last", ignore_index=True)
    rejects = pd.concat([e.rejects for e in extracts], ignore_index=True)
    numbers: Numbers = {}
    for extract in extracts:
        for name, value in _numbers(extract).items():
            numbers[name] = numbers.get(name, 0) + value
    before = project.frames.stamp(EXTRACT_KEY, outlet) if waiting else None
    shas = [c.sha256 for c in fresh]
    inputs = fingerprint(before.inputs if before else "", shas, dataclasses.asdict(spec))
    _store(project, outlet, frame, rejects, inputs, numbers)
    for candidate, extract in zip(fresh, extracts, strict=True):
        _remember(project, outlet, candidate, extract, "", force)
    return StageResult(outlet, True, "done", _summary(extracts[-1]), numbers=numbers)


def fresh_changes(
    project: Project, outlet: str, found: Sequence[Candidate], known: ExtractRecord | None
) -> list[Candidate]:
    """The change files that are to be read: all since the last one, in the order of time."""
    if project.frames.stamp(EXTRACT_KEY, outlet) is None:
        # nothing is left of what was accepted but the files that are still there
        return list(found)
    after = known.extract_time if known else ""
    return [
        c
        for c in found
        if to_iso(c.moment) >= after
        and not _is_accepted(records.find_extract(project.ledger, outlet, c.sha256))
    ]


def is_taken_up(project: Project, outlet: str) -> bool:
    """Whether the stored catalog was made from the stored extract."""
    catalog = project.frames.stamp(CATALOG_KEY, outlet)
    return catalog is not None and catalog.inputs == catalog_inputs(project, outlet)


def catalog_inputs(project: Project, outlet: str) -> str:
    """What the outlet's catalog is made from, as its frame's stamp says it."""
    said = project.settings.outlets[outlet].extract
    source = project.frames.stamp(EXTRACT_KEY, outlet)
    return fingerprint(source.inputs if source else "", said.coverage, said.gone_after)


def _not_taken_up(project: Project, outlet: str) -> list[pd.DataFrame]:
    """The stored EXTRACT frame, if the catalog was not made from it yet; else nothing."""
    if project.frames.stamp(EXTRACT_KEY, outlet) is None:
        return []
    if is_taken_up(project, outlet):
        return []
    return [project.frames.read(EXTRACT_KEY, outlet)]


def find_candidates(settings: Settings, outlet: str) -> list[Candidate]:
    """The files of an outlet in the order of their times, newest last.

    Raises ExtractError where there is none, where the directory cannot be listed, or where a clock
    was wrong.
    """
    said = settings.outlets[outlet].extract
    directory = settings.root / said.path
    found = find_extracts(directory, said.pattern)
    if not found:
        raise ExtractError(
            "missing",
            f"no extract of {outlet}: no file matches {said.pattern} in {said.path}",
            "see that the POS export arrives there; nothing was changed",
        )
    zone = ZoneInfo(settings.timezone_of(outlet))
    timed = in_order(found, now=utcnow(), pattern=said.time_pattern, zone=zone)
    return [_candidate(*one) for one in timed]


def _candidate(file: Found, moment: datetime, source: str) -> Candidate:
    with file.path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return Candidate(file.path, digest, moment, source)


def _is_accepted(record: ExtractRecord | None) -> bool:
    return record is not None and record.state == records.ACCEPTED


def refuse_older(
    outlet: str, candidate: Candidate, known: ExtractRecord | None, force: Force | None
) -> None:
    """An older extract never overwrites a newer one, unless a person says so: ExtractError."""
    if known is None or force or to_iso(candidate.moment) >= known.extract_time:
        return
    ahead = known.extract_time > to_iso(utcnow() + AHEAD)
    why = ", which is still to come: a clock was wrong then, or is now" if ahead else ""
    raise ExtractError(
        "older",
        f"{candidate.path.name} is older ({to_iso(candidate.moment)} by its "
        f"{candidate.time_source}) than what was accepted from {known.file} "
        f"({known.extract_time} by its {known.time_source}{why}); nothing was changed",
        f"if it is right: marketsync run partial_sync --outlet {outlet} "
        "--force-older --by NAME --reason TEXT",
    )


def _check_age(
    project: Project,
    outlet: str,
    candidate: Candidate,
    known: ExtractRecord | None,
    force: Force | None,
) -> None:
    try:
        refuse_older(outlet, candidate, known, force)
    except ExtractError as error:
        _remember(project, outlet, candidate, None, error.message)
        raise


def _read(project: Project, outlet: str, candidate: Candidate, spec: ExtractSpec) -> Extract:
    """Archive the original and read it. A failure is remembered here.

    A success is remembered once its frames are stored: the ledger never says that rows were taken
    which are nowhere.
    """
    _wait_until_written(candidate.path, project.settings.outlets[outlet].extract.settle_s)
    try:
        sha256 = archive(candidate.path, project.archive)
        if sha256 != candidate.sha256:
            raise ExtractError(
                "changing",
                f"{candidate.path.name} is still being written; nothing was changed",
                "it is read again at the next run",
            )
        file = f"{project.settings.outlets[outlet].extract.path}/{candidate.path.name}"
        extract = read_csv_extract(archived(project.archive, sha256), spec, file=file)
        validate(EXTRACT, extract.frame, what=f"the extract {file} of {outlet}")
    except NothingAccepted as error:
        _remember(project, outlet, candidate, error.extract, error.message)
        numbers = _numbers(error.extract)
        project.frames.write(
            REJECTS_KEY, outlet, error.extract.rejects, inputs=candidate.sha256, numbers=numbers
        )
        raise
    except ExtractError as error:
        _remember(project, outlet, candidate, None, error.message)
        raise
    return extract


def _wait_until_written(path: Path, settle_s: float) -> None:
    """A young file that does not end with a line end may be half written: look again."""
    deadline = time.monotonic() + settle_s
    sight = look(path)
    while not sight.ends_with_newline and time.time() - sight.mtime < settle_s:
        if time.monotonic() >= deadline:
            return
        time.sleep(0.1)
        sight = look(path)


def _remember(
    project: Project,
    outlet: str,
    candidate: Candidate,
    extract: Extract | None,
    reason: str,
    force: Force | None = None,
) -> None:
    said = project.settings.outlets[outlet].extract
    details = {} if extract is None else _details(extract)
    records.record_extract(
        project.ledger,
        ExtractRecord(
            id=records.extract_id(outlet, candidate.sha256),
            outlet=outlet,
            sha256=candidate.sha256,
            file=f"{said.path}/{candidate.path.name}",
            coverage=said.coverage,
            extract_time=to_iso(utcnow() if force else candidate.moment),
            time_source="forced" if force else candidate.time_source,
            read_at=to_iso(utcnow()),
            state=records.REFUSED if reason else records.ACCEPTED,
            reason=reason,
            records=extract.records if extract else 0,
            accepted=extract.accepted if extract else 0,
            rejected=extract.rejected if extract else 0,
            duplicates=extract.duplicates if extract else 0,
            details=json.dumps(details),
            forced_by=force.by if force else None,
            forced_reason=force.reason if force else None,
        ),
    )


def _details(extract: Extract) -> dict[str, object]:
    return {
        "encoding": extract.encoding,
        "delimiter": extract.delimiter,
        "columns": extract.columns,
        "ignored": extract.ignored,
        "warnings": extract.warnings,
        "size": extract.size,
    }


def _numbers(extract: Extract) -> Numbers:
    """The extract law, as figures: records = accepted + rejected + duplicates."""
    return {
        "records": extract.records,
        "accepted": extract.accepted,
        "rejected": extract.rejected,
        "duplicates": extract.duplicates,
    }


def _store(
    project: Project,
    outlet: str,
    frame: pd.DataFrame,
    rejects: pd.DataFrame,
    inputs: str,
    numbers: Numbers,
) -> None:
    project.frames.write(REJECTS_KEY, outlet, rejects, inputs=inputs, numbers=numbers)
    project.frames.write(EXTRACT_KEY, outlet, frame, inputs=inputs, numbers=numbers)


def _summary(extract: Extract) -> str:
    return "; ".join(extract.warnings)
