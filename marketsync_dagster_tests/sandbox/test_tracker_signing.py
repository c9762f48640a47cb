"""Both signing profiles of Tracker KE, against the published vectors and by forgery."""

from __future__ import annotations

import hashlib
import hmac
import json
import time

import pytest

from marketsync_dagster_tests.sandbox.calls import (
    BEARER,
    SECRET,
    Reply,
    call,
    seed_tracker,
    tracker,
)
from marketsync_dagster_tests.sandbox_process import SandboxProcess

VECTOR_TIME = 1_764_280_800
PRODUCT = {"id": "prod_123456", "name": "Coca Cola 500ml"}
TAIL = '"currency":"KES","location":"Westlands Branch","stock_status":"in_stock"}]}'
COMPACT = '{"prices":[{"product_id":"prod_123456","price":60.5,' + TAIL
SPACED = json.dumps(json.loads(COMPACT))
CANONICAL = '{"prices":[{"product_id":"prod_123456","price":60.00,' + TAIL


def at_vector_time(sandbox: SandboxProcess, signing: str, seconds_later: float = 0) -> None:
    seed_tracker(sandbox, signing=signing, api_secret=SECRET)
    sandbox.seed({"tracker_ke": {"products": [PRODUCT]}})
    sandbox.clock(VECTOR_TIME + seconds_later - time.time())


def signed(sandbox: SandboxProcess, body: str, timestamp: object, signature: str) -> Reply:
    headers = {**BEARER, "X-Timestamp": str(timestamp), "X-Signature": signature}
    return tracker(sandbox, "POST", "/prices/batch", body.encode(), headers)


def hex_hmac(secret: str, text: str) -> str:
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    ("body", "timestamp", "signature"),
    [
        (
            COMPACT,
            VECTOR_TIME * 1000,
            "6372fe6de8b4ae4d86f721d7690840a6dd85dc1a95431c46a1b1faae68a3aa79",
        ),
        (
            SPACED,
            VECTOR_TIME,
            "305e4a1dc02182ef9f0514dd328bb3a14c04d987078e517b1d6ce11231af36d0",
        ),
        (
            SPACED,
            VECTOR_TIME * 1000,
            "6372fe6de8b4ae4d86f721d7690840a6dd85dc1a95431c46a1b1faae68a3aa79",
        ),
    ],
    ids=["milliseconds, compact", "seconds, exact bytes", "compact signature of spaced bytes"],
)
def test_the_documented_vectors_are_accepted(
    fresh_sandbox: SandboxProcess, body: str, timestamp: int, signature: str
) -> None:
    at_vector_time(fresh_sandbox, "tracker_doc")
    assert signed(fresh_sandbox, body, timestamp, signature).status == 200


def test_the_documented_get_vector_is_accepted_with_a_query(fresh_sandbox: SandboxProcess) -> None:
    at_vector_time(fresh_sandbox, "tracker_doc")
    signature = "f5c17dbe6869e824f5a980ba9fd2669c6c7187c3a6238256050843a590f06d21"
    headers = {**BEARER, "X-Timestamp": str(VECTOR_TIME), "X-Signature": signature}
    assert tracker(fresh_sandbox, "GET", "/products?limit=1", headers=headers).status == 200


def test_tracker_doc_refuses_every_forgery(fresh_sandbox: SandboxProcess) -> None:
    at_vector_time(fresh_sandbox, "tracker_doc")
    good = hex_hmac(SECRET, f"POST:/prices/batch:{VECTOR_TIME}:{COMPACT}")
    other_path = hex_hmac(SECRET, f"POST:/prices/single:{VECTOR_TIME}:{COMPACT}")
    other_key = hex_hmac("sk_secret_other", f"POST:/prices/batch:{VECTOR_TIME}:{COMPACT}")
    forgeries = [
        (COMPACT.replace("60.5", "60.6"), VECTOR_TIME, good),
        (COMPACT, VECTOR_TIME + 1, good),
        (COMPACT, VECTOR_TIME, other_path),
        (COMPACT, VECTOR_TIME, other_key),
        (COMPACT, VECTOR_TIME, good.upper()),
        (COMPACT, VECTOR_TIME, ""),
        (COMPACT, "", good),
        (COMPACT, "now", good),
        (COMPACT, "9" * 40, good),
    ]
    for body, timestamp, signature in forgeries:
        reply = signed(fresh_sandbox, body, timestamp, signature)
        assert (reply.status, reply.code) == (401, "UNAUTHORIZED"), (timestamp, signature)
    assert fresh_sandbox.history() == []
    assert signed(fresh_sandbox, COMPACT, VECTOR_TIME, good).status == 200


@pytest.mark.parametrize(("late", "status"), [(299, 200), (-299, 200), (303, 401), (-303, 401)])
def test_a_signature_is_good_for_five_minutes_by_the_sandbox_clock(
    fresh_sandbox: SandboxProcess, late: int, status: int
) -> None:
    at_vector_time(fresh_sandbox, "tracker_doc", seconds_later=late)
    good = hex_hmac(SECRET, f"POST:/prices/batch:{VECTOR_TIME}:{COMPACT}")
    assert signed(fresh_sandbox, COMPACT, VECTOR_TIME, good).status == status


def test_both_secrets_are_good_while_one_replaces_the_other(fresh_sandbox: SandboxProcess) -> None:
    at_vector_time(fresh_sandbox, "tracker_doc")
    seed_tracker(fresh_sandbox, api_secret="sk_secret_next", previous_secret=SECRET)
    for secret, status in ((SECRET, 200), ("sk_secret_next", 200), ("sk_secret_older", 401)):
        signature = hex_hmac(secret, f"POST:/prices/batch:{VECTOR_TIME}:{COMPACT}")
        assert signed(fresh_sandbox, COMPACT, VECTOR_TIME, signature).status == status


def canonical(
    sandbox: SandboxProcess,
    body: str,
    *,
    nonce: str = "7d0c6f5e9b1a4c2f",
    path: str = "/tracker_ke/api/v1/prices/batch",
    query: str = "",
    method: str = "POST",
    secret: str = SECRET,
    timestamp: int = VECTOR_TIME,
    changed: dict[str, str] | None = None,
) -> Reply:
    """Sign as canonical_v1 says; `changed` headers replace the right ones."""
    digest = hashlib.sha256(body.encode()).hexdigest()
    lines = ["TRK1-HMAC-SHA256", method, path, query, str(timestamp), nonce, digest]
    headers = {
        "X-Timestamp": str(timestamp),
        "X-Nonce": nonce,
        "X-Content-SHA256": digest,
        "X-Signature": f"v1={hex_hmac(secret, chr(10).join(lines))}",
        **(changed or {}),
    }
    url = f"/tracker_ke/api/v1{path.partition('/api/v1')[2]}"
    if query:
        url += f"?{query}"
    return call(sandbox, method, url, body.encode() or None, {**BEARER, **headers})


def test_the_canonical_vector_is_accepted(fresh_sandbox: SandboxProcess) -> None:
    at_vector_time(fresh_sandbox, "canonical_v1")
    signature = "v1=c9a6b6dc56ede15e7e75bd35cd17c92f35c707d2efc553d02af502be4e30de9c"
    assert canonical(fresh_sandbox, CANONICAL, changed={"X-Signature": signature}).status == 200


def test_canonical_signs_the_path_as_it_stands_in_the_url(fresh_sandbox: SandboxProcess) -> None:
    at_vector_time(fresh_sandbox, "canonical_v1")
    assert canonical(fresh_sandbox, CANONICAL).status == 200
    reply = canonical(
        fresh_sandbox,
        "",
        method="GET",
        path="/tracker_ke/api/v1/products",
        query="limit=1&search=a%20b",
        nonce="another_nonce",
    )
    assert reply.status == 200


def test_a_nonce_is_good_once_in_ten_minutes(fresh_sandbox: SandboxProcess) -> None:
    at_vector_time(fresh_sandbox, "canonical_v1")
    # a wrong signature does not use the nonce up
    assert canonical(fresh_sandbox, CANONICAL, secret="sk_secret_wrong").status == 401
    assert canonical(fresh_sandbox, CANONICAL).status == 200
    assert canonical(fresh_sandbox, CANONICAL).status == 401
    fresh_sandbox.clock(VECTOR_TIME + 590 - time.time())
    assert canonical(fresh_sandbox, CANONICAL, timestamp=VECTOR_TIME + 590).status == 401
    fresh_sandbox.clock(VECTOR_TIME + 610 - time.time())
    assert canonical(fresh_sandbox, CANONICAL, timestamp=VECTOR_TIME + 610).status == 200


@pytest.mark.parametrize(
    "changed",
    [
        {"X-Content-SHA256": "0" * 64},
        {"X-Nonce": ""},
        {"X-Nonce": "short"},
        {"X-Nonce": "another_nonce"},
        {"X-Signature": ""},
        {"X-Signature": "v2=abc"},
        {"X-Timestamp": str(VECTOR_TIME * 1000)},
        {"X-Timestamp": str(VECTOR_TIME + 1)},
    ],
)
def test_canonical_refuses_every_changed_header(
    fresh_sandbox: SandboxProcess, changed: dict[str, str]
) -> None:
    at_vector_time(fresh_sandbox, "canonical_v1")
    assert canonical(fresh_sandbox, CANONICAL, changed=changed).status == 401
    assert fresh_sandbox.history() == []


def test_an_account_without_signing_ignores_signatures(fresh_sandbox: SandboxProcess) -> None:
    seed_tracker(fresh_sandbox)
    assert signed(fresh_sandbox, COMPACT, "nonsense", "nonsense").status == 200


def test_a_wrong_secret_in_clear_is_refused(fresh_sandbox: SandboxProcess) -> None:
    seed_tracker(fresh_sandbox, api_secret=SECRET)
    for secret, status in ((SECRET, 200), ("sk_secret_wrong", 401)):
        headers = {**BEARER, "X-API-Secret": secret}
        assert tracker(fresh_sandbox, "GET", "/products", headers=headers).status == status
