"""The two ways to sign a request, `tracker_doc` as Tracker KE has published it and `canonical_v1`,
which Qikink takes too (contract sections 2.2 and 5.3).

Pure: time and nonce are given. Which bytes are sent belongs to the adapters; what is signed are
these very bytes.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal


def _hex_hmac(secret: str, message: bytes) -> str:
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def sign_tracker_doc(
    secret: str, method: str, path: str, timestamp: str, body: bytes, *, empty_body: str = "{}"
) -> str:
    """Lower-case hex of `METHOD:path:timestamp:body`.

    `path` is relative to the base URL and has no query. A request without a body signs
    `empty_body`: the platform's document is not of one mind about it.
    """
    head = f"{method}:{path}:{timestamp}:".encode()
    return _hex_hmac(secret, head + (body or empty_body.encode()))


def sign_canonical_v1(
    secret: str, method: str, path: str, query: str, timestamp: str, nonce: str, body: bytes
) -> str:
    """Lower-case hex over seven lines; `path` is absolute, `query` sorted and encoded."""
    digest = hashlib.sha256(body).hexdigest()
    lines = ("TRK1-HMAC-SHA256", method, path, query, timestamp, nonce, digest)
    return _hex_hmac(secret, "\n".join(lines).encode())


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs by an account's profile; `headers` of profile `none` is empty."""

    profile: Literal["none", "tracker_doc", "canonical_v1"]
    secret: str = field(repr=False)
    timestamp_unit: Literal["s", "ms"] = "s"
    empty_body: str = "{}"
    clock: Callable[[], float] = time.time
    nonce: Callable[[], str] = lambda: secrets.token_hex(8)

    def headers(
        self, method: str, path: str, *, base_path: str, query: str, body: bytes
    ) -> dict[str, str]:
        """The headers of one request; `path` is relative to the base URL."""
        if self.profile == "none":
            return {}
        now = self.clock()
        if self.profile == "tracker_doc":
            timestamp = str(int(now * 1000) if self.timestamp_unit == "ms" else int(now))
            signature = sign_tracker_doc(
                self.secret, method, path, timestamp, body, empty_body=self.empty_body
            )
            return {"X-Timestamp": timestamp, "X-Signature": signature}
        timestamp, nonce = str(int(now)), self.nonce()
        signature = sign_canonical_v1(
            self.secret, method, base_path + path, query, timestamp, nonce, body
        )
        return {
            "X-Timestamp": timestamp,
            "X-Nonce": nonce,
            "X-Content-SHA256": hashlib.sha256(body).hexdigest(),
            "X-Signature": f"v1={signature}",
        }
