"""`marketsync alerts`: a real message to a real receiver, and what was told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from marketsync_dagster.ledger.alerts import Trouble, raise_alerts
from marketsync_dagster.stages.project import open_project
from marketsync_dagster_tests.cli.conftest import Run
from marketsync_dagster_tests.receiver import TOKEN, Receiver

TWO = "alerts: {targets: [{env: FIRST_URL}, {env: SECOND_URL}]}\n"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as taken:
        yield taken


@pytest.fixture
def told(project: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project with two targets, of which the first answers."""
    file = project / "marketsync.yaml"
    file.write_text(file.read_text() + TWO)
    monkeypatch.setenv("FIRST_URL", receiver.url)
    monkeypatch.setenv("SECOND_URL", f"json://127.0.0.1:1/{TOKEN}")
    return project


def raised(project: Path, *keys: str) -> None:
    opened = open_project(project / "marketsync.yaml")
    troubles = [
        Trouble(key=key, kind="outlet_failed", title=f"[bold]{key}[/bold]", message="why\nso")
        for key in keys
    ]
    raise_alerts(opened.ledger, troubles)
    opened.ledger.close()


def test_a_test_message_is_sent_and_each_target_is_told_of(
    told: Path, run: Run, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = run("alerts", "test", "--json")
    assert result.code == 1
    first, second = json.loads(result.out)["targets"]
    assert (first["target"], first["ok"]) == ("{env: FIRST_URL}", True)
    assert (second["target"], second["ok"]) == ("{env: SECOND_URL}", False)
    assert "connection" in second["error"].lower()
    assert receiver.titles == ["MarketSync: test"]
    assert TOKEN not in result.out + result.err
    with Receiver() as other:
        monkeypatch.setenv("SECOND_URL", other.url)
        assert run("alerts", "test").code == 0
    rows = json.loads(run("alerts", "list", "--json").out)
    assert [(row["kind"], row["state"], row["delivery"]) for row in rows] == [
        ("test", "over", "delivered"), ("test", "over", "failed"),
    ]  # fmt: skip
    assert TOKEN not in json.dumps(rows)


def test_without_a_target_the_way_to_name_one_is_told(project: Path, run: Run) -> None:
    result = run("alerts", "test")
    assert (result.code, "alerts.targets is empty" in result.err) == (1, True)
    assert "marketsync.yaml" in result.err


def test_a_target_that_is_not_set_is_named(
    told: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SECOND_URL")
    result = run("alerts", "test")
    assert result.code == 1
    assert "environment variable SECOND_URL is not set" in result.out


def test_a_target_that_never_ends_its_answer_does_not_keep_the_command(project: Path) -> None:
    file = project / "marketsync.yaml"
    file.write_text(file.read_text() + "alerts: {targets: [{env: FIRST_URL}]}\n")
    over = threading.Event()

    class Dripping(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.end_headers()
            while not over.wait(0.2):
                self.wfile.write(b" ")

    program = (
        "import sys; from marketsync_dagster.stages import alerts; alerts.TIMEOUT_S = 1;"
        "from marketsync_dagster.cli.main import main; sys.argv[1:] = ['alerts', 'test'];"
        "sys.exit(main())"
    )
    with ThreadingHTTPServer(("127.0.0.1", 0), Dripping) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"json://127.0.0.1:{server.server_address[1]}/{TOKEN}"
        try:
            done = subprocess.run(
                [sys.executable, "-c", program],
                timeout=60,
                capture_output=True,
                text=True,
                check=False,
                env=os.environ | {"FIRST_URL": url, "MARKETSYNC_CONFIG": str(file)},
            )
        finally:
            over.set()
            server.shutdown()
    assert done.returncode == 1
    assert "did not finish" in done.stdout
    assert TOKEN not in done.stdout + done.stderr


def test_alerts_are_listed_and_can_be_closed(project: Path, run: Run) -> None:
    assert run("alerts", "list").out == "no alerts yet\n"
    raised(project, "a", "b")
    rows = json.loads(run("alerts", "list", "--open", "--json").out)
    assert [row["title"] for row in rows] == ["[bold]b[/bold]", "[bold]a[/bold]"]
    assert "[bold]a[/bold]" in run("alerts", "list").out
    closed = run("alerts", "close", str(rows[1]["id"]))
    assert (closed.code, "is closed: [bold]a[/bold]" in closed.out) == (0, True)
    assert "was over already" in run("alerts", "close", str(rows[1]["id"])).out
    (left,) = json.loads(run("alerts", "list", "--open", "--json").out)
    assert left["id"] == rows[0]["id"]
    run("alerts", "close", str(left["id"]))
    assert run("alerts", "list", "--open").out == "nothing is wrong that was noticed\n"
    assert len(json.loads(run("alerts", "list", "--json").out)) == 2
    assert run("alerts", "close", "999").code == 64
