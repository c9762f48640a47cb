"""What a platform declares not to have is `unsupported`: said so, no call made, nothing faked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from marketsync_dagster.platforms.base import Adapter, ImportKind, PlatformError
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster_tests.conformance.bench import Bench
from marketsync_dagster_tests.conformance.reasons import KEYS, WEBHOOKS, Reason
from marketsync_dagster_tests.conformance.stand import Stand
from marketsync_dagster_tests.conformance.suite import Behaviour, behaviour, behaviours

GROUP = "Not here"
SINCE = "2026-11-20T06:00:00.000Z"


async def _pages(pages: AsyncIterator[Any]) -> list[Any]:
    return [page async for page in pages]


@behaviour(GROUP, "every operation that is not declared is unsupported, and makes no call")
def test_undeclared(stand: Stand) -> None:
    items, has = stand.seed(2), stand.capabilities

    async def calls(adapter: Adapter) -> list[tuple[str, Any]]:
        found: list[tuple[str, Callable[[], Awaitable[Any]]]] = []
        if not has.push_products:
            found.append(("products", lambda: adapter.send_products([stand.bench.product(1)])))
        if not has.async_import:
            found += [
                ("submit", lambda: adapter.submit(ImportKind.OFFERS, items)),
                ("status", lambda: adapter.import_status(ImportKind.OFFERS, ["1"], SINCE)),
                ("report", lambda: adapter.import_report(ImportKind.OFFERS, "1", ["a"])),
            ]
        if not has.read_catalog:
            found.append(("catalogue", lambda: _pages(adapter.read_catalog())))
        if not has.list_shown:
            found.append(("shown", lambda: _pages(adapter.list_shown())))
        if not has.read_prices:
            found.append(("prices", lambda: adapter.read_prices(["p1"])))
        said: list[tuple[str, Any]] = []
        for name, call in found:
            try:
                said.append((name, await call()))
            except PlatformError as error:
                said.append((name, error))
        return said

    said = stand.work(calls)
    assert {name for name, found in said if found.outcome is not Outcome.UNSUPPORTED} == set()
    assert all(found.message for _, found in said)
    assert stand.sandbox.requests() == []


ABSENT: tuple[tuple[str, Reason], ...] = (
    ("webhooks are verified and told apart from their echoes", WEBHOOKS),
    ("a request that goes again carries the same idempotency key", KEYS),
)


@behaviours([(Behaviour(GROUP, name, (reason,)), name) for name, reason in ABSENT])
def test_later(case: str, bench: Bench) -> None:
    pytest.fail(f"{bench.platform} declares that {case}: the suite has to learn to ask for it")
