"""The laws of orders hold for a book in order, and each of them notices what breaks it; and what
the book knows of orders that wait too long."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from sqlalchemy import Connection, text

from marketsync_dagster.ledger import order_watch
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.forwards import add_forwards
from marketsync_dagster.ledger.laws import broken_laws
from marketsync_dagster.ledger.leases import take_lease
from marketsync_dagster.ledger.order_events import OrderEvent, record_events
from marketsync_dagster.ledger.order_holds import Hold, hold
from marketsync_dagster.ledger.order_raw import RawRow, keep_raw, mark_raw
from marketsync_dagster.ledger.order_tables import order_line
from marketsync_dagster.ledger.orders import save_orders
from marketsync_dagster.ledger.shipments import record_shipments
from marketsync_dagster.values.order_states import OrderFlag, OrderState
from marketsync_dagster_tests.ledger.orders_by_hand import AT, forward, line, order, parcel

LATER = "2026-11-21T09:30:00.000Z"
S = OrderState


@pytest.fixture
def book(ledger: Ledger) -> Ledger:
    """Three orders: one on its way, one that is held, one that was shipped in two parcels."""
    with ledger.begin() as conn:
        raws = [RawRow(f"X-{one}", one, AT, AT, b"{}") for one in "abc"]
        mark_raw(conn, [(r.id, "applied", "") for r in keep_raw(conn, "mirakl", "bestbuy", raws)])
        unread = keep_raw(conn, "mirakl", "bestbuy", [RawRow("", "u", AT, AT, b"?")])
        mark_raw(conn, [(unread[0].id, "unreadable", "lines: expected a list")])
        save_orders(
            conn,
            [
                order("a"),
                order("b", line("b", sku="", state=S.NEW), state=S.NEW, decision="",
                      flags=frozenset({OrderFlag.ON_HOLD})),
                order("c", line("c", state=S.DELIVERED, shipped=2, cancelled=1),
                      state=S.DELIVERED, ended_at=AT),
            ],
        )  # fmt: skip
        hold(conn, [Hold("b", "unmapped", AT, "rule", "kisumu has no product 'SOAP'")])
        add_forwards(conn, [forward("f1"), forward("f2", "c", "done", lines={"1": 2})])
        record_shipments(conn, [parcel("c", "1", "f2", 1), parcel("c", "2", "f2", 1)])
    return ledger


def found(ledger: Ledger) -> list[tuple[str, bool]]:
    with ledger.read() as conn:
        return [(one.subject, one.broken) for one in broken_laws(conn)]


def test_a_book_in_order_breaks_no_law(book: Ledger) -> None:
    assert found(book) == []


def a_raw_without_an_order(conn: Connection) -> None:
    (raw,) = keep_raw(conn, "mirakl", "bestbuy", [RawRow("X-lost", "l", AT, AT, b"{}")])
    mark_raw(conn, [(raw.id, "applied", "")])


def a_line_on_two_ways(conn: Connection) -> None:
    conn.execute(text("UPDATE forward SET order_id = 'a', attempt = 2 WHERE id = 'f2'"))
    conn.execute(text("UPDATE forward SET state = 'pending' WHERE id = 'f2'"))
    conn.execute(text("DELETE FROM shipment"))


def a_forward_of_a_line_that_is_not_there(conn: Connection) -> None:
    conn.execute(text("UPDATE forward_line SET line_id = '9' WHERE forward_id = 'f1'"))


def a_forward_of_nothing(conn: Connection) -> None:
    conn.execute(text("DELETE FROM forward_line WHERE forward_id = 'f1'"))


def done_and_not_shipped(conn: Connection) -> None:
    conn.execute(text("UPDATE order_line SET shipped = 1 WHERE order_id = 'c'"))
    conn.execute(text("DELETE FROM shipment WHERE key = '2'"))


def a_parcel_too_many(conn: Connection) -> None:
    record_shipments(conn, [parcel("c", "3", "", 1)])


def a_parcel_of_what_was_refused(conn: Connection) -> None:
    conn.execute(text("UPDATE forward SET state = 'refused' WHERE id = 'f2'"))


def more_pieces_than_ordered(conn: Connection) -> None:
    conn.execute(text("UPDATE order_line SET cancelled = 2 WHERE order_id = 'c'"))


def over_and_still_waiting(conn: Connection) -> None:
    conn.execute(text("UPDATE orders SET ended_at = created_at WHERE id = 'a'"))


def held_without_a_reason(conn: Connection) -> None:
    conn.execute(text("DELETE FROM order_hold"))


def a_reason_that_nobody_sees(conn: Connection) -> None:
    hold(conn, [Hold("a", "person", AT, "ada", "wait")])


def forgotten_in_part(conn: Connection) -> None:
    conn.execute(text("UPDATE orders SET forgotten_at = created_at WHERE id = 'c'"))


def an_order_without_lines(conn: Connection) -> None:
    conn.execute(text("DELETE FROM order_line WHERE order_id = 'b'"))


def a_line_without_an_order(conn: Connection) -> None:
    names = ", ".join(one.name for one in order_line.columns if one.name != "order_id")
    conn.exec_driver_sql(
        f"INSERT INTO order_line (order_id, {names}) SELECT 'z', {names} FROM order_line "
        "WHERE order_id = 'a'"
    )


def a_pull_that_ended_early(conn: Connection) -> None:
    keep_raw(conn, "mirakl", "bestbuy", [RawRow("X-new", "n", AT, AT, b"{}")])


def a_call_whose_process_died(conn: Connection) -> None:
    conn.execute(text("UPDATE forward SET state = 'intended' WHERE id = 'f1'"))


BREAKS: list[tuple[Callable[[Connection], None], str, bool]] = [
    (a_raw_without_an_order, "order_raw", True),
    (a_line_on_two_ways, "forward", True),
    (a_forward_of_a_line_that_is_not_there, "forward", True),
    (a_forward_of_nothing, "forward", True),
    (done_and_not_shipped, "forward", True),
    (a_parcel_too_many, "shipment", True),
    (a_parcel_of_what_was_refused, "shipment", True),
    (more_pieces_than_ordered, "order_line", True),
    (over_and_still_waiting, "orders", True),
    (held_without_a_reason, "order_hold", True),
    (a_reason_that_nobody_sees, "order_hold", True),
    (forgotten_in_part, "order_person", True),
    (an_order_without_lines, "orders", True),
    (a_line_without_an_order, "order_line", True),
    (a_pull_that_ended_early, "order_raw", False),
    (a_call_whose_process_died, "forward", False),
]
"""What is done to the book, whose law it breaks, and whether something is wrong then."""


class Undone(Exception):
    """The transaction is not to be kept."""


def test_each_law_notices_what_breaks_it(book: Ledger) -> None:
    for break_it, subject, broken in BREAKS:
        with contextlib.suppress(Undone), book.begin() as conn:
            break_it(conn)
            noticed = [(one.subject, one.broken) for one in broken_laws(conn)]
            assert noticed == [(subject, broken)], break_it.__name__
            raise Undone
    assert found(book) == []


def test_what_somebody_is_at_work_on_is_not_called_dead(book: Ledger) -> None:
    with book.begin() as conn:
        a_pull_that_ended_early(conn)
        a_call_whose_process_died(conn)
    take_lease(book, "pull bestbuy", "a run", 60)
    take_lease(book, "forward printer", "a run", 60)
    assert found(book) == []


def test_a_source_that_takes_back_what_has_left_breaks_no_law_of_ours(book: Ledger) -> None:
    with book.begin() as conn:
        more_pieces_than_ordered(conn)
        record_events(conn, [OrderEvent("c", AT, "changed", "1", "1", "2", "bestbuy", "cancelled")])
    assert found(book) == []


def test_what_people_and_a_destination_both_sent_breaks_no_law(book: Ledger) -> None:
    with book.begin() as conn:
        shipped = "UPDATE order_line SET shipped = 3, cancelled = 0 WHERE order_id = 'c'"
        conn.execute(text(shipped))
        record_shipments(conn, [parcel("c", "hand", "", 2)])
    with book.read() as conn:
        (one,) = broken_laws(conn)
    assert (one.subject, one.broken) == ("shipment", False)
    assert "more pieces in parcels than were ordered: c 1" in one.message
    assert "restore" not in one.next_step


def test_what_was_sent_after_it_was_cancelled_breaks_no_law(book: Ledger) -> None:
    with book.begin() as conn:
        gone = "UPDATE order_line SET state = 'cancelled', shipped = 0, cancelled = 3"
        conn.execute(text(f"{gone} WHERE order_id = 'c'"))
        conn.execute(text("UPDATE orders SET state = 'cancelled' WHERE id = 'c'"))
    assert found(book) == []


def test_orders_that_wait_are_named_with_the_time_since_when(book: Ledger) -> None:
    with book.begin() as conn:
        save_orders(conn, [order("d", line("d", raw_state="MOON"), raw_state="SHIPPING")])
        record_events(
            conn,
            [
                OrderEvent("d", AT, "state", "1", "accepted", "in_preparation", "bestbuy"),
                OrderEvent("d", AT, "unknown_state", "1", "SHIPPING", "MOON", "bestbuy"),
                OrderEvent("a", AT, "unknown_state", "1", "", "MARS", "bestbuy"),
            ],
        )
        add_forwards(conn, [forward("f3", "b", "sync_pending", message="it is down")])
    with book.read() as conn:
        (held,) = order_watch.held_orders(conn, "bestbuy", AT)
        assert (held.number, held.kind, held.since) == ("N-b", "unmapped", AT)
        assert order_watch.held_orders(conn, "bestbuy", "2026-11-21T06:29:59.999Z") == []
        assert order_watch.held_orders(conn, "another", LATER) == []
        (unsent,) = order_watch.not_routed(conn, "bestbuy", LATER)
        assert (unsent.number, unsent.outlet, unsent.since) == ("N-d", "kisumu", AT)
        assert order_watch.not_routed(conn, "bestbuy", "2026-11-21T06:29:00.000Z") == []
        (late,) = order_watch.unsent_forwards(conn, "bestbuy", LATER)
        assert (late.number, late.state, late.message) == ("N-b", "sync_pending", "it is down")
        assert order_watch.still_there(conn, "bestbuy", LATER) == [], "it was never sent"
        (gone,) = [
            one for one in order_watch.unfinished_elsewhere(conn, ["x"]) if one.number == "N-b"
        ]
        assert gone.source == "bestbuy"
        assert order_watch.unfinished_elsewhere(conn, ["bestbuy"]) == []
        (word,) = order_watch.unknown_words(conn)
        assert (word.number, word.word) == ("N-d", "MOON"), "MARS is no longer what it says"
        (waiting,) = order_watch.waiting_for_people(conn, "kisumu", [], 5)
        assert (waiting.number, waiting.state) == ("N-b", "new")
