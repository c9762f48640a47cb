"""Which documents an outlet is to read now: its newest full extract, and the changes since.

A full extract resets everything, deltas apply in the order of their times. What is older, late or
repeated is told apart here; what follows from that is done by `stages.extract`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

from marketsync_dagster.ledger.extracts import ExtractPart
from marketsync_dagster.pos.files import AHEAD, COPIED, TimeSource, known_by
from marketsync_dagster.pos.quarantine import printable
from marketsync_dagster.pos.reasons import refuse
from marketsync_dagster.pos.sources.base import Arrival, fits
from marketsync_dagster.stages.arrivals import Arrivals, BadOriginal, Piece
from marketsync_dagster.stages.passed_over import few
from marketsync_dagster.stages.reading import Coverage, Reading
from marketsync_dagster.values.errors import ExtractError
from marketsync_dagster.values.times import from_iso, to_iso, utcnow

LATE_AT_ONCE = 20
"""So many late documents are noted in one run."""

Timed = tuple[Arrival, datetime, TimeSource]


@dataclass(frozen=True)
class Step:
    """Documents that are read together: one extract of the outlet, full or delta."""

    pieces: tuple[Piece, ...]
    coverage: Coverage

    @property
    def sha256(self) -> str:
        """Of the document; of several: of their SHA-256, whatever their order."""
        shas = sorted(piece.record.sha256 for piece in self.pieces)
        if len(shas) == 1:
            return shas[0]
        return hashlib.sha256("\n".join(shas).encode()).hexdigest()

    @property
    def newest(self) -> Piece:
        """The piece that its time is from."""
        return max(self.pieces, key=lambda piece: piece.moment)

    @property
    def moment(self) -> datetime:
        """Of its newest piece."""
        return self.newest.moment

    @property
    def file(self) -> str:
        """Its documents as people see them."""
        names = [piece.file for piece in self.pieces]
        shown = ", ".join(names[:3])
        return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"

    @property
    def parts(self) -> list[ExtractPart]:
        """Its documents as the ledger keeps them."""
        return [
            ExtractPart(
                piece.file,
                piece.record.member,
                piece.record.sha256,
                piece.record.original,
                to_iso(piece.moment),
            )
            for piece in self.pieces
        ]


@dataclass
class Chosen:
    """What there is for an outlet."""

    base: Step | None = None
    """The newest full extract; None: there is none."""
    deltas: list[Step] = field(default_factory=list)
    """Changes since the base (without one: since what is known), oldest first."""
    late: list[Step] = field(default_factory=list)
    """Changes from before it, which came after it."""
    broken: list[str] = field(default_factory=list)
    """Documents that may be the outlet's or another's and cannot be read."""

    @property
    def in_order(self) -> list[Step]:
        """The base and the changes since, but for files that somebody has only copied: that their
        bytes come again is no word of the till."""
        seen: set[str] = set()
        found = [self.base] if self.base else []
        for step in self.deltas:
            if step.sha256 in seen and step.newest.time_source in COPIED:
                continue
            seen.add(step.sha256)
            found.append(step)
        return found

    @property
    def newest(self) -> Step | None:
        """The step of the latest time."""
        steps = [*([self.base] if self.base else []), *self.deltas]
        return max(steps, key=lambda step: step.moment, default=None)


def choose(arrivals: Arrivals, reading: Reading, since: str, seen_at: str) -> Chosen:
    """What an outlet is to read.

    `since`: the extract time of what is in force; `seen_at`: when that was read; both `` at first.
    Raises ExtractError: missing, future, what opening raises.
    """
    there = arrivals.look(reading)
    chosen = Chosen()
    fulls: list[Piece] = []
    changes: list[Piece] = []
    old: list[Piece] = []
    for pattern in reading.said.patterns:
        mine = [one for one in there if fits(one.name, [pattern]) and _may_be_ours(reading, one)]
        if not mine:
            raise _missing(arrivals, reading, pattern)
        for role, arrived in _by_role(reading, mine).items():
            timed = in_order(reading, arrived)
            found = _walk(arrivals, reading, timed, since, seen_at, chosen)
            if not role and not found.fulls and not found.changes:
                raise _missing(arrivals, reading, pattern)
            fulls += found.fulls
            changes += found.changes
            old += found.old
    if fulls:
        chosen.base = Step(tuple(fulls), "full")
    chosen.deltas = _steps(changes)
    chosen.late = _steps(old)
    return chosen


def _by_role(reading: Reading, arrivals: Sequence[Arrival]) -> dict[str, list[Arrival]]:
    """What a pattern takes, by what it is by its name: products (``), or what adds to them. The
    newest promotions do not take the place of the newest prices."""
    found: dict[str, list[Arrival]] = {}
    for arrival in arrivals:
        found.setdefault(reading.role_of(arrival.last_name), []).append(arrival)
    if len(found) == 1:
        return {"": next(iter(found.values()))}
    return dict(sorted(found.items()))


def newest_of(arrivals: Arrivals, reading: Reading) -> list[Arrival]:
    """The newest original of each pattern that may be the outlet's, by its name and time alone.

    Raises ExtractError: what looking raises, future, no_time.
    """
    there = arrivals.look(reading)
    found: list[Arrival] = []
    for pattern in reading.said.patterns:
        mine = [one for one in there if fits(one.name, [pattern]) and _may_be_ours(reading, one)]
        roles = _by_role(reading, mine).values() if mine else ()
        found += [in_order(reading, arrived)[-1][0] for arrived in roles]
    return found


def in_order(reading: Reading, arrivals: Sequence[Arrival]) -> list[Timed]:
    """Arrivals with their times by what is known before they are opened, newest last.

    Raises ExtractError future where the newest is of a time that is still to come while another
    one arrived after it: a clock is wrong, and by their times alone the right file would be passed
    over in silence until that time has come. Also what `Reading.time_of` raises.
    """
    timed = [(one, *reading.time_of(one)) for one in arrivals]
    timed.sort(key=lambda one: one[1])
    newest, moment, source = timed[-1]
    if moment > utcnow() + AHEAD:
        # this machine's own word: nothing that a till sends sets it
        later = max(arrivals, key=lambda one: one.arrived)
        if later.arrived > newest.arrived:
            raise refuse(
                "future",
                f"{newest.last_name} is of {moment:%Y-%m-%d %H:%M} UTC {known_by(source)}, which "
                f"is still to come, and {later.last_name} arrived after it: the till's clock was "
                "ahead, or this machine's is behind; nothing was changed",
            )
    return timed


@dataclass
class _Walked:
    fulls: list[Piece] = field(default_factory=list)
    changes: list[Piece] = field(default_factory=list)
    old: list[Piece] = field(default_factory=list)


def _walk(
    arrivals: Arrivals,
    reading: Reading,
    timed: Sequence[Timed],
    since: str,
    seen_at: str,
    chosen: Chosen,
) -> _Walked:
    """From the newest back to the newest full one; what is older is not opened."""
    found = _Walked()
    after = from_iso(seen_at).timestamp() if seen_at else 0.0
    changing = reading.said.coverage != "full"
    for arrival, moment, _ in reversed(timed):
        past = bool(found.fulls) or (changing and bool(found.changes) and to_iso(moment) < since)
        if past:
            if not changing or arrival.arrived <= after or len(found.old) >= LATE_AT_ONCE:
                continue
            if reading.coverage_of(arrival.last_name) == "full":
                continue
            if not arrivals.known(reading, arrival):
                found.old += _pieces(arrivals, reading, arrival, chosen)
            continue
        pieces = _pieces(arrivals, reading, arrival, chosen)
        found.fulls += [piece for piece in pieces if piece.coverage == "full"]
        found.changes += [piece for piece in pieces if piece.coverage == "delta"]
    return found


def _pieces(arrivals: Arrivals, reading: Reading, arrival: Arrival, chosen: Chosen) -> list[Piece]:
    """The documents of an original that are the outlet's, or hold records of it."""
    records = arrivals.open(reading, arrival)
    own = reading.outlet_by_name(arrival.name) if _by_name(reading) else None
    found: list[Piece] = []
    for record in records:
        if _by_name(reading):
            key = (reading.outlet_by_name(record.member) if record.member else None) or own
            if key is None or not reading.is_ours(key):
                continue
        elif reading.rule == "content" or (reading.rule == "column" and len(records) > 1):
            try:
                outlets = arrivals.outlets(reading, record)
            except ExtractError as error:
                if reading.rule == "column":
                    raise BadOriginal(error, arrival, record) from error
                chosen.broken.append(error.message)
                continue
            if not any(map(reading.is_ours, outlets)):
                continue
        try:
            declared = arrivals.declared(reading, record)
        except ExtractError as error:
            raise BadOriginal(error, arrival, record) from error
        moment, source = reading.time_of(arrival, record.member, declared)
        coverage = reading.coverage_of(record.member or arrival.last_name, arrival.last_name)
        file = reading.file(arrival.name, record.member)
        found.append(Piece(arrival, record, file, coverage, moment, source))
    return found


def _by_name(reading: Reading) -> bool:
    return reading.rule in ("name", "directory")


def _may_be_ours(reading: Reading, arrival: Arrival) -> bool:
    """Whether a look inside may be worth it: by its name it is the outlet's, or an archive."""
    if not _by_name(reading):
        return True
    key = reading.outlet_by_name(arrival.name)
    return arrival.name.lower().endswith(".zip") if key is None else reading.is_ours(key)


def _steps(changes: Sequence[Piece]) -> list[Step]:
    """Each change by itself; documents of one original together. Oldest first."""
    ordered = sorted(changes, key=lambda piece: (piece.moment, piece.arrival.name))
    groups = groupby(ordered, key=lambda piece: (piece.moment, piece.arrival.name))
    return [Step(tuple(pieces), "delta") for _, pieces in groups]


def _missing(arrivals: Arrivals, reading: Reading, pattern: str) -> ExtractError:
    where = reading.label or reading.source
    if not reading.is_shared or not reading.rule:
        message = f"no extract of {reading.outlet}: no file matches {pattern} in {where}"
    else:
        called = " or ".join(map(repr, reading.spec.keys))
        message = (
            f"no extract of {reading.outlet}: nothing like {pattern} in {where} is of {called}"
        )
        if _by_name(reading):
            names = (name.partition("\0") for name in arrivals.names(reading))
            like = [(own, member) for own, _, member in names if fits(own, [pattern])]
            found = {reading.outlet_by_name(m) or reading.outlet_by_name(own) for own, m in like}
            keys = sorted(filter(None, found))
            message += f"; there is {few(repr(printable(key)) for key in keys)}" if keys else ""
    return ExtractError(
        "missing", message, "see that the POS export arrives there; nothing was changed"
    )
