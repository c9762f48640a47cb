"""Which products can be offered, what their offers say besides price and stock, and why others
cannot."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from marketsync_dagster.catalog import schemas
from marketsync_dagster.catalog.arrow import text
from marketsync_dagster.catalog.categories import Categories, read_categories
from marketsync_dagster.catalog.offers import (
    build_offers,
    details_of,
    figures,
    offer_name,
    offer_names,
)
from marketsync_dagster.config.accounts import MiraklAccount, TrackerAccount
from marketsync_dagster.config.channels import Channel
from marketsync_dagster.config.mirakl import MiraklOffer
from marketsync_dagster_tests.catalog.builders import Row, catalog

PLAIN = MiraklOffer(leadtime_to_ship=2)
ROWS: list[Row] = [
    {"sku": "tea", "category": "Tea"},
    {"sku": "tv", "category": " t v "},
    {"sku": "old", "category": "Tea", "active": False},
    {"sku": "promo", "category": "Tea", "price_note": "no promotion holds now"},
    {"sku": "odd", "category": "Oddments"},
    {"sku": "none", "category": None},
    {"sku": "all", "category": "Oddments", "active": False, "price_note": "x"},
]


@pytest.fixture
def categories(tmp_path: Path) -> Categories:
    file = tmp_path / "categories.csv"
    file.write_text(
        "category,code,leadtime_to_ship,state_code\nTea,T,,\nTV,SCREENS,9,10\nOil,O,,\n"
    )
    return read_categories(file)


def offers(
    categories: Categories | None,
    shown: Collection[str] = (),
    before: Mapping[str, str] | None = None,
    rows: list[Row] = ROWS,
) -> tuple[pd.DataFrame, dict[str, int], list[str]]:
    """The OFFERS of rows, the figures, and which SKUs were asked for."""
    asked: list[str] = []

    def is_shown(skus: list[str]) -> set[str]:
        asked.extend(skus)
        return set(skus) & set(shown)

    frame = catalog(rows)
    found = build_offers(frame, PLAIN, categories, is_shown, lambda: before or {})
    schemas.validate(schemas.OFFERS, found, what="offers")
    return found, figures(found, frame, categories), asked


def column(frame: pd.DataFrame, name: str) -> dict[str, Any]:
    values = frame[name].astype(object)
    return dict(zip(frame["sku"], values.where(values.notna(), None), strict=True))


def test_products_are_offered_with_what_account_and_category_say(categories: Categories) -> None:
    found, numbers, _ = offers(categories)
    details = column(found, "details")
    assert json.loads(details["tea"]) == {"leadtime_to_ship": 2, "state_code": "11"}
    assert json.loads(details["tv"]) == {"leadtime_to_ship": 9, "state_code": "10"}
    assert column(found, "category_code") == {
        "tea": "T", "tv": "SCREENS", "old": "T", "promo": "T", "odd": None, "none": None,
        "all": None,
    }  # fmt: skip
    assert numbers == {
        "rows": 7, "offered": 2, "rejected": 5, "inactive": 2, "without_price": 1,
        "without_category": 2, "kept": 0, "unused_categories": 1,
    }  # fmt: skip


def test_each_product_that_is_not_offered_says_why_and_what_to_do(categories: Categories) -> None:
    found, _, asked = offers(categories)
    assert column(found, "reason") == {
        "tea": None,
        "tv": None,
        "old": "inactive in the till, and never offered",
        "promo": "it has no price now, and was never offered",
        "odd": "its category 'Oddments' is not in categories.csv",
        "none": "it has no category in the till",
        "all": "inactive in the till, and never offered",
    }
    steps = column(found, "next_step")
    assert [sku for sku, step in steps.items() if step] == asked
    assert str(categories.path) in steps["odd"]


def test_what_is_offered_already_stays_whatever_the_till_says(categories: Categories) -> None:
    """Its price or its stock may be wrong otherwise; what is sold no more has quantity 0."""
    found, numbers, _ = offers(categories, shown=["old", "promo", "odd", "none"])
    assert found["sku"][found["details"].notna()].tolist() == [
        "tea", "tv", "old", "promo", "odd", "none",
    ]  # fmt: skip
    assert (numbers["kept"], numbers["rejected"], numbers["inactive"]) == (4, 1, 1)


def test_a_category_that_has_lost_its_line_leaves_its_offers_as_they_are(
    categories: Categories,
) -> None:
    found, _, _ = offers(categories, shown=["odd", "none", "old"], before={"odd": '{"x":1}'})
    details = column(found, "details")
    assert details["odd"] == '{"x":1}'
    assert details["none"] == details["tea"]


def test_without_a_file_every_category_will_do(categories: Categories) -> None:
    found, numbers, _ = offers(None)
    assert found["sku"][found["details"].notna()].tolist() == ["tea", "tv", "odd", "none"]
    assert found["category_code"].isna().all()
    assert (numbers["without_category"], "unused_categories" in numbers) == (0, False)


def test_nobody_is_asked_what_is_shown_where_nothing_is_in_question(
    categories: Categories,
) -> None:
    assert offers(categories, rows=ROWS[:2])[2] == []
    found, numbers, _ = offers(categories, rows=[])
    assert (len(found), numbers["rows"]) == (0, 0)


def test_details_are_one_text_for_one_meaning() -> None:
    one = MiraklOffer(additional_fields={"b": "2", "a": "1"}, description="čaj")
    other = MiraklOffer(description="čaj", additional_fields={"a": "1", "b": "2"})
    assert details_of(one) == details_of(other)
    assert json.loads(details_of(one))["offer_additional_fields"] == [
        {"code": "a", "value": "1"}, {"code": "b", "value": "2"},
    ]  # fmt: skip
    assert details_of(one) == details_of(one, {})
    assert details_of(one) != details_of(one, {"state_code": "10"})


@pytest.mark.parametrize(
    ("template", "name"),
    [("{sku}", "A/1"), ("{outlet}-{sku}", "westlands-A/1"), ("s{store_id}.{sku}_x", "s017.A/1_x")],
)
def test_offers_are_named_by_the_accounts_template(template: str, name: str) -> None:
    account = MiraklAccount.model_validate(
        {"platform": "mirakl", "base_url": "https://x.example/api", "api_key": {"env": "K"},
         "offer_sku": template}
    )  # fmt: skip
    channel = Channel(outlet="westlands", account="shop", store_id="017")
    pattern = offer_name(account, channel)
    assert pattern is not None
    assert offer_names(pattern, text(["A/1"])).to_pylist() == [name]


def test_other_platforms_have_no_names_of_their_own() -> None:
    account = TrackerAccount.model_validate(
        {"platform": "tracker_ke", "base_url": "https://x.example", "api_key": {"env": "K"}}
    )
    assert offer_name(account, Channel(outlet="westlands", account="shop")) is None
