"""A Qikink account in the stages: its products are told of, its connection is proved, `doctor` and
the check of the configuration know it, and no platform of prices does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import select

from marketsync_dagster.catalog.frames import FrameStore
from marketsync_dagster.ledger import tables as t
from marketsync_dagster.ledger.engine import Ledger, open_ledger
from marketsync_dagster.ledger.key_ages import credential_ages
from marketsync_dagster.ledger.pauses import pause
from marketsync_dagster.platforms.registry import target_of
from marketsync_dagster.push.plan import PlanOptions
from marketsync_dagster.stages.catalog import CATALOG_KEY
from marketsync_dagster.stages.connections import test_connections as prove_connections
from marketsync_dagster.stages.doctor import examine
from marketsync_dagster.stages.project import Project, StageResult
from marketsync_dagster.stages.qikink_products import push_products
from marketsync_dagster_tests.ledgers import ready_ledger_url
from marketsync_dagster_tests.platforms.qikink.desk import REAL, SECRETS, SPEC, seed, settings
from marketsync_dagster_tests.sandbox_process import SandboxProcess

PRODUCTS = {
    "outlet": "chennai",
    "sku": ["TEE-*", "MUG"],
    "manufacturer": "Rao Mills",
    "origin": "IN",
}


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "keys"))
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    opened = open_ledger(ready_ledger_url("sqlite", tmp_path))
    yield opened
    opened.close()


@pytest.fixture
def qikink(fresh_sandbox: SandboxProcess) -> SandboxProcess:
    seed(fresh_sandbox)
    seed(fresh_sandbox, "spec")
    return fresh_sandbox


def project(ledger: Ledger, folder: Path, url: str, profile: str, **more: Any) -> Project:
    given = settings(url, profile, **more)
    given._home = folder
    return Project(given, ledger, FrameStore(folder), "run-1", "tester")


def write_catalog(made: Project, *rows: tuple[str, int, int | None, str | None, bool]) -> None:
    """SKU, minor units, quantity, brand, active."""
    frame = pd.DataFrame(
        {
            "sku": pd.array([row[0] for row in rows], "str"),
            "name": pd.array([f"Print {row[0]}" for row in rows], "str"),
            "category": pd.array(["Shirts"] * len(rows), "str"),
            "brand": pd.array([row[3] for row in rows], "str"),
            "price_minor": [row[1] for row in rows],
            "currency": pd.array(["INR"] * len(rows), "str"),
            "quantity": pd.array([row[2] for row in rows], "Int64"),
            "active": [row[4] for row in rows],
        }
    )
    made.frames.write(CATALOG_KEY, "chennai", frame, inputs="test", numbers={})


def told(made: Project, options: PlanOptions | None = None) -> StageResult:
    (result,) = push_products(made, ["chennai"], options or PlanOptions())
    return result


def test_products_are_told_once_and_again_when_they_change(
    ledger: Ledger, tmp_path: Path, qikink: SandboxProcess
) -> None:
    made = project(ledger, tmp_path, qikink.url, "spec", products=PRODUCTS)
    tee, mug = ("TEE-M", 64_950, 3, None, True), ("MUG", 19_900, None, "Clay & Co", True)
    write_catalog(made, tee, mug, ("TEE-OLD", 100, 1, None, False), ("SOAP", 100, 1, None, True))
    first = told(made)
    assert (first.ok, first.state) == (True, "done"), first
    assert first.numbers["applied"] == first.numbers["selected"] == 2
    held = qikink.qikink("products")[SPEC]
    assert sorted(held) == ["MUG", "TEE-M"]
    assert (held["TEE-M"]["price"], held["TEE-M"]["stock_quantity"]) == (649.5, 3)
    assert (held["TEE-M"]["manufacturer"], held["MUG"]["manufacturer"]) == (
        "Rao Mills",
        "Clay & Co",
    )
    since = qikink.last_request()
    assert told(made).state == "unchanged"
    assert qikink.last_request() == since
    write_catalog(made, (*tee[:1], 60_000, *tee[2:]), mug)
    again = told(made)
    assert (again.numbers["applied"], again.numbers["unchanged"]) == (1, 1)
    with ledger.read() as conn:  # every call, that for the token too
        paths = conn.execute(select(t.api_call.c.path)).scalars().all()
    assert sorted(paths) == ["/products/sync"] * 2 + ["/qikink_spec/oauth/token"]


def test_maker_and_origin_are_the_catalogs_where_it_says_them(
    ledger: Ledger, tmp_path: Path, qikink: SandboxProcess
) -> None:
    made = project(ledger, tmp_path, qikink.url, "spec", products={**PRODUCTS, "sku": "*"})
    rows = [
        (sku, 100, 1, brand, True) for sku, brand in (("A", "Loom"), ("B", "Loom"), ("C", None))
    ]
    write_catalog(made, *rows)  # as an older version stored it
    assert told(made).numbers["applied"] == 3
    catalog = made.frames.read(CATALOG_KEY, "chennai")
    said = {"manufacturer": ["Weavers", None, None], "origin": ["KE", None, None]}
    catalog = catalog.assign(**{name: pd.array(one, "str") for name, one in said.items()})
    made.frames.write(CATALOG_KEY, "chennai", catalog, inputs="test 2", numbers={})
    again = told(made)
    assert (again.numbers["applied"], again.numbers["unchanged"]) == (1, 2)
    held = qikink.qikink("products")[SPEC]
    assert {sku: (one["manufacturer"], one["origin"]) for sku, one in held.items()} == {
        "A": ("Weavers", "KE"), "B": ("Loom", "IN"), "C": ("Rao Mills", "IN"),
    }  # fmt: skip


def test_products_that_fail_have_their_reasons_and_the_others_go_on(
    ledger: Ledger, tmp_path: Path, qikink: SandboxProcess
) -> None:
    without = {**PRODUCTS, "manufacturer": ""}
    made = project(ledger, tmp_path, qikink.url, "spec", products=without)
    write_catalog(made, ("TEE-M", 100, 1, None, True), ("MUG", 100, 1, "Clay & Co", True))
    result = told(made)
    assert (result.ok, result.numbers["applied"], result.numbers["refused"]) == (True, 1, 1)
    with ledger.read() as conn:
        rows = conn.execute(select(t.product)).mappings().all()
    assert {(row["sku"], row["outcome"], row["message"]) for row in rows} == {
        ("TEE-M", "refused", "Missing field: manufacturer"),
        ("MUG", "applied", ""),
    }
    assert told(made).state == "unchanged"


def test_a_platform_that_is_down_is_told_by_the_next_run(
    ledger: Ledger, tmp_path: Path, qikink: SandboxProcess
) -> None:
    made = project(ledger, tmp_path, qikink.url, "spec", products=PRODUCTS)
    write_catalog(made, ("TEE-M", 100, 1, None, True))
    seed(qikink, "spec", down=True)
    result = told(made)
    assert (result.ok, result.state) == (False, "failed")
    seed(qikink, "spec", down=False)
    assert told(replace(made, run_id="run-2")).numbers["applied"] == 1


def test_a_test_run_tells_of_so_many_and_a_pause_of_none(
    ledger: Ledger, tmp_path: Path, qikink: SandboxProcess
) -> None:
    made = project(ledger, tmp_path, qikink.url, "spec", products=PRODUCTS)
    write_catalog(made, *((f"TEE-{n}", 100, 1, None, True) for n in range(4)))
    some = told(made, PlanOptions(limit=1))
    assert (some.numbers["offered"], some.numbers["left_out"]) == (1, 3)
    named = told(made, PlanOptions(skus=("TEE-3",)))
    assert named.numbers["offered"] == 1
    assert sorted(qikink.qikink("products")[SPEC]) == ["TEE-0", "TEE-3"]
    pause(ledger, outlet=None, platform="qikink", by="tester", reason="stock count")
    assert told(made).state == "paused"


def test_the_real_interface_takes_no_products_and_says_so(
    ledger: Ledger, tmp_path: Path, qikink: SandboxProcess
) -> None:
    since = qikink.last_request()
    for more in ({}, {"products": PRODUCTS}):
        made = project(ledger, tmp_path, qikink.url, "real", **more)
        result = told(made)
        assert (result.ok, result.state) == (True, "unsupported")
        assert "profile real" in result.reason
    assert qikink.last_request() == since


def test_the_outlets_of_others_have_no_products_there(
    ledger: Ledger, tmp_path: Path, qikink: SandboxProcess
) -> None:
    made = project(ledger, tmp_path, qikink.url, "spec")
    assert told(made).state == "no account"


@pytest.mark.parametrize(("profile", "client"), [("real", REAL), ("spec", SPEC)])
def test_the_connection_is_tested_and_doctor_and_key_ages_know_the_account(
    ledger: Ledger, tmp_path: Path, qikink: SandboxProcess, profile: str, client: str
) -> None:
    made = project(ledger, tmp_path, qikink.url, profile)
    for _ in range(2):
        (result,) = prove_connections(made, ["pod"])
        assert (result["ok"], result["message"]) == (True, "the key works")
        assert client not in repr(result)
    assert qikink.qikink("accounts")[client]["tokens_minted"] == 1
    lines = {line.name: line.state for line in examine(made) if line.subject == "pod"}
    assert (lines["key"], lines["connection"], lines["environment"]) == ("ok", "ok", "ok")
    assert [line for line in examine(made, platform="tracker_ke") if line.subject == "pod"] == []
    assert [line for line in examine(made, platform="qikink") if line.subject == "pod"] != []
    ages = [age.path for age in credential_ages(made.settings, ledger)]
    assert ages == ["accounts.pod.client_id", "accounts.pod.client_secret"]
    assert made.settings.platforms() == []
    assert made.settings.destinations() == ["pod"]
    assert target_of(made.settings.accounts["pod"]).endswith(f"|{profile}")
