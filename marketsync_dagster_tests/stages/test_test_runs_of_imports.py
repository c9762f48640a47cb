"""Test runs where channels share the imports of one account, and what they were said to take."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

from marketsync_dagster.push.plan import PlanOptions
from marketsync_dagster.stages.forecasting import of_accounts, of_runs, sends_of
from marketsync_dagster.stages.preview import preview
from marketsync_dagster_tests.platforms.support import mirakl_account
from marketsync_dagster_tests.projects import (
    PARTIAL,
    Synced,
    TestBed,
    make_project,
    repriced,
    some_rows,
)
from marketsync_dagster_tests.sandbox.mirakl import KEY, NO_LIMITS, SHOP
from marketsync_dagster_tests.sandbox_process import SandboxProcess

ROWS = some_rows(10)
OUTLETS = ["a", "b"]


def make_market(folder: Path, sandbox: SandboxProcess) -> TestBed:
    """Two outlets on one shop, whose imports end at once; nothing is offered yet."""
    bed = make_project(folder, sandbox, outlets=OUTLETS, rows=ROWS, platforms=[])
    os.environ["TEST_MIRAKL_KEY"] = KEY
    kinds = [f"{kind}{call}_s" for kind in ("offers", "prices", "stock")
             for call in ("", "_status", "_report")]  # fmt: skip
    account = mirakl_account(
        sandbox.mirakl_url,
        offer_sku="{outlet}-{sku}",
        calls=dict.fromkeys(kinds, 0),
        imports={"wait_s": 5, "deadline_s": 60},
        quota={"per_minute": None},
        batch=8,
    )
    channel = {
        "account": "shop", "push_enabled": True, "mapping": {"identity": "sku"},
        "guard": {"initial": "auto", "min_rows": 1_000},
    }  # fmt: skip
    bed.configure(
        lambda said: said.update(
            accounts={"shop": account}, channels=[{"outlet": name, **channel} for name in OUTLETS]
        )
    )
    shop = {"api_key": KEY, "shop_id": SHOP, "intervals": NO_LIMITS, "processing_s": 0}
    products = [{"sku": row.sku, "title": row.sku, "references": []} for row in ROWS]
    sandbox.seed({"mirakl": {"shops": [shop], "products": products}})
    return bed


def ahead(bed: TestBed, options: PlanOptions) -> int:
    """The calls that the forecast of a look ahead has for the account."""
    with bed.run() as project:
        plans = [preview(project, outlet, "mirakl", options) for outlet in OUTLETS]
        sends = [(plan.base.account, sends_of(project.settings, plan)) for plan in plans]
        return sum(one.forecast.calls for one in of_accounts(project.settings, sends))


def test_what_a_run_of_imports_takes_is_what_was_forecast(
    tmp_path: Path, fresh_sandbox: SandboxProcess
) -> None:
    bed = make_market(tmp_path, fresh_sandbox)
    with bed.run() as project:
        settings = project.settings

    def sync(options: PlanOptions) -> tuple[Synced, Counter[str]]:
        """A run, and its calls by method, which are those that were forecast before it."""
        number, forecast = fresh_sandbox.last_request(), ahead(bed, options)
        synced = bed.sync("mirakl", options)
        calls = Counter(call["method"] for call in fresh_sandbox.requests(number))
        told = of_runs(settings, "mirakl", synced.planned)
        assert forecast == sum(one.forecast.calls for one in told) == calls.total(), options
        return synced, calls

    def sent(options: PlanOptions) -> tuple[list[float], int]:
        synced, calls = sync(options)
        return [synced.listing(outlet).numbers["applied"] for outlet in OUTLETS], calls["POST"]

    # offers by eight: those of both channels go together
    assert sent(PlanOptions("full", limit=4)) == ([4, 4], 1)
    assert sent(PARTIAL) == ([6, 6], 2)
    assert sent(PARTIAL) == ([0, 0], 0)
    changed = [replace(row, stock="3") for row in repriced(ROWS[:4], lambda price: price + 1)]
    for outlet in OUTLETS:
        bed.write_extract([*changed[:2], *repriced(ROWS[2:6], lambda p: p + 1), *ROWS[6:]], outlet)
    assert sent(PlanOptions("partial", fields=("stock",))) == ([2, 2], 1)
    assert sent(PlanOptions("partial", fields=("price",), limit=5)) == ([5, 5], 1)
    assert sent(PlanOptions("partial", skus=("00009",))) == ([1, 1], 1)
    # one of each outlet is left, with its price alone
    assert sent(PARTIAL) == ([1, 1], 1)
    assert sent(PARTIAL) == ([0, 0], 0)
    shown = fresh_sandbox.mirakl("offers", shop_id=SHOP)[str(SHOP)]
    assert sorted(shown) == sorted(f"{outlet}-{row.sku}" for outlet in OUTLETS for row in ROWS)
    assert {str(shown[f"{name}-00001"]["price"]) for name in OUTLETS} == {"102.50"}
    assert {shown[f"{name}-00001"]["quantity"] for name in OUTLETS} == {3}
