"""Handing orders over: once, whatever becomes of the calls; and what only people can decide."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select, text

from marketsync_dagster.config.accounts import Quota
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.forwards import add_forwards, change, due
from marketsync_dagster.ledger.order_tasks import Task
from marketsync_dagster.ledger.orders import BookOrder, orders_to_change
from marketsync_dagster.ledger.tables import api_call
from marketsync_dagster.orders.forwarding import resolve, take_back
from marketsync_dagster.platforms.fulfilling import FulfilCapabilities, Standing
from marketsync_dagster.platforms.ordering import Person
from marketsync_dagster.push.pacing import Pacer, Slots, Stop
from marketsync_dagster.values.errors import UsageError
from marketsync_dagster.values.order_states import OrderState
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster.values.times import to_iso
from marketsync_dagster_tests.orders import places as p

LOOKED_UP = FulfilCapabilities(idempotent=False)
BLIND = FulfilCapabilities(idempotent=True, look_up=False)
BLIND_AND_DOUBLING = FulfilCapabilities(idempotent=False, look_up=False)


def routed(ledger: Ledger, **said: Any) -> BookOrder:
    """An order with a forward to the printer that was never sent."""
    order = p.an_order(p.a_line(**said))
    p.put(ledger, order)
    p.route(ledger, p.settings_of())
    return order


def answer(ledger: Ledger, order: BookOrder, task: Task, words: str) -> str:
    """A person answers a question."""
    with ledger.begin() as conn:
        now = orders_to_change(conn, order.account, [order.id])[order.id]
        return resolve(conn, now, task, words, by="Ann", reason="I asked", at=to_iso(p.NOW))


def test_an_order_is_handed_over_whole_and_once(ledger: Ledger) -> None:
    order = routed(ledger, unit_minor=1050, total_minor=2100)
    place, settings = p.Place(), p.settings_of()
    passed: list[str] = []
    assert p.turn(ledger, settings, place, observe=passed.append)["sent"] == 1
    assert passed == [
        "forward_intent_written", "forward_intended", "forward_before_call", "forward_answered",
        "forward_outcome_written", "forward_committed", "standings_read", "standings_written",
        "standings_committed",
    ]  # fmt: skip
    ((sent,),) = place.has.values()
    (one,) = p.forwards(ledger, order)
    assert (sent.number, sent.order_number, sent.outlet) == (one.number, "A-1", "a")
    assert (str(sent.total), sent.currency, sent.persons["shipping"]) == ("21.00", "KES", p.LISA)
    (line,) = sent.lines
    assert (line.sku, line.quantity, str(line.unit_price)) == ("S1", 2, "10.50")
    assert (one.state, one.external_id, one.attempts) == ("sent", f"X-{one.number}", 0)
    moves = [(event.before, event.after) for event in p.events(ledger, order, "forwarded")]
    assert moves == [("pending", "intended"), ("intended", "sent")]
    p.turn(ledger, settings, place)
    assert (place.made, place.said("create")) == (1, 1)


LOST = {
    # name: capabilities, duplicates, turns until it is sent, creates
    "refused duplicates": (FulfilCapabilities(idempotent=True), "refuse", 1, 1),
    "an idempotency key": (FulfilCapabilities(idempotent=True), "same", 1, 1),
    "a look-up alone": (LOOKED_UP, "create", 1, 1),
    "no look-up, refused duplicates": (BLIND, "refuse", 2, 2),
    "no look-up, an idempotency key": (BLIND, "same", 2, 2),
}


@pytest.mark.parametrize(("can", "duplicates", "turns", "creates"), LOST.values(), ids=LOST)
def test_an_order_whose_answer_was_lost_is_there_once(
    ledger: Ledger,
    can: FulfilCapabilities,
    duplicates: p.Duplicates,
    turns: int,
    creates: int,
) -> None:
    order = routed(ledger)
    place = p.Place(can, duplicates, ["makes_and_is_lost"])
    for _ in range(turns):
        p.turn(ledger, p.settings_of(), place)
    assert p.states(ledger, order) == ["sent"]
    assert (place.made, place.said("create")) == (1, creates)
    assert p.tasks(ledger, order) == []


@pytest.mark.parametrize("can", [FulfilCapabilities(idempotent=True), LOOKED_UP, BLIND],
                         ids=["idempotent", "looked up", "blind"])  # fmt: skip
def test_a_run_that_dies_between_intent_and_answer_is_gone_on_with(
    ledger: Ledger, can: FulfilCapabilities
) -> None:
    for applied in (True, False):
        order = p.an_order(external_id=f"A-{applied}")
        p.put(ledger, order)
        settings = p.settings_of()
        p.route(ledger, settings)
        place = p.Place(can, "same" if can.idempotent else "create")

        class Killed(BaseException):
            pass

        def die(
            point: str, at: str = "forward_answered" if applied else "forward_intended"
        ) -> None:
            if point == at:
                raise Killed

        with pytest.raises(Killed):
            p.turn(ledger, settings, place, observe=die)
        assert p.states(ledger, order) == ["intended"]
        assert due(ledger, p.NOW) == {"prints": 1}
        p.turn(ledger, settings, place, after_s=60)
        assert p.states(ledger, order) == ["sent"]
        assert place.made == 1


def test_where_two_calls_could_make_two_an_absence_counts_only_when_it_has_settled(
    ledger: Ledger,
) -> None:
    order = routed(ledger)
    place, settings = p.Place(LOOKED_UP, "create", ["is_lost"]), p.settings_of()
    p.turn(ledger, settings, place)
    assert p.states(ledger, order) == ["unknown"]
    p.turn(ledger, settings, place, after_s=10)  # the first call may still be under way
    assert (p.states(ledger, order), place.said("create")) == (["unknown"], 1)
    p.turn(ledger, settings, place, after_s=31)
    assert (p.states(ledger, order), place.said("create"), place.made) == (["sent"], 2, 1)


def test_while_it_cannot_be_looked_up_nothing_is_sent_again(ledger: Ledger) -> None:
    order = routed(ledger)
    place = p.Place(LOOKED_UP, "create", ["makes_and_is_lost"], find_down=True)
    settings = p.settings_of()
    for after_s in (0, 100, 1_000, 100_000):
        p.turn(ledger, settings, place, after_s=after_s)
    assert (p.states(ledger, order), place.said("create")) == (["unknown"], 1)
    place.find_down = False
    p.turn(ledger, settings, place, after_s=200_000)
    assert (p.states(ledger, order), place.made) == (["sent"], 1)


def test_what_neither_a_look_up_nor_a_repetition_decides_is_asked(ledger: Ledger) -> None:
    order = routed(ledger)
    place = p.Place(BLIND_AND_DOUBLING, "create", ["makes_and_is_lost"])
    settings = p.settings_of()
    for after_s in (0, 100, 10_000):
        p.turn(ledger, settings, place, after_s=after_s)
    assert (p.states(ledger, order), place.said("create")) == (["unknown"], 1)
    (task,) = p.tasks(ledger, order)
    (one,) = p.forwards(ledger, order)
    assert task.question == (
        f"Does prints have number {one.number}? It may have got it, and it cannot be looked up."
    )
    assert task.commands[0].startswith(f"marketsync orders resolve {task.id} --answer done --by ")
    assert answer(ledger, order, task, "done") == f"prints has it under number {one.number}"
    assert (p.states(ledger, order), p.tasks(ledger, order)) == (["sent"], [])


def test_a_person_can_say_that_it_is_not_there(ledger: Ledger) -> None:
    order = routed(ledger)
    place, settings = p.Place(BLIND_AND_DOUBLING, "create", ["is_lost"]), p.settings_of()
    p.turn(ledger, settings, place)
    before = p.forwards(ledger, order)[0].number
    answer(ledger, order, p.tasks(ledger, order)[0], "again")
    p.turn(ledger, settings, place)
    (one,) = p.forwards(ledger, order)
    assert (one.state, one.number, place.made) == ("sent", before, 1)


def test_a_person_can_give_it_up_and_it_waits(ledger: Ledger) -> None:
    order = routed(ledger)
    place, settings = p.Place(BLIND_AND_DOUBLING, "create", ["is_lost"]), p.settings_of()
    p.turn(ledger, settings, place)
    answer(ledger, order, p.tasks(ledger, order)[0], "drop")
    assert (p.states(ledger, order), list(p.holds(ledger, order))) == (
        ["cancelled"],
        ["destination"],
    )
    p.route(ledger, settings)
    assert p.states(ledger, order) == ["cancelled"]


def test_a_duplicate_that_does_not_show_is_looked_for_and_then_asked(ledger: Ledger) -> None:
    order = routed(ledger)
    place = p.Place(manners=["makes_and_is_lost"], hides=True)
    settings = p.settings_of()
    p.turn(ledger, settings, place)  # lost; not found; harmless to repeat
    p.turn(ledger, settings, place)  # a duplicate
    assert (p.states(ledger, order), place.said("create")) == (["unknown"], 2)
    for after_s in (100, 1_000, 10_000):
        p.turn(ledger, settings, place, after_s=after_s)
    assert (p.states(ledger, order), place.said("create")) == (["unknown"], 2)
    assert [task.kind for task in p.tasks(ledger, order)] == ["forward_unknown"]
    place.hides = False  # its list was late
    p.turn(ledger, settings, place, after_s=100_000)
    assert (p.states(ledger, order), p.tasks(ledger, order), place.made) == (["sent"], [], 1)


def test_an_order_that_a_destination_took_and_does_not_show_is_not_made_again(
    ledger: Ledger,
) -> None:
    order = routed(ledger)
    place, settings = p.Place(LOOKED_UP, "create"), p.settings_of()
    p.turn(ledger, settings, place)
    place.has.clear()
    for after_s in (1, 100, 1_000, 10_000):
        p.turn(ledger, settings, place, after_s=after_s)
    assert (p.states(ledger, order), place.said("create")) == (["unknown"], 1)
    assert [task.kind for task in p.tasks(ledger, order)] == ["forward_unknown"]


def test_orders_for_a_destination_that_is_down_go_later_at_growing_pauses(ledger: Ledger) -> None:
    orders = [p.an_order(external_id=f"A-{n}") for n in range(5)]
    p.put(ledger, *orders)
    settings = p.settings_of()
    p.route(ledger, settings)
    place = p.Place(manners=["down"] * 50)
    figures = p.turn(ledger, settings, place)
    assert (figures["waiting"], place.said("create")) == (5, 2)  # a dead one costs two calls
    assert {state for order in orders for state in p.states(ledger, order)} == {"sync_pending"}
    place.calls.clear()
    assert p.turn(ledger, settings, place, after_s=59) == {}
    assert place.calls == []
    at, pauses = 0.0, []
    (first,) = p.forwards(ledger, orders[0])
    for _ in range(7):
        times = {one.not_before for order in orders for one in p.forwards(ledger, order)}
        (next_time,) = times  # those that were not tried go no sooner
        pauses.append((p.from_iso(next_time) - p.NOW).total_seconds() - at)
        at += pauses[-1]
        p.turn(ledger, settings, place, after_s=at)
    assert pauses == [60, 120, 240, 480, 960, 1800, 1800]
    place.manners.clear()
    p.turn(ledger, settings, place, after_s=at + 1800)
    assert [p.states(ledger, order) for order in orders] == [["sent"]] * 5
    assert (place.made, p.forwards(ledger, orders[0])[0].number) == (5, first.number)


def test_credentials_that_are_not_taken_cost_one_call(ledger: Ledger) -> None:
    orders = [p.an_order(external_id=f"A-{n}") for n in range(3)]
    p.put(ledger, *orders)
    settings, place = p.settings_of(), p.Place(manners=["auth"])
    p.route(ledger, settings)
    p.turn(ledger, settings, place)
    assert place.said("create") == 1
    assert {state for order in orders for state in p.states(ledger, order)} == {"sync_pending"}


def test_a_refused_order_waits_for_a_person_and_stays_refused(ledger: Ledger) -> None:
    order = routed(ledger)
    place, settings = p.Place(manners=["refuses"]), p.settings_of()
    assert p.turn(ledger, settings, place)["refused"] == 1
    (one,) = p.forwards(ledger, order)
    assert (one.state, one.message) == ("refused", "it refuses")
    assert p.holds(ledger, order) == {
        "destination": f"prints has refused number {one.number}: it refuses"
    }
    (task,) = p.tasks(ledger, order)
    for _ in range(2):  # never again by itself
        p.route(ledger, settings)
        p.turn(ledger, settings, place, after_s=10_000)
    assert place.said("create") == 1
    with pytest.raises(UsageError, match="ended as refused and stays so"):
        answer(ledger, order, task, "done")
    assert answer(ledger, order, task, "again") == "it goes again, wherever the routes lead"
    assert p.states(ledger, order) == ["refused"]
    p.route(ledger, settings)
    assert (p.holds(ledger, order), p.tasks(ledger, order)) == ({}, [])
    p.turn(ledger, settings, place)  # the first may come to light yet
    assert (p.states(ledger, order)[-1], place.said("create")) == ("pending", 1)
    p.turn(ledger, settings, place, after_s=31)
    old, new = p.forwards(ledger, order)
    assert (old.state, new.state, old.attempt, new.attempt) == ("refused", "sent", 1, 2)
    assert old.number != new.number
    assert p.order_of(ledger, order).state is OrderState.IN_PREPARATION


def test_released_by_a_person_it_is_sent_again_under_a_new_number(ledger: Ledger) -> None:
    order = routed(ledger)
    place, settings = p.Place(manners=["refuses", "refuses"]), p.settings_of()
    for attempt in (1, 2, 3):
        p.turn(ledger, settings, place, after_s=100 * attempt)
        assert p.forwards(ledger, order)[-1].attempt == attempt
        if attempt < 3:
            assert p.release(ledger, order, p.NOW + p.timedelta(seconds=attempt)) == 1
    assert p.states(ledger, order) == ["refused", "refused", "sent"]
    assert p.release(ledger, order) == 0  # it is there


def test_what_was_told_not_to_be_taken_is_looked_for_before_it_goes_again(ledger: Ledger) -> None:
    order = routed(ledger)
    place = p.Place(LOOKED_UP, "create", ["makes_and_is_down"], find_down=True)
    settings = p.settings_of()
    for after_s in (0, 60, 1_000):
        p.turn(ledger, settings, place, after_s=after_s)
    assert (p.states(ledger, order), place.said("create")) == (["sync_pending"], 1)
    place.find_down = False
    p.turn(ledger, settings, place, after_s=10_000)
    assert (p.states(ledger, order), place.made, place.said("create")) == (["sent"], 1, 1)
    # and goes again where it is not there
    second = p.an_order(external_id="A-2")
    p.put(ledger, second)
    p.route(ledger, settings)
    place.manners = ["down"]
    p.turn(ledger, settings, place, after_s=20_000)
    p.turn(ledger, settings, place, after_s=30_000)
    assert (p.states(ledger, second), place.made) == (["sent"], 2)


def test_a_new_attempt_waits_until_the_old_one_is_known_not_to_be_there(ledger: Ledger) -> None:
    order = routed(ledger)
    place, settings = p.Place(manners=["makes_and_refuses"]), p.settings_of()
    p.turn(ledger, settings, place)
    (old,) = p.forwards(ledger, order)
    p.release(ledger, order)
    place.find_down = True
    p.turn(ledger, settings, place, after_s=100)
    assert (p.states(ledger, order), place.said("create")) == (["refused", "pending"], 1)
    place.find_down = False
    p.turn(ledger, settings, place, after_s=10_000)
    assert (p.states(ledger, order), place.made) == (["refused", "refused"], 1)
    held = p.holds(ledger, order)["destination"]
    assert f"it has number {old.number}, which has ended as refused, all the same" in held
    assert [task.kind for task in p.tasks(ledger, order)] == ["forward_refused"]
    (anomaly,) = p.events(ledger, order, "anomaly")
    assert (anomaly.before, old.number in anomaly.reason) == ("refused", True)
    # cancelled there, it may be made anew
    place.stands[old.number] = Standing(old.number, raw_status="Cancelled", failed=True)
    p.release(ledger, order, p.NOW + p.timedelta(seconds=20_000))
    p.turn(ledger, settings, place, after_s=20_000)
    assert p.states(ledger, order) == ["refused", "refused", "sent"]


@pytest.mark.parametrize(
    ("says", "after"),
    [
        (Standing("", raw_status="Cancelled", failed=True), "sent"),
        (Standing("", raw_status="To be Printed", state=OrderState.IN_PREPARATION), "refused"),
        (Standing(""), "sent"),  # a till's folder has seen it, and its answer stands
    ],
)
def test_a_new_attempt_after_one_that_failed_goes_unless_that_goes_on(
    ledger: Ledger, says: Standing, after: str
) -> None:
    order = routed(ledger)
    place, settings = p.Place(), p.settings_of()
    p.turn(ledger, settings, place)
    (old,) = p.forwards(ledger, order)
    place.stands[old.number] = Standing(old.number, raw_status="Rejected", failed=True)
    p.turn(ledger, settings, place, after_s=1)
    assert p.states(ledger, order) == ["failed"]
    place.stands[old.number] = p.replace(says, number=old.number)
    p.release(ledger, order)
    p.turn(ledger, settings, place, after_s=100)
    assert p.states(ledger, order) == ["failed", after]


WORDS = "nobody called Lisa lives at Moi Avenue 4; ask lisa@example.com"


@pytest.mark.parametrize("manner", ["refuses", "down", "found down", "tells"])
def test_what_a_destination_says_is_kept_without_names(ledger: Ledger, manner: str) -> None:
    order = routed(ledger)
    place, settings = p.Place(words=WORDS), p.settings_of()
    if manner == "tells":
        (one,) = p.forwards(ledger, order)
        place.stands[one.number] = Standing(one.number, "", WORDS, failed=True, message=WORDS,
                                            events=(("", WORDS),))  # fmt: skip
    elif manner == "found down":
        place.manners, place.find_down, place.can = ["is_lost"], True, LOOKED_UP
    else:
        place.manners = ["refuses" if manner == "refuses" else "down"]
    p.turn(ledger, settings, place)
    p.turn(ledger, settings, place, after_s=100)
    tables = {"forward", "order_event", "order_hold", "order_task", "api_call"}
    with ledger.read() as conn:
        kept = "\n".join(
            str(row)
            for name in sorted(tables)
            for row in conn.execute(text(f"SELECT * FROM {name}"))
        )
    assert "nobody called *** lives at ***" in kept
    assert not [word for word in ("Lisa", "Moi", "lisa@") if word in kept]


def test_calls_for_tokens_are_kept_and_take_a_turn_of_the_account(ledger: Ledger) -> None:
    routed(ledger)
    slots: list[str] = []

    class Counting(Pacer):
        async def slot(self, family: str = "") -> Slots:
            slots.append(family)
            return ()

    pacer = Counting(ledger, "prints", Quota(), Stop())
    p.turn(ledger, p.settings_of(), p.Place(tokens=2), pacer=pacer)
    with ledger.read() as conn:
        paths = list(conn.execute(select(api_call.c.path).order_by(api_call.c.id)).scalars())
    assert paths == ["/token", "/token", "/orders", "/orders"]  # the last asks how it stands
    assert len(slots) == 3


def test_a_route_that_leads_elsewhere_by_now_makes_a_new_attempt_there(ledger: Ledger) -> None:
    order = routed(ledger)
    settings = p.settings_of()
    p.turn(ledger, settings, p.Place(manners=["refuses"]))
    elsewhere = p.settings_of("[{to: backup}]")
    routed_now = p.route(ledger, elsewhere)
    assert (routed_now.forwards, routed_now.released) == (1, 1)
    there = {one.destination: one.state for one in p.forwards(ledger, order)}
    assert there == {"prints": "refused", "backup": "pending"}
    p.turn(ledger, elsewhere, p.Place(manners=["refuses"]), destination="backup")
    back = p.route(ledger, settings)  # and back, where it was refused already
    assert (back.forwards, list(p.holds(ledger, order))) == (0, ["destination"])


def test_a_line_is_never_in_two_live_forwards(ledger: Ledger) -> None:
    order = routed(ledger)
    (one,) = p.forwards(ledger, order)
    second = p.replace(one, id="other", number="other", attempt=2, destination="backup")
    with (
        pytest.raises(ValueError, match="has no line that could go to backup"),
        ledger.begin() as conn,
    ):
        add_forwards(conn, [second])
    for state in (
        "pending",
        "intended",
        "unknown",
        "sync_pending",
        "sent",
        "acknowledged",
        "cancelling",
    ):
        with ledger.begin() as conn:
            change(conn, p.forwards(ledger, order)[0], "", state=state)
        assert p.route(ledger, p.settings_of("[{to: backup}]")).forwards == 0
        assert p.route(ledger, p.settings_of("[{to: backup}]"), order).forwards == 0
        assert p.release(ledger, order) == 0
    with ledger.begin() as conn, pytest.raises(RuntimeError, match="no longer pending"):
        change(conn, one, "", state="sent")


def test_what_its_destination_would_refuse_waits_until_it_is_mended(ledger: Ledger) -> None:
    order = routed(ledger)
    place, settings = p.Place(wrong="the shipping address has no phone"), p.settings_of()
    assert p.turn(ledger, settings, place)["held"] == 1
    place.wrong = "the shipping address has no city"
    p.route(ledger, settings)
    p.turn(ledger, settings, place)
    (one,) = p.forwards(ledger, order)
    assert p.holds(ledger, order) == {
        "destination": f"prints would refuse number {one.number}: the shipping address has no city"
    }
    assert place.calls == []
    place.wrong = ""
    p.turn(ledger, settings, place)
    assert (p.states(ledger, order), p.holds(ledger, order)) == (["sent"], {})


def test_an_order_without_an_address_waits_for_it(ledger: Ledger) -> None:
    order, settings = p.an_order(), p.settings_of()
    p.put(ledger, order, person=None)
    p.route(ledger, settings)
    place = p.Place()
    p.turn(ledger, settings, place)
    assert "there is no shipping address" in p.holds(ledger, order)["destination"]
    p.put(ledger, p.order_of(ledger, order))
    p.turn(ledger, settings, place)
    assert p.states(ledger, order) == ["sent"]


def test_an_address_that_is_not_served_holds_the_order_once(ledger: Ledger) -> None:
    order, settings = p.an_order(), p.settings_of()
    p.put(ledger, order, person=Person(first_name="Max", country="DE"))
    p.route(ledger, settings)
    place = p.Place()
    p.turn(ledger, settings, place)
    assert p.holds(ledger, order) == {"address": "the country is not served"}
    p.release(ledger, order)  # a person wants it sent all the same
    p.turn(ledger, settings, place)
    assert p.states(ledger, order) == ["sent"]


def test_a_held_order_is_not_sent(ledger: Ledger) -> None:
    order, settings, place = routed(ledger), p.settings_of(), p.Place()
    with ledger.begin() as conn:
        now = orders_to_change(conn, order.account, [order.id])[order.id]
        p.book.hold_order(conn, now, "person", "wait", "", by="Ann", at="")
    p.turn(ledger, settings, place)
    assert (p.states(ledger, order), place.calls) == (["pending"], [])


def test_a_test_run_hands_over_a_few_orders_only(ledger: Ledger) -> None:
    orders = [p.an_order(external_id=f"A-{n}") for n in range(7)]
    p.put(ledger, *orders)
    settings, place = p.settings_of(), p.Place()
    p.route(ledger, settings)
    figures = p.turn(ledger, settings, place, limit=5)
    assert (figures["sent"], figures["left_out"]) == (5, 2)


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


def test_two_orders_that_fail_each_time_keep_no_other_waiting(ledger: Ledger) -> None:
    orders = [p.an_order(external_id=f"A-{number}") for number in range(4)]
    p.put(ledger, *orders)
    settings = p.settings_of()
    p.route(ledger, settings)
    place = p.Place(LOOKED_UP, "create", ["is_lost"] * 2)
    p.turn(ledger, settings, place)
    place.manners = ["takes", "takes", "is_lost", "is_lost"]
    for minutes in (2, 4):
        p.turn(ledger, settings, place, after_s=60 * minutes)
    there = sorted(state for order in orders for state in p.states(ledger, order))
    assert there == ["pending", "pending", "sent", "sent"]
    # and they are tried less and less often
    for minutes in (4, 5, 6):
        place.manners = ["is_lost"] * 2
        p.turn(ledger, settings, place, after_s=60 * minutes)
    assert place.said("create") <= 8


YEAR = p.timedelta(days=365)


def test_what_a_clock_that_was_ahead_has_noted_keeps_nothing_waiting(ledger: Ledger) -> None:
    orders = [p.an_order(external_id=name) for name in ("down", "lost", "asked")]
    p.put(ledger, *orders)
    settings, place = p.settings_of(), p.Place(LOOKED_UP, "create")
    p.route(ledger, settings)
    there = {order.external_id: p.forwards(ledger, order)[0] for order in orders}
    ahead = to_iso(p.NOW + YEAR)
    tried = {"intended_at": ahead, "attempts": 1}
    noted: dict[str, dict[str, Any]] = {
        "down": {"state": "sync_pending", "not_before": ahead, **tried},
        "lost": {"state": "unknown", "not_before": ahead, **tried},
        "asked": {"state": "sent", "sent_at": ahead, "asked_at": ahead},
    }
    with ledger.begin() as conn:
        for name, changes in noted.items():
            change(conn, there[name], ahead, **changes)
    assert due(ledger, p.NOW) == {"prints": 2}
    p.turn(ledger, settings, place, ask_s=600)
    assert place.said("standing") == 1
    p.turn(ledger, settings, place, ask_s=600, after_s=60)
    p.turn(ledger, settings, place, ask_s=600, after_s=120)
    assert [p.states(ledger, order) for order in orders[:2]] == [["sent"], ["sent"]]
    assert place.made == 2
