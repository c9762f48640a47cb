"""Telling the source of an order what was decided and what has happened: one turn of calls.

Each call lies between two transactions of `orders.command_journal`; whether a command may go now is
`orders.gates`, and what follows from an answer for the order `orders.answers`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.order_commands import CommandRow
from marketsync_dagster.orders.command_journal import CommandJournal
from marketsync_dagster.orders.persons import without_names
from marketsync_dagster.orders.points import Observer, unobserved
from marketsync_dagster.orders.wanting import KNOWN, payload_of, want
from marketsync_dagster.platforms.ordering import (
    CommandAnswer,
    LookUp,
    OrderSource,
    UnreadableOrder,
)
from marketsync_dagster.push.pacing import Pacer, Slots, Stop
from marketsync_dagster.values.order_states import CommandKind
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster.values.redact import scrub

__all__ = ["SETTLE_S", "Teller", "Told", "payload_of", "tell_source", "want"]

SETTLE_S = 10.0
"""So long after its call, what would add up is looked for once more before it goes again."""
BEFORE = frozenset({CommandKind.CANCEL_LINES, CommandKind.REFUND})
"""Commands before which the order is read: what was there already is not theirs."""
IN_VAIN = 2
"""So many calls in a row without a usable answer, and the source is left alone for this turn."""
NO_ANSWER = frozenset({None, 408, 425, 429, 500, 502, 503, 504})
Said = TypeVar("Said", CommandAnswer, LookUp)
LEASE_OVER = "the lease ran out before it could be renewed"


@dataclass(slots=True)
class Told:
    """What one turn with a source came to."""

    numbers: Counter[str] = field(default_factory=Counter)
    """Commands: told (done), refused, unsupported, dropped, waiting, retry, unknown, left_out;
    tasks, calls."""
    orders: set[str] = field(default_factory=set)
    """Those that a call was made for."""
    stopped: str = ""
    """Why it ended early."""
    next_step: str = ""
    failed: bool = False
    """People have to do something for it to go on."""


async def tell_source(
    ledger: Ledger,
    source: str,
    opened: OrderSource,
    *,
    by: str,
    kinds: Collection[CommandKind] = frozenset(CommandKind),
    limit: int | None = None,
    pacer: Pacer | None = None,
    stop: Stop | None = None,
    holds: Callable[[], bool] = lambda: True,
    settle_s: float | None = None,
    observe: Observer = unobserved,
    now: datetime | None = None,
) -> Told:
    """One turn with an open source, under its lease `tell <source>`: what is due and may go is
    told, each at most once, and what may have been told is looked up.

    `limit`: calls are made for so many orders at most. `pacer`: None where the source has no quota.
    `settle_s`: default is what the source says, and SETTLE_S at the least.
    Raises what the ledger raises: without a journal nothing more is sent.
    """
    can = opened.order_capabilities
    settle_s = max(can.settle_s, SETTLE_S) if settle_s is None else settle_s
    journal = CommandJournal(ledger, source, can, by, settle_s, observe, now)
    turn = Teller(journal, opened, kinds, limit, pacer, stop or Stop(), holds)
    return await turn.run()


@dataclass(slots=True, eq=False)
class Teller:
    """One turn on its way."""

    journal: CommandJournal
    opened: OrderSource
    kinds: Collection[CommandKind]
    limit: int | None
    pacer: Pacer | None
    stop: Stop
    holds: Callable[[], bool]
    """Whether the lease is still held, as far as this process can tell by itself."""
    told: Told = field(default_factory=Told)
    _in_vain: int = 0

    async def run(self) -> Told:
        """The whole turn."""
        journal = self.journal
        self.told.numbers = journal.numbers
        if self.pacer is not None:
            await self.pacer.open()
        await asyncio.to_thread(journal.note_lost)
        for row in await asyncio.to_thread(journal.unknown):
            if not self._goes_on():
                break
            await self._look_up(row)
        for row in await asyncio.to_thread(journal.due, self.kinds):
            if not self._goes_on():
                break
            if self._enough(row):
                journal.numbers["left_out"] += 1
            else:
                await self._tell(row)
        self.told.stopped = self.stop.reason
        return self.told

    def _enough(self, row: CommandRow) -> bool:
        orders = self.told.orders
        return self.limit is not None and len(orders) >= self.limit and row.order_id not in orders

    def _goes_on(self) -> bool:
        if not self.stop.event.is_set():
            if not self.holds():
                self.stop.set(LEASE_OVER)
            elif self._in_vain >= IN_VAIN:
                self.stop.set(f"{self.journal.source} does not answer: it is left alone for now")
        return not self.stop.event.is_set()

    async def _tell(self, row: CommandRow) -> None:
        slot: Slots | None = ()
        if await asyncio.to_thread(self.journal.calls, row):
            slot = await self._slot()
            if slot is None or not await self._knows_before(row, slot):
                return
        judged = await asyncio.to_thread(self.journal.intend, row.id)
        if judged is None:
            return
        row, command = judged
        if command is None:
            await self._look_up(row, slot)
            return
        self.journal.observe("command_intended")
        if not self.holds():  # nothing was sent: the next turn finds it unknown and looks it up
            self.stop.set(LEASE_OVER)
            return
        self.told.orders.add(row.order_id)
        self.journal.observe("command_before_call")
        answer = await self._unnamed(row, await self.opened.perform(command))
        self.journal.observe("command_answered")
        await self._count(answer, slot)
        if answer.other_key:  # nothing was done, and the account has another key
            answer = await self._unnamed(row, await self.opened.perform(command))
            await self._count(answer, ())
        if answer.outcome is Outcome.REFUSED and answer.wrong_state:
            await self._look_up(row, told=answer)
            return
        row = await asyncio.to_thread(self.journal.settle, row, answer)
        if row.state == "unknown" and self._goes_on():
            await self._look_up(row)

    async def _knows_before(self, row: CommandRow, slot: Slots) -> bool:
        """Remember what money was given back, and what was cancelled, before we ask for more: only
        so can it be told afterwards whether it was done. False: it could not be read."""
        if row.kind not in BEFORE or KNOWN in row.payload or not self.journal.can.look_up:
            return True
        command = self.journal.command(row)
        found = await self._unnamed(row, await self.opened.look_up([command.external_id]))
        await self._count(found, slot)
        if found.other_key:
            found = await self._unnamed(row, await self.opened.look_up([command.external_id]))
            await self._count(found, ())
        if found.outcome is None:
            try:
                read = [self.opened.read_order(one.document) for one in found.orders]
            except UnreadableOrder as error:
                found = replace(found, outcome=Outcome.RETRYABLE, message=error.message)
            else:
                known = sorted(refund.id for one in read for refund in one.refunds)
                await asyncio.to_thread(self.journal.keep_known, row, known)
                return True
        await asyncio.to_thread(self.journal.put_off, row, found)
        return False

    async def _look_up(
        self, row: CommandRow, slot: Slots | None = None, *, told: CommandAnswer | None = None
    ) -> None:
        """Ask whether a command is done. `told`: what it was refused with, for its order's
        state."""
        slot = await self._slot() if slot is None else slot
        if slot is None:
            return  # what is on its way is unknown in the next turn, and looked up there
        self.told.orders.add(row.order_id)
        answer = await self._unnamed(row, await self.opened.verify(self.journal.command(row)))
        self.journal.observe("command_answered")
        await self._count(answer, slot)
        if answer.other_key:
            answer = await self._unnamed(row, await self.opened.verify(self.journal.command(row)))
            await self._count(answer, ())
        await asyncio.to_thread(self.journal.looked_up, row.id, answer, told)

    async def _unnamed(self, row: CommandRow, answer: Said) -> Said:
        """An answer without names and addresses, should the source's words repeat them."""
        if not answer.message and not answer.call.error:
            return answer
        personal = await asyncio.to_thread(self.journal.personal, row)
        error = without_names(answer.call.error, personal)
        call = replace(answer.call, error=error)
        return replace(answer, message=without_names(answer.message, personal), call=call)

    async def _slot(self) -> Slots | None:
        """The account's turn; None: nothing more is sent now."""
        slot = await self.pacer.slot_or_stop() if self.pacer is not None else ()
        return slot if self._goes_on() else None

    async def _count(self, answer: CommandAnswer | LookUp, slot: Slots) -> None:
        self.journal.numbers["calls"] += 1
        await asyncio.to_thread(self.journal.keep_call, answer.call)
        if self.pacer is not None:
            await self.pacer.answered(slot)
            if answer.retry_after_s and not answer.other_key:
                await self.pacer.close_for(answer.retry_after_s, scrub(answer.message))
        lost = answer.outcome in (Outcome.UNKNOWN, Outcome.RETRYABLE)
        self._in_vain = self._in_vain + 1 if lost and answer.call.status in NO_ANSWER else 0
        if answer.outcome is Outcome.AUTH_FAILED:
            source = self.journal.source
            self.told.failed = True
            self.told.next_step = f"marketsync connections test --account {source}"
            self.stop.set(f"{source} did not take our key", Outcome.AUTH_FAILED)
