"""The story of one SKU: its changes, newest first, however long the history is."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, insert, text, update

from marketsync_dagster.ledger import tables as t
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.listings import Source, acknowledge
from marketsync_dagster.ledger.pushes import items_acknowledged
from marketsync_dagster.ledger.traces import events_of


def say(ledger: Ledger, number: int, prices: dict[str, int], *, outlet: str = "west") -> str:
    """One push, `number` minutes after ten, that these prices were applied by."""
    push_id = f"push-20261121-10{number:02}00-{outlet}"
    at = f"2026-11-21T10:{number:02}:00.000Z"
    source = Source(outlet, "pasons", "a", "here", "extract", at, push_id)
    row = {"id": push_id, "plan_id": "p", "outlet": outlet, "platform": "pasons", "account": "a",
           "run_id": "r", "push_type": "partial", "created_by": "anna", "started_at": at,
           "state": "done", "item_count": len(prices)}  # fmt: skip
    items = [
        (s, s, price, "KES", "in_stock", None, "applied", "", 2) for s, price in prices.items()
    ]
    with ledger.begin() as connection:
        connection.execute(insert(t.push).values(**row))
        acknowledge(connection, source, 1, items, at)
    return push_id


def prices_of(ledger: Ledger, sku: str, limit: int = 3) -> list[int]:
    return [event["price_minor"] for event in events_of(ledger, "west", "pasons", sku, limit)]


def test_the_newest_changes_come_first_and_only_those_of_the_channel(ledger: Ledger) -> None:
    for number in range(10):
        say(ledger, number, {"A": 100 + number, **({"B": number + 1} if number % 4 == 0 else {})})
        say(ledger, number, {"A": 7}, outlet="east")
    assert prices_of(ledger, "A") == [109, 108, 107]
    assert prices_of(ledger, "B") == [9, 5, 1]
    assert prices_of(ledger, "C") == []


def test_a_push_of_several_answers_for_one_sku_tells_them_all(ledger: Ledger) -> None:
    push_id = say(ledger, 1, {"A": 100})
    source = Source("west", "pasons", "a", "here", "extract", "2026", push_id)
    with ledger.begin() as connection:
        acknowledge(
            connection, source, 2, [("A", "A", 101, "KES", "in_stock", None, "applied", "", 2)],
            "2026-11-21T10:01:01.000Z",
        )  # fmt: skip
    assert prices_of(ledger, "A") == [101, 100]
    assert items_acknowledged(ledger, push_id, 1) == {"A"}


def test_events_of_no_push_are_told_too(ledger: Ledger) -> None:
    """As a restored backup writes them."""
    for number in range(3):
        say(ledger, number, {"A": 100 + number})
    newest = events_of(ledger, "west", "pasons", "A", 1)[0]["id"]
    with ledger.begin() as connection:
        event = t.listing_event
        connection.execute(update(event).where(event.c.id == newest).values(push_id=""))
    assert prices_of(ledger, "A") == [102, 101, 100]
    with ledger.begin() as connection:
        connection.execute(delete(t.push))
    assert prices_of(ledger, "A") == [102]


@pytest.mark.parametrize("what", ["story", "batch"])
def test_a_long_history_is_not_read_through(ledger: Ledger, what: str) -> None:
    """Neither by `explain` nor where a push that died is recovered."""
    push_id = say(ledger, 1, {"A": 100})
    asked = {
        "story": "SELECT e.id FROM listing_event e JOIN push p ON p.id = e.push_id WHERE "
        "e.outlet = 'west' AND e.platform = 'pasons' AND e.sku = 'A' AND p.outlet = 'west' AND "
        "p.platform = 'pasons' ORDER BY p.started_at DESC, e.id DESC LIMIT 5",
        "batch": f"SELECT sku FROM listing_event WHERE push_id = '{push_id}' AND batch = 1",
    }
    with ledger.begin() as connection:
        if ledger.dialect == "postgresql":  # so few rows are read through at once
            connection.execute(text("SET LOCAL enable_seqscan = off"))
        explained = "EXPLAIN QUERY PLAN " if ledger.dialect == "sqlite" else "EXPLAIN "
        said = connection.execute(text(explained + asked[what])).fetchall()
    assert "ix_listing_event_push_id_sku" in str(said)
