"""How the suite has orders of one platform, and what it does with them: told by `Bench.orders` of
the platforms that declare the capability `orders`."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from marketsync_dagster.config.secrets import Secrets
from marketsync_dagster.platforms.ordering import (
    Command,
    CommandAnswer,
    OrderCapabilities,
    OrderPage,
    OrderSource,
)
from marketsync_dagster.platforms.registry import open_order_source, order_capabilities_of
from marketsync_dagster.values.order_states import CommandKind
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster_tests.sandbox_process import SandboxProcess

if TYPE_CHECKING:
    from marketsync_dagster_tests.conformance.stand import Stand

T = TypeVar("T")
ACCOUNT = "x"
SINCE = "2026-01-01T00:00:00.000Z"
ROUNDS = 4
"""So often a command is told or looked up until it is done."""


class OrderBench(ABC):
    """One platform's orders; subclasses say what differs."""

    pulls: str
    """The path of the pull on the sandbox."""
    page: int
    """Orders in a page of it."""
    price: str
    """Of one piece of what `add` and `ready` order, as it has to be read."""
    moves: dict[str, Any]
    """The sandbox's action that lets orders come, change and be cancelled behind a page."""
    late: dict[str, Any]
    """The action that shows what a command did too late, by `late_s` seconds."""
    late_s: float
    less: dict[str, Any]
    """What the account says to be told less than it can be."""

    @abstractmethod
    def seed(self, sandbox: SandboxProcess) -> None:
        """An account without limits, and without orders."""

    @abstractmethod
    def add(self, sandbox: SandboxProcess, count: int) -> list[str]:
        """So many new orders; their ids."""

    @abstractmethod
    def ready(self, sandbox: SandboxProcess, kind: CommandKind) -> Command:
        """An order that stands as a command of this kind wants it, and that command."""

    @abstractmethod
    def early(self, sandbox: SandboxProcess) -> Command:
        """A command that is told before its order stands so."""

    @abstractmethod
    def effects(self, sandbox: SandboxProcess, command: Command) -> int:
        """How often a command took effect."""

    @abstractmethod
    def spoil(self, document: bytes) -> tuple[bytes, str]:
        """A raw order in which one value can be nothing, and where it stands."""


class Orders:
    """The stand of a platform, with its orders."""

    def __init__(self, stand: Stand) -> None:
        assert stand.bench.orders is not None, "declares orders: its bench has to have some"
        self.stand = stand
        self.sandbox = stand.sandbox
        self.bench = stand.bench.orders
        self.bench.seed(stand.sandbox)

    @property
    def can(self) -> OrderCapabilities:
        """What the account declares."""
        return order_capabilities_of(self.stand.settings(), ACCOUNT)

    def work(self, do: Callable[[OrderSource], Coroutine[Any, Any, T]], **account: Any) -> T:
        """Open the source, do something, and close it."""

        async def opened() -> T:
            settings = self.stand.settings(**account)
            async with open_order_source(settings, ACCOUNT, secrets=Secrets()) as source:
                return await do(source)

        return asyncio.run(opened())

    def pull(self, position: str = "", pace: Any = None, **account: Any) -> list[OrderPage]:
        """All pages of a pull."""

        async def read(source: OrderSource) -> list[OrderPage]:
            return [page async for page in source.order_pages(SINCE, position, pace=pace)]

        return self.work(read, **account)

    def ready(self, kinds: frozenset[CommandKind] | None = None) -> list[Command]:
        """A command of every kind that is declared, each of an order of its own."""
        asked = sorted(self.can.commands if kinds is None else self.can.commands & kinds)
        return [self.bench.ready(self.sandbox, kind) for kind in asked]

    def effects(self, commands: list[Command]) -> list[int]:
        """How often each took effect."""
        return [self.bench.effects(self.sandbox, one) for one in commands]

    def perform(self, commands: list[Command], **account: Any) -> list[CommandAnswer]:
        """One attempt at each."""

        async def each(source: OrderSource) -> list[CommandAnswer]:
            return [await source.perform(one) for one in commands]

        return self.work(each, **account)

    def verify(self, commands: list[Command], **account: Any) -> list[CommandAnswer]:
        """One look at each."""

        async def each(source: OrderSource) -> list[CommandAnswer]:
            return [await source.verify(one) for one in commands]

        return self.work(each, **account)

    def through(self, commands: list[Command], said: list[CommandAnswer]) -> list[Outcome]:
        """The ends of commands that are looked up where they are unknown, and told again where they
        are not done, as the order book does."""

        async def end(source: OrderSource, one: Command, answer: CommandAnswer) -> Outcome:
            for _ in range(ROUNDS):
                if answer.outcome is Outcome.RETRYABLE:
                    answer = await source.perform(one)
                elif answer.outcome in (Outcome.UNKNOWN, Outcome.AUTH_FAILED):
                    answer = await source.verify(one)
            return answer.outcome

        async def each(source: OrderSource) -> list[Outcome]:
            pairs = zip(commands, said, strict=True)
            return [await end(source, one, answer) for one, answer in pairs]

        return self.work(each)


def names(pages: list[OrderPage]) -> list[str]:
    """The ids of all rows, in their order."""
    return [raw.external_id for page in pages for raw in page.orders]
