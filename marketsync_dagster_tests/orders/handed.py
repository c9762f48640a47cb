"""Orders that wait to be handed over, and what people answer about them."""

from __future__ import annotations

from typing import Any

from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.order_tasks import Task
from marketsync_dagster.ledger.orders import BookOrder, orders_to_change
from marketsync_dagster.orders.forwarding import resolve
from marketsync_dagster.platforms.fulfilling import FulfilCapabilities
from marketsync_dagster.values.times import to_iso
from marketsync_dagster_tests.orders import places as p

LOOKED_UP = FulfilCapabilities(idempotent=False)
BLIND = FulfilCapabilities(idempotent=True, look_up=False)
BLIND_AND_DOUBLING = FulfilCapabilities(idempotent=False, look_up=False)


def routed(ledger: Ledger, **said: Any) -> BookOrder:
    """An order with a forward to the printer that was never sent."""
    order = p.an_order(p.a_line(**said))
    p.put(ledger, order)
    p.route(ledger, p.settings_of())
    return order


def answer(ledger: Ledger, order: BookOrder, task: Task, words: str) -> str:
    """A person answers a question."""
    with ledger.begin() as conn:
        now = orders_to_change(conn, order.account, [order.id])[order.id]
        return resolve(conn, now, task, words, by="Ann", reason="I asked", at=to_iso(p.NOW))
