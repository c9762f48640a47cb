"""A server that does nothing, in a process of its own: it reads a body and says the same each time.

`python -m benchmarks.noop ANSWER` prints its port; it ends with its parent. Nothing of HTTP is
looked at but where a request ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from typing import cast

CONTENT_LENGTH = b"content-length:"
HEAD_END = b"\r\n\r\n"


class Noop(asyncio.Protocol):
    """One connection: counts the bytes of a body, and answers."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._head = bytearray()
        self._left = 0
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        while data:
            if self._left:
                taken = min(self._left, len(data))
                self._left, data = self._left - taken, data[taken:]
            else:
                self._head += data
                end = self._head.find(HEAD_END)
                if end < 0:
                    return
                data = bytes(self._head[end + len(HEAD_END) :])
                self._left = _content_length(bytes(self._head[: end + 2]).lower())
                self._head.clear()
                if self._left and not data:
                    return
            if not self._left and self._transport is not None:
                self._transport.write(self._answer)


def _content_length(head: bytes) -> int:
    at = head.find(CONTENT_LENGTH)
    return 0 if at < 0 else int(head[at + len(CONTENT_LENGTH) : head.find(b"\r\n", at)])


def http_answer(body: bytes) -> bytes:
    """A whole HTTP answer with this JSON."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + HEAD_END + body


@contextlib.contextmanager
def noop_server(body: bytes) -> Iterator[str]:
    """The base URL of a server that answers everything with the JSON `body`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.noop", body.decode()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.communicate()


def requests_per_second(url: str, payloads: Sequence[bytes], connections: int) -> float:
    """What the server can do, asked by bare sockets with these payloads: no HTTP client at all."""
    host, port = url.removeprefix("http://").split(":")
    requests = [
        f"POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(payload)}".encode()
        + HEAD_END
        + payload
        for payload in payloads
    ]

    async def worker(todo: list[bytes]) -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        for request in todo:
            writer.write(request)
            head = await reader.readuntil(HEAD_END)
            await reader.readexactly(_content_length(head.lower()))
        writer.close()

    async def everything() -> None:
        await asyncio.gather(*(worker(requests[at::connections]) for at in range(connections)))

    started = time.perf_counter()
    asyncio.run(everything())
    return len(requests) / (time.perf_counter() - started)


async def _serve(answer: bytes) -> None:
    loop = asyncio.get_running_loop()
    listening = socket.create_server(("127.0.0.1", 0), backlog=64)
    await loop.create_server(lambda: Noop(answer), sock=listening)
    print(listening.getsockname()[1], flush=True)
    # the parent never writes: the end of the input is its end
    await loop.run_in_executor(None, sys.stdin.buffer.read)


if __name__ == "__main__":
    import uvloop

    uvloop.run(_serve(http_answer(sys.argv[1].encode())))
