"""Quota: never more calls of an account in a window than allowed, over all processes."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from sqlalchemy import func, select

from marketsync_dagster.ledger import tables
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.quota import (
    MARGIN_MS,
    WINDOW_MS,
    answered,
    ask,
    close_account,
    closed_for,
    closed_reason,
    forget_old_slots,
)
from marketsync_dagster_tests.ledger import children

SPAN = WINDOW_MS + MARGIN_MS
DAY_MS = 24 * 3600 * 1000


def take_slot(
    ledger: Ledger,
    account: str,
    per_minute: int | None,
    now_ms: int | Callable[[], int] | None = None,
) -> int:
    """0 where the call may go, or the milliseconds to wait."""
    return ask(ledger, account, per_minute, now_ms).wait_ms


def most_in_a_window(times: list[int], window_ms: int) -> int:
    """The greatest number of `times` within any window, both ends included."""
    return max(sum(start <= at < start + window_ms for at in times) for start in times)


def slots(ledger: Ledger) -> int:
    with ledger.read() as conn:
        return conn.execute(select(func.count()).select_from(tables.rate_slot)).scalar_one()


def test_slots_are_given_until_the_minute_is_full_and_again_when_the_first_leaves(
    ledger: Ledger,
) -> None:
    assert [take_slot(ledger, "a", 3, now) for now in (1000, 1010, 1020)] == [0, 0, 0]
    wait = take_slot(ledger, "a", 3, 2000)
    assert wait == 1000 + SPAN - 2000
    assert take_slot(ledger, "a", 3, 2000 + wait - 1) == 1
    assert take_slot(ledger, "a", 3, 2000 + wait) == 0
    assert take_slot(ledger, "a", 3, 2000 + wait) == 10


def test_accounts_do_not_share_their_slots(ledger: Ledger) -> None:
    assert take_slot(ledger, "a", 1, 0) == 0
    assert take_slot(ledger, "b", 1, 0) == 0
    assert take_slot(ledger, "a", 1, 0) == SPAN


def test_following_the_waits_uses_the_quota_fully_and_never_more(ledger: Ledger) -> None:
    now, times = 0, []
    while len(times) < 35:
        wait = take_slot(ledger, "a", 10, now)
        if wait == 0:
            times.append(now)
            now += 137
        else:
            now += wait
    assert most_in_a_window(times, WINDOW_MS) == 10
    assert times[-1] < 3 * SPAN + 35 * 137


def test_the_minute_of_a_call_begins_when_it_is_answered_however_late_it_arrived(
    ledger: Ledger,
) -> None:
    slow, quick = ask(ledger, "a", 2, 1_000).slot, ask(ledger, "a", 2, 1_000).slot
    assert slow is not None
    assert quick is not None
    answered(ledger, quick, 1_020)
    answered(ledger, slow, 9_000)
    assert take_slot(ledger, "a", 2, 1_020 + SPAN) == 0
    assert take_slot(ledger, "a", 2, 1_030 + SPAN) == 9_000 - 1_030
    answered(ledger, slow, 8_000)  # never earlier
    assert take_slot(ledger, "a", 2, 8_000 + SPAN) == 1_000
    assert ask(ledger, "b", None, 0).slot is None


def test_a_limit_that_was_lowered_waits_for_enough_slots_to_leave(ledger: Ledger) -> None:
    for now in (0, 10, 20, 30):
        take_slot(ledger, "a", 4, now)
    assert take_slot(ledger, "a", 2, 40) == 20 + SPAN - 40


def test_without_a_limit_nothing_is_counted(ledger: Ledger) -> None:
    assert [take_slot(ledger, "a", None, 0) for _ in range(5)] == [0] * 5
    assert slots(ledger) == 0


def test_a_closed_account_gives_no_slot_before_its_time(ledger: Ledger) -> None:
    close_account(ledger, "a", 4_000, "429: Retry-After 4", 1_000)
    assert take_slot(ledger, "a", 60, 1_000) == 4_000
    assert take_slot(ledger, "a", None, 1_000) == 4_000
    assert take_slot(ledger, "b", 60, 1_000) == 0
    assert take_slot(ledger, "a", 60, 5_000) == 0
    assert slots(ledger) == 2


def test_a_shorter_closure_does_not_open_a_longer_one(ledger: Ledger) -> None:
    def closed() -> tuple[int, str]:
        return closed_for(ledger, "a", 1_000), closed_reason(ledger, "a")

    assert closed() == (0, "")
    close_account(ledger, "a", 9_000, "long", 1_000)
    close_account(ledger, "a", 5_000, "short", 1_000)
    assert closed() == (9_000, "long")
    close_account(ledger, "a", 8_000, "no longer", 2_000)
    assert closed() == (9_000, "long")
    close_account(ledger, "a", 10_000, "longer", 1_000)
    assert closed() == (10_000, "longer")


def test_a_closure_counts_by_the_clock_that_all_writers_share(ledger: Ledger) -> None:
    close_account(ledger, "a", 30_000, "429")
    assert 25_000 < closed_for(ledger, "a") <= 30_000
    assert 25_000 < take_slot(ledger, "a", None) <= 30_000


def test_old_slots_do_not_pile_up(ledger: Ledger) -> None:
    for now in range(0, 5 * SPAN, SPAN // 2):
        take_slot(ledger, "a", 60, now)
    assert slots(ledger) == 2
    take_slot(ledger, "b", 60, 0)
    close_account(ledger, "b", 1, "once", 0)
    assert forget_old_slots(ledger, 20 * SPAN) == 3
    assert closed_for(ledger, "b", 0) == 0


def test_a_clock_that_is_set_back_by_a_day_does_not_stop_the_account_for_a_day(
    ledger: Ledger,
) -> None:
    assert take_slot(ledger, "a", 2, 2 * DAY_MS) == 0
    assert take_slot(ledger, "a", 2, 2 * DAY_MS) == 0
    wait = take_slot(ledger, "a", 2, DAY_MS)
    assert wait == SPAN
    assert take_slot(ledger, "a", 2, DAY_MS + wait) == 0


@pytest.mark.parametrize("far_ms", [DAY_MS, 30 * DAY_MS])
def test_a_clock_that_is_set_back_does_not_make_a_closure_longer(
    ledger: Ledger, far_ms: int
) -> None:
    close_account(ledger, "a", 30_000, "429", far_ms + 5_000)
    assert closed_for(ledger, "a", 5_000) == 30_000
    # the first who asks lets it begin again, and it ends
    assert take_slot(ledger, "a", 60, 5_000) == 30_000
    assert take_slot(ledger, "a", 60, 25_000) == 10_000
    assert closed_for(ledger, "a", 25_000) == 10_000
    assert take_slot(ledger, "a", 60, 35_000) == 0


def test_a_clock_that_is_set_forward_opens_an_account_and_it_can_be_closed_again(
    ledger: Ledger,
) -> None:
    close_account(ledger, "a", 30_000, "429", 0)
    assert take_slot(ledger, "a", 60, DAY_MS) == 0
    close_account(ledger, "a", 20_000, "429 again", DAY_MS)
    assert take_slot(ledger, "a", 60, DAY_MS + 1_000) == 19_000


def test_the_time_of_a_slot_is_read_after_the_wait_for_the_ledger(ledger: Ledger) -> None:
    asked: list[bool] = []

    def clock() -> int:
        asked.append(getattr(ledger._thread, "writing", False))
        return 1_000

    assert take_slot(ledger, "a", 1, clock) == 0
    assert asked == [True]


def test_without_a_number_the_shared_clock_counts(ledger: Ledger) -> None:
    assert take_slot(ledger, "a", 1) == 0
    with ledger.read() as conn:
        at = conn.execute(select(tables.rate_slot.c.at_ms)).scalar_one()
    assert abs(at - time.time() * 1000) < 5_000
    assert SPAN - 5_000 < take_slot(ledger, "a", 1) <= SPAN


def test_four_processes_on_one_account_never_take_more_than_the_window_allows(
    ledger: Ledger,
) -> None:
    window_ms, per_window = 300, 5
    setup = """
        import sys, time
        from marketsync_dagster.ledger.engine import open_ledger
        from marketsync_dagster.ledger.quota import ask
        ledger = open_ledger(sys.argv[1])
        read = []
        def clock():
            read.append(time.time_ns() // 1_000_000)
            return read[-1]
    """
    work = f"""
        times = []
        while len(times) < 5:
            wait = ask(
                ledger, "a", {per_window}, clock, window_ms={window_ms}, margin_ms=0
            ).wait_ms
            assert 0 <= wait <= {window_ms}, wait
            if wait:
                time.sleep(wait / 1000)
            else:
                times.append(read[-1])
        print(*times)
    """
    said = children.values(children.race(4, setup, work, ledger.url))
    taken = sorted(int(at) for line in said for at in line.split())
    assert len(taken) == 20
    assert most_in_a_window(taken, window_ms) <= per_window
