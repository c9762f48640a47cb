"""What of the documents that are there is to be read for an outlet, and what is refused unread.

From the ledger and the stored frames alone: nothing is opened, nothing is kept.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from marketsync_dagster.ledger import extracts as records
from marketsync_dagster.ledger.extracts import ExtractRecord
from marketsync_dagster.pos.files import AHEAD, COPIED, known_by
from marketsync_dagster.pos.reasons import refuse
from marketsync_dagster.stages.arrivals import Arrivals, Piece
from marketsync_dagster.stages.choosing import Chosen, Step, choose
from marketsync_dagster.stages.extract_records import CATALOG_KEY, EXTRACT_KEY, Force
from marketsync_dagster.stages.project import Project, fingerprint
from marketsync_dagster.stages.reading import Reading
from marketsync_dagster.values.errors import ExtractError
from marketsync_dagster.values.times import to_iso, utcnow


@dataclass(frozen=True)
class Work:
    """What is to be read for an outlet now."""

    steps: list[Step]
    """In their order; []: nothing is new."""
    whole: bool
    """The first is a full extract: what was before does not count."""
    adds: tuple[Piece, ...] = ()
    """Documents that say more of the products of every step (stock, promotions), in order."""


class Refused(ExtractError):
    """A step that is not read at all."""

    def __init__(self, error: ExtractError, step: Step) -> None:
        super().__init__(error.code, error.message, error.next_step)
        self.step = step


def chosen_for(project: Project, arrivals: Arrivals, reading: Reading) -> Chosen:
    """What there is for the outlet, from what is in force on."""
    known = records.latest_accepted(project.ledger, reading.outlet)
    full = records.latest_accepted(project.ledger, reading.outlet, coverage="full")
    since = known.extract_time if known else ""
    if project.frames.stamp(EXTRACT_KEY, reading.outlet) is None:
        since = ""  # nothing is left of what was accepted but the files that are still there
    elif reading.said.coverage != "delta":
        moments = [p.moment for p in records.parts_of(project.ledger, full.id)] if full else []
        since = min(moments, default=full.extract_time if full else "")
    return choose(arrivals, reading, since, known.read_at if known else "")


def plan_work(
    project: Project,
    arrivals: Arrivals,
    reading: Reading,
    chosen: Chosen,
    force: Force | None = None,
) -> Work:
    """What of `chosen` is to be read, in which order.

    Raises Refused: older, no_base, and what reading a document raises.
    """
    work = _news(project, reading, chosen, force)
    adds = _adds(arrivals, reading, chosen) if work.steps else ()
    if not adds:
        return work
    if chosen.base is None:
        message = f"{work.steps[-1].file} changes what several documents say together"
        message += ", and the full ones are not there any more; nothing was changed"
        raise Refused(refuse("no_base", message), work.steps[-1])
    # a price that changes has the promotion of another document, and the other way round
    return Work(chosen.in_order, whole=True, adds=adds)


def _adds(arrivals: Arrivals, reading: Reading, chosen: Chosen) -> tuple[Piece, ...]:
    found: list[Piece] = []
    for step in [*([chosen.base] if chosen.base else []), *chosen.deltas]:
        try:
            found += [piece for piece in step.pieces if arrivals.adds(reading, piece.record)]
        except ExtractError as error:
            raise Refused(error, step) from error
    return tuple(found)


def _news(project: Project, reading: Reading, chosen: Chosen, force: Force | None = None) -> Work:
    """What is new of what there is, were every document one by itself."""
    outlet, ledger = reading.outlet, project.ledger
    known = records.latest_accepted(ledger, outlet)
    full = records.latest_accepted(ledger, outlet, coverage="full")
    stamp = project.frames.stamp(EXTRACT_KEY, outlet)
    base = chosen.base
    if base is None:
        return _changes_only(project, reading, chosen, known, full, force)
    in_force = full is not None and full.sha256 == base.sha256 and stamp is not None
    if in_force and reading.said.coverage == "full":
        assert full is not None
        in_force = known is not None and known.id == full.id
        in_force = in_force and stamp is not None and stamp.inputs == base_inputs(base, reading)
    elif in_force:
        assert full is not None
        in_force = records.read_as(full) in ("", spec_mark(reading))
    fresh = [step for step in chosen.deltas if _is_news(project, outlet, step, known)]
    if in_force:
        if not fresh or known is None:
            return Work([], whole=False)
        if all(to_iso(step.moment) >= known.extract_time for step in fresh):
            return Work(fresh, whole=False)
        # one that comes late between others has its place in the order
    if not force:
        _check_age(project, reading, chosen, full, known)
    return Work(chosen.in_order, whole=True)


def _changes_only(
    project: Project,
    reading: Reading,
    chosen: Chosen,
    known: ExtractRecord | None,
    full: ExtractRecord | None,
    force: Force | None,
) -> Work:
    """Work where there is no full extract: changes to what is there, or, where no full one ever
    comes, to nothing."""
    outlet = reading.outlet
    stored = project.frames.stamp(EXTRACT_KEY, outlet)
    newest = chosen.newest
    assert newest is not None  # `choose` raises where there is nothing
    if reading.said.coverage == "delta":
        if stored is None:
            return Work(chosen.in_order, whole=False)
    elif full is None or (stored is None and project.frames.stamp(CATALOG_KEY, outlet) is None):
        message = f"{newest.file} holds changes, and there is no full extract that they change"
        raise Refused(refuse("no_base", f"{message}; nothing was changed"), newest)
    after = known.extract_time if known else ""
    fresh = [
        step
        for step in chosen.deltas
        if to_iso(step.moment) >= after and _is_news(project, outlet, step, known)
    ]
    if not fresh and (known is None or known.sha256 != newest.sha256):
        refuse_older(reading, newest, known, force)
    return Work(fresh, whole=False)


def _is_news(project: Project, outlet: str, step: Step, known: ExtractRecord | None) -> bool:
    """Whether changes were not taken yet.

    The same bytes again are, where something else was accepted meanwhile and the till itself says
    that they are newer: a price that goes back is a change. A copy of a file only says that
    somebody has copied it.
    """
    before = records.find_extract(project.ledger, outlet, step.sha256)
    if before is None or before.state != records.ACCEPTED:
        return True
    if known is None or known.id == before.id or step.newest.time_source in COPIED:
        return False
    return to_iso(step.moment) > max(before.extract_time, known.extract_time)


def _check_age(
    project: Project,
    reading: Reading,
    chosen: Chosen,
    full: ExtractRecord | None,
    known: ExtractRecord | None,
) -> None:
    """An older full extract, or part of one, never takes the place of a newer one."""
    assert chosen.base is not None
    refuse_older(reading, chosen.base, full, None)
    newest = chosen.newest
    assert newest is not None
    if known is not None and known.sha256 != newest.sha256:
        # also where changes were accepted since that are not there any more
        refuse_older(reading, newest, known, None)
    parts = records.parts_of(project.ledger, full.id) if full else []
    if full is None or len(parts) < 2 or len(parts) != len(chosen.base.pieces):
        return
    for piece, part in zip(chosen.base.pieces, parts, strict=True):
        if to_iso(piece.moment) < part.moment:
            raise Refused(
                _older(reading, piece, part.file, part.moment, full.time_source), chosen.base
            )


def refuse_older(
    reading: Reading, step: Step, known: ExtractRecord | None, force: Force | None
) -> None:
    """An older extract never overwrites a newer one, unless a person says so: ExtractError."""
    if known is None or force or to_iso(step.moment) >= known.extract_time:
        return
    error = _older(reading, step.newest, known.file, known.extract_time, known.time_source)
    raise Refused(error, step)


def _older(
    reading: Reading, piece: Piece, than: str, moment: str, time_source: str
) -> ExtractError:
    ahead = moment > to_iso(utcnow() + AHEAD)
    why = ", which is still to come: a clock was wrong then, or is now" if ahead else ""
    return ExtractError(
        "older",
        f"{piece.file.rpartition('/')[2]} is older ({to_iso(piece.moment)} "
        f"{known_by(piece.time_source)}) than what was accepted from {than} "
        f"({moment} {known_by(time_source)}{why}); nothing was changed",
        f"if it is right: marketsync run partial_sync --outlet {reading.outlet} "
        "--force-older --by NAME --reason TEXT",
    )


def spec_mark(reading: Reading) -> str:
    """How an outlet's documents are read, as a fingerprint."""
    return fingerprint(dataclasses.asdict(reading.spec))


def base_inputs(base: Step, reading: Reading) -> str:
    """What the frame of one full extract is made from."""
    return fingerprint(base.sha256, dataclasses.asdict(reading.spec_for("full")))
