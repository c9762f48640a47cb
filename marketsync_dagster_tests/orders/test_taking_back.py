"""What is not wanted any more of what was, or may have been, handed over."""

from __future__ import annotations

import pytest

from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.orders import orders_to_change
from marketsync_dagster.orders.forwarding import take_back
from marketsync_dagster.platforms.fulfilling import FulfilCapabilities, Standing
from marketsync_dagster.values.order_states import OrderState
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster.values.times import to_iso
from marketsync_dagster_tests.orders import places as p
from marketsync_dagster_tests.orders.handed import answer, routed


def test_what_is_cancelled_before_it_was_sent_needs_no_call(ledger: Ledger) -> None:
    order, place = routed(ledger), p.Place()
    p.cancel(ledger, order)
    p.turn(ledger, p.settings_of(), place)
    assert (p.states(ledger, order), place.calls, p.tasks(ledger, order)) == (["cancelled"], [], [])


def test_a_forward_that_was_never_sent_follows_its_order(ledger: Ledger) -> None:
    order = p.an_order(p.a_line("1"), p.a_line("2", quantity=5), p.a_line("3"))
    p.put(ledger, order)
    settings, place = p.settings_of(), p.Place()
    p.route(ledger, settings)
    p.set_lines(ledger, order, quantity=5, cancelled=1)
    p.cancel(ledger, order, "1")
    p.turn(ledger, settings, place)
    ((sent,),) = place.has.values()
    assert {line.line_id: line.quantity for line in sent.lines} == {"2": 4, "3": 4}


def test_what_is_cancelled_after_it_was_sent_is_taken_back_there(ledger: Ledger) -> None:
    order = routed(ledger)
    place = p.Place(FulfilCapabilities(idempotent=True, cancel=True))
    settings = p.settings_of()
    p.turn(ledger, settings, place)
    p.cancel(ledger, order)
    place.cancels = [Outcome.RETRYABLE, Outcome.UNKNOWN]
    p.turn(ledger, settings, place)
    p.turn(ledger, settings, place, after_s=59)
    assert (p.states(ledger, order), place.said("cancel")) == (["cancelling"], 1)
    p.turn(ledger, settings, place, after_s=60)
    p.turn(ledger, settings, place, after_s=180)
    assert (p.states(ledger, order), place.said("cancel"), place.made) == (["cancelled"], 3, 0)
    assert (p.tasks(ledger, order), p.holds(ledger, order)) == ([], {})


@pytest.mark.parametrize("can_cancel", [False, True], ids=["it cannot", "it refuses to"])
def test_what_a_destination_does_not_take_back_a_person_has_to(
    ledger: Ledger, can_cancel: bool
) -> None:
    order = routed(ledger)
    place = p.Place(
        FulfilCapabilities(idempotent=True, cancel=can_cancel), cancels=[Outcome.REFUSED]
    )
    settings = p.settings_of()
    p.turn(ledger, settings, place)
    p.cancel(ledger, order)
    for after_s in (0, 100, 1_000):
        p.turn(ledger, settings, place, after_s=after_s)
    assert (p.states(ledger, order), place.said("cancel")) == (["cancelling"], int(can_cancel))
    (task,) = p.tasks(ledger, order)
    assert task.kind == "cancel_at_destination"
    assert "it is not wanted any more" in task.question
    (one,) = p.forwards(ledger, order)
    if can_cancel:  # a person there has done it, and it tells so by itself
        place.stands[one.number] = Standing(one.number, raw_status="Cancelled", failed=True)
        p.turn(ledger, settings, place, after_s=2_000)
    else:
        answer(ledger, order, task, "done")
    assert (p.states(ledger, order), p.tasks(ledger, order)) == (["cancelled"], [])
    assert p.order_of(ledger, order).state is OrderState.CANCELLED


def test_a_person_can_say_that_it_is_too_late(ledger: Ledger) -> None:
    order, place, settings = routed(ledger), p.Place(), p.settings_of()
    p.turn(ledger, settings, place)
    with ledger.begin() as conn:
        now = orders_to_change(conn, order.account, [order.id])[order.id]
        assert take_back(conn, now, ["1"], by="Ann", reason="oh", at=to_iso(p.NOW)) == 1
    p.turn(ledger, settings, place)
    answer(ledger, order, p.tasks(ledger, order)[0], "drop")
    p.turn(ledger, settings, place, after_s=100)
    assert (p.states(ledger, order), p.tasks(ledger, order)) == (["acknowledged"], [])


def test_what_is_cancelled_while_it_may_be_there_is_looked_up_first(ledger: Ledger) -> None:
    for applied in (True, False):
        order = p.an_order(external_id=f"A-{applied}")
        p.put(ledger, order)
        settings = p.settings_of()
        p.route(ledger, settings)
        place = p.Place(
            FulfilCapabilities(cancel=True), "create",
            ["makes_and_is_lost" if applied else "is_lost"], find_down=True,
        )  # fmt: skip
        p.turn(ledger, settings, place)
        p.cancel(ledger, order)
        p.turn(ledger, settings, place, after_s=30)
        assert (p.states(ledger, order), place.said("cancel")) == (["unknown"], 0)
        place.find_down = False
        p.turn(ledger, settings, place, after_s=1_000)
        assert (p.states(ledger, order), place.said("cancel")) == (["cancelled"], int(applied))
        assert (place.made, place.said("create")) == (0, 1)


@pytest.mark.parametrize("said", ["done", "drop"])
def test_of_what_was_sent_a_part_that_is_not_wanted_is_told_by_a_person(
    ledger: Ledger, said: str
) -> None:
    order = p.an_order(p.a_line("1"), p.a_line("2"))
    p.put(ledger, order)
    settings = p.settings_of()
    place = p.Place(FulfilCapabilities(idempotent=True, cancel=True))
    p.route(ledger, settings)
    p.turn(ledger, settings, place)
    p.cancel(ledger, order, "2")
    for _ in range(2):
        p.turn(ledger, settings, place)
    (task,) = p.tasks(ledger, order)
    (one,) = p.forwards(ledger, order)
    assert task.question == (
        f"prints has order A-1 as {one.number}, and 2 of 2 of line 2 is not wanted any more: "
        "is it told?"
    )
    has = {"1": 2, "2": 2}
    assert (one.state, dict(one.lines), place.said("cancel")) == ("sent", has, 0)
    words = answer(ledger, order, task, said)
    assert (one.number in words, p.tasks(ledger, order)) == (True, [])
    p.turn(ledger, settings, place)
    (one,) = p.forwards(ledger, order)
    assert (dict(one.lines), p.tasks(ledger, order)) == ({"1": 2} if said == "done" else has, [])


def test_a_parcel_that_a_person_tells_of_ends_the_forward(ledger: Ledger) -> None:
    order, place, settings = routed(ledger), p.Place(), p.settings_of()
    p.turn(ledger, settings, place)
    with ledger.begin() as conn:
        now = orders_to_change(conn, order.account, [order.id])[order.id]
        p.book.move(conn, now, {"1": OrderState.SHIPPED}, by="Ann", reason="", at=to_iso(p.NOW))
    p.turn(ledger, settings, place)
    assert (p.states(ledger, order), p.tasks(ledger, order)) == (["done"], [])
