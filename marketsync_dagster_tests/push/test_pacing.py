"""When the next call may go: quota, pauses, closures, stops, waits between tries."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from marketsync_dagster.config.accounts import Quota, Retry
from marketsync_dagster.ledger import quota as slots
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.push.pacing import Budget, Pacer, StayAway, Stop, backoff, family_key
from marketsync_dagster.values.outcomes import Outcome

Open = Callable[[Quota], Pacer]


def seconds_for(quota: Quota, ledger: Ledger, calls: int) -> float:
    async def main() -> float:
        pacer = Pacer(ledger, "a", quota, Stop())
        await pacer.open()
        started = time.monotonic()
        for _ in range(calls):
            await pacer.slot()
        return time.monotonic() - started

    return asyncio.run(main())


def test_without_quota_nothing_waits(ledger: Ledger) -> None:
    assert seconds_for(Quota(per_minute=None), ledger, 100) < 0.05


def test_a_pause_lies_between_two_calls(ledger: Ledger) -> None:
    assert 0.095 <= seconds_for(Quota(per_minute=None, pause_s=0.05), ledger, 3) < 0.3


def test_calls_over_the_quota_wait_until_the_push_stops(ledger: Ledger) -> None:
    async def main() -> None:
        stop = Stop()
        pacer = Pacer(ledger, "a", Quota(per_minute=2), stop)
        await pacer.open()
        await pacer.slot()
        await pacer.slot()
        third = asyncio.create_task(pacer.slot())
        await asyncio.sleep(0.05)
        assert not third.done()
        stop.set("enough")
        await asyncio.wait_for(third, 1)

    asyncio.run(main())


def test_two_pushes_of_an_account_share_its_quota(ledger: Ledger) -> None:
    assert seconds_for(Quota(per_minute=2), ledger, 2) < 1
    assert slots.ask(ledger, "a", 2).wait_ms > 1_000
    assert slots.ask(ledger, "b", 2).wait_ms == 0


def test_who_was_asked_to_stay_away_keeps_all_others_away(ledger: Ledger) -> None:
    async def main() -> float:
        asked = Pacer(ledger, "a", Quota(per_minute=None), Stop())
        await asked.close_for(0.6, "HTTP 429")
        other = Pacer(ledger, "a", Quota(per_minute=None), Stop())
        await other.open()
        started = time.monotonic()
        await other.slot()
        return time.monotonic() - started

    assert 0.1 < asyncio.run(main()) < 0.9


@pytest.mark.parametrize("family", ["", "prices"])
@pytest.mark.parametrize("per_minute", [None, 9])
def test_a_silence_that_is_longer_than_may_be_waited_is_an_error_at_once(
    ledger: Ledger, family: str, per_minute: int | None
) -> None:
    slots.close_account(ledger, family_key("a", family), 1_800_000, "HTTP 429")

    async def main(patience_s: float) -> None:
        pacer = Pacer(*(ledger, "a", Quota(per_minute=per_minute), Stop(), {"prices": 0.001}))
        pacer.patience_s = patience_s
        await pacer.open()
        if family:
            await asyncio.wait_for(pacer.slot(), 1)  # of other calls nothing was said
        await asyncio.wait_for(pacer.slot("prices"), 0.3)

    with pytest.raises(StayAway, match=r"stay away.* until \d{4}-.*Z: .*HTTP 429") as caught:
        asyncio.run(main(300))
    assert caught.value.family == family
    with pytest.raises(TimeoutError):  # a shorter one is waited for
        asyncio.run(main(2_000))


def family_seconds(ledger: Ledger, calls: list[str], **said: float) -> float:
    """How long calls of these families take, each by a pacer of its own, one after the other."""

    async def main() -> float:
        started = time.monotonic()
        for family in calls:
            pacer = Pacer(ledger, "a", Quota(per_minute=None), Stop(), said)
            await pacer.answered(await pacer.slot(family))
        return time.monotonic() - started

    return asyncio.run(main())


def test_calls_of_a_family_are_as_far_apart_as_the_platform_wants_over_all_pushes(
    ledger: Ledger,
) -> None:
    assert 0.4 <= family_seconds(ledger, ["prices"] * 3, prices=0.2) < 1
    assert family_seconds(ledger, ["offers", "stock", "offers", "stock"], stock=0.001) < 0.3


def test_families_do_not_wait_for_each_other_and_count_for_the_account(ledger: Ledger) -> None:
    async def main() -> None:
        pacer = Pacer(ledger, "a", Quota(per_minute=2), Stop(), {"offers": 60, "prices": 60})
        assert len(await pacer.slot("offers")) == 2
        assert len(await pacer.slot("prices")) == 2
        assert slots.ask(ledger, "a", 2).wait_ms > 1_000

    asyncio.run(main())


def test_a_family_that_was_asked_to_stay_away_keeps_no_other_away(ledger: Ledger) -> None:
    async def main() -> None:
        said = {"offers": 0.001, "prices": 0.001}
        pacer = Pacer(ledger, "a", Quota(per_minute=None), Stop(), said)
        await pacer.close_for(30, "HTTP 429", "offers")
        for again in (pacer, Pacer(ledger, "a", Quota(per_minute=None), Stop(), said)):
            await asyncio.wait_for(again.slot("prices"), 1)
            await asyncio.wait_for(again.slot(), 1)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(again.slot("offers"), 0.1)

    asyncio.run(main())


def test_who_waits_for_a_familys_turn_says_so_and_ends_when_the_push_stops(ledger: Ledger) -> None:
    told: list[tuple[str, float]] = []

    async def main() -> None:
        stop = Stop()
        pacer = Pacer(
            *(ledger, "a", Quota(per_minute=None), stop, {"offers": 60.0}),
            waiting=lambda family, seconds: told.append((family, seconds)),
        )
        await pacer.slot("offers")
        waits = asyncio.create_task(pacer.slot("offers"))
        await asyncio.sleep(0.1)
        stop.set("enough")
        assert await asyncio.wait_for(waits, 1) == ()

    asyncio.run(main())
    ((family, seconds),) = told
    assert family == "offers"
    assert 55 < seconds < 61


def test_the_slot_of_a_family_with_a_long_interval_is_not_forgotten(ledger: Ledger) -> None:
    now = 1_800_000_000_000
    hour = {"window_ms": 3_600_000, "margin_ms": 0}
    assert slots.ask(ledger, "a/reports", 1, now, **hour).slot
    assert slots.ask(ledger, "a", 1, now).slot
    assert slots.forget_old_slots(ledger, now + 120_000) == 1
    assert slots.ask(ledger, "a/reports", 1, now + 120_000, **hour).wait_ms > 3_000_000
    assert slots.forget_old_slots(ledger, now + 2 * 86_400_000) == 1


def test_the_first_reason_to_stop_stays() -> None:
    async def main() -> Stop:
        stop = Stop()
        stop.set("the key is refused", Outcome.AUTH_FAILED)
        stop.set("something else")
        return stop

    stop = asyncio.run(main())
    assert (stop.reason, stop.outcome) == ("the key is refused", Outcome.AUTH_FAILED)


def test_a_wait_ends_when_the_push_stops() -> None:
    async def main() -> float:
        stop = Stop()
        asyncio.get_running_loop().call_later(0.02, stop.set, "enough")
        started = time.monotonic()
        await stop.sleep(10)
        await stop.sleep(10)
        return time.monotonic() - started

    assert asyncio.run(main()) < 1


def test_a_budget_is_spent_once() -> None:
    budget = Budget(1.0)
    assert [budget.spend(0.6), budget.spend(0.6), budget.spend(0.4)] == [True, False, True]


@pytest.mark.parametrize("attempt", [1, 2, 3, 10])
def test_waits_grow_with_full_jitter_up_to_their_cap(attempt: int) -> None:
    retry = Retry(base_s=1.0, cap_s=5.0)
    waits = [backoff(attempt, retry) for _ in range(300)]
    ceiling = min(5.0, 2 ** (attempt - 1))
    assert 0 <= min(waits) < 0.2 * ceiling
    assert 0.8 * ceiling < max(waits) <= ceiling


def test_a_wait_is_never_shorter_than_what_was_asked_for_up_to_its_cap() -> None:
    retry = Retry(base_s=1.0, cap_s=5.0, retry_after_cap_s=30)
    assert all(7 <= backoff(1, retry, 7.0) <= 7.2 for _ in range(100))
    assert all(30 <= backoff(1, retry, 86_400) <= 30.2 for _ in range(100))
    assert len({backoff(1, retry, 7.0) for _ in range(20)}) > 10  # they do not come back together
