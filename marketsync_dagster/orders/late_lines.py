"""Lines that a source adds to an order after that was decided: taken or dropped by people alone."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from hashlib import sha256

from sqlalchemy import Connection

from marketsync_dagster.ledger.order_commands import UNSETTLED, CommandRow
from marketsync_dagster.ledger.order_events import OrderEvent, record_events
from marketsync_dagster.ledger.order_holds import holds_of
from marketsync_dagster.ledger.order_tasks import answer
from marketsync_dagster.ledger.orders import BookLine, BookOrder, save_orders, touched
from marketsync_dagster.orders import book
from marketsync_dagster.orders.notes import added_words
from marketsync_dagster.orders.wanting import payload_of, want
from marketsync_dagster.values.order_states import CommandKind, OrderState

TOLD = ("done", "unsupported")
"""States of an acceptance after which its order's lines are no longer decided together."""


def late_lines(order: BookOrder, commands: Collection[CommandRow]) -> list[BookLine]:
    """Lines that nobody has decided on, of an order whose source knows what became of the rest."""
    accepts = [one for one in commands if one.kind is CommandKind.ACCEPT]
    if not order.decision or not any(one.key == "accept" and one.state in TOLD for one in accepts):
        return []
    known = {
        line
        for one in accepts
        if one.key == "accept" or one.state in UNSETTLED
        for line in one.payload.get("accepted", {})
    }
    return [
        line
        for line in order.lines
        if line.state is OrderState.NEW and line.vanished_at is None and line.line_id not in known
    ]


def decide_late(
    conn: Connection,
    order: BookOrder,
    lines: Sequence[BookLine],
    *,
    take: bool,
    by: str,
    reason: str,
    at: str,
) -> BookOrder:
    """Take such lines, or refuse them: queued for their source, as every decision is. The order was
    read by `orders_to_change` in this transaction."""
    names = [line.line_id for line in lines]
    word = "accept" if take else "refuse"
    if take and order.decision != "accept":
        order = touched(
            order, at, decision="accept", decided_by=by, decided_at=at, decided_reason=reason
        )
        save_orders(conn, [order])
    record_events(
        conn,
        [
            OrderEvent(order.id, at, "decided", one, after=word, by=by, reason=reason)
            for one in names
        ],
    )
    key = f"accept {sha256(repr(sorted(names)).encode()).hexdigest()[:12]}"
    payload = payload_of(accepted=dict.fromkeys(names, take))
    want(conn, order, CommandKind.ACCEPT, key, payload, by=by, reason=reason, at=at, anew=True)
    return settle_late(conn, order, names, by=by, reason=reason, at=at)


def settle_late(
    conn: Connection, order: BookOrder, names: Collection[str], *, by: str, reason: str, at: str
) -> BookOrder:
    """These lines are decided on: nobody is asked about them any more, and nothing waits for it."""
    for one in names:
        answer(conn, f"changed_after_forwarding {order.id} {one}", reason, by, at)
    mine = {added_words(one) for one in names}
    there = [one for one in holds_of(conn, [order.id]) if one.kind == "changed"]
    if any(set(one.reason.split("; ")) <= mine for one in there):
        order = book.release_order(conn, order, ["changed"], by=by, reason=reason, at=at)
    return order
