"""Tracker KE as an adapter: prices one by one or in batches, products, the catalogue.

Contract section 2. What is written belongs to `payloads`, what is read to `results`, signatures
to `signing`; here they become calls.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from marketsync_dagster.platforms import answers, batching
from marketsync_dagster.platforms.absent import NoImports, NoList
from marketsync_dagster.platforms.answers import Readable, Rules
from marketsync_dagster.platforms.base import (
    Answer,
    Capabilities,
    CatalogPage,
    ConnectionResult,
    ItemResult,
    Pace,
    PriceItem,
    ProductItem,
    ShownPrice,
)
from marketsync_dagster.platforms.connected import Connected
from marketsync_dagster.platforms.hints import credential_hint
from marketsync_dagster.platforms.http import Transport
from marketsync_dagster.platforms.reading import RetryRules, Tries
from marketsync_dagster.platforms.signing import Signer
from marketsync_dagster.platforms.tracker_ke import catalog, payloads, results, shown
from marketsync_dagster.platforms.urls import base_path, encode_query, segment
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster.values.redact import mask

SINGLE, BATCH, SYNC, PRODUCTS = "/prices/single", "/prices/batch", "/products/sync", "/products"
BUSY_WAIT_S = 60.0
"""What a 429 without any figure means (contract section 2.4)."""
_PLAN_LIMIT = re.compile(r"Maximum \d+ prices per batch")


@dataclass(frozen=True, slots=True, repr=False)
class Access:
    """Everything an open account needs, secrets resolved: never shown, never logged."""

    name: str
    base_url: str
    api_key: str
    key_hint: str
    """Where the key comes from, `accounts.x.api_key (environment variable Y)`."""
    signer: Signer
    clear_secret: str = ""
    """Sent as `X-API-Secret`; empty: not at all."""
    location: str | None = None
    supermarket: str | None = None
    """Under which name the platform shows our prices; None: told by the location."""
    retry: RetryRules = field(default_factory=RetryRules)


class TrackerAdapter(Connected, NoImports, NoList):
    """One key of Tracker KE, open for use."""

    platform_name = "Tracker KE"

    def __init__(self, access: Access, transport: Transport, capabilities: Capabilities) -> None:
        super().__init__(transport, capabilities)
        self._access = access
        self._base_path = base_path(access.base_url)
        headers = {"Authorization": f"Bearer {access.api_key}"}
        if access.clear_secret:
            headers["X-API-Secret"] = access.clear_secret
        self._headers = headers
        self._rules = Rules(
            host=urlsplit(access.base_url).hostname or "",
            auth_hint=f"set a valid key: {access.key_hint}",
            retry_cap_s=access.retry.retry_after_cap_s,
            busy_wait_s=BUSY_WAIT_S,
            exact=True,
        )

    def batches(self, items: Sequence[PriceItem]) -> list[tuple[int, int]]:
        """Half-open ranges of `items`, each one call within batch size and bytes."""
        location = self._access.location
        return batching.ranges(
            items,
            most_items=self._capabilities.batch_items,
            most_bytes=self._capabilities.batch_bytes - payloads.BATCH_FRAME,
            longest=payloads.longest_price(items, location),
            sizes=lambda some: payloads.price_sizes(some, location),
        )

    def product_batches(self, items: Sequence[ProductItem]) -> list[tuple[int, int]]:
        """The same for products: the platform sets no number, only bytes (contract 2.4)."""
        return batching.ranges(
            items,
            most_items=self._capabilities.batch_items,
            most_bytes=self._capabilities.batch_bytes - payloads.BATCH_FRAME,
            longest=self._capabilities.batch_bytes,
            sizes=payloads.product_sizes,
        )

    async def send(
        self, items: Sequence[PriceItem], *, single: bool = False, whole: bool = False
    ) -> Answer:
        """One attempt: POST /prices/single for one item if asked, else POST /prices/batch."""
        location = self._access.location
        if single and len(items) == 1:
            body = payloads.single_body(items[0], location)
            return await self._write(
                SINGLE,
                body,
                1,
                lambda doc, clean: [results.single_result(doc, items[0], clean)],
            )
        body = payloads.batch_body(items, location)
        answer = await self._write(
            BATCH, body, len(items), lambda doc, clean: results.price_results(doc, items, clean)
        )
        if answer.call.status == 400 and len(items) > 1 and _PLAN_LIMIT.search(answer.message):
            # the key's plan takes less than the account's configuration says
            return replace(answer, outcome=None, split=True)
        return answer

    async def send_products(self, items: Sequence[ProductItem]) -> Answer:
        """One attempt at POST /products/sync.

        A product without a barcode is not sent: the platform would create it again each time.
        """
        sendable = [item for item in items if item.barcode]
        if not sendable:
            return answers.uncalled("POST", SYNC, results=[_NO_BARCODE] * len(items))
        answer = await self._write(
            SYNC,
            payloads.products_body(sendable),
            len(sendable),
            lambda doc, clean: results.product_results(doc, sendable, clean),
        )
        if len(sendable) == len(items) or answer.split:
            return answer
        told = iter(answer.results or [_spoken(answer)] * len(sendable))
        merged = [next(told) if item.barcode else _NO_BARCODE for item in items]
        return replace(answer, results=merged, outcome=None)

    async def read_catalog(
        self,
        search: str | None = None,
        *,
        pace: Pace | None = None,
        barcodes: Sequence[str] = (),
    ) -> AsyncIterator[CatalogPage]:
        """Every page of GET /products; see `catalog.pages` for what drift does to it."""

        async def fetch(params: dict[str, str]) -> Answer | Readable:
            return await self._exchange("GET", PRODUCTS, None, 1, params, exact=False)

        async for page in catalog.pages(fetch, search, self._access.retry, pace):
            yield page

    async def read_prices(
        self, platform_ids: Sequence[str], *, pace: Pace | None = None
    ) -> list[ShownPrice]:
        """One GET /products/{id} each: there is no way to read many at once."""
        access = self._access
        ours = shown.Ours(access.name, access.supermarket, access.location)

        async def fetch(platform_id: str) -> Answer | Readable:
            path = f"{PRODUCTS}/{segment(platform_id)}"
            return await self._exchange("GET", path, None, 1, None, exact=True)

        tries = Tries.of(access.retry, pace)
        return await shown.shown_prices(platform_ids, ours, fetch, tries)

    async def test_connection(self) -> ConnectionResult:
        """GET /products?limit=1: the health endpoint takes any key (contract section 2.1)."""
        key = self._access.api_key
        shown = {"key": mask(key), "environment": environment_of(key)}
        said = await self._exchange("GET", PRODUCTS, None, 1, {"limit": "1"}, exact=False)
        if isinstance(said, Readable):
            total = results.lookup(said.document, "data.pagination.total")
            if results.failed_whole(said.document) is None and isinstance(total, int):
                message = f"the key works; it sees {total} products"
                return ConnectionResult(True, message, calls=[said.call], **shown)
            message = "the answer is not a page of products; is base_url right?"
            return ConnectionResult(False, message, calls=[said.call], **shown)
        if said.outcome is Outcome.AUTH_FAILED:
            hint = f"set a valid key: {self._access.key_hint}"
            step = credential_hint(said.message, hint)
        elif said.call.status is None:
            step = "start the sandbox (marketsync sandbox), or check base_url and the network"
        else:
            step = f"check base_url of accounts.{self._access.name} and the rights of the key"
        return ConnectionResult(False, said.message, step, calls=[said.call], **shown)

    async def _write(
        self,
        path: str,
        body: bytes,
        count: int,
        read: Callable[[Any, results.Clean], list[ItemResult]],
    ) -> Answer:
        said = await self._exchange("POST", path, body, count, None, exact=True)
        if isinstance(said, Answer):
            return said
        whole = results.failed_whole(said.document)
        if whole is not None:
            message = answers.worded(said.clean, said.document) or "the answer cannot be read"
            wait = BUSY_WAIT_S if whole is Outcome.RETRYABLE else None
            return Answer(said.call, outcome=whole, message=message, retry_after_s=wait)
        return Answer(said.call, results=read(said.document, said.clean))

    async def _exchange(
        self,
        method: str,
        path: str,
        body: bytes | None,
        count: int,
        params: dict[str, str] | None,
        *,
        exact: bool,
    ) -> Answer | Readable:
        signature = self._access.signer.headers(
            method, path, base_path=self._base_path, query=encode_query(params), body=body or b""
        )
        headers = {**self._headers, **signature}
        if body is not None:
            headers["Content-Type"] = "application/json"
        signed = signature.get("X-Signature", "").removeprefix("v1=")
        result, call = await self._transport.request(
            method, path, content=body, headers=headers, params=params, private=(signed,)
        )
        return answers.settle(result, call, replace(self._rules, exact=exact), count=count)


_NO_BARCODE = ItemResult(
    Outcome.REFUSED,
    "has no barcode: the platform would create it again at each sync",
    code="NO_BARCODE",
)


def _spoken(answer: Answer) -> ItemResult:
    """What an answer for the whole call says about one item."""
    return ItemResult(answer.outcome or Outcome.UNKNOWN, answer.message)


def environment_of(key: str) -> str:
    """`demo` or `live` by the key's prefix, empty where it has neither."""
    for environment in ("demo", "live"):
        if key.startswith(f"pk_{environment}_"):
            return environment
    return ""
