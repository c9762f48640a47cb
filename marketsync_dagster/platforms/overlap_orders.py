"""A source of orders with several usable keys, as `platforms.overlap` has it of adapters."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from marketsync_dagster.platforms.base import Call, Pace, PlatformError
from marketsync_dagster.platforms.ordering import (
    Command,
    CommandAnswer,
    LookUp,
    OrderCapabilities,
    OrderPage,
    OrderSource,
    PulledOrder,
)
from marketsync_dagster.platforms.overlap import Keys
from marketsync_dagster.values.outcomes import Outcome


class OverlapSource(Keys[OrderSource]):
    """The sources of one account, newest key first, as one."""

    @property
    def order_capabilities(self) -> OrderCapabilities:
        """What it can be told, whatever the key."""
        return self._adapters[0].order_capabilities

    async def order_pages(
        self, since: str, position: str = "", *, pace: Pace | None = None
    ) -> AsyncIterator[OrderPage]:
        """Every page; after a change of keys on from where the refused one stood."""
        spent: tuple[Call, ...] = ()
        while True:
            at = self._at
            try:
                async for page in self._adapters[at].order_pages(since, position, pace=pace):
                    position = page.position
                    yield replace(page, calls=(*spent, *page.calls))
                    spent = ()
            except PlatformError as error:
                spent = (*spent, *error.calls)
                if error.outcome is not Outcome.AUTH_FAILED or not self._switched(at):
                    error.calls = spent
                    raise
            else:
                return

    def read_order(self, document: bytes) -> PulledOrder:
        """What a raw document says, whatever the key."""
        return self._adapters[0].read_order(document)

    async def look_up(self, external_ids: Sequence[str]) -> LookUp:
        """One attempt with one key; a refused key is `retryable` while there is another."""
        at = self._at
        return self._judged(at, await self._adapters[at].look_up(external_ids))

    async def perform(self, command: Command) -> CommandAnswer:
        """The same for a command."""
        at = self._at
        return self._judged(at, await self._adapters[at].perform(command))

    async def verify(self, command: Command) -> CommandAnswer:
        """The same for a look at a command; what was not asked says so."""
        at = self._at
        said = self._judged(at, await self._adapters[at].verify(command))
        return replace(said, code="not_asked") if said.other_key else said
