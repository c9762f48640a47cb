"""Tracker KE, signed and with its secret in clear: everything that a request can carry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from marketsync_dagster_tests.conformance.bench import Bench, Limits


class TrackerBench(Bench):
    platform = "tracker_ke"
    mount = "/tracker_ke/api/v1"
    secrets = {
        "CONFORMANCE_TRACKER_KEY": "pk_demo_canary_of_the_suite_1",
        "CONFORMANCE_TRACKER_SECRET": "sk_secret_canary_of_the_suite_1",
    }
    store = "carrefour"
    wrong_kind = ("pk_live_canary_of_the_suite_1", {"environment": "demo"})
    passing = "Internal error"
    lasting = "Product not found"

    def account(self, **said: Any) -> dict[str, Any]:
        key, secret = self.secrets
        signed = {"signing": "tracker_doc", "api_secret": {"env": secret}, "send_secret": True}
        return {"api_key": {"env": key}, **signed, **said}

    def limits(self, items: int | None = None, size: int | None = None) -> dict[str, Any]:
        return {"batch": items or 500, "max_bytes": size or 90_000}

    def seed(self, ids: Sequence[str], limits: Limits) -> dict[str, Any]:
        key, secret = self.secrets.values()
        account = {
            "api_key": key,
            "api_secret": secret,
            "signing": "tracker_doc",
            "supermarket_id": self.store,
            "plan": "unlimited",
            "max_items": limits.most_items or 500,
            "per_minute": limits.per_minute,
            "demo": True,
        }
        products = [{"id": i, "name": f"Product {i}", "demo": True} for i in ids]
        return {"tracker_ke": {"accounts": [account], "products": products}}


BENCH = TrackerBench()
