"""When the calls of a pull may go: what a platform bounds is how often a pull begins."""

from __future__ import annotations

from dataclasses import dataclass

from marketsync_dagster.push.pacing import Pacer, Slots

FIRST_PAGE = "orders"
"""The family of calls that begin a pull."""


@dataclass(slots=True)
class PullPace:
    """The pace of one pull: its first call waits for the family's turn too."""

    pacer: Pacer
    begins: bool = True
    """The next call begins a pull; one that goes on at a later page does not."""
    family: str = ""
    """Of the last call."""

    async def __call__(self) -> Slots:
        """Wait for the turn of the next call."""
        self.family, self.begins = (FIRST_PAGE if self.begins else ""), False
        return await self.pacer.slot(self.family)

    async def close_for(self, seconds: float, reason: str) -> None:
        """The platform wants to be left alone, with such calls."""
        await self.pacer.close_for(seconds, reason, self.family)
