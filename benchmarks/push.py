"""100,000 changed prices to Pasons: the whole push, against a bare client with the same payloads.

Ours has every acknowledgement in the ledger when it returns: listings, events, batches and calls.
The bare client remembers nothing. Both send the same bytes over eight connections; they take
turns at going first. Here the ledger is SQLite and the server the sandbox, which waits 50 ms
before each answer; `push_postgres` and `push_no_delay` change one of the two.
"""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections import deque
from statistics import median

import httpx

from benchmarks.figures import Figure
from benchmarks.pipeline import StageFailedError, up_to_feed
from benchmarks.world import World, world
from marketsync_dagster.config.accounts import PasonsAccount
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
SENT = f"{ROWS:,} changed prices, batches of {BATCH}, {CONNECTIONS} connections, quota off"
MEASURED = (
    "wall time until every acknowledgement is durable / bare httpx client with the same payloads"
)


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
    """`runs` pairs against the sandbox."""
    options = ("--delay-ms", str(DELAY_MS), "--no-quota")
    with world(*options, skus=ROWS, platforms=[PLATFORM], concurrency=CONNECTIONS) as made:
        raw = pairs(made, runs)
    what = f"{SENT}, {DELAY_MS} ms server delay: {MEASURED}"
    return [figure("push", what, raw, GOAL)]


def figure(name: str, what: str, raw: dict[str, list[float]], goal: float) -> Figure:
    """The figure of such pairs."""
    return Figure(
        name,
        what,
        [ours_s / bare_s for ours_s, bare_s in zip(raw["ours_s"], raw["bare_s"], strict=True)],
        goal,
        raw=dict(raw),
        notes=[
            "ours {ours_s:.2f} s ({ours_cpu_s:.2f} core seconds), the bare client {bare_s:.2f} s "
            "({rate:.0f} requests/s); making the plan, before the push and not in the ratio, "
            "{plan_s:.2f} s".format(
                **{side: median(found) for side, found in raw.items()},
                rate=ROWS / BATCH / median(raw["bare_s"]),
            )
        ],
        ours=ours,
        bare=bare,
    )


def pairs(made: World, runs: int) -> dict[str, list[float]]:
    """`runs` pairs after one of each to warm up (that one also lists the rows for the first time).

    Making the plan is not part of the push; its time is given apart.
    """
    project = open_project(settings=made.settings())
    raw: dict[str, list[float]] = {"bare_s": [], "ours_s": [], "plan_s": [], "ours_cpu_s": []}
    for turn in range(runs + 1):
        plan_s, planned = make_plan(project, made)
        payloads = asyncio.run(payloads_of(project, planned[0]))
        bare_s = time_bare(project, made, payloads) if turn % 2 else 0.0
        ours_s, cpu_s = time_ours(project, planned, made)
        bare_s = bare_s or time_bare(project, made, payloads)
        if turn == 0:
            continue
        for name, value in zip(raw, (bare_s, ours_s, plan_s, cpu_s), strict=True):
            raw[name].append(value)
    project.ledger.close()
    return raw


def make_plan(
    project: Project, made: World, *, change: bool = True
) -> tuple[float, list[ChannelRun]]:
    """New prices for all rows, and the plan to send them; the plan's seconds.

    With `change` off the prices have been changed before.
    """
    if change:
        made.change(ROWS)
    made.write_extracts()
    up_to_feed(project, made.outlets, [PLATFORM])
    started = time.perf_counter()
    planned = plan_outlets(project, PLATFORM, made.outlets, OPTIONS)
    seconds = time.perf_counter() - started
    if planned[0].counts.get("sent") != ROWS:
        raise StageFailedError(f"{ROWS} rows were to change: {planned[0]}")
    return seconds, planned


async def payloads_of(project: Project, planned: ChannelRun) -> list[bytes]:
    """The bodies that the push of this plan sends, taken from our adapter."""
    from marketsync_dagster.ledger.plans import get_plan
    from marketsync_dagster.platforms.pasons.adapter import PasonsAdapter

    columns = Columns.of(rows_from_parquet(get_plan(project.ledger, planned.plan_id).rows))
    channel = project.settings.channels[0]
    adapter = open_adapter(
        project.settings, channel.account, channel=channel, secrets=project.secrets
    )
    assert isinstance(adapter, PasonsAdapter)
    writer = adapter._usual.writer
    return [
        writer.body(columns.items(range(first, first + BATCH))) for first in range(0, ROWS, BATCH)
    ]


def time_ours(project: Project, planned: list[ChannelRun], made: World) -> tuple[float, float]:
    """Wall and core seconds of one push; it is an error if not everything arrived."""
    gc.collect()
    cpu, started = time.process_time(), time.perf_counter()
    pushed = ours(project, planned)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    done = pushed[0]
    if done.outcomes != {"applied": ROWS} or done.calls != ROWS // BATCH:
        raise StageFailedError(f"not everything was sent: {done}")
    known = load_listings(project.ledger, made.outlets[0], PLATFORM)
    if known["ack_price_minor"].tolist() != made.cents:
        raise StageFailedError("not every acknowledgement is in the ledger")
    return seconds, cpu


def time_bare(project: Project, made: World, payloads: list[bytes]) -> float:
    """Wall seconds of the bare client."""
    account = project.settings.accounts[project.settings.channels[0].account]
    assert isinstance(account, PasonsAccount)
    key = os.environ[f"MARKETSYNC_BENCH_PASONS_{made.outlets[0]}".upper()]
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    gc.collect()
    started = time.perf_counter()
    asyncio.run(bare(account.base_url + account.request.path, headers, payloads))
    return time.perf_counter() - started
