"""What every platform adapter offers, and the types that planner, sender and adapters share.

An adapter turns items into requests and answers into outcomes. It does not decide what is sent
(`push.plan`), when and how often (`push.sender`), or what is remembered (`ledger`). One call of
`send` is one HTTP attempt: retries, splits, quota and journal are the sender's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Literal, NamedTuple, Protocol, Self, runtime_checkable

from marketsync_dagster.values.errors import MarketSyncError
from marketsync_dagster.values.outcomes import Outcome, StockStatus

Pace = Callable[[], Awaitable[object]]
"""Awaited before each call of a paged read, so that the caller's limiter counts it. It may raise
PlatformError: no call is made then."""


@runtime_checkable
class Obeying(Protocol):
    """A `Pace` that is told when the platform asks for silence, so that others keep it too."""

    def __call__(self) -> Awaitable[object]:
        """Wait for the turn."""
        ...

    async def close_for(self, seconds: float, reason: str) -> None:
        """The platform wants to be left alone for so long."""
        ...


class ImportKind(StrEnum):
    """What an import says of a listing. `Capabilities.async_import` platforms have `OFFERS`."""

    OFFERS = "offers"
    """All of it: what is left out is reset to its default."""
    PRICES = "prices"
    """The price alone."""
    STOCK = "stock"
    """The quantity alone."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a platform can do; planner, sender, checks and tests are driven by it."""

    push_price: bool = True
    push_stock: bool = True
    push_products: bool = False
    read_catalog: bool = False
    """Can list what the platform sells, page by page: feeds the mapping."""
    read_prices: bool = False
    """Tells what it shows for products that are named."""
    list_shown: bool = False
    """Can list all that it shows of ours, page by page (`list_shown`)."""
    catalog_by_barcode: bool = False
    """`read_catalog` finds only the products whose barcodes it is given."""
    batch_items: int = 100
    batch_bytes: int = 90_000
    batch_atomic: bool = False
    """One bad item fails the whole batch."""
    item_results: bool = True
    """Answers say what became of each item."""
    async_import: bool = False
    """A call starts an import, to be asked for later (`submit`); there is no `send`. The channels
    of an account share its imports."""
    price_import: bool = False
    """There are imports of prices alone."""
    stock_import: bool = False
    """There are imports of stock alone."""
    file_lines: int = 0
    """Most lines of an import of prices or stock alone; `batch_items` bounds those of offers."""
    import_wait_s: float = 0.0
    """How long a run asks for an import before it leaves it to the next one."""
    import_deadline_s: float = 0.0
    """After so long an import that has not ended counts as lost."""
    first_look_s: float = 0.0
    """How long after its start an import is asked for first."""
    intervals: Mapping[str, float] = field(default_factory=dict, hash=False)
    """Family of calls -> least seconds between two of them, in all processes together. Families of
    imports are their kind, `<kind>_status` and `<kind>_report`."""
    status_of_many: frozenset[ImportKind] = frozenset()
    """Kinds of imports of which one call tells how all stand; of others it tells of one."""
    page_items: int = 100
    """Rows of a page of what is listed (`read_catalog`, `list_shown`)."""
    idempotency_key: bool = False
    push_quantity: bool = False
    """Items carry the quantity itself, not only whether there is any."""
    orders: bool = False
    webhooks: bool = False
    full_replaces: bool = False
    """A full push takes off sale what it does not contain: never send one that is cut short."""
    offer_details: bool = False
    """Listings say more than price and stock (`PriceItem.details`, `stages.offers`)."""
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
    platform_sku: str = ""
    """What the platform calls our listing, where that is not the SKU alone (Mirakl: `shop_sku`)."""
    details: str = ""
    """JSON object of what else the listing says, where the platform takes it with the price."""


@dataclass(frozen=True, slots=True)
class ProductItem:
    """One product as it is offered to a platform's catalogue."""

    sku: str
    name: str
    category: str
    barcode: str
    brand: str | None = None
    size: str | None = None
    price: Decimal | None = None
    """Exact, in major units; what follows is for platforms that are told it with the product."""
    currency: str = ""
    quantity: int | None = None
    description: str = ""
    manufacturer: str = ""
    origin: str = ""
    """Country of origin."""


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
    true (413: send halves, or all but the items that are `named`); or `outcome` speaks for every
    item of the call.
    """

    call: Call
    results: Sequence[ItemResult] = ()
    outcome: Outcome | None = None
    message: str = ""
    split: bool = False
    named: tuple[int, ...] = ()
    """With `split`: the items, from 0 in the order sent, for which alone `message` refuses all."""
    retry_after_s: float | None = None
    """What the platform asked for, capped and never negative; None: it did not say."""
    import_id: str = ""
    """The import that was started, or the one that an equal request had started before; `outcome`
    is `accepted_async` then."""
    other_key: bool = False
    """The key was refused and another one of the account is at hand: the same items go again at
    once, as a call of their own that the limiter counts, however often calls may be tried."""
    before: tuple[Call, ...] = ()
    """Calls that were made before `call`, for an access token."""


@dataclass(frozen=True, slots=True)
class ImportStatus:
    """How one import stands."""

    import_id: str
    state: Literal["waiting", "running", "complete", "failed"]
    """An unknown word of the platform counts as running; `raw` keeps it."""
    raw: str = ""
    lines_in_error: int = 0
    lines_in_success: int | None = None
    """None: the platform does not say."""
    has_report: bool = False
    reason: str = ""
    """The platform's own words, redacted: why it failed."""
    line: int | None = None
    """The item, from 0 in the order sent, that the reason names; None: it names none."""


@dataclass(frozen=True, slots=True)
class StatusAnswer:
    """What one call said of imports. `outcome` None: it was read, `found` may still lack some."""

    call: Call
    found: tuple[ImportStatus, ...] = ()
    outcome: Outcome | None = None
    """Why nothing was read: retryable, unknown, auth_failed or refused."""
    message: str = ""
    retry_after_s: float | None = None
    other_key: bool = False


@dataclass(frozen=True, slots=True)
class ReportAnswer:
    """What one error report said. `outcome` None: it was read."""

    call: Call
    errors: Mapping[int, str] = field(default_factory=dict)
    """Item, from 0 in the order sent -> the platform's words."""
    strays: tuple[str, ...] = ()
    """Words about lines that are none of the items sent."""
    outcome: Outcome | None = None
    message: str = ""
    retry_after_s: float | None = None
    other_key: bool = False


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
    platform_sku: str = ""
    """What the platform calls the listing, where it has a name of its own."""
    quantity: int | None = None
    """None: the platform does not tell."""
    certain: bool = True
    """False: it may show something of ours, which cannot be told from what it says."""


@dataclass(frozen=True, slots=True)
class ShownPage:
    """One page of what a platform shows of ours."""

    rows: list[ShownPrice]
    total: int | None = None
    calls: tuple[Call, ...] = ()
    """The attempts that this page took, failed ones included."""


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


class Memory(Protocol):
    """Keeps texts between two openings of an account, for what may be asked for rarely."""

    def recall(self, name: str) -> str | None:
        """What was kept last under a name."""
        ...

    def keep(self, name: str, text: str) -> None:
        """Keep a text, in the place of the one before; nothing secret."""
        ...


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

    def import_batches(self, kind: ImportKind, items: Sequence[PriceItem]) -> list[tuple[int, int]]:
        """Half-open ranges of `items`, each one import of `kind` within its limits."""
        ...

    async def submit(self, kind: ImportKind, items: Sequence[PriceItem]) -> Answer:
        """One attempt to start an import (`async_import`). Never raises for what a platform does.

        Started, or started before by an equal request: `accepted_async` with its `import_id`.
        """
        ...

    async def import_status(
        self, kind: ImportKind, import_ids: Sequence[str], since: str
    ) -> StatusAnswer:
        """One attempt to learn how imports of `kind` stand: as many as one call can tell of, the
        first of them in any case.

        `since`: ISO time at which the oldest of them was started.
        """
        ...

    async def import_report(
        self, kind: ImportKind, import_id: str, platform_skus: Sequence[str]
    ) -> ReportAnswer:
        """One attempt to read which items of an import were refused; in the order sent."""
        ...

    def list_shown(self, *, pace: Pace | None = None) -> AsyncIterator[ShownPage]:
        """Every page of what the platform shows of ours, of all channels of the account.

        Pages may overlap and leave out what moves while they are read: absence proves nothing.
        Tried again, and PlatformError, like `read_catalog`.
        """
        ...

    def read_catalog(
        self,
        search: str | None = None,
        *,
        pace: Pace | None = None,
        barcodes: Sequence[str] = (),
    ) -> AsyncIterator[CatalogPage]:
        """Every page of what the platform lists, each product once; where the platform lists
        nothing by itself (`catalog_by_barcode`), the products of `barcodes`.

        Reads change nothing, so failed pages are tried again here, as often as the account's
        `retry` says. PlatformError where the catalogue cannot be read to its end.
        """
        ...

    async def read_prices(
        self, platform_ids: Sequence[str], *, pace: Pace | None = None
    ) -> list[ShownPrice]:
        """What the platform shows for each of these products, in their order. Where listings have
        names of their own (`PriceItem.platform_sku`), those are asked for.

        Tried again like `read_catalog`. PlatformError where a price cannot be read; `unsupported`
        where the capability `read_prices` is not declared.
        """
        ...

    async def test_connection(self) -> ConnectionResult:
        """Prove the credentials, not only the reachability."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *args: object) -> None: ...
