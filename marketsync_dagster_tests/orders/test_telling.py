"""Commands to sources: intended, called, answered; looked up before anything goes again."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.order_commands import next_due
from marketsync_dagster.ledger.order_events import events_of
from marketsync_dagster.ledger.order_tasks import open_tasks
from marketsync_dagster.ledger.orders import BookOrder
from marketsync_dagster.orders import points
from marketsync_dagster.orders.wanting import payload_of, reference_of, want
from marketsync_dagster.platforms.ordering import OrderCapabilities, Tracking
from marketsync_dagster.push.pacing import Stop
from marketsync_dagster.values.order_states import CommandKind, OrderState
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster.values.times import from_iso
from marketsync_dagster_tests.orders.sources import (
    MIRAKL,
    NOON,
    FakeSource,
    accepted,
    change,
    commands,
    put,
    says,
    tell,
    the,
    ways,
)
from marketsync_dagster_tests.orders.telling import AT, SOURCE, a_line, an_order

K, S = CommandKind, OrderState
HOUR = timedelta(hours=1)
SAID: dict[CommandKind, dict[str, Any]] = {
    K.ACCEPT: payload_of(accepted={"1": True}),
    K.TRACKING: payload_of(tracking=Tracking("DHL", "DHL", "77")),
    K.SHIP: {},
    K.PARCEL: payload_of(lines={"1": 1}),
    K.CANCEL: {},
    K.CANCEL_LINES: payload_of(lines={"1": 1}, amounts={"1": Decimal(10)}),
    K.REFUND: payload_of(amounts={"1": Decimal(10)}),
}


class Killed(BaseException):
    """The process ends here."""


def wanted(ledger: Ledger, kind: CommandKind, key: str = "", name: str = "A-1") -> BookOrder:
    """An order in the state for a command, and the command."""
    order = (
        put(ledger, an_order(external_id=name))[0]
        if kind is K.ACCEPT
        else accepted(ledger, external_id=name)
    )
    return also(ledger, order, kind, key)


def also(
    ledger: Ledger, order: BookOrder, kind: CommandKind, key: str = "", *, new: bool = True
) -> BookOrder:
    """One command more; `new`: whether it is one."""
    said: dict[str, Any] = {"by": "jane", "reason": "it is time", "at": AT}
    found = change(
        ledger,
        order,
        lambda conn, now: want(conn, now, kind, key or kind.value, SAID[kind], **said),
    )
    assert found is new
    return order


def test_a_command_is_told_once(ledger: Ledger) -> None:
    for kind in K:
        order, source = wanted(ledger, kind, name=kind.value), FakeSource()
        assert tell(ledger, source).numbers["told"] == 1
        assert tell(ledger, source, NOON + HOUR).numbers["calls"] == 0
        (row,) = commands(ledger, order)
        assert (row.state, row.attempts, row.reference) == ("done", 1, f"their {kind}")
        assert source.effects[kind.value, reference_of(row)] == 1
        said = [event.after for event in events_of(ledger, order.id) if event.kind != "created"]
        assert f"{kind.value}: wanted" in said
        assert f"{kind.value}: done" in said


def test_the_same_is_wanted_once(ledger: Ledger) -> None:
    for kind in K:
        order = wanted(ledger, kind, name=kind.value)
        also(ledger, order, kind, new=False)
        tell(ledger, FakeSource())
        also(ledger, order, kind, new=False)
        assert len(commands(ledger, order)) == 1


def test_what_was_refused_is_made_anew_by_people_alone(ledger: Ledger) -> None:
    order = wanted(ledger, K.SHIP)
    tell(ledger, FakeSource(script=["refuse"]))
    also(ledger, order, K.SHIP, new=False)
    said: dict[str, Any] = {"by": "jane", "reason": "it was mended", "at": AT, "anew": True}
    assert change(ledger, order, lambda conn, now: want(conn, now, K.SHIP, "ship", {}, **said))
    tell(ledger, FakeSource())
    assert ways(ledger, order) == {"ship": "done"}


def test_a_lost_answer_is_looked_up_and_not_sent_again(ledger: Ledger) -> None:
    for kind in K:
        order, source = wanted(ledger, kind, name=kind.value), FakeSource(script=["lose"])
        tell(ledger, source)
        assert ways(ledger, order) == {kind.value: "done"}
        assert (len(source.performed), len(source.verified)) == (1, 1)


def test_what_was_not_done_goes_again_after_it_was_looked_for(ledger: Ledger) -> None:
    for kind in K:
        order, source = wanted(ledger, kind, name=kind.value), FakeSource(script=["fall"])
        for minutes in (0, 1, 2):
            tell(ledger, source, NOON + timedelta(minutes=minutes))
        (row,) = commands(ledger, order)
        assert (row.state, row.attempts) == ("done", 2)
        assert source.effects[kind.value, reference_of(row)] == 1
        assert source.verified


def test_what_adds_up_is_looked_for_twice_before_it_goes_again(ledger: Ledger) -> None:
    """The first look comes so soon that the platform may still be busy with it."""
    order, source = wanted(ledger, K.PARCEL), FakeSource(script=["fall"])
    tell(ledger, source, settle_s=30)
    assert ways(ledger, order) == {"parcel": "unknown"}
    source.effects["parcel", reference_of(commands(ledger, order)[0])] += 1  # it was slow
    tell(ledger, source, NOON + timedelta(seconds=29), settle_s=30)
    assert len(source.verified) == 1
    tell(ledger, source, NOON + timedelta(seconds=31), settle_s=30)
    assert ways(ledger, order) == {"parcel": "done"}
    assert len(source.performed) == 1


def test_the_source_says_how_long_it_may_be_busy(ledger: Ledger) -> None:
    order = wanted(ledger, K.REFUND)
    source = FakeSource(replace(MIRAKL, settle_s=600), script=["fall"])
    tell(ledger, source)
    tell(ledger, source, NOON + timedelta(seconds=599))
    assert (ways(ledger, order), len(source.performed)) == ({"refund": "unknown"}, 1)


KILLS = [
    ("command_intent_written", "waiting", 0),
    ("command_intended", "intended", 0),
    ("command_before_call", "intended", 0),
    ("command_answered", "intended", 1),
    ("command_outcome_written", "intended", 1),
    ("command_committed", "done", 1),
]


@pytest.mark.parametrize("kind", [K.ACCEPT, K.PARCEL])
def test_a_run_that_is_killed_anywhere_leaves_nothing_twice(
    ledger: Ledger, kind: CommandKind
) -> None:
    assert {point for point, _, _ in KILLS} == set(points.TELL)
    for point, left, effects in KILLS:
        order, source = wanted(ledger, kind, name=f"{kind} {point}"), FakeSource()

        def die(passed: str, point: str = point) -> None:
            if passed == point:
                raise Killed

        with pytest.raises(Killed):
            tell(ledger, source, observe=die)
        (row,) = commands(ledger, order)
        assert (row.state, source.effects[kind.value, reference_of(row)]) == (left, effects)
        tell(ledger, source, NOON + HOUR)
        (row,) = commands(ledger, order)
        assert (row.state, source.effects[kind.value, reference_of(row)]) == ("done", 1)
        assert the(ledger, order.id).state is (S.ACCEPTED if kind is K.ACCEPT else S.IN_PREPARATION)


def test_what_nobody_can_tell_is_asked_once_and_never_sent_again(ledger: Ledger) -> None:
    order, source = wanted(ledger, K.PARCEL), FakeSource(script=["lose"], blind=True)
    for hours in range(4):
        tell(ledger, source, NOON + hours * HOUR)
    assert (ways(ledger, order), len(source.performed)) == ({"parcel": "unknown"}, 1)
    (task,) = open_tasks(ledger, order.id)
    assert task.kind == "command_unknown"
    assert f"marketsync orders resolve {task.id} --answer done" in task.commands[0]
    assert "a parcel of order A-1" in task.question
    source.blind = False
    tell(ledger, source, NOON + 9 * HOUR)
    assert (ways(ledger, order), open_tasks(ledger, order.id)) == ({"parcel": "done"}, [])


def test_a_source_that_cannot_be_asked_is_asked_later_and_people_are_not(ledger: Ledger) -> None:
    order, source = wanted(ledger, K.SHIP), FakeSource(script=["lose"], away=True)
    tell(ledger, source)
    assert (ways(ledger, order), open_tasks(ledger)) == ({"ship": "unknown"}, [])
    source.away = False
    tell(ledger, source, NOON + HOUR)
    assert ways(ledger, order) == {"ship": "done"}


def test_a_refusal_is_a_question_with_commands(ledger: Ledger) -> None:
    order, source = wanted(ledger, K.TRACKING), FakeSource(script=["refuse"])
    assert tell(ledger, source).numbers["tasks"] == 1
    tell(ledger, source, NOON + HOUR)
    (task,) = open_tasks(ledger, order.id)
    assert (task.kind, len(source.performed)) == ("command_refused", 1)
    assert "tracking: refuse" in task.question
    *answers, correction = task.commands
    assert [c.split("--answer ")[1].split()[0] for c in answers] == ["again", "drop"]
    assert f"orders ship {order.id} --parcel " in correction


def test_a_busy_source_is_asked_again_after_pauses_that_grow(ledger: Ledger) -> None:
    order, source = wanted(ledger, K.SHIP), FakeSource(script=["busy"] * 3)
    waits = []
    now = NOON
    for _ in range(3):
        tell(ledger, source, now)
        with ledger.read() as conn:
            due = next_due(conn, SOURCE)
        assert due is not None
        waits.append((from_iso(due) - now).total_seconds())
        assert tell(ledger, source, now).numbers["calls"] == 0
        now = from_iso(due)
    assert waits == [60, 120, 240]
    tell(ledger, source, now)
    assert ways(ledger, order) == {"ship": "done"}


def test_a_dead_source_costs_two_calls(ledger: Ledger) -> None:
    for number in range(5):
        order = accepted(ledger, external_id=f"A-{number}")
        also(ledger, order, K.SHIP)
    source = FakeSource(script=["busy"] * 9)
    told = tell(ledger, source)
    assert (len(source.performed), told.numbers["retry"]) == (2, 2)
    assert "does not answer" in told.stopped


def test_a_dead_key_costs_one_call_and_is_told(ledger: Ledger) -> None:
    for number in range(3):
        also(ledger, accepted(ledger, external_id=f"A-{number}"), K.SHIP)
    source = FakeSource(script=["auth"] * 3)
    told = tell(ledger, source)
    assert (len(source.performed), told.failed) == (1, True)
    assert f"connections test --account {SOURCE}" in told.next_step


def test_an_older_key_is_used_at_once_and_is_no_other_attempt(ledger: Ledger) -> None:
    order, source = wanted(ledger, K.SHIP), FakeSource(script=["key"])
    tell(ledger, source)
    (row,) = commands(ledger, order)
    assert (row.state, row.attempts, len(source.performed)) == ("done", 1, 2)


def test_what_the_order_is_not_in_the_state_for_is_looked_up(ledger: Ledger) -> None:
    order, source = wanted(ledger, K.SHIP), FakeSource(script=["state"])
    source.effects["ship", reference_of(commands(ledger, order)[0])] = 1  # by a run that died
    tell(ledger, source)
    assert ways(ledger, order) == {"ship": "done"}


def test_what_comes_too_early_waits_and_is_no_refusal(ledger: Ledger) -> None:
    order, source = wanted(ledger, K.SHIP), FakeSource(script=["early"])
    told = tell(ledger, source)
    assert (ways(ledger, order), told.numbers["retry"]) == ({"ship": "waiting"}, 1)
    assert open_tasks(ledger) == []
    tell(ledger, source, NOON + HOUR)
    assert ways(ledger, order) == {"ship": "done"}


def test_shipping_waits_until_its_source_wants_it_shipped(ledger: Ledger) -> None:
    """Right after the acceptance the money is still to come: no call is wasted on that."""
    for kind in (K.TRACKING, K.SHIP, K.PARCEL):
        order = accepted(ledger, state=S.AWAITING_PAYMENT, external_id=kind.value)
        also(ledger, order, kind)
        source = FakeSource()
        told = tell(ledger, source)
        assert (told.numbers["waiting"], told.numbers["calls"]) == (1, 0)
        says(ledger, order, S.IN_PREPARATION)
        assert tell(ledger, source).numbers["told"] == 1


def test_a_source_that_says_no_readiness_is_told_at_once(ledger: Ledger) -> None:
    (order,) = put(ledger, an_order())
    also(ledger, order, K.SHIP)
    assert tell(ledger, FakeSource(replace(MIRAKL, tells_readiness=False))).numbers["told"] == 1


GATES: list[tuple[CommandKind, OrderState, str, bool]] = [
    # command, what its source says by now, what becomes of it, whether it is asked
    (K.ACCEPT, S.REFUSED, "dropped", False),
    (K.ACCEPT, S.CANCELLED, "dropped", False),
    (K.ACCEPT, S.IN_PREPARATION, "waiting", True),
    (K.SHIP, S.SHIPPED, "done", False),
    (K.SHIP, S.DELIVERED, "done", False),
    (K.TRACKING, S.SHIPPED, "dropped", False),
    (K.PARCEL, S.SHIPPED, "dropped", False),
    (K.SHIP, S.CANCELLED, "dropped", False),
    (K.CANCEL, S.CANCELLED, "done", False),
    (K.CANCEL, S.SHIPPED, "dropped", False),
    (K.CANCEL_LINES, S.SHIPPED, "dropped", False),
    (K.REFUND, S.SHIPPED, "done", True),
]


def test_what_was_overtaken_is_not_sent(ledger: Ledger) -> None:
    for kind, state, becomes, asked in GATES:
        order = wanted(ledger, kind, name=f"{kind} {state}")
        says(ledger, order, state)
        source = FakeSource()
        tell(ledger, source)
        assert ways(ledger, order) == {kind.value: becomes}
        assert bool(source.performed or source.verified) == asked
        if kind is K.ACCEPT:
            assert not source.performed


def test_an_acceptance_after_its_deadline_is_dropped_with_its_reason(ledger: Ledger) -> None:
    (order,) = put(ledger, an_order(accept_by="2026-11-21T08:59:59.000Z"))
    also(ledger, order, K.ACCEPT)
    source = FakeSource()
    tell(ledger, source)
    (row,) = commands(ledger, order)
    assert (row.state, source.performed) == ("dropped", [])
    assert row.message == "it had to be answered by 2026-11-21T08:59:59.000Z"


def test_an_acceptance_in_its_last_second_goes(ledger: Ledger) -> None:
    (order,) = put(ledger, an_order(accept_by=AT))
    also(ledger, order, K.ACCEPT)
    assert tell(ledger, FakeSource()).numbers["told"] == 1


def test_after_the_acceptance_each_line_is_accepted_or_refused(ledger: Ledger) -> None:
    (order,) = put(ledger, an_order(a_line("1"), a_line("2")))
    said = payload_of(accepted={"1": True, "2": False})
    more: dict[str, Any] = {"by": "jane", "reason": "no more of it", "at": AT}
    change(ledger, order, lambda c, now: want(c, now, K.ACCEPT, "accept", said, **more))
    source = FakeSource()
    tell(ledger, source)
    assert source.performed[0].accepted == {"1": True, "2": False}
    assert [line.state for line in the(ledger, order.id).lines] == [S.ACCEPTED, S.REFUSED]


def test_where_our_word_is_enough_no_call_is_made(ledger: Ledger) -> None:
    """Likewise where the source has no such call: then it is recorded."""
    for local, becomes in ((frozenset(K), "done"), (frozenset[CommandKind](), "unsupported")):
        order = wanted(ledger, K.ACCEPT, name=becomes)
        source = FakeSource(OrderCapabilities(local=local))
        tell(ledger, source)
        assert ways(ledger, order) == {"accept": becomes}
        assert (source.performed, the(ledger, order.id).state) == ([], S.IN_PREPARATION)


def test_an_order_is_not_called_shipped_before_its_number_is_told(ledger: Ledger) -> None:
    order = wanted(ledger, K.TRACKING)
    also(ledger, order, K.SHIP)
    source = FakeSource(script=["busy"])
    tell(ledger, source)
    assert source.kinds == ["tracking"]
    tell(ledger, source, NOON + HOUR)
    assert source.kinds == ["tracking", "tracking", "ship"]


def test_an_order_whose_number_was_refused_waits_for_people(ledger: Ledger) -> None:
    order = wanted(ledger, K.TRACKING)
    also(ledger, order, K.SHIP)
    tell(ledger, FakeSource(script=["refuse"]))
    source = FakeSource()
    tell(ledger, source, NOON + HOUR)
    assert (source.kinds, ways(ledger, order)["ship"]) == ([], "waiting")


def test_a_cancellation_does_not_wait_for_a_shipment_that_waits(ledger: Ledger) -> None:
    order = accepted(ledger, state=S.AWAITING_PAYMENT)
    also(ledger, order, K.SHIP)
    also(ledger, order, K.CANCEL)
    source = FakeSource()
    tell(ledger, source)
    assert source.kinds == ["cancel"]
    assert the(ledger, order.id).state is S.CANCELLED


def test_nothing_overtakes_what_may_have_been_done(ledger: Ledger) -> None:
    order = wanted(ledger, K.REFUND, "refund 1")
    tell(ledger, FakeSource(script=["lose"], blind=True))
    also(ledger, order, K.REFUND, "refund 2")
    source = FakeSource(blind=True)
    tell(ledger, source, NOON + timedelta(seconds=20))
    assert source.kinds == []


def test_money_that_was_given_back_before_is_not_taken_for_ours(ledger: Ledger) -> None:
    order, source = wanted(ledger, K.REFUND), FakeSource(script=["fall"], refunds=["R-1", "R-2"])
    tell(ledger, source)
    assert source.performed[0].known == ("R-1", "R-2")
    source.refunds.append("R-3")
    tell(ledger, source, NOON + HOUR)
    assert source.verified[-1].known == ("R-1", "R-2")
    assert ways(ledger, order) == {"refund": "done"}


def test_money_is_not_given_back_while_the_order_cannot_be_read(ledger: Ledger) -> None:
    order, source = wanted(ledger, K.REFUND), FakeSource(away=True)
    tell(ledger, source)
    assert (source.kinds, ways(ledger, order)) == ([], {"refund": "waiting"})


def test_after_a_refund_the_book_has_it(ledger: Ledger) -> None:
    order = wanted(ledger, K.REFUND)
    tell(ledger, FakeSource())
    assert the(ledger, order.id).lines[0].refunded_minor == 1000


def test_after_a_cancellation_of_pieces_they_are_not_sent(ledger: Ledger) -> None:
    order = wanted(ledger, K.CANCEL_LINES)
    tell(ledger, FakeSource())
    (line,) = the(ledger, order.id).lines
    assert (line.cancelled, line.open, line.state) == (1, 1, S.IN_PREPARATION)


def test_a_limit_bounds_the_orders_and_counts_the_rest(ledger: Ledger) -> None:
    for number in range(4):
        order = accepted(ledger, external_id=f"A-{number}")
        also(ledger, order, K.TRACKING)
        also(ledger, order, K.SHIP)
    source = FakeSource()
    told = tell(ledger, source, limit=3)
    assert (told.numbers["told"], told.numbers["left_out"]) == (6, 2)
    assert tell(ledger, source).numbers["told"] == 2


def test_only_the_kinds_that_are_asked_for_go(ledger: Ledger) -> None:
    also(ledger, wanted(ledger, K.SHIP), K.REFUND)
    source = FakeSource()
    tell(ledger, source, kinds=[K.REFUND])
    assert source.kinds == ["refund"]


def test_without_its_lease_nothing_is_sent(ledger: Ledger) -> None:
    order, source = wanted(ledger, K.SHIP), FakeSource()
    told = tell(ledger, source, holds=lambda: False)
    assert (source.kinds, ways(ledger, order)) == ([], {"ship": "waiting"})
    assert "lease" in told.stopped


def test_a_lease_that_ends_after_the_intent_stops_the_call(ledger: Ledger) -> None:
    order, source = wanted(ledger, K.SHIP), FakeSource()
    held = [True]

    def lose(point: str) -> None:
        held[0] = point != "command_intended" and held[0]

    tell(ledger, source, observe=lose, holds=lambda: held[0])
    assert (source.kinds, ways(ledger, order)) == ([], {"ship": "intended"})
    tell(ledger, source, NOON + HOUR)
    assert source.effects["ship", reference_of(commands(ledger, order)[0])] == 1
    assert len(source.verified) == 1


def test_a_late_answer_does_not_undo_what_a_successor_found(ledger: Ledger) -> None:
    """This run stalls in its call; another takes over, looks, and finds it done."""
    order, first = wanted(ledger, K.SHIP), FakeSource(script=["lose"])

    def meanwhile(point: str) -> None:
        if point == "command_answered":
            second = FakeSource()
            second.effects["ship", reference_of(commands(ledger, order)[0])] = 1
            other = threading.Thread(target=tell, args=(ledger, second, NOON))
            other.start()
            other.join()

    tell(ledger, first, observe=meanwhile)
    assert ways(ledger, order) == {"ship": "done"}


def test_a_signal_ends_the_turn_before_the_next_call(ledger: Ledger) -> None:
    for number in range(3):
        also(ledger, accepted(ledger, external_id=f"A-{number}"), K.SHIP)
    stop, source = Stop(), FakeSource()

    def interrupt(point: str) -> None:
        if point == "command_answered":
            stop.set("interrupted by SIGTERM", Outcome.RETRYABLE)

    told = tell(ledger, source, stop=stop, observe=interrupt)
    assert (len(source.performed), told.numbers["told"]) == (1, 1)
    assert told.stopped == "interrupted by SIGTERM"
