"""Feeds and listings as planner and guard take them; what a test does not say is filled in."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd

from marketsync_dagster.catalog.schemas import FEED, conform
from marketsync_dagster.config.channels import GuardSettings
from marketsync_dagster.ledger.listings import LISTING_COLUMNS
from marketsync_dagster.push.kinds import Imports
from marketsync_dagster.push.plan import Base, Plan, PlanOptions, make_plan

TARGET = "pasons|127.0.0.1/pasons/017|"
NOW = "2026-11-21T06:00:00.000Z"
EARLIER = "2026-11-20T06:00:00.000Z"
LATER = "2026-11-22T06:00:00.000Z"
_TEXT = ("sku", "platform_id", "target", "currency", "stock_status", "outcome", "ack_currency",
         "ack_stock_status", "extract_time")  # fmt: skip


def feed_of(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """A FEED; each row needs `sku`."""
    full = [
        {
            "platform_id": f"p-{row['sku']}",
            "name": f"Product {row['sku']}",
            "price_minor": 1000,
            "pos_price_minor": 1000,
            "currency": "KES",
            "stock_status": "in_stock",
            "quantity": 5,
            "rule": "as it is",
            "matched_by": "identity",
            "line": number,
            "extract_id": "westlands-1",
            **row,
        }
        for number, row in enumerate(rows, start=2)
    ]
    return conform(FEED, pd.DataFrame(full, columns=None if full else list(FEED.columns)))


def listings_of(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """What `load_listings` gives; what is not said was applied as `feed_of` has it."""
    full = []
    for row in rows:
        sent = {"price_minor": 1000, "currency": "KES", "stock_status": "in_stock", "quantity": 5}
        sent |= {name: row[name] for name in sent if name in row}
        full.append(
            {
                "platform_id": f"p-{row['sku']}",
                "target": TARGET,
                "outcome": "applied",
                "extract_time": EARLIER,
                "version": 1,
                **sent,
                **{f"ack_{name}": value for name, value in sent.items()},
                **row,
            }
        )
    frame = pd.DataFrame.from_records(full, columns=LISTING_COLUMNS)
    types = {name: "str" if name in _TEXT else "Int64" for name in LISTING_COLUMNS}
    return frame.astype(types)


def base_of(**changes: Any) -> Base:
    """A base of one outlet on Pasons."""
    said: dict[str, Any] = {
        "outlet": "westlands",
        "platform": "pasons",
        "account": "pasons_westlands",
        "target": TARGET,
        "extract_id": "westlands-1",
        "extract_time": NOW,
        "accepted_rows": 100,
        "pushed_rows": 100,
    }
    return Base(**said | changes)


def plan_of(
    feed: Sequence[Mapping[str, Any]],
    listings: Sequence[Mapping[str, Any]] = (),
    *,
    unmapped: int = 0,
    guard: Mapping[str, Any] | None = None,
    base: Mapping[str, Any] | None = None,
    allow_older: bool = False,
    compare_quantity: bool = False,
    told_last: Mapping[str, str] | None = None,
    doubtful: Collection[str] = (),
    imports: Imports | None = None,
    **options: Any,
) -> Plan:
    """The plan of a feed against listings; a partial one unless `mode` is said."""
    asked: dict[str, Any] = {"mode": "partial", **options}
    return make_plan(
        feed_of(feed),
        listings_of(listings),
        base=base_of(**(base or {})),
        options=PlanOptions(**asked),
        guard=GuardSettings.model_validate({"initial": "auto", **(guard or {})}),
        catalog_rows=len(feed) + unmapped,
        allow_older=allow_older,
        compare_quantity=compare_quantity,
        imports=imports,
        told_last=lambda: told_last or {},
        doubtful=lambda: doubtful,
    )


def skus(plan: Plan) -> list[str]:
    """What would be sent, in order."""
    return plan.to_send["sku"].tolist()


def many(count: int, **said: Any) -> list[dict[str, Any]]:
    """`count` rows with the same values and numbered SKUs."""
    return [{"sku": f"{n:04}", **said} for n in range(count)]
