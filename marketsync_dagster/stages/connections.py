"""Connection tests: each account's credentials are proved, and the result is kept with its time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from marketsync_dagster.ledger.calls import record_calls
from marketsync_dagster.ledger.connections import ConnectionTest, record_test
from marketsync_dagster.ledger.cursors import get_cursor, set_cursor
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.tokens import LedgerTokens
from marketsync_dagster.platforms.base import ConnectionResult
from marketsync_dagster.platforms.registry import open_adapter
from marketsync_dagster.push.calls import call_row
from marketsync_dagster.stages.project import Project
from marketsync_dagster.values.errors import MarketSyncError
from marketsync_dagster.values.redact import scrub
from marketsync_dagster.values.times import to_iso, utcnow


def test_connections(project: Project, accounts: Sequence[str]) -> list[dict[str, Any]]:
    """Test each account; one dict per account: account, ok, message, next_step, key (masked),
    environment, milliseconds, at."""
    return [asdict(test) for test, _ in probe_connections(project, accounts)]


def probe_connections(
    project: Project, accounts: Sequence[str]
) -> list[tuple[ConnectionTest, float | None]]:
    """Test each account; its result, and by how many seconds the platform's clock is ahead."""
    return asyncio.run(_test_all(project, accounts))


async def _test_all(
    project: Project, accounts: Sequence[str]
) -> list[tuple[ConnectionTest, float | None]]:
    results = await asyncio.gather(*(_test(project, account) for account in accounts))
    kept = []
    for account, result in zip(accounts, results, strict=True):
        test = await asyncio.to_thread(_keep, project, account, result)
        told = [call.ahead_s for call in result.calls if call.ahead_s is not None]
        kept.append((test, told[-1] if told else None))
    return kept


async def _test(project: Project, account: str) -> ConnectionResult:
    try:
        adapter = open_adapter(
            project.settings,
            account,
            channel=None,
            secrets=project.secrets,
            memory=_Memory(project.ledger),
            tokens=LedgerTokens(project.ledger),
        )
        async with adapter:
            return await adapter.test_connection()
    except MarketSyncError as error:
        return ConnectionResult(False, scrub(error.message), scrub(error.next_step))


@dataclass(frozen=True, slots=True)
class _Memory:
    """What platforms have told that may be asked for rarely, kept in the ledger."""

    ledger: Ledger

    def recall(self, name: str) -> str | None:
        return get_cursor(self.ledger, name)

    def keep(self, name: str, text: str) -> None:
        with self.ledger.begin() as connection:
            set_cursor(connection, name, text)


def _keep(project: Project, account: str, result: ConnectionResult) -> ConnectionTest:
    now = to_iso(utcnow())
    calls = [call_row(account, call) for call in result.calls]
    with project.ledger.begin() as connection:
        record_calls(connection, calls)
    return record_test(
        project.ledger,
        ConnectionTest(
            account=account,
            ok=result.ok,
            message=result.message,
            next_step=result.next_step,
            key=result.key,
            environment=result.environment,
            milliseconds=sum(call.milliseconds for call in result.calls),
            at=now,
        ),
    )
