"""What people decide about whole orders, by name and for a reason."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from marketsync_dagster.config.settings import Settings
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.forwards import forwards_of
from marketsync_dagster.ledger.order_events import events_of
from marketsync_dagster.ledger.order_holds import HoldKind
from marketsync_dagster.ledger.orders import BookOrder
from marketsync_dagster.orders import (
    book,
    by_hand,
    forwarding,
    hand_cancelling,
    hand_deciding,
)
from marketsync_dagster.values.order_states import CommandKind, OrderState
from marketsync_dagster_tests.orders.by_hand.hands import WHO, held, held_for, refused, waiting
from marketsync_dagster_tests.orders.sources import (
    MIRAKL,
    FakeSource,
    accepted,
    change,
    commands,
    put,
    settings_of,
    tell,
    the,
)
from marketsync_dagster_tests.orders.telling import AT, LATER, a_line, an_order

S = OrderState


def test_a_decision_has_a_name_and_a_reason(ledger: Ledger, settings: Settings) -> None:
    (order,) = put(ledger, an_order())
    assert "a name and a reason" in refused(
        hand_deciding.accept, ledger, settings, order.id, by=" "
    )
    assert "a name and a reason" in refused(
        hand_cancelling.cancel, ledger, settings, order.id, reason=""
    )
    assert "there is no order" in refused(hand_deciding.hold, ledger, settings, "nothing")


def test_an_order_is_accepted_by_hand_whatever_it_waited_for(
    ledger: Ledger, settings: Settings
) -> None:
    (order,) = put(ledger, an_order())
    change(ledger, order, lambda c, now: book.hold_order(c, now, "stock", "", "", "rule", AT))
    done = hand_deciding.accept(ledger, settings, order.id, **WHO)
    assert ("is accepted" in done.words, done.next_step) == (True, by_hand.FULFIL)
    assert held(ledger, order) == set()
    tell(ledger, FakeSource())
    now = the(ledger, order.id)
    assert (now.state, now.decided_by, now.decided_reason) == (
        S.ACCEPTED,
        "jane",
        "the customer called",
    )
    decided = next(e for e in events_of(ledger, order.id) if e.kind == "decided")
    assert (decided.after, decided.by, decided.reason) == ("accept", "jane", "the customer called")
    assert "only a new one" in refused(hand_deciding.accept, ledger, settings, order.id)


def test_a_decision_can_change_until_the_source_is_told(ledger: Ledger, settings: Settings) -> None:
    (order,) = put(ledger, an_order())
    hand_deciding.accept(ledger, settings, order.id, **WHO)
    hand_deciding.refuse(ledger, settings, order.id, **WHO)
    (row,) = commands(ledger, order)
    assert row.payload == {"accepted": {"1": False}}
    tell(ledger, FakeSource(script=["lose"], blind=True))
    assert "just being told" in refused(hand_deciding.accept, ledger, settings, order.id)


def test_some_lines_are_accepted_by_hand(ledger: Ledger, settings: Settings) -> None:
    (order,) = put(ledger, an_order(a_line("1"), a_line("2", offer_sku="X")))
    assert "1 line not mapped" in refused(hand_deciding.accept, ledger, settings, order.id)
    done = hand_deciding.accept(ledger, settings, order.id, lines=["1"], **WHO)
    assert ("1 line refused" in done.words, done.next_step) == (True, by_hand.FULFIL)
    assert held(ledger, order) == set()  # what is not mapped is refused
    assert waiting(ledger, settings, order).words == "its acceptance to be told"
    assert "is accepted already, by jane" in refused(
        hand_deciding.accept, ledger, settings, order.id, lines=["1"]
    )
    assert commands(ledger, order)[0].payload == {"accepted": {"1": True, "2": False}}
    assert "no line 9" in refused(hand_deciding.accept, ledger, settings, order.id, lines=["9"])


def test_some_lines_are_refused_by_hand_and_the_others_taken(
    ledger: Ledger, settings: Settings
) -> None:
    (order,) = put(ledger, an_order(a_line("1"), a_line("2", offer_sku="X"), a_line("3")))
    done = hand_deciding.refuse(ledger, settings, order.id, lines=["2"], **WHO)
    assert done.words == "order A-1 is accepted, 1 line refused (2)"
    taken = {"1": True, "2": False, "3": True}
    assert commands(ledger, order)[0].payload == {"accepted": taken}
    hand_deciding.refuse(ledger, settings, order.id, lines=["3", "1", "2"], **WHO)
    assert commands(ledger, order)[0].payload == {"accepted": dict.fromkeys(taken, False)}
    assert "no line 9" in refused(hand_deciding.refuse, ledger, settings, order.id, lines=["9"])
    gone = an_order(a_line("1"), a_line("2", state=S.CANCELLED), external_id="A-2")
    (order,) = put(ledger, gone)
    nothing = refused(hand_deciding.refuse, ledger, settings, order.id, lines=["2"])
    assert "has nothing to refuse of line 2" in nothing
    assert commands(ledger, order) == []


def test_an_order_is_not_accepted_after_its_deadline(ledger: Ledger, settings: Settings) -> None:
    (order,) = put(ledger, an_order(accept_by="2026-11-21T08:00:00.000Z"))
    assert "had to be accepted by" in refused(hand_deciding.accept, ledger, settings, order.id)


def test_what_a_person_holds_waits_until_it_is_released(ledger: Ledger, settings: Settings) -> None:
    order = accepted(ledger)
    done = hand_deciding.hold(ledger, settings, order.id, **WHO)
    assert (held(ledger, order), "orders release" in done.next_step) == ({"person"}, True)
    hand_deciding.release(ledger, settings, order.id, **WHO)
    assert held(ledger, order) == set()
    assert "is not held" in refused(hand_deciding.release, ledger, settings, order.id)


def test_a_new_order_is_not_released_past_its_rules(ledger: Ledger, settings: Settings) -> None:
    (order,) = put(ledger, an_order())
    kinds: tuple[HoldKind, ...] = ("stock", "person")
    for kind in kinds:
        change(ledger, order, partial(held_for, kind=kind))
    done = hand_deciding.release(ledger, settings, order.id, **WHO)
    assert (held(ledger, order), "still waits: stock" in done.words) == ({"stock"}, True)
    assert "orders accept" in refused(hand_deciding.release, ledger, settings, order.id)


def test_a_release_makes_a_new_attempt_of_what_failed(
    ledger: Ledger, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = accepted(ledger)
    change(ledger, order, lambda c, n: book.hold_order(c, n, "destination", "", "", "x", AT))
    asked: list[str] = []

    def again(conn: Any, now: BookOrder, **said: Any) -> int:
        asked.append(said["by"])
        return 1

    monkeypatch.setattr(forwarding, "again", again)
    done = hand_deciding.release(ledger, settings, order.id, **WHO)
    assert ("what has failed goes again" in done.words, asked) == (True, ["jane"])
    with ledger.read() as conn:
        assert forwards_of(conn, [order.id]) == {}


@pytest.mark.parametrize("local", [False, True])
def test_an_order_that_is_held_is_not_accepted_though_that_was_decided(
    ledger: Ledger, settings: Settings, local: bool
) -> None:
    (order,) = put(ledger, an_order())
    hand_deciding.accept(ledger, settings, order.id, **WHO)
    hand_deciding.hold(ledger, settings, order.id, **WHO)
    can = replace(MIRAKL, local=frozenset(CommandKind)) if local else MIRAKL
    source = FakeSource(order_capabilities=can)
    tell(ledger, source)
    assert (source.performed, the(ledger, order.id).state) == ([], S.NEW)
    hand_deciding.release(ledger, settings, order.id, **WHO)
    tell(ledger, source)
    assert the(ledger, order.id).state is S.ACCEPTED


def test_what_is_refused_and_not_told_yet_does_not_wait_for_its_products(
    ledger: Ledger, settings: Settings
) -> None:
    (order,) = put(ledger, an_order(a_line("1", offer_sku="X")))
    assert held(ledger, order) == {"unmapped"}
    hand_deciding.refuse(ledger, settings, order.id, **WHO)
    assert (waiting(ledger, settings, order).words, held(ledger, order)) == (
        "its refusal to be told",
        set(),
    )
    put(ledger, an_order(a_line("1", offer_sku="X"), updated_at=LATER, tags=("x",)))
    assert held(ledger, order) == set()


def test_a_new_order_waits_for_a_source_that_accepts_by_itself(
    ledger: Ledger, tmp_path: Path
) -> None:
    (order,) = put(ledger, an_order(a_line("1")))
    by_itself = settings_of(tmp_path, "{accept: platform}")
    assert waiting(ledger, by_itself, order).words == "best_buy to accept it"
