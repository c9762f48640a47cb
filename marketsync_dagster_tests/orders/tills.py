"""An order that the till of outlet `a` was given, and what the till answers."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from marketsync_dagster.config.settings import Settings
from marketsync_dagster.ledger.engine import Ledger, open_ledger
from marketsync_dagster.ledger.forwards import Forward, add_forwards, by_number
from marketsync_dagster.ledger.orders import load_orders, orders_to_change, save_orders
from marketsync_dagster.ledger.shipments import Shipment, shipments_of
from marketsync_dagster.orders import pos_answers
from marketsync_dagster.orders.pos_answers import Answered, take_answers
from marketsync_dagster.values.order_states import OrderState
from marketsync_dagster_tests.config.texts import VALID, load
from marketsync_dagster_tests.orders.telling import AT, SOURCE, a_line, an_order, told

NUMBER = "ms0000000001"
TILLS = """
  a: {name: A, extract: {path: extracts/a},
      orders: {drop: drop/a, answers: answers/a, format: both, takes_away: true}}
"""
OUTLETS = VALID.replace("\n  a: {name: A, extract: {path: extracts/a}}\n", TILLS)


def project(tmp_path: Path, changes: tuple[str, str] = ("", "")) -> Settings:
    """A configuration whose outlet `a` has a till, with some text changed."""
    return load(tmp_path, OUTLETS.replace(*changes))


def given(ledger: Ledger, number: str = NUMBER, outlet: str = "a") -> str:
    """An order of two lines, two pieces each, that the till has; our id of it."""
    order = told(None, an_order(a_line("1"), a_line("2"), external_id=number)).order
    state = OrderState.IN_PREPARATION
    lines = tuple(
        replace(line, state=state, remote_state=state, outlet=outlet) for line in order.lines
    )
    order = replace(order, lines=lines, state=state)
    there = Forward(
        f"forward-{number}", order.id, "pos", outlet, 1, number, "sent", AT, AT, sent_at=AT,
        lines={"1": 2, "2": 2},
    )  # fmt: skip
    with ledger.begin() as conn:
        orders_to_change(conn, SOURCE, [order.id])
        save_orders(conn, [order])
        add_forwards(conn, [there])
    return order.id


def answer(settings: Settings, name: str, content: Any) -> Path:
    """A file of the till, written long ago."""
    folder = settings.root / "answers/a"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def take(ledger: Ledger, settings: Settings, **more: Any) -> Answered:
    """Take in what lies there, an hour later."""
    real = time.time
    pos_answers.time.time = lambda: real() + 3600
    try:
        return take_answers(ledger, settings, "a", by="test", **more)
    finally:
        pos_answers.time.time = real


def stands(ledger: Ledger, order_id: str, number: str = NUMBER) -> tuple[str, dict[str, str], int]:
    """State of the forward, states of the lines, and how many parcels there are."""
    with ledger.read() as conn:
        one = by_number(conn, "pos", number)
        order = load_orders(conn, [order_id])[order_id]
    assert one is not None
    states = {line.line_id: line.state.value for line in order.lines}
    return one.state, states, len(parcels(ledger, order_id))


def parcels(ledger: Ledger, order_id: str) -> list[Shipment]:
    """The parcels of an order."""
    with ledger.read() as conn:
        return shipments_of(conn, [order_id]).get(order_id, [])


def take_and_die(url: str, folder: str, point: str) -> None:
    """In a child: take in answers until `point` is passed, and be killed there."""
    ledger = open_ledger(url)
    settings = project(Path(folder))

    def observe(name: str) -> None:
        if name == point:
            os.kill(os.getpid(), 9)

    take(ledger, settings, observe=observe)
