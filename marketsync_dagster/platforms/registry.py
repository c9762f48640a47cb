"""Which adapter belongs to which account, and what can be said of an account without opening it.

The only place that resolves platform secrets: at the moment an account is opened, never before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from marketsync_dagster import __version__
from marketsync_dagster.config.accounts import PasonsAccount, SecretRef, TrackerAccount
from marketsync_dagster.config.channels import Channel
from marketsync_dagster.config.secrets import Secrets
from marketsync_dagster.platforms.base import Adapter, Capabilities
from marketsync_dagster.platforms.overlap import OverlapAdapter
from marketsync_dagster.platforms.urls import place_of
from marketsync_dagster.values.errors import ConfigError

if TYPE_CHECKING:
    from marketsync_dagster.config.settings import Settings

USER_AGENT = f"MarketSync/{__version__}"


def capabilities_of(account: TrackerAccount | PasonsAccount) -> Capabilities:
    """What an account can do, by its platform and its configuration."""
    if isinstance(account, TrackerAccount):
        return Capabilities(
            push_products=True,
            read_catalog=True,
            read_prices=True,
            batch_items=account.batch,
            batch_bytes=account.max_bytes,
        )
    return Capabilities(
        batch_items=account.request.batch,
        batch_bytes=account.request.max_bytes,
        item_results=account.response.items is not None,
        full_replaces=account.full_push == "replace",
        always_replaces=account.full_push == "replace" and account.request.full is None,
    )


def target_of(account: TrackerAccount | PasonsAccount, store_id: str | None = None) -> str:
    """`platform|host/path|environment`, and `|store` where requests carry the channel's store:
    changes when a channel comes to mean another place.

    Hosts of this machine come without their port; the environment is empty where the
    configuration does not say it.
    """
    environment = account.environment or "" if isinstance(account, TrackerAccount) else ""
    place = f"{account.platform}|{place_of(account.base_url)}|{environment}"
    carried = isinstance(account, PasonsAccount) and account.carries_the_store()
    return f"{place}|{store_id}" if carried and store_id is not None else place


def target_of_channel(settings: Settings, channel: Channel) -> str:
    """The `target_of` what this channel writes."""
    return target_of(settings.accounts[channel.account], channel.store_id)


def catalog_scope(settings: Settings, account: str) -> str:
    """The name under which an account's platform catalogue is kept, its own unless shared."""
    return settings.scope_of(account)


def open_adapter(
    settings: Settings, account: str, *, channel: Channel | None, secrets: Secrets
) -> Adapter:
    """The adapter of an account, to be used as `async with open_adapter(...) as adapter`.

    `channel` says which outlet is written; without one (reading, testing) the account's first
    channel is taken. Secrets are resolved here; where keys overlap in time the adapter goes over
    to an older one if the platform refuses the newest. ConfigError where the account does not
    exist, a secret is not set or is of the wrong kind, or where writing would overwrite another
    outlet.
    """
    configured = settings.accounts.get(account)
    if configured is None:
        raise ConfigError(f"there is no account {account} in {settings.file.name}")
    if channel is None:
        channel = next((c for c in settings.channels if c.account == account), None)
    if isinstance(configured, TrackerAccount):
        return _open_tracker(settings, account, configured, channel, secrets)
    return _open_pasons(account, configured, channel, secrets)


def _overlapping(adapters: Sequence[Adapter]) -> Adapter:
    """One adapter for all usable keys of an account, newest first."""
    return adapters[0] if len(adapters) == 1 else OverlapAdapter(adapters)


def _open_tracker(
    settings: Settings,
    name: str,
    account: TrackerAccount,
    channel: Channel | None,
    secrets: Secrets,
) -> Adapter:
    from marketsync_dagster.platforms.http import Transport
    from marketsync_dagster.platforms.tracker_ke.adapter import Access, TrackerAdapter
    from marketsync_dagster.platforms.tracker_ke.catalog import RetryRules
    from marketsync_dagster.platforms.tracker_ke.signing import Signer

    keys = secrets.versions(account.api_key)
    for key in keys:
        _check_environment(name, account, key)
    _check_key_is_its_own(settings, name, account, keys, secrets)
    pair = secrets.versions(account.api_secret) if account.api_secret is not None else [""]
    if account.signing == "none" and not account.send_secret:
        pair = pair[:1]  # not sent: another one would be no other credentials
    location = None
    if channel is not None:
        location = channel.location or settings.outlets[channel.outlet].name
    retry = account.retry

    def opened(key: str, secret: str) -> Adapter:
        access = Access(
            name=name,
            base_url=account.base_url,
            api_key=key,
            key_hint=_hint(name, "api_key", account.api_key),
            signer=Signer(account.signing, secret, account.timestamp_unit, account.empty_body),
            clear_secret=secret if account.send_secret else "",
            location=location,
            supermarket=account.supermarket,
            retry=RetryRules(
                retry.attempts, retry.base_s, retry.cap_s, retry.budget_s, retry.retry_after_cap_s
            ),
        )
        transport = Transport(account.base_url, account.timeouts, USER_AGENT)
        return TrackerAdapter(access, transport, capabilities_of(account))

    return _overlapping([opened(key, secret) for key, secret in _pairs(keys, pair)])


def _pairs(keys: Sequence[str], secrets: Sequence[str]) -> list[tuple[str, str]]:
    """Every key with every secret that may belong to it, likeliest first.

    Both may have been replaced together, or one of them alone.
    """
    places = [(at, of) for at in range(len(keys)) for of in range(len(secrets))]
    places.sort(key=lambda place: (max(place), place[0] != place[1]))
    return [(keys[at], secrets[of]) for at, of in places]


def _check_environment(name: str, account: TrackerAccount, key: str) -> None:
    from marketsync_dagster.platforms.tracker_ke.adapter import environment_of

    wanted, found = account.environment, environment_of(key)
    if wanted is not None and found != wanted:
        kind = f"a {found} key" if found else f"no key that begins with pk_{wanted}_"
        raise ConfigError(
            f"accounts.{name} is a {wanted} account, but {account.api_key.words} holds {kind}",
            f"set a {wanted} key ({account.api_key.how_to_set}), or change "
            f"accounts.{name}.environment",
        )


def _check_key_is_its_own(
    settings: Settings, name: str, account: TrackerAccount, keys: Sequence[str], secrets: Secrets
) -> None:
    """Two accounts with one key are one supermarket: one price per product (contract 2.6)."""
    place = place_of(account.base_url)
    for other, candidate in settings.accounts.items():
        if other == name or not isinstance(candidate, TrackerAccount):
            continue
        same_place = place_of(candidate.base_url) == place
        if same_place and _share_a_secret(candidate.api_key, keys, secrets):
            raise ConfigError(
                f"accounts {min(name, other)} and {max(name, other)} hold the same key: "
                "the last branch would overwrite the other",
                "give each outlet a key of its own, or remove one of the accounts",
            )


def _share_a_secret(ref: SecretRef, keys: Sequence[str], secrets: Secrets) -> bool:
    try:
        return not set(keys).isdisjoint(secrets.versions(ref))
    except ConfigError:
        return False  # not set here: nothing can be written with it either


def _open_pasons(
    name: str, account: PasonsAccount, channel: Channel | None, secrets: Secrets
) -> Adapter:
    from marketsync_dagster.platforms.http import Transport
    from marketsync_dagster.platforms.pasons.adapter import (
        Access,
        PasonsAdapter,
        place_store,
    )

    store_id = channel.store_id if channel is not None else None
    if store_id is None and account.carries_the_store():
        raise ConfigError(
            f"requests of accounts.{name} carry the store's id, and its channel has no store_id"
        )
    auth = account.auth
    keys = secrets.versions(auth.key) if auth.key is not None and auth.scheme != "none" else [""]
    hint = _hint(name, "auth.key", auth.key) if auth.key is not None else ""
    pair = secrets.versions(auth.secret) if auth.secret is not None else [""]

    def opened(key: str, secret: str) -> Adapter:
        transport = Transport(place_store(account.base_url, store_id), account.timeouts, USER_AGENT)
        access = Access(name, key, hint, store_id, secret)
        return PasonsAdapter(account, access, transport, capabilities_of(account))

    return _overlapping([opened(key, secret) for key, secret in _pairs(keys, pair)])


def _hint(account: str, path: str, ref: SecretRef) -> str:
    place = ref.words if ref.secret is None else ref.how_to_set
    return f"accounts.{account}.{path} ({place})"
