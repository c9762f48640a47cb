"""What can be read is read to its end, each row once, whatever moves, repeats, lies or fails.

`READS` are the operations that page; what is true of one of them is asked of every one that the
platform declares.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest

from marketsync_dagster.platforms.base import Adapter, PlatformError, PriceItem
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster_tests.conformance.reasons import CATALOGUE, LISTED, PRICES, Reason
from marketsync_dagster_tests.conformance.stand import Stand, wanted
from marketsync_dagster_tests.conformance.suite import Behaviour, behaviour, behaviours
from marketsync_dagster_tests.platforms.support import outcomes

GROUP = "Reading"


@dataclass(slots=True)
class Told:
    """What a reading came to."""

    ids: list[str] = field(default_factory=list)
    totals: set[int | None] = field(default_factory=set)
    statuses: list[int | None] = field(default_factory=list)
    values: dict[str, Decimal | None] = field(default_factory=dict)


Pace = Callable[[], Awaitable[object]]


async def _catalogue(adapter: Adapter, stand: Stand, ids: Sequence[str], pace: Pace | None) -> Told:
    told, barcodes = Told(), stand.bench.barcodes(ids)
    async for page in adapter.read_catalog(pace=pace, barcodes=barcodes):
        told.ids += [str(row["platform_sku"] or row["platform_id"]) for row in page.rows]
        told.totals.add(page.total)
        told.statuses += [call.status for call in page.calls]
    return told


async def _shown(adapter: Adapter, stand: Stand, ids: Sequence[str], pace: Pace | None) -> Told:
    told = Told()
    async for page in adapter.list_shown(pace=pace):
        told.ids += [row.platform_id for row in page.rows]
        told.totals.add(page.total)
        told.statuses += [call.status for call in page.calls]
        told.values |= {row.platform_id: row.price for row in page.rows}
    return told


@dataclass(frozen=True, slots=True)
class Read:
    """One operation that pages."""

    what: str
    need: Reason
    do: Callable[[Adapter, Stand, Sequence[str], Pace | None], Awaitable[Told]]
    shows: bool = False
    """It reads what has been sent."""


READS = (
    Read("the catalogue", CATALOGUE, _catalogue),
    Read("what is shown", LISTED, _shown, shows=True),
)


def each(words: str) -> list[tuple[Behaviour, Any]]:
    """The behaviour of every operation that pages."""
    return [(Behaviour(GROUP, f"{read.what}: {words}", (read.need,)), read) for read in READS]


def prepared(stand: Stand, read: Read, count: int) -> list[PriceItem]:
    """So many products to be read."""
    items = stand.seed(count)
    if read.shows and items:
        everything = {"size": 10_000_000} if stand.capabilities.async_import else {}
        answer = stand.send(items, **stand.bench.limits(count, **everything))
        assert set(outcomes(answer, count)) == {stand.bench.done}
        assert stand.sees(lambda held: len(held) == count) == wanted(items)
    return items


def told(stand: Stand, read: Read, items: Sequence[PriceItem], pace: Pace | None = None) -> Told:
    ids = [item.platform_id for item in items]

    async def do(adapter: Adapter) -> Told:
        return await read.do(adapter, stand, ids, pace)

    return stand.work(do)


@behaviours(each("whole at nothing, a page less one, a page, one more, and two pages"))
def test_sizes(case: Read, stand: Stand) -> None:
    page = stand.capabilities.page_items
    for count in (0, page - 1, page, page + 1, 2 * page):
        stand.sandbox.reset()
        items = prepared(stand, case, count)
        found = told(stand, case, items)
        assert sorted(found.ids) == sorted(item.platform_id for item in items)
        assert set(found.statuses) == {200}
        # an empty page ends it; nothing is asked for twice where nothing moves
        assert len(found.statuses) <= (count // page + 1) * (
            2 if stand.bench.barcodes(["x"]) else 1
        )


@behaviours(each("a total that is wrong, or missing, hides no row and is no endless search"))
def test_totals(case: Read, stand: Stand) -> None:
    page = stand.capabilities.page_items
    items = prepared(stand, case, page + 1)
    for total in (0, 1, page, 100_000, None):
        said: dict[str, Any] = {} if total is None else {"value": total}
        stand.sandbox.scenario("wrong_total", times=None, **said)
        before = stand.sandbox.last_request()
        found = told(stand, case, items)
        assert set(found.ids) == {item.platform_id for item in items}, total
        assert len(found.ids) == len(set(found.ids))
        assert stand.sandbox.last_request() - before <= 8
        stand.sandbox.clear_scenarios()


@behaviours(each("read while rows come and go"))
def test_drift(case: Read, stand: Stand) -> None:
    """A catalogue has every row that stays, once. A list of what is shown may leave some out:
    absence from it proves nothing (`Adapter.list_shown`)."""
    count = 3 * stand.capabilities.page_items + 50
    # where barcodes are to be named, only our own listings come in pages that drift
    named = bool(stand.bench.barcodes(["x"]))
    items = prepared(stand, replace(case, shows=case.shows or named), count)
    asked = [] if named else items
    stand.bench.drift(stand.sandbox)
    found = told(stand, case, asked)
    known = {item.platform_id: item.price for item in items}
    if case.shows:
        assert len(known.keys() & set(found.ids)) >= count - 10
        assert {
            i: found.values[i] for i in known.keys() & found.values.keys()
        }.items() <= known.items()
        return
    after = told(stand, case, asked)
    stayed = set(after.ids) & known.keys()
    assert len(stayed) >= count - 5
    assert len(set(after.ids) - stayed) == 3, "nothing moved"
    assert len(found.ids) == len(set(found.ids))
    assert stayed <= set(found.ids)


@behaviours(each("a page that is given twice"))
def test_page_twice(case: Read, stand: Stand) -> None:
    """Costs a catalogue no row."""
    items = prepared(stand, case, 2 * stand.capabilities.page_items + 50)
    stand.sandbox.scenario("duplicate_page", match={"path": f"{stand.bench.mount}/*s", "nth": 2})
    found = told(stand, case, items)
    if case.shows:
        assert set(found.ids) <= {item.platform_id for item in items}
        return
    assert sorted(found.ids) == sorted(item.platform_id for item in items)


@behaviours(each("each call waits for its turn, and is reported"))
def test_paced(case: Read, stand: Stand) -> None:
    items = prepared(stand, case, stand.capabilities.page_items + 1)
    turns = 0

    async def pace() -> None:
        nonlocal turns
        turns += 1

    before = stand.sandbox.last_request()
    stand.sandbox.scenario("status", status=502, match={"nth": 2})
    found = told(stand, case, items, pace)
    calls = stand.sandbox.requests(before)
    assert turns == len(calls) >= 3
    assert found.statuses == [call["status"] for call in calls]


PASSING: tuple[dict[str, Any], ...] = (
    {"kind": "status"},
    {"kind": "reset"},
    {"kind": "truncated_json"},
    {"kind": "html_200"},
    {"kind": "gzip_error"},
    {"kind": "hang", "seconds": 2},
    {"kind": "retry_after", "form": "zero"},
)
"""Faults that a reading outlives if they pass."""


@behaviours(each("a fault that passes is outlived, and nothing is read wrong"))
def test_passing(case: Read, stand: Stand) -> None:
    items = prepared(stand, case, stand.capabilities.page_items + 1)
    for action in PASSING:
        stand.sandbox.scenario(**action, match={"nth": 2})
        hurried = {"connect_s": 0.5, "read_s": 0.3} if action["kind"] == "hang" else {}

        async def do(adapter: Adapter) -> Told:
            return await case.do(adapter, stand, [i.platform_id for i in items], None)

        found = stand.work(do, **{"timeouts": hurried} if hurried else {})
        assert sorted(found.ids) == sorted(item.platform_id for item in items), action
        stand.sandbox.clear_scenarios()


ENDS: tuple[tuple[dict[str, Any], Outcome, int], ...] = (
    ({"kind": "status", "status": 503}, Outcome.RETRYABLE, 3),
    ({"kind": "status", "status": 403}, Outcome.REFUSED, 1),
    ({"kind": "revoke_key"}, Outcome.AUTH_FAILED, 1),
    ({"kind": "reset"}, Outcome.UNKNOWN, 3),
    ({"kind": "html_200"}, Outcome.UNKNOWN, 3),
    ({"kind": "redirect"}, Outcome.REFUSED, 1),
    ({"kind": "retry_after", "form": "huge"}, Outcome.RETRYABLE, 1),
    ({"kind": "echo_secret"}, Outcome.RETRYABLE, 3),
)
"""Faults that last: how the reading fails, and how often it was tried."""


@behaviours(each("a fault that lasts is an error with its attempts, no half of a list"))
def test_lasting(case: Read, stand: Stand) -> None:
    items = prepared(stand, case, stand.capabilities.page_items + 1)
    for action, outcome, tries in ENDS:
        stand.sandbox.scenario(**action, times=None)
        with pytest.raises(PlatformError) as caught:
            told(stand, case, items)
        error = caught.value
        assert (error.outcome, len(error.calls)) == (outcome, tries), action
        assert stand.leaks(repr(vars(error)) + str(error)) == []
        # Dagster stores the context of an exception too
        assert (error.__context__, error.__cause__) == (None, None)
        stand.sandbox.clear_scenarios()


@behaviour(
    GROUP, "a price that was sent is told as it was sent; a product without one says so", PRICES
)
def test_prices(stand: Stand) -> None:
    items = stand.seed(5)[1:]
    sent = [*items[:2], stand.bench.item(items[2].platform_id, "0.10", stock="out_of_stock")]
    assert set(stand.ends(sent)) == {stand.bench.done}
    stand.sees(lambda held: held == wanted(sent))
    asked = [item.platform_sku or item.platform_id for item in items]

    found = stand.work(lambda adapter: adapter.read_prices(asked))

    assert [row.price for row in found] == [*(item.price for item in sent), None]
    assert [row.stock_status for row in found[:3]] == [item.stock_status for item in sent]
    assert {row.currency for row in found[:3]} == {"KES"}
    assert found[3].message


@behaviour(GROUP, "a price that cannot be read is an error with its attempts", PRICES)
def test_no_price(stand: Stand) -> None:
    items = stand.seed(1)
    asked = [items[0].platform_sku or items[0].platform_id]
    for action, outcome, tries in ENDS:
        stand.sandbox.scenario(**action, times=None)
        with pytest.raises(PlatformError) as caught:
            stand.work(lambda adapter: adapter.read_prices(asked))
        assert (caught.value.outcome, len(caught.value.calls)) == (outcome, tries), action
        assert stand.leaks(repr(vars(caught.value))) == []
        stand.sandbox.clear_scenarios()
