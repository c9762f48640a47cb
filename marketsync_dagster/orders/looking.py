"""What destinations are asked: whether they have what they may have, and how the rest stands.

Nothing unknown is sent again before it was looked up, or is harmless to repeat; what neither can
decide is asked of a person.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from marketsync_dagster.config.orders import POS
from marketsync_dagster.ledger.forwards import HERE, Forward, change, forwards_of
from marketsync_dagster.ledger.order_events import OrderEvent, record_events
from marketsync_dagster.ledger.orders import BookOrder, load_orders
from marketsync_dagster.ledger.restored import first_made, restored_at
from marketsync_dagster.orders.desk import Desk
from marketsync_dagster.orders.fates import told_fate
from marketsync_dagster.orders.forward_steps import ask, close_tasks, end, move
from marketsync_dagster.orders.fulfilment import apply_standing, apply_standings
from marketsync_dagster.orders.states import is_over
from marketsync_dagster.platforms.fulfilling import Found, Standing
from marketsync_dagster.values.times import from_iso, is_older, to_iso

LOOKS = 3
"""So often what a destination said it has, and does not show, is looked for before people are
asked."""
ENDED_ASKED = timedelta(days=30)
ENDED_EVERY = timedelta(hours=1)
"""So long after it was sent, and so often, what has ended without success is asked about."""


async def look_up(desk: Desk) -> None:
    """Find out whether the destination has what it may have."""
    unknown = desk.due(["unknown"])
    if not unknown or not desk.may_call():
        return
    if not desk.fulfiller.fulfil_capabilities.look_up:
        await asyncio.to_thread(_without_look_up, desk, unknown)
        return
    since = await asyncio.to_thread(_since, desk, unknown)
    numbers = [one.number for one in unknown]
    found = await find(desk, numbers, since, unknown)
    if found is not None:
        await asyncio.to_thread(_found, desk, unknown, found.standings)


async def find(
    desk: Desk, numbers: Sequence[str], since: str, about: Sequence[Forward]
) -> Found | None:
    """What the destination has of these numbers; None: it could not be read, and the forwards that
    this is about wait."""
    found = await desk.fulfiller.find(numbers, since, pace=desk.pacer)
    found = await desk.unnamed(found, about)
    await desk.count(found.calls)
    if found.outcome is None:
        return found
    await asyncio.to_thread(_not_read, desk, found, about)
    await desk.obey(found.retry_after_s, found.message)
    desk.trouble(found.outcome, found.message)
    return None


def _since(desk: Desk, unknown: Sequence[Forward]) -> str:
    """When the oldest of them can have been sent (ISO)."""
    made = [one.created_at for one in unknown]
    with desk.ledger.read() as conn:
        if restored_at(conn):  # the ledger has forgotten when
            made.append(first_made(conn, {one.order_id for one in unknown}))
    return min(made)


def _without_look_up(desk: Desk, unknown: Sequence[Forward]) -> None:
    at = desk.at()

    def decide(conn: Connection, order: BookOrder, one: Forward) -> None:
        if one.sent_at is not None:
            words = "it has the number already"
            after = move(conn, one, "sent", at=at, by=desk.by, message="", reason=words)
            close_tasks(conn, order.id, [after], "forward_unknown", words, desk.by, at)
        elif desk.fulfiller.fulfil_capabilities.idempotent:
            words = "the same number makes no second order there"
            move(conn, one, "pending", at=at, by=desk.by, message="", reason=words)
        else:
            _ask_whether_there(desk, conn, one, "it cannot be looked up")

    desk.each(["unknown"], unknown, decide)


def _not_read(desk: Desk, found: Found, asked: Sequence[Forward]) -> None:
    """Nothing was learnt: later, and nothing is sent meanwhile."""

    def later(conn: Connection, order: BookOrder, one: Forward) -> None:
        del order
        tries = one.attempts + 1
        not_before = desk.later(tries, found.retry_after_s)
        change(conn, one, desk.at(), attempts=tries, not_before=not_before, message=found.message)

    desk.each(["unknown", *HERE], asked, later)


def _found(desk: Desk, unknown: Sequence[Forward], standings: Sequence[Standing]) -> None:
    there = {standing.number: standing for standing in standings}

    def decide(conn: Connection, order: BookOrder, one: Forward) -> None:
        standing = there.get(one.number)
        if standing is None:
            _absent(desk, conn, order, one)
        else:
            _is_there(desk, conn, order, one, standing)

    desk.each(["unknown"], unknown, decide)


def _is_there(
    desk: Desk, conn: Connection, order: BookOrder, one: Forward, standing: Standing
) -> None:
    at, words = desk.at(), "it was found there"
    after = move(
        conn, one, "sent", at=at, by=desk.by, message="", reason=words,
        external_id=standing.external_id or one.external_id,
        sent_at=one.sent_at or at, not_before="", attempts=0,
    )  # fmt: skip
    close_tasks(conn, order.id, [after], "forward_unknown", words, desk.by, at)
    _, figures = apply_standing(conn, order, after, standing, by=desk.by, at=at)
    told = told_fate(figures)
    desk.came_to(one.id, one.outlet, told if told == "failed" else "updated")
    desk.figures(one.outlet)["shipped"] += figures["shipped"]
    desk.count_one(one, "found")


# --- before anything goes a second time


def may_be_there(desk: Desk, one: Forward) -> bool:
    """Whether sending what waits could make a second order, and a look-up can rule that out: it was
    tried, and told not to be taken; or an attempt under another number was."""
    can = desk.fulfiller.fulfil_capabilities
    return can.look_up and (one.attempt > 1 or _was_tried(desk, one))


def _was_tried(desk: Desk, one: Forward) -> bool:
    tried = one.state == "sync_pending" and one.intended_at is not None
    return tried and not desk.fulfiller.fulfil_capabilities.idempotent


async def rule_out(desk: Desk) -> Collection[str]:
    """Look for what may be there of forwards that wait; the ids of those that are not, whose
    earlier attempts are not either, and that may go."""
    doubtful = [
        one
        for one in desk.due(sorted(HERE))
        if may_be_there(desk, one) and (desk.chosen is None or one.outlet in desk.chosen)
    ]
    if not doubtful or not desk.may_call():
        return ()
    earlier = await asyncio.to_thread(_earlier, desk, doubtful)
    asked = [one for one in doubtful if _was_tried(desk, one)]
    asked += {one.id: one for there in earlier.values() for one in there}.values()
    standings: Sequence[Standing] = ()
    if asked:
        since = min(one.created_at for one in asked)
        found = await find(desk, [one.number for one in asked], since, doubtful)
        if found is None:
            return ()
        standings = found.standings
    return await asyncio.to_thread(_ruled_out, desk, doubtful, earlier, standings)


def _earlier(desk: Desk, doubtful: Sequence[Forward]) -> dict[str, list[Forward]]:
    """Forward -> attempts with lines of it that were sent, and ended there without success."""
    with desk.ledger.read() as conn:
        there = forwards_of(conn, sorted({one.order_id for one in doubtful}))
    return {
        one.id: [
            old
            for old in there[one.order_id]
            if old.state in ("refused", "failed")
            and old.intended_at is not None
            and (old.destination, old.outlet) == (one.destination, one.outlet)
            and not old.lines.keys().isdisjoint(one.lines)
        ]
        for one in doubtful
    }


def _ruled_out(
    desk: Desk,
    doubtful: Sequence[Forward],
    earlier: Mapping[str, Sequence[Forward]],
    standings: Sequence[Standing],
) -> Collection[str]:
    there = {standing.number: standing for standing in standings}
    now, may_go = desk.clock(), set[str]()

    def decide(conn: Connection, order: BookOrder, one: Forward) -> None:
        tried = [one] if _was_tried(desk, one) else []
        if tried and (standing := there.get(one.number)) is not None:
            _is_there(desk, conn, order, one, standing)
            return
        for old in earlier[one.id]:
            standing = there.get(old.number)
            if standing is not None and goes_on(old, standing):
                _goes_on_there(desk, conn, order, one, old, standing)
                return
        tried = [_began_by_now(conn, each, now) for each in tried]
        began = [from_iso(each.intended_at or "") for each in (*tried, *earlier[one.id])]
        began = [moment for moment in began if moment <= now]
        settled = max(began, default=now) + timedelta(seconds=desk.settle_s if began else 0)
        if now < settled:
            change(conn, one, desk.at(), not_before=to_iso(settled))
            return
        may_go.add(one.id)

    desk.each(sorted(HERE), doubtful, decide)
    return may_go


def goes_on(old: Forward, standing: Standing) -> bool:
    """Whether an attempt that has ended is fulfilled all the same. That one is there says so if it
    was never to be; of one that failed later only a good word does."""
    return not standing.failed and (old.state == "refused" or standing.state is not None)


def _goes_on_there(
    desk: Desk,
    conn: Connection,
    order: BookOrder,
    one: Forward,
    old: Forward,
    standing: Standing,
) -> None:
    """A new attempt would be a second order: it ends, and people are told why."""
    at = desk.at()
    words = f"it has number {old.number}, which has ended as {old.state}, all the same"
    told = standing.raw_status
    why = f"{one.there}: {words}"
    event = OrderEvent(order.id, at, "anomaly", "", old.state, told, desk.by, why)
    record_events(conn, [event])
    todo = "have that cancelled there before a new attempt, or tell by hand what is sent of it"
    end(conn, order, replace(one, message=f"{words}: {todo}"), "refused", by=desk.by, at=at)
    desk.came_to(one.id, one.outlet, "refused")


def _absent(desk: Desk, conn: Connection, order: BookOrder, one: Forward) -> None:
    """It is not there, for certain, unless the destination itself has said that it is."""
    now, at = desk.clock(), desk.at()
    if one.sent_at is not None:
        looks = one.attempts + 1
        change(conn, one, at, attempts=looks, not_before=desk.later(looks))
        if looks >= LOOKS:
            _ask_whether_there(desk, conn, one, "it said so, and does not show it")
        return
    one = _began_by_now(conn, one, now)
    began = from_iso(one.intended_at) if one.intended_at else now
    settled = began + timedelta(seconds=desk.settle_s)
    if now < settled and not desk.fulfiller.fulfil_capabilities.idempotent:
        change(conn, one, at, not_before=to_iso(settled))
        return
    words = "it is not there"
    close_tasks(conn, order.id, [one], "forward_unknown", words, desk.by, at)
    later = desk.later(one.attempts - 1) if one.attempts > 1 else ""
    move(conn, one, "pending", at=at, by=desk.by, message="", reason=words, not_before=later)


def _began_by_now(conn: Connection, one: Forward, now: datetime) -> Forward:
    """A call that began later than now was noted by a clock that was ahead: it begins now."""
    at = to_iso(now)
    if one.intended_at is None or one.intended_at <= at:
        return one
    return change(conn, one, at, intended_at=at)


def _ask_whether_there(desk: Desk, conn: Connection, one: Forward, why: str) -> None:
    question = f"Does {one.there} have number {one.number}? It may have got it, and {why}."
    if ask(conn, one, "forward_unknown", question, desk.at()):
        desk.count_one(one, "tasks")


async def ask_standings(desk: Desk) -> None:
    """How those stand that the destination has, each at most every `ask_s`."""
    if not desk.fulfiller.fulfil_capabilities.status or not desk.may_call():
        return
    asked = await asyncio.to_thread(_to_ask, desk)
    if not asked:
        return
    known = [(one.number, one.external_id) for one in asked]
    found = await desk.fulfiller.standings(known, pace=desk.pacer)
    found = await desk.unnamed(found, asked)
    await desk.count(found.calls)
    desk.observe("standings_read")
    if found.outcome is not None:
        await desk.obey(found.retry_after_s, found.message)
        desk.trouble(found.outcome, found.message)
        return
    await asyncio.to_thread(_stand, desk, asked, found.standings)


def _to_ask(desk: Desk) -> list[Forward]:
    now = desk.clock()
    with desk.ledger.read() as conn:
        there = desk.at_destination(conn, ["sent", "acknowledged", "cancelling", "done"])
        there += _ended(desk, conn)
        old = [one for one in there if is_older(one.asked_at, desk.ask_s, now)]
        done = {one.order_id for one in old if one.state == "done"}
        orders = load_orders(conn, sorted(done))
    return [one for one in old if one.state != "done" or _moves(orders[one.order_id], one)]


def _ended(desk: Desk, conn: Connection) -> list[Forward]:
    """What has ended without success at a destination that has had it, some time ago at most: it
    may go on all the same. A till says so by itself."""
    if desk.destination == POS:
        return []
    before = to_iso(desk.clock() - ENDED_ASKED)
    now_and_then = max(ENDED_EVERY, timedelta(seconds=desk.ask_s))
    return [
        one
        for one in desk.at_destination(conn, ["cancelled", "failed"])
        if one.sent_at is not None
        and one.sent_at >= before
        and is_older(one.asked_at, now_and_then, desk.clock())
    ]


def _moves(order: BookOrder, one: Forward) -> bool:
    """Whether there is more to be told of a forward that has left."""
    return not all(is_over(order.line(line).state) for line in one.lines)


def _stand(desk: Desk, asked: Sequence[Forward], standings: Sequence[Standing]) -> None:
    missing = {one.number: one for one in asked}
    by_outlet: dict[str, list[Standing]] = {}
    for standing in standings:
        one = missing.pop(standing.number, None)
        if one is not None:
            by_outlet.setdefault(one.outlet, []).append(standing)
    for outlet, found in by_outlet.items():
        applied = apply_standings(
            desk.ledger, desk.destination, found, by=desk.by, now=desk.clock(),
            observe=desk.observe,
        )  # fmt: skip
        desk.figures(outlet)["shipped"] += applied.shipped
        for forward_id, fate in applied.fates.items():
            desk.came_to(forward_id, outlet, fate)
    at = desk.at()

    def asked_now(conn: Connection, order: BookOrder, one: Forward) -> None:
        del order
        if one.number in missing and one.state == "sent":
            words = "it said that it has it, and does not show it"
            move(conn, one, "unknown", at=at, by=desk.by, message=words, asked_at=at, attempts=0)
        else:
            change(conn, one, at, asked_at=at)

    desk.each(None, asked, asked_now)
