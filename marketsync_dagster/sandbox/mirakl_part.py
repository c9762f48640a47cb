"""Mirakl's marketplace as a part of the world; what it does is `mirakl_kept`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from marketsync_dagster.sandbox import mirakl_kept
from marketsync_dagster.sandbox.mirakl_state import MiraklState
from marketsync_dagster.sandbox.part import Part

if TYPE_CHECKING:
    from marketsync_dagster.sandbox.world import World


class MiraklPart(Part):
    """Shops, products, offers and imports."""

    def __init__(self) -> None:
        super().__init__()
        self.state = MiraklState()

    def read(self, section: Any) -> Any:
        """`{shops: [...], products: [...], offers: [...]}`."""
        return mirakl_kept.read_section(section, self.state)

    def take(self, world: World, channel: str, read: Any) -> dict[str, int]:
        """Take what was read, and show its offers."""
        shown = mirakl_kept.take(self.state, read, world.now())
        for shop in read[0]:
            for key in shop.keys:
                world.restore(channel, key)
        for shop_id, offer in shown:
            world.show_offer(shop_id, offer)
        return {name: len(part) for name, part in zip(mirakl_kept.KEPT, read, strict=True)}

    def seed_document(self) -> dict[str, Any]:
        """The section that this began with, merged."""
        return mirakl_kept.seed_document(self.state)

    def names(self) -> Iterable[str]:
        """The shops' numbers."""
        return map(str, self.state.shops)

    def dump(self) -> dict[str, Any]:
        """Imports and changed offers too."""
        return mirakl_kept.dump(self.state)

    def load(self, world: World, channel: str, document: Any) -> None:
        """The same again."""
        mirakl_kept.load(self.state, document)

    def went_back(self, now: float) -> None:
        """Imports that came later have come now."""
        self.state.forget_times(now)
