"""What has come that is nobody's, and what has come too early: words and figures for people.

Rows of a document whose outlet nobody configured, files whose name or folder names no outlet of the
configuration, and extracts of a time that is still to come. None of it stops anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from marketsync_dagster.ledger.extracts import ExtractRecord
from marketsync_dagster.pos.files import AHEAD, known_by
from marketsync_dagster.pos.layouts import outlet_key
from marketsync_dagster.pos.quarantine import printable
from marketsync_dagster.pos.sources.base import fits
from marketsync_dagster.stages.reading import Reading, reading_of
from marketsync_dagster.values.times import to_iso, utcnow
from marketsync_dagster.values.words import counted

if TYPE_CHECKING:
    import pandas as pd

    from marketsync_dagster.config.settings import Settings
    from marketsync_dagster.stages.arrivals import Arrivals
    from marketsync_dagster.stages.choosing import Step

FILES = "files_unassigned"
"""The figure that counts files of no outlet; absent: there are none."""
TOO_EARLY = "extract_ahead"
"""The figure of an extract of a time that is still to come; absent: its time is past."""
NAMED = 5


def rows_of_no_outlet(arrivals: Arrivals, steps: Sequence[Step]) -> list[str]:
    """Records of outlets that nobody configured, in words; once per run and document."""
    words: list[str] = []
    for piece in (piece for step in steps for piece in step.pieces):
        others = arrivals.others.get(piece.record.id, [])
        if not others or piece.record.id in arrivals.told:
            continue
        arrivals.told.add(piece.record.id)  # by its first outlet, not by two hundred
        rows = sum(other.rows for other in others)
        names = [repr(other.outlet) if other.outlet else "no outlet" for other in others]
        words.append(
            f"{piece.file}: {counted(rows, 'row')} of {few(names)} that are no outlet of "
            "marketsync.yaml were passed over"
        )
    return words


def files_of_no_outlet(arrivals: Arrivals, reading: Reading) -> tuple[list[str], int]:
    """Files of an outlet's source that fit no outlet, in words once per run, and how many.

    Raises ExtractError: what looking raises.
    """
    if reading.rule not in ("name", "directory"):
        return [], 0
    if reading.source not in arrivals.strays:  # not for each of two hundred outlets
        readings = readings_of(arrivals.project.settings, reading.said.shared)
        arrivals.strays[reading.source] = strays(arrivals.names(reading), readings)
    found, source = arrivals.strays[reading.source], f"files of {reading.source}"
    if not found or source in arrivals.told:
        return [], len(found)
    arrivals.told.add(source)
    return stray_words(found, reading), len(found)


def readings_of(settings: Settings, shared: str | None) -> list[Reading]:
    """How each outlet of a shared source reads it."""
    return [
        reading_of(settings, outlet)
        for outlet, said in settings.outlets.items()
        if said.extract.shared is not None and said.extract.shared == shared
    ]


def strays(names: Iterable[str], readings: Sequence[Reading]) -> dict[str, str | None]:
    """The files that are none of the outlets' by their name or folder -> what outlet they name;
    None: none at all. `readings` are of all outlets of one source."""
    found: dict[str, str | None] = {}
    patterns = list(dict.fromkeys(pattern for one in readings for pattern in one.said.patterns))
    ways = {(one.outlet_pattern, one.spec.preset): one for one in readings}.values()
    ours = {outlet_key(key) for one in readings for key in one.spec.keys}
    for name in names:
        own, _, member = name.partition("\0")
        if not fits(own, patterns):
            continue
        keys = {one.outlet_by_name(member) or one.outlet_by_name(own) for one in ways}
        told = sorted(key for key in keys if key is not None)
        if any(outlet_key(key) in ours for key in told):
            continue
        if not told and not member and own.lower().endswith(".zip"):
            continue  # what is in it says so
        found["/".join(part for part in (own, member) if part)] = told[0] if told else None
    return found


def stray_words(found: dict[str, str | None], reading: Reading) -> list[str]:
    """`strays` in one or two sentences."""
    where = reading.label or reading.source
    nameless = [repr(printable(name)) for name, key in found.items() if key is None]
    named = Counter(repr(printable(key)) for key in found.values() if key is not None)
    words: list[str] = []
    if named:
        words.append(
            f"{where}: {counted(named.total(), 'file')} of {few(named)} that "
            f"{'is' if len(named) == 1 else 'are'} no outlet of marketsync.yaml "
            f"{'was' if named.total() == 1 else 'were'} passed over"
        )
    if nameless:
        what = "folder" if reading.rule == "directory" else "name"
        words.append(
            f"{where}: {counted(len(nameless), 'file')} whose {what} tells no outlet "
            f"{'was' if len(nameless) == 1 else 'were'} passed over: {few(nameless)}"
        )
    return words


def reasons_of(rejects: pd.DataFrame) -> dict[str, int]:
    """Reason -> rejected rows."""
    counts = rejects["reason"].value_counts()
    return {str(reason): int(rows) for reason, rows in counts.items()}


def rejected_words(reasons: Mapping[str, int]) -> list[str]:
    """How many rows were rejected, and why, the commonest reason first; [] without any."""
    if not reasons:
        return []
    common = Counter({str(reason): int(rows) for reason, rows in reasons.items()})
    why = few(f"{rows:,} {reason}" for reason, rows in common.most_common())
    return [f"{counted(common.total(), 'row')} of the extract rejected: {why}"]


def few(names: Iterable[str]) -> str:
    """Some names, and how many more there are."""
    named = list(names)
    more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
    return ", ".join(named[:NAMED]) + more


def ahead_words(record: ExtractRecord) -> list[str]:
    """That an extract in force is of a time that is still to come; [] if it is not."""
    if record.extract_time <= to_iso(utcnow() + AHEAD):
        return []
    words = (
        f"{record.file} is of {record.extract_time} {known_by(record.time_source)}, which is still "
        "to come: until then what is older is refused; if a clock or a name was wrong, correct it, "
        f"then: marketsync run partial_sync --outlet {record.outlet} --force-older --by NAME "
        "--reason TEXT"
    )
    return [words]
