"""Mirakl as an adapter: imports of offers, prices and stock, and reading them back.

Contract section 6. What is written belongs to `payloads`, what is read to `imports`, `reports` and
`offers`, the proof of a key to `connection`; here they become calls.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

from marketsync_dagster.platforms import answers, batching
from marketsync_dagster.platforms.absent import NoProducts
from marketsync_dagster.platforms.base import (
    Answer,
    Call,
    Capabilities,
    CatalogPage,
    ConnectionResult,
    ImportKind,
    Memory,
    Pace,
    PriceItem,
    ReportAnswer,
    ShownPage,
    ShownPrice,
    StatusAnswer,
)
from marketsync_dagster.platforms.bodies import lookup
from marketsync_dagster.platforms.http import Response, Transport
from marketsync_dagster.platforms.mirakl import connection, imports, offers, payloads, reports
from marketsync_dagster.platforms.mirakl.offers import Pairs
from marketsync_dagster.platforms.mirakl.shop import Access, Shop
from marketsync_dagster.platforms.reading import Tries
from marketsync_dagster.platforms.urls import place_of, segment
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster.values.times import from_iso, utcnow

IMPORTS = {
    ImportKind.OFFERS: "/offers/imports",
    ImportKind.PRICES: "/offers/pricing/imports",
    ImportKind.STOCK: "/offers/stock/imports",
}
SUBMITS = {**IMPORTS, ImportKind.OFFERS: offers.OFFERS}
LISTED = 100
"""Imports in one page of a list."""
BEFORE = timedelta(hours=1)
"""An import that an equal request had started before is older than we think, and clocks differ."""


class MiraklAdapter(Shop, NoProducts):
    """One shop with one key, open for use."""

    platform_name = "Mirakl"

    def __init__(
        self,
        access: Access,
        transport: Transport,
        capabilities: Capabilities,
        memory: Memory | None = None,
    ) -> None:
        super().__init__(access, transport)
        self._capabilities = capabilities
        self._memory = memory
        self._unlisted: list[str] = []
        """Imports of offers that the last list did not have: each is asked for by itself."""

    @property
    def capabilities(self) -> Capabilities:
        """What the account can do."""
        return self._capabilities

    def batches(self, items: Sequence[PriceItem]) -> list[tuple[int, int]]:
        """Those of imports of whole offers."""
        return self.import_batches(ImportKind.OFFERS, items)

    async def send(
        self, items: Sequence[PriceItem], *, single: bool = False, whole: bool = False
    ) -> Answer:
        """Unsupported: Mirakl takes imports alone (`submit`), and answers later."""
        message = "Mirakl takes imports, and answers later"
        return answers.uncalled("POST", "", outcome=Outcome.UNSUPPORTED, message=message)

    # --- imports

    def import_batches(self, kind: ImportKind, items: Sequence[PriceItem]) -> list[tuple[int, int]]:
        """Half-open ranges of `items`: so many offers and bytes, or so many lines of a file."""
        if kind is not ImportKind.OFFERS:
            most = self._capabilities.file_lines
            return [(first, min(first + most, len(items))) for first in range(0, len(items), most)]
        filling = self._access.filling
        return batching.ranges(
            items,
            most_items=self._capabilities.batch_items,
            most_bytes=self._capabilities.batch_bytes - payloads.FRAME,
            longest=payloads.longest_offer(items, filling),
            sizes=lambda some: payloads.offer_sizes(some, filling),
        )

    async def submit(self, kind: ImportKind, items: Sequence[PriceItem]) -> Answer:
        """One attempt at OF24, PRI01 or STO01."""
        filling = self._access.filling
        if kind is ImportKind.OFFERS:
            body, content_type = payloads.offers_body(items, filling), "application/json"
        else:
            body, content_type = payloads.form_of(kind, payloads.file_of(kind, items, filling))
        headers = {"Content-Type": content_type}
        said = await self._exchange("POST", SUBMITS[kind], (), body, headers, count=len(items))
        if isinstance(said, Answer):
            return imports.refusal(said, kind, self._access.name, len(items))
        import_id = imports.import_id_of(said.document)
        if not import_id or said.clean(import_id) != import_id:  # ids are kept: no key may be one
            message = f"HTTP {said.status} without an import id"
            return Answer(said.call, outcome=Outcome.UNKNOWN, message=message)
        return Answer(said.call, outcome=Outcome.ACCEPTED_ASYNC, import_id=import_id)

    async def import_status(
        self, kind: ImportKind, import_ids: Sequence[str], since: str
    ) -> StatusAnswer:
        """One attempt at OF04 or PRI02 for several, OF02 or STO02 for one.

        A list of offers' imports has the newest 100 since `since`; one that is not among them is
        asked for by itself as soon as it comes first.
        """
        alone = len(import_ids) == 1 or import_ids[0] in self._unlisted
        if kind is ImportKind.PRICES:
            pairs = [("limit", str(LISTED)), *(("import_id", one) for one in import_ids[:LISTED])]
            return await self._listed(kind, pairs, import_ids)
        if kind is ImportKind.STOCK or alone:
            return await self._single(kind, import_ids[0])
        start = (from_iso(since) - BEFORE).strftime("%Y-%m-%dT%H:%M:%SZ")
        said = await self._listed(kind, [("limit", str(LISTED)), ("start_date", start)], import_ids)
        if said.outcome is None:
            found = {status.import_id for status in said.found}
            self._unlisted = [one for one in import_ids if one not in found]
        return said

    async def _listed(
        self, kind: ImportKind, pairs: Pairs, import_ids: Sequence[str]
    ) -> StatusAnswer:
        said = await self._exchange("GET", IMPORTS[kind], pairs)
        if isinstance(said, Answer):
            return _no_status(said)
        listed = lookup(said.document, "data")
        if not isinstance(listed, list):
            message = "the answer is not a list of imports"
            return StatusAnswer(said.call, outcome=Outcome.UNKNOWN, message=message)
        return StatusAnswer(said.call, tuple(imports.statuses(listed, import_ids, said.clean)))

    async def _single(self, kind: ImportKind, import_id: str) -> StatusAnswer:
        if import_id in self._unlisted:
            self._unlisted.remove(import_id)
        tail = "/status" if kind is ImportKind.STOCK else ""
        said = await self._exchange("GET", f"{IMPORTS[kind]}/{segment(import_id)}{tail}", ())
        if isinstance(said, Answer):
            return _no_status(said)
        document = said.document
        if not isinstance(document, dict) or "status" not in document:
            message = "the answer does not say how the import stands"
            return StatusAnswer(said.call, outcome=Outcome.UNKNOWN, message=message)
        told = imports.id_text(document.get("import_id"))
        if told not in ("", import_id):
            message = f"the answer is about import {said.clean(told)}, not about {import_id}"
            return StatusAnswer(said.call, outcome=Outcome.UNKNOWN, message=message)
        return StatusAnswer(said.call, (imports.status_of(document, import_id, said.clean),))

    async def import_report(
        self, kind: ImportKind, import_id: str, platform_skus: Sequence[str]
    ) -> ReportAnswer:
        """One attempt at OF03, PRI03 or STO03. A report may be late: 404 is `retryable`."""
        path = f"{IMPORTS[kind]}/{segment(import_id)}/error_report"
        result, call = await self._call("GET", path, (), headers={"Accept": "*/*"})
        if not isinstance(result, Response) or not 200 <= result.status < 300:
            said = answers.settle(result, call, self._rules, count=1)
            assert isinstance(said, Answer)
            outcome = Outcome.RETRYABLE if call.status == 404 else said.outcome
            wait = said.retry_after_s
            return ReportAnswer(call, outcome=outcome, message=said.message, retry_after_s=wait)
        try:
            report = reports.read_report(result.body, platform_skus, result.clean)
        except reports.Unreadable as fault:
            words = f"HTTP {result.status}, {result.clean(str(fault))}"
            return ReportAnswer(call, outcome=Outcome.UNKNOWN, message=words)
        return ReportAnswer(call, report.errors, tuple(report.strays))

    # --- reading

    async def read_catalog(
        self,
        search: str | None = None,
        *,
        pace: Pace | None = None,
        barcodes: Sequence[str] = (),
    ) -> AsyncIterator[CatalogPage]:
        """The products of `barcodes` by P31, and our offers by OF21, each under its own name."""
        access = self._access
        tries = Tries.of(access.retry, pace)
        async for page in offers.catalog_pages(
            search, barcodes, access.references, tries, self._fetch
        ):
            yield page

    async def list_shown(self, *, pace: Pace | None = None) -> AsyncIterator[ShownPage]:
        """Every page of OF21."""
        tries = Tries.of(self._access.retry, pace)
        async for page in offers.shown_pages(tries, self._fetch):
            yield page

    async def read_prices(
        self, platform_ids: Sequence[str], *, pace: Pace | None = None
    ) -> list[ShownPrice]:
        """One OF21 each for the offers of these names (`platform_sku`)."""
        tries = Tries.of(self._access.retry, pace)
        return await offers.shown_by_name(platform_ids, tries, self._fetch)

    async def test_connection(self) -> ConnectionResult:
        """V01, then A01, or on the same day one offer (`connection`)."""
        access = self._access
        wanted = connection.Wanted(
            access.name,
            access.api_key,
            access.key_hint,
            place_of(access.base_url),
            access.shop_id,
            access.currencies,
        )
        return await connection.test_connection(
            wanted, self._reach, self._fetch, self._memory, utcnow()
        )

    # --- calls

    async def _reach(self, path: str) -> Answer | Call:
        result, call = await self._call("GET", path, ())
        if isinstance(result, Response) and 200 <= result.status < 300:
            return call
        said = answers.settle(result, call, self._rules, count=1)
        return said if isinstance(said, Answer) else said.call


def _no_status(said: Answer) -> StatusAnswer:
    return StatusAnswer(
        said.call, outcome=said.outcome, message=said.message, retry_after_s=said.retry_after_s
    )
