"""Opening an account of Qikink: its capabilities, its place, its secrets and tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from marketsync_dagster.config.accounts import QikinkAccount
from marketsync_dagster.platforms.base import Adapter, Capabilities
from marketsync_dagster.platforms.opening import Opening, retry_rules, target_at, transport
from marketsync_dagster.platforms.tokens import Alone
from marketsync_dagster.platforms.urls import base_path

if TYPE_CHECKING:
    from marketsync_dagster.platforms.qikink.session import Session

_API = "/api/v1"


def capabilities(account: QikinkAccount) -> Capabilities:
    """What the account can do besides orders: nothing, or products."""
    return Capabilities(
        push_price=False,
        push_stock=False,
        push_products=account.profile == "spec",
        item_results=account.profile == "spec",
    )


def target(account: QikinkAccount, store_id: str | None) -> str:
    """`qikink|host/path|profile`."""
    return target_at(account.platform, account.base_url, account.profile)


def opened(opening: Opening, account: QikinkAccount) -> Adapter:
    """The adapter; ConfigError where a secret is not set."""
    from marketsync_dagster.platforms.qikink.adapter import QikinkAdapter

    return QikinkAdapter(session_of(opening, account), capabilities(account))


def session_of(opening: Opening, account: QikinkAccount) -> Session:
    """The account's connections and credentials; ConfigError where a secret is not set."""
    from marketsync_dagster.platforms.qikink.session import Access, Session

    token_url = token_url_of(account)
    parts = urlsplit(token_url)
    access = Access(
        name=opening.name,
        profile=account.profile,
        base_url=account.base_url,
        token_url=token_url,
        client_id=opening.secrets.resolve(account.client_id),
        secrets=tuple(opening.secrets.versions(account.client_secret)),
        hint=opening.hint("client_secret", account.client_secret),
        signing=account.signing,
        early_s=account.token_early_s,
        retry=retry_rules(account),
    )
    return Session(
        access,
        transport(account),
        transport(account, f"{parts.scheme}://{parts.netloc}"),
        opening.tokens or Alone(),
    )


def token_url_of(account: QikinkAccount) -> str:
    """Where the account's tokens are made."""
    if account.profile == "real":
        return f"{account.base_url}/api/token"
    if account.token_url is not None:
        return account.token_url
    parts = urlsplit(account.base_url)
    path = base_path(account.base_url).removesuffix(_API)
    return f"{parts.scheme}://{parts.netloc}{path}/oauth/token"
