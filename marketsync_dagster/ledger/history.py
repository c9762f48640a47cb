"""The last pushes, as people and the asset page see them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, select

from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.imports import open_imports_of
from marketsync_dagster.ledger.pushes import WAITING
from marketsync_dagster.ledger.tables import push, push_batch
from marketsync_dagster.values.outcomes import ACKNOWLEDGED, Outcome

KEYS = (
    "push_id platform outlet push_type push_timestamp item_count status response_code "
    "response_message error_details created_by"
).split()


def last_pushes(
    ledger: Ledger, limit: int = 10, outlet: str | None = None, platform: str | None = None
) -> list[dict[str, Any]]:
    """The latest `limit` pushes, newest first, each with exactly the keys in `KEYS`.

    `push_timestamp` is the UTC time at which the push began. `status` is success, failed or
    partial (contract section 10.2); of a push that has not ended it is what its answers so far
    amount to, and `error_details` says that it has not.
    """
    query = select(push).order_by(push.c.started_at.desc(), push.c.id.desc()).limit(limit)
    if outlet is not None:
        query = query.where(push.c.outlet == outlet)
    if platform is not None:
        query = query.where(push.c.platform == platform)
    with ledger.read() as conn:
        rows = conn.execute(query).mappings().all()
        waiting = open_imports_of(conn, [row["id"] for row in rows])
        return [_entry(conn, row, waiting.get(row["id"], [])) for row in rows]


def derive_status(acknowledged: int, items: int) -> str:
    """All acknowledged: success; none: failed; else partial (contract section 10.2)."""
    if acknowledged >= items:
        return "success"
    return "partial" if acknowledged else "failed"


def _entry(conn: Connection, row: RowMapping, waiting: Sequence[str]) -> dict[str, Any]:
    status, details = row["status"], row["error_details"]
    words = row["response_message"]
    if waiting:
        more = f" (and {len(waiting) - 1} more)" if len(waiting) > 1 else ""
        standing = f"with the platform: {waiting[0]}{more}"
        words = standing if not words or words.endswith(WAITING) else f"{words}; {standing}"
    if status is None:
        status = derive_status(_acknowledged(conn, row["id"]), row["item_count"])
        standing = "still running" if row["state"] == "open" else "interrupted before its end"
        details = f"{standing}; {details}" if details else standing
    return {
        "push_id": row["id"],
        "platform": row["platform"],
        "outlet": row["outlet"],
        "push_type": row["push_type"],
        "push_timestamp": row["started_at"],
        "item_count": row["item_count"],
        "status": status,
        "response_code": row["response_code"],
        "response_message": words,
        "error_details": details,
        "created_by": row["created_by"],
    }


def _acknowledged(conn: Connection, push_id: str) -> int:
    """How many items of the push are acknowledged by the answers journalled so far, or with the
    platform."""
    outcomes: Counter[str] = Counter()
    query = select(push_batch.c.outcomes).where(push_batch.c.push_id == push_id)
    for text in conn.execute(query).scalars():
        outcomes.update(json.loads(text))
    return sum(outcomes[outcome.value] for outcome in (*ACKNOWLEDGED, Outcome.ACCEPTED_ASYNC))
