"""What people cancel, and the money that they give back."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from marketsync_dagster.config.settings import Settings
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.order_holds import holds_of
from marketsync_dagster.ledger.order_tasks import open_tasks
from marketsync_dagster.orders import (
    by_hand,
    hand_cancelling,
    hand_deciding,
    hand_refunding,
    hand_shipping,
)
from marketsync_dagster.orders.resolving import resolve_task
from marketsync_dagster.values.order_states import OrderState
from marketsync_dagster_tests.orders.by_hand.hands import WHO, held, refused
from marketsync_dagster_tests.orders.sources import (
    FakeSource,
    accepted,
    commands,
    put,
    settings_of,
    tell,
    the,
    ways,
)
from marketsync_dagster_tests.orders.telling import a_line, an_order

S = OrderState


def test_a_new_order_that_is_cancelled_is_refused(ledger: Ledger, settings: Settings) -> None:
    (order,) = put(ledger, an_order())
    assert "is refused" in hand_cancelling.cancel(ledger, settings, order.id, **WHO).words
    assert ways(ledger, order) == {"accept": "waiting"}


def test_a_cancellation_keeps_the_order_back_until_its_source_has_answered(
    ledger: Ledger, settings: Settings
) -> None:
    order = accepted(ledger)
    hand_cancelling.cancel(ledger, settings, order.id, **WHO)
    assert (held(ledger, order), the(ledger, order.id).decision) == ({"cancelling"}, "cancel")
    assert "is being cancelled" in refused(hand_shipping.ship, ledger, settings, order.id)
    assert "already" in refused(hand_cancelling.cancel, ledger, settings, order.id)
    assert "waits: cancelling" in refused(hand_deciding.release, ledger, settings, order.id)
    tell(ledger, FakeSource())
    assert (the(ledger, order.id).state, held(ledger, order)) == (S.CANCELLED, set())


def test_a_cancellation_that_is_refused_is_a_question_and_can_be_dropped(
    ledger: Ledger, settings: Settings
) -> None:
    order = accepted(ledger)
    hand_cancelling.cancel(ledger, settings, order.id, **WHO)
    tell(ledger, FakeSource(script=["refuse"]))
    assert held(ledger, order) == {"cancelling"}
    (task,) = open_tasks(ledger, order.id)
    resolve_task(ledger, settings, task.id, "drop", **WHO)
    now = the(ledger, order.id)
    assert (held(ledger, order), now.decision, now.state) == (set(), "accept", S.IN_PREPARATION)
    hand_cancelling.cancel(ledger, settings, order.id, **WHO)
    tell(ledger, FakeSource())
    assert the(ledger, order.id).state is S.CANCELLED


def test_pieces_are_cancelled_with_their_money(ledger: Ledger, settings: Settings) -> None:
    order = accepted(ledger, a_line("1", shipping=Decimal(3)), a_line("2"))
    hand_cancelling.cancel(ledger, settings, order.id, lines={"1": 2, "2": 1}, **WHO)
    source = FakeSource()
    tell(ledger, source)
    (one,) = source.performed
    assert (one.lines, one.amounts, one.shipping_amounts, one.reason_code) == (
        {"1": 2, "2": 1},
        {"1": Decimal("20.00"), "2": Decimal("10.00")},
        {"1": Decimal("3.00")},
        "34",
    )
    now = the(ledger, order.id)
    assert [(line.state, line.open) for line in now.lines] == [
        (S.CANCELLED, 0),
        (S.IN_PREPARATION, 1),
    ]
    assert held(ledger, order) == set()


def test_what_has_left_is_refunded_and_not_cancelled(ledger: Ledger, settings: Settings) -> None:
    order = accepted(ledger, a_line("1"), a_line("2"))
    hand_shipping.ship(ledger, settings, order.id, lines={"1": 1}, **WHO)
    assert "has left in part" in refused(hand_cancelling.cancel, ledger, settings, order.id)
    said = refused(hand_cancelling.cancel, ledger, settings, order.id, lines={"1": 2})
    assert "has 1 piece of line 1 to cancel" in said
    hand_shipping.ship(ledger, settings, order.id, **WHO)
    assert "only be refunded" in refused(hand_cancelling.cancel, ledger, settings, order.id)


def test_where_its_source_forbids_it_nothing_is_cancelled(
    ledger: Ledger, settings: Settings
) -> None:
    order = accepted(ledger, can_cancel=False)
    assert "cannot be cancelled now" in refused(hand_cancelling.cancel, ledger, settings, order.id)


def test_money_is_given_back_exactly_and_once(ledger: Ledger, settings: Settings) -> None:
    order = accepted(ledger)
    money = {"amounts": {"1": Decimal("12.50")}}
    done = hand_refunding.refund(ledger, settings, order.id, **money, **WHO)
    assert done.words == "order A-1: KES 12.50 will be given back"
    said = refused(hand_refunding.refund, ledger, settings, order.id, **money)
    assert "at most KES 7.50 of line 1" in said  # the rest is on its way
    source = FakeSource()
    tell(ledger, source)
    assert source.performed[0].amounts == {"1": Decimal("12.50")}
    assert the(ledger, order.id).lines[0].refunded_minor == 1250
    said = refused(hand_refunding.refund, ledger, settings, order.id, **money)
    assert "at most KES 7.50 of line 1" in said
    exact = refused(
        hand_refunding.refund, ledger, settings, order.id, amounts={"1": Decimal("0.001")}
    )
    assert "more decimals" in exact


def test_a_refund_needs_the_platforms_reason_code(ledger: Ledger, tmp_path: Path) -> None:
    order, none = accepted(ledger), settings_of(tmp_path)
    money = {"amounts": {"1": Decimal(1)}}
    assert "reason code" in refused(hand_refunding.refund, ledger, none, order.id, **money)
    hand_refunding.refund(ledger, none, order.id, code="16", **money, **WHO)
    assert commands(ledger, order)[0].payload["reason_code"] == "16"


def test_what_was_refused_with_its_reason_code_is_made_anew_with_another_one(
    ledger: Ledger, settings: Settings
) -> None:
    order = accepted(ledger, a_line("1"), a_line("2 b"))
    pieces, money = {"lines": {"2 b": 1}}, {"amounts": {"1": Decimal("1.50")}}
    hand_cancelling.cancel(ledger, settings, order.id, **pieces, **WHO)
    hand_refunding.refund(ledger, settings, order.id, quantities={"1": 1}, **money, **WHO)
    tell(ledger, FakeSource(script=["refuse", "refuse"]))
    offered = [task.commands[-1] for task in open_tasks(ledger, order.id)]
    assert offered == [
        f"marketsync orders {what} --code CODE --by NAME --reason WHY"
        for what in (
            f"cancel {order.id} --line '2 b=1'",
            f"refund {order.id} --line 1=1.50 --pieces 1=1",
        )
    ]
    hand_cancelling.cancel(ledger, settings, order.id, code="35", **pieces, **WHO)
    hand_refunding.refund(
        ledger, settings, order.id, code="16", quantities={"1": 1}, **money, **WHO
    )
    assert open_tasks(ledger, order.id) == []
    source = FakeSource()
    tell(ledger, source)
    assert [one.reason_code for one in source.performed] == ["35", "16"]
    assert set(ways(ledger, order).values()) == {"done"}
    assert len(ways(ledger, order)) == 2


def test_pieces_of_a_line_with_a_discount_are_cancelled_with_their_share(
    ledger: Ledger, settings: Settings
) -> None:
    order = accepted(ledger, a_line(quantity=3, total=Decimal(15)))
    hand_cancelling.cancel(ledger, settings, order.id, lines={"1": 2}, **WHO)
    assert commands(ledger, order)[0].payload["amounts"] == {"1": "10.00"}


def test_after_its_source_refused_a_cancellation_nobody_waits_for_its_answer(
    ledger: Ledger, settings: Settings
) -> None:
    order = accepted(ledger)
    hand_cancelling.cancel(ledger, settings, order.id, **WHO)
    tell(ledger, FakeSource(script=["refuse"]))
    with ledger.read() as conn:
        (hold,) = holds_of(conn, [order.id])
    assert (hold.kind, hold.next_step) == ("cancelling", "marketsync orders tasks")
    assert "refused the cancellation" in hold.reason
    assert "nobody has decided" in refused(hand_shipping.ship, ledger, settings, order.id)
    (task,) = open_tasks(ledger, order.id)
    resolve_task(ledger, settings, task.id, "again", **WHO)
    with ledger.read() as conn:
        (hold,) = holds_of(conn, [order.id])
    assert (hold.kind, hold.next_step) == ("cancelling", by_hand.FULFIL)
