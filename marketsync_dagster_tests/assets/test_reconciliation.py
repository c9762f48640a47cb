"""The job `reconcile` on a real instance: what is found is shown beside the asset, and checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from marketsync_dagster.automation.launch import RunReport, launch
from marketsync_dagster_tests.projects import FULL, TestBed, make_project, some_rows
from marketsync_dagster_tests.sandbox_process import SandboxProcess

OUTLETS = ["kisumu", "westlands"]
KEY = dg.AssetKey(["tracker_ke", "reconciliation"])


@pytest.fixture
def bed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_sandbox: SandboxProcess) -> TestBed:
    """Two outlets on two platforms, one of which tells what it shows; two prices are not ours."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / ".dagster"))
    monkeypatch.setenv("MARKETSYNC_HOME", str(tmp_path / ".marketsync"))
    at_once = {"reconcile": {"grace_s": 0}}
    bed = make_project(
        tmp_path, fresh_sandbox, outlets=OUTLETS, rows=some_rows(25), account=at_once
    )
    monkeypatch.setenv("MARKETSYNC_DATABASE_URL", bed.place.ledger_url)
    for platform in ("tracker_ke", "pasons"):
        for outlet in OUTLETS:
            assert bed.sync(platform, FULL).listing(outlet).ok
    with bed.run() as project, project.ledger.begin() as connection:
        # what the ledger believes, and the platform never heard
        connection.exec_driver_sql(
            "UPDATE listing SET ack_price_minor = 777 WHERE platform = 'tracker_ke' AND "
            "((sku = '00003' AND outlet = 'kisumu') OR (sku = '00004' AND outlet = 'westlands'))"
        )
    return bed


def reconciled(bed: TestBed, *outlets: str, **options: Any) -> RunReport:
    with bed.run() as project:
        return launch(project, "reconcile", list(outlets) or None, options)


def checked(bed: TestBed) -> dg.AssetCheckEvaluation:
    with dg.DagsterInstance.from_config(str(bed.root / ".dagster")) as instance:
        (record,) = instance.event_log_storage.get_asset_check_execution_history(
            dg.AssetCheckKey(KEY, "no_drift"), limit=1
        )
    assert record.event is not None
    found = record.event.asset_check_evaluation
    assert found is not None
    return found


def metadata(bed: TestBed, outlet: str) -> dict[str, Any]:
    with dg.DagsterInstance.from_config(str(bed.root / ".dagster")) as instance:
        (record,) = instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=KEY, asset_partitions=[outlet]), limit=1
        ).records
    assert record.asset_materialization is not None
    return dict(record.asset_materialization.metadata)


def test_what_is_shown_otherwise_is_named_and_goes_again(bed: TestBed) -> None:
    report = reconciled(bed)

    assert (report.success, report.exit_code, report.errors) == (True, 0, [])
    assert {(r["stage"], r["outlet"], r["state"]) for r in report.results} == {
        ("tracker_ke_reconciliation", outlet, "drift") for outlet in OUTLETS
    }
    told = metadata(bed, "kisumu")
    counts = [told[name].value for name in ("listings", "verified", "not_applied", "calls")]
    assert counts == [25, 24, 1, 25]
    (row,) = [record.data for record in told["drifts"].records]
    assert (row["sku"], row["expected"], row["shown"]) == (
        "00003", "KES 7.77, in_stock", "KES 103.50, in_stock",
    )  # fmt: skip
    check = checked(bed)
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "2 of 50 listings shown otherwise" in (check.description or "")
    assert "00003 at kisumu (not_applied: KES 103.50, in_stock)" in (check.description or "")
    outlets: Any = check.metadata["outlets"]
    assert {record.data["next_step"] for record in outlets.records} == {
        f"marketsync run push_tracker_ke --outlet {outlet}" for outlet in OUTLETS
    }

    with bed.run() as project:
        pushed = launch(project, "push_tracker_ke")
    assert [result["numbers"]["applied"] for result in pushed.results] == [1, 1]
    # one outlet's key is dead: the other is read, and what was sent again is told to be
    bed.sandbox.scenario(
        "status", channel="tracker_ke", account="tracker_ke_westlands", status=401, times=None
    )
    report = reconciled(bed)
    assert (report.success, report.exit_code) == (False, 4)
    assert {r["outlet"]: r["state"] for r in report.results} == {
        "kisumu": "done", "westlands": "failed",
    }  # fmt: skip
    check = checked(bed)
    assert check.passed
    assert "1 more were sent again since" in (check.description or "")
    assert "not read: westlands" in (check.description or "")


def test_more_than_a_few_are_an_error_and_a_named_sku_is_read_alone(bed: TestBed) -> None:
    with bed.run() as project, project.ledger.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE listing SET ack_price_minor = 777 "
            "WHERE platform = 'tracker_ke' AND sku < '00009'"
        )
    number = bed.sandbox.last_request()
    report = reconciled(bed, "kisumu", skus=["00003"])
    assert report.results[0]["numbers"]["listings"] == 1
    assert len(bed.sandbox.requests(number)) == 1
    reconciled(bed)
    check = checked(bed)
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "16 of 50 listings shown otherwise" in (check.description or "")
