"""What the sensor `pending_orders` decides, without Dagster: a pure function of what waits and what
is remembered.

Looking at ledger, folders and runs is `automation.order_sights`. Times are seconds since 1970.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from marketsync_dagster.automation.cores import pause_after
from marketsync_dagster.values.times import to_second

Job = Literal["pull_orders", "fulfil_orders"]


@dataclass(frozen=True, slots=True)
class OrderWork:
    """Something that waits at one place: commands to a source, forwards to a destination, files."""

    name: str
    """What is remembered under it: `tell bestbuy`, `answers westlands`."""
    job: Job
    why: str
    """For people: `2 commands to bestbuy`."""
    mark: str
    """Another one as soon as something has moved."""
    outlets: tuple[str, ...] = ()
    """Whose they are; empty: it cannot be told, all of them."""
    closed_for: float = 0.0
    """The place asked to be left alone for so many seconds from now."""
    most: int | None = None
    """Runs for the same mark: no more would help; None: again and again, with longer pauses."""


@dataclass(frozen=True, slots=True)
class WorkTried:
    """What the sensor remembers of one place."""

    mark: str = ""
    attempt: int = 0
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class OrderLaunch:
    """A run to ask for, over the outlets from first to last; those between them that have nothing
    to do cost nothing."""

    job: Job
    first: str
    last: str
    run_key: str
    why: str


@dataclass(frozen=True, slots=True)
class OrderDecision:
    """Runs to ask for, reasons for what was not, and what to remember."""

    launches: list[OrderLaunch] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    memory: dict[str, WorkTried] = field(default_factory=dict)


def pending_orders(
    work: Sequence[OrderWork],
    memory: Mapping[str, WorkTried],
    busy: Mapping[str, str],
    every: Sequence[str],
    now: float,
) -> OrderDecision:
    """One run of each job, at most, for all that is due: what is new at once, what was tried with
    growing pauses. `busy`: job -> its queued or running run, for people; `every`: all outlets in
    their order.

    While a job is at work nothing is asked for and nothing is counted as tried.
    """
    decision = OrderDecision()
    for job in ("fulfil_orders", "pull_orders"):
        mine = [one for one in work if one.job == job]
        known = {one.name: _known(one, memory) for one in mine}
        decision.memory.update(known)
        if mine and busy.get(job):
            decision.reasons.append(f"{job} is still at work: {busy[job]}")
            continue
        due: list[OrderWork] = []
        for one in mine:
            reason = _why_not(one, known[one.name], now)
            if reason:
                decision.reasons.append(f"{one.name}: {reason}")
            else:
                due.append(one)
        if due:
            for one in due:
                attempt = known[one.name].attempt + 1
                decision.memory[one.name] = WorkTried(one.mark, attempt, now)
            decision.launches.append(_launch(job, due, decision.memory, every))
    return decision


def _known(one: OrderWork, memory: Mapping[str, WorkTried]) -> WorkTried:
    """What is remembered of this very work; something that has moved begins anew."""
    known = memory.get(one.name, WorkTried())
    return known if known.mark == one.mark else WorkTried(one.mark)


def _why_not(one: OrderWork, known: WorkTried, now: float) -> str:
    if one.closed_for > 0:
        until = datetime.fromtimestamp(now + one.closed_for, UTC)
        return f"it asked us to stay away until {to_second(until)}"
    if one.most is not None and known.attempt >= one.most:
        times = "once" if known.attempt == 1 else f"{known.attempt} times"
        return f"{one.why}: tried {times}, and nothing has changed since"
    pause = pause_after(known.attempt) if known.attempt else 0.0
    # an attempt in the future was made before the clock was set back: nobody knows how long ago
    if known.at <= now < known.at + pause:
        return f"tried {known.attempt} times; again in {known.at + pause - now:.0f} s"
    return ""


def _launch(
    job: Job, due: Sequence[OrderWork], memory: Mapping[str, WorkTried], every: Sequence[str]
) -> OrderLaunch:
    named = {outlet for one in due for outlet in one.outlets}
    everywhere = any(not one.outlets for one in due)
    there = [outlet for outlet in every if everywhere or outlet in named] or list(every)
    parts = sorted(f"{one.name} {one.mark} {memory[one.name].attempt}" for one in due)
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    why = ", ".join(one.why for one in due[:4])
    why += f" and {len(due) - 4} more" if len(due) > 4 else ""
    return OrderLaunch(job, there[0], there[-1], f"pending_orders:{job}:{digest}", why)
