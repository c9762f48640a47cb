"""What the sensor `pending_orders` decides: what is due, for which outlets, how often."""

from __future__ import annotations

from dataclasses import replace

import pytest

from marketsync_dagster.automation.cores import pause_after
from marketsync_dagster.automation.order_cores import (
    OrderDecision,
    OrderWork,
    WorkTried,
    pending_orders,
)

NOW = 1_795_000_000.0
EVERY = ("garden_city", "kisumu", "mombasa", "westlands")
TELL = OrderWork("tell bestbuy", "fulfil_orders", "2 commands of bestbuy", "m1", ("kisumu",))
FILES = OrderWork("files webshop", "pull_orders", "1 file of webshop", "f1", ("westlands",), most=2)


def decide(
    *work: OrderWork, memory: dict[str, WorkTried] | None = None, now: float = NOW, **busy: str
) -> OrderDecision:
    return pending_orders(work, memory or {}, busy, EVERY, now)


def test_what_waits_is_one_run_over_the_outlets_concerned() -> None:
    asked = replace(TELL, name="ask printer", why="1 order to ask printer", outlets=("westlands",))
    decision = decide(TELL, asked, FILES)
    assert [(one.job, one.first, one.last) for one in decision.launches] == [
        ("fulfil_orders", "kisumu", "westlands"),
        ("pull_orders", "westlands", "westlands"),
    ]
    assert decision.launches[0].why == "2 commands of bestbuy, 1 order to ask printer"
    assert decision.memory["tell bestbuy"] == WorkTried("m1", 1, NOW)


def test_what_belongs_to_no_known_outlet_is_run_for_all() -> None:
    (launch,) = decide(replace(TELL, outlets=())).launches
    assert (launch.first, launch.last) == ("garden_city", "westlands")


def test_a_job_that_is_at_work_is_not_asked_for_again_and_nothing_counts_as_tried() -> None:
    decision = decide(TELL, FILES, fulfil_orders="run 1a2b is started")
    assert [one.job for one in decision.launches] == ["pull_orders"]
    assert decision.memory["tell bestbuy"].attempt == 0
    assert decision.reasons == ["fulfil_orders is still at work: run 1a2b is started"]


@pytest.mark.parametrize(
    ("mark", "attempt", "after_s", "goes"),
    [
        ("m1", 1, 29.0, False),
        ("m1", 1, 31.0, True),
        ("m1", 2, 31.0, False),
        ("m1", 2, 61.0, True),
        ("m1", 12, 3_599.0, False),
        ("m1", 12, 3_601.0, True),
        ("m0", 12, 1.0, True),  # something has moved since
        ("m1", 1, -5.0, True),  # the clock was set back: nobody knows how long ago
    ],
)
def test_pauses_grow_while_nothing_moves(
    mark: str, attempt: int, after_s: float, goes: bool
) -> None:
    memory = {"tell bestbuy": WorkTried(mark, attempt, NOW - after_s)}
    decision = decide(TELL, memory=memory)
    assert bool(decision.launches) is goes
    if goes:
        assert decision.memory["tell bestbuy"].attempt == (attempt if mark == "m1" else 0) + 1
    else:
        assert f"tried {attempt} times; again in" in decision.reasons[0]


def test_no_run_key_comes_twice() -> None:
    keys = set()
    memory: dict[str, WorkTried] = {}
    now = NOW
    for attempt in range(1, 8):
        decision = decide(TELL, memory=memory, now=now)
        keys |= {one.run_key for one in decision.launches}
        memory, now = decision.memory, now + pause_after(attempt) + 1
    keys |= {one.run_key for one in decide(replace(TELL, mark="m2"), memory=memory).launches}
    assert len(keys) == 8


def test_files_that_stay_are_left_alone_after_some_runs_until_they_change() -> None:
    memory = {"files webshop": WorkTried("f1", 2, NOW - 86_400)}
    decision = decide(FILES, memory=memory)
    assert decision.launches == []
    assert "tried 2 times, and nothing has changed since" in decision.reasons[0]
    assert decide(replace(FILES, mark="f2"), memory=memory).launches


def test_a_place_that_asked_to_be_left_alone_is_left_alone() -> None:
    decision = decide(replace(TELL, closed_for=90.0), FILES)
    assert [one.job for one in decision.launches] == ["pull_orders"]
    assert "it asked us to stay away until" in decision.reasons[0]


def test_what_no_longer_waits_is_forgotten() -> None:
    memory = {"tell bestbuy": WorkTried("m1", 3, NOW), "files webshop": WorkTried("f1", 1, NOW)}
    assert set(decide(FILES, memory=memory).memory) == {"files webshop"}
