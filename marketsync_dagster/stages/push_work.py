"""What the pushes of one run share, and what is asked of a channel right before its push: is the
plan still what it was?"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from marketsync_dagster.ledger import plans, pushes
from marketsync_dagster.platforms.registry import open_adapter, target_of_channel
from marketsync_dagster.push.recovery import recover
from marketsync_dagster.stages.channel_run import ChannelRun
from marketsync_dagster.stages.holding import Held, Holding
from marketsync_dagster.stages.planning import pause_now, paused_run, plan_channel
from marketsync_dagster.stages.push_records import next_step, words_of
from marketsync_dagster.values.outcomes import Outcome

if TYPE_CHECKING:
    from marketsync_dagster.config.settings import Channel
    from marketsync_dagster.ledger.plans import PlanRecord
    from marketsync_dagster.platforms.base import Adapter
    from marketsync_dagster.push.journal import Journal
    from marketsync_dagster.push.plan import PlanOptions
    from marketsync_dagster.push.result import PushResult
    from marketsync_dagster.push.sender import Observer
    from marketsync_dagster.stages.project import Project

PLANS_AT_MOST = 5
"""How often a channel is planned anew because another run, planning too, was quicker."""

Progress = Callable[[str, int, int], None]
"""Told (outlet, items answered, items in all)."""


@dataclass(slots=True, eq=False)
class PushWork:
    """One run's pushes to one platform."""

    project: Project
    platform: str
    options: PlanOptions
    progress: Progress
    observe: Observer
    holding: Holding
    journal: Journal

    def channel_of(self, outlet: str) -> Channel:
        """The channel of an outlet that has one here."""
        channel = self.project.settings.channel(outlet, self.platform)
        assert channel is not None
        return channel

    async def adapter_of(self, account: str, channel: Channel | None) -> Adapter:
        """The adapter of an account, not entered yet."""
        # in a thread: stored secrets are read from the ledger, while other channels push
        return await asyncio.to_thread(
            open_adapter,
            self.project.settings,
            account,
            channel=channel,
            secrets=self.project.secrets,
        )

    async def ready(
        self, run: ChannelRun, *, moved: bool = False, again: bool = True
    ) -> tuple[ChannelRun, PlanRecord | None]:
        """Under the channel's lease, so nobody else pushes it now: the plan to send, made `again`
        if the channel has `moved` since it was made. None: nothing is to go out, the run says why.
        """
        pause = await asyncio.to_thread(pause_now, self.project, run.outlet, self.platform)
        if pause is not None:  # since the plan was made
            return paused_run(run, pause), None
        ledger = self.project.ledger
        target = target_of_channel(self.project.settings, self.channel_of(run.outlet))
        await asyncio.to_thread(recover, ledger, run.outlet, self.platform, target)
        last = await asyncio.to_thread(pushes.last_push, ledger, run.outlet, self.platform)
        if last == run.last_push and run.plan_id and not moved:
            record = await asyncio.to_thread(plans.get_plan, ledger, run.plan_id)
            if record.state in ("planned", "approved"):
                return run, record
        return await self.replan(run) if again else (run, None)

    async def replan(self, run: ChannelRun) -> tuple[ChannelRun, PlanRecord | None]:
        """Another run pushed or planned since: what is still to be said is planned again."""
        run = await asyncio.to_thread(
            plan_channel, self.project, self.platform, run.outlet, self.options, recover=False
        )
        if not run.goes_out:
            return run, None
        return run, await asyncio.to_thread(plans.get_plan, self.project.ledger, run.plan_id)

    def pushed(
        self, run: ChannelRun, push_id: str, result: PushResult, held: Held, note: str = ""
    ) -> ChannelRun:
        """What a push came to that was closed."""
        state, step = "interrupted" if self.holding.interrupted else "pushed", run.next_step
        words, waits = words_of(result), result.outcomes[Outcome.RETRYABLE.value]
        if held.pause is not None and waits:
            state, step = "paused", held.pause.resume_command
            went = sum(result.outcomes.values()) - waits
            words = (
                f"{went:,} went out, {waits:,} wait for the end of the pause: {held.pause.words}"
            )
        channel = self.channel_of(run.outlet)
        return dataclasses.replace(
            run,
            state=state,
            push_id=push_id,
            reason="; ".join(filter(None, [run.reason, note, words])),
            next_step=step or next_step(result, self.platform, channel),
            outcomes=dict(result.outcomes),
            calls=result.calls,
            seconds=round(result.seconds, 3),
        )
