"""Both signing profiles give the published signatures, byte for byte."""

from __future__ import annotations

import json

import pytest

from marketsync_dagster.platforms.signing import (
    Signer,
    sign_canonical_v1,
    sign_tracker_doc,
)

SECRET = "sk_secret_test"
ITEM = {
    "product_id": "prod_123456",
    "price": 60.5,
    "currency": "KES",
    "location": "Westlands Branch",
    "stock_status": "in_stock",
}
COMPACT = json.dumps({"prices": [ITEM]}, separators=(",", ":")).encode()
SPACED = json.dumps({"prices": [ITEM]}).encode()
EXACT = COMPACT.replace(b"60.5", b"60.00")


@pytest.mark.parametrize(
    ("method", "path", "timestamp", "body", "signature"),
    [
        (
            "POST",
            "/prices/batch",
            "1764280800000",
            COMPACT,
            "6372fe6de8b4ae4d86f721d7690840a6dd85dc1a95431c46a1b1faae68a3aa79",
        ),
        (
            "POST",
            "/prices/batch",
            "1764280800",
            SPACED,
            "305e4a1dc02182ef9f0514dd328bb3a14c04d987078e517b1d6ce11231af36d0",
        ),
        (
            "GET",
            "/products",
            "1764280800",
            b"",
            "f5c17dbe6869e824f5a980ba9fd2669c6c7187c3a6238256050843a590f06d21",
        ),
    ],
)
def test_tracker_doc_gives_the_published_signatures(
    method: str, path: str, timestamp: str, body: bytes, signature: str
) -> None:
    assert sign_tracker_doc(SECRET, method, path, timestamp, body) == signature


def test_canonical_v1_gives_the_published_signature() -> None:
    signature = sign_canonical_v1(
        SECRET, "POST", "/api/v1/prices/batch", "", "1764280800", "7d0c6f5e9b1a4c2f", EXACT
    )
    assert signature == "c9a6b6dc56ede15e7e75bd35cd17c92f35c707d2efc553d02af502be4e30de9c"


def test_an_empty_body_is_signed_as_the_account_says() -> None:
    braces = sign_tracker_doc(SECRET, "GET", "/products", "1", b"", empty_body="{}")
    nothing = sign_tracker_doc(SECRET, "GET", "/products", "1", b"", empty_body="")
    assert braces != nothing
    assert braces == sign_tracker_doc(SECRET, "GET", "/products", "1", b"{}", empty_body="")


@pytest.mark.parametrize(("unit", "timestamp"), [("s", "1764280800"), ("ms", "1764280800123")])
def test_tracker_doc_headers_carry_the_time_that_was_signed(unit: str, timestamp: str) -> None:
    signer = Signer("tracker_doc", SECRET, unit, clock=lambda: 1764280800.1234)  # pyright: ignore[reportArgumentType]
    headers = signer.headers("POST", "/prices/batch", base_path="/api/v1", query="", body=COMPACT)
    assert headers == {
        "X-Timestamp": timestamp,
        "X-Signature": sign_tracker_doc(SECRET, "POST", "/prices/batch", timestamp, COMPACT),
    }


def test_canonical_headers_sign_the_absolute_path_and_the_query() -> None:
    signer = Signer(
        "canonical_v1", SECRET, clock=lambda: 1764280800.9, nonce=lambda: "7d0c6f5e9b1a4c2f"
    )
    headers = signer.headers("POST", "/prices/batch", base_path="/api/v1", query="", body=EXACT)
    assert headers == {
        "X-Timestamp": "1764280800",
        "X-Nonce": "7d0c6f5e9b1a4c2f",
        "X-Content-SHA256": "6b514a8764ee62c3ced2a8fcadc0215a92b1837c21dd07c4595d769485bc2380",
        "X-Signature": "v1=c9a6b6dc56ede15e7e75bd35cd17c92f35c707d2efc553d02af502be4e30de9c",
    }
    other = signer.headers("GET", "/products", base_path="/api/v1", query="limit=1", body=b"")
    again = signer.headers("GET", "/products", base_path="/api/v1", query="limit=2", body=b"")
    assert other["X-Signature"] != again["X-Signature"]


def test_every_canonical_request_has_a_nonce_of_its_own() -> None:
    signer = Signer("canonical_v1", SECRET)
    nonces = {
        signer.headers("GET", "/products", base_path="", query="", body=b"")["X-Nonce"]
        for _ in range(50)
    }
    assert len(nonces) == 50


def test_an_unsigned_account_sends_no_signature_and_a_signer_never_shows_its_secret() -> None:
    signer = Signer("none", SECRET)
    assert signer.headers("GET", "/products", base_path="", query="", body=b"") == {}
    assert SECRET not in repr(signer)
