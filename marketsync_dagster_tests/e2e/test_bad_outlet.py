"""One bad outlet in a run over all: it alone fails, and the next good file heals it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from marketsync_dagster_tests.e2e.deployment import Deployment
from marketsync_dagster_tests.e2e.graphql import wait_for

pytestmark = pytest.mark.xdist_group("deployment")

GUARDED = ("pos/extract", "tracker_ke/listings", "pasons/listings")


def test_a_truncated_extract_stops_its_outlet_alone_and_the_next_good_file_heals_it(
    synced: Deployment,
) -> None:
    dagster, before = synced.dagster, synced.sandbox.last_request()
    westlands, kisumu = synced.tills["westlands"], synced.tills["kisumu"]
    sku, other = (synced.mapped(outlet, "11.00", "30.00")[1] for outlet in ("westlands", "kisumu"))
    kisumu.set_price(other, "22.00")
    kisumu.put()
    westlands.set_price(sku, "20.00")
    content = westlands.content()
    westlands.put(content[: content.rindex(b"\r\n", 0, -2) + 12])

    bad = dagster.end_of(synced.launch("partial_sync", "westlands", "mombasa"))
    assert bad["status"] == "FAILURE"
    said = dagster.failures(bad["runId"])
    assert "westlands" in said
    assert "the last line lacks columns" in said
    assert "kisumu" not in said
    for name in GUARDED:
        asset = dagster.asset(name)
        assert asset["assetPartitionStatuses"] == {
            "materializedPartitions": ["kisumu", "mombasa"],
            "failedPartitions": ["westlands"],
            "unmaterializedPartitions": [],
        }, name
        assert asset["partitionStats"] == {
            "numPartitions": 3,
            "numMaterialized": 2,
            "numFailed": 1,
        }, name
    assert _every_outlet(synced) == (False, "1 of 3 outlets need attention: westlands")
    assert synced.price("kisumu", other) == Decimal("24.00")  # 22.00 + 7.5 %, up to the next half
    assert not {"tracker_westlands", "017"} & set(synced.writes(before))
    assert "outlet westlands failed at pos_extract: " in _told(synced)

    westlands.put(content)
    dagster.succeeded(synced.launch("partial_sync", "westlands"))
    assert synced.price("westlands", sku) == Decimal("21.00")  # 20.00 + 5 %, whole shillings
    for name in GUARDED:
        assert dagster.asset(name)["partitionStats"]["numMaterialized"] == 3, name
    assert _every_outlet(synced) == (True, "0 of 3 outlets need attention")


def _every_outlet(deployment: Deployment) -> tuple[bool, str]:
    found = deployment.dagster.asset("pos/extract")["checks"]["every_outlet"]
    return found["evaluation"]["success"], found["evaluation"]["description"]


def _told(deployment: Deployment) -> str:
    """What people are told by the daemon's next look, and the check that nothing else ran for."""
    sensor = deployment.dagster.start_sensor("failure_alerts")
    try:
        wait_for("a message", lambda: deployment.alerts.messages or None)
    finally:
        deployment.dagster.stop_sensor(sensor)
    (message,) = deployment.alerts.messages
    (row,) = [
        row for row in deployment.answer("alerts", "list", "--open") if row["outlet"] == "westlands"
    ]
    assert (row["kind"], row["delivery"]) == ("outlet_failed", "delivered")
    return str(message["message"])
