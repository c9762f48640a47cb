"""A plan that the guard holds: decided by a person, sent by the sensor `pending_retries`."""

from __future__ import annotations

from decimal import Decimal

import pytest

from marketsync_dagster_tests.e2e.deployment import Deployment
from marketsync_dagster_tests.e2e.graphql import wait_for

pytestmark = pytest.mark.xdist_group("deployment")


def test_a_hundredfold_extract_is_held_until_a_person_approves_it(synced: Deployment) -> None:
    # what Pasons shows of mombasa waits for a person, and a first push has nothing to be held by
    synced.marketsync("run", "push_pasons", "--outlet", "mombasa")
    dagster, before = synced.dagster, synced.sandbox.last_request()
    till = synced.tills["mombasa"]
    sku = synced.mapped("mombasa", "1.00", "30.00")[2]
    was = synced.price("mombasa", sku)
    till.reprice(lambda _, price: price * 100)
    till.put()

    run = dagster.end_of(synced.launch("partial_sync", "mombasa"))
    assert run["status"] == "FAILURE"
    said = dagster.failures(run["runId"])
    assert "mombasa: held" in said
    assert "marketsync plans show" in said
    assert synced.writes(before) == {}
    held = synced.answer("plans", "list", "--state", "held")
    waiting = {plan["platform"]: plan for plan in held if plan["outlet"] == "mombasa"}
    plan = waiting["tracker_ke"]
    assert plan["plan_id"] in said

    words = ("--by", "Jane Doe", "--reason", "the till now counts in cents")
    decided = synced.answer("approve", plan["plan_id"], *words)
    assert decided["state"] == "approved"
    sensor = dagster.start_sensor("pending_retries")
    try:
        sent = wait_for(
            "a run of pending_retries",
            lambda: dagster.runs(marketsync__trigger="pending_retries") or None,
        )
    finally:
        dagster.stop_sensor(sensor)
    assert [one["jobName"] for one in sent] == ["push_tracker_ke"]
    dagster.succeeded(sent[0]["runId"])
    assert synced.price("mombasa", sku) == was * 100
    assert set(synced.writes(before)) == {"tracker_mombasa"}
    push, *_ = synced.answer("history", "--outlet", "mombasa")
    assert (push["platform"], push["created_by"]) == ("tracker_ke", "Jane Doe")
    assert Decimal(push["item_count"]) == plan["to_send"] + plan["held"]
