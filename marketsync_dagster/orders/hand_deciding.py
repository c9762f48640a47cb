"""What people decide about whole orders: taken or refused, held or released."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from marketsync_dagster.config.settings import Settings
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.order_holds import HoldKind, holds_of
from marketsync_dagster.ledger.orders import BookLine, BookOrder
from marketsync_dagster.orders import book, forwarding
from marketsync_dagster.orders.by_hand import FULFIL, Changing, Done, changing
from marketsync_dagster.orders.deciding import record_decision
from marketsync_dagster.orders.late_lines import decide_late, late_lines
from marketsync_dagster.orders.rules import JUDGED
from marketsync_dagster.orders.states import DROPPED
from marketsync_dagster.values.order_states import CommandKind, OrderState
from marketsync_dagster.values.words import counted

DECIDED: list[HoldKind] = [*sorted(JUDGED), "unmapped"]
"""Holds that end when an order is decided: lines that are not mapped are refused with it."""

S, K = OrderState, CommandKind


def accept(
    ledger: Ledger,
    settings: Settings,
    order_id: str,
    *,
    by: str,
    reason: str,
    lines: Collection[str] = (),
    now: datetime | None = None,
) -> Done:
    """Take an order; with `lines`, those alone, and refuse the others (where its source allows
    it)."""
    with changing(ledger, settings, order_id, by, reason, now) as one:
        chosen = {one.order.line(line).line_id for line in lines}
        if late := late_lines(one.order, one.commands):
            return _late(one, [line for line in late if not chosen or line.line_id in chosen])
        decidable(one)
        return _accepted(one, chosen)


def _accepted(one: Changing, chosen: Collection[str]) -> Done:
    """The order taken: with these lines alone, or, without any, with all."""
    order = one.order
    open_ = [line for line in order.lines if line.vanished_at is None]
    taken = {
        line.line_id: line.state not in DROPPED and (not chosen or line.line_id in chosen)
        for line in open_
    }
    one.refuse_unless(any(taken.values()), "has no line to be accepted")
    lacking = [line for line in open_ if taken[line.line_id] and not line.sku]
    one.refuse_unless(
        not lacking,
        f"cannot be accepted: {counted(len(lacking), 'line')} not mapped",
        f"marketsync orders show {order.id} says why"
        + ("; --line accepts the others alone" if one.can.partial_accept else ""),
    )
    left_out = [line for line in open_ if not taken[line.line_id] and line.state not in DROPPED]
    one.refuse_unless(
        not left_out or one.can.partial_accept,
        f"has to be accepted whole: {order.account} takes no parts",
    )
    overdue = order.accept_by and order.accept_by < one.at and K.ACCEPT in one.can.commands
    one.refuse_unless(not overdue, f"had to be accepted by {order.accept_by}")
    _decided_anew(one, taken)
    order = book.release_order(
        one.conn, order, DECIDED, by=one.by, reason=f"accepted: {one.reason}", at=one.at
    )
    record_decision(
        one.conn, order, "accept", taken, by=one.by, reason=one.reason, at=one.at, anew=True
    )
    named = ", ".join(line.line_id for line in left_out)
    part = f", {counted(len(left_out), 'line')} refused ({named})" if left_out else ""
    held = {hold.kind for hold in holds_of(one.conn, [order.id])}
    words = f"order {order.number} is accepted{part}"
    if held:
        return Done(order.id, f"{words}, and waits: {', '.join(sorted(held))}", _release(order))
    return Done(order.id, words, FULFIL)


def refuse(
    ledger: Ledger,
    settings: Settings,
    order_id: str,
    *,
    by: str,
    reason: str,
    lines: Collection[str] = (),
    now: datetime | None = None,
) -> Done:
    """Refuse an order that was not accepted yet, or lines that its source added after it was; with
    `lines`, those alone, and of a new order take the others (where its source allows it)."""
    with changing(ledger, settings, order_id, by, reason, now) as one:
        chosen = {one.order.line(line).line_id for line in lines}
        if late := late_lines(one.order, one.commands):
            named = [line for line in late if not chosen or line.line_id in chosen]
            return _late(one, named, take=False)
        decidable(one)
        open_ = [line for line in one.order.lines if line.vanished_at is None]
        there = {line.line_id for line in open_ if line.state not in DROPPED}
        over = ", ".join(sorted(chosen - there))
        one.refuse_unless(not over, f"has nothing to refuse of line {over}")
        left = there - chosen
        return _accepted(one, left) if chosen and left else refused(one)


def decidable(one: Changing) -> None:
    """Whether an order can still be accepted or refused."""
    one.refuse_unless(
        one.order.state is S.NEW,
        f"is {one.order.state.value}: only a new one can be accepted or refused",
    )
    told = one.acceptance
    one.refuse_unless(
        told is None or told.state not in ("intended", "unknown", "done", "unsupported"),
        f"was decided: {one.order.account} has been told, or is just being told",
        f"marketsync orders show {one.order.id}",
    )


def _decided_anew(one: Changing, taken: Mapping[str, bool]) -> None:
    """The same decision is not made twice: who made it, and why, would be lost."""
    told, order = one.acceptance, one.order
    same = told is not None and told.state == "waiting" and told.payload.get("accepted") == taken
    verb = "accepted" if any(taken.values()) else "refused"
    one.refuse_unless(not same, f"is {verb} already, by {order.decided_by}", FULFIL)


def _late(one: Changing, lines: Sequence[BookLine], *, take: bool = True) -> Done:
    """Decide on lines that came after their order was decided."""
    order, said = one.order, {"by": one.by, "reason": one.reason, "at": one.at}
    one.refuse_unless(lines, "has no such line to decide on: it was decided")
    named = ", ".join(f"line {line.line_id}" for line in lines)
    one.refuse_unless(
        not one.can.tells_readiness,
        f"has {named} since it was decided: whether it is taken, {order.account} says",
        "marketsync run pull_orders",
    )
    decide_late(one.conn, order, lines, take=take, **said)
    verb = "accepted" if take else "refused"
    return Done(order.id, f"order {order.number}: {named} is {verb}", FULFIL)


def refused(one: Changing) -> Done:
    """Refuse all lines of a new order."""
    lines = {line.line_id: False for line in one.order.lines if line.vanished_at is None}
    _decided_anew(one, lines)
    order = book.release_order(
        one.conn, one.order, DECIDED, by=one.by, reason=f"refused: {one.reason}", at=one.at
    )
    record_decision(
        one.conn, order, "refuse", lines, by=one.by, reason=one.reason, at=one.at, anew=True
    )
    return Done(order.id, f"order {order.number} is refused", FULFIL)


def hold(
    ledger: Ledger,
    settings: Settings,
    order_id: str,
    *,
    by: str,
    reason: str,
    now: datetime | None = None,
) -> Done:
    """Let nothing happen to an order until it is released."""
    with changing(ledger, settings, order_id, by, reason, now) as one:
        order = one.order
        one.refuse_unless(order.ended_at is None, f"is {order.state.value}: there is no more to do")
        book.hold_order(one.conn, order, "person", reason, _release(order), by, one.at)
        return Done(order.id, f"order {order.number} is held", _release(order))


def release(
    ledger: Ledger,
    settings: Settings,
    order_id: str,
    *,
    by: str,
    reason: str,
    now: datetime | None = None,
) -> Done:
    """Let an order go on, and try again what ended without success at its destination: a new
    attempt, which is recorded.

    Lines that are not mapped, and a cancellation that its source has not answered, hold it all the
    same; a new order waits for `accept` or `refuse`.
    """
    with changing(ledger, settings, order_id, by, reason, now) as one:
        order = one.order
        kept = {"unmapped", "cancelling"} | (JUDGED if order.state is S.NEW else set())
        there: set[HoldKind] = {each.kind for each in holds_of(one.conn, [order.id])}
        order = book.release_order(
            one.conn, order, sorted(there - kept), by=by, reason=reason, at=one.at
        )
        late = [] if one.can.tells_readiness else late_lines(order, one.commands)
        if late:
            order = decide_late(one.conn, order, late, take=True, by=by, reason=reason, at=one.at)
        attempts = 0
        if order.state is not S.NEW or late:
            attempts = forwarding.again(one.conn, order, by=by, reason=reason, at=one.at)
        left = sorted(there & kept)
        one.refuse_unless(
            there - kept or attempts or late,
            f"waits: {', '.join(left)}" if left else "is not held",
            f"marketsync orders accept {order.id} --by NAME --reason WHY (or refuse)"
            if JUDGED & set(left)
            else "",
        )
        words = [f"order {order.number} is released"]
        words += ["what has failed goes again, wherever the routes lead"] if attempts else []
        words += [f"line {line.line_id} is accepted" for line in late]
        words += [f"it still waits: {', '.join(left)}"] if left else []
        return Done(order.id, "; ".join(words), FULFIL)


def _release(order: BookOrder) -> str:
    return f"marketsync orders release {order.id} --by NAME --reason WHY"
