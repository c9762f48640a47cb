"""Reading Tracker KE's catalogue to its end although it moves while it is read.

`GET /products` sorts nothing and pages by offset (contract section 2.6, item 5): while others add
or remove products, a page may repeat some and skip others. So products are taken once each by id,
the end is believed only where the platform says so and shows it, and a total that moved, or that
was not reached, costs one more pass.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from marketsync_dagster.platforms.answers import Readable
from marketsync_dagster.platforms.base import Answer, CatalogPage, Pace
from marketsync_dagster.platforms.bodies import lookup
from marketsync_dagster.platforms.reading import RetryRules, Tries, read
from marketsync_dagster.platforms.tracker_ke.results import catalog_row

PAGE = 100
"""The most that the platform gives at once."""
PASSES = 2

Fetch = Callable[[dict[str, str]], Awaitable[Answer | Readable]]


async def pages(
    fetch: Fetch, search: str | None, retry: RetryRules, pace: Pace | None
) -> AsyncIterator[CatalogPage]:
    """All pages, each product once; PlatformError where one cannot be read."""
    tries, seen = Tries.of(retry, pace), set[str]()
    for _ in range(PASSES):
        totals: set[int | None] = set()
        offset, going = 0, True
        while going:
            data = await _page(tries, fetch, search, offset)
            listed = data["products"]
            total = lookup(data, "pagination.total")
            total = total if isinstance(total, int) else None
            totals.add(total)
            rows = _new_rows(listed, seen)
            yield CatalogPage(rows, total, tries.take_calls())
            offset += len(listed)
            more = lookup(data, "pagination.has_more")
            # an empty page is the end, whatever it says of itself
            going = bool(listed) and not (more is False and len(listed) < PAGE)
        last = max((total for total in totals if total is not None), default=0)
        if len(totals) == 1 and len(seen) >= last:
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


async def _page(tries: Tries, fetch: Fetch, search: str | None, offset: int) -> dict[str, Any]:
    """The `data` of one page, tried as often as the account says."""
    params = {"limit": str(PAGE), "offset": str(offset)}
    if search:
        params["search"] = search
    return await read(
        tries,
        lambda: fetch(params),
        _data,
        what=f"the catalogue cannot be read at product {offset}",
        otherwise="the answer is not a page of products; is base_url right?",
    )


def _data(said: Answer | Readable) -> dict[str, Any] | None:
    data = lookup(said.document, "data") if isinstance(said, Readable) else None
    return data if isinstance(data, dict) and isinstance(data.get("products"), list) else None
