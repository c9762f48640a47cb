"""Sends the pushes of one account together, as few imports as can be, where a platform takes those.

The order is the law, as in `push.sender`: intent committed, then the call, then one transaction
with the import's id and its rows as `accepted_async`. What becomes of them is asked for later
(`push.imports`). A retry is the same bytes, so that a platform which knows the import already
answers with its id; what a crash left open goes again in the next run, and meets the same.

The kinds of imports go side by side, each at its own pace; of one kind one after the other. What
goes into an import is decided when its turn has come: a channel that was paused meanwhile, or
whose lease was lost, leaves it, and the others go on.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from marketsync_dagster.ledger import imports
from marketsync_dagster.ledger.calls import record_calls
from marketsync_dagster.platforms.base import Answer, ImportKind, ItemResult
from marketsync_dagster.push.calls import call_row
from marketsync_dagster.push.import_parts import (
    Clip,
    Load,
    Member,
    Sending,
    answer_load,
    count,
    cut,
    intend_load,
    items_of,
    loads_of,
    other_import,
    size_of,
    split_load,
    unsent_clip,
)
from marketsync_dagster.push.pacing import Pacer, Slots, StayAway, Stop
from marketsync_dagster.push.patience import GOES_AGAIN, THROTTLED, WRONG_ADDRESS, Patience
from marketsync_dagster.push.sender import Observer, unobserved
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster.values.times import to_iso, utcnow
from marketsync_dagster.values.words import counted

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from marketsync_dagster.config.settings import Retry
    from marketsync_dagster.platforms.base import Adapter
    from marketsync_dagster.platforms.items import PriceItems
    from marketsync_dagster.push.journal import Journal

LEASE_LOST = "the lease of the channel ran out before it could be renewed"
LEFT_OUT = "sent again without {}"
HALVED_AT_MOST = 8
"""So often in one push an import that the platform takes for an older one is sent in halves, which
are equal to nothing."""

POINTS = (
    "import_intended",
    "import_intent_committed",
    "import_answered",
    "import_started_written",
    "import_started",
)
"""The durable points of an import's start, in order, beside those of `push.sender` and, where it
does not go straight on, `import_split`."""


@dataclass(slots=True, eq=False)
class ImportSender:
    """The pushes of one account on their way. `run` hands over everything, or says in each
    member's result why it stopped."""

    members: Sequence[Member]
    adapter: Adapter
    journal: Journal
    pacer: Pacer
    """Its `stop` ends the whole group."""
    retry: Retry
    observe: Observer = unobserved
    _patience: Patience = field(init=False)
    _queues: dict[ImportKind, deque[Load]] = field(default_factory=dict)
    _closed: dict[ImportKind, str] = field(default_factory=dict)
    """Kinds of which the platform wants no call for longer than this push may wait, in words."""
    _number: int = 0
    _halved: int = 0
    _answered: bool = False
    """The platform has given a usable answer."""
    _alone: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Until then one import at a time: a dead key costs one call, a dead platform its tries."""

    def __post_init__(self) -> None:
        self._patience = Patience(self.retry, self.stop, self.pacer)

    @property
    def stop(self) -> Stop:
        """What ends the whole group."""
        return self.pacer.stop

    async def run(self) -> None:
        """Hand over all rows; returns when every row has an outcome that is durable.

        Raises what the ledger raises: without a journal nothing more is sent.
        """
        started = time.monotonic()
        self._patience.begin()
        capabilities = self.adapter.capabilities
        for kind in ImportKind:
            offers = kind is ImportKind.OFFERS
            most = capabilities.batch_items if offers else capabilities.file_lines
            self._queues[kind] = deque(loads_of(self.members, kind, most))
        await self.pacer.open()
        watching = asyncio.create_task(self._stop_with_all())
        try:
            while any(self._queues.values()) and not self.stop.event.is_set():
                async with asyncio.TaskGroup() as group:
                    for kind in ImportKind:
                        group.create_task(self._work(kind))
        finally:
            watching.cancel()
        await self._note_unreached()
        for member in self.members:
            member.result.stopped = member.stop.reason or self.stop.reason
            member.result.seconds = time.monotonic() - started

    async def _stop_with_all(self) -> None:
        """When every channel has a reason to stop, nobody has to wait for a turn any more."""
        for member in self.members:
            await member.stop.event.wait()
        self.stop.set(self.members[0].stop.reason, self.members[0].stop.outcome)

    async def _work(self, kind: ImportKind) -> None:
        queue = self._queues[kind]
        while queue and not self.stop.event.is_set():
            await self._send(kind, queue.popleft())

    # -- one import --------------------------------------------------------------------------

    async def _send(self, kind: ImportKind, load: Load) -> None:
        """All attempts for one import; what has to go otherwise is in the queue again."""
        ranges = self.adapter.import_batches(kind, items_of(load))
        if len(ranges) > 1:
            self._queues[kind].extendleft(cut(load, *part) for part in reversed(ranges))
            return
        slot = await self._turn(kind)
        if slot is None:
            for clip in load:
                await self._note_unsent(clip, self._not_now(kind))
            return
        load = await self._without_stopped(load)
        if not load:
            return
        sending = None if self.stop.event.is_set() else await self._intend(kind, load)
        if sending is None:
            self._queues[kind].appendleft(load)
            return
        async with self._first():
            await self._attempt(sending, slot)

    async def _attempt(self, sending: Sending, slot: Slots) -> None:
        """Call until there is an answer that counts, and journal it."""
        kind, load = sending.kind, sending.load
        items = items_of(load)
        attempts, result = 0, ItemResult(Outcome.RETRYABLE)
        while True:
            attempts += 1
            answer = await self._call(sending, items, attempts, slot)
            if answer is None:
                break
            if answer.split and 0 < len(answer.named) < len(items):
                await self._without_named(sending, attempts, answer)
                return
            if answer.split and len(items) > 1:
                await self._halve(sending, attempts, "too large: split into 2")
                return
            if answer.outcome is Outcome.UNSUPPORTED and kind is not ImportKind.OFFERS:
                words = f"sent as whole offers instead: {answer.message}"
                await self._split(sending, attempts, words, imports.REFUSED)
                self._queues[ImportKind.OFFERS].extend((load, *self._queues[kind]))
                self._queues[kind].clear()
                return
            result = await self._result(sending, answer)
            taken_before = answer.import_id and result.outcome is Outcome.RETRYABLE
            if taken_before and len(items) > 1 and self._halved < HALVED_AT_MOST:
                self._halved += 1
                await self._halve(sending, attempts, f"{result.message}: split into 2")
                return
            if not await self._again(result, answer, attempts, kind):
                await self._answer(sending, attempts, result, answer.import_id)
                return
            turn = await self._turn(kind)
            if turn is None:
                words = f"{self._closed[kind]}; {result.message}"
                await self._answer(sending, attempts, ItemResult(result.outcome, words), "")
                return
            slot = turn
            if self.stop.event.is_set():
                break
            if self._stopped(load):
                await self._leave_out(sending, attempts, result)
                return
        words = "; ".join(filter(None, [f"not sent: {self.stop.reason}", result.message]))
        outcome = result.outcome if result.message else self.stop.outcome
        await self._answer(sending, attempts, ItemResult(outcome, words), "")

    async def _turn(self, kind: ImportKind) -> Slots | None:
        """The kind's turn to call; None: the platform wants none of its calls for now, `_closed`
        says until when. Where that is said of the account, all is stopped."""
        try:
            return await self.pacer.slot(kind.value)
        except StayAway as away:
            if not away.family:
                self.stop.set(away.message)
                return ()
            self._closed[kind] = away.message
            return None

    def _not_now(self, kind: ImportKind) -> ItemResult:
        return ItemResult(Outcome.RETRYABLE, f"not sent: {self._closed[kind]}")

    async def _call(
        self, sending: Sending, items: PriceItems, attempt: int, slot: Slots
    ) -> Answer | None:
        """None: while this waited for another one's answer there was a reason to stop."""
        if self.stop.event.is_set():
            return None
        self.observe("before_send")
        answer = await self.adapter.submit(sending.kind, items)
        self.observe("import_answered")
        # judged at once: who waits for the first answer goes by it
        if answer.outcome is not None and not answer.other_key:
            self._patience.judge(answer, {answer.outcome})
        if answer.outcome not in GOES_AGAIN or answer.call.status == THROTTLED:
            self._answered = True
            self._release()
        first = sending.load[0].member
        first.result.called(answer)
        for clip in sending.load:
            clip.member.result.response_code = answer.call.status
        source = first.source
        row = call_row(
            source.account,
            answer.call,
            attempt=attempt,
            push_id=source.push_id,
            batch=sending.number,
        )
        await self.journal.write(lambda connection: record_calls(connection, [row]))
        await self.pacer.answered(slot)
        return answer

    @asynccontextmanager
    async def _first(self) -> AsyncIterator[None]:
        """One import after the other until the platform has answered."""
        if self._answered:
            yield
            return
        await self._alone.acquire()
        try:
            yield
        finally:
            self._release()

    def _release(self) -> None:
        """Once there was an answer nobody has to hold it, whoever does."""
        if self._alone.locked():
            self._alone.release()

    async def _again(
        self, result: ItemResult, answer: Answer, attempts: int, kind: ImportKind
    ) -> bool:
        found = {result.outcome}
        some = result.outcome in GOES_AGAIN
        return await self._patience.again(
            answer, found, attempts, some=some, first=not self._answered, family=kind.value
        )

    async def _result(self, sending: Sending, answer: Answer) -> ItemResult:
        """What an answer means for every row of its import."""
        if answer.split:
            words = f"too large for the platform even alone: {answer.message}"
            return ItemResult(Outcome.REFUSED, words)
        assert answer.outcome is not None
        if answer.outcome is Outcome.REFUSED and answer.call.status in WRONG_ADDRESS:
            # nothing of it is about the items: they go again once the account is right
            return ItemResult(Outcome.AUTH_FAILED, answer.message)
        if answer.outcome is not Outcome.ACCEPTED_ASYNC:
            return ItemResult(answer.outcome, answer.message)
        if not answer.import_id:
            return ItemResult(Outcome.UNKNOWN, "the platform named no import")
        other = await asyncio.to_thread(other_import, self.pacer.ledger, sending, answer.import_id)
        if other:
            return ItemResult(Outcome.RETRYABLE, other)
        return ItemResult(Outcome.ACCEPTED_ASYNC, f"import {answer.import_id}")

    async def _intend(self, kind: ImportKind, load: Load) -> Sending | None:
        """Make the intent durable; None: a successor has taken over some of it."""
        self._number += 1
        sending = Sending(self._number, imports.new_import_key(), kind, load)

        def work(connection: Connection) -> list[Member]:
            lost = intend_load(connection, sending, to_iso(utcnow()))
            self.observe("import_intended")
            return lost

        lost: list[Member] = await self.journal.write(work)
        for member in lost:
            member.taken_over = True
        if lost:
            return None
        self.observe("import_intent_committed")
        return sending

    async def _answer(
        self, sending: Sending, attempts: int, result: ItemResult, import_id: str
    ) -> None:
        def work(connection: Connection) -> ItemResult:
            told = answer_load(connection, sending, attempts, result, import_id)
            self.observe("import_started_written")
            return told

        told: ItemResult = await self.journal.write(work)
        self.observe("import_started")
        for clip in sending.load:
            count(clip, told)

    async def _halve(self, sending: Sending, attempts: int, words: str) -> None:
        """Send the halves of an import instead of it, next."""
        load, items = sending.load, size_of(sending.load)
        await self._split(sending, attempts, words, imports.REFUSED)
        halves = (cut(load, items // 2, items), cut(load, 0, items // 2))
        self._queues[sending.kind].extendleft(halves)

    async def _without_named(self, sending: Sending, attempts: int, answer: Answer) -> None:
        """Send what is between the items for which alone the platform refuses an import, next: a
        batch is a range. Those items are refused, with its words."""
        load, kind = sending.load, sending.kind
        words = f"sent without {counted(len(answer.named), 'item')}: {answer.message}"
        await self._split(sending, attempts, words, imports.REFUSED)
        ends = (-1, *answer.named, size_of(load))
        rest = [cut(load, before + 1, place) for before, place in pairwise(ends)]
        self._queues[kind].extendleft(part for part in reversed(rest) if part)
        for place in answer.named:
            refused = await self._intend(kind, cut(load, place, place + 1))
            if refused is not None:  # else its push has a successor, which sends it again
                result = ItemResult(Outcome.REFUSED, answer.message)
                await self._answer(refused, attempts, result, "")

    async def _split(self, sending: Sending, attempts: int, words: str, state: str) -> None:
        def work(connection: Connection) -> None:
            split_load(connection, sending, attempts, words, state, to_iso(utcnow()))
            self.observe("import_split")

        await self.journal.write(work)

    # -- who leaves, and what is left --------------------------------------------------------

    def _stopped(self, load: Load) -> list[Member]:
        """Members of an import of whom nothing more may go out."""
        for clip in load:
            if not clip.member.holds():
                clip.member.stop.set(LEASE_LOST)
        return [clip.member for clip in load if not clip.member.goes_on]

    async def _without_stopped(self, load: Load) -> Load:
        """The import without the channels that have stopped; their rows are journalled."""
        stopped = self._stopped(load)
        if not stopped or self.stop.event.is_set():
            return load
        for clip in load:
            if clip.member in stopped:
                await self._note_unsent(clip)
        return tuple(clip for clip in load if clip.member not in stopped)

    async def _leave_out(self, sending: Sending, attempts: int, result: ItemResult) -> None:
        """Between two attempts a channel has stopped: the others go on in an import of their own.

        What the platform may have of the stopped ones is known from the last answer alone.
        """
        stopped = self._stopped(sending.load)
        outlets = ", ".join(sorted({member.source.outlet for member in stopped}))
        ended = imports.UNKNOWN if result.outcome is Outcome.UNKNOWN else imports.REFUSED
        await self._split(sending, attempts, LEFT_OUT.format(outlets), ended)
        for clip in sending.load:
            if clip.member in stopped:
                words = f"not sent again: {clip.member.stop.reason}; {result.message}"
                await self._note_unsent(clip, ItemResult(result.outcome, words))
        rest = tuple(clip for clip in sending.load if clip.member not in stopped)
        if rest:
            self._queues[sending.kind].appendleft(rest)

    async def _note_unreached(self) -> None:
        """Rows that were never tried because their push stopped: they go again next time."""
        for queue in self._queues.values():
            while queue:
                for clip in queue.popleft():
                    await self._note_unsent(clip)

    async def _note_unsent(self, clip: Clip, result: ItemResult | None = None) -> None:
        if result is None:
            why = clip.member.stop if clip.member.stop.event.is_set() else self.stop
            result = ItemResult(why.outcome, f"not sent: {why.reason}")
        if clip.member.taken_over:
            return
        self._number += 1
        number, told = self._number, result

        def work(connection: Connection) -> bool:
            written = unsent_clip(connection, clip, number, told, to_iso(utcnow()))
            self.observe("unreached_written")
            return written

        if await self.journal.write(work):
            count(clip, result)
        else:
            clip.member.taken_over = True
