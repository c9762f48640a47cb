"""Who waits too long for somebody else: sources that were not told, deliveries that failed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from marketsync_dagster.catalog.frames import FrameStore
from marketsync_dagster.config.orders import OrderSettings
from marketsync_dagster.ledger.engine import Ledger, open_ledger
from marketsync_dagster.ledger.open_orders import deadlines
from marketsync_dagster.ledger.order_commands import CommandRow, save_commands
from marketsync_dagster.ledger.order_events import OrderEvent, record_events
from marketsync_dagster.ledger.order_holds import Hold, HoldKind, hold
from marketsync_dagster.ledger.order_tasks import Task, ask
from marketsync_dagster.ledger.orders import BookOrder
from marketsync_dagster.stages.order_late import not_delivered, not_told
from marketsync_dagster.stages.order_waiting import (
    Waiting,
    deadlines_near,
    not_forwarded,
    waiting_now,
)
from marketsync_dagster.stages.project import Project
from marketsync_dagster.values.order_states import CommandKind, OrderState
from marketsync_dagster.values.times import to_iso
from marketsync_dagster_tests.ledgers import ENGINES, ready_ledger_url
from marketsync_dagster_tests.orders.places import NOW, a_line, an_order, put, settings_of

S, K = OrderState, CommandKind
WAITS: dict[str, Any] = {"state": S.SHIPPED, "remote_state": S.AWAITING_PAYMENT}
READY: dict[str, Any] = {"state": S.SHIPPED, "remote_state": S.IN_PREPARATION}
NEW: dict[str, Any] = {"state": S.NEW, "remote_state": S.NEW}


@pytest.fixture(params=ENGINES)
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    opened = open_ledger(ready_ledger_url(request.param, tmp_path))
    yield opened
    opened.close()


@pytest.fixture
def project(ledger: Ledger, tmp_path: Path) -> Project:
    return Project(settings_of(), ledger, FrameStore(tmp_path), "run-1", "ann")


def order_of(name: str, **said: Any) -> BookOrder:
    line = a_line(state=said["state"], remote_state=said["remote_state"], shipped=2)
    return an_order(line, external_id=name, **said)


def command(order: BookOrder, kind: CommandKind, hours: float, state: Any) -> CommandRow:
    at = to_iso(NOW - timedelta(hours=hours))
    name = f"c-{order.external_id}"
    return CommandRow(name, order.id, kind.value, kind, {}, state, at, "x", "", message="HTTP 503")


UNTOLD: list[tuple[str, dict[str, Any], CommandKind, float, str, bool]] = [
    ("its parcel waits", READY, K.SHIP, 2, "waiting", True),
    ("since a moment", READY, K.SHIP, 0.5, "waiting", False),
    ("it was told", READY, K.SHIP, 2, "done", False),
    ("the debit may take a while", WAITS, K.SHIP, 20, "waiting", False),
    ("not for ever", WAITS, K.SHIP, 80, "waiting", True),
    ("nobody knows", NEW, K.ACCEPT, 2, "unknown", True),
    ("it is held", NEW, K.ACCEPT, 90, "waiting", False),
]


def test_a_source_that_is_not_told_is_told_of(ledger: Ledger, project: Project) -> None:
    wanted = set()
    for words, said, kind, hours, state, told in UNTOLD:
        order = order_of(words, **said)
        put(ledger, order)
        wanted |= {words} if told else set()
        with ledger.begin() as conn:
            save_commands(conn, [command(order, kind, hours, state)])
            if words == "it is held":
                hold(conn, [Hold(order.id, "person", to_iso(NOW), "ann", "wait")])
    found = {one.number: one for one in not_told(project, NOW)}
    assert found.keys() == wanted
    assert found["its parcel waits"].what == (
        "best_buy was not told of the shipment (waiting): HTTP 503"
    )


def test_how_long_is_too_long_is_said_for_each_source(ledger: Ledger, project: Project) -> None:
    there = {
        "told": (
            order_of("told", **READY),
            command(order_of("told", **READY), K.SHIP, 2, "waiting"),
        ),
        "debit": (
            order_of("debit", **WAITS),
            command(order_of("debit", **WAITS), K.SHIP, 80, "waiting"),
        ),
    }
    put(ledger, *(order for order, _ in there.values()))
    waits = an_order(a_line(), external_id="waits", first_seen_at=to_iso(NOW - timedelta(hours=2)))
    lost = order_of("lost", state=S.DELIVERY_FAILED, remote_state=S.SHIPPED)
    put(ledger, waits, replace(lost, first_seen_at=to_iso(NOW - timedelta(hours=80))))
    with ledger.begin() as conn:
        save_commands(conn, [row for _, row in there.values()])

    def late(**said: float) -> set[str]:
        settings = project.settings
        market = settings.accounts["best_buy"]
        orders = OrderSettings.model_validate(said)
        accounts = {**settings.accounts, "best_buy": market.model_copy(update={"orders": orders})}
        other = replace(project, settings=settings.model_copy(update={"accounts": accounts}))
        looks = (not_told, not_delivered, not_forwarded)
        return {one.number for look in looks for one in look(other, NOW)}

    everything = {"told", "debit", "waits", "lost"}
    assert late() == everything
    for name, hours, number in (
        ("tell_hours", 3, "told"),
        ("debit_hours", 90, "debit"),
        ("forward_hours", 3, "waits"),
        ("deliver_hours", 90, "lost"),
    ):
        assert late(**{name: hours}) == everything - {number}, name


def test_what_has_left_keeps_its_deadline_until_its_source_is_told(
    ledger: Ledger, project: Project
) -> None:
    over = to_iso(NOW - timedelta(hours=1))
    said = {"never told": None, "on its way": "waiting", "refused": "refused", "told": "done"}
    for name, state in said.items():
        order = order_of(name, ship_by=over, **READY)
        put(ledger, order)
        with ledger.begin() as conn:
            save_commands(conn, [command(order, K.SHIP, 2, state)] if state else [])
    put(ledger, order_of("known there", ship_by=over, **{**READY, "remote_state": S.SHIPPED}))
    with ledger.read() as conn:
        found = {one.number: one.left for one in deadlines(conn, "best_buy", to_iso(NOW))}
    assert found == dict.fromkeys(["never told", "on its way", "refused"], True)
    assert "does not know that it has left" in deadlines_near(project, NOW)[0].what


def test_a_delivery_that_failed_and_stays_so_is_told_of(ledger: Ledger, project: Project) -> None:
    order = order_of("A-1", state=S.DELIVERY_FAILED, remote_state=S.SHIPPED)
    put(ledger, replace(order, first_seen_at=to_iso(NOW - timedelta(days=9))))
    at = to_iso(NOW - timedelta(hours=71))
    with ledger.begin() as conn:
        record_events(conn, [OrderEvent(order.id, at, "state", "1", after="delivery_failed")])
    assert not_delivered(project, NOW) == []
    (late,) = not_delivered(project, NOW + timedelta(hours=2))
    assert (late.number, late.since) == ("A-1", at)


def test_what_waits_for_people_is_named_wherever_it_stands(
    ledger: Ledger, project: Project
) -> None:
    assert (waiting_now(project, ["a"]), Waiting().words) == (Waiting(), "")
    nowhere = an_order(a_line(outlet="", sku=""), external_id="nowhere")
    there = [an_order(a_line(outlet=name), external_id=name) for name in ("a", "b")]
    put(ledger, nowhere, *there)
    kinds: list[tuple[BookOrder, HoldKind]] = [
        (nowhere, "unmapped"),
        (there[0], "route"),
        (there[0], "stock"),
        (there[1], "value"),
    ]
    with ledger.begin() as conn:
        hold(conn, [Hold(one.id, kind, to_iso(NOW), "x", "") for one, kind in kinds])
    found = waiting_now(project, ["a"])
    assert sorted(found.held) == ["a (route, stock)", "nowhere (unmapped)"]
    assert (found.questions, found.next_step) == (0, "marketsync orders list --held")
    asked = (there[1].id, there[0].id, "")
    with ledger.begin() as conn:
        ask(conn, [Task(f"k{n}", one, "x", "forward_unknown", "?", (), to_iso(NOW))
                   for n, one in enumerate(asked)])  # fmt: skip
    assert waiting_now(project, ["a"]).questions == 2
    only = replace(waiting_now(project, ["b"]), held=())
    assert (only.words, only.next_step) == (
        "2 questions to be answered",
        "marketsync orders tasks",
    )
