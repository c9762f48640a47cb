"""Each rule of the guard: at its limit it is silent, just over it speaks."""

from __future__ import annotations

from typing import Any

import pytest

from marketsync_dagster_tests.push.builders import many, plan_of


def one(new: int, old: int = 1000, **said: Any) -> str:
    """Why the row of a plan is held that changes a price from `old` to `new`."""
    row: dict[str, Any] = {"sku": "1", "price_minor": new, **said}
    plan = plan_of([row], [{"sku": "1", "price_minor": old}])
    return plan.rows["reason"].iloc[0]


@pytest.mark.parametrize(
    ("new", "old", "words"),
    [
        (500, 1000, ""),
        (499, 1000, "falls by more than 50%"),
        (2000, 1000, ""),
        (2001, 1000, "rises by more than 100%"),
        (0, 1000, "zero or negative"),
        (-1, 1000, "zero or negative"),
        (100_000, 1000, "x100"),
        (98_100, 1000, "x100"),
        (97_900, 1000, "rises"),
        (102_100, 1000, "rises"),
        (1000, 100_000, "/100"),
        (1021, 100_000, "falls"),
        (979, 100_000, "falls"),
    ],
)
def test_a_price_is_held_from_just_over_each_limit(new: int, old: int, words: str) -> None:
    reason = one(new, old)
    assert (words in reason) if words else reason == ""


def test_a_reason_names_both_prices() -> None:
    assert one(499) == "price falls by more than 50% (KES 10.00 -> KES 4.99)"


def test_another_currency_is_held_even_at_the_same_figure() -> None:
    assert "another currency" in one(1000, currency="USD")


def test_a_new_row_is_held_for_a_price_of_zero_only() -> None:
    plan = plan_of([{"sku": "1", "price_minor": 0}, {"sku": "2", "price_minor": 9_999_999}])
    assert plan.held_rows["sku"].tolist() == ["1"]
    assert plan.to_send["sku"].tolist() == ["2"]


def test_limits_come_from_the_channel() -> None:
    guard = {"max_price_fall": 0.1, "max_price_rise": 0.1}
    plan = plan_of(
        [{"sku": "1", "price_minor": 899}, {"sku": "2", "price_minor": 900}],
        [{"sku": "1"}, {"sku": "2"}],
        guard=guard,
    )
    assert plan.held_rows["sku"].tolist() == ["1"]


def held_by(plan: Any) -> list[str]:
    return [finding.rule for finding in plan.findings if finding.holds_plan]


@pytest.mark.parametrize(("changed", "held"), [(40, []), (41, ["max_changed_share"])])
def test_a_plan_is_held_from_just_over_the_share_of_changed_rows(
    changed: int, held: list[str]
) -> None:
    feed = many(100)
    for row in feed[:changed]:
        row["price_minor"] = 1010
    plan = plan_of(feed, many(100))
    assert held_by(plan) == held
    assert plan.counts()["sent"] == (0 if held else changed)
    assert plan.counts()["held"] == (changed if held else 0)


@pytest.mark.parametrize(("out", "held"), [(20, []), (21, ["max_out_of_stock_share"])])
def test_a_plan_is_held_from_just_over_the_share_that_sells_out(out: int, held: list[str]) -> None:
    feed = many(100)
    for row in feed[:out]:
        row["stock_status"] = "out_of_stock"
    assert held_by(plan_of(feed, many(100))) == held


@pytest.mark.parametrize(("rows", "held"), [(80, []), (79, ["max_shrink"])])
def test_a_plan_is_held_from_just_over_the_shrinkage_of_the_extract(
    rows: int, held: list[str]
) -> None:
    feed = [{**row, "price_minor": 1010} for row in many(1)] + many(100)[1:]
    base = {"accepted_rows": rows, "pushed_rows": 100}
    assert held_by(plan_of(feed, many(100), base=base)) == held


def test_a_small_delta_is_no_shrinkage() -> None:
    base = {"accepted_rows": 1, "pushed_rows": 100, "coverage": "delta"}
    feed = [{"sku": "0000", "price_minor": 1010}, *many(100)[1:]]
    assert held_by(plan_of(feed, many(100), base=base)) == []


@pytest.mark.parametrize(("held_rows", "held"), [(50, []), (51, ["row rules"])])
def test_a_plan_is_held_from_just_over_the_number_of_held_rows(
    held_rows: int, held: list[str]
) -> None:
    feed = many(1000)
    for row in feed[:held_rows]:
        row["price_minor"] = 1
    plan = plan_of(feed, many(1000))
    assert held_by(plan) == held
    assert len(plan.held_rows) == held_rows


@pytest.mark.parametrize(("listed", "held"), [(19, []), (20, ["max_changed_share"])])
def test_shares_of_a_few_rows_mean_nothing(listed: int, held: list[str]) -> None:
    assert held_by(plan_of(many(listed, price_minor=1010), many(listed))) == held


@pytest.mark.parametrize(("initial", "held"), [("auto", []), ("approve", ["initial"])])
def test_a_first_push_needs_approval_unless_the_channel_says_otherwise(
    initial: str, held: list[str]
) -> None:
    plan = plan_of(many(100), guard={"initial": initial})
    assert plan.kind == "initial"
    assert held_by(plan) == held


@pytest.mark.parametrize(("shown", "held"), [(10, ["initial"]), (49, ["initial"]), (50, [])])
def test_the_rest_of_a_first_push_waits_too_while_it_is_the_larger_part(
    shown: int, held: list[str]
) -> None:
    plan = plan_of(many(100), many(shown), guard={"initial": "approve"})
    assert plan.kind == "ordinary"
    assert held_by(plan) == held
    assert held_by(plan_of(many(100), many(shown), guard={"initial": "auto"})) == []


def test_a_first_push_that_got_no_answer_needs_no_second_approval() -> None:
    sent = many(100, outcome="retryable", ack_price_minor=None)
    plan = plan_of(many(100), sent, guard={"initial": "approve"})
    assert (plan.kind, held_by(plan)) == ("initial", [])
    assert len(plan.to_send) == 100


def test_what_was_let_out_once_and_got_no_answer_is_not_held_again() -> None:
    """It was 10.00, a person approved 0.01, and the platform was down."""
    sent = [{"sku": "1", "price_minor": 1, "ack_price_minor": 1000, "outcome": "retryable"}]
    assert plan_of([{"sku": "1", "price_minor": 1}], sent).to_send["sku"].tolist() == ["1"]
    assert plan_of([{"sku": "1", "price_minor": 2}], sent).held_rows["sku"].tolist() == ["1"]


def test_rows_that_are_only_tried_again_are_no_share_of_a_disaster() -> None:
    sent = many(100, price_minor=1010, ack_price_minor=1000, outcome="unknown")
    assert held_by(plan_of(many(100, price_minor=1010), sent)) == []


FIRST = {"ack_price_minor": None, "ack_currency": None, "ack_stock_status": None}


@pytest.mark.parametrize("outcome", ["accepted_async", "unknown"])
def test_a_first_value_that_may_be_shown_is_what_the_next_is_compared_with(outcome: str) -> None:
    sent = many(100, outcome=outcome, **FIRST)
    shifted = plan_of(many(100, price_minor=100_000), sent)
    assert (shifted.kind, shifted.acknowledged, len(shifted.held_rows)) == ("ordinary", 100, 100)
    assert set(shifted.rows["old_price_minor"]) == {1000}
    sold_out = plan_of(many(100, stock_status="out_of_stock"), sent)
    assert "max_out_of_stock_share" in held_by(sold_out)


def test_what_nothing_is_shown_of_is_no_share_of_what_changes() -> None:
    listed = [*many(49), {"sku": "0049", "outcome": "refused", **FIRST}]
    plan = plan_of(many(50, price_minor=1010), listed, guard={"max_changed_share": 1.0})
    assert (held_by(plan), len(plan.to_send)) == ([], 50)
