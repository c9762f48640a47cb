"""What people decide about orders, by name and for a reason: what the command line calls.

Each function checks, records and queues in one transaction; sources and destinations are told by
the next `fulfil_orders`. UsageError where it cannot be done, and why.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from hashlib import sha256

from sqlalchemy import Connection

from marketsync_dagster.config.orders import POS
from marketsync_dagster.config.settings import Settings
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.forwards import HERE, Forward, live_lines
from marketsync_dagster.ledger.order_commands import CommandRow, commands_of
from marketsync_dagster.ledger.order_events import OrderEvent, record_events
from marketsync_dagster.ledger.order_holds import HoldKind, holds_of
from marketsync_dagster.ledger.order_tasks import answer as answer_task
from marketsync_dagster.ledger.orders import (
    BookLine,
    BookOrder,
    get_order,
    orders_to_change,
    save_orders,
    touched,
)
from marketsync_dagster.ledger.shipments import Shipment, record_shipments, shipment_id
from marketsync_dagster.orders import book, forwarding
from marketsync_dagster.orders.amounts import cost, still_refundable
from marketsync_dagster.orders.came_back import answer_refunded
from marketsync_dagster.orders.deciding import record_decision
from marketsync_dagster.orders.gates import CANCELLING
from marketsync_dagster.orders.late_lines import decide_late, late_lines, settle_late
from marketsync_dagster.orders.rules import JUDGED
from marketsync_dagster.orders.states import DROPPED
from marketsync_dagster.orders.wanting import payload_of, want
from marketsync_dagster.orders.write_back import reason_task
from marketsync_dagster.platforms.ordering import OrderCapabilities
from marketsync_dagster.platforms.registry import order_capabilities_of
from marketsync_dagster.values.errors import UsageError
from marketsync_dagster.values.money import format_minor, to_decimal, to_minor
from marketsync_dagster.values.order_states import UNFINISHED, CommandKind, OrderState
from marketsync_dagster.values.times import to_iso, utcnow
from marketsync_dagster.values.words import counted

FULFIL = "marketsync run fulfil_orders"
DECIDED: list[HoldKind] = [*sorted(JUDGED), "unmapped"]
"""Holds that end when an order is decided: lines that are not mapped are refused with it."""

S, K = OrderState, CommandKind


@dataclass(frozen=True, slots=True)
class Done:
    """What a decision came to, in words."""

    order_id: str
    words: str
    next_step: str = ""


@dataclass(frozen=True, slots=True)
class Changing:
    """One order in the hands of a person, in a transaction."""

    conn: Connection
    order: BookOrder
    commands: tuple[CommandRow, ...]
    can: OrderCapabilities
    by: str
    reason: str
    at: str

    @property
    def acceptance(self) -> CommandRow | None:
        """The command that accepts or refuses it."""
        return next((one for one in self.commands if one.key == "accept"), None)

    def refuse_unless(self, fine: object, why: str, next_step: str = "") -> None:
        """UsageError naming the order."""
        if not fine:
            raise UsageError(f"order {self.order.number} {why}", next_step)


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
        order = one.order
        chosen = {order.line(line).line_id for line in lines}
        if late := late_lines(order, one.commands):
            return _late(one, [line for line in late if not chosen or line.line_id in chosen])
        _decidable(one)
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
            "`marketsync orders show` says why; --line accepts the others alone",
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
            one.conn, order, DECIDED, by=by, reason=f"accepted: {reason}", at=one.at
        )
        record_decision(
            one.conn, order, "accept", taken, by=by, reason=reason, at=one.at, anew=True
        )
        part = f", {counted(len(left_out), 'line')} refused" if left_out else ""
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
    now: datetime | None = None,
) -> Done:
    """Refuse an order that was not accepted yet, or lines that its source added after it was."""
    with changing(ledger, settings, order_id, by, reason, now) as one:
        if late := late_lines(one.order, one.commands):
            return _late(one, late, take=False)
        _decidable(one)
        return _refused(one)


def _decidable(one: Changing) -> None:
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


def _refused(one: Changing) -> Done:
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


def ship(
    ledger: Ledger,
    settings: Settings,
    order_id: str,
    *,
    by: str,
    reason: str,
    carrier: str = "",
    tracking: str = "",
    url: str = "",
    lines: Mapping[str, int] | None = None,
    now: datetime | None = None,
) -> Done:
    """A parcel has left: with all that is open, or with these pieces (line -> pieces)."""
    with changing(ledger, settings, order_id, by, reason, now) as one:
        order = one.order
        one.refuse_unless(
            carrier or not (one.can.needs_carrier and (tracking or url)),
            f"needs a carrier: {order.account} takes no tracking number without",
            "--carrier NAME",
        )
        held = {hold.kind for hold in holds_of(one.conn, [order.id])}
        refused = any(row.state == "refused" and row.kind in CANCELLING for row in one.commands)
        one.refuse_unless(
            order.decision != "cancel" and "cancelling" not in held,
            f"was to be cancelled: {order.account} refused, and nobody has decided what now"
            if refused
            else f"is being cancelled: {order.account} has still to answer",
            "marketsync orders tasks" if refused else FULFIL,
        )
        waiting = {
            line.line_id: line
            for line in order.lines
            if line.state in UNFINISHED - {S.NEW, S.AWAITING_PAYMENT} and line.open
        }
        early = any(line.state in (S.NEW, S.AWAITING_PAYMENT) for line in order.lines)
        one.refuse_unless(
            waiting,
            "was not accepted yet" if early else f"is {order.state.value}: nothing is left to ship",
            f"marketsync orders accept {order.id} --by NAME --reason WHY" if early else "",
        )
        pieces = dict(lines) if lines else {line: each.open for line, each in waiting.items()}
        for line_id, number in pieces.items():
            open_ = waiting[line_id].open if order.line(line_id) and line_id in waiting else 0
            one.refuse_unless(
                0 < number <= open_,
                f"has {counted(open_, 'piece')} of line {line_id} to ship, not {number}",
            )
        so_far = {line: waiting[line].shipped for line in pieces}
        live = live_lines(one.conn, [order.id]).get(order.id, {})
        has = {live[line].id: live[line] for line in pieces if line in live}
        there = [each for each in has.values() if each.state not in HERE]
        key = f"hand {_short(tracking, carrier, sorted(pieces.items()), sorted(so_far.items()))}"
        parcel = Shipment(
            id=shipment_id(order.id, key),
            order_id=order.id,
            key=key,
            forward_id=_till_that_has(one, there),
            carrier=carrier,
            tracking_number=tracking,
            tracking_url=url,
            lines=pieces,
            estimated_delivery="",
            created_at=one.at,
            created_by=by,
            changed_at=one.at,
        )
        record_shipments(one.conn, [parcel])
        total = sum(pieces.values())
        words = f"{counted(total, 'piece')} shipped"
        record_events(
            one.conn, [OrderEvent(order.id, one.at, "shipment", after=words, by=by, reason=reason)]
        )
        order = book.move(
            one.conn,
            order,
            {line: S.SHIPPED for line, number in pieces.items() if number == waiting[line].open},
            by=by,
            reason=reason,
            at=one.at,
            shipped={line: so_far[line] + number for line, number in pieces.items()},
        )
        left = sum(line.open for line in order.lines if line.state in UNFINISHED)
        rest = f", {counted(left, 'piece')} still to ship" if left else ""
        asked = "".join(
            f"; {each.there} (number {each.number}) is asked to take back what it has of it"
            for each in there
            if each.destination != POS
        )
        unpaid = [one_ for one_ in pieces if waiting[one_].state is S.ACCEPTED]
        early_words = f"; {order.account} has not said that it is paid" if unpaid else ""
        words = f"{words}{rest}{asked}{early_words}"
        return Done(order.id, f"order {order.number}: {words}", FULFIL)


def _till_that_has(one: Changing, forwards: Collection[Forward]) -> str:
    """The forward whose pieces a person ships: of a till, for people there tell so by hand. Empty:
    they come from elsewhere, and what another destination has of them is not wanted any more."""
    tills = [each for each in forwards if each.destination == POS]
    one.refuse_unless(
        len(tills) < 2,
        f"is at {counted(len(tills), 'till')}: each ships its own parcel",
        "--line LINE=PIECES, for each till by itself",
    )
    return tills[0].id if tills else ""


def cancel(
    ledger: Ledger,
    settings: Settings,
    order_id: str,
    *,
    by: str,
    reason: str,
    lines: Mapping[str, int] | None = None,
    code: str = "",
    now: datetime | None = None,
) -> Done:
    """Cancel an order that has not left, or pieces of it; `code` is the platform's reason code.

    A new order is refused. Until its source has answered nothing of the order is sent on.
    """
    with changing(ledger, settings, order_id, by, reason, now) as one:
        order = one.order
        late = [line.line_id for line in late_lines(order, one.commands)]
        if order.state is S.NEW and not late:
            one.refuse_unless(not lines, "is new: accept it with --line, or refuse it")
            _decidable(one)
            return _refused(one)
        told = one.acceptance
        one.refuse_unless(
            told is None or told.state not in ("intended", "unknown", "waiting"),
            "is just being accepted",
            FULFIL,
        )
        open_ = {line.line_id: line for line in order.lines if line.state in UNFINISHED}
        one.refuse_unless(open_, f"is {order.state.value}: it can only be refunded")
        pieces = dict(lines or {})
        for line_id, number in pieces.items():
            there = open_[line_id].open if order.line(line_id) and line_id in open_ else 0
            one.refuse_unless(
                0 < number <= there,
                f"has {counted(there, 'piece')} of line {line_id} to cancel, not {number}",
            )
        sent = [line for line in order.lines if line.shipped]
        whole = not sent and all(
            pieces.get(name, 0) == line.open for name, line in open_.items() if line.open
        )
        settled = [name for name in late if not pieces or pieces.get(name) == open_[name].open]
        order = settle_late(one.conn, order, settled, by=by, reason=reason, at=one.at)
        one = replace(one, order=order)
        if pieces and not whole:
            return _cancel_lines(one, pieces, code or _reasons(settings, order)[0])
        one.refuse_unless(
            not sent, "has left in part", "--line LINE=PIECES cancels what has not left"
        )
        one.refuse_unless(
            order.can_cancel is not False or K.CANCEL not in one.can.commands,
            f"cannot be cancelled now: so says {order.account}",
            "`marketsync run pull_orders` asks again",
        )
        order = touched(
            order,
            one.at,
            decision="cancel",
            decided_by=by,
            decided_at=one.at,
            decided_reason=reason,
        )
        save_orders(one.conn, [order])
        event = OrderEvent(order.id, one.at, "decided", after="cancel", by=by, reason=reason)
        record_events(one.conn, [event])
        one = replace(one, order=order)
        return _queue_cancelling(one, K.CANCEL, "cancel", payload_of(reason_code=code))


def _cancel_lines(one: Changing, pieces: Mapping[str, int], code: str) -> Done:
    order = one.order
    one.refuse_unless(
        code or not one.can.refund_reasons,
        f"needs a reason code of {order.account} for this",
        "--code CODE, or orders.cancel_reason of the account",
    )
    amounts, shipping = {}, {}
    for line_id, number in pieces.items():
        line = order.line(line_id)
        rest_of_it = line.cancelled + number == line.quantity
        minor = min(
            cost(order, line, number, line.cancelled),
            still_refundable(order, line_id, one.commands, goods_only=True),
        )
        amounts[line_id] = to_decimal(minor, order.currency)
        if rest_of_it and line.shipping_minor:
            shipping[line_id] = to_decimal(line.shipping_minor, order.currency)
    payload = payload_of(lines=pieces, amounts=amounts, shipping_amounts=shipping, reason_code=code)
    so_far = sorted((line, order.line(line).cancelled) for line in pieces)
    key = f"cancel_lines {_short(sorted(pieces.items()), so_far)}"
    return _queue_cancelling(one, K.CANCEL_LINES, key, payload)


def _queue_cancelling(
    one: Changing, kind: CommandKind, key: str, payload: Mapping[str, object]
) -> Done:
    order = one.order
    new = want(
        one.conn, order, kind, key, payload, by=one.by, reason=one.reason, at=one.at, anew=True
    )
    one.refuse_unless(new, "is being cancelled already")
    words = f"{order.account} has still to answer the cancellation"
    book.hold_order(one.conn, order, "cancelling", words, FULFIL, one.by, one.at)
    what = f"order {order.number}" if kind is K.CANCEL else f"pieces of order {order.number}"
    return Done(order.id, f"{what} will be cancelled; nothing of it is sent on meanwhile", FULFIL)


def refund(
    ledger: Ledger,
    settings: Settings,
    order_id: str,
    *,
    by: str,
    reason: str,
    amounts: Mapping[str, Decimal],
    shipping: Mapping[str, Decimal] | None = None,
    quantities: Mapping[str, int] | None = None,
    code: str = "",
    now: datetime | None = None,
) -> Done:
    """Give money back: line -> amount in major units of the order's currency, without shipping;
    `shipping` is what is given back of that."""
    with changing(ledger, settings, order_id, by, reason, now) as one:
        order = one.order
        one.refuse_unless(order.state is not S.NEW, "was not accepted yet: nothing was paid")
        one.refuse_unless(amounts, "is not refunded without a line and an amount")
        code = code or _reasons(settings, order)[1]
        one.refuse_unless(
            code or not one.can.refund_reasons or K.REFUND not in one.can.commands,
            f"needs a reason code of {order.account} for a refund",
            "--code CODE, or orders.refund_reason of the account",
        )
        total, before = 0, []
        for line_id in {**amounts, **(shipping or {})}:
            line = order.line(line_id)
            back = _minor(one, amounts.get(line_id, Decimal(0)))
            back += _minor(one, (shipping or {}).get(line_id, Decimal(0)))
            left = still_refundable(order, line_id, one.commands, besides=total)
            one.refuse_unless(
                0 < back <= left,
                f"has at most {format_minor(left, order.currency)} of line {line_id} to "
                f"give back, not {format_minor(back, order.currency)}",
            )
            total += back
            before.append((line_id, back, line.refunded_minor))
            answer_task(one.conn, reason_task(order.id, line_id), "refunded", by, one.at)
            answer_refunded(one.conn, order.id, line_id, by, one.at)
        payload = payload_of(
            lines=quantities, amounts=amounts, shipping_amounts=shipping, reason_code=code
        )
        key = f"refund {_short(sorted(before))}"
        new = want(
            one.conn, order, K.REFUND, key, payload, by=by, reason=reason, at=one.at, anew=True
        )
        one.refuse_unless(new, "gets this refund already")
        amount = format_minor(total, order.currency)
        return Done(order.id, f"order {order.number}: {amount} will be given back", FULFIL)


def _minor(one: Changing, amount: Decimal) -> int:
    try:
        return to_minor(amount, one.order.currency)
    except ValueError as error:
        raise UsageError(str(error)) from None


@contextmanager
def changing(
    ledger: Ledger,
    settings: Settings,
    order_id: str,
    by: str,
    reason: str,
    now: datetime | None,
) -> Iterator[Changing]:
    """An order that a person changes, its source locked until the end."""
    if not by.strip() or not reason.strip():
        raise UsageError("a decision has a name and a reason", "--by NAME --reason WHY")
    order = get_order(ledger, order_id)
    if order is None:
        raise UsageError(f"there is no order {order_id}", "marketsync orders list")
    source = order.account
    if source not in settings.order_sources():
        raise UsageError(f"{source}, which brought the order, is not in the configuration any more")
    can = order_capabilities_of(settings, source)
    with ledger.begin() as conn:
        order = orders_to_change(conn, source, [order_id])[order_id]
        commands = tuple(commands_of(conn, [order_id]).get(order_id, ()))
        yield Changing(conn, order, commands, can, by, reason, to_iso(now or utcnow()))


def _reasons(settings: Settings, order: BookOrder) -> tuple[str, str]:
    """The platform's reason codes for cancellations and refunds, as configured."""
    said = settings.order_sources()[order.account]
    return said.cancel_reason, said.refund_reason


def _release(order: BookOrder) -> str:
    return f"marketsync orders release {order.id} --by NAME --reason WHY"


def _short(*parts: object) -> str:
    return sha256(repr(parts).encode()).hexdigest()[:12]
