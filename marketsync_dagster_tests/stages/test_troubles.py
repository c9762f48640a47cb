"""What is news, what is over, and how long a silence may last."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from marketsync_dagster.automation.failed_runs import covers
from marketsync_dagster.ledger.alerts import KINDS, Alert, Trouble
from marketsync_dagster.ledger.plans import PlanRecord
from marketsync_dagster.ledger.states import OutletState
from marketsync_dagster.stages.freshness import ChannelSight, is_stale
from marketsync_dagster.stages.troubles import (
    FAILURES,
    FailedRun,
    decide,
    of_imports,
    of_plans,
    of_runs,
    of_states,
)
from marketsync_dagster.values.times import to_iso, utcnow

NOW = utcnow()
OUTLETS = ["a", "b", "c", "d"]
TOLD = "tracker_ke_listings"


def trouble(key: str, kind: str = "outlet_failed") -> Trouble:
    return Trouble(key=key, kind=kind, title=key, message="x")


def known(key: str, kind: str = "outlet_failed", **of: Any) -> Alert:
    plain: dict[str, Any] = {
        "id": 1, "key": key, "at": "", "kind": kind, "outlet": None, "platform": None,
        "run_id": "", "title": key, "message": "", "next_step": "", "state": "open",
        "delivery": "delivered", "delivered_at": "", "error": "", "over_at": None,
        "attempts": 1, "tried_at": "", "missing": None,
    }  # fmt: skip
    return Alert(**(plain | of))


@pytest.mark.parametrize(
    ("standing", "passing", "healed", "before", "new", "over"),
    [
        (["x"], [], [], [], ["x"], []),
        (["x"], [], [], ["x"], [], []),
        ([], [], [], ["x"], [], ["x"]),
        (["y"], [], [], ["x"], ["y"], ["x"]),
        (["x"], ["x"], [], [], ["x"], []),  # the same trouble twice is told once
        ([], ["x"], [], [], ["x"], ["x"]),  # it has passed already
        ([], ["run r"], [], [], ["run r"], []),  # a run does not stand: it is over when made good
        ([], ["run r"], ["run r"], [], ["run r"], ["run r"]),
        ([], [], [], ["run r"], [], []),
        ([], [], ["run r"], ["run r"], [], ["run r"]),
        ([], ["run r"], [], ["run r"], [], []),
        ([], [], [], [], [], []),
    ],
)
def test_what_is_news_and_what_is_over(
    standing: list[str],
    passing: list[str],
    healed: list[str],
    before: list[str],
    new: list[str],
    over: list[str],
) -> None:
    def kind(key: str) -> str:
        return "run_failed" if key.startswith("run") else "outlet_failed"

    changes = decide(
        [trouble(key, kind(key)) for key in standing],
        [trouble(key, kind(key)) for key in passing],
        healed,
        [known(key, kind(key)) for key in before],
        ["outlet_failed", "plan_held"],
    )
    assert [one.key for one in changes.new] == new
    assert changes.over == over


def state(stage: str, outlet: str, word: str, *, ok: bool = False, held: int = 0) -> OutletState:
    return OutletState(stage, outlet, ok, word, "because", numbers={"held": held})


@pytest.mark.parametrize(
    ("one", "key"),
    [
        (state("pos_extract", "a", "failed"), "outlet_failed pos_extract a"),
        (state("pos_extract", "a", "done", ok=True), None),
        (state("pasons_listings", "a", "failed"), "outlet_failed pasons_listings a"),
        (state(TOLD, "a", "busy"), f"outlet_failed {TOLD} a"),
        (state(TOLD, "a", "rows held", held=2), "rows_held tracker_ke a"),
        (state(TOLD, "a", "held again", ok=True, held=2), "rows_held tracker_ke a"),
        # what went wrong beside it is not hidden by rows that are held
        (state(TOLD, "a", "not shown", held=2), f"outlet_failed {TOLD} a"),
        # the plan that is held speaks for itself
        (state(TOLD, "b", "held", held=2), None),
        (state("tracker_ke_price_feed", "b", "failed"), "outlet_failed tracker_ke_price_feed b"),
        (state("pasons_listings", "b", "failed"), "outlet_failed pasons_listings b"),
    ],
)  # fmt: skip
def test_how_an_outlet_stands_is_trouble_or_not(one: OutletState, key: str | None) -> None:
    found = of_states([one], {"tracker_ke": {"b"}})
    assert [trouble.key for trouble in found] == ([key] if key else [])


def plan(number: int) -> PlanRecord:
    return PlanRecord(
        id=f"p{number}", outlet="a", platform="pasons", account="", created_at="", created_by="",
        run_id="", mode="", kind="", state="held", extract_id="", extract_time="", base="",
        content="", catalog_rows=0, unmapped=0, held=0, unchanged=0, deselected=0, to_send=1,
        calls=0, verdict="[]", rows=b"",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("told", "became", "key"),
    [
        (None, "", "plan_held p2"),
        ("p1", "superseded", "plan_held p1"),
        ("p1", "approved", "plan_held p2"),
        ("p1", "rejected", "plan_held p2"),
        ("p1", "pushed", "plan_held p2"),
        ("p2", "held", "plan_held p2"),
    ],
)
def test_a_held_plan_is_the_same_trouble_until_somebody_decides(
    told: str | None, became: str, key: str
) -> None:
    before = (
        [known(f"plan_held {told}", "plan_held", outlet="a", platform="pasons")] if told else []
    )
    (found,) = of_plans([plan(2)], before, {told: became} if told else {})
    assert found.key == key


def test_lost_imports_are_one_trouble_for_each_account_that_there_still_is() -> None:
    lost: dict[str, Any] = {"account": "bestbuy", "platform": "mirakl", "import_id": "2044"}
    lost |= {"message": "no end of import 2044", "items": 1200, "outlets": ["west", "east"]}
    older = lost | {"import_id": "1999", "message": "older"}
    (found,) = of_imports([lost, older, lost | {"account": "gone"}], ["bestbuy", "tracker"])
    assert (found.key, found.kind, found.platform) == (
        "import_lost bestbuy",
        "import_lost",
        "mirakl",
    )
    assert found.kind in KINDS
    assert found.kind in FAILURES
    words = "no end of import 2044; 1,200 rows of west (and 1 more) go again"
    assert found.message == words
    assert found.next_step.startswith("marketsync run push_mirakl --outlet west")


def test_one_job_over_the_same_outlets_is_one_trouble() -> None:
    runs = [FailedRun(f"r{n}", "partial_sync", ("a", "b"), "", "x") for n in range(3)]
    runs.append(FailedRun("r9", "partial_sync", ("a", "c"), "", "x"))
    runs.append(FailedRun("r10", "test_connections", None, "", ""))
    assert [one.key for one in of_runs(runs)] == [
        "run_failed partial_sync a-b",
        "run_failed partial_sync a-c",
        "run_failed test_connections",
    ]


@pytest.mark.parametrize(
    ("wider", "narrow", "does"),
    [
        (("a", "d"), ("b", "c"), True),
        (("b", "c"), ("b", "c"), True),
        (("b", "c"), ("a", "c"), False),
        (("b", "c"), ("b", "d"), False),
        (None, None, True),
        (("a", "d"), None, False),
        (None, ("a", "d"), False),
        (("a", "gone"), ("a", "gone"), True),
        (("a", "d"), ("gone", "gone"), False),
    ],
)
def test_a_run_makes_good_what_it_covers(
    wider: tuple[str, str] | None, narrow: tuple[str, str] | None, does: bool
) -> None:
    assert covers(wider, narrow, OUTLETS) is does


@pytest.mark.parametrize(
    ("last_ok", "since", "stale"),
    [
        (1.9, 9, False),
        (2.1, 9, True),
        (None, 1.9, False),
        (None, 2.1, True),
        (9, 1, False),  # a pause has just ended
        (-5, 9, True),  # success in the future: a clock was wrong, it says nothing
        (-0.5, 9, False),
    ],
)
def test_hours_count_from_the_last_success_or_from_when_one_was_expected(
    last_ok: float | None, since: float, stale: bool
) -> None:
    def ago(hours: float) -> str:
        return to_iso(NOW - timedelta(hours=hours))

    sight = ChannelSight("a", "pasons", None if last_ok is None else ago(last_ok), ago(since))
    assert is_stale(sight, 2, NOW) is stale
