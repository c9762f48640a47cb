"""Jobs that materialize nothing: the dry run of a plan, and the test of the connections."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from marketsync_dagster.assets.listings import forecast_metadata
from marketsync_dagster.assets.running import open_run
from marketsync_dagster.assets.tables import table
from marketsync_dagster.resources.boundary import guarded
from marketsync_dagster.resources.options import (
    FIELDS,
    LIMIT,
    Mode,
    RunOptions,
    What,
    some_rows,
)
from marketsync_dagster.resources.project import ProjectResource

if TYPE_CHECKING:
    from marketsync_dagster.push.plan import Plan

CHANGES = 50
"""Rows of the dry run that are shown one by one."""


class PlanConfig(dg.Config):
    """What the dry run looks at."""

    outlets: list[str] = Field(default=[], description="Outlets; empty: all.")
    platform: str = Field(default="", description="One platform; empty: all.")
    mode: Mode = Field(default=Mode.partial, description="full or partial, as in a push.")
    skus: list[str] = Field(default=[], description="Only these SKUs; empty: all.")
    limit: int | None = Field(default=None, description=LIMIT)
    fields: list[What] = Field(default=[], description=FIELDS)


@dg.op(
    name="preview",
    description="Makes each channel's plan from its stored feed and shows it. Sends nothing.",
)
@guarded
def preview_op(
    context: dg.OpExecutionContext,
    config: PlanConfig,
    project: ProjectResource,
    options: RunOptions,
) -> int:
    """The number of rows that would be sent; the plans are in the output's metadata."""
    from marketsync_dagster.push.plan import PlanOptions
    from marketsync_dagster.stages.forecasting import of_accounts, of_plan, sends_of
    from marketsync_dagster.stages.preview import preview
    from marketsync_dagster.values.errors import MarketSyncError, UsageError

    run = open_run(context, project, options)
    settings = run.settings
    unknown = [outlet for outlet in config.outlets if outlet not in settings.outlets]
    if config.platform and config.platform not in settings.platforms():
        unknown.append(config.platform)
    if unknown:
        raise UsageError(f"not in the configuration: {', '.join(unknown)}")
    wanted = PlanOptions(
        mode=config.mode.value,
        skus=tuple(config.skus),
        limit=some_rows(config.limit),
        fields=tuple(field.value for field in config.fields),
    )
    sends: list[tuple[str, Mapping[str, int]]] = []
    rows: list[dict[str, Any]] = []
    changes: list[dict[str, Any]] = []
    for platform in [config.platform] if config.platform else settings.platforms():
        for outlet in settings.channels_of(platform):
            if config.outlets and outlet not in config.outlets:
                continue
            try:
                plan = preview(run, outlet, platform, wanted)
            except MarketSyncError as error:
                rows.append(
                    {
                        "outlet": outlet,
                        "platform": platform,
                        "verdict": error.message,
                        "next_step": error.next_step,
                    }
                )
                continue
            rows.append(_row(plan, outlet, platform) | of_plan(settings, plan).to_dict())
            sends.append((plan.base.account, sends_of(settings, plan)))
            changes += _changes(plan, outlet, platform, CHANGES - len(changes))
    total = sum(row.get("to_send", 0) for row in rows)
    context.add_output_metadata(
        {
            "to_send": total,
            "channels": len(rows),
            **forecast_metadata(of_accounts(settings, sends)),
            "plan": table(rows),
            "changes": table(changes),
        }
    )
    return total


def _row(plan: "Plan", outlet: str, platform: str) -> dict[str, Any]:
    counts = plan.counts()
    findings = "; ".join(finding.message for finding in plan.findings)
    if plan.pause is not None:
        findings = plan.pause.words
    return {
        "outlet": outlet,
        "platform": platform,
        "to_send": counts["sent"],
        "held": counts["held"],
        "unchanged": counts["unchanged"],
        "unmapped": counts["unmapped"],
        "deselected": counts["deselected"],
        **plan.imports,
        "verdict": f"held: {findings}" if plan.held else findings or "goes out",
        "next_step": plan.pause.resume_command if plan.pause is not None else "",
    }


def _changes(plan: "Plan", outlet: str, platform: str, room: int) -> list[dict[str, Any]]:
    """The first rows that would be sent, with what the platform was last told."""
    from marketsync_dagster.values.money import format_minor

    def price(minor: Any, currency: str) -> str:
        return "" if minor is None or minor != minor else format_minor(int(minor), currency)

    shown = plan.rows.head(max(room, 0)).astype(object)
    return [
        {
            "outlet": outlet,
            "platform": platform,
            "sku": row["sku"],
            "name": row["name"],
            "from": price(row["old_price_minor"], row["currency"]),
            "to": price(row["price_minor"], row["currency"]),
            "stock_status": row["stock_status"],
            "why": row["change"] or row["reason"],
        }
        for row in shown.where(shown.notna(), None).to_dict("records")
    ]


@dg.op(
    name="connections",
    description="Proves the credentials of every account with one harmless call each.",
)
@guarded
def connections_op(
    context: dg.OpExecutionContext, project: ProjectResource, options: RunOptions
) -> int:
    """The number of accounts that answered; red if one did not."""
    from marketsync_dagster.stages.connections import test_connections

    run = open_run(context, project, options)
    results = test_connections(run, list(run.settings.accounts))
    rows = [
        {
            "account": result["account"],
            "ok": bool(result["ok"]),
            "message": result["message"],
            "next_step": result["next_step"],
            "key": result["key"],
        }
        for result in results
    ]
    bad = [row for row in rows if not row["ok"]]
    metadata = {"accounts": table(rows), "bad_accounts": len(bad)}
    if bad:
        named = "; ".join(f"{row['account']}: {row['message']}" for row in bad)
        raise dg.Failure(
            f"{len(bad)} of {len(rows)} accounts cannot be used: {named}",
            metadata=metadata,
            allow_retries=False,
        )
    context.add_output_metadata(metadata)
    return len(rows)


@dg.job(
    name="plan",
    description="A dry run: what a push would send, channel by channel. Sends and materializes "
    "nothing; open the preview step's output to see the plan.",
    executor_def=dg.in_process_executor,
    tags={"marketsync/job": "plan"},
)
def plan_job() -> None:
    preview_op()


@dg.job(
    name="test_connections",
    description="Proves the credentials of every account and stores what was found.",
    executor_def=dg.in_process_executor,
    tags={"marketsync/job": "test_connections"},
)
def connections_job() -> None:
    connections_op()
