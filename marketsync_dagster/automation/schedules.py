"""The schedules: one run over all outlets per tick, all switched off until somebody turns them on.

Written by hand, because Dagster makes no schedules from static partitions. A tick is skipped, with
the reason, while a run of the same job is queued or running.
"""

import dagster as dg

from marketsync_dagster.automation.partitions import range_tags
from marketsync_dagster.config.settings import Settings
from marketsync_dagster.resources.boundary import guarded
from marketsync_dagster.resources.dead_runs import end_dead_runs
from marketsync_dagster.resources.options import (
    ACCOUNT_TAG,
    SCHEDULE_TAG,
    TRIGGER_TAG,
    run_config,
)

ACTIVE = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]

PLANNED: list[tuple[str, str, dict[str, object], str]] = [
    ("partial", "partial_sync", {"mode": "partial"}, "What platforms do not know yet"),
    ("full", "full_sync", {"mode": "full"}, "Every row of every channel"),
    ("stock", "stock_sync", {"mode": "partial", "fields": ["stock"]}, "Changed stock"),
    (
        "products",
        "product_sync",
        {"mode": "partial", "fields": ["offer"]},
        "New and changed products",
    ),
    ("orders", "pull_orders", {}, "New and changed orders"),
    ("fulfil", "fulfil_orders", {}, "Orders that are to be decided, forwarded or told back"),
    ("mappings", "refresh_mappings", {}, "What the platforms list, and the mapping"),
    ("reconcile", "reconcile", {}, "What the platforms show, against what they acknowledged"),
    ("connections", "test_connections", {}, "The credentials of every account"),
    ("retention", "retention", {}, "What nobody needs any more"),
]
"""Key in `schedules`, job, options of the run, what the run is about."""

WITHOUT_OUTLETS = ("test_connections", "retention")
BY_ACCOUNT = ("partial", "full", "stock", "products")
"""Schedules that an account can have for itself: its channels then go by that one only."""


def schedules(settings: Settings, jobs: dict[str, object]) -> list[dg.ScheduleDefinition]:
    """The schedules of the configuration whose jobs exist; a cron of null means none."""
    found = []
    for name, job, options, about in PLANNED:
        if job not in jobs:
            continue
        cron = getattr(settings.schedules, name)
        outlets = list(settings.outlets)
        if cron is not None:
            about_all = f"{about}, all {len(outlets)} outlets in one run of {job}."
            if job in WITHOUT_OUTLETS:
                about_all = f"{about}, in one run of {job}."
            found.append(_schedule(settings, cron, name, job, options, outlets, about_all))
        if name not in BY_ACCOUNT:
            continue
        for account, said in settings.accounts.items():
            own, theirs = said.schedules.get(name), _outlets_of(settings, account)
            if own is not None and theirs:
                about_one = f"{about}, of account {account} only."
                found.append(
                    _schedule(settings, own, name, job, options, theirs, about_one, account)
                )
    return found


def _outlets_of(settings: Settings, account: str) -> list[str]:
    """The outlets with a channel on the account, in the order of the configuration."""
    listed = {channel.outlet for channel in settings.channels if channel.account == account}
    return [outlet for outlet in settings.outlets if outlet in listed]


def _schedule(
    settings: Settings,
    cron: str,
    schedule: str,
    job: str,
    options: dict[str, object],
    outlets: list[str],
    description: str,
    account: str = "",
) -> dg.ScheduleDefinition:
    @dg.schedule(
        cron_schedule=cron,
        job_name=job,
        name=f"{job}_{account}_schedule" if account else f"{job}_schedule",
        description=description,
        execution_timezone=settings.defaults.timezone,
        default_status=dg.DefaultScheduleStatus.STOPPED,
        tags={"marketsync/job": job},
    )
    @guarded
    def tick(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        busy = active_run(context.instance, job)
        if busy is not None:
            return dg.SkipReason(f"{job} is still at work: {busy}")
        tags = {TRIGGER_TAG: "schedule", SCHEDULE_TAG: schedule}
        if account:
            tags[ACCOUNT_TAG] = account
        if job not in WITHOUT_OUTLETS:
            tags |= range_tags(outlets[0], outlets[-1])
        return dg.RunRequest(run_config=run_config(**options) if options else {}, tags=tags)

    return tick


def active_run(instance: dg.DagsterInstance, job: str) -> str | None:
    """A queued or running run of `job`, for people: `run 1a2b3c4d is queued`.

    Runs whose process is gone are ended first, or a killed one would be in the way for ever.
    """
    end_dead_runs(instance)
    runs = instance.get_runs(dg.RunsFilter(job_name=job, statuses=ACTIVE), limit=1)
    if not runs:
        return None
    return f"run {runs[0].run_id[:8]} is {runs[0].status.value.lower().replace('_', ' ')}"
