"""One source of orders, told what is due, under its lease: shared by `stages.order_book` and
`stages.order_updates`."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from sqlalchemy import select

from marketsync_dagster.ledger.order_commands import next_due
from marketsync_dagster.ledger.order_tables import order_line, orders
from marketsync_dagster.orders.points import Observer, unobserved
from marketsync_dagster.orders.telling import Told, tell_source
from marketsync_dagster.platforms.registry import open_order_source
from marketsync_dagster.push.pacing import Pacer
from marketsync_dagster.stages import project as driver
from marketsync_dagster.stages.holding import Held, Holding
from marketsync_dagster.stages.project import Project
from marketsync_dagster.values.errors import Busy
from marketsync_dagster.values.order_states import CommandKind
from marketsync_dagster.values.redact import scrub
from marketsync_dagster.values.times import is_due, utcnow
from marketsync_dagster.values.words import counted


@dataclass(slots=True)
class SourceTurn:
    """What one stage came to with one account or shop."""

    source: str
    numbers: Counter[str] = field(default_factory=Counter)
    ok: bool = True
    state: str = "unchanged"
    reason: str = ""
    next_step: str = ""

    def fail(self, stage: str, error: BaseException) -> None:
        """The result after `error`; the figures so far stay."""
        bad = driver.failure(stage, self.source, error)
        self.ok, self.state, self.next_step = False, bad.state, bad.next_step
        self.reason = f"{self.source}: {bad.reason}"


def lease_of(source: str) -> str:
    """The lease of who tells a source."""
    return f"tell {source}"


def by_run(project: Project) -> str:
    """Who does it, for the history of an order."""
    return f"run {project.run_id}"


def tell_due(
    project: Project,
    turn: SourceTurn,
    *,
    kinds: Collection[CommandKind] = frozenset(CommandKind),
    limit: int | None = None,
    observe: Observer = unobserved,
    settle_s: float | None = None,
) -> None:
    """Tell a source what is due; with nothing to say no call is made and no secret is read.

    `turn` has what it came to; it raises what opening the source raises.
    """
    with project.ledger.read() as conn:
        due = next_due(conn, turn.source)
    if due is None or not is_due(due, utcnow()):
        return
    told = asyncio.run(_tell(project, turn, kinds, limit, observe, settle_s))
    if told is None:
        return
    turn.numbers.update(told.numbers)
    if told.numbers["told"] or told.numbers["refused"] or told.numbers["unsupported"]:
        turn.state = "done"
    if told.stopped:
        turn.state, turn.reason = "waiting", scrub(f"{turn.source}: {told.stopped}")
        turn.next_step = told.next_step or "nothing: it goes on with the next run"
    if told.failed:
        turn.ok, turn.state = False, "failed"
    _name_refusals(turn)


def _name_refusals(turn: SourceTurn) -> None:
    """Say what the source refused, and that people are asked."""
    figures = turn.numbers
    said = {
        "refused": f"{counted(figures['refused'], 'thing')} refused",
        "tasks": counted(figures["tasks"], "new question"),
    }
    words = [text for name, text in said.items() if figures[name]]
    if words:
        named = f"{turn.source}: {', '.join(words)}"
        turn.reason = f"{turn.reason}; {named}" if turn.reason else named
        turn.next_step = turn.next_step if not turn.ok else "marketsync orders tasks"


async def _tell(
    project: Project,
    turn: SourceTurn,
    kinds: Collection[CommandKind],
    limit: int | None,
    observe: Observer,
    settle_s: float | None,
) -> Told | None:
    settings, source = project.settings, turn.source
    holding = Holding(project, settings.order_platform(source))
    with holding.signals():
        try:
            async with holding.lease(lease_of(source), settings.lease_wait_s) as held:
                opened = await asyncio.to_thread(
                    open_order_source, settings, source, secrets=project.secrets
                )
                async with opened:
                    return await tell_source(
                        project.ledger,
                        source,
                        opened,
                        by=by_run(project),
                        kinds=kinds,
                        limit=limit,
                        pacer=_pacer(project, source, held),
                        stop=held.stop,
                        holds=held.holds,
                        settle_s=settle_s,
                        observe=observe,
                    )
        except Busy as busy:
            turn.state, turn.reason, turn.next_step = "busy", busy.message, busy.next_step
            return None


def _pacer(project: Project, source: str, held: Held) -> Pacer | None:
    account = project.settings.accounts.get(source)
    if account is None or source in project.settings.shops:
        return None
    patience_s = account.retry.budget_s
    return Pacer(project.ledger, source, account.quota, held.stop, patience_s=patience_s)


def outlets_of(project: Project, source: str, chosen: Sequence[str]) -> list[str]:
    """The outlets of a source's orders that have not ended, of those that were chosen; all of
    these if there is none."""
    query = (
        select(order_line.c.outlet)
        .distinct()
        .join(orders, orders.c.id == order_line.c.order_id)
        .where(orders.c.account == source, orders.c.ended_at.is_(None))
    )
    with project.ledger.read() as conn:
        there = set(conn.execute(query).scalars())
    return [outlet for outlet in chosen if outlet in there] or list(chosen)
