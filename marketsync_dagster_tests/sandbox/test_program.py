"""The sandbox as a program: ports, the ready line, the state file, and its end."""

from __future__ import annotations

import ast
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import marketsync_dagster.sandbox as package
from marketsync_dagster_tests.sandbox.calls import (
    batch,
    item,
    price,
    push,
    seed_store,
    seed_tracker,
    tracker,
)
from marketsync_dagster_tests.sandbox_process import SandboxError, SandboxProcess

COMMAND = [sys.executable, "-m", "marketsync_dagster.sandbox"]


def test_the_ready_line_says_url_and_pid_and_sigterm_ends_it_well(tmp_path: Path) -> None:
    ready = tmp_path / "new folder" / "ready.json"
    process = subprocess.Popen(
        [*COMMAND, "--port", "0", "--ready-file", str(ready)], stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        line = json.loads(process.stdout.readline())
        assert line["pid"] == process.pid
        parts = urlsplit(line["url"])
        assert parts.hostname == "127.0.0.1"
        socket.create_connection((parts.hostname, parts.port), timeout=2).close()
        assert json.loads(ready.read_text()) == line
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0
        assert process.stdout.read() == b""
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def test_a_busy_port_is_stepped_over() -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        taken = busy.getsockname()[1]
        with SandboxProcess(port=taken) as sandbox:
            port = urlsplit(sandbox.url).port
            assert port is not None
            assert taken < port <= taken + 50
            assert tracker(sandbox, "GET", "/health").status == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.invalid"])
def test_only_loopback_is_served(host: str) -> None:
    finished = subprocess.run(
        [*COMMAND, "--port", "0", "--host", host], capture_output=True, text=True, timeout=20
    )
    assert finished.returncode == 1
    assert "loopback" in finished.stderr
    assert "Traceback" not in finished.stderr


def test_a_seed_file_and_switches_are_taken_at_the_start(tmp_path: Path) -> None:
    seed = tmp_path / "seed.json"
    store = {"store_id": "017", "api_key": "k_obviously_fake", "per_minute": 1}
    seed.write_text(json.dumps({"pasons": {"stores": [store]}}))
    with SandboxProcess("--seed", str(seed), "--no-quota", "--delay-ms", "3") as sandbox:
        key = {"Authorization": "Bearer k_obviously_fake"}
        assert [push(sandbox, [item()], headers=key).status for _ in range(2)] == [200, 200]
        sandbox.settings(delay_ms=0, quota=True)
        sandbox.reset()
        settings = sandbox.control("GET", "/settings")
        assert (settings["delay_ms"], settings["quota"]) == (3, False)


@pytest.mark.parametrize("content", [None, "{", "[]", '{"pasons": {"stores": [{}]}}'])
def test_a_bad_seed_file_is_named(tmp_path: Path, content: str | None) -> None:
    seed = tmp_path / "seed.json"
    if content is not None:
        seed.write_text(content)
    with pytest.raises(SandboxError, match=r"seed\.json"):
        SandboxProcess("--seed", str(seed)).start()


def test_what_is_shown_outlives_the_process(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    with SandboxProcess("--state", str(state)) as sandbox:
        seed_tracker(sandbox)
        seed_store(sandbox)
        batch(sandbox, price(amount=60.005, location="Westlands"))
        push(sandbox, [item("0001", 8.5, 0)])
        synced = {"external_id": "A", "name": "N", "category": "C", "barcode": "6160000000077"}
        reply = tracker(sandbox, "POST", "/products/sync", {"products": [synced]})
        product = reply.data["mappings"][0]["tracker_id"]
        before, last, catalog = sandbox.state(), sandbox.last_request(), sandbox.catalog()
    assert state.stat().st_mode & 0o077 == 0
    with SandboxProcess("--state", str(state)) as sandbox:
        assert sandbox.state() == before
        assert sandbox.catalog() == catalog
        assert sandbox.last_request() == last
        again = tracker(sandbox, "POST", "/products/sync", {"products": [synced]}).data
        assert again["mappings"][0] == {
            "external_id": "A",
            "tracker_id": product,
            "action": "updated",
        }
        assert batch(sandbox, price(amount=61)).status == 200
        assert sandbox.state("tracker_ke", "mart")["prod_1"]["request"] > last
        sandbox.reset(keep_seed=True)
        assert len(sandbox.catalog()) == 3


def test_changes_are_in_the_state_file_within_a_second(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    with SandboxProcess("--state", str(state)) as sandbox:
        seed_store(sandbox)
        push(sandbox, [item()])
        shown = sandbox.state()
        deadline = time.monotonic() + 1.5
        while "0001" not in (state.read_text() if state.exists() else ""):
            assert time.monotonic() < deadline, "not saved in time"
            time.sleep(0.05)
        sandbox.kill()
    with SandboxProcess("--state", str(state)) as sandbox:
        assert sandbox.state() == shown
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


@pytest.mark.parametrize("content", ["", "{}", '{"version": 99}', '{"version": 1, "accounts": 5}'])
def test_a_foreign_state_file_is_refused_and_left_alone(tmp_path: Path, content: str) -> None:
    state = tmp_path / "state.json"
    state.write_text(content)
    with pytest.raises(SandboxError, match=r"state\.json"):
        SandboxProcess("--state", str(state)).start()
    assert state.read_text() == content


def test_it_ends_with_its_parent_and_in_the_middle_of_a_hang() -> None:
    sandbox = SandboxProcess()
    sandbox.start()
    try:
        seed_store(sandbox)
        sandbox.scenario("hang", seconds=60)
        with pytest.raises(TimeoutError):
            push(sandbox, [item()], timeout=0.05)
        process = sandbox._process
        assert process is not None
        assert process.stdin is not None
        # what the operating system does when this process dies
        process.stdin.close()
        assert process.wait(5) == 0
    finally:
        sandbox.kill()


def test_it_runs_in_a_process_group_of_its_own(sandbox: SandboxProcess) -> None:
    assert os.getpgid(sandbox.pid) == sandbox.pid != os.getpgrp()


def test_it_shares_no_code_with_what_it_tests() -> None:
    folder = Path(package.__file__).parent
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, path.name
                names = [node.module or ""]
            for name in names:
                foreign = name.startswith("marketsync") and not name.startswith(package.__name__)
                assert not foreign, f"{path.name} imports {name}"


def test_nothing_of_the_package_but_the_sandbox_is_loaded() -> None:
    script = (
        "import sys, marketsync_dagster.sandbox.server; "
        "print([m for m in sys.modules if m.startswith('marketsync_dagster.') "
        "and not m.startswith('marketsync_dagster.sandbox')])"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert found.stdout.strip() == "[]"
