"""A forward as its destination gets it: lines, money and persons; and what keeps it here."""

from __future__ import annotations

from sqlalchemy import Connection

from marketsync_dagster.config.settings import Settings
from marketsync_dagster.ledger.forwards import Forward, change
from marketsync_dagster.ledger.open_orders import ever_held
from marketsync_dagster.ledger.order_holds import holds_of
from marketsync_dagster.ledger.orders import BookOrder
from marketsync_dagster.orders import book
from marketsync_dagster.orders.amounts import cost
from marketsync_dagster.orders.persons import persons_of
from marketsync_dagster.orders.pieces import wanted
from marketsync_dagster.orders.rules import address_problem
from marketsync_dagster.platforms.fulfilling import Fulfiller, OutgoingLine, OutgoingOrder
from marketsync_dagster.platforms.ordering import Person
from marketsync_dagster.values.money import to_decimal
from marketsync_dagster.values.order_states import OrderState

TO_SEND = frozenset({OrderState.IN_PREPARATION, OrderState.READY_TO_SHIP})
"""States in which a line may be handed over."""


def prepare(
    conn: Connection,
    settings: Settings,
    order: BookOrder,
    one: Forward,
    fulfiller: Fulfiller,
    by: str,
    at: str,
) -> OutgoingOrder | None:
    """What the destination of a forward that it does not have is to get; None: the order waits,
    and a hold says why.

    The order was read by `orders_to_change`. An address that is not served holds it once; what a
    destination would refuse holds it until it is mended.
    """
    if wanted(order, one) != one.lines:
        return None  # the next look at it makes it so
    if any(order.line(line_id).state not in TO_SEND for line_id in one.lines):
        return None
    holds = {hold.kind: hold for hold in holds_of(conn, [order.id])}
    mine = holds.get("destination")
    if holds.keys() - {"destination"} or (mine and mine.reason != _words(one, one.message)):
        return None
    persons = {
        str(role): who for role, who in persons_of(conn, [order.id]).get(order.id, {}).items()
    }
    if _is_not_served(conn, settings, order, persons, by, at):
        return None
    outgoing = _outgoing(order, one, persons)
    problem = fulfiller.problem(outgoing)
    if not problem and fulfiller.fulfil_capabilities.needs_address and "shipping" not in persons:
        problem = "there is no shipping address"
    if problem:
        if mine and one.message != problem:
            order = book.release_order(
                conn, order, ["destination"], by=by, reason="something else is wrong now", at=at
            )
        change(conn, one, at, message=problem)
        words = _words(one, problem)
        step = "it goes as soon as the source tells it right; or cancel the order"
        book.hold_order(conn, order, "destination", words, step, by=by, at=at)
        return None
    if mine:
        book.release_order(conn, order, ["destination"], by=by, reason="it is mended", at=at)
        change(conn, one, at, message="")
    return outgoing


def _words(one: Forward, problem: str) -> str:
    return f"{one.there} would refuse number {one.number}: {problem}"


def _is_not_served(
    conn: Connection,
    settings: Settings,
    order: BookOrder,
    persons: dict[str, Person],
    by: str,
    at: str,
) -> bool:
    """Whether the order is held now because of its address; who releases it after that wants it
    sent all the same."""
    said = settings.order_sources().get(order.account)
    where = persons.get("shipping")
    if said is None or where is None:
        return False
    problem = address_problem(where.country, where.zip, said.served)
    if not problem or ever_held(conn, order.id, "address"):
        return False
    step = f"marketsync orders release {order.id} --by NAME --reason WHY sends it all the same"
    book.hold_order(conn, order, "address", problem, step, by=by, at=at)
    return True


def _outgoing(order: BookOrder, one: Forward, persons: dict[str, Person]) -> OutgoingOrder:
    lines = [
        OutgoingLine(
            line_id=line_id,
            sku=order.line(line_id).sku,
            quantity=pieces,
            unit_price=to_decimal(order.line(line_id).unit_minor, order.currency),
            title=order.line(line_id).title,
        )
        for line_id, pieces in one.lines.items()
    ]
    total = sum(cost(order, order.line(line_id), pieces) for line_id, pieces in one.lines.items())
    return OutgoingOrder(
        number=one.number,
        order_number=order.number,
        outlet=one.outlet,
        currency=order.currency,
        total=to_decimal(total, order.currency),
        lines=tuple(lines),
        persons=persons,
        created_at=order.created_at,
        ship_by=order.ship_by,
    )
