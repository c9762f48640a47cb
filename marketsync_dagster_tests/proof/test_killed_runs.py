"""A Dagster run is SIGKILLed inside its push op: the next run mends it, and nothing is left over.

The run is `marketsync run`, a real process with a real Dagster instance on disk.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest

from marketsync_dagster.automation.schedules import active_run
from marketsync_dagster.resources import dead_runs
from marketsync_dagster.resources.dead_runs import PROCESS_TAG, end_dead_runs, process_tags
from marketsync_dagster_tests.e2e.deployment import clean_environment
from marketsync_dagster_tests.faults.scenes import judge, shown_bed
from marketsync_dagster_tests.projects import TestBed
from marketsync_dagster_tests.proof.killed_command import BETWEEN
from marketsync_dagster_tests.sandbox_process import SandboxProcess

PLATFORM = "tracker_ke"
DAGSTER = "telemetry: {enabled: false}\nconcurrency: {runs: {max_concurrent_runs: 1}}\n"


def command(bed: TestBed, module: str, *words: str) -> subprocess.CompletedProcess[str]:
    """One command in the folder of the project, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", module, *words],
        cwd=bed.root,
        env=clean_environment()
        | {
            **bed.place.variables,
            "MARKETSYNC_DATABASE_URL": bed.place.ledger_url,
            "DAGSTER_HOME": str(bed.root / ".dagster"),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@contextmanager
def instance_of(bed: TestBed) -> Iterator[dg.DagsterInstance]:
    """The Dagster instance that the commands write to."""
    with dg.DagsterInstance.from_config(str(bed.root / ".dagster")) as instance:
        yield instance


def statuses(instance: dg.DagsterInstance) -> list[str]:
    """Of all runs, oldest first."""
    return [run.status.value for run in reversed(list(instance.get_runs()))]


def words_of_the_end(instance: dg.DagsterInstance, run_id: str) -> str:
    """What the instance says of how a run failed."""
    failed = dg.DagsterEventType.PIPELINE_FAILURE
    (entry,) = instance.get_records_for_run(run_id, of_type=failed).records
    return entry.event_log_entry.message


def test_a_run_that_is_killed_in_its_push_op_is_mended_by_the_next(
    tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    """Once between plan and push, once after a request was answered and before that is noted."""
    bed = shown_bed(tmp_path, fresh_sandbox, PLATFORM)
    (bed.root / "dagster.yaml").write_text(DAGSTER)
    for point, sent in ((BETWEEN, 0), ("answered", 1)):
        before = fresh_sandbox.last_request()

        killed = command(
            bed, "marketsync_dagster_tests.proof.killed_command", point, "run", "partial_sync"
        )

        assert killed.returncode == -signal.SIGKILL, (killed.stdout, killed.stderr)
        assert len(bed.writes(before)) == sent
        assert [push["state"] for push in bed.pushes()][1:] == ["open"] * sent
    with instance_of(bed) as instance:
        # nobody was left to say that the second ended; it has ended the first
        assert statuses(instance) == ["FAILURE", "STARTED"]
        dead, buried = instance.get_runs()
        assert json.loads(dead.tags[PROCESS_TAG])["pid"] > 0
        assert "was killed; the next run" in words_of_the_end(instance, buried.run_id)

    mended = command(bed, "marketsync_dagster.cli.main", "run", "partial_sync", "--json")

    assert mended.returncode == 0, (mended.stdout, mended.stderr)
    with instance_of(bed) as instance:
        assert statuses(instance) == ["FAILURE", "FAILURE", "SUCCESS"]
        assert "was killed; the next run" in words_of_the_end(instance, dead.run_id)
        # no slot of a pool and no place in the queue stays taken
        assert active_run(instance, "partial_sync") is None
        storage = instance.event_log_storage
        keys = storage.get_concurrency_keys()
        assert not any(storage.get_concurrency_info(key).active_run_ids for key in keys)
    assert [push["state"] for push in bed.pushes()][1:] == ["interrupted", "done"]
    assert judge(bed, PLATFORM).clean


# --- which runs are dead


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def started(instance: dg.DagsterInstance, tags: dict[str, str]) -> str:
    """A run that has begun, as its process left it; its id."""
    run = instance.create_run_for_job(_nothing, tags=tags)
    instance.report_dagster_event(
        dg.DagsterEvent(dg.DagsterEventType.PIPELINE_START.value, _nothing.name), run.run_id
    )
    return run.run_id


@dg.job
def _nothing() -> None:
    """A job without steps."""


def tags_of(**changes: object) -> dict[str, str]:
    said = json.loads(process_tags()[PROCESS_TAG])
    return {PROCESS_TAG: json.dumps(said | changes)}


@pytest.mark.parametrize(
    ("tags", "dead"),
    [
        (process_tags(), False),
        (tags_of(start="1"), True),
        (tags_of(pid=2**22 + 1), True),
        (tags_of(boot="another", host="elsewhere#1"), False),
        (tags_of(start="1", host="elsewhere#1"), False),
        ({PROCESS_TAG: "{}"}, False),
        ({PROCESS_TAG: "rubbish"}, False),
        ({}, False),
    ],
    ids="alive pid-used-again gone another-machine seen-from-afar empty rubbish untagged".split(),
)
def test_a_run_is_ended_only_if_its_process_is_certainly_gone(
    tags: dict[str, str], dead: bool, instance: dg.DagsterInstance
) -> None:
    run = started(instance, tags)

    assert end_dead_runs(instance) == [run] * dead

    record = instance.get_run_by_id(run)
    assert record is not None
    assert record.is_failure == dead
    assert (active_run(instance, _nothing.name) is None) == dead


def test_a_run_does_not_outlive_a_restart_of_its_machine(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = started(instance, tags_of(host=f"{dead_runs_host()}#before", boot="before"))
    monkeypatch.setattr(dead_runs, "_boot", lambda: "after")

    assert end_dead_runs(instance) == [run]

    assert "has restarted since its process" in words_of_the_end(instance, run)


def dead_runs_host() -> str:
    """This machine's name."""
    return json.loads(process_tags()[PROCESS_TAG])["host"].partition("#")[0]
