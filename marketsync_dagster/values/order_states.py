"""The states of an order and of its lines, one vocabulary for every platform (contract section 10).

What a platform calls them belongs to its adapter; what may follow what, to `orders.states`.
"""

from __future__ import annotations

from enum import StrEnum


class OrderState(StrEnum):
    """Where an order line stands; an order's own state is made of those of its lines."""

    NEW = "new"
    """Waits for our decision."""
    AWAITING_PAYMENT = "awaiting_payment"
    ACCEPTED = "accepted"
    """We took it; the platform does not want it shipped yet."""
    IN_PREPARATION = "in_preparation"
    """To be shipped."""
    READY_TO_SHIP = "ready_to_ship"
    SHIPPED = "shipped"
    OUT_FOR_DELIVERY = "out_for_delivery"
    DELIVERED = "delivered"
    CLOSED = "closed"
    DELIVERY_FAILED = "delivery_failed"
    RETURNING = "returning"
    RETURNED = "returned"
    LOST = "lost"
    REFUSED = "refused"
    CANCELLED = "cancelled"


class OrderFlag(StrEnum):
    """What is true of an order beside its state."""

    ON_HOLD = "on_hold"
    PARTIALLY_SHIPPED = "partially_shipped"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"
    INCIDENT = "incident"


class CommandKind(StrEnum):
    """What the source of an order is told."""

    ACCEPT = "accept"
    """All lines, each taken or refused."""
    TRACKING = "tracking"
    """Carrier and tracking number of the whole order."""
    SHIP = "ship"
    """The whole order has left."""
    PARCEL = "parcel"
    """A parcel with some of its lines, or pieces of them, has left."""
    CANCEL = "cancel"
    """The whole order."""
    CANCEL_LINES = "cancel_lines"
    REFUND = "refund"


UNFINISHED = frozenset(
    {
        OrderState.NEW,
        OrderState.AWAITING_PAYMENT,
        OrderState.ACCEPTED,
        OrderState.IN_PREPARATION,
        OrderState.READY_TO_SHIP,
    }
)
"""States before the goods leave: they can be cancelled, and their stock is reserved."""

ENDED = frozenset(
    {
        OrderState.CLOSED,
        OrderState.RETURNED,
        OrderState.LOST,
        OrderState.REFUSED,
        OrderState.CANCELLED,
    }
)
"""States after which nothing more is done."""
