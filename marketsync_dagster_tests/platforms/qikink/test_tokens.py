"""Tokens as one process uses them: minted once, replaced once, and never told to anybody."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from marketsync_dagster.config.secrets import Secrets
from marketsync_dagster.platforms.base import PlatformError
from marketsync_dagster.platforms.fulfilling import Fulfiller, Handed
from marketsync_dagster.platforms.registry import open_adapter
from marketsync_dagster.platforms.tokens import AccessToken, Alone
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster_tests.platforms.qikink.desk import (
    REAL,
    SPEC,
    calls,
    order,
    seed,
    settings,
    work,
)
from marketsync_dagster_tests.platforms.support import run
from marketsync_dagster_tests.sandbox.qikink import SECRET
from marketsync_dagster_tests.sandbox_process import SandboxProcess

CLIENTS = {"real": REAL, "spec": SPEC}
BOTH = pytest.mark.parametrize("profile", ["real", "spec"])


def minted(sandbox: SandboxProcess, profile: str) -> int:
    return sandbox.qikink("accounts")[CLIENTS[profile]]["tokens_minted"]


@BOTH
def test_one_token_serves_until_shortly_before_its_end(
    qikink: SandboxProcess, profile: str
) -> None:
    tokens = Alone()
    for number in range(3):
        create = order(f"ms{number}")
        work(settings(qikink.url, profile), lambda one, it=create: one.create(it), tokens)
    assert minted(qikink, profile) == 1


@BOTH
@pytest.mark.parametrize("form", ["http", "body"])
def test_a_token_that_died_is_replaced_once_and_the_order_is_made_once(
    qikink: SandboxProcess, profile: str, form: str
) -> None:
    if profile == "real":
        seed(qikink, token_errors=form)

    async def twice(one: Fulfiller) -> tuple[Handed, Handed]:
        first = await one.create(order("ms1"))
        qikink.control("POST", "/qikink/tokens", {"client_id": CLIENTS[profile]})
        return first, await one.create(order("ms2"))

    first, second = work(settings(qikink.url, profile), twice)
    assert (first.outcome, second.outcome) == (Outcome.APPLIED, Outcome.APPLIED)
    assert (len(first.before), len(second.before)) == (1, 2)
    assert minted(qikink, profile) == 2
    assert len(qikink.qikink("orders", client_id=CLIENTS[profile])) == 2


@BOTH
@pytest.mark.parametrize("form", ["http", "body"])
def test_a_token_that_is_refused_again_is_not_replaced_for_ever(
    qikink: SandboxProcess, profile: str, form: str
) -> None:
    path = "/api/order/create" if profile == "real" else "/api/v1/orders"
    body = {"error": "Invalid access token", "status_code": "401"}
    status = 401 if form == "http" else 200
    qikink.scenario("status", status=status, body=body, match={"path": path}, times=None)
    handed = work(settings(qikink.url, profile), lambda one: one.create(order()))
    assert handed.outcome is Outcome.AUTH_FAILED
    assert "TEST_QIKINK_SECRET" in handed.message
    assert (minted(qikink, profile), len(handed.before)) == (2, 3)


@BOTH
@pytest.mark.parametrize(
    ("scenario", "outcome"),
    [
        ({"status": 503}, Outcome.RETRYABLE),
        ({"status": 429}, Outcome.RETRYABLE),
        ({"status": 404}, Outcome.AUTH_FAILED),
        (
            {"status": 200, "body": {"error": "bad client", "status_code": "400"}},
            Outcome.AUTH_FAILED,
        ),
        ({"status": 200, "body": {"expires_in": 3600}}, Outcome.RETRYABLE),
    ],
)
def test_without_a_token_no_order_is_sent_and_none_is_lost(
    qikink: SandboxProcess, profile: str, scenario: dict[str, Any], outcome: Outcome
) -> None:
    path = "/api/token" if profile == "real" else "/oauth/token"
    qikink.scenario("status", match={"path": path}, **scenario)
    handed = work(settings(qikink.url, profile), lambda one: one.create(order()))
    assert (handed.outcome, handed.duplicate) == (outcome, False), handed
    assert len(handed.before) == 1
    assert handed.call.status is None
    assert len(calls(qikink)) == 1
    if scenario.get("status") == 429:
        assert handed.retry_after_s is not None
        assert handed.retry_after_s > 0


@BOTH
def test_a_token_is_in_no_message_even_where_its_answer_is_cut_off(
    qikink: SandboxProcess, profile: str
) -> None:
    path = "/api/token" if profile == "real" else "/oauth/token"
    qikink.scenario("truncated_json", match={"path": path})
    handed = work(settings(qikink.url, profile), lambda one: one.create(order()))
    assert handed.outcome is Outcome.RETRYABLE
    assert "ccess" not in repr((handed.message, handed.before, handed.call)).replace(
        "access token", ""
    )


@BOTH
def test_an_older_secret_serves_while_the_platform_does_not_know_the_new_one(
    qikink: SandboxProcess, profile: str
) -> None:
    class Both:
        def values(self, name: str) -> list[str]:
            return ["qk_secret_of_tomorrow", SECRET]

    given = settings(
        qikink.url,
        profile,
        client_secret={"secret": "qikink_secret"},
        **({"signing": "canonical_v1"} if profile == "spec" else {}),
    )
    if profile == "spec":
        seed(qikink, "spec", signing="canonical_v1")
    result = run(given, "pod", lambda one: one.test_connection(), Secrets(Both()))
    assert (result.ok, result.message) == (True, "the key works")
    assert [call.status for call in result.calls][:2] == [401, 200]


# --- the test of the connection


@BOTH
def test_a_connection_is_proved_without_a_trace_and_with_the_token_in_force(
    qikink: SandboxProcess, profile: str
) -> None:
    tokens, given = Alone(), settings(qikink.url, profile)

    async def prove() -> Any:
        adapter = open_adapter(given, "pod", channel=None, secrets=Secrets(), tokens=tokens)
        async with adapter:
            return await adapter.test_connection()

    work(given, lambda one: one.create(order()), tokens)
    result = asyncio.run(prove())
    assert (result.ok, result.message) == (True, "the key works")
    assert (minted(qikink, profile), len(result.calls)) == (1, 1)
    assert CLIENTS[profile] not in result.key
    assert len(qikink.qikink("orders", client_id=CLIENTS[profile])) == 1


def test_a_clock_that_is_wrong_is_no_wrong_secret(qikink: SandboxProcess) -> None:
    seed(qikink, "spec", signing="canonical_v1")
    qikink.clock(3600)

    async def prove() -> Any:
        given = settings(qikink.url, "spec", signing="canonical_v1")
        adapter = open_adapter(given, "pod", channel=None, secrets=Secrets(), tokens=Alone())
        async with adapter:
            return await adapter.test_connection()

    result = asyncio.run(prove())
    assert "X-Timestamp is outside of the allowed window" in result.message
    for words in (result.message, result.next_step):
        assert ("set this machine's clock" in words, "secret" in words) == (True, False)


@BOTH
def test_another_secret_is_not_proved_by_a_token_of_the_old_one(
    qikink: SandboxProcess, profile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens, given = Alone(), settings(qikink.url, profile)
    work(given, lambda one: one.create(order()), tokens)
    monkeypatch.setenv("TEST_QIKINK_SECRET", "qk_secret_mistyped")

    async def prove() -> Any:
        adapter = open_adapter(given, "pod", channel=None, secrets=Secrets(), tokens=tokens)
        async with adapter:
            return await adapter.test_connection()

    result = asyncio.run(prove())
    assert not result.ok
    assert result.next_step.startswith("set a valid secret: accounts.pod.client_secret")
    assert "qk_secret" not in repr(result)


def test_a_connection_to_nowhere_says_what_to_start() -> None:
    result = run(settings("http://127.0.0.1:1"), "pod", lambda one: one.test_connection())
    assert not result.ok
    assert "connect failed" in result.message
    assert "sandbox" in result.next_step


@BOTH
@pytest.mark.parametrize("kind", ["html_200", "redirect"])
def test_neither_a_web_page_nor_a_redirect_proves_a_connection(
    qikink: SandboxProcess, profile: str, kind: str
) -> None:
    more = {"location": f"{qikink.url}/elsewhere", "code": 308} if kind == "redirect" else {}
    qikink.scenario(kind, times=None, **more)
    result = run(settings(qikink.url, profile), "pod", lambda one: one.test_connection())
    assert not result.ok
    assert result.next_step
    assert all("elsewhere" not in call for call in calls(qikink))


# --- tokens of one process


def test_short_tokens_are_used_for_half_their_life_and_a_refused_one_not_at_all() -> None:
    made: list[str] = []

    async def mint() -> AccessToken:
        made.append(f"token {len(made)}")
        return AccessToken(made[-1], 60)

    async def use() -> list[str]:
        tokens = Alone()
        used = [await tokens.current("a", mint, early_s=100) for _ in range(3)]
        used.append(await tokens.current("a", mint, early_s=100, not_this="token 0"))
        used.append(await tokens.current("a", mint, early_s=100, not_this="token 0"))
        return used

    assert asyncio.run(use()) == ["token 0"] * 3 + ["token 1"] * 2


def test_what_minting_raises_is_raised_and_the_next_one_mints() -> None:
    async def fails() -> AccessToken:
        raise PlatformError("no", outcome=Outcome.AUTH_FAILED)

    async def mint() -> AccessToken:
        return AccessToken("good", 60)

    async def use() -> str:
        tokens = Alone()
        with pytest.raises(PlatformError):
            await tokens.current("a", fails, early_s=0)
        return await tokens.current("a", mint, early_s=0)

    assert asyncio.run(use()) == "good"
