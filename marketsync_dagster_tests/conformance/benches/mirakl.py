"""A shop on Mirakl, whose imports end at once; its offers are called like its products."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

from marketsync_dagster.platforms.base import PriceItem
from marketsync_dagster_tests.conformance.bench import Bench, Limits
from marketsync_dagster_tests.sandbox_process import SandboxProcess

SHOP = 2001
CALLS = "OF24 OF02 OF03 OF04 PRI01 PRI02 PRI03 STO01 STO02 STO03 A01 OF61 SH21".split()
"""Calls of which there is a least time between two: here none."""


def barcode(platform_id: str) -> str:
    """A made-up EAN of a product."""
    return f"4{zlib.crc32(platform_id.encode()):012}"


class MiraklBench(Bench):
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
