"""The whole line with the real stages, over real HTTP: three outlets, one extract is damaged."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from marketsync_dagster.automation.launch import RunReport, launch
from marketsync_dagster.config.load import load_settings
from marketsync_dagster.ledger.pauses import pause
from marketsync_dagster.stages.project import Project, open_project
from marketsync_dagster_tests.sandbox_process import SandboxProcess

OUTLETS = ("kisumu", "mombasa", "westlands")
ROWS = 30
DAGSTER_YAML = Path(__file__).parents[2] / "dagster.yaml"
LISTINGS = [dg.AssetKey(["tracker_ke", "listings"]), dg.AssetKey(["pasons", "listings"])]


def gtin(number: int) -> str:
    body = f"5000000{number:05d}"
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(body))
    return f"{body}{-total % 10}"


def extract(rise: int = 0) -> str:
    lines = ["ProductId,Product,Barcode,Category,Price,Qty"]
    lines += [
        f"{n:04d},Product {n},{gtin(n)},Food,{100 + n + rise}.00,{n % 7 + 1}" for n in range(ROWS)
    ]
    return "\n".join(lines) + "\n"


def write_project(folder: Path, sandbox: SandboxProcess) -> None:
    outlets = "".join(
        f"  {o}: {{name: {o}, extract: {{path: extracts/{o}, settle_s: 0, "
        "columns: {sku: ProductId, name: Product, barcode: Barcode, category: Category, "
        "price: Price, stock: Qty}}}\n"
        for o in OUTLETS
    )
    accounts = "".join(
        f"  tracker_{o}: {{platform: tracker_ke, base_url: '{sandbox.tracker_url}', environment: "
        f"demo, catalog: tracker_ke, api_key: {{env: FAKE_TRACKER_{o.upper()}}}, "
        "quota: {per_minute: 600}}\n"
        f"  pasons_{o}: {{platform: pasons, base_url: '{sandbox.pasons_url(o)}', "
        f"auth: {{key: {{env: FAKE_PASONS_{o.upper()}}}}}, quota: {{per_minute: 600}}}}\n"
        for o in OUTLETS
    )
    switches = "push_enabled: true, auto_push: true, guard: {initial: auto, max_changed_share: 1}"
    channels = "".join(
        f"  - {{outlet: {o}, account: tracker_{o}, {switches}}}\n"
        f"  - {{outlet: {o}, account: pasons_{o}, store_id: {o}, {switches}, "
        "mapping: {identity: sku}}\n"
        for o in OUTLETS
    )
    (folder / "marketsync.yaml").write_text(
        f"version: 1\ndefaults: {{currency: KES, timezone: Africa/Nairobi}}\noutlets:\n{outlets}"
        f"accounts:\n{accounts}channels:\n{channels}"
    )
    (folder / "dagster.yaml").write_bytes(DAGSTER_YAML.read_bytes())
    for outlet in OUTLETS:
        drop(folder, outlet, extract())


def drop(folder: Path, outlet: str, text: str) -> None:
    path = folder / "extracts" / outlet / "extract.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    # a later extract has a later time, however fast the test is
    moment = time.time() - 60 + len(list(path.parent.iterdir()))
    os.utime(path, (moment, moment))


def seed(sandbox: SandboxProcess, keys: dict[str, str]) -> None:
    sandbox.seed(
        {
            "tracker_ke": {
                "accounts": [
                    {
                        "api_key": keys[f"FAKE_TRACKER_{o.upper()}"],
                        "supermarket_id": o,
                        "plan": "unlimited",
                        "per_minute": 600,
                    }
                    for o in OUTLETS
                ],
                "products": [
                    {
                        "id": f"prod_{n}",
                        "name": f"Product {n}",
                        "barcode": gtin(n),
                        "category": "Food",
                        "demo": True,
                    }
                    for n in range(ROWS)
                ],
            },
            "pasons": {
                "stores": [
                    {
                        "store_id": o,
                        "api_key": keys[f"FAKE_PASONS_{o.upper()}"],
                        "results": "all",
                        "per_minute": 600,
                    }
                    for o in OUTLETS
                ]
            },
        }
    )


@pytest.fixture
def project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_sandbox: SandboxProcess
) -> Iterator[Project]:
    monkeypatch.setenv("MARKETSYNC_HOME", str(tmp_path / ".marketsync"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / ".dagster"))
    monkeypatch.delenv("MARKETSYNC_DATABASE_URL", raising=False)
    keys = {f"FAKE_TRACKER_{o.upper()}": f"pk_demo_fake_{o}" for o in OUTLETS}
    keys |= {f"FAKE_PASONS_{o.upper()}": f"pasons_fake_{o}" for o in OUTLETS}
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    write_project(tmp_path, fresh_sandbox)
    seed(fresh_sandbox, keys)
    opened = open_project(settings=load_settings(tmp_path / "marketsync.yaml"), user="ada")
    yield opened
    opened.ledger.close()


def bad(report: RunReport) -> set[tuple[str, str]]:
    return {(result["stage"], result["outlet"]) for result in report.results if not result["ok"]}


def test_a_damaged_extract_stops_its_own_outlet_and_no_other(
    project: Project, fresh_sandbox: SandboxProcess, tmp_path: Path
) -> None:
    cut = extract().encode()[:-17].decode()
    drop(tmp_path, "mombasa", cut)
    # the platform's catalogue is read before there is anything to map: said, not crashed
    early = launch(project, "refresh_mappings")
    assert {result["next_step"] for result in early.results} == {
        f"run: marketsync run full_sync --outlet {outlet}" for outlet in OUTLETS
    }
    report = launch(project, "full_sync")
    assert report.errors == []
    assert bad(report) == {("pos_extract", "mombasa")}
    assert not report.success
    assert report.exit_code == 4
    for outlet in ("kisumu", "westlands"):
        for platform in ("tracker_ke", "pasons"):
            (numbers,) = [
                result["numbers"]
                for result in report.results
                if (result["stage"], result["outlet"]) == (f"{platform}_listings", outlet)
            ]
            assert numbers["applied"] == numbers["sent"] == ROWS, (outlet, platform)
    with dg.DagsterInstance.from_config(str(tmp_path / ".dagster")) as instance:
        for key in LISTINGS:
            assert instance.get_materialized_partitions(key) == {"kisumu", "westlands"}
        run = instance.get_run_by_id(report.run_id)
        assert run is not None
        assert run.status == dg.DagsterRunStatus.FAILURE
        planned = output_metadata(instance, report.run_id, "pasons_plan")
        assert (planned["calls"], planned["minutes"]) == (2, 0.0)
        told = [(one.data["account"], one.data["rows"]) for one in planned["forecast"]]
        assert told == [("pasons_kisumu", ROWS), ("pasons_westlands", ROWS)]
    # the extract is exported again: the outlet alone is run, and says nothing twice to others
    calls = fresh_sandbox.last_request()
    drop(tmp_path, "mombasa", extract())
    healed = launch(project, "partial_sync", ["mombasa"])
    assert healed.exit_code == 0, healed
    assert {request["account"] for request in fresh_sandbox.requests(since=calls)} == {"mombasa"}
    with dg.DagsterInstance.from_config(str(tmp_path / ".dagster")) as instance:
        for key in LISTINGS:
            assert instance.get_materialized_partitions(key) == set(OUTLETS)
    # and now there is nothing to say to anybody
    calls = fresh_sandbox.last_request()
    assert launch(project, "partial_sync").exit_code == 0
    assert fresh_sandbox.requests(since=calls) == []
    # a column more than in the last extract: nothing is held back for it, and it is told
    drop(tmp_path, "kisumu", extract().replace("\n", ",Shelf\n"))
    assert launch(project, "partial_sync", ["kisumu"]).exit_code == 0
    with dg.DagsterInstance.from_config(str(tmp_path / ".dagster")) as instance:
        records = instance.fetch_materializations(dg.AssetKey(["pos", "extract"]), limit=1).records
        assert records[0].asset_materialization is not None
        said: Any = records[0].asset_materialization.metadata
        (row,) = said["drift"].records
        assert (said["drift_changes"].value, row.data["column"]) == (1, "Shelf")


def output_metadata(instance: dg.DagsterInstance, run_id: str, step: str = "") -> dict[str, Any]:
    """Metadata of the first output of a run, or of one of its steps; tables as their records."""
    for entry in instance.all_logs(run_id):
        event = entry.dagster_event
        if event is None or not (event.step_key or "").endswith(step):
            continue
        if event.is_successful_output:
            metadata = event.step_output_data.metadata
            return {
                name: value.records if isinstance(value, dg.TableMetadataValue) else value.value
                for name, value in metadata.items()
            }
    raise AssertionError("the run has no output")


def test_the_dry_run_shows_the_plan_and_sends_nothing(
    project: Project, fresh_sandbox: SandboxProcess, tmp_path: Path
) -> None:
    report = launch(project, "plan", ["kisumu"], {"platform": "pasons", "mode": "full"})
    assert report.errors == []
    assert report.exit_code == 0
    with dg.DagsterInstance.from_config(str(tmp_path / ".dagster")) as instance:
        metadata = output_metadata(instance, report.run_id)
    assert metadata["to_send"] == ROWS
    (row,) = [record.data for record in metadata["plan"]]
    assert (row["outlet"], row["platform"], row["to_send"]) == ("kisumu", "pasons", ROWS)
    assert len(metadata["changes"]) == ROWS
    (account,) = [record.data for record in metadata["forecast"]]
    assert (account["account"], account["calls"], metadata["calls"]) == ("pasons_kisumu", 1, 1)
    assert (row["calls"], metadata["minutes"]) == (1, 0.0)
    refused = launch(project, "plan", ["kisumu"], {"platform": "pasons", "limit": -1})
    assert "limit is -1: nothing would be sent" in refused.errors[0]
    assert fresh_sandbox.requests() == []


def test_the_connections_are_tested_by_a_job(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert launch(project, "test_connections").exit_code == 0
    monkeypatch.setenv("FAKE_PASONS_KISUMU", "pasons_fake_revoked")
    report = launch(project, "test_connections")
    assert report.exit_code == 1
    assert "1 of 6 accounts cannot be used: pasons_kisumu" in report.errors[0]


def test_a_paused_outlet_is_green_and_told_in_the_check_and_beside_the_asset(
    project: Project, fresh_sandbox: SandboxProcess, tmp_path: Path
) -> None:
    pause(project.ledger, outlet="kisumu", platform="pasons", by="amina", reason="stocktaking")

    report = launch(project, "full_sync", ["kisumu", "mombasa"])

    assert (report.exit_code, report.success) == (0, True), report
    assert {request["account"] for request in fresh_sandbox.requests(channel="pasons")} == {
        "mombasa"
    }
    told = "paused until resumed by amina (stocktaking)"
    key = dg.AssetKey(["pasons", "listings"])
    with dg.DagsterInstance.from_config(str(tmp_path / ".dagster")) as instance:
        check = dg.AssetCheckKey(key, "every_outlet")
        (record,) = instance.event_log_storage.get_asset_check_execution_history(check, limit=1)
        event = record.event
        assert event is not None
        evaluation = event.asset_check_evaluation
        assert evaluation is not None
        assert evaluation.passed
        assert f"1 paused: kisumu ({told})" in (evaluation.description or "")
        (materialized,) = instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=key, asset_partitions=["kisumu"]), limit=1
        ).records
        assert materialized.asset_materialization is not None
        metadata = materialized.asset_materialization.metadata
        assert (metadata["state"].value, metadata["reason"].value) == ("paused", told)
