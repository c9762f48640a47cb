"""How these tests call the platforms: plain HTTP, nothing retried, nothing interpreted."""

from __future__ import annotations

import http.client
import json
import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from marketsync_dagster_tests.sandbox_process import SandboxProcess

KEY = "pk_live_obviously_fake"
DEMO_KEY = "pk_demo_obviously_fake"
SECRET = "sk_secret_test"
STORE_KEY = "pasons_key_obviously_fake"
BEARER = {"Authorization": f"Bearer {KEY}"}
STORE_BEARER = {"Authorization": f"Bearer {STORE_KEY}"}


@dataclass(frozen=True)
class Reply:
    """One answer; header names are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def data(self) -> Any:
        return self.json["data"]

    @property
    def code(self) -> str:
        return self.json["error"]["code"]


def connect(sandbox: SandboxProcess, timeout: float = 5) -> http.client.HTTPConnection:
    """A connection that the test closes."""
    parts = urlsplit(sandbox.url)
    return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)


def send(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    document: Any = None,
    headers: dict[str, str] | None = None,
) -> Reply:
    """One request on an open connection. A `document` of bytes is sent as it is."""
    body = document if document is None or isinstance(document, bytes) else json.dumps(document)
    connection.request(method, path, body, headers or {})
    response = connection.getresponse()
    content = response.read()
    named = {name.lower(): value for name, value in response.getheaders()}
    return Reply(response.status, named, content)


def call(
    sandbox: SandboxProcess,
    method: str,
    path: str,
    document: Any = None,
    headers: dict[str, str] | None = None,
    timeout: float = 5,
) -> Reply:
    """One request on a connection of its own."""
    connection = connect(sandbox, timeout)
    try:
        return send(connection, method, path, document, headers)
    finally:
        connection.close()


def tracker(
    sandbox: SandboxProcess,
    method: str,
    path: str,
    document: Any = None,
    headers: dict[str, str] | None = None,
    timeout: float = 5,
) -> Reply:
    """One request to Tracker KE, with the live key unless `headers` are given."""
    headers = BEARER if headers is None else headers
    return call(sandbox, method, f"/tracker_ke/api/v1{path}", document, headers, timeout)


def batch(sandbox: SandboxProcess, *items: Any, **more: Any) -> Reply:
    """POST /prices/batch."""
    return tracker(sandbox, "POST", "/prices/batch", {"prices": list(items)}, **more)


def push(
    sandbox: SandboxProcess,
    document: Any,
    store_id: str = "017",
    headers: dict[str, str] | None = None,
    timeout: float = 5,
) -> Reply:
    """POST to a store's inventory, with its key unless `headers` are given."""
    headers = STORE_BEARER if headers is None else headers
    return call(sandbox, "POST", f"/pasons/{store_id}/v1/inventory", document, headers, timeout)


def price(product_id: str = "prod_1", amount: Any = 60.5, **more: Any) -> dict[str, Any]:
    """One item of Tracker KE."""
    return {"product_id": product_id, "price": amount, "currency": "KES", **more}


def item(sku: str = "0001", amount: Any = 13.99, stock: Any = 1) -> dict[str, Any]:
    """One item of Pasons."""
    return {"sku": sku, "selling_price": amount, "stock_status": stock}


def seed_tracker(sandbox: SandboxProcess, **account: Any) -> None:
    """A live account of `mart` with three products; `account` changes it."""
    products = [
        {
            "id": f"prod_{number}",
            "name": f"Maize flour {number} kg",
            "category": "Flour",
            "barcode": f"616000000000{number}",
        }
        for number in (1, 2, 3)
    ]
    given = {"api_key": KEY, "supermarket_id": "mart", **account}
    sandbox.seed({"tracker_ke": {"accounts": [given], "products": products}})


def seed_store(sandbox: SandboxProcess, **store: Any) -> None:
    """Store 017, which lists 0001 to 0003; `store` changes it."""
    given = {
        "store_id": "017",
        "api_key": STORE_KEY,
        "skus": ["0001", "0002", "0003"],
        **store,
    }
    sandbox.seed({"pasons": {"stores": [given]}})


def raw(sandbox: SandboxProcess, content: bytes) -> bytes:
    """Send bytes that no HTTP client would, and return what comes back."""
    parts = urlsplit(sandbox.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=5) as stream:
        stream.sendall(content)
        stream.shutdown(socket.SHUT_WR)
        received = b""
        try:
            while block := stream.recv(65_536):
                received += block
        except ConnectionResetError:
            return received
        return received
