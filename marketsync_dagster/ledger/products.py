"""What product pushes have offered to a platform, so that only changes are offered again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import orjson
from sqlalchemy import Connection, func, select

from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.sql import ROWS_AT_ONCE, is_one_of, upsert, value_rows
from marketsync_dagster.ledger.tables import product
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster.values.redact import scrub
from marketsync_dagster.values.times import to_iso, utcnow


@dataclass(frozen=True, slots=True)
class OfferedProduct:
    """One product as it was last offered: the fingerprint of what was said, and the answer."""

    sku: str
    fingerprint: str
    outcome: Outcome
    message: str = ""


def record_offered(
    ledger: Ledger, outlet: str, platform: str, rows: Sequence[OfferedProduct]
) -> None:
    """Remember what became of the products offered; the last row of a SKU counts."""
    with ledger.begin() as conn:
        write_offered(conn, outlet, platform, rows)


def write_offered(
    conn: Connection,
    outlet: str,
    platform: str,
    rows: Sequence[OfferedProduct],
    at: str | None = None,
) -> None:
    """`record_offered` within the caller's transaction. `at`: when, if not now; what an import
    offers has the moment at which that was started (`revise_offered`)."""
    at = at or to_iso(utcnow())
    newest = {
        row.sku: {
            "outlet": outlet,
            "platform": platform,
            "sku": row.sku,
            "fingerprint": row.fingerprint,
            "outcome": row.outcome.value,
            "message": scrub(row.message),
            "at": at,
        }
        for row in rows
    }
    upsert(conn, product, list(newest.values()))


_REVISE = """
UPDATE product SET outcome = answer.column2, message = answer.column3, at = ?
FROM ({answers}) AS answer
WHERE product.outlet = ? AND product.platform = ? AND product.sku = answer.column1
    AND product.outcome = ? AND product.at <= ?
"""


def revise_offered(
    conn: Connection,
    outlet: str,
    platform: str,
    answers: Sequence[tuple[str, str, str]],
    *,
    started_at: str,
    at: str,
) -> None:
    """Note what became of products (SKU, outcome, message) that an import offered which was started
    at `started_at`; not of those that were offered again since."""
    mark = "?" if conn.dialect.name == "sqlite" else "%s"
    for first in range(0, len(answers), ROWS_AT_ONCE):
        part = [
            (sku, outcome, scrub(words))
            for sku, outcome, words in answers[first : first + ROWS_AT_ONCE]
        ]
        given = value_rows(conn, len(part), 3)
        conn.exec_driver_sql(
            _REVISE.replace("?", mark).replace("{answers}", given),
            (
                *(at, *chain.from_iterable(part)),
                *(outlet, platform, Outcome.ACCEPTED_ASYNC.value, started_at),
            ),
        )


def offered_fingerprints(
    ledger: Ledger, outlet: str, platform: str, skus: Sequence[str] | None = None
) -> dict[str, str]:
    """SKU -> the fingerprint of what was last offered of it; of all, or of those of `skus`."""
    c = product.c
    columns = [c.sku, c.fingerprint]
    if ledger.dialect == "sqlite":
        # whole columns out of the database: a third of the time that rows take
        columns = [func.json_group_array(column) for column in columns]
    query = select(*columns).where(c.outlet == outlet, c.platform == platform)
    if skus is not None:
        query = query.where(is_one_of(ledger.dialect, c.sku, skus))
    with ledger.read() as conn:
        rows = conn.execute(query).fetchall()
    if ledger.dialect == "sqlite":
        names, fingerprints = (orjson.loads(column) for column in rows[0])
        return dict(zip(names, fingerprints, strict=True))
    return {row.sku: row.fingerprint for row in rows}


def offered_products(ledger: Ledger, outlet: str, platform: str) -> dict[str, OfferedProduct]:
    """SKU -> how it was last offered to `platform` for `outlet`."""
    table = product
    query = select(table).where(table.c.outlet == outlet, table.c.platform == platform)
    with ledger.read() as conn:
        return {
            row.sku: OfferedProduct(row.sku, row.fingerprint, Outcome(row.outcome), row.message)
            for row in conn.execute(query)
        }
