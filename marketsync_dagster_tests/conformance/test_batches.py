"""A call carries as much as its limits allow and not one item or byte more; what the platform
still finds too large is split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from marketsync_dagster.platforms.base import Adapter, Answer, ImportKind, PriceItem
from marketsync_dagster_tests.conformance.reasons import PRODUCTS
from marketsync_dagster_tests.conformance.stand import Stand, attempt, wanted
from marketsync_dagster_tests.conformance.suite import behaviour
from marketsync_dagster_tests.platforms.support import outcomes

GROUP = "Batches"
LIMIT = 7
SLACK = 16
"""Bytes that a batch may leave unused although one more item would just fit."""


def ranges(adapter: Adapter, items: Sequence[PriceItem]) -> list[tuple[int, int]]:
    if adapter.capabilities.async_import:
        return adapter.import_batches(ImportKind.OFFERS, items)
    return adapter.batches(items)


async def all_of(adapter: Adapter, items: Sequence[PriceItem]) -> list[tuple[int, Answer]]:
    """Every batch sent: how many items, and the answer."""
    cut = ranges(adapter, items)
    assert [first for first, _ in cut] == [0, *(last for _, last in cut)][: len(cut)]
    assert (cut[-1][1] if cut else 0) == len(items)
    return [(last - first, await attempt(adapter, items[first:last])) for first, last in cut]


def sent(stand: Stand, items: Sequence[PriceItem], **account: Any) -> list[int]:
    """The sizes of the batches, all of them taken, and all that is shown then."""
    answers = stand.work(lambda adapter: all_of(adapter, items), **account)
    for size, answer in answers:
        assert set(outcomes(answer, size)) == {stand.bench.done}
    assert stand.sees(lambda held: held == wanted(items)) == wanted(items)
    return [size for size, _ in answers]


@behaviour(GROUP, "one item less than the limit, the limit, and one more")
def test_items(stand: Stand) -> None:
    for count, sizes in ((LIMIT - 1, [6]), (LIMIT, [7]), (LIMIT + 1, [7, 1])):
        stand.sandbox.reset()
        items = stand.seed(count, most_items=LIMIT)
        assert sent(stand, items, **stand.bench.limits(LIMIT)) == sizes


@behaviour(GROUP, "the limit that is declared is taken in one call")
def test_declared(stand: Stand) -> None:
    items = stand.seed(min(stand.capabilities.batch_items, 1_000) + 1)
    sizes = sent(stand, items)
    assert max(sizes) <= stand.capabilities.batch_items
    assert len(sizes) <= 4


@behaviour(GROUP, "a byte less than a body needs, its bytes, and some more: none is too large")
def test_bytes(stand: Stand) -> None:
    items = stand.seed(120)
    assert sent(stand, items, **stand.bench.limits(120)) == [120]
    size = max(request["body_bytes"] for request in stand.sandbox.requests())
    for most in (size - 1, size, size + SLACK):
        before = stand.sandbox.last_request()
        cut = sent(stand, items, **stand.bench.limits(120, most))
        bodies = [r["body_bytes"] for r in stand.sandbox.requests(before) if r["body_bytes"]]
        assert max(bodies) <= most
        assert len(cut) <= 2
        assert len(cut) == 2 or most >= size
        assert len(cut) == 1 or most < size + SLACK


@behaviour(GROUP, "nothing makes no batch")
def test_nothing(stand: Stand) -> None:
    async def none(adapter: Adapter) -> list[Any]:
        return [ranges(adapter, []), adapter.product_batches([])]

    assert stand.work(none) == [[], []]


@behaviour(GROUP, "what the platform finds too large is split, and one item alone is refused")
def test_too_large(stand: Stand) -> None:
    items = stand.seed(3)
    for body in ("<html><title>413</title></html>", ""):
        stand.sandbox.scenario("status", status=413, body=body, times=2)
        assert stand.ends(items) == ["split"] * 3
        answer = stand.send(items[:1])
        assert outcomes(answer, 1) == ["refused"]
        assert answer.message
    assert stand.held() == {}


@behaviour(GROUP, "products keep the limits too", PRODUCTS)
def test_products(stand: Stand) -> None:
    stand.seed(0)
    for count in (LIMIT - 1, LIMIT, LIMIT + 1):

        async def offered(adapter: Adapter, count: int = count) -> list[int]:
            products = [stand.bench.product(n) for n in range(count)]
            cut = adapter.product_batches(products)
            answers = [await adapter.send_products(products[a:b]) for a, b in cut]
            found = [r for answer in answers for r in answer.results]
            assert {result.outcome for result in found} == {"applied"}
            assert all(result.platform_id for result in found)
            return [b - a for a, b in cut]

        sizes = stand.work(offered, **stand.bench.limits(LIMIT))
        assert sizes == ([count] if count <= LIMIT else [LIMIT, count - LIMIT])
