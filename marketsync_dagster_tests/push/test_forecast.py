"""How many calls a push takes, and how long, at the least."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsync_dagster.config.settings import Quota
from marketsync_dagster.platforms.base import Capabilities, ImportKind
from marketsync_dagster.push.forecast import (
    Forecast,
    forecast,
    forecast_account,
    loads_of,
    rows_by_kind,
    time_words,
)

BATCHES = Capabilities(batch_items=100)
EACH_MINUTE = dict.fromkeys(
    [f"{kind.value}{part}" for kind in ImportKind for part in ("", "_status", "_report")], 60.0
)
IMPORTS = Capabilities(
    async_import=True,
    price_import=True,
    stock_import=True,
    batch_items=1_000,
    file_lines=50_000,
    intervals={**EACH_MINUTE, "stock_status": 15.0},
    status_of_many=frozenset({ImportKind.OFFERS, ImportKind.PRICES}),
)
NO_LIMIT = Quota(per_minute=None)


@pytest.mark.parametrize(
    ("rows", "quota", "calls", "seconds"),
    [
        (0, {}, 0, 0),
        (1, {}, 1, 0),
        (100, {}, 1, 0),
        (101, {}, 2, 0),
        (6_000, {}, 60, 0),
        (6_001, {}, 61, 60.3),
        (50_000, {"per_minute": 10}, 500, 49 * 60.3),
        (1_000, {"per_minute": None, "pause_s": 1.0}, 10, 9),
        # the pause is longer than what the quota asks for, and the other way round
        (1_000, {"per_minute": 5, "pause_s": 20.0}, 10, 180),
        (1_000, {"per_minute": 1, "pause_s": 20.0}, 10, 9 * 60.3),
    ],
)
def test_calls_of_batches_go_as_the_quota_lets_them(
    rows: int, quota: dict[str, Any], calls: int, seconds: float
) -> None:
    found = forecast({"": rows}, BATCHES, Quota(**quota))
    assert (found.calls, found.writes, found.status_calls) == (calls, calls, 0)
    assert found.seconds == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("rows", "families", "seconds"),
    [
        ({"offers": 1}, {"offers": 1, "offers_status": 1}, 0),
        ({"offers": 10_000}, {"offers": 10, "offers_status": 1}, 9 * 60.3),
        ({"prices": 10_000}, {"prices": 1, "prices_status": 1}, 0),
        ({"prices": 50_001}, {"prices": 2, "prices_status": 1}, 60.3),
        # no call tells of several imports of stock
        ({"stock": 100_001}, {"stock": 3, "stock_status": 3}, 2 * 60.3),
        # the families do not wait for each other
        (
            {"offers": 2_500, "prices": 9, "stock": 9},
            {"offers": 3, "offers_status": 1}
            | dict.fromkeys(["prices", "prices_status", "stock", "stock_status"], 1),
            2 * 60.3,
        ),
    ],
)
def test_imports_go_one_a_minute_of_a_kind_and_are_asked_for_as_seldom_as_can_be(
    rows: dict[str, int], families: dict[str, int], seconds: float
) -> None:
    found = forecast(rows, IMPORTS, NO_LIMIT)
    assert found.families == families
    assert found.seconds == pytest.approx(seconds)
    assert found.writes == sum(n for name, n in families.items() if not name.endswith("_status"))


@pytest.mark.parametrize(
    ("change", "calls"),
    [
        # ten thousand changed SKUs of twenty outlets of one account: a call for each full import,
        # and one to ask for all of a kind
        ("offers", 10 + 1),
        ("prices", 1 + 1),
        ("stock", 1 + 1),
    ],
)
def test_the_channels_of_an_account_share_its_imports(change: str, calls: int) -> None:
    channels = [{change: 500}] * 20
    assert forecast_account(channels, IMPORTS, NO_LIMIT).calls == calls
    alone = [forecast(rows, IMPORTS, NO_LIMIT).calls for rows in channels]
    assert sum(alone) == 40
    # without imports nothing is shared but the quota
    plain = forecast_account([{"": 250}] * 20, BATCHES, Quota(per_minute=10))
    assert (plain.calls, plain.seconds) == (60, pytest.approx(5 * 60.3))


def test_the_first_look_and_the_accounts_own_quota_count_too() -> None:
    late = Capabilities(async_import=True, batch_items=10, first_look_s=30.0)
    assert forecast({"offers": 5}, late, NO_LIMIT).seconds == 30.0
    # the last of three imports is started after two minutes
    paced = replace(IMPORTS, first_look_s=30.0)
    assert forecast({"offers": 2_500}, paced, NO_LIMIT).seconds == pytest.approx(2 * 60.3 + 30)
    assert forecast({"offers": 30}, late, Quota(per_minute=2)).calls == 6
    assert forecast({"offers": 30}, late, Quota(per_minute=2)).seconds == pytest.approx(120.6)


COUNTS = st.integers(0, 120_000)


@given(st.lists(st.fixed_dictionaries({k.value: COUNTS for k in ImportKind}), max_size=5), COUNTS)
def test_together_takes_no_more_than_alone_and_more_rows_take_no_less(
    channels: list[dict[str, int]], more: int
) -> None:
    together = forecast_account(channels, IMPORTS, Quota())
    assert together.calls <= sum(forecast(rows, IMPORTS, Quota()).calls for rows in channels)
    assert together.calls == together.writes + together.status_calls
    wider = forecast_account([*channels, {"offers": more}], IMPORTS, Quota())
    assert wider.calls >= together.calls
    assert wider.seconds >= together.seconds


def test_a_call_every_minute_uses_up_what_a_minute_gives() -> None:
    asked = {"offers": 2, "offers_status": 1}
    assert loads_of(asked, IMPORTS, NO_LIMIT) == {
        "offers": pytest.approx(120.6),
        "offers_status": pytest.approx(60.3),
    }
    assert loads_of({"": 30}, BATCHES, Quota(per_minute=10)) == {"": pytest.approx(3 * 60.3)}
    assert loads_of({}, BATCHES, Quota()) == {}


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "less than a minute"),
        (20, "less than a minute"),
        (50, "about 1 minute"),
        (660, "about 11 minutes"),
        (7_200, "about 2 hours"),
        (9_000, "about 2.5 hours"),
    ],
)
def test_how_long_it_takes_is_said_in_words(seconds: float, words: str) -> None:
    assert time_words(seconds) == words
    assert Forecast({"": 12}, seconds).words == f"12 calls, {words}"


def test_nothing_to_send_is_no_call() -> None:
    assert forecast({}, IMPORTS, Quota()).words == "no call"
    assert Forecast().to_dict() == {"calls": 0, "writes": 0, "status_calls": 0, "minutes": 0.0}


def test_rows_without_a_kind_go_as_offers_where_there_are_imports() -> None:
    rows = pd.DataFrame({"sku": ["1", "2", "3"]})
    kinds = rows.assign(import_kind=["prices", "offers", "prices"])
    assert rows_by_kind(rows, BATCHES) == {"": 3}
    assert rows_by_kind(rows, IMPORTS) == {"offers": 3}
    assert rows_by_kind(kinds, IMPORTS) == {"offers": 1, "prices": 2}
    assert rows_by_kind(kinds.head(0), IMPORTS) == {}
