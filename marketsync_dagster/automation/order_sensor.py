"""The sensor `pending_orders`: looks, asks `automation.order_cores` what to do, keeps its memory.

Switched off until somebody turns it on.
"""

import json
import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from marketsync_dagster.automation.order_cores import WorkTried, pending_orders
from marketsync_dagster.automation.partitions import range_tags
from marketsync_dagster.automation.schedules import active_run
from marketsync_dagster.resources.boundary import guarded
from marketsync_dagster.resources.options import TRIGGER_TAG
from marketsync_dagster.resources.project import ProjectResource

NAME = "pending_orders"


def pending_orders_sensor(fulfil: Any, pull: Any) -> dg.SensorDefinition:
    """The sensor, given the two jobs that it starts."""

    @dg.sensor(
        name=NAME,
        jobs=[fulfil, pull],
        minimum_interval_seconds=15,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Orders that wait to be decided, sent on, asked about or told back, and files "
        "of tills and shops: fulfil_orders or pull_orders for the outlets concerned, with growing "
        "pauses where nothing moves.",
    )
    @guarded
    def pending(context: dg.SensorEvaluationContext, project: ProjectResource) -> dg.SensorResult:
        from marketsync_dagster.automation.order_sights import waiting_work

        saved: dict[str, Any] = json.loads(context.cursor) if context.cursor else {}
        memory = {name: WorkTried(**value) for name, value in saved.items()}
        now = time.time()
        run = project.open(user=f"sensor {NAME}")
        work, reasons = waiting_work(run, datetime.fromtimestamp(now, UTC))
        busy = {job: active_run(context.instance, job) or "" for job in {w.job for w in work}}
        decision = pending_orders(work, memory, busy, list(run.settings.outlets), now)
        cursor = json.dumps(
            {name: asdict(tried) for name, tried in decision.memory.items()}, sort_keys=True
        )
        if not decision.launches:
            words = "; ".join([*decision.reasons, *reasons]) or "nothing waits"
            return dg.SensorResult(skip_reason=words, cursor=cursor)
        requests = [
            dg.RunRequest(
                run_key=launch.run_key,
                job_name=launch.job,
                tags={
                    **range_tags(launch.first, launch.last),
                    TRIGGER_TAG: NAME,
                    "marketsync/why": launch.why,
                },
            )
            for launch in decision.launches
        ]
        return dg.SensorResult(run_requests=requests, cursor=cursor)

    return pending
