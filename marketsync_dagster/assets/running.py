"""Calling one stage from one step: which outlets, what is said of each, and when a step fails.

A stage notes the failure of an outlet in the ledger and goes on; its step fails only if no outlet
succeeded. What makes a run red when some failed is `assets.checks`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import dagster as dg

from marketsync_dagster.assets.checks import evaluations, verdicts
from marketsync_dagster.assets.chosen import must_be_chosen
from marketsync_dagster.assets.findings import every_outlet, told
from marketsync_dagster.assets.tables import TABLE_ROWS
from marketsync_dagster.resources.dead_runs import note_process
from marketsync_dagster.resources.options import OrderOptions, RunOptions
from marketsync_dagster.resources.project import ProjectResource

if TYPE_CHECKING:
    from marketsync_dagster.stages.project import Project, StageResult

Context = dg.AssetExecutionContext | dg.OpExecutionContext
Event = dg.MaterializeResult[list[str]] | dg.AssetCheckEvaluation
"""What a step over outlets yields."""
Progress = Callable[[str, str, int, int], None]
"""Called with a step, an outlet (empty: all of the step's), how much is done, and of how much."""

progress: ContextVar[Progress | None] = ContextVar("progress", default=None)
"""Who is told how a run goes on: the command line, when it runs jobs in its own process."""

NO_CHANNEL = "no channel"


def open_run(
    context: Context, project: ProjectResource, options: RunOptions | OrderOptions
) -> Project:
    """The project of this run, in the name of whoever asked for the run. UsageError where it is
    about no outlet, and the asset is made by outlet."""
    if context.has_assets_def and context.assets_def.partitions_def is not None:
        must_be_chosen(context.run, context.op.name)
    note_process(context.instance, context.run.run_id, context.run.tags)
    return project.open(user=options.author(context.run.tags))


def say(step: str, outlet: str, done: int, total: int) -> None:
    """Tell whoever watches this run how far it is."""
    listener = progress.get()
    if listener is not None:
        listener(step, outlet, done, total)


def finish(
    context: dg.AssetExecutionContext,
    project: Project,
    stage: str,
    keys: Sequence[dg.AssetKey],
    results: Sequence[StageResult],
    *,
    guarded: bool = False,
    extra: Callable[[dg.AssetKey, str], Mapping[str, Any]] | None = None,
) -> Iterator[Event]:
    """Say what came of each outlet, and hand the good ones to the IO manager.

    `results` has an outlet for each that was worked on; one that is absent failed earlier in this
    run, and is not good. Raises dg.Failure, which names every outlet, if none is good; the checks
    of a `guarded` asset (the first of `keys`) are answered before, since their own steps are
    skipped then.
    """
    outlets = list(context.partition_keys)
    good = note(context, project, keys, results, extra=extra)
    say(stage, "", len(good), len(outlets))
    if not good:
        if guarded:
            yield from answers(context.op_execution_context, project, keys[0], stage, outlets)
        raise failure(project, stage, outlets)
    for key in keys:
        yield dg.MaterializeResult(asset_key=key, value=good)


def note(
    context: dg.AssetExecutionContext,
    project: Project,
    keys: Sequence[dg.AssetKey],
    results: Sequence[StageResult],
    *,
    extra: Callable[[dg.AssetKey, str], Mapping[str, Any]] | None = None,
) -> list[str]:
    """Add each good outlet's facts as metadata of its own; returns the good outlets, in order."""
    by_outlet = {result.outlet: result for result in results}
    good: list[str] = []
    for outlet in context.partition_keys:
        result = by_outlet.get(outlet)
        if result is None or not result.ok:
            continue
        good.append(outlet)
        for key in keys:
            facts = _facts(result)
            if result.state != NO_CHANNEL:
                facts |= _size(project, key, outlet)
                facts |= extra(key, outlet) if extra is not None else {}
            context.add_asset_metadata(facts, asset_key=key, partition_key=outlet)
    return good


def answers(
    op: dg.OpExecutionContext,
    project: Project,
    key: dg.AssetKey,
    stage: str,
    outlets: Sequence[str],
) -> Iterator[dg.AssetCheckEvaluation]:
    """The results of `outlet_ok` and `every_outlet` of a step that is about to fail.

    They are yielded, not logged: Dagster drops what was logged by a step that raises.
    """
    yield from evaluations(op, key, verdicts(project, stage, outlets))
    settings = project.settings
    sold = settings.outlets if key.path[0] == "pos" else settings.channels_of(key.path[0])
    finding = every_outlet(project, stage, list(sold))
    yield dg.AssetCheckEvaluation(asset_key=key, check_name="every_outlet", **told(finding))


def failure(project: Project, stage: str, outlets: Sequence[str]) -> dg.Failure:
    """What a step raises when none of its outlets succeeded: each with its reason."""
    from marketsync_dagster.ledger.states import failures_at
    from marketsync_dagster.stages.project import failed_before

    here = failures_at(project.ledger, project.run_id, stage)
    before = failed_before(project, stage)
    lines = []
    for outlet in outlets:
        if outlet in before:
            at, reason = before[outlet]
            lines.append(f"{outlet}: at {at}: {reason}")
        else:
            reason, next_step = here.get(outlet, ("no result", ""))
            lines.append(f"{outlet}: {reason}" + (f" ({next_step})" if next_step else ""))
    return dg.Failure(
        f"no outlet succeeded at {stage}: " + "; ".join(lines[:TABLE_ROWS]),
        allow_retries=False,
    )


def _facts(result: StageResult) -> dict[str, Any]:
    """Numbers as they are, so that they plot; reason and next step only where there are any."""
    facts: dict[str, Any] = {"state": result.state, **result.numbers}
    if result.reason:
        facts["reason"] = result.reason
    if result.next_step:
        facts["next_step"] = dg.MetadataValue.md(f"`{result.next_step}`")
    return facts


def _size(project: Project, key: dg.AssetKey, outlet: str) -> dict[str, Any]:
    stamp = project.frames.stamp(tuple(key.path), outlet)
    if stamp is None:
        return {}
    return {
        "dagster/row_count": stamp.rows,
        "fingerprint": stamp.fingerprint[:16],
        "file": dg.MetadataValue.path(str(project.frames.path(tuple(key.path), outlet))),
    }
