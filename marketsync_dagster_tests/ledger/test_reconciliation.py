"""Verdicts of reading back, and listings that go again: the same on both engines."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from marketsync_dagster.ledger import reconciliation as kept
from marketsync_dagster.ledger import tables as t
from marketsync_dagster.ledger.cursors import get_cursor
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.listings import ItemRow, Source, acknowledge, count_pending
from marketsync_dagster.ledger.pushes import PushRecord, open_push
from marketsync_dagster.ledger.reconciliation import Drift, Said, Told, Verdict

HERE = "mirakl|here||{sku}"
WEST = ("west", "mirakl")
OUR = (*WEST, HERE, "shop")
MORNING, NOON, EVENING = (f"2026-11-21T{hour:02}:00:00.000Z" for hour in (6, 12, 18))


def item(sku: str, price: int, quantity: int | None = 5, outcome: str = "applied") -> ItemRow:
    return (sku, f"p-{sku}", price, "KES", "in_stock", quantity, outcome, "", 2)


def tell(
    ledger: Ledger,
    push: str,
    *items: ItemRow,
    at: str = MORNING,
    source: dict[str, Any] | None = None,
) -> None:
    """One push of these items; its id is in the order of time."""
    of = Source("west", "mirakl", "shop", HERE, "x1", at, push)
    of = replace(of, **(source or {}))
    record = PushRecord(
        id=push, plan_id="plan", outlet=of.outlet, platform=of.platform, account=of.account,
        run_id="run", push_type="partial", created_by="ada", started_at=f"{at}{push}",
        item_count=len(items),
    )  # fmt: skip
    with ledger.begin() as connection:
        if push:
            open_push(connection, record)
        acknowledge(connection, of, 1, items, at)


def told(ledger: Ledger) -> dict[str, Told]:
    return kept.told_listings(ledger, *OUR)


def rows(ledger: Ledger, name: str, order: str = "sku") -> list[dict[str, Any]]:
    table = t.metadata.tables[name]
    with ledger.read() as connection:
        found = connection.execute(select(table).order_by(table.c[order])).mappings()
        return [dict(row) for row in found]


def verdict(sku: str, word: str, at: str, **other: str) -> Verdict:
    said = {"outlet": "west", "platform_sku": sku, "expected": "KES 1.00", "shown": "KES 2.00"}
    values = said | other
    return Verdict(
        platform="mirakl", sku=sku, account="shop", verdict=word, reason="", at=at, **values
    )


def record(ledger: Ledger, *verdicts: Verdict) -> None:
    with ledger.begin() as connection:
        kept.record_verdicts(connection, verdicts)


def test_only_what_this_account_was_told_at_this_place_is_compared(ledger: Ledger) -> None:
    tell(ledger, "push-1", item("a", 100), item("b", 200), item("c", 300), item("d", 400, 7))
    tell(ledger, "push-2", item("b", 200), source={"target": "elsewhere"})
    tell(ledger, "push-3", item("c", 200), source={"account": "other"})
    tell(ledger, "push-4", item("a", 100), source={"outlet": "east"})
    assert told(ledger) == {
        "a": Told("a", "p-a", "applied", Said(100, "KES", "in_stock", 5), MORNING, 1),
        "d": Told("d", "p-d", "applied", Said(400, "KES", "in_stock", 7), MORNING, 1),
    }
    assert set(kept.told_listings(ledger, *OUR, ["d", "x"])) == {"d"}
    assert kept.listed_skus(ledger, *WEST) == {"a", "b", "c", "d"}


@pytest.mark.parametrize("count", [1, 1_200])
def test_what_drifted_is_unknown_and_what_is_shown_counts_as_acknowledged(
    ledger: Ledger, count: int
) -> None:
    skus = [f"{n:05}" for n in range(count)]
    tell(ledger, "push-1", *(item(sku, 1000) for sku in skus), item("moved", 1000))
    before = told(ledger)
    tell(ledger, "push-2", item("moved", 1100))
    shown = [Said(950, "KES", "out_of_stock", 0) if n % 2 else Said(None, None, None)
             for n in range(count)]  # fmt: skip
    drifts = [
        Drift(sku, before[sku].version, said, "read back: 'shows' %s ?")
        for sku, said in zip([*skus, "moved"], [*shown, Said(1, "KES", "in_stock")], strict=True)
    ]
    with ledger.begin() as connection:
        assert kept.go_again(connection, *WEST, drifts, NOON) == set(skus)
    *listings, moved = rows(ledger, "listing")
    assert (moved["outcome"], moved["ack_price_minor"], moved["version"]) == ("applied", 1100, 2)
    for listing, said in zip(listings, shown, strict=True):
        assert (listing["outcome"], listing["price_minor"], listing["version"]) == (
            "unknown", 1000, 2,
        )  # fmt: skip
        assert listing["message"] == "read back: 'shows' %s ?"
        assert (listing["push_id"], listing["ack_at"], listing["updated_at"]) == (
            "push-1", NOON, NOON,
        )  # fmt: skip
        there = [listing[f"ack_{name}"] for name in ("price_minor", "currency", "stock_status")]
        assert [*there, listing["ack_quantity"]] == [
            *(said.price_minor, said.currency, said.stock_status, said.quantity)
        ]
    events = [event for event in rows(ledger, "listing_event", "id") if event["push_id"] == ""]
    assert [event["sku"] for event in events] == skus
    assert {(e["outcome"], e["price_minor"], e["batch"]) for e in events} == {("unknown", 1000, 0)}
    assert count_pending(ledger, *WEST) == count
    assert get_cursor(ledger, kept.read_back_cursor(*WEST)) == NOON


def test_nothing_that_has_moved_makes_no_push_look_anew(ledger: Ledger) -> None:
    tell(ledger, "push-1", item("a", 100))
    with ledger.begin() as connection:
        assert kept.go_again(connection, *WEST, [], NOON) == set()
        late = Drift("a", 7, Said(1, "KES", "in_stock"), "x")
        assert kept.go_again(connection, *WEST, [late], NOON) == set()
    assert get_cursor(ledger, kept.read_back_cursor(*WEST)) is None


def test_the_value_before_is_the_last_other_one_that_was_acknowledged(ledger: Ledger) -> None:
    for push, a, b, c in (
        ("push-01", 100, 100, 100), ("push-02", 200, 100, 200), ("push-03", 300, 100, 300),
    ):  # fmt: skip
        tell(ledger, push, item("a", a), item("b", b), item("c", c))
    tell(ledger, "push-04", item("a", 250, outcome="refused"), item("c", 300, 6))
    tell(ledger, "push-05", item("a", 300), source={"outlet": "east"})
    for number in range(6, 40):  # every night the same
        tell(ledger, f"push-{number:02}", item("a", 300), item("b", 100, number))
    listings = told(ledger)
    found = kept.said_before(ledger, *WEST, list(listings.values()))
    assert found == {
        "a": Said(200, "KES", "in_stock", 5),
        "c": Said(200, "KES", "in_stock", 5),
    }
    counted = kept.said_before(ledger, *WEST, list(listings.values()), by_quantity=True)
    assert counted["b"] == Said(100, "KES", "in_stock", 38)
    assert counted["c"] == Said(300, "KES", "in_stock", 5)
    assert kept.said_before(ledger, *WEST, []) == {}


def test_the_value_before_may_be_one_that_was_read_back(ledger: Ledger) -> None:
    tell(ledger, "push-01", item("a", 100))
    tell(ledger, "", item("a", 150))
    tell(ledger, "push-02", item("a", 200))
    assert kept.said_before(ledger, *WEST, list(told(ledger).values()))["a"].price_minor == 150
    tell(ledger, "push-03", item("a", 300))
    assert kept.said_before(ledger, *WEST, list(told(ledger).values()))["a"].price_minor == 200


def test_since_stays_while_the_verdict_does(ledger: Ledger) -> None:
    record(ledger, verdict("a", "verified", MORNING), verdict("b", "overwritten", MORNING))
    record(ledger, verdict("a", "not_applied", NOON), verdict("b", "overwritten", NOON, shown="x"))
    found = {
        row["sku"]: (row["since"], row["at"], row["shown"])
        for row in rows(ledger, "reconciliation")
    }
    assert found == {"a": (NOON, NOON, "KES 2.00"), "b": (MORNING, NOON, "x")}
    assert kept.last_read(ledger, *WEST) == {"a": NOON, "b": NOON}
    many = [verdict(f"{n}", "verified", NOON) for n in range(1_200)]
    record(ledger, *many)
    record(ledger, *(replace(one, at=EVENING) for one in many))
    assert {row["since"] for row in rows(ledger, "reconciliation") if row["sku"] != "b"} == {NOON}


def test_verdicts_on_what_is_no_listing_any_more_go(ledger: Ledger) -> None:
    record(
        ledger,
        verdict("a", "verified", NOON),
        verdict("b", "verified", NOON),
        verdict("c", "verified", NOON, platform_sku="old name"),
        verdict("a", "verified", NOON, outlet="east"),
        verdict("", "unknown_to_us", NOON, platform_sku="x"),
        verdict("", "unknown_to_us", NOON, platform_sku="y", outlet="east"),
    )
    with ledger.begin() as connection:
        kept.forget_listings(connection, *WEST, ["a", "c"], ["a", "c"])
    left = {(row["outlet"], row["platform_sku"]) for row in rows(ledger, "reconciliation")}
    assert left == {("west", "a"), ("east", "a"), ("west", "x"), ("east", "y")}
    assert kept.strangers(ledger, "mirakl", "shop") == {"x", "y"}
    with ledger.begin() as connection:
        kept.forget_strangers(connection, "mirakl", "shop", ["y"])
        kept.forget_strangers(connection, "mirakl", "other", [])
    assert kept.strangers(ledger, "mirakl", "shop") == {"y"}
    with ledger.begin() as connection:
        kept.forget_listings(connection, *WEST, [], [])
    assert {row["outlet"] for row in rows(ledger, "reconciliation")} == {"east"}


def test_what_is_wrong_says_whether_it_was_sent_again(ledger: Ledger) -> None:
    tell(ledger, "push-1", item("a", 1), item("b", 1), item("c", 1), item("d", 1))
    record(
        ledger,
        verdict("a", "overwritten", NOON),
        verdict("b", "not_applied", MORNING),
        verdict("c", "overwritten", NOON),
        verdict("d", "verified", NOON),
        verdict("", "unknown_to_us", MORNING, platform_sku="x"),
    )
    tell(ledger, "push-2", item("a", 1), at=EVENING)
    tell(ledger, "push-3", item("c", 1, outcome="refused"), at=EVENING)
    found = kept.found_wrong(ledger, "mirakl", ["west"])
    assert [(row["sku"], row["sent_again"]) for row in found] == [
        ("b", None), ("a", EVENING), ("c", None), ("", None),
    ]  # fmt: skip
    assert kept.found_wrong(ledger, "mirakl", ["west"], 1) == found[:1]
    assert kept.found_wrong(ledger, "mirakl", ["east"]) == []
    assert kept.verdict_counts(ledger, "mirakl") == {
        "west": {"overwritten": 2, "not_applied": 1, "verified": 1, "unknown_to_us": 1}
    }
    one = kept.verdict_of(ledger, *WEST, "b")
    assert one is not None
    assert one["verdict"] == "not_applied"
    assert kept.verdict_of(ledger, *WEST, "z") is None
