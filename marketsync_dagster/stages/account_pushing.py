"""Pushing by account, where a platform takes imports: what all channels of an account have to say
goes out together, and what an earlier run has left with the platform is asked for first.

In this order: one look at the account's open imports, whoever started them, so that what they came
to is known before anything is sent; then, in the account's turn, the channels' leases, their plans,
and one sender over all of them; then the pushes are closed and the leases given back, and the
imports of this run's outlets are asked for until they have ended or `import_wait_s` is over. What
has not ended by then stays with the platform, and the next run goes on here, whatever ended this
one. An account whose outlets have nothing to say is looked at too, if imports of it are open.

Two leases belong to the account: its turn to send, and its turn to ask. Runs that wait for the
first say so by a lease of their own, and whoever has the turn takes their plans along: twenty runs
of one outlet each need few imports, and not twenty minutes.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from marketsync_dagster.ledger import leases, pushes
from marketsync_dagster.ledger.imports import open_imports
from marketsync_dagster.push.import_parts import Member
from marketsync_dagster.push.importing import ImportSender
from marketsync_dagster.push.imports import due_late
from marketsync_dagster.push.pacing import Stop
from marketsync_dagster.push.result import PushResult
from marketsync_dagster.push.sender import TAKEN_OVER
from marketsync_dagster.stages.asking import Asking, pacer_of
from marketsync_dagster.stages.channel_run import ChannelRun
from marketsync_dagster.stages.holding import Held
from marketsync_dagster.stages.planning import plan_channel
from marketsync_dagster.stages.push_records import (
    Superseded,
    close_push,
    columns_of,
    failed_run,
    open_push,
    source_of,
)
from marketsync_dagster.stages.push_work import PLANS_AT_MOST, PushWork
from marketsync_dagster.values.errors import Busy

if TYPE_CHECKING:
    from marketsync_dagster.config.settings import Account
    from marketsync_dagster.ledger.plans import PlanRecord
    from marketsync_dagster.platforms.base import Adapter


def turn_lease(account: str) -> str:
    """The lease of who may send for an account."""
    return f"account {account}"


def _wish(account: str, outlet: str, plan_id: str) -> str:
    """The lease that says: this plan waits for the account's turn."""
    return f"waiting {account}/{outlet}/{plan_id}"


async def push_account(
    work: PushWork, account: str, runs: Sequence[ChannelRun]
) -> list[ChannelRun]:
    """The channels of one account; each run comes back as what became of it, in order."""
    ledger = work.project.ledger
    open_ = await asyncio.to_thread(open_imports, ledger, account)
    open_ = open_ or await asyncio.to_thread(due_late, ledger, account)
    if not open_ and not any(run.goes_out for run in runs):
        return list(runs)
    group = _Group(work, account, {run.outlet: run for run in runs})
    try:
        async with await work.adapter_of(account, None) as adapter:
            await group.run(adapter)
    except Exception as raised:  # noqa: BLE001 - one bad account must not stop the others
        group.fail(raised)
    return list(group.runs.values())


@dataclass(slots=True, eq=False)
class _Going:
    """A channel whose push is open."""

    run: ChannelRun
    record: PlanRecord
    held: Held
    member: Member
    is_guest: bool


@dataclass(slots=True, eq=False)
class _Group:
    work: PushWork
    account: str
    runs: dict[str, ChannelRun]
    """Outlet -> where it stands."""
    adapter: Adapter = field(init=False)
    asking: Asking = field(init=False)
    _sent: dict[str, _Going] = field(default_factory=dict)
    """Outlet -> its push, once it is closed."""

    @property
    def _settings(self) -> Account:
        return self.work.project.settings.accounts[self.account]

    @property
    def _going(self) -> list[ChannelRun]:
        return [run for run in self.runs.values() if run.goes_out]

    async def run(self, adapter: Adapter) -> None:
        """All of it; each run is replaced by what became of it."""
        self.adapter = adapter
        self.asking = Asking(self.work, self.account, adapter, frozenset(self.runs))
        moved = await self._look()
        if self._going:
            await self._in_turn(moved)
        await self.asking.wait_for_ends()
        await self._tell()

    def fail(self, raised: BaseException) -> None:
        """What had still to be said could not be."""
        for run in self._going:
            self._set(failed_run(self.work.platform, run, raised))

    def _set(self, run: ChannelRun) -> None:
        if run.outlet in self.runs:
            self.runs[run.outlet] = run

    # -- asking ------------------------------------------------------------------------------

    async def _look(self) -> set[str]:
        """One look at what is open; returns the outlets whose listings say something else now.

        Channels that had nothing to say are planned again if they are among them.
        """
        moved = await self.asking.look()
        for outlet in sorted(moved & self.runs.keys()):
            if self.runs[outlet].state == "unchanged":
                try:
                    again = await asyncio.to_thread(
                        plan_channel,
                        self.work.project,
                        self.work.platform,
                        outlet,
                        self.work.options,
                    )
                except Exception as raised:  # noqa: BLE001 - one bad channel, not all
                    again = failed_run(self.work.platform, self.runs[outlet], raised)
                self._set(again)
        return moved

    # -- the account's turn --------------------------------------------------------------------

    async def _in_turn(self, moved: set[str]) -> None:
        """Send when nobody else sends for the account, or be taken along by who does."""
        name = turn_lease(self.account)
        async with contextlib.AsyncExitStack() as stack:
            held = await self.work.holding.entered(stack, name, 0.0)
            if held is None:
                held = await self._wait_for_turn(stack, name)
            if held is not None:
                await self._turn(held.stop, moved)
                return
        interrupted = self.work.holding.interrupted
        for run in self._going:
            if interrupted:
                ended = dataclasses.replace(run, state="interrupted", reason=interrupted)
            else:
                reason = f"other runs were sending for the account {self.account} all the time"
                ended = dataclasses.replace(
                    run, state="busy", reason=reason, next_step="run again when they have ended"
                )
            self._set(ended)

    async def _wait_for_turn(self, stack: contextlib.AsyncExitStack, name: str) -> Held | None:
        wait_s = self.work.project.settings.lease_wait_s
        if wait_s > 0:  # a turn is minutes where calls are a minute apart
            wait_s = max(wait_s, self.adapter.capabilities.import_wait_s)
        async with contextlib.AsyncExitStack() as wishes:
            for run in self._going:
                if run.plan_id:
                    await self.work.holding.entered(
                        wishes, _wish(self.account, run.outlet, run.plan_id), 0.0
                    )
            return await self.work.holding.entered(stack, name, wait_s, self._all_taken_along)

    async def _all_taken_along(self) -> bool:
        """Whether other runs have sent all that this one has to say."""
        ledger = self.work.project.ledger
        for run in self._going:
            if not run.plan_id:
                continue
            found = await asyncio.to_thread(pushes.stand_of, ledger, plan_id=run.plan_id)
            if found is not None and found.state == "done":
                words = f"sent together with other outlets by run {found.run_id}"
                reason = "; ".join(filter(None, [run.reason, words]))
                self._set(
                    dataclasses.replace(
                        run,
                        state="pushed",
                        push_id=found.id,
                        reason=reason,
                        outcomes=found.outcomes,
                    )
                )
        return not self._going

    async def _guests(self) -> list[ChannelRun]:
        """Plans of other runs that wait for the account's turn."""
        ledger = self.work.project.ledger

        def find() -> list[ChannelRun]:
            with ledger.read() as connection:
                names = [lease.name for lease in leases.alive(connection)]
            prefix = _wish(self.account, "", "").removesuffix("/")
            found = []
            for name in names:
                outlet, _, plan_id = name.removeprefix(prefix).partition("/")
                if not name.startswith(prefix) or outlet in self.runs:
                    continue
                last = pushes.last_push(ledger, outlet, self.work.platform)
                found.append(ChannelRun(outlet, "planned", plan_id, last_push=last))
            return found

        return await asyncio.to_thread(find)

    async def _turn(self, stop: Stop, moved: set[str]) -> None:
        """One sender over everything that is to go out."""
        if await self._all_taken_along():
            return
        guests = await self._guests()
        async with contextlib.AsyncExitStack() as stack:
            found = await asyncio.gather(
                *(self._opened(stack, run, moved=run.outlet in moved) for run in self._going),
                *(self._opened(stack, run, is_guest=True) for run in guests),
            )
            going = [one for one in found if one is not None]
            if not going:
                return
            sender = ImportSender(
                members=[one.member for one in going],
                adapter=self.adapter,
                journal=self.work.journal,
                pacer=pacer_of(self.work, self.account, self.adapter, stop),
                retry=self._settings.retry,
                observe=self.work.observe,
            )
            try:
                await sender.run()
            except Exception as raised:  # noqa: BLE001 - what it means is said of each channel
                for one in going:
                    self._set(failed_run(self.work.platform, one.run, raised))
                return
            for one in going:
                await self._closed(one)
        self.work.observe("lease_released")

    async def _opened(
        self,
        stack: contextlib.AsyncExitStack,
        run: ChannelRun,
        *,
        moved: bool = False,
        is_guest: bool = False,
    ) -> _Going | None:
        """A channel under its lease, its push open; None: it does not go out, its run says why."""
        own = contextlib.AsyncExitStack()
        try:
            held = await own.enter_async_context(self.work.holding.channel(run.outlet))
            self.work.observe("lease_taken")
            going = await self._open_push(run, held, moved, is_guest)
        except Exception as raised:  # noqa: BLE001 - one bad channel must not stop the others
            await own.aclose()
            self._set(failed_run(self.work.platform, run, raised))
            return None
        if going is None:
            await own.aclose()
            return None
        stack.push_async_exit(own)
        return going

    async def _open_push(
        self, run: ChannelRun, held: Held, moved: bool, is_guest: bool
    ) -> _Going | None:
        run, record = await self.work.ready(run, moved=moved, again=not is_guest)
        for _ in range(PLANS_AT_MOST):
            if record is None:
                break
            try:
                return await self._begun(run, record, held, is_guest)
            except Superseded:  # by a run that planned just now, and waits for this lease
                if is_guest:
                    return None
                run, record = await self.work.replan(run)
        if record is not None:
            return await self._begun(run, record, held, is_guest)
        self._set(run)
        return None

    async def _begun(
        self, run: ChannelRun, record: PlanRecord, held: Held, is_guest: bool
    ) -> _Going:
        """The push of a plan that has begun. Superseded if the plan is not to be sent any more."""
        work, outlet = self.work, run.outlet
        columns = await asyncio.to_thread(columns_of, record)
        push_id, items = pushes.new_push_id(), len(columns.sku)
        await open_push(work.project, push_id, record, items, work.journal, work.observe)
        member = Member(
            source=source_of(work.project, record, work.channel_of(outlet), push_id),
            columns=columns,
            stop=held.stop,
            holds=held.holds,
            progress=lambda done: work.progress(outlet, done, items),
        )
        return _Going(run, record, held, member, is_guest)

    async def _closed(self, one: _Going) -> None:
        member = one.member
        try:
            if member.taken_over:
                raise Busy(TAKEN_OVER, "the next run sends what is still to be said")
            await close_push(
                member.source,
                one.record,
                len(member.columns.sku),
                member.result,
                self.work.journal,
                self.work.observe,
                interrupted=bool(self.work.holding.interrupted),
            )
        except Exception as raised:  # noqa: BLE001 - one bad channel must not stop the others
            self._set(failed_run(self.work.platform, one.run, raised))
            return
        if not one.is_guest:
            self._sent[one.run.outlet] = one
            self._set(self.work.pushed(one.run, member.source.push_id, member.result, one.held))

    # -- what it came to -------------------------------------------------------------------------

    async def _tell(self) -> None:
        """What the journal says of each push now, and which imports have not ended."""
        ledger = self.work.project.ledger
        waiting: dict[str, list[str]] = {}
        untold: dict[str, str] = {}
        for one, outlets in await self.asking.open():
            why = self.asking.untold(one)
            for outlet in outlets:
                waiting.setdefault(outlet, []).append(one.import_id)
                if why:
                    untold.setdefault(outlet, why)
        first = next(iter(self.runs.values()))  # whom the calls of all are counted for
        self._set(dataclasses.replace(first, calls=first.calls + self.asking.calls))
        for outlet, run in self.runs.items():
            lost = self.asking.lost.get(outlet, [])
            run = dataclasses.replace(run, imports=waiting.get(outlet, []), lost=lost)
            if run.push_id:
                stand = await asyncio.to_thread(pushes.stand_of, ledger, push_id=run.push_id)
                assert stand is not None
                run = self._as_it_stands(run, stand)
            if run.imports and self.asking.closed:
                reason = "; ".join(filter(None, [run.reason, self.asking.closed]))
                run = dataclasses.replace(run, reason=reason)
            if outlet in untold and run.state in ("pushed", "unchanged"):
                step = f"marketsync connections test --account {self.account}"
                run = dataclasses.replace(run, untold=untold[outlet], next_step=step)
            self.runs[outlet] = run

    def _as_it_stands(self, run: ChannelRun, stand: pushes.PushStand) -> ChannelRun:
        sent = self._sent.get(run.outlet)
        result = PushResult(Counter(stand.outcomes), problems=stand.problems)
        if sent is None:
            return dataclasses.replace(run, outcomes=stand.outcomes)
        result.stopped = sent.member.result.stopped
        told = self.work.pushed(sent.run, stand.id, result, sent.held)
        return dataclasses.replace(
            run, reason=told.reason, next_step=told.next_step, outcomes=stand.outcomes
        )
