"""How the suite has an account of one platform: how it is configured and seeded, what is sent to
it, and what the sandbox then holds.

A platform's module in `benches` has a subclass of `Bench` and one instance of it, `BENCH`. What is
said here is what most platforms do.
"""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache, cached_property
from types import MappingProxyType
from typing import Any

from marketsync_dagster.config.settings import Settings
from marketsync_dagster.platforms.base import Capabilities, PriceItem, ProductItem
from marketsync_dagster.platforms.registry import capabilities_of
from marketsync_dagster.values.outcomes import Outcome, StockStatus
from marketsync_dagster_tests.conformance import benches
from marketsync_dagster_tests.conformance.orders import OrderBench
from marketsync_dagster_tests.sandbox_process import SandboxProcess

ACCOUNT, OUTLET = "x", "westlands"
NOWHERE = "http://127.0.0.1:1"
ODD = ("a/ %ü", "00123", "1E5")
"""Ids that do not survive as numbers, or unescaped."""

Held = dict[str, tuple[Decimal, bool]]
"""Platform id -> price, and whether it can be bought."""
Ends = Mapping[str, Outcome | Sequence[Outcome]]


@dataclass(frozen=True, slots=True)
class Limits:
    """What the platform allows the account; None: enough."""

    most_items: int | None = None
    """In a call."""
    per_minute: int | None = None
    distance_s: float | None = None
    """Least seconds between two calls of one kind, where the platform counts so."""
    imports: Mapping[str, Any] = field(default_factory=dict)
    """Where there are imports: `processing_s`, `report_style` (plain or excel), `price_import`,
    `stock_import`."""


class Bench(ABC):
    """One platform; subclasses say what differs."""

    platform: str
    mount: str
    """The path of `base_url` on the sandbox."""
    secrets: Mapping[str, str]
    """Environment variable -> made-up value; the key comes first. They are looked for in everything
    that leaves an adapter."""
    store: str
    """The account's name in the sandbox's state."""
    channel: Mapping[str, Any] = MappingProxyType({})
    """What its channel says besides outlet, account and guard."""
    elsewhere: Mapping[str, Any] | None = None
    """Changes of the account that name a store or shop that is not there; None: requests name
    none."""
    wrong_kind: tuple[str, Mapping[str, Any]] | None = None
    """A key of another kind, and what the account says to be asked for its kind; None: keys have
    none."""
    passing: Any = None
    """An item's error in the platform's words that may pass by itself; None: there are none."""
    lasting: Any = None
    """One that will not."""
    orders: OrderBench | None = None
    """Of a platform that declares `orders`."""
    ends: Ends = MappingProxyType({})
    """Name of a fault in `faults` -> what it comes to here, where that differs from the table."""

    @abstractmethod
    def account(self, **said: Any) -> dict[str, Any]:
        """What the account says besides platform, address and waits."""

    @abstractmethod
    def limits(self, items: int | None = None, size: int | None = None) -> dict[str, Any]:
        """What the account says for batches of so many items or bytes."""

    def distances(self, seconds: float) -> dict[str, Any]:
        """What the account says for so many seconds between two calls of one kind, where it
        declares `intervals`."""
        raise AssertionError(f"{self.platform} declares intervals: its bench has to set them")

    @abstractmethod
    def seed(self, ids: Sequence[str], limits: Limits) -> dict[str, Any]:
        """A seed of the account, on a platform that knows these products."""

    def ids(self, count: int) -> list[str]:
        """Ids of products."""
        return [*ODD, *(f"p{n:05}" for n in range(len(ODD), count))][:count]

    def item(self, platform_id: str, price: str, *, stock: str = "in_stock") -> PriceItem:
        """An item to send."""
        return PriceItem(
            f"sku-{platform_id}", platform_id, Decimal(price), "KES", StockStatus(stock), 7
        )

    def items(self, count: int) -> list[PriceItem]:
        """Items with prices of their own."""
        return [self.item(i, f"{60 + n}.07") for n, i in enumerate(self.ids(count))]

    def product(self, number: int) -> ProductItem:
        """A product to offer, with a barcode of its own."""
        return ProductItem(
            f"s/{number} ü", f"Product {number}", "Drinks", f"{5449000000000 + number}"
        )

    def barcodes(self, ids: Sequence[str]) -> list[str]:
        """The barcodes under which the platform lists these, where it must be told them."""
        return []

    def held(self, sandbox: SandboxProcess) -> Held:
        """What the sandbox holds for the account."""
        return {
            item: (Decimal(shown["price"]), shown["stock_status"] not in (0, False, "out_of_stock"))
            for item, shown in sandbox.state(self.platform, self.store).items()
        }

    def drift(self, sandbox: SandboxProcess) -> None:
        """Let what is listed move after its first page has been read."""
        sandbox.scenario("page_drift", match={"nth": 2}, insert=3, remove=5)

    def settings(self, origin: str = NOWHERE, **said: Any) -> Settings:
        """The configuration of one outlet on one account; waits are short, retries at once."""
        return Settings.model_validate(self.document(origin, **said))

    def document(self, origin: str = NOWHERE, **said: Any) -> dict[str, Any]:
        """The same, as marketsync.yaml has it."""
        if str(said.get("base_url", "")).startswith("/"):
            said["base_url"] = origin + said["base_url"]
        common = {
            "platform": self.platform,
            "base_url": origin + self.mount,
            "quota": {"per_minute": None, "concurrency": 2},
            "timeouts": {"connect_s": 5, "read_s": 5},
            "retry": {"attempts": 3, "base_s": 0, "cap_s": 0, "budget_s": 3},
        }
        channel = {"outlet": OUTLET, "account": ACCOUNT, **self.channel}
        outlet = {"name": "Westlands Branch", "extract": {"path": f"extracts/{OUTLET}"}}
        return {
            "version": 1,
            "defaults": {"currency": "KES", "timezone": "UTC"},
            "outlets": {OUTLET: outlet},
            "accounts": {ACCOUNT: common | self.account(**said)},
            "channels": [channel],
        }

    @cached_property
    def capabilities(self) -> Capabilities:
        """What the account declares."""
        return capabilities_of(self.settings().accounts[ACCOUNT])

    @property
    def key(self) -> str:
        """The environment variable that holds the key."""
        return next(iter(self.secrets))

    @property
    def done(self) -> Outcome:
        """What becomes of an item that is taken."""
        return Outcome.ACCEPTED_ASYNC if self.capabilities.async_import else Outcome.APPLIED


@cache
def every_bench() -> tuple[Bench, ...]:
    """The bench of each platform, by name of module."""
    names = sorted(module.name for module in pkgutil.iter_modules(benches.__path__))
    modules = [importlib.import_module(f"{benches.__name__}.{name}") for name in names]
    return tuple(module.BENCH for module in modules)
