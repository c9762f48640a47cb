"""Applies one plan to one channel: batches, retries, splits, and every answer journalled.

The order is the law: intent committed, then the call, then the outcome committed. A crash at any
point leaves either nothing sent, or a batch whose intent stands without an outcome; the next push
of the channel (`push.recovery`) counts those rows as unknown and sends them again, which is
harmless because prices and stock are absolute.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from marketsync_dagster.ledger.calls import CallRow, record_calls
from marketsync_dagster.ledger.listings import ItemRow, Source, acknowledge, acknowledge_batches
from marketsync_dagster.ledger.pushes import (
    BatchAnswer,
    answer_batch,
    answer_batches,
    intend,
    is_open,
)
from marketsync_dagster.platforms.base import Answer, ItemResult
from marketsync_dagster.push.calls import call_row
from marketsync_dagster.push.columns import Columns, Same, by_index, count_outcomes, distinct
from marketsync_dagster.push.pacing import Pacer, Slots, Stop
from marketsync_dagster.push.patience import GOES_AGAIN, Patience
from marketsync_dagster.push.result import PushResult
from marketsync_dagster.values.errors import Busy
from marketsync_dagster.values.outcomes import ACKNOWLEDGED, Outcome
from marketsync_dagster.values.times import to_iso, utcnow

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from marketsync_dagster.config.settings import Retry
    from marketsync_dagster.platforms.base import Adapter
    from marketsync_dagster.platforms.items import PriceItems
    from marketsync_dagster.push.journal import Journal, Write

UNSETTLED = 4
"""So many journal entries per connection may be on their way to the disk before a push waits."""
PREPARE_AFTER_S = 0.005
"""A request is on its way by then: time to make the next one ready."""
TAKEN_OVER = "another run took the channel over while this one was stalled"

POINTS = (
    "lease_taken",
    "push_opening",
    "push_opened",
    "intent_written",
    "intent_committed",
    "before_send",
    "answered",
    "ack_written",
    "ack_committed",
    "unreached_written",
    "push_closing",
    "push_closed",
    "lease_released",
)
"""The durable points of a push, in order, as `Observer` is told them."""

Observer = Callable[[str], None]
Range = tuple[int, int, int]
"""A batch: its number, its first row, and the row after its last."""


def unobserved(_: str) -> None:
    """The observer of production: nobody looks."""


@dataclass(slots=True, eq=False)
class Sender:
    """One push on its way. `run` sends everything, or says why it stopped."""

    source: Source
    columns: Columns
    adapter: Adapter
    journal: Journal
    pacer: Pacer
    retry: Retry
    stop: Stop
    observe: Observer = unobserved
    concurrency: int = 4
    holds: Callable[[], bool] = lambda: True
    """Whether the channel's lease is still held, as far as this process can tell by itself."""
    progress: Callable[[int], None] = lambda _: None
    whole: bool = False
    """The rows replace all that the platform shows: they fit one request (`push.replacing`)."""
    result: PushResult = field(default_factory=PushResult)
    _queue: deque[tuple[int, int]] = field(default_factory=deque)
    """Ranges without an intent."""
    _ready: deque[Range] = field(default_factory=deque)
    """Numbered ranges whose intent is durable, not sent yet."""
    _ahead: asyncio.Task[None] | None = None
    """The writing of the next intents, while it goes on."""
    _number: int = 0
    _patience: Patience = field(init=False)
    _acknowledging: deque[asyncio.Future[Any]] = field(default_factory=deque)
    """On their way to the disk, oldest first: the journal keeps the order."""

    def __post_init__(self) -> None:
        self._patience = Patience(self.retry, self.stop, self.pacer)

    async def run(self) -> PushResult:
        """Send all rows; returns when every row has an outcome that is durable.

        Raises what the ledger raises: without a journal nothing more is sent.
        """
        started = time.monotonic()
        self._patience.begin()
        size = self.adapter.capabilities.batch_items
        total = len(self.columns.sku)
        self._queue = deque((at, min(at + size, total)) for at in range(0, total, size))
        await self.pacer.open()
        # One batch goes first and alone: a dead key or a dead platform costs one call, not many.
        await self._intend(1)
        await self._send(*self._ready.popleft())
        workers = min(self.concurrency, len(self._queue))
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(self._work())
        await self._note_unreached()
        await self._settle(0)
        self.result.stopped = self.stop.reason
        self.result.seconds = time.monotonic() - started
        return self.result

    # -- batches ---------------------------------------------------------------------------

    async def _work(self) -> None:
        """Send ranges until none is left; while one is in flight the next is made ready."""
        taken, items = await self._take(), None
        while taken is not None:
            sending = asyncio.create_task(self._send(*taken, items=items))
            try:
                taken, items = await self._following()
            finally:
                await sending
            # what was split meanwhile is in the queue again
            taken = taken or await self._take()

    async def _following(self) -> tuple[Range | None, PriceItems | None]:
        """The next range and its items, made once the request in flight is on its way."""
        if not self._queue and not self._ready and self._ahead is None:
            return None, None
        await asyncio.sleep(PREPARE_AFTER_S)
        taken = await self._take()
        return taken, None if taken is None else self.columns.items(range(*taken[1:]))

    async def _take(self) -> Range | None:
        """The next range, numbered, its intent durable; None: there is nothing more to send.

        Intents are written some batches ahead, many in one transaction, so that no request waits
        for the disk.
        """
        while not self.stop.event.is_set():
            if self._queue and len(self._ready) < self.concurrency and self._ahead is None:
                self._ahead = asyncio.create_task(self._intend(2 * self.concurrency))
                # whoever waits for it raises; if nobody does any more, asyncio would print it
                self._ahead.add_done_callback(lambda task: task.cancelled() or task.exception())
            if self._ready:
                return self._ready.popleft()
            if self._ahead is None:
                return None
            await asyncio.shield(self._ahead)
        return None

    async def _intend(self, most: int) -> None:
        """Make the intents of the next ranges durable."""
        try:
            ranges = []
            while self._queue and len(ranges) < most:
                ranges.append((self._next_number(), *self._queue.popleft()))
            await self.journal.share(self._write_intents, ranges)
            for taken in ranges:
                self.observe("intent_committed")
                self._ready.append(taken)
        finally:
            self._ahead = None

    def _write_intents(self, connection: Connection, groups: list[list[Range]]) -> None:
        ranges = [taken for group in groups for taken in group]
        self._still_ours(connection)
        intend(connection, self.source.push_id, ranges, to_iso(utcnow()))
        for _ in ranges:
            self.observe("intent_written")

    def _still_ours(self, connection: Connection) -> None:
        if not is_open(connection, self.source.push_id):
            raise Busy(TAKEN_OVER, "the next run sends what is still to be said")

    def _next_number(self) -> int:
        self._number += 1
        return self._number

    async def _send(
        self, number: int, first: int, last: int, items: PriceItems | None = None
    ) -> None:
        """All attempts for one range; `items` are its items, if they have been made already."""
        todo: Sequence[int] = range(first, last)
        items = self.columns.items(todo) if items is None else items
        parts = self.adapter.batches(items)
        if len(parts) > 1:
            await self._split(number, [(first + a, first + b) for a, b in parts], 0)
            return
        attempts, outcomes, words = 0, Counter[str](), ""
        while todo:
            slot = await self.pacer.slot_or_stop()
            if not self.holds():
                self.stop.set("the lease of the channel ran out before it could be renewed")
            if self.stop.event.is_set():
                await self._acknowledge(number, self._unsent(todo), outcomes, attempts, last=True)
                return
            attempts += 1
            answer = await self._call(number, items, attempts, slot)
            if answer.split and len(todo) > 1 and not self._uncuttable:
                if len(todo) < last - first:
                    # some of the batch is settled: no range holds the rest, the next push does
                    results = _too_large_now(todo, answer)
                    await self._acknowledge(number, results, outcomes, attempts, last=True)
                    return
                half = first + len(todo) // 2
                await self._split(number, [(first, half), (half, last)], attempts)
                return
            results = _per_item(todo, answer)
            if self._is_whole(todo):
                took = {result.outcome for result in distinct(results)} & ACKNOWLEDGED
                self.result.replaced = self.result.replaced or bool(took)
            words = answer.message or words
            again = await self._again(answer, results, attempts)
            settled = results
            if again:
                settled = {i: result for i, result in results.items() if i not in again}
            await self._acknowledge(
                number, settled, outcomes, attempts, last=not again, words=words
            )
            todo = sorted(again)
            items = self.columns.items(todo)

    async def _call(self, number: int, items: PriceItems, attempt: int, slot: Slots) -> Answer:
        self.observe("before_send")
        answer = await self.adapter.send(items, single=len(items) == 1, whole=self._is_whole(items))
        self.observe("answered")
        self.result.called(answer)
        source = self.source
        row = call_row(
            source.account, answer.call, attempt=attempt, push_id=source.push_id, batch=number
        )
        self._submit(self._write_calls, row)
        await self.pacer.answered(slot)
        return answer

    def _write_calls(self, connection: Connection, rows: list[CallRow]) -> None:
        record_calls(connection, rows)

    async def _again(
        self, answer: Answer, results: Mapping[int, ItemResult], attempts: int
    ) -> set[int]:
        """Which items of an answer go again now, after the wait that is due."""
        found = {result.outcome for result in distinct(results)}
        open_: set[int] = set()
        if found & GOES_AGAIN:
            open_ = {i for i, result in results.items() if result.outcome in GOES_AGAIN}
        if self._uncuttable and len(open_) < len(results):
            open_ = set()  # some of them alone would take the others off sale
        alone = self._number == 1
        again = await self._patience.again(answer, found, attempts, some=bool(open_), first=alone)
        return open_ if again else set()

    @property
    def _uncuttable(self) -> bool:
        return self.adapter.capabilities.always_replaces

    def _is_whole(self, items: Sequence[Any]) -> bool:
        """Whether these are all rows of a push that replaces; fewer go as ordinary updates."""
        return self.whole and len(items) == len(self.columns.sku)

    async def _split(self, number: int, parts: list[tuple[int, int]], attempts: int) -> None:
        """Put the parts of a batch that is too large in front of the queue."""
        self._queue.extendleft(reversed(parts))

        def work(connection: Connection) -> None:
            answer_batch(
                connection,
                self.source.push_id,
                number,
                state="split",
                attempts=attempts,
                outcomes={},
                message=f"too large: split into {len(parts)}",
                at=to_iso(utcnow()),
            )

        await self.journal.write(work)

    # -- outcomes --------------------------------------------------------------------------

    async def _acknowledge(
        self,
        number: int,
        results: Mapping[int, ItemResult],
        outcomes: Counter[str],
        attempts: int,
        *,
        last: bool,
        words: str = "",
    ) -> None:
        """Journal what became of these items; with the last of them the batch is answered."""
        counted = count_outcomes(results)
        outcomes.update(counted)
        self.result.count(self.columns, results, counted)
        self.progress(self.result.told)
        message = words or next((r.message for r in distinct(results) if r.message), "")
        answer = BatchAnswer(
            number, "answered" if last else "intended", attempts, dict(outcomes), message
        )
        # made here: the journal's thread is the one that everything waits for
        answered = (answer, self.columns.rows(results))
        self._submit(self._write_answers, answered, point="ack_committed")
        await self._settle(UNSETTLED * self.concurrency)

    def _write_answers(
        self, connection: Connection, answered: list[tuple[BatchAnswer, list[ItemRow]]]
    ) -> None:
        now = to_iso(utcnow())
        ours = is_open(connection, self.source.push_id)
        # if not: a successor has sent since, before or after these arrived: nobody knows
        batches = [(answer.number, rows) for answer, rows in answered]
        if not ours:
            batches = [(number, in_doubt(rows)) for number, rows in batches]
        acknowledge_batches(connection, self.source, batches, now)
        if not ours:
            return
        answer_batches(connection, self.source.push_id, [answer for answer, _ in answered], now)
        for _ in answered:
            self.observe("ack_written")

    async def _note_unreached(self) -> None:
        """Rows that were never tried because the push stopped: they go again next time."""
        if self._ahead is not None:
            await self._ahead
        for number, first, last in self._ready:
            unsent = self._unsent(range(first, last))
            await self._acknowledge(number, unsent, Counter(), 0, last=True)
        while self._queue:
            first, last = self._queue.popleft()
            number = self._next_number()
            results = self._unsent(range(first, last))
            counted = count_outcomes(results)
            self.result.count(self.columns, results, counted)
            rows, outcomes = self.columns.rows(results), dict(counted)

            def work(
                connection: Connection,
                number: int = number,
                span: tuple[int, int] = (first, last),
                rows: list[ItemRow] = rows,
                outcomes: dict[str, int] = outcomes,
            ) -> None:
                now = to_iso(utcnow())
                self._still_ours(connection)
                intend(connection, self.source.push_id, [(number, *span)], now)
                acknowledge(connection, self.source, number, rows, now)
                answer_batch(
                    connection,
                    self.source.push_id,
                    number,
                    state="abandoned",
                    attempts=0,
                    outcomes=outcomes,
                    message=self.stop.reason,
                    at=now,
                )
                self.observe("unreached_written")

            await self.journal.write(work)

    def _unsent(self, indices: Sequence[int]) -> Mapping[int, ItemResult]:
        result = ItemResult(self.stop.outcome, f"not sent: {self.stop.reason}")
        return Same(indices, result)

    def _submit(self, write: Write, entry: Any, point: str = "") -> None:
        future = self.journal.share(write, entry)
        self._acknowledging.append(future)
        if point:
            future.add_done_callback(lambda done: done.exception() or self.observe(point))

    async def _settle(self, most: int) -> None:
        """Wait until no more than `most` acknowledgements are on their way to the disk."""
        while len(self._acknowledging) > most:
            await asyncio.wait([self._acknowledging[0]])
            while self._acknowledging and self._acknowledging[0].done():
                self._acknowledging.popleft().result()


def in_doubt(rows: list[ItemRow]) -> list[ItemRow]:
    """The same items, their outcome unknown."""
    return [(*row[:6], Outcome.UNKNOWN.value, TAKEN_OVER, row[8]) for row in rows]


def _too_large_now(indices: Sequence[int], answer: Answer) -> Mapping[int, ItemResult]:
    words = f"too large for the platform: {answer.message}"
    return Same(indices, ItemResult(Outcome.RETRYABLE, words))


def _per_item(indices: Sequence[int], answer: Answer) -> Mapping[int, ItemResult]:
    """The result of every item that was sent, by its index."""
    if answer.split:
        alone = "even alone" if len(indices) == 1 else "in one request, and it replaces: no parts"
        words = f"too large for the platform {alone}: {answer.message}"
        return Same(indices, ItemResult(Outcome.REFUSED, words))
    if answer.outcome is not None:
        return Same(indices, ItemResult(answer.outcome, answer.message))
    return by_index(indices, answer.results)
