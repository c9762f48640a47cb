"""Opening an account of Pasons: its capabilities, its place, its key and perhaps a secret."""

from __future__ import annotations

from marketsync_dagster.config.accounts import PasonsAccount
from marketsync_dagster.platforms.base import Adapter, Capabilities
from marketsync_dagster.platforms.opening import Opening, target_at, transport, with_each_key
from marketsync_dagster.values.errors import ConfigError


def capabilities(account: PasonsAccount) -> Capabilities:
    """What the account can do."""
    return Capabilities(
        batch_items=account.request.batch,
        batch_bytes=account.request.max_bytes,
        item_results=account.response.items is not None,
        full_replaces=account.full_push == "replace",
        always_replaces=account.full_push == "replace" and account.request.full is None,
    )


def target(account: PasonsAccount, store_id: str | None) -> str:
    """`pasons|host/path|`, and `|store` where requests carry the channel's store."""
    if store_id is None or not account.carries_the_store():
        return target_at(account.platform, account.base_url, "")
    return target_at(account.platform, account.base_url, "", store_id)


def opened(opening: Opening, account: PasonsAccount) -> Adapter:
    """The adapter. ConfigError where requests carry a store that the channel does not name."""
    from marketsync_dagster.platforms.pasons.adapter import Access, PasonsAdapter, place_store

    name, secrets, channel = opening.name, opening.secrets, opening.channel
    store_id = channel.store_id if channel is not None else None
    if store_id is None and account.carries_the_store():
        raise ConfigError(
            f"requests of accounts.{name} carry the store's id, and its channel has no store_id"
        )
    auth = account.auth
    keys = secrets.versions(auth.key) if auth.key is not None and auth.scheme != "none" else [""]
    hint = opening.hint("auth.key", auth.key) if auth.key is not None else ""
    pair = secrets.versions(auth.secret) if auth.secret is not None else [""]

    def with_key(key: str, secret: str) -> Adapter:
        access = Access(name, key, hint, store_id, secret)
        wire = transport(account, place_store(account.base_url, store_id))
        return PasonsAdapter(account, access, wire, capabilities(account))

    return with_each_key(with_key, keys, pair)
