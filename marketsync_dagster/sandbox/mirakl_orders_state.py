"""Orders of Mirakl's marketplace as plain data: orders, lines, parcels, refunds, the book of them.

Nothing here knows a request; how an order moves is `mirakl_orders_life`.
"""

from __future__ import annotations

import bisect
import heapq
import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

STAGING, WAITING_ACCEPTANCE = "STAGING", "WAITING_ACCEPTANCE"
WAITING_DEBIT, WAITING_DEBIT_PAYMENT = "WAITING_DEBIT", "WAITING_DEBIT_PAYMENT"
SHIPPING, SHIPPED, TO_COLLECT = "SHIPPING", "SHIPPED", "TO_COLLECT"
RECEIVED, CLOSED, REFUSED, CANCELED = "RECEIVED", "CLOSED", "REFUSED", "CANCELED"
STATES = (
    STAGING,
    WAITING_ACCEPTANCE,
    WAITING_DEBIT,
    WAITING_DEBIT_PAYMENT,
    SHIPPING,
    SHIPPED,
    TO_COLLECT,
    RECEIVED,
    CLOSED,
    REFUSED,
    CANCELED,
)
"""The states of an order, in the order in which they come."""

ENDED = (REFUSED, CANCELED, "REFUNDED")
"""States of a line that is no longer to be sent."""

CANCELABLE = (WAITING_ACCEPTANCE, WAITING_DEBIT, WAITING_DEBIT_PAYMENT, SHIPPING)
CAN_REFUND = (SHIPPING, SHIPPED, TO_COLLECT, RECEIVED, CLOSED)
DEBITED = ("PAY_ON_ACCEPTANCE",)
"""Workflows in which the customer is debited before anything is sent."""

WAITING_REFUND, REFUNDED = "WAITING_REFUND", "REFUNDED"
WORKFLOWS = (
    "PAY_ON_ACCEPTANCE",
    "PAY_ON_DELIVERY",
    "PAY_ON_DUE_DATE",
    "PAY_ON_SHIPMENT",
    "NO_CUSTOMER_PAYMENT_CONFIRMATION",
)
TAX_MODES = ("TAX_INCLUDED", "TAX_EXCLUDED")
CALLS = ("accept", "tracking", "ship", "parcel", "parcel_ship", "refund", "cancel")
"""What is counted of each order: how often it was asked for, and how often it took effect."""

CENT = Decimal("0.01")
_NAMESPACE = uuid.UUID("2f0a4b0e-3a55-4f0c-9b2e-6d1c0a7e5b21")


@dataclass(slots=True)
class Taken:
    """A refund or a cancelation of a part of a line."""

    taken_id: str
    group_id: str
    amount: Decimal
    shipping: Decimal
    quantity: int
    reason: str
    created: float
    taxes: list[dict[str, Any]] = field(default_factory=list)
    shipping_taxes: list[dict[str, Any]] = field(default_factory=list)
    excluded: bool = False
    """The refunded quantity is not sent any more."""
    state: str = REFUNDED
    ends: float | None = None
    """When a refund that waits is paid."""


@dataclass(slots=True)
class OrderLine:
    """One line of an order. Its prices are its own: nothing that an offer does moves them."""

    line_id: str
    index: int
    offer_sku: str
    offer_id: int
    product_sku: str
    title: str
    category: tuple[str, str]
    quantity: int
    unit_price: Decimal
    shipping: Decimal
    taxes: list[dict[str, Any]]
    shipping_taxes: list[dict[str, Any]]
    state: str
    created: float
    updated: float
    debited: float | None = None
    shipped: float | None = None
    received: float | None = None
    reason: str | None = None
    refunds: list[Taken] = field(default_factory=list)
    cancelations: list[Taken] = field(default_factory=list)

    @property
    def price(self) -> Decimal:
        """Of all pieces that were ordered, without shipping."""
        return self.unit_price * self.quantity

    def left(self, kind: str) -> Decimal:
        """What can still be refunded or canceled: `amount` or `shipping`."""
        taken = sum((getattr(t, kind) for t in (*self.refunds, *self.cancelations)), Decimal(0))
        return (self.price if kind == "amount" else self.shipping) - taken

    @property
    def to_send(self) -> int:
        """How many pieces are to be sent in all: not those that were canceled or taken out."""
        if self.state in ENDED:
            return 0
        gone = sum(t.quantity for t in self.cancelations)
        gone += sum(t.quantity for t in self.refunds if t.excluded)
        return max(0, self.quantity - gone)


@dataclass(slots=True)
class Shipment:
    """One parcel of an order."""

    shipment_id: str
    number: int
    order_id: str
    shop_id: int
    created: float
    updated: float
    status: str
    lines: list[dict[str, Any]]
    """`{order_line_id, offer_sku, quantity, package_reference?}`."""
    invoice: str | None = None
    tracking: dict[str, Any] | None = None
    shipped: float | None = None
    times_shipped: int = 0


@dataclass(slots=True, repr=False)
class Order:
    """One order of a customer. `due` is when the clock moves it next."""

    order_id: str
    commercial_id: str
    shop_id: int
    number: int
    created: float
    updated: float
    state: str
    currency: str
    tax_mode: str
    workflow: str
    customer: dict[str, Any]
    email: str | None
    shipping_address: dict[str, Any] | None
    billing_address: dict[str, Any] | None
    show_address: bool
    """Even before it is in SHIPPING."""
    lines: list[OrderLine]
    accept_until: float
    decided: float | None = None
    accepted: float | None = None
    debited: float | None = None
    ship_until: float | None = None
    shipped: float | None = None
    received: float | None = None
    reason: str | None = None
    tracking: dict[str, Any] | None = None
    due: float | None = None
    leadtime: int = 2
    asked: Counter[str] = field(default_factory=Counter)
    effects: Counter[str] = field(default_factory=Counter)
    history: list[tuple[float, str, str]] = field(default_factory=list)
    """When, by what, and the state after it; the last 50."""
    json: bytes | None = None
    """As OR11 shows it, until it changes."""
    kept: bytes | None = None
    """As a state file has it, until it changes."""
    versions: list[tuple[float, Version | None]] = field(default_factory=list)
    """What a list that is late still shows, and until when."""

    def line(self, line_id: str) -> OrderLine | None:
        """A line by its id."""
        return next((line for line in self.lines if line.line_id == line_id), None)


@dataclass(frozen=True, slots=True, repr=False)
class Version:
    """An order as it was: what a filter asks for, and what is shown."""

    state: str
    updated: float
    json: bytes


class OrderBook:
    """All orders of the marketplace. `seeded` documents come back with a reset that keeps them."""

    def __init__(self) -> None:
        self.orders: dict[str, Order] = {}
        self.by_shop: dict[int, list[Order]] = {}
        """By creation, then id."""
        self.by_line: dict[str, Order] = {}
        self.shipments: dict[str, Shipment] = {}
        self.parcels: dict[str, list[Shipment]] = {}
        """Of an order, in the order in which they were made."""
        self.seeded: dict[str, dict[str, Any]] = {}
        self.last_order = 0
        self.last_shipment = 0
        self.last_taken = 0
        self.changes: Counter[int] = Counter()
        """Grows with every change of a shop's orders."""
        self.selected: dict[int, tuple[Any, list[Order]]] = {}
        """The last selection of a shop's orders, and what was asked for."""
        self.late: dict[int, float] = {}
        """Of a shop: until when its list may still show what was before."""
        self._due: list[tuple[float, str]] = []

    def add(self, orders: Iterable[Order]) -> None:
        """Take new orders."""
        touched: dict[int, list[Order]] = {}
        for order in orders:
            self.orders[order.order_id] = order
            for line in order.lines:
                self.by_line[line.line_id] = order
            touched.setdefault(order.shop_id, []).append(order)
            self.watch(order)
        for shop_id, fresh in touched.items():
            known = self.by_shop.setdefault(shop_id, [])
            if len(fresh) < 10:
                for order in fresh:
                    bisect.insort(known, order, key=_place)
            else:
                known.extend(fresh)
                known.sort(key=_place)
            self.changes[shop_id] += 1

    def watch(self, order: Order) -> None:
        """Remember when the clock moves an order next."""
        if order.due is not None:
            heapq.heappush(self._due, (order.due, order.order_id))

    def take_due(self, now: float) -> Order | None:
        """The next order that is due; it is no longer watched."""
        while self._due and self._due[0][0] <= now:
            due, order_id = heapq.heappop(self._due)
            order = self.orders.get(order_id)
            if order is not None and order.due == due:
                return order
        return None

    def parcels_of(self, order: Order) -> list[Shipment]:
        """The parcels of an order that count."""
        return [s for s in self.parcels.get(order.order_id, ()) if s.status != CANCELED]

    def packed(self, order: Order, line_id: str, shipped_only: bool = False) -> int:
        """How many pieces of a line are in parcels."""
        return sum(
            entry["quantity"]
            for parcel in self.parcels_of(order)
            if not shipped_only or parcel.status != SHIPPING
            for entry in parcel.lines
            if entry["order_line_id"] == line_id
        )

    def add_shipment(self, order: Order, now: float, **said: Any) -> Shipment:
        """A new parcel of an order."""
        self.last_shipment += 1
        number = self.last_shipment
        shipment_id = str(uuid.uuid5(_NAMESPACE, f"shipment {number}"))
        found = Shipment(
            shipment_id, number, order.order_id, order.shop_id, now, now, SHIPPING, **said
        )
        self.keep_shipment(found)
        return found

    def keep_shipment(self, shipment: Shipment) -> None:
        """Take a parcel."""
        self.shipments[shipment.shipment_id] = shipment
        self.parcels.setdefault(shipment.order_id, []).append(shipment)

    def new_taken(self) -> str:
        """The number of a new refund or cancelation."""
        self.last_taken += 1
        return str(1_000 + self.last_taken)

    def group_of(self, number: str) -> str:
        """The id of all refunds that were made at once."""
        return str(uuid.uuid5(_NAMESPACE, f"refund {number}"))


def _place(order: Order) -> tuple[float, str]:
    return order.created, order.order_id
