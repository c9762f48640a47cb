"""The guard over a rolling window: disasters in small steps are stopped, decisions start anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from marketsync_dagster.config.channels import GuardSettings
from marketsync_dagster.ledger.engine import Ledger, open_ledger
from marketsync_dagster.ledger.plans import RecentPlan
from marketsync_dagster.push.plan import Plan, rows_to_parquet
from marketsync_dagster.push.window import load_window, window_of
from marketsync_dagster_tests.ledgers import ready_ledger_url
from marketsync_dagster_tests.push.simulated import START, Channel, feed_frame

STEP = timedelta(minutes=30)
COUNT = 200
Say = Callable[..., Channel]


class Till:
    """What an outlet's till says; prices and stock are arrays that a test changes."""

    def __init__(self, count: int = COUNT) -> None:
        self.skus = np.array([f"{n:05}" for n in range(count)])
        self.prices = np.full(count, 10_000)
        self.status = np.full(count, "in_stock", dtype=object)

    @property
    def feed(self) -> pd.DataFrame:
        return feed_frame(self.skus, self.prices, self.status)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """On SQLite: what is read of it is tested on both engines in `ledger/test_recent_plans.py`."""
    opened = open_ledger(ready_ledger_url("sqlite", tmp_path))
    yield opened
    opened.close()


@pytest.fixture
def till() -> Till:
    return Till()


@pytest.fixture
def open_channel(ledger: Ledger, till: Till) -> Say:
    """A channel that shows what the till says, since the day before yesterday."""

    def make(account: str = "pasons_westlands", **guard: Any) -> Channel:
        settings = GuardSettings.model_validate({"initial": "auto", **guard})
        channel = Channel(ledger, settings, account)
        assert channel.push(till.feed, START - timedelta(days=2), mode="full").kind == "initial"
        return channel

    return make


@pytest.fixture
def channel(open_channel: Say) -> Channel:
    return open_channel()


def over_window(plan: Plan) -> list[str]:
    return [f.rule for f in plan.findings if f.holds_plan and f.window_hours]


def times(count: int, step: timedelta = STEP) -> Iterator[datetime]:
    for number in range(count):
        yield START + number * step


def steps(
    channel: Channel,
    till: Till,
    most: int,
    change: Callable[[int], None],
    stop: Callable[[Plan], bool] = lambda plan: plan.held,
    size: Callable[[int], int] = lambda _: COUNT,
) -> list[Plan]:
    """The plans of so many small changes, half an hour apart, up to the first that stops."""
    plans: list[Plan] = []
    for number, at in enumerate(times(most)):
        change(number)
        plans.append(channel.push(till.feed, at, rows=size(number)))
        if stop(plans[-1]):
            break
    return plans


def has_held_rows(plan: Plan) -> bool:
    return len(plan.held_rows) > 0


def drip(
    channel: Channel, till: Till, change: Callable[[Till, slice], None], share: float = 0.05
) -> tuple[int, Plan]:
    """Change so much of the catalogue with each plan until one is held: (rows sent, that plan)."""
    size, sent = int(COUNT * share), 0
    for number, at in enumerate(times(int(1 / share))):
        change(till, slice(number * size, (number + 1) * size))
        plan = channel.push(till.feed, at)
        if plan.held:
            return sent, plan
        sent += len(plan.to_send)
    raise AssertionError("nothing was held")


def dearer(till: Till, rows: slice) -> None:
    till.prices[rows] += 100


def sold_out(till: Till, rows: slice) -> None:
    till.status[rows] = "out_of_stock"


# --- disasters, slowly


def test_half_the_catalogue_in_twentieths_is_stopped_at_the_share_of_one_plan(
    channel: Channel, till: Till
) -> None:
    sent, plan = drip(channel, till, dearer)
    assert sent == 80
    assert over_window(plan) == ["max_changed_share"]
    (finding,) = plan.findings
    assert finding.message == (
        "within 24 hours 90 of 200 listed rows change (45%, allowed 40%), 10 of them in this plan"
    )
    assert finding.skus == tuple(till.skus[80:90])
    assert plan.counts()["sent"] == 0


def test_everything_out_of_stock_by_twentieths_is_stopped(channel: Channel, till: Till) -> None:
    sent, plan = drip(channel, till, sold_out)
    assert (sent, over_window(plan)) == (40, ["max_out_of_stock_share"])


def test_an_extract_that_shrinks_by_steps_is_stopped(channel: Channel, till: Till) -> None:
    def something_to_send(number: int) -> None:
        till.prices[number] += 1

    plans = steps(channel, till, 10, something_to_send, size=lambda n: COUNT - 8 * (n + 1))

    assert (len(plans), over_window(plans[-1])) == (6, ["max_shrink"])
    assert plans[-1].findings[-1].message == (
        "the extract has 152 rows, within 24 hours one with 192 was pushed (21% fewer, allowed 20%)"
    )


def test_a_small_delta_is_no_shrinkage_of_the_window_either(channel: Channel, till: Till) -> None:
    till.prices[0] += 1
    channel.push(till.feed, START - STEP)
    channel.full_extracts = False
    for number, at in enumerate(times(4), start=1):
        till.prices[number] += 1
        assert not channel.push(till.feed, at, rows=COUNT // number).held


@pytest.mark.parametrize(
    ("factor", "allowed", "words"),
    [
        (0.92, 8, "price falls by more than 50% within 24 hours (KES 100.00 -> KES 47.18)"),
        (1.9, 1, "price rises by more than 100% within 24 hours (KES 100.00 -> KES 361.00)"),
    ],
)
def test_a_price_that_moves_by_small_steps_is_held_where_one_step_would_be(
    factor: float, allowed: int, words: str, channel: Channel, till: Till
) -> None:
    def step(_: int) -> None:
        till.prices[7] = int(till.prices[7] * factor)

    plans = steps(channel, till, 20, step, has_held_rows)

    assert len(plans) == allowed + 1
    assert plans[-1].held_rows["reason"].tolist() == [words]
    assert len(plans[-1].to_send) == 0


@pytest.mark.parametrize(("factor", "words"), [(10, "price x100"), (0.1, "price /100")])
def test_a_shift_of_the_decimal_point_in_two_steps_is_held(
    factor: float, words: str, open_channel: Say, till: Till
) -> None:
    channel = open_channel(max_price_rise=1000, max_price_fall=1)

    def step(_: int) -> None:
        till.prices[7] = int(till.prices[7] * factor)

    _, plan = steps(channel, till, 2, step)
    assert plan.held_rows["reason"].str.startswith(words).tolist() == [True]


def test_rows_that_are_held_one_by_one_and_mended_are_counted_together(
    open_channel: Say, till: Till
) -> None:
    channel = open_channel(max_held_rows=5)

    def one_more(number: int) -> None:
        till.prices[:number] = 10_000
        till.prices[number] = 1

    plans = steps(channel, till, 9, one_more)

    assert (len(plans), over_window(plans[-1])) == (6, ["max_held_rows"])
    assert plans[-1].findings[-1].message == (
        "within 24 hours 6 rows held (allowed 5), 1 of them first in this plan: "
        "price falls by more than 50% (KES 100.00 -> KES 0.01)"
    )


def test_prices_of_zero_one_by_one_are_never_sent_and_stop_the_channel(
    open_channel: Say, till: Till
) -> None:
    channel = open_channel(max_held_rows=5)

    def one_more(number: int) -> None:
        till.prices[number] = 0
        till.prices[100 + number] += 1

    plans = steps(channel, till, 9, one_more)

    assert len(plans) == 6
    assert all((plan.to_send["price_minor"] > 0).all() for plan in plans)


# --- what is no disaster


def test_yesterday_is_forgotten(channel: Channel, till: Till) -> None:
    for number, at in enumerate(times(10, timedelta(hours=4))):
        dearer(till, slice(number * 11, (number + 1) * 11))
        assert not channel.push(till.feed, at).held


def test_the_window_is_as_long_as_the_channel_says(open_channel: Say, till: Till) -> None:
    for hours, held in ((1, False), (0, False), (None, False), (3, True)):
        till.prices[:] = 10_000
        channel = open_channel(f"account {hours}", window_hours=hours, max_changed_share=0.1)
        plans = steps(channel, till, 5, lambda n: dearer(till, slice(n * 10, n * 10 + 5)))
        assert plans[-1].held == held, hours


def test_what_comes_back_is_no_change(channel: Channel, till: Till) -> None:
    for number, at in enumerate(times(6)):
        till.prices[:70] = 9_000 if number % 2 else 10_000
        till.status[:30] = "out_of_stock" if number % 2 else "in_stock"
        assert not channel.push(till.feed, at).held


def test_a_plan_that_puts_things_right_goes_out_however_much_has_changed(
    channel: Channel, till: Till
) -> None:
    drip(channel, till, dearer)
    channel.guard = GuardSettings.model_validate({"initial": "auto", "max_changed_share": 0.1})
    till.prices[:20] = 10_000
    till.prices[80:] = 10_000
    plan = channel.push(till.feed, START + 20 * STEP)
    assert (len(plan.to_send), plan.held) == (20, False)
    dearer(till, slice(20, 21))
    plan = channel.push(till.feed, START + 21 * STEP)
    assert over_window(plan) == ["max_changed_share"]


def test_new_products_are_no_change_and_their_first_price_is_the_one_to_compare_with(
    channel: Channel, till: Till
) -> None:
    more = Till(COUNT * 2)
    plan = channel.push(more.feed, START)
    assert (len(plan.to_send), plan.held) == (COUNT, False)
    for number, at in enumerate(times(2), start=1):
        more.prices[COUNT + 5] = int(10_000 * 1.9**number)
        plan = channel.push(more.feed, at + STEP)
    assert "within 24 hours (KES 100.00 -> KES 361.00)" in plan.held_rows["reason"].iloc[0]


def test_a_listing_that_is_made_anew_is_compared_with_nothing(channel: Channel, till: Till) -> None:
    till.prices[7] = 15_000
    channel.push(till.feed, START)
    feed = till.feed
    feed.loc[7, ["platform_id", "price_minor"]] = ["another", 40_000]
    plan = channel.push(feed, START + STEP)
    assert (plan.rows["change"].tolist(), plan.held_rows.empty) == (["new"], True)
    feed.loc[7, "price_minor"] = 41_000
    assert channel.push(feed, START + 2 * STEP).held_rows.empty


def test_another_account_or_place_starts_without_a_past(channel: Channel, till: Till) -> None:
    drip(channel, till, dearer)
    channel.account = "another account"
    dearer(till, slice(0, 70))
    assert not channel.push(till.feed, START + 20 * STEP).held
    channel.target = "another place"
    dearer(till, slice(0, COUNT))
    assert channel.push(till.feed, START + 21 * STEP).kind == "initial"
    dearer(till, slice(100, 110))
    assert not channel.push(till.feed, START + 22 * STEP).held


def test_rows_that_are_only_tried_again_hold_nothing_and_are_held_by_nothing(
    channel: Channel, till: Till
) -> None:
    at = START
    dearer(till, slice(0, 70))
    channel.keep(channel.plan(till.feed, at), at, outcome="retryable")
    again = channel.plan(till.feed, at + STEP)
    assert (set(again.rows["change"]), again.held) == ({"sent again"}, False)
    channel.keep(again, at + STEP)
    dearer(till, slice(70, 80))
    assert not channel.push(till.feed, at + 2 * STEP).held
    # what was tried counts from when it was tried first
    dearer(till, slice(80, 81))
    assert over_window(channel.push(till.feed, at + 3 * STEP)) == ["max_changed_share"]


def test_what_a_platform_refuses_has_not_changed(channel: Channel, till: Till) -> None:
    dearer(till, slice(0, 70))
    channel.keep(channel.plan(till.feed, START), START, outcome="refused")
    dearer(till, slice(70, 150))
    assert not channel.push(till.feed, START + STEP).held


@pytest.mark.parametrize(
    "options",
    [{}, {"limit": 3}, {"skus": ("00100", "00101")}, {"fields": ("price",)}, {"mode": "full"}],
    ids=str,
)
def test_however_rows_are_chosen_they_count(
    options: dict[str, Any], channel: Channel, till: Till
) -> None:
    dearer(till, slice(0, 79))
    assert not channel.push(till.feed, START).held
    dearer(till, slice(100, 102))
    plan = channel.push(till.feed, START + STEP, **options)
    assert over_window(plan) == ["max_changed_share"]
    assert "2 of them in this plan" in plan.findings[0].message


def test_a_plan_of_stock_alone_is_not_held_for_prices(channel: Channel, till: Till) -> None:
    dearer(till, slice(0, 75))
    channel.push(till.feed, START)
    till.prices[80] = 19_000
    till.prices[90:] += 1  # another twenty minutes of damage, which is not asked for
    sold_out(till, slice(80, 82))
    plan = channel.push(till.feed, START + STEP, fields=("stock",))
    assert (len(plan.to_send), plan.held, plan.held_rows.empty) == (2, False, True)


def test_few_rows_are_no_share(ledger: Ledger) -> None:
    till = Till(19)
    channel = Channel(ledger, GuardSettings.model_validate({"initial": "auto"}))
    channel.push(till.feed, START - timedelta(days=1), mode="full")
    for number, at in enumerate(times(4)):
        dearer(till, slice(number * 4, number * 4 + 4))
        assert not channel.push(till.feed, at).held


# --- decisions


def test_an_approval_of_what_the_window_held_starts_it_anew(channel: Channel, till: Till) -> None:
    _, plan = drip(channel, till, dearer)
    at = START + 20 * STEP
    channel.keep(plan, at, decided=True)
    for number in range(7):
        at += STEP
        dearer(till, slice(90 + number * 10, 100 + number * 10))
        assert not channel.push(till.feed, at).held
    dearer(till, slice(160, 200))
    assert channel.push(till.feed, at + STEP).held


def test_an_approval_of_a_plan_by_itself_forgets_its_rows_only(
    channel: Channel, till: Till
) -> None:
    dearer(till, slice(0, 70))
    channel.push(till.feed, START)
    dearer(till, slice(70, 170))
    plan = channel.plan(till.feed, START + STEP)
    assert [f.window_hours for f in plan.findings] == [None]
    channel.keep(plan, START + STEP, decided=True)
    dearer(till, slice(170, 180))
    assert not channel.push(till.feed, START + 2 * STEP).held
    dearer(till, slice(180, 181))
    assert over_window(channel.push(till.feed, START + 3 * STEP)) == ["max_changed_share"]


def test_an_approved_price_is_what_later_ones_are_compared_with(
    channel: Channel, till: Till
) -> None:
    till.prices[7] = 50_000
    plan = channel.plan(till.feed, START)
    assert len(plan.held_rows) == 1
    channel.keep(plan, START, decided=True)
    till.prices[7] = 51_000
    assert channel.push(till.feed, START + STEP).held_rows.empty
    till.prices[7] = 10_000
    assert len(channel.push(till.feed, START + 2 * STEP).held_rows) == 1


def test_an_approved_plan_that_gets_no_answer_for_a_day_is_not_held_afterwards(
    channel: Channel, till: Till
) -> None:
    dearer(till, slice(0, COUNT))
    plan = channel.plan(till.feed, START)
    channel.keep(plan, START, decided=True, outcome="retryable")
    for hours in (12, 25):
        at = START + timedelta(hours=hours)
        again = channel.plan(till.feed, at)
        assert not again.held
        channel.keep(again, at, outcome="retryable" if hours == 12 else "applied")
    dearer(till, slice(0, 10))
    assert not channel.push(till.feed, START + timedelta(hours=26)).held


def test_a_shrunken_extract_that_was_approved_is_the_new_size(channel: Channel, till: Till) -> None:
    till.prices[0] += 1
    channel.push(till.feed, START)
    till.prices[1] += 1
    plan = channel.plan(till.feed, START + STEP, rows=100)
    assert plan.held
    channel.keep(plan, START + STEP, decided=True)
    till.prices[2] += 1
    assert not channel.push(till.feed, START + 2 * STEP, rows=95).held


def test_what_is_held_does_not_go_out_because_time_passes(channel: Channel, till: Till) -> None:
    drip(channel, till, dearer)
    for days in (1, 2, 4, 6):
        at = START + timedelta(days=days, hours=12)
        plan = channel.push(till.feed, at)
        assert over_window(plan) == ["max_changed_share"]
    # what the till takes back is over, and the day after everything is as ever
    till.prices[80:] = 10_000
    till.prices[0] += 1
    assert not channel.push(till.feed, START + timedelta(days=6, hours=13)).held
    dearer(till, slice(80, 150))
    assert not channel.push(till.feed, START + timedelta(days=7, hours=14)).held


def nearly_twice_twice(channel: Channel, till: Till) -> Plan:
    """The plan of the second step, which the window does not let go."""

    def step(_: int) -> None:
        till.prices[7] = int(till.prices[7] * 1.9)

    return steps(channel, till, 2, step)[-1]


def test_a_row_that_the_window_has_held_does_not_go_out_because_time_passes(
    channel: Channel, till: Till
) -> None:
    assert has_held_rows(nearly_twice_twice(channel, till))
    for days in (2, 4):
        plan = channel.push(till.feed, START + timedelta(days=days))
        assert len(plan.held_rows) == 1, days
    till.prices[7] = 20_000
    assert channel.push(till.feed, START + timedelta(days=6)).held_rows.empty


def test_a_limit_that_is_raised_lets_go_what_the_window_had_held(
    open_channel: Say, till: Till
) -> None:
    channel = open_channel()
    plan = nearly_twice_twice(channel, till)
    assert len(plan.held_rows) == 1
    channel.guard = GuardSettings.model_validate({"initial": "auto", "max_price_rise": 5})
    assert channel.push(till.feed, START + 3 * STEP).held_rows.empty


def test_plans_whose_rows_are_not_kept_any_more_are_left_out(
    channel: Channel, till: Till, ledger: Ledger
) -> None:
    from sqlalchemy import update

    from marketsync_dagster.ledger.tables import plan

    dearer(till, slice(0, 70))
    channel.push(till.feed, START)
    with ledger.begin() as connection:
        connection.execute(update(plan).values(rows=b""))
    dearer(till, slice(70, 90))
    assert not channel.push(till.feed, START + STEP).held


def test_a_channel_with_nothing_new_to_say_does_not_read_the_window(
    channel: Channel, till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any) -> None:
        raise AssertionError("the window was read")

    monkeypatch.setattr("marketsync_dagster_tests.push.simulated.load_window", never)
    assert channel.plan(till.feed, START).rows.empty
    assert len(channel.plan(till.feed, START, mode="full").rows) == COUNT


def test_a_window_that_is_switched_off_is_not_read(ledger: Ledger) -> None:
    assert load_window(ledger, "o", "p", "a", 0.0, START) is None


def test_plans_of_new_rows_alone_were_kept_with_columns_without_a_type(
    channel: Channel, till: Till
) -> None:
    till.prices[7] = 11_000
    rows = channel.plan(till.feed, START).rows
    bare = rows.assign(change="new", old_price_minor=None, old_currency=None, old_stock_status=None)
    plans = [RecentPlan(name, "ordinary", "pushed", 0, "[]", COUNT) for name in ("bare", "moved")]
    kept = [rows_to_parquet(bare), rows_to_parquet(rows)]
    window = window_of(24.0, plans, list(zip(plans, kept, strict=True)))
    assert window.anchors["price_minor"].to_dict() == {"00007": 10_000}
