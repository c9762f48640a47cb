"""Every action of a scenario: what the client meets, and what the platform shows afterwards."""

from __future__ import annotations

import gzip
import http.client
import json
import time
import zlib
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from marketsync_dagster_tests.sandbox.calls import (
    KEY,
    STORE_KEY,
    Reply,
    batch,
    connect,
    item,
    price,
    push,
    seed_store,
    seed_tracker,
    send,
    tracker,
)
from marketsync_dagster_tests.sandbox_process import SandboxError, SandboxProcess

GONE = (http.client.HTTPException, ConnectionError, TimeoutError)
PRODUCTS = "/tracker_ke/api/v1/products"


@pytest.fixture
def seeded(fresh_sandbox: SandboxProcess) -> SandboxProcess:
    seed_tracker(fresh_sandbox, plan="unlimited", api_secret="sk_secret_canary")
    seed_store(fresh_sandbox, results="all")
    return fresh_sandbox


def stored(sandbox: SandboxProcess) -> dict[str, str]:
    return {item: row["price"] for item, row in sandbox.state("tracker_ke", "mart").items()}


def last(sandbox: SandboxProcess) -> dict[str, Any]:
    return sandbox.requests()[-1]


def test_apply_then_hang_applies_before_the_client_gives_up(seeded: SandboxProcess) -> None:
    seeded.scenario("apply_then_hang", seconds=30)
    with pytest.raises(TimeoutError):
        batch(seeded, price(), timeout=0.1)
    assert stored(seeded) == {"prod_1": "60.50"}
    assert (last(seeded)["status"], last(seeded)["applied"]) == (0, 1)


def test_a_short_hang_after_applying_is_only_slow(seeded: SandboxProcess) -> None:
    seeded.scenario("apply_then_hang", seconds=0.05)
    assert batch(seeded, price()).data["successful"] == 1


@pytest.mark.parametrize("reset", [False, True])
def test_apply_then_reset_applies_and_breaks_off(seeded: SandboxProcess, reset: bool) -> None:
    seeded.scenario("apply_then_reset", reset=reset)
    with pytest.raises(ConnectionResetError if reset else http.client.IncompleteRead):
        batch(seeded, price())
    assert stored(seeded) == {"prod_1": "60.50"}


def test_apply_then_reset_where_there_is_no_body_to_break(seeded: SandboxProcess) -> None:
    seed_store(seeded, variant="204")
    seeded.scenario("apply_then_reset")
    with pytest.raises(ConnectionResetError):
        push(seeded, [item()])
    assert list(seeded.state("pasons", "017")) == ["0001"]


def test_hang_applies_nothing_once_the_client_is_gone(seeded: SandboxProcess) -> None:
    seeded.scenario("hang", seconds=0.2)
    with pytest.raises(TimeoutError):
        batch(seeded, price(), timeout=0.05)
    time.sleep(0.2)
    assert stored(seeded) == {}
    seeded.scenario("hang", seconds=0.05)
    assert batch(seeded, price()).status == 200


def test_reset_applies_nothing(seeded: SandboxProcess) -> None:
    seeded.scenario("reset")
    with pytest.raises(ConnectionResetError):
        batch(seeded, price())
    assert stored(seeded) == {}
    assert batch(seeded, price()).status == 200


@pytest.mark.parametrize("applied", [False, True])
def test_a_status_with_body_and_headers(seeded: SandboxProcess, applied: bool) -> None:
    headers = {"X-Note": "maintenance", "Content-Type": "application/problem+json"}
    body = {"detail": "down"}
    seeded.scenario("status", status=503, body=body, headers=headers, applied=applied)
    reply = batch(seeded, price())
    assert (reply.status, reply.json) == (503, body)
    assert reply.headers["x-note"] == "maintenance"
    assert reply.headers["content-type"] == "application/problem+json"
    assert bool(stored(seeded)) is applied


def test_a_status_without_a_body_speaks_as_the_platform_does(seeded: SandboxProcess) -> None:
    seeded.scenario("status", status=502, times=2)
    first, second = batch(seeded, price()), push(seeded, [item()])
    assert (first.status, first.json["success"], first.code) == (502, False, "SERVER_ERROR")
    assert (second.status, "success" in second.json) == (502, False)


@pytest.mark.parametrize(
    ("form", "header"),
    [("seconds", "7"), ("float", "7.0"), ("huge", "86400"), ("zero", "0"), ("negative", "-5")],
)
def test_retry_after_in_numbers(seeded: SandboxProcess, form: str, header: str) -> None:
    seeded.scenario("retry_after", form=form, value=7)
    reply = batch(seeded, price())
    assert (reply.status, reply.headers["retry-after"]) == (429, header)
    assert "retry_after" not in reply.json["error"]
    assert stored(seeded) == {}


def test_retry_after_in_the_body_or_nowhere(seeded: SandboxProcess) -> None:
    seeded.scenario("retry_after", form="body", value=9)
    reply = batch(seeded, price())
    assert ("retry-after" in reply.headers, reply.json["error"]["retry_after"]) == (False, 9)
    seeded.scenario("retry_after", form="none")
    reply = push(seeded, [item()])
    assert (reply.status, "retry-after" in reply.headers) == (429, False)


def test_retry_after_as_a_date_of_a_server_whose_clock_is_off(seeded: SandboxProcess) -> None:
    seeded.scenario("retry_after", form="http_date", value=30, date_skew_s=-420)
    reply = batch(seeded, price())
    date, retry = (
        parsedate_to_datetime(reply.headers[n]).timestamp() for n in ("date", "retry-after")
    )
    assert retry - date == pytest.approx(30, abs=1)
    assert date - time.time() == pytest.approx(-420, abs=3)


def test_a_web_page_with_200(seeded: SandboxProcess) -> None:
    seeded.scenario("html_200")
    reply = batch(seeded, price())
    assert (reply.status, reply.headers["content-type"][:9]) == (200, "text/html")
    assert stored(seeded) == {}


@pytest.mark.parametrize("applied", [True, False])
def test_truncated_json_is_whole_as_http(seeded: SandboxProcess, applied: bool) -> None:
    seeded.scenario("truncated_json", applied=applied)
    reply = batch(seeded, price())
    assert reply.status == 200
    with pytest.raises(json.JSONDecodeError):
        json.loads(reply.body)
    assert bool(stored(seeded)) is applied


def test_gzip_that_cannot_be_unpacked(seeded: SandboxProcess) -> None:
    seeded.scenario("gzip_error")
    reply = batch(seeded, price())
    assert reply.headers["content-encoding"] == "gzip"
    with pytest.raises((OSError, EOFError, zlib.error)):
        gzip.decompress(reply.body)
    assert stored(seeded) == {"prod_1": "60.50"}


def test_json_after_a_byte_order_mark(seeded: SandboxProcess) -> None:
    seeded.scenario("bom_json")
    reply = batch(seeded, price())
    assert reply.body[:3] == b"\xef\xbb\xbf"
    assert json.loads(reply.body[3:])["data"]["successful"] == 1


def test_short_results(seeded: SandboxProcess) -> None:
    seeded.scenario("short_results", drop=2, times=2)
    data = batch(seeded, price(), price("prod_2"), price("prod_3")).data
    assert (data["processed"], len(data["results"])) == (3, 1)
    assert len(stored(seeded)) == 3
    assert len(push(seeded, [item(), item("0002"), item("0003")]).json["results"]) == 1


def test_wrong_ids(seeded: SandboxProcess) -> None:
    seeded.scenario("wrong_ids", times=2)
    results = batch(seeded, price(), price("prod_2")).data["results"]
    assert [row["product_id"] for row in results] == ["wrong_0", "wrong_1"]
    assert push(seeded, [item()]).json["results"][0]["sku"] == "wrong_0"
    assert len(stored(seeded)) == 2


@pytest.mark.parametrize("which", [{"product_id": "prod_2"}, {"position": 1}])
def test_one_item_fails(seeded: SandboxProcess, which: dict[str, Any]) -> None:
    seeded.scenario("item_error", error="Internal error", **which)
    results = batch(seeded, price(), price("prod_2")).data["results"]
    assert [row.get("error") for row in results] == [None, "Internal error"]
    assert list(stored(seeded)) == ["prod_1"]


def test_one_sku_fails(seeded: SandboxProcess) -> None:
    error = {"code": "LOCKED", "message": "The SKU is locked"}
    seeded.scenario("item_error", sku="0002", error=error)
    reply = push(seeded, [item(), item("0002")]).json
    assert (reply["rejected"], reply["results"][1]["error"]) == (1, error)
    assert list(seeded.state("pasons", "017")) == ["0001"]


def test_a_revoked_key_stays_revoked_until_it_is_restored(seeded: SandboxProcess) -> None:
    seeded.scenario("revoke_key", channel="tracker_ke", match={"nth": 2})
    statuses = [batch(seeded, price()).status for _ in range(4)]
    assert statuses == [200, 401, 401, 401]
    assert push(seeded, [item()]).status == 200
    seeded.restore("tracker_ke", KEY)
    assert batch(seeded, price()).status == 200
    seeded.scenario("revoke_key", account="017")
    assert [push(seeded, [item()]).status for _ in range(2)] == [401, 401]
    seeded.clear_scenarios()
    assert push(seeded, [item()]).status == 200


def test_a_token_dies_for_some_requests(seeded: SandboxProcess) -> None:
    seeded.scenario("token_dies", requests=2, match={"nth": 2})
    assert [batch(seeded, price()).status for _ in range(5)] == [200, 401, 401, 200, 200]


def test_a_body_drips(seeded: SandboxProcess) -> None:
    seeded.scenario("slow_drip", bytes_per_s=1_000)
    began = time.monotonic()
    reply = batch(seeded, price())
    assert json.loads(reply.body)["data"]["successful"] == 1
    assert time.monotonic() - began >= 0.09  # 133 bytes in three pieces, 50 ms apart
    seeded.scenario("slow_drip", bytes_per_s=1)
    connection = connect(seeded, timeout=0.1)
    connection.request("POST", "/pasons/017/v1/inventory", json.dumps([item()]))
    response = connection.getresponse()
    response.read(1)
    connection.close()
    assert batch(seeded, price()).status == 200


def test_a_redirect(seeded: SandboxProcess) -> None:
    seeded.scenario("redirect", location="https://elsewhere.invalid/api", code=308)
    reply = batch(seeded, price())
    assert (reply.status, reply.headers["location"]) == (308, "https://elsewhere.invalid/api")
    assert stored(seeded) == {}


def test_a_big_error_body(seeded: SandboxProcess) -> None:
    seeded.scenario("big_error_body", mb=2)
    reply = batch(seeded, price())
    assert (reply.status, len(reply.body)) == (500, 2_000_000)
    assert stored(seeded) == {}


@pytest.mark.parametrize(
    ("mode", "sent", "kept"),
    [("x100", 60.5, "6050.00"), ("round", 60.5, "61.00"), ("float", 19.99, "19.98")],
)
def test_a_price_is_damaged_without_a_word(
    seeded: SandboxProcess, mode: str, sent: float, kept: str
) -> None:
    seeded.scenario("price_damage", mode=mode, times=2)
    assert batch(seeded, price(amount=sent)).data["results"][0]["price"] == sent
    assert push(seeded, [item(amount=sent)]).json["accepted"] == 1
    assert stored(seeded) == {"prod_1": kept}
    assert seeded.state("pasons", "017")["0001"]["price"] == kept


def test_items_are_dropped_without_a_word(seeded: SandboxProcess) -> None:
    seeded.scenario("drop_silently", items=["prod_2"])
    assert batch(seeded, price(), price("prod_2")).data["successful"] == 2
    assert list(stored(seeded)) == ["prod_1"]
    seeded.scenario("drop_silently")
    assert push(seeded, [item()]).json["accepted"] == 1
    assert seeded.state("pasons", "017") == {}
    assert (last(seeded)["items"], last(seeded)["applied"]) == (1, 0)


def listed(reply: Reply) -> list[str]:
    return [product["id"] for product in reply.data["products"]]


def test_pages_drift_while_somebody_adds_products(seeded: SandboxProcess) -> None:
    first = listed(tracker(seeded, "GET", "/products?limit=2"))
    seeded.scenario("page_drift", insert=1)
    second = listed(tracker(seeded, "GET", "/products?limit=2&offset=2"))
    assert first[-1] == second[0] == "prod_2"
    assert len(seeded.catalog()) == 4
    seeded.reset(keep_seed=True)
    assert len(seeded.catalog()) == 3


def test_pages_drift_while_somebody_removes_products(seeded: SandboxProcess) -> None:
    seen = listed(tracker(seeded, "GET", "/products?limit=1"))
    seeded.scenario("page_drift", insert=0, remove=1)
    seen += listed(tracker(seeded, "GET", "/products?limit=2&offset=1"))
    assert seen == ["prod_1", "prod_3"]


def test_a_page_comes_twice(seeded: SandboxProcess) -> None:
    first = tracker(seeded, "GET", "/products?limit=2")
    seeded.scenario("duplicate_page")
    second = tracker(seeded, "GET", "/products?limit=2&offset=2")
    assert listed(second) == listed(first)
    assert second.data["pagination"]["offset"] == 2


def test_an_empty_204(seeded: SandboxProcess) -> None:
    seeded.scenario("empty_204")
    reply = batch(seeded, price())
    assert (reply.status, reply.body) == (204, b"")
    assert stored(seeded) == {"prod_1": "60.50"}


def test_an_error_that_repeats_every_secret(seeded: SandboxProcess) -> None:
    seeded.scenario("echo_secret", times=2)
    headers = {"Authorization": f"Bearer {KEY}", "X-Signature": "v1=abcdef"}
    reply = batch(seeded, price(), headers=headers)
    text = reply.body.decode()
    assert reply.status == 500
    assert text.count(f"Bearer {KEY}") >= 2
    assert "v1=abcdef" in text
    assert "prod_1" in text
    assert STORE_KEY in push(seeded, [item()]).body.decode()
    assert stored(seeded) == {}


def test_a_kept_connection_is_closed_when_it_is_used_again(seeded: SandboxProcess) -> None:
    seeded.scenario("close_on_reuse", match={"path": "/products"})
    connection = connect(seeded)
    headers = {"Authorization": f"Bearer {KEY}"}
    assert send(connection, "GET", PRODUCTS, None, headers).status == 200
    with pytest.raises(GONE):
        send(connection, "POST", "/tracker_ke/api/v1/prices/batch", {"prices": [price()]}, headers)
    connection.close()
    assert stored(seeded) == {}
    assert batch(seeded, price()).status == 200


@pytest.mark.parametrize(
    "action",
    [
        {},
        {"kind": "nothing"},
        {"kind": "hang", "seconds": "5"},
        {"kind": "hang", "seconds": -1},
        {"kind": "hang", "seconds": True},
        {"kind": "hang", "minutes": 1},
        {"kind": "status", "status": 99},
        {"kind": "status", "status": 1000},
        {"kind": "status", "headers": {"X": "a\r\nY: b"}},
        {"kind": "redirect", "location": "a\nb"},
        {"kind": "retry_after", "form": "soon"},
        {"kind": "price_damage", "mode": "x10"},
        {"kind": "item_error"},
        {"kind": "big_error_body", "mb": 100_000},
        {"kind": "short_results", "drop": -1},
    ],
)
def test_an_action_that_makes_no_sense_is_refused(
    fresh_sandbox: SandboxProcess, action: dict[str, Any]
) -> None:
    with pytest.raises(SandboxError, match="action"):
        fresh_sandbox.control("POST", "/scenarios", {"action": action})
    assert fresh_sandbox.scenarios() == []
