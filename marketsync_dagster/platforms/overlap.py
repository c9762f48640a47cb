"""One account with several usable keys: the newest first, an older one if that is refused.

While a key is replaced, the platform may know only one of the two. Each is opened as an adapter of
its own; here is decided which of them speaks, for as long as the account is open.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Generic, Self, TypeVar

from marketsync_dagster.platforms.base import (
    Adapter,
    Answer,
    Call,
    Capabilities,
    CatalogPage,
    ConnectionResult,
    ImportKind,
    Pace,
    PlatformError,
    PriceItem,
    ProductItem,
    ReportAnswer,
    ShownPage,
    ShownPrice,
    StatusAnswer,
)
from marketsync_dagster.platforms.ordering import CommandAnswer, LookUp, OrderSource
from marketsync_dagster.values.outcomes import Outcome

A = TypeVar("A", Answer, StatusAnswer, ReportAnswer, CommandAnswer, LookUp)
K = TypeVar("K", Adapter, OrderSource)
P = TypeVar("P", CatalogPage, ShownPage)


class Keys(Generic[K]):
    """What was opened with each key of one account, newest first. Two at least.

    A key that was refused is not tried again. Calls that were under way with it when it was
    refused go again with the key that took its place.
    """

    def __init__(self, adapters: Sequence[K]) -> None:
        self._adapters = tuple(adapters)
        self._at = 0
        self._refused: set[int] = set()
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for adapter in self._adapters:
            await self._open.enter_async_context(adapter)
        return self

    async def __aexit__(self, *args: object) -> None:
        await self._open.aclose()

    def _judged(self, at: int, answer: A) -> A:
        if answer.outcome is not Outcome.AUTH_FAILED:
            return answer
        count = len(self._adapters)
        if not self._switched(at):
            return replace(answer, message=f"all {count} keys are refused: {answer.message}")
        return replace(
            answer,
            outcome=Outcome.RETRYABLE,
            message=f"one of {count} keys is refused, another one is tried: {answer.message}",
            retry_after_s=0.0,
            other_key=True,
        )

    def _switched(self, refused: int) -> bool:
        """Whether there is a key that was not refused yet: it is the one in use from now on."""
        self._refused.add(refused)
        left = [at for at in range(len(self._adapters)) if at not in self._refused]
        if left:
            self._at = left[0]
        return bool(left)


class OverlapAdapter(Keys[Adapter]):
    """The adapters of one account, newest key first, as one."""

    @property
    def capabilities(self) -> Capabilities:
        """What the account can do, whatever the key."""
        return self._adapters[0].capabilities

    def batches(self, items: Sequence[PriceItem]) -> list[tuple[int, int]]:
        """Half-open ranges of `items`, each one call within batch size and bytes."""
        return self._adapters[0].batches(items)

    def product_batches(self, items: Sequence[ProductItem]) -> list[tuple[int, int]]:
        """The same for products."""
        return self._adapters[0].product_batches(items)

    async def send(
        self, items: Sequence[PriceItem], *, single: bool = False, whole: bool = False
    ) -> Answer:
        """One attempt with one key; a refused key is `retryable` while there is another."""
        at = self._at
        return self._judged(at, await self._adapters[at].send(items, single=single, whole=whole))

    async def send_products(self, items: Sequence[ProductItem]) -> Answer:
        """The same for products."""
        at = self._at
        return self._judged(at, await self._adapters[at].send_products(items))

    def import_batches(self, kind: ImportKind, items: Sequence[PriceItem]) -> list[tuple[int, int]]:
        """Half-open ranges of `items`, each one import within its limits."""
        return self._adapters[0].import_batches(kind, items)

    async def submit(self, kind: ImportKind, items: Sequence[PriceItem]) -> Answer:
        """One attempt with one key, like `send`."""
        at = self._at
        return self._judged(at, await self._adapters[at].submit(kind, items))

    async def import_status(
        self, kind: ImportKind, import_ids: Sequence[str], since: str
    ) -> StatusAnswer:
        """The same for how imports stand, whichever key has started them."""
        at = self._at
        return self._judged(at, await self._adapters[at].import_status(kind, import_ids, since))

    async def import_report(
        self, kind: ImportKind, import_id: str, platform_skus: Sequence[str]
    ) -> ReportAnswer:
        """The same for an error report."""
        at = self._at
        said = await self._adapters[at].import_report(kind, import_id, platform_skus)
        return self._judged(at, said)

    async def list_shown(self, *, pace: Pace | None = None) -> AsyncIterator[ShownPage]:
        """Every page; from the first again after a change of keys."""
        async for page in self._pages(lambda adapter: adapter.list_shown(pace=pace)):
            yield page

    async def read_catalog(
        self,
        search: str | None = None,
        *,
        pace: Pace | None = None,
        barcodes: Sequence[str] = (),
    ) -> AsyncIterator[CatalogPage]:
        """Every page, each row once; from the beginning again after a change of keys."""
        seen: set[tuple[str | None, ...]] = set()
        async for page in self._pages(
            lambda adapter: adapter.read_catalog(search, pace=pace, barcodes=barcodes)
        ):
            rows = [row for row in page.rows if _named(row) not in seen]
            seen.update(map(_named, rows))
            yield replace(page, rows=rows)

    async def _pages(self, read: Callable[[Adapter], AsyncIterator[P]]) -> AsyncIterator[P]:
        """The pages of a read, from the beginning again after a change of keys."""
        spent: tuple[Call, ...] = ()
        while True:
            at = self._at
            try:
                async for page in read(self._adapters[at]):
                    yield replace(page, calls=(*spent, *page.calls))
                    spent = ()
            except PlatformError as error:
                spent = (*spent, *error.calls)
                if error.outcome is not Outcome.AUTH_FAILED or not self._switched(at):
                    error.calls = spent
                    raise
            else:
                return

    async def read_prices(
        self, platform_ids: Sequence[str], *, pace: Pace | None = None
    ) -> list[ShownPrice]:
        """What the platform shows for each product; from the first again after a change of keys."""
        spent: tuple[Call, ...] = ()
        while True:
            at = self._at
            try:
                found = await self._adapters[at].read_prices(platform_ids, pace=pace)
            except PlatformError as error:
                spent = (*spent, *error.calls)
                if error.outcome is not Outcome.AUTH_FAILED or not self._switched(at):
                    error.calls = spent
                    raise
                continue
            return [found[0]._replace(calls=(*spent, *found[0].calls)), *found[1:]] if found else []

    async def test_connection(self) -> ConnectionResult:
        """Prove the keys, newest first, until one is taken; the message says which one it is."""
        count = len(self._adapters)
        calls: list[Call] = []
        newest: ConnectionResult | None = None
        while True:
            at = self._at
            result = await self._adapters[at].test_connection()
            calls += result.calls
            newest = newest or result
            if result.ok or not _refused(result) or not self._switched(at):
                break
        if not result.ok:
            words = result.message
            if self._refused == set(range(count)):
                words = f"all {count} keys are refused: {newest.message}"
            return replace(result, message=words, calls=calls)
        if not self._refused:
            return replace(result, message=f"{result.message} (the newest of {count})")
        which = "the older key of 2" if count == 2 else f"an older key of {count}"
        words = f"{which} still works, the new one is refused: {result.message}"
        return replace(result, message=words, next_step=newest.next_step, calls=calls)


def _named(row: dict[str, str | None]) -> tuple[str | None, ...]:
    """What tells the rows of a catalogue apart: a product may be listed under several names, and
    by several barcodes."""
    return row.get("platform_id"), row.get("platform_sku"), row.get("barcode")


def _refused(result: ConnectionResult) -> bool:
    """Whether a connection test failed for its key."""
    return not result.ok and bool(result.calls) and result.calls[-1].status == 401
