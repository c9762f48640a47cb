"""Answers of people to questions about what a source was told."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from marketsync_dagster.config.settings import Settings
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.order_events import events_of
from marketsync_dagster.ledger.order_tasks import Task, ask, open_tasks
from marketsync_dagster.orders import (
    hand_refunding,
)
from marketsync_dagster.orders.resolving import resolve_task
from marketsync_dagster.orders.wanting import payload_of, want
from marketsync_dagster.platforms.ordering import Tracking
from marketsync_dagster.values.order_states import CommandKind
from marketsync_dagster_tests.orders.by_hand.hands import WHO, refused
from marketsync_dagster_tests.orders.sources import (
    FakeSource,
    accepted,
    change,
    tell,
    ways,
)
from marketsync_dagster_tests.orders.telling import AT

K = CommandKind


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


def test_a_question_is_answered_with_what_it_offers(ledger: Ledger, settings: Settings) -> None:
    order = accepted(ledger)
    resolve = "marketsync orders resolve {task} --answer"
    refund = f"marketsync orders refund {order.id} --line 1=2.00"
    table: tuple[tuple[str, tuple[str, ...], str, str], ...] = (
        ("", (f"{resolve} done --by NAME",), "again", "--answer done)"),
        (order.id, (f"{resolve} done", f"{resolve} drop"), "again", "--answer done, or drop)"),
        (order.id, (refund, f"{resolve} drop"), "done", "--answer drop)"),
        (order.id, (refund,), "again", "--answer done, or drop)"),
    )
    for number, (of, offered, answer, says) in enumerate(table):
        with ledger.begin() as conn:
            ask(conn, [Task(f"k{number}", of, "x", "came_back", "Is it?", offered, AT)])
        task = open_tasks(ledger)[-1]
        words = refused(resolve_task, ledger, settings, task.id, answer)
        assert f"is not answered with '{answer}': Is it?" in words
        assert says in words
        resolve_task(ledger, settings, task.id, "drop" if "drop" in says else "done", **WHO)
    assert open_tasks(ledger) == []


def test_what_becomes_of_an_update_is_said_with_its_order_and_number(
    ledger: Ledger, settings: Settings
) -> None:
    order = accepted(ledger)
    said: dict[str, Any] = {"by": "run", "reason": "it left", "at": AT}
    way = payload_of(tracking=Tracking("", "Fargo Courier", "FC-7", ""))
    change(ledger, order, lambda c, now: want(c, now, K.TRACKING, "tracking deed1f", way, **said))
    tell(ledger, FakeSource(script=["refuse"]))
    (task,) = open_tasks(ledger, order.id)
    done = resolve_task(ledger, settings, task.id, "drop", **WHO)
    assert done.words == ("the tracking number FC-7 (Fargo Courier) of order A-1 counts as dropped")


def test_refunds_on_their_way_and_refused_ones_leave_less_to_give_back(
    ledger: Ledger, settings: Settings
) -> None:
    order = accepted(ledger)
    ten: dict[str, Any] = {"amounts": {"1": Decimal(10)}}
    hand_refunding.refund(ledger, settings, order.id, **ten, **WHO)
    tell(ledger, FakeSource(script=["refuse"]))
    hand_refunding.refund(ledger, settings, order.id, amounts={"1": Decimal(15)}, **WHO)
    said = refused(hand_refunding.refund, ledger, settings, order.id, amounts={"1": Decimal(6)})
    assert "at most KES 5.00 of line 1" in said
    (task,) = open_tasks(ledger, order.id)
    assert "at most KES 5.00" in refused(resolve_task, ledger, settings, task.id, "again")
