"""What was refused or has failed waits for a person, and goes again once it is not there."""

from __future__ import annotations

import pytest

from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.platforms.fulfilling import Standing
from marketsync_dagster.values.errors import UsageError
from marketsync_dagster.values.order_states import OrderState
from marketsync_dagster_tests.orders import places as p
from marketsync_dagster_tests.orders.handed import LOOKED_UP, answer, routed


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


def test_a_route_that_leads_elsewhere_by_now_makes_a_new_attempt_there(ledger: Ledger) -> None:
    order = routed(ledger)
    settings = p.settings_of()
    p.turn(ledger, settings, p.Place(manners=["refuses"]))
    elsewhere = p.settings_of("[{to: backup}]")
    routed_now = p.route(ledger, elsewhere)
    assert (routed_now.forwards, routed_now.released) == (1, 1)
    there = {one.destination: one.state for one in p.forwards(ledger, order)}
    assert there == {"prints": "refused", "backup": "pending"}
    p.turn(ledger, settings, p.Place(), after_s=31)
    p.turn(ledger, elsewhere, p.Place(manners=["refuses"]), destination="backup")
    back = p.route(ledger, settings)  # and back, where it was refused already
    assert (back.forwards, list(p.holds(ledger, order))) == (0, ["destination"])


@pytest.mark.parametrize("made", [True, False], ids=["it has it", "it has it not"])
def test_before_it_goes_elsewhere_the_first_place_is_asked_whether_it_has_it(
    ledger: Ledger, made: bool
) -> None:
    order = routed(ledger)
    first = p.Place(manners=["makes_and_refuses" if made else "refuses"], find_down=True)
    backup, elsewhere = p.Place(), p.settings_of("[{to: backup}]")
    p.turn(ledger, elsewhere, first)
    (old,) = p.forwards(ledger, order)
    p.route(ledger, elsewhere)

    def turns(after_s: float) -> list[str]:
        p.turn(ledger, elsewhere, first, after_s=after_s)
        p.turn(ledger, elsewhere, backup, after_s=after_s, destination="backup")
        there = {one.destination: one.state for one in p.forwards(ledger, order)}
        return [there["prints"], there["backup"]]

    assert turns(1) == ["refused", "pending"]  # it cannot be asked
    first.find_down = False
    assert backup.calls == []
    if made:
        assert turns(3_600) == ["refused", "refused"]
        held = p.holds(ledger, order)["destination"]
        assert f"prints has number {old.number}, which has ended as refused, all the same" in held
    else:
        assert turns(3_600) == ["refused", "sent"]
    assert first.made + backup.made == 1


def test_that_it_is_not_there_counts_once_its_call_can_have_ended(ledger: Ledger) -> None:
    order = routed(ledger)
    first, backup = p.Place(manners=["refuses"]), p.Place()
    elsewhere = p.settings_of("[{to: backup}]")
    p.turn(ledger, elsewhere, first)
    p.route(ledger, elsewhere)
    for after_s, state in ((29, "pending"), (31, "sent")):
        p.turn(ledger, elsewhere, first, after_s=after_s)
        p.turn(ledger, elsewhere, backup, after_s=after_s, destination="backup")
        assert sorted(p.states(ledger, order)) == sorted(["refused", state])


def test_a_place_that_was_removed_keeps_nothing_from_going_elsewhere(ledger: Ledger) -> None:
    order = routed(ledger)
    elsewhere = p.settings_of("[{to: backup}]")
    p.turn(ledger, elsewhere, p.Place(manners=["refuses"]))
    p.route(ledger, elsewhere)
    accounts = {name: one for name, one in elsewhere.accounts.items() if name != "prints"}
    without = elsewhere.model_copy(update={"accounts": accounts})
    p.turn(ledger, without, p.Place(), destination="backup")
    assert sorted(p.states(ledger, order)) == ["refused", "sent"]
