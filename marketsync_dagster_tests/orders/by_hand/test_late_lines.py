"""A line that a shop adds to what was decided."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from marketsync_dagster.config.settings import Settings
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.order_tasks import open_tasks
from marketsync_dagster.ledger.orders import BookOrder
from marketsync_dagster.orders import (
    book,
    by_hand,
    hand_cancelling,
    hand_deciding,
    hand_shipping,
)
from marketsync_dagster.orders.resolving import resolve_task
from marketsync_dagster.platforms.ordering import OrderCapabilities
from marketsync_dagster.values.order_states import CommandKind, OrderState
from marketsync_dagster_tests.config.texts import load
from marketsync_dagster_tests.orders.by_hand.hands import WHO, held, refused, waiting
from marketsync_dagster_tests.orders.sources import (
    FakeSource,
    change,
    put,
    tell,
    the,
)
from marketsync_dagster_tests.orders.telling import AT, LATER, a_line, an_order

S = OrderState


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
    hand_deciding.accept(ledger, shop, order.id, **WHO)
    tell(ledger, FakeSource(LOCAL))
    hand_shipping.ship(ledger, shop, order.id, **WHO)
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
    module = hand_cancelling if verb == "cancel" else hand_deciding
    done = getattr(module, verb)(
        ledger, shop, order.id, **WHO, **({"lines": lines} if lines else {})
    )
    assert done.next_step == by_hand.FULFIL
    assert open_tasks(ledger, order.id) == []
    assert "changed" not in held(ledger, order)
    assert waiting(ledger, shop, order).next_step == by_hand.FULFIL
    tell(ledger, FakeSource(LOCAL))
    now = the(ledger, order.id)
    assert ([line.state for line in now.lines], held(ledger, now)) == ([S.SHIPPED, state], set())
    assert now.line("1").shipped == 2


def test_a_line_that_was_added_is_never_without_a_next_step(ledger: Ledger, shop: Settings) -> None:
    order = shipped_and_added(ledger, shop)
    (task,) = open_tasks(ledger, order.id)
    resolve_task(ledger, shop, task.id, "done", **WHO)
    change(ledger, order, lambda c, now: book.release_order(c, now, by="x", reason="", at=AT))
    assert waiting(ledger, shop, order).words == "a decision about line 2"
    assert "no such line" in refused(hand_deciding.accept, ledger, shop, order.id, lines=["1"])
    hand_deciding.accept(ledger, shop, order.id, **WHO)
    assert waiting(ledger, shop, order).words == "its acceptance to be told"


def test_a_source_that_says_itself_what_is_accepted_says_so_of_added_lines(
    ledger: Ledger, shop: Settings, settings: Settings
) -> None:
    order = shipped_and_added(ledger, shop)
    assert "best_buy says" in refused(hand_deciding.accept, ledger, settings, order.id)
