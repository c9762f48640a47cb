"""How long a platform asks to be left alone, and that no more calls reach it than it allows."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from marketsync_dagster.config.secrets import Secrets
from marketsync_dagster.config.settings import Quota
from marketsync_dagster.ledger import quota
from marketsync_dagster.ledger.engine import open_ledger
from marketsync_dagster.platforms.registry import open_adapter
from marketsync_dagster.push import pacing
from marketsync_dagster.push.pacing import Pacer, Stop
from marketsync_dagster_tests.conformance.bench import ACCOUNT
from marketsync_dagster_tests.conformance.projects import make_bed, rows
from marketsync_dagster_tests.conformance.reasons import INTERVALS
from marketsync_dagster_tests.conformance.stand import Stand, attempt
from marketsync_dagster_tests.conformance.suite import Behaviour, behaviour, behaviours
from marketsync_dagster_tests.faults.limiter import most_within
from marketsync_dagster_tests.ledgers import ready_ledger_url
from marketsync_dagster_tests.platforms.support import outcomes

GROUP = "Waiting"

CAP_S = 300
"""`retry_after_cap_s` of the account."""
FORMS: list[tuple[str, dict[str, Any], float | None]] = [
    ("in seconds", {"form": "seconds", "value": 7}, 7),
    ("in seconds with a fraction", {"form": "float", "value": 2}, 2),
    ("in the body alone", {"form": "body", "value": 9}, 9),
    ("for a day: at most as long as the account says", {"form": "huge"}, CAP_S),
    ("for no time", {"form": "zero"}, 0),
    ("for less than none", {"form": "negative"}, 0),
    ("until a date, its clock fast", {"form": "http_date", "value": 20, "date_skew_s": 420}, 20),
    ("until a date, its clock slow", {"form": "http_date", "value": 20, "date_skew_s": -420}, 20),
]


@behaviours([(Behaviour(GROUP, f"429 {words}"), (form, wait)) for words, form, wait in FORMS])
def test_retry_after(case: tuple[dict[str, Any], float], stand: Stand) -> None:
    form, wait = case
    items = stand.seed(3)
    stand.sandbox.scenario("retry_after", **form)
    retry = stand.settings().accounts[ACCOUNT].retry.model_copy(update={"retry_after_cap_s": CAP_S})
    answer = stand.send(items, retry=retry.model_dump())
    assert outcomes(answer, 3) == ["retryable"] * 3
    # a date has whole seconds only
    assert answer.retry_after_s == pytest.approx(
        wait, abs=1.01 if form["form"] == "http_date" else 0
    )


@behaviour(GROUP, "429 that does not say: the platform's usual, or left to the sender")
def test_no_word(stand: Stand) -> None:
    items = stand.seed(3)
    stand.sandbox.scenario("retry_after", form="none")
    answer = stand.send(items)
    assert outcomes(answer, 3) == ["retryable"] * 3
    assert answer.retry_after_s is None or 0 < answer.retry_after_s <= 60


WINDOW_MS, ALLOWED, EACH = 600, 4, 6
"""A short minute, how many calls fit into it, and how many each of two runs makes."""


@behaviour(GROUP, "two runs at once make no more calls than allowed, as the platform counts them")
def test_quota(stand: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    items = stand.seed(2 * EACH)
    monkeypatch.setattr(pacing.slots, "ask", partial(quota.ask, window_ms=WINDOW_MS, margin_ms=50))
    url, settings = ready_ledger_url("sqlite", tmp_path), stand.settings()
    ended: list[str] = []

    async def run(mine: list[Any]) -> None:
        ledger = open_ledger(url)
        pacer = Pacer(ledger, ACCOUNT, Quota(per_minute=ALLOWED), Stop())
        await pacer.open()
        async with open_adapter(settings, ACCOUNT, channel=None, secrets=Secrets()) as adapter:
            for item in mine:
                slot = await pacer.slot()
                answer = await attempt(adapter, [item])
                await pacer.answered(slot)
                ended.extend(map(str, outcomes(answer, 1)))
        ledger.close()

    runs = [
        threading.Thread(target=lambda part=part: asyncio.run(run(part)))
        for part in (items[:EACH], items[EACH:])
    ]
    for one in runs:
        one.start()
    for one in runs:
        one.join()

    assert ended == [str(stand.bench.done)] * 2 * EACH
    times = sorted(request["time"] for request in stand.sandbox.requests())
    assert len(times) == 2 * EACH
    assert most_within(times, WINDOW_MS / 1000) <= ALLOWED
    assert times[-1] - times[0] >= 2 * WINDOW_MS / 1000


DISTANCE_S = 0.3


@behaviour(
    GROUP, "calls of one kind keep their distance over runs, as the platform counts", INTERVALS
)
def test_distance(stand: Stand, tmp_path: Path) -> None:
    bed = make_bed(stand, tmp_path, count=4)
    stand.seed(4, distance_s=DISTANCE_S)
    bed.configure(lambda d: d["accounts"][ACCOUNT].update(stand.bench.distances(DISTANCE_S)))
    for change in range(2):
        bed.write_extract(rows(stand, 4, change))
        assert bed.sync(stand.bench.platform).one.ok
    calls = stand.sandbox.requests()
    assert len([call for call in calls if call["method"] == "POST"]) == 4
    assert {call["status"] for call in calls} <= {200, 201}
    assert bed.differences(stand.bench.platform) == {}


@behaviour(GROUP, "a platform that counts to its limit says so, and is asked no more")
def test_limit(stand: Stand) -> None:
    items = stand.seed(3, per_minute=2)
    first, second, third = (stand.send([item]) for item in items)
    assert outcomes(first, 1) == outcomes(second, 1) == [stand.bench.done]
    assert outcomes(third, 1) == ["retryable"]
    assert third.call.status == 429
    assert third.retry_after_s is not None
    assert 0 < third.retry_after_s <= 3_600
