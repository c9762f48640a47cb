"""Outlets as partitions, and the stretches that runs cover."""

from __future__ import annotations

from pathlib import Path

import pytest

from marketsync_dagster.automation.partitions import (
    contiguous_ranges,
    outlet_partitions,
    range_tags,
)
from marketsync_dagster_tests.assets.fakes import OUTLETS, settings_of, write_config


def test_partitions_are_the_outlets_in_the_order_of_the_configuration(tmp_path: Path) -> None:
    settings = settings_of(write_config(tmp_path))
    assert outlet_partitions(settings).get_partition_keys() == list(OUTLETS)


@pytest.mark.parametrize(
    ("selected", "ranges"),
    [
        ("", []),
        ("c", [("c", "c")]),
        ("abcde", [("a", "e")]),
        ("edcba", [("a", "e")]),
        ("ac", [("a", "a"), ("c", "c")]),
        ("abdea", [("a", "b"), ("d", "e")]),
    ],
)
def test_a_selection_becomes_one_range_per_unbroken_stretch(
    selected: str, ranges: list[tuple[str, str]]
) -> None:
    assert contiguous_ranges(selected, "abcde") == ranges


def test_an_unknown_outlet_is_not_passed_over() -> None:
    with pytest.raises(KeyError):
        contiguous_ranges(["x"], ["a", "b"])


def test_range_tags_are_the_ones_that_dagster_reads() -> None:
    from dagster._core.storage.tags import (
        ASSET_PARTITION_RANGE_END_TAG,
        ASSET_PARTITION_RANGE_START_TAG,
    )

    assert range_tags("a", "b") == {
        ASSET_PARTITION_RANGE_START_TAG: "a",
        ASSET_PARTITION_RANGE_END_TAG: "b",
    }
