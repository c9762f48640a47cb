"""Parcels that people tell of."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from marketsync_dagster.config.settings import Settings
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.forwards import Forward, add_forwards
from marketsync_dagster.ledger.order_events import events_of
from marketsync_dagster.ledger.order_laws import broken_order_laws
from marketsync_dagster.ledger.order_tasks import open_tasks
from marketsync_dagster.ledger.orders import BookOrder
from marketsync_dagster.ledger.shipments import Shipment, shipments_of
from marketsync_dagster.orders import book, forward_steps, hand_cancelling, hand_shipping
from marketsync_dagster.orders.resolving import resolve_task
from marketsync_dagster.orders.write_back import write_back
from marketsync_dagster.platforms.ordering import Tracking
from marketsync_dagster.values.order_states import OrderState
from marketsync_dagster_tests.orders.by_hand.hands import WHO, held, held_for, refused
from marketsync_dagster_tests.orders.sources import (
    MIRAKL,
    NOON,
    FakeSource,
    accepted,
    change,
    commands,
    put,
    tell,
    the,
)
from marketsync_dagster_tests.orders.telling import AT, SOURCE, a_line, an_order

S = OrderState


def test_a_parcel_of_everything_ships_the_order(ledger: Ledger, settings: Settings) -> None:
    order = accepted(ledger, a_line("1"), a_line("2"))
    done = hand_shipping.ship(
        ledger, settings, order.id, carrier="DHL", tracking="77", url="https://x.example", **WHO
    )
    assert done.words == "order A-1: 4 pieces shipped"
    assert the(ledger, order.id).state is S.SHIPPED
    with ledger.read() as conn:
        (parcel,) = shipments_of(conn, [order.id])[order.id]
    assert (parcel.lines, parcel.carrier, parcel.tracking_number, parcel.created_by) == (
        {"1": 2, "2": 2},
        "DHL",
        "77",
        "jane",
    )
    assert "nothing is left to ship" in refused(hand_shipping.ship, ledger, settings, order.id)


def test_pieces_are_shipped_in_parts(ledger: Ledger, settings: Settings) -> None:
    order = accepted(ledger, a_line("1"), a_line("2"))
    done = hand_shipping.ship(
        ledger, settings, order.id, carrier="DHL", tracking="1", lines={"1": 1}, **WHO
    )
    assert done.words == "order A-1: 1 piece shipped, 3 pieces still to ship"
    now = the(ledger, order.id)
    assert (now.state, [flag.value for flag in now.flags]) == (
        S.IN_PREPARATION,
        ["partially_shipped"],
    )
    said = refused(hand_shipping.ship, ledger, settings, order.id, lines={"1": 2})
    assert "has 1 piece of line 1 to ship, not 2" in said
    hand_shipping.ship(
        ledger, settings, order.id, carrier="DHL", tracking="1", lines={"1": 1}, **WHO
    )
    hand_shipping.ship(ledger, settings, order.id, carrier="DHL", tracking="1", **WHO)
    assert the(ledger, order.id).state is S.SHIPPED
    with ledger.read() as conn:
        assert len(shipments_of(conn, [order.id])[order.id]) == 3


@pytest.mark.parametrize("parcel", [{"tracking": "1"}, {"url": "https://post.example/1"}])
def test_a_marketplace_that_wants_a_carrier_is_told_of_no_parcel_without(
    ledger: Ledger, settings: Settings, parcel: dict[str, str]
) -> None:
    order = accepted(ledger, a_line("1"))
    said = refused(hand_shipping.ship, ledger, settings, order.id, **parcel)
    assert "needs a carrier" in said
    with ledger.read() as conn:
        assert not shipments_of(conn, [order.id])
    hand_shipping.ship(ledger, settings, order.id, carrier="DHL", **parcel, **WHO)


def test_what_was_not_accepted_is_not_shipped(ledger: Ledger, settings: Settings) -> None:
    (order,) = put(ledger, an_order())
    assert "was not accepted yet" in refused(hand_shipping.ship, ledger, settings, order.id)


def test_nothing_is_shipped_while_its_source_has_to_answer_a_cancellation(
    ledger: Ledger, settings: Settings
) -> None:
    order = accepted(ledger, a_line("1"), a_line("2"))
    hand_cancelling.cancel(ledger, settings, order.id, lines={"1": 2}, **WHO)
    assert "is being cancelled" in refused(hand_shipping.ship, ledger, settings, order.id)
    tell(ledger, FakeSource())
    hand_shipping.ship(ledger, settings, order.id, **WHO)
    assert [line.state for line in the(ledger, order.id).lines] == [S.CANCELLED, S.SHIPPED]


def test_who_ships_what_a_till_has_ships_for_it_and_others_are_asked_to_stop(
    ledger: Ledger, settings: Settings
) -> None:
    order = accepted(ledger, a_line("1"), a_line("2"), a_line("3"), a_line("4"))
    places = {"1": ("pos", "a"), "2": ("pos", "b"), "3": ("prints", "a")}
    there = [
        Forward(f"f{line}", order.id, *place, 1, f"n{line}", "sent", AT, AT, lines={line: 2})
        for line, place in places.items()
    ]

    with ledger.begin() as conn:
        add_forwards(conn, there)
    assert "is at 2 tills" in refused(hand_shipping.ship, ledger, settings, order.id)
    done = hand_shipping.ship(ledger, settings, order.id, lines={"1": 1, "4": 1}, **WHO)
    assert "take back" not in done.words
    done = hand_shipping.ship(ledger, settings, order.id, lines={"3": 2}, **WHO)
    assert done.words.endswith("; prints (number n3) is asked to take back what it has of it")
    with ledger.read() as conn:
        told = {parcel.forward_id for parcel in shipments_of(conn, [order.id])[order.id]}
    assert told == {"f1", ""}


def test_what_kept_pieces_from_being_sent_ends_when_they_have_left(
    ledger: Ledger, settings: Settings
) -> None:
    order = accepted(ledger)
    made = partial(held_for, kind="route")
    change(ledger, order, made)
    change(ledger, order, partial(held_for, kind="person"))
    hand_shipping.ship(ledger, settings, order.id, **WHO)
    assert held(ledger, order) == {"person"}


def test_nobody_is_asked_for_a_new_attempt_of_what_was_cancelled(
    ledger: Ledger, settings: Settings
) -> None:
    order = accepted(ledger)
    one = Forward("f1", order.id, "pos", "westlands", 1, "ms1", "sent", created_at=AT,
                  changed_at=AT, lines={"1": 2})  # fmt: skip
    with ledger.begin() as conn:
        add_forwards(conn, [one])
    change(
        ledger, order, lambda c, now: forward_steps.end(c, now, one, "refused", by="till", at=AT)
    )
    assert [task.kind for task in open_tasks(ledger, order.id)] == ["forward_refused"]
    change(
        ledger,
        order,
        lambda c, now: book.move(c, now, {"1": S.CANCELLED}, by="jane", reason="", at=AT),
    )
    assert (open_tasks(ledger, order.id), held(ledger, order)) == ([], set())


def test_who_ships_what_is_not_paid_is_told_so(ledger: Ledger, settings: Settings) -> None:
    order = accepted(ledger, state=S.ACCEPTED)
    done = hand_shipping.ship(ledger, settings, order.id, **WHO)
    assert "best_buy has not said that it is paid" in done.words


# --- who carries it, corrected

WANTS = replace(MIRAKL, needs_carrier=True)


def left(ledger: Ledger, settings: Settings, **said: Any) -> BookOrder:
    """An order whose parcel 77 a person has told of, queued to be told on."""
    order = accepted(ledger)
    hand_shipping.ship(ledger, settings, order.id, carrier="DHL", tracking="77", **said, **WHO)
    back(ledger, settings)
    return order


def back(ledger: Ledger, settings: Settings) -> None:
    write_back(ledger, SOURCE, settings.order_sources()[SOURCE], WANTS, by="run 1", now=NOON)


def parcels(ledger: Ledger, order: BookOrder) -> list[Shipment]:
    with ledger.read() as conn:
        return shipments_of(conn, [order.id]).get(order.id, [])


@pytest.mark.parametrize("goes_by", ["the next run", "an answer"])
@pytest.mark.parametrize(
    ("lines", "kinds"), [(None, ["tracking", "ship"]), ({"1": 1}, ["parcel"])], ids=["all", "part"]
)
def test_what_was_refused_for_its_carrier_goes_again_as_a_person_corrects_it(
    ledger: Ledger, settings: Settings, lines: dict[str, int] | None, kinds: list[str], goes_by: str
) -> None:
    order = left(ledger, settings, lines=lines)
    source = FakeSource(WANTS, script=["refuse"])
    tell(ledger, source)
    (task,) = open_tasks(ledger, order.id)
    assert f"orders ship {order.id} --parcel 77 --carrier CARRIER --by" in task.commands[-1]
    done = hand_shipping.ship(ledger, settings, order.id, parcel="77", carrier="FedEx", **WHO)
    assert done.words == "order A-1: parcel 77 travels with FedEx 77"
    if goes_by == "an answer":
        resolve_task(ledger, settings, task.id, "again", **WHO)
    else:
        back(ledger, settings)
    tell(ledger, source)
    back(ledger, settings)
    tell(ledger, source)
    assert source.kinds == [kinds[0], *kinds]
    assert source.performed[1].tracking == Tracking("", "FedEx", "77", "")
    assert [row.state for row in commands(ledger, order)] == ["done"] * len(kinds)
    assert open_tasks(ledger, order.id) == []
    (parcel,) = parcels(ledger, order)
    assert (parcel.carrier, parcel.created_by) == ("FedEx", "jane")
    assert the(ledger, order.id).line("1").shipped == (1 if lines else 2)
    with ledger.read() as conn:
        assert list(broken_order_laws(conn)) == []
    event = [one for one in events_of(ledger, order.id) if one.kind == "shipment"][-1]
    assert (event.before, event.after, event.by) == ("DHL 77", "FedEx 77", "jane")
    assert event.reason.endswith("is corrected: the customer called")


def test_the_same_number_with_another_carrier_corrects_what_was_not_told_yet(
    ledger: Ledger, settings: Settings
) -> None:
    order = left(ledger, settings)
    hand_shipping.ship(ledger, settings, order.id, tracking="77", carrier="FedEx", **WHO)
    back(ledger, settings)
    source = FakeSource(WANTS)
    tell(ledger, source)
    assert [one.tracking.carrier for one in source.performed if one.tracking] == ["FedEx"]
    assert source.kinds == ["tracking", "ship"]
    assert len(parcels(ledger, order)) == 1


@pytest.mark.parametrize("way", ["ok", "lose"])
def test_how_a_parcel_travels_stays_once_its_source_may_know(
    ledger: Ledger, settings: Settings, way: str
) -> None:
    order = left(ledger, settings, lines={"1": 1})
    tell(ledger, FakeSource(WANTS, script=[way], blind=True))
    for said in ({"parcel": "77"}, {"tracking": "77"}):
        words = refused(hand_shipping.ship, ledger, settings, order.id, carrier="FedEx", **said)
        assert "best_buy knows how it travels" in words
    assert parcels(ledger, order)[0].carrier == "DHL"


def test_a_correction_names_a_parcel_and_says_something_else(
    ledger: Ledger, settings: Settings
) -> None:
    order = left(ledger, settings, lines={"1": 1})
    for said, words in (
        ({"parcel": "78", "carrier": "x"}, "has no parcel 78"),
        ({"parcel": "77", "lines": {"1": 1}}, "with its pieces: they stay"),
        ({"parcel": "77", "carrier": "DHL"}, "as it is said"),
    ):
        assert words in refused(hand_shipping.ship, ledger, settings, order.id, **said)
    hand_shipping.ship(ledger, settings, order.id, tracking="77", carrier="dhl", **WHO)
    assert [parcel.lines for parcel in parcels(ledger, order)] == [{"1": 1}, {"1": 1}]
