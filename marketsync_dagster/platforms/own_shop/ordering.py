"""Opening an own shop: its folders, and what it can be told."""

from __future__ import annotations

from marketsync_dagster.config.orders import OwnShop
from marketsync_dagster.platforms.opening import Opening
from marketsync_dagster.platforms.ordering import OrderCapabilities, OrderSource
from marketsync_dagster.values.order_states import CommandKind

_ALL = frozenset(CommandKind)


def order_capabilities(configured: OwnShop) -> OrderCapabilities:
    """Without a folder for updates nothing is told: our decision alone makes it so."""
    told = configured.updates is not None
    return OrderCapabilities(
        commands=_ALL if told else frozenset(),
        local=frozenset() if told else _ALL,
        look_up=False,
        partial_accept=True,
        several_parcels=True,
    )


def order_source(opening: Opening, configured: OwnShop) -> OrderSource:
    """The source of the orders of one shop."""
    from marketsync_dagster.platforms.own_shop.source import OwnShopSource

    return OwnShopSource(opening.settings, opening.name, configured)
