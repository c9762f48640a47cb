"""One platform's account before a sandbox that is real: what the suite's tests do things with."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

from marketsync_dagster.config.secrets import Secrets
from marketsync_dagster.config.settings import Settings
from marketsync_dagster.platforms.base import (
    Adapter,
    Answer,
    Capabilities,
    ConnectionResult,
    ImportKind,
    PriceItem,
)
from marketsync_dagster.platforms.registry import open_adapter
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster_tests.conformance.bench import ACCOUNT, Bench, Held, Limits
from marketsync_dagster_tests.platforms.support import outcomes
from marketsync_dagster_tests.sandbox_process import SandboxProcess

T = TypeVar("T")
PATIENCE_S = 5.0


async def attempt(adapter: Adapter, items: Sequence[PriceItem], **said: Any) -> Answer:
    """One attempt to send items, in whichever way the platform takes them."""
    if adapter.capabilities.async_import:
        return await adapter.submit(ImportKind.OFFERS, items)
    return await adapter.send(items, **said)


class Stand:
    """A bench with its sandbox; nothing is seeded yet."""

    def __init__(self, bench: Bench, sandbox: SandboxProcess) -> None:
        self.bench = bench
        self.sandbox = sandbox

    @property
    def capabilities(self) -> Capabilities:
        """What the account declares."""
        return self.bench.capabilities

    def seed(
        self,
        count: int = 3,
        *,
        most_items: int | None = None,
        per_minute: int | None = None,
        distance_s: float | None = None,
        **imports: Any,
    ) -> list[PriceItem]:
        """An account that knows so many products; the items to send for them."""
        limits = Limits(most_items, per_minute, distance_s, imports)
        self.sandbox.seed(self.bench.seed(self.bench.ids(count), limits))
        return self.bench.items(count)

    def settings(self, **account: Any) -> Settings:
        """The configuration, with these changes of the account."""
        return self.bench.settings(self.sandbox.url, **account)

    def work(self, do: Callable[[Adapter], Coroutine[Any, Any, T]], **account: Any) -> T:
        """Open the account, do something, and close it."""

        async def opened() -> T:
            settings = self.settings(**account)
            async with open_adapter(settings, ACCOUNT, channel=None, secrets=Secrets()) as adapter:
                return await do(adapter)

        return asyncio.run(opened())

    def send(self, items: Sequence[PriceItem], **account: Any) -> Answer:
        """One attempt to send items."""
        return self.work(lambda adapter: attempt(adapter, items), **account)

    def ends(self, items: Sequence[PriceItem], **account: Any) -> list[Outcome | str]:
        """What one attempt says of each item."""
        return outcomes(self.send(items, **account), len(items))

    def test(self, **account: Any) -> ConnectionResult:
        """The connection test."""
        return self.work(lambda adapter: adapter.test_connection(), **account)

    def held(self) -> Held:
        """What the platform shows once it has done all that it was given to do."""
        return self.bench.held(self.sandbox)

    def sees(self, wanted: Callable[[Held], bool]) -> Held:
        """What it shows as soon as that is as wanted, or in the end."""
        deadline = time.monotonic() + PATIENCE_S
        while not wanted(self.held()) and time.monotonic() < deadline:
            time.sleep(0.01)
        return self.held()

    def leaks(self, text: str) -> list[str]:
        """The secrets that a text holds, in whatever form."""
        return [
            form for secret in self.bench.secrets.values() for form in forms(secret) if form in text
        ]


def forms(secret: str) -> list[str]:
    """Every form in which a secret is looked for."""
    return [secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode()]


def wanted(items: Sequence[PriceItem]) -> Held:
    """What the platform is to show of these items."""
    return {i.platform_id: (i.price, i.stock_status != "out_of_stock") for i in items}
