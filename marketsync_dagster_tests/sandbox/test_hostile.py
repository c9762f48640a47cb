"""Nothing that arrives on the port stops the sandbox."""

from __future__ import annotations

import json

import pytest

from marketsync_dagster_tests.sandbox.calls import (
    BEARER,
    STORE_BEARER,
    batch,
    call,
    item,
    price,
    push,
    raw,
    seed_store,
    seed_tracker,
    tracker,
)
from marketsync_dagster_tests.sandbox_process import SandboxProcess

BODIES = [
    b"\x00" * 1000,
    b"[" * 50_000,
    b'{"a":' * 15_000,
    b'{"prices":' + b"[" * 50_000,
    b'"' + b"\\ud800" * 100 + b'"',
    b'{"prices":[{"product_id":"\\ud800","price":1}]}',
    b'{"prices":[{"product_id":"prod_1","price":1e400}]}',
    b'{"prices":[{"product_id":"prod_1","price":1e-399}]}',
    b'{"prices":[{"product_id":"prod_1","price":' + b"9" * 5_000 + b"}]}",
    b'{"prices":[{"product_id":{"a":1},"price":1}]}',
    b'{"prices":[{"product_id":' + b"9" * 30 + b',"price":1}]}',
    b'{"prices":[{"product_id":"prod_1","price":1,"location":{},"stock_status":[],"currency":1}]}',
    b'[{"sku":"\\ud800","selling_price":1,"stock_status":1}]',
    b'[{"sku":"0001","selling_price":1e-399,"stock_status":1}]',
    b'{"products":[{"external_id":{"a":[1.5]},"name":"n","category":"c","barcode":5}]}',
    b'{"products":[{"name":"\\ud800","category":"c","attributes":{"deep":1e300}}]}',
]


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_a_hostile_body_is_answered_in_json(fresh_sandbox: SandboxProcess, body: bytes) -> None:
    seed_tracker(fresh_sandbox, plan="unlimited")
    seed_store(fresh_sandbox, skus="any")
    fresh_sandbox.settings(keep_bodies=True)
    for path in ("/prices/batch", "/prices/single", "/products/sync"):
        reply = tracker(fresh_sandbox, "POST", path, body)
        assert (reply.status < 500, isinstance(reply.json, dict)) == (True, True), path
    assert push(fresh_sandbox, body).status in (200, 400)
    # and what it left behind can be shown, and used
    assert call(fresh_sandbox, "GET", "/__sandbox__/state").status == 200
    assert call(fresh_sandbox, "GET", "/__sandbox__/history").status == 200
    assert call(fresh_sandbox, "GET", "/__sandbox__/requests?bodies=1").status == 200
    assert tracker(fresh_sandbox, "GET", "/products").status == 200
    assert batch(fresh_sandbox, price()).status == 200


@pytest.mark.parametrize("signing", ["tracker_doc", "canonical_v1"])
@pytest.mark.parametrize("body", BODIES[:6], ids=range(6))
def test_a_hostile_body_does_not_stop_a_signature_check(
    fresh_sandbox: SandboxProcess, signing: str, body: bytes
) -> None:
    seed_tracker(fresh_sandbox, signing=signing, api_secret="sk_secret_test")
    now = str(int(fresh_sandbox.clock()))
    headers = {**BEARER, "X-Timestamp": now, "X-Signature": "v1=\xe9", "X-Nonce": "12345678"}
    assert tracker(fresh_sandbox, "POST", "/prices/batch", body, headers).status == 401


def test_hostile_paths_and_queries_are_answered(fresh_sandbox: SandboxProcess) -> None:
    seed_tracker(fresh_sandbox, plan="unlimited")
    for path in (
        "/products?" + "&".join(f"a{i}=1" for i in range(5_000)),
        "/products?limit=" + "9" * 5_000,
        "/products?limit=%D9%A1%C2%B2&offset=%C2%B3",
        "/products?search=%00%ff%fe",
        "/products/%ff%fe%00",
        "/products/" + "x" * 20_000,
        "/products/..%2f..%2fetc%2fpasswd",
    ):
        assert tracker(fresh_sandbox, "GET", path).status in (200, 404), path
    for path in ("/pasons/%ff/v1/inventory", "/pasons/../../v1/inventory", "/__sandbox__"):
        assert call(fresh_sandbox, "POST", path, b"[]", STORE_BEARER).status == 404


def test_broken_http_is_refused_and_forgotten(fresh_sandbox: SandboxProcess) -> None:
    for content in (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"POST /pasons/017/v1/inventory HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /pasons/017/v1/inventory HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n[",
        b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET /x HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    ):
        raw(fresh_sandbox, content)
    assert tracker(fresh_sandbox, "GET", "/health").status == 200


def test_a_body_sent_in_chunks_is_read_whole(fresh_sandbox: SandboxProcess) -> None:
    seed_store(fresh_sandbox)
    body = json.dumps([item()]).encode()
    chunks = b"".join(b"1\r\n" + body[i : i + 1] + b"\r\n" for i in range(len(body)))
    head = b"POST /pasons/017/v1/inventory HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
    key = STORE_BEARER["Authorization"].encode()
    received = raw(
        fresh_sandbox, head + b"Authorization: " + key + b"\r\n\r\n" + chunks + b"0\r\n\r\n"
    )
    assert b'"accepted":1' in received


def test_an_endless_body_is_not_read_to_its_end(fresh_sandbox: SandboxProcess) -> None:
    seed_store(fresh_sandbox)
    reply = push(fresh_sandbox, b" " * (17 * 1024 * 1024))
    assert (reply.status, reply.code) == (413, "PAYLOAD_TOO_LARGE")
    assert reply.headers["connection"] == "close"
    assert fresh_sandbox.requests()[-1]["status"] == 413
