"""The partitions of every asset by outlet: the outlets, in the order of the configuration."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import dagster as dg

from marketsync_dagster.config.settings import Settings

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"


def outlet_partitions(settings: Settings) -> dg.StaticPartitionsDefinition:
    """One partition per outlet; every asset by outlet shares this definition."""
    return dg.StaticPartitionsDefinition(list(settings.outlets))


def contiguous_ranges(selected: Iterable[str], every: Sequence[str]) -> list[tuple[str, str]]:
    """First and last outlet of each unbroken stretch of `selected` within `every`.

    A run covers one stretch: Dagster has no tag for a list of partitions. Raises KeyError for an
    outlet that is not in `every`.
    """
    places = {outlet: place for place, outlet in enumerate(every)}
    ranges: list[tuple[int, int]] = []
    for place in sorted({places[outlet] for outlet in selected}):
        if ranges and ranges[-1][1] == place - 1:
            ranges[-1] = (ranges[-1][0], place)
        else:
            ranges.append((place, place))
    return [(every[first], every[last]) for first, last in ranges]


def range_tags(first: str, last: str) -> dict[str, str]:
    """The tags of a run over the outlets from `first` to `last`."""
    return {RANGE_START: first, RANGE_END: last}
