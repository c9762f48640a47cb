"""Pasons as an adapter: one endpoint per outlet, with the wire contract from configuration.

Contract section 3. Rows are written by `mapping`, answers read by `results`; here they become
calls. Pasons has no catalogue to read and takes no products.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn, Self
from urllib.parse import urlsplit

from marketsync_dagster.config.accounts import PasonsAccount
from marketsync_dagster.platforms import answers, batching
from marketsync_dagster.platforms.answers import Readable, Rules
from marketsync_dagster.platforms.base import (
    Answer,
    Call,
    Capabilities,
    CatalogPage,
    ConnectionResult,
    Pace,
    PlatformError,
    PriceItem,
    ProductItem,
)
from marketsync_dagster.platforms.http import Response, Transport, TransportFailure
from marketsync_dagster.platforms.pasons.mapping import row_writer
from marketsync_dagster.platforms.pasons.results import (
    absent_result,
    item_results,
    refused_whole,
)
from marketsync_dagster.platforms.urls import segment
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster.values.redact import mask

STORE_PLACE = "{store_id}"
_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True, repr=False)
class Access:
    """Everything an open account needs, its secret resolved: never shown, never logged."""

    name: str
    key: str
    """Empty where the scheme is `none`."""
    key_hint: str
    store_id: str | None = None


class PasonsAdapter:
    """One outlet's endpoint, open for use."""

    def __init__(
        self,
        account: PasonsAccount,
        access: Access,
        transport: Transport,
        capabilities: Capabilities,
    ) -> None:
        request = account.request
        self._account = account
        self._access = access
        self._transport = transport
        self._capabilities = capabilities
        self._path = place_store(request.path, access.store_id)
        self._writer = row_writer(request, access.store_id)
        credentials, self._private = _credentials(account, access)
        self._headers = {**request.headers, **credentials}
        self._params: dict[str, str] | None = None
        if access.store_id is not None:
            if request.store.in_ == "header":
                self._headers[request.store.name] = access.store_id
            elif request.store.in_ == "query":
                self._params = {request.store.name: access.store_id}
        self._rules = Rules(
            host=urlsplit(account.base_url).hostname or "",
            auth_hint=f"set a valid key: {access.key_hint}" if access.key else "check auth",
            retry_cap_s=account.retry.retry_after_cap_s,
            no_content=absent_result(account.response).outcome,
        )

    @property
    def capabilities(self) -> Capabilities:
        """What the account can do."""
        return self._capabilities

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        return self

    async def __aexit__(self, *args: object) -> None:
        await self._transport.__aexit__(*args)

    def batches(self, items: Sequence[PriceItem]) -> list[tuple[int, int]]:
        """Half-open ranges of `items`, each one call within batch size and bytes."""
        return batching.ranges(
            items,
            most_items=self._capabilities.batch_items,
            most_bytes=self._capabilities.batch_bytes - self._writer.frame(),
            longest=self._writer.longest(items),
            sizes=self._writer.sizes,
        )

    def product_batches(self, items: Sequence[ProductItem]) -> list[tuple[int, int]]:
        """One range: `send_products` is not supported and makes no call."""
        return [(0, len(items))] if items else []

    async def send(self, items: Sequence[PriceItem], *, single: bool = False) -> Answer:
        """One attempt, items in the order given; `single` makes no difference here."""
        body = self._writer.body(items)
        result, call = await self._call(self._account.request.method, body)
        said = answers.settle(result, call, self._rules, count=len(items))
        if isinstance(said, Answer):
            return said
        response = self._account.response
        if refused_whole(said.document, response):
            message = answers.worded(said.clean, said.document) or "the platform took nothing"
            return Answer(said.call, outcome=Outcome.REFUSED, message=message)
        return Answer(said.call, results=item_results(said.document, items, response, said.clean))

    async def send_products(self, items: Sequence[ProductItem]) -> Answer:
        """Pasons takes no products: unsupported, nothing is sent."""
        return answers.uncalled(
            "POST",
            self._path,
            outcome=Outcome.UNSUPPORTED,
            message="Pasons takes prices and stock only",
        )

    def read_catalog(
        self, search: str | None = None, *, pace: Pace | None = None
    ) -> AsyncIterator[CatalogPage]:
        """Pasons has no catalogue to read: PlatformError, unsupported."""
        _no_catalog()

    async def test_connection(self) -> ConnectionResult:
        """The configured probe. It is passed by any status that `expect` names.

        An empty array could take every product off sale where a full push replaces: then a GET is
        sent in its place.
        """
        test = self._account.test_connection
        method, body = test.method, None
        if method == "POST_empty_array":
            if self._account.full_push == "replace":
                method = "GET"
            else:
                method, body = self._account.request.method, self._writer.body([])
        result, call = await self._call(method, body)
        shown = mask(self._access.key) if self._access.key else ""
        if isinstance(result, Response) and result.status in test.expect:
            message = f"{method} was answered with HTTP {result.status}; the key was not refused"
            return ConnectionResult(True, message, key=shown, calls=[replace(call, error="")])
        said = answers.settle(result, call, self._rules, count=1)
        if isinstance(said, Readable):
            message = f"HTTP {said.status} is not among test_connection.expect"
        else:
            message = said.message or f"HTTP {call.status} is not among test_connection.expect"
        return ConnectionResult(False, message, self._next_step(said), key=shown, calls=[said.call])

    def _next_step(self, said: Answer | Readable) -> str:
        account = f"accounts.{self._access.name}"
        if isinstance(said, Answer) and said.outcome is Outcome.AUTH_FAILED:
            return f"set a valid key: {self._access.key_hint}"
        if said.call.status is None:
            return "start the sandbox (marketsync sandbox), or check base_url and the network"
        if said.call.status == 404:
            return f"check base_url and request.path of {account}, and the channel's store_id"
        return f"check base_url and test_connection of {account}"

    async def _call(
        self, method: str, body: bytes | None
    ) -> tuple[Response | TransportFailure, Call]:
        headers = self._headers if body is None else {**_JSON, **self._headers}
        return await self._transport.request(
            method,
            self._path,
            content=body,
            headers=headers,
            params=self._params,
            private=self._private,
        )


def place_store(text: str, store_id: str | None) -> str:
    """`text` with the store's id where it says `{store_id}`, escaped as one segment of a path."""
    return text if store_id is None else text.replace(STORE_PLACE, segment(store_id))


def _credentials(account: PasonsAccount, access: Access) -> tuple[dict[str, str], tuple[str, ...]]:
    """The header that proves who we are, and the texts of it that no message may repeat."""
    auth = account.auth
    if auth.scheme == "bearer":
        return {"Authorization": f"Bearer {access.key}"}, (access.key,)
    if auth.scheme == "header":
        return {auth.header: access.key}, (access.key,)
    if auth.scheme == "basic":
        token = base64.b64encode(f"{auth.user}:{access.key}".encode()).decode()
        return {"Authorization": f"Basic {token}"}, (access.key, token)
    return {}, ()


def _no_catalog() -> NoReturn:
    raise PlatformError(
        "Pasons has no catalogue that can be read",
        "map its SKUs in the mapping file, or with mapping.identity",
        outcome=Outcome.UNSUPPORTED,
    )
