"""What people decide, by name and for a reason; and their answers to questions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from marketsync_dagster.config.settings import Settings
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.forwards import Forward, add_forwards, forwards_of
from marketsync_dagster.ledger.order_events import events_of
from marketsync_dagster.ledger.order_holds import HoldKind, holds_of
from marketsync_dagster.ledger.order_tasks import open_tasks
from marketsync_dagster.ledger.orders import BookOrder
from marketsync_dagster.ledger.shipments import shipments_of
from marketsync_dagster.orders import book, by_hand, forward_steps, forwarding, shown
from marketsync_dagster.orders.resolving import resolve_task
from marketsync_dagster.orders.wanting import want
from marketsync_dagster.platforms.ordering import OrderCapabilities
from marketsync_dagster.values.errors import UsageError
from marketsync_dagster.values.order_states import CommandKind, OrderState
from marketsync_dagster_tests.config.texts import load
from marketsync_dagster_tests.ledgers import ENGINES, Engine
from marketsync_dagster_tests.orders.sources import (
    MIRAKL,
    NOON,
    FakeSource,
    accepted,
    change,
    commands,
    put,
    settings_of,
    tell,
    the,
    ways,
)
from marketsync_dagster_tests.orders.telling import AT, LATER, a_line, an_order

S, K = OrderState, CommandKind
WHO: dict[str, Any] = {"by": "jane", "reason": "the customer called", "now": NOON}


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> Engine:
    """Both in turn: what is written here is written by other tests on both."""
    return ENGINES[len(request.node.name) % 2]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_of(tmp_path, "{accept: manual, refund_reason: '15', cancel_reason: '34'}")


def refused(work: Callable[..., Any], *args: Any, **said: Any) -> str:
    """The words of a refusal."""
    with pytest.raises(UsageError) as error:
        work(*args, **(WHO | said))
    return str(error.value)


def held_for(conn: Connection, order: BookOrder, kind: HoldKind) -> BookOrder:
    return book.hold_order(conn, order, kind, "", "", "x", AT)


def waiting(ledger: Ledger, order: BookOrder) -> shown.Waits:
    return shown.waits_for(the(ledger, order.id), shown.around(ledger, [order.id]))


def held(ledger: Ledger, order: BookOrder) -> set[str]:
    with ledger.read() as conn:
        return {hold.kind for hold in holds_of(conn, [order.id])}


def test_a_decision_has_a_name_and_a_reason(ledger: Ledger, settings: Settings) -> None:
    (order,) = put(ledger, an_order())
    assert "a name and a reason" in refused(by_hand.accept, ledger, settings, order.id, by=" ")
    assert "a name and a reason" in refused(by_hand.cancel, ledger, settings, order.id, reason="")
    assert "there is no order" in refused(by_hand.hold, ledger, settings, "nothing")


def test_an_order_is_accepted_by_hand_whatever_it_waited_for(
    ledger: Ledger, settings: Settings
) -> None:
    (order,) = put(ledger, an_order())
    change(ledger, order, lambda c, now: book.hold_order(c, now, "stock", "", "", "rule", AT))
    done = by_hand.accept(ledger, settings, order.id, **WHO)
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
    assert "only a new one" in refused(by_hand.accept, ledger, settings, order.id)


def test_a_decision_can_change_until_the_source_is_told(ledger: Ledger, settings: Settings) -> None:
    (order,) = put(ledger, an_order())
    by_hand.accept(ledger, settings, order.id, **WHO)
    by_hand.refuse(ledger, settings, order.id, **WHO)
    (row,) = commands(ledger, order)
    assert row.payload == {"accepted": {"1": False}}
    tell(ledger, FakeSource(script=["lose"], blind=True))
    assert "just being told" in refused(by_hand.accept, ledger, settings, order.id)


def test_some_lines_are_accepted_by_hand(ledger: Ledger, settings: Settings) -> None:
    (order,) = put(ledger, an_order(a_line("1"), a_line("2", offer_sku="X")))
    assert "1 line not mapped" in refused(by_hand.accept, ledger, settings, order.id)
    done = by_hand.accept(ledger, settings, order.id, lines=["1"], **WHO)
    assert ("1 line refused" in done.words, done.next_step) == (True, by_hand.FULFIL)
    assert held(ledger, order) == set()  # what is not mapped is refused
    assert waiting(ledger, order).words == "its acceptance to be told"
    assert "is accepted already, by jane" in refused(
        by_hand.accept, ledger, settings, order.id, lines=["1"]
    )
    assert commands(ledger, order)[0].payload == {"accepted": {"1": True, "2": False}}
    assert "no line 9" in refused(by_hand.accept, ledger, settings, order.id, lines=["9"])


def test_an_order_is_not_accepted_after_its_deadline(ledger: Ledger, settings: Settings) -> None:
    (order,) = put(ledger, an_order(accept_by="2026-11-21T08:00:00.000Z"))
    assert "had to be accepted by" in refused(by_hand.accept, ledger, settings, order.id)


def test_what_a_person_holds_waits_until_it_is_released(ledger: Ledger, settings: Settings) -> None:
    order = accepted(ledger)
    done = by_hand.hold(ledger, settings, order.id, **WHO)
    assert (held(ledger, order), "orders release" in done.next_step) == ({"person"}, True)
    by_hand.release(ledger, settings, order.id, **WHO)
    assert held(ledger, order) == set()
    assert "is not held" in refused(by_hand.release, ledger, settings, order.id)


def test_a_new_order_is_not_released_past_its_rules(ledger: Ledger, settings: Settings) -> None:
    (order,) = put(ledger, an_order())
    kinds: tuple[HoldKind, ...] = ("stock", "person")
    for kind in kinds:
        change(ledger, order, partial(held_for, kind=kind))
    done = by_hand.release(ledger, settings, order.id, **WHO)
    assert (held(ledger, order), "still waits: stock" in done.words) == ({"stock"}, True)
    assert "orders accept" in refused(by_hand.release, ledger, settings, order.id)


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
    done = by_hand.release(ledger, settings, order.id, **WHO)
    assert ("what has failed goes again" in done.words, asked) == (True, ["jane"])
    with ledger.read() as conn:
        assert forwards_of(conn, [order.id]) == {}


def test_a_parcel_of_everything_ships_the_order(ledger: Ledger, settings: Settings) -> None:
    order = accepted(ledger, a_line("1"), a_line("2"))
    done = by_hand.ship(
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
    assert "nothing is left to ship" in refused(by_hand.ship, ledger, settings, order.id)


def test_pieces_are_shipped_in_parts(ledger: Ledger, settings: Settings) -> None:
    order = accepted(ledger, a_line("1"), a_line("2"))
    done = by_hand.ship(
        ledger, settings, order.id, carrier="DHL", tracking="1", lines={"1": 1}, **WHO
    )
    assert done.words == "order A-1: 1 piece shipped, 3 pieces still to ship"
    now = the(ledger, order.id)
    assert (now.state, [flag.value for flag in now.flags]) == (
        S.IN_PREPARATION,
        ["partially_shipped"],
    )
    said = refused(by_hand.ship, ledger, settings, order.id, lines={"1": 2})
    assert "has 1 piece of line 1 to ship, not 2" in said
    by_hand.ship(ledger, settings, order.id, carrier="DHL", tracking="1", lines={"1": 1}, **WHO)
    by_hand.ship(ledger, settings, order.id, carrier="DHL", tracking="1", **WHO)
    assert the(ledger, order.id).state is S.SHIPPED
    with ledger.read() as conn:
        assert len(shipments_of(conn, [order.id])[order.id]) == 3


@pytest.mark.parametrize("parcel", [{"tracking": "1"}, {"url": "https://post.example/1"}])
def test_a_marketplace_that_wants_a_carrier_is_told_of_no_parcel_without(
    ledger: Ledger, settings: Settings, parcel: dict[str, str]
) -> None:
    order = accepted(ledger, a_line("1"))
    said = refused(by_hand.ship, ledger, settings, order.id, **parcel)
    assert "needs a carrier" in said
    with ledger.read() as conn:
        assert not shipments_of(conn, [order.id])
    by_hand.ship(ledger, settings, order.id, carrier="DHL", **parcel, **WHO)


def test_what_was_not_accepted_is_not_shipped(ledger: Ledger, settings: Settings) -> None:
    (order,) = put(ledger, an_order())
    assert "was not accepted yet" in refused(by_hand.ship, ledger, settings, order.id)


def test_a_new_order_that_is_cancelled_is_refused(ledger: Ledger, settings: Settings) -> None:
    (order,) = put(ledger, an_order())
    assert "is refused" in by_hand.cancel(ledger, settings, order.id, **WHO).words
    assert ways(ledger, order) == {"accept": "waiting"}


def test_a_cancellation_keeps_the_order_back_until_its_source_has_answered(
    ledger: Ledger, settings: Settings
) -> None:
    order = accepted(ledger)
    by_hand.cancel(ledger, settings, order.id, **WHO)
    assert (held(ledger, order), the(ledger, order.id).decision) == ({"cancelling"}, "cancel")
    assert "is being cancelled" in refused(by_hand.ship, ledger, settings, order.id)
    assert "already" in refused(by_hand.cancel, ledger, settings, order.id)
    assert "waits: cancelling" in refused(by_hand.release, ledger, settings, order.id)
    tell(ledger, FakeSource())
    assert (the(ledger, order.id).state, held(ledger, order)) == (S.CANCELLED, set())


def test_a_cancellation_that_is_refused_is_a_question_and_can_be_dropped(
    ledger: Ledger, settings: Settings
) -> None:
    order = accepted(ledger)
    by_hand.cancel(ledger, settings, order.id, **WHO)
    tell(ledger, FakeSource(script=["refuse"]))
    assert held(ledger, order) == {"cancelling"}
    (task,) = open_tasks(ledger, order.id)
    resolve_task(ledger, settings, task.id, "drop", **WHO)
    now = the(ledger, order.id)
    assert (held(ledger, order), now.decision, now.state) == (set(), "accept", S.IN_PREPARATION)
    by_hand.cancel(ledger, settings, order.id, **WHO)
    tell(ledger, FakeSource())
    assert the(ledger, order.id).state is S.CANCELLED


def test_pieces_are_cancelled_with_their_money(ledger: Ledger, settings: Settings) -> None:
    order = accepted(ledger, a_line("1", shipping=Decimal(3)), a_line("2"))
    by_hand.cancel(ledger, settings, order.id, lines={"1": 2, "2": 1}, **WHO)
    source = FakeSource()
    tell(ledger, source)
    (one,) = source.performed
    assert (one.lines, one.amounts, one.shipping_amounts, one.reason_code) == (
        {"1": 2, "2": 1},
        {"1": Decimal("20.00"), "2": Decimal("10.00")},
        {"1": Decimal("3.00")},
        "34",
    )
    now = the(ledger, order.id)
    assert [(line.state, line.open) for line in now.lines] == [
        (S.CANCELLED, 0),
        (S.IN_PREPARATION, 1),
    ]
    assert held(ledger, order) == set()


def test_what_has_left_is_refunded_and_not_cancelled(ledger: Ledger, settings: Settings) -> None:
    order = accepted(ledger, a_line("1"), a_line("2"))
    by_hand.ship(ledger, settings, order.id, lines={"1": 1}, **WHO)
    assert "has left in part" in refused(by_hand.cancel, ledger, settings, order.id)
    said = refused(by_hand.cancel, ledger, settings, order.id, lines={"1": 2})
    assert "has 1 piece of line 1 to cancel" in said
    by_hand.ship(ledger, settings, order.id, **WHO)
    assert "only be refunded" in refused(by_hand.cancel, ledger, settings, order.id)


def test_where_its_source_forbids_it_nothing_is_cancelled(
    ledger: Ledger, settings: Settings
) -> None:
    order = accepted(ledger, can_cancel=False)
    assert "cannot be cancelled now" in refused(by_hand.cancel, ledger, settings, order.id)


def test_money_is_given_back_exactly_and_once(ledger: Ledger, settings: Settings) -> None:
    order = accepted(ledger)
    money = {"amounts": {"1": Decimal("12.50")}}
    done = by_hand.refund(ledger, settings, order.id, **money, **WHO)
    assert done.words == "order A-1: KES 12.50 will be given back"
    said = refused(by_hand.refund, ledger, settings, order.id, **money)
    assert "at most KES 7.50 of line 1" in said  # the rest is on its way
    source = FakeSource()
    tell(ledger, source)
    assert source.performed[0].amounts == {"1": Decimal("12.50")}
    assert the(ledger, order.id).lines[0].refunded_minor == 1250
    said = refused(by_hand.refund, ledger, settings, order.id, **money)
    assert "at most KES 7.50 of line 1" in said
    exact = refused(by_hand.refund, ledger, settings, order.id, amounts={"1": Decimal("0.001")})
    assert "more decimals" in exact


def test_a_refund_needs_the_platforms_reason_code(ledger: Ledger, tmp_path: Path) -> None:
    order, none = accepted(ledger), settings_of(tmp_path)
    money = {"amounts": {"1": Decimal(1)}}
    assert "reason code" in refused(by_hand.refund, ledger, none, order.id, **money)
    by_hand.refund(ledger, none, order.id, code="16", **money, **WHO)
    assert commands(ledger, order)[0].payload["reason_code"] == "16"


def test_what_was_refused_with_its_reason_code_is_made_anew_with_another_one(
    ledger: Ledger, settings: Settings
) -> None:
    order = accepted(ledger, a_line("1"), a_line("2 b"))
    pieces, money = {"lines": {"2 b": 1}}, {"amounts": {"1": Decimal("1.50")}}
    by_hand.cancel(ledger, settings, order.id, **pieces, **WHO)
    by_hand.refund(ledger, settings, order.id, quantities={"1": 1}, **money, **WHO)
    tell(ledger, FakeSource(script=["refuse", "refuse"]))
    offered = [task.commands[-1] for task in open_tasks(ledger, order.id)]
    assert offered == [
        f"marketsync orders {what} --code CODE --by NAME --reason WHY"
        for what in (
            f"cancel {order.id} --line '2 b=1'",
            f"refund {order.id} --line 1=1.50 --pieces 1=1",
        )
    ]
    by_hand.cancel(ledger, settings, order.id, code="35", **pieces, **WHO)
    by_hand.refund(ledger, settings, order.id, code="16", quantities={"1": 1}, **money, **WHO)
    assert open_tasks(ledger, order.id) == []
    source = FakeSource()
    tell(ledger, source)
    assert [one.reason_code for one in source.performed] == ["35", "16"]
    assert set(ways(ledger, order).values()) == {"done"}
    assert len(ways(ledger, order)) == 2


@pytest.mark.parametrize(
    ("answer", "becomes", "calls"),
    [("done", "done", 0), ("again", "done", 1), ("drop", "dropped", 0)],
)
def test_what_cannot_be_told_is_answered_by_people(
    ledger: Ledger, settings: Settings, answer: str, becomes: str, calls: int
) -> None:
    order = accepted(ledger)
    said: dict[str, Any] = {"by": "run", "reason": "it left", "at": AT}
    change(ledger, order, lambda c, now: want(c, now, K.SHIP, "ship", {}, **said))
    tell(ledger, FakeSource(script=["lose"], blind=True))
    (task,) = open_tasks(ledger, order.id)
    assert "is no answer" in refused(resolve_task, ledger, settings, task.id, "perhaps")
    done = resolve_task(ledger, settings, task.id, answer, **WHO)
    assert (done.order_id, open_tasks(ledger)) == (order.id, [])
    source = FakeSource()
    tell(ledger, source)
    assert (ways(ledger, order), len(source.performed)) == ({"ship": becomes}, calls)
    assert "was answered already" in refused(resolve_task, ledger, settings, task.id, answer)
    assert "does not exist" in refused(resolve_task, ledger, settings, 999, answer)
    event = next(e for e in events_of(ledger, order.id) if e.kind == "task" and e.by == "jane")
    assert (event.before, event.after) == ("command_unknown", answer)


def test_what_was_refused_is_not_called_done(ledger: Ledger, settings: Settings) -> None:
    order = accepted(ledger)
    said: dict[str, Any] = {"by": "run", "reason": "it left", "at": AT}
    change(ledger, order, lambda c, now: want(c, now, K.SHIP, "ship", {}, **said))
    tell(ledger, FakeSource(script=["refuse"]))
    (task,) = open_tasks(ledger, order.id)
    assert "it is not done" in refused(resolve_task, ledger, settings, task.id, "done")
    resolve_task(ledger, settings, task.id, "again", **WHO)
    tell(ledger, FakeSource())
    assert ways(ledger, order) == {"ship": "done"}


def test_refunds_on_their_way_and_refused_ones_leave_less_to_give_back(
    ledger: Ledger, settings: Settings
) -> None:
    order = accepted(ledger)
    ten: dict[str, Any] = {"amounts": {"1": Decimal(10)}}
    by_hand.refund(ledger, settings, order.id, **ten, **WHO)
    tell(ledger, FakeSource(script=["refuse"]))
    by_hand.refund(ledger, settings, order.id, amounts={"1": Decimal(15)}, **WHO)
    said = refused(by_hand.refund, ledger, settings, order.id, amounts={"1": Decimal(6)})
    assert "at most KES 5.00 of line 1" in said
    (task,) = open_tasks(ledger, order.id)
    assert "at most KES 5.00" in refused(resolve_task, ledger, settings, task.id, "again")


def test_pieces_of_a_line_with_a_discount_are_cancelled_with_their_share(
    ledger: Ledger, settings: Settings
) -> None:
    order = accepted(ledger, a_line(quantity=3, total=Decimal(15)))
    by_hand.cancel(ledger, settings, order.id, lines={"1": 2}, **WHO)
    assert commands(ledger, order)[0].payload["amounts"] == {"1": "10.00"}


@pytest.mark.parametrize("local", [False, True])
def test_an_order_that_is_held_is_not_accepted_though_that_was_decided(
    ledger: Ledger, settings: Settings, local: bool
) -> None:
    (order,) = put(ledger, an_order())
    by_hand.accept(ledger, settings, order.id, **WHO)
    by_hand.hold(ledger, settings, order.id, **WHO)
    can = replace(MIRAKL, local=frozenset(CommandKind)) if local else MIRAKL
    source = FakeSource(order_capabilities=can)
    tell(ledger, source)
    assert (source.performed, the(ledger, order.id).state) == ([], S.NEW)
    by_hand.release(ledger, settings, order.id, **WHO)
    tell(ledger, source)
    assert the(ledger, order.id).state is S.ACCEPTED


def test_nothing_is_shipped_while_its_source_has_to_answer_a_cancellation(
    ledger: Ledger, settings: Settings
) -> None:
    order = accepted(ledger, a_line("1"), a_line("2"))
    by_hand.cancel(ledger, settings, order.id, lines={"1": 2}, **WHO)
    assert "is being cancelled" in refused(by_hand.ship, ledger, settings, order.id)
    tell(ledger, FakeSource())
    by_hand.ship(ledger, settings, order.id, **WHO)
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
    assert "is at 2 tills" in refused(by_hand.ship, ledger, settings, order.id)
    done = by_hand.ship(ledger, settings, order.id, lines={"1": 1, "4": 1}, **WHO)
    assert "take back" not in done.words
    done = by_hand.ship(ledger, settings, order.id, lines={"3": 2}, **WHO)
    assert done.words.endswith("; prints (number n3) is asked to take back what it has of it")
    with ledger.read() as conn:
        told = {parcel.forward_id for parcel in shipments_of(conn, [order.id])[order.id]}
    assert told == {"f1", ""}


# --- a shop that adds a line to what was decided

SHOP = """\
version: 1
defaults: {currency: KES}
outlets:
  westlands: {name: Westlands, extract: {path: extracts/a}}
shops:
  best_buy: {folder: in, outlet: westlands}
"""
LOCAL = OrderCapabilities(local=frozenset(CommandKind), partial_accept=True, several_parcels=True)


@pytest.fixture
def shop(tmp_path: Path) -> Settings:
    """Its shop's words are files; what is decided here holds."""
    return load(tmp_path, SHOP)


def shipped_and_added(ledger: Ledger, shop: Settings) -> BookOrder:
    """An order that has left, to which its shop then adds line 2."""
    (order,) = put(ledger, an_order())
    by_hand.accept(ledger, shop, order.id, **WHO)
    tell(ledger, FakeSource(LOCAL))
    by_hand.ship(ledger, shop, order.id, **WHO)
    (order,) = put(ledger, an_order(a_line("1"), a_line("2"), updated_at=LATER))
    assert order.line("2").state is S.NEW
    assert held(ledger, order) == {"changed"}
    (task,) = open_tasks(ledger, order.id)
    assert "added line 2" in task.question
    return order


@pytest.mark.parametrize(
    ("verb", "lines", "state"),
    [
        ("release", None, S.IN_PREPARATION),
        ("accept", ["2"], S.IN_PREPARATION),
        ("refuse", None, S.REFUSED),
        ("cancel", {"2": 2}, S.CANCELLED),
    ],
)
def test_a_line_that_its_shop_adds_after_shipping_is_taken_or_dropped_by_people(
    ledger: Ledger, shop: Settings, verb: str, lines: Any, state: OrderState
) -> None:
    order = shipped_and_added(ledger, shop)
    done = getattr(by_hand, verb)(
        ledger, shop, order.id, **WHO, **({"lines": lines} if lines else {})
    )
    assert done.next_step == by_hand.FULFIL
    assert open_tasks(ledger, order.id) == []
    assert "changed" not in held(ledger, order)
    assert waiting(ledger, order).next_step == by_hand.FULFIL
    tell(ledger, FakeSource(LOCAL))
    now = the(ledger, order.id)
    assert ([line.state for line in now.lines], held(ledger, now)) == ([S.SHIPPED, state], set())
    assert now.line("1").shipped == 2


def test_a_line_that_was_added_is_never_without_a_next_step(ledger: Ledger, shop: Settings) -> None:
    order = shipped_and_added(ledger, shop)
    (task,) = open_tasks(ledger, order.id)
    resolve_task(ledger, shop, task.id, "done", **WHO)
    change(ledger, order, lambda c, now: book.release_order(c, now, by="x", reason="", at=AT))
    assert waiting(ledger, order).words == "a decision about line 2"
    assert "no such line" in refused(by_hand.accept, ledger, shop, order.id, lines=["1"])
    by_hand.accept(ledger, shop, order.id, **WHO)
    assert waiting(ledger, order).words == "its acceptance to be told"


def test_a_source_that_says_itself_what_is_accepted_says_so_of_added_lines(
    ledger: Ledger, shop: Settings, settings: Settings
) -> None:
    order = shipped_and_added(ledger, shop)
    assert "best_buy says" in refused(by_hand.accept, ledger, settings, order.id)


def test_what_kept_pieces_from_being_sent_ends_when_they_have_left(
    ledger: Ledger, settings: Settings
) -> None:
    order = accepted(ledger)
    made = partial(held_for, kind="route")
    change(ledger, order, made)
    change(ledger, order, partial(held_for, kind="person"))
    by_hand.ship(ledger, settings, order.id, **WHO)
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


def test_after_its_source_refused_a_cancellation_nobody_waits_for_its_answer(
    ledger: Ledger, settings: Settings
) -> None:
    order = accepted(ledger)
    by_hand.cancel(ledger, settings, order.id, **WHO)
    tell(ledger, FakeSource(script=["refuse"]))
    with ledger.read() as conn:
        (hold,) = holds_of(conn, [order.id])
    assert (hold.kind, hold.next_step) == ("cancelling", "marketsync orders tasks")
    assert "refused the cancellation" in hold.reason
    assert "nobody has decided" in refused(by_hand.ship, ledger, settings, order.id)
    (task,) = open_tasks(ledger, order.id)
    resolve_task(ledger, settings, task.id, "again", **WHO)
    with ledger.read() as conn:
        (hold,) = holds_of(conn, [order.id])
    assert (hold.kind, hold.next_step) == ("cancelling", by_hand.FULFIL)


def test_what_is_refused_and_not_told_yet_does_not_wait_for_its_products(
    ledger: Ledger, settings: Settings
) -> None:
    (order,) = put(ledger, an_order(a_line("1", offer_sku="X")))
    assert held(ledger, order) == {"unmapped"}
    by_hand.refuse(ledger, settings, order.id, **WHO)
    assert (waiting(ledger, order).words, held(ledger, order)) == (
        "its refusal to be told",
        set(),
    )
    put(ledger, an_order(a_line("1", offer_sku="X"), updated_at=LATER, tags=("x",)))
    assert held(ledger, order) == set()


def test_who_ships_what_is_not_paid_is_told_so(ledger: Ledger, settings: Settings) -> None:
    order = accepted(ledger, state=S.ACCEPTED)
    done = by_hand.ship(ledger, settings, order.id, **WHO)
    assert "best_buy has not said that it is paid" in done.words
