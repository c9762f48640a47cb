"""Forwards to places that are not configured any more: an account that was removed, the till of an
outlet without one. What such a place was never given goes another way; the rest is asked of people.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, select

from marketsync_dagster.config.orders import POS
from marketsync_dagster.config.settings import Settings
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.forwards import HERE, LIVE, Forward, forwards_at, get_forward
from marketsync_dagster.ledger.order_tables import forward
from marketsync_dagster.ledger.order_tasks import was_asked
from marketsync_dagster.ledger.orders import BookOrder, load_orders, orders_to_change
from marketsync_dagster.orders.forward_steps import ask, move
from marketsync_dagster.values.times import to_iso, utcnow

WORDS = "it is not configured any more"


def leave_gone(ledger: Ledger, settings: Settings, *, by: str, now: datetime | None = None) -> int:
    """Take back, in the book alone, what places that are gone were never given: it is routed anew.
    Of the rest people are asked, once. How many of both."""
    at, count = to_iso(now or utcnow()), 0
    with ledger.read() as conn:
        gone = [one for one in _live(conn) if not is_configured(settings, one)]
        book = load_orders(conn, sorted({one.order_id for one in gone}))
    for one in gone:
        with ledger.begin() as conn:
            there = orders_to_change(conn, book[one.order_id].account, [one.order_id])
            count += _leave(conn, there, one, by, at)
    return count


def is_configured(settings: Settings, one: Forward) -> bool:
    """Whether the place that a forward goes to is still there."""
    if one.destination == POS:
        outlet = settings.outlets.get(one.outlet)
        return outlet is not None and outlet.orders is not None
    return one.destination in settings.destinations()


def _live(conn: Connection) -> list[Forward]:
    places = conn.execute(
        select(forward.c.destination).where(forward.c.state.in_(sorted(LIVE))).distinct()
    ).scalars()
    return [one for place in sorted(places) for one in forwards_at(conn, place, LIVE)]


def _leave(
    conn: Connection, there: Mapping[str, BookOrder], asked: Forward, by: str, at: str
) -> bool:
    one = get_forward(conn, asked.id)
    if one is None or not one.live:
        return False
    if one.state in HERE and one.intended_at is None:
        move(conn, one, "cancelled", at=at, by=by, message=WORDS)
        return True
    if was_asked(conn, f"destination_gone {one.id}"):
        return False
    number = there[one.order_id].number
    question = (
        f"{one.there} may have order {number} as number {one.number}, and {WORDS}: nothing more is "
        "heard of it. Is it sent from there?"
    )
    return ask(conn, one, "destination_gone", question, at)
