"""Pasons over real HTTP: its default contract, and every wire that configuration can describe."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from marketsync_dagster.platforms.base import Adapter, Answer, ConnectionResult
from marketsync_dagster.values.outcomes import Outcome, StockStatus
from marketsync_dagster_tests.platforms import support
from marketsync_dagster_tests.platforms.raw_server import answer as raw_answer
from marketsync_dagster_tests.platforms.raw_server import raw_server
from marketsync_dagster_tests.platforms.support import (
    STORE,
    outcomes,
    pasons_account,
    price,
    run,
    seed_pasons,
    settings_of,
)
from marketsync_dagster_tests.sandbox_process import SandboxProcess

A, R, U, V = (
    Outcome.APPLIED,
    Outcome.REFUSED,
    Outcome.UNKNOWN,
    Outcome.ACCEPTED_UNVERIFIED,
)
ITEMS = [
    price("00123", "13.99"),
    price("a/ %ü", "8.50", stock_status=StockStatus.OUT_OF_STOCK),
    price("x", "0.07", stock_status=StockStatus.LIMITED_STOCK),
]


def work(sandbox: SandboxProcess, do: Any, **account: Any) -> Any:
    settings = settings_of({"p": pasons_account(sandbox.pasons_url(STORE), **account)})
    return run(settings, "p", do)


def shown(sandbox: SandboxProcess) -> dict[str, tuple[str, int]]:
    items = sandbox.state("pasons", STORE)
    return {sku: (item["price"], item["stock_status"]) for sku, item in items.items()}


EVERYTHING = {"00123": ("13.99", 1), "a/ %ü": ("8.50", 0), "x": ("0.07", 1)}
RENAMED = {"sku": "product_id", "selling_price": "price", "stock_status": "is_available"}


@pytest.mark.parametrize(
    ("seed", "account"),
    [
        ({}, {}),
        ({}, {"request": {"store": {"in": "path"}}}),
        ({"results": "all"}, {"response": {"results": "all"}}),
        (
            {"fields": RENAMED, "stock_type": "bool"},
            {"request": {"fields": RENAMED, "types": {"stock_status": "bool"}}},
        ),
        (
            {"price_type": "string", "stock_type": "enum", "enum": {"Y": 1, "L": 1, "N": 0}},
            {
                "request": {
                    "types": {"selling_price": "string", "stock_status": "enum"},
                    "enum": {"in_stock": "Y", "limited_stock": "L", "out_of_stock": "N"},
                }
            },
        ),
        (
            {"price_type": "minor_units", "envelope": "items"},
            {
                "request": {
                    "types": {"selling_price": "minor_units"},
                    "envelope": "items",
                    "store": {"in": "body"},
                }
            },
        ),
        ({}, {"request": {"store": {"in": "header", "name": "X-Store"}}}),
        ({}, {"request": {"store": {"in": "query", "name": "store"}}}),
        ({"scheme": "header"}, {"auth": {"scheme": "header", "key": {"env": "TEST_PASONS_KEY"}}}),
        (
            {"scheme": "basic", "username": "shop"},
            {"auth": {"scheme": "basic", "user": "shop", "key": {"env": "TEST_PASONS_KEY"}}},
        ),
        ({"scheme": "none", "api_key": ""}, {"auth": {"scheme": "none"}}),
        ({"variant": "207"}, {}),
    ],
)
def test_every_configured_wire_shows_what_was_sent(
    fresh_sandbox: SandboxProcess, seed: dict[str, Any], account: dict[str, Any]
) -> None:
    seed_pasons(fresh_sandbox, **seed)
    answer: Answer = work(fresh_sandbox, lambda a: a.send(ITEMS), **account)
    assert outcomes(answer, 3) == [A, A, A]
    assert answer.call.path.startswith("/v1/inventory")
    assert shown(fresh_sandbox) == EVERYTHING


def test_a_store_is_put_into_its_place_in_the_address(fresh_sandbox: SandboxProcess) -> None:
    store = "0/1 %ü"
    fresh_sandbox.seed({"pasons": {"stores": [{"store_id": "017", "api_key": support.PASONS_KEY}]}})
    for base, path in (
        (fresh_sandbox.url + "/pasons/{store_id}", "/v1/inventory"),
        (fresh_sandbox.url + "/pasons", "/{store_id}/v1/inventory"),
    ):
        account = pasons_account(base, request={"store": {"in": "path"}, "path": path})
        answer = run(settings_of({"p": account}), "p", lambda a: a.send(ITEMS))
        assert outcomes(answer, 3) == [A, A, A]

    async def odd() -> list[bytes]:
        async with raw_server(raw_answer(b"{}")) as server:
            from marketsync_dagster.config.secrets import Secrets
            from marketsync_dagster.platforms.registry import open_adapter

            request = {"store": {"in": "path"}, "path": "/{store_id}/v1/inventory"}
            settings = settings_of(
                {"p": pasons_account(server.url, request=request)},
                [{"outlet": "o", "account": "p", "store_id": store}],
            )
            async with open_adapter(settings, "p", channel=None, secrets=Secrets()) as adapter:
                await adapter.send(ITEMS)
            return server.heads

    (head,) = asyncio.run(odd())
    assert head.startswith(b"POST /0%2F1%20%25%C3%BC/v1/inventory HTTP/1.1\r\n")


@pytest.mark.parametrize("variant", ["default", "207"])
@pytest.mark.parametrize("results", ["rejected", "all"])
def test_refused_items_come_back_with_the_platforms_words(
    fresh_sandbox: SandboxProcess, variant: str, results: str
) -> None:
    seed_pasons(fresh_sandbox, skus=["00123", "x"], variant=variant, results=results)
    mode = "all" if results == "all" else "failures_only"
    answer: Answer = work(fresh_sandbox, lambda a: a.send(ITEMS), response={"results": mode})
    assert outcomes(answer, 3) == [A, R, A]
    refused = answer.results[1]
    assert (refused.code, refused.message) == (
        "UNKNOWN_SKU",
        "This SKU is not listed at the store",
    )


@pytest.mark.parametrize("if_absent", [V, U])
@pytest.mark.parametrize("variant", ["204", "drop_silently"])
def test_what_is_taken_without_proof_is_never_called_applied(
    fresh_sandbox: SandboxProcess, variant: str, if_absent: Outcome
) -> None:
    seed_pasons(fresh_sandbox, skus=["00123"], variant=variant)
    response = {"if_absent": if_absent.value}
    answer = work(fresh_sandbox, lambda a: a.send(ITEMS), response=response)
    assert outcomes(answer, 3) == [if_absent] * 3


def test_a_malformed_batch_is_refused_as_a_whole_in_the_platforms_words(
    fresh_sandbox: SandboxProcess,
) -> None:
    seed_pasons(fresh_sandbox, stock_type="bool")
    answer: Answer = work(fresh_sandbox, lambda a: a.send(ITEMS))
    assert outcomes(answer, 3) == [R, R, R]
    assert answer.message == "HTTP 400: MALFORMED: item 0: stock_status must be bool"
    assert shown(fresh_sandbox) == {}


def test_more_than_the_platform_takes_is_split(fresh_sandbox: SandboxProcess) -> None:
    seed_pasons(fresh_sandbox, max_items=2)
    assert outcomes(work(fresh_sandbox, lambda a: a.send(ITEMS)), 3) == ["split"] * 3
    assert outcomes(work(fresh_sandbox, lambda a: a.send(ITEMS[:2])), 2) == [A, A]


async def _ranges(adapter: Adapter, items: list[Any]) -> list[tuple[int, int]]:
    return adapter.batches(items)


def test_an_unknown_store_and_a_wrong_key_are_told_apart(
    fresh_sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer: Answer = work(fresh_sandbox, lambda a: a.send(ITEMS))
    assert outcomes(answer, 3) == [R] * 3
    assert answer.message == "HTTP 404: STORE_NOT_FOUND: No such store"
    seed_pasons(fresh_sandbox)
    monkeypatch.setenv("TEST_PASONS_KEY", "some-other-key-altogether")
    answer = work(fresh_sandbox, lambda a: a.send(ITEMS))
    assert outcomes(answer, 3) == [Outcome.AUTH_FAILED] * 3
    assert "accounts.p.auth.key (environment variable TEST_PASONS_KEY)" in answer.message


@pytest.mark.parametrize("where", ["header", "body", "both"])
def test_a_429_says_when_to_come_back(fresh_sandbox: SandboxProcess, where: str) -> None:
    seed_pasons(fresh_sandbox, per_minute=1, retry_after=where)

    async def twice(adapter: Adapter) -> Answer:
        await adapter.send(ITEMS)
        return await adapter.send(ITEMS)

    answer: Answer = work(fresh_sandbox, twice)
    assert outcomes(answer, 3) == [Outcome.RETRYABLE] * 3
    assert answer.retry_after_s is not None
    assert 50 < answer.retry_after_s <= 60


@pytest.mark.parametrize(
    ("method", "status"), [("POST_empty_array", 200), ("GET", 405), ("HEAD", 405)]
)
def test_a_connection_test_takes_what_is_expected(
    fresh_sandbox: SandboxProcess, method: str, status: int
) -> None:
    seed_pasons(fresh_sandbox)
    found: ConnectionResult = work(
        fresh_sandbox, lambda a: a.test_connection(), test_connection={"method": method}
    )
    assert found.ok
    assert f"HTTP {status}" in found.message
    assert support.PASONS_KEY not in found.key
    assert shown(fresh_sandbox) == {}


def test_an_empty_array_is_never_sent_where_a_full_push_replaces(
    fresh_sandbox: SandboxProcess,
) -> None:
    seed_pasons(fresh_sandbox)
    found: ConnectionResult = work(
        fresh_sandbox, lambda a: a.test_connection(), full_push="replace"
    )
    assert found.ok
    assert [r["method"] for r in fresh_sandbox.requests()] == ["GET"]


def test_a_connection_test_has_its_own_path_where_one_is_named(
    fresh_sandbox: SandboxProcess,
) -> None:
    seed_pasons(fresh_sandbox, ping="/{store_id}/v1/ping")
    test = {"method": "HEAD", "path": "/v1/ping", "expect": [200]}
    found: ConnectionResult = work(
        fresh_sandbox, lambda a: a.test_connection(), test_connection=test
    )
    assert found.ok
    (request,) = fresh_sandbox.requests()
    assert (request["method"], request["path"]) == ("HEAD", f"/pasons/{STORE}/v1/ping")


def test_a_web_page_proves_no_connection(fresh_sandbox: SandboxProcess) -> None:
    seed_pasons(fresh_sandbox)
    fresh_sandbox.scenario("html_200")
    found: ConnectionResult = work(
        fresh_sandbox, lambda a: a.test_connection(), test_connection={"method": "GET"}
    )
    assert not found.ok
    assert "web page" in found.message
    assert "test_connection" in found.next_step


def test_a_second_secret_is_sent_and_never_repeated(
    fresh_sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_PASONS_SECRET", "pasons-not-a-real-secret")
    seed_pasons(fresh_sandbox, api_secret="pasons-not-a-real-secret", secret_header="X-Sign")
    auth = {
        "key": {"env": "TEST_PASONS_KEY"},
        "secret": {"env": "TEST_PASONS_SECRET"},
        "secret_header": "X-Sign",
    }
    answer: Answer = work(fresh_sandbox, lambda a: a.send(ITEMS), auth=auth)
    assert outcomes(answer, 3) == [A, A, A]
    assert "pasons-not-a-real-secret" not in str(fresh_sandbox.requests())
    fresh_sandbox.scenario("echo_secret")
    answer = work(fresh_sandbox, lambda a: a.send(ITEMS), auth=auth)
    assert outcomes(answer, 3) == [Outcome.RETRYABLE] * 3
    assert "pasons-not-a-real" not in repr(answer)


def test_a_failed_connection_test_says_what_to_do(
    fresh_sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    def test(**account: Any) -> ConnectionResult:
        return work(fresh_sandbox, lambda a: a.test_connection(), **account)

    missing = test()
    assert (missing.ok, "store_id" in missing.next_step) == (False, True)
    seed_pasons(fresh_sandbox)
    strange = test(test_connection={"expect": [204]})
    assert (strange.ok, "expect" in strange.message) == (False, True)
    monkeypatch.setenv("TEST_PASONS_KEY", "some-other-key-altogether")
    refused = test()
    assert refused.next_step == (
        "set a valid key: accounts.p.auth.key (environment variable TEST_PASONS_KEY)"
    )
    closed = run(
        settings_of({"p": pasons_account("http://127.0.0.1:9")}),
        "p",
        lambda a: a.test_connection(),
    )
    assert (closed.ok, "sandbox" in closed.next_step) == (False, True)
