"""What the sensors decide, without Dagster: pure functions of what was seen and remembered.

Looking at directories, ledger and runs, and keeping the memory in a cursor, is
`automation.sensors`. Times are seconds since 1970.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

from marketsync_dagster.values.times import to_second
from marketsync_dagster.values.words import counted

RunState = Literal["none", "active", "judged", "lost"]
"""Of a run that was asked for: not asked for, queued or running, gone through with a verdict in
the ledger, or ended without one (killed, lost, failed before the stage)."""

MAX_ATTEMPTS = 5
FIRST_PAUSE_S = 30.0
LONGEST_PAUSE_S = 3600.0


def pause_after(attempt: int) -> float:
    """How long to wait after the `attempt`-th try: 30 s, doubled each time, at most an hour."""
    return min(FIRST_PAUSE_S * 2 ** max(attempt - 1, 0), LONGEST_PAUSE_S)


# --- new_extract ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sighting:
    """What was seen of one outlet's newest file."""

    problem: str = ""
    """Why the directory could not be looked at; nothing else is known then."""
    name: str = ""
    """Empty: there is no file."""
    mark: str = ""
    """Changes whenever the file does, as its source tells it."""
    settled: bool = False
    sha256: str = ""
    """Of the content, where the mark is a new one, the file is whole, and a look at it is cheap."""
    accepted: str = ""
    """SHA-256 of the extract in force."""
    run: RunState = "none"
    """Of the run that was asked for last."""
    source: str = ""
    """Of a source that several outlets share: one run may serve many of them."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the sensor remembers of one outlet: the file it asked a run for, or knows already."""

    mark: str = ""
    sha256: str = ""
    attempt: int = 0
    run_key: str = ""
    at: float = 0.0
    open: bool = False
    """A run was asked for whose end is not known yet."""


@dataclass(frozen=True, slots=True)
class Launch:
    """A run to ask for."""

    outlet: str
    run_key: str
    why: str
    platform: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """Runs to ask for, reasons for what was not, and what to remember."""

    launches: list[Launch] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    memory: dict[str, Any] = field(default_factory=dict)


def new_extracts(
    sightings: Mapping[str, Sighting], memory: Mapping[str, Asked], now: float
) -> Decision:
    """Which outlets have a file that was not seen before, and is whole.

    A run key holds outlet, content and attempt: Dagster never starts a key twice, not even after
    a failure, so a run that ended without a verdict is asked for again under the next attempt.
    """
    decision = Decision(memory=dict(memory))
    for outlet, seen in sightings.items():
        known = memory.get(outlet, Asked())
        if seen.problem:
            _say(decision, f"{seen.source or outlet}: {seen.problem}")
        elif not seen.name:
            continue
        elif seen.mark == known.mark:
            _follow_up(decision, outlet, seen, known, now)
        elif not seen.settled:
            _say(decision, f"{seen.source or outlet}: {seen.name} is still being written")
        elif seen.sha256 and seen.sha256 == seen.accepted:
            decision.memory[outlet] = Asked(mark=seen.mark, sha256=seen.sha256)
        else:
            asked = Asked(mark=seen.mark, sha256=seen.sha256)
            _ask(decision, outlet, asked, f"new file {seen.name}", now)
    return decision


def _say(decision: Decision, reason: str) -> None:
    """Once, however many outlets share the source that it is about."""
    if reason not in decision.reasons:
        decision.reasons.append(reason)


def _follow_up(decision: Decision, outlet: str, seen: Sighting, known: Asked, now: float) -> None:
    if not known.open:
        return
    if seen.run == "judged":
        decision.memory[outlet] = replace(known, open=False)
    elif seen.run == "lost":
        wait = known.at + pause_after(known.attempt) - now
        if known.attempt >= MAX_ATTEMPTS:
            decision.memory[outlet] = replace(known, open=False)
            decision.reasons.append(
                f"{outlet}: {known.attempt} runs for {seen.name} ended early; not tried again"
            )
        elif wait > 0:
            decision.reasons.append(f"{outlet}: tried again in {wait:.0f} s")
        else:
            _ask(decision, outlet, known, f"the run for {seen.name} ended early", now)


def _ask(decision: Decision, outlet: str, asked: Asked, why: str, now: float) -> None:
    attempt = asked.attempt + 1
    # the mark is part of it: an old content that comes back is news again
    content = hashlib.sha256(f"{asked.sha256} {asked.mark}".encode()).hexdigest()[:16]
    key = f"new_extract:{outlet}:{content}:{attempt}"
    decision.memory[outlet] = replace(asked, attempt=attempt, run_key=key, at=now, open=True)
    decision.launches.append(Launch(outlet, key, why))


def in_few_runs(
    decision: Decision, sightings: Mapping[str, Sighting], every: Sequence[str]
) -> list[tuple[str, str, Launch]]:
    """First and last outlet of each run to ask for, and the run; `every` is all outlets in order.

    Outlets of one shared source go together wherever no outlet of another stands between them;
    those between them that need nothing cost nothing. The memory knows the run of each.
    """
    asked = {launch.outlet: launch for launch in decision.launches}
    runs: list[tuple[str, str, Launch]] = []
    stretch: list[Launch] = []
    source = ""

    def end() -> None:
        if stretch:
            runs.append(_one_run(decision, stretch))
            stretch.clear()

    for outlet in every:
        seen = sightings.get(outlet, Sighting())
        if not seen.source or seen.source != source:
            end()
        source = seen.source
        if outlet in asked:
            stretch.append(asked[outlet])
    end()
    return runs


def _one_run(decision: Decision, launches: Sequence[Launch]) -> tuple[str, str, Launch]:
    first, last = launches[0], launches[-1]
    if len(launches) == 1:
        return first.outlet, first.outlet, first
    keys = " ".join(launch.run_key for launch in launches)
    digest = hashlib.sha256(keys.encode()).hexdigest()[:16]
    key = f"new_extract:{first.outlet}-{last.outlet}:{digest}"
    for launch in launches:
        asked = decision.memory[launch.outlet]
        decision.memory[launch.outlet] = replace(asked, run_key=key)
    words = list(dict.fromkeys(launch.why for launch in launches))
    why = words[0] if len(words) == 1 else f"{words[0]} and {counted(len(words) - 1, 'other')}"
    return first.outlet, last.outlet, replace(first, run_key=key, why=why)


# --- pending_retries -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits on one channel."""

    outlet: str
    platform: str
    rows: int = 0
    """Rows whose last outcome was retryable or unknown, or stopped by bad credentials."""
    plan: str = ""
    """An approved plan that was not pushed yet."""
    last_push: str = ""
    """The newest push of the channel: whether something has moved since."""
    automatic: bool = True
    """Whether rows may go again without a person: push_enabled and auto_push."""
    imports: int = 0
    """Imports that have not ended, and that no run asks for."""
    closed_for: float = 0.0
    """The platform asked to be left alone for so many seconds from now, with what waits here."""
    busy: str = ""
    """A queued or running run of the same job, for people."""
    paused: str = ""
    """Until when, by whom and why the channel is paused."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What the sensor remembers of one channel."""

    attempt: int = 0
    at: float = 0.0
    plan: str = ""
    rows: int = 0


def pending_retries(
    waiting: Sequence[Waiting], memory: Mapping[str, Tried], now: float
) -> Decision:
    """Which channels to push again now: an approved plan at once, rows with growing pauses."""
    decision = Decision()
    for one in waiting:
        channel = f"{one.platform}/{one.outlet}"
        known = memory.get(channel, Tried())
        fresh_plan = bool(one.plan) and one.plan != known.plan
        if fresh_plan:
            known = Tried(plan=one.plan)
        decision.memory[channel] = known
        reason = _why_not(one, known, now)
        if reason:
            decision.reasons.append(f"{channel}: {reason}")
            continue
        attempt = known.attempt + 1
        what = f"plan-{one.plan}" if one.plan else f"after-{one.last_push or 'nothing'}"
        key = f"pending_retries:{one.platform}:{one.outlet}:{what}:{attempt}"
        why = f"{counted(one.imports, 'import')} to be asked for"
        if one.plan:
            why = f"approved plan {one.plan}"
        elif one.rows:
            why = f"{counted(one.rows, 'row')} must go again"
        decision.memory[channel] = Tried(attempt, now, one.plan, one.rows)
        decision.launches.append(Launch(one.outlet, key, why, one.platform))
    return decision


def _why_not(one: Waiting, known: Tried, now: float) -> str:
    if one.paused:
        return one.paused
    if one.busy:
        return one.busy
    if not one.plan and not one.automatic:
        if not one.rows:
            return f"{counted(one.imports, 'import')} to be asked for by a person: auto_push is off"
        waits = "row waits" if one.rows == 1 else "rows wait"
        return f"{one.rows:,} {waits} for a person: auto_push is off"
    if one.closed_for > 0:
        until = datetime.fromtimestamp(now + one.closed_for, UTC)
        return f"the platform asked us to stay away until {to_second(until)}"
    pause = pause_after(known.attempt) if known.attempt else 0.0
    # an attempt in the future was made before the clock was set back: nobody knows how long ago
    if known.at <= now < known.at + pause:
        return f"tried {known.attempt} times; again in {known.at + pause - now:.0f} s"
    return ""


def remembered(memory: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Memory as it goes into a cursor."""
    return {name: asdict(value) for name, value in memory.items()}
