"""What one place has refused, or failed with, and goes to another one now: the first is asked
whether it has it all the same before the second gets it.

A till is not asked: what it says of an order, a person there has said.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import Connection, select

from marketsync_dagster.config.orders import POS
from marketsync_dagster.config.settings import Settings
from marketsync_dagster.ledger.forwards import HERE, Forward, change, forwards_of, get_forward
from marketsync_dagster.ledger.order_events import OrderEvent, record_events
from marketsync_dagster.ledger.order_tables import forward
from marketsync_dagster.ledger.orders import BookOrder
from marketsync_dagster.orders.desk import Desk
from marketsync_dagster.orders.forward_steps import end
from marketsync_dagster.orders.looking import find, goes_on
from marketsync_dagster.platforms.fulfilling import Standing
from marketsync_dagster.platforms.registry import fulfil_capabilities_of
from marketsync_dagster.values.times import from_iso

ENDED = ("refused", "failed")
Pair = tuple[Forward, Forward]
"""An attempt that has ended, and what waits to go elsewhere."""


def waiting_elsewhere(conn: Connection, settings: Settings, destination: str) -> list[Pair]:
    """What waits to go to other places, and this one has still to be asked about."""
    if not _is_asked(settings, destination):
        return []
    here = sorted(HERE)
    ended = (
        select(forward.c.order_id)
        .where(forward.c.destination == destination, forward.c.state.in_(ENDED))
        .scalar_subquery()
    )
    query = select(forward.c.order_id).where(
        forward.c.state.in_(here),
        forward.c.destination != destination,
        forward.c.order_id.in_(ended),
    )
    ids = set(conn.execute(query).scalars())
    return [
        (old, one)
        for there in forwards_of(conn, ids).values()
        for one in there
        if one.state in HERE
        for old in there
        if old.destination == destination and _concerns(old, one)
    ]


def not_ruled_out(desk: Desk, waiting: Sequence[Forward]) -> Collection[str]:
    """The ids of those that another place has still to be asked about."""
    with desk.ledger.read() as conn:
        there = forwards_of(conn, sorted({one.order_id for one in waiting}))
    return {
        one.id
        for one in waiting
        if any(
            _concerns(old, one) and _is_asked(desk.settings, old.destination)
            for old in there[one.order_id]
        )
    }


def _concerns(old: Forward, one: Forward) -> bool:
    """Whether an attempt elsewhere was sent, and nobody has asked about it since it goes here."""
    return (
        old.state in ENDED
        and old.intended_at is not None
        and old.destination != one.destination
        and not old.lines.keys().isdisjoint(one.lines)
        and (old.asked_at is None or old.asked_at < one.created_at)
    )


def _is_asked(settings: Settings, destination: str) -> bool:
    """Whether a place can be asked: configured, and an account that finds its orders."""
    if destination == POS or destination not in settings.destinations():
        return False
    return fulfil_capabilities_of(settings, destination).look_up


async def look_for_others(desk: Desk) -> None:
    """Look for what has ended here and waits to go elsewhere."""
    pairs = await asyncio.to_thread(_pairs, desk)
    if not pairs or not desk.may_call():
        return
    since = min(old.created_at for old, _ in pairs)
    numbers = sorted({old.number for old, _ in pairs})
    found = await find(desk, numbers, since, [one for _, one in pairs])
    if found is not None:
        await asyncio.to_thread(_found, desk, pairs, found.standings)


def _pairs(desk: Desk) -> list[Pair]:
    with desk.ledger.read() as conn:
        return waiting_elsewhere(conn, desk.settings, desk.destination)


def _found(desk: Desk, pairs: Sequence[Pair], standings: Sequence[Standing]) -> None:
    there = {standing.number: standing for standing in standings}
    olds = {one.id: old.id for old, one in pairs}
    now = desk.clock()

    def decide(conn: Connection, order: BookOrder, one: Forward) -> None:
        old = get_forward(conn, olds[one.id])
        if old is None or old.state not in ENDED:
            return
        standing = there.get(old.number)
        if standing is not None and goes_on(old, standing):
            _goes_on_there(desk, conn, order, one, old, standing)
        elif now >= from_iso(old.intended_at or desk.at()) + timedelta(seconds=desk.settle_s):
            change(conn, old, desk.at(), asked_at=desk.at())

    desk.each(sorted(HERE), [one for _, one in pairs], decide)


def _goes_on_there(
    desk: Desk,
    conn: Connection,
    order: BookOrder,
    one: Forward,
    old: Forward,
    standing: Standing,
) -> None:
    """What waits would be a second order: it ends, and people are told why."""
    at = desk.at()
    words = f"{old.there} has number {old.number}, which has ended as {old.state}, all the same"
    event = OrderEvent(order.id, at, "anomaly", "", old.state, standing.raw_status, desk.by, words)
    record_events(conn, [event])
    todo = "have that cancelled there before a new attempt, or tell by hand what is sent of it"
    end(conn, order, replace(one, message=f"{words}: {todo}"), "refused", by=desk.by, at=at)
    desk.came_to(one.id, one.outlet, "refused")
