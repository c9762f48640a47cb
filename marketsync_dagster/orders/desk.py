"""One destination in one run, open for use under its lease: forwards are read and changed, calls
are counted and paced. What is done there is `orders.handing`."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import Connection

from marketsync_dagster.config.settings import Settings
from marketsync_dagster.ledger.calls import record_calls
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.forwards import Forward, ForwardState, forwards_at, get_forward
from marketsync_dagster.ledger.orders import BookOrder, load_orders, orders_to_change
from marketsync_dagster.orders.fates import Fate, further
from marketsync_dagster.orders.persons import personal_texts, without_names
from marketsync_dagster.orders.points import Observer, unobserved
from marketsync_dagster.platforms.base import NOT_CALLED, Call
from marketsync_dagster.platforms.fulfilling import Found, Fulfiller, Handed
from marketsync_dagster.push.calls import call_row
from marketsync_dagster.push.pacing import Pacer, Slots, StayAway, Stop
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster.values.times import is_due, to_iso, utcnow

FIRST_PAUSE_S = 60.0
LONGEST_PAUSE_S = 1800.0
"""Between two tries of the same forward: they grow from the first to the longest."""
AT_ONCE = 100
"""Forwards that one transaction changes."""

Work = Callable[[Connection, BookOrder, Forward], None]
Told = TypeVar("Told", Handed, Found)


def pause_s(attempts: int) -> float:
    """Seconds after so many tries that came to nothing."""
    return min(FIRST_PAUSE_S * 2 ** max(attempts - 1, 0), LONGEST_PAUSE_S)


@dataclass(slots=True)
class Desk:
    """One destination in one run: an account with all its outlets, or one outlet's till."""

    ledger: Ledger
    settings: Settings
    destination: str
    fulfiller: Fulfiller
    by: str
    outlet: str = ""
    """Of a till; empty: all outlets."""
    chosen: Collection[str] | None = None
    """Outlets whose forwards are handed over; None: all."""
    pacer: Pacer | None = None
    settle_s: float = 30.0
    """An absence counts only so long after the call began, where two calls could make two."""
    ask_s: float = 600.0
    stop: Stop = field(default_factory=Stop)
    holds: Callable[[], bool] = lambda: True
    """Whether the lease is still ours."""
    observe: Observer = unobserved
    clock: Callable[[], datetime] = utcnow
    numbers: dict[str, Counter[str]] = field(default_factory=dict)
    """Outlet -> figures, but what is in `fates`."""
    fates: dict[str, tuple[str, Fate]] = field(default_factory=dict)
    """Forward -> its outlet, and what it came to in this turn."""
    problem: str = ""
    """Why the destination could not be used; empty: it could."""
    problem_kind: Outcome | None = None
    calls: int = 0

    def each(
        self,
        states: Collection[ForwardState] | None,
        these: Sequence[Forward],
        work: Work,
    ) -> None:
        """Do `work` for forwards, in transactions with their source locked; those that are no
        longer in one of the states (None: whichever) are passed over."""
        if not these:
            return
        with self.ledger.read() as conn:
            orders = load_orders(conn, sorted({one.order_id for one in these}))
        by_source: dict[str, list[Forward]] = {}
        for one in these:
            by_source.setdefault(orders[one.order_id].account, []).append(one)
        for source, found in by_source.items():
            for first in range(0, len(found), AT_ONCE):
                part = found[first : first + AT_ONCE]
                with self.ledger.begin() as conn:
                    ids = [one.order_id for one in part]
                    orders_to_change(conn, source, ids)  # nobody else changes them from here on
                    for one in part:
                        now = get_forward(conn, one.id)
                        if now is not None and (states is None or now.state in states):
                            # read again each time: the work before may have changed it
                            work(conn, load_orders(conn, [one.order_id])[one.order_id], now)

    def at_destination(self, conn: Connection, states: Collection[ForwardState]) -> list[Forward]:
        outlets = [self.outlet] if self.outlet else None
        return forwards_at(conn, self.destination, states, outlets=outlets)

    def due(self, states: Collection[ForwardState]) -> list[Forward]:
        with self.ledger.read() as conn:
            found = self.at_destination(conn, states)
        return [one for one in found if is_due(one.not_before, self.clock())]

    def may_call(self) -> bool:
        return not self.problem and not self.stop.event.is_set() and self.holds()

    def trouble(self, outcome: Outcome | None, message: str) -> None:
        if not self.problem:
            self.problem, self.problem_kind = message or str(outcome), outcome

    async def slot(self) -> Slots | None:
        """A slot of the account's quota; None: nothing more is called in this turn."""
        if self.pacer is None:
            return ()
        try:
            taken = await self.pacer.slot()
        except StayAway as away:
            self.trouble(away.outcome, away.message)
            return None
        return None if self.stop.event.is_set() else taken

    async def answered(self, taken: Slots, handed: Handed) -> None:
        """A call is over; those before it, for a token, take a turn of the account each, too."""
        if self.pacer is not None:
            await self.pacer.answered(taken)
        await self.count([*handed.before, handed.call])
        for call in handed.before:
            more = await self.slot() if call.error != NOT_CALLED else None
            if more and self.pacer is not None:
                await self.pacer.answered(more)

    async def unnamed(self, told: Told, about: Sequence[Forward]) -> Told:
        """What a destination told, without names and addresses, should its words repeat them."""
        calls = (*told.before, told.call) if isinstance(told, Handed) else told.calls
        if not told.message and not any(call.error for call in calls):
            return told

        def read() -> set[str]:
            with self.ledger.read() as conn:
                return personal_texts(conn, *{one.order_id for one in about})

        personal = await asyncio.to_thread(read)
        calls = tuple(replace(one, error=without_names(one.error, personal)) for one in calls)
        message = without_names(told.message, personal)
        if isinstance(told, Handed):
            return replace(told, message=message, call=calls[-1], before=calls[:-1])
        return replace(told, message=message, calls=calls)

    async def obey(self, seconds: float | None, reason: str) -> None:
        if seconds and self.pacer is not None:
            await self.pacer.close_for(seconds, reason)

    async def count(self, calls: Sequence[Call]) -> None:
        made = [call for call in calls if call.error != NOT_CALLED]
        self.calls += len(made)
        if not made:
            return

        def write() -> None:
            with self.ledger.begin() as conn:
                record_calls(conn, [call_row(self.destination, call) for call in made])

        await asyncio.to_thread(write)

    def at(self) -> str:
        return to_iso(self.clock())

    def later(self, attempts: int, asked_s: float | None = None) -> str:
        return to_iso(self.clock() + timedelta(seconds=max(pause_s(attempts), asked_s or 0.0)))

    def figures(self, outlet: str) -> Counter[str]:
        return self.numbers.setdefault(outlet, Counter())

    def count_one(self, one: Forward, name: str) -> None:
        self.figures(one.outlet)[name] += 1

    def came_to(self, forward_id: str, outlet: str, fate: Fate) -> None:
        """What happened to a forward; it counts once, whatever else does."""
        _, before = self.fates.get(forward_id, ("", None))
        self.fates[forward_id] = (outlet, further(fate, before))

    def counted(self) -> dict[str, Counter[str]]:
        """Outlet -> all figures of the turn."""
        found = {outlet: Counter(numbers) for outlet, numbers in self.numbers.items()}
        for outlet, fate in self.fates.values():
            found.setdefault(outlet, Counter())[fate] += 1
        return found
