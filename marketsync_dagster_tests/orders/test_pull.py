"""Pulling: nothing lost, nothing doubled, whatever the pages do and whoever dies in between."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import orjson
import pytest
from sqlalchemy import func, select

from marketsync_dagster.ledger.cursors import set_cursor
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.order_events import events_of
from marketsync_dagster.ledger.order_holds import holds_of
from marketsync_dagster.ledger.order_tables import order_raw, orders
from marketsync_dagster.ledger.order_tasks import open_tasks
from marketsync_dagster.ledger.order_watch import not_routed
from marketsync_dagster.ledger.tables import api_call
from marketsync_dagster.orders import progress
from marketsync_dagster.orders.points import PULL
from marketsync_dagster.orders.progress import Progress, cursor_name, progress_of
from marketsync_dagster.platforms.base import PlatformError
from marketsync_dagster.values.times import to_iso
from marketsync_dagster_tests.orders.fake_source import (
    NOON,
    FakeSource,
    KeepingSource,
    counts,
    minute,
    pull,
    puller,
)
from marketsync_dagster_tests.orders.telling import SOURCE


class Killed(BaseException):
    """The process died here."""


def book(ledger: Ledger) -> dict[str, str]:
    """External id -> state."""
    with ledger.read() as conn:
        return dict(conn.execute(select(orders.c.external_id, orders.c.state)).tuples().all())


def raws(ledger: Ledger) -> dict[str, int]:
    """State of documents -> how many."""
    query = select(order_raw.c.state, func.count()).group_by(order_raw.c.state)
    with ledger.read() as conn:
        return dict(conn.execute(query).tuples().all())


def test_everything_that_changed_is_pulled_and_the_next_pull_begins_where_it_began(
    ledger: Ledger,
) -> None:
    source = FakeSource(clock=minute(30))
    source.put_many(7)
    first = pull(ledger, source)
    assert counts(first) == {"created": 7}
    assert (first.pages, first.calls, first.numbers()["total"]) == (3, 3, 7)
    assert set(book(ledger)) == set(source.orders)
    # the clock of the platform when the first page was asked for: the call took 40 ms
    until = to_iso(NOON + timedelta(minutes=30, milliseconds=-40))
    assert progress_of(ledger, SOURCE) == Progress(until, began=until)
    source.put("A-06", minute(31), "in_preparation")
    second = pull(ledger, source, overlap_s=60)
    assert counts(second) == {"updated": 1}
    assert source.asked[0] == (to_iso(NOON + timedelta(hours=1, days=-30)), "")
    assert source.asked[1] == (to_iso(NOON + timedelta(minutes=29, milliseconds=-40)), "")
    assert book(ledger)["A-06"] == "in_preparation"
    with ledger.read() as conn:
        assert conn.execute(select(func.count()).select_from(api_call)).scalar() == 4


def test_what_comes_again_in_the_overlap_changes_nothing(ledger: Ledger) -> None:
    source = FakeSource(clock=minute(5))
    source.put_many(5)
    pull(ledger, source)
    before = book(ledger)
    again = pull(ledger, source)
    assert counts(again) == {"unchanged": 5}
    assert book(ledger) == before
    assert raws(ledger) == {"applied": 5}


def test_rows_that_stand_in_two_pages_are_one_order(ledger: Ledger) -> None:
    source = FakeSource(clock=minute(30), repeats=2)
    source.put_many(8)
    assert counts(pull(ledger, source)) == {"created": 8}
    assert raws(ledger) == {"applied": 8}


def test_without_the_platforms_clock_ours_counts_and_never_the_end_of_the_pull(
    ledger: Ledger,
) -> None:
    source = FakeSource()
    source.put_many(2)
    now = NOON + timedelta(minutes=3)
    pull(ledger, source, now=now)
    assert progress_of(ledger, SOURCE).until == to_iso(now)


def test_a_platforms_clock_that_ran_ahead_leaves_nothing_out(ledger: Ledger) -> None:
    source = FakeSource(clock=to_iso(NOON + timedelta(days=9)))
    pull(ledger, source)
    source.clock = minute(61)
    source.put("A-1", minute(60))
    pull(ledger, source, overlap_s=0)
    assert source.asked[1][0] == minute(60)
    assert "A-1" in book(ledger)


def test_an_order_that_changes_while_it_is_pulled_is_there_as_it_is(ledger: Ledger) -> None:
    """It has left its page for the end; what moved up is found by the next pull at the latest."""
    source = FakeSource(clock=minute(20))
    source.put_many(9)

    def change(page: int) -> None:
        if page == 1:
            source.put("A-00", minute(21), "in_preparation")
            source.put("A-99", minute(22))

    source.between = change
    pull(ledger, source)
    source.between = lambda _page: None
    assert book(ledger)["A-00"] == "in_preparation"
    source.clock = minute(40)
    pull(ledger, source, overlap_s=3600)
    assert set(book(ledger)) == set(source.orders)
    order = next(one for one in book(ledger))
    assert order
    assert not open_tasks(ledger)


@pytest.mark.parametrize("point", PULL)
@pytest.mark.parametrize("nth", [1, 2])
def test_a_pull_that_died_goes_on_at_its_page(ledger: Ledger, point: str, nth: int) -> None:
    """At every point, in the first and in the second page; what came is in the book once."""
    source = FakeSource(clock=minute(30))
    source.put_many(8)
    passed: list[str] = []

    def die(name: str) -> None:
        passed.append(name)
        if passed.count(point) == min(nth, 1 if point == "pull_finished" else nth):
            raise Killed

    with pytest.raises(Killed):
        pull(ledger, source, observe=die)
    kept = progress_of(ledger, SOURCE)
    # a document that nobody applied is applied whether or not it comes again
    lost = set(book(ledger))
    with ledger.read() as conn:
        waiting = set(
            conn.execute(
                select(order_raw.c.external_id).where(order_raw.c.state == "received")
            ).scalars()
        )
    source.clock = minute(45)
    again = pull(ledger, source)
    assert set(book(ledger)) == set(source.orders)
    assert raws(ledger) == {"applied": 8}
    assert waiting.isdisjoint(lost)
    assert again.recovered == len(waiting)
    for name in book(ledger):
        with ledger.read() as conn:
            query = select(orders.c.id).where(orders.c.external_id == name)
            order_id = conn.execute(query).scalar_one()
        assert [event.kind for event in events_of(ledger, order_id)] == ["created"]
    if kept.started:
        assert again.resumed
        assert source.asked[1] == (kept.since, kept.position)
        # not later than the beginning of the pull that was gone on with
        assert progress_of(ledger, SOURCE).until == kept.started
    else:
        assert progress_of(ledger, SOURCE).until > minute(29)
    assert progress_of(ledger, SOURCE).started == ""


def test_a_killed_pull_goes_on_with_the_page_before_it(ledger: Ledger) -> None:
    source = FakeSource(clock=minute(30))
    source.put_many(12)
    stopped = pull(ledger, source, go_on=lambda: len(book(ledger)) < 6)
    assert not stopped.finished
    assert len(book(ledger)) == 6
    again = pull(ledger, source)
    assert (again.resumed, again.finished, again.moved) == (True, True, True)
    assert source.asked[1][1] == "3"  # where the page began that was kept last
    assert counts(again) == {"created": 6, "unchanged": 3}


def test_a_place_that_is_gone_means_once_more_from_the_beginning(ledger: Ledger) -> None:
    source = FakeSource(clock=minute(30))
    source.put_many(9)
    pull(ledger, source, go_on=lambda: len(book(ledger)) < 6)
    source.refuses = {"3"}
    with pytest.raises(PlatformError):  # it is refused on the way from the beginning, too
        pull(ledger, source)
    assert [position for _, position in source.asked] == ["", "3", ""]

    def there_again(_page: int) -> None:
        if source.asked[-1][1] == "":
            source.refuses = set()

    # the place of the pull before is the first page now: gone as well, and then all is well
    source.refuses, source.between = {"0"}, there_again
    assert pull(ledger, source).finished
    assert set(book(ledger)) == set(source.orders)


def test_what_was_read_before_a_page_failed_is_kept(ledger: Ledger) -> None:
    source = FakeSource(clock=minute(30))
    source.put_many(9)
    source.refuses = {"6"}
    with pytest.raises(PlatformError):
        pull(ledger, source)
    assert len(book(ledger)) == 6
    with ledger.read() as conn:  # the call that failed is counted, too
        assert conn.execute(select(func.count()).select_from(api_call)).scalar() == 3
    source.refuses = set()
    assert counts(pull(ledger, source)) == {"created": 3, "unchanged": 3}


def test_pages_behind_one_that_cannot_be_written_stay_out_of_the_book(ledger: Ledger) -> None:
    """They are kept by then, and wait: the cursor would lead over the one that is missing."""
    source = FakeSource(clock=minute(30))
    source.put_many(12)
    passed: list[str] = []

    def fail(name: str) -> None:
        passed.append(name)
        if name == "book_written" and passed.count(name) == 2:
            raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        pull(ledger, source, observe=fail)
    assert set(book(ledger)) == {"A-00", "A-01", "A-02"}
    assert progress_of(ledger, SOURCE).position == ""  # of the only page that is in the book
    assert passed.count("book_written") == 2
    again = pull(ledger, source)
    assert counts(again) == {"created": 9, "unchanged": 3}
    assert again.recovered >= 3


def test_two_who_pull_at_once_lose_and_double_nothing(ledger: Ledger) -> None:
    first, second = FakeSource(clock=minute(30)), FakeSource(clock=minute(31), size=4)
    first.put_many(20)
    second.put_many(21)
    second.put("A-19", minute(22), "in_preparation")

    async def both() -> None:
        await asyncio.gather(puller(ledger, first).run(), puller(ledger, second).run())

    asyncio.run(both())
    assert set(book(ledger)) == set(second.orders)
    assert book(ledger)["A-19"] == "in_preparation"
    assert raws(ledger).get("received", 0) == 0
    begun = [to_iso(NOON + timedelta(minutes=m, milliseconds=-40)) for m in (30, 31)]
    # who comes second may go on with the pull of the first: then it stands for that one's beginning
    assert progress_of(ledger, SOURCE).until in begun
    assert len(book(ledger)) == 21


def test_the_cursor_never_goes_back(ledger: Ledger) -> None:
    """Whoever began earlier may end later."""
    with ledger.begin() as conn:
        progress.finished(conn, SOURCE, minute(20))
        progress.under_way(conn, SOURCE, minute(0), minute(10), "3")
        progress.finished(conn, SOURCE, minute(10))
    assert progress_of(ledger, SOURCE) == Progress(minute(20), began=minute(20))


@pytest.mark.parametrize(
    ("since", "moves"),
    [
        (minute(-60), True),
        (minute(30), False),  # later than the last pull began: what lies between is not seen
        (to_iso(NOON + timedelta(minutes=20, milliseconds=-40)), True),
        (minute(20), False),
    ],
)
def test_a_pull_from_a_time_moves_the_cursor_only_without_a_gap(
    ledger: Ledger, since: str, moves: bool
) -> None:
    source = FakeSource(clock=minute(20))
    pull(ledger, source)
    before = progress_of(ledger, SOURCE)
    source.clock = minute(50)
    asked = pull(ledger, source, since=since)
    assert source.asked[1] == (since, "")
    assert asked.moved is moves
    assert (progress_of(ledger, SOURCE) != before) is moves


def test_the_first_pull_from_a_late_time_leaves_the_cursor_where_it_was(ledger: Ledger) -> None:
    source = FakeSource(clock=minute(50))
    source.put_many(9)
    assert counts(pull(ledger, source, since=minute(5))) == {"created": 4}
    assert progress_of(ledger, SOURCE) == Progress()
    assert counts(pull(ledger, source)) == {"created": 5, "unchanged": 4}


def test_a_pull_of_some_states_keeps_only_them_and_never_moves_the_cursor(ledger: Ledger) -> None:
    source = FakeSource(clock=minute(50))
    source.put_many(5)
    source.put("A-01", minute(1), "shipped")
    source.put("A-02", minute(2), "ON_THE_MOON")
    for states, found in (
        (("shipped",), {"A-01"}),
        (("on_the_moon", "Shipped"), {"A-02"}),
        (("lost",), set()),
    ):
        before = set(book(ledger))
        asked = pull(ledger, source, states=states)
        assert set(book(ledger)) - before == found
        assert asked.numbers()["left_out"] == 5 - len(found) - (states[0] == "on_the_moon")
        assert not asked.moved
    assert progress_of(ledger, SOURCE) == Progress()
    assert counts(pull(ledger, source)) == {"created": 3, "unchanged": 2}


def test_a_limited_pull_keeps_so_many_new_ones_and_the_rest_comes_later(ledger: Ledger) -> None:
    source = FakeSource(clock=minute(50))
    source.put_many(11)
    assert pull(ledger, source, limit=5).numbers()["created"] == 5
    limited = pull(ledger, source, limit=5)
    assert limited.numbers()["created"] == 5
    assert not limited.moved
    assert limited.numbers()["left_out"] == 1
    assert limited.numbers()["total"] == 11
    assert len(book(ledger)) == 10
    assert raws(ledger) == {"applied": 10}
    assert progress_of(ledger, SOURCE) == Progress()
    assert counts(pull(ledger, source)) == {"created": 1, "unchanged": 10}


def test_documents_that_say_nothing_new_leave_room_for_others_in_a_limited_pull(
    ledger: Ledger,
) -> None:
    source = FakeSource(size=20, clock=minute(0))
    source.put_many(7)
    pull(ledger, source)
    for number in range(5):  # of another time, and else as they were
        source.put(f"A-{number:02}", minute(10 + number))
    source.put("A-05", minute(16), "shipped")
    source.put_many(6, first=20)
    for created, updated, left_out in ((4, 1, 2), (2, 0, 0), (0, 0, 0)):
        numbers = pull(ledger, source, limit=5).numbers()
        assert (numbers["created"], numbers["updated"]) == (created, updated)
        assert (numbers["left_out"], numbers["total"]) == (left_out, 13)
    assert len(book(ledger)) == 13


def test_a_limited_pull_leaves_one_that_was_killed_as_it_is(ledger: Ledger) -> None:
    source = FakeSource(clock=minute(50))
    source.put_many(12)
    pull(ledger, source, go_on=lambda: len(book(ledger)) < 6)
    before = progress_of(ledger, SOURCE)
    assert before.started
    pull(ledger, source, limit=2)
    pull(ledger, source, states=("new",))
    assert progress_of(ledger, SOURCE) == before


def test_what_a_platform_accepts_by_itself_waits_only_where_it_is_older_than_the_first_pull(
    ledger: Ledger,
) -> None:
    source = FakeSource(clock=minute(30))

    def sell(name: str, created: int, changed: int) -> None:
        source.put(name, minute(changed), "in_preparation", created=minute(created))

    def going() -> set[str]:
        with ledger.read() as conn:
            return {
                one.number for one in not_routed(conn, SOURCE, to_iso(NOON + timedelta(hours=5)))
            }

    sell("A-01", 1, 1)
    pull(ledger, source, accept="platform", limit=5)  # a trial: its orders are sent by others
    assert progress_of(ledger, SOURCE) == Progress()
    sell("A-02", 20, 20)
    pull(ledger, source, accept="platform")
    assert going() == set()
    sell("A-03", 29, 40)  # made before the first pull, and it comes now only
    sell("A-04", 31, 40)
    source.clock = minute(60)
    pull(ledger, source, accept="platform", go_on=lambda: False)
    pull(ledger, source, accept="platform")
    assert going() == {"A-04"}
    source.clock = minute(90)
    sell("A-05", 70, 70)
    pull(ledger, source, accept="auto")  # here we decide, and did not decide on this one
    sell("A-06", 75, 80)
    pull(ledger, source, accept="platform")
    assert going() == {"A-04", "A-06"}
    with ledger.read() as conn:
        assert {hold.kind for hold in holds_of(conn)} == {"manual"}
        assert len(holds_of(conn)) == 4


def test_cursors_without_the_beginning_of_the_first_pull_stand_for_their_last_one(
    ledger: Ledger,
) -> None:
    said = {"until": minute(20), "since": "", "started": "", "position": ""}
    with ledger.begin() as conn:
        set_cursor(conn, cursor_name(SOURCE), orjson.dumps(said).decode())
    source = FakeSource(clock=minute(30))
    pull(ledger, source)
    assert progress_of(ledger, SOURCE).began == minute(20)


def test_documents_that_cannot_be_read_are_kept_and_the_rest_goes_on(ledger: Ledger) -> None:
    source = FakeSource(clock=minute(50))
    source.put_many(4)
    source.put("A-01", minute(1), quantity=None)
    source.put("A-02", minute(2), price="10.005")
    bad = pull(ledger, source)
    assert counts(bad) == {"created": 2, "failed": 2}
    assert raws(ledger) == {"applied": 2, "unreadable": 2}
    decimals = "lines[0].unit_price: more decimals than the 2 that KES has"
    assert [task.question for task in open_tasks(ledger)] == [
        f"order A-01 of {SOURCE} cannot be read: lines[0].quantity: nothing. Is it looked after?",
        f"order A-02 of {SOURCE} cannot be read: {decimals}. Is it looked after?",
    ]
    assert bad.moved
    source.put("A-01", minute(55), quantity=3)
    source.clock = minute(60)
    pull(ledger, source)
    assert "A-01" in book(ledger)


def test_what_can_be_read_by_now_is_read_and_no_longer_asked(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = FakeSource(clock=minute(50))
    source.put("A-01", minute(1), quantity=None)
    pull(ledger, source)
    source.orders.clear()
    wiser = FakeSource(clock=minute(51))
    read = wiser.read_order
    monkeypatch.setattr(wiser, "read_order", lambda raw: read(raw.replace(b"null", b"4")))
    assert pull(ledger, wiser).recovered == 1
    assert "A-01" in book(ledger)
    assert not open_tasks(ledger)


def test_a_source_puts_away_only_whole_pages_that_are_in_the_book(ledger: Ledger) -> None:
    source = KeepingSource(clock=minute(50))
    source.put_many(5)
    pull(ledger, source, limit=2)
    assert source.put_away == []

    def die(name: str) -> None:
        if name == "book_written":
            raise Killed

    with pytest.raises(Killed):
        pull(ledger, source, observe=die)
    assert source.put_away == []
    pull(ledger, source)
    assert sorted(source.put_away) == sorted(source.orders)
