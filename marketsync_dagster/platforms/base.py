"""What every platform adapter offers, and the types that planner, sender and adapters share.

An adapter turns items into requests and answers into outcomes. It does not decide what is sent
(`push.plan`), when and how often (`push.sender`), or what is remembered (`ledger`). One call of
`send` is one HTTP attempt: retries, splits, quota and journal are the sender's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple, Protocol, Self

from marketsync_dagster.values.errors import MarketSyncError
from marketsync_dagster.values.outcomes import Outcome, StockStatus

Pace = Callable[[], Awaitable[object]]
"""Awaited before each call of a paged read, so that the caller's limiter counts it."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a platform can do; planner, sender, checks and tests are driven by it."""

    push_price: bool = True
    push_stock: bool = True
    push_products: bool = False
    read_catalog: bool = False
    """Can list what the platform sells, page by page: feeds the mapping."""
    read_prices: bool = False
    batch_items: int = 100
    batch_bytes: int = 90_000
    batch_atomic: bool = False
    """One bad item fails the whole batch."""
    item_results: bool = True
    """Answers say what became of each item."""
    async_import: bool = False
    idempotency_key: bool = False
    push_quantity: bool = False
    """Items carry the quantity itself, not only whether there is any."""
    orders: bool = False
    webhooks: bool = False
    full_replaces: bool = False
    """A full push takes off sale what it does not contain: never send one that is cut short."""
    always_replaces: bool = False
    """So does every request: there are no partial pushes, no second batches, no retries of some."""


class PriceItem(NamedTuple):
    """One SKU as a platform should show it. `price` is exact, in major units.

    A tuple, because hundreds of thousands are made in a push, and a frozen dataclass takes three
    times as long.
    """

    sku: str
    platform_id: str
    price: Decimal
    currency: str
    stock_status: StockStatus
    quantity: int | None = None
    promotion: bool = False


@dataclass(frozen=True, slots=True)
class ProductItem:
    """One product as it is offered to a platform's catalogue."""

    sku: str
    name: str
    category: str
    barcode: str
    brand: str | None = None
    size: str | None = None


@dataclass(frozen=True, slots=True)
class ItemResult:
    """What became of one item; `message` is the platform's own words, already redacted."""

    outcome: Outcome
    message: str = ""
    code: str = ""
    platform_id: str = ""
    """Filled by product pushes: the id that the platform gave or knows."""


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP attempt as it happened; a row of `api_call`."""

    method: str
    path: str
    status: int | None
    """None: no answer."""
    milliseconds: int
    request_id: str = ""
    error: str = ""
    """Redacted first 500 bytes of an error body, or what the transport said."""
    ahead_s: float | None = None
    """By how much the platform's clock, as its `Date` header tells it, is ahead of ours."""


NOT_CALLED = "nothing was sent"
"""`Call.error` of an answer that needed no call."""


class PlatformError(MarketSyncError):
    """A platform could not be read; `outcome` says of what kind the failure is."""

    def __init__(
        self,
        message: str,
        next_step: str = "",
        *,
        outcome: Outcome,
        calls: Sequence[Call] = (),
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, next_step)
        self.outcome = outcome
        self.calls = tuple(calls)
        """The attempts that have not been reported with a page yet."""
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Answer:
    """What one HTTP attempt came to, for the items that were sent.

    Exactly one of these holds: `results` has one entry per item in the order sent; or `split` is
    true (413: send halves); or `outcome` speaks for every item of the call.
    """

    call: Call
    results: Sequence[ItemResult] = ()
    outcome: Outcome | None = None
    message: str = ""
    split: bool = False
    retry_after_s: float | None = None
    """What the platform asked for, capped and never negative; None: it did not say."""
    other_key: bool = False
    """The key was refused and another one of the account is at hand: the same items go again at
    once, as a call of their own that the limiter counts, however often calls may be tried."""


@dataclass(frozen=True, slots=True)
class CatalogPage:
    """One page of the platform's catalogue; rows are the columns of PLATFORM_CATALOG."""

    rows: list[dict[str, str | None]]
    total: int | None = None
    calls: tuple[Call, ...] = ()
    """The attempts that this page took, failed ones included."""


class ShownPrice(NamedTuple):
    """What a platform shows for one product of ours; `price` None: nothing, `message` says why."""

    platform_id: str
    price: Decimal | None = None
    currency: str = ""
    stock_status: StockStatus | None = None
    """None: the platform does not tell, or in words of its own."""
    at: str = ""
    """Since when, in the platform's words; empty: it does not tell."""
    message: str = ""
    calls: tuple[Call, ...] = ()
    """The attempts that this took, failed ones included."""


@dataclass(frozen=True, slots=True)
class ConnectionResult:
    """What a connection test found; nothing secret in it."""

    ok: bool
    message: str
    next_step: str = ""
    key: str = ""
    """The key, masked."""
    environment: str = ""
    """demo, live, or empty where the platform does not tell."""
    calls: list[Call] = field(default_factory=list)


class Adapter(Protocol):
    """One account of one platform, open for use: `async with open_adapter(...) as adapter`."""

    @property
    def capabilities(self) -> Capabilities: ...

    def batches(self, items: Sequence[PriceItem]) -> list[tuple[int, int]]:
        """Half-open ranges of `items`, each one call within batch size and bytes."""
        ...

    def product_batches(self, items: Sequence[ProductItem]) -> list[tuple[int, int]]:
        """The same for `send_products`."""
        ...

    async def send(
        self, items: Sequence[PriceItem], *, single: bool = False, whole: bool = False
    ) -> Answer:
        """One attempt to make the platform show `items`. Never raises for what a platform does.

        `whole`: they are all that it is to show, where `full_replaces`; it may drop the rest.
        """
        ...

    async def send_products(self, items: Sequence[ProductItem]) -> Answer:
        """One attempt to add or update products."""
        ...

    def read_catalog(
        self, search: str | None = None, *, pace: Pace | None = None
    ) -> AsyncIterator[CatalogPage]:
        """Every page of what the platform lists, each product once.

        Reads change nothing, so failed pages are tried again here, as often as the account's
        `retry` says. PlatformError where the catalogue cannot be read to its end.
        """
        ...

    async def read_prices(
        self, platform_ids: Sequence[str], *, pace: Pace | None = None
    ) -> list[ShownPrice]:
        """What the platform shows for each of these products, in their order.

        Tried again like `read_catalog`. PlatformError where a price cannot be read; `unsupported`
        where the capability `read_prices` is not declared.
        """
        ...

    async def test_connection(self) -> ConnectionResult:
        """Prove the credentials, not only the reachability."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *args: object) -> None: ...
