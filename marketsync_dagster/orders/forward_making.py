"""Routing in the book: what waits to be sent becomes forwards, or says why it cannot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from marketsync_dagster.config.settings import Settings
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.forwards import HERE, OVER, Forward, add_forwards, forwards_of
from marketsync_dagster.ledger.order_events import OrderEvent, record_events
from marketsync_dagster.ledger.order_holds import Hold, HoldKind, holds_of
from marketsync_dagster.ledger.order_tables import order_line, orders
from marketsync_dagster.ledger.orders import BookLine, BookOrder, orders_to_change
from marketsync_dagster.ledger.sql import is_one_of
from marketsync_dagster.orders import book
from marketsync_dagster.orders.forward_steps import (
    again_command,
    ended_words,
    made_forward,
    prefix_of,
    waits,
)
from marketsync_dagster.orders.points import Observer, unobserved
from marketsync_dagster.orders.routing import GoodsOf, by_place, routes_of
from marketsync_dagster.values.order_states import OrderState
from marketsync_dagster.values.times import to_iso, utcnow

AT_ONCE = 200
"""Orders that one transaction routes."""
OWN_HOLDS: frozenset[HoldKind] = frozenset({"route", "destination"})
"""Holds that forwarding makes, and that end when what they are for does."""


@dataclass(frozen=True, slots=True)
class Routed:
    """What routing came to."""

    orders: int = 0
    """Looked at."""
    forwards: int = 0
    """Made."""
    held: int = 0
    """Orders that wait now because no route takes a line, or its destination has refused it."""
    released: int = 0
    left_out: int = 0
    """Orders that could have gone, and wait for the next time."""


def to_route(ledger: Ledger, outlets: Collection[str] | None = None) -> dict[str, list[str]]:
    """Source -> orders that have lines to be sent which are in no live forward, of some outlets or
    all, and those that wait for a route; oldest first."""
    waiting = (
        select(orders.c.account, orders.c.id, order_line.c.line_id, order_line.c.state)
        .join(order_line, order_line.c.order_id == orders.c.id)
        .where(
            order_line.c.state.in_(
                (OrderState.IN_PREPARATION.value, OrderState.READY_TO_SHIP.value)
            ),
            order_line.c.sku != "",
            order_line.c.vanished_at.is_(None),
            order_line.c.quantity > order_line.c.cancelled + order_line.c.shipped,
        )
        .order_by(orders.c.created_at, orders.c.id)
    )
    with ledger.read() as conn:
        if outlets is not None:
            waiting = waiting.where(
                is_one_of(conn.dialect.name, order_line.c.outlet, sorted(outlets))
            )
        found = conn.execute(waiting).all()
        there = forwards_of(conn, {row.id for row in found})
        route_holds = {one.order_id for one in holds_of(conn) if one.kind == "route"}
    wanted: dict[str, dict[str, None]] = {}
    for row in found:
        mine = [one for one in there.get(row.id, ()) if row.line_id in one.lines]
        live = any(one.live for one in mine)
        goes = not live and (mine or row.state == OrderState.IN_PREPARATION.value)
        if goes or row.id in route_holds:
            wanted.setdefault(row.account, {})[row.id] = None
    return {source: [*ids] for source, ids in wanted.items()}


def make_forwards(
    ledger: Ledger,
    settings: Settings,
    order_ids: Mapping[str, Sequence[str]],
    goods: GoodsOf,
    *,
    destinations: Collection[str] | None = None,
    limit: int | None = None,
    by: str,
    now: datetime | None = None,
    observe: Observer = unobserved,
) -> Routed:
    """Route the lines of orders (source -> ids, as `to_route` gives them) that wait for it: one
    forward for all that goes to one place, or a hold where a line can go nowhere.

    Nothing is done for an order that is held for anything else. `destinations`: only orders of
    which something goes to one of these, or nowhere. `limit`: at most so many orders are sent on.
    """
    numbers: Counter[str] = Counter()
    moment = now or utcnow()
    for source, ids in order_ids.items():
        for first in range(0, len(ids), AT_ONCE):
            with ledger.begin() as conn:
                there = orders_to_change(conn, source, ids[first : first + AT_ONCE])
                held = _held(conn, there)
                forwards = forwards_of(conn, there)
                for order in there.values():
                    work = _Routing(conn, settings, order, held[order.id], by, moment)
                    work.may_go = limit is None or numbers["sent_on"] < limit
                    work.route(forwards.get(order.id, []), goods, destinations)
                    numbers.update(work.numbers)
                observe("routes_written")
            observe("routed")
    return Routed(
        orders=sum(map(len, order_ids.values())),
        forwards=numbers["forwards"],
        held=numbers["held"],
        released=numbers["released"],
        left_out=numbers["left_out"],
    )


def _concerns(routed: Mapping[str, str | None], destinations: Collection[str] | None) -> bool:
    """Whether this step is to route an order: not where all of it goes to another's places."""
    return destinations is None or any(to is None or to in destinations for to in routed.values())


def _held(conn: Connection, order_ids: Collection[str]) -> dict[str, list[Hold]]:
    found: dict[str, list[Hold]] = {order_id: [] for order_id in order_ids}
    for one in holds_of(conn, order_ids):
        found[one.order_id].append(one)
    return found


class _Routing:
    """One order on its way to its forwards."""

    def __init__(
        self,
        conn: Connection,
        settings: Settings,
        order: BookOrder,
        holds: Sequence[Hold],
        by: str,
        moment: datetime,
    ) -> None:
        self.conn, self.settings, self.order, self.by = conn, settings, order, by
        self.holds: dict[HoldKind, Hold] = {one.kind: one for one in holds}
        self.moment, self.at = moment, to_iso(moment)
        self.numbers: Counter[str] = Counter()
        self.may_go = True

    def route(
        self, forwards: Sequence[Forward], goods: GoodsOf, destinations: Collection[str] | None
    ) -> None:
        """Make what is to be made, or say why not."""
        if not self.holds.keys() <= OWN_HOLDS:
            return
        live = {line for one in forwards if one.live for line in one.lines}
        lines = [
            one for one in self.order.lines if waits(one, forwards) and one.line_id not in live
        ]
        if not self.settings.routes:
            lines = []  # nobody is asked to forward: people ship
        routed = routes_of(self.settings, self.order, lines, goods)
        if routed and not _concerns(routed, destinations):
            return
        lost = [line for line in lines if routed[line.line_id] is None]
        stuck = {
            line.line_id: one
            for one in forwards
            for line in lines
            if one.state in OVER
            and one.again_at is None
            and line.line_id in one.lines
            and one.skus[line.line_id] in (line.sku, "")
            and (one.destination, one.outlet) == (routed[line.line_id], line.outlet)
        }
        self._hold("route", bool(lost), *self._no_route(lost))
        # what `problem` says of a forward that still waits is another's to release
        waiting = any(one.state in HERE and one.message for one in forwards)
        if stuck or not waiting:
            self._hold("destination", bool(stuck), *self._ended(stuck))
        if lost or stuck or not lines or "destination" in self.holds:
            return
        if not self.may_go:
            self.numbers["left_out"] += 1
            return
        new = [
            self._new(place, there, forwards) for place, there in by_place(routed, lines).items()
        ]
        add_forwards(self.conn, new)
        record_events(self.conn, [event for one in new for event in self._events(one)])
        self.numbers["forwards"] += len(new)
        self.numbers["sent_on"] += 1

    def _hold(self, kind: HoldKind, wanted: bool, reason: str, next_step: str) -> None:
        if wanted and kind not in self.holds:
            self.order = book.hold_order(
                self.conn, self.order, kind, reason, next_step, by=self.by, at=self.at
            )
            self.numbers["held"] += 1
        elif not wanted and kind in self.holds:
            self.order = book.release_order(
                self.conn,
                self.order,
                [kind],
                by=self.by,
                reason="every line has its way",
                at=self.at,
            )
            del self.holds[kind]
            self.numbers["released"] += 1

    def _no_route(self, lost: Sequence[BookLine]) -> tuple[str, str]:
        named = ", ".join(f"{line.sku} of {line.outlet}" for line in lost[:3])
        return f"no route takes {named}", "add a route to marketsync.yaml, or ship by hand"

    def _ended(self, stuck: Mapping[str, Forward]) -> tuple[str, str]:
        one = next(iter(stuck.values()), None)
        if one is None:
            return "", ""
        return ended_words(one), again_command(self.order.id)

    def _new(
        self, place: tuple[str, str], lines: Sequence[BookLine], forwards: Sequence[Forward]
    ) -> Forward:
        destination, outlet = place
        before = [one for one in forwards if (one.destination, one.outlet) == place]
        attempt = 1 + max((one.attempt for one in before), default=0)
        prefix = prefix_of(self.settings, destination)
        return made_forward(
            self.conn, self.order.id, destination, outlet, attempt, prefix, lines, self.moment
        )

    def _events(self, one: Forward) -> Iterable[OrderEvent]:
        for line in one.lines:
            yield OrderEvent(
                self.order.id, self.at, "routed", line, after=one.there, by=self.by,
                reason=f"number {one.number}",
            )  # fmt: skip
