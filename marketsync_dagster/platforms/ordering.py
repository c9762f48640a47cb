"""What platforms that bring orders offer, and the types that the order book and adapters share.

An order source turns pages of its platform into raw documents, a raw document into an order, and a
command into one call. It does not decide what is accepted, keeps nothing, and tries nothing twice
but reads.

Names, addresses, mails and phones are in `Person` alone: no message, repr or log may show one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, Protocol, Self, runtime_checkable

from marketsync_dagster.platforms.base import Call, Pace
from marketsync_dagster.values.errors import MarketSyncError
from marketsync_dagster.values.order_states import CommandKind, OrderFlag, OrderState
from marketsync_dagster.values.outcomes import Outcome

Role = Literal["customer", "shipping", "billing"]


@dataclass(frozen=True, slots=True)
class OrderCapabilities:
    """What the source of orders can be told."""

    commands: frozenset[CommandKind] = frozenset()
    """What it takes; anything else is `unsupported` there, and only recorded here."""
    local: frozenset[CommandKind] = frozenset()
    """What needs no call: our decision alone makes it so."""
    look_up: bool = True
    """Can be asked for single orders by their ids."""
    partial_accept: bool = False
    """Some lines of an order can be refused while others are taken."""
    several_parcels: bool = False
    """PARCEL is taken; without it an order is shipped whole."""
    tells_readiness: bool = False
    """It says itself when an accepted order is to be shipped (Mirakl: after the debit); without,
    what is accepted is to be shipped."""
    keeps_stock: bool = False
    """It lowers what it shows by what it sells."""
    refund_reasons: bool = False
    """A refund or a cancellation of lines needs one of the platform's reason codes."""
    needs_carrier: bool = False
    """A tracking number without its carrier is refused there."""
    settle_s: float = 0.0
    """What was done may be missing from what is read for so long: `verify` of a command that may
    not be done twice proves nothing before."""


@dataclass(frozen=True, slots=True, repr=False)
class Person:
    """Who, and where: everything in it is personal data. Empty: not told."""

    first_name: str = ""
    last_name: str = ""
    company: str = ""
    street_1: str = ""
    street_2: str = ""
    city: str = ""
    zip: str = ""
    province: str = ""
    country: str = ""
    """ISO 3166-1, two letters where that is known, else as the platform writes it."""
    phone: str = ""
    email: str = ""

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.first_name} {self.last_name}".strip()


@dataclass(frozen=True, slots=True)
class Refund:
    """Money or goods that came back, as the platform tells of it."""

    id: str
    line_id: str
    amount: Decimal
    quantity: int = 0
    reason: str = ""
    kind: Literal["refund", "cancel"] = "refund"


@dataclass(frozen=True, slots=True)
class PulledLine:
    """One line of an order, as its platform tells it. Amounts are exact, in major units."""

    line_id: str
    offer_sku: str
    """How the platform names what was sold."""
    quantity: int
    unit_price: Decimal
    total: Decimal
    """Of the line: without shipping."""
    shipping: Decimal = Decimal(0)
    tax: Decimal = Decimal(0)
    title: str = ""
    product_id: str = ""
    raw_state: str = ""
    state: OrderState | None = None
    """None: a word that the adapter does not know."""
    cancelled: int = 0
    """Pieces of `quantity` that are not to be sent."""
    shipped: int | None = None
    """Pieces that have left; None: the platform does not tell by pieces."""


@dataclass(frozen=True, slots=True)
class PulledOrder:
    """One order, as its platform tells it. Times are ISO texts as `values.times.to_iso` writes."""

    external_id: str
    currency: str
    created_at: str
    updated_at: str
    lines: tuple[PulledLine, ...]
    number: str = ""
    """What people call it; empty: its id."""
    raw_state: str = ""
    state: OrderState | None = None
    """Of the order as a whole; lines without a state of their own have it."""
    flags: frozenset[OrderFlag] = frozenset()
    total: Decimal = Decimal(0)
    """All that the customer pays."""
    shipping: Decimal = Decimal(0)
    persons: Mapping[Role, Person] = field(default_factory=dict)
    refunds: tuple[Refund, ...] = ()
    accept_by: str = ""
    """Until when it has to be accepted; empty: not told."""
    ship_by: str = ""
    can_cancel: bool | None = None
    outlet: str = ""
    """Of an order whose source says to which outlet it belongs."""
    tags: tuple[str, ...] = ()
    details: Mapping[str, str] = field(default_factory=dict)
    """What commands need of it later (`order_tax_mode`); nothing personal."""


@dataclass(frozen=True, slots=True, repr=False)
class RawOrder:
    """One order as it came: kept before anything is made of it."""

    external_id: str
    """Empty: it cannot be told; the document is kept all the same."""
    document: bytes
    updated_at: str = ""


@dataclass(frozen=True, slots=True)
class OrderPage:
    """One page of a pull."""

    orders: tuple[RawOrder, ...]
    position: str
    """Where the next page begins; empty: this was the last."""
    server_time: str = ""
    """The platform's clock when the page was made, ISO; empty: not told."""
    total: int | None = None
    calls: tuple[Call, ...] = ()


class UnreadableOrder(MarketSyncError):
    """A raw order that no order can be made of. `message` names the place (`order_lines[2].price`)
    and what is wrong there, never a value that could be personal."""


@dataclass(frozen=True, slots=True)
class Tracking:
    """How a parcel travels."""

    carrier_code: str = ""
    """As the platform of the order calls the carrier, if it knows it."""
    carrier: str = ""
    number: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """One thing that the source of an order is told; nothing personal."""

    kind: CommandKind
    external_id: str
    lines: Mapping[str, int] = field(default_factory=dict)
    """Line -> pieces: of a parcel, a cancellation or a refund; empty: the whole order."""
    accepted: Mapping[str, bool] = field(default_factory=dict)
    """Line -> taken; every line of the order (ACCEPT)."""
    tracking: Tracking | None = None
    amounts: Mapping[str, Decimal] = field(default_factory=dict)
    """Line -> money, with REFUND and CANCEL_LINES."""
    shipping_amounts: Mapping[str, Decimal] = field(default_factory=dict)
    currency: str = ""
    reason_code: str = ""
    reference: str = ""
    """Ours: the same for every try of the same command."""
    details: Mapping[str, str] = field(default_factory=dict)
    """`PulledOrder.details` of the order."""
    known: tuple[str, ...] = ()
    """Ids of refunds and parcels that there were before, for `verify`."""


@dataclass(frozen=True, slots=True)
class CommandAnswer:
    """What one call of a command came to."""

    call: Call
    outcome: Outcome
    """APPLIED; REFUSED; RETRYABLE: not done, may go again; UNKNOWN: look the order up;
    AUTH_FAILED; UNSUPPORTED."""
    message: str = ""
    """The platform's words, redacted."""
    code: str = ""
    wrong_state: bool = False
    """Refused because the order is not in the state for it: look it up, it may be done, or be too
    early."""
    reference: str = ""
    """The platform's own id of what was made: a parcel, a refund."""
    retry_after_s: float | None = None
    other_key: bool = False
    """The key was refused and another one is at hand: the same goes again at once (`Answer`)."""


@dataclass(frozen=True, slots=True)
class LookUp:
    """What one call said of named orders. `outcome` None: it was read."""

    call: Call
    orders: tuple[RawOrder, ...] = ()
    outcome: Outcome | None = None
    message: str = ""
    retry_after_s: float | None = None
    other_key: bool = False


class OrderSource(Protocol):
    """One account that brings orders, open for use: `async with open_order_source(...)`."""

    @property
    def order_capabilities(self) -> OrderCapabilities: ...

    def order_pages(
        self, since: str, position: str = "", *, pace: Pace | None = None
    ) -> AsyncIterator[OrderPage]:
        """Pages of all orders that changed since an ISO time, from `position` on; orders may come
        twice. What changes meanwhile is among those since the beginning of the pull.

        Tried again like every read; PlatformError where the pages cannot be read to their end.
        """
        ...

    def read_order(self, document: bytes) -> PulledOrder:
        """What a raw document says; UnreadableOrder. Pure: no call is made."""
        ...

    async def look_up(self, external_ids: Sequence[str]) -> LookUp:
        """One attempt to read named orders as they are now; absent ones are not there."""
        ...

    async def perform(self, command: Command) -> CommandAnswer:
        """One attempt. Never raises for what a platform does; `UNSUPPORTED` without a call for
        what is not among `order_capabilities.commands`."""
        ...

    async def verify(self, command: Command) -> CommandAnswer:
        """One look at whether a command whose answer was lost is done. APPLIED: it is.
        RETRYABLE: it is not, for certain, and may go again (`wrong_state`: not before the order
        has moved on). REFUSED: it is not, and can never be. UNKNOWN: it cannot be told. Else why it
        could not be asked (AUTH_FAILED; RETRYABLE with `code` "not_asked")."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *args: object) -> None: ...


@runtime_checkable
class Keeps(Protocol):
    """An order source that puts away what it has handed out, once that is kept here: own shops."""

    async def kept(self, page: OrderPage) -> None:
        """A whole page is in the ledger, committed; none of its orders was left out. Never raises
        for what the source does: what was not put away comes again."""
        ...
