"""Whose listings they are: a SKU's listing speaks of one platform id, told by one account.

Both can change under a SKU: a mapping is mended, a till renumbers its products, a channel moves to
another account. What was told before is no proof of what is shown now.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select

from marketsync_dagster.ledger import tables as t

if TYPE_CHECKING:
    from marketsync_dagster.ledger.engine import Ledger


def told_last(
    ledger: Ledger, outlet: str, platform: str, target: str, account: str
) -> dict[str, str]:
    """Platform id -> the SKU under which this account has told it last, of those ids that several
    SKUs had."""
    c, e = t.listing.c, t.listing_event.c
    of_channel = (
        *(c.outlet == outlet, c.platform == platform),
        *(c.target == target, c.account == account),
    )
    several = select(c.platform_id).where(*of_channel).group_by(c.platform_id)
    several = several.having(func.count() > 1)
    # events are numbered as they come, whatever a clock says
    number = select(func.max(e.id)).where(
        *(e.push_id == c.push_id, e.sku == c.sku),
        *(e.outlet == c.outlet, e.platform == c.platform),
    )
    query = (
        select(c.platform_id, c.sku)
        .where(*of_channel, c.platform_id.in_(several))
        .order_by(func.coalesce(number.scalar_subquery(), 0), c.updated_at, c.sku)
    )
    with ledger.read() as connection:
        return {row[0]: row[1] for row in connection.execute(query)}


def told_since(ledger: Ledger, outlet: str, platform: str, sku: str) -> str | None:
    """The SKU under which the platform id of this listing was told last, if it is another one."""
    c = t.listing.c
    mine = (c.outlet == outlet, c.platform == platform, c.sku == sku)
    query = select(c.target, c.account, c.platform_id).where(*mine)
    with ledger.read() as connection:
        found = connection.execute(query).first()
    if found is None:
        return None
    last = told_last(ledger, outlet, platform, found.target, found.account)
    holder = last.get(found.platform_id, sku)
    return holder if holder != sku else None


def told_by_others(ledger: Ledger, outlet: str, platform: str, account: str) -> set[str]:
    """The SKUs of a channel whose listing another account than `account` has told."""
    c = t.listing.c
    query = select(c.sku).where(c.outlet == outlet, c.platform == platform, c.account != account)
    with ledger.read() as connection:
        return set(connection.execute(query).scalars())
