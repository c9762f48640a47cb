"""The control API: seeds, the request log, history, clock, settings, reset."""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any

import pytest

from marketsync_dagster_tests.sandbox.calls import (
    KEY,
    batch,
    call,
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


def test_seeds_are_merged_with_what_is_known(fresh_sandbox: SandboxProcess) -> None:
    seed_tracker(fresh_sandbox, scopes=["products:read"])
    account = {"api_key": KEY, "plan": "unlimited"}
    assert fresh_sandbox.seed({"tracker_ke": {"accounts": [account]}}) == {
        "accounts": 1,
        "products": 0,
        "stores": 0,
    }
    assert tracker(fresh_sandbox, "GET", "/products").status == 200
    assert batch(fresh_sandbox, price()).status == 403


def test_a_seed_may_say_what_is_shown_already(fresh_sandbox: SandboxProcess) -> None:
    seed_tracker(fresh_sandbox)
    product = {"id": "prod_9", "name": "N", "prices": {"mart": "12.30", "other": {"price": 5}}}
    fresh_sandbox.seed({"tracker_ke": {"products": [product]}})
    seed_store(fresh_sandbox, shown={"0001": {"price": "7.5", "stock_status": 0}})
    state = fresh_sandbox.state()
    assert state["tracker_ke"]["mart"]["prod_9"]["price"] == "12.30"
    assert state["tracker_ke"]["other"]["prod_9"]["price"] == "5.00"
    assert state["pasons"]["017"]["0001"]["price"] == "7.50"
    assert state["pasons"]["017"]["0001"]["stock_status"] == 0
    assert len(fresh_sandbox.history()) == 3


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"talabat": {}},
        {"tracker_ke": {"account": []}},
        {"tracker_ke": {"accounts": {}}},
        {"tracker_ke": {"accounts": ["x"]}},
        {"tracker_ke": {"accounts": [{"api_key": "pk_x"}]}},
        {"tracker_ke": {"accounts": [{"supermarket_id": "m"}]}},
        {"tracker_ke": {"accounts": [{"api_key": "pk_x", "supermarket_id": "m", "plan": "x"}]}},
        {"tracker_ke": {"accounts": [{"api_key": "k", "supermarket_id": "m", "typo": 1}]}},
        {
            "tracker_ke": {
                "accounts": [{"api_key": "k", "supermarket_id": "m", "signing": "canonical_v1"}]
            }
        },
        {"tracker_ke": {"products": [{"id": 5, "name": "N"}]}},
        {"tracker_ke": {"products": [{"id": "p", "name": "N", "prices": {"m": "free"}}]}},
        {"tracker_ke": {"products": [{"id": "p", "name": "N", "prices": {"m": "1e9999999"}}]}},
        {"pasons": {"stores": [{"store_id": "017"}]}},
        {"pasons": {"stores": [{"store_id": "017", "api_key": "k", "skus": "all"}]}},
        {"pasons": {"stores": [{"store_id": "017", "api_key": "k", "fields": {"name": "x"}}]}},
        {"pasons": {"stores": [{"store_id": "017", "api_key": "k", "variant": 200}]}},
        {"pasons": {"stores": [{"store_id": "017", "api_key": "k", "enum": {"A": 3}}]}},
        {"pasons": {"stores": [{"store_id": "017", "api_key": "k", "max_items": -1}]}},
    ],
)
def test_a_wrong_seed_is_refused_whole(fresh_sandbox: SandboxProcess, document: Any) -> None:
    if isinstance(document, dict) and "pasons" in document:
        document = {"tracker_ke": {"products": [{"id": "good", "name": "N"}]}, **document}
    with pytest.raises(SandboxError):
        fresh_sandbox.seed(document)
    assert fresh_sandbox.catalog() == []
    assert not any(fresh_sandbox.state().values())


def test_the_log_tells_every_request_and_no_secret(fresh_sandbox: SandboxProcess) -> None:
    seed_tracker(fresh_sandbox, api_secret="sk_secret_canary")
    headers = {"Authorization": f"Bearer {KEY}", "X-API-Secret": "sk_secret_canary", "X-Run": "7"}
    body = json.dumps({"prices": [price(), price("prod_x")]}).encode()
    tracker(fresh_sandbox, "POST", "/prices/batch?trace=1", body, headers)
    (entry,) = fresh_sandbox.requests()
    assert entry["channel"] == "tracker_ke"
    assert entry["account"] == "mart"
    assert (entry["method"], entry["path"]) == ("POST", "/tracker_ke/api/v1/prices/batch")
    assert entry["query"] == "trace=1"
    assert entry["body_sha256"] == hashlib.sha256(body).hexdigest()
    assert entry["body_bytes"] == len(body)
    assert (entry["status"], entry["items"], entry["applied"]) == (200, 2, 1)
    assert abs(entry["time"] - time.time()) < 5
    assert entry["headers"]["x-run"] == "7"
    digest = hashlib.sha256(f"Bearer {KEY}".encode()).hexdigest()[:16]
    assert entry["headers"]["authorization"] == f"sha256:{digest}"
    assert "canary" not in str(entry)
    assert KEY not in str(entry)
    assert fresh_sandbox.state("tracker_ke", "mart")["prod_1"]["request"] == entry["seq"]


def test_bodies_are_kept_only_when_asked_for(fresh_sandbox: SandboxProcess) -> None:
    seed_store(fresh_sandbox)
    push(fresh_sandbox, [item()])
    fresh_sandbox.settings(keep_bodies=True)
    push(fresh_sandbox, [item("0002")])
    push(fresh_sandbox, b"no json")
    bodies = [entry["body"] for entry in fresh_sandbox.requests(bodies=True)]
    assert bodies == [None, [item("0002")], "no json"]
    assert "body" not in fresh_sandbox.requests()[1]


def test_the_log_is_read_from_a_number_on_and_filtered(fresh_sandbox: SandboxProcess) -> None:
    seed_tracker(fresh_sandbox)
    seed_store(fresh_sandbox)
    batch(fresh_sandbox, price())
    since = fresh_sandbox.last_request()
    tracker(fresh_sandbox, "GET", "/products")
    push(fresh_sandbox, [item()])
    assert len(fresh_sandbox.requests()) == 3
    assert [entry["method"] for entry in fresh_sandbox.requests(since)] == ["GET", "POST"]
    assert len(fresh_sandbox.requests(channel="pasons")) == 1
    assert len(fresh_sandbox.requests(account="mart", method="POST")) == 1
    assert len(fresh_sandbox.requests(path="/prices/batch")) == 1
    assert len(fresh_sandbox.requests(limit="1")) == 1
    with pytest.raises(SandboxError, match="since"):
        fresh_sandbox.control("GET", "/requests?since=yesterday")


def test_a_request_without_a_known_account_is_logged_too(fresh_sandbox: SandboxProcess) -> None:
    tracker(fresh_sandbox, "GET", "/products", headers={"Authorization": "Bearer nobody"})
    call(fresh_sandbox, "POST", "/nowhere", b"x")
    first, second = fresh_sandbox.requests()
    assert (first["account"], first["status"]) == (None, 401)
    assert (second["channel"], second["status"]) == ("", 404)


def test_requests_of_one_connection_are_recognised(fresh_sandbox: SandboxProcess) -> None:
    connection = connect(fresh_sandbox)
    for _ in range(2):
        send(connection, "GET", "/tracker_ke/api/v1/health")
    connection.close()
    tracker(fresh_sandbox, "GET", "/health")
    first, second, third = (entry["connection"] for entry in fresh_sandbox.requests())
    assert first == second != third


def test_history_holds_every_write_of_an_item_in_order(fresh_sandbox: SandboxProcess) -> None:
    seed_tracker(fresh_sandbox)
    seed_store(fresh_sandbox)
    for amount in (1, 2):
        batch(fresh_sandbox, price(amount=amount))
    since = fresh_sandbox.last_request()
    batch(fresh_sandbox, price(amount=3), price("prod_2", 9))
    push(fresh_sandbox, [item()])
    writes = fresh_sandbox.history(channel="tracker_ke", account="mart", item="prod_1")
    assert [write["price"] for write in writes] == ["1.00", "2.00", "3.00"]
    assert [write["write"] for write in writes] == [1, 2, 3]
    assert [write["item"] for write in fresh_sandbox.history(since)] == [
        "prod_1",
        "prod_2",
        "0001",
    ]


def test_state_can_be_asked_for_one_account(fresh_sandbox: SandboxProcess) -> None:
    seed_tracker(fresh_sandbox)
    seed_store(fresh_sandbox)
    push(fresh_sandbox, [item()])
    assert fresh_sandbox.state("tracker_ke") == {"tracker_ke": {"mart": {}}}
    assert list(fresh_sandbox.state("pasons", "017")) == ["0001"]
    assert fresh_sandbox.state("pasons", "none") == {}


def test_the_clock_moves_for_everything(fresh_sandbox: SandboxProcess) -> None:
    seed_store(fresh_sandbox)
    now = fresh_sandbox.clock(86_400)
    assert now - time.time() == pytest.approx(86_400, abs=5)
    reply = push(fresh_sandbox, [item()])
    moved = time.strftime("%d %b %Y", time.gmtime(time.time() + 86_400))
    assert moved in reply.headers["date"]
    assert fresh_sandbox.requests()[0]["time"] - time.time() > 80_000
    for offset in (None, "1", True, 1e300):
        with pytest.raises(SandboxError, match="offset_s"):
            fresh_sandbox.control("POST", "/clock", {"offset_s": offset})


def test_an_answer_is_delayed(fresh_sandbox: SandboxProcess) -> None:
    seed_store(fresh_sandbox)
    fresh_sandbox.settings(delay_ms=80)
    began = time.monotonic()
    push(fresh_sandbox, [item()])
    assert time.monotonic() - began >= 0.08


@pytest.mark.parametrize(
    "changes",
    [
        {"delay": 1},
        {"delay_ms": -1},
        {"delay_ms": "5"},
        {"quota": 1},
        {"keep_bodies": "yes"},
        {"retry_after": "later"},
        {"seed": 1.5},
    ],
)
def test_a_wrong_setting_changes_nothing(
    fresh_sandbox: SandboxProcess, changes: dict[str, Any]
) -> None:
    before = fresh_sandbox.control("GET", "/settings")
    with pytest.raises(SandboxError):
        fresh_sandbox.settings(**{"delay_ms": 5, **changes})
    assert fresh_sandbox.control("GET", "/settings") == before


def test_reset_may_keep_the_seed(fresh_sandbox: SandboxProcess) -> None:
    seed_tracker(fresh_sandbox)
    batch(fresh_sandbox, price())
    synced = {"external_id": "A", "name": "N", "category": "C"}
    tracker(fresh_sandbox, "POST", "/products/sync", {"products": [synced]})
    fresh_sandbox.scenario("reset", times=None)
    fresh_sandbox.settings(delay_ms=1)
    fresh_sandbox.clock(100)
    fresh_sandbox.reset(keep_seed=True)
    shown = fresh_sandbox.state()
    assert (shown.pop("tracker_ke"), any(shown.values())) == ({"mart": {}}, False)
    assert (fresh_sandbox.requests(), fresh_sandbox.history()) == ([], [])
    assert len(fresh_sandbox.catalog()) == 3
    assert fresh_sandbox.scenarios() == []
    assert fresh_sandbox.control("GET", "/settings")["delay_ms"] == 0
    assert fresh_sandbox.control("GET", "/clock")["offset_s"] == 0
    assert batch(fresh_sandbox, price()).status == 200
    fresh_sandbox.reset()
    assert fresh_sandbox.catalog() == []
    assert batch(fresh_sandbox, price()).status == 401


def test_control_errors_are_json(fresh_sandbox: SandboxProcess) -> None:
    for method, path, body, status in (
        ("GET", "/__sandbox__/nothing", None, 404),
        ("DELETE", "/__sandbox__/state", None, 404),
        ("POST", "/__sandbox__/seed", b"{", 400),
        ("POST", "/__sandbox__/reset", b"[]", 400),
        ("POST", "/__sandbox__/scenarios", b"\xff", 400),
    ):
        reply = call(fresh_sandbox, method, path, body)
        assert (reply.status, "message" in reply.json["error"]) == (status, True), path


def test_seeding_a_revoked_account_again_restores_it(fresh_sandbox: SandboxProcess) -> None:
    seed_store(fresh_sandbox)
    fresh_sandbox.scenario("revoke_key")
    assert [push(fresh_sandbox, [item()]).status for _ in range(2)] == [401, 401]
    seed_store(fresh_sandbox, api_key="rotated_obviously_fake")
    assert push(fresh_sandbox, [item()]).status == 401
    rotated = {"Authorization": "Bearer rotated_obviously_fake"}
    assert push(fresh_sandbox, [item()], headers=rotated).status == 200
