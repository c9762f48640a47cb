"""Handing orders over: once, whatever becomes of the calls; and what only people can decide."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select, text

from marketsync_dagster.config.accounts import Quota
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.forwards import change, due
from marketsync_dagster.ledger.tables import api_call
from marketsync_dagster.platforms.fulfilling import FulfilCapabilities, Standing
from marketsync_dagster.push.pacing import Pacer, Slots, Stop
from marketsync_dagster.values.times import to_iso
from marketsync_dagster_tests.orders import places as p
from marketsync_dagster_tests.orders.handed import (
    BLIND,
    BLIND_AND_DOUBLING,
    LOOKED_UP,
    answer,
    routed,
)


def test_an_order_is_handed_over_whole_and_once(ledger: Ledger) -> None:
    order = routed(ledger, unit_minor=1050, total_minor=2100)
    place, settings = p.Place(), p.settings_of()
    passed: list[str] = []
    assert p.turn(ledger, settings, place, observe=passed.append)["created"] == 1
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
