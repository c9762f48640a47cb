"""Answers of people to questions that no machine could answer (`ledger.order_tasks`)."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime

from marketsync_dagster.config.settings import Settings
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.order_commands import CommandRow, command_of, save_commands
from marketsync_dagster.ledger.order_events import OrderEvent, record_events
from marketsync_dagster.ledger.order_tasks import Task, get_task
from marketsync_dagster.ledger.order_tasks import answer as answer_task
from marketsync_dagster.ledger.shipments import shipments_of, tell_anew
from marketsync_dagster.orders import book, forwarding
from marketsync_dagster.orders.amounts import asked, still_refundable
from marketsync_dagster.orders.answers import WORDS, Ended, end_command
from marketsync_dagster.orders.by_hand import FULFIL, Changing, Done, changing
from marketsync_dagster.orders.gates import CANCELLING
from marketsync_dagster.orders.tracking import (
    carrier_command,
    lacks_carrier,
    name_of_parcel,
)
from marketsync_dagster.orders.wanting import event_of
from marketsync_dagster.orders.write_back import UNTOLD, told_now
from marketsync_dagster.values.errors import UsageError
from marketsync_dagster.values.money import format_minor
from marketsync_dagster.values.order_states import CommandKind
from marketsync_dagster.values.times import to_iso, utcnow

ANSWERS = ("done", "again", "drop")
"""What a question can be answered with: it is done (the person saw it there); it is not, and goes
again; nothing more comes of it."""
OF_FORWARDS = ("forward_unknown", "forward_refused", "cancel_at_destination", "destination_gone")
OF_COMMANDS = ("command_unknown", "command_refused")
_OFFERED = re.compile(r" orders resolve \S+ --answer (\w+)")


def answers_of(task: Task) -> list[str]:
    """What a question offers. One that another command answers can be closed as well."""
    found = [answer for command in task.commands for answer in _OFFERED.findall(command)]
    return found or ["done", "drop"]


def resolve_task(
    ledger: Ledger,
    settings: Settings,
    number: int,
    answer: str,
    *,
    by: str,
    reason: str,
    now: datetime | None = None,
) -> Done:
    """Answer an open question by its number with one of `ANSWERS`."""
    task = get_task(ledger, number)
    if task is None or task.state != "open":
        what = "was answered already" if task else "does not exist"
        raise UsageError(f"task {number} {what}", "marketsync orders tasks")
    if answer not in ANSWERS:
        raise UsageError(f"{answer!r} is no answer", f"one of {', '.join(ANSWERS)}")
    _check_offered(task, answer)
    if not task.order_id:
        if not by.strip() or not reason.strip():
            raise UsageError("an answer has a name and a reason", "--by NAME --reason WHY")
        with ledger.begin() as conn:
            at = to_iso(now or utcnow())
            answer_task(conn, task.key, f"{answer}: {reason}", by, at)
        return Done("", f"task {number} is closed")
    with changing(ledger, settings, task.order_id, by, reason, now) as one:
        words = _answered(one, task, answer)
        event = OrderEvent(
            one.order.id, one.at, "task", before=task.kind, after=answer, by=by, reason=reason
        )
        record_events(one.conn, [event])
        answer_task(one.conn, task.key, f"{answer}: {reason}", by, one.at)
        return Done(one.order.id, words, FULFIL)


def _check_offered(task: Task, answer: str) -> None:
    offered = answers_of(task)
    # what was refused is not done: why, is said below
    if answer in offered or (answer == "done" and task.kind.endswith("_refused")):
        return
    raise UsageError(
        f"task {task.id} ({task.kind}) is not answered with {answer!r}: {task.question}",
        f"--answer {', or '.join(offered)}",
    )


def _answered(one: Changing, task: Task, answer: str) -> str:
    """What an answer leads to, in words."""
    if task.kind in OF_FORWARDS:
        return forwarding.resolve(
            one.conn, one.order, task, answer, by=one.by, reason=one.reason, at=one.at
        )
    if task.kind == "carrier_needed" and answer == UNTOLD:
        tell_anew(one.conn, task.subject, one.at)
        return f"order {one.order.number}: the parcel is told without its tracking number"
    row = command_of(one.conn, task.subject) if task.kind in OF_COMMANDS else None
    if row is None:
        if answer == "again":
            raise UsageError("nothing can be tried again here", "--answer done, or drop")
        return f"task {task.id} is closed"
    if row.state not in ("unknown", "refused"):
        return f"nothing was changed: {_called(one, row)} is {row.state} by now"
    if answer == "again":
        _still_owed(one, row)
        row = _as_it_travels(one, row)
        save_commands(one.conn, [replace(row, state="waiting", not_before="", attempts=0)])
        said = event_of(row, "intended", one.at, "wanted again", one.reason, one.by)
        record_events(one.conn, [said])
        if row.kind in CANCELLING:
            _waits_again(one)
        return f"{_called(one, row)} goes to {one.order.account} again"
    if answer == "done" and row.state == "refused":
        raise UsageError(
            f"{one.order.account} has refused {_called(one, row)}: it is not done",
            "--answer again, or drop; the next pull tells what is true by now",
        )
    state: Ended = "done" if answer == "done" else "dropped"
    row = replace(row, message=f"{one.by}: {one.reason}")
    end_command(one.conn, one.order, row, state, one.can, by=one.by, at=one.at)
    return f"{_called(one, row)} counts as {state}"


def _called(one: Changing, row: CommandRow) -> str:
    """A command in words, with what it is about and its order."""
    said, about = row.payload.get("tracking", {}), ""
    if number := said.get("number"):
        about = f" {number}"
    elif lines := {**row.payload.get("lines", {}), **row.payload.get("amounts", {})}:
        about = f" (line {', '.join(lines)})"
    by = f" ({said['carrier']})" if number and said.get("carrier") else ""
    words = WORDS[row.kind].replace("a parcel", "the parcel")
    return f"{words}{about}{by} of order {one.order.number}"


def _waits_again(one: Changing) -> None:
    """A cancellation that was refused goes again: its source has to answer."""
    words = f"{one.order.account} has still to answer the cancellation"
    order = book.release_order(
        one.conn, one.order, ["cancelling"], by=one.by, reason=one.reason, at=one.at
    )
    book.hold_order(one.conn, order, "cancelling", words, FULFIL, one.by, one.at)


def _as_it_travels(one: Changing, row: CommandRow) -> CommandRow:
    """What was refused of a parcel, with its carrier and number as they are by now."""
    if row.kind not in (CommandKind.TRACKING, CommandKind.PARCEL) or row.state != "refused":
        return row
    parcels = shipments_of(one.conn, [one.order.id]).get(one.order.id, [])
    now = told_now(row, one.order, parcels, one.said)
    if now is None or now.parcel is None:
        return row
    one.refuse_unless(
        all(each.key != now.key or each.id == row.id for each in one.commands),
        f"has that parcel told to {one.order.account}",
        "--answer drop",
    )
    one.refuse_unless(
        not (one.can.needs_carrier and lacks_carrier(now.parcel)),
        "needs a carrier for its parcel, and is refused again without",
        carrier_command(one.order.id, name_of_parcel(now.parcel)),
    )
    return replace(row, key=now.key, payload=now.payload)


def _still_owed(one: Changing, row: CommandRow) -> None:
    """UsageError where a refund would give back more than is left by now."""
    if row.kind is not CommandKind.REFUND or row.state != "refused":
        return
    order, besides = one.order, 0
    said = {**row.payload.get("amounts", {}), **row.payload.get("shipping_amounts", {})}
    for line_id in said:
        back = asked(row, line_id, order.currency)
        left = still_refundable(order, line_id, one.commands, besides=besides)
        one.refuse_unless(
            back <= left,
            f"has at most {format_minor(left, order.currency)} of line {line_id} to give back by "
            f"now, not {format_minor(back, order.currency)}",
            "--answer drop",
        )
        besides += back
