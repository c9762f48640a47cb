"""100,000 changed prices to Pasons: the whole push, against a bare client with the same payloads.

Ours has every acknowledgement in the SQLite ledger when it returns: listings, events, batches and
calls. The bare client remembers nothing. Both send the same bytes over eight connections to a
sandbox that waits 50 ms before each answer; they take turns.
"""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections import deque

import httpx

from benchmarks.figures import Figure
from benchmarks.pipeline import StageFailedError, up_to_feed
from benchmarks.world import World, world
from marketsync_dagster.ledger.listings import load_listings
from marketsync_dagster.platforms.registry import open_adapter
from marketsync_dagster.push.columns import Columns
from marketsync_dagster.push.plan import PlanOptions, rows_from_parquet
from marketsync_dagster.stages.channel_run import ChannelRun
from marketsync_dagster.stages.listings import plan_outlets, push_plans
from marketsync_dagster.stages.project import Project, open_project

ROWS = 100_000
BATCH = 500
CONNECTIONS = 8
DELAY_MS = 50
PLATFORM = "pasons"
OPTIONS = PlanOptions(mode="full")
GOAL = 1.15


async def bare(url: str, headers: dict[str, str], payloads: list[bytes]) -> None:
    """What anybody would write: eight workers, one client, payloads ready, nothing kept."""
    queue = deque(payloads)
    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    async with httpx.AsyncClient(limits=limits, headers=headers, timeout=30) as client:

        async def worker() -> None:
            while queue:
                response = await client.post(url, content=queue.popleft())
                response.raise_for_status()

        await asyncio.gather(*(worker() for _ in range(CONNECTIONS)))


def ours(project: Project, planned: list[ChannelRun]) -> list[ChannelRun]:
    """What a run does: lease, plan, adapter, intents, requests, answers, acknowledgements."""
    return push_plans(project, PLATFORM, planned, OPTIONS)


def measure(runs: int) -> list[Figure]:
    """`runs` pairs after one of each to warm up (that one also lists the rows for the first time).

    Making the plan is not part of the push; its time is given apart.
    """
    options = ("--delay-ms", str(DELAY_MS), "--no-quota")
    with world(*options, skus=ROWS, platforms=[PLATFORM], concurrency=CONNECTIONS) as made:
        project = open_project(settings=made.settings())
        ratios: list[float] = []
        raw: dict[str, list[float]] = {"bare_s": [], "ours_s": [], "plan_s": [], "ours_cpu_s": []}
        for turn in range(runs + 1):
            plan_s, planned = _plan(project, made)
            payloads = asyncio.run(_payloads(project, planned[0]))
            gc.collect()
            ours_s, cpu_s = _time_ours(project, planned, made)
            bare_s = _time_bare(made, payloads)
            if turn == 0:
                continue
            ratios.append(ours_s / bare_s)
            for name, value in zip(raw, (bare_s, ours_s, plan_s, cpu_s), strict=True):
                raw[name].append(value)
        project.ledger.close()
    plan_s = sorted(raw["plan_s"])[len(raw["plan_s"]) // 2]
    return [
        Figure(
            "push",
            f"{ROWS:,} changed prices, batches of {BATCH}, {CONNECTIONS} connections, quota off, "
            f"{DELAY_MS} ms server delay: wall time until every acknowledgement is durable / bare "
            "httpx client with the same payloads",
            ratios,
            GOAL,
            raw=dict(raw),
            notes=[f"making the plan, before the push and not in the ratio: {plan_s:.2f} s"],
            ours=ours,
            bare=bare,
        )
    ]


def _plan(project: Project, made: World) -> tuple[float, list[ChannelRun]]:
    """New prices for all rows, and the plan to send them; the plan's seconds."""
    made.change(ROWS)
    made.write_extracts()
    up_to_feed(project, made.outlets, [PLATFORM])
    started = time.perf_counter()
    planned = plan_outlets(project, PLATFORM, made.outlets, OPTIONS)
    seconds = time.perf_counter() - started
    if planned[0].counts.get("sent") != ROWS:
        raise StageFailedError(f"{ROWS} rows were to change: {planned[0]}")
    return seconds, planned


async def _payloads(project: Project, planned: ChannelRun) -> list[bytes]:
    """The bodies that the push of this plan sends, taken from our adapter."""
    from marketsync_dagster.ledger.plans import get_plan
    from marketsync_dagster.platforms.pasons.adapter import PasonsAdapter

    columns = Columns.of(rows_from_parquet(get_plan(project.ledger, planned.plan_id).rows))
    channel = project.settings.channels[0]
    adapter = open_adapter(project.settings, channel.account, channel=channel)
    assert isinstance(adapter, PasonsAdapter)
    return [
        adapter._writer.body(columns.items(range(first, first + BATCH)))
        for first in range(0, ROWS, BATCH)
    ]


def _time_ours(project: Project, planned: list[ChannelRun], made: World) -> tuple[float, float]:
    cpu, started = time.process_time(), time.perf_counter()
    pushed = ours(project, planned)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    done = pushed[0]
    if sum(done.outcomes.values()) != ROWS or done.calls != ROWS // BATCH:
        raise StageFailedError(f"not everything was sent: {done}")
    known = load_listings(project.ledger, made.outlets[0], PLATFORM)
    if known["ack_price_minor"].tolist() != made.cents:
        raise StageFailedError("not every acknowledgement is in the ledger")
    return seconds, cpu


def _time_bare(made: World, payloads: list[bytes]) -> float:
    outlet = made.outlets[0]
    url = f"{made.sandbox.pasons_url(outlet)}/v1/inventory"
    key = os.environ[f"MARKETSYNC_BENCH_PASONS_{outlet}".upper()]
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    started = time.perf_counter()
    asyncio.run(bare(url, headers, payloads))
    return time.perf_counter() - started
