"""10,000 orders from Mirakl: the whole pull, against a client that only turns the pages.

Ours has every order in the ledger when it returns: its document as it came, its lines, its history,
and the cursor behind them. The bare client reads the same pages and remembers nothing. They take
turns at going first; each of our pulls has a new ledger, on SQLite. The server is the sandbox,
which waits 50 ms before each answer; `pull_postgres` and `pull_no_delay` change one of the two.
"""

from __future__ import annotations

import gc
import json
import os
import time
from collections.abc import Callable
from statistics import median

import httpx
from sqlalchemy import func, select

from benchmarks.figures import Figure
from benchmarks.pipeline import StageFailedError, up_to_feed
from benchmarks.world import SHOP_ID, World, offer_names, world
from marketsync_dagster.ledger.order_tables import order_event, order_line, order_raw, orders
from marketsync_dagster.stages.order_pull import pull_orders
from marketsync_dagster.stages.project import Project, open_project

ORDERS = 10_000
LINES = 2
SKUS = 100
PAGE = 100
DELAY_MS = 50
PLATFORM = "mirakl"
GOAL = 1.5
PULLED = f"{ORDERS:,} new orders of {LINES} lines, pages of {PAGE}, quota and intervals off"
MEASURED = "wall time until every order is durable / bare httpx client that reads the same pages"

NewLedger = Callable[[World, int], Project]


def bare(url: str, key: str) -> int:
    """What anybody would write: one client, page after page, JSON read; returns the orders."""
    seen = 0
    with httpx.Client(headers={"Authorization": key}, timeout=30) as client:
        while True:
            query = {"max": PAGE, "offset": seen, "shop_id": SHOP_ID}
            response = client.get(f"{url}/orders", params={**query, "sort": "dateCreated"})
            response.raise_for_status()
            page = json.loads(response.content)
            seen += len(page["orders"])
            if seen >= page["total_count"]:
                return seen


def ours(project: Project) -> dict[str, int | float]:
    """What a run does: lease, pages, documents kept, orders, lines, events, cursor."""
    (done,) = pull_orders(project, PLATFORM)
    return done.numbers


def measure(runs: int) -> list[Figure]:
    """`runs` pairs against the sandbox."""
    raw = pairs(runs, on_sqlite, "--delay-ms", str(DELAY_MS))
    what = f"{PULLED}, {DELAY_MS} ms server delay: {MEASURED}"
    return [figure("pull", what, raw, GOAL)]


def on_sqlite(made: World, turn: int) -> Project:
    """A project with a ledger of its own."""
    return open_project(settings=made.settings(f"home{turn}"))


def figure(name: str, what: str, raw: dict[str, list[float]], goal: float) -> Figure:
    """The figure of such pairs."""
    middle = {side: median(found) for side, found in raw.items()}
    return Figure(
        name,
        what,
        [ours_s / bare_s for ours_s, bare_s in zip(raw["ours_s"], raw["bare_s"], strict=True)],
        goal,
        raw=dict(raw),
        notes=[
            "ours {ours_s:.2f} s ({ours_cpu_s:.2f} core seconds), the bare client {bare_s:.2f} s "
            "({bare_cpu_s:.2f} core seconds)".format(**middle)
        ],
        ours=ours,
        bare=bare,
    )


def pairs(runs: int, new_ledger: NewLedger, *options: str) -> dict[str, list[float]]:
    """`runs` pairs after one of each to warm up."""
    raw: dict[str, list[float]] = {"bare_s": [], "ours_s": [], "bare_cpu_s": [], "ours_cpu_s": []}
    account = {"orders": {}, "calls": {"orders_s": 0}, "shop_id": SHOP_ID}
    with world(*options, "--no-quota", skus=SKUS, platforms=[PLATFORM], mirakl=account) as made:
        made.sandbox.generate_orders(
            SHOP_ID, ORDERS, lines=LINES, skus=offer_names(made), seed=1, age_s=3 * 3600, step_s=1
        )
        for turn in range(runs + 1):
            first = time_bare(made) if turn % 2 else None
            project = new_ledger(made, turn)
            up_to_feed(project, made.outlets, [PLATFORM])  # the products that are sold
            ours_s, ours_cpu_s = time_ours(project)
            bare_s, bare_cpu_s = first or time_bare(made)
            if turn:
                for name, value in zip(raw, (bare_s, ours_s, bare_cpu_s, ours_cpu_s), strict=True):
                    raw[name].append(value)
    return raw


def time_ours(project: Project) -> tuple[float, float]:
    """Wall and core seconds of one pull; it is an error if not everything is in the ledger."""
    gc.collect()
    cpu, started = time.process_time(), time.perf_counter()
    numbers = ours(project)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    with project.ledger.read() as conn:
        tables = (orders, order_raw, order_line, order_event)
        there = [
            conn.execute(select(func.count()).select_from(table)).scalar_one() for table in tables
        ]
    project.ledger.close()
    fewest = [ORDERS, ORDERS, ORDERS * LINES, ORDERS]
    if numbers["created"] != ORDERS or there[:3] != fewest[:3] or there[3] < ORDERS:
        raise StageFailedError(f"not everything was pulled: {numbers}, rows {there}")
    return seconds, cpu


def time_bare(made: World) -> tuple[float, float]:
    """Wall and core seconds of the bare client."""
    account = made.settings().accounts["shop"]
    key = os.environ["MARKETSYNC_BENCH_MIRAKL_SHOP"]
    gc.collect()
    cpu, started = time.process_time(), time.perf_counter()
    seen = bare(account.base_url, key)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    if seen != ORDERS:
        raise StageFailedError(f"the bare client read {seen} orders")
    return seconds, cpu
