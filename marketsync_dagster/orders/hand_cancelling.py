"""What people cancel: an order that has not left, or pieces of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from marketsync_dagster.config.settings import Settings
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.order_events import OrderEvent, record_events
from marketsync_dagster.ledger.orders import save_orders, touched
from marketsync_dagster.orders import book
from marketsync_dagster.orders.amounts import cost, still_refundable
from marketsync_dagster.orders.by_hand import FULFIL, Changing, Done, changing, short
from marketsync_dagster.orders.hand_deciding import decidable, refused
from marketsync_dagster.orders.late_lines import late_lines, settle_late
from marketsync_dagster.orders.wanting import payload_of, want
from marketsync_dagster.values.money import to_decimal
from marketsync_dagster.values.order_states import UNFINISHED, CommandKind, OrderState
from marketsync_dagster.values.words import counted

S, K = OrderState, CommandKind


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
            decidable(one)
            return refused(one)
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
            return _cancel_lines(one, pieces, code or one.said.cancel_reason)
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
    key = f"cancel_lines {short(sorted(pieces.items()), so_far)}"
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
