"""One outlet backfilled from the lineage page."""

from __future__ import annotations

from typing import Any

import pytest

from marketsync_dagster_tests.e2e.deployment import Deployment
from marketsync_dagster_tests.e2e.graphql import wait_for

pytestmark = pytest.mark.xdist_group("deployment")

CHAIN = [
    "pos/extract",
    "pos/catalog",
    *(
        f"{platform}/{part}"
        for platform in ("tracker_ke", "pasons")
        for part in ("sku_mapping", "price_feed", "listings")
    ),
]


def test_a_backfill_of_one_outlet_sends_every_row_of_it_and_nothing_else(
    synced: Deployment,
) -> None:
    before = synced.sandbox.last_request()
    together = synced.dagster.together_with(CHAIN)
    assert together == ["pos/rejects"]
    backfill = synced.dagster.backfill([*CHAIN, *together], ["kisumu"])

    def ended() -> dict[str, Any] | None:
        found = synced.dagster.backfill_status(backfill)
        return found if found["status"] not in ("REQUESTED", "CANCELING") else None

    status = wait_for("the end of the backfill", ended)
    (run,) = status["runs"]
    said = synced.dagster.failures(run["runId"])
    assert status["status"] == "COMPLETED_SUCCESS", (status, said)
    materialized = synced.dagster.materialized(run["runId"])
    assert materialized == {asset: ["kisumu"] for asset in [*CHAIN, *together]}
    rows = {p: synced.shown("kisumu", p).expected for p in ("tracker_ke", "pasons")}
    assert synced.writes(before) == {"tracker_kisumu": rows["tracker_ke"], "018": rows["pasons"]}
    for platform, count in rows.items():
        push, *_ = synced.answer("history", "--outlet", "kisumu", "--platform", platform)
        assert (push["push_type"], push["item_count"], push["status"]) == ("full", count, "success")
        assert push["created_by"] == f"backfill {backfill}"
