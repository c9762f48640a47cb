"""A source of orders in memory whose pages, clock and failures a test decides."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson

from marketsync_dagster.config.orders import OrderSettings
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.orders.intake import Intake
from marketsync_dagster.orders.points import Observer, unobserved
from marketsync_dagster.orders.pull import Pulled, Puller, Wanted
from marketsync_dagster.platforms.base import Call, PlatformError
from marketsync_dagster.platforms.ordering import (
    OrderPage,
    PulledOrder,
    RawOrder,
    UnreadableOrder,
)
from marketsync_dagster.values.order_states import OrderState
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster.values.times import from_iso, to_iso
from marketsync_dagster_tests.orders.telling import PLATFORM, SOURCE, a_line, an_order, resolve

NOON = from_iso("2026-11-21T12:00:00.000Z")
CALL = Call("GET", "/orders", 200, 40)


def minute(number: int) -> str:
    """So many minutes after noon."""
    return to_iso(NOON + timedelta(minutes=number))


@dataclass
class FakeSource:
    """Orders by the time of their change, in pages; `position` is an offset."""

    size: int = 3
    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    clock: str = ""
    """The platform's; empty: it does not tell."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """(since, position) of each reading."""
    between: Callable[[int], None] = lambda _page: None
    """Called before each page is made, with its number from 0."""
    refuses: set[str] = field(default_factory=set)
    """Positions that are gone."""
    repeats: int = 0
    """So many rows of the page before stand at the beginning of each page."""

    def put(self, name: str, at: str, state: str = "new", **more: Any) -> None:
        """An order as it is from now on."""
        said = {"id": name, "at": at, "state": state, "quantity": 2, **more}
        self.orders[name] = said

    def put_many(self, count: int, first: int = 0) -> None:
        for number in range(first, first + count):
            self.put(f"A-{number:02}", minute(number))

    async def order_pages(
        self, since: str, position: str = "", *, pace: Any = None
    ) -> AsyncIterator[OrderPage]:
        self.asked.append((since, position))
        offset = int(position or 0)
        number = 0
        while True:
            if pace is not None:
                await pace()
            self.between(number)
            if str(offset) in self.refuses:
                raise PlatformError("gone", outcome=Outcome.REFUSED, calls=[CALL])
            there = sorted(
                (one for one in self.orders.values() if one["at"] >= since),
                key=lambda one: (one["at"], one["id"]),
            )
            rows = there[max(0, offset - self.repeats) : offset + self.size]
            more = offset + self.size < len(there)
            offset += self.size
            raws = tuple(RawOrder(one["id"], orjson.dumps(one), one["at"]) for one in rows)
            yield OrderPage(raws, str(offset) if more else "", self.clock, len(there), (CALL,))
            number += 1
            if not more:
                return

    def read_order(self, document: bytes) -> PulledOrder:
        said = orjson.loads(document)
        if said["quantity"] is None:
            raise UnreadableOrder("lines[0].quantity: nothing")
        words = {state.value: state for state in OrderState}
        line = a_line(
            quantity=said["quantity"],
            state=words.get(said["state"]),
            raw_state=said["state"],
            unit_price=Decimal(said.get("price", "10.00")),
        )
        made = {"created_at": said["created"]} if "created" in said else {}
        return an_order(line, external_id=said["id"], updated_at=said["at"], **made)


@dataclass
class KeepingSource(FakeSource):
    """One that puts away what is kept here."""

    put_away: list[str] = field(default_factory=list)

    async def kept(self, page: OrderPage) -> None:
        self.put_away += [raw.external_id for raw in page.orders]


def puller(
    ledger: Ledger,
    source: Any,
    *,
    now: datetime = NOON + timedelta(hours=1),
    since: str = "",
    states: Sequence[str] = (),
    limit: int | None = None,
    observe: Observer = unobserved,
    go_on: Callable[[], bool] | None = None,
    **settings: Any,
) -> Puller:
    """One pull of the fake."""
    intake = Intake(ledger, source, SOURCE, PLATFORM, resolve, SOURCE, observe=observe)
    made = Puller(source, intake, OrderSettings(**settings), Wanted(since, states, limit), now=now)
    if go_on is not None:
        made.go_on = go_on
    return made


def pull(ledger: Ledger, source: Any, **more: Any) -> Pulled:
    """Pull to the end."""
    return asyncio.run(puller(ledger, source, **more).run())


def counts(pulled: Pulled) -> Mapping[str, int]:
    """What happened to orders; nothing that is zero."""
    names = ("created", "updated", "unchanged", "failed", "left_out")
    return {name: int(pulled.numbers()[name]) for name in names if pulled.numbers()[name]}
