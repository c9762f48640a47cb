"""Pasons' inventory endpoint: the default contract, and what a store's seed changes in it."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from marketsync_dagster_tests.sandbox.calls import (
    STORE_BEARER,
    STORE_KEY,
    call,
    item,
    push,
    seed_store,
)
from marketsync_dagster_tests.sandbox_process import SandboxError, SandboxProcess

PATH = "/pasons/017/v1/inventory"


def shown(sandbox: SandboxProcess) -> dict[str, tuple[str, int]]:
    state = sandbox.state("pasons", "017")
    return {sku: (row["price"], row["stock_status"]) for sku, row in state.items()}


def test_a_push_reports_only_what_it_rejected(fresh_sandbox: SandboxProcess) -> None:
    seed_store(fresh_sandbox)
    reply = push(fresh_sandbox, [item("0001"), item("9999"), item("0002", 8.5, 0)])
    assert reply.status == 200
    error = {"code": "UNKNOWN_SKU", "message": "This SKU is not listed at the store"}
    assert reply.json == {
        "received": 3,
        "accepted": 2,
        "rejected": 1,
        "results": [{"index": 1, "sku": "9999", "status": "rejected", "error": error}],
    }
    assert shown(fresh_sandbox) == {"0001": ("13.99", 1), "0002": ("8.50", 0)}


def test_a_store_may_report_every_item(fresh_sandbox: SandboxProcess) -> None:
    seed_store(fresh_sandbox, results="all")
    rows = push(fresh_sandbox, [item("0001"), item("9999")]).json["results"]
    assert rows[0] == {"index": 0, "sku": "0001", "status": "accepted"}
    assert (rows[1]["index"], rows[1]["status"]) == (1, "rejected")


@pytest.mark.parametrize(("amount", "code"), [(0, "INVALID_PRICE"), (-2.5, "INVALID_PRICE")])
def test_a_price_that_is_not_above_zero_rejects_its_item(
    fresh_sandbox: SandboxProcess, amount: float, code: str
) -> None:
    seed_store(fresh_sandbox)
    reply = push(fresh_sandbox, [item("0001", amount), item("0002")])
    assert reply.json["results"][0]["error"]["code"] == code
    assert list(shown(fresh_sandbox)) == ["0002"]


def test_a_store_that_lists_any_sku_takes_any(fresh_sandbox: SandboxProcess) -> None:
    seed_store(fresh_sandbox, skus="any")
    assert push(fresh_sandbox, [item("0 7/é%")]).json["accepted"] == 1
    assert list(shown(fresh_sandbox)) == ["0 7/é%"]


def test_an_empty_push_is_fine(fresh_sandbox: SandboxProcess) -> None:
    seed_store(fresh_sandbox)
    assert push(fresh_sandbox, []).json["received"] == 0


def test_207_says_that_some_were_rejected(fresh_sandbox: SandboxProcess) -> None:
    seed_store(fresh_sandbox, variant="207")
    assert push(fresh_sandbox, [item("0001")]).status == 200
    reply = push(fresh_sandbox, [item("0001"), item("9999")])
    assert (reply.status, reply.json["rejected"]) == (207, 1)


def test_204_says_nothing(fresh_sandbox: SandboxProcess) -> None:
    seed_store(fresh_sandbox, variant="204")
    reply = push(fresh_sandbox, [item("0001"), item("9999")])
    assert (reply.status, reply.body) == (204, b"")
    assert list(shown(fresh_sandbox)) == ["0001"]


def test_a_store_may_drop_unknown_skus_in_silence(fresh_sandbox: SandboxProcess) -> None:
    seed_store(fresh_sandbox, variant="drop_silently")
    reply = push(fresh_sandbox, [item("0001"), item("9999")])
    assert (reply.status, reply.json) == (200, {})
    assert list(shown(fresh_sandbox)) == ["0001"]


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[",
        b"\xff\xfe",
        {"items": []},
        [1],
        [item(sku="")],
        [{**item(), "sku": 1}],
        [item(amount="13.99")],
        [item(amount=True)],
        [item(amount=None)],
        [item(stock=2)],
        [item(stock=True)],
        [{"sku": "0001", "selling_price": 1}],
        b'[{"sku":"0001","selling_price":1e999999999,"stock_status":1}]',
        b'[{"sku":"0001","selling_price":Infinity,"stock_status":1}]',
    ],
)
def test_a_malformed_item_refuses_the_whole_batch(
    fresh_sandbox: SandboxProcess, document: Any
) -> None:
    seed_store(fresh_sandbox)
    if isinstance(document, list):
        document = [item("0002"), *document]
    reply = push(fresh_sandbox, document)
    assert (reply.status, reply.code) == (400, "MALFORMED")
    assert shown(fresh_sandbox) == {}


def test_500_items_and_256_kb_are_the_most(fresh_sandbox: SandboxProcess) -> None:
    seed_store(fresh_sandbox, skus="any")
    assert push(fresh_sandbox, [item()] * 500).json["accepted"] == 500
    assert push(fresh_sandbox, [item()] * 501).status == 413
    padded = [{**item(), "name": "x" * 262_144}]
    reply = push(fresh_sandbox, padded)
    assert (reply.status, reply.code) == (413, "PAYLOAD_TOO_LARGE")
    seed_store(fresh_sandbox, max_items=2)
    assert [push(fresh_sandbox, [item()] * n).status for n in (2, 3)] == [200, 413]


def test_an_unknown_store_is_not_found(fresh_sandbox: SandboxProcess) -> None:
    seed_store(fresh_sandbox)
    reply = push(fresh_sandbox, [item()], "404")
    assert (reply.status, reply.code) == (404, "STORE_NOT_FOUND")
    for path in ("/pasons/017/v1/other", "/pasons/017/x/v1/inventory", "/pasons//v1/inventory"):
        assert call(fresh_sandbox, "POST", path, b"[]", STORE_BEARER).code == "NOT_FOUND"


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.mark.parametrize(
    ("store", "right", "wrong"),
    [
        ({}, STORE_BEARER, {"Authorization": "Bearer other"}),
        ({}, STORE_BEARER, {}),
        ({}, STORE_BEARER, {"X-API-Key": STORE_KEY}),
        ({"scheme": "header"}, {"X-API-Key": STORE_KEY}, STORE_BEARER),
        ({"scheme": "header", "header": "Token"}, {"Token": STORE_KEY}, {"Token": "other"}),
        ({"scheme": "basic"}, basic("marketsync", STORE_KEY), basic("marketsync", "other")),
        ({"scheme": "basic", "username": "u"}, basic("u", STORE_KEY), basic("v", STORE_KEY)),
    ],
)
def test_each_scheme_lets_in_its_own_credentials_only(
    fresh_sandbox: SandboxProcess,
    store: dict[str, str],
    right: dict[str, str],
    wrong: dict[str, str],
) -> None:
    seed_store(fresh_sandbox, **store)
    reply = push(fresh_sandbox, [item()], headers=wrong)
    assert (reply.status, reply.code) == (401, "UNAUTHORIZED")
    assert shown(fresh_sandbox) == {}
    assert push(fresh_sandbox, [item()], headers=right).status == 200
    kept = fresh_sandbox.requests()
    assert STORE_KEY not in str(kept)
    assert "sha256:" in str(kept[-1]["headers"])


def test_a_store_without_a_scheme_lets_everybody_in(fresh_sandbox: SandboxProcess) -> None:
    seed_store(fresh_sandbox, scheme="none")
    assert push(fresh_sandbox, [item()], headers={}).status == 200


def test_fields_and_types_are_as_the_store_names_them(fresh_sandbox: SandboxProcess) -> None:
    fields = {"sku": "product_id", "selling_price": "price", "stock_status": "is_available"}
    seed_store(fresh_sandbox, fields=fields, price_type="string", stock_type="bool")
    assert push(fresh_sandbox, [item()]).status == 400
    good = {"product_id": "0001", "price": "13.90", "is_available": True}
    assert push(fresh_sandbox, [good]).json["accepted"] == 1
    for price in ("1e5", " 7 ", "NaN", "1,5", "", "١٢", "1.2.3", "."):
        assert push(fresh_sandbox, [{**good, "price": price}]).status == 400, price
    assert shown(fresh_sandbox) == {"0001": ("13.90", 1)}


def test_minor_units_words_and_an_envelope(fresh_sandbox: SandboxProcess) -> None:
    seed_store(fresh_sandbox, price_type="minor_units", stock_type="enum", envelope="items")
    items = [item("0001", 1399, "IN_STOCK"), item("0002", 5, "OUT_OF_STOCK")]
    assert push(fresh_sandbox, items).status == 400
    assert push(fresh_sandbox, {"items": items}).json["accepted"] == 2
    assert push(fresh_sandbox, {"items": [item("0001", 13.99, "IN_STOCK")]}).status == 400
    assert push(fresh_sandbox, {"items": [item("0001", 1399, "SOME")]}).status == 400
    assert shown(fresh_sandbox) == {"0001": ("13.99", 1), "0002": ("0.05", 0)}


def test_the_endpoint_cannot_be_read(fresh_sandbox: SandboxProcess) -> None:
    seed_store(fresh_sandbox)
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        reply = call(fresh_sandbox, method, PATH, headers=STORE_BEARER)
        assert (reply.status, reply.headers["allow"]) == (405, "POST")
        assert call(fresh_sandbox, method, PATH, headers={}).status == 401


def test_a_readable_store_tells_what_it_shows_in_its_own_words(
    fresh_sandbox: SandboxProcess,
) -> None:
    fields = {"sku": "product_id", "stock_status": "available"}
    seed_store(fresh_sandbox, readable=True, fields=fields, stock_type="bool")
    sent = [
        {"product_id": "0001", "selling_price": 13.99, "available": True},
        {"product_id": "0002", "selling_price": 8.5, "available": False},
    ]
    push(fresh_sandbox, sent)
    reply = call(fresh_sandbox, "GET", PATH, headers=STORE_BEARER)
    assert reply.json == {"store_id": "017", "total": 2, "items": sent}
    one = call(fresh_sandbox, "GET", f"{PATH}?sku=0002", headers=STORE_BEARER)
    assert one.json["items"] == sent[1:]


# --- what else a store may want


def test_a_store_checks_what_it_is_sent_and_names_what_is_wrong(
    fresh_sandbox: SandboxProcess,
) -> None:
    seed_store(
        fresh_sandbox,
        strict=True,
        method="PUT",
        path="/shop/stock",
        store_in="body",
        store_name="branch",
        headers={"X-Channel": "pos"},
        query={"version": "2"},
        envelope="data.items",
        constants={"data.kind": "prices"},
        row_constants={"unit": "pc"},
        fields={"selling_price": "price.amount", "currency": "price.currency"},
        currency="KES",
    )
    row = {
        "sku": "0001",
        "price": {"amount": 13.99, "currency": "KES"},
        "stock_status": 1,
        "unit": "pc",
    }
    right: dict[str, Any] = {"data": {"items": [row], "kind": "prices"}, "branch": "017"}
    headers = {**STORE_BEARER, "X-Channel": "pos", "Content-Type": "application/json"}
    path = "/pasons/shop/stock?version=2"

    def sent(document: Any, path: str = path, **more: str) -> tuple[int, str]:
        reply = call(fresh_sandbox, "PUT", path, document, {**headers, **more})
        return reply.status, reply.json.get("error", {}).get("message", "")

    def with_row(**changed: Any) -> dict[str, Any]:
        return {**right, "data": {**right["data"], "items": [{**row, **changed}]}}

    assert sent(right) == (200, "")
    for document, words in (
        ([row], "data.kind must be 'prices'"),
        ({**right, "branch": "018"}, "branch must be '017'"),
        ({**right, "surplus": 1}, "surplus is not known"),
        ({**right, "data": {"items": [row]}}, "data.kind must be 'prices'"),
        (with_row(price={"amount": 13.99, "currency": "USD"}), "price.currency must be 'KES'"),
        (with_row(price={"amount": 13.999, "currency": "KES"}), "more than 2 decimals"),
        (with_row(price=13.99), "price.amount must be a number"),
        (with_row(unit="kg"), "unit must be 'pc'"),
        (with_row(surplus=1), "surplus is not known"),
    ):
        status, message = sent(document)
        assert status == 400
        assert words in message
    assert sent(right, "/pasons/shop/stock")[1] == "the parameter version must be 2"
    assert sent(right, f"{path}&x=1")[1] == "the parameter x is not known"
    assert sent(right, **{"X-Channel": "web"})[1] == "the header x-channel must be pos"
    assert sent(right, **{"Content-Type": "text/plain"})[1] == (
        "the content type must be application/json"
    )
    reply = call(fresh_sandbox, "POST", path, right, headers)
    assert (reply.status, reply.headers["allow"]) == (405, "PUT")
    assert call(fresh_sandbox, "PUT", PATH, right, headers).status == 404
    assert len(fresh_sandbox.history(0)) == 1


def test_stores_at_one_address_are_told_apart_by_what_a_request_carries(
    fresh_sandbox: SandboxProcess,
) -> None:
    for place in ("header", "query", "body", "row"):
        for store_id in ("017", "018"):
            more = {"envelope": "items"} if place == "body" else {"envelope": None}
            seed_store(
                fresh_sandbox,
                store_id=store_id,
                path="/all",
                store_in=place,
                store_name="s",
                **more,
            )
        rows = [{**item(), "s": "018"}] if place == "row" else [item()]
        document: Any = {"s": "018", "items": rows} if place == "body" else rows
        query = "?s=018" if place == "query" else ""
        headers = {**STORE_BEARER, **({"S": "018"} if place == "header" else {})}
        before = fresh_sandbox.last_request()
        assert call(fresh_sandbox, "POST", f"/pasons/all{query}", document, headers).status == 200
        (write,) = fresh_sandbox.history(before)
        assert write["account"] == "018"
        assert call(fresh_sandbox, "POST", "/pasons/all", [], STORE_BEARER).status == 404


def test_a_push_that_replaces_takes_off_sale_what_it_leaves_out(
    fresh_sandbox: SandboxProcess,
) -> None:
    seed_store(fresh_sandbox, full_push="replace", shown={"0003": "5.00"})
    assert push(fresh_sandbox, [item("0001"), item("0002")]).status == 200
    assert list(shown(fresh_sandbox)) == ["0001", "0002"]
    assert push(fresh_sandbox, []).status == 200
    assert shown(fresh_sandbox) == {}

    seed_store(fresh_sandbox, full={"query": {"mode": "full"}}, shown={"0003": "5.00"})
    push(fresh_sandbox, [item("0001")])
    assert list(shown(fresh_sandbox)) == ["0003", "0001"]
    call(fresh_sandbox, "POST", f"{PATH}?mode=full", [item("0002")], STORE_BEARER)
    assert list(shown(fresh_sandbox)) == ["0002"]


def test_one_bad_item_may_stop_a_whole_push(fresh_sandbox: SandboxProcess) -> None:
    seed_store(fresh_sandbox, answer={"atomic": 422, "items": "errors"})
    reply = push(fresh_sandbox, [item("0001"), item("9999")])
    assert reply.status == 422
    assert [row["sku"] for row in reply.json["errors"]] == ["9999"]
    assert shown(fresh_sandbox) == {}
    assert push(fresh_sandbox, [item("0001")]).status == 200


def test_a_seed_with_a_word_that_nobody_knows_is_refused(fresh_sandbox: SandboxProcess) -> None:
    for seed in ({"answer": {"itmes": "x"}}, {"store_in": "cookie"}, {"methods": "PUT"}):
        with pytest.raises(SandboxError, match=r"unknown key|is none of"):
            seed_store(fresh_sandbox, **seed)
