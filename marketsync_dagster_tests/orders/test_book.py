"""The order book in the ledger: what sources tell, what we do, and why orders wait."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select, update

from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.forwards import new_forward_id
from marketsync_dagster.ledger.order_commands import new_command_id
from marketsync_dagster.ledger.order_events import events_of
from marketsync_dagster.ledger.order_holds import holds_of
from marketsync_dagster.ledger.order_persons import forget_persons
from marketsync_dagster.ledger.order_raw import RawRow, keep_raw, raw_document, sha256_of
from marketsync_dagster.ledger.order_tables import order_raw, orders
from marketsync_dagster.ledger.order_tasks import answer, open_tasks
from marketsync_dagster.ledger.orders import BookOrder, get_order, orders_to_change
from marketsync_dagster.orders import book
from marketsync_dagster.orders.book import Applied, WrongState
from marketsync_dagster.orders.persons import persons_of
from marketsync_dagster.orders.resolve import Resolved
from marketsync_dagster.platforms.ordering import PulledOrder, UnreadableOrder
from marketsync_dagster.values.errors import UsageError
from marketsync_dagster.values.order_states import OrderFlag, OrderState
from marketsync_dagster.values.times import from_iso
from marketsync_dagster_tests.orders import places as p
from marketsync_dagster_tests.orders.telling import (
    AT,
    BEFORE,
    EARLIER,
    LATER,
    LISA,
    PLATFORM,
    SOURCE,
    a_line,
    an_order,
    resolve,
)

S = OrderState
Told = PulledOrder | UnreadableOrder


def take(ledger: Ledger, *told: tuple[str, Told], **more: Any) -> Applied:
    """Documents (any text) and what they say, kept and applied in one go."""
    rows = [
        RawRow(
            one.external_id if isinstance(one, PulledOrder) else "",
            sha256_of(text.encode()),
            AT,
            one.updated_at if isinstance(one, PulledOrder) else "",
            text.encode(),
        )
        for text, one in told
    ]
    with ledger.begin() as conn:
        kept = keep_raw(conn, PLATFORM, SOURCE, rows)
    with ledger.begin() as conn:
        read = [(row, one) for row, (_, one) in zip(kept, told, strict=True)]
        return book.apply(conn, SOURCE, PLATFORM, read, resolve, at=AT, by=SOURCE, **more)


def the_order(ledger: Ledger, applied: Applied) -> BookOrder:
    found = get_order(ledger, next(iter(applied.orders)))
    assert found is not None
    return found


def change(ledger: Ledger, order: BookOrder, work: Callable[..., BookOrder]) -> BookOrder:
    """`work(conn, order)` as everybody who changes an order does it; the order as it is then."""
    with ledger.begin() as conn:
        now = work(conn, orders_to_change(conn, SOURCE, [order.id])[order.id])
    assert get_order(ledger, order.id) == now
    return now


def raw_states(ledger: Ledger) -> list[str]:
    with ledger.read() as conn:
        return list(conn.execute(select(order_raw.c.state).order_by(order_raw.c.id)).scalars())


def test_a_document_is_kept_and_applied_once(ledger: Ledger) -> None:
    pulled = an_order(a_line("1"), a_line("2"), persons={"customer": LISA})
    first = take(ledger, ("one", pulled))
    assert (len(first.created), first.updated, first.unchanged) == (1, (), ())
    order = the_order(ledger, first)
    assert order == first.orders[order.id]
    assert [line.line_id for line in order.lines] == ["1", "2"]
    again = take(ledger, ("one", pulled), ("one", pulled))
    assert (again.created, again.updated, again.unchanged) == ((), (), (order.id,))
    assert get_order(ledger, order.id) == order
    assert [event.kind for event in events_of(ledger, order.id)] == ["created"]
    assert raw_states(ledger) == ["applied"]
    with ledger.read() as conn:
        assert persons_of(conn, [order.id]) == {order.id: {"customer": LISA}}


def test_an_order_that_stands_in_a_page_twice_is_one_order_as_it_is_last(ledger: Ledger) -> None:
    newer = an_order(a_line(state=S.SHIPPED), updated_at=LATER)
    applied = take(ledger, ("old", an_order()), ("new", newer), ("old", an_order()))
    assert (len(applied.created), applied.updated) == (1, ())
    order = the_order(ledger, applied)
    assert (order.state, order.version) == (S.SHIPPED, 2)
    assert [event.kind for event in events_of(ledger, order.id)] == ["created", "state", "state"]
    assert raw_states(ledger) == ["applied", "applied"]


def test_an_older_document_is_superseded_and_never_comes_back(ledger: Ledger) -> None:
    order = the_order(ledger, take(ledger, ("new", an_order(a_line(state=S.SHIPPED)))))
    old = an_order(a_line(state=S.IN_PREPARATION), updated_at=EARLIER)
    for _ in range(2):
        take(ledger, ("old", old))
    assert raw_states(ledger) == ["applied", "superseded"]
    now = get_order(ledger, order.id)
    assert now is not None
    assert now.raw_sha256 == order.raw_sha256
    assert [e.kind for e in events_of(ledger, order.id)] == ["created", "anomaly"]


def test_a_page_with_a_bad_document_brings_the_others_in(ledger: Ledger) -> None:
    twice = an_order(a_line("1"), a_line("1"), external_id="A-2")
    applied = take(
        ledger,
        ("bad", UnreadableOrder("order_lines[2].price: not a number")),
        ("twice", twice),
        ("good", an_order()),
    )
    assert (len(applied.created), applied.unreadable) == (1, 2)
    assert raw_states(ledger) == ["unreadable", "unreadable", "applied"]
    asked = open_tasks(ledger)
    assert [task.kind for task in asked] == ["unreadable", "unreadable"]
    assert "order_lines[2].price" in asked[0].question
    assert asked[1].question.startswith(f"order A-2 of {SOURCE} cannot be read: lines[1]")
    # once it is answered it is not asked again, and once it can be read it is closed
    with ledger.begin() as conn:
        assert answer(conn, asked[0].key, "seen", "ann", AT)
    assert take(ledger, ("bad", UnreadableOrder("still"))).unreadable == 1
    assert [task.key for task in open_tasks(ledger)] == [asked[1].key]
    fixed = an_order(a_line("1"), a_line("2"), external_id="A-2")
    assert len(take(ledger, ("twice", fixed)).created) == 1
    assert not open_tasks(ledger)


def test_two_orders_whose_ids_of_ours_are_equal_are_never_taken_for_one(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("marketsync_dagster.orders.applying.order_id_of", lambda *_: "0" * 12)
    monkeypatch.setattr("marketsync_dagster.orders.merge.order_id_of", lambda *_: "0" * 12)
    first, second = (an_order(a_line(), external_id=name) for name in ("X-1", "X-2"))

    applied = take(ledger, ("one", first), ("two", second))

    assert the_order(ledger, applied).external_id == "X-1"
    assert (len(applied.created), applied.unreadable) == (1, 1)
    (task,) = open_tasks(ledger)
    assert "order X-2" in task.question
    assert "order X-1" in task.question
    assert raw_states(ledger) == ["applied", "unreadable"]


def test_ten_thousand_ids_of_one_moment_are_all_different() -> None:
    for new in (new_forward_id, new_command_id):
        assert len({new(from_iso(AT)) for _ in range(10_000)}) == 10_000, new


def test_numbers_of_ours_are_given_once_for_all_shops_with_a_prefix(ledger: Ledger) -> None:
    both = take(
        ledger,
        ("1", an_order(external_id="a")),
        ("2", an_order(external_id="b", number="own 7")),
        ("3", an_order(external_id="c")),
        prefix="WEB",
    )
    found = {order.external_id: order.number for order in both.orders.values()}
    assert found == {"a": "WEB-000001", "b": "own 7", "c": "WEB-000002"}
    more = take(
        ledger,
        ("4", an_order(external_id="a", updated_at=LATER)),
        ("5", an_order(external_id="d")),
        prefix="WEB",
    )
    found = {order.external_id: order.number for order in more.orders.values()}
    assert found == {"a": "WEB-000001", "d": "WEB-000003"}
    plain = take(ledger, ("6", an_order(external_id="e")), ("7", an_order(external_id="f")))
    assert {order.number for order in plain.orders.values()} == {"e", "f"}


def test_a_forgotten_order_keeps_no_person_and_no_document(ledger: Ledger) -> None:
    order = the_order(ledger, take(ledger, ("one", an_order(persons={"customer": LISA}))))
    with ledger.begin() as conn:
        conn.execute(update(orders).values(forgotten_at=AT))
        forget_persons(conn, [order.id])
    newer = an_order(a_line(state=S.SHIPPED), updated_at=LATER, persons={"customer": LISA})
    assert take(ledger, ("two", newer)).updated == (order.id,)
    with ledger.read() as conn:
        assert persons_of(conn, [order.id]) == {}
        number = conn.execute(
            select(order_raw.c.id).where(order_raw.c.sha256 == sha256_of(b"two"))
        ).scalar_one()
        assert raw_document(conn, number) is None


def test_holds_come_and_go_with_what_is_told(ledger: Ledger) -> None:
    order = the_order(ledger, take(ledger, ("1", an_order(a_line("1", offer_sku="X7")))))
    assert order.flags == {OrderFlag.ON_HOLD}
    with ledger.read() as conn:
        assert [one.kind for one in holds_of(conn, [order.id])] == ["unmapped"]
    take(ledger, ("2", an_order(a_line("1", offer_sku="S7"), updated_at=LATER)))
    now = get_order(ledger, order.id)
    assert now is not None
    assert now.flags == frozenset()
    with ledger.read() as conn:
        assert holds_of(conn, [order.id]) == []


def test_an_unmapped_order_is_looked_at_again_until_it_is_mapped(ledger: Ledger) -> None:
    pulled = an_order(a_line("1"), a_line("2", offer_sku="X7"), a_line("3", offer_sku="X8"))
    order = the_order(ledger, take(ledger, ("1", pulled)))
    with ledger.read() as conn:
        assert book.unmapped_orders(conn, SOURCE) == [order.id]
        assert book.unmapped_orders(conn, "other") == []

    def knows(*names: str) -> Callable[[str, str, str], Resolved]:
        def look(source: str, name: str, said: str) -> Resolved:
            return Resolved("westlands", name) if name in names else resolve(source, name, said)

        return look

    for known, mapped in (((), ()), (("X7",), (order.id,)), (("X7", "X8"), (order.id,))):
        with ledger.begin() as conn:
            assert book.remap(conn, SOURCE, [order.id], knows(*known), at=AT) == mapped
    now = get_order(ledger, order.id)
    assert now is not None
    assert [line.sku for line in now.lines] == ["S1", "X7", "X8"]
    assert (now.outlet, now.flags) == ("westlands", frozenset())
    said = [(e.kind, e.line_id) for e in events_of(ledger, order.id)]
    assert said == [
        ("created", ""), ("held", ""), ("mapped", "2"), ("mapped", "3"), ("released", "")
    ]  # fmt: skip


def test_a_move_writes_lines_header_and_history(ledger: Ledger) -> None:
    order = the_order(ledger, take(ledger, ("1", an_order(a_line("1"), a_line("2")))))

    def both(conn: Any, found: BookOrder) -> BookOrder:
        moves = {"1": S.ACCEPTED, "2": S.REFUSED}
        return book.move(conn, found, moves, by="ann", reason="stock", at=LATER)

    now = change(ledger, order, both)
    assert now.state is S.ACCEPTED
    assert (now.version, now.changed_at) == (2, LATER)
    assert now.line("2").cancelled == 2
    events = [(e.line_id, e.before, e.after, e.by, e.reason) for e in events_of(ledger, now.id)[1:]]
    assert events == [
        ("1", "new", "accepted", "ann", "stock"),
        ("2", "new", "refused", "ann", "stock"),
        ("", "new", "accepted", "ann", "stock"),
    ]
    assert change(ledger, now, both).version == 2  # it stands there already


def test_pieces_leave_one_after_the_other_and_never_more_than_there_are(ledger: Ledger) -> None:
    pulled = an_order(a_line("1", quantity=3, state=S.IN_PREPARATION))
    order = the_order(ledger, take(ledger, ("1", pulled)))

    def left(pieces: int, state: OrderState | None = None) -> Callable[..., BookOrder]:
        moves = {"1": state} if state else {}
        return lambda conn, found: book.move(
            conn, found, moves, by="till", reason="", at=AT, shipped={"1": pieces}
        )

    now = change(ledger, order, left(1))
    assert (now.lines[0].shipped, now.lines[0].open, now.state) == (1, 2, S.IN_PREPARATION)
    assert now.flags == {OrderFlag.PARTIALLY_SHIPPED, OrderFlag.ON_HOLD}
    assert change(ledger, now, left(1)).version == now.version  # told of twice
    with pytest.raises(WrongState, match="has 3 pieces: 4 cannot have left"):
        change(ledger, now, left(4))
    now = change(ledger, now, left(3, S.SHIPPED))
    # whether somebody else was shipping it is no question any more
    assert (now.lines[0].open, now.state, now.flags) == (0, S.SHIPPED, frozenset())


def test_what_may_not_be_is_refused_and_nothing_is_written(ledger: Ledger) -> None:
    order = the_order(ledger, take(ledger, ("1", an_order(a_line("1"), a_line("2")))))

    def wrong(conn: Any, found: BookOrder) -> BookOrder:
        moves = {"1": S.ACCEPTED, "2": S.SHIPPED}
        return book.move(conn, found, moves, by="ann", reason="", at=AT)

    with pytest.raises(WrongState, match="line 2 of order A-1 is new: it cannot become shipped"):
        change(ledger, order, wrong)
    with pytest.raises(UsageError, match="no line 9"):
        change(
            ledger,
            order,
            lambda conn, o: book.move(conn, o, {"9": S.ACCEPTED}, by="a", reason="", at=AT),
        )
    assert get_order(ledger, order.id) == order
    assert len(events_of(ledger, order.id)) == 1


def test_an_order_that_is_over_waits_for_nothing(ledger: Ledger) -> None:
    order = the_order(ledger, take(ledger, ("1", an_order())))

    def held(conn: Any, found: BookOrder) -> BookOrder:
        return book.hold_order(conn, found, "person", "asked for", "", "ann", AT)

    def refused(conn: Any, found: BookOrder) -> BookOrder:
        return book.move(conn, found, {"1": S.REFUSED}, by="ann", reason="", at=AT)

    change(ledger, order, held)
    now = change(ledger, order, refused)
    assert (now.flags, now.ended_at) == (frozenset(), AT)
    with ledger.read() as conn:
        assert holds_of(conn, [order.id]) == []
    assert ("released", "person") in {(e.kind, e.before) for e in events_of(ledger, order.id)}


def test_an_order_goes_on_when_its_last_hold_is_released(ledger: Ledger) -> None:
    order = the_order(ledger, take(ledger, ("1", an_order(a_line("1", offer_sku="X7")))))

    def held(conn: Any, found: BookOrder) -> BookOrder:
        return book.hold_order(conn, found, "person", "asked for", "", "ann", AT)

    def freed(*kinds: Any) -> Callable[..., BookOrder]:
        return lambda conn, found: book.release_order(
            conn, found, kinds or None, by="ann", reason="looked at", at=AT
        )

    now = change(ledger, order, held)
    assert change(ledger, now, held).version == now.version  # it waits for that already
    now = change(ledger, now, freed("person"))
    assert now.flags == {OrderFlag.ON_HOLD}  # the line is still not mapped
    now = change(ledger, now, freed())
    assert now.flags == frozenset()
    assert change(ledger, now, freed()).version == now.version


def test_two_who_bring_the_same_orders_in_at_once_make_one_of_each(ledger: Ledger) -> None:
    """Both have read the same pages; one of them has a newer version of the last order."""
    told = [(f"{n}", an_order(external_id=f"A-{n}")) for n in range(20)]
    newer = ("19b", an_order(a_line(state=S.SHIPPED), external_id="A-19", updated_at=LATER))
    start, applied = threading.Barrier(2), []

    def work(documents: list[tuple[str, PulledOrder]]) -> None:
        start.wait()
        applied.append(take(ledger, *documents))

    threads = [
        threading.Thread(target=work, args=(documents,))
        for documents in (told, [*reversed(told[:-1]), newer])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(len(one.created) for one in applied) == 20
    with ledger.read() as conn:
        rows = conn.execute(select(orders.c.external_id, orders.c.state)).all()
    assert len(rows) == 20
    assert dict(tuple(row) for row in rows)["A-19"] == "shipped"
    assert BEFORE < LATER


@pytest.mark.parametrize("other", [SOURCE, "web"])
def test_who_comes_while_another_writes_sees_what_became_of_it(ledger: Ledger, other: str) -> None:
    """The same order of one source; new numbers of two sources with the same prefix."""
    newer = an_order(a_line(state=S.SHIPPED), updated_at=LATER)
    rows = {}
    with ledger.begin() as conn:
        for source, one in ((SOURCE, an_order()), (other, newer)):
            text = f"{source} {one.updated_at}".encode()
            row = RawRow(one.external_id, sha256_of(text), AT, one.updated_at, text)
            rows[source, one.updated_at] = (*keep_raw(conn, PLATFORM, source, [row]), one)

    def work(conn: Any, source: str, at: str) -> None:
        read = [rows[source, at]]
        book.apply(conn, source, PLATFORM, read, resolve, at=AT, by="x", prefix="WEB")

    def second() -> None:
        with ledger.begin() as conn:
            work(conn, other, LATER)

    thread = threading.Thread(target=second)
    with ledger.begin() as conn:
        work(conn, SOURCE, BEFORE)
        thread.start()
        thread.join(0.2)
        assert thread.is_alive()
    thread.join()
    with ledger.read() as conn:
        found = conn.execute(select(orders.c.id, orders.c.number, orders.c.version)).all()
    if other == SOURCE:
        assert [(row.number, row.version) for row in found] == [("WEB-000001", 2)]
        assert [event.kind for event in events_of(ledger, found[0].id)].count("created") == 1
    else:
        assert {row.number for row in found} == {"WEB-000001", "WEB-000002"}


def test_an_order_that_its_source_sent_on_under_another_name_waits(ledger: Ledger) -> None:
    """`gone`: sources that are not configured any more."""
    old = p.an_order()
    p.put(ledger, old)
    p.route(ledger, p.settings_of())
    pulled = an_order(a_line(), external_id=old.external_id)
    held: dict[str, list[str]] = {}
    for name, gone in (("renamed", {p.SOURCE}), ("another", set[str]())):
        raw = RawRow(old.external_id, sha256_of(name.encode()), AT, BEFORE, name.encode())
        with ledger.begin() as conn:
            (row,) = keep_raw(conn, PLATFORM, name, [raw])
            applied = book.apply(
                conn, name, PLATFORM, [(row, pulled)], resolve, at=AT, by=name, gone=gone
            )
            held[name] = [one.kind for one in holds_of(conn, applied.created)]
    assert held == {"renamed": ["changed"], "another": []}
