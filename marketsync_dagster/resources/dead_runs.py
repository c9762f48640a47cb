"""Runs that go on only on paper: their process was killed, or their machine restarted.

Dagster notices that only of runs that its own code server watched to the end; any other stays
"started" for ever, takes one of the few places for runs, and lets every schedule of its job skip.
So each run carries the name of its process, and whoever asks which runs are active, or starts one
by hand, ends the dead ones first. What they left in the ledger is `push.recovery`'s matter.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import dagster as dg

PROCESS_TAG = ".dagster/marketsync_process"
"""Run tag with host, pid and start of the process that executes the run, as JSON. The UI shows no
tag whose name begins with `.dagster/`: it is for programs."""
_ON_PAPER = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
_noted: set[str] = set()


def process_tags() -> dict[str, str]:
    """The tag of a run that this process executes."""
    from marketsync_dagster.ledger.processes import this_process

    return {PROCESS_TAG: json.dumps(asdict(this_process()) | {"boot": _boot()})}


def note_process(instance: dg.DagsterInstance, run_id: str, tags: Mapping[str, str]) -> None:
    """Write the tag for a run that somebody else has started, once per process."""
    if run_id in _noted:
        return
    _noted.add(run_id)
    wanted = process_tags()
    if tags.get(PROCESS_TAG) != wanted[PROCESS_TAG]:
        instance.add_run_tags(run_id, wanted)


def end_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark every run as failed whose process is certainly gone; returns their ids."""
    ended = []
    for run in instance.get_runs(dg.RunsFilter(statuses=_ON_PAPER)):
        if words := _why_dead(run.tags.get(PROCESS_TAG, "")):
            step = "the next run of its outlets sends what was not acknowledged"
            instance.report_run_failed(run, f"{words}; {step}")
            ended.append(run.run_id)
    return ended


def _why_dead(tag: str) -> str:
    """Why the process of a tag runs no more; empty if it may."""
    from marketsync_dagster.ledger.processes import Process, is_gone, this_host

    try:
        said = json.loads(tag)
        process, boot = Process(said["host"], said["pid"], said["start"]), said["boot"]
    except (ValueError, LookupError, TypeError):  # not ours, or before this tag was written
        return ""
    name, ours = (host.partition("#")[0] for host in (process.host, this_host()))
    if boot and _boot() and name == ours and boot != _boot():
        return f"{name} has restarted since its process {process.pid} was started"
    if is_gone(process):
        return f"its process {process.pid} on {name} was killed"
    return ""


def _boot() -> str:
    """Changes with each start of this machine; empty where that cannot be told."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:  # not Linux
        return ""
