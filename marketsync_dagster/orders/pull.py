"""Pulling the orders of one source, page by page, into the ledger.

Each page is kept as it came, then, in a later transaction, brought into the book together with the
cursor. Three pages are under way at once: one is fetched, the one before it is kept, the one before
that goes into the book. Whatever dies in between goes on at its page, and the page before it comes
again.
"""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Collection,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from marketsync_dagster.config.orders import OrderSettings
from marketsync_dagster.ledger.calls import record_calls
from marketsync_dagster.ledger.order_raw import RawRow, sha256_of
from marketsync_dagster.ledger.orders import BookOrder, ids_of, load_orders
from marketsync_dagster.orders import progress
from marketsync_dagster.orders.applying import Applied, Read
from marketsync_dagster.orders.intake import Intake
from marketsync_dagster.orders.pacing import PullPace
from marketsync_dagster.orders.progress import Start, live_since, progress_of, start_of
from marketsync_dagster.platforms.base import Call, Pace, PlatformError
from marketsync_dagster.platforms.ordering import (
    Keeps,
    OrderPage,
    OrderSource,
    PulledOrder,
    RawOrder,
    UnreadableOrder,
)
from marketsync_dagster.push.calls import call_row
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster.values.times import from_iso, to_iso, utcnow

_ORDER = ("unchanged", "updated", "created")
"""What may happen to an order in one pull, the last of them counts."""


@dataclass(slots=True)
class Pulled:
    """What one pull came to."""

    pages: int = 0
    calls: int = 0
    finished: bool = False
    """It came to its end; otherwise it was stopped, and the next one goes on."""
    resumed: bool = False
    """It went on where one before had ended early."""
    moved: bool = False
    """The cursor stands at its beginning now."""
    recovered: int = 0
    """Orders of documents that an earlier pull had kept, and nobody had applied; they count among
    the others, too."""
    unreadable: int = 0
    left_out: int = 0
    """Orders that were not kept, by `states` or `limit`."""
    said_total: int = 0
    """How many orders the source says there are."""
    fates: dict[str, str] = field(default_factory=dict)
    """Order -> created, updated, unchanged."""

    def count(self, applied: Applied) -> None:
        """Add what became of one page."""
        self.unreadable += applied.unreadable
        for fate in _ORDER:
            for order_id in getattr(applied, fate):
                before = self.fates.get(order_id, fate)
                self.fates[order_id] = max(before, fate, key=_ORDER.index)

    def numbers(self) -> dict[str, int | float]:
        """As a stage counts."""
        fates = list(self.fates.values())
        total = len(fates) + self.unreadable + self.left_out
        return {
            "created": fates.count("created"),
            "updated": fates.count("updated"),
            "unchanged": fates.count("unchanged"),
            "failed": self.unreadable,
            "left_out": self.left_out,
            "total": total,
            "pages": self.pages,
            "calls": self.calls,
        }


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of all that comes is kept."""

    since: str = ""
    """ISO time; empty: where the last pull ended."""
    states: Collection[str] = ()
    """Ours, or the platform's words; empty: all."""
    limit: int | None = None
    """New or changed orders at most."""

    @property
    def partly(self) -> bool:
        """Whether something may be left out."""
        return bool(self.states) or self.limit is not None

    def fits(self, order: PulledOrder) -> bool:
        """Whether an order, or a line of it, is in one of the states."""
        if not self.states:
            return True
        asked = {state.casefold() for state in self.states}
        said = [(order.state, order.raw_state)]
        said += [(line.state, line.raw_state) for line in order.lines]
        return any(raw.casefold() in asked or (state or "") in asked for state, raw in said)


def _go_on() -> bool:
    return True


@dataclass(frozen=True, slots=True, repr=False)
class _Kept:
    """One page whose documents are in the ledger, and nothing was made of them yet."""

    page: OrderPage
    at: str
    """The position at which it began."""
    moment: str
    others: int
    """Orders that nobody asked for, left out for good."""
    later: Sequence[RawOrder]
    """Orders that are left out unless there is room for them in the end."""
    rows: Sequence[RawRow]
    read: Mapping[int, PulledOrder | UnreadableOrder]
    """Id of a document that nobody had seen -> what it says."""

    @property
    def whole(self) -> bool:
        """Nothing of the page was left out."""
        return not self.others and not self.later


@dataclass(slots=True)
class Puller:
    """One pull of one source. `run` it once."""

    reader: OrderSource
    intake: Intake
    settings: OrderSettings
    wanted: Wanted = Wanted()
    pace: PullPace | Pace | None = None
    go_on: Callable[[], bool] = _go_on
    """Asked before each page is written: False ends the pull there."""
    tell: Callable[[int, int], object] = lambda _done, _total: None
    """Told how many orders there were so far, and how many there are."""
    now: datetime | None = None
    result: Pulled = field(default_factory=Pulled)
    """What it came to so far, also where it raises."""
    _started: str = ""
    _seen: int = 0
    """Orders of all pages so far, wanted or not."""
    _keeping: asyncio.Task[_Kept] | None = None
    """The page that came last."""
    _booking: asyncio.Task[bool] | None = None
    """The page before that one; False: no more are wanted."""

    async def run(self) -> Pulled:
        """Pull to the end. PlatformError where the source cannot be read so far; what was kept
        until then stays, and the next pull goes on."""
        now = self.now or utcnow()
        before = await asyncio.to_thread(progress_of, self.intake.ledger, self.intake.source)
        if self.settings.accept == "platform":
            self.intake = replace(self.intake, taken_since=live_since(before))
        await asyncio.to_thread(self._recover, to_iso(now))
        start = start_of(
            before, self.settings, now, since=self.wanted.since, partly=self.wanted.partly
        )
        self.result.resumed = bool(start.started)
        try:
            try:
                await self._pull(start, now)
            except PlatformError as error:
                if not start.position or self.result.pages or error.outcome is not Outcome.REFUSED:
                    raise
                # the page where it stood is gone: once more from the beginning of that pull
                await self._record(error.calls)
                await self._pull(Start(start.since, start.moves, "", start.started), now)
        except PlatformError as error:
            await self._record(error.calls)
            raise
        return self.result

    def _recover(self, at: str) -> None:
        for applied in self.intake.left_over(at):
            self.result.recovered += len(applied.orders)
            self.result.count(applied)

    async def _pull(self, start: Start, now: datetime) -> None:
        if isinstance(self.pace, PullPace):
            self.pace.begins = not start.position
        self._started = start.started
        self._keeping = self._booking = None
        at = start.position
        pages = self.reader.order_pages(start.since, start.position, pace=self.pace)
        try:
            async with _closing(pages):
                async for page in pages:
                    self.intake.observe("page_read")
                    self._started = self._started or _clock(page, now)
                    if not await self._go_ahead(start) or not self.go_on():
                        return
                    # what is left out of a page rests on what became of those before it
                    if self.wanted.partly and not await self._booked():
                        return
                    self._keeping = asyncio.create_task(asyncio.to_thread(self._keep, page, at))
                    at = page.position
        finally:
            # also where the next page cannot be read: these have come
            ended = await asyncio.shield(asyncio.create_task(self._write_out(start)))
        if ended:
            await asyncio.to_thread(self._finish, start)

    async def _go_ahead(self, start: Start) -> bool:
        """The page that was kept goes into the book, after the one before it; False: no more."""
        if not await self._booked():
            return False
        if self._keeping is not None:
            kept = await self._keeping
            if not self.go_on():  # the next pull finds what is kept
                return False
            self._booking = asyncio.create_task(self._bring(kept, start))
            self._keeping = None
        return True

    async def _booked(self) -> bool:
        """Wait for the page that is on its way into the book; False: no more are wanted."""
        return self._booking is None or await self._booking

    async def _write_out(self, start: Start) -> bool:
        """Bring what has come into the book; False: no more was wanted."""
        try:
            return await self._go_ahead(start) and await self._booked()
        finally:
            if self._keeping is not None:
                await asyncio.wait([self._keeping])

    def _finish(self, start: Start) -> None:
        """The last page is kept."""
        self.result.finished = True
        if start.moves and self._started:
            with self.intake.ledger.begin() as conn:
                progress.finished(conn, self.intake.source, self._started)
            self.result.moved = True
        self.intake.observe("pull_finished")

    def _keep(self, page: OrderPage, at: str) -> _Kept:
        """Keep the documents of one page, which began at `at`, and read those that are new."""
        result = self.result
        result.pages += 1
        result.calls += len(page.calls)
        result.said_total = max(result.said_total, page.total or 0)
        self._seen += len(page.orders)
        return self._keep_wanted(page, at, page.orders, page.calls)

    def _keep_wanted(
        self,
        page: OrderPage,
        at: str,
        raws: Sequence[RawOrder],
        calls: Sequence[Call] = (),
        others: int = 0,
    ) -> _Kept:
        """Keep what is wanted of some documents of a page, of which `others` are not."""
        moment = to_iso(self.now or utcnow())
        chosen, later = self._choose(raws) if self.wanted.partly else (raws, ())
        left_out = len(raws) - len(chosen)
        self.result.left_out += left_out
        made = [call_row(self.intake.source, call) for call in calls]
        rows = self.intake.keep(chosen, moment, lambda conn: record_calls(conn, made))
        read = {row.id: self.intake.read(row.document) for row in rows if not row.seen}
        return _Kept(page, at, moment, others + left_out - len(later), later, rows, read)

    def _keep_later(self, kept: _Kept) -> _Kept:
        """Documents that were taken have said nothing new: there is room for others."""
        self.result.left_out -= len(kept.later)
        return self._keep_wanted(kept.page, kept.at, kept.later, others=kept.others)

    async def _bring(self, kept: _Kept, start: Start) -> bool:
        """Bring one page into the book; False: no more are wanted."""
        more = await asyncio.to_thread(self._apply, kept, start)
        while kept.later and self._room():
            kept = await asyncio.to_thread(self._keep_later, kept)
            more = await asyncio.to_thread(self._apply, kept, start)
        if kept.whole and isinstance(self.reader, Keeps):
            await self.reader.kept(kept.page)
        return more

    def _apply(self, kept: _Kept, start: Start) -> bool:
        """Write one page and the cursor; False: no more are wanted."""
        result, page, moment = self.result, kept.page, kept.moment
        new, known = self.intake.split(kept.rows)
        result.count(Applied(unchanged=known))
        read: list[Read] = [
            (row, kept.read.get(row.id) or self.intake.read(row.document)) for row in new
        ]

        def cursor(conn: Connection) -> None:
            if start.moves:
                progress.under_way(
                    conn, self.intake.source, start.since, self._started or moment, kept.at
                )

        result.count(self.intake.apply(read, moment, cursor))
        self.intake.observe("page_committed")
        self.tell(len(result.fates), result.said_total)
        if page.position and not self._room():
            result.left_out += max(0, result.said_total - self._seen)
            return False
        return True

    def _choose(self, raws: Sequence[RawOrder]) -> tuple[list[RawOrder], list[RawOrder]]:
        """Those that are wanted: of the states asked for, and not more new ones than `limit`; and
        those that the limit alone leaves out."""
        book = self._book(raws)
        chosen: list[RawOrder] = []
        later: list[RawOrder] = []
        there = self._kept()
        for raw in raws:
            said = self.intake.read(raw.document)
            if isinstance(said, PulledOrder) and not self.wanted.fits(said):
                continue
            known = book.get(raw.external_id)
            new = known is None or known.raw_sha256 != sha256_of(raw.document)
            if new and isinstance(said, PulledOrder):
                if self.wanted.limit is not None and there >= self.wanted.limit:
                    later.append(raw)
                    continue
                there += 1
            chosen.append(raw)
        return chosen, later

    def _kept(self) -> int:
        """New and changed orders so far."""
        return sum(fate != "unchanged" for fate in self.result.fates.values())

    def _room(self) -> bool:
        """Whether more new and changed orders are wanted."""
        return self.wanted.limit is None or self._kept() < self.wanted.limit

    def _book(self, raws: Sequence[RawOrder]) -> dict[str, BookOrder]:
        """External id -> order, of those that the book has."""
        names = {raw.external_id for raw in raws}
        ids = ids_of(self.intake.platform, self.intake.source, names)
        with self.intake.ledger.read() as conn:
            book = load_orders(conn, list(ids.values()))
        return {name: book[one] for name, one in ids.items() if one in book}

    async def _record(self, calls: Sequence[Call]) -> None:
        """Calls that led to no page."""
        self.result.calls += len(calls)
        rows = [call_row(self.intake.source, call) for call in calls]

        def write() -> None:
            with self.intake.ledger.begin() as conn:
                record_calls(conn, rows)

        if rows:
            await asyncio.to_thread(write)


def _clock(page: OrderPage, now: datetime) -> str:
    """The platform's clock when the pull began, never later; ours where it does not tell."""
    if not page.server_time:
        return to_iso(now)
    took = sum(call.milliseconds for call in page.calls)
    return to_iso(from_iso(page.server_time) - timedelta(milliseconds=took))


@asynccontextmanager
async def _closing(pages: AsyncIterator[OrderPage]) -> AsyncIterator[None]:
    """Ends a reading that is left early."""
    try:
        yield
    finally:
        if isinstance(pages, AsyncGenerator):
            await pages.aclose()
