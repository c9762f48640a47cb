"""Whether a call that did not go through is made again, after which wait, and when a push gives up.

Judges answers; it sends nothing and writes nothing.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from marketsync_dagster.push.pacing import Budget, backoff, when
from marketsync_dagster.values.outcomes import Outcome

if TYPE_CHECKING:
    from marketsync_dagster.config.settings import Retry
    from marketsync_dagster.platforms.base import Answer
    from marketsync_dagster.push.pacing import Pacer, Stop

GIVE_UP_AFTER = 2
"""After this many batches in a row without any usable answer the platform counts as down."""
WRONG_ADDRESS = frozenset({301, 302, 303, 307, 308, 403, 404, 405, 410})
"""Answers about the address or the account, not about the items: more batches would fare alike."""
GOES_AGAIN = frozenset({Outcome.RETRYABLE, Outcome.UNKNOWN})
"""Outcomes of items that are tried again within the push."""
THROTTLED = 429
THROTTLED_PATIENCE = 4
"""Being asked to wait (429) is no failure: so many times more attempts, within the budget."""


@dataclass(slots=True, eq=False)
class Patience:
    """What one push may still try: its attempts, and its budget of waiting."""

    retry: Retry
    stop: Stop
    pacer: Pacer
    budget: Budget = field(default_factory=lambda: Budget(0.0))
    unanswered: int = 0
    """Batches in a row without a usable answer."""

    def begin(self) -> None:
        """The push begins: all of the budget is there."""
        self.budget = Budget(self.retry.budget_s)

    def judge(self, answer: Answer, found: AbstractSet[Outcome]) -> None:
        """Stop the push if no other call would fare better."""
        if Outcome.AUTH_FAILED in found:
            words = f"the platform refuses the credentials: {answer.message}"
            self.stop.set(words, Outcome.AUTH_FAILED)
        if answer.outcome is Outcome.REFUSED and answer.call.status in WRONG_ADDRESS:
            self.stop.set(f"the platform refuses the request as a whole: {answer.message}")

    async def again(
        self,
        answer: Answer,
        found: AbstractSet[Outcome],
        attempts: int,
        *,
        some: bool,
        first: bool,
        family: str = "",
    ) -> bool:
        """Whether items of an answer go again now; the wait that is due is over then.

        `found` are the outcomes in the answer. `some`: there are items that can go again. `first`:
        no call of the push has had a usable answer yet. Stops the push where going on is useless.
        What the platform asks for is in the ledger in any case, for all who come after.
        """
        self.judge(answer, found)
        throttled = answer.call.status == THROTTLED
        whole = answer.outcome in GOES_AGAIN and not throttled
        if not whole:
            self.unanswered = 0
        delay = backoff(attempts, self.retry, answer.retry_after_s)
        asked = throttled or answer.retry_after_s is not None
        if asked and found & GOES_AGAIN and not answer.other_key:
            await self.pacer.close_for(delay, answer.message, family)
        if not some or self.stop.event.is_set():
            return False
        if answer.other_key:
            return True
        if attempts >= self.retry.attempts * (THROTTLED_PATIENCE if throttled else 1):
            if whole:
                self.unanswered += 1
                if self.unanswered >= GIVE_UP_AFTER or first:
                    self.stop.set(f"the platform does not answer: {answer.message}")
            return False
        if not self.budget.spend(delay):
            self.stop.set(
                f"the platform wants {delay:.0f} s more patience than the budget of "
                f"{self.retry.budget_s:.0f} s has left: {answer.message}"
                + (f"; no call is made before {when(delay)}" if asked else "")
            )
            return False
        await self.stop.sleep(delay)
        return True
