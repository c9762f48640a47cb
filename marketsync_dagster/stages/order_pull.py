"""The stage `orders/<platform>_orders`: the orders of every account, or shop, of one platform.

Each source is pulled by itself under its lease; one that cannot be reached does not stop the
others.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Callable, Collection, Iterator, Sequence

from sqlalchemy import select

from marketsync_dagster.config.accounts import AccountBase, MiraklAccount
from marketsync_dagster.config.settings import OwnShop
from marketsync_dagster.ledger.orders import sources_in
from marketsync_dagster.ledger.sql import is_one_of
from marketsync_dagster.ledger.tables import listing
from marketsync_dagster.orders.forgetting import forget_again
from marketsync_dagster.orders.intake import Intake
from marketsync_dagster.orders.pacing import FIRST_PAGE, PullPace
from marketsync_dagster.orders.points import Observer, unobserved
from marketsync_dagster.orders.pull import Pulled, Puller, Wanted
from marketsync_dagster.orders.resolve import Resolver
from marketsync_dagster.platforms.base import PlatformError
from marketsync_dagster.platforms.registry import open_order_source
from marketsync_dagster.push.pacing import Pacer
from marketsync_dagster.stages import project as driver
from marketsync_dagster.stages.catalog import CATALOG_KEY
from marketsync_dagster.stages.holding import Held, Holding
from marketsync_dagster.stages.project import Project, StageResult
from marketsync_dagster.values.errors import Busy
from marketsync_dagster.values.times import to_iso, utcnow
from marketsync_dagster.values.words import counted

Tell = Callable[[str, int, int], object]
"""(source, orders so far, orders that there are)."""


def stage_of(platform: str) -> str:
    """The stage's name in the ledger."""
    return f"orders_{platform}_orders"


def lease_of(source: str) -> str:
    """The lease of who pulls a source."""
    return f"pull {source}"


def sources_of(project: Project, platform: str) -> list[str]:
    """Accounts or shops of a platform that bring orders."""
    settings = project.settings
    return [name for name in settings.order_sources() if settings.order_platform(name) == platform]


def pull_orders(
    project: Project,
    platform: str,
    *,
    since: str = "",
    states: Collection[str] = (),
    limit: int | None = None,
    tell: Tell = lambda _source, _done, _total: None,
    observe: Observer = unobserved,
) -> list[StageResult]:
    """Pull every source of a platform; one result for each, with the source in place of the outlet.

    `since` (ISO time) and `states` as `orders.pull.Wanted` has them; `limit` bounds the new and
    changed orders that are kept of each source.
    """
    stage, wanted = stage_of(platform), Wanted(since, tuple(states), limit)
    results: list[StageResult] = []
    for source in sources_of(project, platform):
        try:
            with _garbage_of_its_own():
                result = asyncio.run(_pull(project, platform, source, wanted, tell, observe))
        except Exception as error:  # noqa: BLE001 - one bad source must not stop the others
            result = driver.failure(stage, source, error)
        results.append(result)
    driver.record(project, stage, results)
    return results


@contextlib.contextmanager
def _garbage_of_its_own() -> Iterator[None]:
    """Meanwhile the collector looks for garbage among what is new alone: documents come and go by
    the ten thousands, and each time it would go through all of the process."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


async def _pull(
    project: Project,
    platform: str,
    source: str,
    wanted: Wanted,
    tell: Tell,
    observe: Observer,
) -> StageResult:
    holding = Holding(project, platform)
    with holding.signals():
        async with contextlib.AsyncExitStack() as stack:
            patience_s = project.settings.lease_wait_s
            try:
                held = await stack.enter_async_context(holding.lease(lease_of(source), patience_s))
            except Busy as busy:
                return StageResult(source, True, "busy", busy.message, busy.next_step)
            return await _pull_held(project, platform, source, wanted, tell, observe, held)


async def _pull_held(
    project: Project,
    platform: str,
    source: str,
    wanted: Wanted,
    tell: Tell,
    observe: Observer,
    held: Held,
) -> StageResult:
    settings = project.settings
    shop = settings.shops.get(source)
    began = to_iso(utcnow())
    pace = None if shop else await _pace(project, source, held)
    reader = await asyncio.to_thread(open_order_source, settings, source, secrets=project.secrets)
    intake = Intake(
        project.ledger,
        reader,
        source,
        platform,
        resolver_of(project),
        by=source,
        prefix=shop.prefix if isinstance(shop, OwnShop) else None,
        observe=observe,
        gone=await asyncio.to_thread(_gone, project, platform),
    )
    puller = Puller(
        reader,
        intake,
        settings.order_sources()[source],
        wanted,
        pace=pace,
        go_on=lambda: held.holds() and not held.stop.event.is_set(),
        tell=lambda done, total: tell(source, done, total),
    )
    async with reader:
        try:
            pulled = await puller.run()
        except PlatformError as error:
            bad = driver.failure(stage_of(platform), source, error)
            return StageResult(
                source, False, bad.state, bad.reason, bad.next_step, puller.result.numbers()
            )
        finally:
            if shop is not None:  # its files were put away as they came
                forget_again(project.ledger, settings, source, began)
    return _result(source, pulled, held)


def _gone(project: Project, platform: str) -> frozenset[str]:
    """Sources that orders of the platform came from, and that are not configured any more."""
    with project.ledger.read() as conn:
        there = sources_in(conn, platform)
    return there - project.settings.order_sources().keys()


def _result(source: str, pulled: Pulled, held: Held) -> StageResult:
    numbers = pulled.numbers()
    if held.stop.event.is_set() or not held.holds():
        words = held.stop.reason or "its lease was lost"
        step = "run pull_orders again: it goes on where it stopped"
        return StageResult(source, False, "interrupted", words, step, numbers)
    news = numbers["created"] + numbers["updated"] + numbers["failed"]
    reason, step = "", ""
    if pulled.unreadable:
        reason = f"{counted(pulled.unreadable, 'order')} cannot be read; what came is kept"
        step = "marketsync orders tasks"
    return StageResult(source, True, "done" if news else "unchanged", reason, step, numbers)


async def _pace(project: Project, source: str, held: Held) -> PullPace:
    account: AccountBase = project.settings.accounts[source]
    intervals = {}
    if isinstance(account, MiraklAccount):
        intervals = {FIRST_PAGE: account.calls.orders_s}
    pacer = Pacer(
        project.ledger,
        source,
        account.quota,
        held.stop,
        intervals,
        patience_s=account.retry.budget_s,
    )
    await pacer.open()
    return PullPace(pacer)


def resolver_of(project: Project) -> Resolver:
    """Finds products of lines among those of the outlets' catalogs, and what was ever listed."""
    catalogs: dict[str, frozenset[str]] = {}

    def known(outlet: str, skus: Collection[str]) -> Collection[str]:
        if outlet not in catalogs:
            catalogs[outlet] = _catalog(project, outlet)
        there = {sku for sku in skus if sku in catalogs[outlet]}
        missing = sorted(set(skus) - there)
        return there | _listed(project, outlet, missing) if missing else there

    return Resolver(project.settings, known)


def _catalog(project: Project, outlet: str) -> frozenset[str]:
    if project.frames.stamp(CATALOG_KEY, outlet) is None:
        return frozenset()
    return frozenset(project.frames.columns_of(CATALOG_KEY, outlet, ("sku",))["sku"].tolist())


def _listed(project: Project, outlet: str, skus: Sequence[str]) -> set[str]:
    query = (
        select(listing.c.sku)
        .where(listing.c.outlet == outlet, is_one_of(project.ledger.dialect, listing.c.sku, skus))
        .distinct()
    )
    with project.ledger.read() as conn:
        return set(conn.execute(query).scalars())
