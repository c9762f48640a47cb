"""When the next call may go: the account's quota over all processes, pauses, and waiting again.

The slots are in the ledger (`ledger.quota`), so every process that uses an account counts the
same calls, and a platform that asks one of them to stay away is obeyed by all.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from marketsync_dagster.ledger import quota as slots
from marketsync_dagster.values.outcomes import Outcome

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


@dataclass(slots=True)
class Pacer:
    """The quota of one account as one push sees it."""

    ledger: Ledger
    account: str
    quota: Quota
    stop: Stop
    _next: float = 0.0
    """No call before, in monotonic time: for the pause between calls, and while it is closed."""

    async def open(self) -> None:
        """Learn whether the platform has asked another process to stay away."""
        closed = await asyncio.to_thread(slots.closed_for, self.ledger, self.account)
        self._wait(closed / 1000)

    async def slot(self) -> int | None:
        """Wait until a call may go, and count it; returns early when the push stops.

        Hand what it returns to `answered` when the call is over.
        """
        while not self.stop.event.is_set():
            wait_ms = int((self._next - time.monotonic()) * 1e3)
            asked = slots.Asked(wait_ms)
            if wait_ms <= 0 and self.quota.per_minute is not None:
                asked = await asyncio.to_thread(
                    slots.ask, self.ledger, self.account, self.quota.per_minute
                )
            if asked.wait_ms <= 0:
                self._wait(self.quota.pause_s)
                return asked.slot
            await self.stop.sleep(asked.wait_ms / 1000)
        return None

    async def answered(self, slot: int | None) -> None:
        """A call is over: its minute counts from now on, however late it arrived."""
        if slot is not None:
            await asyncio.to_thread(slots.answered, self.ledger, slot)

    async def close_for(self, seconds: float, reason: str) -> None:
        """The platform asked us to stay away: all processes that use the account do."""
        self._wait(seconds)
        await asyncio.to_thread(
            slots.close_account, self.ledger, self.account, int(seconds * 1000), reason
        )

    def _wait(self, seconds: float) -> None:
        self._next = max(self._next, time.monotonic() + seconds)


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
