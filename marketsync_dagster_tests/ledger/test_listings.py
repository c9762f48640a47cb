"""What platforms are known to show, written in bulk: the same on both engines, to the letter."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from marketsync_dagster.ledger import sql, tables
from marketsync_dagster.ledger.engine import Ledger, open_ledger
from marketsync_dagster.ledger.listings import (
    ItemRow,
    Source,
    acknowledge,
    acknowledge_batches,
    count_pending,
    doubtful,
    load_listings,
    versions,
)
from marketsync_dagster.ledger.mappings import SyncedProduct, record_mappings, synced_ids
from marketsync_dagster.ledger.products import OfferedProduct, offered_products, record_offered
from marketsync_dagster.values.errors import LedgerError
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster_tests.ledgers import ready_ledger_url

SOURCE = Source("westlands", "pasons", "acc", "here", "x1", "2026-11-21T06:00:00.000Z", "push-1")
AT, LATER = "2026-11-21T06:30:00.000Z", "2026-11-21T07:30:00.000Z"
ODD = [
    "",
    " ",
    "\\N",
    "\\.",
    "a\tb\nc\r\nd\\e",
    'it\'s "quoted", {braced} and %s %(name)s ?',
    "Ürün ٣٫٥٠ 日本語 🍅",
    "\x01\x7f",
    "x" * 70_000,
]


def item(sku: str, price: int = 1000, outcome: str = "applied", **other: Any) -> ItemRow:
    """One answered item; what is not said is plain."""
    values = {
        "platform_id": f"p-{sku}",
        "currency": "KES",
        "stock_status": "in_stock",
        "quantity": 5,
        "message": "",
        "line": 2,
    } | other
    return (
        sku,
        values["platform_id"],
        price,
        values["currency"],
        values["stock_status"],
        values["quantity"],
        outcome,
        values["message"],
        values["line"],
    )


def answer(ledger: Ledger, *items: ItemRow, source: Source = SOURCE, at: str = AT) -> None:
    with ledger.begin() as conn:
        acknowledge(conn, source, 1, items, at)


def rows(ledger: Ledger, name: str, order: str) -> list[dict[str, Any]]:
    table = tables.metadata.tables[name]
    with ledger.read() as conn:
        found = conn.execute(select(table).order_by(table.c[order])).mappings()
        return [dict(row) for row in found]


def test_a_first_answer_is_a_listing_and_an_event(ledger: Ledger) -> None:
    answer(ledger, item("001", 1250, quantity=None, message="ok", line=7))
    (listing,) = rows(ledger, "listing", "sku")
    (event,) = rows(ledger, "listing_event", "id")
    assert listing | {"sku": "001", "price_minor": 1250, "ack_price_minor": 1250} == listing
    assert (listing["quantity"], listing["ack_quantity"]) == (None, None)
    assert (listing["ack_at"], listing["updated_at"], listing["version"]) == (AT, AT, 1)
    assert (listing["account"], listing["target"], listing["extract_id"]) == ("acc", "here", "x1")
    assert (listing["line"], listing["batch"], listing["push_id"]) == (7, 1, "push-1")
    common = event.keys() & listing.keys()
    assert {name: event[name] for name in common} == {name: listing[name] for name in common}
    assert len(common) == 14
    assert event["at"] == AT


def test_what_was_acknowledged_stays_known_while_it_is_tried_again(ledger: Ledger) -> None:
    answer(ledger, item("1", 1000), item("2", 2000))
    answer(
        ledger,
        item("1", 1100, "unknown", quantity=None),
        item("2", 2200, "refused", message="no"),
        at=LATER,
    )
    first, second = rows(ledger, "listing", "sku")
    assert (first["price_minor"], first["outcome"], first["quantity"]) == (1100, "unknown", None)
    assert (first["ack_price_minor"], first["ack_quantity"], first["ack_at"]) == (1000, 5, AT)
    assert (second["message"], second["ack_price_minor"], second["version"]) == ("no", 2000, 2)
    assert count_pending(ledger, "westlands", "pasons") == 1
    assert versions(ledger, "westlands", "pasons") == {"1": 2, "2": 2}


@pytest.mark.parametrize(
    ("taken", "again", "sure"),
    [
        ("accepted_async", "push-3", False),
        ("unknown", "push-3", False),
        ("unknown", "push-2", False),
        # the answer to that very value, or one to a value that did not arrive
        ("accepted_async", "push-2", True),
        ("retryable", "push-3", True),
    ],
)
def test_a_value_that_may_be_shown_makes_the_acknowledged_one_before_it_doubtful(
    ledger: Ledger, taken: str, again: str, sure: bool
) -> None:
    """1 was acknowledged before, 2 never; another value was taken, and the next one is refused."""
    answer(ledger, item("1", 1000))
    second, third = (replace(SOURCE, push_id=push) for push in ("push-2", again))
    answer(ledger, item("1", 1100, taken), item("2", 1100, taken), source=second, at=LATER)
    answer(ledger, item("1", 1200, "refused"), item("2", 1200, "refused"), source=third, at=LATER)
    one, two = rows(ledger, "listing", "sku")
    assert (one["ack_price_minor"], one["ack_at"]) == (1000, AT if sure else None)
    assert (two["ack_price_minor"], two["ack_at"]) == (None if sure else 1100, None)
    assert doubtful(ledger, "westlands", "pasons") == (set() if sure else {"1", "2"})

    answer(ledger, item("1", 1000), item("2", 1000), source=third, at=LATER)
    assert doubtful(ledger, "westlands", "pasons") == set()


@pytest.mark.parametrize(
    ("source", "platform_id"),
    [
        (Source(*("westlands", "pasons", "acc", "there", "x1", "t", "push-2")), "p-1"),
        (Source(*("westlands", "pasons", "acc", "here", "x1", "t", "push-2")), "another"),
    ],
)
def test_another_place_or_another_id_has_acknowledged_nothing(
    ledger: Ledger, source: Source, platform_id: str
) -> None:
    answer(ledger, item("1", 1000))
    answer(ledger, item("1", 1000, "retryable", platform_id=platform_id), source=source, at=LATER)
    (listing,) = rows(ledger, "listing", "sku")
    acknowledged = [value for name, value in listing.items() if name.startswith("ack_")]
    assert acknowledged == [None] * 5


def test_several_batches_and_several_answers_share_one_transaction(ledger: Ledger) -> None:
    with ledger.begin() as conn:
        acknowledge_batches(conn, SOURCE, [(1, [item("1")]), (2, []), (3, [item("2")])], AT)
        acknowledge_batches(conn, SOURCE, [(4, [item("1", 1100)])], LATER)
        acknowledge_batches(conn, SOURCE, [], LATER)
    found = [(row["sku"], row["batch"], row["version"]) for row in rows(ledger, "listing", "sku")]
    assert found == [("1", 4, 2), ("2", 3, 1)]
    assert [row["batch"] for row in rows(ledger, "listing_event", "id")] == [1, 3, 4]


def test_more_rows_than_one_statement_takes_are_written_all(ledger: Ledger) -> None:
    items = [item(f"{n:05}", 1000 + n) for n in range(2 * sql.ROWS_AT_ONCE + 1)]
    answer(ledger, *items)
    answer(ledger, *(item(f"{n:05}", 2000 + n) for n in range(len(items))), at=LATER)
    listed = rows(ledger, "listing", "sku")
    assert [row["ack_price_minor"] for row in listed] == [2000 + n for n in range(len(items))]
    assert {(row["version"], row["ack_at"]) for row in listed} == {(2, LATER)}
    events = rows(ledger, "listing_event", "id")
    assert [row["sku"] for row in events] == 2 * [row["sku"] for row in listed]


def test_nothing_of_a_transaction_that_failed_is_left_for_the_next(ledger: Ledger) -> None:
    def half_done() -> None:
        with ledger.begin() as conn:
            acknowledge(conn, SOURCE, 1, [item("1"), item("2")], AT)
            raise ValueError("in the middle")

    with pytest.raises(ValueError, match="in the middle"):
        half_done()
    answer(ledger, item("3"))
    assert [row["sku"] for row in rows(ledger, "listing", "sku")] == ["3"]
    assert len(rows(ledger, "listing_event", "id")) == 1


def test_a_sku_that_occurs_twice_in_one_answer_is_refused_whole(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="occurs twice"):
        answer(ledger, item("1"), item("1", 1100))
    assert rows(ledger, "listing", "sku") == rows(ledger, "listing_event", "id") == []


def test_texts_arrive_to_the_letter(ledger: Ledger) -> None:
    answer(ledger, *(item(f"{n}{odd[:99]}", message=odd) for n, odd in enumerate(ODD)))
    listed = rows(ledger, "listing", "line")
    assert {row["sku"]: row["message"] for row in listed} == {
        f"{n}{odd[:99]}": odd for n, odd in enumerate(ODD)
    }
    assert len(load_listings(ledger, "westlands", "pasons")) == len(ODD)


def test_many_rows_are_recorded_as_a_few_are(ledger: Ledger) -> None:
    count = sql.MANY + 10
    products = [
        OfferedProduct(f"{n:05}", f"f{n}", Outcome.APPLIED, ODD[n % len(ODD)]) for n in range(count)
    ]
    record_offered(ledger, "westlands", "tracker_ke", products)
    assert offered_products(ledger, "westlands", "tracker_ke") == {p.sku: p for p in products}
    newer = [OfferedProduct(p.sku, "new", Outcome.REFUSED) for p in products[5:]]
    record_offered(ledger, "westlands", "tracker_ke", newer)
    found = offered_products(ledger, "westlands", "tracker_ke")
    assert found == {p.sku: p for p in products[:5] + newer}


def test_many_ids_can_change_hands_at_once(ledger: Ledger) -> None:
    count = sql.MANY + 10
    first = [SyncedProduct(f"{n:05}", f"p{n}", "", ODD[4]) for n in range(count)]
    assert record_mappings(ledger, "s", first) == []
    turned = [SyncedProduct(p.sku, f"p{(n + 1) % count}") for n, p in enumerate(first)]
    assert record_mappings(ledger, "s", turned) == []
    assert synced_ids(ledger, "s") == {p.sku: (p.platform_id, "", "") for p in turned}


@pytest.mark.parametrize("count", [3, sql.MANY + 1])
def test_an_upsert_keeps_what_it_is_told_to_keep_and_the_types(ledger: Ledger, count: int) -> None:
    def state(n: int, ok: bool, last: str | None) -> dict[str, Any]:
        texts = dict.fromkeys(("state", "reason", "next_step", "run_id"), "")
        return texts | {
            "stage": "s",
            "outlet": f"{n:05}",
            "ok": ok,
            "numbers": "{}",
            "at": AT,
            "last_ok_at": last,
        }

    with ledger.begin() as conn:
        good = [state(n, True, AT) for n in range(count)]
        sql.upsert(conn, tables.outlet_state, good, keep_if_null=["last_ok_at"])
        bad = [state(n, False, None) for n in range(1, count)]
        sql.upsert(conn, tables.outlet_state, bad, keep_if_null=["last_ok_at"])
    found = rows(ledger, "outlet_state", "outlet")
    assert [row["ok"] for row in found] == [True] + [False] * (count - 1)
    assert {row["last_ok_at"] for row in found} == {AT}


def test_a_server_that_ends_while_it_is_given_rows_is_told_in_words(tmp_path: Path) -> None:
    ledger = open_ledger(ready_ledger_url("postgresql", tmp_path))

    def given() -> Any:
        yield ("name", "value", AT)
        with ledger.engine.connect() as other:
            others = "pid <> pg_backend_pid() AND datname = current_database()"
            ended = f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE {others}"
            assert other.execute(text(ended)).scalar_one() >= 1
        for n in range(100_000):
            yield (f"name {n}", "x" * 100, AT)

    with (
        pytest.raises(LedgerError, match=r"the PostgreSQL database test_\w+ at .*") as caught,
        ledger.begin() as conn,
    ):
        sql.copy_into(conn, "cursor", given())
    assert caught.value.next_step
    with ledger.begin() as conn:  # the next one connects anew
        assert conn.execute(select(func.count()).select_from(tables.cursor)).scalar_one() == 0
    ledger.close()


def test_what_the_server_does_not_take_is_told_as_any_other_statement_tells_it(
    tmp_path: Path,
) -> None:
    ledger = open_ledger(ready_ledger_url("postgresql", tmp_path))
    with pytest.raises(DBAPIError) as caught, ledger.begin() as conn:
        sql.copy_into(conn, "cursor", [("a", "b\0c", AT)])
    assert "b\0c" not in str(caught.value)
    ledger.close()
