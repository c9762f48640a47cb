"""Telling whether a process still runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from marketsync_dagster.ledger import processes
from marketsync_dagster.ledger.processes import Process, is_gone, this_host, this_process


def test_this_process_is_not_gone_and_keeps_its_identity() -> None:
    assert this_process() == this_process()
    assert not is_gone(this_process())


def test_a_process_that_has_ended_is_gone() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert is_gone(Process(this_host(), child.pid, "1"))


def test_a_process_of_another_host_cannot_be_judged() -> None:
    assert not is_gone(Process("elsewhere#00000000", 1, "1"))


def test_a_pid_with_another_start_is_another_process() -> None:
    assert is_gone(replace(this_process(), start="1"))


def test_the_host_has_a_name_and_a_mark() -> None:
    name, _, mark = this_host().partition("#")
    assert name
    assert len(mark) == 8


def test_where_a_start_cannot_be_told_the_pid_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    monkeypatch.setattr(processes, "_start_of", lambda pid: None)
    assert not is_gone(this_process())
    assert is_gone(Process(this_host(), child.pid, ""))


@pytest.mark.parametrize("source", ["_start_from_proc", "_start_from_ps"])
def test_running_killed_and_never_seen_processes_are_told_apart(source: str) -> None:
    if source == "_start_from_proc" and not Path("/proc/self/stat").exists():
        pytest.skip("no /proc on this system")
    if source == "_start_from_ps" and shutil.which("ps") is None:
        pytest.skip("no ps on this system")
    start_of = getattr(processes, source)
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    first = start_of(child.pid)
    assert first not in (None, "", processes.DEAD)
    assert start_of(child.pid) == first
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert start_of(child.pid) == processes.DEAD  # a zombie
    child.communicate()
    assert start_of(child.pid) == processes.DEAD
