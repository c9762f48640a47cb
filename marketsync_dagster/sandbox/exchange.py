"""One request being answered: sending, waiting, and breaking the connection on purpose.

It knows HTTP and the connection under it, and no platform.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any, Protocol

from marketsync_dagster.sandbox.journal import Entry
from marketsync_dagster.sandbox.tampering import Tampering
from marketsync_dagster.sandbox.wire import Answer, Request
from marketsync_dagster.sandbox.world import World

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

BODILESS = (204, 304)
"""Statuses after which a client reads no body."""

_RESET = struct.pack("ii", 1, 0)


class Transport(Protocol):
    """What is used of an asyncio transport."""

    def get_extra_info(self, name: str, default: Any = None) -> Any: ...
    def abort(self) -> None: ...
    def close(self) -> None: ...


class Connection(Protocol):
    """The server's connection, as `server` hands it to the application."""

    number: int
    doomed: bool
    """The next request on it is cut off unread."""

    def wire(self) -> Transport: ...


@dataclass(slots=True)
class Exchange:
    """A request, the way to answer it, and its entry in the log."""

    world: World
    request: Request
    entry: Entry
    owner: str | None
    """What credentials are revoked by: the API key, or the store's id."""
    receive: Receive
    send: Send
    connection: Connection
    platform: Callable[[Tampering], Answer]
    """Lets the platform work; called at most once."""
    refusal: Callable[[int, str, str], Answer]
    """An error in the platform's own form: status, code, message."""
    date_skew_s: float = 0.0

    def work(self, tampering: Tampering) -> Answer:
        """Let the platform do what the request says, and note in the log what it did."""
        answer = self.platform(tampering)
        self.entry.items = answer.items
        self.entry.applied = answer.applied
        return answer

    async def reply(self, answer: Answer) -> None:
        """Send an answer whole."""
        body = b"" if answer.status in BODILESS else answer.payload()
        await self.start(answer, len(body))
        await self.send({"type": "http.response.body", "body": body})

    async def start(self, answer: Answer, length: int) -> None:
        """Send status and headers of an answer whose body will have `length` bytes."""
        self.entry.status = answer.status
        date = formatdate(self.world.now() + self.date_skew_s, usegmt=True).encode()
        headers = [*answer.headers, (b"date", date)]
        if answer.status not in BODILESS:
            headers.append((b"content-length", str(length).encode()))
        await self.send(
            {"type": "http.response.start", "status": answer.status, "headers": headers}
        )

    async def part(self, body: bytes) -> None:
        """Send a piece of the body; more will follow, or the connection is cut."""
        await self.send({"type": "http.response.body", "body": body, "more_body": True})

    async def gone_after(self, seconds: float) -> bool:
        """Wait; True as soon as the client hangs up, False if it is still there at the end."""
        try:
            async with asyncio.timeout(seconds):
                await self._hang_up()
        except TimeoutError:
            return False
        return True

    async def _hang_up(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            continue

    async def cut(self, reset: bool) -> None:
        """Break the connection: by a TCP reset, or closed after what was sent so far."""
        transport = self.connection.wire()
        if reset:
            raw = transport.get_extra_info("socket")
            if raw is not None:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            transport.abort()
        else:
            transport.close()
        await self._hang_up()
