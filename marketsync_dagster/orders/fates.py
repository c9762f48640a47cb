"""What each forward comes to in one turn at its destination: one thing each, so that the figures
of a turn add up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Fate = Literal[
    "unchanged",
    "updated",
    "held",
    "waiting",
    "unknown",
    "created",
    "cancelled",
    "failed",
    "refused",
]
_RANKS: tuple[Fate, ...] = (
    *("unchanged", "held", "waiting", "unknown", "updated", "created"),
    *("cancelled", "failed", "refused"),
)
"""Of several things that happen to a forward in one turn the last of these counts: one whose answer
was lost and that was found is updated, one that was handed over and asked about is created."""


def further(one: Fate, other: Fate | None) -> Fate:
    """What counts of two things that happened to the same forward."""
    if other is None or _RANKS.index(one) >= _RANKS.index(other):
        return one
    return other


def told_fate(figures: Mapping[str, int]) -> Fate:
    """What a forward came to by what its destination tells of it (`fulfilment.apply_standing`)."""
    if figures.get("failed"):
        return "failed"
    return "updated" if figures.get("updated") else "unchanged"
