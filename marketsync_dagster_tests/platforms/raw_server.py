"""A server that answers with any bytes at all: what no well-behaved sandbox would send."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Reply = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


class RawServer:
    """Listens on loopback; `heads` are the request heads that it got."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        self.url = ""


@asynccontextmanager
async def raw_server(
    reply: Reply | bytes, tls: ssl.SSLContext | None = None
) -> AsyncIterator[RawServer]:
    """Serve `reply` for each request: bytes are written and the connection closed."""
    server = RawServer()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = 0
                for line in head.lower().split(b"\r\n"):
                    if line.startswith(b"content-length:"):
                        length = int(line.partition(b":")[2])
                if length:
                    await reader.readexactly(length)
                server.heads.append(head)
                if isinstance(reply, bytes):
                    writer.write(reply)
                    await writer.drain()
                    break
                await reply(head, writer)
                if writer.is_closing():
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client is gone, which is what many tests are about
        finally:
            writer.close()

    listener = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    port = listener.sockets[0].getsockname()[1]
    server.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    try:
        yield server
    finally:
        listener.close()


def answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """An HTTP answer with its true length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
