"""Reading from Qikink: tried again like every read, and what it came to for those who look for
forwards."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, TypeVar

from marketsync_dagster.platforms.answers import Readable
from marketsync_dagster.platforms.base import Answer, Call, Pace, PlatformError
from marketsync_dagster.platforms.fulfilling import Found, Standing
from marketsync_dagster.platforms.qikink.session import Said, Session
from marketsync_dagster.platforms.qikink.words import BUSY_WAIT_S, fault_of
from marketsync_dagster.platforms.reading import Tries, read
from marketsync_dagster.values.times import to_iso

T = TypeVar("T")


@dataclass(slots=True)
class Reading:
    """One look at a destination, of however many calls."""

    session: Session
    pace: Pace | None
    tries: Tries = field(init=False)
    standings: list[Standing] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tries = Tries.of(self.session.access.retry, self.pace)

    async def get(
        self,
        path: str,
        params: dict[str, str] | None,
        content: Callable[[Answer | Readable], T | None],
        *,
        what: str,
    ) -> T:
        """What `content` finds in the answer of one GET; PlatformError where it cannot be had."""

        async def fetch() -> Answer | Readable:
            said: Said = await self.session.exchange("GET", path, params=params, pace=self.pace)
            self.tries.calls.extend(said.before)
            answer = said.answer
            if isinstance(answer, Readable) and content(answer) is None:
                return _refused(answer)
            return answer

        return await read(
            self.tries,
            fetch,
            content,
            what=what,
            otherwise="the answer is not what was asked for; is base_url right?",
        )

    async def found(self, work: Callable[[Reading], Awaitable[None]]) -> Found:
        """What `work` has put into `standings`, and why it did not come to its end if so."""
        calls: list[Call] = []
        try:
            await work(self)
        except PlatformError as error:
            calls = [*self.tries.calls, *(one for one in error.calls if not self._has(one))]
            return Found(
                tuple(calls),
                tuple(self.standings),
                error.outcome,
                error.message,
                error.retry_after_s,
            )
        return Found(self.tries.take_calls(), tuple(self.standings))

    def _has(self, call: Call) -> bool:
        return any(call is one for one in self.tries.calls)


def _refused(answer: Readable) -> Answer | Readable:
    """An answer that is not what was asked for, and says why; as it is if it does not."""
    fault = fault_of(answer.document)
    if fault is None:
        return answer
    return Answer(
        answer.call,
        outcome=fault.outcome,
        message=answer.clean(fault.words),
        retry_after_s=BUSY_WAIT_S if fault.status == 429 else None,
    )


def listed(document: Any) -> list[dict[str, Any]] | None:
    """The objects of a list, or the only one, if it came alone; None for anything else."""
    if isinstance(document, dict):
        return [document] if document else []
    if not isinstance(document, list):
        return None
    return [one for one in document if isinstance(one, dict)]


def moment_of(text: str) -> str:
    """A time as `values.times` writes it; empty where it cannot be read. One without a zone is
    taken for UTC."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return ""
    return to_iso(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def day_of(text: str) -> str:
    """A day, or a moment, as ISO text; empty where it is neither."""
    try:
        return date.fromisoformat(text.strip()).isoformat()
    except ValueError:
        return moment_of(text)


def numbered(known: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The destination's id -> our number, of those that have one."""
    return {external_id: number for number, external_id in known if external_id}
