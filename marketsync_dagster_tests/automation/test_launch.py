"""Running a job from the command line: in this process, into the history that the UI shows."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from marketsync_dagster.automation.launch import exit_code, launch
from marketsync_dagster.stages.project import Project, open_project
from marketsync_dagster.values.errors import UsageError
from marketsync_dagster_tests.assets.conftest import Shop

DAGSTER_YAML = Path(__file__).parents[2] / "dagster.yaml"


@pytest.fixture
def project(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    (tmp_path / "dagster.yaml").write_bytes(DAGSTER_YAML.read_bytes())
    opened = open_project(shop.settings.file, user="ada")
    yield opened
    opened.ledger.close()


def test_outlets_that_are_not_neighbours_are_two_runs_in_the_history(
    shop: Shop, project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[tuple[str, str, int, int]] = []
    report = launch(
        project,
        "partial_sync",
        ["westlands", "garden_city"],
        {"skus": ["a"], "limit": 5},
        lambda *words: told.append(words),
    )
    assert report.success
    assert report.exit_code == 0
    assert len(report.run_ids) == 2
    assert ("tracker_ke_listings", "", 1, 1) in told
    assert ("tracker_ke_push", "westlands", 1, 1) in told
    assert {r["outlet"] for r in report.results} == {"westlands", "garden_city"}
    assert report.results[0]["stage"] == "pos_extract"
    assert [o.skus for o in shop.stages.options[:1]] == [("a",)]
    assert {(o.mode, o.limit, o.automatic) for o in shop.stages.options} == {("partial", 5, False)}
    assert shop.stages.users == {"ada"}
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""
    with dg.DagsterInstance.from_config(str(tmp_path / "dagster")) as instance:
        runs = instance.get_runs()
        assert {run.run_id for run in runs} == set(report.run_ids)
        assert {run.status for run in runs} == {dg.DagsterRunStatus.SUCCESS}
        done = instance.get_materialized_partitions(dg.AssetKey(["tracker_ke", "listings"]))
        assert done == {"westlands", "garden_city"}
        assert not instance.telemetry_enabled
    assert (tmp_path / "dagster" / "dagster.yaml").is_symlink()


def test_a_bad_outlet_is_in_the_report_with_reason_and_next_step(
    shop: Shop, project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.stages.bad = {("pos_extract", "mombasa"): "the file is cut short"}
    report = launch(project, "partial_sync")
    assert not report.success
    assert report.exit_code == 4
    assert report.errors == []
    (bad,) = [result for result in report.results if not result["ok"]]
    assert bad["outlet"] == "mombasa"
    assert bad["reason"] == "the file is cut short"
    assert bad["next_step"] == "export it again"
    assert "Traceback" not in capsys.readouterr().err


def test_a_held_plan_is_exit_code_three(shop: Shop, project: Project) -> None:
    shop.stages.held = {("tracker_ke_listings", "kisumu")}
    assert launch(project, "push_tracker_ke", ["kisumu"]).exit_code == 3


def test_refused_rows_are_exit_code_four_although_the_run_is_green(
    shop: Shop, project: Project
) -> None:
    shop.stages.refused = 1
    report = launch(project, "push_tracker_ke", ["kisumu"])
    assert report.success
    assert report.exit_code == 4


def test_a_defect_in_a_step_is_an_error_and_not_an_outlets_fault(
    shop: Shop, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a defect")

    stage = sys.modules["marketsync_dagster.stages.extract"]
    monkeypatch.setattr(stage, "extract_outlets", broken)
    report = launch(project, "partial_sync", ["kisumu"])
    assert report.exit_code == 1
    assert len(report.errors) == 1
    assert report.errors[0].startswith("pos_extract: ")
    assert "a defect" in report.errors[0]


def test_a_platform_that_cannot_be_read_is_said(shop: Shop, project: Project) -> None:
    shop.stages.bad = {("tracker_ke_platform_catalog", ""): "the key was revoked"}
    report = launch(project, "refresh_mappings")
    assert report.exit_code == 1
    assert report.errors == ["the key was revoked"]


def test_a_job_may_be_run_for_one_platform_alone(shop: Shop, project: Project) -> None:
    report = launch(project, "refresh_mappings", ["westlands"], platform="pasons")
    assert report.exit_code == 0
    assert {result["stage"] for result in report.results} == {"pasons_sku_mapping"}
    with pytest.raises(UsageError, match="has nothing of mirakl"):
        launch(project, "refresh_mappings", ["westlands"], platform="mirakl")


def test_older_extracts_are_forced_with_a_name_and_a_reason(shop: Shop, project: Project) -> None:
    said = {"force_older": True, "by": "ada", "reason": "the clock was wrong"}
    launch(project, "partial_sync", ["kisumu"], said)
    assert (shop.stages.forced.by, shop.stages.forced.reason) == ("ada", "the clock was wrong")


def test_every_stage_that_sends_is_told_what_alone_to_send(shop: Shop, project: Project) -> None:
    some = {"skus": ["a"], "limit": 5}
    for job, given, fields, stages in (
        (
            "full_sync",
            {"fields": ["price"]},
            ("price",),
            3,
        ),  # products, and the plans of two platforms
        ("push_tracker_ke", {"fields": ["stock"]}, ("stock",), 1),
        ("stock_sync", {}, ("stock",), 2),
    ):
        shop.stages.options.clear()
        assert launch(project, job, ["kisumu"], some | given).success
        told = [(one.skus, one.limit, one.fields) for one in shop.stages.options]
        assert told == [(("a",), 5, fields)] * stages, job
    with pytest.raises(UsageError, match="about the stock alone, not about the price"):
        launch(project, "stock_sync", ["kisumu"], {"fields": ["price"]})


def test_every_launchpad_takes_the_options_of_a_test_run(shop: Shop) -> None:
    some = {"skus": ["a"], "limit": 5, "fields": ["price"]}
    for known in shop.definitions.jobs or []:
        config: dict[str, Any] = {"resources": {"options": {"config": some}}}
        if known.name == "plan":
            config = {"ops": {"preview": {"config": some}}}
        assert dg.validate_run_config(shop.definitions.resolve_job_def(known.name), config)


@pytest.mark.parametrize(
    ("job", "outlets", "words"),
    [
        ("partial_snyc", None, "there is no job 'partial_snyc'"),
        ("", None, "there is no job ''"),
        ("partial_sync", ["kisum"], "there is no outlet 'kisum'"),
    ],
)
def test_words_that_do_not_exist_are_usage_errors_with_the_closest_ones(
    project: Project, job: str, outlets: list[str] | None, words: str
) -> None:
    with pytest.raises(UsageError) as caught:
        launch(project, job, outlets)
    assert caught.value.message == words
    assert "sync" in caught.value.next_step or "kisumu" in caught.value.next_step


@pytest.mark.parametrize(
    ("success", "states", "errors", "code"),
    [
        (True, [], [], 0),
        (True, [("done", True, 0)], [], 0),
        (False, [], [], 1),
        (False, [("failed", False, 0)], ["x"], 1),
        (False, [("held", False, 0)], [], 3),
        (True, [("held again", True, 0)], [], 3),
        (False, [("rows held", False, 0)], [], 3),
        (False, [("held", False, 0), ("failed", False, 0)], [], 4),
        (True, [("pushed", True, 2)], [], 4),
    ],
)
def test_the_exit_code_says_the_worst(
    success: bool, states: list[tuple[str, bool, int]], errors: list[str], code: int
) -> None:
    results = [
        {"state": state, "ok": ok, "numbers": {"refused": refused}} for state, ok, refused in states
    ]
    assert exit_code(success, results, errors) == code


def test_what_waits_for_people_when_a_run_ends_is_held_though_every_stage_was_done() -> None:
    assert exit_code(True, [], [], held=True) == 3
    assert exit_code(True, [{"state": "failed", "ok": False, "numbers": {}}], [], held=True) == 4


@pytest.mark.parametrize(
    ("stage", "numbers", "code"),
    [
        ("orders_order_book", {"refused": 7, "delivered": 2}, 0),  # by rule, and long ago
        ("orders_order_book", {"held": 1}, 3),
        ("orders_order_book", {"tasks": 1}, 3),
        ("orders_order_book", {"held": 1, "failed": 1}, 4),
        ("orders_mirakl_orders", {"failed": 1, "created": 9}, 4),  # a document cannot be read
        ("orders_qikink_fulfilments", {"sync_pending": 3, "waiting": 3}, 0),
        ("orders_mirakl_updates", {"told": 2}, 0),
    ],
)
def test_orders_that_wait_for_people_are_held_and_what_failed_of_them_is_bad(
    stage: str, numbers: dict[str, int], code: int
) -> None:
    assert (
        exit_code(True, [{"stage": stage, "state": "done", "ok": True, "numbers": numbers}], [])
        == code
    )
