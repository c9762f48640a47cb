"""What the sandbox answers for Mirakl, against Mirakl's official document where it is at hand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from marketsync_dagster_tests.sandbox import openapi
from marketsync_dagster_tests.sandbox.calls import Reply
from marketsync_dagster_tests.sandbox.mirakl import (
    KEY,
    WHERE,
    form,
    later,
    mirakl,
    offer,
    push,
    report_of,
    seed_market,
    upload,
)
from marketsync_dagster_tests.sandbox_process import SandboxProcess

pytestmark = openapi.needs_document

FULL = {
    "description": "fresh; from the mill",
    "internal_description": "shelf 4",
    "quantity": 7,
    "min_quantity_alert": 2,
    "leadtime_to_ship": 0,
    "logistic_class": "L",
    "min_order_quantity": 1,
    "max_order_quantity": 9,
    "package_quantity": 1,
    "product_tax_code": "A",
    "available_started": "2026-01-01T00:00:00Z",
    "available_ended": "2026-02-01T00:00:00Z",
    "allow_quote_requests": True,
    "price_additional_info": "per bag",
    "msrp": 30,
    "offer_additional_fields": [{"code": "origin", "value": "KE"}],
    "discount": {
        "price": 11,
        "start_date": "2026-01-01T00:00:00Z",
        "end_date": "2036-01-01T00:00:00Z",
        "ranges": [{"price": 10.5, "quantity_threshold": 3}],
    },
    "all_prices": [
        {
            "channel_code": "KE",
            "unit_origin_price": 12,
            "unit_discount_price": 11.5,
            "volume_prices": [{"quantity_threshold": 5, "unit_origin_price": 11}],
        }
    ],
}
READS = {
    "V01": "/version",
    "A01": "/account",
    "P31": "/products?product_references=EAN|6160000000001,UPC|060000000002,EAN|1",
    "OF21": "/offers?max=2&offset=1&sort=price&order=desc",
    "OF61": "/offers/states",
    "RE01": "/reasons",
    "SH21": "/shipping/carriers",
}


def check(code: str, reply: Reply) -> Any:
    """The reply, which conforms."""
    openapi.check_response(code, reply.status, reply.headers, reply.body)
    return reply


@pytest.fixture
def market(fresh_sandbox: SandboxProcess) -> SandboxProcess:
    seed_market(fresh_sandbox, warehouses=["NBO"])
    return fresh_sandbox


def test_everything_that_can_be_read_conforms(market: SandboxProcess) -> None:
    market.settings(keep_bodies=True)
    push(market, offer("S1", **FULL), offer("S2", quantity=0), offer("NEW", 9.99))
    later(market)
    upload(market, "STO01", "S2;4;NBO;", "S3;0;;")
    upload(market, "PRI01", "S3;9,50;9;2026-01-01T00:00:00Z;")
    later(market)
    assert all(i["status"] == "COMPLETE" for i in market.mirakl("imports"))
    for code, path in READS.items():
        assert check(code, mirakl(market, "GET", path)).status == 200, code
    offers = check("OF21", mirakl(market, "GET", "/offers?max=100")).json["offers"]
    assert {name for shown in offers for name in shown} > {"warehouses", "discount", "msrp"}
    assert check("OF21", mirakl(market, "GET", "/offers?sku=none")).json["offers"] == []
    asked = [openapi.check_logged(entry) for entry in market.requests(bodies=True)]
    assert set(asked) == {*READS, *WHERE}


@pytest.mark.parametrize(
    ("kind", "poll", "report"),
    [("OF24", "OF02", "OF03"), ("PRI01", "PRI02", "PRI03"), ("STO01", "STO02", "STO03")],
)
@pytest.mark.parametrize("end", ["good", "partial", "failed"])
def test_every_state_of_an_import_conforms(
    market: SandboxProcess, kind: str, poll: str, report: str, end: str
) -> None:
    if end == "failed":
        market.scenario("import_fails")
    sku = "gone" if end == "partial" else "S1"
    rest = ";" * (3 if kind == "PRI01" else 2)
    if kind == "OF24":
        product = "P9" if end == "partial" else "P1"
        taken = push(market, offer("S2"), offer(sku, product_id=product))
    else:
        taken = upload(market, kind, f"S2;4{rest}", f"{sku};4{rest}")
    assert check(kind, taken).status == 201
    path = f"{WHERE[kind]}/{taken.json['import_id']}"
    path = {"OF24": path, "PRI01": WHERE[kind], "STO01": f"{path}/status"}[kind]
    seen: list[str] = []
    for _ in range(3):
        shown = check(poll, mirakl(market, "GET", path)).json
        seen.append(shown.get("status") or shown["data"][0]["status"])
        if kind == "OF24":
            check("OF04", mirakl(market, "GET", WHERE[kind]))
        later(market, 0.3)
    assert seen == ["WAITING", "RUNNING", "FAILED" if end == "failed" else "COMPLETE"]
    found = report_of(market, kind, taken.json["import_id"])
    assert check(report, found).status == (200 if end == "partial" else 404)


def test_pages_of_imports_conform(market: SandboxProcess) -> None:
    for number in range(3):
        push(market, offer("S1", number + 1))
        upload(market, "PRI01", f"S1;{number + 1};;;")
    for code, kind in (("OF04", "OF24"), ("PRI02", "PRI01")):
        path, pages = f"{WHERE[kind]}?limit=1", 0
        while path:
            page = check(code, mirakl(market, "GET", path)).json
            token, pages = page.get("next_page_token"), pages + 1
            path = f"{WHERE[kind]}?page_token={token}" if token else ""
        assert pages == 3


def test_errors_say_what_is_wrong(market: SandboxProcess) -> None:
    bad: list[tuple[str, Reply]] = [
        ("OF21", mirakl(market, "GET", "/offers", headers={"Authorization": f"Bearer {KEY}"})),
        ("OF21", mirakl(market, "GET", "/offers?shop_id=9")),
        ("OF21", mirakl(market, "GET", "/offers?max=101")),
        ("OF24", push(market, {})),
        ("PRI01", mirakl(market, "POST", WHERE["PRI01"], b"x")),
        ("OF02", mirakl(market, "GET", "/offers/imports/1")),
    ]
    seed_market(market, intervals={"OF21": 60})
    bad += [("OF21", mirakl(market, "GET", "/offers")) for _ in range(2)][1:]
    assert [check(*pair).status for pair in bad] == [401, 404, 400, 400, 400, 404, 429]


REQUESTS: list[tuple[str, str, str, Any, dict[str, str]]] = [
    ("OF24", "/offers", "shop_id=2001", {"offers": [offer(**FULL)]}, {}),
    ("PRI01", WHERE["PRI01"], "", *form("offer-sku;price\nA;1\n")),
    ("STO01", WHERE["STO01"], "", *form("offer-sku;quantity\nA;1\n")),
]


@pytest.mark.parametrize(("code", "path", "query", "body", "more"), REQUESTS)
def test_good_requests_are_told_from_bad_ones(
    code: str, path: str, query: str, body: Any, more: dict[str, str]
) -> None:
    headers = {"Authorization": "k", "Content-Type": "application/json", **more}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    path = f"/mirakl/api{path}"
    assert openapi.check_request("POST", path, query, headers, content) == code
    wrong: list[tuple[str, str, dict[str, str], bytes]] = [
        (path, "store=1", headers, content),
        (path, "shop_id=one", headers, content),
        (path + "/nowhere", query, headers, content),
        (path, query, {**headers, "Authorization": "Bearer k"}, content),
        (path, query, {**headers, "Content-Type": "text/plain"}, content),
        (path, query, headers, content.replace(b"shop_sku", b"sku").replace(b"offer-sku", b"sku")),
        (path, query, headers, content.replace(b"12.5", b'"12.5"').replace(b'"file"', b'"data"')),
    ]
    passed = [index for index, given in enumerate(wrong) if not _refused("POST", *given)]
    assert passed == []


def _refused(*request: Any) -> bool:
    try:
        openapi.check_request(*request)
    except openapi.NotConforming:
        return True
    return False


def test_a_request_may_ask_for_pages_where_the_document_has_some() -> None:
    good = [
        ("OF21", "/api/offers", "max=100&offset=10&sort=price&order=asc&sku=A"),
        ("PRI02", "/api/offers/pricing/imports", "import_id=a&import_id=b&limit=2"),
        ("OF02", "/api/offers/imports/2001", ""),
        ("OF61", "/api/offers/states", "locale=en"),
    ]
    for code, path, query in good:
        found = openapi.check_request("GET", path, query, {"authorization": "k"}, b"")
        assert found == code
    for path, query in (
        ("/api/offers", "max=101"),
        ("/api/offers", "sort=sku"),
        ("/api/offers", "limit=10"),
        ("/api/offers/imports/abc", ""),
        ("/api/products", ""),
    ):
        with pytest.raises(openapi.NotConforming):
            openapi.check_request("GET", path, query, {"authorization": "k"}, b"")


def test_a_response_that_does_not_conform_is_told() -> None:
    headers = {"content-type": "application/json"}
    good = {"offer_states": [{"code": "11", "label": "New"}], "total_count": 1}
    openapi.check_response("OF61", 200, headers, json.dumps(good).encode())
    for changed in (
        {**good, "total_count": "1"},
        {**good, "total_count": None},
        {**good, "more": 1},
        {"offer_states": good["offer_states"]},
    ):
        with pytest.raises(openapi.NotConforming):
            openapi.check_response("OF61", 200, headers, json.dumps(changed).encode())
    with pytest.raises(openapi.NotConforming):
        openapi.check_response("OF61", 200, {"content-type": "text/html"}, b"<html>")
    with pytest.raises(openapi.NotConforming):
        openapi.check_response("OF61", 202, headers, json.dumps(good).encode())
