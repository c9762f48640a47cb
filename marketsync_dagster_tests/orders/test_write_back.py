"""Parcels and returns, as commands to the source."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from marketsync_dagster.config.orders import OrderSettings
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.forwards import Forward, add_forwards
from marketsync_dagster.ledger.order_tasks import open_tasks
from marketsync_dagster.ledger.orders import BookOrder, save_orders
from marketsync_dagster.ledger.shipments import (
    Shipment,
    record_shipments,
    shipment_id,
    shipments_of,
)
from marketsync_dagster.orders import book
from marketsync_dagster.orders.resolving import resolve_task
from marketsync_dagster.orders.tracking import tracking_of
from marketsync_dagster.orders.wanting import payload_of, want
from marketsync_dagster.orders.write_back import parcels_to_tell, write_back
from marketsync_dagster.platforms.ordering import OrderCapabilities, Tracking
from marketsync_dagster.values.errors import UsageError
from marketsync_dagster.values.order_states import CommandKind, OrderState
from marketsync_dagster_tests.orders.sources import (
    MIRAKL,
    NOON,
    FakeSource,
    accepted,
    change,
    commands,
    settings_of,
    tell,
    the,
    ways,
)
from marketsync_dagster_tests.orders.telling import AT, SOURCE, a_line, an_order, known

S, K = OrderState, CommandKind
ONE = replace(MIRAKL, several_parcels=False)


def a_parcel(order: BookOrder, key: str = "p1", at: str = AT, **said: Any) -> Shipment:
    told: dict[str, Any] = {
        "carrier": "Delhivery",
        "tracking_number": f"AWB-{key}",
        "tracking_url": "",
        "lines": {},
    } | said
    return Shipment(
        id=shipment_id(order.id, key),
        order_id=order.id,
        key=key,
        forward_id="",
        estimated_delivery="",
        created_at=at,
        created_by="x",
        changed_at=at,
        **told,
    )


def left(ledger: Ledger, order: BookOrder, *parcels: Shipment) -> None:
    change(ledger, order, lambda conn, _: record_shipments(conn, parcels))


def back(ledger: Ledger, can: OrderCapabilities = MIRAKL, **said: Any) -> Counter[str]:
    settings = OrderSettings.model_validate(said)
    return write_back(ledger, SOURCE, settings, can, by="run 1", now=NOON)


WHOLE = [{}]
HALVES = [{"lines": {"1": 1}}, {"lines": {"1": 1}}]
TABLE = [
    # parcels, several allowed -> kinds that are told
    ("one with everything", WHOLE, True, ["tracking", "ship"]),
    ("one with everything, line by line", [{"lines": {"1": 2}}], True, ["tracking", "ship"]),
    ("one with a part", HALVES[:1], True, ["parcel"]),
    ("one with a part, whole orders alone", HALVES[:1], False, []),
    ("two", HALVES, True, ["parcel", "parcel"]),
    ("two, whole orders alone", HALVES, False, ["tracking", "ship"]),
    ("nothing known of its way", [{"carrier": "", "tracking_number": ""}], True, ["ship"]),
    ("none", [], True, []),
]


@pytest.mark.parametrize(
    ("parcels", "several", "kinds"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_parcels_are_told_as_the_source_takes_them(
    parcels: list[dict[str, Any]], several: bool, kinds: list[str]
) -> None:
    order = known(an_order(a_line(state=S.IN_PREPARATION))).order
    there = [a_parcel(order, f"p{n}", **said) for n, said in enumerate(parcels)]
    can = MIRAKL if several else ONE
    told = parcels_to_tell(order, there, [], OrderSettings(), can)
    assert [one.kind.value for one in told] == kinds


def test_cancelled_pieces_and_lines_are_not_waited_for() -> None:
    lines = [a_line(str(n), state=S.IN_PREPARATION) for n in (1, 2)]
    order = known(an_order(*lines), states={"2": S.CANCELLED}).order
    first = replace(order.lines[0], cancelled=1)
    order = replace(order, lines=(first, order.lines[1]))
    told = parcels_to_tell(order, [a_parcel(order, lines={"1": 1})], [], OrderSettings(), MIRAKL)
    assert [one.kind.value for one in told] == ["tracking", "ship"]


def test_carriers_have_the_platforms_code_or_their_own_name() -> None:
    order = known(an_order()).order
    settings = OrderSettings(carriers={"DELHIVERY": "DLV"})
    assert tracking_of(a_parcel(order), settings) == Tracking("DLV", "Delhivery", "AWB-p1", "")
    other = a_parcel(order, carrier="Bike", tracking_url="https://x.example")
    assert tracking_of(other, settings) == Tracking("", "Bike", "AWB-p1", "https://x.example")
    unnumbered = a_parcel(order, tracking_number="")
    assert tracking_of(unnumbered, settings) == Tracking("", "Delhivery", "", "")


def test_what_has_left_is_told_once(ledger: Ledger) -> None:
    order = accepted(ledger)
    left(ledger, order, a_parcel(order))
    assert back(ledger) == {"wanted": 2, "orders": 1}
    assert back(ledger)["wanted"] == 0
    source = FakeSource()
    tell(ledger, source)
    assert source.kinds == ["tracking", "ship"]
    assert source.performed[0].tracking == Tracking("", "Delhivery", "AWB-p1", "")
    left(ledger, order, a_parcel(order, at="2026-11-21T10:00:00.000Z"))  # told once more
    assert back(ledger)["wanted"] == 0


def test_a_number_that_comes_later_is_told_too(ledger: Ledger) -> None:
    order = accepted(ledger)
    left(ledger, order, a_parcel(order, tracking_number="", carrier=""))
    back(ledger)
    assert ways(ledger, order) == {"ship": "waiting"}
    left(ledger, order, a_parcel(order, at="2026-11-21T08:59:59.000Z"))  # by a slow clock
    back(ledger)
    assert ways(ledger, order) == {"ship": "waiting", "tracking": "waiting"}
    with ledger.read() as conn:
        (kept,) = shipments_of(conn, [order.id])[order.id]
    assert (kept.tracking_number, kept.created_at) == ("AWB-p1", AT)


def test_parcels_of_several_days_are_each_told_with_their_pieces(ledger: Ledger) -> None:
    order = accepted(ledger, a_line("1"), a_line("2"))
    source = FakeSource()
    left(ledger, order, a_parcel(order, "p1", lines={"1": 1}))
    back(ledger)
    tell(ledger, source)
    later = "2026-11-21T10:00:00.000Z"
    left(ledger, order, a_parcel(order, "p2", later, lines={"1": 1, "2": 2}))
    back(ledger)
    tell(ledger, source)
    assert [(one.kind.value, dict(one.lines)) for one in source.performed] == [
        ("parcel", {"1": 1}),
        ("parcel", {"1": 1, "2": 2}),
    ]
    assert len({one.reference for one in source.performed}) == 2


def test_where_parcels_are_not_taken_the_order_waits_until_all_has_left(ledger: Ledger) -> None:
    order = accepted(ledger)
    left(ledger, order, a_parcel(order, "p1", lines={"1": 1}))
    assert back(ledger, ONE)["wanted"] == 0
    left(ledger, order, a_parcel(order, "p2", "2026-11-21T10:00:00.000Z", lines={"1": 1}))
    assert back(ledger, ONE)["wanted"] == 2
    assert set(ways(ledger, order)) == {"tracking", "ship"}


def returned(ledger: Ledger, **said: Any) -> BookOrder:
    """An order whose only line came back to the till that had it."""
    order = accepted(ledger, a_line(**said))
    at_till = Forward(
        id="f1", order_id=order.id, destination="pos", outlet="westlands", attempt=1,
        number="ms1", state="done", external_id="", raw_status="", created_at=AT, intended_at=AT,
        sent_at=AT, acknowledged_at=AT, asked_at=None, not_before="", attempts=1,
        estimated_delivery="", message="", changed_at=AT, lines={"1": 2},
    )  # fmt: skip

    def come_back(conn: Any, now: BookOrder) -> BookOrder:
        add_forwards(conn, [at_till])
        for state in (S.SHIPPED, S.DELIVERED, S.RETURNED):
            now = book.move(conn, now, {"1": state}, by="till", reason="", at=AT)
        return now

    return change(ledger, order, come_back)


def test_the_money_of_what_a_till_took_back_is_given_back_once(ledger: Ledger) -> None:
    order = returned(ledger)
    assert back(ledger, refund_reason="15")["wanted"] == 1
    source = FakeSource()
    tell(ledger, source)
    (one,) = source.performed
    assert (one.kind, one.amounts, one.lines) == ("refund", {"1": Decimal("20.00")}, {"1": 2})
    assert (one.reason_code, one.currency) == ("15", "KES")
    assert back(ledger, refund_reason="15") == {}
    assert len(commands(ledger, order)) == 1


def test_money_that_a_person_gives_back_is_not_given_back_twice(ledger: Ledger) -> None:
    order = returned(ledger)
    said: dict[str, Any] = {"by": "jane", "reason": "half of it", "at": AT}
    payload = payload_of(amounts={"1": Decimal(5)}, reason_code="15")
    change(ledger, order, lambda c, now: want(c, now, K.REFUND, "refund by jane", payload, **said))
    assert back(ledger, refund_reason="15")["wanted"] == 0
    source = FakeSource()
    tell(ledger, source)
    assert back(ledger, refund_reason="15")["wanted"] == 1
    tell(ledger, source)
    assert [one.amounts["1"] for one in source.performed] == [Decimal(5), Decimal(15)]
    assert the(ledger, order.id).lines[0].refunded_minor == 2000


def test_people_are_asked_for_a_reason_code_once(ledger: Ledger) -> None:
    order = returned(ledger)
    assert (back(ledger)["tasks"], back(ledger)["tasks"]) == (1, 0)
    (task,) = open_tasks(ledger, order.id)
    assert "--line 1=20.00 --code CODE" in task.commands[0]
    assert commands(ledger, order) == []


def test_of_a_line_that_came_back_its_cancelled_pieces_are_not_paid_again(ledger: Ledger) -> None:
    order = returned(ledger)

    def one_less(conn: Any, now: BookOrder) -> None:
        line = replace(now.lines[0], cancelled=1, shipped=1)
        save_orders(conn, [replace(now, lines=(line,))])

    change(ledger, order, one_less)
    assert back(ledger, refund_reason="15")["wanted"] == 1
    assert commands(ledger, order)[0].payload["amounts"] == {"1": "10.00"}


@pytest.mark.parametrize("end", [S.RETURNED, S.LOST])
def test_people_are_asked_for_the_money_of_what_came_back_elsewhere_or_was_lost(
    ledger: Ledger, end: OrderState
) -> None:
    order = accepted(ledger)

    def ends(conn: Any, now: BookOrder) -> None:
        for state in (S.SHIPPED, S.RETURNING, end):
            now = book.move(conn, now, {"1": state}, by="printer", reason="", at=AT)

    change(ledger, order, ends)
    assert (back(ledger)["tasks"], back(ledger)["tasks"]) == (1, 0)
    (task,) = open_tasks(ledger, order.id)
    assert (task.kind, "--line 1=20.00" in task.commands[0]) == ("came_back", True)
    assert f"resolve {task.id} --answer drop" in task.commands[1]
    assert commands(ledger, order) == []


WANTS = replace(MIRAKL, needs_carrier=True)
LATE = "2026-11-21T10:00:00.000Z"


@pytest.mark.parametrize(("lines", "kinds"), [({}, ["tracking", "ship"]), ({"1": 1}, ["parcel"])])
def test_who_carries_a_number_is_asked_before_its_source_would_refuse_it(
    ledger: Ledger, lines: dict[str, int], kinds: list[str]
) -> None:
    order = accepted(ledger)
    left(ledger, order, a_parcel(order, carrier="", lines=lines))
    assert (back(ledger, WANTS)["tasks"], back(ledger, WANTS)["tasks"]) == (1, 0)
    assert commands(ledger, order) == []
    (task,) = open_tasks(ledger, order.id)
    assert f"Who carries AWB-p1, with {1 if lines else 2} of line 1 of order A-1?" in task.question
    ask = f"marketsync orders ship {order.id} --parcel AWB-p1 --carrier CARRIER --by NAME"
    assert task.commands[0].startswith(ask)
    left(ledger, order, a_parcel(order, at=LATE, lines=lines))  # its destination tells it by now
    assert back(ledger, WANTS)["wanted"] == len(kinds)
    source = FakeSource(WANTS)
    tell(ledger, source)
    assert (source.kinds, open_tasks(ledger, order.id)) == (kinds, [])


@pytest.mark.parametrize(("lines", "kinds"), [({}, ["ship"]), ({"1": 1}, ["parcel", "parcel"])])
def test_where_nobody_knows_who_carries_it_a_parcel_is_told_without_its_number(
    ledger: Ledger, tmp_path: Path, lines: dict[str, int], kinds: list[str]
) -> None:
    order = accepted(ledger)
    left(ledger, order, a_parcel(order, carrier="", lines=lines))
    if lines:  # what is told of another one is not of this
        left(ledger, order, a_parcel(order, "p2", lines=lines))
    back(ledger, WANTS)
    (task,) = open_tasks(ledger, order.id)
    said: dict[str, Any] = {"by": "jane", "reason": "a friend", "now": NOON + timedelta(hours=1)}
    resolve_task(ledger, settings_of(tmp_path), task.id, "drop", **said)
    later = NOON + timedelta(hours=2)
    for _ in range(2):
        write_back(ledger, SOURCE, OrderSettings(), WANTS, by="run 2", now=later)
    source = FakeSource(WANTS)
    tell(ledger, source)
    assert (source.kinds, source.performed[-1].tracking) == (kinds, None)
    assert open_tasks(ledger, order.id) == []


def test_a_number_that_was_refused_is_told_as_its_destination_says_it_later(
    ledger: Ledger, tmp_path: Path
) -> None:
    order = accepted(ledger)
    left(ledger, order, a_parcel(order, carrier=""))
    back(ledger)
    source = FakeSource(script=["refuse"])
    tell(ledger, source)
    tell(ledger, source)
    assert source.kinds == ["tracking"]  # and nothing is called shipped meanwhile
    (task,) = open_tasks(ledger, order.id)
    said: dict[str, Any] = {"by": "jane", "reason": "once more", "now": NOON}
    with pytest.raises(UsageError, match="needs a carrier"):  # it would be refused again
        resolve_task(ledger, settings_of(tmp_path), task.id, "again", **said)
    left(ledger, order, a_parcel(order, at=LATE, carrier="DHL"))
    back(ledger)
    tell(ledger, source)
    assert source.kinds == ["tracking", "tracking", "ship"]
    assert source.performed[1].tracking == Tracking("", "DHL", "AWB-p1", "")
    assert open_tasks(ledger, order.id) == []
