"""What product pushes have offered to a platform, so that only changes are offered again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.sql import upsert
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
    at = to_iso(utcnow())
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
    with ledger.begin() as conn:
        upsert(conn, product, list(newest.values()))


def offered_products(ledger: Ledger, outlet: str, platform: str) -> dict[str, OfferedProduct]:
    """SKU -> how it was last offered to `platform` for `outlet`."""
    table = product
    query = select(table).where(table.c.outlet == outlet, table.c.platform == platform)
    with ledger.read() as conn:
        return {
            row.sku: OfferedProduct(row.sku, row.fingerprint, Outcome(row.outcome), row.message)
            for row in conn.execute(query)
        }
