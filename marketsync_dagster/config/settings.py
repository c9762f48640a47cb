"""The whole of marketsync.yaml: what may be said in it, and what holds when nothing is said.

The sections are `config.outlets`, `config.sources`, `config.accounts` and `config.channels`, and
can be imported from here. Rules over several sections are `config.rules`; reading the file is
`config.load`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, PrivateAttr, model_validator

from marketsync_dagster.config.accounts import (
    PLATFORMS,
    Account,
    AccountBase,
    MiraklAccount,
    PasonsAccount,
    PasonsAuth,
    PasonsRequest,
    PasonsResponse,
    PasonsStore,
    PasonsTest,
    QikinkAccount,
    Quota,
    Retry,
    SecretRef,
    Timeouts,
    TrackerAccount,
)
from marketsync_dagster.config.channels import (
    Channel,
    GuardSettings,
    MappingSettings,
    PricingSettings,
    StockSettings,
)
from marketsync_dagster.config.orders import (
    OWN_SHOP,
    POS,
    OrderSettings,
    OwnShop,
    PosDrop,
    Route,
)
from marketsync_dagster.config.outlets import COLUMNS, Defaults, ExtractSettings, Outlet
from marketsync_dagster.config.scalars import Cron, Name, Number, Section, Whole
from marketsync_dagster.config.sources import OutletRule, SourceSettings

__all__ = [
    "COLUMNS",
    "PLATFORMS",
    "Account",
    "AccountBase",
    "Alerts",
    "Channel",
    "Defaults",
    "ExtractSettings",
    "GuardSettings",
    "MappingSettings",
    "MiraklAccount",
    "OrderSettings",
    "Outlet",
    "OutletRule",
    "OwnShop",
    "PasonsAccount",
    "PasonsAuth",
    "PasonsRequest",
    "PasonsResponse",
    "PasonsStore",
    "PasonsTest",
    "PosDrop",
    "PricingSettings",
    "QikinkAccount",
    "Quota",
    "Retention",
    "Retry",
    "Route",
    "Schedules",
    "SecretRef",
    "Settings",
    "SourceSettings",
    "StockSettings",
    "Timeouts",
    "TrackerAccount",
]


class Schedules(Section):
    """When the jobs run once their schedules are switched on; null: no such schedule."""

    partial: Cron = "*/30 * * * *"
    full: Cron = "0 2 * * *"
    stock: Cron = "*/30 * * * *"
    products: Cron = "0 * * * *"
    orders: Cron = "*/15 * * * *"
    fulfil: Cron = "5-59/15 * * * *"
    """What was ordered: decided, sent where it is fulfilled, and told back."""
    mappings: Cron = "0 3 * * *"
    reconcile: Cron = "0 4 * * *"
    connections: Cron = "0 * * * *"
    retention: Cron = "30 4 * * *"


class Alerts(Section):
    """Who is told when something needs people, as apprise URLs, and after how long a silence."""

    targets: list[SecretRef] = Field(default_factory=list)
    no_success_hours: Number = Field(default=2, gt=0)
    when_over: bool = True
    """Whether people are told, too, when what they were told of has passed."""


class Retention(Section):
    """How long what grows is kept. What present listings, the guard and open decisions stand on
    stays, however old it is."""

    runs_days: Whole = Field(default=90, ge=1)
    """Dagster's runs with their events and logs, failures of outlets, alerts that are over."""
    api_calls_days: Whole = Field(default=30, ge=1)
    extracts_days: Whole = Field(default=90, ge=1)
    """Archived originals, and what was said of them."""
    events_days: Whole = Field(default=400, ge=1)
    """Changes of listings but the newest of each SKU, and the pushes that made them."""
    plans_days: Whole = Field(default=90, ge=1)
    """Plans that were not sent, and the rows of those that were."""
    ticks_days: Whole = Field(default=30, ge=1)
    """Ticks of schedules and sensors; what dagster.yaml says is at most as long."""
    personal_days: Whole = Field(default=180, ge=1)
    """Names, addresses, mails and phones of orders that have ended, and the raw orders."""
    backups: Whole = Field(default=14, ge=1)
    """How many of the ledger's backups in the project's own folder."""


class Settings(Section):
    """The whole of marketsync.yaml, and where it lies."""

    version: Literal[1]
    defaults: Defaults = Defaults()
    sources: dict[Name, SourceSettings] = Field(default_factory=dict)
    outlets: dict[Name, Outlet] = Field(min_length=1)
    accounts: dict[Name, Account] = Field(default_factory=dict)
    channels: list[Channel] = Field(default_factory=list)
    shops: dict[Name, OwnShop] = Field(default_factory=dict)
    routes: list[Route] = Field(default_factory=list)
    schedules: Schedules = Schedules()
    alerts: Alerts = Alerts()
    retention: Retention = Retention()
    lease_wait_s: Number = Field(default=60.0, ge=0)
    """How long a run waits for a channel that another run holds."""

    _file: Path = PrivateAttr(default=Path("marketsync.yaml"))
    _home: Path = PrivateAttr(default=Path(".marketsync"))

    @property
    def file(self) -> Path:
        """The file that this was read from, absolute."""
        return self._file

    @property
    def root(self) -> Path:
        """The folder that relative paths in the file start from."""
        return self._file.parent

    @property
    def home(self) -> Path:
        """The folder of everything that MarketSync writes: ledger, frames, archive."""
        return self._home

    def currency_of(self, outlet: str) -> str:
        return self.outlets[outlet].currency or self.defaults.currency

    def timezone_of(self, outlet: str) -> str:
        return self.outlets[outlet].timezone or self.defaults.timezone

    def source_of(self, outlet: str) -> SourceSettings | None:
        """The shared source of an outlet; None where it has a directory of its own."""
        return self.sources.get(self.outlets[outlet].extract.source)

    def platform_of(self, channel: Channel) -> str:
        return self.accounts[channel.account].platform

    def platforms(self) -> list[str]:
        """Platforms with at least one channel, in the order of `PLATFORMS`."""
        used = {self.platform_of(channel) for channel in self.channels}
        return [platform for platform in PLATFORMS if platform in used]

    def channels_of(self, platform: str) -> dict[str, Channel]:
        """Outlet -> its channel on `platform`; an outlet has at most one there."""
        return {c.outlet: c for c in self.channels if self.platform_of(c) == platform}

    def channel(self, outlet: str, platform: str) -> Channel | None:
        return self.channels_of(platform).get(outlet)

    def order_sources(self) -> dict[str, OrderSettings]:
        """Account or shop that brings orders -> how they are decided; accounts first."""
        found = {
            name: account.orders
            for name, account in self.accounts.items()
            if isinstance(account, MiraklAccount) and account.orders is not None
        }
        return found | {name: shop.orders for name, shop in self.shops.items()}

    def order_platform(self, source: str) -> str:
        """The platform of an account or shop that brings orders."""
        there = self.shops if source in self.shops else self.accounts
        return there[source].platform

    def order_platforms(self) -> list[str]:
        """Platforms that bring orders, in the order of `PLATFORMS`, own shops last."""
        used = {self.order_platform(source) for source in self.order_sources()}
        return [name for name in (*PLATFORMS, OWN_SHOP) if name in used]

    def destinations(self) -> list[str]:
        """Where orders can be sent: `pos` where an outlet has a drop, accounts that fulfil."""
        tills = any(outlet.orders is not None for outlet in self.outlets.values())
        fulfil = [name for name, one in self.accounts.items() if isinstance(one, QikinkAccount)]
        return [*([POS] if tills else []), *fulfil]

    def scope_of(self, account: str) -> str:
        """The catalog scope of an account: its `catalog`, else its own name."""
        return self.accounts[account].catalog or account

    @model_validator(mode="after")
    def _parts_fit_together(self) -> Self:
        from marketsync_dagster.config.rules import check_settings, note_secrets
        from marketsync_dagster.config.source_rules import take_over

        check_settings(self)
        take_over(self)
        note_secrets(self)
        return self
