"""A real deployment for tests: Dagster's webserver and daemon over a copy of the example.

Everything lies in one temporary folder, laid out as a checkout is: `dagster.yaml`,
`workspace.yaml`, `examples/`. Runs are started by the daemon in processes of their own.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

import dagster as dg
import yaml

from marketsync_dagster.automation.dagster_home import prepare_dagster_home
from marketsync_dagster.cli.demo import Shown, _compare
from marketsync_dagster.cli.demo_values import demo_secrets, sandbox_seed
from marketsync_dagster.config.load import load_settings
from marketsync_dagster.stages.project import Project, open_project
from marketsync_dagster_tests.e2e.graphql import Dagster, wait_for
from marketsync_dagster_tests.e2e.till import FILE_NAMES, Till
from marketsync_dagster_tests.e2e.warm import Warm
from marketsync_dagster_tests.receiver import Receiver
from marketsync_dagster_tests.sandbox_process import SandboxProcess

CHECKOUT = Path(__file__).parents[2]
OUTLETS = ("westlands", "kisumu", "mombasa")
STOP_S = 10.0
START_S = 90.0
SMALL_BATCH = 50


def copy_of_the_example(root: Path) -> Path:
    """A checkout as far as the commands see it; returns its marketsync.yaml."""
    shutil.copytree(CHECKOUT / "examples", root / "examples")
    for name in ("dagster.yaml", "workspace.yaml", "deploy"):
        (root / name).symlink_to(CHECKOUT / name)
    return root / "examples" / "marketsync.yaml"


def clean_environment() -> dict[str, str]:
    """This process's environment without anything that says where MarketSync is."""
    ours = ("MARKETSYNC_", "DAGSTER_", "TRACKER_", "PASONS_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | {"PYTHONPATH": str(CHECKOUT), "DAGSTER_DISABLE_TELEMETRY": "yes"}


@contextlib.contextmanager
def environment_of(variables: Mapping[str, str]) -> Iterator[None]:
    """This process's environment with these variables too, for a moment."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


COLD = (sys.executable, "-m", "marketsync_dagster.cli.main")


def marketsync(
    *words: str,
    cwd: Path,
    environment: dict[str, str],
    patience_s: float = 120.0,
    program: Sequence[str] = COLD,
) -> subprocess.CompletedProcess[str]:
    """One command as a user types it."""
    return subprocess.run(
        [*program, *words],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=patience_s,
        check=False,
    )


class Deployment:
    """Use it as a context manager; `dagster` asks its webserver.

    `schedule` is the one that ticks every minute once it is switched on. With `database_url`
    ledger and history are there, and in files below `root` otherwise.
    """

    def __init__(self, root: Path, schedule: str = "full", database_url: str = "") -> None:
        self.root = root
        self.schedule = schedule
        self.config = copy_of_the_example(root)
        self.sandbox = SandboxProcess()
        self.alerts = Receiver()
        """What alerts.targets are sent."""
        self.tills: dict[str, Till] = {}
        self.environment = clean_environment()
        if database_url:
            self.environment["MARKETSYNC_DATABASE_URL"] = database_url
        self.dagster = Dagster("")
        self._warm = contextlib.ExitStack()
        self._program: Sequence[str] = ()
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        atexit.register(self.stop)
        self.sandbox.start()
        self.alerts.start()
        self._configure()
        self.environment |= {
            "TEST_ALERT_URL": self.alerts.url,
            "DAGSTER_HOME": str(self.root / ".dagster"),
            "MARKETSYNC_CONFIG": str(self.config),
            "MARKETSYNC_SANDBOX_URL": self.sandbox.url,
        }
        with environment_of(self.environment):
            settings = load_settings(self.config)
            home = prepare_dagster_home(settings)
            # two programs at once would both make the same tables: `dagster dev` too opens it first
            dg.DagsterInstance.from_config(str(home)).dispose()
            self.sandbox.seed(sandbox_seed(settings))
            self.environment |= demo_secrets(settings)
        port = free_port()
        self._start("webserver", "-h", "127.0.0.1", "-p", str(port))
        self._start("daemon", "run")
        self.dagster = Dagster(f"http://127.0.0.1:{port}")
        wait_for("the webserver", self._is_ready, START_S)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _configure(self) -> None:
        """A tick every minute, a channel that waits for a person, and one of many batches."""
        document = yaml.safe_load(self.config.read_text())
        document["schedules"][self.schedule] = "* * * * *"
        for outlet, section in document["outlets"].items():
            extract = section["extract"]
            self.tills[outlet] = Till.of(outlet, self.config.parent / extract["path"], extract)
            extract["time_pattern"] = FILE_NAMES
        for channel in document["channels"]:
            channel["auto_push"] = channel["account"] != "pasons_mombasa"
        tracker = document["accounts"]["tracker_westlands"]
        tracker |= {"batch": SMALL_BATCH, "quota": {"per_minute": 600, "concurrency": 1}}
        document["alerts"] = {"targets": [{"env": "TEST_ALERT_URL"}]}
        self.config.write_text(yaml.safe_dump(document, sort_keys=False))

    def _start(self, program: str, *options: str) -> None:
        """One of Dagster's programs in a process group of its own, that ends when we are gone."""
        module = "marketsync_dagster_tests.e2e.program"
        with (self.root / f"{program}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", module, program, *options, "-w", "workspace.yaml"],
                cwd=self.root,
                env=self.environment,
                # the pipe is never written to: its end tells the child that we are gone
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._processes.append(process)

    def _is_ready(self) -> bool:
        for process in self._processes:
            assert process.poll() is None, self.logs()
        return self.dagster.is_loaded()

    def logs(self) -> str:
        """What webserver and daemon have said."""
        files = sorted(self.root.glob("*.log"))
        return "\n".join(f"{file.name}:\n{file.read_text('utf-8', 'replace')}" for file in files)

    def arguments(self) -> list[str]:
        """The command lines of webserver, daemon and all that they have started, as `ps` shows."""
        groups = {process.pid for process in self._processes}
        found: list[str] = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it has ended meanwhile
                if os.getpgid(int(folder.name)) in groups:
                    found.append((folder / "cmdline").read_bytes().decode("utf-8", "replace"))
        return found

    def stop(self) -> None:
        """Ask every process to end, wait, then kill what is left of its group."""
        processes, self._processes = self._processes, []
        for process in processes:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        deadline = time.monotonic() + STOP_S
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):  # killed below
                process.wait(max(deadline - time.monotonic(), 0.1))
            with contextlib.suppress(ProcessLookupError):  # nothing is left of the group
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if process.stdin is not None:
                process.stdin.close()
        self._warm.close()
        self.alerts.stop()
        self.sandbox.stop()
        atexit.unregister(self.stop)

    @property
    def home(self) -> Path:
        """Where MarketSync keeps its ledger, frames and originals."""
        return self.root / ".marketsync"

    # --- what a user does

    def marketsync(self, *words: str) -> subprocess.CompletedProcess[str]:
        """One command in the project's folder."""
        if not self._program:
            self._program = [str(self._warm.enter_context(Warm()).bin / "marketsync")]
        return marketsync(
            *words, cwd=self.config.parent, environment=self.environment, program=self._program
        )

    def answer(self, *words: str, code: int = 0) -> Any:
        """What a command with `--json` prints: JSON, alone on stdout; its exit code is `code`."""
        ended = self.marketsync(*words, "--json")
        assert ended.returncode == code, (ended.returncode, ended.stdout, ended.stderr)
        return json.loads(ended.stdout)

    def launch(self, job: str, first: str, last: str | None = None, **options: Any) -> str:
        """Launch a job over the outlets from `first` to `last`, as the UI does; the run's id."""
        tags = {
            "dagster/asset_partition_range_start": first,
            "dagster/asset_partition_range_end": last or first,
        }
        options.setdefault("mode", "partial")
        return self.dagster.launch(job, {"resources": {"options": {"config": options}}}, tags)

    # --- what there is to see

    @contextlib.contextmanager
    def project(self) -> Iterator[Project]:
        """The project as a command opens it."""
        with environment_of(self.environment):
            project = open_project(self.config, run_id="test", user="test")
        try:
            yield project
        finally:
            project.ledger.close()

    def shown(self, outlet: str, platform: str) -> Shown:
        """The feed against what the sandbox shows, as the demo compares them."""
        with self.project() as project:
            channel = project.settings.channel(outlet, platform)
            assert channel is not None
            return _compare(project, platform, channel, self.sandbox.state())

    def price(self, outlet: str, sku: str) -> Decimal:
        """What Tracker KE shows for a SKU that is mapped to `prod_<SKU>`."""
        shown = self.sandbox.state("tracker_ke", f"tracker_{outlet}")
        return Decimal(shown[f"prod_{sku}"]["price"])

    def mapped(self, outlet: str, low: str, high: str) -> list[str]:
        """SKUs that Tracker KE shows for the outlet, priced between `low` and `high`."""
        shown = self.sandbox.state("tracker_ke", f"tracker_{outlet}")
        return [
            sku
            for sku, price in self.tills[outlet].prices().items()
            if f"prod_{sku}" in shown and Decimal(low) <= price <= Decimal(high)
        ]

    def writes(self, since: int) -> dict[str, int]:
        """Account -> items that were sent to it after request number `since`."""
        found: dict[str, int] = {}
        for write in self.sandbox.history():
            if write["request"] > since:
                found[write["account"]] = found.get(write["account"], 0) + 1
        return found


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
