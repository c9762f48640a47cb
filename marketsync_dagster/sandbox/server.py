"""Runs the sandbox: a loopback port, the server under it, the state file, an orderly end.

What is served belongs to `app`.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ipaddress
import itertools
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from marketsync_dagster.sandbox import persistence
from marketsync_dagster.sandbox.app import Application
from marketsync_dagster.sandbox.exchange import Transport
from marketsync_dagster.sandbox.world import Settings, World

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8701
PORTS_TRIED = 51
SAVE_INTERVAL_S = 0.5

_connections = itertools.count(1)


class ServeError(Exception):
    """The sandbox cannot start; the message says why."""


class SandboxConnection(HttpToolsProtocol):
    """One connection; the application gets it in its scope, to be able to break it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.number = next(_connections)
        self.doomed = False
        inner = self.app

        async def app(scope: Any, receive: Any, send: Any) -> None:
            scope["sandbox.connection"] = self
            await inner(scope, receive, send)

        self.app = app

    def wire(self) -> Transport:
        """The transport under this connection."""
        return self.transport


class _Server(uvicorn.Server):
    """A server whose signals belong to `serve`, and which says when it listens."""

    def __init__(self, config: uvicorn.Config, listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._listening = listening

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._listening()


def bind(host: str, port: int) -> socket.socket:
    """A socket on loopback, bound and listening: `port`, or the next free one of the following
    fifty; any free one for port 0. ServeError for another host, or if none is free."""
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        raise ServeError(f"{host!r} is not a loopback address") from None
    if not address.is_loopback:
        raise ServeError(f"{host} is not a loopback address: the sandbox serves this machine only")
    if not 0 <= port <= 65_535:
        raise ServeError(f"{port} is not a port")
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    last = port + 1 if port == 0 else min(port + PORTS_TRIED, 65_536)
    for candidate in range(port, last):
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((str(address), candidate))
            listener.listen(1024)
        except OSError:
            listener.close()
            continue
        listener.setblocking(False)
        return listener
    raise ServeError(f"no free port from {port} to {last - 1} on {host}")


def url_of(listener: socket.socket) -> str:
    """`http://127.0.0.1:8702`."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    *,
    state: Path | None = None,
    seed: Path | None = None,
    delay_ms: int = 0,
    quota: bool = True,
    ready_file: Path | None = None,
    exit_with_parent: bool = False,
    announce: Callable[[str], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM.

    Once it listens, one JSON line `{"url", "pid"}` goes to `announce` (default: stdout) and to
    `ready_file`. `exit_with_parent` ends it when its stdin does, so that it outlives nobody.
    Raises ServeError or persistence.StateError before it listens, and nothing after.
    """
    world = World(Settings(delay_ms=delay_ms, quota=quota))
    if state is not None and state.exists():
        persistence.load(world, state)
    if seed is not None:
        persistence.seed_from_file(world, seed)
    # what is shown are hundreds of thousands of long-lived tuples: looking through them for
    # cycles, which they cannot have, would be most of the work
    gc.freeze()
    gc.set_threshold(50_000, 50, 1_000)
    listener = bind(host, port)
    ready = json.dumps({"url": url_of(listener), "pid": os.getpid()})

    def listening() -> None:
        if ready_file is not None:
            persistence.replace_file(ready_file, ready.encode() + b"\n")
        (announce or _print_line)(ready)

    config = uvicorn.Config(
        Application(world),
        http=SandboxConnection,
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="critical",
        date_header=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
    )
    server = _Server(config, listening)
    try:
        with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
            runner.run(_run(server, listener, world, state, exit_with_parent))
    finally:
        listener.close()
        if state is not None:
            persistence.replace_file(state, persistence.dump(world))


def _print_line(line: str) -> None:
    print(line, flush=True)


async def _run(
    server: _Server,
    listener: socket.socket,
    world: World,
    state: Path | None,
    exit_with_parent: bool,
) -> None:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    if exit_with_parent:
        threading.Thread(target=_await_parent, args=(loop, stop), daemon=True).start()
    saver = asyncio.create_task(_keep_saving(world, state)) if state is not None else None
    await server.serve(sockets=[listener])
    if saver is not None:
        saver.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await saver


def _await_parent(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        continue
    with contextlib.suppress(RuntimeError):  # the loop has ended already
        loop.call_soon_threadsafe(stop)


async def _keep_saving(world: World, state: Path) -> None:
    saved = -1
    while True:
        if world.changes != saved:
            saved = world.changes
            content = persistence.dump(world)
            await asyncio.to_thread(persistence.replace_file, state, content)
        await asyncio.sleep(SAVE_INTERVAL_S)
