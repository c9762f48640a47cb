"""What the ledger knows of one SKU on one channel: the rows that `explain` is told from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, select

from marketsync_dagster.ledger import tables as t

if TYPE_CHECKING:
    from marketsync_dagster.ledger.engine import Ledger


def listing_of(ledger: Ledger, outlet: str, platform: str, sku: str) -> dict[str, Any] | None:
    """The listing as it is now: every column of the table `listing`; None: never sent."""
    c = t.listing.c
    query = select(t.listing).where(c.outlet == outlet, c.platform == platform, c.sku == sku)
    with ledger.read() as connection:
        row = connection.execute(query).mappings().first()
    return None if row is None else dict(row)


def events_of(
    ledger: Ledger, outlet: str, platform: str, sku: str, limit: int
) -> list[dict[str, Any]]:
    """The newest changes of a listing, newest first.

    They are looked for push by push, from the newest on, until there are enough.
    """
    c, p = t.listing_event.c, t.push.c
    wanted = select(
        c.id, c.at, c.price_minor, c.currency, c.stock_status, c.quantity, c.outcome,
        c.message, c.push_id, c.extract_id, c.line,
    ).where(c.outlet == outlet, c.platform == platform, c.sku == sku)  # fmt: skip
    pushed = (
        wanted.join(t.push, and_(p.id == c.push_id, p.outlet == outlet, p.platform == platform))
        .order_by(p.started_at.desc(), c.id.desc())
        .limit(limit)
    )
    # a restored ledger's events are of no push
    others = wanted.where(c.push_id == "").order_by(c.id.desc()).limit(limit)
    with ledger.read() as connection:
        found = [
            dict(row) for query in (pushed, others) for row in connection.execute(query).mappings()
        ]
    return sorted(found, key=lambda event: event["id"], reverse=True)[:limit]


def push_of(ledger: Ledger, push_id: str) -> dict[str, Any] | None:
    """One push: every column of the table `push`."""
    with ledger.read() as connection:
        row = connection.execute(select(t.push).where(t.push.c.id == push_id)).mappings().first()
    return None if row is None else dict(row)


def batch_of(ledger: Ledger, push_id: str, number: int) -> dict[str, Any] | None:
    """One batch of a push: every column of the table `push_batch`."""
    c = t.push_batch.c
    query = select(t.push_batch).where(c.push_id == push_id, c.number == number)
    with ledger.read() as connection:
        row = connection.execute(query).mappings().first()
    return None if row is None else dict(row)
