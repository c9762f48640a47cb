"""The command `marketsync` for shells, forked from a process that has imported everything.

A command costs two to five seconds of imports. Tests that type many of them, as people do, put
`Warm.bin` on the PATH of a real shell: the `marketsync` there hands its words, its environment,
its folder and its open files to a server, whose fork runs the real program with them.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Self

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


def _import_everything() -> None:
    """What commands import when they are run; nothing of it starts a thread or opens a file."""
    import marketsync_dagster.automation.launch
    import marketsync_dagster.catalog.schemas
    import marketsync_dagster.cli.main
    import marketsync_dagster.platforms.registry
    import marketsync_dagster.stages.listings  # noqa: F401


if __name__ == "__main__":
    _serve(sys.argv[1])
