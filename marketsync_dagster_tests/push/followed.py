"""A platform that tells by a script how imports stand, and following them through to their end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

from marketsync_dagster.config.accounts import Quota, Retry
from marketsync_dagster.ledger import pushes
from marketsync_dagster.ledger import tables as t
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.platforms.base import (
    Adapter,
    Call,
    Capabilities,
    ImportKind,
    ImportStatus,
    ReportAnswer,
    StatusAnswer,
)
from marketsync_dagster.push.imports import Followed, follow
from marketsync_dagster.push.journal import Journal
from marketsync_dagster.push.pacing import Pacer, Stop
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster.values.times import to_iso, utcnow
from marketsync_dagster_tests.ledger.started import (
    ACCOUNT,
    rows_in,
)

OK = Call("GET", "/imports", 200, 1)
TWO = {"west": ["a", "b", "c"], "east": ["b", "d"]}
RETRY = {"attempts": 2, "base_s": 0, "cap_s": 0}


def status(state: Any, import_id: str = "2044", **said: Any) -> ImportStatus:
    """How an import stands; if it is complete with counts that are right for `TWO`."""
    if state == "complete":
        said = {"lines_in_success": 5 - said.get("lines_in_error", 0), **said}
    return ImportStatus(import_id, state, said.pop("raw", str(state).upper()), **said)


def broken(code: int, outcome: Outcome, words: str = "it is down", **said: Any) -> StatusAnswer:
    return StatusAnswer(Call("GET", "/imports", code, 1), outcome=outcome, message=words, **said)


def unread(code: int, outcome: Outcome, words: str = "no report yet", **said: Any) -> ReportAnswer:
    return ReportAnswer(Call("GET", "/report", code, 1), outcome=outcome, message=words, **said)


WAITS, RUNS, DONE = status("waiting"), status("running"), status("complete")
ERRORS = status("complete", lines_in_error=2, has_report=True)
REPORT = ReportAnswer(OK, {1: "no such product", 4: "price is 0"})
DOWN = broken(503, Outcome.RETRYABLE)
GONE = StatusAnswer(OK)


@dataclass
class Platform:
    """Tells by a script how imports stand, the last word again and again."""

    script: list[ImportStatus | StatusAnswer]
    reports: list[ReportAnswer] = field(default_factory=lambda: [REPORT])
    by_id: dict[str, list[ImportStatus]] = field(default_factory=dict)
    one_at_a_time: bool = False
    said: dict[str, Any] = field(default_factory=dict)
    calls: list[tuple[str, str, tuple[str, ...]]] = field(default_factory=list)
    at: list[float] = field(default_factory=list)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(**{"async_import": True, "import_deadline_s": 7200.0, **self.said})

    async def import_status(
        self, kind: ImportKind, import_ids: Sequence[str], since: str
    ) -> StatusAnswer:
        self.calls.append(("status", kind.value, tuple(import_ids)))
        self.at.append(time.monotonic())
        if self.by_id:
            asked = import_ids[:1] if self.one_at_a_time else import_ids
            return StatusAnswer(OK, tuple(_next(self.by_id[each]) for each in asked))
        said = _next(self.script)
        return said if isinstance(said, StatusAnswer) else StatusAnswer(OK, (said,))

    async def import_report(
        self, kind: ImportKind, import_id: str, platform_skus: Sequence[str]
    ) -> ReportAnswer:
        self.calls.append(("report", kind.value, tuple(platform_skus)))
        return _next(self.reports)


def _next(script: list[Any]) -> Any:
    return script.pop(0) if len(script) > 1 else script[0]


def followed(
    ledger: Ledger,
    platform: Platform,
    wait_s: float = 5.0,
    *,
    stop: Stop | None = None,
    observe: Callable[[str], None] = lambda _: None,
) -> Followed:
    async def main() -> Followed:
        over = stop or Stop()
        intervals = platform.capabilities.intervals
        pacer = Pacer(ledger, ACCOUNT, Quota(per_minute=None), over, intervals)
        with Journal(ledger) as journal:
            return await follow(
                *(ledger, ACCOUNT, cast("Adapter", platform), pacer, journal, over),
                Retry.model_validate(RETRY),
                wait_s=wait_s,
                observe=observe,
            )

    return asyncio.run(main())


def ago(seconds: float) -> str:
    return to_iso(utcnow() - timedelta(seconds=seconds))


def counts(ledger: Ledger, push_id: str) -> dict[str, Any]:
    """What a push says that it came to, checked against its batches."""
    (push,) = rows_in(ledger, t.push, id=push_id)
    said = {o.value: push[o.value] for o in Outcome if push[o.value]}
    with ledger.read() as connection:
        assert pushes.outcomes_of(connection, push_id) == said
    assert sum(said.values()) == push["item_count"]
    return {**said, "status": push["status"]}
