"""Pasons as an adapter: one endpoint per outlet, with the wire contract from configuration.

Contract section 3. Rows are written by `mapping`, answers read by `results`; here they become
calls. Pasons has no catalogue to read and takes no products.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from marketsync_dagster.config.accounts import PasonsAccount
from marketsync_dagster.config.pasons import PasonsFull
from marketsync_dagster.platforms import answers, batching
from marketsync_dagster.platforms.absent import (
    NoCatalog,
    NoImports,
    NoList,
    NoPrices,
    NoProducts,
)
from marketsync_dagster.platforms.answers import Readable, Rules
from marketsync_dagster.platforms.base import (
    Answer,
    Call,
    Capabilities,
    ConnectionResult,
    PriceItem,
)
from marketsync_dagster.platforms.bodies import BodyKind
from marketsync_dagster.platforms.connected import Connected
from marketsync_dagster.platforms.http import Response, Transport, TransportFailure
from marketsync_dagster.platforms.pasons.dialect import Dialect
from marketsync_dagster.platforms.pasons.mapping import RowWriter, row_writer
from marketsync_dagster.platforms.pasons.results import (
    LATER,
    absent_result,
    atomic_results,
    item_results,
    later,
    whole_outcome,
)
from marketsync_dagster.platforms.urls import segment
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster.values.redact import mask

STORE_PLACE = "{store_id}"
ACCEPTED = 202
"""What was taken is still to be done."""


@dataclass(frozen=True, slots=True, repr=False)
class Access:
    """Everything an open account needs, its secrets resolved: never shown, never logged."""

    name: str
    key: str
    """Empty where the scheme is `none`."""
    key_hint: str
    store_id: str | None = None
    secret: str = ""
    """What `auth.secret` stands for; empty: none is sent."""


@dataclass(frozen=True, slots=True, repr=False)
class _Wire:
    """How one kind of request travels."""

    method: str
    path: str
    headers: dict[str, str]
    params: dict[str, str] | None
    writer: RowWriter


class PasonsAdapter(Connected, NoImports, NoList, NoProducts, NoCatalog, NoPrices):
    """One outlet's endpoint, open for use."""

    platform_name = "Pasons"

    def __init__(
        self,
        account: PasonsAccount,
        access: Access,
        transport: Transport,
        capabilities: Capabilities,
    ) -> None:
        super().__init__(transport, capabilities)
        self._account = account
        self._access = access
        credentials, self._private = _credentials(account, access)
        self._headers = credentials
        self._usual = self._whole = _wire(account, access, None)
        if account.request.full is not None:
            self._whole = _wire(account, access, account.request.full)
        self._dialect = Dialect.of(account.response)
        self._absent = absent_result(account.response).outcome
        self._rules = Rules(
            host=urlsplit(account.base_url).hostname or "",
            auth_hint=f"set a valid key: {access.key_hint}" if access.key else "check auth",
            retry_cap_s=account.retry.retry_after_cap_s,
            no_content=self._absent if 204 in account.response.empty else Outcome.UNKNOWN,
        )

    def batches(self, items: Sequence[PriceItem]) -> list[tuple[int, int]]:
        """Half-open ranges of `items`, each one call within batch size and bytes."""
        writer = self._whole.writer  # its frame is the larger one, if they differ
        return batching.ranges(
            items,
            most_items=self._capabilities.batch_items,
            most_bytes=self._capabilities.batch_bytes - writer.frame(),
            longest=writer.longest(items),
            sizes=writer.sizes,
        )

    async def send(
        self, items: Sequence[PriceItem], *, single: bool = False, whole: bool = False
    ) -> Answer:
        """One attempt, items in the order given; `single` makes no difference here.

        `whole` marks the request as a full push, as `request.full` says.
        """
        wire = self._whole if whole else self._usual
        result, call = await self._call(wire, wire.method, wire.path, wire.writer.body(items))
        if isinstance(result, Response):
            answer = self._early(result, call, items)
            if answer is not None:
                return answer
        said = answers.settle(result, call, self._rules, count=len(items))
        if isinstance(said, Answer):
            return said
        outcome = whole_outcome(said.document, self._dialect)
        if outcome is not None:
            message = answers.worded(said.clean, said.document) or "the platform took nothing"
            return Answer(said.call, outcome=outcome, message=message)
        results = item_results(said.document, items, self._dialect, said.clean)
        return Answer(said.call, results=later(results) if said.status == ACCEPTED else results)

    def _early(self, result: Response, call: Call, items: Sequence[PriceItem]) -> Answer | None:
        """What the configuration says of an answer that would else be judged by its status."""
        response = self._account.response
        if result.status in response.atomic:
            kind, document = result.document()
            results = None
            if kind is BodyKind.JSON:
                results = atomic_results(document, items, self._dialect, result.clean)
            return None if results is None else Answer(call, results=results)
        if result.status in response.empty and not result.body.strip():
            taken = self._absent is not Outcome.UNKNOWN
            if taken and result.status == ACCEPTED:
                return Answer(call, outcome=Outcome.ACCEPTED_UNVERIFIED, message=LATER)
            return Answer(
                call,
                outcome=self._absent,
                message="" if taken else f"HTTP {result.status}, an empty answer",
            )
        return None

    async def test_connection(self) -> ConnectionResult:
        """The configured probe. It is passed by any status that `expect` names.

        An empty array could take every product off sale where a full push replaces: then a GET is
        sent in its place. A web page is no answer of the platform's, whatever its status.
        """
        test, wire = self._account.test_connection, self._usual
        path = wire.path if test.path is None else place_store(test.path, self._access.store_id)
        method, body = test.method, None
        if method == "POST_empty_array":
            if self._account.full_push == "replace":
                method = "GET"
            else:
                method, body = wire.method, wire.writer.body([])
        result, call = await self._call(wire, method, path, body)
        shown = mask(self._access.key) if self._access.key else ""
        if isinstance(result, Response) and result.status in test.expect:
            page = 200 <= result.status < 300 and result.document()[0] is BodyKind.HTML
            if not page:
                message = (
                    f"{method} was answered with HTTP {result.status}; the key was not refused"
                )
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
        self, wire: _Wire, method: str, path: str, body: bytes | None
    ) -> tuple[Response | TransportFailure, Call]:
        headers = {**wire.headers, **self._headers}
        if body is not None and "content-type" not in {name.lower() for name in wire.headers}:
            headers["Content-Type"] = "application/json"
        return await self._transport.request(
            method,
            path,
            content=body,
            headers=headers,
            params=wire.params,
            private=self._private,
        )


def place_store(text: str, store_id: str | None) -> str:
    """`text` with the store's id where it says `{store_id}`, escaped as one segment of a path."""
    return text if store_id is None else text.replace(STORE_PLACE, segment(store_id))


def _wire(account: PasonsAccount, access: Access, full: PasonsFull | None) -> _Wire:
    """How a request of an account travels; `full` says what is different in this one."""
    request, store = account.request, access.store_id
    method, path = request.method, request.path
    headers, query, more = request.headers, request.query, {}
    if full is not None:
        method, path = full.method or method, full.path or path
        headers = _merged(headers, full.headers)
        query, more = {**query, **full.query}, full.constants
    headers, query = dict(headers), dict(query)
    if store is not None and request.store.in_ == "header":
        headers[request.store.name] = store
    elif store is not None and request.store.in_ == "query":
        query[request.store.name] = store
    writer = row_writer(request, store, more=more)
    return _Wire(method, place_store(path, store), headers, query or None, writer)


def _merged(usual: dict[str, str], other: dict[str, str]) -> dict[str, str]:
    """Headers with those of `other` in place of the usual ones, however they are spelled."""
    replaced = {name.lower() for name in other}
    return {**{n: v for n, v in usual.items() if n.lower() not in replaced}, **other}


def _credentials(account: PasonsAccount, access: Access) -> tuple[dict[str, str], tuple[str, ...]]:
    """The headers that prove who we are, and the texts of them that no message may repeat."""
    auth = account.auth
    headers: dict[str, str] = {}
    private: tuple[str, ...] = ()
    if auth.scheme == "bearer":
        headers, private = {"Authorization": f"Bearer {access.key}"}, (access.key,)
    elif auth.scheme == "header":
        headers, private = {auth.header: auth.prefix + access.key}, (access.key,)
    elif auth.scheme == "basic":
        token = base64.b64encode(f"{auth.user}:{access.key}".encode()).decode()
        headers, private = {"Authorization": f"Basic {token}"}, (access.key, token)
    if access.secret:
        headers[auth.secret_header] = access.secret
        private = (*private, access.secret)
    return headers, private
