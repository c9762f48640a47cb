"""Orders: pulled from their sources, kept in one book, forwarded to where they are fulfilled, and
told back to their sources.

What happens at each stage belongs to `stages`; nothing personal is ever metadata.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import dagster as dg

from marketsync_dagster.assets import columns
from marketsync_dagster.assets.pos import CATALOG
from marketsync_dagster.assets.running import Event, finish, open_run, say
from marketsync_dagster.assets.specs import spec, title
from marketsync_dagster.assets.tables import table
from marketsync_dagster.config.accounts import QikinkAccount
from marketsync_dagster.config.orders import OWN_SHOP, POS
from marketsync_dagster.resources.boundary import guarded
from marketsync_dagster.resources.options import OrderOptions, PullOptions, RunOptions
from marketsync_dagster.resources.project import ProjectResource

if TYPE_CHECKING:
    from marketsync_dagster.config.settings import Settings
    from marketsync_dagster.stages.project import Project, StageResult

GROUP = "orders"
SHOWN = 20
"""Orders that are shown beside an outlet."""
ORDER_BOOK = dg.AssetKey([GROUP, "order_book"])
FULFILMENTS = dg.AssetKey([GROUP, "qikink_fulfilments"])
DROPS = dg.AssetKey([GROUP, "pos_drops"])
PRODUCTS = dg.AssetKey(["qikink", "products"])

Work = Callable[["Project", Sequence[str], int | None, Callable[[str], None]], "list[StageResult]"]
"""A stage over outlets: the project, outlets, how many orders at most, who is told how it goes."""


def orders_key(platform: str) -> dg.AssetKey:
    """What a platform brings."""
    return dg.AssetKey([GROUP, f"{platform}_orders"])


def updates_key(platform: str) -> dg.AssetKey:
    """What a platform is told."""
    return dg.AssetKey([GROUP, f"{platform}_updates"])


def place_keys(settings: "Settings") -> list[dg.AssetKey]:
    """Where orders are fulfilled, as far as the configuration has such places."""
    destinations = settings.destinations()
    fulfilments = [FULFILMENTS] if any(name != POS for name in destinations) else []
    return [*fulfilments, *([DROPS] if POS in destinations else [])]


def order_assets(
    settings: "Settings", partitions: dg.StaticPartitionsDefinition
) -> list[dg.AssetsDefinition]:
    """The assets of orders; none where no account and no shop brings any."""
    platforms = settings.order_platforms()
    if not platforms:
        return []
    assets = [_pulled(platform, settings) for platform in platforms]
    assets.append(_book(platforms, partitions))
    places = place_keys(settings)
    if FULFILMENTS in places:
        assets.append(_fulfilments(partitions))
    if DROPS in places:
        assets.append(_drops(partitions))
    return assets + [
        _updates(platform, places or [ORDER_BOOK], partitions) for platform in platforms
    ]


def fulfiller_products(
    settings: "Settings", partitions: dg.StaticPartitionsDefinition
) -> list[dg.AssetsDefinition]:
    """`qikink/products`, where an account tells Qikink of products."""
    accounts = [one for one in settings.accounts.values() if isinstance(one, QikinkAccount)]
    if not any(account.products is not None for account in accounts):
        return []
    stage = "_".join(PRODUCTS.path)

    @dg.multi_asset(
        name=stage,
        specs=[
            spec(
                PRODUCTS.path[0],
                PRODUCTS.path[1],
                "The products that Qikink makes, as it is told of them: name, price, stock, "
                "manufacturer and origin; what has not changed is not told again.",
                columns.PRODUCTS,
                kinds={"qikink"},
                deps=[CATALOG],
                partitions=partitions,
            )
        ],
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    @guarded
    def products(
        context: dg.AssetExecutionContext, project: ProjectResource, options: RunOptions
    ) -> Iterator[Event]:
        from marketsync_dagster.stages.qikink_products import push_products

        run = open_run(context, project, options)
        outlets = list(context.partition_keys)
        results = push_products(run, outlets, options.plan_options(context.run.tags))
        yield from finish(context, run, stage, [PRODUCTS], results)

    return [products]


def _pulled(platform: str, settings: "Settings") -> dg.AssetsDefinition:
    key = orders_key(platform)
    stage = "_".join(key.path)
    sources = [
        name for name in settings.order_sources() if settings.order_platform(name) == platform
    ]
    whose = (
        "the files that they drop" if platform == OWN_SHOP else "every change since the last pull"
    )

    @dg.multi_asset(
        name=stage,
        specs=[
            spec(
                GROUP,
                key.path[-1],
                f"The orders of {title(platform)} ({', '.join(sources)}): {whose}, each kept as it "
                "came before anything is made of it. Pulled by account, then split by outlet.",
                columns.ORDERS,
                kinds={platform},
            ).replace_attributes(
                metadata={"dagster/column_schema": columns.table_schema(columns.ORDERS)}
            )
        ],
    )
    @guarded
    def pulled(
        context: dg.AssetExecutionContext,
        project: ProjectResource,
        order_options: OrderOptions,
        pull_options: PullOptions,
    ) -> Iterator[dg.MaterializeResult[Any]]:
        from marketsync_dagster.stages.order_pull import pull_orders

        run = open_run(context, project, order_options)
        result = pull_orders(
            run,
            platform,
            since=pull_options.pull_since(run.settings.defaults.timezone),
            states=pull_options.order_states,
            limit=order_options.most(),
            tell=partial(say, stage),
        )
        yield from _of_sources(key, stage, result)

    return pulled


def _of_sources(
    key: dg.AssetKey, stage: str, results: "Sequence[StageResult]"
) -> Iterator[dg.MaterializeResult[Any]]:
    """The sum over sources as metadata, and each of them in a table.

    Materialized even if none was reached: the book goes on with what the other platforms brought.
    The check `every_source` makes the run red.
    """
    good = [one for one in results if one.ok]
    say(stage, "", len(good), len(results))
    numbers: dict[str, int | float] = {}
    for one in results:
        for name, number in one.numbers.items():
            numbers[name] = numbers.get(name, 0) + number
    rows = [
        {
            "source": one.outlet,
            "state": one.state,
            **{name: int(number) for name, number in one.numbers.items()},
            "reason": one.reason,
            "next_step": one.next_step,
        }
        for one in results
    ]
    facts = {"read_sources": len(good), "bad_sources": len(results) - len(good), **numbers}
    yield dg.MaterializeResult(asset_key=key, metadata={**facts, "sources": table(rows)})


def _over_outlets(
    key: dg.AssetKey,
    description: str,
    schema: columns.FrameColumns,
    kinds: set[str],
    deps: Sequence[dg.AssetKey],
    partitions: dg.StaticPartitionsDefinition,
    work: Work,
    more: "Callable[[Project, str], dict[str, Any]] | None" = None,
) -> dg.AssetsDefinition:
    """An asset of orders by outlet; what it stands for is in the ledger.

    Where no outlet came through, all are handed on as they are, with the reason: a failed step
    would keep what other destinations did from being told. The asset's checks make the run red.
    """
    stage = "_".join(key.path)

    @dg.multi_asset(
        name=stage,
        specs=[
            spec(
                GROUP,
                key.path[-1],
                description,
                schema,
                kinds=kinds,
                deps=deps,
                partitions=partitions,
            )
        ],
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    @guarded
    def asset(
        context: dg.AssetExecutionContext, project: ProjectResource, order_options: OrderOptions
    ) -> Iterator[Event]:
        run = open_run(context, project, order_options)
        results = work(
            run,
            list(context.partition_keys),
            order_options.most(),
            lambda words: say(stage, words, 0, 0),
        )
        if not any(one.ok for one in results):
            results = [replace(one, ok=True) for one in results]
        said = more or (lambda _, __: {})
        yield from finish(
            context,
            run,
            stage,
            [key],
            results,
            extra=lambda _, outlet: said(run, outlet),
        )

    return asset


def _book(platforms: list[str], partitions: dg.StaticPartitionsDefinition) -> dg.AssetsDefinition:
    def work(
        run: "Project", outlets: Sequence[str], limit: int | None, tell: Callable[[str], None]
    ) -> "list[StageResult]":
        from marketsync_dagster.stages.order_book import keep_book

        return keep_book(run, outlets, limit=limit, tell=tell)

    return _over_outlets(
        ORDER_BOOK,
        "Every order line of an outlet and where it stands: one state machine for all sources. "
        "Lines are mapped to SKUs, orders accepted, refused or held by rule, and their sources "
        "told so; what is held says why and names the command that goes on.",
        columns.ORDER_BOOK,
        {"sqlalchemy"},
        [*map(orders_key, platforms), CATALOG],
        partitions,
        work,
        _waiting,
    )


def _fulfilments(partitions: dg.StaticPartitionsDefinition) -> dg.AssetsDefinition:
    return _forwards(
        FULFILMENTS,
        "qikink",
        "Orders, or some of their lines, at Qikink, which prints on demand: handed over once, "
        "looked up where an answer was lost, followed until they are delivered.",
        "qikink",
        partitions,
    )


def _drops(partitions: dg.StaticPartitionsDefinition) -> dg.AssetsDefinition:
    return _forwards(
        DROPS,
        "pos",
        "Orders, or some of their lines, for the till of their outlet: a file each, dropped once, "
        "and the till's answers.",
        "file",
        partitions,
    )


def _forwards(
    key: dg.AssetKey,
    destinations: Literal["qikink", "pos"],
    description: str,
    kind: str,
    partitions: dg.StaticPartitionsDefinition,
) -> dg.AssetsDefinition:
    """What has gone to the destinations of one kind."""

    def work(
        run: "Project", outlets: Sequence[str], limit: int | None, tell: Callable[[str], None]
    ) -> "list[StageResult]":
        from marketsync_dagster.stages.order_fulfilment import fulfil

        return fulfil(run, destinations, outlets, limit=limit, tell=tell)

    return _over_outlets(key, description, columns.FORWARDS, {kind}, [ORDER_BOOK], partitions, work)


def _updates(
    platform: str, places: Sequence[dg.AssetKey], partitions: dg.StaticPartitionsDefinition
) -> dg.AssetsDefinition:
    def work(
        run: "Project", outlets: Sequence[str], limit: int | None, tell: Callable[[str], None]
    ) -> "list[StageResult]":
        from marketsync_dagster.stages.order_updates import tell_sources

        return tell_sources(run, platform, outlets, limit=limit, tell=tell)

    return _over_outlets(
        updates_key(platform),
        f"What {title(platform)} {'are' if platform == OWN_SHOP else 'is'} told of "
        f"{'their' if platform == OWN_SHOP else 'its'} orders: carrier and tracking, parcels, "
        "cancellations, refunds; each thing once, and verified where an answer was lost.",
        columns.UPDATES,
        {platform},
        list(places),
        partitions,
        work,
    )


def _waiting(project: "Project", outlet: str) -> dict[str, Any]:
    """The orders of an outlet that wait for people, the longest first."""
    from marketsync_dagster.stages.order_waiting import waiting_orders

    rows = waiting_orders(project, outlet, SHOWN)
    return {"waiting": table(rows)} if rows else {}
