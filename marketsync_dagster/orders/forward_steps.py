"""The single steps of forwards, each recorded in its order's history: made, moved on, ended, asked
about. When a step is due belongs to `orders.forwarding`, `orders.handing` and `orders.fulfilment`.

Every function that takes a connection wants the order to be read by `orders_to_change` in the same
transaction.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from marketsync_dagster.config.settings import QikinkAccount, Settings
from marketsync_dagster.ledger import order_tasks
from marketsync_dagster.ledger.forwards import Forward, ForwardState, change, new_forward_id
from marketsync_dagster.ledger.order_events import OrderEvent, record_events
from marketsync_dagster.ledger.order_tables import forward
from marketsync_dagster.ledger.order_tasks import Task, TaskKind
from marketsync_dagster.ledger.orders import BookLine, BookOrder
from marketsync_dagster.ledger.restored import in_doubt
from marketsync_dagster.orders import book
from marketsync_dagster.orders.states import DROPPED
from marketsync_dagster.values.order_states import OrderState
from marketsync_dagster.values.times import to_iso

SUFFIX = 10
"""Signs of a number after its prefix, which has at most five."""
POS_PREFIX = "ms"
_SIGNS = "0123456789abcdefghijklmnopqrstuvwxyz"


def number_of(order_id: str, destination: str, outlet: str, attempt: int, salt: int = 0) -> str:
    """The number of an attempt without its prefix: the same for everybody, `SUFFIX` of 0-9 a-z."""
    text = "\0".join((order_id, destination, outlet, str(attempt), str(salt)))
    left = int.from_bytes(hashlib.sha256(text.encode()).digest())
    signs = []
    for _ in range(SUFFIX):
        left, place = divmod(left, len(_SIGNS))
        signs.append(_SIGNS[place])
    return "".join(signs)


def prefix_of(settings: Settings, destination: str) -> str:
    """How the numbers of our orders begin at a destination."""
    account = settings.accounts.get(destination)
    return account.number_prefix if isinstance(account, QikinkAccount) else POS_PREFIX


def waits(line: BookLine, forwards: Iterable[Forward]) -> bool:
    """Whether a line is to be forwarded, as far as it and the forwards of its order say. One that
    a destination of ours has made ready is, once that sends no more of it."""
    ready = line.state is OrderState.READY_TO_SHIP and any(
        not one.live and line.line_id in one.lines for one in forwards
    )
    return (
        (line.state is OrderState.IN_PREPARATION or ready)
        and line.vanished_at is None
        and bool(line.sku)
        and line.open > 0
    )


def made_forward(
    conn: Connection,
    order_id: str,
    destination: str,
    outlet: str,
    attempt: int,
    prefix: str,
    lines: Sequence[BookLine],
    moment: datetime,
) -> Forward:
    """A forward of what is open of lines that nobody has yet, under a number that nobody has;
    unknown, where the ledger was brought back from a backup since the order was made."""
    salt = 0
    while True:
        number = prefix + number_of(order_id, destination, outlet, attempt, salt)
        taken = select(forward.c.id).where(
            forward.c.destination == destination, forward.c.number == number
        )
        if conn.execute(taken).first() is None:
            break
        salt += 1
    at = to_iso(moment)
    doubt = in_doubt(conn, order_id)  # it may have been sent under this number before
    return Forward(
        id=new_forward_id(moment),
        order_id=order_id,
        destination=destination,
        outlet=outlet,
        attempt=attempt,
        number=number,
        state="unknown" if doubt else "pending",
        intended_at=doubt or None,
        created_at=at,
        changed_at=at,
        lines={line.line_id: line.open for line in lines},
        skus={line.line_id: line.sku for line in lines},
    )


def move(
    conn: Connection,
    one: Forward,
    state: ForwardState,
    *,
    at: str,
    by: str,
    reason: str = "",
    **changes: Any,
) -> Forward:
    """Change a forward and record it in the order's history."""
    after = change(conn, one, at, state=state, **changes)
    words = reason or after.message
    named = f"number {one.number} at {one.there}" + (f": {words}" if words else "")
    event = OrderEvent(one.order_id, at, "forwarded", "", one.state, state, by, named)
    record_events(conn, [event])
    return after


_QUESTIONS: dict[str, tuple[tuple[str, str], ...]] = {
    "forward_unknown": (("done", "it is there"), ("again", "it is not"), ("drop", "forget it")),
    "cancel_at_destination": (("done", "it is cancelled there"), ("drop", "it is too late")),
    "cancelled_after_shipping": (("done", "what came of it"),),
    "destination_gone": (("done", "it is, I tell of its parcels"), ("again", "it is not")),
    "forward_refused": (("again", "a new attempt"), ("drop", "no more of it")),
}


def ask(
    conn: Connection,
    one: Forward,
    kind: TaskKind,
    question: str,
    at: str,
    part: str = "",
) -> bool:
    """Ask people about a forward; False if it is asked already."""
    commands = tuple(
        f'marketsync orders resolve {{task}} --answer {answer} --by NAME --reason "{words}"'
        for answer, words in _QUESTIONS[kind]
    )
    task = Task(
        key=" ".join(filter(None, (kind, one.id, part))),
        order_id=one.order_id,
        subject=one.id,
        kind=kind,
        question=question,
        commands=commands,
        at=at,
    )
    new = order_tasks.ask(conn, [task])
    record_events(
        conn, [OrderEvent(one.order_id, at, "task", after=kind, reason=question) for _ in new]
    )
    return bool(new)


def close_tasks(
    conn: Connection,
    order_id: str,
    forwards: Iterable[Forward],
    kind: TaskKind,
    words: str,
    by: str,
    at: str,
) -> None:
    """What was asked about forwards has been answered by what happened."""
    for key in (key for one in forwards for key in order_tasks.open_about(conn, one.id, kind)):
        if order_tasks.answer(conn, key, words, by, at):
            event = OrderEvent(order_id, at, "task", before=kind, by=by, reason=words)
            record_events(conn, [event])


def ended_words(one: Forward) -> str:
    """How a forward ended, for a hold."""
    said = f": {one.message}" if one.message else ""
    verb = one.state
    if one.state == "failed":  # a till that will not send it says so later
        verb = one.raw_status if one.raw_status in ("refused", "cancelled") else "not fulfilled"
    return f"{one.there} has {verb} number {one.number}{said}"


def again_command(order_id: str) -> str:
    """What a person can do about a forward that ended without success."""
    return (
        f"marketsync orders release {order_id} --by NAME --reason WHY sends it again; or cancel it"
    )


def end(
    conn: Connection,
    order: BookOrder,
    one: Forward,
    state: ForwardState,
    *,
    by: str,
    at: str,
    **changes: Any,
) -> BookOrder:
    """A forward ends without success: for ever. The order waits for a person while any of its
    lines is still to be sent. `one.message` says why."""
    after = move(conn, one, state, at=at, by=by, message=one.message, **changes)
    there = [after]
    close_tasks(conn, order.id, there, "cancel_at_destination", f"it is {state}", by, at)
    close_tasks(conn, order.id, there, "forward_unknown", f"it is {state}", by, at)
    waiting = [line for line in order.lines if line.line_id in one.lines]
    if not any(line.open and line.state not in DROPPED for line in waiting):
        return order
    order = book.hold_order(
        conn, order, "destination", ended_words(after), again_command(order.id), by=by, at=at
    )
    question = f"{ended_words(after)} (order {order.number}): is there to be a new attempt?"
    ask(conn, after, "forward_refused", question, at)
    return order
