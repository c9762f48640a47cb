"""One HTTP attempt as the ledger keeps it: every call of every kind is a row of `api_call`."""

from __future__ import annotations

from marketsync_dagster.ledger.calls import CallRow
from marketsync_dagster.platforms.base import Call
from marketsync_dagster.values.times import to_iso, utcnow


def call_row(
    account: str,
    call: Call,
    *,
    attempt: int = 1,
    push_id: str | None = None,
    batch: int | None = None,
) -> CallRow:
    """The row of a `call` that has just ended."""
    return CallRow(
        at=to_iso(utcnow()),
        account=account,
        method=call.method,
        path=call.path,
        status=call.status,
        milliseconds=call.milliseconds,
        attempt=attempt,
        request_id=call.request_id,
        push_id=push_id,
        batch=batch,
        error=call.error,
    )
