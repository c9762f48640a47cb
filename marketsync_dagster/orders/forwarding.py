"""What becomes of forwards in the book alone: made again, made smaller, taken back, or decided by
people.

No destination is called here; that is `orders.handing`. Forwards are made by
`orders.forward_making`. Every function wants the order to be read by `orders_to_change` in the same
transaction.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import replace

from sqlalchemy import Connection

from marketsync_dagster.ledger import order_tasks
from marketsync_dagster.ledger.forwards import (
    HANDED,
    HERE,
    OVER,
    Forward,
    change,
    forwards_of,
    get_forward,
)
from marketsync_dagster.ledger.order_events import OrderEvent, record_events
from marketsync_dagster.ledger.order_tasks import Task, TaskKind
from marketsync_dagster.ledger.orders import BookOrder
from marketsync_dagster.orders import book
from marketsync_dagster.orders.forward_steps import (
    ask,
    close_tasks,
    end,
    move,
    waits,
)
from marketsync_dagster.values.errors import UsageError

LESS: TaskKind = "cancel_at_destination"
"""The question about what a destination has and should not send; with the pieces that it keeps in
its key, where that are some."""
TOO_LATE = "drop"
"""How people answer that it goes on all the same."""


def again(conn: Connection, order: BookOrder, *, by: str, reason: str, at: str) -> int:
    """Let the lines of forwards that ended without success go once more: to wherever the routes
    lead now, which may be the same place (`orders.forward_making`). How many forwards.

    A person asked for it; nothing else makes a second attempt at the same place.
    """
    there = forwards_of(conn, [order.id]).get(order.id, [])
    live = {line for one in there if one.live for line in one.lines}
    waiting = {
        line.line_id for line in order.lines if line.line_id not in live and waits(line, there)
    }
    ended = [
        one
        for one in there
        if one.state in OVER and one.again_at is None and one.lines.keys() & waiting
    ]
    for one in ended:
        change(conn, one, at, again_at=at)
    record_events(conn, [
        OrderEvent(order.id, at, "released", "", one.state, "", by,
                   f"number {one.number} at {one.there} may go once more: {reason}")
        for one in ended
    ])  # fmt: skip
    close_tasks(conn, order.id, there, "forward_refused", f"a new attempt: {reason}", by, at)
    return len(ended)


def take_back(
    conn: Connection, order: BookOrder, line_ids: Collection[str], *, by: str, reason: str, at: str
) -> int:
    """Take whole lines out of the live forwards they are in; how many forwards that concerns."""
    count = 0
    for one in forwards_of(conn, [order.id]).get(order.id, []):
        if one.live and one.state != "cancelling" and not one.lines.keys().isdisjoint(line_ids):
            keep = {line: n for line, n in one.lines.items() if line not in line_ids}
            reshape(conn, order, one, keep, by=by, reason=reason, at=at)
            count += 1
    return count


def reshape(
    conn: Connection,
    order: BookOrder,
    one: Forward,
    keep: Mapping[str, int],
    *,
    by: str,
    reason: str,
    at: str,
) -> Forward:
    """Let a live forward have these pieces alone.

    What its destination does not have is simply made so. What it has, or may have, is cancelled
    there as a whole, or, where only a part is not wanted, by a person; until one has said that it
    is, the forward has what it had. What people called too late is not asked for again.
    """
    if one.state in HERE:
        if not keep:
            return move(conn, one, "cancelled", at=at, by=by, message=reason)
        return move(conn, one, one.state, at=at, by=by, reason=reason, lines=dict(keep))
    if one.state in ("intended", "unknown"):
        return one  # it is found out first whether it is there
    if sum(keep.values()) == sum(one.lines.values()):
        return move(conn, one, one.state, at=at, by=by, reason=reason, lines=dict(keep))
    key = _less_key(one, keep)
    if order_tasks.last_answer(conn, key).startswith(f"{TOO_LATE}:"):
        return one
    no_longer_less(conn, order, one, by=by, at=at, but=key)
    if not keep:
        return move(
            conn, one, "cancelling", at=at, by=by, message=reason, attempts=0, not_before=""
        )
    less = ", ".join(
        f"{n - keep.get(line, 0)} of {n} of line {line}"
        for line, n in one.lines.items()
        if keep.get(line, 0) < n
    )
    question = f"{one.there} has order {order.number} as {one.number}, and {less} is not wanted"
    ask(conn, one, LESS, f"{question} any more: is it told?", at, json.dumps(keep, sort_keys=True))
    return one


def _less_key(one: Forward, keep: Mapping[str, int]) -> str:
    """The key of the question whether a destination keeps these pieces alone."""
    return f"{LESS} {one.id}" + (f" {json.dumps(dict(keep), sort_keys=True)}" if keep else "")


def no_longer_less(
    conn: Connection, order: BookOrder, one: Forward, *, by: str, at: str, but: str = ""
) -> None:
    """A part that was not to be sent is wanted again, or another part is not."""
    for key in order_tasks.open_about(conn, one.id, LESS, but):
        words = "what is wanted has changed"
        if order_tasks.answer(conn, key, words, by, at):
            event = OrderEvent(order.id, at, "task", before=LESS, by=by, reason=words)
            record_events(conn, [event])


def resolve(
    conn: Connection, order: BookOrder, task: Task, answer: str, *, by: str, reason: str, at: str
) -> str:
    """Do what a person answers to a question about a forward (`done`, `again`, `drop`); what was
    done, in words. UsageError where the answer cannot be."""
    one = get_forward(conn, task.subject)
    if one is None or one.order_id != order.id:
        raise UsageError(f"there is no forward {task.subject} of order {order.number}")
    if task.kind == LESS and (part := task.key.removeprefix(_less_key(one, {})).strip()):
        words = _less(conn, one, json.loads(part), answer, by, reason, at)
    else:
        words = _RESOLVE[task.kind](conn, order, one, answer, by, reason, at)
    order_tasks.answer(conn, task.key, f"{answer}: {reason}", by, at)
    return words


def _unknown(
    conn: Connection, order: BookOrder, one: Forward, answer: str, by: str, reason: str, at: str
) -> str:
    if one.state != "unknown":
        return f"nothing was changed: number {one.number} is {one.state} by now"
    if answer == "done":
        move(conn, one, "sent", at=at, by=by, message=reason, sent_at=at, not_before="", attempts=0)
        return f"{one.there} has it under number {one.number}"
    if answer == "again":
        move(
            conn, one, "pending", at=at, by=by, message="", reason=reason, sent_at=None,
            not_before="", attempts=0,
        )  # fmt: skip
        return f"it goes to {one.there} again, under the same number {one.number}"
    end(conn, order, replace(one, message=reason), "cancelled", by=by, at=at)
    return f"number {one.number} is given up"


def _less(
    conn: Connection,
    one: Forward,
    keep: dict[str, int],
    answer: str,
    by: str,
    reason: str,
    at: str,
) -> str:
    if answer == TOO_LATE:
        return f"{one.there} goes on with all of number {one.number}"
    if answer == "again":
        return "it is asked once more"
    if one.state not in HANDED:
        return f"nothing was changed: number {one.number} is {one.state} by now"
    move(conn, one, one.state, at=at, by=by, reason=f"it was told: {reason}", lines=keep)
    return f"{one.there} keeps less of number {one.number}"


def _cancelling(
    conn: Connection, order: BookOrder, one: Forward, answer: str, by: str, reason: str, at: str
) -> str:
    if one.state != "cancelling":
        return "noted"
    if answer == "done":
        end(conn, order, replace(one, message=reason), "cancelled", by=by, at=at)
        return f"number {one.number} is cancelled at {one.there}"
    if answer == "again":
        change(conn, one, at, attempts=0, not_before="")
        return f"{one.there} is asked to cancel number {one.number} once more"
    move(conn, one, "acknowledged", at=at, by=by, message=reason)
    return f"{one.there} goes on with number {one.number}"


def _refused(
    conn: Connection, order: BookOrder, one: Forward, answer: str, by: str, reason: str, at: str
) -> str:
    if answer == "done":
        raise UsageError(
            f"number {one.number} ended as {one.state} and stays so",
            f"marketsync orders ship {order.id} tells of a parcel that left all the same",
        )
    if answer == "drop":
        return "nothing more comes of it; the order waits until it is released or cancelled"
    order = book.release_order(conn, order, ["destination"], by=by, reason=reason, at=at)
    made = again(conn, order, by=by, reason=reason, at=at)
    return (
        "it goes again, wherever the routes lead" if made else "none of its lines waits to be sent"
    )


def _gone(
    conn: Connection, order: BookOrder, one: Forward, answer: str, by: str, reason: str, at: str
) -> str:
    if answer != "again" or not one.live:
        return f"noted: marketsync orders ship {order.id} tells of its parcels"
    move(conn, one, "cancelled", at=at, by=by, message=reason)
    return "it goes again, wherever the routes lead"


_RESOLVE = {
    "destination_gone": _gone,
    "forward_unknown": _unknown,
    "cancel_at_destination": _cancelling,
    "forward_refused": _refused,
}
