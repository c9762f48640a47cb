"""Platforms that are down, refuse the key, or answer strangely: the next run makes it good."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from marketsync_dagster.push.plan import PlanOptions
from marketsync_dagster_tests.faults.errands import offer_products
from marketsync_dagster_tests.faults.scenes import products_bed
from marketsync_dagster_tests.projects import (
    FULL,
    PLATFORMS,
    TestBed,
    key_of,
    key_variable,
    make_project,
    repriced,
    some_rows,
)
from marketsync_dagster_tests.sandbox_process import SandboxProcess

ROWS = some_rows(40)


@pytest.fixture(params=PLATFORMS)
def platform(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def bed(platform: str, tmp_path: Path, fresh_sandbox: SandboxProcess) -> TestBed:
    return make_project(tmp_path, fresh_sandbox, rows=ROWS, platforms=[platform])


def calls_of(bed: TestBed) -> list[dict[str, Any]]:
    return bed.table("api_call", "id")


def assert_healed(bed: TestBed, platform: str) -> None:
    assert bed.differences(platform) == {}
    assert bed.unaccounted() == []
    number = bed.sandbox.last_request()
    assert bed.sync(platform).one.state == "unchanged"
    assert bed.writes(number) == []


# --- down, and refused


def test_a_platform_that_is_down_costs_few_calls_and_the_next_run_heals_it(
    platform: str, bed: TestBed
) -> None:
    account = bed.document["accounts"][f"{platform}_westlands"]
    address = account["base_url"]
    bed.configure(lambda _: account.update(base_url=address.replace(bed.sandbox.url, closed())))

    result = bed.sync(platform, FULL).one

    assert (result.ok, result.state) == (False, "not shown")
    assert result.numbers["retryable"] == 40
    assert "is the platform (or the sandbox) running?" in result.reason
    assert "does not answer" in result.reason
    assert "sends these rows again" in result.next_step
    assert 1 <= len(calls_of(bed)) <= account["retry"]["attempts"]

    bed.configure(lambda _: account.update(base_url=address))

    assert bed.sync(platform).one.ok
    assert_healed(bed, platform)


def closed() -> str:
    """The address of a port where nobody listens."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@pytest.mark.parametrize("when", [1, 3])
def test_a_revoked_key_stops_the_push_and_names_its_variable(
    when: int, platform: str, bed: TestBed
) -> None:
    quota = bed.document["accounts"][f"{platform}_westlands"]["quota"]
    bed.configure(lambda _: quota.update(concurrency=1))
    bed.sandbox.scenario("revoke_key", channel=platform, match={"nth": when})

    result = bed.sync(platform, FULL).one

    refused = [request for request in bed.writes(0) if request["status"] == 401]
    assert 1 <= len(refused) <= 2
    assert (result.ok, result.state) == (False, "not shown")
    assert result.numbers["auth_failed"] == 40 - 10 * (when - 1)
    assert key_variable(platform, "westlands") in result.reason
    assert f"connections test --account {platform}_westlands" in result.next_step
    assert key_of(platform, "westlands") not in result.reason

    bed.sandbox.clear_scenarios()

    assert bed.sync(platform).one.ok
    assert_healed(bed, platform)


def test_a_missing_key_sends_nothing_and_names_its_variable(
    platform: str, bed: TestBed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(bed.place.variables, key_variable(platform, "westlands"), "")  # pyright: ignore[reportArgumentType]

    result = bed.sync(platform, FULL).one

    assert (result.ok, result.state) == (False, "failed")
    assert key_variable(platform, "westlands") in result.reason
    assert bed.writes(0) == []
    monkeypatch.undo()
    assert bed.sync(platform).one.ok
    assert_healed(bed, platform)


# --- 429 in every form


@pytest.mark.parametrize(
    ("form", "extra"),
    [
        ("seconds", {"value": 1}),
        ("http_date", {"value": 1, "date_skew_s": 7200}),
        ("http_date", {"value": 1, "date_skew_s": -7200}),
        ("float", {"value": 0.2}),
        ("body", {"value": 0.2}),
        ("none", {}),
        ("zero", {}),
        ("negative", {}),
    ],
    ids=lambda v: v if isinstance(v, str) else str(v.get("date_skew_s", "")),
)
def test_being_asked_to_wait_delays_the_push_and_loses_nothing(
    form: str, extra: dict[str, Any], platform: str, bed: TestBed
) -> None:
    retry = bed.document["accounts"][f"{platform}_westlands"]["retry"]
    if form == "none":  # Tracker KE's 429 without a figure means a minute
        bed.configure(lambda _: retry.update(retry_after_cap_s=0.2))
    bed.sandbox.scenario("retry_after", channel=platform, form=form, match={"nth": 2}, **extra)

    result = bed.sync(platform, FULL).one

    assert (result.ok, result.numbers["applied"]) == (True, 40)
    assert result.numbers["calls"] == 5
    assert [request["status"] for request in bed.writes(0)].count(429) == 1
    if extra.get("value"):
        times = [request["time"] for request in bed.writes(0)]
        assert times[-1] - times[1] >= 0.9 * extra["value"] - (form == "http_date")
    assert_healed(bed, platform)


def test_being_asked_to_wait_for_a_day_ends_the_push_at_once_and_nobody_calls_before(
    platform: str, bed: TestBed
) -> None:
    bed.sandbox.scenario("retry_after", channel=platform, form="huge", times=None)

    result = bed.sync(platform, FULL).one

    assert (result.ok, result.state) == (False, "not shown")
    assert result.numbers["retryable"] == 40
    assert result.numbers["calls"] == 1
    assert "patience than the budget" in result.reason
    assert result.numbers["seconds"] < 2
    bed.sandbox.clear_scenarios()
    number = bed.sandbox.last_request()
    early = bed.sync(platform).one
    assert (early.ok, early.numbers["retryable"], early.numbers["calls"]) == (False, 40, 0)
    assert early.numbers["seconds"] < 2
    assert "asked us to stay away until" in early.reason
    assert bed.sandbox.last_request() == number
    assert bed.end_closures() == 1
    assert bed.sync(platform).one.ok
    assert_healed(bed, platform)


def test_products_are_not_offered_into_a_silence(
    tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    bed = products_bed(tmp_path, fresh_sandbox, "tracker_ke", "sqlite")

    def offered() -> tuple[int, str, str]:
        with bed.run() as project:
            (result,) = offer_products(project, "tracker_ke", bed.outlets)
        return int(result.numbers["calls"]), result.reason, result.next_step

    fresh_sandbox.scenario("retry_after", channel="tracker_ke", form="huge")
    calls, reason, step = offered()
    assert calls == 1
    assert "no call is made before" in reason
    assert step.startswith("nothing: ")
    calls, reason, step = offered()
    assert calls == 0
    assert "asked us to stay away until" in reason
    assert step.startswith("nothing: ")
    assert bed.end_closures() == 1
    assert offered()[0] == 1


# --- answers as a whole: each in `proof.troubles`


def test_a_fault_that_begins_in_the_middle_keeps_what_was_acknowledged(
    platform: str, bed: TestBed
) -> None:
    bed.sandbox.scenario("status", channel=platform, status=503, match={"nth": 3}, times=None)

    result = bed.sync(platform, FULL).one

    assert not result.ok
    assert (result.numbers["applied"], result.numbers["retryable"]) == (20, 20)
    assert len(bed.differences(platform)) == 20
    bed.sandbox.clear_scenarios()
    number = bed.sandbox.last_request()
    assert bed.sync(platform).one.numbers["applied"] == 20
    assert sum(request["items"] for request in bed.writes(number)) == 20
    assert_healed(bed, platform)


@pytest.mark.parametrize("place", [1, 2, 4])
def test_a_batch_that_is_too_large_is_split_and_nothing_is_left(
    place: int, platform: str, bed: TestBed
) -> None:
    """Also the very last one, after which no other is waiting."""
    quota = bed.document["accounts"][f"{platform}_westlands"]["quota"]
    bed.configure(lambda _: quota.update(concurrency=1))
    bed.sandbox.scenario("status", channel=platform, status=413, match={"nth": place})

    result = bed.sync(platform, FULL).one

    assert (result.ok, result.numbers["applied"]) == (True, 40), result
    assert result.numbers["calls"] == 6
    assert sorted(r["items"] for r in bed.writes(0) if r["status"] == 200) == [5, 5, 10, 10, 10]
    assert_healed(bed, platform)


def test_items_that_are_too_large_even_alone_are_refused(platform: str, bed: TestBed) -> None:
    bed.sandbox.scenario("status", channel=platform, status=413, times=None)

    result = bed.sync(platform, FULL).one

    assert result.numbers["refused"] == 40
    assert "HTTP 413" in result.reason
    assert bed.unaccounted() == []


@pytest.mark.parametrize("times", [1, None])
def test_results_that_are_missing_from_an_answer_never_count_as_applied(
    times: int | None, platform: str, bed: TestBed
) -> None:
    for account in bed.document["accounts"].values():
        if platform == "pasons":
            account["response"] = {"results": "all", "if_absent": "unknown"}
    bed.configure(lambda _: None)
    if platform == "pasons":
        store = {"store_id": "store-westlands", "api_key": key_of(platform, "westlands")}
        bed.sandbox.seed({"pasons": {"stores": [store | {"results": "all"}]}})
    bed.sandbox.scenario("short_results", channel=platform, drop=2, times=times)

    first = bed.sync(platform, FULL).one

    if times is None and platform == "tracker_ke":  # Pasons' counts still prove the rest
        assert not first.ok
        assert first.numbers["unknown"] > 0
    bed.sandbox.clear_scenarios()
    bed.sync(platform)
    assert_healed(bed, platform)


# --- refusals per item


def refusal(platform: str) -> dict[str, Any]:
    if platform == "tracker_ke":
        return {"product_id": "prod_00007", "error": "Price is above the allowed maximum"}
    return {"sku": "00007", "error": "INVALID_PRICE"}


SKU = "00007"
AGAIN: dict[str, tuple[Callable[[TestBed], None], PlanOptions]] = {
    "its value changes": (
        lambda bed: void(
            bed.write_extract([*ROWS[:6], *repriced(ROWS[6:7], lambda p: p + 1), *ROWS[7:]])
        ),
        PlanOptions(mode="partial"),
    ),
    "a full push": (lambda _: None, FULL),
    "it is named": (lambda _: None, PlanOptions(mode="partial", skus=(SKU,))),
}


def void(_: object) -> None:
    return None


@pytest.mark.parametrize("reason", AGAIN)
def test_a_refused_item_is_sent_again_only_when_it_makes_sense(
    reason: str, platform: str, bed: TestBed
) -> None:
    bed.sandbox.scenario("item_error", channel=platform, times=None, **refusal(platform))

    first = bed.sync(platform, FULL).one

    assert (first.ok, first.state) == (True, "refused rows")
    assert Counter({k: int(v) for k, v in first.numbers.items() if v and k != "seconds"}) == {
        "catalog_rows": 40, "sent": 40, "applied": 39, "refused": 1, "calls": 4,
    }  # fmt: skip
    number = bed.sandbox.last_request()
    again = bed.sync(platform).one
    assert (again.ok, again.state, again.numbers["sent"]) == (True, "refused rows", 0)
    assert bed.writes(number) == []

    bed.sandbox.clear_scenarios()
    change, options = AGAIN[reason]
    change(bed)
    result = bed.sync(platform, options).one

    assert result.ok, result
    assert result.numbers["applied"] == (40 if options == FULL else 1)
    assert bed.differences(platform) == {}


def test_a_refused_change_that_the_till_takes_back_needs_no_call(
    platform: str, bed: TestBed
) -> None:
    assert bed.sync(platform, FULL).one.ok
    bed.write_extract([*ROWS[:6], *repriced(ROWS[6:7], lambda p: p + 1), *ROWS[7:]])
    bed.sandbox.scenario("item_error", channel=platform, times=None, **refusal(platform))
    assert bed.sync(platform).one.numbers["refused"] == 1
    bed.write_extract(ROWS)
    number = bed.sandbox.last_request()

    assert bed.sync(platform).one.state == "unchanged"

    assert bed.writes(number) == []
    assert bed.differences(platform) == {}


def test_one_dead_account_does_not_stop_the_other_outlets(
    platform: str, tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    bed = make_project(
        tmp_path, fresh_sandbox, rows=ROWS, platforms=[platform], outlets=["kisumu", "westlands"]
    )
    owner = key_of(platform, "kisumu") if platform == "tracker_ke" else "store-kisumu"
    fresh_sandbox.scenario("status", channel=platform, account=owner, status=500, times=None)

    run = bed.sync(platform, FULL)

    assert not run.listing("kisumu").ok
    assert run.listing("westlands").ok
    assert bed.differences(platform, "westlands") == {}
