"""The long proofs: `python -m marketsync_dagster_tests.chaos [--only PART] [--seed S]`.

Each part has a line per case, and the exit code is 1 if anything was lost: `points`, a SIGKILL at
every named point on every platform and engine; `random`, kills at random moments while prices move
up and back; `machine`, random days of a channel (`proof.days`); `limiter`, four processes that call
one account for more than a minute; `ordinary`, 200 days with promotions, which the guard lets pass;
`orders`, `order_random` and `order_machine`, the same of orders: nothing lost, nothing twice.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from marketsync_dagster.ledger.engine import open_ledger
from marketsync_dagster_tests.faults import kills, limiter, points
from marketsync_dagster_tests.faults.order_points import ORDER_POINTS
from marketsync_dagster_tests.faults.order_random import storm
from marketsync_dagster_tests.faults.order_scenes import kill_orders_and_mend
from marketsync_dagster_tests.faults.scenes import ANY_CHANGE, Mended, kill_and_mend
from marketsync_dagster_tests.ledgers import ENGINES, Engine
from marketsync_dagster_tests.projects import (
    FULL,
    MIRAKL,
    PLATFORMS,
    TestBed,
    make_project,
    repriced,
    some_rows,
)
from marketsync_dagster_tests.push import ordinary
from marketsync_dagster_tests.sandbox_process import SandboxProcess

ROWS = some_rows(60)
PUSH_S = 0.25
"""A push of this size takes about as long, at the sandbox's delay."""
DELAY_MS = 25
BATCH = 4
PATIENCE_S = 10.0
KILLS_PER_ROUND = 2
PARTS = (
    *("points", "random", "machine", "limiter", "ordinary"),
    *("orders", "order_random", "order_machine"),
)


# --- named points


def kill_at_every_point(sandbox: SandboxProcess) -> list[str]:
    """Each point on each platform and engine, and back to the old prices where that is harder;
    prints a line for each and returns what was lost."""
    print(f"{'point':24} {'platform':11} {'engine':11} {'killed':>6} {'lost':>5} {'stale':>5}")
    total, faults = 0, []
    for point, platform in points.cases():
        for engine in ENGINES:
            ends = [
                _kill(point, sandbox, platform, engine, back=back)
                for back in ((False, True) if point.told else (False,))
            ]
            killed, lost = sum(end is not None for end in ends), 0
            stale = sum(len(end.stale) for end in ends if end)
            lost = sum(len(end.lost) for end in ends if end)
            print(f"{point!s:24} {platform:11} {engine:11} {killed:6} {lost:5} {stale:5}")
            total += killed
            wheres = f"{point} on {platform}, {engine}"
            faults += [f"{wheres}: {end}" for end in ends if end is None or not end.clean]
    named = {point.name for point in (*points.POINTS, *points.IMPORT_POINTS)}
    print(f"{len(named)} points by name, {total} kills, {len(faults)} faults\n")
    return faults


def _kill(
    point: points.Point, sandbox: SandboxProcess, platform: str, engine: Engine, *, back: bool
) -> Mended | None:
    """None: the run was not killed there."""
    sandbox.reset()
    with tempfile.TemporaryDirectory() as folder:
        try:
            return kill_and_mend(point, Path(folder), sandbox, platform, engine, back=back)
        except AssertionError as error:
            print(f"  {error}")
            return None


# --- random moments


@dataclass(slots=True)
class Chaos:
    """What random kills came to on one platform and engine."""

    platform: str
    runs: int = 0
    killed: int = 0
    interrupted: int = 0
    """Pushes that a kill left open."""
    lost: list[str] = field(default_factory=list)


def torment(bed: TestBed, platform: str, kills_wanted: int, rng: random.Random) -> Chaos:
    """Kill `kills_wanted` runs, each after a random time, with a clean run after every few.

    Most are killed while they push, the others at any moment. A run that was quicker than its
    end does not count. `bed` has been pushed once and its guard lets all prices move.
    """
    chaos = Chaos(platform)
    bed.sandbox.settings(delay_ms=DELAY_MS)
    while chaos.killed < kills_wanted:
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
        if chaos.runs > 4 * kills_wanted + 20:
            chaos.lost.append(f"only {chaos.killed} of {chaos.runs} runs were killed in time")
            break
    chaos.interrupted = sum(push["state"] == "interrupted" for push in bed.pushes())
    return chaos


def prepare(
    folder: Path, sandbox: SandboxProcess, platform: str, engine: Engine = "sqlite"
) -> TestBed:
    """A project whose prices are shown and may all move."""
    bed = make_project(
        folder,
        sandbox,
        rows=ROWS,
        platforms=[platform],
        batch=BATCH,
        guard=ANY_CHANGE,
        engine=engine,
    )
    result = bed.sync(platform, FULL).one
    if not result.ok:
        raise AssertionError(f"the first push failed: {result}")
    return bed


def kill_at_random_moments(sandbox: SandboxProcess, wanted: int, seed: int) -> list[str]:
    """`wanted` kills, spread over platforms and engines; what was lost."""
    platforms = (*PLATFORMS, MIRAKL)
    each = -(-wanted // (len(platforms) * len(ENGINES)))
    print(
        f"{'random moments':24} {'platform':11} {'engine':11} {'killed':>6} {'lost':>5} "
        f"{'cut pushes':>10} {'seconds':>8}"
    )
    faults: list[str] = []
    for platform in platforms:
        for engine in ENGINES:
            sandbox.reset()
            started = time.monotonic()
            with tempfile.TemporaryDirectory() as folder:
                bed = prepare(Path(folder), sandbox, platform, engine)
                chaos = torment(bed, platform, each, random.Random(f"{seed} {engine}"))
            print(
                f"{f'seed {seed}':24} {platform:11} {engine:11} {chaos.killed:6} "
                f"{len(chaos.lost):5} {chaos.interrupted:10} {time.monotonic() - started:8.1f}"
            )
            faults += [f"{platform}, {engine}: {words}" for words in chaos.lost]
    print()
    return faults


# --- random days


def live_random_days(steps: int, seed: int) -> list[str]:
    """`steps` steps of the state machine; what broke."""
    from marketsync_dagster_tests.proof.days import live

    print("random days of a channel: edits, faults, kills, foreign hands, decisions, pauses")
    return live(steps, seed)


def live_order_days(days: int, seed: int) -> list[str]:
    """`days` random days of orders; what broke."""
    from marketsync_dagster_tests.proof.order_machine import live_days

    return live_days(days, seed)


def call_as_often_as_allowed(sandbox: SandboxProcess) -> list[str]:
    """Four processes on one account, over a real minute: the calls as the sandbox counts them."""
    faults: list[str] = []
    for engine in ENGINES:
        sandbox.reset()
        with tempfile.TemporaryDirectory() as folder:
            bed = make_project(
                Path(folder), sandbox, rows=some_rows(5), platforms=["pasons"], engine=engine
            )
            times = limiter.calls_of(bed, each=15, per_window=40)
        most, seconds = limiter.most_within(times, 60.0), times[-1] - times[0]
        print(
            f"limiter on {engine}: {len(times)} calls in {seconds:.1f} s, at most {most} a minute"
        )
        if most > 40:
            faults.append(f"{engine}: {most} calls in a minute, 40 are allowed")
        if seconds > 75:
            faults.append(f"{engine}: {seconds:.0f} s, 61 would do")
    return faults


def live_through_ordinary_days(days: int, seed: int) -> list[str]:
    """Under one plan in a hundred is held."""
    with tempfile.TemporaryDirectory() as folder:
        ledger = open_ledger(f"sqlite:///{folder}/ledger.db")
        try:
            told = ordinary.live_through(days, seed, ledger)
        finally:
            ledger.close()
    print(told)
    held = told.held >= ordinary.MOST_HELD * told.plans
    return [f"{told.held} of {told.plans} plans were held"] if held else []


# --- orders


def kill_orders_at_every_point(sandbox: SandboxProcess) -> list[str]:
    """Each moment on each engine; prints a line for each and returns what was lost or doubled."""
    print(
        f"{'orders':15} {'point':36} {'engine':11} {'killed':>6} {'runs':>5} {'lost':>5} "
        f"{'doubled':>8} {'wrong':>6}"
    )
    total, faults = 0, []
    for point in ORDER_POINTS:
        for engine in ENGINES:
            sandbox.reset()
            with tempfile.TemporaryDirectory() as folder:
                try:
                    end = kill_orders_and_mend(point, Path(folder), sandbox, engine)
                except AssertionError as error:
                    faults.append(f"{point.scene}, {point}, {engine}: {error}")
                    print(f"{point.scene:15} {point!s:36} {engine:11} {0:6}  {error}")
                    continue
            total += 1
            print(
                f"{point.scene:15} {point!s:36} {engine:11} {1:6} {end.runs:5} {len(end.lost):5} "
                f"{len(end.doubled):8} {len(end.wrong):6}",
                flush=True,
            )
            if not end.clean:
                faults.append(f"{point.scene}, {point}, {engine}: {end}")
    print(f"{len(ORDER_POINTS)} moments, {total} kills, {len(faults)} faults\n")
    return faults


def kill_orders_at_random_moments(sandbox: SandboxProcess, wanted: int, seed: int) -> list[str]:
    """`wanted` kills over both engines while the world moves; what was lost, doubled or wrong."""
    faults: list[str] = []
    for engine in ENGINES:
        sandbox.reset()
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            rng = random.Random(f"{seed} {engine}")
            end = storm(Path(folder), sandbox, -(-wanted // len(ENGINES)), rng, engine)
        judged = end.judged
        print(
            f"random kills of orders, seed {seed}, {engine}: {end.killed} kills of {end.runs} "
            f"runs, {end.orders} orders, {end.cancelled} cancelled by customers, people asked "
            f"{sum(end.asked.values())}; lost {len(judged.lost)}, doubled {len(judged.doubled)}, "
            f"wrong {len(judged.wrong)}, {time.monotonic() - started:.0f} s",
            flush=True,
        )
        faults += [f"{engine}: {w}" for w in judged.faults]
    return faults


def main() -> int:
    """All parts, or one; 0 if nothing was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=PARTS, default=None)
    parser.add_argument("--kills", type=int, default=300, help="at random moments, in all")
    parser.add_argument("--steps", type=int, default=10_000, help="of the state machine")
    parser.add_argument("--days", type=int, default=200, help="ordinary ones")
    parser.add_argument("--order-kills", type=int, default=500, help="of runs of orders")
    parser.add_argument("--order-days", type=int, default=60, help="random ones of orders")
    parser.add_argument("--seed", type=int, default=None)
    asked = parser.parse_args()
    seed = asked.seed if asked.seed is not None else random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    with SandboxProcess() as sandbox:
        parts: dict[str, Callable[[], list[str]]] = {
            "points": lambda: kill_at_every_point(sandbox),
            "random": lambda: kill_at_random_moments(sandbox, asked.kills, seed),
            "machine": lambda: live_random_days(asked.steps, seed),
            "limiter": lambda: call_as_often_as_allowed(sandbox),
            "ordinary": lambda: live_through_ordinary_days(asked.days, seed),
            "orders": lambda: kill_orders_at_every_point(sandbox),
            "order_random": lambda: kill_orders_at_random_moments(sandbox, asked.order_kills, seed),
            "order_machine": lambda: live_order_days(asked.order_days, seed),
        }
        faults = [
            f"{name}: {words}"
            for name, part in parts.items()
            if asked.only in (None, name)
            for words in part()
        ]
    for words in faults:
        print(words, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
