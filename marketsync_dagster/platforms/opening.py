"""What opening an account has in common on all platforms: what is at hand, keys that overlap,
addresses, the words for where a key comes from.

A platform's own part is the module `opening` of its folder; `platforms.registry` says what of it is
called when.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from marketsync_dagster import __version__
from marketsync_dagster.config.accounts import AccountBase, SecretRef
from marketsync_dagster.config.channels import Channel
from marketsync_dagster.config.secrets import Secrets
from marketsync_dagster.platforms.base import Adapter, Memory
from marketsync_dagster.platforms.ordering import OrderSource
from marketsync_dagster.platforms.overlap import OverlapAdapter
from marketsync_dagster.platforms.overlap_orders import OverlapSource
from marketsync_dagster.platforms.tokens import Tokens
from marketsync_dagster.platforms.urls import place_of
from marketsync_dagster.values.errors import ConfigError

if TYPE_CHECKING:
    from marketsync_dagster.config.settings import Settings
    from marketsync_dagster.platforms.http import Transport
    from marketsync_dagster.platforms.reading import RetryRules

USER_AGENT = f"MarketSync/{__version__}"


@dataclass(frozen=True, slots=True, repr=False)
class Opening:
    """What is at hand when an account is opened."""

    settings: Settings
    name: str
    """Of the account."""
    channel: Channel | None
    """Whose outlet is written; None: the account has no channel."""
    secrets: Secrets
    memory: Memory | None = None
    """Keeps what a platform may be asked for rarely."""
    tokens: Tokens | None = None
    """Keeps access tokens for all processes; None: for this one alone."""

    def hint(self, path: str, ref: SecretRef) -> str:
        """Where a key comes from, `accounts.x.api_key (environment variable Y)`."""
        place = ref.words if ref.secret is None else ref.how_to_set
        return f"accounts.{self.name}.{path} ({place})"

    def hold_one_key(self, ref: SecretRef, keys: Sequence[str]) -> bool:
        """Whether another account's key is one of these."""
        try:
            return not set(keys).isdisjoint(self.secrets.versions(ref))
        except ConfigError:
            return False  # not set here: nothing can be written with it either


def transport(account: AccountBase, base_url: str = "") -> Transport:
    """Connections to the account's address, or to another one."""
    from marketsync_dagster.platforms.http import Transport

    return Transport(base_url or account.base_url, account.timeouts, USER_AGENT)


def retry_rules(account: AccountBase) -> RetryRules:
    """How reads are tried again."""
    from marketsync_dagster.platforms.reading import RetryRules

    retry = account.retry
    return RetryRules(
        retry.attempts, retry.base_s, retry.cap_s, retry.budget_s, retry.retry_after_cap_s
    )


def with_each_key(
    opened: Callable[[str, str], Adapter], keys: Sequence[str], secrets: Sequence[str] = ("",)
) -> Adapter:
    """One adapter for all usable keys of an account, newest first, each with every secret that may
    belong to it, likeliest first: both may have been replaced together, or one of them alone."""
    places = [(at, of) for at in range(len(keys)) for of in range(len(secrets))]
    places.sort(key=lambda place: (max(place), place[0] != place[1]))
    adapters = [opened(keys[at], secrets[of]) for at, of in places]
    return adapters[0] if len(adapters) == 1 else OverlapAdapter(adapters)


def source_with_each_key(opened: Callable[[str], OrderSource], keys: Sequence[str]) -> OrderSource:
    """One source of orders for all usable keys of an account, newest first."""
    sources = [opened(key) for key in keys]
    return sources[0] if len(sources) == 1 else OverlapSource(sources)


def target_at(platform: str, base_url: str, *parts: str) -> str:
    """`platform|host/path|part|...`: what a channel means, told apart by these."""
    return "|".join([platform, place_of(base_url), *parts])
