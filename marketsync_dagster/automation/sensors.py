"""The sensors: shells that look, ask `automation.cores` what to do, and keep its memory.

All are switched off until somebody turns them on.
"""

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from marketsync_dagster.automation.alert_sensors import alert_sensors
from marketsync_dagster.automation.cores import (
    Asked,
    Decision,
    RunState,
    Sighting,
    Tried,
    Waiting,
    new_extracts,
    pending_retries,
    remembered,
)
from marketsync_dagster.automation.partitions import range_tags
from marketsync_dagster.automation.schedules import ACTIVE, active_run
from marketsync_dagster.config.settings import Settings
from marketsync_dagster.resources.boundary import guarded
from marketsync_dagster.resources.dead_runs import end_dead_runs
from marketsync_dagster.resources.options import TRIGGER_TAG, run_config
from marketsync_dagster.resources.project import ProjectResource

if TYPE_CHECKING:
    from marketsync_dagster.pos.files import Found
    from marketsync_dagster.stages.project import Project

RUN_KEY_TAG = "dagster/run_key"
START_GRACE_S = 120.0
"""A run that was asked for and is not there after so long is lost."""


def sensors(settings: Settings, jobs: Mapping[str, Any]) -> list[dg.SensorDefinition]:
    """The sensors of the configuration."""
    made = [_new_extract()] if "partial_sync" in jobs else []
    pushes = [name for name in jobs if name.startswith("push_")]
    if pushes:
        made.append(_pending_retries([jobs[name] for name in pushes]))
    return [*made, *alert_sensors(jobs, settings.platforms())]


def _new_extract() -> dg.SensorDefinition:
    @dg.sensor(
        name="new_extract",
        job_name="partial_sync",
        minimum_interval_seconds=5,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="A new or changed extract of an outlet starts partial_sync for that outlet. "
        "Files that are still being written are waited for.",
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
        sightings = {
            outlet: _sight(
                context.instance, run, outlet, memory.get(outlet, Asked()), before, sights, now
            )
            for outlet in run.settings.outlets
        }
        decision = new_extracts(sightings, memory, now)
        requests = [
            dg.RunRequest(
                run_key=launch.run_key,
                job_name="partial_sync",
                run_config=run_config(mode="partial", created_by="sensor new_extract"),
                tags={
                    **range_tags(launch.outlet, launch.outlet),
                    TRIGGER_TAG: "new_extract",
                    "marketsync/why": launch.why,
                },
            )
            for launch in decision.launches
        ]
        return _result(decision, requests, {"asked": remembered(decision.memory), "sights": sights})

    return new_extract


def _sight(
    instance: dg.DagsterInstance,
    project: "Project",
    outlet: str,
    known: Asked,
    before: Mapping[str, Any],
    sights: dict[str, Any],
    now: float,
) -> Sighting:
    """Look at the newest file of an outlet; hash it only when it is new and whole.

    A directory that cannot be listed is a problem, never "no files".
    """
    from marketsync_dagster.ledger.extracts import latest_accepted
    from marketsync_dagster.pos.files import Sight, find_extracts, is_settled, look
    from marketsync_dagster.values.errors import MarketSyncError

    said = project.settings.outlets[outlet].extract
    try:
        found = find_extracts(project.settings.root / said.path, said.pattern)
        if not found:
            return Sighting()
        newest = _newest(project.settings, outlet, found)
        mark = _mark(newest)
        if mark == known.mark:
            state = run_state(instance, project, outlet, known, now) if known.open else "none"
            return Sighting(name=newest.path.name, mark=mark, settled=True, run=state)
        seen = look(newest.path)
        past = before.get(outlet)
        earlier = Sight(*past["sight"]) if past and past["name"] == newest.path.name else None
        settled = is_settled(seen, now, earlier, said.settle_s)
        sights[outlet] = {
            "name": newest.path.name,
            "sight": list(astuple(seen)),
        }
        sha256 = _hash(newest.path) if settled else ""
    except MarketSyncError as error:
        return Sighting(problem=error.message)
    except OSError as error:
        return Sighting(problem=f"the newest extract cannot be read: {error.strerror or error}")
    accepted = latest_accepted(project.ledger, outlet) if settled else None
    return Sighting(
        name=newest.path.name,
        mark=mark,
        settled=settled,
        sha256=sha256,
        accepted=accepted.sha256 if accepted else "",
    )


def _newest(settings: Settings, outlet: str, found: "list[Found]") -> "Found":
    """The newest file by the extract's time, as the extract stage chooses it."""
    from zoneinfo import ZoneInfo

    from marketsync_dagster.pos.files import in_order
    from marketsync_dagster.values.times import utcnow

    pattern = settings.outlets[outlet].extract.time_pattern
    zone = ZoneInfo(settings.timezone_of(outlet))
    return in_order(found, now=utcnow(), pattern=pattern, zone=zone)[-1][0]


def _mark(file: "Found") -> str:
    text = f"{file.path.name} {file.size} {file.mtime!r} {file.inode}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _hash(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def run_state(
    instance: dg.DagsterInstance, project: "Project", outlet: str, known: Asked, now: float
) -> RunState:
    """What became of the run that was asked for."""
    from marketsync_dagster.ledger.states import states_at

    runs = instance.get_runs(dg.RunsFilter(tags={RUN_KEY_TAG: known.run_key}), limit=1)
    if not runs:
        return "active" if now - known.at < START_GRACE_S else "lost"
    if runs[0].status in ACTIVE and runs[0].run_id not in end_dead_runs(instance):
        return "active"
    state = states_at(project.ledger, "pos_extract").get(outlet)
    judged = state is not None and state.run_id == runs[0].run_id
    return "judged" if judged or runs[0].status == dg.DagsterRunStatus.SUCCESS else "lost"


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
    from marketsync_dagster.ledger.quota import closed_for

    rows = pending_channels(project.ledger)
    pauses = active_pauses(project.ledger)
    plans = {
        (outlet, platform): plan for outlet, platform, plan in approved_channels(project.ledger)
    }
    waiting: list[Waiting] = []
    for platform in project.settings.platforms():
        for outlet, channel in project.settings.channels_of(platform).items():
            at = (outlet, platform)
            if not channel.push_enabled or not (rows.get(at) or at in plans):
                continue
            pause = pause_of(pauses, outlet, platform)
            waiting.append(
                Waiting(
                    outlet=outlet,
                    platform=platform,
                    rows=rows.get(at, 0),
                    plan=plans.get(at, ""),
                    last_push=last_push(project.ledger, outlet, platform),
                    automatic=channel.auto_push,
                    closed_for=closed_for(project.ledger, channel.account) / 1000,
                    busy=active_run(instance, f"push_{platform}") or "",
                    paused=pause.words if pause else "",
                )
            )
    return waiting


def _result(
    decision: Decision, requests: list[dg.RunRequest], memory: Mapping[str, Any]
) -> dg.SensorResult:
    cursor = json.dumps(memory, sort_keys=True)
    if requests:
        return dg.SensorResult(run_requests=requests, cursor=cursor)
    reason = "; ".join(decision.reasons) or "nothing new"
    return dg.SensorResult(skip_reason=reason, cursor=cursor)
