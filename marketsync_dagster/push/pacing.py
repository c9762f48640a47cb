"""When the next call may go: the account's quota over all processes, pauses, and waiting again.

The slots are in the ledger (`ledger.quota`), so every process that uses an account counts the
same calls, and a platform that asks one of them to stay away is obeyed by all. Where a platform
bounds each family of calls (`Capabilities.intervals`), a family is limited and closed like an
account of its own.

Nobody calls into a closure. A short one is waited for; one that is longer than the caller may wait
(`Pacer.patience_s`) is StayAway, at once.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from marketsync_dagster.ledger import quota as slots
from marketsync_dagster.platforms.base import PlatformError
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster.values.times import to_second, utcnow

if TYPE_CHECKING:
    from marketsync_dagster.config.settings import Quota, Retry
    from marketsync_dagster.ledger.engine import Ledger


@dataclass(slots=True)
class Stop:
    """Why a push sends nothing more; waiting ends as soon as it is set."""

    reason: str = ""
    outcome: Outcome = Outcome.RETRYABLE
    """What becomes of the rows that are not sent any more."""
    event: asyncio.Event = field(default_factory=asyncio.Event)

    def set(self, reason: str, outcome: Outcome = Outcome.RETRYABLE) -> None:
        """Stop, for the first reason that was given."""
        if not self.event.is_set():
            self.reason, self.outcome = reason, outcome
            self.event.set()

    async def sleep(self, seconds: float) -> None:
        """Wait, or less if there is a reason to stop."""
        if seconds <= 0:
            return
        try:
            async with asyncio.timeout(seconds):
                await self.event.wait()
        except TimeoutError:
            return


Slots = tuple[int, ...]
"""What a call has taken of the account's quota and of its family's; hand it to `answered`."""
WORTH_SAYING_S = 2.0
"""A shorter wait for a family's turn is told to nobody."""


def family_key(account: str, family: str) -> str:
    """Under which name a family of an account's calls is counted and closed."""
    return f"{account}/{family}" if family else account


class StayAway(PlatformError):
    """The platform asked for a silence that is longer than may be waited here; no call was made."""

    def __init__(self, seconds: float, reason: str, family: str = "") -> None:
        until = when(seconds)
        what = f" with calls for {family.replace('_', ' ')}" if family else ""
        super().__init__(
            f"the platform asked us to stay away{what} until {until}: no call is made before"
            + (f" ({reason})" if reason else ""),
            f"nothing: the next run after {until}, or the sensor pending_retries, goes on",
            outcome=Outcome.RETRYABLE,
        )
        self.family = family
        """Which calls alone are meant; empty: all of the account."""


def when(seconds: float) -> str:
    """The moment in so many seconds, for people."""
    return to_second(utcnow() + timedelta(seconds=seconds))


@dataclass(slots=True)
class Pacer:
    """The quota of one account as one push sees it.

    Calls of a family (`slot("prices_status")`) wait for both: for the family's interval, where
    `intervals` has one, and for the account.
    """

    ledger: Ledger
    account: str
    quota: Quota
    stop: Stop
    intervals: Mapping[str, float] = field(default_factory=dict)
    """Family of calls -> least seconds between two of them."""
    waiting: Callable[[str, float], None] = lambda _family, _seconds: None
    """Told that the next call of a family has to wait, and how many seconds."""
    patience_s: float = math.inf
    """The longest closure that is waited for."""
    _next: dict[str, float] = field(default_factory=dict)
    """Family, empty for the account: no call before, in monotonic time: for the pause between
    calls, and while it is closed."""
    _closed: dict[str, float] = field(default_factory=dict)
    """Family, empty for the account: until when it is closed as far as is known here."""

    async def __call__(self) -> Slots:
        """A slot: the account's pace of reading (`platforms.base.Obeying`)."""
        return await self.slot()

    async def open(self) -> None:
        """Learn whether the platform has asked another process to stay away."""
        closed = await asyncio.to_thread(slots.closed_for, self.ledger, self.account)
        self._close("", closed / 1000)

    async def slot_or_stop(self) -> Slots:
        """`slot` for those who have nothing else to do: StayAway is the reason to stop."""
        try:
            return await self.slot()
        except StayAway as away:
            self.stop.set(away.message)
            return ()

    async def slot(self, family: str = "") -> Slots:
        """Wait until a call may go, and count it; returns early when the push stops.

        Hand what it returns to `answered` when the call is over. StayAway where the account, or
        the family, is closed for longer than `patience_s`.
        """
        taken: Slots = ()
        await self._bear("")  # before the family's turn is waited for
        if self.intervals.get(family, 0.0) > 0:
            taken = await self._of_family(family)
        while not self.stop.event.is_set():
            await self._bear("")
            wait_ms = int((self._next.get("", 0.0) - time.monotonic()) * 1e3)
            asked = slots.Asked(wait_ms)
            if wait_ms <= 0 and self.quota.per_minute is not None:
                asked = await asyncio.to_thread(
                    slots.ask, self.ledger, self.account, self.quota.per_minute
                )
                await self._heed("", asked)
            if asked.wait_ms <= 0:
                self._wait("", self.quota.pause_s)
                return taken if asked.slot is None else (*taken, asked.slot)
            await self._sleep(asked.wait_ms / 1000, family, taken)
        return taken

    async def _of_family(self, family: str) -> Slots:
        """The family's turn: one call in each interval, over all processes."""
        interval_ms = int(self.intervals[family] * 1000)
        margin_ms = min(slots.MARGIN_MS, interval_ms // 10)
        while not self.stop.event.is_set():
            await self._bear(family)
            wait_ms = int((self._next.get(family, 0.0) - time.monotonic()) * 1e3)
            if wait_ms <= 0:
                asked = await asyncio.to_thread(
                    slots.ask,
                    self.ledger,
                    family_key(self.account, family),
                    1,
                    window_ms=interval_ms,
                    margin_ms=margin_ms,
                )
                await self._heed(family, asked)
                if asked.slot is not None:
                    return (asked.slot,)
                wait_ms = asked.wait_ms
            if wait_ms >= WORTH_SAYING_S * 1000:
                self.waiting(family, wait_ms / 1000)
            await self.stop.sleep(wait_ms / 1000)
        return ()

    async def _sleep(self, seconds: float, family: str, taken: Slots) -> None:
        """Wait for the account's turn; the family's, which is taken, moves along with it."""
        if not taken:
            await self.stop.sleep(seconds)
            return
        await self.stop.sleep(min(seconds, self.intervals[family] / 2))
        await self.answered(taken)

    async def answered(self, taken: Slots) -> None:
        """A call is over: its minute counts from now on, however late it arrived."""
        for slot in taken:
            await asyncio.to_thread(slots.answered, self.ledger, slot)

    async def close_for(self, seconds: float, reason: str, family: str = "") -> None:
        """The platform asked us to stay away: all processes that use the account do. Of a family
        with an interval, these calls alone."""
        family = family if self.intervals.get(family, 0.0) > 0 else ""
        self._close(family, seconds)
        key = family_key(self.account, family)
        await asyncio.to_thread(slots.close_account, self.ledger, key, int(seconds * 1000), reason)

    def closed_s(self, family: str = "") -> float:
        """The seconds for which the account, or a family, is still closed, as known here."""
        return max(0.0, self._closed.get(family, 0.0) - time.monotonic())

    async def _heed(self, family: str, asked: slots.Asked) -> None:
        """Remember a closure that the ledger tells of; StayAway if it is too long."""
        if asked.closed:
            self._close(family, asked.wait_ms / 1000)
            await self._bear(family)

    async def _bear(self, family: str) -> None:
        """StayAway if what is left of a closure is longer than may be waited."""
        left = self.closed_s(family)
        if left > max(self.patience_s, 0.0) and not self.stop.event.is_set():
            key = family_key(self.account, family)
            reason = await asyncio.to_thread(slots.closed_reason, self.ledger, key)
            raise StayAway(left, reason, family)

    def _close(self, family: str, seconds: float) -> None:
        self._wait(family, seconds)
        self._closed[family] = max(self._closed.get(family, 0.0), time.monotonic() + seconds)

    def _wait(self, family: str, seconds: float) -> None:
        self._next[family] = max(self._next.get(family, 0.0), time.monotonic() + seconds)


@dataclass(slots=True)
class Budget:
    """How much waiting for another try a push may still do."""

    seconds: float

    def spend(self, seconds: float) -> bool:
        """Take `seconds` of it; False if that is more than there is."""
        if seconds > self.seconds:
            return False
        self.seconds -= seconds
        return True


def backoff(attempt: int, retry: Retry, asked_s: float | None = None) -> float:
    """Seconds to wait after a failed `attempt` (from 1).

    Exponential with full jitter; at least what the platform asked for (capped), plus a little
    jitter, so that those who were turned away together do not come back together.
    """
    ceiling = min(retry.cap_s, retry.base_s * 2 ** (attempt - 1))
    jitter = random.uniform(0, ceiling)  # noqa: S311 - not a secret
    if asked_s is None:
        return jitter
    return max(jitter, min(asked_s, retry.retry_after_cap_s) + jitter / 10)
