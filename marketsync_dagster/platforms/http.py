"""The one place where HTTP is spoken: connections, timeouts, bounds, and answers as plain values.

Nothing that goes wrong on the wire escapes as an exception, so no exception of the HTTP library
(whose text, attributes and context may hold URLs and headers) reaches a log. What an answer
means belongs to `classify` and the adapters; when to try again to `push.sender`.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import re
import ssl
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol, Self
from urllib.parse import quote, urlsplit

import httpx

from marketsync_dagster.platforms import bodies, retry_after
from marketsync_dagster.platforms.base import Call
from marketsync_dagster.platforms.urls import encode_query, origin_of
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster.values.redact import MASK, scrub

# at DEBUG these write response headers, which may echo what was sent
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)

CONNECTIONS = 8
KEEPALIVE_S = 4.0
"""Shorter than the 5 s after which common servers close idle connections."""
MAX_BODY = 20 * 1024 * 1024
MAX_ERROR_BODY = 64 * 1024
"""Of an error only its words matter; the rest is not read."""
ERROR_BYTES = 500
WORDS = 300
"""Characters of a platform's message about one item that are kept."""
_SCRUBBED = 16 * 1024
PAGE = _SCRUBBED
"""Characters of a web page in which its words are looked for."""
_UNPRINTABLE = re.compile("[\x00-\x20\x7f\ud800-\udfff]+")
"""What no database takes, and every run of white space."""
_REQUEST_IDS = ("x-request-id", "x-correlation-id", "cf-ray")


class HasTimeouts(Protocol):
    """The two figures of `config` that are needed here."""

    @property
    def connect_s(self) -> float: ...

    @property
    def read_s(self) -> float: ...


class Cleaner:
    """Masks what was private to one request, then every registered secret."""

    __slots__ = ("_pattern",)

    def __init__(self, private: Sequence[str]) -> None:
        forms = {form for text in private if text for form in (text, quote(text, safe=""))}
        ordered = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def __call__(self, text: str, limit: int = WORDS) -> str:
        """`text` without secrets, on one line, cut to `limit` characters *after* masking."""
        if not text:
            return ""
        head = text[:_SCRUBBED]
        masked = head if self._pattern is None else self._pattern.sub(MASK, head)
        masked = scrub(masked)
        if len(text) > _SCRUBBED:  # a secret may have been cut in two at the end
            masked = masked[: max(0, len(masked) - 4096)]
        return _UNPRINTABLE.sub(" ", masked).strip()[:limit]


@dataclass(frozen=True, slots=True, repr=False)
class Response:
    """An answer, read to its end or to its bound."""

    status: int
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes
    clean: Cleaner
    received_at: datetime

    def document(self, *, exact: bool = False) -> tuple[bodies.BodyKind, Any]:
        """What the body is, and the JSON in it; `exact` reads fractions as Decimal."""
        return bodies.read_document(self.body, exact=exact)

    def text(self, most: int) -> str:
        """The beginning of the body, on one line, masked before it is cut."""
        text = self.body.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
        return self.clean(text, most)

    def ahead_s(self) -> float | None:
        """By how many seconds the platform's clock is ahead of ours; None: it does not say."""
        return retry_after.ahead_s(self.headers.get("date"), now=self.received_at)

    def retry_after_s(self, cap_s: float) -> float | None:
        """What the `Retry-After` header asks for."""
        return retry_after.from_headers(
            self.headers.get("retry-after"),
            self.headers.get("date"),
            now=self.received_at,
            cap_s=cap_s,
        )

    def redirect_target(self) -> str:
        """Where a redirect leads, without path and query: `http://other.test:8080`; empty where
        it stays on the same server."""
        # masked before it is taken apart: that writes it in lower case
        target = self.clean(self.headers.get("location", ""), 2_000)
        try:
            parts = urlsplit(target)
            host, port = parts.hostname, parts.port
        except ValueError:
            return "an unreadable address"
        if not host:
            return ""
        scheme = f"{parts.scheme}://" if parts.scheme else ""
        name = f"[{host}]" if ":" in host else host
        return f"{scheme}{name}{f':{port}' if port is not None else ''}"[:200]


@dataclass(frozen=True, slots=True)
class TransportFailure:
    """No answer, or none that can be read to its end."""

    outcome: Outcome
    """RETRYABLE: nothing was sent. UNKNOWN: it may have been applied."""
    message: str


@functools.cache
def _trust() -> ssl.SSLContext:
    """One context for all connections: loading the authorities costs 20 ms."""
    return httpx.create_ssl_context(trust_env=False)


@dataclass(slots=True, repr=False)
class Transport:
    """Connections to one base URL: HTTP/1.1, kept alive, no proxy, no redirect, no cookies."""

    base_url: str
    timeouts: HasTimeouts
    user_agent: str = "MarketSync"
    _pool: httpx.AsyncHTTPTransport = field(init=False)
    _urls: dict[str, httpx.URL] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        tls = self.base_url.lower().startswith("https:")
        self._pool = httpx.AsyncHTTPTransport(
            verify=_trust() if tls else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            trust_env=False,
            limits=httpx.Limits(
                max_connections=CONNECTIONS,
                max_keepalive_connections=CONNECTIONS,
                keepalive_expiry=KEEPALIVE_S,
            ),
        )

    async def __aenter__(self) -> Self:
        await self._pool.__aenter__()
        return self

    async def __aexit__(self, *args: object) -> None:
        await self._pool.aclose()

    async def request(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        private: Sequence[str] = (),
    ) -> tuple[Response | TransportFailure, Call]:
        """One attempt. `path` is relative to the base URL and already escaped.

        `private` are texts of this request that no message may repeat: signatures and the like.
        """
        query = encode_query(params)
        target = f"{path}?{query}" if query else path
        clean = Cleaner(private)
        started = time.monotonic()
        result = await self._attempt(method, target, content, headers, clean)
        milliseconds = round((time.monotonic() - started) * 1000)
        shown = clean(target, 1_000)
        if isinstance(result, TransportFailure):
            return result, Call(method, shown, None, milliseconds, error=result.message)
        error = "" if 200 <= result.status < 300 else excerpt(result)
        request_id, ahead_s = _request_id(result), result.ahead_s()
        return result, Call(method, shown, result.status, milliseconds, request_id, error, ahead_s)

    def _request(
        self, method: str, target: str, content: bytes | None, headers: Mapping[str, str] | None
    ) -> httpx.Request:
        url = self._urls.get(target)
        if url is None:
            url = httpx.URL(self.base_url.rstrip("/") + target)
            if len(self._urls) < 64:
                self._urls[target] = url
        read_s = self.timeouts.read_s
        connect_s = self.timeouts.connect_s
        timeout = {"connect": connect_s, "read": read_s, "write": read_s, "pool": read_s}
        return httpx.Request(
            method,
            url,
            headers={
                "User-Agent": self.user_agent,
                "Accept": "application/json",
                "Accept-Encoding": "gzip",
                **(headers or {}),
            },
            content=content,
            extensions={"timeout": timeout},
        )

    async def _attempt(
        self,
        method: str,
        target: str,
        content: bytes | None,
        headers: Mapping[str, str] | None,
        clean: Cleaner,
    ) -> Response | TransportFailure:
        # The longest that one call can take: the read timeout alone starts anew with each byte.
        deadline = self.timeouts.connect_s + 2 * self.timeouts.read_s
        try:
            request = self._request(method, target, content, headers)
        except (httpx.InvalidURL, ValueError):
            return TransportFailure(Outcome.REFUSED, "the address cannot be written as a URL")
        try:
            async with asyncio.timeout(deadline):
                answer = await self._pool.handle_async_request(request)
                try:
                    raw, cut = await _read(answer)
                finally:
                    await answer.stream.aclose()  # pyright: ignore[reportAttributeAccessIssue]
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
            return TransportFailure(
                Outcome.RETRYABLE,
                f"connect failed: no connection to {origin_of(self.base_url)}, nothing was sent; "
                "is the platform (or the sandbox) running?",
            )
        except (TimeoutError, httpx.TimeoutException):
            return TransportFailure(
                Outcome.UNKNOWN, f"no complete answer in time (read_s: {self.timeouts.read_s:g})"
            )
        except (httpx.HTTPError, OSError):
            return TransportFailure(Outcome.UNKNOWN, "the connection broke after sending")
        return _assemble(answer, raw, cut, clean)


async def _read(answer: httpx.Response) -> tuple[bytes, bool]:
    """The body as it came over the wire, and whether it went on beyond the bound."""
    most = MAX_BODY if answer.status_code < 300 else MAX_ERROR_BODY
    chunks: list[bytes] = []
    size = 0
    async for chunk in answer.stream:  # pyright: ignore[reportGeneralTypeIssues]
        chunks.append(chunk)
        size += len(chunk)
        if size > most:
            return b"".join(chunks)[:most], True
    return b"".join(chunks), False


def _assemble(
    answer: httpx.Response, raw: bytes, cut: bool, clean: Cleaner
) -> Response | TransportFailure:
    headers = {name.lower(): value for name, value in answer.headers.items()}
    body = _decoded(raw, headers.get("content-encoding", ""), whole=not cut)
    if answer.status_code < 300 and (cut or body is None or len(body) > MAX_BODY):
        what = "cannot be decoded" if body is None else f"is larger than {MAX_BODY // 1024**2} MB"
        return TransportFailure(Outcome.UNKNOWN, f"the answer {what}")
    # of an error the status says enough, even where its body cannot be read
    return Response(answer.status_code, headers, body or b"", clean, datetime.now(UTC))


def _decoded(raw: bytes, encoding: str, *, whole: bool) -> bytes | None:
    """The body without its content encoding, at most a byte above the bound; None: broken."""
    encoding = encoding.strip().lower()
    if encoding in ("", "identity") or not raw:
        return raw
    if encoding not in ("gzip", "x-gzip"):
        return None
    decoder = zlib.decompressobj(wbits=31)
    try:
        body = decoder.decompress(raw, MAX_BODY + 1)
    except zlib.error:
        return None
    # a stream without its end is as little an answer as JSON without its last bracket
    return body if decoder.eof or len(body) > MAX_BODY or not whole else None


def excerpt(response: Response) -> str:
    """The first 500 bytes of a body, masked before they are cut."""
    words = response.text(most=ERROR_BYTES)
    return words.encode()[:ERROR_BYTES].decode("utf-8", "ignore")


def _request_id(response: Response) -> str:
    for name in _REQUEST_IDS:
        value = response.headers.get(name)
        if value:
            return response.clean(value, 100)
    return ""
