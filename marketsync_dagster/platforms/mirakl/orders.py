"""A shop on Mirakl as a source of orders: OR11 by time of change, and the calls of a seller.

How a page is taken apart belongs to `order_pages`, what an order says to `order_reading`, what is
sent to `order_commands`, what proves that it was done to `order_proofs`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from marketsync_dagster.platforms import answers
from marketsync_dagster.platforms.answers import Readable
from marketsync_dagster.platforms.base import NOT_CALLED, Answer, Call, Pace
from marketsync_dagster.platforms.bodies import error_words
from marketsync_dagster.platforms.http import Response, Transport
from marketsync_dagster.platforms.mirakl import order_commands, order_proofs
from marketsync_dagster.platforms.mirakl.order_pages import (
    PAGE,
    Listed,
    Walk,
    newest,
    read_page,
)
from marketsync_dagster.platforms.mirakl.order_reading import load, read_order
from marketsync_dagster.platforms.mirakl.shop import Access, Pairs, Shop
from marketsync_dagster.platforms.ordering import (
    Command,
    CommandAnswer,
    LookUp,
    OrderCapabilities,
    OrderPage,
    PulledOrder,
    UnreadableOrder,
)
from marketsync_dagster.platforms.reading import Tries, read
from marketsync_dagster.values.order_states import CommandKind
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster.values.times import from_iso, to_iso, utcnow

ORDERS = "/orders"
KEPT = 4 * PAGE
"""Documents that are kept read until they are asked for."""


class MiraklOrders(Shop):
    """One shop with one key, open for use."""

    def __init__(
        self,
        access: Access,
        transport: Transport,
        capabilities: OrderCapabilities,
        accept_hours: float | None = None,
    ) -> None:
        super().__init__(access, transport)
        self._can = capabilities
        self._accept_hours = accept_hours
        self._silent = replace(self._rules, no_content=Outcome.APPLIED)
        self._read: dict[bytes, Any] = {}
        """Documents of the last pages: taking a page apart has read them already."""

    @property
    def order_capabilities(self) -> OrderCapabilities:
        """What the shop can be told."""
        return self._can

    # --- reading

    async def order_pages(
        self, since: str, position: str = "", *, pace: Pace | None = None
    ) -> AsyncIterator[OrderPage]:
        """OR11 by time of change, without a filter by state: an order never leaves the window."""
        tries = Tries.of(self._access.retry, pace)
        walk = Walk(position)
        start = from_iso(since).strftime("%Y-%m-%dT%H:%M:%SZ")
        while True:
            offset = walk.place.offset
            pairs = (
                ("start_update_date", start),
                ("max", str(PAGE)),
                ("offset", str(offset)),
                ("sort", "dateCreated"),
                ("order", "asc"),
            )
            listed = await read(
                tries,
                lambda pairs=pairs: self._listed(pairs),
                _page_of,
                what=f"the orders cannot be read at number {offset}",
                otherwise="the answer is not a page of orders; is base_url right?",
            )
            at = _server_time(tries.calls[-1])
            following = walk.after(listed)
            if following is None:
                continue
            self._keep(listed)
            yield OrderPage(listed.orders, following, at, listed.total, tries.take_calls())
            if not following:
                return

    def read_order(self, document: bytes) -> PulledOrder:
        """What a raw document says."""
        found = self._read.pop(document, None)
        if found is None:
            try:
                found = load(document)
            except (ValueError, RecursionError, ArithmeticError):
                raise UnreadableOrder("the document is not JSON") from None
        return read_order(found, self._accept_hours)

    async def look_up(self, external_ids: Sequence[str]) -> LookUp:
        """One OR11 of at most 100 orders."""
        if len(external_ids) > PAGE:
            raise ValueError(f"{len(external_ids)} orders in one look-up, {PAGE} at most")
        said = await self._listed((("order_ids", ",".join(external_ids)), ("max", str(PAGE))))
        listed = _page_of(said)
        if listed is None:
            if isinstance(said, Readable):
                message = "the answer is not a list of orders"
                return LookUp(said.call, outcome=Outcome.UNKNOWN, message=message)
            wait = said.retry_after_s
            return LookUp(said.call, outcome=said.outcome, message=said.message, retry_after_s=wait)
        self._keep(listed)
        found = newest(listed.orders)
        return LookUp(said.call, tuple(found[one] for one in external_ids if one in found))

    async def _listed(self, pairs: Pairs) -> Answer | Readable:
        """One OR11; its document is `Listed` where it is one."""
        result, call = await self._call("GET", ORDERS, pairs)
        if isinstance(result, Response) and result.status == 200:
            listed = read_page(result.body)
            if listed is not None:
                return Readable(listed, result.clean, call, result.status)
        return answers.settle(result, call, self._rules, count=1)

    def _keep(self, listed: Listed) -> None:
        for order, document in zip(listed.orders, listed.documents, strict=True):
            self._read[order.document] = document
        while len(self._read) > KEPT:
            self._read.pop(next(iter(self._read)), None)

    # --- commands

    async def perform(self, command: Command) -> CommandAnswer:
        """One attempt at the call that tells the shop so."""
        request = order_commands.request_of(command, self._can)
        if isinstance(request, CommandAnswer):
            return request
        headers = {"Content-Type": "application/json"} if request.body is not None else None
        result, call = await self._call(request.method, request.path, (), request.body, headers)
        rules = self._rules if request.read is not None else self._silent
        said = answers.settle(result, call, rules, count=1)
        if isinstance(said, Readable):
            return order_commands.read_answer(command, request, said)
        code = ""
        if isinstance(result, Response) and result.status >= 400:
            code, _ = error_words(result.document()[1])
            code = result.clean(code)
        return order_commands.settled(said, code)

    async def verify(self, command: Command) -> CommandAnswer:
        """One look: ST11 for a parcel, OR11 for everything else."""
        if command.kind not in self._can.commands:
            return order_commands.unsupported(command)
        path, pairs = ORDERS, (("order_ids", command.external_id), ("max", str(PAGE)))
        if command.kind is CommandKind.PARCEL:
            path = order_commands.SHIPMENTS
            pairs = (("order_id", command.external_id), ("limit", str(PAGE)))
        said = await self._fetch(path, pairs)
        if isinstance(said, Readable):
            return order_proofs.proved(command, said)
        wait, outcome, code = said.retry_after_s, Outcome.RETRYABLE, "not_asked"
        if said.outcome is Outcome.AUTH_FAILED:
            outcome, code = Outcome.AUTH_FAILED, ""
        return CommandAnswer(said.call, outcome, said.message, code, retry_after_s=wait)


def _page_of(said: Answer | Readable) -> Listed | None:
    document = said.document if isinstance(said, Readable) else None
    return document if isinstance(document, Listed) else None


def _server_time(call: Call) -> str:
    """The platform's clock when it was asked, at the latest."""
    if call.ahead_s is None or call.error == NOT_CALLED:
        return ""
    return to_iso(
        utcnow() + timedelta(seconds=call.ahead_s) - timedelta(milliseconds=call.milliseconds)
    )
