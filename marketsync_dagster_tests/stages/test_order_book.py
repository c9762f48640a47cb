"""Deciding on orders and telling their source, over HTTP against Mirakl in the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from sqlalchemy import select

from marketsync_dagster.catalog.frames import FrameStore
from marketsync_dagster.config.load import load_settings
from marketsync_dagster.ledger.backup import backup
from marketsync_dagster.ledger.engine import open_ledger
from marketsync_dagster.ledger.leases import release, take_lease
from marketsync_dagster.ledger.order_events import events_of
from marketsync_dagster.ledger.order_tables import orders
from marketsync_dagster.ledger.order_tasks import open_tasks
from marketsync_dagster.ledger.orders import BookOrder, load_orders
from marketsync_dagster.ledger.restore import restore
from marketsync_dagster.orders import hand_cancelling, hand_deciding, hand_refunding, hand_shipping
from marketsync_dagster.stages.catalog import CATALOG_KEY
from marketsync_dagster.stages.order_book import keep_book
from marketsync_dagster.stages.order_pull import pull_orders
from marketsync_dagster.stages.order_telling import lease_of
from marketsync_dagster.stages.order_updates import tell_sources
from marketsync_dagster.stages.project import Project, StageResult
from marketsync_dagster.values.order_states import OrderState
from marketsync_dagster_tests.ledgers import ENGINES, Engine, new_ledger_url, ready_ledger_url
from marketsync_dagster_tests.sandbox.mirakl import KEY, SHOP, seed_market
from marketsync_dagster_tests.sandbox_process import SandboxProcess

SOURCE, OUTLET = "best_buy", "westlands"
S = OrderState
WHO: dict[str, Any] = {"by": "jane", "reason": "so it is"}


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    return request.param


@pytest.fixture
def project(
    engine: Engine, tmp_path: Path, fresh_sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Project]:
    """One account that accepts by rule; nine pieces of each product."""
    monkeypatch.setenv("BEST_BUY_KEY", KEY)
    seed_market(fresh_sandbox, debit_delay_s=60, update_delta_s=0)
    account = {
        "platform": "mirakl",
        "base_url": fresh_sandbox.mirakl_url,
        "api_key": {"env": "BEST_BUY_KEY"},
        "shop_id": SHOP,
        "quota": {"per_minute": None},
        "timeouts": {"connect_s": 1, "read_s": 0.4},
        "retry": {"attempts": 3, "base_s": 0, "cap_s": 0, "budget_s": 5},
        "calls": {"orders_s": 0},
        "settle_s": 0,
        "several_parcels": True,
        "orders": {
            "accept": "auto",
            "overlap_s": 0,
            "carriers": {"Delhivery": "DHL"},
            "refund_reason": "15",
            "cancel_reason": "34",
        },
    }
    document = {
        "version": 1,
        "lease_wait_s": 0,
        "outlets": {OUTLET: {"name": "Westlands", "extract": {"path": "westlands"}}},
        "accounts": {SOURCE: account},
        "channels": [{"outlet": OUTLET, "account": SOURCE}],
    }
    file = tmp_path / "marketsync.yaml"
    file.write_text(yaml.safe_dump(document))
    frames = FrameStore(tmp_path / "home")
    stock = pd.DataFrame({"sku": ["S1", "S2", "S3"], "quantity": [9, 9, 9]})
    frames.write(CATALOG_KEY, OUTLET, stock, inputs="")
    ledger = open_ledger(ready_ledger_url(engine, tmp_path))
    yield Project(load_settings(file), ledger, frames, "run-1", "ann")
    ledger.close()


def new(name: str, *skus: str, quantity: int = 2) -> dict[str, Any]:
    lines = [{"offer_sku": sku, "quantity": quantity, "price": "3.50"} for sku in skus or ("S1",)]
    return {"shop_id": SHOP, "order_id": name, "lines": lines, "lower_stock": False}


def pull(project: Project) -> None:
    (result,) = pull_orders(project, "mirakl")
    assert result.ok, result


def keep(project: Project, **more: Any) -> StageResult:
    (result,) = keep_book(project, [OUTLET], **more)
    return result


def told(project: Project, **more: Any) -> StageResult:
    (result,) = tell_sources(project, "mirakl", [OUTLET], settle_s=0, **more)
    return result


def book(project: Project) -> dict[str, BookOrder]:
    with project.ledger.read() as conn:
        ids = list(conn.execute(select(orders.c.id)).scalars())
        return {order.external_id: order for order in load_orders(conn, ids).values()}


def effects(sandbox: SandboxProcess, name: str) -> dict[str, int]:
    """What was done to an order there, how often."""
    counts = sandbox.mirakl_orders(order_id=name)[name]["counts"]
    return {what: count["effect"] for what, count in counts.items() if count["effect"]}


def test_an_order_goes_from_its_acceptance_to_its_parcels(
    project: Project, sandbox: SandboxProcess
) -> None:
    ledger, settings = project.ledger, project.settings
    sandbox.add_orders(new("A-1", "S1", "S2"), new("A-2", quantity=3), new("A-3"), new("A-4", "X"))
    pull(project)
    kept = keep(project)
    assert (kept.ok, kept.state) == (True, "held")
    assert kept.numbers["decided_accepted"] == 3
    assert (kept.numbers["accepted"], kept.numbers["new"], kept.numbers["held"]) == (3, 1, 1)
    there = book(project)
    assert [there[f"A-{n}"].state for n in (1, 2, 3, 4)] == [S.ACCEPTED] * 3 + [S.NEW]

    # right after the acceptance: the money is still to come
    whole = hand_shipping.ship(
        ledger, settings, there["A-1"].id, carrier="delhivery", tracking="77", **WHO
    )
    assert "4 pieces shipped" in whole.words
    line = there["A-2"].lines[0].line_id
    hand_shipping.ship(ledger, settings, there["A-2"].id, tracking="1", carrier="Bike",
                 lines={line: 1}, **WHO)  # fmt: skip
    waits = told(project)
    assert (waits.state, waits.numbers["waiting"], waits.numbers["calls"]) == ("waiting", 3, 0)

    sandbox.clock(120)
    pull(project)
    assert told(project).numbers["told"] == 3
    hand_shipping.ship(ledger, settings, there["A-2"].id, carrier="Bike", tracking="2", **WHO)
    assert told(project).numbers["told"] == 1
    assert told(project).numbers["calls"] == 0
    assert effects(sandbox, "A-1") == {"accept": 1, "tracking": 1, "ship": 1}
    assert effects(sandbox, "A-2") == {"accept": 1, "parcel": 2, "parcel_ship": 2}
    shop = sandbox.mirakl_orders()
    assert shop["A-1"]["state"] == shop["A-2"]["state"] == "SHIPPED"
    assert shop["A-1"]["tracking"]["carrier_code"] == "DHL"

    # what we cancel, and the money of what has left
    hand_cancelling.cancel(ledger, settings, there["A-3"].id, **WHO)
    keep(project)
    first = there["A-1"].lines[0].line_id
    hand_refunding.refund(
        ledger, settings, there["A-1"].id, amounts={first: Decimal("1.50")}, **WHO
    )
    told(project)
    assert effects(sandbox, "A-3") == {"accept": 1, "cancel": 1}
    assert effects(sandbox, "A-1")["refund"] == 1
    assert book(project)["A-3"].state is S.CANCELLED
    pull(project)
    now = book(project)
    assert now["A-1"].lines[0].refunded_minor == 150
    assert [now[f"A-{n}"].state for n in (1, 2, 3)] == [S.SHIPPED, S.SHIPPED, S.CANCELLED]
    assert open_tasks(ledger) == []
    kinds = [event.kind for event in events_of(ledger, now["A-1"].id)]
    assert "anomaly" not in kinds


@pytest.mark.parametrize("action", ["apply_then_hang", "apply_then_reset", "hang", "html_200"])
def test_a_lost_answer_is_told_once_in_effect(
    project: Project, sandbox: SandboxProcess, action: str
) -> None:
    sandbox.add_orders(new("A-1"))
    pull(project)
    more: dict[str, Any] = (
        {"seconds": 2} if "hang" in action else {"reset": True} if "reset" in action else {}
    )
    sandbox.scenario(action, match={"path": "/accept"}, **more)
    keep(project)
    keep(project)
    assert effects(sandbox, "A-1") == {"accept": 1}
    assert book(project)["A-1"].state is S.ACCEPTED
    assert open_tasks(project.ledger) == []


def test_what_was_told_after_the_backup_that_a_ledger_comes_from_is_told_once(
    project: Project, sandbox: SandboxProcess, engine: Engine, tmp_path: Path
) -> None:
    def ship(one: Project) -> None:
        order = book(one)["A-1"]
        hand_shipping.ship(
            one.ledger, one.settings, order.id, lines={order.lines[0].line_id: 1},
            carrier="Bike", tracking="1", **WHO,
        )  # fmt: skip

    sandbox.add_orders(new("A-1", quantity=3))
    pull(project)
    before = backup(project.ledger, tmp_path / "before.zip", by="ann")
    keep(project)
    sandbox.clock(120)
    pull(project)
    taken = backup(project.ledger, tmp_path / "taken.zip", by="ann")
    ship(project)
    assert told(project).numbers["told"] == 1
    for saved in (taken, before):
        url = new_ledger_url(engine, tmp_path)
        restore(url, Path(saved.path), by="ann", backups=tmp_path)
        again = replace(project, ledger=open_ledger(url))
        keep(again)
        pull(again)
        ship(again)
        for _ in range(2):
            told(again)
        assert effects(sandbox, "A-1") == {"accept": 1, "parcel": 1, "parcel_ship": 1}
        assert open_tasks(again.ledger) == []
        again.ledger.close()


def test_an_order_that_its_customer_cancels_is_not_accepted(
    project: Project, sandbox: SandboxProcess
) -> None:
    sandbox.add_orders(new("A-1"), new("A-2"))
    pull(project)
    order = book(project)["A-1"]
    hand_deciding.accept(project.ledger, project.settings, order.id, **WHO)
    sandbox.change_order("A-1", cancel=True)
    sandbox.change_order("A-2", cancel=True)
    pull(project)
    keep(project)
    assert effects(sandbox, "A-1") == effects(sandbox, "A-2") == {}
    assert [one.state for one in book(project).values()] == [S.CANCELLED] * 2


def test_a_source_that_is_down_does_not_stop_decisions(
    project: Project, sandbox: SandboxProcess
) -> None:
    sandbox.add_orders(new("A-1"), new("A-2"), new("A-3"))
    pull(project)
    sandbox.scenario("status", status=401, match={"path": "/accept"}, times=None)
    result = keep(project)
    assert (result.ok, result.state) == (False, "failed")
    assert "connections test" in result.next_step
    assert [one.decision for one in book(project).values()] == ["accept"] * 3


def test_a_source_that_another_run_tells_is_left_to_it(
    project: Project, sandbox: SandboxProcess
) -> None:
    sandbox.add_orders(new("A-1"))
    pull(project)
    lease = take_lease(project.ledger, lease_of(SOURCE), "another run", 60)
    result = keep(project)
    assert (result.ok, result.state, effects(sandbox, "A-1")) == (True, "busy", {})
    release(project.ledger, lease)
    assert keep(project).numbers["told"] == 1


def test_a_test_run_decides_on_a_few(project: Project, sandbox: SandboxProcess) -> None:
    sandbox.add_orders(*(new(f"A-{n}", quantity=1) for n in range(4)))
    pull(project)
    result = keep(project, limit=3)
    assert (result.numbers["told"], result.numbers["left_out"]) == (3, 1)
    assert keep(project, limit=3).numbers["told"] == 1
