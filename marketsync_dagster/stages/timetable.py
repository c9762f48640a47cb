"""Which schedules an account's quota cannot carry: they fire oftener than their runs can be made.

Counted is what is certain. A full push sends every row of the stored feeds, and where there are
none yet one row of each channel; so does a push of changes, which may be few. Only channels that a
schedule would push count. A tick is skipped while the run before it is at work, so nothing breaks:
the platform is only told later than the schedule says.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from marketsync_dagster.config.cron import least_gap
from marketsync_dagster.platforms.base import ImportKind
from marketsync_dagster.platforms.registry import capabilities_of
from marketsync_dagster.push.forecast import Forecast, forecast_account, loads_of
from marketsync_dagster.stages.feed import feed_key
from marketsync_dagster.stages.mapping import platform_catalog_key
from marketsync_dagster.values.words import counted

if TYPE_CHECKING:
    from marketsync_dagster.catalog.frames import FrameStore
    from marketsync_dagster.config.problems import At
    from marketsync_dagster.config.settings import Account, Channel, Settings
    from marketsync_dagster.platforms.base import Capabilities

JOBS = {
    "partial": "partial_sync",
    "full": "full_sync",
    "stock": "stock_sync",
    "products": "product_sync",
    "orders": "pull_orders",
    "mappings": "refresh_mappings",
    "reconcile": "reconcile",
    "connections": "test_connections",
}
"""Key in `schedules` -> the job that it starts; those that make calls."""


@dataclass(frozen=True, slots=True)
class Overload:
    """A schedule, or several of one account together, that the quota cannot carry."""

    at: At
    """Its path in marketsync.yaml."""
    message: str


@dataclass(frozen=True, slots=True)
class _Run:
    """What each run of a schedule takes of one account."""

    schedule: str
    account: str
    at: At
    every_s: int
    calls: int
    loads: dict[str, float] = field(default_factory=dict)
    """Seconds that it uses up, by family of calls; the account's quota has the empty name."""

    @property
    def needs_s(self) -> float:
        return max(self.loads.values(), default=0.0)

    @property
    def bound(self) -> str:
        """What bounds it most: a family of calls, or nothing for the quota."""
        return max(self.loads, key=self.loads.__getitem__, default="")


def overloads(settings: Settings, frames: FrameStore) -> list[Overload]:
    """Every schedule of the configuration that cannot be carried, with what to do about it."""
    runs = list(_runs(settings, frames))
    found: list[Overload] = []
    alone: set[str] = set()
    places: dict[At, list[_Run]] = defaultdict(list)
    for run in runs:
        if run.needs_s > run.every_s:
            places[run.at].append(run)
            alone.add(run.account)
    for at, there in places.items():
        worst = max(there, key=lambda run: run.needs_s / run.every_s)
        found.append(Overload(at, _alone(worst, settings, len(there) - 1)))
    for account in settings.accounts:
        if account not in alone:
            found += _together([run for run in runs if run.account == account], settings)
    return found


def _runs(settings: Settings, frames: FrameStore) -> Iterator[_Run]:
    """Each schedule with each account that its runs call."""
    for name, account in settings.accounts.items():
        channels = [channel for channel in settings.channels if channel.account == name]
        for schedule in JOBS:
            own = account.schedules
            at: At = ("schedules", schedule)
            cron: str | None = getattr(settings.schedules, schedule)
            if schedule in own:
                at, cron = ("accounts", name, "schedules", schedule), own[schedule]
            if cron is None:
                continue
            made = _calls(settings, frames, schedule, name, channels)
            if made.calls:
                loads = loads_of(made.families, capabilities_of(account), account.quota)
                yield _Run(schedule, name, at, least_gap(cron) * 60, made.calls, loads)


def _calls(
    settings: Settings, frames: FrameStore, schedule: str, name: str, channels: Sequence[Channel]
) -> Forecast:
    """The least calls of one run of a schedule to one account."""
    account = settings.accounts[name]
    can, platform = capabilities_of(account), account.platform
    if schedule == "connections":
        return Forecast({"": 1})
    if schedule == "orders":
        return Forecast({"": 1} if can.orders and channels else {})
    if schedule == "mappings":
        pages = _catalog_pages(settings, frames, name, can) if channels else 0
        return Forecast({"": pages} if pages else {})
    rows = {
        channel.outlet: _rows(frames, platform, channel.outlet)
        for channel in channels
        if channel.push_enabled
    }
    if schedule == "reconcile":
        return Forecast(_read_back(account, can, list(rows.values())))
    if schedule == "products":
        if can.push_products:
            return Forecast({"": len(rows)})
        return _pushed([1] * len(rows) if can.offer_details else [], ImportKind.OFFERS, account)
    pushed = [rows[channel.outlet] for channel in channels if channel.outlet in rows
              and channel.auto_push]  # fmt: skip
    if schedule == "full":
        return _pushed(pushed, ImportKind.OFFERS, account)
    kind = ImportKind.OFFERS
    if schedule == "stock" and can.stock_import:
        kind = ImportKind.STOCK
    elif schedule == "partial" and can.price_import:
        kind = ImportKind.PRICES
    return _pushed([1] * len(pushed), kind, account)


def _pushed(rows: Sequence[int], kind: ImportKind, account: Account) -> Forecast:
    """What it takes to send so many rows of each channel."""
    can = capabilities_of(account)
    name = kind.value if can.async_import else ""
    return forecast_account([{name: count} for count in rows], can, account.quota)


def _rows(frames: FrameStore, platform: str, outlet: str) -> int:
    """The rows of a channel's stored feed; 1 where there is none yet."""
    stamp = frames.stamp(feed_key(platform), outlet)
    return 1 if stamp is None else stamp.rows


def _catalog_pages(settings: Settings, frames: FrameStore, name: str, can: Capabilities) -> int:
    """The pages of what the platform lists, which are read once for all accounts of a scope."""
    scope = settings.scope_of(name)
    first = next(one for one in settings.accounts if settings.scope_of(one) == scope)
    if not can.read_catalog or first != name:
        return 0
    stamp = frames.stamp(platform_catalog_key(settings.accounts[name].platform), scope)
    return 1 if stamp is None else max(1, -(-stamp.rows // can.page_items))


def _read_back(account: Account, can: Capabilities, rows: Sequence[int]) -> dict[str, int]:
    """Family -> calls of reading what the platform shows."""
    listed = sum(rows)
    if not listed:
        return {}
    if can.list_shown:
        return {"": -(-listed // can.page_items)}
    if not can.read_prices:
        return {}
    most = account.reconcile.most
    return {"": sum(rows) if most is None else sum(min(most, count) for count in rows)}


# --- words ---------------------------------------------------------------------------------------


def _alone(run: _Run, settings: Settings, others: int) -> str:
    more = "" if not others else f" (and of {counted(others, 'other account')})"
    return (
        f"{JOBS[run.schedule]} makes at least {counted(run.calls, 'call')} of the account "
        f"{run.account}{more}, which take {_span(run.needs_s)}, and it fires every "
        f"{_span(run.every_s)}: {_advice(run, settings)}"
    )


def _together(runs: Sequence[_Run], settings: Settings) -> Iterator[Overload]:
    """Schedules of one account that can be carried one by one, and not side by side."""
    shares: dict[str, dict[str, float]] = defaultdict(dict)
    for run in runs:
        for name, seconds in run.loads.items():
            shares[name][run.schedule] = seconds / run.every_s
    for name, of_schedules in shares.items():
        total = sum(of_schedules.values())
        if total <= 1:
            continue
        heaviest = sorted(of_schedules, key=of_schedules.__getitem__, reverse=True)
        runs_of = {run.schedule: run for run in runs}
        account = runs_of[heaviest[0]].account
        said = ", ".join(
            f"{JOBS[one]} {counted(runs_of[one].calls, 'call')} every {_span(runs_of[one].every_s)}"
            for one in heaviest
            if of_schedules[one] >= 0.01
        )
        at = runs_of[heaviest[0]].at
        yield Overload(
            at,
            f"the schedules take {math.ceil(total * 100)}% of what the account {account} may call "
            f"({said}): {_advice(runs_of[heaviest[0]], settings, name)}",
        )


def _advice(run: _Run, settings: Settings, bound: str | None = None) -> str:
    """What can be done, beginning with what always helps."""
    bound = run.bound if bound is None else bound
    steps = ["let it fire less often"]
    if bound:
        steps.append(f"see accounts.{run.account}.calls.{bound}_s, if the platform allows more")
    else:
        steps.append(f"raise accounts.{run.account}.quota.per_minute, if the plan allows more")
    if (
        run.schedule == "reconcile"
        and not capabilities_of(settings.accounts[run.account]).list_shown
    ):
        steps.append(f"set accounts.{run.account}.reconcile.most")
    elif run.schedule == "full" or not bound:
        channels = [one for one in settings.channels if one.account == run.account]
        if len(channels) > 1:
            steps.append("give the account fewer channels")
    return ", or ".join(steps)


def _span(seconds: float) -> str:
    """`61 seconds`, `31 minutes`; never less than it is."""
    whole = math.ceil(round(seconds, 3))
    return counted(whole, "second") if whole < 180 else counted(-(-whole // 60), "minute")
