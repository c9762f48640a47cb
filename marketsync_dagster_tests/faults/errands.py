"""What a process does for a project besides a run: a person's decisions, products offered."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from marketsync_dagster.ledger import extracts, plans
from marketsync_dagster.push import decisions
from marketsync_dagster.stages import catalog, extract, mapping, products
from marketsync_dagster.stages.project import Project, StageResult
from marketsync_dagster.values.errors import PlanError

BY, WHY = "amina", "as agreed"


def approve_held(
    project: Project, platform: str, outlets: Sequence[str], *, stale_ok: bool = False
) -> list[str]:
    """Approve what waits on each channel, if anything does; the plans' ids.

    PlanError for a plan that no longer stands on its base, unless that is `stale_ok`.
    """

    def approve(plan: plans.PlanRecord) -> None:
        newest = extracts.latest_accepted(project.ledger, plan.outlet)
        decisions.approve(project.ledger, plan.id, BY, WHY, newest.id if newest else "")

    states = ("held", "rejected", "pushed")
    return _decided(project, platform, outlets, states, approve, stale_ok)


def reject_held(
    project: Project, platform: str, outlets: Sequence[str], *, stale_ok: bool = False
) -> list[str]:
    """Reject what waits as a whole on each channel, if anything does; the plans' ids."""
    return _decided(
        project,
        platform,
        outlets,
        ("held",),
        lambda plan: void(decisions.reject(project.ledger, plan.id, BY, WHY)),
        stale_ok,
    )


def _decided(
    project: Project,
    platform: str,
    outlets: Sequence[str],
    states: tuple[str, ...],
    decide: Callable[[plans.PlanRecord], None],
    stale_ok: bool,
) -> list[str]:
    decided = []
    for outlet in outlets:
        plan = plans.latest_plan(project.ledger, outlet, platform, states)
        if plan is None or not plan.held or (plan.state == "pushed" and plan.decided_by):
            continue
        try:
            decide(plan)
        except PlanError:
            if not stale_ok:
                raise
        else:
            decided.append(plan.id)
    return decided


def void(_: object) -> None:
    """Nothing, of anything."""


def offer_products(project: Project, platform: str, outlets: Sequence[str]) -> list[StageResult]:
    """The stages of the job `product_sync`; the results of the products' stage."""
    extract.extract_outlets(project, outlets)
    catalog.build_catalogs(project, outlets)
    offered = products.push_products(project, platform, outlets)
    mapping.map_outlets(project, platform, outlets)
    return offered
