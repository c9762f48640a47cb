"""What may follow what, which state is further, and what lines make of an order."""

from __future__ import annotations

import pytest

from marketsync_dagster.ledger.orders import BookLine
from marketsync_dagster.orders.states import (
    STEPS,
    aggregate,
    all_over,
    further,
    has_left,
    header,
    is_forward,
    is_over,
    may_follow,
    rank,
)
from marketsync_dagster.values.order_states import ENDED, UNFINISHED, OrderFlag, OrderState

S = OrderState

# The contract, section 10, state by state: what our own moves may do, besides staying.
_AFTER_LEAVING = {S.OUT_FOR_DELIVERY, S.DELIVERED, S.CLOSED, S.DELIVERY_FAILED, S.RETURNING,
                  S.RETURNED, S.LOST}  # fmt: skip
ALLOWED: dict[OrderState, set[OrderState]] = {
    S.NEW: {S.AWAITING_PAYMENT, S.ACCEPTED, S.REFUSED, S.CANCELLED},
    S.AWAITING_PAYMENT: {S.ACCEPTED, S.CANCELLED},
    S.ACCEPTED: {S.IN_PREPARATION, S.READY_TO_SHIP, S.SHIPPED, S.CANCELLED, *_AFTER_LEAVING},
    S.IN_PREPARATION: {S.READY_TO_SHIP, S.SHIPPED, S.CANCELLED, *_AFTER_LEAVING},
    S.READY_TO_SHIP: {S.SHIPPED, S.CANCELLED, *_AFTER_LEAVING},
    S.SHIPPED: _AFTER_LEAVING,
    # delivery may fail and be tried again
    S.OUT_FOR_DELIVERY: _AFTER_LEAVING - {S.OUT_FOR_DELIVERY},
    S.DELIVERY_FAILED: _AFTER_LEAVING - {S.DELIVERY_FAILED},
    S.DELIVERED: {S.CLOSED, S.RETURNING, S.RETURNED, S.LOST},
    S.RETURNING: {S.RETURNED, S.LOST},
    S.CLOSED: set(),
    S.RETURNED: set(),
    S.LOST: set(),
    S.REFUSED: set(),
    S.CANCELLED: set(),
}


@pytest.mark.parametrize("before", list(OrderState))
def test_our_own_moves_go_along_the_contract(before: OrderState) -> None:
    found = {after for after in OrderState if after is not before and may_follow(before, after)}
    assert found == ALLOWED[before]
    assert may_follow(before, before)


def test_what_is_not_accepted_is_never_shipped_by_us_but_a_source_may_jump() -> None:
    assert not may_follow(S.NEW, S.SHIPPED)
    assert is_forward(S.NEW, S.SHIPPED)
    assert is_forward(S.AWAITING_PAYMENT, S.CLOSED)
    assert not is_forward(S.SHIPPED, S.IN_PREPARATION)
    assert not is_forward(S.SHIPPED, S.SHIPPED)


def test_every_state_has_steps_and_a_rank_of_its_own() -> None:
    assert set(STEPS) == set(OrderState)
    assert len({rank(state) for state in OrderState}) == len(OrderState)


@pytest.mark.parametrize("before", list(OrderState))
def test_what_comes_next_is_further(before: OrderState) -> None:
    for after in STEPS[before] - {S.OUT_FOR_DELIVERY}:  # tried again after a failure
        assert further(before, after) is after
        assert further(after, before) is after


def test_what_has_left_and_what_is_over() -> None:
    left = {state for state in OrderState if has_left(state)}
    assert left == {S.SHIPPED, *_AFTER_LEAVING}
    assert not left & UNFINISHED
    assert {state for state in OrderState if is_over(state)} == ENDED | {S.DELIVERED}


@pytest.mark.parametrize(
    ("lines", "order"),
    [
        ([S.NEW], S.NEW),
        ([S.NEW, S.SHIPPED], S.NEW),
        ([S.SHIPPED, S.IN_PREPARATION, S.DELIVERED], S.IN_PREPARATION),
        ([S.REFUSED, S.ACCEPTED], S.ACCEPTED),
        ([S.CANCELLED, S.SHIPPED], S.SHIPPED),
        ([S.CLOSED, S.DELIVERED], S.DELIVERED),
        ([S.CANCELLED, S.CLOSED], S.CLOSED),
        ([S.CLOSED, S.RETURNED], S.CLOSED),
        ([S.RETURNED, S.LOST, S.CANCELLED], S.RETURNED),
        ([S.LOST, S.REFUSED], S.LOST),
        ([S.REFUSED, S.CANCELLED], S.CANCELLED),
        ([S.REFUSED, S.REFUSED], S.REFUSED),
        ([S.CANCELLED], S.CANCELLED),
    ],
)
def test_an_order_stands_where_its_least_line_does(
    lines: list[OrderState], order: OrderState
) -> None:
    assert header(lines) is order
    assert header(reversed(lines)) is order


def a_line(
    state: OrderState,
    *,
    quantity: int = 2,
    cancelled: int = 0,
    shipped: int = 0,
    refunded: int = 0,
    vanished: bool = False,
) -> BookLine:
    return BookLine(
        "o", "1", 0, "S1", "westlands", "S1", "", "", quantity, 100, 100 * quantity, 50, 0,
        refunded, cancelled, shipped, state, "", state, "2026" if vanished else None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "flags"),
    [
        ([a_line(S.IN_PREPARATION)], set()),
        ([a_line(S.IN_PREPARATION, shipped=1)], {OrderFlag.PARTIALLY_SHIPPED}),
        (
            [a_line(S.SHIPPED, shipped=2), a_line(S.ACCEPTED)],
            {OrderFlag.PARTIALLY_SHIPPED},
        ),
        ([a_line(S.SHIPPED, shipped=2), a_line(S.CANCELLED, cancelled=2)], set()),
        ([a_line(S.SHIPPED, shipped=2), a_line(S.NEW, vanished=True)], set()),
        ([a_line(S.CLOSED, refunded=1)], {OrderFlag.PARTIALLY_REFUNDED}),
        ([a_line(S.CLOSED, refunded=249)], {OrderFlag.PARTIALLY_REFUNDED}),
        ([a_line(S.CLOSED, refunded=250)], {OrderFlag.REFUNDED}),
    ],
)
def test_lines_say_what_is_true_beside_the_state(
    lines: list[BookLine], flags: set[OrderFlag]
) -> None:
    assert aggregate(lines)[1] == flags


def test_a_line_that_vanished_counts_only_where_all_have() -> None:
    gone, there = a_line(S.NEW, vanished=True), a_line(S.SHIPPED, shipped=2)
    assert aggregate([gone, there])[0] is S.SHIPPED
    assert aggregate([gone])[0] is S.NEW
    assert not all_over([gone, there])
    assert all_over([gone, a_line(S.DELIVERED)])
    assert not all_over([gone])


def test_what_vanished_is_not_to_be_sent() -> None:
    assert a_line(S.IN_PREPARATION, shipped=1).open == 1
    assert a_line(S.IN_PREPARATION, vanished=True).open == 0
