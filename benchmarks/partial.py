"""What a partial run costs where next to nothing has changed: core seconds, and calls.

100,000 SKUs of one outlet, every stage from extract to listings, against the sandbox. What the
platform does is not in the figure; what the ledger's thread does is.
"""

from __future__ import annotations

import gc
import math
import statistics
import time

from benchmarks.figures import Figure
from benchmarks.pipeline import StageFailedError, to_listings, up_to_feed
from benchmarks.world import World, world
from marketsync_dagster.push.plan import PlanOptions
from marketsync_dagster.stages.project import open_project

ROWS = 100_000
BATCH = 500
PLATFORM = "pasons"
GOAL = 0.15
CHANGED = {"0.1 %": ROWS // 1_000, "1 %": ROWS // 100, "10 %": ROWS // 10}
FIGURE = "0.1 %"


def ours(made: World, options: PlanOptions) -> tuple[float, int]:
    """Core seconds and calls of one run of all stages."""
    gc.collect()
    started = time.process_time()
    project = open_project(settings=made.settings())
    up_to_feed(project, made.outlets, [PLATFORM])
    (run,) = to_listings(project, made.outlets, PLATFORM, options)
    project.ledger.close()
    return time.process_time() - started, run.calls


def measure(runs: int) -> list[Figure]:
    """`runs` pairs of a full run and a partial one, each with the same kind of changed extract;
    then as many partial runs with more changes."""
    seconds: dict[str, list[float]] = {name: [] for name in ("full", *CHANGED)}
    calls: dict[str, list[int]] = {name: [] for name in seconds}
    with world("--no-quota", skus=ROWS, platforms=[PLATFORM]) as made:
        ours(made, PlanOptions(mode="full"))
        # the larger changes last: the guard's window remembers them for a day
        usual = ["full", FIGURE]
        for name in usual * runs + [name for name in seconds if name not in usual] * runs:
            made.change(CHANGED.get(name, CHANGED[FIGURE]))
            made.write_extracts()
            mode = "full" if name == "full" else "partial"
            cpu, made_calls = ours(made, PlanOptions(mode=mode))
            seconds[name].append(cpu)
            calls[name].append(made_calls)
    expected = {name: math.ceil(CHANGED.get(name, ROWS) / BATCH) for name in calls}
    if any(set(counted) != {expected[name]} for name, counted in calls.items()):
        raise StageFailedError(f"calls {calls}, expected {expected}")
    middle = {name: statistics.median(values) for name, values in seconds.items()}
    return [
        Figure(
            "partial",
            f"{ROWS:,} SKUs, extract to listings, core seconds: partial with {FIGURE} of the "
            "prices changed / full",
            [part / full for part, full in zip(seconds[FIGURE], seconds["full"], strict=True)],
            GOAL,
            raw={"core_s": seconds, "calls": calls},
            notes=[
                f"{name}: {middle[name]:.2f} core seconds, {expected[name]} calls"
                f" = ceil({CHANGED.get(name, ROWS):,} / {BATCH}), in every run"
                for name in seconds
            ],
            ours=ours,
        )
    ]
