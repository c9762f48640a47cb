"""Accounts, items and seeds for the adapters' tests: one Tracker KE key, one Pasons store, and the
shop of `sandbox.mirakl`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any

from marketsync_dagster.config.secrets import Secrets
from marketsync_dagster.config.settings import Settings
from marketsync_dagster.platforms.base import Adapter, Answer, PriceItem, ProductItem
from marketsync_dagster.platforms.registry import open_adapter
from marketsync_dagster.values.outcomes import Outcome, StockStatus
from marketsync_dagster_tests.sandbox.mirakl import SHOP
from marketsync_dagster_tests.sandbox_process import SandboxProcess

TRACKER_KEY = "pk_demo_not_a_real_key_0001"
TRACKER_SECRET = "sk_secret_not_a_real_one_0001"
PASONS_KEY = "pasons-not-a-real-key-017"
STORE = "017"
NO_DELAYS = {"attempts": 3, "base_s": 0, "cap_s": 0, "budget_s": 30, "retry_after_cap_s": 300}


def tracker_account(url: str, **more: Any) -> dict[str, Any]:
    """A Tracker KE account as marketsync.yaml has it."""
    return {
        "platform": "tracker_ke",
        "base_url": url,
        "api_key": {"env": "TEST_TRACKER_KEY"},
        "retry": NO_DELAYS,
        **more,
    }


def pasons_account(url: str, **more: Any) -> dict[str, Any]:
    """A Pasons account as marketsync.yaml has it."""
    return {
        "platform": "pasons",
        "base_url": url,
        "auth": {"scheme": "bearer", "key": {"env": "TEST_PASONS_KEY"}},
        "retry": NO_DELAYS,
        **more,
    }


def mirakl_account(url: str, **more: Any) -> dict[str, Any]:
    """A Mirakl account as marketsync.yaml has it."""
    return {
        "platform": "mirakl",
        "base_url": url,
        "api_key": {"env": "TEST_MIRAKL_KEY"},
        "shop_id": SHOP,
        "retry": NO_DELAYS,
        **more,
    }


def settings_of(
    accounts: dict[str, dict[str, Any]], channels: list[dict[str, Any]] | None = None
) -> Settings:
    """Settings with one outlet per channel; each account gets a channel where none are given."""
    if channels is None:
        channels = [
            {
                "outlet": f"outlet_{number}",
                "account": name,
                **({"store_id": STORE} if account["platform"] == "pasons" else {}),
            }
            for number, (name, account) in enumerate(accounts.items())
        ]
    outlets = {
        channel["outlet"]: {
            "name": f"Branch {channel['outlet']}",
            "extract": {"path": f"extracts/{channel['outlet']}"},
        }
        for channel in channels
    }
    document = {"version": 1, "outlets": outlets, "accounts": accounts, "channels": channels}
    return Settings.model_validate(document)


def price(platform_id: str, amount: str = "60.00", **more: Any) -> PriceItem:
    """One item to send; its POS SKU differs from the platform's id."""
    fields: dict[str, Any] = {
        "sku": f"sku-{platform_id}",
        "currency": "KES",
        "stock_status": StockStatus.IN_STOCK,
    }
    return PriceItem(platform_id=platform_id, price=Decimal(amount), **{**fields, **more})


def product(sku: str, barcode: str, **more: str) -> ProductItem:
    fields: dict[str, Any] = {"name": f"Product {sku}", "category": "Beverages", **more}
    return ProductItem(sku=sku, barcode=barcode, **fields)


def seed_tracker(sandbox: SandboxProcess, ids: list[str], **more: Any) -> None:
    """One account on the sandbox, and a catalogue of `ids` that its demo key sees."""
    account = {
        "api_key": TRACKER_KEY,
        "supermarket_id": "carrefour",
        "plan": "unlimited",
        "demo": True,
        **more,
    }
    products = [
        {"id": i, "name": f"Product {i}", "category": "Beverages", "demo": True} for i in ids
    ]
    sandbox.seed({"tracker_ke": {"accounts": [account], "products": products}})


def seed_pasons(sandbox: SandboxProcess, **more: Any) -> None:
    """One store on the sandbox that takes any SKU."""
    sandbox.seed({"pasons": {"stores": [{"store_id": STORE, "api_key": PASONS_KEY, **more}]}})


def run(
    settings: Settings,
    account: str,
    work: Callable[[Adapter], Coroutine[Any, Any, Any]],
    secrets: Secrets | None = None,
) -> Any:
    """Open the account's adapter, do `work`, close it."""

    async def opened() -> Any:
        adapter = open_adapter(settings, account, channel=None, secrets=secrets or Secrets())
        async with adapter:
            return await work(adapter)

    return asyncio.run(opened())


def outcomes(answer: Answer, count: int) -> list[Outcome | str]:
    """One word per item that was sent: exactly one of an answer's three forms must hold."""
    forms = [bool(answer.results), answer.outcome is not None, answer.split]
    assert sum(forms) == 1, answer
    if answer.split:
        return ["split"] * count
    if answer.outcome is not None:
        return [answer.outcome] * count
    assert len(answer.results) == count
    return [result.outcome for result in answer.results]
