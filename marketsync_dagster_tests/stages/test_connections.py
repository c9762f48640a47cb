"""Connection tests that remember what a platform tells once a day, and forget no bad key for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from marketsync_dagster.catalog.frames import FrameStore
from marketsync_dagster.ledger.calls import call_counts
from marketsync_dagster.ledger.engine import open_ledger
from marketsync_dagster.stages import connections
from marketsync_dagster.stages.project import Project
from marketsync_dagster_tests.ledgers import ENGINES, Engine, ready_ledger_url
from marketsync_dagster_tests.platforms.support import mirakl_account, settings_of
from marketsync_dagster_tests.sandbox.mirakl import KEY, SHOP, seed_market
from marketsync_dagster_tests.sandbox_process import SandboxProcess

DAY = 86_400


@pytest.mark.parametrize("engine", ENGINES)
def test_a_shop_is_asked_for_once_a_day_by_all_processes_together(
    engine: Engine, tmp_path: Path, fresh_sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed_market(fresh_sandbox, intervals={"A01": DAY})
    monkeypatch.setenv("TEST_MIRAKL_KEY", KEY)
    settings = settings_of({"shop": mirakl_account(fresh_sandbox.mirakl_url)})
    url = ready_ledger_url(engine, tmp_path)

    def test() -> tuple[bool, str]:
        ledger = open_ledger(url)
        try:
            project = Project(settings, ledger, FrameStore(tmp_path), "run", "tester")
            (found,) = connections.test_connections(project, ["shop"])
            assert call_counts(ledger).calls == fresh_sandbox.last_request() - before
        finally:
            ledger.close()
        assert KEY not in repr(found)
        return found["ok"], found["message"]

    before = fresh_sandbox.last_request()
    said = [test() for _ in range(3)]
    assert said == [(True, f"the key works; shop {SHOP} Shop, KES, open")] * 3
    assert fresh_sandbox.mirakl("calls")[str(SHOP)] == {"V01": 3, "A01": 1, "OF21": 2}
    monkeypatch.setenv("TEST_MIRAKL_KEY", "another_key_obviously_fake")
    ok, message = test()
    assert not ok
    assert "the platform did not take the key" in message
