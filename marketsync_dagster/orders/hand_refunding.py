"""Money that people give back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from marketsync_dagster.config.settings import Settings
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.order_tasks import answer as answer_task
from marketsync_dagster.orders.amounts import still_refundable
from marketsync_dagster.orders.by_hand import FULFIL, Changing, Done, changing, short
from marketsync_dagster.orders.came_back import answer_refunded
from marketsync_dagster.orders.wanting import payload_of, want
from marketsync_dagster.orders.write_back import reason_task
from marketsync_dagster.values.errors import UsageError
from marketsync_dagster.values.money import format_minor, to_minor
from marketsync_dagster.values.order_states import CommandKind, OrderState

S, K = OrderState, CommandKind


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
        code = code or one.said.refund_reason
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
        key = f"refund {short(sorted(before))}"
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
