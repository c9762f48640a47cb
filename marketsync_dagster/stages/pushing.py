"""The second step of `<platform>/listings`: what is to go out goes out, channel by channel.

Each channel is pushed under its lease; a few channels at once share one event loop and one
journal. Where a platform takes imports, the channels of an account go out together
(`stages.account_pushing`).
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from marketsync_dagster.ledger import pushes
from marketsync_dagster.platforms.registry import capabilities_of
from marketsync_dagster.push import replacing
from marketsync_dagster.push.columns import NAMES
from marketsync_dagster.push.gone import lose_imports_of_gone_accounts
from marketsync_dagster.push.journal import Journal
from marketsync_dagster.push.pacing import Pacer
from marketsync_dagster.push.sender import Observer, Sender, unobserved
from marketsync_dagster.stages.account_pushing import push_account
from marketsync_dagster.stages.channel_run import ChannelRun
from marketsync_dagster.stages.holding import Held, Holding
from marketsync_dagster.stages.project import Project
from marketsync_dagster.stages.push_records import (
    Superseded,
    close_push,
    columns_of,
    failed_run,
    open_push,
    source_of,
)
from marketsync_dagster.stages.push_work import PLANS_AT_MOST, Progress, PushWork

if TYPE_CHECKING:
    from marketsync_dagster.ledger.plans import PlanRecord
    from marketsync_dagster.platforms.base import Adapter
    from marketsync_dagster.push.plan import PlanOptions

CHANNELS_AT_ONCE = 4
"""Channels are mostly waiting; memory is bounded by the largest few."""


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

    lose_imports_of_gone_accounts(project.ledger, project.settings.accounts)

    async def main() -> list[ChannelRun]:
        holding = Holding(project, platform)
        with holding.signals(), Journal(project.ledger) as journal:
            work = PushWork(project, platform, options, progress, observe, holding, journal)
            watching = asyncio.create_task(holding.watch_pauses())
            try:
                return await _push_all(work, planned)
            finally:
                watching.cancel()

    return asyncio.run(main())


async def _push_all(work: PushWork, planned: Sequence[ChannelRun]) -> list[ChannelRun]:
    """Accounts that take imports as groups, all other channels by themselves."""
    gate = asyncio.Semaphore(CHANNELS_AT_ONCE)

    async def one(run: ChannelRun) -> list[ChannelRun]:
        if not run.goes_out:
            return [run]
        async with gate:
            return [await _channel(work, run)]

    alone, groups = [], {}
    for run in planned:
        account = _account_of(work, run)
        if account:
            groups.setdefault(account, []).append(run)
        else:
            alone.append(run)
    ended = await asyncio.gather(
        *(asyncio.create_task(one(run)) for run in alone),
        *(asyncio.create_task(push_account(work, *group)) for group in groups.items()),
    )
    by_outlet = {run.outlet: run for runs in ended for run in runs}
    return [by_outlet[run.outlet] for run in planned]


def _account_of(work: PushWork, run: ChannelRun) -> str:
    """The account with whose other channels this one goes out; empty: it goes alone."""
    channel = work.project.settings.channel(run.outlet, work.platform)
    if channel is None:
        return ""
    account = work.project.settings.accounts[channel.account]
    return channel.account if capabilities_of(account).async_import else ""


async def _channel(work: PushWork, run: ChannelRun) -> ChannelRun:
    """One channel under its lease."""
    if work.holding.interrupted:
        return dataclasses.replace(run, state="interrupted", reason=work.holding.interrupted)
    try:
        async with work.holding.channel(run.outlet) as held:
            work.observe("lease_taken")
            result = await _under_lease(work, run, held)
        work.observe("lease_released")
        return result
    except Exception as raised:  # noqa: BLE001 - one bad channel must not stop the others
        return failed_run(work.platform, run, raised)


async def _under_lease(work: PushWork, run: ChannelRun, held: Held) -> ChannelRun:
    run, record = await work.ready(run)
    if record is None:
        return run
    channel = work.channel_of(run.outlet)
    async with await work.adapter_of(channel.account, channel) as adapter:
        for _ in range(PLANS_AT_MOST):
            try:
                return await _send(work, run, record, adapter, held)
            except Superseded:  # by a run that planned just now, and waits for this lease
                run, record = await work.replan(run)
            if record is None:
                return run
        return await _send(work, run, record, adapter, held)


async def _send(
    work: PushWork, run: ChannelRun, record: PlanRecord, adapter: Adapter, held: Held
) -> ChannelRun:
    project, channel = work.project, work.channel_of(run.outlet)
    account = project.settings.accounts[channel.account]
    columns = await asyncio.to_thread(columns_of, record, NAMES)
    items = len(columns.sku)
    capabilities = adapter.capabilities
    requests = 0
    if capabilities.full_replaces:
        requests = len(adapter.batches(columns.items(range(items))))
    whole, note = replacing.whole_push(record, items, requests, capabilities)
    push_id = pushes.new_push_id()
    await open_push(project, push_id, record, items, work.journal, work.observe)
    source = source_of(project, record, channel, push_id)
    sender = Sender(
        source=source,
        columns=columns,
        adapter=adapter,
        journal=work.journal,
        pacer=Pacer(
            *(project.ledger, channel.account, account.quota, held.stop),
            patience_s=account.retry.budget_s,
        ),
        retry=account.retry,
        stop=held.stop,
        holds=held.holds,
        observe=work.observe,
        concurrency=account.quota.concurrency,
        progress=lambda done: work.progress(run.outlet, done, items),
        whole=whole,
    )
    result = await sender.run()
    await close_push(
        source,
        record,
        items,
        result,
        work.journal,
        work.observe,
        interrupted=bool(work.holding.interrupted),
    )
    return work.pushed(run, push_id, result, held, note)
