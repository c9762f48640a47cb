"""Mirakl: who may call, how often, and what is shown in which order."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest

from marketsync_dagster_tests.sandbox.calls import call
from marketsync_dagster_tests.sandbox.mirakl import (
    KEY,
    SHOP,
    WHERE,
    form,
    held,
    later,
    mirakl,
    offer,
    push,
    seed_market,
    upload,
)
from marketsync_dagster_tests.sandbox_process import SandboxError, SandboxProcess

OTHER = {"api_key": "other_key_obviously_fake", "shop_id": 3001}


@pytest.fixture
def market(fresh_sandbox: SandboxProcess) -> SandboxProcess:
    seed_market(fresh_sandbox)
    return fresh_sandbox


# --- who may call


def test_the_key_stands_alone_in_its_header(market: SandboxProcess) -> None:
    market.seed({"mirakl": {"shops": [OTHER, {**OTHER, "api_key": KEY, "shop_id": 2002}]}})
    for headers, query, status in (
        ({}, "", 200),
        ({"Authorization": f"Bearer {KEY}"}, "", 401),
        ({"Authorization": "nobody"}, "", 401),
        ({"Authorization": ""}, "", 401),
        ({}, "?shop_id=2001", 200),
        ({}, "?shop_id=2002", 200),
        ({}, "?shop_id=3001", 403),
        ({}, "?shop_id=4001", 404),
        ({}, "?shop_id=one", 400),
        ({}, f"?shop_id={2**63}", 400),
        ({"Authorization": OTHER["api_key"]}, "", 200),
    ):
        reply = mirakl(market, "GET", f"/version{query}", headers=headers)
        assert reply.status == status, (headers, query)
        assert status == 200 or reply.json["status"] == status
    shown = mirakl(market, "GET", "/account?shop_id=2002").json
    assert (shown["shop_id"], shown["currency_iso_code"], shown["offers_count"]) == (2002, "KES", 0)
    assert mirakl(market, "GET", "/account").json["shop_id"] == SHOP
    assert {entry["account"] for entry in market.requests(method="GET")} >= {None, "2001", "2002"}


def test_two_keys_are_good_while_one_replaces_the_other(market: SandboxProcess) -> None:
    new = {"Authorization": "new_key_obviously_fake"}
    seed_market(market, api_key=new["Authorization"], previous_key=KEY)
    assert [mirakl(market, "GET", "/version", headers=h).status for h in ({}, new)] == [200, 200]
    market.scenario("revoke_key", account=KEY)
    assert mirakl(market, "GET", "/version", headers=new).status == 200
    statuses = [mirakl(market, "GET", "/version", headers=h).status for h in ({}, {}, new)]
    assert statuses == [401, 401, 200]


def test_unknown_paths_and_methods_are_told(market: SandboxProcess) -> None:
    assert mirakl(market, "GET", "/nowhere").status == 404
    reply = mirakl(market, "DELETE", "/offers")
    assert (reply.status, reply.headers["allow"]) == (405, "GET, POST")


# --- how often


@pytest.mark.parametrize(
    ("method", "path", "code", "seconds"),
    [
        ("POST", "/offers", "OF24", 60),
        ("GET", "/offers/imports/1", "OF02", 60),
        ("GET", "/offers/imports/1/error_report", "OF03", 60),
        ("GET", "/offers/imports", "OF04", 60),
        ("POST", WHERE["PRI01"], "PRI01", 60),
        ("GET", WHERE["PRI01"], "PRI02", 60),
        ("GET", f"{WHERE['PRI01']}/1/error_report", "PRI03", 60),
        ("POST", WHERE["STO01"], "STO01", 60),
        ("GET", f"{WHERE['STO01']}/1/status", "STO02", 15),
        ("GET", f"{WHERE['STO01']}/1/error_report", "STO03", 60),
        ("GET", "/account", "A01", 86_400),
        ("GET", "/offers", "OF21", None),
        ("GET", "/products?product_references=EAN%7C1", "P31", None),
        ("GET", "/version", "V01", None),
    ],
)
def test_each_call_has_its_own_interval(
    fresh_sandbox: SandboxProcess, method: str, path: str, code: str, seconds: int | None
) -> None:
    seed_market(fresh_sandbox, intervals={})
    statuses = [mirakl(fresh_sandbox, method, path).status for _ in range(2)]
    assert 429 not in statuses[:1]
    assert (statuses[1] == 429) == (seconds is not None)
    if seconds is not None:
        later(fresh_sandbox, seconds - 5)
        reply = mirakl(fresh_sandbox, method, path)
        assert (reply.status, int(reply.headers["retry-after"])) == (429, 5)
        later(fresh_sandbox, 5)
        assert mirakl(fresh_sandbox, method, path).status == statuses[0]
        refused = fresh_sandbox.mirakl("calls")[str(SHOP)]
        assert refused[f"{code} 429"] == 2
    assert mirakl(fresh_sandbox, "GET", "/version").status == 200


def test_shops_are_counted_apart_and_quotas_can_be_off(fresh_sandbox: SandboxProcess) -> None:
    seed_market(fresh_sandbox, intervals={})
    fresh_sandbox.seed({"mirakl": {"shops": [{"api_key": KEY, "shop_id": 2002}]}})
    for shop_id, status in ((2001, 200), (2002, 200), (2001, 429)):
        assert mirakl(fresh_sandbox, "GET", f"/account?shop_id={shop_id}").status == status
    fresh_sandbox.settings(quota=False)
    assert mirakl(fresh_sandbox, "GET", "/account").status == 200


def test_one_more_call_makes_the_ban_of_the_hour_longer(fresh_sandbox: SandboxProcess) -> None:
    seed_market(fresh_sandbox, hour_limit=3)
    asked: list[tuple[int, str | None]] = []
    for _ in range(5):
        reply = mirakl(fresh_sandbox, "GET", "/version")
        asked.append((reply.status, reply.headers.get("retry-after")))
        later(fresh_sandbox, 100)
    assert asked == [(200, None)] * 3 + [(429, "3400"), (429, "3400")]
    later(fresh_sandbox, 3_250)
    assert mirakl(fresh_sandbox, "GET", "/version").status == 429
    later(fresh_sandbox, 3_600)
    assert mirakl(fresh_sandbox, "GET", "/version").status == 200


# --- what is shown


def skus(sandbox: SandboxProcess, query: str = "") -> list[str]:
    shown = mirakl(sandbox, "GET", f"/offers?{query}").json
    return [entry["shop_sku"] for entry in shown["offers"]]


def test_offers_come_in_pages_and_in_the_order_of_what_they_cost(
    fresh_sandbox: SandboxProcess,
) -> None:
    seed_market(fresh_sandbox, 23)
    first = mirakl(fresh_sandbox, "GET", "/offers?offset=0&favorite=false")
    assert [entry["price"] for entry in first.json["offers"]] == [10.0 * n for n in range(1, 11)]
    assert first.json["total_count"] == 23
    seen, path, reply = [], "/offers?offset=0&favorite=false", first
    while path:
        reply = mirakl(fresh_sandbox, "GET", path)
        seen += [entry["shop_sku"] for entry in reply.json["offers"]]
        links = dict(
            re.findall(r'<http://[^/]+/mirakl/api([^>]+)>; rel="(\w+)"', reply.headers["link"])
        )
        path = next((target for target, name in links.items() if name == "next"), "")
    assert seen == [f"S{number}" for number in range(1, 24)]
    assert 'rel="previous"' in reply.headers["link"]
    assert skus(fresh_sandbox, "max=100&order=desc")[0] == "S23"
    assert skus(fresh_sandbox, "sort=productTitle&max=3") == ["S1", "S10", "S11"]
    assert skus(fresh_sandbox, "offset=23") == []
    assert "link" not in mirakl(fresh_sandbox, "GET", "/offers?max=100").headers
    for query, names in (
        ("sku=S7", ["S7"]),
        ("sku=s7", []),
        ("product_id=P7", ["S7"]),
        ("product_id=6160000000007", []),
        ("offer_state_codes=10", []),
        ("offer_state_codes=10,11&max=1", ["S1"]),
        ("favorite=true", []),
    ):
        assert skus(fresh_sandbox, query) == names, query
    for query in ("max=101", "max=0", "max=x", "offset=-1", "sort=sku", "order=up"):
        assert mirakl(fresh_sandbox, "GET", f"/offers?{query}").status == 400, query


def test_pages_move_while_prices_change(fresh_sandbox: SandboxProcess) -> None:
    seed_market(fresh_sandbox, 20)
    seen = skus(fresh_sandbox)
    fresh_sandbox.change_offers({"shop_id": SHOP, "shop_sku": "S1", "price": 999})
    seen += skus(fresh_sandbox, "offset=10")
    assert "S11" not in seen
    assert seen.count("S1") == 2


def test_an_offer_shows_what_was_said_and_defaults_for_the_rest(market: SandboxProcess) -> None:
    discount = {
        "price": 11,
        "start_date": "2020-01-01T00:00:00Z",
        "end_date": "2090-01-01T00:00:00Z",
    }
    push(market, offer("S1", 12.5, quantity="7", leadtime_to_ship=0, discount=discount))
    later(market)
    shown = mirakl(market, "GET", "/offers?sku=S1").json["offers"][0]
    expected = {
        "active": True,
        "price": 11.0,
        "total_price": 11.0,
        "quantity": 7,
        "description": "",
        "leadtime_to_ship": 1,
        "product_sku": "P1",
        "state_code": "11",
        "currency_iso_code": "KES",
        "discount": {
            "discount_price": 11.0,
            "origin_price": 12.5,
            "start_date": "2020-01-01T00:00:00Z",
            "end_date": "2090-01-01T00:00:00Z",
            "ranges": [],
        },
    }
    assert {name: shown[name] for name in expected} == expected
    assert shown["applicable_pricing"]["unit_origin_price"] == 12.5
    push(market, offer("S1", 12.5))
    later(market)
    shown = mirakl(market, "GET", "/offers?sku=S1").json["offers"][0]
    assert (shown["price"], shown["quantity"], shown["active"]) == (12.5, 0, False)
    assert (shown["leadtime_to_ship"], shown["inactivity_reasons"]) == (2, ["ZERO_QUANTITY"])
    assert "discount" not in shown


def test_products_are_found_by_reference(market: SandboxProcess) -> None:
    def found(text: str) -> Any:
        reply = mirakl(market, "GET", f"/products?product_references={text}")
        if reply.status != 200:
            return reply.status
        return [(p["product_sku"], p["product_id_type"]) for p in reply.json["products"]]

    assert found("UPC%7C060000000002,EAN%7C6160000000002,EAN%7C1,EAN|6160000000001") == [
        ("P1", "EAN"),
        ("P2", "EAN"),
        ("P2", "UPC"),
    ]
    assert found("UPC|60000000002") == []
    for text in ("SKU|P1", "SHOP_SKU|S1", "6160000000001", "EAN|", "%7C1"):
        assert found(text) == 400, text
    assert mirakl(market, "GET", "/products").status == 400
    seed_market(market, 105)
    asked = ",".join(f"EAN|61600000{number:05}" for number in range(1, 106))
    assert len(found(asked)) == 100


# --- the control API


CANNOT_BE_SHOWN: tuple[dict[str, Any], ...] = (
    {"discount": {"price": "cheap"}},
    {"discount": {"price": 99}},
    {"discount": {"price": 1, "start_date": "soon"}},
    {"all_prices": [{"unit_origin_price": "free"}]},
    {"available_ended": "never"},
)


def test_somebody_else_may_change_offers(market: SandboxProcess) -> None:
    changed = market.change_offers(
        {"shop_id": SHOP, "shop_sku": "S1", "price": "12.34"},
        {"shop_id": SHOP, "shop_sku": "S2", "quantity": 0, "description": "sold"},
        {"shop_id": SHOP, "shop_sku": "S3", "delete": True},
        {"shop_id": SHOP, "shop_sku": "X", "product_sku": "P3", "price": 5},
    )
    assert changed == 4
    first, second = held(market, "S1"), held(market, "S2")
    assert (first["price"], first["quantity"], first["description"]) == ("12.34", 5, "fresh")
    assert (second["price"], second["quantity"], second["description"]) == ("20.00", 0, "sold")
    assert set(market.state("mirakl", str(SHOP))) == {"S1", "S2", "X"}
    assert sorted(skus(market)) == ["S1", "S2", "X"]
    for change in (
        {"shop_id": 1, "shop_sku": "S1"},
        {"shop_id": SHOP, "shop_sku": "none", "price": 5},
        {"shop_id": SHOP, "shop_sku": "S1", "price": 0},
        {"shop_id": SHOP, "shop_sku": "S1", "amount": 1},
        {"shop_id": SHOP, "shop_sku": "S1", "quantity": "many"},
        {"shop_id": SHOP, "shop_sku": "Y", "product_sku": "P1"},
        *({"shop_id": SHOP, "shop_sku": "S1", **said} for said in CANNOT_BE_SHOWN),
    ):
        with pytest.raises(SandboxError, match=r"changes\[0\]"):
            market.change_offers(change)
    lower = {"shop_id": SHOP, "shop_sku": "S1", "discount": {"price": "0.5"}}
    assert market.change_offers(lower) == 1
    (shown,) = mirakl(market, "GET", "/offers?sku=S1").json["offers"]
    assert (shown["price"], shown["discount"]["origin_price"]) == (0.5, 12.34)


@pytest.mark.parametrize(
    "market",
    [
        {"shop": []},
        {"shops": [{"api_key": "k"}]},
        {"shops": [{"shop_id": 1}]},
        {"shops": [{"api_key": "k", "shop_id": 1, "typo": 1}]},
        {"shops": [{"api_key": "k", "shop_id": 1, "intervals": {"OF99": 1}}]},
        {"shops": [{"api_key": "k", "shop_id": 1, "intervals": {"OF24": -1}}]},
        {"shops": [{"api_key": "k", "shop_id": 1, "report_style": "pdf"}]},
        {"shops": [{"api_key": "k", "shop_id": 1, "duplicates": ["OF02"]}]},
        {"products": [{"title": "T"}]},
        {"products": [{"sku": "P", "references": [{"type": "EAN"}]}]},
        {"offers": [{"shop_id": 1, "shop_sku": "S", "product_sku": "P1", "price": 1}]},
        {"offers": [{"shop_id": SHOP, "shop_sku": "S", "product_sku": "none", "price": 1}]},
        {"offers": [{"shop_id": SHOP, "shop_sku": "S", "product_sku": "P1", "price": "free"}]},
        {"offers": [{"shop_id": SHOP, "shop_sku": "S", "product_sku": "P1", "quantity": 1}]},
        {"offers": [{"shop_id": SHOP, "shop_sku": "S", "product_sku": "P1", "price": 1, "x": 1}]},
        *(
            {"offers": [{"shop_id": SHOP, "shop_sku": "S", "product_sku": "P1", "price": 5} | said]}
            for said in CANNOT_BE_SHOWN
        ),
    ],
)
def test_a_wrong_seed_is_refused_whole(fresh_sandbox: SandboxProcess, market: Any) -> None:
    seed_market(fresh_sandbox)
    before = fresh_sandbox.mirakl("offers")
    products = [{"sku": "GOOD"}, *market.get("products", [])]
    with pytest.raises(SandboxError, match="mirakl"):
        fresh_sandbox.seed({"mirakl": {**market, "products": products}})
    assert fresh_sandbox.mirakl("offers") == before
    change = {"shop_id": SHOP, "shop_sku": "S", "product_sku": "GOOD", "price": 1}
    with pytest.raises(SandboxError):
        fresh_sandbox.change_offers(change)


def test_a_reset_may_keep_the_seed(market: SandboxProcess) -> None:
    push(market, offer("S1", 1), offer("NEW", 1))
    later(market)
    assert Decimal(held(market)["price"]) == 1
    market.reset(keep_seed=True)
    assert (held(market)["price"], len(skus(market))) == ("10.00", 3)
    assert market.mirakl("imports") == []
    assert set(market.state("mirakl", str(SHOP))) == {"S1", "S2", "S3"}
    market.reset()
    assert mirakl(market, "GET", "/offers").status == 401


def test_a_marketplace_outlives_its_process(tmp_path: Any) -> None:
    options = ("--state", str(tmp_path / "state.json"))
    with SandboxProcess(*options) as sandbox:
        seed_market(sandbox, processing_s=30)
        sandbox.change_offers({"shop_id": SHOP, "shop_sku": "S3", "delete": True})
        push(sandbox, offer("S1", 12.5, discount={"price": 11.25}), offer("none", product_id="x"))
        later(sandbox, 31)
        sandbox.scenario("import_stuck")
        push(sandbox, offer("S1", 1))
        upload(sandbox, "PRI01", "S2;19.99;;;")
        imports = sandbox.mirakl("imports")
        assert [i["status"] for i in imports] == ["COMPLETE", "WAITING", "WAITING"]
        sandbox.clock(0)
        offers = sandbox.mirakl("offers")
    with SandboxProcess(*options) as sandbox:
        assert sandbox.mirakl("offers") == offers
        assert [i["import_id"] for i in sandbox.mirakl("imports")] == [
            i["import_id"] for i in imports
        ]
        later(sandbox, 31)
        states = [i["status"] for i in sandbox.mirakl("imports")]
        assert states == ["COMPLETE", "WAITING", "COMPLETE"]
        assert held(sandbox, "S2")["price"] == "19.99"
        fresh = push(sandbox, offer("S2", 1)).json["import_id"]
        assert str(fresh) not in {i["import_id"] for i in imports}
        report = mirakl(sandbox, "GET", f"/offers/imports/{imports[0]['import_id']}/error_report")
        assert b'"none";"x"' in report.body


def test_no_key_is_in_what_the_control_api_shows(market: SandboxProcess) -> None:
    mirakl(market, "GET", "/offers")
    shown = str([market.requests(), market.mirakl("shops"), market.state(), market.mirakl("calls")])
    assert KEY not in shown


def test_a_hostile_request_gets_an_answer(market: SandboxProcess) -> None:
    body, headers = form("offer-sku;price\n")
    for method, path, content, more in (
        ("GET", "/offers?" + "a=1&" * 2_000, None, {}),
        ("GET", "/offers/imports?page_token=abc", None, {}),
        ("GET", "/offers/imports?page_token=e30=", None, {}),
        ("GET", "/offers/imports?start_date=now", None, {}),
        ("POST", WHERE["PRI01"], body, {"Content-Type": "multipart/form-data"}),
        ("POST", WHERE["PRI01"], body[:-9], headers),
        ("POST", WHERE["PRI01"], form("x", "other")[0], headers),
        ("POST", WHERE["PRI01"], b"", headers),
        ("POST", "/offers", b"{", {"Content-Type": "application/json"}),
        ("POST", "/offers", b"[]", {"Content-Type": "application/json; charset=utf-8"}),
    ):
        reply = mirakl(market, method, path, content, headers=more)
        assert (reply.status, reply.json["status"]) == (400, 400), path
    assert mirakl(market, "POST", "/offers", b"{}", {"Content-Type": "text/csv"}).status == 415
    assert call(market, "GET", "/mirakl/api/offers").status == 401
    assert market.mirakl("imports") == []
