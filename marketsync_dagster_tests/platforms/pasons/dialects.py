"""Pasons endpoints as they might turn out to be: the settings for each, and a store that speaks so.

`account` is what marketsync.yaml says, `store` what the sandbox demands and answers; the two are
written apart, so that a misreading of one does not hide in the other. Every push sends the six
items of `ITEMS`; `outcomes` has a letter for each (see `LETTERS`), `shown` says which of them the
store then shows. `wrong` are settings of the answer that do not fit, and what they come to; wrong
settings of the request are made from `account` by the test. `markdown` is the table of
docs/pasons.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from marketsync_dagster.values.outcomes import Outcome, StockStatus

LETTERS = {
    "A": Outcome.APPLIED,
    "V": Outcome.ACCEPTED_UNVERIFIED,
    "R": Outcome.REFUSED,
    "T": Outcome.RETRYABLE,
    "U": Outcome.UNKNOWN,
    "X": Outcome.AUTH_FAILED,
}
IN, LIMITED, OUT = StockStatus.IN_STOCK, StockStatus.LIMITED_STOCK, StockStatus.OUT_OF_STOCK
UNKNOWN, BUSY = "9340957005965", "locked-7"
ITEMS = [
    # id, price by currency, stock
    ("00123", {"KES": "13.99", "JPY": "1399", "KWD": "13.995"}, IN),
    ("a/ %ü☃", {"KES": "8.50", "JPY": "850", "KWD": "8.500"}, LIMITED),
    ("1E5", {"KES": "0.07", "JPY": "7", "KWD": "0.007"}, OUT),
    (UNKNOWN, {"KES": "60.00", "JPY": "60", "KWD": "60.000"}, IN),
    (BUSY, {"KES": "2.00", "JPY": "2", "KWD": "2.000"}, IN),
    ("x", {"KES": "1299.00", "JPY": "129900", "KWD": "1299.000"}, IN),
]
IDS = [item[0] for item in ITEMS]
LISTED = [sku for sku in IDS if sku != UNKNOWN]
NAMED, NAMED_SHOWN = "AAARTA", "012..5"
"""What becomes of the items where the answer names those that were not taken."""
ALL = "012345"
KEY = {"env": "TEST_PASONS_KEY"}
KEY_VALUE = "pasons-not-a-real-key-017"
SECRET = {"env": "TEST_PASONS_SECRET"}
SECRET_VALUE = "pasons-not-a-real-secret-017"
SOME: dict[str, Any] = {"skus": LISTED, "busy": [BUSY]}
"""One SKU is not listed, one is locked for now."""


@dataclass(frozen=True)
class Dialect:
    """One endpoint."""

    name: str
    sends: str
    answers: str
    proof: str
    account: dict[str, Any] = field(default_factory=dict)
    store: dict[str, Any] = field(default_factory=dict)
    outcomes: str = NAMED
    shown: str = NAMED_SHOWN
    calls: int = 1
    base: str = "/pasons/{id}"
    currency: str = "KES"
    tested: str = "POST was answered with HTTP 200"
    """What the connection test says."""
    wrong: tuple[tuple[dict[str, Any], str], ...] = ()
    whole: bool = False
    """Sent as a full push that replaces."""


def _request(
    name: str, sends: str, account: dict[str, Any], store: dict[str, Any], **more: Any
) -> Dialect:
    """An endpoint with a request of its own and the usual answer."""
    answers, proof = "refused items, and counts", "counts that add up"
    return Dialect(name, sends, answers, proof, account, {**SOME, **store}, **more)


def _answer(
    name: str,
    answers: str,
    proof: str,
    response: dict[str, Any],
    answer: dict[str, Any],
    **more: Any,
) -> Dialect:
    """An endpoint with the usual request and an answer of its own."""
    store = {**SOME, "answer": answer, **more.pop("store", {})}
    account = {"response": response, **more.pop("account", {})}
    return Dialect(name, "the usual request", answers, proof, account, store, **more)


RENAMED = {"sku": "product_id", "selling_price": "price", "stock_status": "is_available"}
NESTED = {
    "sku": "product.id",
    "selling_price": "price.amount",
    "stock_status": "stock",
    "currency": "price.currency",
}
WORDS = {"in_stock": "YES", "limited_stock": "FEW", "out_of_stock": "NO"}
NUMBERS = {"in_stock": 1, "limited_stock": 2, "out_of_stock": 0}
PUT_FULL = {"method": "PUT", "path": "/v1/inventory/full"}
MARK_FULL = {"query": {"mode": "full"}, "constants": {"partial": False}}

REQUESTS = [
    _request("as the specification has it", "POST of a bare array, bearer", {}, {}),
    _request(
        "PUT",
        "PUT",
        {"request": {"method": "PUT"}},
        {"method": "PUT"},
        tested="PUT was answered with HTTP 200",
    ),
    _request(
        "PATCH",
        "PATCH",
        {"request": {"method": "PATCH"}},
        {"method": "PATCH"},
        tested="PATCH was answered with HTTP 200",
    ),
    _request(
        "a path of its own",
        "POST to `/api/stock/update`",
        {"request": {"path": "/api/stock/update"}},
        {"path": "/{store_id}/api/stock/update"},
    ),
    _request(
        "store in the address",
        "`{store_id}` in base_url",
        {"request": {"store": {"in": "path"}}},
        {},
        base="/pasons/{{store_id}}",
    ),
    _request(
        "store in the path",
        "`{store_id}` in the path",
        {"request": {"store": {"in": "path"}, "path": "/stores/{store_id}/stock"}},
        {"path": "/stores/{store_id}/stock"},
        base="/pasons",
    ),
    _request(
        "store in a header",
        "one address for all stores, `X-Store`",
        {"request": {"store": {"in": "header", "name": "X-Store"}, "path": "/by-header"}},
        {"store_in": "header", "store_name": "X-Store", "path": "/shared/by-header"},
        base="/pasons/shared",
    ),
    _request(
        "store in the query",
        "one address for all stores, `?branch=`",
        {"request": {"store": {"in": "query", "name": "branch"}, "path": "/by-query"}},
        {"store_in": "query", "store_name": "branch", "path": "/shared/by-query"},
        base="/pasons/shared",
    ),
    _request(
        "store beside the rows",
        '`{"store_id": ..., "items": [...]}`',
        {"request": {"store": {"in": "body"}, "envelope": "items"}},
        {"store_in": "body", "envelope": "items"},
    ),
    _request(
        "store in the rows of a bare array",
        "`store_id` in every row",
        {"request": {"store": {"in": "body"}}},
        {"store_in": "row"},
        # an empty array names no store, and is still the store's own address
    ),
    _request(
        "store in the rows of an envelope",
        '`{"items": [{"branch": ...}]}`',
        {"request": {"store": {"in": "row", "name": "branch"}, "envelope": "items"}},
        {"store_in": "row", "store_name": "branch", "envelope": "items"},
    ),
    _request(
        "an envelope",
        '`{"items": [...]}`',
        {"request": {"envelope": "items"}},
        {"envelope": "items"},
    ),
    _request(
        "a nested envelope with constants",
        '`{"data": {"items": [...]}, "meta": {"source": "pos", "version": 2}}`',
        {
            "request": {
                "envelope": "data.items",
                "constants": {"meta.source": "pos", "meta.version": 2},
            }
        },
        {"envelope": "data.items", "constants": {"meta.source": "pos", "meta.version": 2}},
    ),
    _request(
        "constants in the rows",
        '`"active": true, "unit": null` in every row',
        {"request": {"row_constants": {"active": True, "unit": None}}},
        {"row_constants": {"active": True, "unit": None}},
    ),
    _request(
        "renamed fields, stock as true or false",
        "`product_id`, `price`, `is_available: true`",
        {"request": {"fields": RENAMED, "types": {"stock_status": "bool"}}},
        {"fields": RENAMED, "stock_type": "bool"},
    ),
    _request(
        "nested fields with the currency",
        '`"price": {"amount": 13.99, "currency": "KES"}`',
        {"request": {"fields": NESTED}},
        {"fields": NESTED, "currency": "KES"},
    ),
    _request(
        "prices as texts",
        '`"selling_price": "13.99"`',
        {"request": {"types": {"selling_price": "string"}}},
        {"price_type": "string"},
    ),
    _request(
        "prices in minor units",
        '`"selling_price": 1399`',
        {"request": {"types": {"selling_price": "minor_units"}}},
        {"price_type": "minor_units"},
    ),
    _request(
        "a currency without decimals",
        "JPY, `1399`",
        {},
        {"decimals": 0, "currency": "JPY"},
        currency="JPY",
    ),
    _request(
        "a currency with three decimals",
        'KWD, `"13.995"`',
        {"request": {"types": {"selling_price": "string"}}},
        {"price_type": "string", "decimals": 3, "currency": "KWD"},
        currency="KWD",
    ),
    _request(
        "three decimals in minor units",
        "KWD, `13995`",
        {"request": {"types": {"selling_price": "minor_units"}}},
        {"price_type": "minor_units", "decimals": 3, "currency": "KWD"},
        currency="KWD",
    ),
    _request(
        "stock as words",
        "`YES`, `FEW`, `NO`",
        {"request": {"types": {"stock_status": "enum"}, "enum": WORDS}},
        {"stock_type": "enum", "enum": {"YES": 1, "FEW": 2, "NO": 0}},
    ),
    _request(
        "stock as three numbers",
        "`1`, `2`, `0`",
        {"request": {"types": {"stock_status": "enum"}, "enum": NUMBERS}},
        {"stock_type": "enum", "enum": {"1": 1, "2": 2, "0": 0}, "enum_numbers": True},
    ),
    _request(
        "key in a header",
        "`X-API-Key: KEY`",
        {"auth": {"scheme": "header", "key": KEY}},
        {"scheme": "header"},
    ),
    _request(
        "key with a word before it",
        "`Authorization: Token KEY`",
        {"auth": {"scheme": "header", "header": "Authorization", "prefix": "Token ", "key": KEY}},
        {"scheme": "header", "header": "Authorization", "prefix": "Token "},
    ),
    _request(
        "basic",
        "user and password",
        {"auth": {"scheme": "basic", "user": "shop", "key": KEY}},
        {"scheme": "basic", "username": "shop"},
    ),
    _request(
        "key and secret",
        "`X-API-Key` and `X-API-Secret`",
        {"auth": {"scheme": "header", "key": KEY, "secret": SECRET}},
        {"scheme": "header", "api_secret": SECRET_VALUE},
    ),
    _request(
        "no credentials, a header that says who we are",
        "`X-Channel: pos`",
        {"auth": {"scheme": "none"}, "request": {"headers": {"X-Channel": "pos"}}},
        {"scheme": "none", "api_key": "", "headers": {"X-Channel": "pos"}},
    ),
    _request(
        "parameters in the address",
        "`?format=json&version=2`",
        {"request": {"query": {"version": "2", "format": "json"}}},
        {"query": {"version": "2", "format": "json"}},
    ),
    _request(
        "a content type of its own",
        "`application/vnd.pasons.v1+json`",
        {"request": {"headers": {"content-type": "application/vnd.pasons.v1+json"}}},
        {"headers": {"content-type": "application/vnd.pasons.v1+json"}},
    ),
    _request(
        "small batches", "2 rows a request", {"request": {"batch": 2}}, {"max_items": 2}, calls=3
    ),
    _request(
        "small bodies",
        "1,000 bytes a request",
        {"request": {"max_bytes": 1_000, "row_constants": {"note": "n" * 300}}},
        {"max_bytes": 1_000, "row_constants": {"note": "n" * 300}},
        calls=3,
    ),
    _request(
        "connection test by HEAD",
        "HEAD, answered with 405",
        {"test_connection": {"method": "HEAD", "expect": [405]}},
        {},
        tested="HEAD was answered with HTTP 405",
    ),
    _request(
        "connection test by GET elsewhere",
        "GET `/v1/ping`",
        {"test_connection": {"method": "GET", "path": "/v1/ping", "expect": [200]}},
        {"ping": "/{store_id}/v1/ping"},
        tested="GET was answered with HTTP 200",
    ),
    _request(
        "an empty array is an error",
        "`[]` is answered with 422",
        {},
        {"empty_status": 422},
        tested="POST was answered with HTTP 422",
    ),
    _request(
        "every request replaces",
        "the whole feed in one POST, always",
        {"full_push": "replace"},
        {"full_push": "replace", "shown": {"left-over": "5.00", "x": "3.00"}},
        tested="GET was answered with HTTP 405",
        whole=True,
    ),
    _request(
        "a full push is a PUT elsewhere",
        "PUT `/v1/inventory/full`, else POST",
        {"full_push": "replace", "request": {"full": PUT_FULL}},
        {
            "full_push": "replace",
            "full": {"method": "PUT", "path": "/{store_id}/v1/inventory/full"},
            "shown": {"left-over": "5.00", "x": "3.00"},
        },
        tested="GET was answered with HTTP 405",
        whole=True,
    ),
    _request(
        "a full push says so",
        '`?mode=full` and `"partial": false`',
        {
            "full_push": "replace",
            "request": {"envelope": "items", "constants": {"partial": True}, "full": MARK_FULL},
        },
        {
            "envelope": "items",
            "constants": {"partial": True},
            "full_push": "replace",
            "full": MARK_FULL,
            "shown": {"left-over": "5.00", "x": "3.00"},
        },
        tested="GET was answered with HTTP 405",
        whole=True,
    ),
]

_OWN_WORDS = {"applied": ["LIVE"], "refused": ["NO"], "retryable": ["LATER"]}
_CODES = {"applied": [0], "refused": [1], "retryable": [2]}
_ERRORS = {"items": "errors", "results": "failures_only"}

ANSWERS = [
    _answer(
        "a result for each item",
        "`results` of all, 200",
        "its own result",
        {"results": "all"},
        {"only": "all", "counts": None},
        wrong=(
            ({"response": {"items": "rows"}}, "VVVVVV"),
            ({"response": {"status": "state"}}, "UUURTU"),
        ),
    ),
    _answer(
        "207 for some",
        "207 with the refused items",
        "counts that add up",
        {},
        {"partial_status": 207},
        wrong=(({"response": {"counts": None, "if_absent": "unknown"}}, "UUURTU"),),
    ),
    _answer(
        "in another order",
        "`results` of all, sorted otherwise",
        "its own result, by id",
        {"results": "all", "key": "product_id", "index": None},
        {"only": "all", "key": "product_id", "index": None, "reversed": True, "counts": None},
        wrong=(({"response": {"key": "sku"}}, "UUUUUU"),),
    ),
    _answer(
        "by number, from 1",
        "`row: 1` and no id",
        "its own result, by number",
        {"results": "all", "key": "sku", "index": "row", "index_base": 1},
        {"only": "all", "key": None, "index": "row", "index_base": 1, "counts": None},
        wrong=(({"response": {"index_base": 0}}, "UUUUUU"),),
    ),
    _answer(
        "by order alone",
        "a bare list of `{status, error}`",
        "its own result, by order",
        {"results": "all"},
        {"items": "", "only": "all", "key": None, "index": None},
        wrong=(({"response": {"status": "state", "error": None}}, "UUUUUU"),),
    ),
    _answer(
        "words of its own",
        "`LIVE`, `NO`, `LATER`",
        "its own result",
        {"results": "all", "words": _OWN_WORDS},
        {
            "only": "all",
            "applied": "LIVE",
            "refused": "NO",
            "retryable": "LATER",
            "error": None,
            "counts": None,
        },
        wrong=(({"response": {"words": {"applied": ["SHOWN"]}}}, "UUUUUU"),),
    ),
    _answer(
        "HTTP statuses per item",
        "`status: 200`, `404`, `503`",
        "its own result",
        {"results": "all"},
        {
            "only": "all",
            "applied": 200,
            "refused": 404,
            "retryable": 503,
            "partial_status": 207,
            "counts": None,
        },
        wrong=(({"response": {"words": {"refused": [200]}}}, "RRRRTR"),),
    ),
    _answer(
        "numbers as words",
        "`0`, `1`, `2`",
        "its own result",
        {"results": "all", "words": _CODES},
        {"only": "all", "applied": 0, "refused": 1, "retryable": 2, "counts": None},
        wrong=(({"response": {"words": {"applied": [9]}}}, "UUUUUU"),),
    ),
    _answer(
        "errors as texts",
        "`failed: [{id, reason}]`",
        "counts that add up",
        {
            "items": "failed",
            "key": "id",
            "status": None,
            "error": "reason",
            "words": {"retryable": ["E_LOCKED"]},
        },
        {
            "items": "failed",
            "key": "id",
            "index": None,
            "state": None,
            "error": "reason",
            "form": "text",
        },
        outcomes="AAARRA",
        wrong=(({"response": {"error": None, "items": "failures"}}, "UUUUUU"),),
    ),
    _answer(
        "the code beside the error",
        "`reason` and `reason_code`",
        "counts that add up",
        {"status": None, "error": "reason", "code": "reason_code"},
        {"state": None, "error": "reason", "form": "flat", "code": "reason_code"},
        wrong=(({"response": {"code": None}}, "AAARRA"),),
    ),
    _answer(
        "inside an envelope",
        "`data.results`, `data.summary.ok`",
        "counts that add up",
        {
            "items": "data.results",
            "counts": {
                "received": "data.summary.sent",
                "accepted": "data.summary.ok",
                "rejected": "data.summary.bad",
            },
        },
        {
            "under": "data",
            "counts": {
                "received": "summary.sent",
                "accepted": "summary.ok",
                "rejected": "summary.bad",
            },
        },
        wrong=(({"response": {"items": "data.lines"}}, "UUUUUU"),),
    ),
    _answer(
        "failures without counts",
        "`errors: [...]`, nothing else",
        "none for the others",
        _ERRORS,
        {"items": "errors", "state": None, "counts": None},
        outcomes="VVVRTV",
        account={"response": {**_ERRORS, "status": None}},
        wrong=(({"response": {"if_absent": "unknown"}}, "UUURTU"),),
    ),
    _answer(
        "errors by id",
        '`errors: {"00123": {...}}`',
        "counts that add up",
        {"items": "errors", "status": None},
        {"items": "errors", "shape": "map", "state": None},
        wrong=(({"response": {"items": "error"}}, "UUUUUU"),),
    ),
    _answer(
        "statuses by id",
        '`items: {"00123": "ok"}`',
        "its own result",
        {"items": "items", "results": "all"},
        {
            "items": "items",
            "shape": "map",
            "only": "all",
            "applied": "ok",
            "retryable": "busy",
            "error": None,
            "counts": None,
        },
        wrong=(({"response": {"items": "rows"}}, "VVVVVV"),),
    ),
    _answer(
        "two lists",
        "`updated: [ids]` and `failed: [...]`",
        "named among the updated",
        {"items": "failed", "applied_items": "updated", "counts": None},
        {"items": "failed", "applied_items": "updated", "counts": None},
        wrong=(({"response": {"applied_items": "changed"}}, "VVVRTV"),),
    ),
    _answer(
        "ids of what failed",
        "`failed: [ids]`, counts",
        "counts that add up",
        {"items": "failed", "key": None},
        {"items": "failed", "shape": "ids"},
        outcomes="AAARRA",
        wrong=(({"response": {"key": "sku"}}, "UUUUUU"),),
    ),
    _answer(
        "counts alone, everything taken",
        "`received`, `accepted`, `rejected`",
        "counts that add up",
        {"items": None},
        {"items": None},
        store={"skus": "any", "busy": []},
        outcomes="AAAAAA",
        shown=ALL,
        wrong=(({"response": {"counts": {"accepted": "ok", "rejected": "bad"}}}, "VVVVVV"),),
    ),
    _answer(
        "counts alone, not everything taken",
        "`accepted: 4, rejected: 2`",
        "none: nobody knows which",
        {"items": None},
        {"items": None},
        outcomes="UUUUUU",
        wrong=(({"response": {"counts": {"accepted": "ok"}}}, "UUUUUU"),),
    ),
    _answer(
        "204",
        "204, no body",
        "none",
        {},
        {"status": 204, "empty": True},
        outcomes="VVVVVV",
        tested="POST was answered with HTTP 204",
        wrong=(
            ({"response": {"empty": [202]}}, "UUUUUU"),
            ({"response": {"if_absent": "unknown"}}, "UUUUUU"),
        ),
    ),
    _answer(
        "200 without a body",
        "200, no body",
        "none",
        {"empty": [200]},
        {"empty": True},
        outcomes="VVVVVV",
        wrong=(({"response": {"empty": [204]}}, "UUUUUU"),),
    ),
    _answer(
        "nothing said",
        "`{}`",
        "none",
        {},
        {"items": None, "counts": None},
        outcomes="VVVVVV",
        wrong=(({"response": {"if_absent": "unknown"}}, "UUUUUU"),),
    ),
    _answer(
        "taken for later, without a body",
        "202, no body",
        "none: still to be done",
        {},
        {"status": 202, "empty": True},
        outcomes="VVVVVV",
        account={"test_connection": {"expect": [202]}},
        tested="POST was answered with HTTP 202",
        wrong=(({"response": {"empty": [204]}}, "UUUUUU"),),
    ),
    _answer(
        "taken for later, failures named",
        "202 with the refused items, counts",
        "none: still to be done",
        {},
        {"status": 202},
        outcomes="VVVRTV",
        account={"test_connection": {"expect": [202]}},
        tested="POST was answered with HTTP 202",
        wrong=(({"response": {"key": "x", "index": "y"}}, "UUUUUU"),),
    ),
    _answer(
        "queued by a word",
        "`queued` for each item",
        "none: still to be done",
        {"results": "all", "words": {"accepted_async": ["queued"]}},
        {"only": "all", "applied": "queued", "counts": None},
        outcomes="VVVRTV",
        wrong=(({"response": {"words": {"accepted_async": ["waiting"]}}}, "UUURTU"),),
    ),
    _answer(
        "success in a word",
        '`{"result": "OK"}`',
        "none",
        {"success": "result", "success_words": ["OK"]},
        {"items": None, "counts": None, "always": {"result": "OK"}},
        outcomes="VVVVVV",
        wrong=(
            ({"response": {"success_words": ["DONE"]}}, "RRRRRR"),
            ({"response": {"success": "state"}}, "UUUUUU"),
        ),
    ),
    _answer(
        "the whole batch refused",
        "409 with an error",
        "refused as a whole",
        {},
        {},
        store={"closed": 409},
        outcomes="RRRRRR",
        shown="",
        account={"test_connection": {"expect": [409]}},
        tested="POST was answered with HTTP 409",
        wrong=(({"response": {"atomic": [409]}}, "RRRRRR"),),
    ),
    _answer(
        "the whole batch refused in a success",
        '200 with `"success": false`',
        "refused as a whole",
        {},
        {},
        store={"closed": 200},
        outcomes="RRRRRR",
        shown="",
        wrong=(({"response": {"success": None, "if_absent": "unknown"}}, "RRRRRR"),),
    ),
    _answer(
        "one bad item stops all",
        "422 that names the bad items",
        "refused; the others go again",
        {"items": "errors", "status": None, "atomic": [422]},
        {"items": "errors", "state": None, "atomic": 422},
        outcomes="TTTRTT",
        shown="",
        wrong=(
            ({"response": {"atomic": []}}, "RRRRRR"),
            ({"response": {"items": "rows"}}, "RRRRRR"),
        ),
    ),
]

DIALECTS = [*REQUESTS, *ANSWERS]

_WORDS = {
    "A": "applied",
    "V": "accepted_unverified",
    "R": "refused",
    "T": "retryable",
    "U": "unknown",
}


def becomes(dialect: Dialect) -> str:
    """The outcomes of the six items in words: taken, unlisted, locked."""
    taken, unlisted, locked = (dialect.outcomes[place] for place in (0, 3, 4))
    if taken == unlisted == locked:
        return _WORDS[taken]
    return f"{_WORDS[taken]}; unlisted {_WORDS[unlisted]}; locked {_WORDS[locked]}"


def markdown() -> str:
    """All endpoints as a table."""
    lines = [
        "| endpoint | request | answer | proof | outcome |",
        "|---|---|---|---|---|",
    ]
    for dialect in DIALECTS:
        cells = (dialect.name, dialect.sends, dialect.answers, dialect.proof, becomes(dialect))
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"
