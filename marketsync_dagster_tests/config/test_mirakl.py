"""Mirakl accounts: many outlets in one shop, each offer under a name of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from marketsync_dagster.config.accounts import MiraklAccount
from marketsync_dagster.config.mirakl import MiraklOffer, around_sku
from marketsync_dagster_tests.config.texts import load, mistakes

TEXT = """\
version: 1
outlets:
  a: {name: A, extract: {path: extracts/a}}
  ab: {name: AB, extract: {path: extracts/ab}}
accounts:
  shop:
    platform: mirakl
    base_url: https://market.example/api
    api_key: {env: SHOP_KEY}
    shop_id: 1
    offer_sku: "%s"
  other:
    platform: mirakl
    base_url: https://market.example/api
    api_key: {env: %s}
    shop_id: %s
channels:
  - {outlet: a, account: shop%s}
  - {outlet: ab, account: shop%s}
"""


def text(
    template: str,
    stores: tuple[str | None, str | None] = (None, None),
    key: str = "OTHER_KEY",
    shop: str = "1",
) -> str:
    more = ["" if store is None else f', store_id: "{store}"' for store in stores]
    return TEXT % (template, key, shop, *more)


@pytest.mark.parametrize(
    ("template", "stores"),
    [
        ("{outlet}-{sku}", (None, None)),
        ("{sku}-{outlet}", (None, None)),
        ("{sku} {outlet}", (None, None)),
        ("{sku}b{outlet}", (None, None)),  # neither "ba" nor "bab" ends like the other
        ("x.{outlet}.{sku}.y", (None, None)),
        ("{store_id}-{sku}", ("017", "018")),
        ("{store_id}{sku}", ("017", "018")),
        ("{outlet}-{store_id}-{sku}", ("1", "1")),
    ],
)
def test_outlets_share_a_shop_where_names_tell_them_apart(
    tmp_path: Path, template: str, stores: tuple[str | None, str | None]
) -> None:
    settings = load(tmp_path, text(template, stores))
    names = {
        sku.join(around_sku(template, channel.outlet, channel.store_id))
        for channel in settings.channels
        for sku in ("1", "b-1", "b1", "-1", "1-a")
    }
    assert len(names) == 10


@pytest.mark.parametrize(
    ("template", "stores", "place", "words"),
    [
        ("{sku}", (None, None), "accounts.shop.offer_sku", "expected {outlet} or {store_id}"),
        ("x-{sku}", (None, None), "accounts.shop.offer_sku", "expected {outlet} or {store_id}"),
        # outlet a with SKU b1 is outlet ab with SKU 1
        ("{outlet}{sku}", (None, None), "accounts.shop.offer_sku", "outlets a and ab apart"),
        ("{outlet}b{sku}", (None, None), "accounts.shop.offer_sku", "outlets a and ab apart"),
        ("{store_id}-{sku}", ("1", "1"), "channels[1].store_id", "outlets a and ab apart"),
        ("{store_id}-{sku}", ("1", "1-2"), "channels[1].store_id", "outlets a and ab apart"),
        ("{store_id}-{sku}", ("1", None), "channels[1].store_id", "expected the store's id"),
        ("{store_id}-{sku}", ("1", " 2"), "channels[1].store_id", "white space around it"),
    ],
)
def test_names_that_two_outlets_could_share_are_refused(
    tmp_path: Path, template: str, stores: tuple[str | None, str | None], place: str, words: str
) -> None:
    found = mistakes(tmp_path, text(template, stores))
    assert len(found) == 1, found
    assert f" {place}: " in found[0]
    assert words in found[0]


@pytest.mark.parametrize(
    ("key", "shop", "fine"),
    [
        ("SHOP_KEY", "2", True),
        ("OTHER_KEY", "1", True),
        ("SHOP_KEY", "1", False),
        ("SHOP_KEY", "null", False),  # any of the key's shops: perhaps this one
    ],
)
def test_a_shop_has_one_account(tmp_path: Path, key: str, shop: str, fine: bool) -> None:
    found = mistakes(tmp_path, text("{outlet}-{sku}", key=key, shop=shop))
    assert (found == []) == fine
    if not fine:
        assert "accounts.other.shop_id: expected a shop of its own" in found[0]
    moved = text("{outlet}-{sku}", key=key, shop=shop).replace(
        "https://market.example/api", "https://market.example:443/other", 1
    )
    assert mistakes(tmp_path, moved) == []


def test_one_outlet_alone_needs_no_name_beside_the_sku(tmp_path: Path) -> None:
    alone = text("{sku}").replace("  - {outlet: ab, account: shop}\n", "")
    account = load(tmp_path, alone).accounts["shop"]
    assert isinstance(account, MiraklAccount)
    assert account.retry.retry_after_cap_s == 3600
    assert account.retry.attempts == 3


def test_what_an_account_says_of_every_offer_is_written_as_the_platform_has_it() -> None:
    assert MiraklOffer().fields() == {"state_code": "11"}
    offer = MiraklOffer(leadtime_to_ship=0, additional_fields={"b": "2", "a": "1"})
    assert offer.fields() == {
        "state_code": "11",
        "leadtime_to_ship": 0,
        "offer_additional_fields": [{"code": "a", "value": "1"}, {"code": "b", "value": "2"}],
    }
