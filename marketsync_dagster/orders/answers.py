"""What the end of a command means for its order: lines are accepted, cancelled, paid back; people
are asked where the source said no, or nobody can tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from shlex import quote
from typing import Any, Literal

from sqlalchemy import Connection

from marketsync_dagster.ledger.order_commands import CommandRow, save_commands
from marketsync_dagster.ledger.order_events import OrderEvent, record_events
from marketsync_dagster.ledger.order_holds import holds_of
from marketsync_dagster.ledger.order_tasks import Task, answer, ask
from marketsync_dagster.ledger.orders import BookLine, BookOrder, save_orders, touched
from marketsync_dagster.orders import book
from marketsync_dagster.orders.amounts import asked
from marketsync_dagster.orders.merge import standing
from marketsync_dagster.orders.states import may_follow
from marketsync_dagster.orders.tracking import carrier_command
from marketsync_dagster.orders.wanting import HAD, event_of, question_of
from marketsync_dagster.platforms.ordering import OrderCapabilities
from marketsync_dagster.values.order_states import UNFINISHED, CommandKind, OrderFlag, OrderState

S, K = OrderState, CommandKind

Ended = Literal["done", "refused", "unsupported", "dropped"]

WORDS: Mapping[CommandKind, str] = {
    K.ACCEPT: "the acceptance",
    K.TRACKING: "the tracking number",
    K.SHIP: "the shipment",
    K.PARCEL: "a parcel",
    K.CANCEL: "the cancellation",
    K.CANCEL_LINES: "the cancellation of lines",
    K.REFUND: "the refund",
}


def end_command(
    conn: Connection,
    order: BookOrder,
    row: CommandRow,
    state: Ended,
    can: OrderCapabilities,
    *,
    by: str,
    at: str,
) -> int:
    """Write down the end of a command and what follows for its order; how many questions it leads
    to. The order was read by `orders_to_change` in this transaction."""
    save_commands(conn, [replace(row, state=state, answered_at=at)])
    record_events(conn, [event_of(row, "answered", at, state, row.message, by)])
    answer(conn, question_of(row), f"{state}: {row.message}".rstrip(": "), by, at)
    if state in ("done", "unsupported"):
        _take_effect(conn, order, row, can, by=by, at=at)
    elif row.kind in (K.CANCEL, K.CANCEL_LINES) and state == "dropped":
        if order.decision == "cancel":  # it goes on as it was taken
            order = touched(order, at, decision="accept", decided_reason=row.message)
            save_orders(conn, [order])
        _end_cancelling(conn, order, by=by, at=at)
    if state != "refused":
        return 0
    if row.kind in (K.CANCEL, K.CANCEL_LINES):
        _cancelling_refused(conn, order, by=by, at=at)
    return _ask_refused(conn, order, row, at)


def ask_about(conn: Connection, order: BookOrder, row: CommandRow, at: str) -> int:
    """Ask people whether a command is done that cannot be looked up; 1 if it was not asked yet."""
    question = (
        f"Has {order.account} taken {WORDS[row.kind]} of order {order.number}? "
        "The answer was lost and cannot be looked up"
    )
    return _ask(conn, order, row, "command_unknown", question, ("done", "again", "drop"), at)


def _ask_refused(conn: Connection, order: BookOrder, row: CommandRow, at: str) -> int:
    question = (
        f"{order.account} refused {WORDS[row.kind]} of order {order.number}: "
        f"{row.message or 'it did not say why'}. What now?"
    )
    return _ask(conn, order, row, "command_refused", question, ("again", "drop"), at, _anew(row))


def _anew(row: CommandRow) -> list[str]:
    """The command line that corrects what was refused: another carrier, or reason code."""
    said = row.payload
    if number := said.get("tracking", {}).get("number"):
        return [carrier_command(row.order_id, number)]
    if not said.get("reason_code"):
        return []
    verb, options = "cancel", [("--line", said.get("lines", {}))]
    if row.kind is K.REFUND:
        verb, options = "refund", [("--line", said["amounts"])]
        options += [("--shipping", said.get("shipping_amounts", {}))]
        options += [("--pieces", said.get("lines", {}))]
    words = [
        f"{option} {quote(f'{line}={number}')}"
        for option, lines in options
        for line, number in sorted(lines.items())
    ]
    return [" ".join(["marketsync orders", verb, row.order_id, *words, "--code CODE"])]


def _ask(
    conn: Connection,
    order: BookOrder,
    row: CommandRow,
    kind: Literal["command_unknown", "command_refused"],
    question: str,
    answers: tuple[str, ...],
    at: str,
    more: Sequence[str] = (),
) -> int:
    commands = tuple(
        f"marketsync orders resolve {{task}} --answer {one} --by NAME --reason WHY"
        for one in answers
    )
    commands += tuple(f"{command} --by NAME --reason WHY" for command in more)
    task = Task(question_of(row), order.id, row.id, kind, question, commands, at)
    new = ask(conn, [task])
    record_events(
        conn, [OrderEvent(order.id, at, "task", after=kind, reason=question) for _ in new]
    )
    return len(new)


def _take_effect(
    conn: Connection, order: BookOrder, row: CommandRow, can: OrderCapabilities, *, by: str, at: str
) -> None:
    """The order after its source has done what it was told."""
    if row.kind is K.ACCEPT:
        taken: Mapping[str, bool] = row.payload.get("accepted", {})
        states = {line: S.ACCEPTED if yes else S.REFUSED for line, yes in taken.items()}
        reason = row.reason
        order = _move(conn, order, states, by=by, reason=reason, at=at)
        if not can.tells_readiness:
            ready = {
                line.line_id: S.IN_PREPARATION
                for line in order.lines
                if line.state is S.ACCEPTED and taken.get(line.line_id)
            }
            reason = f"{order.account} wants what is accepted shipped"
            _move(conn, order, ready, by=by, reason=reason, at=at)
    elif row.kind is K.CANCEL:
        states = {one.line_id: S.CANCELLED for one in order.lines if one.state in UNFINISHED}
        order = _move(conn, order, states, by=by, reason=row.reason, at=at)
        _end_cancelling(conn, order, by=by, at=at)
    elif row.kind is K.CANCEL_LINES:
        order = _fewer(conn, order, row, by=by, at=at)
        _end_cancelling(conn, order, by=by, at=at)
    elif row.kind is K.REFUND:
        _pay_back(conn, order, row, by=by, at=at)


def _move(
    conn: Connection,
    order: BookOrder,
    states: Mapping[str, OrderState],
    *,
    by: str,
    reason: str,
    at: str,
) -> BookOrder:
    """Move lines that may go there; what went on meanwhile stays where it is."""
    there = {line.line_id: line.state for line in order.lines}
    moves = {
        line: state
        for line, state in states.items()
        if line in there and there[line] is not state and may_follow(there[line], state)
    }
    return book.move(conn, order, moves, by=by, reason=reason, at=at) if moves else order


def counted_now(row: CommandRow, order: BookOrder) -> dict[str, Any]:
    """The payload of a command that goes now, with what the book counts of its lines."""
    lines = {line.line_id: line for line in order.lines}
    if row.kind is K.CANCEL_LINES:
        had = {one: lines[one].cancelled for one in row.payload.get("lines", {}) if one in lines}
    elif row.kind is K.REFUND:
        said = {**row.payload.get("amounts", {}), **row.payload.get("shipping_amounts", {})}
        had = {one: lines[one].refunded_minor for one in said if one in lines}
    else:
        return dict(row.payload)
    return {**row.payload, HAD: had}


def _fewer(conn: Connection, order: BookOrder, row: CommandRow, *, by: str, at: str) -> BookOrder:
    """The order with pieces that are not to be sent any more."""
    pieces: Mapping[str, int] = row.payload.get("lines", {})
    had: Mapping[str, int] = row.payload.get(HAD, {})
    events, lines, gone = [], [], {}
    for line in order.lines:
        more = had.get(line.line_id, line.cancelled) + pieces.get(line.line_id, 0)
        fewer = min(more - line.cancelled, line.open)
        if fewer > 0:
            events.append(
                OrderEvent(
                    order.id, at, "changed", line.line_id, str(line.cancelled),
                    str(line.cancelled + fewer), by, f"cancelled: {row.reason}",
                )
            )  # fmt: skip
            line = replace(line, cancelled=line.cancelled + fewer)
            if line.cancelled >= line.quantity:
                gone[line.line_id] = S.CANCELLED
            elif not line.open and line.shipped:
                gone[line.line_id] = S.SHIPPED
        lines.append(line)
    if not events:
        return order
    record_events(conn, events)
    order = _written(conn, order, lines, at)
    return _move(conn, order, gone, by=by, reason=row.reason, at=at)


def _pay_back(conn: Connection, order: BookOrder, row: CommandRow, *, by: str, at: str) -> None:
    had: Mapping[str, int] = row.payload.get(HAD, {})
    events, lines = [], []
    for line in order.lines:
        more = asked(row, line.line_id, order.currency)
        after = had.get(line.line_id, line.refunded_minor) + more
        if after > line.refunded_minor:
            events.append(
                OrderEvent(
                    order.id, at, "refund", line.line_id, str(line.refunded_minor), str(after), by,
                    row.reason,
                )
            )  # fmt: skip
            line = replace(line, refunded_minor=after)
        lines.append(line)
    if events:
        record_events(conn, events)
        _written(conn, order, lines, at)


def _written(conn: Connection, order: BookOrder, lines: Sequence[BookLine], at: str) -> BookOrder:
    """The order with other pieces or money of its lines."""
    held = OrderFlag.ON_HOLD in order.flags
    now = touched(standing(replace(order, lines=tuple(lines)), at, held=held), at)
    save_orders(conn, [now])
    return now


def _cancelling_refused(conn: Connection, order: BookOrder, *, by: str, at: str) -> None:
    """The order waits no longer for an answer, but for what people make of it."""
    if "cancelling" not in {hold.kind for hold in holds_of(conn, [order.id])}:
        return
    words = f"{order.account} refused the cancellation"
    order = book.release_order(conn, order, ["cancelling"], by=by, reason=words, at=at)
    book.hold_order(
        conn, order, "cancelling", f"{words}: what now?", "marketsync orders tasks", by, at
    )


def _end_cancelling(conn: Connection, order: BookOrder, *, by: str, at: str) -> None:
    """The order waits no longer for its source to answer a cancellation."""
    there = {hold.kind for hold in holds_of(conn, [order.id])}
    if "cancelling" in there:
        reason = "its source has answered the cancellation"
        book.release_order(conn, order, ["cancelling"], by=by, reason=reason, at=at)
