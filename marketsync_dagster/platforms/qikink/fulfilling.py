"""Qikink as a place that fulfils orders, by either of its interfaces."""

from __future__ import annotations

from dataclasses import replace

from marketsync_dagster.config.accounts import QikinkAccount
from marketsync_dagster.platforms.fulfilling import FulfilCapabilities, Fulfiller
from marketsync_dagster.platforms.opening import Opening
from marketsync_dagster.platforms.qikink.opening import session_of
from marketsync_dagster.platforms.tokens import Tokens


def fulfil_capabilities(account: QikinkAccount) -> FulfilCapabilities:
    """What the account can do. The real interface refuses a number that is there already; the
    documented one makes another order of it, unless it is given a key."""
    return FulfilCapabilities(
        idempotent=account.profile == "real" or account.idempotency_key,
        holds_stock=True,
    )


def fulfiller(opening: Opening, account: QikinkAccount, tokens: Tokens) -> Fulfiller:
    """The fulfiller; ConfigError where a secret is not set."""
    from marketsync_dagster.platforms.qikink.real import RealFulfiller
    from marketsync_dagster.platforms.qikink.spec import SpecFulfiller

    session = session_of(replace(opening, tokens=tokens), account)
    able = fulfil_capabilities(account)
    if account.profile == "spec":
        return SpecFulfiller(
            session, able, country=account.country, idempotency_key=account.idempotency_key
        )
    return RealFulfiller(
        session,
        able,
        gateway=account.gateway,
        shipping=account.shipping,
        country=account.country,
    )
