"""One GET, tried as often as the account's `retry` says: reads change nothing.

What is read belongs to the adapters.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from marketsync_dagster.platforms.answers import Readable
from marketsync_dagster.platforms.base import Answer, Call, Obeying, Pace, PlatformError
from marketsync_dagster.values.outcomes import Outcome

_AGAIN = frozenset({Outcome.RETRYABLE, Outcome.UNKNOWN})
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RetryRules:
    """How often a read is tried; the figures are those of the account's `retry`."""

    attempts: int = 3
    base_s: float = 1.0
    cap_s: float = 60.0
    budget_s: float = 300.0
    retry_after_cap_s: float = 300.0


@dataclass(slots=True)
class Tries:
    """The attempts of one read, which may be of many documents."""

    retry: RetryRules
    pace: Pace | None
    until: float
    """On the monotonic clock: no wait goes beyond it."""
    calls: list[Call] = field(default_factory=list)
    """Attempts not yet handed out with what they read."""

    @classmethod
    def of(cls, retry: RetryRules, pace: Pace | None) -> Tries:
        return cls(retry, pace, time.monotonic() + retry.budget_s)

    def take_calls(self) -> tuple[Call, ...]:
        """The attempts so far; the next ones are counted anew."""
        calls, self.calls = tuple(self.calls), []
        return calls


async def read(
    tries: Tries,
    fetch: Callable[[], Awaitable[Answer | Readable]],
    content: Callable[[Answer | Readable], T | None],
    *,
    what: str,
    otherwise: str,
) -> T:
    """What `content` finds in an answer (None: nothing, which is `otherwise`).

    PlatformError, beginning with `what`, where it cannot be had.
    """
    attempt = 1
    while True:
        if tries.pace is not None:
            try:
                await tries.pace()
            except PlatformError as error:  # the platform wants to be left alone
                error.calls = (*tries.calls, *error.calls)
                raise
        said = await fetch()
        tries.calls.append(said.call)
        found = content(said)
        if found is not None:
            return found
        if isinstance(said, Readable):
            said = Answer(said.call, outcome=Outcome.REFUSED, message=otherwise)
        outcome = said.outcome or Outcome.REFUSED
        wait = said.retry_after_s
        if wait is None:
            ceiling = min(tries.retry.cap_s, tries.retry.base_s * 2 ** (attempt - 1))
            wait = random.uniform(0, ceiling)  # noqa: S311
        elif outcome in _AGAIN and isinstance(tries.pace, Obeying):
            await tries.pace.close_for(min(wait, tries.retry.retry_after_cap_s), said.message)
        late = time.monotonic() + wait > tries.until
        if outcome not in _AGAIN or attempt >= tries.retry.attempts or late:
            raise PlatformError(
                f"{what}: {said.message}",
                outcome=outcome,
                calls=tries.calls,
                retry_after_s=said.retry_after_s,
            )
        attempt += 1
        await asyncio.sleep(wait)
