"""The sensors that tell people: `failure_alerts` and `freshness_alerts`.

What is wrong and what is news is decided in `stages.troubles`, and the ledger remembers what was
told; the cursor only says how far the runs were looked at, and what the checks said last.
"""

import json
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import dagster as dg

from marketsync_dagster.assets.findings import Finding, told
from marketsync_dagster.assets.order_checks import ORDER_CHECKS, checks_of_orders
from marketsync_dagster.assets.summaries import Check, checks_of_platform, checks_of_pos
from marketsync_dagster.resources.boundary import guarded
from marketsync_dagster.resources.project import ProjectResource

if TYPE_CHECKING:
    from marketsync_dagster.config.settings import Settings
    from marketsync_dagster.stages.alerts import Delivered
    from marketsync_dagster.stages.project import Project
    from marketsync_dagster.stages.troubles import Changes

FAILURE_CHECKS = ("every_outlet", "guard", "runs", *ORDER_CHECKS)
FRESHNESS_CHECKS = ("freshness",)


def alert_sensors(jobs: Collection[str], settings: "Settings") -> list[dg.SensorDefinition]:
    """The sensors that tell people, and that keep the checks true while nothing runs."""
    platforms = settings.platforms()
    checks = [*checks_of_pos(), *(c for name in platforms for c in checks_of_platform(name))]
    if "fulfil_orders" in jobs:
        checks += checks_of_orders(settings)
    return [
        _failure_alerts(set(jobs), [c for c in checks if c.name in FAILURE_CHECKS]),
        _freshness_alerts([c for c in checks if c.name in FRESHNESS_CHECKS]),
    ]


def _failure_alerts(jobs: set[str], checks: list[Check]) -> dg.SensorDefinition:
    @dg.sensor(
        name="failure_alerts",
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Failed runs, failed outlets and held plans: a failed check, a row in the "
        "ledger, and one message to alerts.targets; another when it is over.",
    )
    @guarded
    def failure_alerts(
        context: dg.SensorEvaluationContext, project: ProjectResource
    ) -> dg.SensorResult:
        from marketsync_dagster.automation.failed_runs import Seen, look
        from marketsync_dagster.ledger.alerts import open_alerts
        from marketsync_dagster.stages import troubles
        from marketsync_dagster.values.times import to_iso, utcnow

        saved: dict[str, Any] = json.loads(context.cursor) if context.cursor else {}
        run, now = project.open(user="sensor failure_alerts"), utcnow()
        known = open_alerts(run.ledger, troubles.FAILURES)
        seen = Seen(saved.get("until", ""), tuple(saved.get("runs", ())))
        runs = look(context.instance, run, jobs, known, seen, now)
        passing, newest = troubles.failures_since(run, saved.get("failures") or to_iso(now))
        changes = troubles.take_note(
            run,
            troubles.failures_now(run, known),
            [*troubles.of_runs(runs.failed), *passing],
            runs.healed,
            troubles.FAILURES,
        )
        cursor = {"until": runs.seen.until, "runs": runs.seen.runs, "failures": newest}
        return _told(run, changes, cursor, saved, checks)

    return failure_alerts


def _freshness_alerts(checks: list[Check]) -> dg.SensorDefinition:
    @dg.sensor(
        name="freshness_alerts",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Channels without a success for alerts.no_success_hours: a failed check, a "
        "row in the ledger, and one message to alerts.targets; another when it is over.",
    )
    @guarded
    def freshness_alerts(
        context: dg.SensorEvaluationContext, project: ProjectResource
    ) -> dg.SensorResult:
        from marketsync_dagster.stages import troubles
        from marketsync_dagster.values.times import utcnow

        saved: dict[str, Any] = json.loads(context.cursor) if context.cursor else {}
        run = project.open(user="sensor freshness_alerts")
        late = troubles.late_channels(run, utcnow())
        changes = troubles.take_note(run, late, [], [], ["no_success"])
        return _told(run, changes, {}, saved, checks)

    return freshness_alerts


def _told(
    project: "Project",
    changes: "Changes",
    cursor: dict[str, Any],
    saved: dict[str, Any],
    checks: list[Check],
) -> dg.SensorResult:
    """Tell people what is due, and Dagster what its checks would say now."""
    from marketsync_dagster.stages.alerts import deliver

    delivered = deliver(project)
    said: dict[str, str] = saved.get("checks", {})
    events: list[dg.AssetCheckEvaluation] = []
    for check in checks:
        name = f"{check.key.to_user_string()} {check.name}"
        finding = check.look(project)
        # a check is told again when it changes: an event at each tick would swell the event log
        if said.get(name) != finding.sentence:
            events.append(evaluation(check, finding))
        cursor.setdefault("checks", {})[name] = finding.sentence
    return dg.SensorResult(
        skip_reason=_words(changes, delivered),
        cursor=json.dumps(cursor, sort_keys=True),
        asset_events=events,
    )


def evaluation(check: Check, finding: Finding) -> dg.AssetCheckEvaluation:
    """A finding as an evaluation of its check outside of any run."""
    return dg.AssetCheckEvaluation(asset_key=check.key, check_name=check.name, **told(finding))


def _words(changes: "Changes", delivered: "Delivered") -> str:
    parts = [
        f"{len(changes.new)} new" if changes.new else "",
        f"{len(changes.over)} over" if changes.over else "",
        f"{delivered.alerts} told" if delivered.alerts else "",
        f"{delivered.waiting} to be told later" if delivered.waiting else "",
        *delivered.reasons,
    ]
    return "; ".join(filter(None, parts)) or "nothing new"
