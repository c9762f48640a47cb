"""One bad outlet stops only itself: what the Dagster UI reads after a run over many outlets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from marketsync_dagster_tests.assets.conftest import Shop, open_shop
from marketsync_dagster_tests.assets.fakes import OUTLETS

GOOD = {"garden_city", "kisumu", "westlands"}


def failures(run: dg.ExecuteInProcessResult) -> dict[str, str]:
    """Failed step -> what it said."""
    found = {}
    for event in run.all_events:
        if event.is_step_failure:
            said = event.step_failure_data.user_failure_data
            assert said is not None, event.step_failure_data.error
            found[str(event.step_key)] = said.description or ""
    return found


def evaluations(run: dg.ExecuteInProcessResult, key: str, name: str) -> dict[str | None, Any]:
    """Outlet (None: not by outlet) -> evaluation of one check."""
    return {
        one.partition: one
        for one in run.get_asset_check_evaluations()
        if one.asset_key.to_user_string() == key and one.check_name == name
    }


@pytest.fixture(scope="module")
def after_a_bad_night(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Shop, dg.ExecuteInProcessResult]]:
    """One scheduled run over four outlets in which two things went wrong."""
    with (
        pytest.MonkeyPatch.context() as monkeypatch,
        open_shop(tmp_path_factory.mktemp("shop"), monkeypatch) as shop,
    ):
        shop.stages.bad = {
            ("pos_extract", "mombasa"): "the extract of mombasa is damaged",
            ("pasons_listings", "kisumu"): "the key was revoked",
        }
        yield shop, shop.run("full_sync")


def test_a_range_run_with_a_damaged_extract_and_a_refused_channel(
    after_a_bad_night: tuple[Shop, dg.ExecuteInProcessResult],
) -> None:
    shop, run = after_a_bad_night
    # the run is red, at the stages where it happened, and names the outlets
    assert not run.success
    assert failures(run) == {
        "pos_extract_outlets": "1 of 4 outlets failed at pos_extract: mombasa: the extract of "
        "mombasa is damaged (export it again)",
        "pasons_listings_outlets": "1 of 4 outlets failed at pasons_listings: kisumu: the key was "
        "revoked (export it again)",
    }
    skipped = [event.step_key for event in run.all_events if event.is_step_skipped]
    assert skipped == []
    # the good outlets are green all the way, the bad ones failed from where they stopped
    for key in ("pos/extract", "pos/rejects", "pos/catalog", "tracker_ke/products"):
        assert shop.status(key) == (GOOD, {"mombasa"}), key
    for key in ("tracker_ke/sku_mapping", "tracker_ke/price_feed", "tracker_ke/listings"):
        assert shop.status(key) == (GOOD, {"mombasa"}), key
    assert shop.status("pasons/price_feed") == (GOOD, {"mombasa"})
    assert shop.status("pasons/listings") == ({"garden_city", "westlands"}, {"mombasa", "kisumu"})
    # later stages did not touch the bad outlet's old frames
    assert all("mombasa" not in done for done in shop.stages.worked("tracker_ke_price_feed"))


def test_one_materialization_per_good_outlet_with_its_own_numbers(
    after_a_bad_night: tuple[Shop, dg.ExecuteInProcessResult],
) -> None:
    shop, run = after_a_bad_night
    events: dict[str, list[str | None]] = {}
    for event in run.get_asset_materialization_events():
        assert event.asset_key is not None
        events.setdefault(event.asset_key.to_user_string(), []).append(event.partition)
    assert sorted(events["tracker_ke/listings"], key=str) == sorted(GOOD)
    assert sorted(events["pos/extract"], key=str) == sorted(GOOD)
    numbers = shop.metadata("tracker_ke/listings", "westlands")
    assert {"applied": 1, "refused": 0, "unmapped": 1, "calls": 1}.items() <= numbers.items()
    assert type(numbers["applied"]) is int
    assert shop.metadata("pos/extract", "westlands")["dagster/row_count"] == 2
    assert shop.metadata("pasons/listings", "westlands") == {"state": "no channel"}


def test_every_outlet_has_its_own_check_result_tied_to_its_materialization(
    after_a_bad_night: tuple[Shop, dg.ExecuteInProcessResult],
) -> None:
    _, run = after_a_bad_night
    found = evaluations(run, "tracker_ke/listings", "outlet_ok")
    assert {outlet: one.passed for outlet, one in found.items()} == {
        "garden_city": True, "kisumu": True, "mombasa": False, "westlands": True,
    }  # fmt: skip
    assert found["mombasa"].metadata["state"].value == "failed at pos_extract"
    target = found["westlands"].target_materialization_data
    assert target is not None
    assert target.run_id == run.run_id


def test_the_check_over_all_outlets_names_those_that_need_attention(
    after_a_bad_night: tuple[Shop, dg.ExecuteInProcessResult],
) -> None:
    _, run = after_a_bad_night
    by_outlet = evaluations(run, "pos/extract", "outlet_ok")
    assert {outlet for outlet, one in by_outlet.items() if not one.passed} == {"mombasa"}
    (found,) = evaluations(run, "pos/extract", "every_outlet").values()
    assert found.description == "1 of 4 outlets need attention: mombasa"
    assert found.metadata["bad_outlets"].value == 1
    (row,) = [record.data for record in found.metadata["outlets"].records]
    assert row["outlet"] == "mombasa"
    assert row["reason"] == "the extract of mombasa is damaged"
    assert row["next_step"] == "export it again"


def test_a_later_good_run_of_the_outlet_clears_it(shop: Shop) -> None:
    shop.stages.bad = {("pos_extract", "mombasa"): "damaged"}
    shop.run("partial_sync")
    shop.stages.bad = {}
    assert shop.run("partial_sync", "mombasa", "mombasa").success
    assert shop.status("tracker_ke/listings") == (set(OUTLETS), set())


def test_a_failure_in_the_middle_makes_one_red_step_of_its_own(shop: Shop) -> None:
    shop.stages.bad = {("tracker_ke_price_feed", "kisumu"): "a rule divides by zero"}
    run = shop.run("full_sync")
    assert list(failures(run)) == ["tracker_ke_checks"]
    assert "kisumu: a rule divides by zero" in failures(run)["tracker_ke_checks"]
    # its trouble on one platform is none on the other
    assert shop.status("pasons/listings")[1] == set()
    assert shop.status("tracker_ke/listings")[1] == {"kisumu"}


def test_when_no_outlet_is_good_the_step_fails_and_the_checks_are_answered(shop: Shop) -> None:
    shop.stages.bad = {("pos_extract", outlet): "no file" for outlet in OUTLETS}
    run = shop.run("full_sync")
    assert list(failures(run)) == ["pos_extract"]
    said = failures(run)["pos_extract"]
    assert all(f"{outlet}: no file" in said for outlet in OUTLETS)
    assert {o: e.passed for o, e in evaluations(run, "pos/extract", "outlet_ok").items()} == (
        dict.fromkeys(OUTLETS, False)
    )
    (over_all,) = evaluations(run, "pos/extract", "every_outlet").values()
    assert over_all.metadata["bad_outlets"].value == 4
    assert list(run.get_asset_materialization_events()) == []


def test_a_held_plan_makes_the_run_red_and_prints_the_command(shop: Shop) -> None:
    shop.stages.held = {("tracker_ke_listings", "kisumu")}
    run = shop.run("push_tracker_ke")
    assert (
        "kisumu: plan p1 is held (marketsync approve)"
        in failures(run)["tracker_ke_listings_outlets"]
    )
    assert shop.status("tracker_ke/listings")[1] == {"kisumu"}


def test_one_outlet_from_the_asset_page_is_one_run_and_means_full(shop: Shop) -> None:
    """A backfill arrives as a range of one, without any configuration."""
    run = shop.run("__ASSET_JOB", "kisumu", "kisumu", tags={"dagster/backfill": "abcdef"})
    assert run.success
    assert shop.status("tracker_ke/listings") == ({"kisumu"}, set())
    assert {options.mode for options in shop.stages.options} == {"full"}
    assert shop.stages.users == {"backfill abcdef"}


CHECKS = "__CHECKS"
"""Here: the checks alone, as the page of checks runs them."""


@pytest.mark.parametrize("job", ["full_sync", "push_tracker_ke", "refresh_mappings", CHECKS])
def test_a_run_that_is_about_no_outlet_says_what_to_choose(shop: Shop, job: str) -> None:
    if job == CHECKS:
        only = dg.AssetSelection.checks(
            dg.AssetCheckKey(dg.AssetKey(["pos", "extract"]), "outlet_ok")
        )
        checks = dg.define_asset_job(job, selection=only, executor_def=dg.in_process_executor)
        job_def = dg.Definitions.merge(
            shop.definitions, dg.Definitions(jobs=[checks])
        ).resolve_job_def(job)
    else:
        job_def = shop.definitions.resolve_job_def(job)
    run = job_def.execute_in_process(
        instance=shop.instance,
        raise_on_error=False,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    assert not run.success
    said = [
        event.step_failure_data.error.to_string()
        for event in run.all_events
        if event.is_step_failure and event.step_failure_data.error is not None
    ]
    assert said
    for words in said:
        assert "no outlet was chosen" in words
        assert "choose a partition" in words
        assert "partition_key" not in words
