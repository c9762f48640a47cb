"""Imports on Mirakl over real HTTP: started, followed to their end, their reports read."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from marketsync_dagster.platforms.base import Adapter, Answer, ImportKind, ReportAnswer
from marketsync_dagster.platforms.mirakl.imports import status_of
from marketsync_dagster.values.outcomes import Outcome, StockStatus
from marketsync_dagster.values.times import to_iso
from marketsync_dagster_tests.platforms.mirakl.shop import (
    KINDS,
    OFFERS,
    PRICES,
    STARTED,
    STOCK,
    begin,
    ended,
    item,
    look,
    sent,
    settings,
    work,
)
from marketsync_dagster_tests.platforms.support import run
from marketsync_dagster_tests.sandbox.mirakl import KEY, SHOP, held, later, seed_market
from marketsync_dagster_tests.sandbox_process import SandboxProcess

R, T, U = Outcome.REFUSED, Outcome.RETRYABLE, Outcome.UNKNOWN
CALLS = {OFFERS: "/offers", PRICES: "/offers/pricing/imports", STOCK: "/offers/stock/imports"}


@pytest.fixture
def shop(fresh_sandbox: SandboxProcess) -> SandboxProcess:
    seed_market(fresh_sandbox)
    return fresh_sandbox


def imports(shop: SandboxProcess) -> list[dict[str, Any]]:
    return shop.mirakl("imports")


@pytest.mark.parametrize("kind", KINDS)
def test_an_import_says_what_it_says_and_nothing_else(
    shop: SandboxProcess, kind: ImportKind
) -> None:
    before = held(shop)
    found = ended(shop, kind, item(amount="60.07", quantity=9, details='{"state_code":"10"}'))
    assert (found.state, found.raw, found.lines_in_error) == ("complete", "COMPLETE", 0)
    assert found.lines_in_success == 1
    assert not found.has_report
    after = held(shop)
    told = {name: str(after[name]) for name in ("price", "quantity", "state_code")}
    assert (
        told
        == {
            OFFERS: {"price": "60.07", "quantity": "9", "state_code": "10"},
            PRICES: {"price": "60.07", "quantity": "5", "state_code": "11"},
            STOCK: {"price": "10.00", "quantity": "9", "state_code": "11"},
        }[kind]
    )
    # a whole offer resets what it leaves out, the others leave it alone
    assert (after["description"] == before["description"]) == (kind is not OFFERS)


def test_every_call_names_the_shop_and_carries_the_bare_key(shop: SandboxProcess) -> None:
    async def everything(adapter: Adapter) -> None:
        for kind in KINDS:
            import_id = await begin(adapter, kind, item())
            await look(adapter, kind, import_id)
            await adapter.import_report(kind, import_id, ["S1"])
        assert [page async for page in adapter.list_shown()]
        assert [page async for page in adapter.read_catalog(barcodes=["6160000000001"])]
        await adapter.read_prices(["S1"])
        await adapter.test_connection()

    work(shop, everything)
    calls, bare = sent(shop), f"sha256:{hashlib.sha256(KEY.encode()).hexdigest()[:16]}"
    assert len(calls) == 15
    for call in calls:
        assert f"shop_id={SHOP}" in call["query"].split("&"), call["path"]
        assert call["headers"]["authorization"] == bare
    work(shop, lambda a: a.read_prices(["S1"]), shop_id=None)
    assert "shop_id" not in sent(shop)[-1]["query"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_request_that_is_sent_again_is_the_same_to_the_byte(
    shop: SandboxProcess, kind: ImportKind
) -> None:
    seed_market(shop, duplicates=["OF24", "PRI01", "STO01"])

    async def twice(adapter: Adapter) -> set[str]:
        return {await begin(adapter, kind, item()), await begin(adapter, kind, item())}

    assert len(work(shop, twice)) == 1  # also by another process
    first, second = sent(shop, "POST")
    assert first["body_sha256"] == second["body_sha256"]
    (found,) = imports(shop)
    later(shop)
    assert (found["received"], imports(shop)[0]["in_effect"]) == (2, 1)


def test_the_id_of_an_older_import_is_success(shop: SandboxProcess) -> None:
    async def again(adapter: Adapter) -> tuple[str, str]:
        first = await begin(adapter, OFFERS, item())
        shop.scenario("older_import", match={"method": "POST"})
        return first, await begin(adapter, OFFERS, item(amount="13.00"))

    first, second = work(shop, again)
    assert first == second


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 201),
        ({"import_id": None}, 201),
        ({"import_id": ""}, 201),
        ({"import_id": True}, 201),
        ({"import_id": -1}, 201),
        ({"import_id": "a b/../c"}, 201),
        ({"import_id": ["2044"]}, 201),
        ([], 201),
        ("", 201),
        ("<html>", 200),
    ],
)
def test_a_start_without_an_id_that_can_be_read_is_unknown(
    shop: SandboxProcess, body: Any, status: int
) -> None:
    shop.scenario("status", status=status, body=body)
    answer: Answer = work(shop, lambda a: a.submit(OFFERS, [item()]))
    assert (answer.outcome, answer.import_id) == (U, "")
    assert answer.message


@pytest.mark.parametrize("kind", [PRICES, STOCK])
@pytest.mark.parametrize("status", [403, 404])
def test_an_import_that_the_operator_has_switched_off_is_unsupported(
    shop: SandboxProcess, kind: ImportKind, status: int
) -> None:
    name = {PRICES: "price_import", STOCK: "stock_import"}[kind]
    seed_market(shop, off_status=str(status), **{name: False})
    answer: Answer = work(shop, lambda a: a.submit(kind, [item(), item("S2")]))
    assert answer.outcome is Outcome.UNSUPPORTED
    assert f"HTTP {status}: FORBIDDEN: " in answer.message
    assert f"set accounts.m.{name}: false" in answer.message
    shop.scenario("status", status=status)
    offers: Answer = work(shop, lambda a: a.submit(OFFERS, [item()]))
    # there is nothing to fall back to, and nothing of it is about the offers
    assert offers.outcome is R
    assert "check shop_id and base_url of accounts.m" in offers.message


def test_more_offers_than_the_operator_takes_are_split(shop: SandboxProcess) -> None:
    seed_market(shop, max_offers=2)
    items = [item(f"S{n}", product=f"P{n}") for n in (1, 2, 3)]
    answer: Answer = work(shop, lambda a: a.submit(OFFERS, items))
    assert answer.split
    # as it is for a body that a proxy finds too large; one item that is too large is refused
    shop.scenario("status", status=413, times=2)
    assert work(shop, lambda a: a.submit(PRICES, items)).split
    assert work(shop, lambda a: a.submit(PRICES, items[:1])).outcome is R


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("offers[1].price: a number was expected", (1,)),
        ("offers[2].price: is null; offers[0].quantity: is null; offers[0].price: is 0", (0, 2)),
        ('Cannot deserialize: ["offers"]->java.util.ArrayList[2]->["quantity"])', (2,)),
        ("offers[7].price: there is none such", ()),
        ("offers: must not be empty", R),
        ("malformed", R),
    ],
)
def test_a_document_that_is_refused_for_one_offer_is_split_by_the_offer_that_it_names(
    shop: SandboxProcess, message: str, expected: Outcome | tuple[int, ...]
) -> None:
    body = {"status": 400, "message": message, "code": "VALIDATION_ERROR"}
    shop.scenario("status", status=400, body=body, times=2)
    items = [item(f"S{n}") for n in (1, 2, 3)]
    answer: Answer = work(shop, lambda a: a.submit(OFFERS, items))
    assert (answer.named if answer.split else answer.outcome) == expected
    alone: Answer = work(shop, lambda a: a.submit(OFFERS, items[:1]))
    assert (alone.outcome, message in alone.message) == (R, True)


def test_details_that_the_platform_cannot_take_are_refused_with_its_words(
    shop: SandboxProcess,
) -> None:
    bad = item("S2", details='{"state_code":"11","leadtime_to_ship":"soon"}')
    assert work(shop, lambda a: a.submit(OFFERS, [item(), bad])).split
    answer: Answer = work(shop, lambda a: a.submit(OFFERS, [bad]))
    assert answer.outcome is R
    assert "offers[0].leadtime_to_ship" in answer.message


# --- how imports stand


def test_several_imports_of_a_kind_are_asked_for_by_as_few_calls_as_there_can_be(
    shop: SandboxProcess,
) -> None:
    async def three(adapter: Adapter, kind: ImportKind) -> list[str]:
        ids = [await begin(adapter, kind, item(amount=f"{n}.00", quantity=n)) for n in (1, 2, 3)]
        found = await look(adapter, kind, *ids)
        return [ids[0] if one.import_id == ids[0] else "" for one in found]

    assert len(work(shop, lambda a: three(a, OFFERS))) == 3
    assert len(work(shop, lambda a: three(a, PRICES))) == 3
    assert len(work(shop, lambda a: three(a, STOCK))) == 1
    looks = [call["path"].removeprefix("/mirakl/api") for call in sent(shop, "GET")]
    assert looks[:2] == ["/offers/imports", "/offers/pricing/imports"]
    assert len(looks) == 3
    # ten are all that a list gives by itself
    assert all("limit=100" in call["query"].split("&") for call in sent(shop, "GET")[:2])
    assert work(shop, lambda a: look(a, PRICES, "nobody")) == ()


def test_an_import_that_a_list_does_not_have_is_asked_for_by_itself(shop: SandboxProcess) -> None:
    """Of an import that an equal request began long ago, or beyond the first hundred."""

    async def through(adapter: Adapter) -> list[list[str]]:
        old = await begin(adapter, OFFERS, item())
        later(shop, 7_200)
        new = await begin(adapter, OFFERS, item(amount="13.00"))
        since = to_iso(datetime.fromtimestamp(imports(shop)[1]["created"], UTC))
        said = [await adapter.import_status(OFFERS, [old, new], since) for _ in range(3)]
        return [[("old", "new")[one.import_id == new] for one in each.found] for each in said]

    assert work(shop, through) == [["new"], ["old"], ["new"]]


def test_the_list_of_imports_is_asked_for_with_room_for_clocks_that_differ(
    shop: SandboxProcess,
) -> None:
    since = "2026-11-21T06:30:00.123Z"
    work(shop, lambda a: a.import_status(OFFERS, ["1", "2"], since))
    assert "start_date=2026-11-21T05%3A30%3A00Z" in sent(shop)[0]["query"]
    assert "limit=100" in sent(shop)[0]["query"]


@pytest.mark.parametrize("kind", KINDS)
def test_states_go_on_by_the_platforms_word(shop: SandboxProcess, kind: ImportKind) -> None:
    async def through(adapter: Adapter) -> list[str]:
        import_id, seen = await begin(adapter, kind, item()), []
        for _ in range(3):
            seen += [one.state for one in await look(adapter, kind, import_id)]
            later(shop, 0.3)
        return seen

    assert work(shop, through) == ["waiting", "running", "complete"]


@pytest.mark.parametrize(
    ("entry", "state", "errors", "line"),
    [
        ({"status": "WAITING_SYNCHRONIZATION_PRODUCT"}, "waiting", 0, None),
        ({"status": "SENT_TO_MARS"}, "running", 0, None),
        ({"status": None}, "running", 0, None),
        ({"status": "COMPLETE", "lines_in_error": 3}, "complete", 3, None),
        ({"status": "COMPLETE", "lines_in_error": "3"}, "complete", 0, None),
        (
            {"status": "FAILED", "reason_status": "A parsing error has occurred at line 10"},
            "failed",
            0,
            8,
        ),
        ({"status": "FAILED", "reason_status": "parsing error at line 1"}, "failed", 0, None),
        ({"status": "FAILED", "reason_status": "offline 12"}, "failed", 0, None),
        ({"status": "FAILED", "reason_status": None}, "failed", 0, None),
    ],
)
def test_an_unknown_state_goes_on_and_a_reason_names_its_item(
    entry: dict[str, Any], state: str, errors: int, line: int | None
) -> None:
    found = status_of(entry, "1", str)
    assert (found.state, found.lines_in_error, found.line) == (state, errors, line)
    assert found.raw == str(entry["status"])


@pytest.mark.parametrize(
    ("said", "good"), [(7, 7), (0, 0), ("7", None), (True, None), (-1, None), (None, None)]
)
def test_an_import_is_known_to_have_applied_as_many_lines_as_it_says(said: Any, good: Any) -> None:
    entry = {"status": "COMPLETE", "lines_in_success": said}
    assert status_of(entry, "1", str).lines_in_success == good


def test_a_failed_import_says_why(shop: SandboxProcess) -> None:
    reason = "A parsing error has occurred at line 3"
    shop.scenario("import_fails", match={"method": "POST"}, reason=reason)
    found = ended(shop, PRICES, item(), item("S2"))
    assert (found.state, found.reason, found.line) == ("failed", reason, 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("fault", "outcome", "wait"),
    [
        ({"status": 500}, T, None),
        ({"status": 404}, R, None),
        ({"status": 200, "body": []}, U, None),
        ({"status": 200, "body": "<html>"}, U, None),
        ({"status": 200, "body": ""}, U, None),
        ({"status": 429, "headers": {"retry-after": "17"}}, T, 17.0),
        ({"status": 401}, Outcome.AUTH_FAILED, None),
    ],
)
def test_a_look_that_fails_says_nothing_of_the_import(
    shop: SandboxProcess,
    kind: ImportKind,
    fault: dict[str, Any],
    outcome: Outcome,
    wait: float | None,
) -> None:
    shop.scenario("status", **fault, times=2)
    said = work(shop, lambda a: a.import_status(kind, ["2001"], STARTED))
    assert (said.outcome, said.retry_after_s, said.found) == (outcome, wait, ())
    assert said.message
    report: ReportAnswer = work(shop, lambda a: a.import_report(kind, "2001", ["S1"]))
    late = fault["status"] == 404  # it may come yet
    assert (report.outcome, report.retry_after_s) == (T if late else outcome, wait)
    assert report.message
    assert not report.errors


def test_an_answer_about_another_import_is_no_answer(shop: SandboxProcess) -> None:
    shop.scenario("status", status=200, body={"import_id": 7, "status": "COMPLETE"})
    said = work(shop, lambda a: a.import_status(OFFERS, ["2001"], STARTED))
    assert (said.outcome, said.found) == (U, ())


# --- reports


@pytest.mark.parametrize("style", ["plain", "excel"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_report_tells_which_items_were_refused(
    shop: SandboxProcess, kind: ImportKind, style: str
) -> None:
    seed_market(shop, report_style=style)
    items = [item("S1"), item("0.50", product="P9"), item("S2"), item('g"o;ne', product="P8")]

    async def through(adapter: Adapter) -> ReportAnswer:
        import_id = await begin(adapter, kind, *items)
        later(shop)
        (status,) = await look(adapter, kind, import_id)
        assert (status.state, status.lines_in_error, status.has_report) == ("complete", 2, True)
        return await adapter.import_report(kind, import_id, [one.platform_sku for one in items])

    said: ReportAnswer = work(shop, through)
    words = "The product does not exist" if kind is OFFERS else "The offer does not exist"
    assert (said.outcome, said.errors, said.strays) == (None, {1: words, 3: words}, ())


def test_a_report_that_is_late_is_asked_for_again(shop: SandboxProcess) -> None:
    seed_market(shop, report_delay_s=60)

    async def through(adapter: Adapter) -> list[Any]:
        import_id = await begin(adapter, STOCK, item("gone"))
        later(shop)
        early = await adapter.import_report(STOCK, import_id, ["gone"])
        later(shop, 60)
        return [early.outcome, (await adapter.import_report(STOCK, import_id, ["gone"])).outcome]

    assert work(shop, through) == [T, None]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["cut", "empty", "header", "lines"])
def test_a_malformed_report_refuses_nothing(
    shop: SandboxProcess, kind: ImportKind, mode: str
) -> None:
    async def through(adapter: Adapter) -> ReportAnswer:
        import_id = await begin(adapter, kind, item("gone", product="P9"))
        later(shop)
        shop.scenario("report_malformed", mode=mode)
        return await adapter.import_report(kind, import_id, ["gone"])

    said: ReportAnswer = work(shop, through)
    assert not said.errors
    assert (said.outcome is None) == bool(said.strays) == (mode == "lines")
    assert said.outcome in (None, U)


# --- what does not belong to imports


def test_ranges_of_imports_follow_the_limits_of_their_kind(shop: SandboxProcess) -> None:
    items = [item(f"S{n}") for n in range(7)]
    opened = settings(shop, batch=3, file_lines=5)

    async def cut(adapter: Adapter) -> list[list[tuple[int, int]]]:
        empty = [adapter.import_batches(kind, []) for kind in KINDS]
        assert empty == [[], [], []]
        return [adapter.import_batches(kind, items) for kind in KINDS]

    offers, prices, stock = run(opened, "m", cut)
    assert offers == [(0, 3), (3, 6), (6, 7)]
    assert prices == stock == [(0, 5), (5, 7)]


def test_stock_goes_to_the_warehouse_and_out_of_stock_is_none(shop: SandboxProcess) -> None:
    seed_market(shop, warehouses=["NBO"])
    out = item("S2", quantity=9, stock_status=StockStatus.OUT_OF_STOCK)
    ended(shop, STOCK, item("S1", quantity=None), out, warehouse="NBO", unknown_quantity=3)
    assert held(shop, "S1")["warehouses"] == {"NBO": 3}
    assert held(shop, "S2")["quantity"] == 0


def test_what_mirakl_has_not_is_unsupported_and_makes_no_call(shop: SandboxProcess) -> None:
    async def through(adapter: Adapter) -> list[Answer]:
        assert adapter.product_batches([]) == []
        assert adapter.batches([item()]) == [(0, 1)]
        return [await adapter.send([item()]), await adapter.send_products([])]

    for answer in work(shop, through):
        assert answer.outcome is Outcome.UNSUPPORTED
        assert json.dumps(answer.message)
    assert sent(shop) == []
