"""The stages `orders/qikink_fulfilments` and `orders/pos_drops`: orders are routed, handed over to
the places that fulfil them, and what these tell comes back.

A destination is worked on by one run at a time, under its lease. One that is down stops only
itself: its orders wait as `sync_pending`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

from marketsync_dagster.config.orders import POS
from marketsync_dagster.config.settings import QikinkAccount
from marketsync_dagster.ledger.forwards import HANDED, LIVE, Forward, forwards_at, get_forward
from marketsync_dagster.ledger.open_orders import OpenLine
from marketsync_dagster.ledger.order_tasks import asked_since
from marketsync_dagster.ledger.orders import BookLine, BookOrder
from marketsync_dagster.ledger.tokens import LedgerTokens
from marketsync_dagster.orders.desk import Desk
from marketsync_dagster.orders.elsewhere import waiting_elsewhere
from marketsync_dagster.orders.forward_making import Routed, make_forwards, to_route
from marketsync_dagster.orders.gone import leave_gone
from marketsync_dagster.orders.handing import take_turn
from marketsync_dagster.orders.points import Observer, unobserved
from marketsync_dagster.orders.pos_answers import take_answers
from marketsync_dagster.orders.pos_drop import open_till
from marketsync_dagster.orders.routing import Goods
from marketsync_dagster.platforms.hints import credential_hint
from marketsync_dagster.platforms.registry import open_fulfiller
from marketsync_dagster.push.pacing import Pacer
from marketsync_dagster.stages import project as driver
from marketsync_dagster.stages.catalog import CATALOG_KEY
from marketsync_dagster.stages.holding import Held, Holding
from marketsync_dagster.stages.order_book import Counted
from marketsync_dagster.stages.project import Project, StageResult
from marketsync_dagster.values.errors import Busy
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster.values.redact import scrub
from marketsync_dagster.values.times import to_iso, utcnow
from marketsync_dagster.values.words import counted

Kind = Literal["qikink", "pos"]
STAGES: dict[Kind, str] = {"qikink": "orders_qikink_fulfilments", "pos": "orders_pos_drops"}
LATER = "nothing: it goes later; marketsync connections test tries it"
TASKS = "marketsync orders tasks"
HANDLED = ("created", "updated", "unchanged", "waiting", "unknown", "cancelled", "held", "failed")
"""What a forward that was worked on came to, one of these: their sum is `total`."""
_FIGURES = (
    *(*HANDLED, "total", "routed", "sync_pending", "refused", "unreadable", "shipped", "tasks"),
    *("left_out", "calls"),
)


def fulfil(
    project: Project,
    kind: Kind,
    outlets: Sequence[str],
    *,
    limit: int | None = None,
    tell: Callable[[str], None] = lambda _: None,
    observe: Observer = unobserved,
) -> list[StageResult]:
    """Route what waits of some outlets, and work on every destination of a kind; one result for
    each outlet.

    `limit`: orders that are routed, and that each destination is handed, at most.
    """
    began = to_iso(utcnow())
    places = _places(project, kind, outlets)
    routed, bad = _route(project, kind, outlets, places, limit, observe)
    _tell_routes(routed, tell)
    turns: list[_Turn] = []
    if places:
        turns = asyncio.run(_take_turns(project, kind, places, outlets, limit, observe))
    results = [_result(project, kind, outlet, turns, began) for outlet in outlets]
    if results and routed.left_out:
        results[0].numbers["left_out"] += routed.left_out
    if bad is not None:  # what was routed before went all the same
        said = (False, bad.state, f"nothing was routed: {bad.reason}", bad.next_step)
        results = [StageResult(one.outlet, *said, one.numbers) for one in results]
    driver.record(project, STAGES[kind], results)
    return results


def _route(
    project: Project,
    kind: Kind,
    outlets: Sequence[str],
    places: Sequence[_Place],
    limit: int | None,
    observe: Observer,
) -> tuple[Routed, StageResult | None]:
    """Make forwards of what waits; and what went wrong, such as a catalog that cannot be read."""
    try:
        leave_gone(project.ledger, project.settings, by=_by(project))
        routed = make_forwards(
            project.ledger,
            project.settings,
            to_route(project.ledger, outlets),
            Shelf(project).goods,
            destinations={place.destination for place in places},
            limit=limit,
            by=_by(project),
            observe=observe,
        )
    except Exception as error:  # noqa: BLE001 - what was routed before is sent all the same
        return Routed(), driver.failure(STAGES[kind], "", error)
    return routed, None


def _by(project: Project) -> str:
    return f"run {project.run_id}"


def _tell_routes(routed: Routed, tell: Callable[[str], None]) -> None:
    if routed.forwards:
        tell(f"{counted(routed.forwards, 'new forward')}")
    if routed.held:
        words = "held: no route, or what it was sent to has refused it"
        tell(f"{counted(routed.held, 'order')} {words}")


@dataclass(frozen=True, slots=True)
class _Place:
    """One destination: an account, or the till of an outlet."""

    destination: str
    outlet: str = ""

    @property
    def name(self) -> str:
        return f"{self.destination}/{self.outlet}" if self.outlet else self.destination


@dataclass(slots=True)
class _Turn:
    """What one turn came to."""

    place: _Place
    outlets: frozenset[str]
    """Those whose forwards it was about."""
    numbers: dict[str, Counter[str]] = field(default_factory=dict)
    calls: int = 0
    state: str = "done"
    reason: str = ""
    next_step: str = ""
    ok: bool = True


def _places(project: Project, kind: Kind, outlets: Sequence[str]) -> list[_Place]:
    settings = project.settings
    if kind == "pos":
        return [_Place(POS, one) for one in outlets if settings.outlets[one].orders is not None]
    accounts = settings.accounts.items()
    return [_Place(name) for name, account in accounts if isinstance(account, QikinkAccount)]


async def _take_turns(
    project: Project,
    kind: Kind,
    places: Sequence[_Place],
    outlets: Sequence[str],
    limit: int | None,
    observe: Observer,
) -> list[_Turn]:
    holding = Holding(project, kind)
    with holding.signals():
        return await asyncio.gather(
            *(_take(holding, place, outlets, limit, observe) for place in places)
        )


async def _take(
    holding: Holding,
    place: _Place,
    outlets: Sequence[str],
    limit: int | None,
    observe: Observer,
) -> _Turn:
    project = holding.project
    about = await asyncio.to_thread(_outlets_at, project, place, outlets)
    turn = _Turn(place, about)
    if not about:
        return turn  # it has nothing, and is to get nothing
    try:
        wait_s = project.settings.lease_wait_s
        async with holding.lease(f"forward {place.name}", wait_s) as held:
            desk = _desk(project, place, held, outlets, observe)
            try:
                async with desk.fulfiller:
                    if desk.pacer is not None:
                        await desk.pacer.open()
                    await take_turn(desk, limit)
                if place.outlet:
                    await asyncio.to_thread(_take_answers, desk, place.outlet)
            finally:
                turn.numbers, turn.calls = desk.counted(), desk.calls
            _judge(turn, desk)
    except Busy as busy:
        turn.state, turn.reason, turn.next_step = "busy", busy.message, busy.next_step
    except Exception as error:  # noqa: BLE001 - one bad destination must not stop the others
        bad = driver.failure(STAGES["pos" if place.outlet else "qikink"], place.name, error)
        turn.ok, turn.state = False, bad.state
        turn.reason, turn.next_step = f"{place.name}: {bad.reason}", bad.next_step
    return turn


def _outlets_at(project: Project, place: _Place, outlets: Sequence[str]) -> frozenset[str]:
    """The outlets that a turn is about: a till's own, which may answer at any time; those that
    have something at an account, or had, or wait for its word to go elsewhere."""
    if place.outlet:
        return frozenset({place.outlet})
    with project.ledger.read() as conn:
        there = {one.outlet for one in forwards_at(conn, place.destination, LIVE | HANDED)}
        elsewhere = waiting_elsewhere(conn, project.settings, place.destination)
        there |= {one.outlet for _, one in elsewhere}
    return frozenset(there & {*outlets} or (outlets if there else ()))


def _desk(
    project: Project, place: _Place, held: Held, outlets: Collection[str], observe: Observer
) -> Desk:
    settings = project.settings
    desk = Desk(
        project.ledger,
        settings,
        place.destination,
        open_till(settings, place.outlet, observe=observe)
        if place.outlet
        else open_fulfiller(
            settings,
            place.destination,
            secrets=project.secrets,
            tokens=LedgerTokens(project.ledger, observe=observe, holder=_by(project)),
        ),
        by=_by(project),
        outlet=place.outlet,
        chosen=outlets,
        stop=held.stop,
        holds=held.holds,
        observe=observe,
        ask_s=0.0,
    )
    account = settings.accounts.get(place.destination)
    if place.outlet:
        desk.settle_s = 0.0  # what a folder does not show is not there
    if isinstance(account, QikinkAccount):
        desk.ask_s = account.ask_s
        desk.settle_s = account.timeouts.read_s + account.settle_s
        desk.pacer = Pacer(
            project.ledger,
            place.destination,
            account.quota,
            held.stop,
            patience_s=account.retry.budget_s,
        )
    return desk


def _take_answers(desk: Desk, outlet: str) -> None:
    answered = take_answers(desk.ledger, desk.settings, outlet, by=desk.by, observe=desk.observe)
    figures = desk.figures(outlet)
    for forward_id, fate in answered.fates.items():
        desk.came_to(forward_id, outlet, fate)
    figures["shipped"] += answered.shipped
    figures["unreadable"] += answered.unreadable + answered.unknown


def _judge(turn: _Turn, desk: Desk) -> None:
    """What the destination's troubles make of the turn."""
    stopped = desk.stop.reason if desk.stop.event.is_set() else ""
    if desk.problem:
        turn.state = "waiting"
        turn.reason = scrub(f"{turn.place.name}: {desk.problem}")
        turn.next_step = LATER
        if desk.problem_kind is Outcome.AUTH_FAILED:
            turn.ok, turn.state = False, "failed"
            secrets = f"check the secrets of accounts.{turn.place.destination}"
            turn.next_step = credential_hint(desk.problem, secrets)
    elif stopped:
        turn.ok, turn.state, turn.reason = False, "failed", stopped
        turn.next_step = "run again: it goes on where it stopped"


def _result(
    project: Project, kind: Kind, outlet: str, turns: Sequence[_Turn], began: str
) -> StageResult:
    """What the destinations of an outlet came to for it."""
    mine = [turn for turn in turns if outlet in turn.outlets or outlet in turn.numbers]
    figures: Counter[str] = Counter()
    for turn in mine:
        figures.update(turn.numbers.get(outlet, Counter()))
        if outlet == min(turn.outlets):  # each call once
            figures["calls"] += turn.calls
    figures["failed"] += figures["refused"]
    figures["total"] = sum(figures[name] for name in HANDLED)
    live, asked = _there(project, kind, outlet, began)
    waiting = [one for one in live if one.state == "sync_pending"]
    figures.update(routed=len(live), sync_pending=len(waiting))
    figures["tasks"] = asked
    numbers: driver.Numbers = {name: figures[name] for name in _FIGURES}
    troubled = [turn for turn in mine if turn.reason]
    worst = next((turn for turn in troubled if not turn.ok), next(iter(troubled), None))
    news = any(figures[name] for name in HANDLED if name != "unchanged")
    told = _told(figures)
    reason = "; ".join([*(turn.reason for turn in troubled), *_waits(waiting), *told])
    step = worst.next_step if worst else LATER if waiting else ""
    step = TASKS if told and (worst is None or worst.ok) else step
    state = worst.state if worst else "waiting" if waiting else "done" if news else "unchanged"
    return StageResult(outlet, worst is None or worst.ok, state, reason, step, numbers)


def _there(project: Project, kind: Kind, outlet: str, began: str) -> tuple[list[Forward], int]:
    """Live forwards of an outlet at the destinations of a kind; and how many questions about
    forwards, or answers, of the outlet were asked since this run began."""
    places = {place.destination for place in _places(project, kind, [outlet])}
    with project.ledger.read() as conn:
        live = [
            one for to in sorted(places) for one in forwards_at(conn, to, LIVE, outlets=[outlet])
        ]
        asked = 0
        for subject in asked_since(conn, began):
            one = get_forward(conn, subject)
            if one is None:  # an answer that no forward has
                asked += kind == "pos" and subject == outlet
            else:
                asked += (one.outlet, one.destination in places) == (outlet, True)
    return live, asked


def _waits(waiting: Sequence[Forward]) -> list[str]:
    """Which orders go to which destination later, and when."""
    words = []
    for there in sorted({one.there for one in waiting}):
        these = [one for one in waiting if one.there == there]
        many = f"{counted(len(these), 'order')} {'wait' if len(these) > 1 else 'waits'}"
        goes = "go" if len(these) > 1 else "goes"
        at = min(one.not_before for one in these) or "once"
        words.append(f"{many} for {there} and {goes} again at {at}")
    return words


def _told(figures: Counter[str]) -> list[str]:
    """What of a turn people should know."""
    said = {
        "failed": f"{counted(figures['failed'], 'order')} refused or failed",
        "unreadable": f"{counted(figures['unreadable'], 'answer')} of the till not understood",
        "tasks": counted(figures["tasks"], "new question"),
    }
    found = [words for name, words in said.items() if figures[name]]
    return [", ".join(found)] if found else []


class Shelf:
    """What the outlets have, as their catalogs say, less what earlier open orders take of it. Read
    only where a route asks for it."""

    def __init__(self, project: Project) -> None:
        self._project = project
        routes = project.settings.routes
        self._asked = any(route.stock != "any" or route.tag for route in routes)
        self._catalogs: dict[str, dict[str, Goods]] = {}
        self._taken: dict[tuple[str, str], list[OpenLine]] = {}
        self._counted = Counted(project)

    def goods(self, order: BookOrder, line: BookLine) -> Goods:
        """The product of a line as its order sees it."""
        if not self._asked:
            return Goods()
        there = self._catalog(line.outlet).get(line.sku, Goods())
        if there.stock is None:
            return there
        taken = sum(
            other.pieces
            for other in self._others(line.outlet, line.sku)
            if other.left or (other.order_id != order.id and _comes_first(other, order))
        )
        return Goods(there.stock - taken, there.tags)

    def _catalog(self, outlet: str) -> dict[str, Goods]:
        if outlet not in self._catalogs:
            frames, found = self._project.frames, {}
            if outlet and frames.stamp(CATALOG_KEY, outlet) is not None:
                catalog = frames.read(CATALOG_KEY, outlet)
                tags = catalog["tags"] if "tags" in catalog else [None] * len(catalog)
                found = {
                    str(sku): Goods(None if pd.isna(pieces) else int(pieces), _tags(said))
                    for sku, pieces, said in zip(
                        catalog["sku"], catalog["quantity"], tags, strict=True
                    )
                }
            self._catalogs[outlet] = found
        return self._catalogs[outlet]

    def _others(self, outlet: str, sku: str) -> list[OpenLine]:
        if (outlet, sku) not in self._taken:
            with self._project.ledger.read() as conn:
                self._taken[outlet, sku] = self._counted.taken(conn, outlet, [sku])
        return self._taken[outlet, sku]


def _comes_first(other: OpenLine, order: BookOrder) -> bool:
    """Whether what another order has still to get is taken off what there is for this one: at the
    till already, or taken and older. What goes to a place with goods of its own is not."""
    if other.destination:
        return other.destination == POS
    return other.decided and (other.created_at, other.order_id) < (order.created_at, order.id)


def _tags(said: object) -> frozenset[str]:
    return (
        frozenset(tag.strip() for tag in said.split(",")) if isinstance(said, str) else frozenset()
    )
