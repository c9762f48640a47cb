"""What a source tells of an order beside its states: lines, pieces, money, persons, products."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from marketsync_dagster.orders.merge import Known, hold_unmapped
from marketsync_dagster.orders.notes import Notes
from marketsync_dagster.platforms.ordering import Person, Refund, UnreadableOrder
from marketsync_dagster.values.order_states import OrderFlag, OrderState
from marketsync_dagster_tests.orders.telling import (
    AT,
    LATER,
    LISA,
    a_line,
    an_order,
    kinds,
    known,
    told,
)

S = OrderState
GOING = {"state": S.IN_PREPARATION}


# --- lines


def test_a_line_that_is_not_told_any_more_stays_and_is_not_sent() -> None:
    before = known(an_order(a_line("1", **GOING), a_line("2", **GOING)))
    merged = told(before, an_order(a_line("2", **GOING), updated_at=LATER))
    gone = merged.order.line("1")
    assert gone.vanished_at == AT
    assert gone.open == 0
    assert gone.state is S.IN_PREPARATION
    assert kinds(merged) == [("line_vanished", "1")]
    assert not merged.holds  # nobody had taken it yet
    again = told(Known(merged.order), an_order(a_line("2", **GOING), updated_at=LATER, tags=("x",)))
    assert not again.events


def test_a_line_that_is_told_again_is_there_again() -> None:
    before = known(an_order(a_line("1", **GOING), a_line("2", **GOING)))
    gone = told(before, an_order(a_line("1", **GOING), updated_at=LATER))
    back = told(
        Known(gone.order),
        an_order(a_line("1", **GOING), a_line("2", **GOING), updated_at=f"{LATER[:-2]}9Z"),
    )
    assert back.order.line("2").vanished_at is None
    assert kinds(back) == [("line_back", "2")]


@pytest.mark.parametrize(
    ("accepted", "forwarded", "holds", "tasks"),
    [
        (False, False, [], []),
        (True, False, ["changed"], []),
        (True, True, ["changed"], ["changed_after_forwarding"]),
        (False, True, ["changed"], ["changed_after_forwarding"]),
    ],
)
@pytest.mark.parametrize("what", ["vanished", "quantity", "offer_sku", "cancelled", "added"])
def test_what_changes_after_an_order_went_on_waits_for_a_person(
    what: str, accepted: bool, forwarded: bool, holds: list[str], tasks: list[str]
) -> None:
    lines = [a_line("1", **GOING), a_line("2", **GOING)]
    before = known(
        an_order(*lines),
        decision="accept" if accepted else "",
        forwarded=["2"] if forwarded else [],
    )
    if what == "vanished":
        del lines[1]
    elif what == "added":
        lines.append(a_line("3", **GOING))
    else:
        change: dict[str, Any] = {"quantity": 3, "offer_sku": "S9", "cancelled": 1}
        lines[1] = replace(lines[1], **{what: change[what]})
    merged = told(before, an_order(*lines, updated_at=LATER))
    assert [one.kind for one in merged.holds] == holds
    assert [one.kind for one in merged.tasks] == tasks
    assert (OrderFlag.ON_HOLD in merged.order.flags) is bool(holds)


def test_a_change_of_a_line_that_has_left_holds_nothing() -> None:
    before = known(an_order(a_line("1", state=S.SHIPPED)), decision="accept", forwarded=["1"])
    merged = told(before, an_order(a_line("1", state=S.SHIPPED, quantity=3), updated_at=LATER))
    assert not merged.holds
    assert not merged.tasks


def test_more_pieces_of_what_has_left_are_still_to_be_sent() -> None:
    before = known(
        an_order(a_line("1"), a_line("2", quantity=1)),
        states={"1": S.SHIPPED, "2": S.SHIPPED},
        decision="accept",
    )
    merged = told(
        before,
        an_order(a_line("1"), a_line("2", quantity=3), a_line("3"), updated_at=LATER),
    )
    line = merged.order.line("2")
    assert (line.state, line.shipped, line.open) == (S.IN_PREPARATION, 1, 2)
    assert merged.order.line("1").state is S.SHIPPED
    (hold,) = merged.holds
    assert hold.reason == "its source changed quantity of line 2; its source added line 3"
    again = told(
        Known(merged.order, held=frozenset({"changed"})),
        an_order(a_line("1"), a_line("2", quantity=3), a_line("3"), updated_at=LATER, tags=("x",)),
    )
    assert again.order.line("2") == line


def test_pieces_that_left_by_our_book_stay_so_whatever_the_source_counts() -> None:
    before = known(an_order(a_line("1", **GOING)))
    line = replace(before.order.lines[0], shipped=2)
    there = Known(replace(before.order, lines=(line,)))
    merged = told(there, an_order(a_line("1", shipped=1, **GOING), updated_at=LATER))
    assert merged.order.lines[0].shipped == 2
    more = told(known(an_order(a_line("1", **GOING))),
                an_order(a_line("1", shipped=1, **GOING), updated_at=LATER))  # fmt: skip
    assert more.order.lines[0].shipped == 1
    assert OrderFlag.PARTIALLY_SHIPPED in more.order.flags


@pytest.mark.parametrize(
    ("state", "cancelled", "shipped"),
    [(S.NEW, 0, 0), (S.SHIPPED, 0, 2), (S.CLOSED, 0, 2), (S.CANCELLED, 2, 0), (S.REFUSED, 2, 0)],
)
def test_the_state_of_a_line_says_what_became_of_its_pieces(
    state: OrderState, cancelled: int, shipped: int
) -> None:
    line = told(None, an_order(a_line(state=state))).order.lines[0]
    assert (line.cancelled, line.shipped) == (cancelled, shipped)


def test_cancelled_pieces_are_not_shipped_with_the_others() -> None:
    line = told(None, an_order(a_line(state=S.SHIPPED, quantity=5, cancelled=2))).order.lines[0]
    assert (line.cancelled, line.shipped, line.open) == (2, 3, 0)


# --- products


@pytest.mark.parametrize("place", ["first", "middle", "last", "only"])
def test_a_line_that_is_not_mapped_holds_the_order_wherever_it_stands(place: str) -> None:
    lines = [a_line("1"), a_line("2"), a_line("3")]
    at = {"first": 0, "middle": 1, "last": 2, "only": 0}[place]
    lines[at] = replace(lines[at], offer_sku="X7")
    merged = told(None, an_order(*(lines[:1] if place == "only" else lines)))
    (held,) = merged.holds
    assert held.kind == "unmapped"
    assert f"line {at + 1}: westlands has no product 'X7'" in held.reason
    assert OrderFlag.ON_HOLD in merged.order.flags
    bad = merged.order.line(str(at + 1))
    assert (bad.sku, bad.outlet, bool(bad.unmapped)) == ("", "", True)
    assert ("held", "") in kinds(merged)


@pytest.mark.parametrize(
    ("problem", "step"),
    [
        ("westlands has no product 'X7'", "give the product that SKU in the till"),
        ("best_buy has no channel that could sell 'X7'", "a channel for that account and outlet"),
        ("there is no outlet 'karen'", "correct the outlet"),
        ("web does not say at which outlet 'X7' was sold", "set `outlet` of the shop"),
    ],
)
def test_what_is_not_mapped_says_what_would_map_it(problem: str, step: str) -> None:
    line = told(None, an_order(a_line("1", offer_sku="X7"))).order.lines[0]
    notes = Notes("order", "A-1", LATER, "x", "")
    assert hold_unmapped([replace(line, unmapped=problem)], notes)
    assert step in notes.holds["unmapped"].next_step


@pytest.mark.parametrize("state", [S.SHIPPED, S.CLOSED, S.CANCELLED, S.REFUSED])
def test_a_line_that_is_not_to_be_sent_needs_no_product(state: OrderState) -> None:
    merged = told(None, an_order(a_line("1", offer_sku="X7", state=state)))
    assert not merged.holds


def test_an_order_goes_on_when_the_line_that_held_it_is_cancelled_or_mapped() -> None:
    before = known(an_order(a_line("1"), a_line("2", offer_sku="X7")))
    assert before.held == {"unmapped"}
    cancelled = an_order(
        a_line("1"), a_line("2", offer_sku="X7", state=S.CANCELLED), updated_at=LATER
    )
    renamed = an_order(a_line("1"), a_line("2", offer_sku="S7"), updated_at=LATER)
    for pulled in (cancelled, renamed):
        merged = told(before, pulled)
        assert merged.released == ("unmapped",)
        assert OrderFlag.ON_HOLD not in merged.order.flags
    assert told(before, renamed).order.line("2").sku == "S7"
    assert ("mapped", "2") in kinds(told(before, renamed))


def test_the_outlet_of_an_order_is_that_of_all_its_lines() -> None:
    assert told(None, an_order(a_line("1"), a_line("2"))).order.outlet == "westlands"
    assert told(None, an_order(a_line("1"), a_line("2", offer_sku="X7"))).order.outlet == ""
    said = told(None, an_order(a_line("1"), outlet="karen")).order
    assert (said.outlet, said.details) == ("karen", {"outlet": "karen"})


# --- money


@pytest.mark.parametrize(
    ("currency", "amount", "minor"),
    [
        ("KES", "0.10", 10),
        ("KES", "60.05", 6005),
        ("KES", "60.050", 6005),
        ("KES", "1E+2", 10000),
        ("JPY", "1299", 1299),
        ("JPY", "1299.0", 1299),
        ("KWD", "1.005", 1005),
        ("KWD", "0.1", 100),
        ("EUR", "92233720368547758.07", None),
        ("KES", "60.005", None),
        ("JPY", "0.5", None),
        ("KWD", "1.0005", None),
        ("KES", "NaN", None),
        ("KES", "Infinity", None),
    ],
)
@pytest.mark.parametrize("field", ["unit_price", "total", "shipping", "tax"])
def test_money_is_exact_or_the_document_is_not_read(
    field: str, currency: str, amount: str, minor: int | None
) -> None:
    known_amounts = {
        "unit_price": Decimal(1), "total": Decimal(1), "shipping": Decimal(0), "tax": Decimal(0)
    }  # fmt: skip
    pulled = an_order(
        a_line("1", **{**known_amounts, field: Decimal(amount)}),
        currency=currency,
        total=Decimal(1),
    )
    if minor is None:
        with pytest.raises(UnreadableOrder, match=rf"lines\[0\]\.{field}"):
            told(None, pulled)
        return
    column = {"unit_price": "unit_minor"}.get(field, f"{field}_minor")
    assert getattr(told(None, pulled).order.lines[0], column) == minor


def test_a_changed_amount_is_recorded_with_both_values() -> None:
    before = known(an_order(a_line(tax=Decimal("3.20"))))
    pulled = an_order(
        a_line(tax=Decimal("3.25"), total=Decimal("19.99")),
        total=Decimal("19.99"),
        updated_at=LATER,
    )
    merged = told(before, pulled)
    assert [(e.line_id, e.reason, e.before, e.after) for e in merged.events] == [
        ("1", "total_minor", "2000", "1999"),
        ("1", "tax_minor", "320", "325"),
        ("", "total_minor", "2000", "1999"),
    ]
    assert merged.order.total_minor == 1999
    assert merged.order.version == 2


def test_refunds_are_added_up_by_line_and_never_taken_back() -> None:
    refunds = (Refund("r1", "1", Decimal("5.00")), Refund("r2", "1", Decimal("2.50")))
    before = known(an_order(a_line("1", state=S.SHIPPED), a_line("2", state=S.SHIPPED)))
    lines = (a_line("1", state=S.SHIPPED), a_line("2", state=S.SHIPPED))
    merged = told(before, an_order(*lines, updated_at=LATER, refunds=refunds))
    assert merged.order.line("1").refunded_minor == 750
    assert merged.order.line("2").refunded_minor == 0
    assert OrderFlag.PARTIALLY_REFUNDED in merged.order.flags
    assert [(e.kind, e.line_id, e.before, e.after) for e in merged.events] == [
        ("refund", "1", "0", "750")
    ]
    again = told(Known(merged.order), an_order(*lines, updated_at=f"{LATER[:-2]}9Z"))
    assert again.order.line("1").refunded_minor == 750


def test_what_was_refunded_whole_is_not_partly_refunded() -> None:
    lines = (a_line("1", state=S.SHIPPED),)
    partly = told(known(an_order(*lines)), an_order(
        *lines, updated_at=LATER, refunds=(Refund("r1", "1", Decimal(5)),)))  # fmt: skip
    refunds = (Refund("r1", "1", Decimal(5)), Refund("r2", "1", Decimal(15)))
    whole = told(
        Known(partly.order), an_order(*lines, updated_at=f"{LATER[:-2]}9Z", refunds=refunds)
    )
    assert OrderFlag.REFUNDED in whole.order.flags
    assert OrderFlag.PARTIALLY_REFUNDED not in whole.order.flags


# --- persons


def test_an_address_that_comes_later_is_taken_and_said_without_what_it_is() -> None:
    before = known(an_order(a_line()))
    pulled = an_order(a_line(), updated_at=LATER, persons={"shipping": LISA, "billing": LISA})
    merged = told(before, pulled)
    assert set(merged.persons) == {"shipping", "billing"}
    assert [(e.kind, e.after, e.reason) for e in merged.events] == [
        ("address", "shipping", "it came"),
        ("address", "billing", "it came"),
    ]
    assert "Lisa" not in repr(merged.events)
    assert not merged.tasks


def test_an_address_that_is_not_told_any_more_stays() -> None:
    before = known(an_order(a_line(), persons={"shipping": LISA}))
    for persons in ({}, {"shipping": Person()}):
        merged = told(before, an_order(a_line(), updated_at=LATER, persons=persons))
        assert not merged.persons
        assert not merged.events


def test_another_shipping_address_of_what_was_forwarded_asks_a_person() -> None:
    moved = replace(LISA, street_1="Kimathi Street 9")
    for role, forwarded, asked in (
        ("shipping", ["1"], ["changed_after_forwarding"]),
        ("shipping", [], []),
        ("billing", ["1"], []),
    ):
        before = known(an_order(a_line(**GOING), persons={role: LISA}), forwarded=forwarded)
        merged = told(before, an_order(a_line(**GOING), updated_at=LATER, persons={role: moved}))
        assert merged.persons == {role: moved}
        assert [one.kind for one in merged.tasks] == asked
        assert "Kimathi" not in repr((merged.events, merged.tasks, merged.holds))


def test_who_was_forgotten_does_not_come_back() -> None:
    before = known(an_order(a_line()), forgotten_at=AT)
    merged = told(before, an_order(a_line(), updated_at=LATER, persons={"shipping": LISA}))
    assert not merged.persons
    assert not merged.events


# --- documents that contradict themselves


@pytest.mark.parametrize(
    ("pulled", "says"),
    [
        (an_order(a_line("1"), a_line("1")), r"lines\[1\]: it has the id of lines\[0\]"),
        (an_order(a_line("")), r"lines\[0\]: it has no id"),
        (an_order(a_line("1"), a_line("2", quantity=-1)), r"lines\[1\]\.quantity"),
        (an_order(a_line("1", quantity=2**31)), r"lines\[0\]\.quantity"),
        (an_order(a_line(), currency="Sh"), "currency"),
        (replace(an_order(), lines=()), "no lines"),
        (an_order(a_line(), external_id=""), "no id"),
        (an_order(a_line(), external_id="A\0"), "no id"),
    ],
)
def test_a_document_that_contradicts_itself_is_not_read(pulled: Any, says: str) -> None:
    with pytest.raises(UnreadableOrder, match=says):
        told(None, pulled)


def test_an_order_that_has_lost_all_its_lines_keeps_them() -> None:
    merged = told(known(an_order(a_line())), replace(an_order(), lines=(), updated_at=LATER))
    assert [line.vanished_at for line in merged.order.lines] == [AT]


def test_letters_that_no_database_takes_are_left_out() -> None:
    merged = told(None, an_order(a_line(title="Tea\0 \ud800"), tags=("a\0",)))
    assert merged.order.lines[0].title == "Tea ?"
    assert merged.order.tags == ("a",)


def test_a_document_that_says_nothing_new_changes_nothing_but_its_own_name() -> None:
    before = known(an_order(a_line(), persons={"shipping": LISA}))
    merged = told(
        before, an_order(a_line(), updated_at=LATER, persons={"shipping": LISA}), sha256="new"
    )
    assert not merged.changed
    assert (merged.order.version, merged.order.raw_sha256) == (1, "new")
    assert merged.order.updated_at == LATER
