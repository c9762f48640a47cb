"""Which orders wait for what: for a decision, before a deadline, to be told to their source; and
what open ones have taken of an outlet's stock."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Select,
    and_,
    exists,
    func,
    literal,
    or_,
    select,
)

from marketsync_dagster.ledger import tables
from marketsync_dagster.ledger.forwards import HERE, LIVE, OVER, forwards_of
from marketsync_dagster.ledger.order_commands import UNSETTLED
from marketsync_dagster.ledger.order_tables import (
    forward,
    forward_line,
    order_command,
    order_event,
    order_line,
    order_task,
    orders,
    shipment,
)
from marketsync_dagster.ledger.order_tasks import CAME_BACK
from marketsync_dagster.ledger.shipments import shipments_of
from marketsync_dagster.ledger.sql import is_one_of
from marketsync_dagster.values.order_states import UNFINISHED, CommandKind, OrderState
from marketsync_dagster.values.outcomes import ACKNOWLEDGED
from marketsync_dagster.values.times import from_iso

UNDECIDED = (OrderState.NEW.value, OrderState.AWAITING_PAYMENT.value)
SHIPPING = (CommandKind.TRACKING.value, CommandKind.SHIP.value, CommandKind.PARCEL.value)
"""Commands that tell of parcels."""
WANTED = (OrderState.IN_PREPARATION.value, OrderState.READY_TO_SHIP.value)
"""What a source says of an order that it wants shipped."""
LEFT = sorted(
    state.value for state in {*OrderState} - UNFINISHED - {OrderState.REFUSED, OrderState.CANCELLED}
)
"""States of lines whose goods have left the house."""

CLOCKS = timedelta(hours=1)
"""So much a marketplace's clock may be behind ours."""


@dataclass(frozen=True, slots=True)
class OpenLine:
    """Pieces of one SKU of one outlet that an order has still to get, or has got lately."""

    order_id: str
    line_id: str
    source: str
    outlet: str
    sku: str
    pieces: int
    created_at: str
    decided: bool
    """It was taken; else it waits for a decision."""
    destination: str
    """Where it is on its way to now; empty: nowhere yet."""
    acknowledged_at: str
    """When the destination said so; empty: not yet."""
    left: bool = False
    """They have left, and only a count that is newer knows of it."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """An order that has to be accepted, or to leave, by a time (ISO)."""

    order_id: str
    number: str
    source: str
    outlet: str
    kind: Literal["accept", "ship"]
    at: str
    left: bool = False
    """It has left, and its source has still to hear of it."""


def to_decide(conn: Connection, source: str) -> list[str]:
    """Orders of an account or shop that nobody has decided on, oldest first."""
    query = (
        select(orders.c.id)
        .where(
            orders.c.account == source,
            orders.c.state == OrderState.NEW.value,
            orders.c.decision == "",
        )
        .order_by(orders.c.created_at, orders.c.id)
    )
    return list(conn.execute(query).scalars())


def to_prepare(conn: Connection, source: str) -> list[str]:
    """Orders that were taken and have not left as a whole, oldest first."""
    states = sorted(state.value for state in UNFINISHED - {OrderState.NEW})
    query = (
        select(orders.c.id)
        .where(orders.c.account == source, orders.c.state.in_(states))
        .order_by(orders.c.created_at, orders.c.id)
    )
    return list(conn.execute(query).scalars())


def open_lines(
    conn: Connection, outlet: str, skus: Collection[str] | None = None
) -> list[OpenLine]:
    """What open orders have taken of these SKUs, or of all, at an outlet, whoever brought them."""
    if skus is not None and not skus:
        return []
    c, live = order_line.c, sorted(LIVE)
    going = (
        select(forward_line.c.line_id, forward.c.order_id, forward.c.destination)
        .add_columns(forward.c.acknowledged_at)
        .join(forward, forward.c.id == forward_line.c.forward_id)
        .where(forward.c.state.in_(live))
        .subquery()
    )
    query = (
        select(
            c.order_id,
            c.line_id,
            orders.c.account.label("source"),
            c.outlet,
            c.sku,
            (c.quantity - c.cancelled - c.shipped).label("pieces"),
            orders.c.created_at,
            or_(
                # a cancellation that its source has not taken leaves it as it was
                orders.c.decision.in_(("accept", "cancel")),
                c.state.not_in(UNDECIDED),
            ).label("decided"),
            func.coalesce(going.c.destination, "").label("destination"),
            func.coalesce(going.c.acknowledged_at, "").label("acknowledged_at"),
        )
        .join(orders, orders.c.id == c.order_id)
        .outerjoin(going, and_(going.c.order_id == c.order_id, going.c.line_id == c.line_id))
        .where(
            c.outlet == outlet,
            *((is_one_of(conn.dialect.name, c.sku, sorted(skus)),) if skus is not None else ()),
            c.state.in_(sorted(state.value for state in UNFINISHED)),
            c.quantity > c.cancelled + c.shipped,
            c.vanished_at.is_(None),
            orders.c.decision != "refuse",
        )
    )
    return [
        OpenLine(**{**row, "decided": bool(row["decided"])})
        for row in conn.execute(query).mappings()
    ]


def left_lines(
    conn: Connection, outlet: str, since: str, skus: Collection[str] | None = None
) -> list[OpenLine]:
    """Pieces of these SKUs, or of all, at an outlet that have left since a time (ISO), whatever
    became of their orders then; `destination` is who sent them, empty: people."""
    if skus is not None and not skus:
        return []
    c, e = order_line.c, order_event.c
    # what has left is told by an event, or the whole order is younger
    went = or_(
        and_(e.kind == "state", e.after.in_(LEFT), e.before.not_in(LEFT)),
        and_(e.kind == "changed", e.reason == "shipped"),
    )
    moved = select(e.order_id, e.line_id).where(went, e.line_id != "", e.at >= since)
    young = (
        select(c.order_id, c.line_id)
        .join(orders, orders.c.id == c.order_id)
        .where(orders.c.created_at > since)
    )
    lately = moved.union(young).subquery()
    query = (
        select(c.order_id, c.line_id, orders.c.account.label("source"), c.outlet, c.sku)
        .add_columns(c.shipped, orders.c.created_at)
        .join(lately, and_(lately.c.order_id == c.order_id, lately.c.line_id == c.line_id))
        .join(orders, orders.c.id == c.order_id)
        .where(
            c.outlet == outlet,
            *((is_one_of(conn.dialect.name, c.sku, sorted(skus)),) if skus is not None else ()),
            c.shipped > 0,
        )
    )
    there = conn.execute(query).all()
    ids = sorted({row.order_id for row in there})
    parcels, forwards = shipments_of(conn, ids), forwards_of(conn, ids)
    found: list[OpenLine] = []
    for row in there:
        before = sum(
            parcel.lines.get(row.line_id, 0)
            for parcel in parcels.get(row.order_id, ())
            if parcel.created_at < since
        )
        if row.shipped <= before:
            continue
        carried = {parcel.forward_id for parcel in parcels.get(row.order_id, ())}
        sent = [
            one
            for one in forwards.get(row.order_id, ())
            if row.line_id in one.lines and (one.state not in (*HERE, *OVER) or one.id in carried)
        ]
        by = sent[-1] if sent else None
        found.append(
            OpenLine(
                row.order_id, row.line_id, row.source, row.outlet, row.sku,
                row.shipped - before, row.created_at, decided=True,
                destination=by.destination if by else "",
                acknowledged_at=(by.acknowledged_at or "") if by else "", left=True,
            )
        )  # fmt: skip
    return found


def sold_at(
    conn: Connection, source: str, outlet: str, sku: str, told: tuple[str, str]
) -> set[int]:
    """How many pieces of a SKU a source may have taken off what it was told, for orders that were
    made there since: all that were ordered, or without those that were dropped again.

    `told`: between which times (ISO) it took the value; any moment between may be the one.
    """
    c = order_line.c
    query = (
        select(orders.c.created_at, c.quantity, c.cancelled)
        .join(orders, orders.c.id == c.order_id)
        .where(
            *(orders.c.account == source, c.outlet == outlet, c.sku == sku),
            orders.c.created_at >= told[0],
        )
        .order_by(orders.c.created_at.desc())
    )
    ordered, dropped, found = 0, 0, set[int]()
    for created_at, quantity, cancelled in conn.execute(query):
        if created_at < told[1]:
            found |= {ordered, ordered - dropped}
        ordered, dropped = ordered + quantity, dropped + cancelled
    return (found | {ordered, ordered - dropped}) - {0}


def sold_since_told(
    conn: Connection, source: str, outlet: str, platform: str, since: str
) -> set[str]:
    """The SKUs of a channel that were ordered at its own account when, or after, they were told
    there last: what is shown there now is less. `since` (ISO): older orders are not looked at.

    An order that came here after the telling counts if it was made up to `CLOCKS` before it, too:
    the account's clock may be behind ours. Then what it is told once more is the same.
    """
    told, c = tables.listing.c, order_line.c
    began = tables.push.c.started_at
    query = (
        select(c.sku, orders.c.created_at, began)
        .distinct()
        .join(orders, orders.c.id == c.order_id)
        .join(tables.listing, and_(told.outlet == c.outlet, told.sku == c.sku))
        .join(tables.push, tables.push.c.id == told.push_id)
        .where(
            *(orders.c.account == source, orders.c.created_at >= since),
            *(told.outlet == outlet, told.platform == platform, told.account == source),
            told.outcome.in_(sorted(outcome.value for outcome in ACKNOWLEDGED)),
            # times of orders are whole seconds
            or_(
                orders.c.created_at >= func.substr(began, 1, 19),
                orders.c.first_seen_at >= began,
            ),
        )
    )
    return {
        sku
        for sku, made, at in conn.execute(query)
        if from_iso(made) >= from_iso(at).replace(microsecond=0) - CLOCKS
    }


def ever_held(conn: Connection, order_id: str, kind: str) -> bool:
    """Whether an order was ever held for this reason, released or not."""
    c = order_event.c
    held = exists().where(c.order_id == order_id, c.kind == "held", c.after == kind)
    return bool(conn.execute(select(held)).scalar_one())


def deadlines(conn: Connection, source: str, until: str) -> list[Deadline]:
    """Deadlines of open orders that are over by `until` (ISO), soonest first. One that was
    accepted, and whose source was told, has none of acceptance any more; one that has left has its
    own as long as its source wants it shipped and was not told."""
    c, found = orders.c, []
    prepared = [state.value for state in UNFINISHED - {OrderState.NEW}]
    waits: tuple[tuple[Literal["accept", "ship"], Column[str], list[str]], ...] = (
        ("accept", c.accept_by, [OrderState.NEW.value]),
        ("ship", c.ship_by, prepared),
    )
    for kind, column, states in waits:
        open_ = c.state.in_(sorted(states))
        query = select(c.id, c.number, c.outlet, column.label("at"), (~open_).label("left")).where(
            c.account == source,
            or_(open_, _untold()) if kind == "ship" else open_,
            column != "",
            column <= until,
        )
        found += [
            Deadline(row.id, row.number, source, row.outlet, kind, row.at, bool(row.left))
            for row in conn.execute(query)
        ]
    return sorted(found, key=lambda one: (one.at, one.order_id))


def _untold() -> ColumnElement[bool]:
    """Orders that have left, by our book, and that their source wants shipped."""
    of_it = exists().where(
        order_command.c.order_id == orders.c.id, order_command.c.kind.in_(SHIPPING)
    )
    return and_(
        orders.c.state.in_(LEFT),
        orders.c.remote_state.in_(WANTED),
        or_(
            of_it.where(order_command.c.state.in_((*UNSETTLED, "refused"))),
            ~of_it.where(order_command.c.state.in_(("done", "unsupported"))),
        ),
    )


def with_untold_parcels(conn: Connection, source: str, recent: str) -> list[str]:
    """Orders with a parcel that is new, or has changed, since their source was last told of
    parcels, or since `recent` (ISO): clocks of several machines differ. Oldest parcel first."""
    told = (
        exists()
        .where(order_command.c.order_id == shipment.c.order_id)
        .where(order_command.c.kind.in_(SHIPPING))
        .where(order_command.c.created_at >= shipment.c.changed_at)
    )
    query = (
        select(shipment.c.order_id)
        .join(orders, orders.c.id == shipment.c.order_id)
        .where(orders.c.account == source, or_(~told, shipment.c.changed_at >= recent))
        .group_by(shipment.c.order_id)
        .order_by(func.min(shipment.c.created_at), shipment.c.order_id)
    )
    return list(conn.execute(query).scalars())


def returned_to(conn: Connection, source: str, destination: str) -> dict[str, list[str]]:
    """Order -> its lines that came back to a destination, and whose money has not all been given
    back."""
    line = order_line.c
    query = (
        select(line.order_id, line.line_id)
        .distinct()
        .join(orders, orders.c.id == line.order_id)
        .join(forward, forward.c.order_id == line.order_id)
        .join(
            forward_line,
            and_(forward_line.c.forward_id == forward.c.id, forward_line.c.line_id == line.line_id),
        )
        .where(
            orders.c.account == source,
            forward.c.destination == destination,
            forward.c.state == "done",
            line.state == OrderState.RETURNED.value,
            line.refunded_minor < line.total_minor,
        )
        .order_by(line.order_id, line.line_id)
    )
    return _lines_by_order(conn, query)


def back_or_lost(conn: Connection, source: str) -> dict[str, list[str]]:
    """Order -> its lines that came back or were lost, which their source does not say, whose money
    has not all been given back, and of which nobody was asked."""
    line, ends = order_line.c, (OrderState.RETURNED.value, OrderState.LOST.value)
    key = literal(f"{CAME_BACK} ") + line.order_id + " " + line.line_id + " " + line.state
    query = (
        select(line.order_id, line.line_id)
        .join(orders, orders.c.id == line.order_id)
        .where(
            orders.c.account == source,
            line.state.in_(ends),
            line.remote_state.not_in(ends),
            line.vanished_at.is_(None),
            line.refunded_minor < line.total_minor,
            ~exists().where(order_task.c.key == key),
        )
        .order_by(line.order_id, line.line_id)
    )
    return _lines_by_order(conn, query)


def _lines_by_order(conn: Connection, query: Select[Any, Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in conn.execute(query):
        found.setdefault(row.order_id, []).append(row.line_id)
    return found
