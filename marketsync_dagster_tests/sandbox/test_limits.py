"""Rate limits of both platforms, and every form of telling when to come back."""

from __future__ import annotations

import pytest

from marketsync_dagster_tests.sandbox.calls import (
    BEARER,
    batch,
    item,
    price,
    push,
    seed_store,
    seed_tracker,
    tracker,
)
from marketsync_dagster_tests.sandbox_process import SandboxProcess


def test_a_minute_slides_with_the_sandbox_clock(fresh_sandbox: SandboxProcess) -> None:
    seed_tracker(fresh_sandbox, per_minute=2)
    assert [batch(fresh_sandbox, price()).status for _ in range(3)] == [200, 200, 429]
    fresh_sandbox.clock(30)
    assert batch(fresh_sandbox, price()).status == 429
    fresh_sandbox.clock(61)
    assert [batch(fresh_sandbox, price()).status for _ in range(3)] == [200, 200, 429]


def test_an_hour_is_counted_besides_the_minute(fresh_sandbox: SandboxProcess) -> None:
    seed_tracker(fresh_sandbox, per_minute=2, per_hour=3)
    statuses: list[int] = []
    for minute in (0, 61, 122):
        fresh_sandbox.clock(minute)
        statuses += [batch(fresh_sandbox, price()).status for _ in range(2)]
    assert statuses == [200, 200, 200, 429, 429, 429]
    fresh_sandbox.clock(3_601)
    assert batch(fresh_sandbox, price()).status == 200


def test_the_demo_plan_takes_ten_requests_a_minute(fresh_sandbox: SandboxProcess) -> None:
    seed_tracker(fresh_sandbox, plan="demo")
    statuses = [tracker(fresh_sandbox, "GET", "/products?limit=1").status for _ in range(11)]
    assert statuses == [200] * 10 + [429]
    assert tracker(fresh_sandbox, "GET", "/health").status == 200


def test_keys_have_quotas_of_their_own(fresh_sandbox: SandboxProcess) -> None:
    seed_tracker(fresh_sandbox, per_minute=1)
    seed_tracker(fresh_sandbox, api_key="pk_live_other", per_minute=1)
    other = {"Authorization": "Bearer pk_live_other"}
    assert batch(fresh_sandbox, price()).status == 200
    assert batch(fresh_sandbox, price()).status == 429
    assert batch(fresh_sandbox, price(), headers=other).status == 200


def test_nothing_is_limited_with_quotas_off(fresh_sandbox: SandboxProcess) -> None:
    seed_tracker(fresh_sandbox, per_minute=1)
    fresh_sandbox.settings(quota=False)
    assert [batch(fresh_sandbox, price()).status for _ in range(3)] == [200, 200, 200]


@pytest.mark.parametrize(
    ("where", "in_body", "in_header"),
    [("body", True, False), ("header", False, True), ("both", True, True), ("none", False, False)],
)
def test_tracker_tells_when_to_come_back_where_the_account_says(
    fresh_sandbox: SandboxProcess, where: str, in_body: bool, in_header: bool
) -> None:
    seed_tracker(fresh_sandbox, per_minute=1, retry_after=where)
    batch(fresh_sandbox, price())
    reply = batch(fresh_sandbox, price())
    assert reply.status == 429
    error = reply.json["error"]
    assert error["code"] == "RATE_LIMIT_EXCEEDED"
    assert error["message"] == "Too many requests. Please retry later."
    assert ("retry_after" in error) is in_body
    assert ("retry-after" in reply.headers) is in_header
    for seconds in (error.get("retry_after"), reply.headers.get("retry-after")):
        assert seconds is None or 58 <= int(seconds) <= 60
    assert len(fresh_sandbox.history()) == 1


def test_a_setting_overrides_where_to_tell_it(fresh_sandbox: SandboxProcess) -> None:
    seed_tracker(fresh_sandbox, per_minute=1)
    fresh_sandbox.settings(retry_after="header")
    batch(fresh_sandbox, price())
    assert "retry-after" in batch(fresh_sandbox, price()).headers


def test_rate_headers_count_down_where_the_account_has_them(fresh_sandbox: SandboxProcess) -> None:
    seed_tracker(fresh_sandbox, per_minute=2, rate_headers=True)
    left = [
        tracker(fresh_sandbox, "GET", "/products", headers=BEARER).headers["x-ratelimit-remaining"]
        for _ in range(3)
    ]
    assert left == ["1", "0", "0"]


def test_pasons_limits_by_store_and_answers_with_a_header(fresh_sandbox: SandboxProcess) -> None:
    seed_store(fresh_sandbox, per_minute=1)
    seed_store(fresh_sandbox, store_id="018", per_minute=1)
    assert push(fresh_sandbox, [item()]).status == 200
    reply = push(fresh_sandbox, [item()])
    assert (reply.status, reply.code) == (429, "RATE_LIMITED")
    assert 58 <= int(reply.headers["retry-after"]) <= 60
    assert push(fresh_sandbox, [item()], "018").status == 200
