"""The catalogue is read to its end whatever moves, repeats, lies or fails on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from marketsync_dagster.platforms.answers import Readable
from marketsync_dagster.platforms.base import Answer, Call, CatalogPage, PlatformError
from marketsync_dagster.platforms.http import Cleaner
from marketsync_dagster.platforms.reading import RetryRules
from marketsync_dagster.platforms.tracker_ke.catalog import pages
from marketsync_dagster.values.outcomes import Outcome

CALL = Call("GET", "/products", 200, 1)
NO_DELAYS = RetryRules(attempts=3, base_s=0, cap_s=0, budget_s=5)


def page_of(ids: list[int], total: int | None, more: bool | None) -> Readable:
    products = [{"id": f"p{i}", "name": f"Product {i}"} for i in ids]
    document = {"data": {"products": products, "pagination": {"total": total, "has_more": more}}}
    return Readable(document, Cleaner(()), CALL, 200)


def read(fetch: Callable[[int], Answer | Readable], **more: Any) -> list[CatalogPage]:
    async def asked(params: dict[str, str]) -> Answer | Readable:
        assert params["limit"] == "100"
        return fetch(int(params["offset"]))

    async def collected() -> list[CatalogPage]:
        retry = more.pop("retry", NO_DELAYS)
        return [page async for page in pages(asked, more.pop("search", None), retry, **more)]

    return asyncio.run(collected()) if "pace" in more else read(fetch, pace=None, **more)


def ids(found: list[CatalogPage]) -> list[str | None]:
    return [row["platform_id"] for page in found for row in page.rows]


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 200, 250])
def test_every_product_is_read_once_at_every_size(count: int) -> None:
    asked: list[int] = []

    def fetch(offset: int) -> Readable:
        asked.append(offset)
        end = min(offset + 100, count)
        return page_of(list(range(offset, end)), count, end < count)

    assert ids(read(fetch)) == [f"p{i}" for i in range(count)]
    assert len(asked) == count // 100 + 1


def test_a_server_that_gives_less_than_asked_for_is_read_on() -> None:
    def fetch(offset: int) -> Readable:
        end = min(offset + 50, 120)
        return page_of(list(range(offset, end)), 120, end < 120)

    assert len(ids(read(fetch))) == 120


def test_a_full_page_is_not_believed_to_be_the_last() -> None:
    def fetch(offset: int) -> Readable:
        return page_of(list(range(offset, min(offset + 100, 150))), None, False)

    assert len(ids(read(fetch))) == 150


def test_an_empty_page_that_promises_more_is_the_end() -> None:
    asked: list[int] = []

    def fetch(offset: int) -> Readable:
        asked.append(offset)
        return page_of([], 0, True)

    assert ids(read(fetch)) == []
    assert asked == [0]


def test_a_catalogue_that_moved_is_read_once_more_and_nothing_twice() -> None:
    catalogue = list(range(200))

    def fetch(offset: int) -> Readable:
        if offset == 100 and len(catalogue) == 200:
            del catalogue[:30]  # thirty left: the next page skips thirty that stay
        listed = catalogue[offset : offset + 100]
        return page_of(listed, len(catalogue), offset + 100 < len(catalogue))

    found = ids(read(fetch))
    assert len(found) == len(set(found))
    assert {f"p{i}" for i in range(30, 200)} <= set(found)


def test_a_page_given_twice_costs_one_more_pass() -> None:
    passes: list[int] = []

    def fetch(offset: int) -> Readable:
        passes.append(offset)
        first = 0 if len(passes) == 2 else offset
        return page_of(list(range(first, min(first + 100, 250))), 250, offset + 100 < 250)

    found = ids(read(fetch))
    assert sorted(found, key=str) == sorted({f"p{i}" for i in range(250)}, key=str)
    assert passes == [0, 100, 200, 0, 100, 200]


def test_two_passes_are_the_most_even_if_the_total_is_never_reached() -> None:
    asked: list[int] = []

    def fetch(offset: int) -> Readable:
        asked.append(offset)
        return page_of([1, 2], 5_000, False)

    assert ids(read(fetch)) == ["p1", "p2"]
    assert asked == [0, 0]


def test_a_failed_page_is_tried_again_and_every_attempt_is_reported() -> None:
    paced = 0
    busy = Call("GET", "/products", 429, 1)
    given = [Answer(busy, outcome=Outcome.RETRYABLE, retry_after_s=0.01), page_of([1], 1, False)]

    async def pace() -> None:
        nonlocal paced
        paced += 1

    (page,) = read(lambda offset: given.pop(0), pace=pace)
    assert page.calls == (busy, CALL)
    assert paced == 2


@pytest.mark.parametrize(
    ("outcome", "tries"),
    [
        (Outcome.RETRYABLE, 3),
        (Outcome.UNKNOWN, 3),
        (Outcome.AUTH_FAILED, 1),
        (Outcome.REFUSED, 1),
    ],
)
def test_only_what_may_pass_is_tried_again(outcome: Outcome, tries: int) -> None:
    with pytest.raises(PlatformError) as caught:
        read(lambda offset: Answer(CALL, outcome=outcome, message="no"))
    assert caught.value.outcome is outcome
    assert len(caught.value.calls) == tries
    assert "at product 0: no" in caught.value.message


def test_a_wait_beyond_the_budget_is_not_waited_for() -> None:
    answer = Answer(CALL, outcome=Outcome.RETRYABLE, message="busy", retry_after_s=300)
    with pytest.raises(PlatformError) as caught:
        read(lambda offset: answer)
    assert len(caught.value.calls) == 1
    assert caught.value.retry_after_s == 300


def test_an_answer_that_is_no_page_is_refused() -> None:
    odd = Readable({"data": {"items": []}}, Cleaner(()), CALL, 200)
    with pytest.raises(PlatformError, match="not a page of products"):
        read(lambda offset: odd)
