"""Everything the sandbox's platforms know: accounts, catalogue, what is shown, clock, faults.

One object, changed in place by the platforms and by the control API, all on one event loop.
How a platform talks belongs to its own module; how this is kept in a file, to `persistence`.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from marketsync_dagster.sandbox.accounts import Product, TrackerAccount
from marketsync_dagster.sandbox.journal import Journal
from marketsync_dagster.sandbox.mirakl_fields import Offer
from marketsync_dagster.sandbox.mirakl_part import MiraklPart
from marketsync_dagster.sandbox.mirakl_state import MiraklState
from marketsync_dagster.sandbox.parts import CHANNELS, PARTS
from marketsync_dagster.sandbox.pasons_store import PasonsStore
from marketsync_dagster.sandbox.quota import Window
from marketsync_dagster.sandbox.scenarios import Scenarios
from marketsync_dagster.sandbox.seeds import read_seed
from marketsync_dagster.sandbox.shown import MIRAKL, PASONS, TRACKER, Shown
from marketsync_dagster.sandbox.signing import Nonces

KEEP_WRITES = 500_000
"""How many applied writes the history holds; the oldest go first."""


@dataclass(slots=True)
class Settings:
    """Switches for all platforms; `retry_after` overrides what accounts say, if given."""

    delay_ms: int = 0
    quota: bool = True
    keep_bodies: bool = False
    retry_after: str | None = None
    seed: int = 0


class World:
    """The state of all platforms. `start` holds the settings that a reset goes back to."""

    def __init__(self, start: Settings | None = None) -> None:
        self.start = start or Settings()
        self.accounts: dict[str, TrackerAccount] = {}
        self.stores: dict[str, PasonsStore] = {}
        self.parts = {name: make() for name, make in PARTS.items()}
        self.seeded: dict[str, Product] = {}
        self.catalog: dict[str, Product] = {}
        self.by_barcode: dict[str, str] = {}
        self.shown: dict[tuple[str, str], dict[str, Shown]] = {}
        self.history: deque[tuple[str, str, list[tuple[str, Shown]]]] = deque()
        """Channel, account and what was written, a batch each."""
        self.kept = 0
        """How many writes the history holds."""
        self.writes = 0
        self.journal = Journal()
        self.scenarios = Scenarios()
        self.windows: dict[tuple[str, str], Window] = {}
        self.nonces = Nonces()
        self.revoked: dict[tuple[str, str], int] = {}
        self.dying: dict[tuple[str, str], int] = {}
        self.settings = replace(self.start)
        self.rng = random.Random(self.settings.seed)  # noqa: S311 (repeatable, not secret)
        self.clock_offset = 0.0
        self.last_request = 0
        self.last_product = 0
        self.changes = 0
        """Grows with every change that a state file must hold."""

    def now(self) -> float:
        """Seconds since 1970 by the sandbox's own clock."""
        return time.time() + self.clock_offset

    def set_clock(self, offset_s: float) -> None:
        """Move the clock. Going back empties the quota windows, which hold future times."""
        went_back = offset_s < self.clock_offset
        self.clock_offset = offset_s
        if went_back:
            self.windows.clear()
            for part in self.parts.values():
                part.went_back(self.now())
        self.changes += 1

    def next_request(self) -> int:
        """The next number of the request log."""
        self.last_request += 1
        return self.last_request

    def reset(self, keep_seed: bool) -> None:
        """Forget what happened; with `keep_seed`, keep accounts and products as seeded."""
        if not keep_seed:
            self.accounts.clear()
            self.stores.clear()
            self.seeded.clear()
        self.shown.clear()
        self.history.clear()
        self.kept = 0
        self.writes = 0
        self.journal.clear()
        self.scenarios.clear()
        self.windows.clear()
        self.nonces.clear()
        self.revoked.clear()
        self.dying.clear()
        self.settings = replace(self.start)
        self.rng.seed(self.settings.seed)
        self.clock_offset = 0.0
        self.set_catalog(dict(self.seeded))
        seeds = {name: part.seed_document() for name, part in self.parts.items() if keep_seed}
        self.parts = {name: make() for name, make in PARTS.items()}
        for name, section in seeds.items():
            part = self.parts[name]
            part.take(self, name, part.read(section))
        self.changes += 1

    # --- seeds

    def seed(self, document: Any) -> dict[str, int]:
        """Merge a seed; nothing of it is taken if any of it is wrong. Returns the counts.

        Shape: `{tracker_ke: {accounts: [...], products: [...]}, pasons: {stores: [...]},
        mirakl: {shops: [...], products: [...], offers: [...]},
        qikink: {accounts: [...], orders: [...]}}`.
        """
        accounts, products, stores = read_seed(document, self.accounts, self.stores, self.now())
        read = {name: p.read(document[name]) for name, p in self.parts.items() if name in document}
        for account in accounts:
            self.accounts[account.api_key] = account
            self.restore(TRACKER, account.api_key)
        for product, _ in products:
            self.seeded[product.id] = product
            self.put_product(product)
        for store, _ in stores:
            self.stores[store.store_id] = store
            self.restore(PASONS, store.store_id)
        for product, prices in products:
            for supermarket, shown in prices.items():
                self.show(TRACKER, supermarket, product.id, shown)
        for store, listings in stores:
            for sku, shown in listings.items():
                self.show(PASONS, store.store_id, sku, shown)
        self.changes += 1
        counts = {"accounts": len(accounts), "products": len(products), "stores": len(stores)}
        for name, section in read.items():
            taken = self.parts[name].take(self, name, section)
            counts |= {f"{name}_{what}": count for what, count in taken.items()}
        return counts

    @property
    def mirakl(self) -> MiraklState:
        """Mirakl's marketplace."""
        part = self.parts[MIRAKL]
        assert isinstance(part, MiraklPart)
        return part.state

    def show_offer(self, shop_id: int, offer: Offer) -> None:
        """Let a shop on Mirakl show an offer's price and quantity."""
        self.show(MIRAKL, str(shop_id), offer.shop_sku, self.mirakl.shown(shop_id, offer))

    # --- Tracker KE's catalogue

    def set_catalog(self, catalog: dict[str, Product]) -> None:
        """Replace the catalogue."""
        self.catalog = catalog
        self.by_barcode = {}
        for product in catalog.values():
            if product.barcode:
                self.by_barcode.setdefault(product.barcode, product.id)

    def put_product(self, product: Product) -> None:
        """Add a product at the end of the catalogue, or replace it where it stands."""
        old = self.catalog.get(product.id)
        self.catalog[product.id] = product
        if old is not None and old.barcode != product.barcode:
            self.set_catalog(self.catalog)
        elif product.barcode:
            self.by_barcode.setdefault(product.barcode, product.id)
        self.changes += 1

    def new_product_id(self) -> str:
        """An id that no product has."""
        while True:
            self.last_product += 1
            candidate = f"prod_{900_000 + self.last_product}"
            if candidate not in self.catalog:
                return candidate

    # --- what is shown

    def show(self, channel: str, owner: str, item: str, shown: Shown) -> None:
        """Let an account show a value from now on, and remember that it was written."""
        self.show_all(channel, owner, [(item, shown)])

    def show_all(self, channel: str, owner: str, writes: list[tuple[str, Shown]]) -> None:
        """Let an account show several values, in this order."""
        items = self.shown.get((channel, owner))
        if items is None:
            items = self.shown[(channel, owner)] = {}
        items.update(writes)
        self.writes += len(writes)
        self.kept += len(writes)
        self.changes += 1
        self.history.append((channel, owner, writes))
        while self.kept > KEEP_WRITES:
            self.kept -= len(self.history.popleft()[2])

    def forget(self, channel: str, owner: str, items: list[str]) -> None:
        """Let an account no longer show some items."""
        shown = self.shown.get((channel, owner), {})
        for item in items:
            shown.pop(item, None)
        self.changes += 1

    def state(self, channel: str | None = None, owner: str | None = None) -> dict[str, Any]:
        """`{channel: {supermarket or store: {item: {price, ...}}}}`, every account included."""
        result: dict[str, dict[str, Any]] = {name: {} for name in CHANNELS}
        for account in self.accounts.values():
            result[TRACKER].setdefault(account.supermarket_id, {})
        for store_id in self.stores:
            result[PASONS].setdefault(store_id, {})
        for name, part in self.parts.items():
            result[name].update({who: {} for who in part.names()})
        for (name, who), items in self.shown.items():
            if owner in (None, who) and channel in (None, name):
                result[name][who] = {item: shown.document() for item, shown in items.items()}
        return {
            name: {who: items for who, items in owners.items() if owner in (None, who)}
            for name, owners in result.items()
            if channel in (None, name)
        }

    def written(
        self, channel: str | None, owner: str | None, item: str | None, since: int
    ) -> Iterator[dict[str, Any]]:
        """Applied writes in order, of requests after number `since` (-1: seeded ones too)."""
        number = self.writes - self.kept
        for name, who, writes in self.history:
            for what, shown in writes:
                number += 1
                if (
                    channel in (None, name)
                    and owner in (None, who)
                    and item in (None, what)
                    and shown.request > since
                ):
                    yield {
                        "write": number,
                        "channel": name,
                        "account": who,
                        "item": what,
                        **shown.document(),
                    }

    # --- credentials that stop working

    def is_refused(self, channel: str, key: str) -> bool:
        """Whether a key is revoked, or dead for a while; counts down the latter."""
        if (channel, key) in self.revoked:
            return True
        left = self.dying.get((channel, key), 0)
        if left <= 0:
            return False
        self.dying[(channel, key)] = left - 1
        return True

    def restore(self, channel: str | None = None, key: str | None = None) -> None:
        """Let revoked and dead keys work again: one, a channel's, or all."""
        for table in (self.revoked, self.dying):
            for pair in [p for p in table if channel in (None, p[0]) and key in (None, p[1])]:
                del table[pair]

    def window(self, channel: str, key: str) -> Window:
        """The quota window of one key."""
        found = self.windows.get((channel, key))
        if found is None:
            found = self.windows[(channel, key)] = Window()
        return found

    def product_documents(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """The catalogue as it is, and as it was seeded, for a state file."""
        return (
            [asdict(product) for product in self.catalog.values()],
            [asdict(product) for product in self.seeded.values()],
        )
