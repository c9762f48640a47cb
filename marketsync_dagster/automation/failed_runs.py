"""Which runs failed since the last look, and which trouble has passed: read from Dagster's runs.

A run that failed only because outlets failed is told of in their words, not a second time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg

from marketsync_dagster.automation.partitions import RANGE_END, RANGE_START
from marketsync_dagster.stages.troubles import FailedRun
from marketsync_dagster.values.times import to_iso

if TYPE_CHECKING:
    from marketsync_dagster.ledger.alerts import Alert
    from marketsync_dagster.stages.project import Project

LOOK_BACK = timedelta(hours=1)
"""Runs that ended so long before the last look are looked for again: their times are not ours."""
FIRST_LOOK = timedelta(hours=24)
MOST_RUNS = 100
"""Runs looked at in one tick; the others come with the next."""
ASSET_JOB = "__ASSET_JOB"
"""What Dagster calls a run of assets without a job, such as a backfill's."""
_PARTITION = "dagster/partition"


@dataclass(frozen=True, slots=True)
class Seen:
    """What the sensor remembers: until when it has looked, and the runs near that time."""

    until: str = ""
    runs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found."""

    failed: list[FailedRun] = field(default_factory=list)
    healed: list[str] = field(default_factory=list)
    """Keys of failed runs whose job has succeeded since, over the same outlets."""
    seen: Seen = Seen()


def look(
    instance: dg.DagsterInstance,
    project: Project,
    jobs: Collection[str],
    known: Sequence[Alert],
    seen: Seen,
    now: datetime,
) -> Look:
    """The failed runs of `jobs` that were not seen yet, and what has passed of `known`."""
    since = _moment(seen.until) - LOOK_BACK if seen.until else now - FIRST_LOOK
    records = instance.get_run_records(
        dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], updated_after=since),
        limit=MOST_RUNS + len(seen.runs),
        order_by="update_timestamp",
        ascending=True,
    )
    outlets = list(project.settings.outlets)
    failed: list[FailedRun] = []
    runs: dict[str, str] = {}
    for record in records:
        run = record.dagster_run
        ended = to_iso(record.update_timestamp.replace(tzinfo=UTC))
        runs[run.run_id] = ended
        if run.run_id in seen.runs or not _is_ours(run.job_name, jobs):
            continue
        if record.end_time is not None and record.end_time < since.timestamp():
            continue  # it failed long ago: something else about it has changed
        if not _is_explained(instance, project, run.run_id):
            reason = _reason(instance, run.run_id)
            failed.append(FailedRun(run.run_id, run.job_name, _range(run.tags), ended, reason))
    until = max([*runs.values(), seen.until or to_iso(now - LOOK_BACK)])
    edge = to_iso(_moment(until) - LOOK_BACK)
    near = tuple(run_id for run_id, ended in runs.items() if ended >= edge)
    healed = [
        key
        for key, (job, scope, run_id) in {
            **{alert.key: _of_alert(instance, alert) for alert in known},
            **{one.key: (one.job, one.outlets, one.run_id) for one in failed},
        }.items()
        if job and _succeeded_since(instance, job, scope, run_id, outlets)
    ]
    if not seen.until:
        # the first look: what has been made good since is old news
        failed = [one for one in failed if one.key not in healed]
    return Look(failed, healed, Seen(until, near))


def covers(
    wider: tuple[str, str] | None, narrow: tuple[str, str] | None, outlets: Sequence[str]
) -> bool:
    """Whether a run over `wider` did the work of one over `narrow`."""
    if wider is None or narrow is None:
        return wider == narrow
    try:
        first, last = (outlets.index(one) for one in wider)
        begin, end = (outlets.index(one) for one in narrow)
    except ValueError:  # an outlet that left the configuration
        return wider == narrow
    return first <= begin and end <= last


def _is_ours(job: str, jobs: Collection[str]) -> bool:
    return job in jobs or job.startswith(ASSET_JOB)


def _range(tags: Mapping[str, str]) -> tuple[str, str] | None:
    one = tags.get(_PARTITION)
    if RANGE_START in tags and RANGE_END in tags:
        return tags[RANGE_START], tags[RANGE_END]
    return (one, one) if one else None


def _of_alert(
    instance: dg.DagsterInstance, alert: Alert
) -> tuple[str, tuple[str, str] | None, str]:
    run = instance.get_run_by_id(alert.run_id) if alert.kind == "run_failed" else None
    return ("", None, "") if run is None else (run.job_name, _range(run.tags), run.run_id)


def _succeeded_since(
    instance: dg.DagsterInstance,
    job: str,
    scope: tuple[str, str] | None,
    run_id: str,
    outlets: Sequence[str],
) -> bool:
    record = instance.get_run_record_by_id(run_id)
    if record is None:
        return False
    later = instance.get_runs(
        dg.RunsFilter(
            job_name=job,
            statuses=[dg.DagsterRunStatus.SUCCESS],
            created_after=record.create_timestamp,
        ),
        limit=MOST_RUNS,
    )
    return any(covers(_range(run.tags), scope, outlets) for run in later)


def _is_explained(instance: dg.DagsterInstance, project: Project, run_id: str) -> bool:
    """Whether every step that failed is of the till or the platform of an outlet that failed."""
    from marketsync_dagster.ledger.states import failed_outlets

    stages = [stage for stage, _ in failed_outlets(project.ledger, run_id).values()]
    families = {stage.partition("_")[0] for stage in stages}
    if not families:
        return False
    steps = [
        stats.step_key
        for stats in instance.get_run_step_stats(run_id)
        if stats.status is not None and stats.status.value == "FAILURE"
    ]
    return bool(steps) and all(step.partition("_")[0] in families for step in steps)


def _reason(instance: dg.DagsterInstance, run_id: str) -> str:
    """The first failed step in its own words, else what Dagster says about the run."""
    of_type = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE}
    records = instance.get_records_for_run(run_id, of_type=of_type, limit=20).records
    said: list[str] = []
    for record in records:
        event = record.event_log_entry.dagster_event
        if event is None:
            continue
        if event.event_type == dg.DagsterEventType.STEP_FAILURE:
            data = event.step_failure_data
            failure = data.user_failure_data
            error = data.error.cause or data.error if data.error else None
            words = failure.description if failure else (error.message if error else "")
            said.insert(0, f"{event.step_key}: {words or event.message or 'failed'}")
        elif event.message:
            said.append(event.message)
    return said[0] if said else ""


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
