"""What the sensor `pending_orders` sees in a real ledger and real folders."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from marketsync_dagster.automation.order_sights import ASK_PAUSE_S, waiting_work
from marketsync_dagster.config.load import load_settings
from marketsync_dagster.config.orders import OrderSettings
from marketsync_dagster.ledger.forwards import add_forwards
from marketsync_dagster.ledger.order_commands import CommandRow, save_commands
from marketsync_dagster.ledger.order_holds import Hold, hold
from marketsync_dagster.ledger.orders import save_orders
from marketsync_dagster.ledger.quota import close_account
from marketsync_dagster.stages.project import open_project
from marketsync_dagster.values.order_states import CommandKind, OrderFlag, OrderState
from marketsync_dagster.values.times import from_iso, to_iso
from marketsync_dagster_tests.ledger.orders_by_hand import AT, forward, line, order
from marketsync_dagster_tests.ledgers import copy_tables

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
S = OrderState
CONFIG = """\
version: 1
outlets:
  kisumu: {name: Kisumu, extract: {path: extracts/kisumu}}
  westlands: {name: Westlands, extract: {path: extracts/westlands},
              orders: {drop: till/in, answers: till/out, settle_s: 0}}
accounts:
  bestbuy: {platform: mirakl, base_url: "https://market.example", api_key: {env: A},
            orders: {warn_minutes: 60}}
  printer: {platform: qikink, base_url: "https://prints.example/api/v1", client_id: {env: B},
            client_secret: {env: C}, ask_s: 600}
shops:
  webshop: {folder: shop, outlet: westlands, settle_s: 0}
routes: [{to: printer, sku: "TEE-*"}, {to: pos}]
"""


def command(number: str, order_id: str, kind: CommandKind, not_before: str = "") -> CommandRow:
    return CommandRow(
        number, order_id, kind.value, kind, {}, "waiting", AT, "rule", "", not_before=not_before
    )


def test_the_sensor_sees_what_a_run_would_do_something_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_tables(monkeypatch)
    monkeypatch.setenv("MARKETSYNC_HOME", str(tmp_path / ".marketsync"))
    monkeypatch.delenv("MARKETSYNC_DATABASE_URL", raising=False)
    (tmp_path / "marketsync.yaml").write_text(CONFIG)
    (tmp_path / "shop").mkdir()
    project = open_project(settings=load_settings(tmp_path / "marketsync.yaml"), user="ada")
    assert waiting_work(project, NOW) == ([], [])

    soon, far = (to_iso(NOW + timedelta(minutes=minutes)) for minutes in (30, 300))
    new, accepted = {"state": S.NEW, "remote_state": S.NEW}, {"remote_state": S.ACCEPTED}
    with project.ledger.begin() as conn:
        save_orders(
            conn,
            [
                order("a", line("a", **new), **new, decision="", accept_by=soon),
                order("b", line("b", **new), **new, decision="", accept_by=far,
                      flags=frozenset({OrderFlag.ON_HOLD})),
                order("c", line("c", outlet="westlands")),  # ready, and nobody has it
                order("d"), order("e"), order("f", line("f", state=S.ACCEPTED), **accepted),
            ],
        )  # fmt: skip
        hold(conn, [Hold("b", "manual", AT, "rule", "a person decides")])
        save_commands(
            conn,
            [
                command("c1", "d", CommandKind.SHIP),
                command("c2", "e", CommandKind.SHIP, soon),  # it was tried a moment ago
                command("c3", "f", CommandKind.SHIP),  # its source does not want it yet
            ],
        )
        add_forwards(
            conn,
            [
                forward("f1", "d", "sync_pending"),
                forward("f2", "e", "sync_pending", not_before=soon),
                forward("f3", "f", "acknowledged", sent_at=AT, asked_at=AT),
            ],
        )
    work = {one.name: one for one in waiting_work(project, NOW)[0]}
    assert {name: (one.job, one.why, one.outlets) for name, one in work.items()} == {
        "decide bestbuy": ("fulfil_orders", "1 order of bestbuy to decide", ("kisumu",)),
        "deadlines bestbuy": ("fulfil_orders", "1 order of bestbuy near the deadline", ("kisumu",)),
        "route bestbuy": ("fulfil_orders", "1 order of bestbuy to be sent on", ("westlands",)),
        "tell bestbuy": ("fulfil_orders", "1 command to bestbuy", ("kisumu",)),
        "forward printer": ("fulfil_orders", "1 order for printer", ("kisumu",)),
        "ask printer": ("fulfil_orders", "1 order to ask printer about", ("kisumu",)),
    }
    market = project.settings.accounts["bestbuy"]
    decides = market.model_copy(update={"orders": OrderSettings(accept="platform")})
    accounts = {**project.settings.accounts, "bestbuy": decides}
    settings = project.settings.model_copy(update={"accounts": accounts})
    there = waiting_work(replace(project, settings=settings), NOW)[0]
    assert work.keys() - {one.name for one in there} >= {"decide bestbuy"}, "the platform decides"
    later = {one.name: one for one in waiting_work(project, NOW + timedelta(hours=6))[0]}
    assert later["tell bestbuy"].why == "2 commands to bestbuy"
    assert later["forward printer"].mark != work["forward printer"].mark
    # of one that may be asked about at any time, too, nothing is asked twice in a minute
    printer = project.settings.accounts["printer"].model_copy(update={"ask_s": 0})
    eager = replace(
        project, settings=project.settings.model_copy(
            update={"accounts": {**project.settings.accounts, "printer": printer}}
        )
    )  # fmt: skip
    for passed, asks in ((ASK_PAUSE_S - 1, False), (ASK_PAUSE_S + 1, True)):
        moment = from_iso(AT) + timedelta(seconds=passed)
        found = {one.name for one in waiting_work(eager, moment)[0]}
        assert ("ask printer" in found) is asks, passed
    assert later["ask printer"].mark == work["ask printer"].mark, "nothing has moved there"

    close_account(project.ledger, "printer", 90_000, "Retry-After")
    (tmp_path / "till" / "out").mkdir(parents=True)
    (tmp_path / "till" / "out" / "answer.json").write_text("{}")
    (tmp_path / "shop" / "order.json").write_text("{}")
    (tmp_path / "shop" / "notes.txt").write_text("not an order")
    work = {one.name: one for one in waiting_work(project, NOW)[0]}
    assert work["forward printer"].closed_for == pytest.approx(90, abs=10)
    assert work["answers westlands"].outlets == ("westlands",)
    assert (work["files webshop"].job, work["files webshop"].why) == (
        "pull_orders",
        "1 file of webshop",
    )
    shutil.rmtree(tmp_path / "shop")
    found, (reason,) = waiting_work(project, NOW)
    assert "files webshop" not in {one.name for one in found}
    assert reason.startswith("files webshop: ")
    assert "cannot be listed: no such file or directory" in reason
    project.ledger.close()
