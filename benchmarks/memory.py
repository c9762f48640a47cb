"""Peak memory of one scheduled run: 100 outlets against 10, each in a process of its own.

`python -m benchmarks.memory` is that process: it runs the job twice in itself, as `run` does, so
that listings, frames and comparisons are all there, and prints its peak.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.pipeline import StageFailedError
from benchmarks.run import JOB, one_run, prepared_run
from benchmarks.world import World, world

MANY, FEW = 100, 10
SKUS = 2_000
GOAL = 1.3


def ours(made: World) -> int:
    """KiB at the peak of a child that makes one run; the frames and the ledger are there."""
    told = subprocess.run(
        [sys.executable, "-m", "benchmarks.memory", str(made.folder), *made.outlets],
        check=True, stdout=subprocess.PIPE, env=os.environ,
    )  # fmt: skip
    return json.loads(told.stdout)["peak_kib"]


def measure(runs: int) -> list[Figure]:
    """`runs` children of each size, every row changed before each."""
    peaks: dict[int, list[int]] = {MANY: [], FEW: []}
    for outlets, found in peaks.items():
        with world("--no-quota", outlets=outlets, skus=SKUS) as made:
            ours(made)
            for _ in range(runs):
                made.change(SKUS // 4)
                made.write_extracts()
                found.append(ours(made))
    pairs = zip(peaks[MANY], peaks[FEW], strict=True)
    return [
        Figure(
            "memory",
            f"peak memory of one scheduled run of {JOB}, {SKUS:,} SKUs per outlet on both "
            f"platforms, a quarter changed: {MANY} outlets / {FEW} outlets",
            [many / few for many, few in pairs],
            GOAL,
            raw={"peak_kib": {str(outlets): found for outlets, found in peaks.items()}},
            notes=[
                " and ".join(
                    f"{statistics.median(found) / 1024:.0f} MiB with {outlets} outlets"
                    for outlets, found in peaks.items()
                )
                + "; most of it is Python, Dagster, pandas and pyarrow themselves"
            ],
            ours=ours,
        )
    ]


def main(folder: Path, outlets: list[str]) -> None:
    """The child: one run over `outlets` of the world in `folder`."""
    with prepared_run(folder) as prepared:
        one_run(folder, prepared)
    states = sorted((folder / "scheduled" / "frames").glob("*/price_feed/*.parquet"))
    if len(states) != 2 * len(outlets):
        raise StageFailedError(f"{len(states)} feeds of {len(outlets)} outlets")
    print(json.dumps({"peak_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
