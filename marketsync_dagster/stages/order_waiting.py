"""Which orders need people now: held too long, near a deadline or past it, not where they are
fulfilled, in a state that nobody knows; and the table of what waits at an outlet.

Looked at by the checks, the alerts and `doctor`. Orders are named by their numbers; nothing
personal is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, or_, select

from marketsync_dagster.config.orders import POS
from marketsync_dagster.ledger import order_watch
from marketsync_dagster.ledger.open_orders import deadlines
from marketsync_dagster.ledger.order_holds import holds_of
from marketsync_dagster.ledger.order_tables import order_hold, order_line, order_task, orders
from marketsync_dagster.ledger.order_tasks import open_tasks
from marketsync_dagster.values.times import from_iso, to_iso
from marketsync_dagster.values.words import counted

if TYPE_CHECKING:
    from marketsync_dagster.config.settings import Settings
    from marketsync_dagster.ledger.order_watch import Unsent
    from marketsync_dagster.stages.project import Project

_NAMED = 5


@dataclass(frozen=True, slots=True)
class Sight:
    """One order that needs people."""

    order_id: str
    number: str
    source: str
    outlet: str
    """Of all its lines; empty: not known, or several."""
    what: str
    since: str
    """ISO; of a deadline: the deadline."""
    next_step: str
    over: bool = True
    """False: it is near, and there is still time."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for people now, of some outlets and of orders without one."""

    held: tuple[str, ...] = ()
    """`WEB-000001 (route)`, the longest held first."""
    questions: int = 0

    @property
    def words(self) -> str:
        """A sentence; empty: nothing waits."""
        named = ", ".join(self.held[:_NAMED])
        more = f" and {len(self.held) - _NAMED} more" if len(self.held) > _NAMED else ""
        parts = [f"held: {named}{more}"] if self.held else []
        parts += [f"{counted(self.questions, 'question')} to be answered"] * bool(self.questions)
        return "; ".join(parts)

    @property
    def next_step(self) -> str:
        """The commands that show it."""
        shown = ["marketsync orders list --held"] if self.held else []
        return ", ".join([*shown, *["marketsync orders tasks"] * bool(self.questions)])


def waiting_now(project: Project, outlets: Sequence[str]) -> Waiting:
    """All that waits for people at these outlets; what has no outlet, or not yet, is anybody's."""
    here = (*outlets, "")
    lines = select(order_line.c.order_id).where(order_line.c.outlet.in_(here))
    held = (
        select(orders.c.id, orders.c.number, order_hold.c.kind)
        .join(order_hold, order_hold.c.order_id == orders.c.id)
        .where(orders.c.id.in_(lines))
        .order_by(order_hold.c.since, orders.c.id, order_hold.c.kind)
    )
    asked = select(func.count()).where(
        order_task.c.state == "open",
        or_(order_task.c.order_id == "", order_task.c.order_id.in_(lines)),
    )
    with project.ledger.read() as conn:
        numbers: dict[str, str] = {}
        kinds: dict[str, list[str]] = {}
        for order_id, number, kind in conn.execute(held):
            numbers[order_id] = number
            kinds.setdefault(order_id, []).append(kind)
        questions = int(conn.execute(asked).scalar_one())
    return Waiting(
        tuple(f"{numbers[one]} ({', '.join(each)})" for one, each in kinds.items()), questions
    )


def held_too_long(project: Project, now: datetime) -> list[Sight]:
    """Orders that wait for people longer than their source allows (`held_hours`)."""
    found = []
    with project.ledger.read() as conn:
        for source, said in project.settings.order_sources().items():
            before = to_iso(now - timedelta(hours=float(said.held_hours)))
            found += [
                Sight(
                    *(one.order_id, one.number, one.source, one.outlet),
                    f"{one.kind}: {one.reason}",
                    one.since,
                    one.next_step or _show(one.order_id),
                )
                for one in order_watch.held_orders(conn, source, before)
            ]
    return sorted(found, key=lambda one: (one.since, one.order_id))


def deadlines_near(project: Project, now: datetime) -> list[Sight]:
    """Orders that have to be accepted, or to leave, within `warn_minutes` or had to before."""
    found = []
    with project.ledger.read() as conn:
        for source, said in project.settings.order_sources().items():
            until = to_iso(now + timedelta(minutes=said.warn_minutes))
            for one in deadlines(conn, source, until):
                over = from_iso(one.at) <= now
                verb = "accepted" if one.kind == "accept" else "shipped"
                when = "had to be" if over else "has to be"
                found.append(
                    Sight(
                        *(one.order_id, one.number, one.source, one.outlet),
                        f"{when} {verb} by {one.at}"
                        + (
                            f", and {one.source} does not know that it has left" if one.left else ""
                        ),
                        one.at,
                        _show(one.order_id) if one.left else _decide(one.order_id, one.kind),
                        over,
                    )
                )
    return sorted(found, key=lambda one: (one.since, one.order_id))


def not_forwarded(project: Project, now: datetime) -> list[Sight]:
    """Orders that are to be fulfilled and are not where that is done for longer than it takes,
    drops that a till has not answered in time, what is at its destination for too long, and orders
    of sources that are not configured any more."""
    settings = project.settings
    sources = settings.order_sources()
    found = []
    with project.ledger.read() as conn:
        for source, said in sources.items():
            before = to_iso(now - timedelta(hours=said.forward_hours))
            found += order_watch.unsent_forwards(conn, source, before)
            if settings.routes:  # else nobody is asked to forward: people ship
                found += order_watch.not_routed(conn, source, before)
        for outlet, one in settings.outlets.items():
            if one.orders is not None and (one.orders.answers or one.orders.takes_away):
                silent = timedelta(hours=float(one.orders.acknowledge_hours))
                found += order_watch.silent_forwards(conn, outlet, to_iso(now - silent))
        sights = [_unsent(one) for one in found]
        for source, said in sources.items():
            late = to_iso(now - timedelta(hours=float(said.leave_hours)))
            sights += [_still_there(one) for one in order_watch.still_there(conn, source, late)]
        lost = order_watch.unfinished_elsewhere(conn, sources)
    sights += [
        _sight(
            one,
            f"{one.source}, which it came from, is not configured any more: nobody hears of it",
            f"configure {one.source} again, or {_show(one.order_id)}",
        )
        for one in lost
    ]
    return sorted(sights, key=lambda one: (one.since, one.order_id))


def _sight(one: Unsent, what: str, next_step: str) -> Sight:
    return Sight(one.order_id, one.number, one.source, one.outlet, what, one.since, next_step)


def _still_there(one: Unsent) -> Sight:
    words = f"{_there(one)} has it since {one.since}, and it has not left"
    return _sight(one, words, f"ask there; {_show(one.order_id)}")


def _there(one: Unsent) -> str:
    return f"pos/{one.outlet}" if one.destination == POS else one.destination


def _unsent(one: Unsent) -> Sight:
    there = _there(one)
    words = f"it is not at {there} ({one.state})" if there else "it is on its way to nowhere"
    if one.state == "sent":
        words = f"{there} has not answered"
    words += f": {one.message}" if one.message else ""
    step = "marketsync run fulfil_orders" + (f" --outlet {one.outlet}" if one.outlet else "")
    if one.state == "unknown":
        step = "marketsync orders tasks"
    return _sight(one, words, step)


def unknown_states(project: Project) -> list[Sight]:
    """Open orders whose source says something that nobody knows."""
    with project.ledger.read() as conn:
        found = order_watch.unknown_words(conn)
    return [
        Sight(
            *(one.order_id, one.number, one.source, one.outlet),
            f"{one.source} calls it {one.word[:60]!r}, which nobody knows here",
            one.since,
            _show(one.order_id),
        )
        for one in found
    ]


def waiting_orders(project: Project, outlet: str, most: int) -> list[dict[str, Any]]:
    """The orders of an outlet that wait for people, the oldest first: number, source, state,
    waits_for, since, deadline, next_step."""
    settings = project.settings
    sources = [name for name in settings.order_sources() if outlet in outlets_of(settings, name)]
    with project.ledger.read() as conn:
        found = order_watch.waiting_for_people(conn, outlet, sources, most)
        holds = holds_of(conn, [one.order_id for one in found])
    tasks = open_tasks(project.ledger) if found else []
    rows = []
    for one in found:
        why = [
            (f"{hold.kind}: {hold.reason}", hold.since, hold.next_step)
            for hold in holds
            if hold.order_id == one.order_id
        ]
        why += [
            (task.question, task.at, next(iter(task.commands), ""))
            for task in tasks
            if task.order_id == one.order_id
        ]
        steps = [step for _, _, step in why if step]
        rows.append(
            {
                "number": one.number,
                "source": one.source,
                "state": one.state,
                "waits_for": "; ".join(words for words, _, _ in why),
                "since": min((since for _, since, _ in why), default=""),
                "deadline": one.deadline,
                "next_step": next(iter(steps), _show(one.order_id)),
            }
        )
    return rows


def outlets_of(settings: Settings, source: str) -> list[str]:
    """The outlets that an account or shop may bring orders for, in the order of the
    configuration."""
    if source in settings.shops:
        own = settings.shops[source].outlet
        return list(settings.outlets) if own is None else [own]
    listed = {channel.outlet for channel in settings.channels if channel.account == source}
    return [outlet for outlet in settings.outlets if outlet in listed]


def named(sights: Sequence[Sight], most: int = 5) -> str:
    """The first ones for a sentence: `WEB-000001 (unmapped: ...), 1 more`."""
    words = ", ".join(f"{one.number} ({one.what})" for one in sights[:most])
    return words + (f" and {len(sights) - most} more" if len(sights) > most else "")


def _show(order_id: str) -> str:
    return f"marketsync orders show {order_id}"


def _decide(order_id: str, kind: str) -> str:
    verb = "accept" if kind == "accept" else "ship"
    return f'marketsync orders {verb} {order_id} --by NAME --reason "..."'
