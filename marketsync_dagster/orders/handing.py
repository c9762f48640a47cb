"""One turn at one destination, under its lease: what may be there is looked up, what is not wanted
is taken back, what waits is handed over, and how the rest stands is asked for.

Journal first: the intent of each call is committed before it and its outcome after it. What was
intended when its process died is unknown (`orders.looking`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from marketsync_dagster.ledger.forwards import HERE, LIVE, Forward, ForwardState, change
from marketsync_dagster.ledger.order_tasks import open_tasks
from marketsync_dagster.ledger.orders import BookOrder, load_orders
from marketsync_dagster.ledger.shipments import Shipment, shipments_of
from marketsync_dagster.orders.desk import Desk
from marketsync_dagster.orders.elsewhere import look_for_others, not_ruled_out
from marketsync_dagster.orders.forward_steps import ask, close_tasks, end, move
from marketsync_dagster.orders.forwarding import LESS, no_longer_less, reshape
from marketsync_dagster.orders.looking import ask_standings, look_up, may_be_there, rule_out
from marketsync_dagster.orders.outgoing import prepare
from marketsync_dagster.orders.pieces import Carried, all_left, carried, wanted
from marketsync_dagster.platforms.base import NOT_CALLED, Call
from marketsync_dagster.platforms.fulfilling import Handed, OutgoingOrder
from marketsync_dagster.values.outcomes import ACKNOWLEDGED, Outcome

DEAD_AFTER = 2
"""So many failed calls one after another, and a turn sends nothing more."""
_NO_CALL = Call("", "", None, 0, error=NOT_CALLED)
_WAITING = sorted(HERE)
_SETTLED: tuple[ForwardState, ...] = tuple(sorted(LIVE - {"cancelling", "intended", "unknown"}))


async def take_turn(desk: Desk, limit: int | None = None) -> None:
    """Do all that is due. `limit`: orders that are handed over at most."""
    await asyncio.to_thread(_recover, desk)
    await look_up(desk)
    await asyncio.to_thread(_tidy, desk)
    await _cancel(desk)
    await look_for_others(desk)
    await _send(desk, limit, await rule_out(desk))
    await look_up(desk)  # what was refused because it is there already
    await ask_standings(desk)


def _recover(desk: Desk) -> None:
    """What was intended when its process died may have happened."""
    at, words = desk.at(), "its run ended before the answer"

    def unknown(conn: Connection, order: BookOrder, one: Forward) -> None:
        del order
        move(conn, one, "unknown", at=at, by=desk.by, message=words, attempts=0, not_before="")

    with desk.ledger.read() as conn:
        there = desk.at_destination(conn, ["intended"])
    desk.each(["intended"], there, unknown)


def _tidy(desk: Desk) -> None:
    """Let live forwards have what is still wanted of them, and no more; one whose pieces have all
    left, whoever says so, is done."""
    at = desk.at()

    def is_sent(order: BookOrder, one: Forward, had: Carried) -> bool:
        return one.state not in HERE and all_left(order, one, had)

    def fits(order: BookOrder, one: Forward, parcels: Sequence[Shipment]) -> bool:
        had = carried(one, parcels)
        return not is_sent(order, one, had) and wanted(order, one, had) == one.lines

    def mend(conn: Connection, order: BookOrder, one: Forward) -> None:
        had = carried(one, shipments_of(conn, [order.id]).get(order.id, ()))
        if is_sent(order, one, had):
            move(conn, one, "done", at=at, by=desk.by, reason="all of it has left")
            words = "all of it has left"
            close_tasks(conn, order.id, [one], "cancel_at_destination", words, desk.by, at)
            return
        keep = wanted(order, one, had)
        if keep == one.lines:
            no_longer_less(conn, order, one, by=desk.by, at=at)
            return
        reason = "what was ordered has changed" if keep else "it is not wanted any more"
        after = reshape(conn, order, one, keep, by=desk.by, reason=reason, at=at)
        if after.state == "cancelled":
            desk.came_to(one.id, one.outlet, "cancelled")

    with desk.ledger.read() as conn:
        there = desk.at_destination(conn, _SETTLED)
        ids = sorted({one.order_id for one in there})
        orders, parcels = load_orders(conn, ids), shipments_of(conn, ids)
    asked = {task.subject for task in open_tasks(desk.ledger) if task.kind == LESS}
    odd = [
        one
        for one in there
        if one.id in asked or not fits(orders[one.order_id], one, parcels.get(one.order_id, ()))
    ]
    desk.each(_SETTLED, odd, mend)


async def _cancel(desk: Desk) -> None:
    """Have taken back what is not wanted; where the destination cannot, a person has to."""
    can = desk.fulfiller.fulfil_capabilities.cancel
    for one in desk.due(["cancelling"]):
        if await asyncio.to_thread(_is_asked, desk, one) or not desk.may_call():
            continue
        handed = Handed(_NO_CALL, Outcome.UNSUPPORTED)
        if can:
            taken = await desk.slot()
            if taken is None:
                return
            handed = await desk.fulfiller.cancel(one.number, one.external_id)
            handed = await desk.unnamed(handed, [one])
            await desk.answered(taken, handed)
        await asyncio.to_thread(_cancelled, desk, one, handed)
        await desk.obey(handed.retry_after_s, handed.message)
        if handed.outcome is Outcome.AUTH_FAILED:
            desk.trouble(handed.outcome, handed.message)


def _is_asked(desk: Desk, one: Forward) -> bool:
    key = f"cancel_at_destination {one.id}"
    return any(task.key == key for task in open_tasks(desk.ledger, one.order_id))


def _cancelled(desk: Desk, asked: Forward, handed: Handed) -> None:
    at = desk.at()

    def write(conn: Connection, order: BookOrder, one: Forward) -> None:
        if handed.outcome in ACKNOWLEDGED:
            end(conn, order, one, "cancelled", by=desk.by, at=at)
            desk.came_to(one.id, one.outlet, "cancelled")
        elif handed.outcome in (Outcome.REFUSED, Outcome.UNSUPPORTED):
            why = f" ({handed.message})" if handed.message else ""
            question = (
                f"{one.there} has order {order.number} as number {one.number}, and it is not "
                f"wanted any more; it cannot be cancelled from here{why}. Is it cancelled there?"
            )
            if ask(conn, one, "cancel_at_destination", question, at):
                desk.count_one(one, "tasks")
        else:
            later = desk.later(one.attempts + 1, handed.retry_after_s)
            change(conn, one, at, attempts=one.attempts + 1, not_before=later)

    desk.each(["cancelling"], [asked], write)


async def _send(desk: Desk, limit: int | None, ruled_out: Collection[str]) -> None:
    """Hand over what waits, oldest first, but what was lost before last; what may be there already
    only once that is ruled out."""
    waiting = [
        one for one in desk.due(_WAITING) if one.id in ruled_out or not may_be_there(desk, one)
    ]
    if desk.chosen is not None:
        waiting = [one for one in waiting if one.outlet in desk.chosen]
    elsewhere = await asyncio.to_thread(not_ruled_out, desk, waiting)
    for one in waiting:
        if one.id in elsewhere:
            desk.came_to(one.id, one.outlet, "waiting")
    waiting = [one for one in waiting if one.id not in elsewhere]
    # else two that are lost each time would keep all others waiting
    waiting.sort(key=lambda one: one.attempts if one.state == "pending" else 0)
    waiting = _limited(desk, waiting, limit)
    failures = 0
    for one in waiting:
        if not desk.may_call():
            return
        if await asyncio.to_thread(_prepared, desk, one) is None:
            desk.came_to(one.id, one.outlet, "held")
            continue
        taken = await desk.slot()
        if taken is None:
            return
        outgoing = await asyncio.to_thread(_prepared, desk, one, intend=True)
        if outgoing is None:
            continue
        desk.observe("forward_intended")
        desk.observe("forward_before_call")
        handed = await desk.fulfiller.create(outgoing)
        desk.observe("forward_answered")
        handed = await desk.unnamed(handed, [one])
        await asyncio.to_thread(_handed, desk, one, handed)
        desk.observe("forward_committed")
        await desk.answered(taken, handed)
        await desk.obey(handed.retry_after_s, handed.message)
        down = handed.outcome in (Outcome.RETRYABLE, Outcome.UNKNOWN)
        failures = failures + 1 if down else 0
        if handed.outcome is Outcome.AUTH_FAILED or failures >= DEAD_AFTER:
            desk.trouble(handed.outcome, handed.message)
            later = desk.later(one.attempts + 1, handed.retry_after_s)
            await asyncio.to_thread(_leave, desk, waiting, later, handed.message)
            return


def _limited(desk: Desk, waiting: list[Forward], limit: int | None) -> list[Forward]:
    kept = set(list(dict.fromkeys(one.order_id for one in waiting))[:limit])
    for one in waiting:
        if one.order_id not in kept:
            desk.count_one(one, "left_out")
    return [one for one in waiting if one.order_id in kept]


def _prepared(desk: Desk, asked: Forward, *, intend: bool = False) -> OutgoingOrder | None:
    """The forward as its destination gets it, and with `intend` its intent; None: it waits."""
    ready: list[OutgoingOrder] = []

    def write(conn: Connection, order: BookOrder, one: Forward) -> None:
        at = desk.at()
        outgoing = prepare(conn, desk.settings, order, one, desk.fulfiller, desk.by, at)
        if outgoing is None:
            return
        ready.append(outgoing)
        if intend:
            tries = one.attempts + 1
            move(
                conn, one, "intended", at=at, by=desk.by, message="", intended_at=at,
                attempts=tries, not_before="",
            )  # fmt: skip
            desk.observe("forward_intent_written")

    desk.each(_WAITING, [asked], write)
    return ready[0] if ready else None


def _handed(desk: Desk, asked: Forward, handed: Handed) -> None:
    """Write what became of one call."""

    def write(conn: Connection, order: BookOrder, one: Forward) -> None:
        _outcome(desk, conn, order, one, handed)
        desk.observe("forward_outcome_written")

    desk.each(["intended"], [asked], write)


def _outcome(desk: Desk, conn: Connection, order: BookOrder, one: Forward, handed: Handed) -> None:
    at, by, words = desk.at(), desk.by, handed.message
    external_id = handed.external_id or one.external_id
    if handed.outcome in ACKNOWLEDGED or handed.outcome is Outcome.ACCEPTED_ASYNC:
        move(
            conn, one, "sent", at=at, by=by, message="", sent_at=at, attempts=0,
            external_id=external_id,
        )  # fmt: skip
        desk.came_to(one.id, one.outlet, "created")
    elif handed.duplicate:  # it is there: an attempt whose answer was lost
        move(
            conn, one, "unknown", at=at, by=by, message=words, sent_at=at, attempts=0,
            external_id=external_id,
        )  # fmt: skip
    elif handed.outcome is Outcome.UNKNOWN:
        move(conn, one, "unknown", at=at, by=by, message=words)
        desk.came_to(one.id, one.outlet, "unknown")
    elif handed.outcome in (Outcome.REFUSED, Outcome.UNSUPPORTED):
        end(conn, order, replace(one, message=words), "refused", by=by, at=at)
        desk.came_to(one.id, one.outlet, "refused")
    else:
        later = desk.later(one.attempts, handed.retry_after_s)
        move(conn, one, "sync_pending", at=at, by=by, message=words, not_before=later)
        desk.came_to(one.id, one.outlet, "waiting")


def _leave(desk: Desk, waiting: Sequence[Forward], later: str, message: str) -> None:
    """The destination is down: what was not tried goes no sooner than what was."""

    def wait(conn: Connection, order: BookOrder, one: Forward) -> None:
        del order
        if one.state == "sync_pending":
            change(conn, one, desk.at(), not_before=max(later, one.not_before))
            return
        words = f"not tried: {message}"
        move(conn, one, "sync_pending", at=desk.at(), by=desk.by, message=words, not_before=later)
        desk.came_to(one.id, one.outlet, "waiting")

    desk.each(_WAITING, waiting, wait)
