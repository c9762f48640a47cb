"""The command `marketsync` for shells, forked from a process that has imported everything.

A command costs two to five seconds of imports. Tests that type many of them, as people do, put
`Warm.bin` on the PATH of a real shell: the `marketsync` there hands its words, its environment,
its folder and its open files to a server, whose fork runs the real program with them.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from functools import cache
from pathlib import Path
from typing import Self

import typer.main

import marketsync_dagster

START_S = 60.0

CLIENT = """#!{python} -IS
import json, os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
asked = json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]).encode()
socket.send_fds(server, [len(asked).to_bytes(8, "big")], [0, 1, 2])
server.sendall(asked)
code = server.recv(4)
sys.exit(int.from_bytes(code, "big") if code else 1)
"""


class Warm:
    """Use it as a context manager; `bin` holds a `marketsync` that starts in no time."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="marketsync-warm-")
        self.bin = Path(self._folder.name) / "bin"
        self._address = str(Path(self._folder.name) / "server")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.bin.mkdir()
        client = self.bin / "marketsync"
        client.write_text(CLIENT.format(python=sys.executable, address=self._address))
        client.chmod(0o755)
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, self._address],
            stdin=subprocess.PIPE,  # its end tells the server that we are gone
            start_new_session=True,
        )
        deadline = time.monotonic() + START_S
        while not Path(self._address).exists():
            assert self._process.poll() is None, "the server of warm commands ended"
            assert time.monotonic() < deadline, "the server of warm commands does not start"
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._folder.cleanup()


def _serve(address: str) -> None:
    _import_everything()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address + ".tmp")
        server.listen()
        Path(address + ".tmp").rename(address)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who answer
        while True:
            connection, _ = server.accept()
            with connection:
                if os.fork() == 0:
                    server.close()
                    _answer(connection)


def _answer(connection: socket.socket) -> None:
    """Run one command in a child and send its exit code; never returns."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    head, files, _, _ = socket.recv_fds(connection, 8, 3)
    size, asked = int.from_bytes(head, "big"), b""
    while len(asked) < size:
        asked += connection.recv(size - len(asked))
    words, environment, folder = json.loads(asked)
    child = os.fork()
    if child == 0:
        connection.close()
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        _run(words)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    connection.sendall((code if code >= 0 else 128 - code).to_bytes(4, "big"))
    os._exit(0)


def _run(words: list[str]) -> None:
    """The real program, as `python -m` would run it."""
    from marketsync_dagster.cli.main import main

    code = 1
    try:
        code = main(words)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


LATER = (
    "alembic.command",
    "dagster._core.definitions.repository_definition.repository_data_builder",
    "dagster._core.execution.execute_in_process",
    "dagster._core.execution.plan.active",
    "dagster._core.executor.in_process",
    "dagster._core.instance.factory",
    "dagster._core.run_coordinator",
    "dagster._core.secrets.env_file",
    "dagster._core.storage.event_log.sqlite.sqlite_event_log",
    "dagster._core.storage.legacy_storage",
    "dagster._core.storage.local_compute_log_manager",
    "dagster._core.storage.schedules.sqlite.sqlite_schedule_storage",
    "httpx",
    "httpcore",
    "anyio._backends._asyncio",
    "pandas.core.methods.to_dict",
    "pyarrow.dataset",
    "rich._emoji_codes",
    "rich.table",
    "typer._adapters",
    "upath.implementations.local",
)
"""What is imported in the middle of a command."""
OTHERS = (".definitions", ".sandbox", ".migrations", ".__main__")
"""Modules of ours that do something when they are loaded, or that no command loads."""


def _import_everything() -> None:
    """What commands import when they are run; nothing of it starts a thread or opens a file."""
    ours = pkgutil.walk_packages(marketsync_dagster.__path__, "marketsync_dagster.")
    names = [one.name for one in ours if not any(other in one.name for other in OTHERS)]
    for name in (*names, *LATER):
        importlib.import_module(name)
    # Typer builds all commands anew for each
    typer.main.get_command = cache(typer.main.get_command)
    typer.main.get_command(sys.modules["marketsync_dagster.cli.main"].app)
    assert threading.active_count() == 1


if __name__ == "__main__":
    _serve(sys.argv[1])
