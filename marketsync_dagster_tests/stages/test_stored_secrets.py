"""Stored keys in every stage that speaks to a platform, and a key that is being replaced."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from marketsync_dagster.ledger.credentials import remove_secret, set_secret
from marketsync_dagster.stages.connections import test_connections as prove
from marketsync_dagster.stages.platform_catalog import refresh_platform_catalog
from marketsync_dagster.stages.products import push_products
from marketsync_dagster_tests.ledgers import ENGINES, Engine
from marketsync_dagster_tests.projects import (
    EXTRACT_COLUMNS,
    FULL,
    TestBed,
    key_of,
    make_project,
)
from marketsync_dagster_tests.sandbox_process import SandboxProcess

NEW = "pk_demo_not_a_real_new_key"


@pytest.fixture
def bed(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    fresh_sandbox: SandboxProcess,
    monkeypatch: pytest.MonkeyPatch,
) -> TestBed:
    """One outlet on both platforms, its keys stored ones; nothing may be tried twice."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    engine: Engine = getattr(request, "param", "sqlite")
    made = make_project(
        tmp_path,
        fresh_sandbox,
        engine=engine,
        account={
            "retry": {"attempts": 1, "base_s": 30, "cap_s": 30, "budget_s": 30},
            "quota": {"per_minute": 100_000, "concurrency": 2},
        },
    )

    def store(document: dict[str, Any]) -> None:
        accounts = document["accounts"]
        accounts["tracker_ke_westlands"]["api_key"] = {"secret": "tracker_key"}
        accounts["pasons_westlands"]["auth"]["key"] = {"secret": "pasons_key"}

    made.configure(store)
    with made.run() as project:
        for name, platform in (("tracker_key", "tracker_ke"), ("pasons_key", "pasons")):
            set_secret(project.ledger, name, key_of(platform, "westlands"), by="anna")
    return made


def replace_keys(bed: TestBed) -> None:
    """New keys, which the platforms do not know yet."""
    with bed.run() as project:
        for name in ("tracker_key", "pasons_key"):
            set_secret(project.ledger, name, NEW, by="anna", overlap_days=7)


def statuses(bed: TestBed, method: str = "POST") -> list[int]:
    return [call["status"] for call in bed.table("api_call", "id") if call["method"] == method]


@pytest.mark.parametrize("bed", ENGINES, indirect=True)
@pytest.mark.parametrize("platform", ["tracker_ke", "pasons"])
def test_a_push_goes_on_with_the_older_key_and_every_call_is_counted(
    bed: TestBed, platform: str
) -> None:
    assert bed.sync(platform, FULL).one.ok
    assert set(statuses(bed)) == {200}
    replace_keys(bed)
    result = bed.sync(platform, FULL).one
    assert result.ok, result
    assert bed.differences(platform) == {}
    assert bed.unaccounted() == []
    assert sorted(statuses(bed), reverse=True)[:2] == [401, 200]
    account = f"{platform}_westlands"
    slots = [row for row in bed.table("rate_slot", "id") if row["account"] == account]
    assert len(slots) == len(statuses(bed))
    assert bed.table("rate_closed", "account") == []  # nobody was made to wait for a dead key
    last = bed.pushes()[-1]
    assert (last["status"], last["auth_failed"]) == ("success", 0)


def test_catalogue_products_and_connection_tests_go_on_with_the_older_key(bed: TestBed) -> None:
    columns = EXTRACT_COLUMNS | {"barcode": "Barcode"}
    bed.configure(lambda d: d["outlets"]["westlands"]["extract"].update(columns=columns))
    header = ",".join(columns.values())
    bed.write_extract([], text=f"{header}\n00001,Product 1,9.50,6.00,KES,3,4006381333931\n")
    bed.sync("tracker_ke", FULL)
    replace_keys(bed)
    with bed.run() as project:
        assert refresh_platform_catalog(project, "tracker_ke").ok
        (offered,) = push_products(project, "tracker_ke", ["westlands"])
        assert (offered.ok, offered.numbers["applied"]) == (True, 1), offered
        found = {one["account"]: one for one in prove(project, list(project.settings.accounts))}
    assert statuses(bed, "GET")[:2] == [401, 200]
    for one in found.values():
        assert one["ok"]
        assert "the older key of 2 still works, the new one is refused" in one["message"]
    told = [call for call in bed.table("api_call", "id") if call["status"] == 401]
    assert len(told) == 4  # catalogue, products, and a connection test of each account
    assert not any(NEW in str(call) for call in told)


def test_a_stored_key_that_is_gone_stops_its_channel_with_the_command_that_helps(
    bed: TestBed,
) -> None:
    with bed.run() as project:
        remove_secret(project.ledger, "tracker_key")
    result = bed.sync("tracker_ke", FULL).one
    assert not result.ok
    assert "stored secret tracker_key does not exist" in result.reason
    assert "accounts.tracker_ke_westlands.api_key" in result.reason
    assert result.next_step == "marketsync secrets set tracker_key"
    assert bed.sync("pasons", FULL).one.ok


def test_a_push_stops_when_no_key_is_taken(bed: TestBed) -> None:
    with bed.run() as project:
        set_secret(project.ledger, "tracker_key", NEW, by="anna")
        set_secret(project.ledger, "tracker_key", f"{NEW}er", by="anna", overlap_days=7)
    result = bed.sync("tracker_ke", FULL).one
    assert not result.ok
    assert "all 2 keys are refused" in result.reason
    assert statuses(bed) == [401, 401]
    assert bed.pushes()[-1]["auth_failed"] == 40
