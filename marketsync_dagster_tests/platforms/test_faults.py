"""Every fault of the contract's section 12 that a push can meet, on every adapter: each item of
each call ends in one defined outcome, and none that was not applied is called applied.

A fault leaves one word for all items, or one per item. `HELD` are the items that the platform
then shows: what "unknown" is about.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from marketsync_dagster.config.settings import Settings
from marketsync_dagster.platforms.base import Adapter, Answer
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster_tests.platforms.support import (
    STORE,
    outcomes,
    pasons_account,
    price,
    run,
    seed_pasons,
    seed_tracker,
    settings_of,
    tracker_account,
)
from marketsync_dagster_tests.sandbox_process import SandboxProcess

A, R, T, U, V, X = (
    Outcome.APPLIED,
    Outcome.REFUSED,
    Outcome.RETRYABLE,
    Outcome.UNKNOWN,
    Outcome.ACCEPTED_UNVERIFIED,
    Outcome.AUTH_FAILED,
)
IDS = ["a/ %ü", "00123", "1E5"]
ITEMS = [price(i, f"{60 + n}.07") for n, i in enumerate(IDS)]
HURRIED = {"connect_s": 0.2, "read_s": 0.1}
Expected = Outcome | str | Sequence[Outcome]


def prepared(sandbox: SandboxProcess, platform: str, **more: Any) -> Settings:
    if platform == "tracker_ke":
        seed_tracker(sandbox, IDS)
        return settings_of({"x": tracker_account(sandbox.tracker_url, **more)})
    seed_pasons(sandbox, results="all")
    more = {"response": {"results": "all"}, **more}
    return settings_of({"x": pasons_account(sandbox.pasons_url(STORE), **more)})


def held(sandbox: SandboxProcess) -> int:
    """How many items the platform shows."""
    return sum(len(items) for shown in sandbox.state().values() for items in shown.values())


async def push(adapter: Adapter) -> Answer:
    return await adapter.send(ITEMS)


def status(code: int, **more: Any) -> dict[str, Any]:
    return {"kind": "status", "status": code, **more}


FAULTS: list[tuple[dict[str, Any], Expected, Expected, int]] = [
    # 1: applied but timed out, and what looks the same and is not
    ({"kind": "apply_then_hang", "seconds": 2}, U, U, 3),
    ({"kind": "apply_then_reset"}, U, U, 3),
    ({"kind": "apply_then_reset", "reset": True}, U, U, 3),
    ({"kind": "hang", "seconds": 2}, U, U, 0),
    ({"kind": "reset"}, U, U, 0),
    # 2: success with failures in it, and results that are missing
    ({"kind": "item_error", "position": 1}, [A, T, A], [A, T, A], 2),
    ({"kind": "item_error", "position": 1, "error": "Product not found"}, [A, R, A], [A, R, A], 2),
    ({"kind": "item_error", "sku": IDS[0], "error": "Invalid price"}, [R, A, A], [R, A, A], 2),
    ({"kind": "short_results"}, [A, A, U], [A, A, U], 3),
    ({"kind": "short_results", "drop": 3}, U, A, 3),
    ({"kind": "wrong_ids"}, U, U, 3),
    (status(200, body={"success": False, "error": {"code": "X", "message": "no"}}), R, R, 0),
    (status(200, body={}), U, V, 0),
    (status(200, body=[]), U, V, 0),
    (status(200, body="OK"), U, U, 0),
    (status(200, body=""), U, U, 0),
    (status(202, body={"accepted": 2, "rejected": 0}), U, U, 0),
    # 3: the 429 zoo; what they ask for is in the next table
    ({"kind": "retry_after", "form": "seconds"}, T, T, 0),
    ({"kind": "retry_after", "form": "none"}, T, T, 0),
    # 5: credentials
    ({"kind": "revoke_key"}, X, X, 0),
    ({"kind": "token_dies"}, X, X, 0),
    (status(403), R, R, 0),
    # 9: bad middlemen
    *[(status(code), T, T, 0) for code in (408, 425, 429, 500, 502, 503, 504, 520)],
    *[(status(code), R, R, 0) for code in (400, 402, 404, 405, 407, 409, 410, 415, 422, 451)],
    (status(413, body="<html><title>413</title></html>"), "split", "split", 0),
    ({"kind": "html_200"}, U, U, 0),
    ({"kind": "html_200", "applied": True}, U, U, 3),
    ({"kind": "truncated_json"}, U, U, 3),
    ({"kind": "truncated_json", "applied": False}, U, U, 0),
    ({"kind": "gzip_error"}, U, U, 3),
    ({"kind": "bom_json"}, A, A, 3),
    ({"kind": "empty_204"}, U, V, 3),
    ({"kind": "redirect"}, R, R, 0),
    ({"kind": "redirect", "location": "/elsewhere", "code": 307}, R, R, 0),
    ({"kind": "slow_drip", "bytes_per_s": 20}, U, U, 3),
    ({"kind": "big_error_body", "mb": 3}, T, T, 0),
    ({"kind": "echo_secret"}, T, T, 0),
    # 10: what an answer does not show is believed; read-back is what finds it
    ({"kind": "drop_silently"}, A, A, 0),
    ({"kind": "price_damage", "mode": "x100"}, A, A, 3),
]
SLOW = {"apply_then_hang", "hang", "slow_drip"}


@pytest.mark.parametrize("platform", ["tracker_ke", "pasons"])
@pytest.mark.parametrize(
    ("fault", "tracker", "pasons", "shown"),
    FAULTS,
    ids=["-".join(str(v) for v in fault.values())[:60] for fault, *_ in FAULTS],
)
def test_every_fault_gives_every_item_one_defined_outcome(
    fresh_sandbox: SandboxProcess,
    platform: str,
    fault: dict[str, Any],
    tracker: Expected,
    pasons: Expected,
    shown: int,
) -> None:
    more = {"timeouts": HURRIED} if fault["kind"] in SLOW else {}
    settings = prepared(fresh_sandbox, platform, **more)
    fresh_sandbox.scenario(fault["kind"], **{k: v for k, v in fault.items() if k != "kind"})
    answer: Answer = run(settings, "x", push)
    expected = tracker if platform == "tracker_ke" else pasons
    words = [expected] * 3 if isinstance(expected, str) else list(expected)
    assert outcomes(answer, 3) == words
    assert held(fresh_sandbox) == shown
    if not answer.results:  # whoever reads the history is told what happened
        assert answer.message or words == [V] * 3
    assert all(result.message for result in answer.results if result.outcome is not A)


@pytest.mark.parametrize("platform", ["tracker_ke", "pasons"])
@pytest.mark.parametrize(
    ("form", "tracker", "pasons"),
    [
        ({"form": "seconds", "value": 7}, 7, 7),
        ({"form": "float", "value": 2}, 2, 2),
        ({"form": "body", "value": 9}, 9, 9),
        ({"form": "none"}, 60, None),
        ({"form": "huge"}, 300, 300),
        ({"form": "zero"}, 0, 0),
        ({"form": "negative"}, 0, 0),
        ({"form": "http_date", "value": 20, "date_skew_s": 420}, 20, 20),
        ({"form": "http_date", "value": 20, "date_skew_s": -420}, 20, 20),
    ],
)
def test_every_form_of_a_429_says_how_long_to_wait(
    fresh_sandbox: SandboxProcess,
    platform: str,
    form: dict[str, Any],
    tracker: float | None,
    pasons: float | None,
) -> None:
    settings = prepared(fresh_sandbox, platform)
    fresh_sandbox.scenario("retry_after", **form)
    answer: Answer = run(settings, "x", push)
    assert outcomes(answer, 3) == [T, T, T]
    expected = tracker if platform == "tracker_ke" else pasons
    # a date has whole seconds only
    assert answer.retry_after_s == (
        expected if form["form"] != "http_date" else pytest.approx(20, abs=1.01)
    )


@pytest.mark.parametrize("platform", ["tracker_ke", "pasons"])
def test_a_connection_that_dies_on_reuse_leaves_the_call_unknown_and_the_next_one_works(
    fresh_sandbox: SandboxProcess, platform: str
) -> None:
    settings = prepared(fresh_sandbox, platform)
    fresh_sandbox.scenario("close_on_reuse")

    async def thrice(adapter: Adapter) -> list[Answer]:
        return [await adapter.send(ITEMS) for _ in range(3)]

    found = [outcomes(answer, 3) for answer in run(settings, "x", thrice)]
    assert found == [[A] * 3, [U] * 3, [A] * 3]


@pytest.mark.parametrize("platform", ["tracker_ke", "pasons"])
def test_a_platform_that_is_not_there_has_been_sent_nothing(
    fresh_sandbox: SandboxProcess, platform: str
) -> None:
    settings = prepared(fresh_sandbox, platform)
    account = settings.accounts["x"].model_copy(update={"base_url": "http://127.0.0.1:9/api"})
    settings = settings.model_copy(update={"accounts": {"x": account}})
    answer: Answer = run(settings, "x", push)
    assert outcomes(answer, 3) == [T, T, T]
    assert "is the platform (or the sandbox) running?" in answer.message
    assert fresh_sandbox.requests() == []


@pytest.mark.parametrize("platform", ["tracker_ke", "pasons"])
def test_a_platform_heals_by_itself_after_any_fault(
    fresh_sandbox: SandboxProcess, platform: str
) -> None:
    settings = prepared(fresh_sandbox, platform)
    kinds = ["reset", "truncated_json", "html_200", "apply_then_reset", "gzip_error", "redirect"]
    for number, kind in enumerate(kinds):
        fresh_sandbox.scenario(kind, match={"nth": number + 1})

    async def again_and_again(adapter: Adapter) -> list[Answer]:
        return [await adapter.send(ITEMS) for _ in range(len(kinds) + 1)]

    last = run(settings, "x", again_and_again)[-1]
    assert outcomes(last, 3) == [A, A, A]
    assert held(fresh_sandbox) == 3


@pytest.mark.parametrize("platform", ["tracker_ke", "pasons"])
def test_a_redirect_is_refused_and_named_and_nobody_goes_there(
    fresh_sandbox: SandboxProcess, platform: str
) -> None:
    settings = prepared(fresh_sandbox, platform)
    target = fresh_sandbox.url + "/tracker_ke/api/v1/health"
    fresh_sandbox.scenario("redirect", location=target, code=308)
    answer: Answer = run(settings, "x", push)
    assert answer.message == (
        f"HTTP 308: redirected to {fresh_sandbox.url}; not followed, check base_url"
    )
    assert len(fresh_sandbox.requests()) == 1
