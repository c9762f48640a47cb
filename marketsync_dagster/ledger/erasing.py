"""Erasing rows so that their bytes are gone, too: of orders that are to be forgotten, and of
documents that belong to none.

SQLite is told to write zeros over what it frees, and its log is emptied afterwards. PostgreSQL
reuses the room of old rows after its next VACUUM, as it does with all rows.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Collection, Iterator

from sqlalchemy import ColumnElement, Connection, and_, func, select, update

from marketsync_dagster.config.orders import POS
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.faults import translated
from marketsync_dagster.ledger.order_tables import order_raw, orders
from marketsync_dagster.values.errors import Busy


@contextlib.contextmanager
def thorough(conn: Connection) -> Iterator[None]:
    """What is deleted or changed inside is written over."""
    if conn.dialect.name != "sqlite":
        yield
        return
    before = conn.exec_driver_sql("PRAGMA secure_delete").scalar_one()
    conn.exec_driver_sql("PRAGMA secure_delete=ON")
    try:
        yield
    finally:
        # "FAST" is told as 2, and set by its name alone
        word = {0: "OFF", 1: "ON"}.get(int(before), "FAST")
        conn.exec_driver_sql(f"PRAGMA secure_delete={word}")


def settle(ledger: Ledger) -> None:
    """After an erasure was committed: empty the log that has the pages as they were. Busy where
    somebody reads it now."""
    if ledger.dialect != "sqlite":
        return
    with translated(ledger.location):
        raw = ledger.engine.raw_connection()
        try:
            busy = raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        finally:
            raw.close()
    if busy:
        raise Busy("somebody reads the ledger", "marketsync ledger prune empties it later")


def old_orders(ledger: Ledger, before: str) -> dict[str, list[str]]:
    """Source -> orders that ended before a time (ISO) and are not forgotten, oldest first."""
    c = orders.c
    query = (
        select(c.account, c.id)
        .where(c.ended_at < before, c.forgotten_at.is_(None))
        .order_by(c.ended_at, c.id)
    )
    found: dict[str, list[str]] = {}
    with ledger.read() as conn:
        for source, order_id in conn.execute(query):
            found.setdefault(source, []).append(order_id)
    return found


def loose_documents(ledger: Ledger, before: str) -> int:
    """How many documents came before a time and belong to no order: unreadable ones, and answers
    of tills."""
    with ledger.read() as conn:
        query = select(func.count()).select_from(order_raw).where(_loose(before))
        return conn.execute(query).scalar_one()


def erase_loose(ledger: Ledger, before: str) -> int:
    """Empty them; how many."""
    if not loose_documents(ledger, before):
        return 0
    with ledger.begin() as conn, thorough(conn):
        return conn.execute(update(order_raw).where(_loose(before)).values(document=None)).rowcount


def erase_answers(conn: Connection, outlet: str, numbers: Collection[str]) -> int:
    """Empty the answers of an outlet's till that name one of these numbers; how many."""
    c = order_raw.c
    of_till = and_(c.platform == POS, c.account == outlet, c.document.is_not(None))
    named = [
        row.id
        for row in conn.execute(select(c.id, c.document).where(of_till))
        if any(number.encode() in zlib.decompress(row.document) for number in numbers)
    ]
    if named:
        conn.execute(update(order_raw).where(c.id.in_(named)).values(document=None))
    return len(named)


def _loose(before: str) -> ColumnElement[bool]:
    r, o = order_raw.c, orders.c
    of_it = and_(o.platform == r.platform, o.account == r.account, o.external_id == r.external_id)
    return and_(
        r.received_at < before,
        r.document.is_not(None),
        r.state != "received",
        ~select(o.id).where(of_it).exists(),
    )
