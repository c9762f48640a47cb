"""Tracker KE over real HTTP: every endpoint, both signing profiles, limits, odd ids."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from marketsync_dagster.platforms.base import Adapter, Answer, CatalogPage, PlatformError
from marketsync_dagster.values.outcomes import Outcome, StockStatus
from marketsync_dagster_tests.platforms import support
from marketsync_dagster_tests.platforms.support import (
    outcomes,
    price,
    product,
    run,
    seed_tracker,
    settings_of,
    tracker_account,
)
from marketsync_dagster_tests.sandbox_process import SandboxProcess

A, R = Outcome.APPLIED, Outcome.REFUSED
SECRET = {"api_secret": {"env": "TEST_TRACKER_SECRET"}}


def work(sandbox: SandboxProcess, do: Any, **account: Any) -> Any:
    settings = settings_of({"t": tracker_account(sandbox.tracker_url, **account)})
    return run(settings, "t", do)


def shown(sandbox: SandboxProcess) -> dict[str, Any]:
    return sandbox.state("tracker_ke", "carrefour")


async def all_pages(adapter: Adapter, **more: Any) -> list[CatalogPage]:
    return [page async for page in adapter.read_catalog(**more)]


def test_a_batch_shows_each_price_and_says_what_was_refused(fresh_sandbox: SandboxProcess) -> None:
    seed_tracker(fresh_sandbox, ["p1", "p2"])
    items = [
        price("p1", "60.07"),
        price("nowhere"),
        price("p2", "0.10", stock_status=StockStatus.OUT_OF_STOCK),
        price("p2", "0.00"),
    ]
    answer: Answer = work(fresh_sandbox, lambda a: a.send(items))
    assert outcomes(answer, 4) == [A, R, A, R]
    assert [r.message for r in answer.results] == [
        "",
        "Product not found",
        "",
        "Missing product_id or price",
    ]
    assert answer.call.path == "/prices/batch"
    first, second = shown(fresh_sandbox)["p1"], shown(fresh_sandbox)["p2"]
    assert (first["price"], first["currency"], first["location"]) == (
        "60.07",
        "KES",
        "Branch outlet_0",
    )
    assert (second["price"], second["stock_status"]) == ("0.10", "out_of_stock")


def test_the_bytes_that_are_sent_hold_the_price_digit_by_digit(
    fresh_sandbox: SandboxProcess,
) -> None:
    seed_tracker(fresh_sandbox, ["p1"])
    work(fresh_sandbox, lambda a: a.send([price("p1", "60", promotion=True)]))
    (request,) = fresh_sandbox.requests()
    body = (
        b'{"prices":[{"product_id":"p1","price":60.00,"currency":"KES",'
        b'"location":"Branch outlet_0","stock_status":"in_stock",'
        b'"metadata":{"promotion":true}}]}'
    )
    assert request["body_sha256"] == hashlib.sha256(body).hexdigest()


def test_a_channel_may_name_its_location(fresh_sandbox: SandboxProcess) -> None:
    seed_tracker(fresh_sandbox, ["p1"])
    account = tracker_account(fresh_sandbox.tracker_url)
    channels = [{"outlet": "o", "account": "t", "location": "Westlands Ünit/5"}]
    run(settings_of({"t": account}, channels), "t", lambda a: a.send([price("p1")]))
    assert shown(fresh_sandbox)["p1"]["location"] == "Westlands Ünit/5"


@pytest.mark.parametrize(
    ("item", "outcome", "message"),
    [
        (price("p1", "61.50"), A, ""),
        (price("nowhere"), R, "HTTP 404: NOT_FOUND: Product not found"),
        (price("p1", "0"), R, "HTTP 400: INVALID_REQUEST: product_id and price are required"),
    ],
)
def test_one_item_can_be_sent_by_itself(
    fresh_sandbox: SandboxProcess, item: Any, outcome: Outcome, message: str
) -> None:
    seed_tracker(fresh_sandbox, ["p1"])
    answer: Answer = work(fresh_sandbox, lambda a: a.send([item], single=True))
    assert outcomes(answer, 1) == [outcome]
    assert (answer.message or "".join(r.message for r in answer.results)) == message
    assert answer.call.path == "/prices/single"
    assert ("p1" in shown(fresh_sandbox)) is (outcome is A)


@pytest.mark.parametrize(
    "knobs",
    [
        {"signing": "tracker_doc"},
        {"signing": "tracker_doc", "timestamp_unit": "ms"},
        {"signing": "tracker_doc", "empty_body": ""},
        {"signing": "tracker_doc", "send_secret": True},
        {"signing": "canonical_v1"},
    ],
)
def test_signed_requests_are_let_in_on_every_endpoint(
    fresh_sandbox: SandboxProcess, knobs: dict[str, Any]
) -> None:
    seed_tracker(
        fresh_sandbox,
        ["p1", "p/ %ü"],
        signing=knobs["signing"],
        api_secret=support.TRACKER_SECRET,
    )

    async def everything(adapter: Adapter) -> None:
        items = [price("p1"), price("p/ %ü", "0.30")]
        assert outcomes(await adapter.send(items), 2) == [A, A]
        assert outcomes(await adapter.send(items[:1], single=True), 1) == [A]
        synced = await adapter.send_products([product("a", "5449000000996")])
        assert outcomes(synced, 1) == [A]
        assert len((await all_pages(adapter, search="p/ %ü"))[0].rows) == 1
        assert (await adapter.test_connection()).ok

    work(fresh_sandbox, everything, **knobs, **SECRET)


@pytest.mark.parametrize("profile", ["tracker_doc", "canonical_v1"])
def test_an_unsigned_or_wrongly_signed_request_is_not_let_in(
    fresh_sandbox: SandboxProcess, profile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed_tracker(fresh_sandbox, ["p1"], signing=profile, api_secret=support.TRACKER_SECRET)
    monkeypatch.setenv("TEST_TRACKER_SECRET", "sk_secret_of_somebody_else")
    for knobs in ({}, {"signing": profile, **SECRET}):
        answer = work(fresh_sandbox, lambda a: a.send([price("p1")]), **knobs)
        assert outcomes(answer, 1) == [Outcome.AUTH_FAILED]
    assert shown(fresh_sandbox) == {}


def test_a_plan_that_takes_less_than_configured_splits_the_batch(
    fresh_sandbox: SandboxProcess,
) -> None:
    ids = [f"p{i}" for i in range(11)]
    seed_tracker(fresh_sandbox, ids, max_items=10)
    items = [price(i) for i in ids]
    assert outcomes(work(fresh_sandbox, lambda a: a.send(items)), 11) == ["split"] * 11
    assert outcomes(work(fresh_sandbox, lambda a: a.send(items[:10])), 10) == [A] * 10


def test_a_body_that_is_too_large_splits_and_a_single_item_is_refused(
    fresh_sandbox: SandboxProcess,
) -> None:
    seed_tracker(fresh_sandbox, ["p1"])
    large = price("x" * 60_000)
    assert outcomes(work(fresh_sandbox, lambda a: a.send([large, large])), 2) == ["split"] * 2
    answer = work(fresh_sandbox, lambda a: a.send([price("x" * 120_000)]))
    assert outcomes(answer, 1) == [R]


def test_a_429_says_when_to_come_back_in_the_body_or_means_a_minute(
    fresh_sandbox: SandboxProcess,
) -> None:
    seed_tracker(fresh_sandbox, ["p1"], per_minute=1)

    async def twice(adapter: Adapter) -> Answer:
        await adapter.send([price("p1")])
        return await adapter.send([price("p1")])

    answer: Answer = work(fresh_sandbox, twice)
    assert outcomes(answer, 1) == [Outcome.RETRYABLE]
    assert answer.retry_after_s is not None
    assert 50 < answer.retry_after_s <= 60
    assert answer.message.startswith("HTTP 429: RATE_LIMIT_EXCEEDED")


def test_a_429_without_any_figure_means_a_minute(fresh_sandbox: SandboxProcess) -> None:
    seed_tracker(fresh_sandbox, ["p1"])
    fresh_sandbox.scenario("retry_after", form="none")
    assert work(fresh_sandbox, lambda a: a.send([price("p1")])).retry_after_s == 60


def test_products_are_synced_by_barcode_and_never_without_one(
    fresh_sandbox: SandboxProcess,
) -> None:
    seed_tracker(fresh_sandbox, [])
    items = [
        product("a/ %ü", "5449000000996", brand="Coca Cola", size="500ml"),
        product("none", ""),
        product("b", "5449000000997", category=""),
    ]

    async def twice(adapter: Adapter) -> list[Answer]:
        return [await adapter.send_products(items), await adapter.send_products(items)]

    first, second = work(fresh_sandbox, twice)
    assert outcomes(first, 3) == [A, R, R]
    assert [r.code for r in first.results] == ["", "NO_BARCODE", "SKIPPED"]
    assert [r.platform_id for r in first.results] == [r.platform_id for r in second.results]
    (listed,) = fresh_sandbox.catalog()
    assert (listed["id"], listed["brand"]) == (first.results[0].platform_id, "Coca Cola")


def test_nothing_is_sent_for_products_that_have_no_barcode(fresh_sandbox: SandboxProcess) -> None:
    seed_tracker(fresh_sandbox, [])
    answer = work(fresh_sandbox, lambda a: a.send_products([product("a", "")]))
    assert outcomes(answer, 1) == [R]
    assert answer.call.status is None
    assert fresh_sandbox.requests() == []


def test_a_failed_sync_is_said_of_the_products_that_were_sent(
    fresh_sandbox: SandboxProcess,
) -> None:
    seed_tracker(fresh_sandbox, [])
    items = [product("none", ""), product("a", "5449000000996")]
    fresh_sandbox.scenario("status", status=503)
    answer = work(fresh_sandbox, lambda a: a.send_products(items))
    assert outcomes(answer, 2) == [R, Outcome.RETRYABLE]


def test_the_catalogue_can_be_searched_by_any_words(fresh_sandbox: SandboxProcess) -> None:
    seed_tracker(fresh_sandbox, ["50% & ü/x", "50", "other"])
    pages = work(fresh_sandbox, lambda a: all_pages(a, search="50% & ü/x"))
    assert [row["platform_id"] for page in pages for row in page.rows] == ["50% & ü/x"]


def test_a_catalogue_that_cannot_be_read_says_why(fresh_sandbox: SandboxProcess) -> None:
    seed_tracker(fresh_sandbox, ["p1"], scopes=["prices:write"])
    with pytest.raises(PlatformError) as caught:
        work(fresh_sandbox, all_pages)
    assert caught.value.outcome is R
    assert "products:read" in caught.value.message


def test_a_connection_test_proves_the_key(
    fresh_sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed_tracker(fresh_sandbox, ["p1", "p2"])
    good = work(fresh_sandbox, lambda a: a.test_connection())
    assert (good.ok, good.environment) == (True, "demo")
    assert good.message == "the key works; it sees 2 products"
    assert support.TRACKER_KEY not in good.key
    monkeypatch.setenv("TEST_TRACKER_KEY", "pk_live_revoked_long_ago")
    bad = work(fresh_sandbox, lambda a: a.test_connection())
    assert (bad.ok, bad.environment) == (False, "live")
    assert bad.message.startswith("the platform did not take the key (HTTP 401")
    assert (
        bad.next_step
        == "set a valid key: accounts.t.api_key (environment variable TEST_TRACKER_KEY)"
    )
    assert len(bad.calls) == 1


def test_a_revoked_key_says_which_variable_to_set(fresh_sandbox: SandboxProcess) -> None:
    seed_tracker(fresh_sandbox, ["p1"])
    fresh_sandbox.scenario("revoke_key")

    async def twice(adapter: Adapter) -> list[Answer]:
        return [await adapter.send([price("p1")]), await adapter.send([price("p1")])]

    for answer in work(fresh_sandbox, twice):
        assert outcomes(answer, 1) == [Outcome.AUTH_FAILED]
        assert answer.message == (
            "the platform did not take the key (HTTP 401: UNAUTHORIZED: API key has been revoked); "
            "set a valid key: accounts.t.api_key (environment variable TEST_TRACKER_KEY)"
        )
