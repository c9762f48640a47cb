"""What a platform shows: a plan is made, pushed and recorded, three steps behind one asset.

How a plan is made, what holds it and how it is sent belongs to `stages.listings` and `push`.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import dagster as dg

from marketsync_dagster.assets import columns
from marketsync_dagster.assets.running import finish, open_run, say
from marketsync_dagster.assets.specs import OWNERS, freshness, title
from marketsync_dagster.assets.tables import table
from marketsync_dagster.config.settings import Settings
from marketsync_dagster.resources.boundary import guarded
from marketsync_dagster.resources.options import RunOptions
from marketsync_dagster.resources.project import ProjectResource

if TYPE_CHECKING:
    from marketsync_dagster.stages.forecasting import AccountForecast
    from marketsync_dagster.stages.project import Project

LAST_PUSHES = 10


def listings_asset(
    platform: str, settings: Settings, partitions: dg.StaticPartitionsDefinition
) -> dg.AssetsDefinition:
    """`<platform>/listings`: one node in the lineage, its graph plan -> push -> record.

    What was planned and pushed travels as dictionaries of ids and counts, so that a run that is
    retried from its failure finds them in the run before.
    """
    key = dg.AssetKey([platform, "listings"])
    stage = f"{platform}_listings"

    @dg.op(
        name=f"{platform}_plan",
        ins={"price_feed": dg.In(dg.Nothing)},
        description="The differences between the feed and what the platform acknowledged, with "
        "the guard's verdict, per outlet. Sends nothing.",
    )
    @guarded
    def plan(
        context: dg.OpExecutionContext, project: ProjectResource, options: RunOptions
    ) -> list[dict[str, Any]]:
        from marketsync_dagster.stages.forecasting import of_runs
        from marketsync_dagster.stages.listings import plan_outlets

        run = open_run(context, project, options)
        outlets = list(context.partition_keys)
        planned = plan_outlets(run, platform, outlets, options.plan_options(context.run.tags))
        say(f"{platform}_plan", "", len(planned), len(outlets))
        accounts = of_runs(run.settings, platform, planned)
        context.add_output_metadata(forecast_metadata(accounts))
        for account in accounts:
            context.log.info(f"{account.words} at the least")
        return [outlet.to_dict() for outlet in planned]

    @dg.op(
        name=f"{platform}_push",
        description="Sends the plans that nothing holds, batch by batch, journalled before and "
        "after each call.",
    )
    @guarded
    def push(
        context: dg.OpExecutionContext,
        project: ProjectResource,
        options: RunOptions,
        planned: list[dict[str, Any]],
    ) -> list[dict[str, Any]]:
        from marketsync_dagster.stages.listings import ChannelRun, push_plans

        run = open_run(context, project, options)
        plans = [ChannelRun.from_dict(outlet) for outlet in planned]
        wanted = options.plan_options(context.run.tags)
        sent = push_plans(run, platform, plans, wanted, progress=partial(say, f"{platform}_push"))
        return [outlet.to_dict() for outlet in sent]

    @dg.op(
        name=f"{platform}_record",
        out=dg.Out(list, io_manager_key="frames"),
        description="Notes what became of each outlet and shows its last pushes.",
    )
    @guarded
    def record(
        context: dg.AssetExecutionContext,
        project: ProjectResource,
        options: RunOptions,
        pushed: list[dict[str, Any]],
    ) -> Iterator[dg.Output[list[str]] | dg.AssetCheckEvaluation]:
        from marketsync_dagster.stages.listings import ChannelRun, record_outlets

        run = open_run(context, project, options)
        outlets = [ChannelRun.from_dict(outlet) for outlet in pushed]
        results = record_outlets(run, platform, outlets)
        for event in finish(
            context,
            run,
            stage,
            [key],
            results,
            guarded=True,
            extra=lambda _, outlet: last_pushes_table(run, platform, outlet),
        ):
            # an op of a graph has no MaterializeResult: its output becomes the asset's
            yield dg.Output(event.value) if isinstance(event, dg.MaterializeResult) else event

    @dg.graph_asset(
        key=key,
        ins={
            "price_feed": dg.AssetIn(
                key=dg.AssetKey([platform, "price_feed"]), dagster_type=dg.Nothing
            )
        },
        group_name=platform,
        description=f"What {title(platform)} has acknowledged, outlet by outlet. Made by a plan "
        "that is pushed and recorded; open the graph to see the three steps.",
        owners=OWNERS,
        kinds={platform},
        tags={"marketsync/stage": "listings"},
        metadata={"dagster/column_schema": columns.table_schema(columns.LISTINGS)},
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def listings(price_feed: Any) -> Any:
        return record(push(plan(price_feed)))

    policy = freshness(settings)
    return listings.map_asset_specs(lambda asset: asset.replace_attributes(freshness_policy=policy))


def forecast_metadata(accounts: "Sequence[AccountForecast]") -> dict[str, Any]:
    """The least calls and minutes of what is to go out, in all and by account."""
    from marketsync_dagster.stages.forecasting import total_of

    total = total_of(accounts)
    figures: dict[str, Any] = {"calls": total.calls, "minutes": total.minutes}
    return figures | ({"forecast": table([one.to_dict() for one in accounts])} if accounts else {})


def last_pushes_table(project: "Project", platform: str, outlet: str) -> dict[str, Any]:
    """The outlet's last pushes on the platform, newest first."""
    from marketsync_dagster.ledger.history import last_pushes

    rows = last_pushes(project.ledger, LAST_PUSHES, outlet=outlet, platform=platform)
    # what one looks for first; outlet and platform stand above the table
    shown = (
        "push_timestamp push_type item_count status response_code response_message created_by "
        "push_id"
    ).split()
    return (
        {"last_pushes": table([{name: row[name] for name in shown} for row in rows])}
        if rows
        else {}
    )
