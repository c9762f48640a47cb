"""The log of every request that reached a platform of the sandbox, bounded and without secrets.

It says what happened on the wire; what the platforms show as a result belongs to `world`.
"""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass
from typing import Any

import orjson

from marketsync_dagster.sandbox.wire import Request

KEEP_ENTRIES = 200_000
KEEP_BODY_BYTES = 64 * 1024 * 1024
SECRET_HEADERS = frozenset(
    {b"authorization", b"proxy-authorization", b"cookie", b"x-api-key", b"x-api-secret"}
)
_REMEMBERED = 4_096


@dataclass(slots=True)
class Entry:
    """One request. `status` 0: no answer was given (yet); `connection` numbers its connection."""

    number: int
    time: float
    channel: str
    account: str | None
    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    body_sha256: str
    body_bytes: int
    connection: int
    items: int = 0
    status: int = 0
    applied: int = 0
    scenario: int | None = None
    body: bytes | None = None

    def document(self, with_body: bool) -> dict[str, Any]:
        """The entry as the control API shows it."""
        shown: dict[str, Any] = {
            "seq": self.number,
            "time": self.time,
            "channel": self.channel,
            "account": self.account,
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "headers": dict(self.headers),
            "body_sha256": self.body_sha256,
            "body_bytes": self.body_bytes,
            "connection": self.connection,
            "items": self.items,
            "status": self.status,
            "applied": self.applied,
            "scenario": self.scenario,
        }
        if with_body:
            shown["body"] = self._parsed_body()
        return shown

    def _parsed_body(self) -> Any:
        if self.body is None:
            return None
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return self.body.decode("utf-8", "replace")


class Journal:
    """The last 200,000 entries; bodies up to 64 MB in all, the oldest go first."""

    def __init__(self) -> None:
        self.entries: deque[Entry] = deque(maxlen=KEEP_ENTRIES)
        self.with_bodies: deque[Entry] = deque()
        self.body_bytes = 0
        self._shown_headers: dict[tuple[bytes, bytes, bool], tuple[str, str]] = {}

    def clear(self) -> None:
        """Forget every entry."""
        self.entries.clear()
        self.with_bodies.clear()
        self.body_bytes = 0

    def headers(self, request: Request, secrets: tuple[bytes, ...]) -> tuple[tuple[str, str], ...]:
        """The headers as they may be kept: credentials (and `secrets`, names of headers) hashed."""
        seen = self._shown_headers
        result: list[tuple[str, str]] = []
        for name, value in request.headers.items():
            hidden = name in SECRET_HEADERS or name in secrets
            shown = seen.get((name, value, hidden))
            if shown is None:
                text = value.decode("latin-1")
                if hidden:
                    text = f"sha256:{hashlib.sha256(value).hexdigest()[:16]}"
                if len(seen) >= _REMEMBERED:
                    seen.clear()
                shown = seen[(name, value, hidden)] = (name.decode("latin-1"), text)
            result.append(shown)
        return tuple(result)

    def add(self, entry: Entry) -> None:
        """Append an entry; it may still be completed while its request is being answered."""
        self.entries.append(entry)
        if entry.body is None:
            return
        self.with_bodies.append(entry)
        self.body_bytes += len(entry.body)
        while self.body_bytes > KEEP_BODY_BYTES and self.with_bodies:
            oldest = self.with_bodies.popleft()
            self.body_bytes -= len(oldest.body or b"")
            oldest.body = None

    def since(self, number: int) -> list[Entry]:
        """Entries after the given sequence number, oldest first."""
        found: list[Entry] = []
        for entry in reversed(self.entries):
            if entry.number <= number:
                break
            found.append(entry)
        found.reverse()
        return found
