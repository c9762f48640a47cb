"""Mirakl's marketplace as a part of the world; what it does is `mirakl_kept`, and for orders
`mirakl_orders_kept`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from marketsync_dagster.sandbox import mirakl_kept, mirakl_orders_kept, mirakl_orders_life
from marketsync_dagster.sandbox.mirakl_state import MiraklState
from marketsync_dagster.sandbox.part import Part

if TYPE_CHECKING:
    from marketsync_dagster.sandbox.world import World


class MiraklPart(Part):
    """Shops, products, offers, orders and imports."""

    def __init__(self) -> None:
        super().__init__()
        self.state = MiraklState()

    def read(self, section: Any) -> Any:
        """`{shops: [...], products: [...], offers: [...], orders: [...]}`."""
        seed = mirakl_kept.read_section(section, self.state)
        return seed, mirakl_orders_kept.read_orders(section, self.state, seed)

    def take(self, world: World, channel: str, read: Any) -> dict[str, int]:
        """Take what was read, and show its offers."""
        seed, orders = read
        shown = mirakl_kept.take(self.state, seed, world.now())
        for shop in seed[0]:
            for key in shop.keys:
                world.restore(channel, key)
            mirakl_orders_life.settings_changed(world, shop)
        for shop_id, offer in shown:
            world.show_offer(shop_id, offer)
        mirakl_orders_kept.take_orders(world, orders)
        counts = {name: len(part) for name, part in zip(mirakl_kept.KEPT, seed, strict=True)}
        return {**counts, "orders": len(orders)}

    def seed_document(self) -> dict[str, Any]:
        """The section that this began with, merged."""
        orders = list(self.state.orders.seeded.values())
        return {**mirakl_kept.seed_document(self.state), "orders": orders}

    def names(self) -> Iterable[str]:
        """The shops' numbers."""
        return map(str, self.state.shops)

    def dump(self) -> dict[str, Any]:
        """Imports, orders and changed offers too."""
        orders = mirakl_orders_kept.dump(self.state.orders)
        return {**mirakl_kept.dump(self.state), "orders": orders}

    def load(self, world: World, channel: str, document: Any) -> None:
        """The same again."""
        mirakl_kept.load(self.state, document)
        if "orders" in document:  # older files have none
            mirakl_orders_kept.load(self.state.orders, document["orders"])

    def went_back(self, now: float) -> None:
        """Imports that came later have come now."""
        self.state.forget_times(now)
