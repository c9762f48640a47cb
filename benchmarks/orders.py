"""10,000 orders through pull, acceptance and printer, with a SIGKILL every 500, against the same
without one.

Each step (pull, accept, pull again after the debit, hand over to Qikink) runs in a child process,
as a job does, until one comes to its end. Children that are killed die at the worst moment: a page
is in the book and the next is on its way, or the platform has done what was asked and nobody has
written it down. How long a new process takes until it does something is counted apart. At the end
every order must be in the book, accepted and at the printer, once.
"""

from __future__ import annotations

import signal
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from statistics import median

from benchmarks.figures import Figure
from benchmarks.pipeline import StageFailedError
from marketsync_dagster_tests.faults.kills import Reaper, context
from marketsync_dagster_tests.faults.order_judging import Judged, judge
from marketsync_dagster_tests.faults.order_world import (
    REAL,
    OrderBed,
    make_world,
    run_orders,
)
from marketsync_dagster_tests.ledgers import Engine
from marketsync_dagster_tests.projects import Place
from marketsync_dagster_tests.sandbox.mirakl import SHOP
from marketsync_dagster_tests.sandbox_process import SandboxProcess

ORDERS, EVERY, PAGE = 10_000, 500, 100
GOAL = 1.3
STEPS: tuple[tuple[str, str, str, int], ...] = (
    ("pull mirakl", "page_read", "page_committed", EVERY // PAGE),
    ("book", "command_intended", "command_answered", EVERY),
    ("pull mirakl", "page_read", "page_committed", EVERY // PAGE),
    ("qikink", "forward_intended", "forward_answered", EVERY),
)
"""Step, what it does first, where it is killed, and at which time it passes there."""
KILLS = len(STEPS) * ORDERS // EVERY
_DEAD = -signal.SIGKILL


@dataclass(slots=True)
class Passed:
    """One world's way through all steps."""

    seconds: float = 0.0
    """Without what it took processes to begin."""
    restarts_s: float = 0.0
    kills: int = 0
    steps_s: list[float] = field(default_factory=list)


def measure(runs: int) -> list[Figure]:
    """A pair for every five `runs`: each takes minutes."""
    raw: dict[str, list[float]] = {
        name: [] for name in ("killed_s", "whole_s", "restarts_s", "kills", "lost", "doubled")
    }
    for _ in range(max(1, runs // 5)):
        whole, bad = passed(0)
        killed, found = passed(EVERY)
        if bad.lost or bad.doubled:
            raise StageFailedError(f"without a kill: {bad}")
        for name, value in (
            ("killed_s", killed.seconds), ("whole_s", whole.seconds),
            ("restarts_s", killed.restarts_s), ("kills", killed.kills),
            ("lost", len(found.lost)), ("doubled", len(found.doubled)),
        ):  # fmt: skip
            raw[name].append(value)
    ratios = [k / w for k, w in zip(raw["killed_s"], raw["whole_s"], strict=True)]
    note = "{killed_s:.1f} s with {kills:.0f} kills and {restarts_s:.1f} s of restarts beside, "
    what = f"{ORDERS:,} orders pulled, accepted and handed over, a SIGKILL every {EVERY} in each"
    return [
        Figure(
            "orders", f"{what} step: wall time without restarts / the same without kills",
            ratios, GOAL, raw=dict(raw),
            notes=[(note + "{whole_s:.1f} s without").format(
                **{name: median(values) for name, values in raw.items()})],
            ours=passed,
        ),
        Figure("orders lost", f"{what} step: not in the book, not accepted, or not at the printer",
               raw["lost"], 0, exact=True, unit="orders"),
        Figure("orders doubled", f"{what} step: there, or accepted, more than once",
               raw["doubled"], 0, exact=True, unit="orders"),
    ]  # fmt: skip


def passed(every: int, engine: Engine = "sqlite", count: int = ORDERS) -> tuple[Passed, Judged]:
    """All steps of a new world with `count` orders, killed after so many, 0: never."""
    with SandboxProcess() as sandbox, tempfile.TemporaryDirectory() as folder:
        bed = make_world(Path(folder), sandbox, engine)
        sandbox.generate_orders(SHOP, count, skus=["kisumu-TEE-M"], lines=2, lower_stock=False)
        found = Passed()
        for step in STEPS:
            started = time.perf_counter()
            _pass(bed, step, found, killed=bool(every))
            found.steps_s.append(time.perf_counter() - started)
        found.seconds = sum(found.steps_s) - found.restarts_s
        return found, judged(bed, count)


def _pass(bed: OrderBed, step: tuple[str, str, str, int], found: Passed, *, killed: bool) -> None:
    """One step, as often as it takes to come to its end."""
    name, first, point, times = step
    while True:
        bed.time_passes()
        started = time.monotonic()
        ours, theirs = context().Pipe(duplex=False)
        child: BaseProcess = context().Process(
            target=_child,
            args=(bed.place, [name], first, theirs, point if killed else "", times),
            daemon=True,
        )
        child.start()
        theirs.close()
        try:
            found.restarts_s += ours.recv() - started
        except EOFError:  # there was nothing left to do
            found.restarts_s += time.monotonic() - started
        child.join()
        if child.exitcode == _DEAD:
            found.kills += 1
        elif child.exitcode == 0:
            return
        else:
            raise StageFailedError(f"{name} ended with {child.exitcode}")


def _child(
    place: Place, steps: Sequence[str], first: str, tell: Connection, point: str, times: int
) -> None:
    reaper, told = Reaper(point, times), []

    def observe(name: str) -> None:
        if name == first and not told:
            told.append(name)
            tell.send(time.monotonic())
        reaper(name)

    results = run_orders(place.open(), steps, observe)
    bad = [one.reason for found in results.values() for one in found if not one.ok]
    if bad:
        raise StageFailedError(bad[0])


def judged(bed: OrderBed, count: int) -> Judged:
    """What of the orders is lost or doubled."""
    found = Judged()
    judge(bed, found, ended=False)
    there = bed.sandbox.mirakl_orders()
    accepted = sum(one["counts"]["accept"]["effect"] == 1 for one in there.values())
    printed = len(bed.sandbox.qikink("orders", client_id=REAL))
    for what, number in (("in the book", len(bed.book())), ("accepted", accepted),
                         ("at the printer", printed)):  # fmt: skip
        found.lost += [f"{what}: {number} of {count}"] * max(0, count - number)
        found.doubled += [f"{what}: {number} of {count}"] * max(0, number - count)
    return found
