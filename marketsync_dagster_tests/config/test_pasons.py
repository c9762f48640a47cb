"""Pasons' wire contract in marketsync.yaml: what cannot be meant is refused at load, with words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from marketsync_dagster.config.settings import PasonsAccount
from marketsync_dagster_tests.config.texts import VALID, load, mistakes

KEY = {"env": "PAS_A_KEY"}
FULL = {"full_push": "replace"}


def text(account: dict[str, Any], **channel: str) -> str:
    """The valid file with something more in its Pasons account and channel."""
    document = yaml.safe_load(VALID)
    document["accounts"]["pas_a"] |= account
    document["channels"][2] |= channel
    return yaml.safe_dump(document, sort_keys=False)


@pytest.mark.parametrize(
    ("account", "at", "words"),
    [
        # names
        ({"request": {"fields": {"currency": "sku"}}}, "request.fields", "four different names"),
        (
            {"request": {"fields": {"sku": "a", "selling_price": "a.b"}}},
            "request.fields",
            "got a.b",
        ),
        ({"request": {"fields": {"sku": "a..b"}}}, "request.fields", "joined by single dots"),
        (
            {"request": {"row_constants": {"sku": 1}}},
            "request.row_constants",
            "got sku, which is the name of another field",
        ),
        ({"request": {"store": {"in": "row", "name": "sku"}}}, "request.store.name", "got sku"),
        (
            {"request": {"store": {"in": "body", "name": "items"}, "envelope": "items"}},
            "request.store.name",
            "got items",
        ),
        (
            {"request": {"envelope": "data", "constants": {"data.x": 1}}},
            "request.constants",
            "got data.x",
        ),
        ({"request": {"constants": {"x": 1}}}, "request.constants", "expected an envelope"),
        (
            {"request": {"full": {"constants": {"x": 1}}}, **FULL},
            "request.full.constants",
            "expected an envelope",
        ),
        (
            {"request": {"headers": {"X-S": "1"}, "store": {"in": "header", "name": "x-s"}}},
            "request.store.name",
            "which headers has",
        ),
        (
            {"request": {"query": {"s": "1"}, "store": {"in": "query", "name": "s"}}},
            "request.store.name",
            "which query has",
        ),
        # headers
        ({"request": {"headers": {"Content-Length": "1"}}}, "request.headers", "platform's own"),
        ({"request": {"headers": {"X-A": "1", "x-a": "2"}}}, "request.headers", "two spellings"),
        (
            {
                "auth": {"scheme": "header", "header": "X-A", "key": KEY},
                "request": {"headers": {"x-a": "1"}},
            },
            "request.headers",
            "carries the credentials",
        ),
        (
            {"request": {"store": {"in": "header", "name": "Authorization"}}},
            "request.store.name",
            "carries the credentials",
        ),
        (
            {"auth": {"scheme": "header", "key": KEY, "secret": KEY, "secret_header": "x-api-key"}},
            "auth.secret_header",
            "carries the key",
        ),
        ({"auth": {"scheme": "basic", "user": "a:b", "key": KEY}}, "auth.user", "without a colon"),
        ({"auth": {"prefix": "Token ", "key": KEY}}, "auth.prefix", "because the scheme is bearer"),
        # nothing secret in clear
        ({"request": {"query": {"api_key": "hunter2"}}}, "request.query", "belongs into auth"),
        (
            {"request": {"envelope": "x", "constants": {"auth.token": "hunter2"}}},
            "request.constants",
            "belongs into auth",
        ),
        (
            {"request": {"full": {"query": {"token": "hunter2"}}}, **FULL},
            "request.full",
            "belongs into",
        ),
        # stock
        (
            {
                "request": {
                    "types": {"stock_status": "enum"},
                    "enum": {"in_stock": "Y", "limited_stock": "N", "out_of_stock": "N"},
                }
            },
            "request.enum.out_of_stock",
            "a word of its own",
        ),
        # full pushes
        ({"request": {"full": {"method": "PUT"}}}, "full_push", "expected full_push: replace"),
        ({"request": {"full": {}}, **FULL}, "request.full", "expected what marks a full push"),
        ({"request": {"full": {"path": "full"}}, **FULL}, "request.full.path", "begins with /"),
        # answers
        (
            {"response": {"words": {"applied": ["Done"], "refused": ["DONE"]}}},
            "response.words.refused",
            "which is applied, too",
        ),
        (
            {"response": {"results": "all", "status": None, "error": None}},
            "response.status",
            "must say something",
        ),
        (
            {"response": {"success": None, "success_words": ["OK"]}},
            "response.success",
            "where these words stand",
        ),
        ({"response": {"atomic": [401]}}, "response.atomic", "such as 400, 409 or 422"),
        ({"response": {"empty": [404]}}, "response.empty", "from 200 to 299"),
        ({"response": {"index_base": 2}}, "response.index_base", "expected 0 or 1"),
        (
            {"response": {"items": "rows", "applied_items": "rows"}},
            "response.applied_items",
            "got rows twice",
        ),
        ({"response": {"index": "sku"}}, "response.index", "which tells the item already"),
        ({"response": {"key": "x", "status": "x"}}, "response.status", "tells the item already"),
        (
            {"response": {"counts": {"received": "n", "accepted": "n"}}},
            "response.counts",
            "expected different names",
        ),
        # what would not be used
        ({"auth": {"scheme": "none", "key": KEY}}, "auth.key", "because the scheme is none"),
        ({"auth": {"user": "shop", "key": KEY}}, "auth.user", "because the scheme is bearer"),
        (
            {
                "request": {
                    "enum": {"in_stock": "Y", "limited_stock": "L", "out_of_stock": "N"},
                }
            },
            "request.types.stock_status",
            "because words are given for it",
        ),
        # places
        ({"base_url": "https://pasons.example/{store}"}, "base_url", "got others"),
        ({"request": {"path": "/{storeid}/prices"}}, "request.path", "no braces but those of"),
        ({"request": {"headers": {"Accept-Encoding": "br"}}}, "request.headers", "got Accept-Enc"),
        # connection tests
        ({"test_connection": {"expect": [200, 401]}}, "test_connection.expect", "got 401"),
        ({"test_connection": {"expect": [302]}}, "test_connection.expect", "got 302"),
        ({"test_connection": {"expect": [503]}}, "test_connection.expect", "got 503"),
        ({"test_connection": {"expect": []}}, "test_connection.expect", "at least one entry"),
        ({"test_connection": {"path": "ping"}}, "test_connection.path", "begins with /"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_place(
    tmp_path: Path, account: dict[str, Any], at: str, words: str
) -> None:
    found = mistakes(tmp_path, text(account))
    assert len(found) == 1, found
    assert f": accounts.pas_a.{at}" in found[0]
    assert words in found[0]
    assert "expected" in found[0]
    assert ", got " in found[0]
    assert "hunter2" not in found[0]


@pytest.mark.parametrize(
    "account",
    [
        {"request": {"store": {"in": "row"}}},
        {"request": {"path": "/{store_id}/x"}},
        {"request": {"full": {"path": "/{store_id}/full"}}, **FULL},
        {"test_connection": {"path": "/{store_id}/ping"}},
    ],
)
def test_a_store_id_is_asked_for_wherever_requests_carry_it(
    tmp_path: Path, account: dict[str, Any]
) -> None:
    (found,) = mistakes(tmp_path, text(account))
    assert "channels[2].store_id: expected the store's id" in found
    assert load(tmp_path, text(account, store_id="017"))


@pytest.mark.parametrize("store_id", ["017\r\nX-Evil: 1", " 017", "017\n", "Käse"])
def test_a_store_id_that_cannot_stand_in_a_header_is_refused(tmp_path: Path, store_id: str) -> None:
    account = {"request": {"store": {"in": "header", "name": "X-Store"}}}
    (found,) = mistakes(tmp_path, text(account, store_id=store_id))
    assert ": channels[2].store_id: expected" in found


def test_a_full_push_tells_the_store_where_others_do(tmp_path: Path) -> None:
    request = {"path": "/{store_id}/prices", "full": {"path": "/replace"}}
    (found,) = mistakes(tmp_path, text({"request": request, **FULL}, store_id="017"))
    assert "request.full.path: expected {store_id}" in found


def test_what_is_not_said_has_a_safe_default(tmp_path: Path) -> None:
    account = load(tmp_path, VALID).accounts["pas_a"]
    assert isinstance(account, PasonsAccount)
    assert (account.full_push, account.request.full) == ("upsert", None)
    assert account.response.if_absent == "accepted_unverified"
    assert account.response.empty == [202, 204]
    assert not {401, 403} & set(account.test_connection.expect)
