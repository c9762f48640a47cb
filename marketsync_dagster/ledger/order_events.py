"""The history of orders: what happened, by whom and why. Append only, without personal data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from operator import attrgetter
from typing import Literal

from sqlalchemy import Connection, select

from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.order_tables import order_event
from marketsync_dagster.ledger.sql import put

Kind = Literal[
    "created",
    "changed",  # something that its source tells: an amount, a quantity, a deadline
    "state",
    "anomaly",  # its source went back, or told what cannot be
    "unknown_state",  # its source used a word that nobody knows
    "line_added",
    "line_vanished",
    "line_back",
    "mapped",
    "address",  # it came, or it is another one; never what it is
    "held",
    "released",
    "decided",
    "intended",  # a command to its source
    "answered",
    "looked_up",
    "routed",
    "forwarded",
    "fulfilment",  # what its destination tells
    "shipment",
    "refund",
    "task",
    "forgotten",
    "note",
]
"""What can happen to an order."""


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """One thing that happened; the columns of `order_event` without its id."""

    order_id: str
    at: str
    kind: Kind
    line_id: str = ""
    before: str = ""
    after: str = ""
    by: str = ""
    reason: str = ""
    remote_at: str = ""


_COLUMNS = tuple(one.name for one in fields(OrderEvent))
_values = attrgetter(*_COLUMNS)


def record_events(conn: Connection, events: Sequence[OrderEvent]) -> None:
    """Append events, in their order."""
    put(conn, order_event, _COLUMNS, [_values(event) for event in events])


def events_of(ledger: Ledger, order_id: str) -> list[OrderEvent]:
    """The whole history of one order, oldest first."""
    query = (
        select(*(order_event.c[name] for name in _COLUMNS))
        .where(order_event.c.order_id == order_id)
        .order_by(order_event.c.id)
    )
    with ledger.read() as conn:
        return [OrderEvent(**row._asdict()) for row in conn.execute(query)]


def as_document(event: OrderEvent) -> dict[str, str]:
    """An event for `--json`, without the order."""
    said = asdict(event)
    del said["order_id"]
    return said
