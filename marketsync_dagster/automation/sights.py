"""What the sensor new_extract sees: the newest files of each outlet, one look at each source."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import astuple
from typing import TYPE_CHECKING, Any, Self

import dagster as dg

from marketsync_dagster.automation.cores import Asked, RunState, Sighting
from marketsync_dagster.automation.schedules import ACTIVE
from marketsync_dagster.resources.dead_runs import end_dead_runs

if TYPE_CHECKING:
    from types import TracebackType

    from marketsync_dagster.pos.sources.base import Arrival
    from marketsync_dagster.stages.project import Project
    from marketsync_dagster.stages.reading import Reading

RUN_KEY_TAG = "dagster/run_key"
START_GRACE_S = 120.0
"""A run that was asked for and is not there after so long is lost."""
HASHED_BYTES = 64 * 2**20
"""A larger file, or one that is elsewhere, is not fetched by a sensor: its run does that."""


class Looking:
    """One tick: `before` is what an earlier one saw of young files, `sights` what this one does.

    A source that cannot be looked at is a problem of its outlets, never "no files".
    """

    def __init__(
        self,
        instance: dg.DagsterInstance,
        project: Project,
        before: Mapping[str, Any],
        sights: dict[str, Any],
        now: float,
    ) -> None:
        from marketsync_dagster.stages.arrivals import Arrivals

        self.instance = instance
        self.project = project
        self.before = before
        self.sights = sights
        self.now = now
        self.arrivals = Arrivals(project)
        self._runs: dict[str, RunState] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.arrivals.close()

    def at(self, outlet: str, known: Asked) -> Sighting:
        """What is seen of an outlet; a file is hashed only when it is new and whole."""
        from marketsync_dagster.values.errors import MarketSyncError

        source = self.project.settings.outlets[outlet].extract.shared or ""
        try:
            return self._at(outlet, known, source)
        except MarketSyncError as error:
            return Sighting(problem=error.message, source=source)
        except OSError as error:
            why = error.strerror or error
            return Sighting(problem=f"the newest extract cannot be read: {why}", source=source)

    def _at(self, outlet: str, known: Asked, source: str) -> Sighting:
        from marketsync_dagster.ledger.extracts import latest_accepted
        from marketsync_dagster.stages.arrivals import mark_of
        from marketsync_dagster.stages.choosing import newest_of
        from marketsync_dagster.stages.project import fingerprint

        reading = self.arrivals.reading(outlet)
        if not self.arrivals.is_watched(reading):
            return Sighting(source=source)
        newest = newest_of(self.arrivals, reading)
        if not newest:
            return Sighting(source=source)
        name = newest[0].last_name if len(newest) == 1 else f"{len(newest)} files"
        mark = fingerprint(*((one.name, mark_of(one)) for one in newest))[:16]
        if mark == known.mark:
            state = self._run_state(outlet, known) if known.open else "none"
            return Sighting(name=name, mark=mark, settled=True, run=state, source=source)
        young = [one for one in newest if not self._is_settled(reading, one)]
        if young:
            return Sighting(name=young[0].last_name, mark=mark, source=source)
        sha256 = self._hash(reading, newest)
        accepted = latest_accepted(self.project.ledger, outlet) if sha256 else None
        return Sighting(
            name=name,
            mark=mark,
            settled=True,
            sha256=sha256,
            accepted=accepted.sha256 if accepted else "",
            source=source,
        )

    def _is_settled(self, reading: Reading, arrival: Arrival) -> bool:
        key = f"{reading.source}/{arrival.name}"
        past = self.before.get(key)
        earlier = None
        if past is not None:
            with contextlib.suppress(TypeError):  # an older version remembered something else
                earlier = type(arrival)(*past)
        self.sights[key] = list(astuple(arrival))
        return self.arrivals.is_settled(reading, arrival, earlier, self.now)

    def _hash(self, reading: Reading, newest: list[Arrival]) -> str:
        """Of the only document of a file of this machine; empty: its run will tell."""
        from marketsync_dagster.stages.arrivals import BadOriginal

        if len(newest) > 1 or reading.said.path is None:
            return ""
        if newest[0].size is None or newest[0].size > HASHED_BYTES:
            return ""
        try:
            records = self.arrivals.open(reading, newest[0])
        except BadOriginal:  # its run refuses it, and says so of its outlet
            return ""
        return records[0].sha256 if len(records) == 1 else ""

    def _run_state(self, outlet: str, known: Asked) -> RunState:
        """What became of the run that was asked for."""
        from marketsync_dagster.ledger.states import states_at

        if known.run_key in self._runs:
            return self._runs[known.run_key]
        runs = self.instance.get_runs(dg.RunsFilter(tags={RUN_KEY_TAG: known.run_key}), limit=1)
        state: RunState
        if not runs:
            state = "active" if self.now - known.at < START_GRACE_S else "lost"
        elif runs[0].status in ACTIVE and runs[0].run_id not in end_dead_runs(self.instance):
            state = "active"
        elif runs[0].status == dg.DagsterRunStatus.SUCCESS:
            state = "judged"
        else:
            # of each outlet by itself: the run may have died between two of them
            judged = states_at(self.project.ledger, "pos_extract").get(outlet)
            return "judged" if judged and judged.run_id == runs[0].run_id else "lost"
        self._runs[known.run_key] = state
        return state
