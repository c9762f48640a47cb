"""What destinations tell of forwards: events, states of lines, parcels, estimated delivery.

It may be told again and again, whole each time: everything is recorded once. A forward that ended
without success is never successful again, whatever is told of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import Connection, select

from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.forwards import OVER, Forward, ForwardState, by_number, change
from marketsync_dagster.ledger.order_commands import commands_of
from marketsync_dagster.ledger.order_events import Kind, OrderEvent, record_events
from marketsync_dagster.ledger.order_tables import order_event, orders
from marketsync_dagster.ledger.orders import (
    BookLine,
    BookOrder,
    orders_to_change,
    save_orders,
    touched,
)
from marketsync_dagster.ledger.shipments import shipments_of
from marketsync_dagster.ledger.sql import is_one_of
from marketsync_dagster.orders.amounts import still_refundable
from marketsync_dagster.orders.came_back import IN_PART, ask_for_refund
from marketsync_dagster.orders.fates import Fate, further, told_fate
from marketsync_dagster.orders.forward_steps import ask, close_tasks, end, move
from marketsync_dagster.orders.pieces import all_left, carried
from marketsync_dagster.orders.points import Observer, unobserved
from marketsync_dagster.orders.states import DROPPED, has_left, is_forward, may_follow
from marketsync_dagster.orders.told_forward import ToldForward
from marketsync_dagster.orders.told_parcels import take_parcels
from marketsync_dagster.platforms.fulfilling import Standing
from marketsync_dagster.values.order_states import OrderState
from marketsync_dagster.values.times import to_iso, utcnow

AT_ONCE = 200
"""Forwards whose standings are written in one transaction."""
FORWARDED = OrderState.IN_PREPARATION
"""Where a line of ours stands when it is forwarded."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What standings came to, in forwards."""

    updated: int = 0
    unchanged: int = 0
    shipped: int = 0
    """Parcels that are new."""
    failed: int = 0
    """Forwards that ended without success."""
    unknown: tuple[str, ...] = ()
    """Numbers that no forward of the destination has."""
    fates: Mapping[str, Fate] = field(default_factory=dict)
    """Forward -> what it came to."""


def apply_standings(
    ledger: Ledger,
    destination: str,
    standings: Sequence[Standing],
    *,
    by: str,
    now: datetime | None = None,
    observe: Observer = unobserved,
) -> Applied:
    """Take in how forwards stand, in transactions of one source each."""
    at = to_iso(now or utcnow())
    by_source, unknown = _by_source(ledger, destination, standings)
    totals: Counter[str] = Counter()
    fates: dict[str, Fate] = {}
    for source, found in by_source.items():
        for first in range(0, len(found), AT_ONCE):
            part = found[first : first + AT_ONCE]
            with ledger.begin() as conn:
                there = orders_to_change(conn, source, [one.order_id for one, _ in part])
                for one, standing in part:
                    work = _Standing(conn, there[one.order_id], one.id, standing, by, at)
                    there[one.order_id] = work.apply()
                    totals.update(work.numbers)
                    fates[one.id] = further(told_fate(work.numbers), fates.get(one.id))
                observe("standings_written")
            observe("standings_committed")
    return Applied(
        *(totals["updated"], totals["unchanged"], totals["shipped"], totals["failed"]),
        unknown=unknown,
        fates=fates,
    )


def apply_standing(
    conn: Connection, order: BookOrder, one: Forward, standing: Standing, *, by: str, at: str
) -> tuple[BookOrder, Mapping[str, int]]:
    """The same for one forward of an order that is being changed; the order as it is now, and the
    figures of `Applied`."""
    work = _Standing(conn, order, one.id, standing, by, at)
    return work.apply(), work.numbers


def _by_source(
    ledger: Ledger, destination: str, standings: Sequence[Standing]
) -> tuple[dict[str, list[tuple[Forward, Standing]]], tuple[str, ...]]:
    """Source -> forwards of its orders with how they stand; and numbers that are nobody's."""
    found: list[tuple[Forward, Standing]] = []
    unknown: list[str] = []
    by_source: dict[str, list[tuple[Forward, Standing]]] = {}
    with ledger.read() as conn:
        for standing in standings:
            one = by_number(conn, destination, standing.number)
            if one is None:
                unknown.append(standing.number)
            else:
                found.append((one, standing))
        ids = sorted({one.order_id for one, _ in found})
        query = select(orders.c.id, orders.c.account)
        query = query.where(is_one_of(conn.dialect.name, orders.c.id, ids))
        sources = {row.id: row.account for row in conn.execute(query)} if ids else {}
    for one, standing in found:
        by_source.setdefault(sources[one.order_id], []).append((one, standing))
    return by_source, tuple(unknown)


class _Standing(ToldForward):
    """All that is told of one forward, step by step."""

    new_word = False
    said_before = False
    """The new word is one that it has left already."""

    def apply(self) -> BookOrder:
        """Record what is new; the order as it is then."""
        told = self.standing
        self._events()
        if self.one.state in OVER:
            self._too_late()
        else:
            self._status()
            if told.failed:
                self._failed()
            else:
                self._delivery()
                take_parcels(self)
                self._lines()
                self._left()
                self._back_in_part()
        self.numbers["updated" if self.news else "unchanged"] += 1
        return self.order

    def _events(self) -> None:
        """What the destination tells of its own history, each thing once."""
        told = self.standing.events
        if not told:
            return
        words = f"told of number {self.one.number} at {self.one.there}"
        c = order_event.c
        known = Counter(
            (row.remote_at, row.after)
            for row in self.conn.execute(
                select(c.remote_at, c.after).where(
                    c.order_id == self.order.id, c.kind == "fulfilment", c.reason == words
                )
            )
        )
        new = []
        for at, what in told:
            if known[at, what] > 0:
                known[at, what] -= 1
                continue
            new.append(
                OrderEvent(self.order.id, self.at, "fulfilment", "", "", what, self.by, words, at)
            )
        record_events(self.conn, new)
        self.news = self.news or bool(new)

    def _back_in_part(self) -> None:
        """Which pieces came back nobody tells: people are asked for the money, once a line."""
        if not self.standing.back_in_part:
            return
        there = commands_of(self.conn, [self.order.id]).get(self.order.id, [])
        for line_id in self.one.lines:
            left = still_refundable(self.order, line_id, there, goods_only=True)
            ask_for_refund(self.conn, self.order, line_id, IN_PART, left, self.at)

    def _too_late(self) -> None:
        """It ended without success: what is told of it is noted, and changes nothing."""
        told, before = self.standing.raw_status, self.one.raw_status
        if not told or told == before:
            return
        self.one = change(self.conn, self.one, self.at, raw_status=told)
        if self.standing.failed:
            return
        reason = f"it tells so after number {self.one.number} has ended as {self.one.state}"
        self.note("anomaly", before=before, after=told, reason=reason)
        state = self.standing.state
        if state is not None and has_left(state):
            question = (
                f"{self.one.there} calls number {self.one.number} of order {self.order.number} "
                f"{told}, which ended as {self.one.state}: has it left all the same?"
            )
            ask(self.conn, self.one, "cancelled_after_shipping", question, self.at)

    def _status(self) -> None:
        """The destination's word for it, and that it has the forward at all."""
        told, one = self.standing, self.one
        if told.external_id and told.external_id != one.external_id:
            self.one = one = change(self.conn, one, self.at, external_id=told.external_id)
            self.news = True
        said = bool(told.raw_status) or told.state is not None
        if one.state == "sent" and said:
            self.one = one = move(
                self.conn, one, "acknowledged", at=self.at, by=self.by, reason=told.raw_status,
                acknowledged_at=self.at,
            )  # fmt: skip
            self.news = True
        if told.raw_status and told.raw_status != one.raw_status:
            kind: Kind = "unknown_state" if told.state is None and not told.failed else "fulfilment"
            self.said_before = self._has_said(told.raw_status)
            self.note(kind, before=one.raw_status, after=told.raw_status, reason=told.message)
            self.one = change(self.conn, one, self.at, raw_status=told.raw_status)
            self.new_word = True

    def _has_said(self, word: str) -> bool:
        """Whether the destination has called the forward so before."""
        c = order_event.c
        said = select(c.id).where(
            c.order_id == self.order.id,
            c.kind == "fulfilment",
            c.after == word,
            c.reason.startswith(f"number {self.one.number} at ", autoescape=True),
        )
        return self.conn.execute(said.limit(1)).first() is not None

    def _failed(self) -> None:
        """It ended there without being fulfilled: taken back as was wanted, or not."""
        words = self.standing.message or self.standing.raw_status
        had_left = self.one.state == "done"
        state: ForwardState = "cancelled" if self.one.state == "cancelling" else "failed"
        if state == "failed" or not self.one.message:
            self.one = replace(self.one, message=words)
        self.order = end(self.conn, self.order, self.one, state, by=self.by, at=self.at)
        self.numbers["failed"] += state == "failed"
        self.news = True
        if had_left:
            self._failed_after_leaving(words)

    def _failed_after_leaving(self, words: str) -> None:
        self.note("anomaly", before="done", after="failed", reason=words)
        moving = [self.order.line(line_id) for line_id in self.one.lines]
        failed = OrderState.DELIVERY_FAILED
        self.move_lines(
            {one.line_id: failed for one in moving if is_forward(one.state, failed)}, {}
        )
        question = (
            f"order {self.order.number} had left when {self.one.there} called number "
            f"{self.one.number} {words}. What becomes of the goods?"
        )
        ask(self.conn, self.one, "cancelled_after_shipping", question, self.at)

    def _delivery(self) -> None:
        """When it is expected: the latest of what is told."""
        told = max(
            [
                self.standing.estimated_delivery,
                *(p.estimated_delivery for p in self.standing.parcels),
            ]
        )
        if not told or told == self.one.estimated_delivery:
            return
        before = self.one.estimated_delivery
        self.note("fulfilment", before=before, after=told, reason="estimated delivery")
        self.one = change(self.conn, self.one, self.at, estimated_delivery=told)
        if told != self.order.estimated_delivery:
            self.order = touched(self.order, self.at, estimated_delivery=told)
            save_orders(self.conn, [self.order])

    def _lines(self) -> None:
        """Lines go on with their forward; never back, and not before all of them has left."""
        state = self.standing.state
        if state is None or state in DROPPED:
            return
        states = {}
        for line_id in self.one.lines:
            line = self.order.line(line_id)
            if line.state in DROPPED or (has_left(state) and line.open > 0):
                continue
            if is_forward(line.state, state) and may_follow(line.state, state):
                states[line_id] = state
            elif self._goes_back(line, state):
                self.out_of_turn(line, state)
        self.move_lines(states, {})

    def _goes_back(self, line: BookLine, state: OrderState) -> bool:
        """Whether a new word leads back: not where the source is, too, nor where the destination is
        only not as far yet as we were when the line was forwarded."""
        if not self.new_word or line.state in (state, line.remote_state):
            return False
        behind = line.state is FORWARDED and is_forward(state, FORWARDED)
        return self.said_before or not behind

    def _left(self) -> None:
        """Nothing more is to be sent of a forward whose own pieces have all left; what is open of
        its lines beside them is forwarded anew."""
        if self.one.state == "done":
            return
        had = carried(self.one, shipments_of(self.conn, [self.order.id]).get(self.order.id, ()))
        if all_left(self.order, self.one, had, self.beyond, but_dropped=True):
            lines = {
                line: min(pieces, had.mine.get(line, 0) or pieces)
                for line, pieces in self.one.lines.items()
            }
            self.one = move(
                self.conn, self.one, "done", at=self.at, by=self.by, not_before="", lines=lines
            )
            words = f"{self.one.there} has sent it"
            close_tasks(
                self.conn,
                self.order.id,
                [self.one],
                "cancel_at_destination",
                words,
                self.by,
                self.at,
            )
            self.news = True
