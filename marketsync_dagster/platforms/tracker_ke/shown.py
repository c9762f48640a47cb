"""What Tracker KE shows for single products: `GET /products/{id}` (contract section 2.3).

The answer names a price for each supermarket, and a key does not know which one it is. So ours is
the one that the account's `supermarket` names, else the only one at the channel's location.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from marketsync_dagster.platforms.answers import Readable
from marketsync_dagster.platforms.base import Answer, ShownPrice
from marketsync_dagster.platforms.bodies import lookup
from marketsync_dagster.platforms.reading import Tries, read
from marketsync_dagster.values.outcomes import StockStatus

Fetch = Callable[[str], Awaitable[Answer | Readable]]
_STOCK = {status.value: status for status in StockStatus}
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Ours:
    """How our price is told from those of others."""

    account: str
    supermarket: str | None
    location: str | None


async def shown_prices(
    platform_ids: Sequence[str], ours: Ours, fetch: Fetch, tries: Tries
) -> list[ShownPrice]:
    """One entry per product, in the order asked for; PlatformError where one cannot be read."""
    found = []
    for platform_id in platform_ids:
        entry = await read(
            tries,
            lambda platform_id=platform_id: fetch(platform_id),
            lambda said, platform_id=platform_id: _entry(said, platform_id, ours),
            what=f"the price of {platform_id} cannot be read",
            otherwise="the answer is not a product with its prices; is base_url right?",
        )
        found.append(entry._replace(calls=tries.take_calls()))
    return found


def _entry(said: Answer | Readable, platform_id: str, ours: Ours) -> ShownPrice | None:
    """What an answer says of our price; None if it says nothing that can be believed."""
    if not isinstance(said, Readable):
        gone = said.call.status == 404
        return ShownPrice(platform_id, message="the platform has no such product") if gone else None
    prices = lookup(said.document, "data.current_prices")
    known = lookup(said.document, "data.id")
    if not isinstance(prices, dict) or str(known) != platform_id:
        return None
    entry, message, certain = _own(prices, ours)
    if entry is None:
        return ShownPrice(platform_id, message=said.clean(message), certain=certain)
    price, currency, at = (entry.get(name) for name in ("price", "currency", "updated_at"))
    if isinstance(price, bool) or not isinstance(price, int | Decimal):
        message = "the platform shows a price that is no number"
        return ShownPrice(platform_id, message=message, certain=False)
    return ShownPrice(
        platform_id,
        price=Decimal(price),
        currency=currency if isinstance(currency, str) else "",
        stock_status=_STOCK.get(str(entry.get("stock_status"))),
        at=said.clean(at) if isinstance(at, str) else "",
    )


def _own(prices: dict[str, Any], ours: Ours) -> tuple[dict[str, Any] | None, str, bool]:
    """Our entry among those of all supermarkets, else why there is none, and whether that is
    certain."""
    if ours.supermarket is not None:
        entry = prices.get(ours.supermarket)
        message = f"the platform shows no price of {ours.supermarket}"
        return (entry, "", True) if isinstance(entry, dict) else (None, message, True)
    here = {
        name: entry
        for name, entry in prices.items()
        if isinstance(entry, dict) and entry.get("location") == ours.location
    }
    if len(here) == 1:
        return next(iter(here.values())), "", True
    place = ours.location or "no location"
    if not here:
        return None, f"the platform shows no price at {place}", True
    names = ", ".join(sorted(here)[:_NAMED])
    message = (
        f"several supermarkets show a price at {place} ({names}): name ours in "
        f"accounts.{ours.account}.supermarket"
    )
    return None, message, False
