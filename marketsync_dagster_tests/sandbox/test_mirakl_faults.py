"""Scenarios on Mirakl: imports that end badly, reports that lie, and what befalls any platform."""

from __future__ import annotations

import http.client
import json
from typing import Any

import pytest

from marketsync_dagster_tests.sandbox.mirakl import (
    KEY,
    SHOP,
    WHERE,
    held,
    later,
    mirakl,
    offer,
    push,
    report_of,
    seed_market,
    status_of,
    upload,
)
from marketsync_dagster_tests.sandbox_process import SandboxError, SandboxProcess

GONE = (http.client.HTTPException, ConnectionError, TimeoutError)


@pytest.fixture
def market(fresh_sandbox: SandboxProcess) -> SandboxProcess:
    seed_market(fresh_sandbox)
    return fresh_sandbox


def price_file(sandbox: SandboxProcess, *pairs: tuple[str, Any]) -> str:
    """PRI01; its id."""
    return upload(sandbox, "PRI01", *(f"{sku};{p};;;" for sku, p in pairs)).json["import_id"]


# --- imports that end badly


def test_an_import_may_wait_for_ever_while_others_pass(market: SandboxProcess) -> None:
    market.scenario("import_stuck")
    stuck, other = price_file(market, ("S1", 3)), price_file(market, ("S2", 4))
    later(market, 1e6)
    assert status_of(market, "PRI01", stuck)["status"] == "WAITING"
    assert status_of(market, "PRI01", other)["status"] == "COMPLETE"
    assert (held(market)["price"], held(market, "S2")["price"]) == ("10.00", "4.00")


def test_an_import_that_waits_may_hold_up_those_behind_it(market: SandboxProcess) -> None:
    before = price_file(market, ("S3", 2))
    market.scenario("import_stuck", seconds=100, blocks=True)
    ids = [before, *(price_file(market, pair) for pair in (("S1", 3), ("S1", 4)))]
    seen: list[list[str]] = []
    for seconds in (10, 88, 10):
        later(market, seconds)
        seen.append([status_of(market, "PRI01", each)["status"] for each in ids])
    assert seen[0] == seen[1] == ["COMPLETE", "WAITING", "WAITING"]
    assert seen[2] == ["COMPLETE"] * 3
    assert held(market)["price"] == "4.00"


def test_an_import_that_ends_late_overwrites_what_came_after_it(market: SandboxProcess) -> None:
    market.scenario("import_stuck", seconds=100)
    price_file(market, ("S1", 3))
    price_file(market, ("S1", 4))
    later(market, 50)
    assert held(market)["price"] == "4.00"
    later(market, 60)
    assert held(market)["price"] == "3.00"


@pytest.mark.parametrize("kind", WHERE)
def test_an_import_may_fail_for_a_reason(market: SandboxProcess, kind: str) -> None:
    market.scenario("import_fails", reason="Out of disk")
    if kind == "OF24":
        import_id = push(market, offer("S1", 3)).json["import_id"]
    else:
        import_id = upload(market, kind, "S1;3" + (";;;" if kind == "PRI01" else ";;"))
        import_id = import_id.json["import_id"]
    later(market)
    told = status_of(market, kind, import_id)
    assert (told["status"], told["has_error_report"]) == ("FAILED", False)
    assert told.get("reason_status", "Out of disk") == "Out of disk"
    assert (held(market)["price"], held(market)["quantity"]) == ("10.00", 5)
    found = market.mirakl("imports")[0]
    assert (found["in_effect"], found["reason"]) == (0, "Out of disk")


@pytest.mark.parametrize("kind", WHERE)
def test_good_lines_may_end_in_error(market: SandboxProcess, kind: str) -> None:
    market.scenario("import_errors", lines=2, message="Locked", report_s=60)
    if kind == "OF24":
        reply = push(market, *(offer(f"S{n}", 3, quantity=3) for n in (1, 2, 3)))
    else:
        end = ";;;" if kind == "PRI01" else ";;"
        reply = upload(market, kind, *(f"S{n};3{end}" for n in (1, 2, 3)))
    import_id = reply.json["import_id"]
    later(market)
    told = status_of(market, kind, import_id)
    assert (told["lines_in_error"], told["lines_in_success"]) == (2, 1)
    assert report_of(market, kind, import_id).status == 404
    later(market, 60)
    assert report_of(market, kind, import_id).body.count(b'"Locked"') == 2
    name, before, after = ("quantity", 5, 3) if kind == "STO01" else ("price", "10.00", "3.00")
    assert (held(market)[name], held(market, "S3")[name]) == (before, after)


def test_the_id_of_an_older_import_may_be_returned(market: SandboxProcess) -> None:
    market.scenario("older_import", times=2)
    first = push(market, offer("S1", 3)).json["import_id"]
    assert push(market, offer("S1", 4)).json["import_id"] == first
    later(market)
    assert held(market)["price"] == "3.00"
    seen = [(i["received"], i["in_effect"]) for i in market.mirakl("imports")]
    assert seen == [(2, 1)]


def test_a_report_may_come_late_or_damaged(market: SandboxProcess) -> None:
    import_id = price_file(market, ("S1", 0), ("S2", -1))
    later(market)
    market.scenario("report_late", seconds=30)
    assert report_of(market, "PRI01", import_id).status == 404
    assert report_of(market, "PRI01", import_id).status == 404
    later(market, 30)
    whole = report_of(market, "PRI01", import_id).body
    assert whole.count(b"\n") == 3
    damaged: dict[str, bytes] = {}
    for mode in ("cut", "empty", "header", "lines"):
        market.scenario("report_malformed", mode=mode)
        damaged[mode] = report_of(market, "PRI01", import_id).body
    assert whole.startswith(damaged["cut"])
    assert damaged["cut"].count(b'"') % 2 == 1
    assert damaged["empty"] == b""
    assert damaged["header"].startswith(b'"column";"other"\n"2"')
    assert b'"999999"' in damaged["lines"]
    assert b"S1" not in damaged["lines"]
    assert report_of(market, "PRI01", import_id).body == whole


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("import_errors", {"lines": -1}),
        ("import_errors", {"lines": "all"}),
        ("report_malformed", {"mode": "x100"}),
        ("price_damage", {"mode": "cut"}),
        ("import_stuck", {"blocks": 1}),
        ("import_fails", {"reason": 5}),
    ],
)
def test_a_scenario_that_cannot_be_meant_is_refused(
    market: SandboxProcess, kind: str, more: dict[str, Any]
) -> None:
    with pytest.raises(SandboxError, match="action"):
        market.scenario(kind, **more)


# --- what can befall any platform


@pytest.mark.parametrize("reset", [False, True])
def test_applied_and_then_broken_off_is_one_import(market: SandboxProcess, reset: bool) -> None:
    market.scenario("apply_then_reset", reset=reset)
    with pytest.raises(GONE):
        push(market, offer("S1", 3))
    later(market)
    assert held(market)["price"] == "3.00"
    known = mirakl(market, "GET", "/offers/imports").json["data"][0]["import_id"]
    assert push(market, offer("S1", 3)).json["import_id"] == known
    assert [(i["received"], i["in_effect"]) for i in market.mirakl("imports")] == [(2, 1)]


def test_applied_and_then_hung_is_one_import(market: SandboxProcess) -> None:
    market.scenario("apply_then_hang", seconds=30)
    with pytest.raises(TimeoutError):
        push(market, offer("S1", 3), timeout=0.1)
    later(market)
    assert held(market)["price"] == "3.00"


@pytest.mark.parametrize(
    ("kind", "more", "status"),
    [
        ("status", {"status": 503}, 503),
        ("status", {"status": 413}, 413),
        ("html_200", {}, 200),
        ("big_error_body", {"mb": 0.1}, 500),
        ("retry_after", {"form": "seconds", "value": 7}, 429),
        ("retry_after", {"form": "body", "value": 7}, 429),
        ("echo_secret", {}, 500),
        ("redirect", {}, 301),
    ],
)
def test_faults_before_an_import_leave_none(
    market: SandboxProcess, kind: str, more: dict[str, Any], status: int
) -> None:
    market.scenario(kind, channel="mirakl", account=str(SHOP), match={"path": "/offers"}, **more)
    reply = push(market, offer("S1", 3))
    assert reply.status == status
    if status in (503, 429):
        assert reply.json["message"]
        assert 7 in (reply.json.get("retry_after"), int(reply.headers.get("retry-after", 7)))
    assert market.mirakl("imports") == []
    assert push(market, offer("S1", 3)).status == 201


@pytest.mark.parametrize("kind", ["truncated_json", "gzip_error", "bom_json", "empty_204"])
def test_faults_of_the_answer_leave_an_import(market: SandboxProcess, kind: str) -> None:
    market.scenario(kind)
    reply = push(market, offer("S1", 3))
    with pytest.raises((ValueError, UnicodeDecodeError)):
        json.loads(reply.body.decode())
    assert len(market.mirakl("imports")) == 1


def test_single_offers_are_refused_lost_or_damaged_when_the_import_ends(
    market: SandboxProcess,
) -> None:
    market.scenario("item_error", sku="S2", error="Locked")
    price_file(market, ("S1", 3), ("S2", 4))
    later(market)
    assert (held(market)["price"], held(market, "S2")["price"]) == ("3.00", "20.00")
    assert market.mirakl("imports")[-1]["errors"][0]["message"] == "Locked"
    market.scenario("drop_silently", items=["S1"])
    import_id = price_file(market, ("S1", 5), ("S2", 6))
    later(market)
    assert status_of(market, "PRI01", import_id)["lines_in_success"] == 2
    assert (held(market)["price"], held(market, "S2")["price"]) == ("3.00", "6.00")
    market.scenario("price_damage", mode="x100")
    price_file(market, ("S1", 7))
    later(market)
    assert held(market)["price"] == "700.00"


def test_pages_drift_repeat_and_lack_rows(fresh_sandbox: SandboxProcess) -> None:
    seed_market(fresh_sandbox, 25)

    def page(offset: int) -> list[str]:
        offers = mirakl(fresh_sandbox, "GET", f"/offers?offset={offset}").json["offers"]
        return [entry["shop_sku"] for entry in offers]

    first = page(0)
    fresh_sandbox.scenario("page_drift", insert=2)
    assert page(10)[:2] == first[8:]
    fresh_sandbox.scenario("page_drift", insert=0, remove=3)
    assert page(10)[0] == "S12"
    fresh_sandbox.scenario("duplicate_page")
    assert page(10) == page(0)
    fresh_sandbox.scenario("short_results", drop=3)
    assert len(page(0)) == 7
    fresh_sandbox.scenario("wrong_ids")
    assert page(0)[0] == "wrong_0"


def test_a_revoked_key_is_refused_until_it_is_restored(market: SandboxProcess) -> None:
    market.scenario("revoke_key", match={"nth": 2})
    statuses = [mirakl(market, "GET", "/offers").status for _ in range(3)]
    assert statuses == [200, 401, 401]
    market.restore("mirakl", KEY)
    assert mirakl(market, "GET", "/offers").status == 200
    market.scenario("token_dies", requests=2)
    assert [mirakl(market, "GET", "/offers").status for _ in range(3)] == [401, 401, 200]
