"""Mirakl's imports: what is taken, when it is in effect, what is refused and where it is told."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from marketsync_dagster_tests.sandbox.calls import Reply
from marketsync_dagster_tests.sandbox.mirakl import (
    KEY,
    PRICE_HEADER,
    SHOP,
    WHERE,
    form,
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
from marketsync_dagster_tests.sandbox_process import SandboxProcess

END = {"PRI01": ";;;", "STO01": ";;"}


@pytest.fixture
def market(fresh_sandbox: SandboxProcess) -> SandboxProcess:
    seed_market(fresh_sandbox, warehouses=["NBO", "MSA"])
    return fresh_sandbox


def bring(sandbox: SandboxProcess, kind: str, *pairs: tuple[str, Any]) -> Reply:
    """An import of this kind that says something of each SKU: a price, or a quantity."""
    if kind == "OF24":
        return push(sandbox, *(offer(sku, value, quantity=5) for sku, value in pairs))
    return upload(sandbox, kind, *(f"{sku};{value}{END[kind]}" for sku, value in pairs))


def messages(sandbox: SandboxProcess, index: int = -1) -> dict[str, str]:
    """SKU -> why it was refused, of one import."""
    errors = sandbox.mirakl("imports")[index]["errors"]
    return {error["sku"]: error["message"] for error in errors}


# --- when


@pytest.mark.parametrize("kind", WHERE)
def test_an_import_is_in_effect_when_it_ends(market: SandboxProcess, kind: str) -> None:
    seed_market(market, processing_s=10)
    reply = bring(market, kind, ("S1", 8))
    assert reply.status == 201
    assert reply.headers["location"].startswith(f"{market.mirakl_url}{WHERE[kind]}")
    name = "quantity" if kind == "STO01" else "price"
    before = held(market)[name]
    for seconds, status in ((0, "WAITING"), (4, "WAITING"), (2, "RUNNING"), (3, "RUNNING")):
        later(market, seconds)
        assert status_of(market, kind, reply.json["import_id"])["status"] == status
        assert held(market)[name] == before
    later(market, 2)
    assert held(market)[name] == (8 if kind == "STO01" else "8.00")
    ended = status_of(market, kind, reply.json["import_id"])
    assert (ended["status"], ended["lines_in_success"]) == ("COMPLETE", 1)
    assert report_of(market, kind, reply.json["import_id"]).status == 404


def test_imports_of_a_shop_follow_one_another(market: SandboxProcess) -> None:
    seed_market(market, processing_s=10)
    ids = [(kind, bring(market, kind, ("S1", 7)).json["import_id"]) for kind in WHERE]
    seen: list[list[str]] = []
    for _ in range(4):
        seen.append([status_of(market, *known)["status"] for known in ids])
        later(market)
    assert seen == [
        ["WAITING", "WAITING", "WAITING"],
        ["COMPLETE", "WAITING", "WAITING"],
        ["COMPLETE", "COMPLETE", "WAITING"],
        ["COMPLETE", "COMPLETE", "COMPLETE"],
    ]
    assert [write["price"] for write in market.history(0, channel="mirakl")] == ["7.00"] * 3


def test_what_came_last_is_in_effect_even_if_nobody_looks_between(market: SandboxProcess) -> None:
    for price in (3, 2, 1):
        bring(market, "PRI01", ("S1", price))
    later(market, 3_600)
    assert held(market)["price"] == "1.00"
    assert [w["price"] for w in market.history(0)] == ["3.00", "2.00", "1.00"]


# --- OF24


def test_an_offer_is_replaced_whole(market: SandboxProcess) -> None:
    assert held(market)["description"] == "fresh"
    push(market, offer("S1", 12.5))
    later(market)
    after = held(market)
    assert (after["price"], after["quantity"], after["description"]) == ("12.50", 0, None)
    assert (after["leadtime_to_ship"], after["offer_id"]) == (None, 2_001)
    assert market.state("mirakl", str(SHOP))["S1"]["stock_status"] == 0


@pytest.mark.parametrize(
    "name", ["shop_sku", "product_id", "product_id_type", "price", "state_code", "update_delete"]
)
@pytest.mark.parametrize("value", ["absent", None])
def test_a_field_that_must_be_there_is_named(
    market: SandboxProcess, name: str, value: str | None
) -> None:
    bad = {key: given for key, given in offer("S2").items() if key != name}
    reply = push(market, offer(), bad if value else {**bad, name: None})
    assert (reply.status, f"offers[1].{name}" in reply.json["message"]) == (400, True)
    assert market.mirakl("imports") == []


@pytest.mark.parametrize(
    "more",
    [
        {"shop_sku": ""},
        {"shop_sku": 5},
        {"price": "free"},
        {"price": True},
        {"update_delete": "remove"},
        {"quantity": "many"},
        {"quantity": 1.5},
        {"quantity": 2**40},
        {"leadtime_to_ship": {}},
        {"discount": 5},
        {"all_prices": ["x"]},
        {"allow_quote_requests": "yes"},
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_with_the_whole_request(
    market: SandboxProcess, more: dict[str, Any]
) -> None:
    reply = push(market, offer("S2"), {**offer(), **more})
    assert (reply.status, f"offers[1].{next(iter(more))}" in reply.json["message"]) == (400, True)


def test_more_offers_than_the_operator_takes_are_refused(market: SandboxProcess) -> None:
    seed_market(market, max_offers=2)
    assert push(market, offer("S1"), offer("S2")).status == 201
    assert push(market, offer("S1"), offer("S2"), offer("S3")).status == 400
    assert push(market).status == 400


def test_each_offer_is_taken_or_refused_for_itself(market: SandboxProcess) -> None:
    reply = push(
        market,
        offer("BY-EAN", product_id="6160000000002", product_id_type="EAN"),
        offer("BY-UPC", product_id="060000000003", product_id_type="UPC"),
        offer("BY-OURS", product_id="S3", product_id_type="SHOP_SKU"),
        offer("S1", update_delete="delete"),
        offer("S2", update_delete=""),
        offer("no-product", product_id="P9"),
        offer("short-upc", product_id="60000000003", product_id_type="UPC"),
        offer("no-type", product_id="1", product_id_type="ISBN"),
        offer("no-state", state_code="99"),
        offer("fraction", 1.999),
        offer("nothing", 0),
        offer("less", -1),
        offer("stock", quantity=-1),
        offer("cheaper", 10, discount={"price": 10}),
        offer("dates", 10, discount={"price": 9, "start_date": "tomorrow"}),
        offer("turned", 10, discount={"price": 9, "start_date": "2026-02-01T00:00:00Z",
                                      "end_date": "2026-01-01T00:00:00Z"}),
        offer("ranges", 10, discount={"ranges": [{"price": 9, "quantity_threshold": "x"}]}),
        offer("volumes", all_prices=[{"volume_prices": [{"unit_origin_price": 1}]}]),
        offer("gone", update_delete="delete"),
    )  # fmt: skip
    later(market)
    told = status_of(market, "OF24", reply.json["import_id"])
    counts = ("offer_inserted", "offer_updated", "offer_deleted", "lines_in_error", "lines_read")
    assert [told[name] for name in counts] == [3, 1, 1, 14, 19]
    assert (told["status"], told["has_error_report"]) == ("COMPLETE", True)
    offers = market.mirakl("offers")[str(SHOP)]
    assert {sku: shown["product_sku"] for sku, shown in offers.items()} == {
        "S2": "P1",
        "S3": "P3",
        "BY-EAN": "P2",
        "BY-UPC": "P3",
        "BY-OURS": "P3",
    }
    assert messages(market) == {
        "no-product": "The product does not exist",
        "short-upc": "The product does not exist",
        "no-type": "The product identifier type ISBN does not exist",
        "no-state": "The offer condition does not exist",
        "fraction": "The price must have 2 decimals at most",
        "nothing": "The price must be greater than 0",
        "less": "The price must be greater than 0",
        "stock": "The quantity must not be negative",
        "cheaper": "The discount price must be lower than the price",
        "dates": "The date is not valid",
        "turned": "The discount end date must be after the discount start date",
        "ranges": "The price ranges are not valid",
        "volumes": "The price ranges are not valid",
        "gone": "The offer does not exist",
    }
    report = report_of(market, "OF24", reply.json["import_id"])
    rows = list(csv.DictReader(io.StringIO(report.body.decode()), delimiter=";"))
    assert {row["sku"]: row["error-message"] for row in rows} == messages(market)
    assert (rows[0]["error-line"], rows[0]["product-id"]) == ("7", "P9")


# --- the same twice


def test_the_same_request_again_is_the_same_import(market: SandboxProcess) -> None:
    seed_market(market, processing_s=10, duplicate_s=30)
    first = push(market, offer("S1", 3)).json["import_id"]
    assert push(market, offer("S1", 3)).json["import_id"] == first
    other = push(market, offer("S1", 4)).json["import_id"]
    later(market, 21)
    assert push(market, offer("S1", 3)).json["import_id"] == first
    assert held(market)["price"] == "4.00"
    later(market, 40)
    assert push(market, offer("S1", 3)).json["import_id"] not in (first, other)
    later(market, 40)
    seen = [(i["received"], i["in_effect"]) for i in market.mirakl("imports", kind="OF24")]
    assert seen == [(3, 1), (1, 1), (1, 1)]
    assert held(market)["price"] == "3.00"


def test_the_same_of_another_shop_is_an_import_of_its_own(market: SandboxProcess) -> None:
    market.seed({"mirakl": {"shops": [{"api_key": KEY, "shop_id": 2002, "intervals": {}}]}})
    first = push(market, offer()).json["import_id"]
    document = {"offers": [offer()]}
    second = mirakl(market, "POST", "/offers?shop_id=2002", document).json["import_id"]
    assert first != second
    assert mirakl(market, "GET", f"/offers/imports/{second}").status == 404
    assert mirakl(market, "GET", f"/offers/imports/{second}?shop_id=2002").status == 200


@pytest.mark.parametrize("kind", ["PRI01", "STO01"])
def test_files_are_compared_only_where_the_operator_does(market: SandboxProcess, kind: str) -> None:
    ids = {bring(market, kind, ("S1", 3)).json["import_id"] for _ in range(2)}
    seed_market(market, duplicates=["OF24", kind])
    again = {bring(market, kind, ("S1", 3)).json["import_id"] for _ in range(2)}
    assert (len(ids), len(again), len(ids | again)) == (2, 1, 2)


# --- PRI01 and STO01


def test_prices_are_deleted_and_replaced(market: SandboxProcess) -> None:
    until = "2090-01-01T00:00:00Z"
    upload(market, "PRI01", f"S1;10;9;2020-01-01T00:00:00Z;{until}", f"S2;20;19;{until};")
    later(market)
    shown = {o["shop_sku"]: o for o in mirakl(market, "GET", "/offers").json["offers"]}
    assert [shown[sku]["price"] for sku in ("S1", "S2")] == [9.0, 20.0]
    assert shown["S1"]["applicable_pricing"]["unit_origin_price"] == 10.0
    upload(market, "PRI01", "S1;10,50;;;")
    later(market)
    after = held(market)
    assert (after["price"], after["discount"]) == ("10.50", None)
    assert (after["quantity"], after["description"]) == (5, "fresh")
    assert held(market, "S2")["discount"]["price"] == 19


def test_prices_of_one_offer_go_together(market: SandboxProcess) -> None:
    header = f"{PRICE_HEADER};price-ranges;channels"
    reply = upload(
        market,
        "PRI01",
        "S1;10;;;;1|10,5|9;",
        "S1;11;;;;;KE|UG",
        "S2;20;;;;;",
        "S2;0;;;;;KE",
        "S3;30;;;;;KE",
        "none;1;;;;;",
        header=header,
    )
    later(market)
    told = status_of(market, "PRI01", reply.json["import_id"])
    counts = ("lines_in_success", "lines_in_error", "offers_updated", "offers_in_error")
    assert [told[name] for name in counts] == [2, 4, 1, 3]
    channels = [price["channel_code"] for price in held(market)["all_prices"]]
    assert channels == [None, "KE", "UG"]
    assert held(market, "S2")["price"] == "20.00"
    report = report_of(market, "PRI01", reply.json["import_id"])
    rows = list(csv.reader(io.StringIO(report.body.decode()), delimiter=";"))
    assert [row[:4] for row in rows[1:]] == [
        ["4", "Another price of the offer is in error", "S2", "20"],
        ["5", "The price must be greater than 0", "S2", "0"],
        ["6", "An offer has one default price", "S3", "30"],
        ["7", "The offer does not exist", "none", "1"],
    ]
    shown = mirakl(market, "GET", "/offers?sku=S1").json["offers"][0]
    assert [v["price"] for v in shown["all_prices"][0]["volume_prices"]] == [10.0, 9.0]
    assert [p.get("channel_code") for p in shown["all_prices"]] == [None, "KE", "UG"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("S1;1.999;;;", "The price must have 2 decimals at most"),
        ("S1;0;;;", "The price must be greater than 0"),
        ("S1;-1;;;", "The price must be greater than 0"),
        ("S1;;;;", "The price is mandatory"),
        ("S1;1e99;;;", "The price must be greater than 0"),
        ("S1;1.299,90;;;", "The price is not a number"),
        ("S1;ten;;;", "The price is not a number"),
        ("S1;NaN;;;", "The price is not a number"),
        ("S1;10;10;;", "The discount price must be lower than the price"),
        ("S1;10;;2026-01-01;", "The discount price is mandatory when discount dates are set"),
        ("S1;10;9;soon;", "The date is not valid"),
        ("s1;10;;;", "The offer does not exist"),
        ("S1 x;10;;;", "The offer does not exist"),
    ],
)
def test_a_price_line_that_is_wrong_is_told(
    market: SandboxProcess, line: str, message: str
) -> None:
    upload(market, "PRI01", line, "S2;5;;;")
    later(market)
    assert list(messages(market).values()) == [message]
    assert (held(market)["price"], held(market, "S2")["price"]) == ("10.00", "5.00")


def test_stock_is_set_as_a_whole_or_by_warehouse(market: SandboxProcess) -> None:
    def stock(*lines: str) -> tuple[int, dict[str, int], dict[str, str]]:
        upload(market, "STO01", *lines)
        later(market)
        return held(market)["quantity"], held(market)["warehouses"], messages(market)

    assert stock("S1;7;;") == (7, {}, {})
    assert stock("S1;3;NBO;", "S1;4;MSA;update") == (7, {"NBO": 3, "MSA": 4}, {})
    assert stock("S1;;NBO;delete") == (4, {"MSA": 4}, {})
    shown = mirakl(market, "GET", "/offers?sku=S1").json["offers"][0]
    assert shown["warehouses"] == [{"code": "MSA", "quantity": 4}]
    assert stock("S1;9;;") == (9, {}, {})
    assert stock("S1;;;delete") == (0, {}, {})
    for line, message in (
        ("S1;1;XYZ;", "The warehouse does not exist"),
        ("S1;-1;;", "The quantity must not be negative"),
        ("S1;1.5;;", "The quantity is not a whole number"),
        ("S1;many;;", "The quantity is not a whole number"),
        ("S1;;;", "The quantity is mandatory"),
        ("S1;1;;drop", "The update-delete flag is not valid"),
    ):
        assert stock(line) == (0, {}, {"S1": message}), line
    assert (held(market)["price"], held(market)["description"]) == ("10.00", "fresh")


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", 1),
        (b"sku;price\nS1;1\n", 1),
        (b"offer-sku,price\nS1,1\n", 1),
        (b"offer-sku;price;price\nS1;1;2\n", 1),
        (b"offer-sku;price;colour\nS1;1;red\n", 1),
        (b"offer-sku;price\nS1;1\n\nS2;2;3\n", 4),
        (b"offer-sku;price\nS1;1\nS2\n", 3),
        (b'offer-sku;price\nS1;1\n"S2;2\n', 3),
        (b'offer-sku;price\n"S1"x;1\n', 2),
        (b"offer-sku;price\nS1;1\nS\xff;1\n", 3),
    ],
)
@pytest.mark.parametrize("kind", ["PRI01", "STO01"])
def test_a_file_that_cannot_be_parsed_fails_with_its_line(
    market: SandboxProcess, kind: str, content: bytes, line: int
) -> None:
    if kind == "STO01":
        content = content.replace(b"price", b"quantity")
    body, headers = form(content)
    import_id = mirakl(market, "POST", WHERE[kind], body, headers=headers).json["import_id"]
    later(market)
    told = status_of(market, kind, import_id)
    assert (told["status"], told["has_error_report"]) == ("FAILED", False)
    words = f"A parsing error has occurred at line {line}"
    assert market.mirakl("imports")[-1]["reason"] == words
    assert kind == "STO01" or told["reason_status"] == words
    assert (held(market)["price"], held(market)["quantity"]) == ("10.00", 5)


def test_quoted_cells_and_a_byte_order_mark_are_read(market: SandboxProcess) -> None:
    text = '\ufeff"offer-sku";"price"\r\n"S1";"8.5"\r\n"S\n2";"1"\r\n"S3";"9"\r\n'
    body, headers = form(text)
    mirakl(market, "POST", WHERE["PRI01"], body, headers=headers)
    later(market)
    assert (held(market)["price"], held(market, "S3")["price"]) == ("8.50", "9.00")
    assert market.mirakl("imports")[-1]["errors"][0]["line"] == 3


@pytest.mark.parametrize("status", [403, 404])
def test_an_operator_may_have_switched_imports_off(market: SandboxProcess, status: int) -> None:
    seed_market(market, price_import=False, stock_import=False, off_status=status)
    for kind in ("PRI01", "STO01"):
        reply = bring(market, kind, ("S1", 1))
        assert (reply.status, "not enabled" in reply.json["message"]) == (status, True)
    assert bring(market, "OF24", ("S1", 1)).status == 201


# --- reports and lists


@pytest.mark.parametrize("kind", WHERE)
def test_a_report_may_look_as_if_a_spreadsheet_had_made_it(
    market: SandboxProcess, kind: str
) -> None:
    seed_market(market, report_style="excel", report_delay_s=60)
    if kind == "OF24":
        import_id = push(market, offer("none", 12.5, product_id="9")).json["import_id"]
    else:
        import_id = bring(market, kind, ("S2", 5), ("none", 12.5)).json["import_id"]
    later(market)
    assert status_of(market, kind, import_id)["has_error_report"]
    assert report_of(market, kind, import_id).status == 404
    later(market, 60)
    body = report_of(market, kind, import_id).body
    assert body.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), delimiter=";"))
    told = rows[1][-2:] if kind == "OF24" else rows[1][:2]
    thing = "product" if kind == "OF24" else "offer"
    assert told == ["2" if kind == "OF24" else "3", f"The\n{thing} does not exist"]
    assert "12,5" in rows[1]


def test_an_import_is_asked_after_where_it_came_in(market: SandboxProcess) -> None:
    ids = {kind: bring(market, kind, ("S1", 7)).json["import_id"] for kind in WHERE}
    for kind, import_id in ids.items():
        paths = [f"/offers/imports/{import_id}", f"{WHERE['STO01']}/{import_id}/status"]
        found = [mirakl(market, "GET", path).status for path in paths]
        assert found == [200 if known == kind else 404 for known in ("OF24", "STO01")]


def test_imports_are_listed_newest_first_in_pages_by_token(market: SandboxProcess) -> None:
    ids = [bring(market, "PRI01", ("S1", n)).json["import_id"] for n in range(1, 13)]
    ids.reverse()

    def page(query: str) -> tuple[list[str], str | None, str | None]:
        told = mirakl(market, "GET", f"{WHERE['PRI01']}?{query}").json
        found = [entry["import_id"] for entry in told["data"]]
        return found, told.get("next_page_token"), told.get("previous_page_token")

    first, onward, back = page("")
    assert (first, back) == (ids[:10], None)
    newer = bring(market, "PRI01", ("S1", 50)).json["import_id"]
    # what else is asked for is in the token
    second, end, back = page(f"page_token={onward}&limit=1&import_id=x")
    assert (second, end) == (ids[10:], None)
    assert page(f"page_token={back}")[0] == ids[:10]
    assert page("limit=100&order=asc")[0] == [*reversed(ids), newer]
    assert page(f"import_id={ids[3]}&import_id={ids[5]}")[0] == [ids[3], ids[5]]
    assert page("status=COMPLETE")[0] == []
    later(market, 60)
    assert len(page("status=COMPLETE&limit=100")[0]) == 13
    assert page("start_date=2099-01-01T00:00:00Z")[0] == []
    assert len(page("end_date=2099-01-01T00:00:00Z&origins=API&limit=100")[0]) == 13
    assert page("origins=FTP")[0] == []
    assert mirakl(market, "GET", f"{WHERE['PRI01']}?limit=101").status == 400
    assert mirakl(market, "GET", "/offers/imports").json["data"] == []
