"""Everything that the marketplace on Mirakl knows: shops, products, offers, orders, imports,
counted calls.

Plain data that the platform's other modules change; nothing here knows a request or the time.
"""

from __future__ import annotations

import uuid
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from marketsync_dagster.sandbox.mirakl_fields import Offer
from marketsync_dagster.sandbox.mirakl_orders_state import OrderBook
from marketsync_dagster.sandbox.mirakl_shops import MarketProduct, Shop
from marketsync_dagster.sandbox.shown import Shown
from marketsync_dagster.sandbox.tampering import UNTOUCHED, Fate, Tampering

KEEP_IMPORTS = 20_000
WAITING, RUNNING, COMPLETE, FAILED = "WAITING", "RUNNING", "COMPLETE", "FAILED"
_NAMESPACE = uuid.UUID("6f9d1a52-7c7e-4f7e-9d39-0c1b8f1f5a10")


@dataclass(slots=True)
class Line:
    """One line of an import that was not taken, or shares its offer with one."""

    number: int
    sku: str
    cells: list[str]
    message: str


@dataclass(slots=True)
class Import:
    """One import, from the request that brought it to its end."""

    number: int
    """Grows with every import of the marketplace."""
    import_id: str
    kind: str
    """The call that brought it: OF24, PRI01 or STO01."""
    shop_id: int
    created: float
    request: int
    sha256: str
    content: bytes | None
    """The document or the file; None once it is done."""
    fate: Fate = field(default_factory=Fate)
    tampering: Tampering = UNTOUCHED
    status: str = WAITING
    ended: float | None = None
    reason: str = ""
    lines: int = 0
    lines_in_success: int = 0
    lines_in_error: int = 0
    offers_in_error: int = 0
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    columns: list[str] = field(default_factory=list)
    """Of its report, besides line and message."""
    errors: list[Line] = field(default_factory=list)
    received: int = 1
    """How many requests were answered with its id."""
    in_effect: int = 0
    """How often it was carried out."""
    report_from: float | None = None
    """Before that its report is not there."""

    @property
    def is_open(self) -> bool:
        """Whether it has not ended."""
        return self.ended is None

    @property
    def has_report(self) -> bool:
        """Whether there are lines in error to report."""
        return self.status == COMPLETE and bool(self.errors)


class MiraklState:
    """The marketplace. `seeded` offers come back with a reset that keeps the seed."""

    def __init__(self) -> None:
        self.shops: dict[int, Shop] = {}
        self.by_key: dict[str, list[int]] = {}
        self.products: dict[str, MarketProduct] = {}
        self.by_reference: dict[tuple[str, str], str] = {}
        self.offers: dict[int, dict[str, Offer]] = {}
        self.seeded: dict[tuple[int, str], dict[str, Any]] = {}
        self.orders = OrderBook()
        self.imports: deque[Import] = deque(maxlen=KEEP_IMPORTS)
        self.by_id: dict[tuple[int, str], Import] = {}
        self.by_content: dict[tuple[int, str, str], Import] = {}
        """The last import of a shop, a kind and a content."""
        self.open: dict[int, list[Import]] = {}
        """Imports of a shop that have not ended, in the order in which they came."""
        self.free: dict[int, float] = {}
        """When the last import of a shop ended."""
        self.last_import = 0
        self.last_offer = 0
        self.calls: dict[int, Counter[str]] = {}
        """Of a shop: how often each call was answered, refusals apart (`OF24 429`)."""
        self.served: dict[tuple[int, str], float] = {}
        self.hours: dict[int, deque[float]] = {}
        self.changes: Counter[int] = Counter()
        """Grows with every change of a shop's offers."""
        self.sorted: dict[int, tuple[Any, list[Offer]]] = {}
        """The last order in which a shop's offers were read, and of what it was made."""

    # --- what is there

    def put_shop(self, shop: Shop) -> None:
        """Add a shop, or replace it."""
        self.shops[shop.shop_id] = shop
        self.offers.setdefault(shop.shop_id, {})
        self.by_key = {}
        for known in self.shops.values():
            for key in known.keys:
                self.by_key.setdefault(key, []).append(known.shop_id)

    def put_product(self, product: MarketProduct) -> None:
        """Add a product of the marketplace, or replace it."""
        before = self.products.get(product.sku)
        for reference in before.references if before is not None else ():
            if self.by_reference.get(reference) == product.sku:
                del self.by_reference[reference]
        self.products[product.sku] = product
        for reference in product.references:
            self.by_reference.setdefault(reference, product.sku)

    def put_offer(self, shop_id: int, offer: Offer) -> None:
        """Add an offer, or replace it under its old number."""
        before = self.offers[shop_id].get(offer.shop_sku)
        if before is None:
            self.last_offer += 1
        offer.offer_id = before.offer_id if before is not None else 2_000 + self.last_offer
        self.offers[shop_id][offer.shop_sku] = offer
        self.changes[shop_id] += 1

    def drop_offer(self, shop_id: int, shop_sku: str) -> bool:
        """Remove an offer; False if there is none."""
        self.changes[shop_id] += 1
        return self.offers[shop_id].pop(shop_sku, None) is not None

    def shown(self, shop_id: int, offer: Offer) -> Shown:
        """An offer as every channel's items are shown: price and quantity."""
        currency = self.shops[shop_id].currency
        return Shown(offer.price, currency, "", offer.quantity, offer.updated_at, offer.request)

    # --- imports

    def add_import(
        self,
        kind: str,
        shop_id: int,
        created: float,
        request: int,
        sha256: str,
        content: bytes,
    ) -> Import:
        """A new import at the end of its shop's queue; its id is never used again."""
        self.last_import += 1
        number = self.last_import
        unique = str(uuid.uuid5(_NAMESPACE, str(number)))
        import_id = str(2_000 + number) if kind == "OF24" else unique
        found = Import(number, import_id, kind, shop_id, created, request, sha256, content)
        self.keep(found)
        return found

    def keep(self, found: Import) -> None:
        """Remember an import; the oldest goes if there are too many."""
        if len(self.imports) == KEEP_IMPORTS:
            oldest = self.imports[0]
            self.by_id.pop((oldest.shop_id, oldest.import_id), None)
            content = (oldest.shop_id, oldest.kind, oldest.sha256)
            if self.by_content.get(content) is oldest:
                del self.by_content[content]
        self.imports.append(found)
        self.by_id[(found.shop_id, found.import_id)] = found
        self.by_content[(found.shop_id, found.kind, found.sha256)] = found
        if found.is_open:
            self.open.setdefault(found.shop_id, []).append(found)

    def forget_times(self, now: float) -> None:
        """After the clock went back: what happened before lies in the future."""
        self.served.clear()
        self.hours.clear()
        self.free.clear()
        for queue in self.open.values():
            for waiting in queue:
                waiting.created = min(waiting.created, now)
