"""Orders of the tests' shop: a document of OR11 with everything in it, the shop as a source, and
orders of the sandbox, each in one line."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from copy import deepcopy
from decimal import Decimal
from typing import Any

import orjson

from marketsync_dagster.config.secrets import Secrets
from marketsync_dagster.config.settings import Settings
from marketsync_dagster.platforms.mirakl.order_reading import load, read_order
from marketsync_dagster.platforms.ordering import (
    Command,
    OrderPage,
    OrderSource,
    PulledOrder,
)
from marketsync_dagster.platforms.registry import open_order_source
from marketsync_dagster.values.order_states import CommandKind
from marketsync_dagster_tests.platforms.support import mirakl_account, settings_of
from marketsync_dagster_tests.sandbox.mirakl import SHOP, seed_market
from marketsync_dagster_tests.sandbox_process import SandboxProcess

SINCE = "2026-01-01T00:00:00.000Z"
ADDRESS = {
    "firstname": "Wanjiru", "lastname": "Kamau", "company": "Soko", "company_2": "Level 2",
    "street_1": "Moi Avenue 1", "street_2": "Gate B", "zip_code": "00100", "city": "Nairobi",
    "state": "Nairobi", "country": "Kenya", "country_iso_code": "KEN", "phone": "+254700000001",
}  # fmt: skip
LINE: dict[str, Any] = {
    "order_line_id": "A-1-1", "order_line_index": 1, "order_line_state": "SHIPPING",
    "offer_sku": "S1", "product_sku": "P1", "product_title": "Maize flour", "quantity": 2,
    "price_unit": 12.5, "price": 25, "shipping_price": 1.25, "total_price": 26.25,
    "taxes": [{"code": "VAT", "amount": 4, "tax_calculation_rule": "NONE"}],
    "shipping_taxes": [{"code": "VAT", "amount": 0.2}], "refunds": [], "cancelations": [],
    "shipped_date": None, "received_date": None,
}  # fmt: skip
ORDER: dict[str, Any] = {
    "order_id": "A-1", "commercial_id": "A", "order_state": "SHIPPING",
    "created_date": "2026-11-20T06:00:00Z", "last_updated_date": "2026-11-21T06:30:05Z",
    "acceptance_decision_date": "2026-11-20T07:00:00Z", "shipping_deadline": "2026-11-23T20:59:59Z",
    "currency_iso_code": "KES", "price": 25, "shipping_price": 1.25, "total_price": 26.25,
    "order_tax_mode": "TAX_INCLUDED", "payment_workflow": "PAY_ON_ACCEPTANCE", "can_cancel": True,
    "has_incident": False, "fully_refunded": False, "channel": {"code": "KE", "label": "Kenya"},
    "shipping_type_code": "STD", "customer_notification_email": "w.kamau@customer.example",
    "customer": {"firstname": "Wanjiru", "lastname": "Kamau", "shipping_address": ADDRESS,
                 "billing_address": ADDRESS},
    "order_lines": [LINE],
}  # fmt: skip


def refund(**said: Any) -> dict[str, Any]:
    """A refund, or a cancelation, of a line."""
    return {
        "id": "R1", "amount": 12.5, "shipping_amount": 0, "quantity": 1, "reason_code": "15",
        "taxes": [{"code": "VAT", "amount": 2}], "shipping_taxes": [], **said,
    }  # fmt: skip


def order(line: Mapping[str, Any] | None = None, **said: Any) -> dict[str, Any]:
    """An order of OR11 with these fields, its line with those of `line`."""
    document = {**deepcopy(ORDER), **said}
    if line:
        document["order_lines"][0] |= line
    return document


def reading(document: Any, accept_hours: float | None = None) -> PulledOrder:
    """What a document says, its numbers as they come over the wire."""
    return read_order(load(orjson.dumps(document)), accept_hours)


def pulled(line: Mapping[str, Any] | None = None, **said: Any) -> PulledOrder:
    """The same, read."""
    return reading(order(line, **said))


def command(kind: str, **said: Any) -> Command:
    """Something that the shop is told of A-1, as the tests want it."""
    usual: dict[str, dict[str, Any]] = {
        "accept": {"accepted": {"A-1-1": True}},
        "parcel": {"lines": {"A-1-1": 1}, "reference": "P-1"},
        "refund": {"amounts": {"A-1-1": Decimal("12.50")}, "lines": {"A-1-1": 1}},
        "cancel_lines": {"amounts": {"A-1-1": Decimal("12.50")}, "lines": {"A-1-1": 1}},
    }
    code = {"refund": "15", "cancel_lines": "34"}.get(kind, "")
    fields = {"currency": "KES", "reason_code": code, **usual.get(kind, {}), **said}
    return Command(CommandKind(kind), fields.pop("external_id", "A-1"), **fields)


# --- the shop of the sandbox


def configured(sandbox: SandboxProcess, **account: Any) -> Settings:
    said = {"orders": {}, "several_parcels": True, "partial_acceptance": True, **account}
    return settings_of({"m": mirakl_account(sandbox.mirakl_url, **said)})


def ask(
    sandbox: SandboxProcess,
    do: Callable[[OrderSource], Coroutine[Any, Any, Any]],
    secrets: Secrets | None = None,
    **account: Any,
) -> Any:
    """What `do` makes of the opened source."""

    async def opened() -> Any:
        settings = configured(sandbox, **account)
        async with open_order_source(settings, "m", secrets=secrets or Secrets()) as source:
            return await do(source)

    return asyncio.run(opened())


async def pages(source: OrderSource, since: str = SINCE, position: str = "") -> list[OrderPage]:
    """All pages of a reading."""
    return [page async for page in source.order_pages(since, position)]


def names(found: list[OrderPage]) -> list[str]:
    """The ids of all rows, in their order."""
    return [raw.external_id for page in found for raw in page.orders]


def seed_orders(sandbox: SandboxProcess, *orders: Mapping[str, Any], **shop: Any) -> None:
    """A market, and orders in the sandbox's form; A-1 with two pieces of S1 where none is given."""
    seed_market(sandbox, **{"debit_delay_s": 0, "update_delta_s": 0, **shop})
    for one in orders or ({},):
        lines = [{"offer_sku": "S1", "quantity": 2}]
        sandbox.add_orders({"shop_id": SHOP, "order_id": "A-1", "lines": lines, **one})
