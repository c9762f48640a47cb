"""A small FTP server for tests: one user, passive mode, MLSD, reading only."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

USER, PASSWORD = "till", "ftp-Pass-99"


def _root_of(server: socketserver.BaseServer) -> Path:
    assert isinstance(server, _Server)
    return server.root


class _Session(socketserver.StreamRequestHandler):
    """One control connection."""

    def handle(self) -> None:
        self.at, self.offset, self.allowed = "/", 0, False
        self.listener: socket.socket | None = None
        self._say("220 ready")
        with contextlib.suppress(ConnectionError, ValueError):
            while line := self.rfile.readline().decode().strip():
                word, _, rest = line.partition(" ")
                if word.upper() == "QUIT":
                    self._say("221 bye")
                    return
                answer = getattr(self, f"_{word.lower()}", None)
                if answer is None:
                    self._say("502 not here")
                elif not self.allowed and word.upper() not in ("USER", "PASS"):
                    self._say("530 log in first")
                else:
                    answer(rest)

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())

    def _local(self, path: str) -> Path:
        return _root_of(self.server) / path.lstrip("/")

    def _user(self, rest: str) -> None:
        self.user = rest
        self._say("331 password")

    def _pass(self, rest: str) -> None:
        self.allowed = (self.user, rest) == (USER, PASSWORD)
        self._say("230 in" if self.allowed else f"530 wrong password {rest} for {self.user}")

    def _type(self, _: str) -> None:
        self._say("200 ok")

    def _pwd(self, _: str) -> None:
        self._say('257 "/"')

    def _cwd(self, rest: str) -> None:
        there = self._local(rest).is_dir()
        self._say("250 ok" if there else "550 no such folder")

    def _epsv(self, _: str) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self._say(f"229 passive (|||{self.listener.getsockname()[1]}|)")

    def _pasv(self, _: str) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        port = self.listener.getsockname()[1]
        self._say(f"227 passive (127,0,0,1,{port // 256},{port % 256})")

    def _rest(self, rest: str) -> None:
        self.offset = int(rest)
        self._say("350 ok")

    def _size(self, rest: str) -> None:
        path = self._local(rest)
        self._say(f"213 {path.stat().st_size}" if path.is_file() else "550 no such file")

    def _mlsd(self, rest: str) -> None:
        folder = self._local(rest)
        if not folder.is_dir():
            self._say("550 no such folder")
            return
        lines = []
        for path in folder.iterdir():
            status = path.stat()
            when = datetime.fromtimestamp(int(status.st_mtime), UTC)
            kind = "dir" if path.is_dir() else "file"
            facts = f"type={kind};size={status.st_size};modify={when:%Y%m%d%H%M%S};"
            lines.append(f"{facts} {path.name}\r\n")
        self._send("".join(lines).encode())

    def _retr(self, rest: str) -> None:
        path = self._local(rest)
        if not path.is_file():
            self._say("550 no such file")
            return
        offset, self.offset = self.offset, 0
        self._send(path.read_bytes()[offset:])

    def _send(self, data: bytes) -> None:
        assert self.listener is not None
        self._say("150 here it comes")
        connection, _ = self.listener.accept()
        with connection, contextlib.suppress(ConnectionError):
            connection.sendall(data)
        self.listener.close()
        self._say("226 done")


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    root: Path


@contextmanager
def serving(root: Path) -> Iterator[int]:
    """Serve a directory on loopback; yields the port."""
    with _Server(("127.0.0.1", 0), _Session) as server:
        server.root = root
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
