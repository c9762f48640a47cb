"""One channel's way through a run: what passes from plan to push to record. Ids and counts only;
the rows are in the ledger and the frames."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Self

from marketsync_dagster.ledger.leases import channel_lease
from marketsync_dagster.values.outcomes import Disposition, Outcome

ROWS = tuple(disposition.value for disposition in Disposition)
"""The left side of the channel law, and `sent`."""
OUTCOMES = tuple(outcome.value for outcome in Outcome)
"""The right side of the channel law: their sum is `sent`."""


WAITING = "with the platform"
"""The state of a channel some of whose rows the platform works on: green, and not settled."""
ATTENTION = frozenset({"rows held", "held again", "refused rows", WAITING})
"""States that are known and wait for a person or the platform: not red, but not well either."""


PAUSED = "paused"
"""The state of a channel that somebody has paused: green, and told."""


@dataclass(frozen=True, slots=True)
class ChannelRun:
    """Where a channel stands in this run.

    After the plan: planned, approved, held, held again, unchanged, disabled, no channel, failed, or
    contested: another run is pushing, what is left to say is known when it has ended; or paused.
    After the push: pushed, busy, interrupted, failed, paused, or as it was.
    """

    outlet: str
    state: str
    plan_id: str = ""
    push_id: str = ""
    reason: str = ""
    next_step: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    """Disposition -> rows; their sum is the catalog's rows."""
    outcomes: dict[str, int] = field(default_factory=dict)
    """Outcome -> rows that were sent."""
    calls: int = 0
    seconds: float = 0.0
    last_push: str = ""
    """The channel's newest push when the plan was made."""
    mark: str = ""
    """What the channel has nothing left to say about once this went through (planning._mark)."""
    reported: bool = False
    """The rows that are held were held before, and somebody was told."""

    refused_before: int = 0
    """Rows that the platform refused earlier and that have not changed since: not sent again."""
    imports: list[str] = field(default_factory=list)
    """The platform's ids of imports with rows of this channel whose end is not known."""
    untold: str = ""
    """Why it cannot be learnt, where only a person can mend that."""
    lost: list[str] = field(default_factory=list)
    """Imports with rows of this channel that were given up in this run, and why, in words."""
    sends: dict[str, int] = field(default_factory=dict)
    """Import kind (empty: without imports) -> rows of the plan that are to go out."""

    @property
    def goes_out(self) -> bool:
        """Whether there is something to send, or may be."""
        return self.state in ("planned", "approved", "contested")

    def to_dict(self) -> dict[str, Any]:
        """JSON-able: what Dagster keeps between two ops."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        return cls(**data)


def stage_name(platform: str) -> str:
    """The stage under which results and failures are recorded."""
    return f"{platform}_listings"


def lease_name(outlet: str, platform: str) -> str:
    """The lease of a channel: one push at a time."""
    return channel_lease(outlet, platform)
