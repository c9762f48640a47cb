"""Random kills, many times: `python -m marketsync_dagster_tests.chaos [--runs N] [--seed S]`.

A run is killed at a random moment, again and again, while prices move up and back; then one clean
run must make the platform show the feed. Prints a table and exits 1 if anything was lost.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from marketsync_dagster_tests.faults import kills
from marketsync_dagster_tests.projects import (
    FULL,
    PLATFORMS,
    TestBed,
    make_project,
    repriced,
    some_rows,
)
from marketsync_dagster_tests.sandbox_process import SandboxProcess

ROWS = some_rows(60)
PUSH_S = 0.25
"""A push of this size takes about as long, at the sandbox's delay."""
DELAY_MS = 25
BATCH = 4
PATIENCE_S = 10.0
KILLS_PER_ROUND = 2


@dataclass(slots=True)
class Chaos:
    """What random kills came to on one platform."""

    platform: str
    runs: int = 0
    killed: int = 0
    interrupted: int = 0
    """Pushes that a kill left open."""
    lost: list[str] = field(default_factory=list)


def torment(bed: TestBed, platform: str, runs: int, rng: random.Random) -> Chaos:
    """Start `runs` runs and kill each after a random time, with a clean run after every few.

    Most are killed while they push, the others at any moment.

    `bed` has been pushed once and its guard lets all prices move.
    """
    chaos = Chaos(platform)
    bed.sandbox.settings(delay_ms=DELAY_MS)
    while chaos.runs < runs:
        for _ in range(KILLS_PER_ROUND):
            step = rng.choice([0, 1, 2, 3])  # also back to where it was
            moved = rng.sample(range(len(ROWS)), 40)
            rows = repriced(ROWS, lambda price, step=step: price + step)
            bed.write_extract([rows[i] if i in moved else ROWS[i] for i in range(len(ROWS))])
            before = bed.sandbox.last_request()
            child = kills.start(bed.place, platform, bed.outlets)
            deadline = time.monotonic() + PATIENCE_S
            in_push = rng.random() < 0.8
            while in_push and bed.sandbox.last_request() == before:
                if child.exitcode is not None or time.monotonic() > deadline:
                    break
                time.sleep(0.01)
            child.join(rng.uniform(0, PUSH_S))
            child.kill()
            chaos.killed += kills.ended(child) == -signal.SIGKILL
            chaos.runs += 1
        if rng.random() < 0.5:
            bed.write_extract(ROWS)
        result = bed.sync(platform).one
        if not result.ok:
            chaos.lost.append(f"run {chaos.runs}: {result.state}: {result.reason}")
        differences = bed.differences(platform)
        if differences:
            chaos.lost.append(f"run {chaos.runs}: {len(differences)} rows differ")
        chaos.lost += [f"run {chaos.runs}: {wrong}" for wrong in bed.unaccounted()]
    chaos.interrupted = sum(push["state"] == "interrupted" for push in bed.pushes())
    return chaos


def prepare(folder: Path, sandbox: SandboxProcess, platform: str) -> TestBed:
    """A project whose prices are shown and may all move."""
    bed = make_project(
        folder,
        sandbox,
        rows=ROWS,
        platforms=[platform],
        batch=BATCH,
        guard={"max_changed_share": 1.0},
    )
    result = bed.sync(platform, FULL).one
    if not result.ok:
        raise AssertionError(f"the first push failed: {result}")
    return bed


def main() -> int:
    """Torment each platform; 0 if nothing was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200, help="kills per platform")
    parser.add_argument("--seed", type=int, default=None)
    asked = parser.parse_args()
    seed = asked.seed if asked.seed is not None else random.SystemRandom().randrange(10**6)
    print(f"seed {seed}; {asked.runs} random kills per platform")
    print(
        f"{'platform':12} {'runs':>6} {'killed':>7} {'cut pushes':>11} {'lost':>5} {'seconds':>8}"
    )
    lost: list[str] = []
    with SandboxProcess() as sandbox:
        for platform in PLATFORMS:
            sandbox.reset()
            started = time.monotonic()
            with tempfile.TemporaryDirectory() as folder:
                bed = prepare(Path(folder), sandbox, platform)
                chaos = torment(bed, platform, asked.runs, random.Random(seed))
            print(
                f"{platform:12} {chaos.runs:6} {chaos.killed:7} {chaos.interrupted:11} "
                f"{len(chaos.lost):5} {time.monotonic() - started:8.1f}"
            )
            lost += [f"{platform}: {words}" for words in chaos.lost]
    for words in lost:
        print(words, file=sys.stderr)
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
