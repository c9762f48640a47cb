"""The last connection test of each account."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sqlalchemy import select

from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.sql import upsert
from marketsync_dagster.ledger.tables import connection_test
from marketsync_dagster.values.redact import scrub
from marketsync_dagster.values.times import to_iso, utcnow


@dataclass(frozen=True, slots=True)
class ConnectionTest:
    """What the last test of an account found; `key` is masked, `at` is filled when recorded."""

    account: str
    ok: bool
    message: str
    next_step: str = ""
    key: str = ""
    environment: str = ""
    milliseconds: int = 0
    at: str = ""


def record_test(ledger: Ledger, test: ConnectionTest) -> ConnectionTest:
    """Keep `test` as the account's last one; returns it as it was kept, with its time."""
    row = asdict(test)
    row["at"] = test.at or to_iso(utcnow())
    for name in ("message", "next_step", "key"):
        row[name] = scrub(row[name])
    with ledger.begin() as conn:
        upsert(conn, connection_test, [row])
    return ConnectionTest(**row)


def last_tests(ledger: Ledger) -> dict[str, ConnectionTest]:
    """Account -> its last connection test, in the order of their names."""
    query = select(connection_test).order_by(connection_test.c.account)
    with ledger.read() as conn:
        rows = conn.execute(query).mappings().all()
    return {row["account"]: ConnectionTest(**row) for row in rows}
