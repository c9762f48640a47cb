"""What the sensor `pending_orders` sees: orders to be decided, sources to be told, destinations to
be given something or asked, files of tills and shops. One look at the ledger, no call.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from marketsync_dagster.automation.order_cores import Job, OrderWork
from marketsync_dagster.config.accounts import QikinkAccount
from marketsync_dagster.ledger.forwards import Forward, forwards_at
from marketsync_dagster.ledger.open_orders import deadlines, to_decide
from marketsync_dagster.ledger.order_commands import unsettled
from marketsync_dagster.ledger.order_holds import holds_of
from marketsync_dagster.ledger.order_watch import not_routed
from marketsync_dagster.ledger.orders import BookOrder, load_orders
from marketsync_dagster.ledger.quota import closures
from marketsync_dagster.orders.gates import Gate, gate
from marketsync_dagster.orders.pos_answers import PATTERNS
from marketsync_dagster.platforms.inbox import Inbox, words_of
from marketsync_dagster.platforms.registry import order_capabilities_of
from marketsync_dagster.stages.order_waiting import outlets_of
from marketsync_dagster.stages.project import fingerprint
from marketsync_dagster.values.order_states import OrderFlag
from marketsync_dagster.values.times import is_due, is_older, to_iso
from marketsync_dagster.values.words import counted

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from marketsync_dagster.config.settings import Settings
    from marketsync_dagster.stages.project import Project

FILE_TRIES = 5
"""Runs for files that stay where they are: who put them there has to do something."""
ASK_PAUSE_S = 60.0
"""Nothing is asked about by the sensor sooner than so long after it was asked about last, whatever
`ask_s` allows: each run would be followed by another one at once."""
_TO_SEND = ("pending", "intended", "sync_pending", "unknown", "cancelling")
_TO_ASK = ("sent", "acknowledged")


def waiting_work(project: Project, now: datetime) -> tuple[list[OrderWork], list[str]]:
    """All that waits now, of every source and destination of the configuration; and why a folder
    could not be looked at."""
    closed = {name: one.left_ms / 1000 for name, one in closures(project.ledger).items()}
    with project.ledger.read() as conn:
        found = [
            *(work for source in project.settings.order_sources()
              for work in _of_source(conn, project.settings, source, closed, now)),
            *(work for place in project.settings.destinations()
              for work in _of_destination(conn, project.settings, place, closed, now)),
        ]  # fmt: skip
    files, reasons = _files(project.settings)
    return [*found, *files], reasons


def _of_source(
    conn: Connection,
    settings: Settings,
    source: str,
    closed: Mapping[str, float],
    now: datetime,
) -> Iterator[OrderWork]:
    """Orders that nobody has judged, that run out of time, that are ready; what is to be told."""
    at = to_iso(now)
    every = outlets_of(settings, source)

    def work(name: str, what: str, mark: object, orders: Iterable[BookOrder], **more) -> OrderWork:
        return OrderWork(
            f"{name} {source}",
            "fulfil_orders",
            what,
            fingerprint(mark)[:16],
            _outlets(orders, every),
            **more,
        )

    said = settings.order_sources()[source]
    there = load_orders(conn, to_decide(conn, source) if said.accept != "platform" else [])
    new = [one for one in there.values() if OrderFlag.ON_HOLD not in one.flags]
    if new:
        what = f"{counted(len(new), 'order')} of {source} to decide"
        yield work("decide", what, sorted((one.id, one.version) for one in new), new)
    warn = to_iso(now + timedelta(minutes=said.warn_minutes))
    near = [one for one in deadlines(conn, source, warn) if one.kind == "accept"]
    if near:
        about = load_orders(conn, [one.order_id for one in near]).values()
        what = f"{counted(len(near), 'order')} of {source} near the deadline"
        mark = sorted((one.order_id, one.at, one.at <= at) for one in near)
        yield work("deadlines", what, mark, about, most=1)
    ready = not_routed(conn, source, at) if settings.routes else []
    if ready:
        about = load_orders(conn, [one.order_id for one in ready]).values()
        what = f"{counted(len(ready), 'order')} of {source} to be sent on"
        yield work("route", what, sorted((one.id, one.version) for one in about), about)
    can = order_capabilities_of(settings, source)
    due = unsettled(conn, source, due=at)
    about = load_orders(conn, sorted({row.order_id for row in due}))
    held: dict[str, set[str]] = {}
    for hold in holds_of(conn, list(about)):
        held.setdefault(hold.order_id, set()).add(hold.kind)
    told = [
        row
        for row in due
        # what waits for its source to go on waits for the next pull, not for a run
        if row.state != "waiting"
        or gate(row, about[row.order_id], can, at, held.get(row.order_id, ()))[0] is not Gate.WAIT
    ]
    if told:
        what = f"{counted(len(told), 'command')} to {source}"
        mark = [(row.id, row.state, row.attempts) for row in told]
        orders = [about[one] for one in sorted({row.order_id for row in told})]
        yield work("tell", what, mark, orders, closed_for=closed.get(source, 0.0))


def _of_destination(
    conn: Connection,
    settings: Settings,
    place: str,
    closed: Mapping[str, float],
    now: datetime,
) -> Iterator[OrderWork]:
    """What a destination has to be given, or to be asked about."""
    rest = closed.get(place, 0.0)
    for there, some in _by_place(forwards_at(conn, place, _TO_SEND)).items():
        due = [one for one in some if one.state == "intended" or is_due(one.not_before, now)]
        mark = [(one.id, one.state, one.attempts) for one in due]
        if due:
            yield _forwarding(
                "forward", there, f"{counted(len(due), 'order')} for", mark, due, rest
            )
    account = settings.accounts.get(place)
    if not isinstance(account, QikinkAccount):
        return  # tills answer by files
    due = [
        one
        for one in forwards_at(conn, place, _TO_ASK)
        if is_older(one.asked_at or one.sent_at, max(float(account.ask_s), ASK_PAUSE_S), now)
    ]
    if due:
        mark = [(one.id, one.asked_at) for one in due]
        yield _forwarding("ask", place, f"{counted(len(due), 'order')} to ask", mark, due, rest)


def _forwarding(
    name: str, there: str, what: str, mark: object, due: Iterable[Forward], rest: float
) -> OrderWork:
    outlets = tuple(sorted({one.outlet for one in due}))
    why = f"{what} {there}" if name == "forward" else f"{what} {there} about"
    return OrderWork(f"{name} {there}", "fulfil_orders", why, fingerprint(mark)[:16], outlets, rest)


def _by_place(forwards: Iterable[Forward]) -> dict[str, list[Forward]]:
    found: dict[str, list[Forward]] = {}
    for one in forwards:
        found.setdefault(one.there, []).append(one)
    return found


def _outlets(orders: Iterable[BookOrder], every: list[str]) -> tuple[str, ...]:
    """The outlets of some orders; all that the source has, where one is not known."""
    found = {outlet for one in orders for outlet in one.outlets}
    return tuple(every) if "" in found else tuple(sorted(found))


@dataclass(frozen=True, slots=True)
class _Folder:
    """Where files come that a run is for."""

    name: str
    job: Job
    thing: str
    whose: str
    inbox: Inbox
    outlets: tuple[str, ...]


def _folders(settings: Settings) -> Iterator[_Folder]:
    for outlet, one in settings.outlets.items():
        if one.orders is None or one.orders.answers is None:
            continue
        inbox = Inbox(settings.root / one.orders.answers, PATTERNS, float(one.orders.settle_s))
        # a folder of ours is made by the first run
        if inbox.folder.exists() or one.orders.answers.is_absolute():
            whose = f"of the till of {outlet}"
            yield _Folder(f"answers {outlet}", "fulfil_orders", "answer", whose, inbox, (outlet,))
    for name, shop in settings.shops.items():
        inbox = Inbox(settings.root / shop.folder, [shop.pattern], float(shop.settle_s))
        outlets = tuple(outlets_of(settings, name))
        yield _Folder(f"files {name}", "pull_orders", "file", f"of {name}", inbox, outlets)


def _files(settings: Settings) -> tuple[list[OrderWork], list[str]]:
    """What tills have answered and shops have dropped, as far as it is whole; and why a folder
    could not be looked at."""
    work: list[OrderWork] = []
    reasons: list[str] = []
    for one in _folders(settings):
        try:
            files = one.inbox.arrived(time.time())
        except OSError as error:
            reasons.append(f"{one.name}: {one.inbox.folder} cannot be listed: {words_of(error)}")
            continue
        if files:
            mark = fingerprint(*(f"{file.key} {file.size}" for file in files))[:16]
            why = f"{counted(len(files), one.thing)} {one.whose}"
            work.append(OrderWork(one.name, one.job, why, mark, one.outlets, most=FILE_TRIES))
    return work, reasons
