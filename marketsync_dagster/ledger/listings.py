"""What each platform is known to show: reading it in bulk, and writing answers as they arrive.

Everything here is bulk: a few statements per group of batches, whatever its size, so that the
writer thread spends its time inside the database and not in Python.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import func, select

from marketsync_dagster.ledger import tables as t
from marketsync_dagster.ledger.sql import ROWS_AT_ONCE, copy_into, is_one_of, value_rows
from marketsync_dagster.values.outcomes import ACKNOWLEDGED, PENDING, Outcome

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

_NUMBERS = frozenset({"price_minor", "quantity", "ack_price_minor", "ack_quantity", "version"})

_ACKNOWLEDGED = ", ".join(f"'{outcome.value}'" for outcome in sorted(ACKNOWLEDGED))
_PENDING = sorted(outcome.value for outcome in PENDING)

# What was acknowledged stays known while the same listing is only being tried again. A value that
# was sent after it, and that the platform took or may have taken, makes that doubtful for good:
# `ack_at` goes until something is acknowledged again; where nothing was, that value is what counts.
_ANEW = """excluded.ack_at IS NOT NULL OR listing.target <> excluded.target
        OR listing.platform_id <> excluded.platform_id"""
_DOUBTFUL = f"""listing.outcome = '{Outcome.UNKNOWN.value}'
        OR (listing.outcome = '{Outcome.ACCEPTED_ASYNC.value}'
            AND (listing.push_id <> excluded.push_id OR listing.batch <> excluded.batch))"""
_ACK_COLUMNS = (
    ",\n".join(
        f"""    ack_{name} = CASE WHEN {_ANEW} THEN excluded.ack_{name}
        WHEN ({_DOUBTFUL}) AND listing.ack_price_minor IS NULL THEN listing.{name}
        ELSE listing.ack_{name} END"""
        for name in ("price_minor", "currency", "stock_status", "quantity")
    )
    + f""",
    ack_at = CASE WHEN {_ANEW} THEN excluded.ack_at WHEN {_DOUBTFUL} THEN NULL
        ELSE listing.ack_at END"""
)

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
FROM %s
ON CONFLICT (outlet, platform, sku) DO UPDATE SET
{_ACK_COLUMNS},
    account = excluded.account, target = excluded.target, platform_id = excluded.platform_id,
    price_minor = excluded.price_minor, currency = excluded.currency,
    stock_status = excluded.stock_status, quantity = excluded.quantity,
    outcome = excluded.outcome, message = excluded.message,
    extract_id = excluded.extract_id, extract_time = excluded.extract_time,
    line = excluded.line, push_id = excluded.push_id, batch = excluded.batch,
    version = listing.version + 1, updated_at = excluded.updated_at
"""  # noqa: S608 - composed of constants

_EVENTS = """
INSERT INTO listing_event (at, outlet, platform, extract_id, push_id, batch, sku, platform_id,
    price_minor, currency, stock_status, quantity, outcome, message, line)
SELECT ?, ?, ?, ?, ?, %s
"""

# Each engine takes the items once, as fast as it can and without the interpreter lock, which the
# requests in flight need. SQLite makes events of them, many rows in one statement, and listings of
# the events. PostgreSQL has COPY, into a temporary table.
_UPSERT_SQLITE = _UPSERT % "listing_event WHERE id > ?"
_UPSERT_POSTGRES = (_UPSERT % "answered_item").replace("?", "%s")
_EVENTS_POSTGRES = (
    _EVENTS
    % """batch, sku, platform_id, price_minor, currency, stock_status, quantity, outcome,
    message, line FROM answered_item"""
).replace("?", "%s")
_STAGE = """CREATE TEMP TABLE IF NOT EXISTS answered_item (sku TEXT, platform_id TEXT,
    price_minor BIGINT, currency TEXT, stock_status TEXT, quantity BIGINT, outcome TEXT,
    message TEXT, line INTEGER, batch INTEGER) ON COMMIT DELETE ROWS"""


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


def load_listings(
    ledger: Ledger, outlet: str, platform: str, *, skus: Sequence[str] | None = None
) -> pd.DataFrame:
    """The listings of a channel, one row per SKU, with `LISTING_COLUMNS`: all of them, or those of
    `skus` that there are."""
    import pandas as pd
    import pyarrow as pa

    columns = [t.listing.c[name] for name in LISTING_COLUMNS]
    if ledger.dialect == "sqlite":
        # whole columns out of the database: a third of the time that rows take
        columns = [func.json_group_array(column) for column in columns]
    query = select(*columns).where(t.listing.c.outlet == outlet, t.listing.c.platform == platform)
    if skus is not None:
        query = query.where(is_one_of(ledger.dialect, t.listing.c.sku, skus))
    with ledger.read() as connection:
        rows = connection.execute(query).fetchall()
    if ledger.dialect == "sqlite":
        values = [orjson.loads(column) for column in rows[0]]
    else:
        values = list(zip(*rows, strict=True)) or [()] * len(columns)
    arrays: dict[str, Any] = {}
    for name, column in zip(LISTING_COLUMNS, values, strict=True):
        if name in _NUMBERS:
            numbers = pa.array(column, pa.int64())
            arrays[name] = pd.Int64Dtype().__from_arrow__(numbers)  # pyright: ignore
        else:
            arrays[name] = pd.array(pa.array(column, pa.large_string()), dtype="str")
    return pd.DataFrame(arrays, copy=False)


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


def newest_acknowledged(
    ledger: Ledger, outlet: str, platform: str, target: str, limit: int
) -> list[dict[str, Any]]:
    """The prices that `target` acknowledged last and that nothing was sent after, newest first.

    One dict each: sku, platform_id, ack_price_minor, ack_currency, ack_stock_status,
    ack_quantity, ack_at.
    """
    c = t.listing.c
    acknowledged = "ack_price_minor ack_currency ack_stock_status ack_quantity ack_at".split()
    names = ["sku", "platform_id", *acknowledged]
    query = (
        select(*(c[name] for name in names))
        .where(
            *(c.outlet == outlet, c.platform == platform, c.target == target),
            c.outcome.in_([outcome.value for outcome in ACKNOWLEDGED]),
        )
        .order_by(c.ack_at.desc(), c.sku)
        .limit(limit)
    )
    with ledger.read() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def doubtful(ledger: Ledger, outlet: str, platform: str) -> set[str]:
    """The SKUs of a channel of which the platform may show another value than the one that it
    acknowledged last: one that was sent after it, before what it refused since."""
    c = t.listing.c
    query = select(c.sku).where(
        *(c.outlet == outlet, c.platform == platform),
        *(c.ack_price_minor.is_not(None), c.ack_at.is_(None)),
    )
    with ledger.read() as connection:
        return set(connection.execute(query).scalars())


def certain(ledger: Ledger, outlet: str, platform: str, target: str) -> dict[str, str]:
    """SKU -> platform id of the channel's listings at `target` that are not `unknown`."""
    c = t.listing.c
    query = select(c.sku, c.platform_id).where(
        *(c.outlet == outlet, c.platform == platform, c.target == target),
        c.outcome != Outcome.UNKNOWN.value,
    )
    with ledger.read() as connection:
        return {row[0]: row[1] for row in connection.execute(query)}


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
    skus = [item[0] for _, items in batches for item in items]
    if not skus:
        return
    if len(set(skus)) < len(skus):
        raise ValueError("a SKU occurs twice among the items to acknowledge")
    if connection.dialect.name == "sqlite":
        before = _write_events(connection, source, batches, at)
        upsert, more = _UPSERT_SQLITE, (before,)
    else:
        connection.exec_driver_sql(_STAGE)
        connection.exec_driver_sql("DELETE FROM answered_item")
        rows = ((*item, number) for number, items in batches for item in items)
        copy_into(connection, "answered_item", rows)
        upsert, more = _UPSERT_POSTGRES, ()
    s = source
    connection.exec_driver_sql(
        upsert,
        (
            *(s.outlet, s.platform, s.account, s.target, at),
            *(s.extract_id, s.extract_time, s.push_id, at, *more),
        ),
    )
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(
            _EVENTS_POSTGRES, (at, s.outlet, s.platform, s.extract_id, s.push_id)
        )


def _write_events(
    connection: Connection,
    source: Source,
    batches: Sequence[tuple[int, Sequence[ItemRow]]],
    at: str,
) -> int:
    """One event for each item; returns the newest id before them."""
    newest = connection.exec_driver_sql("SELECT coalesce(max(id), 0) FROM listing_event")
    before = int(newest.scalar_one())
    common = (at, source.outlet, source.platform, source.extract_id, source.push_id)
    for number, items in batches:
        for first in range(0, len(items), ROWS_AT_ONCE):
            part = items[first : first + ROWS_AT_ONCE]
            given = value_rows(connection, len(part), len(part[0]))
            connection.exec_driver_sql(
                _EVENTS % f"?, * FROM ({given})", (*common, number, *chain.from_iterable(part))
            )
    return before
