"""Runs of orders that are killed at any moment, while the world moves: orders come, customers
cancel, tills answer, printers print, and people decide what they are asked."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from marketsync_dagster_tests.faults.kills import ended
from marketsync_dagster_tests.faults.order_judging import Judged, end, judge
from marketsync_dagster_tests.faults.order_kills import start_orders
from marketsync_dagster_tests.faults.order_world import OrderBed, make_world
from marketsync_dagster_tests.ledgers import Engine
from marketsync_dagster_tests.sandbox_process import SandboxProcess

LINES = ("westlands-SOAP", "westlands-RICE", "westlands-TEE-M", "kisumu-TEE-M", "kisumu-SPEC-M")
JUDGED_EVERY = 25
"""Kills between two looks at everything."""


@dataclass(slots=True)
class Storm:
    """What random kills came to."""

    runs: int = 0
    killed: int = 0
    orders: int = 0
    cancelled: int = 0
    asked: Counter[str] = field(default_factory=Counter)
    """What people were asked."""
    judged: Judged = field(default_factory=Judged)


def storm(
    folder: Path,
    sandbox: SandboxProcess,
    wanted: int,
    rng: random.Random,
    engine: Engine = "sqlite",
    tell: Callable[[str], object] = lambda _: None,
) -> Storm:
    """Kill `wanted` runs after random times, a clean run after every few; compare at the end."""
    bed, found = make_world(folder, sandbox, engine), Storm()
    bed.live()
    started = time.monotonic()
    ended(start_orders(bed.place))
    life_s = 1.2 * (time.monotonic() - started)
    judged_at = 0
    while found.killed < wanted and found.runs < 5 * wanted + 20:
        for _ in range(rng.randint(1, 3)):
            _world_moves(bed, found, rng)
            bed.time_passes()
            began = time.monotonic()
            child = start_orders(bed.place)
            child.join(rng.uniform(0.1, 1.0) * life_s)
            child.kill()
            killed = ended(child) == -signal.SIGKILL
            if not killed:  # it was quicker: the next one dies earlier
                life_s = 0.8 * life_s + 0.2 * (time.monotonic() - began)
            found.killed += killed
            found.runs += 1
            bed.till_takes()
            bed.shop_takes()
        bed.live()
        found.runs += 1
        if found.killed >= judged_at + JUDGED_EVERY:  # after a whole run: all that came is pulled
            judged_at = found.killed
            judge(bed, found.judged, ended=False)
            faults = len(found.judged.faults)
            tell(f"{found.killed} kills, {found.orders} orders, {faults} faults")
        life_s = min(life_s * 1.05, 5.0)
        found.asked.update(bed.people_decide())
        if found.judged.faults:
            break
    end(bed, found.judged, days=8, people=True)
    return found


def _world_moves(bed: OrderBed, found: Storm, rng: random.Random) -> None:
    """A while in the world."""
    for _ in range(rng.choice([0, 1, 1, 2])):
        found.orders += 1
        skus = rng.sample(LINES, rng.choice([1, 1, 2, 3]))
        bed.sell(f"A-{found.orders}", *((sku, rng.randint(1, 3)) for sku in skus))
    if rng.random() < 0.3:
        found.orders += 1
        skus = rng.sample(["SOAP", "RICE", "TEE-M"], rng.choice([1, 2]))
        bed.buy(f"web-{found.orders}", *((sku, 1) for sku in skus))
    if rng.random() < 0.1:
        open_ = [
            name
            for name, shown in bed.sandbox.mirakl_orders().items()
            if shown["state"] in ("WAITING_ACCEPTANCE", "SHIPPING")
        ]
        if open_:
            bed.sandbox.change_order(rng.choice(open_), cancel=True)
            found.cancelled += 1
    if rng.random() < 0.5:
        bed.printers_print(rng.choice([1, 2, 6]))
    if rng.random() < 0.4:
        bed.till_answers()
