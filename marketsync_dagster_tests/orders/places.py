"""A place that fulfils orders, in memory, which misbehaves as it is told; and orders that wait to
be sent there. What real ones do over HTTP and files is tested with their adapters."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self

from marketsync_dagster.config.load import read_settings
from marketsync_dagster.config.settings import Route, Settings
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.forwards import Forward, forwards_of
from marketsync_dagster.ledger.order_events import OrderEvent, events_of
from marketsync_dagster.ledger.order_holds import holds_of
from marketsync_dagster.ledger.order_persons import save_persons
from marketsync_dagster.ledger.order_tasks import Task, open_tasks
from marketsync_dagster.ledger.orders import (
    BookLine,
    BookOrder,
    load_orders,
    order_id_of,
    orders_to_change,
    save_orders,
)
from marketsync_dagster.orders import book
from marketsync_dagster.orders.desk import Desk
from marketsync_dagster.orders.forward_making import Routed, make_forwards, to_route
from marketsync_dagster.orders.forwarding import again
from marketsync_dagster.orders.handing import take_turn
from marketsync_dagster.orders.persons import person_row
from marketsync_dagster.orders.routing import Goods, GoodsOf
from marketsync_dagster.orders.states import aggregate
from marketsync_dagster.platforms.base import Call, Pace
from marketsync_dagster.platforms.fulfilling import (
    Found,
    FulfilCapabilities,
    Handed,
    OutgoingOrder,
    Standing,
)
from marketsync_dagster.platforms.ordering import Person
from marketsync_dagster.push.pacing import Pacer
from marketsync_dagster.values.order_states import OrderState
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster.values.times import from_iso, to_iso

__all__ = [
    "Route",
    "again",
    "book",
    "from_iso",
    "replace",
    "timedelta",
]  # what tests take from here

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
SOURCE = "best_buy"
LISA = Person(first_name="Lisa", street_1="Moi Avenue 4", city="Nairobi", country="KE")
YAML = """\
version: 1
outlets:
  a: {{name: A, extract: {{path: extracts/a}}, orders: {{drop: tills/a, answers: tills/said}}}}
  b: {{name: B, extract: {{path: extracts/b}}, orders: {{drop: tills/b}}}}
accounts:
  best_buy:
    platform: mirakl
    base_url: https://market.example
    api_key: {{env: BB_KEY}}
    orders: {{served: {{countries: [KE, UG]}}}}
  prints: {{platform: qikink, base_url: "https://prints.example", client_id: {{env: QK_ID}},
           client_secret: {{env: QK_SECRET}}, number_prefix: bhrt_}}
  backup: {{platform: qikink, base_url: "https://backup.example", client_id: {{env: QK_ID}},
           client_secret: {{env: QK_SECRET}}}}
shops:
  web: {{folder: shop/in}}
routes: {routes}
"""
TO_PRINTS = "[{to: prints}]"


@cache
def _settings(routes: str) -> Settings:
    return read_settings(YAML.format(routes=routes).encode(), Path("/nowhere/marketsync.yaml"))


def settings_of(routes: str = TO_PRINTS) -> Settings:
    """Two outlets with tills, two printers, a marketplace and a shop."""
    return _settings(routes)


def a_line(line_id: str = "1", **said: Any) -> BookLine:
    """Two pieces of 10.00 of SKU S<line> at outlet a, to be sent."""
    known: dict[str, Any] = {
        "order_id": "", "line_id": line_id, "position": int(line_id), "offer_sku": f"S{line_id}",
        "outlet": "a", "sku": f"S{line_id}", "unmapped": "", "title": "Mug", "quantity": 2,
        "unit_minor": 1000, "total_minor": 2000, "shipping_minor": 0, "tax_minor": 0,
        "refunded_minor": 0, "cancelled": 0, "shipped": 0, "state": OrderState.IN_PREPARATION,
        "raw_state": "SHIPPING", "remote_state": OrderState.IN_PREPARATION,
    }  # fmt: skip
    return BookLine(**{**known, **said})


def an_order(*lines: BookLine, external_id: str = "A-1", **said: Any) -> BookOrder:
    """One order of the marketplace; without lines it has one."""
    order_id = order_id_of("mirakl", SOURCE, external_id)
    its_lines = tuple(replace(line, order_id=order_id) for line in lines or (a_line(),))
    known: dict[str, Any] = {
        "id": order_id, "platform": "mirakl", "account": SOURCE, "external_id": external_id,
        "number": external_id, "outlet": "", "state": aggregate(its_lines)[0],
        "raw_state": "SHIPPING", "remote_state": OrderState.IN_PREPARATION, "flags": frozenset(),
        "currency": "KES", "total_minor": sum(line.total_minor for line in its_lines),
        "shipping_minor": 0, "created_at": to_iso(NOW),
        "updated_at": to_iso(NOW), "accept_by": "", "ship_by": "", "can_cancel": None,
        "decision": "accept", "decided_by": "x", "decided_at": to_iso(NOW), "decided_reason": "",
        "estimated_delivery": "", "tags": (), "details": {}, "raw_sha256": "",
        "first_seen_at": to_iso(NOW), "changed_at": to_iso(NOW), "version": 1,
    }  # fmt: skip
    return BookOrder(**{**known, **said}, lines=its_lines)


def put(ledger: Ledger, *orders: BookOrder, person: Person | None = LISA) -> None:
    """Have orders in the book, with where they go."""
    with ledger.begin() as conn:
        save_orders(conn, orders)
        rows = [person_row(one.id, "shipping", person, "") for one in orders] if person else []
        save_persons(conn, rows)


def order_of(ledger: Ledger, order: BookOrder) -> BookOrder:
    """The order as it is now."""
    with ledger.read() as conn:
        return load_orders(conn, [order.id])[order.id]


def forwards(ledger: Ledger, order: BookOrder) -> list[Forward]:
    """Its forwards, oldest first."""
    with ledger.read() as conn:
        return forwards_of(conn, [order.id]).get(order.id, [])


def states(ledger: Ledger, order: BookOrder) -> list[str]:
    """Where its forwards stand."""
    return [one.state for one in forwards(ledger, order)]


def holds(ledger: Ledger, order: BookOrder) -> dict[str, str]:
    """Why it waits: kind -> reason."""
    with ledger.read() as conn:
        return {one.kind: one.reason for one in holds_of(conn, [order.id])}


def tasks(ledger: Ledger, order: BookOrder) -> list[Task]:
    """What people are asked about it."""
    return open_tasks(ledger, order.id)


def events(ledger: Ledger, order: BookOrder, kind: str) -> list[OrderEvent]:
    """What happened to it, of one kind."""
    return [one for one in events_of(ledger, order.id) if one.kind == kind]


def set_lines(ledger: Ledger, order: BookOrder, **changes: Any) -> None:
    """Change columns of all lines, as a source may."""
    with ledger.begin() as conn:
        now = orders_to_change(conn, order.account, [order.id])[order.id]
        save_orders(conn, [replace(now, lines=tuple(replace(one, **changes) for one in now.lines))])


def cancel(ledger: Ledger, order: BookOrder, *line_ids: str) -> None:
    """Lines, or all, are cancelled."""
    with ledger.begin() as conn:
        now = orders_to_change(conn, order.account, [order.id])[order.id]
        ids = line_ids or [line.line_id for line in now.lines]
        book.move(
            conn, now, dict.fromkeys(ids, OrderState.CANCELLED), by="x", reason="", at=to_iso(NOW)
        )


def release(ledger: Ledger, order: BookOrder, at: datetime = NOW) -> int:
    """What `orders release` and the next routing do with what was refused; how much goes again."""
    with ledger.begin() as conn:
        now = orders_to_change(conn, order.account, [order.id])[order.id]
        now = book.release_order(conn, now, by="Ann", reason="mended", at=to_iso(at))
        count = again(conn, now, by="Ann", reason="mended", at=to_iso(at))
    route(ledger, settings_of(), order)
    return count


def no_goods(_order: BookOrder, _line: BookLine) -> Goods:
    """Nothing is known of any product."""
    return Goods()


def route(
    ledger: Ledger, settings: Settings, *named: BookOrder, goods: GoodsOf = no_goods, **more: Any
) -> Routed:
    """Make the forwards of all that waits, or of named orders, waiting or not."""
    ids = {SOURCE: [one.id for one in named]} if named else to_route(ledger)
    return make_forwards(ledger, settings, ids, goods, by="run 1", now=NOW, **more)


Duplicates = Literal["refuse", "same", "create"]
Manner = Literal[
    "takes", "makes_and_is_lost", "is_lost", "down", "refuses", "auth", "makes_and_is_down",
    "makes_and_refuses",
]  # fmt: skip


@dataclass(slots=True)
class Place:
    """A destination: what it has, and how it answers the next calls."""

    can: FulfilCapabilities = field(
        default_factory=lambda: FulfilCapabilities(idempotent=True, holds_stock=True)
    )
    duplicates: Duplicates = "refuse"
    manners: list[Manner] = field(default_factory=list)
    """Of the next calls of `create`; then it takes everything."""
    find_down: bool = False
    hides: bool = False
    """What it has is not found yet."""
    cancels: list[Outcome] = field(default_factory=list)
    wrong: str = ""
    """What `problem` says."""
    words: str = ""
    """What it says of what it does not take, in its message and as the call's error."""
    tokens: int = 0
    """Calls that `create` makes before its own."""
    has: dict[str, list[OutgoingOrder]] = field(default_factory=dict)
    stands: dict[str, Standing] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    @property
    def fulfil_capabilities(self) -> FulfilCapabilities:
        return self.can

    @property
    def made(self) -> int:
        """Orders that it would fulfil."""
        return sum(map(len, self.has.values()))

    def problem(self, order: OutgoingOrder) -> str:
        del order
        return self.wrong

    async def create(self, order: OutgoingOrder) -> Handed:
        self.calls.append(f"create {order.number}")
        manner = self.manners.pop(0) if self.manners else "takes"
        if manner in ("down", "is_lost", "refuses", "auth"):
            outcome = {
                "down": Outcome.RETRYABLE, "is_lost": Outcome.UNKNOWN,
                "refuses": Outcome.REFUSED, "auth": Outcome.AUTH_FAILED,
            }[manner]  # fmt: skip
            return self._not_taken(outcome, f"it {manner}")
        if order.number in self.has and self.duplicates == "refuse":
            return Handed(_call(), Outcome.REFUSED, message="duplicate order", duplicate=True)
        if order.number not in self.has or self.duplicates == "create":
            self.has.setdefault(order.number, []).append(order)
        if manner == "makes_and_is_lost":
            return Handed(_call(), Outcome.UNKNOWN, message="no answer")
        if manner == "makes_and_is_down":
            return self._not_taken(Outcome.RETRYABLE, "503 of somebody in between")
        if manner == "makes_and_refuses":
            return self._not_taken(Outcome.REFUSED, "success: false")
        before = (_call("/token"),) * self.tokens
        return Handed(_call(), Outcome.APPLIED, external_id=f"X-{order.number}", before=before)

    def _not_taken(self, outcome: Outcome, message: str) -> Handed:
        call = replace(_call(), error=self.words)
        return Handed(call, outcome, message=self.words or message)

    async def cancel(self, number: str, external_id: str) -> Handed:
        del external_id
        self.calls.append(f"cancel {number}")
        outcome = self.cancels.pop(0) if self.cancels else Outcome.APPLIED
        if outcome is Outcome.APPLIED:
            self.has.pop(number, None)
        return Handed(_call(), outcome, message="it is being printed")

    async def find(self, numbers: Sequence[str], since: str, *, pace: Pace | None = None) -> Found:
        del since, pace
        self.calls += [f"find {number}" for number in numbers]
        if self.find_down:
            call = replace(_call(), error=self.words)
            return Found((call,), outcome=Outcome.RETRYABLE, message=self.words or "503")
        there = [n for n in numbers if n in self.has and not self.hides]
        return Found((_call(),), tuple(self._standing(n) for n in there))

    async def standings(
        self, known: Sequence[tuple[str, str]], *, pace: Pace | None = None
    ) -> Found:
        del pace
        self.calls += [f"standing {number}" for number, _ in known]
        there = [n for n, _ in known if n in self.has and not self.hides]
        return Found((_call(),), tuple(self._standing(n) for n in there))

    def _standing(self, number: str) -> Standing:
        return self.stands.get(number, Standing(number, f"X-{number}"))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *args: object) -> None:
        return None

    def said(self, kind: str) -> int:
        """Calls of a kind."""
        return sum(call.startswith(f"{kind} ") for call in self.calls)


def _call(path: str = "/orders") -> Call:
    return Call("POST", path, 200, 1)


def turn(
    ledger: Ledger,
    settings: Settings,
    place: Place,
    *,
    after_s: float = 0,
    limit: int | None = None,
    destination: str = "prints",
    ask_s: float = 0.0,
    observe: Callable[[str], None] = lambda _: None,
    pacer: Pacer | None = None,
) -> Mapping[str, int]:
    """One turn at a destination, so long after NOW; its figures over all outlets."""
    desk = Desk(
        ledger, settings, destination, place, "run 1", ask_s=ask_s, observe=observe,
        clock=lambda: NOW + timedelta(seconds=after_s), pacer=pacer,
    )  # fmt: skip
    asyncio.run(take_turn(desk, limit))
    total: dict[str, int] = {}
    for figures in desk.counted().values():
        for name, count in figures.items():
            total[name] = total.get(name, 0) + count
    return total
