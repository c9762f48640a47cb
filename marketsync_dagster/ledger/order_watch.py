"""What of open orders people should know: what waits too long, words that nobody knows, questions.

How long is too long is the configuration's business; nothing personal is read.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from marketsync_dagster.ledger.forwards import LIVE, ForwardState
from marketsync_dagster.ledger.order_tables import (
    forward,
    forward_line,
    order_event,
    order_hold,
    order_line,
    order_task,
    orders,
)
from marketsync_dagster.ledger.sql import is_one_of
from marketsync_dagster.values.order_states import UNFINISHED, OrderState

NOT_THERE: frozenset[ForwardState] = frozenset({"pending", "intended", "sync_pending", "unknown"})
"""Live forwards that their destination does not have, as far as is known."""


@dataclass(frozen=True, slots=True)
class Held:
    """One reason why an order waits."""

    order_id: str
    number: str
    source: str
    outlet: str
    """Of all its lines; empty: none is known, or several."""
    kind: str
    since: str
    reason: str
    next_step: str


@dataclass(frozen=True, slots=True)
class Unsent:
    """Lines of an order that are to be fulfilled, and are not where that is done."""

    order_id: str
    number: str
    source: str
    outlet: str
    since: str
    destination: str = ""
    """Empty: they are on their way to nowhere yet."""
    state: str = ""
    message: str = ""
    """The destination's words."""


@dataclass(frozen=True, slots=True)
class UnknownWord:
    """A state that a source tells and that nobody knows."""

    order_id: str
    number: str
    source: str
    outlet: str
    word: str
    since: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """An order of an outlet that waits for people."""

    order_id: str
    number: str
    source: str
    state: str
    deadline: str


def held_orders(conn: Connection, source: str, before: str) -> list[Held]:
    """Reasons why open orders of an account or shop have waited since `before` (ISO) or longer,
    the oldest first."""
    h, o = order_hold.c, orders.c
    query = (
        select(
            *(h.order_id, o.number, o.account.label("source"), o.outlet),
            *(h.kind, h.since, h.reason, h.next_step),
        )
        .join(orders, o.id == h.order_id)
        .where(o.account == source, o.ended_at.is_(None), h.since <= before)
        .order_by(h.since, h.order_id, h.kind)
    )
    return [Held(**row) for row in conn.execute(query).mappings()]


def not_routed(conn: Connection, source: str, before: str) -> list[Unsent]:
    """Orders of a source that nothing holds and of which a line was to be sent since `before`, or
    longer, and is in no live forward; the oldest first."""
    o, line, e, f, part = orders.c, order_line.c, order_event.c, forward.c, forward_line.c
    going = (
        select(f.id)
        .join(forward_line, part.forward_id == f.id)
        .where(f.order_id == o.id, part.line_id == line.line_id, f.state.in_(sorted(LIVE)))
    )
    ready = (
        select(func.max(e.at))
        .where(
            e.order_id == o.id,
            e.line_id == line.line_id,
            e.kind == "state",
            e.after == OrderState.IN_PREPARATION.value,
        )
        .scalar_subquery()
    )
    since = func.coalesce(ready, o.first_seen_at)
    query = (
        select(
            o.id.label("order_id"),
            o.number,
            o.account.label("source"),
            func.min(line.outlet).label("outlet"),
            func.min(since).label("since"),
        )
        .join(order_line, line.order_id == o.id)
        .where(
            o.account == source,
            o.ended_at.is_(None),
            line.state == OrderState.IN_PREPARATION.value,
            line.sku != "",
            line.vanished_at.is_(None),
            line.quantity > line.cancelled + line.shipped,
            ~going.exists(),
            ~select(order_hold.c.order_id).where(order_hold.c.order_id == o.id).exists(),
            since <= before,
        )
        .group_by(o.id, o.number, o.account)
        .order_by(func.min(since), o.id)
    )
    return [Unsent(**row) for row in conn.execute(query).mappings()]


def unsent_forwards(conn: Connection, source: str, before: str) -> list[Unsent]:
    """Forwards of a source's orders that were made before a time (ISO) and that their destination
    does not have, of every destination that there is or was; oldest first."""
    f = forward.c
    missing = and_(f.state.in_(sorted(NOT_THERE)), f.created_at <= before)
    return _forwards(conn, and_(orders.c.account == source, missing))


def silent_forwards(conn: Connection, outlet: str, before: str) -> list[Unsent]:
    """Those that the till of an outlet was given before a time (ISO), and says nothing of."""
    f = forward.c
    at_till = and_(f.destination == "pos", f.outlet == outlet)
    return _forwards(conn, and_(at_till, f.state == "sent", f.sent_at <= before))


def still_there(conn: Connection, source: str, before: str) -> list[Unsent]:
    """Those of a source that their destination has since a time (ISO), or longer, and that have
    not left as a whole."""
    f = forward.c
    has = and_(f.state.in_(["sent", "acknowledged", "cancelling"]), f.sent_at <= before)
    open_ = orders.c.state.in_(sorted(state.value for state in UNFINISHED))
    return _forwards(conn, and_(orders.c.account == source, open_, has))


def _forwards(conn: Connection, which: ColumnElement[bool]) -> list[Unsent]:
    f, o = forward.c, orders.c
    query = (
        select(
            *(f.order_id, o.number, o.account.label("source"), f.outlet),
            func.coalesce(f.sent_at, f.created_at).label("since"),
            *(f.destination, f.state, f.message),
        )
        .join(orders, o.id == f.order_id)
        .where(which)
        .order_by(f.created_at, f.id)
    )
    return [Unsent(**row) for row in conn.execute(query).mappings()]


def unfinished_elsewhere(conn: Connection, sources: Collection[str]) -> list[Unsent]:
    """Orders that have still to leave, of all sources but these; oldest first."""
    o = orders.c
    query = (
        select(
            o.id.label("order_id"), o.number, o.account.label("source"), o.outlet,
            o.first_seen_at.label("since"),
        )
        .where(
            o.account.not_in(sorted(sources)),
            o.ended_at.is_(None),
            o.state.in_(sorted(state.value for state in UNFINISHED)),
        )
        .order_by(o.first_seen_at, o.id)
    )  # fmt: skip
    return [Unsent(**row) for row in conn.execute(query).mappings()]


def failed_deliveries(conn: Connection, source: str, before: str) -> list[Unsent]:
    """Orders of a source with a line whose delivery failed before a time (ISO) and that has not
    gone on since; the oldest first."""
    o, line, e = orders.c, order_line.c, order_event.c
    failed = OrderState.DELIVERY_FAILED.value
    since = (
        select(func.max(e.at))
        .where(e.order_id == o.id, e.line_id == line.line_id, e.kind == "state", e.after == failed)
        .scalar_subquery()
    )
    since = func.coalesce(since, o.first_seen_at)
    query = (
        select(o.id, o.number, o.account, func.min(line.outlet), func.min(since))
        .join(order_line, line.order_id == o.id)
        .where(
            o.account == source,
            line.state == failed,
            line.vanished_at.is_(None),
            since <= before,
        )
        .group_by(o.id, o.number, o.account)
        .order_by(func.min(since), o.id)
    )
    return [Unsent(*row) for row in conn.execute(query)]


def unknown_words(conn: Connection) -> list[UnknownWord]:
    """States of open orders, or of their lines, that nobody knows, the oldest first."""
    e, o, line = order_event.c, orders.c, order_line.c
    said = or_(
        and_(e.line_id == "", o.raw_state == e.after),
        select(line.line_id)
        .where(
            line.order_id == e.order_id,
            line.line_id == e.line_id,
            line.raw_state == e.after,
            line.vanished_at.is_(None),
        )
        .exists(),
    )
    query = (
        select(
            *(e.order_id, o.number, o.account.label("source"), o.outlet),
            e.after.label("word"),
            func.min(e.at).label("since"),
        )
        .join(orders, o.id == e.order_id)
        .where(e.kind == "unknown_state", o.ended_at.is_(None), said)
        .group_by(e.order_id, o.number, o.account, o.outlet, e.after)
        .order_by(func.min(e.at), e.order_id)
    )
    return [UnknownWord(**row) for row in conn.execute(query).mappings()]


def waiting_for_people(
    conn: Connection, outlet: str, sources: Collection[str], most: int
) -> list[Waiting]:
    """Orders with a line of an outlet, and those of `sources` whose outlet is not known, that are
    held or asked about; the oldest first, at most `most`."""
    o, line = orders.c, order_line.c
    held = select(order_hold.c.order_id).where(order_hold.c.order_id == o.id).exists()
    asked = (
        select(order_task.c.id)
        .where(order_task.c.order_id == o.id, order_task.c.state == "open")
        .exists()
    )
    of_it = select(line.line_id).where(line.order_id == o.id)
    unknown = and_(
        is_one_of(conn.dialect.name, o.account, sorted(sources)),
        ~of_it.where(line.outlet != "").exists(),
    )
    query = (
        select(o.id, o.number, o.account, o.state, o.accept_by, o.ship_by)
        .where(or_(held, asked), or_(of_it.where(line.outlet == outlet).exists(), unknown))
        .order_by(o.created_at, o.id)
        .limit(most)
    )
    return [
        Waiting(
            row.id,
            row.number,
            row.account,
            row.state,
            row.accept_by if row.state == OrderState.NEW.value else row.ship_by,
        )
        for row in conn.execute(query)
    ]
