"""Pages of OR11: taken apart to the byte, and gone through without losing a row."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
import pytest

from marketsync_dagster.platforms.base import PlatformError
from marketsync_dagster.platforms.mirakl.order_pages import PAGE, Listed, Place, Walk, read_page
from marketsync_dagster.platforms.ordering import RawOrder

ONE = '{"order_id" : "A-1", "last_updated_date":"2026-11-21T06:30:05Z", "price": 1.10}'
TWO = '{"order_id":2,"last_updated_date":"soon","note":"}],\\"ü\\u00e9"}'


@pytest.mark.parametrize(
    "text",
    [
        f'{{"orders":[{ONE},{TWO}],"total_count":2}}',
        f' {{ "total_count" : 2 , "orders" : [ {ONE} ,\n {TWO} ] , "more": {{"orders": 1}} }} \r\n',
        f'\ufeff{{"orders":[{ONE},{TWO}],"total_count":2}}',
    ],
)
def test_a_page_is_taken_apart_to_the_byte(text: str) -> None:
    found = read_page(text.encode())
    assert found is not None
    assert [raw.document for raw in found.orders] == [ONE.encode(), TWO.encode()]
    assert [raw.external_id for raw in found.orders] == ["A-1", "2"]
    assert [raw.updated_at for raw in found.orders] == ["2026-11-21T06:30:05.000Z", ""]
    assert [str(document.get("price")) for document in found.documents] == ["1.10", "None"]
    assert found.total == 2


def test_a_row_that_is_no_order_is_kept_without_a_name() -> None:
    found = read_page(b'{"orders":[7,null,{"order_id":""},{"order_id":true}]}')
    assert found is not None
    assert [(raw.external_id, raw.document) for raw in found.orders[:2]] == [
        ("", b"7"),
        ("", b"null"),
    ]
    assert {raw.external_id for raw in found.orders} == {""}
    assert (found.total, read_page(b'{"orders":[],"total_count":0}')) == (None, Listed((), (), 0))


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"{}", b'{"orders":{}}', b'{"orders":[1,]}', b'{"orders":[1 2]}',
        b'{"orders":[1]', b'{"orders":[1]}x', b'{"orders":[1],}', b'{"orders" [1]}', b"<html>",
        b'{"orders":[NaN]}', b'{"orders":[{"a":1]}', b"\xff\xfe", b'{"total_count":1}', b"OK",
        b'{"orders":[' + b"[" * 5_000,
    ],
)  # fmt: skip
def test_what_is_no_page_is_none(body: bytes) -> None:
    assert read_page(body) is None


def listed(names: Sequence[int], total: int | None) -> Listed:
    rows = tuple(RawOrder(str(name), b"") for name in names)
    return Listed(rows, tuple({} for _ in rows), total)


class Platform:
    """Orders by number, as the platform lists them while a reading goes on."""

    def __init__(self, count: int, most: int = PAGE) -> None:
        self.rows = list(range(1, count + 1))
        self.most = most
        self.asked: list[int] = []
        self.total: int | None = -1
        """What it says, where that is not the truth."""
        self.bad: dict[int, Sequence[int]] = {}
        """Number of the call -> what it gives instead."""
        self.moves: dict[int, list[int]] = {}
        """Number of the call -> the rows after it."""

    def page(self, offset: int) -> Listed:
        self.asked.append(offset)
        number = len(self.asked)
        rows = self.bad.get(number, self.rows[offset : offset + self.most])
        total = len(self.rows) if self.total == -1 else self.total
        self.rows = self.moves.get(number, self.rows)
        return listed(rows, total)

    def read(self, position: str = "", pages: int | None = None) -> tuple[list[str], str]:
        """Names of all rows that are handed out, and where the reading stands."""
        walk, names = Walk(position), list[str]()
        while len(self.asked) < 60:
            found = self.page(walk.place.offset)
            following = walk.after(found)
            if following is None:
                continue
            names += [raw.external_id for raw in found.orders]
            pages = None if pages is None else pages - 1
            if not following or pages == 0:
                return names, following
        raise AssertionError("it never ends")


def every(count: int) -> set[str]:
    return {str(number) for number in range(1, count + 1)}


@pytest.mark.parametrize(
    ("count", "calls"), [(0, 1), (1, 1), (99, 1), (100, 2), (101, 2), (200, 3), (250, 3)]
)
def test_all_rows_are_read_once(count: int, calls: int) -> None:
    platform = Platform(count)
    names, _ = platform.read()
    assert (set(names), len(names), len(platform.asked)) == (every(count), count, calls)


@pytest.mark.parametrize("total", [None, 0, 3, 1_000_000])
def test_a_total_that_is_wrong_or_missing_hides_no_row_and_is_no_endless_search(
    total: int | None,
) -> None:
    platform = Platform(230)
    platform.total = total
    names, _ = platform.read()
    assert set(names) == every(230)
    assert len(platform.asked) <= 8


def test_a_platform_that_gives_less_than_a_page_at_once_is_read_to_the_end() -> None:
    names, _ = Platform(95, most=10).read()
    assert set(names) == every(95)


@pytest.mark.parametrize("call", [1, 2, 3])
def test_rows_that_leave_or_come_between_two_pages_cost_none(call: int) -> None:
    for gone, new in ((5, 0), (0, 5), (5, 5), (60, 0), (0, 130)):
        platform = Platform(350)
        left = list(range(1 + gone, 351))
        platform.moves = {call: [*range(-new + 1, 1), *left]}
        names, _ = platform.read()
        assert {str(number) for number in left} <= set(names), (gone, new)


def test_a_page_that_is_given_twice_is_asked_for_again() -> None:
    platform = Platform(250)
    platform.bad = {2: range(1, 101)}
    names, _ = platform.read()
    assert (set(names), len(names)) == (every(250), 250)
    assert platform.asked == [0, 100, 100, 200]


def test_a_platform_that_gives_the_same_page_for_ever_is_not_read_to_half() -> None:
    platform = Platform(250)
    platform.bad = dict.fromkeys(range(1, 60), range(1, 101))
    with pytest.raises(PlatformError, match="the same page from number"):
        platform.read()


@pytest.mark.parametrize("bad", [[*range(101, 199), *range(101, 103)], [*range(101, 201), 101]])
def test_rows_that_stand_twice_in_a_page_take_no_place_of_others(bad: list[int]) -> None:
    platform = Platform(250)
    platform.bad = {2: bad}
    names, _ = platform.read()
    assert set(names) == every(250)
    assert len(platform.asked) == 3, "the first time"


@pytest.mark.parametrize("lacking", [range(101, 150), range(110, 201)])
def test_rows_that_a_page_lacks_are_found_the_second_time(lacking: range) -> None:
    platform = Platform(250)
    platform.bad = {2: lacking}
    names, _ = platform.read()
    assert set(names) == every(250)
    platform.total = 0  # nobody knows then that any is missing
    assert len(platform.asked) <= 7


@pytest.mark.parametrize("pages", [1, 2, 3])
def test_a_reading_goes_on_where_another_one_stood(pages: int) -> None:
    platform = Platform(350)
    before, position = platform.read(pages=pages)
    asked = len(platform.asked)
    after, end = platform.read(position)
    assert (set(before) | set(after), end) == (every(350), "")
    assert len(platform.asked) - asked == 4 - pages, "nothing is read twice"
    # rows that were missing before it stood there are found all the same
    platform = Platform(350)
    platform.bad = {1: range(1, 91)}
    before, position = platform.read(pages=2)
    after, _ = platform.read(position)
    assert set(before) | set(after) == every(350)


def test_a_place_is_what_its_position_says() -> None:
    for place in (Place(), Place(100, 99, 250, again=True), Place(3, 2, None)):
        assert Place.of(str(place)) == place
    assert Place.of("") == Place()
    assert orjson.dumps(str(Place(1))) == b'"1/0//0"'
