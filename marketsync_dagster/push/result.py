"""What a push came to: outcomes counted, the first items that did not go through, and calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from marketsync_dagster.ledger.pushes import SAMPLE
from marketsync_dagster.platforms.base import Answer, ItemResult
from marketsync_dagster.push.columns import Columns
from marketsync_dagster.values.outcomes import Outcome

WELL = frozenset({Outcome.APPLIED, Outcome.ACCEPTED_UNVERIFIED, Outcome.ACCEPTED_ASYNC})
"""Outcomes that are nothing to be named."""
_NOT_TOLD = (Outcome.RETRYABLE.value, Outcome.AUTH_FAILED.value)
_WELL = frozenset(outcome.value for outcome in WELL)


@dataclass(slots=True)
class PushResult:
    """What a push came to."""

    outcomes: Counter[str] = field(default_factory=Counter)
    calls: int = 0
    seconds: float = 0.0
    response_code: int | None = None
    response_message: str = ""
    replaced: bool = False
    """The platform took a request that replaces what it shows."""
    problems: list[dict[str, str]] = field(default_factory=list)
    """The first items that did not go through: sku, outcome, message."""
    stopped: str = ""

    @property
    def told(self) -> int:
        """Rows that went out and need not go again as they are, as progress counts them."""
        return sum(n for outcome, n in self.outcomes.items() if outcome not in _NOT_TOLD)

    def called(self, answer: Answer) -> None:
        """One more call was made."""
        self.calls += 1
        self.response_code = answer.call.status

    def count(
        self, columns: Columns, results: Mapping[int, ItemResult], counted: Counter[str]
    ) -> None:
        """More rows have an outcome; `counted` are those of `results`, by index."""
        self.outcomes.update(counted)
        if counted.keys() <= _WELL:
            return
        for i, result in results.items():
            if len(self.problems) >= SAMPLE:
                return
            if result.outcome not in WELL:
                problem = {"sku": columns.sku[i], "outcome": result.outcome.value}
                self.problems.append(problem | {"message": result.message})
