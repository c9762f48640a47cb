"""What keeps an order from being handed over, and what does not."""

from __future__ import annotations

import pytest

from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.forwards import add_forwards, change
from marketsync_dagster.ledger.orders import orders_to_change
from marketsync_dagster.platforms.ordering import Person
from marketsync_dagster_tests.orders import places as p
from marketsync_dagster_tests.orders.handed import routed


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
    assert (figures["created"], figures["left_out"]) == (5, 2)
