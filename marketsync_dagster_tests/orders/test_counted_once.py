"""What we have told a source comes back with the next pull, sometimes before the answer does: it is
counted once, and nobody is asked why it has changed."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.order_holds import holds_of
from marketsync_dagster.ledger.orders import BookOrder, save_orders, touched
from marketsync_dagster.orders import hand_cancelling, hand_refunding
from marketsync_dagster.platforms.ordering import Refund
from marketsync_dagster.values.order_states import OrderState
from marketsync_dagster.values.times import from_iso, to_iso
from marketsync_dagster_tests.orders.sources import (
    NOON,
    FakeSource,
    change,
    put,
    settings_of,
    tell,
    the,
    ways,
)
from marketsync_dagster_tests.orders.telling import AT, a_line, an_order

BY: dict[str, Any] = {"by": "amina", "reason": "as agreed", "now": NOON}
SETTINGS = "{accept: auto, cancel_reason: '34', refund_reason: '15'}"


def taken(ledger: Ledger, state: OrderState) -> BookOrder:
    """An order of three pieces that we have accepted."""
    (order,) = put(ledger, an_order(a_line(quantity=3)))

    def accept(conn: Connection, present: BookOrder) -> None:
        save_orders(conn, [touched(present, AT, decision="accept")])

    change(ledger, order, accept)
    return pulled(ledger, order, state)


def told_and_not_heard(ledger: Ledger) -> FakeSource:
    """The source has done what waits; its answer is lost, and it cannot be looked up yet."""
    source = FakeSource(script=["lose"], blind=True)
    tell(ledger, source)
    source.blind = False
    return source


def pulled(ledger: Ledger, order: BookOrder, state: OrderState, **said: Any) -> BookOrder:
    """The order after the next pull has told of it."""
    line = a_line(quantity=3, state=state, cancelled=said.pop("cancelled", 0))
    later = to_iso(from_iso(order.updated_at) + timedelta(hours=1))
    (now,) = put(ledger, an_order(line, state=state, updated_at=later, **said))
    return now


def heard(ledger: Ledger, source: FakeSource) -> None:
    """It is looked up at last."""
    tell(ledger, source, NOON + timedelta(hours=2))


def holds(ledger: Ledger, order: BookOrder) -> list[str]:
    with ledger.read() as conn:
        return [one.kind for one in holds_of(conn, [order.id])]


@pytest.mark.parametrize(
    ("told", "kept"), [(1, []), (2, ["changed"])], ids=["ours", "and one of the customer's"]
)
def test_pieces_that_a_pull_tells_as_cancelled_before_the_answer_are_counted_once(
    told: int, kept: list[str], ledger: Ledger, tmp_path: Path
) -> None:
    order = taken(ledger, OrderState.IN_PREPARATION)
    hand_cancelling.cancel(ledger, settings_of(tmp_path, SETTINGS), order.id, lines={"1": 1}, **BY)
    source = told_and_not_heard(ledger)
    assert ways(ledger, order)["cancel_lines"] == "unknown"
    pulled(ledger, order, order.state, cancelled=told)
    heard(ledger, source)
    assert ways(ledger, order)["cancel_lines"] == "done"
    (line,) = the(ledger, order.id).lines
    assert (line.cancelled, line.open, source.kinds) == (told, 3 - told, ["cancel_lines"])
    assert holds(ledger, order) == kept


def test_money_that_a_pull_tells_of_before_the_answer_is_counted_once(
    ledger: Ledger, tmp_path: Path
) -> None:
    order = taken(ledger, OrderState.SHIPPED)
    amounts = {"1": Decimal("2.50")}
    hand_refunding.refund(ledger, settings_of(tmp_path, SETTINGS), order.id, amounts=amounts, **BY)
    source = told_and_not_heard(ledger)
    pulled(ledger, order, order.state, refunds=(Refund("R1", "1", Decimal("2.50")),))
    heard(ledger, source)
    assert ways(ledger, order)["refund"] == "done"
    assert the(ledger, order.id).lines[0].refunded_minor == 250
