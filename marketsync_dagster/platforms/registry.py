"""Which adapter belongs to which account, and what can be said of an account without opening it.

A platform is a folder of its name with a module `opening` (`Platform`). The only place that
resolves platform secrets: at the moment an account is opened, never before.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

from marketsync_dagster.config.accounts import Account
from marketsync_dagster.config.channels import Channel
from marketsync_dagster.config.secrets import Secrets
from marketsync_dagster.platforms.base import Adapter, Capabilities, Memory
from marketsync_dagster.platforms.fulfilling import FulfilCapabilities, Fulfiller
from marketsync_dagster.platforms.opening import Opening
from marketsync_dagster.platforms.ordering import OrderCapabilities, OrderSource
from marketsync_dagster.platforms.tokens import Tokens
from marketsync_dagster.values.errors import ConfigError

if TYPE_CHECKING:
    from marketsync_dagster.config.settings import Settings


class Platform(Protocol):
    """The module `opening` of a platform's folder; `account` is of the platform's own class.

    What it imports at its head is loaded with the code location: nothing that speaks HTTP.
    """

    def capabilities(self, account: Any) -> Capabilities:
        """What an account can do, by its configuration."""
        ...

    def target(self, account: Any, store_id: str | None) -> str:
        """What `target_of` says."""
        ...

    def opened(self, opening: Opening, account: Any) -> Adapter:
        """What `open_adapter` gives; raises as it does."""
        ...


class BringsOrders(Protocol):
    """The module `ordering` of the folder of a platform that brings orders; `configured` is its
    account, or its shop. As lean as `opening`."""

    def order_capabilities(self, configured: Any) -> OrderCapabilities:
        """What `order_capabilities_of` says."""
        ...

    def order_source(self, opening: Opening, configured: Any) -> OrderSource:
        """What `open_order_source` gives; raises as it does."""
        ...


class Fulfils(Protocol):
    """The module `fulfilling` of the folder of a platform that fulfils orders."""

    def fulfil_capabilities(self, account: Any) -> FulfilCapabilities:
        """What `fulfil_capabilities_of` says."""
        ...

    def fulfiller(self, opening: Opening, account: Any, tokens: Tokens) -> Fulfiller:
        """What `open_fulfiller` gives; raises as it does."""
        ...


def _platform(account: Account) -> Platform:
    return cast("Platform", import_module(f"{__package__}.{account.platform}.opening"))


def capabilities_of(account: Account) -> Capabilities:
    """What an account can do, by its platform and its configuration."""
    return _platform(account).capabilities(account)


def target_of(account: Account, store_id: str | None = None) -> str:
    """`platform|host/path|...`, then what else tells one place of a platform from another: the
    environment, the shop, the store where requests carry it. It changes when a channel comes to
    mean another place.

    Hosts of this machine come without their port.
    """
    return _platform(account).target(account, store_id)


def target_of_channel(settings: Settings, channel: Channel) -> str:
    """The `target_of` what this channel writes."""
    return target_of(settings.accounts[channel.account], channel.store_id)


def catalog_scope(settings: Settings, account: str) -> str:
    """The name under which an account's platform catalogue is kept, its own unless shared."""
    return settings.scope_of(account)


def open_adapter(
    settings: Settings,
    account: str,
    *,
    channel: Channel | None,
    secrets: Secrets,
    memory: Memory | None = None,
    tokens: Tokens | None = None,
) -> Adapter:
    """The adapter of an account, to be used as `async with open_adapter(...) as adapter`.

    `channel` says which outlet is written; without one (reading, testing) the account's first
    channel is taken. `memory` keeps what a platform may be asked for rarely, `tokens` the access
    tokens that all processes share. Secrets are resolved here; where keys overlap in time the
    adapter goes over to an older one if the platform refuses the newest. ConfigError where the
    account does not exist, a secret is not set or is of the wrong kind, or where writing would
    overwrite another outlet.
    """
    configured = settings.accounts.get(account)
    if configured is None:
        raise ConfigError(f"there is no account {account} in {settings.file.name}")
    if channel is None:
        channel = next((c for c in settings.channels if c.account == account), None)
    opening = Opening(settings, account, channel, secrets, memory, tokens)
    return _platform(configured).opened(opening, configured)


def order_capabilities_of(settings: Settings, source: str) -> OrderCapabilities:
    """What the source of orders, an account or a shop, can be told."""
    return _brings_orders(settings, source).order_capabilities(_configured(settings, source))


def open_order_source(settings: Settings, source: str, *, secrets: Secrets) -> OrderSource:
    """An account or shop that brings orders, to be used as `async with`. ConfigError where it is
    none, or a secret is not set."""
    if source not in settings.order_sources():
        raise ConfigError(
            f"{source} brings no orders",
            f"accounts.{source}.orders says how they are decided",
        )
    opening = Opening(settings, source, None, secrets)
    return _brings_orders(settings, source).order_source(opening, _configured(settings, source))


def fulfil_capabilities_of(settings: Settings, destination: str) -> FulfilCapabilities:
    """What an account that fulfils orders can do."""
    account = settings.accounts[destination]
    return _fulfils(account).fulfil_capabilities(account)


def open_fulfiller(
    settings: Settings, destination: str, *, secrets: Secrets, tokens: Tokens
) -> Fulfiller:
    """An account that fulfils orders, to be used as `async with`. ConfigError where it is none, or
    a secret is not set."""
    account = settings.accounts.get(destination)
    if account is None or destination not in settings.destinations():
        raise ConfigError(f"{destination} fulfils no orders")
    opening = Opening(settings, destination, None, secrets, tokens=tokens)
    return _fulfils(account).fulfiller(opening, account, tokens)


def _configured(settings: Settings, source: str) -> Any:
    return settings.shops[source] if source in settings.shops else settings.accounts[source]


def _brings_orders(settings: Settings, source: str) -> BringsOrders:
    name = f"{__package__}.{settings.order_platform(source)}.ordering"
    return cast("BringsOrders", import_module(name))


def _fulfils(account: Account) -> Fulfils:
    return cast("Fulfils", import_module(f"{__package__}.{account.platform}.fulfilling"))
