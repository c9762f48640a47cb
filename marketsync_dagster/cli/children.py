"""Child processes of `sandbox`, `dev` and `demo`: started in a group of their own, surely ended."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from marketsync_dagster.values.errors import MarketSyncError

_START_S = 20.0
_STOP_S = 10.0


def start(command: Sequence[str], *, log: Path | None = None, cwd: Path | None = None) -> Any:
    """Start `command` as the leader of a process group of its own; output to `log` or as ours."""
    with contextlib.ExitStack() as stack:
        stream = stack.enter_context(log.open("wb")) if log is not None else None
        return subprocess.Popen(  # noqa: S603 # our own programs, no word of a user
            list(command), cwd=cwd, stdout=stream, stderr=stream, start_new_session=True
        )


def stop(process: subprocess.Popen[bytes], grace_s: float = _STOP_S) -> None:
    """End a child and all its descendants: ask, wait, then kill the whole group."""
    if process.poll() is None:
        _signal(process, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):  # the group is killed below
            process.wait(grace_s)
    # the leader may be gone while its children live on
    _signal(process, signal.SIGKILL)
    process.wait()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # the group is gone already
        os.killpg(process.pid, number)


@contextlib.contextmanager
def ending_with_us() -> Iterator[None]:
    """SIGTERM and a closed terminal end this process as Ctrl-C does: children are stopped."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    kinds = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(kind, interrupt) for kind in kinds]
    try:
        yield
    finally:
        for kind, handler in zip(kinds, before, strict=True):
            signal.signal(kind, handler)


@contextlib.contextmanager
def sandbox(home: Path, seed: dict[str, Any], *options: str, port: int = 8701) -> Iterator[str]:
    """A sandbox in the background, seeded, with its state kept in `home`; yields its URL.

    A busy port is stepped over. While it runs, `sandbox-ready.json` tells other commands of it.
    """
    home.mkdir(parents=True, exist_ok=True)
    ready, seed_file, log = ready_file(home), home / "sandbox-seed.json", home / "sandbox.log"
    ready.unlink(missing_ok=True)
    seed_file.write_text(json.dumps(seed), encoding="utf-8")
    process = start(sandbox_command(home, port, *options), log=log)
    try:
        yield _wait_until_ready(process, ready, log)
    finally:
        stop(process)
        ready.unlink(missing_ok=True)


def sandbox_command(home: Path, port: int, *options: str) -> list[str]:
    """The sandbox as a program of its own: it and the clients know nothing of each other."""
    return [
        *(sys.executable, "-m", "marketsync_dagster.sandbox", "--port", str(port)),
        *("--state", str(home / "sandbox.json"), "--seed", str(home / "sandbox-seed.json")),
        *("--ready-file", str(ready_file(home)), *options),
    ]


def ready_file(home: Path) -> Path:
    return home / "sandbox-ready.json"


def _wait_until_ready(process: subprocess.Popen[bytes], ready: Path, log: Path) -> str:
    deadline = time.monotonic() + _START_S
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            words = log.read_text("utf-8", "replace").strip().splitlines()
            raise MarketSyncError(
                f"the sandbox did not start: {words[-1] if words else 'it says nothing'}",
                f"see {log}",
            )
        time.sleep(0.02)
    return str(json.loads(ready.read_text("utf-8"))["url"])


def running_sandbox(home: Path) -> str | None:
    """The URL of a sandbox that runs for this project and answers; None if there is none."""
    try:
        url = str(json.loads(ready_file(home).read_text("utf-8"))["url"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return url if answers(url) else None


def answers(url: str) -> bool:
    """Whether a sandbox, and not any other program, answers at `url`."""
    try:
        with _open(f"{url}/__sandbox__/health") as response:
            return response.status == 200
    except (OSError, ValueError):
        return False


def control(url: str, method: str, path: str, document: object = None) -> Any:
    """One request to the sandbox's control API; MarketSyncError with its words if it refuses."""
    body = None if document is None else json.dumps(document).encode()
    request = urllib.request.Request(  # noqa: S310 # loopback, from our own child
        f"{url}/__sandbox__{path}",
        data=body,
        method=method,
        headers={"Content-Type": "application/json"},
    )
    try:
        with _open(request) as response:
            return json.loads(response.read())
    except urllib.error.HTTPError as error:
        words = error.read(500).decode("utf-8", "replace")
        raise MarketSyncError(f"the sandbox refused {method} {path}: {words}") from None
    except OSError as error:
        raise MarketSyncError(f"the sandbox at {url} does not answer: {error}") from None


def _open(request: str | urllib.request.Request) -> Any:
    # no proxy of the environment: it is this machine
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return opener.open(request, timeout=10)
