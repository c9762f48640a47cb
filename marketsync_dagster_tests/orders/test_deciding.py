"""Decisions by rule in the ledger: who is accepted first, what is held, what is asked again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from marketsync_dagster.config.orders import OrderSettings
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.order_events import events_of
from marketsync_dagster.ledger.order_holds import holds_of
from marketsync_dagster.ledger.orders import BookOrder
from marketsync_dagster.orders import book
from marketsync_dagster.orders.deciding import Decided, Shelf, decide, hold_unserved
from marketsync_dagster.platforms.ordering import Person
from marketsync_dagster.values.order_states import OrderFlag, OrderState
from marketsync_dagster.values.times import to_iso
from marketsync_dagster_tests.orders.sources import (
    MIRAKL,
    NOON,
    FakeSource,
    change,
    commands,
    put,
    tell,
    the,
)
from marketsync_dagster_tests.orders.telling import AT, LISA, SOURCE, a_line, an_order

S = OrderState


def judged(ledger: Ledger, stock: Mapping[str, int] | None = None, **said: Any) -> Decided:
    """One pass of decisions with so many pieces of each SKU."""
    more = {name: said.pop(name) for name in ("limit", "outlets", "observe") if name in said}
    settings = OrderSettings.model_validate({"accept": "auto"} | said)
    shelf = Shelf(lambda _outlet, sku: (stock or {}).get(sku, 100))
    return decide(ledger, SOURCE, settings, MIRAKL, shelf, by="run 1", now=NOON, **more)


def held(ledger: Ledger, order: BookOrder) -> list[str]:
    with ledger.read() as conn:
        return [hold.kind for hold in holds_of(conn, [order.id])]


def test_nothing_is_decided_where_the_platform_accepts_by_itself(ledger: Ledger) -> None:
    (order,) = put(ledger, an_order(a_line("1")))
    assert judged(ledger, {"S": 0}, accept="platform").numbers == {}
    assert (held(ledger, order), commands(ledger, order)) == ([], [])


def test_what_passes_is_accepted_and_its_source_is_told(ledger: Ledger) -> None:
    (order,) = put(ledger, an_order(a_line("1"), a_line("2")))
    assert judged(ledger).numbers == {"accepted": 1}
    now = the(ledger, order.id)
    assert (now.decision, now.decided_by, now.state) == ("accept", "run 1", S.NEW)
    (row,) = commands(ledger, order)
    assert (row.kind, row.payload) == ("accept", {"accepted": {"1": True, "2": True}})
    tell(ledger, FakeSource())
    assert the(ledger, order.id).state is S.ACCEPTED
    assert judged(ledger).numbers == {}


def test_what_is_refused_by_rule_is_told_with_all_its_lines(ledger: Ledger) -> None:
    (order,) = put(ledger, an_order(a_line("1"), a_line("2")))
    judged(ledger, {"S2": 0}, refuse=["stock"])
    assert commands(ledger, order)[0].payload == {"accepted": {"1": False, "2": False}}
    tell(ledger, FakeSource())
    assert the(ledger, order.id).state is S.REFUSED


def test_the_last_piece_is_sold_to_who_came_first(ledger: Ledger) -> None:
    late, early = put(
        ledger,
        an_order(a_line("1", offer_sku="S"), external_id="late", created_at=AT),
        an_order(a_line("1", offer_sku="S"), external_id="early"),
    )
    assert judged(ledger, {"S": 3}).numbers == {"accepted": 1, "held": 1}
    assert the(ledger, early.id).decision == "accept"
    assert held(ledger, late) == ["stock"]
    assert OrderFlag.ON_HOLD in the(ledger, late.id).flags


def test_what_is_held_keeps_its_place_before_younger_orders(ledger: Ledger) -> None:
    old, young = put(
        ledger,
        an_order(a_line("1", offer_sku="S"), external_id="old", total=Decimal(500)),
        an_order(a_line("1", offer_sku="S"), external_id="young", created_at=AT),
    )
    assert judged(ledger, {"S": 3}, below="400").numbers == {"held": 2}
    assert (held(ledger, old), held(ledger, young)) == (["value"], ["stock"])


def test_two_lines_of_one_product_share_its_stock(ledger: Ledger) -> None:
    (order,) = put(ledger, an_order(a_line("1", offer_sku="S"), a_line("2", offer_sku="S")))
    judged(ledger, {"S": 3}, refuse=["stock"], partial=True)
    assert commands(ledger, order)[0].payload == {"accepted": {"1": True, "2": False}}


def test_what_was_refused_gives_its_pieces_to_the_next(ledger: Ledger) -> None:
    put(
        ledger,
        an_order(a_line("1", offer_sku="S"), external_id="1", total=Decimal(500)),
        an_order(a_line("1", offer_sku="S"), external_id="2", created_at=AT),
    )
    said = {"below": "400", "refuse": ["value"]}
    assert judged(ledger, {"S": 2}, **said).numbers == {"refused": 1, "accepted": 1}


def test_goods_of_elsewhere_need_no_stock(ledger: Ledger) -> None:
    put(ledger, an_order(a_line("1", offer_sku="POD-1")))
    shelf = Shelf(lambda _o, _s: 0, lambda _order, line: not line.sku.startswith("POD"))
    settings = OrderSettings(accept="auto")
    assert decide(ledger, SOURCE, settings, MIRAKL, shelf, by="x").numbers == {"accepted": 1}


def test_a_hold_ends_when_its_rule_is_met_and_is_made_once(ledger: Ledger) -> None:
    (order,) = put(ledger, an_order(a_line("1", offer_sku="S")))
    assert judged(ledger, {"S": 0}).numbers == {"held": 1}
    assert judged(ledger, {"S": 0}).numbers == {"waiting": 1}
    assert judged(ledger, {"S": 5}).numbers == {"accepted": 1}
    assert held(ledger, order) == []
    kinds = [e.kind for e in events_of(ledger, order.id) if e.kind in ("held", "released")]
    assert kinds == ["held", "released"]


def test_an_order_that_is_not_mapped_waits_whatever_else_is_refused(ledger: Ledger) -> None:
    (order,) = put(ledger, an_order(a_line("1"), a_line("2", offer_sku="X2")))
    judged(ledger, {"S1": 0}, refuse=["stock"], partial=True)
    assert (commands(ledger, order), "unmapped" in held(ledger, order)) == ([], True)


@pytest.mark.parametrize("kind", ["person", "changed"])
def test_what_waits_for_people_is_not_decided_by_rule(ledger: Ledger, kind: Any) -> None:
    (order,) = put(ledger, an_order())
    change(ledger, order, lambda c, now: book.hold_order(c, now, kind, "why", "", "jane", AT))
    assert judged(ledger).numbers == {"waiting": 1}
    assert commands(ledger, order) == []


def test_without_automatic_acceptance_people_decide(ledger: Ledger) -> None:
    (order,) = put(ledger, an_order())
    assert judged(ledger, accept="manual").numbers == {"held": 1}
    assert (held(ledger, order), commands(ledger, order)) == (["manual"], [])


def test_a_limit_bounds_decisions_and_counts_the_rest(ledger: Ledger) -> None:
    put(ledger, *(an_order(external_id=f"A-{n}") for n in range(4)))
    assert judged(ledger, limit=3).numbers == {"accepted": 3, "left_out": 1}
    assert judged(ledger, limit=3).numbers == {"accepted": 1}


def test_other_outlets_are_left_alone(ledger: Ledger) -> None:
    put(ledger, an_order(external_id="here"), an_order(external_id="there", outlet="kisumu"))
    decided = judged(ledger, outlets=["kisumu"])
    assert (decided.numbers, decided.by_outlet) == ({"accepted": 1}, {"kisumu": {"accepted": 1}})


def test_an_address_that_comes_later_is_judged_before_anything_is_sent_on(ledger: Ledger) -> None:
    (order,) = put(ledger, an_order(a_line(state=S.IN_PREPARATION), state=S.IN_PREPARATION))
    settings = OrderSettings.model_validate({"served": {"countries": ["KE"]}})

    def look() -> int:
        return hold_unserved(ledger, SOURCE, settings, by="run 1", now=NOON)

    assert look() == 0
    abroad = Person(LISA.first_name, LISA.last_name, country="UG", zip="256")
    line = a_line(state=S.IN_PREPARATION)
    put(ledger, an_order(line, state=S.IN_PREPARATION, updated_at=AT, persons={"shipping": abroad}))
    assert look() == 1
    assert "address" in held(ledger, order)
    change(
        ledger,
        order,
        lambda c, now: book.release_order(c, now, ["address"], by="jane", reason="ok", at=AT),
    )
    assert look() == 0


def test_a_decision_that_is_not_committed_is_made_again(ledger: Ledger) -> None:
    class Killed(BaseException):
        pass

    def die(point: str) -> None:
        if point == "decisions_written":
            raise Killed

    (order,) = put(ledger, an_order())
    with pytest.raises(Killed):
        judged(ledger, observe=die)
    assert (the(ledger, order.id).decision, commands(ledger, order)) == ("", [])
    assert judged(ledger).numbers == {"accepted": 1}


def test_what_a_clock_that_was_ahead_took_for_overdue_is_decided_again(ledger: Ledger) -> None:
    (order,) = put(ledger, an_order(accept_by=to_iso(NOON + timedelta(hours=1))))
    judged(ledger)
    tell(ledger, FakeSource(), NOON + timedelta(hours=2))  # the clock is ahead
    assert [one.state for one in commands(ledger, order)] == ["dropped"]
    source = FakeSource()
    assert judged(ledger).numbers == {"accepted": 1}
    tell(ledger, source)
    assert (source.kinds, the(ledger, order.id).state) == (["accept"], S.ACCEPTED)


def test_what_is_overdue_is_not_decided_again_and_again(ledger: Ledger) -> None:
    (order,) = put(ledger, an_order(accept_by=to_iso(NOON - timedelta(hours=1))))
    assert (judged(ledger).numbers, commands(ledger, order)) == ({"waiting": 1}, [])
