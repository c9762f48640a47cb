"""What must hold between the rows of orders: nothing that came is lost, nothing is at two places.

Asked of the whole book by `ledger.laws` and by the check `conservation`. Nothing is changed, and
nothing personal is looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator

import orjson
from sqlalchemy import Connection, Exists, and_, func, or_, select

from marketsync_dagster.ledger import leases
from marketsync_dagster.ledger.forwards import LIVE
from marketsync_dagster.ledger.found import NAMED, RESTORE, Finding, found
from marketsync_dagster.ledger.order_tables import (
    forward,
    forward_line,
    order_command,
    order_event,
    order_hold,
    order_line,
    order_person,
    order_raw,
    orders,
    shipment,
)
from marketsync_dagster.values.order_states import UNFINISHED, OrderFlag, OrderState
from marketsync_dagster.values.words import counted

_SHOW = "marketsync orders show ID tells how it came to that"
_UNFINISHED = sorted(state.value for state in UNFINISHED)
_TILLS = "pos"
"""The platform of documents that are a till's answers: no orders."""
_DROPPED = sorted((OrderState.CANCELLED.value, OrderState.REFUSED.value))
"""Of such a line nothing has left by our book: where its destination has sent it all the same,
people are asked what becomes of the goods."""
_TOLD = ("quantity", "cancelled")
"""What a source may change of a line at any time, whatever has left: it is an event, and people
are asked about it."""


def broken_order_laws(connection: Connection) -> Iterator[Finding]:
    """Every law of orders that does not hold, with some of the rows that break it."""
    for law in ORDER_LAWS:
        yield from law(connection)


def _raws(connection: Connection) -> Iterator[Finding]:
    """Each document is applied, unreadable or superseded, and what was applied is in the book."""
    r, o = order_raw.c, orders.c
    of_it = and_(o.platform == r.platform, o.account == r.account, o.external_id == r.external_id)
    yield from found(
        connection,
        select(r.account, r.id)
        .where(r.state == "applied", r.platform != _TILLS, ~select(o.id).where(of_it).exists())
        .order_by(r.id),
        "order_raw",
        lambda n, names: f"{counted(n, 'document')} taken in without an order: {names}",
        RESTORE,
    )
    held = _held(connection)
    waiting = select(r.account, func.count()).where(r.state == "received", r.platform != _TILLS)
    waiting = waiting.group_by(r.account)
    for source, count in connection.execute(waiting.order_by(r.account)):
        if f"pull {source}" not in held:
            yield Finding(
                "order_raw",
                f"{counted(count, 'order')} of {source} came and are not in the book yet: the pull "
                "that brought them ended early",
                "marketsync run pull_orders takes them in first",
                broken=False,
            )


def _lines(connection: Connection) -> Iterator[Finding]:
    """An order has lines, and a line an order; one that is over waits for nothing."""
    o, line = orders.c, order_line.c
    of_it = select(line.line_id).where(line.order_id == o.id)
    yield from found(
        connection,
        select(o.id).where(~of_it.exists()).order_by(o.id),
        "orders",
        lambda n, names: f"{counted(n, 'order')} without a line: {names}",
        RESTORE,
    )
    yield from found(
        connection,
        select(line.order_id, line.line_id)
        .where(~select(o.id).where(o.id == line.order_id).exists())
        .order_by(line.order_id, line.line_id),
        "order_line",
        lambda n, names: f"{counted(n, 'line')} of no order that is there: {names}",
        RESTORE,
    )
    going = of_it.where(line.state.in_(_UNFINISHED), line.vanished_at.is_(None))
    yield from found(
        connection,
        select(o.id).where(o.ended_at.is_not(None), going.exists()).order_by(o.id),
        "orders",
        lambda n, names: f"{counted(n, 'order')} counted as over, with lines that wait: {names}",
        _SHOW,
    )


def _pieces(connection: Connection) -> Iterator[Finding]:
    """Pieces that have left, and that are not to be sent, are no more than were ordered; unless
    the source changed its mind afterwards, which is an event."""
    line = order_line.c
    too_many = and_(line.shipped + line.cancelled > line.quantity, ~_changed())
    yield from found(
        connection,
        select(line.order_id, line.line_id)
        .where(or_(line.shipped < 0, line.cancelled < 0, too_many))
        .order_by(line.order_id, line.line_id),
        "order_line",
        lambda n, names: f"{counted(n, 'line')} with more pieces than were ordered: {names}",
        _SHOW,
    )


def _changed() -> Exists:
    """That the source of an order has changed how many pieces of a line are wanted."""
    line, e = order_line.c, order_event.c
    return (
        select(e.id)
        .where(
            e.order_id == line.order_id,
            e.line_id == line.line_id,
            e.kind == "changed",
            e.reason.in_(_TOLD),
        )
        .exists()
    )


def _forwards(connection: Connection) -> Iterator[Finding]:
    """A line is on its way to one place at most; a forward has lines of its order; what is done
    has left."""
    f, part, line = forward.c, forward_line.c, order_line.c
    joined = forward.join(forward_line, part.forward_id == f.id)
    live = f.state.in_(sorted(LIVE))
    yield from found(
        connection,
        select(f.order_id, part.line_id)
        .select_from(joined)
        .where(live)
        .group_by(f.order_id, part.line_id)
        .having(func.count() > 1)
        .order_by(f.order_id, part.line_id),
        "forward",
        lambda n, names: f"{counted(n, 'line')} on the way to two places at once: {names}",
        "marketsync orders show ID names both; cancel one of them",
    )
    own = select(part.line_id).where(part.forward_id == f.id)
    of_order = select(line.line_id).where(line.order_id == f.order_id, line.line_id == part.line_id)
    strange = own.where(~of_order.correlate(forward, forward_line).exists())
    yield from found(
        connection,
        select(f.id).where(or_(~own.exists(), strange.exists())).order_by(f.id),
        "forward",
        lambda n, names: f"{counted(n, 'forward')} of lines that are not there: {names}",
        RESTORE,
    )
    yield from found(
        connection,
        select(f.order_id, part.line_id)
        .select_from(
            joined.join(order_line, and_(line.order_id == f.order_id, line.line_id == part.line_id))
        )
        .where(
            f.state == "done",
            line.shipped < line.quantity - line.cancelled,
            ~_changed(),
        )
        .group_by(f.order_id, part.line_id, line.shipped)
        .having(func.sum(part.quantity) > line.shipped)
        .order_by(f.order_id, part.line_id),
        "forward",
        lambda n, names: f"{counted(n, 'line')} done at a destination, and not shipped: {names}",
        _SHOW,
    )


def _parcels(connection: Connection) -> Iterator[Finding]:
    """A parcel has pieces that have left; a refused forward has none. More than were ordered may
    leave, where people and a destination both sent them: that is no matter of the book."""
    s, f, line = shipment.c, forward.c, order_line.c
    yield from found(
        connection,
        select(s.order_id, s.key)
        .join(forward, f.id == s.forward_id)
        .where(f.state == "refused")
        .order_by(s.order_id, s.key),
        "shipment",
        lambda n, names: f"{counted(n, 'parcel')} of what its destination refused: {names}",
        _SHOW,
    )
    pieces: Counter[tuple[str, str]] = Counter()
    options = {"stream_results": True, "max_row_buffer": 5_000}
    query = select(s.order_id, s.lines)
    with connection.execute(query, execution_options=options) as rows:
        for order_id, lines in rows:
            for line_id, count in orjson.loads(lines).items():
                pieces[order_id, line_id] += count
    if not pieces:
        return
    left = select(
        line.order_id,
        line.line_id,
        line.shipped,
        or_(line.state.in_(_DROPPED), line.shipped >= line.quantity, _changed()),
        line.quantity,
    ).where(or_(line.shipped > 0, line.state.in_(_DROPPED), _changed()))
    twice: list[tuple[str, str]] = []
    with connection.execute(left, execution_options=options) as rows:
        for order_id, line_id, shipped, fine, quantity in rows:
            sent = pieces.pop((order_id, line_id), 0)
            if sent > shipped and not fine:
                pieces[order_id, line_id] = sent - shipped
            elif sent > quantity:
                twice.append((order_id, line_id))
    bad = sorted(pieces)
    yield from _named_lines(twice, "more pieces in parcels than were ordered", broken=False)
    yield from _named_lines(bad, "more pieces in parcels than have left", broken=True)


def _named_lines(
    lines: Collection[tuple[str, str]], what: str, *, broken: bool
) -> Iterator[Finding]:
    if lines:
        names = ", ".join(f"{order_id} {line_id}" for order_id, line_id in sorted(lines)[:NAMED])
        more = ", ..." if len(lines) > NAMED else ""
        words = f"{counted(len(lines), 'line')} with {what}: {names}{more}"
        yield Finding("shipment", words, _SHOW, broken)


def _holds(connection: Connection) -> Iterator[Finding]:
    """What waits says why, and nothing else does."""
    o, h = orders.c, order_hold.c
    flagged = o.flags.contains(f'"{OrderFlag.ON_HOLD.value}"', autoescape=True)
    reason = select(h.order_id).where(h.order_id == o.id).exists()
    yield from found(
        connection,
        select(o.id).where(or_(and_(flagged, ~reason), and_(~flagged, reason))).order_by(o.id),
        "order_hold",
        lambda n, names: f"{counted(n, 'order')} whose reasons to wait and state differ: {names}",
        _SHOW,
    )


def _forgotten(connection: Connection) -> Iterator[Finding]:
    """Of an order that was forgotten nothing personal is left."""
    o, p, r = orders.c, order_person.c, order_raw.c
    person = select(p.order_id).where(p.order_id == o.id).exists()
    document = (
        select(r.id)
        .where(
            *(r.platform == o.platform, r.account == o.account, r.external_id == o.external_id),
            r.document.is_not(None),
        )
        .exists()
    )
    yield from found(
        connection,
        select(o.id).where(o.forgotten_at.is_not(None), or_(person, document)).order_by(o.id),
        "order_person",
        lambda n, names: f"{counted(n, 'order')} forgotten, and not all of it: {names}",
        "marketsync orders forget ID",
    )


def _under_way(connection: Connection) -> Iterator[Finding]:
    """What is on its way to a source or a destination, and nobody holds that: its process died."""
    held = _held(connection)
    o, c, f = orders.c, order_command.c, forward.c
    told = (
        select(o.account, func.count())
        .join(order_command, c.order_id == o.id)
        .where(c.state == "intended")
        .group_by(o.account)
        .order_by(o.account)
    )
    sent = (
        select(f.destination, f.outlet, func.count())
        .where(f.state == "intended")
        .group_by(f.destination, f.outlet)
        .order_by(f.destination, f.outlet)
    )
    dead: Counter[tuple[str, str, str]] = Counter()
    for source, count in connection.execute(told):
        if f"tell {source}" not in held:
            dead["order_command", "command", source] += count
    for destination, outlet, count in connection.execute(sent):
        there = f"pos/{outlet}" if destination == "pos" else destination
        if f"forward {there}" not in held:
            dead["forward", "forward", there] += count
    for (table, what, place), count in dead.items():
        yield Finding(
            table,
            f"{counted(count, what)} to {place} had begun when the process died",
            "marketsync run fulfil_orders looks up whether it is there before anything goes again",
            broken=False,
        )


def _held(connection: Connection) -> set[str]:
    return {lease.name for lease in leases.alive(connection)}


ORDER_LAWS: Iterable[Callable[[Connection], Iterator[Finding]]] = (
    _raws,
    _lines,
    _pieces,
    _forwards,
    _parcels,
    _holds,
    _forgotten,
    _under_way,
)
