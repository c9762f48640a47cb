"""What people decide about plans, and what they cannot decide any more."""

from __future__ import annotations

from typing import Any

import pytest

from marketsync_dagster.ledger import plans
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.listings import Source, acknowledge
from marketsync_dagster.push import decisions
from marketsync_dagster.push.plan import Plan, rows_from_parquet, rows_to_parquet
from marketsync_dagster.values.errors import PlanError
from marketsync_dagster_tests.push.builders import NOW, TARGET, many, plan_of


def keep(ledger: Ledger, plan: Plan, state: str) -> str:
    counts = plan.counts()
    record = plans.PlanRecord(
        id=plans.new_plan_id(), outlet="westlands", platform="pasons", account="a",
        created_at="2026-11-21T06:00:00.000Z", created_by="tester", run_id="run-1",
        mode="partial", kind=plan.kind, state=state, extract_id=plan.base.extract_id,
        extract_time=plan.base.extract_time, base=plan.base_hash, content=plan.content_hash,
        catalog_rows=plan.catalog_rows, unmapped=counts["unmapped"], held=counts["held"],
        unchanged=counts["unchanged"], deselected=counts["deselected"], to_send=counts["sent"],
        calls=1, verdict="[]", rows=rows_to_parquet(plan.rows),
    )  # fmt: skip
    plans.save_plan(ledger, record)
    return record.id


def held_plan(ledger: Ledger, state: str = "held", **said: Any) -> str:
    return keep(ledger, plan_of(many(30), guard={"initial": "approve"}, **said), state)


def approve(ledger: Ledger, plan: str, extract: str = "westlands-1") -> plans.PlanRecord:
    return decisions.approve(ledger, plan, "amina", "they are right", extract)


def test_an_approved_plan_sends_all_of_its_rows(ledger: Ledger) -> None:
    plan = approve(ledger, held_plan(ledger))
    assert (plan.state, plan.held, plan.to_send) == ("approved", 0, 30)
    assert (plan.decided_by, plan.decided_reason) == ("amina", "they are right")
    rows = decisions.details(plan)["rows"]
    assert {row["disposition"] for row in rows} == {"sent"}


def test_a_plan_is_found_by_the_beginning_of_its_id(ledger: Ledger) -> None:
    assert approve(ledger, held_plan(ledger)[:-2]).state == "approved"


@pytest.mark.parametrize("state", ["planned", "superseded", "stale", "pushing"])
def test_only_what_is_held_can_be_approved(state: str, ledger: Ledger) -> None:
    with pytest.raises(PlanError, match=state):
        approve(ledger, held_plan(ledger, state))


def test_a_rejection_can_be_taken_back_while_the_plan_stands_on_its_base(ledger: Ledger) -> None:
    plan = held_plan(ledger)
    decisions.reject(ledger, plan, "amina", "too early")
    assert approve(ledger, plan).state == "approved"


def test_nobody_can_approve_a_price_of_nothing(ledger: Ledger) -> None:
    feed = [*many(29), {"sku": "free", "price_minor": 0}]
    plan = approve(ledger, keep(ledger, plan_of(feed, guard={"initial": "approve"}), "held"))
    assert (plan.held, plan.to_send) == (1, 29)
    rows = decisions.details(plan)["rows"]
    assert [row["sku"] for row in rows if row["disposition"] == "held"] == ["free"]
    alone = keep(ledger, plan_of([{"sku": "free", "price_minor": 0}]), "held")
    with pytest.raises(PlanError, match="zero or negative price"):
        approve(ledger, alone)


def test_nothing_is_approved_twice(ledger: Ledger) -> None:
    plan = held_plan(ledger)
    approve(ledger, plan)
    with pytest.raises(PlanError, match="nothing to approve"):
        approve(ledger, plan)


def test_a_plan_of_an_older_extract_is_stale(ledger: Ledger) -> None:
    plan = held_plan(ledger)
    with pytest.raises(PlanError, match="newer extract"):
        approve(ledger, plan, "westlands-2")
    assert plans.get_plan(ledger, plan).state == "stale"


def test_a_plan_is_stale_once_one_of_its_skus_was_pushed(ledger: Ledger) -> None:
    plan = held_plan(ledger)
    source = Source("westlands", "pasons", "a", TARGET, "westlands-1", NOW, "push-1")
    row = ("0007", "p-0007", 1000, "KES", "in_stock", 5, "applied", "", 9)
    with ledger.begin() as connection:
        acknowledge(connection, source, 1, [row], NOW)
    with pytest.raises(PlanError, match="pushed since it was made"):
        approve(ledger, plan)
    assert plans.get_plan(ledger, plan).state == "stale"


@pytest.mark.parametrize(("by", "reason"), [("", "why"), ("amina", "  ")])
def test_a_decision_needs_a_name_and_a_reason(by: str, reason: str, ledger: Ledger) -> None:
    plan = held_plan(ledger)
    with pytest.raises(PlanError, match="a name and a reason"):
        decisions.approve(ledger, plan, by, reason, "westlands-1")
    with pytest.raises(PlanError, match="a name and a reason"):
        decisions.reject(ledger, plan, by, reason)
    assert plans.get_plan(ledger, plan).state == "held"


@pytest.mark.parametrize("first", ["held", "approved"])
def test_what_is_held_or_approved_can_be_rejected(first: str, ledger: Ledger) -> None:
    plan = held_plan(ledger)
    if first == "approved":
        approve(ledger, plan)
    rejected = decisions.reject(ledger, plan, "amina", "a typing error")
    assert (rejected.state, rejected.decided_reason) == ("rejected", "a typing error")
    with pytest.raises(PlanError, match="is rejected"):
        decisions.reject(ledger, plan, "amina", "again")


def test_the_held_rows_of_a_plan_that_was_pushed_become_a_plan_of_their_own(
    ledger: Ledger,
) -> None:
    feed = [{"sku": "0000", "price_minor": 1}, {"sku": "0001", "price_minor": 1100}]
    pushed = keep(ledger, plan_of(feed, many(2)), "pushed")

    rest = approve(ledger, pushed)

    assert rest.id != pushed
    assert (rest.state, rest.to_send, rest.held) == ("approved", 1, 0)
    assert [row["sku"] for row in decisions.details(rest)["rows"]] == ["0000"]
    counts = decisions.summary(rest)
    names = ("unmapped", "held", "unchanged", "deselected", "to_send")
    assert sum(counts[name] for name in names) == rest.catalog_rows
    with pytest.raises(PlanError, match="nothing to approve"):
        approve(ledger, pushed)


def test_of_two_who_let_the_held_rows_go_at_once_one_is_told_that_they_are_decided(
    ledger: Ledger,
) -> None:
    feed = [{"sku": "0000", "price_minor": 1}, {"sku": "0001", "price_minor": 1100}]
    pushed = plans.get_plan(ledger, keep(ledger, plan_of(feed, many(2)), "pushed"))
    rows = rows_from_parquet(pushed.rows)

    def let_go(by: str) -> plans.PlanRecord:
        """As `approve` does it once it has seen that nobody has decided."""
        return decisions._approve_rest(
            *(ledger, pushed, rows.copy(), by, "they are right", "westlands-1", lambda _: "")
        )

    first = let_go("amina")
    with pytest.raises(PlanError, match="decided by somebody else") as refused:
        let_go("otieno")
    assert refused.value.next_step
    assert [plan.id for plan in plans.plans(ledger, states=("approved",))] == [first.id]
    assert plans.get_plan(ledger, pushed.id).decided_by == "amina"


def test_a_plan_that_nobody_knows_is_named(ledger: Ledger) -> None:
    for name in ("plan-nowhere", ""):
        with pytest.raises(PlanError, match="is not a plan"):
            approve(ledger, name)
