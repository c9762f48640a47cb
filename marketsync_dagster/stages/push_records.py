"""How a push of a channel begins and ends in the ledger, and what is said of it afterwards."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import TYPE_CHECKING

import orjson

from marketsync_dagster.ledger import plans, pushes
from marketsync_dagster.ledger.listings import Source
from marketsync_dagster.ledger.withdrawn import withdraw
from marketsync_dagster.platforms.registry import target_of_channel
from marketsync_dagster.push.columns import IMPORT_NAMES, Columns
from marketsync_dagster.push.plan import rows_from_parquet
from marketsync_dagster.push.sender import TAKEN_OVER
from marketsync_dagster.stages import project as driver
from marketsync_dagster.stages.channel_run import ChannelRun, stage_name
from marketsync_dagster.stages.project import Project
from marketsync_dagster.values.errors import Busy, PlanError
from marketsync_dagster.values.outcomes import Disposition, Outcome
from marketsync_dagster.values.times import to_iso, utcnow
from marketsync_dagster.values.words import counted

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from marketsync_dagster.config.settings import Channel
    from marketsync_dagster.ledger.plans import PlanRecord
    from marketsync_dagster.push.journal import Journal
    from marketsync_dagster.push.result import PushResult
    from marketsync_dagster.push.sender import Observer


class Superseded(PlanError):
    """Another run has made a newer plan of the channel."""


def columns_of(record: PlanRecord, names: tuple[str, ...] = IMPORT_NAMES) -> Columns:
    """The rows that a plan sends."""
    rows = rows_from_parquet(record.rows, (*names, "disposition"))
    return Columns.of(rows[rows["disposition"] == Disposition.SENT.value])


def source_of(project: Project, record: PlanRecord, channel: Channel, push_id: str) -> Source:
    """Where the answers of a push come from."""
    return Source(
        record.outlet,
        record.platform,
        channel.account,
        target_of_channel(project.settings, channel),
        record.extract_id,
        record.extract_time,
        push_id,
    )


async def open_push(
    project: Project,
    push_id: str,
    record: PlanRecord,
    items: int,
    journal: Journal,
    observe: Observer,
) -> None:
    """Journal that a push of a plan begins. Superseded if the plan is not to be sent any more."""
    opening = pushes.PushRecord(
        id=push_id,
        plan_id=record.id,
        outlet=record.outlet,
        platform=record.platform,
        account=record.account,
        run_id=project.run_id,
        push_type=record.mode,
        created_by=record.decided_by or project.user,
        started_at=to_iso(utcnow()),
        item_count=items,
    )

    def work(connection: Connection) -> None:
        if not plans.set_state(connection, record.id, ("planned", "approved"), "pushing"):
            raise Superseded(
                f"plan {record.id} is no longer to be sent: a newer one superseded it",
                "the next run makes a new plan",
            )
        pushes.open_push(connection, opening)
        observe("push_opening")

    await journal.write(work)
    observe("push_opened")


async def close_push(
    source: Source,
    record: PlanRecord,
    items: int,
    result: PushResult,
    journal: Journal,
    observe: Observer,
    *,
    interrupted: bool,
) -> None:
    """Journal the end of a push. Busy if a successor has ended it."""
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
        outcomes = dict(result.outcomes)
        if outcomes.get(Outcome.ACCEPTED_ASYNC.value):
            # an import that another process asks for too may have ended since
            outcomes = pushes.outcomes_of(connection, push_id)
        pushes.close_push(
            connection,
            push_id,
            state="interrupted" if interrupted else "done",
            outcomes=outcomes,
            item_count=items,
            calls=result.calls,
            seconds=result.seconds,
            response_code=result.response_code,
            response_message=_summary(result, items, outcomes),
            error_details=orjson.dumps(result.problems).decode() if result.problems else "",
        )
        plans.set_state(connection, record.id, ("pushing",), "pushed")
        observe("push_closing")

    await journal.write(work)
    observe("push_closed")


def _summary(result: PushResult, items: int, outcomes: dict[str, int]) -> str:
    if result.stopped:
        return f"{result.told:,} of {counted(items, 'row')} went out; {words_of(result)}"
    return words_of(result) or pushes.words_of(result.problems, items, outcomes)


def words_of(result: PushResult) -> str:
    """What went wrong with a push, shortly; empty if nothing did."""
    if result.stopped:
        return f"stopped: {result.stopped}"
    if not result.problems:
        return ""
    words = Counter(f"{p['outcome']}: {p['message']}" for p in result.problems)
    return "; ".join(f"{text} ({count})" for text, count in words.most_common(3))


def next_step(result: PushResult, platform: str, channel: Channel) -> str:
    """What to do about it, empty if there is nothing."""
    if result.outcomes.get("auth_failed"):
        return f"marketsync connections test --account {channel.account}"
    if result.outcomes.get("retryable") or result.outcomes.get("unknown"):
        return "the next run, or the sensor pending_retries, sends these rows again"
    if result.problems:
        sku = result.problems[0]["sku"]
        outlet = channel.outlet
        return f"marketsync explain --outlet {outlet} --platform {platform} --sku {sku}"
    return ""


def inner(error: BaseException) -> BaseException:
    """The cause inside the groups that task groups wrap it in."""
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    return error


def failed_run(platform: str, run: ChannelRun, raised: BaseException) -> ChannelRun:
    """A channel whose push raised: busy, or failed."""
    error = inner(raised)
    if isinstance(error, Busy):
        return dataclasses.replace(
            run, state="busy", reason=error.message, next_step=error.next_step
        )
    bad = driver.failure(stage_name(platform), run.outlet, error)
    return dataclasses.replace(run, state="failed", reason=bad.reason, next_step=bad.next_step)
