"""The stage `orders/order_book`: lines are mapped, orders decided on by rule, and their sources
told of it; what stands in the book is counted by outlet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta

import pandas as pd
from sqlalchemy import Connection, func, select

from marketsync_dagster.config.orders import POS
from marketsync_dagster.ledger.extracts import latest_accepted
from marketsync_dagster.ledger.open_orders import OpenLine, deadlines, left_lines, open_lines
from marketsync_dagster.ledger.order_tables import order_hold, order_line, order_task, orders
from marketsync_dagster.ledger.orders import BookLine, BookOrder
from marketsync_dagster.orders import book
from marketsync_dagster.orders.deciding import Decided, Shelf, decide, hold_unserved
from marketsync_dagster.orders.points import Observer, unobserved
from marketsync_dagster.orders.routing import destination_of
from marketsync_dagster.platforms.registry import fulfil_capabilities_of, order_capabilities_of
from marketsync_dagster.stages import project as driver
from marketsync_dagster.stages.catalog import CATALOG_KEY
from marketsync_dagster.stages.order_pull import resolver_of
from marketsync_dagster.stages.order_telling import SourceTurn, by_run, outlets_of, tell_due
from marketsync_dagster.stages.project import Project, StageResult
from marketsync_dagster.values.order_states import CommandKind, OrderState
from marketsync_dagster.values.times import to_iso, utcnow
from marketsync_dagster.values.words import counted

STAGE = "orders_order_book"
DECISIONS = frozenset({CommandKind.ACCEPT, CommandKind.CANCEL, CommandKind.CANCEL_LINES})
"""What this stage tells sources; `stages.order_updates` tells everything."""
TELL = ("told", "retry", "unknown", "dropped", "calls")


def keep_book(
    project: Project,
    outlets: Sequence[str],
    *,
    limit: int | None = None,
    tell: Callable[[str], None] = lambda _: None,
    observe: Observer = unobserved,
) -> list[StageResult]:
    """Map, decide and tell, source by source; one result for each outlet.

    `limit`: orders of each source that are accepted or refused, and told of, at most. A source that
    fails makes the outlets of its orders bad, and does not stop the others.
    """
    turns: dict[str, SourceTurn] = {}
    decided: dict[str, Decided] = {}
    shelf = Counted(project)
    for source in project.settings.order_sources():
        turn = turns[source] = SourceTurn(source)
        try:
            decided[source] = _decide(project, source, outlets, shelf, limit, observe)
            tell_due(project, turn, kinds=DECISIONS, limit=limit, observe=observe)
        except Exception as error:  # noqa: BLE001 - one bad source must not stop the others
            turn.fail(STAGE, error)
        _say(tell, source, decided.get(source), turn)
    results = _results(project, outlets, turns, decided, utcnow())
    driver.record(project, STAGE, results)
    return results


def _decide(
    project: Project,
    source: str,
    outlets: Sequence[str],
    shelf: Counted,
    limit: int | None,
    observe: Observer,
) -> Decided:
    settings, ledger, by = project.settings, project.ledger, by_run(project)
    said = settings.order_sources()[source]
    with ledger.read() as conn:
        unmapped = book.unmapped_orders(conn, source)
    if unmapped:
        with ledger.begin() as conn:
            at = to_iso(utcnow())
            book.remap(conn, source, unmapped, resolver_of(project), at=at, by=by)
    decided = decide(
        ledger,
        source,
        said,
        order_capabilities_of(settings, source),
        shelf.shelf,
        outlets=outlets,
        limit=limit,
        by=by,
        observe=observe,
    )
    decided.numbers["held"] += hold_unserved(ledger, source, said, outlets=outlets, by=by)
    return decided


def _say(
    tell: Callable[[str], None], source: str, decided: Decided | None, turn: SourceTurn
) -> None:
    numbers = decided.numbers if decided else Counter[str]()
    parts = [f"{numbers[w]} {w}" for w in ("accepted", "refused", "held") if numbers[w]]
    parts += [f"{turn.numbers['told']} told"] if turn.numbers["told"] else []
    if parts:
        tell(f"{source}: {', '.join(parts)}")


def _results(
    project: Project,
    outlets: Sequence[str],
    turns: dict[str, SourceTurn],
    decided: dict[str, Decided],
    now: datetime,
) -> list[StageResult]:
    counts = counts_by_outlet(project, outlets, now)
    where = {source: outlets_of(project, source, outlets) for source in turns}
    results = []
    for outlet in outlets:
        figures: Counter[str] = Counter(counts[outlet])
        mine = [turn for source, turn in turns.items() if outlet in where[source]]
        for name in ("accepted", "refused", "held", "left_out"):
            key = "held_now" if name == "held" else f"decided_{name}"
            key = name if name == "left_out" else key
            figures[key] += sum(
                one.by_outlet.get(outlet, Counter())[name] for one in decided.values()
            )
        for turn in mine:
            if outlet == where[turn.source][0]:  # each call once
                figures.update({name: turn.numbers[name] for name in TELL})
                figures["failed"] += turn.numbers["refused"]
        figures["updated"] = figures["decided_accepted"] + figures["decided_refused"]
        bad = [turn for turn in mine if not turn.ok]
        told_why = bad or [turn for turn in mine if turn.reason]
        state = bad[0].state if bad else "held" if figures["held"] else _state(mine, figures)
        results.append(
            StageResult(
                outlet,
                not bad,
                state,
                "; ".join(filter(None, (*(turn.reason for turn in told_why), _waits(figures)))),
                told_why[0].next_step if told_why else _next_step(figures),
                dict(figures),
            )
        )
    return results


def _state(turns: Sequence[SourceTurn], figures: Counter[str]) -> str:
    if any(turn.state in ("busy", "waiting") for turn in turns):
        return next(turn.state for turn in turns if turn.state in ("busy", "waiting"))
    news = figures["updated"] or figures["held_now"] or figures["told"]
    return "done" if news else "unchanged"


def _waits(figures: Counter[str]) -> str:
    parts = [f"{counted(figures['held'], 'order')} held"] if figures["held"] else []
    if figures["past_deadline"]:
        parts.append(f"{counted(figures['past_deadline'], 'deadline')} passed")
    if figures["tasks"]:
        parts.append(f"{counted(figures['tasks'], 'question')} to be answered")
    return ", ".join(parts)


def _next_step(figures: Counter[str]) -> str:
    if figures["tasks"]:  # what is asked about is often held, too
        return "marketsync orders tasks"
    return "marketsync orders list --held" if figures["held"] else ""


def counts_by_outlet(
    project: Project, outlets: Sequence[str], now: datetime
) -> dict[str, dict[str, int]]:
    """Outlet -> orders by state, held ones, open tasks, deadlines near and passed, and all of
    them. An order with lines of several outlets counts at each."""
    found: dict[str, Counter[str]] = {outlet: Counter() for outlet in outlets}
    lines = select(order_line.c.order_id, order_line.c.outlet).distinct().subquery()
    states = (
        select(lines.c.outlet, orders.c.state, func.count())
        .join(orders, orders.c.id == lines.c.order_id)
        .group_by(lines.c.outlet, orders.c.state)
    )
    held = (
        select(lines.c.outlet, func.count(order_hold.c.order_id.distinct()))
        .join(order_hold, order_hold.c.order_id == lines.c.order_id)
        .group_by(lines.c.outlet)
    )
    tasks = (
        select(lines.c.outlet, func.count(order_task.c.id.distinct()))
        .join(order_task, order_task.c.order_id == lines.c.order_id)
        .where(order_task.c.state == "open")
        .group_by(lines.c.outlet)
    )
    with project.ledger.read() as conn:
        for outlet, state, number in conn.execute(states):
            if outlet in found:
                found[outlet][state] = number
                found[outlet]["total"] += number
        for name, query in (("held", held), ("tasks", tasks)):
            for outlet, number in conn.execute(query):
                if outlet in found:
                    found[outlet][name] = number
        for source, said in project.settings.order_sources().items():
            until = to_iso(now + timedelta(minutes=said.warn_minutes))
            for one in deadlines(conn, source, until):
                what = "past_deadline" if one.at < to_iso(now) else "near_deadline"
                for outlet in found if not one.outlet else [one.outlet]:
                    if outlet in found:
                        found[outlet][what] += 1
    names = (
        *(state.value for state in OrderState), "held", "tasks", "near_deadline", "past_deadline",
        "total",
    )  # fmt: skip
    return {outlet: {name: counter[name] for name in names} for outlet, counter in found.items()}


class Counted:
    """What the tills have counted, and which lines need any of it; read once a run."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._goods: dict[str, dict[str, tuple[int | None, frozenset[str]]]] = {}
        self._counted_at: dict[str, str] = {}
        settings = project.settings
        self._own_goods = {
            name
            for name in settings.destinations()
            if name != POS and fulfil_capabilities_of(settings, name).holds_stock
        }
        tills = {name: one.orders for name, one in settings.outlets.items() if one.orders}
        self._never_say = {
            name for name, till in tills.items() if till.answers is None and not till.takes_away
        }
        """Outlets whose tills do not even show that they have read an order."""
        self.shelf = Shelf(self.quantity, self.needs_stock, self.taken)

    def quantity(self, outlet: str, sku: str) -> int | None:
        """Pieces that the till counted last; None: not known."""
        return self._of(outlet).get(sku, (None, frozenset()))[0]

    def needs_stock(self, order: BookOrder, line: BookLine) -> bool:
        """Whether a line takes its pieces from the outlet: not where a route sends it to a place
        with goods of its own."""
        counted, tags = self._of(line.outlet).get(line.sku, (None, frozenset[str]()))
        to = destination_of(self._project.settings, order, line, tags=tags, stock=counted)
        return to not in self._own_goods

    def taken(
        self, conn: Connection, outlet: str, skus: Collection[str] | None = None
    ) -> list[OpenLine]:
        """What orders have taken of the outlet's goods that its till has not counted out yet:
        pieces that are to leave, and those that have left since it counted."""
        when = self._when(outlet)
        lines = open_lines(conn, outlet, skus)
        if when:
            lines += left_lines(conn, outlet, when, skus)
        return [line for line in lines if self._takes_stock(line, when)]

    def _takes_stock(self, line: OpenLine, when: str) -> bool:
        said = line.acknowledged_at and line.outlet not in self._never_say
        if line.destination == POS and said:
            return line.acknowledged_at > when  # else the till counted it out
        return line.destination not in self._own_goods

    def _when(self, outlet: str) -> str:
        if outlet not in self._counted_at:
            newest = latest_accepted(self._project.ledger, outlet)
            self._counted_at[outlet] = newest.extract_time if newest else ""
        return self._counted_at[outlet]

    def _of(self, outlet: str) -> dict[str, tuple[int | None, frozenset[str]]]:
        if outlet not in self._goods:
            frames, found = self._project.frames, {}
            if outlet and frames.stamp(CATALOG_KEY, outlet) is not None:
                rows = frames.read(CATALOG_KEY, outlet)
                tags = rows["tags"] if "tags" in rows else pd.Series([None] * len(rows))
                for sku, pieces, said in zip(rows["sku"], rows["quantity"], tags, strict=True):
                    number = None if pd.isna(pieces) else int(pieces)
                    words = said.split(",") if isinstance(said, str) else ()
                    found[str(sku)] = (number, frozenset(word.strip() for word in words))
            self._goods[outlet] = found
        return self._goods[outlet]
