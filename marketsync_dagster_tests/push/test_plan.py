"""The plan: which rows go, which do not, and that every catalog row is in one place."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketsync_dagster.push.plan import rows_from_parquet, rows_to_parquet
from marketsync_dagster_tests.push.builders import (
    EARLIER,
    LATER,
    NOW,
    feed_of,
    listings_of,
    many,
    plan_of,
    skus,
)

A, B, C = ({"sku": sku} for sku in "ABC")
DEARER = {"sku": "A", "price_minor": 1100}
SOLD_OUT = {"sku": "A", "stock_status": "out_of_stock"}


def test_a_partial_plan_sends_what_is_new_or_differs() -> None:
    plan = plan_of([DEARER, B, C], [A, B])
    assert skus(plan) == ["A", "C"]
    assert plan.rows["change"].tolist() == ["price", "new"]
    assert plan.counts() == {
        "unmapped": 0, "held": 0, "unchanged": 1, "deselected": 0, "sent": 2,
    }  # fmt: skip


def test_a_full_plan_sends_everything() -> None:
    assert skus(plan_of([DEARER, B, C], [A, B], mode="full")) == ["A", "B", "C"]


@pytest.mark.parametrize("outcome", ["unknown", "retryable", "auth_failed"])
def test_what_has_no_clear_answer_goes_again(outcome: str) -> None:
    plan = plan_of([A, B], [A | {"outcome": outcome}, B])
    assert skus(plan) == ["A"]
    assert plan.rows["change"].tolist() == ["sent again"]


@pytest.mark.parametrize("outcome", ["refused", "unsupported"])
def test_what_was_refused_goes_again_only_when_it_changes_or_is_named(outcome: str) -> None:
    refused = [DEARER | {"outcome": outcome, "ack_price_minor": 1000}]
    plan = plan_of([DEARER], refused)
    assert (skus(plan), plan.refused_before, plan.complete) == ([], 1, False)
    assert skus(plan_of([{"sku": "A", "price_minor": 1200}], refused)) == ["A"]
    assert skus(plan_of([DEARER], refused, skus=("A",))) == ["A"]
    assert skus(plan_of([DEARER], refused, mode="full")) == ["A"]


def test_what_was_refused_and_is_taken_back_is_shown_already() -> None:
    plan = plan_of([A], [DEARER | {"outcome": "refused", "ack_price_minor": 1000}])
    assert (skus(plan), plan.refused_before, plan.complete) == ([], 0, True)


def test_a_refused_row_goes_back_out_if_another_value_may_be_shown_than_the_acknowledged() -> None:
    refused = [DEARER | {"outcome": "refused", "ack_price_minor": 1000}]
    assert skus(plan_of([A], refused, doubtful={"A"})) == ["A"]
    assert skus(plan_of([A], refused, doubtful={"B"})) == []


def test_a_price_that_went_back_while_the_answer_was_open_goes_out() -> None:
    sent = [DEARER | {"outcome": "unknown", "ack_price_minor": 1000}]
    assert skus(plan_of([A], sent)) == ["A"]


@pytest.mark.parametrize("changed", [{"target": "another place"}, {"platform_id": "p-other"}])
def test_what_was_told_to_another_place_counts_as_never_told(changed: dict[str, Any]) -> None:
    plan = plan_of([A], [A | changed])
    assert plan.rows["change"].tolist() == ["new"]
    assert plan.kind == "initial"


def test_a_channel_that_was_told_something_is_not_new_because_nothing_can_be_sent_now() -> None:
    assert plan_of([], [A], unmapped=1).kind == "ordinary"
    assert plan_of([], unmapped=1).kind == "initial"
    assert plan_of([], [A | {"target": "another place"}], unmapped=1).kind == "initial"
    # what is sent first is looked at as a first push
    assert plan_of([C], [A], unmapped=1).kind == "initial"


def test_a_platform_id_shows_what_it_was_told_last_under_whatever_sku() -> None:
    before = A | {"platform_id": "p"}
    after = {"sku": "B", "platform_id": "p", "price_minor": 1100}
    told = [before, after]

    plan = plan_of([before, C], [*told, C], told_last={"p": "B"})
    assert skus(plan) == ["A"]
    assert plan.rows["change"].tolist() == ["price"]
    assert plan.rows["old_price_minor"].tolist() == [1100]

    assert skus(plan_of([after, C], [*told, C], told_last={"p": "B"})) == []
    # told just now, after the listings were read
    assert skus(plan_of([before, C], [*told, C], told_last={"p": "another"})) == ["A"]


def test_a_sku_that_takes_over_a_platform_id_is_compared_with_what_that_shows() -> None:
    shown = [{"sku": str(n)} for n in range(30)]
    renumbered = [{"sku": f"new-{n}", "platform_id": f"p-{n}"} for n in range(30)]
    plan = plan_of(renumbered, shown)
    assert (plan.kind, len(plan.to_send), plan.held) == ("ordinary", 30, False)
    assert set(plan.rows["change"]) == {"unchanged"}
    shifted = [row | {"price_minor": 100_000} for row in renumbered]
    plan = plan_of(shifted, shown)
    assert plan.held_rows["reason"].str.startswith("price x100").all()
    assert len(plan.held_rows) == 30


def test_a_mapping_that_is_shifted_by_one_changes_what_every_product_shows() -> None:
    prices = [{"sku": str(n), "price_minor": 1000 + n} for n in range(30)]
    shifted = [row | {"platform_id": f"p-{(n + 1) % 29}"} for n, row in enumerate(prices[:29])]
    plan = plan_of([*shifted, prices[29]], prices)
    assert plan.held
    assert "max_changed_share" in {finding.rule for finding in plan.findings}


def test_an_older_extract_never_overwrites_a_newer_one() -> None:
    newer = [A | {"extract_time": LATER}, B | {"extract_time": EARLIER}]
    feed = [DEARER, {"sku": "B", "price_minor": 1100}]
    plan = plan_of(feed, newer)
    assert (skus(plan), plan.deselected) == (["B"], {"older extract": 1})
    assert skus(plan_of(feed, newer, allow_older=True)) == ["A", "B"]
    assert skus(plan_of(feed, [A | {"extract_time": NOW}, B])) == ["A", "B"]


def test_a_limit_counts_rows_that_go_out_and_keeps_the_order() -> None:
    plan = plan_of([{"sku": "A", "price_minor": 1}, B, C], [A], limit=1)
    assert (skus(plan), plan.held_rows["sku"].tolist()) == (["B"], ["A"])
    assert plan.deselected == {"limit": 1}
    assert not plan.complete


def test_named_skus_are_the_only_ones() -> None:
    plan = plan_of([DEARER, B, C], [A, B], skus=("B",))
    assert (skus(plan), plan.deselected) == (["B"], {"selection": 2})


def test_only_stock_sends_the_acknowledged_price() -> None:
    feed = [{**SOLD_OUT, "price_minor": 1100}, {"sku": "B", "price_minor": 1100}]
    plan = plan_of(feed, [A, B], fields=("stock",))
    assert skus(plan) == ["A"]
    assert plan.rows["price_minor"].tolist() == [1000]
    assert plan.rows["stock_status"].tolist() == ["out_of_stock"]
    assert plan.deselected == {"fields": 1}


def test_only_the_price_sends_the_acknowledged_stock() -> None:
    feed = [{**SOLD_OUT, "price_minor": 1100}, {"sku": "B", "stock_status": "out_of_stock"}]
    plan = plan_of(feed, [A, B], fields=("price",))
    assert (skus(plan), plan.rows["stock_status"].tolist()) == (["A"], ["in_stock"])
    assert plan.deselected == {"fields": 1}


def test_a_quantity_counts_only_where_the_platform_takes_it() -> None:
    fewer = [{"sku": "A", "quantity": 4}]
    assert skus(plan_of(fewer, [A])) == []
    assert skus(plan_of(fewer, [A], compare_quantity=True)) == ["A"]


def test_the_same_held_rows_have_the_same_content_whatever_else_goes() -> None:
    held = {"sku": "A", "price_minor": 1}
    first = plan_of([held, B], [A, B])
    second = plan_of([held, {"sku": "B", "price_minor": 1100}], [A, B])
    other = plan_of([{"sku": "A", "price_minor": 2}, B], [A, B])
    assert first.content_hash == second.content_hash != other.content_hash


def test_a_plan_says_the_same_whatever_the_order_of_the_extract() -> None:
    first, second = plan_of([DEARER, B, C], [A]), plan_of([C, DEARER, B], [A])
    assert (first.content_hash, first.base_hash) == (second.content_hash, second.base_hash)


def test_the_base_moves_with_the_extract_and_the_versions() -> None:
    hashes = {
        plan_of([DEARER], [A]).base_hash,
        plan_of([DEARER], [A | {"version": 2}]).base_hash,
        plan_of([DEARER], [A], base={"extract_id": "westlands-2"}).base_hash,
    }
    assert len(hashes) == 3


def test_rows_come_back_from_the_ledger_as_they_were() -> None:
    rows = plan_of([DEARER, B, C], [A, B], mode="full").rows
    back = rows_from_parquet(rows_to_parquet(rows))
    assert back.to_dict(orient="list") == rows.to_dict(orient="list")


def test_an_empty_feed_is_no_error() -> None:
    plan = plan_of([], many(3), unmapped=3)
    assert plan.counts()["unmapped"] == 3


PRICES = st.sampled_from([-5, 0, 1, 10, 999, 1000, 1001, 1999, 2001, 100_000])
STOCK = st.sampled_from(["in_stock", "limited_stock", "out_of_stock"])
OUTCOMES = st.sampled_from(
    "applied accepted_unverified refused retryable unknown auth_failed unsupported".split()
)


@st.composite
def worlds(draw: st.DrawFn) -> dict[str, Any]:
    names = st.lists(st.sampled_from([f"{n:03}" for n in range(40)]), unique=True)
    in_feed, listed = draw(names), draw(names)
    feed = [
        {
            "sku": sku,
            "price_minor": draw(PRICES),
            "stock_status": draw(STOCK),
            "currency": draw(st.sampled_from(["KES", "KES", "KES", "USD"])),
        }
        for sku in in_feed
    ]
    listings = []
    for sku in listed:
        row: dict[str, Any] = {
            "sku": sku,
            "price_minor": draw(PRICES),
            "stock_status": draw(STOCK),
            "outcome": draw(OUTCOMES),
            "extract_time": draw(st.sampled_from([EARLIER, NOW, LATER])),
        }
        if draw(st.booleans()):
            row |= {"ack_price_minor": None, "ack_currency": None, "ack_stock_status": None}
        if draw(st.integers(0, 5)) == 0:
            row["target"] = "another place"
        listings.append(row)
    return {
        "feed": feed,
        "listings": listings,
        "unmapped": draw(st.integers(0, 5)),
        "mode": draw(st.sampled_from(["full", "partial"])),
        "skus": tuple(draw(st.lists(st.sampled_from(in_feed), unique=True))) if in_feed else (),
        "limit": draw(st.none() | st.integers(0, 10)),
        "fields": draw(st.sampled_from([(), ("price",), ("stock",), ("price", "stock")])),
        "guard": {"initial": draw(st.sampled_from(["auto", "approve"]))},
        "allow_older": draw(st.booleans()),
    }


@settings(max_examples=150, deadline=None)
@given(worlds())
def test_every_catalog_row_is_in_exactly_one_place(world: dict[str, Any]) -> None:
    plan = plan_of(world.pop("feed"), world.pop("listings"), **world)

    counts = plan.counts()
    assert sum(counts.values()) == plan.catalog_rows
    assert all(count >= 0 for count in counts.values())
    sent, held = plan.to_send, plan.held_rows
    assert len(sent) + len(held) == len(plan.rows)
    assert plan.rows["sku"].is_unique
    # in the order of the feed, what goes out first
    for part in (sent, held):
        assert part["line"].is_monotonic_increasing
    assert plan.rows["disposition"].tolist() == ["sent"] * len(sent) + ["held"] * len(held)
    assert (held["reason"] != "").all()
    assert (sent["reason"] == "").all()
    if world["limit"] is not None:
        assert len(sent) <= world["limit"]
    if world["skus"]:
        assert set(plan.rows["sku"]) <= set(world["skus"])
    fresh = sent[sent["change"] != "sent again"]
    assert (fresh["price_minor"] > 0).all()


@settings(max_examples=60, deadline=None)
@given(worlds())
def test_a_partial_plan_leaves_out_only_what_the_platform_shows_or_refused(
    world: dict[str, Any],
) -> None:
    listings = {row["sku"]: row for row in world["listings"]}
    plan = plan_of(world["feed"], world["listings"], allow_older=True)
    left = set(feed_of(world["feed"])["sku"]) - set(plan.rows["sku"])
    told = listings_of(world["listings"]).set_index("sku").to_dict(orient="index")
    feed = feed_of(world["feed"]).set_index("sku").to_dict(orient="index")
    for sku in left:
        assert listings[sku]["outcome"] in (
            "applied",
            "accepted_unverified",
            "refused",
            "unsupported",
        )
        shown = {told[sku]["price_minor"], told[sku]["ack_price_minor"]}
        assert feed[sku]["price_minor"] in shown
