"""What the checks over all outlets find in the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from marketsync_dagster.assets import findings
from marketsync_dagster.assets.laws import channel_law, extract_law
from marketsync_dagster.ledger.extracts import ExtractRecord, record_extract
from marketsync_dagster.ledger.plans import PlanRecord, save_plan
from marketsync_dagster.ledger.states import OutletState, record_states
from marketsync_dagster.stages.project import Project, open_project
from marketsync_dagster.values.times import to_iso, utcnow
from marketsync_dagster_tests.assets.fakes import OUTLETS, settings_of, write_config

CHANNEL: dict[str, int | float] = {
    "catalog_rows": 10, "unmapped": 1, "held": 0, "unchanged": 2, "deselected": 3, "sent": 4,
    "applied": 3, "refused": 1,
}  # fmt: skip


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    monkeypatch.setenv("MARKETSYNC_HOME", str(tmp_path / ".marketsync"))
    monkeypatch.delenv("MARKETSYNC_DATABASE_URL", raising=False)
    opened = open_project(settings=settings_of(write_config(tmp_path)))
    yield opened
    opened.ledger.close()


def states(project: Project, stage: str, **of: OutletState | dict[str, int | float]) -> None:
    record_states(
        project.ledger,
        [
            value
            if isinstance(value, OutletState)
            else OutletState(stage, outlet, True, "done", numbers=value)
            for outlet, value in of.items()
        ],
    )


def test_the_laws_hold_where_every_row_is_counted_once() -> None:
    whole = {"records": 9, "accepted": 6, "rejected": 2, "duplicates": 1}
    assert extract_law(whole) == ""
    assert extract_law(whole | {"accepted": 5}) == (
        "9 records is not 5 accepted + 2 rejected + 1 duplicates"
    )
    assert channel_law(CHANNEL) == ""


@pytest.mark.parametrize("name", [*CHANNEL, "unknown", "accepted_async"])
def test_one_row_too_many_anywhere_breaks_the_channel_law(name: str) -> None:
    assert channel_law(CHANNEL | {name: CHANNEL.get(name, 0) + 1}) != ""


def test_a_channel_that_does_not_add_up_is_named(project: Project) -> None:
    wrong = CHANNEL | {"sent": 5}
    states(project, "tracker_ke_listings", kisumu=CHANNEL, mombasa=wrong)
    found = findings.conservation_of_channels(project, "tracker_ke")
    assert not found.passed
    assert found.sentence == "1 of 2 outlets do not add up"
    assert [row["outlet"] for row in found.rows] == ["mombasa"]


def extract(outlet: str, accepted: int) -> ExtractRecord:
    moment = to_iso(utcnow())
    return ExtractRecord(
        f"{outlet}-1", outlet, "aa", "x.csv", "full", moment, "name", moment, "accepted",
        9, accepted, 2, 1,
    )  # fmt: skip


def test_an_extract_that_does_not_add_up_is_named(project: Project) -> None:
    record_extract(project.ledger, extract("kisumu", 6))
    assert findings.conservation_of_extracts(project).passed
    record_extract(project.ledger, extract("mombasa", 5))
    found = findings.conservation_of_extracts(project)
    assert not found.passed
    assert [row["outlet"] for row in found.rows] == ["mombasa"]


def test_a_mapping_below_nine_tenths_is_a_warning_with_the_command(project: Project) -> None:
    full: dict[str, int | float] = {"rows": 100, "unmapped": 10}
    poor: dict[str, int | float] = {"rows": 100, "unmapped": 11}
    states(project, "tracker_ke_sku_mapping", kisumu=full, mombasa=poor)
    found = findings.mapping_coverage(project, "tracker_ke")
    assert (found.passed, found.warn) == (False, True)
    (row,) = found.rows
    assert row["outlet"] == "mombasa"
    assert row["coverage"] == "89.0%"
    assert row["next_step"] == "marketsync mapping list --account tracker_mombasa"
    states(project, "tracker_ke_sku_mapping", mombasa=full)
    assert findings.mapping_coverage(project, "tracker_ke").passed


def held_plan(outlet: str) -> PlanRecord:
    texts: dict[str, Any] = dict.fromkeys(
        ("account", "run_id", "base", "content", "created_by", "extract_id"), "x"
    )
    numbers = dict.fromkeys(("unmapped", "unchanged", "deselected", "calls"), 0)
    return PlanRecord(
        id=f"plan-{outlet}", outlet=outlet, platform="tracker_ke", created_at=to_iso(utcnow()),
        extract_time=to_iso(utcnow()), mode="partial", kind="ordinary", state="held",
        catalog_rows=9, held=9, to_send=9, verdict="[]", rows=b"", **texts, **numbers,
    )  # fmt: skip


def test_a_held_plan_fails_the_guard_check_and_names_the_commands(project: Project) -> None:
    assert findings.guard(project, "tracker_ke").passed
    save_plan(project.ledger, held_plan("kisumu"))
    found = findings.guard(project, "tracker_ke")
    assert (found.passed, found.warn) == (False, False)
    assert found.sentence == "1 plan and 0 single rows are held: kisumu"
    assert "marketsync approve plan-kisumu" in found.rows[0]["next_step"]
    assert findings.guard(project, "pasons").passed


def test_single_rows_that_are_held_are_a_warning(project: Project) -> None:
    states(project, "tracker_ke_listings", kisumu={**CHANNEL, "held": 2})
    found = findings.guard(project, "tracker_ke")
    assert (found.passed, found.warn) == (False, True)
    assert found.numbers == {"held_plans": 0, "held_rows": 2}


def test_a_channel_without_success_for_too_long_is_late(project: Project) -> None:
    stage = "tracker_ke_listings"

    def at(hours: float) -> str:
        return to_iso(utcnow() - timedelta(hours=hours))

    states(project, stage, **{o: OutletState(stage, o, True, "done", at=at(1)) for o in OUTLETS})
    assert findings.freshness(project, "tracker_ke").passed
    # the limit of the configuration is two hours
    states(project, stage, kisumu=OutletState(stage, "kisumu", True, "done", at=at(3)))
    states(project, stage, kisumu=OutletState(stage, "kisumu", False, "failed", "busy", at=at(0)))
    found = findings.freshness(project, "tracker_ke")
    assert found.sentence == "1 of 4 channels had no success for 2 hours: kisumu"
    assert found.rows[0]["next_step"] == "marketsync run push_tracker_ke --outlet kisumu"


def test_keys_older_than_ninety_days_are_a_warning_that_names_them(project: Project) -> None:
    accounts = dict(project.settings.accounts)
    name = next(name for name in accounts if name.startswith("tracker_"))
    for days, passed in ((90, True), (91, False)):
        said = str((utcnow() - timedelta(days=days)).date())
        old = accounts[name].model_copy(update={"rotated_on": said})
        settings = project.settings.model_copy(update={"accounts": accounts | {name: old}})
        found = findings.keys_fresh(replace(project, settings=settings), "tracker_ke")
        assert (found.passed, found.warn) == (passed, True)
        assert (found.numbers or {})["oldest_days"] == days
    assert found.sentence.startswith(f"1 of 4 keys are older than 90 days: {name}; of 3 nobody")
    assert found.rows[0]["key"] == f"accounts.{name}.api_key"
    assert findings.keys_fresh(replace(project, settings=settings), "pasons").passed


def test_outlets_that_have_not_run_yet_are_counted_apart(project: Project) -> None:
    states(project, "pos_extract", kisumu={"records": 1})
    found = findings.every_outlet(project, "pos_extract", list(OUTLETS))
    assert found.passed
    assert found.sentence == "0 of 4 outlets need attention; 3 have not run yet"


def test_a_stored_frame_without_its_columns_is_named(project: Project) -> None:
    import pandas as pd

    from marketsync_dagster.catalog.columns import PLATFORM_CATALOG as EXPECTED

    key = ("tracker_ke", "price_feed")
    whole = pd.DataFrame({name: ["x"] for name in EXPECTED.names})
    project.frames.write(key, "kisumu", whole, inputs="", numbers={})
    assert findings.schema(project, key, EXPECTED, OUTLETS).passed
    project.frames.write(key, "mombasa", whole.drop(columns="brand"), inputs="", numbers={})
    found = findings.schema(project, key, EXPECTED, OUTLETS)
    assert found.sentence == "1 of 2 stored frames lack columns"
    assert (found.rows[0]["outlet"], found.rows[0]["missing"]) == ("mombasa", "brand")
