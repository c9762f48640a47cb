"""What places that fulfil orders offer (Qikink; the tills of outlets in `orders.pos_drop`), and the
types that routing and adapters share.

A fulfiller turns one forward into one call and an answer into words of ours. What is sent where,
when again and what becomes of the order belongs to `orders`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol, Self

from marketsync_dagster.platforms.base import Call, Pace
from marketsync_dagster.platforms.ordering import Person, Tracking
from marketsync_dagster.values.order_states import OrderState
from marketsync_dagster.values.outcomes import Outcome


@dataclass(frozen=True, slots=True)
class FulfilCapabilities:
    """What a destination can do."""

    idempotent: bool = False
    """The same number sent twice makes one order, for certain."""
    look_up: bool = True
    """An order can be found by our number, or its absence be proved."""
    cancel: bool = False
    status: bool = True
    """It can be asked how an order stands."""
    needs_address: bool = True
    holds_stock: bool = False
    """It has goods of its own: what goes there takes nothing from the outlet's stock."""


@dataclass(frozen=True, slots=True)
class OutgoingLine:
    """One line as it is to be fulfilled."""

    line_id: str
    sku: str
    quantity: int
    unit_price: Decimal
    title: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class OutgoingOrder:
    """One order, or some of its lines, as one destination gets it."""

    number: str
    """Ours, unique at the destination: at most 15 of a-z 0-9 _."""
    order_number: str
    """What the customer knows it by."""
    outlet: str
    currency: str
    total: Decimal
    """Of these lines."""
    lines: tuple[OutgoingLine, ...]
    persons: dict[str, Person] = field(default_factory=dict)
    """By role."""
    created_at: str = ""
    ship_by: str = ""
    cash_on_delivery: bool = False


@dataclass(frozen=True, slots=True)
class Handed:
    """What one attempt to hand over an order, or to cancel it, came to."""

    call: Call
    outcome: Outcome
    """APPLIED: it has it. REFUSED: it will never take it as it is. RETRYABLE: it does not have it.
    UNKNOWN: look it up. AUTH_FAILED. UNSUPPORTED."""
    external_id: str = ""
    message: str = ""
    duplicate: bool = False
    """REFUSED because it has the number already: look it up."""
    retry_after_s: float | None = None
    before: tuple[Call, ...] = ()
    """Calls that were made before `call`, for a token."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A parcel as the destination tells of it."""

    key: str
    """Tells it from other parcels of the forward, and stays the same."""
    tracking: Tracking = field(default_factory=Tracking)
    lines: dict[str, int] = field(default_factory=dict)
    """Line -> pieces; empty: all of the forward."""
    estimated_delivery: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """How one forward stands at its destination."""

    number: str
    external_id: str = ""
    raw_status: str = ""
    state: OrderState | None = None
    """None: a word that the adapter does not know, and nothing else tells."""
    failed: bool = False
    """It ended there without being fulfilled (cancelled, refused)."""
    parcels: tuple[Parcel, ...] = ()
    events: tuple[tuple[str, str], ...] = ()
    """(ISO time or empty, the destination's words), oldest first; nothing personal."""
    estimated_delivery: str = ""
    message: str = ""
    back_in_part: bool = False
    """Some of it came back, and which lines and pieces is not told."""


@dataclass(frozen=True, slots=True)
class Found:
    """What looking for forwards came to. `outcome` None: it was read to its end, and a number that
    is not in `standings` is not there, for certain."""

    calls: tuple[Call, ...]
    standings: tuple[Standing, ...] = ()
    outcome: Outcome | None = None
    message: str = ""
    retry_after_s: float | None = None


class Fulfiller(Protocol):
    """One destination, open for use: `async with open_fulfiller(...)`."""

    @property
    def fulfil_capabilities(self) -> FulfilCapabilities: ...

    def problem(self, order: OutgoingOrder) -> str:
        """Why the destination would refuse it (`the shipping address has no phone`); empty: nothing
        is known to be wrong. Names fields, never values."""
        ...

    async def create(self, order: OutgoingOrder) -> Handed:
        """One attempt to hand over; tokens may take a call of their own before."""
        ...

    async def cancel(self, number: str, external_id: str) -> Handed:
        """One attempt to take it back; UNSUPPORTED without a call where there is none."""
        ...

    async def find(self, numbers: Sequence[str], since: str, *, pace: Pace | None = None) -> Found:
        """Whether the destination has orders under these numbers, handed over after `since` (ISO);
        however many calls that takes."""
        ...

    async def standings(
        self, known: Sequence[tuple[str, str]], *, pace: Pace | None = None
    ) -> Found:
        """How forwards (number, the destination's id) stand."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *args: object) -> None: ...
