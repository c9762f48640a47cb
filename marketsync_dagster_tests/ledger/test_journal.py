"""The small journals: offered products, HTTP attempts, connection tests, cursors."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select

from marketsync_dagster.ledger import pushes, sql
from marketsync_dagster.ledger.calls import CallRow, call_counts, forget_calls, record_calls
from marketsync_dagster.ledger.connections import ConnectionTest, last_tests, record_test
from marketsync_dagster.ledger.cursors import get_cursor, set_cursor
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.products import OfferedProduct, offered_products, record_offered
from marketsync_dagster.ledger.tables import push_batch
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster.values.redact import register_secret

CALL = CallRow("2026-11-21T10:00:00.000Z", "tracker", "PUT", "/prices", 200, 40, push_id="p1")


def test_a_product_is_remembered_as_it_was_last_offered(ledger: Ledger) -> None:
    first = OfferedProduct("1", "f1", Outcome.REFUSED, "no barcode")
    other = OfferedProduct("2", "f2", Outcome.APPLIED)
    record_offered(ledger, "west", "tracker_ke", [first, other])
    second = OfferedProduct("1", "f1b", Outcome.APPLIED)
    record_offered(ledger, "west", "tracker_ke", [first, second])
    assert offered_products(ledger, "west", "tracker_ke") == {"1": second, "2": other}
    assert offered_products(ledger, "east", "tracker_ke") == {}
    record_offered(ledger, "west", "tracker_ke", [])


def test_attempts_are_counted_by_status_account_push_and_time(ledger: Ledger) -> None:
    with ledger.begin() as conn:
        record_calls(
            conn,
            [
                CALL,
                replace(CALL, status=429, milliseconds=5, attempt=1),
                replace(CALL, status=None, milliseconds=30_000, push_id="p2"),
                replace(CALL, account="pasons", at="2026-11-21T11:00:00.000Z"),
            ],
        )
        record_calls(conn, [])
    everything = call_counts(ledger)
    assert (everything.calls, everything.failed) == (4, 2)
    assert everything.by_status == {200: 2, 429: 1, None: 1}
    assert everything.milliseconds == 30_085
    assert call_counts(ledger, account="tracker").calls == 3
    assert call_counts(ledger, push_id="p1").by_status == {200: 2, 429: 1}
    assert call_counts(ledger, since="2026-11-21T10:30:00.000Z").calls == 1
    assert call_counts(ledger, account="nobody").calls == 0


def test_attempts_belong_to_the_transaction_of_their_answer(ledger: Ledger) -> None:
    def fail() -> None:
        with ledger.begin() as conn:
            record_calls(conn, [CALL])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert call_counts(ledger).calls == 0


def test_old_attempts_are_forgotten(ledger: Ledger) -> None:
    with ledger.begin() as conn:
        record_calls(conn, [CALL, replace(CALL, at="2026-11-22T00:00:00.000Z")])
    assert forget_calls(ledger, "2026-11-22T00:00:00.000Z") == 1
    assert call_counts(ledger).calls == 1


def test_an_error_body_is_redacted_before_it_is_cut(ledger: Ledger) -> None:
    register_secret("canary-call-1-very-long-secret")
    body = "x" * 490 + "canary-call-1-very-long-secret" + "y" * 100
    path = "/prices?key=canary-call-1-very-long-secret"
    with ledger.begin() as conn:
        record_calls(conn, [replace(CALL, error=body, path=path)])
        kept = conn.exec_driver_sql("SELECT error, path FROM api_call").one()
    assert "canary" not in kept.error
    assert kept.error == "x" * 490 + "***" + "y" * 7
    assert kept.path == "/prices?key=***"


def test_the_last_connection_test_of_each_account_is_kept_with_its_time(ledger: Ledger) -> None:
    register_secret("canary-connection-1")
    record_test(ledger, ConnectionTest("b", True, "connected"))
    failed = ConnectionTest("a", False, "401 for canary-connection-1", "renew the key", "pk_***")
    kept = record_test(ledger, failed)
    assert kept.message == "401 for ***"
    assert kept.at
    assert list(last_tests(ledger)) == ["a", "b"]
    again = record_test(ledger, replace(failed, ok=True, at="2026-11-21T10:00:00.000Z"))
    assert last_tests(ledger)["a"] == again
    assert again.at == "2026-11-21T10:00:00.000Z"


def test_a_cursor_moves_only_with_the_rows_that_it_stands_for(ledger: Ledger) -> None:
    assert get_cursor(ledger, "orders") is None
    with ledger.begin() as conn:
        set_cursor(conn, "orders", "10")

    def fail() -> None:
        with ledger.begin() as conn:
            set_cursor(conn, "orders", "20")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert get_cursor(ledger, "orders") == "10"


def test_of_several_answers_of_a_batch_in_one_transaction_the_last_counts(ledger: Ledger) -> None:
    ranges = [(n, 10 * n, 10 * n + 10) for n in range(1, sql.ROWS_AT_ONCE + 3)]
    with ledger.begin() as conn:
        pushes.intend(conn, "push-1", ranges, "2026-11-21T10:00:00.000Z")
        pushes.intend(conn, "push-2", ranges[:2], "2026-11-21T10:00:00.000Z")
        answers = [
            pushes.BatchAnswer(1, "intended", 1, {"applied": 4}, ""),
            pushes.BatchAnswer(2, "answered", 1, {"refused": 10}, "no %s ? {}"),
            pushes.BatchAnswer(1, "answered", 2, {"applied": 10}, "in the end"),
        ]
        pushes.answer_batches(conn, "push-1", answers, "2026-11-21T10:00:01.000Z")
        pushes.answer_batches(conn, "push-1", [], "2026-11-21T10:00:02.000Z")
    b = push_batch.c
    columns = (b.number, b.first, b.last, b.state, b.attempts, b.outcomes, b.message, b.answered_at)
    with ledger.read() as conn:
        found = conn.execute(select(*columns).where(b.push_id == "push-1").order_by(b.number))
        first, second, third, *others = (tuple(row) for row in found)
        assert len(pushes.open_batches(ledger, "push-2")) == 2
    at = "2026-11-21T10:00:01.000Z"
    assert first == (1, 10, 20, "answered", 2, '{"applied":10}', "in the end", at)
    assert second == (2, 20, 30, "answered", 1, '{"refused":10}', "no %s ? {}", at)
    assert third == (3, 30, 40, "intended", 0, "{}", "", None)
    assert len(others) == sql.ROWS_AT_ONCE - 1
