"""What pieces cost, and what of an order can still be given back."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from marketsync_dagster.ledger.order_commands import CommandRow
from marketsync_dagster.ledger.orders import BookLine, BookOrder
from marketsync_dagster.orders.amounts import cost, still_refundable
from marketsync_dagster.orders.exact import minor
from marketsync_dagster.orders.merge import standing
from marketsync_dagster.orders.wanting import HAD, payload_of
from marketsync_dagster.platforms.ordering import Refund, UnreadableOrder
from marketsync_dagster.values.order_states import CommandKind, OrderFlag, OrderState
from marketsync_dagster_tests.orders import places as p
from marketsync_dagster_tests.orders.telling import a_line as told_line
from marketsync_dagster_tests.orders.telling import an_order as told_order
from marketsync_dagster_tests.orders.telling import known

K = CommandKind
PARTIALLY = OrderFlag.PARTIALLY_REFUNDED
MODE = {"order_tax_mode": "TAX_EXCLUDED"}


def soap(line_id: str = "1", **said: Any) -> BookLine:
    """Three pieces of 20.00."""
    return p.a_line(line_id, **{"quantity": 3, "unit_minor": 2000, "total_minor": 6000} | said)


def order_of(*lines: BookLine, **said: Any) -> BookOrder:
    return p.an_order(*(lines or (soap(),)), **said)


def a_command(
    kind: CommandKind, state: Any, amount: str = "", pieces: int = 0, had: int | None = None
) -> CommandRow:
    """A refund or a cancellation of line 1."""
    payload = payload_of(
        lines={"1": pieces} if pieces else {}, amounts={"1": Decimal(amount)} if amount else {}
    )
    if had is not None:
        payload[HAD] = {"1": had}
    return CommandRow("c1", "o", "k", kind, payload, state, "", "x", "")


def refund_of(amount: str, state: str = "waiting", had: int | None = None) -> CommandRow:
    return a_command(K.REFUND, state, amount, had=had)


def fewer(pieces: int, state: str, had: int | None = None) -> CommandRow:
    return a_command(K.CANCEL_LINES, state, pieces=pieces, had=had)


HALF = soap(total_minor=3000, tax_minor=400)
LEFT: list[tuple[str, BookOrder, list[CommandRow], int]] = [
    ("all of it", order_of(), [], 6000),
    ("a piece was cancelled", order_of(soap(cancelled=1)), [], 4000),
    ("of an order with more", order_of(soap(cancelled=1), soap("2")), [], 4000),
    ("and one was paid back", order_of(soap(cancelled=1, refunded_minor=2000)), [], 2000),
    ("a cancellation is on its way", order_of(), [fewer(1, "waiting")], 4000),
    ("it is counted already", order_of(soap(cancelled=1)), [fewer(1, "unknown", 0)], 4000),
    ("a refund waits", order_of(), [refund_of("50.00")], 1000),
    ("it may be done", order_of(), [refund_of("50.00", "unknown", 0)], 1000),
    ("it is, and counted", order_of(soap(refunded_minor=5000)),
     [refund_of("50.00", "unknown", 0)], 1000),
    ("it was refused", order_of(), [refund_of("50.00", "refused")], 6000),
    ("a discount of the line, tax inside", order_of(HALF, total_minor=3000), [], 3000),
    ("its tax beside", order_of(HALF, details=MODE, total_minor=3400), [], 3400),
    ("shipping", order_of(soap(shipping_minor=500), shipping_minor=500, total_minor=6500), [],
     6500),
    ("a discount of the order", order_of(total_minor=4500), [], 4500),
    ("of which another line has its share", order_of(soap(), soap("2"), total_minor=6000), [],
     3000),
    ("the other was refused", order_of(soap(), soap("2", state=OrderState.REFUSED, cancelled=3),
     total_minor=6000), [], 6000),
    ("never below nothing", order_of(soap(refunded_minor=9000)), [], 0),
]  # fmt: skip


@pytest.mark.parametrize(
    ("order", "there", "left"), [row[1:] for row in LEFT], ids=[row[0] for row in LEFT]
)
def test_no_more_is_given_back_than_was_paid_for_what_was_sent(
    order: BookOrder, there: list[CommandRow], left: int
) -> None:
    assert still_refundable(order, "1", there) == left


def test_what_goes_back_of_other_lines_counts_too() -> None:
    order = order_of(soap(shipping_minor=500), soap("2"), shipping_minor=500, total_minor=12000)
    assert still_refundable(order, "2", [], besides=8000) == 4000


def test_pieces_have_their_share_and_all_of_them_make_the_whole() -> None:
    line = soap(total_minor=1000)
    order = order_of(line)
    assert [cost(order, line, 1, before) for before in range(3)] == [333, 333, 334]
    assert cost(order, line, 3) == 1000


def test_the_money_of_cancelled_pieces_is_no_refund() -> None:
    back = (Refund("c1", "1", Decimal(10), 1, kind="cancel"), Refund("r1", "1", Decimal(4)))
    order = known(told_order(told_line(cancelled=1), refunds=back)).order
    assert order.lines[0].refunded_minor == 400
    assert still_refundable(order, "1", []) == 600


@pytest.mark.parametrize("back", [4500, 4499])
def test_a_discounted_order_is_refunded_when_all_that_was_paid_is_given_back(back: int) -> None:
    order = order_of(soap(refunded_minor=back), total_minor=4500)
    wanted = OrderFlag.REFUNDED if still_refundable(order, "1", []) == 0 else PARTIALLY
    assert standing(order, "", held=False).flags == {wanted}


def test_an_order_whose_total_nobody_tells_is_refunded_when_its_lines_are() -> None:
    order = order_of(soap(refunded_minor=1), total_minor=0)
    assert standing(order, "", held=False).flags == {PARTIALLY}


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("10." + "0" * 30 + "1", "total: more decimals than the 2"),
        ("1" * 29 + ".01", "total: too large"),
        ("1E+999999", "total: too large"),
        ("1E-999999", "total: more decimals"),
    ],
)
def test_an_amount_of_many_digits_is_refused_by_its_place_and_never_rounded(
    amount: str, words: str
) -> None:
    with pytest.raises(UnreadableOrder, match=words):
        minor(Decimal(amount), "KES", "total")
    assert minor(Decimal("10." + "0" * 40), "KES", "total") == 1000
