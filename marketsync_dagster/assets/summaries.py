"""The checks that speak of all outlets at once: which there are, and the steps that run them.

They show; they do not decide. What keeps bad rows from a platform is the stages' own validation
and the guard of each plan.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dagster as dg

from marketsync_dagster.assets.checks import raise_for
from marketsync_dagster.assets.findings import (
    COVERAGE,
    Finding,
    conservation_of_channels,
    conservation_of_extracts,
    every_outlet,
    freshness,
    guard,
    keys_fresh,
    mapping_coverage,
    no_drift,
    runs,
    schema,
    told,
)
from marketsync_dagster.assets.pos import CATALOG, EXTRACT
from marketsync_dagster.assets.specs import title
from marketsync_dagster.catalog import columns as frames
from marketsync_dagster.config.secrets import STALE_DAYS
from marketsync_dagster.resources.boundary import guarded
from marketsync_dagster.resources.project import ProjectResource

if TYPE_CHECKING:
    from marketsync_dagster.stages.project import Project

Look = Callable[["Project"], Finding]


@dataclass(frozen=True)
class Check:
    key: dg.AssetKey
    name: str
    description: str
    look: Look


def pos_checks() -> dg.AssetChecksDefinition:
    """The checks of the till's assets, in one step."""
    return check_step("pos_checks", checks_of_pos(), own_stages=["pos_catalog"])


def checks_of_pos() -> list[Check]:
    """`every_outlet`, `conservation` and `runs` of the extracts, `schema` of the catalogs."""
    return [
        Check(
            EXTRACT,
            "every_outlet",
            "How many outlets need attention, each with its reason and next step.",
            lambda project: every_outlet(project, "pos_extract", list(project.settings.outlets)),
        ),
        Check(
            EXTRACT,
            "conservation",
            "Records = accepted + rejected + duplicates, for the extract in force.",
            conservation_of_extracts,
        ),
        Check(
            CATALOG,
            "schema",
            "Every stored catalog has the columns that it should have.",
            lambda project: schema(
                project, ("pos", "catalog"), frames.CATALOG, list(project.settings.outlets)
            ),
        ),
        Check(
            EXTRACT,
            "runs",
            "No run has failed that was not made good since.",
            runs,
        ),
    ]


def platform_checks(platform: str) -> dg.AssetChecksDefinition:
    """The checks of one platform, in one step."""
    own = [f"{platform}_{part}" for part in ("products", "sku_mapping", "price_feed")]
    return check_step(f"{platform}_checks", checks_of_platform(platform), own_stages=own)


def checks_of_platform(platform: str) -> list[Check]:
    """The checks over all outlets of one platform."""
    listings = dg.AssetKey([platform, "listings"])
    stage = f"{platform}_listings"

    def sold(project: "Project") -> list[str]:
        return list(project.settings.channels_of(platform))

    return [
        Check(
            dg.AssetKey([platform, "sku_mapping"]),
            "mapping_coverage",
            f"At least {COVERAGE:.0%} of each outlet's rows are mapped to a product of "
            f"{title(platform)}.",
            lambda project: mapping_coverage(project, platform),
        ),
        Check(
            dg.AssetKey([platform, "price_feed"]),
            "schema",
            "Every stored feed has the columns that it should have.",
            lambda project: schema(project, (platform, "price_feed"), frames.FEED, sold(project)),
        ),
        Check(
            listings,
            "every_outlet",
            "How many outlets need attention, each with its reason and next step.",
            lambda project: every_outlet(project, stage, sold(project)),
        ),
        Check(
            listings,
            "guard",
            "No plan and no row is held back by the guard.",
            lambda project: guard(project, platform),
        ),
        Check(
            listings,
            "conservation",
            "Catalog rows = unmapped + held + unchanged + deselected + sent, and every sent "
            "row has one outcome.",
            lambda project: conservation_of_channels(project, platform),
        ),
        Check(
            listings,
            "freshness",
            "Every channel that is switched on succeeded recently enough.",
            lambda project: freshness(project, platform),
        ),
        Check(
            listings,
            "keys_fresh",
            f"No key of an account is older than {STALE_DAYS} days, as far as is known.",
            lambda project: keys_fresh(project, platform),
        ),
    ]


def reconciliation_checks(platform: str) -> dg.AssetChecksDefinition:
    """`no_drift` of a platform that tells what it shows."""
    check = Check(
        dg.AssetKey([platform, "reconciliation"]),
        "no_drift",
        f"{title(platform)} shows what it has acknowledged, and nothing that is unknown to us.",
        lambda project: no_drift(project, platform),
    )
    stage = f"{platform}_reconciliation"
    return check_step(f"{stage}_checks", [check], own_stages=[stage])


def check_step(
    name: str, checks: Sequence[Check], own_stages: Sequence[str], what: str = "outlet"
) -> dg.AssetChecksDefinition:
    """One step that answers these checks, and is red if anything failed at `own_stages`, where
    each failure is of one `what`."""

    @dg.multi_asset_check(
        name=name,
        specs=[
            dg.AssetCheckSpec(check.name, asset=check.key, description=check.description)
            for check in checks
        ],
        can_subset=True,
    )
    @guarded
    def step(
        context: dg.AssetCheckExecutionContext, project: ProjectResource
    ) -> Iterator[dg.AssetCheckResult]:
        run = project.open()
        selected = context.op_execution_context.selected_asset_check_keys
        for check in checks:
            if dg.AssetCheckKey(check.key, check.name) in selected:
                finding = check.look(run)
                yield dg.AssetCheckResult(
                    asset_key=check.key, check_name=check.name, **told(finding)
                )
        raise_for(run, own_stages, what=what)

    return step
