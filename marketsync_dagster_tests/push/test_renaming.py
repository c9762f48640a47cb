"""Offers under the names of before: said once, when others go out instead."""

from __future__ import annotations

import pytest

from marketsync_dagster.platforms.base import Capabilities
from marketsync_dagster.push import renaming
from marketsync_dagster_tests.push.builders import listings_of, plan_of

NAMED = Capabilities(offer_details=True)
SHOP = "mirakl|shop/api|2001|"
NOW, BEFORE = SHOP + "{sku}", SHOP + "{outlet}-{sku}"
SOLD_OUT = {"ack_stock_status": "out_of_stock"}
NEVER = {"ack_price_minor": None, "ack_stock_status": None}


@pytest.mark.parametrize(
    ("listing", "capabilities", "said"),
    [
        ({"target": BEFORE}, NAMED, True),
        ({"target": BEFORE, "outcome": "accepted_async", **NEVER}, NAMED, True),
        ({"target": BEFORE, "outcome": "refused", **NEVER}, NAMED, False),
        ({"target": BEFORE, **SOLD_OUT}, NAMED, False),
        ({"target": "mirakl|shop/api|2002|{sku}"}, NAMED, False),
        ({"target": BEFORE, "sku": "not in the plan"}, NAMED, False),
        ({"target": NOW}, NAMED, False),
        ({"target": BEFORE}, Capabilities(), False),
    ],
)
def test_offers_under_the_names_of_before_are_said_and_hold_nothing(
    listing: dict[str, str], capabilities: Capabilities, said: bool
) -> None:
    listings = [{"sku": "A", **listing}]
    plan = plan_of([{"sku": "A", "price_minor": 1100}], listings, base={"target": NOW})
    found = renaming.judge(plan, listings_of(listings), capabilities)
    assert [(one.holds_plan, one.skus) for one in found] == ([(False, ("A",))] if said else [])
    if said:
        assert found[0].message.startswith(
            "1 offer under the names of before ({outlet}-{sku}, now {sku}): "
        )
