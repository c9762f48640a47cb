"""What a source says of a line, judged by what it said before: every pair of states."""

from __future__ import annotations

from itertools import product

import pytest

from marketsync_dagster.platforms.ordering import PulledOrder
from marketsync_dagster.values.order_states import ENDED, UNFINISHED, OrderFlag, OrderState
from marketsync_dagster_tests.orders.telling import (
    AT,
    BEFORE,
    EARLIER,
    LATER,
    a_line,
    an_order,
    kinds,
    known,
    states,
    told,
    words,
)

S = OrderState
DROPPED = (S.REFUSED, S.CANCELLED)
LEFT = set(OrderState) - UNFINISHED - set(DROPPED)

# The contract, section 10: what lies ahead of a state, over any number of steps.
_TRAVEL = {S.OUT_FOR_DELIVERY, S.DELIVERY_FAILED, S.DELIVERED, S.CLOSED, S.RETURNING, S.RETURNED,
           S.LOST}  # fmt: skip
_GOODS = {S.SHIPPED, *_TRAVEL}
AHEAD: dict[OrderState, set[OrderState]] = {
    S.NEW: set(OrderState) - {S.NEW},
    S.AWAITING_PAYMENT: {S.ACCEPTED, S.IN_PREPARATION, S.READY_TO_SHIP, S.CANCELLED, *_GOODS},
    S.ACCEPTED: {S.IN_PREPARATION, S.READY_TO_SHIP, S.CANCELLED, *_GOODS},
    S.IN_PREPARATION: {S.READY_TO_SHIP, S.CANCELLED, *_GOODS},
    S.READY_TO_SHIP: {S.CANCELLED, *_GOODS},
    S.SHIPPED: _TRAVEL,
    S.OUT_FOR_DELIVERY: _TRAVEL - {S.OUT_FOR_DELIVERY},
    S.DELIVERY_FAILED: _TRAVEL - {S.DELIVERY_FAILED},
    S.DELIVERED: {S.CLOSED, S.RETURNING, S.RETURNED, S.LOST},
    S.RETURNING: {S.RETURNED, S.LOST},
    **{state: set() for state in ENDED},
}
PAIRS = [(one, other) for one, other in product(OrderState, OrderState) if one is not other]


def of(state: OrderState | None, at: str = BEFORE, raw: str = "") -> PulledOrder:
    said = {"raw_state": raw} if raw else {}
    return an_order(a_line(state=state, **said), updated_at=at)


@pytest.mark.parametrize("at", [EARLIER, BEFORE, LATER], ids=["older", "same", "newer"])
def test_a_step_ahead_counts_and_one_back_is_an_anomaly(at: str) -> None:
    """All pairs, where our state is what the source said."""
    for before, after in PAIRS:
        merged = told(known(of(before)), of(after, at))
        line, said = merged.order.lines[0], [kind for kind, line in kinds(merged) if line]
        ahead = after in AHEAD[before]
        dropped_late = after in DROPPED and before in LEFT and at != EARLIER
        counts = ahead or at == LATER or (after in DROPPED and at == BEFORE)
        case = f"{before.value} -> {after.value}"
        assert line.state is (after if counts else before), case
        assert line.remote_state is line.state, case
        plain = ahead or (after in DROPPED and at != EARLIER)
        assert ("anomaly" in said) is (not plain or dropped_late), case
        assert ("state" in said) is counts, case
        task = [one.kind for one in merged.tasks]
        assert task == (["cancelled_after_shipping"] if dropped_late else []), case


def test_what_does_not_count_is_recorded_and_nothing_else_changes() -> None:
    before = known(of(S.SHIPPED))
    merged = told(before, of(S.NEW, EARLIER))
    assert kinds(merged) == [("anomaly", "1")]
    assert (merged.events[0].before, merged.events[0].after) == ("shipped", "new")
    assert merged.order.updated_at == BEFORE
    assert merged.order.raw_state == before.order.raw_state
    assert merged.order.lines == before.order.lines
    assert merged.stale


def test_an_older_document_changes_nothing_but_a_state_ahead() -> None:
    pulled = an_order(
        a_line(state=S.SHIPPED, quantity=9), a_line("2"), updated_at=EARLIER, ship_by=LATER
    )
    merged = told(known(of(S.NEW)), pulled)
    assert states(merged.order) == ["shipped"]
    assert merged.order.lines[0].quantity == 2
    assert merged.order.ship_by == ""


@pytest.mark.parametrize(
    ("ours", "before", "after", "then"),
    [
        (S.DELIVERED, S.IN_PREPARATION, S.SHIPPED, S.DELIVERED),  # a destination knows more
        (S.READY_TO_SHIP, S.AWAITING_PAYMENT, S.IN_PREPARATION, S.READY_TO_SHIP),
        (S.ACCEPTED, S.NEW, S.AWAITING_PAYMENT, S.ACCEPTED),  # the debit after our acceptance
        (S.ACCEPTED, S.AWAITING_PAYMENT, S.IN_PREPARATION, S.IN_PREPARATION),
        (S.LOST, S.SHIPPED, S.DELIVERED, S.LOST),
        (S.DELIVERY_FAILED, S.SHIPPED, S.OUT_FOR_DELIVERY, S.OUT_FOR_DELIVERY),
        (S.RETURNED, S.DELIVERED, S.CLOSED, S.RETURNED),
        (S.CLOSED, S.DELIVERED, S.RETURNED, S.RETURNED),
        (S.ACCEPTED, S.NEW, S.REFUSED, S.REFUSED),  # a refusal of the source always counts
        (S.IN_PREPARATION, S.NEW, S.CANCELLED, S.CANCELLED),
    ],
)
def test_the_further_of_both_is_what_we_know(
    ours: OrderState, before: OrderState, after: OrderState, then: OrderState
) -> None:
    merged = told(known(of(before), states={"1": ours}), of(after, LATER))
    assert merged.order.lines[0].state is then
    assert merged.order.lines[0].remote_state is after
    assert "anomaly" not in dict(kinds(merged))


def test_a_source_that_repeats_itself_does_not_take_back_what_we_know() -> None:
    before = known(of(S.IN_PREPARATION), states={"1": S.DELIVERED})
    merged = told(before, of(S.IN_PREPARATION, LATER))
    assert states(merged.order) == ["delivered"]
    assert not merged.events
    assert not merged.changed


def test_a_source_that_goes_back_does_not_take_back_what_a_destination_told() -> None:
    merged = told(known(of(S.SHIPPED), states={"1": S.DELIVERED}), of(S.IN_PREPARATION, LATER))
    assert states(merged.order) == ["delivered"]
    assert merged.order.lines[0].remote_state is S.IN_PREPARATION
    assert ("anomaly", "1") in kinds(merged)


@pytest.mark.parametrize("back", [S.NEW, S.AWAITING_PAYMENT])
def test_what_we_accepted_does_not_go_back_before_its_acceptance(back: OrderState) -> None:
    before = known(of(S.IN_PREPARATION), decision="accept")
    merged = told(before, of(back, LATER))
    assert states(merged.order) == ["accepted"]
    assert ("anomaly", "1") in kinds(merged)


@pytest.mark.parametrize("ours", DROPPED)
def test_what_we_dropped_comes_back_by_a_newer_word_alone_and_waits_for_a_person(
    ours: OrderState,
) -> None:
    before = known(of(S.NEW), states={"1": ours})
    merged = told(before, of(S.IN_PREPARATION, LATER))
    assert states(merged.order) == ["in_preparation"]
    assert ("anomaly", "1") in kinds(merged)
    assert [one.kind for one in merged.holds] == ["changed"]
    assert OrderFlag.ON_HOLD in merged.order.flags
    assert merged.order.lines[0].cancelled == 0
    for at in (BEFORE, EARLIER):
        kept = told(before, of(S.IN_PREPARATION, at))
        assert states(kept.order) == [ours.value], at
        assert ("anomaly", "1") in kinds(kept), at


@pytest.mark.parametrize("end", DROPPED)
def test_what_its_source_dropped_leaves_by_a_newer_word_alone(end: OrderState) -> None:
    for at, then in ((EARLIER, end), (BEFORE, end), (LATER, S.NEW)):
        merged = told(known(of(end)), of(S.NEW, at))
        assert states(merged.order) == [then.value], at
        assert ("anomaly", "1") in kinds(merged), at


@pytest.mark.parametrize("end", DROPPED)
def test_dropped_after_shipping_asks_what_becomes_of_the_goods(end: OrderState) -> None:
    merged = told(known(of(S.IN_PREPARATION), states={"1": S.SHIPPED}), of(end, LATER))
    assert states(merged.order) == [end.value]
    (task,) = merged.tasks
    assert task.kind == "cancelled_after_shipping"
    assert task.key == f"cancelled_after_shipping {merged.order.id} 1"
    assert "was shipped" in task.question
    assert any("{task}" in command for command in task.commands)


def test_goods_that_left_and_are_said_to_be_here_again_wait_for_a_person() -> None:
    merged = told(known(of(S.SHIPPED)), of(S.IN_PREPARATION, LATER))
    assert states(merged.order) == ["in_preparation"]
    assert merged.order.lines[0].open == 0  # they are not sent twice
    assert [one.kind for one in merged.holds] == ["changed"]


def test_an_unknown_word_keeps_the_state_and_is_told_once() -> None:
    before = known(of(S.IN_PREPARATION))
    merged = told(before, of(None, LATER, raw="ON_THE_MOON"))
    line = merged.order.lines[0]
    assert (line.state, line.remote_state, line.raw_state) == (
        S.IN_PREPARATION,
        S.IN_PREPARATION,
        "ON_THE_MOON",
    )
    assert [(e.kind, e.before, e.after) for e in merged.events] == [
        ("unknown_state", "IN_PREPARATION", "ON_THE_MOON")
    ]
    again = known(of(S.IN_PREPARATION))
    again = type(again)(merged.order)
    assert not told(again, of(None, f"{LATER[:-2]}9Z", raw="ON_THE_MOON")).events
    after = told(again, of(S.SHIPPED, f"{LATER[:-2]}9Z"))
    assert states(after.order) == ["shipped"]


def test_a_new_order_with_an_unknown_word_is_new_and_never_said_to_be() -> None:
    merged = told(None, of(None, raw="ON_THE_MOON"))
    line = merged.order.lines[0]
    assert (line.state, line.remote_state, line.raw_state) == (S.NEW, None, "ON_THE_MOON")
    assert ("unknown_state", "1") in kinds(merged)
    after = told(type(known(of(S.NEW)))(merged.order), of(S.SHIPPED, LATER))
    assert states(after.order) == ["shipped"]


def test_a_line_without_a_word_of_its_own_has_the_orders() -> None:
    pulled = an_order(a_line(state=None, raw_state=""), state=S.SHIPPED, raw_state="SHIPPED")
    line = told(None, pulled).order.lines[0]
    assert (line.state, line.raw_state) == (S.SHIPPED, "SHIPPED")


def test_an_order_ends_when_all_its_lines_have_and_begins_again_with_a_return() -> None:
    both = an_order(a_line("1", state=S.SHIPPED), a_line("2", state=S.CANCELLED))
    before = known(both)
    assert before.order.ended_at is None
    over = told(
        before,
        an_order(a_line("1", state=S.DELIVERED), a_line("2", state=S.CANCELLED), updated_at=LATER),
    )
    assert over.order.state is S.DELIVERED
    assert over.order.ended_at == AT
    back = told(
        type(before)(over.order),
        an_order(
            a_line("1", state=S.RETURNING),
            a_line("2", state=S.CANCELLED),
            updated_at=f"{LATER[:-2]}9Z",
        ),
    )
    assert back.order.ended_at is None
    assert words(back, "state")[-1] == ""


# --- what somebody else accepted


@pytest.mark.parametrize(
    ("state", "held"),
    [
        (S.NEW, []),
        (S.AWAITING_PAYMENT, ["manual"]),
        (S.ACCEPTED, ["manual"]),
        (S.IN_PREPARATION, ["manual"]),
        (S.SHIPPED, []),
        (S.CANCELLED, []),
    ],
)
def test_an_order_that_was_accepted_elsewhere_waits_for_a_person(
    state: OrderState, held: list[str]
) -> None:
    assert [one.kind for one in told(None, of(state)).holds] == held
    before = known(of(S.NEW))
    assert not told(before, of(state, LATER)).holds  # it was known before


def test_an_order_that_was_sent_on_under_the_old_name_of_its_source_waits_for_a_person() -> None:
    (hold,) = told(None, of(S.NEW), sent_before="old_shop").holds
    assert (hold.kind, "an order of old_shop" in hold.reason) == ("changed", True)
    assert "orders release" in hold.next_step
    assert not told(None, of(S.SHIPPED), sent_before="old_shop").holds
