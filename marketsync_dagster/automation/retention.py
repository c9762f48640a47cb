"""The job `retention`: removes what is older than the configuration says, everywhere.

Ledger, archive and backups belong to `stages.retention`; here are Dagster's own runs, logs and
ticks, and the job around both.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

from marketsync_dagster.resources.boundary import guarded
from marketsync_dagster.resources.options import RunOptions
from marketsync_dagster.resources.project import ProjectResource

if TYPE_CHECKING:
    from marketsync_dagster.stages.project import Project
    from marketsync_dagster.stages.retention import Pruned

ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
SOME = 200


def prune_everything(
    project: "Project", instance: dg.DagsterInstance, *, dry_run: bool = False
) -> "Pruned":
    """`stages.retention.prune`, and Dagster's history by the same rules."""
    from marketsync_dagster.stages.retention import prune
    from marketsync_dagster.values.times import utcnow

    now = utcnow()

    def more(project: "Project", dry_run: bool) -> dict[str, int]:
        said = project.settings.retention
        removed = {"runs": prune_runs(instance, now - timedelta(days=said.runs_days), dry_run)}
        if not dry_run:
            prune_ticks(instance, now - timedelta(days=said.ticks_days))
        return removed

    return prune(project, dry_run=dry_run, more=more)


def prune_runs(instance: dg.DagsterInstance, before: datetime, dry_run: bool = False) -> int:
    """Remove runs that have ended and were made before a moment, with their events and logs.

    A run stays that something was materialized in for the last time: the UI would say that it
    never was. Returns how many were, or would be, removed.
    """
    kept = _last_of_their_outlets(instance)
    removed = 0
    for run_id in instance.get_run_ids(dg.RunsFilter(statuses=ENDED, created_before=before)):
        if run_id in kept:
            continue
        removed += 1
        if not dry_run:
            instance.delete_run(run_id)
            # what its steps have handed on lies there too
            instance.compute_log_manager.delete_logs(prefix=[run_id])
    return removed


def _last_of_their_outlets(instance: dg.DagsterInstance) -> set[str]:
    """The runs of the newest materialization of each outlet of each asset."""
    from dagster import DagsterEventType

    kept: set[str] = set()
    for key in instance.all_asset_keys():
        by_partition = instance.get_latest_storage_id_by_partition(
            key, DagsterEventType.ASSET_MATERIALIZATION
        )
        ids = list(by_partition.values())
        for start in range(0, len(ids), SOME):
            some = ids[start : start + SOME]
            asked = dg.AssetRecordsFilter(asset_key=key, storage_ids=some)
            kept |= _runs_of(instance.fetch_materializations(asked, limit=len(some)).records)
        kept |= _runs_of(instance.fetch_materializations(key, limit=1).records)
    return kept


def _runs_of(records: Iterable[Any]) -> set[str]:
    return {record.run_id for record in records}


def prune_ticks(instance: dg.DagsterInstance, before: datetime) -> None:
    """Remove the ticks of schedules and sensors that were made before a moment."""
    for state in instance.all_instigator_state():
        instance.purge_ticks(
            state.instigator_origin_id, state.selector_id, before=before.timestamp()
        )


@dg.op(
    name="prune",
    description="Removes what is older than `retention` says: events, calls, plans, archived "
    "extracts, runs, logs, ticks. What listings, the guard and open decisions stand on stays.",
)
@guarded
def prune_op(context: dg.OpExecutionContext, project: ProjectResource, options: RunOptions) -> int:
    """How many rows, files and runs were removed; their kinds and all sizes in the metadata."""
    run = project.open(user=options.author(context.run.tags))
    pruned = prune_everything(run, context.instance)
    removed = {f"removed_{name}": count for name, count in pruned.removed.items()}
    before = {f"before_{name}": value for name, value in pruned.before.items()}
    context.add_output_metadata({**removed, **before, **pruned.after})
    return sum(pruned.removed.values())


@dg.job(
    name="retention",
    description="Removes what nobody needs any more, by `retention` in the configuration, and "
    "says how much room everything takes.",
    executor_def=dg.in_process_executor,
    tags={"marketsync/job": "retention"},
)
def retention_job() -> None:
    prune_op()
