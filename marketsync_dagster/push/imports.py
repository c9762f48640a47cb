"""Following the imports of an account: they are asked for until they have ended.

What a platform takes as an import is only `accepted_async` when the call is over. Here its end is
learnt; what it means for the rows, and how that is journalled, is `push.import_ends`.
Whoever comes next goes on where a run has left off, however that ended: what is to be asked for is
in the ledger (`ledger.imports`).

A call is made only where its answer can matter: not before `first_look_s`, not more often than the
account's `intervals` allow over all processes, oldest import first, one call for many where the
platform tells of many. An import that has not ended `import_deadline_s` after its start, and was
asked for once more since, is lost: its rows are unknown, and go again. It may end all the same, and
overwrite what has gone since: it is asked for some days more, seldom.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from marketsync_dagster.ledger import imports as journalled
from marketsync_dagster.ledger import plans, pushes
from marketsync_dagster.ledger.calls import record_calls
from marketsync_dagster.ledger.imports import OpenImport
from marketsync_dagster.platforms.base import ImportKind, ImportStatus
from marketsync_dagster.push.calls import call_row
from marketsync_dagster.push.import_ends import (
    Changes,
    End,
    ended_late,
    failure,
    has_errors,
    lost,
    partial,
    success,
    write_end,
)
from marketsync_dagster.push.pacing import Pacer, Slots, StayAway, Stop, backoff
from marketsync_dagster.push.plan import rows_from_parquet
from marketsync_dagster.values.outcomes import Disposition, Outcome
from marketsync_dagster.values.times import from_iso, to_iso, utcnow

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from marketsync_dagster.config.settings import Retry
    from marketsync_dagster.ledger.engine import Ledger
    from marketsync_dagster.platforms.base import Adapter, Call, ReportAnswer, StatusAnswer
    from marketsync_dagster.push.journal import Journal

POINTS = ("import_looked", "report_read", "import_end_written", "import_ended")
"""The durable points of an import's end, in order, as the observer is told them."""
GRACE_S = 1.0
"""A run asks once if it may do so by then, however short it is to wait."""
QUICK_S, SLOW_S = 0.1, 10.0
"""Where nothing else bounds calls: the first pause between two of them, and the longest."""
_MOST = 30
"""Pauses do not grow any more after so many tries."""
PATIENCE = 4
"""So many looks at the oldest import, where a call tells of one alone, before the next has its
turn: platforms work on them in their order, but one may be stuck."""
LATE_S = 3 * 86_400.0
"""So long after its start a lost import is still asked for ..."""
SELDOM = 8
"""... each time when an eighth of its age is over since the last."""
REFUSED_AT_MOST = 3
"""So many looks in a row that are refused, and the imports are left to the next run."""


@dataclass(slots=True)
class Followed:
    """What became of the imports of an account."""

    changed: dict[str, Counter[str]] = field(default_factory=dict)
    """Push -> outcomes of its rows whose imports have ended."""
    problems: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    """Push -> the first of them that did not go through: sku, outcome, message."""
    outlets: set[str] = field(default_factory=set)
    """Whose listings say something else now."""
    lost: dict[str, list[str]] = field(default_factory=dict)
    """Outlet -> which of its imports were lost here, and why, in words."""
    ended: dict[str, str] = field(default_factory=dict)
    """Our key of each import that has ended -> its state."""
    waiting: list[OpenImport] = field(default_factory=list)
    """Those that have not: the next run asks for them."""
    calls: int = 0
    stopped: str = ""
    """Why nothing more was asked, if not because the time is over: the credentials, a signal."""
    closed: str = ""
    """Why something was not asked for: the platform wants no call for longer than there is time."""
    dead_key: str = ""
    """The platform refuses the credentials, in words: nothing can be learnt of any import."""
    untold: dict[str, str] = field(default_factory=dict)
    """Our key of each import about which the last call told nothing -> why."""


async def follow(
    ledger: Ledger,
    account: str,
    adapter: Adapter,
    pacer: Pacer,
    journal: Journal,
    stop: Stop,
    retry: Retry,
    *,
    wait_s: float,
    observe: Callable[[str], None] = lambda _: None,
) -> Followed:
    """Ask for the open imports of `account` until all have ended, `wait_s` is over, or `stop`.

    With `wait_s` 0 each is asked for once, where that is allowed at this moment; and lost ones, one
    call for each kind, where that is due. Returns at once if there are none. Raises what the ledger
    raises.
    """
    work = _Following(ledger, account, adapter, pacer, journal, stop, retry, wait_s, observe)
    return await work.run()


def due_late(ledger: Ledger, account: str) -> list[OpenImport]:
    """What was lost, may have ended since, and was not asked for lately: longest ago first."""
    now = utcnow()

    def since(one: OpenImport) -> str:
        return one.looked_at or one.started_at

    def rested(one: OpenImport) -> bool:
        return now - from_iso(since(one)) >= (now - from_iso(one.started_at)) / SELDOM

    found = journalled.late_imports(ledger, account, to_iso(now - timedelta(seconds=LATE_S)))
    return sorted(filter(rested, found), key=since)


@dataclass(slots=True, eq=False)
class _Following:
    ledger: Ledger
    account: str
    adapter: Adapter
    pacer: Pacer
    journal: Journal
    stop: Stop
    retry: Retry
    wait_s: float
    observe: Callable[[str], None]
    result: Followed = field(default_factory=Followed)
    _over: Stop = field(default_factory=Stop)
    """Set when the time is over, or there is a reason to stop."""
    _end: float = 0.0
    """When the time is over, in monotonic time."""
    _asked: Counter[str] = field(default_factory=Counter)
    """Import -> how often it was asked for here."""
    _told: Counter[str] = field(default_factory=Counter)
    """Import -> how often there was an answer."""
    _reporting: set[str] = field(default_factory=set)
    """Imports that are complete, and whose reports are being read."""
    _why: dict[str, str] = field(default_factory=dict)
    """Import -> why its end is not known, in words."""

    async def run(self) -> Followed:
        late: list[OpenImport] = []
        if self.wait_s <= 0:
            late = await asyncio.to_thread(due_late, self.ledger, self.account)
        if late or await self._open():
            wait_s = max(self.wait_s, GRACE_S)
            self._end = time.monotonic() + wait_s
            # the pacer must not wait for a turn that comes when the time is over
            self.pacer = dataclasses.replace(self.pacer, stop=self._over)
            await self.pacer.open()
            timing = asyncio.create_task(self._time(wait_s))
            try:
                async with asyncio.TaskGroup() as group:
                    for kind in ImportKind:
                        some = [one for one in late if one.kind == kind.value]
                        looks = group.create_task(self._looks_of(kind, some, group))
                        if self.wait_s <= 0 and kind is ImportKind.OFFERS:
                            # only offers are sent while an older word is with the platform; where
                            # both have ended since, the older one counts as the last
                            await looks
            finally:
                timing.cancel()
            await self._lose_what_is_overdue()
            self.result.waiting = await self._open()
        return self.result

    async def _time(self, seconds: float) -> None:
        await self.stop.sleep(seconds)
        self._halt(self.stop.reason)

    def _halt(self, reason: str) -> None:
        if reason and not self.result.stopped:
            self.result.stopped = reason
        self._over.set(reason or "the time to wait is over")

    async def _open(self, kind: ImportKind | None = None) -> list[OpenImport]:
        """What is to be asked for, oldest first: another process may have done so meanwhile."""
        found = await asyncio.to_thread(journalled.open_imports, self.ledger, self.account)
        return [each for each in found if kind is None or each.kind == kind.value]

    # -- looking ---------------------------------------------------------------------------

    async def _looks_of(
        self, kind: ImportKind, late: Sequence[OpenImport], group: asyncio.TaskGroup
    ) -> None:
        await self._looks(kind, group)
        if late and not self._over.event.is_set():
            await self._look_at_late(kind, late)

    async def _look_at_late(self, kind: ImportKind, late: Sequence[OpenImport]) -> None:
        """One call for lost imports of a kind; an end says what it may have done to newer words."""
        answer = await self._look(kind, late)
        if answer is None:
            return
        if answer.outcome is not None:
            await self._failed(answer, f"{kind}_status", 1)
        said = {status.import_id: status for status in answer.found}
        going_on: list[str] = []
        for one in late:
            status = said.get(one.import_id)
            if status is not None and status.state == "failed":
                await self._ended(one, failure(status), looked=True, late=True)
            elif status is not None and status.state == "complete":
                await self._ended(one, ended_late(status, one.items), looked=True, late=True)
            elif status is not None or one is late[0]:
                going_on.append(one.key)
        if going_on:
            at = to_iso(utcnow())
            await self.journal.write(
                lambda connection: journalled.look_at_imports(connection, going_on, at)
            )

    async def _looks(self, kind: ImportKind, group: asyncio.TaskGroup) -> None:
        """Ask for the imports of one kind until none of them is open."""
        looks, failed, refused = 0, 0, 0
        earliest = time.monotonic()
        interval = self.adapter.capabilities.intervals.get(f"{kind}_status", 0.0)
        while not self._over.event.is_set():
            todo = [one for one in await self._open(kind) if one.key not in self._reporting]
            if self.wait_s <= 0:
                todo = [one for one in todo if not self._asked[one.key]]
            if not todo:
                return
            now = time.monotonic()
            rests = {one.key: self._rest(one, interval) for one in todo}
            due = max(earliest, now + min(rests.values()))
            if due > now:
                if due > self._end:
                    return  # the next run's
                await self._over.sleep(due - now)
                continue
            todo.sort(key=lambda one: (rests[one.key] > 0, *self._place_in_turn(one)))
            answer = await self._look(kind, todo)
            if answer is None:
                return
            if answer.outcome is None:
                await self._take(todo, answer.found, kind, group)
                looks, failed, refused = looks + 1, 0, 0
                earliest = time.monotonic() + max(interval, _pause(looks))
                continue
            for one in todo:
                self._why[one.key] = self.result.untold[one.key] = answer.message
            if self.wait_s > 0:  # else one failed call would be all that an import is lost by
                self._asked[todo[0].key] += 1
            if answer.other_key:
                continue
            failed += 1
            refused += answer.outcome is Outcome.REFUSED
            if refused == REFUSED_AT_MOST:
                return
            earliest = time.monotonic() + await self._failed(answer, f"{kind}_status", failed)

    def _place_in_turn(self, one: OpenImport) -> tuple[int, bool, str]:
        """Whose turn it is, least first: who was asked for without an answer comes last; of the
        others who is in the middle of its turn, else who has waited longest. By the ledger, so that
        runs with time for one call each come round to all of them."""
        unanswered = max(0, self._asked[one.key] - self._told[one.key]) // PATIENCE
        ended_turn = one.looks % PATIENCE == 0
        return unanswered, ended_turn, one.looked_at or one.started_at

    def _rest(self, one: OpenImport, interval: float) -> float:
        """Seconds until a look at this import may tell anything new, by what the ledger says."""
        now = utcnow()

        def left(seconds: float, since: str) -> float:
            # a clock that was set back makes no wait longer
            return min(seconds, seconds - (now - from_iso(since)).total_seconds())

        rest = left(self.adapter.capabilities.first_look_s, one.started_at)
        return rest if one.looked_at is None else max(rest, left(interval, one.looked_at))

    async def _look(self, kind: ImportKind, todo: Sequence[OpenImport]) -> StatusAnswer | None:
        """One call; None: it is not for this run any more."""
        taken = await self._turn(f"{kind}_status")
        if taken is None:
            return None
        ids = list(dict.fromkeys(one.import_id for one in todo))
        since = min(one.started_at for one in todo)
        answer = await self.adapter.import_status(kind, ids, since)
        await self._called(answer.call, taken)
        return answer

    async def _turn(self, family: str) -> Slots | None:
        """The family's turn to call; None: it does not come within the time that is left."""
        self.pacer.patience_s = self._end - time.monotonic()
        try:
            taken = await self.pacer.slot(family)
        except StayAway as away:
            self.result.closed = away.message
            return None
        return None if self._over.event.is_set() else taken

    async def _called(self, call: Call, taken: Slots) -> None:
        self.result.calls += 1
        row = call_row(self.account, call)
        await self.journal.write(lambda connection: record_calls(connection, [row]))
        await self.pacer.answered(taken)

    async def _failed(
        self, answer: StatusAnswer | ReportAnswer, family: str, attempt: int
    ) -> float:
        """A call that told nothing: how many seconds until the next; all is over where the keys are
        not taken."""
        if answer.outcome is Outcome.AUTH_FAILED:
            self.result.dead_key = f"the platform refuses the credentials: {answer.message}"
            self._halt(self.result.dead_key)
            return 0.0
        delay = backoff(min(attempt, _MOST), self.retry, answer.retry_after_s)
        delay = max(delay, _pause(attempt))
        if answer.call.status == 429 or answer.retry_after_s is not None:
            await self.pacer.close_for(delay, answer.message, family)
            if time.monotonic() + delay > self._end:
                self.result.closed = StayAway(delay, answer.message, family).message
        return delay

    async def _take(
        self,
        todo: Sequence[OpenImport],
        found: Sequence[ImportStatus],
        kind: ImportKind,
        group: asyncio.TaskGroup,
    ) -> None:
        """What one answer says of the imports that were asked for."""
        said = {status.import_id: status for status in found}
        going_on: list[str] = []
        for one in todo:
            status = said.get(one.import_id)
            if status is None and one.import_id != todo[0].import_id:
                continue  # perhaps the platform tells of one at a time: its turn comes
            self._asked[one.key] += 1
            self._told[one.key] += 1
            self.result.untold.pop(one.key, None)
            if status is None:
                self._why[one.key] = f"the platform does not know import {one.import_id}"
            elif status.state == "failed":
                await self._ended(one, failure(status), looked=True)
                continue
            elif status.state == "complete" and not has_errors(status):
                await self._ended(one, success(status, one.items), looked=True)
                continue
            elif status.state == "complete":
                self._reporting.add(one.key)
                group.create_task(self._report(kind, one, status))
            else:
                self._why[one.key] = f"it is {status.raw or status.state}"
            going_on.append(one.key)
        if going_on:
            at = to_iso(utcnow())
            await self.journal.write(
                lambda connection: journalled.look_at_imports(connection, going_on, at)
            )
        self.observe("import_looked")
        await self._lose_what_is_overdue(going_on)

    # -- reports ---------------------------------------------------------------------------

    async def _report(self, kind: ImportKind, one: OpenImport, status: ImportStatus) -> None:
        """Read which items of a complete import were refused, and journal its end."""
        skus = await asyncio.to_thread(self._platform_skus, one)
        failed, seen = 0, 0
        while not self._over.event.is_set():
            taken = await self._turn(f"{kind}_report")
            if taken is None:
                return  # as long as it counts as being read, nobody asks how the import stands
            answer = await self.adapter.import_report(kind, one.import_id, skus)
            await self._called(answer.call, taken)
            self.observe("report_read")
            if answer.outcome is None:
                seen += 1
                lacking = status.lines_in_error - len(answer.errors)
                if lacking <= 0 or seen > 1:
                    await self._ended(one, partial(status, answer, lacking, one.items))
                    break
                self._why[one.key] = "its error report is not whole yet"
            else:
                self._why[one.key] = f"its error report cannot be read: {answer.message}"
            if answer.other_key:
                continue
            failed += 1
            delay = await self._failed(answer, f"{kind}_report", failed)
            if time.monotonic() + delay > self._end:
                return  # the next run's, as above
            await self._over.sleep(delay)
        self._reporting.discard(one.key)

    def _platform_skus(self, one: OpenImport) -> list[str]:
        """What the platform calls the items of an import, in the order in which they were sent."""
        spans = pushes.spans_of(self.ledger, [(part.push_id, part.batch) for part in one.parts])
        names: list[str] = []
        for part in one.parts:
            plan, first, last = spans[part.push_id, part.batch]
            names += self._sent(plan)[first:last]
        return names

    def _sent(self, plan_id: str) -> list[str]:
        """The names of all rows that a plan sends."""
        columns = ("sku", "platform_sku", "disposition")
        rows = rows_from_parquet(plans.get_plan(self.ledger, plan_id).rows, columns)
        name = "platform_sku" if "platform_sku" in rows else "sku"
        return rows.loc[rows["disposition"] == Disposition.SENT.value, name].astype(str).tolist()

    # -- ends ------------------------------------------------------------------------------

    async def _lose_what_is_overdue(self, keys: Iterable[str] | None = None) -> None:
        """End what was asked for after its deadline, and has not ended."""
        if self.result.stopped:
            return
        deadline = self.adapter.capabilities.import_deadline_s
        mine = set(self._asked if keys is None else keys)
        now = utcnow()
        for one in await self._open():
            age = (now - from_iso(one.started_at)).total_seconds()
            busy = keys is not None and one.key in self._reporting
            if deadline and one.key in mine and age > deadline and not busy:
                why = self._why.get(one.key, "nothing was said of it")
                await self._ended(one, lost(one, deadline, why))

    async def _ended(
        self, one: OpenImport, end: End, *, looked: bool = False, late: bool = False
    ) -> None:
        """Journal how an import ended, and what its rows came to, in one transaction."""
        at = to_iso(utcnow())

        def work(connection: Connection) -> Changes | None:
            changes = write_end(connection, one, end, at, looked=looked, late=late)
            self.observe("import_end_written")
            return changes

        changes: Changes | None = await self.journal.write(work)
        self.observe("import_ended")
        if changes is None:
            return
        self.result.ended[one.key] = end.state
        self.result.outlets |= changes.outlets
        if end.state == journalled.LOST:
            for outlet in changes.outlets:
                self.result.lost.setdefault(outlet, []).append(end.message)
        for push_id, outcomes in changes.outcomes.items():
            self.result.changed.setdefault(push_id, Counter()).update(outcomes)
        for push_id, problems in changes.problems.items():
            known = self.result.problems.setdefault(push_id, [])
            known += problems[: pushes.SAMPLE - len(known)]


def _pause(looks: int) -> float:
    """Seconds between two looks where the platform does not bound them: longer each time."""
    return min(QUICK_S * 1.5 ** min(looks, _MOST), SLOW_S)
