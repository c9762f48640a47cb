"""Proving a key by as few calls as Mirakl allows: A01 once a day, a bad key found each time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from marketsync_dagster.config.secrets import Secrets
from marketsync_dagster.platforms.base import ConnectionResult
from marketsync_dagster.platforms.mirakl import connection
from marketsync_dagster.platforms.registry import open_adapter
from marketsync_dagster.values import times
from marketsync_dagster_tests.platforms.mirakl.shop import settings
from marketsync_dagster_tests.sandbox.mirakl import KEY, SHOP, seed_market
from marketsync_dagster_tests.sandbox_process import SandboxProcess

V01, A01, OF21 = "/version", "/account", "/offers"


@dataclass
class Kept:
    """What is kept between two openings."""

    texts: dict[str, str] = field(default_factory=dict)

    def recall(self, name: str) -> str | None:
        return self.texts.get(name)

    def keep(self, name: str, text: str) -> None:
        self.texts[name] = text


@pytest.fixture
def shop(fresh_sandbox: SandboxProcess) -> SandboxProcess:
    seed_market(fresh_sandbox, name="Westlands Fresh", intervals={"A01": 86_400})
    return fresh_sandbox


def probe(
    sandbox: SandboxProcess, memory: Kept | None = None, **account: Any
) -> tuple[ConnectionResult, list[str]]:
    """The result, and the calls that were made for it."""
    before = sandbox.last_request()

    async def work() -> ConnectionResult:
        opened = open_adapter(
            settings(sandbox, **account), "m", channel=None, secrets=Secrets(), memory=memory
        )
        async with opened as adapter:
            return await adapter.test_connection()

    result = asyncio.run(work())
    made = [call["path"].removeprefix("/mirakl/api") for call in sandbox.requests(before)]
    assert len(result.calls) == len(made)
    assert KEY not in repr(result)
    return result, made


def test_the_shop_is_asked_for_once_a_day_and_the_key_is_proved_each_time(
    shop: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Kept()
    first, calls = probe(shop, kept)
    assert (first.ok, calls) == (True, [V01, A01])
    assert first.message == f"the key works; shop {SHOP} Westlands Fresh, KES, open"
    assert first.key == "***ke"
    second, calls = probe(shop, kept)
    assert (second.ok, second.message, calls) == (True, first.message, [V01, OF21])
    assert all(KEY not in text for text in kept.texts.values())
    shop.scenario("revoke_key", match={"path": "/mirakl/api/offers"})
    refused, calls = probe(shop, kept)
    assert (refused.ok, calls) == (False, [V01, OF21])
    assert "set a valid key: accounts.m.api_key" in refused.next_step
    shop.restore()
    monkeypatch.setattr(connection, "ONCE_A", connection.ONCE_A * 0)
    shop.clock(90_000)
    assert probe(shop, kept)[1] == [V01, A01]
    shop.clock(0)


def test_what_was_told_of_another_key_or_shop_is_not_believed(
    shop: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Kept()
    probe(shop, kept)
    assert probe(shop, kept)[1] == [V01, OF21]
    assert probe(shop, kept, shop_id=None)[1] == [V01, A01, OF21]  # the platform says: not today
    monkeypatch.setenv("TEST_MIRAKL_KEY", "another_key_obviously_fake")
    wrong, calls = probe(shop, kept)
    assert (wrong.ok, calls) == (False, [V01])


def test_a_shop_that_was_asked_for_today_by_others_is_no_failure(shop: SandboxProcess) -> None:
    assert probe(shop)[1] == [V01, A01]
    again, calls = probe(shop)  # nothing was kept
    assert (again.ok, calls) == (True, [V01, A01, OF21])
    assert "once a day" in again.message


@pytest.mark.parametrize("moved", [-90_000, 90_000])
def test_what_a_clock_has_put_far_away_is_asked_for_anew(
    shop: SandboxProcess, monkeypatch: pytest.MonkeyPatch, moved: int
) -> None:
    seed_market(shop)
    kept = Kept()
    probe(shop, kept)
    then = times.utcnow() + moved * connection.ONCE_A / 86_400
    monkeypatch.setattr("marketsync_dagster.platforms.mirakl.adapter.utcnow", lambda: then)
    assert probe(shop, kept)[1] == [V01, A01]


@pytest.mark.parametrize(
    ("account", "words", "step"),
    [
        ({"shop_id": 1}, "HTTP 404: SHOP_NOT_FOUND", "shop_id of accounts.m"),
        ({"shop_id": 2002}, "HTTP 403: FORBIDDEN", "shop_id of accounts.m"),
        ({"base_url": "{url}/mirakl"}, "HTTP 404", "base_url (it ends in /api)"),
        ({"base_url": "http://127.0.0.1:9/api"}, "connect failed", "start the sandbox"),
    ],
)
def test_a_bad_configuration_says_what_to_check(
    shop: SandboxProcess, account: dict[str, Any], words: str, step: str
) -> None:
    other = {"api_key": "other_key_obviously_fake", "shop_id": 2002}
    shop.seed({"mirakl": {"shops": [other]}})
    if "base_url" in account:
        account = {"base_url": account["base_url"].replace("{url}", shop.url)}
    before = shop.last_request()

    async def work() -> ConnectionResult:
        opened = open_adapter(settings(shop, **account), "m", channel=None, secrets=Secrets())
        async with opened as adapter:
            return await adapter.test_connection()

    result = asyncio.run(work())
    assert not result.ok
    assert words in result.message
    assert step in result.next_step
    assert shop.last_request() <= before + 1


@pytest.mark.parametrize(
    ("told", "words", "ok"),
    [
        ({"currency_iso_code": "USD"}, "the outlets' prices are in KES: shop 2001 X, USD", False),
        ({"shop_id": 7}, "the key speaks for another shop than 2001: shop 7", False),
        ({"shop_state": "SUSPENDED"}, "the operator has closed the shop", False),
        ({"shop_state": "CLOSE"}, "the key works; shop 2001 X, KES, close", True),
        ({"shop_name": None}, "the answer is not a shop", False),
    ],
)
def test_a_shop_that_is_not_the_one_that_is_meant_is_said(
    shop: SandboxProcess, told: dict[str, Any], words: str, ok: bool
) -> None:
    body = {
        "shop_id": SHOP,
        "shop_name": "X",
        "currency_iso_code": "KES",
        "shop_state": "OPEN",
        **told,
    }
    shop.scenario("status", status=200, body=body, match={"path": "/mirakl/api/account"})
    kept = Kept()
    result, _ = probe(shop, kept)
    assert (result.ok, words in result.message) == (ok, True), result
    assert ok or result.next_step
    if kept.texts:  # what is remembered is judged as it was
        assert probe(shop, kept)[0].message == result.message


@pytest.mark.parametrize("path", [V01, A01, OF21])
@pytest.mark.parametrize("fault", [{"status": 503}, {"status": 401}, {"status": 302}])
def test_whatever_fails_is_said(shop: SandboxProcess, path: str, fault: dict[str, Any]) -> None:
    kept = Kept()
    if path == OF21:
        probe(shop, kept)
    shop.scenario("status", match={"path": f"/mirakl/api{path}"}, **fault)
    result, calls = probe(shop, kept)
    assert (result.ok, calls[-1]) == (False, path)
    assert f"HTTP {fault['status']}" in result.message


def test_a_page_in_place_of_offers_proves_nothing(shop: SandboxProcess) -> None:
    kept = Kept()
    probe(shop, kept)
    shop.scenario("html_200", match={"path": "/mirakl/api/offers"})
    assert not probe(shop, kept)[0].ok
    shop.scenario("status", status=200, body={}, match={"path": "/mirakl/api/offers"})
    assert not probe(shop, kept)[0].ok
