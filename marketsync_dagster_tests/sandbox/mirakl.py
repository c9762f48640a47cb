"""How these tests call Mirakl: plain HTTP, nothing retried, nothing interpreted."""

from __future__ import annotations

from typing import Any

from marketsync_dagster_tests.sandbox.calls import Reply, call
from marketsync_dagster_tests.sandbox_process import SandboxProcess

KEY = "mirakl_key_obviously_fake"
SHOP = 2001
PRICE_HEADER = "offer-sku;price;discount-price;discount-start-date;discount-end-date"
STOCK_HEADER = "offer-sku;quantity;warehouse-code;update-delete"
WHERE = {
    "OF24": "/offers/imports",
    "PRI01": "/offers/pricing/imports",
    "STO01": "/offers/stock/imports",
}
CALLS = "OF24 OF02 OF03 OF04 PRI01 PRI02 PRI03 STO01 STO02 STO03 A01 OF61 SH21 OR11"
NO_LIMITS = dict.fromkeys(CALLS.split())


def seed_market(sandbox: SandboxProcess, count: int = 3, **shop: Any) -> None:
    """Shop 2001 without limits, `count` products P1.. known by EAN and UPC, and an offer S1.. of
    each at 10.00, 20.00 ..., 5 pieces; `shop` changes the shop."""
    numbers = range(1, count + 1)
    products = [
        {
            "sku": f"P{number}",
            "title": f"Maize flour {number} kg",
            "category_code": "FLOUR",
            "category_label": "Flour",
            "brand": "Soko",
            "references": [
                {"type": "EAN", "value": f"61600000{number:05}"},
                {"type": "UPC", "value": f"0600000{number:05}"},
            ],
        }
        for number in numbers
    ]
    offers = [
        {
            "shop_id": SHOP,
            "shop_sku": f"S{number}",
            "product_sku": f"P{number}",
            "price": f"{number}0.00",
            "quantity": 5,
            "description": "fresh",
            "leadtime_to_ship": 3,
        }
        for number in numbers
    ]
    given = {"api_key": KEY, "shop_id": SHOP, "intervals": NO_LIMITS, **shop}
    sandbox.seed({"mirakl": {"shops": [given], "products": products, "offers": offers}})


def mirakl(
    sandbox: SandboxProcess,
    method: str,
    path: str,
    document: Any = None,
    headers: dict[str, str] | None = None,
    timeout: float = 5,
) -> Reply:
    """One request with the shop's key; other `headers` are added to it."""
    given = {"Authorization": KEY, **(headers or {})}
    if document is not None and not isinstance(document, bytes):
        given.setdefault("Content-Type", "application/json")
    return call(sandbox, method, f"/mirakl/api{path}", document, given, timeout)


def offer(sku: str = "S1", price: Any = 12.5, **more: Any) -> dict[str, Any]:
    """One offer of OF24 with the required fields alone, for product P1 unless told otherwise."""
    return {
        "shop_sku": sku,
        "product_id": "P1",
        "product_id_type": "SKU",
        "price": price,
        "state_code": "11",
        "update_delete": "update",
        **more,
    }


def push(sandbox: SandboxProcess, *offers: Any, **more: Any) -> Reply:
    """OF24."""
    return mirakl(sandbox, "POST", "/offers", {"offers": list(offers)}, **more)


def form(content: str | bytes, name: str = "file") -> tuple[bytes, dict[str, str]]:
    """A form with one file, and the header that it needs."""
    content = content.encode() if isinstance(content, str) else content
    head = f'--edge\r\nContent-Disposition: form-data; name="{name}"; filename="a.csv"\r\n'
    body = head.encode() + b"Content-Type: text/csv\r\n\r\n" + content + b"\r\n--edge--\r\n"
    return body, {"Content-Type": "multipart/form-data; boundary=edge"}


def upload(sandbox: SandboxProcess, kind: str, *lines: str, header: str | None = None) -> Reply:
    """PRI01 or STO01 with these lines."""
    usual = PRICE_HEADER if kind == "PRI01" else STOCK_HEADER
    text = "\n".join([usual if header is None else header, *lines, ""])
    body, headers = form(text)
    return mirakl(sandbox, "POST", WHERE[kind], body, headers=headers)


def later(sandbox: SandboxProcess, seconds: float = 10) -> None:
    """Let the sandbox's clock go on."""
    sandbox.clock(sandbox.control("GET", "/clock")["offset_s"] + seconds)


def status_of(sandbox: SandboxProcess, kind: str, import_id: Any) -> dict[str, Any]:
    """What is told of an import: OF02, PRI02 or STO02."""
    path = f"{WHERE[kind]}/{import_id}"
    if kind == "PRI01":
        return mirakl(sandbox, "GET", f"{WHERE[kind]}?import_id={import_id}").json["data"][0]
    return mirakl(sandbox, "GET", f"{path}/status" if kind == "STO01" else path).json


def report_of(sandbox: SandboxProcess, kind: str, import_id: Any) -> Reply:
    """OF03, PRI03 or STO03."""
    return mirakl(sandbox, "GET", f"{WHERE[kind]}/{import_id}/error_report")


def held(sandbox: SandboxProcess, sku: str = "S1") -> dict[str, Any]:
    """Every field of an offer as the sandbox holds it."""
    return sandbox.mirakl("offers", shop_id=SHOP)[str(SHOP)][sku]
