"""What the plans of a run take of their accounts: `push.forecast`, as the configuration has it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from marketsync_dagster.ledger.plans import get_plan, plans
from marketsync_dagster.platforms.registry import capabilities_of
from marketsync_dagster.push.forecast import Forecast, Rows, forecast_account, rows_by_kind
from marketsync_dagster.push.plan import rows_from_parquet
from marketsync_dagster.values.outcomes import Disposition

if TYPE_CHECKING:
    import pandas as pd

    from marketsync_dagster.config.settings import Settings
    from marketsync_dagster.ledger.engine import Ledger
    from marketsync_dagster.ledger.plans import PlanRecord
    from marketsync_dagster.push.plan import Plan
    from marketsync_dagster.stages.channel_run import ChannelRun


MANY = 10_000
"""Approved plans that are looked at, at most."""


@dataclass(frozen=True, slots=True)
class AccountForecast:
    """What the channels of one account take in one run, together."""

    account: str
    platform: str
    channels: int
    rows: int
    forecast: Forecast

    @property
    def words(self) -> str:
        """`bestbuy: 12 calls, about 11 minutes`."""
        return f"{self.account}: {self.forecast.words}"

    def to_dict(self) -> dict[str, Any]:
        """The keys of `accounts` in `plan --json`."""
        return {
            "account": self.account,
            "platform": self.platform,
            "channels": self.channels,
            "rows": self.rows,
            **self.forecast.to_dict(),
        }


def of_rows(settings: Settings, account: str, rows: pd.DataFrame) -> Forecast:
    """What it takes to send these rows of a plan, alone; nothing where there is no such account."""
    known = settings.accounts.get(account)
    if known is None:
        return Forecast()
    can = capabilities_of(known)
    return forecast_account([rows_by_kind(rows, can)], can, known.quota)


def of_plan(settings: Settings, plan: Plan) -> Forecast:
    """What the plan of one channel takes, alone; one that is held, once it is approved."""
    return of_rows(settings, plan.base.account, plan.rows if plan.held else plan.to_send)


def of_record(settings: Settings, plan: PlanRecord) -> Forecast:
    """The same of a plan that was kept and is still to go out."""
    if plan.state not in ("planned", "held", "approved"):
        return Forecast()
    return of_rows(settings, plan.account, _goes_out(plan))


def _goes_out(plan: PlanRecord) -> pd.DataFrame:
    rows = rows_from_parquet(plan.rows, ("disposition", "import_kind"))
    if plan.state == "held":
        return rows
    return rows[rows["disposition"] == Disposition.SENT.value]


def sends_of(settings: Settings, plan: Plan, *, approved: bool = False) -> dict[str, int]:
    """Import kind (empty: without imports) -> rows of a plan that go out now; `approved`: or would,
    if a plan that is held were approved."""
    if plan.held and not approved:
        return {}
    return rows_by_kind(
        plan.rows if plan.held else plan.to_send,
        capabilities_of(settings.accounts[plan.base.account]),
    )


def sends_of_record(settings: Settings, plan: PlanRecord) -> dict[str, int]:
    """The same of a plan that was kept, and approved."""
    return rows_by_kind(_goes_out(plan), capabilities_of(settings.accounts[plan.account]))


def of_approved(settings: Settings, ledger: Ledger, account: str) -> AccountForecast | None:
    """What the approved plans of an account take together, in one run; None: none waits."""
    waiting = plans(ledger, states=("approved",), limit=MANY)
    sends = [
        (account, sends_of_record(settings, get_plan(ledger, one.id)))
        for one in waiting
        if one.account == account
    ]
    return next(iter(of_accounts(settings, sends)), None)


def of_accounts(settings: Settings, sends: Iterable[tuple[str, Rows]]) -> list[AccountForecast]:
    """What each account takes for the rows of its channels, `(account, rows)`, in one run; only
    accounts that are called, in the order of the configuration."""
    channels: dict[str, list[Rows]] = {}
    for account, rows in sends:
        if any(rows.values()):
            channels.setdefault(account, []).append(rows)
    found: list[AccountForecast] = []
    for name, account in settings.accounts.items():
        if name in channels:
            there = channels[name]
            made = forecast_account(there, capabilities_of(account), account.quota)
            rows = sum(sum(one.values()) for one in there)
            found.append(AccountForecast(name, account.platform, len(there), rows, made))
    return found


def of_runs(settings: Settings, platform: str, runs: Iterable[ChannelRun]) -> list[AccountForecast]:
    """What is about to go out of the channels of a platform, by account."""
    channels = settings.channels_of(platform)
    sends = [(channels[run.outlet].account, run.sends) for run in runs if run.goes_out]
    return of_accounts(settings, sends)


def total_of(accounts: Iterable[AccountForecast]) -> Forecast:
    """All accounts together: their calls, and the time of the slowest; they do not wait for each
    other."""
    families: Counter[str] = Counter()
    slowest = 0.0
    for one in accounts:
        families.update(one.forecast.families)
        slowest = max(slowest, one.forecast.seconds)
    return Forecast(dict(families), slowest)
