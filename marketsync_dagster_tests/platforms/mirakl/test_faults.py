"""Imports that began although no answer said so: none is forgotten, it is found again by sending
the same once more. What is true of all platforms, and of whole offers, is the conformance suite's.
"""

from __future__ import annotations

import logging
import traceback
from typing import Any

import pytest

from marketsync_dagster.platforms.base import Adapter, Answer, ImportKind, PlatformError
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster_tests.platforms.mirakl.shop import (
    KINDS,
    PRICES,
    STARTED,
    STOCK,
    item,
    sent,
    work,
)
from marketsync_dagster_tests.platforms.support import outcomes
from marketsync_dagster_tests.sandbox.mirakl import KEY, later, seed_market
from marketsync_dagster_tests.sandbox_process import SandboxProcess

S, T, U = Outcome.ACCEPTED_ASYNC, Outcome.RETRYABLE, Outcome.UNKNOWN
ITEMS = [item("S1", product="P1"), item("S2", product="P2")]


@pytest.fixture
def shop(fresh_sandbox: SandboxProcess) -> SandboxProcess:
    seed_market(fresh_sandbox, duplicates=["OF24", "PRI01", "STO01"])
    return fresh_sandbox


BEGUN: list[tuple[dict[str, Any], Outcome]] = [
    ({"kind": "apply_then_reset"}, U),
    ({"kind": "apply_then_reset", "reset": True}, U),
    ({"kind": "html_200", "applied": True}, U),
    ({"kind": "truncated_json"}, U),
    ({"kind": "gzip_error"}, U),
    ({"kind": "bom_json"}, S),
    ({"kind": "empty_204"}, U),
]
CASES = [(kind, *case) for case in BEGUN for kind in (PRICES, STOCK)]


@pytest.mark.parametrize(
    ("kind", "fault", "expected"),
    CASES,
    ids=["-".join([kind, *map(str, fault.values())])[:60] for kind, fault, _ in CASES],
)
def test_a_file_that_was_taken_without_an_answer_is_unknown(
    shop: SandboxProcess, kind: ImportKind, fault: dict[str, Any], expected: Outcome
) -> None:
    shop.scenario(**fault)
    answer: Answer = work(shop, lambda a: a.submit(kind, ITEMS))
    assert outcomes(answer, 2) == [expected, expected]
    assert bool(answer.import_id) == (expected is S)
    assert answer.message or expected is S
    assert len(shop.mirakl("imports")) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_an_import_whose_answer_was_lost_is_found_again_and_takes_effect_once(
    shop: SandboxProcess, kind: ImportKind
) -> None:
    for fault in ("apply_then_reset", "truncated_json", "html_200"):
        shop.scenario(fault, applied=True) if fault == "html_200" else shop.scenario(fault)

    async def until_started(adapter: Adapter) -> list[Answer]:
        return [await adapter.submit(kind, ITEMS) for _ in range(4)]

    answers = work(shop, until_started)
    assert [answer.outcome for answer in answers] == [U, U, U, S]
    later(shop)
    (found,) = shop.mirakl("imports")
    assert (found["import_id"], found["received"]) == (answers[-1].import_id, 4)
    assert found["in_effect"] == 1


@pytest.mark.parametrize(
    ("form", "wait"),
    [
        ({"form": "seconds", "value": 7}, 7),
        ({"form": "float", "value": 2}, 2),
        ({"form": "body", "value": 9}, 9),
        ({"form": "none"}, 60),
        ({"form": "huge"}, 300),
        ({"form": "zero"}, 0),
        ({"form": "negative"}, 0),
        ({"form": "http_date", "value": 20, "date_skew_s": 420}, 20),
    ],
)
def test_every_form_of_a_429_says_how_long_to_wait(
    shop: SandboxProcess, form: dict[str, Any], wait: float
) -> None:
    shop.scenario("retry_after", **form, times=3)
    answer: Answer = work(shop, lambda a: a.submit(PRICES, ITEMS))
    said = work(shop, lambda a: a.import_status(PRICES, ["x"], STARTED))
    report = work(shop, lambda a: a.import_report(PRICES, "x", []))
    assert [one.outcome for one in (answer, said, report)] == [T, T, T]
    for one in (answer, said, report):  # a date has whole seconds only
        assert one.retry_after_s == pytest.approx(wait, abs=1.01 if "date" in form["form"] else 0)


def test_what_the_platform_asks_for_is_waited_for_up_to_an_hour(shop: SandboxProcess) -> None:
    shop.scenario("retry_after", value=3_000)
    answer: Answer = work(shop, lambda a: a.submit(PRICES, ITEMS), retry={"attempts": 1})
    assert answer.retry_after_s == 3_000


@pytest.mark.parametrize("code", [400, 401, 403, 404, 429, 500])
def test_a_platform_that_repeats_the_key_finds_it_in_nothing_that_is_said(
    shop: SandboxProcess, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    shop.scenario("echo_secret", status=code, times=None)

    async def everything(adapter: Adapter) -> str:
        said: list[Any] = [await adapter.test_connection(), adapter, adapter.capabilities]
        for kind in KINDS:
            said.append(await adapter.submit(kind, ITEMS))
            said.append(await adapter.import_status(kind, ["1"], STARTED))
            said.append(await adapter.import_report(kind, "1", ["S1"]))
        for read in (adapter.read_catalog(), adapter.list_shown()):
            with pytest.raises(PlatformError) as caught:
                said.extend([page async for page in read])
            error = caught.value
            assert (error.__context__, error.__cause__) == (None, None)
            said += [error.calls, vars(error), traceback.format_exception(error)]
        return repr(said) + "".join(map(str, said))

    with caplog.at_level(logging.DEBUG):
        text = work(shop, everything)
    assert KEY not in text
    assert KEY not in caplog.text
    assert "Authorization: ***" in text  # the echo did arrive
    assert len(sent(shop)) > 10


def test_a_key_in_a_report_or_a_reason_is_masked(shop: SandboxProcess) -> None:
    shop.scenario("import_fails", match={"method": "POST"}, reason=f"key {KEY}")

    async def through(adapter: Adapter) -> str:
        first = (await adapter.submit(PRICES, ITEMS)).import_id
        later(shop)
        status = await adapter.import_status(PRICES, [first], STARTED)
        assert status.found[0].reason == "key ***"
        shop.scenario("import_errors", match={"method": "POST"}, lines=1, message=f"key {KEY}")
        second = (await adapter.submit(PRICES, ITEMS[:1])).import_id
        later(shop)
        return (await adapter.import_report(PRICES, second, ["S1"])).errors[0]

    assert work(shop, through) == "key ***"


@pytest.mark.parametrize("kind", KINDS)
def test_no_import_is_called_by_a_key(shop: SandboxProcess, kind: ImportKind) -> None:
    shop.scenario("status", status=201, body={"import_id": KEY})
    answer: Answer = work(shop, lambda a: a.submit(kind, ITEMS))
    assert (answer.outcome, answer.import_id) == (U, "")  # ids are kept, and told

    shop.scenario("status", status=200, body={"import_id": KEY, "status": "COMPLETE"})
    said = work(shop, lambda a: a.import_status(STOCK, ["8"], STARTED))
    assert said.outcome is U
    assert KEY not in repr((answer, said))
