"""Faults per item: answers that lie, items that are lost, damaged prices, pages. See `faults`."""

from __future__ import annotations

from typing import Any

import orjson

from marketsync_dagster.sandbox import mirakl_orders_book
from marketsync_dagster.sandbox.accounts import Product
from marketsync_dagster.sandbox.actions import action
from marketsync_dagster.sandbox.exchange import Exchange
from marketsync_dagster.sandbox.mirakl_kept import drift
from marketsync_dagster.sandbox.qikink_part import memory
from marketsync_dagster.sandbox.shown import MIRAKL, PASONS, QIKINK
from marketsync_dagster.sandbox.tampering import UNTOUCHED, ItemError, Tampering
from marketsync_dagster.sandbox.wire import Answer

ROWS = (
    "results",
    "products",
    "mappings",
    "items",
    "offers",
    "orders",
    "refunds",
    "cancelations",
    "shipment_success",
    "data",
)
"""Under which names answers have their rows."""

IDS = ("product_id", "tracker_id", "external_id", "id", "sku", "shop_sku", "order_id")


def _results(answer: Answer) -> list[Any]:
    """The result rows of an answer, empty where it has none."""
    document: Any = answer.data
    if not isinstance(document, dict):
        return document if isinstance(document, list) else []
    inner = document.get("data")
    inner = inner if isinstance(inner, dict) else document
    for name in ROWS:
        rows = inner.get(name)
        if isinstance(rows, list):
            if rows and isinstance(rows[0], orjson.Fragment):  # encoded beforehand
                rows[:] = orjson.loads(orjson.dumps(rows))
            return rows
    return []


@action(drop=int)
async def short_results(exchange: Exchange, given: dict[str, Any]) -> None:
    """Applied; the last `drop` result rows are missing from the answer, 1 if not given."""
    answer = exchange.work(UNTOUCHED)
    rows = _results(answer)
    del rows[max(0, len(rows) - given.get("drop", 1)) :]
    await exchange.reply(answer)


@action()
async def wrong_ids(exchange: Exchange, given: dict[str, Any]) -> None:
    """Applied; the result rows carry ids that nobody sent."""
    answer = exchange.work(UNTOUCHED)
    for index, row in enumerate(_results(answer)):
        for name in IDS:
            if name in row:
                row[name] = f"wrong_{index}"
    await exchange.reply(answer)


@action()
async def more_results(exchange: Exchange, given: dict[str, Any]) -> None:
    """Applied; the answer has the last result row twice, and one of an item that nobody sent."""
    answer = exchange.work(UNTOUCHED)
    rows = _results(answer)
    rows += [{**row, **{n: "stranger" for n in IDS if n in row}} for row in rows[-1:]]
    rows += rows[-2:-1]
    await exchange.reply(answer)


@action()
async def reversed_results(exchange: Exchange, given: dict[str, Any]) -> None:
    """Applied; the result rows come in the opposite order."""
    answer = exchange.work(UNTOUCHED)
    _results(answer).reverse()
    await exchange.reply(answer)


@action(product_id=str, sku=str, position=int, error=object)
async def item_error(exchange: Exchange, given: dict[str, Any]) -> None:
    """Applied but for one item, named by id or position, which gets `error`."""
    default = {PASONS: "TEMPORARILY_UNAVAILABLE"}.get(exchange.entry.channel, "Internal error")
    error = given.get("error") or default
    rule = ItemError(given.get("product_id") or given.get("sku"), given.get("position"), error)
    await exchange.reply(exchange.work(Tampering(errors=(rule,))))


@action(items=list)
async def drop_silently(exchange: Exchange, given: dict[str, Any]) -> None:
    """Answered as if applied; nothing is stored, or all but the given `items`."""
    items = frozenset(str(item) for item in given.get("items") or ())
    await exchange.reply(exchange.work(Tampering(drop_all=not items, drop_items=items)))


@action(mode=str)
async def price_damage(exchange: Exchange, given: dict[str, Any]) -> None:
    """Applied with damaged prices (`x100`, `round`, `float`); the answer says nothing of it."""
    await exchange.reply(exchange.work(Tampering(damage=given.get("mode", "x100"))))


# --- pages


@action(rows=int)
async def repeat_rows(exchange: Exchange, given: dict[str, Any]) -> None:
    """Answered with the first `rows` rows (1 if not given) once more at the end."""
    answer = exchange.work(UNTOUCHED)
    rows = _results(answer)
    rows += rows[: given.get("rows", 1)]
    await exchange.reply(answer)


@action(insert=int, remove=int)
async def page_drift(exchange: Exchange, given: dict[str, Any]) -> None:
    """Answered after `insert` new products (1 if not given) came first in the catalogue, and
    `remove` left it at its beginning: rows of the next page are repeated, or never seen. Orders
    come with a date before all others, and leave by being canceled."""
    world = exchange.world
    if exchange.entry.channel == MIRAKL:
        shop_id = int(exchange.entry.account or 0)
        if exchange.request.path.endswith("/orders"):
            early, canceled = given.get("insert", 1), given.get("remove", 0)
            mirakl_orders_book.move(
                world, shop_id, insert=0, early=early, change=0, cancel=canceled
            )
            await exchange.reply(exchange.work(UNTOUCHED))
            return
        drift(world.mirakl, shop_id, given.get("insert", 1), given.get("remove", 0), world.now())
        world.changes += 1
        await exchange.reply(exchange.work(UNTOUCHED))
        return
    if exchange.entry.channel == QIKINK:
        client = memory(world).accounts.get(exchange.owner or "")
        if client is not None:
            memory(world).strangers(client, min(given.get("insert", 1), 10_000), world.now())
        world.changes += 1
        await exchange.reply(exchange.work(UNTOUCHED))
        return
    account = world.accounts.get(exchange.owner or "")
    demo = account.demo if account is not None else False
    fresh: dict[str, Product] = {}
    for _ in range(min(given.get("insert", 1), 10_000)):
        identifier = world.new_product_id()
        fresh[identifier] = Product(identifier, f"Drifted in {identifier}", "Drift", demo=demo)
    kept = list(world.catalog.items())[given.get("remove", 0) :]
    world.set_catalog({**fresh, **dict(kept)})
    world.changes += 1
    await exchange.reply(exchange.work(UNTOUCHED))


@action(value=int)
async def wrong_total(exchange: Exchange, given: dict[str, Any]) -> None:
    """Answered with another total of all pages; without a `value`, with none."""
    answer = exchange.work(UNTOUCHED)
    document: Any = answer.data
    while isinstance(document, dict):
        for name in ("total", "total_count"):
            if name in document:
                document[name] = given.get("value")
        document = document.get("data") or document.get("pagination")
    await exchange.reply(answer)


@action()
async def duplicate_page(exchange: Exchange, given: dict[str, Any]) -> None:
    """Answered with the rows of the page before, under this page's own numbers."""
    await exchange.reply(exchange.work(Tampering(repeat_page=True)))
