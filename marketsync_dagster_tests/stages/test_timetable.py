"""Schedules that an account's quota cannot carry, and those that it can."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pytest

from marketsync_dagster.catalog.frames import FrameStore
from marketsync_dagster.stages.feed import feed_key
from marketsync_dagster.stages.mapping import platform_catalog_key
from marketsync_dagster.stages.timetable import overloads
from marketsync_dagster_tests.config.texts import load

CONFIG = """\
version: 1
outlets:
  a: {{name: A, extract: {{path: extracts/a}}}}
  b: {{name: B, extract: {{path: extracts/b}}}}
accounts:
  track:
    platform: tracker_ke
    base_url: https://api.example/v1
    api_key: {{env: TRACK_KEY}}
    {track}
  shop:
    platform: mirakl
    base_url: https://shop.example/api
    api_key: {{env: SHOP_KEY}}
    offer_sku: "{{outlet}}-{{sku}}"
    {shop}
channels:
  - {{outlet: a, account: track, push_enabled: true, auto_push: {auto}}}
  - {{outlet: a, account: shop, push_enabled: true, auto_push: {auto}}}
  - {{outlet: b, account: shop, push_enabled: true, auto_push: {auto}}}
schedules: {{{schedules}}}
"""
NONE = dict.fromkeys(
    "partial full stock products orders mappings reconcile connections retention".split(), "null"
)


def found(
    folder: Path,
    schedules: Mapping[str, str],
    *,
    rows: int | None = None,
    track: str = "",
    shop: str = "",
    auto: str = "true",
) -> list[str]:
    """What is said of a project with these schedules alone; `rows` of each feed that was stored."""
    said = ", ".join(f'{key}: "{cron}"' for key, cron in schedules.items())
    none = ", ".join(f"{key}: null" for key in NONE if key not in schedules)
    both = ", ".join(filter(None, [said, none]))
    settings = load(folder, CONFIG.format(track=track, shop=shop, auto=auto, schedules=both))
    frames = FrameStore(folder / "home")
    if rows is not None:
        frame = pd.DataFrame({"sku": pd.array([str(n) for n in range(rows)], dtype="str")})
        for platform, outlet in (("tracker_ke", "a"), ("mirakl", "a"), ("mirakl", "b")):
            frames.write(feed_key(platform), outlet, frame, inputs="")
        frames.write(platform_catalog_key("tracker_ke"), "track", frame, inputs="")
    return [f"{'.'.join(map(str, one.at))}: {one.message}" for one in overloads(settings, frames)]


DEFAULTS = {
    "partial": "*/30 * * * *",
    "full": "0 2 * * *",
    "stock": "*/30 * * * *",
    "products": "0 * * * *",
    "orders": "*/15 * * * *",
    "mappings": "0 3 * * *",
    "reconcile": "0 4 * * *",
    "connections": "0 * * * *",
    "retention": "30 4 * * *",
}


@pytest.mark.parametrize("rows", [None, 0, 30_000])
def test_what_is_done_when_nothing_is_said_can_be_carried(rows: int | None, tmp_path: Path) -> None:
    assert found(tmp_path, DEFAULTS, rows=rows) == []


@pytest.mark.parametrize(
    ("schedules", "said", "words"),
    [
        # an import a minute, and the margin that is left to a clock that is not ours
        (
            {"partial": "* * * * *"},
            {},
            (
                "schedules.partial: partial_sync makes at least 2 calls of the account shop, which "
                "take 61 seconds, and it fires every 60 seconds: let it fire less often, or see "
                "accounts.shop.calls.prices_s, if the platform allows more"
            ),
        ),
        ({"stock": "* * * * *"}, {}, "accounts.shop.calls.stock_s"),
        ({"stock": "* * * * *"}, {"shop": "stock_import: false"}, "accounts.shop.calls.offers_s"),
        ({"partial": "*/2 * * * *"}, {}, None),
        ({"products": "* * * * *"}, {}, "product_sync makes at least 2 calls of the account shop"),
        # nobody pushes by itself where auto_push is off; products are offered all the same
        ({"partial": "* * * * *"}, {"auto": "false"}, None),
        ({"products": "* * * * *"}, {"auto": "false"}, "product_sync"),
        # every row: 25 batches of 100 at 1 call a minute; 2 outlets with 2,500 offers, 5 imports
        ({"full": "*/30 * * * *"}, {"rows": 2_500}, None),
        (
            {"full": "*/24 * * * *"},
            {"rows": 2_500, "track": "quota: {per_minute: 1}"},
            (
                "schedules.full: full_sync makes at least 25 calls of the account track, which "
                "take 26 minutes, and it fires every 12 minutes: let it fire less often, or raise "
                "accounts.track.quota.per_minute, if the plan allows more"
            ),
        ),
        (
            {"full": "*/5 * * * *"},
            {"rows": 2_500},
            (
                "full_sync makes at least 6 calls of the account shop, which take 6 minutes, and "
                "it fires every 5 minutes: let it fire less often, or see "
                "accounts.shop.calls.offers_s, if the platform allows more, or give the account "
                "fewer channels"
            ),
        ),
        # without a feed nobody knows how many rows there are
        ({"full": "*/24 * * * *"}, {"track": "quota: {per_minute: 1}"}, None),
        # a call for each price that is read back, but a hundred offers in a page
        (
            {"reconcile": "*/15 * * * *"},
            {"rows": 5_000},
            "reconcile makes at least 1,000 calls of the account track, which take 17 minutes",
        ),
        ({"reconcile": "*/15 * * * *"}, {"rows": 5_000, "track": "reconcile: {most: 500}"}, None),
        (
            {"reconcile": "0 * * * *"},
            {"rows": 5_000, "track": "reconcile: {most: null}"},
            (
                "5,000 calls of the account track, which take 84 minutes, and it fires every 60 "
                "minutes: let it fire less often, or raise accounts.track.quota.per_minute, if the "
                "plan allows more, or set accounts.track.reconcile.most"
            ),
        ),
        (
            {"mappings": "* * * * *"},
            {"rows": 9_000},
            "refresh_mappings makes at least 90 calls of the account track",
        ),
        ({"connections": "* * * * *"}, {"track": "quota: {per_minute: 1}"}, "61 seconds"),
        ({"connections": "* * * * *"}, {}, None),
        ({"retention": "* * * * *"}, {}, None),
    ],
)
def test_a_schedule_is_held_against_what_its_runs_take(
    schedules: dict[str, str], said: dict[str, str], words: str | None, tmp_path: Path
) -> None:
    messages = found(tmp_path, schedules, **said)  # pyright: ignore[reportArgumentType]
    if words is None:
        assert messages == []
    else:
        assert [words in one for one in messages] == [True]


def test_an_accounts_own_schedule_is_named_where_it_stands(tmp_path: Path) -> None:
    own = 'schedules: {partial: "* * * * *"}'
    (message,) = found(tmp_path, {"partial": "*/30 * * * *"}, shop=own)
    assert message.startswith("accounts.shop.schedules.partial: partial_sync makes at least 2")
    # and the common one is none of its business
    none = "schedules: {partial: null}"
    assert found(tmp_path, {"partial": "* * * * *"}, shop=none) == []


def test_one_line_says_it_of_all_accounts_of_a_schedule(tmp_path: Path) -> None:
    slow = "quota: {per_minute: 1}"
    (message,) = found(tmp_path, {"partial": "* * * * *"}, track=slow, shop=slow)
    assert "of the account shop (and of 1 other account), which take 121 seconds" in message


def test_schedules_that_can_be_carried_alone_may_be_too_much_together(tmp_path: Path) -> None:
    pair = {"full": "*/30 * * * *", "products": "*/2 * * * *"}
    (message,) = found(tmp_path, pair, rows=9_000)
    assert message == (
        "schedules.full: the schedules take 111% of what the account shop may call (full_sync 19 "
        "calls every 30 minutes, product_sync 2 calls every 120 seconds): let it fire less often, "
        "or see accounts.shop.calls.offers_s, if the platform allows more, or give the account "
        "fewer channels"
    )
    # families of calls do not wait for each other
    assert found(tmp_path, {"partial": "*/2 * * * *", "stock": "*/2 * * * *"}) == []
