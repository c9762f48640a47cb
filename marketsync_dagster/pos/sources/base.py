"""What every source can do: say what has arrived, whether it is whole, and hand it over.

A source knows nothing of outlets and nothing of what is in a file. What it hands over is kept
under its hash before anybody reads it, so that whatever was read can be read again.
"""

from __future__ import annotations

import fnmatch
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from marketsync_dagster.pos.files import UNFINISHED
from marketsync_dagster.pos.tables import Limits
from marketsync_dagster.values.redact import scrub

_LONGEST = 300


@dataclass(frozen=True)
class Arrival:
    """Something that a source has: a file, an answer of a database, a pull of an interface."""

    name: str
    """Relative to the source, `/` between folders; what messages, patterns and rules see."""
    size: int | None
    """Bytes; None where it is not known before it is fetched."""
    modified: float | None
    """Seconds since 1970, UTC; None where the source does not say: then `arrived` is its time."""
    mark: str
    """Changes whenever the content may have changed; for comparing, never for showing."""
    arrived: float
    """When this machine saw it come, by its own clock, in seconds since 1970; where nobody can
    say, `modified` or 0."""

    @property
    def last_name(self) -> str:
        """Its own name, without folders."""
        return self.name.rsplit("/", 1)[-1]


class Source(Protocol):
    """A place that extracts come from."""

    watched: bool
    """Whether a look is cheap and tells what is new, so that a sensor may look often. Others
    (databases, interfaces) always have one arrival with a new mark: schedules pull them."""

    def look(self) -> list[Arrival]:
        """What is there now, oldest first by `modified`, then by name; [] = there and empty.

        Raises ExtractError: unlistable, outside.
        """
        ...

    def is_settled(self, arrival: Arrival, before: Arrival | None, now: float) -> bool:
        """Whether it is whole, as far as can be seen; `before` is what an earlier look saw under
        the same name, `now` seconds since 1970."""
        ...

    def fetch(self, arrival: Arrival, archive: Path) -> str:
        """Keep the original as `<archive>/<first two>/<sha256>` and return its SHA-256.

        Raises ExtractError: missing, changing, unreadable, unavailable. Nothing is kept then.
        """
        ...


def fits(name: str, patterns: Sequence[str]) -> bool:
    """Whether a name relative to a source fits one of some patterns, case ignored.

    `*` stays within one folder: `*/*.csv` is each file one folder down, and nothing else.
    """
    parts = name.lower().split("/")
    for pattern in patterns:
        wanted = pattern.lower().split("/")
        if len(wanted) == len(parts) and all(map(fnmatch.fnmatchcase, parts, wanted)):
            return True
    return False


def is_passed_over(name: str) -> bool:
    """Whether a file is hidden or says by its name that it is not finished."""
    parts = name.split("/")
    return any(part.startswith(".") for part in parts) or parts[-1].lower().endswith(UNFINISHED)


def in_turn(arrivals: Sequence[Arrival]) -> list[Arrival]:
    """Arrivals in the order of `Source.look`."""
    return sorted(arrivals, key=lambda one: (one.modified or 0.0, one.name))


PULLED = "records.jsonl"
"""The name of what a database or an interface gives."""


def pulled() -> Arrival:
    """The arrival of a source that is asked: new at every look."""
    return Arrival(PULLED, None, None, f"pulled-{time.time_ns()}", time.time())


MOST_BYTES = Limits().file_bytes
"""No original is larger."""


def words_of(error: BaseException) -> str:
    """What a driver's exception says, in one short line without secrets."""
    if isinstance(error, OSError) and error.strerror:
        return scrub(error.strerror).lower()
    text = " ".join(scrub(str(error)).split())
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}..."
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
