"""Ledger and Dagster's own storage in PostgreSQL: daemon, webserver, and a schedule that runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from marketsync_dagster_tests.e2e.deployment import OUTLETS, Deployment
from marketsync_dagster_tests.e2e.graphql import wait_for
from marketsync_dagster_tests.ledgers import new_ledger_url

SCHEDULE = "partial_sync_schedule"
PASSWORD = "pg_example_password"
SQLITE = b"SQLite format 3\0"

pytestmark = pytest.mark.xdist_group("postgres")


@pytest.fixture
def url(tmp_path: Path) -> str:
    """An empty database; the server takes any password."""
    plain = make_url(new_ledger_url("postgresql", tmp_path))
    return plain.set(password=PASSWORD).render_as_string(hide_password=False)


@pytest.fixture
def deployment(tmp_path: Path, url: str) -> Iterator[Deployment]:
    with Deployment(tmp_path / "deployment", "partial", url) as running:
        yield running


def test_a_schedule_pushes_every_outlet_with_all_state_in_postgres(
    deployment: Deployment, url: str
) -> None:
    dagster = deployment.dagster
    state = dagster.start_schedule(SCHEDULE)
    runs = wait_for("a tick", lambda: dagster.runs(dagster__schedule_name=SCHEDULE) or None)
    arguments = deployment.arguments()
    dagster.stop_schedule(SCHEDULE, state)
    run = dagster.succeeded(runs[-1]["runId"])

    assert run["jobName"] == "partial_sync"
    assert run["tags"]["dagster/asset_partition_range_end"] == OUTLETS[-1]
    for platform in ("tracker_ke", "pasons"):
        for outlet in OUTLETS:
            shown = deployment.shown(outlet, platform)
            automatic = (outlet, platform) != ("mombasa", "pasons")
            assert shown.equal == (shown.expected if automatic else 0), shown
            # without `product_sync` Tracker KE has the ids of the maintained mapping file alone
            assert shown.expected > (900 if platform == "pasons" else 2)
    # a command finds the same ledger and the same history
    assert deployment.answer("history")[0]["status"] == "success"

    assert [path for path in _files(deployment.root) if _is_sqlite(path)] == []
    with psycopg.connect(url) as conn:
        counts = [
            conn.execute(f"SELECT count(*) FROM {table}".encode()).fetchone() or (0,)
            for table in ("listing", "push", "runs", "event_logs", "job_ticks")
        ]
    assert all(count > 0 for (count,) in counts), counts
    # nor is the password where it does not belong
    assert len(arguments) >= 3
    assert not [words for words in arguments if PASSWORD in words]
    assert not [path for path in _files(deployment.root) if PASSWORD.encode() in path.read_bytes()]


def _files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


def _is_sqlite(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(SQLITE)) == SQLITE
