"""Listings that a push took off sale by leaving them out, where a full push replaces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, literal, select, update

from marketsync_dagster.ledger import tables as t
from marketsync_dagster.ledger.listings import Source
from marketsync_dagster.values.outcomes import Outcome, StockStatus

if TYPE_CHECKING:
    from sqlalchemy import Connection

MESSAGE = "left out of a push that replaces: taken off sale"


def withdraw(connection: Connection, source: Source, at: str) -> int:
    """Note that what `source` did not send is off sale now; returns how many listings that are.

    Runs in the caller's transaction, after all items of the push have been acknowledged.
    """
    listing, out = t.listing, StockStatus.OUT_OF_STOCK.value
    left_out = (
        (listing.c.outlet == source.outlet)
        & (listing.c.platform == source.platform)
        & (listing.c.target == source.target)
        & (listing.c.push_id != source.push_id)
        & listing.c.ack_stock_status.is_not(None)
        & (listing.c.ack_stock_status != out)
    )
    event = {
        "at": literal(at),
        "outlet": listing.c.outlet,
        "platform": listing.c.platform,
        "sku": listing.c.sku,
        "platform_id": listing.c.platform_id,
        "price_minor": listing.c.ack_price_minor,
        "currency": listing.c.ack_currency,
        "stock_status": literal(out),
        "quantity": listing.c.ack_quantity,
        "outcome": literal(Outcome.APPLIED.value),
        "message": literal(MESSAGE),
        "extract_id": literal(source.extract_id),
        "line": listing.c.line,
        "push_id": literal(source.push_id),
        "batch": literal(1),
    }
    connection.execute(
        insert(t.listing_event).from_select(
            list(event),
            select(*(value.label(name) for name, value in event.items())).where(left_out),
        )
    )
    done = connection.execute(
        update(listing)
        .where(left_out)
        .values(
            price_minor=listing.c.ack_price_minor,
            currency=listing.c.ack_currency,
            stock_status=out,
            ack_stock_status=out,
            outcome=Outcome.APPLIED.value,
            message=MESSAGE,
            version=listing.c.version + 1,
            updated_at=at,
        )
    )
    return done.rowcount
