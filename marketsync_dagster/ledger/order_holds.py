"""Why orders wait for people or for something to change. An order may have several reasons."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from sqlalchemy import Connection, delete, select

from marketsync_dagster.ledger.order_tables import order_hold
from marketsync_dagster.ledger.sql import insert_into, is_one_of

HoldKind = Literal[
    "unmapped",  # a line that none of our products is
    "manual",  # accept: manual, a person decides
    "stock",
    "address",  # lacking, or not served
    "value",
    "route",  # no route takes a line
    "destination",  # it refused, cancelled or failed
    "changed",  # its source changed it after it went on
    "person",  # somebody said so
    "cancelling",  # its source has still to answer our cancellation
]


@dataclass(frozen=True, slots=True)
class Hold:
    """One reason; the columns of `order_hold`."""

    order_id: str
    kind: HoldKind
    since: str
    by: str
    reason: str
    next_step: str = ""


def hold(conn: Connection, holds: Sequence[Hold]) -> list[Hold]:
    """Add reasons; one of a kind that is there already keeps its time, by and words. Those that
    are new."""
    there = {(one.order_id, one.kind) for one in holds_of(conn, {h.order_id for h in holds})}
    new = [one for one in holds if (one.order_id, one.kind) not in there]
    if new:
        statement = insert_into(conn, order_hold).on_conflict_do_nothing()
        conn.execute(statement, [asdict(one) for one in new])
    return new


def release(
    conn: Connection, order_id: str, kinds: Collection[HoldKind] | None = None
) -> list[Hold]:
    """Take reasons away, of some kinds or of all; those that there were."""
    gone = [one for one in holds_of(conn, {order_id}) if kinds is None or one.kind in kinds]
    if gone:
        conn.execute(
            delete(order_hold).where(
                order_hold.c.order_id == order_id,
                order_hold.c.kind.in_([one.kind for one in gone]),
            )
        )
    return gone


def holds_of(conn: Connection, order_ids: Collection[str] | None = None) -> list[Hold]:
    """The reasons of some orders, or of all, oldest first."""
    query = select(order_hold).order_by(order_hold.c.since, order_hold.c.order_id)
    if order_ids is not None:
        if not order_ids:
            return []
        query = query.where(is_one_of(conn.dialect.name, order_hold.c.order_id, [*order_ids]))
    return [Hold(**row._asdict()) for row in conn.execute(query)]
