"""Which orders wait too long for somebody else: sources that were not told of what happened, and
deliveries that failed and are not tried again. For the alerts, as `stages.order_waiting`."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from marketsync_dagster.ledger.order_commands import unsettled
from marketsync_dagster.ledger.order_holds import holds_of
from marketsync_dagster.ledger.order_watch import failed_deliveries
from marketsync_dagster.ledger.orders import load_orders
from marketsync_dagster.orders.answers import WORDS
from marketsync_dagster.orders.gates import PEOPLE, Gate, gate
from marketsync_dagster.platforms.registry import order_capabilities_of
from marketsync_dagster.stages.order_waiting import Sight
from marketsync_dagster.values.order_states import CommandKind
from marketsync_dagster.values.times import to_iso

if TYPE_CHECKING:
    from marketsync_dagster.config.orders import OrderSettings
    from marketsync_dagster.platforms.ordering import OrderCapabilities
    from marketsync_dagster.stages.project import Project


def not_told(project: Project, now: datetime) -> list[Sight]:
    """Orders whose source was not told of something for longer than that takes."""
    found: list[Sight] = []
    with project.ledger.read() as conn:
        for source, said in project.settings.order_sources().items():
            can = order_capabilities_of(project.settings, source)
            found += _of_source(conn, source, said, can, now)
    return sorted(found, key=lambda one: (one.since, one.order_id))


def _of_source(
    conn: Connection, source: str, said: OrderSettings, can: OrderCapabilities, now: datetime
) -> list[Sight]:
    at, late = to_iso(now), _ago(now, min(said.tell_hours, said.debit_hours))
    rows = [row for row in unsettled(conn, source) if row.created_at <= late]
    orders = load_orders(conn, sorted({row.order_id for row in rows}))
    held = {(hold.order_id, hold.kind) for hold in holds_of(conn, list(orders))}
    found = []
    for row in rows:
        order = orders[row.order_id]
        if row.kind is CommandKind.ACCEPT and any((order.id, kind) in held for kind in PEOPLE):
            continue  # told of as held
        waits = row.state == "waiting" and gate(row, order, can, at)[0] is Gate.WAIT
        if row.created_at > _ago(now, said.debit_hours if waits else said.tell_hours):
            continue
        words = f"{source} was not told of {WORDS[row.kind]}"
        words += ": it does not want it shipped yet" if waits else f" ({row.state})"
        words += f": {row.message}" if row.message and not waits else ""
        step = "marketsync run fulfil_orders"
        if row.state == "unknown" or waits:
            step = f"marketsync orders show {order.id}"
        found.append(
            Sight(order.id, order.number, source, order.outlet, words, row.created_at, step)
        )
    return found


def not_delivered(project: Project, now: datetime) -> list[Sight]:
    """Orders whose delivery failed, and of which nothing was told since."""
    with project.ledger.read() as conn:
        found = [
            one
            for source, said in project.settings.order_sources().items()
            for one in failed_deliveries(conn, source, _ago(now, said.deliver_hours))
        ]
    return [
        Sight(
            *(one.order_id, one.number, one.source, one.outlet),
            "its delivery failed, and nothing was told since",
            one.since,
            f"marketsync orders show {one.order_id}",
        )
        for one in found
    ]


def _ago(now: datetime, hours: float) -> str:
    return to_iso(now - timedelta(hours=hours))
