"""Items are cut into calls that fit, none lost, in their order."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from marketsync_dagster.platforms.amounts import exact_text
from marketsync_dagster.platforms.batching import ranges


def sizes(items: Sequence[int]) -> Sequence[int]:
    return items


@given(st.lists(st.integers(1, 60), max_size=60), st.integers(1, 12), st.integers(10, 100))
def test_every_item_is_in_one_range_and_every_range_fits(
    items: list[int], most_items: int, most_bytes: int
) -> None:
    longest = max(items, default=0)
    found = ranges(
        items, most_items=most_items, most_bytes=most_bytes, longest=longest, sizes=sizes
    )
    assert [item for start, end in found for item in items[start:end]] == items
    for start, end in found:
        assert 1 <= end - start <= most_items
        assert sum(items[start:end]) <= most_bytes or end - start == 1
    # no call more than needed: what follows would not have fitted
    for (start, end), _ in itertools.pairwise(found):
        assert end - start == most_items or sum(items[start : end + 1]) > most_bytes


def test_bytes_are_only_counted_where_the_bound_does_not_settle_it() -> None:
    def never(_: Sequence[int]) -> list[int]:
        raise AssertionError("counted")

    assert ranges([1] * 5, most_items=2, most_bytes=20, longest=10, sizes=never) == [
        (0, 2),
        (2, 4),
        (4, 5),
    ]


@given(st.integers(0, 10_000_000_00), st.sampled_from(["KES", "JPY", "KWD"]))
def test_a_price_is_written_with_all_decimals_of_its_currency(minor: int, currency: str) -> None:
    from marketsync_dagster.values.money import exponent, to_decimal

    text = exact_text(to_decimal(minor, currency), currency)
    whole, _, fraction = text.partition(".")
    assert len(fraction) == exponent(currency)
    assert int(whole + fraction) == minor
