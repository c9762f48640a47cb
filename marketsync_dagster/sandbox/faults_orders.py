"""Faults of lists that move while they are read, and of lists that are late: contract section 12,
number 8. See `faults`."""

from __future__ import annotations

from typing import Any

from marketsync_dagster.sandbox import mirakl_orders_book
from marketsync_dagster.sandbox.actions import Number, action
from marketsync_dagster.sandbox.exchange import Exchange
from marketsync_dagster.sandbox.shown import MIRAKL
from marketsync_dagster.sandbox.tampering import UNTOUCHED, Tampering


@action(insert=int, early=int, change=int, cancel=int)
async def orders_move(exchange: Exchange, given: dict[str, Any]) -> None:
    """Answered; before the client has the answer, `insert` orders (1 if nothing is given) have come
    at the end of the list, `early` ones before all others, `change` of the oldest have changed, and
    `cancel` of the oldest open ones were canceled: rows of the next page are repeated, or never
    seen."""
    answer = exchange.work(UNTOUCHED)
    if exchange.entry.channel == MIRAKL and exchange.entry.account is not None:
        numbers = {name: given.get(name, 0) for name in ("insert", "early", "change", "cancel")}
        if not given.keys() & numbers.keys():
            numbers["insert"] = 1
        shop_id = int(exchange.entry.account)
        mirakl_orders_book.move(exchange.world, shop_id, **numbers)
    await exchange.reply(answer)


@action(seconds=Number)
async def index_lag(exchange: Exchange, given: dict[str, Any]) -> None:
    """Applied; what the request changes is missing from lists for `seconds` (60 if not given), and
    a list does not show what changed within the `seconds` before."""
    seconds = float(given.get("seconds", 60))
    await exchange.reply(exchange.work(Tampering(lag_s=seconds)))
