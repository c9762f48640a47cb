"""Pieces of forwards when orders change under way: none is lost, none is sent twice, none too many
leaves unseen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest

from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.forwards import Forward
from marketsync_dagster.ledger.order_laws import broken_order_laws
from marketsync_dagster.ledger.orders import BookOrder, orders_to_change, save_orders
from marketsync_dagster.ledger.shipments import Shipment, record_shipments, shipments_of
from marketsync_dagster.orders.forwarding import resolve
from marketsync_dagster.orders.fulfilment import apply_standings
from marketsync_dagster.platforms.fulfilling import FulfilCapabilities, Parcel, Standing
from marketsync_dagster.values.order_states import OrderState
from marketsync_dagster.values.times import to_iso
from marketsync_dagster_tests.orders import places as p
from marketsync_dagster_tests.orders.places import a_line

S = OrderState
CANCELS = FulfilCapabilities(idempotent=True, cancel=True)
SILENT = FulfilCapabilities(idempotent=True, status=False)


def sent(ledger: Ledger, *lines: p.BookLine, place: p.Place | None = None) -> BookOrder:
    """An order that its destination has."""
    order = p.an_order(*lines)
    p.put(ledger, order)
    goes_on(ledger, place)
    return order


def goes_on(
    ledger: Ledger, place: p.Place | None = None, *, after_s: float = 0, routes: str = p.TO_PRINTS
) -> None:
    """What waits is routed, and the destination has its turn."""
    settings = p.settings_of(routes)
    p.route(ledger, settings)
    p.turn(ledger, settings, place or p.Place(SILENT), after_s=after_s)


def set_line(ledger: Ledger, order: BookOrder, line_id: str, **changes: Any) -> None:
    """Change one line, as a source may."""
    with ledger.begin() as conn:
        now = orders_to_change(conn, order.account, [order.id])[order.id]
        lines = [p.replace(one, **changes) if one.line_id == line_id else one for one in now.lines]
        save_orders(conn, [p.replace(now, lines=tuple(lines))])


def by_hand(ledger: Ledger, order: BookOrder, lines: Mapping[str, int]) -> None:
    """A person has shipped pieces that nobody was asked to send."""
    with ledger.begin() as conn:
        now = orders_to_change(conn, order.account, [order.id])[order.id]
        record_shipments(conn, [Shipment(
            f"hand-{sorted(lines.items())}", order.id, "hand", "", "", "", "", lines, "",
            to_iso(p.NOW), "Ann", to_iso(p.NOW),
        )])  # fmt: skip
        shipped = {line: now.line(line).shipped + n for line, n in lines.items()}
        left = {line: S.SHIPPED for line, n in lines.items() if n == now.line(line).open}
        p.book.move(conn, now, left, by="Ann", reason="", at=to_iso(p.NOW), shipped=shipped)


def tell(ledger: Ledger, one: Forward, state: OrderState, *parcels: Parcel) -> None:
    """The destination says how it stands; twice, as it may."""
    told = Standing(one.number, raw_status=state.value, state=state, parcels=parcels)
    for _ in range(2):
        apply_standings(ledger, "prints", [told], by="prints", now=p.NOW)


def answer(ledger: Ledger, order: BookOrder, said: str) -> None:
    """A person answers the one question."""
    (task,) = p.tasks(ledger, order)
    with ledger.begin() as conn:
        now = orders_to_change(conn, order.account, [order.id])[order.id]
        resolve(conn, now, task, said, by="Ann", reason="I asked", at=to_iso(p.NOW))


def stand(ledger: Ledger, order: BookOrder) -> list[tuple[str, dict[str, int]]]:
    """State and pieces of its forwards."""
    return [(one.state, dict(one.lines)) for one in p.forwards(ledger, order)]


def asked(ledger: Ledger, order: BookOrder) -> list[str]:
    return [task.kind for task in p.tasks(ledger, order)]


def parcels(ledger: Ledger, order: BookOrder) -> list[dict[str, int]]:
    with ledger.read() as conn:
        return [dict(one.lines) for one in shipments_of(conn, [order.id]).get(order.id, ())]


def broken(ledger: Ledger) -> list[str]:
    """Laws of pieces that do not hold; that the orders came from no document is no matter here."""
    with ledger.read() as conn:
        return [one.message for one in broken_order_laws(conn)]


def test_what_is_ordered_on_top_of_what_was_sent_is_forwarded_when_that_has_left(
    ledger: Ledger,
) -> None:
    order = sent(ledger, a_line("1", quantity=1))
    (one,) = p.forwards(ledger, order)
    set_line(ledger, order, "1", quantity=2)
    tell(ledger, one, S.READY_TO_SHIP)
    goes_on(ledger)
    assert (stand(ledger, order), asked(ledger, order)) == ([("acknowledged", {"1": 1})], [])
    tell(ledger, one, S.SHIPPED)
    assert stand(ledger, order) == [("done", {"1": 1})]
    place = p.Place(SILENT)
    goes_on(ledger, place)
    assert stand(ledger, order) == [("done", {"1": 1}), ("sent", {"1": 1})]
    assert [[line.quantity for line in one.lines] for (one,) in place.has.values()] == [[1]]
    tell(ledger, p.forwards(ledger, order)[1], S.SHIPPED)
    assert p.order_of(ledger, order).state is S.SHIPPED
    assert (parcels(ledger, order), broken(ledger)) == ([{"1": 1}, {"1": 1}], [])


def test_what_is_less_for_a_while_stays_what_was_sent(ledger: Ledger) -> None:
    place = p.Place()
    order = sent(ledger, place=place)
    set_line(ledger, order, "1", quantity=1)
    goes_on(ledger, place)
    assert (stand(ledger, order), asked(ledger, order)) == (
        [("sent", {"1": 2})], ["cancel_at_destination"],
    )  # fmt: skip
    set_line(ledger, order, "1", quantity=2)
    goes_on(ledger, place)
    assert (stand(ledger, order), asked(ledger, order)) == ([("sent", {"1": 2})], [])
    tell(ledger, p.forwards(ledger, order)[0], S.SHIPPED)
    assert (stand(ledger, order), parcels(ledger, order)) == ([("done", {"1": 2})], [{"1": 2}])


def test_lines_of_one_sku_that_swap_their_pieces_are_sent_as_they_are(ledger: Ledger) -> None:
    lines = a_line("1", quantity=1, sku="S"), a_line("2", quantity=2, sku="S")
    order = sent(ledger, *lines)
    set_line(ledger, order, "1", quantity=2)
    set_line(ledger, order, "2", quantity=1)
    goes_on(ledger)
    assert (stand(ledger, order), asked(ledger, order)) == ([("sent", {"1": 2, "2": 1})], [])
    tell(ledger, p.forwards(ledger, order)[0], S.SHIPPED)
    goes_on(ledger)
    assert stand(ledger, order) == [("done", {"1": 2, "2": 1})]


@pytest.mark.parametrize(
    ("said", "left", "kinds"),
    [
        ("done", [{"1": 1}], []),
        ("drop", [{"1": 1}], ["cancelled_after_shipping"]),
        ("", [{"1": 1}], ["cancelled_after_shipping"]),
    ],
    ids=["it was told", "it is too late", "nobody knows"],
)
def test_more_than_is_wanted_leaves_no_destination_unseen(
    ledger: Ledger, said: str, left: Sequence[dict[str, int]], kinds: list[str]
) -> None:
    order = sent(ledger)
    set_line(ledger, order, "1", quantity=1)
    goes_on(ledger)
    if said:
        answer(ledger, order, said)
        goes_on(ledger)
    tell(ledger, p.forwards(ledger, order)[0], S.SHIPPED)
    assert (parcels(ledger, order), asked(ledger, order)) == (left, kinds)
    assert len(p.events(ledger, order, "anomaly")) == len(kinds)
    assert (stand(ledger, order), p.order_of(ledger, order).state) == (
        [("done", {"1": 1})], S.SHIPPED,
    )  # fmt: skip
    assert broken(ledger) == []


@pytest.mark.parametrize(
    "changes", [{"outlet": "b"}, {"sku": "other"}], ids=["another outlet", "another product"]
)
@pytest.mark.parametrize("there", [False, True], ids=["not there yet", "there already"])
def test_a_line_that_has_become_another_is_taken_back_and_routed_anew(
    ledger: Ledger, changes: Mapping[str, str], there: bool
) -> None:
    place = p.Place(CANCELS)
    order = p.an_order(a_line("1"))
    p.put(ledger, order)
    p.route(ledger, p.settings_of())
    if there:
        p.turn(ledger, p.settings_of(), place)
    set_line(ledger, order, "1", **changes)
    p.turn(ledger, p.settings_of(), place)
    assert (p.states(ledger, order), place.made) == (["cancelled"], 0)
    goes_on(ledger, place)
    old, new = sorted(p.forwards(ledger, order), key=lambda one: one.state)
    assert (old.state, new.state, p.holds(ledger, order)) == ("cancelled", "sent", {})
    assert (new.outlet, new.skus["1"]) == (changes.get("outlet", "a"), changes.get("sku", "S1"))
    ((made,),) = place.has.values()
    assert (made.outlet, made.lines[0].sku) == (new.outlet, new.skus["1"])


def test_what_a_person_ships_is_taken_back_where_it_is_being_made(ledger: Ledger) -> None:
    place = p.Place(CANCELS)
    order = sent(ledger, place=place)
    by_hand(ledger, order, {"1": 2})
    goes_on(ledger, place)
    assert (p.states(ledger, order), place.said("cancel"), place.made) == (["cancelled"], 1, 0)
    assert (p.tasks(ledger, order), p.holds(ledger, order)) == ([], {})


@pytest.mark.parametrize(
    ("ordered", "hand", "cancelled", "left"),
    [(2, 2, 0, []), (2, 1, 0, [1]), (3, 2, 1, [])],
    ids=["all", "some", "and one cancelled"],
)
def test_what_leaves_twice_is_asked_about(
    ledger: Ledger, ordered: int, hand: int, cancelled: int, left: list[int]
) -> None:
    place = p.Place()
    order = sent(ledger, a_line("1", quantity=ordered), place=place)
    by_hand(ledger, order, {"1": hand})
    set_line(ledger, order, "1", cancelled=cancelled)
    goes_on(ledger, place)
    assert asked(ledger, order) == ["cancel_at_destination"]
    tell(ledger, p.forwards(ledger, order)[0], S.SHIPPED)
    assert p.states(ledger, order) == ["done"]
    assert asked(ledger, order) == ["cancelled_after_shipping"]
    assert parcels(ledger, order) == [{"1": hand}, *({"1": n} for n in left)]
    (anomaly,) = p.events(ledger, order, "anomaly")
    assert f"has {ordered - sum(left)} more of line 1 than is wanted" in anomaly.reason
    goes_on(ledger, place)
    assert place.said("create") == 1


def test_what_was_shipped_before_it_was_forwarded_is_no_part_of_it(ledger: Ledger) -> None:
    order = p.an_order(a_line("1", quantity=3))
    p.put(ledger, order)
    by_hand(ledger, order, {"1": 1})
    place = p.Place()
    goes_on(ledger, place)
    set_line(ledger, order, "1", cancelled=1)
    goes_on(ledger, place)
    (task,) = p.tasks(ledger, order)
    assert "1 of 2 of line 1 is not wanted" in task.question


def test_a_parcel_of_more_than_is_left_is_asked_about(ledger: Ledger) -> None:
    order = sent(ledger)
    (one,) = p.forwards(ledger, order)
    first, second = Parcel("1", lines={"1": 1}), Parcel("2", lines={"1": 2})
    tell(ledger, one, S.SHIPPED, first)
    assert asked(ledger, order) == []
    tell(ledger, one, S.SHIPPED, first, second)
    (task,) = p.tasks(ledger, order)
    assert "1 more of line 1 than is wanted in parcel 2" in task.question
    assert (parcels(ledger, order), p.states(ledger, order)) == ([{"1": 1}, {"1": 1}], ["done"])


def test_what_is_released_goes_where_the_routes_lead(ledger: Ledger) -> None:
    order = p.an_order()
    p.put(ledger, order)
    goes_on(ledger, p.Place(manners=["refuses"]))
    elsewhere = p.settings_of("[{to: backup}]")
    with ledger.begin() as conn:
        now = orders_to_change(conn, order.account, [order.id])[order.id]
        now = p.book.release_order(conn, now, by="Ann", reason="ok", at=to_iso(p.NOW))
        assert p.again(conn, now, by="Ann", reason="ok", at=to_iso(p.NOW)) == 1
        assert p.again(conn, now, by="Ann", reason="ok", at=to_iso(p.NOW)) == 0
    p.route(ledger, elsewhere)
    there = [(one.destination, one.state) for one in p.forwards(ledger, order)]
    assert sorted(there) == [("backup", "pending"), ("prints", "refused")]


def test_what_was_made_ready_and_then_refused_can_go_again(ledger: Ledger) -> None:
    order = sent(ledger)
    (one,) = p.forwards(ledger, order)
    tell(ledger, one, S.READY_TO_SHIP)
    told = Standing(one.number, raw_status="refused", failed=True)
    apply_standings(ledger, "prints", [told], by="prints", now=p.NOW)
    assert p.release(ledger, order) == 1
    assert p.states(ledger, order) == ["failed", "pending"]


def test_what_has_failed_is_asked_about_for_some_time(ledger: Ledger) -> None:
    place = p.Place()
    order = sent(ledger, place=place)
    (one,) = p.forwards(ledger, order)
    place.stands[one.number] = Standing(one.number, raw_status="Cancelled", failed=True)
    goes_on(ledger, place, after_s=1)
    assert p.states(ledger, order) == ["failed"]
    before = place.said("standing")
    for after_s in (2, 3_600, 3_601):
        goes_on(ledger, place, after_s=after_s)
    assert place.said("standing") == before + 1
    place.stands[one.number] = Standing(one.number, raw_status="Delivered", state=S.DELIVERED)
    goes_on(ledger, place, after_s=10_000)
    assert asked(ledger, order) == ["forward_refused", "cancelled_after_shipping"]
    assert (p.states(ledger, order), len(p.events(ledger, order, "anomaly"))) == (["failed"], 1)
    before = place.said("standing")
    goes_on(ledger, place, after_s=timedelta(days=31).total_seconds())
    assert place.said("standing") == before
