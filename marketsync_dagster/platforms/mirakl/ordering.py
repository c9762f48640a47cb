"""Opening a shop on Mirakl as a source of orders: what it can be told, by which keys."""

from __future__ import annotations

from marketsync_dagster.config.accounts import MiraklAccount
from marketsync_dagster.platforms.mirakl.opening import access, keys_of
from marketsync_dagster.platforms.opening import Opening, source_with_each_key, transport
from marketsync_dagster.platforms.ordering import OrderCapabilities, OrderSource
from marketsync_dagster.values.order_states import CommandKind

WHOLE = frozenset(CommandKind) - {CommandKind.PARCEL}


def order_capabilities(account: MiraklAccount) -> OrderCapabilities:
    """What the shop can be told."""
    several = account.several_parcels
    return OrderCapabilities(
        commands=frozenset(CommandKind) if several else WHOLE,
        partial_accept=account.partial_acceptance,
        several_parcels=several,
        tells_readiness=True,
        keeps_stock=True,
        refund_reasons=True,
        needs_carrier=True,
        settle_s=account.settle_s,
    )


def order_source(opening: Opening, account: MiraklAccount) -> OrderSource:
    """The source. ConfigError for a shop that is another account's too."""
    from marketsync_dagster.platforms.mirakl.orders import MiraklOrders

    can = order_capabilities(account)

    def with_key(key: str) -> OrderSource:
        said = access(opening, account, key)
        return MiraklOrders(said, transport(account), can, account.accept_hours)

    return source_with_each_key(with_key, keys_of(opening, account))
