"""A run terminated from the UI in the middle of a push."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import select

from marketsync_dagster.ledger import tables as t
from marketsync_dagster.ledger.leases import holder_of
from marketsync_dagster.stages.channel_run import lease_name
from marketsync_dagster_tests.e2e.deployment import SMALL_BATCH, Deployment
from marketsync_dagster_tests.e2e.graphql import wait_for

pytestmark = pytest.mark.xdist_group("deployment")


def test_a_terminated_run_ends_its_batch_and_the_next_run_sends_the_rest(
    synced: Deployment,
) -> None:
    dagster, sandbox = synced.dagster, synced.sandbox
    rows = synced.shown("westlands", "tracker_ke").expected
    assert rows > 12 * SMALL_BATCH
    before = sandbox.last_request()
    sandbox.settings(delay_ms=300)
    try:
        run = synced.launch("push_tracker_ke", "westlands", mode="full")
        wait_for("the third batch", lambda: len(_batches(synced, before)) >= 3 or None)
        dagster.terminate(run)
        asked = time.monotonic()
        assert dagster.end_of(run)["status"] == "CANCELED"
        assert time.monotonic() - asked < 10
    finally:
        sandbox.settings(delay_ms=0)
    sent = len(_batches(synced, before))
    assert 3 <= sent < 12
    push, batches = _last_push(synced)
    assert (push["run_id"], push["state"]) == (run, "interrupted")
    assert (push["applied"], push["retryable"]) == (sent * SMALL_BATCH, rows - sent * SMALL_BATCH)
    assert push["calls"] == sent
    assert "intended" not in {batch["state"] for batch in batches}
    with synced.project() as project:
        assert holder_of(project.ledger, lease_name("westlands", "tracker_ke")) is None

    again = sandbox.last_request()
    dagster.succeeded(synced.launch("push_tracker_ke", "westlands"))
    assert synced.writes(again) == {"tracker_westlands": rows - sent * SMALL_BATCH}
    assert synced.shown("westlands", "tracker_ke").equal == rows


def _batches(deployment: Deployment, since: int) -> list[dict]:
    found = deployment.sandbox.requests(since, account="tracker_westlands")
    return [request for request in found if request["method"] == "POST"]


def _last_push(deployment: Deployment) -> tuple[dict, list[dict]]:
    wanted = (t.push.c.outlet == "westlands") & (t.push.c.platform == "tracker_ke")
    query = select(t.push).where(wanted).order_by(t.push.c.started_at.desc())
    with deployment.project() as project, project.ledger.read() as connection:
        push = dict(connection.execute(query).mappings().first() or {})
        batches = select(t.push_batch).where(t.push_batch.c.push_id == push["id"])
        return push, [dict(row) for row in connection.execute(batches).mappings()]
