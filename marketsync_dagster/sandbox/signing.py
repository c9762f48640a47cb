"""The two ways in which Tracker KE requests are signed, checked as its server would.

Contract section 2.2. `tracker_doc` is what the platform's own document says, with both of its
contradicting samples accepted (seconds and milliseconds, the very bytes and compact JSON);
`canonical_v1` is the strict profile: time window, nonce, two secrets during a rotation.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from typing import Any
from urllib.parse import parse_qsl, quote

from marketsync_dagster.sandbox.wire import Malformed, Request, read_json, sha256_hex

WINDOW_S = 300
NONCE_S = 600
_MILLISECONDS_FROM = 100_000_000_000
_NONCE = re.compile(r"[A-Za-z0-9._~-]{8,128}")


class Nonces:
    """The nonces seen in the last ten minutes, per key."""

    def __init__(self) -> None:
        self._expiry: dict[tuple[str, str], float] = {}

    def first_time(self, key: str, nonce: str, now: float) -> bool:
        """Remember a nonce; False if it is still remembered."""
        if self._expiry.get((key, nonce), 0.0) > now:
            return False
        if len(self._expiry) >= 10_000:
            self._expiry = {pair: until for pair, until in self._expiry.items() if until > now}
        self._expiry[(key, nonce)] = now + NONCE_S
        return True

    def clear(self) -> None:
        """Forget all of them."""
        self._expiry.clear()


def _hmac(secret: str, text: bytes) -> str:
    return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()


def _matches(secrets: tuple[str, ...], texts: list[bytes], signature: str) -> bool:
    found = False
    given = signature.encode("latin-1", "replace")
    for secret in secrets:
        for text in texts:
            # every candidate is compared, so that the time tells nothing
            found |= hmac.compare_digest(_hmac(secret, text).encode(), given)
    return found


def _timestamp(text: str, now: float, milliseconds: bool) -> str:
    """Empty if the time is within the window, else what is wrong with it."""
    if not text.isascii() or not text.isdigit() or len(text) > 16:
        return "Missing or invalid X-Timestamp"
    moment = int(text)
    if milliseconds and moment >= _MILLISECONDS_FROM:
        moment /= 1000
    return "" if abs(now - moment) <= WINDOW_S else "X-Timestamp is outside of the allowed window"


def _as_javascript(value: Any) -> Any:
    """Numbers as JSON.stringify writes them: 60.00 becomes 60."""
    if isinstance(value, dict):
        return {key: _as_javascript(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_javascript(item) for item in value]
    if isinstance(value, int) or value is None or isinstance(value, str):
        return value
    number = float(value)
    return int(number) if number.is_integer() and abs(number) < 1e21 else number


def _body_texts(body: bytes) -> list[bytes]:
    if not body:
        return [b"{}", b""]
    texts = [body]
    try:
        document = read_json(body)
        compact = json.dumps(
            _as_javascript(document), separators=(",", ":"), ensure_ascii=False
        ).encode("utf-8", "surrogatepass")
    except (Malformed, RecursionError, OverflowError):
        return texts
    if compact != body:
        texts.append(compact)
    return texts


def check_tracker_doc(request: Request, path: str, secrets: tuple[str, ...], now: float) -> str:
    """Why a request is not properly signed, empty if it is. `path` is relative to the base URL."""
    timestamp = request.header("x-timestamp")
    complaint = _timestamp(timestamp, now, milliseconds=True)
    if complaint:
        return complaint
    signature = request.header("x-signature")
    if not signature:
        return "Missing X-Signature"
    head = f"{request.method}:{path}:{timestamp}:".encode()
    texts = [head + body for body in _body_texts(request.body)]
    return "" if _matches(secrets, texts, signature) else "Invalid signature"


def canonical_query(query: str) -> str:
    """Parameters sorted by name, then value, each percent-encoded; Malformed for a hostile one."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=100)
    except ValueError as error:
        raise Malformed(str(error)) from error
    encoded = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in pairs)
    return "&".join(f"{name}={value}" for name, value in encoded)


def check_canonical_v1(
    request: Request, mount: str, key: str, secrets: tuple[str, ...], now: float, nonces: Nonces
) -> str:
    """Why a request is not properly signed, empty if it is.

    The path is signed as it stands in the URL, or as the platform itself would see it behind the
    prefix `mount` of this sandbox. A nonce counts as used only once its signature was right.
    """
    timestamp = request.header("x-timestamp")
    complaint = _timestamp(timestamp, now, milliseconds=False)
    if complaint:
        return complaint
    nonce = request.header("x-nonce")
    if not _NONCE.fullmatch(nonce):
        return "Missing or invalid X-Nonce"
    digest = sha256_hex(request.body)
    given_digest = request.header("x-content-sha256").encode("latin-1")
    if not hmac.compare_digest(given_digest, digest.encode()):
        return "X-Content-SHA256 does not fit the body"
    scheme, _, signature = request.header("x-signature").partition("=")
    if scheme != "v1" or not signature:
        return "Missing X-Signature"
    try:
        query = canonical_query(request.query)
    except Malformed:
        return "Invalid query"
    tail = f"{query}\n{timestamp}\n{nonce}\n{digest}"
    texts = [
        f"TRK1-HMAC-SHA256\n{request.method}\n{path}\n{tail}".encode("utf-8", "surrogatepass")
        for path in (request.raw_path, request.raw_path.removeprefix(mount))
    ]
    if not _matches(secrets, texts, signature):
        return "Invalid signature"
    return "" if nonces.first_time(key, nonce, now) else "X-Nonce was used before"
