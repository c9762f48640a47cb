"""What must hold between the rows of the ledger, looked at over all of it.

The same laws are asserted in every run for what that run does; here they are asked of everything
that is kept. Nothing is changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import ColumnElement, and_, func, or_, select

from marketsync_dagster.ledger import imports, leases
from marketsync_dagster.ledger import tables as t
from marketsync_dagster.ledger.found import NAMED, RESTORE, Finding, found
from marketsync_dagster.ledger.order_laws import ORDER_LAWS
from marketsync_dagster.values.outcomes import Outcome

if TYPE_CHECKING:
    from sqlalchemy import Connection

_AGAIN = "marketsync run full_sync --all sends every row once more and writes it anew"


def broken_laws(connection: Connection) -> Iterator[Finding]:
    """Every law that does not hold, with some of the rows that break it."""
    for law in _LAWS:
        yield from law(connection)


def _plans(connection: Connection) -> Iterator[Finding]:
    """Catalog rows = unmapped + held + unchanged + deselected + to send."""
    p = t.plan.c
    parts = p.unmapped + p.held + p.unchanged + p.deselected + p.to_send
    yield from found(
        connection,
        select(p.id).where(p.catalog_rows != parts).order_by(p.id),
        "plan",
        lambda n, names: f"{n} plans whose rows do not add up to their catalog: {names}",
        RESTORE,
    )


def _pushes(connection: Connection) -> Iterator[Finding]:
    """Sent = the sum of outcomes; as many as the plan was to send; the plan is there."""
    p, plan = t.push.c, t.plan.c
    total: ColumnElement[int] = p[Outcome.APPLIED.value]
    for outcome in list(Outcome)[1:]:
        total = total + p[outcome.value]
    yield from found(
        connection,
        select(p.id).where(p.state != "open", p.item_count != total).order_by(p.id),
        "push",
        lambda n, names: f"{n} pushes whose outcomes are not as many as their rows: {names}",
        RESTORE,
    )
    yield from found(
        connection,
        select(p.id)
        .join(t.plan, plan.id == p.plan_id)
        .where(p.item_count != plan.to_send)
        .order_by(p.id),
        "push",
        lambda n, names: f"{n} pushes of other rows than their plan has: {names}",
        RESTORE,
    )
    there = select(plan.id).where(plan.id == p.plan_id).exists()
    yield from found(
        connection,
        select(p.id, p.plan_id).where(~there).order_by(p.id),
        "push",
        lambda n, names: f"{n} pushes of a plan that is not there: {names}",
        RESTORE,
    )


def _batches(connection: Connection) -> Iterator[Finding]:
    """The batches of a push that has ended cover its rows once, and say what became of each."""
    p, b = t.push.c, t.push_batch.c
    outcomes = [p[outcome.value] for outcome in Outcome]
    query = (
        select(p.id, p.item_count, *outcomes, b.first, b.last, b.state, b.outcomes)
        .join_from(t.push, t.push_batch, b.push_id == p.id, isouter=True)
        .where(p.state != "open")
        .order_by(p.id, b.first, b.last)
    )
    options = {"stream_results": True, "max_row_buffer": 5_000}
    bad: dict[str, str] = {}
    with connection.execute(query, execution_options=options) as rows:
        for push_id, some in groupby(rows, key=lambda row: row[0]):
            if wrong := _wrong_with(list(some)):
                bad[push_id] = wrong
    if bad:
        names = "; ".join(f"{push_id} {wrong}" for push_id, wrong in list(bad.items())[:NAMED])
        words = f"{len(bad)} pushes and their batches differ: {names}"
        yield Finding("push_batch", words, RESTORE)


def _wrong_with(rows: list[Any]) -> str:
    """How the batches of one push differ from the push; empty: they do not."""
    count = len(Outcome)
    _, items, *rest = rows[0]
    said = {o.value: n for o, n in zip(Outcome, rest[:count], strict=True) if n}
    batches = [row[2 + count :] for row in rows if row[2 + count] is not None]
    total: Counter[str] = Counter()
    at = 0
    for first, last, state, outcomes in batches:
        total.update(orjson.loads(outcomes))
        if state == "intended":
            return f"has ended, its rows {first} to {last} have not"
        if state == "split":
            continue
        if first != at:
            return f"has rows in no batch, or in two, at {min(first, at)}"
        at = last
    if at != items:
        return f"has {items} rows, its batches {at}"
    return "" if +total == said else f"says {said}, its batches {dict(total)}"


def _listings(connection: Connection) -> Iterator[Finding]:
    """A listing's push and extract are there, and its newest event says the same."""
    c, e = t.listing.c, t.listing_event.c
    key = (c.outlet, c.platform, c.sku)
    for column, table in ((c.push_id, t.push), (c.extract_id, t.extract)):
        there = select(table.c.id).where(table.c.id == column).exists()
        yield from found(
            connection,
            select(*key).where(column != "", ~there),
            "listing",
            lambda n, names, of=table.name: f"{n} listings of no {of} that is there: {names}",
            _AGAIN,
        )
    newest = select(func.max(e.id).label("id"), e.outlet, e.platform, e.sku)
    newest = newest.group_by(e.outlet, e.platform, e.sku).subquery()
    same = and_(
        *(newest.c.outlet == c.outlet, newest.c.platform == c.platform, newest.c.sku == c.sku)
    )
    event = t.listing_event.alias()
    differs = or_(
        event.c.id.is_(None),
        event.c.price_minor != c.price_minor,
        event.c.stock_status != c.stock_status,
        event.c.outcome != c.outcome,
    )
    yield from found(
        connection,
        select(*key)
        .join_from(t.listing, newest, same, isouter=True)
        .join(event, event.c.id == newest.c.id, isouter=True)
        .where(differs),
        "listing",
        lambda n, names: f"{n} listings say other than their newest event: {names}",
        _AGAIN,
    )


def _events(connection: Connection) -> Iterator[Finding]:
    """The push of an event is there."""
    pushes = select(t.listing_event.c.push_id).distinct().subquery()
    there = select(t.push.c.id).where(t.push.c.id == pushes.c.push_id).exists()
    yield from found(
        connection,
        select(pushes.c.push_id).where(pushes.c.push_id != "", ~there),
        "listing_event",
        lambda n, names: f"events of {n} pushes that are not there: {names}",
        RESTORE,
    )


def _imports(connection: Connection) -> Iterator[Finding]:
    """The batches of an import are there and as many rows as it has; and every row that is with the
    platform is in an import that is asked for."""
    i, p, b = t.push_import.c, t.push_import_part.c, t.push_batch.c
    of_it = and_(b.push_id == p.push_id, b.number == p.batch)
    there = select(b.number).where(of_it).exists()
    yield from found(
        connection,
        select(p.import_key, p.push_id).where(~there).order_by(p.import_key),
        "push_import",
        lambda n, names: f"{n} imports of batches that are not there: {names}",
        RESTORE,
    )
    rows = select(func.sum(b.last - b.first)).where(of_it, p.import_key == i.id).scalar_subquery()
    yield from found(
        connection,
        select(i.id).where(i.state.in_(imports.OPEN), rows != i["items"]).order_by(i.id),
        "push_import",
        lambda n, names: f"{n} imports of other rows than their batches have: {names}",
        RESTORE,
    )
    c = t.listing.c
    waits = and_(p.push_id == c.push_id, p.batch == c.batch, i.state.not_in(imports.OPEN))
    yield from found(
        connection,
        select(c.outlet, c.platform, c.sku)
        .join_from(t.listing, t.push_import_part, p.push_id == c.push_id)
        .join(t.push_import, i.id == p.import_key)
        .where(c.outcome == Outcome.ACCEPTED_ASYNC.value, waits),
        "listing",
        lambda n, names: f"{n} listings wait for an import that nobody asks for: {names}",
        _AGAIN,
    )


def _open_pushes(connection: Connection) -> Iterator[Finding]:
    """A push that is open, and nobody holds its channel: its process died."""
    held = {lease.name for lease in leases.alive(connection)}
    p = t.push.c
    query = select(p.id, p.outlet, p.platform).where(p.state == "open").order_by(p.id)
    for push_id, outlet, platform in connection.execute(query):
        if leases.channel_lease(outlet, platform) not in held:
            yield Finding(
                "push",
                f"{push_id} of {outlet} on {platform} did not end: its process died",
                f"marketsync run push_{platform} --outlet {outlet} counts its rows as unknown and "
                "sends them again",
                broken=False,
            )


_LAWS: Iterable[Callable[[Connection], Iterator[Finding]]] = (
    _plans,
    _pushes,
    _batches,
    _listings,
    _events,
    _imports,
    _open_pushes,
    *ORDER_LAWS,
)
