"""Deciding on orders by rule: accept, refuse or hold; and saying again what was told later (an
address) before anything is forwarded.

The rules themselves are `orders.rules`; what a person decides is `orders.hand_deciding`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain

from sqlalchemy import Connection

from marketsync_dagster.config.orders import OrderSettings
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.forwards import live_lines
from marketsync_dagster.ledger.open_orders import (
    OpenLine,
    ever_held,
    open_lines,
    to_decide,
    to_prepare,
)
from marketsync_dagster.ledger.order_events import OrderEvent, record_events
from marketsync_dagster.ledger.order_holds import Hold, holds_of
from marketsync_dagster.ledger.order_persons import load_persons
from marketsync_dagster.ledger.orders import (
    BookLine,
    BookOrder,
    load_orders,
    orders_to_change,
    save_orders,
    touched,
)
from marketsync_dagster.ledger.sql import lock_key
from marketsync_dagster.orders import book
from marketsync_dagster.orders.points import Observer, unobserved
from marketsync_dagster.orders.rules import JUDGED, Doubt, Verdict, address_problem, judge
from marketsync_dagster.orders.wanting import payload_of, want
from marketsync_dagster.platforms.ordering import OrderCapabilities
from marketsync_dagster.values.order_states import CommandKind, OrderState
from marketsync_dagster.values.times import to_iso, utcnow

AT_ONCE = 200
"""Orders of one transaction."""
WAITS_FOR_PEOPLE = frozenset({"person", "changed", "destination"})
"""Holds under which nothing is decided by rule."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """What is known of the goods of outlets when orders are decided."""

    quantity: Callable[[str, str], int | None]
    """(outlet, SKU) -> pieces that the till counted last; None: not known."""
    needs_stock: Callable[[BookOrder, BookLine], bool] = lambda _order, _line: True
    """False for lines that go to a place with goods of its own."""
    taken: Callable[[Connection, str, Collection[str]], list[OpenLine]] = open_lines
    """(connection, outlet, SKUs) -> what orders have taken of the outlet's goods that its till has
    not counted out."""


@dataclass(slots=True)
class Decided:
    """What one pass of decisions came to, in orders."""

    numbers: Counter[str] = field(default_factory=Counter)
    """accepted, refused, held (newly), waiting, left_out."""
    by_outlet: dict[str, Counter[str]] = field(default_factory=dict)
    """The same, for every outlet of an order."""

    def count(self, what: str, order: BookOrder) -> None:
        """One order came to this."""
        self.numbers[what] += 1
        for outlet in order.outlets:
            self.by_outlet.setdefault(outlet, Counter())[what] += 1


def decide(
    ledger: Ledger,
    source: str,
    settings: OrderSettings,
    capabilities: OrderCapabilities,
    shelf: Shelf,
    *,
    outlets: Collection[str] | None = None,
    limit: int | None = None,
    by: str,
    now: datetime | None = None,
    observe: Observer = unobserved,
) -> Decided:
    """Judge every order of an account or shop that nobody has decided on, oldest first.

    `outlets`: only orders with a line of one of these, and those whose outlet is not known.
    `limit`: at most so many orders are accepted or refused. What is accepted or refused is queued
    for its source (`orders.telling`). Nothing is judged where the platform accepts by itself.
    """
    decided = Decided()
    if settings.accept == "platform":
        return decided
    with ledger.read() as conn:
        waiting = _of_outlets(load_orders(conn, to_decide(conn, source)), outlets)
    left = len(waiting) if limit is None else limit
    for first in range(0, len(waiting), AT_ONCE):
        part = waiting[first : first + AT_ONCE]
        with ledger.begin() as conn:
            # decisions of all sources one after the other: they share the stock
            lock_key(conn, "orders decide")
            pass_ = _Pass(conn, settings, capabilities, shelf, by, to_iso(now or utcnow()))
            there = orders_to_change(conn, source, part)
            taken = pass_.decide([there[one] for one in part if one in there], left, decided)
            observe("decisions_written")
        observe("decided")
        left -= taken
    return decided


def hold_unserved(
    ledger: Ledger,
    source: str,
    settings: OrderSettings,
    *,
    outlets: Collection[str] | None = None,
    by: str,
    now: datetime | None = None,
) -> int:
    """Hold orders that were taken before their address was told, where it is not served and
    nothing of them has been sent on; how many. What a person has released stays released."""
    if not (settings.served.countries or settings.served.zips):
        return 0
    at, held = to_iso(now or utcnow()), 0
    with ledger.read() as conn:
        chosen = _of_outlets(load_orders(conn, to_prepare(conn, source)), outlets)
        places = {one: _place(fields) for one, fields in load_persons(conn, chosen).items()}
        problems = {
            one: problem
            for one, place in places.items()
            if (problem := address_problem(*place, settings.served))
        }
    for one, problem in problems.items():
        with ledger.begin() as conn:
            order = orders_to_change(conn, source, [one]).get(one)
            # once: what a person has released stays released
            if order is None or live_lines(conn, [one]).get(one) or ever_held(conn, one, "address"):
                continue
            next_step = f"marketsync orders release {one} --by NAME --reason WHY (or cancel)"
            book.hold_order(conn, order, "address", problem, next_step, by, at)
            held += 1
    return held


_TakenBy = dict[tuple[str, str], dict[str, list[OpenLine]]]
"""(outlet, SKU) -> order -> its lines that have taken of these goods."""


@dataclass(slots=True)
class _Pass:
    """One transaction of decisions."""

    conn: Connection
    settings: OrderSettings
    capabilities: OrderCapabilities
    shelf: Shelf
    by: str
    at: str

    def decide(self, orders: Sequence[BookOrder], left: int, decided: Decided) -> int:
        """Judge these orders, oldest first; how many were accepted or refused, at most `left`."""
        ids = [order.id for order in orders]
        places = {one: _place(fields) for one, fields in load_persons(self.conn, ids).items()}
        holds: dict[str, list[Hold]] = {}
        for hold in holds_of(self.conn, ids):
            holds.setdefault(hold.order_id, []).append(hold)
        taken_by = self._open_lines(orders)
        taken = 0
        for order in orders:
            there = holds.get(order.id, [])
            if order.state is not OrderState.NEW or order.decision:
                continue  # somebody was quicker
            waits = any(hold.kind in WAITS_FOR_PEOPLE for hold in there)
            if waits or self._too_late(order):
                decided.count("waiting", order)
                continue
            country, zip_code = places.get(order.id, ("", ""))
            verdict = judge(
                order,
                self.settings,
                country=country,
                zip_code=zip_code,
                free=self._free(order, taken_by),
                partial=self.capabilities.partial_accept,
            )
            if verdict.decision == "hold":
                self._hold(order, verdict.doubts, there, decided)
            elif taken >= left:
                decided.count("left_out", order)
            else:
                self._settle(order, verdict, there, decided)
                self._note(order, verdict, taken_by)
                taken += 1
        return taken

    def _too_late(self, order: BookOrder) -> bool:
        """Whether the time to answer its source is over: it drops out there by itself."""
        told = CommandKind.ACCEPT in self.capabilities.commands
        return told and bool(order.accept_by) and order.accept_by < self.at

    def _open_lines(self, orders: Sequence[BookOrder]) -> _TakenBy:
        """What orders have taken of all that these orders want."""
        wanted: dict[str, set[str]] = {}
        for order in orders:
            for line in order.lines:
                if line.sku and line.outlet:
                    wanted.setdefault(line.outlet, set()).add(line.sku)
        found: _TakenBy = {}
        for outlet, skus in sorted(wanted.items()):
            for line in self.shelf.taken(self.conn, outlet, skus):
                found.setdefault((outlet, line.sku), {}).setdefault(line.order_id, []).append(line)
        return found

    def _free(self, order: BookOrder, taken: _TakenBy) -> dict[str, int | None]:
        """Line -> pieces that are free for it: net of what was taken, and of what older orders
        that wait for a decision want; first lines of the order first."""
        free: dict[str, int | None] = {}
        before: Counter[tuple[str, str]] = Counter()
        for line in order.lines:
            if not line.sku or not self.shelf.needs_stock(order, line):
                continue
            goods = (line.outlet, line.sku)
            counted = self.shelf.quantity(*goods)
            if counted is not None:
                counted -= before[goods] + sum(
                    other.pieces
                    for other in chain.from_iterable(taken.get(goods, {}).values())
                    if other.order_id != order.id
                    and (other.decided or (other.created_at, other.order_id) < _age(order))
                )
            free[line.line_id] = counted
            before[goods] += line.open
        return free

    def _note(self, order: BookOrder, verdict: Verdict, taken: _TakenBy) -> None:
        """What was just refused wants nothing any more; what was taken is decided."""
        for goods in {(line.outlet, line.sku) for line in order.lines}:
            if mine := taken.get(goods, {}).pop(order.id, None):
                taken[goods][order.id] = [
                    replace(line, decided=True)
                    for line in mine
                    if verdict.accepted.get(line.line_id)
                ]

    def _hold(
        self,
        order: BookOrder,
        doubts: Sequence[Doubt],
        there: Sequence[Hold],
        decided: Decided,
    ) -> None:
        """Let the order wait for these reasons, and no longer for judgements that have passed."""
        kinds = {hold.kind for hold in there}
        order = self._let_go(order, {hold.kind for hold in there} - {d.kind for d in doubts})
        new: dict[str, list[Doubt]] = {}
        for doubt in doubts:
            if doubt.kind not in kinds:
                new.setdefault(doubt.kind, []).append(doubt)
        for same in new.values():
            words = "; ".join(doubt.words for doubt in same)
            order = book.hold_order(
                self.conn, order, same[0].kind, words, same[0].next_step, self.by, self.at
            )
        decided.count("held" if new else "waiting", order)

    def _let_go(self, order: BookOrder, kinds: Collection[str]) -> BookOrder:
        """End judgements of these kinds."""
        over = sorted(JUDGED.intersection(kinds))
        if not over:
            return order
        return book.release_order(
            self.conn, order, over, by=self.by, reason="the rule is met now", at=self.at
        )

    def _settle(
        self, order: BookOrder, verdict: Verdict, there: Sequence[Hold], decided: Decided
    ) -> None:
        order = self._let_go(order, {hold.kind for hold in there})
        record_decision(
            self.conn,
            order,
            verdict.decision,
            verdict.accepted,
            by=self.by,
            reason=verdict.reason,
            at=self.at,
            anew=True,  # one that was dropped, when our clock was ahead
        )
        decided.count("accepted" if verdict.decision == "accept" else "refused", order)


def record_decision(
    conn: Connection,
    order: BookOrder,
    decision: str,
    accepted: Mapping[str, bool],
    *,
    by: str,
    reason: str,
    at: str,
    anew: bool = False,
) -> BookOrder:
    """Write down that an order is taken or refused, and queue it for its source; `anew`: though its
    source has refused to hear it before.

    The order was read by `orders_to_change` in this transaction.
    """
    order = touched(
        order, at, decision=decision, decided_by=by, decided_at=at, decided_reason=reason
    )
    save_orders(conn, [order])
    events = [OrderEvent(order.id, at, "decided", after=decision, by=by, reason=reason)]
    if decision == "accept":
        events += [
            OrderEvent(order.id, at, "decided", line, after="refuse", by=by, reason=reason)
            for line, taken in accepted.items()
            if not taken
        ]
    record_events(conn, events)
    payload = payload_of(accepted=accepted)
    want(conn, order, CommandKind.ACCEPT, "accept", payload, by=by, reason=reason, at=at, anew=anew)
    return order


def _of_outlets(orders: Mapping[str, BookOrder], outlets: Collection[str] | None) -> list[str]:
    """The ids of orders, oldest first, that have a line of these outlets or of an unknown one."""
    chosen = sorted(orders.values(), key=_age)
    if outlets is None:
        return [order.id for order in chosen]
    mine = {*outlets, ""}
    return [order.id for order in chosen if order.outlets & mine]


def _age(order: BookOrder) -> tuple[str, str]:
    return order.created_at, order.id


def _place(persons: Mapping[str, Mapping[str, str]]) -> tuple[str, str]:
    """Country and postal code of where an order goes."""
    fields = persons.get("shipping", {})
    return fields.get("country", ""), fields.get("zip", "")
