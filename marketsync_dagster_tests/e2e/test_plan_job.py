"""The job `plan` from the launchpad: a dry run."""

from __future__ import annotations

import json

import pytest

from marketsync_dagster_tests.e2e.deployment import OUTLETS, Deployment

pytestmark = pytest.mark.xdist_group("deployment")


def test_the_plan_job_shows_its_plan_and_sends_and_materializes_nothing(
    synced: Deployment,
) -> None:
    before = synced.sandbox.last_request()
    config = {"ops": {"preview": {"config": {"platform": "tracker_ke", "mode": "full"}}}}
    run = synced.dagster.launch("plan", config)
    synced.dagster.succeeded(run)
    assert synced.dagster.materialized(run) == {}
    assert synced.sandbox.requests(before) == []
    metadata = {
        entry["label"]: entry
        for event in synced.dagster.events(run)
        if event["__typename"] == "ExecutionStepOutputEvent"
        for entry in event["metadataEntries"]
    }
    rows = [json.loads(record) for record in metadata["plan"]["table"]["records"]]
    assert [row["outlet"] for row in rows] == list(OUTLETS)
    for row in rows:
        assert row["to_send"] + row["held"] == synced.shown(row["outlet"], "tracker_ke").expected
    assert metadata["to_send"]["intValue"] == sum(row["to_send"] for row in rows)
