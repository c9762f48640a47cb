"""One row per HTTP attempt, and the counts over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from operator import attrgetter

from sqlalchemy import ColumnElement, Connection, delete, func, select

from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.sql import append
from marketsync_dagster.ledger.tables import api_call
from marketsync_dagster.values.redact import scrub

ERROR_LENGTH = 500
"""How much of an error body is kept (DESIGN section 5), in characters, after redaction."""


@dataclass(frozen=True, slots=True)
class CallRow:
    """One HTTP attempt; `status` None means that no answer came."""

    at: str
    account: str
    method: str
    path: str
    status: int | None
    milliseconds: int
    attempt: int = 1
    request_id: str = ""
    push_id: str | None = None
    batch: int | None = None
    error: str = ""


_NAMES = tuple(each.name for each in fields(CallRow))
_values = attrgetter(*_NAMES)


@dataclass(frozen=True, slots=True)
class CallCounts:
    """How many attempts were made, what came back, and how long they took together."""

    calls: int
    failed: int
    """Attempts without an answer, or with a status of 400 and above."""
    milliseconds: int
    by_status: dict[int | None, int] = field(default_factory=dict)


def record_calls(conn: Connection, rows: Sequence[CallRow]) -> None:
    """Journal attempts within the caller's transaction; path and error are redacted once more."""
    values = [
        _values(replace(row, path=scrub(row.path), error=scrub(row.error)[:ERROR_LENGTH]))
        for row in rows
    ]
    append(conn, api_call.name, _NAMES, values)


def call_counts(
    ledger: Ledger,
    *,
    account: str | None = None,
    push_id: str | None = None,
    since: str | None = None,
) -> CallCounts:
    """Counts over the attempts of an account, of a push, since a time; all of them without."""
    table = api_call
    conditions: list[ColumnElement[bool]] = []
    if account is not None:
        conditions.append(table.c.account == account)
    if push_id is not None:
        conditions.append(table.c.push_id == push_id)
    if since is not None:
        conditions.append(table.c.at >= since)
    query = (
        select(table.c.status, func.count(), func.sum(table.c.milliseconds))
        .where(*conditions)
        .group_by(table.c.status)
    )
    with ledger.read() as conn:
        rows = [(status, int(n), int(ms)) for status, n, ms in conn.execute(query)]
    return CallCounts(
        calls=sum(n for _, n, _ in rows),
        failed=sum(n for status, n, _ in rows if status is None or status >= 400),
        milliseconds=sum(ms for _, _, ms in rows),
        by_status={status: n for status, n, _ in rows},
    )


def forget_calls(ledger: Ledger, before: str) -> int:
    """Delete attempts older than `before` (retention.api_calls_days); returns how many."""
    with ledger.begin() as conn:
        return conn.execute(delete(api_call).where(api_call.c.at < before)).rowcount
