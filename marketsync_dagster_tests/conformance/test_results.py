"""Each item of a call ends in an outcome of its own, whatever stands in the answer: what was not
applied is never called applied, and no item gets what was said of another."""

from __future__ import annotations

from typing import Any

from marketsync_dagster.platforms.base import Answer
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster_tests.conformance.reasons import ANSWERS, PRODUCTS
from marketsync_dagster_tests.conformance.stand import Stand, wanted
from marketsync_dagster_tests.conformance.suite import behaviour
from marketsync_dagster_tests.platforms.support import outcomes

GROUP = "Results"
A, R, T, U = Outcome.APPLIED, Outcome.REFUSED, Outcome.RETRYABLE, Outcome.UNKNOWN


def refuse(stand: Stand, position: int, error: Any) -> None:
    stand.sandbox.scenario("item_error", position=position, error=error)


@behaviour(GROUP, "an item that is refused says why; the others are applied", ANSWERS)
def test_refused(stand: Stand) -> None:
    items = stand.seed(4)
    unknown = stand.bench.item("no-such-product", "60.00")
    answer: Answer = stand.send(
        [items[0], unknown, *items[1:3], items[3]._replace(price=items[3].price * 0)]
    )
    assert outcomes(answer, 5) == [A, R, A, A, R]
    assert [bool(result.message) for result in answer.results] == [False, True, False, False, True]
    assert stand.held() == wanted(items[:3])


@behaviour(GROUP, "an error that may pass is told from one that will not", ANSWERS)
def test_passing(stand: Stand) -> None:
    items = stand.seed()
    for error, outcome in ((stand.bench.passing, T), (stand.bench.lasting, R)):
        if error is not None:
            refuse(stand, 1, error)
            assert stand.ends(items) == [A, outcome, A]


@behaviour(GROUP, "every item of a batch can fail by itself", ANSWERS)
def test_positions(stand: Stand) -> None:
    items = stand.seed(4)
    for position in range(4):
        refuse(stand, position, stand.bench.lasting)
        expected = [A] * 4
        expected[position] = R
        assert stand.ends(items) == expected


@behaviour(GROUP, "fewer results than items: the others are not known to be applied", ANSWERS)
def test_fewer(stand: Stand) -> None:
    items = stand.seed(4)
    for drop in (1, 3):
        stand.sandbox.scenario("short_results", drop=drop)
        assert stand.ends(items) == [A] * (4 - drop) + [U] * drop


@behaviour(GROUP, "more results than items: no item is taken for another", ANSWERS)
def test_more(stand: Stand) -> None:
    items = stand.seed(3)
    refuse(stand, 2, stand.bench.lasting)
    assert stand.ends(items) == [A, A, R]
    stand.sandbox.scenario("more_results")
    assert set(stand.ends(items)) <= {A, U}
    assert stand.held() == wanted(items)


@behaviour(GROUP, "results in another order: none is put down to another item", ANSWERS)
def test_reversed(stand: Stand) -> None:
    items = [*stand.seed(3)[:2], stand.bench.item("no-such-product", "60.00")]
    stand.sandbox.scenario("reversed_results")
    for found, true in zip(stand.ends(items), [A, A, R], strict=True):
        assert found in (true, U)


@behaviour(GROUP, "results that name items nobody sent prove nothing", ANSWERS)
def test_strangers(stand: Stand) -> None:
    items = stand.seed(3)
    stand.sandbox.scenario("wrong_ids")
    assert stand.ends(items) == [U, U, U]


@behaviour(GROUP, "the same item twice in a call: the last is shown, each has a result", ANSWERS)
def test_twice(stand: Stand) -> None:
    items = stand.seed(2)
    again = items[0]._replace(price=items[0].price + 5)
    found = stand.ends([*items, again])
    assert found[1] is A
    assert set(found) <= {A, U}
    assert stand.held() == wanted([items[1], again])


@behaviour(GROUP, "prices and ids arrive digit by digit, in every stock status")
def test_exact(stand: Stand) -> None:
    listed = stand.seed(6)
    said = ["0.07", "0.10", "19.99", "4.35", "1234567.89", "100.00"]
    stock = ["in_stock", "out_of_stock", "limited_stock"] * 2
    items = [
        stand.bench.item(item.platform_id, price, stock=status)
        for item, price, status in zip(listed, said, stock, strict=True)
    ]
    assert set(stand.ends(items)) == {stand.bench.done}
    assert stand.sees(lambda held: held == wanted(items)) == wanted(items)


@behaviour(GROUP, "one item by itself is sent like any other")
def test_single(stand: Stand) -> None:
    items = stand.seed(1)
    for change in (0, 1):
        one = items[0]._replace(price=items[0].price + change)
        answer = (
            stand.work(lambda adapter, one=one: adapter.send([one], single=True))
            if not (stand.capabilities.async_import)
            else stand.send([one])
        )
        assert outcomes(answer, 1) == [stand.bench.done]
        assert stand.sees(lambda held, one=one: held == wanted([one])) == wanted([one])


@behaviour(GROUP, "products get the platform's ids, the same ones again, or a reason", PRODUCTS)
def test_products(stand: Stand) -> None:
    stand.seed(0)
    good = [stand.bench.product(n) for n in range(3)]
    bad = stand.bench.product(4)
    products = [good[0], type(bad)(bad.sku, bad.name, bad.category, ""), *good[1:]]
    found = [stand.work(lambda adapter: adapter.send_products(products)) for _ in range(2)]
    for answer in found:
        assert outcomes(answer, 4) == [A, R, A, A]
        assert answer.results[1].message
    ids = [[result.platform_id for result in answer.results] for answer in found]
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 4
