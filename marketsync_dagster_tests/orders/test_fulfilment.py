"""What destinations tell: states, parcels and events, each once; and what comes too late."""

from __future__ import annotations

from typing import Any

import pytest

from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.forwards import Forward, ForwardState, change
from marketsync_dagster.ledger.order_tasks import open_tasks
from marketsync_dagster.ledger.orders import BookOrder
from marketsync_dagster.ledger.shipments import Shipment, shipments_of
from marketsync_dagster.orders.fulfilment import Applied, apply_standings
from marketsync_dagster.orders.hand_shipping import ship
from marketsync_dagster.platforms.fulfilling import Parcel, Standing
from marketsync_dagster.platforms.ordering import Tracking
from marketsync_dagster.values.order_states import OrderFlag, OrderState
from marketsync_dagster_tests.orders import places as p
from marketsync_dagster_tests.orders.places import a_line

S = OrderState
PARCEL = Parcel("awb", Tracking(carrier="Delhivery", number="77", url="https://t.example/77"))


def sent(ledger: Ledger, *lines: p.BookLine) -> tuple[BookOrder, Forward]:
    """An order that its destination has, and the forward."""
    order = p.an_order(*lines)
    p.put(ledger, order)
    p.route(ledger, p.settings_of())
    p.turn(ledger, p.settings_of(), p.Place())
    (one,) = p.forwards(ledger, order)
    return order, one


def tell(ledger: Ledger, one: Forward, state: OrderState | None = None, **said: Any) -> Applied:
    """The destination tells how a forward stands."""
    known: dict[str, Any] = {"raw_status": state.value if state else "", "state": state} | said
    standing = Standing(one.number, one.external_id, **known)
    return apply_standings(ledger, "prints", [standing], by="prints", now=p.NOW)


def shipments(ledger: Ledger, order: BookOrder) -> list[Shipment]:
    """Its parcels."""
    with ledger.read() as conn:
        return shipments_of(conn, [order.id]).get(order.id, [])


def line_states(ledger: Ledger, order: BookOrder) -> list[tuple[str, int]]:
    """State and shipped pieces of each line."""
    return [(line.state.value, line.shipped) for line in p.order_of(ledger, order).lines]


def test_an_order_goes_the_way_that_its_destination_tells_each_step_once(ledger: Ledger) -> None:
    order, one = sent(ledger)
    way = {
        S.IN_PREPARATION: "acknowledged", S.READY_TO_SHIP: "acknowledged", S.SHIPPED: "done",
        S.OUT_FOR_DELIVERY: "done", S.DELIVERY_FAILED: "done", S.DELIVERED: None,
    }  # fmt: skip
    for state, forward in way.items():
        if state is S.DELIVERED:  # after the failure it is on its way once more
            tell(ledger, one, S.OUT_FOR_DELIVERY, parcels=(PARCEL,))
        first = tell(ledger, one, state, parcels=(PARCEL,))
        again = tell(ledger, one, state, parcels=(PARCEL,))
        assert (first.updated, again.updated, again.unchanged) == (1, 0, 1), state
        assert p.states(ledger, order) == [forward or "done"]
        assert p.order_of(ledger, order).state is state
    (parcel,) = shipments(ledger, order)
    assert (parcel.key, parcel.carrier, parcel.tracking_number, dict(parcel.lines)) == (
        f"{one.number}/awb", "Delhivery", "77", {"1": 2},
    )  # fmt: skip
    told = [event.after for event in p.events(ledger, order, "fulfilment")]
    assert told == [
        "in_preparation", "ready_to_ship", "shipped", "out_for_delivery", "delivery_failed",
        "out_for_delivery", "delivered",
    ]  # fmt: skip
    assert len(p.events(ledger, order, "shipment")) == 1
    assert p.events(ledger, order, "anomaly") == []
    assert p.order_of(ledger, order).ended_at is not None


@pytest.mark.parametrize(
    ("state", "after", "parcels"),
    [
        (S.SHIPPED, S.SHIPPED, 1), (S.DELIVERED, S.DELIVERED, 1), (S.RETURNED, S.RETURNED, 1),
        (S.LOST, S.LOST, 1), (S.READY_TO_SHIP, S.READY_TO_SHIP, 0),
        (S.ACCEPTED, S.IN_PREPARATION, 0),
        (S.CANCELLED, S.IN_PREPARATION, 0),
    ],
)  # fmt: skip
def test_states_may_be_passed_over_and_never_gone_back(
    ledger: Ledger, state: OrderState, after: OrderState, parcels: int
) -> None:
    order, one = sent(ledger)
    tell(ledger, one, state)
    assert p.order_of(ledger, order).state is after
    assert [parcel.key for parcel in shipments(ledger, order)] == [f"{one.number}/all"] * parcels


def test_what_goes_back_is_noted_and_changes_nothing(ledger: Ledger) -> None:
    order, one = sent(ledger)
    tell(ledger, one, S.DELIVERED)
    for _ in range(2):
        tell(ledger, one, S.SHIPPED)
    assert p.order_of(ledger, order).state is S.DELIVERED
    (event,) = p.events(ledger, order, "anomaly")
    assert (event.before, event.after) == ("delivered", "shipped")


def test_a_destination_that_is_not_as_far_as_we_were_is_no_anomaly_and_its_way_back_is(
    ledger: Ledger,
) -> None:
    own = {"raw_state": "", "remote_state": S.NEW}  # a shop that never says that it is to be sent
    order, one = sent(ledger, a_line(**own))
    for state in (S.NEW, S.ACCEPTED, S.IN_PREPARATION):
        tell(ledger, one, state)
    assert p.events(ledger, order, "anomaly") == []
    tell(ledger, one, S.ACCEPTED)
    (event,) = p.events(ledger, order, "anomaly")
    assert (event.before, event.after) == ("in_preparation", "accepted")
    assert p.order_of(ledger, order).state is S.IN_PREPARATION


def test_what_the_source_knows_already_is_no_anomaly(ledger: Ledger) -> None:
    order, one = sent(ledger)
    p.set_lines(ledger, order, state=S.DELIVERED, remote_state=S.DELIVERED, shipped=2)
    tell(ledger, one, S.SHIPPED, parcels=(PARCEL,))
    assert p.events(ledger, order, "anomaly") == []
    assert (line_states(ledger, order), len(shipments(ledger, order))) == ([("delivered", 2)], 1)


def test_an_unknown_word_keeps_the_state_and_is_told(ledger: Ledger) -> None:
    order, one = sent(ledger)
    for _ in range(2):
        tell(ledger, one, raw_status="Moonwalk")
    (event,) = p.events(ledger, order, "unknown_state")
    assert event.after == "Moonwalk"
    assert (p.states(ledger, order), p.order_of(ledger, order).state) == (
        ["acknowledged"], S.IN_PREPARATION,
    )  # fmt: skip


def test_nothing_said_yet_is_no_acknowledgement(ledger: Ledger) -> None:
    order, one = sent(ledger)
    assert tell(ledger, one).unchanged == 1
    assert p.states(ledger, order) == ["sent"]


def test_its_own_history_is_taken_over_once(ledger: Ledger) -> None:
    order, one = sent(ledger)
    day = "2026-11-21T0{}:00:00.000Z".format
    history = [(day(1), "received"), (day(2), "printed"), ("", "checked"), ("", "checked")]
    for count in (1, 2, 4, 4, 3):
        tell(ledger, one, events=tuple(history[:count]))
    told = [(event.remote_at, event.after) for event in p.events(ledger, order, "fulfilment")]
    assert told == history


def test_parcels_with_some_of_the_pieces_are_shipped_one_by_one(ledger: Ledger) -> None:
    order, one = sent(ledger, a_line("1", quantity=3), a_line("2"))
    first, second = Parcel("1", lines={"1": 2}), Parcel("2", lines={"1": 1, "2": 2})
    for _ in range(2):
        tell(ledger, one, S.SHIPPED, parcels=(first,))
    assert line_states(ledger, order) == [("in_preparation", 2), ("in_preparation", 0)]
    assert OrderFlag.PARTIALLY_SHIPPED in p.order_of(ledger, order).flags
    assert p.states(ledger, order) == ["acknowledged"]
    for _ in range(2):
        tell(ledger, one, S.SHIPPED, parcels=(first, second))
    assert line_states(ledger, order) == [("shipped", 3), ("shipped", 2)]
    assert (p.states(ledger, order), len(shipments(ledger, order))) == (["done"], 2)


def test_a_parcel_without_lines_carries_what_is_left(ledger: Ledger) -> None:
    order, one = sent(ledger, a_line("1", quantity=3), a_line("2"))
    tell(ledger, one, S.SHIPPED, parcels=(Parcel("1", lines={"1": 2, "9": 4}),))
    tell(ledger, one, S.SHIPPED, parcels=(Parcel("1", lines={"1": 2}), Parcel("2")))
    assert [dict(parcel.lines) for parcel in shipments(ledger, order)] == [
        {"1": 2}, {"1": 1, "2": 2},
    ]  # fmt: skip


def test_a_parcel_never_carries_more_than_was_ordered(ledger: Ledger) -> None:
    order, one = sent(ledger)
    tell(ledger, one, S.SHIPPED, parcels=(Parcel("1", lines={"1": 9}), Parcel("2", lines={"1": 1})))
    assert [dict(parcel.lines) for parcel in shipments(ledger, order)] == [{"1": 2}]
    assert line_states(ledger, order) == [("shipped", 2)]


def test_a_label_before_it_leaves_is_no_shipment(ledger: Ledger) -> None:
    order, one = sent(ledger)
    tell(ledger, one, S.READY_TO_SHIP, parcels=(PARCEL,))
    assert shipments(ledger, order) == []
    tell(ledger, one, S.SHIPPED, parcels=(Parcel("awb"),))
    tell(ledger, one, S.SHIPPED, parcels=(PARCEL,))  # its number comes later
    (parcel,) = shipments(ledger, order)
    assert (parcel.tracking_number, len(p.events(ledger, order, "shipment"))) == ("77", 2)


def test_estimated_delivery_is_the_latest_that_is_told(ledger: Ledger) -> None:
    order, one = sent(ledger)
    day = "2026-11-{}T00:00:00.000Z".format
    tell(ledger, one, S.IN_PREPARATION, estimated_delivery=day(25))
    parcels = (Parcel("1", estimated_delivery=day(26)), Parcel("2", estimated_delivery=day(24)))
    for _ in range(2):
        tell(ledger, one, S.IN_PREPARATION, estimated_delivery=day(25), parcels=parcels)
    assert p.order_of(ledger, order).estimated_delivery == day(26)
    assert p.forwards(ledger, order)[0].estimated_delivery == day(26)
    told = [e for e in p.events(ledger, order, "fulfilment") if "estimated" in e.reason]
    assert [(event.before, event.after) for event in told] == [("", day(25)), (day(25), day(26))]


def test_what_failed_there_waits_for_a_person_and_is_never_successful_again(
    ledger: Ledger,
) -> None:
    order, one = sent(ledger)
    for _ in range(2):
        tell(ledger, one, raw_status="Cancelled", failed=True)
    assert (p.states(ledger, order), list(p.holds(ledger, order))) == (["failed"], ["destination"])
    assert [task.kind for task in p.tasks(ledger, order)] == ["forward_refused"]
    for state in (S.SHIPPED, S.DELIVERED):  # told by a late file, or by somebody's mistake
        for _ in range(2):
            tell(ledger, one, state, parcels=(PARCEL,))
    assert (p.states(ledger, order), shipments(ledger, order)) == (["failed"], [])
    assert line_states(ledger, order) == [("in_preparation", 0)]
    assert [event.after for event in p.events(ledger, order, "anomaly")] == ["shipped", "delivered"]
    kinds = sorted(task.kind for task in p.tasks(ledger, order))
    assert kinds == ["cancelled_after_shipping", "forward_refused"]


@pytest.mark.parametrize("ended", ["refused", "cancelled", "failed"])
def test_an_ended_forward_stays_so_whatever_is_told(ledger: Ledger, ended: ForwardState) -> None:
    order, one = sent(ledger)
    with ledger.begin() as conn:
        change(conn, one, "", state=ended)
    for state in (S.IN_PREPARATION, S.DELIVERED):
        tell(ledger, one, state)
    assert p.states(ledger, order) == [ended]
    assert line_states(ledger, order) == [("in_preparation", 0)]


def test_what_failed_after_it_had_left_is_not_shown_as_on_its_way(ledger: Ledger) -> None:
    order, one = sent(ledger)
    tell(ledger, one, S.SHIPPED)
    assert tell(ledger, one, raw_status="Cancelled", failed=True).failed == 1
    assert (p.states(ledger, order), p.order_of(ledger, order).state) == (
        ["failed"], S.DELIVERY_FAILED,
    )  # fmt: skip
    assert len(p.events(ledger, order, "anomaly")) == 1
    assert "cancelled_after_shipping" in [task.kind for task in p.tasks(ledger, order)]


def test_what_leaves_though_nobody_wants_it_is_asked_about(ledger: Ledger) -> None:
    order, one = sent(ledger)
    p.cancel(ledger, order)
    p.turn(ledger, p.settings_of(), p.Place(has={one.number: []}))
    assert p.states(ledger, order) == ["cancelling"]
    for _ in range(2):
        tell(ledger, one, S.SHIPPED, parcels=(PARCEL,))
    assert (p.states(ledger, order), p.order_of(ledger, order).state) == (["done"], S.CANCELLED)
    assert [task.kind for task in p.tasks(ledger, order)] == ["cancelled_after_shipping"]
    assert len(p.events(ledger, order, "anomaly")) == 1


def test_numbers_that_nobody_has_are_given_back(ledger: Ledger) -> None:
    _, one = sent(ledger)
    told = [Standing("nobodys"), Standing(one.number, raw_status="x", state=S.SHIPPED)]
    applied = apply_standings(ledger, "prints", told, by="prints", now=p.NOW)
    assert (applied.unknown, applied.updated) == (("nobodys",), 1)


def test_standings_are_asked_for_no_more_often_than_said_and_while_anything_moves(
    ledger: Ledger,
) -> None:
    order, one = sent(ledger)
    place = p.Place(has={one.number: []})
    for after_s, asked in ((0, 0), (599, 0), (600, 1), (1199, 1), (1200, 2)):
        p.turn(ledger, p.settings_of(), place, after_s=after_s, ask_s=600)
        assert place.said("standing") == asked
    place.stands[one.number] = Standing(one.number, raw_status="s", state=S.SHIPPED)
    p.turn(ledger, p.settings_of(), place, after_s=2000)
    place.stands[one.number] = Standing(one.number, raw_status="d", state=S.DELIVERED)
    p.turn(ledger, p.settings_of(), place, after_s=3000)
    before = place.said("standing")
    p.turn(ledger, p.settings_of(), place, after_s=4000)
    assert (place.said("standing"), p.order_of(ledger, order).state) == (before, S.DELIVERED)


def test_what_came_back_in_part_stays_delivered_and_is_asked_about_once(ledger: Ledger) -> None:
    order, one = sent(ledger)
    for _ in range(2):
        tell(ledger, one, S.DELIVERED, raw_status="Partially Returned", back_in_part=True)
    assert p.order_of(ledger, order).state is S.DELIVERED
    (task,) = open_tasks(ledger, order.id)
    assert (task.kind, "--line 1=AMOUNT" in task.commands[0]) == ("came_back", True)


def test_what_a_person_has_corrected_of_a_parcel_stays_whatever_its_destination_repeats(
    ledger: Ledger,
) -> None:
    order, one = sent(ledger)
    tell(ledger, one, S.SHIPPED, parcels=(PARCEL,))
    who: dict[str, Any] = {"by": "jane", "reason": "it says so on the label", "now": p.NOW}
    ship(ledger, p.settings_of(), order.id, parcel="77", carrier="DHL", **who)
    for _ in range(2):
        assert tell(ledger, one, S.SHIPPED, parcels=(PARCEL,)).updated == 0
    (parcel,) = shipments(ledger, order)
    assert (parcel.carrier, parcel.tracking_number) == ("DHL", "77")
