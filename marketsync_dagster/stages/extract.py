"""The stage `pos/extract` (and `pos/rejects`): what has come for each outlet, read and kept.

Nothing changes for an outlet whose extract is missing, empty, truncated, older than what was
accepted, or still being written: the last good frames stay, and the reason is recorded. What has
come is `stages.arrivals`, what of it counts `stages.choosing`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence

import numpy as np
import pandas as pd

from marketsync_dagster.catalog.promotions import unmarked
from marketsync_dagster.catalog.schemas import EXTRACT, empty, validate
from marketsync_dagster.ledger import extracts as records
from marketsync_dagster.pos.model import Extract, NothingAccepted
from marketsync_dagster.pos.read import extract_of
from marketsync_dagster.pos.reasons import refuse
from marketsync_dagster.stages.arrivals import Arrivals, BadOriginal, Piece, opened
from marketsync_dagster.stages.choosing import Chosen, Step
from marketsync_dagster.stages.extract_records import (
    CATALOG_KEY,
    EXTRACT_KEY,
    REJECTS_KEY,
    Force,
    differences_of,
    look_back,
    numbers_of,
    remember,
    total,
    weighty,
)
from marketsync_dagster.stages.extract_work import (
    Refused,
    Work,
    base_inputs,
    chosen_for,
    plan_work,
)
from marketsync_dagster.stages.passed_over import (
    FILES,
    TOO_EARLY,
    ahead_words,
    files_of_no_outlet,
    reasons_of,
    rejected_words,
    rows_of_no_outlet,
)
from marketsync_dagster.stages.project import (
    Numbers,
    Project,
    StageResult,
    each_outlet,
    fingerprint,
)
from marketsync_dagster.stages.reading import Reading, spec_of
from marketsync_dagster.values.errors import ExtractError
from marketsync_dagster.values.times import to_iso

__all__ = [
    "CATALOG_KEY", "EXTRACT_KEY", "REJECTS_KEY", "Force", "Work", "catalog_inputs",
    "coverage_of_frame", "extract_outlets", "is_taken_up", "look_back", "merged", "plan_work",
    "read_step", "spec_of",
]  # fmt: skip

STAGE = "pos_extract"
DRIFT = "drift_weighty"
"""The figure that counts what somebody is to be told of how an extract looks; absent: nothing."""


def extract_outlets(
    project: Project, outlets: Sequence[str], *, force: Force | None = None
) -> list[StageResult]:
    """Read what has come for each outlet into its EXTRACT and REJECTS frames.

    A source is looked at once, and a document of several outlets is read once, for all of them.
    """
    with opened(project) as arrivals:
        return each_outlet(
            project, STAGE, outlets, lambda outlet: _extract(project, arrivals, outlet, force)
        )


def _extract(project: Project, arrivals: Arrivals, outlet: str, force: Force | None) -> StageResult:
    reading = arrivals.reading(outlet)
    try:
        chosen = chosen_for(project, arrivals, reading)
        work = plan_work(project, arrivals, reading, chosen, force)
    except BadOriginal as error:
        _remember_bad(project, reading, error)
        raise
    except Refused as error:
        remember(project, reading, error.step, None, error.message)
        raise
    for step in chosen.late:
        _remember_late(project, reading, step)
    _note_repeated(project, arrivals, reading, chosen, work)
    nobodys, files = files_of_no_outlet(arrivals, reading)
    beside: Numbers = {FILES: files} if files else {}
    warnings = [*chosen.broken, *nobodys]
    if not work.steps:
        stamp = project.frames.stamp(EXTRACT_KEY, outlet)
        numbers = (dict(stamp.numbers) if stamp else {}) | beside
        known = records.latest_accepted(project.ledger, outlet)
        details = json.loads(known.details) if known else {}
        if numbers.get(DRIFT):
            warnings += weighty(details)
        if known and (early := ahead_words(known)):
            numbers[TOO_EARLY], warnings = 1, early + warnings
        warnings += rejected_words(details.get("reasons", {}))
        return StageResult(outlet, True, "unchanged", "; ".join(warnings), numbers=numbers)
    extracts = [_read(project, arrivals, reading, step, work) for step in work.steps]
    warnings += rows_of_no_outlet(arrivals, work.steps)
    waiting = [] if work.whole else _not_taken_up(project, outlet)
    frame, coverage = merged(project, reading, work, extracts, waiting)
    rejects = pd.concat([one.rejects for one in extracts], ignore_index=True)
    numbers = total([numbers_of(one) for one in extracts])
    numbers |= _file_numbers(arrivals, work.steps)
    differs = differences_of(project, reading, work.steps[-1], extracts[-1])
    numbers |= {DRIFT: len(differs)} if differs else {}
    _store(project, reading, frame, rejects, _inputs(project, reading, work), numbers, coverage)
    for step, extract in zip(work.steps, extracts, strict=True):
        remember(project, reading, step, extract, "", force)
    arrivals.release(reading)
    known = records.latest_accepted(project.ledger, outlet)
    if known and (early := ahead_words(known)):
        beside[TOO_EARLY], warnings = 1, early + warnings
    words = [*differs, *warnings, *(word for one in extracts[-1:] for word in one.warnings)]
    words += rejected_words(reasons_of(rejects))
    return StageResult(outlet, True, "done", "; ".join(words), numbers=numbers | beside)


# --- reading


def _read(
    project: Project, arrivals: Arrivals, reading: Reading, step: Step, work: Work
) -> Extract:
    """Read one step. A failure is remembered here.

    A success is remembered once its frames are stored: the ledger never says that rows were taken
    which are nowhere.
    """
    try:
        return read_step(arrivals, reading, step, work)
    except NothingAccepted as error:
        remember(project, reading, step, error.extract, error.message)
        numbers = numbers_of(error.extract)
        project.frames.write(
            REJECTS_KEY, reading.outlet, error.extract.rejects, inputs=step.sha256, numbers=numbers
        )
        raise
    except ExtractError as error:
        remember(project, reading, step, None, error.message)
        raise


def read_step(arrivals: Arrivals, reading: Reading, step: Step, work: Work) -> Extract:
    """One extract, valid. Raises ExtractError.

    Changes that have a header and no records say that nothing has changed; changes of what is
    added to products are in the products of the other steps.
    """
    spec = reading.spec_for(step.coverage)
    added = {piece.record.id for piece in work.adds}
    products = [piece for piece in step.pieces if piece.record.id not in added]
    if not products and work.adds and step.coverage == "delta":
        return _no_changes(step, "")
    pieces = (*products, *work.adds)
    contents = [arrivals.content(reading, one.record) for one in pieces]
    if reading.rule == "column":
        _tell_outlets_apart(arrivals, reading, pieces)
    try:
        extract = extract_of(contents, spec)
    except NothingAccepted:
        raise
    except ExtractError as error:
        nothing = not any(content.records for content in contents[: len(products)])
        if step.coverage == "delta" and error.code == "header_only" and nothing:
            return _no_changes(step, contents[0].encoding)
        raise reading.refusal(error) from None
    if len(step.pieces) == 1:
        extract = dataclasses.replace(extract, file=step.file)
    validate(EXTRACT, extract.frame, what=f"the extract {step.file} of {reading.outlet}")
    return extract


def _tell_outlets_apart(arrivals: Arrivals, reading: Reading, pieces: Sequence[Piece]) -> None:
    """A document of all outlets that does not say whose a row is would be everybody's."""
    for piece in pieces:
        if arrivals.has_records(piece.record) and not arrivals.outlets(reading, piece.record):
            message = f"{piece.file}: no column says which outlet a row is of"
            raise refuse("no_outlet_column", message)


class _NoRows:
    """The rows of changes that change nothing."""

    origins: np.ndarray | None = None

    def frame(self) -> pd.DataFrame:
        """None at all."""
        return empty(EXTRACT)


def _no_changes(step: Step, encoding: str) -> Extract:
    from marketsync_dagster.pos.model import REJECT_COLUMNS

    types = {name: "int64" if name == "line" else "str" for name in REJECT_COLUMNS}
    rejects = pd.DataFrame({name: pd.Series([], dtype=kind) for name, kind in types.items()})
    return Extract(
        rows=_NoRows(), rejects=rejects, records=0, accepted=0, rejected=0, duplicates=0,
        continued=0, file=step.file, documents=(), encoding=encoding, delimiter="",
        header_line=0, columns={}, ignored=[], coverage="delta", warnings=[],
    )  # fmt: skip


def merged(
    project: Project,
    reading: Reading,
    work: Work,
    extracts: Sequence[Extract],
    waiting: Sequence[pd.DataFrame],
) -> tuple[pd.DataFrame, str]:
    """One frame of all steps, later rows before earlier ones, and what it is: full or delta.

    What the catalog has not taken up yet (`waiting`) stays in the frame: no change is lost because
    a run ended between the two.
    """
    if work.whole and len(extracts) == 1:
        return extracts[0].frame, "full"
    stamp = project.frames.stamp(EXTRACT_KEY, reading.outlet)
    full = work.whole or (bool(waiting) and coverage_of_frame(project, reading.outlet) == "full")
    before = records.latest_accepted(project.ledger, reading.outlet, coverage="full")
    named = [
        extract.frame.assign(extract_id=records.extract_id(reading.outlet, step.sha256))
        for step, extract in zip(work.steps, extracts, strict=True)
        if len(extract.frame)
    ]
    earlier = [
        frame if "extract_id" in frame or before is None or stamp is None
        else frame.assign(extract_id=before.id)
        for frame in waiting
    ]  # fmt: skip
    every = [*earlier, *named] or [extracts[-1].frame.assign(extract_id="")]
    frame = pd.concat(every, ignore_index=True).astype({"extract_id": "str"})
    frame = frame.drop_duplicates("sku", keep="last", ignore_index=True)
    return frame, "full" if full else "delta"


def coverage_of_frame(project: Project, outlet: str) -> str:
    """Whether the stored EXTRACT frame is all that the outlet sells, or changes."""
    stamp = project.frames.stamp(EXTRACT_KEY, outlet)
    said = project.settings.outlets[outlet].extract.coverage
    return stamp.coverage if stamp and stamp.coverage else "delta" if said == "delta" else "full"


# --- what frames are made from


def _inputs(project: Project, reading: Reading, work: Work) -> str:
    if work.whole and len(work.steps) == 1:
        return base_inputs(work.steps[0], reading)
    stamp = project.frames.stamp(EXTRACT_KEY, reading.outlet)
    before = stamp.inputs if stamp and not work.whole else ""
    if not work.whole and is_taken_up(project, reading.outlet):
        before = ""
    shas = [step.sha256 for step in work.steps]
    return fingerprint(before, shas, dataclasses.asdict(reading.spec))


def is_taken_up(project: Project, outlet: str) -> bool:
    """Whether the stored catalog was made from the stored extract."""
    catalog = project.frames.stamp(CATALOG_KEY, outlet)
    if catalog is None:
        return False
    made_from, _ = unmarked(catalog.inputs)
    return made_from == catalog_inputs(project, outlet)


def catalog_inputs(project: Project, outlet: str) -> str:
    """What the outlet's catalog is made from, as its frame's stamp says it."""
    said = project.settings.outlets[outlet].extract
    source = project.frames.stamp(EXTRACT_KEY, outlet)
    made_of = [source.inputs if source else "", said.coverage, said.gone_after]
    return fingerprint(*made_of, *([said.brands] if said.brands else []))


def _not_taken_up(project: Project, outlet: str) -> list[pd.DataFrame]:
    """The stored EXTRACT frame, if the catalog was not made from it yet; else nothing."""
    if project.frames.stamp(EXTRACT_KEY, outlet) is None:
        return []
    if is_taken_up(project, outlet):
        return []
    return [project.frames.read(EXTRACT_KEY, outlet)]


def _store(
    project: Project,
    reading: Reading,
    frame: pd.DataFrame,
    rejects: pd.DataFrame,
    inputs: str,
    numbers: Numbers,
    coverage: str,
) -> None:
    frames, outlet = project.frames, reading.outlet
    frames.write(REJECTS_KEY, outlet, rejects, inputs=inputs, numbers=numbers)
    frames.write(EXTRACT_KEY, outlet, frame, inputs=inputs, numbers=numbers, coverage=coverage)


# --- what is noted besides


def _remember_bad(project: Project, reading: Reading, error: BadOriginal) -> None:
    member = error.record.member
    moment, source = reading.time_of(error.arrival, member)
    file = reading.file(error.arrival.name, member)
    coverage = reading.coverage_of(member or error.arrival.last_name, error.arrival.last_name)
    piece = Piece(error.arrival, error.record, file, coverage, moment, source)
    remember(project, reading, Step((piece,), coverage), None, error.message)


def _remember_late(project: Project, reading: Reading, step: Step) -> None:
    """Changes from before what is in force: without effect, and never looked at again."""
    if records.find_extract(project.ledger, reading.outlet, step.sha256) is None:
        full = records.latest_accepted(project.ledger, reading.outlet)
        than = f"{full.file} ({full.extract_time})" if full else "a newer full extract"
        words = f"it is of {to_iso(step.moment)}, and came after {than} was there"
        remember(project, reading, step, None, words, state=records.LATE)


def _note_repeated(
    project: Project, arrivals: Arrivals, reading: Reading, chosen: Chosen, work: Work
) -> None:
    """Bytes that are in force already, under another name: said, without effect."""
    reads = {step.sha256 for step in work.steps}
    for step in [*([chosen.base] if chosen.base else []), *chosen.deltas]:
        if step.sha256 in reads:
            continue
        known = records.find_extract(project.ledger, reading.outlet, step.sha256)
        if known is None or known.state != records.ACCEPTED:
            continue
        files = {part.sha256: part.file for part in records.parts_of(project.ledger, known.id)}
        for piece in step.pieces:
            first = files.get(piece.record.sha256)
            if first is not None and first != piece.file:
                arrivals.note_repeated(piece, first)


def _file_numbers(arrivals: Arrivals, steps: Sequence[Step]) -> Numbers:
    """How many records of the documents were of no outlet: figures of the file, not the outlet."""
    pieces = [piece for step in steps for piece in step.pieces]
    others = [other for piece in pieces for other in arrivals.others.get(piece.record.id, [])]
    return {"file_unassigned": sum(other.rows for other in others)} if others else {}
