"""The personal data of orders, as fields by order and role; `orders.persons` makes persons of them.

Nothing here may be shown but to who asks for the order by name; `forget` erases it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson
from sqlalchemy import Connection, delete, select

from marketsync_dagster.ledger.order_tables import order_person
from marketsync_dagster.ledger.sql import is_one_of, put


@dataclass(frozen=True, slots=True, repr=False)
class PersonRow:
    """One person of one order; empty fields are left out."""

    order_id: str
    role: str
    fields: Mapping[str, str]
    at: str


def save_persons(conn: Connection, rows: Sequence[PersonRow]) -> None:
    """Write persons, each in the place of the one before."""
    values = [
        (
            row.order_id,
            row.role,
            orjson.dumps(dict(row.fields), option=orjson.OPT_SORT_KEYS).decode(),
            row.at,
        )
        for row in rows
    ]
    put(conn, order_person, ("order_id", "role", "fields", "at"), values, replace=True)


def load_persons(
    conn: Connection, order_ids: Sequence[str]
) -> dict[str, dict[str, dict[str, str]]]:
    """Order -> role -> fields, of those that there are."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    if not order_ids:
        return found
    c = order_person.c
    query = select(c.order_id, c.role, c.fields).where(
        is_one_of(conn.dialect.name, c.order_id, order_ids)
    )
    for row in conn.execute(query):
        found.setdefault(row.order_id, {})[row.role] = orjson.loads(row.fields)
    return found


def forget_persons(conn: Connection, order_ids: Sequence[str]) -> int:
    """Erase the persons of orders; returns how many."""
    if not order_ids:
        return 0
    there = is_one_of(conn.dialect.name, order_person.c.order_id, order_ids)
    return conn.execute(delete(order_person).where(there)).rowcount
