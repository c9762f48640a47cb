"""What a plan leaves undone, and what a run has to say of outlets that are well."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

from marketsync_dagster.automation.launch import RunReport
from marketsync_dagster.cli.changes import _print, _print_total, document
from marketsync_dagster.cli.left import left_undone
from marketsync_dagster.cli.run import print_report
from marketsync_dagster.push.plan import PlanOptions
from marketsync_dagster.stages.explain import explain
from marketsync_dagster.stages.preview import preview
from marketsync_dagster_tests.cli.conftest import MAPPING, Run
from marketsync_dagster_tests.projects import TestBed, make_project, some_rows
from marketsync_dagster_tests.sandbox_process import SandboxProcess

DONE_WORDS = "nothing to do: every channel has been told what it should show"
ROWS = some_rows(60)


@pytest.fixture
def bed(tmp_path: Path, fresh_sandbox: SandboxProcess) -> TestBed:
    bed = make_project(tmp_path, fresh_sandbox, rows=ROWS, platforms=["tracker_ke"])
    bed.configure(lambda _: bed.channel("tracker_ke")["guard"].update(min_rows=5))
    assert bed.sync("tracker_ke").one.numbers["applied"] == 60
    return bed


def planned(bed: TestBed, capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], str]:
    capsys.readouterr()
    with bed.run() as project, warnings.catch_warnings():
        warnings.simplefilter("error")
        options = PlanOptions(mode="partial")
        plan = document(preview(project, bed.outlet, "tracker_ke", options), project.settings)
    _print(plan)
    _print_total([plan], [], "marketsync run partial_sync", whole=True)
    return plan, capsys.readouterr().out


def test_all_told_is_said_only_of_channels_that_were_told_all(
    bed: TestBed, capsys: pytest.CaptureFixture[str]
) -> None:
    plan, out = planned(bed, capsys)
    assert (plan["unchanged"], DONE_WORDS in out, "left:" in out) == (60, True, False)


def test_rows_that_lost_their_id_are_left_and_the_channel_is_no_new_one(
    bed: TestBed, capsys: pytest.CaptureFixture[str]
) -> None:
    bed.write_mapping([])
    for _ in ("ahead", "after"):
        plan, out = planned(bed, capsys)
        assert (plan["kind"], plan["unmapped"], plan["unmapped_acknowledged"]) == (
            *("ordinary", 60),
            60,
        )
        assert "nothing to do" not in out
        assert "nothing to send" in out
        assert "left: 60 rows of westlands on tracker_ke had a platform id before" in out
        assert "marketsync mapping list --unmapped --account tracker_ke_westlands" in out
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            bed.sync("tracker_ke")


def test_an_extract_that_shrank_is_left_with_the_words_of_the_guard(
    bed: TestBed, capsys: pytest.CaptureFixture[str]
) -> None:
    bed.configure(lambda document: document["outlets"]["westlands"]["extract"].update(gone_after=9))
    bed.write_extract(ROWS[:20])
    plan, out = planned(bed, capsys)
    assert "nothing to do" not in out
    assert plan["vanished"] == 40
    assert "gone_after: 9 takes it off sale" in " ".join(out.split())
    assert "left: the guard stops westlands on tracker_ke: the extract has 20 rows" in out
    bed.sync("tracker_ke")
    with bed.run() as project:
        stories = [explain(project, bed.outlet, "tracker_ke", ROWS[n].sku) for n in (30, 1)]
    gone = "no longer in the extract: gone_after: 9 takes it off sale"
    assert [story["gone"] for story in stories] == [gone, None]


def test_rejected_rows_are_left_with_their_reasons(
    bed: TestBed, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = [*ROWS[:58], *(type(row)(row.sku, "", row.stock) for row in ROWS[58:])]
    bed.write_extract(bad)
    for _ in ("ahead", "after"):
        plan, out = planned(bed, capsys)
        assert (plan["rejected"], plan["vanished"]) == ({"missing_price": 2}, 0)
        assert "nothing to do" not in out
        assert "left: 2 rows of the extract of westlands rejected: 2 missing_price" in out
        assert "marketsync check-extract FILE" in out
        bed.sync("tracker_ke")


def plan_document(**said: Any) -> dict[str, Any]:
    nothing = dict.fromkeys(("unmapped", "unmapped_acknowledged", "refused_before", "held"), 0)
    kept = {"outlet": "a", "platform": "p", "account": "acc", "to_send": 0, "paused": None}
    empty = {"deselected_because": {}, "findings": [], "rejected": {}, "notes": []}
    ahead = {"vanished": 0, "gone_after": None, "unmapped_not_asked": 0, "approved_plan": None}
    return {**nothing, **kept, **empty, **ahead, **said}


@pytest.mark.parametrize(
    ("said", "words", "command"),
    [
        ({"unmapped": 3}, "3 rows of a on p have no platform id", "--account acc"),
        (
            {"unmapped": 3, "unmapped_not_asked": 3},
            *("have no platform id: p was not asked yet", "marketsync run refresh_mappings"),
        ),
        (
            {"vanished": 2, "vanished_such_as": "X1"},
            "such as X1: it stays for sale, because gone_after is not set",
            "outlets.a.extract.gone_after",
        ),
        (
            {"vanished": 1, "vanished_such_as": "X1", "gone_after": 3},
            *("gone_after: 3 takes it off sale", "explain --outlet a --platform p --sku X1"),
        ),
        ({"refused_before": 1}, "1 row of a on p was refused by the platform", "history"),
        ({"deselected_because": {"older extract": 2}}, "2 older extract", "marketsync plan"),
        ({"rejected": {"bad_price": 1}}, "1 row of the extract of a rejected", "check-extract"),
    ],
)
def test_each_kind_is_said_for_all_channels_together(
    said: dict[str, Any], words: str, command: str
) -> None:
    ((text, step),) = left_undone([plan_document(**said), plan_document(outlet="well")])
    assert words in text
    assert command in step
    assert len(left_undone([plan_document(outlet=f"o{n}", **said) for n in range(30)])) == 1
    assert left_undone([plan_document()]) == []


def test_plan_says_that_rows_are_unmapped(project: Path, run: Run) -> None:
    (project / "mappings" / "side.csv").write_text(MAPPING.partition("\n")[0] + "\n")
    result = run("plan", "--outlet", "side")
    assert result.code == 0
    assert "nothing to do" not in result.out
    assert "left: 3 rows of side on tracker_ke have no platform id" in result.out


def test_a_run_says_the_reasons_of_outlets_that_are_well(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def result(number: int, reason: str, state: str = "done") -> dict[str, Any]:
        place = {"stage": "pos_extract", "outlet": f"o{number}", "state": state}
        return {**place, "ok": True, "reason": reason, "next_step": "", "numbers": {"rejected": 1}}

    results = [result(n, f"reason {n}", "unchanged" if n % 2 else "done") for n in range(30)]
    results.append(result(99, ""))
    print_report("full_sync", RunReport("full_sync", ["r1"], True, results))
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert [line for line in lines if "reason" in line] == [
        f"o{n}, pos_extract: reason {n}" for n in range(20)
    ]
    assert "and 10 more; --json has all of them" in said.err
    assert sum("marketsync check-extract" in line for line in lines) == 1


def test_a_run_says_what_people_are_to_do_about_single_orders(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def result(stage: str, reason: str, **numbers: int) -> dict[str, Any]:
        place = {"stage": f"orders_{stage}", "outlet": "a", "ok": True, "state": "done"}
        step = "marketsync orders tasks" if reason else ""
        return {**place, "reason": reason, "next_step": step, "numbers": numbers}

    results = [
        result("order_book", "", tasks=1),
        result("pos_drops", "1 order refused or failed, 1 new question", failed=1, tasks=1),
    ]
    print_report("fulfil_orders", RunReport("fulfil_orders", ["r"], True, results, exit_code=3))
    said = capsys.readouterr()
    assert "a, orders_pos_drops: 1 order refused or failed, 1 new question" in said.out
    assert "  next: marketsync orders tasks" in said.out
    assert "held; marketsync orders tasks shows what to decide" in said.err
