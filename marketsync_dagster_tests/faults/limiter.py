"""Processes that call one account as fast as its quota lets them, counted where the calls arrive.

`calls_of` starts them; `most_within` counts. The window is a minute in production; shorter ones
are for tests that cannot wait.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal
from functools import partial

from marketsync_dagster.config.settings import Quota
from marketsync_dagster.ledger import quota
from marketsync_dagster.platforms.base import PriceItem, StockStatus
from marketsync_dagster.platforms.registry import open_adapter
from marketsync_dagster.push import pacing
from marketsync_dagster.push.pacing import Pacer, Stop
from marketsync_dagster_tests.faults import kills
from marketsync_dagster_tests.projects import Place, TestBed, account_name

PROCESSES = 4
ACCOUNT = account_name("pasons", "westlands")
PATIENCE_S = 200.0


def calls_of(
    bed: TestBed,
    each: int,
    per_window: int,
    window_ms: int = quota.WINDOW_MS,
    margin_ms: int = quota.MARGIN_MS,
) -> list[float]:
    """When `each` calls of every process arrived at the sandbox, in seconds, sorted."""
    before = bed.sandbox.last_request()
    start = kills.context().Event()
    children = [
        kills.context().Process(
            target=_call,
            args=(bed.place, number, each, per_window, window_ms, margin_ms, start),
            daemon=True,
        )
        for number in range(PROCESSES)
    ]
    for child in children:
        child.start()
    start.set()
    for child in children:
        child.join(PATIENCE_S)
        assert child.exitcode == 0, f"a process ended with {child.exitcode}"
    arrived = [call for call in bed.writes(before) if call["status"] != 0]
    assert [call["status"] for call in arrived] == [200] * (PROCESSES * each)
    return sorted(call["time"] for call in arrived)


def most_within(times: list[float], seconds: float) -> int:
    """The greatest number of `times` in any half-open stretch of so many seconds."""
    return max(sum(start <= at < start + seconds for at in times) for start in times)


def _call(
    place: Place,
    number: int,
    each: int,
    per_window: int,
    window_ms: int,
    margin_ms: int,
    start: object,
) -> None:
    pacing.slots.ask = partial(quota.ask, window_ms=window_ms, margin_ms=margin_ms)
    start.wait()  # pyright: ignore[reportAttributeAccessIssue]
    asyncio.run(_send(place, number, each, per_window))


async def _send(place: Place, number: int, each: int, per_window: int) -> None:
    """Two workers per process, as a push has them, each call after its slot."""
    project = place.open()
    channel = project.settings.channel("westlands", "pasons")
    assert channel is not None
    pacer = Pacer(project.ledger, ACCOUNT, Quota(per_minute=per_window), Stop())
    await pacer.open()
    left = list(range(each))
    async with open_adapter(
        project.settings, ACCOUNT, channel=channel, secrets=project.secrets
    ) as adapter:

        async def worker() -> None:
            while left:
                price = Decimal(1000 + 100 * number + left.pop())
                slot = await pacer.slot()
                sku = f"{number + 1:05}"
                await adapter.send(
                    [PriceItem(sku, sku, price, "KES", StockStatus.IN_STOCK, 5)], single=True
                )
                await pacer.answered(slot)

        await asyncio.gather(worker(), worker())
    project.ledger.close()
