"""Whatever a platform answers, every row ends in one outcome, and the ledger has it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any, Self

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from marketsync_dagster.config.accounts import Quota, Retry
from marketsync_dagster.ledger import pushes, quota
from marketsync_dagster.ledger import tables as t
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.listings import Source
from marketsync_dagster.platforms.absent import NoImports, NoList, NoProducts
from marketsync_dagster.platforms.base import (
    Answer,
    Call,
    Capabilities,
    ConnectionResult,
    ItemResult,
    PriceItem,
)
from marketsync_dagster.push import patience
from marketsync_dagster.push.columns import Columns
from marketsync_dagster.push.journal import Journal
from marketsync_dagster.push.pacing import Pacer, Stop
from marketsync_dagster.push.result import PushResult
from marketsync_dagster.push.sender import Sender
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster_tests.push.builders import many, plan_of

PUSH = "push-1"
ITEM_OUTCOMES = [o for o in Outcome if o is not Outcome.AUTH_FAILED]


class Platform(NoImports, NoList, NoProducts):
    """Answers by a script: per call a list of outcomes to deal out, one for all, or `split`."""

    platform_name = "the script"

    def __init__(self, script: Sequence[Any], batch: int) -> None:
        self.script = list(script)
        self.capabilities = Capabilities(batch_items=batch)
        self.sent: list[list[str]] = []

    def batches(self, items: Sequence[PriceItem]) -> list[tuple[int, int]]:
        return [(0, len(items))]

    async def send(
        self, items: Sequence[PriceItem], *, single: bool = False, whole: bool = False
    ) -> Answer:
        self.sent.append([item.sku for item in items])
        said = self.script.pop(0) if self.script else [Outcome.APPLIED]
        await asyncio.sleep(0)
        status = {"split": 413, Outcome.AUTH_FAILED: 401, Outcome.RETRYABLE: 503}
        if isinstance(said, Answer):
            return said
        call = Call("POST", "/x", 200 if isinstance(said, list) else status.get(said), 1)
        if said == "split":
            return Answer(call, split=True, message="too large")
        if isinstance(said, Outcome):
            return Answer(call, outcome=said, message=f"all {said}")
        dealt = [said[i % len(said)] for i in range(len(items))]
        return Answer(call, results=[ItemResult(outcome, f"it is {outcome}") for outcome in dealt])

    def read_catalog(
        self, search: str | None = None, *, pace: Any = None, barcodes: Any = ()
    ) -> Any:
        raise AssertionError("nothing is read here")

    async def read_prices(self, platform_ids: Sequence[str], *, pace: Any = None) -> Any:
        raise AssertionError("nothing is read here")

    async def test_connection(self) -> ConnectionResult:
        raise AssertionError("nothing is tested here")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *args: object) -> None:
        return None


def push(ledger: Ledger, platform: Platform, rows: int, **retry: Any) -> PushResult:
    """Send numbered rows; the push is opened and left open."""
    plan = plan_of(many(rows))
    record = pushes.PushRecord(
        id=PUSH, plan_id="plan-1", outlet="westlands", platform="pasons", account="a",
        run_id="run-1", push_type="full", created_by="tester",
        started_at="2026-11-21T06:00:00.000Z", item_count=rows,
    )  # fmt: skip
    with ledger.begin() as connection:
        pushes.open_push(connection, record)

    async def main() -> PushResult:
        stop = Stop()
        with Journal(ledger) as journal:
            return await Sender(
                source=Source("westlands", "pasons", "a", "t", "e", record.started_at, PUSH),
                columns=Columns.of(plan.to_send),
                adapter=platform,
                journal=journal,
                pacer=Pacer(ledger, "a", Quota(per_minute=None), stop, patience_s=300),
                retry=Retry.model_validate({"attempts": 2, "base_s": 0, "cap_s": 0, **retry}),
                stop=stop,
                concurrency=3,
            ).run()

    return asyncio.run(main())


def in_ledger(ledger: Ledger, table: Any) -> list[dict[str, Any]]:
    with ledger.read() as connection:
        return [dict(row) for row in connection.execute(select(table)).mappings()]


def assert_conserved(ledger: Ledger, result: PushResult, rows: int) -> None:
    """The law, and that the ledger says the same as the push."""
    assert sum(result.outcomes.values()) == rows
    listed = in_ledger(ledger, t.listing)
    assert len(listed) == rows
    assert Counter(row["outcome"] for row in listed) == +result.outcomes
    batches = in_ledger(ledger, t.push_batch)
    assert all(batch["state"] != "intended" for batch in batches)
    with ledger.read() as connection:
        total = pushes.outcomes_of(connection, PUSH)
    assert Counter(total) == +result.outcomes
    assert pushes.never_intended(ledger, PUSH) == []
    events = Counter(row["sku"] for row in in_ledger(ledger, t.listing_event))
    assert set(events.values()) <= {1}
    for row in listed:
        acknowledged = row["outcome"] in ("applied", "accepted_unverified")
        assert (row["ack_price_minor"] is not None) == acknowledged


ANSWERS = st.lists(
    st.one_of(
        st.lists(st.sampled_from(ITEM_OUTCOMES), min_size=1, max_size=5),
        st.sampled_from([Outcome.RETRYABLE, Outcome.UNKNOWN, Outcome.REFUSED, "split"]),
        st.just(Outcome.AUTH_FAILED),
    ),
    max_size=14,
)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(script=ANSWERS, rows=st.integers(1, 23), batch=st.integers(1, 9))
def test_every_row_ends_in_one_outcome_that_is_durable(
    ledger: Ledger, script: list[Any], rows: int, batch: int
) -> None:
    with ledger.begin() as connection:  # one ledger for all examples: making one takes longer
        for table in t.metadata.tables.values():
            connection.execute(table.delete())
    platform = Platform(script, batch)
    result = push(ledger, platform, rows)
    assert_conserved(ledger, result, rows)
    assert result.calls == len(platform.sent)


def test_the_law_says_that_rows_of_one_batch_need_not_share_a_fate(ledger: Ledger) -> None:
    dealt = [Outcome.APPLIED, Outcome.REFUSED, Outcome.UNSUPPORTED, Outcome.ACCEPTED_UNVERIFIED]
    result = push(ledger, Platform([dealt], 4), 4)
    assert result.outcomes == Counter(outcome.value for outcome in dealt)
    assert [problem["sku"] for problem in result.problems] == ["0001", "0002"]
    assert_conserved(ledger, result, 4)


def test_only_the_rows_without_an_answer_go_again(ledger: Ledger) -> None:
    platform = Platform([[Outcome.APPLIED, Outcome.RETRYABLE], [Outcome.APPLIED]], 4)
    result = push(ledger, platform, 4)
    assert platform.sent == [["0000", "0001", "0002", "0003"], ["0001", "0003"]]
    assert result.outcomes == {"applied": 4}
    assert_conserved(ledger, result, 4)


def test_a_remainder_that_is_too_large_all_of_a_sudden_is_left_for_the_next_push(
    ledger: Ledger,
) -> None:
    platform = Platform([[Outcome.APPLIED, Outcome.RETRYABLE], "split"], 6)
    result = push(ledger, platform, 6)
    assert result.outcomes == {"applied": 3, "retryable": 3}
    assert_conserved(ledger, result, 6)


def test_the_last_batch_is_split_and_both_halves_are_sent(ledger: Ledger) -> None:
    platform = Platform([[Outcome.APPLIED], "split"], 4)
    result = push(ledger, platform, 8)
    assert sorted(map(len, platform.sent)) == [2, 2, 4, 4]
    assert result.outcomes == {"applied": 8}
    assert_conserved(ledger, result, 8)


def test_the_first_batch_goes_alone_and_a_dead_platform_gets_no_other(ledger: Ledger) -> None:
    platform = Platform([Outcome.RETRYABLE] * 50, 2)
    result = push(ledger, platform, 20, attempts=3)
    assert platform.sent == [["0000", "0001"]] * 3
    assert result.outcomes == {"retryable": 20}
    assert "does not answer" in result.stopped
    assert_conserved(ledger, result, 20)


def test_a_platform_that_dies_later_is_given_up_after_two_batches(ledger: Ledger) -> None:
    platform = Platform([[Outcome.APPLIED]] * 2 + [Outcome.UNKNOWN] * 100, 2)
    result = push(ledger, platform, 40)
    assert len(platform.sent) <= 2 + 2 * (2 + 3)
    assert result.outcomes["applied"] == 4
    assert_conserved(ledger, result, 40)


THROTTLED = Answer(
    Call("POST", "/x", 429, 1),
    outcome=Outcome.RETRYABLE,
    message="HTTP 429",
    retry_after_s=1_800,
)


@pytest.mark.parametrize("retry", [{}, {"attempts": 1, "budget_s": 3_600}], ids=["budget", "tries"])
def test_a_long_silence_is_kept_by_all_who_come_after(
    ledger: Ledger, retry: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the budget ends the push, or the tries; 429 alone has more of these."""
    monkeypatch.setattr(patience, "THROTTLED_PATIENCE", 1)
    platform = Platform([THROTTLED] * 9, 2)
    result = push(ledger, platform, 4, retry_after_cap_s=3_600, **retry)
    assert len(platform.sent) <= 2
    assert result.outcomes == {"retryable": 4}
    assert 1_700_000 < quota.closed_for(ledger, "a") < 1_900_000

    with ledger.begin() as connection:
        connection.execute(t.push.delete())
        connection.execute(t.push_batch.delete())
    later = push(ledger, platform, 4)
    assert later.calls == 0
    assert later.outcomes == {"retryable": 4}
    assert later.seconds < 1
    assert "asked us to stay away until" in later.stopped


def test_a_budget_that_is_spent_ends_the_push(ledger: Ledger) -> None:
    platform = Platform([[Outcome.APPLIED], Outcome.RETRYABLE], 2)
    result = push(ledger, platform, 4, budget_s=0, base_s=1, cap_s=1)
    assert "more patience than the budget" in result.stopped
    assert_conserved(ledger, result, 4)


def test_without_a_journal_nothing_is_sent(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    platform = Platform([], 2)

    def full(*_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("marketsync_dagster.push.sender.intend", full)
    with pytest.raises(OSError, match="the disk is full"):
        push(ledger, platform, 4)
    assert platform.sent == []


def test_a_push_does_not_end_well_if_its_last_answer_cannot_be_kept(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("marketsync_dagster.push.sender.acknowledge_batches", full)
    with pytest.raises(OSError, match="the disk is full"):
        push(ledger, Platform([], 2), 2)
