"""How these tests call Qikink, both profiles: plain HTTP, nothing retried, nothing interpreted."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from marketsync_dagster_tests.sandbox.calls import Reply, call
from marketsync_dagster_tests.sandbox_process import SandboxProcess

REAL, SPEC = "qk_real", "qk_spec"
SECRET = "qk_secret_obviously_fake"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}
PERSON = ("Asha", "Rao", "12 Lake View", "9840012345", "asha@mail.invalid")
ADDRESS = {
    **dict(zip(("first_name", "last_name", "address1", "phone", "email"), PERSON, strict=True)),
    "city": "Chennai",
    "zip": "600001",
    "province": "Tamil Nadu",
    "country_code": "IN",
}
LINE = {"search_from_my_products": 1, "sku": "TEE-M", "quantity": "2", "price": "649.50"}


def seed_real(sandbox: SandboxProcess, **account: Any) -> None:
    """One client of the real API, without a limit; `account` changes it."""
    given = {"client_id": REAL, "client_secret": SECRET, "per_minute": None, **account}
    sandbox.seed({"qikink": {"accounts": [given]}})


def seed_spec(sandbox: SandboxProcess, **account: Any) -> None:
    """One client of the specified API; `account` changes it."""
    given = {"client_id": SPEC, "client_secret": SECRET, "profile": "spec", **account}
    sandbox.seed({"qikink": {"accounts": [given]}})


def ask_token(sandbox: SandboxProcess, secret: str = SECRET, client: str = REAL) -> Reply:
    """The real API's token call."""
    body = urlencode({"ClientId": client, "client_secret": secret}).encode()
    return call(sandbox, "POST", "/qikink/api/token", body, FORM)


def entered(sandbox: SandboxProcess) -> dict[str, str]:
    """The headers of the real API with a new token."""
    return {"ClientId": REAL, "Accesstoken": ask_token(sandbox).json["Accesstoken"], **JSON}


def order(number: str = "202600062", **more: Any) -> dict[str, Any]:
    """An order of the real API; a value of None leaves a field out."""
    document = {
        "order_number": number,
        "qikink_shipping": "1",
        "gateway": "Prepaid",
        "total_order_value": "1299",
        "line_items": [LINE],
        "shipping_address": ADDRESS,
        **more,
    }
    return {name: value for name, value in document.items() if value is not None}


def create(sandbox: SandboxProcess, headers: dict[str, str], document: Any, **more: Any) -> Reply:
    """The real API's order/create."""
    return call(sandbox, "POST", "/qikink/api/order/create", document, headers, **more)


def listed(sandbox: SandboxProcess, headers: dict[str, str], **query: Any) -> Reply:
    """The real API's order list, or one order by its id."""
    return call(sandbox, "GET", f"/qikink/api/order?{urlencode(query)}", None, headers)


def spec_token(sandbox: SandboxProcess, **form: str) -> Reply:
    """The specified API's token call."""
    given = {"grant_type": "client_credentials", "client_id": SPEC, "client_secret": SECRET}
    body = urlencode({**given, **form}).encode()
    return call(sandbox, "POST", "/qikink_spec/oauth/token", body, FORM)


def spec_entered(sandbox: SandboxProcess) -> dict[str, str]:
    """The headers of the specified API with a new token."""
    token = spec_token(sandbox).json["access_token"]
    return {"X-Client-ID": SPEC, "Authorization": f"Bearer {token}", **JSON}


def spec(
    sandbox: SandboxProcess,
    headers: dict[str, str],
    method: str,
    path: str,
    document: Any = None,
    **more: Any,
) -> Reply:
    """One call of the specified API."""
    return call(sandbox, method, f"/qikink_spec/api/v1{path}", document, headers, **more)


def spec_order(number: str = "BHRT-1733304000", **more: Any) -> dict[str, Any]:
    """An order of the specified API; a value of None leaves a field out."""
    document = {
        "order_id": number,
        "customer_email": PERSON[4],
        "shipping_address": f"{PERSON[0]} {PERSON[1]}, {PERSON[2]}, Chennai",
        "items": [{"sku": "TEE-M", "quantity": 2, "price": 649.5}],
        "total_amount": 1299.0,
        **more,
    }
    return {name: value for name, value in document.items() if value is not None}
