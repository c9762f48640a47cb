"""One forward in the hands of who takes in what its destination tells of it: what all steps of
`orders.fulfilment` and `orders.told_parcels` share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy import Connection

from marketsync_dagster.ledger.forwards import get_forward
from marketsync_dagster.ledger.order_events import Kind, OrderEvent, record_events
from marketsync_dagster.ledger.orders import BookLine, BookOrder
from marketsync_dagster.orders import book
from marketsync_dagster.orders.persons import personal_texts, without_names
from marketsync_dagster.platforms.fulfilling import Standing
from marketsync_dagster.values.order_states import OrderState


class ToldForward:
    """One forward, and what its destination tells of it now."""

    def __init__(
        self,
        conn: Connection,
        order: BookOrder,
        forward_id: str,
        standing: Standing,
        by: str,
        at: str,
    ) -> None:
        one = get_forward(conn, forward_id)  # as it is now that the source is ours
        assert one is not None
        self.conn, self.order, self.one = conn, order, one
        self.standing, self.by, self.at = _unnamed(conn, order.id, standing), by, at
        self.numbers: Counter[str] = Counter()
        self.news = False
        self.beyond = Counter[str]()
        """Line -> pieces that it sent and that nobody wants of it."""

    def note(self, kind: Kind, *, before: str = "", after: str = "", reason: str = "") -> None:
        """Record what is new, in the order's history."""
        event = OrderEvent(
            self.order.id, self.at, kind, "", before, after, self.by, self.about(reason)
        )
        record_events(self.conn, [event])
        self.news = True

    def about(self, reason: str) -> str:
        """A reason, with the number and the place it is about."""
        return f"number {self.one.number} at {self.one.there}" + (f": {reason}" if reason else "")

    def out_of_turn(self, line: BookLine, state: OrderState) -> None:
        """It tells what cannot come after what is known: noted, and the line stays."""
        reason = f"it tells so of line {line.line_id}"
        self.note("anomaly", before=line.state.value, after=state.value, reason=reason)

    def move_lines(self, states: Mapping[str, OrderState], shipped: Mapping[str, int]) -> None:
        """Let lines go on, and count what has left of them."""
        if not states and not shipped:
            return
        told = self.standing.events[-1][0] if self.standing.events else ""
        self.order = book.move(
            self.conn,
            self.order,
            states,
            by=self.by,
            reason=f"{self.one.there} tells of number {self.one.number}",
            at=self.at,
            remote_at=told,
            shipped=shipped,
        )
        self.news = True


def _unnamed(conn: Connection, order_id: str, told: Standing) -> Standing:
    """What is told in words of its own, without names and addresses."""
    if not (told.raw_status or told.message or told.events):
        return told
    personal = personal_texts(conn, order_id)
    return replace(
        told,
        raw_status=without_names(told.raw_status, personal),
        message=without_names(told.message, personal),
        events=tuple((at, without_names(words, personal)) for at, words in told.events),
    )
