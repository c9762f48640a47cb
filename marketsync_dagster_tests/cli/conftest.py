"""A small project in a folder of its own, and the command line called inside this process."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from marketsync_dagster.cli.main import main
from marketsync_dagster_tests.ledgers import copy_tables

CONFIG = """\
version: 1
outlets:
  main: {name: Main, extract: {path: extracts/main, time_pattern: "*_%Y-%m-%d.csv"}}
  side: {name: Side, extract: {path: extracts/side}}
accounts:
  tracker_main:
    platform: tracker_ke
    base_url: ${MARKETSYNC_SANDBOX_URL:-http://127.0.0.1:1}/tracker_ke/api/v1
    api_key: {env: TRACKER_MAIN_KEY}
  tracker_side:
    platform: tracker_ke
    base_url: ${MARKETSYNC_SANDBOX_URL:-http://127.0.0.1:1}/tracker_ke/api/v1
    api_key: {env: TRACKER_SIDE_KEY}
  pasons_main:
    platform: pasons
    base_url: ${MARKETSYNC_SANDBOX_URL:-http://127.0.0.1:1}/pasons/017
    auth: {key: {env: PASONS_MAIN_KEY}}
channels:
  - outlet: main
    account: tracker_main
    push_enabled: true
    mapping: {file: mappings/main.csv}
  - outlet: side
    account: tracker_side
    push_enabled: true
    mapping: {file: mappings/side.csv}
    guard: {initial: auto}
  - {outlet: main, account: pasons_main, push_enabled: true, mapping: {identity: barcode}}
"""
EXTRACT = """\
SKU,Name,Barcode,Price,Stock
1001,Tomato Ketchup 500g,4006381333931,120.00,4
1002,"[bold]Beans[/bold]",5000159407236,80.50,0
1003,Rice 1kg,,210.00,12
"""
MAPPING = "sku,platform_id,platform_sku,name\n1001,prod_1,,Tomato Ketchup 500g\n"


@dataclass(frozen=True)
class Result:
    """What one command came to."""

    code: int
    out: str
    err: str


Run = Callable[..., Result]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Call the command line as the operating system would, without a new process."""

    def call(*words: str) -> Result:
        capsys.readouterr()
        code = main(list(words))
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return call


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and no setting of MarketSync in the environment."""
    copy_tables(monkeypatch)
    for name in list(os.environ):
        if name.startswith(("MARKETSYNC_", "TRACKER_", "PASONS_")) or name == "DAGSTER_HOME":
            monkeypatch.delenv(name)
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def project(empty: Path) -> Path:
    """Two outlets and three channels with extracts and mapping files; nothing was run yet."""
    (empty / "marketsync.yaml").write_text(CONFIG)
    (empty / "mappings").mkdir()
    for outlet, name in (("main", "main_2026-11-20.csv"), ("side", "side.csv")):
        folder = empty / "extracts" / outlet
        folder.mkdir(parents=True)
        (folder / name).write_text(EXTRACT)
        (empty / "mappings" / f"{outlet}.csv").write_text(MAPPING)
    return empty


@pytest.fixture
def planned(project: Path) -> str:
    """The project after a run that ended with a held plan for main on Tracker KE; its id."""
    return held_plans(project, "tracker_ke", ["main"])[0]


def held_plans(project: Path, platform: str, outlets: list[str]) -> list[str]:
    """The ids of the held plans after everything of a run but the push."""
    from marketsync_dagster.ledger.plans import plans
    from marketsync_dagster.push.plan import PlanOptions
    from marketsync_dagster.stages.catalog import build_catalogs
    from marketsync_dagster.stages.extract import extract_outlets
    from marketsync_dagster.stages.feed import build_feeds
    from marketsync_dagster.stages.listings import plan_outlets
    from marketsync_dagster.stages.mapping import map_outlets
    from marketsync_dagster.stages.project import open_project

    opened = open_project(project / "marketsync.yaml")
    try:
        extract_outlets(opened, outlets)
        build_catalogs(opened, outlets)
        map_outlets(opened, platform, outlets)
        build_feeds(opened, platform, outlets)
        plan_outlets(opened, platform, outlets, PlanOptions(mode="full"))
        return [held.id for held in plans(opened.ledger, states=("held",))]
    finally:
        opened.ledger.close()
