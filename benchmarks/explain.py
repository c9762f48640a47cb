"""`explain` in a ledger with five million events, on a channel of 100,000 SKUs.

The whole story of one SKU as the command tells it, from listing, push, batch, plan, pricing rule
and mapping to the file and its line: without starting a process, as a web page would ask for it.
"""

from __future__ import annotations

import gc
import random
import statistics
import time

from benchmarks.figures import Figure
from benchmarks.history import EVENTS, age, listed_once
from benchmarks.pipeline import StageFailedError
from benchmarks.push import PLATFORM, ROWS
from marketsync_dagster.stages.explain import explain
from marketsync_dagster.stages.project import Project, open_project

ASKED = 300
"""SKUs per run, each another one, by a fixed random order."""
GOAL_MS = 50.0


def ours(project: Project, outlet: str, sku: str) -> float:
    """Milliseconds of one story; the price in it is looked at."""
    started = time.perf_counter()
    told = explain(project, outlet, PLATFORM, sku)
    milliseconds = (time.perf_counter() - started) * 1e3
    if told["live"] is None or told["source"] is None or len(told["history"]) < 2:
        raise StageFailedError(f"the story of {sku} is not whole: {told}")
    return milliseconds


def measure(runs: int) -> list[Figure]:
    """The 99th percentile of each run of 300 SKUs, on SQLite."""
    samples: list[float] = []
    medians: list[float] = []
    order = random.Random(7)
    with listed_once() as (made, project):
        age(project.ledger)
        project.ledger.close()
        project = open_project(settings=project.settings)
        outlet = made.outlets[0]
        first = ours(project, outlet, "000000")
        for _ in range(runs):
            gc.collect()
            asked = [f"{at:06d}" for at in order.sample(range(ROWS), ASKED)]
            taken = sorted(ours(project, outlet, sku) for sku in asked)
            samples.append(taken[int(ASKED * 0.99)])
            medians.append(statistics.median(taken))
        project.ledger.close()
    return [
        Figure(
            "explain",
            f"one SKU's story with {EVENTS:,} events in the ledger (SQLite), {ASKED} SKUs of "
            f"{ROWS:,} at random: p99",
            samples,
            GOAL_MS,
            unit="ms",
            raw={"p99_ms": samples, "p50_ms": medians, "first_ms": [first]},
            notes=[f"p50 {statistics.median(medians):.1f} ms; the very first {first:.0f} ms"],
            ours=ours,
        )
    ]
