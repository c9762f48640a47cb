"""The ASGI application: reads a request, lets a scenario or its platform answer, logs it.

Platforms know nothing of connections, delays or faults; this is where they meet.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from marketsync_dagster.sandbox import faults, mirakl, pasons, qikink, qikink_spec, tracker_ke
from marketsync_dagster.sandbox.control import PREFIX, control_application
from marketsync_dagster.sandbox.exchange import Connection, Exchange, Receive, Send
from marketsync_dagster.sandbox.journal import Entry
from marketsync_dagster.sandbox.tampering import UNTOUCHED, Tampering
from marketsync_dagster.sandbox.wire import (
    MAX_BODY,
    Answer,
    Caller,
    Request,
    json_answer,
    sha256_hex,
)
from marketsync_dagster.sandbox.world import World


class Platform(Protocol):
    """A platform's module."""

    @property
    def MOUNT(self) -> str:  # noqa: N802
        """Where it is; paths below it are its own."""
        ...

    @property
    def CHANNEL(self) -> str:  # noqa: N802
        """Its name."""
        ...

    def caller_of(self, world: World, request: Request) -> Caller:
        """Who a request is from."""
        ...

    def handle(
        self, world: World, request: Request, caller: Caller, tampering: Tampering
    ) -> Answer:
        """Do what a request says, but for what is tampered with, and answer it."""
        ...

    def error(self, status: int, code: str, message: str) -> Answer:
        """An error in the platform's own form."""
        ...


PLATFORMS: tuple[Platform, ...] = (tracker_ke, pasons, mirakl, qikink, qikink_spec)


class ClientGone(Exception):
    """The client hung up before its request was complete."""


class Application:
    """All platforms of one world, and its control API under `/__sandbox__`."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._control = control_application(world)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        if path.startswith(f"{PREFIX}/"):
            await self._control(scope, receive, send)
            return
        connection: Connection = scope["sandbox.connection"]
        try:
            request = await _read(scope, receive)
        except ClientGone:
            return
        exchange = self._exchange(request, receive, send, connection)
        if connection.doomed:
            await exchange.cut(reset=True)
            return
        if len(request.body) > MAX_BODY:
            answer = exchange.refusal(413, "PAYLOAD_TOO_LARGE", "Request body is too large")
            answer.headers.append((b"connection", b"close"))
            await exchange.reply(answer)
            return
        if self.world.settings.delay_ms:
            await asyncio.sleep(self.world.settings.delay_ms / 1000)
        await self._answer(exchange)

    async def _answer(self, exchange: Exchange) -> None:
        world, entry = self.world, exchange.entry
        if world.scenarios.rules:
            names = tuple(name for name in (exchange.owner, entry.account) if name is not None)
            rule = world.scenarios.pick(exchange.request, entry.channel, names, world.rng)
            if rule is not None:
                entry.scenario = rule.id
                await faults.perform(exchange, rule.action)
                return
        await exchange.reply(exchange.work(UNTOUCHED))

    def _exchange(
        self, request: Request, receive: Receive, send: Send, connection: Connection
    ) -> Exchange:
        world = self.world
        spoken = next((p for p in PLATFORMS if request.path.startswith(f"{p.MOUNT}/")), None)
        caller = Caller() if spoken is None else spoken.caller_of(world, request)

        def platform(tampering: Tampering) -> Answer:
            if spoken is None:
                words = {"code": "NOT_FOUND", "message": "No such path"}
                return json_answer(404, {"error": words})
            return spoken.handle(world, request, caller, tampering)

        request.number = world.next_request()
        entry = Entry(
            number=request.number,
            time=world.now(),
            channel="" if spoken is None else spoken.CHANNEL,
            account=caller.name,
            method=request.method,
            path=request.path,
            query=request.query,
            headers=world.journal.headers(request, caller.secrets),
            body_sha256=sha256_hex(request.body),
            body_bytes=len(request.body),
            connection=connection.number,
            body=request.body if world.settings.keep_bodies else None,
        )
        world.journal.add(entry)
        refusal = pasons.error if spoken is None else spoken.error
        return Exchange(
            world, request, entry, caller.owner, receive, send, connection, platform, refusal
        )


async def _read(scope: Any, receive: Receive) -> Request:
    """Read a request; a body beyond MAX_BODY is cut one byte after it."""
    message = await receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body", False):
        parts, size = [body], len(body)
        while message.get("more_body", False) and size <= MAX_BODY:
            message = await receive()
            parts.append(message.get("body", b""))
            size += len(parts[-1])
        body = b"".join(parts)[: MAX_BODY + 1]
    if message["type"] == "http.disconnect":
        raise ClientGone
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return Request(
        method=scope["method"],
        path=scope["path"],
        query=scope["query_string"].decode("latin-1"),
        headers=dict(scope["headers"]),
        body=body,
        raw_path=raw.decode("latin-1"),
    )
