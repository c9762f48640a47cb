"""The second step of `<platform>/listings`: what is to go out goes out, channel by channel.

Each channel is pushed under its lease; a few channels at once share one event loop and one
journal. SIGTERM and SIGINT end the batches in flight, journal them and free the leases.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import signal
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson

from marketsync_dagster.ledger import leases, plans, pushes
from marketsync_dagster.ledger.leases import Lease
from marketsync_dagster.ledger.listings import Source
from marketsync_dagster.ledger.pauses import Pause, active_pauses, pause_of
from marketsync_dagster.ledger.withdrawn import withdraw
from marketsync_dagster.platforms.registry import open_adapter, target_of_channel
from marketsync_dagster.push import replacing
from marketsync_dagster.push.columns import NAMES, Columns
from marketsync_dagster.push.journal import Journal
from marketsync_dagster.push.pacing import Pacer, Stop
from marketsync_dagster.push.plan import rows_from_parquet
from marketsync_dagster.push.recovery import LEASE_S, recover
from marketsync_dagster.push.sender import (
    TAKEN_OVER,
    Observer,
    PushResult,
    Sender,
    unobserved,
)
from marketsync_dagster.stages import project as driver
from marketsync_dagster.stages.channel_run import ChannelRun, lease_name, stage_name
from marketsync_dagster.stages.planning import pause_now, paused_run, plan_channel
from marketsync_dagster.stages.project import Project
from marketsync_dagster.values.errors import Busy, LedgerError, PlanError
from marketsync_dagster.values.outcomes import Disposition, Outcome
from marketsync_dagster.values.times import to_iso, utcnow
from marketsync_dagster.values.words import counted

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from marketsync_dagster.config.settings import Channel
    from marketsync_dagster.ledger.plans import PlanRecord
    from marketsync_dagster.platforms.base import Adapter
    from marketsync_dagster.push.plan import PlanOptions

log = logging.getLogger(__name__)

CHANNELS_AT_ONCE = 4
"""Channels are mostly waiting; memory is bounded by the largest few."""
LEASE_POLL_S = 0.5
PAUSE_POLL_S = 1.0
"""How often a push that goes on looks whether its channel was paused."""
PLANS_AT_MOST = 5
"""How often a channel is planned anew because another run, planning too, was quicker."""

Progress = Callable[[str, int, int], None]
"""Told (outlet, items answered, items in all)."""


def push_plans(
    project: Project,
    platform: str,
    planned: Sequence[ChannelRun],
    options: PlanOptions,
    *,
    progress: Progress = lambda _outlet, _done, _total: None,
    observe: Observer = unobserved,
) -> list[ChannelRun]:
    """Send what is to go out; each of `planned` comes back as what became of it, in order.

    `options` are those of the plans: a plan that has moved is made again under the lease.
    Returns when every row that was sent has a durable outcome.
    """
    work = _Work(project, platform, options, progress, observe)
    return asyncio.run(work.run(planned))


class _Superseded(PlanError):
    """Another run has made a newer plan of the channel."""


@dataclass(slots=True, eq=False)
class _Held:
    """A channel's lease, and what stops its push when it is lost."""

    outlet: str
    lease: Lease
    until: float
    """Monotonic time up to which the lease is certainly ours."""
    stop: Stop = field(default_factory=Stop)
    pause: Pause | None = None
    """What has stopped it."""

    def holds(self) -> bool:
        return time.monotonic() < self.until


@dataclass(slots=True)
class _Work:
    project: Project
    platform: str
    options: PlanOptions
    progress: Progress
    observe: Observer
    running: list[_Held] = field(default_factory=list)
    interrupted: str = ""

    async def run(self, planned: Sequence[ChannelRun]) -> list[ChannelRun]:
        gate = asyncio.Semaphore(CHANNELS_AT_ONCE)

        async def one(run: ChannelRun, journal: Journal) -> ChannelRun:
            if not run.goes_out:
                return run
            async with gate:
                return await self._channel(run, journal)

        with self._signals(), Journal(self.project.ledger) as journal:
            watching = asyncio.create_task(self._watch_pauses())
            tasks = [asyncio.create_task(one(run, journal)) for run in planned]
            try:
                return list(await asyncio.gather(*tasks))
            finally:
                watching.cancel()

    async def _watch_pauses(self) -> None:
        """A channel that is paused while it is pushed stops before its next batch."""
        while True:
            await asyncio.sleep(PAUSE_POLL_S)
            if not self.running:
                continue
            try:
                pauses = await asyncio.to_thread(active_pauses, self.project.ledger)
            except LedgerError as error:  # the push itself finds out what is wrong
                log.warning("the pauses were not read: %s", error.message)
                continue
            for held in self.running:
                found = pause_of(pauses, held.outlet, self.platform)
                if found and not held.stop.event.is_set():
                    held.pause = found
                    held.stop.set(found.words)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Stop politely on SIGTERM and SIGINT, then let whoever handled them before have them."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        caught: list[signal.Signals] = []

        def stop(number: signal.Signals) -> None:
            caught.append(number)
            self.interrupted = f"interrupted by {number.name}"
            for held in self.running:
                held.stop.set(self.interrupted)

        numbers = (signal.SIGTERM, signal.SIGINT)
        before = {number: signal.getsignal(number) for number in numbers}
        for number in numbers:
            loop.add_signal_handler(number, stop, number)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)
                signal.signal(number, before[number])
            if caught:
                signal.raise_signal(caught[0])

    async def _channel(self, run: ChannelRun, journal: Journal) -> ChannelRun:
        """One channel under its lease."""
        if self.interrupted:
            return dataclasses.replace(run, state="interrupted", reason=self.interrupted)
        try:
            async with self._lease(run.outlet) as held:
                self.observe("lease_taken")
                result = await self._under_lease(run, journal, held)
            self.observe("lease_released")
            return result
        except Exception as raised:  # noqa: BLE001 - one bad channel must not stop the others
            error = _inner(raised)
            if isinstance(error, Busy):
                return dataclasses.replace(
                    run, state="busy", reason=error.message, next_step=error.next_step
                )
            bad = driver.failure(stage_name(self.platform), run.outlet, error)
            return dataclasses.replace(
                run, state="failed", reason=bad.reason, next_step=bad.next_step
            )

    @contextlib.asynccontextmanager
    async def _lease(self, outlet: str) -> AsyncIterator[_Held]:
        """Hold the channel's lease, renewed while it is needed; Busy after waiting in vain."""
        ledger, name = self.project.ledger, lease_name(outlet, self.platform)
        holder = f"run {self.project.run_id} of {self.project.user}"
        patience = self.project.settings.lease_wait_s
        while True:
            asked = time.monotonic()
            try:
                lease = await asyncio.to_thread(leases.take_lease, ledger, name, holder, LEASE_S)
                break
            except Busy:
                if patience <= 0 or self.interrupted:
                    raise
                await asyncio.sleep(min(LEASE_POLL_S, patience))
                patience -= LEASE_POLL_S
        held = _Held(outlet, lease, asked + LEASE_S)
        self.running.append(held)
        if self.interrupted:
            held.stop.set(self.interrupted)
        renewing = asyncio.create_task(self._renew(held))
        try:
            yield held
        finally:
            renewing.cancel()
            self.running.remove(held)
            await asyncio.to_thread(leases.release, ledger, lease)

    async def _renew(self, held: _Held) -> None:
        while True:
            await asyncio.sleep(LEASE_S / 3)
            asked = time.monotonic()
            try:
                await asyncio.to_thread(leases.renew, self.project.ledger, held.lease, LEASE_S)
            except Busy as error:  # somebody took it over: nothing more may be sent
                held.stop.set(error.message)
                return
            except LedgerError as error:  # tried again until the lease has run out
                log.warning("the lease of %s was not renewed: %s", held.lease.name, error.message)
            else:
                held.until = asked + LEASE_S

    async def _under_lease(self, run: ChannelRun, journal: Journal, held: _Held) -> ChannelRun:
        """Nobody else pushes this channel now: is the plan still what it was?"""
        pause = await asyncio.to_thread(pause_now, self.project, run.outlet, self.platform)
        if pause is not None:  # since the plan was made
            return paused_run(run, pause)
        channel = self.project.settings.channel(run.outlet, self.platform)
        assert channel is not None
        ledger = self.project.ledger
        target = target_of_channel(self.project.settings, channel)
        await asyncio.to_thread(recover, ledger, run.outlet, self.platform, target)
        last = await asyncio.to_thread(pushes.last_push, ledger, run.outlet, self.platform)
        record = None
        if last == run.last_push and run.plan_id:
            record = await asyncio.to_thread(plans.get_plan, ledger, run.plan_id)
        if record is None or record.state not in ("planned", "approved"):
            run = await self._replan(run)
            if not run.goes_out:
                return run
            record = await asyncio.to_thread(plans.get_plan, ledger, run.plan_id)
        # in a thread: stored secrets are read from the ledger, while other channels push
        opening = asyncio.to_thread(
            open_adapter,
            self.project.settings,
            channel.account,
            channel=channel,
            secrets=self.project.secrets,
        )
        async with await opening as adapter:
            for _ in range(PLANS_AT_MOST):
                try:
                    return await self._send(run, record, channel, adapter, journal, held)
                except _Superseded:  # by a run that planned just now, and waits for this lease
                    run = await self._replan(run)
                if not run.goes_out:
                    return run
                record = await asyncio.to_thread(plans.get_plan, ledger, run.plan_id)
            return await self._send(run, record, channel, adapter, journal, held)

    async def _replan(self, run: ChannelRun) -> ChannelRun:
        """Another run pushed or planned since: what is still to be said is planned again."""
        return await asyncio.to_thread(
            plan_channel, self.project, self.platform, run.outlet, self.options, recover=False
        )

    async def _send(
        self,
        run: ChannelRun,
        record: PlanRecord,
        channel: Channel,
        adapter: Adapter,
        journal: Journal,
        held: _Held,
    ) -> ChannelRun:
        project = self.project
        account = project.settings.accounts[channel.account]
        rows = await asyncio.to_thread(rows_from_parquet, record.rows, (*NAMES, "disposition"))
        rows = rows[rows["disposition"] == Disposition.SENT.value]
        columns = Columns.of(rows)
        capabilities = adapter.capabilities
        requests = 0
        if capabilities.full_replaces:
            requests = len(adapter.batches(columns.items(range(len(rows)))))
        whole, note = replacing.whole_push(record, len(rows), requests, capabilities)
        push_id = pushes.new_push_id()
        await self._open(push_id, record, len(rows), journal)
        source = Source(
            run.outlet,
            self.platform,
            channel.account,
            target_of_channel(project.settings, channel),
            record.extract_id,
            record.extract_time,
            push_id,
        )
        sender = Sender(
            source=source,
            columns=columns,
            adapter=adapter,
            journal=journal,
            pacer=Pacer(project.ledger, channel.account, account.quota, held.stop),
            retry=account.retry,
            stop=held.stop,
            holds=held.holds,
            observe=self.observe,
            concurrency=account.quota.concurrency,
            progress=lambda done: self.progress(run.outlet, done, len(rows)),
            whole=whole,
        )
        result = await sender.run()
        await self._close(source, record, len(rows), result, journal)
        state, step = "interrupted" if self.interrupted else "pushed", run.next_step
        if held.pause is not None and result.outcomes[Outcome.RETRYABLE.value]:
            state, step = "paused", held.pause.resume_command
        return dataclasses.replace(
            run,
            state=state,
            push_id=push_id,
            reason="; ".join(filter(None, [run.reason, note, _words(result)])),
            next_step=step or _next_step(result, self.platform, channel),
            outcomes=dict(result.outcomes),
            calls=result.calls,
            seconds=round(result.seconds, 3),
        )

    async def _open(self, push_id: str, record: PlanRecord, items: int, journal: Journal) -> None:
        opening = pushes.PushRecord(
            id=push_id,
            plan_id=record.id,
            outlet=record.outlet,
            platform=record.platform,
            account=record.account,
            run_id=self.project.run_id,
            push_type=record.mode,
            created_by=record.decided_by or self.project.user,
            started_at=to_iso(utcnow()),
            item_count=items,
        )

        def work(connection: Connection) -> None:
            if not plans.set_state(connection, record.id, ("planned", "approved"), "pushing"):
                raise _Superseded(
                    f"plan {record.id} is no longer to be sent: a newer one superseded it",
                    "the next run makes a new plan",
                )
            pushes.open_push(connection, opening)
            self.observe("push_opening")

        await journal.write(work)
        self.observe("push_opened")

    async def _close(
        self, source: Source, record: PlanRecord, items: int, result: PushResult, journal: Journal
    ) -> None:
        push_id = source.push_id
        if sum(result.outcomes.values()) != items:
            raise AssertionError(
                f"channel law broken: {dict(result.outcomes)} is not {items} rows sent"
            )

        def work(connection: Connection) -> None:
            if not pushes.is_open(connection, push_id):
                raise Busy(TAKEN_OVER, "the next run sends what is still to be said")
            if result.replaced:
                withdraw(connection, source, to_iso(utcnow()))
            pushes.close_push(
                connection,
                push_id,
                state="interrupted" if self.interrupted else "done",
                outcomes=dict(result.outcomes),
                item_count=items,
                calls=result.calls,
                seconds=result.seconds,
                response_code=result.response_code,
                response_message=_words(result) or f"{counted(items, 'row')} acknowledged",
                error_details=orjson.dumps(result.problems).decode() if result.problems else "",
            )
            plans.set_state(connection, record.id, ("pushing",), "pushed")
            self.observe("push_closing")

        await journal.write(work)
        self.observe("push_closed")


def _inner(error: BaseException) -> BaseException:
    """The cause inside the groups that task groups wrap it in."""
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    return error


def _words(result: PushResult) -> str:
    """What went wrong with a push, shortly; empty if nothing did."""
    if result.stopped:
        return f"stopped: {result.stopped}"
    if not result.problems:
        return ""
    words = Counter(f"{p['outcome']}: {p['message']}" for p in result.problems)
    return "; ".join(f"{text} ({count})" for text, count in words.most_common(3))


def _next_step(result: PushResult, platform: str, channel: Channel) -> str:
    if result.outcomes.get("auth_failed"):
        return f"marketsync connections test --account {channel.account}"
    if result.outcomes.get("retryable") or result.outcomes.get("unknown"):
        return "the next run, or the sensor pending_retries, sends these rows again"
    if result.problems:
        sku = result.problems[0]["sku"]
        outlet = channel.outlet
        return f"marketsync explain --outlet {outlet} --platform {platform} --sku {sku}"
    return ""
