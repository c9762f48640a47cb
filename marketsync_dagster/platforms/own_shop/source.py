"""An own shop as a source of orders: a folder of files with one order, or a list of them.

What lies there is read, page by page, at every pull; a file goes to `done/` once all of it is in
the ledger (`kept`). What cannot be read stays where it is and is told.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

import orjson

from marketsync_dagster.config.orders import OwnShop
from marketsync_dagster.platforms.base import NOT_CALLED, Call, Pace, PlatformError
from marketsync_dagster.platforms.drop_box import DropBox, NoFolder
from marketsync_dagster.platforms.inbox import Arrived, Inbox, Unread, veiled, words_of
from marketsync_dagster.platforms.ordering import (
    Command,
    CommandAnswer,
    LookUp,
    OrderCapabilities,
    OrderPage,
    PulledOrder,
    RawOrder,
    UnreadableOrder,
)
from marketsync_dagster.platforms.own_shop import updates
from marketsync_dagster.platforms.own_shop.ordering import order_capabilities
from marketsync_dagster.platforms.own_shop.reading import Given, id_of, order_of
from marketsync_dagster.platforms.strict_json import Element, Wrong, canonical, elements
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster.values.times import to_iso, utcnow

if TYPE_CHECKING:
    from marketsync_dagster.config.settings import Settings

log = logging.getLogger(__name__)

PAGE_ORDERS = 100
"""A page has so many orders, or those of one file."""


class OwnShopSource:
    """One shop, open for use."""

    def __init__(
        self,
        settings: Settings,
        name: str,
        shop: OwnShop,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self.clock = clock
        self.order_capabilities: OrderCapabilities = order_capabilities(shop)
        self.inbox = Inbox(settings.root / shop.folder, [shop.pattern], shop.settle_s)
        self._outlets = settings.outlets
        self._given = Given(
            outlet=shop.outlet or "",
            currency=shop.currency or "",
            currencies={name: settings.currency_of(name) for name in settings.outlets},
            zones={name: settings.timezone_of(name) for name in settings.outlets},
        )
        self._updates: DropBox | None = None
        if shop.updates is not None:
            self._updates = DropBox(settings.root / shop.updates, shop.group_reads)
        self._makes_updates = shop.updates is not None and not shop.updates.is_absolute()
        self._pages: deque[tuple[OrderPage, list[tuple[Arrived, str]]]] = deque(maxlen=4)
        """The last pages that were handed out, with the files of them that were read whole, and
        their hashes."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *args: object) -> None:
        self._pages.clear()

    async def order_pages(
        self, since: str, position: str = "", *, pace: Pace | None = None
    ) -> AsyncIterator[OrderPage]:
        """Every file that lies there, oldest first: a folder's times prove nothing, so `since` is
        not asked. `position` is the file that the page begins with."""
        started = time.monotonic()
        files = [file for file in await self._listed(started) if file.key >= position]
        at = seen = 0
        while True:
            if pace is not None:
                await pace()
            page, at = await asyncio.to_thread(self._page, files, at, started, seen)
            seen += len(page.orders)
            yield page
            if not page.position:
                return
            started = time.monotonic()

    async def _listed(self, started: float) -> list[Arrived]:
        try:
            return await asyncio.to_thread(self.inbox.arrived, self.clock())
        except OSError as error:
            words = f"the folder of shops.{self.name} cannot be listed: {words_of(error)}"
            call = _call("list", started, words)
            raise PlatformError(
                words,
                f"is {self.inbox.folder} there, and readable? (shops.{self.name}.folder)",
                outcome=Outcome.RETRYABLE,
                calls=[call],
            ) from None

    def _page(
        self, files: list[Arrived], at: int, started: float, seen: int
    ) -> tuple[OrderPage, int]:
        orders: list[RawOrder] = []
        taken: list[tuple[Arrived, str]] = []
        while at < len(files) and len(orders) < PAGE_ORDERS:
            file = files[at]
            at += 1
            try:
                data = self.inbox.read(file)
            except Unread as error:
                if not error.waits:
                    orders.append(_problem(file, "", error.message))
                continue
            sha256 = hashlib.sha256(data).hexdigest()
            try:
                found = elements(data)
            except Wrong as error:
                orders.append(_problem(file, error.place, error.words, sha256))
                continue
            there = self._orders_of(file, found, self.inbox.was_put_away(file, sha256))
            orders += there
            if all(map(self._is_readable, there)):
                taken.append((file, sha256))
        page = OrderPage(
            tuple(orders),
            position=files[at].key if at < len(files) else "",
            server_time=to_iso(utcnow()),
            total=seen + len(orders) + len(files) - at,  # a file that was not read has one at least
            calls=(_call("read", started),),
        )
        self._pages.append((page, taken))
        return page, at

    def _orders_of(self, file: Arrived, found: list[Element], again: bool) -> list[RawOrder]:
        """The raw orders of one file. An id that stands for two different orders is nobody's, and
        nor is what came before under this name, and has none: it may be another order."""
        first: dict[str, str] = {}
        counts: dict[str, int] = {}
        orders = []
        for element in found:
            said = id_of(element.value)
            content = canonical(element.value)
            if said and first.setdefault(said, content) != content:
                words = "the file has another order with this id"
                orders.append(_problem(file, element.place, words, content))
                continue
            if not said and again and isinstance(element.value, dict):
                words = "a file of this name and content was taken before, and the order has no id"
                orders.append(_problem(file, element.place, words, content))
                continue
            if not said:
                counts[content] = counts.get(content, 0) + 1
                text = f"{file.name}\0{content}\0{counts[content]}"
                said = f"f-{hashlib.sha256(text.encode(errors='replace')).hexdigest()[:20]}"
            orders.append(_raw(file, element, said))
        return orders

    def _is_readable(self, raw: RawOrder) -> bool:
        try:
            self.read_order(raw.document)
        except UnreadableOrder:
            return False
        return True

    async def kept(self, page: OrderPage) -> None:
        """Put away the files of a page that were read whole."""
        taken = next((files for one, files in self._pages if one is page), [])
        for file, sha256 in taken:
            try:
                await asyncio.to_thread(self.inbox.put_away, file, sha256)
            except OSError as error:
                log.warning(
                    "shops.%s: %s cannot be moved to done/ and will be read again: %s",
                    self.name,
                    file.shown,
                    words_of(error),
                )

    def read_order(self, document: bytes) -> PulledOrder:
        """What a raw document of ours (`_raw`) says."""
        try:
            (found,) = elements(document)
            said: dict[str, Any] = found.value
        except (Wrong, ValueError):
            raise UnreadableOrder("the document is none of an own shop") from None
        name, place = said.get("file", "?"), said.get("place", "")
        try:
            if "problem" in said:
                raise Wrong(place, said["problem"])
            order = order_of(said["order"], place, said["id"], said["at"], self._given)
        except Wrong as error:
            where = ", ".join(filter(None, (veiled(name), error.place)))
            raise UnreadableOrder(f"{where}: {error.words}", "mend the file") from None
        where = {key: text for key, text in (("file", name), ("place", place)) if text}
        return replace(order, details={**order.details, **where})

    async def look_up(self, external_ids: Sequence[str]) -> LookUp:
        """There is nobody to ask."""
        call = Call("GET", "own_shop/look_up", None, 0, error=NOT_CALLED)
        return LookUp(call, outcome=Outcome.UNSUPPORTED, message="a folder cannot be asked")

    async def perform(self, command: Command) -> CommandAnswer:
        """One file for the shop. Its name is the command's, so the same is never told twice."""
        started = time.monotonic()
        if self._updates is None or command.kind not in self.order_capabilities.commands:
            call = Call("PUT", "own_shop/update", None, 0, error=NOT_CALLED)
            words = f"shops.{self.name} has no folder for updates"
            return CommandAnswer(call, Outcome.UNSUPPORTED, words)
        key, data = updates.key_of(command), updates.document_of(command)
        try:
            self._updates.prepare(make=self._makes_updates)
            put = await asyncio.to_thread(self._updates.put, key, {f"{key}.json": data})
        except (OSError, NoFolder) as error:
            words = error.message if isinstance(error, NoFolder) else words_of(error)
            words = f"the update was not written: {words}"
            # what was done before is certain, whatever failed: the look-up tells it
            return CommandAnswer(_call("update", started, words), Outcome.UNKNOWN, words)
        if put == "other":
            words = f"another update has the name {key} already"
            return CommandAnswer(_call("update", started, words), Outcome.REFUSED, words)
        return CommandAnswer(_call("update", started), Outcome.APPLIED, reference=f"{key}.json")

    async def verify(self, command: Command) -> CommandAnswer:
        """Whether the file of a command was dropped, for certain, also when it was taken away."""
        started = time.monotonic()
        if self._updates is None:
            return await self.perform(command)
        key = updates.key_of(command)
        try:
            self._updates.prepare(make=self._makes_updates)
            there = await asyncio.to_thread(self._updates.standing, key)
        except (OSError, NoFolder) as error:
            words = error.message if isinstance(error, NoFolder) else words_of(error)
            call = _call("verify", started, words)
            return CommandAnswer(call, Outcome.RETRYABLE, words, code="not_asked")
        if there == "dropped":
            reference = f"{key}.json"
            return CommandAnswer(_call("verify", started), Outcome.APPLIED, reference=reference)
        return CommandAnswer(_call("verify", started), Outcome.RETRYABLE, "it was not written")


def _raw(file: Arrived, element: Element, external_id: str) -> RawOrder:
    """A raw order: the text of the order as it stands in the file, and where it comes from."""
    at = to_iso(datetime.fromtimestamp(file.mtime_ns / 1e9, UTC))
    head = orjson.dumps({"file": file.shown, "place": element.place, "id": external_id, "at": at})
    document = head[:-1] + b',"order":' + element.text.encode(errors="replace") + b"}"
    return RawOrder(external_id, document, at)


def _problem(file: Arrived, place: str, words: str, told: str = "") -> RawOrder:
    """What no order can be made of: the document says why, and the file keeps what is in it."""
    mark = hashlib.sha256(told.encode(errors="replace")).hexdigest()[:16] if told else ""
    said = {"file": file.shown, "place": place, "problem": words, "content": mark}
    return RawOrder("", orjson.dumps(said))


def _call(what: str, started: float, error: str = "") -> Call:
    """A look into a folder, as calls are counted."""
    milliseconds = round((time.monotonic() - started) * 1000)
    return Call("FILE", f"own_shop/{what}", None if error else 200, milliseconds, error=error)
