"""The parcels that a destination tells of: each recorded once, its pieces counted once, and what is
more than is wanted asked about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlalchemy import select

from marketsync_dagster.ledger.order_tables import order_event
from marketsync_dagster.ledger.orders import BookLine
from marketsync_dagster.ledger.shipments import (
    Shipment,
    record_shipments,
    shipment_id,
    shipments_of,
)
from marketsync_dagster.orders.forward_steps import ask
from marketsync_dagster.orders.pieces import Carried, carried
from marketsync_dagster.orders.states import DROPPED, has_left, may_follow
from marketsync_dagster.orders.told_forward import ToldForward
from marketsync_dagster.orders.tracking import is_corrected, travels, way_of
from marketsync_dagster.platforms.fulfilling import Parcel
from marketsync_dagster.values.order_states import OrderState

WHOLE = "all"
"""The key of a parcel that nothing is told of but that everything has left."""


def take_parcels(told: ToldForward) -> None:
    """What has left, parcel by parcel; pieces that have left are counted once."""
    state = told.standing.state
    if state is None or not has_left(state):
        return
    known = shipments_of(told.conn, [told.order.id]).get(told.order.id, [])
    mine = {one.key: one for one in known if one.forward_id == told.one.id}
    had = carried(told.one, known)
    left = {line: n - had.mine.get(line, 0) for line, n in told.one.lines.items()}
    rooms = {line: _room(told, line, had) for line in left}
    theirs = told.standing.parcels or (() if mine else (Parcel(WHOLE),))
    shipments = []
    for parcel in theirs:
        key = f"{told.one.number}/{parcel.key}"
        before = mine.get(key)
        lines = dict(before.lines) if before else _pieces(told, parcel, left, rooms)
        if before is None:
            for line, pieces in lines.items():
                left[line] -= pieces
                rooms[line] -= pieces
        if lines:
            shipments.append(_shipment(told, key, parcel, lines))
    changed = record_shipments(told.conn, [_as_people_say(told, mine, one) for one in shipments])
    for one in changed:
        pieces = ", ".join(f"{n} of line {line}" for line, n in sorted(one.lines.items()))
        told.note("shipment", after=travels(one), reason=f"parcel {one.key} with {pieces}")
    new = [one for one in changed if one.key not in mine]
    told.numbers["shipped"] += len(new)
    _ship(told, new)


def _as_people_say(told: ToldForward, mine: Mapping[str, Shipment], one: Shipment) -> Shipment:
    """A parcel as it is told; how it travels as a person has corrected that, if one has."""
    before = mine.get(one.key)
    if before is None or way_of(before) == way_of(one) or not is_corrected(told.conn, before):
        return one
    return replace(
        one,
        carrier=before.carrier,
        tracking_number=before.tracking_number,
        tracking_url=before.tracking_url,
    )


def _room(told: ToldForward, line_id: str, had: Carried) -> int:
    """The most pieces of a line that parcels may still carry; of one that was dropped, all."""
    line = told.order.line(line_id)
    there = had.mine.get(line_id, 0) + had.others.get(line_id, 0)
    dropped = line.state in DROPPED
    return (line.quantity if dropped else line.quantity - line.cancelled) - there


def _pieces(
    told: ToldForward, parcel: Parcel, left: Mapping[str, int], rooms: Mapping[str, int]
) -> dict[str, int]:
    """What a new parcel carries of what is left of the forward, and is wanted; more than that
    is asked about."""
    found: dict[str, int] = {}
    for line, pieces in (parcel.lines or left).items():
        if line not in left or pieces <= 0:
            continue
        found[line] = max(min(pieces, left[line], rooms[line]), 0)
        if pieces > found[line]:
            told.beyond[line] += pieces - found[line]
            _too_many(told, parcel, line, pieces - found[line])
    return {line: pieces for line, pieces in found.items() if pieces}


def _too_many(told: ToldForward, parcel: Parcel, line_id: str, pieces: int) -> None:
    """A destination has sent more than is wanted of it: noted and asked about, once."""
    more = f"{pieces} more of line {line_id} than is wanted"
    reason = f"parcel {parcel.key} has {more}"
    c = order_event.c
    noted = told.conn.execute(
        select(c.id)
        .where(
            c.order_id == told.order.id,
            c.kind == "anomaly",
            c.reason == told.about(reason),
        )
        .limit(1)
    )
    if noted.first() is not None:
        return
    told.note("anomaly", after="shipped", reason=reason)
    question = (
        f"{told.one.there} has sent {more} in parcel {parcel.key} of number {told.one.number} "
        f"(order {told.order.number}). What becomes of the goods?"
    )
    ask(told.conn, told.one, "cancelled_after_shipping", question, told.at, parcel.key)


def _shipment(told: ToldForward, key: str, parcel: Parcel, lines: Mapping[str, int]) -> Shipment:
    return Shipment(
        id=shipment_id(told.order.id, key),
        order_id=told.order.id,
        key=key,
        forward_id=told.one.id,
        carrier=parcel.tracking.carrier or parcel.tracking.carrier_code,
        tracking_number=parcel.tracking.number,
        tracking_url=parcel.tracking.url,
        lines=lines,
        estimated_delivery=parcel.estimated_delivery or told.standing.estimated_delivery,
        created_at=told.at,
        created_by=told.by,
        changed_at=told.at,
    )


def _ship(told: ToldForward, new: Sequence[Shipment]) -> None:
    """Count the pieces of new parcels in their lines."""
    pieces = Counter[str]()
    for one in new:
        pieces.update(one.lines)
    shipped, states = {}, {}
    for line_id, count in pieces.items():
        line = told.order.line(line_id)
        # what its source has told of may be the same pieces
        total = min(line.shipped + count, line.quantity)
        if line.state in DROPPED:
            _nobody_wants(told, line)
            continue
        shipped[line_id] = total
        if total < line.quantity - line.cancelled or has_left(line.state):
            continue
        if may_follow(line.state, OrderState.SHIPPED):
            states[line_id] = OrderState.SHIPPED
        else:
            told.out_of_turn(line, OrderState.SHIPPED)
    told.move_lines(states, shipped)


def _nobody_wants(told: ToldForward, line: BookLine) -> None:
    told.note("anomaly", before=line.state.value, after="shipped", reason="it has left")
    question = (
        f"line {line.line_id} of order {told.order.number} is {line.state.value}, and "
        f"{told.one.there} has sent it (number {told.one.number}). What becomes of the goods?"
    )
    ask(told.conn, told.one, "cancelled_after_shipping", question, told.at)
