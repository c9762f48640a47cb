"""The checks of the guarded assets, one result per outlet: what makes a run red.

They hold nothing back: the good outlets have gone on when these are evaluated. A check step fails
only for what happened at its own stage, so that one bad file makes one red step.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster import PreviewWarning
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData as Target,  # not exported; Dagster's UI needs it
)

from marketsync_dagster.assets.chosen import must_be_chosen
from marketsync_dagster.resources.boundary import guarded
from marketsync_dagster.resources.project import ProjectResource

if TYPE_CHECKING:
    from marketsync_dagster.stages.project import Project

OUTLET_OK = "outlet_ok"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one outlet came through a run, up to one stage."""

    passed: bool
    state: str
    reason: str = ""
    next_step: str = ""
    numbers: Mapping[str, int | float] = field(default_factory=dict)


def outlet_ok_check(
    key: dg.AssetKey, stage: str, partitions: dg.StaticPartitionsDefinition
) -> dg.AssetChecksDefinition:
    """The check `outlet_ok` of a guarded asset: one result per outlet, red where one failed."""

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PreviewWarning)  # checks by partition work in this version
        by_outlet = dg.AssetCheckSpec(
            OUTLET_OK,
            asset=key,
            partitions_def=partitions,
            description="Whether each outlet came through; the run is red if one did not.",
        )

    @dg.multi_asset_check(name=f"{stage}_outlets", specs=[by_outlet], can_subset=True)
    @guarded
    def outlet_ok(
        context: dg.AssetCheckExecutionContext, project: ProjectResource
    ) -> Iterator[dg.AssetCheckEvaluation]:
        run = project.open()
        op = context.op_execution_context
        must_be_chosen(op.run, op.op.name)
        outlets = list(op.partition_keys)
        # an AssetCheckResult has no partition: its evaluation is yielded as it will be stored
        yield from evaluations(op, key, verdicts(run, stage, outlets))
        raise_for(run, [stage], len(outlets))

    return outlet_ok


def verdicts(project: "Project", stage: str, outlets: Sequence[str]) -> dict[str, Verdict]:
    """How each outlet came through this run up to `stage`."""
    from marketsync_dagster.ledger.states import failures_at, states_at
    from marketsync_dagster.stages.project import failed_before

    here = failures_at(project.ledger, project.run_id, stage)
    before = failed_before(project, stage)
    states = states_at(project.ledger, stage)
    found: dict[str, Verdict] = {}
    for outlet in outlets:
        state = states.get(outlet)
        if outlet in here:
            # what was sent before it went wrong is told here: nothing is materialized
            numbers = state.numbers if state and state.run_id == project.run_id else {}
            word = state.state if state else "failed"
            found[outlet] = Verdict(False, word, *here[outlet], numbers)
        elif outlet in before:
            at, reason = before[outlet]
            found[outlet] = Verdict(False, f"failed at {at}", reason)
        else:
            found[outlet] = Verdict(True, state.state if state else "done")
    return found


def evaluations(
    op: dg.OpExecutionContext, key: dg.AssetKey, found: Mapping[str, Verdict]
) -> Iterator[dg.AssetCheckEvaluation]:
    """One check evaluation per outlet, tied to the materialization that it speaks of."""
    for outlet, verdict in found.items():
        newest = op.instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=key, asset_partitions=[outlet]), limit=1
        ).records
        metadata: dict[str, Any] = {"outlet": outlet, "state": verdict.state, **verdict.numbers}
        if verdict.reason:
            metadata["reason"] = verdict.reason
        if verdict.next_step:
            metadata["next_step"] = dg.MetadataValue.md(f"`{verdict.next_step}`")
        yield dg.AssetCheckEvaluation(
            asset_key=key,
            check_name=OUTLET_OK,
            passed=verdict.passed,
            partition=outlet,
            description=f"{outlet}: {verdict.reason or verdict.state}",
            metadata=metadata,
            target_materialization_data=Target(
                run_id=newest[0].run_id,
                storage_id=newest[0].storage_id,
                timestamp=newest[0].timestamp,
            )
            if newest
            else None,
        )


def raise_for(
    project: "Project", stages: Sequence[str], outlets: int | None = None, what: str = "outlet"
) -> None:
    """Make the run red, naming the outlets (or `what` fails there), if any failed at one of
    `stages` in this run."""
    from marketsync_dagster.ledger.states import failures_at

    for stage in stages:
        failures = failures_at(project.ledger, project.run_id, stage)
        if failures:
            of = f" of {outlets}" if outlets else ""
            named = "; ".join(
                (f"{outlet}: " if outlet else "")
                + reason
                + (f" ({next_step})" if next_step else "")
                for outlet, (reason, next_step) in failures.items()
            )
            word = what if (outlets or len(failures)) == 1 else f"{what}s"
            raise dg.Failure(
                f"{len(failures)}{of} {word} failed at {stage}: {named}", allow_retries=False
            )
