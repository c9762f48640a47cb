"""The sensors: shells that look, ask `automation.cores` what to do, and keep its memory.

All are switched off until somebody turns them on.
"""

import json
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from marketsync_dagster.automation.alert_sensors import alert_sensors
from marketsync_dagster.automation.cores import (
    Asked,
    Decision,
    Tried,
    Waiting,
    in_few_runs,
    new_extracts,
    pending_retries,
    remembered,
)
from marketsync_dagster.automation.order_sensor import pending_orders_sensor
from marketsync_dagster.automation.partitions import range_tags
from marketsync_dagster.automation.schedules import active_run
from marketsync_dagster.automation.sights import Looking
from marketsync_dagster.config.settings import Settings
from marketsync_dagster.resources.boundary import guarded
from marketsync_dagster.resources.options import TRIGGER_TAG, run_config
from marketsync_dagster.resources.project import ProjectResource

if TYPE_CHECKING:
    from marketsync_dagster.ledger.pauses import Pause
    from marketsync_dagster.stages.project import Project


def sensors(settings: Settings, jobs: Mapping[str, Any]) -> list[dg.SensorDefinition]:
    """The sensors of the configuration."""
    made = [_new_extract()] if "partial_sync" in jobs else []
    pushes = [name for name in jobs if name.startswith("push_")]
    if pushes:
        made.append(_pending_retries([jobs[name] for name in pushes]))
    if "fulfil_orders" in jobs:
        made.append(pending_orders_sensor(jobs["fulfil_orders"], jobs["pull_orders"]))
    return [*made, *alert_sensors(jobs, settings)]


def _new_extract() -> dg.SensorDefinition:
    @dg.sensor(
        name="new_extract",
        job_name="partial_sync",
        minimum_interval_seconds=5,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="A new or changed extract starts partial_sync for its outlet, or for all "
        "outlets of the file. Files that are still being written are waited for; databases and "
        "interfaces are not watched, schedules ask them.",
    )
    @guarded
    def new_extract(
        context: dg.SensorEvaluationContext, project: ProjectResource
    ) -> dg.SensorResult:
        now = time.time()
        saved: dict[str, Any] = json.loads(context.cursor) if context.cursor else {}
        memory = {name: Asked(**value) for name, value in saved.get("asked", {}).items()}
        before: dict[str, Any] = saved.get("sights", {})
        sights: dict[str, Any] = {}
        run = project.open(user="sensor new_extract")
        with Looking(context.instance, run, before, sights, now) as looking:
            sightings = {
                outlet: looking.at(outlet, memory.get(outlet, Asked()))
                for outlet in run.settings.outlets
            }
        decision = new_extracts(sightings, memory, now)
        runs = in_few_runs(decision, sightings, list(run.settings.outlets))
        requests = [
            dg.RunRequest(
                run_key=launch.run_key,
                job_name="partial_sync",
                run_config=run_config(mode="partial", created_by="sensor new_extract"),
                tags={
                    **range_tags(first, last),
                    TRIGGER_TAG: "new_extract",
                    "marketsync/why": launch.why,
                },
            )
            for first, last, launch in runs
        ]
        return _result(decision, requests, {"asked": remembered(decision.memory), "sights": sights})

    return new_extract


def _pending_retries(pushes: list[Any]) -> dg.SensorDefinition:
    @dg.sensor(
        name="pending_retries",
        jobs=pushes,
        minimum_interval_seconds=15,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Approved plans, and rows that a platform was too busy for, are pushed: "
        "push_<platform> for that outlet, with growing pauses.",
    )
    @guarded
    def pending(context: dg.SensorEvaluationContext, project: ProjectResource) -> dg.SensorResult:
        saved: dict[str, Any] = json.loads(context.cursor) if context.cursor else {}
        memory = {name: Tried(**value) for name, value in saved.items()}
        run = project.open(user="sensor pending_retries")
        decision = pending_retries(_waiting(context.instance, run), memory, time.time())
        requests = [
            dg.RunRequest(
                run_key=launch.run_key,
                job_name=f"push_{launch.platform}",
                run_config=run_config(mode="partial", created_by="sensor pending_retries"),
                tags={
                    **range_tags(launch.outlet, launch.outlet),
                    TRIGGER_TAG: "pending_retries",
                    "marketsync/why": launch.why,
                },
            )
            for launch in decision.launches
        ]
        return _result(decision, requests, remembered(decision.memory))

    return pending


def _waiting(instance: dg.DagsterInstance, project: "Project") -> list[Waiting]:
    """What waits on every channel of the configuration that is switched on."""
    from marketsync_dagster.ledger.listings import pending_channels
    from marketsync_dagster.ledger.pauses import active_pauses, pause_of
    from marketsync_dagster.ledger.plans import approved_channels
    from marketsync_dagster.ledger.pushes import last_push
    from marketsync_dagster.ledger.quota import closures

    rows = pending_channels(project.ledger)
    pauses = active_pauses(project.ledger)
    plans = {
        (outlet, platform): plan for outlet, platform, plan in approved_channels(project.ledger)
    }
    imports = _left_alone(project, pauses)
    closed = {name: one.left_ms / 1000 for name, one in closures(project.ledger).items()}
    waiting: list[Waiting] = []
    for platform in project.settings.platforms():
        for outlet, channel in project.settings.channels_of(platform).items():
            at = (outlet, platform)
            if not channel.push_enabled or not (rows.get(at) or at in plans or at in imports):
                continue
            pause = pause_of(pauses, outlet, platform)
            waiting.append(
                Waiting(
                    outlet=outlet,
                    platform=platform,
                    rows=rows.get(at, 0),
                    plan=plans.get(at, ""),
                    imports=imports.get(at, 0),
                    last_push=last_push(project.ledger, outlet, platform),
                    automatic=channel.auto_push,
                    closed_for=_closed_for(
                        project, channel.account, closed, rows=rows.get(at, 0) > 0 or at in plans
                    ),
                    busy=active_run(instance, f"push_{platform}") or "",
                    paused=pause.words if pause else "",
                )
            )
    return waiting


def _closed_for(
    project: "Project", account: str, closed: Mapping[str, float], *, rows: bool
) -> float:
    """For how many seconds a run would have nothing to call for; `closed`: what is closed, and for
    how long. `rows`: something is to be sent, else imports are to be asked for."""
    from marketsync_dagster.ledger.imports import open_imports
    from marketsync_dagster.platforms.base import ImportKind

    if not any(name.partition("/")[0] == account for name in closed):
        return 0.0
    # which kind the rows are of is known when they are planned: the longest
    of_families = [closed.get(f"{account}/{kind}", 0.0) for kind in ImportKind]
    if not rows:
        kinds = {one.kind for one in open_imports(project.ledger, account)}
        of_families = [
            min((closed.get(f"{account}/{kind}_status", 0.0) for kind in kinds), default=0.0)
        ]
    return max(closed.get(account, 0.0), *of_families)


def _left_alone(project: "Project", pauses: Sequence["Pause"]) -> dict[tuple[str, str], int]:
    """(outlet, platform) -> imports that have not ended and that no run asks for.

    Of the channels of an account one is enough: whoever runs it asks for all of them.
    """
    from marketsync_dagster.ledger.imports import waiting_channels
    from marketsync_dagster.ledger.leases import alive, channel_lease
    from marketsync_dagster.ledger.pauses import pause_of

    waiting = waiting_channels(project.ledger)
    if not waiting:
        return {}
    with project.ledger.read() as connection:
        held = {lease.name for lease in alive(connection)}
    asked_for = {
        channel.account
        for platform in project.settings.platforms()
        for outlet, channel in project.settings.channels_of(platform).items()
        if channel_lease(outlet, platform) in held
    }
    found: dict[str, tuple[bool, tuple[str, str], int]] = {}
    for (outlet, platform), one in waiting.items():
        channel = project.settings.channel(outlet, platform)
        if channel is None or channel.account != one.account or one.account in asked_for:
            continue
        if channel.push_enabled and pause_of(pauses, outlet, platform) is None:
            here = (not channel.auto_push, (outlet, platform), one.imports)
            found[one.account] = min(found.get(one.account, here), here)
    return {at: count for _, at, count in found.values()}


def _result(
    decision: Decision, requests: list[dg.RunRequest], memory: Mapping[str, Any]
) -> dg.SensorResult:
    cursor = json.dumps(memory, sort_keys=True)
    if requests:
        return dg.SensorResult(run_requests=requests, cursor=cursor)
    reason = "; ".join(decision.reasons) or "nothing new"
    return dg.SensorResult(skip_reason=reason, cursor=cursor)
