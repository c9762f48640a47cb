"""What each platform is known to show: reading it in bulk, and writing answers as they arrive.

Everything here is bulk: one statement per batch of items, whatever its size, so that the writer
thread spends its time inside the database and not in Python.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import func, select

from marketsync_dagster.ledger import tables as t
from marketsync_dagster.values.outcomes import ACKNOWLEDGED, PENDING

if TYPE_CHECKING:
    import pandas as pd
    from sqlalchemy import Connection

    from marketsync_dagster.ledger.engine import Ledger

ItemRow = tuple[str, str, int, str, str, int | None, str, str, int]
"""sku, platform id, price in minor units, currency, stock status, quantity, outcome, message,
line: one item of a batch as it is acknowledged."""

LISTING_COLUMNS = (
    "sku platform_id target price_minor currency stock_status quantity outcome ack_price_minor "
    "ack_currency ack_stock_status ack_quantity extract_time version"
).split()
"""The columns of `load_listings`."""

_ACKNOWLEDGED = ", ".join(f"'{outcome.value}'" for outcome in sorted(ACKNOWLEDGED))
_PENDING = sorted(outcome.value for outcome in PENDING)

_UPSERT = f"""
INSERT INTO listing (outlet, platform, sku, account, target, platform_id, price_minor, currency,
    stock_status, quantity, outcome, message, ack_price_minor, ack_currency, ack_stock_status,
    ack_quantity, ack_at, extract_id, extract_time, line, push_id, batch, version, updated_at)
SELECT ?, ?, sku, ?, ?, platform_id, price_minor, currency, stock_status, quantity, outcome,
    message,
    CASE WHEN outcome IN ({_ACKNOWLEDGED}) THEN price_minor END,
    CASE WHEN outcome IN ({_ACKNOWLEDGED}) THEN currency END,
    CASE WHEN outcome IN ({_ACKNOWLEDGED}) THEN stock_status END,
    CASE WHEN outcome IN ({_ACKNOWLEDGED}) THEN quantity END,
    CASE WHEN outcome IN ({_ACKNOWLEDGED}) THEN ? END,
    ?, ?, line, ?, batch, 1, ?
FROM answered_item WHERE true
ON CONFLICT (outlet, platform, sku) DO UPDATE SET
    -- what was acknowledged stays known while the same listing is only being tried again
    ack_price_minor = CASE WHEN excluded.ack_at IS NOT NULL OR listing.target <> excluded.target
        OR listing.platform_id <> excluded.platform_id
        THEN excluded.ack_price_minor ELSE listing.ack_price_minor END,
    ack_currency = CASE WHEN excluded.ack_at IS NOT NULL OR listing.target <> excluded.target
        OR listing.platform_id <> excluded.platform_id
        THEN excluded.ack_currency ELSE listing.ack_currency END,
    ack_stock_status = CASE WHEN excluded.ack_at IS NOT NULL OR listing.target <> excluded.target
        OR listing.platform_id <> excluded.platform_id
        THEN excluded.ack_stock_status ELSE listing.ack_stock_status END,
    ack_quantity = CASE WHEN excluded.ack_at IS NOT NULL OR listing.target <> excluded.target
        OR listing.platform_id <> excluded.platform_id
        THEN excluded.ack_quantity ELSE listing.ack_quantity END,
    ack_at = CASE WHEN excluded.ack_at IS NOT NULL OR listing.target <> excluded.target
        OR listing.platform_id <> excluded.platform_id
        THEN excluded.ack_at ELSE listing.ack_at END,
    account = excluded.account, target = excluded.target, platform_id = excluded.platform_id,
    price_minor = excluded.price_minor, currency = excluded.currency,
    stock_status = excluded.stock_status, quantity = excluded.quantity,
    outcome = excluded.outcome, message = excluded.message,
    extract_id = excluded.extract_id, extract_time = excluded.extract_time,
    line = excluded.line, push_id = excluded.push_id, batch = excluded.batch,
    version = listing.version + 1, updated_at = excluded.updated_at
"""  # noqa: S608 - composed of constants

_EVENTS = """
INSERT INTO listing_event (at, outlet, platform, sku, platform_id, price_minor, currency,
    stock_status, quantity, outcome, message, extract_id, line, push_id, batch)
SELECT ?, ?, ?, sku, platform_id, price_minor, currency, stock_status, quantity, outcome, message,
    ?, line, ?, batch
FROM answered_item
"""

# Unpacking the items once into a temporary table, inside the database, beats binding them one by
# one (and keeps the interpreter lock free for the requests in flight).
_STAGE = {
    "sqlite": (
        """CREATE TEMP TABLE IF NOT EXISTS answered_item (sku TEXT PRIMARY KEY, platform_id TEXT,
        price_minor INTEGER, currency TEXT, stock_status TEXT, quantity INTEGER, outcome TEXT,
        message TEXT, line INTEGER, batch INTEGER) WITHOUT ROWID""",
        "DELETE FROM answered_item",
        """INSERT INTO answered_item
        SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'),
        json_extract(value, '$[2]'), json_extract(value, '$[3]'), json_extract(value, '$[4]'),
        json_extract(value, '$[5]'), json_extract(value, '$[6]'), json_extract(value, '$[7]'),
        json_extract(value, '$[8]'), ? FROM json_each(?)""",
    ),
    "postgresql": (
        """CREATE TEMP TABLE IF NOT EXISTS answered_item (sku TEXT PRIMARY KEY, platform_id TEXT,
        price_minor BIGINT, currency TEXT, stock_status TEXT, quantity BIGINT, outcome TEXT,
        message TEXT, line INTEGER, batch INTEGER) ON COMMIT DELETE ROWS""",
        "TRUNCATE answered_item",
        """INSERT INTO answered_item SELECT item->>0, item->>1, (item->>2)::bigint, item->>3,
        item->>4, (item->>5)::bigint, item->>6, item->>7, (item->>8)::int, %s
        FROM jsonb_array_elements(%s::jsonb) AS item""",
    ),
}


@dataclass(frozen=True, slots=True)
class Source:
    """Where the items of an answer came from: one push of one channel."""

    outlet: str
    platform: str
    account: str
    target: str
    extract_id: str
    extract_time: str
    push_id: str


def load_listings(ledger: Ledger, outlet: str, platform: str) -> pd.DataFrame:
    """All listings of a channel, one row per SKU, with `LISTING_COLUMNS`."""
    import pandas as pd

    columns = [t.listing.c[name] for name in LISTING_COLUMNS]
    query = select(*columns).where(t.listing.c.outlet == outlet, t.listing.c.platform == platform)
    with ledger.read() as connection:
        rows = connection.execute(query).fetchall()
    frame = pd.DataFrame.from_records(rows, columns=LISTING_COLUMNS)
    text = ["sku", "platform_id", "target", "currency", "stock_status", "outcome"]
    nullable_text = ["ack_currency", "ack_stock_status", "extract_time"]
    numbers = ["price_minor", "quantity", "ack_price_minor", "ack_quantity", "version"]
    types: dict[str, Any] = dict.fromkeys(text + nullable_text, "str")
    return frame.astype(types | dict.fromkeys(numbers, "Int64"))


def count_pending(ledger: Ledger, outlet: str, platform: str) -> int:
    """How many rows of a channel must go again: unknown, retryable, or stopped by bad keys."""
    query = (
        select(func.count())
        .select_from(t.listing)
        .where(
            t.listing.c.outlet == outlet,
            t.listing.c.platform == platform,
            t.listing.c.outcome.in_(_PENDING),
        )
    )
    with ledger.read() as connection:
        return int(connection.execute(query).scalar_one())


def pending_channels(ledger: Ledger) -> dict[tuple[str, str], int]:
    """(outlet, platform) -> how many of its rows must go again, where there are any."""
    query = (
        select(t.listing.c.outlet, t.listing.c.platform, func.count())
        .where(t.listing.c.outcome.in_(_PENDING))
        .group_by(t.listing.c.outlet, t.listing.c.platform)
    )
    with ledger.read() as connection:
        return {(row[0], row[1]): int(row[2]) for row in connection.execute(query)}


def versions(ledger: Ledger, outlet: str, platform: str) -> dict[str, int]:
    """SKU -> how often its listing has changed: the base that plans stand on."""
    query = select(t.listing.c.sku, t.listing.c.version).where(
        t.listing.c.outlet == outlet, t.listing.c.platform == platform
    )
    with ledger.read() as connection:
        return {row[0]: int(row[1]) for row in connection.execute(query)}


def acknowledge(
    connection: Connection, source: Source, batch: int, items: Sequence[ItemRow], at: str
) -> None:
    """Write what became of `items`: the listings as they are now, and one event each.

    Runs in the caller's transaction; `at` is ISO time. A SKU may occur once.
    """
    acknowledge_batches(connection, source, [(batch, items)], at)


def acknowledge_batches(
    connection: Connection,
    source: Source,
    batches: Sequence[tuple[int, Sequence[ItemRow]]],
    at: str,
) -> None:
    """`acknowledge` for the items of several batches (number, items), at the price of one."""
    batches = [(number, items) for number, items in batches if items]
    if not batches:
        return
    create, clear, fill = _STAGE[connection.dialect.name]
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    connection.exec_driver_sql(create)
    connection.exec_driver_sql(clear)
    for number, items in batches:
        connection.exec_driver_sql(fill, (number, orjson.dumps(items).decode()))
    s = source
    connection.exec_driver_sql(
        _UPSERT.replace("?", mark),
        (
            *(s.outlet, s.platform, s.account, s.target, at),
            *(s.extract_id, s.extract_time, s.push_id, at),
        ),
    )
    connection.exec_driver_sql(
        _EVENTS.replace("?", mark),
        (at, s.outlet, s.platform, s.extract_id, s.push_id),
    )
