"""Finding orders for people: by what they are called, where they stand, and what they wait for.

Names and addresses are looked through for who asks for a person, and for nobody else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, exists, or_, select

from marketsync_dagster.ledger.order_persons import load_persons
from marketsync_dagster.ledger.order_tables import (
    forward,
    order_hold,
    order_line,
    order_person,
    order_task,
    orders,
    shipment,
)
from marketsync_dagster.ledger.orders import BookOrder, load_orders
from marketsync_dagster.values.order_states import UNFINISHED, OrderState

_PREPARED = sorted(state.value for state in UNFINISHED - {OrderState.NEW})
SHORTEST_ID = 6
"""So many characters of an id, or more, name an order."""


@dataclass(frozen=True, slots=True)
class Search:
    """Which orders are meant; what is empty does not matter."""

    state: str = ""
    source: str = ""
    """Account or shop."""
    outlet: str = ""
    """Of one of its lines."""
    platform: str = ""
    held: bool = False
    tasks: bool = False
    """Something is asked about it."""
    overdue: str = ""
    """A deadline of it was before this time (ISO), and it is still to be met."""
    text: str = ""
    """In its number, id, external id, SKUs, numbers at destinations or tracking numbers, upper and
    lower case alike."""
    person: str = ""
    """In what is known of its persons."""
    since: str = ""
    """Made at its source then, or later (ISO)."""


def find_orders(conn: Connection, search: Search, limit: int) -> tuple[list[BookOrder], bool]:
    """The orders that fit everything, newest first, and whether there are more than `limit`."""
    o = orders.c
    where: list[ColumnElement[bool]] = []
    plain = ((o.state, search.state), (o.account, search.source), (o.platform, search.platform))
    where += [column == wanted for column, wanted in plain if wanted]
    if search.outlet:
        where.append(_line_with(order_line.c.outlet == search.outlet))
    if search.held:
        where.append(exists().where(order_hold.c.order_id == o.id))
    if search.tasks:
        where.append(exists().where(order_task.c.order_id == o.id, order_task.c.state == "open"))
    if search.overdue:
        where.append(_overdue(search.overdue))
    if search.since:
        where.append(o.created_at >= search.since)
    if search.text:
        where.append(_called(search.text))
    if search.person:
        where.append(o.id.in_(_of_person(conn, search.person)))
    query = select(o.id).where(*where).order_by(o.created_at.desc(), o.id).limit(limit + 1)
    ids = list(conn.execute(query).scalars())
    there = load_orders(conn, ids[:limit])
    return [there[one] for one in ids[:limit]], len(ids) > limit


def deadline_of(order: BookOrder) -> tuple[str, str]:
    """What an order has to be by when: (`accepted`|`shipped`, ISO); empty texts: nothing."""
    if order.state is OrderState.NEW and order.accept_by:
        return "accepted", order.accept_by
    if order.state in UNFINISHED and order.ship_by:
        return "shipped", order.ship_by
    return "", ""


def named_orders(conn: Connection, name: str) -> list[BookOrder]:
    """The orders that are meant by our id or its beginning, the number or the external id; what
    fits as a whole comes before what only begins so."""
    o = orders.c
    exact = or_(o.id == name, o.number == name, o.external_id == name)
    begins = o.id.startswith(name, autoescape=True)
    for fits in (exact, begins) if len(name) >= SHORTEST_ID else (exact,):
        ids = list(conn.execute(select(o.id).where(fits).order_by(o.id).limit(10)).scalars())
        there = load_orders(conn, ids)
        found = [there[one] for one in ids]
        if fits is begins:  # some databases do not tell a from A
            found = [one for one in found if one.id.startswith(name)]
        if found:
            return [one for one in found if one.id == name] or found
    return []


def numbers_of(conn: Connection, order_ids: Sequence[str]) -> dict[str, str]:
    """Our id -> what people call the order."""
    return {one: order.number for one, order in load_orders(conn, list(order_ids)).items()}


def newest_numbers(conn: Connection, most: int = 200) -> list[str]:
    """Numbers of the newest orders, to find out which one was meant."""
    query = select(orders.c.number).order_by(orders.c.created_at.desc()).limit(most)
    return list(conn.execute(query).scalars())


def _overdue(now: str) -> ColumnElement[bool]:
    o = orders.c
    accept = and_(o.state == OrderState.NEW.value, o.accept_by != "", o.accept_by < now)
    ship = and_(o.state.in_(_PREPARED), o.ship_by != "", o.ship_by < now)
    return or_(accept, ship)


def _called(text: str) -> ColumnElement[bool]:
    """Whether an order is called so, or something of it."""
    o, line = orders.c, order_line.c

    def has(column: ColumnElement[str]) -> ColumnElement[bool]:
        return column.icontains(text, autoescape=True)

    return or_(
        *(has(o.id), has(o.number), has(o.external_id)),
        _line_with(or_(has(line.sku), has(line.offer_sku))),
        exists().where(shipment.c.order_id == o.id, has(shipment.c.tracking_number)),
        exists().where(
            forward.c.order_id == o.id, or_(has(forward.c.number), has(forward.c.external_id))
        ),
    )


def _line_with(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(order_line.c.order_id == orders.c.id, condition)


def _of_person(conn: Connection, text: str) -> list[str]:
    """Orders with a person of whom something holds `text`: every word of it in one field."""
    c, wanted = order_person.c, text.casefold()
    ids = list(conn.execute(select(c.order_id).distinct()).scalars())
    found = []
    for first in range(0, len(ids), 500):
        for order_id, roles in load_persons(conn, ids[first : first + 500]).items():
            said = [_words(fields) for fields in roles.values()]
            if any(wanted in one for fields in said for one in fields):
                found.append(order_id)
    return found


def _words(fields: dict[str, str]) -> list[str]:
    """What is known of a person, and the name as a whole, for comparing."""
    name = f"{fields.get('first_name', '')} {fields.get('last_name', '')}"
    return [one.casefold() for one in (*fields.values(), name.strip())]
