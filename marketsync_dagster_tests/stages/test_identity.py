"""What was told to another account, store or place, or under another SKU, is not taken for what a
channel shows; and a plan that waits for approval is not sent where it was not made for."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from marketsync_dagster.ledger import extracts, plans
from marketsync_dagster.push import decisions
from marketsync_dagster.stages.explain import explain
from marketsync_dagster.stages.standing import has_changed
from marketsync_dagster.values.errors import PlanError
from marketsync_dagster_tests.ledgers import Engine
from marketsync_dagster_tests.projects import (
    FULL,
    TestBed,
    key_of,
    make_project,
    some_rows,
)
from marketsync_dagster_tests.sandbox_process import SandboxProcess

ROWS = some_rows(40)
SKUS = [row.sku for row in ROWS]
ON_EACH_ENGINE = pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
Change = Callable[[dict[str, Any]], None]


@ON_EACH_ENGINE
def test_a_mapping_that_was_wrong_and_is_mended_shows_the_right_price_again(
    engine: Engine, tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    bed = make_project(tmp_path, fresh_sandbox, rows=ROWS, platforms=["tracker_ke"], engine=engine)
    assert bed.sync("tracker_ke", FULL).one.ok
    bed.write_mapping(SKUS[1:], {SKUS[1]: f"prod_{SKUS[0]}"})  # and none for the first
    assert bed.sync("tracker_ke").one.numbers["applied"] == 1
    assert bed.shown("tracker_ke")[f"prod_{SKUS[0]}"] == bed.wanted("tracker_ke")[f"prod_{SKUS[0]}"]
    with bed.run() as project:
        story = explain(project, "westlands", "tracker_ke", SKUS[0])
        assert (story["live"], story["told_since_as"]) == (None, SKUS[1])
        assert story["next_step"].endswith(f"--sku {SKUS[1]}")
        assert explain(project, "westlands", "tracker_ke", SKUS[1])["told_since_as"] is None

    bed.write_mapping(SKUS)

    assert bed.sync("tracker_ke").one.ok
    assert bed.differences("tracker_ke") == {}
    assert bed.sync("tracker_ke").one.state == "unchanged"


def _other_account(document: dict[str, Any]) -> None:
    os.environ["TEST_OTHER_KEY"] = key_of("pasons", "other")
    account = document["accounts"].pop("pasons_westlands")
    document["accounts"]["pasons_other"] = account | {
        "auth": {"scheme": "bearer", "key": {"env": "TEST_OTHER_KEY"}},
    }
    document["channels"][0]["account"] = "pasons_other"


def _other_store(document: dict[str, Any]) -> None:
    document["channels"][0]["store_id"] = "store-other"


@ON_EACH_ENGINE
@pytest.mark.parametrize("change", [_other_account, _other_store])
def test_a_channel_that_means_another_place_begins_anew(
    change: Change, engine: Engine, tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    bed = _with_stores(tmp_path, fresh_sandbox, engine)
    assert bed.sync("pasons", FULL).one.ok
    bed.configure(change)
    bed.configure(lambda document: document["channels"][0]["guard"].update(initial="approve"))
    result = bed.sync("pasons").one
    assert (result.state, result.numbers["held"]) == ("held", 40)
    assert "first push of this channel" in result.reason


def _with_stores(tmp_path: Path, sandbox: SandboxProcess, engine: Engine = "sqlite") -> TestBed:
    """One channel whose requests say which store they mean."""
    bed = make_project(tmp_path, sandbox, rows=ROWS, platforms=["pasons"], engine=engine)

    def tell_the_store(document: dict[str, Any]) -> None:
        document["accounts"]["pasons_westlands"]["base_url"] = sandbox.pasons_url("{store_id}")
        document["channels"][0]["store_id"] = "store-westlands"

    bed.configure(tell_the_store)
    return bed


def _moved(document: dict[str, Any]) -> None:
    document["accounts"]["pasons_westlands"]["base_url"] += "/live"


def _dearer(document: dict[str, Any]) -> None:
    document["channels"][0]["pricing"] = {"markup_percent": 10}


def _by_barcode(document: dict[str, Any]) -> None:
    document["channels"][0]["mapping"] = {"file": "mappings/moved.csv"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_other_account, "its channel is on account pasons_other now, not on pasons_westlands"),
        (_other_store, "means another place now"),
        (_moved, "means another place now"),
        (_dearer, "40 rows of it differ from the price feed"),
        (_by_barcode, "40 rows of it differ from the price feed"),
    ],
)
def test_an_approved_plan_is_refused_once_it_is_not_what_would_be_planned(
    change: Change, words: str, tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    bed = _with_stores(tmp_path, fresh_sandbox)
    bed.configure(lambda document: document["channels"][0]["guard"].update(initial="approve"))
    assert bed.sync("pasons").one.state == "held"
    number = bed.sandbox.last_request()
    with bed.run() as project:
        (record,) = plans.plans(project.ledger, states=("held",))
        newest = extracts.latest_accepted(project.ledger, "westlands")
        assert newest is not None
        assert has_changed(project, plans.get_plan(project.ledger, record.id)) == ""
        decisions.approve(project.ledger, record.id, "amina", "looks right", newest.id)
    lines = [f"{sku},other-{sku},," for sku in SKUS]
    (bed.root / "mappings").mkdir(exist_ok=True)
    (bed.root / "mappings" / "moved.csv").write_text(
        "\n".join(["sku,platform_id,platform_sku,name", *lines]) + "\n"
    )
    bed.configure(change)

    result = bed.sync("pasons").one

    assert bed.sandbox.requests(number) == []
    assert f"approved plan {record.id} was refused as stale" in result.reason
    assert words in result.reason
    with bed.run() as project:
        assert plans.get_plan(project.ledger, record.id).state == "stale"


def test_a_plan_for_another_place_cannot_be_approved(
    tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    bed = _with_stores(tmp_path, fresh_sandbox)
    bed.configure(lambda document: document["channels"][0]["guard"].update(initial="approve"))
    assert bed.sync("pasons").one.state == "held"
    bed.configure(_moved)
    with bed.run() as project:
        (record,) = plans.plans(project.ledger, states=("held",))
        with pytest.raises(PlanError, match=r"is stale: .*another place"):
            decisions.approve(
                *(project.ledger, record.id, "amina", "looks right", record.extract_id),
                changed=lambda plan: has_changed(project, plan),
            )
