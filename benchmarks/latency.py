"""From a file that lands to the price on the platform, with a real daemon and its sensor.

The file is moved into place, as a till's export is; the sensor `new_extract` looks every 5 s; the
daemon starts a process for the run. The clock stops when the sandbox shows the price.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.pipeline import StageFailedError
from benchmarks.world import World, world

SAMPLES = 8
"""At least so many, whatever --runs says."""
SKUS = 1_000
GOAL_S = 12.0
TIMEOUT_S = 120.0
LOOK_S = 0.05
CHECKOUT = Path(__file__).resolve().parents[1]
PLATFORM = "pasons"


def ours(made: World) -> float:
    """Seconds from the file's move into place until the platform shows its price."""
    made.change(1)
    at = (made._next - 1) % SKUS
    made.write_extracts(closed_s=0.05)  # a till closes its file before it moves it
    landed = time.monotonic()
    while True:
        shown = made.sandbox.state(PLATFORM, made.outlets[0]).get(f"{at:06d}")
        if shown is not None and Decimal(shown["price"]) * 100 == made.cents[at]:
            return time.monotonic() - landed
        if time.monotonic() - landed > TIMEOUT_S:
            raise StageFailedError(f"the price was not shown within {TIMEOUT_S:.0f} s")
        time.sleep(LOOK_S)


def measure(runs: int) -> list[Figure]:
    """The median of at least eight files, landing at moments that do not favour the sensor."""
    samples: list[float] = []
    with world(skus=SKUS, platforms=[PLATFORM]) as made, _daemon(made):
        ours(made)  # the first file lists everything, and the daemon is warm
        for number in range(max(runs, SAMPLES)):
            # the golden ratio spreads the landings evenly over the sensor's interval
            time.sleep(5.0 * math.modf(number * 0.618034)[0])
            samples.append(ours(made))
    return [
        Figure(
            "latency",
            f"a file of {SKUS:,} rows lands -> the sandbox shows the price; sensor new_extract at "
            "5 s, daemon running: p50",
            samples,
            GOAL_S,
            unit="s",
            raw={"seconds": samples},
            notes=[f"max {max(samples):.1f} s"],
            ours=ours,
        )
    ]


@contextlib.contextmanager
def _daemon(made: World) -> Iterator[None]:
    """A daemon over the project in `made`, with the sensor switched on; it goes away for sure."""
    home = made.folder / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_bytes((CHECKOUT / "dagster.yaml").read_bytes())
    os.environ["DAGSTER_HOME"] = str(home)
    os.environ["MARKETSYNC_HOME"] = str(made.folder / "home")
    workspace = ["-w", str(CHECKOUT / "workspace.yaml")]
    program = [sys.executable, "-m", "dagster"]
    subprocess.run(
        [*program, "sensor", "start", "new_extract", *workspace],
        check=True, cwd=CHECKOUT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    with (made.folder / "daemon.log").open("wb") as log:
        daemon = subprocess.Popen(
            [sys.executable, "-m", "dagster._daemon", "run", *workspace],
            cwd=CHECKOUT, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        try:
            yield
        finally:
            _stop(daemon)


def _stop(process: subprocess.Popen[bytes], grace_s: float = 15.0) -> None:
    """Ask the whole group, wait, then kill it: the daemon's code servers are in it too."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(grace_s)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
