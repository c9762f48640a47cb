"""Qikink's real API: tokens, the rules of an order, the forms of an error, lists and statuses."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from marketsync_dagster_tests.sandbox.calls import call
from marketsync_dagster_tests.sandbox.qikink import (
    ADDRESS,
    FORM,
    LINE,
    PERSON,
    REAL,
    SECRET,
    ask_token,
    create,
    entered,
    listed,
    order,
    seed_real,
    seed_spec,
    spec,
    spec_entered,
    spec_order,
)
from marketsync_dagster_tests.sandbox.test_hostile import BODIES
from marketsync_dagster_tests.sandbox_process import SandboxError, SandboxProcess

DESIGN = {
    "design_code": "d1",
    "width_inches": "12",
    "height_inches": "12",
    "placement_sku": "fr",
    "design_link": "https://designs.invalid/1",
}
PRODUCT = {"sku": "T", "name": "Tee", "price": "5.50", "manufacturer": "M", "origin": "IN"}
OWN_PRINT = {**LINE, "search_from_my_products": 0, "print_type_id": 1, "designs": [DESIGN]}


@pytest.fixture
def shop(fresh_sandbox: SandboxProcess) -> SandboxProcess:
    seed_real(fresh_sandbox)
    return fresh_sandbox


def without(document: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != name}


# --- tokens


def test_a_new_token_kills_the_one_before(shop: SandboxProcess) -> None:
    first = entered(shop)
    assert listed(shop, first).status == 200
    second = entered(shop)
    reply = listed(shop, first)
    assert (reply.status, reply.json["status_code"]) == (401, "401")
    assert "token" in reply.json["error"]
    assert listed(shop, second).status == 200
    seed_real(shop, token_errors="body")
    reply = listed(shop, first)
    assert (reply.status, reply.json["status_code"]) == (200, "401")
    assert shop.qikink("accounts")[REAL]["tokens_minted"] == 2
    assert shop.qikink("accounts")[REAL]["tokens_refused"] == 2


def test_a_token_ends_by_the_clock_or_when_somebody_kills_it(shop: SandboxProcess) -> None:
    reply = ask_token(shop)
    assert (reply.json["ClientId"], reply.json["expires_in"]) == (REAL, 3_600)
    headers = {"ClientId": REAL, "Accesstoken": reply.json["Accesstoken"]}
    shop.clock(3_590)
    assert listed(shop, headers).status == 200
    shop.clock(3_610)
    assert listed(shop, headers).status == 401
    headers = entered(shop)
    assert shop.control("POST", "/qikink/tokens", {}) == {"killed": 1}
    assert listed(shop, headers).status == 401
    seed_real(shop, tokens="many")
    both = [entered(shop), entered(shop)]
    assert [listed(shop, headers).status for headers in both] == [200, 200]


def test_only_the_right_secret_in_a_form_gets_a_token(shop: SandboxProcess) -> None:
    seed_real(shop, previous_secret="old_obviously_fake")
    seed_spec(shop)
    for client, secret, status in (
        (REAL, "old_obviously_fake", 200),
        (REAL, "wrong", 401),
        ("nobody", SECRET, 401),
        ("qk_spec", SECRET, 401),
    ):
        assert ask_token(shop, secret, client).status == status, client
    body = {"ClientId": REAL, "client_secret": SECRET}
    assert call(shop, "POST", "/qikink/api/token", body, {}).status == 401
    assert listed(shop, {"ClientId": REAL}).status == 401
    assert listed(shop, {}).status == 401
    shop.scenario("revoke_key", account=REAL)
    assert [ask_token(shop).status for _ in range(2)] == [401, 401]
    shop.restore("qikink", REAL)
    assert ask_token(shop).status == 200


def test_unknown_paths_and_methods_are_told(shop: SandboxProcess) -> None:
    headers = entered(shop)
    assert call(shop, "GET", "/qikink/api/order/list", None, headers).status == 404
    assert call(shop, "GET", "/qikink/api/products", None, headers).status == 404
    reply = call(shop, "DELETE", "/qikink/api/order", None, headers)
    assert (reply.status, reply.headers["allow"]) == (405, "GET")


def test_thirty_calls_a_minute_and_when_to_come_back(fresh_sandbox: SandboxProcess) -> None:
    seed_real(fresh_sandbox, per_minute=30)
    headers = entered(fresh_sandbox)
    assert {listed(fresh_sandbox, headers).status for _ in range(29)} == {200}
    reply = listed(fresh_sandbox, headers)
    assert (reply.status, "retry-after" in reply.headers) == (429, False)
    fresh_sandbox.settings(retry_after="both")
    reply = listed(fresh_sandbox, headers)
    assert 50 <= reply.json["retry_after"] == int(reply.headers["retry-after"]) <= 60
    fresh_sandbox.clock(61)
    assert listed(fresh_sandbox, headers).status == 200


# --- an order


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"order_number": "BHRT-1733304000"}, "order_number"),
        ({"order_number": "a" * 16}, "order_number"),
        ({"order_number": ""}, "Missing field: order_number"),
        ({"qikink_shipping": None}, "Missing field: qikink_shipping"),
        ({"gateway": "prepaid"}, "gateway"),
        ({"total_order_value": "free"}, "total_order_value"),
        ({"total_order_value": -1}, "total_order_value"),
        ({"line_items": []}, "Missing field: line_items"),
        ({"line_items": [{**LINE, "quantity": "0"}]}, "quantity"),
        ({"line_items": [{**LINE, "quantity": 1.5}]}, "quantity"),
        ({"line_items": [{**LINE, "price": True}]}, "price"),
        ({"line_items": [{**LINE, "sku": ["a"]}]}, "sku"),
        ({"line_items": [without(LINE, "sku")]}, "Missing field: sku"),
        ({"line_items": [{**LINE, "print_type_id": 1}]}, "print_type_id"),
        ({"line_items": [{**LINE, "designs": [DESIGN]}]}, "designs"),
        ({"line_items": [without(OWN_PRINT, "print_type_id")]}, "Missing field: print_type_id"),
        ({"line_items": [{**OWN_PRINT, "designs": []}]}, "Missing field: designs"),
        (
            {"line_items": [{**OWN_PRINT, "designs": [without(DESIGN, "placement_sku")]}]},
            "Missing field: placement_sku",
        ),
        ({"line_items": [{**LINE, "sku": "UNKNOWN"}]}, "SKU not found"),
        ({"shipping_address": None}, "Missing field: shipping_address"),
        ({"shipping_address": "12 Lake View"}, "Missing field: shipping_address"),
        *(
            ({"shipping_address": without(ADDRESS, name)}, f"Missing field: {name}")
            for name in ("first_name", "phone", "zip", "province", "city", "email", "country_code")
        ),
        ({"shipping_address": {**ADDRESS, "phone": " "}}, "Missing field: phone"),
        ({"shipping_address": {**ADDRESS, "address1": "x" * 91}}, "address1"),
    ],
)
def test_an_order_that_breaks_a_rule_is_refused_by_the_name_of_the_field(
    fresh_sandbox: SandboxProcess, wrong: dict[str, Any], words: str
) -> None:
    seed_real(fresh_sandbox, skus=["TEE-M"])
    reply = create(fresh_sandbox, entered(fresh_sandbox), order(**wrong))
    assert (reply.status, reply.json["status_code"]) == (400, "400")
    assert words in reply.json["error"]
    assert not any(value in reply.body.decode() for value in PERSON)
    assert fresh_sandbox.qikink("orders") == []


def test_numbers_may_be_numbers_and_an_address_just_long_enough(shop: SandboxProcess) -> None:
    headers = entered(shop)
    line = {**LINE, "search_from_my_products": "1", "quantity": 2, "price": 649.5}
    address = {**without(ADDRESS, "last_name"), "address1": "x" * 90, "zip": 600001}
    document = order(
        "a_1", qikink_shipping=1, gateway="COD", total_order_value=1299, line_items=[line],
        shipping_address=address,
    )  # fmt: skip
    reply = create(shop, headers, document)
    assert reply.json == {
        "message": "Order created successfully",
        "order_id": 13_254,
        "status_code": "200",
    }
    assert create(shop, headers, order("b" * 15, line_items=[OWN_PRINT])).status == 200
    assert create(shop, {**headers, "Content-Type": "text/plain"}, order("c")).status == 400
    assert create(shop, headers, b"{").json["error"] == "Invalid JSON"
    assert create(shop, headers, b'{"order_number":"\\ud800"}').status == 400
    (first, second) = shop.qikink("orders")
    assert (first["gateway"], first["total"], first["address"]) == ("COD", 1299, True)
    assert "last_name" not in first["address_fields"]
    assert [item["sku"] for item in second["items"]] == ["TEE-M"]
    assert not any(value in str([first, second]) for value in PERSON)


def test_an_order_number_is_taken_once_unless_the_account_says_otherwise(
    shop: SandboxProcess,
) -> None:
    headers = entered(shop)
    statuses = [create(shop, headers, order()).status for _ in range(3)]
    assert statuses == [200, 400, 400]
    assert create(shop, headers, order()).json["error"] == "duplicate order"
    (kept,) = shop.qikink("orders")
    assert (kept["asked"], kept["created"], kept["duplicates_refused"]) == (4, 1, 3)
    seed_real(shop, duplicates="create")
    assert create(shop, headers, order()).status == 200
    assert [kept["created"] for kept in shop.qikink("orders", client_id=REAL)] == [2, 2]
    seed_real(shop, client_id="other", duplicates="refuse")
    token = ask_token(shop, client="other").json["Accesstoken"]
    other = {**headers, "ClientId": "other", "Accesstoken": token}
    theirs = create(shop, other, order()).json["order_id"]
    assert [len(listed(shop, who, id=theirs).json) for who in (headers, other)] == [0, 1]
    counted = shop.qikink("accounts")[REAL]
    assert counted["numbers"]["202600062"] == {"asked": 5, "created": 2, "duplicates_refused": 3}


@pytest.mark.parametrize(
    ("form", "status", "document"),
    [
        ("http", 400, {"error": "Missing field: gateway", "status_code": "400"}),
        ("error", 200, {"error": "Missing field: gateway", "status_code": "400"}),
        ("success", 200, {"success": False, "message": "Missing field: gateway"}),
        ("status_code", 200, {"message": "Missing field: gateway", "status_code": "400"}),
    ],
)
def test_a_refusal_has_the_form_that_the_account_says(
    fresh_sandbox: SandboxProcess, form: str, status: int, document: dict[str, Any]
) -> None:
    seed_real(fresh_sandbox, errors=form)
    reply = create(fresh_sandbox, entered(fresh_sandbox), order(gateway=None))
    assert (reply.status, reply.json) == (status, document)
    assert fresh_sandbox.requests()[-1]["applied"] == 0


# --- what is told of orders


def test_the_list_has_ten_to_a_page_the_newest_first_and_days_of_india(
    shop: SandboxProcess,
) -> None:
    headers = entered(shop)
    old = {"client_id": REAL, "order_number": "old", "age_s": 3 * 86_400, "status": "Delivered"}
    shop.seed({"qikink": {"orders": [old]}})
    made = shop.control("POST", "/qikink/orders", {"client_id": REAL, "count": 23})["created"]
    pages = [
        [row["order_id"] for row in listed(shop, headers, page_no=page).json]
        for page in (1, 2, 3, 4)
    ]
    old_id = shop.qikink("orders")[0]["order_id"]
    assert pages == [made[:-11:-1], made[-11:-21:-1], [*made[2::-1], old_id], []]
    day = datetime.now(UTC) + timedelta(hours=5, minutes=30)
    before = f"{day - timedelta(days=2):%Y-%m-%d}"
    assert [row["number"] for row in listed(shop, headers, to_date=before).json] == ["654367_old"]
    since = listed(shop, headers, page_no=3, from_date=before).json
    assert [row["order_id"] for row in since] == made[2::-1]
    assert listed(shop, headers, page_no="one").status == 400
    assert listed(shop, headers, page_no="9" * 30).status == 400
    assert listed(shop, headers, from_date="yesterday").status == 400
    shop.scenario("duplicate_page", match={"path": "/api/order"})
    assert [row["order_id"] for row in listed(shop, headers, page_no=2).json] == pages[0]
    shop.scenario("page_drift", insert=4, match={"path": "/api/order"})
    again = [row["order_id"] for row in listed(shop, headers, page_no=2).json]
    assert again[:4] == pages[0][-4:]


def test_a_day_of_the_list_begins_as_the_account_says(shop: SandboxProcess) -> None:
    moment = datetime(2026, 11, 21, 20, tzinfo=UTC)
    shop.clock(moment.timestamp() - time.time())
    headers = entered(shop)
    create(shop, headers, order())
    for minutes, days in ((330, (0, 1)), (0, (1, 0))):
        seed_real(shop, utc_offset_min=minutes)
        found = [
            len(listed(shop, headers, from_date=day, to_date=day).json)
            for day in ("2026-11-21", "2026-11-22")
        ]
        assert tuple(found) == days


def test_what_was_made_before_the_clock_went_back_is_there(shop: SandboxProcess) -> None:
    shop.clock(5_000)
    headers = entered(shop)
    create(shop, headers, order())
    shop.clock(0)
    assert len(listed(shop, headers).json) == 1
    shop.clock(3_700)
    assert listed(shop, headers).status == 401


def test_a_new_order_may_come_late_into_the_list(fresh_sandbox: SandboxProcess) -> None:
    seed_real(fresh_sandbox, list_lag_s=60)
    headers = entered(fresh_sandbox)
    order_id = create(fresh_sandbox, headers, order()).json["order_id"]
    assert listed(fresh_sandbox, headers).json == []
    assert listed(fresh_sandbox, headers, id=order_id).json[0]["number"] == "654367_202600062"
    fresh_sandbox.clock(61)
    assert [row["order_id"] for row in listed(fresh_sandbox, headers).json] == [order_id]


def test_one_order_is_told_in_the_shape_that_the_account_says(shop: SandboxProcess) -> None:
    headers = entered(shop)
    empty = {"awb": "", "courier_provider_name": "", "tracking_link": ""}
    row = {"number": "654367_202600062", "status": "To be Printed"}
    create(shop, headers, order())
    told = listed(shop, headers, id=13_254)
    assert told.json == [{"order_id": 13_254, **row, "shipping": empty}]
    seed_real(shop, single="object", numbers="string", no_awb="null")
    assert listed(shop, headers, id=13_254).json == {
        "order_id": "13254",
        **row,
        "shipping": dict.fromkeys(empty),
    }
    assert listed(shop, headers, id=1).json == {}
    seed_real(shop, single="array", no_awb="absent", numbers="number")
    assert listed(shop, headers, id="13254").json == [{"order_id": 13_254, **row}]
    assert create(shop, headers, order("new")).json["status_code"] == 200
    assert [listed(shop, headers, id=number).json for number in (1, "x", "")] == [[], [], []]
    seed_real(shop, missing="error")
    assert listed(shop, headers, id=1).json == {"error": "Order not found", "status_code": "404"}
    assert shop.qikink("orders")[0]["looked_up"] == 3


def test_an_order_goes_its_way_by_the_clock(fresh_sandbox: SandboxProcess) -> None:
    seed_real(fresh_sandbox, step_s=100)
    headers = entered(fresh_sandbox)
    create(fresh_sandbox, headers, order())
    told: list[tuple[str, bool]] = []
    for seconds in (50, 150, 250, 350, 450, 550, 3_000):
        fresh_sandbox.clock(seconds)
        (row,) = fresh_sandbox.qikink("orders")
        (shown,) = listed(fresh_sandbox, entered(fresh_sandbox)).json
        assert shown["status"] == row["status"]
        told.append((row["status"], shown["shipping"]["awb"] != ""))
    assert told == [
        ("To be Printed", False),
        ("Ready to Ship", True),
        ("Picked Up", True),
        ("In-Transit", True),
        ("Out For Delivery", True),
        ("Delivered", True),
        ("Delivered", True),
    ]


def test_people_and_couriers_move_an_order_anywhere(shop: SandboxProcess) -> None:
    seed_real(shop, flow=["On Hold", "To be Printed", "Picked Up", "Delivered"])
    seed_real(shop, awb_from="Picked Up")
    headers = entered(shop)
    create(shop, headers, order())
    assert shop.control("POST", "/qikink/advance", {"client_id": REAL, "steps": 2}) == {"moved": 1}
    (row,) = listed(shop, headers).json
    assert row["status"] == "Picked Up"
    assert row["shipping"] == {
        "awb": "1000013254",
        "courier_provider_name": "Delhivery",
        "tracking_link": "https://courierupdates.example/?awb=1000013254",
    }
    changed = shop.change_qikink("202600062", status="Moonwalk", awb="77", courier="Ekart")
    assert (changed["status"], changed["awb"], changed["courier"]) == ("Moonwalk", "77", "Ekart")
    shop.control("POST", "/qikink/advance", {})
    assert listed(shop, headers).json[0]["status"] == "Delivered"
    create(shop, headers, order("gone"))
    shop.change_qikink("gone", status="Cancelled")
    assert shop.control("POST", "/qikink/advance", {"steps": 3}) == {"moved": 0}
    shop.change_qikink(13_254, status="RTO Initiated")
    moved = [shop.control("POST", "/qikink/advance", {})["moved"] for _ in range(2)]
    assert moved == [1, 0]
    statuses = ["On Hold", "To be Printed", "Picked Up", "Moonwalk", "Delivered"]
    (row, _) = shop.qikink("orders")
    assert row["statuses"] == [*statuses, "RTO Initiated", "Returned"]
    for name, document in (
        ("orders/nobody", {}),
        ("orders/13254", {"colour": "red"}),
        ("advance", {"client_id": "nobody"}),
        ("orders", {"count": 1}),
    ):
        with pytest.raises(SandboxError):
            shop.control("POST", f"/qikink/{name}", document)


# --- what goes wrong on the way


def test_an_order_that_was_made_and_never_answered_is_there(shop: SandboxProcess) -> None:
    headers = entered(shop)
    create_path = {"path": "/api/order/create"}
    shop.scenario("apply_then_hang", seconds=30, match=create_path)
    with pytest.raises(TimeoutError):
        create(shop, headers, order("hung"), timeout=0.1)
    shop.scenario("apply_then_reset", reset=True, match=create_path)
    with pytest.raises(ConnectionResetError):
        create(shop, headers, order("reset"))
    shop.scenario("truncated_json", match=create_path)
    assert create(shop, headers, order("cut")).status == 200
    shop.scenario("status", status=200, body={"error": "x"}, applied=True, match=create_path)
    assert create(shop, headers, order("told_as_refused")).json == {"error": "x"}
    numbers = [kept["order_number"] for kept in shop.qikink("orders")]
    assert numbers == ["hung", "reset", "cut", "told_as_refused"]
    assert create(shop, headers, order("hung")).json["error"] == "duplicate order"


def test_an_order_that_was_not_made_is_not_there_whatever_is_answered(
    shop: SandboxProcess,
) -> None:
    headers, where = entered(shop), {"path": "/api/order/create"}
    answers: list[int] = []
    faults: dict[str, dict[str, Any]] = {
        "status": {"status": 503},
        "html_200": {},
        "drop_silently": {},
        "token_dies": {},
        "item_error": {"sku": "202600062", "error": "Not serviceable"},
        "retry_after": {"form": "body", "value": 7},
    }
    for kind, more in faults.items():
        shop.scenario(kind, match=where, **more)
        answers.append(create(shop, headers, order()).status)
    assert answers == [503, 200, 200, 401, 400, 429]
    shop.scenario("reset", match=where)
    with pytest.raises(ConnectionResetError):
        create(shop, headers, order())
    seed_real(shop, down=True)
    assert [create(shop, headers, order()).status, ask_token(shop).status] == [503, 503]
    assert shop.qikink("orders") == []
    seed_real(shop, down=False)
    assert create(shop, headers, order()).status == 200


def test_no_secret_and_no_person_is_in_the_log(shop: SandboxProcess) -> None:
    headers = entered(shop)
    create(shop, headers, order())
    log = str(shop.requests())
    assert headers["Accesstoken"] not in log
    assert not any(value in log for value in (SECRET, *PERSON))
    assert {entry["account"] for entry in shop.requests()} == {REAL}


def test_hostile_bodies_are_answered_in_json_and_leave_nothing_that_cannot_be_shown(
    shop: SandboxProcess,
) -> None:
    seed_spec(shop)
    headers, others = entered(shop), spec_entered(shop)
    odd = "\ud800"
    bodies = [
        *BODIES,
        json.dumps(order(line_items=[{**LINE, "sku": odd, "price": "1e-399"}])).encode(),
        json.dumps(spec_order(odd, total_amount="1e-399")).encode(),
        json.dumps({"products": [{**PRODUCT, "sku": odd, "price": "1e-399"}]}).encode(),
        json.dumps({"products": [{**PRODUCT, "price": "1e300"}]}).encode(),
    ]
    for body in bodies:
        for reply in (
            create(shop, headers, body),
            spec(shop, others, "POST", "/orders", body),
            spec(shop, others, "POST", "/products/sync", body),
        ):
            assert (reply.status < 500, isinstance(reply.json, dict)) == (True, True), body[:40]
    for form in (b"\xff", b"ClientId=%FF&client_secret=%ED%A0%80", b"&" * 300):
        assert call(shop, "POST", "/qikink/api/token", form, FORM).status == 401
    assert len(listed(shop, headers).json) == 1
    assert {kept["order_number"] for kept in shop.qikink("orders")} == {"202600062", odd}
    assert shop.state("qikink", "qk_spec")[odd]["price"].startswith("0.000")


@pytest.mark.parametrize(
    "document",
    [
        {"accounts": [{"client_id": "a"}]},
        {"accounts": [{"client_id": "a", "client_secret": "s", "profile": "other"}]},
        {"accounts": [{"client_id": "a", "client_secret": "s", "awb_from": "Nowhere"}]},
        {"accounts": [{"client_id": "a", "client_secret": "s", "step_s": -1}]},
        {"accounts": [{"client_id": "a", "client_secret": "s", "skus": "TEE"}]},
        {"accounts": [{"client_id": "a", "client_secret": "s", "flow": []}]},
        {"accounts": [{"client_id": "a", "client_secret": "s", "colour": "red"}]},
        {"orders": [{"client_id": "a", "order_number": "1"}]},
        {"shops": []},
        [],
    ],
)
def test_a_wrong_seed_is_refused(fresh_sandbox: SandboxProcess, document: Any) -> None:
    with pytest.raises(SandboxError, match="qikink"):
        fresh_sandbox.seed({"qikink": document})
    assert fresh_sandbox.qikink("accounts") == {}


def test_tokens_orders_and_counters_outlive_the_process(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    with SandboxProcess("--state", str(state)) as sandbox:
        seed_real(sandbox, step_s=0.5)
        seed_spec(sandbox, idempotency="key")
        old = {"client_id": REAL, "order_number": "old", "age_s": 60}
        sandbox.seed({"qikink": {"orders": [old]}})
        headers, others = entered(sandbox), spec_entered(sandbox)
        create(sandbox, headers, order())
        keyed = {**others, "Idempotency-Key": "k1"}
        first = spec(sandbox, keyed, "POST", "/orders", spec_order()).json
        spec(sandbox, others, "POST", "/products/sync", {"products": [PRODUCT]})
        sandbox.control("POST", "/qikink/advance", {"steps": 9})
        before = [sandbox.qikink(what) for what in ("orders", "accounts", "products")]
    with SandboxProcess("--state", str(state)) as sandbox:
        assert [sandbox.qikink(what) for what in ("orders", "accounts", "products")] == before
        assert create(sandbox, headers, order()).json["error"] == "duplicate order"
        assert spec(sandbox, keyed, "POST", "/orders", spec_order()).json == first
        assert create(sandbox, headers, order("new")).json["order_id"] == 13_257
        sandbox.reset(keep_seed=True)
        assert [kept["order_number"] for kept in sandbox.qikink("orders")] == ["old"]
        assert set(sandbox.qikink("accounts")) == {REAL, "qk_spec"}
        assert listed(sandbox, headers).status == 401
        assert call(sandbox, "POST", "/qikink/api/token", b"", FORM).status == 401
