"""Ids that platforms gave to our products when these were offered to them (products/sync).

The maintained mapping file, and deciding which id counts, belong to `catalog`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select

from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.sql import lock_key, upsert
from marketsync_dagster.ledger.tables import sku_mapping
from marketsync_dagster.values.times import to_iso, utcnow


@dataclass(frozen=True, slots=True)
class SyncedProduct:
    """One product whose id a platform has told; `action` is the platform's word: created, ..."""

    sku: str
    platform_id: str
    barcode: str = ""
    name: str = ""
    action: str = ""


@dataclass(frozen=True, slots=True)
class MappingConflict:
    """`sku` was given the id `platform_id`, which already stands for `held_by`."""

    sku: str
    platform_id: str
    held_by: str


def record_mappings(
    ledger: Ledger, scope: str, rows: Sequence[SyncedProduct]
) -> list[MappingConflict]:
    """Remember the ids in `rows` for the catalog scope; returns those that were not taken.

    An id stands for one SKU and a SKU has one id. An id that another SKU holds, or that comes
    twice in `rows`, stays where it was (or with the first): one bad pair does not lose the rest.
    """
    at = to_iso(utcnow())
    newest = {row.sku: row for row in rows}
    with ledger.begin() as conn:
        lock_key(conn, f"sku_mapping {scope}")
        known = conn.execute(
            select(sku_mapping.c.sku, sku_mapping.c.platform_id).where(sku_mapping.c.scope == scope)
        ).all()
        own: dict[str, str] = {row.sku: row.platform_id for row in known}
        # who keeps an id: SKUs that are not in rows, and those whose id does not change
        holders = {
            platform_id: sku
            for sku, platform_id in known
            if sku not in newest or newest[sku].platform_id == platform_id
        }
        taken: list[SyncedProduct] = []
        conflicts: list[MappingConflict] = []
        for row in newest.values():
            holder = holders.setdefault(row.platform_id, row.sku)
            if holder == row.sku:
                taken.append(row)
            else:
                conflicts.append(MappingConflict(row.sku, row.platform_id, holder))
        # Two SKUs may have exchanged their ids: let go of the old ones before taking the new.
        moving = {row.sku for row in taken if own.get(row.sku) != row.platform_id}
        loose = [sku for sku, old in own.items() if sku in moving or holders.get(old, sku) != sku]
        for start in range(0, len(loose), 500):
            conn.execute(
                delete(sku_mapping).where(
                    sku_mapping.c.scope == scope, sku_mapping.c.sku.in_(loose[start : start + 500])
                )
            )
        upsert(
            conn,
            sku_mapping,
            [
                {
                    "scope": scope,
                    "sku": row.sku,
                    "platform_id": row.platform_id,
                    "barcode": row.barcode,
                    "name": row.name,
                    "action": row.action,
                    "at": at,
                }
                for row in taken
            ],
        )
    return conflicts


def synced_ids(ledger: Ledger, scope: str) -> dict[str, tuple[str, str, str]]:
    """SKU -> (platform id, barcode, name) as last told within the catalog scope."""
    table = sku_mapping
    query = select(table.c.sku, table.c.platform_id, table.c.barcode, table.c.name).where(
        table.c.scope == scope
    )
    with ledger.read() as conn:
        return {row.sku: (row.platform_id, row.barcode, row.name) for row in conn.execute(query)}
