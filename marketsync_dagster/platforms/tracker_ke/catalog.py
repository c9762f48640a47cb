"""Reading Tracker KE's catalogue to its end although it moves while it is read.

`GET /products` sorts nothing and pages by offset (contract section 2.6, item 5): while others add
or remove products, a page may repeat some and skip others. So products are taken once each by id,
the end is believed only where the platform says so and shows it, and a total that moved, or that
was not reached, costs one more pass.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from marketsync_dagster.platforms.answers import Readable
from marketsync_dagster.platforms.base import Answer, Call, CatalogPage, Pace, PlatformError
from marketsync_dagster.platforms.bodies import lookup
from marketsync_dagster.platforms.tracker_ke.results import catalog_row
from marketsync_dagster.values.outcomes import Outcome

PAGE = 100
"""The most that the platform gives at once."""
PASSES = 2
_AGAIN = frozenset({Outcome.RETRYABLE, Outcome.UNKNOWN})

Fetch = Callable[[dict[str, str]], Awaitable[Answer | Readable]]


@dataclass(frozen=True, slots=True)
class RetryRules:
    """How often a page is tried; the figures are those of the account's `retry`."""

    attempts: int = 3
    base_s: float = 1.0
    cap_s: float = 60.0
    budget_s: float = 300.0
    retry_after_cap_s: float = 300.0


@dataclass(slots=True)
class _Reading:
    """One read of the catalogue on its way."""

    fetch: Fetch
    search: str | None
    retry: RetryRules
    pace: Pace | None
    until: float
    """On the monotonic clock: no wait goes beyond it."""
    seen: set[str] = field(default_factory=set)
    calls: list[Call] = field(default_factory=list)
    """Attempts not yet handed out with a page."""


async def pages(
    fetch: Fetch, search: str | None, retry: RetryRules, pace: Pace | None
) -> AsyncIterator[CatalogPage]:
    """All pages, each product once; PlatformError where one cannot be read."""
    reading = _Reading(fetch, search, retry, pace, time.monotonic() + retry.budget_s)
    for _ in range(PASSES):
        totals: set[int | None] = set()
        offset, going = 0, True
        while going:
            data = await _page(reading, offset)
            listed = data["products"]
            total = lookup(data, "pagination.total")
            total = total if isinstance(total, int) else None
            totals.add(total)
            rows = _new_rows(listed, reading.seen)
            calls, reading.calls = tuple(reading.calls), []
            yield CatalogPage(rows, total, calls)
            offset += len(listed)
            more = lookup(data, "pagination.has_more")
            # an empty page is the end, whatever it says of itself
            going = bool(listed) and not (more is False and len(listed) < PAGE)
        last = max((total for total in totals if total is not None), default=0)
        if len(totals) == 1 and len(reading.seen) >= last:
            return


def _new_rows(listed: list[Any], seen: set[str]) -> list[dict[str, str | None]]:
    rows: list[dict[str, str | None]] = []
    for product in listed:
        row = catalog_row(product)
        platform_id = row["platform_id"] if row else None
        if row is not None and platform_id is not None and platform_id not in seen:
            seen.add(platform_id)
            rows.append(row)
    return rows


async def _page(reading: _Reading, offset: int) -> dict[str, Any]:
    """The `data` of one page, tried as often as the account says."""
    params = {"limit": str(PAGE), "offset": str(offset)}
    if reading.search:
        params["search"] = reading.search
    attempt = 1
    while True:
        if reading.pace is not None:
            await reading.pace()
        said = await reading.fetch(params)
        reading.calls.append(said.call)
        if isinstance(said, Readable):
            data = lookup(said.document, "data")
            if isinstance(data, dict) and isinstance(data.get("products"), list):
                return data
            said = Answer(
                said.call,
                outcome=Outcome.REFUSED,
                message="the answer is not a page of products; is base_url right?",
            )
        outcome = said.outcome or Outcome.REFUSED
        wait = said.retry_after_s
        if wait is None:
            ceiling = min(reading.retry.cap_s, reading.retry.base_s * 2 ** (attempt - 1))
            wait = random.uniform(0, ceiling)  # noqa: S311
        late = time.monotonic() + wait > reading.until
        if outcome not in _AGAIN or attempt >= reading.retry.attempts or late:
            raise PlatformError(
                f"the catalogue cannot be read at product {offset}: {said.message}",
                outcome=outcome,
                calls=reading.calls,
                retry_after_s=said.retry_after_s,
            )
        attempt += 1
        await asyncio.sleep(wait)
