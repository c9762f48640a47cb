"""Qikink as an adapter: its credentials can be proved, and profile `spec` is told of products.

It lists nothing that has a price: prices and stock are not pushed there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Self
from urllib.parse import urlsplit

import orjson

from marketsync_dagster.platforms import answers, batching
from marketsync_dagster.platforms.absent import NoCatalog, NoImports, NoList, NoPrices
from marketsync_dagster.platforms.answers import Readable
from marketsync_dagster.platforms.base import (
    Answer,
    Capabilities,
    ConnectionResult,
    PriceItem,
    ProductItem,
)
from marketsync_dagster.platforms.hints import credential_hint
from marketsync_dagster.platforms.qikink import real, spec
from marketsync_dagster.platforms.qikink.session import Session
from marketsync_dagster.platforms.qikink.words import fault_of
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster.values.redact import mask

_FRAME = len(b'{"products":[]}')
NOBODY = "connection_test"
"""The number of an order that there is not: asking for it proves the token."""


class QikinkAdapter(NoImports, NoList, NoCatalog, NoPrices):
    """One client of Qikink, open for use."""

    platform_name = "Qikink"

    def __init__(self, session: Session, capabilities: Capabilities) -> None:
        self._session = session
        self._capabilities = capabilities

    @property
    def capabilities(self) -> Capabilities:
        """What the account can do."""
        return self._capabilities

    async def __aenter__(self) -> Self:
        await self._session.__aenter__()
        return self

    async def __aexit__(self, *args: object) -> None:
        await self._session.__aexit__(*args)

    def batches(self, items: Sequence[PriceItem]) -> list[tuple[int, int]]:
        """One range: `send` is not supported and makes no call."""
        return [(0, len(items))] if items else []

    async def send(
        self, items: Sequence[PriceItem], *, single: bool = False, whole: bool = False
    ) -> Answer:
        """Unsupported, nothing is sent."""
        message = "Qikink lists nothing that has a price or stock of ours"
        return answers.uncalled("POST", "", outcome=Outcome.UNSUPPORTED, message=message)

    def product_batches(self, items: Sequence[ProductItem]) -> list[tuple[int, int]]:
        """Half-open ranges of `items`, each one call within batch size and bytes."""
        return batching.ranges(
            items,
            most_items=self._capabilities.batch_items,
            most_bytes=self._capabilities.batch_bytes - _FRAME,
            longest=self._capabilities.batch_bytes,
            sizes=lambda some: [len(orjson.dumps(spec.product_row(item))) + 1 for item in some],
        )

    async def send_products(self, items: Sequence[ProductItem]) -> Answer:
        """One attempt at POST /products/sync; unsupported with profile `real`."""
        if not self._capabilities.push_products:
            return answers.uncalled(
                "POST", "", outcome=Outcome.UNSUPPORTED, message=no_products(self._name)
            )
        body = orjson.dumps({"products": [spec.product_row(item) for item in items]})
        said = await self._session.exchange("POST", spec.PRODUCTS, body=body, count=len(items))
        answer, before = said.answer, said.before
        if isinstance(answer, Answer):
            return replace(answer, before=before)
        fault = fault_of(answer.document)
        if fault is not None:
            message = answer.clean(fault.words)
            return Answer(answer.call, outcome=fault.outcome, message=message, before=before)
        results = spec.product_results(answer.document, items, answer.clean)
        return Answer(answer.call, results=results, before=before)

    async def test_connection(self) -> ConnectionResult:
        """A look that changes nothing, with the token in force; one is minted where there is none
        that this secret has made."""
        access = self._session.access
        shown = {"key": mask(access.client_id), "environment": environment_of(access.base_url)}
        if access.profile == "real":
            said = await self._session.exchange("GET", real.ORDERS, params={"page_no": "1"})
            answer = said.answer
            works = isinstance(answer, Readable) and isinstance(answer.document, list)
        else:
            path = f"{spec.ORDERS}/{NOBODY}/fulfillment"
            answer = (said := await self._session.exchange("GET", path)).answer
            works = spec.is_not_there(answer)
        calls = [*said.before, *([answer.call] if answer.call.error != answers.NOT_CALLED else [])]
        if works:
            return ConnectionResult(True, "the key works", calls=calls, **shown)
        if isinstance(answer, Readable):
            message = "the answer is not what was asked for; is base_url right?"
            return ConnectionResult(False, message, calls=calls, **shown)
        if answer.outcome is Outcome.AUTH_FAILED:
            step = credential_hint(answer.message, f"set a valid secret: {access.hint}")
        elif calls and calls[-1].status is None:
            step = "start the sandbox (marketsync sandbox), or check base_url and the network"
        else:
            step = f"check base_url and profile of accounts.{self._name}"
        return ConnectionResult(False, answer.message, step, calls=calls, **shown)

    @property
    def _name(self) -> str:
        return self._session.access.name


def no_products(account: str) -> str:
    """Why no products are told of."""
    return f"accounts.{account} has profile real: Qikink's own interface takes no products"


def environment_of(base_url: str) -> str:
    """`demo` or `live` by the host, empty for one that is not Qikink's."""
    host = (urlsplit(base_url).hostname or "").lower()
    if not host.endswith("qikink.com"):
        return ""
    return "demo" if host.startswith("sandbox") else "live"
