"""What goes out as a push that replaces: decided once more when everything is known."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from marketsync_dagster.ledger.plans import PlanRecord
from marketsync_dagster.platforms.base import Capabilities
from marketsync_dagster.push.replacing import judge, whole_push
from marketsync_dagster.values.errors import PlanError
from marketsync_dagster_tests.push.builders import EARLIER, LATER, listings_of, many, plan_of

UPSERT = Capabilities()
MARKED = Capabilities(full_replaces=True)
ALWAYS = Capabilities(full_replaces=True, always_replaces=True)


def record(**said: Any) -> PlanRecord:
    """A plan of 10 rows in a catalog of 12, two of them unmapped."""
    blank: dict[str, Any] = dict.fromkeys((f.name for f in fields(PlanRecord)), "")
    return PlanRecord(**blank | {"mode": "full", "catalog_rows": 12, "unmapped": 2} | said)


@pytest.mark.parametrize(
    ("mode", "rows", "requests", "capabilities", "whole"),
    [
        ("full", 10, 1, UPSERT, False),
        ("full", 10, 1, MARKED, True),
        ("partial", 10, 1, MARKED, False),
        ("full", 9, 1, MARKED, False),
        ("full", 10, 2, MARKED, False),
        ("full", 10, 1, ALWAYS, True),
        ("partial", 10, 1, ALWAYS, True),
    ],
)
def test_only_what_is_whole_replaces(
    mode: str, rows: int, requests: int, capabilities: Capabilities, whole: bool
) -> None:
    found, words = whole_push(record(mode=mode), rows, requests, capabilities)
    assert found is whole
    assert bool(words) == (capabilities is MARKED and mode == "full" and not whole)


@pytest.mark.parametrize(
    ("rows", "requests", "words"), [(9, 1, "leaves out 1 row"), (10, 2, "need 2 requests")]
)
def test_where_every_request_replaces_what_is_not_whole_is_refused(
    rows: int, requests: int, words: str
) -> None:
    with pytest.raises(PlanError, match=words) as caught:
        whole_push(record(), rows, requests, ALWAYS)
    assert caught.value.next_step


def test_rows_of_an_older_extract_are_rows_left_out() -> None:
    plan = plan_of(
        many(3), [{"sku": "0001", "extract_time": LATER}], mode="full", guard={"min_rows": 0}
    )
    with pytest.raises(PlanError, match="1 by older extract"):
        judge(plan, listings_of([]), ALWAYS, _guard())


def test_what_is_off_sale_already_or_elsewhere_is_not_taken_off() -> None:
    shown = [
        *many(2),
        {"sku": "sold", "stock_status": "out_of_stock"},
        {"sku": "other", "target": "another place"},
        {"sku": "never", "ack_price_minor": None},
        {"sku": "early", "extract_time": EARLIER},
    ]
    plan = plan_of(many(2), shown, mode="full")
    assert [f.message for f in judge(plan, listings_of(shown), MARKED, _guard())] == [
        "1 of 3 rows on sale are not in this push, which replaces them all (33%, allowed 20%)"
    ]
    assert judge(plan, listings_of(shown), UPSERT, _guard()) == []
    partial = plan_of(many(2, price_minor=1100), shown)
    assert judge(partial, listings_of(shown), MARKED, _guard()) == []


def _guard() -> Any:
    from marketsync_dagster.config.channels import GuardSettings

    return GuardSettings(min_rows=0)
