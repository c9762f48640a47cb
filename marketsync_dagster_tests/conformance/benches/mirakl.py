"""A shop on Mirakl, whose imports end at once; its offers are called like its products."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from marketsync_dagster.platforms.base import PriceItem
from marketsync_dagster.platforms.ordering import Command, Tracking
from marketsync_dagster.values.order_states import CommandKind
from marketsync_dagster_tests.conformance.bench import Bench, Limits
from marketsync_dagster_tests.conformance.orders import OrderBench
from marketsync_dagster_tests.sandbox_process import SandboxProcess

SHOP = 2001
CALLS = "OF24 OF02 OF03 OF04 PRI01 PRI02 PRI03 STO01 STO02 STO03 A01 OF61 SH21 OR11".split()
"""Calls of which there is a least time between two: here none."""


def barcode(platform_id: str) -> str:
    """A made-up EAN of a product."""
    return f"4{zlib.crc32(platform_id.encode()):012}"


class MiraklOrders(OrderBench):
    pulls = "/mirakl/api/orders"
    page = 100
    price = "12.50"
    moves = {"kind": "orders_move", "insert": 2, "early": 3, "change": 1, "cancel": 1}
    late = {"kind": "index_lag", "seconds": 30}
    late_s = 30.0
    less = {"several_parcels": False}
    states = {CommandKind.ACCEPT: "WAITING_ACCEPTANCE", CommandKind.REFUND: "SHIPPED"}
    """In which an order is for a command; else it is to be shipped."""

    def seed(self, sandbox: SandboxProcess) -> None:
        sandbox.seed(BENCH.seed(["p1"], Limits(imports={"update_delta_s": 0})))

    def add(self, sandbox: SandboxProcess, count: int, **said: Any) -> list[str]:
        line = {"offer_sku": "p1", "product_sku": "p1", "quantity": 2, "price": self.price}
        order = {"shop_id": SHOP, "lines": [line], "lower_stock": False, **said}
        return sandbox.add_orders(*[order] * count)

    def ready(self, sandbox: SandboxProcess, kind: CommandKind) -> Command:
        (name,) = self.add(sandbox, 1, state=self.states.get(kind, "SHIPPING"))
        line, price = f"{name}-1", Decimal(self.price)
        money = {"amounts": {line: price}, "lines": {line: 1}, "currency": "KES"}
        said: dict[CommandKind, dict[str, Any]] = {
            CommandKind.ACCEPT: {"accepted": {line: True}},
            CommandKind.TRACKING: {"tracking": Tracking("DHL", "", "77")},
            CommandKind.PARCEL: {"lines": {line: 1}, "reference": f"parcel of {name}"},
            CommandKind.CANCEL_LINES: {**money, "reason_code": "34"},
            CommandKind.REFUND: {**money, "reason_code": "15"},
        }
        return Command(kind, name, **said.get(kind, {}))

    def early(self, sandbox: SandboxProcess) -> Command:
        (name,) = self.add(sandbox, 1, state="WAITING_DEBIT_PAYMENT")
        return Command(CommandKind.SHIP, name)

    def effects(self, sandbox: SandboxProcess, command: Command) -> int:
        kind = "cancel" if command.kind is CommandKind.CANCEL_LINES else command.kind.value
        counts = sandbox.mirakl_orders(order_id=command.external_id)[command.external_id]["counts"]
        return counts[kind]["effect"]

    def spoil(self, document: bytes) -> tuple[bytes, str]:
        spoilt = document.replace(b'"price_unit":12.5', b'"price_unit":"canary"')
        assert spoilt != document
        return spoilt, "order_lines[0].price_unit"


class MiraklBench(Bench):
    orders = MiraklOrders()
    platform = "mirakl"
    mount = "/mirakl/api"
    secrets = {"CONFORMANCE_MIRAKL_KEY": "canary-of-the-suite-mirakl-1"}
    store = str(SHOP)
    elsewhere = {"shop_id": SHOP + 1}

    def account(self, **said: Any) -> dict[str, Any]:
        (key,) = self.secrets
        imports = {"wait_s": 5, "deadline_s": 60}
        return {
            "api_key": {"env": key},
            "shop_id": SHOP,
            "orders": {},
            "several_parcels": True,
            **self.distances(0),
            "imports": imports,
            **said,
        }

    def distances(self, seconds: float) -> dict[str, Any]:
        kinds, calls = ("offers", "prices", "stock"), ("", "_status", "_report")
        return {"calls": {f"{kind}{call}_s": seconds for kind in kinds for call in calls}}

    def limits(self, items: int | None = None, size: int | None = None) -> dict[str, Any]:
        most = items or 1_000
        return {"batch": most, "file_lines": most, "max_bytes": size or 5_000_000}

    def seed(self, ids: Sequence[str], limits: Limits) -> dict[str, Any]:
        (key,) = self.secrets.values()
        shop = {
            "api_key": key,
            "shop_id": SHOP,
            "processing_s": 0,
            "max_offers": limits.most_items,
            "hour_limit": limits.per_minute,
            "intervals": dict.fromkeys(CALLS, limits.distance_s),
            **limits.imports,
        }
        products = [
            {"sku": i, "title": f"P {i}", "references": [{"type": "EAN", "value": barcode(i)}]}
            for i in ids
        ]
        return {"mirakl": {"shops": [shop], "products": products}}

    def item(self, platform_id: str, price: str, *, stock: str = "in_stock") -> PriceItem:
        return super().item(platform_id, price, stock=stock)._replace(platform_sku=platform_id)

    def drift(self, sandbox: SandboxProcess) -> None:
        match = {"path": f"{self.mount}/offers", "nth": 2}
        sandbox.scenario("page_drift", match=match, insert=3, remove=5)

    def barcodes(self, ids: Sequence[str]) -> list[str]:
        return [barcode(i) for i in ids]


BENCH = MiraklBench()
