"""The sandbox as a child: seeded from the configuration, found by other commands, surely ended."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from marketsync_dagster.automation.dagster_home import prepare_dagster_home
from marketsync_dagster.cli import children
from marketsync_dagster.cli.demo_values import (
    demo_secrets,
    is_local,
    sandbox_seed,
    set_demo_secrets,
)
from marketsync_dagster.cli.dev import free_port, workspace
from marketsync_dagster.cli.local import prepare
from marketsync_dagster.config.load import load_settings
from marketsync_dagster.values.errors import ConfigError
from marketsync_dagster_tests.cli.conftest import CONFIG, Run

ROOT = Path(__file__).resolve().parents[2]


def test_the_seed_follows_the_configuration(project: Path) -> None:
    settings = load_settings()
    assert demo_secrets(settings) == {
        "TRACKER_MAIN_KEY": "pk_demo_example_main",
        "TRACKER_SIDE_KEY": "pk_demo_example_side",
        "PASONS_MAIN_KEY": "pasons_example_main",
    }
    seed = sandbox_seed(settings)
    assert [a["supermarket_id"] for a in seed["tracker_ke"]["accounts"]] == [
        *("tracker_main", "tracker_side")
    ]
    assert "prod_1" in {product["id"] for product in seed["tracker_ke"]["products"]}
    (store,) = seed["pasons"]["stores"]
    assert (store["store_id"], store["api_key"]) == ("017", "pasons_example_main")


def test_accounts_beyond_this_machine_get_no_made_up_secret(project: Path) -> None:
    text = CONFIG.replace("${MARKETSYNC_SANDBOX_URL:-http://127.0.0.1:1}", "https://api.example", 1)
    (project / "marketsync.yaml").write_text(text)
    settings = load_settings()
    assert "TRACKER_MAIN_KEY" not in demo_secrets(settings)
    assert len(sandbox_seed(settings)["tracker_ke"]["accounts"]) == 1
    assert not is_local("https://api.example")
    assert not is_local("https://127.evil.example.com".replace("127.", "x127."))


def test_the_demo_touches_no_account_beyond_this_machine(project: Path, run: Run) -> None:
    text = CONFIG.replace("${MARKETSYNC_SANDBOX_URL:-http://127.0.0.1:1}", "https://api.example", 1)
    (project / "marketsync.yaml").write_text(text)
    (project / ".marketsync").mkdir()
    (project / ".marketsync" / "ledger.db").write_text("precious")
    result = run("demo")
    assert result.code == 1
    assert "accounts beyond this machine" in result.err
    assert (project / ".marketsync" / "ledger.db").read_text() == "precious"


def test_a_secret_that_is_set_stays(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TRACKER_MAIN_KEY", "TRACKER_SIDE_KEY", "PASONS_MAIN_KEY"):
        monkeypatch.setenv(name, "")  # undone at the end, with what is set below
    monkeypatch.setenv("TRACKER_MAIN_KEY", "pk_demo_my_own_key")
    settings = load_settings()
    assert set_demo_secrets(settings) == ["TRACKER_SIDE_KEY", "PASONS_MAIN_KEY"]
    assert os.environ["TRACKER_MAIN_KEY"] == "pk_demo_my_own_key"
    assert sandbox_seed(settings)["tracker_ke"]["accounts"][0]["api_key"] == "pk_demo_my_own_key"


def test_a_running_sandbox_is_found_and_used_by_other_commands(
    project: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_settings()
    with children.sandbox(settings.home, sandbox_seed(settings), port=0) as url:
        assert children.running_sandbox(settings.home) == url
        result = run("connections", "test", "--json")
        assert result.code == 0, result
        assert all(tested["ok"] for tested in json.loads(result.out))
        assert "pk_demo_example_main" not in result.out + result.err
        with monkeypatch.context() as named:
            named.setenv("MARKETSYNC_SANDBOX_URL", url)
            assert run("connections", "test").code == 0
            children.ready_file(settings.home).rename(project / "elsewhere")
            lacking = run("connections", "test")
            assert (lacking.code, "start the sandbox" in lacking.out) == (1, False)
            assert "export TRACKER_MAIN_KEY=... (the terminal of the sandbox at" in lacking.out
            (project / "elsewhere").rename(children.ready_file(settings.home))
        again = run("sandbox")
        assert (again.code, url in again.err) == (1, True)
    assert children.running_sandbox(settings.home) is None
    assert not children.answers(url)
    assert "MARKETSYNC_SANDBOX_URL" not in os.environ


def test_a_stale_ready_file_is_not_believed(project: Path) -> None:
    home = project / ".marketsync"
    home.mkdir()
    children.ready_file(home).write_text('{"url": "http://127.0.0.1:9", "pid": 1}')
    assert children.running_sandbox(home) is None
    children.ready_file(home).write_text("not json")
    assert children.running_sandbox(home) is None


def test_the_sandbox_in_the_foreground_ends_with_its_command(project: Path) -> None:
    command = [sys.executable, "-m", "marketsync_dagster.cli.main", "sandbox", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        ready = json.loads(process.stdout.readline())
        assert children.answers(ready["url"])
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.communicate()
    assert not children.answers(ready["url"])


def test_a_child_that_ignores_us_is_killed_with_its_children(tmp_path: Path) -> None:
    stubborn = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGINT, signal.SIG_IGN); "
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); "
        "print(child.pid, flush=True); time.sleep(60)"
    )
    log = tmp_path / "log"
    process = children.start([sys.executable, "-c", stubborn], log=log)
    deadline = time.monotonic() + 10
    while not log.read_text().endswith("\n") and time.monotonic() < deadline:
        time.sleep(0.02)
    grandchild = int(log.read_text())
    children.stop(process, grace_s=0.1)
    assert process.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 5
    while _alive(grandchild) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _alive(grandchild)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def test_a_busy_port_is_stepped_over() -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        assert free_port("127.0.0.1", port) > port


def test_dagster_home_is_made_and_linked_to_the_settings_of_the_project(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")  # undone at the end
    (project / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    settings = load_settings()
    prepare_dagster_home(settings)
    prepare()
    link = project / ".dagster" / "dagster.yaml"
    assert link.read_text() == "telemetry: {enabled: false}\n"
    assert link.is_symlink()
    assert os.environ["DAGSTER_HOME"] == str(project / ".dagster")


def test_the_workspace_is_beside_the_settings_of_the_project(project: Path) -> None:
    with pytest.raises(ConfigError, match=r"no workspace\.yaml"):
        workspace(load_settings())
    assert (
        workspace(load_settings(ROOT / "examples" / "marketsync.yaml")) == ROOT / "workspace.yaml"
    )
