"""Pasons as its default contract has it, with a result for every item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster_tests.conformance.bench import Bench, Limits

UNPROVEN = Outcome.ACCEPTED_UNVERIFIED


class PasonsBench(Bench):
    platform = "pasons"
    mount = "/pasons/017"
    secrets = {
        "CONFORMANCE_PASONS_KEY": "canary-of-the-suite-pasons-1",
        "CONFORMANCE_PASONS_SECRET": "canary-of-the-suite-pasons-2",
    }
    store = "017"
    channel = {"store_id": "017"}
    elsewhere = {"base_url": "/pasons/018"}
    passing = {"code": "TEMPORARILY_UNAVAILABLE", "message": "Try again later"}
    lasting = {"code": "UNKNOWN_SKU", "message": "This SKU is not listed at the store"}
    # the account says what it holds of answers that say nothing: response.if_absent
    ends = {
        "200 with an empty object": UNPROVEN,
        "200 with an empty list": UNPROVEN,
        "204 without a body": UNPROVEN,
        "no result at all": Outcome.APPLIED,  # the counts beside them add up
    }

    def account(self, **said: Any) -> dict[str, Any]:
        key, secret = self.secrets
        auth = {"scheme": "bearer", "key": {"env": key}, "secret": {"env": secret}}
        return {"auth": auth, "response": {"results": "all"}, **said}

    def limits(self, items: int | None = None, size: int | None = None) -> dict[str, Any]:
        return {"request": {"batch": items or 500, "max_bytes": size or 250_000}}

    def seed(self, ids: Sequence[str], limits: Limits) -> dict[str, Any]:
        key, secret = self.secrets.values()
        store = {
            "store_id": self.store,
            "api_key": key,
            "api_secret": secret,
            "skus": list(ids),
            "results": "all",
            "max_items": limits.most_items or 500,
            "per_minute": limits.per_minute,
        }
        return {"pasons": {"stores": [store]}}


BENCH = PasonsBench()
