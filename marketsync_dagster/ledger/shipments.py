"""Parcels that have left, whoever sent them: once each, however often they are told of."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import orjson
from sqlalchemy import Connection, select, update

from marketsync_dagster.ledger.order_tables import shipment
from marketsync_dagster.ledger.sql import is_one_of, upsert


@dataclass(frozen=True, slots=True)
class Shipment:
    """One parcel; the columns of `shipment`."""

    id: str
    order_id: str
    key: str
    """Tells it from the order's other parcels, and stays the same."""
    forward_id: str
    """Empty: a person told of it."""
    carrier: str
    """As who sent it calls the carrier."""
    tracking_number: str
    tracking_url: str
    lines: Mapping[str, int]
    """Line -> pieces."""
    estimated_delivery: str
    created_at: str
    created_by: str
    changed_at: str


def shipment_id(order_id: str, key: str) -> str:
    """The id of a parcel: the same for everybody who tells of it. 16 of 0-9 a-f."""
    return hashlib.sha256(f"{order_id}\0{key}".encode()).hexdigest()[:16]


def record_shipments(conn: Connection, shipments: Sequence[Shipment]) -> list[Shipment]:
    """Keep parcels; one that is known takes what is told now (a number that comes later), and
    keeps what is not, its lines and its beginning. Those that are new or have changed.

    Whoever records has locked the orders' source (`ledger.orders.orders_to_change`).
    """
    known = {one.id: one for one in _all(conn, {one.order_id for one in shipments})}
    changed = {}
    for one in shipments:
        before = known.get(one.id)
        after = one if before is None else _with_news(before, one)
        if after != before:
            changed[one.id] = known[one.id] = after
    upsert(conn, shipment, [_row(one) for one in changed.values()])
    return list(changed.values())


def shipments_of(conn: Connection, order_ids: Collection[str]) -> dict[str, list[Shipment]]:
    """Order -> its parcels, oldest first; orders without any are not there."""
    found: dict[str, list[Shipment]] = {}
    for one in _all(conn, order_ids):
        found.setdefault(one.order_id, []).append(one)
    return found


def tell_anew(conn: Connection, parcel_id: str, at: str) -> None:
    """Have a parcel looked at as if it had changed now: what its source is told of it has."""
    c = shipment.c
    conn.execute(update(shipment).where(c.id == parcel_id).values(changed_at=at))


def _with_news(before: Shipment, told: Shipment) -> Shipment:
    """A known parcel with what is told of it now."""
    after = replace(
        before,
        carrier=told.carrier or before.carrier,
        tracking_number=told.tracking_number or before.tracking_number,
        tracking_url=told.tracking_url or before.tracking_url,
        estimated_delivery=told.estimated_delivery or before.estimated_delivery,
    )
    return before if after == before else replace(after, changed_at=told.changed_at)


def _all(conn: Connection, order_ids: Collection[str]) -> list[Shipment]:
    if not order_ids:
        return []
    query = (
        select(shipment)
        .where(is_one_of(conn.dialect.name, shipment.c.order_id, sorted(order_ids)))
        .order_by(shipment.c.created_at, shipment.c.key)
    )
    return [
        Shipment(**{**row, "lines": orjson.loads(row["lines"])})
        for row in conn.execute(query).mappings()
    ]


def _row(one: Shipment) -> dict[str, Any]:
    row = asdict(one)
    row["lines"] = orjson.dumps(one.lines, option=orjson.OPT_SORT_KEYS).decode()
    return row
