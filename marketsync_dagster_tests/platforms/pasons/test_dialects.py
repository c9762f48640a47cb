"""Endpoints as Pasons' might turn out to be: right settings work to the letter, wrong ones show."""

from __future__ import annotations

import asyncio
import copy
import os
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from marketsync_dagster.cli.demo_stores import pasons_stores
from marketsync_dagster.config.accounts import PasonsAccount, SecretRef
from marketsync_dagster.config.secrets import Secrets
from marketsync_dagster.platforms.base import Adapter, Answer, ConnectionResult, PriceItem
from marketsync_dagster.platforms.registry import open_adapter
from marketsync_dagster.values.outcomes import ACKNOWLEDGED, Outcome, StockStatus
from marketsync_dagster_tests.platforms.pasons import dialects
from marketsync_dagster_tests.platforms.pasons.dialects import DIALECTS, ITEMS, LETTERS, Dialect
from marketsync_dagster_tests.platforms.support import NO_DELAYS, outcomes, settings_of
from marketsync_dagster_tests.sandbox_process import SandboxProcess

BY_ID = [pytest.param(dialect, id=dialect.name) for dialect in DIALECTS]
_LETTER = {outcome: letter for letter, outcome in LETTERS.items()}
SECRETS = ("TEST_PASONS_KEY", "TEST_PASONS_SECRET")


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_PASONS_KEY", dialects.KEY_VALUE)
    monkeypatch.setenv("TEST_PASONS_SECRET", dialects.SECRET_VALUE)
    monkeypatch.setenv("TEST_WRONG_KEY", "pasons-some-other-key")


def merged(base: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """`more` in `base`, sections merged; `words` and the like are replaced."""
    result = copy.deepcopy(base)
    for name, value in more.items():
        deep = isinstance(value, dict) and isinstance(result.get(name), dict)
        if deep and name in ("request", "response", "auth", "store", "full"):
            result[name] = merged(result[name], value)
        else:
            result[name] = value
    return result


def store_id_of(dialect: Dialect) -> str:
    return f"store-{DIALECTS.index(dialect):02}"


def account_of(dialect: Dialect, url: str) -> dict[str, Any]:
    """The account as marketsync.yaml has it."""
    base = dialect.base.format(id=store_id_of(dialect))
    usual = {
        "platform": "pasons",
        "base_url": url + base,
        "auth": {"scheme": "bearer", "key": dialects.KEY},
        "retry": NO_DELAYS,
    }
    return {**usual, **dialect.account}


def seed(sandbox: SandboxProcess, dialect: Dialect) -> str:
    """The store, as nobody has pushed to it yet, beside another one at the same address."""
    store_id = store_id_of(dialect)
    store = {"store_id": store_id, "api_key": dialects.KEY_VALUE, "strict": True, **dialect.store}
    other = {**store, "store_id": "another", "shown": {}}
    stores = [other, store] if store.get("store_in", "path") != "path" else [store]
    sandbox.seed({"pasons": {"stores": stores}})
    return store_id


def items_of(dialect: Dialect) -> list[PriceItem]:
    return [
        PriceItem(f"sku-{i}", i, Decimal(prices[dialect.currency]), dialect.currency, stock)
        for i, prices, stock in ITEMS
    ]


def work(account: dict[str, Any], store_id: str, do: Any) -> Any:
    """Open the account's adapter, do something, close it."""

    async def opened() -> Any:
        channels = [{"outlet": "o", "account": "p", "store_id": store_id}]
        settings = settings_of({"p": account}, channels)
        async with open_adapter(settings, "p", channel=None, secrets=Secrets()) as adapter:
            return await do(adapter)

    return asyncio.run(opened())


def push(dialect: Dialect) -> Any:
    """Send all items in as many calls as they need; letters of the outcomes, and the answers."""
    items = items_of(dialect)

    async def do(adapter: Adapter) -> tuple[str, list[Answer]]:
        answers, letters = [], ""
        for first, last in adapter.batches(items):
            answer = await adapter.send(items[first:last], whole=dialect.whole)
            answers.append(answer)
            # "split" stands for a batch that was too large: nothing of it was taken
            found = outcomes(answer, last - first)
            letters += "".join(_LETTER[o] if isinstance(o, Outcome) else "-" for o in found)
        return letters, answers

    return do


async def probe(adapter: Adapter) -> ConnectionResult:
    return await adapter.test_connection()


def shown(sandbox: SandboxProcess, store_id: str) -> dict[str, tuple[str, int]]:
    found = sandbox.state("pasons", store_id)
    return {sku: (item["price"], item["stock_status"]) for sku, item in found.items()}


def wanted(dialect: Dialect) -> dict[str, tuple[str, int]]:
    """What the store shows after the push, to the digit."""
    limited = 2 if dialect.store.get("stock_type") == "enum" else 1
    stock = {
        StockStatus.IN_STOCK: 1,
        StockStatus.LIMITED_STOCK: limited,
        StockStatus.OUT_OF_STOCK: 0,
    }
    return {
        sku: (prices[dialect.currency], stock[status])
        for place, (sku, prices, status) in enumerate(ITEMS)
        if str(place) in dialect.shown
    }


def test_there_are_enough_endpoints_and_each_differs() -> None:
    assert len(DIALECTS) >= 40
    assert len({dialect.name for dialect in DIALECTS}) == len(DIALECTS)
    contracts = [repr((d.account, d.store, d.currency, d.base)) for d in DIALECTS]
    assert len(set(contracts)) == len(DIALECTS)


@pytest.mark.parametrize("dialect", BY_ID)
def test_an_endpoint_is_served_as_it_is_configured(
    sandbox: SandboxProcess, dialect: Dialect
) -> None:
    sandbox.reset()
    store_id = seed(sandbox, dialect)
    account = account_of(dialect, sandbox.url)

    tested = work(account, store_id, probe)
    assert tested.ok, tested
    assert tested.message.startswith(dialect.tested), tested.message
    before = shown(sandbox, store_id)
    assert before.keys() == dialect.store.get("shown", {}).keys()

    number = sandbox.last_request()
    letters, answers = work(account, store_id, push(dialect))

    assert letters == dialect.outcomes, [answer.message or answer.results for answer in answers]
    assert shown(sandbox, store_id) == wanted(dialect)
    assert len(sandbox.requests(number)) == dialect.calls
    assert shown(sandbox, "another") == {}
    for answer in answers:
        if answer.outcome not in (None, *ACKNOWLEDGED):
            assert answer.message
        assert all(result.message for result in answer.results if result.outcome.value != "applied")
    # whatever is called applied, or taken, is shown, but for what the platform does not tell
    for letter, (sku, _, _) in zip(letters, ITEMS, strict=True):
        assert letter != "A" or sku in shown(sandbox, store_id)


@pytest.mark.parametrize("dialect", [p for p in BY_ID if p.values[0].wrong])  # pyright: ignore[reportAttributeAccessIssue]
def test_an_answer_that_is_read_wrongly_is_never_called_applied(
    sandbox: SandboxProcess, dialect: Dialect
) -> None:
    for change, expected in dialect.wrong:
        sandbox.reset()
        store_id = seed(sandbox, dialect)
        account = merged(account_of(dialect, sandbox.url), change)
        letters, answers = work(account, store_id, push(dialect))
        assert letters == expected, (change, [a.message or a.results for a in answers])
        assert letters != dialect.outcomes or "A" not in letters
        held = shown(sandbox, store_id)
        for letter, (sku, _, _) in zip(letters, ITEMS, strict=True):
            assert letter != "A" or sku in held, (change, sku)


@pytest.mark.parametrize("dialect", BY_ID)
def test_the_demo_sandbox_speaks_what_an_account_is_configured_for(
    sandbox: SandboxProcess, dialect: Dialect
) -> None:
    sandbox.reset()
    store_id = store_id_of(dialect)
    account = account_of(dialect, sandbox.url)
    settings = settings_of({"p": account}, [{"outlet": "o", "account": "p", "store_id": store_id}])
    fakes = {str(SecretRef(env=name)): os.environ[name] for name in SECRETS}
    configured = settings.accounts["p"]
    assert isinstance(configured, PasonsAccount)
    sandbox.seed({"pasons": {"stores": pasons_stores("p", configured, settings, fakes)}})

    letters, answers = work(account, store_id, push(dialect))

    assert set(letters) <= set("AV"), [answer.message or answer.results for answer in answers]
    assert shown(sandbox, store_id).keys() == {sku for sku, _, _ in ITEMS}


# --- wrong settings of the request


def wrong_requests(dialect: Dialect) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every setting of the request, one at a time, as somebody could get it wrong."""
    request: dict[str, Any] = dialect.account.get("request", {})
    full: dict[str, Any] = request.get("full", {})
    methods = {"POST": "PUT", "PUT": "PATCH", "PATCH": "POST"}
    if "path" not in full:
        yield "method", {"request": {"method": methods[request.get("method", "POST")]}}
        yield "path", {"request": {"path": request.get("path", "/v1/inventory") + "s"}}
    for name, value in full.items():
        if isinstance(value, str):
            wrong = methods[value] if name == "method" else value + "s"
            yield f"full.{name}", {"request": {"full": {**full, name: wrong}}}
            continue
        for mark in value:
            left = {n: v for n, v in value.items() if n != mark}
            yield f"full.{name}.{mark} wrong", {"request": {"full": {**full, name: {mark: "no"}}}}
            yield f"full.{name}.{mark} missing", {"request": {"full": {**full, name: left}}}
    named = {"sku": "sku", "selling_price": "selling_price", "stock_status": "stock_status"}
    for name, value in {**named, **request.get("fields", {})}.items():
        fields = {**request.get("fields", {}), name: value + "_"}
        yield f"fields.{name}", {"request": {"fields": fields}}
    envelope = request.get("envelope")
    yield "envelope", {"request": {"envelope": "rows" if envelope is None else envelope + "s"}}
    types: dict[str, str] = request.get("types", {})
    price = types.get("selling_price", "number")
    # minor units of a currency without decimals, as a number, are the same; so is nothing else
    yield (
        "types.price",
        {
            "request": {
                "types": {**types, "selling_price": "number" if price == "string" else "string"}
            }
        },
    )
    stock = "bool" if types.get("stock_status", "int01") != "bool" else "int01"
    yield "types.stock", {"request": {"types": {**types, "stock_status": stock}}}
    for word in request.get("enum", {}):
        enum = {**request["enum"], word: "ANOTHER"}
        yield f"enum.{word}", {"request": {"enum": enum}}
    for section in ("constants", "row_constants", "query", "headers"):
        for name in request.get(section, {}):
            if name in full.get(section, {}):
                continue  # this push says something else in its place
            left = {n: v for n, v in request[section].items() if n != name}
            yield f"{section}.{name} missing", {"request": {section: left}}
            yield f"{section}.{name} wrong", {"request": {section: {**left, name: "other"}}}
    store = request.get("store", {})
    if store.get("in") in ("header", "query", "body", "row"):
        yield "store.in", {"request": {"store": {"in": "none"}}}
        yield "store.name", {"request": {"store": {**store, "name": "storeid"}}}
    yield "query", {"request": {"query": {**request.get("query", {}), "surplus": "1"}}}
    yield (
        "row_constants",
        {"request": {"row_constants": {**request.get("row_constants", {}), "surplus": 1}}},
    )
    yield from wrong_credentials(dialect.account.get("auth", {"scheme": "bearer"}))
    base = dialect.base.format(id=store_id_of(dialect))
    yield "base_url", {"base_url": base + "-not"}


def wrong_credentials(auth: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The same for the credentials."""
    if auth["scheme"] != "none":
        wrong = {"env": "TEST_WRONG_KEY"}
        yield "auth.key", {"auth": {**auth, "key": wrong}}
        yield (
            "auth.scheme",
            {"auth": {"scheme": "header", "header": "X-Wrong", "key": dialects.KEY}},
        )
        if "prefix" in auth:
            yield "auth.prefix", {"auth": {**auth, "prefix": "Bearer "}}
        if "user" in auth:
            yield "auth.user", {"auth": {**auth, "user": "somebody"}}
        if "secret" in auth:
            yield "auth.secret", {"auth": {**auth, "secret": wrong}}


def replaced(account: dict[str, Any], change: dict[str, Any], url: str) -> dict[str, Any]:
    """The account with the change; what a change names is replaced, not merged."""
    result = copy.deepcopy(account)
    for section, value in change.items():
        if section == "request":
            result["request"] = {**result.get("request", {}), **value}
        else:
            result[section] = url + value if section == "base_url" else value
    return result


@pytest.mark.parametrize("dialect", BY_ID)
def test_every_wrong_setting_of_the_request_is_noticed(
    sandbox: SandboxProcess, dialect: Dialect
) -> None:
    sandbox.reset()
    store_id = seed(sandbox, dialect)
    before = shown(sandbox, store_id)
    account = account_of(dialect, sandbox.url)
    tried = 0
    for name, change in wrong_requests(dialect):
        try:
            letters, answers = work(replaced(account, change, sandbox.url), store_id, push(dialect))
        except ValidationError:
            continue  # noticed before anything was sent
        tried += 1
        assert set(letters) <= set("RX-"), (name, letters)
        assert all(answer.message for answer in answers), name
        if name.startswith("auth"):
            assert set(letters) == {"X"}, name
    assert tried >= 9
    assert shown(sandbox, store_id) == before
