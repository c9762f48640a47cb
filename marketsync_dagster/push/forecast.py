"""How many calls a push takes, and how many minutes at the least: by rows, capabilities and quota.

Pure. What is forecast is the least that is possible, when every call is answered at the first try
and every import has ended when it is first asked for:

| what changed | sent with | asked for with |
|---|---|---|
| n rows, without imports | ceil(n / batch_items) calls | - |
| n offers | ceil(n / batch_items) imports (Mirakl: OF24) | 1 call for all of them (OF02, OF04) |
| n prices alone | ceil(n / file_lines) imports (PRI01) | 1 call for all of them (PRI02) |
| n quantities alone | ceil(n / file_lines) imports (STO01) | 1 call each (STO02) |

Where a platform cannot tell of many imports at once (`Capabilities.status_of_many`), each is asked
for by itself. Error reports, imports that take their time, splits (bytes, 413) and further tries
come on top; answers take their time too.

The channels of an account share its quota, and where there are imports those too: what an account
takes is not the sum of what its channels would take alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from marketsync_dagster.ledger.quota import MARGIN_MS, WINDOW_MS
from marketsync_dagster.platforms.base import ImportKind
from marketsync_dagster.values.words import counted

if TYPE_CHECKING:
    import pandas as pd

    from marketsync_dagster.config.settings import Quota
    from marketsync_dagster.platforms.base import Capabilities

Rows = Mapping[str, int]
"""Import kind -> rows to send; the kind is empty where rows are sent without imports."""

MARGIN_S = MARGIN_MS / 1000
WINDOW_S = WINDOW_MS / 1000 + MARGIN_S
"""How long a call counts against the quota of a minute."""
_STATUS = "_status"


@dataclass(frozen=True, slots=True)
class Forecast:
    """The least number of calls, and the least time until the last of them may go."""

    families: Mapping[str, int] = field(default_factory=dict)
    """Family of calls (`Capabilities.intervals`; empty: calls that belong to none) -> calls."""
    seconds: float = 0.0

    @property
    def calls(self) -> int:
        return sum(self.families.values())

    @property
    def status_calls(self) -> int:
        """Those that ask for imports."""
        return sum(n for family, n in self.families.items() if family.endswith(_STATUS))

    @property
    def writes(self) -> int:
        return self.calls - self.status_calls

    @property
    def minutes(self) -> float:
        return round(self.seconds / 60, 1)

    @property
    def words(self) -> str:
        """`12 calls, about 11 minutes`; `no call`."""
        if not self.calls:
            return "no call"
        return f"{counted(self.calls, 'call')}, {time_words(self.seconds)}"

    def to_dict(self) -> dict[str, Any]:
        """The keys of `forecast` in `--json`."""
        return {
            "calls": self.calls,
            "writes": self.writes,
            "status_calls": self.status_calls,
            "minutes": self.minutes,
        }


def time_words(seconds: float) -> str:
    """`less than a minute`, `about 11 minutes`, `about 3.5 hours`."""
    if seconds < 45:
        return "less than a minute"
    minutes = max(1, round(seconds / 60))
    if minutes < 120:
        return f"about {counted(minutes, 'minute')}"
    return f"about {seconds / 3600:.1f} hours".replace(".0 ", " ")


def rows_by_kind(rows: pd.DataFrame, can: Capabilities) -> dict[str, int]:
    """How many of these rows of a plan go as which kind of import."""
    if not len(rows):
        return {}
    if not can.async_import:
        return {"": len(rows)}
    if "import_kind" not in rows:
        return {ImportKind.OFFERS.value: len(rows)}
    counts = rows["import_kind"].value_counts()
    return {kind.value: int(counts[kind.value]) for kind in ImportKind if kind.value in counts}


def forecast(rows: Rows, can: Capabilities, quota: Quota) -> Forecast:
    """What it takes to send the `rows` of one channel, alone."""
    return forecast_account([rows], can, quota)


def forecast_account(channels: Sequence[Rows], can: Capabilities, quota: Quota) -> Forecast:
    """What it takes to send the rows of several channels of one account in one run."""
    if can.async_import:
        together: Counter[str] = Counter()
        for rows in channels:
            together.update(rows)
        families = _imports(together, can)
        longest = sum(families.values())
    else:
        calls = [-(-sum(rows.values()) // can.batch_items) for rows in channels]
        families = {"": sum(calls)} if any(calls) else {}
        longest = max(calls, default=0)
    return Forecast(families, seconds_of(families, can, quota, longest))


def _imports(rows: Rows, can: Capabilities) -> dict[str, int]:
    """Family -> calls of the imports of `rows`, and of asking for them."""
    families: dict[str, int] = {}
    for kind in ImportKind:
        count = rows.get(kind.value, 0)
        size = can.batch_items if kind is ImportKind.OFFERS else can.file_lines or can.batch_items
        if imports := -(-count // size):
            families[kind.value] = imports
            families[kind.value + _STATUS] = 1 if kind in can.status_of_many else imports
    return families


def seconds_of(
    families: Mapping[str, int], can: Capabilities, quota: Quota, longest: int = 0
) -> float:
    """The least seconds until the last of these calls may go, if none was made just before.

    `longest`: the most calls of one push, which pauses between them (`quota.pause_s`).
    """
    total = sum(families.values())
    if not total:
        return 0.0
    spans = [max(0, longest - 1) * quota.pause_s]
    if quota.per_minute is not None:
        spans.append((total - 1) // quota.per_minute * WINDOW_S)
    for family, calls in families.items():
        span = (calls - 1) * _interval(family, can)
        if family.endswith(_STATUS):
            # the last import is asked for after it was started
            starts = families.get(family.removesuffix(_STATUS), 1) - 1
            started = starts * _interval(family.removesuffix(_STATUS), can)
            span = can.first_look_s + max(span, started)
        spans.append(span)
    return max(spans)


def loads_of(families: Mapping[str, int], can: Capabilities, quota: Quota) -> dict[str, float]:
    """What these calls use up of an account, in seconds: by family, and by the account's quota
    under the empty name. A schedule that makes them can fire no oftener for long."""
    loads = {family: n * _interval(family, can) for family, n in families.items()}
    if quota.per_minute is not None:
        loads[""] = sum(families.values()) / quota.per_minute * WINDOW_S
    return {name: seconds for name, seconds in loads.items() if seconds}


def _interval(family: str, can: Capabilities) -> float:
    """Seconds between two calls of a family, in all processes together."""
    least = can.intervals.get(family, 0.0)
    return least + min(MARGIN_S, least / 10)  # as `push.pacing` counts
