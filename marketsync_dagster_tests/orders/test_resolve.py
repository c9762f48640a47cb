"""Which product of which outlet a line is, by the name that its source sells it under."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from marketsync_dagster.config.load import load_settings
from marketsync_dagster.config.settings import Settings
from marketsync_dagster.orders.resolve import Resolved, Resolver, known_in

KNOWN = {"westlands": {"1001", "w-1"}, "karen": {"1001", "2002", "-x"}}


def settings_of(tmp_path: Path, offer_sku: str, *outlets: str, **shops: Any) -> Settings:
    document = {
        "version": 1,
        "outlets": {
            name: {"name": name, "extract": {"path": name}} for name in ("westlands", "karen")
        },
        "accounts": {
            "best_buy": {
                "platform": "mirakl",
                "base_url": "https://example.test/api",
                "api_key": {"env": "KEY"},
                "offer_sku": offer_sku,
                "orders": {},
            }
        },
        "channels": [
            {"outlet": name, "account": "best_buy", "store_id": f"S{index}"}
            for index, name in enumerate(outlets)
        ],
        "shops": shops,
    }
    file = tmp_path / "marketsync.yaml"
    file.write_text(yaml.safe_dump(document))
    return load_settings(file)


@pytest.mark.parametrize(
    ("template", "name", "found"),
    [
        ("{sku}", "1001", Resolved("westlands", "1001")),
        ("{sku}", " 1001 ", Resolved("westlands", "1001")),
        ("{sku}", "2002", Resolved("westlands", "", "westlands has no product '2002'")),
        ("{sku}", "", Resolved(problem="its source does not say what was sold")),
    ],
)
def test_one_channel(tmp_path: Path, template: str, name: str, found: Resolved) -> None:
    settings = settings_of(tmp_path, template, "westlands")
    assert Resolver(settings, known_in(KNOWN))("best_buy", name) == found


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("westlands-1001", Resolved("westlands", "1001")),
        ("karen-1001", Resolved("karen", "1001")),
        ("karen--x", Resolved("karen", "-x")),
        ("karen-w-1", Resolved("karen", "", "karen has no product 'w-1'")),
        ("karen-", Resolved(problem="'karen-' is not how offers of best_buy are named")),
        ("kilimani-1", Resolved(problem="'kilimani-1' is not how offers of best_buy are named")),
    ],
)
def test_several_channels_are_told_apart_by_the_name(
    tmp_path: Path, name: str, found: Resolved
) -> None:
    settings = settings_of(tmp_path, "{outlet}-{sku}", "westlands", "karen")
    assert Resolver(settings, known_in(KNOWN))("best_buy", name) == found


def test_an_account_without_channels_sells_nothing(tmp_path: Path) -> None:
    found = Resolver(settings_of(tmp_path, "{sku}"), known_in(KNOWN))("best_buy", "1001")
    assert (found.outlet, found.sku) == ("", "")
    assert "no channel" in found.problem


@pytest.mark.parametrize(
    ("shop", "said", "found"),
    [
        ({"outlet": "karen"}, "", Resolved("karen", "2002")),
        ({"outlet": "karen"}, "westlands", Resolved("westlands", "")),
        ({}, "karen", Resolved("karen", "2002")),
        ({}, "", Resolved()),
        ({}, "kilimani", Resolved()),
    ],
)
def test_an_own_shop_sells_what_the_outlet_has(
    tmp_path: Path, shop: dict[str, Any], said: str, found: Resolved
) -> None:
    settings = settings_of(tmp_path, "{sku}", web={"folder": "web", **shop})
    got = Resolver(settings, known_in(KNOWN))("web", "2002", said)
    assert (got.outlet, got.sku) == (found.outlet, found.sku)
    assert bool(got.problem) is not bool(got.sku)


def test_each_product_is_looked_for_once(tmp_path: Path) -> None:
    asked: list[str] = []

    def known(_outlet: str, skus: Any) -> Any:
        asked.extend(skus)
        return skus

    resolver = Resolver(settings_of(tmp_path, "{sku}", "westlands"), known)
    for _ in range(3):
        resolver("best_buy", "1001")
        resolver("best_buy", "1002")
    assert asked == ["1001", "1002"]
