"""What the slices of one file have in common: its rejects, its evidence, what is said about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from marketsync_dagster.pos.money import Evidence
from marketsync_dagster.pos.quarantine import Rejects
from marketsync_dagster.pos.totals import Before

_WORDS: Mapping[str, tuple[str, str]] = {
    "model_as_sku": (
        "1 row has no SKU: its model, {first}, is taken as its SKU",
        "{count:,} rows have no SKU: their models, such as {first}, are taken as their SKUs",
    ),
    "promo_zero": (
        "1 promo price of zero is read as no promotion",
        "{count:,} promo prices of zero are read as no promotion",
    ),
    "price_mark": (
        "1 cell, {first}, is read as no regular price",
        "{count:,} cells such as {first} are read as no regular price",
    ),
    "promo_mark": (
        "1 cell, {first}, is read as no promotion",
        "{count:,} cells such as {first} are read as no promotion",
    ),
}
"""What was counted -> what is said of one, and of several."""


@dataclass
class Whole:
    """Filled slice by slice."""

    rejects: Rejects
    evidence: Evidence | None = None
    """Of the prices of all slices; None: there is one slice."""
    before: Before = field(default_factory=Before)
    """The regular prices of the slices that were read."""
    last: bool = True
    """Whether the file ends with the slice that is read."""
    _counts: dict[str, tuple[int, str]] = field(default_factory=dict)

    def note(self, what: str, count: int, first: str = "") -> None:
        """Count something that is worth a warning; `first` is where, or what, it was first."""
        if count:
            before, known = self._counts.get(what, (0, first))
            self._counts[what] = (before + count, known)

    def warnings(self) -> list[str]:
        """What was counted, in words."""
        return [
            (one if count == 1 else several).format(count=count, first=first)
            for what, (one, several) in _WORDS.items()
            if what in self._counts
            for count, first in (self._counts[what],)
        ]
