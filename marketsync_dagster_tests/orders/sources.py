"""A source of orders for tests that keeps a book of its own, and can apply and lose the answer,
refuse, be busy, or be in another state; and orders in the ledger."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

from marketsync_dagster.config.settings import Settings
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.order_commands import CommandRow, commands_of
from marketsync_dagster.ledger.order_raw import RawRow, keep_raw, sha256_of
from marketsync_dagster.ledger.orders import BookOrder, get_order, order_id_of, orders_to_change
from marketsync_dagster.orders import book
from marketsync_dagster.orders.telling import Told, tell_source
from marketsync_dagster.platforms.base import Call, Pace
from marketsync_dagster.platforms.ordering import (
    Command,
    CommandAnswer,
    LookUp,
    OrderCapabilities,
    OrderPage,
    PulledOrder,
    RawOrder,
)
from marketsync_dagster.values.order_states import CommandKind, OrderState
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster.values.times import from_iso, to_iso
from marketsync_dagster_tests.config.texts import load
from marketsync_dagster_tests.orders.telling import (
    AT,
    PLATFORM,
    SOURCE,
    a_line,
    an_order,
    resolve,
)

MIRAKL = OrderCapabilities(
    commands=frozenset(CommandKind),
    partial_accept=True,
    several_parcels=True,
    tells_readiness=True,
    refund_reasons=True,
)
NOON = from_iso(AT)
PROJECT = """\
version: 1
defaults: {currency: KES}
outlets:
  westlands: {name: Westlands, extract: {path: extracts/a}}
accounts:
  best_buy:
    platform: mirakl
    base_url: https://mirakl.example/api
    api_key: {env: MIRAKL_KEY}
    shop_id: 2001
    partial_acceptance: true
    orders: {ORDERS}
channels:
  - {outlet: westlands, account: best_buy}
"""


def settings_of(folder: Path, orders: str = "{accept: auto}") -> Settings:
    """A project with one account that brings orders."""
    return load(folder, PROJECT.replace("{ORDERS}", orders))


def call(status: int | None = 204) -> Call:
    return Call("PUT", "/orders", status, 1)


@dataclass(eq=False)
class FakeSource:
    """What it was told is in `effects`; `script` says how the next calls end, then all are well.

    ok; lose: done, and no answer; fall: not done, and no answer; busy; refuse; state: the order is
    not in the state for it; early: likewise, and `verify` says so; auth; key: another key may.
    """

    order_capabilities: OrderCapabilities = MIRAKL
    script: list[str] = field(default_factory=list)
    blind: bool = False
    """Looking tells nothing."""
    away: bool = False
    """It cannot be asked."""
    effects: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(kind, reference) -> how often it was done."""
    performed: list[Command] = field(default_factory=list)
    verified: list[Command] = field(default_factory=list)
    refunds: list[str] = field(default_factory=list)
    """Ids of refunds that there are."""

    async def perform(self, command: Command) -> CommandAnswer:
        self.performed.append(command)
        way = self.script.pop(0) if self.script else "ok"
        if way in ("ok", "lose"):
            self.effects[command.kind.value, command.reference] += 1
        words = f"{command.kind.value}: {way}"
        match way:
            case "ok":
                return CommandAnswer(call(), Outcome.APPLIED, reference=f"their {command.kind}")
            case "lose" | "fall":
                return CommandAnswer(call(None), Outcome.UNKNOWN, words)
            case "busy":
                return CommandAnswer(call(503), Outcome.RETRYABLE, words)
            case "state" | "early":
                return CommandAnswer(call(400), Outcome.REFUSED, words, wrong_state=True)
            case "auth":
                return CommandAnswer(call(401), Outcome.AUTH_FAILED, words)
            case "key":
                return CommandAnswer(
                    call(401), Outcome.RETRYABLE, words, retry_after_s=0, other_key=True
                )
            case _:
                return CommandAnswer(call(400), Outcome.REFUSED, words)

    async def verify(self, command: Command) -> CommandAnswer:
        self.verified.append(command)
        if self.away:
            return CommandAnswer(call(503), Outcome.RETRYABLE, "away", code="not_asked")
        if self.blind:
            return CommandAnswer(call(200), Outcome.UNKNOWN, "it cannot be told")
        done = self.effects[command.kind.value, command.reference]
        return CommandAnswer(call(200), Outcome.APPLIED if done else Outcome.RETRYABLE)

    async def look_up(self, external_ids: Sequence[str]) -> LookUp:
        if self.away:
            return LookUp(call(503), outcome=Outcome.RETRYABLE, message="away")
        return LookUp(call(200), tuple(RawOrder(one, one.encode()) for one in external_ids))

    def read_order(self, document: bytes) -> PulledOrder:
        from decimal import Decimal

        from marketsync_dagster.platforms.ordering import Refund

        there = tuple(Refund(one, "1", Decimal(1)) for one in self.refunds)
        return an_order(external_id=document.decode(), refunds=there)

    def order_pages(
        self, since: str, position: str = "", *, pace: Pace | None = None
    ) -> AsyncIterator[OrderPage]:
        raise AssertionError("this source is told things, and never pulled")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *args: object) -> None:
        return None

    @property
    def kinds(self) -> list[str]:
        """What was performed, in its order."""
        return [one.kind.value for one in self.performed]


def put(ledger: Ledger, *pulled: PulledOrder, at: str = AT) -> list[BookOrder]:
    """The orders as a pull brings them; as they are then."""
    rows = [
        RawRow(one.external_id, sha256_of(repr(one).encode()), at, one.updated_at, b"{}")
        for one in pulled
    ]
    with ledger.begin() as conn:
        kept = keep_raw(conn, PLATFORM, SOURCE, rows)
    with ledger.begin() as conn:
        read = list(zip(kept, pulled, strict=True))
        book.apply(conn, SOURCE, PLATFORM, read, resolve, at=at, by=SOURCE)
    return [the(ledger, order_id_of(PLATFORM, SOURCE, one.external_id)) for one in pulled]


def the(ledger: Ledger, order_id: str) -> BookOrder:
    """An order as it is now."""
    found = get_order(ledger, order_id)
    assert found is not None
    return found


def accepted(ledger: Ledger, *lines: Any, **said: Any) -> BookOrder:
    """An order that its source wants shipped."""
    state = said.pop("state", OrderState.IN_PREPARATION)
    made = [replace(line, state=state) for line in lines] or [a_line(state=state)]
    total = sum((line.total + line.shipping for line in made), Decimal(0))
    (order,) = put(ledger, an_order(*made, state=state, **{"total": total} | said))
    # nobody knows who accepted it: a person lets it go on
    released = {"by": "jane", "reason": "nobody ships it", "at": AT}
    change(ledger, order, lambda conn, now: book.release_order(conn, now, ["manual"], **released))
    return the(ledger, order.id)


def says(ledger: Ledger, order: BookOrder, state: OrderState, hours: int = 1) -> BookOrder:
    """The source tells of another state, later."""
    later = to_iso(from_iso(order.updated_at) + timedelta(hours=hours))
    lines = [a_line(line.line_id, quantity=line.quantity, state=state) for line in order.lines]
    (now,) = put(
        ledger,
        an_order(*lines, external_id=order.external_id, updated_at=later, state=state),
    )
    return now


def commands(ledger: Ledger, order: BookOrder) -> list[CommandRow]:
    with ledger.read() as conn:
        return commands_of(conn, [order.id]).get(order.id, [])


def ways(ledger: Ledger, order: BookOrder) -> dict[str, str]:
    """Kind -> state of the order's commands."""
    return {one.kind.value: one.state for one in commands(ledger, order)}


def tell(ledger: Ledger, source: FakeSource, now: datetime = NOON, **more: Any) -> Told:
    """One turn."""
    return asyncio.run(tell_source(ledger, SOURCE, source, by="run 1", now=now, **more))


def change(ledger: Ledger, order: BookOrder, work: Any) -> Any:
    """`work(conn, order)` as everybody who changes an order does it."""
    with ledger.begin() as conn:
        return work(conn, orders_to_change(conn, SOURCE, [order.id])[order.id])
