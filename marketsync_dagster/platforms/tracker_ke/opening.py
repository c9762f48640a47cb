"""Opening an account of Tracker KE: its capabilities, its place, its keys and secrets."""

from __future__ import annotations

from collections.abc import Sequence

from marketsync_dagster.config.accounts import TrackerAccount
from marketsync_dagster.platforms.base import Adapter, Capabilities
from marketsync_dagster.platforms.opening import (
    Opening,
    retry_rules,
    target_at,
    transport,
    with_each_key,
)
from marketsync_dagster.platforms.urls import place_of
from marketsync_dagster.values.errors import ConfigError


def capabilities(account: TrackerAccount) -> Capabilities:
    """What the account can do."""
    return Capabilities(
        push_products=True,
        read_catalog=True,
        read_prices=True,
        batch_items=account.batch,
        batch_bytes=account.max_bytes,
    )


def target(account: TrackerAccount, store_id: str | None) -> str:
    """`tracker_ke|host/path|environment`; the environment is empty where nobody says it."""
    return target_at(account.platform, account.base_url, account.environment or "")


def opened(opening: Opening, account: TrackerAccount) -> Adapter:
    """The adapter. ConfigError for a key of the other environment, or of another account."""
    from marketsync_dagster.platforms.signing import Signer
    from marketsync_dagster.platforms.tracker_ke.adapter import Access, TrackerAdapter

    name, secrets, channel = opening.name, opening.secrets, opening.channel
    keys = secrets.versions(account.api_key)
    for key in keys:
        _check_environment(name, account, key)
    _check_key_is_its_own(opening, account, keys)
    pair = secrets.versions(account.api_secret) if account.api_secret is not None else [""]
    if account.signing == "none" and not account.send_secret:
        pair = pair[:1]  # not sent: another one would be no other credentials
    location = None
    if channel is not None:
        location = channel.location or opening.settings.outlets[channel.outlet].name

    def with_key(key: str, secret: str) -> Adapter:
        access = Access(
            name=name,
            base_url=account.base_url,
            api_key=key,
            key_hint=opening.hint("api_key", account.api_key),
            signer=Signer(account.signing, secret, account.timestamp_unit, account.empty_body),
            clear_secret=secret if account.send_secret else "",
            location=location,
            supermarket=account.supermarket,
            retry=retry_rules(account),
        )
        return TrackerAdapter(access, transport(account), capabilities(account))

    return with_each_key(with_key, keys, pair)


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


def _check_key_is_its_own(opening: Opening, account: TrackerAccount, keys: Sequence[str]) -> None:
    """Two accounts with one key are one supermarket: one price per product (contract 2.6)."""
    place, name = place_of(account.base_url), opening.name
    for other, candidate in opening.settings.accounts.items():
        if other == name or not isinstance(candidate, TrackerAccount):
            continue
        same_place = place_of(candidate.base_url) == place
        if same_place and opening.hold_one_key(candidate.api_key, keys):
            raise ConfigError(
                f"accounts {min(name, other)} and {max(name, other)} hold the same key: "
                "the last branch would overwrite the other",
                "give each outlet a key of its own, or remove one of the accounts",
            )
