"""Reading back what Tracker KE shows for our products: whose price it is, how often it is tried."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from marketsync_dagster.platforms.answers import Readable
from marketsync_dagster.platforms.base import Adapter, Call, PlatformError, ShownPrice
from marketsync_dagster.platforms.http import Cleaner
from marketsync_dagster.platforms.reading import RetryRules, Tries
from marketsync_dagster.platforms.signing import Signer
from marketsync_dagster.platforms.tracker_ke.shown import Ours, shown_prices
from marketsync_dagster.values.outcomes import Outcome, StockStatus
from marketsync_dagster_tests.platforms.support import (
    TRACKER_KEY,
    price,
    run,
    seed_tracker,
    settings_of,
    tracker_account,
)
from marketsync_dagster_tests.sandbox_process import SandboxProcess

IDS = ["prod_1", "prod 2/ü%", "prod_3"]


@pytest.fixture
def sandbox_with_prices(fresh_sandbox: SandboxProcess) -> SandboxProcess:
    """Two of three products have a price of ours, one of another supermarket's elsewhere."""
    seed_tracker(fresh_sandbox, [i for i in IDS if "/" not in i])
    other = {"api_key": "pk_demo_other", "supermarket_id": "naivas", "plan": "unlimited"}
    fresh_sandbox.seed({"tracker_ke": {"accounts": [other | {"demo": True}]}})
    return fresh_sandbox


def read(sandbox: SandboxProcess, ids: list[str], **account: Any) -> list[ShownPrice]:
    settings = settings_of({"tracker": tracker_account(sandbox.tracker_url, **account)})

    async def work(adapter: Adapter) -> list[ShownPrice]:
        assert adapter.capabilities.read_prices
        return await adapter.read_prices(ids)

    return run(settings, "tracker", work)


def push(sandbox: SandboxProcess, *items: Any, monkeypatch: Any = None, **channel: Any) -> None:
    """Prices of ours; with `channel`, at another location."""
    outlet = {"outlet": "outlet_0", "account": "tracker", **channel}
    settings = settings_of({"tracker": tracker_account(sandbox.tracker_url)}, [outlet])

    async def work(adapter: Adapter) -> None:
        answer = await adapter.send(list(items))
        assert {result.outcome for result in answer.results} == {Outcome.APPLIED}

    run(settings, "tracker", work)


def test_the_price_that_was_sent_is_read_back_exactly(sandbox_with_prices: SandboxProcess) -> None:
    push(
        sandbox_with_prices,
        price("prod_1", "59.95"),
        price("prod_3", "0.10", stock_status=StockStatus.OUT_OF_STOCK),
    )
    first, third = read(sandbox_with_prices, ["prod_1", "prod_3"])
    assert first[:4] == ("prod_1", Decimal("59.95"), "KES", StockStatus.IN_STOCK)
    assert third[:4] == ("prod_3", Decimal("0.10"), "KES", StockStatus.OUT_OF_STOCK)
    assert first.at.endswith("Z")
    assert [call.status for call in (*first.calls, *third.calls)] == [200, 200]


def test_a_product_without_a_price_of_ours_says_so(sandbox_with_prices: SandboxProcess) -> None:
    shown, gone = read(sandbox_with_prices, ["prod_1", "prod 2/ü%"])
    assert (shown.price, shown.message) == (
        None,
        "the platform shows no price at Branch outlet_0",
    )
    assert (gone.price, gone.message) == (None, "the platform has no such product")
    requests = sandbox_with_prices.requests()
    assert requests[-1]["path"].startswith("/tracker_ke/api/v1/products/prod")


def test_our_price_is_told_from_those_of_others(
    sandbox_with_prices: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(sandbox_with_prices, price("prod_1", "59.95"))
    monkeypatch.setenv("TEST_TRACKER_KEY", "pk_demo_other")
    push(sandbox_with_prices, price("prod_1", "70.00"), location="Another Branch")
    monkeypatch.setenv("TEST_TRACKER_KEY", TRACKER_KEY)
    assert read(sandbox_with_prices, ["prod_1"])[0].price == Decimal("59.95")

    monkeypatch.setenv("TEST_TRACKER_KEY", "pk_demo_other")
    push(sandbox_with_prices, price("prod_1", "70.00"))  # at the very same location
    monkeypatch.setenv("TEST_TRACKER_KEY", TRACKER_KEY)
    (unclear,) = read(sandbox_with_prices, ["prod_1"])
    assert unclear.price is None
    assert "carrefour, naivas" in unclear.message
    assert "accounts.tracker.supermarket" in unclear.message
    (named,) = read(sandbox_with_prices, ["prod_1"], supermarket="carrefour")
    assert named.price == Decimal("59.95")
    (none,) = read(sandbox_with_prices, ["prod_1"], supermarket="quickmart")
    assert (none.price, none.message) == (None, "the platform shows no price of quickmart")


@pytest.mark.parametrize(
    "data",
    [
        {"id": "prod_2", "current_prices": {"x": {"price": 1, "location": "here"}}},
        {"id": "prod_1", "current_prices": []},
        {"id": "prod_1"},
        "prod_1",
        None,
    ],
)
def test_an_answer_that_is_not_of_the_product_is_not_believed(data: Any) -> None:
    async def fetch(_: str) -> Readable:
        call = Call("GET", "/products/prod_1", 200, 1)
        return Readable({"success": True, "data": data}, Cleaner(()), call, 200)

    ours = Ours("tracker", None, "here")
    with pytest.raises(PlatformError, match="not a product with its prices"):
        asyncio.run(shown_prices(["prod_1"], ours, fetch, Tries.of(RetryRules(), None)))


@pytest.mark.parametrize("amount", ["60", True, None, [1]])
def test_a_price_that_is_no_number_is_none(amount: Any) -> None:
    async def fetch(_: str) -> Readable:
        prices = {"x": {"price": amount, "location": "here"}}
        document = {"data": {"id": "prod_1", "current_prices": prices}}
        return Readable(document, Cleaner(()), Call("GET", "/", 200, 1), 200)

    ours = Ours("tracker", None, "here")
    (shown,) = asyncio.run(shown_prices(["prod_1"], ours, fetch, Tries.of(RetryRules(), None)))
    assert shown.price is None
    assert "no number" in shown.message


def test_every_read_is_signed_and_paced(
    sandbox_with_prices: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed: list[str] = []
    original = Signer.headers

    def headers(self: Signer, method: str, path: str, **said: Any) -> dict[str, str]:
        signed.append(path)
        return original(self, method, path, **said)

    monkeypatch.setattr(Signer, "headers", headers)
    paced = 0

    async def pace() -> None:
        nonlocal paced
        paced += 1

    settings = settings_of({"tracker": tracker_account(sandbox_with_prices.tracker_url)})

    async def work(adapter: Adapter) -> None:
        await adapter.read_prices(["prod_1", "prod_3"], pace=pace)

    run(settings, "tracker", work)
    assert paced == 2
    assert signed == ["/products/prod_1", "/products/prod_3"]


def test_a_read_that_fails_for_a_moment_is_tried_again(sandbox_with_prices: SandboxProcess) -> None:
    push(sandbox_with_prices, price("prod_1", "59.95"))
    sandbox_with_prices.scenario("status", channel="tracker_ke", status=503, times=2)
    (shown,) = read(sandbox_with_prices, ["prod_1"])
    assert shown.price == Decimal("59.95")
    assert [call.status for call in shown.calls] == [503, 503, 200]


@pytest.mark.parametrize(
    ("status", "outcome", "attempts"),
    [(503, Outcome.RETRYABLE, 3), (401, Outcome.AUTH_FAILED, 1), (403, None, 1)],
)
def test_what_cannot_be_read_is_an_error_with_its_attempts(
    sandbox_with_prices: SandboxProcess, status: int, outcome: Outcome | None, attempts: int
) -> None:
    sandbox_with_prices.scenario("status", channel="tracker_ke", status=status, times=None)
    with pytest.raises(PlatformError, match="the price of prod_1 cannot be read") as failed:
        read(sandbox_with_prices, ["prod_1"])
    assert [call.status for call in failed.value.calls] == [status] * attempts
    if outcome is not None:
        assert failed.value.outcome is outcome
