"""The shop of these tests, opened as an account, and what is done with it in one line each."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from marketsync_dagster.config.settings import Settings
from marketsync_dagster.platforms.base import (
    Adapter,
    Answer,
    ImportKind,
    ImportStatus,
    PriceItem,
    StatusAnswer,
)
from marketsync_dagster.values.outcomes import Outcome, StockStatus
from marketsync_dagster_tests.platforms.support import mirakl_account, run, settings_of
from marketsync_dagster_tests.sandbox.mirakl import later
from marketsync_dagster_tests.sandbox_process import SandboxProcess

OFFERS, PRICES, STOCK = ImportKind.OFFERS, ImportKind.PRICES, ImportKind.STOCK
KINDS = (OFFERS, PRICES, STOCK)
STARTED = "2026-01-01T00:00:00.000Z"
"""Long before any import of these tests."""


def item(name: str = "S1", amount: str = "12.50", product: str = "P1", **more: Any) -> PriceItem:
    """One offer to send; the till has it under another SKU."""
    fields: dict[str, Any] = {
        "currency": "KES",
        "stock_status": StockStatus.IN_STOCK,
        "quantity": 7,
        "platform_sku": name,
        "details": '{"state_code":"11"}',
    }
    return PriceItem(f"till-{name}", product, Decimal(amount), **{**fields, **more})


def settings(sandbox: SandboxProcess, **account: Any) -> Settings:
    return settings_of({"m": mirakl_account(sandbox.mirakl_url, **account)})


def work(sandbox: SandboxProcess, do: Any, **account: Any) -> Any:
    """What `do` makes of the opened account."""
    return run(settings(sandbox, **account), "m", do)


async def begin(adapter: Adapter, kind: ImportKind, *items: PriceItem) -> str:
    """The id of an import that was started."""
    answer: Answer = await adapter.submit(kind, items)
    assert answer.outcome is Outcome.ACCEPTED_ASYNC, answer
    return answer.import_id


async def look(adapter: Adapter, kind: ImportKind, *ids: str) -> Sequence[ImportStatus]:
    """How imports stand."""
    said: StatusAnswer = await adapter.import_status(kind, ids, STARTED)
    assert said.outcome is None, said
    return said.found


def ended(sandbox: SandboxProcess, kind: ImportKind, *items: PriceItem, **account: Any) -> Any:
    """The status of an import of these items after its end."""

    async def through(adapter: Adapter) -> ImportStatus:
        import_id = await begin(adapter, kind, *items)
        later(sandbox)
        (found,) = await look(adapter, kind, import_id)
        return found

    return work(sandbox, through, **account)


def sent(sandbox: SandboxProcess, method: str | None = None) -> list[dict[str, Any]]:
    """The requests that arrived, with their bodies."""
    logged = sandbox.requests(bodies=True, channel="mirakl")
    return [request for request in logged if method in (None, request["method"])]
